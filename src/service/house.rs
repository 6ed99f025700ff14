//! The house: what the daemon finds wrong on its own side, for alerts, pages, metrics and `bedfeed status`.
//!
//! Owns what is remembered between two looks, so that a disk at the edge of its reserve is one stretch of trouble.

use super::doubt::Differences;
use super::jumps::Jumps;
use crate::alerts::{HouseLook, HouseProblem, HouseTrouble, Queue, further_trouble};
use crate::feed::Clock;
use crate::intake::{Counters, Room};
use crate::pipeline::FurtherStanding;
use crate::quarantine::UNKNOWN;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Tells how the further warehouses stand.
type Further = Arc<dyn Fn() -> Vec<FurtherStanding> + Send + Sync>;

/// Looks at our own side.
pub(super) struct House {
    state_dir: PathBuf,
    reserve: u64,
    counters: Arc<Counters>,
    clock: Arc<dyn Clock>,
    further: Further,
    started: Instant,
    seen: Mutex<Seen>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    short: bool,
    /// Uploads refused for want of room, at the last look.
    refused: u64,
    jumps: Jumps,
    /// What only one of ledger and warehouse had when they were compared last.
    differences: Differences,
}

impl House {
    pub(super) fn new(state_dir: PathBuf, reserve: u64, counters: Arc<Counters>, clock: Arc<dyn Clock>, further: Further) -> Self {
        Self { state_dir, reserve, counters, clock, further, started: Instant::now(), seen: Mutex::default() }
    }

    /// What is left on the disk; `None` where the system does not tell.
    pub(super) fn room(&self) -> Option<Room> {
        Room::of(&self.state_dir, self.reserve).inspect_err(|error| tracing::warn!(%error, "the disk cannot be asked for its room")).ok()
    }

    /// What is wrong now.
    pub(super) fn troubles(&self) -> Vec<HouseTrouble> {
        let shortage = self.room().and_then(|room| self.shortage(room));
        shortage.into_iter().chain(self.jump()).chain(self.doubt()).chain(self.lost()).chain(self.further_trouble()).collect()
    }

    /// How the further warehouses stand.
    pub(super) fn further(&self) -> Vec<FurtherStanding> {
        (self.further)()
    }

    fn further_trouble(&self) -> Option<HouseTrouble> {
        let queue = |standing: FurtherStanding| {
            let (waiting, failures) = (u64::try_from(standing.waiting).unwrap_or(u64::MAX), u64::from(standing.failures));
            (standing.name, Queue { waiting, failures, error: standing.error.unwrap_or_default() })
        };
        let all = self.further();
        let refused: Vec<String> = all.iter().filter(|standing| standing.refused > 0).map(refuses).collect();
        let away = further_trouble(&all.into_iter().map(queue).collect::<Vec<_>>());
        if refused.is_empty() {
            return away;
        }
        let refused = refused.join(" ");
        Some(match away {
            Some(trouble) => HouseTrouble { text: format!("{} {refused}", trouble.text), ..trouble },
            None => HouseTrouble {
                problem: HouseProblem::Further,
                text: refused,
                what_to_do:
                    "See in `bedfeed status` and the log why, and mend it there: another bedfeed may be loading into that warehouse, or \
                             its tables were changed. Nothing has to be done here: it is tried again each hour."
                        .to_owned(),
            },
        })
    }

    /// The same, with what cannot be said yet.
    pub(super) fn look(&self) -> HouseLook {
        let settled = |further: &FurtherStanding| further.compared && further.failures == 0;
        let undecided = if self.further().iter().all(settled) { Vec::new() } else { vec![HouseProblem::Further] };
        HouseLook { troubles: self.troubles(), undecided }
    }

    /// What is wrong in a sentence each.
    pub(super) fn notices(&self) -> Vec<String> {
        self.troubles().into_iter().map(|trouble| trouble.text).collect()
    }

    fn shortage(&self, room: Room) -> Option<HouseTrouble> {
        let refused = self.counters.read().no_room;
        let mut seen = self.seen();
        *seen = Seen { short: room.is_short(seen.short, refused > seen.refused), refused, ..*seen };
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

    fn jump(&self) -> Option<HouseTrouble> {
        let jump = self.seen().jumps.look(self.started.elapsed(), self.clock.now())?;
        let way = if jump.is_negative() { "back" } else { "ahead" };
        Some(HouseTrouble {
            problem: HouseProblem::Clock,
            text: format!(
                "The clock of this machine jumped {way} by {} min within the last hour. While it is wrong, good files are set aside as too early, or punctual ones count as late.",
                jump.abs().as_mins()
            ),
            what_to_do: "See that the machine keeps time (timedatectl). What was set aside meanwhile for its time can be reprocessed."
                .to_owned(),
        })
    }

    fn doubt(&self) -> Option<HouseTrouble> {
        let unknown = self.state_dir.join(UNKNOWN);
        let files = std::fs::read_dir(&unknown).map_or(0, Iterator::count);
        let snapshots = self.seen().differences.unknown;
        (files > 0 || snapshots > 0).then(|| HouseTrouble {
            problem: HouseProblem::Ledger,
            text: format!(
                "The ledger is older than what lies beside it, as one that was put in place by hand is: it does not know {files} \
                 received files, which were kept and set aside in {}, and {snapshots} snapshots that the warehouse has.",
                unknown.display(),
            ),
            what_to_do: "Where the newer ledger is still there, stop bedfeed and put it back with the files beside it: the next start takes \
                         back what it knows. Otherwise stop bedfeed and move the whole state folder, and the warehouse, out of the way; keep them. Then run `bedfeed \
                         restore` with the newest backup, and ask the senders for the files since then (docs/reliability.md). Where this \
                         ledger is right and the files have come again, remove what was set aside, and have `bedfeed settle` drop \
                         from the warehouse what it does not know."
                .to_owned(),
        })
    }

    /// Whether the ledger may not be the one that was written here last.
    pub(super) fn in_doubt(&self) -> bool {
        self.doubt().is_some()
    }

    fn lost(&self) -> Option<HouseTrouble> {
        let lost = self.seen().differences.lost;
        (lost > 0).then(|| HouseTrouble {
            problem: HouseProblem::Lost,
            text: format!(
                "The warehouse is not the one that belongs to the ledger: it does not have {lost} snapshots that the ledger says are loaded. \
                 Pages and views show nothing of them, though they count as current here and in receipts, and the same files sent again \
                 count as duplicates."
            ),
            what_to_do: "Stop bedfeed, put the warehouse back where it was moved away, and start bedfeed again. Where it is lost, move the \
                         whole state folder, and the warehouse, out of the way; keep them. Then run `bedfeed restore` with the newest \
                         backup, and ask the senders for the files since then (docs/reliability.md)."
                .to_owned(),
        })
    }

    /// Takes note of what only one of ledger and warehouse has.
    pub(super) fn note_differences(&self, differences: Differences) {
        self.seen().differences = differences;
    }

    /// Takes note of how many deliveries are left in the warehouse that the ledger does not know.
    pub(super) fn note_unknown(&self, unknown: usize) {
        self.seen().differences.unknown = unknown;
    }

    /// A lock whose holder panicked is still good: what it guards is set in one step.
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// That a further warehouse refuses something, in a sentence.
fn refuses(standing: &FurtherStanding) -> String {
    let why = standing.left_out_why.as_deref().unwrap_or_default();
    format!("The further warehouse {} does not take {} of what it is given: {why}.", standing.name, standing.refused)
}
