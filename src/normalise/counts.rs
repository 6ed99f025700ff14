//! Counts: what a row says how many, added up from columns.
//!
//! Owns the bounds of a count and why one cannot be used. Refuses to know what is counted.

use super::columns::{Column, Columns, Row};
use super::mapping::Quantity;
use super::sources::named;
use super::values;
use super::words::Words;

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

/// The most that one cell may count, and one line.
const MOST_COUNTED: u32 = 99_999;

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

    /// The columns that are added up.
    pub(super) fn whole(&self) -> impl Iterator<Item = &'a str> {
        std::iter::once(&self.base).chain(&self.plus).map(|column| column.name)
    }

    /// The columns that are taken away.
    pub(super) fn parts(&self) -> impl Iterator<Item = &'a str> {
        self.minus.iter().map(|column| column.name)
    }

    /// The columns that are taken away, for messages.
    pub(super) fn named_parts(&self) -> String {
        self.parts().collect::<Vec<_>>().join(", ")
    }

    /// The columns that are taken away and are not nought.
    pub(super) fn filled_parts(&self, row: &Row<'_>) -> impl Iterator<Item = &'a str> {
        self.minus
            .iter()
            .filter(|column| values::whole_number(row.text(**column)).is_some_and(|number| number > 0))
            .map(|column| column.name)
    }

    /// Reads the count, 0 to 99,999, of columns of 0 to 99,999 each; every column that cannot be read is named.
    pub(super) fn read(&self, row: &Row<'_>) -> Result<u32, Vec<CountProblem<'a>>> {
        let mut problems = Vec::new();
        let mut sum = 0_i64;
        let signed = std::iter::once(&self.base).chain(&self.plus).map(|c| (c, 1)).chain(self.minus.iter().map(|c| (c, -1)));
        for (column, sign) in signed {
            let text = row.text(*column);
            match values::whole_number(text) {
                Some(number) if number <= MOST_COUNTED => sum += sign * i64::from(number),
                Some(_) => problems.push(CountProblem::Invalid(column.name, format!("{} is more than 99,999", column.name))),
                None if text.is_empty() => problems.push(CountProblem::Blank(column.name)),
                None => {
                    let said = format!("{} is not a whole number", named(column.name, Words::default().quoted(text)));
                    problems.push(CountProblem::Invalid(column.name, said));
                }
            }
        }
        let base = self.base.name;
        match u32::try_from(sum) {
            _ if !problems.is_empty() => Err(problems),
            Ok(number) if number <= MOST_COUNTED => Ok(number),
            Ok(_) => Err(vec![CountProblem::Invalid(base, format!("{base} is more than 99,999"))]),
            Err(_) => {
                let said = format!("{base} is less than its parts together ({})", self.named_parts());
                Err(vec![match u32::try_from(-sum) {
                    Ok(short) => CountProblem::Short(base, short, said),
                    Err(_) => CountProblem::Invalid(base, said),
                }])
            }
        }
    }
}
