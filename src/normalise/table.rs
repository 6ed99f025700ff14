//! Raw tables: an extract's rows as text, before any meaning is given to them.
//!
//! Owns how rows lie in memory: each column keeps each of its different texts once, and a row is their numbers. So a table
//! takes a fraction of its file, and what a text means is worked out once for all the rows that have it.

use super::texts::Texts;
use std::fmt;

/// One table of an extract: a file, or one member of an archive, cut into fields.
#[derive(Clone, Default)]
pub struct RawTable {
    /// The mapping table's name.
    pub name: String,
    /// The mapping's column names, in the mapping's order; aliases resolved, columns not agreed left out.
    pub columns: Vec<String>,
    /// Which of the columns the file really has; the others read as blank. Same order and length as `columns`.
    pub present: Vec<bool>,
    /// Data rows: total lines, header and trailer lines and blank lines left out. The line on which each starts.
    lines: Vec<u64>,
    /// Row by row, the number of the text in each column.
    numbers: Vec<u32>,
    texts: Vec<Texts>,
    /// Rows that could not be cut: before which of the others each stood.
    broken: Vec<usize>,
}

/// One data row.
#[derive(Clone, Copy)]
pub struct RawRow<'t> {
    /// Line number in the file as sent, from 1: the line on which the row starts.
    pub line: u64,
    numbers: &'t [u32],
    table: &'t RawTable,
}

impl RawTable {
    /// A table without rows.
    #[must_use]
    pub fn new(name: &str, columns: Vec<String>, present: Vec<bool>) -> Self {
        let texts = columns.iter().map(|_| Texts::default()).collect();
        Self { name: name.to_owned(), columns, present, lines: Vec::new(), numbers: Vec::new(), texts, broken: Vec::new() }
    }

    /// Adds a row: its line number in the file as sent, and its field texts, trimmed, one for each of the table's columns.
    /// Fields that are not given are blank.
    pub fn push<'f>(&mut self, line: u64, fields: impl IntoIterator<Item = &'f str>) {
        self.lines.push(line);
        let mut fields = fields.into_iter();
        let before = self.numbers.len().checked_sub(self.columns.len());
        for (column, texts) in self.texts.iter_mut().enumerate() {
            let text = fields.next().unwrap_or("");
            // The same as in the row before, very often: site, ward, time.
            let last = before.and_then(|before| self.numbers.get(before + column)).copied();
            let number = last.filter(|last| texts.is(*last, text)).unwrap_or_else(|| texts.number(text));
            self.numbers.push(number);
        }
    }

    /// Notes that a row stood here that could not be cut: what it said is not known.
    pub fn push_broken(&mut self) {
        self.broken.push(self.lines.len());
    }

    /// Where rows stood that could not be cut, in the order of the file: the place of the next row that could.
    #[must_use]
    pub fn broken(&self) -> &[usize] {
        &self.broken
    }

    /// To be called after the last row: gives back the memory that only adding needs.
    pub fn close(&mut self) {
        self.texts.iter_mut().for_each(Texts::close);
        self.lines.shrink_to_fit();
        self.numbers.shrink_to_fit();
    }

    /// How many rows it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether it has no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The rows, in the order of the file.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = RawRow<'_>> {
        let width = self.columns.len();
        self.lines.iter().enumerate().map(move |(at, line)| {
            let numbers = self.numbers.get(at * width..(at + 1) * width).unwrap_or_default();
            RawRow { line: *line, numbers, table: self }
        })
    }

    /// The position of a column among the fields of a row.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column == name)
    }

    /// The different texts of a column.
    #[must_use]
    pub fn texts(&self, column: usize) -> Option<&Texts> {
        self.texts.get(column)
    }
}

impl<'t> RawRow<'t> {
    /// The text of a column by its position; blank where there is none.
    #[must_use]
    pub fn field(&self, column: usize) -> &'t str {
        let number = self.numbers.get(column).copied();
        number.and_then(|number| Some(self.table.texts.get(column)?.get(number))).unwrap_or("")
    }

    /// The number of that text among the column's: equal in two rows of a table where the texts are.
    #[must_use]
    pub fn number(&self, column: usize) -> Option<u32> {
        self.numbers.get(column).copied()
    }

    /// The numbers of all its texts, by column.
    #[must_use]
    pub fn numbers(&self) -> &'t [u32] {
        self.numbers
    }

    /// Its texts, in the order of the columns.
    pub fn fields(&self) -> impl Iterator<Item = &'t str> {
        self.numbers.iter().zip(&self.table.texts).map(|(number, texts)| texts.get(*number))
    }
}

/// A text without the spaces around it. Most texts have none, which two bytes tell.
#[must_use]
pub fn trimmed(text: &str) -> &str {
    match text.as_bytes() {
        [] => text,
        [first, .., last] if first.is_ascii_graphic() && last.is_ascii_graphic() => text,
        [only] if only.is_ascii_graphic() => text,
        _ => text.trim(),
    }
}

impl PartialEq for RawRow<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.line == other.line && self.fields().eq(other.fields())
    }
}

impl Eq for RawRow<'_> {}

impl PartialEq for RawTable {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, &self.columns, &self.present) == (&other.name, &other.columns, &other.present) && self.rows().eq(other.rows())
    }
}

impl Eq for RawTable {}

/// Without a single text: they may be a person's.
impl fmt::Debug for RawTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawTable")
            .field("name", &self.name)
            .field("columns", &self.columns)
            .field("rows", &self.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for RawRow<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawRow").field("line", &self.line).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_as_they_were_added() {
        let columns = ["SITE", "WARD", "BED"].map(str::to_owned).to_vec();
        let mut table = RawTable::new("beds", columns, vec![true, true, false]);
        table.push(2, ["RM102", "W1", "01"]);
        table.push(3, ["RM102", "W1", "02"]);
        table.push(7, ["RM102", "W2"]);
        let open = table.clone();
        table.close();
        assert_eq!(table, open);
        let rows: Vec<(u64, Vec<&str>)> = table.rows().map(|row| (row.line, row.fields().collect())).collect();
        assert_eq!(rows, [(2, vec!["RM102", "W1", "01"]), (3, vec!["RM102", "W1", "02"]), (7, vec!["RM102", "W2", ""])]);
        let last = table.rows().last().unwrap();
        assert_eq!((last.field(1), last.field(3), last.number(1), last.number(0)), ("W2", "", Some(1), Some(0)));
        assert!(!format!("{table:?}{last:?}").contains("RM102"));
    }

    #[test]
    fn a_table_without_columns_still_counts_its_rows() {
        let mut table = RawTable::new("empty", Vec::new(), Vec::new());
        table.push(1, []);
        table.push(2, ["lost"]);
        assert_eq!(table.rows().map(|row| row.fields().count()).collect::<Vec<_>>(), [0, 0]);
    }
}
