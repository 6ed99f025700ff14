//! Loading one snapshot: ledger row, control rows, facts, sums and the current pointer in one transaction (P2).

use super::super::facts::snapshot_id;
use super::super::{ForwardError, Load, LoadOutcome};
use super::database::{int, sql, utc};
use super::wards::Wards;
use super::{control, lead_of, slots};
use crate::bedstate::{Line, LineType, ShortCode, Snapshot, WaitBand};
use crate::fault::{self, Step};
use crate::feed::{DeliveryId, ProviderCode, Slot, Version, current};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, TransactionBehavior, params};
use std::collections::BTreeMap;

/// Loads it, or finds that it is there.
pub(super) fn load(connection: &mut Connection, load: &Load) -> Result<LoadOutcome, ForwardError> {
    let doing = format!("loading {} for {} of {}", load.reference.lead, load.reference.slot, load.verified.snapshot().provider);
    agree(load, &doing)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sql(&*doing))?;
    if is_loaded(&transaction, &snapshot_id(load.reference, load.replay)).map_err(sql(&*doing))? {
        return Ok(LoadOutcome::AlreadyLoaded);
    }
    if let Some(newest) = number_taken(&transaction, load).map_err(sql(&*doing))? {
        return Ok(LoadOutcome::NumberTaken { newest });
    }
    let (key, unknown_wards) = write_facts(&transaction, load, &doing)?;
    let current = switch_current(&transaction, key, load.verified.snapshot().slot).map_err(sql(&*doing))?;
    fault::around(Step::WarehouseCommit, || transaction.commit().map_err(sql(&*doing)))?;
    Ok(LoadOutcome::Loaded { current, unknown_wards })
}

/// Whether a snapshot is there.
pub(super) fn is_loaded(connection: &Connection, snapshot_id: &str) -> rusqlite::Result<bool> {
    connection.prepare_cached("SELECT 1 FROM ingest_snapshot WHERE snapshot_id = ?1")?.exists([snapshot_id])
}

/// The highest version of a snapshot's slot, where another snapshot has its number.
fn number_taken(connection: &Connection, load: &Load) -> rusqlite::Result<Option<u32>> {
    let slot = utc(load.reference.slot.start());
    connection
        .prepare_cached(
            "SELECT max(version) FROM ingest_snapshot WHERE provider_code = ?1 AND slot_utc = ?2
             HAVING max(version = ?3)",
        )?
        .query_row(params![load.verified.snapshot().provider.as_str(), slot, load.reference.version], |row| row.get(0))
        .optional()
}

/// The delivery that leads the current snapshot of a feed's slot.
pub(super) fn current_lead(connection: &Connection, provider: &ProviderCode, slot: Slot) -> rusqlite::Result<Option<DeliveryId>> {
    let id: Option<String> = connection
        .prepare_cached("SELECT snapshot_id FROM ingest_snapshot WHERE provider_code = ?1 AND slot_utc = ?2 AND is_current = 1")?
        .query_row([provider.as_str(), &utc(slot.start())], |row| row.get(0))
        .optional()?;
    Ok(id.as_deref().and_then(lead_of))
}

/// Writes everything but the pointer: nothing of it shows before [`switch_current`].
pub(super) fn write_facts(transaction: &Transaction<'_>, load: &Load, doing: &str) -> Result<(i64, Vec<(String, String)>), ForwardError> {
    let snapshot = load.verified.snapshot();
    let zone = slots::london()?;
    slots::ensure(transaction, snapshot.slot, &zone)?;
    let mut wards = Wards::read(transaction, &snapshot.provider, slots::local_day(snapshot.snapshot_at, &zone))?;
    let key = insert_snapshot(transaction, load).map_err(sql(doing))?;
    for file in &load.files {
        control::put_file(transaction, file).map_err(sql(doing))?;
    }
    control::put_findings(transaction, load.reference.lead, &load.report.findings).map_err(sql(doing))?;
    for (number, line) in (1_i64..).zip(&snapshot.lines) {
        let site = line.site_code.as_str();
        match (line.line_type, line.ward_code.as_deref()) {
            (LineType::Demand, ward) => {
                let ward = ward.and_then(|ward| wards.find(site, ward));
                let asked_for = wards.asked_for(line.demand_for.as_deref());
                insert_demand(transaction, key, number, line, ward, asked_for, snapshot).map_err(sql(doing))?;
            }
            (_, Some(ward)) => {
                let ward = wards.find_or_put_down(transaction, &snapshot.provider, snapshot.slot, site, ward)?;
                insert_beds(transaction, key, number, line, ward).map_err(sql(doing))?;
            }
            (_, None) => return Err(ForwardError::refused(format!("{doing}: line {number} counts beds and names no ward"))),
        }
    }
    sum_up(transaction, key, snapshot).map_err(sql(doing))?;
    if !sums_agree(transaction, key).map_err(sql(doing))? {
        return Err(ForwardError::refused(format!("{doing}: its lines do not add up to the totals that were checked")));
    }
    Ok((key, wards.unknown()))
}

/// Refuses a load whose pieces are about different snapshots.
fn agree(load: &Load, doing: &str) -> Result<(), ForwardError> {
    let snapshot = load.verified.snapshot();
    if snapshot.slot != load.reference.slot {
        return Err(ForwardError::refused(format!("{doing}: the snapshot fills {}", snapshot.slot)));
    }
    if !load.files.iter().any(|file| file.id == load.reference.lead) {
        return Err(ForwardError::refused(format!("{doing}: the delivery that leads it is not among its files")));
    }
    match load.files.iter().find(|file| file.provider != snapshot.provider) {
        Some(file) => Err(ForwardError::refused(format!("{doing}: delivery {} came from {}", file.id, file.provider))),
        None => Ok(()),
    }
}

fn insert_snapshot(transaction: &Transaction<'_>, load: &Load) -> rusqlite::Result<i64> {
    let snapshot = load.verified.snapshot();
    let totals = &snapshot.totals;
    control::mention(transaction, &snapshot.provider)?;
    transaction
        .prepare_cached(
            "INSERT INTO ingest_snapshot (snapshot_id, provider_code, slot_utc, version, snapshot_at, sequence, content_hash, mapping,
               mapping_hash, carries_beds, carries_demand, lines, rows_read, rows_rejected, occupied, empty, available_now, closed,
               demand, demand_not_in_bed, assessed_at, time_rule, place)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23)",
        )?
        .execute(params![
            snapshot_id(load.reference, load.replay),
            snapshot.provider.as_str(),
            utc(snapshot.slot.start()),
            load.reference.version,
            utc(snapshot.snapshot_at),
            snapshot.sequence,
            snapshot.content.to_string(),
            snapshot.mapping,
            snapshot.mapping_hash.to_string(),
            snapshot.coverage.beds,
            snapshot.coverage.demand,
            i64::try_from(snapshot.lines.len()).unwrap_or(i64::MAX),
            int(load.report.rows.read),
            int(load.report.rows.rejected),
            int(totals.occupied),
            int(totals.empty),
            int(totals.available_now),
            int(totals.closed),
            int(totals.demand),
            int(totals.demand_not_in_bed),
            utc(load.report.assessed_at),
            load.report.time_rule.map(|rule| rule.to_string()),
            load.report.first_version,
        ])?;
    Ok(transaction.last_insert_rowid())
}

fn insert_beds(transaction: &Transaction<'_>, key: i64, number: i64, line: &Line, ward: i64) -> rusqlite::Result<usize> {
    transaction
        .prepare_cached(
            "INSERT INTO fact_bed_line (snapshot_key, line_no, ward_key, line_type, quantity, bay_code, bed_ref, bed_status,
               empty_state, closed_reason, bed_base, bed_sex, side_room, care_level, treatment_function, gender, age_band, ready,
               edd_band, los_band, source_updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21)",
        )?
        .execute(params![
            key,
            number,
            ward,
            line.line_type.code(),
            line.quantity,
            line.bay_code.as_deref(),
            line.bed_ref.as_deref(),
            line.bed_status.map(|code| code.code()),
            line.empty_state.map(|code| code.code()),
            line.closed_reason.map(|code| code.code()),
            line.bed_base.map(|code| code.code()),
            line.bed_sex.map(|code| code.code()),
            line.side_room,
            line.care_level.as_ref().map(ShortCode::as_str),
            line.treatment_function.as_ref().map(ShortCode::as_str),
            line.gender.map(|code| code.code()),
            line.age_band.map(|code| code.code()),
            line.ready.map(|code| code.code()),
            line.edd_band.map(|code| code.code()),
            line.los_band.map(|code| code.code()),
            line.source_updated_at.map(|moment| utc(moment.at())),
        ])
}

fn insert_demand(
    transaction: &Transaction<'_>,
    key: i64,
    number: i64,
    line: &Line,
    ward: Option<i64>,
    (group, ward_type): (&str, &str),
    snapshot: &Snapshot,
) -> rusqlite::Result<usize> {
    let waited = line.wait_from.map(|from| snapshot.snapshot_at.duration_since(from.at()).as_mins());
    transaction
        .prepare_cached(
            "INSERT INTO fact_demand_line (snapshot_key, line_no, quantity, site_code, ward_key, demand_source, demand_for,
               for_bed_group, for_ward_type, in_bed_now, wait_minutes, wait_band, gender, age_band, source_updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
        )?
        .execute(params![
            key,
            number,
            line.quantity,
            line.site_code.as_str(),
            ward,
            line.demand_source.map(|code| code.code()),
            line.demand_for.as_deref(),
            group,
            ward_type,
            line.in_bed_now,
            // A wait that starts within the clocks' tolerance after the snapshot is none.
            waited.map(|minutes| minutes.max(0)),
            waited.map(|minutes| WaitBand::of_minutes(minutes).code()),
            line.gender.map(|code| code.code()),
            line.age_band.map(|code| code.code()),
            line.source_updated_at.map(|moment| utc(moment.at())),
        ])
}

fn sum_up(transaction: &Transaction<'_>, key: i64, snapshot: &Snapshot) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO agg_ward_slot
             SELECT l.snapshot_key, l.ward_key, coalesce(l.gender, '-'), coalesce(l.age_band, '-'),
               coalesce(sum(l.quantity) FILTER (WHERE l.line_type = 'OCC'), 0),
               coalesce(sum(l.quantity) FILTER (WHERE l.line_type = 'EMP'), 0),
               coalesce(sum(l.quantity) FILTER (WHERE l.line_type = 'EMP' AND l.empty_state = 'RDY'), 0),
               coalesce(sum(l.quantity) FILTER (WHERE l.line_type = 'EMP' AND l.empty_state = 'CLN'), 0),
               coalesce(sum(l.quantity) FILTER (WHERE l.line_type = 'EMP' AND l.empty_state = 'RSV'), 0),
               coalesce(sum(l.quantity) FILTER (WHERE l.line_type = 'EMP' AND l.empty_state = 'LVE'), 0),
               coalesce(sum(l.quantity) FILTER (WHERE l.line_type = 'CLO'), 0),
               coalesce(sum(l.quantity) FILTER (WHERE l.line_type = 'CLO' AND l.closed_reason = 'IPC'), 0),
               coalesce(sum(l.quantity) FILTER (WHERE l.line_type = 'CLO' AND l.closed_reason = 'STF'), 0),
               coalesce(sum(l.quantity) FILTER (WHERE l.line_type = 'CLO' AND l.closed_reason = 'EST'), 0),
               coalesce(sum(l.quantity) FILTER (WHERE l.line_type = 'CLO' AND l.closed_reason = 'TIM'), 0),
               coalesce(sum(l.quantity) FILTER (WHERE l.line_type = 'CLO' AND l.closed_reason = 'CAR'), 0),
               coalesce(sum(l.quantity) FILTER (WHERE l.line_type = 'CLO' AND coalesce(l.closed_reason, 'OTH') = 'OTH'), 0),
               coalesce(sum(l.quantity) FILTER (WHERE l.line_type <> 'CLO' AND coalesce(l.bed_base, w.bed_base) = 'ESC'), 0),
               coalesce(sum(l.quantity) FILTER (WHERE l.line_type = 'OCC' AND l.ready IN ('R', 'D')), 0),
               coalesce(sum(l.quantity) FILTER (WHERE l.line_type = 'OCC' AND l.los_band IN ('L07', 'L14', 'L21')), 0),
               coalesce(sum(l.quantity) FILTER (WHERE l.line_type = 'OCC' AND l.los_band IN ('L14', 'L21')), 0),
               coalesce(sum(l.quantity) FILTER (WHERE l.line_type = 'OCC' AND l.los_band = 'L21'), 0)
             FROM fact_bed_line AS l JOIN dim_ward AS w USING (ward_key)
             WHERE l.snapshot_key = ?1
             GROUP BY l.ward_key, coalesce(l.gender, '-'), coalesce(l.age_band, '-')",
        )?
        .execute([key])?;
    transaction
        .prepare_cached(
            "INSERT INTO agg_org_slot
             SELECT ?1, b.*, d.* FROM
              (SELECT CASE WHEN ?2 THEN coalesce(sum(occupied), 0) END, CASE WHEN ?2 THEN coalesce(sum(empty), 0) END,
                 CASE WHEN ?2 THEN coalesce(sum(available_now), 0) END, CASE WHEN ?2 THEN coalesce(sum(cleaning), 0) END,
                 CASE WHEN ?2 THEN coalesce(sum(reserved), 0) END, CASE WHEN ?2 THEN coalesce(sum(leave), 0) END,
                 CASE WHEN ?2 THEN coalesce(sum(closed), 0) END, CASE WHEN ?2 THEN coalesce(sum(closed_infection), 0) END,
                 CASE WHEN ?2 THEN coalesce(sum(closed_staffing), 0) END, CASE WHEN ?2 THEN coalesce(sum(closed_estates), 0) END,
                 CASE WHEN ?2 THEN coalesce(sum(closed_timetable), 0) END, CASE WHEN ?2 THEN coalesce(sum(closed_companion), 0) END,
                 CASE WHEN ?2 THEN coalesce(sum(closed_other), 0) END, CASE WHEN ?2 THEN coalesce(sum(escalation), 0) END,
                 CASE WHEN ?2 THEN coalesce(sum(ready_to_leave), 0) END, CASE WHEN ?2 THEN coalesce(sum(los_7_plus), 0) END,
                 CASE WHEN ?2 THEN coalesce(sum(los_14_plus), 0) END, CASE WHEN ?2 THEN coalesce(sum(los_21_plus), 0) END
               FROM agg_ward_slot WHERE snapshot_key = ?1) AS b,
              (SELECT CASE WHEN ?3 THEN coalesce(sum(quantity), 0) END,
                 CASE WHEN ?3 THEN coalesce(sum(quantity) FILTER (WHERE in_bed_now = 0), 0) END,
                 CASE WHEN ?3 THEN coalesce(sum(quantity) FILTER (WHERE in_bed_now = 1), 0) END,
                 CASE WHEN ?3 THEN coalesce(sum(quantity) FILTER (WHERE in_bed_now = 0 AND wait_minutes >= 720), 0) END
               FROM fact_demand_line WHERE snapshot_key = ?1) AS d",
        )?
        .execute(params![key, snapshot.coverage.beds, snapshot.coverage.demand])?;
    Ok(())
}

/// Whether the sums over the rows just written are the totals that the checks saw.
fn sums_agree(transaction: &Transaction<'_>, key: i64) -> rusqlite::Result<bool> {
    transaction
        .prepare_cached(
            "SELECT 1 FROM ingest_snapshot AS s JOIN agg_org_slot AS a USING (snapshot_key)
             WHERE s.snapshot_key = ?1 AND s.occupied = coalesce(a.occupied, 0) AND s.empty = coalesce(a.empty, 0)
               AND s.available_now = coalesce(a.available_now, 0) AND s.closed = coalesce(a.closed, 0)
               AND s.demand = coalesce(a.demand, 0) AND s.demand_not_in_bed = coalesce(a.demand_not_in_bed, 0)",
        )?
        .exists([key])
}

/// Points the slot at the version that counts among all it has. Says whether that is the new one. Other slots are not
/// touched, so a late file leaves "now" alone (P4).
pub(super) fn switch_current(transaction: &Transaction<'_>, key: i64, slot: Slot) -> rusqlite::Result<bool> {
    let mut statement = transaction.prepare_cached(
        "SELECT v.snapshot_key, v.snapshot_id, v.version, v.sequence, v.snapshot_at, v.is_current,
           coalesce(v.place, v.version) AS place
         FROM ingest_snapshot AS v JOIN ingest_snapshot AS n ON n.provider_code = v.provider_code AND n.slot_utc = v.slot_utc
         WHERE n.snapshot_key = ?1",
    )?;
    let mut versions = statement.query_map([key], version)?.collect::<rusqlite::Result<Vec<_>>>()?;
    let mut first: BTreeMap<DeliveryId, u32> = BTreeMap::new();
    for (_, Version { lead, first: own, .. }, _) in &versions {
        first.entry(*lead).and_modify(|first| *first = (*own).min(*first)).or_insert(*own);
    }
    for (_, version, _) in &mut versions {
        version.first = first.get(&version.lead).copied().unwrap_or(version.first);
    }
    let ranked: Vec<Version> = versions.iter().map(|(_, version, _)| *version).collect();
    let counts = current(&ranked);
    let winner = versions.iter().find(|(_, version, _)| Some(version) == counts).map_or(key, |(winner, _, _)| *winner);
    let losers = versions.iter().filter(|(loser, _, was_current)| *loser != winner && (*was_current || *loser == key));
    for (loser, _, _) in losers {
        transaction
            .prepare_cached("UPDATE ingest_snapshot SET is_current = 0, superseded_by = ?2 WHERE snapshot_key = ?1")?
            .execute([*loser, winner])?;
    }
    if versions.iter().any(|(held, _, was_current)| *held == winner && *was_current) {
        return Ok(false);
    }
    take_census(transaction, winner, slot)?;
    transaction
        .prepare_cached("UPDATE ingest_snapshot SET is_current = 1, superseded_by = NULL WHERE snapshot_key = ?1")?
        .execute([winner])?;
    Ok(winner == key)
}

/// One version of a slot: its key, what decides, and whether it counted so far.
fn version(row: &Row<'_>) -> rusqlite::Result<(i64, Version, bool)> {
    let snapshot_at: String = row.get("snapshot_at")?;
    let version = Version {
        lead: lead(&row.get::<_, String>("snapshot_id")?)?,
        first: row.get("place")?,
        version: row.get("version")?,
        sequence: row.get("sequence")?,
        snapshot_at: snapshot_at.parse().map_err(|error| unreadable("snapshot_at", error))?,
    };
    Ok((row.get("snapshot_key")?, version, row.get("is_current")?))
}

/// The delivery that leads a snapshot, by the snapshot's id.
pub(super) fn lead(snapshot_id: &str) -> rusqlite::Result<DeliveryId> {
    lead_of(snapshot_id).ok_or_else(|| unreadable("snapshot_id", "no snapshot's id"))
}

fn unreadable(column: &'static str, error: impl std::fmt::Display) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, Type::Text, format!("{column}: {error}").into())
}

fn take_census(transaction: &Transaction<'_>, key: i64, slot: Slot) -> rusqlite::Result<()> {
    let slot = utc(slot.start());
    transaction
        .prepare_cached(
            "DELETE FROM census_daily
             WHERE (provider_code, local_date, census) IN
               (SELECT s.provider_code, d.local_date, d.local_time FROM ingest_snapshot AS s JOIN dim_slot AS d USING (slot_utc)
                WHERE s.snapshot_key = ?1 AND d.slot_utc = ?2 AND (d.is_0800 = 1 OR d.is_midnight = 1))",
        )?
        .execute(params![key, slot])?;
    transaction
        .prepare_cached(
            "INSERT INTO census_daily
             SELECT s.provider_code, d.local_date, d.local_time, w.ward_class, s.snapshot_key, sum(a.occupied), sum(a.empty),
               sum(a.available_now), sum(a.leave), sum(a.closed), sum(a.escalation), sum(a.los_7_plus), sum(a.los_14_plus),
               sum(a.los_21_plus)
             FROM ingest_snapshot AS s
             JOIN dim_slot AS d USING (slot_utc)
             JOIN agg_ward_slot AS a USING (snapshot_key)
             JOIN dim_ward AS w USING (ward_key)
             WHERE s.snapshot_key = ?1 AND s.carries_beds = 1 AND (d.is_0800 = 1 OR d.is_midnight = 1)
             GROUP BY w.ward_class",
        )?
        .execute([key])?;
    Ok(())
}
