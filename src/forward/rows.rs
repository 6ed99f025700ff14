//! The rows that a snapshot becomes: what every kind of warehouse writes alike, whatever it writes it with.

use super::wards::Wards;
use super::{ForwardError, Load};
use crate::bedstate::{AgeBand, DemandSource, Gender, Line, LineType, Snapshot, WaitBand};
use crate::feed::{DeliveryId, Findings, Severity, Version, current};
use jiff::Timestamp;
use jiff::civil::Date;
use std::collections::BTreeMap;

/// A row of `fact_bed_line`.
pub(super) struct BedRow<'a> {
    pub(super) number: i64,
    pub(super) line: &'a Line,
    pub(super) ward: i64,
}

/// A row of `fact_demand_line`.
pub(super) struct DemandRow<'a> {
    pub(super) number: i64,
    pub(super) line: &'a Line,
    pub(super) ward: Option<i64>,
    pub(super) for_bed_group: &'a str,
    pub(super) for_ward_type: &'a str,
    /// Minutes and band.
    pub(super) wait: Option<(i64, &'static str)>,
}

/// A row of `ingest_issue`, and of `ingest_row_reject` where it is about a rejected row.
pub(super) struct IssueRow<'a> {
    pub(super) number: i64,
    pub(super) rule: &'static str,
    pub(super) severity: &'static str,
    pub(super) part: Option<&'a str>,
    pub(super) line: Option<i64>,
    pub(super) column: Option<&'a str>,
    pub(super) occurrences: i64,
    pub(super) message: Option<&'a str>,
    /// The line of the row that it rejected.
    pub(super) rejects: Option<i64>,
}

/// Refuses a load whose pieces are about different snapshots.
pub(super) fn agree(load: &Load, doing: &str) -> Result<(), ForwardError> {
    let snapshot = load.verified.snapshot();
    if snapshot.slot != load.reference.slot {
        return Err(ForwardError::refused(format!("{doing}: the snapshot fills {}", snapshot.slot)));
    }
    if !load.files.iter().any(|file| file.id == load.reference.lead) {
        return Err(ForwardError::refused(format!("{doing}: the delivery that leads it is not among its files")));
    }
    match load.files.iter().find(|file| file.provider != snapshot.provider) {
        Some(file) => Err(ForwardError::refused(format!("{doing}: delivery {} came from {}", file.id, file.provider))),
        None => Ok(()),
    }
}

/// The rows of a snapshot's lines, numbered through. Every ward that beds are counted on is among `wards` by now.
pub(super) fn lines<'a>(
    snapshot: &'a Snapshot,
    wards: &'a Wards,
    doing: &str,
) -> Result<(Vec<BedRow<'a>>, Vec<DemandRow<'a>>), ForwardError> {
    let (mut beds, mut demands) = (Vec::with_capacity(snapshot.lines.len()), Vec::new());
    for (number, line) in (1_i64..).zip(&snapshot.lines) {
        let ward = line.ward_code.as_deref().and_then(|ward| wards.find(line.site_code.as_str(), ward));
        match (line.line_type, ward) {
            (LineType::Demand, ward) => {
                let (for_bed_group, for_ward_type) = wards.asked_for(line.demand_for.as_deref());
                demands.push(DemandRow { number, line, ward, for_bed_group, for_ward_type, wait: wait(line, snapshot) });
            }
            (_, Some(ward)) => beds.push(BedRow { number, line, ward }),
            (_, None) => return Err(ForwardError::refused(format!("{doing}: line {number} counts beds and names no ward"))),
        }
    }
    Ok((beds, demands))
}

fn wait(line: &Line, snapshot: &Snapshot) -> Option<(i64, &'static str)> {
    let waited = line.wait_from.map(|from| snapshot.snapshot_at.duration_since(from.at()).as_mins())?;
    // A wait that starts within the clocks' tolerance after the snapshot is none.
    Some((waited.max(0), WaitBand::of_minutes(waited).code()))
}

/// The rows of findings: each that was kept, and one for the rest of its kind.
pub(super) fn issues(findings: &Findings) -> Vec<IssueRow<'_>> {
    let mut rows = Vec::new();
    let mut number = 0_i64;
    for finding in findings.iter() {
        number += 1;
        let place = &finding.place;
        let line = place.line.map(int);
        rows.push(IssueRow {
            number,
            rule: finding.rule.id(),
            severity: finding.severity.as_str(),
            part: place.part.as_deref(),
            line,
            column: place.column.as_deref(),
            occurrences: 1,
            message: Some(&finding.message),
            rejects: line.filter(|_| finding.severity == Severity::RejectRow),
        });
    }
    for (rule, severity, count) in findings.counts() {
        let kept = findings.iter().filter(|finding| finding.rule == rule && finding.severity == severity).count();
        let occurrences = int(count).saturating_sub(i64::try_from(kept).unwrap_or(i64::MAX));
        if occurrences > 0 {
            number += 1;
            let (rule, severity) = (rule.id(), severity.as_str());
            let none = None;
            rows.push(IssueRow { number, rule, severity, part: none, line: None, column: none, occurrences, message: none, rejects: None });
        }
    }
    rows
}

/// A version of a slot that is in the warehouse.
pub(super) struct Held {
    pub(super) key: i64,
    pub(super) version: Version,
    pub(super) is_current: bool,
}

/// What becomes of a slot's pointer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Switch {
    /// The version that counts.
    pub(super) winner: i64,
    /// Whether it counted already.
    pub(super) counted: bool,
    /// Those that it takes the place of.
    pub(super) losers: Vec<i64>,
}

/// Which of all versions of a slot counts, now that `new` is among them.
pub(super) fn switch(mut versions: Vec<Held>, new: i64) -> Switch {
    let mut first: BTreeMap<DeliveryId, u32> = BTreeMap::new();
    for Held { version, .. } in &versions {
        first.entry(version.lead).and_modify(|first| *first = version.first.min(*first)).or_insert(version.first);
    }
    for Held { version, .. } in &mut versions {
        version.first = first.get(&version.lead).copied().unwrap_or(version.first);
    }
    let ranked: Vec<Version> = versions.iter().map(|held| held.version).collect();
    let counts = current(&ranked);
    let winner = versions.iter().find(|held| Some(&held.version) == counts).map_or(new, |held| held.key);
    let beaten = |held: &&Held| held.key != winner && (held.is_current || held.key == new);
    Switch {
        winner,
        counted: versions.iter().any(|held| held.key == winner && held.is_current),
        losers: versions.iter().filter(beaten).map(|held| held.key).collect(),
    }
}

/// The delivery that leads a snapshot, by the snapshot's id: that is the delivery's, and may have more after a slash.
pub(super) fn lead_of(snapshot_id: &str) -> Option<DeliveryId> {
    snapshot_id.split('/').next()?.parse().ok()
}

/// A code with its meaning.
pub(super) type Meaning = (&'static str, &'static str);

/// The national and agreed code lists that the dataset itself fixes: genders, then where demand comes from.
pub(super) fn code_lists() -> (Vec<Meaning>, Vec<Meaning>) {
    let genders = Gender::ALL.iter().map(|code| (code.code(), code.meaning()));
    let sources = DemandSource::ALL.iter().map(|code| (code.code(), code.meaning()));
    (genders.collect(), sources.collect())
}

/// The age bands: code, meaning, youngest and oldest age in years.
pub(super) fn age_bands() -> impl Iterator<Item = (&'static str, &'static str, Option<i32>, Option<i32>)> {
    AgeBand::ALL.iter().map(|band| {
        let low = band.lower_bound().map(i32::from);
        let high = low.map(|low| if *band == AgeBand::A90 { 130 } else { low + 4 });
        (band.code(), band.meaning(), low, high)
    })
}

/// The first day of something effective-dated.
pub(super) fn first_day(from: Option<Date>) -> Date {
    from.unwrap_or(Date::constant(1, 1, 1))
}

/// An instant as tables hold it: to the second.
pub(super) fn to_the_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

/// A count as tables hold it. No count comes near the limit.
pub(super) fn int(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshots_id_names_the_delivery_that_leads_it() {
        let id = DeliveryId::new("2018-12-03T10:00:00Z".parse().unwrap(), [1; 10]);
        assert_eq!([lead_of(&id.to_string()), lead_of(&format!("{id}/2")), lead_of("2/x")], [Some(id), Some(id), None]);
    }
}
