//! Dates of birth by their looks (IGV-03): full dates of many days, over decades.
//!
//! Owns which spellings are dates, and when the dates of a column are people's. Refuses clocks: how old a date is counts from
//! the newest date of the same file.

use std::collections::BTreeMap;

/// Dates that must be in a column before it is judged.
const FEWEST_DATES: u64 = 3;

/// Share of a column's longer values that must be dates, in percent. A date in a text here and there is no column of births.
const SHARE_PERCENT: u64 = 50;

/// Years between the early tenth and the late tenth of a column's days, from which on they are taken for births. Stays,
/// closures and inspections lie within a few years of each other; the births of the people in a hospital do not.
const SPREAD_YEARS: u16 = 20;

/// Years before the newest date of the file from which on dates are old, and the share of old dates, in percent, from which on
/// they are taken for births: those of a ward for older people may all lie within twenty years.
const OLD_YEARS: u16 = 40;
const OLD_PERCENT: u64 = 80;

/// Share of a column's dates that must be of different days, in percent, and the number of days that is always enough. When
/// wards were opened or beds were bought says a few days many times.
const DAYS_PERCENT: u64 = 50;
const DAYS_ENOUGH: usize = 500;

/// Values of a column after which only every sixteenth is looked at for dates: by then it is known what the column holds.
const MANY: u64 = 10_000;
const STEP: u64 = 16;

/// The first year that is counted, and the first that no longer is. So there are only so many days to keep.
const FIRST_YEAR: u16 = 1890;
const NO_YEAR: u16 = 2090;

/// Years beyond those that systems write where they have no date. Such a date says as little as a blank.
const YEARS_FOR_NONE: &[u16] = &[1, 1753, 2099, 2999, 3000, 9999];

/// Days within them that systems write for the same reason: the noughts of their calendars.
const DAYS_FOR_NONE: &[Day] = &[
    Day { year: 1899, month: 12, day: 30 },
    Day { year: 1899, month: 12, day: 31 },
    Day { year: 1900, month: 1, day: 1 },
    Day { year: 1970, month: 1, day: 1 },
];

/// Two digits of a year up to here are of this century: births of 1940 and later are told from plans for 2039.
const LAST_SHORT_YEAR_OF_THIS_CENTURY: u16 = 39;

/// A day as a text says it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Day {
    year: u16,
    month: u16,
    day: u16,
}

/// The dates of one column.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Births {
    dates: u64,
    others: u64,
    /// The different days, and on how many rows each stands.
    days: BTreeMap<Day, u64>,
}

/// The dates are people's: not even a trace of the program's own may show them.
impl std::fmt::Debug for Births {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Births").field("dates", &self.dates).field("others", &self.others).finish_non_exhaustive()
    }
}

impl Births {
    /// Whether the next value is to be looked at, rather than counted for what those before it were.
    pub(super) fn want(&self, number: u64) -> bool {
        number < MANY || number.is_multiple_of(STEP)
    }

    /// Notes what one value is.
    pub(super) fn note(&mut self, day: Option<Day>) {
        let Some(day) = day else {
            self.others += 1;
            return;
        };
        if day.stands_for_none() {
            return;
        }
        self.dates += 1;
        *self.days.entry(day).or_default() += 1;
    }

    /// The latest year of a date.
    pub(super) fn newest_year(&self) -> Option<u16> {
        self.days.last_key_value().map(|(day, _)| day.year)
    }

    /// How many dates there are, if they are dates of birth; `newest` is the newest year of any column. Each day counts once,
    /// however many rows it stands on.
    pub(super) fn found(&self, newest: Option<u16>) -> Option<u64> {
        let all = self.dates.saturating_add(self.others);
        let count = u64::try_from(self.days.len()).unwrap_or(u64::MAX);
        let enough = self.dates >= FEWEST_DATES && self.dates * 100 >= all * SHARE_PERCENT && count >= FEWEST_DATES;
        let different = self.days.len() >= DAYS_ENOUGH || count * 100 >= self.dates * DAYS_PERCENT;
        if !enough || !different {
            return None;
        }
        let limit = newest?.saturating_sub(OLD_YEARS);
        let old = u64::try_from(self.days.keys().filter(|day| day.year < limit).count()).unwrap_or(u64::MAX);
        (self.spread() >= SPREAD_YEARS || old * 100 >= count * OLD_PERCENT).then_some(self.dates)
    }

    /// Years from the early tenth to the late tenth of the days. A first or last day that stands on several rows is left out:
    /// few days have no tenth, and then a day that somebody writes for "not known" would be all the spread there is.
    fn spread(&self) -> u16 {
        let days: Vec<(&Day, &u64)> = self.days.iter().collect();
        let days = match days.as_slice() {
            [(_, rows), rest @ ..] if **rows > 1 => rest,
            all => all,
        };
        let days = match days {
            [rest @ .., (_, rows)] if **rows > 1 => rest,
            all => all,
        };
        let tenth = days.len() / 10;
        let early = days.get(tenth).map_or(0, |(day, _)| day.year);
        let late = days.iter().rev().nth(tenth).map_or(0, |(day, _)| day.year);
        late.saturating_sub(early)
    }
}

impl Day {
    fn stands_for_none(self) -> bool {
        YEARS_FOR_NONE.contains(&self.year) || DAYS_FOR_NONE.contains(&self)
    }
}

/// The day that a text says, with or without a time behind it; `None` where it is anything else.
pub(super) fn day_in(text: &str) -> Option<Day> {
    let text = text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '=' | '"' | '\''));
    let words: Vec<&str> = text.splitn(4, [' ', 'T', '\u{a0}']).filter(|word| !word.is_empty()).collect();
    match words.as_slice() {
        [day, month, year, ..] if month.starts_with(|c: char| c.is_ascii_alphabetic()) => day_of(&[day, month, year]),
        [first, rest @ ..] if rest.iter().all(|word| is_a_time(word)) => match of_signs(first) {
            Some(parts) => day_of(&parts),
            None => packed(first),
        },
        _ => None,
    }
}

fn of_signs(word: &str) -> Option<[&str; 3]> {
    let sign = ['-', '/', '.'].into_iter().find(|sign| word.contains(*sign))?;
    word.split(sign).collect::<Vec<_>>().try_into().ok()
}

fn is_a_time(word: &str) -> bool {
    word.bytes().all(|b| b.is_ascii_digit() || matches!(b, b':' | b'.' | b'+' | b'-' | b'Z' | b'A' | b'P' | b'M' | b'a' | b'p' | b'm'))
}

/// Three parts in the order day, month, year, or year, month, day.
fn day_of(parts: &[&str; 3]) -> Option<Day> {
    let [first, month, last] = parts;
    let (day, year) = if first.len() == 4 { (last, first) } else { (first, last) };
    let number = |text: &str| text.parse::<u16>().ok().filter(|_| text.len() <= 4 && text.bytes().all(|b| b.is_ascii_digit()));
    let month = number(month).or_else(|| named_month(month))?;
    let full = match (number(year)?, year.len()) {
        (year, 4) => year,
        (year, 2) if year <= LAST_SHORT_YEAR_OF_THIS_CENTURY => 2000 + year,
        (year, 2) => 1900 + year,
        _ => return None,
    };
    valid(full, month, number(day)?)
}

/// Eight digits: year, month, day, or day, month, year.
fn packed(text: &str) -> Option<Day> {
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<u16>().ok();
    if text.len() != 8 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    valid(number(0..4)?, number(4..6)?, number(6..8)?).or_else(|| valid(number(4..8)?, number(2..4)?, number(0..2)?))
}

fn valid(year: u16, month: u16, day: u16) -> Option<Day> {
    let known = (FIRST_YEAR..NO_YEAR).contains(&year) || YEARS_FOR_NONE.contains(&year);
    let fits = known && (1..=12).contains(&month) && (1..=31).contains(&day);
    fits.then_some(Day { year, month, day })
}

fn named_month(text: &str) -> Option<u16> {
    const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let start = text.get(..3)?.to_ascii_lowercase();
    let at = MONTHS.iter().position(|month| *month == start)?;
    u16::try_from(at + 1).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_read_in_every_usual_spelling() {
        let births = ["14/02/1935", "1935-02-14", "14.02.1935", "14-Feb-1935", "14 Feb 1935", "14 February 1935", "19350214", "14021935"];
        let others =
            ["1935-02-14T00:00:00", "14/02/1935 00:00", "14 Feb 1935 00:00:00", "\"14/02/1935\"", "=\"14/02/1935\"", "'14/02/1935"];
        for text in births.iter().chain(&others) {
            assert!(day_in(text) == Some(Day { year: 1935, month: 2, day: 14 }), "{text}");
        }
        assert!(day_in("14/02/55") == Some(Day { year: 1955, month: 2, day: 14 }));
        assert!(day_in("14-Feb-18") == Some(Day { year: 2018, month: 2, day: 14 }));
        for text in [
            "",
            "Ward 12 beds",
            "99999999",
            "14/13/1935",
            "1-1000000001",
            "10:15:00",
            "14/02",
            "W21 Feb 1935x",
            "12.5.1.2",
            "e\u{301}14/02/1935",
        ] {
            assert!(day_in(text).is_none(), "{text}");
        }
    }

    fn births(dates: impl IntoIterator<Item = String>) -> Births {
        let mut births = Births::default();
        dates.into_iter().for_each(|date| births.note(day_in(&date)));
        births
    }

    #[test]
    fn igv_03_dates_over_decades_are_births_and_those_of_stays_are_not() {
        let over = |first: u32, last: u32, count: u32| {
            (0..count).map(move |n| format!("{:02}/{:02}/{}", n % 28 + 1, n % 12 + 1, first + n * (last - first) / (count - 1).max(1)))
        };
        let repeated = |text: &str, count: usize| vec![text.to_owned(); count];
        let newest = Some(2018);
        let december = |count: u32, none: &str, blanks: usize| {
            (0..count).map(|n| format!("{:02}/12/2018", n % 28 + 1)).chain(repeated(none, blanks)).collect::<Vec<_>>()
        };
        let rows: Vec<(&str, Vec<String>, bool)> = vec![
            ("a whole hospital", over(1925, 2010, 100).collect(), true),
            ("three people", over(1935, 1972, 3).collect(), true),
            ("two people", over(1935, 1972, 2).collect(), false),
            ("a ward for older people", over(1925, 1942, 30).collect(), true),
            ("admissions of a year", over(2017, 2018, 100).collect(), false),
            ("admissions to a secure unit", over(2003, 2018, 40).collect(), false),
            ("admissions, and a blank written as 1900", over(2017, 2018, 50).chain(repeated("01/01/1900", 3)).collect(), false),
            ("discharges of a month, and a blank written as 1900 on 2 of 10", december(8, "01/01/1900", 2), false),
            ("the same on 3 of 20", december(17, "01/01/1900", 3), false),
            ("the same on 5 of 35", december(30, "01/01/1900", 5), false),
            ("written as the end of time", december(8, "31/12/9999", 2), false),
            ("written as 1753", december(8, "1753-01-01 00:00:00", 2), false),
            ("written as 1899", december(8, "30-Dec-1899", 2), false),
            ("written as 1970", december(8, "1970-01-01", 1), false),
            ("written as a day that nobody else takes", december(8, "04/07/1950", 2), false),
            ("births, and a blank written as 1900 on more rows", over(1925, 2010, 20).chain(repeated("01/01/1900", 30)).collect(), true),
            ("births, and a blank written as 1753 on more rows", over(1925, 2010, 20).chain(repeated("1753-01-01", 30)).collect(), true),
            ("births of people who stand on two rows each", over(1935, 2000, 5).chain(over(1935, 2000, 5)).collect(), true),
            ("nothing but blanks", repeated("01/01/1900", 20), false),
            ("one time on every row", repeated("03/12/2018 10:15", 100), false),
            ("when three wards were opened", (0..20).flat_map(|_| over(1960, 2010, 3)).collect(), false),
            ("dates in some texts only", over(1925, 2010, 20).chain(repeated("awaiting transport", 21)).collect(), false),
        ];
        for (what, dates, expected) in rows {
            assert_eq!(births(dates).found(newest).is_some(), expected, "{what}");
        }
        assert!(!format!("{:?}", births(over(1925, 2010, 3))).contains("19"));
    }
}
