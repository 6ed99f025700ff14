//! Loading one snapshot: ledger row, control rows, facts, sums and the current pointer in one transaction (P2).

use super::super::facts::snapshot_id;
use super::super::rows::{BedRow, DemandRow, Held, agree, int, lead_of, lines, switch};
use super::super::statements::{
    BEATEN, COUNTS, CURRENT, FORGET_BEDS, FORGET_CENSUS, FORGET_DEMAND, IS_LOADED, NUMBER_TAKEN, SUM_PROVIDER, SUM_WARDS, SUMS_AGREE,
    TAKE_CENSUS, VERSIONS_OF_SLOT,
};
use super::super::{ForwardError, Load, LoadOutcome, calendar};
use super::database::{sql, utc};
use super::{control, disposal, slots, wards};
use crate::bedstate::{ShortCode, Snapshot};
use crate::fault::{self, Step};
use crate::feed::{DeliveryId, ProviderCode, Slot, Version};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, TransactionBehavior, params};

/// Loads it, or finds that it is there.
pub(super) fn load(connection: &mut Connection, load: &Load) -> Result<LoadOutcome, ForwardError> {
    let doing = format!("loading {} for {} of {}", load.reference.lead, load.reference.slot, load.verified.snapshot().provider);
    agree(load, &doing)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sql(&*doing))?;
    let id = snapshot_id(load.reference, load.replay);
    if let Some(there) = judged(&transaction, &id).map_err(sql(&*doing))? {
        if there == (load.reference.version, utc(load.report.assessed_at)) {
            return Ok(LoadOutcome::AlreadyLoaded);
        }
        // It was judged anew since, or got another number: what is there is not what anybody was told.
        disposal::drop_one(&transaction, &id).map_err(sql(&*doing))?;
    }
    if let Some(newest) = number_taken(&transaction, load).map_err(sql(&*doing))? {
        return Ok(LoadOutcome::NumberTaken { newest });
    }
    let (key, unknown_wards) = write_facts(&transaction, load, &doing)?;
    let current = switch_current(&transaction, key).map_err(sql(&*doing))?;
    fault::around(Step::WarehouseCommit, || transaction.commit().map_err(sql(&*doing)))?;
    Ok(LoadOutcome::Loaded { current, unknown_wards })
}

/// Whether a snapshot is there.
pub(super) fn is_loaded(connection: &Connection, snapshot_id: &str) -> rusqlite::Result<bool> {
    connection.prepare_cached(IS_LOADED)?.exists([snapshot_id])
}

/// As which version a snapshot is there, and when it was judged.
fn judged(connection: &Connection, snapshot_id: &str) -> rusqlite::Result<Option<(u32, String)>> {
    connection.prepare_cached(IS_LOADED)?.query_row([snapshot_id], |row| Ok((row.get(0)?, row.get(1)?))).optional()
}

/// The highest version of a snapshot's slot, where another snapshot has its number.
fn number_taken(connection: &Connection, load: &Load) -> rusqlite::Result<Option<u32>> {
    let slot = utc(load.reference.slot.start());
    connection
        .prepare_cached(NUMBER_TAKEN)?
        .query_row(params![load.verified.snapshot().provider.as_str(), slot, load.reference.version], |row| row.get(0))
        .optional()
}

/// The delivery that leads the current snapshot of a feed's slot.
pub(super) fn current_lead(connection: &Connection, provider: &ProviderCode, slot: Slot) -> rusqlite::Result<Option<DeliveryId>> {
    let id: Option<String> =
        connection.prepare_cached(CURRENT)?.query_row([provider.as_str(), &utc(slot.start())], |row| row.get(0)).optional()?;
    Ok(id.as_deref().and_then(lead_of))
}

/// Writes everything but the pointer: nothing of it shows before [`switch_current`].
pub(super) fn write_facts(transaction: &Transaction<'_>, load: &Load, doing: &str) -> Result<(i64, Vec<(String, String)>), ForwardError> {
    let snapshot = load.verified.snapshot();
    let zone = calendar::london()?;
    slots::ensure(transaction, snapshot.slot, &zone)?;
    let mut wards = wards::read(transaction, &snapshot.provider, calendar::local_day(snapshot.snapshot_at, &zone))?;
    let key = insert_snapshot(transaction, load).map_err(sql(doing))?;
    for file in &load.files {
        control::put_file(transaction, file).map_err(sql(doing))?;
    }
    control::put_findings(transaction, load.reference.lead, &load.report.findings).map_err(sql(doing))?;
    for place in wards.missing(&snapshot.lines) {
        let pending = wards::put_down(transaction, &snapshot.provider, snapshot.slot, &place).map_err(sql(doing))?;
        wards.put_down(place, pending);
    }
    let (beds, demands) = lines(snapshot, &wards, doing)?;
    for row in &beds {
        insert_beds(transaction, key, row).map_err(sql(doing))?;
    }
    for row in &demands {
        insert_demand(transaction, key, row).map_err(sql(doing))?;
    }
    sum_up(transaction, key, snapshot).map_err(sql(doing))?;
    if !transaction.prepare_cached(SUMS_AGREE).and_then(|mut it| it.exists([key])).map_err(sql(doing))? {
        return Err(ForwardError::refused(format!("{doing}: its lines do not add up to the totals that were checked")));
    }
    Ok((key, wards.unknown()))
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

fn insert_beds(transaction: &Transaction<'_>, key: i64, row: &BedRow<'_>) -> rusqlite::Result<usize> {
    let line = row.line;
    transaction
        .prepare_cached(
            "INSERT INTO fact_bed_line (snapshot_key, line_no, ward_key, line_type, quantity, bay_code, bed_ref, bed_status,
               empty_state, closed_reason, bed_base, bed_sex, side_room, care_level, treatment_function, gender, age_band, ready,
               edd_band, los_band, source_updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21)",
        )?
        .execute(params![
            key,
            row.number,
            row.ward,
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

fn insert_demand(transaction: &Transaction<'_>, key: i64, row: &DemandRow<'_>) -> rusqlite::Result<usize> {
    let line = row.line;
    transaction
        .prepare_cached(
            "INSERT INTO fact_demand_line (snapshot_key, line_no, quantity, site_code, ward_key, demand_source, demand_for,
               for_bed_group, for_ward_type, in_bed_now, wait_minutes, wait_band, gender, age_band, source_updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
        )?
        .execute(params![
            key,
            row.number,
            line.quantity,
            line.site_code.as_str(),
            row.ward,
            line.demand_source.map(|code| code.code()),
            line.demand_for.as_deref(),
            row.for_bed_group,
            row.for_ward_type,
            line.in_bed_now,
            row.wait.map(|(minutes, _)| minutes),
            row.wait.map(|(_, band)| band),
            line.gender.map(|code| code.code()),
            line.age_band.map(|code| code.code()),
            line.source_updated_at.map(|moment| utc(moment.at())),
        ])
}

fn sum_up(transaction: &Transaction<'_>, key: i64, snapshot: &Snapshot) -> rusqlite::Result<()> {
    let untold = [(snapshot.coverage.beds, FORGET_BEDS), (snapshot.coverage.demand, FORGET_DEMAND)];
    let untold = untold.into_iter().filter(|(told, _)| !told).map(|(_, forget)| forget);
    [SUM_WARDS, SUM_PROVIDER].into_iter().chain(untold).try_for_each(|statement| {
        transaction.prepare_cached(statement)?.execute([key])?;
        Ok(())
    })
}

/// Points the slot at the version that counts among all it has. Says whether that is the new one. Other slots are not
/// touched, so a late file leaves "now" alone (P4).
pub(super) fn switch_current(transaction: &Transaction<'_>, key: i64) -> rusqlite::Result<bool> {
    let mut statement = transaction.prepare_cached(VERSIONS_OF_SLOT)?;
    let versions = statement.query_map([key], held)?.collect::<rusqlite::Result<Vec<_>>>()?;
    let switch = switch(versions, key);
    for loser in switch.losers {
        transaction.prepare_cached(BEATEN)?.execute([switch.winner, loser])?;
    }
    if switch.counted {
        return Ok(false);
    }
    for statement in [FORGET_CENSUS, TAKE_CENSUS, COUNTS] {
        transaction.prepare_cached(statement)?.execute([switch.winner])?;
    }
    Ok(switch.winner == key)
}

/// One version of a slot.
fn held(row: &Row<'_>) -> rusqlite::Result<Held> {
    let snapshot_at: String = row.get("snapshot_at")?;
    let version = Version {
        lead: lead(&row.get::<_, String>("snapshot_id")?)?,
        first: row.get("place")?,
        version: row.get("version")?,
        sequence: row.get("sequence")?,
        snapshot_at: snapshot_at.parse().map_err(|error| unreadable("snapshot_at", error))?,
    };
    Ok(Held { key: row.get("snapshot_key")?, version, is_current: row.get("is_current")? })
}

/// The delivery that leads a snapshot, by the snapshot's id.
pub(super) fn lead(snapshot_id: &str) -> rusqlite::Result<DeliveryId> {
    lead_of(snapshot_id).ok_or_else(|| unreadable("snapshot_id", "no snapshot's id"))
}

fn unreadable(column: &'static str, error: impl std::fmt::Display) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, Type::Text, format!("{column}: {error}").into())
}
