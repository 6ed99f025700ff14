//! Quarantine: rejected deliveries wait here with their findings.
//!
//! Owns where a delivery's bytes are kept: `deliveries/<id>` while it is good or undecided, `quarantine/<id>/original`
//! once it is set aside. Refuses to judge, to look inside a file, and to show a sealed one.
//!
//! Moving is idempotent and follows the ledger: the ledger says where a delivery stands, and [`Store::settle`] puts the
//! bytes where that belongs, at once or at the next start.

use crate::feed::{DeliveryId, Report};
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The folder of accepted originals, in the state folder.
pub const DELIVERIES: &str = "deliveries";
/// The folder of rejected ones.
pub const QUARANTINE: &str = "quarantine";
/// A rejected delivery's bytes, in its own folder.
const ORIGINAL: &str = "original";
/// Its findings, in the same folder.
const FINDINGS: &str = "findings.json";

/// Why a stored original could not be read or moved.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} the stored original of delivery {delivery}")]
pub struct StoreError {
    /// What was being done.
    pub doing: &'static str,
    /// To which delivery.
    pub delivery: DeliveryId,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

/// Where a delivery's bytes belong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Among the accepted originals.
    Deliveries,
    /// Set aside; a sealed one is readable by its owner alone and never opened by bedfeed again.
    Quarantine {
        /// An identifier leaked.
        sealed: bool,
    },
}

/// The stored originals.
#[derive(Clone, Debug)]
pub struct Store {
    state_dir: PathBuf,
}

impl Store {
    /// The store in a state folder.
    #[must_use]
    pub fn new(state_dir: &Path) -> Self {
        Self { state_dir: state_dir.to_owned() }
    }

    /// A delivery's bytes, wherever they are. The caller has checked that it is not sealed.
    ///
    /// # Errors
    /// They are in neither place, or cannot be read.
    pub fn read(&self, delivery: DeliveryId) -> Result<Vec<u8>, StoreError> {
        let failed = |source| StoreError { doing: "read", delivery, source };
        match std::fs::read(self.accepted(delivery)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => std::fs::read(self.set_aside(delivery)).map_err(failed),
            other => other.map_err(failed),
        }
    }

    /// Puts a delivery's bytes where they belong; does nothing where they are there already.
    ///
    /// # Errors
    /// The system refused; the bytes are still in the other place.
    pub fn settle(&self, delivery: DeliveryId, place: Place, report: Option<&Report>) -> Result<(), StoreError> {
        let failed = |source| StoreError { doing: "move", delivery, source };
        match place {
            Place::Deliveries => move_durably(&self.set_aside(delivery), &self.accepted(delivery)).map_err(failed),
            Place::Quarantine { sealed } => self.quarantine(delivery, sealed, report).map_err(failed),
        }
    }

    /// The ids of the originals in `deliveries/` and of those in `quarantine/`.
    ///
    /// # Errors
    /// A folder cannot be read.
    pub fn stored_ids(&self) -> io::Result<(Vec<DeliveryId>, Vec<DeliveryId>)> {
        let ids = |folder: &str| -> io::Result<Vec<DeliveryId>> {
            let mut ids = Vec::new();
            for entry in std::fs::read_dir(self.state_dir.join(folder))? {
                ids.extend(entry?.file_name().to_str().and_then(|name| name.parse::<DeliveryId>().ok()));
            }
            Ok(ids)
        };
        Ok((ids(DELIVERIES)?, ids(QUARANTINE)?))
    }

    /// Removes an original that was never acknowledged: a crash came between storing and recording it.
    ///
    /// # Errors
    /// The system refused.
    pub fn forget(&self, delivery: DeliveryId) -> Result<(), StoreError> {
        std::fs::remove_file(self.accepted(delivery)).map_err(|source| StoreError { doing: "remove", delivery, source })
    }

    fn quarantine(&self, delivery: DeliveryId, sealed: bool, report: Option<&Report>) -> io::Result<()> {
        let original = self.set_aside(delivery);
        if let Some(folder) = original.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            move_durably(&self.accepted(delivery), &original)?;
            let mode = if sealed { 0o400 } else { 0o600 };
            std::fs::set_permissions(&original, Permissions::from_mode(mode))?;
            if let Some(report) = report {
                let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(folder.join(FINDINGS))?;
                file.write_all(&serde_json::to_vec_pretty(report).map_err(io::Error::other)?)?;
                file.sync_all()?;
            }
        }
        Ok(())
    }

    fn accepted(&self, delivery: DeliveryId) -> PathBuf {
        self.state_dir.join(DELIVERIES).join(delivery.to_string())
    }

    fn set_aside(&self, delivery: DeliveryId) -> PathBuf {
        self.state_dir.join(QUARANTINE).join(delivery.to_string()).join(ORIGINAL)
    }
}

/// Moves a file and makes both folders durable; fine where it was moved before.
fn move_durably(from: &Path, to: &Path) -> io::Result<()> {
    #[expect(clippy::disallowed_methods, reason = "both folders are synced right after")]
    match std::fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && to.try_exists()? => return Ok(()),
        other => other?,
    }
    for folder in [to.parent(), from.parent()].into_iter().flatten() {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_move_to_quarantine_and_back_and_a_repeated_move_is_fine() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path());
        std::fs::create_dir_all(dir.path().join(DELIVERIES)).unwrap();
        let id = DeliveryId::new("2018-12-03T10:15:00Z".parse().unwrap(), [7; 10]);
        std::fs::write(store.accepted(id), b"bytes").unwrap();
        std::fs::create_dir_all(dir.path().join(QUARANTINE)).unwrap();
        assert_eq!(store.stored_ids().unwrap(), (vec![id], vec![]));
        for _ in 0..2 {
            store.settle(id, Place::Quarantine { sealed: true }, Some(&Report::default())).unwrap();
            assert_eq!(store.stored_ids().unwrap(), (vec![], vec![id]));
            assert_eq!(store.read(id).unwrap(), b"bytes");
        }
        let mode = std::fs::metadata(store.set_aside(id)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o400);
        for _ in 0..2 {
            store.settle(id, Place::Deliveries, None).unwrap();
            assert_eq!(store.read(id).unwrap(), b"bytes");
        }
        store.forget(id).unwrap();
        assert!(store.read(id).is_err());
    }
}
