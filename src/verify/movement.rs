//! Movement: could these figures follow the ones before? (PLA-01 to PLA-04, PLA-06)
//!
//! Owns the comparison with what was accepted earlier. Refuses to compare with later slots, which a late file is no change
//! from, and to learn its limits: one that followed the data would let a slow fault pass.

use super::history::local_hour;
use super::{History, Limits, PastSnapshot, SameHour};
use crate::feed::{Coverage, Finding, Findings, Persons, Rule, Severity, Slot, Totals};
use crate::normalise::times::local_day;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;

/// After so many slots without figures the allowance for a change has doubled, and grows no more: day-to-day changes of open
/// beds were within the double of one slot's allowance on 99.5 % of trust-days, of occupied beds on 99.4 %.
/// Source: NHS England, winter daily situation reports 2018-19.
const DOUBLE_AFTER: u64 = 16;

/// A snapshot's sums, as compared with the past.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Its slot.
    pub slot: Slot,
    /// When it arrived.
    pub received_at: Timestamp,
    /// What it tells of.
    pub coverage: Coverage,
    /// Its sums.
    pub totals: Totals,
    /// How well its persons are coded.
    pub persons: Persons,
    /// The number that equal lines have in common.
    pub fingerprint: u64,
}

/// Compares a snapshot with what was accepted of earlier slots.
#[must_use]
pub fn check(now: &Now, history: &History, limits: &Limits) -> Findings {
    let mut findings = Findings::default();
    let before = history.before(now.slot, now.received_at);
    if now.coverage.beds {
        if let Some(last) = before.iter().find(|past| past.has_beds()) {
            findings.extend(open_beds(now, last, limits));
            findings.extend(occupied_beds(now, last, limits));
        }
        findings.extend(frozen(now, &before, limits));
    }
    if now.coverage.demand {
        findings.extend(no_demand(now, &before, limits));
        findings.extend(much_demand(now, history, limits));
    }
    findings.extend(coding(now, history, limits));
    findings
}

/// Whether a change is larger than allowed: more than so many beds, and than so many percent of what there was, both grown by
/// the slots that have passed.
fn too_large(now: u64, before: u64, least: u32, percent: u32, slots: u64) -> bool {
    let grown = |allowed: u64| allowed.saturating_mul(DOUBLE_AFTER + slots.saturating_sub(1).min(DOUBLE_AFTER));
    let change = now.abs_diff(before).saturating_mul(100 * DOUBLE_AFTER);
    change > grown(u64::from(least) * 100) && change > grown(before.saturating_mul(u64::from(percent)))
}

fn slots_since(now: &Now, last: &PastSnapshot) -> u64 {
    u64::try_from(now.slot.slots_after(last.slot)).unwrap_or(1)
}

fn open_beds(now: &Now, last: &PastSnapshot, limits: &Limits) -> Option<Finding> {
    let (open, before, slots) = (now.totals.open(), last.totals.open(), slots_since(now, last));
    let beyond = |percent| too_large(open, before, limits.open_change_beds, percent, slots);
    let message = || format!("Open beds went from {before} to {open} since {}.", last.slot);
    // From nothing every change is of more than any percent.
    if before > 0 && beyond(limits.open_change_reject_percent) {
        return Some(Finding::new(Rule::Pla01, message()).with_severity(Severity::RejectFile));
    }
    beyond(limits.open_change_percent).then(|| Finding::new(Rule::Pla01, message()))
}

fn occupied_beds(now: &Now, last: &PastSnapshot, limits: &Limits) -> Option<Finding> {
    let (occupied, before) = (now.totals.occupied, last.totals.occupied);
    let beyond = too_large(occupied, before, limits.occupied_change_beds, limits.occupied_change_percent, slots_since(now, last));
    beyond.then(|| Finding::new(Rule::Pla02, format!("Occupied beds went from {before} to {occupied} since {}.", last.slot)))
}

/// Counts snapshots alike, this one and those before it; slots that nobody filled say nothing either way.
fn frozen(now: &Now, before: &[&PastSnapshot], limits: &Limits) -> Option<Finding> {
    let alike = 1 + before.iter().take_while(|past| past.fingerprint == Some(now.fingerprint)).count();
    let often = limits.frozen_after > 0 && u32::try_from(alike).unwrap_or(u32::MAX) >= limits.frozen_after;
    often.then(|| Finding::new(Rule::Pla03, format!("Unchanged for {alike} snapshots: every line is as it was.")))
}

/// No demand for so long, by snapshots that fill at least half of the slots: hours that nobody told of are no proof.
fn no_demand(now: &Now, before: &[&PastSnapshot], limits: &Limits) -> Option<Finding> {
    let wanted = limits.no_demand_after;
    if wanted <= SignedDuration::ZERO || now.totals.demand > 0 {
        return None;
    }
    let none: Vec<Slot> = before.iter().take_while(|past| past.demand() == Some(0)).map(|past| past.slot).collect();
    let first = *none.last()?;
    let lasts = now.slot.start().duration_since(first.start());
    let told = i64::try_from(none.len()).unwrap_or(i64::MAX).saturating_mul(2) >= now.slot.slots_after(first);
    let message = || format!("Demand unusual: nobody has waited for a bed for {} hours.", lasts.as_hours());
    (lasts >= wanted && told).then(|| Finding::new(Rule::Pla04, message()))
}

/// More demand than so many times the most of the same local hour, of days enough to know what is usual.
fn much_demand(now: &Now, history: &History, limits: &Limits) -> Option<Finding> {
    let factor = u64::from(limits.demand_factor);
    let hour = local_hour(now.slot);
    let (mut days, mut most) = (BTreeSet::new(), 0);
    for past in same_hour(now, history).filter(|past| local_hour(past.slot) == hour) {
        let Some(demand) = past.demand else { continue };
        days.insert(local_day(past.slot.start()));
        most = most.max(demand);
    }
    let demand = now.totals.demand;
    let enough = u32::try_from(days.len()).unwrap_or(u32::MAX) >= limits.demand_days && !days.is_empty();
    let unusual = factor > 0 && enough && demand > u64::from(limits.demand_small) && demand > most.saturating_mul(factor);
    let message = || format!("Demand unusual: {demand} patients wait; the most at this hour in 28 days was {most}.");
    unusual.then(|| Finding::new(Rule::Pla04, message()))
}

fn same_hour<'a>(now: &'a Now, history: &'a History) -> impl Iterator<Item = &'a SameHour> {
    history.same_hour.iter().filter(|past| past.received_at <= now.received_at && past.slot < now.slot)
}

/// The share of unknown genders and ages, against the feed's own share in 28 days.
fn coding(now: &Now, history: &History, limits: &Limits) -> Vec<Finding> {
    let usual = same_hour(now, history).filter_map(|past| past.persons).fold(Persons::default(), |sum, persons| Persons {
        counted: sum.counted + persons.counted,
        gender_unknown: sum.gender_unknown + persons.gender_unknown,
        age_unknown: sum.age_unknown + persons.age_unknown,
    });
    // A share of nobody is no share, whatever the limit says.
    if usual.counted.min(now.persons.counted) < u64::from(limits.unknown_persons_fewest).max(1) {
        return Vec::new();
    }
    let share = |unknown: u64, of: u64| unknown.saturating_mul(100) / of.max(1);
    let rise = |what: &str, unknown: u64, usually: u64| {
        let (counted, allowed) = (now.persons.counted, u64::from(limits.unknown_persons_rise));
        // In whole numbers: unknown / counted > usually / usual.counted + allowed / 100.
        let left = unknown.saturating_mul(100).saturating_mul(usual.counted);
        let right = usually.saturating_mul(100).saturating_add(allowed.saturating_mul(usual.counted)).saturating_mul(counted);
        let (share_now, share_before) = (share(unknown, counted), share(usually, usual.counted));
        let message = || format!("Coding quality fell: the {what} of {share_now} % of persons is not known; usually of {share_before} %.");
        (left > right).then(|| Finding::new(Rule::Pla06, message()))
    };
    let persons = now.persons;
    let gender = rise("gender", persons.gender_unknown, usual.gender_unknown);
    gender.into_iter().chain(rise("age", persons.age_unknown, usual.age_unknown)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pla_01_the_allowance_grows_with_the_time_since_and_doubles_at_most() {
        // Open now, open before, slots since, and whether more than 5 beds and 5 % is too large.
        let rows = [
            (945, 900, 1, false),
            (946, 900, 1, true),
            (855, 900, 1, false),
            (854, 900, 1, true),
            (25, 20, 1, false),
            (26, 20, 1, true),
            (967, 900, 9, false),
            (968, 900, 9, true),
            (990, 900, 17, false),
            (991, 900, 17, true),
            (991, 900, 500, true),
            (6, 0, 1, true),
        ];
        for (now, before, slots, expected) in rows {
            assert_eq!(too_large(now, before, 5, 5, slots), expected, "{now} {before} {slots}");
        }
    }
}
