//! The table of requests, and the answers to all that do not change an upload.

use super::folder::{FOLDERS, Place, Spot, real_path, resolve};
use super::limits::{MAX_OPEN_VIEWS, MAX_READ_BYTES, NAMES_PER_REPLY};
use super::packet::{self, Attributes, Request};
use super::partials::Key;
use super::reply::{Code, Entry, Facts};
use super::session::{Answer, Handle, No, Outcome, Session};
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
            Request::Stat { path } | Request::Lstat { path } => self.facts(path).await.map(Answer::Facts),
            Request::Fstat { handle } => self.handle_facts(handle),
            Request::Setstat { path, attributes } => self.set_by_path(path, attributes).await,
            Request::Fsetstat { handle, attributes } => self.set_by_handle(handle, attributes),
            Request::Opendir { path } => self.open_folder(path).await,
            Request::Readdir { handle } => self.read_folder(handle),
            Request::Realpath { path } => real(path),
            Request::Remove { path } => self.remove(path).await,
            Request::Rename { from, to } => self.rename(from, to).await,
            Request::Mkdir { path } => make_folder(path),
            Request::Rmdir => Err(No::denied("folders cannot be removed")),
            Request::Symlink | Request::Readlink => Err(No::new(Code::Unsupported, "there are no links here")),
            Request::Extended { name: b"posix-rename@openssh.com", data } => match packet::two_paths(data) {
                Some((from, to)) => self.rename(from, to).await,
                None => Err(No::new(Code::BadMessage, "the request cannot be read")),
            },
            Request::Extended { name: b"fsync@openssh.com", data } => match packet::one_handle(data) {
                Some(handle) => self.sync(handle).await,
                None => Err(No::new(Code::BadMessage, "the request cannot be read")),
            },
            Request::Extended { name: b"limits@openssh.com", .. } => Ok(Answer::Limits),
            Request::Extended { .. } | Request::Unknown => Err(No::new(Code::Unsupported, "bedfeed does not offer this")),
        }
    }

    /// What a path's name is in the partials, where it can be there.
    pub(super) fn key(&self, folder: Folder, name: FileName) -> Key {
        Key { provider: self.client.provider.clone(), folder, name }
    }

    /// What is known of a path: a folder, an upload of this session, a partial or an accepted file of this account, a receipt.
    pub(super) async fn facts(&self, path: &[u8]) -> Result<Facts, No> {
        let (shelf, name) = match resolve(path).map_err(|_| No::failure("the path is too long"))? {
            Spot::Folder(place) => return Ok(Facts::folder(place != Place::Shelf(Shelf::Receipts))),
            Spot::Nowhere => return Err(No::no_such_file()),
            Spot::File { shelf, name } => (shelf, FileName::parse(&name).map_err(|_| No::no_such_file())?),
        };
        if let Shelf::Accepted(folder) = shelf {
            let key = self.key(folder, name.clone());
            if let Some(open) = self.uploads().find(|open| open.key == key && open.upload.is_ok()) {
                return Ok(Facts::file(open.length(), open.modified_at));
            }
            if let Some((bytes, modified_at)) = self.shared.partials().find(&key, self.shared.clock.now()) {
                return Ok(Facts::file(bytes, modified_at));
            }
        }
        let found = self.shared.gate.find(self.client.provider.clone(), shelf, name.as_str().to_owned()).await;
        found.map(|item| item_facts(shelf, &item)).ok_or_else(No::no_such_file)
    }

    fn handle_facts(&mut self, handle: &[u8]) -> Outcome {
        Ok(Answer::Facts(match self.handle(handle)? {
            Handle::Upload(open) => Facts::file(open.length(), open.modified_at),
            Handle::Listing { facts, .. } | Handle::Receipt { facts, .. } => *facts,
        }))
    }

    /// Times and modes are taken note of, or ignored; a size is only taken on an open upload's handle.
    async fn set_by_path(&mut self, path: &[u8], attributes: Attributes) -> Outcome {
        self.facts(path).await?;
        if attributes.size.is_some() {
            return Err(No::denied("a file's size cannot be changed"));
        }
        if let Ok(Spot::File { shelf: Shelf::Accepted(folder), name }) = resolve(path)
            && let Ok(name) = FileName::parse(&name)
        {
            let key = self.key(folder, name);
            let modified_at = super::uploads::modified(attributes);
            self.shared.partials().set_modified(&key, modified_at);
            for open in self.uploads_mut().filter(|open| open.key == key) {
                open.modified_at = modified_at.or(open.modified_at);
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
        let items = self.shared.gate.list(self.client.provider.clone(), shelf).await;
        left.extend(items.iter().map(|item| Entry { name: item.name.as_str().as_bytes().to_vec(), facts: Some(item_facts(shelf, item)) }));
        self.add_handle(Handle::Listing { facts: Facts::folder(shelf != Shelf::Receipts), left })
    }

    fn read_folder(&mut self, handle: &[u8]) -> Outcome {
        let Handle::Listing { left, .. } = self.handle(handle)? else {
            return Err(No::failure("this handle is not a folder"));
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
            Ok(Spot::Folder(_)) => return Err(No::failure("this is a folder")),
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
            return Err(No::denied("only receipts can be read"));
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

fn item_facts(shelf: Shelf, item: &Item) -> Facts {
    match shelf {
        Shelf::Receipts => Facts::receipt(item.bytes, item.modified_at),
        Shelf::Accepted(_) => Facts::file(item.bytes, Some(item.modified_at)),
    }
}

fn real(path: &[u8]) -> Outcome {
    let name = real_path(path).map_err(|_| No::failure("the path is too long"))?;
    Ok(Answer::Names(vec![Entry { name, facts: None }]))
}

fn make_folder(path: &[u8]) -> Outcome {
    match resolve(path) {
        Ok(Spot::Folder(_)) => Err(No::failure("the folder is there already")),
        _ => Err(No::denied("folders cannot be made here: upload to inbox/, or to test/ for a trial")),
    }
}
