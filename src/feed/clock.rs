//! The shape of a clock. The only one that reads the machine's time is made in `service/clock.rs`.

use jiff::Timestamp;

/// Tells the time to code at the edges; pure code takes `now` as an argument instead.
pub trait Clock: Send + Sync {
    /// This instant, by the wall clock.
    fn now(&self) -> Timestamp;
}
