//! The only place that reads the machine's clock.

use crate::feed::Clock;
use jiff::Timestamp;

/// The machine's wall clock, cut to whole microseconds: what the ledger and the warehouse hold.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is where time comes in; everywhere else it is an argument")]
    fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
    }
}
