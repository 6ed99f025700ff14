//! Local time for people: one format on receipts, alerts and pages, and one way to read what they type.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone};

/// An instant as people say it where they are, with the zone's abbreviation, as in `Mon 3 Dec 2018 10:15 GMT`.
///
/// The abbreviation tells the two 01:15 of an October night apart.
#[must_use]
pub fn local_text(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%a %-d %b %Y %H:%M %Z").to_string()
}

/// The day that an instant falls on where people are.
#[must_use]
pub fn local_date(at: Timestamp, zone: &TimeZone) -> Date {
    zone.to_datetime(at).date()
}

/// Reads a time that a person typed: an instant such as `2018-12-03T22:00Z`, or a local time such as `2018-12-03T22:00` (also with
/// a blank for the `T`) where it is unambiguous. Seconds may be left out; parts of one are cut off.
///
/// # Errors
/// It is no time, or the clocks change just then: in words, with the two instants that may be meant.
pub fn read_local(text: &str, zone: &TimeZone) -> Result<Timestamp, String> {
    let whole = |at: Timestamp| Timestamp::from_second(at.as_second()).unwrap_or(at);
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(whole(at));
    }
    // Read as a local time, an offset that is not understood would be dropped without a word.
    let local = text.len() <= "2018-12-03T22:00:00.000000000".len() && text.contains(['T', 't', ' ']);
    let unreadable = || format!("{text} is not a time such as 2018-12-03T22:00 (local) or 2018-12-03T22:00Z (UTC)");
    let local: DateTime = if local { text.parse().map_err(|_| unreadable())? } else { return Err(unreadable()) };
    let reading = |offset: jiff::tz::Offset| offset.to_timestamp(local).map(whole).map_err(|_| unreadable());
    let (why, before, after) = match zone.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Unambiguous { offset } => return reading(offset),
        AmbiguousOffset::Gap { before, after } => ("does not exist, for the clocks go forward just then", before, after),
        AmbiguousOffset::Fold { before, after } => ("is there twice, for the clocks go back just then", before, after),
    };
    let mut readings = [reading(before)?, reading(after)?];
    readings.sort();
    let [first, second] = readings.map(|at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    Err(format!("the local time {text} {why}: say {first} or {second}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::LONDON;

    #[test]
    fn what_people_type_is_an_instant_or_refused_with_both_readings() {
        let zone = TimeZone::get(LONDON).unwrap();
        let rows = [
            ("2018-12-03T22:00Z", "2018-12-03T22:00:00Z"),
            ("2018-12-03T22:00:00+01:00", "2018-12-03T21:00:00Z"),
            ("2018-12-03T22:00", "2018-12-03T22:00:00Z"),
            ("2018-12-03 22:00", "2018-12-03T22:00:00Z"),
            ("2018-07-03T22:00", "2018-07-03T21:00:00Z"),
            ("2018-07-03T22:00:30.7", "2018-07-03T21:00:30Z"),
            // Summer time begins at 01:00 UTC on 31 March 2019, and ends then on 27 October.
            ("2019-03-31T00:59", "2019-03-31T00:59:00Z"),
            ("2019-03-31T02:00", "2019-03-31T01:00:00Z"),
            ("2019-10-27T00:59", "2019-10-26T23:59:00Z"),
            ("2019-10-27T02:00", "2019-10-27T02:00:00Z"),
            ("2019-10-27T01:30Z", "2019-10-27T01:30:00Z"),
        ];
        for (text, instant) in rows {
            assert_eq!(read_local(text, &zone), Ok(instant.parse().unwrap()), "{text}");
        }
        let refused = [
            ("2019-03-31T01:30", "does not exist", ["2019-03-31T00:30:00Z", "2019-03-31T01:30:00Z"]),
            ("2019-03-31T01:00", "does not exist", ["2019-03-31T00:00:00Z", "2019-03-31T01:00:00Z"]),
            ("2019-10-27T01:30", "is there twice", ["2019-10-27T00:30:00Z", "2019-10-27T01:30:00Z"]),
            ("2019-10-27T01:59:59", "is there twice", ["2019-10-27T00:59:59Z", "2019-10-27T01:59:59Z"]),
            ("2018-12-03", "is not a time such as", ["local", "UTC"]),
            ("22:00", "is not a time such as", ["local", "UTC"]),
            ("03/12/2018 22:00", "is not a time such as", ["local", "UTC"]),
            ("2018-12-03T22:00 GMT", "is not a time such as", ["local", "UTC"]),
            ("2018-13-03T22:00", "is not a time such as", ["local", "UTC"]),
            ("tomorrow", "is not a time such as", ["local", "UTC"]),
            ("", "is not a time such as", ["local", "UTC"]),
        ];
        for (text, why, readings) in refused {
            let said = read_local(text, &zone).unwrap_err();
            assert!(said.contains(why) && readings.iter().all(|reading| said.contains(reading)), "{text:?}: {said}");
        }
    }

    #[test]
    fn the_repeated_hour_can_be_told_apart() {
        let zone = TimeZone::get(LONDON).unwrap();
        let rows = [
            ("2018-12-03T10:15:00Z", "Mon 3 Dec 2018 10:15 GMT"),
            ("2018-10-28T00:15:00Z", "Sun 28 Oct 2018 01:15 BST"),
            ("2018-10-28T01:15:00Z", "Sun 28 Oct 2018 01:15 GMT"),
        ];
        for (at, text) in rows {
            assert_eq!(local_text(at.parse().unwrap(), &zone), text);
        }
    }
}
