//! Bed state: the generic dataset, version 1, that every extract is turned into.
//!
//! Owns the line and its codes, sites and wards, the snapshot, its totals, and the published schema. Refuses I/O, providers' own
//! layouts, and any field that could identify a person.

mod code;
mod codes;
mod line;
mod places;
mod schema;
mod small;
mod snapshot;
mod treatment_functions;
mod written;

pub use crate::feed::Coverage;
pub use code::Code;
pub use codes::{
    AgeBand, BedBase, BedSex, BedStatus, ClosedReason, DemandSource, EddBand, EmptyState, Gender, LineType, LosBand, Ready, UnknownCode,
    WaitBand,
};
pub use line::{DATASET, Line};
pub use places::{Site, Ward};
pub use schema::{MAX_CODE_CHARS, MAX_GROUP_CHARS, MAX_QUANTITY, table_schema};
pub use small::{Moment, ShortCode};
pub use snapshot::{Snapshot, add_to_totals, totals};
pub use treatment_functions::is_treatment_function;
pub use written::{csv_text, written_fields};
