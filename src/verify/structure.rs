//! Structure: text becomes a raw table in the mapping's column order, every row accounted for.
//!
//! Owns first lines, trailers, total rows, blank lines, field counts and how the text ends (STR-01, STR-05, STR-06, STR-08,
//! STR-10). Refuses meaning: what a field says is for `normalise`.

use super::columns::{self, Layout, plain_name};
use super::control::StatedTotals;
use super::identifiers::Scan;
use super::records::{self, Cutter, MAX_QUOTED_LINES, MAX_RECORD_BYTES, Record, Stopped};
use super::{Limits, opening};
use crate::feed::{Finding, Findings, Rule, Severity};
use crate::normalise::mapping::{HeaderLine, TableMapping, TotalRow};
use crate::normalise::table::{RawTable, trimmed};
use crate::normalise::values;

/// One table as read, and what its own first and last lines say of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableRead {
    /// The rows that could be cut.
    pub table: RawTable,
    /// Data rows in the file, those rejected here included.
    pub rows: u64,
    /// Data rows rejected here (STR-05).
    pub rejected: u64,
    /// Whether the columns were found, so that the rows mean something.
    pub usable: bool,
    /// What the first line says, where the layout has one.
    pub facts: HeaderFacts,
    /// Where each agreed column stands.
    pub layout: Layout,
    /// The number of rows that the file's own trailer or total row states.
    pub announced: Option<u64>,
    /// What was found.
    pub findings: Findings,
}

/// What a first line of its own layout says, and the last one beside its number of rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderFacts {
    /// The provider's code.
    pub provider: Option<String>,
    /// The running number.
    pub sequence: Option<String>,
    /// The snapshot time.
    pub snapshot_at: Option<String>,
    /// The dataset, with or without its version.
    pub dataset: Option<String>,
    /// The kind.
    pub kind: Option<String>,
    /// When the file was made.
    pub produced_at: Option<String>,
    /// The sums, from the last line.
    pub totals: StatedTotals,
}

/// Cuts one table out of its text.
#[must_use]
pub fn read(text: &str, mapping: &TableMapping, limits: &Limits) -> TableRead {
    let mut reader = Reader::new(text, mapping, limits);
    if let Err(finding) = reader.read_all() {
        reader.findings.push(finding);
        reader.usable = false;
    }
    reader.finish()
}

/// The number a file announces: digits, with or without noughts behind a point, or thousands separators between groups of three. A
/// comma elsewhere may be a decimal one: such a number is none.
#[must_use]
pub fn announced_number(text: &str) -> Option<u64> {
    values::digits(text)?.parse().ok()
}

mod ending;
mod joined;
mod sums;

use sums::StatedSums;

struct Reader<'a> {
    /// The whole text, with the lines that were skipped.
    text: &'a str,
    cutter: Cutter<'a>,
    /// Lines before the cutter's first.
    skipped_lines: u64,
    delimiter: u8,
    mapping: &'a TableMapping,
    limits: &'a Limits,
    header: Vec<String>,
    layout: Layout,
    usable: bool,
    table: RawTable,
    data_rows: u64,
    rejected: u64,
    blank_rows: u64,
    total_rows: u64,
    /// What total rows state.
    stated_sums: Vec<StatedSums>,
    announced: Option<u64>,
    /// Where a total row's mark stands.
    total_at: Option<usize>,
    trailer_line: Option<u64>,
    /// Whether the text ends with a line end, or is empty.
    ends: bool,
    /// The last line that was read, and how many fields it has where they are too few.
    last: Option<(u64, Option<usize>)>,
    facts: HeaderFacts,
    scan: Scan,
    findings: Findings,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str, mapping: &'a TableMapping, limits: &'a Limits) -> Self {
        let max_fields = limits.max_columns.saturating_add(1);
        let (rest, skipped_lines) = opening::after_lines(text, mapping.skip_lines);
        let other = opening::other_separator(rest, mapping, max_fields);
        let delimiter = other.as_ref().map_or(mapping.delimiter, |(separator, _)| *separator);
        let usable = other.is_none();
        let mut findings = Findings::default();
        findings.extend(other.map(|(_, mut finding)| {
            finding.place.line = finding.place.line.map(|line| line.saturating_add(skipped_lines));
            finding
        }));
        let mut scan = Scan::default();
        let skipped = text.strip_suffix(rest).unwrap_or_default();
        scan.look_aside("A line before the table", 1, skipped.split(['\n', '\r']));
        Self {
            text,
            cutter: Cutter::new(rest, delimiter, mapping.quoted, max_fields),
            skipped_lines,
            delimiter,
            mapping,
            limits,
            header: Vec::new(),
            layout: Layout::default(),
            usable,
            table: RawTable::new(&mapping.name, mapping.columns.clone(), Vec::new()),
            data_rows: 0,
            rejected: 0,
            blank_rows: 0,
            total_rows: 0,
            stated_sums: Vec::new(),
            announced: None,
            total_at: None,
            trailer_line: None,
            ends: records::ends_with_line_end(text),
            last: None,
            facts: HeaderFacts::default(),
            scan,
            findings,
        }
    }

    fn read_all(&mut self) -> Result<(), Finding> {
        if let Some(header_line) = &self.mapping.header_line {
            self.read_header_line(header_line)?;
        }
        if self.mapping.header {
            self.read_column_names()?;
        } else {
            self.layout = columns::by_position(self.mapping);
        }
        let marker = self.mapping.total_row.as_ref().map(|total| total.column.as_str());
        self.total_at = marker.and_then(|column| self.position_of(column));
        // One record's memory serves for all.
        let mut record = Record::default();
        while self.fill(&mut record)? {
            self.read_record(&record)?;
        }
        Ok(())
    }

    /// The next record that says anything. Blank ones are counted.
    fn next_filled(&mut self) -> Result<Option<Record<'a>>, Finding> {
        let mut record = Record::default();
        Ok(self.fill(&mut record)?.then_some(record))
    }

    /// The same, into a record that was used before; `false` where there is no more.
    fn fill(&mut self, record: &mut Record<'a>) -> Result<bool, Finding> {
        loop {
            match self.cutter.read(record) {
                Ok(true) if record.is_blank() => self.blank_rows += 1,
                Ok(true) => {
                    record.line += self.skipped_lines;
                    return Ok(true);
                }
                Ok(false) => return Ok(false),
                Err(Stopped::UnclosedQuote { opened }) => {
                    let opened = opened + self.skipped_lines;
                    self.data_rows += 1;
                    self.rejected += 1;
                    self.findings.push(
                        Finding::new(
                            Rule::Str05,
                            format!("A quote opened on line {opened} is not closed within {MAX_QUOTED_LINES} lines. Nothing after it could be read."),
                        )
                        .at_line(opened)
                        .with_severity(Severity::RejectFile),
                    );
                    return Ok(false);
                }
                Err(Stopped::TooLong { line }) => {
                    let line = line + self.skipped_lines;
                    let message = format!("Line {line} is longer than {MAX_RECORD_BYTES} bytes.");
                    return Err(Finding::new(Rule::Trn03, message).at_line(line));
                }
            }
        }
    }

    fn read_header_line(&mut self, expected: &HeaderLine) -> Result<(), Finding> {
        let missing = || Finding::new(Rule::Str03, format!("The first line must start with {}.", expected.starts)).at_line(1);
        let record = self.next_filled()?.ok_or_else(missing)?;
        if !starts(&record, &expected.starts) {
            return Err(missing());
        }
        self.check_width(&record)?;
        // A running number is agreed there, and passes for an NHS number one time in eleven.
        let others = record.fields.iter().enumerate().filter(|(at, _)| expected.sequence != Some(at + 1));
        self.scan.look_aside("The first line", record.line, others.map(|(_, field)| field.as_ref()));
        let field = |position: usize| field_at(&record, position.checked_sub(1)?);
        self.facts = HeaderFacts {
            provider: expected.provider.map(|at| field(at).unwrap_or_default()),
            sequence: expected.sequence.map(|at| field(at).unwrap_or_default()),
            snapshot_at: expected.snapshot_at.as_ref().map(|(at, _)| field(*at).unwrap_or_default()),
            dataset: expected.dataset.map(|at| field(at).unwrap_or_default()),
            kind: expected.kind.map(|at| field(at).unwrap_or_default()),
            produced_at: expected.produced_at.map(|at| field(at).unwrap_or_default()),
            totals: StatedTotals::default(),
        };
        Ok(())
    }

    fn read_column_names(&mut self) -> Result<(), Finding> {
        let Some(record) = self.next_filled()? else {
            return Err(Finding::new(Rule::Str01, "The file has neither column names nor rows."));
        };
        self.check_width(&record)?;
        self.look_aside("The line of column names", &record);
        // Where no row follows, this is the line that must have an end.
        self.last = Some((record.line, None));
        self.header = record.fields.iter().map(|field| plain_name(field)).collect();
        self.say_where_names_are(&record);
        // Where nothing follows and the line has no end, the last name may be a piece of one.
        let cut = !self.ends && matches!(self.cutter.clone().read(&mut Record::default()), Ok(false));
        let (layout, usable) = columns::by_names(&record, self.mapping, cut, &mut self.findings);
        self.layout = layout;
        self.usable &= usable;
        if !self.usable {
            // The rows are still looked through for leaks, and the first line too: it may itself be a row.
            self.look(&record);
        }
        Ok(())
    }

    /// Says so where the column names stand above or below the line that should have them.
    fn say_where_names_are(&mut self, record: &Record<'_>) {
        if columns::is_plain(columns::matched(record, self.mapping), self.mapping) {
            return;
        }
        let max_fields = self.limits.max_columns.saturating_add(1);
        let above = || opening::names_among_skipped(self.text, self.mapping, max_fields);
        let below = || opening::names_further_down(&self.cutter, self.mapping).map(|line| line + self.skipped_lines);
        if let Some(line) = above().or_else(below) {
            let message = format!("The column names stand on line {line}; line {} was agreed (skip_lines).", record.line);
            self.findings.push(Finding::new(Rule::Str03, message).at_line(line));
        }
    }

    fn check_width(&self, record: &Record<'_>) -> Result<(), Finding> {
        if record.count <= self.limits.max_columns {
            return Ok(());
        }
        let message = format!("Line {} has {} fields; at most {} are taken.", record.line, record.count, self.limits.max_columns);
        Err(Finding::new(Rule::Trn03, message).at_line(record.line))
    }

    fn read_record(&mut self, record: &Record<'_>) -> Result<(), Finding> {
        self.last = Some((record.line, None));
        if let Some(trailer) = self.mapping.trailer_line.as_ref().filter(|trailer| starts(record, &trailer.starts)) {
            self.read_trailer(record, trailer);
            return Ok(());
        }
        if let Some(total) = self.mapping.total_row.as_ref().filter(|total| self.is_total(record, total)) {
            self.last = Some((record.line, (record.count < self.layout.width).then_some(record.count)));
            self.read_total(record, total);
            return Ok(());
        }
        if self.data_rows == 0 && !self.mapping.header {
            self.check_width(record)?;
        }
        self.data_rows += 1;
        if self.data_rows > self.limits.max_rows {
            return Err(Finding::new(Rule::Trn03, format!("The file has more than {} rows.", self.limits.max_rows)).at_line(record.line));
        }
        self.look(record);
        self.last = Some((record.line, (record.count < self.layout.width).then_some(record.count)));
        if self.usable {
            match self.joined(record).or_else(|| self.problem_with(record)) {
                Some(finding) => {
                    self.rejected += 1;
                    self.table.push_broken();
                    self.findings.push(finding.at_line(record.line));
                }
                None => self.keep(record),
            }
        }
        Ok(())
    }

    fn look(&mut self, record: &Record<'_>) {
        for (at, field) in record.fields.iter().enumerate() {
            self.scan.look(at, field);
        }
    }

    /// Looks for leaks in a line that is no row.
    fn look_aside(&mut self, what: &str, record: &Record<'_>) {
        self.scan.look_aside(what, record.line, record.fields.iter().map(AsRef::as_ref));
    }

    /// Why a record cannot be a row.
    fn problem_with(&self, record: &Record<'_>) -> Option<Finding> {
        let line = record.line;
        if record.stray_quote {
            let message = format!("Line {line}: text after a closing quote; quotes inside a text must be doubled.");
            return Some(Finding::new(Rule::Str05, message));
        }
        let width = self.layout.width;
        let surplus = record.fields.iter().skip(width).any(|field| !field.trim().is_empty()) || record.count > record.fields.len();
        // Blank fields at the end are a spreadsheet's as far as the line of names has them too. Beyond that a separator
        // inside a value may have moved all that follows by one, and the last field just happens to be blank.
        if record.count < width || surplus || record.count > self.layout.columns.len() {
            return Some(Finding::new(Rule::Str05, format!("Line {line}: {} fields, expected {width}.", record.count)));
        }
        None
    }

    /// Spares most rows the comparison with the column names.
    fn names_start_alike(&self, record: &Record<'_>) -> bool {
        let (Some(field), Some(name)) = (record.fields.first(), self.header.first()) else { return false };
        if let (Some(first @ (b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z')), Some(of_name)) =
            (field.as_bytes().first(), name.as_bytes().first())
            && first.to_ascii_lowercase() != *of_name
        {
            return false;
        }
        field.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).eq(name.chars())
    }

    fn keep(&mut self, record: &Record<'_>) {
        let field = |position: &Option<usize>| position.and_then(|at| record.fields.get(at)).map_or("", |field| trimmed(field));
        self.table.push(record.line, self.layout.positions.iter().map(field));
    }

    fn is_total(&self, record: &Record<'_>, total: &TotalRow) -> bool {
        let field = self.total_at.and_then(|at| record.fields.get(at));
        field.is_some_and(|field| trimmed(field).eq_ignore_ascii_case(&total.equals))
    }

    fn read_total(&mut self, record: &Record<'_>, total: &TotalRow) {
        self.total_rows += 1;
        self.look_aside("A total row", record);
        self.note_sums(record, total);
    }

    fn field_of<'r>(&self, record: &'r Record<'_>, column: &str) -> Option<&'r str> {
        record.fields.get(self.position_of(column)?).map(|field| trimmed(field))
    }

    /// Where an agreed column stands in the file.
    fn position_of(&self, column: &str) -> Option<usize> {
        let at = self.mapping.columns.iter().position(|name| name == column)?;
        self.layout.positions.get(at).copied().flatten()
    }
}

/// A field, without the spaces around it.
fn field_at(record: &Record<'_>, at: usize) -> Option<String> {
    record.fields.get(at).map(|field| field.trim().to_owned())
}

fn starts(record: &Record<'_>, with: &str) -> bool {
    // A file that was appended to another may bring its byte order mark with it.
    record.fields.first().is_some_and(|field| field.trim_start_matches('\u{feff}').trim().eq_ignore_ascii_case(with))
}

#[cfg(test)]
mod tests;
