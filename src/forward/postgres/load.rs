//! Loading one snapshot: ledger row, control rows, facts, sums and the current pointer in one transaction (P2).
//!
//! Lines go in by binary COPY, into the partitions of their slot's day. Whoever loads holds the turn of those that write, so what is
//! found at the start is still so at the end.

use super::super::facts::snapshot_id;
use super::super::rows::{BedRow, DemandRow, Held, agree, int, lead_of, lines, switch, to_the_second};
use super::super::statements::{
    BEATEN, COUNTS, CURRENT, FORGET_BEDS, FORGET_CENSUS, FORGET_DEMAND, IS_LOADED, MENTION, NUMBER_TAKEN, PUT_PENDING, SUM_PROVIDER,
    SUM_WARDS, SUMS_AGREE, TAKE_CENSUS, VERSIONS_OF_SLOT, WARDS_IN_FORCE,
};
use super::super::wards::Wards;
use super::super::{ForwardError, ForwardErrorKind, Load, LoadOutcome, calendar};
use super::connect::{Connection, Parameter, Work};
use super::control::{KNOWN_SLOT, ensure_day, put_file, put_findings};
use super::database::{LOADING, TAKE_LOCK};
use super::disposal::drop_one;
use super::trouble::sql;
use crate::bedstate::{ShortCode, Snapshot};
use crate::fault::{self, Step};
use crate::feed::{DeliveryId, ProviderCode, Slot, Version};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::collections::HashSet;
use std::ops::ControlFlow;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::Type;
use tokio_postgres::{Error, Row};

const COPY_BEDS: &str = "COPY fact_bed_line (snapshot_key, line_no, ward_key, line_type, quantity, bay_code, bed_ref, bed_status,
    empty_state, closed_reason, bed_base, bed_sex, side_room, care_level, treatment_function, gender, age_band, ready,
    edd_band, los_band, source_updated_at) FROM STDIN BINARY";
const COPY_DEMAND: &str = "COPY fact_demand_line (snapshot_key, line_no, quantity, site_code, ward_key, demand_source, demand_for,
    for_bed_group, for_ward_type, in_bed_now, wait_minutes, wait_band, gender, age_band, source_updated_at) FROM STDIN BINARY";

/// Where a day's keys begin, in the numbers that a day's text makes: room for a hundred thousand million snapshots.
const KEYS_OF_A_DAY: i64 = 100_000_000_000;

/// Loads it, or finds that it is there.
pub(super) async fn load(connection: &mut Connection, load: &Load) -> Result<LoadOutcome, ForwardError> {
    let doing = format!("loading {} for {} of {}", load.reference.lead, load.reference.slot, load.verified.snapshot().provider);
    agree(load, &doing)?;
    let mut work = connection.begin().await.map_err(sql(&*doing))?;
    let wards = match look(&mut work, load, &doing).await? {
        ControlFlow::Break(outcome) => return Ok(outcome),
        ControlFlow::Continue(wards) => wards,
    };
    let (key, wards) = write_facts(&mut work, load, wards, &doing).await?;
    let current = switch_current(&mut work, key, &doing).await?;
    fault::during(Step::WarehouseCommit, async { work.transaction.commit().await.map_err(sql(&*doing)) }).await?;
    Ok(LoadOutcome::Loaded { current, unknown_wards: wards.unknown() })
}

/// Whether a snapshot is there.
pub(super) async fn is_loaded(connection: &mut Connection, snapshot_id: &str) -> Result<bool, ForwardError> {
    let rows = connection.query(IS_LOADED, &[&snapshot_id]).await.map_err(sql(format!("looking whether {snapshot_id} is loaded")))?;
    Ok(!rows.is_empty())
}

/// The delivery that leads the current snapshot of a feed's slot.
pub(super) async fn current_lead(
    connection: &mut Connection,
    provider: &ProviderCode,
    slot: Slot,
) -> Result<Option<DeliveryId>, ForwardError> {
    let doing = || format!("looking what is current in {slot} of {provider}");
    let rows = connection.query(CURRENT, &[&provider.as_str(), &slot.start()]).await.map_err(sql(doing()))?;
    let id: Option<String> = rows.first().map(|row| row.try_get(0)).transpose().map_err(sql(doing()))?;
    Ok(id.as_deref().and_then(lead_of))
}

/// The keys of a slot's day: from the first on, up to the next day's first.
pub(super) fn day_of_keys(day: Date) -> i64 {
    let number = (i64::from(day.year()) * 100 + i64::from(day.month())) * 100 + i64::from(day.day());
    number * KEYS_OF_A_DAY
}

/// Takes the turn and asks all that a load has to know, in one go: the provider's wards; or that there is nothing to load, and why. The
/// partitions of its day are there then, and its calendar.
async fn look(work: &mut Work<'_>, load: &Load, doing: &str) -> Result<ControlFlow<LoadOutcome, Wards>, ForwardError> {
    let snapshot = load.verified.snapshot();
    let zone = calendar::london()?;
    let (provider, start) = (snapshot.provider.as_str(), snapshot.slot.start());
    let (id, number) = (snapshot_id(load.reference, load.replay), small(load.reference.version));
    let (day, wards_on) = (day_of(snapshot.slot), calendar::local_day(snapshot.snapshot_at, &zone));
    let answers = loop {
        let answers = work
            .together([
                (TAKE_LOCK, &[&LOADING]),
                (IS_LOADED, &[&id]),
                (NUMBER_TAKEN, &[&provider, &start, &number]),
                (KNOWN_SLOT, &[&start]),
                ("SELECT bedfeed_make_day($1)::text", &[&day]),
                ("SELECT bed_group FROM dim_bed_group", &[]),
                ("SELECT ward_type FROM dim_ward_type", &[]),
                (WARDS_IN_FORCE, &[&provider, &wards_on]),
            ])
            .await
            .map_err(sql(doing))?;
        let [_, there, ..] = &answers;
        let Some(there) = there.first() else { break answers };
        let as_told: (i32, Timestamp) = (small(load.reference.version), to_the_second(load.report.assessed_at));
        if (there.try_get::<_, i32>(0).map_err(sql(doing))?, there.try_get::<_, Timestamp>(1).map_err(sql(doing))?) == as_told {
            return Ok(ControlFlow::Break(LoadOutcome::AlreadyLoaded));
        }
        // It was judged anew since, or got another number: what is there is not what anybody was told.
        drop_one(work, &id, doing).await?;
    };
    let [_, _, taken, known, _, groups, types, wards] = answers;
    let newest = taken.first().map(|row| row.try_get::<_, i32>(0).map(i32::unsigned_abs)).transpose().map_err(sql(doing))?;
    if let Some(newest) = newest {
        return Ok(ControlFlow::Break(LoadOutcome::NumberTaken { newest }));
    }
    if known.is_empty() {
        ensure_day(work, snapshot.slot, &zone).await?;
    }
    wards_in(&groups, &types, &wards).map(ControlFlow::Continue).map_err(sql(doing))
}

/// The day (UTC) whose partitions hold a slot's lines.
fn day_of(slot: Slot) -> Date {
    slot.start().to_zoned(TimeZone::UTC).date()
}

fn wards_in(groups: &[Row], types: &[Row], rows: &[Row]) -> Result<Wards, Error> {
    let codes = |rows: &[Row]| rows.iter().map(|row| row.try_get(0)).collect::<Result<HashSet<String>, Error>>();
    let mut wards = Wards::new(codes(groups)?, codes(types)?);
    for row in rows {
        wards.add((row.try_get(0)?, row.try_get(1)?), row.try_get(2)?, row.try_get(3)?, row.try_get(4)?);
    }
    Ok(wards)
}

/// Writes everything but the pointer: nothing of it shows before [`switch_current`].
async fn write_facts(work: &mut Work<'_>, load: &Load, mut wards: Wards, doing: &str) -> Result<(i64, Wards), ForwardError> {
    let snapshot = load.verified.snapshot();
    let key = insert_snapshot(work, load, day_of_keys(day_of(snapshot.slot))).await.map_err(sql(doing))?;
    for file in &load.files {
        put_file(work, file).await.map_err(sql(doing))?;
    }
    put_findings(work, load.reference.lead, &load.report.findings).await.map_err(sql(doing))?;
    for place in wards.missing(&snapshot.lines) {
        let pending = put_down(work, &snapshot.provider, snapshot.slot, &place).await.map_err(sql(doing))?;
        wards.put_down(place, pending);
    }
    let (beds, demands) = lines(snapshot, &wards, doing)?;
    copy_beds(work, key, &beds).await.map_err(sql(doing))?;
    copy_demand(work, key, &demands).await.map_err(sql(doing))?;
    if !sum_up(work, key, snapshot).await.map_err(sql(doing))? {
        return Err(ForwardError::refused(format!("{doing}: its lines do not add up to the totals that were checked")));
    }
    Ok((key, wards))
}

/// Puts down a ward as pending, which is found from then on: its beds count, its type is not known.
async fn put_down(work: &mut Work<'_>, provider: &ProviderCode, slot: Slot, (site, ward): &(String, String)) -> Result<i64, Error> {
    work.execute(PUT_PENDING, &[&provider.as_str(), site, ward, &slot.start()]).await?;
    // Registered wards start in year 1 at the earliest, so the two never meet in one row, and registering a ward later does not
    // rewrite what was loaded before.
    let insert =
        "INSERT INTO dim_ward (provider_code, site_code, ward_code, name, ward_type, ward_class, bed_group, bed_sex, valid_from, state)
         VALUES ($1, $2, $3, $3, 'UNKNOWN', 'UNKNOWN', 'UNKNOWN', '8', '-infinity', 'pending')
         ON CONFLICT (provider_code, site_code, ward_code, valid_from) DO UPDATE SET state = 'pending'
         RETURNING ward_key";
    only(work.query(insert, &[&provider.as_str(), site, ward]).await?)
}

/// The key in the one row that an insertion gives back.
fn only(rows: Vec<Row>) -> Result<i64, Error> {
    // An insertion that gives no row has failed, which was told before.
    rows.first().map_or(Ok(0), |row| row.try_get(0))
}

async fn insert_snapshot(work: &mut Work<'_>, load: &Load, first_key: i64) -> Result<i64, Error> {
    let snapshot = load.verified.snapshot();
    let totals = &snapshot.totals;
    let insert = "INSERT INTO ingest_snapshot (snapshot_key, snapshot_id, provider_code, slot_utc, version, snapshot_at, sequence,
           content_hash, mapping, mapping_hash, carries_beds, carries_demand, lines, rows_read, rows_rejected, occupied, empty,
           available_now, closed, demand, demand_not_in_bed, assessed_at, time_rule, place)
         VALUES ($1 + nextval('snapshot_number'), $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,
           $21, $22, $23, $24)
         RETURNING snapshot_key";
    let values: [Parameter<'_>; 24] = [
        &first_key,
        &snapshot_id(load.reference, load.replay),
        &snapshot.provider.as_str(),
        &snapshot.slot.start(),
        &small(load.reference.version),
        &to_the_second(snapshot.snapshot_at),
        &snapshot.sequence.map(small),
        &snapshot.content.to_string(),
        &snapshot.mapping,
        &snapshot.mapping_hash.to_string(),
        &i32::from(snapshot.coverage.beds),
        &i32::from(snapshot.coverage.demand),
        &i64::try_from(snapshot.lines.len()).unwrap_or(i64::MAX),
        &int(load.report.rows.read),
        &int(load.report.rows.rejected),
        &int(totals.occupied),
        &int(totals.empty),
        &int(totals.available_now),
        &int(totals.closed),
        &int(totals.demand),
        &int(totals.demand_not_in_bed),
        &to_the_second(load.report.assessed_at),
        &load.report.time_rule.map(|rule| rule.to_string()),
        &load.report.first_version.map(small),
    ];
    let [_, rows] = work.together([(MENTION, &[&snapshot.provider.as_str()]), (insert, &values)]).await?;
    only(rows)
}

/// A number that is small by its nature: a version, a running number, a quantity.
fn small(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

async fn copy_beds(work: &Work<'_>, key: i64, rows: &[BedRow<'_>]) -> Result<(), Error> {
    let mut types = vec![Type::INT8, Type::INT8, Type::INT8, Type::TEXT, Type::INT4];
    types.extend(vec![Type::TEXT; 7]);
    types.push(Type::INT4);
    types.extend(vec![Type::TEXT; 7]);
    types.push(Type::TIMESTAMPTZ);
    let writer = BinaryCopyInWriter::new(work.transaction.copy_in(COPY_BEDS).await?, &types);
    let mut writer = std::pin::pin!(writer);
    for BedRow { number, line, ward } in rows {
        writer
            .as_mut()
            .write(&[
                &key,
                number,
                ward,
                &line.line_type.code(),
                &small(line.quantity),
                &line.bay_code.as_deref(),
                &line.bed_ref.as_deref(),
                &line.bed_status.map(|code| code.code()),
                &line.empty_state.map(|code| code.code()),
                &line.closed_reason.map(|code| code.code()),
                &line.bed_base.map(|code| code.code()),
                &line.bed_sex.map(|code| code.code()),
                &line.side_room.map(i32::from),
                &line.care_level.as_ref().map(ShortCode::as_str),
                &line.treatment_function.as_ref().map(ShortCode::as_str),
                &line.gender.map(|code| code.code()),
                &line.age_band.map(|code| code.code()),
                &line.ready.map(|code| code.code()),
                &line.edd_band.map(|code| code.code()),
                &line.los_band.map(|code| code.code()),
                &line.source_updated_at.map(|moment| to_the_second(moment.at())),
            ])
            .await?;
    }
    writer.finish().await.map(drop)
}

async fn copy_demand(work: &Work<'_>, key: i64, rows: &[DemandRow<'_>]) -> Result<(), Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut types = vec![Type::INT8, Type::INT8, Type::INT4, Type::TEXT, Type::INT8];
    types.extend(vec![Type::TEXT; 4]);
    types.extend([Type::INT4, Type::INT8, Type::TEXT, Type::TEXT, Type::TEXT, Type::TIMESTAMPTZ]);
    let writer = BinaryCopyInWriter::new(work.transaction.copy_in(COPY_DEMAND).await?, &types);
    let mut writer = std::pin::pin!(writer);
    for row in rows {
        let line = row.line;
        writer
            .as_mut()
            .write(&[
                &key,
                &row.number,
                &small(line.quantity),
                &line.site_code.as_str(),
                &row.ward,
                &line.demand_source.map(|code| code.code()),
                &line.demand_for.as_deref(),
                &row.for_bed_group,
                &row.for_ward_type,
                &line.in_bed_now.map(i32::from),
                &row.wait.map(|(minutes, _)| minutes),
                &row.wait.map(|(_, band)| band),
                &line.gender.map(|code| code.code()),
                &line.age_band.map(|code| code.code()),
                &line.source_updated_at.map(|moment| to_the_second(moment.at())),
            ])
            .await?;
    }
    writer.finish().await.map(drop)
}

/// Adds up what was written; says whether the sums are the totals that were checked.
async fn sum_up(work: &mut Work<'_>, key: i64, snapshot: &Snapshot) -> Result<bool, Error> {
    let key: &[Parameter<'_>] = &[&key];
    work.together([(SUM_WARDS, key), (SUM_PROVIDER, key)]).await?;
    for (told, forget) in [(snapshot.coverage.beds, FORGET_BEDS), (snapshot.coverage.demand, FORGET_DEMAND)] {
        if !told {
            work.execute(forget, key).await?;
        }
    }
    Ok(!work.query(SUMS_AGREE, key).await?.is_empty())
}

/// Points the slot at the version that counts among all it has. Says whether that is the new one. Other slots are not
/// touched, so a late file leaves "now" alone (P4).
pub(super) async fn switch_current(work: &mut Work<'_>, key: i64, doing: &str) -> Result<bool, ForwardError> {
    let rows = work.query(VERSIONS_OF_SLOT, &[&key]).await.map_err(sql(doing))?;
    let mut versions = Vec::with_capacity(rows.len());
    for row in &rows {
        let (id, version) = held(row).map_err(sql(doing))?;
        let lead = lead_of(&id);
        let no_id = || ForwardError::new(ForwardErrorKind::Unavailable, format!("{doing}: {id} is no snapshot's id"));
        versions.push(version(lead.ok_or_else(no_id)?));
    }
    let switch = switch(versions, key);
    for loser in switch.losers {
        work.execute(BEATEN, &[&switch.winner, &loser]).await.map_err(sql(doing))?;
    }
    if switch.counted {
        return Ok(false);
    }
    let winner: &[Parameter<'_>] = &[&switch.winner];
    work.together([(FORGET_CENSUS, winner), (TAKE_CENSUS, winner), (COUNTS, winner)]).await.map_err(sql(doing))?;
    Ok(switch.winner == key)
}

/// One version of a slot: its id, and what it is once its lead is known.
fn held(row: &Row) -> Result<(String, impl FnOnce(DeliveryId) -> Held), Error> {
    let count = |column| row.try_get::<_, i32>(column).map(i32::unsigned_abs);
    let (key, first, version) = (row.try_get("snapshot_key")?, count("place")?, count("version")?);
    let sequence = row.try_get::<_, Option<i32>>("sequence")?.map(i32::unsigned_abs);
    let (snapshot_at, is_current) = (row.try_get("snapshot_at")?, row.try_get::<_, i32>("is_current")? != 0);
    let of = move |lead| Held { key, version: Version { lead, first, version, sequence, snapshot_at }, is_current };
    Ok((row.try_get("snapshot_id")?, of))
}
