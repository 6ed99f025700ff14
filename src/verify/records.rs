//! Records: text is cut into fields, with the line on which each record starts.
//!
//! Owns separators, quotes and line ends. Refuses meaning. Written by hand because a receipt must name the line on which
//! a quote was opened and never closed, which general readers of CSV do not tell.

use std::borrow::Cow;

/// Longest record in bytes. A bed row has a few hundred; free text that long does not belong here.
pub const MAX_RECORD_BYTES: usize = 1 << 20;

/// Lines that a quoted field may span. More means that a quote was never closed.
pub const MAX_QUOTED_LINES: u64 = 100;

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
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

impl Record<'_> {
    /// Whether no field says anything.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.fields.iter().all(|field| field.trim().is_empty())
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
#[derive(Clone, Debug)]
pub struct Cutter<'a> {
    rest: &'a str,
    line: u64,
    delimiter: char,
    quoted: bool,
    max_fields: usize,
    /// Empty lines passed so far.
    pub empty_lines: u64,
    /// What was left when cutting stopped, from the start of the record that could not be cut.
    pub unread: &'a str,
}

impl<'a> Cutter<'a> {
    /// Starts at the first line of a text. Fields beyond `max_fields` are counted but not kept.
    #[must_use]
    pub fn new(text: &'a str, delimiter: u8, quoted: bool, max_fields: usize) -> Self {
        let rest = without_end_mark(text);
        Self { rest, line: 1, delimiter: char::from(delimiter), quoted, max_fields, empty_lines: 0, unread: "" }
    }

    /// The next record, or `None` at the end.
    ///
    /// # Errors
    /// Says why the rest cannot be cut; afterwards there are no more records.
    pub fn next_record(&mut self) -> Result<Option<Record<'a>>, Stopped> {
        while let Some(rest) = strip_line_end(self.rest) {
            self.rest = rest;
            self.line += 1;
            self.empty_lines += 1;
        }
        if self.rest.is_empty() {
            return Ok(None);
        }
        let start = self.rest;
        let mut record = Record { line: self.line, fields: Vec::new(), count: 0, stray_quote: false };
        let mut budget = MAX_RECORD_BYTES;
        loop {
            let before = self.rest.len();
            let cut = self.next_field(&mut record);
            budget = budget.saturating_sub(before.saturating_sub(self.rest.len()));
            let ended = match cut {
                Ok(ended) => ended,
                Err(stopped) => return self.stop(start, stopped),
            };
            if budget == 0 {
                return self.stop(start, Stopped::TooLong { line: record.line });
            }
            if ended {
                return Ok(Some(record));
            }
        }
    }

    fn stop(&mut self, unread: &'a str, why: Stopped) -> Result<Option<Record<'a>>, Stopped> {
        (self.rest, self.unread) = ("", unread);
        Err(why)
    }

    /// Takes one field and the separator after it; `true` when the record ended.
    fn next_field(&mut self, record: &mut Record<'a>) -> Result<bool, Stopped> {
        let spaces_off = self.rest.trim_start_matches(' ');
        let field = if self.quoted && spaces_off.starts_with('"') {
            self.rest = spaces_off;
            self.quoted_field(record)?
        } else {
            Cow::Borrowed(self.plain_text())
        };
        record.count += 1;
        if record.fields.len() < self.max_fields {
            record.fields.push(field);
        }
        if let Some(rest) = self.rest.strip_prefix(self.delimiter) {
            self.rest = rest;
            return Ok(false);
        }
        if let Some(rest) = strip_line_end(self.rest) {
            self.rest = rest;
            self.line += 1;
        }
        Ok(true)
    }

    /// Takes text up to the next separator or line end.
    fn plain_text(&mut self) -> &'a str {
        let delimiter = self.delimiter;
        let end = self.rest.find([delimiter, '\n', '\r']).unwrap_or(self.rest.len());
        let (text, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        text
    }

    fn quoted_field(&mut self, record: &mut Record<'a>) -> Result<Cow<'a, str>, Stopped> {
        let opened = self.line;
        let unclosed = Stopped::UnclosedQuote { opened };
        let mut inside = self.rest.strip_prefix('"').unwrap_or(self.rest);
        let mut whole: Option<String> = None;
        let mut length = 0_usize;
        let text = loop {
            let (part, rest) = inside.split_once('"').ok_or(unclosed)?;
            length = length.saturating_add(part.len());
            self.line += count_line_ends(part);
            if self.line.saturating_sub(opened) > MAX_QUOTED_LINES {
                return Err(unclosed);
            }
            if length > MAX_RECORD_BYTES {
                return Err(Stopped::TooLong { line: record.line });
            }
            if let Some(after) = rest.strip_prefix('"') {
                let text = whole.get_or_insert_default();
                text.push_str(part);
                text.push('"');
                inside = after;
                continue;
            }
            self.rest = rest;
            break match whole {
                None => Cow::Borrowed(part),
                Some(mut text) => {
                    text.push_str(part);
                    Cow::Owned(text)
                }
            };
        };
        record.stray_quote |= !self.plain_text().trim().is_empty();
        Ok(text)
    }
}

/// Whether a text ends with a line end, or is empty.
#[must_use]
pub fn ends_with_line_end(text: &str) -> bool {
    let text = without_end_mark(text);
    text.is_empty() || text.ends_with(['\n', '\r'])
}

/// The text without 0x1A at its end, which ended text files on old systems, and which some exports still write.
fn without_end_mark(text: &str) -> &str {
    text.trim_end_matches('\u{1a}')
}

/// The text after one line end (`\r\n`, `\n` or a lone `\r`), if it starts with one.
fn strip_line_end(text: &str) -> Option<&str> {
    text.strip_prefix("\r\n").or_else(|| text.strip_prefix(['\n', '\r']))
}

fn count_line_ends(text: &str) -> u64 {
    let bytes = text.as_bytes();
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
