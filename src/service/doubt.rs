//! Doubt: whether the ledger is the one that was written beside what lies in the state folder.
//!
//! Owns the refusal of a ledger that is new where there was one, before anything is changed, and the count of what only one of ledger
//! and warehouse has. Refuses to delete: what looks unknown to the wrong ledger may have been acknowledged.

use super::backup;
use super::start::{StartError, unusable};
use crate::config::Settings;
use crate::feed::{DeliveryId, error_chain};
use crate::forward::WarehouseMoment;
use crate::ledger::{self, LedgerError, Moment, Reader};
use crate::quarantine::Store;
use std::collections::{BTreeMap, BTreeSet};

/// Refuses to begin a new ledger where originals or snapshots tell that there was one.
pub(super) fn refuse_what_lost_its_ledger(settings: &Settings) -> Result<(), StartError> {
    let path = settings.state_dir.join(ledger::FILE_NAME);
    let length = match std::fs::metadata(&path) {
        Ok(facts) => facts.len(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => 0,
        Err(source) => return Err(unusable(&path, source)),
    };
    // What cannot be read is not new: it is refused as what it is when it is opened.
    if length > 0 && !Reader::open(&path).and_then(|reader| reader.is_new()).unwrap_or(false) {
        return Ok(());
    }
    let store = Store::new(&settings.state_dir);
    let listed = |ids: std::io::Result<Vec<DeliveryId>>| ids.map_err(|source| unusable(&settings.state_dir, source));
    let originals = listed(store.accepted_ids())?.len().saturating_add(listed(store.quarantined_ids())?.len());
    let snapshots = snapshots(settings).map_or(0, |there| leads(&there).len());
    if originals == 0 && snapshots == 0 {
        return Ok(());
    }
    let what = format!("there are {originals} received files in the state folder, and {snapshots} snapshots in the warehouse");
    Err(StartError::LedgerGone { path, what })
}

/// How many snapshots only one of ledger and warehouse has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Differences {
    /// The warehouse has them, and the ledger does not know them.
    pub(super) unknown: usize,
    /// The ledger calls them loaded, and the warehouse does not have them.
    pub(super) lost: usize,
}

/// Compares ledger and warehouse. `known`: the deliveries that the ledger knows. A warehouse that is away says nothing: that it is away
/// is told elsewhere.
pub(super) fn differences(settings: &Settings, known: &BTreeMap<DeliveryId, bool>) -> Result<Differences, LedgerError> {
    let Some(snapshots) = snapshots(settings) else { return Ok(Differences::default()) };
    let loads = Moment::hold(&settings.state_dir.join(ledger::FILE_NAME))?.loads()?;
    let unknown = leads(&snapshots).iter().filter(|id| !known.contains_key(id)).count();
    let found = Differences { unknown, lost: backup::lost(&loads, &snapshots).count() };
    if found != Differences::default() {
        tracing::error!(
            unknown_to_the_ledger = found.unknown,
            lost_by_the_warehouse = found.lost,
            "ledger and warehouse do not belong together: `bedfeed status` says what to do"
        );
    }
    Ok(found)
}

fn leads(snapshots: &BTreeSet<(DeliveryId, u32)>) -> BTreeSet<DeliveryId> {
    snapshots.iter().map(|(id, _)| *id).collect()
}

/// What the warehouse has: the delivery that leads each snapshot, with its version. `None` where it is not there or cannot be read. One
/// on a server is not asked: `bedfeed warehouse check` compares it with the ledger.
fn snapshots(settings: &Settings) -> Option<BTreeSet<(DeliveryId, u32)>> {
    let file = WarehouseMoment::file(&settings.warehouse, &settings.state_dir).filter(|file| file.is_file())?;
    let read = WarehouseMoment::hold(&file).and_then(|held| held.snapshots());
    read.inspect_err(|error| tracing::warn!(error = error_chain(error), "whether ledger and warehouse fit was not looked at")).ok()
}
