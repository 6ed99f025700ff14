//! The words of punctuality: what arrived, how each slot stands, and how the feed stands as a whole.
//!
//! Owns the types that [`judge`](super::judge) takes and gives. Refuses to decide anything.

use crate::feed::{Announced, AnnouncedKind, Delivery, DeliveryId, Folder, Report, Rule, Slot, SnapshotRef, Stage, Version, current};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// One judged delivery (or set of deliveries) of a feed, as the ledger has it. Tests and deliveries that are not judged yet are
/// not arrivals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The slot it fills. `None` where it was rejected before its time could be read: it then counts for the slot in which it came.
    pub slot: Option<Slot>,
    /// When its figures were true, if that is known.
    pub snapshot_at: Option<Timestamp>,
    /// When it (the last part of a set) was complete.
    pub received_at: Timestamp,
    /// Whether it was accepted; otherwise it was set aside.
    pub accepted: bool,
    /// Whether another version of the same slot counts instead.
    pub superseded: bool,
    /// Whether its bytes had been accepted before: it says nothing new, but the sender's job runs. Such a one is not accepted, and
    /// has not been set aside either.
    pub repeated: bool,
    /// Whether its figures are those of so many before it that the feed counts as frozen (PLA-03).
    pub frozen: bool,
}

impl Arrival {
    /// What deliveries in their present stages mean for punctuality. Those that mean nothing are left out: tests, what is not
    /// judged yet, and the parts of a set that do not lead it.
    #[must_use]
    pub fn all<'a>(deliveries: impl Iterator<Item = (&'a Delivery, &'a Stage, Option<&'a Report>)> + Clone) -> Vec<Self> {
        let mut versions: BTreeMap<Slot, Vec<Version>> = BTreeMap::new();
        for (delivery, stage, report) in deliveries.clone() {
            if let Some(snapshot) = stage.snapshot().filter(|snapshot| snapshot.lead == delivery.id) {
                versions.entry(snapshot.slot).or_default().push(version(snapshot, report));
            }
        }
        let counts: BTreeSet<DeliveryId> = versions.values().filter_map(|of_slot| current(of_slot)).map(|version| version.lead).collect();
        // A set is there when its last part is.
        let mut complete: BTreeMap<DeliveryId, Timestamp> = BTreeMap::new();
        for (delivery, stage, _) in deliveries.clone() {
            if let Some(snapshot) = stage.snapshot() {
                let at = complete.entry(snapshot.lead).or_insert(delivery.received_at);
                *at = delivery.received_at.max(*at);
            }
        }
        let superseded = |stage: &Stage| stage.snapshot().is_some_and(|snapshot| !counts.contains(&snapshot.lead));
        let arrival = |(delivery, stage, report): (&Delivery, &Stage, Option<&Report>)| {
            let arrival = Self::of(delivery, stage, report, superseded(stage))?;
            Some(Self { received_at: complete.get(&delivery.id).copied().unwrap_or(arrival.received_at), ..arrival })
        };
        deliveries.filter_map(arrival).collect()
    }

    /// What a delivery in its present stage means for punctuality; `None` where it means nothing: tests, what is not judged yet,
    /// and the parts of a set that do not lead it.
    #[must_use]
    pub fn of(delivery: &Delivery, stage: &Stage, report: Option<&Report>, superseded: bool) -> Option<Self> {
        let (slot, accepted) = match stage {
            _ if delivery.folder == Folder::Test => return None,
            Stage::Ready { snapshot, .. } | Stage::Loaded { snapshot } if snapshot.lead == delivery.id => (Some(snapshot.slot), true),
            Stage::Quarantined { .. } | Stage::HandedBack { .. } => (report.and_then(|report| report.slot), false),
            Stage::Landed | Stage::Waiting { .. } | Stage::Ready { .. } | Stage::Loaded { .. } => return None,
            Stage::Duplicate { .. } => (report.and_then(|report| report.slot), false),
            Stage::Tested { .. } => return None,
        };
        let snapshot_at = report.and_then(|report| report.snapshot_at);
        let frozen = report.is_some_and(|report| report.findings.iter().any(|finding| finding.rule == Rule::Pla03));
        let repeated = matches!(stage, Stage::Duplicate { .. });
        Some(Self { slot, snapshot_at, received_at: delivery.received_at, accepted, superseded, repeated, frozen })
    }
}

/// What decides whether a snapshot counts among its slot's versions.
fn version(snapshot: SnapshotRef, report: Option<&Report>) -> Version {
    let snapshot_at = report.and_then(|report| report.snapshot_at).unwrap_or(snapshot.slot.start());
    Version {
        lead: snapshot.lead,
        first: report.and_then(|report| report.first_version).unwrap_or(snapshot.version),
        version: snapshot.version,
        sequence: report.and_then(|report| report.sequence),
        snapshot_at,
    }
}

/// A stretch in which no file is expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silence {
    /// The first instant; slots that start at it or later are covered.
    pub from: Timestamp,
    /// The first instant no longer covered. `None`: until somebody resumes the feed.
    pub until: Option<Timestamp>,
    /// Planned downtime or a pause.
    pub kind: SilenceKind,
}

impl Silence {
    /// The stretch that somebody announced; `None` where it was cancelled before it began.
    #[must_use]
    pub fn announced(announced: &Announced) -> Option<Self> {
        let (from, until) = announced.stretch()?;
        let kind = match announced.kind {
            AnnouncedKind::Planned => SilenceKind::Planned,
            AnnouncedKind::Paused => SilenceKind::Paused,
        };
        Some(Self { from, until, kind })
    }

    /// The stretch in which bedfeed itself was down.
    #[must_use]
    pub fn outage(from: Timestamp, until: Timestamp) -> Self {
        Self { from, until: Some(until), kind: SilenceKind::Outage }
    }

    /// Whether an instant lies in the stretch.
    #[must_use]
    pub fn covers(&self, at: Timestamp) -> bool {
        self.from <= at && self.until.is_none_or(|until| at < until)
    }

    /// Whether no file is expected for a slot that is due at `due`. Planned silence is announced by slots; but a file comes at one
    /// instant between the slot's start and its due time, and whoever was down at any of them may have missed it.
    #[must_use]
    pub fn excuses(&self, slot: Slot, due: Timestamp) -> bool {
        match self.kind {
            SilenceKind::Planned | SilenceKind::Paused => self.covers(slot.start()),
            SilenceKind::Outage => self.from <= due && self.until.is_none_or(|until| slot.start() < until),
        }
    }
}

/// Why no file is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SilenceKind {
    /// Downtime that the provider announced, with an end.
    Planned,
    /// Support paused the feed.
    Paused,
    /// bedfeed itself was down.
    Outage,
}

/// How one slot of one feed stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SlotState {
    /// Not due yet, and nothing has come.
    Expected,
    /// An accepted file came by the time it was due.
    OnTime,
    /// An accepted file came after it was due, or it is due and nothing has come.
    Late,
    /// Nothing has come, and the time for it has passed.
    Missed,
    /// Only files that were set aside have come.
    Rejected,
    /// An accepted file came, and a later version took its place.
    Superseded,
    /// No file was expected: planned downtime.
    Planned,
    /// No file was expected: the feed was paused.
    Paused,
    /// Something came while it was expected, but with figures of an earlier slot; or what had come before came again.
    Stale,
    /// Nothing has come, and bedfeed itself was down while it was expected.
    Unknown,
}

impl SlotState {
    /// The word used in tables and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Expected => "expected",
            Self::OnTime => "on_time",
            Self::Late => "late",
            Self::Missed => "missed",
            Self::Rejected => "rejected",
            Self::Superseded => "superseded",
            Self::Planned => "planned",
            Self::Paused => "paused",
            Self::Stale => "stale",
            Self::Unknown => "unknown",
        }
    }

    /// The word under which the warehouse counts it: old figures are no figures for the slot, and what nobody can say is still awaited.
    #[must_use]
    pub fn counted_as(self) -> &'static str {
        match self {
            Self::Stale => Self::Missed.as_str(),
            Self::Unknown => Self::Expected.as_str(),
            other => other.as_str(),
        }
    }

    /// One character for a dense grid; letters and signs, so that nothing depends on colour.
    #[must_use]
    pub fn symbol(self) -> char {
        match self {
            Self::Expected => '-',
            Self::OnTime => '.',
            Self::Late => 'L',
            Self::Missed => 'M',
            Self::Rejected => 'R',
            Self::Superseded => 's',
            Self::Planned => 'p',
            Self::Paused => 'z',
            Self::Stale => 'o',
            Self::Unknown => '?',
        }
    }
}

/// How a feed stands, at a glance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Light {
    /// So many slots without an accepted file that the figures must not be relied on.
    Red,
    /// Some slots without an accepted file.
    Amber,
    /// No statement: planned silence, or the first file is still awaited.
    Grey,
    /// In order.
    Green,
}

impl Light {
    /// The word used in tables, metrics and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Red => "red",
            Self::Amber => "amber",
            Self::Grey => "grey",
            Self::Green => "green",
        }
    }
}

/// How old a feed's newest accepted figures are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Freshness {
    /// Recent enough to be shown without a label.
    Current,
    /// Shown, with their age.
    Stale,
    /// There are none, or they are too old to be shown as current.
    NoData,
}

impl Freshness {
    /// The word used in tables and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Stale => "stale",
            Self::NoData => "no_data",
        }
    }
}

/// One slot of the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct SlotStanding {
    /// The slot.
    pub slot: Slot,
    /// When its file was or is due.
    pub due: Timestamp,
    /// How it stands.
    pub state: SlotState,
    /// When its first accepted file came. A late slot without one is still awaited.
    pub filled_at: Option<Timestamp>,
}

/// The beginning of a stretch of one problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Since {
    /// The first slot affected.
    pub slot: Slot,
    /// When the problem became one: not when it was noticed.
    pub at: Timestamp,
}

/// The newest accepted snapshot of a feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Newest {
    /// The slot it fills.
    pub slot: Slot,
    /// When its figures were true.
    pub snapshot_at: Timestamp,
}

/// How a feed stands, as seen at one instant.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Standing {
    /// The last 24 hours, oldest first; shorter for a feed that is newer.
    pub slots: Vec<SlotStanding>,
    /// At a glance.
    pub light: Light,
    /// How old the newest accepted figures are.
    pub freshness: Freshness,
    /// The newest accepted snapshot, by slot.
    pub newest_accepted: Option<Newest>,
    /// When an accepted file last came, whichever slot it filled.
    pub last_accepted_at: Option<Timestamp>,
    /// When the next file is due. `None` while the feed is paused without an end.
    pub next_due: Option<Timestamp>,
    /// Consecutive due slots without an accepted file, up to the newest due one; planned silence is not counted.
    pub behind: u32,
    /// Since when a due file has not come at all, and no later slot was filled. What was missing when silence began is not
    /// counted: whoever announced it knew.
    pub late_since: Option<Since>,
    /// The same, of files whose time has passed altogether.
    pub missed_since: Option<Since>,
    /// Since when what comes is set aside.
    pub rejected_since: Option<Since>,
    /// Since when files come in time and their figures are old.
    pub stale_since: Option<Since>,
    /// Since when the figures do not move.
    pub frozen_since: Option<Since>,
    /// Since when trouble comes and goes; while it does, each stretch of it is worth no message of its own.
    pub unstable_since: Option<Since>,
    /// Whether the feed has been the same for an hour, in order or not: what was unstable is so no more.
    pub steady: bool,
    /// The newest slot at a key time, where it is due and has no figures.
    pub key_time_since: Option<Since>,
    /// Whether nothing was ever accepted.
    pub never_sent: bool,
    /// The next instant, after the one of judging, at which something may be otherwise though nothing comes.
    pub next_look: Timestamp,
    /// The planned silence that covers this instant, if any.
    pub silence: Option<SilenceKind>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::{DeliveryId, Digest, FileName, Sender, SnapshotRef};

    #[test]
    fn only_judged_deliveries_that_lead_a_snapshot_are_arrivals() {
        let received_at: Timestamp = "2018-12-03T10:17:05Z".parse().unwrap();
        let slot: Slot = "2018-12-03T10:15Z".parse().unwrap();
        let (id, other) = (DeliveryId::new(received_at, [7; 10]), DeliveryId::new(received_at, [8; 10]));
        let delivery = |folder| Delivery {
            id,
            provider: "RM1".parse().unwrap(),
            folder,
            name: FileName::parse(b"a.csv").unwrap(),
            bytes: 1,
            sha256: Digest::of(b"a"),
            opened_at: received_at,
            received_at,
            modified_at: None,
            sender: Sender {
                address: "192.0.2.1:50000".parse().unwrap(),
                software: String::new(),
                key: String::new(),
                key_owner: String::new(),
                connected_at: received_at,
                connection: 1,
            },
        };
        let snapshot = |lead| SnapshotRef { lead, slot, version: 1 };
        let report = Report { slot: Some(slot), ..Report::default() };
        let rows = [
            (Stage::Landed, None),
            (Stage::Waiting { set: "s".into(), part: "p".into(), until: received_at }, None),
            (Stage::Ready { snapshot: snapshot(id), attempts: 0, retry_at: received_at }, Some((Some(slot), true))),
            (Stage::Loaded { snapshot: snapshot(id) }, Some((Some(slot), true))),
            (Stage::Loaded { snapshot: snapshot(other) }, None),
            (Stage::Quarantined { sealed: true, discarded: false }, Some((Some(slot), false))),
            (Stage::Duplicate { of: other }, Some((Some(slot), false))),
            (Stage::Tested { accepted: true }, None),
        ];
        for (stage, expected) in rows {
            let arrival = Arrival::of(&delivery(Folder::Inbox), &stage, Some(&report), false);
            assert_eq!(arrival.map(|arrival| (arrival.slot, arrival.accepted)), expected, "{stage:?}");
            assert_eq!(Arrival::of(&delivery(Folder::Test), &stage, Some(&report), false), None, "{stage:?}");
        }
    }
}
