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
pub mod unpacked;
pub mod manifest;
pub mod outline;
pub mod repeated_hour;
pub mod times;
pub mod set;
pub mod rows;
pub mod glance;
pub mod totals;
pub mod kinds;
pub mod plausibility;
pub mod lines;
pub mod register;
pub mod references;
pub mod requests;
pub mod running_number;
pub mod sequence;
pub mod movement;
pub mod fingerprint;
pub mod history;
mod limits;
#[cfg(test)]
pub(crate) mod testing;

pub use history::{History, PastSnapshot, SameHour};
pub use limits::{Limits, NameReuse};
pub use rows::PlacedLine;
pub use totals::{Rejections, WardKey};

use crate::bedstate::Snapshot;
use crate::feed::nhs_number::masked;
use crate::feed::{DeliveryId, Finding, Findings, ProviderCode, ProviderKind, Rule, printed};
use crate::normalise::mapping::Mapping;
use crate::normalise::quoting::shown_place;
use jiff::SignedDuration;
use jiff::civil::Date;

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

/// A text from outside as a finding may repeat it: short, an NHS number as stars (columns may have slipped), and nothing that
/// cannot be seen.
pub(crate) fn quoted(text: &str) -> String {
    let short: String = masked(text).chars().take(MAX_QUOTED_CHARS).collect();
    printed(&short).into_owned()
}

/// A ward's or a site's code as a finding may repeat it: not where it could be a person's number or name.
pub(crate) fn quoted_place(code: &str) -> String {
    quoted(&shown_place(code))
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
