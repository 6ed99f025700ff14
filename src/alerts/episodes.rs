//! Episodes: one continuous stretch of one problem on one feed, the unit of alerting. Pure.
//!
//! Owns when an episode begins and ends. An episode is known by its key, which depends on the feed's history alone; so a
//! restart, or judging the same instant twice, says nothing new. Refuses clocks, the ledger and wording.
//!
//! Each problem has its own episodes: a feed that goes from late to missed has two open ones, and both end on recovery.
//! While planned silence covers the instant nothing begins, and what was late or missed is withdrawn; when it ends and the feed
//! is still silent, another episode begins. Files that were set aside still wait for somebody.

use crate::feed::{ProviderCode, Slot};
use crate::schedule::{FeedSchedule, Since, Standing};
use jiff::{SignedDuration, Timestamp};

/// What can be wrong with a feed for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Problem {
    /// A due file has not come.
    Late,
    /// A file has not come, and the time for it has passed.
    Missed,
    /// What comes is set aside.
    Rejected,
}

impl Problem {
    /// Every problem, in the order in which episodes are looked at.
    pub const ALL: [Self; 3] = [Self::Late, Self::Missed, Self::Rejected];

    /// The word used in keys, tables and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Late => "late",
            Self::Missed => "missed",
            Self::Rejected => "rejected",
        }
    }

    fn since(self, standing: &Standing) -> Option<Since> {
        match self {
            Self::Late => standing.late_since,
            Self::Missed => standing.missed_since,
            Self::Rejected => standing.rejected_since,
        }
    }
}

impl std::str::FromStr for Problem {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|problem| problem.as_str() == text).ok_or_else(|| format!("{text} is not a problem of a feed"))
    }
}

/// One continuous stretch of one problem on one feed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Episode {
    /// Whose feed.
    pub provider: ProviderCode,
    /// What is wrong.
    pub problem: Problem,
    /// The first slot affected.
    pub since_slot: Slot,
    /// When it became a problem: a due time, a time missed, or the arrival of the first file set aside.
    pub opened_at: Timestamp,
    /// How often the same stretch was told and ended before: a clock that was ahead had made it seem silent too early.
    #[serde(default, skip_serializing_if = "is_first")]
    pub again: u32,
}

fn is_first(again: &u32) -> bool {
    *again == 0
}

/// How long after its end the same stretch may be told again. A clock that jumps by an hour, there and back, does not get
/// so far, from an hour behind to an hour ahead: it would tell it at each jump.
pub(super) const AGAIN_AFTER: SignedDuration = SignedDuration::from_hours(3);

impl Episode {
    /// What tells episodes apart, for ever: provider, problem and beginning, as in `RM1/late/2018-12-03T10:15Z`.
    ///
    /// A slot can be late only once; but its file can be rejected, corrected, and rejected again. So a rejection's key has
    /// the instant at which the first rejected file came, not the slot.
    #[must_use]
    pub fn key(&self) -> String {
        let (provider, problem) = (&self.provider, self.problem.as_str());
        let key = match self.problem {
            Problem::Late | Problem::Missed => format!("{provider}/{problem}/{}", self.since_slot),
            Problem::Rejected => format!("{provider}/{problem}/{}", self.opened_at),
        };
        if self.again == 0 { key } else { format!("{key}/{}", self.again.saturating_add(1)) }
    }
}

/// How an episode ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// An accepted file came.
    Recovered,
    /// It no longer counts: silence was planned for that time, the file had come in time after all, or a file that was set
    /// aside was released.
    Withdrawn,
}

/// What happened to an episode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It began.
    Opened(Episode),
    /// It ended.
    Closed {
        /// Which.
        episode: Episode,
        /// When: the arrival of the file that ended it; for a withdrawal, the time of judging.
        at: Timestamp,
        /// How many slots fell due from its first one until then; at least 1.
        slots: u32,
        /// How.
        ending: Ending,
    },
}

/// What has changed for one feed, given its open episodes and how it stands at `now`. Other feeds' episodes are ignored.
///
/// Applying the changes to `open` and asking again at the same instant gives nothing.
#[must_use]
pub fn step(schedule: &FeedSchedule, open: &[Episode], standing: &Standing, now: Timestamp) -> Vec<Change> {
    Problem::ALL.into_iter().filter_map(|problem| step_one(schedule, open, standing, problem, now)).collect()
}

fn step_one(schedule: &FeedSchedule, open: &[Episode], standing: &Standing, problem: Problem, now: Timestamp) -> Option<Change> {
    let current = open.iter().find(|episode| episode.provider == schedule.provider && episode.problem == problem);
    match (current, problem.since(standing)) {
        (None, None) | (Some(_), Some(_)) => None,
        (None, Some(_)) if standing.silence.is_some() => None,
        (None, Some(since)) => {
            let provider = schedule.provider.clone();
            Some(Change::Opened(Episode { provider, problem, since_slot: since.slot, opened_at: since.at, again: 0 }))
        }
        (Some(episode), None) => close(schedule, episode, standing, now),
    }
}

fn close(schedule: &FeedSchedule, episode: &Episode, standing: &Standing, now: Timestamp) -> Option<Change> {
    // A late file that is set aside, or one that fills an old slot, is no recovery while newer slots are still empty: a feed
    // that is always half an hour late would otherwise begin and end an episode with every file.
    let goes_on = episode.problem != Problem::Rejected && standing.behind > 0;
    if goes_on && standing.silence.is_none() {
        return None;
    }
    let recovered_at = standing.last_accepted_at.filter(|at| !goes_on && episode.opened_at < *at);
    let (at, ending) = recovered_at.map_or((now, Ending::Withdrawn), |at| (at, Ending::Recovered));
    // What silence covers was not expected: it is no part of what had been missing.
    let most = if goes_on { standing.behind } else { u32::MAX };
    Some(Change::Closed { episode: episode.clone(), at, slots: slots_due(schedule, episode.since_slot, at).min(most), ending })
}

fn slots_due(schedule: &FeedSchedule, since: Slot, at: Timestamp) -> u32 {
    let newest_due = at.saturating_sub(schedule.due_after).map_or(since, Slot::containing);
    u32::try_from(newest_due.slots_after(since).saturating_add(1)).unwrap_or(1).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::{Arrival, Silence, SilenceKind, judge};

    fn at(clock: &str) -> Timestamp {
        format!("2018-12-03T{clock}:00Z").parse().unwrap()
    }

    /// A feed from 10:00 on; `10:00@10:03` was accepted, `10:00!10:03` set aside.
    fn arrivals(text: &str) -> Vec<Arrival> {
        let one = |word: &str| {
            let (slot, received) = word.split_once(['@', '!']).unwrap();
            let slot = Slot::containing(at(slot));
            Arrival {
                slot: Some(slot),
                snapshot_at: Some(slot.start()),
                received_at: at(received),
                accepted: word.contains('@'),
                superseded: false,
            }
        };
        text.split_whitespace().map(one).collect()
    }

    fn show(change: &Change) -> String {
        match change {
            Change::Opened(episode) => format!("+{}", episode.key()),
            Change::Closed { episode, at, slots, ending } => {
                format!("-{} at {} after {slots} {ending:?}", episode.key(), at.strftime("%H:%M"))
            }
        }
    }

    /// Judges at each time, and twice each time, as after a restart: the second judging must say nothing.
    fn check(silences: &[Silence], came: &str, rows: &[(&str, &[&str])]) {
        let schedule = FeedSchedule::new("RM1".parse().unwrap());
        let all = arrivals(came);
        let mut open: Vec<Episode> = Vec::new();
        for (now, expected) in rows {
            let now = at(now);
            let known: Vec<Arrival> = all.iter().filter(|arrival| arrival.received_at <= now).cloned().collect();
            let standing = judge(&schedule, Slot::containing(at("10:00")), silences, &known, now);
            let changes = step(&schedule, &open, &standing, now);
            assert_eq!(changes.iter().map(show).collect::<Vec<_>>(), *expected, "came {came:?}, seen at {now}");
            for change in changes {
                match change {
                    Change::Opened(episode) => open.push(episode),
                    Change::Closed { episode, .. } => open.retain(|it| *it != episode),
                }
            }
            assert_eq!(step(&schedule, &open, &standing, now), Vec::new(), "again at {now}");
        }
    }

    #[test]
    fn a_feed_is_late_once_missed_once_and_recovers_once() {
        let none: &[&str] = &[];
        check(
            &[],
            "10:45@10:48",
            &[
                ("10:05", none),
                ("10:06", &["+RM1/late/2018-12-03T10:00Z"]),
                ("10:19", none),
                ("10:20", &["+RM1/missed/2018-12-03T10:00Z"]),
                ("10:47", none),
                (
                    "10:52",
                    &["-RM1/late/2018-12-03T10:00Z at 10:48 after 3 Recovered", "-RM1/missed/2018-12-03T10:00Z at 10:48 after 3 Recovered"],
                ),
                ("11:04", none),
                ("11:06", &["+RM1/late/2018-12-03T11:00Z"]),
            ],
        );
    }

    #[test]
    fn a_late_file_of_an_old_slot_is_no_recovery() {
        check(
            &[],
            "10:00@10:30",
            &[("10:29", &["+RM1/late/2018-12-03T10:00Z", "+RM1/missed/2018-12-03T10:00Z"]), ("10:31", &[]), ("10:36", &[])],
        );
    }

    #[test]
    fn files_set_aside_are_one_episode_until_one_is_accepted() {
        check(
            &[],
            "10:00!10:02 10:15!10:17 10:30@10:32 10:30!10:33",
            &[
                ("10:03", &["+RM1/rejected/2018-12-03T10:02:00Z"]),
                ("10:18", &[]),
                ("10:32", &["-RM1/rejected/2018-12-03T10:02:00Z at 10:32 after 2 Recovered"]),
                // The same slot again: another episode, and so another key.
                ("10:33", &["+RM1/rejected/2018-12-03T10:33:00Z"]),
            ],
        );
    }

    #[test]
    fn a_late_file_that_is_set_aside_ends_no_lateness() {
        check(
            &[],
            "10:00!10:10 10:15@10:18",
            &[
                ("10:06", &["+RM1/late/2018-12-03T10:00Z"]),
                ("10:11", &["+RM1/rejected/2018-12-03T10:10:00Z"]),
                (
                    "10:19",
                    &[
                        "-RM1/late/2018-12-03T10:00Z at 10:18 after 1 Recovered",
                        "-RM1/rejected/2018-12-03T10:10:00Z at 10:18 after 1 Recovered",
                    ],
                ),
            ],
        );
    }

    #[test]
    fn planned_silence_begins_nothing_and_an_overrun_does() {
        let down = [Silence { from: at("10:15"), until: Some(at("10:45")), kind: SilenceKind::Planned }];
        check(&down, "10:00@10:01", &[("10:21", &[]), ("10:44", &[]), ("10:50", &[]), ("10:51", &["+RM1/late/2018-12-03T10:45Z"])]);
    }

    #[test]
    fn what_is_late_when_silence_begins_is_withdrawn_and_lateness_begins_anew_after_it() {
        let stretch = |from, until: Option<&str>, kind| [Silence { from: at(from), until: until.map(at), kind }];
        let missed = ["+RM1/late/2018-12-03T10:00Z", "+RM1/missed/2018-12-03T10:00Z"];
        // The provider's downtime begins while it is late already.
        check(
            &stretch("10:30", Some("11:00"), SilenceKind::Planned),
            "",
            &[
                ("10:29", &missed),
                (
                    "10:31",
                    &["-RM1/late/2018-12-03T10:00Z at 10:31 after 2 Withdrawn", "-RM1/missed/2018-12-03T10:00Z at 10:31 after 2 Withdrawn"],
                ),
                ("11:05", &[]),
                ("11:06", &["+RM1/late/2018-12-03T11:00Z"]),
            ],
        );
        // The same, seen late: what the silence covers is not counted as missing.
        check(
            &stretch("10:30", Some("11:00"), SilenceKind::Planned),
            "",
            &[
                ("10:29", &missed),
                (
                    "10:59",
                    &["-RM1/late/2018-12-03T10:00Z at 10:59 after 2 Withdrawn", "-RM1/missed/2018-12-03T10:00Z at 10:59 after 2 Withdrawn"],
                ),
            ],
        );
        // A pause that covers no slot's start is one all the same; once it is over, the next slot counts.
        check(
            &stretch("10:06", Some("10:12"), SilenceKind::Paused),
            "",
            &[
                ("10:05", &[]),
                ("10:07", &[]),
                ("10:13", &[]),
                ("10:20", &[]),
                ("10:21", &["+RM1/late/2018-12-03T10:15Z"]),
                ("10:35", &["+RM1/missed/2018-12-03T10:15Z"]),
            ],
        );
        // A file that comes during silence is a recovery; one that is set aside is told of when the silence is over.
        check(
            &stretch("10:15", Some("11:00"), SilenceKind::Planned),
            "10:15@10:17 10:30!10:32",
            &[
                ("10:06", &["+RM1/late/2018-12-03T10:00Z"]),
                ("10:18", &["-RM1/late/2018-12-03T10:00Z at 10:17 after 1 Recovered"]),
                ("10:33", &[]),
                ("11:01", &["+RM1/rejected/2018-12-03T10:32:00Z"]),
            ],
        );
        // One that was told of before stays: somebody has to act, whether more files are expected or not.
        check(
            &stretch("10:15", Some("11:00"), SilenceKind::Paused),
            "10:00!10:02",
            &[("10:03", &["+RM1/rejected/2018-12-03T10:02:00Z"]), ("10:16", &[]), ("11:01", &[])],
        );
    }

    #[test]
    fn an_episode_whose_time_is_planned_afterwards_is_withdrawn() {
        let schedule = FeedSchedule::new("RM1".parse().unwrap());
        let first = Slot::containing(at("10:00"));
        let open =
            [Episode { provider: schedule.provider.clone(), problem: Problem::Late, since_slot: first, opened_at: at("10:05"), again: 0 }];
        let down = [Silence { from: at("10:00"), until: None, kind: SilenceKind::Paused }];
        let standing = judge(&schedule, first, &down, &[], at("10:12"));
        let shown: Vec<String> = step(&schedule, &open, &standing, at("10:12")).iter().map(show).collect();
        assert_eq!(shown, ["-RM1/late/2018-12-03T10:00Z at 10:12 after 1 Withdrawn"]);
    }

    #[test]
    fn a_file_that_support_released_withdraws_its_rejection() {
        let schedule = FeedSchedule::new("RM1".parse().unwrap());
        let first = Slot::containing(at("10:00"));
        let open = [Episode {
            provider: schedule.provider.clone(),
            problem: Problem::Rejected,
            since_slot: first,
            opened_at: at("10:02"),
            again: 0,
        }];
        let standing = judge(&schedule, first, &[], &arrivals("10:00@10:02"), at("10:09"));
        let shown: Vec<String> = step(&schedule, &open, &standing, at("10:09")).iter().map(show).collect();
        assert_eq!(shown, ["-RM1/rejected/2018-12-03T10:02:00Z at 10:09 after 1 Withdrawn"]);
    }

    #[test]
    fn another_feeds_episodes_are_left_alone() {
        let (schedule, other) = (FeedSchedule::new("RM1".parse().unwrap()), FeedSchedule::new("RGP".parse().unwrap()));
        let first = Slot::containing(at("10:00"));
        let open = [Episode { provider: other.provider, problem: Problem::Late, since_slot: first, opened_at: at("10:05"), again: 0 }];
        let standing = judge(&schedule, first, &[], &[], at("10:06"));
        let shown: Vec<String> = step(&schedule, &open, &standing, at("10:06")).iter().map(show).collect();
        assert_eq!(shown, ["+RM1/late/2018-12-03T10:00Z"]);
    }
}
