//! The warehouse on a PostgreSQL server: one connection that writes, one for each reader.
//!
//! Owns the writing connection and opens it again after whatever went wrong with it. One write at a time has it; others wait for
//! their turn in a bounded queue, so that a slow server slows its callers down instead of filling memory.

mod connect;
mod control;
mod database;
mod disposal;
mod load;
mod provider;
mod read;
mod reference;
mod settings;
mod trouble;
mod views;

#[cfg(test)]
#[path = "../../../tests/common/postgres.rs"]
#[expect(dead_code, reason = "the tests of a whole daemon stop and start it too")]
pub(super) mod server;
#[cfg(test)]
mod provider_tests;
#[cfg(test)]
mod role_tests;
#[cfg(test)]
mod trouble_tests;

pub(super) use read::Reader;
pub use settings::{Migrate, PostgresAddress, PostgresHost, PostgresPassword, PostgresSettings, PostgresTls};

use super::{Control, ForwardError, ForwardErrorKind, Load, LoadOutcome, ReferenceRows};
use crate::feed::{DeliveryId, ProviderCode, Slot};
use connect::{Connection, Purpose, shown};
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, Semaphore};
use trouble::sql;

/// Writes that may wait for the connection; more wait in their callers.
const QUEUE: usize = 16;

/// Most deliveries, or slots, that are recorded in one transaction: a fraction of what can be done while an answer is waited for.
const PIECE: usize = 100;

/// How long an answer is waited for, and how long a write may have the connection. What was asked for may still be done: who asks
/// again is told so.
const PATIENCE: Duration = Duration::from_secs(30);

/// Work under way on a connection.
type Answer<'c, T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'c>>;

/// A handle on the writing connection.
#[derive(Clone)]
pub(super) struct Writer {
    settings: Arc<PostgresSettings>,
    keeper: Arc<Mutex<Keeper>>,
    places: Arc<Semaphore>,
}

/// The writing connection, opened again after a failure: what a server or a network did to a session is not known.
struct Keeper {
    settings: Arc<PostgresSettings>,
    connection: Option<Connection>,
    /// Set at each opening: the warehouse may have been away, or restored from a backup, since they were last set.
    reference: Option<ReferenceRows>,
    closed: bool,
}

impl Keeper {
    async fn with<T>(
        &mut self,
        doing: &'static str,
        work: impl for<'c> FnOnce(&'c mut Connection) -> Answer<'c, T, ForwardError>,
    ) -> Result<T, ForwardError> {
        if self.closed {
            return Err(ForwardError::new(ForwardErrorKind::Unavailable, format!("{doing}: the warehouse was closed")));
        }
        // While it is used it is not here: what is left in the middle, or fails, is not used again.
        let mut connection = match self.connection.take().filter(|connection| !connection.client.is_closed()) {
            Some(connection) => connection,
            None => self.open().await.map_err(ForwardError::at_the_opening)?,
        };
        let result = work(&mut connection).await;
        if !matches!(&result, Err(error) if error.kind() != ForwardErrorKind::Refused) {
            self.connection = Some(connection);
        }
        result
    }

    /// Connects, brings tables and views up to date, and sets the reference data, where there are any yet.
    async fn open(&self) -> Result<Connection, ForwardError> {
        let mut connection = Connection::open(&self.settings, Purpose::Writing).await?;
        database::prepare(&mut connection, self.settings.migrate).await?;
        if let Some(rows) = &self.reference {
            reference::set(&mut connection, rows).await?;
        }
        Ok(connection)
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("to", &shown(&self.settings)).finish_non_exhaustive()
    }
}

impl Writer {
    pub(super) fn new(settings: PostgresSettings, reference: Option<ReferenceRows>) -> Self {
        let settings = Arc::new(settings);
        let keeper = Keeper { settings: Arc::clone(&settings), connection: None, reference, closed: false };
        Self { settings, keeper: Arc::new(Mutex::new(keeper)), places: Arc::new(Semaphore::new(QUEUE)) }
    }

    pub(super) async fn opened(&self) -> Result<(), ForwardError> {
        self.write("opening", |_| Box::pin(async { Ok(()) })).await
    }

    pub(super) fn reader(&self) -> Reader {
        Reader::new(Arc::clone(&self.settings))
    }

    pub(super) async fn load(&self, load: Load) -> Result<LoadOutcome, ForwardError> {
        self.write("loading a snapshot", move |it| Box::pin(async move { load::load(it, &load).await })).await
    }

    pub(super) async fn is_loaded(&self, snapshot_id: String) -> Result<bool, ForwardError> {
        self.write("looking for a snapshot", move |it| Box::pin(async move { load::is_loaded(it, &snapshot_id).await })).await
    }

    pub(super) async fn current_lead(&self, provider: ProviderCode, slot: Slot) -> Result<Option<DeliveryId>, ForwardError> {
        let doing = "looking for a slot's current snapshot";
        self.write(doing, move |it| Box::pin(async move { load::current_lead(it, &provider, slot).await })).await
    }

    /// Piece by piece; loads may come in between. After an error what was recorded stays, and recording it again changes nothing.
    pub(super) async fn publish(&self, facts: Control) -> Result<(), ForwardError> {
        for piece in facts.pieces(PIECE) {
            self.write("recording control facts", move |it| Box::pin(async move { control::publish(it, &piece).await })).await?;
        }
        Ok(())
    }

    pub(super) async fn dispose_lines(&self, leads: Vec<DeliveryId>) -> Result<u64, ForwardError> {
        self.write("deleting old lines", move |it| Box::pin(async move { disposal::dispose_lines(it, &leads).await })).await
    }

    pub(super) async fn dispose_sums(&self, leads: Vec<DeliveryId>) -> Result<u64, ForwardError> {
        self.write("deleting old sums", move |it| Box::pin(async move { disposal::dispose_sums(it, &leads).await })).await
    }

    pub(super) async fn deliveries(&self) -> Result<BTreeSet<DeliveryId>, ForwardError> {
        self.write("listing deliveries", move |it| Box::pin(async move { disposal::deliveries(it).await })).await
    }

    pub(super) async fn drop_deliveries(&self, leads: Vec<DeliveryId>) -> Result<u64, ForwardError> {
        self.write("dropping deliveries", move |it| Box::pin(async move { disposal::drop_deliveries(it, &leads).await })).await
    }

    pub(super) async fn set_reference(&self, rows: ReferenceRows) -> Result<(), ForwardError> {
        let doing = "setting reference data";
        self.order(doing, move |keeper| {
            Box::pin(async move {
                keeper.reference = Some(rows.clone());
                // An opening sets them.
                if keeper.connection.is_none() {
                    return keeper.with(doing, |_| Box::pin(async { Ok(()) })).await;
                }
                keeper.with(doing, move |it| Box::pin(async move { reference::set(it, &rows).await })).await
            })
        })
        .await
    }

    pub(super) async fn override_clock(&self, now: Option<Timestamp>) -> Result<(), ForwardError> {
        self.write("setting the clock of the views", move |it| Box::pin(override_clock(it, now))).await
    }

    pub(super) async fn close(&self) {
        let close = async {
            let mut keeper = self.keeper.lock().await;
            keeper.closed = true;
            if let Some(connection) = keeper.connection.take() {
                connection.close().await;
            }
        };
        if tokio::time::timeout(PATIENCE, close).await.is_err() {
            tracing::warn!("the warehouse did not finish in time; a load that was under way is looked for at the next start");
        }
    }

    async fn write<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl for<'c> FnOnce(&'c mut Connection) -> Answer<'c, T, ForwardError> + Send + 'static,
    ) -> Result<T, ForwardError> {
        self.order(doing, move |keeper| Box::pin(keeper.with(doing, work))).await
    }

    /// Does a piece of work when its turn comes. In a task of its own: a caller that is gone does not stop what has begun.
    async fn order<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl for<'k> FnOnce(&'k mut Keeper) -> Answer<'k, T, ForwardError> + Send + 'static,
    ) -> Result<T, ForwardError> {
        let silent =
            move |_| ForwardError::new(ForwardErrorKind::Unavailable, format!("{doing}: no answer within {} s", PATIENCE.as_secs()));
        let stopped = |error: String| ForwardError::unavailable(doing, error);
        let asked = async {
            let place = Arc::clone(&self.places).acquire_owned().await.map_err(|error| stopped(error.to_string()))?;
            let keeper = Arc::clone(&self.keeper);
            let task = tokio::spawn(async move {
                let mut keeper = keeper.lock().await;
                let done = tokio::time::timeout(PATIENCE, work(&mut keeper)).await;
                drop(place);
                done.map_err(silent)?
            });
            task.await.map_err(|error| stopped(error.to_string()))?
        };
        tokio::time::timeout(PATIENCE, asked).await.map_err(silent)?
    }
}

async fn override_clock(connection: &mut Connection, now: Option<Timestamp>) -> Result<(), ForwardError> {
    let doing = "setting the clock of the views";
    let mut work = connection.begin().await.map_err(sql(doing))?;
    database::override_clock(&mut work, now).await.map_err(sql(doing))?;
    work.transaction.commit().await.map_err(sql(doing))
}
