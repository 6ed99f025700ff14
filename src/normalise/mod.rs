//! Normalise: a provider's rows become lines of the generic dataset.
//!
//! Owns the mapping (what it can say, and what it does), times, values and the reference data. Refuses I/O, raw bytes,
//! and silent repair: what a mapping does not say is a finding, never a guess.

pub mod mapping;
pub mod names;
pub mod reference;
pub mod table;
pub mod times;
pub mod values;
