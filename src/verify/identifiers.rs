//! Identifiers: columns, values and lines that point to a person (IGV-01 to IGV-03). A leak seals the file.
//!
//! Owns what gives a person away, and how much of it is enough. Refuses to repeat a value, ever.

mod births;
mod dates;
mod names;
mod unread;

pub use names::{may_be_shown, names_a_home, names_a_person};
pub use unread::{Expects, scan_member, scan_unread};

use super::columns::FileColumn;
use crate::feed::nhs_number::{TenDigits, ten_digits};
use crate::feed::{FileName, Finding, Findings, Rule};
use crate::normalise::mapping::{FieldSource, Reading, SnapshotTime, TableMapping};
use births::{Births, DaysOf};
use dates::{Day, day_in, day_of_serial};

/// Rows from which on a number that stands on nearly all of them is not one person's.
const MANY_ROWS: u64 = 5;
/// How many of the rows are nearly all, in percent.
const NEARLY_ALL_PERCENT: u64 = 90;
/// Values that must pass before a column counts as holding NHS numbers.
const FEWEST_NUMBERS: u64 = 3;

/// Share of a column's ten-digit values that must pass, in percent. Of random ten-digit numbers one in eleven does, so a
/// column of three is taken for what it is not once in 1,331 times, and of ten hardly ever.
const SHARE_PERCENT: u64 = 80;

/// Different numbers that are enough whatever they start with. Fewer, repeated on many rows, may be anything; they count where
/// all are of a range that is issued, unless it is one that stands on every row.
const DIFFERENT: usize = 3;

/// Lines beside the rows that are kept: one is enough to seal.
const MOST_ASIDES: usize = 20;

/// Shortest field that is looked at, and the fewest digits in it: a date such as 14-Feb-35.
const FEWEST_CHARS: usize = 8;
const FEWEST_DIGITS: usize = 4;

/// The lengths of a date without noughts and century: `1/2/35`, `14.2.35`.
const SHORT_DATE_CHARS: std::ops::RangeInclusive<usize> = 6..=7;

/// The lengths of a spreadsheet's number for a day, with and without a nought behind the point.
const SERIAL_CHARS: std::ops::RangeInclusive<usize> = 4..=7;

/// Looks through a table: at every value, column by column, and at the lines beside the rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    columns: Vec<Column>,
    asides: Vec<Aside>,
    /// Rows that were looked at.
    rows: u64,
}

/// A line beside the rows that holds numbers which tell by themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Aside {
    what: String,
    line: u64,
    numbers: Vec<TenDigits>,
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
    /// Short ones among them that a bed's code may look like: `3-1-12`, floor, room and bed.
    like_codes: u64,
    /// Days that a spreadsheet wrote as numbers.
    serials: Births,
    /// Values looked at, and the last of them with what it was: a time that stands on every row is read once.
    values: u64,
    last: Last,
}

/// A value and what it was.
#[derive(Clone, Default, PartialEq, Eq)]
struct Last {
    text: String,
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

impl Aside {
    fn holds(&self, number: &TenDigits) -> bool {
        self.numbers.iter().any(|known| known.are_the_same_as(number))
    }
}

impl Scan {
    /// The columns with too few ten-digit values to compare, all of which tell by themselves.
    fn few(&self, columns: &[FileColumn]) -> Findings {
        let told = self.columns.iter().zip(columns).filter(|(seen, column)| seen.holds_few_numbers() && !column.identifier);
        let mut findings = Findings::default();
        findings.extend(told.map(|(_, column)| in_few_words(&column.label).in_column(&column.label)));
        findings
    }

    /// Looks at one field of the column at a position.
    pub fn look(&mut self, column: usize, field: &str) {
        self.rows += u64::from(column == 0);
        let short = SERIAL_CHARS.contains(&field.len()) && matches!(field.as_bytes().first(), Some(b'0'..=b'9'));
        let digits = || field.bytes().filter(u8::is_ascii_digit).count() >= FEWEST_DIGITS || holds_other_digits(field);
        let long = field.len() >= FEWEST_CHARS && digits();
        if !short && !long {
            return;
        }
        if self.columns.len() <= column {
            self.columns.resize(column + 1, Column::default());
        }
        match self.columns.get_mut(column) {
            Some(column) if long => column.look(field),
            Some(column) => column.look_at_short(field),
            None => {}
        }
    }

    /// Looks at a line beside the rows: the first, the last, a total, a remark. What is said in few words has nothing to be
    /// compared with, so one number is enough.
    pub fn look_aside<'f>(&mut self, what: &str, line: u64, fields: impl IntoIterator<Item = &'f str>) {
        let numbers: Vec<TenDigits> = fields.into_iter().flat_map(ten_digits).filter(TenDigits::tell_by_themselves).collect();
        // The same numbers on a further line of the kind say nothing new.
        let known = |aside: &Aside| aside.what == what && numbers.iter().all(|number| aside.holds(number));
        if !numbers.is_empty() && self.asides.len() < MOST_ASIDES && !self.asides.iter().any(known) {
            self.asides.push(Aside { what: what.to_owned(), line, numbers });
        }
    }

    /// What the values give away. Columns declared as identifiers are left out: there they are expected and dropped. So are
    /// dates in columns that are agreed as times.
    #[must_use]
    pub fn findings(&self, columns: &[FileColumn], agreed: &Agreed) -> Findings {
        let mut findings = Findings::default();
        // What stands on every row is the file's, and so it is in a total below them.
        let of_the_file: Vec<&TenDigits> = self.columns.iter().filter_map(|column| column.number_of_the_file(self.rows)).collect();
        let of_a_person = |number: &TenDigits| !of_the_file.iter().any(|known| known.are_the_same_as(number));
        for aside in self.asides.iter().filter(|aside| aside.numbers.iter().any(of_a_person)) {
            findings.push(in_few_words(&format!("{} (line {})", aside.what, aside.line)).at_line(aside.line));
        }
        let labels: Vec<String> =
            (0..self.columns.len()).map(|at| columns.get(at).map_or_else(|| format!("column {}", at + 1), |c| c.label.clone())).collect();
        let newest = self.newest_year(&labels, agreed);
        for (at, (seen, label)) in self.columns.iter().zip(&labels).enumerate() {
            if columns.get(at).is_some_and(|column| column.identifier) {
                continue;
            }
            if seen.holds_numbers(self.rows) {
                let message = format!("{} values in {label} look like NHS numbers. The file is sealed.", seen.passed);
                findings.push(Finding::new(Rule::Igv02, message).in_column(label));
            }
            if let Some(count) = seen.births_found(newest, &agreed.column(label)) {
                let message = format!("{count} values in {label} look like dates of birth. The file is sealed.");
                findings.push(Finding::new(Rule::Igv03, message).in_column(label));
            }
        }
        findings
    }

    /// The year that ages are counted from: the newest of the agreed times, else of any date. A contract's end years ahead
    /// must not make everything old.
    fn newest_year(&self, labels: &[String], agreed: &Agreed) -> Option<u16> {
        let newest = |of_times: bool| {
            let columns = self.columns.iter().zip(labels).filter(|(_, label)| !of_times || agreed.times.contains(*label));
            columns.filter_map(|(column, _)| column.births.newest_year()).max()
        };
        let with_century = self.columns.iter().filter_map(|column| column.births.newest_year_with_century()).max();
        newest(true).or(with_century).or_else(|| newest(false))
    }
}

impl Column {
    fn look(&mut self, field: &str) {
        let look_for_births = Births::want(self.values);
        self.values += 1;
        self.serials.note(None);
        if self.last.text != field {
            field.clone_into(&mut self.last.text);
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

    /// Looks at a field that is too short for anything but a date without noughts, or a spreadsheet's number for a day.
    fn look_at_short(&mut self, field: &str) {
        if Births::want(self.values) {
            let day = Some(field).filter(|field| SHORT_DATE_CHARS.contains(&field.len())).and_then(day_in);
            if day.is_some() {
                self.births.note(day);
                self.like_codes += u64::from(!field.contains('/'));
            }
            if !field.starts_with('0') {
                self.serials.note(day_of_serial(field));
            }
        }
        self.values += 1;
    }

    /// How many dates of birth there are, written as dates or as a spreadsheet's numbers; none in a column that was agreed as
    /// something else.
    fn births_found(&self, newest: Option<u16>, known: &Known) -> Option<u64> {
        let like_codes = known.is_read && self.births.are_mostly(self.like_codes);
        let as_dates = || self.births.found(newest, known.days_of).filter(|_| !like_codes);
        let as_numbers = || self.serials.found_as_numbers(newest).filter(|_| known.may_hold_serials);
        if known.is_a_time { None } else { as_dates().or_else(as_numbers) }
    }

    fn holds_few_numbers(&self) -> bool {
        (1..FEWEST_NUMBERS).contains(&self.seen) && self.passed == self.seen && self.different.iter().all(TenDigits::are_of_an_issued_range)
    }

    /// The one number that stands on every row: a run, a batch, a telephone. Nobody lies in every bed; but one may wait alone. Some
    /// rows may be damaged.
    fn number_of_the_file(&self, rows: u64) -> Option<&TenDigits> {
        let on_nearly_all = self.seen.saturating_mul(100) >= rows.saturating_mul(NEARLY_ALL_PERCENT);
        let only = self.different.first().filter(|_| self.different.len() == 1);
        only.filter(|_| self.seen == self.passed && on_nearly_all && rows >= MANY_ROWS)
    }

    fn holds_numbers(&self, rows: u64) -> bool {
        let of_the_file = self.number_of_the_file(rows).is_some();
        let share = self.passed.saturating_mul(100) >= self.seen.saturating_mul(SHARE_PERCENT);
        let different = self.different.len() >= DIFFERENT || self.different.iter().all(TenDigits::are_of_an_issued_range);
        self.passed >= FEWEST_NUMBERS && share && different && !of_the_file
    }
}

/// What is agreed of a table's columns, as far as dates in them go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agreed {
    /// Columns that hold times.
    times: Vec<String>,
    /// Columns that are read as anything.
    read: Vec<String>,
}

/// What is known of one column's values before looking at them.
struct Known {
    is_a_time: bool,
    days_of: DaysOf,
    is_read: bool,
    may_hold_serials: bool,
}

impl Agreed {
    /// What a mapping says of a table.
    #[must_use]
    pub fn of(mapping: &TableMapping) -> Self {
        let mut agreed = Self::default();
        for source in mapping.fields.values().chain(mapping.lines.iter().flat_map(|line| line.set.values())) {
            match source {
                FieldSource::Column { column, reading: Reading::Instant { .. } } => agreed.times.push(column.clone()),
                FieldSource::Column { column, .. } => agreed.read.push(column.clone()),
                FieldSource::Joined { columns, .. } => agreed.read.extend(columns.iter().cloned()),
                FieldSource::Value(_) => {}
            }
        }
        if let SnapshotTime::Column { column, .. } = &mapping.snapshot_at {
            agreed.times.push(column.clone());
        }
        for line in &mapping.lines {
            agreed.read.extend(line.when.keys().cloned());
            let counted = line.quantity.iter().flat_map(|count| std::iter::once(&count.column).chain(&count.plus).chain(&count.minus));
            agreed.read.extend(counted.cloned());
        }
        agreed
    }

    fn column(&self, label: &str) -> Known {
        let days_of = names::days_of(label);
        let read = self.read.iter().any(|column| column == label);
        Known {
            is_a_time: self.times.iter().any(|column| column == label),
            days_of,
            is_read: read,
            may_hold_serials: !read && days_of == DaysOf::Anything && !names::names_a_number(label),
        }
    }
}

/// What is said of a column whose name tells of people's identities (IGV-01); `label` is what to call it.
#[must_use]
pub fn named_for_a_person(label: &str) -> Finding {
    Finding::new(Rule::Igv01, format!("Personal data column present: {label}. The file is sealed.")).in_column(label)
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

/// Bytes as text, whatever they are: of two bytes for each character, as some spreadsheets write, the noughts are left out.
fn readable(bytes: &[u8]) -> String {
    let kept: Vec<u8> = bytes.iter().copied().filter(|byte| *byte != 0).collect();
    String::from_utf8_lossy(&kept).into_owned()
}

/// Whether digits of other scripts make a text worth a closer look: hardly any field has letters beyond ASCII at all.
fn holds_other_digits(text: &str) -> bool {
    !text.is_ascii() && text.chars().filter(|c| c.is_numeric()).count() >= FEWEST_DIGITS
}

fn holds_a_number(text: &str) -> bool {
    ten_digits(text).iter().any(TenDigits::tell_by_themselves)
}

fn in_few_words(what: &str) -> Finding {
    Finding::new(Rule::Igv02, format!("{what} holds a number that looks like an NHS number. The file is sealed."))
}

#[cfg(test)]
mod spellings;
#[cfg(test)]
mod tests;
