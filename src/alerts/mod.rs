//! Alerts: problems become episodes, episodes become messages, messages are delivered at least once.
//!
//! Owns episodes (pure), routes (pure), the outbox and the channels. Refuses to change a delivery's stage.

mod again;
mod cause;
mod channels;
mod common;
mod deciding;
mod episodes;
mod heartbeat;
mod house;
mod message;
mod outbox;
mod rounds;
mod routes;
mod states;
mod telling;
mod trial;
mod watch;

#[cfg(test)]
mod month_tests;

pub use again::Cadence;
pub use cause::{Evidence, RefusedLogin, likely_cause};
pub use channels::{
    Address, Alertmanager, Channel, Email, Form, MailTls, Outgoing, SendError, To, Webhook, is_mail_address, is_web_address, send,
};
pub use common::{Common, Together, Voice, common_cause, voice};
pub use deciding::{Again, Decision, FeedView, OpenEpisode, decide, next_decision};
pub use episodes::{Change, Ending, Episode, Problem, step};
pub use heartbeat::{Heartbeat, Turned};
pub use house::{
    HouseChange, HouseEpisode, HouseLook, HouseProblem, HouseTrouble, Queue, away_trouble, further_trouble, house_step, silent_trouble,
    waited, warehouse_trouble,
};
pub use message::{About, AlertKind, AlertMessage, AlertSeverity, Concern, MESSAGE_VERSION, RecordConcern, TermConcern};
pub use outbox::{MAX_WAIT, next_attempt};
pub use routes::{Plan, Quiet, Route, Routing, Said, plan, reachable};
pub use trial::trial;
pub use watch::{Probe, Watch, WatchedFeed, Witness};

/// `[alerts]` in the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Channels beside the log, which is always on.
    pub channels: Vec<Channel>,
    /// Which message goes to which channel; none: each to all.
    pub routes: Vec<Route>,
    /// When what goes on is told again.
    pub cadence: Cadence,
    /// Channels that are told when an episode is escalated, by name.
    pub escalate_to: Vec<String>,
    /// Whom we show that we are there.
    pub heartbeat: Option<Heartbeat>,
    /// `checkpoint_to` in `[audit]`: where the head of the ledger's chain is sent each day, by names of channels.
    pub checkpoint_to: Vec<String>,
}

/// The log is on another disk, or goes to another machine, wherever it matters; a webhook may call people at night.
impl Default for Settings {
    fn default() -> Self {
        Self {
            channels: Vec::new(),
            routes: Vec::new(),
            cadence: Cadence::default(),
            escalate_to: Vec::new(),
            heartbeat: None,
            checkpoint_to: vec!["log".to_owned()],
        }
    }
}
