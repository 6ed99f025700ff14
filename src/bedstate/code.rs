//! Codes as kept on a line: short texts without an allocation of their own.
//!
//! Owns how a code lies in memory. Refuses to know what a code means: the lists are in `codes`.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

/// Bytes that are kept in place: room for the twelve characters of a code, and for what makes the whole as large as two words.
const IN_PLACE: usize = 14;

/// A code of a site, ward, bay or bed, or of a list that is not the dataset's own. Nearly always at most twelve letters and
/// digits, which are kept in place; a longer one is shared, so that neither kind allocates when it is copied.
#[derive(Clone, PartialEq, Eq)]
pub struct Code(Kept);

/// A text that fits is always in place, so that equal texts are kept equally.
#[derive(Clone, PartialEq, Eq)]
enum Kept {
    InPlace { length: u8, bytes: [u8; IN_PLACE] },
    Shared(Arc<String>),
}

impl Code {
    /// Keeps a text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut bytes = [0; IN_PLACE];
        match (bytes.get_mut(..text.len()), u8::try_from(text.len())) {
            (Some(place), Ok(length)) => {
                place.copy_from_slice(text.as_bytes());
                Self(Kept::InPlace { length, bytes })
            }
            _ => Self(Kept::Shared(Arc::new(text.to_owned()))),
        }
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // What is in place came from a text whole, so it is one again; asking is cheap for so few bytes.
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// The bytes of its text.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Kept::InPlace { length, bytes } => bytes.get(..usize::from(*length)).unwrap_or_default(),
            Kept::Shared(text) => text.as_bytes(),
        }
    }
}

/// Two words where the text is in place. As equal texts are kept equally, they hash equally.
impl Hash for Code {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match &self.0 {
            Kept::InPlace { length, bytes: [a, b, c, d, e, f, g, h, i, j, k, l, m, n] } => {
                state.write_u64(u64::from_le_bytes([*a, *b, *c, *d, *e, *f, *g, *h]));
                state.write_u64(u64::from_le_bytes([*i, *j, *k, *l, *m, *n, 0, *length]));
            }
            Kept::Shared(text) => text.hash(state),
        }
    }
}

impl Default for Code {
    fn default() -> Self {
        Self::new("")
    }
}

impl Deref for Code {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Code {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl From<&str> for Code {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Code {
    fn from(text: String) -> Self {
        Self::new(&text)
    }
}

impl PartialEq<str> for Code {
    fn eq(&self, other: &str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl PartialEq<&str> for Code {
    fn eq(&self, other: &&str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl PartialEq<String> for Code {
    fn eq(&self, other: &String) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl PartialOrd for Code {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Code {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl serde::Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_its_text_whatever_its_length() {
        for text in ["", "W21", "RM102", "ABCDEFGHIJKLMN", "ABCDEFGHIJKLMNO", "ÀÀÀÀÀÀÀ", "ÀÀÀÀÀÀÀÀ", "1-1000000001 and more"]
        {
            let code = Code::new(text);
            assert_eq!(code, text);
            assert_eq!((code.as_str(), code.to_string(), code.len()), (text, text.to_owned(), text.len()));
            assert_eq!(code, Code::from(text.to_owned()));
            assert_eq!(serde_json::to_value(&code).unwrap(), text);
        }
        assert_ne!(Code::new("A"), Code::new("A\0"));
        let mut codes = ["W2", "W10", "ABCDEFGHIJKLMNOP", "W1"].map(Code::new);
        codes.sort();
        assert_eq!(codes.map(|code| code.to_string()), ["ABCDEFGHIJKLMNOP", "W1", "W10", "W2"]);
    }

    #[test]
    fn a_code_is_as_large_as_two_words_and_so_is_none() {
        assert_eq!((size_of::<Code>(), size_of::<Option<Code>>()), (16, 16));
    }
}
