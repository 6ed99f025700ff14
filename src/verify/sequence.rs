//! Sequence: running numbers and names, against what was accepted before (TRN-06, TRN-07).
//!
//! Owns what comes after what. Refuses to go by the order of arrival: after an outage files overtake each other, and a late
//! one whose older number fits its older slot is in order.

use super::history::on_the_wall;
use super::{Feed, History, NameReuse, PastSnapshot};
use crate::feed::{Digest, Finding, Rule, Severity, Slot, steps};
use crate::normalise::mapping::{Mapping, PartRole};
use jiff::Timestamp;
use std::collections::BTreeSet;

/// What is known of a delivery that is compared with the past.
#[derive(Clone, Copy, Debug)]
pub struct Arrived<'a> {
    /// The slot it fills.
    pub slot: Slot,
    /// When the last of its files arrived.
    pub received_at: Timestamp,
    /// The hash of its content.
    pub content: Digest,
    /// Its running number.
    pub number: Option<u32>,
    /// Whether its control record says that it was sent again on purpose.
    pub resend: bool,
    /// The names and hashes of its data files.
    pub data: &'a [(&'a str, Digest)],
}

/// Compares the running number with those of the accepted neighbours in time (TRN-06).
#[must_use]
pub fn check_number(arrived: &Arrived<'_>, history: &History) -> Option<Finding> {
    let number = arrived.number?;
    let old = |past: u32| {
        let message = format!("Old sequence: the file has number {number}, and number {past} was accepted before it.");
        Some(Finding::new(Rule::Trn06, message).with_severity(Severity::RejectFile))
    };
    let same_slot = history.current_of(arrived.slot, arrived.received_at);
    if let Some(last) = same_slot.filter(|past| past.content != arrived.content).and_then(|past| past.sequence)
        && after(last, number).is_none()
    {
        return if arrived.resend { None } else { old(last) };
    }
    let before = history.before(arrived.slot, arrived.received_at);
    let last = before.iter().find_map(|past| past.sequence)?;
    let Some(steps_on) = after(last, number) else { return if arrived.resend { None } else { old(last) } };
    // Numbers that came under another slot, or with an earlier version of this one, are not missing.
    let numbers: BTreeSet<u32> = history.until(arrived.received_at).filter_map(|past| past.sequence).collect();
    let between = numbers.into_iter().filter(|known| after(last, *known).is_some_and(|on| on < steps_on)).count();
    let missing = (steps_on - 1).saturating_sub(u64::try_from(between).unwrap_or(0));
    let message = || format!("Sequence jumped from {last} to {number}: {missing} in between not accepted.");
    (missing > 0).then(|| Finding::new(Rule::Trn06, message()))
}

/// How many steps a number lies after another one; `None` where it does not lie after it.
fn after(from: u32, to: u32) -> Option<u64> {
    u64::try_from(steps(from, to)).ok().filter(|steps| *steps > 0)
}

/// Looks for a data file whose name was used before for other content (TRN-07). In October's repeated hour names come twice.
#[must_use]
pub fn check_names(arrived: &Arrived<'_>, history: &History, mapping: &Mapping, feed: &Feed) -> Option<Finding> {
    if arrived.resend {
        return None;
    }
    let reused = |past: &PastSnapshot| {
        let again =
            |name: &str, digest: Digest| past.files.iter().any(|(known, other)| known.eq_ignore_ascii_case(name) && *other != digest);
        let repeated_hour = past.slot != arrived.slot && on_the_wall(past.slot) == on_the_wall(arrived.slot);
        past.content != arrived.content && !repeated_hour && arrived.data.iter().any(|(name, digest)| again(name, *digest))
    };
    let past = history.until(arrived.received_at).filter(|past| reused(past)).max_by_key(|past| (past.received_at, past.version))?;
    let could_say_so = mapping.files.iter().any(|file| file.role == PartRole::Control);
    let otherwise = if could_say_so { NameReuse::Reject } else { NameReuse::Warn };
    let severity = match feed.limits.name_reuse.unwrap_or(otherwise) {
        NameReuse::Reject => Severity::RejectFile,
        NameReuse::Warn => Severity::Warning,
    };
    let message = format!("File name reused: other content was accepted under this name for {}, as {}.", past.slot, past.lead);
    Some(Finding::new(Rule::Trn07, message).with_severity(severity))
}
