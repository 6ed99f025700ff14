//! Hints: the agreed code that an unknown one was perhaps meant for.
//!
//! Owns how near two texts are, and how much work may go into it: a file can have another unknown text on every row, and a
//! mapping thousands of codes. Refuses to repeat the text: what is named is always our word.

use std::cell::RefCell;
use std::collections::HashMap;

/// Letters of a word from which on one of them may be wrong, and two of them, for it to be taken for an agreed code.
const ONE_WRONG_OF: usize = 4;
const TWO_WRONG_OF: usize = 7;

/// Longest text, in letters and digits, that is compared: no agreed code that somebody slipped on is longer.
const MAX_LETTERS: usize = 40;

/// Different texts of a table that are compared with the codes. More findings than these are counted and not kept.
const MOST_TEXTS: usize = 64;

/// What the unknown texts of a table were perhaps meant for: each is compared once, however many rows it stands on.
#[derive(Default)]
pub(super) struct Hints {
    /// By what is read, the column and the text: the words for the message.
    known: RefCell<HashMap<String, String>>,
}

impl Hints {
    /// Which agreed code a text was perhaps meant for, in words for a message; nothing where none is near, and where so many
    /// others were compared already. `what` tells apart the lists of codes that one column is read by.
    pub(super) fn of<'c>(&self, what: &str, column: &str, text: &str, codes: impl IntoIterator<Item = &'c str>) -> String {
        if text.chars().nth(MAX_LETTERS).is_some() {
            return String::new();
        }
        let key = [what, column, text].join("\n");
        let mut known = self.known.borrow_mut();
        if let Some(hint) = known.get(&key) {
            return hint.clone();
        }
        if known.len() >= MOST_TEXTS {
            return String::new();
        }
        let hint = nearest(text, codes).map_or_else(String::new, |code| format!("; was \"{code}\" meant?"));
        known.insert(key, hint.clone());
        hint
    }
}

/// The agreed code that a text is nearest to, where it differs by a slip of the pen; `None` where several are as near.
fn nearest<'c>(text: &str, codes: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let plain =
        |text: &str| text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).take(MAX_LETTERS + 1).collect::<Vec<char>>();
    let wanted = plain(text);
    let allowed = match wanted.len() {
        0..ONE_WRONG_OF => 0,
        ONE_WRONG_OF..TWO_WRONG_OF => 1,
        _ => 2,
    };
    let near = codes.into_iter().filter_map(|code| {
        let letters = plain(code);
        // Texts of other lengths lie at least as far apart as their lengths do.
        let comparable = letters.len().abs_diff(wanted.len()) <= allowed;
        let distance = comparable.then(|| distance(&wanted, &letters)).filter(|distance| *distance <= allowed)?;
        Some((distance, code))
    });
    let near: Vec<(usize, &str)> = near.collect();
    let least = near.iter().map(|(distance, _)| *distance).min()?;
    let mut nearest = near.into_iter().filter(|(distance, _)| *distance == least).map(|(_, code)| code);
    let first = nearest.next().filter(|_| !wanted.is_empty())?;
    nearest.all(|other| other == first).then_some(first)
}

/// How many letters must be put in, left out or changed to make one text of another.
fn distance(one: &[char], other: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.iter().enumerate() {
        let mut corner = at;
        let mut left = at + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (cell, with) in row.iter_mut().skip(1).zip(other) {
            let changed = corner + usize::from(letter != with);
            corner = *cell;
            left = changed.min(corner + 1).min(left + 1);
            *cell = left;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn an_agreed_code_is_named_where_only_a_slip_of_the_pen_lies_between() {
        let codes = ["Occupied", "Unoccupied", "VAC-DIRTY", "CLS-INF", "CLS-STF", "OCC", "Closed"];
        let rows = [
            ("Ocupied", Some("Occupied")),
            ("occuppied", Some("Occupied")),
            ("VAC DIRTY", Some("VAC-DIRTY")),
            ("VACDRTY", Some("VAC-DIRTY")),
            ("Close", Some("Closed")),
            ("CLS-XNF", Some("CLS-INF")),
            ("CLS", None),
            ("OCX", None),
            ("SMITH", None),
            ("", None),
        ];
        for (text, expected) in rows {
            assert_eq!(nearest(text, codes), expected, "{text}");
        }
        assert_eq!(nearest("CLS-IXF", ["CLS-IAF", "CLS-IBF"]), None, "two are as near");
        assert_eq!(nearest(&"x".repeat(100_000), codes), None);
    }

    #[test]
    fn each_text_is_compared_once_and_only_so_many_are() {
        let compared = Cell::new(0_usize);
        let codes = || ["Occupied", "Closed"].into_iter().inspect(|_| compared.set(compared.get() + 1));
        let hints = Hints::default();
        for _ in 0..1_000 {
            assert_eq!(hints.of("a code", "Status", "Ocupied", codes()), "; was \"Occupied\" meant?");
        }
        assert_eq!(compared.get(), 2, "one text, looked at once");
        assert_eq!(hints.of("another code", "Status", "Ocupied", ["Closed"]), "", "the same text by another list");
        for n in 0..10_000 {
            hints.of("a code", "Status", &format!("Occupied{n}"), codes());
        }
        assert!(compared.get() <= 2 * MOST_TEXTS, "{}", compared.get());
        assert_eq!(hints.of("a code", "Status", "Ocupied", codes()), "; was \"Occupied\" meant?", "what is known stays known");
        assert_eq!(Hints::default().of("a code", "Status", &"x".repeat(100_000), codes()), "");
    }
}
