//! Landing: an upload is staged under our own id and becomes a delivery that survives a power cut (P1), or leaves no trace.
//!
//! Owns `uploads/` and the arrival of objects in `deliveries/`. Refuses names from outside, and a second try after a failed
//! fsync: the kernel may have dropped the pages, so a later "ok" would mean nothing.

use super::Landed;
use super::coverage::Coverage;
use crate::fault::{self, Step};
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
    /// Bytes below this are an earlier try's, and stay as they are.
    settled: u64,
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
    #[error("the part of the file that arrived before cannot be changed: send the whole file again")]
    Settled,
    #[error("{0}")]
    Quota(String),
    #[error("bedfeed is short of disk space: nothing is wrong with the file; send it again later")]
    NoRoom,
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
    /// Whether the disk is full, or nearly so.
    pub(super) fn is_for_want_of_room(&self) -> bool {
        let full = |kind| matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        matches!(self, Self::NoRoom) || matches!(self, Self::Io { source, .. } if full(source.kind()))
    }

    /// What the sender is told: no more of our disk than that it is full.
    pub(super) fn told(&self) -> String {
        match self {
            Self::Io { .. } if self.is_for_want_of_room() => Self::NoRoom.to_string(),
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
        let path = entry?.path();
        fault::around(Step::UploadClear, || fs::remove_file(path))?;
        removed += 1;
    }
    Ok(removed)
}

/// Puts a file in its place so that a power cut cannot undo it, in two steps. The file itself has to be on stable storage already.
pub(super) fn rename_durably([renaming, folders]: [Step; 2], from: &Path, to: &Path) -> io::Result<()> {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that makes the folders durable after it")]
    fault::around(renaming, || fs::rename(from, to))?;
    let (source, target) = (from.parent(), to.parent());
    fault::around(folders, || {
        target.map_or(Ok(()), sync_folder)?;
        if source == target { Ok(()) } else { source.map_or(Ok(()), sync_folder) }
    })
}

impl Upload {
    /// Starts an upload of at most `limit` bytes.
    pub(super) fn begin(state_dir: &Path, now: Timestamp, limit: u64) -> Result<Self, LandingError> {
        Self::begin_as(DeliveryId::new(now, random_bytes()), state_dir, now, limit)
    }

    /// The same under an id that somebody else made, which no other upload has.
    pub(super) fn begin_as(id: DeliveryId, state_dir: &Path, now: Timestamp, limit: u64) -> Result<Self, LandingError> {
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
                settled: 0,
                coverage: Coverage::default(),
                hash: RunningHash::default(),
            }),
            Err(source) => Err(LandingError::Io { doing: "make", path, source }),
        }
    }

    /// Its own id, which no other upload has.
    pub(super) fn id(&self) -> DeliveryId {
        self.id
    }

    /// When it was opened.
    pub(super) fn opened_at(&self) -> Timestamp {
        self.opened_at
    }

    /// How many bytes there are.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Takes note of the size that the sender says the whole file has. Nothing is made up to reach it: it is held against
    /// the file when it ends, and only fewer bytes than that are a fault. The last size that was said counts.
    pub(super) fn announce(&mut self, size: u64) -> Result<(), LandingError> {
        if size > self.limit {
            return Err(LandingError::TooLarge { limit: self.limit });
        }
        self.announced = Some(size);
        Ok(())
    }

    /// From now on the bytes that are there are those of an earlier try: what follows is added behind them.
    pub(super) fn settle(&mut self) {
        self.settled = self.length;
    }

    /// Takes the last byte off, so that what was cut off is never taken for a whole file by its size.
    pub(super) fn drop_last_byte(&mut self) -> Result<(), LandingError> {
        self.cut(self.length.saturating_sub(1))
    }

    /// What speaks against it as a whole file: fewer bytes than announced, or a hole.
    pub(super) fn check(&self) -> Result<(), LandingError> {
        if let Some(announced) = self.announced.filter(|announced| *announced > self.length) {
            return Err(LandingError::Short { announced, received: self.length });
        }
        self.check_holes()
    }

    /// Whether every byte below its length has come.
    pub(super) fn check_holes(&self) -> Result<(), LandingError> {
        if self.coverage.is_whole(self.length) { Ok(()) } else { Err(LandingError::Gap) }
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
        if offset < self.settled {
            return Err(LandingError::Settled);
        }
        fault::around(Step::UploadWrite, || self.file.write_all_at(data, offset)).map_err(|source| self.trouble("write", source))?;
        self.coverage.add(offset, end).map_err(|_| LandingError::TooScattered)?;
        self.hash.add(offset, end, data);
        self.set_length(self.length.max(end));
        Ok(())
    }

    /// Cuts the file to `size` bytes, which are also what it is said to have. A larger size is not made up with zeros.
    pub(super) fn set_size(&mut self, size: u64) -> Result<(), LandingError> {
        self.announce(size)?;
        if size < self.settled {
            return Err(LandingError::Settled);
        }
        if size < self.length { self.cut(size) } else { Ok(()) }
    }

    fn cut(&mut self, length: u64) -> Result<(), LandingError> {
        self.file.set_len(length).map_err(|source| self.trouble("shorten", source))?;
        self.coverage.cut(length);
        self.hash.cut(length);
        self.set_length(length);
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
        self.check()?;
        let sha256 = match self.hash.result(self.length) {
            Some(digest) => digest,
            None => self.hash_from_disk().map_err(|source| self.trouble("read back", source))?,
        };
        fault::around(Step::UploadSync, || self.file.sync_all()).map_err(|source| self.trouble("bring to stable storage", source))?;
        let stored = state_dir.join(DELIVERIES).join(self.id.to_string());
        if let Err(source) = rename_durably([Step::UploadRename, Step::UploadFolders], &self.path, &stored) {
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

/// Brings the names in a folder to stable storage.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Random bytes of the operating system's generator, by way of the random part of a UUID.
fn random_bytes() -> [u8; 10] {
    let uuid = uuid::Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, 0, 0));
    uuid.as_bytes().last_chunk::<10>().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
