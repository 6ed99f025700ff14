//! Letting go: lines, and later sums and findings, of snapshots that retention says are old enough; and all of deliveries that
//! never belonged here.
//!
//! Owns finding them and deleting them for good: SQLite overwrites what it frees, and the write-ahead log is emptied afterwards.
//! Refuses to decide what goes. The load ledger (`ingest_snapshot`), the deliveries, the sums of a whole provider and the
//! daily census stay.

use super::super::statements::{BEHIND, DELIVERIES, LEFT_IN_SLOT};
use super::super::{ForwardError, ForwardErrorKind, OldFigures, reading};
use super::database::{sql, utc};
use super::load;
use super::read::Kept;
use crate::fault::{self, Step};
use crate::feed::DeliveryId;
use jiff::Timestamp;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use std::collections::BTreeSet;

/// Most that one look gives: a year of two dozen feeds. The oldest come first, so a backlog is worked off from there.
const MOST: u32 = 500_000;

/// The snapshots that a delivery leads: the one with its id, and those that it became when it was read again, whose ids go on
/// after a slash (the character before `0`).
const VERSIONS: &str =
    "(SELECT snapshot_key FROM ingest_snapshot WHERE snapshot_id = ?1 OR snapshot_id > ?1 || '/' AND snapshot_id < ?1 || '0')";

/// Old snapshots that still have lines, by their slots: all that one delivery leads as one. Walks the keys that have lines and no others, so its
/// work is bounded by what is kept and not by all that ever was.
pub(super) fn old_lines(connection: &Connection, before: Timestamp) -> rusqlite::Result<Vec<OldFigures>> {
    let keys = "
        WITH RECURSIVE
        bed(k) AS (SELECT min(snapshot_key) FROM fact_bed_line
            UNION ALL SELECT (SELECT min(snapshot_key) FROM fact_bed_line WHERE snapshot_key > k) FROM bed WHERE k IS NOT NULL),
        demand(k) AS (SELECT min(snapshot_key) FROM fact_demand_line
            UNION ALL SELECT (SELECT min(snapshot_key) FROM fact_demand_line WHERE snapshot_key > k) FROM demand WHERE k IS NOT NULL),
        keys(k) AS (SELECT k FROM bed WHERE k IS NOT NULL UNION SELECT k FROM demand WHERE k IS NOT NULL)";
    old(connection, keys, before)
}

/// Old snapshots that still have sums by ward, by their slots; and old deliveries that never became one and have findings.
pub(super) fn old_sums(connection: &Connection, before: Timestamp) -> rusqlite::Result<Vec<OldFigures>> {
    let keys = "
        WITH RECURSIVE
        keys(k) AS (SELECT min(snapshot_key) FROM agg_ward_slot
            UNION ALL SELECT (SELECT min(snapshot_key) FROM agg_ward_slot WHERE snapshot_key > k) FROM keys WHERE k IS NOT NULL)";
    let mut found = old(connection, keys, before)?;
    found.extend(old_findings(connection, before)?);
    Ok(found)
}

fn old(connection: &Connection, keys: &str, before: Timestamp) -> rusqlite::Result<Vec<OldFigures>> {
    let sql = format!(
        "{keys}
         SELECT min(s.snapshot_id) AS id, s.provider_code, s.slot_utc AS about,
           max(s.is_current = 1 AND s.slot_utc =
             (SELECT max(n.slot_utc) FROM ingest_snapshot AS n WHERE n.provider_code = s.provider_code AND n.is_current = 1)) AS shown
         FROM keys JOIN ingest_snapshot AS s ON s.snapshot_key = keys.k
         WHERE s.slot_utc < ?1
         GROUP BY substr(s.snapshot_id, 1, instr(s.snapshot_id || '/', '/') - 1)
         ORDER BY s.slot_utc, min(s.snapshot_key) LIMIT {MOST}"
    );
    connection.prepare(&sql)?.query_map([utc(before)], |row| reading::old(&Kept::of(row)?))?.collect()
}

/// Deliveries that arrived before then, lead no snapshot, and whose findings are still here. Their ids sort by arrival.
fn old_findings(connection: &Connection, before: Timestamp) -> rusqlite::Result<Vec<OldFigures>> {
    let sql = format!(
        "SELECT DISTINCT f.delivery_id AS id, f.provider_code, f.received_at AS about, 0 AS shown
         FROM ingest_issue AS i JOIN ingest_file AS f USING (delivery_id)
         WHERE i.delivery_id < ?1 AND NOT EXISTS (SELECT 1 FROM ingest_snapshot AS s WHERE s.snapshot_id = f.delivery_id)
         ORDER BY f.delivery_id LIMIT {MOST}"
    );
    let first_since = DeliveryId::new(before, [0; 10]).to_string();
    connection.prepare(&sql)?.query_map([first_since], |row| reading::old(&Kept::of(row)?))?.collect()
}

/// How many lines each of these snapshots has.
pub(super) fn count_lines(connection: &Connection, leads: &[DeliveryId]) -> rusqlite::Result<Vec<u64>> {
    count(
        connection,
        leads,
        &format!(
            "SELECT (SELECT count(*) FROM fact_bed_line WHERE snapshot_key IN {VERSIONS})
               + (SELECT count(*) FROM fact_demand_line WHERE snapshot_key IN {VERSIONS})"
        ),
    )
}

/// How many sums by ward and findings each of these deliveries has.
pub(super) fn count_sums(connection: &Connection, leads: &[DeliveryId]) -> rusqlite::Result<Vec<u64>> {
    count(
        connection,
        leads,
        &format!(
            "SELECT (SELECT count(*) FROM agg_ward_slot WHERE snapshot_key IN {VERSIONS})
               + (SELECT count(*) FROM ingest_issue WHERE delivery_id = ?1) + (SELECT count(*) FROM ingest_row_reject WHERE delivery_id = ?1)"
        ),
    )
}

fn count(connection: &Connection, leads: &[DeliveryId], sql: &str) -> rusqlite::Result<Vec<u64>> {
    let mut statement = connection.prepare(sql)?;
    leads.iter().map(|lead| statement.query_row([lead.to_string()], |row| row.get(0))).collect()
}

/// Deletes the lines of these snapshots; gives how many rows there were. Fine where they are gone.
pub(super) fn dispose_lines(connection: &mut Connection, leads: &[DeliveryId]) -> Result<u64, ForwardError> {
    delete(
        connection,
        leads,
        &[
            &format!("DELETE FROM fact_bed_line WHERE snapshot_key IN {VERSIONS}"),
            &format!("DELETE FROM fact_demand_line WHERE snapshot_key IN {VERSIONS}"),
        ],
    )
}

/// Deletes the sums by ward of these snapshots, and the findings of these deliveries; gives how many rows there were. Fine where
/// they are gone.
pub(super) fn dispose_sums(connection: &mut Connection, leads: &[DeliveryId]) -> Result<u64, ForwardError> {
    delete(
        connection,
        leads,
        &[
            &format!("DELETE FROM agg_ward_slot WHERE snapshot_key IN {VERSIONS}"),
            "DELETE FROM ingest_issue WHERE delivery_id = ?1",
            "DELETE FROM ingest_row_reject WHERE delivery_id = ?1",
        ],
    )
}

fn delete(connection: &mut Connection, leads: &[DeliveryId], statements: &[&str]) -> Result<u64, ForwardError> {
    let doing = "deleting what is old";
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sql(doing))?;
    let mut rows = 0_u64;
    for lead in leads {
        for statement in statements {
            let gone = transaction.prepare_cached(statement).and_then(|mut it| it.execute([lead.to_string()])).map_err(sql(doing))?;
            rows = rows.saturating_add(u64::try_from(gone).unwrap_or(u64::MAX));
        }
    }
    fault::around(Step::DisposalCommit, || transaction.commit().map_err(sql(doing)))?;
    fault::around(Step::DisposalLog, || empty_log(connection))?;
    Ok(rows)
}

/// The days (UTC) of the slots of these snapshots.
pub(super) fn days(connection: &Connection, leads: &[DeliveryId]) -> rusqlite::Result<BTreeSet<String>> {
    let mut statement =
        connection.prepare_cached(&format!("SELECT substr(slot_utc, 1, 10) FROM ingest_snapshot WHERE snapshot_key IN {VERSIONS}"))?;
    let mut days = BTreeSet::new();
    for lead in leads {
        for day in statement.query_map([lead.to_string()], |row| row.get(0))? {
            days.insert(day?);
        }
    }
    Ok(days)
}

/// All deliveries that are told of, loaded or not.
pub(super) fn deliveries(connection: &Connection) -> rusqlite::Result<BTreeSet<DeliveryId>> {
    let mut statement = connection.prepare(DELIVERIES)?;
    let ids = statement.query_map([], |row| load::lead(&row.get::<_, String>(0)?))?;
    ids.collect()
}

/// Drops these deliveries with all that is told of them; gives how many snapshots there were. Fine where they are gone.
pub(super) fn drop_deliveries(connection: &mut Connection, leads: &[DeliveryId]) -> Result<u64, ForwardError> {
    let doing = "dropping deliveries";
    if leads.is_empty() {
        return Ok(0);
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sql(doing))?;
    let mut gone = 0_u64;
    for lead in leads {
        gone = gone.saturating_add(drop_one(&transaction, &lead.to_string()).map_err(sql(doing))?);
    }
    fault::around(Step::DisposalCommit, || transaction.commit().map_err(sql(doing)))?;
    fault::around(Step::DisposalLog, || empty_log(connection))?;
    Ok(gone)
}

/// Drops a snapshot again that nobody was told of as loaded, by its id. Fine where it is not there.
pub(super) fn take_back(connection: &mut Connection, snapshot_id: &str) -> Result<(), ForwardError> {
    let doing = format!("taking {snapshot_id} back");
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sql(&*doing))?;
    if load::is_loaded(&transaction, snapshot_id).map_err(sql(&*doing))? {
        drop_one(&transaction, snapshot_id).map_err(sql(&*doing))?;
    }
    fault::around(Step::DisposalCommit, || transaction.commit().map_err(sql(&*doing)))
}

/// Drops all that a delivery leads, or one snapshot that came of reading it again: whichever the id names.
pub(super) fn drop_one(transaction: &Transaction<'_>, lead: &str) -> rusqlite::Result<u64> {
    let slots = format!("SELECT DISTINCT provider_code, slot_utc FROM ingest_snapshot WHERE snapshot_key IN {VERSIONS}");
    let mut slots = transaction.prepare_cached(&slots)?;
    let slots = slots.query_map([lead], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
    let slots = slots.collect::<rusqlite::Result<Vec<_>>>()?;
    transaction
        .prepare_cached(&format!("UPDATE ingest_snapshot SET superseded_by = NULL WHERE superseded_by IN {VERSIONS}"))?
        .execute([lead])?;
    for table in ["census_daily", "fact_bed_line", "fact_demand_line", "agg_ward_slot", "agg_org_slot"] {
        transaction.prepare_cached(&format!("DELETE FROM {table} WHERE snapshot_key IN {VERSIONS}"))?.execute([lead])?;
    }
    for table in ["ingest_issue", "ingest_row_reject", "ingest_file"] {
        transaction.prepare_cached(&format!("DELETE FROM {table} WHERE delivery_id = ?1"))?.execute([lead])?;
    }
    let gone = transaction.prepare_cached(&format!("DELETE FROM ingest_snapshot WHERE snapshot_key IN {VERSIONS}"))?.execute([lead])?;
    for (provider, slot) in slots {
        let left = transaction.prepare_cached(LEFT_IN_SLOT)?.query_row([&provider, &slot], |row| row.get::<_, Option<i64>>(0))?;
        if let Some(key) = left {
            load::switch_current(transaction, key)?;
            transaction.prepare_cached(BEHIND)?.execute([&provider, &slot])?;
        }
    }
    Ok(u64::try_from(gone).unwrap_or(u64::MAX))
}

/// Empties the write-ahead log, which still holds the pages as they were: until that is done, what was deleted is not gone. SQLite
/// says in a row, and not by an error, that a reader was in the way for longer than a write waits.
fn empty_log(connection: &Connection) -> Result<(), ForwardError> {
    let doing = "emptying the warehouse's write-ahead log after a deletion";
    let busy: bool = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).map_err(sql(doing))?;
    if busy {
        return Err(ForwardError::new(ForwardErrorKind::Unavailable, format!("{doing}: somebody is reading the warehouse all the while")));
    }
    Ok(())
}
