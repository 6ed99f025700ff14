//! Forward: verified snapshots into the warehouse, exactly once.
//!
//! Owns the warehouse's tables and views, loading, and reading them back. Refuses raw bytes, and retries of its own: the
//! pipeline decides when to try again.

use std::path::PathBuf;

/// `[warehouse]` in the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settings {
    /// `sqlite:PATH`: the embedded warehouse.
    Sqlite {
        /// The database file; relative to the state folder.
        path: PathBuf,
    },
}
