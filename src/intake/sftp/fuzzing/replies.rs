//! Replies as a strict client reads them: every byte of a packet belongs to a field.

use super::super::packet::Request;

/// One reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Version,
    Status(u32),
    Handle(u32),
    Data(Vec<u8>),
    /// Names and the sizes told with them.
    Names(Vec<(Vec<u8>, Option<u64>)>),
    /// Mode and size.
    Facts(u32, u64),
    Extended,
}

/// Takes all replies apart. `VERSION` has no id; it is given as 0.
pub(super) fn read(mut bytes: &[u8]) -> Vec<(u32, Reply)> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let mut fields = Fields(take(&mut bytes));
        let kind = fields.chunk::<1>()[0];
        let id = fields.number();
        let reply = match kind {
            2 => {
                assert_eq!(id, 3, "the version");
                while !fields.0.is_empty() {
                    assert!(!fields.string().is_empty(), "an extension has a name");
                    fields.string();
                }
                Reply::Version
            }
            101 => {
                let code = fields.number();
                assert!(code <= 8, "status {code}");
                assert!(std::str::from_utf8(fields.string()).is_ok(), "words are text");
                assert_eq!(fields.string(), b"en");
                Reply::Status(code)
            }
            102 => Reply::Handle(u32::from_be_bytes(fields.string().try_into().expect("a handle of four bytes"))),
            103 => Reply::Data(fields.string().to_vec()),
            104 => Reply::Names((0..fields.number()).map(|_| fields.name()).collect()),
            105 => {
                let (mode, size) = fields.facts().expect("facts are told");
                Reply::Facts(mode, size)
            }
            201 => {
                fields.0 = &[];
                Reply::Extended
            }
            other => panic!("a reply of kind {other}"),
        };
        assert!(fields.0.is_empty(), "bytes after the last field of {reply:?}");
        found.push((if kind == 2 { 0 } else { id }, reply));
    }
    found
}

impl Reply {
    /// Whether a request may be answered like this.
    pub(super) fn suits(&self, request: &Request<'_>) -> bool {
        match (request, self) {
            (Request::Init, Self::Version)
            | (Request::Open { .. } | Request::Opendir { .. }, Self::Handle(_))
            | (Request::Read { .. }, Self::Data(_))
            | (Request::Readdir { .. } | Request::Realpath { .. }, Self::Names(_))
            | (Request::Stat { .. } | Request::Lstat { .. } | Request::Fstat { .. }, Self::Facts(..))
            | (Request::Extended { .. }, Self::Extended | Self::Status(_)) => true,
            (
                Request::Close { .. }
                | Request::Write { .. }
                | Request::Setstat { .. }
                | Request::Fsetstat { .. }
                | Request::Remove { .. }
                | Request::Rename { .. },
                Self::Status(_),
            ) => true,
            (Request::Init, _) => false,
            // Everything else answers with something else than a bare OK.
            (_, Self::Status(code)) => *code != 0,
            _ => false,
        }
    }
}

struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn chunk<const N: usize>(&mut self) -> [u8; N] {
        let (chunk, rest) = self.0.split_first_chunk::<N>().expect("a reply has all its fields");
        self.0 = rest;
        *chunk
    }

    fn number(&mut self) -> u32 {
        u32::from_be_bytes(self.chunk())
    }

    fn string(&mut self) -> &'a [u8] {
        take(&mut self.0)
    }

    fn facts(&mut self) -> Option<(u32, u64)> {
        let flags = self.number();
        if flags == 0 {
            return None;
        }
        assert_eq!(flags & !0xd, 0, "size, mode and times are told, and nothing else");
        let size = if flags & 1 == 0 { 0 } else { u64::from_be_bytes(self.chunk()) };
        let mode = if flags & 4 == 0 { 0 } else { self.number() };
        if flags & 8 != 0 {
            self.chunk::<8>();
        }
        Some((mode, size))
    }

    fn name(&mut self) -> (Vec<u8>, Option<u64>) {
        let name = self.string().to_vec();
        self.string();
        (name, self.facts().map(|facts| facts.1))
    }
}

fn take<'a>(bytes: &mut &'a [u8]) -> &'a [u8] {
    let (length, rest) = bytes.split_first_chunk::<4>().expect("a length");
    let length = usize::try_from(u32::from_be_bytes(*length)).expect("32 bits");
    let (taken, rest) = rest.split_at_checked(length).expect("as many bytes as its length says");
    *bytes = rest;
    taken
}
