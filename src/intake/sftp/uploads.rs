//! Uploads over SFTP: opened, written, closed under a final name (landing), or kept under a temporary name until renamed.
//!
//! Owns the point of acknowledgement: the answer to CLOSE, or to the RENAME of a temporary name, is OK only after the
//! delivery is on stable storage and the gate has accepted it (P1).

use super::folder::{Spot, is_temporary, resolve};
use super::limits::OPEN_FILES_FACTOR;
use super::packet::Attributes;
use super::partials::{Key, Partial};
use super::quota::Stake;
use super::session::{Answer, Handle, No, Outcome, Session};
use super::{Client, Kind, Share};
use crate::feed::FileName;
use crate::intake::landing::{Label, LandingError, Upload};
use crate::intake::{Counters, NotAccepted, Shelf};
use jiff::Timestamp;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Bits of OPEN's flags (draft-ietf-secsh-filexfer-02, section 6.3).
const OPEN_APPEND: u32 = 0x4;
const OPEN_TRUNCATE: u32 = 0x10;
const OPEN_EXCLUSIVE: u32 = 0x20;

/// What a sender reads where the daemon is about to stop.
const STOPPING: &str = "bedfeed is being restarted: send the file again in a minute";

/// A file that a client has open for writing.
pub(super) struct OpenUpload {
    pub(super) key: Key,
    /// The upload, or what is wrong with it: then every further request on it fails with that text.
    pub(super) upload: Result<Upload, String>,
    pub(super) modified_at: Option<Timestamp>,
    /// Continues a partial, and nothing was written yet.
    resumed: bool,
    stake: Stake,
    slot: Slot,
    share: Share,
}

impl OpenUpload {
    /// Bytes so far.
    pub(super) fn length(&self) -> u64 {
        self.upload.as_ref().map_or(0, Upload::length)
    }
}

/// Counts an upload as open, until its landing is over.
struct Slot(Arc<Client>);

impl Slot {
    fn take(client: &Arc<Client>) -> Self {
        client.open_uploads.send_modify(|open| *open += 1);
        Self(Arc::clone(client))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.open_uploads.send_modify(|open| *open = open.saturating_sub(1));
    }
}

/// The modification time a client set.
pub(super) fn modified(attributes: Attributes) -> Option<Timestamp> {
    attributes.modified.and_then(|seconds| Timestamp::from_second(i64::from(seconds)).ok())
}

impl Session {
    /// Every OPEN starts a private object of its own; only a known partial, opened without truncation, is continued.
    pub(super) async fn open_upload(&mut self, path: &[u8], flags: u32, attributes: Attributes) -> Outcome {
        let key = self.upload_target(path)?;
        if self.shared.stopping() {
            return Err(No::failure(STOPPING));
        }
        let account = self.shared.account(&self.client.provider);
        let account = account.ok_or_else(|| No::denied("this account has been closed: ask the council's team"))?;
        let most = self.shared.settings.max_open_files;
        if self.uploads().count() >= most {
            return Err(No::failure(format!("more than {most} files are open at once: close some first")));
        }
        let share = Share::take(&self.shared, &self.client.provider, Kind::Upload, most.saturating_mul(OPEN_FILES_FACTOR));
        let share = share.ok_or_else(|| No::failure("too many files are open in all sessions of this account: close some first"))?;
        let stake = Stake::take(&self.shared, &self.client.provider, account.quota).map_err(|error| self.failed(&error))?;
        let now = self.shared.clock.now();
        let continues = flags & (OPEN_TRUNCATE | OPEN_EXCLUSIVE) == 0;
        let partial = if continues && is_temporary(key.name.as_str()) { self.shared.partials().take(&key, now) } else { None };
        if flags & OPEN_APPEND != 0 && continues && partial.is_none() && self.facts(path).await.is_ok() {
            return Err(No::failure("nothing can be added to a file that was sent before: send the whole file"));
        }
        let resumed = partial.is_some();
        let (upload, modified_at) = match partial {
            Some(partial) => (partial.upload, partial.modified_at),
            None => (Upload::begin(&self.shared.state_dir, now, account.max_file_bytes).map_err(|e| self.failed(&e))?, None),
        };
        stake.watch(&upload);
        let modified_at = modified(attributes).or(modified_at);
        let slot = Slot::take(&self.client);
        self.add_handle(Handle::Upload(Box::new(OpenUpload { key, upload: Ok(upload), modified_at, resumed, stake, slot, share })))
    }

    pub(super) fn write(&mut self, handle: &[u8], offset: u64, data: &[u8]) -> Outcome {
        self.change(handle, |open, upload| {
            open.stake.write(upload, offset, data)?;
            // A client that starts at 0 does not resume: no byte of the earlier try may stay.
            if open.resumed && offset == 0 {
                upload.set_size(0)?;
            }
            open.resumed = false;
            upload.write(offset, data)
        })
    }

    pub(super) fn set_by_handle(&mut self, handle: &[u8], attributes: Attributes) -> Outcome {
        self.change(handle, |open, upload| {
            open.modified_at = modified(attributes).or(open.modified_at);
            attributes.size.map_or(Ok(()), |size| upload.set_size(size))
        })
    }

    /// Brings what was written so far to stable storage, off the threads that serve connections.
    pub(super) async fn sync(&mut self, handle: &[u8]) -> Outcome {
        let mut synced = Ok(());
        if let Handle::Upload(open) = self.handle(handle)?
            && let Ok(upload) = &open.upload
        {
            let syncing = upload.syncing();
            synced = tokio::task::spawn_blocking(syncing).await.unwrap_or_else(|stopped| Err(LandingError::Stopped(stopped)));
        }
        self.change(handle, |_, _| synced)
    }

    pub(super) async fn close(&mut self, handle: &[u8]) -> Outcome {
        let Handle::Upload(open) = self.remove_handle(handle)? else {
            return Ok(Answer::Done);
        };
        let OpenUpload { key, upload, modified_at, slot, share, .. } = *open;
        let upload = upload.map_err(No::failure)?;
        if is_temporary(key.name.as_str()) {
            let most = self.shared.account(&self.client.provider).map_or(0, |account| account.max_file_bytes);
            let now = self.shared.clock.now();
            self.shared.partials().keep(key, Partial { upload, modified_at }, now, most);
            return Ok(Answer::Done);
        }
        let outcome = self.land(key, upload, modified_at).await;
        drop((slot, share)); // open until it has landed, so that a stop waits for it
        outcome
    }

    /// The rename of a partial to a final name is its acknowledgement; accepted files keep their names.
    pub(super) async fn rename(&mut self, from: &[u8], to: &[u8]) -> Outcome {
        self.facts(from).await?;
        let from = self.upload_target(from)?;
        let to = self.upload_target(to)?;
        if self.uploads().any(|open| open.key == from) {
            return Err(No::failure("the file is still open: close it first"));
        }
        if self.shared.stopping() {
            return Err(No::failure(STOPPING));
        }
        let now = self.shared.clock.now();
        let Some(partial) = self.shared.partials().take(&from, now) else {
            return Err(No::failure(
                "the file was taken in under its first name and cannot be renamed: upload under the final name, or under NAME.filepart and rename that",
            ));
        };
        let Partial { upload, modified_at } = partial;
        if is_temporary(to.name.as_str()) {
            self.shared.partials().keep(to, Partial { upload, modified_at }, now, u64::MAX);
            return Ok(Answer::Done);
        }
        let slot = Slot::take(&self.client);
        let outcome = self.land(to, upload, modified_at).await;
        drop(slot);
        outcome
    }

    /// Removes what was not accepted yet. Removing an accepted file is answered OK and changes nothing: clients remove the
    /// old name before they rename.
    pub(super) async fn remove(&mut self, path: &[u8]) -> Outcome {
        self.facts(path).await?;
        let key = self.upload_target(path)?;
        for open in self.uploads_mut().filter(|open| open.key == key) {
            open.upload = Err("the file was removed before it was closed".to_owned());
        }
        let removed = self.shared.partials().take(&key, self.shared.clock.now());
        drop(removed);
        Ok(Answer::Done)
    }

    /// Where an upload to a path would go.
    fn upload_target(&self, path: &[u8]) -> Result<Key, No> {
        match resolve(path).map_err(|_| No::failure("the path is too long"))? {
            Spot::Folder(_) => Err(No::failure("this is a folder")),
            Spot::Nowhere => Err(No::new(super::reply::Code::NoSuchFile, "no such folder: upload to inbox/, or to test/ for a trial")),
            Spot::File { shelf: Shelf::Receipts, .. } => Err(No::denied("receipts/ can only be read: upload to inbox/")),
            Spot::File { shelf: Shelf::Accepted(folder), name } => {
                let name = FileName::parse(&name).map_err(|error| No::failure(error.to_string()))?;
                Ok(self.key(folder, name))
            }
        }
    }

    /// Changes an open upload; where that fails, its file goes at once and its handle only tells why.
    fn change(&mut self, handle: &[u8], act: impl FnOnce(&mut OpenUpload, &mut Upload) -> Result<(), LandingError>) -> Outcome {
        let Handle::Upload(open) = self.handle(handle)? else {
            return Err(No::denied("only files opened for writing can be changed"));
        };
        let mut upload = match std::mem::replace(&mut open.upload, Err(String::new())) {
            Ok(upload) => upload,
            Err(text) => {
                open.upload = Err(text.clone());
                return Err(No::failure(text));
            }
        };
        match act(open, &mut upload) {
            Ok(()) => {
                open.upload = Ok(upload);
                Ok(Answer::Done)
            }
            Err(error) => {
                open.upload = Err(error.told());
                drop(upload);
                Err(self.failed(&error))
            }
        }
    }

    /// From a complete upload to an acknowledged delivery.
    async fn land(&self, key: Key, upload: Upload, modified_at: Option<Timestamp>) -> Outcome {
        let label = Label {
            provider: key.provider,
            folder: key.folder,
            name: key.name,
            received_at: self.shared.clock.now(),
            modified_at,
            sender: self.client.sender.clone(),
        };
        let state_dir = self.shared.state_dir.clone();
        let landing = tokio::task::spawn_blocking(move || upload.finish(&state_dir, label)).await;
        let landed = landing.unwrap_or_else(|stopped| Err(LandingError::Stopped(stopped))).map_err(|error| self.failed(&error))?;
        let (id, bytes) = (landed.delivery().id, landed.delivery().bytes);
        self.shared.gate.accept(landed).await.map_err(|error| self.not_accepted(&error))?;
        Counters::count(&self.shared.counters.accepted);
        self.shared.counters.bytes.fetch_add(bytes, Ordering::Relaxed);
        tracing::info!(
            provider = %self.client.provider,
            connection = self.client.sender.connection,
            delivery = %id,
            bytes,
            "upload accepted"
        );
        Ok(Answer::Done)
    }

    fn failed(&self, error: &LandingError) -> No {
        let cause = error.source().map(ToString::to_string).unwrap_or_default();
        Counters::count(&self.shared.counters.failed);
        tracing::warn!(
            provider = %self.client.provider,
            connection = self.client.sender.connection,
            %error,
            cause,
            "upload refused"
        );
        No::failure(error.told())
    }

    fn not_accepted(&self, error: &NotAccepted) -> No {
        Counters::count(&self.shared.counters.failed);
        tracing::error!(
            provider = %self.client.provider,
            connection = self.client.sender.connection,
            %error,
            cause = %error.0,
            "upload not acknowledged"
        );
        No::failure("bedfeed could not record the file: send it again in a few minutes")
    }
}
