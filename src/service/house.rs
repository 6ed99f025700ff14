//! The house: what the daemon finds wrong on its own side, for alerts, pages, metrics and `bedfeed status`.
//!
//! Owns what is remembered between two looks, so that a disk at the edge of its reserve is one stretch of trouble.

use crate::alerts::{HouseProblem, HouseTrouble};
use crate::intake::{Counters, Room};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// Looks at our own side.
#[derive(Debug)]
pub(super) struct House {
    state_dir: PathBuf,
    reserve: u64,
    counters: Arc<Counters>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    short: bool,
    /// Uploads refused for want of room, at the last look.
    refused: u64,
}

impl House {
    pub(super) fn new(state_dir: PathBuf, reserve: u64, counters: Arc<Counters>) -> Self {
        Self { state_dir, reserve, counters, seen: Mutex::default() }
    }

    /// What is left on the disk; `None` where the system does not tell.
    pub(super) fn room(&self) -> Option<Room> {
        Room::of(&self.state_dir, self.reserve).inspect_err(|error| tracing::warn!(%error, "the disk cannot be asked for its room")).ok()
    }

    /// What is wrong now.
    pub(super) fn troubles(&self) -> Vec<HouseTrouble> {
        self.room().and_then(|room| self.shortage(room)).into_iter().collect()
    }

    /// The same in a sentence each.
    pub(super) fn notices(&self) -> Vec<String> {
        self.troubles().into_iter().map(|trouble| trouble.text).collect()
    }

    fn shortage(&self, room: Room) -> Option<HouseTrouble> {
        let refused = self.counters.read().no_room;
        // A lock whose holder panicked is still good: both are set in one step.
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        *seen = Seen { short: room.is_short(seen.short, refused > seen.refused), refused };
        seen.short.then(|| HouseTrouble {
            problem: HouseProblem::Disk,
            text: format!(
                "The disk of {} is short of room: {} MiB are free, and {} MiB are kept back for the ledger. Uploads that do not fit are refused; what was accepted is judged and loaded all the same.",
                self.state_dir.display(),
                room.free >> 20,
                room.reserve >> 20
            ),
            what_to_do: "Make room on that disk, or move it to a larger one. Uploads are taken again by themselves; nothing has to be restarted."
                .to_owned(),
        })
    }
}
