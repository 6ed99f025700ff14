//! Normalise: a provider's rows become lines of the generic dataset.
//!
//! Owns the mapping (what it can say, and what it does), times, values and the reference data. Refuses I/O, raw bytes,
//! and silent repair: what a mapping does not say is a finding, never a guess.
//!
//! A row's way: `tidy` puts its cells right, `rows` takes it, `plan` says which lines it can make, `columns` has its texts, `sources`
//! and `counts` read them, `draft` fills the line, `places` finds the ward, `tally` counts what is said once for many rows.

mod columns;
mod counts;
mod draft;
mod hints;
mod joining;
mod outcome;
mod places;
mod plan;
mod sources;
mod tally;
mod tidy;
#[cfg(test)]
mod layouts;
#[cfg(test)]
mod testing;

pub mod mapping;
pub mod names;
pub mod quoting;
pub mod reference;
pub mod requests;
pub mod references;
pub mod rows;
pub mod split;
pub mod table;
pub mod texts;
pub mod times;
pub mod uses;
pub mod values;
pub mod words;
