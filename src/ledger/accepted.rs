//! Accepted snapshots, read narrowly: what every warehouse should have.
//!
//! Owns which snapshots there are, and of which retention has deleted what loading one would need or bring back. Refuses to
//! say which warehouse has them: that is the warehouse's to say.

use super::LedgerError;
use super::moment::Moment;
use super::queue::{perhaps, rows, text};
use super::read::Reader;
use crate::feed::{DeliveryId, ProviderCode, SnapshotRef};
use jiff::Timestamp;
use rusqlite::{Row, params};
use std::collections::{BTreeMap, BTreeSet};

/// The classes of what is deleted that leave nothing to load: the original, or the lines or sums that it would bring back.
const NEEDED: &str = "class IN ('raw', 'quarantine', 'rows', 'sums')";

/// A snapshot that was accepted: in the newest version that its delivery has become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptedSnapshot {
    /// Whose.
    pub provider: ProviderCode,
    /// What it is in a warehouse.
    pub snapshot: SnapshotRef,
    /// Whether this version came of reading its delivery again.
    pub replay: bool,
    /// Whether retention has deleted its original, or lines or sums of it.
    pub gone: bool,
    /// When it was judged so.
    pub assessed_at: Option<Timestamp>,
    /// Since when it stands so.
    pub moved_at: Timestamp,
}

/// What the ledger has to say to a warehouse since a place in its chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// The newest entry when it was read.
    pub through: u64,
    /// Snapshots that were accepted, in no order.
    pub snapshots: Vec<AcceptedSnapshot>,
    /// Deliveries that were accepted and are no more: the warehouse refused them. Only asked for with a place to begin at.
    pub taken_back: Vec<DeliveryId>,
}

impl Reader {
    /// The accepted snapshots, waiting for the warehouse or loaded: all, or those that an entry after a place in the chain is about.
    ///
    /// # Errors
    /// The query failed, or something stored cannot be read.
    pub fn accepted_after(&self, seq: Option<u64>) -> Result<Accepted, LedgerError> {
        let through = self.head()?.seq;
        let gone = format!("EXISTS (SELECT 1 FROM disposed AS x WHERE x.delivery = d.id AND x.{NEEDED})");
        let gone = if self.keeps_disposals()? { gone.as_str() } else { "0" };
        let again = "EXISTS (SELECT 1 FROM replayed AS r WHERE r.lead = d.id AND r.version = d.version)";
        let sql = format!(
            "SELECT id, provider, slot, version, {again}, {gone}, moved_at, json_extract(report, '$.assessed_at') FROM delivery AS d WHERE"
        );
        // With the sign: by the ids of what moved, not through all that was ever loaded.
        let stands = "lead = id AND +outcome IN ('pending', 'loaded')";
        let moved = "id IN (SELECT delivery FROM entry WHERE seq > ?1 AND delivery IS NOT NULL)";
        let Some(seq) = seq else {
            let snapshots = rows(self, &format!("{sql} {stands}"), [], accepted)?;
            return Ok(Accepted { through, snapshots, taken_back: Vec::new() });
        };
        let snapshots = rows(self, &format!("{sql} {moved} AND {stands}"), params![seq], accepted)?;
        let refused = format!("SELECT id FROM delivery WHERE {moved} AND +outcome = 'quarantined' AND slot IS NOT NULL");
        Ok(Accepted { through, snapshots, taken_back: rows(self, &refused, params![seq], |row| text(row, 0))? })
    }
}

impl Moment {
    /// When each accepted snapshot was judged: by the delivery that leads it, and its version.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn judged_at(&self) -> Result<BTreeMap<(DeliveryId, u32), Timestamp>, LedgerError> {
        let all = self.reader().accepted_after(None)?.snapshots.into_iter();
        Ok(all.filter_map(|one| Some(((one.snapshot.lead, one.snapshot.version), one.assessed_at?))).collect())
    }

    /// Accepted deliveries that cannot be loaded anew: retention has deleted their originals, or lines or sums of them.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn not_loadable(&self) -> Result<BTreeSet<DeliveryId>, LedgerError> {
        let reader = self.reader();
        if !reader.keeps_disposals()? {
            return Ok(BTreeSet::new());
        }
        let sql = format!("SELECT DISTINCT delivery FROM disposed WHERE {NEEDED}");
        Ok(rows(reader, &sql, [], |row| text(row, 0))?.into_iter().collect())
    }
}

fn accepted(row: &Row<'_>) -> Result<AcceptedSnapshot, LedgerError> {
    let flag = |at: usize| row.get(at).map_err(LedgerError::Read);
    Ok(AcceptedSnapshot {
        provider: text(row, 1)?,
        snapshot: SnapshotRef { lead: text(row, 0)?, slot: text(row, 2)?, version: row.get(3).map_err(LedgerError::Read)? },
        replay: flag(4)?,
        gone: flag(5)?,
        moved_at: text(row, 6)?,
        assessed_at: perhaps(row, 7)?,
    })
}
