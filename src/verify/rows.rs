//! Rows: each line by itself, against what its type needs and may have (ROW-03, ROW-04, ROW-05).
//!
//! Owns lines with their places, and leaving out rows that fail. Counts are judged where rows become lines (`normalise`). Refuses to mend: a row with one wrong line is left out
//! whole, since nothing says which of its statements is true.

use super::Rejections;
use super::lines::at_field;
use crate::bedstate::{BedStatus, Line, LineType};
use crate::feed::{Finding, Findings, Rule};
use crate::normalise::mapping::Mapping;
use std::collections::BTreeSet;
use std::sync::Arc;

pub use crate::normalise::rows::PlacedLine;

impl PlacedLine {
    /// A finding at this line's row.
    pub(super) fn finding(&self, rule: Rule, message: impl Into<String>) -> Finding {
        Finding::new(rule, message).at_line(self.row).in_part(&self.part)
    }
}

/// Checks every line by itself and leaves out the rows that fail.
pub fn check(lines: &mut Vec<PlacedLine>, mapping: &Mapping, rejections: &mut Rejections, findings: &mut Findings) {
    let mut failed = BTreeSet::new();
    for placed in lines.iter() {
        let problems = problems(&placed.line);
        if !problems.is_empty() {
            failed.insert((Arc::clone(&placed.part), placed.row));
        }
        findings.extend(problems.into_iter().map(|(rule, field, message)| at_field(placed, rule, message, mapping, &[field, "line_type"])));
    }
    rejections.leave_out(lines, &failed);
}

/// Whether nothing is wrong with a line.
pub(super) fn is_sound(line: &Line) -> bool {
    has_the_fields_of_its_type(line) && status_agrees(line)
}

/// A set of line types: one bit each.
type Kinds = u8;

const OCC: Kinds = 1;
const EMP: Kinds = 2;
const CLO: Kinds = 4;
const DEM: Kinds = 8;
const BEDS: Kinds = OCC | EMP | CLO;
const PERSONS: Kinds = OCC | DEM;

fn bit(kind: LineType) -> Kinds {
    match kind {
        LineType::Occupied => OCC,
        LineType::Empty => EMP,
        LineType::Closed => CLO,
        LineType::Demand => DEM,
    }
}

/// Which types need a field, and which may have it.
const FIELDS: [(&str, Kinds, Kinds); 14] = [
    ("ward_code", BEDS, BEDS | DEM),
    ("bed_status", 0, BEDS),
    ("empty_state", EMP, EMP),
    ("closed_reason", CLO, CLO),
    ("gender", PERSONS, PERSONS),
    ("age_band", PERSONS, PERSONS),
    ("ready", 0, OCC),
    ("edd_band", 0, OCC),
    ("los_band", 0, OCC),
    ("demand_source", DEM, DEM),
    ("in_bed_now", DEM, DEM),
    ("demand_for", 0, DEM),
    ("wait_from", 0, DEM),
    ("bed_ref", 0, BEDS),
];

/// Which of [`FIELDS`] a line fills, in their order.
fn filled(line: &Line) -> [bool; 14] {
    [
        line.ward_code.is_some(),
        line.bed_status.is_some(),
        line.empty_state.is_some(),
        line.closed_reason.is_some(),
        line.gender.is_some(),
        line.age_band.is_some(),
        line.ready.is_some(),
        line.edd_band.is_some(),
        line.los_band.is_some(),
        line.demand_source.is_some(),
        line.in_bed_now.is_some(),
        line.demand_for.is_some(),
        line.wait_from.is_some(),
        line.bed_ref.is_some(),
    ]
}

/// Fields of [`FIELDS`] that a line type needs, and those that it may not have: one bit each, by [`bit`]'s order of types.
const NEEDED_AND_BARRED: [(u16, u16); 4] = [of_kind(OCC), of_kind(EMP), of_kind(CLO), of_kind(DEM)];

const fn of_kind(own: Kinds) -> (u16, u16) {
    let (mut needed_bits, mut barred_bits, mut rest, mut field) = (0, 0, FIELDS.as_slice(), 1);
    while let [(_, needed, allowed), others @ ..] = rest {
        needed_bits |= if *needed & own != 0 { field } else { 0 };
        barred_bits |= if *allowed & own == 0 { field } else { 0 };
        (rest, field) = (others, field << 1);
    }
    (needed_bits, barred_bits)
}

/// Whether a line has the fields of its type: nearly all do, and nothing more need be asked of them.
fn has_the_fields_of_its_type(line: &Line) -> bool {
    let there = filled(line).into_iter().rev().fold(0_u16, |bits, filled| (bits << 1) | u16::from(filled));
    let kind = bit(line.line_type).trailing_zeros();
    let of_kind = usize::try_from(kind).ok().and_then(|kind| NEEDED_AND_BARRED.get(kind));
    of_kind.is_some_and(|(needed, barred)| there & needed == *needed && there & barred == 0)
}

/// What is wrong with a line: the rule, the field, and the message.
fn problems(line: &Line) -> Vec<(Rule, &'static str, String)> {
    let mut found = Vec::new();
    let kind = line.line_type;
    let own = bit(kind);
    let fields = if has_the_fields_of_its_type(line) { &[] } else { FIELDS.as_slice() };
    for ((field, needed, allowed), filled) in fields.iter().zip(filled(line)) {
        if !filled && needed & own != 0 {
            found.push((Rule::Row03, *field, format!("{field} needed for {kind}.")));
        }
        if filled && allowed & own == 0 {
            found.push((Rule::Row04, *field, format!("{field} not allowed for {kind}.")));
        }
    }
    if !status_agrees(line) {
        let status = line.bed_status.map(BedStatus::code).unwrap_or_default();
        found.push((Rule::Row05, "bed_status", format!("Status conflict: {kind} with bed status {status}.")));
    }
    found
}

/// Whether the bed's status says the same as the line's type.
fn status_agrees(line: &Line) -> bool {
    use LineType::{Closed, Demand, Empty, Occupied};
    let kind = line.line_type;
    kind == Demand
        || match line.bed_status {
            None => true,
            Some(BedStatus::Occupied) => kind == Occupied,
            Some(BedStatus::Closed) => kind == Closed,
            Some(BedStatus::Unoccupied | BedStatus::Housekeeping | BedStatus::Contaminated) => kind == Empty,
            // Isolation says nothing of whether a patient is in the bed.
            Some(BedStatus::Isolated) => matches!(kind, Occupied | Empty),
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bedstate::{AgeBand, ClosedReason, DemandSource, EmptyState, Gender};
    use crate::verify::testing::beds_feed;

    fn line(kind: LineType) -> Line {
        let mut line = Line::new("RM102", kind);
        line.ward_code = Some("W21".into());
        match kind {
            LineType::Occupied => (line.gender, line.age_band) = (Some(Gender::Male), Some(AgeBand::A80)),
            LineType::Empty => line.empty_state = Some(EmptyState::Ready),
            LineType::Closed => line.closed_reason = Some(ClosedReason::Other),
            LineType::Demand => {
                line.ward_code = None;
                (line.gender, line.age_band) = (Some(Gender::Male), Some(AgeBand::A80));
                (line.demand_source, line.in_bed_now) = (Some(DemandSource::Emergency), Some(false));
            }
        }
        line
    }

    #[test]
    fn each_line_type_needs_its_fields_and_may_not_have_others() {
        use LineType::{Closed, Demand, Empty, Occupied};
        type Change = fn(&mut Line);
        let rows: [(LineType, Change, &str); 19] = [
            (Occupied, |_| {}, ""),
            (Empty, |_| {}, ""),
            (Closed, |_| {}, ""),
            (Demand, |_| {}, ""),
            (Demand, |l| l.ward_code = Some("ED".into()), ""),
            (Occupied, |l| l.ward_code = None, "ROW-03 ward_code needed for OCC."),
            (Occupied, |l| l.gender = None, "ROW-03 gender needed for OCC."),
            (Empty, |l| l.empty_state = None, "ROW-03 empty_state needed for EMP."),
            (Closed, |l| l.closed_reason = None, "ROW-03 closed_reason needed for CLO."),
            (Demand, |l| l.demand_source = None, "ROW-03 demand_source needed for DEM."),
            (Demand, |l| l.in_bed_now = None, "ROW-03 in_bed_now needed for DEM."),
            (Empty, |l| l.gender = Some(Gender::Male), "ROW-04 gender not allowed for EMP."),
            (Closed, |l| l.age_band = Some(AgeBand::A05), "ROW-04 age_band not allowed for CLO."),
            (Demand, |l| l.bed_status = Some(BedStatus::Occupied), "ROW-04 bed_status not allowed for DEM."),
            (Occupied, |l| l.bed_status = Some(BedStatus::Isolated), ""),
            (Empty, |l| l.bed_status = Some(BedStatus::Contaminated), ""),
            (Occupied, |l| l.bed_status = Some(BedStatus::Unoccupied), "ROW-05 Status conflict: OCC with bed status U."),
            (Closed, |l| l.bed_status = Some(BedStatus::Occupied), "ROW-05 Status conflict: CLO with bed status O."),
            (Empty, |l| l.bed_status = Some(BedStatus::Closed), "ROW-05 Status conflict: EMP with bed status C."),
        ];
        for (kind, change, expected) in rows {
            let mut line = line(kind);
            change(&mut line);
            let said: Vec<String> = problems(&line).iter().map(|(rule, _, message)| format!("{rule} {message}")).collect();
            assert_eq!(said.join("|"), expected);
            assert_eq!(is_sound(&line), said.is_empty());
            assert_eq!(
                has_the_fields_of_its_type(&line),
                !said.iter().any(|said| said.starts_with("ROW-03") || said.starts_with("ROW-04"))
            );
        }
    }

    #[test]
    fn a_row_with_one_wrong_line_is_left_out_whole_and_counted_once() {
        let placed = |row, line: Line| PlacedLine { part: "".into(), row, line };
        let mut wrong = line(LineType::Empty);
        wrong.empty_state = None;
        wrong.gender = Some(Gender::Male);
        let mut lines = vec![placed(2, line(LineType::Occupied)), placed(2, wrong), placed(3, line(LineType::Empty))];
        let (mut rejections, mut findings) = (Rejections::default(), Findings::default());
        check(&mut lines, &beds_feed().mappings[0], &mut rejections, &mut findings);
        assert_eq!(lines.iter().map(|l| l.row).collect::<Vec<_>>(), [3]);
        assert_eq!((rejections.rows, findings.count_of(Rule::Row03), findings.count_of(Rule::Row04)), (1, 1, 1));
        assert_eq!(rejections.by_ward.get(&("RM102".to_owned(), "W21".to_owned())), Some(&1));
    }
}
