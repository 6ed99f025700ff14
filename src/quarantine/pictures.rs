//! Pictures of tests: what a sender who tries a file out in `test/` is shown beside the receipt.
//!
//! Owns `checks/<id>.txt`. They stand beside the originals and not in the ledger, which holds no rows: their lines are those
//! of the file, masked. They are made before the delivery's stage is recorded, so a crash leaves none that is half written
//! and shown.

use super::{CHECKS, Store, write_if_other};
use crate::feed::DeliveryId;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

impl Store {
    /// Keeps a test's picture.
    ///
    /// # Errors
    /// The system refused.
    pub fn keep_picture(&self, delivery: DeliveryId, text: &str) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(self.state_dir.join(CHECKS))?;
        write_if_other(&self.picture_path(delivery), text.as_bytes())
    }

    /// A test's picture; `None` where it has none.
    ///
    /// # Errors
    /// It is there and cannot be read.
    pub fn picture(&self, delivery: DeliveryId) -> io::Result<Option<Vec<u8>>> {
        none_if_missing(std::fs::read(self.picture_path(delivery)))
    }

    /// How many bytes a test's picture has; `None` where it has none.
    ///
    /// # Errors
    /// The system refused to tell.
    pub fn picture_size(&self, delivery: DeliveryId) -> io::Result<Option<u64>> {
        none_if_missing(std::fs::metadata(self.picture_path(delivery)).map(|metadata| metadata.len()))
    }

    /// Where a test's picture lies, below the state folder.
    #[must_use]
    pub fn picture_name(delivery: DeliveryId) -> String {
        format!("{CHECKS}/{delivery}.txt")
    }

    /// The ids of the tests that have a picture.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn pictured_ids(&self) -> io::Result<Vec<DeliveryId>> {
        let entries = match std::fs::read_dir(self.state_dir.join(CHECKS)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        let mut ids = Vec::new();
        for entry in entries {
            ids.extend(entry?.file_name().to_str().and_then(|name| name.strip_suffix(".txt")?.parse::<DeliveryId>().ok()));
        }
        Ok(ids)
    }

    pub(super) fn picture_path(&self, delivery: DeliveryId) -> PathBuf {
        self.state_dir.join(Self::picture_name(delivery))
    }
}

fn none_if_missing<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_picture_is_kept_for_its_owner_and_is_no_original() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path());
        let id = DeliveryId::new("2018-12-03T10:15:00Z".parse().unwrap(), [7; 10]);
        assert_eq!((store.picture(id).unwrap(), store.picture_size(id).unwrap()), (None, None));
        for text in ["first", "second, longer"] {
            store.keep_picture(id, text).unwrap();
            assert_eq!(store.picture(id).unwrap().as_deref(), Some(text.as_bytes()));
            assert_eq!(store.picture_size(id).unwrap(), Some(u64::try_from(text.len()).unwrap()));
        }
        for (path, mode) in [(store.picture_path(id), 0o600), (dir.path().join(CHECKS), 0o700)] {
            assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, mode);
        }
        assert!(store.read(id).is_err());
    }
}
