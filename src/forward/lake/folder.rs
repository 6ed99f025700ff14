//! A lake in a folder of this machine, or one that is mounted.
//!
//! An object is written under another name, synced, and linked to its own: it is there whole or not at all, also after a power cut,
//! and nothing is ever written over. Folders and files have the rights of the lake's own folder, so that its group may read.

use super::store::{Put, Store, StoreError, Until};
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Where objects are written before they have their name.
const DRAFTS: &str = ".writing";

/// The folder.
#[derive(Debug)]
pub(super) struct Folder {
    root: PathBuf,
}

impl Folder {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Writes a draft and brings it to stable storage.
    fn draft(&self, name: &str, bytes: &[u8]) -> io::Result<PathBuf> {
        let rights = fs::metadata(&self.root)?.permissions().mode();
        let drafts = self.root.join(DRAFTS);
        self.make(&drafts, rights)?;
        let path = drafts.join(name.replace('/', "+"));
        // One that a crash left is not trusted.
        gone(fs::remove_file(&path))?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        file.write_all(bytes)?;
        file.set_permissions(Permissions::from_mode(rights & 0o666))?;
        file.sync_all()?;
        Ok(path)
    }

    /// Makes a folder with those above it, each durably.
    fn make(&self, folder: &Path, rights: u32) -> io::Result<()> {
        if folder.is_dir() {
            return Ok(());
        }
        let above = folder.parent().unwrap_or(&self.root);
        self.make(above, rights)?;
        match fs::DirBuilder::new().mode(0o700).create(folder) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let permit = |rights| fs::set_permissions(folder, Permissions::from_mode(rights));
        match permit(rights & 0o7777) {
            // Under systemd nobody may hand on a group (RestrictSUIDSGID=): then it is the daemon's own.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => permit(rights & 0o777)?,
            permitted => permitted?,
        }
        sync(above)
    }

    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<Put> {
        let path = self.root.join(name);
        let folder = path.parent().unwrap_or(&self.root).to_owned();
        let draft = self.draft(name, bytes)?;
        self.make(&folder, fs::metadata(&self.root)?.permissions().mode())?;
        let put = match fs::hard_link(&draft, &path) {
            Ok(()) => Put::Made,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Put::There(fs::read(&path)?),
            Err(error) => return Err(error),
        };
        // Also where it was there: whoever put it may have been stopped before this.
        sync(&folder)?;
        fs::remove_file(&draft)?;
        Ok(put)
    }

    #[expect(clippy::disallowed_methods, reason = "the folder is synced right after")]
    fn put_over(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let draft = self.draft(name, bytes)?;
        fs::rename(draft, self.root.join(name))?;
        sync(&self.root)
    }

    fn remove(&self, names: &[String]) -> io::Result<()> {
        let mut folders = BTreeSet::new();
        for name in names {
            let path = self.root.join(name);
            gone(fs::remove_file(&path))?;
            folders.extend(path.parent().map(Path::to_owned));
        }
        // A folder that is not there has nothing in it.
        folders.iter().try_for_each(|folder| gone(sync(folder)))?;
        // One that is empty now goes too; others refuse.
        folders.iter().filter(|folder| **folder != self.root).for_each(|folder| drop(fs::remove_dir(folder)));
        Ok(())
    }

    fn trouble(&self, error: &io::Error) -> StoreError {
        let words = match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "the disk is full",
            ErrorKind::PermissionDenied => "the daemon's user may not write there",
            ErrorKind::ReadOnlyFilesystem => "it can only be read",
            ErrorKind::NotFound => "the folder is not there: it has to be made, or mounted, first",
            _ => "the disk does not do it",
        };
        StoreError::away(format!("{}: {words} ({error})", self.place()))
    }
}

impl Store for Folder {
    fn place(&self) -> String {
        self.root.display().to_string()
    }

    fn get(&self, name: &str, until: Until) -> Result<Option<Vec<u8>>, StoreError> {
        until.left()?;
        match fs::read(self.root.join(name)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            read => read.map(Some).map_err(|error| self.trouble(&error)),
        }
    }

    fn put_new(&self, name: &str, bytes: &[u8], until: Until) -> Result<Put, StoreError> {
        until.left()?;
        self.put(name, bytes).map_err(|error| self.trouble(&error))
    }

    fn replace(&self, name: &str, bytes: &[u8], until: Until) -> Result<(), StoreError> {
        until.left()?;
        self.put_over(name, bytes).map_err(|error| self.trouble(&error))
    }

    fn delete(&self, names: &[String], until: Until) -> Result<(), StoreError> {
        until.left()?;
        self.remove(names).map_err(|error| self.trouble(&error))
    }
}

/// Brings a folder's names to stable storage.
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Takes what is not there for gone.
fn gone(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn soon() -> Until {
        Until::after(Duration::from_secs(20))
    }

    #[test]
    fn an_object_is_put_once_and_goes_for_good() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o2750)).unwrap();
        let store = Folder::new(dir.path().to_owned());
        let name = "fact_bed_line/day=2018-12-03/a.parquet";
        assert_eq!(store.put_new(name, b"one", soon()).unwrap(), Put::Made);
        assert_eq!(store.put_new(name, b"two", soon()).unwrap(), Put::There(b"one".to_vec()));
        let there = |path: &str| dir.path().join(path).try_exists().unwrap();
        let mode = |path: &str| fs::metadata(dir.path().join(path)).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode(name), mode("fact_bed_line/day=2018-12-03")), (0o640, 0o2750), "as the lake's own folder");
        assert_eq!(fs::read_dir(dir.path().join(DRAFTS)).unwrap().count(), 0, "no draft is left");
        store.replace("reading.sql", b"one", soon()).unwrap();
        store.replace("reading.sql", b"two", soon()).unwrap();
        assert_eq!(fs::read(dir.path().join("reading.sql")).unwrap(), b"two");
        for _ in 0..2 {
            store.delete(&[name.to_owned(), "not/there".to_owned()], soon()).unwrap();
        }
        assert!(!there(name) && !there("fact_bed_line/day=2018-12-03"));
    }

    #[test]
    fn a_folder_that_is_not_there_is_not_made_and_what_is_late_is_not_done() {
        let dir = tempfile::tempdir().unwrap();
        let store = Folder::new(dir.path().join("not mounted"));
        let told = store.put_new("a", b"one", soon()).unwrap_err().to_string();
        assert!(told.contains("not there") && told.contains("not mounted"), "{told}");
        assert!(!dir.path().join("not mounted").try_exists().unwrap());
        let store = Folder::new(dir.path().to_owned());
        let told = store.put_new("a", b"one", Until::after(Duration::ZERO)).unwrap_err().to_string();
        assert!(told.contains("too long") && !dir.path().join("a").try_exists().unwrap(), "{told}");
    }
}
