//! Common cause: whether so many feeds fell silent together that our own network or host is the likelier cause. Pure.
//!
//! Owns the share of feeds that is enough. While it is so, one alert says "look at our side", and the silence of single feeds is not
//! told: whoever is called would be sent to ring every provider. Once it is not so any more, what is still silent is told.

use crate::schedule::Standing;
use jiff::{SignedDuration, Timestamp};

/// The fewest feeds that can be silent together.
const FEWEST: usize = 3;

/// Feeds that fell silent within so much time did so together: the time of two slots.
const TOGETHER: SignedDuration = SignedDuration::from_mins(30);

/// How many feeds fell silent together, and of how many that could have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Common {
    /// Feeds that fell silent together.
    pub silent: usize,
    /// These and the feeds that are not silent. Whoever was silent before, or is planned to be, is no evidence for either.
    pub of: usize,
}

/// How a feed counts for the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voice {
    /// It fell silent since the instant asked for.
    Silent,
    /// It is not silent.
    Heard,
    /// It was silent before, it is planned to be, or nothing was due yet.
    Unasked,
}

/// How a feed counts, for those that fell silent `together`. One that never sent is no evidence: it may not be there yet.
#[must_use]
pub fn voice(standing: &Standing, together: &Together) -> Voice {
    match standing.late_since {
        _ if standing.silence.is_some() || standing.never_sent => Voice::Unasked,
        Some(late) if together.covers(late.at) => Voice::Silent,
        Some(_) => Voice::Unasked,
        None => Voice::Heard,
    }
}

/// The stretch in which whoever fell silent did so together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Together {
    from: Timestamp,
    until: Timestamp,
}

impl Together {
    /// As seen at `now`; or when it was `told` at an instant, and goes on: whoever falls silent long after that does so by itself.
    #[must_use]
    pub fn of(told: Option<Timestamp>, now: Timestamp) -> Self {
        let seen = told.unwrap_or(now);
        let from = seen.saturating_sub(TOGETHER).unwrap_or(seen);
        let until = told.map_or(now, |told| told.saturating_add(TOGETHER).unwrap_or(told));
        Self { from, until }
    }

    /// Whether a feed that is late since an instant fell silent with the others.
    #[must_use]
    pub fn covers(&self, late: Timestamp) -> bool {
        self.from <= late && late <= self.until
    }
}

/// Whether more than half of the feeds that could have, and three at least, fell silent together.
#[must_use]
pub fn common_cause(voices: impl Iterator<Item = Voice>) -> Option<Common> {
    let (mut silent, mut heard) = (0, 0);
    for voice in voices {
        match voice {
            Voice::Silent => silent += 1,
            Voice::Heard => heard += 1,
            Voice::Unasked => {}
        }
    }
    (silent >= FEWEST && silent > heard).then_some(Common { silent, of: silent + heard })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::Slot;
    use crate::schedule::{Arrival, FeedSchedule, Silence, SilenceKind, judge};

    #[test]
    fn more_than_half_and_three_at_least_are_enough() {
        // S: silent, H: heard, U: unasked; and how many of how many.
        let rows = [
            ("", None),
            ("SS", None),
            ("SSS", Some((3, 3))),
            ("SSSHHH", None),
            ("SSSHH", Some((3, 5))),
            ("SSSSHH", Some((4, 6))),
            ("SSUUUUUU", None),
            ("SSSUUUUUUUU", Some((3, 3))),
            ("HHHHHH", None),
        ];
        for (voices, expected) in rows {
            let voices = voices.chars().map(|voice| match voice {
                'S' => Voice::Silent,
                'H' => Voice::Heard,
                _ => Voice::Unasked,
            });
            assert_eq!(common_cause(voices.clone()).map(|common| (common.silent, common.of)), expected, "{voices:?}");
        }
    }

    #[test]
    fn a_feed_counts_by_when_it_fell_silent() {
        let at = |clock: &str| format!("2018-12-03T{clock}:00Z").parse::<Timestamp>().unwrap();
        let schedule = FeedSchedule::new("RM1".parse().unwrap());
        let planned = [Silence { from: at("10:00"), until: None, kind: SilenceKind::Planned }];
        let rows = [
            // First slot that is not filled, seen at, told at, planned, how it counts.
            ("10:00", "10:06", None, false, Voice::Silent),
            ("10:00", "10:35", None, false, Voice::Silent),
            ("10:00", "10:36", None, false, Voice::Unasked),
            ("10:00", "14:00", Some("10:06"), false, Voice::Silent),
            ("10:15", "14:00", Some("10:06"), false, Voice::Silent),
            ("09:00", "14:00", Some("10:06"), false, Voice::Unasked),
            ("10:45", "14:00", Some("10:06"), false, Voice::Unasked),
            ("10:00", "10:06", None, true, Voice::Unasked),
            ("11:00", "10:06", None, false, Voice::Heard),
        ];
        for (first, now, told, silence, expected) in rows {
            let silences = if silence { &planned[..] } else { &[] };
            let before = Slot::containing(at(first)).previous();
            let came = Arrival {
                slot: Some(before),
                snapshot_at: Some(before.start()),
                received_at: before.start(),
                accepted: true,
                superseded: false,
                repeated: false,
                frozen: false,
            };
            let together = Together::of(told.map(at), at(now));
            let standing = judge(&schedule, before, silences, &[came], at(now));
            assert_eq!(voice(&standing, &together), expected, "{first} {now} {told:?}");
            let never = judge(&schedule, Slot::containing(at(first)), silences, &[], at(now));
            assert_eq!(voice(&never, &together), Voice::Unasked, "{first} {now} {told:?}: it never sent");
        }
    }
}
