//! Plans: a table's mapping bound to the columns of one file, once, so that each row is read without looking anything up.
//!
//! Owns which lines a row can make and which columns are about a person. Refuses to read a row by itself.

use super::columns::{Column, Columns, Row, Test};
use super::counts::Count;
use super::hints::Hints;
use super::mapping::{Condition, FieldSource, LineMapping, LinesPerRow, Reading, SnapshotTime, TableMapping};
use super::sources::{Source, named};
use super::table::RawTable;
use super::uses::PERSON_FIELDS;
use super::values;
use super::words::Words;
use crate::bedstate::{Line, LineType};
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// A field of the dataset that a mapping can fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    SiteCode,
    LineType,
    Quantity,
    WardCode,
    BayCode,
    BedRef,
    BedStatus,
    EmptyState,
    ClosedReason,
    BedBase,
    BedSex,
    SideRoom,
    CareLevel,
    TreatmentFunction,
    Gender,
    AgeBand,
    Ready,
    EddBand,
    LosBand,
    DemandSource,
    DemandFor,
    InBedNow,
    WaitFrom,
    DemandRef,
    SourceUpdatedAt,
}

impl Field {
    /// Every field, in the order of the specification.
    pub(super) const ALL: [(&'static str, Self); 25] = [
        ("site_code", Self::SiteCode),
        ("line_type", Self::LineType),
        ("quantity", Self::Quantity),
        ("ward_code", Self::WardCode),
        ("bay_code", Self::BayCode),
        ("bed_ref", Self::BedRef),
        ("bed_status", Self::BedStatus),
        ("empty_state", Self::EmptyState),
        ("closed_reason", Self::ClosedReason),
        ("bed_base", Self::BedBase),
        ("bed_sex", Self::BedSex),
        ("side_room", Self::SideRoom),
        ("care_level", Self::CareLevel),
        ("treatment_function", Self::TreatmentFunction),
        ("gender", Self::Gender),
        ("age_band", Self::AgeBand),
        ("ready", Self::Ready),
        ("edd_band", Self::EddBand),
        ("los_band", Self::LosBand),
        ("demand_source", Self::DemandSource),
        ("demand_for", Self::DemandFor),
        ("in_bed_now", Self::InBedNow),
        ("wait_from", Self::WaitFrom),
        ("demand_ref", Self::DemandRef),
        ("source_updated_at", Self::SourceUpdatedAt),
    ];

    fn of(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, field)| *field)
    }

    /// Whether what a text makes of it depends on nothing else of the row. Places are settled when the whole line is known.
    fn stands_alone(self) -> bool {
        !matches!(self, Self::SiteCode | Self::WardCode | Self::Quantity | Self::DemandRef)
    }

    /// The field's name in the dataset.
    pub(super) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, field)| *field == self).map_or("", |(name, _)| name)
    }
}

/// One table, ready to be read.
pub(super) struct TablePlan<'a> {
    pub(super) per_row: LinesPerRow,
    pub(super) columns: Columns<'a>,
    /// What its rows can tell of.
    pub(super) kinds: BTreeSet<LineType>,
    pub(super) lines: Vec<LinePlan<'a>>,
    /// Counts of a row that must fit together.
    pub(super) sums: Vec<Together<'a>>,
    /// Rows to leave out: when, and why.
    skips: Vec<(Vec<Test<'a>>, &'a str)>,
    pub(super) copies_by: Option<Column<'a>>,
    /// Columns in which a text bears a spreadsheet's marks; those that hold times are not looked at.
    pub(super) inspected: Vec<Column<'a>>,
    /// Every column that decides which line a row makes, with all conditions on it.
    conditions: Vec<(Column<'a>, Vec<Test<'a>>)>,
    /// Columns read for gender or age, and declared identifiers: never quoted.
    person: HashSet<String>,
    /// What of the other columns may be quoted.
    words: Words,
    /// What unknown codes were perhaps meant for.
    hints: Hints,
}

/// What a joined row decides.
#[derive(PartialEq, Eq)]
pub(super) struct Decided {
    /// A deciding column is blank, and no condition speaks of that.
    pub(super) open: bool,
    /// Which conditions it meets.
    met: Vec<bool>,
}

/// Counts of a row that must fit together.
pub(super) struct Together<'a> {
    /// The whole, less its parts.
    pub(super) rest: Count<'a>,
    /// Whether nothing may be left.
    pub(super) exact: bool,
}

/// One line that a row can make.
pub(super) struct LinePlan<'a> {
    when: Vec<Test<'a>>,
    pub(super) count: Option<Count<'a>>,
    pub(super) sources: Vec<(Field, Source<'a>)>,
    pub(super) required: Vec<Field>,
    /// The line as far as it is the same for every row, and the sources that are left to be read: worked out at the first row.
    pub(super) start: OnceCell<Start>,
}

/// What every line of a plan starts with.
pub(super) struct Start {
    pub(super) line: Line,
    pub(super) line_type: Option<LineType>,
    /// Places among the plan's sources.
    pub(super) rest: Vec<usize>,
}

impl LinePlan<'_> {
    pub(super) fn applies(&self, row: &Row<'_>) -> bool {
        self.when.iter().all(|test| test.holds(row))
    }

    /// Whether a column decides if a row makes this line.
    pub(super) fn asks(&self, column: &str) -> bool {
        self.when.iter().any(|test| test.column.name == column)
    }

    pub(super) fn source(&self, wanted: Field) -> Option<&Source<'_>> {
        self.sources.iter().find(|(field, _)| *field == wanted).map(|(_, source)| source)
    }
}

impl<'a> TablePlan<'a> {
    pub(super) fn new(table: &'a RawTable, mapping: &'a TableMapping, joined: Option<(&'a RawTable, &'a TableMapping)>) -> Self {
        let columns = Columns::new(table, mapping, joined);
        let lines = mapping.lines.iter().map(|line| line_plan(mapping, line, &columns)).collect();
        let bound =
            |when: &'a BTreeMap<String, Condition>| when.iter().map(|(name, c)| Test::new(columns.column(name), c, &columns)).collect();
        let skips = mapping.skip.iter().map(|skip| (bound(&skip.when), skip.because.as_str())).collect();
        let mut conditions: Vec<(Column<'a>, Vec<Test<'a>>)> = Vec::new();
        for (name, condition) in mapping.lines.iter().flat_map(|line| &line.when) {
            let test = Test::new(columns.column(name), condition, &columns);
            match conditions.iter_mut().find(|(column, _)| column.name == name) {
                Some((_, known)) => known.push(test),
                None => conditions.push((test.column, vec![test])),
            }
        }
        let joined_identifiers =
            joined.into_iter().flat_map(|(other, its)| its.identifiers.iter().map(|name| format!("{}.{name}", other.name)));
        // What the picture of a line masks is not repeated in a message either.
        let masked = all_sources(mapping).filter(|(field, _)| PERSON_FIELDS.contains(&field.as_str()));
        let masked = masked.flat_map(|(_, source)| columns_of(source)).map(str::to_owned);
        let person = person_columns(mapping).map(str::to_owned).chain(joined_identifiers).chain(masked).collect();
        let times = time_columns(mapping);
        let inspected = mapping.columns.iter().filter(|name| !times.contains(name.as_str()) && !mapping.identifiers.contains(name));
        Self {
            per_row: mapping.lines_per_row,
            kinds: mapping.kinds(),
            lines,
            sums: mapping.sums.iter().map(|sum| Together { rest: Count::new(&sum.rest, &columns), exact: sum.exact }).collect(),
            skips,
            copies_by: mapping.copies_by.as_deref().map(|name| columns.column(name)),
            inspected: inspected
                .map(|name| columns.column(name))
                .filter(|column| columns.all(*column).any(|text| values::damage(text).is_some()))
                .collect(),
            conditions,
            person,
            words: Words::of([mapping]),
            hints: Hints::default(),
            columns,
        }
    }

    /// Why a row is left out, by the first reason that applies; `None` where it is not. A reason that asks a column of which nobody
    /// knows what stands there, given by `unknown`, leaves nothing out.
    pub(super) fn skipped(&self, row: &Row<'_>, unknown: impl Fn(&str) -> bool) -> Option<&'a str> {
        let applies = |(when, _): &&(Vec<Test<'a>>, &'a str)| when.iter().all(|test| test.holds(row) && !unknown(test.column.name));
        self.skips.iter().find(applies).map(|(_, because)| *because)
    }

    /// A column with its value in words, the value only where the column is not about a person.
    pub(super) fn named(&self, column: &str, text: &str) -> String {
        named(column, if self.person.contains(column) { None } else { self.words.quoted(text) })
    }

    /// Which agreed code a text may have been meant for, in words; nothing where the column is about a person, of whom the
    /// code would tell, or where none is near. `what` is what the codes are for.
    pub(super) fn perhaps_meant<'c>(&self, what: &str, column: &str, text: &str, codes: impl IntoIterator<Item = &'c str>) -> String {
        if self.person.contains(column) { String::new() } else { self.hints.of(what, column, text, codes) }
    }

    /// Why no line applies, one text for each column to blame: a column that keeps a nearly fitting line from applying, and
    /// whose text fits no other line either.
    pub(super) fn blame(&self, row: &Row<'_>) -> Vec<(&'a str, String)> {
        let unmet_of = |line: &LinePlan<'a>| -> Vec<&'a str> {
            line.when.iter().filter(|test| !test.holds(row)).map(|test| test.column.name).collect()
        };
        let by_line: Vec<Vec<&str>> = self.lines.iter().map(unmet_of).collect();
        let nearest = by_line.iter().map(Vec::len).min().unwrap_or(0);
        let near: HashSet<&str> = by_line.into_iter().filter(|unmet| unmet.len() == nearest).flatten().collect();
        let unmet = self.unmet(row).filter(|column| near.contains(column.name));
        let blamed: Vec<(&str, String)> = unmet.map(|column| self.complaint(column, row)).collect();
        if !blamed.is_empty() {
            return blamed;
        }
        let names: Vec<&str> = self.conditions.iter().map(|(column, _)| column.name).collect();
        let shown: Vec<String> = self.conditions.iter().map(|(column, _)| self.named(column.name, row.text(*column))).collect();
        let first = names.first().copied().unwrap_or("");
        vec![(first, format!("the combination {} is not agreed", shown.join(", ")))]
    }

    /// Columns with a code that no line of the table speaks of, although the lines list codes for it: for tables where a row
    /// makes each line that applies, so that beds do not vanish behind a new code. A column that is only asked whether it
    /// is filled has no codes.
    pub(super) fn unspoken(&self, row: &Row<'_>) -> Vec<(&'a str, String)> {
        let lists = |column: &Column<'_>| {
            let conditions = self.conditions.iter().find(|(known, _)| known.name == column.name).map(|(_, conditions)| conditions);
            conditions.is_some_and(|all| all.iter().all(|test| matches!(test.condition, Condition::OneOf(_) | Condition::StartsWith(_))))
        };
        self.unmet(row).filter(lists).map(|column| self.complaint(column, row)).collect()
    }

    /// A line that a row would make but for what the row it joins leaves blank, and what is wrong with that: the row must not fall
    /// through to another kind as if it had joined none. Where some line asks for the blank, the mapping has spoken of it.
    pub(super) fn left_open(&self, row: &Row<'_>) -> Option<(&LinePlan<'a>, (&'a str, String))> {
        if !row.has_joined() {
            return None;
        }
        let first = self.lines.iter().position(|line| line.applies(row)).filter(|_| self.per_row == LinesPerRow::One);
        self.lines.iter().take(first.unwrap_or(self.lines.len())).find_map(|line| {
            let mut unmet = line.when.iter().filter(|test| !test.holds(row)).peekable();
            let column = unmet.peek()?.column;
            let open = |test: &Test<'_>| test.is_left_open(row) && self.unmet(row).any(|column| column.name == test.column.name);
            unmet.all(open).then(|| (line, self.complaint(column, row)))
        })
    }

    /// What the row that a row joins decides, as far as the mapping asks.
    pub(super) fn decided(&self, row: &Row<'_>) -> Decided {
        let mut decided = Decided { open: false, met: Vec::new() };
        for (column, tests) in self.conditions.iter().filter(|(column, _)| column.is_joined()) {
            let met = decided.met.len();
            decided.met.extend(tests.iter().map(|test| test.holds(row)));
            decided.open |= row.text(*column).is_empty() && !decided.met.iter().skip(met).any(|met| *met);
        }
        let of_skips = self.skips.iter().flat_map(|(when, _)| when).filter(|test| test.column.is_joined());
        decided.met.extend(of_skips.map(|test| test.holds(row)));
        decided
    }

    /// The joined columns by which that is decided.
    pub(super) fn deciding_joined(&self) -> Vec<String> {
        let of_skips = self.skips.iter().flat_map(|(when, _)| when).map(|test| test.column);
        let all = self.conditions.iter().map(|(column, _)| *column).chain(of_skips);
        all.filter(Column::is_joined).map(|column| column.name.to_owned()).collect()
    }

    fn unmet<'s>(&'s self, row: &'s Row<'_>) -> impl Iterator<Item = Column<'a>> + 's {
        self.conditions.iter().filter(|(_, tests)| !tests.iter().any(|test| test.holds(row))).map(|(column, _)| *column)
    }

    fn complaint(&self, column: Column<'a>, row: &Row<'_>) -> (&'a str, String) {
        let text = row.text(column);
        let said = if text.is_empty() {
            format!("{} is blank: a code is needed", column.name)
        } else {
            let of_column = self.conditions.iter().filter(|(known, _)| known.name == column.name).flat_map(|(_, tests)| tests);
            let codes = of_column.flat_map(|test| match test.condition {
                Condition::OneOf(codes) => codes.as_slice(),
                Condition::StartsWith(_) | Condition::Filled | Condition::Blank => &[],
            });
            let meant = self.perhaps_meant("lines", column.name, text, codes.map(String::as_str));
            format!("{} is not an agreed code{meant}", self.named(column.name, text))
        };
        (column.name, said)
    }
}

/// A line's own fields win over the table's; fields left out are gone.
fn line_plan<'a>(table: &'a TableMapping, line: &'a LineMapping, columns: &Columns<'a>) -> LinePlan<'a> {
    let mut fields: BTreeMap<&str, &FieldSource> = table.fields.iter().map(|(name, source)| (name.as_str(), source)).collect();
    fields.retain(|name, _| !line.omit.iter().any(|left_out| left_out == name));
    fields.extend(line.set.iter().map(|(name, source)| (name.as_str(), source)));
    let bound = |(name, source)| {
        let (field, source) = (Field::of(name)?, Source::new(source, columns));
        Some((field, if field.stands_alone() { source.remembering(columns) } else { source }))
    };
    let sources = fields.into_iter().filter_map(bound);
    LinePlan {
        when: line.when.iter().map(|(name, condition)| Test::new(columns.column(name), condition, columns)).collect(),
        count: line.quantity.as_ref().map(|quantity| Count::new(quantity, columns)),
        sources: sources.collect(),
        required: table.required.iter().filter_map(|name| Field::of(name)).collect(),
        start: OnceCell::new(),
    }
}

pub(super) fn all_sources(table: &TableMapping) -> impl Iterator<Item = (&String, &FieldSource)> {
    table.fields.iter().chain(table.lines.iter().flat_map(|line| &line.set))
}

pub(super) fn columns_of(source: &FieldSource) -> Vec<&str> {
    match source {
        FieldSource::Value(_) => Vec::new(),
        FieldSource::Joined { columns, .. } => columns.iter().map(String::as_str).collect(),
        FieldSource::Column { column, .. } => vec![column],
    }
}

pub(super) fn person_columns(table: &TableMapping) -> impl Iterator<Item = &str> {
    let read_as_person = |source: &FieldSource| {
        matches!(source, FieldSource::Column { reading: Reading::AgeInYears | Reading::BirthDate { .. } | Reading::AgeRange, .. })
    };
    let about = all_sources(table)
        .filter(move |(field, source)| matches!(field.as_str(), "gender" | "age_band" | "demand_ref") || read_as_person(source));
    about.flat_map(|(_, source)| columns_of(source)).chain(table.identifiers.iter().map(String::as_str))
}

pub(super) fn time_columns(table: &TableMapping) -> HashSet<&str> {
    let timed =
        |source: &FieldSource| matches!(source, FieldSource::Column { reading: Reading::Instant { .. } | Reading::BirthDate { .. }, .. });
    let mut times: HashSet<&str> = all_sources(table).filter(|(_, s)| timed(s)).flat_map(|(_, s)| columns_of(s)).collect();
    if let SnapshotTime::Column { column, .. } = &table.snapshot_at {
        times.insert(column);
    }
    times
}

#[cfg(test)]
mod tests {
    use super::super::mapping::FIELDS;
    use super::*;

    #[test]
    fn every_field_of_the_mapping_language_is_known() {
        let known: Vec<&str> = Field::ALL.iter().map(|(name, _)| *name).collect();
        assert_eq!(known, FIELDS);
    }
}
