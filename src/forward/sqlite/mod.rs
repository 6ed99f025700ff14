//! The embedded warehouse: one SQLite file, one writing thread, any number of readers.
//!
//! Owns the thread that holds the only writing connection. A write waits in a bounded queue, so a slow disk slows its
//! callers down instead of filling memory. Another kind of warehouse may keep more beside the file ([`Beside`]).

mod control;
mod database;
mod disposal;
mod load;
mod moment;
mod read;
mod reference;
mod slots;
mod wards;

#[cfg(test)]
mod disposal_tests;
#[cfg(test)]
mod load_tests;

#[cfg(feature = "lake")]
pub(super) use database::sql as trouble;
pub(super) use moment::Moment;
pub(super) use read::Reader;

use super::statements::SNAPSHOTS;
use super::{Control, ForwardError, ForwardErrorKind, Load, LoadOutcome, ReferenceRows};
use crate::feed::{DeliveryId, ProviderCode, Slot, error_chain};
use database::{sql, utc};
use jiff::Timestamp;
use rusqlite::Connection;
use std::collections::BTreeSet;
use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Writes that may wait for the thread; more wait in their callers.
const QUEUE: usize = 16;

/// How long an answer is waited for. What was asked for may still be done: who asks again is told so.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a warehouse of another kind keeps beside its file, and brings up to date before a write counts as done.
pub(super) trait Beside: Send + Sync {
    /// Makes its own tables in the file where they are missing.
    fn prepare(&self, connection: &mut Connection) -> Result<(), ForwardError>;
    /// Brings up to date what is due. The outer error is about the file, the inner one about what is beside it.
    fn settle(&self, connection: &mut Connection, due: Due) -> Result<Result<(), ForwardError>, ForwardError>;
    /// Whether a snapshot is there too.
    fn holds(&self, connection: &Connection, snapshot_id: &str) -> rusqlite::Result<bool>;
    /// Lists the snapshots that are there too, as the statement of the file alone does.
    fn snapshots(&self) -> &'static str;
}

/// What a write is not done without; whatever else waits is brought up to date as far as time allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// The reference data.
    Reference,
    /// That and the day of a slot.
    Slot(Slot),
    /// That and these days, such as `2018-12-03`.
    Days(BTreeSet<String>),
    /// That and every day of which something was dropped.
    Dropped,
    /// All that waits.
    All,
}

/// A handle on the writing thread.
#[derive(Clone)]
pub(super) struct Writer {
    path: PathBuf,
    orders: mpsc::Sender<Order>,
    snapshots: &'static str,
}

enum Order {
    Work(Box<dyn FnOnce(&mut Keeper) + Send>),
    Close(oneshot::Sender<()>),
}

/// The writing connection, opened again after a failure: a file whose sync failed once must not be trusted on the same handle.
struct Keeper {
    path: PathBuf,
    connection: Option<Connection>,
    /// Set at each opening: the warehouse may have been away, or restored from a backup, since they were last set.
    reference: Option<ReferenceRows>,
    beside: Option<Arc<dyn Beside>>,
    /// Held where something is beside the file: two that write there would each note what the other did.
    lock: Option<File>,
}

impl Keeper {
    fn with<T>(&mut self, work: impl FnOnce(&mut Connection) -> Result<T, ForwardError>) -> Result<T, ForwardError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.open().map_err(ForwardError::at_the_opening)?,
        };
        let result = work(&mut connection);
        if !matches!(&result, Err(error) if error.kind() != ForwardErrorKind::Refused) {
            self.connection = Some(connection);
        }
        result
    }

    /// Brings up to date what is kept beside the file. What goes wrong there is not the connection's fault.
    fn settle(&mut self, due: Due) -> Result<(), ForwardError> {
        match self.beside.clone() {
            Some(beside) => self.with(|connection| beside.settle(connection, due))?,
            None => Ok(()),
        }
    }

    /// Opens the database, brings its tables and views up to date, and sets the reference data, where there are any yet.
    fn open(&mut self) -> Result<Connection, ForwardError> {
        let mut connection = database::open_for_writing(&self.path)?;
        if self.beside.is_some() && self.lock.is_none() {
            self.lock = Some(lock(&self.path)?);
        }
        database::prepare(&mut connection)?;
        if let Some(beside) = &self.beside {
            beside.prepare(&mut connection)?;
        }
        if let Some(rows) = &self.reference {
            reference::set(&mut connection, rows)?;
        }
        Ok(connection)
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Writer {
    pub(super) fn new(path: PathBuf, beside: Option<Arc<dyn Beside>>, reference: Option<ReferenceRows>) -> Result<Self, ForwardError> {
        let (orders, queue) = mpsc::channel(QUEUE);
        let snapshots = beside.as_ref().map_or(SNAPSHOTS, |beside| beside.snapshots());
        let mut keeper = Keeper { path: path.clone(), connection: None, reference, beside, lock: None };
        std::thread::Builder::new()
            .name("warehouse".to_owned())
            .spawn(move || keep(&mut keeper, queue))
            .map_err(|error| ForwardError::unavailable("starting the warehouse's thread", error))?;
        Ok(Self { path, orders, snapshots })
    }

    pub(super) async fn opened(&self) -> Result<(), ForwardError> {
        self.write("opening", |_| Ok(())).await
    }

    pub(super) fn reader(&self) -> Reader {
        Reader::new(self.path.clone(), self.snapshots)
    }

    pub(super) async fn load(&self, load: Load) -> Result<LoadOutcome, ForwardError> {
        let due = Due::Slot(load.reference.slot);
        self.settled("loading a snapshot", move |connection| Ok((load::load(connection, &load)?, due))).await
    }

    pub(super) async fn is_loaded(&self, snapshot_id: String) -> Result<bool, ForwardError> {
        let doing = "looking for a snapshot";
        self.order(doing, move |keeper| {
            let beside = keeper.beside.clone();
            keeper.with(|connection| {
                let holds = |connection: &Connection| beside.as_ref().map_or(Ok(true), |beside| beside.holds(connection, &snapshot_id));
                let found = load::is_loaded(connection, &snapshot_id).and_then(|found| Ok(found && holds(connection)?));
                found.map_err(sql(format!("looking whether {snapshot_id} is loaded")))
            })
        })
        .await
    }

    pub(super) async fn current_lead(&self, provider: ProviderCode, slot: Slot) -> Result<Option<DeliveryId>, ForwardError> {
        self.write("looking for a slot's current snapshot", move |connection| {
            load::current_lead(connection, &provider, slot).map_err(sql(format!("looking what is current in {slot} of {provider}")))
        })
        .await
    }

    pub(super) async fn publish(&self, facts: Control) -> Result<(), ForwardError> {
        self.write("recording control facts", move |connection| control::publish(connection, &facts)).await
    }

    pub(super) async fn dispose_lines(&self, leads: Vec<DeliveryId>) -> Result<u64, ForwardError> {
        let delete = move |connection: &mut Connection| Ok((disposal::dispose_lines(connection, &leads)?, days_of(connection, &leads)?));
        self.settled("deleting old lines", delete).await
    }

    pub(super) async fn dispose_sums(&self, leads: Vec<DeliveryId>) -> Result<u64, ForwardError> {
        let delete = move |connection: &mut Connection| Ok((disposal::dispose_sums(connection, &leads)?, days_of(connection, &leads)?));
        self.settled("deleting old sums", delete).await
    }

    pub(super) async fn deliveries(&self) -> Result<BTreeSet<DeliveryId>, ForwardError> {
        let doing = "listing deliveries";
        self.write(doing, move |connection| disposal::deliveries(connection).map_err(sql(doing))).await
    }

    pub(super) async fn drop_deliveries(&self, leads: Vec<DeliveryId>) -> Result<u64, ForwardError> {
        self.settled("dropping deliveries", move |connection| Ok((disposal::drop_deliveries(connection, &leads)?, Due::Dropped))).await
    }

    /// Drops a snapshot of which only the file may have a part. What is beside it follows when it can.
    pub(super) async fn take_back(&self, snapshot_id: String) -> Result<(), ForwardError> {
        self.order("taking a snapshot back", move |keeper| {
            if keeper.beside.is_none() {
                return Ok(());
            }
            keeper.with(|connection| disposal::take_back(connection, &snapshot_id))?;
            if let Err(error) = keeper.settle(Due::Dropped) {
                tracing::warn!(
                    snapshot_id,
                    error = error_chain(&error),
                    "what was taken back in the index waits to be taken back beside it"
                );
            }
            Ok(())
        })
        .await
    }

    pub(super) async fn set_reference(&self, rows: ReferenceRows) -> Result<(), ForwardError> {
        let doing = "setting reference data";
        self.order(doing, move |keeper| {
            keeper.reference = Some(rows.clone());
            // An opening sets them.
            let is_open = keeper.connection.is_some();
            keeper.with(|connection| if is_open { reference::set(connection, &rows) } else { Ok(()) })?;
            keeper.settle(Due::Reference)
        })
        .await
    }

    /// Makes tables and views where they are missing, and brings all up to date that is kept beside the file.
    pub(super) async fn settle(&self) -> Result<(), ForwardError> {
        self.settled("bringing the warehouse up to date", |_| Ok(((), Due::All))).await
    }

    pub(super) async fn override_clock(&self, now: Option<Timestamp>) -> Result<(), ForwardError> {
        self.write("setting the clock of the views", move |connection| {
            database::override_clock(connection, now.map(utc)).map_err(sql("setting the clock of the views"))
        })
        .await
    }

    pub(super) async fn close(&self) {
        let (done, closed) = oneshot::channel();
        let close = async {
            if self.orders.send(Order::Close(done)).await.is_ok() {
                // An error means that the thread has ended already, which is what was asked for.
                closed.await.unwrap_or_default();
            }
        };
        if tokio::time::timeout(PATIENCE, close).await.is_err() {
            tracing::warn!("the warehouse did not finish in time; a load that was under way is looked for at the next start");
        }
    }

    /// A write that is done only when what is due beside the file is too.
    async fn settled<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&mut Connection) -> Result<(T, Due), ForwardError> + Send + 'static,
    ) -> Result<T, ForwardError> {
        self.order(doing, move |keeper| {
            let (done, due) = keeper.with(work)?;
            keeper.settle(due)?;
            Ok(done)
        })
        .await
    }

    async fn write<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&mut Connection) -> Result<T, ForwardError> + Send + 'static,
    ) -> Result<T, ForwardError> {
        self.order(doing, |keeper| keeper.with(work)).await
    }

    async fn order<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&mut Keeper) -> Result<T, ForwardError> + Send + 'static,
    ) -> Result<T, ForwardError> {
        let stopped = || ForwardError::new(ForwardErrorKind::Unavailable, format!("{doing}: the warehouse's thread has stopped"));
        let (reply, answer) = oneshot::channel();
        let order = Order::Work(Box::new(move |keeper| {
            // Nobody may be waiting for the answer any more; the write holds all the same.
            reply.send(work(keeper)).ok();
        }));
        let asked = async {
            self.orders.send(order).await.map_err(|_| stopped())?;
            answer.await.map_err(|_| stopped())?
        };
        let silent = |_| ForwardError::new(ForwardErrorKind::Unavailable, format!("{doing}: no answer within {} s", PATIENCE.as_secs()));
        tokio::time::timeout(PATIENCE, asked).await.map_err(silent)?
    }
}

fn days_of(connection: &Connection, leads: &[DeliveryId]) -> Result<Due, ForwardError> {
    disposal::days(connection, leads).map(Due::Days).map_err(sql("looking on which days it was"))
}

fn keep(keeper: &mut Keeper, mut queue: mpsc::Receiver<Order>) {
    while let Some(order) = queue.blocking_recv() {
        match order {
            Order::Work(work) => work(keeper),
            Order::Close(done) => {
                (keeper.connection, keeper.lock) = (None, None);
                done.send(()).ok();
                return;
            }
        }
    }
}

/// Takes the lock of a file that only one process may write; it ends with the process.
fn lock(path: &Path) -> Result<File, ForwardError> {
    let doing = || format!("opening {}", shown(path));
    let beside = path.with_extension("lock");
    let opened = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(beside);
    let file = opened.map_err(|error| ForwardError::unavailable(doing(), error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(ForwardError::unavailable(doing(), "another bedfeed has it open; a running daemon brings it up to date by itself"))
        }
        Err(TryLockError::Error(error)) => Err(ForwardError::unavailable(doing(), error)),
    }
}

/// Names a database file in an error.
fn shown(path: &Path) -> String {
    path.display().to_string()
}
