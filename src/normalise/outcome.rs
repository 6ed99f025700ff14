//! Outcomes: what a row comes to, and whether its counts fit together (XRO-03, ROW-01, ROW-02; F13).
//!
//! Owns counts that come out below zero, and `sums`. Refuses to look at other rows.

use super::columns::Row;
use super::counts::{Count, CountProblem};
use super::draft::{self, Made};
use super::places::Located;
use super::plan::{LinePlan, Together};
use crate::bedstate::LineType;
use crate::feed::{Finding, Rule};

/// What a row comes to.
pub(super) struct Outcome<'p> {
    pub(super) made: Vec<Made>,
    pub(super) findings: Vec<Finding>,
    /// Patients beyond the open beds, by the columns that count them.
    beyond: Vec<(Vec<&'p str>, u32)>,
}

impl<'p> Outcome<'p> {
    /// Lines, and what is wrong with the row beside them.
    pub(super) fn new(made: Vec<Made>, findings: Vec<Finding>) -> Self {
        Self { made, findings, beyond: Vec::new() }
    }

    /// Beds by which the patients of the row are more than its open beds: no more than there are patients.
    pub(super) fn short(&self) -> u32 {
        self.beyond.iter().fold(0_u32, |sum, (_, short)| sum.saturating_add(*short)).min(self.occupied())
    }

    fn occupied(&self) -> u32 {
        let occupied = self.made.iter().filter(|made| made.line.line_type == LineType::Occupied);
        occupied.fold(0, |sum, made| sum.saturating_add(made.line.quantity))
    }

    /// Takes a count that came out below zero. Where it is of empty beds and the row's patients explain it, there are no empty
    /// beds and the ward is crowded (XRO-03); otherwise the counts contradict each other (ROW-02).
    pub(super) fn take_short(
        &mut self,
        count: Option<&Count<'p>>,
        (short, finding): (u32, Finding),
        made: Made,
        patients: impl Fn() -> Vec<&'p str>,
    ) {
        if made.line.line_type != LineType::Empty || short > self.occupied() {
            self.findings.push(finding);
            self.made.push(made);
            return;
        }
        self.findings.push(crowded(&made.located, short, &finding.place.column.unwrap_or_default()));
        self.findings.extend(made.findings);
        let patients = patients();
        let compared: Vec<&str> = count.iter().flat_map(|count| count.parts()).filter(|part| patients.contains(part)).collect();
        self.note(if compared.is_empty() { patients } else { compared }, short);
    }

    /// Holds counts against each other. Where patients alone are more than a whole that counts no patients itself, the ward is
    /// crowded (XRO-03). Beds without patients that the whole has no room for contradict it (ROW-02), and so do other counts. A
    /// blank count is not known, so nothing can be held against it; whether it may be blank is for the lines to say.
    pub(super) fn hold(&mut self, sum: &Together<'p>, row: &Row<'_>, patients: impl Fn() -> Vec<&'p str>) {
        let Counted { quantity, findings, short } = counted(&sum.rest, row);
        let known = findings.is_empty();
        self.findings.extend(findings.into_iter().filter(|finding| finding.rule != Rule::Row01));
        if let Some((short, finding)) = short {
            self.exceed(&sum.rest, row, (short, finding), patients());
        } else if sum.exact && known && quantity > 0 {
            let column = sum.rest.column();
            let said = format!("{column} is more than its parts together ({})", sum.rest.named_parts());
            self.findings.push(Finding::new(Rule::Row02, said).in_column(column));
        }
    }

    fn exceed(&mut self, rest: &Count<'p>, row: &Row<'_>, (short, finding): (u32, Finding), patients: Vec<&'p str>) {
        let only_patients = rest.filled_parts(row).all(|part| patients.contains(&part));
        let whole_of_beds = !rest.whole().any(|whole| patients.contains(&whole));
        let offers = self.made.iter().any(|made| made.line.line_type == LineType::Empty);
        let occupied = self.made.iter().find(|made| made.line.line_type == LineType::Occupied);
        match occupied.filter(|_| only_patients && whole_of_beds && !offers) {
            Some(occupied) => {
                self.findings.push(crowded(&occupied.located, short, &finding.place.column.unwrap_or_default()));
                self.note(rest.parts().filter(|part| patients.contains(part)).collect(), short);
            }
            None => self.findings.push(finding),
        }
    }

    /// Notes patients beyond the open beds. Patients of one column are the same patients, whatever they are held against.
    fn note(&mut self, columns: Vec<&'p str>, short: u32) {
        let same = self.beyond.iter_mut().find(|(known, _)| columns.iter().any(|column| known.contains(column)));
        match same {
            Some((known, most)) => {
                *most = short.max(*most);
                known.extend(columns);
            }
            None => self.beyond.push((columns, short)),
        }
    }
}

/// More patients on a ward than it has room for.
fn crowded(located: &Located, short: u32, column: &str) -> Finding {
    let ward = draft::shown(&located.ward);
    let said = format!("Occupied exceeds open on ward {ward}, by {short}: counted as patients beyond its open beds");
    Finding::new(Rule::Xro03, said).in_column(column)
}

/// A count as read.
pub(super) struct Counted {
    pub(super) quantity: u32,
    pub(super) findings: Vec<Finding>,
    /// By how many the count is below zero, and what that means where nothing explains it.
    pub(super) short: Option<(u32, Finding)>,
}

/// The count of a line.
pub(super) fn count(line: &LinePlan<'_>, row: &Row<'_>) -> Counted {
    let one = || Counted { quantity: 1, findings: Vec::new(), short: None };
    line.count.as_ref().map_or_else(one, |count| counted(count, row))
}

/// A count; where it cannot be read, 1, so that the rest of the row is checked all the same.
fn counted(count: &Count<'_>, row: &Row<'_>) -> Counted {
    let mut counted = Counted { quantity: 1, findings: Vec::new(), short: None };
    match count.read(row) {
        Ok(quantity) => counted.quantity = quantity,
        Err(problems) => {
            for problem in problems {
                match problem {
                    CountProblem::Blank(column) => counted
                        .findings
                        .push(Finding::new(Rule::Row01, format!("{column} is blank: write 0 where there are none")).in_column(column)),
                    CountProblem::Invalid(column, said) => counted.findings.push(Finding::new(Rule::Row02, said).in_column(column)),
                    CountProblem::Short(column, short, said) => {
                        counted.short = Some((short, Finding::new(Rule::Row02, said).in_column(column)));
                    }
                }
            }
        }
    }
    counted
}
