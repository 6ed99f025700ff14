//! Watching: what the watch over the feeds asks of the ledger, once for all feeds.

use super::read::time;
use super::{LedgerError, Reader};
use crate::feed::ProviderCode;
use jiff::Timestamp;
use rusqlite::params;
use std::collections::BTreeSet;

/// A stretch in which bedfeed was not running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Absence {
    /// When it was last known to run.
    pub from: Timestamp,
    /// When it ran again.
    pub until: Timestamp,
}

impl Reader {
    /// Whose feeds something was recorded about after a place in the chain: what the watch itself told is left out.
    ///
    /// # Errors
    /// The query failed, or something stored cannot be read.
    pub fn providers_after(&self, seq: u64) -> Result<BTreeSet<ProviderCode>, LedgerError> {
        let sql = "SELECT DISTINCT coalesce(delivery.provider, json_extract(entry.body, '$.provider'))
             FROM entry LEFT JOIN delivery ON delivery.id = entry.delivery
             WHERE entry.seq > ?1
               AND json_extract(entry.body, '$.event') NOT IN ('episode_opened', 'warned', 'alert_delivered', 'alert_failed', 'client_seen')";
        let rows = self.all(sql, [seq], |row| row.get::<_, Option<String>>(0))?;
        let read = |code: String| code.parse().map_err(|_| LedgerError::Unreadable { what: format!("provider {code}") });
        rows.into_iter().flatten().map(read).collect()
    }

    /// When bedfeed was not running, of what ended at or after an instant; oldest first.
    ///
    /// # Errors
    /// The query failed, or something stored cannot be read.
    pub fn absences(&self, since: Timestamp) -> Result<Vec<Absence>, LedgerError> {
        let sql = "SELECT from_at, until_at FROM away WHERE until_at >= ?1 ORDER BY until_at";
        let rows = self.all(sql, params![super::project::stamp(since)], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
        rows.into_iter().map(|(from, until)| Ok(Absence { from: time(&from)?, until: time(&until)? })).collect()
    }

    /// When the newest entry was recorded; `None` in an empty ledger.
    ///
    /// # Errors
    /// The query failed, or something stored cannot be read.
    pub fn newest_entry_at(&self) -> Result<Option<Timestamp>, LedgerError> {
        let rows = self.all("SELECT at FROM entry ORDER BY seq DESC LIMIT 1", [], |row| row.get::<_, String>(0))?;
        rows.first().map(|at| time(at)).transpose()
    }

    /// When the newest entry was recorded that a daemon at work makes: a start that comes to nothing, and what a restore writes, are none.
    ///
    /// # Errors
    /// The query failed, or something stored cannot be read.
    pub fn last_at_work(&self) -> Result<Option<Timestamp>, LedgerError> {
        let sql = "SELECT at FROM entry
             WHERE json_extract(body, '$.event') NOT IN ('started', 'settings_changed', 'away', 'restored', 'feed_expected')
             ORDER BY seq DESC LIMIT 1";
        let rows = self.all(sql, [], |row| row.get::<_, String>(0))?;
        rows.first().map(|at| time(at)).transpose()
    }

    /// Which of these keys no alert was ever queued under.
    ///
    /// # Errors
    /// The query failed.
    pub fn unknown_alerts(&self, keys: Vec<String>) -> Result<BTreeSet<String>, LedgerError> {
        keys.into_iter().filter_map(|key| self.knows_alert(&key).map(|known| (!known).then_some(key)).transpose()).collect()
    }
}
