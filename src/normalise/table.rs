//! Raw tables: an extract's rows as text, before any meaning is given to them.

/// One table of an extract: a file, or one member of an archive, cut into fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawTable {
    /// The mapping table's name.
    pub name: String,
    /// The mapping's column names, in the mapping's order; aliases resolved, columns not agreed left out.
    pub columns: Vec<String>,
    /// Which of the columns the file really has; the others read as blank. Same order and length as `columns`.
    pub present: Vec<bool>,
    /// Data rows: total lines, header and trailer lines and blank lines left out.
    pub rows: Vec<RawRow>,
}

/// One data row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawRow {
    /// Line number in the file as sent, from 1: the line on which the row starts.
    pub line: u64,
    /// Field texts, trimmed, one for each of the table's columns.
    pub fields: Vec<String>,
}

impl RawTable {
    /// The position of a column among the fields of a row.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column == name)
    }
}
