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

/// How a feed counts, for a common cause that is suspected `since` an instant; see [`together_since`].
#[must_use]
pub fn voice(standing: &Standing, since: Timestamp) -> Voice {
    match standing.late_since {
        _ if standing.silence.is_some() => Voice::Unasked,
        Some(late) if since <= late.at => Voice::Silent,
        Some(_) => Voice::Unasked,
        None if standing.never_sent && standing.rejected_since.is_none() => Voice::Unasked,
        None => Voice::Heard,
    }
}

/// Feeds that are silent since this instant, or a later one, fell silent together: as seen at `now`, or when it was `told` at an
/// instant, and goes on.
#[must_use]
pub fn together_since(told: Option<Timestamp>, now: Timestamp) -> Timestamp {
    let seen = told.unwrap_or(now);
    seen.saturating_sub(TOGETHER).unwrap_or(seen)
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
    use crate::schedule::{FeedSchedule, Silence, SilenceKind, judge};

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
            // First slot, seen at, told at, planned, how it counts.
            ("10:00", "10:06", None, false, Voice::Silent),
            ("10:00", "10:35", None, false, Voice::Silent),
            ("10:00", "10:36", None, false, Voice::Unasked),
            ("10:00", "14:00", Some("10:06"), false, Voice::Silent),
            ("10:15", "14:00", Some("10:06"), false, Voice::Silent),
            ("09:00", "14:00", Some("10:06"), false, Voice::Unasked),
            ("10:00", "10:06", None, true, Voice::Unasked),
            ("11:00", "10:06", None, false, Voice::Unasked),
        ];
        for (first, now, told, silence, expected) in rows {
            let silences = if silence { &planned[..] } else { &[] };
            let standing = judge(&schedule, Slot::containing(at(first)), silences, &[], at(now));
            assert_eq!(voice(&standing, together_since(told.map(at), at(now))), expected, "{first} {now} {told:?}");
        }
    }
}
