//! Times: when the figures were true, and whether that is soon enough.
//!
//! Owns the snapshot time of a set (TIM-01, TIM-05, TIM-06; which reading of the repeated hour: `repeated_hour`) and its punctuality (TIM-02, TIM-03, TIM-04). Refuses clocks:
//! lateness is measured at the time of receipt, so that judging again gives the same verdict.

use super::repeated_hour::{Standing, choose};
use super::{Feed, History};
use crate::feed::{Finding, Findings, Place, RepeatedBy, Rule, Severity, Slot, UkClock, Version, current};
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
    stated: Vec<Reading>,
    unreadable: bool,
    findings: Findings,
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
            Ok(reading) => return self.stated.push(reading),
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
        let Some(agreed) = agreed(&self.stated) else {
            self.findings.push(Finding::new(Rule::Tim01, "The snapshot time is mixed: a file is of one moment."));
            return (None, self.findings);
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

/// What all statements can mean together: an offset in one of them settles the others. `None` where they cannot agree.
fn agreed(stated: &[Reading]) -> Option<Reading> {
    let sure = stated.iter().find(|reading| matches!(reading, Reading::Sure(_)));
    let agreed = *sure.or(stated.first())?;
    let at = agreed.candidates().next()?;
    stated.iter().all(|other| other.candidates().any(|candidate| candidate == at)).then_some(agreed)
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
        (apart > tolerance).then(|| format!("{} min from {what}", apart.as_mins()))
    };
    let far: Vec<String> = others.iter().filter_map(apart).collect();
    let message = || format!("The snapshot time is {}; at most {} min are allowed.", far.join(" and "), tolerance.as_mins());
    (!far.is_empty()).then(|| Finding::new(Rule::Tim01, message()))
}

/// Judges a snapshot time against receipt and what had been accepted then: future, late, held, replacing or not, back-filled.
/// Of `arrived` the versions are not looked at: it has none yet.
#[must_use]
pub fn punctuality(arrived: &Version, received_at: Timestamp, feed: &Feed, history: &History) -> Findings {
    let mut findings = Findings::default();
    let snapshot_at = arrived.snapshot_at;
    let slot = Slot::meant_at(snapshot_at, feed.limits.early_tolerance);
    let ahead = snapshot_at.duration_since(received_at);
    if ahead > feed.limits.future_tolerance {
        let message = format!("The snapshot is {} min in the future. Is the source's clock, or its time zone, wrong?", ahead.as_mins());
        findings.push(Finding::new(Rule::Tim02, message));
    }
    let age = received_at.duration_since(snapshot_at);
    let late = received_at.duration_since(slot.start()) - feed.due_after;
    if age > feed.limits.hold_after {
        let message = format!("Held: the snapshot is {} hours old. A person must release it.", age.as_hours());
        findings.push(Finding::new(Rule::Tim03, message).with_severity(Severity::RejectFile));
    } else if late > SignedDuration::ZERO {
        let minutes = (late.as_secs() + 59) / 60;
        findings.push(Finding::new(Rule::Tim03, format!("Late by {minutes} min.")));
    }
    if let Some(counts) = history.current_of(slot, received_at) {
        let version = history.until(received_at).filter(|past| past.slot == slot).map(|past| past.version).max().unwrap_or(counts.version);
        let next = version.saturating_add(1);
        let replaces = Version { first: next, version: next, ..*arrived };
        let stays = current(&[counts.as_version(), replaces]) != Some(&replaces);
        let message = if stays {
            format!("This slot's version {} stays in force: its running number, or else its snapshot time, is later.", counts.version)
        } else {
            format!("This slot already has version {version}.")
        };
        findings.push(Finding::new(Rule::Tim04, message));
    }
    if history.until(received_at).any(|past| past.slot > slot) {
        findings.push(Finding::new(Rule::Tim04, "Back-filled into history: newer figures are current."));
    }
    findings
}
