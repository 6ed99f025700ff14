//! Episodes: one continuous stretch of one problem on one feed, the unit of alerting. Pure.
//!
//! Owns when an episode begins and ends. An episode is known by its key, which depends on the feed's history alone; so a
//! restart, or judging the same instant twice, says nothing new. Refuses clocks, the ledger and wording.
//!
//! Each problem has its own episodes: a feed that goes from late to missed has two open ones, and both end on recovery.
//! While planned silence covers the instant nothing begins, and what was late or missed is withdrawn; when it ends and the feed
//! is still silent, another episode begins. Files that were set aside still wait for somebody. A feed whose trouble comes and goes
//! is unstable: that is one episode, and while it lasts no stretch of the trouble begins another.

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
    /// Files come in time, with old figures.
    Stale,
    /// The figures do not move.
    Frozen,
    /// A slot at a key time has no figures.
    KeyTime,
    /// Trouble comes and goes.
    Unstable,
}

impl Problem {
    /// Every problem, in the order in which episodes are looked at.
    pub const ALL: [Self; 7] = [Self::Late, Self::Missed, Self::Rejected, Self::Stale, Self::Frozen, Self::KeyTime, Self::Unstable];

    /// The word used in keys, tables and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Late => "late",
            Self::Missed => "missed",
            Self::Rejected => "rejected",
            Self::Stale => "stale",
            Self::Frozen => "frozen",
            Self::KeyTime => "key_time",
            Self::Unstable => "unstable",
        }
    }

    /// Whether it means that nothing comes: what our own network or host could be the cause of.
    #[must_use]
    pub fn is_silence(self) -> bool {
        match self {
            Self::Late | Self::Missed | Self::KeyTime => true,
            Self::Rejected | Self::Stale | Self::Frozen | Self::Unstable => false,
        }
    }

    /// Whether somebody has to act: then, if nobody acknowledges it, others are told.
    #[must_use]
    pub fn is_urgent(self) -> bool {
        match self {
            Self::Missed | Self::Rejected | Self::Stale | Self::KeyTime => true,
            Self::Late | Self::Frozen | Self::Unstable => false,
        }
    }

    /// Whether an unstable feed's stretches of it begin no episodes.
    fn comes_and_goes(self) -> bool {
        match self {
            Self::Late | Self::Missed | Self::Rejected | Self::Stale => true,
            Self::Frozen | Self::KeyTime | Self::Unstable => false,
        }
    }

    fn since(self, standing: &Standing) -> Option<Since> {
        match self {
            Self::Late => standing.late_since,
            Self::Missed => standing.missed_since,
            Self::Rejected => standing.rejected_since,
            Self::Stale => standing.stale_since,
            Self::Frozen => standing.frozen_since,
            Self::KeyTime => standing.key_time_since,
            Self::Unstable => standing.unstable_since,
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
            Problem::Late | Problem::Missed | Problem::Stale | Problem::Frozen | Problem::KeyTime | Problem::Unstable => {
                format!("{provider}/{problem}/{}", self.since_slot)
            }
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
    /// It no longer counts: silence was planned for that time, the file had come in time after all, a file that was set aside was
    /// released, the next key time has come, or an unstable feed is steadily wrong.
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
    let open: Vec<&Episode> = open.iter().filter(|episode| episode.provider == schedule.provider).collect();
    let of = |problem| open.iter().copied().find(|episode| episode.problem == problem);
    let unstable = is_unstable(of(Problem::Unstable).is_some(), standing);
    let feed = Feed { schedule, standing, unstable, now };
    Problem::ALL.into_iter().flat_map(|problem| feed.step(problem, of(problem))).collect()
}

/// Whether the feed counts as unstable: once it does, until it has been the same for an hour.
fn is_unstable(was: bool, standing: &Standing) -> bool {
    if was { !standing.steady } else { standing.unstable_since.is_some() && !standing.steady }
}

struct Feed<'a> {
    schedule: &'a FeedSchedule,
    standing: &'a Standing,
    unstable: bool,
    now: Timestamp,
}

impl Feed<'_> {
    fn step(&self, problem: Problem, open: Option<&Episode>) -> Vec<Change> {
        let since = match problem {
            Problem::Unstable if self.unstable => {
                let known = open.map(|episode| Since { slot: episode.since_slot, at: episode.opened_at });
                known.or(self.standing.unstable_since)
            }
            Problem::Unstable => None,
            _ => problem.since(self.standing),
        };
        match (open, since) {
            (None, None) => Vec::new(),
            (None, Some(since)) => self.begin(problem, since).into_iter().collect(),
            // The next key time is a stretch of its own.
            (Some(episode), Some(since)) if problem == Problem::KeyTime && episode.since_slot != since.slot => {
                let ended = self.ended(episode, self.now, Ending::Withdrawn);
                std::iter::once(ended).chain(self.begin(problem, since)).collect()
            }
            (Some(_), Some(_)) => Vec::new(),
            (Some(episode), None) => self.end(episode).into_iter().collect(),
        }
    }

    fn begin(&self, problem: Problem, since: Since) -> Option<Change> {
        if self.standing.silence.is_some() || (self.unstable && problem.comes_and_goes()) {
            return None;
        }
        let provider = self.schedule.provider.clone();
        Some(Change::Opened(Episode { provider, problem, since_slot: since.slot, opened_at: since.at, again: 0 }))
    }

    fn end(&self, episode: &Episode) -> Option<Change> {
        let (standing, now) = (self.standing, self.now);
        match episode.problem {
            // What silence covers was not expected, and whoever announced it knew what was missing.
            Problem::Late | Problem::Missed | Problem::Stale if standing.behind > 0 && standing.silence.is_some() => {
                let Change::Closed { episode, at, slots, ending } = self.ended(episode, now, Ending::Withdrawn) else { return None };
                return Some(Change::Closed { episode, at, slots: slots.min(standing.behind), ending });
            }
            // A late file that is set aside, or one that fills an old slot, is no recovery while newer slots are still empty: a
            // feed that is always half an hour late would otherwise begin and end an episode with every file.
            Problem::Late | Problem::Missed | Problem::Stale if standing.behind > 0 => return None,
            Problem::Unstable if standing.behind > 0 || standing.rejected_since.is_some() => {
                return Some(self.ended(episode, now, Ending::Withdrawn));
            }
            Problem::KeyTime if !self.is_filled(episode.since_slot) => return Some(self.ended(episode, now, Ending::Withdrawn)),
            _ => {}
        }
        let recovered_at = standing.last_accepted_at.filter(|at| episode.opened_at < *at);
        let (at, ending) = recovered_at.map_or((now, Ending::Withdrawn), |at| (at, Ending::Recovered));
        Some(self.ended(episode, at, ending))
    }

    fn is_filled(&self, slot: Slot) -> bool {
        self.standing.slots.iter().any(|standing| standing.slot == slot && standing.filled_at.is_some())
    }

    fn ended(&self, episode: &Episode, at: Timestamp, ending: Ending) -> Change {
        let slots = match episode.problem {
            Problem::KeyTime => 1,
            _ => slots_due(self.schedule, episode.since_slot, at),
        };
        Change::Closed { episode: episode.clone(), at, slots, ending }
    }
}

fn slots_due(schedule: &FeedSchedule, since: Slot, at: Timestamp) -> u32 {
    let newest_due = at.saturating_sub(schedule.terms(since).due_after).map_or(since, Slot::containing);
    u32::try_from(newest_due.slots_after(since).saturating_add(1)).unwrap_or(1).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::{Arrival, Silence, SilenceKind, judge};

    fn at(clock: &str) -> Timestamp {
        let text = if clock.contains('T') { clock.to_owned() } else { format!("2018-12-03T{clock}:00Z") };
        text.parse().unwrap()
    }

    fn schedule() -> FeedSchedule {
        FeedSchedule::new("RM1".parse().unwrap())
    }

    /// A feed from 10:00 on; `10:00@10:03` was accepted, `10:00!10:03` set aside, `10:00*10:03` has figures that did not move.
    fn arrivals(text: &str) -> Vec<Arrival> {
        let one = |word: &str| {
            let (slot, received) = word.split_once(['@', '!', '*']).unwrap();
            let slot = Slot::containing(at(slot));
            Arrival {
                slot: Some(slot),
                snapshot_at: Some(slot.start()),
                received_at: at(received),
                accepted: !word.contains('!'),
                superseded: false,
                repeated: false,
                frozen: word.contains('*'),
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
        check_by(&schedule(), silences, came, rows);
    }

    fn check_by(schedule: &FeedSchedule, silences: &[Silence], came: &str, rows: &[(&str, &[&str])]) {
        let all = arrivals(came);
        let mut open: Vec<Episode> = Vec::new();
        for (now, expected) in rows {
            let now = at(now);
            let known: Vec<Arrival> = all.iter().filter(|arrival| arrival.received_at <= now).cloned().collect();
            let standing = judge(schedule, Slot::containing(at("10:00")), silences, &known, now);
            let changes = step(schedule, &open, &standing, now);
            assert_eq!(changes.iter().map(show).collect::<Vec<_>>(), *expected, "came {came:?}, seen at {now}");
            for change in changes {
                match change {
                    Change::Opened(episode) => open.push(episode),
                    Change::Closed { episode, .. } => open.retain(|it| *it != episode),
                }
            }
            assert_eq!(step(schedule, &open, &standing, now), Vec::new(), "again at {now}");
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
    fn old_figures_and_figures_that_do_not_move_are_told_of_apart() {
        check(
            &[],
            "10:00@10:01 10:00@10:16 10:00@10:31 10:45@10:46 11:00*11:01 11:15*11:16 11:30@11:31",
            &[
                ("10:20", &[]),
                ("10:21", &["+RM1/stale/2018-12-03T10:15Z"]),
                ("10:36", &[]),
                ("10:46", &["-RM1/stale/2018-12-03T10:15Z at 10:46 after 2 Recovered"]),
                ("11:02", &["+RM1/frozen/2018-12-03T11:00Z"]),
                ("11:17", &[]),
                ("11:32", &["-RM1/frozen/2018-12-03T11:00Z at 11:31 after 2 Recovered"]),
            ],
        );
    }

    #[test]
    fn a_key_time_without_figures_is_told_of_until_they_come_or_the_next_key_time() {
        let schedule = FeedSchedule {
            key_times: vec![jiff::civil::time(10, 15, 0, 0), jiff::civil::time(11, 0, 0, 0), jiff::civil::time(11, 30, 0, 0)],
            ..schedule()
        };
        check_by(
            &schedule,
            &[],
            "10:00@10:01 10:30@10:31 10:45@10:46 11:15@11:16 11:00@11:20 11:30@11:31",
            &[
                ("10:21", &["+RM1/late/2018-12-03T10:15Z", "+RM1/key_time/2018-12-03T10:15Z"]),
                ("10:32", &["-RM1/late/2018-12-03T10:15Z at 10:31 after 1 Recovered"]),
                (
                    "11:06",
                    &[
                        "+RM1/late/2018-12-03T11:00Z",
                        "-RM1/key_time/2018-12-03T10:15Z at 11:06 after 1 Withdrawn",
                        "+RM1/key_time/2018-12-03T11:00Z",
                    ],
                ),
                ("11:17", &["-RM1/late/2018-12-03T11:00Z at 11:16 after 1 Recovered"]),
                ("11:21", &["-RM1/key_time/2018-12-03T11:00Z at 11:20 after 1 Recovered"]),
                ("11:36", &[]),
            ],
        );
    }

    #[test]
    fn trouble_that_comes_and_goes_is_one_episode_until_the_feed_is_steady() {
        check(
            &[],
            "10:00@10:06 10:15@10:21 10:30@10:36 10:45@10:51 11:00@11:01 11:15@11:16 11:30@11:31 11:45@11:46",
            &[
                // What was late from the first slot on: a stretch begins where one before it had been filled.
                ("10:05", &[]),
                ("2018-12-03T10:05:01Z", &["+RM1/late/2018-12-03T10:00Z"]),
                ("10:06", &["-RM1/late/2018-12-03T10:00Z at 10:06 after 1 Recovered"]),
                ("2018-12-03T10:20:01Z", &["+RM1/late/2018-12-03T10:15Z"]),
                ("10:21", &["-RM1/late/2018-12-03T10:15Z at 10:21 after 1 Recovered"]),
                ("2018-12-03T10:35:01Z", &["+RM1/late/2018-12-03T10:30Z"]),
                ("10:36", &["-RM1/late/2018-12-03T10:30Z at 10:36 after 1 Recovered"]),
                ("2018-12-03T10:50:01Z", &["+RM1/unstable/2018-12-03T10:45Z"]),
                ("10:51", &[]),
                ("11:06", &[]),
                ("11:36", &[]),
                ("2018-12-03T11:50:01Z", &["-RM1/unstable/2018-12-03T10:45Z at 11:46 after 4 Recovered"]),
            ],
        );
    }

    #[test]
    fn an_unstable_feed_that_falls_silent_is_late_again() {
        check(
            &[],
            "10:00@10:01 10:15@10:21 10:30@10:36 10:45@10:51",
            &[
                ("10:51", &["+RM1/unstable/2018-12-03T10:45Z"]),
                ("2018-12-03T11:05:01Z", &[]),
                ("11:36", &[]),
                ("11:50", &[]),
                (
                    "11:51",
                    &[
                        "+RM1/late/2018-12-03T11:00Z",
                        "+RM1/missed/2018-12-03T11:00Z",
                        "-RM1/unstable/2018-12-03T10:45Z at 11:51 after 5 Withdrawn",
                    ],
                ),
            ],
        );
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
