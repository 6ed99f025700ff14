//! Command line: what people and scripts type, and what they read.
//!
//! Owns arguments, printing and exit codes. Data goes to standard output, everything else to standard error; every
//! listing has `--json`. Refuses to decide anything that another room decides.

mod acts;
mod alerts;
mod args;
mod audit;
mod backup;
mod check;
mod demo;
mod listings;
mod mapping_test;
mod quarantine;
mod retention;
mod explain;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod incident;
mod replay;
mod run;
mod silence;
mod status;
mod table;
mod warehouse;

use crate::config::{self, Problems, Settings};
use crate::feed::{ProviderCode, error_chain};
use crate::ledger::{Filter, LedgerError, Reader};
use crate::service::control::Answer;
use args::{Arguments, Audit, Command, Hold, Mapping, Quarantine, Retention, Warehouse};
use clap::Parser;
use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Wrong arguments (`EX_USAGE` of sysexits.h).
const BAD_ARGUMENTS: u8 = 64;
/// A file that was named cannot be read (`EX_NOINPUT` of sysexits.h).
const NO_INPUT: u8 = 66;
/// Wrong settings (`EX_CONFIG` of sysexits.h).
const BAD_SETTINGS: u8 = 78;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The settings have problems.
    #[error("the settings have problems")]
    Settings(Problems),
    /// What was asked for makes no sense.
    #[error("{0}")]
    Arguments(String),
    /// A file that was named cannot be read: that is no verdict on it.
    #[error("{0}")]
    Input(String),
    /// It could not be done; the text says why.
    #[error("{0}")]
    Failed(String),
    /// Something below failed.
    #[error(transparent)]
    Broken(Box<dyn std::error::Error + Send + Sync>),
}

impl Failure {
    /// Wraps an error of another room.
    pub fn broken(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Broken(Box::new(error))
    }

    /// A file or folder that was named cannot be read.
    fn unreadable(path: &Path, error: &io::Error) -> Self {
        Self::Input(format!("cannot read {}: {error}", path.display()))
    }

    /// What it means that the daemon gave no answer of the sort that was asked for.
    fn answered(answer: Answer) -> Self {
        match answer {
            Answer::Refused { message } => Self::Failed(message),
            _ => Self::Failed("the daemon answered another question".to_owned()),
        }
    }
}

/// The code behind `--provider`: one that the settings have, or that has sent something once. A list of a code that nobody has
/// would be empty, and nobody would notice.
fn provider(code: &str, settings: &Settings, reader: &Reader) -> Result<ProviderCode, Failure> {
    let code: ProviderCode = code.parse().map_err(|error| Failure::Arguments(format!("--provider {code}: {error}")))?;
    let sent = Filter { provider: Some(code.clone()), limit: Some(1), ..Filter::default() };
    if settings.provider(&code).is_some() || !reader.deliveries(&sent)?.is_empty() {
        return Ok(code);
    }
    let codes = settings.providers.iter().map(|provider| provider.code.to_string()).collect::<Vec<_>>().join(", ");
    Err(Failure::Arguments(format!("--provider {code}: neither the settings nor the ledger know it; the settings have {codes}")))
}

/// Whether a command found everything fine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Exit status 0.
    Fine,
    /// Exit status 1: done, and the answer is no (a file would be rejected, the chain is broken).
    NotFine,
}

/// Runs the command that the arguments name, and gives the process's exit code.
#[must_use]
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error),
    };
    let mut out = io::stdout().lock();
    match dispatch(arguments.command, &mut out).and_then(|ending| out.flush().map(|()| ending).map_err(Failure::broken)) {
        Ok(Ending::Fine) => ExitCode::SUCCESS,
        Ok(Ending::NotFine) => ExitCode::FAILURE,
        Err(failure) => fail(&failure),
    }
}

fn dispatch(command: Command, out: &mut dyn Write) -> Result<Ending, Failure> {
    match command {
        Command::Demo(demo) => demo::demo(&demo, out),
        Command::Run(config) => run::run(&config.config),
        Command::CheckConfig(check) => run::check_config(&check.config.config, check.send_test, out),
        Command::Check(check) => check::check(&check, out),
        Command::Mapping(Mapping::Test(test)) => mapping_test::test(&test, out),
        Command::Status(listing) => status::status(&listing, out),
        Command::Deliveries(deliveries) => listings::deliveries(&deliveries, out),
        Command::Explain(explain) => explain::explain(&explain, out),
        Command::Quarantine(Quarantine::List(list)) => quarantine::list(&list, out),
        Command::Quarantine(Quarantine::Show(show)) => quarantine::show(&show, out),
        Command::Release(act) => acts::act(crate::ledger::Act::Release, &act, None, out),
        Command::Reprocess(reprocess) => acts::reprocess(&reprocess, out),
        Command::HandBack(back) => acts::act(crate::ledger::Act::HandBack, &back.act, back.mend, out),
        Command::Discard(act) => acts::act(crate::ledger::Act::Discard, &act, None, out),
        Command::Replay(arguments) => replay::replay(&arguments, out),
        Command::Downtime(downtime) => silence::downtime(&downtime, out),
        Command::Pause(pause) => silence::pause(&pause, out),
        Command::Resume(resume) => silence::resume(&resume, out),
        Command::Alert(alert) => alerts::alert(&alert, out),
        Command::Retention(Retention::Run(run)) => retention::run(&run, out),
        Command::Retention(Retention::Log(log)) => retention::log(&log, out),
        Command::Hold(Hold::Add(add)) => retention::hold_add(&add, out),
        Command::Hold(Hold::List(list)) => retention::hold_list(&list, out),
        Command::Hold(Hold::End(end)) => retention::hold_end(&end, out),
        Command::Audit(Audit::Verify(verify)) => audit::verify(&verify, out),
        Command::Audit(Audit::Export(export)) => audit::export(&export, out),
        Command::Audit(Audit::Checkpoint(checkpoint)) => audit::checkpoint(&checkpoint, out),
        Command::Audit(Audit::Note(note)) => audit::note(&note, out),
        Command::Backup(backup) => backup::backup(&backup, out),
        Command::Restore(restore) => backup::restore(&restore, out),
        Command::Settle(settle) => acts::settle(&settle, out),
        Command::Warehouse(Warehouse::Migrate(config)) => warehouse::migrate(&config.config, out),
        Command::Warehouse(Warehouse::Check(listing)) => warehouse::check(&listing, out),
        Command::Schema => json(out, &crate::bedstate::table_schema()).map(|()| Ending::Fine),
    }
}

fn usage(error: &clap::Error) -> ExitCode {
    // Help and version come this way too; a closed output is nothing to complain about.
    drop(error.print());
    if error.use_stderr() { ExitCode::from(BAD_ARGUMENTS) } else { ExitCode::SUCCESS }
}

fn fail(failure: &Failure) -> ExitCode {
    let mut err = io::stderr().lock();
    let (text, code) = match failure {
        Failure::Settings(problems) => (format!("{problems}"), BAD_SETTINGS),
        Failure::Arguments(text) => (format!("bedfeed: {text}"), BAD_ARGUMENTS),
        Failure::Input(text) => (format!("bedfeed: {text}"), NO_INPUT),
        Failure::Failed(text) => (format!("bedfeed: {text}"), 1),
        // The reader of a pipe has seen enough, as `head` does: nothing is wrong.
        Failure::Broken(error) if is_broken_pipe(error.as_ref()) => return ExitCode::SUCCESS,
        Failure::Broken(error) => (format!("bedfeed: {}", error_chain(error.as_ref())), 1),
    };
    drop(writeln!(err, "{}", text.trim_end()));
    ExitCode::from(code)
}

fn is_broken_pipe(error: &(dyn std::error::Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Loads the settings.
fn settings(file: &Path) -> Result<Settings, Failure> {
    config::load(file).map_err(Failure::Settings)
}

/// Opens the ledger for reading, whether the daemon runs or not.
fn reader(settings: &Settings) -> Result<Reader, Failure> {
    let path = settings.state_dir.join(crate::ledger::FILE_NAME);
    if !path.try_exists().map_err(Failure::broken)? {
        return Err(Failure::Failed(format!("there is no ledger in {}: bedfeed has not run there yet", settings.state_dir.display())));
    }
    Reader::open(&path).map_err(Failure::broken)
}

/// The one delivery that a text names: a whole id, or the part of it that tables show.
fn delivery_called(reader: &Reader, text: &str) -> Result<crate::ledger::DeliveryRow, Failure> {
    let mut found = match text.parse() {
        Ok(id) => reader.delivery(id).map(|row| row.into_iter().collect()),
        Err(_) => reader.by_part_of_id(text),
    }
    .map_err(Failure::broken)?;
    match (found.pop(), found.is_empty()) {
        (Some(row), true) => Ok(row),
        (Some(_), false) => Err(Failure::Failed(format!("more than one delivery has {text} in its id; give more of it"))),
        (None, _) => Err(Failure::Failed(format!("there is no delivery {text}; `bedfeed deliveries` lists them"))),
    }
}

/// Prints JSON, indented for people who look.
fn json(out: &mut dyn Write, value: &impl serde::Serialize) -> Result<(), Failure> {
    // As an error of the output where it is one, so that a closed pipe is told from a broken program.
    serde_json::to_writer_pretty(&mut *out, value).map_err(io::Error::from)?;
    writeln!(out).map_err(Failure::broken)
}

/// Log lines go to the journal with their fields where systemd has connected standard error to it (`journalctl PROVIDER=RM1`
/// finds them), and to standard error otherwise, in colours only on a terminal. `BEDFEED_LOG` sets the level.
fn log_to_stderr(default_level: &str) {
    let filter = EnvFilter::try_from_env("BEDFEED_LOG").unwrap_or_else(|_| EnvFilter::new(default_level));
    // A second call keeps the first subscriber, which is as good.
    if std::env::var_os("JOURNAL_STREAM").is_some()
        && !io::stderr().is_terminal()
        && let Ok(journal) = tracing_journald::layer()
    {
        drop(tracing_subscriber::registry().with(filter).with(journal.with_field_prefix(None)).try_init());
        return;
    }
    drop(tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(io::stderr().is_terminal()).try_init());
}

/// A runtime for commands that start the daemon.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::broken)
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Self {
        Self::broken(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::broken(error)
    }
}
