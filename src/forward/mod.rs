//! Forward: verified snapshots into the warehouse, exactly once.
//!
//! Owns the warehouse's tables and views, loading, and reading them back. Refuses raw bytes, and retries of its own: the
//! pipeline decides when to try again.

mod calendar;
mod error;
mod facts;
mod figures;
mod lake;
mod moment;
mod postgres;
mod reading;
mod rows;
mod secret;
mod sqlite;
mod statements;
mod wards;

#[cfg(test)]
mod tests;

pub use error::{ForwardError, ForwardErrorKind};
pub use facts::{
    AgreementRow, Control, FeedFact, FileFact, Load, LoadOutcome, MappingRow, OldFigures, ProviderRow, ReferenceRows, SlotFact,
};
pub use figures::{FeedHealth, Figures, ProviderFigures, SystemFigures, SystemNow, WardFigures};
pub use lake::{LakeAddress, LakeBucket, LakeSettings};
pub use moment::WarehouseMoment;
pub use postgres::{Migrate, PostgresAddress, PostgresHost, PostgresPassword, PostgresSettings, PostgresTls};
pub use secret::Secret;

use crate::feed::{DeliveryId, ProviderCode, Slot, SnapshotRef, error_chain};
use facts::snapshot_id;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// `[warehouse]` in the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settings {
    /// `sqlite:PATH`: the embedded warehouse.
    Sqlite {
        /// The database file; relative to the state folder.
        path: PathBuf,
    },
    /// `postgres://USER@HOST:PORT/DATABASE`: a database on a server.
    Postgres(PostgresSettings),
    /// `parquet:…`: objects in a folder or a bucket, in a build with the feature `lake`.
    Lake {
        /// Where the objects are.
        place: LakeSettings,
        /// The index's file; relative to the state folder.
        index: PathBuf,
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
    Postgres(postgres::Writer),
}

#[derive(Clone, Debug)]
enum ReadBackend {
    Sqlite(sqlite::Reader),
    Postgres(postgres::Reader),
}

impl Warehouse {
    /// Opens the warehouse, and makes or updates its tables and views where needed. Relative paths lie in `state_dir`. One
    /// that is not available is opened by the first write that finds it back: taking files in must not depend on it.
    ///
    /// # Errors
    /// Where it was made by a newer bedfeed or is not a warehouse.
    pub async fn open(settings: &Settings, state_dir: &Path) -> Result<Self, ForwardError> {
        let warehouse = Self::unopened(settings, state_dir, None)?;
        match warehouse.opened().await {
            Err(error) if error.kind() == ForwardErrorKind::Unavailable => {
                tracing::error!(error = error_chain(&error), "the warehouse is not available; deliveries wait in the ledger until it is");
                Ok(warehouse)
            }
            opened => opened.map(|()| warehouse),
        }
    }

    /// The same, opened by the first write and not before: nothing is waited for. `reference`: what is set at each opening.
    ///
    /// # Errors
    /// Where this build or this machine can have no such warehouse at all.
    pub fn unopened(settings: &Settings, state_dir: &Path, reference: Option<ReferenceRows>) -> Result<Self, ForwardError> {
        let beside = |file: &Path, beside| sqlite::Writer::new(state_dir.join(file), beside, reference.clone()).map(Backend::Sqlite);
        let backend = match settings {
            Settings::Sqlite { path } => beside(path, None)?,
            Settings::Postgres(settings) => Backend::Postgres(postgres::Writer::new(settings.clone(), reference)),
            Settings::Lake { place, index } => beside(index, Some(lake::beside(place)?))?,
        };
        Ok(Self { backend })
    }

    /// Opens it where it is not open: tables and views are made, or brought up to date, and the reference data are set.
    ///
    /// # Errors
    /// It is not available, was made by a newer bedfeed, or is not a warehouse.
    pub async fn opened(&self) -> Result<(), ForwardError> {
        match &self.backend {
            Backend::Sqlite(writer) => writer.opened().await,
            Backend::Postgres(writer) => writer.opened().await,
        }
    }

    /// Makes the tables and views, or brings them up to date, whoever does that otherwise.
    ///
    /// # Errors
    /// As [`Warehouse::open`]; and where it is not available.
    pub async fn migrate(settings: &Settings, state_dir: &Path) -> Result<(), ForwardError> {
        let settings = match settings {
            Settings::Postgres(settings) => Settings::Postgres(PostgresSettings { migrate: Migrate::AtStart, ..settings.clone() }),
            Settings::Sqlite { .. } | Settings::Lake { .. } => settings.clone(),
        };
        let warehouse = Self::open(&settings, state_dir).await?;
        // One that is away is opened by the first question, or says why it cannot be.
        let nothing = String::new();
        let asked = match &warehouse.backend {
            Backend::Sqlite(writer) => writer.settle().await.map(|()| false),
            Backend::Postgres(writer) => writer.is_loaded(nothing).await,
        };
        warehouse.close().await;
        asked.map(drop)
    }

    /// Loads one snapshot with its facts, sums and control rows in one transaction, or finds that it was loaded before.
    ///
    /// # Errors
    /// Unavailable: try again later. Refused: the load contradicts itself or what is there.
    pub async fn load(&self, load: Load) -> Result<LoadOutcome, ForwardError> {
        match &self.backend {
            Backend::Sqlite(writer) => writer.load(load).await,
            Backend::Postgres(writer) => writer.load(load).await,
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
            Backend::Postgres(writer) => writer.is_loaded(snapshot_id(reference, replay)).await,
        }
    }

    /// The delivery that leads the current snapshot of a feed's slot; `None` where none fills it.
    ///
    /// # Errors
    /// Where the warehouse cannot be read.
    pub async fn current_lead(&self, provider: &ProviderCode, slot: Slot) -> Result<Option<DeliveryId>, ForwardError> {
        match &self.backend {
            Backend::Sqlite(writer) => writer.current_lead(provider.clone(), slot).await,
            Backend::Postgres(writer) => writer.current_lead(provider.clone(), slot).await,
        }
    }

    /// Records facts about feeds, deliveries and slots.
    ///
    /// # Errors
    /// Where the warehouse cannot be written.
    pub async fn publish(&self, control: Control) -> Result<(), ForwardError> {
        match &self.backend {
            Backend::Sqlite(writer) => writer.publish(control).await,
            Backend::Postgres(writer) => writer.publish(control).await,
        }
    }

    /// Deletes the lines of these snapshots for good; gives how many rows there were. Fine where they are gone already.
    ///
    /// # Errors
    /// Where the warehouse cannot be written.
    pub async fn dispose_lines(&self, leads: Vec<DeliveryId>) -> Result<u64, ForwardError> {
        match &self.backend {
            Backend::Sqlite(writer) => writer.dispose_lines(leads).await,
            Backend::Postgres(writer) => writer.dispose_lines(leads).await,
        }
    }

    /// The same for the sums by ward of these snapshots and the findings of these deliveries.
    ///
    /// # Errors
    /// Where the warehouse cannot be written.
    pub async fn dispose_sums(&self, leads: Vec<DeliveryId>) -> Result<u64, ForwardError> {
        match &self.backend {
            Backend::Sqlite(writer) => writer.dispose_sums(leads).await,
            Backend::Postgres(writer) => writer.dispose_sums(leads).await,
        }
    }

    /// All deliveries that it tells of, loaded or not.
    ///
    /// # Errors
    /// Where the warehouse cannot be read.
    pub async fn deliveries(&self) -> Result<BTreeSet<DeliveryId>, ForwardError> {
        match &self.backend {
            Backend::Sqlite(writer) => writer.deliveries().await,
            Backend::Postgres(writer) => writer.deliveries().await,
        }
    }

    /// Drops deliveries with all that is told of them, for good, as if they had never been there; of what is left in their slots the
    /// version that counts is current. Gives how many snapshots went. Fine where they are gone already.
    ///
    /// # Errors
    /// Where the warehouse cannot be written.
    pub async fn drop_deliveries(&self, leads: Vec<DeliveryId>) -> Result<u64, ForwardError> {
        match &self.backend {
            Backend::Sqlite(writer) => writer.drop_deliveries(leads).await,
            Backend::Postgres(writer) => writer.drop_deliveries(leads).await,
        }
    }

    /// Drops a snapshot that is not loaded, and of which there may be a part all the same: a lake's index has it before the lake. What
    /// the lake has of it goes when it can; nothing more is written there.
    ///
    /// # Errors
    /// Where the warehouse cannot be written.
    pub async fn take_back(&self, reference: SnapshotRef, replay: bool) -> Result<(), ForwardError> {
        match &self.backend {
            Backend::Sqlite(writer) => writer.take_back(snapshot_id(reference, replay)).await,
            // A server has it whole or not at all.
            Backend::Postgres(_) => Ok(()),
        }
    }

    /// Waits until all that was written is in every place where it belongs: of a lake, beside its index.
    ///
    /// # Errors
    /// Something is not, and why.
    pub async fn settled(&self) -> Result<(), ForwardError> {
        match &self.backend {
            Backend::Sqlite(writer) => writer.settle().await,
            Backend::Postgres(_) => Ok(()),
        }
    }

    /// Makes the reference tables say what these rows say, now and whenever the warehouse is opened again.
    ///
    /// # Errors
    /// Where the warehouse cannot be written. The rows are kept all the same, and set before anything is loaded.
    pub async fn set_reference(&self, rows: ReferenceRows) -> Result<(), ForwardError> {
        match &self.backend {
            Backend::Sqlite(writer) => writer.set_reference(rows).await,
            Backend::Postgres(writer) => writer.set_reference(rows).await,
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
            Backend::Postgres(writer) => writer.override_clock(now).await,
        }
    }

    /// Waits for writes that were asked for, then lets go of the database. Later writes through any clone are unavailable.
    pub async fn close(&self) {
        match &self.backend {
            Backend::Sqlite(writer) => writer.close().await,
            Backend::Postgres(writer) => writer.close().await,
        }
    }

    /// A reader of the same warehouse.
    #[must_use]
    pub fn reader(&self) -> WarehouseReader {
        match &self.backend {
            Backend::Sqlite(writer) => WarehouseReader { backend: ReadBackend::Sqlite(writer.reader()) },
            Backend::Postgres(writer) => WarehouseReader { backend: ReadBackend::Postgres(writer.reader()) },
        }
    }
}

impl WarehouseReader {
    /// A reader of the warehouse that the settings name. Opens nothing yet.
    #[must_use]
    pub fn new(settings: &Settings, state_dir: &Path) -> Self {
        match settings {
            Settings::Sqlite { path } => {
                Self { backend: ReadBackend::Sqlite(sqlite::Reader::new(state_dir.join(path), statements::SNAPSHOTS)) }
            }
            Settings::Lake { index, .. } => {
                Self { backend: ReadBackend::Sqlite(sqlite::Reader::new(state_dir.join(index), lake::SNAPSHOTS)) }
            }
            Settings::Postgres(settings) => Self { backend: ReadBackend::Postgres(postgres::Reader::new(Arc::new(settings.clone()))) },
        }
    }

    /// Figures now: the whole system's and each registered provider's, one consistent reading.
    ///
    /// # Errors
    /// Where the warehouse cannot be read.
    pub async fn system_now(&self) -> Result<SystemNow, ForwardError> {
        match &self.backend {
            ReadBackend::Sqlite(reader) => reader.system_now().await,
            ReadBackend::Postgres(reader) => reader.system_now().await,
        }
    }

    /// The wards of one provider now; none where its figures are too old to show.
    ///
    /// # Errors
    /// Where the warehouse cannot be read.
    pub async fn provider_now(&self, provider: &ProviderCode) -> Result<Vec<WardFigures>, ForwardError> {
        match &self.backend {
            ReadBackend::Sqlite(reader) => reader.provider_now(provider.clone()).await,
            ReadBackend::Postgres(reader) => reader.provider_now(provider.clone()).await,
        }
    }

    /// Snapshots of slots before an instant that still have lines, the oldest first.
    ///
    /// # Errors
    /// Where the warehouse cannot be read.
    pub async fn old_lines(&self, before: Timestamp) -> Result<Vec<OldFigures>, ForwardError> {
        match &self.backend {
            ReadBackend::Sqlite(reader) => reader.old_lines(before).await,
            ReadBackend::Postgres(reader) => reader.old_lines(before).await,
        }
    }

    /// The same for sums by ward; and deliveries that arrived before then, became no snapshot, and have findings.
    ///
    /// # Errors
    /// Where the warehouse cannot be read.
    pub async fn old_sums(&self, before: Timestamp) -> Result<Vec<OldFigures>, ForwardError> {
        match &self.backend {
            ReadBackend::Sqlite(reader) => reader.old_sums(before).await,
            ReadBackend::Postgres(reader) => reader.old_sums(before).await,
        }
    }

    /// How many lines each of these snapshots has.
    ///
    /// # Errors
    /// Where the warehouse cannot be read.
    pub async fn count_lines(&self, leads: Vec<DeliveryId>) -> Result<Vec<u64>, ForwardError> {
        match &self.backend {
            ReadBackend::Sqlite(reader) => reader.count_lines(leads).await,
            ReadBackend::Postgres(reader) => reader.count_lines(leads).await,
        }
    }

    /// How many sums by ward and findings each of these deliveries has.
    ///
    /// # Errors
    /// Where the warehouse cannot be read.
    pub async fn count_sums(&self, leads: Vec<DeliveryId>) -> Result<Vec<u64>, ForwardError> {
        match &self.backend {
            ReadBackend::Sqlite(reader) => reader.count_sums(leads).await,
            ReadBackend::Postgres(reader) => reader.count_sums(leads).await,
        }
    }

    /// The loaded snapshots: the delivery that leads each, and which version of its slot it is; with when it was judged, to the second.
    ///
    /// # Errors
    /// Where the warehouse cannot be read.
    pub async fn snapshots(&self) -> Result<BTreeMap<(DeliveryId, u32), Timestamp>, ForwardError> {
        match &self.backend {
            ReadBackend::Sqlite(reader) => reader.snapshots().await,
            ReadBackend::Postgres(reader) => reader.snapshots().await,
        }
    }

    /// Snapshots of which there is a part only, in the same words: a lake's index has them, and the lake has not.
    ///
    /// # Errors
    /// Where the warehouse cannot be read.
    pub async fn unfinished(&self) -> Result<BTreeMap<(DeliveryId, u32), Timestamp>, ForwardError> {
        match &self.backend {
            ReadBackend::Sqlite(reader) => reader.unfinished().await,
            ReadBackend::Postgres(_) => Ok(BTreeMap::new()),
        }
    }

    /// How every registered feed does.
    ///
    /// # Errors
    /// Where the warehouse cannot be read.
    pub async fn feed_health(&self) -> Result<Vec<FeedHealth>, ForwardError> {
        match &self.backend {
            ReadBackend::Sqlite(reader) => reader.feed_health().await,
            ReadBackend::Postgres(reader) => reader.feed_health().await,
        }
    }
}
