//! Reports: what the assessment of a delivery concluded, without a single row.

use super::{DeliveryId, Digest, Findings, Slot};
use jiff::Timestamp;

/// Sums over a snapshot's lines, in beds or patients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Totals {
    /// Occupied beds.
    pub occupied: u64,
    /// Open beds without a patient.
    pub empty: u64,
    /// Of the empty ones, those ready for a patient.
    pub available_now: u64,
    /// Beds that are not open.
    pub closed: u64,
    /// Patients who need a bed here.
    pub demand: u64,
    /// Of those, the ones not in a bed now.
    pub demand_not_in_bed: u64,
}

impl Totals {
    /// Open beds: occupied and empty ones.
    #[must_use]
    pub fn open(&self) -> u64 {
        self.occupied + self.empty
    }
}

/// What became of a file's rows. `read = used + skipped + rejected` (every row is accounted for).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RowCounts {
    /// Data rows in all tables.
    pub read: u64,
    /// Rows that made lines, or rightly made none (a ward with nothing closed).
    pub used: u64,
    /// Rows left out for a stated reason: copies, rows that only serve a join.
    pub skipped: u64,
    /// Rows rejected by a rule.
    pub rejected: u64,
    /// Lines of the generic dataset that came out.
    pub lines: u64,
}

/// What the assessment of one delivery (or set) concluded. Holds no row and no person's value.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Report {
    /// When it was made.
    pub assessed_at: Timestamp,
    /// The mapping's version.
    pub mapping: Option<String>,
    /// The hash of the mapping's text.
    pub mapping_hash: Option<Digest>,
    /// When the figures were true in the source.
    pub snapshot_at: Option<Timestamp>,
    /// The slot that the snapshot fills.
    pub slot: Option<Slot>,
    /// The sender's own running number.
    pub sequence: Option<u32>,
    /// Hash over the data files: equal content has an equal hash.
    pub content: Option<Digest>,
    /// All deliveries that were judged together, by part; one for most feeds.
    pub parts: Vec<(String, DeliveryId)>,
    /// What became of the rows.
    pub rows: RowCounts,
    /// The sums, where lines came out.
    pub totals: Option<Totals>,
    /// What the rules found.
    pub findings: Findings,
}
