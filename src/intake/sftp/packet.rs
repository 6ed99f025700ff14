//! SFTP version 3 requests, as bytes become values.
//!
//! Owns framing and decoding. Refuses to allocate on a length that a client only claims, and to look at what a name means.
//! Source: draft-ietf-secsh-filexfer-02, and OpenSSH's PROTOCOL file for the extensions.

use std::borrow::Cow;

/// Longest packet body taken, in bytes: what `limits@openssh.com` announces, and a little for clients that count differently.
const MAX_BODY: usize = super::limits::MAX_PACKET_BYTES + 1024;

/// Bytes of the length field in front of every packet.
const LENGTH_BYTES: usize = 4;

/// One request, borrowing from its packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Request<'a> {
    Init,
    Open { path: &'a [u8], flags: u32, attributes: Attributes },
    Close { handle: &'a [u8] },
    Read { handle: &'a [u8], offset: u64, length: u32 },
    Write { handle: &'a [u8], offset: u64, data: &'a [u8] },
    Lstat { path: &'a [u8] },
    Fstat { handle: &'a [u8] },
    Setstat { path: &'a [u8], attributes: Attributes },
    Fsetstat { handle: &'a [u8], attributes: Attributes },
    Opendir { path: &'a [u8] },
    Readdir { handle: &'a [u8] },
    Remove { path: &'a [u8] },
    Mkdir { path: &'a [u8] },
    Rmdir,
    Realpath { path: &'a [u8] },
    Stat { path: &'a [u8] },
    Rename { from: &'a [u8], to: &'a [u8] },
    Readlink,
    Symlink,
    Extended { name: &'a [u8], data: &'a [u8] },
    Unknown,
}

/// What a client says about a file; only the fields it flagged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Attributes {
    pub(super) size: Option<u64>,
    /// Seconds since 1970, UTC.
    pub(super) modified: Option<u32>,
}

/// A packet that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Malformed {
    /// Its id can be read, so the client can be answered.
    Answerable(u32),
    /// Nothing in it can be trusted: the session has to end.
    Hopeless,
}

/// A length that no packet of ours may have: the stream cannot be followed any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadLength;

/// Cuts a stream of chunks into packets, copying only those that lie across chunks.
#[derive(Debug, Default)]
pub(super) struct Framer {
    header: Vec<u8>,
    wanted: Option<usize>,
    body: Vec<u8>,
}

impl Framer {
    /// Takes the next whole packet's body off the front of `rest`, or keeps all of `rest` for later.
    pub(super) fn next<'a>(&mut self, rest: &mut &'a [u8]) -> Result<Option<Cow<'a, [u8]>>, BadLength> {
        if self.header.is_empty()
            && self.wanted.is_none()
            && let Some((header, after)) = rest.split_first_chunk::<LENGTH_BYTES>()
            && let Some((body, after)) = after.split_at_checked(body_length(header)?)
        {
            *rest = after;
            return Ok(Some(Cow::Borrowed(body)));
        }
        loop {
            if let Some(wanted) = self.wanted {
                if !top_up(&mut self.body, wanted, rest) {
                    return Ok(None);
                }
                self.wanted = None;
                return Ok(Some(Cow::Owned(std::mem::take(&mut self.body))));
            }
            if !top_up(&mut self.header, LENGTH_BYTES, rest) {
                return Ok(None);
            }
            let wanted = body_length(&self.header)?;
            self.header.clear();
            self.wanted = Some(wanted);
            self.body.reserve_exact(wanted);
        }
    }

    /// Gives the memory of a packet back, to be used for the next one.
    pub(super) fn recycle(&mut self, packet: Cow<'_, [u8]>) {
        if let Cow::Owned(mut memory) = packet
            && self.body.capacity() == 0
        {
            memory.clear();
            self.body = memory;
        }
    }

    /// Lets go of memory that is kept for the next packet.
    pub(super) fn rest(&mut self) {
        if self.wanted.is_none() {
            self.body = Vec::new();
        }
    }
}

/// Moves bytes from `rest` until `memory` holds `wanted` of them; says whether it does.
fn top_up(memory: &mut Vec<u8>, wanted: usize, rest: &mut &[u8]) -> bool {
    let missing = wanted.saturating_sub(memory.len());
    let (taken, after) = rest.split_at(missing.min(rest.len()));
    memory.extend_from_slice(taken);
    *rest = after;
    memory.len() >= wanted
}

fn body_length(header: &[u8]) -> Result<usize, BadLength> {
    let header = <[u8; LENGTH_BYTES]>::try_from(header).map_err(|_| BadLength)?;
    let length = usize::try_from(u32::from_be_bytes(header)).map_err(|_| BadLength)?;
    if (1..=MAX_BODY).contains(&length) { Ok(length) } else { Err(BadLength) }
}

/// Reads one packet's body: the request and its id. `INIT` has no id; it is given as 0.
pub(super) fn decode(body: &[u8]) -> Result<(u32, Request<'_>), Malformed> {
    let mut fields = Fields(body);
    let kind = fields.byte().ok_or(Malformed::Hopeless)?;
    let id = fields.u32().ok_or(Malformed::Hopeless)?;
    if kind == 1 {
        return Ok((0, Request::Init));
    }
    match request(kind, &mut fields) {
        Some(request) => Ok((id, request)),
        None => Err(Malformed::Answerable(id)),
    }
}

/// The fields of each kind of request. Bytes after the last field are ignored: some clients pad their WRITEs.
fn request<'a>(kind: u8, fields: &mut Fields<'a>) -> Option<Request<'a>> {
    Some(match kind {
        3 => Request::Open { path: fields.string()?, flags: fields.u32()?, attributes: fields.attributes()? },
        4 => Request::Close { handle: fields.string()? },
        5 => Request::Read { handle: fields.string()?, offset: fields.u64()?, length: fields.u32()? },
        6 => Request::Write { handle: fields.string()?, offset: fields.u64()?, data: fields.string()? },
        7 => Request::Lstat { path: fields.string()? },
        8 => Request::Fstat { handle: fields.string()? },
        9 => Request::Setstat { path: fields.string()?, attributes: fields.attributes()? },
        10 => Request::Fsetstat { handle: fields.string()?, attributes: fields.attributes()? },
        11 => Request::Opendir { path: fields.string()? },
        12 => Request::Readdir { handle: fields.string()? },
        13 => Request::Remove { path: fields.string()? },
        14 => Request::Mkdir { path: fields.string()? },
        15 => Request::Rmdir,
        16 => Request::Realpath { path: fields.string()? },
        17 => Request::Stat { path: fields.string()? },
        18 => Request::Rename { from: fields.string()?, to: fields.string()? },
        19 => Request::Readlink,
        20 => Request::Symlink,
        200 => Request::Extended { name: fields.string()?, data: fields.0 },
        _ => Request::Unknown,
    })
}

/// The two names of a `posix-rename@openssh.com` request.
pub(super) fn two_paths(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut fields = Fields(data);
    Some((fields.string()?, fields.string()?))
}

/// The handle of a `fsync@openssh.com` or `fstatvfs@openssh.com` request, or the path of a `statvfs@openssh.com` request.
pub(super) fn one_string(data: &[u8]) -> Option<&[u8]> {
    Fields(data).string()
}

/// The path and attributes of a `lsetstat@openssh.com` request.
pub(super) fn path_and_attributes(data: &[u8]) -> Option<(&[u8], Attributes)> {
    let mut fields = Fields(data);
    Some((fields.string()?, fields.attributes()?))
}

struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn chunk<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (chunk, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*chunk)
    }

    fn byte(&mut self) -> Option<u8> {
        self.chunk::<1>().map(u8::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.chunk().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.chunk().map(u64::from_be_bytes)
    }

    fn string(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.u32()?).ok()?;
        let (string, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(string)
    }

    fn attributes(&mut self) -> Option<Attributes> {
        let flags = self.u32()?;
        let mut attributes = Attributes::default();
        if flags & 0x1 != 0 {
            attributes.size = Some(self.u64()?);
        }
        if flags & 0x2 != 0 {
            self.u64()?; // uid and gid mean nothing here
        }
        if flags & 0x4 != 0 {
            self.u32()?; // modes are answered OK and not applied
        }
        if flags & 0x8 != 0 {
            let _accessed = self.u32()?;
            attributes.modified = Some(self.u32()?);
        }
        if flags & 0x8000_0000 != 0 {
            for _ in 0..self.u32()? {
                let _kind = self.string()?;
                let _value = self.string()?;
            }
        }
        Some(attributes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn string(bytes: &[u8]) -> Vec<u8> {
        [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
    }

    fn body(kind: u8, id: u32, parts: &[&[u8]]) -> Vec<u8> {
        [&[kind], id.to_be_bytes().as_slice(), &parts.concat()].concat()
    }

    type Row = (Vec<u8>, Result<(u32, Request<'static>), Malformed>);

    #[test]
    fn requests_are_decoded_and_malformed_ones_keep_their_id() {
        let handle = string(&[0, 0, 0, 1]);
        let offset = 7_u64.to_be_bytes();
        let padded = body(6, 9, &[&handle, &offset, &string(b"data"), &[0; 40]]);
        let short = body(6, 9, &[&handle, &offset, &[0, 0, 0, 200], b"data"]);
        let open = body(3, 2, &[&string(b"/inbox/a.csv"), &0x1a_u32.to_be_bytes(), &4_u32.to_be_bytes(), &0o644_u32.to_be_bytes()]);
        let sized = body(10, 3, &[&handle, &1_u32.to_be_bytes(), &5_u64.to_be_bytes()]);
        let timed = body(9, 3, &[&string(b"a"), &8_u32.to_be_bytes(), &[0, 0, 0, 1, 0, 0, 0, 2]]);
        let endless = body(9, 4, &[&string(b"a"), &0x8000_0000_u32.to_be_bytes(), &u32::MAX.to_be_bytes()]);
        let none = Attributes::default();
        let rows: [Row; 11] = [
            (vec![1, 0, 0, 0, 6], Ok((0, Request::Init))),
            (padded, Ok((9, Request::Write { handle: &[0, 0, 0, 1], offset: 7, data: b"data" }))),
            (short, Err(Malformed::Answerable(9))),
            (open, Ok((2, Request::Open { path: b"/inbox/a.csv", flags: 0x1a, attributes: none }))),
            (sized, Ok((3, Request::Fsetstat { handle: &[0, 0, 0, 1], attributes: Attributes { size: Some(5), ..none } }))),
            (timed, Ok((3, Request::Setstat { path: b"a", attributes: Attributes { modified: Some(2), ..none } }))),
            (endless, Err(Malformed::Answerable(4))),
            (body(250, 8, &[]), Ok((8, Request::Unknown))),
            (body(17, 8, &[&[0xff; 4]]), Err(Malformed::Answerable(8))),
            (vec![17, 0, 0], Err(Malformed::Hopeless)),
            (Vec::new(), Err(Malformed::Hopeless)),
        ];
        for (bytes, expected) in rows {
            assert_eq!(decode(&bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn packets_are_found_however_the_stream_is_cut() {
        let stream = [string(b"first"), string(b"x"), string(&[7; 300])].concat();
        for size in [1, 2, 3, 4, 5, 7, 100, stream.len()] {
            let mut framer = Framer::default();
            let mut found = Vec::new();
            for mut chunk in stream.chunks(size) {
                while let Some(packet) = framer.next(&mut chunk).unwrap() {
                    found.push(packet.into_owned());
                }
                assert!(chunk.is_empty());
            }
            assert_eq!(found, [b"first".to_vec(), b"x".to_vec(), vec![7; 300]], "cut every {size} bytes");
        }
    }

    #[test]
    fn p9_a_claimed_length_is_refused_before_anything_is_allocated() {
        for length in [0, 262_144 + 1025, u32::MAX] {
            let mut framer = Framer::default();
            assert_eq!(framer.next(&mut length.to_be_bytes().as_slice()), Err(BadLength), "{length}");
            let mut framer = Framer::default();
            let bytes = length.to_be_bytes();
            let (first, second) = bytes.split_at(2);
            assert_eq!(framer.next(&mut &*first), Ok(None));
            assert_eq!(framer.next(&mut &*second), Err(BadLength), "{length} in two chunks");
        }
    }

    #[test]
    fn p9_no_damaged_packet_can_panic() {
        let whole = body(3, 2, &[&string(b"/a"), &[0xff; 4], &[0xff; 4], &[0xff; 40]]);
        for kind in 0..=255 {
            for end in 0..whole.len() {
                for flip in [0_u8, 0x80, 0xff] {
                    let mut bytes = whole[..end].to_vec();
                    if let Some(first) = bytes.first_mut() {
                        *first = kind;
                    }
                    bytes.iter_mut().skip(5).step_by(3).for_each(|byte| *byte ^= flip);
                    let decoded = decode(&bytes);
                    assert_eq!(decoded.is_err_and(|e| e == Malformed::Hopeless), end < 5, "{bytes:?}");
                }
            }
        }
    }
}
