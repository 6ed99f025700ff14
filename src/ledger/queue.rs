//! The queue before the warehouse, read narrowly: thousands may wait, and none of their reports is needed to order them.
//!
//! Owns what waits and how much of it. Refuses to say in which order: `pipeline` does.

use super::LedgerError;
use super::project::stamp;
use super::read::Reader;
use crate::feed::{ProviderCode, Slot, SnapshotRef, Stage};
use jiff::Timestamp;
use rusqlite::{Row, params};
use std::collections::BTreeMap;

/// Most snapshots that one look gives: four months of one feed. What is beyond comes with the next look.
const MAX_WAITING: u32 = 10_000;

/// A snapshot that waits for the warehouse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuedSnapshot {
    /// Whose.
    pub provider: ProviderCode,
    /// What it becomes there.
    pub snapshot: SnapshotRef,
    /// Whether it is in the warehouse already, and was read again by another mapping.
    pub replay: bool,
    /// How often loading it has failed.
    pub attempts: u32,
    /// Not to be tried before this.
    pub retry_at: Timestamp,
    /// Since when it stands so: where loading it has failed, when it last did.
    pub moved_at: Timestamp,
}

/// The queue in figures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueState {
    /// Snapshots that wait.
    pub waiting: u64,
    /// How often loading one of these has failed, together.
    pub failures: u64,
    /// When the earliest of these failures was.
    pub failed_at: Option<Timestamp>,
    /// The oldest slot among them.
    pub oldest: Option<Slot>,
    /// When one is tried next.
    pub next_try: Option<Timestamp>,
    /// What the warehouse said last.
    pub error: Option<String>,
}

impl Reader {
    /// What waits for the warehouse, in no order.
    ///
    /// # Errors
    /// The query failed, or something stored cannot be read.
    pub fn queue(&self) -> Result<Vec<QueuedSnapshot>, LedgerError> {
        let mut queue = rows(
            self,
            "SELECT provider, stage, moved_at FROM delivery WHERE outcome = 'pending' AND lead = id ORDER BY id LIMIT ?1",
            params![MAX_WAITING],
            waiting,
        )?;
        queue.extend(self.replay_queue()?);
        Ok(queue)
    }

    /// The newest slot of each feed that the warehouse has.
    ///
    /// # Errors
    /// The query failed, or something stored cannot be read.
    pub fn newest_loaded(&self) -> Result<BTreeMap<ProviderCode, Slot>, LedgerError> {
        let read = |row: &Row<'_>| Ok((text(row, 0)?, text(row, 1)?));
        let newest = "SELECT provider, (SELECT d.slot FROM delivery AS d WHERE d.provider = feed.provider AND d.lead = d.id
             AND d.outcome = 'loaded' ORDER BY d.slot DESC LIMIT 1) AS newest FROM feed WHERE newest IS NOT NULL";
        Ok(rows(self, newest, [], read)?.into_iter().collect())
    }

    /// How much waits for the warehouse, and whether it was tried in vain.
    ///
    /// # Errors
    /// The query failed, or something stored cannot be read.
    pub fn queue_state(&self) -> Result<QueueState, LedgerError> {
        let sql = "WITH waiting AS (SELECT slot, moved_at, note, json_extract(stage, '$.attempts') AS attempts,
               json_extract(stage, '$.retry_at') AS retry_at FROM delivery WHERE outcome = 'pending' AND lead = id),
             failed AS (SELECT * FROM waiting WHERE attempts > 0)
             SELECT (SELECT count(*) FROM waiting), coalesce((SELECT sum(attempts) FROM failed), 0), (SELECT min(moved_at) FROM failed),
               (SELECT min(slot) FROM waiting), (SELECT max(retry_at) FROM failed),
               (SELECT note FROM failed ORDER BY moved_at DESC LIMIT 1)";
        let read = |row: &Row<'_>| {
            Ok(QueueState {
                waiting: row.get(0).map_err(LedgerError::Read)?,
                failures: row.get(1).map_err(LedgerError::Read)?,
                failed_at: perhaps(row, 2)?,
                oldest: perhaps(row, 3)?,
                next_try: perhaps(row, 4)?,
                error: row.get(5).map_err(LedgerError::Read)?,
            })
        };
        Ok(rows(self, sql, [], read)?.into_iter().next().unwrap_or_default())
    }

    /// Snapshots that were loaded since an instant or still wait: where nothing was loaded at first, those that had to wait.
    ///
    /// # Errors
    /// The query failed.
    pub fn queued_since(&self, since: Timestamp) -> Result<u64, LedgerError> {
        let read = |row: &Row<'_>| row.get(0).map_err(LedgerError::Read);
        // With the sign: by the time of the move, not through all that was ever loaded.
        let count =
            |sql, values: &[&dyn rusqlite::ToSql]| Ok::<u64, LedgerError>(rows(self, sql, values, read)?.into_iter().next().unwrap_or(0));
        let waiting = count("SELECT count(*) FROM delivery WHERE outcome = 'pending' AND lead = id", &[])?;
        let moved = "SELECT count(*) FROM delivery WHERE moved_at >= ?1 AND +outcome = 'loaded' AND lead = id";
        Ok(waiting.saturating_add(count(moved, params![stamp(since)])?))
    }
}

/// What a query gives, row by row.
pub(super) fn rows<T>(
    reader: &Reader,
    sql: &str,
    values: impl rusqlite::Params,
    read: impl Fn(&Row<'_>) -> Result<T, LedgerError>,
) -> Result<Vec<T>, LedgerError> {
    let mut statement = reader.connection().prepare_cached(sql).map_err(LedgerError::Read)?;
    let mut rows = statement.query(values).map_err(LedgerError::Read)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(LedgerError::Read)? {
        found.push(read(row)?);
    }
    Ok(found)
}

fn waiting(row: &Row<'_>) -> Result<QueuedSnapshot, LedgerError> {
    let stage: String = row.get(1).map_err(LedgerError::Read)?;
    let stage = serde_json::from_str(&stage).map_err(|error| LedgerError::Unreadable { what: error.to_string() })?;
    let Stage::Ready { snapshot, attempts, retry_at } = stage else {
        return Err(LedgerError::Unreadable { what: format!("a delivery that waits for the warehouse is {}", stage.as_str()) });
    };
    Ok(QueuedSnapshot { provider: text(row, 0)?, snapshot, replay: false, attempts, retry_at, moved_at: text(row, 2)? })
}

/// A column that has to be there.
pub(super) fn text<T: std::str::FromStr>(row: &Row<'_>, at: usize) -> Result<T, LedgerError> {
    perhaps(row, at)?.ok_or_else(|| LedgerError::Unreadable { what: "a blank where something is waited for".to_owned() })
}

/// A column that may be empty.
pub(super) fn perhaps<T: std::str::FromStr>(row: &Row<'_>, at: usize) -> Result<Option<T>, LedgerError> {
    let text: Option<String> = row.get(at).map_err(LedgerError::Read)?;
    let parsed = |text: String| text.parse().map_err(|_| LedgerError::Unreadable { what: format!("{text} where something is waited for") });
    text.map(parsed).transpose()
}
