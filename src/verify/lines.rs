//! Lines: what a line says, against when it was said and where it is (TIM-07, TIM-08, ROW-06).
//!
//! Owns what is possible but not plausible of one line. Refuses to know how fields depend on each other: that is `rows`.

use super::register::Register;
use super::{Limits, PlacedLine, Rejections, quoted_place};
use crate::bedstate::{BedStatus, Line, LineType, Moment};
use crate::feed::{Finding, Findings, Rule, Severity};
use crate::normalise::mapping::{FieldSource, LineMapping, Mapping, TableMapping};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;

/// Ward classes whose beds may have a critical care level of 2 or 3: critical care, and neonatal care with its own units.
const CRITICAL: [&str; 2] = ["CC", "NEO"];

/// What lines are judged against.
#[derive(Clone, Copy, Debug)]
pub struct Against<'a> {
    /// When the figures were true.
    pub snapshot_at: Timestamp,
    /// The mapping, for the names of columns.
    pub mapping: &'a Mapping,
    /// The wards as registered.
    pub register: &'a Register<'a>,
    /// The feed's limits.
    pub limits: &'a Limits,
}

/// Checks every line, and leaves out the rows that fail.
pub fn check(lines: &mut Vec<PlacedLine>, against: &Against<'_>, rejections: &mut Rejections, findings: &mut Findings) {
    let mut failed = BTreeSet::new();
    let mut updates = Updates::default();
    for placed in lines.iter() {
        if let Some(since) = placed.line.wait_from.map(Moment::at)
            && let Some(finding) = wait(placed, since, against)
        {
            if finding.severity >= Severity::RejectRow {
                failed.insert((placed.part.clone(), placed.row));
            }
            findings.push(finding);
        }
        if let Some(updated) = placed.line.source_updated_at.map(Moment::at) {
            updates.look(placed, updated, against);
        }
        findings.extend(coding(placed, against));
    }
    findings.extend(updates.findings(against));
    rejections.leave_out(lines, &failed);
}

/// Whether there is anything in a line that [`check`] judges.
pub(super) fn is_telling(line: &Line) -> bool {
    line.wait_from.is_some() || line.source_updated_at.is_some() || line.bed_status == Some(BedStatus::Isolated) || is_critical(line)
}

fn is_critical(line: &Line) -> bool {
    line.care_level.as_ref().is_some_and(|level| matches!(level.as_bytes(), b"02" | b"03"))
}

/// The start of a wait: after the snapshot it is impossible, months before it a wrong date, days before it worth a look.
fn wait(placed: &PlacedLine, since: Timestamp, against: &Against<'_>) -> Option<Finding> {
    let (limits, waited) = (against.limits, against.snapshot_at.duration_since(since));
    let column = || column_of(against.mapping, placed, "wait_from").unwrap_or_else(|| "the start of a wait".to_owned());
    let (said, severity) = if waited < -limits.wait_ahead {
        (format!("{} is after the snapshot: a wait cannot start in the future.", column()), Severity::RejectRow)
    } else if waited > limits.wait_longest {
        (format!("{} is more than {} before the snapshot: check the date.", column(), span(limits.wait_longest)), Severity::RejectRow)
    } else if waited > limits.wait_long {
        (
            format!("{} is more than {} before the snapshot: does this patient still wait?", column(), span(limits.wait_long)),
            Severity::Warning,
        )
    } else {
        return None;
    };
    Some(at_field(placed, Rule::Tim07, said, against.mapping, &["wait_from"]).with_severity(severity))
}

/// A length of time as people say it.
fn span(length: SignedDuration) -> String {
    match length.as_hours() {
        hours if hours >= 96 && hours % 24 == 0 => format!("{} days", hours / 24),
        hours if hours > 0 => format!("{hours} hours"),
        _ => format!("{} min", length.as_mins()),
    }
}

/// Rows that were not updated for long, and rows that say they were updated after the snapshot.
#[derive(Default)]
struct Updates<'a> {
    last: Option<(&'a str, u64)>,
    old: Rows<'a>,
    stale: u64,
    ahead: Rows<'a>,
}

/// Rows of which the first is shown.
#[derive(Default)]
struct Rows<'a> {
    first: Option<&'a PlacedLine>,
    count: u64,
}

impl<'a> Rows<'a> {
    fn count(&mut self, placed: &'a PlacedLine) {
        self.first = self.first.or(Some(placed));
        self.count += 1;
    }

    fn finding(&self, said: &str, against: &Against<'_>) -> Option<Finding> {
        let said = format!("{} rows {said}; the first is here.", self.count);
        Some(at_field(self.first?, Rule::Tim08, said, against.mapping, &["source_updated_at"]))
    }
}

impl<'a> Updates<'a> {
    /// The lines of one row follow each other and have one age, so a row is counted at its first line.
    fn look(&mut self, placed: &'a PlacedLine, updated: Timestamp, against: &Against<'_>) {
        let (limits, age) = (against.limits, against.snapshot_at.duration_since(updated));
        let (old, ahead) = (age > limits.update_old, age < -limits.update_ahead);
        if !(old || ahead) || self.last == Some((&placed.part, placed.row)) {
            return;
        }
        self.last = Some((&placed.part, placed.row));
        if ahead {
            self.ahead.count(placed)
        } else {
            self.old.count(placed)
        }
        self.stale += u64::from(age > limits.update_stale);
    }

    fn findings(&self, against: &Against<'_>) -> impl Iterator<Item = Finding> {
        let limits = against.limits;
        let mut said = format!("are older than {}", span(limits.update_old));
        if self.stale > 0 {
            said.push_str(&format!(", {} of them older than {}: these cannot be relied on", self.stale, span(limits.update_stale)));
        }
        let ahead = "say that they were updated after the snapshot: a date or a clock is wrong";
        [self.old.finding(&said, against), self.ahead.finding(ahead, against)].into_iter().flatten()
    }
}

/// Isolation needs a room of its own, and critical care a ward for it; a bed may lack both.
fn coding(placed: &PlacedLine, against: &Against<'_>) -> impl Iterator<Item = Finding> {
    let line = &placed.line;
    let is_bed = line.line_type != LineType::Demand;
    let isolated = is_bed && line.bed_status == Some(BedStatus::Isolated) && line.side_room != Some(true);
    let ward = line.ward_code.as_deref().unwrap_or_default();
    let alone = isolated.then(|| {
        let said = format!("Check coding: a bed on ward {} is isolated and not a side room.", quoted_place(ward));
        at_field(placed, Rule::Row06, said, against.mapping, &["side_room", "bed_status"])
    });
    let registered = if is_bed && is_critical(line) { against.register.ward(&line.site_code, ward) } else { None };
    let elsewhere = registered.filter(|registered| !CRITICAL.contains(&registered.ward_class.as_str()));
    let critical = elsewhere.map(|_| {
        let said = format!("Check coding: care level 2 or 3 on ward {}, which is no critical care ward.", quoted_place(ward));
        at_field(placed, Rule::Row06, said, against.mapping, &["care_level"])
    });
    alone.into_iter().chain(critical)
}

/// A finding at a line's row, in the provider's column for the first of some fields that has one.
pub(super) fn at_field(placed: &PlacedLine, rule: Rule, message: impl Into<String>, mapping: &Mapping, fields: &[&str]) -> Finding {
    let finding = placed.finding(rule, message);
    match fields.iter().find_map(|field| column_of(mapping, placed, field)) {
        Some(column) => finding.in_column(&column),
        None => finding,
    }
}

/// The provider's column that fills a field of a line, or its columns where several are put together. `None` where the mapping
/// says a constant for lines of this type.
fn column_of(mapping: &Mapping, placed: &PlacedLine, field: &str) -> Option<String> {
    let kind = placed.line.line_type.code();
    let tables = mapping.tables.iter().filter(|table| table.member.as_deref().unwrap_or(&table.file) == &*placed.part);
    let lines = tables.flat_map(|table| table.lines.iter().map(move |line| (table, line)));
    let of_kind = lines.filter(|(table, line)| !matches!(source(table, line, "line_type"), Some(FieldSource::Value(code)) if code != kind));
    of_kind.filter_map(|(table, line)| source(table, line, field)).find_map(|source| match source {
        FieldSource::Column { column, .. } => Some(column.clone()),
        FieldSource::Joined { columns, .. } => Some(columns.join(" and ")),
        FieldSource::Value(_) => None,
    })
}

/// What fills a field of a line: its own source, or else its table's.
fn source<'m>(table: &'m TableMapping, line: &'m LineMapping, field: &str) -> Option<&'m FieldSource> {
    let of_table = || table.fields.get(field).filter(|_| !line.omit.iter().any(|omitted| omitted == field));
    line.set.get(field).or_else(of_table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bedstate::ShortCode;
    use crate::verify::testing::{at, beds_feed, reference};

    fn judge(line: Line) -> (String, u64) {
        let feed = beds_feed();
        let reference = reference();
        let register = Register::new(&reference, &feed.provider, "2018-12-03".parse().unwrap());
        let (mapping, limits) = (&feed.mappings[0], &feed.limits);
        let against = Against { snapshot_at: at("2018-12-03T10:15:00Z"), mapping, register: &register, limits };
        let mut lines = vec![PlacedLine { part: "beds".into(), row: 2, line }];
        let (mut rejections, mut findings) = (Rejections::default(), Findings::default());
        check(&mut lines, &against, &mut rejections, &mut findings);
        (findings.iter().map(|finding| finding.message.clone()).collect::<Vec<_>>().join("|"), rejections.rows)
    }

    #[test]
    fn tim_07_and_tim_08_go_by_the_snapshot() {
        let rows = [
            ("2018-12-03T10:20:00Z", "", 0),
            ("2018-12-03T10:20:01Z", "after the snapshot", 1),
            ("2018-11-30T10:15:00Z", "", 0),
            ("2018-11-30T10:14:59Z", "more than 72 hours before", 0),
            ("2018-10-04T10:15:00Z", "more than 72 hours before", 0),
            ("2018-10-04T10:14:59Z", "more than 60 days before", 1),
        ];
        for (since, expected, rejected) in rows {
            let line = Line { wait_from: Some(at(since).into()), ..Line::new("RM102", LineType::Demand) };
            let (said, rows) = judge(line);
            assert!(said.contains(expected) && said.is_empty() == expected.is_empty() && rows == rejected, "{since}: {said}");
        }
        let rows = [
            ("2018-12-03T10:20:00Z", ""),
            (
                "2018-12-03T10:20:01Z",
                "1 rows say that they were updated after the snapshot: a date or a clock is wrong; the first is here.",
            ),
            ("2018-11-26T10:15:00Z", ""),
            ("2018-11-26T10:14:59Z", "1 rows are older than 7 days; the first is here."),
            ("2018-11-02T10:15:00Z", "1 rows are older than 7 days; the first is here."),
            (
                "2018-11-02T10:14:59Z",
                "1 rows are older than 7 days, 1 of them older than 31 days: these cannot be relied on; the first is here.",
            ),
        ];
        for (updated, expected) in rows {
            let line = Line { source_updated_at: Some(at(updated).into()), ..Line::new("RM102", LineType::Empty) };
            assert_eq!(judge(line).0, expected, "{updated}");
        }
    }

    #[test]
    fn row_06_isolation_and_critical_care_need_their_places() {
        let bed = |ward: &str, status, room, level: Option<&str>| {
            let mut line = Line::new("RM102", LineType::Occupied);
            line.ward_code = Some(ward.into());
            (line.bed_status, line.side_room, line.care_level) = (status, room, level.and_then(ShortCode::new));
            judge(line).0
        };
        let isolated = Some(BedStatus::Isolated);
        let rows = [
            (bed("W1", isolated, Some(true), None), ""),
            (bed("W1", isolated, Some(false), None), "not a side room"),
            (bed("W1", isolated, None, None), "not a side room"),
            (bed("W1", Some(BedStatus::Occupied), None, Some("01")), ""),
            (bed("W1", Some(BedStatus::Occupied), None, Some("02")), "no critical care ward"),
            // Nothing is known of a ward that is not registered.
            (bed("W9", Some(BedStatus::Occupied), None, Some("03")), ""),
        ];
        for (n, (said, expected)) in rows.iter().enumerate() {
            assert!(said.contains(expected) && said.is_empty() == expected.is_empty(), "row {n}: {said}");
        }
        let both = bed("W1", isolated, Some(false), Some("02"));
        assert!(both.contains("not a side room") && both.contains("no critical care ward"), "{both}");
    }
}
