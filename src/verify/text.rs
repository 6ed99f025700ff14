//! Text: a file's bytes become text, or it is said what they are instead.
//!
//! Owns encodings and byte order marks (STR-02). Refuses to guess at binary: what is not text goes no further.

use crate::feed::{Finding, Rule, Severity};
use crate::normalise::mapping::Encoding;
use std::borrow::Cow;

/// What other kinds of file start with, and what to call them.
const OTHER_KINDS: &[(&[u8], &str)] = &[
    (b"PK\x03\x04", "a zip archive or a spreadsheet (.xlsx)"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"\xd0\xcf\x11\xe0", "an old spreadsheet or document (.xls, .doc)"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"%PDF-", "a PDF document"),
    (b"7z\xbc\xaf", "a 7-Zip archive"),
];

/// Control characters that a text may hold before it is taken for binary, whatever its length.
const STRAY_CONTROLS: usize = 8;

/// Bytes looked at to tell UTF-16 without its mark.
const UTF16_SAMPLE: usize = 1024;

/// Text, and what had to be done to read it.
#[derive(Clone, PartialEq, Eq)]
pub struct Text<'a> {
    /// The text, without a byte order mark.
    pub text: Cow<'a, str>,
    /// A warning, where it was not in the agreed encoding (STR-02).
    pub warning: Option<Finding>,
}

/// A whole extract must not end up in a log by way of a debugging format.
impl std::fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Text").field("bytes", &self.text.len()).field("warning", &self.warning).finish_non_exhaustive()
    }
}

/// Reads bytes as text. A byte order mark wins over the agreed encoding.
///
/// # Errors
/// The finding that rejects the file, where the bytes are not text (STR-02).
pub fn decode(bytes: &[u8], agreed: Encoding) -> Result<Text<'_>, Finding> {
    if let Some((_, kind)) = OTHER_KINDS.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return Err(not_text(&format!("Not text: the file is {kind}, where a text extract was agreed.")));
    }
    let (text, warning) = match encoding_rs::Encoding::for_bom(bytes) {
        Some((encoding, mark)) if encoding != encoding_rs::UTF_8 => {
            let (text, damaged) = encoding.decode_without_bom_handling(bytes.get(mark..).unwrap_or_default());
            if damaged {
                return Err(not_text("Not text: the file starts as UTF-16 but is damaged or cut short."));
            }
            (text, (agreed != Encoding::Utf16).then(|| "Read as UTF-16, which was not agreed.".to_owned()))
        }
        Some((_, mark)) => {
            let rest = bytes.get(mark..).unwrap_or_default();
            match agreed {
                Encoding::Utf16 => decode_bytes(rest, agreed),
                Encoding::Utf8 => decode_bytes(rest, Encoding::Utf8),
                // The mark itself was not agreed, even where every letter is the same in both.
                Encoding::Windows1252 => {
                    let (text, warning) = decode_bytes(rest, Encoding::Utf8);
                    (text, warning.or_else(|| Some("Read as UTF-8, where Windows-1252 was agreed.".to_owned())))
                }
            }
        }
        None if looks_like_utf16(bytes) => {
            return Err(not_text(
                "Not text as agreed: the file looks like UTF-16 without the mark at its start. Export it as UTF-8, or with the mark.",
            ));
        }
        None => decode_bytes(bytes, agreed),
    };
    check_characters(&text)?;
    Ok(Text { text, warning: warning.map(|message| Finding::new(Rule::Str02, message)) })
}

/// Whether every other byte of the start is nearly always NUL, as in Latin text of two bytes a letter.
fn looks_like_utf16(bytes: &[u8]) -> bool {
    let start = bytes.get(..UTF16_SAMPLE).unwrap_or(bytes);
    let nul = |from: usize| start.iter().skip(from).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd) = (nul(0), nul(1));
    let pairs = start.len() / 2;
    pairs >= 2 && (even.max(odd) * 10 >= pairs * 8) && (even.min(odd) * 10 <= pairs)
}

fn decode_bytes(bytes: &[u8], agreed: Encoding) -> (Cow<'_, str>, Option<String>) {
    let utf8 = std::str::from_utf8(bytes);
    match (agreed, utf8) {
        (Encoding::Utf8, Ok(text)) => (Cow::Borrowed(text), None),
        (Encoding::Utf8, Err(error)) => {
            let line = line_of(bytes, error.valid_up_to());
            let (text, _) = encoding_rs::WINDOWS_1252.decode_without_bom_handling(bytes);
            (text, Some(format!("Read as Windows-1252: the file is not valid UTF-8, which was agreed (see line {line}).")))
        }
        (Encoding::Utf16, Err(_)) => {
            let (text, _) = encoding_rs::WINDOWS_1252.decode_without_bom_handling(bytes);
            (text, Some("Read as Windows-1252, where UTF-16 was agreed.".to_owned()))
        }
        (Encoding::Utf16, Ok(text)) => (Cow::Borrowed(text), Some("Read as UTF-8, where UTF-16 was agreed.".to_owned())),
        // Text in Windows-1252 is hardly ever valid UTF-8 by accident, unless it is plain ASCII and both are the same.
        (Encoding::Windows1252, Ok(text)) if text.is_ascii() => (Cow::Borrowed(text), None),
        (Encoding::Windows1252, Ok(text)) => (Cow::Borrowed(text), Some("Read as UTF-8, where Windows-1252 was agreed.".to_owned())),
        (Encoding::Windows1252, Err(_)) => (encoding_rs::WINDOWS_1252.decode_without_bom_handling(bytes).0, None),
    }
}

fn line_of(bytes: &[u8], at: usize) -> usize {
    bytes.iter().take(at).filter(|byte| **byte == b'\n').count() + 1
}

fn check_characters(text: &str) -> Result<(), Finding> {
    let Looks { nul, controls } = looks(text);
    if nul {
        return Err(not_text("Not text: the file holds NUL bytes. It may be a binary file, or was damaged on the way."));
    }
    if controls > STRAY_CONTROLS && controls.saturating_mul(100) > text.len() {
        return Err(not_text("Not text: the file is full of control characters, as a binary file is."));
    }
    Ok(())
}

/// What a text looks like.
struct Looks {
    /// Whether it holds NUL.
    nul: bool,
    /// Control characters in it, without tabs, line ends, form feeds and the end-of-file mark of old systems (0x1A), which
    /// belong to text.
    controls: usize,
}

/// Looks at every byte once. Without branches, so that many are looked at in one step; a count of so few fits into a byte.
fn looks(text: &str) -> Looks {
    const AT_ONCE: usize = 128;
    let (mut nul, mut high, mut controls) = (0_u8, 0_u8, 0_usize);
    for bytes in text.as_bytes().chunks(AT_ONCE) {
        let mut found = 0_u8;
        for byte in bytes {
            let control = (*byte < b' ') | (*byte == 0x7f);
            let belongs = (*byte == b'\t') | (*byte == b'\n') | (*byte == b'\r') | (*byte == 0x0c) | (*byte == 0x1a);
            found += u8::from(control & !belongs);
            nul |= u8::from(*byte == 0);
            high |= *byte;
        }
        controls += usize::from(found);
    }
    if high >= 0x80 {
        // Beyond ASCII there are others, of two bytes.
        controls += text.chars().filter(|c| c.is_control() && !c.is_ascii()).count();
    }
    Looks { nul: nul != 0, controls }
}

fn not_text(message: &str) -> Finding {
    Finding::new(Rule::Str02, message).with_severity(Severity::RejectFile)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `Ok` of the text and whether there was a warning, or `Err` of the start of the message.
    fn read(bytes: &[u8], agreed: Encoding) -> Result<(String, bool), String> {
        decode(bytes, agreed).map(|t| (t.text.into_owned(), t.warning.is_some())).map_err(|f| {
            assert_eq!(f.severity, Severity::RejectFile);
            f.message
        })
    }

    #[test]
    fn str_02_bytes_are_read_as_agreed_or_with_a_warning() {
        use Encoding::{Utf8, Utf16, Windows1252};
        let rows: [(&[u8], Encoding, &str, bool); 14] = [
            ("Ward 21 – Gen".as_bytes(), Utf8, "Ward 21 – Gen", false),
            (b"Ward 21 \x96 Gen", Windows1252, "Ward 21 – Gen", false),
            (b"Ward 21 \x96 Gen", Utf8, "Ward 21 – Gen", true),
            ("Ward 21 – Gen".as_bytes(), Windows1252, "Ward 21 – Gen", true),
            (b"plain", Windows1252, "plain", false),
            (b"\xef\xbb\xbfWard", Utf8, "Ward", false),
            (b"\xef\xbb\xbfWard", Windows1252, "Ward", true),
            (b"\xff\xfea\x00b\x00", Utf8, "ab", true),
            (b"\xfe\xff\x00a\x00b", Utf8, "ab", true),
            (b"\xff\xfea\x00b\x00", Utf16, "ab", false),
            (b"\xfe\xff\x00a\x20\x13", Utf16, "a\u{2013}", false),
            (b"plain", Utf16, "plain", true),
            (b"\xef\xbb\xbfplain", Utf16, "plain", true),
            (b"Ward \x96", Utf16, "Ward \u{2013}", true),
        ];
        for (bytes, agreed, text, warned) in rows {
            assert_eq!(read(bytes, agreed), Ok((text.to_owned(), warned)), "{bytes:?}");
        }
    }

    #[test]
    fn str_02_what_is_not_text_is_refused_and_named() {
        let binary: Vec<u8> = (0..200_u8).map(|n| 1 + n % 8).collect();
        let rows: [(&[u8], &str); 9] = [
            (b"a,b\n1,\0\n", "NUL"),
            (b"PK\x03\x04rest", "zip archive or a spreadsheet"),
            (b"\x1f\x8b\x08", "gzip"),
            (b"%PDF-1.4", "PDF"),
            (b"\xff\xfea\x00b", "UTF-16"),
            (b"a\x00b\x00c\x00,\x00", "UTF-16 without the mark"),
            (b"\x00a\x00b\x00\n\x00c", "UTF-16 without the mark"),
            (b"\xff\xfea\x00\x00\xd8", "damaged or cut short"),
            (&binary, "control characters"),
        ];
        for (bytes, expected) in rows {
            let message = read(bytes, Encoding::Utf8).unwrap_err();
            assert!(message.contains(expected), "{message}");
        }
        assert!(read(b"a few \x01\x02 stray ones", Encoding::Utf8).is_ok());
    }
}
