//! Arguments, as `bedfeed --help` explains them.

mod silence;

pub(super) use silence::{Alert, AlertAck, AlertList, Downtime, DowntimeAdd, DowntimeEnd, DowntimeList, Pause, Resume, Word};

use clap::{Args, Parser, Subcommand};
use jiff::Timestamp;
use std::path::PathBuf;

/// Where the settings are unless `--config` says otherwise.
pub(super) const DEFAULT_CONFIG: &str = "/etc/bedfeed/bedfeed.toml";

/// The front door for 15-minute bed-state feeds: SFTP in, checked, normalised, loaded exactly once, watched for silence.
///
/// Exit status: 0 fine, 1 failed or rejected, 64 wrong arguments, 66 a file cannot be read, 78 wrong settings.
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
    CheckConfig(CheckConfig),
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
    /// What is set aside: look at it, masked or raw.
    #[command(subcommand)]
    Quarantine(Quarantine),
    /// Load a quarantined delivery in spite of a rule that allows that.
    Release(Act),
    /// Judge a quarantined delivery again, with the settings of today; or many at once.
    Reprocess(Reprocess),
    /// Give a quarantined delivery back to its sender, whose receipt says what to mend.
    HandBack(HandBack),
    /// Decide that a quarantined delivery will never be loaded.
    Discard(Act),
    /// Planned downtime: a provider sends nothing for a while, and nobody is alerted.
    #[command(subcommand)]
    Downtime(Downtime),
    /// Pause a feed: nobody is alerted of its silence. What it sends is still taken, judged and loaded.
    Pause(Pause),
    /// Expect a paused feed's files again.
    Resume(Resume),
    /// Alerts: what is wrong now, and who sees to it.
    #[command(subcommand)]
    Alert(Alert),
    /// What is deleted when, and what was.
    #[command(subcommand)]
    Retention(Retention),
    /// Legal holds: what must be kept, whatever its age.
    #[command(subcommand)]
    Hold(Hold),
    /// Read stored originals again after a mapping was mended: new versions, same history.
    Replay(Replay),
    /// The audit trail.
    #[command(subcommand)]
    Audit(Audit),
    /// Take a consistent copy of everything that is remembered, while the daemon goes on.
    Backup(Backup),
    /// Restore a backup into the empty state folder of these settings.
    Restore(Restore),
    /// Take the ledger for the right one: drop from the warehouse what it does not know (docs/reliability.md).
    Settle(Settle),
    /// The warehouse: make its tables, compare it with the ledger.
    #[command(subcommand)]
    Warehouse(Warehouse),
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

/// `check-config`.
#[derive(Debug, Args)]
pub(super) struct CheckConfig {
    #[command(flatten)]
    pub(super) config: Config,
    /// Send a message that says that it is a test through every channel of alerts, and say for each whether it was taken.
    #[arg(long)]
    pub(super) send_test: bool,
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

/// `warehouse`.
#[derive(Debug, Subcommand)]
pub(super) enum Warehouse {
    /// Make the tables and views, or bring them up to date, as the user that the settings name.
    Migrate(Config),
    /// Compare what the ledger calls loaded with what the warehouse has, and name each difference.
    Check(Listing),
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

/// `quarantine`.
#[derive(Debug, Subcommand)]
pub(super) enum Quarantine {
    /// What waits, since when, for which rules, and what may be done with it.
    List(QuarantineList),
    /// Look at one delivery: findings, and the lines they are about with values masked. With --raw: the file itself.
    Show(QuarantineShow),
}

/// `quarantine list`.
#[derive(Debug, Args)]
pub(super) struct QuarantineList {
    /// The settings.
    #[command(flatten)]
    pub(super) config: Config,
    /// Only this provider's.
    #[arg(long, value_name = "CODE")]
    pub(super) provider: Option<String>,
    /// Also what was discarded or handed back.
    #[arg(long)]
    pub(super) all: bool,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

/// `quarantine show`.
#[derive(Debug, Args)]
pub(super) struct QuarantineShow {
    /// The settings.
    #[command(flatten)]
    pub(super) config: Config,
    /// The delivery's id, or the part of it that tables show.
    #[arg(value_name = "ID")]
    pub(super) id: String,
    /// The file as it was sent, to standard output. This is recorded; never of a sealed one.
    #[arg(long, requires = "by", requires = "reason", conflicts_with = "json")]
    pub(super) raw: bool,
    /// Who you are.
    #[arg(long, value_name = "WHO", requires = "raw")]
    pub(super) by: Option<String>,
    /// Why.
    #[arg(long, value_name = "WHY", requires = "raw")]
    pub(super) reason: Option<String>,
    /// A new file for it, readable by its owner alone, instead of standard output.
    #[arg(long, value_name = "FILE", requires = "raw")]
    pub(super) out: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

/// `reprocess`.
#[derive(Debug, Args)]
pub(super) struct Reprocess {
    /// The settings.
    #[command(flatten)]
    pub(super) config: Config,
    /// The delivery's id, or the part of it that tables show.
    #[arg(value_name = "ID", required_unless_present = "provider", conflicts_with = "provider")]
    pub(super) id: Option<String>,
    /// Everything of this provider that waits.
    #[arg(long, value_name = "CODE")]
    pub(super) provider: Option<String>,
    /// Of it, only what this rule spoke about, as in STR-06.
    #[arg(long, value_name = "RULE", requires = "provider")]
    pub(super) rule: Option<String>,
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

/// `hand-back`.
#[derive(Debug, Args)]
pub(super) struct HandBack {
    /// What to do it to, who and why.
    #[command(flatten)]
    pub(super) act: Act,
    /// What the sender should mend, in words that the sender will read on the receipt. The findings stand there anyway.
    #[arg(long, value_name = "WORDS")]
    pub(super) mend: Option<String>,
}

/// `release` and `discard`; the first part of `hand-back`.
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

/// `retention`.
#[derive(Debug, Subcommand)]
pub(super) enum Retention {
    /// Delete what is old enough now, as the daemon does once a day.
    Run(RetentionRun),
    /// What was deleted: class, how much, when, under which setting.
    Log(RetentionLog),
}

/// `retention run`.
#[derive(Debug, Args)]
pub(super) struct RetentionRun {
    /// The settings.
    #[command(flatten)]
    pub(super) config: Config,
    /// Only say what would go, and what stays though it is old, and why.
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

/// `retention log`.
#[derive(Debug, Args)]
pub(super) struct RetentionLog {
    /// The settings.
    #[command(flatten)]
    pub(super) config: Config,
    /// At most so many, the newest.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(super) limit: u32,
    /// Print JSON, which has the deliveries' ids.
    #[arg(long)]
    pub(super) json: bool,
}

/// `hold`.
#[derive(Debug, Subcommand)]
pub(super) enum Hold {
    /// Order that something is kept: what all of the conditions fit.
    Add(HoldAdd),
    /// The holds that stand.
    List(HoldList),
    /// Lift a hold.
    End(HoldEnd),
}

/// `hold add`.
#[derive(Debug, Args)]
pub(super) struct HoldAdd {
    /// The settings.
    #[command(flatten)]
    pub(super) config: Config,
    /// Everything of this provider.
    #[arg(long, value_name = "CODE")]
    pub(super) provider: Option<String>,
    /// This delivery, and the parts of its set.
    #[arg(long, value_name = "ID")]
    pub(super) delivery: Option<String>,
    /// What arrived, or is about, this moment or later, as in 2018-12-03T10:00Z.
    #[arg(long, value_name = "TIME")]
    pub(super) from: Option<Timestamp>,
    /// What arrived, or is about, an earlier moment than this.
    #[arg(long, value_name = "TIME")]
    pub(super) to: Option<Timestamp>,
    /// Who orders it.
    #[arg(long, value_name = "WHO")]
    pub(super) by: String,
    /// Why.
    #[arg(long, value_name = "WHY")]
    pub(super) reason: String,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

/// `hold list`.
#[derive(Debug, Args)]
pub(super) struct HoldList {
    /// The settings.
    #[command(flatten)]
    pub(super) config: Config,
    /// Also those that were lifted.
    #[arg(long)]
    pub(super) all: bool,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

/// `hold end`.
#[derive(Debug, Args)]
pub(super) struct HoldEnd {
    /// The settings.
    #[command(flatten)]
    pub(super) config: Config,
    /// The hold's number.
    #[arg(value_name = "NUMBER")]
    pub(super) hold: u32,
    /// Who lifts it.
    #[arg(long, value_name = "WHO")]
    pub(super) by: String,
    /// Why.
    #[arg(long, value_name = "WHY")]
    pub(super) reason: String,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

/// `settle`.
#[derive(Debug, Args)]
pub(super) struct Settle {
    /// The settings.
    #[command(flatten)]
    pub(super) config: Config,
    /// Who says that the ledger is right.
    #[arg(long, value_name = "WHO")]
    pub(super) by: String,
    /// Why.
    #[arg(long, value_name = "WHY")]
    pub(super) reason: String,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

/// `audit`.
#[derive(Debug, Subcommand)]
pub(super) enum Audit {
    /// Recompute the chain of entries, compare what is derived from them, and look for checkpoints.
    Verify(AuditVerify),
    /// Write the trail as JSON lines, which any SHA-256 program can verify.
    Export(AuditExport),
    /// Print the head of the chain, to be kept elsewhere.
    Checkpoint(AuditCheckpoint),
    /// Write a note into the trail: who changed the settings and why, for example.
    Note(AuditNote),
}

/// `audit verify`.
#[derive(Debug, Args)]
pub(super) struct AuditVerify {
    /// The settings; not needed for an export.
    #[command(flatten)]
    pub(super) config: Config,
    /// A file with checkpoints that the chain must still hold: lines of `audit checkpoint`, a log, or bodies of webhooks. May
    /// be given several times.
    #[arg(long = "checkpoint", value_name = "FILE")]
    pub(super) checkpoints: Vec<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
    /// An exported trail to verify instead of the ledger.
    #[arg(value_name = "EXPORT")]
    pub(super) export: Option<PathBuf>,
}

/// `audit export`.
#[derive(Debug, Args)]
pub(super) struct AuditExport {
    /// The settings.
    #[command(flatten)]
    pub(super) config: Config,
    /// Only what was recorded from this moment on, as in 2018-12-03T10:17Z.
    #[arg(long, value_name = "TIME")]
    pub(super) since: Option<Timestamp>,
    /// A new file to write to, readable by its owner alone; standard output unless given.
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
}

/// `audit checkpoint`.
#[derive(Debug, Args)]
pub(super) struct AuditCheckpoint {
    /// The settings.
    #[command(flatten)]
    pub(super) config: Config,
    /// A file to add the line to; standard output unless given.
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
}

/// `audit note`.
#[derive(Debug, Args)]
pub(super) struct AuditNote {
    /// The settings.
    #[command(flatten)]
    pub(super) config: Config,
    /// Who you are.
    #[arg(long, value_name = "WHO")]
    pub(super) by: String,
    /// What the trail should say. It stays for ever: no patient, and nobody's private matters.
    #[arg(long, value_name = "TEXT")]
    pub(super) note: String,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

/// `backup`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct Backup {
    /// What else to do with backups.
    #[command(subcommand)]
    pub(super) command: Option<BackupCommand>,
    /// The settings.
    #[command(flatten)]
    pub(super) config: Config,
    /// How many backups to keep below DIR, this one included; older ones are removed.
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub(super) keep: u32,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
    /// A folder for backups, best on another disk; each becomes a folder of its own in it.
    #[arg(value_name = "DIR", required = true)]
    pub(super) dir: Option<PathBuf>,
}

/// `backup verify`.
#[derive(Debug, Subcommand)]
pub(super) enum BackupCommand {
    /// Check every hash of a backup, its ledger's chain, and that its books agree.
    Verify(BackupVerify),
}

/// `backup verify`.
#[derive(Debug, Args)]
pub(super) struct BackupVerify {
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
    /// A backup, or a folder of backups: then the newest.
    #[arg(value_name = "DIR")]
    pub(super) dir: PathBuf,
}

/// `restore`.
#[derive(Debug, Args)]
pub(super) struct Restore {
    /// The settings; their state folder must be empty.
    #[command(flatten)]
    pub(super) config: Config,
    /// Restore it although `backup verify` names problems.
    #[arg(long)]
    pub(super) in_spite_of_problems: bool,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
    /// A backup, or a folder of backups: then the newest.
    #[arg(value_name = "DIR")]
    pub(super) dir: PathBuf,
}
