//! Reports: what the assessment of a delivery concluded, without a single row.

use super::{DeliveryId, Digest, Findings, Slot, TimeRule};
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

/// What a provider's feed tells of. What it does not tell is unknown, and never shown as zero (P10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Coverage {
    /// Whether the feed lists beds.
    pub beds: bool,
    /// Whether the feed lists patients who wait for a bed.
    pub demand: bool,
}

/// Sums as they may be shown: what the feed does not tell of is `None`, never nought (P10).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct ToldTotals {
    /// Occupied and empty beds together.
    pub open: Option<u64>,
    /// Occupied beds.
    pub occupied: Option<u64>,
    /// Open beds without a patient.
    pub empty: Option<u64>,
    /// Of the empty ones, those ready for a patient.
    pub available_now: Option<u64>,
    /// Beds that are not open.
    pub closed: Option<u64>,
    /// Patients who need a bed here.
    pub demand: Option<u64>,
    /// Of those, the ones not in a bed now.
    pub demand_not_in_bed: Option<u64>,
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

impl RowCounts {
    /// What became of the rows, in words. Of a file that was rejected as a whole none was used, and there is no more to say.
    #[must_use]
    pub fn in_words(&self) -> String {
        if self.read > 0 && self.used + self.skipped + self.rejected == 0 {
            return format!("{} read, none of them used: the file was rejected as a whole", self.read);
        }
        format!("{} read: {} used, {} skipped, {} rejected", self.read, self.used, self.skipped, self.rejected)
    }
}

/// How well the persons of a snapshot are coded: patients in beds and patients who wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Persons {
    /// All of them.
    pub counted: u64,
    /// Of those, the ones whose gender is not known.
    pub gender_unknown: u64,
    /// Of those, the ones whose age is not known.
    pub age_unknown: u64,
}

/// A ward that the register does not have: it waits for somebody to approve it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct UnknownWard {
    /// The site, as registered.
    pub site: String,
    /// The ward, as the extract writes it; a code that looks like a person's number is not shown.
    pub ward: String,
    /// Beds on it: 0 where only waiting patients name it.
    pub beds: u64,
}

/// Most wards that a report lists as unknown: more are no new wards but a file of something else.
pub const MAX_UNKNOWN_WARDS: usize = 50;

/// What the assessment of one delivery (or set) concluded. Holds no row and no person's value.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Report {
    /// When it was made.
    pub assessed_at: Timestamp,
    /// The mapping's version.
    pub mapping: Option<String>,
    /// The hash of the mapping's text.
    pub mapping_hash: Option<Digest>,
    /// Its place among its slot's equal versions, where that is not the version's number: the first version that it became, where it
    /// was read again since, or one before a newer file's that was accepted sooner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_version: Option<u32>,
    /// When the figures were true in the source.
    pub snapshot_at: Option<Timestamp>,
    /// How that instant was found in what the files say.
    pub time_rule: Option<TimeRule>,
    /// The slot that the snapshot fills.
    pub slot: Option<Slot>,
    /// The sender's own running number.
    pub sequence: Option<u32>,
    /// Hash over the data files: equal content has an equal hash.
    pub content: Option<Digest>,
    /// All deliveries that were judged together, by part; one for most feeds.
    pub parts: Vec<(String, DeliveryId)>,
    /// What the feed tells of, by the mapping.
    pub coverage: Option<Coverage>,
    /// What became of the rows.
    pub rows: RowCounts,
    /// The sums, where lines came out. To show them, ask for [`Report::told`].
    pub totals: Option<Totals>,
    /// How well persons are coded, where lines came out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persons: Option<Persons>,
    /// A number that equal lines have in common whatever their order, where lines came out: it tells whether figures move.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<u64>,
    /// Whether the sender marked it as a test (`kind=TEST`), in whatever folder it came.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub marked_test: bool,
    /// Wards that are not registered, by site and code; the first [`MAX_UNKNOWN_WARDS`].
    #[serde(default)]
    pub unknown_wards: Vec<UnknownWard>,
    /// Columns that identify people, declared in the mapping and there in the file: used at most for an age band, then dropped.
    #[serde(default)]
    pub identifiers_dropped: Vec<String>,
    /// What the rules found.
    pub findings: Findings,
}

impl Report {
    /// The sums as they may be shown.
    #[must_use]
    pub fn told(&self) -> Option<ToldTotals> {
        let totals = self.totals?;
        let coverage = self.coverage.unwrap_or(Coverage { beds: true, demand: true });
        let bed = |count: u64| coverage.beds.then_some(count);
        let patient = |count: u64| coverage.demand.then_some(count);
        Some(ToldTotals {
            open: bed(totals.open()),
            occupied: bed(totals.occupied),
            empty: bed(totals.empty),
            available_now: bed(totals.available_now),
            closed: bed(totals.closed),
            demand: patient(totals.demand),
            demand_not_in_bed: patient(totals.demand_not_in_bed),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p10_what_a_feed_does_not_tell_of_is_not_nought() {
        let totals = Totals { occupied: 7, empty: 2, available_now: 1, closed: 3, demand: 0, demand_not_in_bed: 0 };
        // Beds told, demand told, and what may be shown of open beds and of demand.
        let rows = [(true, true, Some(9), Some(0)), (true, false, Some(9), None), (false, true, None, Some(0))];
        for (beds, demand, open, waiting) in rows {
            let report = Report { totals: Some(totals), coverage: Some(Coverage { beds, demand }), ..Report::default() };
            let told = report.told().unwrap();
            assert_eq!((told.open, told.demand, told.demand_not_in_bed), (open, waiting, waiting), "{beds} {demand}");
        }
        assert_eq!(Report::default().told(), None);
    }
}
