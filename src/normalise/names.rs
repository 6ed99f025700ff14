//! File names: whether a name fits a mapping's pattern, and what it says (F1).
//!
//! Owns the pattern language and its reading. Refuses regular expressions: a name is read once from left to right, so no
//! name, however strange, takes longer than its length. A date that does not exist is a name that does not fit.

use super::mapping::{NamePattern, NamePiece};
use jiff::ToSpan;
use jiff::civil::{Date, DateTime, Time};

/// Longest `{org}` in characters; the shortest is three.
const MAX_ORG: usize = 6;
/// Most digits of `{seq}`: running numbers wrap at 9,999,999.
const MAX_SEQUENCE_DIGITS: usize = 7;

/// What a file's name says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameParts {
    /// The organisation, in capitals.
    pub org: Option<String>,
    /// The date and time as written, without a zone; 24:00 is midnight of the next day. Only where the pattern has at least
    /// the year, the month, the day and the hour.
    pub when: Option<DateTime>,
    /// Whether a `Z` stands right behind the time: it is UTC, whatever the mapping's zone.
    pub utc: bool,
    /// The running number.
    pub sequence: Option<u32>,
    /// Year, month, day, hour, minute, second as written.
    digits: [Option<u16>; 6],
}

impl NameParts {
    /// The name's values joined: equal for all parts of one set, whatever their patterns look like otherwise.
    #[must_use]
    pub fn set_key(&self) -> String {
        let org = self.org.clone().unwrap_or_default();
        let digits: Vec<String> = self.digits.iter().map(|value| value.map(|v| format!("{v:02}")).unwrap_or_default()).collect();
        let sequence = self.sequence.map(|v| v.to_string()).unwrap_or_default();
        format!("{org}|{}|{sequence}", digits.join("-"))
    }
}

/// Why a text is not a name pattern.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PatternError {
    /// No text.
    #[error("a name pattern cannot be empty")]
    Empty,
    /// A brace without its partner.
    #[error("the braces do not pair up")]
    UnbalancedBraces,
    /// A placeholder that does not exist.
    #[error("{{{0}}} is not a placeholder: use {{org}}, {{yyyy}}, {{mm}}, {{dd}}, {{HH}}, {{MM}}, {{SS}} or {{seq}}")]
    UnknownPlaceholder(String),
    /// A placeholder of varying length that the next piece could be part of.
    #[error("{{{0}}} needs a separator after it: its length varies")]
    NoSeparator(&'static str),
}

/// Reads a pattern such as `{org}_BEDSTATE_{yyyy}{mm}{dd}_{HH}{MM}.csv`.
///
/// # Errors
/// Says what is wrong with the text, for the settings' author.
pub fn parse_pattern(text: &str) -> Result<NamePattern, PatternError> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(inside) = rest.strip_prefix('{') {
            let (name, after) = inside.split_once('}').ok_or(PatternError::UnbalancedBraces)?;
            pieces.push(placeholder(name)?);
            rest = after;
        } else {
            let end = rest.find(['{', '}']).unwrap_or(rest.len());
            let (literal, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
            if after.starts_with('}') {
                return Err(PatternError::UnbalancedBraces);
            }
            pieces.push(NamePiece::Literal(literal.to_owned()));
            rest = after;
        }
    }
    if pieces.is_empty() {
        return Err(PatternError::Empty);
    }
    for (piece, next) in pieces.iter().zip(pieces.iter().skip(1)) {
        separated(piece, next)?;
    }
    Ok(NamePattern { text: text.to_owned(), pieces })
}

/// Matches a name; `None` where it does not fit, or says a date or time that does not exist.
#[must_use]
pub fn match_name(pattern: &NamePattern, name: &str) -> Option<NameParts> {
    let mut parts = NameParts::default();
    let mut rest = name;
    let mut before: Option<&NamePiece> = None;
    for piece in &pattern.pieces {
        rest = match piece {
            NamePiece::Literal(literal) => {
                parts.utc |= says_utc(before, literal);
                strip_ignoring_case(rest, literal)?
            }
            NamePiece::Org => {
                let (org, after) = take_while(rest, MAX_ORG, |c| c.is_ascii_alphanumeric());
                if org.len() < 3 {
                    return None;
                }
                agree(&mut parts.org, org.to_ascii_uppercase())?;
                after
            }
            NamePiece::Sequence => {
                let (digits, after) = take_while(rest, MAX_SEQUENCE_DIGITS, |c| c.is_ascii_digit());
                agree(&mut parts.sequence, digits.parse().ok()?)?;
                after
            }
            NamePiece::Year => take_number(rest, 4, parts.digits.get_mut(0)?)?,
            NamePiece::Month => take_number(rest, 2, parts.digits.get_mut(1)?)?,
            NamePiece::Day => take_number(rest, 2, parts.digits.get_mut(2)?)?,
            NamePiece::Hour => take_number(rest, 2, parts.digits.get_mut(3)?)?,
            NamePiece::Minute => take_number(rest, 2, parts.digits.get_mut(4)?)?,
            NamePiece::Second => take_number(rest, 2, parts.digits.get_mut(5)?)?,
        };
        before = Some(piece);
    }
    if !rest.is_empty() {
        return None;
    }
    parts.when = civil(parts.digits)?;
    Some(parts)
}

/// The placeholders, as written between braces.
pub const PLACEHOLDERS: &[(&str, NamePiece)] = &[
    ("org", NamePiece::Org),
    ("yyyy", NamePiece::Year),
    ("mm", NamePiece::Month),
    ("dd", NamePiece::Day),
    ("HH", NamePiece::Hour),
    ("MM", NamePiece::Minute),
    ("SS", NamePiece::Second),
    ("seq", NamePiece::Sequence),
];

fn placeholder(name: &str) -> Result<NamePiece, PatternError> {
    match PLACEHOLDERS.iter().find(|(known, _)| *known == name) {
        Some((_, piece)) => Ok(piece.clone()),
        None if name.contains('{') => Err(PatternError::UnbalancedBraces),
        None => Err(PatternError::UnknownPlaceholder(name.to_owned())),
    }
}

/// A piece of varying length takes all it can, so what follows must not look like more of it.
fn separated(piece: &NamePiece, next: &NamePiece) -> Result<(), PatternError> {
    let starts = |test: fn(&char) -> bool| match next {
        NamePiece::Literal(literal) => literal.chars().next().is_some_and(|c| test(&c)),
        _ => true,
    };
    match piece {
        NamePiece::Org if starts(char::is_ascii_alphanumeric) => Err(PatternError::NoSeparator("org")),
        NamePiece::Sequence if starts(char::is_ascii_digit) => Err(PatternError::NoSeparator("seq")),
        _ => Ok(()),
    }
}

/// Whether a text right behind a time of day is the `Z` of UTC, not the first letter of a word.
fn says_utc(before: Option<&NamePiece>, literal: &str) -> bool {
    let timed = matches!(before, Some(NamePiece::Hour | NamePiece::Minute | NamePiece::Second));
    let after = literal.strip_prefix(['Z', 'z']);
    timed && after.is_some_and(|after| !after.starts_with(|c: char| c.is_alphanumeric()))
}

fn strip_ignoring_case<'n>(text: &'n str, literal: &str) -> Option<&'n str> {
    let mut rest = text.chars();
    for wanted in literal.chars() {
        let found = rest.next()?;
        if found != wanted && !found.to_lowercase().eq(wanted.to_lowercase()) {
            return None;
        }
    }
    Some(rest.as_str())
}

fn take_while(text: &str, most: usize, wanted: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.char_indices().take(most).take_while(|(_, c)| wanted(*c)).map(|(at, c)| at + c.len_utf8()).last().unwrap_or(0);
    text.split_at_checked(end).unwrap_or((text, ""))
}

fn take_number<'n>(text: &'n str, width: usize, into: &mut Option<u16>) -> Option<&'n str> {
    let (digits, after) = take_while(text, width, |c| c.is_ascii_digit());
    if digits.len() != width {
        return None;
    }
    agree(into, digits.parse().ok()?)?;
    Some(after)
}

/// A placeholder used twice must say the same both times.
fn agree<T: PartialEq>(known: &mut Option<T>, value: T) -> Option<()> {
    match known {
        Some(before) if *before != value => None,
        _ => {
            *known = Some(value);
            Some(())
        }
    }
}

/// `None`: no such date or time. `Some(None)`: the pattern does not say one.
fn civil(digits: [Option<u16>; 6]) -> Option<Option<DateTime>> {
    let [year, month, day, hour, minute, second] = digits.map(|value| value.map(|v| i16::try_from(v).unwrap_or(i16::MAX)));
    let (Some(year), Some(month), Some(day)) = (year, month, day) else { return Some(None) };
    let date = Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    let Some(hour) = hour else { return Some(None) };
    let (minute, second) = (minute.unwrap_or(0), second.unwrap_or(0));
    if (hour, minute, second) == (24, 0, 0) {
        return Some(Some(date.checked_add(1.day()).ok()?.to_datetime(Time::midnight())));
    }
    let time = Time::new(i8::try_from(hour).ok()?, i8::try_from(minute).ok()?, i8::try_from(second).ok()?, 0).ok()?;
    Some(Some(date.to_datetime(time)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_six_feeds_are_read() {
        // (pattern, name, org, when, sequence)
        let rows = [
            (
                "{org}_BEDSTATE_{yyyy}{mm}{dd}_{HH}{MM}.csv",
                "RM1_BEDSTATE_20181203_1015.csv",
                Some(("RM1", Some("2018-12-03T10:15:00"), None)),
            ),
            (
                "{org}_BEDSTATE_{yyyy}{mm}{dd}_{HH}{MM}.csv",
                "rm1_bedstate_20181203_1015.CSV",
                Some(("RM1", Some("2018-12-03T10:15:00"), None)),
            ),
            ("{org}_BEDSTATE_{yyyy}{mm}{dd}_{HH}{MM}.csv", "RM1_BEDSTATE_20181203_1015.csv.sha256", None),
            ("{org}_BEDSTATE_{yyyy}{mm}{dd}_{HH}{MM}.csv", "RM1_BEDSTATE_20181303_1015.csv", None),
            ("{org}_BEDSTATE_{yyyy}{mm}{dd}_{HH}{MM}.csv", "RM1_BEDSTATE_20181203_1060.csv", None),
            (
                "{org}_BEDSTATE_{yyyy}{mm}{dd}_{HH}{MM}.csv",
                "RM1_BEDSTATE_20181231_2400.csv",
                Some(("RM1", Some("2019-01-01T00:00:00"), None)),
            ),
            ("{org}_BEDSTATE_{yyyy}{mm}{dd}_{HH}{MM}.csv", "RM1_BEDSTATE_20181231_2401.csv", None),
            ("JPUH beds {dd}-{mm}-{yyyy} {HH}{MM}.csv", "JPUH beds 03-12-2018 1015.csv", Some(("", Some("2018-12-03T10:15:00"), None))),
            ("rcx_bs_{seq}.txt", "rcx_bs_0001234.txt", Some(("", None, Some(1234)))),
            ("rcx_bs_{seq}.txt", "rcx_bs_00012345.txt", None),
            ("rcx_bs_{seq}.txt", "rcx_bs_.txt", None),
            ("RY3_{yyyy}{mm}{dd}_{HH}{MM}{SS}.zip", "RY3_20181203_101502.zip", Some(("", Some("2018-12-03T10:15:02"), None))),
            ("{org}_{yyyy}.csv", "ÀÀÀ_2018.csv", None),
            ("é{org}.csv", "ÉRM1.csv", Some(("RM1", None, None))),
        ];
        for (pattern, name, expected) in rows {
            let parts = match_name(&parse_pattern(pattern).unwrap(), name);
            let found = parts.map(|p| (p.org.unwrap_or_default(), p.when.map(|w| w.to_string()), p.sequence));
            let expected = expected.map(|(org, when, seq)| (org.to_owned(), when.map(str::to_owned), seq));
            assert_eq!(found, expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_z_behind_the_time_is_utc() {
        let rows = [
            ("BEDSTATE_{org}_{yyyy}{mm}{dd}T{HH}{MM}Z_{seq}.csv", "BEDSTATE_RM1_20181203T1015Z_0000001.csv", true),
            ("b_{yyyy}{mm}{dd}{HH}{MM}z", "b_201812031015z", true),
            ("b_{yyyy}{mm}{dd}{HH}{MM}zip", "b_201812031015zip", false),
            ("b_{yyyy}{mm}{dd}Z{HH}{MM}.csv", "b_20181203Z1015.csv", false),
            ("b_{yyyy}{mm}{dd}{HH}{MM}.csv", "b_201812031015.csv", false),
        ];
        for (pattern, name, utc) in rows {
            assert_eq!(match_name(&parse_pattern(pattern).unwrap(), name).unwrap().utc, utc, "{pattern}");
        }
    }

    #[test]
    fn the_parts_of_one_set_have_one_key() {
        let key = |pattern: &str, name: &str| match_name(&parse_pattern(pattern).unwrap(), name).unwrap().set_key();
        let beds = key("JPUH beds {dd}-{mm}-{yyyy} {HH}{MM}.csv", "JPUH beds 03-12-2018 1015.csv");
        assert_eq!(beds, key("waiting {yyyy}{mm}{dd}{HH}{MM}.csv", "waiting 201812031015.csv"));
        assert_ne!(beds, key("JPUH waiting {dd}-{mm}-{yyyy} {HH}{MM}.csv", "JPUH waiting 03-12-2018 1030.csv"));
        assert_ne!(key("a_{seq}", "a_1"), key("a_{seq}", "a_2"));
        assert_ne!(key("a_{yyyy}{mm}{dd}", "a_20181203"), key("a_{yyyy}{mm}{dd}", "a_20181204"));
    }

    #[test]
    fn a_pattern_that_cannot_be_read_is_refused() {
        let rows = [
            ("", Err(PatternError::Empty)),
            ("beds_{yyyy", Err(PatternError::UnbalancedBraces)),
            ("beds_yyyy}", Err(PatternError::UnbalancedBraces)),
            ("beds_{{yyyy}", Err(PatternError::UnbalancedBraces)),
            ("beds_{year}.csv", Err(PatternError::UnknownPlaceholder("year".to_owned()))),
            ("{org}BEDS.csv", Err(PatternError::NoSeparator("org"))),
            ("{seq}{yyyy}.csv", Err(PatternError::NoSeparator("seq"))),
            ("{yyyy}{seq}.csv", Ok(())),
            ("{yyyy}{mm}{dd}.csv", Ok(())),
        ];
        for (text, expected) in rows {
            assert_eq!(parse_pattern(text).map(|_| ()), expected, "{text}");
        }
    }

    #[test]
    fn a_placeholder_used_twice_must_agree() {
        let pattern = parse_pattern("{yyyy}/{yyyy}").unwrap();
        assert!(match_name(&pattern, "2018/2018").is_some());
        assert!(match_name(&pattern, "2018/2019").is_none());
    }
}
