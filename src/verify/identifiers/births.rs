//! Dates of birth among the days of a column (IGV-03).
//!
//! Owns when the days of a column are people's: by how far they lie apart, how old they are, and what the column's name says
//! of them. Refuses clocks: how old a day is counts from the newest day of the same file.

use super::dates::Day;
use std::collections::BTreeMap;

/// Dates that must be in a column before it is judged.
const FEWEST_DATES: u64 = 3;

/// Share of a column's longer values that must be dates, in percent. A date in a text here and there is no column of births.
const SHARE_PERCENT: u64 = 50;

/// Years between the early tenth and the late tenth of a column's days from which on they are of whole lives, where the early
/// tenth is as old as [`OLD_YEARS`]. Stays, closures and inspections lie within a few years of each other, and began later.
const SPREAD_YEARS: u16 = 20;

/// Years before the newest date of the file from which on dates are old, and the share of old dates, in percent, from which on
/// they are taken for births: those of a ward for older people may all lie within twenty years.
const OLD_YEARS: u16 = 40;
const OLD_PERCENT: u64 = 80;

/// For those who are younger, children above all: days from the early tenth to the late tenth this many years apart, the middle
/// one this many years old, and this many of them. Nine stays of ten end within a year, and so do nearly all long ones.
const YOUNG_SPREAD_YEARS: u16 = 8;
const YOUNG_MIDDLE_YEARS: u16 = 3;
const YOUNG_FEWEST_DAYS: usize = 10;

/// Days of the young must all but be different, in percent: what is bought or opened on one day stands on many rows.
const YOUNG_DAYS_PERCENT: u64 = 75;

/// Two days of seven are at a weekend, and people are born on both. Below one in ten an office chose the days; so it did where a
/// quarter of them are the first of a month.
const WEEKEND_OF: usize = 10;
const FIRSTS_OF: usize = 4;

/// Share of a column's dates that must be of different days, in percent, and the number of days that is always enough. When
/// wards were opened or beds were bought says a few days many times.
const DAYS_PERCENT: u64 = 50;
const DAYS_ENOUGH: usize = 500;

/// A spreadsheet's numbers are days only where nearly all values of a column are, many, and of many years: any five digits may
/// be somebody's code.
const SERIALS_FEWEST: usize = 20;
const SERIALS_PERCENT: u64 = 95;
const SERIALS_SPREAD_YEARS: u16 = 40;

/// Share of the steps from row to row, in percent, from which on numbers are running ones.
const RUNNING_PERCENT: u64 = 90;

/// Values of a column after which only every sixteenth is looked at for dates: by then it is known what the column holds.
const MANY: u64 = 10_000;
const STEP: u64 = 16;

/// What the name of a column says of the days in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DaysOf {
    /// Nothing: they may be births.
    Anything,
    /// A stay, a wait or a move: such days do not lie decades back.
    AStay,
    /// A place, a thing or a record of it: such days may be of any year.
    AThing,
}

/// The dates of one column.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Births {
    dates: u64,
    others: u64,
    /// The different days, and on how many rows each stands.
    days: BTreeMap<Day, u64>,
    /// How often a day was later than the one noted before, and how often earlier.
    rises: u64,
    falls: u64,
    last: Option<Day>,
}

/// The dates are people's: not even a trace of the program's own may show them.
impl std::fmt::Debug for Births {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Births").field("dates", &self.dates).field("others", &self.others).finish_non_exhaustive()
    }
}

impl Births {
    /// Whether the next value is to be looked at, rather than counted for what those before it were.
    pub(super) fn want(number: u64) -> bool {
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
        match self.last.replace(day).map(|last| last.cmp(&day)) {
            Some(std::cmp::Ordering::Less) => self.rises += 1,
            Some(std::cmp::Ordering::Greater) => self.falls += 1,
            _ => {}
        }
    }

    /// The latest year of a date; of two digits alone, by what is usual.
    pub(super) fn newest_year(&self) -> Option<u16> {
        self.days.keys().map(|day| day.with_century(None).year).max()
    }

    /// The latest year of a date that says its century.
    pub(super) fn newest_year_with_century(&self) -> Option<u16> {
        self.days.keys().filter(|day| day.has_century()).map(|day| day.year).max()
    }

    /// Whether so many are at least half of the dates.
    pub(super) fn are_mostly(&self, dates: u64) -> bool {
        dates > 0 && dates.saturating_mul(2) >= self.dates
    }

    /// How many dates there are, if they are dates of birth; `newest` is the year that ages are counted from. Each day counts
    /// once, however many rows it stands on.
    pub(super) fn found(&self, newest: Option<u16>, days_of: DaysOf) -> Option<u64> {
        let newest = newest?;
        if self.days.keys().any(|day| !day.has_century()) {
            return self.with_centuries(newest).found(Some(newest), days_of);
        }
        let all = self.dates.saturating_add(self.others);
        let days = self.days_that_tell();
        let count = u64::try_from(self.days.len()).unwrap_or(u64::MAX);
        let enough = self.dates >= FEWEST_DATES && count >= FEWEST_DATES && self.dates * 100 >= all * SHARE_PERCENT;
        let different = self.days.len() >= DAYS_ENOUGH || count * 100 >= self.dates * DAYS_PERCENT;
        if !enough || !different {
            return None;
        }
        let told = match days_of {
            DaysOf::AThing => false,
            DaysOf::AStay => self.of_whole_lives(&days, newest),
            DaysOf::Anything => self.of_whole_lives(&days, newest) || self.of_the_young(&days, newest),
        };
        told.then_some(self.dates)
    }

    /// The same dates, of which each has its century.
    fn with_centuries(&self, newest: u16) -> Self {
        let mut full = Self { others: self.others, ..Self::default() };
        for (day, rows) in &self.days {
            let day = day.with_century(Some(newest));
            if !day.stands_for_none() {
                full.dates += rows;
                *full.days.entry(day).or_default() += rows;
            }
        }
        full
    }

    /// The same for days that a spreadsheet wrote as numbers.
    pub(super) fn found_as_numbers(&self, newest: Option<u16>) -> Option<u64> {
        let newest = newest?;
        let all = self.dates.saturating_add(self.others);
        let days = self.days_that_tell();
        let (steps, most) = (self.rises + self.falls, self.rises.max(self.falls));
        let running = most * 100 >= steps * RUNNING_PERCENT;
        let different = self.days.len() >= DAYS_ENOUGH || self.different_by(YOUNG_DAYS_PERCENT);
        let told = days.len() >= SERIALS_FEWEST
            && self.dates * 100 >= all * SERIALS_PERCENT
            && different
            && !running
            && self.newest_year().is_some_and(|year| year <= newest)
            && spread(&days) >= SERIALS_SPREAD_YEARS;
        told.then_some(self.dates)
    }

    fn of_whole_lives(&self, days: &[Day], newest: u16) -> bool {
        let limit = newest.saturating_sub(OLD_YEARS);
        let old = u64::try_from(self.days.keys().filter(|day| day.year < limit).count()).unwrap_or(u64::MAX);
        let count = u64::try_from(self.days.len()).unwrap_or(u64::MAX);
        (spread(days) >= SPREAD_YEARS && early(days) <= limit) || old * 100 >= count * OLD_PERCENT
    }

    fn of_the_young(&self, days: &[Day], newest: u16) -> bool {
        let middle = days.get(days.len() / 2).map_or(newest, |day| day.year);
        let at_weekends = days.iter().filter(|day| day.is_at_a_weekend()).count();
        let firsts = days.iter().filter(|day| day.day == 1).count();
        days.len() >= YOUNG_FEWEST_DAYS
            && (self.days.len() >= DAYS_ENOUGH || self.different_by(YOUNG_DAYS_PERCENT))
            && spread(days) >= YOUNG_SPREAD_YEARS
            && newest.saturating_sub(middle) >= YOUNG_MIDDLE_YEARS
            && at_weekends * WEEKEND_OF >= days.len()
            && firsts * FIRSTS_OF < days.len()
    }

    fn different_by(&self, percent: u64) -> bool {
        u64::try_from(self.days.len()).unwrap_or(u64::MAX) * 100 >= self.dates * percent
    }

    /// The different days in order. A first or last day that stands on several rows is left out: few days have no tenth, and
    /// then a day that somebody writes for "not known" would be all the spread there is.
    fn days_that_tell(&self) -> Vec<Day> {
        let days: Vec<(&Day, &u64)> = self.days.iter().collect();
        let days = match days.as_slice() {
            [(_, rows), rest @ ..] if **rows > 1 => rest,
            all => all,
        };
        let days = match days {
            [rest @ .., (_, rows)] if **rows > 1 => rest,
            all => all,
        };
        days.iter().map(|(day, _)| **day).collect()
    }
}

/// The year of the early tenth of days in order.
fn early(days: &[Day]) -> u16 {
    days.get(days.len() / 10).map_or(0, |day| day.year)
}

/// Years from the early tenth to the late tenth of days in order.
fn spread(days: &[Day]) -> u16 {
    let late = days.iter().rev().nth(days.len() / 10).map_or(0, |day| day.year);
    late.saturating_sub(early(days))
}

#[cfg(test)]
mod tests {
    use super::super::dates::{day_in, day_of_serial};
    use super::*;

    fn births(dates: impl IntoIterator<Item = String>) -> Births {
        let mut births = Births::default();
        dates.into_iter().for_each(|date| births.note(day_in(&date)));
        births
    }

    fn over(first: u32, last: u32, count: u32) -> Vec<String> {
        let year = |n: u32| first + n * (last - first) / (count - 1).max(1);
        (0..count).map(|n| format!("{:02}/{:02}/{}", n % 28 + 1, n % 12 + 1, year(n))).collect()
    }

    fn repeated(text: &str, count: usize) -> Vec<String> {
        vec![text.to_owned(); count]
    }

    #[test]
    fn igv_03_dates_over_decades_are_births_and_those_of_stays_are_not() {
        let newest = Some(2018);
        let december = |count: u32, none: &str, blanks: usize| {
            (0..count).map(|n| format!("{:02}/12/2018", n % 28 + 1)).chain(repeated(none, blanks)).collect::<Vec<_>>()
        };
        let and = |one: Vec<String>, other: Vec<String>| one.into_iter().chain(other).collect::<Vec<_>>();
        let rows: Vec<(&str, Vec<String>, bool)> = vec![
            ("a whole hospital", over(1925, 2010, 100), true),
            ("three people", over(1935, 1972, 3), true),
            ("two people", over(1935, 1972, 2), false),
            ("a ward for older people", over(1925, 1942, 30), true),
            ("admissions of a year", over(2017, 2018, 100), false),
            ("admissions to a secure unit", over(2011, 2018, 40), false),
            ("admissions, and a blank written as 1900", and(over(2017, 2018, 50), repeated("01/01/1900", 3)), false),
            ("discharges of a month, and a blank written as 1900 on 2 of 10", december(8, "01/01/1900", 2), false),
            ("the same on 3 of 20", december(17, "01/01/1900", 3), false),
            ("the same on 5 of 35", december(30, "01/01/1900", 5), false),
            ("written as the end of time", december(8, "31/12/9999", 2), false),
            ("written as 1753", december(8, "1753-01-01 00:00:00", 2), false),
            ("written as 1899", december(8, "30-Dec-1899", 2), false),
            ("written as 1970", december(8, "1970-01-01", 1), false),
            ("written as a day that nobody else takes", december(8, "04/07/1950", 2), false),
            ("births, and a blank written as 1900 on more rows", and(over(1925, 2010, 20), repeated("01/01/1900", 30)), true),
            ("births, and a blank written as 1753 on more rows", and(over(1925, 2010, 20), repeated("1753-01-01", 30)), true),
            ("births of people who stand on two rows each", and(over(1935, 2000, 5), over(1935, 2000, 5)), true),
            ("nothing but blanks", repeated("01/01/1900", 20), false),
            ("one time on every row", repeated("03/12/2018 10:15", 100), false),
            ("when three wards were opened", (0..20).flat_map(|_| over(1960, 2010, 3)).collect(), false),
            ("dates in some texts only", and(over(1925, 2010, 20), repeated("awaiting transport", 21)), false),
            ("a maternity ward", over(1975, 2000, 12), true),
            ("a children's ward", over(2001, 2018, 12), true),
            ("a children's ward, with names", over(2001, 2018, 12).iter().map(|date| format!("SMITH {date}")).collect(), true),
            ("nine children", over(2001, 2018, 9), false),
            ("newborns", over(2018, 2018, 30), false),
            ("children, nearly all of them infants", and(over(2003, 2018, 10), over(2017, 2018, 30)), false),
        ];
        for (what, dates, expected) in rows {
            assert_eq!(births(dates).found(newest, DaysOf::Anything).is_some(), expected, "{what}");
        }
        assert!(!format!("{:?}", births(over(1925, 2010, 3))).contains("19"));
    }

    #[test]
    fn igv_03_births_with_two_digits_of_the_year_are_never_to_come() {
        let short =
            |first: u32, last: u32, count: u32| over(first, last, count).into_iter().map(|day| format!("{}{}", &day[..6], &day[8..]));
        let rows: Vec<(&str, Vec<String>, bool)> = vec![
            ("a ward for older people", short(1924, 1939, 30).collect(), true),
            ("a whole hospital", short(1925, 2010, 100).collect(), true),
            ("plans up to five years ahead", short(2017, 2023, 30).collect(), false),
            ("written as 1900 or 1970", ["01/01/70", "31/12/99", "03/12/18"].iter().map(ToString::to_string).collect(), false),
        ];
        for (what, dates, expected) in rows {
            let unpadded: Vec<String> = dates.iter().map(|day| day.replace("/0", "/").trim_start_matches('0').to_owned()).collect();
            for dates in [dates, unpadded] {
                assert_eq!(births(dates.clone()).found(Some(2018), DaysOf::Anything).is_some(), expected, "{what}: {dates:?}");
            }
        }
    }

    /// Every so many days from the start of 1995 to 2018; 1 January 1995 was a Sunday.
    fn every(step: i32, from: i32) -> Vec<String> {
        let start = jiff::civil::date(1995, 1, 1);
        let day = |n: i32| start.checked_add(jiff::Span::new().days(from + n * step)).unwrap();
        (0..(8_700 / step)).map(|n| day(n).strftime("%d/%m/%Y").to_string()).collect()
    }

    #[test]
    fn igv_03_the_young_are_told_from_the_days_that_an_office_chooses_and_by_the_name_of_the_column() {
        let firsts = (1995..2018).map(|year| format!("01/{:02}/{year}", year % 12 + 1)).collect::<Vec<_>>();
        let newest = Some(2018);
        let rows: Vec<(&str, Vec<String>, [bool; 3])> = vec![
            // What the name says: nothing, a day of a stay, a day of a thing.
            ("any days of 24 years", every(300, 0), [true, false, false]),
            ("Wednesdays of 24 years", every(301, 3), [false, false, false]),
            ("Saturdays and other days", [every(301, 6), every(301, 3)].concat(), [true, false, false]),
            ("firsts of a month", firsts, [false, false, false]),
            ("each day on two rows", [every(300, 0), every(300, 0)].concat(), [false, false, false]),
            ("whole lives", over(1925, 2010, 60), [true, true, false]),
        ];
        for (what, dates, expected) in rows {
            let found =
                [DaysOf::Anything, DaysOf::AStay, DaysOf::AThing].map(|days_of| births(dates.clone()).found(newest, days_of).is_some());
            assert_eq!(found, expected, "{what}");
        }
    }

    #[test]
    fn igv_03_a_spreadsheets_numbers_are_births_where_nothing_else_explains_them() {
        let of = |numbers: &[u32]| {
            let mut births = Births::default();
            numbers.iter().for_each(|number| births.note(day_of_serial(&number.to_string())));
            births.found_as_numbers(Some(2018)).is_some()
        };
        let mixed = |from: u32, to: u32, count: u32| (0..count).map(|n| from + n * 7_919 % (to - from)).collect::<Vec<_>>();
        let mut sorted = mixed(9_000, 40_000, 30);
        sorted.sort_unstable();
        let rows = [
            ("a hospital", mixed(9_000, 40_000, 30), true),
            ("too few", mixed(9_000, 40_000, 19), false),
            ("running numbers", sorted, false),
            ("numbers that lie close together", mixed(20_000, 25_000, 30), false),
            ("numbers of any five digits", mixed(10_000, 99_000, 30), false),
            ("numbers with days that are to come", mixed(9_000, 48_000, 30), false),
            ("numbers of four digits and fewer", mixed(1, 9_999, 30), false),
        ];
        for (what, numbers, expected) in rows {
            assert_eq!(of(&numbers), expected, "{what}");
        }
    }
}
