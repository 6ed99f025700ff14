//! The door for the fuzz targets in `fuzz/`: bytes in, and an assertion fails where the endpoint breaks a promise.
//!
//! Owns what the targets check: packets ([`packets`]) and whole conversations ([`Yard`]). It is there in tests and under
//! `cargo fuzz` only. Refuses to keep a finding to itself: an input that once failed becomes a file in `fuzz/seeds/`, and
//! the tests below replay all of them.

#![expect(clippy::indexing_slicing, clippy::expect_used, clippy::panic, reason = "a fuzz target fails loudly")]
#![cfg_attr(test, expect(unreachable_pub, reason = "the fuzz targets reach it, the tests need not"))]

mod model;
mod replies;
mod script;
mod yard;

pub use yard::Yard;

use super::packet::{Attributes, Framer, Malformed, Request, decode};

/// The longest body that the framer may take, in bytes.
const LONGEST_BODY: usize = super::limits::MAX_PACKET_BYTES + 1024;

/// Packets as they come off a channel: the framer finds the same ones however the stream is cut, holds no more than one of
/// them, and the decoder reads them or says whom to answer. The first byte says how the stream is cut.
pub fn packets(input: &[u8]) {
    let Some((first, stream)) = input.split_first() else { return };
    let expected = cut_up(stream);
    let size = usize::from(*first).max(1);
    for size in [stream.len().max(1), size, size * 64, 1] {
        assert_eq!(framed(stream, size), expected, "cut every {size} bytes");
    }
    for body in &expected.0 {
        let decoded = decode(body);
        let id = body.get(1..5).map(|id| u32::from_be_bytes(id.try_into().expect("four bytes")));
        match (&decoded, id) {
            (Err(Malformed::Hopeless), None) => {}
            (Err(Malformed::Answerable(told)), Some(id)) => assert_eq!(*told, id, "the answer carries the request's id"),
            (Ok((0, Request::Init)), Some(_)) => {}
            (Ok((told, request)), Some(id)) => {
                assert_eq!(*told, id);
                let again = encode(id, request);
                assert_eq!(decode(&again[4..]), decoded, "what was read can be written and read again");
            }
            (decoded, id) => panic!("{decoded:?} of a packet with the id {id:?}"),
        }
    }
}

/// Packets of a stream, and whether it ends in a length that no packet may have.
type Cut = (Vec<Vec<u8>>, bool);

/// The same as the framer, with the whole stream in hand.
fn cut_up(mut stream: &[u8]) -> Cut {
    let mut found = Vec::new();
    while let Some((length, after)) = stream.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_be_bytes(*length)).expect("32 bits");
        if !(1..=LONGEST_BODY).contains(&length) {
            return (found, true);
        }
        let Some((body, after)) = after.split_at_checked(length) else { break };
        found.push(body.to_vec());
        stream = after;
    }
    (found, false)
}

fn framed(stream: &[u8], size: usize) -> Cut {
    let mut framer = Framer::default();
    let mut found = Vec::new();
    for mut chunk in stream.chunks(size) {
        loop {
            match framer.next(&mut chunk) {
                Ok(Some(body)) => {
                    found.push(body.to_vec());
                    framer.recycle(body);
                }
                Ok(None) => break,
                Err(_) => return (found, true),
            }
        }
        assert!(chunk.is_empty(), "nothing is left behind");
        assert!(framer.held() <= LONGEST_BODY + 8, "{} bytes are held for a packet", framer.held());
    }
    (found, false)
}

fn string(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).expect("short").to_be_bytes(), bytes].concat()
}

/// A whole packet: length, kind, id, fields.
fn packet(kind: u8, id: u32, fields: &[&[u8]]) -> Vec<u8> {
    string(&[&[kind], id.to_be_bytes().as_slice(), &fields.concat()].concat())
}

fn attributes(about: Attributes) -> Vec<u8> {
    let flags = u32::from(about.size.is_some()) | if about.modified.is_some() { 0x8 } else { 0 };
    let mut bytes = flags.to_be_bytes().to_vec();
    bytes.extend(about.size.into_iter().flat_map(u64::to_be_bytes));
    bytes.extend(about.modified.into_iter().flat_map(|at| [at.to_be_bytes(), at.to_be_bytes()].concat()));
    bytes
}

/// A request as a packet.
fn encode(id: u32, request: &Request<'_>) -> Vec<u8> {
    let one = |kind, text: &[u8]| packet(kind, id, &[&string(text)]);
    let set = |kind, text: &[u8], about: &Attributes| packet(kind, id, &[&string(text), &attributes(*about)]);
    match request {
        Request::Init => packet(1, id, &[]),
        Request::Open { path, flags, attributes: about } => packet(3, id, &[&string(path), &flags.to_be_bytes(), &attributes(*about)]),
        Request::Close { handle } => one(4, handle),
        Request::Read { handle, offset, length } => packet(5, id, &[&string(handle), &offset.to_be_bytes(), &length.to_be_bytes()]),
        Request::Write { handle, offset, data } => packet(6, id, &[&string(handle), &offset.to_be_bytes(), &string(data)]),
        Request::Lstat { path } => one(7, path),
        Request::Fstat { handle } => one(8, handle),
        Request::Setstat { path, attributes } => set(9, path, attributes),
        Request::Fsetstat { handle, attributes } => set(10, handle, attributes),
        Request::Opendir { path } => one(11, path),
        Request::Readdir { handle } => one(12, handle),
        Request::Remove { path } => one(13, path),
        Request::Mkdir { path } => one(14, path),
        Request::Rmdir => packet(15, id, &[]),
        Request::Realpath { path } => one(16, path),
        Request::Stat { path } => one(17, path),
        Request::Rename { from, to } => packet(18, id, &[&string(from), &string(to)]),
        Request::Readlink => packet(19, id, &[]),
        Request::Symlink => packet(20, id, &[]),
        Request::Extended { name, data } => packet(200, id, &[&string(name), data]),
        Request::Unknown => packet(99, id, &[]),
    }
}

#[cfg(test)]
mod tests;
