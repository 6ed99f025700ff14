//! Agreement: whether ledger and warehouse say the same about what is loaded.
//!
//! Owns the comparison, for whoever asks while the daemon may go on. Refuses to mend: what is missing comes back from
//! a backup, and what nobody knows is for a person to explain.

use super::backup::{contradictions, lost};
use crate::config::Settings;
use crate::feed::{DeliveryId, error_chain};
use crate::forward::{self, ForwardError, WarehouseReader};
use crate::ledger::{self, LedgerError, Moment};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// In how many rounds a difference has to be found: a load between two readings is none.
const ROUNDS: usize = 3;
/// Pause before each but the first: a load under way is over by then.
const PAUSE: Duration = Duration::from_millis(500);
/// Most differences that are named.
const MOST_NAMED: usize = 1000;

/// What the comparisons found, of each warehouse.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Agreements {
    /// Of the one that pages read.
    pub warehouse: Agreement,
    /// Of those beside it, by name; in words where one cannot be read.
    pub further: Vec<(String, Result<Agreement, String>)>,
}

impl Agreements {
    /// Whether nothing differs, and all could be read.
    #[must_use]
    pub fn are_fine(&self) -> bool {
        let fine = |agreement: &Agreement| agreement.differences.is_empty();
        fine(&self.warehouse) && self.further.iter().all(|(_, found)| found.as_ref().is_ok_and(fine))
    }
}

/// What a comparison found.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Agreement {
    /// Snapshots that the ledger calls loaded.
    pub loaded: usize,
    /// Snapshots in the warehouse, all versions.
    pub snapshots: usize,
    /// Of those that the ledger calls loaded, how many are not there because they were deleted before: only of a further warehouse.
    pub deleted_before: usize,
    /// Each difference in words, up to a thousand.
    pub differences: Vec<String>,
}

/// Why the two were not compared.
#[derive(Debug, thiserror::Error)]
pub enum AgreementError {
    /// The ledger.
    #[error("the ledger cannot be read")]
    Ledger(#[from] LedgerError),
    /// The warehouse.
    #[error("the warehouse cannot be read")]
    Warehouse(#[from] ForwardError),
}

/// Compares every warehouse with the ledger; what differs is looked at again before it is told.
///
/// # Errors
/// The ledger, or the warehouse that pages read, cannot be read.
pub async fn compare_all(settings: &Settings) -> Result<Agreements, AgreementError> {
    let warehouse = compare(settings, &settings.warehouse, false).await?;
    let mut further = Vec::new();
    for (name, place) in &settings.further_warehouses {
        let found = match compare(settings, place, true).await {
            Err(AgreementError::Warehouse(error)) => Err(error_chain(&error)),
            found => Ok(found?),
        };
        further.push((name.clone(), found));
    }
    Ok(Agreements { warehouse, further })
}

/// Compares one of them. A further one may lack what was deleted before it was there.
async fn compare(settings: &Settings, place: &forward::Settings, further: bool) -> Result<Agreement, AgreementError> {
    let warehouse = WarehouseReader::new(place, &settings.state_dir);
    let mut lasting: Option<BTreeSet<String>> = None;
    let mut round = 0;
    loop {
        round += 1;
        // The ledger first: what it calls loaded then is in the warehouse.
        let moment = Moment::hold(&settings.state_dir.join(ledger::FILE_NAME))?;
        let judged = moment.judged_at()?;
        let (mut loads, gone) = (moment.loads()?, if further { moment.not_loadable()? } else { BTreeSet::new() });
        drop(moment);
        let there = warehouse.snapshots().await?;
        let otherwise = judged_otherwise(&judged, &there);
        let snapshots = there.into_keys().collect();
        let deleted: BTreeSet<DeliveryId> = lost(&loads, &snapshots).map(|(id, _)| id).filter(|id| gone.contains(id)).collect();
        let loaded = loads.values().filter(|(_, loaded)| *loaded).count();
        loads.retain(|id, _| !deleted.contains(id));
        let found: BTreeSet<String> = contradictions(&loads, &snapshots, MOST_NAMED).into_iter().chain(otherwise).collect();
        let lasts = match lasting {
            None => found,
            Some(before) => before.intersection(&found).cloned().collect(),
        };
        if lasts.is_empty() || round >= ROUNDS {
            let differences = lasts.into_iter().collect();
            return Ok(Agreement { loaded, snapshots: snapshots.len(), deleted_before: deleted.len(), differences });
        }
        lasting = Some(lasts);
        tokio::time::sleep(PAUSE).await;
    }
}

/// Snapshots that are there by another judgement than the ledger's, in words.
fn judged_otherwise(judged: &BTreeMap<(DeliveryId, u32), Timestamp>, there: &BTreeMap<(DeliveryId, u32), Timestamp>) -> Vec<String> {
    let both = there.iter().filter_map(|(snapshot, there)| judged.get(snapshot).map(|judged| (snapshot, judged, there)));
    let otherwise = both.filter(|(_, judged, there)| judged.as_second() != there.as_second());
    let words = |((lead, version), judged, there): (&(DeliveryId, u32), &Timestamp, &Timestamp)| {
        format!("snapshot {lead}, version {version}: judged at {judged:.0} by the ledger, at {there:.0} by the warehouse")
    };
    otherwise.take(MOST_NAMED).map(words).collect()
}
