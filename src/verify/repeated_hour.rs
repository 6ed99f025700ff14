//! The repeated hour: which of its two readings a local time without an offset has (TIM-06).
//!
//! Owns the choice, from the time of receipt and from what was accepted before. Refuses clocks and mappings. A wrong choice
//! would put figures into a slot that another file belongs to, so the surest evidence comes first: a reading after receipt
//! is impossible; running numbers; a slot that is filled already; the order in which the files come.

use super::{History, PastSnapshot};
use crate::feed::{Digest, LAST_NUMBER, RepeatedBy, SLOT_LENGTH, Slot, UkClock};
use crate::normalise::times::is_past;
use jiff::{SignedDuration, Timestamp};

/// Snapshots this many slots away, or this many running numbers, say nothing about the order within one night.
const NEAR: i64 = 96;

/// Where a set of files stands among those of its feed.
#[derive(Clone, Copy, Debug)]
pub struct Standing<'a> {
    /// When its last file arrived.
    pub received_at: Timestamp,
    /// What was accepted before.
    pub history: &'a History,
    /// Its running number.
    pub sequence: Option<u32>,
    /// Hash of its content.
    pub content: Digest,
    /// How much earlier than its quarter a job of this feed may run.
    pub early: SignedDuration,
    /// How long after a slot's start its file is due.
    pub due_after: SignedDuration,
    /// Whether its rows were found not to fit summer time.
    pub rows_rule_out_bst: bool,
}

/// Chooses between the two readings of one time, `first` by British Summer Time and `second` an hour later.
#[must_use]
pub fn choose(first: Timestamp, second: Timestamp, standing: &Standing<'_>) -> (UkClock, RepeatedBy) {
    let night = Night { first: Reading::of(first, standing), second: Reading::of(second, standing), standing };
    if !is_past(second, standing.received_at) {
        return (UkClock::Bst, RepeatedBy::Receipt);
    }
    if standing.rows_rule_out_bst {
        return (UkClock::Gmt, RepeatedBy::Rows);
    }
    if let Some(chosen) = night.by_sequence() {
        return (chosen, RepeatedBy::Sequence);
    }
    match (night.first.is_filled(), night.second.is_filled()) {
        (true, true) => night.by_content().unwrap_or((UkClock::Gmt, RepeatedBy::Receipt)),
        // A quiet provider's two files may be equal to the byte: the same bytes are a repetition only where they are neither
        // on time nor next in order.
        (true, false) if night.on_time() || night.newest() == Some(night.second.slot.previous()) => (UkClock::Gmt, RepeatedBy::FreeSlot),
        (true, false) => night.by_content().unwrap_or((UkClock::Gmt, RepeatedBy::FreeSlot)),
        (false, true) => night.by_content().unwrap_or((UkClock::Bst, RepeatedBy::FreeSlot)),
        (false, false) => night.by_order(),
    }
}

/// One of the two readings.
struct Reading<'a> {
    slot: Slot,
    /// What was accepted for its slot.
    past: Vec<&'a PastSnapshot>,
}

impl<'a> Standing<'a> {
    /// What had been accepted when it arrived: what came since must not change what is chosen.
    fn past(&self) -> impl Iterator<Item = &'a PastSnapshot> {
        self.history.until(self.received_at)
    }
}

impl<'a> Reading<'a> {
    fn of(at: Timestamp, standing: &Standing<'a>) -> Self {
        let slot = Slot::meant_at(at, standing.early);
        Self { slot, past: standing.past().filter(|past| past.slot == slot).collect() }
    }

    fn is_filled(&self) -> bool {
        !self.past.is_empty()
    }
}

struct Night<'a> {
    first: Reading<'a>,
    second: Reading<'a>,
    standing: &'a Standing<'a>,
}

impl Night<'_> {
    /// By running numbers: a higher one is later, a lower one earlier, the same one the same slot. Where both readings fit,
    /// the one that is as many slots away as the numbers differ.
    fn by_sequence(&self) -> Option<UkClock> {
        let number = self.standing.sequence?;
        let (mut first_fits, mut second_fits) = (true, true);
        let mut nearest: Option<(i64, Slot)> = None;
        for past in self.standing.past() {
            let Some(ahead) = past.sequence.map(|past| steps(past, number)) else { continue };
            if ahead.abs() > NEAR || past.slot.slots_after(self.first.slot).abs() > NEAR {
                continue;
            }
            let fits = |slot: Slot| slot.cmp(&past.slot) == ahead.cmp(&0);
            first_fits &= fits(self.first.slot);
            second_fits &= fits(self.second.slot);
            if nearest.is_none_or(|(nearest, _)| ahead.abs() < nearest.abs()) {
                nearest = Some((ahead, past.slot));
            }
        }
        let (ahead, slot) = nearest?;
        match (first_fits, second_fits) {
            (true, false) => Some(UkClock::Bst),
            (false, true) => Some(UkClock::Gmt),
            (false, false) => None,
            (true, true) => {
                let expected = slot.plus(i32::try_from(ahead).unwrap_or(0));
                match expected {
                    slot if slot == self.first.slot => Some(UkClock::Bst),
                    slot if slot == self.second.slot => Some(UkClock::Gmt),
                    _ => None,
                }
            }
        }
    }

    /// The reading under which the same content was accepted.
    fn by_content(&self) -> Option<(UkClock, RepeatedBy)> {
        let holds = |reading: &Reading<'_>| reading.past.iter().any(|past| past.content == self.standing.content);
        let chosen = match (holds(&self.first), holds(&self.second)) {
            (_, true) => UkClock::Gmt,
            (true, false) => UkClock::Bst,
            (false, false) => return None,
        };
        Some((chosen, RepeatedBy::Content))
    }

    /// By the order of the files, where both slots are free.
    fn by_order(&self) -> (UkClock, RepeatedBy) {
        if self.backlog_reaches_first() {
            return (UkClock::Bst, RepeatedBy::Order);
        }
        if self.on_time() {
            return (UkClock::Gmt, RepeatedBy::Receipt);
        }
        match self.newest() {
            // Nothing is known but that both are past: the nearest.
            None => (UkClock::Gmt, RepeatedBy::Receipt),
            Some(newest) if newest < self.first.slot => (UkClock::Bst, RepeatedBy::Order),
            Some(newest) if newest < self.second.slot => (UkClock::Gmt, RepeatedBy::Order),
            Some(_) => (UkClock::Bst, RepeatedBy::FreeSlot),
        }
    }

    fn newest(&self) -> Option<Slot> {
        self.standing.past().map(|past| past.slot).max()
    }

    /// Whether the file arrives when that of the second reading should.
    fn on_time(&self) -> bool {
        self.standing.received_at.duration_since(self.second.slot.start()) < self.late()
    }

    fn late(&self) -> SignedDuration {
        self.standing.due_after.saturating_add(SLOT_LENGTH)
    }

    /// Whether the slot before the first reading was filled a moment ago by a file that was late: a backlog is being sent.
    fn backlog_reaches_first(&self) -> bool {
        let before = self.first.slot.previous();
        self.standing.past().filter(|past| past.slot == before).any(|past| {
            let arrived = past.received_at;
            let just_now = self.standing.received_at.duration_since(arrived) < SLOT_LENGTH;
            just_now && arrived.duration_since(before.start()) > self.late()
        })
    }
}

/// How many numbers `to` lies ahead of `from`, by the shorter way round.
fn steps(from: u32, to: u32) -> i64 {
    let ahead = (i64::from(to) - i64::from(from)).rem_euclid(i64::from(LAST_NUMBER));
    if ahead > i64::from(LAST_NUMBER) / 2 { ahead - i64::from(LAST_NUMBER) } else { ahead }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::{DeliveryId, Totals};

    fn at(clock: &str) -> Timestamp {
        format!("2018-10-28T{clock}Z").parse().unwrap()
    }

    /// A snapshot of the past: slot, when it arrived, its number, its content.
    type Past = (&'static str, &'static str, u32, &'static str);

    /// What is chosen, and for what: why, received, number, content, what was accepted, the choice.
    type Row = (&'static str, &'static str, u32, &'static str, &'static [Past], &'static str);

    fn past(&(slot, arrived, sequence, content): &Past) -> PastSnapshot {
        PastSnapshot {
            lead: DeliveryId::new(at(arrived), [1; 10]),
            files: Vec::new(),
            received_at: at(arrived),
            slot: Slot::containing(at(slot)),
            first: 1,
            version: 1,
            snapshot_at: at(slot),
            sequence: (sequence > 0).then_some(sequence),
            content: Digest::of(content.as_bytes()),
            coverage: None,
            totals: Totals::default(),
            fingerprint: None,
        }
    }

    /// What is chosen for a file that says 01:30, received at some time, with a number and a content.
    fn chosen(received: &str, sequence: u32, content: &str, accepted: &[Past]) -> String {
        let history = History { accepted: accepted.iter().map(past).collect(), same_hour: Vec::new() };
        let standing = Standing {
            received_at: at(received),
            history: &history,
            sequence: (sequence > 0).then_some(sequence),
            content: Digest::of(content.as_bytes()),
            early: SignedDuration::from_secs(120),
            due_after: SignedDuration::from_mins(5),
            rows_rule_out_bst: false,
        };
        let (clock, by) = choose(at("00:30:00"), at("01:30:00"), &standing);
        format!("{} by {by:?}", clock.as_str())
    }

    #[test]
    fn the_surest_evidence_decides() {
        const BEFORE: Past = ("00:15:00", "00:18:00", 0, "before");
        let rows: [Row; 22] = [
            // The second reading would be in the future, but for five minutes.
            ("on time", "00:33:00", 0, "x", &[BEFORE], "BST by Receipt"),
            ("the last moment", "01:24:59", 0, "x", &[], "BST by Receipt"),
            ("a clock that is ahead", "01:25:00", 0, "x", &[("00:30:00", "00:33:00", 0, "y")], "GMT by FreeSlot"),
            // On time an hour later.
            ("the other file", "01:33:00", 0, "x", &[("00:30:00", "00:33:00", 0, "y")], "GMT by FreeSlot"),
            ("the other file, equal", "01:33:00", 0, "x", &[("00:30:00", "00:33:00", 0, "x")], "GMT by FreeSlot"),
            ("silent for an hour", "01:33:00", 0, "x", &[BEFORE], "GMT by Receipt"),
            // A backlog: the next free slot.
            ("in order", "03:00:00", 0, "x", &[BEFORE], "BST by Order"),
            (
                "in order, again",
                "03:00:00",
                0,
                "x",
                &[("01:15:00", "03:00:00", 0, "b"), ("00:30:00", "03:00:00", 0, "y")],
                "GMT by FreeSlot",
            ),
            (
                "equal and next",
                "03:00:00",
                0,
                "x",
                &[("01:15:00", "03:00:00", 0, "b"), ("00:30:00", "03:00:00", 0, "x")],
                "GMT by FreeSlot",
            ),
            ("sent twice", "03:00:00", 0, "x", &[BEFORE, ("00:30:00", "03:00:00", 0, "x")], "BST by Content"),
            ("at 01:33", "01:33:00", 0, "x", &[("00:15:00", "01:32:00", 0, "b")], "BST by Order"),
            ("a gap, then later ones", "03:00:00", 0, "x", &[("00:45:00", "03:00:00", 0, "b")], "GMT by Order"),
            ("two gaps", "03:00:00", 0, "x", &[("02:45:00", "02:48:00", 0, "b")], "BST by FreeSlot"),
            ("the first is missing", "03:00:00", 0, "x", &[("01:30:00", "01:33:00", 0, "y")], "BST by FreeSlot"),
            ("nothing known", "05:00:00", 0, "x", &[], "GMT by Receipt"),
            ("both filled", "05:00:00", 0, "x", &[("00:30:00", "00:33:00", 0, "x"), ("01:30:00", "01:33:00", 0, "y")], "BST by Content"),
            ("a correction", "05:00:00", 0, "z", &[("00:30:00", "00:33:00", 0, "x"), ("01:30:00", "01:33:00", 0, "y")], "GMT by Receipt"),
            // Running numbers.
            ("counting slots", "03:00:00", 14, "x", &[("00:00:00", "00:03:00", 10, "b")], "BST by Order"),
            ("two slots on", "03:00:00", 12, "x", &[("00:00:00", "00:03:00", 10, "b")], "BST by Sequence"),
            ("a later one is there", "03:00:00", 7, "x", &[("01:00:00", "03:00:00", 9, "b")], "BST by Sequence"),
            ("over the wrap", "03:00:00", 3, "x", &[("00:45:00", "03:00:00", 9_999_999, "b")], "GMT by Sequence"),
            ("a resend", "03:00:00", 5, "z", &[("00:30:00", "00:33:00", 5, "x"), BEFORE], "BST by Sequence"),
        ];
        for (what, received, sequence, content, accepted, expected) in rows {
            assert_eq!(chosen(received, sequence, content, accepted), expected, "{what}");
        }
    }

    #[test]
    fn what_arrived_since_changes_nothing() {
        const BEFORE: [Past; 2] = [("01:00:00", "03:00:01", 0, "a"), ("01:15:00", "03:00:02", 0, "b")];
        let since: [&[Past]; 5] = [
            &[],
            &[("01:45:00", "03:00:03", 0, "c"), ("02:00:00", "03:00:04", 0, "d")],
            &[("00:30:00", "03:00:03", 0, "c")],
            &[("00:15:00", "03:00:03", 0, "late")],
            &[("00:45:00", "03:00:03", 3, "numbered")],
        ];
        for since in since {
            let accepted = [&BEFORE, since].concat();
            assert_eq!(chosen("03:00:02", 2, "x", &accepted), "GMT by Order", "{since:?}");
        }
    }

    #[test]
    fn numbers_go_round_by_the_shorter_way() {
        let rows = [(1, 2, 1), (2, 1, -1), (9_999_999, 1, 1), (1, 9_999_999, -1), (5, 5, 0), (9_999_990, 5, 14)];
        for (from, to, expected) in rows {
            assert_eq!(steps(from, to), expected, "{from} to {to}");
        }
    }
}
