//! Jumps: whether the time of day and the time that passed agree. Pure.
//!
//! A machine whose clock is set by an hour sets good files aside, or takes punctual feeds for late; while it is behind, not
//! even that is told, for nothing seems to come after the last good file. So the jump itself is told.

use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// The smallest jump that is one: what a clock is slewed by between two looks is far below.
const LEAST: SignedDuration = SignedDuration::from_mins(1);
/// How long a jump is told of after the last one: a clock that jumps to and fro is one stretch of trouble.
const TOLD_FOR: Duration = Duration::from_secs(3600);

/// What two clocks showed at the last look.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Jumps {
    last: Option<(Duration, Timestamp)>,
    /// The newest jump, and when it was seen by the clock that does not jump.
    newest: Option<(SignedDuration, Duration)>,
}

impl Jumps {
    /// Compares the time that has `passed` since the start with the time of day; gives the newest jump while it is told of.
    pub(super) fn look(&mut self, passed: Duration, now: Timestamp) -> Option<SignedDuration> {
        if let Some((then_passed, then)) = self.last.replace((passed, now)) {
            let really = SignedDuration::try_from(passed.saturating_sub(then_passed)).unwrap_or(SignedDuration::MAX);
            let jump = now.duration_since(then).saturating_sub(really);
            if jump.abs() >= LEAST {
                self.newest = Some((jump, passed));
            }
        }
        self.newest.filter(|(_, seen)| passed.saturating_sub(*seen) < TOLD_FOR).map(|(jump, _)| jump)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_is_told_of_for_an_hour_and_a_slewed_clock_never() {
        let mut jumps = Jumps::default();
        // Seconds that passed, the time of day, and the jump that is told of in seconds.
        let rows = [
            (0, 1_000_000, None),
            (5, 1_000_005, None),
            (10, 1_000_069, None),
            (15, 1_003_674, Some(3600)),
            (20, 1_003_679, Some(3600)),
            (25, 1_000_084, Some(-3600)),
            (3624, 1_003_683, Some(-3600)),
            (3625, 1_003_684, None),
            (7000, 1_007_059, None),
        ];
        for (passed, now, jump) in rows {
            let told = jumps.look(Duration::from_secs(passed), Timestamp::from_second(now).unwrap());
            assert_eq!(told.map(|jump| jump.as_secs()), jump, "{passed} {now}");
        }
    }
}
