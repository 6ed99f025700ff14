//! Doubt: whether the ledger is the one that was written beside what lies in the state folder.
//!
//! Owns the refusal of a ledger that is new where there was one, before anything is changed, and the count of what the warehouse has
//! and the ledger does not know. Refuses to delete: what looks unknown to the wrong ledger may have been acknowledged.

use super::start::{StartError, unusable};
use crate::config::Settings;
use crate::feed::{DeliveryId, error_chain};
use crate::forward::WarehouseMoment;
use crate::ledger::{self, Reader};
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
    let snapshots = snapshots(settings).len();
    if originals == 0 && snapshots == 0 {
        return Ok(());
    }
    let what = format!("there are {originals} received files in the state folder, and {snapshots} snapshots in the warehouse");
    Err(StartError::LedgerGone { path, what })
}

/// How many snapshots the warehouse has that the ledger does not know.
pub(super) fn unknown_snapshots(settings: &Settings, known: &BTreeMap<DeliveryId, bool>) -> usize {
    snapshots(settings).iter().filter(|id| !known.contains_key(id)).count()
}

/// The deliveries that the warehouse has. One that cannot be read says nothing: that it is away is told elsewhere. One on a server is
/// not asked: `bedfeed warehouse check` compares it with the ledger.
fn snapshots(settings: &Settings) -> BTreeSet<DeliveryId> {
    let Some(file) = WarehouseMoment::file(&settings.warehouse, &settings.state_dir) else { return BTreeSet::new() };
    let read = WarehouseMoment::hold(&file).and_then(|held| held.snapshots());
    let read = read.inspect_err(|error| tracing::warn!(error = error_chain(error), "whether ledger and warehouse fit was not looked at"));
    read.unwrap_or_default().into_iter().map(|(id, _)| id).collect()
}
