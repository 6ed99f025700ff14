//! Layout: which bytes of a zip are what, so that none is passed over.
//!
//! Owns the headers' lengths (source: PKWARE's APPNOTE 6.3.10, sections 4.3.7 to 4.3.16). Refuses to judge what it finds: what is in
//! no place that the format has for it is a stray.

use std::ops::Range;

const LOCAL: &[u8] = b"PK\x03\x04";
const CENTRAL: &[u8] = b"PK\x01\x02";
const END: &[u8] = b"PK\x05\x06";
const END_64: &[u8] = b"PK\x06\x06";
const LOCATOR_64: &[u8] = b"PK\x06\x07";
/// Also the mark of an archive that is split.
const DESCRIPTOR: &[u8] = b"PK\x07\x08";
/// The mark of one that was to be split.
const ONE_PIECE: &[u8] = b"PK00";

/// Lengths of headers, without what they say the lengths of.
const LOCAL_BYTES: usize = 30;
const CENTRAL_BYTES: usize = 46;
const END_BYTES: usize = 22;
const END_64_BYTES: usize = 56;
const LOCATOR_64_BYTES: usize = 20;

/// What the list at the archive's end says of one member's place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim {
    /// Where its own header starts.
    pub(super) start: usize,
    /// Bytes of it as packed.
    pub(super) packed: u64,
    /// Bytes of it once unpacked.
    pub(super) size: u64,
    /// The check sum of its content.
    pub(super) crc: u32,
}

impl Claim {
    /// Where its packed content is; `None` where the file has no such place.
    pub(super) fn content(&self, bytes: &[u8]) -> Option<Range<usize>> {
        let start = self.start.checked_add(Local::at(bytes, self.start)?.length())?;
        let end = start.checked_add(usize::try_from(self.packed).ok()?)?;
        (end <= bytes.len()).then_some(start..end)
    }

    /// How long what follows the content is, where a packer that could not go back wrote sizes and check sum there.
    fn descriptor(&self, bytes: &[u8], at: usize) -> usize {
        let tail = bytes.get(at..).unwrap_or_default();
        let (marked, rest) = tail.strip_prefix(DESCRIPTOR).map_or((0, tail), |rest| (DESCRIPTOR.len(), rest));
        let crc = self.crc.to_le_bytes();
        let long: Vec<u8> = crc.into_iter().chain(self.packed.to_le_bytes()).chain(self.size.to_le_bytes()).collect();
        let low = |number: u64| number.to_le_bytes().into_iter().take(4);
        let short: Vec<u8> = crc.into_iter().chain(low(self.packed)).chain(low(self.size)).collect();
        [long, short].into_iter().find(|said| rest.starts_with(said)).map_or(0, |said| marked + said.len())
    }
}

/// The lengths in a member's own header.
struct Local {
    name: usize,
    extra: usize,
}

impl Local {
    fn at(bytes: &[u8], at: usize) -> Option<Self> {
        bytes.get(at..)?.starts_with(LOCAL).then_some(())?;
        Some(Self { name: short_at(bytes, at.checked_add(26)?)?, extra: short_at(bytes, at.checked_add(28)?)? })
    }

    fn length(&self) -> usize {
        LOCAL_BYTES + self.name + self.extra
    }
}

/// What an archive's bytes are, beside its members' contents.
#[derive(Debug, Default)]
pub(super) struct Layout {
    /// Names, extra fields and comments.
    pub(super) beside: Vec<Range<usize>>,
    /// How many comments there are.
    pub(super) comments: usize,
    /// What is nothing at all. Noughts are left out: tapes and some transfers pad with them.
    pub(super) strays: Vec<Range<usize>>,
}

impl Layout {
    /// Accounts for every byte. `list` is where the list of members starts.
    pub(super) fn of(bytes: &[u8], claims: &[Claim], list: u64) -> Self {
        let mut layout = Self::default();
        // A packer that was to split an archive, and found that it fits into one piece, leaves its mark in front (4.4.1.5, 8.5.4).
        let marks: [&[u8]; 2] = [DESCRIPTOR, ONE_PIECE];
        let mark = marks.iter().find(|mark| bytes.starts_with(mark)).map_or(0, |mark| mark.len());
        let mut known: Vec<Range<usize>> = std::iter::once(0..mark).collect();
        for claim in claims {
            let (Some(local), Some(content)) = (Local::at(bytes, claim.start), claim.content(bytes)) else { continue };
            layout.say(claim.start + LOCAL_BYTES, [local.name, local.extra]);
            known.push(claim.start..content.end + claim.descriptor(bytes, content.end));
        }
        let list = usize::try_from(list).unwrap_or(usize::MAX);
        known.push(list..layout.list(bytes, list));
        known.sort_by_key(|range| range.start);
        let mut at = 0;
        for range in known.into_iter().chain(std::iter::once(bytes.len()..bytes.len())) {
            let between = bytes.get(at..range.start).unwrap_or_default();
            if between.iter().any(|byte| *byte != 0) {
                layout.strays.push(at..range.start);
            }
            at = at.max(range.end);
        }
        layout
    }

    /// Goes along the list of members and the records behind it; gives where they end.
    fn list(&mut self, bytes: &[u8], start: usize) -> usize {
        let starts = |at: usize, mark: &[u8]| bytes.get(at..).is_some_and(|rest| rest.starts_with(mark));
        let length = |at: usize, offset: usize| short_at(bytes, at + offset).unwrap_or(0);
        let mut at = start.min(bytes.len());
        while starts(at, CENTRAL) {
            let said = [length(at, 28), length(at, 30), length(at, 32)];
            self.comments += usize::from(said.last().is_some_and(|comment| *comment > 0));
            self.say(at + CENTRAL_BYTES, said);
            at += CENTRAL_BYTES + said.iter().sum::<usize>();
        }
        // What the longer record may hold beyond its usual length is for programs of another kind.
        if starts(at, END_64) {
            at += END_64_BYTES;
        }
        if starts(at, LOCATOR_64) {
            at += LOCATOR_64_BYTES;
        }
        if starts(at, END) {
            let comment = length(at, 20);
            self.comments += usize::from(comment > 0);
            self.say(at + END_BYTES, [comment]);
            at += END_BYTES + comment;
        }
        at.min(bytes.len())
    }

    /// Notes texts that stand one after the other.
    fn say<const N: usize>(&mut self, start: usize, lengths: [usize; N]) {
        let mut at = start;
        for length in lengths {
            if length > 0 {
                self.beside.push(at..at + length);
            }
            at += length;
        }
    }
}

/// What is behind each header of a member in bytes that no list tells of.
pub(super) fn members_in(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let starts = bytes.windows(LOCAL.len()).enumerate().filter(|(_, four)| *four == LOCAL);
    starts.filter_map(|(at, _)| bytes.get(at.checked_add(Local::at(bytes, at)?.length())?..))
}

/// A number of two bytes.
fn short_at(bytes: &[u8], at: usize) -> Option<usize> {
    let two = bytes.get(at..at.checked_add(2)?)?;
    Some(two.iter().rev().fold(0, |number, byte| (number << 8) | usize::from(*byte)))
}
