//! Again: when an episode that goes on is told of once more, to the same people or to others. Pure.
//!
//! Owns the schedule that slows down. Nothing is counted: which reminder is due follows from the episode's beginning and the time, and
//! whether it was sent from its key; so a restart repeats none, and an hour in which nobody could be told is not made up for by a heap.

use jiff::{SignedDuration, Timestamp};

/// When an episode that goes on is told again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cadence {
    /// How long after its beginning, each time; ascending. Default 1 hour and 4 hours.
    pub reminders: Vec<SignedDuration>,
    /// How long between two after that. Default a day; `None`: no more.
    pub then_every: Option<SignedDuration>,
    /// How long after its beginning others are told, where somebody has to act and nobody has acknowledged it. Default 1 hour.
    pub escalate_after: SignedDuration,
}

impl Default for Cadence {
    fn default() -> Self {
        let hours = SignedDuration::from_hours;
        Self { reminders: vec![hours(1), hours(4)], then_every: Some(hours(24)), escalate_after: hours(1) }
    }
}

impl Cadence {
    /// The number, from 1, of the newest reminder that is due of an episode that began at `opened_at`; `None` before the first.
    #[must_use]
    pub fn reminder(&self, opened_at: Timestamp, now: Timestamp) -> Option<u32> {
        let lasted = now.duration_since(opened_at);
        let listed = self.reminders.iter().filter(|after| **after <= lasted).count();
        let last = self.reminders.last().copied().unwrap_or(SignedDuration::ZERO);
        let beyond = match self.then_every {
            Some(every) if every > SignedDuration::ZERO && listed == self.reminders.len() => {
                lasted.saturating_sub(last).as_secs() / every.as_secs().max(1)
            }
            _ => 0,
        };
        let number = u32::try_from(beyond).unwrap_or(u32::MAX).saturating_add(u32::try_from(listed).unwrap_or(u32::MAX));
        (number > 0).then_some(number)
    }

    /// Whether others are to be told of an episode that began at `opened_at`.
    #[must_use]
    pub fn escalates(&self, opened_at: Timestamp, now: Timestamp) -> bool {
        self.escalate_after <= now.duration_since(opened_at)
    }

    /// The next instant after `now` at which one of these becomes so.
    #[must_use]
    pub fn next(&self, opened_at: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let lasted = now.duration_since(opened_at);
        let last = self.reminders.last().copied().unwrap_or(SignedDuration::ZERO);
        let daily = self.then_every.filter(|every| *every >= SignedDuration::from_secs(1)).and_then(|every| {
            let past = lasted.saturating_sub(last).as_secs().max(0) / every.as_secs();
            last.checked_add(every.checked_mul(i32::try_from(past.saturating_add(1)).ok()?)?)
        });
        let listed = self.reminders.iter().copied().chain([self.escalate_after]).chain(daily);
        listed.filter(|after| lasted < *after).min().and_then(|after| opened_at.saturating_add(after).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reminders_slow_down_and_are_never_made_up_for() {
        let opened: Timestamp = "2018-12-03T10:05:00Z".parse().unwrap();
        let usual = Cadence::default();
        let rare = Cadence { reminders: vec![SignedDuration::from_hours(2)], then_every: None, ..Cadence::default() };
        let none = Cadence { reminders: Vec::new(), then_every: None, ..Cadence::default() };
        let daily = Cadence { reminders: Vec::new(), ..Cadence::default() };
        // After minutes: the number of the newest reminder that is due, by each cadence.
        let rows = [
            (-1, [0, 0, 0, 0]),
            (0, [0, 0, 0, 0]),
            (59, [0, 0, 0, 0]),
            (60, [1, 0, 0, 0]),
            (239, [1, 1, 0, 0]),
            (240, [2, 1, 0, 0]),
            (24 * 60, [2, 1, 0, 1]),
            (28 * 60 - 1, [2, 1, 0, 1]),
            (28 * 60, [3, 1, 0, 1]),
            (7 * 24 * 60, [8, 1, 0, 7]),
        ];
        for (minutes, expected) in rows {
            let now = opened + SignedDuration::from_mins(minutes);
            let due = [&usual, &rare, &none, &daily].map(|cadence| cadence.reminder(opened, now).unwrap_or(0));
            assert_eq!(due, expected, "after {minutes} minutes");
            assert_eq!(usual.escalates(opened, now), minutes >= 60, "after {minutes} minutes");
        }
    }

    #[test]
    fn nothing_becomes_due_before_the_next_instant() {
        let opened: Timestamp = "2018-12-03T10:05:00Z".parse().unwrap();
        let early = SignedDuration::from_mins(30);
        for cadence in [Cadence::default(), Cadence { escalate_after: early, ..Cadence::default() }] {
            let said = |now| (cadence.reminder(opened, now), cadence.escalates(opened, now));
            let mut now = opened;
            for _ in 0..10 {
                let next = cadence.next(opened, now).unwrap();
                assert_eq!(said(next - SignedDuration::from_nanos(1)), said(now), "from {now} to {next}");
                assert_ne!(said(next), said(now), "at {next}");
                now = next;
            }
        }
        let silent = Cadence { reminders: Vec::new(), then_every: None, ..Cadence::default() };
        assert_eq!(silent.next(opened, opened + SignedDuration::from_hours(2)), None);
    }
}
