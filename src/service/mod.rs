//! Service: clock, tasks, start and stop, control socket, wiring.
//!
//! Owns the order in which things start (settings, state folder, ledger, warehouse, recovery, then the first open port)
//! and stop (no new uploads, open ones finish, then the rest). Refuses business rules.

mod account;
pub mod agreement;
pub mod backup;
#[doc(hidden)]
pub mod by_hand;
mod changes;
mod clock;
pub mod control;
mod doubt;
mod gate;
mod house;
mod jumps;
mod keeping;
mod publish;
mod refusals;
mod start;
mod stop;
mod witness;

pub use clock::SystemClock;
pub(crate) use start::health_feeds;
pub use start::{Running, StartError, start};
pub use stop::{EndError, run_until_signalled};
