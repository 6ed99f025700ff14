//! Tests of the simulator as a whole, on the reference data that is shipped.

mod damaged;
mod fixtures;
mod reparse;
mod shipped;
mod truth;
