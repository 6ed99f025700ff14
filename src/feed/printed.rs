//! Printing what others wrote: file names, names of columns, words of a file, names that clients give themselves.
//!
//! Owns which characters nobody can see, and how they are written instead. Every text from outside that a finding, a receipt, a
//! log line or a page repeats passes here, so that it cannot move a cursor, turn round what stands beside it, or look like
//! another text. Refuses to judge what a text says.

use std::borrow::Cow;

/// The text with every character that cannot be seen written as `\u{202E}`, by its number in Unicode. What was done already stays
/// as it is.
#[must_use]
pub fn printed(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        push_printed(&mut shown, letter);
    }
    Cow::Owned(shown)
}

/// Adds one character, or its number where it cannot be seen.
pub fn push_printed(text: &mut String, letter: char) {
    if is_hidden(letter) {
        text.push_str(&format!("\\u{{{:X}}}", u32::from(letter)));
    } else {
        text.push(letter);
    }
}

/// Whether a character cannot be seen: control characters, breaks of lines and paragraphs, Unicode's format characters (marks that
/// turn the direction of writing, joiners, tags), fillers and spaces without width, selectors of variants, and what is for
/// private use or none at all. Ordinary blanks, letters and signs of every script are seen.
#[must_use]
pub fn is_hidden(letter: char) -> bool {
    let of_ascii = letter.is_ascii();
    letter.is_control()
        || (!of_ascii
            && matches!(
                letter,
                '\u{ad}'
                    | '\u{34f}'
                    | '\u{600}'..='\u{605}'
                    | '\u{61c}'
                    | '\u{6dd}'
                    | '\u{70f}'
                    | '\u{890}'..='\u{891}'
                    | '\u{8e2}'
                    | '\u{115f}'..='\u{1160}'
                    | '\u{17b4}'..='\u{17b5}'
                    | '\u{180b}'..='\u{180f}'
                    | '\u{200b}'..='\u{200f}'
                    | '\u{2028}'..='\u{202e}'
                    | '\u{2060}'..='\u{206f}'
                    | '\u{2800}'
                    | '\u{3164}'
                    | '\u{e000}'..='\u{f8ff}'
                    | '\u{fdd0}'..='\u{fdef}'
                    | '\u{fe00}'..='\u{fe0f}'
                    | '\u{feff}'
                    | '\u{ffa0}'
                    | '\u{fff0}'..='\u{fffb}'
                    | '\u{fffe}'..='\u{ffff}'
                    | '\u{110bd}'
                    | '\u{110cd}'
                    | '\u{13430}'..='\u{1343f}'
                    | '\u{1bca0}'..='\u{1bca3}'
                    | '\u{1d173}'..='\u{1d17a}'
                    | '\u{e0000}'..='\u{10ffff}'
            ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_written_by_its_number() {
        let rows = [
            ("Ward 21 – Gen Med é 病棟", "Ward 21 – Gen Med é 病棟"),
            ("non\u{a0}breaking\u{202f}blanks", "non\u{a0}breaking\u{202f}blanks"),
            ("lost \u{fffd}", "lost \u{fffd}"),
            ("a\nb\r\tc", "a\\u{A}b\\u{D}\\u{9}c"),
            ("\u{1b}[31mred", "\\u{1B}[31mred"),
            ("\u{7f}\u{85}\u{9b}31m", "\\u{7F}\\u{85}\\u{9B}31m"),
            ("\u{202e}vsc.exe\u{202c}", "\\u{202E}vsc.exe\\u{202C}"),
            ("\u{2066}a\u{2069}\u{200e}\u{200f}\u{61c}", "\\u{2066}a\\u{2069}\\u{200E}\\u{200F}\\u{61C}"),
            ("W\u{200b}2\u{200d}1\u{2060}\u{feff}", "W\\u{200B}2\\u{200D}1\\u{2060}\\u{FEFF}"),
            ("soft\u{ad}hyphen", "soft\\u{AD}hyphen"),
            ("\u{2028}\u{2029}", "\\u{2028}\\u{2029}"),
            ("\u{3164}\u{115f}\u{2800}", "\\u{3164}\\u{115F}\\u{2800}"),
            ("a\u{fe0f}\u{e0101}", "a\\u{FE0F}\\u{E0101}"),
            ("\u{e0041}\u{e007f}", "\\u{E0041}\\u{E007F}"),
            ("\u{e000}\u{f0000}\u{ffff}", "\\u{E000}\\u{F0000}\\u{FFFF}"),
        ];
        for (text, expected) in rows {
            assert_eq!(printed(text), expected, "{text:?}");
            assert_eq!(printed(&printed(text)), expected, "done twice: {text:?}");
        }
    }
}
