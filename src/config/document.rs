//! Documents: TOML read with its places, so that every problem can say where it stands.
//!
//! Owns the reader over tables: each key asked for is a known key, and [`Section::finish`] refuses the others. Refuses
//! to stop at a problem: it is noted, and the caller gets `None` or the default.

use super::problem::{Problem, did_you_mean, nearest};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Keys that have been renamed: the table they stood in (without numbers), the old name, the new name.
const RENAMED: &[(&str, &str, &str)] = &[];

/// One TOML file and what is wrong with it.
pub(super) struct Source {
    path: PathBuf,
    text: String,
    problems: RefCell<Vec<Problem>>,
}

impl Source {
    /// A file's text. A byte order mark, which some editors write, is left out.
    pub(super) fn new(path: &Path, text: &str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text).to_owned();
        Self { path: path.to_owned(), text, problems: RefCell::default() }
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The text that was read.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Cuts the text into tables; `None` where it is not TOML, after noting each place.
    pub(super) fn parse(&self) -> Option<Spanned<DeTable<'_>>> {
        let (root, errors) = DeTable::parse_recoverable(&self.text);
        // One slip makes the parser stumble several times on the same line: the first is the one that helps.
        let mut first_of_line = BTreeMap::new();
        for error in &errors {
            let at = error.span().map_or(0, |span| span.start);
            first_of_line.entry(self.position(at).0).or_insert((at, error.message()));
        }
        for (at, message) in first_of_line.into_values() {
            self.report(at, "", format!("not valid TOML: {message}"));
        }
        errors.is_empty().then_some(root)
    }

    /// The whole file as a section.
    pub(super) fn root<'d>(&'d self, table: &'d DeTable<'d>) -> Section<'d> {
        Section::new(self, String::new(), 0, table)
    }

    /// Notes a problem at a byte of the text.
    pub(super) fn report(&self, at: usize, key: &str, message: impl Into<String>) {
        let (line, column) = self.position(at);
        let problem = Problem { file: self.path.clone(), line, column, key: key.to_owned(), message: message.into() };
        self.problems.borrow_mut().push(problem);
    }

    /// What was wrong.
    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.problems.into_inner()
    }

    fn position(&self, at: usize) -> (usize, usize) {
        let before = self.text.get(..at).unwrap_or(&self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        (before.matches('\n').count() + 1, column)
    }
}

/// One table of a file.
#[must_use = "finish it, so that unknown keys are refused"]
pub(super) struct Section<'d> {
    source: &'d Source,
    path: String,
    at: usize,
    table: &'d DeTable<'d>,
    asked: RefCell<BTreeSet<&'static str>>,
    missing: RefCell<Vec<&'static str>>,
}

impl<'d> Section<'d> {
    fn new(source: &'d Source, path: String, at: usize, table: &'d DeTable<'d>) -> Self {
        Self { source, path, at, table, asked: RefCell::default(), missing: RefCell::default() }
    }

    /// The value of a key that may be missing.
    pub(super) fn get(&self, key: &'static str) -> Option<Item<'d>> {
        self.asked.borrow_mut().insert(key);
        let value = self.table.get(key)?;
        Some(Item { source: self.source, name: key, key: join(&self.path, key), at: value.span().start, value: value.get_ref() })
    }

    /// The value of a key that must be there.
    pub(super) fn need(&self, key: &'static str) -> Option<Item<'d>> {
        let item = self.get(key);
        if item.is_none() {
            self.missing.borrow_mut().push(key);
        }
        item
    }

    /// The tables of `[[key]]`, in order.
    pub(super) fn sections(&self, key: &'static str) -> Vec<Section<'d>> {
        self.get(key).map(|item| item.sections()).unwrap_or_default()
    }

    /// The table of `[key]`; an empty one where it is missing, so that its keys take their defaults.
    pub(super) fn section(&self, key: &'static str) -> Option<Section<'d>> {
        self.get(key).and_then(|item| item.section())
    }

    /// Whether a key is there; it counts as known.
    pub(super) fn has(&self, key: &'static str) -> bool {
        self.get(key).is_some()
    }

    /// Notes a problem with the section as a whole.
    pub(super) fn problem(&self, message: impl Into<String>) {
        self.source.report(self.at, &self.path, message);
    }

    /// The byte at which the section starts.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// The bytes at which the tables of this section start, those of lists of tables included.
    pub(super) fn starts(&self) -> Vec<usize> {
        let starts = |value: &Spanned<DeValue<'_>>| match value.get_ref() {
            DeValue::Table(_) => vec![value.span().start],
            DeValue::Array(array) => array.iter().map(|element| element.span().start).collect(),
            _ => Vec::new(),
        };
        self.table.values().flat_map(starts).collect()
    }

    /// The file it stands in.
    pub(super) fn source(&self) -> &'d Source {
        self.source
    }

    /// Where the section stands, for a problem that is found later.
    pub(super) fn place(&self) -> Problem {
        let (line, column) = self.source.position(self.at);
        Problem { file: self.source.path.clone(), line, column, key: self.path.clone(), message: String::new() }
    }

    /// The section's own dotted path.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Refuses every key that was not asked for, and notes the needed ones that are missing.
    pub(super) fn finish(self) {
        let asked = self.asked.borrow();
        let mut missing = self.missing.take();
        for key in self.table.keys().filter(|key| !asked.contains(key.get_ref().as_ref())) {
            let name = key.get_ref().as_ref();
            // A misspelt key is one mistake, not an unknown key and a missing one.
            missing.retain(|missing| nearest(name, asked.iter().copied()) != Some(*missing));
            let message = match successor(RENAMED, &self.path, name) {
                Some(new) => format!("this key is now called \"{new}\""),
                None => format!("unknown key{}", did_you_mean(name, asked.iter().copied())),
            };
            self.source.report(key.span().start, &join(&self.path, name), message);
        }
        for key in missing {
            self.source.report(self.at, &join(&self.path, key), "missing");
        }
    }
}

/// One value of a file.
#[derive(Clone)]
pub(super) struct Item<'d> {
    source: &'d Source,
    name: &'d str,
    key: String,
    at: usize,
    value: &'d DeValue<'d>,
}

impl<'d> Item<'d> {
    /// The value as TOML has it.
    pub(super) fn value(&self) -> &'d DeValue<'d> {
        self.value
    }

    /// The last part of its key; empty for an element of a list.
    pub(super) fn name(&self) -> &'d str {
        self.name
    }

    /// Notes a problem with the value.
    pub(super) fn problem(&self, message: impl Into<String>) {
        self.source.report(self.at, &self.key, message);
    }

    /// Where the value stands, for a problem that is found later.
    pub(super) fn place(&self) -> Problem {
        let (line, column) = self.source.position(self.at);
        Problem { file: self.source.path.clone(), line, column, key: self.key.clone(), message: String::new() }
    }

    /// Notes that the value is of the wrong type.
    pub(super) fn wrong_type(&self, wanted: &str) {
        self.problem(format!("must be {wanted}, not {}", type_name(self.value)));
    }

    /// The value as a table.
    pub(super) fn section(&self) -> Option<Section<'d>> {
        if let DeValue::Table(table) = self.value {
            return Some(Section::new(self.source, self.key.clone(), self.at, table));
        }
        self.wrong_type("a table");
        None
    }

    /// The value as a list of tables.
    pub(super) fn sections(&self) -> Vec<Section<'d>> {
        match self.value {
            DeValue::Array(_) => self.elements().iter().filter_map(Item::section).collect(),
            _ => {
                self.wrong_type(&format!("a list of tables, written [[{}]]", self.key));
                Vec::new()
            }
        }
    }

    /// The elements of a list; a single value counts as a list of one.
    pub(super) fn elements(&self) -> Vec<Item<'d>> {
        let DeValue::Array(array) = self.value else { return vec![self.clone()] };
        let element = |(index, value): (usize, &'d Spanned<DeValue<'d>>)| Item {
            source: self.source,
            name: "",
            key: format!("{}[{index}]", self.key),
            at: value.span().start,
            value: value.get_ref(),
        };
        array.iter().enumerate().map(element).collect()
    }

    /// The entries of a table whose keys are free, in the order of the file.
    pub(super) fn entries(&self) -> Vec<Item<'d>> {
        let DeValue::Table(table) = self.value else {
            self.wrong_type("a table");
            return Vec::new();
        };
        let mut entries: Vec<_> = table
            .iter()
            .map(|(key, value)| Item {
                source: self.source,
                name: key.get_ref(),
                key: join(&self.key, key.get_ref()),
                at: key.span().start,
                value: value.get_ref(),
            })
            .collect();
        entries.sort_by_key(|entry| entry.at);
        entries
    }
}

/// What a type of value is called in messages.
fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number without quotes",
        DeValue::Boolean(_) => "true or false without quotes",
        DeValue::Datetime(_) => "a date or time without quotes",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// A dotted path; a key that is not a bare word is quoted, as it is in the file.
fn join(path: &str, key: &str) -> String {
    let bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    let key = if bare { key.to_owned() } else { format!("{key:?}") };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

/// What a key is called now, where it has been renamed. Numbers in the path do not matter.
fn successor(renamed: &[(&str, &str, &'static str)], path: &str, key: &str) -> Option<&'static str> {
    let mut table = String::new();
    let mut inside = false;
    for c in path.chars() {
        inside = (inside || c == '[') && c != ']';
        if !inside && c != ']' {
            table.push(c);
        }
    }
    renamed.iter().find(|(of, old, _)| *of == table && *old == key).map(|(_, _, new)| *new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renamed_key_names_its_successor() {
        let renamed: &[(&str, &str, &'static str)] = &[("mapping.table", "separator", "delimiter")];
        let rows = [
            ("mapping[0].table[12]", "separator", Some("delimiter")),
            ("mapping[0]", "separator", None),
            ("mapping[0].table[1]", "delimiter", None),
        ];
        for (path, key, new) in rows {
            assert_eq!(successor(renamed, path, key), new, "{path} {key}");
        }
    }

    #[test]
    fn broken_toml_is_reported_with_each_line() {
        let source = Source::new(Path::new("x.toml"), "\u{feff}a = 1\nb = \nc = 2\nd = \"open\n[e\n");
        assert!(source.parse().is_none());
        let lines: Vec<_> = source.into_problems().iter().map(|problem| problem.line).collect();
        assert_eq!(lines, [2, 4, 5]);
    }

    #[test]
    fn unknown_keys_are_refused_with_the_nearest_known_one() {
        let source = Source::new(Path::new("x.toml"), "[a]\ncoluor = 1\n\"odd key\" = 2\nsize = 3\n");
        let root = source.parse().unwrap();
        let section = source.root(root.get_ref());
        let inner = section.section("a").unwrap();
        assert!(inner.has("size") && !inner.has("colour"));
        inner.finish();
        section.finish();
        let lines: Vec<_> = source.into_problems().iter().map(ToString::to_string).collect();
        let expected = ["x.toml:2: a.coluor: unknown key; did you mean \"colour\"?", "x.toml:3: a.\"odd key\": unknown key"];
        assert_eq!(lines, expected);
    }
}
