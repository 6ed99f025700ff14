//! Names of columns that nobody agreed: which of them may be repeated.
//!
//! Owns what makes a name one. Refuses to repeat what may be a value: where a line end was lost, the first row's values stand
//! behind the names, and a surname looks like any of them.

use super::lists::{BARE, CLASSES, COUNTS, DAYS_OF_STAYS, DAYS_OF_THINGS, THINGS};
use super::{is_a_way, is_one_of, names_a_number, names_a_person, speaks_of, words};
use crate::normalise::quoting::like_a_date;

/// Most digits of a column's name that is repeated: more may be a date or a number of somebody.
const MOST_DIGITS: usize = 3;

/// Other words that say what a column holds, so that its name may be repeated.
const KINDS: &[&str] = &[
    "age",
    "year",
    "births",
    "spell",
    "consultant",
    "diagnosis",
    "allergies",
    "ratio",
    "stock",
    "date",
    "time",
    "flag",
    "indicator",
    "info",
    "detail",
    "reference",
    "target",
    "plan",
    "forecast",
    "capacity",
    "max",
    "min",
    "percent",
    "occupancy",
    "occ",
    "base",
    "bank",
    "closed",
    "empty",
    "free",
    "vacant",
    "dirty",
    "clean",
    "isolation",
    "infection",
    "outlier",
    "colour",
    "color",
    "priority",
    "speciality",
    "level",
    "score",
    "risk",
    "diet",
    "ethnicity",
    "religion",
    "title",
    "ext",
    "bleep",
    "name",
    "desc",
    "description",
    "label",
    "text",
    "spare",
    "blank",
    "extra",
    "other",
    "filler",
    "column",
    "field",
];

/// Whether a column name that nobody agreed may be repeated: its words say what the column holds, and no date or long number
/// stands among them.
#[must_use]
pub fn may_be_shown(name: &str) -> bool {
    let words = words(name);
    let all: Vec<&str> = words.iter().map(String::as_str).collect();
    let digits = name.chars().filter(|c| c.is_numeric()).count();
    let tells = || {
        names_a_person(name)
            || names_a_number(name)
            || [THINGS, DAYS_OF_THINGS, DAYS_OF_STAYS, COUNTS, CLASSES, KINDS].iter().any(|list| speaks_of(list, &all))
            || all.iter().any(|word| is_one_of(BARE, word) || is_a_way(word))
    };
    digits <= MOST_DIGITS && !like_a_date(name) && tells()
}
