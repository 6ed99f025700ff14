//! What comes next for a delivery. Pure.

use crate::feed::{DeliveryId, Stage};
use jiff::{SignedDuration, Timestamp};

/// The longest wait between two tries of the warehouse: one snapshot is tried for all that wait, so this costs little, and a
/// warehouse that is back is found while the slot lasts.
pub(super) const LONGEST_RETRY: SignedDuration = SignedDuration::from_mins(1);

/// The next thing to do for one delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Judge it, with the other parts of its set.
    Assess,
    /// Nothing before this instant.
    WaitUntil(Timestamp),
    /// It waits in the queue before the warehouse, or it has ended.
    Nothing,
}

/// Decides what comes next for a delivery, as seen at `now`.
#[must_use]
pub fn next_step(stage: &Stage, now: Timestamp) -> Step {
    match stage {
        Stage::Landed => Step::Assess,
        Stage::Waiting { until, .. } if now < *until => Step::WaitUntil(*until),
        Stage::Waiting { .. } => Step::Assess,
        Stage::Ready { .. }
        | Stage::Loaded { .. }
        | Stage::Quarantined { .. }
        | Stage::HandedBack { .. }
        | Stage::Duplicate { .. }
        | Stage::Tested { .. } => Step::Nothing,
    }
}

/// Whether a retry that was planned for `at` is still ahead. One further ahead than any wait is long was planned before the
/// clock was put back: waiting for it would mean an hour of standing still.
pub(super) fn waits(at: Timestamp, now: Timestamp) -> bool {
    now < at && at.duration_since(now) <= LONGEST_RETRY.saturating_mul(5) / 4
}

/// When a load that has failed `attempts` times is tried again: 1 s, 2 s, 4 s... up to a minute, moved by up to a quarter
/// by the delivery's own id, so that several daemons before one warehouse do not all come back in one second.
#[must_use]
pub fn retry_at(delivery: DeliveryId, attempts: u32, now: Timestamp) -> Timestamp {
    let base = SignedDuration::from_secs(1_i64 << attempts.saturating_sub(1).min(16)).min(LONGEST_RETRY);
    let spread = delivery.short().bytes().fold(0_i64, |sum, byte| (sum * 31 + i64::from(byte)) % 1000);
    let wait = base.as_millis().saturating_mul(4000 + i128::from(spread)) / 4000;
    let wait = SignedDuration::from_millis(i64::try_from(wait).unwrap_or(i64::MAX));
    now.saturating_add(wait).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::{Slot, SnapshotRef};

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn each_stage_has_one_next_step() {
        let id = DeliveryId::new(at("2018-12-03T10:16:00Z"), [1; 10]);
        let other = DeliveryId::new(at("2018-12-03T10:17:00Z"), [2; 10]);
        let later = at("2018-12-03T10:30:00Z");
        let snapshot = |lead| SnapshotRef { lead, slot: Slot::containing(later), version: 1 };
        let waiting = || Stage::Waiting { set: "a".into(), part: "beds".into(), until: later };
        let ready = |lead| Stage::Ready { snapshot: snapshot(lead), attempts: 1, retry_at: later };
        let rows = [
            (Stage::Landed, "2018-12-03T10:20:00Z", Step::Assess),
            (waiting(), "2018-12-03T10:20:00Z", Step::WaitUntil(later)),
            (waiting(), "2018-12-03T10:30:00Z", Step::Assess),
            (ready(id), "2018-12-03T10:30:00Z", Step::Nothing),
            (ready(other), "2018-12-03T10:30:00Z", Step::Nothing),
            (Stage::Loaded { snapshot: snapshot(id) }, "2018-12-03T10:30:00Z", Step::Nothing),
            (Stage::Quarantined { sealed: false, discarded: false }, "2018-12-03T10:30:00Z", Step::Nothing),
            (Stage::Duplicate { of: other }, "2018-12-03T10:30:00Z", Step::Nothing),
            (Stage::Tested { accepted: true }, "2018-12-03T10:30:00Z", Step::Nothing),
        ];
        for (stage, now, expected) in rows {
            assert_eq!(next_step(&stage, at(now)), expected, "{stage:?} at {now}");
        }
    }

    #[test]
    fn retries_slow_down_to_about_a_minute() {
        let now = at("2018-12-03T10:16:00Z");
        let id = DeliveryId::new(now, [1; 10]);
        let waits: Vec<i64> = [1, 2, 3, 20, u32::MAX].map(|attempts| retry_at(id, attempts, now).duration_since(now).as_secs()).to_vec();
        let bounds = [(1, 2), (2, 3), (4, 5), (60, 75), (60, 75)];
        for (wait, (least, most)) in waits.iter().zip(bounds) {
            assert!((least..=most).contains(wait), "{waits:?}");
        }
    }
}
