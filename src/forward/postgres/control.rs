//! Control facts: deliveries, their findings, what is expected of feeds, and how slots were filled.

use super::super::rows::{int, issues, to_the_second};
use super::super::statements::{
    FORGET_ISSUES, FORGET_REJECTS, MENTION, PUT_DAY, PUT_FEED, PUT_FILE, PUT_ISSUE, PUT_PROVIDER, PUT_REJECT, PUT_SLOT,
};
use super::super::{Control, FeedFact, FileFact, ForwardError, SlotFact, calendar};
use super::connect::{Connection, Parameter, Work};
use super::database::take_turn;
use super::trouble::sql;
use crate::fault::{self, Step};
use crate::feed::{DeliveryId, Findings, ProviderCode, Slot};
use jiff::tz::TimeZone;
use tokio_postgres::Error;

/// Whether the calendar has a slot.
pub(super) const KNOWN_SLOT: &str = "SELECT 1 FROM dim_slot WHERE slot_utc = $1";

/// Records all facts, or none.
pub(super) async fn publish(connection: &mut Connection, facts: &Control) -> Result<(), ForwardError> {
    let doing = "recording control facts";
    let zone = calendar::london()?;
    let mut work = connection.begin().await.map_err(sql(doing))?;
    take_turn(&mut work).await.map_err(sql(doing))?;
    for feed in &facts.feeds {
        put_feed(&mut work, feed).await.map_err(sql(format!("recording the feed of {}", feed.provider)))?;
    }
    for file in &facts.files {
        put_file(&mut work, file).await.map_err(sql(format!("recording delivery {}", file.id)))?;
    }
    for slot in &facts.slots {
        ensure_day(&mut work, slot.slot, &zone).await?;
        put_slot(&mut work, slot).await.map_err(sql(format!("recording slot {} of {}", slot.slot, slot.provider)))?;
    }
    fault::during(Step::WarehousePublish, async { work.transaction.commit().await.map_err(sql(doing)) }).await
}

/// Records a delivery, and its findings where it brings any.
pub(super) async fn put_file(work: &mut Work<'_>, file: &FileFact) -> Result<(), Error> {
    let facts: [Parameter<'_>; 12] = [
        &file.id.to_string(),
        &file.provider.as_str(),
        &file.name,
        &file.sha256.to_string(),
        &int(file.bytes),
        &file.key_owner,
        &to_the_second(file.received_at),
        &file.state,
        &file.mapping,
        &file.snapshot.map(|lead| lead.to_string()),
        &file.rows.map(|(read, _)| int(read)),
        &file.rows.map(|(_, rejected)| int(rejected)),
    ];
    work.together([(MENTION, &[&file.provider.as_str()]), (PUT_FILE, &facts)]).await?;
    match &file.findings {
        Some(findings) => put_findings(work, file.id, findings).await,
        None => Ok(()),
    }
}

/// Replaces the findings of a delivery.
pub(super) async fn put_findings(work: &mut Work<'_>, delivery: DeliveryId, findings: &Findings) -> Result<(), Error> {
    let delivery = delivery.to_string();
    work.together([(FORGET_ISSUES, &[&delivery]), (FORGET_REJECTS, &[&delivery])]).await?;
    for row in issues(findings) {
        work.execute(
            PUT_ISSUE,
            &[&delivery, &row.number, &row.rule, &row.severity, &row.part, &row.line, &row.column, &row.occurrences, &row.message],
        )
        .await?;
        if let Some(line) = row.rejects {
            work.execute(PUT_REJECT, &[&delivery, &row.number, &row.part, &line, &row.rule, &row.column]).await?;
        }
    }
    Ok(())
}

/// Makes sure that a provider is known.
pub(super) async fn mention(work: &mut Work<'_>, provider: &ProviderCode) -> Result<u64, Error> {
    work.execute(MENTION, &[&provider.as_str()]).await
}

/// Makes sure that the slot's local day is in `dim_slot`.
pub(super) async fn ensure_day(work: &mut Work<'_>, slot: Slot, zone: &TimeZone) -> Result<(), ForwardError> {
    let doing = || format!("filling the calendar around {slot}");
    let known = work.query(KNOWN_SLOT, &[&slot.start()]).await.map_err(sql(doing()))?;
    if !known.is_empty() {
        return Ok(());
    }
    for row in calendar::day(calendar::local_day(slot.start(), zone), zone) {
        let [fold, is_0800, is_midnight, winter] = [row.fold, row.is_0800, row.is_midnight, row.winter].map(i32::from);
        work.execute(
            PUT_DAY,
            &[
                &row.slot.start(),
                &row.local_date,
                &row.local_time,
                &row.local_hour,
                &fold,
                &row.slot_of_day,
                &is_0800,
                &is_midnight,
                &winter,
            ],
        )
        .await
        .map_err(sql(doing()))?;
    }
    Ok(())
}

async fn put_feed(work: &mut Work<'_>, feed: &FeedFact) -> Result<(), Error> {
    work.execute(PUT_PROVIDER, &[&feed.provider.as_str(), &feed.name, &feed.kind.as_str()]).await?;
    work.execute(
        PUT_FEED,
        &[
            &feed.provider.as_str(),
            &feed.first_slot.map(Slot::start),
            &feed.due_after.as_secs(),
            &feed.stale_after.as_secs(),
            &feed.no_data_after.as_secs(),
        ],
    )
    .await?;
    Ok(())
}

async fn put_slot(work: &mut Work<'_>, slot: &SlotFact) -> Result<(), Error> {
    mention(work, &slot.provider).await?;
    work.execute(PUT_SLOT, &[&slot.provider.as_str(), &slot.slot.start(), &slot.state]).await?;
    Ok(())
}
