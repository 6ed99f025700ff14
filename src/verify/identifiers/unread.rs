//! Texts that no mapping describes: files under names that nobody agreed, members of archives, files that are damaged.
//!
//! Owns how such a text is cut into columns, and what counts in it. Refuses to repeat a name of a column: nothing says that the
//! first line holds names.

use super::super::columns::{FileColumn, plain_name};
use super::super::{archive, gzip};
use super::births::DaysOf;
use super::{Agreed, Scan, named_for_a_person, names, names_a_person, readable};
use crate::feed::{Findings, Rule};
use crate::normalise::mapping::{Mapping, TableMapping};

/// Separators by which such a text is cut.
const SEPARATORS: [char; 4] = [',', ';', '|', '\t'];

/// Columns that are told apart in it; those behind count as one.
const MAX_COLUMNS: usize = 200;

/// Looks for NHS numbers, and for names of columns about people, in a file that was not read as a table: one under a name
/// that nobody agreed, or that is not what it should be. A leak is a leak under any name, and in any wrapping: what is packed
/// is unpacked once, up to so many bytes.
#[must_use]
pub fn scan_unread(bytes: &[u8], mappings: &[Mapping], max_bytes: u64) -> Findings {
    if bytes.starts_with(b"PK\x03\x04") {
        return archive::unpack(bytes, &[], mappings, max_bytes).findings.only_what_seals();
    }
    match gzip::unpack(bytes, max_bytes) {
        Ok(mut unpacked) => {
            unpacked.findings.append(scan_member(&unpacked.text, mappings, Expects::Something));
            unpacked.findings
        }
        Err(_) => scan_member(bytes, mappings, Expects::Something),
    }
}

/// What a text that is not read should have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expects {
    /// An agreed file: its times may stand in columns whose names are lost, so dates say nothing.
    Something,
    /// Nothing was agreed: dates of birth count, and one number that has few others to be compared with.
    Nothing,
}

/// The same for bytes as they stand, such as an archive's member already unpacked. A column that one of the provider's mappings
/// has agreed is no surprise by its name.
#[must_use]
pub fn scan_member(bytes: &[u8], mappings: &[Mapping], expects: Expects) -> Findings {
    let text = readable(bytes);
    let (known, declared) = (known_names(mappings), spellings(mappings, |table| &table.identifiers));
    let written: Vec<&str> = cells(first_line(&text)).collect();
    let names: Vec<String> = written.iter().map(|name| plain_name(name)).collect();
    let columns: Vec<FileColumn> = (0..MAX_COLUMNS)
        .map(|at| FileColumn { label: label_of(at), identifier: names.get(at).is_some_and(|name| declared.contains(name)) })
        .collect();
    let scan = scan_of(&text);
    let mut findings = scan.findings(&columns, &agreed_by_names(&written, &known));
    match expects {
        Expects::Something => findings = of_numbers(&findings),
        Expects::Nothing if findings.count_of(Rule::Igv02) == 0 => findings.append(scan.few(&columns)),
        Expects::Nothing => {}
    }
    // Where nothing follows the first line, and it has no end, its last name may be a piece of one.
    let whole = if text.contains(['\n', '\r']) { written.len() } else { written.len().saturating_sub(1) };
    for (at, (name, written)) in names.iter().zip(written).enumerate().take(whole) {
        if names_a_person(written) && !known.contains(name) && !declared.contains(name) {
            findings.push(named_for_a_person(&label_of(at)));
        }
    }
    findings
}

/// The names that one of the mappings has agreed, in every spelling.
fn known_names(mappings: &[Mapping]) -> Vec<String> {
    let mut known = spellings(mappings, |table| &table.columns);
    let manifests = mappings.iter().filter_map(|mapping| mapping.manifest.as_ref());
    known.extend(manifests.flat_map(|manifest| [&manifest.name_column, &manifest.rows_column]).map(|name| plain_name(name)));
    known
}

fn spellings(mappings: &[Mapping], names: fn(&TableMapping) -> &[String]) -> Vec<String> {
    let tables = mappings.iter().flat_map(|mapping| &mapping.tables);
    let spelled = |table: &TableMapping, name: &String| -> Vec<String> {
        std::iter::once(name).chain(table.also_named.get(name).into_iter().flatten()).map(|name| plain_name(name)).collect()
    };
    tables.flat_map(|table| names(table).iter().flat_map(|name| spelled(table, name)).collect::<Vec<_>>()).collect()
}

/// What the names of the first line say of the columns: days that are no births, or numbers that are no days.
fn agreed_by_names(written: &[&str], known: &[String]) -> Agreed {
    let mut agreed = Agreed::default();
    for (at, name) in written.iter().enumerate() {
        if known.contains(&plain_name(name)) || names::days_of(name) != DaysOf::Anything {
            agreed.times.push(label_of(at));
        }
        if names::names_a_number(name) {
            agreed.read.push(label_of(at));
        }
    }
    agreed
}

/// Looks through a text, line by line and column by column.
fn scan_of(text: &str) -> Scan {
    let mut scan = Scan::default();
    let first = first_line(text);
    scan.look_aside("The first line", 1, [first]);
    let separator = separator_of(first);
    for line in lines_of(text) {
        line.splitn(MAX_COLUMNS, separator).enumerate().for_each(|(at, cell)| scan.look(at, cell.trim().trim_matches('"')));
    }
    scan
}

/// Births are left out: whether such a column was agreed is not known where columns have no names.
fn of_numbers(findings: &Findings) -> Findings {
    let mut only = Findings::default();
    only.extend(findings.iter().filter(|finding| finding.rule == Rule::Igv02).cloned());
    only
}

fn lines_of(text: &str) -> impl Iterator<Item = &str> {
    text.split(['\n', '\r']).filter(|line| !line.trim().is_empty())
}

fn first_line(text: &str) -> &str {
    lines_of(text).next().unwrap_or_default()
}

/// The separator that a line has most of.
fn separator_of(line: &str) -> char {
    SEPARATORS.into_iter().max_by_key(|sign| line.matches(*sign).count()).unwrap_or(',')
}

fn cells(line: &str) -> impl Iterator<Item = &str> {
    line.splitn(MAX_COLUMNS, separator_of(line)).map(|cell| cell.trim().trim_matches('"'))
}

fn label_of(column: usize) -> String {
    format!("column {} of the file", column + 1)
}
