//! Stopping: no new uploads, open ones finish or are told that they failed, steps under way end, books are closed.

use super::start::{Books, Running};
use crate::config;
use crate::fault::{self, Step};
use crate::ledger::Event;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// How long open uploads may take to finish, and how long everything else may take after that.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why a daemon that ran could not go on.
#[derive(Debug, thiserror::Error)]
pub enum EndError {
    /// Signals cannot be listened to.
    #[error("cannot listen to signals")]
    Signals(#[from] io::Error),
    /// The ledger turned out to be damaged. A daemon that takes no file any more must not look as if it were well.
    #[error("the ledger {path} is damaged: bedfeed takes no more files. The next start says what to do")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
}

/// Runs until the process is told to end (SIGTERM or SIGINT), then stops in good order. SIGHUP checks the settings again
/// and says what it finds: they take effect at the next start.
///
/// # Errors
/// See [`EndError`].
pub async fn run_until_signalled(running: Running, settings_file: &Path) -> Result<(), EndError> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    tell_systemd(&[sd_notify::NotifyState::Ready]);
    let ledger = running.books.ledger.clone();
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            () = ledger.until_damaged() => break,
            _ = hang_up.recv() => check_settings(settings_file),
        }
    }
    let damaged = ledger.is_damaged().then(|| ledger.path().to_owned());
    drop(ledger);
    tell_systemd(&[sd_notify::NotifyState::Stopping]);
    running.stop().await;
    damaged.map_or(Ok(()), |path| Err(EndError::Damaged { path }))
}

impl Running {
    /// Stops in good order.
    pub async fn stop(self) {
        tracing::info!("stopping: no new connections, open uploads may finish");
        let Self { stop_intake, stop_rest, intake, mut tasks, books, .. } = self;
        let Books { ledger, writer, warehouses, pipeline, watch, clock, lock, .. } = books;
        stop_intake.send_replace(true);
        if tokio::time::timeout(PATIENCE, intake).await.is_err() {
            tracing::warn!("some uploads did not finish in time; their senders were not told OK and will send again");
        }
        stop_rest.send_replace(true);
        let all_ended = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(PATIENCE, all_ended).await.is_err() {
            tracing::warn!("some tasks did not end in time; what they had not recorded is done at the next start");
        }
        drop(tasks);
        if ledger.is_damaged() {
            tracing::error!("the ledger is damaged: the stop is not recorded");
        } else if let Err(error) = fault::during(Step::StopRecord, ledger.append(clock.now(), vec![Event::Stopped])).await {
            tracing::error!(error = crate::feed::error_chain(&error), "the stop could not be recorded");
        }
        warehouses.close().await;
        // The writer ends when nobody can append any more.
        drop((ledger, pipeline, watch));
        let closed = tokio::task::spawn_blocking(move || writer.join());
        match tokio::time::timeout(PATIENCE, closed).await {
            Ok(Ok(Ok(()))) => tracing::info!("stopped"),
            _ => tracing::warn!("the ledger's writer did not end in time; what it acknowledged is safe"),
        }
        drop(lock);
    }
}

fn check_settings(file: &Path) {
    match config::load(file) {
        Ok(_) => tracing::info!("the settings are in order; they take effect at the next start"),
        Err(problems) => tracing::error!(%problems, "the settings have problems; the running ones stay"),
    }
}

/// Tells systemd how we are; without systemd there is nobody to tell.
fn tell_systemd(states: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "systemd could not be told");
    }
}
