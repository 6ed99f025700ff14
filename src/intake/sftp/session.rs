//! One SFTP conversation: chunks in, replies out, in order, one request at a time.
//!
//! Owns the state of the protocol and the open handles. Dropping it cuts every open upload off. Refuses requests before the
//! client said which version it speaks, and more replies than it is willing to hold.

use super::limits::{MAX_FAILURES, MAX_REPLY_BYTES_PER_CHUNK};
use super::packet::{self, Framer, Malformed, Request};
use super::reply::{Code, Entry, Facts, Replies, Space};
use super::resume::Told;
use super::uploads::OpenUpload;
use super::{Client, Shared};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// One client's SFTP session on one channel.
pub(super) struct Session {
    pub(super) shared: Arc<Shared>,
    pub(super) client: Arc<Client>,
    /// In the order in which they were opened, until their numbers start again after 2^32 of them.
    handles: BTreeMap<u32, Handle>,
    next_handle: u32,
    /// What the client was told of earlier tries of its uploads.
    pub(super) told: Told,
    /// How many uploads were refused.
    pub(super) failures: AtomicU32,
    framer: Framer,
    started: bool,
}

/// What a handle stands for.
pub(super) enum Handle {
    Upload(Box<OpenUpload>),
    Listing { facts: Facts, left: VecDeque<Entry> },
    Receipt { facts: Facts, bytes: Vec<u8> },
}

/// What a request is answered with.
#[derive(Debug)]
pub(super) enum Answer {
    Done,
    Version,
    Handle(u32),
    Data(Vec<u8>),
    Names(Vec<Entry>),
    Facts(Facts),
    Limits,
    Space(Space),
}

/// A request that is refused: a status and a text for the sender.
#[derive(Debug)]
pub(super) struct No {
    pub(super) code: Code,
    pub(super) text: String,
}

pub(super) type Outcome = Result<Answer, No>;

impl No {
    pub(super) fn new(code: Code, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }

    pub(super) fn failure(text: impl Into<String>) -> Self {
        Self::new(Code::Failure, text)
    }

    pub(super) fn no_such_file() -> Self {
        Self::new(Code::NoSuchFile, "no such file")
    }

    pub(super) fn denied(text: impl Into<String>) -> Self {
        Self::new(Code::PermissionDenied, text)
    }

    pub(super) fn no_such_handle() -> Self {
        Self::failure("no such handle: open the file again")
    }

    pub(super) fn path_too_long() -> Self {
        Self::failure("the path is too long: upload to inbox/NAME")
    }

    pub(super) fn not_offered() -> Self {
        Self::new(Code::Unsupported, "bedfeed does not offer this: upload with plain SFTP requests")
    }

    pub(super) fn unreadable() -> Self {
        Self::new(Code::BadMessage, "the request cannot be read: report this to the maker of your SFTP program")
    }
}

/// Why a session has to end although the client did not ask for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Ended {
    #[error("a packet's length is impossible")]
    BadLength,
    #[error("a packet cannot be read at all")]
    Unreadable,
    #[error("a request came before INIT, or INIT came twice")]
    OutOfTurn,
    #[error("one chunk asked for too many bytes of replies")]
    TooManyReplies,
    #[error("{MAX_FAILURES} uploads were refused")]
    TooManyFailures,
    #[error("a write was refused, and this client would wait for ever")]
    WouldHang,
}

/// How SSH.NET names itself. Before 2025.1 its upload waits without end after a write that was refused: only the end of the
/// session tells it.
const HANGS_ON_REFUSED_WRITES: &str = "SSH-2.0-Renci.SshNet";

impl Session {
    pub(super) fn new(shared: Arc<Shared>, client: Arc<Client>) -> Self {
        Self {
            shared,
            client,
            handles: BTreeMap::new(),
            next_handle: 0,
            told: Told::default(),
            framer: Framer::default(),
            started: false,
            failures: AtomicU32::new(0),
        }
    }

    /// Takes a chunk of the channel's data and answers every request that it completes.
    pub(super) async fn feed(&mut self, chunk: &[u8], replies: &mut Replies) -> Result<(), Ended> {
        let mut rest = chunk;
        while let Some(body) = self.framer.next(&mut rest).map_err(|_| Ended::BadLength)? {
            match packet::decode(&body) {
                Ok((id, request)) => {
                    self.take_turn(&request)?;
                    let writes = matches!(request, Request::Write { .. });
                    let outcome = self.answer(request).await;
                    let hangs = writes && outcome.is_err() && self.client.sender.software.starts_with(HANGS_ON_REFUSED_WRITES);
                    self.reply(id, outcome, replies);
                    if hangs {
                        return Err(Ended::WouldHang);
                    }
                }
                Err(Malformed::Answerable(id)) if self.started => {
                    self.reply(id, Err(No::unreadable()), replies);
                }
                Err(_) => return Err(Ended::Unreadable),
            }
            self.framer.recycle(body);
            if replies.len() > MAX_REPLY_BYTES_PER_CHUNK {
                return Err(Ended::TooManyReplies);
            }
            if self.failures.load(Ordering::Relaxed) >= MAX_FAILURES {
                return Err(Ended::TooManyFailures);
            }
        }
        Ok(())
    }

    /// INIT first, and only first.
    fn take_turn(&mut self, request: &Request<'_>) -> Result<(), Ended> {
        if self.started == (*request == Request::Init) {
            return Err(Ended::OutOfTurn);
        }
        self.started = true;
        Ok(())
    }

    fn reply(&self, id: u32, outcome: Outcome, replies: &mut Replies) {
        match outcome {
            Ok(Answer::Done) => replies.status(id, Code::Ok, ""),
            Ok(Answer::Version) => replies.version(),
            Ok(Answer::Handle(handle)) => replies.handle(id, handle),
            Ok(Answer::Data(bytes)) => replies.data(id, &bytes),
            Ok(Answer::Names(entries)) => replies.names(id, &entries),
            Ok(Answer::Facts(facts)) => replies.attributes(id, facts),
            Ok(Answer::Limits) => replies.limits(id, self.shared.settings.max_open_files),
            Ok(Answer::Space(space)) => replies.space(id, space),
            Err(no) => replies.status(id, no.code, &no.text),
        }
    }

    pub(super) fn add_handle(&mut self, handle: Handle) -> Outcome {
        let number = self.next_handle;
        self.next_handle = self.next_handle.wrapping_add(1);
        self.handles.insert(number, handle);
        Ok(Answer::Handle(number))
    }

    pub(super) fn handle(&mut self, raw: &[u8]) -> Result<&mut Handle, No> {
        handle_number(raw).and_then(|number| self.handles.get_mut(&number)).ok_or_else(No::no_such_handle)
    }

    pub(super) fn remove_handle(&mut self, raw: &[u8]) -> Result<Handle, No> {
        let removed = handle_number(raw).and_then(|number| self.handles.remove(&number)).ok_or_else(No::no_such_handle);
        if self.uploads().next().is_none() {
            self.framer.rest();
        }
        removed
    }

    pub(super) fn uploads(&self) -> impl Iterator<Item = &OpenUpload> {
        self.handles.values().filter_map(|handle| if let Handle::Upload(open) = handle { Some(&**open) } else { None })
    }

    pub(super) fn uploads_mut(&mut self) -> impl Iterator<Item = &mut OpenUpload> {
        self.handles.values_mut().filter_map(|handle| if let Handle::Upload(open) = handle { Some(&mut **open) } else { None })
    }

    /// How many folders and receipts are open.
    pub(super) fn views(&self) -> usize {
        self.handles.len() - self.uploads().count()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        for handle in std::mem::take(&mut self.handles).into_values() {
            if let Handle::Upload(open) = handle {
                self.cut_off(*open);
            }
        }
    }
}

fn handle_number(raw: &[u8]) -> Option<u32> {
    <[u8; 4]>::try_from(raw).ok().map(u32::from_be_bytes)
}

#[cfg(test)]
mod tests;
