//! Lines: what a row can become, and where each field's value comes from.
//!
//! Owns what a mapping says of one row. Refuses where rows are found: that is the table's.

use std::collections::BTreeMap;

/// How many lines a row makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinesPerRow {
    /// Exactly one: the first that applies. None that applies rejects the row (REF-04).
    One,
    /// Each that applies and whose quantity is above zero. A blank quantity rejects the row (ROW-01), and so does a text that no
    /// line's condition on its column covers (REF-04): beds must not vanish behind a new code.
    Each,
}

/// One line that a row can make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineMapping {
    /// All must hold, by column; none: always applies.
    pub when: BTreeMap<String, Condition>,
    /// How many; `None`: one.
    pub quantity: Option<Quantity>,
    /// Fields of this line, over the table's own.
    pub set: BTreeMap<String, FieldSource>,
    /// Fields of the table that this line leaves blank.
    pub omit: Vec<String>,
}

/// What a column must say. Texts are compared without regard to letter case; null tokens count as blank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// `"OCC"`, or `["OCC", "OCCUPIED"]`: one of these.
    OneOf(Vec<String>),
    /// `"Y*"`: starts with this.
    StartsWith(String),
    /// `"*"`: anything but blank.
    Filled,
    /// `""`: blank.
    Blank,
}

/// A count: a column, plus and minus others. Thousands separators and a trailing `.0` are read for what they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quantity {
    /// The column.
    pub column: String,
    /// Columns to add.
    pub plus: Vec<String>,
    /// Columns to take away; a result below zero rejects the row (ROW-02).
    pub minus: Vec<String>,
}

/// Counts of one row that must fit together, such as a home's patients and vacancies and its capacity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sum {
    /// The whole, with its parts to take away: what is left must not be below nought.
    pub rest: Quantity,
    /// Whether nothing may be left either.
    pub exact: bool,
}

/// Where a field's value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldSource {
    /// The same on every line. An empty text leaves the field blank.
    Value(String),
    /// Several columns with a text between, blanks left out: `{ join = ["BAY", "BED"], with = "-" }`.
    Joined {
        /// The columns.
        columns: Vec<String>,
        /// The text between.
        with: String,
    },
    /// A column, read in one of several ways.
    Column {
        /// The column.
        column: String,
        /// How its text is read.
        reading: Reading,
    },
}

/// How a column's text is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// As it stands.
    Text,
    /// With zeros put back in front: `7` becomes `07`. Applied to digits only.
    PadZeros(usize),
    /// By a list of codes; letter case ignored.
    Codes {
        /// From the provider's texts to the dataset's codes.
        codes: BTreeMap<String, String>,
        /// What to do with a text that is not listed. Blank is blank unless the list has `""`; on a line about a person a
        /// blank gender or age is not known (REF-05).
        otherwise: Otherwise,
    },
    /// As an instant, by `strptime` formats tried in order; local times by the mapping's zone.
    Instant {
        /// The formats.
        formats: Vec<String>,
    },
    /// `age in years`: the age band of a whole number.
    AgeInYears,
    /// `birth date`: the age band on the snapshot's day, by `strptime` formats.
    BirthDate {
        /// The formats.
        formats: Vec<String>,
    },
    /// `age range`: texts such as `25 to 29` or `25-29`, only where they are one of the dataset's bands.
    AgeRange,
}

/// What a text outside a code list becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Otherwise {
    /// Rejects the row (REF-04). The default.
    Reject,
    /// Becomes this code (empty: blank). For gender and age band the default is not known, counted by REF-05.
    Code(String),
}

/// Dataset fields a mapping can fill, in the order of the specification.
pub const FIELDS: &[&str] = &[
    "site_code",
    "line_type",
    "quantity",
    "ward_code",
    "bay_code",
    "bed_ref",
    "bed_status",
    "empty_state",
    "closed_reason",
    "bed_base",
    "bed_sex",
    "side_room",
    "care_level",
    "treatment_function",
    "gender",
    "age_band",
    "ready",
    "edd_band",
    "los_band",
    "demand_source",
    "demand_for",
    "in_bed_now",
    "wait_from",
    "demand_ref",
    "source_updated_at",
];
