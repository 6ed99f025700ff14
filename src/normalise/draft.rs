//! Drafts: one line in the making. Owns turning read values into the line's fields, and saying why one cannot be.
//!
//! Refuses to stop at the first problem: a sender is told of all of them at once.

use super::columns::Row;
mod whole;

use super::places::{Located, Places};
use super::plan::{Field, LinePlan, Start, TablePlan};
use super::quoting;
use super::sources::{Filled, Reader, Source, Value};
use super::times::{How, Resolved, TimeProblem, UkClock};
use super::values;
use crate::bedstate::{AgeBand, Code, Gender, Line, LineType, Moment, ShortCode, is_treatment_function};
use crate::feed::{Finding, Rule, Severity};
use jiff::Timestamp;
use std::borrow::Cow;
use std::str::FromStr;

/// A line, what is wrong with it, and what is to be counted about it.
pub(super) struct Made {
    /// To be used only where no finding rejects the row.
    pub(super) line: Line,
    /// What the row says that it tells of, where that can be read.
    pub(super) kind: Option<LineType>,
    /// Without the line number.
    pub(super) findings: Vec<Finding>,
    /// Where it is.
    pub(super) located: Located,
    pub(super) gender: Coding,
    pub(super) age: Coding,
    /// Columns with a time in October's repeated hour, and the clock it was read by.
    pub(super) repeated: Vec<(String, UkClock)>,
    /// Columns whose code is on no national list, and was left out.
    pub(super) dropped: Vec<String>,
    /// What tells a request from others. It stays in this room.
    pub(super) demand_ref: Option<Code>,
}

impl Made {
    /// Whether a person's gender or age should be known, and is not.
    pub(super) fn is_unknown(&self) -> bool {
        [&self.gender, &self.age].into_iter().any(|coding| matches!(coding, Coding::Blank(_) | Coding::Unread(_)))
    }
}

/// How a person's gender or age came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    /// By a code, or not about a person at all.
    Known,
    /// The feed does not carry it.
    NotCarried,
    /// The column is blank.
    Blank(String),
    /// The column has something that cannot be read: no code covers it, or it is no age and no date.
    Unread(String),
}

/// Makes the line that a row's plan describes.
pub(super) fn make<'d>(
    plan: &'d TablePlan<'d>,
    line: &'d LinePlan<'d>,
    row: &'d Row<'d>,
    quantity: u32,
    reader: &Reader<'_>,
    places: &Places<'_>,
) -> Made {
    let start = line.start.get_or_init(|| start(plan, line, row, reader));
    let mut draft = Draft::new(plan, row, start.line.clone(), start.line_type);
    draft.line.quantity = quantity;
    for (field, source) in start.rest.iter().filter_map(|at| line.sources.get(*at)) {
        match known(plan, line, row, (*field, source), reader) {
            Some(known) => draft.take(*field, source, known),
            None => draft.read(line, *field, source, reader),
        }
    }
    draft.finish(line, places)
}

/// The line as far as constants fill it, and the sources that are none, or of which something is to be said.
fn start<'d>(plan: &'d TablePlan<'d>, line: &'d LinePlan<'d>, row: &'d Row<'d>, reader: &Reader<'_>) -> Start {
    let mut draft = Draft::new(plan, row, Line::new("", LineType::Demand), None);
    let mut rest = Vec::new();
    for (at, (field, source)) in line.sources.iter().enumerate() {
        let constant = source.is_constant() && !matches!(field, Field::Gender | Field::AgeBand);
        match known(plan, line, row, (*field, source), reader).filter(|_| constant) {
            Some(known) => draft.take(*field, source, known),
            None => rest.push(at),
        }
    }
    Start { line: draft.line, line_type: draft.line_type, rest }
}

/// What a row's text is known to make of a field; none where that has to be read anew.
fn known<'d>(
    plan: &'d TablePlan<'d>,
    line: &'d LinePlan<'d>,
    row: &'d Row<'d>,
    (field, source): (Field, &'d Source<'d>),
    reader: &Reader<'_>,
) -> Option<&'d Line> {
    let alone = || {
        let mut alone = Draft::new(plan, row, Line::new("", LineType::Demand), None);
        alone.read(line, field, source, reader);
        alone.into_filled(field)
    };
    source.filled(row)?.get_or_init(alone).as_deref()
}

/// Where a row is, for a row that may have made no line at all.
pub(super) fn locate(line: &LinePlan<'_>, row: &Row<'_>, reader: &Reader<'_>, places: &Places<'_>) -> Option<Located> {
    let text = |field| line.source(field).map(|source| plain(source.read(row, reader)));
    let written = line.source(Field::WardCode)?.raw(row);
    let located = places.locate(&text(Field::SiteCode)?, &text(Field::WardCode)?, &written);
    (!located.ward.is_empty()).then_some(located)
}

/// Whether a line of a row, whatever else it would be, is no request for a bed.
pub(super) fn may_be_bed(line: &LinePlan<'_>, row: &Row<'_>, reader: &Reader<'_>) -> bool {
    line.source(Field::LineType).is_none_or(|source| plain(source.read(row, reader)) != LineType::Demand.code())
}

/// Whether a line of a row, whatever else it would be, is of patients on a ward.
pub(super) fn is_occupied(line: &LinePlan<'_>, row: &Row<'_>, reader: &Reader<'_>) -> bool {
    line.source(Field::LineType).is_some_and(|source| plain(source.read(row, reader)) == LineType::Occupied.code())
}

/// Whether a row that may be about anything can only be a request for a bed: no line for beds knows which bed it would be.
pub(super) fn can_only_be_request(plan: &TablePlan<'_>, row: &Row<'_>, reader: &Reader<'_>) -> bool {
    let (beds, requests): (Vec<_>, Vec<_>) = plan.lines.iter().partition(|line| may_be_bed(line, row, reader));
    let of_no_bed = |line: &LinePlan<'_>| line.source(Field::BedRef).is_some_and(|bed| plain(bed.read(row, reader)).is_empty());
    !requests.is_empty() && beds.into_iter().all(of_no_bed)
}

struct Draft<'d> {
    plan: &'d TablePlan<'d>,
    row: &'d Row<'d>,
    line: Line,
    line_type: Option<LineType>,
    site: Cow<'d, str>,
    ward: Cow<'d, str>,
    findings: Vec<Finding>,
    /// Fields whose text was refused: they are not blank as well.
    refused: Vec<Field>,
    gender: Option<Person<'d, Gender>>,
    age: Option<Person<'d, AgeBand>>,
    repeated: Vec<(String, UkClock)>,
    dropped: Vec<String>,
    demand_ref: Option<Code>,
}

/// A person's gender or age as read.
struct Person<'d, T> {
    value: Option<T>,
    /// A text was there that no code covers.
    unmapped: bool,
    constant: bool,
    column: &'d str,
}

impl<'d, T> Person<'d, T> {
    /// One that a code covers, or of whom nothing is said.
    fn known(value: Option<T>, source: &'d Source<'d>) -> Self {
        Self { value, unmapped: false, constant: source.is_constant(), column: &source.label }
    }
}

impl<'d> Draft<'d> {
    fn new(plan: &'d TablePlan<'d>, row: &'d Row<'d>, line: Line, line_type: Option<LineType>) -> Self {
        Self {
            plan,
            row,
            line,
            line_type,
            site: Cow::Borrowed(""),
            ward: Cow::Borrowed(""),
            findings: Vec::new(),
            refused: Vec::new(),
            gender: None,
            age: None,
            repeated: Vec::new(),
            dropped: Vec::new(),
            demand_ref: None,
        }
    }

    fn read(&mut self, line: &LinePlan<'_>, field: Field, source: &'d Source<'d>, reader: &Reader<'_>) {
        if let Some(last) = source.lacks_last(self.row) {
            self.refused.push(field);
            self.push(Finding::new(Rule::Row01, format!("{last} is blank: {} is needed", field.name())), last);
            return;
        }
        let value = source.read(self.row, reader);
        if line.required.contains(&field) && matches!(value, Value::Blank | Value::Fallback("")) {
            self.missing(field, Some(source));
        }
        self.fill(field, source, value);
    }

    /// The line as far as it is filled; none where something is to be said or counted besides, which each row has to do anew.
    fn into_filled(self, field: Field) -> Filled {
        let known = match field {
            Field::LineType => self.line_type.is_some(),
            Field::Gender => self.gender.as_ref().is_some_and(|person| !person.unmapped),
            Field::AgeBand => self.age.as_ref().is_some_and(|person| !person.unmapped),
            _ => true,
        };
        let silent = known && self.findings.is_empty() && self.refused.is_empty() && self.repeated.is_empty() && self.dropped.is_empty();
        let line_type = self.line_type.unwrap_or(self.line.line_type);
        let (gender, age_band) = (self.gender.and_then(|person| person.value), self.age.and_then(|person| person.value));
        silent.then(|| Box::new(Line { line_type, gender, age_band, ..self.line }))
    }

    /// Takes a field from a line on which it alone is filled.
    fn take(&mut self, field: Field, source: &'d Source<'d>, from: &Line) {
        let line = &mut self.line;
        match field {
            Field::LineType => self.line_type = Some(from.line_type),
            Field::BayCode => line.bay_code.clone_from(&from.bay_code),
            Field::BedRef => line.bed_ref.clone_from(&from.bed_ref),
            Field::DemandFor => line.demand_for.clone_from(&from.demand_for),
            Field::BedStatus => line.bed_status = from.bed_status,
            Field::EmptyState => line.empty_state = from.empty_state,
            Field::ClosedReason => line.closed_reason = from.closed_reason,
            Field::BedBase => line.bed_base = from.bed_base,
            Field::BedSex => line.bed_sex = from.bed_sex,
            Field::Ready => line.ready = from.ready,
            Field::EddBand => line.edd_band = from.edd_band,
            Field::LosBand => line.los_band = from.los_band,
            Field::DemandSource => line.demand_source = from.demand_source,
            Field::SideRoom => line.side_room = from.side_room,
            Field::InBedNow => line.in_bed_now = from.in_bed_now,
            Field::CareLevel => line.care_level = from.care_level,
            Field::TreatmentFunction => line.treatment_function = from.treatment_function,
            Field::WaitFrom => line.wait_from = from.wait_from,
            Field::SourceUpdatedAt => line.source_updated_at = from.source_updated_at,
            Field::Gender => self.gender = Some(Person::known(from.gender, source)),
            Field::AgeBand => self.age = Some(Person::known(from.age_band, source)),
            // These do not stand alone, and so are never kept.
            Field::SiteCode | Field::WardCode | Field::Quantity | Field::DemandRef => {}
        }
    }

    fn fill(&mut self, field: Field, source: &'d Source<'d>, value: Value<'d>) {
        match field {
            Field::SiteCode => self.site = self.text(field, source, value).unwrap_or_default(),
            Field::WardCode => self.ward = self.text(field, source, value).unwrap_or_default(),
            Field::LineType => self.line_type = self.code(field, source, value),
            Field::Quantity => self.quantity(source, value),
            Field::BayCode => self.line.bay_code = self.kept(field, source, value, values::MAX_CODE),
            Field::BedRef => self.line.bed_ref = self.kept(field, source, value, values::MAX_CODE),
            Field::DemandFor => self.line.demand_for = self.kept(field, source, value, values::MAX_DEMAND_FOR),
            Field::BedStatus => self.line.bed_status = self.code(field, source, value),
            Field::EmptyState => self.line.empty_state = self.code(field, source, value),
            Field::ClosedReason => self.line.closed_reason = self.code(field, source, value),
            Field::BedBase => self.line.bed_base = self.code(field, source, value),
            Field::BedSex => self.line.bed_sex = self.code(field, source, value),
            Field::Ready => self.line.ready = self.code(field, source, value),
            Field::EddBand => self.line.edd_band = self.code(field, source, value),
            Field::LosBand => self.line.los_band = self.code(field, source, value),
            Field::DemandSource => self.line.demand_source = self.code(field, source, value),
            Field::SideRoom => self.line.side_room = self.yes_no(field, source, value),
            Field::InBedNow => self.line.in_bed_now = self.yes_no(field, source, value),
            Field::CareLevel => self.line.care_level = self.listed(source, value, |text| matches!(text, "00" | "01" | "02" | "03")),
            Field::TreatmentFunction => self.line.treatment_function = self.listed(source, value, is_treatment_function),
            Field::Gender => self.gender = self.person(field, source, value, Gender::Unknown),
            Field::AgeBand => self.age = self.person(field, source, value, AgeBand::Unknown),
            Field::WaitFrom => self.line.wait_from = self.instant(source, value).map(Moment::from),
            Field::DemandRef => self.demand_ref = self.kept(field, source, value, values::MAX_DEMAND_REF),
            Field::SourceUpdatedAt => self.line.source_updated_at = self.instant(source, value).map(Moment::from),
        }
    }

    fn push(&mut self, finding: Finding, column: &str) {
        self.findings.push(if column.is_empty() { finding } else { finding.in_column(column) });
    }

    fn missing(&mut self, field: Field, source: Option<&Source<'_>>) {
        let column = source.map_or("", |source| source.label.as_str());
        let what = if column.is_empty() { "a field that the mapping fills" } else { column };
        let finding = Finding::new(Rule::Row01, format!("{what} is blank: {} is needed", field.name()));
        self.push(finding, column);
    }

    fn not_agreed(&mut self, field: Field, source: &Source<'_>) {
        self.refused.push(field);
        let raw = source.raw(self.row);
        let shown = if source.label.is_empty() { "a constant of the mapping".to_owned() } else { self.plan.named(&source.label, &raw) };
        let meant = self.plan.perhaps_meant(field.name(), &source.label, &raw, source.texts());
        let finding = Finding::new(Rule::Ref04, format!("{shown} is not an agreed code for {}{meant}", field.name()));
        self.push(finding, &source.label);
    }

    fn text(&mut self, field: Field, source: &'d Source<'d>, value: Value<'d>) -> Option<Cow<'d, str>> {
        match value {
            Value::Blank => None,
            Value::Text(_) | Value::Fallback(_) => Some(plain(value)).filter(|text| !text.is_empty()),
            Value::NotListed | Value::Band(_) | Value::Instant(_) => {
                self.not_agreed(field, source);
                None
            }
        }
    }

    /// A text that is kept as it stands.
    fn kept(&mut self, field: Field, source: &'d Source<'d>, value: Value<'d>, most: usize) -> Option<Code> {
        let text = self.text(field, source, value)?;
        match source.problem(self.row, &text, most) {
            None => Some(Code::new(&text)),
            Some((problem, column)) => {
                let what = if column.is_empty() { field.name() } else { column };
                self.push(Finding::new(Rule::Row08, format!("{what} {problem}")), column);
                None
            }
        }
    }

    fn code<T: FromStr>(&mut self, field: Field, source: &'d Source<'d>, value: Value<'d>) -> Option<T> {
        let text = self.text(field, source, value)?;
        let code = text.parse().ok();
        if code.is_none() {
            self.not_agreed(field, source);
        }
        code
    }

    fn yes_no(&mut self, field: Field, source: &'d Source<'d>, value: Value<'d>) -> Option<bool> {
        let text = self.text(field, source, value)?;
        let answer = values::yes_no(&text);
        if answer.is_none() {
            self.not_agreed(field, source);
        }
        answer
    }

    /// An optional national code: one that is not on its list is left out and counted, for a bed must not be lost over it.
    fn listed(&mut self, source: &'d Source<'d>, value: Value<'d>, valid: impl Fn(&str) -> bool) -> Option<ShortCode> {
        let text = Some(plain(value)).filter(|text| !text.is_empty())?;
        if let Some(code) = ShortCode::new(&text).filter(|_| valid(&text)) {
            return Some(code);
        }
        self.dropped.push(source.label.clone());
        None
    }

    fn quantity(&mut self, source: &'d Source<'d>, value: Value<'d>) {
        let Some(text) = self.text(Field::Quantity, source, value) else { return };
        match values::whole_number(&text) {
            Some(number) if (1..=99_999).contains(&number) => self.line.quantity = number,
            _ => {
                let shown = self.plan.named(&source.label, &text);
                self.push(Finding::new(Rule::Row02, format!("{shown} is not a whole number from 1 to 99,999")), &source.label);
            }
        }
    }

    /// Reads gender or age. What no code covers is not known, and is counted; the text itself goes nowhere.
    fn person<T: FromStr + Copy + PartialEq>(
        &mut self,
        field: Field,
        source: &'d Source<'d>,
        value: Value<'d>,
        unknown: T,
    ) -> Option<Person<'d, T>> {
        let (value, unmapped) = match value {
            Value::Blank => (None, false),
            Value::Text(code) => code.parse().map_or((Some(unknown), true), |code| (Some(code), false)),
            Value::Band(Some(band)) => band.code().parse().map_or((Some(unknown), true), |code| (Some(code), false)),
            Value::Fallback(code) => {
                let code = code.parse().unwrap_or(unknown);
                (Some(code), code == unknown)
            }
            Value::Band(None) | Value::Instant(_) => (Some(unknown), true),
            Value::NotListed => {
                self.not_agreed(field, source);
                (None, false)
            }
        };
        Some(Person { value, unmapped, constant: source.is_constant(), column: &source.label })
    }

    fn instant(&mut self, source: &'d Source<'d>, value: Value<'d>) -> Option<Timestamp> {
        let finding = match value {
            Value::Blank | Value::Fallback("") => return None,
            Value::Instant(Ok(Resolved { at, how })) => {
                if let How::RepeatedHour { chosen, .. } = how {
                    self.repeated.push((source.label.clone(), chosen));
                }
                return Some(at);
            }
            Value::Instant(Err(TimeProblem::Missing)) => {
                let said = format!("{} is a time that the clocks skip in March", source.label);
                Finding::new(Rule::Tim05, said).with_severity(Severity::RejectRow)
            }
            _ => Finding::new(Rule::Ref04, format!("{} cannot be read as a time in the agreed format", source.label)),
        };
        self.push(finding, &source.label);
        None
    }
}

/// A place's code in quotes, for a message.
pub(super) fn shown(code: &str) -> String {
    quoting::quoted_place(code).unwrap_or_else(|| quoting::NOT_SHOWN.to_owned())
}

/// A value as plain text; blank where it is none.
fn plain(value: Value<'_>) -> Cow<'_, str> {
    match value {
        Value::Text(text) => text,
        Value::Fallback(text) => Cow::Borrowed(text),
        _ => Cow::Borrowed(""),
    }
}
