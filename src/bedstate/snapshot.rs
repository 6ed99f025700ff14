//! The snapshot: what one provider's beds looked like at one moment.

use super::codes::{EmptyState, LineType};
use super::line::Line;
use crate::feed::{Coverage, Digest, ProviderCode, Slot, Totals};
use jiff::Timestamp;

/// Sums lines, in beds or patients.
#[must_use]
pub fn totals(lines: &[Line]) -> Totals {
    let mut totals = Totals::default();
    lines.iter().for_each(|line| add_to_totals(&mut totals, line));
    totals
}

/// Adds one line to sums.
pub fn add_to_totals(totals: &mut Totals, line: &Line) {
    let quantity = u64::from(line.quantity);
    match line.line_type {
        LineType::Occupied => totals.occupied += quantity,
        LineType::Empty => {
            totals.empty += quantity;
            if line.empty_state == Some(EmptyState::Ready) {
                totals.available_now += quantity;
            }
        }
        LineType::Closed => totals.closed += quantity,
        LineType::Demand => {
            totals.demand += quantity;
            if line.in_bed_now == Some(false) {
                totals.demand_not_in_bed += quantity;
            }
        }
    }
}

/// The normalised content of one delivery (or set of deliveries) for one provider and slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Whose beds.
    pub provider: ProviderCode,
    /// The quarter of an hour it fills.
    pub slot: Slot,
    /// When the figures were true in the source.
    pub snapshot_at: Timestamp,
    /// The sender's own running number, where the extract has one. Wraps from 9,999,999 to 1.
    pub sequence: Option<u32>,
    /// Hash over the data files' hashes, control files left out: equal content has an equal hash.
    pub content: Digest,
    /// What the feed tells of.
    pub coverage: Coverage,
    /// The mapping's version, as in the provider's settings.
    pub mapping: String,
    /// Hash of that mapping's text.
    pub mapping_hash: Digest,
    /// Its lines, in the order of the file.
    pub lines: Vec<Line>,
    /// Their sums.
    pub totals: Totals,
}
