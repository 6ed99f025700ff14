//! Rounds: what the watch remembers of every feed between two looks, and whom it judges when.
//!
//! Owns the order of a round: read what is new, judge whose time has come, ask whether the cause is ours, then say what began, what goes
//! on and what ended. A feed of which nothing was recorded is judged only when something can be otherwise by the time alone
//! ([`Standing::next_look`]); so ten thousand feeds cost little while nothing happens.

use super::episodes::AGAIN_AFTER;
use super::watch::{Watch, WatchedFeed, put};
use super::{
    About, AlertMessage, Change, Common, Episode, Evidence, HouseEpisode, HouseProblem, HouseTrouble, Problem, Voice, away_trouble,
    common_cause, silent_trouble, step, together_since, voice,
};
use crate::fault::{self, Step};
use crate::feed::{Finding, Severity, Slot, Stage, local_date};
use crate::ledger::{Absence, DeliveryRow, EpisodeRow, Event, LedgerError};
use crate::schedule::{Arrival, Silence, SilenceKind, SlotState, Standing, judge};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// How far back arrivals are read: longer than any window that is shown or judged.
const REACH: SignedDuration = SignedDuration::from_hours(26);

/// How long nothing may be recorded before the watch records that it is there.
const QUIET: SignedDuration = SignedDuration::from_mins(5);

/// Feeds read, or changes recorded, at one go.
const BATCH: usize = 100;

/// What is remembered between two rounds. It is all in the ledger too: a new one is only slower at first.
#[derive(Default)]
pub(super) struct Rounds {
    /// The newest entry that was taken into account.
    through: Option<u64>,
    newest_entry_at: Option<Timestamp>,
    absences: Vec<Absence>,
    /// In the order of the watch's feeds.
    feeds: Vec<Known>,
}

/// What is remembered of one feed.
#[derive(Default)]
struct Known {
    /// Something was recorded since it was read.
    unread: bool,
    first_slot: Option<Slot>,
    arrivals: Vec<Arrival>,
    set_aside: Option<(Timestamp, String)>,
    judged: Option<(Timestamp, Standing)>,
    /// Its silence was not told, for it was that of most feeds.
    held: bool,
    /// The day for which ends of keys and agreements were told.
    warned_on: Option<Date>,
}

impl Known {
    /// Whether a look at `now` can say something that the last one did not.
    fn is_due(&self, now: Timestamp) -> bool {
        // A clock that was put back makes the last look one of the future.
        self.held || self.judged.as_ref().is_none_or(|(at, standing)| now < *at || standing.next_look <= now)
    }

    fn standing(&self) -> Option<&Standing> {
        self.judged.as_ref().map(|(_, standing)| standing)
    }

    fn last_good(&self) -> Option<Timestamp> {
        self.standing().and_then(|standing| standing.newest_accepted).map(|newest| newest.snapshot_at)
    }
}

/// An episode that goes on.
struct Open {
    key: String,
    episode: Episode,
    /// When it was told.
    told_at: Timestamp,
}

impl Watch {
    /// One round over all feeds. Gives when the next one is due, if nothing is recorded before.
    pub(super) async fn round(&self) -> Result<Option<Timestamp>, LedgerError> {
        let mut rounds = self.rounds.lock().await;
        let now = self.clock.now();
        self.read_news(&mut rounds, now).await?;
        let judged = self.judge_due(&mut rounds, now);
        let open = self.open_episodes().await?;
        let house = self.open_house_episodes().await?;
        let common = Self::common(&rounds, &house, now);
        let troubles = self.our_troubles(&rounds, common, &house, now);
        self.judge_house(&house, troubles, now).await?;
        let changes = self.changes(&mut rounds, &judged, &open, common.is_some(), now);
        let closed: BTreeSet<String> = changes.iter().filter_map(|(_, change)| closes(change)).collect();
        self.record(&rounds, changes, now).await?;
        let open = open.into_values().flatten().filter(|open| !closed.contains(&open.key)).collect::<Vec<_>>();
        self.tell_again(&rounds, &open, now).await?;
        self.warn_of_ends(&mut rounds, now).await?;
        self.send_checkpoint(now).await?;
        let looks = rounds.feeds.iter().filter_map(|known| known.standing().map(|standing| standing.next_look));
        let again = open.iter().filter_map(|open| self.cadence.next(open.told_at, now));
        Ok(looks.chain(again).filter(|at| now < *at).min())
    }

    /// Records that somebody watches, where nothing else was recorded for a while: so the next start can tell since when nobody did.
    pub(super) async fn record_presence(&self) -> Result<(), LedgerError> {
        let now = self.clock.now();
        let newest = self.rounds.lock().await.newest_entry_at;
        if newest.is_some_and(|newest| now.duration_since(newest) < QUIET) {
            return Ok(());
        }
        fault::during(Step::WatchRecord, self.ledger.append(now, vec![Event::Watched])).await?;
        self.rounds.lock().await.newest_entry_at = Some(now);
        Ok(())
    }

    /// Reads again what something was recorded about since the last round.
    async fn read_news(&self, rounds: &mut Rounds, now: Timestamp) -> Result<(), LedgerError> {
        rounds.feeds.resize_with(self.feeds.len(), || Known { unread: true, ..Known::default() });
        let through = rounds.through;
        let since = now.saturating_sub(REACH).unwrap_or(now);
        let (head, newest_entry_at, absences, news) = self
            .ledger
            .read(move |reader| {
                let head = reader.head()?.seq;
                let news = match through {
                    Some(seen) if seen < head => reader.providers_after(seen)?,
                    _ => BTreeSet::new(),
                };
                Ok((head, reader.newest_entry_at()?, reader.absences(since)?, news))
            })
            .await?;
        for (feed, known) in self.feeds.iter().zip(&mut rounds.feeds) {
            known.unread |= news.contains(&feed.schedule.provider);
        }
        (rounds.through, rounds.newest_entry_at, rounds.absences) = (Some(head), newest_entry_at, absences);
        let unread: Vec<usize> = (0..).zip(&rounds.feeds).filter(|(_, known)| known.unread).map(|(index, _)| index).collect();
        for batch in unread.chunks(BATCH) {
            let asked: Vec<_> =
                batch.iter().filter_map(|index| Some((*index, self.feeds.get(*index)?.schedule.provider.clone()))).collect();
            let read = self
                .ledger
                .read(move |reader| {
                    let read = |(index, provider)| Ok((index, reader.first_slot(&provider)?, reader.for_judging(&provider, since)?));
                    asked.into_iter().map(read).collect::<Result<Vec<_>, LedgerError>>()
                })
                .await?;
            for (index, first_slot, rows) in read {
                let Some(known) = rounds.feeds.get_mut(index) else { continue };
                let arrivals = Arrival::all(rows.iter().map(|row| (&row.delivery, &row.stage, row.report.as_ref())));
                let set_aside = rows.iter().rev().find_map(set_aside);
                *known = Known { unread: false, first_slot, arrivals, set_aside, judged: None, held: known.held, warned_on: known.warned_on };
            }
        }
        Ok(())
    }

    /// Judges every feed whose time has come; gives which.
    fn judge_due(&self, rounds: &mut Rounds, now: Timestamp) -> Vec<usize> {
        let mut judged = Vec::new();
        let absences: Vec<Silence> = rounds.absences.iter().map(silence_of).collect();
        for (index, (feed, known)) in self.feeds.iter().zip(&mut rounds.feeds).enumerate() {
            let Some(first_slot) = known.first_slot.filter(|_| known.is_due(now)) else { continue };
            known.judged = Some((now, judge(&feed.schedule, first_slot, &absences, &known.arrivals, now)));
            judged.push(index);
        }
        judged
    }

    /// All feeds' open episodes, by provider.
    async fn open_episodes(&self) -> Result<BTreeMap<String, Vec<Open>>, LedgerError> {
        let mut open: BTreeMap<String, Vec<Open>> = BTreeMap::new();
        for row in self.ledger.read(|reader| reader.all_open_episodes()).await? {
            let EpisodeRow { key, provider, episode, opened_at, .. } = row;
            match serde_json::from_value(episode) {
                Ok(episode) => open.entry(provider.to_string()).or_default().push(Open { key, episode, told_at: opened_at }),
                Err(error) => tracing::error!(key, %error, "an episode in the ledger cannot be read"),
            }
        }
        Ok(open)
    }

    /// Whether most feeds fell silent together.
    fn common(rounds: &Rounds, house: &[HouseEpisode], now: Timestamp) -> Option<Common> {
        let since = silent_since(house, now);
        common_cause(rounds.feeds.iter().filter_map(Known::standing).map(|standing| voice(standing, since)))
    }

    /// What is wrong on our own side as the feeds tell it.
    fn our_troubles(&self, rounds: &Rounds, common: Option<Common>, house: &[HouseEpisode], now: Timestamp) -> Vec<HouseTrouble> {
        let since = silent_since(house, now);
        let feeds = || self.feeds.iter().zip(&rounds.feeds).filter_map(|(feed, known)| Some((feed, known.standing()?)));
        let silent = common.map(|common| {
            let silent = feeds().filter(|(_, standing)| voice(standing, since) == Voice::Silent);
            silent_trouble(common, &silent.map(|(feed, _)| feed.schedule.provider.to_string()).take(20).collect::<Vec<_>>())
        });
        let away = rounds.absences.last().and_then(|Absence { from, until }| {
            let unknown = |standing: &Standing| {
                let missed = standing.slots.iter().filter(|slot| slot.state == SlotState::Unknown && *from <= slot.due && slot.due <= now);
                missed.count()
            };
            let missed: Vec<usize> = feeds().map(|(_, standing)| unknown(standing)).filter(|count| *count > 0).collect();
            away_trouble(*from, *until, (missed.iter().sum(), missed.len()), now, &self.zone)
        });
        silent.into_iter().chain(away).collect()
    }

    /// What has changed for the feeds that were judged. While most feeds are silent together, no silence begins.
    fn changes(
        &self,
        rounds: &mut Rounds,
        judged: &[usize],
        open: &BTreeMap<String, Vec<Open>>,
        hold: bool,
        now: Timestamp,
    ) -> Vec<(usize, Change)> {
        let mut changes = Vec::new();
        for index in judged {
            let (Some(feed), Some(known)) = (self.feeds.get(*index), rounds.feeds.get_mut(*index)) else { continue };
            let Some((_, standing)) = &known.judged else { continue };
            let of_feed = open.get(feed.schedule.provider.as_str()).into_iter().flatten().map(|open| open.episode.clone());
            known.held = false;
            for change in step(&feed.schedule, &of_feed.collect::<Vec<_>>(), standing, now) {
                if hold && matches!(&change, Change::Opened(episode) if episode.problem.is_silence()) {
                    known.held = true;
                } else {
                    changes.push((*index, change));
                }
            }
        }
        changes
    }

    /// Records changes with their messages. What a clock that was ahead has told and taken back is told again once it is true:
    /// silence must not go unnoticed for that.
    async fn record(&self, rounds: &Rounds, changes: Vec<(usize, Change)>, now: Timestamp) -> Result<(), LedgerError> {
        for batch in changes.chunks(BATCH) {
            let keys: Vec<String> = batch.iter().filter_map(|(_, change)| opens(change)).collect();
            let told = self
                .ledger
                .read(move |reader| {
                    let told = |key: String| reader.told_before(&key).map(|told| (key, told));
                    keys.into_iter().map(told).collect::<Result<BTreeMap<_, _>, _>>()
                })
                .await?;
            let mut events = Vec::with_capacity(batch.len());
            for (index, change) in batch {
                let (Some(feed), Some(known)) = (self.feeds.get(*index), rounds.feeds.get(*index)) else { continue };
                let Some(change) = unless_told(change, &told, now) else { continue };
                let alerts = self.for_every_channel(&AlertMessage::of(&change, &self.about(feed, known)))?;
                events.push(match change {
                    Change::Opened(episode) => {
                        Event::EpisodeOpened { key: episode.key(), provider: episode.provider.clone(), episode: put(&episode)?, alerts }
                    }
                    Change::Closed { episode, .. } => Event::EpisodeClosed { key: episode.key(), alerts },
                });
            }
            if !events.is_empty() {
                fault::during(Step::EpisodeRecord, self.ledger.append(now, events)).await?;
                self.queued.notify_waiters();
            }
        }
        Ok(())
    }

    /// Tells of what goes on: as a reminder, or to others. What is late and missed goes on once.
    async fn tell_again(&self, rounds: &Rounds, open: &[Open], now: Timestamp) -> Result<(), LedgerError> {
        let missed: BTreeSet<&str> =
            open.iter().filter(|open| open.episode.problem == Problem::Missed).map(|open| open.episode.provider.as_str()).collect();
        let by_provider: BTreeMap<&str, (&WatchedFeed, &Known)> =
            self.feeds.iter().zip(&rounds.feeds).map(|(feed, known)| (feed.schedule.provider.as_str(), (feed, known))).collect();
        let mut due = Vec::new();
        for open in open {
            let provider = open.episode.provider.as_str();
            let Some((feed, known)) = by_provider.get(provider) else { continue };
            if open.episode.problem == Problem::Late && missed.contains(provider) {
                continue;
            }
            let message = |number| AlertMessage::of_again(&open.episode, number, &self.about(feed, known), now);
            due.extend(self.cadence.reminder(open.told_at, now).map(|number| (open.key.clone(), message(Some(number)))));
            if !self.escalate_to.is_empty() && self.cadence.escalates(open.told_at, now) && open.episode.problem.is_urgent() {
                due.push((open.key.clone(), message(None)));
            }
        }
        self.queue_again(due, now).await
    }

    /// Tells of keys and agreements that end soon or have ended, each warning once for ever.
    async fn warn_of_ends(&self, rounds: &mut Rounds, now: Timestamp) -> Result<(), LedgerError> {
        let today = local_date(now, &self.zone);
        for (feed, known) in self.feeds.iter().zip(&mut rounds.feeds) {
            if known.warned_on != Some(today) {
                self.warn_of_ends_of(feed, self.about(feed, known), today, now).await?;
                known.warned_on = Some(today);
            }
        }
        Ok(())
    }

    fn about<'a>(&'a self, feed: &'a WatchedFeed, known: &Known) -> About<'a> {
        let evidence = self.witness.as_ref().map(|witness| witness(&feed.schedule.provider)).unwrap_or_default();
        About {
            provider_name: feed.name.as_str(),
            last_good: known.last_good(),
            never_sent: known.standing().is_some_and(|standing| standing.never_sent),
            evidence: Evidence { set_aside: known.set_aside.clone(), ..evidence },
            contact: feed.contact.as_str(),
            zone: &self.zone,
        }
    }
}

/// Feeds that fell silent since then did so together.
fn silent_since(house: &[HouseEpisode], now: Timestamp) -> Timestamp {
    let told = house.iter().find(|episode| episode.problem == HouseProblem::Silent).map(|episode| episode.opened_at);
    together_since(told, now)
}

fn silence_of(absence: &Absence) -> Silence {
    Silence { from: absence.from, until: Some(absence.until), kind: SilenceKind::Outage }
}

fn opens(change: &Change) -> Option<String> {
    match change {
        Change::Opened(episode) => Some(episode.key()),
        Change::Closed { .. } => None,
    }
}

fn closes(change: &Change) -> Option<String> {
    match change {
        Change::Closed { episode, .. } => Some(episode.key()),
        Change::Opened(_) => None,
    }
}

/// The change as it is recorded; `None` where it begins what was told before, and ended only just now.
fn unless_told(change: &Change, told: &BTreeMap<String, (u32, Option<Timestamp>)>, now: Timestamp) -> Option<Change> {
    let Change::Opened(episode) = change else { return Some(change.clone()) };
    let (again, ended) = told.get(&episode.key()).copied().unwrap_or_default();
    let over = ended.is_some_and(|ended| now.duration_since(ended) >= AGAIN_AFTER);
    (again == 0 || over).then(|| Change::Opened(Episode { again, ..episode.clone() }))
}

/// When a delivery came that was set aside, and the finding that rejected it.
fn set_aside(row: &DeliveryRow) -> Option<(Timestamp, String)> {
    if !matches!(row.stage, Stage::Quarantined { .. } | Stage::HandedBack { .. }) {
        return None;
    }
    let worst = |finding: &&Finding| finding.severity == Severity::RejectFile;
    let finding = row.report.as_ref()?.findings.iter().find(worst)?;
    Some((row.delivery.received_at, format!("{} ({})", finding.rule, finding.message.trim_end_matches('.'))))
}
