//! The writer: one thread, one connection, groups of appends in one commit.

use super::{ChainHead, Event, LedgerError, Reader, chain, project, schema};
use crate::fault::{self, Step};
use jiff::Timestamp;
use rusqlite::{Connection, params};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{mpsc, oneshot, watch};

/// Appends waiting for the writer. A full queue makes the sender wait, which is what should happen.
const QUEUE: usize = 1024;

/// Most appends in one commit: bounds how long the first of them waits.
const GROUP: usize = 256;

/// Readers that are kept open for the next query, each with a page cache of its own of up to 2 MB.
const IDLE_READERS: usize = 4;

/// Appends to the ledger. Cheap to clone; the writer stops when the last clone is gone.
#[derive(Clone, Debug)]
pub struct Ledger {
    // First, so that they are closed before the writer is told that it is over.
    idle: Arc<Mutex<Vec<Reader>>>,
    queue: mpsc::Sender<Append>,
    path: PathBuf,
    /// Says `true` once anything has found the file damaged.
    damage: Arc<watch::Sender<bool>>,
}

#[derive(Debug)]
struct Append {
    at: Timestamp,
    events: Vec<Event>,
    reply: oneshot::Sender<Result<(), LedgerError>>,
}

impl Ledger {
    /// Opens the ledger in a file, makes it where there is none, and starts the writer. Join the handle after the last
    /// clone of the ledger is dropped to be sure that everything is closed.
    ///
    /// # Errors
    /// See [`LedgerError`]: unreadable, from a newer bedfeed, or not durable.
    pub fn open(path: &Path) -> Result<(Self, std::thread::JoinHandle<()>), LedgerError> {
        let connection = schema::open_to_write(path)?;
        let head = chain::head(&connection).map_err(LedgerError::Read)?;
        let (queue, appends) = mpsc::channel(QUEUE);
        let damage = Arc::new(watch::Sender::new(false));
        let told = Arc::clone(&damage);
        let writer = std::thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || write_all(&connection, head, appends, &told))
            .map_err(|error| LedgerError::Unreadable { what: format!("no thread for the writer ({error})") })?;
        Ok((Self { idle: Arc::default(), queue, path: path.to_owned(), damage }, writer))
    }

    /// Records events together, on stable storage when this returns `Ok`; none of them where it returns an error.
    ///
    /// # Errors
    /// The commit failed, a move is illegal, or the ledger is closed.
    pub async fn append(&self, at: Timestamp, events: Vec<Event>) -> Result<(), LedgerError> {
        let (reply, answer) = oneshot::channel();
        self.queue.send(Append { at, events, reply }).await.map_err(|_| LedgerError::Closed)?;
        answer.await.map_err(|_| LedgerError::Closed)?
    }

    /// Runs a query on a thread that may block.
    ///
    /// # Errors
    /// What the query returns, or [`LedgerError::Closed`] if it panicked.
    pub async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Reader) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let (idle, path) = (Arc::clone(&self.idle), self.path.clone());
        let damage = Arc::clone(&self.damage);
        let looked = tokio::task::spawn_blocking(move || {
            // Opening one costs more than most queries do. One whose query failed is not used again.
            let kept = lock(&idle).pop();
            let reader = kept.map_or_else(|| Reader::open(&path), Ok)?;
            let found = query(&reader).inspect_err(|error| tell_of(&damage, error))?;
            let mut idle = lock(&idle);
            if idle.len() < IDLE_READERS {
                idle.push(reader);
            }
            Ok(found)
        });
        looked.await.map_err(|_| LedgerError::Closed)?
    }

    /// Waits until anything has found the file damaged, which may be never.
    pub async fn until_damaged(&self) {
        let mut damage = self.damage.subscribe();
        // The sender is ours: it cannot go away before us.
        if damage.wait_for(|damaged| *damaged).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Whether anything has found the file damaged.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        *self.damage.borrow()
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many readers wait for the next query.
    #[cfg(test)]
    pub(super) fn idle_readers(&self) -> usize {
        lock(&self.idle).len()
    }
}

/// A lock whose holder panicked is still good: what it guards is changed in one step.
fn lock(idle: &Mutex<Vec<Reader>>) -> MutexGuard<'_, Vec<Reader>> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}

fn tell_of(damage: &watch::Sender<bool>, error: &LedgerError) {
    if error.is_damage() {
        damage.send_replace(true);
    }
}

fn write_all(connection: &Connection, mut head: ChainHead, mut appends: mpsc::Receiver<Append>, damage: &watch::Sender<bool>) {
    while let Some(first) = appends.blocking_recv() {
        let mut group = vec![first];
        while group.len() < GROUP {
            match appends.try_recv() {
                Ok(append) => group.push(append),
                Err(_) => break,
            }
        }
        head = write_group(connection, head, group, damage);
    }
    // A checkpoint leaves one file behind, which is easier to copy by hand; the next start copes without.
    // SQLite says in a row, and not by an error, that somebody who reads was in the way.
    match connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0)) {
        Ok(false) => {}
        Ok(true) => {
            tracing::warn!("the ledger's write-ahead log was not folded in at the end: somebody is reading it; the next start does it")
        }
        Err(error) => tracing::warn!(%error, "the ledger's write-ahead log was not folded in at the end; the next start does it"),
    }
}

/// Commits a group and answers each of its appends; returns the new head of the chain.
fn write_group(connection: &Connection, head: ChainHead, group: Vec<Append>, damage: &watch::Sender<bool>) -> ChainHead {
    let mut replies = Vec::with_capacity(group.len());
    let committed = (|| -> rusqlite::Result<ChainHead> {
        connection.execute_batch("BEGIN IMMEDIATE")?;
        let mut next = head;
        for append in group {
            connection.execute_batch("SAVEPOINT append")?;
            let written = write_one(connection, next, append.at, &append.events);
            let end = if written.is_ok() { "RELEASE append" } else { "ROLLBACK TO append; RELEASE append" };
            let outcome = written.map(|head| next = head).inspect_err(|error| tell_of(damage, error));
            replies.push((append.reply, outcome));
            connection.execute_batch(end)?;
        }
        fault::around(Step::LedgerCommit, || connection.execute_batch("COMMIT"))?;
        Ok(next)
    })();
    match committed {
        Ok(next) => {
            replies.into_iter().for_each(|(reply, outcome)| answer(reply, outcome));
            next
        }
        Err(error) => {
            // What failed may have left the transaction open; one that is not open makes this fail, which is fine.
            if !connection.is_autocommit()
                && let Err(error) = connection.execute_batch("ROLLBACK")
            {
                tracing::error!(%error, "the ledger could not roll back; restart bedfeed");
            }
            let text = error.to_string();
            tracing::error!(error = text, "the ledger could not commit");
            if super::sound::is_damage(&error) {
                damage.send_replace(true);
            }
            for (reply, _) in replies {
                answer(reply, Err(LedgerError::Append(rusqlite::Error::SqliteFailure(code(&error), Some(text.clone())))));
            }
            // A commit that failed may still have reached the disk: what is there now is what the next entry follows.
            chain::head(connection).unwrap_or(head)
        }
    }
}

fn write_one(connection: &Connection, mut head: ChainHead, at: Timestamp, events: &[Event]) -> Result<ChainHead, LedgerError> {
    for event in events {
        let (seq, time, body) = (head.seq + 1, project::stamp(at), project::to_json(event)?);
        let hash = chain::hash(head.hash, seq, &time, &body);
        connection
            .prepare_cached("INSERT INTO entry (seq, at, delivery, body, hash) VALUES (?1, ?2, ?3, ?4, ?5)")
            .and_then(|mut statement| statement.execute(params![seq, time, event.delivery().map(|id| id.to_string()), body, hash.0]))
            .map_err(LedgerError::Append)?;
        project::apply(connection, at, event)?;
        head = ChainHead { seq, hash };
    }
    Ok(head)
}

fn answer(reply: oneshot::Sender<Result<(), LedgerError>>, outcome: Result<(), LedgerError>) {
    // Whoever asked may have gone away with its connection; what was committed stays committed.
    drop(reply.send(outcome));
}

fn code(error: &rusqlite::Error) -> rusqlite::ffi::Error {
    error.sqlite_error().copied().unwrap_or(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_ERROR))
}
