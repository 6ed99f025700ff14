//! Reading the warehouse back, through the views that analysts read.

use super::super::reading::{self, Columns};
use super::super::statements::{FEED_HEALTH, SNAPSHOTS, SYSTEM_NOW, WARDS_NOW};
use super::super::{FeedHealth, ForwardError, ForwardErrorKind, OldFigures, SystemNow, WardFigures};
use super::database::{open_for_reading, sql};
use super::disposal;
use crate::feed::{DeliveryId, ProviderCode};
use jiff::Timestamp;
use rusqlite::types::{Type, Value};
use rusqlite::{Connection, Row};
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

/// Reads one warehouse file. Each reading opens a connection of its own that cannot write.
#[derive(Clone, Debug)]
pub(in super::super) struct Reader {
    path: PathBuf,
    /// Lists the snapshots that count as loaded.
    snapshots: &'static str,
}

impl Reader {
    pub(in super::super) fn new(path: PathBuf, snapshots: &'static str) -> Self {
        Self { path, snapshots }
    }

    pub(in super::super) async fn system_now(&self) -> Result<SystemNow, ForwardError> {
        self.read("reading the system's figures", system_now).await
    }

    pub(in super::super) async fn provider_now(&self, provider: ProviderCode) -> Result<Vec<WardFigures>, ForwardError> {
        self.read("reading a provider's wards", move |connection| wards_now(connection, &provider)).await
    }

    pub(in super::super) async fn feed_health(&self) -> Result<Vec<FeedHealth>, ForwardError> {
        self.read("reading the feeds' health", feed_health).await
    }

    pub(in super::super) async fn snapshots(&self) -> Result<BTreeMap<(DeliveryId, u32), Timestamp>, ForwardError> {
        let statement = self.snapshots;
        self.read("listing the loaded snapshots", move |connection| listed(connection, statement)).await
    }

    /// Those that are in the file, and do not count as loaded.
    pub(in super::super) async fn unfinished(&self) -> Result<BTreeMap<(DeliveryId, u32), Timestamp>, ForwardError> {
        let finished = self.snapshots;
        if finished == SNAPSHOTS {
            return Ok(BTreeMap::new());
        }
        self.read("listing the snapshots that are not loaded as a whole", move |connection| {
            let mut all = listed(connection, SNAPSHOTS)?;
            let finished = listed(connection, finished)?;
            all.retain(|snapshot, _| !finished.contains_key(snapshot));
            Ok(all)
        })
        .await
    }

    pub(in super::super) async fn old_lines(&self, before: Timestamp) -> Result<Vec<OldFigures>, ForwardError> {
        self.read("looking for old lines", move |connection| disposal::old_lines(connection, before)).await
    }

    pub(in super::super) async fn old_sums(&self, before: Timestamp) -> Result<Vec<OldFigures>, ForwardError> {
        self.read("looking for old sums", move |connection| disposal::old_sums(connection, before)).await
    }

    pub(in super::super) async fn count_lines(&self, leads: Vec<DeliveryId>) -> Result<Vec<u64>, ForwardError> {
        self.read("counting old lines", move |connection| disposal::count_lines(connection, &leads)).await
    }

    pub(in super::super) async fn count_sums(&self, leads: Vec<DeliveryId>) -> Result<Vec<u64>, ForwardError> {
        self.read("counting old sums", move |connection| disposal::count_sums(connection, &leads)).await
    }

    async fn read<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, ForwardError> {
        let path = self.path.clone();
        let reading = tokio::task::spawn_blocking(move || work(&open_for_reading(&path)?).map_err(sql(doing)));
        reading.await.map_err(|error| ForwardError::new(ForwardErrorKind::Unavailable, doing).caused_by(error))?
    }
}

fn listed(connection: &Connection, statement: &str) -> rusqlite::Result<BTreeMap<(DeliveryId, u32), Timestamp>> {
    connection.prepare(statement)?.query_map([], |row| reading::snapshot(&Kept::of(row)?))?.collect()
}

fn system_now(connection: &Connection) -> rusqlite::Result<SystemNow> {
    // One statement, so one state of the database.
    let mut statement = connection.prepare(SYSTEM_NOW)?;
    let mut rows = statement.query([])?;
    let mut kept = Vec::new();
    while let Some(row) = rows.next()? {
        kept.push(Kept::of(row)?);
    }
    reading::system_now(&kept)?.ok_or(rusqlite::Error::QueryReturnedNoRows)
}

fn wards_now(connection: &Connection, provider: &ProviderCode) -> rusqlite::Result<Vec<WardFigures>> {
    connection.prepare(WARDS_NOW)?.query_map([provider.as_str()], |row| reading::ward(&Kept::of(row)?))?.collect()
}

fn feed_health(connection: &Connection) -> rusqlite::Result<Vec<FeedHealth>> {
    connection.prepare(FEED_HEALTH)?.query_map([], |row| reading::feed(&Kept::of(row)?))?.collect()
}

/// A row that outlives the statement it came from.
pub(super) struct Kept(HashMap<String, Value>);

impl Kept {
    pub(super) fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        let names = row.as_ref().column_names().enumerate();
        names.map(|(at, name)| Ok((name.to_owned(), row.get(at)?))).collect::<rusqlite::Result<_>>().map(Self)
    }
}

impl Columns for Kept {
    type Error = rusqlite::Error;

    fn whole(&self, column: &str) -> rusqlite::Result<Option<i64>> {
        match self.0.get(column) {
            Some(Value::Null) => Ok(None),
            Some(Value::Integer(value)) => Ok(Some(*value)),
            _ => Err(Self::unreadable(format!("{column} in the warehouse is no whole number"))),
        }
    }

    fn real(&self, column: &str) -> rusqlite::Result<Option<f64>> {
        match self.0.get(column) {
            Some(Value::Null) => Ok(None),
            Some(Value::Real(value)) => Ok(Some(*value)),
            _ => Err(Self::unreadable(format!("{column} in the warehouse is no number"))),
        }
    }

    fn text(&self, column: &str) -> rusqlite::Result<Option<String>> {
        match self.0.get(column) {
            Some(Value::Null) => Ok(None),
            Some(Value::Text(value)) => Ok(Some(value.clone())),
            _ => Err(Self::unreadable(format!("{column} in the warehouse is no text"))),
        }
    }

    fn instant(&self, column: &str) -> rusqlite::Result<Option<Timestamp>> {
        let read = |text: String| text.parse().map_err(|error| Self::unreadable(format!("{column} in the warehouse: {error}")));
        self.text(column)?.map(read).transpose()
    }

    fn unreadable(message: String) -> rusqlite::Error {
        rusqlite::Error::FromSqlConversionFailure(0, Type::Text, message.into())
    }
}
