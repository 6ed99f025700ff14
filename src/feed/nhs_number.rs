//! NHS numbers: whether ten digits could be one, and where a text holds such digits.
//!
//! Owns the check digit, the spellings and the ranges. Refuses to say that a number is anybody's: of random ten digits one in
//! eleven passes, so what a passing number means is for the caller. Source: NHS Data Dictionary, NHS NUMBER.

mod plain;

use plain::{Plain, digit_of};
use std::ops::Range;

/// Longest text that is looked through, in bytes; of a longer one the start is.
const MAX_LOOKED_AT: usize = 4096;

/// Digits of an NHS number.
const DIGITS: usize = 10;

/// Letters and digits right beside ten digits from which on they are all one long word.
const FEWEST_BESIDE: usize = 6;

/// Characters between two groups of a number at most.
const MOST_BETWEEN: usize = 3;

/// A dash, and a blank that does not break, of UTF-8 read as Windows-1252.
const MISREAD: [&str; 3] = ["â€“", "â€”", "Â"];

/// Noughts in front of a number that a system has padded. One alone begins a telephone's number.
const FEWEST_NOUGHTS: usize = 2;

/// Ten digits in a text that pass or do not pass as an NHS number, in any of its spellings.
#[derive(Clone, PartialEq, Eq)]
pub struct TenDigits {
    digits: [u8; DIGITS],
    /// Where they stand in the text, in bytes, separators included.
    pub span: Range<usize>,
}

/// The digits are a person's: not even a trace of the program's own may show them.
impl std::fmt::Debug for TenDigits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TenDigits").field("span", &self.span).finish_non_exhaustive()
    }
}

impl TenDigits {
    /// Whether they pass the check (Modulus 11) and are no dummy such as 0000000000 or 0123456789.
    #[must_use]
    pub fn pass(&self) -> bool {
        let digits = self.digits;
        let steps = |by: u8| digits.iter().zip(digits.iter().skip(1)).all(|(digit, next)| (digit + by) % 10 == *next);
        let weighted: u32 = digits.iter().zip((2..=10).rev()).map(|(digit, weight)| u32::from(*digit) * weight).sum();
        let check = match 11 - weighted % 11 {
            11 => 0,
            check => check,
        };
        digits.last().is_some_and(|last| u32::from(*last) == check) && !steps(0) && !steps(1)
    }

    /// Whether they read as a time to the hour or minute, as in 2018120310, 0312201810, 1812031015 and 0312181015. Of real NHS
    /// numbers hardly any do, of times all.
    #[must_use]
    pub fn read_as_a_time(&self) -> bool {
        let [a, b, c, d, e] = self.pairs();
        let (day, month, hour, minute) = (1..=31, 1..=12, 0..=24, 0..=59);
        // Two digits of a year: of the decades in which feeds run, so that few numbers of people are taken for times.
        let (century, year) = (19..=20, 10..=39);
        let fits = |parts: [(u8, &std::ops::RangeInclusive<u8>); 4]| parts.iter().all(|(part, range)| range.contains(part));
        fits([(a, &century), (c, &month), (d, &day), (e, &hour)])
            || fits([(a, &day), (b, &month), (c, &century), (e, &hour)])
            || (year.contains(&a) && fits([(b, &month), (c, &day), (d, &hour), (e, &minute)]))
            || (year.contains(&c) && fits([(a, &day), (b, &month), (d, &hour), (e, &minute)]))
    }

    /// Whether the first digits are of a range that is issued: 320 to 399, 4, 6, 7 and 9 (Northern Ireland; England, Wales and
    /// the Isle of Man; older and test numbers). Scottish numbers are left out here: they start with a birth date, as many
    /// other numbers start with dates and noughts.
    #[must_use]
    pub fn are_of_an_issued_range(&self) -> bool {
        matches!(self.digits, [4 | 6 | 7 | 9, ..] | [3, 2..=9, ..])
    }

    /// Whether they are enough by themselves to be taken for an NHS number, where there are no others to compare with.
    #[must_use]
    pub fn tell_by_themselves(&self) -> bool {
        self.pass() && self.are_of_an_issued_range() && !self.read_as_a_time()
    }

    /// Whether these are the same digits as others, wherever they stand.
    #[must_use]
    pub fn are_the_same_as(&self, other: &Self) -> bool {
        self.digits == other.digits
    }

    fn pairs(&self) -> [u8; 5] {
        let [a, b, c, d, e, f, g, h, i, j] = self.digits;
        [(a, b), (c, d), (e, f), (g, h), (i, j)].map(|(tens, ones)| tens * 10 + ones)
    }
}

/// Whether a text that is meant to mean nothing holds an NHS number, in any spelling. Where ten digits are all of it, those that
/// pass are enough; among other characters they must tell by themselves, for a prefix before a running number with noughts in
/// front passes one time in eleven.
#[must_use]
pub fn holds_nhs_number(text: &str) -> bool {
    let trimmed = text.trim_matches(wraps);
    let whole = |found: &TenDigits| {
        let after = trimmed.get(found.span.end..).unwrap_or_default();
        found.span.start == 0 && (after.is_empty() || after.strip_prefix('.').is_some_and(|rest| rest.bytes().all(|b| b == b'0')))
    };
    ten_digits(trimmed).iter().any(|found| found.tell_by_themselves() || (found.pass() && whole(found)))
}

/// Blanks, and what a spreadsheet writes around a number that it is to take for a text.
fn wraps(c: char) -> bool {
    c.is_whitespace() || matches!(c, '=' | '"' | '\'')
}

/// The text with every ten digits that pass, and are no time, shown as stars: for names of files, which anybody may see.
#[must_use]
pub fn masked(text: &str) -> String {
    let hidden: Vec<Range<usize>> =
        ten_digits(text).into_iter().filter(|found| found.pass() && !found.read_as_a_time()).map(|found| found.span).collect();
    let shown = |(at, c): (usize, char)| if digit_of(c).is_some() && hidden.iter().any(|span| span.contains(&at)) { '*' } else { c };
    text.char_indices().map(shown).collect()
}

/// Every ten digits in a text that could be an NHS number: in a row; in groups of 3, 3 and 4 with one sign between, the first of
/// which may stand in brackets; with thousands separators; as a spreadsheet's `9.434765919E+09` or `0.9434765919E+10`; with two
/// noughts or more in front; or the only digits of a text without letters. Digits of other scripts count, and characters that
/// nobody can see do not.
///
/// Left out: ten digits that are a decimal fraction, the end of a longer hexadecimal word (a hash, the last group of a UUID), or
/// the second half of a care home's id such as `1-1000000001`.
#[must_use]
pub fn ten_digits(text: &str) -> Vec<TenDigits> {
    let text = text.get(..MAX_LOOKED_AT).unwrap_or_else(|| start_of(text));
    if text.is_ascii() {
        return ten_digits_of(text);
    }
    let plain = Plain::of(text);
    ten_digits_of(&plain.text).into_iter().map(|found| TenDigits { span: plain.span_in_original(found.span), ..found }).collect()
}

/// The same for a text whose digits are all of ASCII.
fn ten_digits_of(text: &str) -> Vec<TenDigits> {
    if !may_hold(text) {
        return Vec::new();
    }
    if let Some(found) = scientific(text).or_else(|| only_digits(text)) {
        return vec![found];
    }
    let runs = runs(text);
    let mut found = Vec::new();
    for at in 0..runs.len() {
        let Some(rest) = runs.get(at..) else { break };
        found.extend(in_a_row(text, rest).or_else(|| in_groups(text, runs.get(..at).unwrap_or_default(), rest)));
    }
    found
}

/// Whether the runs of digits in a text are of lengths that could make a number: spares nearly all texts a closer look.
fn may_hold(text: &str) -> bool {
    let (mut all, mut run, mut lengths, mut possible) = (0_usize, 0_usize, [0_usize; 4], false);
    for (at, byte) in text.bytes().chain(std::iter::once(0)).enumerate() {
        if byte.is_ascii_digit() {
            (all, run) = (all + 1, run + 1);
        } else if run > 0 {
            let [_, b, c, d] = lengths;
            lengths = [b, c, d, run];
            possible |= matches!(lengths, [.., DIGITS] | [_, 3, 3, 4] | [1, 3, 3, 3] | [_, _, 1, 9]);
            possible |= run >= DIGITS + FEWEST_NOUGHTS && text.get(at - run..).is_some_and(|text| text.starts_with("00"));
            run = 0;
        }
    }
    possible || all == DIGITS
}

/// Signs that stand between the groups of a number: spaces of any width, dashes of any length, dots, low lines, slashes, bars,
/// other points and quotes; and what is left of a space where text was read in the wrong encoding.
fn separates(c: char) -> bool {
    c.is_whitespace()
        || separates_groups_alone(c)
        || matches!(c, '-' | '_' | '\u{b7}' | '\u{2010}'..='\u{2015}' | '\u{2022}' | '\u{2212}' | '\u{2219}' | '\u{30fb}' | '\u{fffd}')
}

/// Those of them that say nothing between digits in any other grouping: times, fractions and lists are written with them.
fn separates_groups_alone(c: char) -> bool {
    matches!(c, '.' | '/' | ':' | ';' | '\'' | '\u{2019}' | '|' | '\\' | '~' | '*' | '+' | '=')
}

fn start_of(text: &str) -> &str {
    let end = (0..=MAX_LOOKED_AT.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

fn taken(text: &str, span: Range<usize>) -> Option<TenDigits> {
    let digits: Vec<u8> = text.get(span.clone())?.bytes().filter(u8::is_ascii_digit).map(|b| b - b'0').collect();
    Some(TenDigits { digits: digits.try_into().ok()?, span })
}

/// A number that a spreadsheet or a database wrote with an exponent, where no digit was lost.
fn scientific(text: &str) -> Option<TenDigits> {
    let inner = text.trim_matches(wraps);
    let (mantissa, exponent) = inner.split_once(['e', 'E'])?;
    let (whole, fraction) = mantissa.split_once('.')?;
    let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let places: usize = exponent.strip_prefix('+').unwrap_or(exponent).parse().ok()?;
    let noughts = whole.bytes().take_while(|b| *b == b'0').count();
    let fits = all_digits(whole) && all_digits(fraction) && places == fraction.len() && inner.len() <= 2 * DIGITS;
    let digits: Vec<u8> = whole.bytes().skip(noughts).chain(fraction.bytes()).map(|b| b.wrapping_sub(b'0')).collect();
    let start = text.find(inner)?;
    Some(TenDigits { digits: digits.try_into().ok().filter(|_| fits)?, span: start..start + inner.len() })
}

/// A text of ten digits and separators alone, however they are grouped.
fn only_digits(text: &str) -> Option<TenDigits> {
    let clean = text.chars().all(|c| c.is_ascii_digit() || (separates(c) && !separates_groups_alone(c)));
    let (first, last) = (text.find(|c: char| c.is_ascii_digit())?, text.rfind(|c: char| c.is_ascii_digit())?);
    // A care home's id is no person's number.
    let home = text.get(first..).is_some_and(|rest| rest.starts_with("1-"));
    (clean && !home).then(|| taken(text, first..last + 1)).flatten()
}

/// The runs of digits in a text.
fn runs(text: &str) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for (at, _) in text.bytes().enumerate().filter(|(_, byte)| byte.is_ascii_digit()) {
        match runs.last_mut() {
            Some(run) if run.end == at => run.end = at + 1,
            _ => runs.push(at..at + 1),
        }
    }
    runs
}

fn in_a_row(text: &str, runs: &[Range<usize>]) -> Option<TenDigits> {
    let run = runs.first().filter(|run| run.len() == DIGITS || is_padded(text, run))?;
    let padded = run.len() > DIGITS;
    let (before, after) = (text.get(..run.start)?, text.get(run.end..)?);
    let joined = |c: &char| c.is_ascii_alphanumeric();
    let word: Vec<char> = before.chars().rev().take_while(joined).chain(after.chars().take_while(joined)).collect();
    // A few letters or digits beside it are somebody's shorthand: "ED9434765919", "9434765919F83".
    let around = before.ends_with(|c: char| joined(&c)) && after.starts_with(|c: char| joined(&c));
    let long = (word.len() >= FEWEST_BESIDE || (around && word.len() > 1))
        && (word.iter().any(char::is_ascii_digit) || word.iter().all(char::is_ascii_hexdigit));
    let of_a_hash = long || (!word.is_empty() && ends_a_uuid(before));
    let digit_before = |text: &str| text.ends_with(|c: char| c.is_ascii_digit());
    let fraction = before.strip_suffix('.').is_some_and(digit_before) || has_a_fraction(after);
    let number = taken(text, run.end - DIGITS..run.end).filter(|number| !padded || number.are_of_an_issued_range())?;
    (!of_a_hash && !fraction && !is_a_homes_id(before)).then_some(number)
}

/// Whether what stands before ten digits is the rest of a UUID, but for some letters of its last group.
fn ends_a_uuid(before: &str) -> bool {
    let mut groups = before.rsplit('-');
    let hexadecimal = |group: &str| group.bytes().all(|byte| byte.is_ascii_hexdigit());
    groups.next().is_some_and(|last| last.len() <= 2 && hexadecimal(last))
        && groups.next().is_some_and(|group| group.len() == 4 && hexadecimal(group))
}

/// Whether a run of digits is ten behind noughts.
fn is_padded(text: &str, run: &Range<usize>) -> bool {
    let noughts = run.len().checked_sub(DIGITS).filter(|noughts| *noughts >= FEWEST_NOUGHTS);
    noughts.and_then(|noughts| text.get(run.start..run.start + noughts)).is_some_and(|front| front.bytes().all(|b| b == b'0'))
}

/// Whether what follows digits makes them a number with a fraction; `.0` is only how spreadsheets write whole ones.
fn has_a_fraction(after: &str) -> bool {
    let Some(rest) = after.strip_prefix('.') else { return false };
    let fraction: Vec<char> = rest.chars().take_while(char::is_ascii_digit).collect();
    fraction.iter().any(|digit| *digit != '0')
}

/// Whether what stands before ten digits is the start of a CQC location id: a 1 and a dash.
fn is_a_homes_id(before: &str) -> bool {
    let mut back = before.chars().rev();
    back.next() == Some('-') && back.next() == Some('1') && back.next().is_none_or(|c| !c.is_ascii_alphanumeric())
}

/// Groups of 3, 3 and 4 with one separator between each, or of 1, 3, 3 and 3 with commas. Groups of 3, 3 and 4 with
/// commas next to another comma are the fields of a line, and so are those with semicolons or bars.
fn in_groups(text: &str, earlier: &[Range<usize>], runs: &[Range<usize>]) -> Option<TenDigits> {
    let gap = |one: Option<&Range<usize>>, next: Option<&Range<usize>>| text.get(one?.end..next?.start);
    let single = |gap: Option<&str>| {
        // The first group may stand in brackets: "(943) 476 5919".
        let gap = gap.map(|gap| gap.strip_prefix(')').filter(|rest| !rest.is_empty()).unwrap_or(gap))?;
        if gap.chars().count() > MOST_BETWEEN {
            return None;
        }
        // A sign, with blanks around it or not; blanks alone; or a dash, or a blank, that was read in the wrong encoding.
        let mut chars = gap.trim().chars();
        match (chars.next(), chars.next()) {
            (None, _) => gap.chars().next(),
            (Some(_), _) if MISREAD.contains(&gap.trim()) => Some('-'),
            (sign, None) => sign,
            (Some(_), Some(_)) => None,
        }
    };
    let lengths = |count: usize| runs.iter().take(count).map(ExactSizeIterator::len).collect::<Vec<_>>();
    let gaps = |count: usize| (1..count).map(|at| single(gap(runs.get(at - 1), runs.get(at)))).collect::<Option<Vec<char>>>();
    // A longer chain of the same sign is something else: an address, a version, a date with a time.
    let chained = |count: usize, sign: char| {
        let around = [single(gap(earlier.last(), runs.first())), single(gap(runs.get(count - 1), runs.get(count)))];
        !sign.is_whitespace() && around.contains(&Some(sign))
    };
    let count = match lengths(4).as_slice() {
        [3, 3, 4, ..] => 3,
        [1, 3, 3, 3] => 4,
        _ => return None,
    };
    let signs = gaps(count)?;
    let all_are = |wanted: &[char]| signs.iter().all(|sign| wanted.contains(sign));
    let commas = all_are(&[',']) || (count == 4 && all_are(&['\'', '\u{2019}']));
    let sign = signs.first().copied().filter(|_| commas || (count == 3 && signs.iter().all(|sign| separates(*sign))))?;
    let span = runs.first()?.start..runs.get(count - 1)?.end;
    let around = [text.get(..span.start)?.chars().next_back(), text.get(span.end..)?.chars().next()];
    let fields = matches!(sign, ',' | ';' | '|' | '\t') && around.contains(&Some(sign));
    (!chained(count, sign) && !fields).then(|| taken(text, span)).flatten()
}

#[cfg(test)]
mod tests;
