//! The columns of a table: what a field, condition or join may name.
//!
//! Owns the lookup with the nearest name, and keeps columns that identify people to their one use (P7).

use super::super::document::{Item, Section};
use super::super::problem::{did_you_mean, fold};
use super::tidy;
use crate::normalise::mapping::Tidy;
use crate::verify::identifiers::names_a_person;
use std::collections::{BTreeMap, BTreeSet};

/// What is known of a table before its lines are read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Outline {
    /// Its name.
    pub(super) name: String,
    /// Its columns.
    pub(super) columns: Vec<String>,
    /// Columns that identify people.
    pub(super) identifiers: Vec<String>,
    /// Texts that mean "nothing here".
    pub(super) null: Vec<String>,
    /// How its cells are put right.
    pub(super) tidy: Tidy,
}

impl Outline {
    /// Every column that a line may name: those of the file, and the pieces of splits.
    fn all(&self) -> impl Iterator<Item = &String> {
        let pieces = self.tidy.split.iter().flat_map(|split| &split.pattern.pieces);
        self.columns.iter().chain(pieces.map(|(name, _)| name))
    }

    /// Why a column's text can never be this one, where that is so.
    fn never(&self, column: &str, text: &str) -> Option<String> {
        let folded = text.trim().to_lowercase();
        let means_nothing = |tokens: &[String]| tokens.iter().any(|token| token.trim().to_lowercase() == folded);
        let here = self.tidy.null_in.get(column).map_or(&[][..], Vec::as_slice);
        if !folded.is_empty() && (means_nothing(&self.null) || means_nothing(here)) {
            return Some(format!("\"{text}\" means nothing in column \"{column}\" (null), so it is never seen: write \"\" for a blank"));
        }
        let instead = self.tidy.blank_means.get(column).filter(|_| folded.is_empty())?;
        Some(format!("a blank in column \"{column}\" means \"{instead}\" (blank_means), so it is never seen"))
    }
}

/// What a column is named for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// Its text goes into the dataset, or decides about a row.
    Kept,
    /// It is turned into an age band and forgotten.
    AgeBand,
}

/// The columns that one table's rows have, those of a joined table included.
pub(super) struct Columns<'a> {
    own: &'a Outline,
    joined: Option<&'a Outline>,
}

impl<'a> Columns<'a> {
    /// A table's own columns and, as `table.column`, those of the table joined to it.
    pub(super) fn new(own: &'a Outline, joined: Option<&'a Outline>) -> Self {
        Self { own, joined }
    }

    /// The column a value names, checked.
    pub(super) fn named(&self, item: &Item<'_>, how: Use) -> Option<String> {
        let column = item.filled()?;
        self.check(item, column, how).then(|| column.to_owned())
    }

    /// One column or a list of columns.
    pub(super) fn all_named(&self, item: &Item<'_>) -> Vec<String> {
        item.elements().iter().filter_map(|element| self.named(element, Use::Kept)).collect()
    }

    /// Whether the table has the column and may use it so; notes a problem otherwise.
    pub(super) fn check(&self, item: &Item<'_>, column: &str, how: Use) -> bool {
        // Columns that are missing altogether have been noted; not each place that names one.
        if self.own.columns.is_empty() {
            return true;
        }
        let joined = self.joined.and_then(|table| Some((table, column.strip_prefix(&table.name)?.strip_prefix('.')?)));
        let (table, bare) = match joined {
            _ if self.own.all().any(|own| own == column) => (self.own, column),
            Some((table, bare)) if table.columns.iter().any(|other| other == bare) => (table, bare),
            _ => {
                let prefixed: Vec<String> =
                    self.joined.iter().flat_map(|table| table.columns.iter().map(|other| format!("{}.{other}", table.name))).collect();
                let known = self.own.all().chain(&prefixed).map(String::as_str);
                item.problem(format!("the table \"{}\" has no column \"{column}\"{}", self.own.name, did_you_mean(column, known)));
                return false;
            }
        };
        let identifies = table.identifiers.iter().any(|it| it == bare);
        if identifies && how == Use::Kept {
            item.problem(format!("column \"{column}\" identifies people: it may only be turned into an age band"));
        }
        !identifies || how == Use::AgeBand
    }

    /// Notes where a column's text can never be this one: what is written for it would have no effect.
    pub(super) fn check_seen(&self, item: &Item<'_>, column: &str, text: &str) {
        let joined = self.joined.and_then(|table| Some((table, column.strip_prefix(&table.name)?.strip_prefix('.')?)));
        let why = match joined {
            Some((table, bare)) if !self.own.all().any(|own| own == column) => table.never(bare, text),
            _ => self.own.never(column, text),
        };
        if let Some(why) = why {
            item.problem(why);
        }
    }

    /// Whether a column is declared to identify people.
    pub(super) fn identifies(&self, column: &str) -> bool {
        self.own.identifiers.iter().any(|it| it == column)
            || self.joined.is_some_and(|table| table.identifiers.iter().any(|it| column == format!("{}.{it}", table.name)))
    }
}

/// Reads a table's name and columns.
pub(super) fn outline(section: &Section<'_>) -> Outline {
    let name = section.need("name").and_then(|item| item.filled().map(str::to_owned)).unwrap_or_default();
    let listed = section.need("columns");
    let columns = listed.as_ref().map(distinct).unwrap_or_default();
    let identifiers = section.get("identifiers").map(|item| subset(&item, &columns)).unwrap_or_default();
    if let Some(listed) = &listed {
        check_names(listed, &identifiers);
    }
    let null = section.get("null").map(|item| item.texts()).unwrap_or_default();
    let tidy = tidy::tidy(section, &columns, &identifiers);
    Outline { name, columns, identifiers, null, tidy }
}

/// Notes columns whose names say that they hold people's identities, though nobody declared it: they would be kept and shown.
fn check_names(listed: &Item<'_>, identifiers: &[String]) {
    for element in listed.elements() {
        let Some(column) = element.filled() else { continue };
        if names_a_person(column) && !identifiers.iter().any(|declared| declared == column) {
            element.problem(format!("\"{column}\" names a person: list it under identifiers"));
        }
    }
}

/// The columns of a list, each of which must be among the agreed ones.
pub(super) fn subset(item: &Item<'_>, columns: &[String]) -> Vec<String> {
    let mut kept = Vec::new();
    for element in item.elements() {
        let Some(column) = element.filled() else { continue };
        if columns.iter().any(|known| known == column) {
            kept.push(column.to_owned());
        } else {
            let near = did_you_mean(column, columns.iter().map(String::as_str));
            element.problem(format!("\"{column}\" is not among the table's columns{near}"));
        }
    }
    kept
}

/// Reads `also_named`: other spellings by column. No spelling may mean two columns.
pub(super) fn also_named(section: &Section<'_>, columns: &[String], identifiers: &[String]) -> BTreeMap<String, Vec<String>> {
    let mut taken: BTreeMap<String, String> = columns.iter().map(|column| (fold(column), column.clone())).collect();
    let mut all = BTreeMap::new();
    for entry in section.get("also_named").map(|item| item.entries()).unwrap_or_default() {
        let column = entry.name();
        if !columns.iter().any(|known| known == column) {
            let near = did_you_mean(column, columns.iter().map(String::as_str));
            entry.problem(format!("\"{column}\" is not among the table's columns{near}"));
            continue;
        }
        let mut names = Vec::new();
        for element in entry.elements() {
            let Some(name) = element.filled() else { continue };
            if names_a_person(name) && !identifiers.iter().any(|declared| declared == column) {
                element.problem(format!("\"{name}\" names a person: list {column} under identifiers"));
            }
            match taken.insert(fold(name), column.to_owned()) {
                Some(other) if other != column => element.problem(format!("\"{name}\" already means the column \"{other}\"")),
                _ => names.push(name.to_owned()),
            }
        }
        all.insert(column.to_owned(), names);
    }
    all
}

fn distinct(item: &Item<'_>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut columns = Vec::new();
    for element in item.elements() {
        let Some(column) = element.filled() else { continue };
        if !seen.insert(fold(column)) {
            element.problem(format!("column \"{column}\" stands twice; letter case, spaces and punctuation do not make a difference"));
        }
        columns.push(column.to_owned());
    }
    if columns.is_empty() {
        item.problem("must name at least one column");
    }
    columns
}
