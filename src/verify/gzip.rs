//! Gzip: a file of rows that was packed before it was sent, unpacked in memory within limits (TRN-03).
//!
//! Owns single streams and several one after the other, as `cat a.gz b.gz` and block-wise packers make. Refuses what is cut
//! short, what is followed by anything but padding, and what unpacks to more than was agreed.

use super::archive::MAX_RATIO;
use crate::feed::{Finding, Rule};
use flate2::bufread::GzDecoder;
use std::io::Read;

/// What a gzip stream starts with.
const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Most streams in one file: block-wise packers write one for every 64 KiB.
const MAX_STREAMS: usize = 2048;

/// Unpacks every stream of a file into one text. `max_bytes` bounds what comes out.
///
/// # Errors
/// The finding that rejects the file (TRN-03).
pub fn unpack(bytes: &[u8], max_bytes: u64) -> Result<Vec<u8>, Finding> {
    let refuse = |message: String| Finding::new(Rule::Trn03, message);
    if !bytes.starts_with(&MAGIC) {
        return Err(refuse("The file is not gzip, which was agreed for it.".to_owned()));
    }
    let packed = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let limit = max_bytes.min(packed.saturating_mul(MAX_RATIO));
    let mut text = Vec::new();
    let mut rest = bytes;
    for _ in 0..MAX_STREAMS {
        let left = limit.saturating_sub(u64::try_from(text.len()).unwrap_or(u64::MAX));
        let mut stream = GzDecoder::new(rest);
        // What the end of a stream claims of its length is not believed: reading stops one byte past the limit.
        let read = (&mut stream).take(left.saturating_add(1)).read_to_end(&mut text);
        let read = read.map_err(|_| refuse("The gzip file is damaged or cut short.".to_owned()))?;
        if u64::try_from(read).is_ok_and(|read| read > left) {
            return Err(refuse(format!("The gzip file unpacks to more than {limit} bytes, the most that is taken.")));
        }
        rest = stream.into_inner();
        // Tapes and some transfers pad with zeros.
        if rest.iter().all(|byte| *byte == 0) {
            return Ok(text);
        }
        if !rest.starts_with(&MAGIC) {
            return Err(refuse("The gzip file is followed by something else: it was damaged or appended to.".to_owned()));
        }
    }
    Err(refuse(format!("The gzip file has more than {MAX_STREAMS} parts.")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const ROOM: u64 = 1 << 20;

    fn packed(text: &[u8]) -> Vec<u8> {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        writer.write_all(text).unwrap();
        writer.finish().unwrap()
    }

    #[test]
    fn every_stream_of_a_file_is_unpacked() {
        let one = packed(b"a,b\n1,2\n");
        let rows: [(Vec<u8>, &[u8]); 5] = [
            (one.clone(), b"a,b\n1,2\n"),
            ([one.clone(), packed(b"3,4\n")].concat(), b"a,b\n1,2\n3,4\n"),
            ([packed(b""), one.clone(), packed(b"")].concat(), b"a,b\n1,2\n"),
            ([one.clone(), vec![0; 512]].concat(), b"a,b\n1,2\n"),
            (packed(b"").repeat(MAX_STREAMS), b""),
        ];
        for (bytes, expected) in rows {
            assert_eq!(unpack(&bytes, ROOM).as_deref(), Ok(expected));
        }
        assert_eq!(unpack(&one, 8).map(|text| text.len()), Ok(8));
    }

    #[test]
    fn trn_03_an_unsafe_gzip_is_refused() {
        let one = packed(b"a,b\n1,2\n");
        let mut damaged = one.clone();
        let middle = damaged.len() - 6;
        damaged[middle] ^= 0x5a;
        let rows: [(Vec<u8>, u64, &str); 6] = [
            (b"a,b\n1,2\n".to_vec(), ROOM, "not gzip"),
            (damaged, ROOM, "damaged"),
            ([one.clone(), b"3,4\n".to_vec()].concat(), ROOM, "followed by something else"),
            (one.clone(), 7, "more than 7 bytes"),
            (packed(&vec![b'0'; 900_000]), ROOM, "unpacks to more than"),
            (packed(b"").repeat(MAX_STREAMS + 1), ROOM, "more than 2048 parts"),
        ];
        for (bytes, room, expected) in rows {
            let finding = unpack(&bytes, room).unwrap_err();
            assert!(finding.rule == Rule::Trn03 && finding.message.contains(expected), "{expected}: {}", finding.message);
        }
        // Cut at any byte, also in the middle of the second stream.
        let two = [one.clone(), packed(b"3,4\n")].concat();
        for end in (0..two.len()).filter(|end| *end != one.len()) {
            assert_eq!(unpack(&two[..end], ROOM).map_err(|finding| finding.rule), Err(Rule::Trn03), "cut at {end}");
        }
    }
}
