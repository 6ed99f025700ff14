//! The register: lines against what is known of the wards they are on (REF-06, XRO-03 to XRO-07).
//!
//! Owns the sums by ward and their comparison with the reference data. Refuses to repeat a person's sex or age: those rules
//! say a number and nothing else.

use super::lines::at_field;
use super::totals::Rejections;
use super::{Limits, PlacedLine, WardKey, quoted_place};
use crate::bedstate::{AgeBand, BedBase, BedSex, Code, Gender, Line, LineType, ShortCode};
use crate::feed::{Finding, Findings, ProviderCode, Rule, Severity, Totals};
use crate::normalise::mapping::Mapping;
use crate::normalise::reference::{Reference, Ward, in_force};
use jiff::civil::Date;
use std::collections::{BTreeSet, HashMap};

/// The oldest age of the last band, in years: nobody is older.
const OLDEST: u16 = 130;

/// How many years a band has.
const BAND: u16 = 5;

/// One provider's wards on one day.
#[derive(Clone, Debug, Default)]
pub struct Register<'a> {
    wards: HashMap<(&'a str, &'a str), &'a Ward>,
}

impl<'a> Register<'a> {
    /// The wards that are registered for a provider on a day.
    #[must_use]
    pub fn new(reference: &'a Reference, provider: &ProviderCode, day: Date) -> Self {
        let own = reference.wards.iter().filter(|ward| ward.provider == *provider && in_force(ward.valid_from, ward.valid_to, day));
        Self { wards: own.map(|ward| ((ward.site_code.as_str(), ward.ward_code.as_str()), ward)).collect() }
    }

    /// One ward.
    #[must_use]
    pub fn ward(&self, site: &str, ward: &str) -> Option<&'a Ward> {
        self.wards.get(&(site, ward)).copied()
    }

    /// The wards that have beds.
    #[must_use]
    pub fn with_beds(&self) -> BTreeSet<WardKey> {
        let wards = self.wards.values().filter(|ward| ward.registered_beds > 0);
        wards.map(|ward| (ward.site_code.clone(), ward.ward_code.clone())).collect()
    }

    /// Beds of all wards together.
    #[must_use]
    pub fn beds(&self) -> u64 {
        self.wards.values().map(|ward| u64::from(ward.registered_beds)).sum()
    }
}

/// What is known beside the lines.
#[derive(Clone, Copy, Debug)]
pub struct Beside<'a> {
    /// Wards of rows that rightly made no line: every count on them is 0.
    pub named: &'a BTreeSet<WardKey>,
    /// Rows that were rejected.
    pub rejections: &'a Rejections,
    /// Whether the feed tells of beds.
    pub beds: bool,
    /// The mapping, for the names of columns.
    pub mapping: &'a Mapping,
    /// The feed's limits.
    pub limits: &'a Limits,
}

/// Compares all lines with the register. Says too on which wards a line has another sex for its ward than the register.
#[must_use]
pub fn check(wards: &Wards<'_>, register: &Register<'_>, beside: &Beside<'_>) -> (Findings, Vec<WardKey>) {
    let mut findings = Findings::default();
    let sums = &wards.sums;
    for ward in sums.iter().filter_map(|sum| Some((sum, sum.ward?))) {
        findings.extend(differs(ward.0, ward.1, beside.mapping));
    }
    if beside.beds {
        let by_ward: HashMap<(&str, &str), &Sum<'_>> = sums.iter().map(|sum| ((sum.site, sum.code), sum)).collect();
        for (key, ward) in ordered(register) {
            findings.extend(missing_or_other_size(ward, by_ward.get(&key).copied(), beside));
        }
    }
    let mixed: u64 = sums.iter().map(|sum| sum.mixed).sum();
    if mixed > 0 {
        findings.push(Finding::new(Rule::Xro06, format!("Mixed-sex placement or coding: {mixed} patients in beds for the other sex.")));
    }
    let outside: u64 = sums.iter().map(|sum| sum.outside).sum();
    if outside > 0 {
        findings.push(Finding::new(Rule::Xro07, format!("{outside} persons outside the age range of their ward.")));
    }
    let otherwise = sums.iter().filter(|sum| sum.other_sex.is_some()).map(|sum| (sum.site.to_owned(), sum.code.to_owned()));
    (findings, otherwise.collect())
}

/// Where lines say another sex for their ward than the register, keeps the register's; `wards` are those on which any does.
pub fn keep_the_registers_sex(lines: &mut [PlacedLine], register: &Register<'_>, wards: &[WardKey]) {
    if wards.is_empty() {
        return;
    }
    for placed in lines.iter_mut().filter(|placed| placed.line.line_type != LineType::Demand) {
        let line = &mut placed.line;
        let Some(ward) = line.ward_code.as_deref().and_then(|code| register.ward(&line.site_code, code)) else { continue };
        if says_another_sex(line, ward) {
            line.bed_sex = Some(ward.bed_sex);
        }
    }
}

/// More beds occupied than open, over the whole provider: `short` beds are missing on some wards, and all the empty ones of
/// the others do not make up for them (XRO-03). A few patients beyond the open beds are a hospital in winter; many are counts
/// that are wrong. On a single ward it is said where its row is read.
#[must_use]
pub fn check_provider(totals: &Totals, short: u64, limits: &Limits) -> Option<Finding> {
    let beyond = short.checked_sub(totals.empty).filter(|beyond| *beyond > 0)?;
    let open = totals.occupied.saturating_sub(beyond);
    let said = format!("Occupied exceeds open: {} beds occupied of {open} open, in all wards together.", totals.occupied);
    let many = beyond > u64::from(limits.crowded_beds) && beyond * 100 > open * u64::from(limits.crowded_percent);
    Some(Finding::new(Rule::Xro03, said).with_severity(if many { Severity::RejectFile } else { Severity::Warning }))
}

/// What the lines of one ward say together.
struct Sum<'l> {
    site: &'l str,
    code: &'l str,
    ward: Option<&'l Ward>,
    /// Beds of the ward's own: without those for escalation and those put up.
    beds: u64,
    /// The first line that says another sex for the ward than the register.
    other_sex: Option<&'l PlacedLine>,
    /// The first line that says another treatment function, and whether any line says the registered one.
    other_function: Option<&'l PlacedLine>,
    same_function: bool,
    /// Patients in beds for the other sex.
    mixed: u64,
    /// Patients of another age than the ward is for.
    outside: u64,
}

/// The lines of a snapshot by ward, gone through once for all that asks about wards.
pub struct Wards<'l> {
    /// The first line of each ward, requests for a bed included, and the ward where it is registered.
    pub(super) firsts: Vec<(&'l PlacedLine, Option<&'l Ward>)>,
    /// Wards that have lines of beds.
    sums: Vec<Sum<'l>>,
}

impl<'l> Wards<'l> {
    /// Goes through lines.
    #[must_use]
    pub fn of(lines: &'l [PlacedLine], register: &Register<'l>) -> Self {
        let mut wards = Self { firsts: Vec::new(), sums: Vec::new() };
        // Where a ward's sum is; none as long as all its lines are requests.
        let mut places: HashMap<(&Code, &Code), Option<usize>> = HashMap::new();
        let mut last = None;
        for placed in lines {
            let Some(code) = &placed.line.ward_code else { continue };
            let key = (&placed.line.site_code, code);
            // Lines of a ward mostly follow each other.
            let mut at = match last {
                Some((known, at)) if known == key => at,
                _ => *places.entry(key).or_insert_with(|| {
                    wards.firsts.push((placed, register.ward(key.0, key.1)));
                    None
                }),
            };
            if placed.line.line_type != LineType::Demand {
                let sum = *at.get_or_insert_with(|| {
                    places.insert(key, Some(wards.sums.len()));
                    wards.sums.push(Sum::new(key.0, key.1, register.ward(key.0, key.1)));
                    wards.sums.len() - 1
                });
                if let Some(sum) = wards.sums.get_mut(sum) {
                    sum.add(placed);
                }
            }
            last = Some((key, at));
        }
        wards
    }
}

impl<'l> Sum<'l> {
    fn new(site: &'l str, code: &'l str, ward: Option<&'l Ward>) -> Self {
        Self { site, code, ward, beds: 0, other_sex: None, other_function: None, same_function: false, mixed: 0, outside: 0 }
    }

    fn add(&mut self, placed: &'l PlacedLine) {
        let line = &placed.line;
        let quantity = u64::from(line.quantity);
        if !matches!(line.bed_base, Some(BedBase::Escalation | BedBase::Temporary)) {
            self.beds += quantity;
        }
        let Some(ward) = self.ward else { return };
        if says_another_sex(line, ward) {
            self.other_sex = self.other_sex.or(Some(placed));
        }
        if let (Some(said), Some(registered)) =
            (line.treatment_function.as_ref().map(ShortCode::as_str), ward.treatment_function.as_deref())
        {
            if said == registered {
                self.same_function = true;
            } else {
                self.other_function = self.other_function.or(Some(placed));
            }
        }
        if line.line_type != LineType::Occupied {
            return;
        }
        let sex = if line.bay_code.is_some() { line.bed_sex.unwrap_or(ward.bed_sex) } else { ward.bed_sex };
        // A newborn boy is with his mother.
        let other = matches!((sex, line.gender), (BedSex::Male, Some(Gender::Female)) | (BedSex::Female, Some(Gender::Male)));
        if other && line.age_band != Some(AgeBand::A00) {
            self.mixed += quantity;
        }
        if line.age_band.is_some_and(|band| outside(band, ward)) {
            self.outside += quantity;
        }
    }
}

/// A bay may be for another sex than its ward; a line that names no bay speaks of the ward.
fn says_another_sex(line: &Line, ward: &Ward) -> bool {
    line.bay_code.is_none() && line.bed_sex.is_some_and(|sex| sex != ward.bed_sex)
}

/// Whether nobody of a band can be of the ages that a ward is for.
fn outside(band: AgeBand, ward: &Ward) -> bool {
    if ward.min_age.is_none() && ward.max_age.is_none() {
        return false;
    }
    let Some(youngest) = band.lower_bound() else { return false };
    let oldest = if band == AgeBand::A90 { OLDEST } else { youngest + BAND - 1 };
    ward.min_age.is_some_and(|min| oldest < min) || ward.max_age.is_some_and(|max| youngest > max)
}

fn differs(sum: &Sum<'_>, ward: &Ward, mapping: &Mapping) -> Vec<Finding> {
    let said = |what: &str| format!("{}: {what} differs from the register, which is kept.", named(ward));
    let mut findings = Vec::new();
    if let Some(first) = sum.other_sex {
        findings.push(at_field(first, Rule::Ref06, said("bed_sex"), mapping, &["bed_sex"]));
    }
    // Single beds are used by other services every day; that all of them are is another ward than the registered one.
    if let Some(first) = sum.other_function.filter(|_| !sum.same_function) {
        findings.push(at_field(first, Rule::Ref06, said("treatment_function"), mapping, &["treatment_function"]));
    }
    findings
}

fn ordered<'r>(register: &'r Register<'_>) -> Vec<((&'r str, &'r str), &'r Ward)> {
    let mut wards: Vec<_> = register.wards.iter().map(|(key, ward)| (*key, *ward)).collect();
    wards.sort_by_key(|(key, _)| *key);
    wards.retain(|(_, ward)| ward.registered_beds > 0);
    wards
}

fn missing_or_other_size(ward: &Ward, sum: Option<&Sum<'_>>, beside: &Beside<'_>) -> Option<Finding> {
    let limits = beside.limits;
    let key = (ward.site_code.clone(), ward.ward_code.clone());
    let registered = u64::from(ward.registered_beds);
    // Rejected rows are beds that were there: as many as they are, and no more.
    let rejected = beside.rejections.beds.get(&key).copied().unwrap_or(0);
    let beds = match sum {
        Some(sum) => sum.beds,
        None if beside.named.contains(&key) => 0,
        // Where all its rows were rejected, that is what is wrong.
        None if rejected > 0 && !limits.wards_may_vanish => return None,
        None if rejected > 0 => 0,
        None => {
            if ward.may_be_absent {
                let said = format!("{} is not in the snapshot, as the register allows: {registered} beds are registered.", named(ward));
                return Some(Finding::new(Rule::Xro04, said).with_severity(Severity::Information));
            }
            let said = format!("{} is missing from the snapshot: {registered} beds are registered.", named(ward));
            let severity = if limits.wards_may_vanish { Severity::Warning } else { Severity::RejectFile };
            return Some(Finding::new(Rule::Xro04, said).with_severity(severity));
        }
    };
    // A ward that need not be told of at all may as well be told of with none.
    if beds == 0 && ward.may_be_absent {
        return None;
    }
    let apart = if beds < registered { (registered - beds).saturating_sub(rejected) } else { beds - registered };
    let differs = apart > u64::from(limits.register_beds)
        && apart.saturating_mul(100) > registered.saturating_mul(u64::from(limits.register_percent));
    let message = || format!("{}: {beds} beds, register {registered}.", named(ward));
    differs.then(|| Finding::new(Rule::Xro05, message()))
}

/// A ward in words. Its site belongs to it: care homes have wards of the same code.
fn named(ward: &Ward) -> String {
    format!("Ward {} at site {}", quoted_place(&ward.ward_code), quoted_place(&ward.site_code))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::testing::{beds_feed, reference};

    /// What is said of fifteen beds on each of W1 and W2, after a change of the lines and of the register's W1.
    fn said(change: impl Fn(&mut Vec<PlacedLine>), registered: impl Fn(&mut Ward)) -> Vec<String> {
        let mut reference = reference();
        registered(&mut reference.wards[0]);
        let register = Register::new(&reference, &"RM1".parse().unwrap(), "2018-12-03".parse().unwrap());
        let bed = |ward: &str| {
            let mut line = Line::new("RM102", LineType::Occupied);
            line.ward_code = Some(ward.into());
            (line.gender, line.age_band) = (Some(Gender::Male), Some(AgeBand::A80));
            line
        };
        let beds = ["W1", "W2"].into_iter().flat_map(|ward| std::iter::repeat_n(bed(ward), 15));
        let mut lines: Vec<PlacedLine> = beds.zip(2..).map(|(line, row)| PlacedLine { part: "beds".into(), row, line }).collect();
        change(&mut lines);
        let (named, rejections, limits) = (BTreeSet::new(), Rejections::default(), Limits::default());
        let (found, of_another_sex) = check(
            &Wards::of(&lines, &register),
            &register,
            &Beside { named: &named, rejections: &rejections, beds: true, mapping: &beds_feed().mappings[0], limits: &limits },
        );
        keep_the_registers_sex(&mut lines, &register, &of_another_sex);
        assert!(lines.iter().all(|placed| placed.line.bay_code.is_some() || placed.line.bed_sex != Some(BedSex::Female)));
        found.iter().map(|finding| format!("{} {}", finding.rule, finding.message)).collect()
    }

    #[test]
    fn lines_are_compared_with_the_register() {
        type Change = fn(&mut Vec<PlacedLine>);
        type Registered = fn(&mut Ward);
        let none: Change = |_| {};
        let rows: [(Change, Registered, &str); 17] = [
            (none, |_| {}, ""),
            (none, |ward| ward.registered_beds = 17, ""),
            (none, |ward| ward.registered_beds = 18, "XRO-05 Ward W1 at site RM102: 15 beds, register 18."),
            (none, |ward| ward.registered_beds = 12, "XRO-05 Ward W1 at site RM102: 15 beds, register 12."),
            (|lines| lines[0].line.quantity = 4, |_| {}, "XRO-05 Ward W1 at site RM102: 18 beds, register 15."),
            (|lines| (lines[0].line.quantity, lines[0].line.bed_base) = (4, Some(BedBase::Temporary)), |_| {}, ""),
            (
                |lines| lines.retain(|l| l.line.ward_code.as_deref() == Some("W2")),
                |_| {},
                "XRO-04 Ward W1 at site RM102 is missing from the snapshot: 15 beds are registered.",
            ),
            (
                |lines| lines.retain(|l| l.line.ward_code.as_deref() == Some("W2")),
                |ward| ward.may_be_absent = true,
                "XRO-04 Ward W1 at site RM102 is not in the snapshot, as the register allows: 15 beds are registered.",
            ),
            (|lines| lines.retain(|l| l.line.ward_code.as_deref() == Some("W2")), |ward| ward.registered_beds = 0, ""),
            (none, |ward| ward.bed_sex = BedSex::Female, "XRO-06 Mixed-sex placement or coding: 15 patients in beds for the other sex."),
            (
                |lines| lines[0].line.bed_sex = Some(BedSex::Female),
                |_| {},
                "REF-06 Ward W1 at site RM102: bed_sex differs from the register, which is kept.",
            ),
            // A bay may be for another sex.
            (
                |lines| (lines[0].line.bed_sex, lines[0].line.bay_code) = (Some(BedSex::Female), Some("B".into())),
                |_| {},
                "XRO-06 Mixed-sex placement or coding: 1 patients in beds for the other sex.",
            ),
            (
                |lines| lines[0].line.treatment_function = ShortCode::new("100"),
                |ward| ward.treatment_function = Some("300".into()),
                "REF-06 Ward W1 at site RM102: treatment_function differs from the register, which is kept.",
            ),
            (
                |lines| {
                    (lines[0].line.treatment_function, lines[1].line.treatment_function) = (ShortCode::new("100"), ShortCode::new("300"))
                },
                |ward| ward.treatment_function = Some("300".into()),
                "",
            ),
            (none, |ward| ward.max_age = Some(79), "XRO-07 15 persons outside the age range of their ward."),
            (none, |ward| (ward.min_age, ward.max_age) = (Some(84), Some(84)), ""),
            (
                |lines| lines[0].line.age_band = Some(AgeBand::A90),
                |ward| ward.min_age = Some(85),
                "XRO-07 14 persons outside the age range of their ward.",
            ),
        ];
        for (n, (change, registered, expected)) in rows.iter().enumerate() {
            assert_eq!(said(change, registered).join("|"), *expected, "row {n}");
        }
    }

    #[test]
    fn xro_04_and_xro_05_rejected_rows_explain_as_many_beds_as_they_are() {
        let reference = reference();
        let register = Register::new(&reference, &"RM1".parse().unwrap(), "2018-12-03".parse().unwrap());
        // Beds of fifteen on each ward that stand on W1, rows of it rejected, beds those told of, whether it may vanish; what is said.
        let rows = [
            (9, 1, 1, false, "XRO-05"),
            (9, 4, 4, false, ""),
            (9, 1, u64::MAX, false, ""),
            // A patient who waits is no bed.
            (9, 4, 0, false, "XRO-05"),
            (0, 4, 0, false, "XRO-04"),
            (0, 4, 0, true, "XRO-04"),
            (0, 1, 1, true, "XRO-05"),
            (0, 15, 15, true, ""),
            // That the ward would lose all its beds rejects the file.
            (0, 1, 1, false, ""),
            (21, 6, 6, false, "XRO-05"),
        ];
        for (standing, rows, told_of, may_vanish, expected) in rows {
            let line = |ward: &str, quantity| Line { ward_code: Some(ward.into()), quantity, ..Line::new("RM102", LineType::Closed) };
            let of_both = [("W1", standing), ("W2", 15)].into_iter().filter(|(_, beds)| *beds > 0);
            let lines: Vec<PlacedLine> =
                of_both.map(|(ward, beds)| PlacedLine { part: "beds".into(), row: 2, line: line(ward, beds) }).collect();
            let key: WardKey = ("RM102".to_owned(), "W1".to_owned());
            let by = |count: u64| [(key.clone(), count)].into_iter().filter(|(_, count)| *count > 0).collect();
            let rejections = Rejections { rows, by_ward: by(rows), beds: by(told_of), ..Rejections::default() };
            let limits = Limits { wards_may_vanish: may_vanish, ..Limits::default() };
            let (named, feed) = (BTreeSet::new(), beds_feed());
            let beside = Beside { named: &named, rejections: &rejections, beds: true, mapping: &feed.mappings[0], limits: &limits };
            let (found, _) = check(&Wards::of(&lines, &register), &register, &beside);
            let said: Vec<String> = found.iter().map(|finding| finding.rule.to_string()).collect();
            assert_eq!(said.join("|"), expected, "{standing} {rows} {told_of} {may_vanish}");
        }
    }

    #[test]
    fn xro_03_empty_beds_elsewhere_make_up_for_a_crowded_ward_and_many_patients_too_many_reject() {
        use Severity::{RejectFile, Warning};
        // Occupied, empty, short, and what is said of them.
        let rows = [
            (90, 4, 4, None),
            (90, 4, 5, Some((Warning, "90 beds occupied of 89 open"))),
            // Two full wards and a boarder.
            (57, 0, 1, Some((Warning, "57 beds occupied of 56 open"))),
            (15, 0, 5, Some((Warning, "15 beds occupied of 10 open"))),
            (15, 0, 6, Some((RejectFile, "15 beds occupied of 9 open"))),
            (110, 0, 10, Some((Warning, "110 beds occupied of 100 open"))),
            (111, 0, 11, Some((RejectFile, "111 beds occupied of 100 open"))),
            (1338, 0, 557, Some((RejectFile, "1338 beds occupied of 781 open"))),
        ];
        for (occupied, empty, short, expected) in rows {
            let totals = Totals { occupied, empty, ..Totals::default() };
            let said = check_provider(&totals, short, &Limits::default());
            assert_eq!(said.as_ref().map(|said| said.severity), expected.map(|(severity, _)| severity), "{occupied} {empty} {short}");
            assert!(said.is_none_or(|said| expected.is_some_and(|(_, text)| said.message.contains(text))), "{occupied} {empty} {short}");
        }
    }
}
