//! `bedfeed demo`: six invented providers upload over real SFTP to a daemon of their own, and every promise is checked.

mod folder;
mod round;
mod show;
mod verdict;

use super::args::Demo;
use super::table::shell;
use super::{Ending, Failure, log_to_stderr, runtime};
use crate::config::{self, Settings};
use crate::feed::{Clock, Slot};
use crate::ledger::Reader;
use crate::service::{self, Running, SystemClock};
use crate::simulator::World;
use round::Round;
use show::Show;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

/// The invented world is the same each time.
const SEED: u64 = 20_181_203;
/// How long the round may take until every delivery has ended and the alert is out. A quiet machine needs a few seconds.
const ROUND_LIMIT: Duration = Duration::from_secs(120);
/// How often the ledger is looked at for something to show.
const TICK: Duration = Duration::from_millis(100);

/// Runs the demo.
pub(super) fn demo(arguments: &Demo, out: &mut dyn Write) -> Result<Ending, Failure> {
    // What happens is shown line by line; the daemon's own log would only repeat it.
    log_to_stderr("error");
    let (dir, _cleaner) = match &arguments.dir {
        Some(dir) => (dir.clone(), None),
        None => {
            let fresh = folder::temporary()?;
            (fresh.path.clone(), arguments.once.then_some(fresh))
        }
    };
    let now = SystemClock.now();
    let settings_file = folder::prepare(&dir, now)?;
    runtime()?.block_on(play(&dir, &settings_file, arguments.once, out))
}

async fn play(dir: &Path, settings_file: &Path, once: bool, out: &mut dyn Write) -> Result<Ending, Failure> {
    // Listened to from here on: a signal between two looks at it must not be lost.
    let mut ctrl_c = signal(SignalKind::interrupt())?;
    let settings = config::load(settings_file).map_err(Failure::Settings)?;
    let running = service::start(&settings).await.map_err(Failure::broken)?;
    folder::keep_ports(settings_file, &running)?;
    let outcome = round(dir, &settings, &running, once, &mut ctrl_c, out).await;
    if once {
        running.stop().await;
        return outcome;
    }
    match outcome {
        Ok(ending) => go_on(dir, &settings, running, &mut ctrl_c, out).await.map(|()| ending),
        Err(failure) => {
            running.stop().await;
            Err(failure)
        }
    }
}

/// The first round: everything that can happen to a file, once.
async fn round(
    dir: &Path,
    settings: &Settings,
    running: &Running,
    once: bool,
    ctrl_c: &mut Signal,
    out: &mut dyn Write,
) -> Result<Ending, Failure> {
    let reader = Reader::open(&settings.state_dir.join(crate::ledger::FILE_NAME))?;
    let mut show = Show::new(&reader, settings)?;
    show.opening(dir, running, out)?;
    let current = Slot::containing(SystemClock.now());
    let world = World::new(&settings.reference, SEED, current.previous().start()).map_err(Failure::broken)?;
    let plan = Round::plan(&world, current)?;
    let (said, mut words) = mpsc::channel(64);
    let uploads = tokio::spawn(round::upload_all(plan.uploads.clone(), running.sftp_address()?, dir.to_owned(), said));
    let deadline = tokio::time::Instant::now() + ROUND_LIMIT;
    let mut tick = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            Some(line) = words.recv() => writeln!(out, "{line}")?,
            _ = ctrl_c.recv() => {
                uploads.abort();
                return Err(Failure::Failed(format!("broken off; {} can be removed, or used with `bedfeed run --config`", shell(dir))));
            }
            _ = tick.tick() => {
                show.news(out)?;
                let all_sent = uploads.is_finished() && words.is_empty();
                if (all_sent && plan.has_ended(&reader)?) || tokio::time::Instant::now() >= deadline {
                    break;
                }
            }
        }
        out.flush()?;
    }
    let sent = uploads.await.map_err(Failure::broken)?;
    show.news(out)?;
    let checks = verdict::check(&plan, &sent, settings, running, dir).await?;
    let held = show.summing_up(&checks, settings, running, out).await?;
    show.what_to_try(dir, running, once, out)?;
    out.flush()?;
    Ok(if held { Ending::Fine } else { Ending::NotFine })
}

/// Every quarter of an hour from now on: all six providers send, until the demo is told to end.
async fn go_on(dir: &Path, settings: &Settings, running: Running, ctrl_c: &mut Signal, out: &mut dyn Write) -> Result<(), Failure> {
    let reader = Reader::open(&settings.state_dir.join(crate::ledger::FILE_NAME))?;
    let mut show = Show::new(&reader, settings)?;
    let mut world = World::new(&settings.reference, SEED, Slot::containing(SystemClock.now()).start()).map_err(Failure::broken)?;
    let (said, mut words) = mpsc::channel(64);
    let mut tick = tokio::time::interval(TICK);
    let mut sent = Slot::containing(SystemClock.now());
    loop {
        tokio::select! {
            Some(line) = words.recv() => writeln!(out, "{line}")?,
            _ = tick.tick() => {
                show.news(out)?;
                let now = Slot::containing(SystemClock.now());
                if sent < now {
                    sent = now;
                    world.advance();
                    let plan = Round::ordinary(&world, now)?;
                    tokio::spawn(round::upload_all(plan.uploads, running.sftp_address()?, dir.to_owned(), said.clone()));
                }
            }
            _ = ctrl_c.recv() => {
                writeln!(out, "\nStopping. `bedfeed run --config {}` carries on from here.", shell(&dir.join(folder::SETTINGS)))?;
                out.flush()?;
                running.stop().await;
                return Ok(());
            }
        }
        out.flush()?;
    }
}

/// A folder that is removed when the demo ends.
pub(super) struct TemporaryFolder {
    path: PathBuf,
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.path) {
            tracing::warn!(%error, path = %self.path.display(), "the demo's folder was not removed");
        }
    }
}
