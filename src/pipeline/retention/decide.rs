//! What goes, and why what is old enough stays. Pure.

use crate::feed::{DeliveryId, ProviderCode};
use crate::ledger::{Class, HoldRow, covering};
use crate::quarantine::{Retention, days_before};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;

/// The longest silence in the ledger after which the clock is believed: a longer one may be a clock that jumped, and would
/// delete what is not old.
const LONGEST_SILENCE: SignedDuration = SignedDuration::from_hours(72);
/// How long a clock is watched after a longer silence than that, before it is believed.
pub const WATCHED: SignedDuration = SignedDuration::from_hours(24);

/// Something that is kept for a time.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Thing {
    /// What kind of thing.
    pub class: Class,
    /// The delivery it is of, or that leads the snapshot.
    pub id: DeliveryId,
    /// Whose.
    pub provider: ProviderCode,
    /// When it ended, or what its figures are about: its age counts from here.
    pub since: Timestamp,
    /// When it arrived.
    pub arrived: Timestamp,
    /// The start of the slot that its figures are about, where that is known.
    #[serde(skip)]
    pub about: Option<Timestamp>,
    /// Files, or rows of tables.
    pub items: u64,
    /// Bytes, where it is a file.
    pub bytes: u64,
    /// Whether its delivery has not ended yet.
    #[serde(skip)]
    pub pending: bool,
    /// Whether the newest figures of its provider rest on it.
    #[serde(skip)]
    pub shown: bool,
    /// The deliveries it was judged with, itself included.
    #[serde(skip)]
    pub parts: Vec<DeliveryId>,
}

/// Why something stays that is old enough to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum Stays {
    /// Its delivery has not ended: nothing that is pending is deleted.
    Pending,
    /// The newest figures of its provider rest on it.
    Shown,
    /// A legal hold covers it.
    Held {
        /// The hold's number.
        hold: u32,
    },
}

impl Stays {
    /// In words.
    #[must_use]
    pub fn told(self) -> String {
        match self {
            Self::Pending => "is pending".to_owned(),
            Self::Shown => "carries its provider's newest figures".to_owned(),
            Self::Held { hold } => format!("is under legal hold {hold}"),
        }
    }
}

/// Before when something of a class is old enough, and under which setting.
#[must_use]
pub fn limit(class: Class, retention: &Retention, now: Timestamp) -> (Timestamp, String) {
    let (key, days) = match class {
        Class::Raw => ("raw_days", retention.raw_days),
        Class::Quarantine => ("quarantine_days", retention.quarantine_days),
        Class::Checks => ("checks_days", retention.checks_days),
        Class::Rows => ("row_days", retention.row_days),
        Class::Sums => ("sum_days", retention.sum_days),
    };
    (days_before(now, days), format!("{key} = {days}"))
}

/// What becomes of something: `None` while it is not old enough, or why it stays.
pub type Fate = Option<Result<(), Stays>>;

/// What becomes of something.
#[must_use]
pub fn fate(thing: &Thing, retention: &Retention, holds: &[HoldRow], now: Timestamp) -> Fate {
    let (before, _) = limit(thing.class, retention, now);
    if thing.since >= before {
        return None;
    }
    // When it ended is no part of it: a hold is about what came then, and about what is about then.
    let moments: Vec<Timestamp> = std::iter::once(thing.arrived).chain(thing.about).collect();
    Some(match covering(holds, &thing.provider, &thing.parts, &moments) {
        _ if thing.pending => Err(Stays::Pending),
        _ if thing.shown => Err(Stays::Shown),
        Some(hold) => Err(Stays::Held { hold: hold.number }),
        None => Ok(()),
    })
}

/// What was looked at, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// What goes.
    pub goes: Vec<Thing>,
    /// What is old enough and stays.
    pub stays: Vec<(Thing, Stays)>,
    /// Whether there is more than was looked at.
    pub more: bool,
}

impl Survey {
    /// Sorts one more thing in. One thing may be found in two ways.
    pub fn add(&mut self, thing: Thing, retention: &Retention, holds: &[HoldRow], now: Timestamp) {
        match fate(&thing, retention, holds, now) {
            Some(Ok(())) => self.goes.push(thing),
            Some(Err(stays)) => self.stays.push((thing, stays)),
            None => {}
        }
    }

    /// What goes, in groups that are recorded and deleted together: one class each, so many at most.
    #[must_use]
    pub fn groups(&self, most: usize) -> Vec<(Class, Vec<&Thing>)> {
        let mut groups: Vec<(Class, Vec<&Thing>)> = Vec::new();
        for class in Class::ALL {
            let mut seen: BTreeSet<DeliveryId> = BTreeSet::new();
            let mine: Vec<&Thing> = self.goes.iter().filter(|thing| thing.class == *class && seen.insert(thing.id)).collect();
            groups.extend(mine.chunks(most.max(1)).map(|chunk| (*class, chunk.to_vec())));
        }
        groups
    }
}

/// Until when a round that nobody asked for waits, because the clock may have jumped: a day after the first entry that came after a long
/// silence. `None`: the clock is believed. It follows from the entries alone, so no restart and no restore ends the wait. `times`: of
/// the entries, from the newest back to one that is older than [`WATCHED`].
#[must_use]
pub fn waits_until(times: &[Timestamp], now: Timestamp) -> Option<Timestamp> {
    let since = now.saturating_sub(WATCHED).unwrap_or(Timestamp::MIN);
    let before = times.iter().position(|at| *at < since)?;
    let (later, silent_since) = (times.get(..before)?, *times.get(before)?);
    // Entries of a clock that was ahead say nothing about this one.
    let first = later.iter().copied().min().map_or(now, |at| at.min(now));
    let until = first.saturating_add(WATCHED).unwrap_or(Timestamp::MAX);
    (first.duration_since(silent_since) > LONGEST_SILENCE && now < until).then_some(until)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Hold, HoldScope};

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn thing(class: Class, since: &str) -> Thing {
        let id = DeliveryId::new(at(since), [1; 10]);
        let provider = "RM1".parse().unwrap();
        let (since, arrived) = (at(since), at(since));
        Thing { class, id, provider, since, arrived, about: None, items: 1, bytes: 1, pending: false, shown: false, parts: vec![id] }
    }

    fn hold(number: u32, scope: HoldScope, ended: bool) -> HoldRow {
        let placed_at = at("2018-12-01T00:00Z");
        let hold = Hold { number, scope, by: String::new(), reason: String::new(), account: None };
        HoldRow { hold, placed_at, ended_at: ended.then_some(placed_at), ended_by: None, ended_why: None }
    }

    #[test]
    fn what_is_old_goes_unless_something_rests_on_it_or_somebody_holds_it() {
        let now = at("2018-12-31T10:00Z");
        let (old, young) = ("2018-12-01T09:59Z", "2018-12-01T10:00Z");
        let of = |scope: HoldScope| vec![hold(7, scope, false)];
        let provider = |code: &str| HoldScope { provider: Some(code.parse().unwrap()), ..HoldScope::default() };
        let span = |from: &str, to: &str| HoldScope { from: Some(at(from)), to: Some(at(to)), ..HoldScope::default() };
        let raw = |since| thing(Class::Raw, since);
        // Its figures are of a slot, it came after that, and somebody decided on it much later.
        let about_before = || Thing { about: Some(at("2018-11-20T14:15Z")), arrived: at("2018-11-20T14:25Z"), ..raw(old) };
        let held = || Some(Err(Stays::Held { hold: 7 }));
        let rows: [(Thing, Vec<HoldRow>, Fate); 15] = [
            (about_before(), of(span("2018-11-20T14:10Z", "2018-11-20T14:20Z")), held()),
            (about_before(), of(span("2018-11-20T14:20Z", "2018-11-20T14:30Z")), held()),
            (about_before(), of(span("2018-12-01T09:00Z", "2018-12-01T10:00Z")), Some(Ok(()))),
            (raw(old), vec![], Some(Ok(()))),
            (raw(young), vec![], None),
            (thing(Class::Quarantine, old), vec![], Some(Ok(()))),
            (thing(Class::Rows, old), vec![], None),
            (thing(Class::Checks, "2018-12-24T09:00Z"), vec![], Some(Ok(()))),
            (Thing { pending: true, ..raw(old) }, of(provider("RM1")), Some(Err(Stays::Pending))),
            (Thing { shown: true, ..raw(old) }, vec![], Some(Err(Stays::Shown))),
            (raw(old), of(provider("RM1")), Some(Err(Stays::Held { hold: 7 }))),
            (raw(old), of(provider("RGP")), Some(Ok(()))),
            (raw(old), vec![hold(7, provider("RM1"), true)], Some(Ok(()))),
            (raw(old), of(span("2018-12-01T09:00Z", "2018-12-01T10:00Z")), Some(Err(Stays::Held { hold: 7 }))),
            (raw(old), of(HoldScope { delivery: Some(raw(old).id), ..HoldScope::default() }), Some(Err(Stays::Held { hold: 7 }))),
        ];
        for (thing, holds, expected) in rows {
            assert_eq!(fate(&thing, &Retention::default(), &holds, now), expected, "{thing:?} {holds:?}");
        }
    }

    #[test]
    fn things_go_in_groups_of_one_class_and_each_once() {
        let mut survey = Survey::default();
        let (one, two) = (thing(Class::Raw, "2018-10-01T00:00Z"), thing(Class::Raw, "2018-10-02T00:00Z"));
        let picture = thing(Class::Checks, "2018-10-01T00:00Z");
        for thing in [one.clone(), picture, two, one] {
            survey.add(thing, &Retention::default(), &[], at("2018-12-31T10:00Z"));
        }
        let sizes = |most| survey.groups(most).iter().map(|(class, things)| (class.as_str(), things.len())).collect::<Vec<_>>();
        assert_eq!(sizes(9), [("raw", 2), ("checks", 1)]);
        assert_eq!(sizes(1), [("raw", 1), ("raw", 1), ("checks", 1)]);
    }

    #[test]
    fn a_clock_that_may_have_jumped_is_watched_for_a_day_whatever_is_recorded_meanwhile() {
        // The times of the entries from the newest back, and until when it waits at ten on the 31st.
        let rows: [(&[&str], Option<&str>); 12] = [
            (&[], None),
            (&["2018-12-31T09:00Z"], None),
            (&["2018-12-30T09:00Z"], None),
            (&["2018-12-28T10:00Z"], None),
            (&["2018-12-28T09:59Z"], Some("2019-01-01T10:00Z")),
            // A start, another start, the entry of a restore: the first of them counts.
            (&["2018-12-31T10:00Z", "2018-12-01T10:00Z"], Some("2019-01-01T10:00Z")),
            (&["2018-12-31T09:00Z", "2018-12-31T08:00Z", "2018-12-01T10:00Z"], Some("2019-01-01T08:00Z")),
            (&["2018-12-30T10:00Z", "2018-12-01T10:00Z"], None),
            (&["2018-12-30T09:59Z", "2018-12-01T10:00Z"], None),
            // What came after a silence of three days exactly is believed.
            (&["2018-12-31T08:00Z", "2018-12-28T08:00Z"], None),
            // The clock was ahead, and is put right.
            (&["2019-02-09T10:00Z", "2019-02-09T09:00Z", "2018-12-30T09:00Z"], None),
            // It was behind for a while.
            (&["2018-12-31T09:30Z", "2018-11-20T10:00Z", "2018-12-31T08:00Z"], Some("2019-01-01T09:30Z")),
        ];
        for (times, until) in rows {
            let times: Vec<Timestamp> = times.iter().map(|time| at(time)).collect();
            assert_eq!(waits_until(&times, at("2018-12-31T10:00Z")), until.map(at), "{times:?}");
        }
    }
}
