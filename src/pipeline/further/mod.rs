//! Further warehouses: each is brought to what the ledger has accepted, at its own pace, beside the one that pages read.
//!
//! Owns a place of its own in the queue for each: one that is away holds back nobody else. That place is kept nowhere. What a
//! warehouse has it says itself, and what it should have the ledger says: so one that is new, or was put back from a backup, is
//! filled from the kept originals like one that was away. Refuses to move a delivery between stages: for receipts, pages and
//! alerts about feeds the first warehouse counts. And refuses to load what today's mappings read otherwise than the ledger says:
//! two warehouses never show different figures as the same version.

mod bringing;
mod following;
mod looking;
mod plan;

pub(super) use following::{Following, follow_all};

use super::loading::Shelf;
use crate::feed::Slot;
use crate::forward::Warehouse;
use jiff::Timestamp;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A warehouse beside the first.
pub(super) struct Further {
    /// What the settings call it.
    pub(super) name: String,
    /// Itself.
    pub(super) warehouse: Warehouse,
    /// What was judged just now and is to be loaded into it.
    pub(super) shelf: Shelf,
    standing: Mutex<FurtherStanding>,
}

/// How a further warehouse stands, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FurtherStanding {
    /// What the settings call it.
    pub name: String,
    /// Whether it was compared with the ledger since the start: before that nothing is known of what it lacks.
    pub compared: bool,
    /// Snapshots that wait for it.
    pub waiting: usize,
    /// The oldest slot among them.
    pub oldest: Option<Slot>,
    /// Snapshots that it does not have and will not get, as long as things stay as they are.
    pub left_out: usize,
    /// Of these, snapshots that it was asked to take and refuses: somebody has to look.
    pub refused: usize,
    /// Why one of these is left out.
    pub left_out_why: Option<String>,
    /// Deliveries that it has and the ledger does not know.
    pub unknown: usize,
    /// How often it was tried in vain since it last took something.
    pub failures: u32,
    /// What it said last; `None` where nothing fails.
    pub error: Option<String>,
    /// When it is tried next.
    pub next_try: Option<Timestamp>,
}

impl Further {
    /// One that was opened. Nothing is loaded into it before it is followed.
    pub(super) fn new(name: String, warehouse: Warehouse) -> Self {
        let standing = FurtherStanding { name: name.clone(), ..FurtherStanding::default() };
        Self { name, warehouse, shelf: Shelf::default(), standing: Mutex::new(standing) }
    }

    /// How it stands.
    pub(super) fn standing(&self) -> FurtherStanding {
        self.kept().clone()
    }

    fn note(&self, standing: FurtherStanding) {
        *self.kept() = standing;
    }

    /// A lock whose holder panicked is still good: what it guards is set in one step.
    fn kept(&self) -> MutexGuard<'_, FurtherStanding> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
