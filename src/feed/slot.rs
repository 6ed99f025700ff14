//! Slots: the quarters of an hour that the whole system counts in.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use std::fmt;
use std::str::FromStr;

/// How long a slot is.
pub const SLOT_LENGTH: SignedDuration = SignedDuration::from_mins(15);

/// A job that runs a little early belongs to the slot it was meant for: 10:14:58 is 10:15. (domain 6.2)
pub const EARLY_TOLERANCE: SignedDuration = SignedDuration::from_secs(120);

/// The time zone that "local" means.
pub const LONDON: &str = "Europe/London";

/// One quarter of an hour, named by its start in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(Timestamp);

impl Slot {
    /// The slot that a snapshot taken at `at` fills: the quarter that `at` lies in, after the early tolerance.
    ///
    /// ```
    /// use bedfeed::feed::Slot;
    /// let slot = |at: &str| Slot::of_snapshot(at.parse().unwrap()).to_string();
    /// assert_eq!(slot("2018-12-03T10:14:58Z"), "2018-12-03T10:15Z"); // a job that ran a little early
    /// assert_eq!(slot("2018-12-03T10:29:59Z"), "2018-12-03T10:30Z");
    /// assert_eq!(slot("2018-12-03T10:26:00Z"), "2018-12-03T10:15Z");
    /// ```
    #[must_use]
    pub fn of_snapshot(at: Timestamp) -> Self {
        Self::meant_at(at, EARLY_TOLERANCE)
    }

    /// As [`Slot::of_snapshot`], for a feed whose jobs may run `early` before the quarter they are meant for.
    #[must_use]
    pub fn meant_at(at: Timestamp, early: SignedDuration) -> Self {
        Self::containing(at.saturating_add(early).unwrap_or(at))
    }

    /// The slot that contains an instant.
    #[must_use]
    pub fn containing(at: Timestamp) -> Self {
        let seconds = at.as_second();
        let start = seconds - seconds.rem_euclid(SLOT_LENGTH.as_secs());
        Self(Timestamp::from_second(start).unwrap_or(at))
    }

    /// The instant at which the slot starts.
    #[must_use]
    pub fn start(self) -> Timestamp {
        self.0
    }

    /// The slot after this one.
    #[must_use]
    pub fn next(self) -> Self {
        self.plus(1)
    }

    /// The slot before this one.
    #[must_use]
    pub fn previous(self) -> Self {
        self.plus(-1)
    }

    /// The slot `count` slots later, or earlier where `count` is negative. Stops at the ends of time.
    #[must_use]
    pub fn plus(self, count: i32) -> Self {
        let shift = SLOT_LENGTH.saturating_mul(count);
        Self(self.0.saturating_add(shift).unwrap_or(self.0))
    }

    /// The slots from this one up to, and not including, `end`.
    pub fn until(self, end: Self) -> impl Iterator<Item = Self> {
        std::iter::successors(Some(self), |slot| Some(slot.next())).take_while(move |slot| *slot < end)
    }

    /// How many slots `self` lies after `earlier` (negative where it lies before).
    #[must_use]
    pub fn slots_after(self, earlier: Self) -> i64 {
        (self.0.as_second() - earlier.0.as_second()) / SLOT_LENGTH.as_secs()
    }
}

/// The slots of one local calendar day: 96, or 92 and 100 on the days the clocks change.
#[must_use]
pub fn local_day_slots(day: Date, zone: &TimeZone) -> Vec<Slot> {
    let start = day.to_zoned(zone.clone());
    let end = day.checked_add(1.day()).and_then(|next| next.to_zoned(zone.clone()));
    match (start, end) {
        (Ok(start), Ok(end)) => Slot::containing(start.timestamp()).until(Slot::containing(end.timestamp())).collect(),
        _ => Vec::new(),
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.strftime("%Y-%m-%dT%H:%MZ").to_string())
    }
}

/// Reads any RFC 3339 instant that is the start of a slot.
impl FromStr for Slot {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let at: Timestamp = text.parse().map_err(|_| format!("{text} is not a time such as 2018-12-03T10:15Z"))?;
        let slot = Self::containing(at);
        if slot.start() == at { Ok(slot) } else { Err(format!("{text} is not the start of a quarter of an hour")) }
    }
}

impl serde::Serialize for Slot {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Slot {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <String as serde::Deserialize>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_snapshot_belongs_to_the_quarter_it_was_meant_for() {
        let rows = [
            ("2018-12-03T10:15:00Z", "2018-12-03T10:15Z"),
            ("2018-12-03T10:14:58Z", "2018-12-03T10:15Z"),
            ("2018-12-03T10:13:00Z", "2018-12-03T10:15Z"),
            ("2018-12-03T10:12:59Z", "2018-12-03T10:00Z"),
            ("2018-12-03T10:29:59Z", "2018-12-03T10:30Z"),
            ("1969-12-31T23:50:00Z", "1969-12-31T23:45Z"),
        ];
        for (snapshot, slot) in rows {
            assert_eq!(Slot::of_snapshot(at(snapshot)).to_string(), slot, "{snapshot}");
        }
    }

    #[test]
    fn a_local_day_has_92_96_or_100_slots() {
        let zone = TimeZone::get(LONDON).unwrap();
        let rows = [("2018-10-28", 100), ("2019-03-31", 92), ("2018-12-03", 96), ("2020-02-29", 96)];
        for (day, count) in rows {
            assert_eq!(local_day_slots(day.parse().unwrap(), &zone).len(), count, "{day}");
        }
    }

    #[test]
    fn a_slot_reads_back_what_it_writes() {
        let slot = Slot::containing(at("2018-12-03T10:22:00Z"));
        assert_eq!(slot.to_string().parse::<Slot>().unwrap(), slot);
        assert!("2018-12-03T10:16Z".parse::<Slot>().is_err());
        assert_eq!(slot.next().slots_after(slot.previous()), 2);
    }
}
