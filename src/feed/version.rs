//! Versions: which of a slot's snapshots counts, and what comes after which running number.
//!
//! Owns the one decision that pages, rules, ledger and warehouse share. It looks at all versions of a slot together, never
//! at two at a time: so the order in which they came, were judged or were loaded makes no difference.

use super::DeliveryId;
use jiff::Timestamp;

/// The last running number; 1 follows it. Source: the Commissioning Data Sets' interchange control reference.
pub const LAST_NUMBER: u32 = 9_999_999;

/// So near to the last number, and to the first, a smaller number is the next round and not an old file: at four an hour
/// that is a hundred days.
const ROUND: u32 = 10_000;

/// One version of a slot: what decides whether it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// The delivery that leads it.
    pub lead: DeliveryId,
    /// The first version that this delivery became. Of two equal ones the later counts, so an old file that is read again
    /// stays behind a newer one. Not the time of arrival: clocks are put back.
    pub first: u32,
    /// Its number within the slot: a delivery that is read again gets another one.
    pub version: u32,
    /// The sender's running number; none is behind any.
    pub sequence: Option<u32>,
    /// When its figures were true. Whole seconds count, for the warehouse keeps no more.
    pub snapshot_at: Timestamp,
}

/// The version of a slot that counts: the highest running number, then the latest figures, then the delivery that was
/// accepted last, then its highest version. `None` only where there are none.
#[must_use]
pub fn current(versions: &[Version]) -> Option<&Version> {
    // Where a slot has numbers from both sides of the last one, the low ones are those of the next round.
    let wraps = versions.iter().filter_map(|version| version.sequence).any(ends_a_round);
    let lifted = |number: u32| u64::from(number) + if wraps && begins_a_round(number) { u64::from(LAST_NUMBER) } else { 0 };
    let rank = |version: &&Version| (version.sequence.map(lifted), version.snapshot_at.as_second(), version.first, version.version);
    versions.iter().max_by_key(rank)
}

/// How many steps a running number lies after another one, going round at the end; `None` where it does not lie after it.
#[must_use]
pub fn steps(from: u32, to: u32) -> Option<u32> {
    match to.checked_sub(from) {
        Some(0) => None,
        Some(steps) => Some(steps),
        None if ends_a_round(from) && begins_a_round(to) => Some(LAST_NUMBER - from + to),
        None => None,
    }
}

fn ends_a_round(number: u32) -> bool {
    LAST_NUMBER - ROUND < number && number <= LAST_NUMBER
}

fn begins_a_round(number: u32) -> bool {
    number <= ROUND
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;

    #[test]
    fn trn_06_numbers_go_round_at_the_end_and_nowhere_else() {
        let last = LAST_NUMBER;
        let rows = [
            (1, 2, Some(1)),
            (1, 1, None),
            (2, 1, None),
            (last, 1, Some(1)),
            (last - 1, 1, Some(2)),
            (last - 2, 3, Some(5)),
            (last, ROUND, Some(ROUND)),
            (last, ROUND + 1, None),
            (last - ROUND, 1, None),
            (5_000_000, 1, None),
            (u32::MAX, 1, None),
        ];
        for (from, to, expected) in rows {
            assert_eq!(steps(from, to), expected, "{from} {to}");
        }
    }

    /// Running number, seconds after the slot's start, first version and version of each; the place of the one that counts.
    type Row = (&'static str, &'static [(Option<u32>, i64, u32, u32)], usize);

    #[test]
    fn p4_the_version_that_counts_is_the_same_in_whatever_order_they_come() {
        let rows: [Row; 11] = [
            ("the only one", &[(None, 0, 1, 1)], 0),
            ("the later arrival of equal ones", &[(None, 0, 1, 1), (None, 0, 2, 2)], 1),
            ("an old file that was read again", &[(None, 0, 1, 1), (None, 0, 2, 2), (None, 0, 1, 3)], 1),
            ("the newest file that was read again", &[(None, 0, 1, 1), (None, 0, 2, 2), (None, 0, 2, 3)], 2),
            ("later figures", &[(None, 60, 1, 1), (None, 0, 2, 2)], 0),
            ("a higher number before later figures", &[(Some(8), 0, 1, 1), (Some(7), 60, 2, 2)], 0),
            ("any number before none", &[(Some(1), 0, 1, 1), (None, 60, 2, 2)], 0),
            ("the first number after the last", &[(Some(9_999_999), 60, 1, 1), (Some(1), 0, 2, 2)], 1),
            ("one of the next round and one between", &[(Some(9_999_998), 0, 1, 1), (Some(3), 0, 2, 2), (Some(9_999_999), 0, 3, 3)], 1),
            // Two at a time, each of these is ahead of the next one, and the last of the first.
            ("numbers in a circle", &[(Some(5_000), 0, 1, 1), (Some(9_995_000), 0, 2, 2), (Some(5_000_000), 0, 3, 3)], 0),
            ("far apart numbers", &[(Some(5_000_000), 0, 1, 1), (Some(20_000), 0, 2, 2)], 0),
        ];
        let start: Timestamp = "2018-12-03T10:15:00Z".parse().unwrap();
        for (what, versions, expected) in rows {
            let version = |(sequence, seconds, first, version): &(Option<u32>, i64, u32, u32)| Version {
                lead: DeliveryId::new(start, [u8::try_from(*first).unwrap(); 10]),
                first: *first,
                version: *version,
                sequence: *sequence,
                snapshot_at: start + SignedDuration::from_secs(*seconds),
            };
            let mut versions: Vec<Version> = versions.iter().map(version).collect();
            let counts = versions[expected];
            for _ in 0..versions.len() {
                versions.rotate_left(1);
                assert_eq!(current(&versions), Some(&counts), "{what}");
                let reversed: Vec<Version> = versions.iter().rev().copied().collect();
                assert_eq!(current(&reversed), Some(&counts), "{what}");
            }
        }
        assert_eq!(current(&[]), None);
    }
}
