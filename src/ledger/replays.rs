//! Replays: which originals are to be read again, what came of it, and what of that waits for the warehouse.
//!
//! Refuses to decide: `pipeline` does.

use super::LedgerError;
use super::queue::{QueuedSnapshot, perhaps, rows, text};
use super::read::Reader;
use crate::feed::{DeliveryId, ProviderCode, Report, Slot, SnapshotRef};
use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, Row, params};
use std::collections::BTreeSet;

/// Most snapshots that one look gives.
const MAX_ROWS: u32 = 10_000;

/// A replay, and what came of it so far.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ReplayRow {
    /// What tells it apart.
    pub key: String,
    /// Whose.
    pub provider: ProviderCode,
    /// The first slot.
    pub from: Slot,
    /// The last slot.
    pub to: Slot,
    /// When it was asked for.
    pub asked_at: Timestamp,
    /// When all was read again.
    pub ended_at: Option<Timestamp>,
    /// Snapshots with a new version in the warehouse.
    pub renewed: u64,
    /// Snapshots whose new version waits for the warehouse.
    pub waiting: u64,
    /// Snapshots that keep the version they had.
    pub kept: u64,
    /// Snapshots that say the same as before; known at the end.
    pub unchanged: Option<u64>,
}

/// A snapshot that keeps the version it had.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct KeptRow {
    /// The delivery that leads it.
    pub delivery: DeliveryId,
    /// Why.
    pub why: String,
}

const COLUMNS: &str = "SELECT key, provider, from_slot, to_slot, asked_at, ended_at,
     (SELECT count(*) FROM replayed WHERE replay = key AND version IS NOT NULL AND loaded = 1),
     (SELECT count(*) FROM replayed WHERE replay = key AND version IS NOT NULL AND loaded = 0),
     (SELECT count(*) FROM replayed WHERE replay = key AND version IS NULL), unchanged FROM replay";

impl Reader {
    /// A replay by its key.
    ///
    /// # Errors
    /// The query failed, or something stored cannot be read.
    pub fn replay(&self, key: &str) -> Result<Option<ReplayRow>, LedgerError> {
        Ok(rows(self, &format!("{COLUMNS} WHERE key = ?1"), [key], replay)?.into_iter().next())
    }

    /// Replays that are under way, in the order in which they were asked for.
    ///
    /// # Errors
    /// The query failed, or something stored cannot be read.
    pub fn open_replays(&self) -> Result<Vec<ReplayRow>, LedgerError> {
        rows(self, &format!("{COLUMNS} WHERE ended_at IS NULL ORDER BY asked_at, key"), [], replay)
    }

    /// What a replay did not renew, oldest first.
    ///
    /// # Errors
    /// The query failed, or something stored cannot be read.
    pub fn kept(&self, key: &str) -> Result<Vec<KeptRow>, LedgerError> {
        let read = |row: &Row<'_>| Ok(KeptRow { delivery: text(row, 0)?, why: row.get(1).map_err(LedgerError::Read)? });
        let sql = "SELECT lead, why FROM replayed WHERE replay = ?1 AND version IS NULL ORDER BY lead LIMIT ?2";
        rows(self, sql, params![key, MAX_ROWS], read)
    }

    /// The deliveries that a replay has decided on.
    ///
    /// # Errors
    /// The query failed, or something stored cannot be read.
    pub fn replayed(&self, key: &str) -> Result<BTreeSet<DeliveryId>, LedgerError> {
        Ok(rows(self, "SELECT lead FROM replayed WHERE replay = ?1", [key], |row| text(row, 0))?.into_iter().collect())
    }

    /// The deliveries that lead loaded snapshots of some slots, the oldest slot first.
    ///
    /// # Errors
    /// The query failed, or something stored cannot be read.
    pub fn loaded_between(&self, provider: &ProviderCode, from: Slot, to: Slot) -> Result<Vec<DeliveryId>, LedgerError> {
        let sql = "SELECT id FROM delivery WHERE provider = ?1 AND slot BETWEEN ?2 AND ?3 AND lead = id AND outcome = 'loaded'
             ORDER BY slot, id LIMIT ?4";
        rows(self, sql, params![provider.as_str(), from.to_string(), to.to_string(), MAX_ROWS], |row| text(row, 0))
    }

    /// How much that was read again waits for the warehouse.
    ///
    /// # Errors
    /// The query failed.
    pub fn replays_waiting(&self) -> Result<u64, LedgerError> {
        let sql = "SELECT count(*) FROM replayed WHERE version IS NOT NULL AND loaded = 0";
        Ok(rows(self, sql, [], |row| row.get(0).map_err(LedgerError::Read))?.into_iter().next().unwrap_or(0))
    }

    /// What was concluded when a delivery was read again for a version that is not loaded yet, with the replay's key.
    ///
    /// # Errors
    /// The query failed, or something stored cannot be read.
    pub fn replay_of(&self, snapshot: SnapshotRef) -> Result<Option<(String, Report)>, LedgerError> {
        let sql = "SELECT replay, report FROM replayed WHERE lead = ?1 AND version = ?2 AND loaded = 0";
        let found: Option<(String, String)> = self
            .connection()
            .query_row(sql, params![snapshot.lead.to_string(), snapshot.version], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()
            .map_err(LedgerError::Read)?;
        let read = |(key, report): (String, String)| {
            let report = serde_json::from_str(&report).map_err(|error| LedgerError::Unreadable { what: error.to_string() })?;
            Ok((key, report))
        };
        found.map(read).transpose()
    }

    /// What was concluded of the newest version that a delivery was promised and that is not loaded yet.
    ///
    /// # Errors
    /// The query failed, or something stored cannot be read.
    pub fn promised(&self, provider: &ProviderCode, snapshot: SnapshotRef) -> Result<Option<Report>, LedgerError> {
        let sql = "SELECT report FROM replayed
             WHERE provider = ?1 AND slot = ?2 AND lead = ?3 AND version IS NOT NULL AND loaded = 0 ORDER BY version DESC LIMIT 1";
        let words = params![provider.as_str(), snapshot.slot.to_string(), snapshot.lead.to_string()];
        let found: Option<String> = self.connection().query_row(sql, words, |row| row.get(0)).optional().map_err(LedgerError::Read)?;
        let read = |report: String| serde_json::from_str(&report).map_err(|error| LedgerError::Unreadable { what: error.to_string() });
        found.map(read).transpose()
    }

    /// What was read again and waits for the warehouse.
    pub(super) fn replay_queue(&self) -> Result<Vec<QueuedSnapshot>, LedgerError> {
        let read = |row: &Row<'_>| {
            let snapshot = SnapshotRef { lead: text(row, 0)?, slot: text(row, 2)?, version: row.get(3).map_err(LedgerError::Read)? };
            let at = text(row, 4)?;
            Ok(QueuedSnapshot { provider: text(row, 1)?, snapshot, replay: true, attempts: 0, retry_at: at, moved_at: at })
        };
        let sql = "SELECT lead, provider, slot, version, at FROM replayed WHERE version IS NOT NULL AND loaded = 0 LIMIT ?1";
        rows(self, sql, [MAX_ROWS], read)
    }
}

fn replay(row: &Row<'_>) -> Result<ReplayRow, LedgerError> {
    let count = |at: usize| row.get(at).map_err(LedgerError::Read);
    Ok(ReplayRow {
        key: row.get(0).map_err(LedgerError::Read)?,
        provider: text(row, 1)?,
        from: text(row, 2)?,
        to: text(row, 3)?,
        asked_at: text(row, 4)?,
        ended_at: perhaps(row, 5)?,
        renewed: count(6)?,
        waiting: count(7)?,
        kept: count(8)?,
        unchanged: row.get(9).map_err(LedgerError::Read)?,
    })
}
