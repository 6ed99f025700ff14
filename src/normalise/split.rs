//! Splits: one text that is several things, such as `W21/B2/04`, taken apart by a pattern (F14).
//!
//! Owns the pattern language and its reading. Refuses regular expressions, and texts that could be cut in two ways: a
//! separator that stands once more than agreed makes the text one that does not fit.

use super::mapping::SplitPattern;
use std::collections::BTreeSet;

/// Why a text is not a split pattern.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SplitError {
    /// Fewer than two pieces.
    #[error("a split needs at least two pieces in braces, such as {{Ward}}/{{Bed}}")]
    TooFew,
    /// A brace without its partner, or nothing between them.
    #[error("the braces do not pair up, or stand around nothing")]
    Braces,
    /// The same piece twice.
    #[error("the piece {{{0}}} stands twice")]
    Twice(String),
    /// Nothing tells where one piece ends and the next begins.
    #[error("the pieces {{{0}}} and {{{1}}} need a text between them: nothing tells where one ends")]
    NoSeparator(String, String),
}

/// Reads a pattern such as `{Ward}/{Bay}/{Bed}`.
///
/// # Errors
/// Says what is wrong with the text, for the settings' author.
pub fn parse_split(text: &str) -> Result<SplitPattern, SplitError> {
    let mut rest = text;
    let before = literal(&mut rest)?;
    let mut pieces: Vec<(String, String)> = Vec::new();
    let mut seen = BTreeSet::new();
    while let Some(inside) = rest.strip_prefix('{') {
        let (name, after) = inside.split_once('}').ok_or(SplitError::Braces)?;
        let name = name.trim();
        if name.is_empty() || name.contains('{') {
            return Err(SplitError::Braces);
        }
        if !seen.insert(name.to_lowercase()) {
            return Err(SplitError::Twice(name.to_owned()));
        }
        rest = after;
        pieces.push((name.to_owned(), literal(&mut rest)?));
    }
    for ((name, between), (next, _)) in pieces.iter().zip(pieces.iter().skip(1)) {
        if between.is_empty() {
            return Err(SplitError::NoSeparator(name.clone(), next.clone()));
        }
    }
    if pieces.len() < 2 {
        return Err(SplitError::TooFew);
    }
    Ok(SplitPattern { text: text.to_owned(), before, pieces })
}

/// The pieces of a text, trimmed, in the pattern's order; `None` where the text is not of that form.
#[must_use]
pub fn split_text<'t>(pattern: &SplitPattern, text: &'t str) -> Option<Vec<&'t str>> {
    let mut rest = text.strip_prefix(pattern.before.as_str())?;
    let mut found = Vec::with_capacity(pattern.pieces.len());
    for (at, (_, after)) in pattern.pieces.iter().enumerate() {
        let last = at + 1 == pattern.pieces.len();
        let (piece, following) = match (last, after.is_empty()) {
            (false, _) => rest.split_once(after.as_str())?,
            (true, true) => (rest, ""),
            (true, false) => (rest.strip_suffix(after.as_str())?, ""),
        };
        found.push(piece.trim());
        rest = following;
    }
    // One separator too many: nobody can tell which piece it belongs to.
    let last = found.last()?;
    let once_more = |(_, between): &(String, String)| !between.is_empty() && last.contains(between.as_str());
    (!pattern.pieces.iter().any(once_more)).then_some(found)
}

/// The text up to the next brace, taken off the front.
fn literal(rest: &mut &str) -> Result<String, SplitError> {
    let end = rest.find(['{', '}']).unwrap_or(rest.len());
    let (literal, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
    if after.starts_with('}') {
        return Err(SplitError::Braces);
    }
    *rest = after;
    Ok(literal.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_taken_apart_or_does_not_fit() {
        let rows = [
            ("{Ward}/{Bay}/{Bed}", "W21/B2/04", Some("W21|B2|04")),
            ("{Ward}/{Bay}/{Bed}", "W21 / B2 / 04", Some("W21|B2|04")),
            ("{Ward}/{Bay}/{Bed}", "W21//04", Some("W21||04")),
            ("{Ward}/{Bay}/{Bed}", "W21/B2", None),
            ("{Ward}/{Bay}/{Bed}", "W21/B2/04/2", None),
            ("{Ward}/{Bay}/{Bed}", "", None),
            ("{Ward} - {Bed}", "Ward 21 - 04", Some("Ward 21|04")),
            ("{Ward}-{Bay}:{Bed}", "W21-B2:04", Some("W21|B2|04")),
            ("{Ward}-{Bay}:{Bed}", "W21-B2:04-1", None),
            ("Bed {Bed} ({Ward})", "Bed 04 (Ward 21 – Médecine)", Some("04|Ward 21 – Médecine")),
            ("Bed {Bed} ({Ward})", "Bed 04 (Ward 21", None),
            ("Bed {Bed} ({Ward})", "04 (Ward 21)", None),
        ];
        for (pattern, text, expected) in rows {
            let found = split_text(&parse_split(pattern).unwrap(), text).map(|pieces| pieces.join("|"));
            assert_eq!(found.as_deref(), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn a_pattern_that_cannot_work_says_why() {
        let rows = [
            ("", SplitError::TooFew),
            ("{Ward}", SplitError::TooFew),
            ("{Ward}/{Bed", SplitError::Braces),
            ("{Ward}/Bed}", SplitError::Braces),
            ("{Ward}/{}", SplitError::Braces),
            ("{Ward}/{ward}", SplitError::Twice("ward".into())),
            ("{Ward}{Bed}", SplitError::NoSeparator("Ward".into(), "Bed".into())),
        ];
        for (text, expected) in rows {
            assert_eq!(parse_split(text), Err(expected), "{text}");
        }
    }
}
