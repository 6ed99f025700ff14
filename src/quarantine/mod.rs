//! Quarantine: rejected deliveries wait here with their findings.
//!
//! Owns where a delivery's bytes are kept: `deliveries/<id>` while it is good or undecided, `quarantine/<id>/original`
//! once it is set aside, `quarantine/<id>/original.age` where it is sealed and the governance role has a key. Refuses to
//! judge, to look inside a file, and to show a sealed one.
//!
//! Moving is idempotent and follows the ledger: the ledger says where a delivery stands, and [`Store::settle`] puts the
//! bytes where that belongs, at once or at the next start.

mod pictures;
mod retention;
mod seal;
mod unknown;

pub use retention::{Retention, days_before};
pub use seal::{Governance, InvalidRecipient, Recipient, make_keys};

use crate::fault::{self, Step};
use crate::feed::{DeliveryId, NOT_RECORDED, Report};
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The folder of accepted originals, in the state folder.
pub const DELIVERIES: &str = "deliveries";
/// The folder of rejected ones.
pub const QUARANTINE: &str = "quarantine";
/// The folder of originals that the ledger does not know and that may have been acknowledged. People empty it; bedfeed only takes back
/// what a ledger knows after all.
pub const UNKNOWN: &str = "unknown";
/// The folder of pictures of tests.
pub const CHECKS: &str = "checks";
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
    /// Set aside; a sealed one is encrypted to the governance role, or readable by its owner alone where that has no key, and
    /// never opened by bedfeed again.
    Quarantine {
        /// An identifier leaked.
        sealed: bool,
    },
    /// Nowhere: it was sealed, and then discarded. Only the findings are kept.
    Purged,
}

/// Which bytes of a delivery there are, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// As they came.
    Plain(PathBuf),
    /// Encrypted to the governance role.
    Sealed(PathBuf),
    /// None.
    Nothing,
}

/// The stored originals.
#[derive(Clone, Debug)]
pub struct Store {
    state_dir: PathBuf,
    recipients: Vec<Recipient>,
    /// One at a time puts bytes away or removes them: what is being encrypted must not be discarded halfway, or its encrypted copy
    /// would stay. Clones share it.
    moving: Arc<Mutex<()>>,
}

impl Store {
    /// The store in a state folder. What is sealed is kept as it came.
    #[must_use]
    pub fn new(state_dir: &Path) -> Self {
        Self { state_dir: state_dir.to_owned(), recipients: Vec::new(), moving: Arc::default() }
    }

    /// The same, but what is sealed is encrypted to these keys.
    #[must_use]
    pub fn sealing_to(self, recipients: Vec<Recipient>) -> Self {
        Self { recipients, ..self }
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

    /// Which bytes of a delivery there are, and where. They may move at any time.
    ///
    /// # Errors
    /// The system refused to tell.
    pub fn kept(&self, delivery: DeliveryId) -> io::Result<Kept> {
        let (accepted, set_aside) = (self.accepted(delivery), self.set_aside(delivery));
        if seal::is_sealed(&set_aside)? {
            return Ok(Kept::Sealed(set_aside.with_extension(seal::ENDING)));
        }
        for path in [accepted, set_aside] {
            if path.try_exists()? {
                return Ok(Kept::Plain(path));
            }
        }
        Ok(Kept::Nothing)
    }

    /// Where a delivery's bytes belong, below the state folder.
    #[must_use]
    pub fn name_of(delivery: DeliveryId, set_aside: bool, sealed: bool) -> String {
        match (set_aside, sealed) {
            (false, _) => format!("{DELIVERIES}/{delivery}"),
            (true, false) => format!("{QUARANTINE}/{delivery}/{ORIGINAL}"),
            (true, true) => format!("{QUARANTINE}/{delivery}/{ORIGINAL}.{}", seal::ENDING),
        }
    }

    /// Puts a delivery's bytes where they belong; does nothing where they are there already.
    ///
    /// # Errors
    /// The system refused; the bytes are still in the other place.
    pub fn settle(&self, delivery: DeliveryId, place: Place, report: Option<&Report>) -> Result<(), StoreError> {
        let failed = |source| StoreError { doing: "move", delivery, source };
        let _moving = self.one_at_a_time();
        match place {
            Place::Deliveries => self.take_back(delivery).map_err(failed),
            Place::Quarantine { sealed } => self.quarantine(delivery, sealed, report).map_err(failed),
            Place::Purged => self.purge(delivery, report).map_err(failed),
        }
    }

    /// The ids of the originals in `deliveries/`.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn accepted_ids(&self) -> io::Result<Vec<DeliveryId>> {
        ids_in(&self.state_dir.join(DELIVERIES))
    }

    /// The ids of the folders in `quarantine/`, with or without an original in them.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn quarantined_ids(&self) -> io::Result<Vec<DeliveryId>> {
        ids_in(&self.state_dir.join(QUARANTINE))
    }

    /// Removes an original that was never acknowledged: a crash came between storing and recording it.
    ///
    /// # Errors
    /// The system refused.
    pub fn forget(&self, delivery: DeliveryId) -> Result<(), StoreError> {
        fault::around(Step::OriginalForget, || std::fs::remove_file(self.accepted(delivery))).map_err(|source| StoreError {
            doing: "remove",
            delivery,
            source,
        })
    }

    /// Takes note that the ledger has an original: it is no longer one that was never acknowledged. Fine where it was moved.
    ///
    /// # Errors
    /// The system refused.
    pub fn recorded(&self, delivery: DeliveryId) -> io::Result<()> {
        match std::fs::set_permissions(self.accepted(delivery), Permissions::from_mode(0o600)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Whether an original in `deliveries/` still has the mark of one that the ledger never had.
    ///
    /// # Errors
    /// The system refused to tell.
    pub fn is_unrecorded(&self, delivery: DeliveryId) -> io::Result<bool> {
        Ok(std::fs::metadata(self.accepted(delivery))?.permissions().mode() & 0o7777 == NOT_RECORDED)
    }

    /// A lock whose holder panicked guards nothing that could be half changed: every move can be done again.
    pub(super) fn one_at_a_time(&self) -> MutexGuard<'_, ()> {
        self.moving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn quarantine(&self, delivery: DeliveryId, sealed: bool, report: Option<&Report>) -> io::Result<()> {
        let original = self.set_aside(delivery);
        if let Some(folder) = original.parent() {
            fault::around(Step::QuarantineFolder, || {
                DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
                // The new folder's own name must survive a power cut before anything is moved into it.
                File::open(self.state_dir.join(QUARANTINE))?.sync_all()
            })?;
            let accepted = self.accepted(delivery);
            // What was encrypted once stays so, also where the keys have been taken out of the settings since.
            if sealed && (!self.recipients.is_empty() || seal::is_sealed(&original)?) {
                seal::seal([&accepted, &original], &original, &self.recipients)?;
            } else {
                move_durably(&accepted, &original)?;
                let mode = if sealed { 0o400 } else { 0o600 };
                std::fs::set_permissions(&original, Permissions::from_mode(mode))?;
            }
            write_findings(folder, report)?;
        }
        Ok(())
    }

    fn purge(&self, delivery: DeliveryId, report: Option<&Report>) -> io::Result<()> {
        let original = self.set_aside(delivery);
        seal::purge([&self.accepted(delivery), &original], &original)?;
        match original.parent() {
            Some(folder) if folder.try_exists()? => write_findings(folder, report),
            _ => Ok(()),
        }
    }

    fn take_back(&self, delivery: DeliveryId) -> io::Result<()> {
        let original = self.set_aside(delivery);
        move_durably(&original, &self.accepted(delivery))?;
        // The ledger has the findings; what is in quarantine/ is in quarantine.
        let clear = |folder| fault::around(Step::QuarantineClear, || std::fs::remove_dir_all(folder));
        match original.parent().map(clear) {
            Some(Err(error)) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn accepted(&self, delivery: DeliveryId) -> PathBuf {
        self.state_dir.join(DELIVERIES).join(delivery.to_string())
    }

    fn set_aside(&self, delivery: DeliveryId) -> PathBuf {
        self.state_dir.join(QUARANTINE).join(delivery.to_string()).join(ORIGINAL)
    }
}

fn ids_in(folder: &Path) -> io::Result<Vec<DeliveryId>> {
    let mut ids = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        ids.extend(entry?.file_name().to_str().and_then(|name| name.parse::<DeliveryId>().ok()));
    }
    Ok(ids)
}

fn write_findings(folder: &Path, report: Option<&Report>) -> io::Result<()> {
    let Some(report) = report else { return Ok(()) };
    let findings = serde_json::to_vec_pretty(report).map_err(io::Error::other)?;
    fault::around(Step::FindingsWrite, || write_if_other(&folder.join(FINDINGS), &findings))
}

/// Writes a file unless these bytes are in it. A crash may leave it half written; the next start comes here again.
fn write_if_other(path: &Path, bytes: &[u8]) -> io::Result<()> {
    match std::fs::read(path) {
        Ok(old) if old == bytes => return Ok(()),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Moves a file and makes both folders durable; fine where it was moved before.
fn move_durably(from: &Path, to: &Path) -> io::Result<()> {
    #[expect(clippy::disallowed_methods, reason = "both folders are synced right after")]
    match fault::around(Step::OriginalMove, || std::fs::rename(from, to)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && to.try_exists()? => return Ok(()),
        other => other?,
    }
    let mut folders = [to.parent(), from.parent()].into_iter().flatten();
    fault::around(Step::OriginalFolders, || folders.try_for_each(|folder| File::open(folder)?.sync_all()))
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
        assert_eq!(store.accepted_ids().unwrap(), [id]);
        for _ in 0..2 {
            store.settle(id, Place::Quarantine { sealed: true }, Some(&Report::default())).unwrap();
            assert!(store.accepted_ids().unwrap().is_empty());
            assert_eq!(store.read(id).unwrap(), b"bytes");
        }
        let mode = std::fs::metadata(store.set_aside(id)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o400);
        for _ in 0..2 {
            store.settle(id, Place::Deliveries, None).unwrap();
            assert_eq!(store.read(id).unwrap(), b"bytes");
            assert!(store.quarantined_ids().unwrap().is_empty());
        }
        store.forget(id).unwrap();
        assert!(store.read(id).is_err());
    }

    #[test]
    fn findings_that_a_crash_left_out_or_cut_short_are_written_by_the_next_settling() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path());
        std::fs::create_dir_all(dir.path().join(DELIVERIES)).unwrap();
        let id = DeliveryId::new("2018-12-03T10:15:00Z".parse().unwrap(), [7; 10]);
        std::fs::write(store.accepted(id), b"bytes").unwrap();
        let place = Place::Quarantine { sealed: false };
        store.settle(id, place, None).unwrap();
        let findings = store.set_aside(id).with_file_name(FINDINGS);
        for crash in [None, Some(""), Some("{ \"findings\"")] {
            if let Some(left) = crash {
                std::fs::write(&findings, left).unwrap();
            }
            assert_eq!(store.quarantined_ids().unwrap(), [id]);
            store.settle(id, place, Some(&Report::default())).unwrap();
            assert_eq!(std::fs::read(&findings).unwrap(), serde_json::to_vec_pretty(&Report::default()).unwrap());
        }
    }
}
