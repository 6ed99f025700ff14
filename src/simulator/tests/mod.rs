//! Tests of the simulator as a whole, on the reference data that is shipped.

mod fixtures;
mod reparse;
mod shipped;
mod truth;
