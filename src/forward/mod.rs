//! Forward: verified snapshots into the warehouse, exactly once.
//!
//! Owns the warehouse's tables and views, loading, and reading them back. Refuses raw bytes, and retries of its own: the
//! pipeline decides when to try again.

mod error;
mod facts;
mod figures;
mod sqlite;

pub use error::{ForwardError, ForwardErrorKind};
pub use facts::{AgreementRow, Control, FeedFact, FileFact, Load, LoadOutcome, MappingRow, ProviderRow, ReferenceRows, SlotFact};
pub use figures::{FeedHealth, Figures, ProviderFigures, SystemFigures, SystemNow, WardFigures};

use crate::feed::{ProviderCode, SnapshotRef};
use facts::snapshot_id;
use jiff::Timestamp;
use std::path::{Path, PathBuf};

/// `[warehouse]` in the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settings {
    /// `sqlite:PATH`: the embedded warehouse.
    Sqlite {
        /// The database file; relative to the state folder.
        path: PathBuf,
    },
}

/// A handle on the warehouse for writing and reading; clones share one writer.
///
/// Every write is one transaction: after an error nothing of it is there. Dropping the future of a write does not stop a
/// write that has begun.
#[derive(Clone, Debug)]
pub struct Warehouse {
    backend: Backend,
}

/// Reads the warehouse and cannot change it; works while no daemon runs.
#[derive(Clone, Debug)]
pub struct WarehouseReader {
    backend: ReadBackend,
}

#[derive(Clone, Debug)]
enum Backend {
    Sqlite(sqlite::Writer),
}

#[derive(Clone, Debug)]
enum ReadBackend {
    Sqlite(sqlite::Reader),
}

impl Warehouse {
    /// Opens the warehouse, and makes or updates its tables and views where needed. Relative paths lie in `state_dir`. One
    /// that is not available is opened by the first write that finds it back: taking files in must not depend on it.
    ///
    /// # Errors
    /// Where it was made by a newer bedfeed or is not a warehouse.
    pub async fn open(settings: &Settings, state_dir: &Path) -> Result<Self, ForwardError> {
        match settings {
            Settings::Sqlite { path } => Ok(Self { backend: Backend::Sqlite(sqlite::Writer::open(state_dir.join(path)).await?) }),
        }
    }

    /// Loads one snapshot with its facts, sums and control rows in one transaction, or finds that it was loaded before.
    ///
    /// # Errors
    /// Unavailable: try again later. Refused: the load contradicts itself or what is there.
    pub async fn load(&self, load: Load) -> Result<LoadOutcome, ForwardError> {
        match &self.backend {
            Backend::Sqlite(writer) => writer.load(load).await,
        }
    }

    /// Whether a snapshot is in the warehouse: the one that its delivery led at first, or the version it got when it was read
    /// again (`replay`). To be asked after a load whose answer was lost.
    ///
    /// # Errors
    /// Where the warehouse cannot be read.
    pub async fn is_loaded(&self, reference: SnapshotRef, replay: bool) -> Result<bool, ForwardError> {
        match &self.backend {
            Backend::Sqlite(writer) => writer.is_loaded(snapshot_id(reference, replay)).await,
        }
    }

    /// Records facts about feeds, deliveries and slots.
    ///
    /// # Errors
    /// Where the warehouse cannot be written.
    pub async fn publish(&self, control: Control) -> Result<(), ForwardError> {
        match &self.backend {
            Backend::Sqlite(writer) => writer.publish(control).await,
        }
    }

    /// Makes the reference tables say what these rows say, now and whenever the warehouse is opened again.
    ///
    /// # Errors
    /// Where the warehouse cannot be written. The rows are kept all the same, and set before anything is loaded.
    pub async fn set_reference(&self, rows: ReferenceRows) -> Result<(), ForwardError> {
        match &self.backend {
            Backend::Sqlite(writer) => writer.set_reference(rows).await,
        }
    }

    /// Lets the views take `now` for the time until the warehouse is opened again; `None`: the machine's clock, as at first.
    /// For tests and demonstrations.
    ///
    /// # Errors
    /// Where the warehouse cannot be written.
    pub async fn override_clock(&self, now: Option<Timestamp>) -> Result<(), ForwardError> {
        match &self.backend {
            Backend::Sqlite(writer) => writer.override_clock(now).await,
        }
    }

    /// Waits for writes that were asked for, then lets go of the database. Later writes through any clone are unavailable.
    pub async fn close(&self) {
        match &self.backend {
            Backend::Sqlite(writer) => writer.close().await,
        }
    }

    /// A reader of the same warehouse.
    #[must_use]
    pub fn reader(&self) -> WarehouseReader {
        match &self.backend {
            Backend::Sqlite(writer) => WarehouseReader { backend: ReadBackend::Sqlite(writer.reader()) },
        }
    }
}

impl WarehouseReader {
    /// A reader of the warehouse that the settings name. Opens nothing yet.
    #[must_use]
    pub fn new(settings: &Settings, state_dir: &Path) -> Self {
        match settings {
            Settings::Sqlite { path } => Self { backend: ReadBackend::Sqlite(sqlite::Reader::new(state_dir.join(path))) },
        }
    }

    /// Figures now: the whole system's and each registered provider's, one consistent reading.
    ///
    /// # Errors
    /// Where the warehouse cannot be read.
    pub async fn system_now(&self) -> Result<SystemNow, ForwardError> {
        match &self.backend {
            ReadBackend::Sqlite(reader) => reader.system_now().await,
        }
    }

    /// The wards of one provider now; none where its figures are too old to show.
    ///
    /// # Errors
    /// Where the warehouse cannot be read.
    pub async fn provider_now(&self, provider: &ProviderCode) -> Result<Vec<WardFigures>, ForwardError> {
        match &self.backend {
            ReadBackend::Sqlite(reader) => reader.provider_now(provider.clone()).await,
        }
    }

    /// How every registered feed does.
    ///
    /// # Errors
    /// Where the warehouse cannot be read.
    pub async fn feed_health(&self) -> Result<Vec<FeedHealth>, ForwardError> {
        match &self.backend {
            ReadBackend::Sqlite(reader) => reader.feed_health().await,
        }
    }
}
