//! Sources: a mapping's field sources, bound to one table's columns and read row by row.
//!
//! Owns null tokens, code lists and the ways of reading a cell. Refuses to know which field the value is for.

use super::mapping::{Condition, FieldSource, Mapping, Otherwise, Quantity, Reading, TableMapping};
use super::table::{RawRow, RawTable};
use super::times::{self, Resolved, TimeProblem};
use super::values;
use crate::bedstate::AgeBand;
use jiff::Timestamp;
use jiff::civil::Date;
use std::borrow::Cow;
use std::collections::HashMap;

/// What a reading may depend on beside the cell.
pub(super) struct Reader<'a> {
    pub(super) mapping: &'a Mapping,
    /// When the figures were true. Nothing a row tells of lies after it, which settles October's repeated hour.
    pub(super) snapshot_at: Timestamp,
    /// The snapshot's local day: ages are as of that day.
    pub(super) day: Date,
}

/// Where a column's text stands in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cell {
    Own(usize),
    Joined(usize),
    /// An optional column that the file does not have, or a joined table that did not come: always blank.
    Absent,
}

/// A column by name, bound to its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column<'a> {
    pub(super) name: &'a str,
    cell: Cell,
}

/// The columns that a table's mapping can name: its own and, as `table.column`, those of the table it joins.
pub(super) struct Columns<'a> {
    cells: HashMap<String, Cell>,
    null: &'a [String],
    joined_null: &'a [String],
}

impl<'a> Columns<'a> {
    pub(super) fn new(table: &RawTable, mapping: &'a TableMapping, joined: Option<(&RawTable, &'a TableMapping)>) -> Self {
        let own = table.columns.iter().enumerate().map(|(at, name)| (name.clone(), Cell::Own(at)));
        let mut cells: HashMap<String, Cell> = own.collect();
        if let Some((other, _)) = joined {
            cells.extend(other.columns.iter().enumerate().map(|(at, name)| (format!("{}.{name}", other.name), Cell::Joined(at))));
        }
        Self { cells, null: &mapping.null, joined_null: joined.map_or(&[], |(_, mapping)| &mapping.null) }
    }

    pub(super) fn column(&self, name: &'a str) -> Column<'a> {
        Column { name, cell: self.cells.get(name).copied().unwrap_or(Cell::Absent) }
    }

    /// A row ready to be read, with the row that it joins.
    pub(super) fn row<'r>(&'r self, own: RawRow<'r>, joined: Option<RawRow<'r>>) -> Row<'r> {
        Row { own, joined, null: self.null, joined_null: self.joined_null }
    }
}

/// One row, with null tokens read as blank.
#[derive(Clone, Copy)]
pub(super) struct Row<'r> {
    pub(super) own: RawRow<'r>,
    joined: Option<RawRow<'r>>,
    null: &'r [String],
    joined_null: &'r [String],
}

impl<'r> Row<'r> {
    /// A column's text, trimmed; blank where it is a null token.
    pub(super) fn text(&self, column: Column<'_>) -> &'r str {
        let (field, null) = match column.cell {
            Cell::Own(at) => (self.own.field(at), self.null),
            Cell::Joined(at) => (self.joined.map_or("", |row| row.field(at)), self.joined_null),
            Cell::Absent => ("", self.null),
        };
        let text = field.trim();
        if null.iter().any(|token| same(token, text)) { "" } else { text }
    }
}

/// Whether two texts are the same but for letter case.
pub(super) fn same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other) || (!one.is_ascii() && one.to_lowercase() == other.to_lowercase())
}

/// Whether a text meets a condition.
pub(super) fn holds(condition: &Condition, text: &str) -> bool {
    match condition {
        Condition::OneOf(wanted) => wanted.iter().any(|wanted| same(wanted, text)),
        Condition::StartsWith(start) => text.to_lowercase().starts_with(&start.to_lowercase()),
        Condition::Filled => !text.is_empty(),
        Condition::Blank => text.is_empty(),
    }
}

/// What a source says for one row.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value<'v> {
    /// Nothing is there.
    Blank,
    /// A text as it stands, or a code of the dataset.
    Text(Cow<'v, str>),
    /// What the mapping says a text outside its code list becomes (empty: blank).
    Fallback(&'v str),
    /// A text that is not in the code list, where the mapping says to reject it.
    NotListed,
    /// An age band; `None`: a text is there, but no band of the dataset.
    Band(Option<AgeBand>),
    /// An instant, or why there is none.
    Instant(Result<Resolved, TimeProblem>),
}

/// A field's source, bound to columns.
pub(super) struct Source<'a> {
    /// The columns in words, for messages; empty for a constant.
    pub(super) label: String,
    kind: Kind<'a>,
}

enum Kind<'a> {
    Value(&'a str),
    Joined { columns: Vec<Column<'a>>, with: &'a str },
    Column { column: Column<'a>, read: Read<'a> },
}

enum Read<'a> {
    Text,
    PadZeros(usize),
    Codes { codes: HashMap<String, &'a str>, otherwise: &'a Otherwise },
    Instant(&'a [String]),
    AgeInYears,
    BirthDate(&'a [String]),
    AgeRange,
}

impl<'a> Source<'a> {
    pub(super) fn new(source: &'a FieldSource, columns: &Columns<'a>) -> Self {
        match source {
            FieldSource::Value(value) => Self { label: String::new(), kind: Kind::Value(value) },
            FieldSource::Joined { columns: names, with } => Self {
                label: names.join(" and "),
                kind: Kind::Joined { columns: names.iter().map(|name| columns.column(name)).collect(), with },
            },
            FieldSource::Column { column, reading } => {
                let read = match reading {
                    Reading::Text => Read::Text,
                    Reading::PadZeros(width) => Read::PadZeros(*width),
                    Reading::Codes { codes, otherwise } => Read::Codes {
                        codes: codes.iter().map(|(text, code)| (text.trim().to_lowercase(), code.as_str())).collect(),
                        otherwise,
                    },
                    Reading::Instant { formats } => Read::Instant(formats),
                    Reading::AgeInYears => Read::AgeInYears,
                    Reading::BirthDate { formats } => Read::BirthDate(formats),
                    Reading::AgeRange => Read::AgeRange,
                };
                Self { label: column.clone(), kind: Kind::Column { column: columns.column(column), read } }
            }
        }
    }

    /// Whether it is the same on every line.
    pub(super) fn is_constant(&self) -> bool {
        matches!(self.kind, Kind::Value(_))
    }

    /// The text as the extract writes it, before any reading.
    pub(super) fn raw<'v>(&self, row: &Row<'v>) -> Cow<'v, str>
    where
        'a: 'v,
    {
        match &self.kind {
            Kind::Value(value) => Cow::Borrowed(value),
            Kind::Column { column, .. } => Cow::Borrowed(row.text(*column)),
            Kind::Joined { columns, with } => {
                let filled: Vec<&str> = columns.iter().map(|column| row.text(*column)).filter(|text| !text.is_empty()).collect();
                Cow::Owned(filled.join(with))
            }
        }
    }

    /// Reads the source for one row.
    pub(super) fn read<'v>(&self, row: &Row<'v>, reader: &Reader<'_>) -> Value<'v>
    where
        'a: 'v,
    {
        let raw = self.raw(row);
        let Kind::Column { read, .. } = &self.kind else {
            return if raw.is_empty() { Value::Blank } else { Value::Text(raw) };
        };
        if let Read::Codes { codes, otherwise } = read {
            return match (codes.get(&raw.to_lowercase()), otherwise) {
                (Some(&""), _) => Value::Blank,
                (Some(code), _) => Value::Text(Cow::Borrowed(code)),
                (None, _) if raw.is_empty() => Value::Blank,
                (None, Otherwise::Code(code)) => Value::Fallback(code),
                (None, Otherwise::Reject) => Value::NotListed,
            };
        }
        if raw.is_empty() {
            return Value::Blank;
        }
        match read {
            Read::PadZeros(width) => Value::Text(Cow::Owned(values::pad_zeros(&raw, *width).into_owned())),
            Read::Instant(formats) => {
                let mapping = reader.mapping;
                Value::Instant(times::resolve(&raw, formats, mapping.zone, mapping.march_gap, reader.snapshot_at))
            }
            Read::AgeInYears => Value::Band(values::age_in_years(&raw)),
            Read::BirthDate(formats) => Value::Band(values::birth_date(&raw, formats, reader.day)),
            Read::AgeRange => Value::Band(values::age_range(&raw)),
            Read::Text | Read::Codes { .. } => Value::Text(raw),
        }
    }
}

/// Why a count cannot be used, and the column that says so. The texts quote counts only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CountProblem<'a> {
    /// The column is blank: not known, which is not none (ROW-01).
    Blank(&'a str),
    /// ROW-02, in words.
    Invalid(&'a str, String),
    /// Below zero by so many: ROW-02 in words, where nothing explains it.
    Short(&'a str, u32, String),
}

/// A count, bound to columns.
pub(super) struct Count<'a> {
    base: Column<'a>,
    plus: Vec<Column<'a>>,
    minus: Vec<Column<'a>>,
}

impl<'a> Count<'a> {
    pub(super) fn new(quantity: &'a Quantity, columns: &Columns<'a>) -> Self {
        let bind = |names: &'a [String]| names.iter().map(|name| columns.column(name)).collect();
        Self { base: columns.column(&quantity.column), plus: bind(&quantity.plus), minus: bind(&quantity.minus) }
    }

    /// The column that messages point at.
    pub(super) fn column(&self) -> &'a str {
        self.base.name
    }

    /// Reads the count, 0 to 99,999; every column that cannot be read is named.
    pub(super) fn read(&self, row: &Row<'_>) -> Result<u32, Vec<CountProblem<'a>>> {
        let mut problems = Vec::new();
        let mut sum = 0_i64;
        let signed = std::iter::once(&self.base).chain(&self.plus).map(|c| (c, 1)).chain(self.minus.iter().map(|c| (c, -1)));
        for (column, sign) in signed {
            let text = row.text(*column);
            match values::whole_number(text) {
                Some(number) => sum += sign * i64::from(number),
                None if text.is_empty() => problems.push(CountProblem::Blank(column.name)),
                None => {
                    let said = format!("{} is not a whole number", named(column.name, values::quoted(text)));
                    problems.push(CountProblem::Invalid(column.name, said));
                }
            }
        }
        let base = self.base.name;
        match u32::try_from(sum) {
            _ if !problems.is_empty() => Err(problems),
            Ok(number) if number <= 99_999 => Ok(number),
            Ok(_) => Err(vec![CountProblem::Invalid(base, format!("{base} is more than 99,999"))]),
            Err(_) => {
                let parts: Vec<&str> = self.minus.iter().map(|column| column.name).collect();
                let said = format!("{base} is less than its parts together ({})", parts.join(", "));
                Err(vec![match u32::try_from(-sum) {
                    Ok(short) => CountProblem::Short(base, short, said),
                    Err(_) => CountProblem::Invalid(base, said),
                }])
            }
        }
    }
}

/// A column's name, with the value where it may be shown.
pub(super) fn named(column: &str, quoted: Option<String>) -> String {
    quoted.map_or_else(|| column.to_owned(), |value| format!("{column} {value}"))
}
