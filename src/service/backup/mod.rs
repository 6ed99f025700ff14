//! Backups: a consistent copy of everything that is remembered, taken while the daemon goes on, checked, and restored.
//!
//! Owns the order in which things are copied, the list of hashes, and what a restored folder may hold. Refuses to touch the
//! state folder that it copies, and to restore over anything. A backup is a folder of its own below the one that is named:
//!
//! ```text
//! 20181203T101500.123Z/
//!   manifest.json  what it is, of when, up to which entry of the ledger
//!   SHA256SUMS     the hash of every other file, as `sha256sum -c` reads it
//!   ledger.db  warehouse.db  deliveries/  quarantine/  checks/  host_keys/  next_host_keys/  settings/
//! ```

mod check;
mod restore;
mod take;
mod tree;

pub use check::{Checked, check};
pub use restore::{RESTORING, Restored, restore};
pub use take::{Taken, take};

use crate::fault::Injected;
use crate::feed::{DeliveryId, Digest, Stage};
use crate::forward::ForwardError;
use crate::ledger::{Checkpoint, LedgerError};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

/// What the manifest says that it is; another number for another shape.
const FORMAT: &str = "bedfeed backup 1";
/// What tells of a backup.
const MANIFEST: &str = "manifest.json";
/// The hashes of all other files.
const SUMS: &str = "SHA256SUMS";
/// The ledger's copy.
const LEDGER: &str = "ledger.db";
/// The warehouse's copy.
const WAREHOUSE: &str = "warehouse.db";
/// Folders that hold host keys, in a backup.
const HOST_KEYS: [&str; 2] = ["host_keys", "next_host_keys"];
/// The settings' copies.
const SETTINGS: &str = "settings";
/// Most contradictions that are named.
const MOST_NAMED: usize = 20;

/// Why a backup could not be taken, checked or restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file or folder could not be used.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file on the machine could not be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// There is nothing to copy.
    #[error("there is no ledger in {}: bedfeed has not run there yet", .0.display())]
    Nothing(PathBuf),
    /// Two at once.
    #[error("another backup into {} is under way", .0.display())]
    Busy(PathBuf),
    /// Not a backup.
    #[error("{} is no backup, and holds none that is complete", .0.display())]
    NotABackup(PathBuf),
    /// A restored daemon must not start among what another one left.
    #[error("{} is there already: a backup is restored into an empty folder only", .0.display())]
    NotEmpty(PathBuf),
    /// The backup is not whole.
    #[error("the backup has {0} problems; `bedfeed backup verify` names them")]
    Problems(usize),
    /// The manifest.
    #[error("the manifest cannot be read or written")]
    Manifest(#[source] serde_json::Error),
    /// The ledger.
    #[error("the ledger cannot be copied or read")]
    Ledger(#[from] LedgerError),
    /// The warehouse.
    #[error("the warehouse cannot be copied or read")]
    Warehouse(#[from] ForwardError),
}

impl From<Injected> for BackupError {
    fn from(fault: Injected) -> Self {
        Self::Io { doing: "go on with", path: PathBuf::from("the copy"), source: fault.into() }
    }
}

impl BackupError {
    fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, path: path.to_owned(), source }
    }

    fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Unreadable { path: path.to_owned(), source }
    }

    fn is_unreadable(&self) -> bool {
        matches!(self, Self::Unreadable { .. })
    }
}

/// What a backup says of itself.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Manifest {
    /// What it is.
    pub format: String,
    /// bedfeed's version.
    pub bedfeed: String,
    /// When it was begun: whatever was acknowledged before is in it.
    pub taken_at: Timestamp,
    /// The newest entry of the ledger in it.
    pub ledger: Checkpoint,
    /// Deliveries that the ledger knows.
    pub deliveries: u64,
    /// Fingerprint of the settings in it.
    pub settings: Digest,
    /// Deliveries whose bytes were not there to be copied.
    pub missing: Vec<DeliveryId>,
    /// Deliveries whose stored bytes are no longer those that came, or cannot be read.
    pub torn: Vec<DeliveryId>,
    /// Where ledger and warehouse contradicted each other, in words.
    pub contradictions: Vec<String>,
    /// Whether the warehouse is on a server, whose backups are its own: then nothing of it is in here.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub warehouse_elsewhere: bool,
}

impl Manifest {
    /// Whether everything was there, and fitted.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.missing.is_empty() && self.torn.is_empty() && self.contradictions.is_empty()
    }
}

/// In which form a delivery's bytes are to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// As they came: among the accepted ones, or set aside.
    Plain { set_aside: bool },
    /// Sealed: encrypted where there is a key for it.
    Sealed,
}

/// In which form the ledger expects a delivery's bytes; `None`: they are gone for good. Pure.
fn form(stage: &Stage) -> Option<Form> {
    match stage {
        Stage::Quarantined { sealed: true, discarded: true } | Stage::HandedBack { sealed: true, .. } => None,
        Stage::Quarantined { sealed: true, discarded: false } => Some(Form::Sealed),
        Stage::Quarantined { sealed: false, .. } | Stage::HandedBack { sealed: false, .. } => Some(Form::Plain { set_aside: true }),
        Stage::Landed
        | Stage::Waiting { .. }
        | Stage::Ready { .. }
        | Stage::Loaded { .. }
        | Stage::Duplicate { .. }
        | Stage::Tested { .. } => Some(Form::Plain { set_aside: false }),
    }
}

/// Where ledger and warehouse contradict each other, in words. What is accepted and not loaded yet may be there already: the
/// crash that a restored copy wakes up from lies between the two commits. So may another version of what is loaded, where it was
/// read again. So many are named at most. Pure.
pub(super) fn contradictions(
    loads: &BTreeMap<DeliveryId, (u32, bool)>,
    snapshots: &BTreeSet<(DeliveryId, u32)>,
    most: usize,
) -> Vec<String> {
    let lost = lost(loads, snapshots).map(|(id, version)| {
        format!("the ledger says that {id} is loaded as version {version} of its slot, and the warehouse does not have it")
    });
    let unknown: BTreeSet<&DeliveryId> = snapshots.iter().map(|(id, _)| id).filter(|id| !loads.contains_key(id)).collect();
    let unknown = unknown.into_iter().map(|id| format!("the warehouse has {id}, which the ledger does not know as accepted"));
    lost.chain(unknown).take(most).collect()
}

/// What the ledger calls loaded, by the version of its slot, and the warehouse does not have. Pure.
pub(super) fn lost(
    loads: &BTreeMap<DeliveryId, (u32, bool)>,
    snapshots: &BTreeSet<(DeliveryId, u32)>,
) -> impl Iterator<Item = (DeliveryId, u32)> {
    let lost = loads.iter().filter(|(id, (version, loaded))| *loaded && !snapshots.contains(&(**id, *version)));
    lost.map(|(id, (version, _))| (*id, *version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p2_ledger_and_warehouse_may_differ_only_by_a_load_under_way() {
        let id = |number: u8| DeliveryId::new("2018-12-03T10:15:00Z".parse().unwrap(), [number; 10]);
        //    accepted, version, loaded     in the warehouse        contradictions
        let rows = [
            (&[][..], &[][..], 0),
            (&[(1, 1, true), (2, 1, false)], &[(1, 1)], 0),
            (&[(1, 1, true), (2, 1, false)], &[(1, 1), (2, 1)], 0),
            (&[(1, 1, true), (2, 1, true)], &[(1, 1)], 1),
            (&[(1, 1, true)], &[(1, 1), (2, 1)], 1),
            (&[(1, 1, true)], &[(2, 1)], 2),
            // Read again: loaded anew and not recorded yet, both, and lost.
            (&[(1, 1, true)], &[(1, 1), (1, 3)], 0),
            (&[(1, 3, true)], &[(1, 1), (1, 3)], 0),
            (&[(1, 3, true)], &[(1, 1)], 1),
            (&[], &[(1, 1), (1, 3)], 1),
        ];
        for (loads, snapshots, expected) in rows {
            let loads = loads.iter().map(|(number, version, loaded)| (id(*number), (*version, *loaded))).collect();
            let snapshots = snapshots.iter().map(|(number, version)| (id(*number), *version)).collect();
            assert_eq!(contradictions(&loads, &snapshots, MOST_NAMED).len(), expected, "{loads:?} {snapshots:?}");
        }
    }
}
