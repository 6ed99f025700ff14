//! Judging: arrivals and the time in, the feed's standing out.
//!
//! Owns the rules for due, late, missed, behind and rejected. Slots are counted in UTC, so that a local day of 92 or 100
//! quarters needs no rule of its own. Refuses clocks and the ledger.
//!
//! "Arrives, but is set aside" is not "late": somebody else has to act. A slot with nothing but rejected files is
//! `rejected`; it counts towards amber and red, and begins no lateness.

use super::{Arrival, FeedSchedule, Freshness, Light, Newest, Silence, SilenceKind, Since, SlotStanding, SlotState, Standing};
use crate::feed::Slot;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// Slots in the window: 24 hours.
pub const WINDOW_SLOTS: i32 = 96;

/// [`Standing::behind`] is counted up to this: a week of slots. A longer silence is told by its beginning.
pub const MAX_BEHIND: u32 = 672;

/// Silences that are looked at when a silent stretch is skipped: more than anybody plans in a row.
const MAX_SILENCES: usize = 256;

/// Judges one feed, as seen at `now`.
///
/// `first_slot` is the slot after the feed was first known; the settings' own first slot goes before it. `arrivals` are
/// those of the last 24 hours at least, in any order, and the newest accepted one, however old: without it a feed counts
/// as one that has never sent.
#[must_use]
pub fn judge(schedule: &FeedSchedule, first_slot: Slot, silences: &[Silence], arrivals: &[Arrival], now: Timestamp) -> Standing {
    let view = View { schedule, first_slot: schedule.first_slot.unwrap_or(first_slot), silences, by_slot: by_slot(arrivals), now };
    let newest = newest_accepted(arrivals);
    let last_accepted_at = arrivals.iter().filter(|arrival| arrival.accepted).map(|arrival| arrival.received_at).max();
    // Of several the one that ends last, as people are told.
    let covering = silences.iter().filter(|silence| silence.covers(now));
    let silence = covering.max_by_key(|silence| (silence.until.is_none(), silence.until)).map(|silence| silence.kind);
    let set_aside = rejected_since(arrivals, last_accepted_at);
    let run = view.run_after(newest.map(|newest| newest.slot));
    Standing {
        slots: view.window(),
        light: light(schedule, run.behind, newest.is_some(), set_aside.is_some(), silence),
        freshness: freshness(schedule, newest, now),
        newest_accepted: newest,
        last_accepted_at,
        next_due: view.next_due(),
        behind: run.behind,
        late_since: run.late_since,
        missed_since: run.missed_since,
        rejected_since: set_aside,
        silence,
    }
}

/// The slot an arrival counts for.
fn slot_of(arrival: &Arrival) -> Slot {
    arrival.slot.unwrap_or_else(|| Slot::of_snapshot(arrival.received_at))
}

/// What has come for one slot.
#[derive(Clone, Copy, Default)]
struct Filled {
    accepted_at: Option<Timestamp>,
    superseded: bool,
}

fn by_slot(arrivals: &[Arrival]) -> BTreeMap<Slot, Filled> {
    let mut slots: BTreeMap<Slot, Filled> = BTreeMap::new();
    for arrival in arrivals {
        let filled = slots.entry(slot_of(arrival)).or_default();
        if arrival.accepted {
            let first = filled.accepted_at.map_or(arrival.received_at, |at| at.min(arrival.received_at));
            filled.accepted_at = Some(first);
            filled.superseded |= arrival.superseded;
        }
    }
    slots
}

fn newest_accepted(arrivals: &[Arrival]) -> Option<Newest> {
    let standing = arrivals.iter().filter(|arrival| arrival.accepted && !arrival.superseded);
    let newest = standing.max_by_key(|arrival| (slot_of(arrival), arrival.received_at))?;
    let slot = slot_of(newest);
    Some(Newest { slot, snapshot_at: newest.snapshot_at.unwrap_or(slot.start()) })
}

/// The first delivery set aside after which nothing was accepted.
fn rejected_since(arrivals: &[Arrival], last_accepted_at: Option<Timestamp>) -> Option<Since> {
    let after = |arrival: &&Arrival| !arrival.accepted && last_accepted_at.is_none_or(|last| last < arrival.received_at);
    let first = arrivals.iter().filter(after).min_by_key(|arrival| arrival.received_at)?;
    Some(Since { slot: slot_of(first), at: first.received_at })
}

fn freshness(schedule: &FeedSchedule, newest: Option<Newest>, now: Timestamp) -> Freshness {
    schedule.freshness(newest.map(|newest| newest.snapshot_at), now)
}

/// A feed whose newest file was set aside, or that owes its very first one, is amber before any count says so: from
/// across a room it must not look like one that is in order.
fn light(schedule: &FeedSchedule, behind: u32, has_sent: bool, set_aside: bool, silence: Option<SilenceKind>) -> Light {
    match silence {
        Some(_) => Light::Grey,
        None if behind >= schedule.red_after => Light::Red,
        None if behind >= schedule.amber_after || set_aside || (behind > 0 && !has_sent) => Light::Amber,
        None if has_sent => Light::Green,
        None => Light::Grey,
    }
}

/// The consecutive due slots without an accepted file.
#[derive(Default)]
struct Run {
    behind: u32,
    late_since: Option<Since>,
    missed_since: Option<Since>,
}

struct View<'a> {
    schedule: &'a FeedSchedule,
    first_slot: Slot,
    silences: &'a [Silence],
    by_slot: BTreeMap<Slot, Filled>,
    now: Timestamp,
}

impl View<'_> {
    fn window(&self) -> Vec<SlotStanding> {
        let current = Slot::containing(self.now);
        let oldest = current.plus(1 - WINDOW_SLOTS).max(self.first_slot);
        oldest.until(current.next()).map(|slot| self.slot(slot)).collect()
    }

    fn slot(&self, slot: Slot) -> SlotStanding {
        let filled_at = self.by_slot.get(&slot).and_then(|filled| filled.accepted_at);
        SlotStanding { slot, due: self.schedule.due(slot), state: self.state(slot), filled_at }
    }

    fn state(&self, slot: Slot) -> SlotState {
        match self.by_slot.get(&slot) {
            Some(Filled { accepted_at: Some(_), superseded: true }) => SlotState::Superseded,
            Some(Filled { accepted_at: Some(at), .. }) if *at <= self.schedule.due(slot) => SlotState::OnTime,
            Some(Filled { accepted_at: Some(_), .. }) => SlotState::Late,
            Some(Filled { accepted_at: None, .. }) => SlotState::Rejected,
            None => match self.silence(slot) {
                Some(SilenceKind::Planned) => SlotState::Planned,
                Some(SilenceKind::Paused) => SlotState::Paused,
                None if self.schedule.missed(slot) <= self.now => SlotState::Missed,
                None if self.schedule.due(slot) < self.now => SlotState::Late,
                None => SlotState::Expected,
            },
        }
    }

    fn silence(&self, slot: Slot) -> Option<SilenceKind> {
        self.silences.iter().find(|silence| silence.covers(slot.start())).map(|silence| silence.kind)
    }

    /// Whether silence has begun since the slot did: whoever announced it knew what was missing, so lateness begins anew after it.
    fn is_forgiven(&self, slot: Slot) -> bool {
        self.silences.iter().any(|silence| slot.start() < silence.from && silence.from <= self.now)
    }

    /// The first slot from `slot` on in which a file is expected; `None` where a pause has no end.
    fn skip_silence(&self, mut slot: Slot) -> Option<Slot> {
        for _ in 0..MAX_SILENCES {
            let Some(silence) = self.silences.iter().find(|silence| silence.covers(slot.start())) else {
                return Some(slot);
            };
            let until = silence.until?;
            let end = Slot::containing(until);
            // A silence that ends within a slot covers that slot's start, and so the whole slot.
            slot = if end.start() < until { end.next() } else { end };
        }
        Some(slot)
    }

    fn run_after(&self, newest: Option<Slot>) -> Run {
        let begin = newest.map_or(self.first_slot, |slot| slot.next().max(self.first_slot));
        let mut run = Run::default();
        let mut next = self.skip_silence(begin);
        // Lateness begins at the first slot of the run, however long ago; only the count is bounded.
        while let Some(slot) = next {
            if self.schedule.due(slot) >= self.now || run.behind >= MAX_BEHIND {
                break;
            }
            run.behind += 1;
            let state = if self.is_forgiven(slot) { SlotState::Expected } else { self.state(slot) };
            if matches!(state, SlotState::Late | SlotState::Missed) && run.late_since.is_none() {
                run.late_since = Some(Since { slot, at: self.schedule.due(slot) });
            }
            if state == SlotState::Missed && run.missed_since.is_none() {
                run.missed_since = Some(Since { slot, at: self.schedule.missed(slot) });
            }
            next = self.skip_silence(slot.next());
        }
        run
    }

    /// The next due time, not yet passed, of a slot that is still empty.
    fn next_due(&self) -> Option<Timestamp> {
        // Due times of up to a day after a slot's start are allowed for, so the search starts a day back.
        let mut slot = self.skip_silence(Slot::containing(self.now).plus(-WINDOW_SLOTS).max(self.first_slot))?;
        for _ in 0..=2 * WINDOW_SLOTS {
            let filled = self.by_slot.get(&slot).is_some_and(|filled| filled.accepted_at.is_some());
            if !filled && self.schedule.due(slot) >= self.now {
                return Some(self.schedule.due(slot));
            }
            slot = self.skip_silence(slot.next())?;
        }
        None
    }
}

#[cfg(test)]
mod tests;
