//! Times: when the figures were true, and whether that is soon enough.
//!
//! Owns the snapshot time of a set (TIM-01, TIM-05, TIM-06; which reading of the repeated hour: `repeated_hour`) and its punctuality (TIM-02, TIM-03, TIM-04). Refuses clocks:
//! lateness is measured at the time of receipt, so that judging again gives the same verdict.

use super::repeated_hour::{Standing, choose};
use super::{Feed, History};
use crate::feed::{Finding, Findings, Place, RepeatedBy, Rule, Severity, Slot, UkClock};
use crate::normalise::mapping::{Mapping, SnapshotTime, TableMapping};
use crate::normalise::table::RawTable;
use crate::normalise::times::{How, Reading, Resolved, TimeProblem, read, read_civil};
use jiff::civil::DateTime;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

/// Different spellings of one snapshot time that a table may have; more means that the times are mixed.
const MAX_SPELLINGS: usize = 8;

/// Formats of a control record's `snapshot_at`, beside RFC 3339 with an offset.
const CONTROL_FORMATS: [&str; 4] = ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M"];

/// The time in a file's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameTime {
    /// The date and time as written.
    pub when: DateTime,
    /// Whether the name says that it is UTC.
    pub utc: bool,
}

/// Gathers every statement of the snapshot time in a set and settles on one instant.
pub struct Clockwork<'a> {
    mapping: &'a Mapping,
    standing: Standing<'a>,
    /// How far names and control records may be from the data.
    name_tolerance: SignedDuration,
    /// What tables, header lines and (where the mapping says so) names state.
    stated: Vec<Said>,
    unreadable: bool,
    findings: Findings,
}

/// One statement of the snapshot time.
struct Said {
    reading: Reading,
    /// What says it, such as "The time in EXTRACT_DTTM".
    what: String,
    place: Place,
}

impl<'a> Clockwork<'a> {
    /// Starts with nothing known.
    #[must_use]
    pub fn new(mapping: &'a Mapping, standing: Standing<'a>, name_tolerance: SignedDuration) -> Self {
        Self { mapping, standing, name_tolerance, stated: Vec::new(), unreadable: false, findings: Findings::default() }
    }

    /// Takes what one table says, with its first line's time and the time in its file's name.
    pub fn table(&mut self, table: &TableMapping, rows: &RawTable, header_line: Option<&str>, name: Option<NameTime>) {
        match &table.snapshot_at {
            SnapshotTime::OtherTable => {}
            SnapshotTime::FileName => match name {
                Some(name) => {
                    let reading = self.named(name);
                    self.take(reading, "The time in the file name", Place::default());
                }
                None => self.fail(Finding::new(Rule::Tim01, "The file name does not say when the figures were true.")),
            },
            SnapshotTime::HeaderLine => {
                let format = table.header_line.as_ref().and_then(|line| line.snapshot_at.as_ref()).map(|(_, format)| format.clone());
                let reading = self.read(header_line.unwrap_or_default(), &format.into_iter().collect::<Vec<_>>());
                self.take(reading, "The time in the first line", Place::default());
            }
            SnapshotTime::Column { column, formats } => {
                let part = table.member.as_deref().unwrap_or(&table.file);
                self.column(rows, part, column, formats);
            }
        }
    }

    fn column(&mut self, table: &RawTable, part: &str, column: &str, formats: &[String]) {
        let Some(at) = table.column(column) else { return };
        let mut spellings: Vec<&str> = Vec::new();
        for row in table.rows() {
            let place = || Place { part: Some(part.to_owned()), line: Some(row.line), column: Some(column.to_owned()) };
            let text = row.field(at);
            if text.is_empty() {
                let message = format!("Line {}: the snapshot time in {column} is missing.", row.line);
                self.fail(Finding { place: place(), ..Finding::new(Rule::Tim01, message) });
                return;
            }
            if spellings.contains(&text) {
                continue;
            }
            if spellings.len() == MAX_SPELLINGS {
                let message = format!("{column} holds many different times; a file is of one moment.");
                self.fail(Finding { place: place(), ..Finding::new(Rule::Tim01, message) });
                return;
            }
            spellings.push(text);
            let reading = self.read(text, formats);
            self.take(reading, &format!("The time in {column}"), place());
            if self.unreadable {
                return;
            }
        }
    }

    fn read(&self, text: &str, formats: &[String]) -> Result<Reading, TimeProblem> {
        read(text, formats, self.mapping.zone, self.mapping.march_gap)
    }

    fn named(&self, name: NameTime) -> Result<Reading, TimeProblem> {
        if !name.utc {
            return read_civil(name.when, self.mapping.zone, self.mapping.march_gap);
        }
        let at = Offset::UTC.to_timestamp(name.when).map_err(|_| TimeProblem::Unreadable)?;
        Ok(Reading::Sure(Resolved { at, how: How::Offset }))
    }

    fn take(&mut self, reading: Result<Reading, TimeProblem>, what: &str, place: Place) {
        let mut finding = match reading {
            Ok(reading) => return self.stated.push(Said { reading, what: what.to_owned(), place }),
            Err(TimeProblem::Missing) => {
                Finding::new(Rule::Tim05, format!("{what} does not exist in Europe/London: the clocks skip that hour in March."))
            }
            Err(TimeProblem::Unreadable) => Finding::new(Rule::Tim01, format!("{what} cannot be read in the agreed format.")),
        };
        finding.place = place;
        self.fail(finding);
    }

    fn fail(&mut self, finding: Finding) {
        self.unreadable = true;
        self.findings.push(finding);
    }

    /// Settles on one instant, and compares it with the names' times and the control record's.
    #[must_use]
    pub fn settle(mut self, names: &[NameTime], control: Option<&str>) -> (Option<Resolved>, Findings) {
        if self.stated.is_empty() {
            if !self.unreadable {
                self.findings.push(Finding::new(Rule::Tim01, "The snapshot time is missing."));
            }
            return (None, self.findings);
        }
        let agreed = match agreed(&self.stated) {
            Ok(agreed) => agreed,
            Err(mixed) => {
                self.findings.push(mixed);
                return (None, self.findings);
            }
        };
        let named = |name: &NameTime| Some(("the time in the file name", self.named(*name).ok()?));
        let mut others: Vec<(&str, Reading)> = names.iter().filter_map(named).collect();
        if let Some(text) = control {
            match self.read(text, &CONTROL_FORMATS.map(str::to_owned)) {
                Ok(control) => others.push(("the time in the control file", control)),
                Err(_) => self.findings.push(Finding::new(Rule::Tim01, "The snapshot_at of the control file cannot be read.")),
            }
        }
        let settled = match agreed {
            Reading::Sure(resolved) => resolved,
            Reading::Twice { first, second } => {
                let (chosen, by) =
                    by_offset([first, second], &others, self.name_tolerance).unwrap_or_else(|| choose(first, second, &self.standing));
                if by != RepeatedBy::Offset {
                    let message = format!("The repeated hour was resolved as {} by {}.", chosen.as_str(), by.as_str());
                    self.findings.push(Finding::new(Rule::Tim06, message));
                }
                Resolved { at: if chosen == UkClock::Bst { first } else { second }, how: How::RepeatedHour { chosen, by } }
            }
        };
        // The files of a set have their time in every name, and in the control record: one wrong time is told once.
        others.dedup();
        self.findings.extend(far_apart(settled.at, &others, self.name_tolerance));
        (Some(settled), self.findings)
    }
}

/// What all statements can mean together: an offset in one of them settles the others.
///
/// # Errors
/// The finding that says which two of them cannot agree.
fn agreed(stated: &[Said]) -> Result<Reading, Finding> {
    let missing = || Finding::new(Rule::Tim01, "The snapshot time is missing.");
    let sure = stated.iter().find(|said| matches!(said.reading, Reading::Sure(_)));
    let one = sure.or(stated.first()).ok_or_else(missing)?;
    let at = one.reading.candidates().next().ok_or_else(missing)?;
    match stated.iter().find(|other| !other.reading.candidates().any(|candidate| candidate == at)) {
        None => Ok(one.reading),
        Some(other) => {
            // The later line of a file is the odd one: most rows say what the first does.
            let (one, other) = if other.place.line < one.place.line { (other, one) } else { (one, other) };
            let message = format!("The snapshot time is mixed: {} and {} differ. A file is of one moment.", said(one), said(other));
            Err(Finding { place: other.place.clone(), ..Finding::new(Rule::Tim01, message) })
        }
    }
}

/// A statement with its place, in the middle of a sentence.
fn said(said: &Said) -> String {
    let what = said.what.replacen("The ", "the ", 1);
    said.place.line.map_or_else(|| what.clone(), |line| format!("{what} on line {line}"))
}

/// The reading that a control record or a name with an offset means; they may be some minutes from the data.
fn by_offset([first, second]: [Timestamp; 2], others: &[(&str, Reading)], tolerance: SignedDuration) -> Option<(UkClock, RepeatedBy)> {
    let near = |at: Timestamp, said: Timestamp| at.duration_since(said).abs() <= tolerance;
    let said = |reading: &Reading| match reading {
        Reading::Sure(Resolved { at, how: How::Offset }) => Some(*at),
        Reading::Sure(_) | Reading::Twice { .. } => None,
    };
    let chosen = others.iter().filter_map(|(_, reading)| said(reading)).find_map(|said| {
        let second = near(second, said).then_some(UkClock::Gmt);
        near(first, said).then_some(UkClock::Bst).or(second)
    });
    Some((chosen?, RepeatedBy::Offset))
}

/// What is said of other statements of the time that lie too far from the one in the data.
fn far_apart(stated: Timestamp, others: &[(&str, Reading)], tolerance: SignedDuration) -> Option<Finding> {
    let apart = |(what, other): &(&str, Reading)| {
        let apart = other.candidates().map(|other| stated.duration_since(other).abs()).min()?;
        (apart > tolerance).then(|| format!("{} from {what}", spoken(apart)))
    };
    let far: Vec<String> = others.iter().filter_map(apart).collect();
    let message = || format!("The snapshot time is {}; at most {} min are allowed.", far.join(" and "), tolerance.as_mins());
    (!far.is_empty()).then(|| Finding::new(Rule::Tim01, message()))
}

/// Judges a snapshot time against receipt and what had been accepted then: future, late, held, replacing, back-filled.
#[must_use]
pub fn punctuality(snapshot_at: Timestamp, received_at: Timestamp, feed: &Feed, history: &History) -> Findings {
    let mut findings = Findings::default();
    let slot = Slot::meant_at(snapshot_at, feed.limits.early_tolerance);
    let ahead = snapshot_at.duration_since(received_at);
    if ahead > feed.limits.future_tolerance {
        let message = format!("The snapshot is {} in the future. Is the source's clock, or its time zone, wrong?", spoken(ahead));
        findings.push(Finding::new(Rule::Tim02, message));
    }
    let age = received_at.duration_since(snapshot_at);
    let late = received_at.duration_since(slot.start()) - feed.due_after;
    if age > feed.limits.hold_after {
        let message = format!("Held: the snapshot is {} old. A person must release it.", spoken(age));
        findings.push(Finding::new(Rule::Tim03, message).with_severity(Severity::RejectFile));
    } else if late > SignedDuration::ZERO {
        let seconds = late.as_secs().saturating_add(i64::from(late.subsec_nanos() > 0));
        let begun = SignedDuration::from_mins(seconds.saturating_add(59) / 60);
        findings.push(Finding::new(Rule::Tim03, format!("Late by {}.", spoken(begun))));
    }
    if let Some(version) = history.until(received_at).filter(|past| past.slot == slot).map(|past| past.version).max() {
        findings.push(Finding::new(Rule::Tim04, format!("This slot already has version {version}.")));
    }
    if history.until(received_at).any(|past| past.slot > slot) {
        findings.push(Finding::new(Rule::Tim04, "Back-filled into history: newer figures are current."));
    }
    findings
}

/// A length of time as people say it: minutes up to two hours, then hours, and from two days on days.
fn spoken(length: SignedDuration) -> String {
    const TWO_HOURS: i64 = 120;
    const TWO_DAYS: i64 = 48 * 60;
    let minutes = length.abs().as_mins();
    let (big, big_unit, small, small_unit) = match minutes {
        ..TWO_HOURS => return format!("{minutes} min"),
        TWO_HOURS..TWO_DAYS => (minutes / 60, "h", minutes % 60, "min"),
        TWO_DAYS.. => (minutes / (24 * 60), "days", minutes / 60 % 24, "h"),
    };
    if small == 0 { format!("{big} {big_unit}") } else { format!("{big} {big_unit} {small} {small_unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_said_as_people_say_them() {
        let rows = [
            (0, "0 min"),
            (119, "119 min"),
            (120, "2 h"),
            (1543, "25 h 43 min"),
            (2879, "47 h 59 min"),
            (2880, "2 days"),
            (525_600, "365 days"),
            (4_410, "3 days 1 h"),
        ];
        for (minutes, expected) in rows {
            assert_eq!(spoken(SignedDuration::from_mins(minutes)), expected);
            assert_eq!(spoken(SignedDuration::from_mins(-minutes)), expected);
        }
    }
}
