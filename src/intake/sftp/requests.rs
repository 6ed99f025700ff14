//! The table of requests, and the answers to all that do not change an upload.

use super::folder::{FOLDERS, Place, Spot, is_temporary, real_path, resolve};
use super::limits::{MAX_OPEN_VIEWS, MAX_READ_BYTES, NAMES_PER_REPLY, OPEN_FILES_FACTOR};
use super::packet::{self, Attributes, Request};
use super::partials::{Kept, Key};
use super::reply::{Code, Entry, Facts, Space};
use super::session::{Answer, Handle, No, Outcome, Session};
use super::uploads::{Body, modified};
use super::{Kind, lock};
use crate::feed::{FileName, Folder};
use crate::intake::{Item, Shelf};
use std::collections::VecDeque;

/// The bit of OPEN's flags that asks for writing (draft-ietf-secsh-filexfer-02, section 6.3).
const OPEN_WRITE: u32 = 0x2;

impl Session {
    /// Every request and what answers it.
    pub(super) async fn answer(&mut self, request: Request<'_>) -> Outcome {
        match request {
            Request::Init => Ok(Answer::Version),
            Request::Open { path, flags, attributes } if flags & OPEN_WRITE != 0 => self.open_upload(path, flags, attributes).await,
            Request::Open { path, .. } => self.open_receipt(path).await,
            Request::Close { handle } => self.close(handle).await,
            Request::Read { handle, offset, length } => self.read(handle, offset, length),
            Request::Write { handle, offset, data } => self.write(handle, offset, data),
            Request::Stat { path } | Request::Lstat { path } => self.stat(path).await,
            Request::Fstat { handle } => self.handle_facts(handle),
            Request::Setstat { path, attributes } => self.set_by_path(path, attributes).await,
            Request::Fsetstat { handle, attributes } => self.set_by_handle(handle, attributes),
            Request::Opendir { path } => self.open_folder(path).await,
            Request::Readdir { handle } => self.read_folder(handle),
            Request::Realpath { path } => real(path),
            Request::Remove { path } => self.remove(path).await,
            Request::Rename { from, to } => self.rename(from, to).await,
            Request::Mkdir { path } => make_folder(path),
            Request::Rmdir => Err(No::denied("folders cannot be removed: leave them as they are")),
            Request::Symlink | Request::Readlink => Err(No::new(Code::Unsupported, "there are no links here: upload the file itself")),
            Request::Extended { name, data } => self.extended(name, data).await,
            Request::Unknown => Err(No::not_offered()),
        }
    }

    /// The extensions that INIT announced (OpenSSH's PROTOCOL file, section 4).
    async fn extended(&mut self, name: &[u8], data: &[u8]) -> Outcome {
        match name {
            b"posix-rename@openssh.com" => {
                let (from, to) = packet::two_paths(data).ok_or_else(No::unreadable)?;
                self.rename(from, to).await
            }
            b"fsync@openssh.com" => self.sync(packet::one_string(data).ok_or_else(No::unreadable)?).await,
            b"statvfs@openssh.com" => {
                self.facts(packet::one_string(data).ok_or_else(No::unreadable)?).await?;
                self.space()
            }
            b"fstatvfs@openssh.com" => {
                self.handle(packet::one_string(data).ok_or_else(No::unreadable)?)?;
                self.space()
            }
            b"lsetstat@openssh.com" => {
                let (path, attributes) = packet::path_and_attributes(data).ok_or_else(No::unreadable)?;
                self.set_by_path(path, attributes).await
            }
            b"limits@openssh.com" => Ok(Answer::Limits),
            _ => Err(No::not_offered()),
        }
    }

    /// What the account may have staged, open uploads and partials together, and how much it may still send now. Nothing about our
    /// disk: how full that is, is no sender's business, and no sender may use more of it than this.
    fn space(&self) -> Outcome {
        let account =
            self.shared.account(&self.client.provider).ok_or_else(|| No::denied("this account has been closed: ask the council's team"))?;
        let most = self.shared.settings.max_open_files.saturating_mul(OPEN_FILES_FACTOR);
        let files = u64::try_from(most).unwrap_or(u64::MAX);
        let open = u64::try_from(self.shared.taken(&self.client.provider, Kind::Upload)).unwrap_or(u64::MAX);
        let bytes = account.quota.max_staged_bytes;
        let free = lock(&self.shared.quotas).room(&self.client.provider, account.quota, self.shared.clock.now());
        Ok(Answer::Space(Space { bytes, free, files, files_free: files.saturating_sub(open) }))
    }

    /// What a path's name is in the partials, where it can be there.
    pub(super) fn key(&self, folder: Folder, name: FileName) -> Key {
        Key { provider: self.client.provider.clone(), folder, name }
    }

    /// What is known of a path: a folder, an upload of this session, a partial or an accepted file of this account, a receipt.
    /// Looks only: a client is told of earlier tries by STAT.
    pub(super) async fn facts(&self, path: &[u8]) -> Result<Facts, No> {
        self.look(path).await.map(|(facts, _)| facts)
    }

    /// The same for the client's own question: from now on it may go on with an earlier try of that name.
    async fn stat(&mut self, path: &[u8]) -> Outcome {
        let (facts, earlier) = self.look(path).await?;
        if let Some((key, kept)) = earlier {
            self.tell(&key, kept);
        }
        Ok(Answer::Facts(facts))
    }

    async fn look(&self, path: &[u8]) -> Result<(Facts, Option<(Key, Kept)>), No> {
        let (shelf, name) = match resolve(path).map_err(|_| No::path_too_long())? {
            Spot::Folder(place) => return Ok((Facts::folder(place != Place::Shelf(Shelf::Receipts)), None)),
            Spot::Nowhere => return Err(No::no_such_file()),
            Spot::File { shelf, name } => (shelf, FileName::parse(&name).map_err(|_| No::no_such_file())?),
        };
        if let Shelf::Accepted(folder) = shelf {
            let key = self.key(folder, name.clone());
            // Where one name is open twice, the newer upload answers.
            let open = self.uploads().filter(|open| open.key == key).filter_map(|open| match &open.body {
                Body::Open(upload) => Some(Facts::file(upload.length(), open.modified_at)),
                Body::Undecided { .. } | Body::Failed(_) => None,
            });
            if let Some(facts) = open.last() {
                return Ok((facts, None));
            }
            let kept = self.shared.partials().find(&key, self.shared.clock.now());
            if let Some(kept) = kept {
                return Ok((Facts::file(kept.length, kept.modified_at), Some((key, kept))));
            }
            if self.shared.partials().is_refused(&key) {
                return Err(No::no_such_file());
            }
        }
        let found = self.shared.gate.find(self.client.provider.clone(), shelf, name.as_str().to_owned()).await;
        found.map(|item| (self.item_facts(shelf, &item), None)).ok_or_else(No::no_such_file)
    }

    /// Tells the client of an earlier try: from now on it may go on with it.
    fn tell(&mut self, key: &Key, kept: Kept) -> Facts {
        self.told.note(key, kept);
        Facts::file(kept.length, kept.modified_at)
    }

    fn item_facts(&self, shelf: Shelf, item: &Item) -> Facts {
        match shelf {
            Shelf::Receipts => Facts::receipt(item.bytes, item.modified_at),
            Shelf::Accepted(folder) => {
                let set = self.shared.partials().modified_at(&self.key(folder, item.name.clone()));
                Facts::file(item.bytes, Some(set.unwrap_or(item.modified_at)))
            }
        }
    }

    fn handle_facts(&mut self, handle: &[u8]) -> Outcome {
        let (key, kept, modified_at) = match self.handle(handle)? {
            Handle::Listing { facts, .. } | Handle::Receipt { facts, .. } => return Ok(Answer::Facts(*facts)),
            Handle::Upload(open) => match &open.body {
                Body::Open(upload) => return Ok(Answer::Facts(Facts::file(upload.length(), open.modified_at))),
                Body::Failed(text) => return Err(No::failure(text.clone())),
                Body::Undecided { earlier, .. } => (open.key.clone(), *earlier, open.modified_at),
            },
        };
        let facts = self.tell(&key, kept);
        Ok(Answer::Facts(Facts { modified: modified_at.or(facts.modified), ..facts }))
    }

    /// Times are taken note of, also those of accepted files, whose delivery stays as it is; modes are ignored; a size is
    /// only taken on an open upload's handle.
    async fn set_by_path(&mut self, path: &[u8], attributes: Attributes) -> Outcome {
        self.facts(path).await?;
        if attributes.size.is_some() {
            return Err(No::denied("a file's size cannot be changed: send the whole file again"));
        }
        if let Ok(Spot::File { shelf: Shelf::Accepted(folder), name }) = resolve(path)
            && let Ok(name) = FileName::parse(&name)
        {
            let key = self.key(folder, name);
            let modified_at = modified(attributes);
            let mut open_here = false;
            for open in self.uploads_mut().filter(|open| open.key == key && !matches!(open.body, Body::Failed(_))) {
                open.modified_at = modified_at.or(open.modified_at);
                open_here = true;
            }
            if !open_here {
                self.shared.partials().set_modified(&key, modified_at, self.shared.clock.now());
            }
        }
        Ok(Answer::Done)
    }

    async fn open_folder(&mut self, path: &[u8]) -> Outcome {
        let Ok(Spot::Folder(place)) = resolve(path) else {
            return Err(No::new(Code::NoSuchFile, "no such folder"));
        };
        self.room_for_a_view()?;
        let (mut left, shelf) = match place {
            Place::Top => {
                let folders = FOLDERS
                    .iter()
                    .map(|(name, shelf)| Entry { name: name.as_bytes().to_vec(), facts: Some(Facts::folder(*shelf != Shelf::Receipts)) });
                (folders.collect(), Shelf::Accepted(Folder::Inbox))
            }
            Place::Shelf(shelf) => (VecDeque::new(), shelf),
        };
        let provider = self.client.provider.clone();
        let kept = match shelf {
            Shelf::Accepted(folder) => self.shared.partials().list(&provider, folder, self.shared.clock.now()),
            Shelf::Receipts => Vec::new(),
        };
        let entry = |name: &FileName, facts| Entry { name: name.as_str().as_bytes().to_vec(), facts: Some(facts) };
        // What was cut off under a final name is not there for whoever looks; a client that resumes asks for it by STAT.
        let shown = kept.iter().filter(|(key, kept)| kept.closed || is_temporary(key.name.as_str()));
        left.extend(shown.map(|(key, kept)| entry(&key.name, self.tell(key, *kept))));
        // What is kept of a name, or was refused under it, is newer than what was accepted under it.
        let items = self.shared.gate.list(provider, shelf).await;
        let gone = |name: &FileName| match shelf {
            Shelf::Accepted(folder) => self.shared.partials().is_refused(&self.key(folder, name.clone())),
            Shelf::Receipts => false,
        };
        let items = items.iter().filter(|item| !kept.iter().any(|(key, _)| key.name == item.name) && !gone(&item.name));
        left.extend(items.map(|item| entry(&item.name, self.item_facts(shelf, item))));
        self.add_handle(Handle::Listing { facts: Facts::folder(shelf != Shelf::Receipts), left })
    }

    fn read_folder(&mut self, handle: &[u8]) -> Outcome {
        let Handle::Listing { left, .. } = self.handle(handle)? else {
            return Err(No::failure("this handle is not a folder: open the folder first"));
        };
        if left.is_empty() {
            return Err(No::new(Code::Eof, "that was all"));
        }
        let count = left.len().min(NAMES_PER_REPLY);
        Ok(Answer::Names(left.drain(..count).collect()))
    }

    /// A receipt is read from what it said when it was opened.
    async fn open_receipt(&mut self, path: &[u8]) -> Outcome {
        let name = match resolve(path) {
            Ok(Spot::File { shelf: Shelf::Receipts, name }) => FileName::parse(&name).map_err(|_| No::no_such_file())?,
            Ok(Spot::Nowhere) => return Err(No::no_such_file()),
            Ok(Spot::Folder(_)) => return Err(No::failure("this is a folder: list it, or name a receipt in receipts/")),
            _ => return Err(No::denied("files cannot be read back; see receipts/ for what became of them")),
        };
        self.room_for_a_view()?;
        let provider = self.client.provider.clone();
        let receipt = self.shared.gate.receipt(provider, name.as_str().to_owned()).await;
        let (item, bytes) = receipt.ok_or_else(No::no_such_file)?;
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.add_handle(Handle::Receipt { facts: Facts::receipt(size, item.modified_at), bytes })
    }

    fn read(&mut self, handle: &[u8], offset: u64, length: u32) -> Outcome {
        let Handle::Receipt { bytes, .. } = self.handle(handle)? else {
            return Err(No::denied("only receipts can be read: open one in receipts/"));
        };
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let wanted = usize::try_from(length).unwrap_or(usize::MAX).min(MAX_READ_BYTES);
        let end = start.saturating_add(wanted).min(bytes.len());
        match bytes.get(start..end) {
            Some(data) if !data.is_empty() => Ok(Answer::Data(data.to_vec())),
            _ => Err(No::new(Code::Eof, "that was all")),
        }
    }

    fn room_for_a_view(&self) -> Result<(), No> {
        if self.views() < MAX_OPEN_VIEWS { Ok(()) } else { Err(No::failure("too many folders and receipts are open: close some first")) }
    }
}

fn real(path: &[u8]) -> Outcome {
    let name = real_path(path).map_err(|_| No::path_too_long())?;
    Ok(Answer::Names(vec![Entry { name, facts: None }]))
}

fn make_folder(path: &[u8]) -> Outcome {
    match resolve(path) {
        Ok(Spot::Folder(_)) => Err(No::failure("the folder is there already: upload into it")),
        _ => Err(No::denied("folders cannot be made here: upload to inbox/, or to test/ for a trial")),
    }
}
