//! Sheets: CSV files that staff keep in a spreadsheet, read with their places.
//!
//! Owns the header, the cells and their simple types. Tolerates what spreadsheets do to a file (byte order mark, line
//! ends, blank rows at the end, dates as dd/mm/yyyy); refuses columns it does not know.

use super::problem::{Problem, did_you_mean, fold};
use csv::StringRecord;
use jiff::civil::{Date, date};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Longest text of a cell, in characters.
const MAX_CELL: usize = 200;

/// One CSV file's rows and what is wrong with them.
pub(super) struct Sheet {
    path: PathBuf,
    rows: Vec<(usize, StringRecord)>,
    places: BTreeMap<&'static str, usize>,
    problems: RefCell<Vec<Problem>>,
}

impl Sheet {
    /// Cuts a file into rows; each of `columns` must be there, those of `optional` may be, in any order, and no other.
    pub(super) fn read(path: &Path, bytes: &[u8], columns: &[&'static str], optional: &[&'static str]) -> Self {
        let mut sheet = Self { path: path.to_owned(), rows: Vec::new(), places: BTreeMap::new(), problems: RefCell::default() };
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        if let Err(error) = std::str::from_utf8(bytes) {
            let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
            sheet.report(line, 0, "", "is not UTF-8 text; in a spreadsheet save as \"CSV UTF-8 (comma delimited)\"");
            return sheet;
        }
        let mut reader = csv::ReaderBuilder::new().has_headers(true).flexible(true).trim(csv::Trim::All).from_reader(bytes);
        let header = match reader.headers() {
            Ok(header) => header.clone(),
            Err(error) => {
                sheet.report(1, 0, "", &format!("the header cannot be read: {error}"));
                return sheet;
            }
        };
        if !sheet.find_columns(&header, columns, optional) {
            return sheet;
        }
        for record in reader.records() {
            match record {
                Ok(record) => sheet.keep(record, header.len()),
                Err(error) => sheet.report(line_of(error.position()), 0, "", &format!("cannot be read: {error}")),
            }
        }
        sheet
    }

    /// The rows, blank ones left out.
    pub(super) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.rows.iter().map(|(line, record)| Row { sheet: self, line: *line, record })
    }

    /// What was wrong.
    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.problems.into_inner()
    }

    fn find_columns(&mut self, header: &StringRecord, columns: &[&'static str], optional: &[&'static str]) -> bool {
        let all = || columns.iter().chain(optional).copied();
        let mut fine = true;
        for (place, name) in header.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
            let known = all().find(|column| fold(column) == fold(name));
            match known {
                None => self.report(1, place + 1, name, &format!("unknown column{}", did_you_mean(name, all()))),
                Some(column) if self.places.contains_key(column) => self.report(1, place + 1, name, "the column stands twice"),
                Some(column) => {
                    self.places.insert(column, place);
                    continue;
                }
            }
            fine = false;
        }
        for column in columns.iter().filter(|column| !self.places.contains_key(*column)) {
            let hint = if header.len() == 1 { "; are the columns separated by commas?" } else { "" };
            self.report(1, 0, column, &format!("the column is missing{hint}"));
            fine = false;
        }
        fine
    }

    fn keep(&mut self, record: StringRecord, width: usize) {
        if record.iter().all(str::is_empty) {
            return;
        }
        let line = line_of(record.position());
        if record.len() != width {
            self.report(line, 0, "", &format!("has {} fields, the header has {width}: is a comma or a quote missing?", record.len()));
            return;
        }
        self.rows.push((line, record));
    }

    fn report(&self, line: usize, column: usize, key: &str, message: &str) {
        let problem = Problem { file: self.path.clone(), line, column, key: key.to_owned(), message: message.to_owned() };
        self.problems.borrow_mut().push(problem);
    }
}

fn line_of(position: Option<&csv::Position>) -> usize {
    position.and_then(|position| usize::try_from(position.line()).ok()).unwrap_or(0)
}

/// One row of a sheet.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    sheet: &'a Sheet,
    line: usize,
    record: &'a StringRecord,
}

impl<'a> Row<'a> {
    /// The line it starts on, from 1.
    pub(super) fn line(&self) -> usize {
        self.line
    }

    /// Notes a problem with one cell.
    pub(super) fn problem(&self, column: &'static str, message: &str) {
        self.sheet.report(self.line, self.sheet.places.get(column).map_or(0, |place| place + 1), column, message);
    }

    /// A cell's text, which may be empty.
    pub(super) fn text(&self, column: &'static str) -> &'a str {
        let text = self.sheet.places.get(column).and_then(|place| self.record.get(*place)).unwrap_or_default();
        if text.chars().count() > MAX_CELL || text.chars().any(char::is_control) {
            self.problem(column, &format!("is longer than {MAX_CELL} characters or has line breaks in it"));
            return "";
        }
        text
    }

    /// A cell that must not be empty.
    pub(super) fn filled(&self, column: &'static str) -> Option<&'a str> {
        let text = self.text(column);
        if text.is_empty() {
            self.problem(column, "must not be empty");
        }
        (!text.is_empty()).then_some(text)
    }

    /// A code of one to `most` characters.
    pub(super) fn code(&self, column: &'static str, most: usize) -> Option<&'a str> {
        let text = self.filled(column)?;
        if text.chars().count() > most {
            self.problem(column, &format!("\"{}\" is longer than {most} characters", start_of(text)));
            return None;
        }
        Some(text)
    }

    /// A cell read by its type, which must not be empty; `wanted` says what it must be.
    pub(super) fn parsed<T: FromStr>(&self, column: &'static str, wanted: &str) -> Option<T> {
        let text = self.filled(column)?;
        let value = text.parse().ok();
        if value.is_none() {
            self.problem(column, &format!("\"{}\" is not {wanted}", start_of(text)));
        }
        value
    }

    /// A cell read by its type, or empty.
    pub(super) fn optional<T: FromStr>(&self, column: &'static str, wanted: &str) -> Option<T> {
        if self.text(column).is_empty() { None } else { self.parsed(column, wanted) }
    }

    /// A cell that says `Y`, or nothing (also `N`). A column that is not there says nothing.
    pub(super) fn flag(&self, column: &'static str) -> bool {
        match self.text(column) {
            "Y" | "y" => true,
            "" | "N" | "n" => false,
            other => {
                self.problem(column, &format!("\"{}\" is neither Y nor empty", start_of(other)));
                false
            }
        }
    }

    /// The days a row is in force: `valid_from`, `valid_to`.
    /// A date, which must be there.
    pub(super) fn day(&self, column: &'static str) -> Option<Date> {
        self.parsed::<Day>(column, A_DATE).map(|Day(date)| date)
    }

    /// The days in force: `valid_from` and `valid_to`.
    pub(super) fn days(&self) -> Days {
        let day = |column| self.optional::<Day>(column, A_DATE).map(|Day(date)| date);
        let days = Days { from: day("valid_from"), to: day("valid_to") };
        if let (Some(from), Some(to)) = (days.from, days.to)
            && from >= to
        {
            self.problem("valid_to", "must be after valid_from: it is the first day the row no longer holds");
        }
        days
    }
}

/// What a date looks like.
const A_DATE: &str = "a date such as 2018-04-01 or 01/04/2018";

/// Days in force; open where empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Days {
    pub(super) from: Option<Date>,
    pub(super) to: Option<Date>,
}

impl Days {
    /// Whether some day belongs to both.
    pub(super) fn meet(self, other: Self) -> bool {
        let before_end = |from: Option<Date>, to: Option<Date>| from.zip(to).is_none_or(|(from, to)| from < to);
        before_end(self.from, other.to) && before_end(other.from, self.to)
    }
}

/// A date in either of the two forms that spreadsheets here write.
struct Day(Date);

impl FromStr for Day {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (parts, reversed): (Vec<&str>, bool) =
            if text.contains('/') { (text.split('/').collect(), true) } else { (text.split('-').collect(), false) };
        let number = |text: &&str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<i16>().ok()).flatten();
        let numbers: Vec<i16> = parts.iter().filter_map(number).collect();
        let [first, month, last] = numbers.as_slice() else { return Err(()) };
        if parts.len() != numbers.len() {
            return Err(());
        }
        let (year, day) = if reversed { (last, first) } else { (first, last) };
        let (month, day) = (i8::try_from(*month).map_err(|_| ())?, i8::try_from(*day).map_err(|_| ())?);
        // A year of two digits would be the first century.
        if *year < 1900 || !(1..=12).contains(&month) {
            return Err(());
        }
        let in_month = (1..=date(*year, month, 1).days_in_month()).contains(&day);
        if in_month { Ok(Self(date(*year, month, day))) } else { Err(()) }
    }
}

/// The start of a cell, for a message.
pub(super) fn start_of(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_in_both_forms() {
        let rows = [
            ("2018-04-01", Some("2018-04-01")),
            ("01/04/2018", Some("2018-04-01")),
            ("1/4/2018", Some("2018-04-01")),
            ("29/02/2020", Some("2020-02-29")),
            ("29/02/2019", None),
            ("13/13/2018", None),
            ("01/04/18", None),
            ("1 April 2018", None),
            ("2018-04", None),
            ("--", None),
        ];
        for (text, expected) in rows {
            assert_eq!(text.parse::<Day>().ok().map(|day| day.0.to_string()).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn days_meet_only_where_both_hold() {
        let days = |from: &str, to: &str| Days { from: from.parse().ok(), to: to.parse().ok() };
        let rows = [
            (days("", ""), days("", ""), true),
            (days("", "2019-01-01"), days("2019-01-01", ""), false),
            (days("2018-01-01", "2019-01-01"), days("2018-12-31", ""), true),
            (days("2020-01-01", ""), days("2018-01-01", "2019-01-01"), false),
        ];
        for (one, other, meet) in rows {
            assert_eq!((one.meet(other), other.meet(one)), (meet, meet), "{one:?} {other:?}");
        }
    }
}
