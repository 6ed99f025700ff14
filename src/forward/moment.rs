//! The warehouse at one moment, for a backup.

use super::{ForwardError, Settings, sqlite};
use crate::feed::DeliveryId;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The warehouse as it was when it was asked for, while loads go on. Everything that is asked of it is of the same moment.
pub struct WarehouseMoment {
    /// `None`: there is no warehouse yet.
    held: Option<sqlite::Moment>,
}

impl WarehouseMoment {
    /// The file that holds a warehouse, or a lake's index; `None` where it is on a server, whose backups are its own.
    #[must_use]
    pub fn file(settings: &Settings, state_dir: &Path) -> Option<PathBuf> {
        match settings {
            Settings::Sqlite { path } => Some(state_dir.join(path)),
            Settings::Postgres(_) => None,
            Settings::Lake { index, .. } => Some(state_dir.join(index)),
        }
    }

    /// No warehouse: for where it cannot be read, or is on a server.
    #[must_use]
    pub const fn absent() -> Self {
        Self { held: None }
    }

    /// Holds the warehouse in a file as it is now.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn hold(file: &Path) -> Result<Self, ForwardError> {
        Ok(Self { held: sqlite::Moment::hold(file)? })
    }

    /// The loaded snapshots: the delivery that leads each, and which version of its slot it is.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn snapshots(&self) -> Result<BTreeSet<(DeliveryId, u32)>, ForwardError> {
        self.held.as_ref().map_or(Ok(BTreeSet::new()), sqlite::Moment::snapshots)
    }

    /// Says what is wrong with the file itself; `None` where nothing is.
    ///
    /// # Errors
    /// It cannot be read at all.
    pub fn damage(&self) -> Result<Option<String>, ForwardError> {
        self.held.as_ref().map_or(Ok(None), sqlite::Moment::damage)
    }

    /// Copies it into an empty file; `false` where there is nothing to copy. The caller makes it durable.
    ///
    /// # Errors
    /// It could not be read or written.
    pub fn copy_to(&self, path: &Path) -> Result<bool, ForwardError> {
        self.held.as_ref().map_or(Ok(false), |held| held.copy_to(path).map(|()| true))
    }
}
