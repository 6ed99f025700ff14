//! Verify: is this delivery safe to use?
//!
//! Owns every check from the file's name to its plausibility, and [`Verified`], the only thing the warehouse takes (P3).
//! Refuses I/O, stopping at the first finding, and repairing data silently.

use crate::bedstate::Snapshot;
use crate::feed::{DeliveryId, Digest, ProviderCode, ProviderKind, Slot, Totals};
use crate::normalise::mapping::Mapping;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

/// A snapshot that every check has passed. Made only in this room; the warehouse takes nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    snapshot: Snapshot,
}

impl Verified {
    /// What was checked.
    #[must_use]
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Takes a snapshot as checked, for the tests of rooms that come after the checks.
    #[cfg(test)]
    pub(crate) fn for_tests(snapshot: Snapshot) -> Self {
        Self { snapshot }
    }
}

/// What is agreed with one provider about its feed: everything the checks need, from the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feed {
    /// Whose.
    pub provider: ProviderCode,
    /// The provider's name.
    pub name: String,
    /// What sort of service it runs.
    pub kind: ProviderKind,
    /// First day of the sharing agreement.
    pub agreement_starts: Date,
    /// Last day of the sharing agreement; `None`: open-ended.
    pub agreement_ends: Option<Date>,
    /// How long after a slot's start its file is due.
    pub due_after: SignedDuration,
    /// Its mappings; their dates do not overlap where their names for files do.
    pub mappings: Vec<Mapping>,
    /// Its limits.
    pub limits: Limits,
}

/// The limits of one feed. The key of each in `[limits]` has the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest file in bytes; also the most that an archive may unpack to.
    pub max_file_bytes: u64,
    /// Most data rows in a snapshot.
    pub max_rows: u64,
    /// Most columns in a table.
    pub max_columns: usize,
    /// Rejected rows, in percent of rows, above which the file is rejected.
    pub rejected_rows_percent: u32,
    /// Rejected rows of one ward at which the file is rejected; 0: no such limit.
    pub rejected_rows_per_ward: u32,
    /// Whether a ward may lose all its beds to rejected rows.
    pub wards_may_vanish: bool,
    /// Unknown wards above which the file is rejected.
    pub unknown_wards: u32,
    /// Beds on unknown wards, in percent of beds, above which the file is rejected.
    pub unknown_ward_beds_percent: u32,
    /// Persons with a gender or age that no code covers, in percent, above which the file is rejected.
    pub unknown_persons_percent: u32,
    /// Age at which a snapshot is held for a person to decide.
    pub hold_after: SignedDuration,
    /// How far ahead of our clock a snapshot may be.
    pub future_tolerance: SignedDuration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_file_bytes: 20 * 1024 * 1024,
            max_rows: 1_000_000,
            max_columns: 200,
            rejected_rows_percent: 2,
            rejected_rows_per_ward: 5,
            wards_may_vanish: false,
            unknown_wards: 3,
            unknown_ward_beds_percent: 10,
            unknown_persons_percent: 20,
            hold_after: SignedDuration::from_hours(24),
            future_tolerance: SignedDuration::from_mins(5),
        }
    }
}

/// What was accepted from a feed lately: the past that some rules need, as an argument, so that they replay identically.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// Accepted snapshots, oldest first.
    pub accepted: Vec<PastSnapshot>,
}

/// One accepted snapshot of the past.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastSnapshot {
    /// The delivery that led it.
    pub lead: DeliveryId,
    /// The names and hashes of its files.
    pub files: Vec<(String, Digest)>,
    /// The slot it filled.
    pub slot: Slot,
    /// Its version within the slot.
    pub version: u32,
    /// When its figures were true.
    pub snapshot_at: Timestamp,
    /// The sender's running number.
    pub sequence: Option<u32>,
    /// The hash of its content.
    pub content: Digest,
    /// Its sums.
    pub totals: Totals,
}
