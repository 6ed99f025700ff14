//! Who sends: organisations by ODS code or by a registered local code.

use std::fmt;
use std::str::FromStr;

/// An organisation's code: three to six capital letters or digits.
///
/// Source: NHS Data Dictionary, ORGANISATION CODE (an3 for trusts, an5 and an6 for others; codes made since October 2020
/// are random and do not show a hierarchy, so nothing is ever derived from a prefix).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProviderCode(String);

/// Why a text is not a provider code.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a provider code is 3 to 6 capital letters or digits")]
pub struct InvalidProviderCode;

impl ProviderCode {
    /// The code as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ProviderCode {
    type Err = InvalidProviderCode;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit();
        if (3..=6).contains(&text.len()) && text.chars().all(plain) { Ok(Self(text.to_owned())) } else { Err(InvalidProviderCode) }
    }
}

impl fmt::Display for ProviderCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl serde::Serialize for ProviderCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for ProviderCode {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <String as serde::Deserialize>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// What sort of service a provider runs; it decides defaults such as how soon an unchanged feed is frozen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProviderKind {
    /// An acute hospital trust.
    Acute,
    /// A mental health trust.
    MentalHealth,
    /// A community provider.
    Community,
    /// A council's care homes.
    CareHomes,
}

impl ProviderKind {
    /// Every kind, in the order pages show them.
    pub const ALL: [Self; 4] = [Self::Acute, Self::MentalHealth, Self::Community, Self::CareHomes];

    /// The word used in settings and tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Acute => "acute",
            Self::MentalHealth => "mental_health",
            Self::Community => "community",
            Self::CareHomes => "care_homes",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_three_to_six_capitals_or_digits() {
        let rows = [("RM1", true), ("R0A1B2", true), ("rm1", false), ("RM", false), ("RM1RM1X", false), ("R-1", false), ("", false)];
        for (text, valid) in rows {
            assert_eq!(text.parse::<ProviderCode>().is_ok(), valid, "{text}");
        }
    }
}
