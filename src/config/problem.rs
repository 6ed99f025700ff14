//! Problems: what is wrong with the settings, where, and what to do about it.
//!
//! Owns how a problem is written and sorted, and the search for the nearest known word. Refuses to stop at the first one.

use std::fmt;
use std::path::PathBuf;

/// Problems listed for one file; the rest are counted. A spreadsheet with a shifted column would list every cell.
const MAX_LISTED_PER_FILE: usize = 100;

/// One thing that is wrong with the settings.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1; 0 where the whole file is meant.
    pub line: usize,
    /// In TOML the character of the line, in CSV the field of the row; from 1, or 0 where the whole line is meant.
    pub column: usize,
    /// The dotted path of the key, or the name of the CSV column; empty where none is meant.
    pub key: String,
    /// What is wrong, in words.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if self.line > 0 {
            write!(f, "{}:", self.line)?;
        }
        if !self.key.is_empty() {
            write!(f, " {}:", self.key)?;
        }
        write!(f, " {}", self.message)
    }
}

/// Every problem found, sorted by file and line. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// `None` where nothing is wrong.
    pub(super) fn of(mut problems: Vec<Problem>) -> Option<Self> {
        problems.sort();
        problems.dedup();
        (!problems.is_empty()).then(|| Self(cut(problems)))
    }

    /// A single problem.
    pub(super) fn one(problem: Problem) -> Self {
        Self(vec![problem])
    }

    /// The problems, sorted by file and line.
    #[must_use]
    pub fn list(&self) -> &[Problem] {
        &self.0
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Keeps the first problems of each file and says how many more there are.
fn cut(problems: Vec<Problem>) -> Vec<Problem> {
    let mut kept: Vec<Problem> = Vec::new();
    for of_file in problems.chunk_by(|a, b| a.file == b.file) {
        kept.extend(of_file.iter().take(MAX_LISTED_PER_FILE).cloned());
        let more = of_file.len().saturating_sub(MAX_LISTED_PER_FILE);
        if let Some(last) = of_file.last().filter(|_| more > 0) {
            let message = format!("and {more} more problems in this file");
            kept.push(Problem { file: last.file.clone(), line: 0, column: 0, key: String::new(), message });
        }
    }
    kept
}

/// The known word most like `word`, where one is near enough to be meant. Case, spaces and punctuation do not matter.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = fold(word);
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&word, &fold(candidate)), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len().max(word.len()) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `; did you mean "x"?`, or nothing.
pub(super) fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, known).map(|near| format!("; did you mean \"{near}\"?")).unwrap_or_default()
}

/// A name without what never matters in column names: letter case, spaces and punctuation.
pub(super) fn fold(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_named_only_where_it_is_near() {
        let known = ["gender", "age_band", "site_code", "WARD_CODE", "from", "to"];
        let rows = [
            ("gendr", Some("gender")),
            ("ageband", Some("age_band")),
            ("Ward Code", Some("WARD_CODE")),
            ("sit_cod", Some("site_code")),
            ("form", Some("from")),
            ("colour", None),
            ("x", None),
        ];
        for (word, near) in rows {
            assert_eq!(nearest(word, known), near, "{word}");
        }
    }

    #[test]
    fn problems_are_sorted_and_a_flood_is_cut() {
        let problem = |file: &str, line| Problem { file: file.into(), line, column: 1, key: "k".into(), message: "m".into() };
        let mut many: Vec<_> = (1..=103).map(|line| problem("b.csv", line)).collect();
        many.push(problem("a.toml", 7));
        let problems = Problems::of(many).unwrap();
        assert_eq!(problems.list()[0].to_string(), "a.toml:7: k: m");
        assert_eq!(problems.list().len(), 1 + MAX_LISTED_PER_FILE + 1);
        assert_eq!(problems.list().last().unwrap().to_string(), "b.csv: and 3 more problems in this file");
        assert_eq!(Problems::of(Vec::new()), None);
    }
}
