//! Small values of a line: codes of at most three characters, and times, in as few bytes as can be.
//!
//! Owns how they lie in memory. A million lines are walked through again and again, and what most of them costs is bringing them
//! from memory: a line of half the size costs half. Refuses to know what a code means.

use jiff::Timestamp;
use std::fmt;
use std::num::NonZeroI64;

/// Bytes of the longest code.
const LONGEST: usize = 3;

/// A code of a national list of at most three letters or digits, such as a treatment function. The bytes behind it are 0.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ShortCode([u8; LONGEST]);

impl ShortCode {
    /// Keeps a text; `None` where it is longer than three characters, or not of letters, digits and other signs of ASCII.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let fits = text.len() <= LONGEST && text.bytes().all(|byte| byte.is_ascii_graphic());
        let mut bytes = [0; LONGEST];
        bytes.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from);
        fits.then_some(Self(bytes))
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// The bytes of its text.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        let length = self.0.iter().position(|byte| *byte == 0).unwrap_or(LONGEST);
        self.0.get(..length).unwrap_or_default()
    }
}

impl fmt::Debug for ShortCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl serde::Serialize for ShortCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// A point in time, to the microsecond, in eight bytes; so is none.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Moment(NonZeroI64);

impl Moment {
    /// The time; what is below a microsecond is left out.
    #[must_use]
    pub fn at(self) -> Timestamp {
        let microseconds = self.0.get() >> 1;
        let nanoseconds = i32::try_from(microseconds.rem_euclid(1_000_000) * 1000).unwrap_or_default();
        // Every moment was made of a time, so it can be made one again.
        Timestamp::new(microseconds.div_euclid(1_000_000), nanoseconds).unwrap_or_default()
    }
}

/// Microseconds twice over and one, which is never 0. All times that can be told are a tenth of what there is room for.
impl From<Timestamp> for Moment {
    fn from(at: Timestamp) -> Self {
        Self(NonZeroI64::new((at.as_microsecond() << 1) | 1).unwrap_or(NonZeroI64::MIN))
    }
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.at(), f)
    }
}

impl serde::Serialize for Moment {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.at().serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bedstate::Line;

    #[test]
    fn a_short_code_is_its_text() {
        for (text, fits) in [("", true), ("1", true), ("02", true), ("300", true), ("3000", false), ("3 0", false), ("é", false)] {
            let code = ShortCode::new(text);
            assert_eq!(code.as_ref().map(ShortCode::as_str), fits.then_some(text), "{text}");
        }
        assert_eq!(serde_json::to_value(ShortCode::new("300")).unwrap(), "300");
        assert_ne!(ShortCode::new("30"), ShortCode::new("300"));
    }

    #[test]
    fn a_moment_is_its_time() {
        for text in ["2018-12-03T10:15:00Z", "1970-01-01T00:00:00Z", "1969-12-31T23:59:59.999999Z", "0001-01-01T00:00:00Z"] {
            let at: Timestamp = text.parse().unwrap();
            assert_eq!(Moment::from(at).at(), at);
            assert_eq!(serde_json::to_value(Moment::from(at)).unwrap(), serde_json::to_value(at).unwrap());
        }
        for at in [Timestamp::MIN, Timestamp::MAX] {
            assert_eq!(Moment::from(at).at().as_microsecond(), at.as_microsecond());
        }
    }

    #[test]
    fn a_line_is_no_larger_than_it_was_made() {
        assert_eq!((size_of::<Option<Moment>>(), size_of::<Option<ShortCode>>()), (8, 4));
        assert!(size_of::<Line>() <= 128, "{}", size_of::<Line>());
    }
}
