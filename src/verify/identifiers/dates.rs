//! Dates in a text: every usual spelling, alone or among other words.
//!
//! Owns which spellings are dates. Refuses to judge whose they are.

mod rarer;

use jiff::civil::{Date, Weekday};

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

/// What is added to a year of two digits until its century is known.
const WITHOUT_CENTURY: u16 = 10_000;

/// Years ahead of the newest date that a year of two digits may lie: plans do, births do not.
const YEARS_AHEAD: u16 = 5;

/// Two digits of a year up to here are of this century where nothing tells of the newest date.
const LAST_SHORT_YEAR_OF_THIS_CENTURY: u16 = 39;

/// Pieces of a text that are looked at: a date stands near the start of what a cell says, and long texts stay cheap.
const MAX_PIECES: usize = 96;

/// The days that a spreadsheet's numbers of four and five digits are taken for: from 1910 to 2036.
const SERIALS: std::ops::RangeInclusive<i64> = 3_654..=49_999;

/// A day as a text says it. Where it says two digits of the year, the century is not known yet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Day {
    pub(super) year: u16,
    pub(super) month: u16,
    pub(super) day: u16,
}

impl Day {
    /// Whether the text says the year with its century.
    pub(super) fn has_century(self) -> bool {
        self.year < WITHOUT_CENTURY
    }

    /// The day with its century: nobody is born after the newest date, and few plans lie far ahead of it.
    pub(super) fn with_century(self, newest: Option<u16>) -> Self {
        if self.has_century() {
            return self;
        }
        let short = self.year - WITHOUT_CENTURY;
        let this = match newest {
            Some(newest) => 2000 + short <= newest.saturating_add(YEARS_AHEAD),
            None => short <= LAST_SHORT_YEAR_OF_THIS_CENTURY,
        };
        Self { year: short + if this { 2000 } else { 1900 }, ..self }
    }

    /// Whether systems write it where they have no date.
    pub(super) fn stands_for_none(self) -> bool {
        YEARS_FOR_NONE.contains(&self.year) || DAYS_FOR_NONE.contains(&self)
    }

    /// Whether it is a Saturday or a Sunday, when offices are closed and people are born all the same.
    pub(super) fn is_at_a_weekend(self) -> bool {
        let part = |number: u16| i8::try_from(number).ok();
        let date = i16::try_from(self.year).ok().zip(part(self.month)).zip(part(self.day));
        let date = date.and_then(|((year, month), day)| Date::new(year, month, day).ok());
        date.is_some_and(|date| matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday))
    }
}

/// The earliest day that a text says, alone or among other words; `None` where it says none. Of several days in one text a
/// birth is the earliest.
pub(super) fn day_in(text: &str) -> Option<Day> {
    let pieces: Vec<Piece<'_>> = Pieces { rest: text }.take(MAX_PIECES).collect();
    (0..pieces.len()).filter_map(|at| day_at(&pieces, at).or_else(|| rarer_day_at(&pieces, at))).min()
}

/// The day that a spreadsheet's number stands for, such as `18721` or `18721.0` for 3 April 1951. Numbers outside the days of
/// people's lives are `None`.
pub(super) fn day_of_serial(text: &str) -> Option<Day> {
    let whole = text.strip_suffix(".0").or_else(|| text.strip_suffix(".00")).unwrap_or(text);
    if !matches!(whole.len(), 4 | 5) || whole.starts_with('0') || !whole.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let days: i64 = whole.parse().ok().filter(|number| SERIALS.contains(number))?;
    // A spreadsheet's day 1 is the last of 1899; it counts a 29 February 1900 that never was, which is before all of these.
    let date = Date::constant(1899, 12, 30).checked_add(jiff::Span::new().try_days(days).ok()?).ok()?;
    let part = |number: i8| u16::try_from(number).ok();
    Some(Day { year: u16::try_from(date.year()).ok()?, month: part(date.month())?, day: part(date.day())? })
}

/// A piece of a text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Piece<'t> {
    Number(&'t str),
    Word(&'t str),
    /// Blanks of any width and number.
    Space,
    Sign(char),
}

/// Cuts a text where digits, letters, blanks and signs meet.
struct Pieces<'t> {
    rest: &'t str,
}

impl<'t> Iterator for Pieces<'t> {
    type Item = Piece<'t>;

    fn next(&mut self) -> Option<Piece<'t>> {
        let first = self.rest.chars().next()?;
        let digits = first.is_ascii_digit();
        let ends = |c: char| match (digits, first.is_alphabetic(), first.is_whitespace()) {
            (true, ..) => !c.is_ascii_digit(),
            (_, true, _) => !c.is_alphabetic(),
            (.., true) => !c.is_whitespace(),
            _ => true,
        };
        let end = self.rest.char_indices().skip(1).find(|(_, c)| ends(*c)).map_or(self.rest.len(), |(at, _)| at);
        let (piece, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        Some(match first {
            _ if digits => Piece::Number(piece),
            first if first.is_alphabetic() => Piece::Word(piece),
            first if first.is_whitespace() => Piece::Space,
            first => Piece::Sign(first),
        })
    }
}

/// The day that begins with one piece of a text.
fn day_at(pieces: &[Piece<'_>], at: usize) -> Option<Day> {
    let (before, from) = pieces.split_at_checked(at)?;
    // A date behind a sign and a number is the end of something longer: an address of a computer, a version.
    let is_chained = |sign: char| matches!(before, [.., Piece::Number(_), Piece::Sign(last)] if *last == sign);
    let is_glued = matches!(before.last(), Some(Piece::Word(_)));
    let alone = at == 0;
    match from {
        [Piece::Number(all), after @ ..] if all.len() == 8 => {
            let chained = ['-', '.', '/'].into_iter().any(is_chained);
            (!is_glued && !chained && may_end_there(after, '-') && may_end_there(after, '/'))
                .then(|| rarer::packed_in_any_order(all))
                .flatten()
        }
        [Piece::Number(first), Piece::Sign(one), middle, Piece::Sign(two), Piece::Number(last), after @ ..]
            if one == two && matches!(one, '-' | '/' | '.') =>
        {
            let short = last.len() == 2 && first.len() < 3;
            // Among other words a year of two digits needs a day and a month of two: "3/4/12" may be anything.
            let padded = first.len() == 2 && !matches!(middle, Piece::Number(month) if month.len() < 2);
            let trusted = !short || alone || (padded && !is_glued);
            let day = || day_of(first, *middle, last).or_else(|| rarer::month_first(first, *middle, last, *one));
            (trusted && !is_chained(*one) && may_end_there(after, *one)).then(day).flatten()
        }
        [Piece::Number(day), after @ ..] if !is_glued => {
            let (Piece::Word(month), after) = without_space(without_ordinal(after)).split_first()? else { return None };
            let (Piece::Number(year), after) = without_space(without_comma(after)).split_first()? else { return None };
            let fits = (year.len() == 4 || alone) && may_end_there(after, '-');
            fits.then(|| day_of(day, Piece::Word(month), year)).flatten()
        }
        [Piece::Word(month), Piece::Space, Piece::Number(day), after @ ..] => {
            let (Piece::Number(year), after) = without_space(without_comma(without_ordinal(after))).split_first()? else { return None };
            let fits = year.len() == 4 && day.len() < 3 && may_end_there(after, '-');
            fits.then(|| day_of(day, Piece::Word(month), year)).flatten()
        }
        _ => None,
    }
}

/// The same for the rarer spellings.
fn rarer_day_at(pieces: &[Piece<'_>], at: usize) -> Option<Day> {
    let (before, from) = pieces.split_at_checked(at)?;
    rarer::stamped(before, from).or_else(|| rarer::apart(before, from))
}

/// Whether a date may end before these pieces: not within a word, but for the `T` before a time, nor within a chain of numbers.
fn may_end_there(after: &[Piece<'_>], sign: char) -> bool {
    match after {
        [Piece::Word(word), rest @ ..] => *word == "T" && matches!(rest, [Piece::Number(_), ..]),
        [Piece::Sign(next), Piece::Number(_), ..] => *next != sign,
        _ => true,
    }
}

fn without_space<'p, 't>(pieces: &'p [Piece<'t>]) -> &'p [Piece<'t>] {
    pieces.strip_prefix(&[Piece::Space]).unwrap_or(pieces)
}

fn without_comma<'p, 't>(pieces: &'p [Piece<'t>]) -> &'p [Piece<'t>] {
    match pieces {
        [Piece::Sign(',' | '.'), rest @ ..] => rest,
        all => all,
    }
}

fn without_ordinal<'p, 't>(pieces: &'p [Piece<'t>]) -> &'p [Piece<'t>] {
    match pieces {
        [Piece::Word("st" | "nd" | "rd" | "th" | "ST" | "ND" | "RD" | "TH"), rest @ ..] => rest,
        all => all,
    }
}

/// Three parts in the order day, month, year, or year, month, day.
fn day_of(first: &str, month: Piece<'_>, last: &str) -> Option<Day> {
    let (day, year) = if first.len() == 4 { (last, first) } else { (first, last) };
    let number = |text: &str| text.parse::<u16>().ok().filter(|_| text.len() <= 4);
    let month = match month {
        Piece::Number(text) => number(text),
        Piece::Word(text) => named_month(text),
        Piece::Space | Piece::Sign(_) => None,
    }?;
    let full = match (number(year)?, year.len()) {
        (year, 4) => year,
        (year, 2) => WITHOUT_CENTURY + year,
        _ => return None,
    };
    valid(full, month, number(day)?)
}

/// Eight digits: year, month, day, or day, month, year.
fn packed(text: &str) -> Option<Day> {
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<u16>().ok();
    valid(number(0..4)?, number(4..6)?, number(6..8)?).or_else(|| valid(number(4..8)?, number(2..4)?, number(0..2)?))
}

fn valid(year: u16, month: u16, day: u16) -> Option<Day> {
    let known = (FIRST_YEAR..NO_YEAR).contains(&year) || year >= WITHOUT_CENTURY || YEARS_FOR_NONE.contains(&year);
    let fits = known && (1..=12).contains(&month) && (1..=31).contains(&day);
    fits.then_some(Day { year, month, day })
}

/// A month by its name or the start of it, of three letters or more.
fn named_month(text: &str) -> Option<u16> {
    const MONTHS: [&str; 12] =
        ["january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"];
    let start = |month: &&str| month.get(..text.len()).is_some_and(|start| start.eq_ignore_ascii_case(text));
    let at = MONTHS.iter().position(|month| text.len() >= 3 && start(month))?;
    u16::try_from(at + 1).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_read_in_every_usual_spelling_alone_and_among_other_words() {
        let alone = [
            "14/02/1935",
            "14/2/1935",
            "1935-02-14",
            "14.02.1935",
            "14-Feb-1935",
            "14 Feb 1935",
            "14 February 1935",
            "14th February 1935",
            "14th Feb, 1935",
            "February 14, 1935",
            "14Feb1935",
            "19350214",
            "14021935",
            "1935-02-14T00:00:00",
            "14/02/1935 00:00",
            "14 Feb 1935 00:00:00",
            "\"14/02/1935\"",
            "=\"14/02/1935\"",
            "'14/02/1935",
        ];
        for text in alone {
            assert!(day_in(text) == Some(Day { year: 1935, month: 2, day: 14 }), "{text}");
            for around in [format!("SMITH {text}"), format!("SMITH, John ({text})"), format!("dob:{text}"), format!("e\u{301} {text} F")] {
                assert!(day_in(&around) == Some(Day { year: 1935, month: 2, day: 14 }), "{around}");
            }
        }
        for text in ["SMITH14/02/1935", "adm 03/12/2018 born 14/02/1935", "14/02/1935 seen 03/12/2018", "14.02.1935."] {
            assert!(day_in(text) == Some(Day { year: 1935, month: 2, day: 14 }), "{text}");
        }
        let with_century = |text: &str, newest| day_in(text).map(|day| day.with_century(newest));
        for text in ["14/02/55", "SMITH 14/02/55", "14-Feb-55", "SMITH 14-Feb-55", "14/2/55", "14.2.55", "14-2-55"] {
            assert!(with_century(text, Some(2018)) == Some(Day { year: 1955, month: 2, day: 14 }), "{text}");
        }
        // The newest date, where there is one, and the year that two digits stand for.
        let years = [
            ("14-Feb-18", Some(2018), 2018),
            ("14/02/23", Some(2018), 2023),
            ("14/02/24", Some(2018), 1924),
            ("14/02/35", Some(2018), 1935),
            ("14/02/35", Some(2031), 2035),
            ("14/02/35", None, 2035),
            ("14/02/40", None, 1940),
            ("14/02/00", Some(2018), 2000),
            ("14/02/1935", Some(2018), 1935),
        ];
        for (text, newest, year) in years {
            assert!(with_century(text, newest) == Some(Day { year, month: 2, day: 14 }), "{text}");
        }
    }

    #[test]
    fn what_only_looks_a_little_like_a_date_is_none() {
        for text in [
            "",
            "Ward 12 beds",
            "99999999",
            "14/13/1935",
            "1-1000000001",
            "1-19350214",
            "19350214-1",
            "A19350214",
            "10:15:00",
            "14/02",
            "W21 Feb 1935x",
            "W21 Feb 1935",
            "Marvin 3, 1951",
            "12.5.1.2",
            "10.12.5.1951",
            "12.5.1951.2",
            "bay 3/4/12",
            "14/02-1935",
            "1 to 12 of 1951",
        ] {
            assert!(day_in(text).is_none(), "{text}");
        }
        assert!(day_in(&"1/".repeat(100_000)).is_none());
    }

    #[test]
    fn a_spreadsheets_number_is_a_day() {
        let rows = [
            ("18721", Some((1951, 4, 3))),
            ("18721.0", Some((1951, 4, 3))),
            ("3654", Some((1910, 1, 1))),
            ("43437", Some((2018, 12, 3))),
            ("3653", None),
            ("60000", None),
            ("018721", None),
            ("08721", None),
            ("18721.5", None),
            ("W1872", None),
        ];
        for (text, expected) in rows {
            assert!(day_of_serial(text) == expected.map(|(year, month, day)| Day { year, month, day }), "{text}");
        }
    }
}
