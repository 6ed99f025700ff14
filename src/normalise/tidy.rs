//! Tidying: cells are put right by column, before any meaning is given to them (F7, F8, F14, F15).
//!
//! Owns null tokens of a single column, numbers that a spreadsheet made of codes, cells copied down, what a blank stands
//! for, and splits. Refuses to do anything that the mapping does not say. A table without such keys is not touched.

use super::columns::same;
use super::mapping::{Join, Split, TableMapping};
use super::split::split_text;
use super::table::RawTable;
use super::values;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A table whose cells have been put right.
pub(super) struct Tidied<'t> {
    /// The table, with the pieces of splits as further columns.
    pub(super) table: Cow<'t, RawTable>,
    /// By a row's place in the table: the splits that its text does not fit.
    unfit: BTreeMap<usize, Vec<Unfit>>,
}

/// Why a cell cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// Its text is not of this form.
    Form(String),
    /// It is blank, and repeats a cell of a row that could not be read.
    Below,
    /// Rows of this other table, which it joins, contradict each other.
    Contradiction(String),
}

/// A cell that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unfit {
    /// The column.
    pub(super) column: String,
    /// What is wrong with it.
    pub(super) why: Why,
    /// Further columns of which nobody knows what stands there.
    pub(super) pieces: Vec<String>,
}

impl Unfit {
    /// A row whose key stands on rows of another table that decide differently, by these columns.
    pub(super) fn contradicted(join: &Join, deciding: &[String]) -> Self {
        Self {
            column: join.on.first().cloned().unwrap_or_default(),
            why: Why::Contradiction(join.table.clone()),
            pieces: deciding.to_vec(),
        }
    }

    /// The columns of which nobody knows what stands there.
    pub(super) fn columns(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.column.as_str()).chain(self.pieces.iter().map(String::as_str))
    }

    /// Whether a column is one of them.
    pub(super) fn is_about(&self, column: &str) -> bool {
        self.columns().any(|unknown| unknown == column)
    }
}

impl Tidied<'_> {
    /// What is wrong with the row at a place.
    pub(super) fn unfit(&self, row: usize) -> &[Unfit] {
        self.unfit.get(&row).map_or(&[], Vec::as_slice)
    }
}

/// Puts the cells of a table right.
pub(super) fn tidy<'t>(table: &'t RawTable, mapping: &TableMapping) -> Tidied<'t> {
    if mapping.tidy.is_nothing() {
        return Tidied { table: Cow::Borrowed(table), unfit: BTreeMap::new() };
    }
    let columns: Vec<Column<'_>> = table.columns.iter().map(|name| Column::new(name, mapping)).collect();
    let splits: Vec<(Option<usize>, &Split)> = mapping.tidy.split.iter().map(|split| (table.column(&split.column), split)).collect();
    let mut work = with_pieces(table, &splits);
    let mut above: Vec<Option<String>> = vec![Some(String::new()); columns.len()];
    let mut broken = table.broken().iter().copied().peekable();
    let mut unfit: BTreeMap<usize, Vec<Unfit>> = BTreeMap::new();
    for (number, row) in table.rows().enumerate() {
        // A row that could not be read may have begun another ward: what stands above it says nothing of the rows below.
        while broken.next_if(|place| *place <= number).is_some() {
            above.iter_mut().for_each(|above| *above = None);
        }
        let mut fields: Vec<Cow<'_, str>> = Vec::with_capacity(work.columns.len());
        for (at, (column, above)) in columns.iter().zip(&mut above).enumerate() {
            let text = column.tidy(row.field(at), above);
            if column.copy_down && above.is_none() {
                unfit.entry(number).or_default().push(Unfit { column: column.name.to_owned(), why: Why::Below, pieces: Vec::new() });
            }
            fields.push(text);
        }
        for (at, split) in &splits {
            if !cut(&mut fields, *at, split) {
                let why = Why::Form(split.pattern.text.clone());
                let pieces = split.pattern.pieces.iter().map(|(name, _)| name.clone()).collect();
                unfit.entry(number).or_default().push(Unfit { column: split.column.clone(), why, pieces });
            }
        }
        work.push(row.line, fields.iter().map(AsRef::as_ref));
    }
    table.broken().iter().for_each(|_| work.push_broken());
    work.close();
    Tidied { table: Cow::Owned(work), unfit }
}

/// An empty table like this one, with a further column for each piece of a split.
fn with_pieces(table: &RawTable, splits: &[(Option<usize>, &Split)]) -> RawTable {
    let (mut columns, mut present) = (table.columns.clone(), table.present.clone());
    for (at, split) in splits {
        let there = at.and_then(|at| table.present.get(at)).copied().unwrap_or(false);
        for (name, _) in &split.pattern.pieces {
            columns.push(name.clone());
            present.push(there);
        }
    }
    RawTable::new(&table.name, columns, present)
}

/// What is to be done with one column.
struct Column<'m> {
    name: &'m str,
    null: &'m [String],
    null_here: &'m [String],
    whole_number: bool,
    copy_down: bool,
    blank_means: &'m str,
}

impl<'m> Column<'m> {
    fn new(name: &'m str, mapping: &'m TableMapping) -> Self {
        let tidy = &mapping.tidy;
        Self {
            name,
            null: &mapping.null,
            null_here: tidy.null_in.get(name).map_or(&[], Vec::as_slice),
            whole_number: tidy.whole_numbers.iter().any(|known| known == name),
            copy_down: tidy.copy_down.iter().any(|known| known == name),
            blank_means: tidy.blank_means.get(name).map_or("", String::as_str),
        }
    }

    /// A cell put right; `above` is the cell over it, as it came out, as far as that is known.
    fn tidy<'t>(&self, cell: &'t str, above: &mut Option<String>) -> Cow<'t, str> {
        let mut text = Cow::Borrowed(cell.trim());
        let is_null = |tokens: &[String]| tokens.iter().any(|token| same(token.trim(), cell.trim()));
        if is_null(self.null) || is_null(self.null_here) {
            text = Cow::Borrowed("");
        }
        if self.whole_number
            && let Some(code) = values::undo_number(&text)
        {
            text = Cow::Owned(code);
        }
        if self.copy_down {
            if text.is_empty() {
                text = Cow::Owned(above.clone().unwrap_or_default());
            } else {
                let above = above.get_or_insert_default();
                above.clear();
                above.push_str(&text);
            }
        }
        if text.is_empty() && !self.blank_means.is_empty() {
            text = Cow::Owned(self.blank_means.to_owned());
        }
        text
    }
}

/// Adds the pieces of a row's text as further fields; blank ones where the text is blank or does not fit.
fn cut(fields: &mut Vec<Cow<'_, str>>, at: Option<usize>, split: &Split) -> bool {
    let text = at.and_then(|at| fields.get(at)).map_or(Cow::Borrowed(""), |field| Cow::Owned(field.trim().to_owned()));
    let found = if text.is_empty() { None } else { split_text(&split.pattern, &text) };
    let fits = text.is_empty() || found.is_some();
    let count = split.pattern.pieces.len();
    let pieces: Vec<String> = found.map_or_else(|| vec![String::new(); count], |pieces| pieces.into_iter().map(str::to_owned).collect());
    fields.extend(pieces.into_iter().map(Cow::Owned));
    fits
}

#[cfg(test)]
mod tests {
    use super::super::mapping::Tidy;
    use super::super::split::parse_split;
    use super::super::testing::table;
    use super::*;

    #[test]
    fn cells_are_put_right_column_by_column() {
        let mut described = table("beds", &["WARD", "BASE", "PLACE"]);
        described.null = vec!["N/A".into()];
        described.tidy = Tidy {
            null_in: [("BASE".to_owned(), vec!["-".to_owned()])].into(),
            whole_numbers: vec!["WARD".into()],
            copy_down: vec!["WARD".into()],
            blank_means: [("BASE".to_owned(), "C".to_owned())].into(),
            split: vec![Split { column: "PLACE".into(), pattern: parse_split("{Bay}/{Bed}").unwrap() }],
        };
        let raw = described.raw(2, &["|E|B1/1", "7.0|-|B1/2", "n/a|D|-", "1,007||B2/3/4", "5.00E+01|N/A|"]);
        let tidied = tidy(&raw, &described);
        assert_eq!(tidied.table.columns, ["WARD", "BASE", "PLACE", "Bay", "Bed"]);
        assert_eq!(tidied.table.present, [true; 5]);
        let rows: Vec<String> = tidied.table.rows().map(|row| row.fields().collect::<Vec<_>>().join("|")).collect();
        assert_eq!(rows, ["|E|B1/1|B1|1", "7|C|B1/2|B1|2", "7|D|-||", "1007|C|B2/3/4||", "5.00E+01|C|||"]);
        let unfit: Vec<usize> = (0..5).filter(|row| !tidied.unfit(*row).is_empty()).collect();
        assert_eq!(unfit, [2, 3]);
        assert_eq!(
            tidied.unfit(3),
            [Unfit { column: "PLACE".into(), why: Why::Form("{Bay}/{Bed}".into()), pieces: vec!["Bay".into(), "Bed".into()] }]
        );
    }

    #[test]
    fn below_a_row_that_could_not_be_read_nothing_is_copied_until_a_cell_is_filled_again() {
        let mut described = table("beds", &["WARD", "BED"]);
        described.tidy.copy_down = vec!["WARD".into()];
        let mut raw = RawTable::new("beds", described.columns.clone(), vec![true, true]);
        raw.push(2, ["W1", "01"]);
        raw.push(3, ["", "02"]);
        raw.push_broken();
        raw.push(5, ["", "03"]);
        raw.push(6, ["W2", "04"]);
        raw.push(7, ["", "05"]);
        raw.push_broken();
        let tidied = tidy(&raw, &described);
        let wards: Vec<&str> = tidied.table.rows().map(|row| row.field(0)).collect();
        assert_eq!(wards, ["W1", "W1", "", "W2", "W2"]);
        let unfit: Vec<usize> = (0..5).filter(|row| !tidied.unfit(*row).is_empty()).collect();
        assert_eq!(unfit, [2]);
        assert_eq!(tidied.unfit(2), [Unfit { column: "WARD".into(), why: Why::Below, pieces: Vec::new() }]);
        assert_eq!(tidied.table.broken().len(), 2);
    }

    #[test]
    fn a_table_without_such_keys_is_not_copied() {
        let described = table("beds", &["WARD"]);
        let raw = described.raw(2, &[" 7.0 "]);
        assert!(matches!(tidy(&raw, &described).table, Cow::Borrowed(_)));
    }
}
