//! Records: text is cut into fields, with the line on which each record starts.
//!
//! Owns separators, quotes and line ends. Refuses meaning. Written by hand because a receipt must name the line on which
//! a quote was opened and never closed, which general readers of CSV do not tell.

use crate::normalise::table::trimmed;
use std::borrow::Cow;

/// Longest record in bytes. A bed row has a few hundred; free text that long does not belong here.
pub const MAX_RECORD_BYTES: usize = 1 << 20;

/// Lines that a quoted field may span. More means that a quote was never closed.
pub const MAX_QUOTED_LINES: u64 = 100;

/// One record.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Record<'a> {
    /// The line it starts on, from 1.
    pub line: u64,
    /// Its fields, as sent but for quotes; at most as many as were asked for.
    pub fields: Vec<Cow<'a, str>>,
    /// How many fields it really has.
    pub count: usize,
    /// Whether text follows a closing quote, as in `"St "Example" House"`: what was meant cannot be known.
    pub stray_quote: bool,
}

/// A row must not end up in a log by way of a debugging format.
impl std::fmt::Debug for Record<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Record").field("line", &self.line).field("count", &self.count).finish_non_exhaustive()
    }
}

impl Record<'_> {
    /// Whether no field says anything.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.fields.iter().all(|field| trimmed(field).is_empty())
    }
}

/// Why cutting stopped before the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// A quote was opened and not closed within [`MAX_QUOTED_LINES`] or by the end of the file.
    UnclosedQuote {
        /// The line on which it was opened.
        opened: u64,
    },
    /// A record is longer than [`MAX_RECORD_BYTES`].
    TooLong {
        /// The line on which it starts.
        line: u64,
    },
}

/// Cuts text into records, one at a time. Wholly empty lines are counted, not returned.
#[derive(Clone)]
pub struct Cutter<'a> {
    text: &'a str,
    /// The byte of the text at which the next record starts.
    at: usize,
    line: u64,
    delimiter: u8,
    quoted: bool,
    max_fields: usize,
    /// Empty lines passed so far.
    pub empty_lines: u64,
    /// What was left when cutting stopped, from the start of the record that could not be cut.
    pub unread: &'a str,
}

/// The text of a whole extract must not end up in a log by way of a debugging format.
impl std::fmt::Debug for Cutter<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cutter").finish_non_exhaustive()
    }
}

impl<'a> Cutter<'a> {
    /// Starts at the first line of a text. Fields beyond `max_fields` are counted but not kept. The delimiter is an ASCII
    /// character: bytes are looked for, and no other character's bytes are one.
    #[must_use]
    pub fn new(text: &'a str, delimiter: u8, quoted: bool, max_fields: usize) -> Self {
        let text = without_end_mark(text);
        Self { text, at: 0, line: 1, delimiter, quoted, max_fields, empty_lines: 0, unread: "" }
    }

    /// The next record, or `None` at the end.
    ///
    /// # Errors
    /// Says why the rest cannot be cut; afterwards there are no more records.
    pub fn next_record(&mut self) -> Result<Option<Record<'a>>, Stopped> {
        let mut record = Record::default();
        Ok(self.read(&mut record)?.then_some(record))
    }

    /// Takes the next record into one that was used before, so that its memory is used again; `false` at the end.
    ///
    /// # Errors
    /// As [`Cutter::next_record`].
    pub fn read(&mut self, record: &mut Record<'a>) -> Result<bool, Stopped> {
        while let Some(after) = self.after_line_end() {
            self.at = after;
            self.line += 1;
            self.empty_lines += 1;
        }
        record.fields.clear();
        (record.line, record.count, record.stray_quote) = (self.line, 0, false);
        let start = self.at;
        if start >= self.text.len() {
            return Ok(false);
        }
        loop {
            let cut = self.next_field(record);
            let ended = match cut {
                Ok(ended) => ended,
                Err(stopped) => return self.stop(start, stopped),
            };
            if self.at.saturating_sub(start) >= MAX_RECORD_BYTES {
                return self.stop(start, Stopped::TooLong { line: record.line });
            }
            if ended {
                return Ok(true);
            }
        }
    }

    fn stop(&mut self, start: usize, why: Stopped) -> Result<bool, Stopped> {
        self.unread = self.between(start, self.text.len());
        self.at = self.text.len();
        Err(why)
    }

    fn between(&self, start: usize, end: usize) -> &'a str {
        self.text.get(start..end).unwrap_or("")
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }

    /// Where the text goes on after one line end (`\r\n`, `\n` or a lone `\r`), if one stands here.
    fn after_line_end(&self) -> Option<usize> {
        match self.byte(self.at)? {
            b'\n' => Some(self.at + 1),
            b'\r' if self.byte(self.at + 1) == Some(b'\n') => Some(self.at + 2),
            b'\r' => Some(self.at + 1),
            _ => None,
        }
    }

    /// Takes one field and the separator after it; `true` when the record ended.
    fn next_field(&mut self, record: &mut Record<'a>) -> Result<bool, Stopped> {
        let mut first = self.at;
        while self.quoted && self.byte(first) == Some(b' ') {
            first += 1;
        }
        let field = if self.quoted && self.byte(first) == Some(b'"') {
            self.at = first + 1;
            self.quoted_field(record)?
        } else {
            Cow::Borrowed(self.plain_text())
        };
        record.count += 1;
        if record.fields.len() < self.max_fields {
            record.fields.push(field);
        }
        if self.byte(self.at) == Some(self.delimiter) {
            self.at += 1;
            return Ok(false);
        }
        if let Some(after) = self.after_line_end() {
            self.at = after;
            self.line += 1;
        }
        Ok(true)
    }

    /// Takes text up to the next separator or line end.
    fn plain_text(&mut self) -> &'a str {
        let (start, delimiter) = (self.at, self.delimiter);
        let rest = self.text.as_bytes().get(start..).unwrap_or_default();
        let (near, far) = near_and_far(rest);
        let signs = |word: u64| found(word, delimiter) | line_ends(word);
        let mut words = near.iter().map(|word| signs(u64::from_le_bytes(*word))).zip((0..).step_by(WORD));
        let first = words.find_map(|(signs, at)| (signs != 0).then(|| at + place(signs)));
        let later = || near.len() * WORD + memchr::memchr3(delimiter, b'\n', b'\r', far).unwrap_or(far.len());
        self.at = start + first.unwrap_or_else(later);
        self.between(start, self.at)
    }

    /// Takes what stands between quotes; the first one has been passed.
    fn quoted_field(&mut self, record: &mut Record<'a>) -> Result<Cow<'a, str>, Stopped> {
        let opened = self.line;
        let mut whole: Option<String> = None;
        let mut length = 0_usize;
        let text = loop {
            let start = self.at;
            let rest = self.text.as_bytes().get(start..).unwrap_or_default();
            let (part_length, breaks) = next_quote(rest).ok_or(Stopped::UnclosedQuote { opened })?;
            let part = self.between(start, start + part_length);
            length = length.saturating_add(part.len());
            if breaks {
                self.line += count_line_ends(part);
            }
            if self.line.saturating_sub(opened) > MAX_QUOTED_LINES {
                return Err(Stopped::UnclosedQuote { opened });
            }
            if length > MAX_RECORD_BYTES {
                return Err(Stopped::TooLong { line: record.line });
            }
            self.at = start + part_length + 1;
            if self.byte(self.at) == Some(b'"') {
                let text = whole.get_or_insert_default();
                text.push_str(part);
                text.push('"');
                self.at += 1;
                continue;
            }
            break match whole {
                None => Cow::Borrowed(part),
                Some(mut text) => {
                    text.push_str(part);
                    Cow::Owned(text)
                }
            };
        };
        if self.byte(self.at) != Some(self.delimiter) {
            record.stray_quote |= !self.plain_text().trim().is_empty();
        }
        Ok(text)
    }
}

/// Bytes that are looked at in one step, and the steps taken before a search for more at once is worth starting. Fields are short:
/// where each ends is no surprise to the processor if it is found without asking byte by byte.
const WORD: usize = 8;
const NEAR: usize = 4;

fn near_and_far(bytes: &[u8]) -> (&[[u8; WORD]], &[u8]) {
    let (near, _) = bytes.get(..NEAR * WORD).unwrap_or(bytes).as_chunks();
    (near, bytes.get(near.len() * WORD..).unwrap_or_default())
}

/// Where the next quote is, and whether a line ends before it.
fn next_quote(bytes: &[u8]) -> Option<(usize, bool)> {
    let (near, far) = near_and_far(bytes);
    let mut breaks = false;
    for (word, at) in near.iter().map(|word| u64::from_le_bytes(*word)).zip((0..).step_by(WORD)) {
        let (quotes, ends) = (found(word, b'"'), line_ends(word));
        if quotes != 0 {
            let before = (quotes & quotes.wrapping_neg()) - 1;
            return Some((at + place(quotes), breaks || ends & before != 0));
        }
        breaks |= ends != 0;
    }
    let at = memchr::memchr(b'"', far)?;
    let breaks = breaks || far.get(..at).is_some_and(|part| memchr::memchr2(b'\n', b'\r', part).is_some());
    Some((near.len() * WORD + at, breaks))
}

/// A bit for each byte of a word that is the one wanted: the lowest is right, while above it there may be bits too many.
fn found(word: u64, wanted: u8) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let zero_where_wanted = word ^ (ONES * u64::from(wanted));
    zero_where_wanted.wrapping_sub(ONES) & !zero_where_wanted & (ONES << 7)
}

fn line_ends(word: u64) -> u64 {
    found(word, b'\n') | found(word, b'\r')
}

/// Which byte of a word the lowest bit is for.
fn place(bits: u64) -> usize {
    usize::try_from(bits.trailing_zeros() / 8).unwrap_or_default()
}

/// Whether a text ends with a line end, or is empty.
#[must_use]
pub fn ends_with_line_end(text: &str) -> bool {
    let text = without_end_mark(text);
    text.is_empty() || text.ends_with(['\n', '\r'])
}

/// The lines of a small text, whatever ends them: LF, CR LF, or CR alone.
pub(super) fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n').flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r'))
}

/// The text without 0x1A at its end, which ended text files on old systems, and which some exports still write.
pub(super) fn without_end_mark(text: &str) -> &str {
    text.trim_end_matches('\u{1a}')
}

fn count_line_ends(text: &str) -> u64 {
    let bytes = text.as_bytes();
    if !bytes.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
        return 0;
    }
    let ends = bytes.iter().zip(bytes.iter().skip(1).map(Some).chain([None])).filter(|(byte, next)| match byte {
        b'\n' => true,
        b'\r' => *next != Some(&b'\n'),
        _ => false,
    });
    u64::try_from(ends.count()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records as `line:field|field`, joined by spaces; `!` marks a stray quote; a stop is shown as it is.
    fn cut(text: &str) -> String {
        let mut cutter = Cutter::new(text, b',', true, 4);
        let mut shown = Vec::new();
        loop {
            match cutter.next_record() {
                Ok(Some(r)) => shown.push(format!("{}:{}{}", r.line, r.fields.join("|"), if r.stray_quote { "!" } else { "" })),
                Ok(None) => return shown.join(" "),
                Err(stopped) => {
                    shown.push(format!("{stopped:?}"));
                    assert_eq!(cutter.next_record(), Ok(None));
                    return shown.join(" ");
                }
            }
        }
    }

    #[test]
    fn records_are_cut_with_their_line_numbers() {
        let rows = [
            ("a,b\nc,d\n", "1:a|b 2:c|d"),
            ("a,b\r\nc,d", "1:a|b 2:c|d"),
            ("a\rb\r", "1:a 2:b"),
            ("\r\n\n\na,\n", "4:a|"),
            ("\"a,\"\"x\"\"\",b\n", "1:a,\"x\"|b"),
            ("\"a\r\nb\",c\nd\n", "1:a\r\nb|c 3:d"),
            ("a, \"b,c\" ,d\n", "1:a|b,c|d"),
            ("5\" wide,b\n", "1:5\" wide|b"),
            ("\"St \"Example\" House\",b\nc\n", "1:St |b! 2:c"),
            ("a,b,c,d,e,f\n", "1:a|b|c|d"),
            ("a\n\u{1a}", "1:a"),
            ("", ""),
            ("a\n\"b\nc\n", "1:a UnclosedQuote { opened: 2 }"),
        ];
        for (text, expected) in rows {
            assert_eq!(cut(text), expected, "{text:?}");
        }
    }

    /// A reader so simple that it is plainly right finds the same in every text of a few signs, at every distance from a word's end.
    #[test]
    fn signs_are_found_wherever_they_stand() {
        let signs = *b"\"#\n\x0b\r\x0c,-x\xc3";
        let mut noise = 0x2545_f491_4f6c_dd1d_u64;
        for round in 0..20_000_usize {
            let text: Vec<u8> = (0..round % 60)
                .map(|_| {
                    noise = noise.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
                    let pick = usize::try_from(noise >> 56).unwrap();
                    // Mostly letters, so that signs are far apart.
                    if pick < 240 { b'a' + u8::try_from(pick % 20).unwrap() } else { signs[pick % signs.len()] }
                })
                .collect();
            let quote = text.iter().position(|byte| *byte == b'"');
            let expected = quote.map(|at| (at, text[..at].iter().any(|byte| matches!(byte, b'\n' | b'\r'))));
            assert_eq!(next_quote(&text), expected, "{text:?}");
            let Ok(text) = String::from_utf8(text) else { continue };
            let plain = text.split([',', '\n', '\r']).next().unwrap();
            assert_eq!(Cutter::new(&text, b',', false, 4).plain_text(), plain, "{text:?}");
        }
    }

    #[test]
    fn nothing_from_outside_is_unbounded() {
        let lines = "x\n".repeat(101);
        assert_eq!(cut(&format!("a,\"{lines}\"\n")), "UnclosedQuote { opened: 1 }");
        let lines = "x\n".repeat(99);
        assert!(cut(&format!("a,\"{lines}\"\nb\n")).ends_with("101:b"));
        assert_eq!(cut(&"x".repeat(MAX_RECORD_BYTES + 1)), "TooLong { line: 1 }");
        assert_eq!(cut(&format!("\"{}\"", "x".repeat(MAX_RECORD_BYTES + 1))), "TooLong { line: 1 }");
        let mut cutter = Cutter::new("a,b,c,d,e\n", b',', true, 2);
        let record = cutter.next_record().unwrap().unwrap();
        assert_eq!((record.fields.len(), record.count), (2, 5));
    }
}
