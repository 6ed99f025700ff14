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

/// Where one delivery stands. The last four are ends (P2); until then it is pending and visible.
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
            Self::Quarantined { .. } => Outcome::Quarantined,
            Self::Duplicate { .. } => Outcome::Duplicate,
            Self::Tested { .. } => Outcome::Test,
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
            Self::Quarantined { sealed: true, .. } => "sealed",
            Self::Quarantined { discarded: true, .. } => "discarded",
            Self::Quarantined { .. } => "quarantined",
            Self::Duplicate { .. } => "duplicate",
            Self::Tested { .. } => "tested",
        }
    }
}
