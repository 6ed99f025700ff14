//! The outbox's rules: when the next attempt is made. Pure.
//!
//! Owns back-off. Refuses the rows themselves (the ledger keeps them), clocks and randomness: the jitter
//! comes from the message's key, so that a restart makes the same plan.

use crate::feed::Digest;
use jiff::{SignedDuration, Timestamp};

/// Wait after the first failed attempt.
const FIRST_WAIT: SignedDuration = SignedDuration::from_secs(10);

/// Longest wait between two attempts: an alert that is later than a slot has lost its use, so a receiver that is back is
/// found within one.
pub const MAX_WAIT: SignedDuration = SignedDuration::from_mins(15);

/// When to try again after `attempts` failed ones (1 after the first), as seen at `now`.
///
/// The wait doubles from 10 s up to [`MAX_WAIT`]; a fifth of it at most is taken off by the key, so that messages that failed
/// together are not sent together again.
#[must_use]
pub fn next_attempt(attempts: u32, key: &str, now: Timestamp) -> Timestamp {
    let doubled = 2_i32.saturating_pow(attempts.saturating_sub(1));
    let wait = FIRST_WAIT.saturating_mul(doubled).min(MAX_WAIT);
    let [jitter, ..] = Digest::of(format!("{key}#{attempts}").as_bytes()).0;
    let off = SignedDuration::from_millis_i128(wait.as_millis() / 5 * i128::from(jitter) / i128::from(u8::MAX));
    now.saturating_add(wait.saturating_sub(off)).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_quarter_of_an_hour_less_a_fifth_at_most() {
        let now: Timestamp = "2018-12-03T10:15:00Z".parse().unwrap();
        let rows = [(0, 10), (1, 10), (2, 20), (3, 40), (6, 320), (7, 640), (8, 900), (40, 900), (u32::MAX, 900)];
        for (attempts, seconds) in rows {
            for key in ["RM1/late/2018-12-03T10:15Z/begin", "RGP/late/2018-12-03T10:15Z/begin", ""] {
                let wait = next_attempt(attempts, key, now).duration_since(now).as_millis();
                assert!((seconds * 800..=seconds * 1000).contains(&wait), "{attempts} {key}: {wait} ms");
            }
        }
    }

    #[test]
    fn the_plan_is_the_same_after_a_restart_and_differs_by_key() {
        let now: Timestamp = "2018-12-03T10:15:00Z".parse().unwrap();
        assert_eq!(next_attempt(5, "a", now), next_attempt(5, "a", now));
        assert_ne!(next_attempt(5, "a", now), next_attempt(5, "b", now));
    }
}
