//! Requests: each waiting patient counts once, however often the extract lists the request (XRO-08).
//!
//! Owns which of the requests with one reference counts: the first whose row stands. Refuses to know the references.

use super::PlacedLine;
use super::totals::PlacedRow;
use crate::bedstate::LineType;
use crate::feed::{Finding, Findings, Rule};
use crate::normalise::requests::Request;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// What was left out because it was there before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repeats {
    /// Rows of which nothing is left.
    pub rows: u64,
    /// Patients.
    pub persons: u64,
    /// Of those, the ones with something in gender or age that no code covers.
    pub unknown: u64,
}

/// Leaves out every request whose reference an earlier one has, and nothing else of its row. A row that was rejected asks for
/// nothing: a later one with its reference then counts.
pub fn count_once(lines: &mut Vec<PlacedLine>, shared: &[Vec<Request>], findings: &mut Findings) -> Repeats {
    let mut repeats = Repeats::default();
    if shared.is_empty() {
        return repeats;
    }
    let wanted: HashSet<PlacedRow> = shared.iter().flatten().map(spot).collect();
    let mut standing: HashMap<PlacedRow, usize> = HashMap::new();
    for placed in lines.iter() {
        let row = (Arc::clone(&placed.part), placed.row);
        if wanted.contains(&row) {
            *standing.entry(row).or_default() += 1;
        }
    }
    let mut again: HashMap<PlacedRow, Vec<&Request>> = HashMap::new();
    for group in shared {
        let mut group = group.iter().filter(|request| standing.contains_key(&spot(request)));
        let Some(first) = group.next() else { continue };
        // A row may ask for several beds under one reference.
        for request in group.filter(|request| spot(request) != spot(first)) {
            let said = format!("Demand counted once: the reference is that of the request on line {}", first.row);
            let finding = Finding::new(Rule::Xro08, said).at_line(request.row).in_part(&request.part);
            findings.push(if request.column.is_empty() { finding } else { finding.in_column(&request.column) });
            again.entry(spot(request)).or_default().push(request);
        }
    }
    let mut met: HashMap<PlacedRow, usize> = HashMap::new();
    lines.retain(|placed| {
        let row = (Arc::clone(&placed.part), placed.row);
        let Some(of_row) = again.get(&row) else { return true };
        let nth = met.entry(row).or_default();
        let found = of_row.iter().find(|request| request.nth == *nth && placed.line.line_type == LineType::Demand);
        *nth += 1;
        if let Some(request) = found {
            let persons = u64::from(placed.line.quantity);
            repeats.persons += persons;
            repeats.unknown += if request.unknown { persons } else { 0 };
        }
        found.is_none()
    });
    repeats.rows =
        u64::try_from(again.iter().filter(|(row, of_row)| standing.get(*row) == Some(&of_row.len())).count()).unwrap_or(u64::MAX);
    repeats
}

fn spot(request: &Request) -> PlacedRow {
    (Arc::clone(&request.part), request.row)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bedstate::Line;

    #[test]
    fn xro_08_a_repeated_request_takes_nothing_else_of_its_row() {
        use LineType::{Demand, Occupied};
        type Row<'r> = (u64, &'r [LineType]);
        // Rows with their lines, requests that share a reference (row, which line), what is left, what is said, rows left out.
        let rows: [(&[Row<'_>], &[(u64, usize)], &[Row<'_>], &[u64], u64); 5] = [
            (&[(2, &[Demand]), (3, &[Demand])], &[(2, 0), (3, 0)], &[(2, &[Demand])], &[3], 1),
            // The bed that a patient leaves stays where the request is a repeat.
            (
                &[(2, &[Occupied, Demand]), (3, &[Occupied, Demand])],
                &[(2, 1), (3, 1)],
                &[(2, &[Occupied, Demand]), (3, &[Occupied])],
                &[3],
                0,
            ),
            // The row with the first request was rejected.
            (&[(3, &[Demand]), (4, &[Demand])], &[(2, 0), (3, 0), (4, 0)], &[(3, &[Demand])], &[4], 1),
            (&[(3, &[Demand])], &[(2, 0), (3, 0)], &[(3, &[Demand])], &[], 0),
            // A row may ask for several beds at once; another row with the same reference asks again.
            (&[(2, &[Demand, Demand]), (3, &[Demand, Demand])], &[(2, 0), (2, 1), (3, 0), (3, 1)], &[(2, &[Demand, Demand])], &[3, 3], 1),
        ];
        for (n, (lines, shared, left, said, rows)) in rows.into_iter().enumerate() {
            let placed = |rows: &[Row<'_>]| -> Vec<PlacedLine> {
                let line = |row: u64, kind: LineType| PlacedLine { part: "beds".into(), row, line: Line::new("RM102", kind) };
                rows.iter().flat_map(|(row, kinds)| kinds.iter().map(move |kind| line(*row, *kind))).collect()
            };
            let request =
                |(row, nth): &(u64, usize)| Request { part: "beds".into(), row: *row, nth: *nth, column: "Ref".into(), unknown: true };
            let (mut lines, mut findings) = (placed(lines), Findings::default());
            let before = lines.len();
            let repeats = count_once(&mut lines, &[shared.iter().map(request).collect()], &mut findings);
            assert_eq!(lines, placed(left), "row {n}");
            assert_eq!(findings.iter().filter_map(|finding| finding.place.line).collect::<Vec<_>>(), said, "row {n}");
            let gone = u64::try_from(before - lines.len()).unwrap();
            assert_eq!(repeats, Repeats { rows, persons: gone, unknown: gone }, "row {n}");
        }
    }
}
