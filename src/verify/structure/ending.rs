//! The end of a table: its last line, its counts, and whether its text was cut short (STR-06, STR-08, STR-10).
//!
//! Owns what is held against the rows when all are read. Refuses to read more of them.

use super::super::control::StatedTotals;
use super::super::identifiers::Agreed;
use super::super::quoted;
use super::super::records::Record;
use super::{Reader, TableRead, announced_number, field_at};
use crate::feed::{Finding, Rule, Severity};
use crate::normalise::mapping::{TableMapping, TotalRow, TrailerLine};

impl Reader<'_> {
    pub(super) fn read_trailer(&mut self, record: &Record<'_>, trailer: &TrailerLine) {
        self.trailer_line = Some(record.line);
        self.look_aside("The last line", record);
        let stated = trailer.rows.checked_sub(1).and_then(|at| field_at(record, at));
        self.announce(stated.as_deref(), record.line, "The last line");
        let mut total = |place: Option<usize>| {
            let place = place?;
            let stated = place.checked_sub(1).and_then(|at| field_at(record, at)).as_deref().and_then(announced_number);
            if stated.is_none() {
                let message = format!("The last line states no sum at position {place}.");
                self.findings.push(Finding::new(Rule::Str07, message).at_line(record.line));
            }
            stated
        };
        let [occupied, empty, closed, demand] = trailer.totals.map(&mut total);
        self.facts.totals = StatedTotals { occupied, empty, closed, demand };
    }

    pub(super) fn announce(&mut self, stated: Option<&str>, line: u64, who: &str) {
        match stated.and_then(announced_number) {
            Some(number) if self.announced.is_none_or(|before| before == number) => self.announced = Some(number),
            Some(_) => {
                self.findings.push(Finding::new(Rule::Str06, "The file states its number of rows twice, and differently.").at_line(line))
            }
            None => self.findings.push(Finding::new(Rule::Str06, format!("{who} does not state a number of rows.")).at_line(line)),
        }
    }

    /// Notes the counts that a total row states.
    pub(super) fn note_sums(&mut self, record: &Record<'_>, total: &TotalRow) {
        for column in counted(self.mapping).into_iter().filter(|column| **column != total.column && Some(*column) != total.rows.as_ref()) {
            let at = self.mapping.columns.iter().position(|name| name == column);
            if let (Some(at), Some(stated)) = (at, self.field_of(record, column).and_then(announced_number)) {
                self.stated_sums.push((at, stated));
            }
        }
    }

    /// Holds the counts of the total row against the rows. Several such rows are sums of parts, and where rows are left out or
    /// could not be read, nobody knows whether the sum has them.
    fn check_sums(&mut self) {
        let leaves_out = !self.mapping.skip.is_empty() || self.mapping.copies_by.is_some();
        if self.total_rows != 1 || self.rejected > 0 || leaves_out {
            return;
        }
        for (at, stated) in std::mem::take(&mut self.stated_sums) {
            let known = |column: &&String| !self.mapping.tidy.blank_means.contains_key(*column);
            let Some(column) = self.mapping.columns.get(at).filter(known) else { continue };
            let here = self.mapping.tidy.null_in.get(column).into_iter().flatten();
            let nothing: Vec<&String> = self.mapping.null.iter().chain(here).collect();
            let number = |text: &str| {
                let blank = text.is_empty() || nothing.iter().any(|token| token.trim().eq_ignore_ascii_case(text));
                if blank { Some(0) } else { announced_number(text) }
            };
            // A cell that is no number rejects its row, which says enough.
            let sum = self.table.rows().try_fold(0_u64, |sum, row| Some(sum.saturating_add(number(row.field(at))?)));
            if let Some(sum) = sum.filter(|sum| *sum != stated) {
                let said = format!("The total row states {stated} in {column}; the rows add up to {sum}.");
                self.findings.push(Finding::new(Rule::Str07, said).in_column(column));
            }
        }
    }

    /// Looks for leaks in what could not be cut, as if every line end and separator counted.
    fn look_at_unread(&mut self) {
        for line in self.cutter.unread.lines() {
            let fields = line.split(char::from(self.delimiter)).take(self.limits.max_columns);
            fields.enumerate().for_each(|(at, field)| self.scan.look(at, field));
        }
    }

    pub(super) fn finish(mut self) -> TableRead {
        self.look_at_unread();
        if self.usable {
            self.check_end();
            self.check_counts();
        }
        let scanned = self.scan.findings(&self.layout.columns, &Agreed::of(self.mapping));
        self.findings.append(scanned);
        let blank = self.blank_rows.saturating_add(self.cutter.empty_lines);
        let skipped = blank.saturating_add(self.total_rows);
        if skipped > 0 {
            let kinds = match (blank, self.total_rows) {
                (0, _) => "total",
                (_, 0) => "blank",
                _ => "total and blank",
            };
            self.findings
                .push(Finding::new(Rule::Str08, format!("{skipped} {kinds} line{} skipped.", if skipped == 1 { "" } else { "s" })));
        }
        self.table.present = self.layout.positions.iter().map(Option::is_some).collect();
        self.table.close();
        TableRead {
            table: self.table,
            rows: self.data_rows,
            rejected: self.rejected,
            usable: self.usable,
            facts: self.facts,
            layout: self.layout,
            announced: self.announced,
            findings: self.findings,
        }
    }

    /// A text that stops without a line end may have been cut short, and its last value with it: `71` may be all that came
    /// of `71.5`, and 7 of 71.
    fn check_end(&mut self) {
        let Some((line, too_few)) = self.last.filter(|_| !self.ends) else { return };
        let start = format!("The last line (line {line})");
        let (message, severity) = match (too_few, self.mapping.final_newline) {
            (Some(count), _) => {
                let width = self.layout.width;
                (format!("{start} has {count} of {width} fields and no line end: the file was cut short."), Severity::RejectFile)
            }
            (None, Some(true)) => {
                (format!("{start} has no line end, which this file always has: the file was cut short."), Severity::RejectFile)
            }
            // What the mapping says files end with has been read: nothing is missing.
            (None, None) if self.trailer_line.is_none() && self.total_rows == 0 => {
                (format!("{start} has no line end: the file may be cut short."), Severity::Warning)
            }
            (None, _) => return,
        };
        self.findings.push(Finding::new(Rule::Str10, message).at_line(line).with_severity(severity));
    }

    fn check_counts(&mut self) {
        if let Some(trailer) = self.mapping.trailer_line.as_ref().filter(|_| self.trailer_line.is_none()) {
            let message = format!("The last line, which starts with {}, is missing: the file may be cut short.", quoted(&trailer.starts));
            self.findings.push(Finding::new(Rule::Str06, message));
        }
        if self.mapping.total_row.is_some() && self.total_rows == 0 {
            self.findings.push(Finding::new(Rule::Str06, "The total row is missing: the file may be cut short."));
        }
        self.check_sums();
        if let Some(announced) = self.announced.filter(|announced| *announced != self.data_rows) {
            let message = format!("The file states {announced} rows but has {}.", self.data_rows);
            self.findings.push(Finding::new(Rule::Str06, message));
        }
        if self.data_rows == 0 && !self.mapping.may_be_empty {
            self.findings.push(Finding::new(Rule::Str01, "The file has no bed rows."));
        }
    }
}

/// Columns that say how many, each once.
fn counted(mapping: &TableMapping) -> Vec<&String> {
    let of_lines = mapping.lines.iter().filter_map(|line| line.quantity.as_ref());
    let all = of_lines.chain(mapping.sums.iter().map(|sum| &sum.rest));
    let mut columns: Vec<&String> = all.flat_map(|count| std::iter::once(&count.column).chain(&count.plus).chain(&count.minus)).collect();
    columns.sort_unstable();
    columns.dedup();
    columns
}
