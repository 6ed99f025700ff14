//! Reading the warehouse back, through the views that analysts read.
//!
//! Owns one connection that can read and nothing else, opened by the first reading and again after it was lost.

use super::super::reading::{self, Columns};
use super::super::statements::{FEED_HEALTH, SNAPSHOTS, SYSTEM_NOW, WARDS_NOW};
use super::super::{FeedHealth, ForwardError, ForwardErrorKind, OldFigures, SystemNow, WardFigures};
use super::connect::{Connection, Purpose, shown};
use super::settings::PostgresSettings;
use super::trouble::sql;
use super::{Answer, PATIENCE, database, disposal};
use crate::feed::{DeliveryId, ProviderCode};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use tokio::sync::Mutex;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Type};

/// Reads one warehouse; clones share one connection.
#[derive(Clone)]
pub(in super::super) struct Reader {
    settings: Arc<PostgresSettings>,
    connection: Arc<Mutex<Option<Connection>>>,
}

/// Why rows were not read.
#[derive(Debug)]
pub(super) enum RowError {
    Sql(tokio_postgres::Error),
    /// A column does not hold what it should.
    Unreadable(String),
}

impl From<tokio_postgres::Error> for RowError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Sql(error)
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("of", &shown(&self.settings)).finish_non_exhaustive()
    }
}

impl Reader {
    pub(in super::super) fn new(settings: Arc<PostgresSettings>) -> Self {
        Self { settings, connection: Arc::default() }
    }

    pub(in super::super) async fn system_now(&self) -> Result<SystemNow, ForwardError> {
        let doing = "reading the system's figures";
        // One statement, so one state of the database.
        let now = self.read(doing, |it| Box::pin(async { reading::system_now(&kept(it.query(SYSTEM_NOW, &[]).await?)) })).await?;
        now.ok_or_else(|| ForwardError::new(ForwardErrorKind::Unavailable, format!("{doing}: there is no total")))
    }

    pub(in super::super) async fn provider_now(&self, provider: ProviderCode) -> Result<Vec<WardFigures>, ForwardError> {
        self.read("reading a provider's wards", move |it| Box::pin(wards_now(it, provider))).await
    }

    pub(in super::super) async fn feed_health(&self) -> Result<Vec<FeedHealth>, ForwardError> {
        self.read("reading the feeds' health", |it| Box::pin(async { rows(it.query(FEED_HEALTH, &[]).await?, reading::feed) })).await
    }

    pub(in super::super) async fn snapshots(&self) -> Result<BTreeMap<(DeliveryId, u32), Timestamp>, ForwardError> {
        let doing = "listing the loaded snapshots";
        let found = self.read(doing, |it| Box::pin(async { rows(it.query(SNAPSHOTS, &[]).await?, reading::snapshot) })).await?;
        Ok(found.into_iter().collect())
    }

    pub(in super::super) async fn old_lines(&self, before: Timestamp) -> Result<Vec<OldFigures>, ForwardError> {
        self.read("looking for old lines", move |it| Box::pin(disposal::old_lines(it, before))).await
    }

    pub(in super::super) async fn old_sums(&self, before: Timestamp) -> Result<Vec<OldFigures>, ForwardError> {
        self.read("looking for old sums", move |it| Box::pin(disposal::old_sums(it, before))).await
    }

    pub(in super::super) async fn count_lines(&self, leads: Vec<DeliveryId>) -> Result<Vec<u64>, ForwardError> {
        self.read("counting old lines", move |it| Box::pin(async move { disposal::count_lines(it, &leads).await })).await
    }

    pub(in super::super) async fn count_sums(&self, leads: Vec<DeliveryId>) -> Result<Vec<u64>, ForwardError> {
        self.read("counting old sums", move |it| Box::pin(async move { disposal::count_sums(it, &leads).await })).await
    }

    async fn read<T>(
        &self,
        doing: &'static str,
        work: impl for<'c> FnOnce(&'c mut Connection) -> Answer<'c, T, RowError>,
    ) -> Result<T, ForwardError> {
        let reading = async {
            let mut held = self.connection.lock().await;
            let mut connection = match held.take().filter(|connection| !connection.client.is_closed()) {
                Some(connection) => connection,
                None => self.open().await?,
            };
            let found = work(&mut connection).await;
            // After an error of the server's a new connection is opened, which sees it as it is now.
            if !matches!(found, Err(RowError::Sql(_))) {
                *held = Some(connection);
            }
            found.map_err(|error| match error {
                RowError::Sql(error) => sql(doing)(error),
                RowError::Unreadable(why) => ForwardError::new(ForwardErrorKind::Unavailable, format!("{doing}: {why}")),
            })
        };
        let silent = |_| ForwardError::new(ForwardErrorKind::Unavailable, format!("{doing}: no answer within {} s", PATIENCE.as_secs()));
        tokio::time::timeout(PATIENCE, reading).await.map_err(silent)?
    }

    async fn open(&self) -> Result<Connection, ForwardError> {
        let mut connection = Connection::open(&self.settings, Purpose::Reading).await?;
        database::refuse_newer_than_known(&mut connection).await?;
        Ok(connection)
    }
}

async fn wards_now(connection: &mut Connection, provider: ProviderCode) -> Result<Vec<WardFigures>, RowError> {
    rows(connection.query(WARDS_NOW, &[&provider.as_str()]).await?, reading::ward)
}

/// What rows stand for.
pub(super) fn rows<T>(found: Vec<Row>, read: impl Fn(&Kept) -> Result<T, RowError>) -> Result<Vec<T>, RowError> {
    kept(found).iter().map(read).collect()
}

fn kept(found: Vec<Row>) -> Vec<Kept> {
    found.into_iter().map(Kept).collect()
}

/// A row, read by its columns' names.
pub(super) struct Kept(Row);

impl Kept {
    fn get<'a, T: FromSql<'a>>(&'a self, column: &str) -> Result<Option<T>, RowError> {
        self.0.try_get(column).map_err(|error| RowError::Unreadable(format!("{column} in the warehouse: {error}")))
    }
}

impl Columns for Kept {
    type Error = RowError;

    fn whole(&self, column: &str) -> Result<Option<i64>, RowError> {
        let narrow = self.0.columns().iter().any(|known| known.name() == column && *known.type_() == Type::INT4);
        if narrow { Ok(self.get::<i32>(column)?.map(i64::from)) } else { self.get(column) }
    }

    fn real(&self, column: &str) -> Result<Option<f64>, RowError> {
        self.get(column)
    }

    fn text(&self, column: &str) -> Result<Option<String>, RowError> {
        self.get(column)
    }

    fn instant(&self, column: &str) -> Result<Option<Timestamp>, RowError> {
        self.get(column)
    }

    fn unreadable(message: String) -> RowError {
        RowError::Unreadable(message)
    }
}
