//! The receipt as JSON. Every key is always present, `null` where nothing is known; keys and words are stable. A change that
//! breaks a reader raises [`RECEIPT_VERSION`].

use super::Verdict;
use crate::feed::{Delivery, DeliveryId, Digest, FileName, Finding, Folder, ProviderCode, Report, RowCounts, Slot, Stage};
use crate::feed::{Rule, ToldTotals};
use jiff::Timestamp;

/// The version of the receipt's keys.
pub const RECEIPT_VERSION: u32 = 1;

/// A receipt. Serialised, it is `NAME.receipt.json`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ReceiptDocument {
    /// [`RECEIPT_VERSION`].
    pub receipt_version: u32,
    /// What became of the delivery.
    pub verdict: Verdict,
    /// Whether the figures are in the warehouse.
    pub loaded: bool,
    /// The verdict in plain words.
    pub summary: String,
    /// The delivery's id: what to quote when asking for help.
    pub delivery_id: DeliveryId,
    /// The file's name as sent, but for digits that could be an NHS number: those are stars.
    pub file: FileName,
    /// Its length in bytes.
    pub bytes: u64,
    /// The hash of its bytes: compare it with your own.
    pub sha256: Digest,
    /// The provider whose account sent it.
    pub provider: ProviderCode,
    /// `inbox` or `test`.
    pub folder: Folder,
    /// When it was complete, in UTC.
    pub received_at: Timestamp,
    /// When the verdict was reached, in UTC.
    pub decided_at: Timestamp,
    /// The slot it fills, by its start in UTC.
    pub slot: Option<Slot>,
    /// When its figures were true, in UTC.
    pub snapshot_at: Option<Timestamp>,
    /// 1 for the first accepted file of a slot, one more for each later one; `null` where it was not accepted.
    pub version: Option<u32>,
    /// The version of the mapping by which it was read.
    pub mapping: Option<String>,
    /// What became of its rows; `null` where it was not looked into.
    pub rows: Option<RowCounts>,
    /// The sums over its lines, in beds or patients, to compare with your own; `null` where no lines came out, and a single sum
    /// is `null` where the feed does not tell of it.
    pub totals: Option<ToldTotals>,
    /// Columns that identify people, agreed and there in the file: used at most for an age band, then dropped.
    pub identifiers_dropped: Vec<String>,
    /// The findings, worst first; the first 20 of each rule.
    pub findings: Vec<ReceiptFinding>,
    /// How often each rule spoke, those not listed included.
    pub finding_counts: Vec<FindingCount>,
    /// For a duplicate: the delivery that it repeats.
    pub duplicate_of: Option<DeliveryId>,
    /// For one part of a set: what is waited for.
    pub waiting: Option<WaitingFor>,
    /// For a file that was handed back: what support asks to be mended, in its own words, where it wrote any.
    pub mend: Option<String>,
    /// Whether support has decided that a rejected file will never be loaded.
    pub discarded: bool,
    /// Rules that would have rejected the file, had not support released it in spite of them; empty for most files.
    pub released_in_spite_of: Vec<Rule>,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ReceiptFinding {
    /// The rule's id, such as `TRN-04`.
    pub rule: Rule,
    /// `information`, `warning`, `reject_row` or `reject_file`.
    pub severity: crate::feed::Severity,
    /// The part of the set, or the archive's member.
    pub part: Option<String>,
    /// The line, counted from 1 in the file as sent.
    pub line: Option<u64>,
    /// The column, by the provider's own name for it.
    pub column: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub what_to_do: &'static str,
}

/// How often a rule spoke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct FindingCount {
    /// The rule.
    pub rule: Rule,
    /// Its severity here.
    pub severity: crate::feed::Severity,
    /// How often.
    pub count: u64,
}

/// What a part of a set waits for.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct WaitingFor {
    /// What the parts have in common.
    pub set: String,
    /// The part that is here.
    pub part: String,
    /// When waiting ends, in UTC: the set is then rejected as incomplete.
    pub until: Timestamp,
}

impl ReceiptDocument {
    /// The receipt of a delivery in its present stage; `None` while it has only landed.
    #[must_use]
    pub fn of(delivery: &Delivery, stage: &Stage, report: Option<&Report>, decided_at: Timestamp) -> Option<Self> {
        let verdict = Verdict::of(stage, report)?;
        let (loaded, discarded) = (matches!(stage, Stage::Loaded { .. }), matches!(stage, Stage::Quarantined { discarded: true, .. }));
        let snapshot = stage.snapshot();
        Some(Self {
            receipt_version: RECEIPT_VERSION,
            verdict,
            loaded,
            summary: verdict.meaning(loaded, discarded, report.is_some_and(|report| report.marked_test)).to_owned(),
            delivery_id: delivery.id,
            file: delivery.name.clone(),
            bytes: delivery.bytes,
            sha256: delivery.sha256,
            provider: delivery.provider.clone(),
            folder: delivery.folder,
            received_at: delivery.received_at,
            decided_at,
            slot: snapshot.map(|snapshot| snapshot.slot).or_else(|| report.and_then(|report| report.slot)),
            snapshot_at: report.and_then(|report| report.snapshot_at),
            version: snapshot.map(|snapshot| snapshot.version),
            mapping: report.and_then(|report| report.mapping.clone()),
            rows: report.map(|report| report.rows),
            totals: report.and_then(Report::told),
            identifiers_dropped: report.map(|report| report.identifiers_dropped.clone()).unwrap_or_default(),
            findings: findings(report),
            finding_counts: counts(report),
            duplicate_of: if let Stage::Duplicate { of } = stage { Some(*of) } else { None },
            waiting: waiting(stage),
            mend: if let Stage::HandedBack { mend, .. } = stage { mend.clone() } else { None },
            discarded,
            released_in_spite_of: report.map(|report| report.findings.overridden().to_vec()).unwrap_or_default(),
        })
    }

    /// The receipt's bytes, indented so that a person can read them too.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        // Plain keys and values only: serialising cannot fail. If it did, the sender would see an empty receipt.
        let mut json = serde_json::to_vec_pretty(self).unwrap_or_default();
        json.push(b'\n');
        json
    }
}

fn waiting(stage: &Stage) -> Option<WaitingFor> {
    match stage {
        Stage::Waiting { set, part, until } => Some(WaitingFor { set: set.clone(), part: part.clone(), until: *until }),
        _ => None,
    }
}

fn findings(report: Option<&Report>) -> Vec<ReceiptFinding> {
    let mut all: Vec<&Finding> = report.iter().flat_map(|report| report.findings.iter()).collect();
    // A stable sort: findings of one severity stay in the order of the file.
    all.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let one = |finding: &Finding| ReceiptFinding {
        rule: finding.rule,
        severity: finding.severity,
        part: finding.place.part.clone(),
        line: finding.place.line,
        column: finding.place.column.clone(),
        message: finding.message.clone(),
        what_to_do: finding.rule.advice(),
    };
    all.into_iter().map(one).collect()
}

fn counts(report: Option<&Report>) -> Vec<FindingCount> {
    let counts = report.iter().flat_map(|report| report.findings.counts());
    let mut all: Vec<FindingCount> = counts.map(|(rule, severity, count)| FindingCount { rule, severity, count }).collect();
    all.sort_by_key(|count| std::cmp::Reverse(count.severity));
    all
}
