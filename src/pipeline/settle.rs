//! Settling: the ledger is the right one, so what a warehouse has and the ledger does not know goes.
//!
//! Owns the order: the ledger says first what goes, and by whose word. Refuses to decide which of two ledgers is right, to touch
//! what this one knows, and to drop anything while a legal hold stands: it may cover what is not known.

use super::support::{ActError, Asked, are_words};
use super::worker::Pipeline;
use crate::feed::DeliveryId;
use crate::forward::Warehouse;
use crate::ledger::Event;
use std::collections::BTreeSet;

/// Most deliveries that one act drops: bounds its entry, and how long loads wait for it.
const MOST: usize = 200;

/// What one act did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The deliveries that were dropped.
    pub dropped: Vec<DeliveryId>,
    /// How many are left that the ledger does not know.
    pub left: usize,
}

impl Pipeline {
    /// Drops deliveries from every warehouse that the ledger does not know, so many at most.
    ///
    /// # Errors
    /// Nobody says who and why, a legal hold stands, or ledger or warehouse cannot be read or written. What was recorded can be asked for again.
    pub async fn settle(&self, asked: &Asked) -> Result<Settled, ActError> {
        if !are_words(&asked.by) || !are_words(&asked.reason) {
            return Err(ActError::Words);
        }
        let _acting = self.inner.acting.lock().await;
        // In this order: whatever the warehouse has was in the ledger before.
        let warehouses: Vec<&Warehouse> =
            std::iter::once(&self.inner.warehouse).chain(self.inner.further.iter().map(|further| &further.warehouse)).collect();
        let mut there = BTreeSet::new();
        for warehouse in &warehouses {
            there.extend(warehouse.deliveries().await?);
        }
        let known = self.inner.ledger.read(|reader| reader.all_ids()).await?;
        let unknown: BTreeSet<DeliveryId> = there.into_iter().filter(|id| !known.contains_key(id)).collect();
        let dropped: Vec<DeliveryId> = unknown.iter().copied().take(MOST).collect();
        if !dropped.is_empty() {
            if let Some(row) = self.inner.ledger.read(|reader| reader.holds(false)).await?.first() {
                return Err(ActError::HoldStands(row.hold.number));
            }
            let (by, reason, account) = (asked.by.clone(), asked.reason.clone(), asked.account.clone());
            self.inner.record(vec![Event::Settled { dropped: dropped.clone(), by, reason, account }]).await?;
            for warehouse in &warehouses {
                warehouse.drop_deliveries(dropped.clone()).await?;
            }
            tracing::warn!(
                deliveries = dropped.len(),
                by = asked.by,
                "dropped deliveries from the warehouse that the ledger does not know"
            );
        }
        Ok(Settled { left: unknown.len().saturating_sub(dropped.len()), dropped })
    }
}
