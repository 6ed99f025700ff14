//! Totals: all lines together, against each other and against the limits.
//!
//! Owns repeated beds and lines (XRO-01, XRO-02), and the point at which rejected rows, unknown wards or unknown persons
//! make the whole file unsafe (ROW-99, REF-03, REF-05). Refuses to judge a line by itself.

use super::lines::at_field;
use super::rows::PlacedLine;
use super::{Limits, quoted_place};
use crate::bedstate::{Line, LineType};
use crate::feed::{Finding, Findings, Rule, Severity};
use crate::normalise::mapping::Mapping;
use crate::normalise::texts::Keyed;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, Hash};
use std::sync::Arc;

/// Lines that one finding about a repeated bed names.
const MOST_LINES_NAMED: usize = 5;

/// A ward: its site's code and its own.
pub type WardKey = (String, String);

/// A row: its part and its line number.
pub type PlacedRow = (Arc<str>, u64);

/// Rows that were rejected so far, in all and by ward.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rejections {
    /// All rejected rows.
    pub rows: u64,
    /// Those whose ward is known.
    pub by_ward: BTreeMap<WardKey, u64>,
}

impl Rejections {
    /// Removes the lines of some rows, each given by part and line number, and counts those rows once.
    pub fn leave_out(&mut self, lines: &mut Vec<PlacedLine>, failed: &BTreeSet<PlacedRow>) {
        if failed.is_empty() {
            return;
        }
        let mut wards: BTreeSet<(WardKey, &PlacedRow)> = BTreeSet::new();
        lines.retain(|placed| {
            let Some(row) = failed.get(&(Arc::clone(&placed.part), placed.row)) else { return true };
            if let Some(ward) = ward_of(&placed.line) {
                wards.insert((ward, row));
            }
            false
        });
        self.rows += u64::try_from(failed.len()).unwrap_or(u64::MAX);
        for (ward, _) in wards {
            *self.by_ward.entry(ward).or_default() += 1;
        }
    }
}

fn ward_of(line: &Line) -> Option<WardKey> {
    Some((line.site_code.to_string(), line.ward_code.as_ref()?.to_string()))
}

/// Finds beds and summary lines that are there more than once. A few repeated beds lose their rows; more reject the
/// file, and so do not lose any.
pub fn check_repeats(
    lines: &mut Vec<PlacedLine>,
    mapping: &Mapping,
    limits: &Limits,
    rejections: &mut Rejections,
    findings: &mut Findings,
) {
    let beds = repeated(lines, |line| {
        let bed = line.bed_ref.as_ref().filter(|_| line.line_type != LineType::Demand)?;
        Some((&line.site_code, &line.ward_code, bed))
    });
    let many = u32::try_from(beds.len()).unwrap_or(u32::MAX) > limits.repeated_beds;
    let severity = if many { Severity::RejectFile } else { Severity::RejectRow };
    let mut failed = BTreeSet::new();
    for group in &beds {
        let Some(first) = group.first() else { continue };
        let lines: Vec<String> = group.iter().take(MOST_LINES_NAMED).map(|placed| placed.row.to_string()).collect();
        let ward = quoted_place(first.line.ward_code.as_deref().unwrap_or_default());
        let more = if group.len() > lines.len() { " and more" } else { "" };
        let message = format!("Bed on ward {ward} is listed {} times, on lines {}{more}.", group.len(), lines.join(", "));
        findings.push(at_field(first, Rule::Xro01, message, mapping, &["bed_ref"]).with_severity(severity));
        if !many {
            failed.extend(group.iter().map(|placed| (Arc::clone(&placed.part), placed.row)));
        }
    }
    for group in repeated(lines, summary_key) {
        let rows: BTreeSet<PlacedRow> = group.iter().map(|placed| (Arc::clone(&placed.part), placed.row)).collect();
        for placed in group.iter().filter(|placed| !failed.contains(&(Arc::clone(&placed.part), placed.row))) {
            let ward = quoted_place(placed.line.ward_code.as_deref().unwrap_or_default());
            let said = format!("Duplicate line: {} rows say the same thing of ward {ward}.", rows.len());
            findings.push(at_field(placed, Rule::Xro02, said, mapping, &["ward_code", "site_code"]));
        }
        failed.extend(rows);
    }
    rejections.leave_out(lines, &failed);
}

/// A summary line without its count and times: what must be there once. Patients who wait are told apart by nothing that
/// is kept, so single ones are never taken for repeats.
fn summary_key(line: &Line) -> Option<impl Hash + Eq + '_> {
    if line.bed_ref.is_some() || (line.line_type == LineType::Demand && line.quantity == 1) {
        return None;
    }
    let bed = (&line.site_code, &line.ward_code, &line.bay_code, line.bed_status, line.empty_state, line.closed_reason);
    let kind = (line.line_type, line.bed_base, line.bed_sex, line.side_room, &line.care_level, &line.treatment_function);
    let person = (line.gender, line.age_band, line.ready, line.edd_band, line.los_band);
    let demand = (line.demand_source, &line.demand_for, line.in_bed_now);
    Some((bed, kind, person, demand))
}

/// Groups of lines with an equal key, in the order of the file; groups of one are left out.
///
/// Nearly all lines stand alone, so what is kept of each is its number and half of its key's hash, at a place that the other
/// half gives: eight bytes twice over, where a map of the keys would take as much as the lines. Lines themselves are looked at
/// again only where the hash is the same.
fn repeated<'a, K: Hash + Eq>(lines: &'a [PlacedLine], key: impl Fn(&'a Line) -> Option<K>) -> Vec<Vec<&'a PlacedLine>> {
    const NUMBER: u64 = 0xffff_ffff;
    let hasher = Keyed::new();
    // The line's number, one more than it is, below the hash's half; 0 is free. At most half of the slots are taken.
    let mut slots = vec![0_u64; lines.len().saturating_mul(2).next_power_of_two()];
    let mask = slots.len().saturating_sub(1);
    let mut groups: BTreeMap<usize, Vec<&PlacedLine>> = BTreeMap::new();
    for (placed, number) in lines.iter().zip(1_u64..NUMBER) {
        let Some(own) = key(&placed.line) else { continue };
        let hash = hasher.hash_one(&own);
        let mut at = usize::try_from(hash & NUMBER).unwrap_or_default() & mask;
        while let Some(slot) = slots.get_mut(at) {
            if *slot == 0 {
                *slot = (hash & !NUMBER) | number;
                break;
            }
            let alike = *slot & !NUMBER == hash & !NUMBER;
            let earlier = usize::try_from((*slot & NUMBER) - 1).ok().filter(|_| alike);
            let first = earlier.and_then(|earlier| Some((earlier, lines.get(earlier)?)));
            if let Some((earlier, first)) = first.filter(|(_, first)| key(&first.line).is_some_and(|other| other == own)) {
                groups.entry(earlier).or_insert_with(|| vec![first]).push(placed);
                break;
            }
            at = (at + 1) & mask;
        }
    }
    groups.into_values().collect()
}

/// Decides whether so many rows were rejected that the rest is not safe to use (ROW-99).
///
/// `wards` are the registered ones with beds: only those can lose them. Patients who wait may be anywhere.
#[must_use]
pub fn check_rejections(
    lines: &[PlacedLine],
    rows_read: u64,
    rejections: &Rejections,
    wards: &BTreeSet<WardKey>,
    limits: &Limits,
) -> Findings {
    let mut findings = Findings::default();
    let rejected = rejections.rows;
    if rejected.saturating_mul(100) > rows_read.saturating_mul(u64::from(limits.rejected_rows_percent)) {
        let message =
            format!("{rejected} of {rows_read} rows failed, above {} %: the file is not safe to use.", limits.rejected_rows_percent);
        findings.push(Finding::new(Rule::Row99, message));
    }
    let per_ward = u64::from(limits.rejected_rows_per_ward);
    let mut lost: BTreeSet<(&str, &str)> = BTreeSet::new();
    if !limits.wards_may_vanish {
        lost = rejections.by_ward.keys().filter(|key| wards.contains(*key)).map(|(site, ward)| (site.as_str(), ward.as_str())).collect();
    }
    for line in lines.iter().map(|placed| &placed.line).filter(|line| line.line_type != LineType::Demand) {
        // Usually no ward is in doubt, and then the lines need not be looked at.
        if lost.is_empty() {
            break;
        }
        if let Some(ward) = line.ward_code.as_deref() {
            lost.remove(&(line.site_code.as_str(), ward));
        }
    }
    for ((site, ward), count) in &rejections.by_ward {
        if per_ward > 0 && *count >= per_ward {
            findings.push(Finding::new(
                Rule::Row99,
                format!("{count} rows of ward {} failed: the file is not safe to use.", quoted_place(ward)),
            ));
        }
        if lost.contains(&(site.as_str(), ward.as_str())) {
            let message = format!("Ward {} would lose all its beds to rejected rows: the file is not safe to use.", quoted_place(ward));
            findings.push(Finding::new(Rule::Row99, message));
        }
    }
    findings
}

/// Decides whether too many wards are unknown (REF-03).
#[must_use]
pub fn check_unknown_wards(lines: &[PlacedLine], unknown: &BTreeMap<WardKey, u64>, limits: &Limits) -> Option<Finding> {
    if unknown.is_empty() {
        return None;
    }
    let wards = u64::try_from(unknown.values().filter(|beds| **beds > 0).count()).unwrap_or(u64::MAX);
    let beds: u64 = unknown.values().sum();
    let beds_of = |placed: &PlacedLine| if placed.line.line_type == LineType::Demand { 0 } else { u64::from(placed.line.quantity) };
    let all: u64 = lines.iter().map(beds_of).sum();
    let too_many_wards = wards > u64::from(limits.unknown_wards);
    let too_many_beds = beds.saturating_mul(100) > all.saturating_mul(u64::from(limits.unknown_ward_beds_percent));
    let message = match (too_many_wards, too_many_beds && beds > 0) {
        (true, _) => format!("{wards} wards are not registered; at most {} may be new in one file.", limits.unknown_wards),
        (false, true) => {
            format!("{beds} of {all} beds are on wards that are not registered, above {} %.", limits.unknown_ward_beds_percent)
        }
        (false, false) => return None,
    };
    Some(Finding::new(Rule::Ref03, message).with_severity(Severity::RejectFile))
}

/// Decides whether too many persons have no known gender or age (REF-05).
#[must_use]
pub fn check_unknown_persons(persons: u64, unknown: u64, limits: &Limits) -> Option<Finding> {
    let percent = limits.unknown_persons_percent;
    if unknown.saturating_mul(100) <= persons.saturating_mul(u64::from(percent)) {
        return None;
    }
    let message = format!("{unknown} of {persons} persons have a gender or age that is not coded, above {percent} %.");
    Some(Finding::new(Rule::Ref05, message).with_severity(Severity::RejectFile))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::testing::beds_feed;

    fn beds(count: u32) -> Vec<PlacedLine> {
        let mut line = Line::new("RM102", LineType::Empty);
        line.ward_code = Some("W1".into());
        line.quantity = count;
        vec![PlacedLine { part: "".into(), row: 2, line }]
    }

    #[test]
    fn ref_03_many_new_wards_or_many_beds_on_them_reject_the_file() {
        // Beds on each unknown ward, all beds, and whether the file is rejected.
        let rows: [(&[u64], u32, bool); 7] = [
            (&[], 0, false),
            (&[1], 10, false),
            (&[2], 10, true),
            (&[1, 1, 1], 100, false),
            (&[1, 1, 1, 1], 100, true),
            (&[0, 0, 0, 0, 0], 100, false),
            (&[10], 100, false),
        ];
        for (unknown, all, expected) in rows {
            let wards = unknown.iter().enumerate().map(|(n, beds)| (("RM102".to_owned(), format!("N{n}")), *beds)).collect();
            let found = check_unknown_wards(&beds(all), &wards, &Limits::default());
            assert_eq!(found.is_some_and(|f| f.severity == Severity::RejectFile), expected, "{unknown:?} of {all}");
        }
    }

    #[test]
    fn ref_05_more_than_a_fifth_of_persons_unknown_reject_the_file() {
        let rows = [(0, 0, false), (10, 2, false), (10, 3, true), (1, 1, true)];
        for (persons, unknown, expected) in rows {
            assert_eq!(check_unknown_persons(persons, unknown, &Limits::default()).is_some(), expected, "{unknown} of {persons}");
        }
    }

    #[test]
    fn waiting_patients_who_look_alike_are_not_repeats() {
        let demand = |row, quantity| {
            let mut line = Line::new("RM102", LineType::Demand);
            line.quantity = quantity;
            PlacedLine { part: "".into(), row, line }
        };
        let rows = [(1, 0), (2, 2)];
        for (quantity, expected) in rows {
            let mut lines = vec![demand(2, quantity), demand(3, quantity)];
            let (mut rejections, mut findings) = (Rejections::default(), Findings::default());
            check_repeats(&mut lines, &beds_feed().mappings[0], &Limits::default(), &mut rejections, &mut findings);
            assert_eq!((rejections.rows, findings.count_of(Rule::Xro02)), (expected, expected));
        }
    }
}
