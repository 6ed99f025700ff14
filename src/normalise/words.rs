//! Words that a message may repeat: those of agreed codes, and those of bed management. A text made of anything else may be
//! somebody's name.
//!
//! Owns which values of a file may be quoted, and which agreed code one is near to. Refuses values of columns about people: those
//! are not asked about here, and never quoted.

use super::mapping::{Condition, FieldSource, Reading, TableMapping};
use crate::feed::printed;
use std::collections::HashSet;

/// Longest code that is quoted, in characters.
const MAX_CODE_CHARS: usize = 20;

/// Digits from which on a text could be part of a birth date, a record number or an NHS number.
const MANY_DIGITS: usize = 6;

/// Longest run of letters beside a digit that no list needs to know: `W21`, `ISO2`, `5E1`. Names of people have no digits, and names of
/// users (`smithj2`) have longer runs.
const LETTERS_BESIDE_DIGITS: usize = 3;

/// Letters of a word from which on one of them may be wrong, and two of them, for it to be taken for an agreed code.
const ONE_WRONG_OF: usize = 4;
const TWO_WRONG_OF: usize = 7;

/// Words that bed management uses for states, reasons and answers, in small letters. None of them is known as a surname.
const OF_BED_MANAGEMENT: &str = "\
    admission admitted allocated available awaiting bed beds bedstate blocked booked cleaned cleaning clo closed \
    closure decant delayed dem demand dirty discharge discharged emp empty error escalation estates expected false female \
    flu icu infection ipc isolation itu lounge maintenance male mixed na nil no none norovirus not null occ occupied open \
    other outlier pending rdy ready reopened reserved restricted staffing surge temporary total transfer trolley true \
    unavailable unknown unoccupied unstaffed vac vacant yes";

/// The words of agreed codes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    /// In small letters.
    known: HashSet<String>,
}

impl Words {
    /// The words of every code that the mappings of some tables list, in any column: a code in the wrong column is still one.
    #[must_use]
    pub fn of<'t>(tables: impl IntoIterator<Item = &'t TableMapping>) -> Self {
        let mut words = Self::default();
        tables.into_iter().for_each(|table| words.learn_from(table));
        words
    }

    fn learn_from(&mut self, table: &TableMapping) {
        let sources = table.fields.values().chain(table.lines.iter().flat_map(|line| line.set.values()));
        for source in sources {
            if let FieldSource::Column { reading: Reading::Codes { codes, .. }, .. } = source {
                codes.keys().for_each(|text| self.learn(text));
            }
        }
        let conditions = table.lines.iter().map(|line| &line.when).chain(table.skip.iter().map(|skip| &skip.when));
        for condition in conditions.flat_map(|when| when.values()) {
            match condition {
                Condition::OneOf(texts) => texts.iter().for_each(|text| self.learn(text)),
                Condition::StartsWith(text) => self.learn(text),
                Condition::Filled | Condition::Blank => {}
            }
        }
    }

    fn learn(&mut self, text: &str) {
        self.known.extend(runs_of_letters(text).map(str::to_lowercase));
    }

    /// The value in quotes for a message; `None` where it could be a number that names a person, is no code but words, or has a
    /// word in it that is neither of an agreed code nor of bed management: a surname in a column of codes is one.
    #[must_use]
    pub fn quoted(&self, text: &str) -> Option<String> {
        self.allow(text).then(|| format!("\"{}\"", printed(text)))
    }

    fn allow(&self, text: &str) -> bool {
        let of_a_code = |c: char| c.is_alphanumeric() || "-_./+&#*?%".contains(c);
        let digits = text.chars().filter(char::is_ascii_digit).count();
        if text.chars().count() > MAX_CODE_CHARS || digits >= MANY_DIGITS || !text.chars().all(of_a_code) {
            return false;
        }
        runs_of_letters(text).all(|run| {
            let letters = run.chars().count();
            (letters == 1 && run.is_ascii()) || (digits > 0 && letters <= LETTERS_BESIDE_DIGITS) || self.knows(run)
        })
    }

    fn knows(&self, word: &str) -> bool {
        let word = word.to_lowercase();
        self.known.contains(&word) || OF_BED_MANAGEMENT.split(' ').any(|known| known == word)
    }
}

/// The agreed code that a text is nearest to, where it differs by a slip of the pen; `None` where several are as near.
#[must_use]
pub fn nearest<'c>(text: &str, codes: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let plain = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).take(40).collect::<Vec<char>>();
    let wanted = plain(text);
    let allowed = match wanted.len() {
        0..ONE_WRONG_OF => 0,
        ONE_WRONG_OF..TWO_WRONG_OF => 1,
        _ => 2,
    };
    let near = codes.into_iter().map(|code| (distance(&wanted, &plain(code)), code)).filter(|(distance, _)| *distance <= allowed);
    let near: Vec<(usize, &str)> = near.collect();
    let least = near.iter().map(|(distance, _)| *distance).min()?;
    let mut nearest = near.into_iter().filter(|(distance, _)| *distance == least).map(|(_, code)| code);
    let first = nearest.next().filter(|_| !wanted.is_empty())?;
    nearest.all(|other| other == first).then_some(first)
}

fn runs_of_letters(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphabetic()).filter(|run| !run.is_empty())
}

/// How many letters must be put in, left out or changed to make one text of another.
fn distance(one: &[char], other: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.iter().enumerate() {
        let mut corner = at;
        let mut left = at + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (cell, with) in row.iter_mut().skip(1).zip(other) {
            let changed = corner + usize::from(letter != with);
            corner = *cell;
            left = changed.min(corner + 1).min(left + 1);
            *cell = left;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p7_a_message_quotes_codes_and_never_what_may_be_a_persons_name_or_number() {
        let mut words = Words::default();
        ["VAC-DIRTY", "Occupied", "IP", "On leave - bed held", "F", "Ward 3"].iter().for_each(|code| words.learn(code));
        let rows = [
            ("W21", true),
            ("5E1", true),
            ("ISO2", true),
            ("Z", true),
            ("12", true),
            ("12.5", true),
            ("ip", true),
            ("DIRTY-VAC", true),
            ("VAC-CLEANING", true),
            ("leave", true),
            ("No", true),
            ("#N/A", true),
            ("SMITH", false),
            ("Smith", false),
            ("Lee", false),
            ("Ng", false),
            ("JS", false),
            ("O-Neil", false),
            ("SMITH-JONES", false),
            ("VAC-SMITH", false),
            ("smithj2", false),
            ("SMITH83", false),
            ("Müller", false),
            ("李", false),
            ("李明", false),
            ("OCC SMITH J", false),
            ("943 476 5919", false),
            ("9434765919", false),
            ("14/02/1935", false),
            ("123456", false),
            ("a\nb", false),
            ("W\u{200b}21", false),
            ("", true),
        ];
        for (text, shown) in rows {
            assert_eq!(words.quoted(text).is_some(), shown, "{text:?}");
        }
        assert_eq!(words.quoted("W21").as_deref(), Some("\"W21\""));
        assert_eq!(words.quoted(&"1".repeat(21)), None);
        assert_eq!(Words::default().quoted("IP"), None, "only this table knows it");
    }

    #[test]
    fn an_agreed_code_is_named_where_only_a_slip_of_the_pen_lies_between() {
        let codes = ["Occupied", "Unoccupied", "VAC-DIRTY", "CLS-INF", "CLS-STF", "OCC", "Closed"];
        let rows = [
            ("Ocupied", Some("Occupied")),
            ("occuppied", Some("Occupied")),
            ("VAC DIRTY", Some("VAC-DIRTY")),
            ("VACDRTY", Some("VAC-DIRTY")),
            ("Close", Some("Closed")),
            ("CLS-XNF", Some("CLS-INF")),
            ("CLS", None),
            ("OCX", None),
            ("SMITH", None),
            ("", None),
        ];
        for (text, expected) in rows {
            assert_eq!(nearest(text, codes), expected, "{text}");
        }
        assert_eq!(nearest("CLS-IXF", ["CLS-IAF", "CLS-IBF"]), None, "two are as near");
        assert_eq!(nearest(&"x".repeat(100_000), codes), None);
    }
}
