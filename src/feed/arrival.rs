//! Arrivals: when a delivery of a feed came and what became of it. What lateness is judged by.

use super::Slot;
use jiff::Timestamp;

/// One arrival.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The slot it fills; `None` where that could not be read from it.
    pub slot: Option<Slot>,
    /// When its figures were true, where that could be read.
    pub snapshot_at: Option<Timestamp>,
    /// When it came.
    pub received_at: Timestamp,
    /// Whether its content was accepted (loaded, or ready to be).
    pub accepted: bool,
    /// Whether a later version of the same slot has replaced it.
    pub superseded: bool,
}
