//! What only the whole line can tell: what it lacks, what does not go together, and where it stands.
//!
//! Owns the end of a draft. Refuses to read a cell again but for the words of a message.

use super::{Coding, Draft, Made, Person, shown};
use crate::bedstate::{AgeBand, Gender, LineType};
use crate::feed::{Finding, Rule, Severity};
use crate::normalise::places::{Located, Places};
use crate::normalise::plan::{Field, LinePlan};
use crate::normalise::values;

impl Draft<'_> {
    /// Looks up the place, and checks what only the whole line can tell.
    pub(super) fn finish(mut self, plan: &LinePlan<'_>, places: &Places<'_>) -> Made {
        let is_person = matches!(self.line_type, Some(LineType::Occupied | LineType::Demand));
        let needs_ward = self.line_type != Some(LineType::Demand);
        for (field, blank) in [
            (Field::LineType, self.line_type.is_none()),
            (Field::SiteCode, self.site.is_empty()),
            (Field::WardCode, needs_ward && self.ward.is_empty()),
        ] {
            if blank && !self.refused.contains(&field) {
                self.missing(field, plan.source(field));
            }
        }
        if self.line.bed_ref.is_some() && self.line.quantity != 1 {
            let said = format!("one bed cannot count {} times: a row with a bed has a count of 1", self.line.quantity);
            let of_count = || plan.count.as_ref().map_or("", |count| count.column());
            let column = plan.source(Field::Quantity).map_or_else(of_count, |source| source.label.as_str());
            self.push(Finding::new(Rule::Row02, said), column);
        }
        if self.demand_ref.is_some() && is_bed(self.line_type) {
            let column = plan.source(Field::DemandRef).map_or("", |source| source.label.as_str());
            self.push(Finding::new(Rule::Row04, "demand_ref not allowed for a bed: only requests for one have a reference"), column);
        }
        let located = self.locate(plan, places);
        let (gender, gender_coding) = coding(self.gender.take(), Gender::Unknown, is_person);
        let (age_band, age_coding) = coding(self.age.take(), AgeBand::Unknown, is_person);
        // In place: a line is large enough for copying it to be felt.
        self.line.site_code.clone_from(&located.site);
        self.line.ward_code = Some(located.ward.clone()).filter(|ward| !ward.is_empty());
        self.line.line_type = self.line_type.unwrap_or(LineType::Demand);
        (self.line.gender, self.line.age_band) = (gender, age_band);
        Made {
            kind: self.line_type,
            line: self.line,
            findings: self.findings,
            located,
            gender: gender_coding,
            age: age_coding,
            repeated: self.repeated,
            dropped: self.dropped,
            demand_ref: self.demand_ref,
        }
    }

    fn locate(&mut self, plan: &LinePlan<'_>, places: &Places<'_>) -> Located {
        let written = plan.source(Field::WardCode).map(|source| source.raw(self.row)).unwrap_or_default();
        let located = places.locate(&self.site, &self.ward, &written);
        let label = |field| plan.source(field).map_or("", |source| source.label.as_str());
        let (site_column, ward_column) = (label(Field::SiteCode), label(Field::WardCode));
        let row = self.row;
        let problem = |field, code: &str| plan.source(field).and_then(|source| source.problem(row, code, values::MAX_CODE));
        if !located.site.is_empty() && !located.site_registered {
            let (rule, said, column) = match problem(Field::SiteCode, &located.site) {
                Some((problem, column)) if !located.site_aliased => {
                    (Rule::Row08, format!("the site {problem}, and is not registered"), column)
                }
                _ => (Rule::Ref02, format!("site {} is not registered for this provider", shown(&located.site)), site_column),
            };
            self.push(Finding::new(rule, said), column);
        }
        if !located.ward.is_empty() && !located.ward_registered && !located.ward_aliased {
            // A damaged ward would come in as a new one, and its beds would leave the ward they belong to.
            if let Some(damage) = values::damage(&located.ward) {
                let said = format!("ward {} cannot be told: {damage}", shown(&located.ward));
                self.push(Finding::new(Rule::Row07, said).with_severity(Severity::RejectRow), ward_column);
            } else if let Some((problem, column)) = problem(Field::WardCode, &located.ward) {
                self.push(Finding::new(Rule::Row08, format!("the ward {problem}, and is not registered")), column);
            }
        }
        located
    }
}

/// Whether a line's type is known, and is not a request for a bed.
fn is_bed(line_type: Option<LineType>) -> bool {
    line_type.is_some_and(|line_type| line_type != LineType::Demand)
}

/// A gender or age, and how it came out; on a bed without a person it stays as sent, for the checks to refuse.
fn coding<T: Copy + PartialEq>(read: Option<Person<'_, T>>, unknown: T, is_person: bool) -> (Option<T>, Coding) {
    match read {
        read if !is_person => (read.and_then(|person| person.value), Coding::Known),
        None => (Some(unknown), Coding::NotCarried),
        Some(person) => match person.value {
            None if person.constant => (Some(unknown), Coding::NotCarried),
            None => (Some(unknown), Coding::Blank(person.column.to_owned())),
            Some(value) if person.constant && value == unknown => (Some(value), Coding::NotCarried),
            Some(value) if person.unmapped => (Some(value), Coding::Unread(person.column.to_owned())),
            Some(value) => (Some(value), Coding::Known),
        },
    }
}
