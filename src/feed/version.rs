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
    /// Its place among equal ones, of which the later counts: the first version that this delivery became, or an earlier one
    /// where newer files were accepted before it ([`place`]). So an old file that is read again stays behind a newer
    /// one. Not the time of arrival: clocks are put back.
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

/// The place of a version with this running number and snapshot time whose slot has versions that came after it, whenever they
/// were accepted: before all of those that nothing else sets apart from it. `None`: nothing that it could stand before.
#[must_use]
pub fn place(sequence: Option<u32>, snapshot_at: Timestamp, newer: &[Version]) -> Option<u32> {
    let equal = |it: &&Version| (it.sequence, it.snapshot_at.as_second()) == (sequence, snapshot_at.as_second());
    newer.iter().filter(equal).map(|it| it.first.saturating_sub(1)).min()
}

/// How many numbers `to` lies after `from`, below nought where it lies before. The count goes round only near its ends: a
/// system that starts again at 1 sends old numbers.
#[must_use]
pub fn steps(from: u32, to: u32) -> i64 {
    let straight = i64::from(to) - i64::from(from);
    if ends_a_round(from) && begins_a_round(to) {
        straight + i64::from(LAST_NUMBER)
    } else if begins_a_round(from) && ends_a_round(to) {
        straight - i64::from(LAST_NUMBER)
    } else {
        straight
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
        let (last, round) = (i64::from(LAST_NUMBER), i64::from(ROUND));
        let rows = [
            (1, 2, 1),
            (1, 1, 0),
            (2, 1, -1),
            (LAST_NUMBER, 1, 1),
            (1, LAST_NUMBER, -1),
            (LAST_NUMBER - 1, 1, 2),
            (LAST_NUMBER - 2, 3, 5),
            (9_999_990, 5, 14),
            (LAST_NUMBER, ROUND, round),
            (LAST_NUMBER, ROUND + 1, round + 1 - last),
            (LAST_NUMBER - ROUND, 1, 1 + round - last),
            (1, LAST_NUMBER - ROUND, last - round - 1),
            (5_000_000, 1, -4_999_999),
            (u32::MAX, 1, 1 - i64::from(u32::MAX)),
            (LAST_NUMBER, 0, 0),
        ];
        for (from, to, expected) in rows {
            assert_eq!(steps(from, to), expected, "{from} {to}");
        }
    }

    #[test]
    fn p4_a_file_that_is_accepted_after_a_newer_one_stands_before_it() {
        let at: Timestamp = "2018-12-03T10:15:00Z".parse().unwrap();
        let version = |first: u32, sequence, seconds| Version {
            lead: DeliveryId::new(at, [1; 10]),
            first,
            version: first + 1,
            sequence,
            snapshot_at: at + SignedDuration::from_secs(seconds),
        };
        let rows: [(&[Version], Option<u32>); 6] = [
            (&[], None),
            (&[version(1, None, 0)], Some(0)),
            (&[version(3, None, 0), version(2, None, 0)], Some(1)),
            (&[version(0, None, 0)], Some(0)),
            // What else sets them apart decides, and the place makes no difference.
            (&[version(1, Some(7), 0)], None),
            (&[version(1, None, 60), version(3, None, 0)], Some(2)),
        ];
        for (newer, expected) in rows {
            assert_eq!(place(None, at, newer), expected, "{newer:?}");
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
