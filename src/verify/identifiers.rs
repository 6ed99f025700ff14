//! Identifiers: columns, values and lines that point to a person (IGV-01 to IGV-03). A leak seals the file.
//!
//! Owns what gives a person away, and how much of it is enough. Refuses to repeat a value, ever.

mod births;
mod names;

pub use crate::feed::nhs_number::is_nhs_number;
pub use names::names_a_person;

use super::columns::{FileColumn, plain_name};
use super::{archive, gzip};
use crate::feed::nhs_number::{TenDigits, ten_digits};
use crate::feed::{FileName, Finding, Findings, Rule};
use crate::normalise::mapping::{FieldSource, Mapping, Reading, SnapshotTime, TableMapping};
use births::{Births, Day, day_in};

/// Values that must pass before a column counts as holding NHS numbers.
const FEWEST_NUMBERS: u64 = 3;

/// Share of a column's ten-digit values that must pass, in percent. Of random ten-digit numbers one in eleven does, so a
/// column of three is taken for what it is not once in 1,331 times, and of ten hardly ever.
const SHARE_PERCENT: u64 = 80;

/// Different numbers that are enough whatever they start with. Fewer, repeated on many rows, may be anything that stands on
/// every row; they count where all are of a range that is issued.
const DIFFERENT: usize = 3;

/// Shortest field that is looked at, and the fewest digits in it: a date such as 14-Feb-35.
const FEWEST_CHARS: usize = 8;
const FEWEST_DIGITS: usize = 4;

/// Separators by which a text is cut that no mapping describes.
const SEPARATORS: [char; 4] = [',', ';', '|', '\t'];

/// Columns that are told apart in such a text; those behind count as one.
const MAX_COLUMNS: usize = 200;

/// Looks through a table: at every value, column by column, and at the lines beside the rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    columns: Vec<Column>,
    asides: Findings,
}

/// What one column's values look like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Column {
    /// Ten-digit values that are no times, and those of them that pass the check.
    seen: u64,
    passed: u64,
    /// The first different ones that pass.
    different: Vec<TenDigits>,
    births: Births,
    /// Values looked at, and the last of them with what it was: a time that stands on every row is read once.
    values: u64,
    last: Last,
}

/// A value and what it was.
#[derive(Clone, Default, PartialEq, Eq)]
struct Last {
    text: String,
    /// Whether it has enough digits to be looked at any closer.
    has_digits: bool,
    numbers: Vec<TenDigits>,
    /// Once it was asked for.
    day: Option<Option<Day>>,
}

/// The text may be a person's: not even a trace of the program's own may show it.
impl std::fmt::Debug for Last {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Last").finish_non_exhaustive()
    }
}

impl Scan {
    /// Looks through a text that no mapping describes.
    fn of_text(text: &str) -> Self {
        let mut scan = Self::default();
        let first = first_line(text);
        scan.look_aside("The first line", 1, [first]);
        let separator = separator_of(first);
        for line in lines_of(text) {
            line.splitn(MAX_COLUMNS, separator).enumerate().for_each(|(at, cell)| scan.look(at, cell.trim().trim_matches('"')));
        }
        scan
    }

    /// The columns with too few ten-digit values to compare, all of which tell by themselves.
    fn few(&self, columns: &[FileColumn]) -> Findings {
        let told = self.columns.iter().zip(columns).filter(|(seen, column)| seen.holds_few_numbers() && !column.identifier);
        let mut findings = Findings::default();
        findings.extend(told.map(|(_, column)| in_few_words(&column.label).in_column(&column.label)));
        findings
    }

    /// Looks at one field of the column at a position.
    pub fn look(&mut self, column: usize, field: &str) {
        if field.len() < FEWEST_CHARS {
            return;
        }
        if self.columns.len() <= column {
            self.columns.resize(column + 1, Column::default());
        }
        if let Some(column) = self.columns.get_mut(column) {
            column.look(field);
        }
    }

    /// Looks at a line beside the rows: the first, the last, a total, a remark. What is said in few words has nothing to be
    /// compared with, so one number is enough.
    pub fn look_aside<'f>(&mut self, what: &str, line: u64, fields: impl IntoIterator<Item = &'f str>) {
        if fields.into_iter().any(holds_a_number) {
            self.asides.push(in_few_words(&format!("{what} (line {line})")).at_line(line));
        }
    }

    /// What the values give away. Columns declared as identifiers are left out: there they are expected and dropped. So are
    /// dates in columns that are agreed as times.
    #[must_use]
    pub fn findings(&self, columns: &[FileColumn], times: &[&str]) -> Findings {
        let mut findings = self.asides.clone();
        let newest = self.columns.iter().filter_map(|column| column.births.newest_year()).max();
        for (at, seen) in self.columns.iter().enumerate() {
            let column = columns.get(at);
            if column.is_some_and(|column| column.identifier) {
                continue;
            }
            let label = column.map_or_else(|| format!("column {}", at + 1), |column| column.label.clone());
            if seen.holds_numbers() {
                let message = format!("{} values in {label} look like NHS numbers. The file is sealed.", seen.passed);
                findings.push(Finding::new(Rule::Igv02, message).in_column(&label));
            }
            let agreed_time = times.contains(&label.as_str());
            if let Some(count) = seen.births.found(newest).filter(|_| !agreed_time) {
                let message = format!("{count} values in {label} look like dates of birth. The file is sealed.");
                findings.push(Finding::new(Rule::Igv03, message).in_column(&label));
            }
        }
        findings
    }
}

impl Column {
    fn look(&mut self, field: &str) {
        let same = self.last.text == field;
        if !same {
            field.clone_into(&mut self.last.text);
            self.last.has_digits = field.bytes().filter(u8::is_ascii_digit).count() >= FEWEST_DIGITS;
        }
        if !self.last.has_digits {
            return;
        }
        let look_for_births = self.births.want(self.values);
        self.values += 1;
        if !same {
            self.last.numbers = ten_digits(field);
            self.last.numbers.retain(|found| !found.read_as_a_time());
            self.last.day = None;
        }
        for found in &self.last.numbers {
            self.seen += 1;
            if found.pass() {
                self.passed += 1;
                if self.different.len() < DIFFERENT && !self.different.iter().any(|other| other.are_the_same_as(found)) {
                    self.different.push(found.clone());
                }
            }
        }
        if look_for_births {
            self.births.note(*self.last.day.get_or_insert_with(|| day_in(field)));
        }
    }

    fn holds_few_numbers(&self) -> bool {
        (1..FEWEST_NUMBERS).contains(&self.seen) && self.passed == self.seen && self.different.iter().all(TenDigits::are_of_an_issued_range)
    }

    fn holds_numbers(&self) -> bool {
        let share = self.passed.saturating_mul(100) >= self.seen.saturating_mul(SHARE_PERCENT);
        let different = self.different.len() >= DIFFERENT || self.different.iter().all(TenDigits::are_of_an_issued_range);
        self.passed >= FEWEST_NUMBERS && share && different
    }
}

/// The columns of a table that are agreed to hold times.
#[must_use]
pub fn times_of(mapping: &TableMapping) -> Vec<&str> {
    let sources = mapping.fields.values().chain(mapping.lines.iter().flat_map(|line| line.set.values()));
    let read_as_times = sources.filter_map(|source| match source {
        FieldSource::Column { column, reading: Reading::Instant { .. } } => Some(column.as_str()),
        _ => None,
    });
    let stated = match &mapping.snapshot_at {
        SnapshotTime::Column { column, .. } => Some(column.as_str()),
        _ => None,
    };
    read_as_times.chain(stated).collect()
}

/// A file's name, where no agreed pattern explains it: one number in it is enough (IGV-02).
#[must_use]
pub fn check_name(name: &FileName) -> Option<Finding> {
    check_text("The file's name", name.as_str())
}

/// A short text that stands alone, such as the name of an archive's member: one number is enough (IGV-02).
#[must_use]
pub fn check_text(what: &str, text: &str) -> Option<Finding> {
    holds_a_number(text).then(|| in_few_words(what))
}

/// A small file beside the data, such as a control file, a checksum or a manifest: one number is enough (IGV-02).
#[must_use]
pub fn check_beside(what: &str, bytes: &[u8]) -> Option<Finding> {
    readable(bytes).lines().any(holds_a_number).then(|| in_few_words(what))
}

/// Looks for NHS numbers, and for names of columns about people, in a file that was not read as a table: one under a name
/// that nobody agreed, or that is not what it should be. A leak is a leak under any name, and in any wrapping: what is packed
/// is unpacked once, up to so many bytes.
#[must_use]
pub fn scan_unread(bytes: &[u8], mappings: &[Mapping], max_bytes: u64) -> Findings {
    if bytes.starts_with(b"PK\x03\x04") {
        return archive::unpack(bytes, &[], mappings, max_bytes).1.only_what_seals();
    }
    match gzip::unpack(bytes, max_bytes) {
        Ok(content) => scan_text(&content, mappings, Expects::Something),
        Err(_) => scan_text(bytes, mappings, Expects::Something),
    }
}

/// The same for an archive's member, already unpacked.
#[must_use]
pub fn scan_member(bytes: &[u8], mappings: &[Mapping], expects: Expects) -> Findings {
    scan_text(bytes, mappings, expects)
}

/// What a text that is not read should have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expects {
    /// An agreed file: its times may stand in columns whose names are lost, so dates say nothing.
    Something,
    /// Nothing was agreed: dates of birth count, and one number that has few others to be compared with.
    Nothing,
}

/// The same for a text as it stands. A column that one of the provider's mappings has agreed is no surprise by its name.
fn scan_text(bytes: &[u8], mappings: &[Mapping], expects: Expects) -> Findings {
    let text = readable(bytes);
    let known = |names: fn(&TableMapping) -> &[String]| -> Vec<String> {
        let tables = mappings.iter().flat_map(|mapping| &mapping.tables);
        let spelled = |table: &TableMapping, name: &String| -> Vec<String> {
            std::iter::once(name).chain(table.also_named.get(name).into_iter().flatten()).map(|name| plain_name(name)).collect()
        };
        tables.flat_map(|table| names(table).iter().flat_map(|name| spelled(table, name)).collect::<Vec<_>>()).collect()
    };
    let (mut agreed, declared) = (known(|table| &table.columns), known(|table| &table.identifiers));
    let manifests = mappings.iter().filter_map(|mapping| mapping.manifest.as_ref());
    agreed.extend(manifests.flat_map(|manifest| [&manifest.name_column, &manifest.rows_column]).map(|name| plain_name(name)));
    let written: Vec<&str> = cells(first_line(&text)).collect();
    let names: Vec<String> = written.iter().map(|name| plain_name(name)).collect();
    let listed = |list: &[String], at: usize| names.get(at).is_some_and(|name| list.contains(name));
    let scan = Scan::of_text(&text);
    let columns: Vec<FileColumn> =
        (0..MAX_COLUMNS).map(|at| FileColumn { label: label_of(at), identifier: listed(&declared, at) }).collect();
    let times: Vec<String> = (0..MAX_COLUMNS).filter(|at| listed(&agreed, *at)).map(label_of).collect();
    let times: Vec<&str> = times.iter().map(String::as_str).collect();
    let mut findings = scan.findings(&columns, &times);
    match expects {
        Expects::Something => findings = of_numbers(&findings),
        Expects::Nothing if findings.count_of(Rule::Igv02) == 0 => findings.append(scan.few(&columns)),
        Expects::Nothing => {}
    }
    for (at, (name, written)) in names.iter().zip(written).enumerate() {
        if names_a_person(written) && !agreed.contains(name) && !declared.contains(name) {
            let label = label_of(at);
            let message = format!("Personal data column present: {label}. The file is sealed.");
            findings.push(Finding::new(Rule::Igv01, message).in_column(&label));
        }
    }
    findings
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

/// Bytes as text, whatever they are: of two bytes for each character, as some spreadsheets write, the noughts are left out.
fn readable(bytes: &[u8]) -> String {
    let kept: Vec<u8> = bytes.iter().copied().filter(|byte| *byte != 0).collect();
    String::from_utf8_lossy(&kept).into_owned()
}

fn holds_a_number(text: &str) -> bool {
    ten_digits(text).iter().any(TenDigits::tell_by_themselves)
}

fn in_few_words(what: &str) -> Finding {
    Finding::new(Rule::Igv02, format!("{what} holds a number that looks like an NHS number. The file is sealed."))
}

#[cfg(test)]
mod tests;
