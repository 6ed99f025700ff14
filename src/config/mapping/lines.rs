//! Lines: what a row can become, and whether it could ever pass the checks that follow.
//!
//! Owns conditions, quantities and the refusal of lines that every check would reject. Refuses to guess: only what is
//! certain from the mapping itself is a problem here.

use super::super::document::{Item, Section};
use super::super::problem::did_you_mean;
use super::columns::{Columns, Use};
use super::conditions::{self, When};
use super::fields::{Fields, Reader};
use crate::bedstate::{BedStatus, LineType};
use crate::normalise::mapping::{FieldSource, LineMapping, LinesPerRow, Otherwise, Quantity, Reading, Skip, Sum};
use std::collections::BTreeMap;

/// A line with the types it can have.
pub(super) struct Line {
    /// What the mapping says.
    pub(super) mapping: LineMapping,
    /// What the line can count.
    pub(super) types: Vec<LineType>,
    /// Whether its conditions could be read.
    certain: bool,
}

/// Every field of a line: its own and those of the table that it does not leave out.
struct All<'a> {
    sources: BTreeMap<&'a str, &'a FieldSource>,
    spoilt: Vec<&'a str>,
}

impl<'a> All<'a> {
    fn of(table: &'a Fields, line: &'a Fields, omit: &[String]) -> Self {
        let kept = |field: &String| !omit.contains(field);
        let sources = table.sources.iter().filter(|(field, _)| kept(field)).chain(&line.sources);
        Self {
            sources: sources.map(|(field, source)| (field.as_str(), source)).collect(),
            spoilt: table.spoilt.iter().chain(&line.spoilt).map(String::as_str).collect(),
        }
    }

    /// Whether a field is blank for certain.
    fn lacks(&self, field: &str) -> bool {
        let blank = match self.sources.get(field) {
            None => true,
            Some(FieldSource::Value(text)) => text.is_empty(),
            Some(_) => false,
        };
        blank && !self.spoilt.contains(&field)
    }

    /// The value of a field that is the same on every line and not blank.
    fn constant(&self, field: &str) -> Option<&'a str> {
        match self.sources.get(field) {
            Some(FieldSource::Value(text)) if !text.is_empty() => Some(text),
            _ => None,
        }
    }
}

/// Reads `[[mapping.table.line]]`.
pub(super) fn lines(table: &Section<'_>, reader: &Reader<'_>, fields: &Fields, per_row: LinesPerRow, skips: &[Skip]) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for section in table.sections("line") {
        let when = section.get("when").map_or_else(|| Some(BTreeMap::new()), |item| conditions::conditions(&item, reader.columns));
        let quantity = section.get("quantity").and_then(|item| quantity(&item, reader.columns));
        let set = section.get("set").map(|item| reader.fields(&item)).unwrap_or_default();
        let omit = section.get("omit").map(|item| omitted(&item, fields)).unwrap_or_default();
        let all = All::of(fields, &set, &omit);
        let named = possible_types(&section, &all);
        for kind in named.iter().flatten() {
            refuse_impossible(&section, *kind, &all, named.as_ref().is_some_and(|named| named.len() == 1));
        }
        if all.lacks("site_code") {
            section.problem("no site_code: give it in the table's fields or in set");
        }
        if let Some(when) = &when {
            let above = lines.iter().filter(|line| line.certain && per_row == LinesPerRow::One).map(|line| &line.mapping.when);
            let left_out: Vec<&When> = skips.iter().map(|skip| &skip.when).collect();
            if conditions::take_all(&left_out, when) {
                section.problem("no row can become this line: skip leaves out every row that would");
            } else if conditions::take_all(&above.chain(left_out).collect::<Vec<_>>(), when) {
                section.problem("no row can become this line: the lines above take every row that would");
            }
        }
        section.finish();
        let types = named.unwrap_or_else(|| LineType::ALL.to_vec());
        let certain = when.is_some();
        lines.push(Line { mapping: LineMapping { when: when.unwrap_or_default(), quantity, set: set.sources, omit }, types, certain });
    }
    lines
}

fn quantity(item: &Item<'_>, columns: &Columns<'_>) -> Option<Quantity> {
    if !matches!(item.value(), toml::de::DeValue::Table(_)) {
        return Some(Quantity { column: columns.named(item, Use::Kept)?, plus: Vec::new(), minus: Vec::new() });
    }
    let section = item.section()?;
    let column = section.need("column").and_then(|item| columns.named(&item, Use::Kept));
    let plus = section.get("plus").map(|item| columns.all_named(&item)).unwrap_or_default();
    let minus = section.get("minus").map(|item| columns.all_named(&item)).unwrap_or_default();
    section.finish();
    let column = column?;
    if minus.contains(&column) || plus.iter().any(|it| minus.contains(it)) {
        item.problem("takes away a column that it also counts");
    }
    Some(Quantity { column, plus, minus })
}

/// Reads `sums`: counts of a row that must fit together.
pub(super) fn sums(table: &Section<'_>, columns: &Columns<'_>) -> Vec<Sum> {
    let mut sums = Vec::new();
    for section in table.sections("sums") {
        let of = section.need("of").map(|item| (item.clone(), columns.all_named(&item)));
        let whole = |key| section.get(key).and_then(|item| columns.named(&item, Use::Kept));
        let (most, all) = (whole("at_most"), whole("equals"));
        if section.has("at_most") == section.has("equals") {
            section.problem("needs one of at_most and equals: the column that the sum is held against");
        }
        section.finish();
        let (Some((item, minus)), Some(column)) = (of, most.as_ref().or(all.as_ref())) else { continue };
        if item.elements().is_empty() {
            item.problem("must name at least one column");
        }
        if minus.contains(column) {
            item.problem(format!("column \"{column}\" cannot be held against itself"));
        }
        if let Some(twice) =
            minus.iter().enumerate().find_map(|(at, name)| minus.iter().take(at).any(|other| other == name).then_some(name))
        {
            item.problem(format!("names the column \"{twice}\" twice"));
        }
        let sum = Sum { rest: Quantity { column: column.clone(), plus: Vec::new(), minus }, exact: all.is_some() };
        if sums.contains(&sum) {
            item.problem("is another of the same sums");
        }
        sums.push(sum);
    }
    sums
}

fn omitted(item: &Item<'_>, fields: &Fields) -> Vec<String> {
    let mut omit = Vec::new();
    for element in item.elements() {
        let Some(field) = element.filled() else { continue };
        if !fields.sources.contains_key(field) && !fields.spoilt.iter().any(|spoilt| spoilt == field) {
            let near = did_you_mean(field, fields.sources.keys().map(String::as_str));
            element.problem(format!("the table's fields have no \"{field}\" to leave out{near}"));
        }
        omit.push(field.to_owned());
    }
    omit
}

/// The types a line can have; `None` where the mapping does not tell: a plain column could hold any.
fn possible_types(section: &Section<'_>, all: &All<'_>) -> Option<Vec<LineType>> {
    let texts: Vec<&str> = match all.sources.get("line_type") {
        None if all.spoilt.contains(&"line_type") => return None,
        None => {
            section.problem("no line_type: say what the row counts, such as set = { line_type = { value = \"OCC\" } }");
            return Some(Vec::new());
        }
        Some(FieldSource::Value(value)) => vec![value],
        Some(FieldSource::Column { reading: Reading::Codes { codes, otherwise }, .. }) => {
            let other = if let Otherwise::Code(code) = otherwise { Some(code) } else { None };
            codes.values().chain(other).map(String::as_str).collect()
        }
        Some(_) => return None,
    };
    if texts.iter().any(|text| text.is_empty()) {
        section.problem("line_type must not be blank");
    }
    Some(LineType::ALL.iter().copied().filter(|kind| texts.contains(&kind.code())).collect())
}

/// Notes what would make every line of this type fail the checks (ROW-01, ROW-03, ROW-04, ROW-05).
fn refuse_impossible(section: &Section<'_>, kind: LineType, all: &All<'_>, certain: bool) {
    let needed: &[&str] = match kind {
        LineType::Occupied => &["ward_code", "gender", "age_band"],
        LineType::Empty => &["ward_code", "empty_state"],
        LineType::Closed => &["ward_code", "closed_reason"],
        LineType::Demand => &["demand_source", "in_bed_now", "gender", "age_band"],
    };
    for field in needed.iter().filter(|field| all.lacks(field)) {
        section.problem(format!("a line of type {kind} needs {field}"));
    }
    let barred: &[&str] = match kind {
        LineType::Occupied => &["empty_state", "closed_reason", "demand_source", "in_bed_now"],
        LineType::Empty => &["closed_reason", "gender", "age_band", "demand_source", "in_bed_now"],
        LineType::Closed => &["empty_state", "gender", "age_band", "demand_source", "in_bed_now"],
        LineType::Demand => &["bed_status", "empty_state", "closed_reason"],
    };
    // A column may be blank on just these rows; a constant is never blank.
    let constant = |field: &str| all.constant(field).filter(|_| certain);
    for field in barred.iter().filter(|field| constant(field).is_some()) {
        section.problem(format!("a line of type {kind} must leave {field} blank"));
    }
    let status = constant("bed_status").and_then(|text| text.parse::<BedStatus>().ok());
    if let Some(status) = status.filter(|status| kind != LineType::Demand && type_of(*status) != kind) {
        section.problem(format!("bed_status {status} ({}) contradicts line_type {kind}", status.meaning()));
    }
}

/// The type of line that a bed status means (ROW-05).
fn type_of(status: BedStatus) -> LineType {
    match status {
        BedStatus::Occupied | BedStatus::Isolated => LineType::Occupied,
        BedStatus::Closed => LineType::Closed,
        BedStatus::Unoccupied | BedStatus::Housekeeping | BedStatus::Contaminated => LineType::Empty,
    }
}
