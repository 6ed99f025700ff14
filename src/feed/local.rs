//! Local time for people: one format on receipts, alerts and pages.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::LONDON;

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
