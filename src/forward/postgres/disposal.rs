//! Letting go: lines, and later sums and findings, of snapshots that retention says are old enough.
//!
//! Owns finding them and deleting them. A day's partition that is empty afterwards is dropped, so that its files are gone from the
//! disk; what else was deleted is overwritten when the server cleans up (VACUUM). Refuses to decide what goes. The load ledger
//! (`ingest_snapshot`), the deliveries, the sums of a whole provider and the daily census stay.

use super::super::rows::lead_of;
use super::super::statements::{BEHIND, DELIVERIES, LEFT_IN_SLOT};
use super::super::{ForwardError, ForwardErrorKind, OldFigures, reading};
use super::connect::{Connection, Work};
use super::database::take_turn;
use super::load::{day_of_keys, switch_current};
use super::read::{RowError, rows};
use super::trouble::sql;
use crate::fault::{self, Step};
use crate::feed::DeliveryId;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::collections::BTreeSet;
use tokio_postgres::{Error, Row};

/// Old snapshots that still have lines, all that one delivery leads as one. Keys go by days: what is older than the oldest lines
/// is not looked at, however much that is. At most a year of two dozen feeds is given, the oldest first.
const OLD_LINES: &str = "
    WITH oldest AS (SELECT least((SELECT min(snapshot_key) FROM fact_bed_line), (SELECT min(snapshot_key) FROM fact_demand_line)) AS key)
    SELECT min(s.snapshot_id) AS id, s.provider_code, s.slot_utc AS about,
      max(CASE WHEN s.is_current = 1 AND s.slot_utc =
        (SELECT max(n.slot_utc) FROM ingest_snapshot AS n WHERE n.provider_code = s.provider_code AND n.is_current = 1)
        THEN 1 ELSE 0 END) AS shown
    FROM oldest JOIN ingest_snapshot AS s ON s.snapshot_key >= oldest.key AND s.snapshot_key < $2
    WHERE s.slot_utc < $1 AND (EXISTS (SELECT 1 FROM fact_bed_line AS b WHERE b.snapshot_key = s.snapshot_key)
      OR EXISTS (SELECT 1 FROM fact_demand_line AS d WHERE d.snapshot_key = s.snapshot_key))
    GROUP BY split_part(s.snapshot_id, '/', 1), s.provider_code, s.slot_utc
    ORDER BY s.slot_utc, min(s.snapshot_key) LIMIT 500000";
/// The same for sums by ward.
const OLD_SUMS: &str = "
    WITH oldest AS (SELECT min(snapshot_key) AS key FROM agg_ward_slot)
    SELECT min(s.snapshot_id) AS id, s.provider_code, s.slot_utc AS about,
      max(CASE WHEN s.is_current = 1 AND s.slot_utc =
        (SELECT max(n.slot_utc) FROM ingest_snapshot AS n WHERE n.provider_code = s.provider_code AND n.is_current = 1)
        THEN 1 ELSE 0 END) AS shown
    FROM oldest JOIN ingest_snapshot AS s ON s.snapshot_key >= oldest.key AND s.snapshot_key < $2
    WHERE s.slot_utc < $1 AND EXISTS (SELECT 1 FROM agg_ward_slot AS a WHERE a.snapshot_key = s.snapshot_key)
    GROUP BY split_part(s.snapshot_id, '/', 1), s.provider_code, s.slot_utc
    ORDER BY s.slot_utc, min(s.snapshot_key) LIMIT 500000";
/// Deliveries that arrived before then, lead no snapshot, and whose findings are still here. Their ids sort by arrival.
const OLD_FINDINGS: &str = "
    SELECT DISTINCT f.delivery_id AS id, f.provider_code, f.received_at AS about, 0 AS shown
    FROM ingest_issue AS i JOIN ingest_file AS f USING (delivery_id)
    WHERE i.delivery_id < $1 AND NOT EXISTS (SELECT 1 FROM ingest_snapshot AS s WHERE s.snapshot_id = f.delivery_id)
    ORDER BY f.delivery_id LIMIT 500000";

/// The snapshots that a delivery leads: the one with its id, and those that it became when it was read again, whose ids go on
/// after a slash (the character before `0`).
macro_rules! of_versions {
    ($before:literal) => {
        concat!(
            $before,
            "(SELECT snapshot_key FROM ingest_snapshot WHERE snapshot_id = $1 OR snapshot_id > $1 || '/' AND snapshot_id < $1 || '0')"
        )
    };
}

const COUNT_BEDS: &str = of_versions!("SELECT count(*) AS found FROM fact_bed_line WHERE snapshot_key IN ");
const COUNT_DEMAND: &str = of_versions!("SELECT count(*) AS found FROM fact_demand_line WHERE snapshot_key IN ");
const COUNT_SUMS: &str = of_versions!("SELECT count(*) AS found FROM agg_ward_slot WHERE snapshot_key IN ");
const COUNT_ISSUES: &str = "SELECT count(*) AS found FROM ingest_issue WHERE delivery_id = $1";
const COUNT_REJECTS: &str = "SELECT count(*) AS found FROM ingest_row_reject WHERE delivery_id = $1";
const DELETE_BEDS: &str = of_versions!("DELETE FROM fact_bed_line WHERE snapshot_key IN ");
const DELETE_DEMAND: &str = of_versions!("DELETE FROM fact_demand_line WHERE snapshot_key IN ");
const DELETE_SUMS: &str = of_versions!("DELETE FROM agg_ward_slot WHERE snapshot_key IN ");
const DELETE_ISSUES: &str = "DELETE FROM ingest_issue WHERE delivery_id = $1";
const DELETE_REJECTS: &str = "DELETE FROM ingest_row_reject WHERE delivery_id = $1";
const WHOLE_SLOTS: &str = of_versions!("SELECT DISTINCT provider_code, slot_utc FROM ingest_snapshot WHERE snapshot_key IN ");
const SLOTS: &str = of_versions!("SELECT DISTINCT slot_utc FROM ingest_snapshot WHERE snapshot_key IN ");

/// Old snapshots that still have lines, by their slots.
pub(super) async fn old_lines(connection: &mut Connection, before: Timestamp) -> Result<Vec<OldFigures>, RowError> {
    let found = connection.query(OLD_LINES, &[&before, &keys_before(before)]).await?;
    rows(found, reading::old)
}

/// Old snapshots that still have sums by ward, by their slots; and old deliveries that never became one and have findings.
pub(super) async fn old_sums(connection: &mut Connection, before: Timestamp) -> Result<Vec<OldFigures>, RowError> {
    let found = connection.query(OLD_SUMS, &[&before, &keys_before(before)]).await?;
    let mut old = rows(found, reading::old)?;
    let first_since = DeliveryId::new(before, [0; 10]).to_string();
    old.extend(rows(connection.query(OLD_FINDINGS, &[&first_since]).await?, reading::old)?);
    Ok(old)
}

/// The first key that no slot before an instant has.
fn keys_before(before: Timestamp) -> i64 {
    let day = before.to_zoned(TimeZone::UTC).date();
    day_of_keys(day.tomorrow().unwrap_or(Date::MAX))
}

/// How many lines each of these snapshots has.
pub(super) async fn count_lines(connection: &mut Connection, leads: &[DeliveryId]) -> Result<Vec<u64>, RowError> {
    count(connection, leads, &[COUNT_BEDS, COUNT_DEMAND]).await
}

/// How many sums by ward and findings each of these deliveries has.
pub(super) async fn count_sums(connection: &mut Connection, leads: &[DeliveryId]) -> Result<Vec<u64>, RowError> {
    count(connection, leads, &[COUNT_SUMS, COUNT_ISSUES, COUNT_REJECTS]).await
}

async fn count(connection: &mut Connection, leads: &[DeliveryId], statements: &[&'static str]) -> Result<Vec<u64>, RowError> {
    let mut counts = Vec::with_capacity(leads.len());
    for lead in leads {
        let lead = lead.to_string();
        let mut found = 0_u64;
        for statement in statements {
            for row in connection.query(statement, &[&lead]).await? {
                found = found.saturating_add(row.try_get::<_, i64>("found")?.unsigned_abs());
            }
        }
        counts.push(found);
    }
    Ok(counts)
}

/// Deletes the lines of these snapshots; gives how many rows there were. Fine where they are gone.
pub(super) async fn dispose_lines(connection: &mut Connection, leads: &[DeliveryId]) -> Result<u64, ForwardError> {
    let (rows, days) = delete(connection, leads, &[DELETE_BEDS, DELETE_DEMAND]).await?;
    fault::during(Step::DisposalLog, drop_days(connection, days)).await?;
    Ok(rows)
}

/// Deletes the sums by ward of these snapshots, and the findings of these deliveries; gives how many rows there were. Fine where
/// they are gone.
pub(super) async fn dispose_sums(connection: &mut Connection, leads: &[DeliveryId]) -> Result<u64, ForwardError> {
    delete(connection, leads, &[DELETE_SUMS, DELETE_ISSUES, DELETE_REJECTS]).await.map(|(rows, _)| rows)
}

/// Deletes; gives how many rows there were, and on which days the snapshots' slots lie.
async fn delete(
    connection: &mut Connection,
    leads: &[DeliveryId],
    statements: &[&'static str],
) -> Result<(u64, BTreeSet<Date>), ForwardError> {
    let doing = "deleting what is old";
    let mut work = connection.begin().await.map_err(sql(doing))?;
    take_turn(&mut work).await.map_err(sql(doing))?;
    let deleted = delete_all(&mut work, leads, statements).await.map_err(sql(doing))?;
    fault::during(Step::DisposalCommit, async { work.transaction.commit().await.map_err(sql(doing)) }).await?;
    Ok(deleted)
}

async fn delete_all(work: &mut Work<'_>, leads: &[DeliveryId], statements: &[&'static str]) -> Result<(u64, BTreeSet<Date>), Error> {
    let (mut rows, mut days) = (0_u64, BTreeSet::new());
    for lead in leads {
        let lead = lead.to_string();
        for statement in statements {
            rows = rows.saturating_add(work.execute(statement, &[&lead]).await?);
        }
        for row in work.query(SLOTS, &[&lead]).await? {
            days.insert(row.try_get::<_, Timestamp>(0)?.to_zoned(TimeZone::UTC).date());
        }
    }
    Ok((rows, days))
}

/// All deliveries that are told of, loaded or not.
pub(super) async fn deliveries(connection: &mut Connection) -> Result<BTreeSet<DeliveryId>, ForwardError> {
    let doing = "listing deliveries";
    let rows = connection.query(DELIVERIES, &[]).await.map_err(sql(doing))?;
    let id = |row: &Row| {
        let id: String = row.try_get(0).map_err(sql(doing))?;
        lead_of(&id).ok_or_else(|| ForwardError::new(ForwardErrorKind::Unavailable, format!("{doing}: {id} is no delivery's id")))
    };
    rows.iter().map(id).collect()
}

/// Drops these deliveries with all that is told of them; gives how many snapshots there were. Fine where they are gone.
pub(super) async fn drop_deliveries(connection: &mut Connection, leads: &[DeliveryId]) -> Result<u64, ForwardError> {
    let doing = "dropping deliveries";
    let mut work = connection.begin().await.map_err(sql(doing))?;
    take_turn(&mut work).await.map_err(sql(doing))?;
    let mut gone = 0_u64;
    for lead in leads {
        gone = gone.saturating_add(drop_one(&mut work, &lead.to_string(), doing).await?);
    }
    fault::during(Step::DisposalCommit, async { work.transaction.commit().await.map_err(sql(doing)) }).await?;
    Ok(gone)
}

/// Drops all that a delivery leads, or one snapshot that came of reading it again: whichever the id names. A loader has no right to
/// delete snapshots by itself; the function has.
pub(super) async fn drop_one(work: &mut Work<'_>, lead: &str, doing: &str) -> Result<u64, ForwardError> {
    let slots = work.query(WHOLE_SLOTS, &[&lead]).await.map_err(sql(doing))?;
    let gone = work.query("SELECT bedfeed_drop_delivery($1)", &[&lead]).await.map_err(sql(doing))?;
    let gone: i64 = gone.first().map_or(Ok(0), |row| row.try_get(0)).map_err(sql(doing))?;
    for slot in slots {
        let (provider, start): (String, Timestamp) = (slot.try_get(0).map_err(sql(doing))?, slot.try_get(1).map_err(sql(doing))?);
        let left = work.query(LEFT_IN_SLOT, &[&provider, &start]).await.map_err(sql(doing))?;
        let left: Option<i64> = left.first().map(|row| row.try_get(0)).transpose().map_err(sql(doing))?.flatten();
        if let Some(key) = left {
            switch_current(work, key, doing).await?;
            work.execute(BEHIND, &[&provider, &start]).await.map_err(sql(doing))?;
        }
    }
    Ok(gone.unsigned_abs())
}

/// Drops the partitions of days that hold nothing any more. Where somebody reads them for longer than a lock is waited for, that is
/// an error: what was deleted is not gone yet, and the same deletion asked for again gets on with it.
async fn drop_days(connection: &mut Connection, days: BTreeSet<Date>) -> Result<(), ForwardError> {
    for day in days {
        let dropped = connection.query("SELECT bedfeed_drop_day($1)", &[&day]).await;
        dropped.map_err(sql(format!("dropping the empty partitions of {day}")))?;
    }
    Ok(())
}
