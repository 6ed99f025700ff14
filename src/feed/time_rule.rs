//! Time rules: how the moment of a snapshot was found in what its files say.

use std::fmt;

/// How a snapshot's instant was found; kept with every file (domain 6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeRule {
    /// The text says its offset: `Z`, `+01:00`, ` BST`, ` GMT`.
    Offset,
    /// Local time, without doubt.
    Local,
    /// A system that never changes its clocks.
    FixedGmt,
    /// Local time in the hour that comes twice in October (TIM-06).
    RepeatedHour {
        /// The clock it was read by.
        chosen: UkClock,
        /// What decided.
        by: RepeatedBy,
    },
    /// Local time in the hour that is missing in March, read as one hour later because the mapping says so.
    ShiftedForward,
}

/// The two clocks of the United Kingdom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UkClock {
    /// British Summer Time: the first of the two.
    Bst,
    /// Greenwich Mean Time: the second.
    Gmt,
}

impl UkClock {
    /// The clock's name as people write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bst => "BST",
            Self::Gmt => "GMT",
        }
    }
}

/// What decided between the two readings of a time in the repeated hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RepeatedBy {
    /// The control file or the file's name says the offset: no doubt was left.
    Offset,
    /// The reading nearest to what must come later, and not after it: the receipt, or the snapshot for the times in its rows.
    Receipt,
    /// The sender's running number, beside those of files accepted before.
    Sequence,
    /// Only one of the two slots was free, or the earlier of two gaps.
    FreeSlot,
    /// The order in which the files come.
    Order,
    /// The same content was accepted under that reading.
    Content,
    /// Under the other reading, rows would tell of times that had not come.
    Rows,
}

impl RepeatedBy {
    /// In words that fit after "resolved by".
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Offset => "the offset in the control file or the file name",
            Self::Receipt => "the time of receipt",
            Self::Sequence => "the running number",
            Self::FreeSlot => "the slot that was free",
            Self::Order => "the order of the files",
            Self::Rows => "the times in its rows",
            Self::Content => "the same content, accepted before",
        }
    }
}

impl fmt::Display for TimeRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Offset => f.pad("offset"),
            Self::Local => f.pad("local time"),
            Self::FixedGmt => f.pad("fixed GMT"),
            Self::RepeatedHour { chosen, by } => write!(f, "repeated hour, {} by {}", chosen.as_str(), by.as_str()),
            Self::ShiftedForward => f.pad("missing hour, shifted forward"),
        }
    }
}
