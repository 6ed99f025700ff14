//! References of requests: every text that becomes one, or would have, is looked at for an NHS number.
//!
//! Owns the count of those that look like one, by column. Refuses to keep a value.

use super::columns::Row;
use super::plan::{Field, TablePlan};
use super::sources::{Reader, Source, Value};
use super::tidy::Unfit;
use crate::feed::nhs_number::holds_nhs_number;
use std::collections::BTreeMap;

/// Where references that look like NHS numbers stand, by the part and the column.
pub type LikeNhsNumbers = BTreeMap<(String, String), Seen>;

/// How many there are in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Rows with one.
    pub rows: u64,
    /// The line of the first, from 1.
    pub first: u64,
}

/// Looks at the references of a row, whatever becomes of the row: after its cells were put right, cut up, and joined to those of
/// another table. A text that could not be cut is looked at whole.
pub(super) fn look(plan: &TablePlan<'_>, part: &str, row: &Row<'_>, unfit: &[Unfit], reader: &Reader<'_>, found: &mut LikeNhsNumbers) {
    let mut sources = plan.lines.iter().filter_map(|line| line.source(Field::DemandRef)).peekable();
    if sources.peek().is_none() {
        return;
    }
    let not_cut = unfit.iter().map(|unfit| unfit.column.as_str()).find(|column| holds_nhs_number(row.text(plan.columns.column(column))));
    let Some(column) = sources.find_map(|source| column_with_one(source, row, reader)).or(not_cut) else { return };
    let seen = found.entry((part.to_owned(), column.to_owned())).or_insert(Seen { rows: 0, first: row.own.line });
    seen.rows += 1;
}

/// The column whose text looks like one: a piece of what is put together, or else the whole.
fn column_with_one<'s>(source: &'s Source<'_>, row: &Row<'_>, reader: &Reader<'_>) -> Option<&'s str> {
    let whole = || holds_nhs_number(&source.raw(row)) || matches!(source.read(row, reader), Value::Text(text) if holds_nhs_number(&text));
    source
        .pieces()
        .find(|(_, column)| holds_nhs_number(row.text(*column)))
        .map(|(name, _)| name)
        .or_else(|| whole().then_some(&source.label))
}

#[cfg(test)]
mod tests {
    use super::super::mapping::{Mapping, Split, TableMapping};
    use super::super::reference::Reference;
    use super::super::rows::{Context, normalise};
    use super::super::split::parse_split;
    use super::super::testing::{column, joined, line, mapping, table};

    fn found(mapping: &Mapping, rows: &[&[&str]]) -> Vec<(String, String, u64, u64)> {
        let tables: Vec<_> = mapping.tables.iter().zip(rows).map(|(table, rows)| table.raw(2, rows)).collect();
        let provider = "RM1".parse().unwrap();
        let against =
            Context { provider: &provider, reference: &Reference::default(), snapshot_at: "2018-12-03T10:15:00Z".parse().unwrap() };
        let found = normalise(&tables, mapping, &against).references_like_nhs_numbers;
        found.into_iter().map(|((part, column), seen)| (part, column, seen.rows, seen.first)).collect()
    }

    #[test]
    fn igv_05_what_became_the_reference_is_looked_at_wherever_it_came_from() {
        let demand = |columns: &[&str]| table("waits", columns).line(line().set("line_type=DEM site_code=RM102"));
        let cut = |pattern: &str| {
            let split = Split { column: "REF".to_owned(), pattern: parse_split(pattern).unwrap() };
            demand(&["REF"]).with(|table| table.tidy.split.push(split)).field("demand_ref", column("No"))
        };
        let with = || demand(&["KEY"]).join("requests", &["KEY"]).field("demand_ref", column("requests.REF"));
        let requests = || table("requests", &["KEY", "REF"]);
        type Case<'c> = (&'c str, Vec<TableMapping>, Vec<&'c [&'c str]>, &'c [(&'c str, u64, u64)]);
        let rows: Vec<Case<'_>> = vec![
            (
                "a column",
                vec![demand(&["REF"]).field("demand_ref", column("REF"))],
                vec![&["1", "9434765919", "943 476 5919"]],
                &[("REF", 2, 3)],
            ),
            (
                "spellings",
                vec![demand(&["REF"]).field("demand_ref", column("REF"))],
                vec![&["9.434765919E+09", "NHS9434765919", "9434765919/1", "009434765919"]],
                &[("REF", 4, 2)],
            ),
            ("no number", vec![demand(&["REF"]).field("demand_ref", column("REF"))], vec![&["9434765918"]], &[]),
            ("not a reference", vec![demand(&["REF"])], vec![&["9434765919"]], &[]),
            ("a joined table", vec![with(), requests()], vec![&["1", "2"], &["1|R-1", "2|9434765919"]], &[("requests.REF", 1, 3)]),
            ("a piece", vec![cut("{List}/{No}")], vec![&["A/1", "A/9434765919"]], &[("No", 1, 3)]),
            ("a text that is not cut", vec![cut("{List}/{No}")], vec![&["9434765919"]], &[("REF", 1, 2)]),
            (
                "pieces put together",
                vec![demand(&["A", "B"]).field("demand_ref", joined(&["A", "B"], ""))],
                vec![&["943|4765919", "1|2"]],
                &[("A and B", 1, 2)],
            ),
            (
                "one of several pieces",
                vec![demand(&["A", "B"]).field("demand_ref", joined(&["A", "B"], "/"))],
                vec![&["1|9434765919"]],
                &[("B", 1, 2)],
            ),
            (
                "a spreadsheet's number",
                vec![demand(&["REF"]).field("demand_ref", column("REF")).with(|table| table.tidy.whole_numbers.push("REF".to_owned()))],
                vec![&["9,434,765,919"]],
                &[("REF", 1, 2)],
            ),
        ];
        for (what, tables, rows, expected) in rows {
            let part = "waits".to_owned();
            let expected: Vec<_> =
                expected.iter().map(|(column, rows, first)| (part.clone(), (*column).to_owned(), *rows, *first)).collect();
            assert_eq!(found(&mapping(tables), &rows), expected, "{what}");
        }
    }
}
