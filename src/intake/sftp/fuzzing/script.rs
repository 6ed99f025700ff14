//! Scripts: the bytes of an input become steps of a conversation. Every input means something; none is refused.

use super::super::packet::{Attributes, Request};
use super::encode;

/// Longest file of the accounts in the yard, in bytes.
pub(super) const MAX_FILE: u64 = 2000;

/// One step of one seat.
#[derive(Debug)]
pub(super) struct Step {
    /// Which seat: 0 and 1 belong to one account, 2 and 3 to the other.
    pub(super) seat: usize,
    /// How much of what the seat has to say is said now; `None`: nothing yet.
    pub(super) flush: Option<usize>,
    pub(super) act: Act,
}

/// What is done.
#[derive(Debug)]
pub(super) enum Act {
    /// Bytes are sent, whatever they are.
    Say(Vec<u8>),
    /// The connection is cut off, and a new one made.
    Cut,
    /// Minutes go by.
    Wait(u8),
    /// The gate stops accepting, or does again.
    Strike,
    /// The accounts are taken out of the settings, or put back.
    Close,
    /// The daemon is about to stop, or is not.
    Stop,
}

/// Reads steps off an input.
pub(super) struct Script<'a> {
    bytes: &'a [u8],
    /// Names the files that were sent, so that no two writes look alike.
    writes: u8,
    ids: u32,
}

impl<'a> Script<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, writes: 0, ids: 0 }
    }

    /// The next step. `landed` is the id of an object in `deliveries/`, as a name to try.
    pub(super) fn step(&mut self, landed: Option<&str>) -> Option<Step> {
        let (kind, bytes) = self.bytes.split_first()?;
        self.bytes = bytes;
        let flags = self.byte();
        let flush = match flags & 0xc {
            0x4 => None,
            0x8 => Some(usize::from(self.byte())),
            _ => Some(usize::MAX),
        };
        let seat = usize::from(flags & 3);
        Some(Step { seat, flush, act: self.act(*kind, seat, landed) })
    }

    fn act(&mut self, kind: u8, seat: usize, landed: Option<&str>) -> Act {
        match kind % 32 {
            1 | 2 => self.open(landed),
            3 | 4 => {
                let (handle, offset, data) = (self.handle(), u64::from(self.short() % 2100), self.data(seat));
                self.say(&Request::Write { handle: &handle, offset, data: &data })
            }
            5 | 6 => {
                let handle = self.handle();
                self.say(&Request::Close { handle: &handle })
            }
            7 => {
                let (from, to) = (self.path(landed), self.path(landed));
                self.say(&Request::Rename { from: &from, to: &to })
            }
            8 => self.posix_rename(landed),
            9 => {
                let path = self.path(landed);
                self.say(&Request::Stat { path: &path })
            }
            10 => {
                let handle = self.handle();
                self.say(&Request::Fstat { handle: &handle })
            }
            11 => {
                let (handle, attributes) = (self.handle(), self.attributes());
                self.say(&Request::Fsetstat { handle: &handle, attributes })
            }
            12 => {
                let (path, attributes) = (self.path(landed), self.attributes());
                self.say(&Request::Setstat { path: &path, attributes })
            }
            13 => {
                let path = self.path(landed);
                self.say(&Request::Remove { path: &path })
            }
            14 => {
                let path = self.path(landed);
                self.say(&Request::Opendir { path: &path })
            }
            15 => {
                let handle = self.handle();
                self.say(&Request::Readdir { handle: &handle })
            }
            16 => {
                let path = self.path(landed);
                self.say(&Request::Open { path: &path, flags: 1, attributes: Attributes::default() })
            }
            17 => {
                let (handle, offset, length) = (self.handle(), u64::from(self.short()), u32::from(self.short()));
                self.say(&Request::Read { handle: &handle, offset, length })
            }
            18 => self.whole_upload(seat, landed),
            19 => self.extended(),
            20 => Act::Cut,
            21 => Act::Wait(self.byte()),
            22 => Act::Strike,
            23 => Act::Close,
            24 => Act::Stop,
            25 => {
                // A packet of the right length with anything in it.
                let length = self.byte();
                Act::Say(super::string(&self.take(usize::from(length))))
            }
            26 => {
                let length = self.byte();
                Act::Say(self.take(usize::from(length)))
            }
            27 => self.far_write(seat),
            28 => {
                let path = self.path(landed);
                self.say(&Request::Realpath { path: &path })
            }
            29 => {
                let path = self.path(landed);
                self.say(&Request::Mkdir { path: &path })
            }
            30 => {
                let path = self.path(landed);
                self.say(&Request::Lstat { path: &path })
            }
            31 => match self.byte() % 4 {
                0 => self.say(&Request::Rmdir),
                1 => self.say(&Request::Symlink),
                2 => self.say(&Request::Readlink),
                _ => self.say(&Request::Unknown),
            },
            _ => self.say(&Request::Init),
        }
    }

    fn say(&mut self, request: &Request<'_>) -> Act {
        self.ids = self.ids.wrapping_add(1);
        Act::Say(encode(self.ids, request))
    }

    fn open(&mut self, landed: Option<&str>) -> Act {
        // WRITE and CREAT, and of APPEND, TRUNC and EXCL what the script says.
        let (path, flags, attributes) = (self.path(landed), self.byte(), self.attributes());
        self.say(&Request::Open { path: &path, flags: 0xa | u32::from(flags & 0x34), attributes })
    }

    /// OPEN, two WRITEs in order, CLOSE and STAT in one go, as a client that pipelines does. The handle is a guess.
    fn whole_upload(&mut self, seat: usize, landed: Option<&str>) -> Act {
        let (path, handle, data) = (self.path(landed), self.handle(), self.data(seat));
        let (first, second) = data.split_at(data.len() / 2);
        let after = u64::try_from(first.len()).expect("short");
        let mut said = Vec::new();
        for request in [
            Request::Open { path: &path, flags: 0x1a, attributes: Attributes::default() },
            Request::Write { handle: &handle, offset: 0, data: first },
            Request::Write { handle: &handle, offset: after, data: second },
            Request::Close { handle: &handle },
            Request::Stat { path: &path },
        ] {
            if let Act::Say(bytes) = self.say(&request) {
                said.extend(bytes);
            }
        }
        Act::Say(said)
    }

    fn posix_rename(&mut self, landed: Option<&str>) -> Act {
        let (from, to) = (self.path(landed), self.path(landed));
        let data = [super::string(&from), super::string(&to)].concat();
        self.say(&Request::Extended { name: b"posix-rename@openssh.com", data: &data })
    }

    fn extended(&mut self) -> Act {
        let names: [&[u8]; 7] = [
            b"fsync@openssh.com",
            b"limits@openssh.com",
            b"statvfs@openssh.com",
            b"fstatvfs@openssh.com",
            b"lsetstat@openssh.com",
            b"copy-data",
            b"",
        ];
        let name = names[usize::from(self.byte()) % names.len()];
        let data = match name {
            b"statvfs@openssh.com" => super::string(&self.path(None)),
            b"lsetstat@openssh.com" => [super::string(&self.path(None)), super::attributes(self.attributes())].concat(),
            _ => super::string(&self.handle()),
        };
        self.say(&Request::Extended { name, data: &data })
    }

    /// Writes where no file of ours reaches.
    fn far_write(&mut self, seat: usize) -> Act {
        let (handle, back, data) = (self.handle(), u64::from(self.byte()), self.data(seat));
        let offset = if back & 1 == 0 { u64::MAX - back } else { MAX_FILE.saturating_sub(back) };
        self.say(&Request::Write { handle: &handle, offset, data: &data })
    }

    /// A path: a folder of ours or none, then a plain name, a temporary one, or one that tries something.
    fn path(&mut self, landed: Option<&str>) -> Vec<u8> {
        let folders: [&[u8]; 8] = [b"", b"inbox/", b"/inbox/", b"test/", b"/receipts/", b"../", b"/", b"inbox/../../state/deliveries/"];
        let names: [&[u8]; 15] = [
            b"a.csv",
            b"b.csv",
            b"a.csv.filepart",
            b"b.csv.tmp",
            b".in.a.csv.",
            b"a.csv.receipt.txt",
            b"b.csv.receipt.txt",
            b"RM1.receipt.txt",
            b"RGP.receipt.txt",
            b"",
            b"..",
            b"a\0b",
            b"\xff\xfe.csv",
            b"/etc/passwd",
            b"uploads",
        ];
        let byte = usize::from(self.byte());
        let name = match byte >> 3 {
            at if at < names.len() => names[at].to_vec(),
            at if at < 18 => landed.unwrap_or("nothing").as_bytes().to_vec(),
            18 => vec![b'x'; 300],
            19 => [b"../".repeat(2000).as_slice(), b"x"].concat(),
            // What scripts want most.
            at => names[at % 4].to_vec(),
        };
        [folders[byte & 7], &name].concat()
    }

    /// A handle: mostly a low number, as ours are.
    fn handle(&mut self) -> Vec<u8> {
        match self.byte() {
            255 => self.take(4),
            254 => self.take(7),
            low => u32::from(low % 48).to_be_bytes().to_vec(),
        }
    }

    /// Bytes that no other write of the input has, with the seat in them.
    fn data(&mut self, seat: usize) -> Vec<u8> {
        let length = usize::from(self.byte()) * 4;
        self.writes = self.writes.wrapping_add(1);
        let mark = u8::try_from(seat).expect("four seats") | (self.writes << 2);
        (0..length).map(|at| if at % 2 == 0 { mark } else { u8::try_from(at % 251).expect("below 251") }).collect()
    }

    fn attributes(&mut self) -> Attributes {
        let flags = self.byte();
        Attributes {
            size: (flags & 1 != 0).then(|| u64::from(self.short() % 2100)),
            modified: (flags & 2 != 0).then(|| u32::from(self.short())),
        }
    }

    fn byte(&mut self) -> u8 {
        self.bytes.split_off_first().copied().unwrap_or(0)
    }

    fn short(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        let (taken, rest) = self.bytes.split_at(count.min(self.bytes.len()));
        self.bytes = rest;
        taken.to_vec()
    }
}
