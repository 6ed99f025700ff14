//! Verify: is this delivery safe to use?
//!
//! Owns every check from the file's name to its plausibility, and [`Verified`], the only thing the warehouse takes (P3).
//! Refuses I/O, stopping at the first finding, and repairing data silently.

pub mod envelope;
pub mod control;
pub mod checksums;
pub mod signature;
pub mod text;
pub mod archive;
pub mod gzip;
pub mod records;
pub mod columns;
pub mod identifiers;
pub mod labels;
pub mod opening;
pub mod structure;
pub mod manifest;
pub mod outline;
pub mod repeated_hour;
pub mod times;
pub mod set;
pub mod rows;
pub mod totals;
pub mod plausibility;
#[cfg(test)]
pub(crate) mod testing;

pub use rows::PlacedLine;
pub use totals::{Rejections, WardKey};

use crate::bedstate::Snapshot;
use crate::feed::{DeliveryId, Digest, EARLY_TOLERANCE, Finding, Findings, ProviderCode, ProviderKind, Rule, Slot, Totals};
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

/// What the checks decided.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "one verdict lives at a time, and nearly always it is the large one")]
pub enum Verdict {
    /// Safe to load.
    Accepted(Verified),
    /// The same content was accepted for the same slot before.
    Duplicate {
        /// The delivery it repeats.
        of: DeliveryId,
    },
    /// To be set aside.
    Rejected,
    /// To be set aside where only the governance role may read it: an identifier leaked.
    Sealed,
}

/// Decides, from everything that was found. The only place where a [`Verified`] is made.
///
/// `snapshot` is what could be read, if anything; `released` says that a person took responsibility for what rules allow
/// to be released. A leak outweighs everything, and a repetition outweighs what else is wrong with it.
#[must_use]
pub fn conclude(snapshot: Option<Snapshot>, repeats: Option<DeliveryId>, findings: Findings, released: bool) -> (Verdict, Findings) {
    let mut findings = if released { findings.released() } else { findings };
    if findings.seal_file() {
        return (Verdict::Sealed, findings.only_what_seals());
    }
    if let Some(of) = repeats {
        // What the first one was told stands; saying it again, or that it replaces itself, would only confuse.
        let mut only = Findings::default();
        only.push(Finding::new(Rule::Trn05, format!("Duplicate, ignored: the same content was accepted as {of}.")));
        return (Verdict::Duplicate { of }, only);
    }
    match snapshot {
        _ if findings.reject_file() => (Verdict::Rejected, findings),
        Some(snapshot) if !snapshot.lines.is_empty() || !snapshot.coverage.beds => (Verdict::Accepted(Verified { snapshot }), findings),
        _ => {
            findings.push(Finding::new(Rule::Str01, "There are no bed rows to use."));
            (Verdict::Rejected, findings)
        }
    }
}

/// Most characters of a text from outside that a finding repeats.
pub(crate) const MAX_QUOTED_CHARS: usize = 40;

/// A text from outside as a finding may repeat it: short, without control characters.
pub(crate) fn quoted(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_QUOTED_CHARS).collect()
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
    /// The keys whose signatures are taken, where its files are signed.
    pub signers: Vec<signature::Signer>,
}

impl History {
    /// The accepted delivery that a whole snapshot repeats: same slot, same content.
    #[must_use]
    pub fn repeated_by(&self, slot: Slot, content: Digest) -> Option<DeliveryId> {
        self.accepted.iter().rev().find(|past| past.slot == slot && past.content == content).map(|past| past.lead)
    }

    /// The accepted delivery that some parts of a set repeat: each has the name and the hash of one of its files.
    #[must_use]
    pub fn repeated_by_parts(&self, files: &[(&str, Digest)]) -> Option<DeliveryId> {
        let holds = |past: &&PastSnapshot| files.iter().all(|(name, digest)| past.files.iter().any(|(n, d)| n == name && d == digest));
        self.accepted.iter().rev().find(holds).filter(|_| !files.is_empty()).map(|past| past.lead)
    }
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
    /// How far the time at which a source says it made a file may lie from its receipt (TIM-09).
    pub clock_drift: SignedDuration,
    /// How much earlier than its quarter of an hour a job may run: 10:14:58 is 10:15. Below a quarter of an hour.
    pub early_tolerance: SignedDuration,
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
            clock_drift: SignedDuration::from_mins(10),
            early_tolerance: EARLY_TOLERANCE,
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
