//! What is held and what is gone: legal holds and disposals, recorded and read.
//!
//! Owns their tables, and what the derived tables let go of. Refuses to decide what goes.

use super::LedgerError;
use super::people::{Class, Disposal, DisposalRow, Hold, HoldRow, ReleaseRequest};
use super::project::{run, stamp, to_json};
use super::read::{Reader, json, time};
use super::silences;
use crate::feed::DeliveryId;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::BTreeMap;

/// Most disposals that one query gives, the newest.
const MAX_DISPOSALS: u32 = 10_000;
/// Most entries whose times are looked at.
const MOST_TIMES: u32 = 500_000;

/// The tables; made beside the others.
pub(super) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS hold (
    number    INTEGER PRIMARY KEY,
    facts     TEXT NOT NULL,
    placed_at TEXT NOT NULL,
    ended_at  TEXT,
    ended_by  TEXT,
    ended_why TEXT
) STRICT;
CREATE TABLE IF NOT EXISTS disposal (
    number     INTEGER PRIMARY KEY,
    class      TEXT NOT NULL,
    rule       TEXT NOT NULL,
    before     TEXT NOT NULL,
    items      INTEGER NOT NULL,
    bytes      INTEGER NOT NULL,
    planned_at TEXT NOT NULL,
    done_at    TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS disposal_open ON disposal (number) WHERE done_at IS NULL;
CREATE TABLE IF NOT EXISTS disposed (
    delivery TEXT NOT NULL,
    class    TEXT NOT NULL,
    disposal INTEGER NOT NULL REFERENCES disposal,
    PRIMARY KEY (delivery, class)
) STRICT, WITHOUT ROWID;
-- What another disposal of its class took before, and what came back since.
CREATE TABLE IF NOT EXISTS disposed_again (
    disposal INTEGER NOT NULL REFERENCES disposal,
    delivery TEXT NOT NULL,
    PRIMARY KEY (disposal, delivery)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS trimmed (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    before   TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS disposed_by_disposal ON disposed (disposal);
";

/// Records a hold.
pub(super) fn hold_placed(connection: &Connection, at: Timestamp, hold: &Hold) -> Result<(), LedgerError> {
    run(connection, "INSERT INTO hold (number, facts, placed_at) VALUES (?1, ?2, ?3)", params![hold.number, to_json(hold)?, stamp(at)])
}

/// Records that a hold was lifted.
pub(super) fn hold_ended(connection: &Connection, at: Timestamp, hold: u32, by: &str, reason: &str) -> Result<(), LedgerError> {
    run(
        connection,
        "UPDATE hold SET ended_at = ?2, ended_by = ?3, ended_why = ?4 WHERE number = ?1 AND ended_at IS NULL",
        params![hold, stamp(at), by, reason],
    )
}

/// Records what is to go; `again`: what of it went before.
pub(super) fn disposing(connection: &Connection, at: Timestamp, disposal: &Disposal, again: &[DeliveryId]) -> Result<(), LedgerError> {
    let Disposal { number, class, rule, before, ids, items, bytes } = disposal;
    run(
        connection,
        "INSERT INTO disposal (number, class, rule, before, items, bytes, planned_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![number, class.as_str(), rule, stamp(*before), items, bytes, stamp(at)],
    )?;
    let one = |id: &DeliveryId| {
        run(
            connection,
            "INSERT INTO disposed (delivery, class, disposal) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
            params![id.to_string(), class.as_str(), number],
        )
    };
    ids.iter().try_for_each(one)?;
    let sql = "INSERT INTO disposed_again (disposal, delivery) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    again.iter().try_for_each(|id| run(connection, sql, params![number, id.to_string()]))
}

/// Records that a part of it stays, so much of what was counted.
pub(super) fn spared(connection: &Connection, disposal: u32, ids: &[DeliveryId], items: u64, bytes: u64) -> Result<(), LedgerError> {
    for id in ids {
        for table in ["disposed", "disposed_again"] {
            let sql = format!("DELETE FROM {table} WHERE delivery = ?1 AND disposal = ?2");
            run(connection, &sql, params![id.to_string(), disposal])?;
        }
    }
    run(
        connection,
        "UPDATE disposal SET items = max(0, items - ?2), bytes = max(0, bytes - ?3) WHERE number = ?1",
        params![disposal, items, bytes],
    )
}

/// Records that it is gone.
pub(super) fn disposed(connection: &Connection, at: Timestamp, disposal: u32) -> Result<(), LedgerError> {
    run(connection, "UPDATE disposal SET done_at = ?2 WHERE number = ?1 AND done_at IS NULL", params![disposal, stamp(at)])
}

/// Lets the derived tables go of what nobody asks for any more: clients that stay away, alerts and episodes that are over, and
/// the findings in reports, which are most of a report; what later files are compared with stays. The entries keep it all.
pub(super) fn trimmed(connection: &Connection, before: Timestamp) -> Result<(), LedgerError> {
    let before = stamp(before);
    let last: Option<String> =
        connection.query_row("SELECT before FROM trimmed", [], |row| row.get(0)).optional().map_err(LedgerError::Append)?;
    // What an earlier one went through is not looked at again: in a ledger of years that is most of it.
    run(
        connection,
        "UPDATE delivery SET report = json_set(report, '$.findings.kept', json('[]'))
         WHERE moved_at >= ?1 AND moved_at < ?2 AND outcome <> 'pending' AND json_array_length(report, '$.findings.kept') > 0",
        params![last.unwrap_or_default(), before],
    )?;
    run(
        connection,
        "INSERT INTO trimmed (only_row, before) VALUES (1, ?1) ON CONFLICT (only_row) DO UPDATE SET before = excluded.before",
        [&before],
    )?;
    silences::trimmed(connection, &before)?;
    for sql in
        ["DELETE FROM client WHERE seen_at < ?1", "DELETE FROM outbox WHERE delivered_at < ?1", "DELETE FROM episode WHERE closed_at < ?1"]
    {
        run(connection, sql, [&before])?;
    }
    Ok(())
}

impl Reader {
    /// Legal holds, oldest first: those that stand, or all there ever were.
    ///
    /// # Errors
    /// The query failed.
    pub fn holds(&self, all: bool) -> Result<Vec<HoldRow>, LedgerError> {
        if !self.keeps_disposals()? {
            return Ok(Vec::new());
        }
        let sql = "SELECT facts, placed_at, ended_at, ended_by, ended_why FROM hold WHERE ?1 OR ended_at IS NULL ORDER BY number";
        let rows = self.all(sql, [all], |row| {
            let texts: (String, String, Option<String>) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok((texts, row.get(3)?, row.get(4)?))
        })?;
        rows.into_iter()
            .map(|((facts, placed_at, ended_at), ended_by, ended_why)| {
                let ended_at = ended_at.as_deref().map(time).transpose()?;
                Ok(HoldRow { hold: json(&facts)?, placed_at: time(&placed_at)?, ended_at, ended_by, ended_why })
            })
            .collect()
    }

    /// The number that the next hold gets.
    ///
    /// # Errors
    /// The query failed.
    pub fn next_hold(&self) -> Result<u32, LedgerError> {
        self.one("SELECT coalesce(max(number), 0) + 1 FROM hold")
    }

    /// The number that the next disposal gets.
    ///
    /// # Errors
    /// The query failed.
    pub fn next_disposal(&self) -> Result<u32, LedgerError> {
        self.one("SELECT coalesce(max(number), 0) + 1 FROM disposal")
    }

    /// Disposals, newest first, at most `limit`.
    ///
    /// # Errors
    /// The query failed.
    pub fn disposals(&self, limit: u32) -> Result<Vec<DisposalRow>, LedgerError> {
        self.disposals_where("1", limit.min(MAX_DISPOSALS))
    }

    /// Disposals that were recorded and not finished: a crash came between.
    ///
    /// # Errors
    /// The query failed.
    pub fn unfinished_disposals(&self) -> Result<Vec<DisposalRow>, LedgerError> {
        self.disposals_where("done_at IS NULL", MAX_DISPOSALS)
    }

    /// What is gone of a delivery: each class with the disposal that took it.
    ///
    /// # Errors
    /// The query failed.
    pub fn gone(&self, delivery: DeliveryId) -> Result<BTreeMap<Class, DisposalRow>, LedgerError> {
        if !self.keeps_disposals()? {
            return Ok(BTreeMap::new());
        }
        let numbers: Vec<u32> = self.all("SELECT disposal FROM disposed WHERE delivery = ?1", [delivery.to_string()], |row| row.get(0))?;
        let mut gone = BTreeMap::new();
        for number in numbers {
            for row in self.disposals_where(&format!("number = {number}"), 1)? {
                gone.insert(row.disposal.class, row);
            }
        }
        Ok(gone)
    }

    /// The disposal that took a delivery's bytes; `None` while they are kept.
    ///
    /// # Errors
    /// The query failed.
    pub fn original_gone(&self, delivery: DeliveryId) -> Result<Option<DisposalRow>, LedgerError> {
        let mut gone = self.gone(delivery)?;
        Ok(gone.remove(&Class::Raw).or_else(|| gone.remove(&Class::Quarantine)))
    }

    /// The request for a release of a delivery that waits for a second person.
    ///
    /// # Errors
    /// The query failed or an entry cannot be read.
    pub fn release_request(&self, delivery: DeliveryId, now: Timestamp) -> Result<Option<ReleaseRequest>, LedgerError> {
        Ok(self.life(delivery)?.and_then(|life| ReleaseRequest::standing(&life.entries, now)))
    }

    /// When entries were recorded, from the newest back to the first that is older than an instant, that one included. Bounded by what
    /// was recorded since, and by far more than a day of hundreds of feeds.
    ///
    /// # Errors
    /// The query failed.
    pub fn times_back_to(&self, since: Timestamp) -> Result<Vec<Timestamp>, LedgerError> {
        let sql = format!("SELECT at FROM entry ORDER BY seq DESC LIMIT {MOST_TIMES}");
        let mut statement = self.connection().prepare(&sql).map_err(LedgerError::Read)?;
        let mut rows = statement.query([]).map_err(LedgerError::Read)?;
        let mut times = Vec::new();
        while let Some(row) = rows.next().map_err(LedgerError::Read)? {
            let at = time(&row.get::<_, String>(0).map_err(LedgerError::Read)?)?;
            times.push(at);
            if at < since {
                break;
            }
        }
        Ok(times)
    }

    /// Whether a disposal took a thing of a delivery: a file, lines, or sums and findings.
    ///
    /// # Errors
    /// The query failed.
    pub fn is_gone(&self, delivery: DeliveryId, class: Class) -> Result<bool, LedgerError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM disposed WHERE delivery = ?1 AND class = ?2)";
        self.connection().query_row(sql, [delivery.to_string().as_str(), class.as_str()], |row| row.get(0)).map_err(LedgerError::Read)
    }

    /// When the derived tables last let go of what is old.
    ///
    /// # Errors
    /// The query failed.
    pub fn trimmed_before(&self) -> Result<Option<Timestamp>, LedgerError> {
        let sql = "SELECT before FROM trimmed";
        let text: Option<String> = self.connection().query_row(sql, [], |row| row.get(0)).optional().map_err(LedgerError::Read)?;
        text.as_deref().map(time).transpose()
    }

    fn disposals_where(&self, condition: &str, limit: u32) -> Result<Vec<DisposalRow>, LedgerError> {
        if !self.keeps_disposals()? {
            return Ok(Vec::new());
        }
        let sql = format!(
            "SELECT number, class, rule, before, items, bytes, planned_at, done_at FROM disposal WHERE {condition}
             ORDER BY number DESC LIMIT {limit}"
        );
        let rows = self.all(&sql, [], |row| {
            let texts: (String, String, String, String, Option<String>) = (row.get(1)?, row.get(2)?, row.get(3)?, row.get(6)?, row.get(7)?);
            Ok((row.get::<_, u32>(0)?, texts, row.get::<_, u64>(4)?, row.get::<_, u64>(5)?))
        })?;
        let again = if self.has_table("disposed_again")? { "UNION SELECT delivery FROM disposed_again WHERE disposal = ?1" } else { "" };
        let named = format!("SELECT delivery FROM disposed WHERE disposal = ?1 {again} ORDER BY delivery");
        rows.into_iter()
            .map(|(number, (class, rule, before, planned_at, done_at), items, bytes)| {
                let ids = self.all(&named, [number], |row| row.get(0))?;
                let id = |text: &String| text.parse().map_err(|_| LedgerError::Unreadable { what: format!("the delivery id {text}") });
                let class = Class::ALL.iter().copied().find(|known| known.as_str() == class);
                let class = class.ok_or_else(|| LedgerError::Unreadable { what: format!("the class of disposal {number}") })?;
                let ids = ids.iter().map(id).collect::<Result<_, _>>()?;
                let disposal = Disposal { number, class, rule, before: time(&before)?, ids, items, bytes };
                Ok(DisposalRow { disposal, planned_at: time(&planned_at)?, done_at: done_at.as_deref().map(time).transpose()? })
            })
            .collect()
    }

    /// Whether there are such tables: a ledger that an older bedfeed wrote, and no newer one has opened yet, has none.
    pub(super) fn keeps_disposals(&self) -> Result<bool, LedgerError> {
        self.has_table("disposed")
    }

    fn has_table(&self, name: &str) -> Result<bool, LedgerError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = ?1)";
        self.connection().query_row(sql, [name], |row| row.get(0)).map_err(LedgerError::Read)
    }

    fn one<T: rusqlite::types::FromSql>(&self, sql: &str) -> Result<T, LedgerError> {
        self.connection().query_row(sql, [], |row| row.get(0)).map_err(LedgerError::Read)
    }
}
