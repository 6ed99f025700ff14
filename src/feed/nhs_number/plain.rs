//! A text as one sees it: every digit one of ASCII, and nothing in it that cannot be seen.
//!
//! Owns the digits of other scripts, and where each character stood. Refuses to judge what the digits are.

use crate::feed::is_hidden;
use std::ops::Range;

/// The noughts of the scripts that people in this country may have on a keyboard, and of the wide letters of East Asia; the nine
/// other digits of each follow.
const NOUGHTS: [char; 12] =
    ['\u{660}', '\u{6f0}', '\u{7c0}', '\u{966}', '\u{9e6}', '\u{a66}', '\u{ae6}', '\u{be6}', '\u{c66}', '\u{e50}', '\u{ff10}', '\u{1d7ce}'];

/// A text with plain digits.
pub(super) struct Plain {
    pub(super) text: String,
    /// Where each byte of it came from: the span of its character in the original.
    from: Vec<Range<usize>>,
}

impl Plain {
    pub(super) fn of(text: &str) -> Self {
        let mut plain = Self { text: String::with_capacity(text.len()), from: Vec::with_capacity(text.len()) };
        for (at, c) in text.char_indices().filter(|(_, c)| c.is_ascii() || c.is_whitespace() || !is_hidden(*c)) {
            let shown = digit_of(c).map_or(c, |digit| char::from(b'0' + digit));
            plain.text.push(shown);
            plain.from.extend(std::iter::repeat_n(at..at + c.len_utf8(), shown.len_utf8()));
        }
        plain
    }

    /// Where a span of this text stands in the original.
    pub(super) fn span_in_original(&self, span: Range<usize>) -> Range<usize> {
        let last = span.end.checked_sub(1).and_then(|last| self.from.get(last));
        match (self.from.get(span.start), last) {
            (Some(first), Some(last)) => first.start..last.end,
            _ => span,
        }
    }
}

/// The digit that a character is, in whichever script.
pub(super) fn digit_of(c: char) -> Option<u8> {
    if c.is_ascii() {
        return c.to_digit(10).and_then(|digit| u8::try_from(digit).ok());
    }
    let behind = |nought: &char| u32::from(c).checked_sub(u32::from(*nought)).and_then(|digit| u8::try_from(digit).ok());
    NOUGHTS.iter().filter_map(behind).find(|digit| *digit < 10)
}
