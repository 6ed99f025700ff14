//! Control facts: deliveries, their findings, what is expected of feeds, and how slots were filled.

use super::super::{Control, FeedFact, FileFact, ForwardError, SlotFact};
use super::database::{int, sql, utc};
use super::slots;
use crate::fault::{self, Step};
use crate::feed::{DeliveryId, Findings, ProviderCode, Severity};
use rusqlite::{Connection, Transaction, TransactionBehavior, params};

/// Records all facts, or none.
pub(super) fn publish(connection: &mut Connection, facts: &Control) -> Result<(), ForwardError> {
    let doing = "recording control facts";
    let zone = slots::london()?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sql(doing))?;
    for feed in &facts.feeds {
        put_feed(&transaction, feed).map_err(sql(format!("recording the feed of {}", feed.provider)))?;
    }
    for file in &facts.files {
        put_file(&transaction, file).map_err(sql(format!("recording delivery {}", file.id)))?;
    }
    for slot in &facts.slots {
        slots::ensure(&transaction, slot.slot, &zone)?;
        put_slot(&transaction, slot).map_err(sql(format!("recording slot {} of {}", slot.slot, slot.provider)))?;
    }
    fault::around(Step::WarehousePublish, || transaction.commit().map_err(sql(doing)))
}

/// Records a delivery, and its findings where it brings any.
pub(super) fn put_file(transaction: &Transaction<'_>, file: &FileFact) -> rusqlite::Result<()> {
    mention(transaction, &file.provider)?;
    transaction
        .prepare_cached(
            "INSERT INTO ingest_file (delivery_id, provider_code, name, sha256, bytes, key_owner, received_at, state, mapping,
               snapshot_id, rows_read, rows_rejected)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
             ON CONFLICT (delivery_id) DO UPDATE SET state = excluded.state,
               mapping = coalesce(excluded.mapping, mapping), snapshot_id = coalesce(excluded.snapshot_id, snapshot_id),
               rows_read = coalesce(excluded.rows_read, rows_read), rows_rejected = coalesce(excluded.rows_rejected, rows_rejected)",
        )?
        .execute(params![
            file.id.to_string(),
            file.provider.as_str(),
            file.name,
            file.sha256.to_string(),
            int(file.bytes),
            file.key_owner,
            utc(file.received_at),
            file.state,
            file.mapping,
            file.snapshot.map(|lead| lead.to_string()),
            file.rows.map(|(read, _)| int(read)),
            file.rows.map(|(_, rejected)| int(rejected)),
        ])?;
    match &file.findings {
        Some(findings) => put_findings(transaction, file.id, findings),
        None => Ok(()),
    }
}

/// Replaces the findings of a delivery: each that was kept, and one row for the rest of its kind.
pub(super) fn put_findings(transaction: &Transaction<'_>, delivery: DeliveryId, findings: &Findings) -> rusqlite::Result<()> {
    let delivery = delivery.to_string();
    transaction.prepare_cached("DELETE FROM ingest_issue WHERE delivery_id = ?1")?.execute([&delivery])?;
    transaction.prepare_cached("DELETE FROM ingest_row_reject WHERE delivery_id = ?1")?.execute([&delivery])?;
    let mut issue = transaction.prepare_cached(
        "INSERT INTO ingest_issue (delivery_id, issue_no, rule, severity, part, line, column_name, occurrences, message)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    let mut reject = transaction.prepare_cached(
        "INSERT INTO ingest_row_reject (delivery_id, reject_no, part, line, rule, column_name) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    let mut number = 0_i64;
    for finding in findings.iter() {
        number += 1;
        let (rule, place) = (finding.rule.id(), &finding.place);
        let line = place.line.map(int);
        issue.execute(params![delivery, number, rule, finding.severity.as_str(), place.part, line, place.column, 1, finding.message])?;
        if let (Severity::RejectRow, Some(line)) = (finding.severity, line) {
            reject.execute(params![delivery, number, place.part, line, rule, place.column])?;
        }
    }
    for (rule, severity, count) in findings.counts() {
        let kept = findings.iter().filter(|finding| finding.rule == rule && finding.severity == severity).count();
        let rest = int(count).saturating_sub(i64::try_from(kept).unwrap_or(i64::MAX));
        if rest > 0 {
            number += 1;
            let none: Option<&str> = None;
            issue.execute(params![delivery, number, rule.id(), severity.as_str(), none, none, none, rest, none])?;
        }
    }
    Ok(())
}

/// Makes sure that a provider is known. One that left the settings while its files waited is kept, and not expected.
pub(super) fn mention(transaction: &Transaction<'_>, provider: &ProviderCode) -> rusqlite::Result<usize> {
    transaction
        .prepare_cached("INSERT OR IGNORE INTO dim_provider (provider_code, name, kind, registered) VALUES (?1, ?1, 'unknown', 0)")?
        .execute([provider.as_str()])
}

fn put_feed(transaction: &Transaction<'_>, feed: &FeedFact) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO dim_provider (provider_code, name, kind, registered) VALUES (?1, ?2, ?3, 1)
             ON CONFLICT (provider_code) DO UPDATE SET name = excluded.name, kind = excluded.kind, registered = 1",
        )?
        .execute(params![feed.provider.as_str(), feed.name, feed.kind.as_str()])?;
    transaction
        .prepare_cached(
            "INSERT INTO feed (provider_code, first_slot_utc, due_after_s, stale_after_s, no_data_after_s) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (provider_code) DO UPDATE SET first_slot_utc = excluded.first_slot_utc, due_after_s = excluded.due_after_s,
               stale_after_s = excluded.stale_after_s, no_data_after_s = excluded.no_data_after_s",
        )?
        .execute(params![
            feed.provider.as_str(),
            feed.first_slot.map(|slot| utc(slot.start())),
            feed.due_after.as_secs(),
            feed.stale_after.as_secs(),
            feed.no_data_after.as_secs(),
        ])?;
    Ok(())
}

fn put_slot(transaction: &Transaction<'_>, slot: &SlotFact) -> rusqlite::Result<usize> {
    mention(transaction, &slot.provider)?;
    transaction
        .prepare_cached(
            "INSERT INTO feed_slot (provider_code, slot_utc, state) VALUES (?1, ?2, ?3)
             ON CONFLICT (provider_code, slot_utc) DO UPDATE SET state = excluded.state",
        )?
        .execute(params![slot.provider.as_str(), utc(slot.slot.start()), slot.state])
}
