//! Agreement: whether ledger and warehouse say the same about what is loaded.
//!
//! Owns the comparison, for whoever asks while the daemon may go on. Refuses to mend: what is missing comes back from
//! a backup, and what nobody knows is for a person to explain.

use super::backup::contradictions;
use crate::config::Settings;
use crate::forward::{ForwardError, WarehouseReader};
use crate::ledger::{self, LedgerError, Moment};
use std::collections::BTreeSet;
use std::time::Duration;

/// In how many rounds a difference has to be found: a load between two readings is none.
const ROUNDS: usize = 3;
/// Pause before each but the first: a load under way is over by then.
const PAUSE: Duration = Duration::from_millis(500);
/// Most differences that are named.
const MOST_NAMED: usize = 1000;

/// What a comparison found.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Agreement {
    /// Snapshots that the ledger calls loaded.
    pub loaded: usize,
    /// Snapshots in the warehouse, all versions.
    pub snapshots: usize,
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

/// Compares the two; what differs is looked at again before it is told.
///
/// # Errors
/// One of them cannot be read.
pub async fn compare(settings: &Settings) -> Result<Agreement, AgreementError> {
    let warehouse = WarehouseReader::new(&settings.warehouse, &settings.state_dir);
    let mut lasting: Option<BTreeSet<String>> = None;
    let mut round = 0;
    loop {
        round += 1;
        // The ledger first: what it calls loaded then is in the warehouse.
        let loads = Moment::hold(&settings.state_dir.join(ledger::FILE_NAME))?.loads()?;
        let snapshots = warehouse.snapshots().await?;
        let found: BTreeSet<String> = contradictions(&loads, &snapshots, MOST_NAMED).into_iter().collect();
        let lasts = match lasting {
            None => found,
            Some(before) => before.intersection(&found).cloned().collect(),
        };
        if lasts.is_empty() || round >= ROUNDS {
            let loaded = loads.values().filter(|(_, loaded)| *loaded).count();
            return Ok(Agreement { loaded, snapshots: snapshots.len(), differences: lasts.into_iter().collect() });
        }
        lasting = Some(lasts);
        tokio::time::sleep(PAUSE).await;
    }
}
