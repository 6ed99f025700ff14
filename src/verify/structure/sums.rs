//! Total rows: what they state is held against the rows (STR-06, STR-07).
//!
//! Owns one total row's sums, and several's: subtotals that all stand below their rows, or all above, of any depth, and a grand
//! total. Refuses to say which rows belong together: a total row is right where some unbroken run of rows on its side of it adds
//! up to what it states.

use super::super::records::Record;
use super::{Reader, announced_number};
use crate::feed::{Finding, Rule};
use crate::normalise::mapping::{TableMapping, TotalRow};
use std::collections::BTreeSet;
use std::ops::Range;

/// Up to so many of the nearest total rows a sum of sums is compared with, and with all rows, so that a file of nothing but total
/// rows takes no longer than another.
const MOST_COMPARED: usize = 400;

/// What one total row states.
#[derive(Clone, Debug)]
pub(super) struct StatedSums {
    line: u64,
    /// Rows that stand above it.
    above: usize,
    /// Its number of rows, where one is agreed and can be read.
    rows: Option<u64>,
    /// Counts: the column's place among those agreed, and the number.
    counts: Vec<(usize, u64)>,
}

/// A column whose numbers are summed, from the start down to each place between which total rows stand.
struct Summed<'m> {
    /// The place among the columns agreed; none for the rows themselves.
    at: Option<usize>,
    column: &'m str,
    down_to: Vec<u64>,
}

impl Reader<'_> {
    /// Notes what a total row states.
    pub(super) fn note_sums(&mut self, record: &Record<'_>, total: &TotalRow) {
        let rows_of = |column: &String| self.field_of(record, column).and_then(announced_number);
        let mut stated =
            StatedSums { line: record.line, above: self.table.len(), rows: total.rows.as_ref().and_then(rows_of), counts: Vec::new() };
        for column in counted(self.mapping).into_iter().filter(|column| **column != total.column && Some(*column) != total.rows.as_ref()) {
            let at = self.mapping.columns.iter().position(|name| name == column);
            let (Some(at), Some(text)) = (at, self.field_of(record, column)) else { continue };
            match announced_number(text) {
                Some(number) => stated.counts.push((at, number)),
                None if text.is_empty() || is_nothing(self.mapping, column, text) => {}
                None => {
                    let said = format!("The total row on line {} states no sum in {column} that can be read.", record.line);
                    self.findings.push(Finding::new(Rule::Str07, said).in_column(column).at_line(record.line));
                }
            }
        }
        if let (None, Some(_)) = (stated.rows, &total.rows) {
            self.findings.push(Finding::new(Rule::Str06, "The total row does not state a number of rows.").at_line(record.line));
        }
        self.stated_sums.push(stated);
    }

    /// Holds what total rows state against the rows. Where rows are left out or could not be read, nobody knows whether the
    /// counts have them.
    pub(super) fn check_sums(&mut self) {
        let stated = std::mem::take(&mut self.stated_sums);
        if let ([only], Some(_)) = (stated.as_slice(), self.mapping.total_row.as_ref().and_then(|total| total.rows.as_ref()))
            && let Some(number) = only.rows
        {
            self.announce_number(number, only.line);
        }
        let leaves_out = !self.mapping.skip.is_empty() || self.mapping.copies_by.is_some();
        if self.rejected > 0 || leaves_out {
            return;
        }
        match stated.as_slice() {
            [] => {}
            [only] => self.check_only(only),
            several => self.check_several(several),
        }
    }

    fn check_only(&mut self, only: &StatedSums) {
        let line = only.line;
        for (at, stated) in only.counts.iter().copied() {
            let Some(summed) = self.summed(at, &[]) else { continue };
            let sum = summed.down_to.last().copied().unwrap_or(0);
            if sum != stated {
                let said = format!("The total row states {stated} in {}; the rows add up to {sum}.", summed.column);
                let finding = Finding::new(Rule::Str07, said).in_column(summed.column).at_line(line);
                self.findings.push(finding);
            }
        }
    }

    /// Each of several must be the sum of the rows right beside it or, where another total row is there, of rows and their sums from there on,
    /// or of all; and no row may be in none.
    fn check_several(&mut self, several: &[StatedSums]) {
        let places: Vec<usize> = several.iter().map(|stated| stated.above).collect();
        let columns: BTreeSet<usize> = several.iter().flat_map(|stated| stated.counts.iter().map(|(at, _)| *at)).collect();
        let mut summed: Vec<Summed<'_>> = columns.into_iter().filter_map(|at| self.summed(at, &places)).collect();
        if let Some(column) = self.mapping.total_row.as_ref().and_then(|total| total.rows.as_deref()) {
            let ends = places.iter().copied().chain([self.table.len()]);
            let down_to = std::iter::once(0).chain(ends.map(|place| u64::try_from(place).unwrap_or(u64::MAX))).collect();
            summed.push(Summed { at: None, column, down_to });
        }
        let sides = [Side::BelowTheirRows, Side::AboveTheirRows].map(|side| held_by(side, several, &summed, self.table.len()));
        let Some(best) = sides.into_iter().min_by_key(|held| (held.misfits.len(), if held.misfits.is_empty() { held.alone } else { 0 }))
        else {
            return;
        };
        let off = best.misfits.into_iter().map(|(line, number, column)| {
            let said = format!("The total row on line {line} states {number} in {column}; no rows beside it add up to that.");
            Finding::new(Rule::Str07, said).in_column(column).at_line(line)
        });
        let off: Vec<Finding> = off.collect();
        if off.is_empty() && best.alone > 0 {
            let said = format!("{} of the rows are in no total row's sum: the file may be cut short.", best.alone);
            self.findings.push(Finding::new(Rule::Str06, said));
        }
        self.findings.extend(off);
    }

    /// Sums a column from the start down to each of the places, and over all rows; none where a blank stands for a number, or a
    /// cell is none: that one rejects its row, which says enough.
    fn summed(&self, at: usize, places: &[usize]) -> Option<Summed<'_>> {
        let mapping = self.mapping;
        let column = mapping.columns.get(at).filter(|column| !mapping.tidy.blank_means.contains_key(*column))?;
        let number = |text: &str| if text.is_empty() || is_nothing(mapping, column, text) { Some(0) } else { announced_number(text) };
        let mut ends = places.iter().copied().peekable();
        let (mut sum, mut down_to) = (0_u64, vec![0]);
        for (nth, row) in self.table.rows().enumerate() {
            while ends.next_if(|place| *place <= nth).is_some() {
                down_to.push(sum);
            }
            sum = sum.saturating_add(number(row.field(at))?);
        }
        down_to.extend(ends.map(|_| sum).chain([sum]));
        Some(Summed { at: Some(at), column, down_to })
    }
}

/// What is wrong with several total rows.
struct Held<'m> {
    /// Those that are the sum of nothing: the line, what is stated, and the column.
    misfits: Vec<(u64, u64, &'m str)>,
    /// Rows that are in no sum; none where nothing at all is stated.
    alone: usize,
}

/// Holds total rows against the runs of rows that they may be the sums of.
fn held_by<'m>(side: Side, several: &[StatedSums], summed: &[Summed<'m>], all_rows: usize) -> Held<'m> {
    let ends: Vec<usize> = std::iter::once(0).chain(several.iter().map(|stated| stated.above)).chain([all_rows]).collect();
    // Where sums begin, less where they end.
    let mut covered = vec![0_i64; several.len() + 2];
    let (mut misfits, mut stated_any) = (Vec::new(), false);
    for (nth, stated) in several.iter().enumerate() {
        let held: Vec<(&Summed<'m>, u64)> = summed.iter().filter_map(|summed| Some((summed, stated.of(summed.at)?))).collect();
        let Some(first) = held.first() else { continue };
        stated_any = true;
        let runs = side.runs(nth + 1, &ends);
        let fits = |run: &Range<usize>| held.iter().all(|(summed, stated)| summed.over(run) == Some(*stated));
        // Of several runs that fit, the longest: a grand total below a single ward's is that of both.
        match runs.iter().filter(|run| fits(run)).max_by_key(|run| run.len()) {
            Some(run) => {
                covered.get_mut(run.start).into_iter().for_each(|begun| *begun += 1);
                covered.get_mut(run.end).into_iter().for_each(|begun| *begun -= 1);
            }
            None => {
                let off = |(summed, stated): &&(&Summed<'_>, u64)| runs.iter().all(|run| summed.over(run) != Some(*stated));
                let (summed, stated_there) = held.iter().find(off).unwrap_or(first);
                misfits.push((stated.line, *stated_there, summed.column));
            }
        }
    }
    let within = covered.iter().scan(0_i64, |open, begun| {
        *open += begun;
        Some(*open > 0)
    });
    let alone = ends.windows(2).zip(within).filter(|(_, within)| stated_any && !within).map(|(ends, _)| length(ends)).sum();
    Held { misfits, alone }
}

impl StatedSums {
    fn of(&self, at: Option<usize>) -> Option<u64> {
        match at {
            None => self.rows,
            Some(at) => self.counts.iter().find(|(column, _)| *column == at).map(|(_, number)| *number),
        }
    }
}

impl Summed<'_> {
    /// The sum between two of the places, each given by its number from the start.
    fn over(&self, run: &Range<usize>) -> Option<u64> {
        self.down_to.get(run.end)?.checked_sub(*self.down_to.get(run.start)?)
    }
}

/// Where total rows stand.
#[derive(Clone, Copy)]
enum Side {
    BelowTheirRows,
    AboveTheirRows,
}

impl Side {
    /// The runs of rows that a total row may be the sum of, as numbers of the places in `ends`, where total rows stand: 0 is the start.
    /// Where rows stand right beside it, it is theirs alone: with a run of any length, rows that were lost would be made up for
    /// by a small ward next to them. Where another total row does, it is the sum of sums. All rows together may have theirs at either end.
    fn runs(self, nth: usize, ends: &[usize]) -> Vec<Range<usize>> {
        let end = ends.len().saturating_sub(1);
        let own = match self {
            Self::BelowTheirRows => nth.saturating_sub(1)..nth,
            Self::AboveTheirRows => nth..nth + 1,
        };
        if ends.get(own.clone().start..=own.end).is_some_and(|ends| length(ends) > 0) {
            return vec![own];
        }
        let mut runs: Vec<Range<usize>> = match self {
            Self::BelowTheirRows => (nth.saturating_sub(MOST_COMPARED)..nth).chain([0]).map(|from| from..nth).collect(),
            Self::AboveTheirRows => (nth + 1..=end).take(MOST_COMPARED).chain([end]).map(|to| nth..to).collect(),
        };
        if nth == 1 || nth + 1 == end {
            runs.push(0..end);
        }
        runs
    }
}

/// Whether a text means "nothing here" in a column.
fn is_nothing(mapping: &TableMapping, column: &str, text: &str) -> bool {
    let here = mapping.tidy.null_in.get(column).into_iter().flatten();
    mapping.null.iter().chain(here).any(|token| token.trim().eq_ignore_ascii_case(text))
}

fn length(ends: &[usize]) -> usize {
    match ends {
        [from, to] => to.saturating_sub(*from),
        _ => 0,
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
