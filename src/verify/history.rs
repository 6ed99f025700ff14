//! The past: what was accepted from a feed, as an argument, so that rules which need it replay identically.
//!
//! Owns which part of the past a delivery may be compared with. Refuses to fetch it, and row values: only sums are kept.

use crate::feed::{Coverage, DeliveryId, Digest, LONDON, Persons, Slot, Totals, Version, current};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use std::collections::BTreeMap;

/// How far back accepted snapshots are looked at: older files are held for a person anyway. No limit may ask for more.
pub const REACH: SignedDuration = SignedDuration::from_hours(48);

/// Slots within that reach.
pub const REACH_SLOTS: u64 = 192;

/// Days of the same hour that demand and coding are compared with.
const DAYS: i32 = 28;

/// Slots of an hour.
const SLOTS_OF_AN_HOUR: i32 = 4;

/// What was accepted from a feed lately.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// Accepted snapshots, oldest first, whenever they came.
    pub accepted: Vec<PastSnapshot>,
    /// What the same hour of the day looked like on the 28 days before, as far as it was accepted.
    pub same_hour: Vec<SameHour>,
}

/// One accepted snapshot of the past.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastSnapshot {
    /// The delivery that led it.
    pub lead: DeliveryId,
    /// The names and hashes of its files.
    pub files: Vec<(String, Digest)>,
    /// When the last of its files arrived.
    pub received_at: Timestamp,
    /// The slot it filled.
    pub slot: Slot,
    /// The first version within the slot that its delivery became.
    pub first: u32,
    /// Its version within the slot.
    pub version: u32,
    /// When its figures were true.
    pub snapshot_at: Timestamp,
    /// The sender's running number.
    pub sequence: Option<u32>,
    /// The hash of its content.
    pub content: Digest,
    /// What it told of; `None`: both beds and demand.
    pub coverage: Option<Coverage>,
    /// Its sums.
    pub totals: Totals,
    /// A number that equal lines have in common; `None`: accepted before such numbers were kept.
    pub fingerprint: Option<u64>,
}

impl PastSnapshot {
    /// Its demand, where it told of it.
    #[must_use]
    pub fn demand(&self) -> Option<u64> {
        self.coverage.is_none_or(|coverage| coverage.demand).then_some(self.totals.demand)
    }

    /// What decides whether it counts among its slot's versions.
    #[must_use]
    pub fn as_version(&self) -> Version {
        Version { lead: self.lead, first: self.first, version: self.version, sequence: self.sequence, snapshot_at: self.snapshot_at }
    }

    /// Whether it told of beds.
    #[must_use]
    pub fn has_beds(&self) -> bool {
        self.coverage.is_none_or(|coverage| coverage.beds)
    }
}

/// The sums of one slot of the same hour on an earlier day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SameHour {
    /// The slot.
    pub slot: Slot,
    /// When it arrived.
    pub received_at: Timestamp,
    /// Demand, where it was told.
    pub demand: Option<u64>,
    /// How well persons were coded; `None`: accepted before that was counted.
    pub persons: Option<Persons>,
}

impl History {
    /// The accepted delivery that a whole snapshot repeats: same slot, same content. Whenever it came: a file that is
    /// released after its repetition was loaded must not be loaded again.
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

    /// What was accepted of earlier slots from deliveries that came no later than one: of each slot the version that counted
    /// then, the nearest slot first. What arrived since makes no difference, so judging again gives the same verdict.
    #[must_use]
    pub fn before(&self, slot: Slot, received_at: Timestamp) -> Vec<&PastSnapshot> {
        let mut slots: BTreeMap<Slot, Vec<&PastSnapshot>> = BTreeMap::new();
        for past in self.until(received_at).filter(|past| past.slot < slot) {
            slots.entry(past.slot).or_default().push(past);
        }
        slots.values().rev().filter_map(|versions| that_counts(versions)).collect()
    }

    /// The version of a slot that counted when a delivery came.
    #[must_use]
    pub fn current_of(&self, slot: Slot, received_at: Timestamp) -> Option<&PastSnapshot> {
        that_counts(&self.until(received_at).filter(|past| past.slot == slot).collect::<Vec<_>>())
    }

    /// What was accepted from deliveries that came no later than one.
    pub fn until(&self, received_at: Timestamp) -> impl Iterator<Item = &PastSnapshot> {
        self.accepted.iter().filter(move |past| past.received_at <= received_at)
    }
}

fn that_counts<'a>(versions: &[&'a PastSnapshot]) -> Option<&'a PastSnapshot> {
    if let [only] = versions {
        return Some(only);
    }
    let ranked: Vec<Version> = versions.iter().map(|past| past.as_version()).collect();
    let counts = current(&ranked)?;
    versions.iter().find(|past| past.as_version() == *counts).copied()
}

/// The hour of the day, 0 to 23, by the clocks on the wall.
#[must_use]
pub fn local_hour(slot: Slot) -> i8 {
    on_the_wall(slot).hour()
}

/// A slot's start as clocks on the wall show it: the same for two slots in October's repeated hour.
#[must_use]
pub fn on_the_wall(slot: Slot) -> DateTime {
    slot.start().to_zoned(london()).datetime()
}

/// The slots of the same local hour on the 28 days before, the nearest day first. An hour that the clocks skipped is the one
/// after it; of an hour that came twice, the first counts.
#[must_use]
pub fn same_hour_slots(slot: Slot) -> Vec<Slot> {
    let local = on_the_wall(slot);
    let hours = (1..=DAYS).filter_map(|day| {
        let hour = local.date().checked_sub(day.days()).ok()?.at(local.hour(), 0, 0, 0);
        Some(Slot::containing(london().to_ambiguous_zoned(hour).compatible().ok()?.timestamp()))
    });
    hours.flat_map(|first| (0..SLOTS_OF_AN_HOUR).map(move |on| first.plus(on))).collect()
}

fn london() -> TimeZone {
    TimeZone::get(LONDON).unwrap_or(TimeZone::UTC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_hour_is_the_one_on_the_wall_whatever_the_clocks_did() {
        let rows = [
            // Slot, hour on the wall, the first slot of that hour a day and 28 days before.
            ("2018-12-03T10:45Z", 10, "2018-12-02T10:00Z", "2018-11-05T10:00Z"),
            ("2018-10-28T12:00Z", 12, "2018-10-27T11:00Z", "2018-09-30T11:00Z"),
            ("2019-04-01T00:15Z", 1, "2019-03-31T01:00Z", "2019-03-04T01:00Z"),
            ("2018-10-29T01:00Z", 1, "2018-10-28T00:00Z", "2018-10-01T00:00Z"),
        ];
        for (slot, hour, day, month) in rows {
            let slot: Slot = slot.parse().unwrap();
            let slots = same_hour_slots(slot);
            assert_eq!((local_hour(slot), slots.len()), (hour, 112), "{slot}");
            assert_eq!((slots[0].to_string(), slots[108].to_string()), (day.to_owned(), month.to_owned()), "{slot}");
        }
    }
}
