//! What can go wrong at a durable step: the process ends there, the step fails, the warehouse is away or answers too late.

use bedfeed::fault::{self, Moment, Step};
use jiff::SignedDuration;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::world::SimClock;

/// How the warehouse is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    Well,
    Away,
    Slow,
}

/// What is wrong at present.
#[derive(Debug)]
pub(crate) struct Faults {
    /// Nothing is wrong, and nothing is counted: the model is looking.
    pub(crate) paused: bool,
    /// After so many passings the process ends.
    pub(crate) crash_in: Option<u32>,
    /// The disk takes nothing but the ledger, or not even that.
    pub(crate) disk_full: Option<bool>,
    pub(crate) warehouse: Health,
    /// So many commits of the warehouse hold, and nobody hears of it.
    pub(crate) answers_lost: u32,
    /// This step fails, so many times.
    pub(crate) failing: Option<(Step, Moment, u32)>,
    /// Whether anything went wrong since this was last cleared.
    pub(crate) fired: bool,
    /// The state folder as it was when the process ended.
    image: Option<PathBuf>,
    state: PathBuf,
    next_image: PathBuf,
    clock: Arc<SimClock>,
    /// How often something went wrong.
    pub(crate) count: u64,
}

/// The faults of the history that is played.
pub(crate) struct Shared(Arc<Mutex<Faults>>);

impl Shared {
    /// Begins to look at each durable step of this process.
    pub(crate) fn watch(clock: Arc<SimClock>) -> Self {
        let faults = Faults {
            paused: true,
            crash_in: None,
            disk_full: None,
            warehouse: Health::Well,
            answers_lost: 0,
            failing: None,
            fired: false,
            image: None,
            state: PathBuf::new(),
            next_image: PathBuf::new(),
            clock,
            count: 0,
        };
        let shared = Self(Arc::new(Mutex::new(faults)));
        let seen = Arc::clone(&shared.0);
        fault::watch(Some(Box::new(move |step, moment| seen.lock().unwrap_or_else(PoisonError::into_inner).pass(step, moment))));
        shared
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Faults> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the house lives, and where what a crash leaves goes.
    pub(crate) fn lives_in(&self, state: &Path, next_image: &Path) {
        let mut faults = self.lock();
        (faults.state, faults.next_image, faults.image) = (state.to_owned(), next_image.to_owned(), None);
    }

    /// Nothing is wrong any more.
    pub(crate) fn heal(&self) {
        let mut faults = self.lock();
        (faults.crash_in, faults.disk_full, faults.warehouse) = (None, None, Health::Well);
        (faults.answers_lost, faults.failing) = (0, None);
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        fault::watch(None);
    }
}

impl Faults {
    /// What a crash left, where there was one.
    pub(crate) fn crashed(&self) -> Option<&PathBuf> {
        self.image.as_ref()
    }

    /// The process ends here.
    pub(crate) fn crash(&mut self) {
        copy(&self.state, &self.next_image);
        self.image = Some(self.next_image.clone());
        self.crash_in = None;
        self.fire();
    }

    fn pass(&mut self, step: Step, moment: Moment) -> bool {
        // What comes in no story is not counted either, so that a seed plays the story that it once played.
        if self.paused || step > Step::StopRecord {
            return false;
        }
        // What is dead does nothing.
        if self.image.is_some() {
            return true;
        }
        if let Some(left) = self.crash_in.as_mut() {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.crash();
                return true;
            }
        }
        let fails = self.disk_fails(step, moment) || self.warehouse_fails(step, moment) || self.fails(step, moment);
        if fails {
            self.fire();
        }
        fails
    }

    fn fire(&mut self) {
        self.fired = true;
        self.count += 1;
    }

    fn disk_fails(&self, step: Step, moment: Moment) -> bool {
        use Step::{
            FindingsWrite, LedgerCommit, PictureKeep, QuarantineFolder, UploadSync, UploadWrite, WarehouseCommit, WarehousePublish,
        };
        let Some(even_the_ledger) = self.disk_full else { return false };
        let files = [UploadWrite, UploadSync, QuarantineFolder, FindingsWrite, PictureKeep, WarehouseCommit, WarehousePublish];
        moment == Moment::Before && (files.contains(&step) || even_the_ledger && step == LedgerCommit)
    }

    fn warehouse_fails(&mut self, step: Step, moment: Moment) -> bool {
        let its_own = matches!(step, Step::WarehouseCommit | Step::WarehousePublish | Step::WarehouseReference);
        if self.warehouse == Health::Slow && its_own {
            self.clock.advance(SignedDuration::from_secs(7));
        }
        if step == Step::WarehouseCommit && moment == Moment::After && self.answers_lost > 0 {
            self.answers_lost -= 1;
            return true;
        }
        its_own && moment == Moment::Before && self.warehouse == Health::Away
    }

    fn fails(&mut self, step: Step, moment: Moment) -> bool {
        match self.failing.as_mut() {
            Some((which, when, left)) if (*which, *when) == (step, moment) && *left > 0 => {
                *left -= 1;
                true
            }
            _ => false,
        }
    }
}

/// Copies what a process that ended leaves. The index beside a write-ahead log is made again by whoever opens it.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(name));
        } else if !name.to_string_lossy().ends_with("-shm") {
            std::fs::copy(entry.path(), to.join(name)).unwrap();
        }
    }
}
