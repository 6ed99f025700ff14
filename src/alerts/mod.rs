//! Alerts: problems become episodes, episodes become messages, messages are delivered at least once.
//!
//! Owns episodes (pure), the outbox and the channels. Refuses to change a delivery's stage.

mod again;
mod cause;
mod channels;
mod common;
mod deciding;
mod episodes;
mod house;
mod message;
mod outbox;
mod rounds;
mod watch;

#[cfg(test)]
mod month_tests;

pub use again::Cadence;
pub use cause::{Evidence, RefusedLogin, likely_cause};
pub use channels::{SendError, send};
pub use common::{Common, Voice, common_cause, together_since, voice};
pub use deciding::{Again, Decision, FeedView, OpenEpisode, decide, next_decision};
pub use episodes::{Change, Ending, Episode, Problem, step};
pub use house::{
    HouseChange, HouseEpisode, HouseLook, HouseProblem, HouseTrouble, Queue, away_trouble, further_trouble, house_step, silent_trouble,
    waited, warehouse_trouble,
};
pub use message::{About, AlertKind, AlertMessage, AlertSeverity, Concern, MESSAGE_VERSION, RecordConcern, TermConcern};
pub use outbox::{Channel, MAX_WAIT, next_attempt};
pub use watch::{Probe, Watch, WatchedFeed, Witness};

/// `[alerts]` in the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Webhooks that get every alert as JSON.
    pub webhooks: Vec<Webhook>,
    /// When what goes on is told again.
    pub cadence: Cadence,
    /// Channels, by their names, that are told of what goes on and nobody has acknowledged.
    pub escalate_to: Vec<String>,
    /// `checkpoint_to` in `[audit]`: where the head of the ledger's chain is sent each day. `log`, or names of webhooks.
    pub checkpoint_to: Vec<String>,
}

/// The log is on another disk, or goes to another machine, wherever it matters; a webhook may call people at night.
impl Default for Settings {
    fn default() -> Self {
        Self { webhooks: Vec::new(), cadence: Cadence::default(), escalate_to: Vec::new(), checkpoint_to: vec!["log".to_owned()] }
    }
}

/// One webhook. The log channel is always on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Its name in status and logs.
    pub name: String,
    /// `http://` or `https://`.
    pub url: String,
}
