//! Feed: the words every other room speaks.
//!
//! Owns provider, slot, delivery, finding, rule and stage. Refuses I/O, clocks, and anything that only one room needs:
//! a type used by a single room lives in that room.

mod causes;
mod client;
mod clock;
mod delivery;
mod expiry;
mod finding;
mod local;
pub mod nhs_number;
mod provider;
mod report;
mod messages;
mod printed;
mod rules;
mod silence;
mod slot;
mod stage;
mod time_rule;
mod version;
#[cfg(test)]
pub(crate) mod testing;

pub use causes::error_chain;
pub use client::{ClientSeen, Negotiated};
pub use clock::Clock;
pub use delivery::{Delivery, DeliveryId, Digest, FileName, Folder, InvalidId, InvalidName, MAX_NAME_BYTES, NOT_RECORDED, Sender};
pub use expiry::{Expiry, Term, TermOf, WARN_DAYS, expiries};
pub use finding::{Finding, Findings, MAX_FINDINGS_PER_RULE, Place};
pub use local::{local_date, local_text, read_local};
pub use printed::{is_hidden, printed, push_printed};
pub use provider::{InvalidProviderCode, ProviderCode, ProviderKind};
pub use report::{Coverage, MAX_UNKNOWN_WARDS, Persons, Report, RowCounts, ToldTotals, Totals, UnknownWard};
pub use rules::{Rule, Severity};
pub use silence::{Announced, AnnouncedKind, SilenceEnd, SilenceStanding, in_force};
pub use slot::{EARLY_TOLERANCE, LONDON, SLOT_LENGTH, Slot, local_day_slots};
pub use stage::{Outcome, SnapshotRef, Stage};
pub use time_rule::{RepeatedBy, TimeRule, UkClock};
pub use version::{LAST_NUMBER, Version, current, place, steps};
