//! Totals: all lines together, against each other and against the limits.
//!
//! Owns repeated beds and lines (XRO-01, XRO-02), and the point at which rejected rows, unknown wards or unknown persons
//! make the whole file unsafe (ROW-99, REF-03, REF-05). Refuses to judge a line by itself.

use super::lines::at_field;
use super::rows::PlacedLine;
use super::{Limits, quoted_place};
use crate::bedstate::{Code, Line, LineType};
use crate::feed::{Finding, Findings, Rule, Severity};
use crate::normalise::mapping::Mapping;
use crate::normalise::texts::Keyed;
use std::collections::{BTreeMap, BTreeSet, HashMap};
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
    /// The most beds that those told of; [`u64::MAX`] where it may be any number.
    pub beds: BTreeMap<WardKey, u64>,
    /// By what a row tells of; one that tells of several things counts for each.
    pub by_kind: BTreeMap<LineType, u64>,
    /// Those that do not say what they tell of.
    pub of_no_kind: u64,
    /// Those of joined tables that settle what other rows are.
    pub settling: u64,
}

impl Rejections {
    /// Removes the lines of some rows, each given by part and line number, and counts those rows once.
    pub fn leave_out(&mut self, lines: &mut Vec<PlacedLine>, failed: &BTreeSet<PlacedRow>) {
        if failed.is_empty() {
            return;
        }
        let mut wards: BTreeSet<(WardKey, &PlacedRow)> = BTreeSet::new();
        let mut kinds: BTreeSet<(LineType, &PlacedRow)> = BTreeSet::new();
        lines.retain(|placed| {
            let Some(row) = failed.get(&(Arc::clone(&placed.part), placed.row)) else { return true };
            kinds.insert((placed.line.line_type, row));
            if let Some(ward) = ward_of(&placed.line) {
                if placed.line.line_type != LineType::Demand {
                    let beds = self.beds.entry(ward.clone()).or_default();
                    *beds = beds.saturating_add(u64::from(placed.line.quantity));
                }
                wards.insert((ward, row));
            }
            false
        });
        self.rows += u64::try_from(failed.len()).unwrap_or(u64::MAX);
        for (ward, _) in wards {
            *self.by_ward.entry(ward).or_default() += 1;
        }
        for (kind, _) in kinds {
            *self.by_kind.entry(kind).or_default() += 1;
        }
    }
}

fn ward_of(line: &Line) -> Option<WardKey> {
    Some((line.site_code.to_string(), line.ward_code.as_ref()?.to_string()))
}

/// Finds beds and, where there are any, summary lines that are there more than once. A few repeated beds lose their rows;
/// more reject the file, and so do not lose any.
pub fn check_repeats(
    lines: &mut Vec<PlacedLine>,
    summaries: bool,
    mapping: &Mapping,
    limits: &Limits,
    rejections: &mut Rejections,
    findings: &mut Findings,
) {
    let beds = repeated_beds(lines);
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
    let of_summaries = if summaries { repeated(lines, summary_key) } else { Vec::new() };
    for group in of_summaries {
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
    if !is_summary(line) {
        return None;
    }
    let bed = (&line.site_code, &line.ward_code, &line.bay_code, line.bed_status, line.empty_state, line.closed_reason);
    let kind = (line.line_type, line.bed_base, line.bed_sex, line.side_room, &line.care_level, &line.treatment_function);
    let person = (line.gender, line.age_band, line.ready, line.edd_band, line.los_band);
    let demand = (line.demand_source, &line.demand_for, line.in_bed_now);
    Some((bed, kind, person, demand))
}

/// Whether a line counts beds or patients together.
pub(super) fn is_summary(line: &Line) -> bool {
    line.bed_ref.is_none() && (line.line_type != LineType::Demand || line.quantity != 1)
}

/// Groups of lines of one bed. Letter case tells no beds of a ward apart: nobody could, on the ward.
fn repeated_beds(lines: &[PlacedLine]) -> Vec<Vec<&PlacedLine>> {
    let hasher = Keyed::new();
    // Beds of a ward mostly follow each other, and a ward's beds are few: each ward's are kept apart, so that what is looked at
    // for the next bed is at hand.
    let mut wards: HashMap<(&Code, &Option<Code>), usize, Keyed> = HashMap::default();
    let mut beds: Vec<Seen> = Vec::new();
    let mut last = None;
    let mut groups: BTreeMap<usize, Vec<&PlacedLine>> = BTreeMap::new();
    for (number, placed) in lines.iter().enumerate() {
        let line = &placed.line;
        let Some(bed) = line.bed_ref.as_ref().filter(|_| line.line_type != LineType::Demand) else { continue };
        let ward = (&line.site_code, &line.ward_code);
        let at = match last {
            Some((known, at)) if known == ward => at,
            _ => *wards.entry(ward).or_insert_with(|| {
                beds.push(Seen::default());
                beds.len() - 1
            }),
        };
        last = Some((ward, at));
        let Some(seen) = beds.get_mut(at) else { continue };
        let same = |earlier: usize| {
            let known = lines.get(earlier).and_then(|earlier| earlier.line.bed_ref.as_ref());
            known.is_some_and(|known| known == bed || known.to_uppercase() == bed.to_uppercase())
        };
        if let Some(earlier) = seen.earlier(number, hash_of(bed, &hasher), same) {
            groups.entry(earlier).or_insert_with(|| lines.get(earlier).into_iter().collect()).push(placed);
        }
    }
    groups.into_values().collect()
}

/// A bed's hash, the same whatever its letter case: nearly all beds are written in capitals and need no other spelling.
fn hash_of(bed: &Code, hasher: &Keyed) -> u64 {
    let plain = !bed.bytes().any(|byte| byte.is_ascii_lowercase() || !byte.is_ascii());
    if plain { hasher.hash_one(bed) } else { hasher.hash_one(Code::new(&bed.to_uppercase())) }
}

/// Groups of lines with an equal key, in the order of the file; groups of one are left out.
fn repeated<'a, K: Hash + Eq>(lines: &'a [PlacedLine], key: impl Fn(&'a Line) -> Option<K>) -> Vec<Vec<&'a PlacedLine>> {
    let hasher = Keyed::new();
    let mut seen = Seen::default();
    let mut groups: BTreeMap<usize, Vec<&PlacedLine>> = BTreeMap::new();
    for (number, placed) in lines.iter().enumerate() {
        let Some(own) = key(&placed.line) else { continue };
        let same = |earlier: usize| lines.get(earlier).and_then(|earlier| key(&earlier.line)).is_some_and(|other| other == own);
        if let Some(earlier) = seen.earlier(number, hasher.hash_one(&own), same) {
            groups.entry(earlier).or_insert_with(|| lines.get(earlier).into_iter().collect()).push(placed);
        }
    }
    groups.into_values().collect()
}

/// Lines that were seen, to be found by a hash: open addressing, at most half full.
///
/// Nearly all lines stand alone, so what is kept of each is its number and half of its key's hash, which gives its place too:
/// eight bytes twice over, where a map of the keys would take as much as the lines. Lines themselves are looked at again only
/// where the hash is the same.
#[derive(Default)]
struct Seen {
    /// The line's number, one more than it is, below the hash's half; 0 is free.
    slots: Vec<u64>,
    taken: usize,
}

impl Seen {
    const NUMBER: u64 = 0xffff_ffff;

    /// The line seen before that is the same, as far as `same` says; where there is none, the line of a number is kept.
    fn earlier(&mut self, number: usize, hash: u64, same: impl Fn(usize) -> bool) -> Option<usize> {
        if self.slots.len() <= self.taken.saturating_mul(2) {
            self.grow();
        }
        // A file has fewer lines than 2 to the power of 32: they would not fit into memory.
        let own = u64::try_from(number).ok()?.checked_add(1).filter(|own| *own <= Self::NUMBER)?;
        let mut at = self.place(hash);
        loop {
            let slot = self.slots.get_mut(at)?;
            if *slot == 0 {
                *slot = (hash & !Self::NUMBER) | own;
                self.taken += 1;
                return None;
            }
            let alike = *slot & !Self::NUMBER == hash & !Self::NUMBER;
            let earlier = usize::try_from((*slot & Self::NUMBER) - 1).ok().filter(|_| alike);
            if let Some(earlier) = earlier.filter(|earlier| same(*earlier)) {
                return Some(earlier);
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
    }

    fn place(&self, hash: u64) -> usize {
        usize::try_from(hash >> 32).unwrap_or_default() & self.slots.len().saturating_sub(1)
    }

    /// Makes room for at least as many again. It begins with two places: a hostile file has a ward, and so one of these, for
    /// each of its rows.
    fn grow(&mut self) {
        let size = self.taken.saturating_mul(4).max(2).next_power_of_two();
        for slot in std::mem::replace(&mut self.slots, vec![0; size]).into_iter().filter(|slot| *slot != 0) {
            let mut at = self.place(slot);
            while self.slots.get(at).is_some_and(|taken| *taken != 0) {
                at = (at + 1) & (size - 1);
            }
            if let Some(free) = self.slots.get_mut(at) {
                *free = slot;
            }
        }
    }
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
        lost = rejections.beds.keys().filter(|key| wards.contains(*key)).map(|(site, ward)| (site.as_str(), ward.as_str())).collect();
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
    fn xro_01_repeated_beds_are_found_wherever_their_wards_stand_in_the_file() {
        let bed = |(n, ward): (u32, u32), row: u64| {
            let mut line = Line::new("RM102", LineType::Empty);
            (line.ward_code, line.bed_ref) = (Some(format!("W{ward}").into()), Some(format!("B{n}").into()));
            PlacedLine { part: "".into(), row, line }
        };
        // Ward by ward, and bed by bed with another ward on each line; few wards of many beds, and many of few.
        for (wards, beds) in [(2, 700), (700, 2), (40, 40)] {
            let all = |ward_by_ward: bool| -> Vec<(u32, u32)> {
                let pair = |n: u32| if ward_by_ward { (n % beds, n / beds) } else { (n / wards, n % wards) };
                (0..wards * beds).map(pair).collect()
            };
            for mut places in [all(true), all(false)] {
                let again = [places[3], places[places.len() - 1], places[3]];
                places.extend(again);
                let lines: Vec<PlacedLine> = places.into_iter().zip(2..).map(|(place, row)| bed(place, row)).collect();
                let found: Vec<Vec<u64>> = repeated_beds(&lines).iter().map(|group| group.iter().map(|line| line.row).collect()).collect();
                let end = u64::from(wards * beds) + 1;
                assert_eq!(found, [vec![5, end + 1, end + 3], vec![end, end + 2]], "{wards} wards of {beds} beds");
            }
        }
    }

    #[test]
    fn wards_of_one_bed_take_next_to_no_room_and_large_ones_are_at_most_half_full() {
        for (lines, most) in [(1, 2), (2, 8), (3, 8), (100, 512), (1_000, 4_096)] {
            let (hasher, mut seen) = (Keyed::new(), Seen::default());
            for number in 0..lines {
                assert_eq!(seen.earlier(number, hasher.hash_one(number), |earlier| earlier == number), None);
            }
            assert!(seen.slots.len() <= most && seen.slots.len() >= 2 * lines, "{lines} lines: {} places", seen.slots.len());
            assert_eq!(seen.earlier(lines, hasher.hash_one(0), |earlier| earlier == 0), Some(0), "{lines} lines");
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
            check_repeats(&mut lines, true, &beds_feed().mappings[0], &Limits::default(), &mut rejections, &mut findings);
            assert_eq!((rejections.rows, findings.count_of(Rule::Xro02)), (expected, expected));
        }
    }
}
