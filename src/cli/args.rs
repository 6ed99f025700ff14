//! Arguments, as `bedfeed --help` explains them.

use clap::{Args, Parser, Subcommand};
use jiff::Timestamp;
use std::path::PathBuf;

/// Where the settings are unless `--config` says otherwise.
pub(super) const DEFAULT_CONFIG: &str = "/etc/bedfeed/bedfeed.toml";

/// The front door for 15-minute bed-state feeds: SFTP in, checked, normalised, loaded exactly once, watched for silence.
///
/// Exit status: 0 fine, 1 failed or rejected, 64 wrong arguments, 78 wrong settings.
#[derive(Debug, Parser)]
#[command(name = "bedfeed", version, disable_help_subcommand = true)]
pub(super) struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub(super) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show it all working: six sample providers upload to a daemon of its own. Needs nothing.
    Demo(Demo),
    /// Run the daemon.
    Run(Config),
    /// Report every problem in the settings at once, with file, line and key.
    CheckConfig(Config),
    /// Judge files without loading anything: findings with their lines, totals, columns, first lines.
    Check(Check),
    /// Mappings.
    #[command(subcommand)]
    Mapping(Mapping),
    /// Feed health: what is late, wrong or silent, and why.
    Status(Listing),
    /// The list of deliveries, newest first.
    Deliveries(Deliveries),
    /// One delivery's whole life.
    Explain(Explain),
    /// Load a quarantined delivery in spite of a rule that allows that.
    Release(Act),
    /// Judge a quarantined delivery again, with the settings of today.
    Reprocess(Act),
    /// Decide that a quarantined delivery will never be loaded.
    Discard(Act),
    /// Read stored originals again after a mapping was mended: new versions, same history.
    Replay(Replay),
    /// The audit trail.
    #[command(subcommand)]
    Audit(Audit),
    /// Print the dataset's Table Schema (Frictionless JSON).
    Schema,
}

/// Where the settings are.
#[derive(Debug, Args)]
pub(super) struct Config {
    /// The main settings file.
    #[arg(long, value_name = "FILE", default_value = DEFAULT_CONFIG)]
    pub(super) config: PathBuf,
}

/// `demo`.
#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Where settings, keys and state are written; a new temporary folder unless given.
    #[arg(long, value_name = "DIR")]
    pub(super) dir: Option<PathBuf>,
    /// One full round, then stop: exit status 0 only if every promise held.
    #[arg(long)]
    pub(super) once: bool,
}

/// `check`.
#[derive(Debug, Args)]
pub(super) struct Check {
    /// The settings.
    #[command(flatten)]
    pub(super) config: Config,
    /// Whose files these are.
    #[arg(long, value_name = "CODE")]
    pub(super) provider: String,
    /// The moment to judge them at, as in 2018-12-03T10:17Z. Unless given: now, or for old figures two minutes after them.
    #[arg(long, value_name = "TIME")]
    pub(super) at: Option<Timestamp>,
    /// Print JSON; docs/checking.md lists its keys.
    #[arg(long)]
    pub(super) json: bool,
    /// Judge again whenever one of the files or the settings change, until Ctrl-C.
    #[arg(long)]
    pub(super) watch: bool,
    /// When to use colours.
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub(super) color: Colour,
    /// The files; all parts of one snapshot together.
    #[arg(value_name = "FILE", required = true)]
    pub(super) files: Vec<PathBuf>,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Colour {
    /// On a terminal, unless NO_COLOR is set or TERM is dumb.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// A listing.
#[derive(Debug, Args)]
pub(super) struct Listing {
    /// The settings.
    #[command(flatten)]
    pub(super) config: Config,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

/// `deliveries`.
#[derive(Debug, Args)]
pub(super) struct Deliveries {
    /// The settings.
    #[command(flatten)]
    pub(super) config: Config,
    /// Only this provider's.
    #[arg(long, value_name = "CODE")]
    pub(super) provider: Option<String>,
    /// Only those that ended like this: pending, loaded, quarantined, duplicate or test.
    #[arg(long, value_name = "WORD")]
    pub(super) outcome: Option<String>,
    /// At most so many.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(super) limit: u32,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

/// `explain`.
#[derive(Debug, Args)]
pub(super) struct Explain {
    /// The settings.
    #[command(flatten)]
    pub(super) config: Config,
    /// The delivery's id, or the part of it that tables show.
    #[arg(value_name = "ID")]
    pub(super) id: String,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

/// `release`, `reprocess` and `discard`.
#[derive(Debug, Args)]
pub(super) struct Act {
    /// The settings.
    #[command(flatten)]
    pub(super) config: Config,
    /// The delivery's id, or the part of it that tables show.
    #[arg(value_name = "ID")]
    pub(super) id: String,
    /// Who you are.
    #[arg(long, value_name = "WHO")]
    pub(super) by: String,
    /// Why.
    #[arg(long, value_name = "WHY")]
    pub(super) reason: String,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

/// `replay`.
#[derive(Debug, Args)]
pub(super) struct Replay {
    /// The settings.
    #[command(flatten)]
    pub(super) config: Config,
    /// Whose files.
    #[arg(long, value_name = "CODE")]
    pub(super) provider: String,
    /// In the first slot that is read again, as in 2018-12-03T10:15Z.
    #[arg(long, value_name = "TIME")]
    pub(super) from: Timestamp,
    /// In the last slot that is read again.
    #[arg(long, value_name = "TIME")]
    pub(super) to: Timestamp,
    /// Say what would become of each snapshot, and change nothing.
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Who you are.
    #[arg(long, value_name = "WHO", required_unless_present = "dry_run")]
    pub(super) by: Option<String>,
    /// Why.
    #[arg(long, value_name = "WHY", required_unless_present = "dry_run")]
    pub(super) reason: Option<String>,
    /// Do not wait until all is read again and loaded.
    #[arg(long)]
    pub(super) no_wait: bool,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

/// `mapping`.
#[derive(Debug, Subcommand)]
pub(super) enum Mapping {
    /// Run a mapping's examples, and read the files accepted last by it: what would be different?
    Test(MappingTest),
}

/// `mapping test`.
#[derive(Debug, Args)]
pub(super) struct MappingTest {
    /// The settings.
    #[command(flatten)]
    pub(super) config: Config,
    /// Only this provider's; all of them unless given.
    #[arg(long, value_name = "CODE")]
    pub(super) provider: Option<String>,
    /// The mapping to try, whatever its dates; the one that starts last unless given.
    #[arg(long = "mapping", value_name = "VERSION")]
    pub(super) version: Option<String>,
    /// How many accepted snapshots to try, the newest first.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(super) last: u32,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

/// `audit`.
#[derive(Debug, Subcommand)]
pub(super) enum Audit {
    /// Recompute the chain of entries; name the first broken one.
    Verify(Listing),
}
