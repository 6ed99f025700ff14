//! Columns: what a mapping can name of one table and of the table that it joins, and a row's texts by column.
//!
//! Owns null tokens and conditions on a column. Refuses to know what a text means.

use super::mapping::{Condition, TableMapping};
use super::table::{RawRow, RawTable, trimmed};
use super::texts::Texts;
use std::collections::HashMap;

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

impl Column<'_> {
    /// Whether it is one of the table that is joined.
    pub(super) fn is_joined(&self) -> bool {
        matches!(self.cell, Cell::Joined(_))
    }
}

/// The columns that a table's mapping can name: its own and, as `table.column`, those of the table it joins.
pub(super) struct Columns<'a> {
    cells: HashMap<String, Cell>,
    own: Vec<ColumnTexts<'a>>,
    joined: Vec<ColumnTexts<'a>>,
}

/// The different texts of one column, and which of them are null tokens.
struct ColumnTexts<'a> {
    texts: &'a Texts,
    /// By number; empty where none is.
    null: Vec<bool>,
}

impl<'a> ColumnTexts<'a> {
    fn of(table: &'a RawTable, null: &[String]) -> Vec<Self> {
        let is_null = |text: &str| null.iter().any(|token| same(token, trimmed(text)));
        let column = |texts: &'a Texts| {
            let marks: Vec<bool> = texts.iter().map(is_null).collect();
            Self { texts, null: if marks.contains(&true) { marks } else { Vec::new() } }
        };
        (0..table.columns.len()).filter_map(|at| table.texts(at)).map(column).collect()
    }

    /// The text of a number, trimmed; blank where it is a null token.
    fn get(&self, number: u32) -> &'a str {
        let null = !self.null.is_empty() && usize::try_from(number).is_ok_and(|at| self.null.get(at) == Some(&true));
        if null { "" } else { trimmed(self.texts.get(number)) }
    }
}

impl<'a> Columns<'a> {
    pub(super) fn new(table: &'a RawTable, mapping: &TableMapping, joined: Option<(&'a RawTable, &TableMapping)>) -> Self {
        let own = table.columns.iter().enumerate().map(|(at, name)| (name.clone(), Cell::Own(at)));
        let mut cells: HashMap<String, Cell> = own.collect();
        if let Some((other, _)) = joined {
            cells.extend(other.columns.iter().enumerate().map(|(at, name)| (format!("{}.{name}", other.name), Cell::Joined(at))));
        }
        let joined = joined.map_or_else(Vec::new, |(other, its)| ColumnTexts::of(other, &its.null));
        Self { cells, own: ColumnTexts::of(table, &mapping.null), joined }
    }

    pub(super) fn column<'n>(&self, name: &'n str) -> Column<'n> {
        Column { name, cell: self.cells.get(name).copied().unwrap_or(Cell::Absent) }
    }

    fn texts(&self, cell: Cell) -> Option<&ColumnTexts<'a>> {
        match cell {
            Cell::Own(at) => self.own.get(at),
            Cell::Joined(at) => self.joined.get(at),
            Cell::Absent => None,
        }
    }

    /// How many different texts a column has.
    pub(super) fn count(&self, column: Column<'_>) -> usize {
        self.texts(column.cell).map_or(0, |column| column.texts.len())
    }

    /// The different texts of a column, as rows have them: trimmed, null tokens blank.
    pub(super) fn all(&self, column: Column<'_>) -> impl Iterator<Item = &'a str> {
        let texts = self.texts(column.cell);
        texts
            .into_iter()
            .flat_map(|texts| (0..).map_while(move |number| (usize::try_from(number).ok()? < texts.texts.len()).then(|| texts.get(number))))
    }

    /// The text of a row of the table itself by its column's position, trimmed; blank where it is a null token.
    pub(super) fn own_text(&self, at: usize, row: RawRow<'_>) -> &'a str {
        text_of(&self.own, at, row)
    }

    /// The text of a row of the joined table, likewise.
    pub(super) fn joined_text(&self, at: usize, row: RawRow<'_>) -> &'a str {
        text_of(&self.joined, at, row)
    }

    /// A row ready to be read, with the row that it joins.
    pub(super) fn row<'r>(&'r self, own: RawRow<'r>, joined: Option<RawRow<'r>>) -> Row<'r> {
        Row { own, joined, columns: self }
    }
}

fn text_of<'a>(columns: &[ColumnTexts<'a>], at: usize, row: RawRow<'_>) -> &'a str {
    columns.get(at).zip(row.number(at)).map_or("", |(column, number)| column.get(number))
}

/// One row, with null tokens read as blank.
#[derive(Clone, Copy)]
pub(super) struct Row<'r> {
    pub(super) own: RawRow<'r>,
    joined: Option<RawRow<'r>>,
    columns: &'r Columns<'r>,
}

impl<'r> Row<'r> {
    /// Whether it joins a row of another table.
    pub(super) fn has_joined(&self) -> bool {
        self.joined.is_some()
    }

    /// A column's text, trimmed; blank where it is a null token.
    pub(super) fn text(&self, column: Column<'_>) -> &'r str {
        let number = self.number(column);
        number.and_then(|number| Some(self.columns.texts(column.cell)?.get(number))).unwrap_or("")
    }

    /// The number of a column's text among the column's; none where the column always reads as blank here.
    pub(super) fn number(&self, column: Column<'_>) -> Option<u32> {
        match column.cell {
            Cell::Own(at) => self.own.number(at),
            Cell::Joined(at) => self.joined.and_then(|row| row.number(at)),
            Cell::Absent => None,
        }
    }
}

/// A condition on a column, with the answer for each of its texts worked out beforehand.
pub(super) struct Test<'a> {
    pub(super) column: Column<'a>,
    pub(super) condition: &'a Condition,
    /// By the text's number.
    answers: Vec<bool>,
    /// For a column that always reads as blank.
    blank: bool,
}

impl<'a> Test<'a> {
    pub(super) fn new(column: Column<'a>, condition: &'a Condition, columns: &Columns<'_>) -> Self {
        let answers = columns.all(column).map(|text| holds(condition, text)).collect();
        Self { column, condition, answers, blank: holds(condition, "") }
    }

    pub(super) fn holds(&self, row: &Row<'_>) -> bool {
        let number = row.number(self.column).and_then(|number| usize::try_from(number).ok());
        number.map_or(self.blank, |number| self.answers.get(number).copied().unwrap_or(self.blank))
    }
}

impl Test<'_> {
    /// Whether it asks for something that the row of another table should say, which the row joins, and which is blank there.
    pub(super) fn is_left_open(&self, row: &Row<'_>) -> bool {
        matches!(self.column.cell, Cell::Joined(_)) && row.joined.is_some() && row.text(self.column).is_empty()
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
