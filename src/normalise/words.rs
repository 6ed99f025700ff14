//! Words that a message may repeat: those of agreed codes, and those of bed management. A text made of anything else may be
//! somebody's name.
//!
//! Owns which values of a file may be quoted. Refuses values of columns about people: those
//! are not asked about here, and never quoted.

use super::mapping::{Condition, FieldSource, Reading, TableMapping};
use super::quoting::like_a_date;
use super::values::{Damage, damage};
use crate::feed::printed;
use std::collections::HashSet;

/// Longest code that is quoted, in characters.
const MAX_CODE_CHARS: usize = 20;

/// Digits from which on a text could be part of a birth date, a record number or an NHS number.
const MANY_DIGITS: usize = 6;

/// Words that bed management uses for states, reasons and answers, in small letters. None of them is known as a surname.
const OF_BED_MANAGEMENT: &str = "\
    admission admitted allocated available awaiting bed beds bedstate blocked booked cleaned cleaning clo closed \
    closure decant delayed dem demand dirty discharge discharged emp empty error escalation estates expected female \
    flu icu infection ipc iso isolation itu lounge maintenance mixed none norovirus not occ occupied open \
    other outlier pending rdy ready reopened reserved restricted staffing surge temporary total transfer trolley \
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
        let too_long = text.chars().count() > MAX_CODE_CHARS || digits >= MANY_DIGITS;
        if too_long || !text.chars().all(of_a_code) || like_a_date(text) {
            return false;
        }
        // One letter is a code's (`W21`, `5E1`); two are somebody's initials.
        let mut unknown = runs_of_letters(text).filter(|run| !self.knows(run));
        let first = unknown.next();
        (first.is_none_or(|run| run.len() == 1) && unknown.next().is_none()) || damage(text) == Some(Damage::ErrorValue)
    }

    fn knows(&self, word: &str) -> bool {
        let word = word.to_lowercase();
        self.known.contains(&word) || OF_BED_MANAGEMENT.split(' ').any(|known| known == word)
    }
}

fn runs_of_letters(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphabetic()).filter(|run| !run.is_empty())
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
            ("No", false),
            ("Null", false),
            ("NA", false),
            ("Male", false),
            ("True", false),
            ("1/2/35", false),
            ("14/2/35", false),
            ("4.7.51", false),
            ("2-1935", false),
            ("Lee-83", false),
            ("LEE83", false),
            ("Ng-83", false),
            ("J.S.83", false),
            ("J.S.", false),
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
}
