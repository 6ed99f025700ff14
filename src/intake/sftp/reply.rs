//! SFTP version 3 replies, as values become bytes.
//!
//! Owns the encoding of replies. Refuses to decide what they say.

use super::limits::{MAX_DATA_BYTES, MAX_PACKET_BYTES};
use crate::feed::MAX_NAME_BYTES;
use jiff::Timestamp;

/// Status codes of SFTP version 3 (draft-ietf-secsh-filexfer-02, section 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    Ok,
    Eof,
    NoSuchFile,
    PermissionDenied,
    Failure,
    BadMessage,
    Unsupported,
}

impl Code {
    fn number(self) -> u32 {
        match self {
            Self::Ok => 0,
            Self::Eof => 1,
            Self::NoSuchFile => 2,
            Self::PermissionDenied => 3,
            Self::Failure => 4,
            Self::BadMessage => 5,
            Self::Unsupported => 8,
        }
    }
}

/// What a client is told about a file or folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    /// Kind and permissions, as in `0o100644`.
    pub(super) mode: u32,
    /// In bytes.
    pub(super) size: u64,
    /// Modification time.
    pub(super) modified: Option<Timestamp>,
}

impl Facts {
    pub(super) fn file(size: u64, modified: Option<Timestamp>) -> Self {
        Self { mode: 0o100_644, size, modified }
    }

    pub(super) fn receipt(size: u64, modified: Timestamp) -> Self {
        Self { mode: 0o100_444, size, modified: Some(modified) }
    }

    pub(super) fn folder(writable: bool) -> Self {
        Self { mode: if writable { 0o040_755 } else { 0o040_555 }, size: 0, modified: None }
    }
}

/// What an account may have staged, and what it has: what `df` shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Space {
    /// Bytes it may have staged.
    pub(super) bytes: u64,
    /// Bytes of that which are free.
    pub(super) free: u64,
    /// Files it may have staged.
    pub(super) files: u64,
    /// Files of that which are free.
    pub(super) files_free: u64,
}

/// Bytes of a block, as `df` counts.
const BLOCK_BYTES: u64 = 4096;

/// Set-user-ID bits mean nothing here: the flag `NOSUID` of OpenSSH's PROTOCOL file, section 4.5.
const NO_SUID: u64 = 2;

/// What INIT is answered with: extensions of OpenSSH's PROTOCOL file, each of which is answered truthfully.
const EXTENSIONS: [(&str, &str); 6] = [
    ("posix-rename@openssh.com", "1"),
    ("statvfs@openssh.com", "2"),
    ("fstatvfs@openssh.com", "2"),
    ("fsync@openssh.com", "1"),
    ("lsetstat@openssh.com", "1"),
    ("limits@openssh.com", "1"),
];

/// One entry of a folder, or the answer to REALPATH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: Vec<u8>,
    pub(super) facts: Option<Facts>,
}

/// Replies waiting to be sent, one behind the other.
#[derive(Debug, Default)]
pub(super) struct Replies {
    bytes: Vec<u8>,
}

impl Replies {
    /// How many bytes wait.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Takes what waits.
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    pub(super) fn version(&mut self) {
        self.packet(2, 3, |bytes| {
            for (name, version) in EXTENSIONS {
                string(bytes, name.as_bytes());
                string(bytes, version.as_bytes());
            }
        });
    }

    pub(super) fn status(&mut self, id: u32, code: Code, text: &str) {
        self.packet(101, id, |bytes| {
            bytes.extend(code.number().to_be_bytes());
            string(bytes, text.as_bytes());
            string(bytes, b"en");
        });
    }

    pub(super) fn handle(&mut self, id: u32, handle: u32) {
        self.packet(102, id, |bytes| string(bytes, &handle.to_be_bytes()));
    }

    pub(super) fn data(&mut self, id: u32, data: &[u8]) {
        self.packet(103, id, |bytes| string(bytes, data));
    }

    pub(super) fn names(&mut self, id: u32, entries: &[Entry]) {
        self.packet(104, id, |bytes| {
            bytes.extend(u32_of(entries.len()).to_be_bytes());
            for entry in entries {
                string(bytes, &entry.name);
                string(bytes, &long_name(entry));
                facts(bytes, entry.facts);
            }
        });
    }

    pub(super) fn attributes(&mut self, id: u32, about: Facts) {
        self.packet(105, id, |bytes| facts(bytes, Some(about)));
    }

    /// The answer to `limits@openssh.com`: packet, read, write, handles.
    pub(super) fn limits(&mut self, id: u32, handles: usize) {
        self.packet(201, id, |bytes| {
            bytes.extend(u64_of(MAX_PACKET_BYTES).to_be_bytes());
            bytes.extend(u64::from(MAX_DATA_BYTES).to_be_bytes());
            bytes.extend(u64::from(MAX_DATA_BYTES).to_be_bytes());
            bytes.extend(u64_of(handles).to_be_bytes());
        });
    }

    /// The answer to `statvfs@openssh.com` and `fstatvfs@openssh.com`.
    pub(super) fn space(&mut self, id: u32, space: Space) {
        let blocks = |bytes: u64| bytes / BLOCK_BYTES;
        let free = blocks(space.free);
        let numbers = [
            BLOCK_BYTES,
            BLOCK_BYTES,
            blocks(space.bytes),
            free,
            free,
            space.files,
            space.files_free,
            space.files_free,
            0,
            NO_SUID,
            u64_of(MAX_NAME_BYTES),
        ];
        self.packet(201, id, |bytes| numbers.iter().for_each(|number| bytes.extend(number.to_be_bytes())));
    }

    fn packet(&mut self, kind: u8, id: u32, fill: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        self.bytes.extend([0; 4]);
        self.bytes.push(kind);
        self.bytes.extend(id.to_be_bytes());
        fill(&mut self.bytes);
        let length = u32_of(self.bytes.len() - start - 4).to_be_bytes();
        self.bytes.iter_mut().skip(start).zip(length).for_each(|(byte, value)| *byte = value);
    }
}

fn string(bytes: &mut Vec<u8>, text: &[u8]) {
    bytes.extend(u32_of(text.len()).to_be_bytes());
    bytes.extend(text);
}

fn facts(bytes: &mut Vec<u8>, about: Option<Facts>) {
    let Some(about) = about else {
        bytes.extend(0_u32.to_be_bytes());
        return;
    };
    let times = about.modified.map(|at| u32::try_from(at.as_second().max(0)).unwrap_or(u32::MAX));
    let flags: u32 = 0x1 | 0x4 | if times.is_some() { 0x8 } else { 0 };
    bytes.extend(flags.to_be_bytes());
    bytes.extend(about.size.to_be_bytes());
    bytes.extend(about.mode.to_be_bytes());
    if let Some(seconds) = times {
        bytes.extend(seconds.to_be_bytes());
        bytes.extend(seconds.to_be_bytes());
    }
}

/// The line that `ls -l` of an SFTP client shows; its form is fixed by what clients parse.
fn long_name(entry: &Entry) -> Vec<u8> {
    let Some(about) = entry.facts else {
        return entry.name.clone();
    };
    let mode = match about.mode {
        0o040_755 => "drwxr-xr-x",
        0o040_555 => "dr-xr-xr-x",
        0o100_444 => "-r--r--r--",
        _ => "-rw-r--r--",
    };
    let at = about.modified.unwrap_or(Timestamp::UNIX_EPOCH).strftime("%b %e %Y");
    let mut line = format!("{mode}    1 bedfeed  bedfeed  {:>12} {at} ", about.size).into_bytes();
    line.extend(&entry.name);
    line
}

fn u32_of(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn u64_of(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_stand_one_behind_the_other_with_their_lengths() {
        let mut replies = Replies::default();
        replies.status(7, Code::NoSuchFile, "no");
        replies.handle(8, 1);
        let bytes = replies.take();
        let status = [0, 0, 0, 21, 101, 0, 0, 0, 7, 0, 0, 0, 2, 0, 0, 0, 2, b'n', b'o', 0, 0, 0, 2, b'e', b'n'];
        let handle = [0, 0, 0, 13, 102, 0, 0, 0, 8, 0, 0, 0, 4, 0, 0, 0, 1];
        assert_eq!(bytes, [status.as_slice(), handle.as_slice()].concat());
        assert_eq!(replies.len(), 0);
    }

    #[test]
    fn a_listing_line_has_the_nine_columns_clients_parse() {
        let at = "2018-12-03T10:15:00Z".parse().unwrap();
        let entry = Entry { name: b"a b.csv".to_vec(), facts: Some(Facts::file(12, Some(at))) };
        assert_eq!(String::from_utf8(long_name(&entry)).unwrap(), "-rw-r--r--    1 bedfeed  bedfeed            12 Dec  3 2018 a b.csv");
    }
}
