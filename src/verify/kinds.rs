//! Kinds: rejected rows by what they tell of - patients, empty beds, closed beds, patients who wait (ROW-99).
//!
//! Owns the point at which so much of one kind was rejected that its figure would be wrong: all of it would be published as
//! none. Refuses to look at the whole file or at wards: those shares are `totals`'.

use super::{Limits, PlacedLine, Rejections};
use crate::bedstate::LineType;
use crate::feed::{Finding, Findings, Rule};
use crate::normalise::mapping::{Mapping, TableMapping};
use std::collections::{BTreeMap, BTreeSet};

/// Decides whether so many rows of one kind were rejected that the rest is not safe to use (ROW-99).
///
/// All rows of a kind are always too many: none is a figure like any other, and nobody could tell it from the truth. Where each
/// ward is another sender its rows may be missing, and so only requests are looked at. Rows that do not say what they tell of may
/// have been all of a kind that no other row is of: `rejected_kind_rows` of them are too many. Fewer are let pass, for a kind that
/// is rightly none is nothing rare, and a single broken row among hundreds would reject the file.
#[must_use]
pub fn check(lines: &[PlacedLine], rejections: &Rejections, mapping: &Mapping, limits: &Limits) -> Findings {
    let kinds: BTreeSet<LineType> = mapping.tables.iter().flat_map(TableMapping::kinds).collect();
    check_kinds(lines, rejections, &kinds, limits)
}

/// The same, for a feed that can tell of these kinds.
fn check_kinds(lines: &[PlacedLine], rejections: &Rejections, kinds: &BTreeSet<LineType>, limits: &Limits) -> Findings {
    let mut findings = Findings::default();
    // Usually nothing was rejected, and then the lines need not be looked at.
    if rejections.rows == 0 || limits.rejected_kind_percent >= 100 {
        return findings;
    }
    let used = rows_by_kind(lines);
    let looked_at = |kind: LineType| kinds.contains(&kind) && (kind == LineType::Demand || !limits.wards_may_vanish);
    for (kind, rejected) in rejections.by_kind.iter().filter(|(kind, _)| looked_at(**kind)) {
        let used = used.get(kind).copied().unwrap_or_default();
        let (all, fewest) = (used.saturating_add(*rejected), u64::from(limits.rejected_kind_rows));
        let share = rejected.saturating_mul(100) > all.saturating_mul(u64::from(limits.rejected_kind_percent));
        if share && (used == 0 || *rejected >= fewest) {
            let said = format!("{rejected} of {all} rows about {} failed: the file is not safe to use.", in_words(*kind));
            findings.push(Finding::new(Rule::Row99, said));
        }
    }
    let unread = rejections.of_no_kind;
    let none_left = |kind: &&LineType| looked_at(**kind) && !used.contains_key(kind) && !rejections.by_kind.contains_key(kind);
    if unread > 0 && unread >= u64::from(limits.rejected_kind_rows) {
        for kind in kinds.iter().filter(none_left) {
            let said =
                format!("{unread} rows failed that may be about {}, and no other row is: the file is not safe to use.", in_words(*kind));
            findings.push(Finding::new(Rule::Row99, said));
        }
    }
    if rejections.settling > 0 {
        let said = format!("{} rows failed that settle what other rows are: the file is not safe to use.", rejections.settling);
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
            (Empty, 10, 0, 3, "3 rows failed that may be about waiting patients"),
            (Empty, 10, 0, 2, ""),
            (Demand, 1, 0, 3, ""),
            (Closed, 10, 0, 9, "9 rows failed that may be about waiting patients"),
        ];
        for (kind, used, rejected, of_no_kind, expected) in rows {
            let line = |row| PlacedLine { part: "".into(), row, line: Line::new("RM102", kind) };
            // Two lines of a row are one row.
            let lines: Vec<PlacedLine> = (0..used * 2).map(|n| line(n / 2)).collect();
            let by_kind = BTreeMap::from([(kind, rejected)]).into_iter().filter(|(_, rows)| *rows > 0).collect();
            let rejections = Rejections { rows: rejected + of_no_kind, by_kind, of_no_kind, ..Rejections::default() };
            let said = |kinds: &[LineType], limits: &Limits| {
                let found = check_kinds(&lines, &rejections, &kinds.iter().copied().collect(), limits);
                found.iter().map(|finding| finding.message.clone()).collect::<String>()
            };
            let limits = Limits::default();
            let everything = [kind, Demand];
            let found = said(&everything, &limits);
            assert!(found.contains(expected) && found.is_empty() == expected.is_empty(), "{kind} {used} {rejected} {of_no_kind}: {found}");
            assert_eq!(said(&everything, &Limits { rejected_kind_percent: 100, ..limits.clone() }), "");
            let of_senders = said(&everything, &Limits { wards_may_vanish: true, ..limits.clone() });
            assert_eq!(of_senders.contains("waiting"), found.contains("waiting"));
            assert!(!of_senders.contains("beds"), "{of_senders}");
            assert_eq!(said(&[], &limits), "");
        }
    }

    #[test]
    fn row_99_beds_of_no_known_kind_may_be_all_the_closed_ones_and_rows_that_settle_others_must_all_be_read() {
        use LineType::{Closed, Empty, Occupied};
        let line = |row, kind| PlacedLine { part: "".into(), row, line: Line::new("RM102", kind) };
        let lines = [line(1, Occupied), line(2, Empty)];
        let rows = [
            (3, 0, "3 rows failed that may be about closed beds, and no other row is: the file is not safe to use."),
            (2, 0, ""),
            (0, 1, "1 rows failed that settle what other rows are: the file is not safe to use."),
        ];
        for (of_no_kind, settling, expected) in rows {
            let rejections = Rejections { rows: of_no_kind + settling, of_no_kind, settling, ..Rejections::default() };
            let found = check_kinds(&lines, &rejections, &[Occupied, Empty, Closed].into(), &Limits::default());
            assert_eq!(found.iter().map(|finding| finding.message.as_str()).collect::<String>(), expected);
        }
    }
}
