//! Gzip: a file of rows that was packed before it was sent, unpacked in memory within limits (TRN-03).
//!
//! Owns single streams and several one after the other, as `cat a.gz b.gz` and block-wise packers make. Refuses what is cut
//! short, what is followed by anything but padding, and what unpacks to more than was agreed.

use super::archive::MAX_RATIO;
use super::identifiers;
use crate::feed::{Finding, Findings, Rule};
use flate2::GzHeader;
use flate2::bufread::GzDecoder;
use std::io::Read;

/// What a gzip stream starts with.
const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Most streams in one file: block-wise packers write one for every 64 KiB.
const MAX_STREAMS: usize = 2048;

/// What came of a gzip file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gunzipped {
    /// The text of all its streams.
    pub text: Vec<u8>,
    /// What the names and comments in front of the streams give away.
    pub findings: Findings,
}

/// Unpacks every stream of a file into one text. `max_bytes` bounds what comes out.
///
/// # Errors
/// The finding that rejects the file (TRN-03).
pub fn unpack(bytes: &[u8], max_bytes: u64) -> Result<Gunzipped, Finding> {
    let refuse = |message: String| Finding::new(Rule::Trn03, message);
    if !bytes.starts_with(&MAGIC) {
        return Err(refuse("The file is not gzip, which was agreed for it.".to_owned()));
    }
    let packed = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let limit = max_bytes.min(packed.saturating_mul(MAX_RATIO));
    let (mut text, mut findings) = (Vec::new(), Findings::default());
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
        said_in_front(stream.header()).into_iter().for_each(|finding| findings.push_once(finding));
        rest = stream.into_inner();
        // Tapes and some transfers pad with zeros.
        if rest.iter().all(|byte| *byte == 0) {
            return Ok(Gunzipped { text, findings });
        }
        if !rest.starts_with(&MAGIC) {
            return Err(refuse("The gzip file is followed by something else: it was damaged or appended to.".to_owned()));
        }
    }
    Err(refuse(format!("The gzip file has more than {MAX_STREAMS} parts.")))
}

/// Packers keep the name that a file had before, which nobody agreed: one number in it is enough (IGV-02).
fn said_in_front(header: Option<&GzHeader>) -> Option<Finding> {
    let header = header?;
    let said = [header.filename(), header.comment(), header.extra()];
    said.into_iter().flatten().find_map(|said| identifiers::check_beside("The name or a comment inside the gzip file", said))
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
            let gunzipped = unpack(&bytes, ROOM).unwrap();
            assert_eq!(gunzipped.text, expected);
            assert!(gunzipped.findings.is_empty());
        }
        assert_eq!(unpack(&one, 8).map(|gunzipped| gunzipped.text.len()), Ok(8));
    }

    #[test]
    fn igv_02_names_and_comments_in_front_of_a_stream_are_looked_at() {
        let named = |name: &str, comment: &str| {
            let mut writer = flate2::GzBuilder::new().filename(name).comment(comment).write(Vec::new(), flate2::Compression::default());
            writer.write_all(b"a,b\n1,2\n").unwrap();
            writer.finish().unwrap()
        };
        let rows = [
            (named("9434765919 SMITH.csv", ""), 1),
            (named("beds.csv", "for 943 476 5919"), 1),
            ([packed(b"x\n"), named("9434765919.csv", "")].concat(), 1),
            (named("9434765919.csv", "").repeat(2), 1),
            (named("beds_20181203101500.csv", "hourly"), 0),
        ];
        for (bytes, expected) in rows {
            let findings = unpack(&bytes, ROOM).unwrap().findings;
            assert_eq!((findings.count_of(Rule::Igv02), findings.seal_file()), (expected, expected > 0));
        }
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
