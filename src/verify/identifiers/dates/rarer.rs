//! Spellings of dates beside the common ones: with the month before the day, with a time glued to the digits, with blanks and
//! rarer signs between the parts.
//!
//! Owns what tells such a date from other numbers: a year of four digits, but for a month before the day. Refuses to say whose
//! a date is.

use super::{Day, Piece, day_of, may_end_there, packed, without_space};

/// Digits of a day with a time behind it: to the hour, the minute, the second, the thousandth. HL7 writes times so.
const STAMPS: [usize; 4] = [10, 12, 14, 17];

/// Digits of a day without one.
const DAY_DIGITS: usize = 8;

/// Signs that may stand between the parts, where blanks may stand about them; the common ones without blanks are known before.
const SIGNS: [char; 9] = ['-', '/', '.', '_', '\\', ',', '\u{2010}', '\u{2011}', '\u{2013}'];

/// Between parts that only blanks divide.
const BLANK: char = ' ';

/// Month, day, year, as in `02/14/1935`, where the parts cannot be day, month, year. A column of such dates is read partly the one
/// way and partly the other; the years are the same, and they tell.
pub(super) fn month_first(month: &str, day: Piece<'_>, year: &str, sign: char) -> Option<Day> {
    match day {
        Piece::Number(day) if sign != '.' && month.len() <= 2 => day_of(day, Piece::Number(month), year),
        _ => None,
    }
}

/// Eight digits in any order: year, month, day; day, month, year; month, day, year.
pub(super) fn packed_in_any_order(text: &str) -> Option<Day> {
    packed(text).or_else(|| {
        let (month, rest) = text.split_at_checked(2)?;
        let (day, year) = rest.split_at_checked(2)?;
        day_of(day, Piece::Number(month), year).filter(|_| year.len() == 4)
    })
}

/// A day with a time glued to it, as in `19350214000000`, `193502140000` or `19350214000000.000+0000`.
pub(super) fn stamped(before: &[Piece<'_>], from: &[Piece<'_>]) -> Option<Day> {
    let [Piece::Number(all), after @ ..] = from else { return None };
    let (day, time) = all.split_at_checked(DAY_DIGITS).filter(|_| STAMPS.contains(&all.len()))?;
    let begins = !matches!(before, [.., Piece::Word(_)] | [.., Piece::Number(_), Piece::Sign('-' | '.' | '/')]);
    (begins && is_a_time(time) && ends_a_stamp(after)).then(|| packed_in_any_order(day)).flatten()
}

fn is_a_time(digits: &str) -> bool {
    let part = |from: usize| digits.get(from..from + 2).map_or(Some(0), |part| part.parse::<u8>().ok());
    part(0).is_some_and(|hour| hour <= 24) && [2, 4].into_iter().all(|at| part(at).is_some_and(|part| part <= 60))
}

/// Whether a stamp may end before these pieces: it may have parts of a second and an offset.
fn ends_a_stamp(after: &[Piece<'_>]) -> bool {
    let after = match after {
        [Piece::Sign('.'), Piece::Number(_), rest @ ..] => rest,
        all => all,
    };
    match after {
        [Piece::Sign('+' | '-'), Piece::Number(offset), rest @ ..] => {
            matches!(offset.len(), 2 | 4) && !matches!(rest, [Piece::Word(_), ..])
        }
        [Piece::Word(word), ..] => *word == "Z",
        [Piece::Sign(_), Piece::Number(_), ..] => false,
        _ => true,
    }
}

/// Three parts with blanks or a rarer sign between them: `14 02 1935`, `14_02_1935`, `14 / 02 / 1935`, `14 Feb '35`.
pub(super) fn apart(before: &[Piece<'_>], from: &[Piece<'_>]) -> Option<Day> {
    let [Piece::Number(first), rest @ ..] = from else { return None };
    let (sign, rest) = gap(rest)?;
    let (middle, rest) = rest.split_first()?;
    if let (Piece::Word(_), Some((year, after))) = (middle, year_with_an_apostrophe(rest)) {
        return (!is_glued(before) && may_end_there(after, sign)).then(|| day_of(first, *middle, year)).flatten();
    }
    let (again, rest) = gap(rest)?;
    let (Piece::Number(last), after) = rest.split_first()? else { return None };
    let lengths = [first.len(), last.len()];
    let with_a_year = matches!(lengths, [1 | 2, 4] | [4, 1 | 2]) && !matches!(middle, Piece::Number(middle) if middle.len() > 2);
    let stands_free = !is_glued(before) && !is_chained(before, sign) && may_end_there(after, sign);
    let day = || day_of(first, *middle, last).or_else(|| month_first(first, *middle, last, sign));
    (sign == again && with_a_year && stands_free).then(day).flatten()
}

fn is_glued(before: &[Piece<'_>]) -> bool {
    matches!(before.last(), Some(Piece::Word(_)))
}

/// Whether a number stands before, with the same between it and what follows.
fn is_chained(before: &[Piece<'_>], sign: char) -> bool {
    match before {
        [.., Piece::Number(_), Piece::Space] => sign == BLANK,
        [.., Piece::Number(_), Piece::Sign(last)]
        | [.., Piece::Number(_), Piece::Sign(last), Piece::Space]
        | [.., Piece::Number(_), Piece::Space, Piece::Sign(last)]
        | [.., Piece::Number(_), Piece::Space, Piece::Sign(last), Piece::Space] => *last == sign,
        _ => false,
    }
}

/// What divides two parts, and the pieces behind it.
fn gap<'p, 't>(pieces: &'p [Piece<'t>]) -> Option<(char, &'p [Piece<'t>])> {
    match without_space(pieces) {
        [Piece::Sign(sign), rest @ ..] if SIGNS.contains(sign) => Some((*sign, without_space(rest))),
        rest => (rest.len() < pieces.len()).then_some((BLANK, rest)),
    }
}

fn year_with_an_apostrophe<'p, 't>(pieces: &'p [Piece<'t>]) -> Option<(&'t str, &'p [Piece<'t>])> {
    match without_space(pieces) {
        [Piece::Sign('\'' | '\u{2019}'), Piece::Number(year), after @ ..] if year.len() == 2 => Some((*year, after)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Day, day_in};

    #[test]
    fn a_date_is_read_in_the_rarer_spellings_too() {
        let alone = [
            "02/14/1935",
            "2/14/1935",
            "02-14-1935",
            "02/14/1935 12:00:00 AM",
            "02141935",
            "1935021400",
            "193502140000",
            "19350214000000",
            "19350214000000000",
            "19350214000000.000",
            "19350214000000.0000+0000",
            "193502140000+0100",
            "19350214000000-0500",
            "19350214000000Z",
            "19350214T000000Z",
            "140219350000",
            "14 02 1935",
            "14  2  1935",
            "14\u{a0}02\u{a0}1935",
            "02 14 1935",
            "1935 02 14",
            "14 02 1935 00:00",
            "14_02_1935",
            "14_Feb_1935",
            "14\\02\\1935",
            "14,02,1935",
            "14\u{2013}02\u{2013}1935",
            "14 / 02 / 1935",
            "14 - 02 - 1935",
            "14 . 02 . 1935",
            "\"14 02 1935\"",
        ];
        for text in alone {
            for around in [text.to_owned(), format!("SMITH {text}"), format!("SMITH, John ({text})"), format!("dob:{text}")] {
                assert!(day_in(&around) == Some(Day { year: 1935, month: 2, day: 14 }), "{around}");
            }
        }
        for text in ["14 Feb '55", "SMITH 14 Feb '55", "14 February \u{2019}55", "02/14/55"] {
            assert!(day_in(text).is_some(), "{text}");
        }
    }

    #[test]
    fn numbers_that_only_look_a_little_like_such_a_date_are_none() {
        for text in [
            "14.13.1935",
            "02.14.1935",
            "1935/14/02",
            "19350214250000",
            "19350214006100",
            "193502140",
            "19350214000000-1",
            "19350214000000/2",
            "A19350214000000",
            "19350214000000x",
            "1-19350214000000",
            "0207 12 11 1935",
            "01603 12 11 1935",
            "12_11_1935_2",
            "4_12_11_1935",
            "14 02 35",
            "14_02_35",
            "W14 02 1935",
            "350214",
            "14 020 1935",
            "14 02_1935",
            "1935 02 2018",
        ] {
            assert!(day_in(text).is_none(), "{text}");
        }
    }
}
