//! Kinds: rejected rows by what they tell of - patients, empty beds, closed beds, patients who wait (ROW-99).
//!
//! Owns the point at which so much of one kind was rejected that its figure would be wrong: all of it would be published as
//! none. Refuses to look at the whole file or at wards: those shares are `totals`'.

use super::{Limits, PlacedLine, Rejections};
use crate::bedstate::{Coverage, LineType};
use crate::feed::{Finding, Findings, Rule};
use std::collections::BTreeMap;

/// Decides whether so many rows of one kind were rejected that the rest is not safe to use (ROW-99).
///
/// All rows of a kind are always too many: none is a figure like any other, and nobody could tell it from the truth. Where each
/// ward is another sender its rows may be missing, and so only requests are looked at.
#[must_use]
pub fn check(lines: &[PlacedLine], rejections: &Rejections, coverage: Coverage, limits: &Limits) -> Findings {
    let mut findings = Findings::default();
    // Usually nothing was rejected, and then the lines need not be looked at.
    if rejections.rows == 0 || limits.rejected_kind_percent >= 100 {
        return findings;
    }
    let used = rows_by_kind(lines);
    let looked_at = |kind: LineType| if kind == LineType::Demand { coverage.demand } else { coverage.beds && !limits.wards_may_vanish };
    for (kind, rejected) in rejections.by_kind.iter().filter(|(kind, _)| looked_at(**kind)) {
        let used = used.get(kind).copied().unwrap_or_default();
        let (all, fewest) = (used.saturating_add(*rejected), u64::from(limits.rejected_kind_rows));
        let share = rejected.saturating_mul(100) > all.saturating_mul(u64::from(limits.rejected_kind_percent));
        if share && (used == 0 || *rejected >= fewest) {
            let said = format!("{rejected} of {all} rows about {} failed: the file is not safe to use.", in_words(*kind));
            findings.push(Finding::new(Rule::Row99, said));
        }
    }
    let (unread, most) = (rejections.of_no_kind, u64::from(limits.rejected_rows_per_ward));
    let none_waits = coverage.demand && !used.contains_key(&LineType::Demand) && !rejections.by_kind.contains_key(&LineType::Demand);
    if none_waits && most > 0 && unread >= most {
        let said = format!("{unread} rows failed that may be about waiting patients, and no other row is: the file is not safe to use.");
        findings.push(Finding::new(Rule::Row99, said));
    }
    findings
}

/// Rows that are used, by what they tell of. A row's lines follow each other.
fn rows_by_kind(lines: &[PlacedLine]) -> BTreeMap<LineType, u64> {
    let mut last = BTreeMap::new();
    let mut rows = BTreeMap::new();
    for placed in lines {
        let kind = placed.line.line_type;
        if last.insert(kind, (&placed.part, placed.row)) != Some((&placed.part, placed.row)) {
            *rows.entry(kind).or_default() += 1;
        }
    }
    rows
}

fn in_words(kind: LineType) -> &'static str {
    match kind {
        LineType::Occupied => "occupied beds",
        LineType::Empty => "empty beds",
        LineType::Closed => "closed beds",
        LineType::Demand => "waiting patients",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bedstate::Line;

    #[test]
    fn row_99_all_rows_of_a_kind_are_too_many_and_so_is_a_share_of_several() {
        use LineType::{Closed, Demand, Empty};
        let beds = "closed beds failed";
        let waiting = "waiting patients failed";
        // A kind, its rows that are used and rejected, rejected rows of no kind, and what is said.
        let rows = [
            (Demand, 0, 13, 0, "13 of 13 rows about waiting patients failed: the file is not safe to use."),
            (Demand, 0, 1, 0, waiting),
            (Demand, 7, 3, 0, waiting),
            (Demand, 12, 3, 0, ""),
            (Demand, 1, 2, 0, ""),
            (Closed, 0, 2, 0, beds),
            (Empty, 0, 1, 0, "empty beds failed"),
            (Closed, 12, 3, 0, ""),
            (Empty, 10, 0, 5, "5 rows failed that may be about waiting patients"),
            (Empty, 10, 0, 4, ""),
            (Demand, 1, 0, 5, ""),
        ];
        let everything = Coverage { beds: true, demand: true };
        for (kind, used, rejected, of_no_kind, expected) in rows {
            let line = |row| PlacedLine { part: "".into(), row, line: Line::new("RM102", kind) };
            // Two lines of a row are one row.
            let lines: Vec<PlacedLine> = (0..used * 2).map(|n| line(n / 2)).collect();
            let by_kind = BTreeMap::from([(kind, rejected)]).into_iter().filter(|(_, rows)| *rows > 0).collect();
            let rejections = Rejections { rows: rejected + of_no_kind, by_kind, of_no_kind, ..Rejections::default() };
            let said = |coverage, limits: &Limits| {
                let found = check(&lines, &rejections, coverage, limits);
                found.iter().map(|finding| finding.message.clone()).collect::<String>()
            };
            let limits = Limits::default();
            let found = said(everything, &limits);
            assert!(found.contains(expected) && found.is_empty() == expected.is_empty(), "{kind} {used} {rejected} {of_no_kind}: {found}");
            assert_eq!(said(everything, &Limits { rejected_kind_percent: 100, ..limits.clone() }), "");
            let of_senders = said(everything, &Limits { wards_may_vanish: true, ..limits.clone() });
            assert_eq!(of_senders.contains("waiting"), found.contains("waiting"));
            assert!(!of_senders.contains("beds"), "{of_senders}");
            assert_eq!(said(Coverage { beds: false, demand: false }, &limits), "");
        }
    }
}
