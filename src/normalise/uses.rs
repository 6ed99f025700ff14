//! Uses: what a mapping does with each column of a table, in words, and whether a value of it may be shown to a person.
//!
//! Owns the picture of a mapping that `bedfeed check` shows. Refuses to read a row: nothing here takes part in judging.

use super::mapping::{Mapping, SnapshotTime, TableMapping};
use super::words::Words;
use super::{plan, quoting};
use crate::feed::is_hidden;
use std::collections::{BTreeMap, BTreeSet};

/// Longest value that is shown, in characters: codes are short, and long texts are not needed to find a mistake.
const MAX_SHOWN_CHARS: usize = 40;

/// Longest running number or count that is shown, in digits: eight are a date.
const MAX_RUNNING: usize = 7;

/// Fields of the dataset about one person, or about one person's stay. Their columns are never shown.
pub const PERSON_FIELDS: &[&str] = &["gender", "age_band", "ready", "edd_band", "los_band", "wait_from", "demand_ref"];

/// Fields that hold the code of a place, which may be a long number.
const PLACE_FIELDS: &[&str] = &["site_code", "ward_code"];

/// What a column's values are, as far as showing them goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Showing {
    /// About a person: never shown.
    Masked,
    /// The code of a place, which may be a long number.
    Place,
    /// A time that is about figures, not about a person.
    Time,
    /// A running number or a count in a first or last line of its own layout.
    Running,
    /// Anything else that was agreed: shown where a message could quote it.
    Code,
}

impl Showing {
    /// Whether a value may be shown; `words` are those of the table's codes. Columns may have slipped, so even an agreed column's
    /// value must look harmless.
    #[must_use]
    pub fn allows(self, value: &str, words: &Words) -> bool {
        let value = value.trim();
        if value.chars().count() > MAX_SHOWN_CHARS || value.chars().any(is_hidden) {
            return false;
        }
        match self {
            Self::Masked => false,
            Self::Place => quoting::quoted_place(value).is_some(),
            Self::Code => words.quoted(value).is_some(),
            Self::Time => value.chars().all(|c| !c.is_ascii_digit()) || is_a_time_of_figures(value),
            Self::Running => value.len() <= MAX_RUNNING && value.bytes().all(|b| b.is_ascii_digit()),
        }
    }
}

/// Whether a time is told with an hour, as no birth date is: eight digits alone could be one, and ten an NHS number. Databases
/// write a birth date with the hour of midnight, and births of whole lives are of the last century.
fn is_a_time_of_figures(value: &str) -> bool {
    let digits: String = value.chars().filter(char::is_ascii_digit).collect();
    let packed = || value.get(8..).unwrap_or_default();
    let hour = value.split_once([' ', 'T']).map_or_else(packed, |(_, hour)| hour.trim_start());
    let midnight = hour.chars().filter(char::is_ascii_digit).all(|digit| digit == '0')
        || (hour.starts_with("12:00") && hour.to_ascii_lowercase().contains('a'));
    let of_last_century = value.split(|c: char| !c.is_ascii_digit()).any(|run| run.len() >= 4 && run.starts_with("19"));
    digits.len() >= 11 && !midnight && !of_last_century
}

/// What a mapping does with one column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColumnUse {
    /// Fields of the dataset that are read from it, in the order of the mapping.
    pub fields: Vec<String>,
    /// What else it is needed for, in words.
    pub also: Vec<String>,
}

/// What a mapping does with each column of a table, by the column's agreed name. Columns without any use are left out.
#[must_use]
pub fn of_table(mapping: &Mapping, table: &TableMapping) -> BTreeMap<String, ColumnUse> {
    let mut uses: BTreeMap<String, ColumnUse> = BTreeMap::new();
    for (field, column) in fields_of(mapping, table) {
        push_once(&mut uses.entry(whole_of(table, column).to_owned()).or_default().fields, field);
    }
    let mut also = |column: &str, what: &str| push_once(&mut uses.entry(whole_of(table, column).to_owned()).or_default().also, what);
    for split in &table.tidy.split {
        also(&split.column, &format!("is cut into {}", pieces_of(table, &split.column).join(", ")));
    }
    for line in &table.lines {
        line.when.keys().for_each(|column| also(column, "decides what a row counts"));
    }
    for skip in &table.skip {
        skip.when.keys().for_each(|column| also(column, "decides which rows are left out"));
    }
    for sum in &table.sums {
        let what = if sum.exact { "must be the sum of" } else { "must not be less than the sum of" };
        also(&sum.rest.column, &format!("{what} {}", sum.rest.minus.join(", ")));
        sum.rest.minus.iter().for_each(|column| also(column, &format!("is held against {}", sum.rest.column)));
    }
    if let SnapshotTime::Column { column, .. } = &table.snapshot_at {
        also(column, "when the figures were true");
    }
    if let Some(total) = &table.total_row {
        also(&total.column, "marks the row of totals");
        total.rows.iter().for_each(|column| also(column, "states the number of rows in the row of totals"));
    }
    table.copies_by.iter().for_each(|column| also(column, "marks copies of a row"));
    for (joining, join) in mapping.tables.iter().filter_map(|other| Some((other, other.join.as_ref()?))) {
        let own = joining.name == table.name;
        if own || join.table == table.name {
            let other = if own { &join.table } else { &joining.name };
            join.on.iter().for_each(|column| also(column, &format!("finds the row of table {other} that belongs to it")));
        }
    }
    uses
}

/// The names of the pieces that a column is cut into; none for most.
#[must_use]
pub fn pieces_of(table: &TableMapping, column: &str) -> Vec<String> {
    let split = table.tidy.split.iter().filter(|split| split.column == column);
    split.flat_map(|split| &split.pattern.pieces).map(|(name, _)| name.clone()).collect()
}

/// The column that a piece is cut from; any other column is one by itself.
fn whole_of<'m>(table: &'m TableMapping, column: &'m str) -> &'m str {
    let cut = |pieces: &[(String, String)]| pieces.iter().any(|(name, _)| name == column);
    table.tidy.split.iter().find(|split| cut(&split.pattern.pieces)).map_or(column, |split| &split.column)
}

/// How the values of each agreed column of a table may be shown.
#[must_use]
pub fn showing(mapping: &Mapping, table: &TableMapping) -> BTreeMap<String, Showing> {
    let mut persons: BTreeSet<&str> = plan::person_columns(table).map(|column| whole_of(table, column)).collect();
    let fields: Vec<(&str, &str)> = fields_of(mapping, table).into_iter().map(|(field, column)| (field, whole_of(table, column))).collect();
    persons.extend(fields.iter().filter(|(field, _)| PERSON_FIELDS.contains(field)).map(|(_, column)| *column));
    // A table that joins this one may read its columns as a person's age.
    let own = |column: &str| -> Option<String> {
        let joined = column.strip_prefix(table.name.as_str())?.strip_prefix('.')?;
        Some(whole_of(table, joined).to_owned())
    };
    let joined: BTreeSet<String> = mapping.tables.iter().flat_map(plan::person_columns).filter_map(own).collect();
    let of = |column: &String| {
        let fills = |wanted: &[&str]| fields.iter().any(|(field, filled_by)| filled_by == column && wanted.contains(field));
        if persons.contains(column.as_str()) || joined.contains(column) {
            Showing::Masked
        } else if fills(PLACE_FIELDS) {
            Showing::Place
        } else if plan::time_columns(table).contains(column.as_str()) {
            Showing::Time
        } else {
            Showing::Code
        }
    };
    table.columns.iter().map(|column| (column.clone(), of(column))).collect()
}

/// Every field with a column it is read from: by the table's own lines, and by those of a table that joins it.
fn fields_of<'m>(mapping: &'m Mapping, table: &'m TableMapping) -> Vec<(&'m str, &'m str)> {
    let mut found = Vec::new();
    for other in &mapping.tables {
        let own = |column: &'m str| match column.strip_prefix(table.name.as_str()).and_then(|rest| rest.strip_prefix('.')) {
            Some(joined) if other.name != table.name => Some(joined),
            _ => (other.name == table.name).then_some(column),
        };
        for (field, source) in plan::all_sources(other) {
            found.extend(plan::columns_of(source).into_iter().filter_map(own).map(|column| (field.as_str(), column)));
        }
        for quantity in other.lines.iter().filter_map(|line| line.quantity.as_ref()) {
            let columns = std::iter::once(&quantity.column).chain(&quantity.plus).chain(&quantity.minus);
            found.extend(columns.filter_map(|column| own(column)).map(|column| ("quantity", column)));
        }
    }
    found
}

fn push_once(list: &mut Vec<String>, text: &str) {
    if !list.iter().any(|known| known == text) {
        list.push(text.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_name_a_person_is_not_shown_in_any_column() {
        use Showing::{Code, Masked, Place, Running, Time};
        let words = Words::default();
        let rows = [
            (Masked, "F", false),
            (Masked, "", false),
            (Code, "VAC-DIRTY", true),
            (Code, "SMITH", false),
            (Code, "04", true),
            (Code, "19350214", false),
            (Code, "9434765919", false),
            (Place, "1-1000000001", true),
            (Place, "943 476 5919", false),
            (Place, "14/02/1935", false),
            (Time, "03/12/2018 10:15", true),
            (Time, "TOTAL", true),
            (Time, "14/02/1935", false),
            (Time, "9434765919", false),
            (Time, "2018-12-03T00:15:00Z", true),
            (Time, "20181203101500", true),
            (Time, "1935-02-14 00:00:00", false),
            (Time, "2012-02-14 00:00:00.000", false),
            (Time, "14/02/1935 00:00", false),
            (Time, "14/02/2012 12:00:00 AM", false),
            (Time, "20120214000000", false),
            (Time, "1935-02-14 03:25", false),
            (Time, "19350214032500", false),
            (Running, "0001234", true),
            (Running, "19350214", false),
            (Running, "9434765919", false),
            (Running, "1/2/35", false),
            (Code, "1/2/35", false),
            (Place, "1/2/35", false),
            (Code, &"x".repeat(41), false),
            (Code, "a\u{1b}[31m", false),
            (Place, "W\u{202e}21", false),
            (Place, "W\u{200b}21", false),
        ];
        for (showing, value, shown) in rows {
            assert_eq!(showing.allows(value, &words), shown, "{showing:?} {value}");
        }
    }
}
