//! The watch: asks the schedule about every feed, records what began and ended, and hands alerts to their channels.
//!
//! An episode and its messages are committed together, so a crash neither loses nor repeats one; a channel that took a
//! message just before a crash may get it again, with the same key.

use super::episodes::AGAIN_AFTER;
use super::heartbeat::{JUDGING, beat};
use super::states::keep_told;
use super::telling::Told;
use super::{
    About, AlertMessage, Change, Channel, Episode, Heartbeat, HouseChange, HouseEpisode, HouseLook, HouseProblem, MAX_WAIT, Outgoing,
    Queue, Route, Routing, Turned, house_step, next_attempt, send, step, waited, warehouse_trouble,
};
use crate::fault::{self, Step};
use crate::feed::{Clock, ProviderCode, Slot, Term, error_chain, expiries, local_date};
use crate::ledger::{Checkpoint, DueAlert, EpisodeRow, Event, Ledger, LedgerError};
use crate::schedule::{Arrival, FeedSchedule, judge};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// The longest pause between two rounds: what an alert can be late by where nothing else wakes the watch.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Pause after news, so that a burst of deliveries is judged once.
const GATHER: Duration = Duration::from_millis(200);
/// How far back arrivals are read: longer than any window that is shown or judged.
const REACH: SignedDuration = SignedDuration::from_hours(26);
/// Most messages taken from the outbox at a time.
const BATCH: u32 = 500;

/// A feed that is watched.
#[derive(Clone, Debug)]
pub struct WatchedFeed {
    /// When its files are expected.
    pub schedule: FeedSchedule,
    /// The provider's name.
    pub name: String,
    /// Whom to ring, on one line.
    pub contact: String,
    /// What of its account ends on a day.
    pub terms: Vec<Term>,
}

/// Says what is wrong on our own side now.
pub type Probe = Arc<dyn Fn() -> HouseLook + Send + Sync>;

/// The watch over all feeds.
#[derive(Clone)]
pub struct Watch {
    pub(super) ledger: Ledger,
    pub(super) clock: Arc<dyn Clock>,
    feeds: Arc<Vec<WatchedFeed>>,
    channels: Arc<Vec<Channel>>,
    pub(super) routing: Arc<Routing>,
    checkpoint_to: Arc<Vec<String>>,
    pub(super) zone: TimeZone,
    queued: Arc<Notify>,
    house: Option<Probe>,
    heartbeat: Option<Heartbeat>,
    pub(super) turned: Turned,
}

impl Watch {
    /// A watch over feeds, telling channels; times in messages are local to `zone`.
    #[must_use]
    pub fn new(ledger: Ledger, clock: Arc<dyn Clock>, feeds: Vec<WatchedFeed>, channels: Vec<Channel>, zone: TimeZone) -> Self {
        let routing = Arc::new(Routing { channels: channels.iter().map(Channel::name).collect(), ..Routing::default() });
        let (feeds, channels, queued) = (Arc::new(feeds), Arc::new(channels), Arc::new(Notify::new()));
        let (checkpoint_to, turned) = (Arc::default(), Turned::default());
        Self { ledger, clock, feeds, channels, routing, checkpoint_to, zone, queued, house: None, heartbeat: None, turned }
    }

    /// The same, but messages take routes, and what is escalated goes to these channels. `contacts`: the providers whose own contact
    /// can be told.
    #[must_use]
    pub fn routed(self, routes: Vec<Route>, escalate_to: Vec<String>, contacts: BTreeSet<ProviderCode>) -> Self {
        let routing = Arc::new(Routing { channels: self.routing.channels.clone(), routes, escalate_to, contacts });
        Self { routing, ..self }
    }

    /// The same, telling somebody outside that we are there.
    #[must_use]
    pub fn heard_by(self, heartbeat: Option<Heartbeat>) -> Self {
        Self { heartbeat, ..self }
    }

    /// What is known of its loops, for metrics.
    #[must_use]
    pub fn turned(&self) -> &Turned {
        &self.turned
    }

    /// The names of its channels in the outbox.
    #[must_use]
    pub fn channel_names(&self) -> Vec<String> {
        self.routing.channels.clone()
    }

    /// The same, but the head of the ledger's chain is sent to these channels each day, by the names that settings have for them.
    #[must_use]
    pub fn sending_checkpoints_to(self, names: Vec<String>) -> Self {
        Self { checkpoint_to: Arc::new(names), ..self }
    }

    /// The same, watching our own side too.
    #[must_use]
    pub fn over_house(self, house: Probe) -> Self {
        Self { house: Some(house), ..self }
    }

    /// Records the first slot each feed is expected to fill: what the settings say, otherwise the slot after the feed was
    /// first known. From then on a feed that never sends is late.
    ///
    /// # Errors
    /// The ledger could not be read or appended to.
    pub async fn expect_feeds(&self) -> Result<(), LedgerError> {
        let now = self.clock.now();
        for feed in self.feeds.iter() {
            let provider = feed.schedule.provider.clone();
            let known = self.ledger.read(move |reader| reader.first_slot(&provider)).await?;
            let first_slot = feed.schedule.first_slot.or(known).unwrap_or(Slot::containing(now).next());
            if known != Some(first_slot) {
                let provider = feed.schedule.provider.clone();
                let expected = vec![Event::FeedExpected { provider, first_slot }];
                fault::during(Step::ExpectRecord, self.ledger.append(now, expected)).await?;
            }
        }
        Ok(())
    }

    /// Judges and tells until `stop` turns true. `news` changes when something was recorded.
    pub async fn run(&self, news: watch::Receiver<u64>, stop: watch::Receiver<bool>) {
        let mut tasks = tokio::task::JoinSet::new();
        let watch = self.clone();
        tasks.spawn(judge_all(watch, news, stop.clone()));
        for channel in self.channels.iter().cloned() {
            if let Channel::Alertmanager(manager) = &channel {
                tasks.spawn(keep_told(self.clone(), manager.clone(), channel.name(), stop.clone()));
            }
            tasks.spawn(tell(self.clone(), channel, stop.clone()));
        }
        if let Some(heartbeat) = self.heartbeat.clone() {
            let loops = std::iter::once(JUDGING.to_owned()).chain(self.channel_names()).collect();
            tasks.spawn(beat(heartbeat, self.turned.clone(), loops, Arc::clone(&self.clock), stop.clone()));
        }
        while let Some(ended) = tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a task of the alerts broke off; restart bedfeed");
            }
        }
    }

    /// What [`run`](Self::run) does by itself, once: one round over all feeds, then every channel's outbox. For whoever moves
    /// time by hand.
    ///
    /// # Errors
    /// The ledger could not be read or appended to; the next round goes on from there.
    #[doc(hidden)]
    pub async fn run_by_hand(&self) -> Result<(), LedgerError> {
        let judged = self.round().await;
        for channel in self.channels.iter() {
            self.empty_outbox(channel).await?;
        }
        judged
    }

    /// One round over all feeds.
    async fn round(&self) -> Result<(), LedgerError> {
        for feed in self.feeds.iter() {
            let now = self.clock.now();
            let provider = feed.schedule.provider.clone();
            let since = now.saturating_sub(REACH).unwrap_or(now);
            let (first_slot, arrivals, open) = self
                .ledger
                .read(move |reader| {
                    Ok((reader.first_slot(&provider)?, reader.for_judging(&provider, since)?, reader.open_episodes(&provider)?))
                })
                .await?;
            let arrivals = Arrival::all(arrivals.iter().map(|row| (&row.delivery, &row.stage, row.report.as_ref())));
            let Some(first_slot) = first_slot else { continue };
            let open: Vec<Episode> = open.iter().filter_map(episode).collect();
            let standing = judge(&feed.schedule, first_slot, &[], &arrivals, now);
            let last_good = standing.newest_accepted.map(|newest| newest.snapshot_at);
            for change in step(&feed.schedule, &open, &standing, now) {
                self.record(feed, &change, last_good, now).await?;
            }
            self.warn_of_ends(feed, last_good, now).await?;
        }
        self.judge_house().await?;
        self.send_checkpoint(self.clock.now()).await
    }

    /// Sends the head of the ledger's chain once a day: whoever keeps it can tell later whether the chain was written anew.
    async fn send_checkpoint(&self, now: Timestamp) -> Result<(), LedgerError> {
        let key = format!("audit/checkpoint/{}", local_date(now, &self.zone));
        let asked = key.clone();
        if self.checkpoint_to.is_empty() || self.ledger.read(move |reader| reader.knows_alert(&asked)).await? {
            return Ok(());
        }
        let head = self.ledger.read(|reader| reader.head()).await?;
        let checkpoint = Checkpoint { at: now, seq: head.seq, hash: head.hash };
        let alerts = self.tell_these(&AlertMessage::of_checkpoint(&key, checkpoint, &self.zone), &self.checkpoint_to)?;
        let sent = vec![Event::CheckpointSent { key, seq: head.seq, hash: head.hash, alerts }];
        fault::during(Step::CheckpointRecord, self.ledger.append(now, sent)).await?;
        self.queued.notify_waiters();
        Ok(())
    }

    /// Tells what is wrong on our own side, once, and when it is over.
    async fn judge_house(&self) -> Result<(), LedgerError> {
        let (open, queue) = self.ledger.read(|reader| Ok((reader.open_house_episodes()?, reader.queue_state()?))).await?;
        let open = open.into_iter().map(|(_, episode)| serde_json::from_value::<HouseEpisode>(episode));
        let open: Vec<HouseEpisode> =
            open.collect::<Result<_, _>>().map_err(|error| LedgerError::Unreadable { what: error.to_string() })?;
        let was_away = open.iter().any(|episode| episode.problem == HouseProblem::Warehouse);
        let queue = Queue { waiting: queue.waiting, failures: queue.failures, error: queue.error.unwrap_or_default() };
        let mut look = self.house.as_ref().map(|house| house()).unwrap_or_default();
        look.troubles.extend(warehouse_trouble(&queue, was_away));
        look.troubles.extend(self.channel_trouble().await?);
        let now = self.clock.now();
        for change in house_step(&open, &look, now) {
            let mut message = AlertMessage::of_house(&change, &self.zone, now);
            if let HouseChange::Ended(HouseEpisode { problem: HouseProblem::Warehouse, opened_at }) = change {
                let count = self.ledger.read(move |reader| reader.queued_since(opened_at)).await?;
                message.text = format!("{} {}", message.text, waited(count));
            }
            let Told { alerts, dropped } = self.tell_of(&message, now).await?;
            let event = match change {
                HouseChange::Began(episode, _) => {
                    let described = serde_json::to_value(&episode).map_err(|error| LedgerError::Unreadable { what: error.to_string() })?;
                    Event::HouseEpisodeOpened { key: episode.key(), episode: described, alerts }
                }
                HouseChange::Ended(episode) => Event::HouseEpisodeClosed { key: episode.key(), alerts },
            };
            let recorded = std::iter::once(event).chain(dropped).collect();
            fault::during(Step::EpisodeRecord, self.ledger.append(now, recorded)).await?;
            self.queued.notify_waiters();
        }
        Ok(())
    }

    /// Tells of keys and agreements that end soon or have ended, each warning once for ever.
    async fn warn_of_ends(&self, feed: &WatchedFeed, last_good: Option<Timestamp>, now: Timestamp) -> Result<(), LedgerError> {
        for expiry in expiries(&feed.terms, local_date(now, &self.zone)) {
            let (key, asked) = (expiry.key(), expiry.key());
            if self.ledger.read(move |reader| reader.knows_alert(&asked)).await? {
                continue;
            }
            let about = About { provider_name: &feed.name, last_good, contact: &feed.contact, zone: &self.zone };
            let Told { alerts, .. } = self.tell_of(&AlertMessage::of_expiry(&expiry, &about, now), now).await?;
            let warned = vec![Event::Warned { key, provider: expiry.provider, alerts }];
            fault::during(Step::WarningRecord, self.ledger.append(now, warned)).await?;
            self.queued.notify_waiters();
        }
        Ok(())
    }

    async fn record(&self, feed: &WatchedFeed, change: &Change, last_good: Option<Timestamp>, now: Timestamp) -> Result<(), LedgerError> {
        let Some(change) = self.unless_told(change, now).await? else { return Ok(()) };
        let about = About { provider_name: &feed.name, last_good, contact: &feed.contact, zone: &self.zone };
        let Told { alerts, dropped } = self.tell_of(&AlertMessage::of(&change, &about), now).await?;
        let event = match change {
            Change::Opened(episode) => {
                let described = serde_json::to_value(&episode).map_err(|error| LedgerError::Unreadable { what: error.to_string() })?;
                Event::EpisodeOpened { key: episode.key(), provider: episode.provider, episode: described, alerts }
            }
            Change::Closed { episode, .. } => Event::EpisodeClosed { key: episode.key(), alerts },
        };
        let recorded = std::iter::once(event).chain(dropped).collect();
        fault::during(Step::EpisodeRecord, self.ledger.append(now, recorded)).await?;
        self.queued.notify_waiters();
        Ok(())
    }

    /// The change as it is recorded; `None` where it begins what was told before, and ended only just now. What a clock that
    /// was ahead has told and taken back is told again once it is true: silence must not go unnoticed for that.
    async fn unless_told(&self, change: &Change, now: Timestamp) -> Result<Option<Change>, LedgerError> {
        let Change::Opened(episode) = change else { return Ok(Some(change.clone())) };
        let asked = episode.key();
        let (again, ended) = self.ledger.read(move |reader| reader.told_before(&asked)).await?;
        let over = ended.is_some_and(|ended| now.duration_since(ended) >= AGAIN_AFTER);
        Ok((again == 0 || over).then(|| Change::Opened(Episode { again, ..episode.clone() })))
    }

    /// Sends what is due on one channel; gives when the next message is due.
    async fn empty_outbox(&self, channel: &Channel) -> Result<Option<Timestamp>, LedgerError> {
        let name = channel.name();
        let asked = name.clone();
        let due = self.ledger.read(move |reader| reader.undelivered_on(&asked, BATCH)).await?;
        let mut next: Option<Timestamp> = None;
        for DueAlert { alert, attempts, next_at } in due {
            let now = self.clock.now();
            let message: Result<AlertMessage, _> = serde_json::from_value(alert.message.clone());
            let quiet = |message: &AlertMessage| {
                attempts == 0 && self.routing.quiet_until(message, &name, self.zone.to_datetime(now), &self.zone).is_some()
            };
            // One further ahead than any wait is long was planned before the clock was put back, unless it waits for the morning.
            if now < next_at && (next_at.duration_since(now) <= MAX_WAIT || message.as_ref().is_ok_and(quiet)) {
                next = Some(next.map_or(next_at, |earlier| earlier.min(next_at)));
                continue;
            }
            let first = if channel.keeps_states() { self.first_told(&name, message.as_ref().ok()).await? } else { None };
            let channel = channel.clone();
            let sent = tokio::task::spawn_blocking(move || {
                let message = message.map_err(|error| error.to_string())?;
                let outgoing = Outgoing { message, first, at: now };
                fault::around(Step::AlertSend, || send(&channel, &outgoing).map_err(|error| error_chain(&error)))
            });
            let outcome = sent.await.unwrap_or_else(|_| Err("sending broke off".to_owned()));
            let now = self.clock.now();
            let event = match outcome {
                Ok(()) => Event::AlertDelivered { key: alert.key, channel: alert.channel },
                Err(error) => {
                    let next_at = next_attempt(attempts.saturating_add(1), &alert.key, now);
                    tracing::warn!(channel = name, key = alert.key, error, %next_at, "an alert was not delivered; it will be tried again");
                    next = Some(next.map_or(next_at, |earlier| earlier.min(next_at)));
                    Event::AlertFailed { key: alert.key, channel: alert.channel, next_at, error }
                }
            };
            fault::during(Step::AlertRecord, self.ledger.append(now, vec![event])).await?;
            self.turned.mark(&name, true);
        }
        Ok(next)
    }
}

fn episode(row: &EpisodeRow) -> Option<Episode> {
    let read = serde_json::from_value(row.episode.clone());
    if let Err(error) = &read {
        tracing::error!(key = row.key, %error, "an episode in the ledger cannot be read");
    }
    read.ok()
}

async fn judge_all(watch: Watch, mut news: watch::Receiver<u64>, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        let judged = watch.round().await;
        watch.turned.mark(JUDGING, judged.is_ok());
        match judged {
            Ok(()) => watch.turned.judged(watch.clock.now()),
            Err(error) => tracing::error!(error = error_chain(&error), "lateness could not be judged; trying again"),
        }
        tokio::select! {
            changed = news.changed() => match changed {
                Ok(()) => tokio::time::sleep(GATHER).await,
                Err(_) => return,
            },
            () = tokio::time::sleep(LONGEST_PAUSE) => {}
            _ = stop.changed() => {}
        }
    }
}

async fn tell(watch: Watch, channel: Channel, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        let queued = watch.queued.notified();
        tokio::pin!(queued);
        // Registered before the outbox is read: a message queued in between still wakes us.
        queued.as_mut().enable();
        let emptied = watch.empty_outbox(&channel).await;
        watch.turned.mark(&channel.name(), emptied.is_ok());
        let pause = match emptied {
            Ok(Some(next)) => Duration::try_from(next.duration_since(watch.clock.now())).unwrap_or(Duration::ZERO).min(LONGEST_PAUSE),
            Ok(None) => LONGEST_PAUSE,
            Err(error) => {
                tracing::error!(error = error_chain(&error), "the outbox of alerts could not be read or marked; trying again");
                LONGEST_PAUSE
            }
        };
        tokio::select! {
            () = queued => {}
            () = tokio::time::sleep(pause) => {}
            _ = stop.changed() => {}
        }
    }
}
