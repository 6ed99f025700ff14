//! Uploads over SFTP: opened, written, closed under a final name (landing), or kept under a temporary name until renamed.
//!
//! Owns the point of acknowledgement: the answer to CLOSE, or to the RENAME of a temporary name, is OK only after the
//! delivery is on stable storage and the gate has accepted it (P1). Whether an upload goes on with an earlier try is decided
//! in `resume`, at its first write.

use super::folder::{Spot, is_temporary, resolve};
use super::limits::{MAX_LOGGED_FAILURES, OPEN_FILES_FACTOR};
use super::packet::Attributes;
use super::partials::{Kept, Key, Partial};
use super::quota::Stake;
use super::resume::{self, Decision};
use super::session::{Answer, Handle, No, Outcome, Session};
use super::{Client, Kind, Share, Shared};
use crate::feed::{FileName, error_chain};
use crate::intake::landing::{Label, LandingError, Upload};
use crate::intake::room;
use crate::intake::{Counters, NotAccepted, Refused, Shelf};
use jiff::Timestamp;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Bits of OPEN's flags (draft-ietf-secsh-filexfer-02, section 6.3).
const OPEN_APPEND: u32 = 0x4;
const OPEN_TRUNCATE: u32 = 0x10;
const OPEN_EXCLUSIVE: u32 = 0x20;

/// What a sender reads where the daemon is about to stop.
pub(super) const STOPPING: &str = "bedfeed is being restarted: send the file again in a minute";

/// A file that a client has open for writing.
pub(super) struct OpenUpload {
    pub(super) key: Key,
    pub(super) body: Body,
    pub(super) modified_at: Option<Timestamp>,
    stake: Stake,
    slot: Slot,
    share: Share,
}

/// What has become of an open file so far.
pub(super) enum Body {
    /// It was opened without truncation where an earlier try is kept, and nothing was written.
    Undecided { earlier: Kept, announced: Option<u64> },
    /// It takes bytes.
    Open(Upload),
    /// Something is wrong with it: every further request on it fails with this text, and what it had is gone.
    Failed(String),
}

/// What a request on an open upload works with.
struct OpenBody<'a> {
    upload: &'a mut Upload,
    modified_at: &'a mut Option<Timestamp>,
    stake: &'a Stake,
}

/// Counts an upload as open, until its landing is over.
pub(super) struct Slot(Arc<Client>);

impl Slot {
    pub(super) fn take(client: &Arc<Client>) -> Self {
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
    /// Every OPEN starts a private object of its own, or leaves it open whether an earlier try of that name is gone on with.
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
        let stake = Stake::take(&self.shared, &self.client.provider, account.quota);
        let stake = stake.map_err(|error| self.refused(&key, self.failed(&error)))?;
        let truncates = flags & (OPEN_TRUNCATE | OPEN_EXCLUSIVE) != 0;
        let earlier = if truncates { None } else { self.shared.partials().find(&key, self.shared.clock.now()) };
        if flags & OPEN_APPEND != 0 && !truncates && earlier.is_none() && self.facts(path).await.is_ok() {
            return Err(No::failure("nothing can be added to a file that was sent before: send the whole file"));
        }
        let announced = attributes.size;
        let limit = account.max_file_bytes;
        if announced.is_some_and(|size| size > limit) {
            return Err(self.refused(&key, self.failed(&LandingError::TooLarge { limit })));
        }
        self.make_sure_of_room(announced.unwrap_or(0)).map_err(|error| self.refused(&key, self.failed(&error)))?;
        let body = match earlier {
            Some(earlier) => Body::Undecided { earlier, announced },
            None => Body::Open(self.begin(&stake, announced).map_err(|error| self.failed(&error))?),
        };
        let slot = Slot::take(&self.client);
        let open = OpenUpload { key, body, modified_at: modified(attributes), stake, slot, share };
        self.add_handle(Handle::Upload(Box::new(open)))
    }

    pub(super) fn write(&mut self, handle: &[u8], offset: u64, data: &[u8]) -> Outcome {
        self.settle(handle, |earlier, told| resume::at_write(earlier, told, offset))?;
        let room = self.make_sure_of_room(u64::try_from(data.len()).unwrap_or(u64::MAX));
        self.change(handle, |OpenBody { upload, stake, .. }| {
            room?;
            stake.write(upload, offset, data)?;
            upload.write(offset, data)
        })
    }

    pub(super) fn set_by_handle(&mut self, handle: &[u8], attributes: Attributes) -> Outcome {
        if let Some(size) = attributes.size {
            self.settle(handle, |earlier, _| resume::at_size(earlier, size))?;
        }
        if let Handle::Upload(open) = self.handle(handle)?
            && let Body::Undecided { announced, .. } = &mut open.body
        {
            *announced = attributes.size.or(*announced);
            open.modified_at = modified(attributes).or(open.modified_at);
            return Ok(Answer::Done);
        }
        self.change(handle, |OpenBody { upload, modified_at, .. }| {
            *modified_at = modified(attributes).or(*modified_at);
            attributes.size.map_or(Ok(()), |size| upload.set_size(size))
        })
    }

    /// Brings what was written so far to stable storage, off the threads that serve connections.
    pub(super) async fn sync(&mut self, handle: &[u8]) -> Outcome {
        let mut synced = Ok(());
        if let Handle::Upload(open) = self.handle(handle)?
            && let Body::Open(upload) = &open.body
        {
            let syncing = upload.syncing();
            synced = tokio::task::spawn_blocking(syncing).await.unwrap_or_else(|stopped| Err(LandingError::Stopped(stopped)));
        }
        self.change(handle, |_| synced)
    }

    pub(super) async fn close(&mut self, handle: &[u8]) -> Outcome {
        let Handle::Upload(open) = self.remove_handle(handle)? else {
            return Ok(Answer::Done);
        };
        let OpenUpload { key, body, modified_at, stake, slot, share } = *open;
        let temporary = is_temporary(key.name.as_str());
        let (upload, modified_at) = match body {
            Body::Open(upload) => (upload, modified_at),
            Body::Failed(text) => return Err(self.refused(&key, No::failure(text))),
            Body::Undecided { earlier, announced } => {
                let decision = resume::at_close(self.told.knows(&key, earlier), temporary);
                let (upload, before) = self.start(&key, &stake, earlier, announced, decision)?;
                (upload, modified_at.or(before))
            }
        };
        if temporary {
            upload.check_holes().map_err(|error| self.refused(&key, self.failed(&error)))?;
            let partial = Partial { upload, modified_at, closed: true };
            self.shared.partials().keep(key, partial, self.shared.clock.now(), self.max_file_bytes());
            return Ok(Answer::Done);
        }
        let outcome = self.land(key, upload, modified_at).await;
        drop((slot, share)); // open until it has landed, so that a stop waits for it
        outcome
    }

    /// Keeps what an open upload has when the session ends without its CLOSE.
    pub(super) fn cut_off(&self, open: OpenUpload) {
        let OpenUpload { key, body, modified_at, slot, share, .. } = open;
        let Body::Open(upload) = body else { return };
        let bytes = upload.length();
        let temporary = is_temporary(key.name.as_str());
        let partial = Partial { upload, modified_at, closed: false };
        let kept = self.shared.partials().keep_cut_off(key, partial, temporary, self.shared.clock.now(), self.max_file_bytes());
        drop((slot, share));
        Counters::count(&self.shared.counters.failed);
        tracing::warn!(
            provider = %self.client.provider,
            connection = self.client.sender.connection,
            bytes,
            kept,
            "an upload was cut off; it is no delivery, and where it is kept it can be resumed for an hour"
        );
    }

    /// Where an upload to a path would go.
    pub(super) fn upload_target(&self, path: &[u8]) -> Result<Key, No> {
        match resolve(path).map_err(|_| No::path_too_long())? {
            Spot::Folder(_) => Err(No::failure("this is a folder: give the name of a file in it")),
            Spot::Nowhere => Err(No::new(super::reply::Code::NoSuchFile, "no such folder: upload to inbox/, or to test/ for a trial")),
            Spot::File { shelf: Shelf::Receipts, .. } => Err(No::denied("receipts/ can only be read: upload to inbox/")),
            Spot::File { shelf: Shelf::Accepted(folder), name } => {
                let name = FileName::parse(&name).map_err(|error| No::failure(format!("{error}: rename it and send it again")))?;
                Ok(self.key(folder, name))
            }
        }
    }

    fn max_file_bytes(&self) -> u64 {
        self.shared.account(&self.client.provider).map_or(0, |account| account.max_file_bytes)
    }

    /// Refuses bytes that would take from what is kept back for the ledger.
    fn make_sure_of_room(&self, bytes: u64) -> Result<(), LandingError> {
        let Shared { state_dir, settings, .. } = &*self.shared;
        if room::takes(state_dir, settings.reserve_bytes, bytes) { Ok(()) } else { Err(LandingError::NoRoom) }
    }

    /// A new upload.
    fn begin(&self, stake: &Stake, announced: Option<u64>) -> Result<Upload, LandingError> {
        let mut upload = Upload::begin(&self.shared.state_dir, self.shared.clock.now(), self.max_file_bytes())?;
        stake.watch(&upload);
        announced.map_or(Ok(()), |size| upload.announce(size))?;
        Ok(upload)
    }

    /// What an undecided upload becomes, with the modification time that was set on the earlier try.
    fn start(
        &self,
        key: &Key,
        stake: &Stake,
        earlier: Kept,
        announced: Option<u64>,
        decision: Decision,
    ) -> Result<(Upload, Option<Timestamp>), No> {
        match decision {
            Decision::Refused => {
                Err(No::failure("nothing was added to the part of the file that arrived before: send the whole file again"))
            }
            Decision::Anew | Decision::Later => Ok((self.begin(stake, announced).map_err(|error| self.failed(&error))?, None)),
            Decision::Continue => {
                let known = self.shared.partials().take_known(key, earlier, self.shared.clock.now());
                let Some(Partial { mut upload, modified_at, .. }) = known else {
                    return Err(No::failure("the part of the file that arrived before is gone: send the whole file again"));
                };
                upload.settle();
                announced.map_or(Ok(()), |size| upload.announce(size)).map_err(|error| self.failed(&error))?;
                Ok((upload, modified_at))
            }
        }
    }

    /// Decides about an upload that was left open, where that can be done by now.
    fn settle(&mut self, handle: &[u8], decide: impl FnOnce(Kept, bool) -> Decision) -> Result<(), No> {
        let Handle::Upload(open) = self.handle(handle)? else { return Ok(()) };
        let Body::Undecided { earlier, announced } = &open.body else { return Ok(()) };
        let (key, stake, earlier, announced) = (open.key.clone(), open.stake.clone(), *earlier, *announced);
        let decision = decide(earlier, self.told.knows(&key, earlier));
        if decision == Decision::Later {
            return Ok(());
        }
        let started = self.start(&key, &stake, earlier, announced, decision);
        let Handle::Upload(open) = self.handle(handle)? else { return Ok(()) };
        match started {
            Ok((upload, before)) => {
                open.modified_at = open.modified_at.or(before);
                open.body = Body::Open(upload);
                Ok(())
            }
            Err(no) => {
                open.body = Body::Failed(no.text.clone());
                Err(no)
            }
        }
    }

    /// Changes an open upload; where that fails, its file goes at once and its handle only tells why.
    fn change(&mut self, handle: &[u8], act: impl FnOnce(OpenBody<'_>) -> Result<(), LandingError>) -> Outcome {
        let Handle::Upload(open) = self.handle(handle)? else {
            return Err(No::denied("only files opened for writing can be changed: open the file for writing"));
        };
        let OpenUpload { key, body, modified_at, stake, .. } = &mut **open;
        let error = match body {
            Body::Undecided { .. } => return Ok(Answer::Done),
            Body::Failed(text) => return Err(No::failure(text.clone())),
            Body::Open(upload) => match act(OpenBody { upload, modified_at, stake }) {
                Ok(()) => return Ok(Answer::Done),
                Err(error) => error,
            },
        };
        *body = Body::Failed(error.told());
        let key = key.clone();
        Err(self.refused(&key, self.failed(&error)))
    }

    /// From a complete upload to an acknowledged delivery.
    pub(super) async fn land(&self, key: Key, upload: Upload, modified_at: Option<Timestamp>) -> Outcome {
        let label = Label {
            provider: key.provider.clone(),
            folder: key.folder,
            name: key.name.clone(),
            received_at: self.shared.clock.now(),
            modified_at,
            sender: self.client.sender.clone(),
        };
        let state_dir = self.shared.state_dir.clone();
        let landing = tokio::task::spawn_blocking(move || upload.finish(&state_dir, label)).await;
        let landed = landing.unwrap_or_else(|stopped| Err(LandingError::Stopped(stopped)));
        let landed = landed.map_err(|error| self.refused(&key, self.failed(&error)))?;
        let (id, bytes) = (landed.delivery().id, landed.delivery().bytes);
        let accepted = self.shared.gate.accept(landed).await;
        accepted.map_err(|error| self.refused(&key, self.not_accepted(&error)))?;
        self.shared.partials().accepted(&key, self.shared.clock.now());
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

    /// Takes note that nothing came of an upload under a name: clients that do not look at the answer look for the file.
    fn refused(&self, key: &Key, no: No) -> No {
        let at = self.shared.clock.now();
        self.shared.partials().refused(key, at);
        let Key { provider, folder, name } = key.clone();
        self.shared.gate.refused(Refused { provider, folder, name, why: no.text.clone(), at });
        no
    }

    /// Says in the log that an upload failed, the first times in a session.
    pub(super) fn failed(&self, error: &LandingError) -> No {
        let cause = error.source().map(ToString::to_string).unwrap_or_default();
        Counters::count(&self.shared.counters.failed);
        if error.is_for_want_of_room() {
            Counters::count(&self.shared.counters.no_room);
        }
        let failures = self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if failures <= MAX_LOGGED_FAILURES {
            tracing::warn!(
                provider = %self.client.provider,
                connection = self.client.sender.connection,
                %error,
                cause,
                last_said = failures == MAX_LOGGED_FAILURES,
                "upload refused"
            );
        }
        No::failure(error.told())
    }

    fn not_accepted(&self, error: &NotAccepted) -> No {
        Counters::count(&self.shared.counters.failed);
        tracing::error!(
            provider = %self.client.provider,
            connection = self.client.sender.connection,
            %error,
            cause = error_chain(error.0.as_ref()),
            "upload not acknowledged"
        );
        No::failure("bedfeed could not record the file: send it again in a few minutes")
    }
}
