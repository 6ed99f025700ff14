//! Rounds: what the watch remembers of every feed between two looks, and whom it judges when.
//!
//! Owns the order of a round: read what is new, judge whose time has come, decide ([`decide`]), record. A feed of which nothing was recorded is judged only when something can be otherwise by the time alone
//! ([`Standing::next_look`]); so ten thousand feeds cost little while nothing happens.

use super::episodes::AGAIN_AFTER;
use super::telling::Told;
use super::watch::{Watch, WatchedFeed, put};
use super::{
    About, Again, AlertMessage, Change, Decision, Episode, Evidence, FeedView, HouseTrouble, OpenEpisode, away_trouble, decide,
    next_decision,
};
use crate::feed::{Announced, Finding, ProviderCode, Severity, Slot, Stage, in_force, local_date};
use crate::ledger::{Absence, DeliveryRow, EpisodeRow, Event, LedgerError};
use crate::schedule::{Arrival, Silence, SlotState, Standing, judge};
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
    /// Places of feeds of which something may have to be told still: it was held back, or could not be recorded.
    unsettled: BTreeSet<usize>,
}

/// What is remembered of one feed.
#[derive(Default)]
struct Known {
    /// Something was recorded since it was read.
    unread: bool,
    first_slot: Option<Slot>,
    arrivals: Vec<Arrival>,
    announced: Vec<Announced>,
    set_aside: Option<(Timestamp, String)>,
    judged: Option<(Timestamp, Standing)>,
    /// The day for which ends of keys and agreements were told.
    warned_on: Option<Date>,
}

impl Known {
    /// Whether a look at `now` can say something that the last one did not.
    fn is_due(&self, now: Timestamp) -> bool {
        // A clock that was put back makes the last look one of the future.
        self.judged.as_ref().is_none_or(|(at, standing)| now < *at || standing.next_look <= now)
    }

    fn standing(&self) -> Option<&Standing> {
        self.judged.as_ref().map(|(_, standing)| standing)
    }

    fn last_good(&self) -> Option<Timestamp> {
        self.standing().and_then(|standing| standing.newest_accepted).map(|newest| newest.snapshot_at)
    }
}

impl Watch {
    /// One round over all feeds. Gives when the next one is due, if nothing is recorded before.
    pub(super) async fn round(&self) -> Result<Option<Timestamp>, LedgerError> {
        let mut rounds = self.rounds.lock().await;
        let now = self.clock.now();
        self.read_news(&mut rounds, now).await?;
        let judged = self.judge_due(&mut rounds, now);
        rounds.unsettled.extend(judged);
        let (open, house) = (self.open_episodes().await?, self.open_house_episodes().await?);
        let again = Again { cadence: &self.cadence, escalates: self.escalates() };
        let views = self.views(&rounds);
        let Decision { changes, held, again, trouble } = decide(&views, &open, &house, again, now);
        let next = next_decision(&views, &open, &house, &self.cadence, now);
        self.judge_house(&house, trouble.into_iter().chain(self.absence(&rounds, now)).collect(), now).await?;
        self.record(&rounds, changes, now).await?;
        self.tell_again(&rounds, again, now).await?;
        rounds.unsettled = held;
        self.warn_of_ends(&mut rounds, now).await?;
        self.send_checkpoint(now).await?;
        Ok(next)
    }

    /// Records that somebody watches, where nothing else was recorded for a while: so the next start can tell since when nobody did.
    pub(super) async fn record_presence(&self) -> Result<(), LedgerError> {
        let now = self.clock.now();
        let newest = self.rounds.lock().await.newest_entry_at;
        if newest.is_some_and(|newest| now.duration_since(newest) < QUIET) {
            return Ok(());
        }
        self.ledger.append(now, vec![Event::Watched]).await?;
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
        let unread: Vec<usize> = (0..).zip(&rounds.feeds).filter(|(_, known)| known.unread).map(|(place, _)| place).collect();
        for batch in unread.chunks(BATCH) {
            let asked: Vec<_> =
                batch.iter().filter_map(|place| Some((*place, self.feeds.get(*place)?.schedule.provider.clone()))).collect();
            let read = self
                .ledger
                .read(move |reader| {
                    let read = |(place, provider): (usize, ProviderCode)| {
                        let (first_slot, rows) = (reader.first_slot(&provider)?, reader.for_judging(&provider, since)?);
                        Ok((place, first_slot, rows, reader.silences(&provider, since)?))
                    };
                    asked.into_iter().map(read).collect::<Result<Vec<_>, LedgerError>>()
                })
                .await?;
            for (place, first_slot, rows, announced) in read {
                let Some(known) = rounds.feeds.get_mut(place) else { continue };
                let arrivals = Arrival::all(rows.iter().map(|row| (&row.delivery, &row.stage, row.report.as_ref())));
                let set_aside = rows.iter().rev().find_map(set_aside);
                *known = Known { unread: false, first_slot, arrivals, announced, set_aside, judged: None, warned_on: known.warned_on };
            }
        }
        Ok(())
    }

    /// Judges every feed whose time has come; gives which.
    fn judge_due(&self, rounds: &mut Rounds, now: Timestamp) -> BTreeSet<usize> {
        let mut looked_at = BTreeSet::new();
        let absences: Vec<Silence> = rounds.absences.iter().map(silence_of).collect();
        for (place, (feed, known)) in self.feeds.iter().zip(&mut rounds.feeds).enumerate() {
            let Some(first_slot) = known.first_slot.filter(|_| known.is_due(now)) else { continue };
            let announced = known.announced.iter().filter_map(Silence::announced);
            let silences: Vec<Silence> = announced.chain(absences.iter().cloned()).collect();
            known.judged = Some((now, judge(&feed.schedule, first_slot, &silences, &known.arrivals, now)));
            looked_at.insert(place);
        }
        looked_at
    }

    /// All feeds' open episodes.
    async fn open_episodes(&self) -> Result<Vec<OpenEpisode>, LedgerError> {
        let rows = self.ledger.read(|reader| reader.all_open_episodes()).await?;
        let now = self.clock.now();
        let read = |EpisodeRow { key, episode, opened_at, acknowledged, .. }| match serde_json::from_value(episode) {
            Ok(episode) => {
                let acknowledged = acknowledged.is_some_and(|said| said.holds(now));
                Some(OpenEpisode { episode, told_at: opened_at, acknowledged })
            }
            Err(error) => {
                tracing::error!(key, %error, "an episode in the ledger cannot be read");
                None
            }
        };
        Ok(rows.into_iter().filter_map(read).collect())
    }

    fn views<'a>(&'a self, rounds: &'a Rounds) -> Vec<FeedView<'a>> {
        let feeds = self.feeds.iter().zip(&rounds.feeds).enumerate();
        let view = |(place, (feed, known)): (usize, (&'a WatchedFeed, &'a Known))| FeedView {
            schedule: &feed.schedule,
            standing: known.standing(),
            looked_at: rounds.unsettled.contains(&place),
        };
        feeds.map(view).collect()
    }

    /// What is told after a stretch in which we were not running: the newest one.
    fn absence(&self, rounds: &Rounds, now: Timestamp) -> Option<HouseTrouble> {
        let Absence { from, until } = rounds.absences.last().copied()?;
        let unknown = |standing: &Standing| {
            let missed = standing.slots.iter().filter(|slot| slot.state == SlotState::Unknown && from <= slot.due && slot.due <= now);
            missed.count()
        };
        let missed: Vec<usize> = rounds.feeds.iter().filter_map(Known::standing).map(unknown).filter(|count| *count > 0).collect();
        away_trouble(from, until, (missed.iter().sum(), missed.len()), now, &self.zone)
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
            let (mut begun, mut messages) = (Vec::with_capacity(batch.len()), Vec::with_capacity(batch.len()));
            for (place, change) in batch {
                let (Some(feed), Some(known)) = (self.feeds.get(*place), rounds.feeds.get(*place)) else { continue };
                let Some(change) = unless_told(change, &told, now) else { continue };
                messages.push(AlertMessage::of(&change, &self.about(feed, known)));
                begun.push(change);
            }
            let mut events = Vec::with_capacity(batch.len());
            for (change, Told { alerts, dropped }) in begun.into_iter().zip(self.tell_each(&messages, now).await?) {
                events.push(match change {
                    Change::Opened(episode) => {
                        Event::EpisodeOpened { key: episode.key(), provider: episode.provider.clone(), episode: put(&episode)?, alerts }
                    }
                    Change::Closed { episode, .. } => Event::EpisodeClosed { key: episode.key(), alerts },
                });
                events.extend(dropped);
            }
            self.append_told(events, now).await?;
        }
        Ok(())
    }

    /// Tells of what goes on, once for each reminder.
    async fn tell_again(&self, rounds: &Rounds, again: Vec<(usize, Episode, Option<u32>)>, now: Timestamp) -> Result<(), LedgerError> {
        let mut due = Vec::with_capacity(again.len());
        for (place, episode, number) in again {
            let (Some(feed), Some(known)) = (self.feeds.get(place), rounds.feeds.get(place)) else { continue };
            due.push((episode.key(), AlertMessage::of_again(&episode, number, &self.about(feed, known), now)));
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
            silence: in_force(&known.announced, self.clock.now()).map(|silence| silence.told(&self.zone)),
        }
    }
}

fn silence_of(absence: &Absence) -> Silence {
    Silence::outage(absence.from, absence.until)
}

fn opens(change: &Change) -> Option<String> {
    match change {
        Change::Opened(episode) => Some(episode.key()),
        Change::Closed { .. } => None,
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
