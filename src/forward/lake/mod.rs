//! The warehouse as a lake: Parquet objects in a folder or a bucket, with manifests that say which of them hold.
//!
//! Owns what is beside the index, which is an embedded warehouse in the state folder (`lake.db`): bedfeed loads into it, reads its pages from
//! it, and lets go in it; what it then says is written into the lake, and only when that stands is a load done. Refuses to write over
//! anything: a name that is taken by something else is somebody else's.
//!
//! The order of writing is the promise. Objects first, the manifest last: a reader sees a snapshot whole or not at all. In letting go the
//! manifest first, then what it no longer names: no reader is sent to what is gone. After a crash at any point the next try finds
//! what is done, by name and by its bytes, and goes on.

mod settings;

#[cfg(feature = "lake")]
mod bucket;
#[cfg(feature = "lake")]
mod duckdb;
#[cfg(feature = "lake")]
mod folder;
#[cfg(feature = "lake")]
mod index;
#[cfg(feature = "lake")]
mod manifest;
#[cfg(feature = "lake")]
mod parquet_file;
#[cfg(feature = "lake")]
mod settle;
#[cfg(feature = "lake")]
mod sign;
#[cfg(feature = "lake")]
mod store;
#[cfg(feature = "lake")]
mod tables;

#[cfg(feature = "lake")]
#[cfg(test)]
mod bucket_tests;
#[cfg(feature = "lake")]
#[cfg(test)]
mod duckdb_tests;
#[cfg(feature = "lake")]
#[cfg(test)]
mod tests;
#[cfg(feature = "lake")]
#[cfg(test)]
mod trouble_tests;

pub use settings::{LakeAddress, LakeBucket, LakeSettings};

use super::ForwardError;
use super::sqlite::Beside;
use std::sync::Arc;

/// The index's file, in the state folder.
#[cfg(all(test, feature = "lake"))]
pub(super) const INDEX: &str = "lake.db";

/// Lists the snapshots that are in a manifest that stands.
pub(super) const SNAPSHOTS: &str =
    "SELECT snapshot_id AS id, version, assessed_at FROM ingest_snapshot JOIN lake_snapshot USING (snapshot_id)";

/// The lake that is to be beside an index.
#[cfg(feature = "lake")]
pub(super) fn beside(settings: &LakeSettings) -> Result<Arc<dyn Beside>, ForwardError> {
    Ok(Arc::new(settle::Lake::new(settings)))
}

/// There is none in this build.
#[cfg(not(feature = "lake"))]
pub(super) fn beside(_settings: &LakeSettings) -> Result<Arc<dyn Beside>, ForwardError> {
    Err(ForwardError::new(super::ForwardErrorKind::Unusable, "opening a lake, which is not in this build (cargo's feature \"lake\")"))
}
