//! The queue before the warehouse: what is loaded next, and when the warehouse is asked again. Pure.
//!
//! Owns the order: the newest figures of every feed before history, the oldest slot first, what is read again last. And
//! the door: after a failure nothing is tried for a while, then one snapshot; the first that is taken lets all others in.
//! Refuses to remember for good: the queue is read from the ledger, and the door begins open at every start.

use super::step::{LONGEST_RETRY, retry_at, waits};
use crate::feed::{DeliveryId, ProviderCode, Slot};
use crate::ledger::QueuedSnapshot;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Load the snapshot at this place of the queue.
    Load(usize),
    /// Nothing before this instant, unless there is news.
    WaitUntil(Timestamp),
    /// Nothing is waiting.
    Nothing,
}

/// Sorts what waits. `newest_loaded` is the newest slot of each feed that the warehouse has.
///
/// A feed's newest waiting snapshot goes first where nothing newer of that feed is loaded: people look at those figures.
/// Everything else is history, whose order nobody sees: oldest first. What is read again yields to all of it.
pub(super) fn in_order(queue: &mut [QueuedSnapshot], newest_loaded: &BTreeMap<ProviderCode, Slot>) {
    let mut heads: BTreeMap<ProviderCode, (Slot, DeliveryId)> = BTreeMap::new();
    for waiting in queue.iter().filter(|waiting| !waiting.replay) {
        let place = (waiting.snapshot.slot, waiting.snapshot.lead);
        heads.entry(waiting.provider.clone()).and_modify(|head| *head = place.max(*head)).or_insert(place);
    }
    heads.retain(|provider, (slot, _)| newest_loaded.get(provider).is_none_or(|loaded| loaded <= slot));
    queue.sort_by_cached_key(|waiting| {
        let snapshot = waiting.snapshot;
        let is_head = !waiting.replay && heads.get(&waiting.provider) == Some(&(snapshot.slot, snapshot.lead));
        (waiting.replay, !is_head, snapshot.slot, snapshot.lead, snapshot.version)
    });
}

/// What is known of the warehouse since the start.
#[derive(Clone, Debug)]
pub(super) struct Door {
    /// Failures since it last took something.
    failures: u32,
    /// Nothing is tried before this.
    shut_until: Timestamp,
    /// When it last took something; the start counts as that, so that a restart tries at once.
    answered_at: Timestamp,
    /// Snapshots that fail by themselves, while others are taken: each waits alone.
    held: BTreeMap<DeliveryId, Timestamp>,
}

impl Door {
    /// A door that is open.
    #[must_use]
    pub(super) fn new(now: Timestamp) -> Self {
        Self { failures: 0, shut_until: now, answered_at: now, held: BTreeMap::new() }
    }

    /// Decides what is loaded next from a queue that is in order.
    #[must_use]
    pub(super) fn next(&self, queue: &[QueuedSnapshot], now: Timestamp) -> Next {
        let asked = queue.iter().enumerate().filter(|(_, waiting)| self.may_be_tried(waiting, now));
        let chosen = if self.failures == 0 {
            asked.map(|(at, _)| at).next()
        } else if waits(self.shut_until, now) {
            return if queue.is_empty() { Next::Nothing } else { Next::WaitUntil(self.shut_until) };
        } else {
            // One that never failed tells best whether it is the warehouse.
            asked.min_by_key(|(at, waiting)| (waiting.attempts, *at)).map(|(at, _)| at)
        };
        let earliest = || queue.iter().map(|waiting| self.held_until(waiting)).min();
        chosen.map(Next::Load).or_else(|| earliest().map(Next::WaitUntil)).unwrap_or(Next::Nothing)
    }

    /// The warehouse took a snapshot, or had it: all that wait for their next try are let in.
    pub(super) fn took(&mut self, lead: DeliveryId, now: Timestamp) {
        (self.failures, self.answered_at) = (0, now);
        self.held.remove(&lead);
    }

    /// The warehouse did not take a snapshot; gives how often it has failed now, and when it is tried again.
    pub(super) fn failed(&mut self, waiting: &QueuedSnapshot, now: Timestamp) -> (u32, Timestamp) {
        let attempts = waiting.attempts.saturating_add(1);
        // It failed before, something else was taken since, and it fails again: it is not the warehouse.
        let by_itself = waiting.attempts > 0 && self.failures == 0 && waiting.moved_at < self.answered_at;
        self.failures = self.failures.saturating_add(1);
        self.shut_until = retry_at(waiting.snapshot.lead, self.failures, now);
        if !by_itself {
            return (attempts, self.shut_until);
        }
        let next = retry_at(waiting.snapshot.lead, attempts, now);
        self.held.insert(waiting.snapshot.lead, next);
        (attempts, next)
    }

    /// A snapshot could not even be brought to the warehouse: its original cannot be read, for example. The others go on.
    pub(super) fn hold(&mut self, lead: DeliveryId, now: Timestamp) {
        self.held.insert(lead, now.saturating_add(LONGEST_RETRY).unwrap_or(now));
    }

    fn may_be_tried(&self, waiting: &QueuedSnapshot, now: Timestamp) -> bool {
        !waits(self.held_until(waiting), now)
    }

    /// Before when a snapshot is not tried, apart from the door: what failed before the warehouse last took something
    /// waits no longer.
    fn held_until(&self, waiting: &QueuedSnapshot) -> Timestamp {
        match self.held.get(&waiting.snapshot.lead) {
            Some(until) => *until,
            None if self.failures > 0 || waiting.attempts == 0 || waiting.moved_at <= self.answered_at => Timestamp::MIN,
            None => waiting.retry_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::SnapshotRef;

    fn at(clock: &str) -> Timestamp {
        format!("2018-12-03T{clock}Z").parse().unwrap()
    }

    /// `RM1 10:15` is a snapshot; one with a star is read again. The number at the end tells two of one slot apart.
    fn waiting(text: &str) -> QueuedSnapshot {
        let words: Vec<&str> = text.trim_end_matches('*').split(' ').collect();
        let slot = Slot::containing(at(&format!("{}:00", words[1])));
        let number: u8 = words.get(2).map_or(1, |number| number.parse().unwrap());
        let lead = DeliveryId::new(slot.start(), [number; 10]);
        let snapshot = SnapshotRef { lead, slot, version: u32::from(number) };
        let (provider, moved_at) = (words[0].parse().unwrap(), at("12:00:00"));
        QueuedSnapshot { provider, snapshot, replay: text.ends_with('*'), attempts: 0, retry_at: moved_at, moved_at }
    }

    fn shown(waiting: &QueuedSnapshot) -> String {
        let (slot, number) = (waiting.snapshot.slot.start().strftime("%H:%M"), waiting.snapshot.version);
        let number = if number == 1 { String::new() } else { format!(" {number}") };
        format!("{} {slot}{number}{}", waiting.provider, if waiting.replay { "*" } else { "" })
    }

    /// What it is about, what waits, what is loaded, and the order.
    type Row = (&'static str, &'static [&'static str], &'static [&'static str], &'static [&'static str]);

    #[test]
    fn the_newest_of_each_feed_goes_before_history_and_history_is_oldest_first() {
        let rows: [Row; 8] = [
            ("one feed", &["RM1 10:00", "RM1 10:30", "RM1 10:15"], &[], &["RM1 10:30", "RM1 10:00", "RM1 10:15"]),
            (
                "the feed whose newest is oldest first",
                &["RM1 10:00", "RGP 09:45", "RM1 10:30", "RGP 10:15"],
                &[],
                &["RGP 10:15", "RM1 10:30", "RGP 09:45", "RM1 10:00"],
            ),
            ("once the newest is loaded", &["RM1 10:00", "RM1 10:15"], &["RM1 10:30"], &["RM1 10:00", "RM1 10:15"]),
            ("a correction of the newest", &["RM1 10:00", "RM1 10:30 2"], &["RM1 10:30"], &["RM1 10:30 2", "RM1 10:00"]),
            ("two of the newest slot", &["RM1 10:30", "RM1 10:30 2", "RM1 10:00"], &[], &["RM1 10:30 2", "RM1 10:00", "RM1 10:30"]),
            ("late files only", &["RM1 09:00", "RM1 08:45", "RGP 10:00"], &["RM1 10:30"], &["RGP 10:00", "RM1 08:45", "RM1 09:00"]),
            (
                "what is read again comes last",
                &["RM1 08:00*", "RM1 10:45*", "RM1 10:30"],
                &["RM1 10:15"],
                &["RM1 10:30", "RM1 08:00*", "RM1 10:45*"],
            ),
            ("nothing", &[], &["RM1 10:15"], &[]),
        ];
        for (what, queue, loaded, expected) in rows {
            let newest = loaded.iter().map(|text| waiting(text)).map(|it| (it.provider, it.snapshot.slot)).collect();
            let mut queue: Vec<QueuedSnapshot> = queue.iter().map(|text| waiting(text)).collect();
            for _ in 0..queue.len().max(1) {
                in_order(&mut queue, &newest);
                assert_eq!(queue.iter().map(shown).collect::<Vec<_>>(), expected, "{what}");
                queue.reverse();
            }
        }
    }

    /// Plays failures and successes; `next` says what is tried then.
    struct Play {
        door: Door,
        queue: Vec<QueuedSnapshot>,
    }

    impl Play {
        fn of(queue: &[&str]) -> Self {
            Self { door: Door::new(at("12:00:00")), queue: queue.iter().map(|text| waiting(text)).collect() }
        }

        fn next(&self, clock: &str) -> String {
            match self.door.next(&self.queue, at(clock)) {
                Next::Load(place) => shown(&self.queue[place]),
                Next::WaitUntil(instant) => format!("in {} s", instant.duration_since(at(clock)).as_secs()),
                Next::Nothing => "nothing".to_owned(),
            }
        }

        fn failed(&mut self, place: usize, clock: &str) {
            let (attempts, retry_at) = self.door.failed(&self.queue[place], at(clock));
            let moved_at = at(clock);
            self.queue[place] = QueuedSnapshot { attempts, retry_at, moved_at, ..self.queue[place].clone() };
        }

        fn took(&mut self, place: usize, clock: &str) {
            let waiting = self.queue.remove(place);
            self.door.took(waiting.snapshot.lead, at(clock));
        }
    }

    #[test]
    fn after_a_failure_one_is_tried_for_all_and_one_success_wakes_all() {
        let mut play = Play::of(&["RM1 10:00", "RM1 10:15", "RM1 10:30"]);
        assert_eq!(play.next("12:00:00"), "RM1 10:00");
        play.failed(0, "12:00:05");
        assert_eq!(play.next("12:00:05"), "in 1 s", "nothing is tried while the door is shut");
        assert_eq!(play.next("12:00:07"), "RM1 10:15", "another one: perhaps it was the first one's own fault");
        play.failed(1, "12:00:12");
        assert_eq!(play.next("12:00:15"), "RM1 10:30");
        play.failed(2, "12:00:20");
        assert_eq!(play.next("12:00:26"), "RM1 10:00", "all have failed once: in order again");
        for minute in 1..50 {
            play.failed(0, &format!("12:{minute:02}:30"));
        }
        let wait: i64 = play.next("12:49:30").trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap();
        assert!((60..=75).contains(&wait), "however long it lasts: {wait} s");
        play.took(0, "12:50:50");
        assert_eq!(play.next("12:50:50"), "RM1 10:15", "whatever it was to wait for");
        play.took(0, "12:50:51");
        assert_eq!(play.next("12:50:51"), "RM1 10:30");
        play.took(0, "12:50:52");
        assert_eq!(play.next("12:50:52"), "nothing");
    }

    #[test]
    fn one_that_fails_while_others_are_taken_waits_alone() {
        let mut play = Play::of(&["RM1 10:00", "RM1 10:15", "RM1 10:30", "RM1 10:45"]);
        play.failed(0, "12:00:05");
        play.took(1, "12:00:07");
        assert_eq!(play.next("12:00:07"), "RM1 10:00", "one success wakes it");
        play.failed(0, "12:00:08");
        assert_eq!(play.next("12:00:10"), "RM1 10:30");
        play.took(1, "12:00:11");
        assert_eq!(play.next("12:00:11"), "RM1 10:00", "its own two seconds are over");
        play.failed(0, "12:00:12");
        play.took(1, "12:00:13");
        assert!(play.next("12:00:13").starts_with("in "), "nothing else is left");
        assert_eq!(play.next("12:00:18"), "RM1 10:00");
        play.door.hold(play.queue[0].snapshot.lead, at("12:00:18"));
        assert_eq!(play.next("12:00:18"), "in 60 s", "an original that cannot be read");
    }

    #[test]
    fn a_restart_and_a_clock_that_is_put_back_try_at_once() {
        let mut play = Play::of(&["RM1 10:00"]);
        play.failed(0, "12:00:05");
        play.failed(0, "12:30:00");
        play.door = Door::new(at("12:30:01"));
        assert_eq!(play.next("12:30:01"), "RM1 10:00");
        play.failed(0, "12:30:06");
        assert_eq!(play.next("11:30:07"), "RM1 10:00", "an hour back: no wait is that long");
    }
}
