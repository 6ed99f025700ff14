//! Values: what one cell's text means (F7, F11, F15), and when it must not be used.
//!
//! Owns numbers, ages, lengths and characters, and the marks that a spreadsheet leaves. Refuses to guess: a text that is
//! not exactly what was agreed has no value.

use super::times;
use crate::bedstate::AgeBand;
use crate::feed::is_hidden;
use jiff::civil::Date;
use std::borrow::Cow;
use std::fmt;

/// Longest site, ward, bay and bed code, in characters. Source: NHS Data Dictionary, WARD CODE (max an12).
pub const MAX_CODE: usize = 12;
/// Longest `demand_for`, in characters.
pub const MAX_DEMAND_FOR: usize = 8;
/// Longest `demand_ref`, in characters.
pub const MAX_DEMAND_REF: usize = 32;

/// Reads a whole number that is not negative: `7`, `1,234` and a spreadsheet's `10.0`; never `1.5` or `5.00E+01`. One that is too
/// large for the type is the type's largest: it is above every bound.
#[must_use]
pub fn whole_number(text: &str) -> Option<u32> {
    // Only digits are left.
    digits(text).map(|digits| digits.parse().unwrap_or(u32::MAX))
}

/// The digits of a whole number, without noughts behind a point, and without separators between groups of three. A comma elsewhere
/// may be a decimal one: such a number is none.
#[must_use]
pub fn digits(text: &str) -> Option<Cow<'_, str>> {
    let text = text.trim();
    let whole = match text.split_once('.') {
        Some((whole, decimals)) if !decimals.is_empty() && decimals.bytes().all(|b| b == b'0') => whole,
        Some(_) => return None,
        None => text,
    };
    let mut groups = whole.split(',');
    let first = groups.next()?;
    let grouped = whole.contains(',');
    let digits = |group: &str| group.bytes().all(|b| b.is_ascii_digit());
    let first_fits = digits(first) && !first.is_empty() && (!grouped || first.len() <= 3);
    if !first_fits || !groups.all(|group| group.len() == 3 && digits(group)) {
        return None;
    }
    Some(if grouped { Cow::Owned(whole.replace(',', "")) } else { Cow::Borrowed(whole) })
}

/// A code that a spreadsheet took for a number, as it was written: `7.0` was `7`, `1,007` was `1007`, `007.0` was `007`. `None`
/// where the text is nothing of that kind.
#[must_use]
pub fn undo_number(text: &str) -> Option<String> {
    digits(text).filter(|_| text.contains(['.', ','])).map(Cow::into_owned)
}

/// Puts back the zeros that a spreadsheet took from the front; only where the text is digits.
#[must_use]
pub fn pad_zeros(text: &str, width: usize) -> Cow<'_, str> {
    if text.len() < width && !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        Cow::Owned(format!("{text:0>width$}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// The band of an age in whole years, 0 to 130.
#[must_use]
pub fn age_in_years(text: &str) -> Option<AgeBand> {
    AgeBand::of_age(u16::try_from(whole_number(text)?).ok()?)
}

/// The band of a person's age on a day, from a birth date in one of the formats. A birth after that day has none.
#[must_use]
pub fn birth_date(text: &str, formats: &[String], on: Date) -> Option<AgeBand> {
    let born = times::date(text, formats)?;
    let had_birthday = (on.month(), on.day()) >= (born.month(), born.day());
    let years = on.year() - born.year() - i16::from(!had_birthday);
    AgeBand::of_age(u16::try_from(years).ok()?)
}

/// The band that a text such as `25 to 29`, `25-29`, `25–29`, `90+` or `90 and over` names; none where it is not exactly one of
/// the dataset's: `Over 85` cannot be told apart into 85 to 89 and 90 and over.
#[must_use]
pub fn age_range(text: &str) -> Option<AgeBand> {
    let text = text.trim().to_lowercase();
    if let Some(lower) = text.strip_suffix('+').or_else(|| text.strip_suffix("and over")) {
        return (whole_number(lower)? == 90).then_some(AgeBand::A90);
    }
    let (lower, upper) = text.split_once("to").or_else(|| text.split_once(['-', '–', '—']))?;
    let (lower, upper) = (whole_number(lower)?, whole_number(upper)?);
    let band = AgeBand::of_age(u16::try_from(lower).ok()?)?;
    let exact = band.lower_bound().map(u32::from) == Some(lower) && lower.checked_add(4) == Some(upper) && band != AgeBand::A90;
    exact.then_some(band)
}

/// `Y` or `N`.
#[must_use]
pub fn yes_no(text: &str) -> Option<bool> {
    match text {
        "Y" => Some(true),
        "N" => Some(false),
        _ => None,
    }
}

/// Why a text must not be kept (ROW-08).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextProblem {
    /// More characters than this.
    TooLong(usize),
    /// A tab, a line break or another control character.
    ControlCharacter,
    /// Starts with `=`, `+`, `-` or `@`: a spreadsheet would run it as a formula.
    FormulaStart,
    /// Ten digits, with or without spaces and dashes: no code of a place looks like that, and every NHS number does.
    LikeNhsNumber,
}

impl fmt::Display for TextProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(most) => write!(f, "is longer than {most} characters"),
            Self::ControlCharacter => f.write_str("has a control character"),
            Self::FormulaStart => f.write_str("starts with =, +, - or @, which a spreadsheet would take for a formula"),
            Self::LikeNhsNumber => f.write_str("has ten digits, like an NHS number"),
        }
    }
}

/// Checks a text that is kept as it stands: at most `most` characters, and none that could do harm.
///
/// # Errors
/// Names the first thing that is wrong.
pub fn check_text(text: &str, most: usize) -> Result<(), TextProblem> {
    if text.starts_with(['=', '+', '-', '@']) {
        return Err(TextProblem::FormulaStart);
    }
    if text.chars().any(is_hidden) {
        return Err(TextProblem::ControlCharacter);
    }
    if digits_in(text) == 10 && text.chars().all(|c| c.is_ascii_digit() || c == ' ' || c == '-') {
        return Err(TextProblem::LikeNhsNumber);
    }
    if text.chars().count() > most { Err(TextProblem::TooLong(most)) } else { Ok(()) }
}

/// What a spreadsheet, or a wrong encoding, did to a text (ROW-07).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Damage {
    /// `5.00E+01` for `5E1`.
    Scientific,
    /// `05-Sep` for `5-9`, `Sep-05` for `SEP5`.
    DateLike,
    /// `#N/A`, `#REF!` and their like.
    ErrorValue,
    /// U+FFFD: the character that stands for one that was lost.
    LostCharacter,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scientific => "a code was turned into a number such as 5.00E+01",
            Self::DateLike => "a code was turned into a date such as 05-Sep",
            Self::ErrorValue => "a formula failed, as in #N/A",
            Self::LostCharacter => "characters were lost",
        })
    }
}

/// Looks for a spreadsheet's marks.
#[must_use]
pub fn damage(text: &str) -> Option<Damage> {
    const ERRORS: [&str; 8] = ["#N/A", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NUM!", "#NULL!", "#SPILL!"];
    if text.starts_with('#') && ERRORS.iter().any(|error| text.eq_ignore_ascii_case(error)) {
        Some(Damage::ErrorValue)
    } else if text.contains('\u{fffd}') {
        Some(Damage::LostCharacter)
    } else if is_scientific(text) {
        Some(Damage::Scientific)
    } else if is_date_like(text) {
        Some(Damage::DateLike)
    } else {
        None
    }
}

fn digits_in(text: &str) -> usize {
    text.chars().filter(char::is_ascii_digit).count()
}

/// One digit, decimals, `E`, a sign, and two digits or more: only a spreadsheet writes that.
fn is_scientific(text: &str) -> bool {
    let Some((mantissa, exponent)) = text.split_once(['E', 'e']) else { return false };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let (whole, decimals) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let Some(exponent) = exponent.strip_prefix(['+', '-']) else { return false };
    whole.len() == 1 && digits(whole) && digits(decimals) && exponent.len() >= 2 && digits(exponent)
}

fn is_date_like(text: &str) -> bool {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let Some((left, right)) = text.split_once('-') else { return false };
    let month = |text: &str| MONTHS.iter().any(|month| text.eq_ignore_ascii_case(month));
    let number = |text: &str| (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    (number(left) && month(right)) || (month(left) && number(right))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_read_and_nothing_else_is() {
        let rows = [
            ("7", Some(7)),
            (" 7 ", Some(7)),
            ("0", Some(0)),
            ("10.0", Some(10)),
            ("10.00", Some(10)),
            ("1,234", Some(1234)),
            ("1,234,567.0", Some(1_234_567)),
            ("007", Some(7)),
            ("1,23", None),
            ("1234,567", None),
            (",123", None),
            ("1.5", None),
            ("10.", None),
            (".0", None),
            ("-3", None),
            ("+3", None),
            ("5.00E+01", None),
            ("٣", None),
            ("", None),
            ("99999999999", Some(u32::MAX)),
        ];
        for (text, expected) in rows {
            assert_eq!(whole_number(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_number_that_was_a_code_is_undone_and_nothing_else_is() {
        let rows = [
            ("7.0", Some("7")),
            ("7.00", Some("7")),
            ("007.0", Some("007")),
            ("1,007", Some("1007")),
            ("1,234,567.0", Some("1234567")),
            ("7", None),
            ("7.5", None),
            ("7.", None),
            (".0", None),
            ("W1.0", None),
            ("W2,100", None),
            ("12,34", None),
            ("1234,567", None),
            ("-7.0", None),
            ("", None),
        ];
        for (text, expected) in rows {
            assert_eq!(undo_number(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn zeros_come_back_to_digits_only() {
        for (text, expected) in [("7", "07"), ("12", "12"), ("123", "123"), ("5E1", "5E1"), ("A", "A"), ("", "")] {
            assert_eq!(pad_zeros(text, 2), expected, "{text}");
        }
    }

    #[test]
    fn ages_become_bands_or_nothing() {
        let years = [("0", "A00"), ("83", "A80"), ("83.0", "A80"), ("130", "A90"), ("131", ""), ("-1", ""), ("83.5", ""), ("eighty", "")];
        for (text, band) in years {
            assert_eq!(age_in_years(text).map_or("", AgeBand::code), band, "{text}");
        }
        let ranges = [
            ("25 to 29", "A25"),
            ("25-29", "A25"),
            ("25–29", "A25"),
            ("25 - 29", "A25"),
            ("0-4", "A00"),
            ("00-04", "A00"),
            ("85 TO 89", "A85"),
            ("90+", "A90"),
            ("90 and over", "A90"),
            ("90 And Over", "A90"),
            ("Over 85", ""),
            ("85+", ""),
            ("25 to 34", ""),
            ("26 to 30", ""),
            ("90 to 94", ""),
            ("29-25", ""),
            ("09-May", ""),
            ("4294967295-3", ""),
            ("", ""),
        ];
        for (text, band) in ranges {
            assert_eq!(age_range(text).map_or("", AgeBand::code), band, "{text}");
        }
    }

    #[test]
    fn a_birth_date_becomes_the_age_on_the_snapshots_day() {
        let day: Date = "2018-12-03".parse().unwrap();
        let rows = [
            ("19350214", "A80"),
            ("19281203", "A90"),
            ("19281204", "A85"),
            ("20181203", "A00"),
            ("20181204", ""),
            ("18500101", ""),
            ("1935-02-14", ""),
            ("unknown", ""),
        ];
        for (text, band) in rows {
            assert_eq!(birth_date(text, &["%Y%m%d".to_owned()], day).map_or("", AgeBand::code), band, "{text}");
        }
    }

    #[test]
    fn texts_that_could_do_harm_are_refused() {
        let rows = [
            ("W21", Ok(())),
            ("ABCDEFGHIJKL", Ok(())),
            ("ÀÀÀÀÀÀÀÀÀÀÀÀ", Ok(())),
            ("ABCDEFGHIJKLM", Err(TextProblem::TooLong(12))),
            ("=1+1", Err(TextProblem::FormulaStart)),
            ("@A", Err(TextProblem::FormulaStart)),
            ("-", Err(TextProblem::FormulaStart)),
            ("W\t1", Err(TextProblem::ControlCharacter)),
            ("9434765919", Err(TextProblem::LikeNhsNumber)),
            ("943 476 5919", Err(TextProblem::LikeNhsNumber)),
            ("1-1000000001", Ok(())),
            ("B1234567890", Ok(())),
        ];
        for (text, expected) in rows {
            assert_eq!(check_text(text, MAX_CODE), expected, "{text:?}");
        }
    }

    #[test]
    fn a_spreadsheets_marks_are_seen_and_codes_are_left_alone() {
        let rows = [
            ("5.00E+01", Some(Damage::Scientific)),
            ("5E+01", Some(Damage::Scientific)),
            ("05-Sep", Some(Damage::DateLike)),
            ("14-Oct", Some(Damage::DateLike)),
            ("Sep-05", Some(Damage::DateLike)),
            ("#N/A", Some(Damage::ErrorValue)),
            ("#REF!", Some(Damage::ErrorValue)),
            ("Ward \u{fffd} 3", Some(Damage::LostCharacter)),
            ("5E1", None),
            ("E-01", None),
            ("B2-04", None),
            ("A03", None),
            ("#7", None),
            ("MAR1", None),
            ("Mar-Ward", None),
            ("", None),
        ];
        for (text, expected) in rows {
            assert_eq!(damage(text), expected, "{text}");
        }
    }
}
