//! Stages: where a delivery stands between acknowledgement and its end.

use super::{DeliveryId, Slot};
use jiff::Timestamp;

/// Which version of which slot a delivery became.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct SnapshotRef {
    /// The snapshot's identity in the warehouse: the id of the delivery that leads it (the file with the rows).
    pub lead: DeliveryId,
    /// The quarter of an hour it fills.
    pub slot: Slot,
    /// 1 for the first snapshot of a feed and slot, one more for each later one.
    pub version: u32,
}

/// Where one delivery stands. The last five are ends (P2); until then it is pending and visible.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "stage", rename_all = "snake_case")]
pub enum Stage {
    /// Acknowledged and durable; not looked at yet.
    Landed,
    /// One part of several that make a snapshot; the others are not here yet.
    Waiting {
        /// What the parts of one snapshot have in common: date, time and sequence from their names.
        set: String,
        /// Which part this is.
        part: String,
        /// When waiting ends and the set counts as incomplete.
        until: Timestamp,
    },
    /// Accepted; its snapshot is to be loaded (or loaded by its lead, where this is another part of the set).
    Ready {
        /// What it becomes in the warehouse.
        snapshot: SnapshotRef,
        /// How many loads have failed so far.
        attempts: u32,
        /// Not to be tried again before this.
        retry_at: Timestamp,
    },
    /// In the warehouse.
    Loaded {
        /// What it became.
        snapshot: SnapshotRef,
    },
    /// Set aside with its findings.
    Quarantined {
        /// An identifier leaked: only the governance role may read it.
        sealed: bool,
        /// Somebody has decided that it will never be loaded.
        discarded: bool,
    },
    /// Set aside, and given back to its sender to be mended: this file will never be loaded.
    HandedBack {
        /// An identifier leaked: its bytes are gone.
        sealed: bool,
        /// What the sender is asked to mend, beside what the findings say.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        mend: Option<String>,
    },
    /// The same content for the same slot was accepted before.
    Duplicate {
        /// The delivery that it repeats.
        of: DeliveryId,
    },
    /// Sent to `test/`, or marked as a test: judged, never loaded.
    Tested {
        /// Whether it would have been accepted.
        accepted: bool,
    },
}

/// How a delivery ended, or that it has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Not at its end yet.
    Pending,
    /// In the warehouse.
    Loaded,
    /// Set aside.
    Quarantined,
    /// Repeats an earlier one.
    Duplicate,
    /// Judged only.
    Test,
}

impl Outcome {
    /// The word used in tables, metrics and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Loaded => "loaded",
            Self::Quarantined => "quarantined",
            Self::Duplicate => "duplicate",
            Self::Test => "test",
        }
    }
}

impl Stage {
    /// How this stage counts.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Landed | Self::Waiting { .. } | Self::Ready { .. } => Outcome::Pending,
            Self::Loaded { .. } => Outcome::Loaded,
            Self::Quarantined { .. } | Self::HandedBack { .. } => Outcome::Quarantined,
            Self::Duplicate { .. } => Outcome::Duplicate,
            Self::Tested { .. } => Outcome::Test,
        }
    }

    /// The slot and version that it fills, where it was accepted.
    #[must_use]
    pub fn snapshot(&self) -> Option<SnapshotRef> {
        match self {
            Self::Ready { snapshot, .. } | Self::Loaded { snapshot } => Some(*snapshot),
            Self::Landed
            | Self::Waiting { .. }
            | Self::Quarantined { .. }
            | Self::HandedBack { .. }
            | Self::Duplicate { .. }
            | Self::Tested { .. } => None,
        }
    }

    /// The stage's name, as in the ledger and in tables.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Landed => "landed",
            Self::Waiting { .. } => "waiting",
            Self::Ready { .. } => "ready",
            Self::Loaded { .. } => "loaded",
            Self::Quarantined { discarded: true, .. } => "discarded",
            Self::Quarantined { sealed: true, .. } => "sealed",
            Self::Quarantined { .. } => "quarantined",
            Self::HandedBack { .. } => "handed_back",
            Self::Duplicate { .. } => "duplicate",
            Self::Tested { .. } => "tested",
        }
    }

    /// Whether a delivery at this stage may move to `next`. Loaded (but for a higher version of the same slot), duplicate,
    /// tested and handed back are ends; a sealed delivery can only be discarded or handed back; any other quarantined one can be
    /// taken up again too (P2).
    #[must_use]
    pub fn may_become(&self, next: &Self) -> bool {
        match self {
            Self::Landed | Self::Waiting { .. } => !matches!(next, Self::Landed | Self::Loaded { .. } | Self::HandedBack { .. }),
            Self::Ready { .. } => matches!(next, Self::Ready { .. } | Self::Loaded { .. } | Self::Quarantined { .. }),
            // Read again, it gets another version of the slot it fills; it is never anything but loaded.
            Self::Loaded { snapshot: old } => {
                matches!(next, Self::Loaded { snapshot: new } if (new.lead, new.slot) == (old.lead, old.slot) && new.version > old.version)
            }
            // What retention was about to delete, and a legal hold came before that: it waits for a decision again.
            Self::Quarantined { sealed, discarded: true } => {
                matches!(next, Self::Quarantined { sealed: still, discarded: false } if still == sealed)
            }
            Self::HandedBack { .. } | Self::Duplicate { .. } | Self::Tested { .. } => false,
            Self::Quarantined { sealed, discarded: false } => match next {
                Self::Landed => !sealed,
                Self::Quarantined { discarded, sealed: still } => *discarded && still == sealed,
                Self::HandedBack { sealed: still, .. } => still == sealed,
                Self::Waiting { .. } | Self::Ready { .. } | Self::Loaded { .. } | Self::Duplicate { .. } | Self::Tested { .. } => false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_an_end_except_that_support_may_take_a_file_out_of_quarantine() {
        let at = "2018-12-03T10:15:00Z".parse::<Timestamp>().unwrap();
        let id = DeliveryId::new(at, [1; 10]);
        let snapshot = SnapshotRef { lead: id, slot: Slot::containing(at), version: 1 };
        let landed = Stage::Landed;
        let waiting = Stage::Waiting { set: "s".to_owned(), part: "beds".to_owned(), until: at };
        let ready = Stage::Ready { snapshot, attempts: 0, retry_at: at };
        let loaded = Stage::Loaded { snapshot };
        let again = Stage::Loaded { snapshot: SnapshotRef { version: 2, ..snapshot } };
        let elsewhere = Stage::Loaded { snapshot: SnapshotRef { slot: snapshot.slot.next(), version: 3, lead: id } };
        let held = Stage::Quarantined { sealed: false, discarded: false };
        let sealed = Stage::Quarantined { sealed: true, discarded: false };
        let gone = Stage::Quarantined { sealed: false, discarded: true };
        let sealed_gone = Stage::Quarantined { sealed: true, discarded: true };
        let back = Stage::HandedBack { sealed: false, mend: Some("the last line".to_owned()) };
        let sealed_back = Stage::HandedBack { sealed: true, mend: None };
        let duplicate = Stage::Duplicate { of: id };
        let tested = Stage::Tested { accepted: true };
        let all = [
            &landed,
            &waiting,
            &ready,
            &loaded,
            &again,
            &elsewhere,
            &held,
            &sealed,
            &gone,
            &sealed_gone,
            &back,
            &sealed_back,
            &duplicate,
            &tested,
        ];
        let rows: [(&Stage, &[&Stage]); 14] = [
            (&landed, &[&waiting, &ready, &held, &sealed, &gone, &sealed_gone, &duplicate, &tested]),
            (&waiting, &[&waiting, &ready, &held, &sealed, &gone, &sealed_gone, &duplicate, &tested]),
            (&ready, &[&ready, &loaded, &again, &elsewhere, &held, &sealed, &gone, &sealed_gone]),
            (&loaded, &[&again]),
            (&again, &[]),
            (&elsewhere, &[]),
            (&held, &[&landed, &gone, &back]),
            (&sealed, &[&sealed_gone, &sealed_back]),
            (&back, &[]),
            (&sealed_back, &[]),
            (&gone, &[&held]),
            (&sealed_gone, &[&sealed]),
            (&duplicate, &[]),
            (&tested, &[]),
        ];
        for (from, to) in rows {
            for next in all {
                assert_eq!(from.may_become(next), to.contains(&next), "{from:?} to {next:?}");
            }
        }
    }
}
