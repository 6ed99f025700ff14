//! Arguments of the commands by which people speak about silence and alerts: `downtime`, `pause`, `resume`, `alert`.

use super::Config;
use clap::{Args, Subcommand};

/// `downtime`.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Downtime {
    /// Announce that a provider sends nothing for a while: nobody is alerted, and its feed is grey with the reason.
    Add(DowntimeAdd),
    /// Downtime and pauses that stand or are to come.
    List(DowntimeList),
    /// End a downtime before its time, or cancel one that has not begun.
    End(DowntimeEnd),
}

/// Who says something, and why.
#[derive(Debug, Args)]
pub(in crate::cli) struct Word {
    /// Who you are.
    #[arg(long, value_name = "WHO")]
    pub(in crate::cli) by: String,
    /// Why. It stays for ever, and pages show it: no patient, and nobody's private matters.
    #[arg(long, value_name = "WHY")]
    pub(in crate::cli) reason: String,
    /// Print JSON.
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// `downtime add`.
#[derive(Debug, Args)]
pub(in crate::cli) struct DowntimeAdd {
    /// The settings.
    #[command(flatten)]
    pub(in crate::cli) config: Config,
    /// Whose feed.
    #[arg(long, value_name = "CODE")]
    pub(in crate::cli) provider: String,
    /// When it begins: local time, as in 2018-12-03T22:00, or UTC, as in 2018-12-03T22:00Z.
    #[arg(long, value_name = "TIME")]
    pub(in crate::cli) from: String,
    /// When files come again, in the same way; 31 days later at most. What is still silent then is late as usual.
    #[arg(long, value_name = "TIME")]
    pub(in crate::cli) until: String,
    /// Who and why.
    #[command(flatten)]
    pub(in crate::cli) word: Word,
}

/// `downtime list`.
#[derive(Debug, Args)]
pub(in crate::cli) struct DowntimeList {
    /// The settings.
    #[command(flatten)]
    pub(in crate::cli) config: Config,
    /// Also what is over or was cancelled.
    #[arg(long)]
    pub(in crate::cli) all: bool,
    /// Print JSON.
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// `downtime end`.
#[derive(Debug, Args)]
pub(in crate::cli) struct DowntimeEnd {
    /// The settings.
    #[command(flatten)]
    pub(in crate::cli) config: Config,
    /// The downtime's number.
    #[arg(value_name = "ID")]
    pub(in crate::cli) id: u32,
    /// Who and why.
    #[command(flatten)]
    pub(in crate::cli) word: Word,
}

/// `pause`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Pause {
    /// The settings.
    #[command(flatten)]
    pub(in crate::cli) config: Config,
    /// Whose feed.
    #[arg(value_name = "CODE")]
    pub(in crate::cli) provider: String,
    /// Until when, as in 2018-12-03T22:00 (local) or 2018-12-03T22:00Z; until `bedfeed resume` unless given.
    #[arg(long, value_name = "TIME")]
    pub(in crate::cli) until: Option<String>,
    /// Who and why.
    #[command(flatten)]
    pub(in crate::cli) word: Word,
}

/// `resume`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Resume {
    /// The settings.
    #[command(flatten)]
    pub(in crate::cli) config: Config,
    /// Whose feed.
    #[arg(value_name = "CODE")]
    pub(in crate::cli) provider: String,
    /// Who and why.
    #[command(flatten)]
    pub(in crate::cli) word: Word,
}

/// `alert`.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Alert {
    /// What is wrong now, since when, and who sees to it.
    List(AlertList),
    /// Say that you know of an alert and see to it: nobody is reminded of it, and it goes no further.
    Ack(AlertAck),
}

/// `alert list`.
#[derive(Debug, Args)]
pub(in crate::cli) struct AlertList {
    /// The settings.
    #[command(flatten)]
    pub(in crate::cli) config: Config,
    /// Also what is over, the newest first.
    #[arg(long)]
    pub(in crate::cli) all: bool,
    /// Print JSON.
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// `alert ack`.
#[derive(Debug, Args)]
pub(in crate::cli) struct AlertAck {
    /// The settings.
    #[command(flatten)]
    pub(in crate::cli) config: Config,
    /// The alert's key, as messages and `bedfeed alert list` show it; or several.
    #[arg(value_name = "KEY", required = true)]
    pub(in crate::cli) keys: Vec<String>,
    /// When that lapses, as in 2018-12-03T22:00 (local) or 2018-12-03T22:00Z; it holds until the alert is over unless given.
    #[arg(long, value_name = "TIME")]
    pub(in crate::cli) until: Option<String>,
    /// Who and why.
    #[command(flatten)]
    pub(in crate::cli) word: Word,
}
