//! Times: a text and a mapping's formats become an instant, clock changes and all (F10).
//!
//! Owns what the repeated hour in October and the missing one in March become. Refuses clocks: the moment that a time cannot
//! lie after is an argument: the snapshot, for what its rows tell of. Which of two readings a snapshot time itself has is
//! settled with the feed's recent past, in `verify::repeated_hour`.

use super::mapping::{MarchGap, SourceZone};
use crate::feed::{LONDON, RepeatedBy};
use jiff::civil::{Date, DateTime};
use jiff::fmt::strtime;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use jiff::{SignedDuration, Timestamp, ToSpan};
use std::sync::LazyLock;

/// How far ahead of a known moment (receipt, or the snapshot) a source's clock may be.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);

/// Longest text that is read as a time; longer than any format. Some looks at a text cost its length squared.
const MAX_TIME_BYTES: usize = 64;

/// Years before this are a two-digit year misread, not a time in a bed-state file.
const FIRST_YEAR: i16 = 1900;

/// The rule in force since 1996, for a machine without a time zone database.
const LONDON_RULE: &str = "GMT0BST,M3.5.0/1,M10.5.0/2";

static LONDON_ZONE: LazyLock<TimeZone> =
    LazyLock::new(|| TimeZone::get(LONDON).or_else(|_| TimeZone::posix(LONDON_RULE)).unwrap_or(TimeZone::UTC));

/// An instant, and how it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The instant.
    pub at: Timestamp,
    /// How it was found; kept with every file.
    pub how: How,
}

/// How an instant was found.
pub use crate::feed::{TimeRule as How, UkClock};

/// What a text says: one instant, or the two that a local time in October's repeated hour may mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// One instant.
    Sure(Resolved),
    /// Two, an hour apart.
    Twice {
        /// By British Summer Time.
        first: Timestamp,
        /// By Greenwich Mean Time.
        second: Timestamp,
    },
}

impl Reading {
    /// The instants it may mean, the earlier first.
    pub fn candidates(self) -> impl Iterator<Item = Timestamp> {
        let (first, second) = match self {
            Self::Sure(resolved) => (resolved.at, None),
            Self::Twice { first, second } => (first, Some(second)),
        };
        std::iter::once(first).chain(second)
    }

    /// The one of two readings that is the later, unless it is after what must come later, but for five minutes.
    fn not_after(self, limit: Timestamp) -> Resolved {
        match self {
            Self::Sure(resolved) => resolved,
            Self::Twice { first, second } => {
                let (at, chosen) = if is_past(second, limit) { (second, UkClock::Gmt) } else { (first, UkClock::Bst) };
                Resolved { at, how: How::RepeatedHour { chosen, by: RepeatedBy::Receipt } }
            }
        }
    }
}

/// Whether an instant is not after a known moment, but for the five minutes that a source's clock may be ahead.
#[must_use]
pub fn is_past(at: Timestamp, known: Timestamp) -> bool {
    at <= known.saturating_add(AHEAD).unwrap_or(known)
}

/// Why a text is not an instant.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum TimeProblem {
    /// It fits none of the agreed formats, or says a date or time that does not exist on any clock.
    #[error("the time cannot be read in the agreed format")]
    Unreadable,
    /// The clocks skip it in March (TIM-05).
    #[error("the time does not exist in {LONDON}: the clocks skip it")]
    Missing,
}

/// Reads a time. RFC 3339 with an offset, and an offset, ` BST` or ` GMT` after the format, are understood whatever the formats say; 24:00 is
/// midnight of the next day; a sixtieth second is refused. `not_after` chooses between the two readings of the repeated hour:
/// the later one that is not after it, but for five minutes.
///
/// # Errors
/// [`TimeProblem::Unreadable`] where no format fits; [`TimeProblem::Missing`] for the hour skipped in March, where the
/// mapping does not shift it.
pub fn resolve(text: &str, formats: &[String], zone: SourceZone, gap: MarchGap, not_after: Timestamp) -> Result<Resolved, TimeProblem> {
    Ok(read(text, formats, zone, gap)?.not_after(not_after))
}

/// Reads a time as [`resolve`] does, without choosing between the two readings of the repeated hour.
///
/// # Errors
/// As [`resolve`].
pub fn read(text: &str, formats: &[String], zone: SourceZone, gap: MarchGap) -> Result<Reading, TimeProblem> {
    let text = text.trim();
    if text.len() > MAX_TIME_BYTES {
        return Err(TimeProblem::Unreadable);
    }
    if let Some(at) = with_offset(text) {
        return Ok(Reading::Sure(Resolved { at, how: How::Offset }));
    }
    let (body, said) = match text.rsplit_once(char::is_whitespace) {
        Some((body, clock)) if clock.eq_ignore_ascii_case("BST") => (body.trim_end(), Some(Offset::constant(1))),
        Some((body, clock)) if clock.eq_ignore_ascii_case("GMT") => (body.trim_end(), Some(Offset::UTC)),
        _ => (text, None),
    };
    let fitting = |body: &str| formats.iter().find_map(|format| civil_time(body, format));
    // The formats first: where one ends in a date, `03-12-2018` has no offset of 20 hours and 18 minutes.
    let ending = || split_offset(text).and_then(|(body, offset)| Some((fitting(body)?.0, Some(offset))));
    let (civil, offset) = fitting(body).or_else(ending).ok_or(TimeProblem::Unreadable)?;
    match said.or(offset) {
        Some(offset) => {
            let at = offset.to_timestamp(civil).map_err(|_| TimeProblem::Unreadable)?;
            Ok(Reading::Sure(Resolved { at, how: How::Offset }))
        }
        None => read_civil(civil, zone, gap),
    }
}

/// Reads a date and time without an offset, such as a file name's.
///
/// # Errors
/// As [`resolve`].
pub fn read_civil(civil: DateTime, zone: SourceZone, gap: MarchGap) -> Result<Reading, TimeProblem> {
    let instant = |offset: Offset| offset.to_timestamp(civil).map_err(|_| TimeProblem::Unreadable);
    let sure = |offset, how| Ok(Reading::Sure(Resolved { at: instant(offset)?, how }));
    if zone == SourceZone::FixedGmt {
        return sure(Offset::UTC, How::FixedGmt);
    }
    match LONDON_ZONE.to_ambiguous_timestamp(civil).offset() {
        AmbiguousOffset::Unambiguous { offset } => sure(offset, How::Local),
        AmbiguousOffset::Gap { before, .. } => match gap {
            MarchGap::Reject => Err(TimeProblem::Missing),
            MarchGap::ShiftForward => sure(before, How::ShiftedForward),
        },
        AmbiguousOffset::Fold { before, after } => Ok(Reading::Twice { first: instant(before)?, second: instant(after)? }),
    }
}

/// Whether a local time comes twice: it lies in the hour that October repeats.
#[must_use]
pub fn comes_twice(civil: DateTime) -> bool {
    matches!(read_civil(civil, SourceZone::London, MarchGap::Reject), Ok(Reading::Twice { .. }))
}

/// Reads a date by formats tried in order; a time of day in the format is read and left out.
#[must_use]
pub fn date(text: &str, formats: &[String]) -> Option<Date> {
    let text = text.trim();
    if text.len() > MAX_TIME_BYTES {
        return None;
    }
    formats.iter().find_map(|format| strtime::parse(format, text).ok()?.to_date().ok()).filter(|date| date.year() >= FIRST_YEAR)
}

/// The local calendar day of an instant.
#[must_use]
pub fn local_day(at: Timestamp) -> Date {
    LONDON_ZONE.to_datetime(at).date()
}

/// Splits a text that ends in an offset: `Z`, `+01`, `+0100` or `+01:00`, with or without a space before it.
fn split_offset(text: &str) -> Option<(&str, Offset)> {
    /// No place on earth is further from Greenwich.
    const MOST_HOURS: i32 = 14;
    if let Some(body) = text.strip_suffix(['Z', 'z']) {
        return Some((body.trim_end(), Offset::UTC));
    }
    let (body, said) = text.split_at_checked(text.rfind(['+', '-'])?)?;
    let digits = |text: &str| (text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse::<i32>().ok())?;
    let (hours, minutes) = said.get(1..)?.split_at_checked(2)?;
    let minutes = if minutes.is_empty() { 0 } else { digits(minutes.strip_prefix(':').unwrap_or(minutes))? };
    let hours = digits(hours).filter(|hours| *hours <= MOST_HOURS)?;
    let ahead = if said.starts_with('-') { -1 } else { 1 };
    let offset = Offset::from_seconds(ahead * (hours * 60 + minutes) * 60).ok().filter(|_| minutes < 60)?;
    Some((body.trim_end(), offset))
}

fn with_offset(text: &str) -> Option<Timestamp> {
    let at: Timestamp = text.parse().ok()?;
    // jiff reads a sixtieth second as the fifty-ninth; where it did, another second makes another instant.
    let leap = swapped(text, "60", "58").any(|other| other.parse::<Timestamp>().is_ok_and(|other| at.as_second() - other.as_second() == 1));
    (!leap).then_some(at)
}

fn civil_time(text: &str, format: &str) -> Option<(DateTime, Option<Offset>)> {
    let read = |text: &str| {
        let parsed = strtime::parse(format, text).ok()?;
        Some((parsed.to_datetime().ok()?, parsed.offset()))
    };
    let found = match read(text) {
        // As in `with_offset`.
        Some((civil, _)) if civil.second() == 59 && swapped(text, "60", "58").any(|t| read(&t).is_some_and(|(c, _)| c.second() == 58)) => {
            None
        }
        Some(found) => Some(found),
        // Only an hour can be wrong as 24 and right as 00: there is no month or day 00.
        None => swapped(text, "24", "00").find_map(|text| {
            let (civil, offset) = read(&text)?;
            let midnight = civil.time() == jiff::civil::Time::midnight();
            midnight.then(|| civil.checked_add(1.day()).ok().map(|next| (next, offset)))?
        }),
    };
    found.filter(|(civil, _)| civil.year() >= FIRST_YEAR)
}

/// The text with one occurrence of a piece changed, for each occurrence.
fn swapped<'t>(text: &'t str, from: &'t str, to: &'t str) -> impl Iterator<Item = String> + 't {
    text.match_indices(from).filter_map(move |(at, _)| {
        let (before, rest) = text.split_at_checked(at)?;
        Some(format!("{before}{to}{}", rest.strip_prefix(from)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECEIVED: &str = "2018-12-03T10:17:00Z";

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn found(text: &str, format: &str, zone: SourceZone, gap: MarchGap, received: &str) -> Result<(String, How), TimeProblem> {
        resolve(text, &[format.to_owned()], zone, gap, at(received)).map(|r| (r.at.to_string(), r.how))
    }

    #[test]
    fn times_are_read_as_each_source_writes_them() {
        let uk = "%d/%m/%Y %H:%M";
        let iso = "%Y-%m-%dT%H:%M:%S";
        let rows = [
            ("03/12/2018 10:15", uk, Ok(("2018-12-03T10:15:00Z", How::Local))),
            (" 03/12/2018 10:15 ", uk, Ok(("2018-12-03T10:15:00Z", How::Local))),
            ("03/07/2018 10:15", uk, Ok(("2018-07-03T09:15:00Z", How::Local))),
            ("2018-12-03T10:15:02", iso, Ok(("2018-12-03T10:15:02Z", How::Local))),
            ("20181203101500", "%Y%m%d%H%M%S", Ok(("2018-12-03T10:15:00Z", How::Local))),
            ("03 Dec 2018 10:15:00", "%d %b %Y %H:%M:%S", Ok(("2018-12-03T10:15:00Z", How::Local))),
            // An offset in the value always wins.
            ("2018-07-03T10:15:00Z", uk, Ok(("2018-07-03T10:15:00Z", How::Offset))),
            ("2018-07-03T10:15:00+01:00", uk, Ok(("2018-07-03T09:15:00Z", How::Offset))),
            ("03/07/2018 10:15 GMT", uk, Ok(("2018-07-03T10:15:00Z", How::Offset))),
            ("28/10/2018 01:30 BST", uk, Ok(("2018-10-28T00:30:00Z", How::Offset))),
            ("28/10/2018 01:30 gmt", uk, Ok(("2018-10-28T01:30:00Z", How::Offset))),
            // Midnight at the end of a day.
            ("03/12/2018 24:00", uk, Ok(("2018-12-04T00:00:00Z", How::Local))),
            ("24/12/2018 24:00", uk, Ok(("2018-12-25T00:00:00Z", How::Local))),
            ("20181231240000", "%Y%m%d%H%M%S", Ok(("2019-01-01T00:00:00Z", How::Local))),
            ("2024-12-31T24:00:00", iso, Ok(("2025-01-01T00:00:00Z", How::Local))),
            ("03/12/2018 24:15", uk, Err(TimeProblem::Unreadable)),
            ("24/24/2018 00:00", uk, Err(TimeProblem::Unreadable)),
            // What nobody's clock shows.
            ("30/02/2018 10:15", uk, Err(TimeProblem::Unreadable)),
            ("12/31/2018 10:15", uk, Err(TimeProblem::Unreadable)),
            ("2018-12-03T10:15:60", iso, Err(TimeProblem::Unreadable)),
            ("2018-12-03T10:59:60", iso, Err(TimeProblem::Unreadable)),
            ("2018-12-03T10:15:60Z", iso, Err(TimeProblem::Unreadable)),
            ("2018-12-03T10:15:59", iso, Ok(("2018-12-03T10:15:59Z", How::Local))),
            ("2060-12-03T10:15:59", iso, Ok(("2060-12-03T10:15:59Z", How::Local))),
            ("03/12/18 10:15", uk, Err(TimeProblem::Unreadable)),
            ("03/12/2018", uk, Err(TimeProblem::Unreadable)),
            ("03/12/2018 10:15 or so", uk, Err(TimeProblem::Unreadable)),
            ("", uk, Err(TimeProblem::Unreadable)),
        ];
        for (text, format, expected) in rows {
            let got = found(text, format, SourceZone::London, MarchGap::Reject, RECEIVED);
            assert_eq!(got, expected.map(|(at, how)| (at.to_owned(), how)), "{text:?}");
        }
    }

    #[test]
    fn an_offset_after_a_time_is_understood_whatever_the_format_says() {
        let formats = [
            ("%d/%m/%Y %H:%M", "03/07/2018 10:15"),
            ("%d/%m/%Y %H:%M:%S", "03/07/2018 10:15:00"),
            ("%d-%m-%Y %H:%M", "03-07-2018 10:15"),
            ("%d %b %Y %H:%M:%S", "03 Jul 2018 10:15:00"),
            ("%Y-%m-%d %H:%M", "2018-07-03 10:15"),
            ("%Y-%m-%dT%H:%M:%S", "2018-07-03T10:15:00"),
            ("%Y%m%d%H%M%S", "20180703101500"),
            ("%Y%m%d%H%M", "201807031015"),
            ("%H:%M %d-%m-%Y", "10:15 03-07-2018"),
        ];
        let offsets = [
            ("", "2018-07-03T09:15:00Z", How::Local),
            ("Z", "2018-07-03T10:15:00Z", How::Offset),
            (" Z", "2018-07-03T10:15:00Z", How::Offset),
            (" GMT", "2018-07-03T10:15:00Z", How::Offset),
            (" BST", "2018-07-03T09:15:00Z", How::Offset),
            ("+00:00", "2018-07-03T10:15:00Z", How::Offset),
            (" +00:00", "2018-07-03T10:15:00Z", How::Offset),
            ("+0000", "2018-07-03T10:15:00Z", How::Offset),
            ("+01:00", "2018-07-03T09:15:00Z", How::Offset),
            (" +0100", "2018-07-03T09:15:00Z", How::Offset),
            ("+01", "2018-07-03T09:15:00Z", How::Offset),
            ("-05:00", "2018-07-03T15:15:00Z", How::Offset),
        ];
        for (format, text) in formats {
            for (offset, expected, how) in offsets {
                let text = format!("{text}{offset}");
                let got = found(&text, format, SourceZone::London, MarchGap::Reject, RECEIVED);
                assert_eq!(got, Ok((expected.to_owned(), how)), "{text:?} by {format}");
            }
            for wrong in ["+1", "+1:00", "+01:60", "+01:0", "+", "+é1", " X"] {
                let text = format!("{text}{wrong}");
                let got = found(&text, format, SourceZone::London, MarchGap::Reject, RECEIVED);
                assert_eq!(got, Err(TimeProblem::Unreadable), "{text:?} by {format}");
            }
        }
        // An hour that comes twice, or not at all, is one instant with its offset.
        let uk = "%d/%m/%Y %H:%M";
        let rows = [
            ("28/10/2018 01:30+01:00", "2018-10-28T00:30:00Z"),
            ("28/10/2018 01:30Z", "2018-10-28T01:30:00Z"),
            ("31/03/2019 01:30Z", "2019-03-31T01:30:00Z"),
            ("03/12/2018 24:00Z", "2018-12-04T00:00:00Z"),
        ];
        for (text, expected) in rows {
            let got = found(text, uk, SourceZone::London, MarchGap::Reject, RECEIVED);
            assert_eq!(got, Ok((expected.to_owned(), How::Offset)), "{text}");
        }
    }

    /// Every quarter of an hour of a local night, with the file arriving three minutes after it was made.
    fn night(day: &str, from: &str, slots: i64, zone: SourceZone, gap: MarchGap) -> Vec<Result<(String, How), TimeProblem>> {
        let start = at(from);
        (0..slots)
            .map(|n| {
                let made = start.saturating_add(SignedDuration::from_mins(15 * n)).unwrap();
                let shown = match zone {
                    SourceZone::London => LONDON_ZONE.to_datetime(made),
                    SourceZone::FixedGmt => TimeZone::UTC.to_datetime(made),
                };
                let text = shown.strftime("%d/%m/%Y %H:%M").to_string();
                assert!(shown.date().to_string() == day, "{text}");
                let received = made.saturating_add(SignedDuration::from_mins(3)).unwrap();
                found(&text, "%d/%m/%Y %H:%M", zone, gap, &received.to_string())
            })
            .collect()
    }

    #[test]
    fn every_slot_of_the_night_of_28_october_2018_is_found_again() {
        let found = night("2018-10-28", "2018-10-27T23:00:00Z", 20, SourceZone::London, MarchGap::Reject);
        for (n, found) in found.into_iter().enumerate() {
            let made = at("2018-10-27T23:00:00Z").saturating_add(SignedDuration::from_mins(15 * i64::try_from(n).unwrap())).unwrap();
            let how = match n {
                4..8 => How::RepeatedHour { chosen: UkClock::Bst, by: RepeatedBy::Receipt },
                8..12 => How::RepeatedHour { chosen: UkClock::Gmt, by: RepeatedBy::Receipt },
                _ => How::Local,
            };
            assert_eq!(found, Ok((made.to_string(), how)), "slot {n}");
        }
    }

    #[test]
    fn a_repeated_hour_that_arrives_late_is_the_later_one() {
        // 01:30 read hours afterwards: both readings are past, the nearer is GMT.
        let got = found("28/10/2018 01:30", "%d/%m/%Y %H:%M", SourceZone::London, MarchGap::Reject, "2018-10-28T05:00:00Z");
        assert_eq!(got, Ok(("2018-10-28T01:30:00Z".to_owned(), How::RepeatedHour { chosen: UkClock::Gmt, by: RepeatedBy::Receipt })));
        // Both readings lie ahead of the receipt: the earlier is the smaller error.
        let got = found("28/10/2018 01:30", "%d/%m/%Y %H:%M", SourceZone::London, MarchGap::Reject, "2018-10-27T22:00:00Z");
        assert_eq!(got, Ok(("2018-10-28T00:30:00Z".to_owned(), How::RepeatedHour { chosen: UkClock::Bst, by: RepeatedBy::Receipt })));
    }

    #[test]
    fn every_slot_of_the_night_of_31_march_2019_is_found_again() {
        for zone in [SourceZone::London, SourceZone::FixedGmt] {
            let found = night("2019-03-31", "2019-03-31T00:00:00Z", 16, zone, MarchGap::Reject);
            let how = if zone == SourceZone::London { How::Local } else { How::FixedGmt };
            for (n, found) in found.into_iter().enumerate() {
                let made = at("2019-03-31T00:00:00Z").saturating_add(SignedDuration::from_mins(15 * i64::try_from(n).unwrap())).unwrap();
                assert_eq!(found, Ok((made.to_string(), how)), "{zone:?} slot {n}");
            }
        }
    }

    #[test]
    fn the_missing_hour_is_refused_or_shifted_as_the_mapping_says() {
        let shifted = |at: &str| Ok((at.to_owned(), How::ShiftedForward));
        let rows = [
            ("31/03/2019 00:59", Ok(("2019-03-31T00:59:00Z".to_owned(), How::Local)), None),
            ("31/03/2019 01:00", Err(TimeProblem::Missing), Some(shifted("2019-03-31T01:00:00Z"))),
            ("31/03/2019 01:59", Err(TimeProblem::Missing), Some(shifted("2019-03-31T01:59:00Z"))),
            ("31/03/2019 02:00", Ok(("2019-03-31T01:00:00Z".to_owned(), How::Local)), None),
        ];
        for (text, reject, shift) in rows {
            let received = "2019-03-31T02:00:00Z";
            let shift = shift.unwrap_or_else(|| reject.clone());
            assert_eq!(found(text, "%d/%m/%Y %H:%M", SourceZone::London, MarchGap::Reject, received), reject, "{text}");
            assert_eq!(found(text, "%d/%m/%Y %H:%M", SourceZone::London, MarchGap::ShiftForward, received), shift, "{text}");
        }
    }

    #[test]
    fn a_machine_without_a_time_zone_database_keeps_the_same_clocks() {
        let rule = TimeZone::posix(LONDON_RULE).unwrap();
        let known = TimeZone::get(LONDON).unwrap();
        for hours in 0..(24 * 400) {
            let at = at("2018-01-01T00:30:00Z").saturating_add(SignedDuration::from_hours(hours)).unwrap();
            assert_eq!(rule.to_datetime(at), known.to_datetime(at));
        }
    }

    #[test]
    fn dates_and_local_days_are_read() {
        let formats = ["%Y%m%d".to_owned(), "%d/%m/%Y".to_owned()];
        let rows =
            [("19350214", Some("1935-02-14")), ("14/02/1935", Some("1935-02-14")), ("19350230", None), ("14/02/35", None), ("", None)];
        for (text, expected) in rows {
            assert_eq!(date(text, &formats).map(|d| d.to_string()).as_deref(), expected, "{text}");
        }
        assert_eq!(local_day(at("2018-07-03T23:15:00Z")).to_string(), "2018-07-04");
        assert_eq!(local_day(at("2018-12-03T23:15:00Z")).to_string(), "2018-12-03");
    }
}
