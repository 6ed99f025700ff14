//! Unknown: originals that the ledger does not know and that may have been acknowledged, set aside and taken back.
//!
//! Refuses to remove any, and to write over anything.

use super::{Kept, QUARANTINE, Store, StoreError, UNKNOWN, move_durably};
use crate::feed::DeliveryId;
use std::collections::BTreeSet;
use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;

/// How the name of a delivery's folder from [`QUARANTINE`] ends in [`UNKNOWN`].
const REJECTED: &str = ".quarantine";

impl Store {
    /// Sets aside what the ledger does not know and may have been acknowledged, under its id: a file from `deliveries/`, a folder
    /// from `quarantine/`.
    ///
    /// # Errors
    /// The system refused; it is where it was.
    pub fn set_unknown_aside(&self, delivery: DeliveryId) -> Result<(), StoreError> {
        let failed = |source| StoreError { doing: "set aside", delivery, source };
        let unknown = self.state_dir.join(UNKNOWN);
        DirBuilder::new().recursive(true).mode(0o700).create(&unknown).map_err(failed)?;
        File::open(&self.state_dir).and_then(|folder| folder.sync_all()).map_err(failed)?;
        let rejected = self.state_dir.join(QUARANTINE).join(delivery.to_string());
        let places = [(self.accepted(delivery), delivery.to_string()), (rejected, format!("{delivery}{REJECTED}"))];
        for (from, name) in places {
            if from.try_exists().map_err(failed)? {
                move_durably(&from, &unknown.join(name)).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// The ids of what was set aside as unknown.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn unknown_ids(&self) -> io::Result<BTreeSet<DeliveryId>> {
        let mut ids = BTreeSet::new();
        let entries = match std::fs::read_dir(self.state_dir.join(UNKNOWN)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(ids),
            other => other?,
        };
        for entry in entries {
            let name = entry?.file_name();
            ids.extend(name.to_str().and_then(|name| name.strip_suffix(REJECTED).unwrap_or(name).parse::<DeliveryId>().ok()));
        }
        Ok(ids)
    }

    /// Puts what was set aside as unknown back where it was; `false` where there is something in its place, or nothing to put back.
    ///
    /// # Errors
    /// The system refused; it is where it was.
    pub fn take_unknown_back(&self, delivery: DeliveryId) -> Result<bool, StoreError> {
        let failed = |source| StoreError { doing: "take back", delivery, source };
        let unknown = self.state_dir.join(UNKNOWN);
        let rejected = self.state_dir.join(QUARANTINE).join(delivery.to_string());
        let places = [(delivery.to_string(), self.accepted(delivery)), (format!("{delivery}{REJECTED}"), rejected)];
        let mut moved = false;
        for (name, to) in places {
            let from = unknown.join(name);
            if from.try_exists().map_err(failed)? && self.kept(delivery).map_err(failed)? == Kept::Nothing {
                // An empty folder in its place gives way; a filled one refuses, and keeps what is in it.
                match move_durably(&from, &to) {
                    Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
                    other => {
                        other.map_err(failed)?;
                        moved = true;
                    }
                }
            }
        }
        Ok(moved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::Report;
    use crate::quarantine::{DELIVERIES, Place};

    #[test]
    fn p1_what_was_set_aside_as_unknown_goes_back_to_where_it_was_and_over_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path());
        std::fs::create_dir_all(dir.path().join(DELIVERIES)).unwrap();
        assert!(store.unknown_ids().unwrap().is_empty(), "there is no such folder");
        let id = |number| DeliveryId::new("2018-12-03T10:15:00Z".parse().unwrap(), [number; 10]);
        let write = |number| std::fs::write(store.accepted(id(number)), [number]).unwrap();
        (1..=4).for_each(write);
        for number in [2, 4] {
            store.settle(id(number), Place::Quarantine { sealed: false }, Some(&Report::default())).unwrap();
        }
        (1..=4).for_each(|number| store.set_unknown_aside(id(number)).unwrap());
        assert_eq!(store.unknown_ids().unwrap(), BTreeSet::from([1, 2, 3, 4].map(id)));
        // A start of an older bedfeed leaves an empty folder; somebody copied a file back.
        std::fs::create_dir(store.set_aside(id(2)).parent().unwrap()).unwrap();
        write(3);
        //    what, put back
        for (number, expected) in [(1, true), (2, true), (3, false), (4, true), (9, false), (1, false)] {
            assert_eq!(store.take_unknown_back(id(number)).unwrap(), expected, "{number}");
        }
        assert_eq!((store.accepted_ids().unwrap().len(), store.quarantined_ids().unwrap().len()), (2, 2));
        for number in 1..=4 {
            assert_eq!(store.read(id(number)).unwrap(), [number]);
        }
        assert_eq!(store.unknown_ids().unwrap(), BTreeSet::from([id(3)]), "its bytes are in both places: people look");
    }
}
