//! Tallies: what is said once for many rows. Owns the counts, and the findings they become at the end.
//!
//! Refuses to hold a value of a column about a person: columns and line numbers only.

use super::draft::{Coding, Made, shown};
use super::places::Located;
use super::rows::{Normalised, WardKey};
use super::values::Damage;
use crate::bedstate::LineType;
use crate::feed::{Finding, Findings, MAX_FINDINGS_PER_RULE, Rule, Severity};
use std::collections::BTreeMap;

/// A part and a column of it.
type Spot = (String, String);

/// Counts over all tables of a snapshot.
#[derive(Default)]
pub(super) struct Tally {
    persons: u64,
    persons_unknown: u64,
    /// Persons whose gender or age no code covers, and the first lines, each with whether nothing stands there.
    unmapped: BTreeMap<Spot, (u64, Vec<(u64, bool)>)>,
    /// Persons for whom the feed sends no gender; no age.
    no_gender: u64,
    no_age: u64,
    /// Cells with a spreadsheet's marks, and the first line.
    damaged: BTreeMap<(Spot, Damage), (u64, u64)>,
    /// Times in the repeated hour, by the clock they were read by.
    repeated: BTreeMap<(Spot, &'static str), u64>,
    /// Codes that are on no national list, and the first line.
    dropped: BTreeMap<Spot, (u64, u64)>,
    /// Beds on wards that are not registered, and the first row: its part, column and line.
    unknown_ward_beds: BTreeMap<WardKey, (u64, Spot, u64)>,
    rejected_wards: BTreeMap<WardKey, u64>,
    rejected_beds: BTreeMap<WardKey, u64>,
}

impl Tally {
    /// Counts a line that is used; `ward_column` names the column that its ward stands in.
    pub(super) fn used<'c>(&mut self, part: &str, row: u64, made: &Made, ward_column: impl Fn() -> &'c str) {
        let quantity = u64::from(made.line.quantity);
        let located = &made.located;
        if !located.ward.is_empty() && !located.ward_registered {
            let beds = if made.line.line_type == LineType::Demand { 0 } else { quantity };
            let first = || (0, (part.to_owned(), ward_column().to_owned()), row);
            self.unknown_ward_beds.entry(key(located)).or_insert_with(first).0 += beds;
        }
        for column in &made.dropped {
            let (values, _) = self.dropped.entry((part.to_owned(), column.clone())).or_insert((0, row));
            *values += 1;
        }
        for (column, clock) in &made.repeated {
            *self.repeated.entry(((part.to_owned(), column.clone()), clock.as_str())).or_default() += 1;
        }
        if !matches!(made.line.line_type, LineType::Occupied | LineType::Demand) {
            return;
        }
        self.persons += quantity;
        if made.is_unknown() {
            self.persons_unknown += quantity;
        }
        for (coding, not_carried) in [(&made.gender, &mut self.no_gender), (&made.age, &mut self.no_age)] {
            match coding {
                Coding::Known => {}
                Coding::NotCarried => *not_carried += quantity,
                Coding::Blank(column) | Coding::Unread(column) => {
                    let (persons, lines) = self.unmapped.entry((part.to_owned(), column.clone())).or_default();
                    *persons += quantity;
                    if lines.len() < MAX_FINDINGS_PER_RULE {
                        lines.push((row, matches!(coding, Coding::Blank(_))));
                    }
                }
            }
        }
    }

    /// Counts a rejected row of a ward, and the beds that it may have told of.
    pub(super) fn rejected(&mut self, located: &Located, beds: u64) {
        if located.ward.is_empty() {
            return;
        }
        *self.rejected_wards.entry(key(located)).or_default() += 1;
        if beds > 0 {
            let sum = self.rejected_beds.entry(key(located)).or_default();
            *sum = sum.saturating_add(beds);
        }
    }

    /// Counts a cell with a spreadsheet's marks.
    pub(super) fn damaged(&mut self, part: &str, column: &str, row: u64, damage: Damage) {
        let (cells, _) = self.damaged.entry(((part.to_owned(), column.to_owned()), damage)).or_insert((0, row));
        *cells += 1;
    }

    /// Says what was counted, and hands the counts on.
    pub(super) fn finish(self, into: &mut Normalised) {
        let findings = &mut into.findings;
        self.say_damage(findings);
        self.say_persons(findings);
        for (((part, column), clock), count) in &self.repeated {
            let said = format!("times in {column} in the hour that comes twice in October, read as {clock}: {count}");
            findings.push(Finding::new(Rule::Tim06, said).in_part(part).in_column(column));
        }
        for ((part, column), (values, first)) in &self.dropped {
            let said = format!("values in {column} that are on no national list, left out: {values}, the first here");
            findings.push(Finding::new(Rule::Ref07, said).in_part(part).in_column(column).at_line(*first));
        }
        for ((site, ward), (beds, (part, column), first)) in &self.unknown_ward_beds {
            let said = format!("beds on ward {} at site {}, which is not registered: {beds}", shown(ward), shown(site));
            let finding = Finding::new(Rule::Ref03, said).in_part(part).at_line(*first);
            findings.push(if column.is_empty() { finding } else { finding.in_column(column) });
        }
        into.persons = self.persons;
        into.persons_unknown = self.persons_unknown;
        into.unknown_ward_beds = self.unknown_ward_beds.into_iter().map(|(ward, (beds, ..))| (ward, beds)).collect();
        into.rejected_wards = self.rejected_wards;
        into.rejected_beds = self.rejected_beds;
    }

    fn say_damage(&self, findings: &mut Findings) {
        for (((part, column), damage), (cells, first)) in &self.damaged {
            let more = if *cells > 1 { format!(" ({cells} values, the first here)") } else { String::new() };
            let said = format!("{column} looks damaged: {damage}{more}");
            findings.push(Finding::new(Rule::Row07, said).in_part(part).in_column(column).at_line(*first));
        }
    }

    fn say_persons(&self, findings: &mut Findings) {
        // The sums come first: only the first findings of a rule are kept.
        for ((part, column), (persons, _)) in &self.unmapped {
            let said = format!("persons with nothing in {column} that a code covers, counted as not known: {persons}");
            findings.push(Finding::new(Rule::Ref05, said).in_part(part).in_column(column));
        }
        for ((part, column), (_, lines)) in &self.unmapped {
            for (line, blank) in lines {
                let why = if *blank { "is blank" } else { "cannot be read as agreed" };
                let said = format!("{column} {why}: counted as not known");
                findings.push(Finding::new(Rule::Ref05, said).in_part(part).in_column(column).at_line(*line));
            }
        }
        let absent: Vec<String> = [("gender", self.no_gender), ("age", self.no_age)]
            .into_iter()
            .filter(|(_, persons)| *persons > 0)
            .map(|(what, persons)| format!("no {what}: {persons}"))
            .collect();
        if !absent.is_empty() {
            let said = format!("persons counted as not known because this feed carries {}", absent.join("; "));
            findings.push(Finding::new(Rule::Ref05, said).with_severity(Severity::Information));
        }
    }
}

fn key(located: &Located) -> WardKey {
    (located.site.to_string(), located.ward.to_string())
}
