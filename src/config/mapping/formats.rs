//! Formats of dates and times: tried on a sample before any file depends on them.
//!
//! Owns the trial. Refuses a format that loses part of what it should read.

use super::super::document::Item;
use jiff::civil::{DateTime, date};
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

/// What a format must yield.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// A day with hour and minute.
    DateAndTime,
    /// A day in the past, whose century must be plain.
    BirthDate,
}

/// The formats of one key, a text or a list, each tried.
pub(super) fn formats(item: &Item<'_>, wanted: Wanted) -> Vec<String> {
    let elements = item.elements();
    if elements.is_empty() {
        item.problem("must name at least one format");
    }
    elements.iter().filter_map(|element| one(element, wanted)).collect()
}

/// One format, tried.
pub(super) fn one(item: &Item<'_>, wanted: Wanted) -> Option<String> {
    let format = item.filled()?;
    match refuse(format, wanted) {
        None => Some(format.to_owned()),
        Some(why) => {
            item.problem(why);
            None
        }
    }
}

/// Writes a sample by the format and reads it back: what does not come back, the format would lose.
fn refuse(format: &str, wanted: Wanted) -> Option<String> {
    if wanted == Wanted::BirthDate && (format.contains("%y") || format.contains("%D")) {
        return Some(format!("\"{format}\" has a year of two digits: a birth date needs %Y, or the century is a guess"));
    }
    let sample: DateTime = date(2018, 12, 31).at(22, 45, 59, 0);
    let Ok(zoned) = sample.to_zoned(TimeZone::UTC) else { return None };
    let written = match strtime::format(format, &zoned) {
        Ok(written) => written,
        Err(error) => return Some(format!("\"{format}\" is not a date format: {error}")),
    };
    let read = match strtime::parse(format, &written) {
        Ok(read) => read,
        Err(error) => return Some(format!("\"{format}\" cannot be read back from \"{written}\": {error}")),
    };
    if read.to_date().ok() != Some(sample.date()) {
        return Some(format!("\"{format}\" does not give a whole date: it needs year, month and day, such as %d/%m/%Y"));
    }
    let time = read.to_time().ok().map(|time| (time.hour(), time.minute()));
    if wanted == Wanted::DateAndTime && time != Some((sample.hour(), sample.minute())) {
        return Some(format!("\"{format}\" does not give a time of day: it needs hour and minute, such as %H:%M"));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_that_loses_part_of_the_time_is_refused() {
        let rows = [
            ("%d/%m/%Y %H:%M", ""),
            ("%Y-%m-%dT%H:%M:%S", ""),
            ("%Y-%m-%dT%H:%M:%S%:z", ""),
            ("%d %b %Y %H:%M:%S", ""),
            ("%d/%m/%y %H:%M", ""),
            ("%d/%m/%Y %I:%M %p", ""),
            ("%Y%m%d%H%M%S", ""),
            ("%d/%m %H:%M", "whole date"),
            ("%m/%Y %H:%M", "whole date"),
            ("%d/%m/%Y", "time of day"),
            ("%d/%m/%Y %H", "time of day"),
            ("%d/%m/%Y %I:%M", "time of day"),
            ("dd/mm/yyyy", "whole date"),
            ("%d/%m/%Y %", "not a date format"),
            ("%d/%m/%Y %i:%M", "not a date format"),
        ];
        for (format, expected) in rows {
            let why = refuse(format, Wanted::DateAndTime).unwrap_or_default();
            assert!(if expected.is_empty() { why.is_empty() } else { why.contains(expected) }, "{format}: {why}");
        }
    }

    #[test]
    fn a_birth_date_needs_its_century() {
        for (format, fine) in [("%Y%m%d", true), ("%d/%m/%Y", true), ("%d/%m/%y", false), ("%m/%Y", false)] {
            assert_eq!(refuse(format, Wanted::BirthDate).is_none(), fine, "{format}");
        }
    }
}
