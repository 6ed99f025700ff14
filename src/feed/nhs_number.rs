//! NHS numbers: whether ten digits could be one, and where a text holds such digits.
//!
//! Owns the check digit, the spellings and the ranges. Refuses to say that a number is anybody's: of random ten digits one in
//! eleven passes, so what a passing number means is for the caller. Source: NHS Data Dictionary, NHS NUMBER.

use std::ops::Range;

/// Longest text that is looked through, in bytes; of a longer one the start is.
const MAX_LOOKED_AT: usize = 4096;

/// Digits of an NHS number.
const DIGITS: usize = 10;

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

/// Whether a text is an NHS number and nothing else, in any spelling: `9434765919`, `943 476 5919`, `="9434765919"`.
#[must_use]
pub fn is_nhs_number(text: &str) -> bool {
    let text = text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '=' | '"' | '\''));
    let whole = |found: &TenDigits| {
        let after = text.get(found.span.end..).unwrap_or_default();
        found.span.start == 0 && (after.is_empty() || after.strip_prefix('.').is_some_and(|rest| rest.bytes().all(|b| b == b'0')))
    };
    ten_digits(text).iter().any(|found| whole(found) && found.pass())
}

/// The text with every ten digits that pass, and are no time, shown as stars: for names of files, which anybody may see.
#[must_use]
pub fn masked(text: &str) -> String {
    let hidden: Vec<Range<usize>> =
        ten_digits(text).into_iter().filter(|found| found.pass() && !found.read_as_a_time()).map(|found| found.span).collect();
    let shown = |(at, c): (usize, char)| if c.is_ascii_digit() && hidden.iter().any(|span| span.contains(&at)) { '*' } else { c };
    text.char_indices().map(shown).collect()
}

/// Every ten digits in a text that could be an NHS number: in a row; in groups of 3, 3 and 4 with one sign between; with
/// thousands separators; as a spreadsheet's `9.434765919E+09`; or the only digits of a text without letters.
///
/// Left out: ten digits that are a decimal fraction, the end of a longer hexadecimal word (a hash, the last group of a UUID), or
/// the second half of a care home's id such as `1-1000000001`.
#[must_use]
pub fn ten_digits(text: &str) -> Vec<TenDigits> {
    let text = text.get(..MAX_LOOKED_AT).unwrap_or_else(|| start_of(text));
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
    for byte in text.bytes().chain(std::iter::once(0)) {
        if byte.is_ascii_digit() {
            (all, run) = (all + 1, run + 1);
        } else if run > 0 {
            let [_, b, c, d] = lengths;
            lengths = [b, c, d, run];
            run = 0;
            possible |= matches!(lengths, [.., DIGITS] | [_, 3, 3, 4] | [1, 3, 3, 3] | [_, _, 1, 9]);
        }
    }
    possible || all == DIGITS
}

/// Signs that stand between the groups of a number: spaces of any width, dashes of any length, dots, low lines, slashes; and
/// what is left of a space where text was read in the wrong encoding.
fn separates(c: char) -> bool {
    c.is_whitespace()
        || matches!(
            c,
            '-' | '.' | '_' | '/' | '\u{ad}' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{200b}' | '\u{2060}' | '\u{feff}' | '\u{fffd}'
        )
}

fn start_of(text: &str) -> &str {
    let end = (0..=MAX_LOOKED_AT.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

fn taken(text: &str, span: Range<usize>) -> Option<TenDigits> {
    let digits: Vec<u8> = text.get(span.clone())?.bytes().filter(u8::is_ascii_digit).map(|b| b - b'0').collect();
    Some(TenDigits { digits: digits.try_into().ok()?, span })
}

/// A number that a spreadsheet wrote with an exponent, where no digit was lost.
fn scientific(text: &str) -> Option<TenDigits> {
    let inner = text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '=' | '"' | '\''));
    let (mantissa, exponent) = inner.split_once(['e', 'E'])?;
    let (whole, fraction) = mantissa.split_once('.')?;
    let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    let nine = matches!(exponent.strip_prefix('+').unwrap_or(exponent), "9" | "09" | "009");
    let start = text.find(mantissa)?;
    (nine && digits(whole, 1) && digits(fraction, DIGITS - 1)).then(|| taken(text, start..start + mantissa.len())).flatten()
}

/// A text of ten digits and separators alone, however they are grouped.
fn only_digits(text: &str) -> Option<TenDigits> {
    let clean = text.chars().all(|c| c.is_ascii_digit() || (separates(c) && !matches!(c, '.' | '/')));
    let (first, last) = (text.find(|c: char| c.is_ascii_digit())?, text.rfind(|c: char| c.is_ascii_digit())?);
    // A care home's id is no person's number.
    let home = text.get(first..).is_some_and(|rest| rest.chars().nth(1) == Some('-'));
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
    let run = runs.first().filter(|run| run.len() == DIGITS)?.clone();
    let (before, after) = (text.get(..run.start)?, text.get(run.end..)?);
    let joined = |c: &char| c.is_ascii_alphanumeric();
    let word: Vec<char> = before.chars().rev().take_while(joined).chain(after.chars().take_while(joined)).collect();
    let of_a_hash = word.iter().any(char::is_ascii_digit) || (word.len() > 1 && word.iter().all(char::is_ascii_hexdigit));
    let digit_before = |text: &str| text.ends_with(|c: char| c.is_ascii_digit());
    let fraction = before.strip_suffix('.').is_some_and(digit_before) || has_a_fraction(after);
    (!of_a_hash && !fraction && !is_a_homes_id(before)).then(|| taken(text, run)).flatten()
}

/// Whether what follows digits makes them a number with a fraction; `.0` is only how spreadsheets write whole ones.
fn has_a_fraction(after: &str) -> bool {
    let Some(rest) = after.strip_prefix('.') else { return false };
    let fraction: Vec<char> = rest.chars().take_while(char::is_ascii_digit).collect();
    fraction.iter().any(|digit| *digit != '0')
}

/// Whether what stands before ten digits is the start of a CQC location id: one digit and a dash.
fn is_a_homes_id(before: &str) -> bool {
    let mut back = before.chars().rev();
    back.next() == Some('-') && back.next().is_some_and(|c| c.is_ascii_digit()) && back.next().is_none_or(|c| !c.is_ascii_alphanumeric())
}

/// Groups of 3, 3 and 4 with one separator between each, or of 1, 3, 3 and 3 with commas. Groups of 3, 3 and 4 with
/// commas next to another comma are the fields of a line.
fn in_groups(text: &str, earlier: &[Range<usize>], runs: &[Range<usize>]) -> Option<TenDigits> {
    let gap = |one: Option<&Range<usize>>, next: Option<&Range<usize>>| text.get(one?.end..next?.start);
    let single = |gap: Option<&str>| {
        let mut chars = gap?.chars();
        chars.next().filter(|_| chars.next().is_none())
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
    let commas = signs.iter().all(|sign| *sign == ',');
    let sign = signs.first().copied().filter(|_| commas || (count == 3 && signs.iter().all(|sign| separates(*sign))))?;
    let span = runs.first()?.start..runs.get(count - 1)?.end;
    let around = [text.get(..span.start)?.chars().next_back(), text.get(span.end..)?.chars().next()];
    let fields = count == 3 && commas && around.contains(&Some(','));
    (!chained(count, sign) && !fields).then(|| taken(text, span)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_digits_are_found_in_every_spelling_and_times_hashes_and_homes_are_not() {
        // Whether an NHS number is seen in the text, and whether it tells by itself.
        let rows = [
            ("9434765919", true, true),
            ("943 476 5919", true, true),
            ("943-476-5919", true, true),
            ("943.476.5919", true, true),
            ("943,476,5919", true, true),
            ("\"943,476,5919\"", true, true),
            ("SMITH, 943,476,5919", true, true),
            ("943\u{a0}476\u{a0}5919", true, true),
            ("943\u{202f}476\u{2009}5919", true, true),
            ("943\u{2013}476\u{2013}5919", true, true),
            ("943\u{fffd}476\u{fffd}5919", true, true),
            ("94 3476 5919", true, true),
            ("=\"9434765919\"", true, true),
            ("'9434765919", true, true),
            ("9434765919.0", true, true),
            ("9434765919.00", true, true),
            ("9,434,765,919", true, true),
            ("9.434765919E+09", true, true),
            ("9.434765919e9", true, true),
            ("9.43476592E+09", false, false),
            ("9.434765919E+10", false, false),
            ("see 9434765919 and ring", true, true),
            ("in bay 4 9434765919", true, true),
            ("told 943 476 5919 today", true, true),
            ("NHS9434765919", true, true),
            ("F9434765919", true, true),
            ("beds_9434765919.csv", true, true),
            ("RM1-9434765919.csv", true, true),
            ("01603 9434765919-2", true, true),
            ("beds_943_476_5919.csv", true, true),
            // The check digit is wrong.
            ("9434765918", false, false),
            ("943 476 5918", false, false),
            // Dummies.
            ("0000000000", false, false),
            ("0123456789", false, false),
            // A Scottish number; also the start of many other numbers, so it needs company.
            ("0101010125", true, false),
            // Noughts in front, and seconds since 1970.
            ("0000000108", true, false),
            ("1543832105", true, false),
            // Part of something else.
            ("1-1000000001", false, false),
            ("1-9434765919", false, false),
            ("20181203101500", false, false),
            ("2018-12-03 10:15", false, false),
            ("03/12/2018 10:15", false, false),
            ("0.9434765919", false, false),
            ("9434765919.5", false, false),
            ("123-943-476-5919", false, false),
            ("12.943.476.5919", false, false),
            ("12,943,476,5919", false, false),
            ("Ward 1,943,476,5919", false, false),
            ("Ward,943,476,5919", false, false),
            ("943,476,5919,Ward", false, false),
            ("943,476 5919", false, false),
            ("00000000-0000-0000-0000-ab9434765919", false, false),
            ("1c9434765919ab", false, false),
            ("", false, false),
        ];
        for (text, seen, tells) in rows {
            let found = ten_digits(text);
            assert_eq!(found.iter().any(|found| found.pass() && !found.read_as_a_time()), seen, "{text}");
            assert_eq!(found.iter().any(TenDigits::tell_by_themselves), tells, "{text}");
            assert!(!format!("{found:?}").contains("943"));
        }
    }

    #[test]
    fn a_time_is_not_taken_for_a_number() {
        for text in ["2018120310", "0312201810", "1812031015", "0312181015", "1999123124"] {
            assert!(ten_digits(text).iter().all(TenDigits::read_as_a_time), "{text}");
        }
        for text in ["9434765919", "4812031015", "2018133210", "1812032515"] {
            assert!(!ten_digits(text).iter().any(TenDigits::read_as_a_time), "{text}");
        }
    }

    #[test]
    fn a_whole_text_is_a_number_or_it_is_not() {
        let rows = [
            ("9434765919", true),
            (" 943 476 5919 ", true),
            ("=\"9434765919\"", true),
            ("9434765919.0", true),
            ("9434765918", false),
            ("REF9434765919", false),
            ("9434765919 B", false),
            ("", false),
        ];
        for (text, expected) in rows {
            assert_eq!(is_nhs_number(text), expected, "{text}");
        }
    }

    #[test]
    fn only_the_digits_of_a_number_are_masked() {
        let rows = [
            ("beds_9434765919.csv", "beds_**********.csv"),
            ("beds 943 476 5919 é.csv", "beds *** *** **** é.csv"),
            ("RM1_BEDSTATE_20181203_1015.csv", "RM1_BEDSTATE_20181203_1015.csv"),
            ("x_2018120310.csv", "x_2018120310.csv"),
            ("NCC_CAREHOME_CAPACITY_201812031015.csv", "NCC_CAREHOME_CAPACITY_201812031015.csv"),
            ("9434765918.csv", "9434765918.csv"),
        ];
        for (text, expected) in rows {
            assert_eq!(masked(text), expected);
        }
    }

    #[test]
    fn any_text_is_looked_through_without_a_fault() {
        let long = "9".repeat(MAX_LOOKED_AT * 2);
        let cut = format!("{}é9434765919", "x".repeat(MAX_LOOKED_AT - 1));
        let many = "1 ".repeat(MAX_LOOKED_AT);
        for text in [long.as_str(), &cut, &many, "é1234567890é", "1.2.3.4.5.6.7.8.9.0", "e9", "9.e+9", "1-234-567-890,12"] {
            assert!(!ten_digits(text).iter().any(TenDigits::tell_by_themselves), "{}", text.len());
        }
    }
}
