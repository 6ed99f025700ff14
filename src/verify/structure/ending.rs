//! The end of a table: its last line, its counts, and whether its text was cut short (STR-06, STR-08, STR-10).
//!
//! Owns what is held against the rows when all are read. Refuses to read more of them.

use super::super::control::StatedTotals;
use super::super::identifiers::Agreed;
use super::super::quoted;
use super::super::records::Record;
use super::{Reader, TableRead, announced_number, field_at};
use crate::feed::{Finding, Rule, Severity};
use crate::normalise::mapping::TrailerLine;

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

    fn announce(&mut self, stated: Option<&str>, line: u64, who: &str) {
        match stated.and_then(announced_number) {
            Some(number) => self.announce_number(number, line),
            None => self.findings.push(Finding::new(Rule::Str06, format!("{who} does not state a number of rows.")).at_line(line)),
        }
    }

    /// Takes the number of rows that a line states; every line that states one must state the same.
    pub(super) fn announce_number(&mut self, number: u64, line: u64) {
        match self.announced {
            Some(before) if before != number => {
                self.findings.push(Finding::new(Rule::Str06, "The file states its number of rows twice, and differently.").at_line(line));
            }
            _ => self.announced = Some(number),
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
