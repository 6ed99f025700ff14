//! Judging: arrivals and the time in, the feed's standing out.
//!
//! Owns the rules for due, late, missed, behind and rejected. Slots are counted in UTC, so that a local day of 92 or 100
//! quarters needs no rule of its own. Refuses clocks and the ledger.
//!
//! "Arrives, but is set aside" is not "late": somebody else has to act. A slot with nothing but rejected files is
//! `rejected`; it counts towards amber and red, and begins no lateness. Nor does one for which old figures came: it is
//! `stale`. A slot that may have been missed because we were down is `unknown`, and counts for nothing.

use super::{
    Arrival, FeedSchedule, Freshness, Light, Newest, Silence, SilenceKind, Since, SlotStanding, SlotState, Standing, Terms, later,
};
use crate::feed::Slot;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// Slots in the window: 24 hours.
pub const WINDOW_SLOTS: i32 = 96;

/// [`Standing::behind`] is counted up to this: a week of slots. A longer silence is told by its beginning.
pub const MAX_BEHIND: u32 = 672;

/// Slots in which stretches of trouble are counted: 2 hours.
pub const UNSTABLE_SLOTS: u64 = 8;

/// Slots that make a feed steady: 1 hour.
const STEADY_SLOTS: usize = 4;

/// How far back a slot at a key time is looked for: the longest local day.
const KEY_TIME_SLOTS: i32 = 100;

/// Silences that are looked at when a silent stretch is skipped: more than anybody plans in a row.
const MAX_SILENCES: usize = 256;

/// Judges one feed, as seen at `now`.
///
/// `first_slot` is the slot after the feed was first known; the settings' own first slot goes before it. `arrivals` are
/// those of the last 24 hours at least, in any order, and the newest accepted one, however old: without it a feed counts
/// as one that has never sent.
#[must_use]
pub fn judge(schedule: &FeedSchedule, first_slot: Slot, silences: &[Silence], arrivals: &[Arrival], now: Timestamp) -> Standing {
    let first_slot = schedule.first_slot.unwrap_or(first_slot);
    let by_slot = by_slot(arrivals);
    let old_news = old_news(arrivals, &by_slot);
    let view = View { schedule, first_slot, silences, by_slot, old_news, terms: RecentTerms::of(schedule, now), now };
    let newest = newest_accepted(arrivals);
    let last_accepted_at = arrivals.iter().filter(|arrival| arrival.accepted).map(|arrival| arrival.received_at).max();
    // Of several the one that ends last, as people are told.
    let covering = silences.iter().filter(|silence| silence.kind != SilenceKind::Outage && silence.covers(now));
    let silence = covering.max_by_key(|silence| (silence.until.is_none(), silence.until)).map(|silence| silence.kind);
    let set_aside = rejected_since(arrivals, last_accepted_at);
    let run = view.run_after(newest.map(|newest| newest.slot));
    let terms = view.terms(Slot::containing(now));
    let slots = view.window();
    Standing {
        unstable_since: unstable_since(schedule.unstable_after, &slots, now),
        steady: steady(&slots, now, run.behind),
        slots,
        light: light(&terms, run.behind, newest.is_some(), set_aside.is_some(), silence),
        freshness: freshness(schedule, newest, now),
        newest_accepted: newest,
        last_accepted_at,
        next_due: view.next_due(),
        behind: run.behind,
        late_since: run.late_since,
        missed_since: run.missed_since,
        rejected_since: set_aside,
        stale_since: run.stale_since,
        frozen_since: frozen_since(arrivals),
        key_time_since: view.key_time_since(),
        never_sent: newest.is_none(),
        next_look: view.next_look(),
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
    for arrival in arrivals.iter().filter(|arrival| !arrival.repeated) {
        let filled = slots.entry(slot_of(arrival)).or_default();
        if arrival.accepted {
            let first = filled.accepted_at.map_or(arrival.received_at, |at| at.min(arrival.received_at));
            filled.accepted_at = Some(first);
            filled.superseded |= arrival.superseded;
        }
    }
    slots
}

/// What came that may be no news for the slot in which it came.
#[derive(Clone, Copy)]
struct OldNews {
    /// The slot whose figures it has; `None` where it came before.
    of: Option<Slot>,
    /// Whether it is the first for that slot: then the sender may be catching up.
    first: bool,
}

fn old_news(arrivals: &[Arrival], by_slot: &BTreeMap<Slot, Filled>) -> BTreeMap<Timestamp, OldNews> {
    let news = |arrival: &Arrival| {
        let of = arrival.accepted.then(|| slot_of(arrival));
        let first = of.and_then(|of| by_slot.get(&of)).is_some_and(|filled| filled.accepted_at == Some(arrival.received_at));
        (arrival.received_at, OldNews { of, first })
    };
    arrivals.iter().filter(|arrival| arrival.accepted || arrival.repeated).map(news).collect()
}

/// The first of the newest slots in a row whose figures did not move.
fn frozen_since(arrivals: &[Arrival]) -> Option<Since> {
    let mut standing: Vec<&Arrival> = arrivals.iter().filter(|arrival| arrival.accepted && !arrival.superseded).collect();
    standing.sort_by_key(|arrival| std::cmp::Reverse((slot_of(arrival), arrival.received_at)));
    let first = standing.into_iter().take_while(|arrival| arrival.frozen).last()?;
    Some(Since { slot: slot_of(first), at: first.received_at })
}

fn newest_accepted(arrivals: &[Arrival]) -> Option<Newest> {
    let standing = arrivals.iter().filter(|arrival| arrival.accepted && !arrival.superseded);
    let newest = standing.max_by_key(|arrival| (slot_of(arrival), arrival.received_at))?;
    let slot = slot_of(newest);
    Some(Newest { slot, snapshot_at: newest.snapshot_at.unwrap_or(slot.start()) })
}

/// The first delivery set aside after which nothing was accepted.
fn rejected_since(arrivals: &[Arrival], last_accepted_at: Option<Timestamp>) -> Option<Since> {
    let set_aside = |arrival: &Arrival| !arrival.accepted && !arrival.repeated;
    let after = |arrival: &&Arrival| set_aside(arrival) && last_accepted_at.is_none_or(|last| last < arrival.received_at);
    let first = arrivals.iter().filter(after).min_by_key(|arrival| arrival.received_at)?;
    Some(Since { slot: slot_of(first), at: first.received_at })
}

fn freshness(schedule: &FeedSchedule, newest: Option<Newest>, now: Timestamp) -> Freshness {
    schedule.freshness(newest.map(|newest| newest.snapshot_at), now)
}

/// A feed whose newest file was set aside, or that owes its very first one, is amber before any count says so: from
/// across a room it must not look like one that is in order.
fn light(terms: &Terms, behind: u32, has_sent: bool, set_aside: bool, silence: Option<SilenceKind>) -> Light {
    match silence {
        Some(_) => Light::Grey,
        None if behind >= terms.red_after => Light::Red,
        None if behind >= terms.amber_after || set_aside || (behind > 0 && !has_sent) => Light::Amber,
        None if has_sent => Light::Green,
        None => Light::Grey,
    }
}

fn is_good(state: SlotState) -> bool {
    matches!(state, SlotState::OnTime | SlotState::Superseded)
}

fn is_trouble(state: SlotState) -> bool {
    matches!(state, SlotState::Late | SlotState::Missed | SlotState::Rejected | SlotState::Stale)
}

/// The slot of the newest stretch of trouble, where there were `often` within [`UNSTABLE_SLOTS`]. A stretch begins with a slot that is not
/// filled when it is due, while the one before it has been.
fn unstable_since(often: u32, slots: &[SlotStanding], now: Timestamp) -> Option<Since> {
    let recent: Vec<&SlotStanding> = slots.iter().filter(|slot| slot.due < now).collect();
    // The slot before the first one is needed to see whether that begins a stretch.
    let looked_at = usize::try_from(UNSTABLE_SLOTS).unwrap_or(usize::MAX).saturating_add(1);
    let recent = recent.get(recent.len().saturating_sub(looked_at)..).unwrap_or_default();
    let begins = |pair: &&[&SlotStanding]| match pair {
        [before, slot] => is_trouble(slot.state) && (is_good(before.state) || before.filled_at.is_some_and(|at| at <= slot.due)),
        _ => false,
    };
    let begun: Vec<&SlotStanding> = recent.windows(2).filter(begins).filter_map(|pair| pair.last().copied()).collect();
    let enough = often > 0 && u32::try_from(begun.len()).unwrap_or(u32::MAX) >= often;
    begun.last().filter(|_| enough).map(|slot| Since { slot: slot.slot, at: slot.due })
}

/// Whether the newest due slots were all filled in time, or none of them was filled.
fn steady(slots: &[SlotStanding], now: Timestamp, behind: u32) -> bool {
    let mut due = slots.iter().rev().filter(|slot| slot.due < now);
    let good = due.by_ref().take(STEADY_SLOTS).filter(|slot| is_good(slot.state)).count();
    good == STEADY_SLOTS || usize::try_from(behind).unwrap_or(usize::MAX) >= STEADY_SLOTS
}

/// The consecutive due slots without an accepted file.
#[derive(Default)]
struct Run {
    behind: u32,
    late_since: Option<Since>,
    missed_since: Option<Since>,
    stale_since: Option<Since>,
}

struct View<'a> {
    schedule: &'a FeedSchedule,
    first_slot: Slot,
    silences: &'a [Silence],
    by_slot: BTreeMap<Slot, Filled>,
    old_news: BTreeMap<Timestamp, OldNews>,
    terms: RecentTerms,
    now: Timestamp,
}

/// What holds for the slots of the last day or so: each is asked for several times, and local times are dear.
struct RecentTerms {
    first: Slot,
    terms: Vec<Terms>,
}

impl RecentTerms {
    fn of(schedule: &FeedSchedule, now: Timestamp) -> Self {
        let current = Slot::containing(now);
        let first = current.plus(-KEY_TIME_SLOTS);
        Self { first, terms: first.until(current.plus(2)).map(|slot| schedule.terms(slot)).collect() }
    }

    fn get(&self, slot: Slot) -> Option<Terms> {
        self.terms.get(usize::try_from(slot.slots_after(self.first)).ok()?).copied()
    }
}

impl View<'_> {
    fn terms(&self, slot: Slot) -> Terms {
        self.terms.get(slot).unwrap_or_else(|| self.schedule.terms(slot))
    }

    fn due(&self, slot: Slot) -> Timestamp {
        later(slot, self.terms(slot).due_after)
    }

    fn missed(&self, slot: Slot) -> Timestamp {
        later(slot, self.terms(slot).missed_after)
    }

    fn window(&self) -> Vec<SlotStanding> {
        let current = Slot::containing(self.now);
        let oldest = current.plus(1 - WINDOW_SLOTS).max(self.first_slot);
        oldest.until(current.next()).map(|slot| self.slot(slot)).collect()
    }

    fn slot(&self, slot: Slot) -> SlotStanding {
        let (filled_at, due) = (self.by_slot.get(&slot).and_then(|filled| filled.accepted_at), self.due(slot));
        SlotStanding { slot, due, state: self.state(slot, due), filled_at }
    }

    fn state(&self, slot: Slot, due: Timestamp) -> SlotState {
        match self.by_slot.get(&slot) {
            Some(Filled { accepted_at: Some(_), superseded: true }) => SlotState::Superseded,
            Some(Filled { accepted_at: Some(at), .. }) if *at <= due => SlotState::OnTime,
            Some(Filled { accepted_at: Some(_), .. }) => SlotState::Late,
            Some(Filled { accepted_at: None, .. }) => SlotState::Rejected,
            None => match self.silence(slot, due) {
                Some(SilenceKind::Planned) => SlotState::Planned,
                Some(SilenceKind::Paused) => SlotState::Paused,
                Some(SilenceKind::Outage) => SlotState::Unknown,
                None if due >= self.now => SlotState::Expected,
                None if self.old_news_came(slot, due) => SlotState::Stale,
                None if self.missed(slot) <= self.now => SlotState::Missed,
                None => SlotState::Late,
            },
        }
    }

    /// Planned silence goes before our own: who was not to send has not been missed.
    fn silence(&self, slot: Slot, due: Timestamp) -> Option<SilenceKind> {
        let excused = self.silences.iter().filter(|silence| silence.excuses(slot, due)).map(|silence| silence.kind);
        excused.min_by_key(|kind| *kind == SilenceKind::Outage)
    }

    /// Whether, while a slot's file was expected, something came that has nothing newer than the slots before it. Whoever fills
    /// old slots may be catching up: only when that was so for the slot before, too, is it the sender's way.
    fn old_news_came(&self, slot: Slot, due: Timestamp) -> bool {
        let came = |slot: Slot, due: Timestamp| {
            self.old_news.range(slot.start()..=due).map(|(_, news)| *news).filter(move |news| news.of.is_none_or(|of| of < slot))
        };
        let before = slot.previous();
        came(slot, due).any(|news| !news.first) || (came(slot, due).next().is_some() && came(before, self.due(before)).next().is_some())
    }

    /// Whether silence has begun since the slot did: whoever announced it knew what was missing, so lateness begins anew after it.
    fn is_forgiven(&self, slot: Slot) -> bool {
        let announced = self.silences.iter().filter(|silence| silence.kind != SilenceKind::Outage);
        announced.into_iter().any(|silence| slot.start() < silence.from && silence.from <= self.now)
    }

    /// The first slot from `slot` on in which a file is expected; `None` where a pause has no end.
    fn skip_silence(&self, mut slot: Slot) -> Option<Slot> {
        for _ in 0..MAX_SILENCES {
            let due = self.due(slot);
            let Some(silence) = self.silences.iter().find(|silence| silence.excuses(slot, due)) else {
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
        // The first slot for which nothing came, how many there are, and whether that is worth telling.
        let (mut silent, mut told) = (None, false);
        let mut next = self.skip_silence(begin);
        // Lateness begins at the first slot of the run, however long ago; only the count is bounded. Due times need not follow each
        // other as slots do, where a profile ends.
        let mut jumped = false;
        while let Some(slot) = next.filter(|slot| *slot <= Slot::containing(self.now)) {
            if self.due(slot) >= self.now {
                next = self.skip_silence(slot.next());
                continue;
            }
            if run.behind >= MAX_BEHIND {
                if silent.is_some() {
                    break;
                }
                // A long stretch that begins no lateness: what was forgiven, or set aside.
                if let Some(end) = self.end_of_excuses().filter(|end| !jumped && slot < *end) {
                    (jumped, next) = (true, self.skip_silence(end));
                    continue;
                }
            }
            run.behind = run.behind.saturating_add(1).min(MAX_BEHIND);
            let terms = self.terms(slot);
            let state = if self.is_forgiven(slot) { SlotState::Expected } else { self.state(slot, self.due(slot)) };
            if matches!(state, SlotState::Late | SlotState::Missed) {
                let since = Since { slot, at: self.due(slot) };
                let (_, count) = silent.get_or_insert((since, 0));
                *count += 1;
                told |= *count >= terms.tell_after;
            }
            if state == SlotState::Missed && run.missed_since.is_none() {
                run.missed_since = Some(Since { slot, at: self.missed(slot) });
            }
            if state == SlotState::Stale && run.stale_since.is_none() {
                run.stale_since = Some(Since { slot, at: self.due(slot) });
            }
            next = self.skip_silence(slot.next());
        }
        run.late_since = silent.filter(|_| told).map(|(since, _)| since);
        run.missed_since = run.missed_since.filter(|_| told);
        run
    }

    /// The slot after the newest one that begins no lateness, for silence had begun or something came for it.
    fn end_of_excuses(&self) -> Option<Slot> {
        let announced = self.silences.iter().filter(|silence| silence.kind != SilenceKind::Outage && silence.from <= self.now);
        let forgiven = announced.map(|silence| Slot::containing(silence.from)).max();
        forgiven.into_iter().chain(self.by_slot.keys().next_back().copied()).max().map(Slot::next)
    }

    /// The newest slot at a key time that is due, where it has no figures and nobody is excused.
    fn key_time_since(&self) -> Option<Since> {
        let newest = Slot::containing(self.now);
        let oldest = newest.plus(1 - KEY_TIME_SLOTS).max(self.first_slot);
        let due_one = |slot: &Slot| self.terms(*slot).key_time && self.due(*slot) < self.now;
        let slot = (0..KEY_TIME_SLOTS).map(|back| newest.plus(-back)).take_while(|slot| *slot >= oldest).find(due_one)?;
        let due = self.due(slot);
        let filled = self.by_slot.get(&slot).is_some_and(|filled| filled.accepted_at.is_some());
        (!filled && !self.is_forgiven(slot) && self.silence(slot, due).is_none()).then_some(Since { slot, at: due })
    }

    /// The next instant at which a slot begins, is due or counts as missed, or a silence begins or ends.
    fn next_look(&self) -> Timestamp {
        let current = Slot::containing(self.now);
        let just_after = |at: Timestamp| at.saturating_add(SignedDuration::from_nanos(1)).unwrap_or(at);
        let of_slot = |slot: Slot| [just_after(self.due(slot)), self.missed(slot)];
        let slots = current.plus(-WINDOW_SLOTS).until(current.next()).flat_map(of_slot);
        let silences = self.silences.iter().flat_map(|silence| [Some(silence.from), silence.until]).flatten();
        slots.chain(silences).filter(|at| self.now < *at).fold(current.next().start(), Timestamp::min)
    }

    /// The next due time, not yet passed, of a slot that is still empty.
    fn next_due(&self) -> Option<Timestamp> {
        // Due times of up to a day after a slot's start are allowed for, so the search starts a day back.
        let mut slot = self.skip_silence(Slot::containing(self.now).plus(-WINDOW_SLOTS).max(self.first_slot))?;
        for _ in 0..=2 * WINDOW_SLOTS {
            let filled = self.by_slot.get(&slot).is_some_and(|filled| filled.accepted_at.is_some());
            if !filled && self.due(slot) >= self.now {
                return Some(self.due(slot));
            }
            slot = self.skip_silence(slot.next())?;
        }
        None
    }
}

#[cfg(test)]
mod tests;
