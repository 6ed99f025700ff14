//! Texts: the different texts of one column, each kept once and numbered in the order of first appearance.
//!
//! Owns their place in memory and finding one again. A bed-state file says the same few hundred things over and over: what is
//! worked out for a text once need not be worked out for each cell. Refuses to know what a text means.

use std::hash::{BuildHasher, Hasher, RandomState};

/// The different texts of one column.
#[derive(Clone, Debug, Default)]
pub struct Texts {
    /// All of them, one after the other.
    joined: String,
    /// Where each ends.
    ends: Vec<usize>,
    index: Index,
}

/// Finds a text's number by its hash: open addressing, at most half full.
#[derive(Clone, Debug, Default)]
struct Index {
    /// Numbers, one more than they are; 0 is free.
    slots: Vec<u32>,
    /// Drawn anew for each table, so that nobody can make a file whose texts all hash alike.
    key: u64,
}

impl Texts {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The text of a number; blank where there is no such number.
    #[must_use]
    pub fn get(&self, number: u32) -> &str {
        let Ok(at) = usize::try_from(number) else { return "" };
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        self.ends.get(at).and_then(|end| self.joined.get(start..*end)).unwrap_or("")
    }

    /// Whether the text of a number is this one.
    #[must_use]
    pub fn is(&self, number: u32, text: &str) -> bool {
        let Ok(at) = usize::try_from(number) else { return false };
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let own = self.ends.get(at).and_then(|end| self.joined.as_bytes().get(start..*end));
        own.is_some_and(|own| are_equal(own, text.as_bytes()))
    }

    /// All of them, by number.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let mut start = 0;
        self.ends.iter().map(move |end| {
            let text = self.joined.get(start..*end).unwrap_or("");
            start = *end;
            text
        })
    }

    /// The number of a text, which is kept if it is new.
    pub fn number(&mut self, text: &str) -> u32 {
        if self.index.slots.len() < self.ends.len().saturating_add(1).saturating_mul(2) {
            self.grow();
        }
        let mut at = self.index.place(text);
        while let Some(number) = self.index.taken(at) {
            if self.is(number, text) {
                return number;
            }
            at = self.index.next(at);
        }
        // A table has fewer rows than 2 to the power of 32: they would not fit into memory.
        let number = u32::try_from(self.ends.len()).unwrap_or(u32::MAX);
        self.joined.push_str(text);
        self.ends.push(self.joined.len());
        self.index.take(at, number);
        number
    }

    /// Gives back the memory that only finding texts again needs.
    pub fn close(&mut self) {
        self.index = Index::default();
        self.joined.shrink_to_fit();
        self.ends.shrink_to_fit();
    }

    fn grow(&mut self) {
        let size = self.ends.len().saturating_add(8).saturating_mul(4).next_power_of_two();
        let key = if self.index.slots.is_empty() { RandomState::new().hash_one(0_u8) } else { self.index.key };
        let mut index = Index { slots: vec![0; size], key };
        for (text, number) in self.iter().zip(0..) {
            let mut at = index.place(text);
            while index.taken(at).is_some() {
                at = index.next(at);
            }
            index.take(at, number);
        }
        self.index = index;
    }
}

impl Index {
    fn place(&self, text: &str) -> usize {
        let mask = u64::try_from(self.slots.len()).unwrap_or(u64::MAX).saturating_sub(1);
        usize::try_from(hash(text.as_bytes(), self.key) & mask).unwrap_or(0)
    }

    fn next(&self, at: usize) -> usize {
        (at + 1) & self.slots.len().saturating_sub(1)
    }

    fn taken(&self, at: usize) -> Option<u32> {
        self.slots.get(at)?.checked_sub(1)
    }

    fn take(&mut self, at: usize, number: u32) {
        if let Some(slot) = self.slots.get_mut(at) {
            *slot = number.saturating_add(1);
        }
    }
}

/// Whether bytes are equal. Up to sixteen are compared as two numbers that may overlap: calling the library's comparison costs more
/// than comparing so few.
fn are_equal(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    match one.len() {
        0..4 => one.iter().zip(other).all(|(one, other)| one == other),
        4..8 => one.first_chunk::<4>() == other.first_chunk() && one.last_chunk::<4>() == other.last_chunk(),
        8..=16 => one.first_chunk::<8>() == other.first_chunk() && one.last_chunk::<8>() == other.last_chunk(),
        _ => one == other,
    }
}

/// Makes hashes of short keys, with a number that is drawn for each maker: for groups whose order does not depend on it.
#[derive(Clone, Debug)]
pub struct Keyed(u64);

impl Keyed {
    /// Draws the number.
    #[must_use]
    pub fn new() -> Self {
        Self(RandomState::new().hash_one(0_u8))
    }
}

impl Default for Keyed {
    fn default() -> Self {
        Self::new()
    }
}

impl BuildHasher for Keyed {
    type Hasher = KeyedHasher;

    fn build_hasher(&self) -> KeyedHasher {
        KeyedHasher { state: self.0, key: self.0.rotate_left(32) }
    }
}

/// What a key comes to so far.
#[derive(Clone, Debug)]
pub struct KeyedHasher {
    state: u64,
    key: u64,
}

impl Hasher for KeyedHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.state = hash(bytes, self.state ^ self.key);
    }

    fn write_u8(&mut self, value: u8) {
        self.write_u64(u64::from(value));
    }

    fn write_u32(&mut self, value: u32) {
        self.write_u64(u64::from(value));
    }

    fn write_u64(&mut self, value: u64) {
        self.state = mixed(self.state ^ value, ODD ^ self.key);
    }

    fn write_usize(&mut self, value: usize) {
        self.write_u64(u64::try_from(value).unwrap_or(u64::MAX));
    }

    fn write_isize(&mut self, value: isize) {
        self.write_usize(value.cast_unsigned());
    }

    fn finish(&self) -> u64 {
        mixed(self.state, ODD)
    }
}

const ODD: u64 = 0x9e37_79b9_7f4a_7c15;

/// A hash for short texts: eight bytes at a time are multiplied, and the product's halves put together. The standard library's
/// costs three times as much for a text of five letters, and this is asked for every cell.
fn hash(bytes: &[u8], key: u64) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut last = [0; 8];
    last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let state = words.iter().fold(key ^ length, |state, word| mixed(state ^ u64::from_le_bytes(*word), ODD ^ key.rotate_left(32)));
    mixed(state ^ u64::from_le_bytes(last), ODD ^ key)
}

fn mixed(one: u64, other: u64) -> u64 {
    let product = u128::from(one) * u128::from(other);
    let low = u64::try_from(product & u128::from(u64::MAX)).unwrap_or_default();
    let high = u64::try_from(product >> 64).unwrap_or_default();
    low ^ high
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_text_is_kept_once_and_found_again() {
        let mut texts = Texts::default();
        let words = ["OCC", "", "VAC", "OCC", "Ward 21 – General", "VAC-DIRTY", "", "VAC-DIRTX", "12345678", "123456789"];
        let numbers: Vec<u32> = words.iter().map(|word| texts.number(word)).collect();
        assert_eq!(numbers, [0, 1, 2, 0, 3, 4, 1, 5, 6, 7]);
        texts.close();
        assert_eq!(
            texts.iter().collect::<Vec<_>>(),
            ["OCC", "", "VAC", "Ward 21 – General", "VAC-DIRTY", "VAC-DIRTX", "12345678", "123456789"]
        );
        assert_eq!((texts.number("VAC"), texts.number("new"), texts.get(8), texts.get(9)), (2, 8, "new", ""));
    }

    #[test]
    fn bytes_are_equal_where_all_of_them_are() {
        let text = b"abcdefghijklmnopqrst";
        for length in 0..=text.len() {
            let one = &text[..length];
            let same = one.to_vec();
            assert!(are_equal(one, &same) && !are_equal(one, b"abcdefghijklmnopqrstu"));
            for at in 0..length {
                let mut other = one.to_vec();
                other[at] = b'X';
                assert!(!are_equal(one, &other), "{length} {at}");
            }
        }
    }

    #[test]
    fn a_hundred_thousand_different_texts_keep_their_numbers() {
        let mut texts = Texts::default();
        for n in 0..100_000_u32 {
            assert_eq!(texts.number(&format!("B{n}")), n);
        }
        for n in (0..100_000_u32).rev() {
            assert_eq!(texts.number(&format!("B{n}")), n);
        }
    }
}
