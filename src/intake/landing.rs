//! Landing: an upload is staged under our own id and becomes a delivery that survives a power cut (P1), or leaves no trace.
//!
//! Owns `uploads/` and the arrival of objects in `deliveries/`. Refuses names from outside, and a second try after a failed
//! fsync: the kernel may have dropped the pages, so a later "ok" would mean nothing.

use super::Landed;
use super::coverage::Coverage;
use crate::feed::{Delivery, DeliveryId, Digest, FileName, Folder, ProviderCode, Sender};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Where uploads in progress are staged, below the state folder.
const UPLOADS: &str = "uploads";

/// Where accepted originals are kept, below the state folder.
const DELIVERIES: &str = "deliveries";

/// An upload in progress. Dropping it removes its file.
#[derive(Debug)]
pub(super) struct Upload {
    id: DeliveryId,
    opened_at: Timestamp,
    path: PathBuf,
    file: File,
    length: u64,
    /// The length, for those who count what is on disk.
    meter: Arc<AtomicU64>,
    limit: u64,
    announced: Option<u64>,
    coverage: Coverage,
    hash: RunningHash,
}

/// What a delivery is called and who sent it: what an upload itself does not know.
#[derive(Clone, Debug)]
pub(super) struct Label {
    pub(super) provider: ProviderCode,
    pub(super) folder: Folder,
    pub(super) name: FileName,
    pub(super) received_at: Timestamp,
    pub(super) modified_at: Option<Timestamp>,
    pub(super) sender: Sender,
}

/// Why an upload did not get on.
#[derive(Debug, thiserror::Error)]
pub(super) enum LandingError {
    #[error("the file is larger than the {limit} bytes that this account may send")]
    TooLarge { limit: u64 },
    #[error("the file was written in too many scattered pieces: send it again from the start")]
    TooScattered,
    #[error("parts of the file did not arrive: send the whole file again from the start")]
    Gap,
    #[error("{announced} bytes were announced and {received} arrived: send the whole file again")]
    Short { announced: u64, received: u64 },
    #[error("{0}")]
    Quota(String),
    #[error("the work on the file was broken off")]
    Stopped(#[source] tokio::task::JoinError),
    #[error("could not {doing} {}", path.display())]
    Io {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl LandingError {
    /// What the sender is told: nothing about our disk.
    pub(super) fn told(&self) -> String {
        match self {
            Self::Io { .. } | Self::Stopped(_) => "bedfeed could not store the file: send it again in a few minutes".to_owned(),
            other => other.to_string(),
        }
    }
}

/// Makes the folders that landing needs and removes uploads that an earlier run left behind: none of them was acknowledged.
/// Returns how many there were. To be called once, before the first connection.
///
/// # Errors
/// Where a folder cannot be made, read or emptied.
pub fn clear_uploads(state_dir: &Path) -> io::Result<usize> {
    for folder in [UPLOADS, DELIVERIES] {
        DirBuilder::new().recursive(true).mode(0o700).create(state_dir.join(folder))?;
    }
    sync_folder(state_dir)?;
    state_dir.parent().filter(|parent| !parent.as_os_str().is_empty()).map_or(Ok(()), sync_folder)?;
    let mut removed = 0;
    for entry in fs::read_dir(state_dir.join(UPLOADS))? {
        fs::remove_file(entry?.path())?;
        removed += 1;
    }
    Ok(removed)
}

/// Puts a file in its place so that a power cut cannot undo it. The file itself has to be on stable storage already.
pub(super) fn rename_durably(from: &Path, to: &Path) -> io::Result<()> {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that makes the folders durable after it")]
    fs::rename(from, to)?;
    let (source, target) = (from.parent(), to.parent());
    target.map_or(Ok(()), sync_folder)?;
    if source == target { Ok(()) } else { source.map_or(Ok(()), sync_folder) }
}

impl Upload {
    /// Starts an upload of at most `limit` bytes.
    pub(super) fn begin(state_dir: &Path, now: Timestamp, limit: u64) -> Result<Self, LandingError> {
        let id = DeliveryId::new(now, random_bytes());
        let path = state_dir.join(UPLOADS).join(id.to_string());
        match OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path) {
            Ok(file) => Ok(Self {
                id,
                opened_at: now,
                path,
                file,
                length: 0,
                meter: Arc::default(),
                limit,
                announced: None,
                coverage: Coverage::default(),
                hash: RunningHash::default(),
            }),
            Err(source) => Err(LandingError::Io { doing: "make", path, source }),
        }
    }

    /// How many bytes there are.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Shows how many bytes there are, for as long as the upload lives.
    pub(super) fn meter(&self) -> &Arc<AtomicU64> {
        &self.meter
    }

    fn set_length(&mut self, length: u64) {
        self.length = length;
        self.meter.store(length, Ordering::Relaxed);
    }

    /// Writes bytes at an offset.
    pub(super) fn write(&mut self, offset: u64, data: &[u8]) -> Result<(), LandingError> {
        let too_large = LandingError::TooLarge { limit: self.limit };
        let Some(end) = u64::try_from(data.len()).ok().and_then(|length| offset.checked_add(length)) else {
            return Err(too_large);
        };
        if end > self.limit {
            return Err(too_large);
        }
        self.file.write_all_at(data, offset).map_err(|source| self.trouble("write", source))?;
        self.coverage.add(offset, end).map_err(|_| LandingError::TooScattered)?;
        self.hash.add(offset, end, data);
        self.set_length(self.length.max(end));
        Ok(())
    }

    /// Cuts the file to `size` bytes. A larger size is not made up with zeros: it is held against the file when it ends.
    pub(super) fn set_size(&mut self, size: u64) -> Result<(), LandingError> {
        if size > self.limit {
            return Err(LandingError::TooLarge { limit: self.limit });
        }
        self.announced = (size > self.length).then_some(size);
        if size < self.length {
            self.file.set_len(size).map_err(|source| self.trouble("shorten", source))?;
            self.coverage.cut(size);
            self.hash.cut(size);
            self.set_length(size);
        }
        Ok(())
    }

    /// What brings the bytes written so far to stable storage; blocks when called.
    pub(super) fn syncing(&self) -> impl FnOnce() -> Result<(), LandingError> + Send + 'static {
        let (file, path) = (self.file.try_clone(), self.path.clone());
        move || {
            let synced = file.and_then(|file| file.sync_all());
            synced.map_err(|source| LandingError::Io { doing: "bring to stable storage", path, source })
        }
    }

    /// Turns the upload into a delivery: bytes and name are on stable storage when this returns (P1). Blocks.
    pub(super) fn finish(mut self, state_dir: &Path, label: Label) -> Result<Landed, LandingError> {
        if let Some(announced) = self.announced.filter(|announced| *announced > self.length) {
            return Err(LandingError::Short { announced, received: self.length });
        }
        if !self.coverage.is_whole(self.length) {
            return Err(LandingError::Gap);
        }
        let sha256 = match self.hash.result(self.length) {
            Some(digest) => digest,
            None => self.hash_from_disk().map_err(|source| self.trouble("read back", source))?,
        };
        self.file.sync_all().map_err(|source| self.trouble("bring to stable storage", source))?;
        let stored = state_dir.join(DELIVERIES).join(self.id.to_string());
        if let Err(source) = rename_durably(&self.path, &stored) {
            let trouble = self.trouble("put in its place", source);
            // Where the rename itself worked, the object has to go from its new place.
            if fs::remove_file(&stored).is_ok() {
                self.path = PathBuf::new();
            }
            return Err(trouble);
        }
        let (id, bytes, opened_at) = (self.id, self.length, self.opened_at);
        self.path = PathBuf::new(); // nothing for Drop to remove
        let Label { provider, folder, name, received_at, modified_at, sender } = label;
        let delivery = Delivery { id, provider, folder, name, bytes, sha256, opened_at, received_at, modified_at, sender };
        Ok(Landed { delivery })
    }

    fn hash_from_disk(&self) -> io::Result<Digest> {
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; 1 << 18];
        let mut offset = 0;
        loop {
            let count = self.file.read_at(&mut buffer, offset)?;
            let Some(read) = buffer.get(..count).filter(|read| !read.is_empty()) else {
                return Ok(Digest(hasher.finalize().into()));
            };
            hasher.update(read);
            offset += u64::try_from(count).unwrap_or(0);
        }
    }

    fn trouble(&self, doing: &'static str, source: io::Error) -> LandingError {
        LandingError::Io { doing, path: self.path.clone(), source }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if !self.path.as_os_str().is_empty()
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(upload = %self.id, %error, "an unfinished upload could not be removed; the next start removes it");
        }
    }
}

/// SHA-256 of bytes as they arrive, for as long as they arrive in order.
#[derive(Debug, Default)]
struct RunningHash {
    hasher: Sha256,
    hashed: u64,
    broken: bool,
}

impl RunningHash {
    fn add(&mut self, start: u64, end: u64, data: &[u8]) {
        if start == self.hashed {
            self.hasher.update(data);
            self.hashed = end;
        } else if start < end {
            self.broken = true;
        }
    }

    fn cut(&mut self, length: u64) {
        if length == 0 {
            *self = Self::default();
        } else if length < self.hashed {
            self.broken = true;
        }
    }

    /// The hash, unless it has to be worked out from the file.
    fn result(&self, length: u64) -> Option<Digest> {
        (!self.broken && self.hashed == length).then(|| Digest(self.hasher.clone().finalize().into()))
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Random bytes of the operating system's generator, by way of the random part of a UUID.
fn random_bytes() -> [u8; 10] {
    let uuid = uuid::Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, 0, 0));
    uuid.as_bytes().last_chunk::<10>().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn now() -> Timestamp {
        "2018-12-03T10:15:00Z".parse().unwrap()
    }

    fn label() -> Label {
        Label {
            provider: "RM1".parse().unwrap(),
            folder: Folder::Inbox,
            name: FileName::parse(b"a.csv").unwrap(),
            received_at: now(),
            modified_at: None,
            sender: Sender {
                address: "127.0.0.1:2".parse().unwrap(),
                software: "SSH-2.0-test".to_owned(),
                key: "SHA256:x".to_owned(),
                key_owner: "owner".to_owned(),
                connected_at: now(),
                connection: 1,
            },
        }
    }

    fn state() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(clear_uploads(dir.path()).unwrap(), 0);
        dir
    }

    fn names(dir: &Path, folder: &str) -> Vec<String> {
        fs::read_dir(dir.join(folder)).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// Writes, a size that is set after them, and the content that lands.
    type Row = (&'static [(u64, &'static [u8])], Option<u64>, &'static [u8]);

    #[test]
    fn p1_a_delivery_has_the_hash_and_length_of_its_bytes_whatever_the_order_of_writes() {
        let rows: [Row; 7] = [
            (&[(0, b"hello "), (6, b"world")], None, b"hello world"),
            (&[(6, b"world"), (0, b"hello ")], None, b"hello world"),
            (&[(0, b"hello "), (0, b"hello "), (6, b"world")], None, b"hello world"),
            (&[(0, b"hello WORLD"), (6, b"world")], None, b"hello world"),
            (&[(0, b"hello world and more")], Some(11), b"hello world"),
            (&[(0, b"hello world")], Some(11), b"hello world"),
            (&[], None, b""),
        ];
        for (writes, size, content) in rows {
            let dir = state();
            let mut upload = Upload::begin(dir.path(), now(), 1000).unwrap();
            for (offset, data) in writes {
                upload.write(*offset, data).unwrap();
            }
            if let Some(size) = size {
                upload.set_size(size).unwrap();
            }
            let landed = upload.finish(dir.path(), label()).unwrap();
            let delivery = landed.delivery();
            let path = dir.path().join(DELIVERIES).join(delivery.id.to_string());
            assert_eq!(fs::read(&path).unwrap(), content, "{writes:?}");
            assert_eq!(delivery.sha256, Digest::of(content), "{writes:?}");
            assert_eq!(delivery.bytes, u64::try_from(content.len()).unwrap());
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            assert!(names(dir.path(), UPLOADS).is_empty());
        }
    }

    #[test]
    fn p9_a_write_beyond_the_limit_fails_and_nothing_is_left() {
        for (offset, length) in [(0_u64, 11_usize), (10, 1), (u64::MAX, 1), (u64::MAX - 5, 5)] {
            let dir = state();
            let mut upload = Upload::begin(dir.path(), now(), 10).unwrap();
            upload.write(0, b"0123456789").unwrap();
            assert!(matches!(upload.write(offset, &vec![0; length]), Err(LandingError::TooLarge { limit: 10 })), "{offset}");
            drop(upload);
            assert!(names(dir.path(), UPLOADS).is_empty());
        }
    }

    #[test]
    fn p2_an_upload_that_is_cut_off_leaves_nothing() {
        let dir = state();
        let mut upload = Upload::begin(dir.path(), now(), 100).unwrap();
        upload.write(0, b"half").unwrap();
        assert_eq!(names(dir.path(), UPLOADS).len(), 1);
        drop(upload);
        assert!(names(dir.path(), UPLOADS).is_empty());
        assert!(names(dir.path(), DELIVERIES).is_empty());
    }

    #[test]
    fn a_file_with_a_hole_or_shorter_than_announced_does_not_land() {
        let dir = state();
        let mut upload = Upload::begin(dir.path(), now(), 100).unwrap();
        upload.write(5, b"later").unwrap();
        assert!(matches!(upload.finish(dir.path(), label()), Err(LandingError::Gap)));
        let mut upload = Upload::begin(dir.path(), now(), 100).unwrap();
        upload.set_size(9).unwrap();
        upload.write(0, b"half").unwrap();
        assert!(matches!(upload.finish(dir.path(), label()), Err(LandingError::Short { announced: 9, received: 4 })));
        assert!(names(dir.path(), DELIVERIES).is_empty());
        assert!(names(dir.path(), UPLOADS).is_empty());
    }

    #[test]
    fn what_an_earlier_run_left_in_uploads_is_removed_at_the_start() {
        let dir = state();
        fs::write(dir.path().join(UPLOADS).join("left"), b"half").unwrap();
        assert_eq!(clear_uploads(dir.path()).unwrap(), 1);
        assert!(names(dir.path(), UPLOADS).is_empty());
    }

    #[test]
    fn ids_of_one_millisecond_differ() {
        assert_ne!(DeliveryId::new(now(), random_bytes()), DeliveryId::new(now(), random_bytes()));
    }
}
