//! Columns: which of a file's columns are the agreed ones.
//!
//! Owns the matching of names (STR-03, STR-04) and the limit on their number. Refuses to guess: two columns that could be
//! the same one are a finding.

use super::records::Record;
use super::{identifiers, quoted};
use crate::feed::{Finding, Findings, Rule, Severity};
use crate::normalise::mapping::TableMapping;

/// Where each agreed column stands in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// For each column of the mapping, in its order: the position in the file, where it is there.
    pub positions: Vec<Option<usize>>,
    /// Every column of the file, in its order.
    pub columns: Vec<FileColumn>,
    /// How many fields a row needs: columns without a name at the end are not counted.
    pub width: usize,
}

/// One column of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileColumn {
    /// What to call it in a finding: its agreed name, or its number.
    pub label: String,
    /// Whether it is declared to identify people, so that its values are expected and never kept.
    pub identifier: bool,
}

/// A name without letter case, spaces and punctuation.
#[must_use]
pub fn plain_name(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The layout of a table whose columns come in the agreed order, without names.
#[must_use]
pub fn by_position(mapping: &TableMapping) -> Layout {
    let columns = mapping.columns.iter().map(|name| agreed(name, mapping)).collect();
    Layout { positions: (0..mapping.columns.len()).map(Some).collect(), columns, width: mapping.columns.len() }
}

/// How many agreed columns a line of names has.
#[must_use]
pub fn matched(header: &Record<'_>, mapping: &TableMapping) -> usize {
    let names: Vec<String> = header.fields.iter().map(|field| plain_name(field)).collect();
    let there = |column: &&String| spellings(column, mapping).map(plain_name).any(|spelling| names.contains(&spelling));
    mapping.columns.iter().filter(there).count()
}

/// Whether a line with so many agreed names can be nothing but the line of names.
#[must_use]
pub fn is_plain(matched: usize, mapping: &TableMapping) -> bool {
    matched.saturating_mul(2) >= mapping.columns.len()
}

/// The layout that a line of column names gives, and whether every mandatory column is there once. Where the file was cut within
/// that line, its last name may be a piece of another, and says nothing: "Patient" of "Patient type".
#[must_use]
pub fn by_names(header: &Record<'_>, mapping: &TableMapping, cut: bool, findings: &mut Findings) -> (Layout, bool) {
    let names: Vec<String> = header.fields.iter().map(|field| plain_name(field)).collect();
    let width = names.iter().rposition(|name| !name.is_empty()).map_or(0, |last| last + 1);
    let mut layout = Layout { positions: Vec::new(), columns: Vec::new(), width };
    let mut owners: Vec<Option<&str>> = vec![None; names.len()];
    let (mut problems, mut missing) = (Vec::new(), Vec::new());
    for column in &mapping.columns {
        let spellings: Vec<String> = spellings(column, mapping).map(plain_name).collect();
        let found: Vec<usize> = names.iter().enumerate().filter(|(_, name)| spellings.contains(name)).map(|(at, _)| at).collect();
        for at in &found {
            if let Some(owner) = owners.get_mut(*at) {
                *owner = Some(column);
            }
        }
        match found.as_slice() {
            [] if mapping.optional.contains(column) => {}
            [] => {
                missing.extend(spellings);
                problems.push(Finding::new(Rule::Str03, format!("Column {column} is missing.")).in_column(column));
            }
            [_] => {}
            [..] => problems.push(Finding::new(Rule::Str03, format!("Column {column} is there {} times.", found.len())).in_column(column)),
        }
        layout.positions.push(found.first().copied());
    }
    let matched = owners.iter().flatten().count();
    // Where hardly any agreed name is there, the first line may be a row about a person: its texts are not repeated.
    let trusted = is_plain(matched, mapping);
    let doubtful = !problems.is_empty();
    if trusted {
        findings.extend(problems);
    } else {
        let names = mapping.columns.join(", ");
        let found = format!(
            "Line {} should name the columns; it has {matched} of {} agreed names. Agreed are: {names}.",
            header.line,
            mapping.columns.len()
        );
        findings.push(Finding::new(Rule::Str03, found).at_line(header.line));
    }
    for (at, (name, owner)) in names.iter().zip(&owners).enumerate() {
        let column = match owner {
            Some(owner) => agreed(owner, mapping),
            None if cut && at + 1 == names.len() => FileColumn { label: format!("column {}", at + 1), identifier: false },
            // An agreed name with something behind it: a line end was lost there, and that is a value of the first row.
            None => {
                let glued = missing.iter().any(|missing| name.starts_with(missing));
                not_agreed(at, name, header, mapping, Trust { names: trusted, this: trusted && !glued }, findings)
            }
        };
        layout.columns.push(column);
    }
    (layout, !doubtful)
}

fn spellings<'a>(column: &'a String, mapping: &'a TableMapping) -> impl Iterator<Item = &'a str> {
    std::iter::once(column).chain(mapping.also_named.get(column).into_iter().flatten()).map(String::as_str)
}

fn agreed(name: &str, mapping: &TableMapping) -> FileColumn {
    FileColumn { label: name.to_owned(), identifier: mapping.identifiers.iter().any(|identifier| identifier == name) }
}

/// Whether a table's agreed columns say that its places are homes, as care homes are.
fn is_of_homes(mapping: &TableMapping) -> bool {
    mapping.columns.iter().any(|column| plain_name(column).contains("homename"))
}

/// What is taken for a name.
#[derive(Clone, Copy)]
struct Trust {
    /// The first line is one of names.
    names: bool,
    /// This text may be one of them, and nothing else.
    this: bool,
}

/// Judges a column of the file that is none of the agreed ones: dropped, and looked at for what its name gives away.
fn not_agreed(at: usize, name: &str, header: &Record<'_>, mapping: &TableMapping, trusted: Trust, findings: &mut Findings) -> FileColumn {
    let number = format!("column {}", at + 1);
    if name.is_empty() {
        return FileColumn { label: number, identifier: false };
    }
    // An identifier that is declared, but not among the columns that are read, is expected and dropped without a word.
    if mapping.identifiers.iter().any(|identifier| plain_name(identifier) == name) {
        return FileColumn { label: number, identifier: true };
    }
    // A column that is named like a person's number gives it away by its name.
    let written = header.fields.get(at).map(|field| quoted(field.trim())).unwrap_or_default();
    // A line end may be lost, and then the first row stands behind the names: only what tells what a column holds is a name.
    let field = header.fields.get(at).map(AsRef::as_ref).unwrap_or_default();
    let label = if trusted.this && identifiers::may_be_shown(field) { written } else { number };
    if identifiers::names_a_person(field) && !(is_of_homes(mapping) && identifiers::names_a_home(field)) {
        findings.push(identifiers::named_for_a_person(&label));
    } else if trusted.names {
        let named = label.strip_prefix("column ").unwrap_or(&label);
        let finding = if mapping.reject_extra {
            let said = format!("Column {named} was not agreed, and other columns than the agreed ones reject this file.");
            Finding::new(Rule::Str04, said).with_severity(Severity::RejectFile)
        } else {
            Finding::new(Rule::Str04, format!("Column {named} was not agreed; it was dropped."))
        };
        findings.push(finding.in_column(&label));
    }
    FileColumn { label, identifier: false }
}
