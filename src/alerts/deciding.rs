//! Deciding: what is told at one instant, from how all feeds stand and what was told before. Pure.
//!
//! Owns the whole of a round but for reading and recording: which episodes begin and end, which are held back because most feeds are
//! silent together, and which are told again. Deciding twice at one instant, with what the first decision told, tells nothing more.

use super::{
    Cadence, Change, Common, Episode, HouseEpisode, HouseProblem, HouseTrouble, Problem, Together, Voice, common_cause, silent_trouble,
    step, voice,
};
use crate::feed::Slot;
use crate::schedule::{FeedSchedule, Standing, WINDOW_SLOTS};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// Most providers that are named in one alert.
const MAX_NAMED: usize = 20;

/// How long silence is held back at most: by then somebody knows whether it is our side, and whoever is still silent is told of.
const LONGEST_HOLD: SignedDuration = SignedDuration::from_hours(4);

/// A feed at one instant.
#[derive(Clone, Copy, Debug)]
pub struct FeedView<'a> {
    /// When its files are expected.
    pub schedule: &'a FeedSchedule,
    /// How it stood when it was judged last; `None` before the first time.
    pub standing: Option<&'a Standing>,
    /// Whether it was judged at this instant, or silence of it was held back: only then can anything begin or end.
    pub looked_at: bool,
}

/// An episode that goes on, as it was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenEpisode {
    /// What it is.
    pub episode: Episode,
    /// When it was told: reminders are counted from then.
    pub told_at: Timestamp,
    /// Whether somebody has taken it on: then nobody is told again.
    pub acknowledged: bool,
}

/// When people are told again.
#[derive(Clone, Copy, Debug)]
pub struct Again<'a> {
    /// After how long.
    pub cadence: &'a Cadence,
    /// Whether there are others to tell.
    pub escalates: bool,
}

/// What is to be told at one instant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// What began and ended, with the feed's place in the list.
    pub changes: Vec<(usize, Change)>,
    /// Feeds whose silence is not told, for it is that of most.
    pub held: BTreeSet<usize>,
    /// What goes on and may have to be told again: the feed's place, the episode, and the reminder's number; `None`: others are told.
    pub again: Vec<(usize, Episode, Option<u32>)>,
    /// What all feeds together tell of our own side.
    pub trouble: Option<HouseTrouble>,
}

/// What is told at `now`.
#[must_use]
pub fn decide(feeds: &[FeedView<'_>], open: &[OpenEpisode], house: &[HouseEpisode], again: Again<'_>, now: Timestamp) -> Decision {
    let told = house.iter().find(|episode| episode.problem == HouseProblem::Silent).map(|episode| episode.opened_at);
    let together = Together::of(told, now);
    let heard = |feed: &FeedView<'_>| feed.standing.map(|standing| voice(standing, &together));
    let common = common_cause(feeds.iter().filter_map(heard)).or_else(|| told.and_then(|_| not_yet_due(feeds, &together, now)));
    let holds = common.is_some() && now.duration_since(told.unwrap_or(now)) < LONGEST_HOLD;
    let mut by_provider: BTreeMap<&str, Vec<&OpenEpisode>> = BTreeMap::new();
    for open in open {
        by_provider.entry(open.episode.provider.as_str()).or_default().push(open);
    }
    let mut decision = Decision { trouble: common.map(|common| trouble(common, feeds, &together)), ..Decision::default() };
    for (place, feed) in feeds.iter().enumerate() {
        let of_feed = by_provider.get(feed.schedule.provider.as_str()).map(Vec::as_slice).unwrap_or_default();
        let changes = match feed.standing {
            Some(standing) if feed.looked_at => {
                step(feed.schedule, &of_feed.iter().map(|open| open.episode.clone()).collect::<Vec<_>>(), standing, now)
            }
            _ => Vec::new(),
        };
        let ends =
            |episode: &Episode| changes.iter().any(|change| matches!(change, Change::Closed { episode: ended, .. } if ended == episode));
        let goes_on: Vec<&OpenEpisode> = of_feed.iter().filter(|open| !ends(&open.episode)).copied().collect();
        // While silence is planned nobody is called, and what waits for somebody waits.
        if feed.standing.is_none_or(|standing| standing.silence.is_none()) {
            decision.again.extend(told_again(&goes_on, again, now).map(|(episode, number)| (place, episode, number)));
        }
        // Whoever fell silent at another time did so for a reason of its own.
        let with_others = feed.standing.is_some_and(|standing| voice(standing, &together) == Voice::Silent);
        for change in changes {
            if holds && with_others && matches!(&change, Change::Opened(episode) if episode.problem.is_silence()) {
                decision.held.insert(place);
            } else {
                decision.changes.push((place, change));
            }
        }
    }
    decision
}

/// When most are heard again, the others may be about to: whoever fell silent with them is waited for until its next file is due.
fn not_yet_due(feeds: &[FeedView<'_>], together: &Together, now: Timestamp) -> Option<Common> {
    let silent = |feed: &&FeedView<'_>| feed.standing.is_some_and(|standing| voice(standing, together) == Voice::Silent);
    let current = Slot::containing(now);
    let end = current.next().start();
    // Due later in this quarter of an hour, whichever slot it is for.
    let waits = |feed: &FeedView<'_>| {
        let dues = (0..WINDOW_SLOTS).map(|back| feed.schedule.due(current.plus(-back)));
        dues.into_iter().any(|due| now <= due && due < end)
    };
    feeds.iter().filter(silent).any(waits).then(|| Common { silent: feeds.iter().filter(silent).count(), of: feeds.len() })
}

fn trouble(common: Common, feeds: &[FeedView<'_>], together: &Together) -> HouseTrouble {
    let silent = feeds.iter().filter(|feed| feed.standing.is_some_and(|standing| voice(standing, together) == Voice::Silent));
    silent_trouble(common, &silent.map(|feed| feed.schedule.provider.to_string()).take(MAX_NAMED).collect::<Vec<_>>())
}

/// What of a feed's episodes may have to be told again. What is late and missed is told once.
fn told_again(open: &[&OpenEpisode], again: Again<'_>, now: Timestamp) -> impl Iterator<Item = (Episode, Option<u32>)> {
    let missed = open.iter().any(|open| open.episode.problem == Problem::Missed);
    let seen_to = |open: &OpenEpisode| open.acknowledged || (missed && open.episode.problem == Problem::Late);
    let told = open.iter().filter(|open| !seen_to(open)).flat_map(|open| {
        let reminder = again.cadence.reminder(open.told_at, now).map(Some);
        let escalates = again.escalates && open.episode.problem.is_urgent() && again.cadence.escalates(open.told_at, now);
        reminder.into_iter().chain(escalates.then_some(None)).map(|number| (open.episode.clone(), number))
    });
    told.collect::<Vec<_>>().into_iter()
}

/// When deciding again may tell something, though nothing is recorded: a feed's next look, or the next time that what goes on is told.
#[must_use]
pub fn next_decision(
    feeds: &[FeedView<'_>],
    open: &[OpenEpisode],
    house: &[HouseEpisode],
    cadence: &Cadence,
    now: Timestamp,
) -> Option<Timestamp> {
    let looks = feeds.iter().filter_map(|feed| feed.standing).map(|standing| standing.next_look);
    let told = open.iter().map(|open| open.told_at).chain(house.iter().map(|episode| episode.opened_at));
    looks.chain(told.filter_map(|told_at| cadence.next(told_at, now))).filter(|at| now < *at).min()
}
