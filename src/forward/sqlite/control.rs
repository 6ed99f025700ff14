//! Control facts: deliveries, their findings, what is expected of feeds, and how slots were filled.

use super::super::rows::{int, issues};
use super::super::statements::{FORGET_ISSUES, FORGET_REJECTS, MENTION, PUT_FEED, PUT_FILE, PUT_ISSUE, PUT_PROVIDER, PUT_REJECT, PUT_SLOT};
use super::super::{Control, FeedFact, FileFact, ForwardError, SlotFact, calendar};
use super::database::{sql, utc};
use super::slots;
use crate::fault::{self, Step};
use crate::feed::{DeliveryId, Findings, ProviderCode};
use rusqlite::{Connection, Transaction, TransactionBehavior, params};

/// Records all facts, or none.
pub(super) fn publish(connection: &mut Connection, facts: &Control) -> Result<(), ForwardError> {
    let doing = "recording control facts";
    let zone = calendar::london()?;
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
    transaction.prepare_cached(PUT_FILE)?.execute(params![
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

/// Replaces the findings of a delivery.
pub(super) fn put_findings(transaction: &Transaction<'_>, delivery: DeliveryId, findings: &Findings) -> rusqlite::Result<()> {
    let delivery = delivery.to_string();
    transaction.prepare_cached(FORGET_ISSUES)?.execute([&delivery])?;
    transaction.prepare_cached(FORGET_REJECTS)?.execute([&delivery])?;
    let mut issue = transaction.prepare_cached(PUT_ISSUE)?;
    let mut reject = transaction.prepare_cached(PUT_REJECT)?;
    for row in issues(findings) {
        issue.execute(params![
            delivery,
            row.number,
            row.rule,
            row.severity,
            row.part,
            row.line,
            row.column,
            row.occurrences,
            row.message
        ])?;
        if let Some(line) = row.rejects {
            reject.execute(params![delivery, row.number, row.part, line, row.rule, row.column])?;
        }
    }
    Ok(())
}

/// Makes sure that a provider is known.
pub(super) fn mention(transaction: &Transaction<'_>, provider: &ProviderCode) -> rusqlite::Result<usize> {
    transaction.prepare_cached(MENTION)?.execute([provider.as_str()])
}

fn put_feed(transaction: &Transaction<'_>, feed: &FeedFact) -> rusqlite::Result<()> {
    transaction.prepare_cached(PUT_PROVIDER)?.execute(params![feed.provider.as_str(), feed.name, feed.kind.as_str()])?;
    transaction.prepare_cached(PUT_FEED)?.execute(params![
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
    transaction.prepare_cached(PUT_SLOT)?.execute(params![slot.provider.as_str(), utc(slot.slot.start()), slot.state])
}
