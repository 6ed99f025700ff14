//! Times: when the figures were true, and whether that is soon enough.
//!
//! Owns the snapshot time of a set (TIM-01, TIM-05, TIM-06) and its punctuality (TIM-02, TIM-03, TIM-04). Refuses clocks:
//! lateness is measured at the time of receipt, so that judging again gives the same verdict.

use super::{Feed, History};
use crate::feed::{Finding, Findings, Rule, Severity, Slot};
use crate::normalise::mapping::{Mapping, SnapshotTime, TableMapping};
use crate::normalise::table::RawTable;
use crate::normalise::times::{How, Resolved, TimeProblem, resolve, resolve_civil};
use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp};

/// How far the time in a file may lie from the time in its name.
pub const NAME_TOLERANCE: SignedDuration = SignedDuration::from_mins(15);

/// Different spellings of one snapshot time that a table may have; more means that the times are mixed.
const MAX_SPELLINGS: usize = 8;

/// Formats of a control record's `snapshot_at`, beside RFC 3339 with an offset.
const CONTROL_FORMATS: [&str; 4] = ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M"];

/// Gathers every statement of the snapshot time in a set and settles on one instant.
pub struct Clockwork<'a> {
    mapping: &'a Mapping,
    received_at: Timestamp,
    /// What tables, header lines and (where the mapping says so) names state.
    stated: Vec<Resolved>,
    unreadable: bool,
    findings: Findings,
}

impl<'a> Clockwork<'a> {
    /// Starts with nothing known.
    #[must_use]
    pub fn new(mapping: &'a Mapping, received_at: Timestamp) -> Self {
        Self { mapping, received_at, stated: Vec::new(), unreadable: false, findings: Findings::default() }
    }

    /// Takes what one table says, with its first line's time and the time in its file's name.
    pub fn table(&mut self, table: &TableMapping, rows: &RawTable, header_line: Option<&str>, name: Option<DateTime>) {
        match &table.snapshot_at {
            SnapshotTime::OtherTable => {}
            SnapshotTime::FileName => match name {
                Some(name) => {
                    let resolved = resolve_civil(name, self.mapping.zone, self.mapping.march_gap, self.received_at);
                    self.take(resolved, "The time in the file name", None);
                }
                None => self.fail(Finding::new(Rule::Tim01, "The file name does not say when the figures were true.")),
            },
            SnapshotTime::HeaderLine => {
                let format = table.header_line.as_ref().and_then(|line| line.snapshot_at.as_ref()).map(|(_, format)| format.clone());
                let resolved = self.resolve(header_line.unwrap_or_default(), &format.into_iter().collect::<Vec<_>>());
                self.take(resolved, "The time in the first line", None);
            }
            SnapshotTime::Column { column, formats } => self.column(rows, column, formats),
        }
    }

    fn column(&mut self, table: &RawTable, column: &str, formats: &[String]) {
        let Some(at) = table.column(column) else { return };
        let mut spellings: Vec<&str> = Vec::new();
        for row in table.rows() {
            let text = row.field(at);
            if text.is_empty() {
                let message = format!("Line {}: the snapshot time in {column} is missing.", row.line);
                self.fail(Finding::new(Rule::Tim01, message).at_line(row.line).in_column(column));
                return;
            }
            if spellings.contains(&text) {
                continue;
            }
            if spellings.len() == MAX_SPELLINGS {
                self.fail(
                    Finding::new(Rule::Tim01, format!("{column} holds many different times; a file is of one moment.")).in_column(column),
                );
                return;
            }
            spellings.push(text);
            let resolved = self.resolve(text, formats);
            self.take(resolved, &format!("The time in {column}"), Some(row.line));
            if self.unreadable {
                return;
            }
        }
    }

    fn resolve(&self, text: &str, formats: &[String]) -> Result<Resolved, TimeProblem> {
        resolve(text, formats, self.mapping.zone, self.mapping.march_gap, self.received_at)
    }

    fn take(&mut self, resolved: Result<Resolved, TimeProblem>, what: &str, line: Option<u64>) {
        let mut finding = match resolved {
            Ok(resolved) => return self.stated.push(resolved),
            Err(TimeProblem::Missing) => {
                Finding::new(Rule::Tim05, format!("{what} does not exist in Europe/London: the clocks skip that hour in March."))
            }
            Err(TimeProblem::Unreadable) => Finding::new(Rule::Tim01, format!("{what} cannot be read in the agreed format.")),
        };
        finding.place.line = line;
        self.fail(finding);
    }

    fn fail(&mut self, finding: Finding) {
        self.unreadable = true;
        self.findings.push(finding);
    }

    /// Settles on one instant, and compares it with the names' times and the control record's.
    #[must_use]
    pub fn settle(mut self, names: &[DateTime], control: Option<&str>) -> (Option<Resolved>, Findings) {
        let Some(first) = self.stated.first().copied() else {
            if !self.unreadable {
                self.findings.push(Finding::new(Rule::Tim01, "The snapshot time is missing."));
            }
            return (None, self.findings);
        };
        if self.stated.iter().any(|other| other.at != first.at) {
            self.findings.push(Finding::new(Rule::Tim01, "The snapshot time is mixed: a file is of one moment."));
            return (None, self.findings);
        }
        if let How::RepeatedHour { chosen } = first.how {
            let message = format!("The repeated hour was resolved as {} by the time of receipt.", chosen.as_str());
            self.findings.push(Finding::new(Rule::Tim06, message));
        }
        let (mapping, received_at) = (self.mapping, self.received_at);
        let named = |name: &DateTime| Some(resolve_civil(*name, mapping.zone, mapping.march_gap, received_at).ok()?.at);
        let mut others: Vec<(&str, Timestamp)> = names.iter().filter_map(named).map(|at| ("the time in the file name", at)).collect();
        if let Some(text) = control {
            match self.resolve(text, &CONTROL_FORMATS.map(str::to_owned)) {
                Ok(control) => others.push(("the time in the control file", control.at)),
                Err(_) => self.findings.push(Finding::new(Rule::Tim01, "The snapshot_at of the control file cannot be read.")),
            }
        }
        // The files of a set have their time in every name, and in the control record: one wrong time is told once.
        others.dedup();
        self.findings.extend(far_apart(first.at, &others));
        (Some(first), self.findings)
    }
}

/// What is said of other statements of the time that lie too far from the one in the data.
fn far_apart(stated: Timestamp, others: &[(&str, Timestamp)]) -> Option<Finding> {
    let apart = |(what, other): &(&str, Timestamp)| {
        let apart = stated.duration_since(*other).abs();
        (apart > NAME_TOLERANCE).then(|| format!("{} min from {what}", apart.as_mins()))
    };
    let far: Vec<String> = others.iter().filter_map(apart).collect();
    let message = || format!("The snapshot time is {}; at most {} min are allowed.", far.join(" and "), NAME_TOLERANCE.as_mins());
    (!far.is_empty()).then(|| Finding::new(Rule::Tim01, message()))
}

/// Judges a snapshot time against receipt and the past: future, late, held, replacing, back-filled.
#[must_use]
pub fn punctuality(snapshot_at: Timestamp, received_at: Timestamp, feed: &Feed, history: &History) -> Findings {
    let mut findings = Findings::default();
    let slot = Slot::of_snapshot(snapshot_at);
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
    if let Some(version) = history.accepted.iter().filter(|past| past.slot == slot).map(|past| past.version).max() {
        findings.push(Finding::new(Rule::Tim04, format!("This slot already has version {version}.")));
    }
    if history.accepted.iter().any(|past| past.slot > slot) {
        findings.push(Finding::new(Rule::Tim04, "Back-filled into history: newer figures are current."));
    }
    findings
}
