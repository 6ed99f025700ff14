//! The watch: asks the schedule about every feed, records what began and ended, and hands alerts to their channels.
//!
//! An episode and its messages are committed together, so a crash neither loses nor repeats one; a channel that took a
//! message just before a crash may get it again, with the same key.

use super::heartbeat::{JUDGING, beat};
use super::rounds::Rounds;
use super::states::keep_told;
use super::telling::Told;
use super::{
    About, AlertMessage, Cadence, Channel, Evidence, Heartbeat, HouseChange, HouseEpisode, HouseLook, HouseProblem, HouseTrouble, MAX_WAIT,
    Outgoing, Queue, Route, Routing, Turned, house_step, next_attempt, send, waited, warehouse_trouble,
};
use crate::fault::{self, Step};
use crate::feed::{Clock, ProviderCode, Slot, Term, error_chain, expiries, local_date};
use crate::ledger::{Checkpoint, DueAlert, Event, HouseEpisodeRow, Ledger, LedgerError};
use crate::schedule::FeedSchedule;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, Notify, watch};

/// The longest pause between two rounds: what an alert can be late by where nothing else wakes the watch.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Pause after news, so that a burst of deliveries is judged once.
const GATHER: Duration = Duration::from_millis(200);
/// Most open episodes of our own side that are looked at: there is one for each sort of trouble.
const MOST_OF_HOUSE: u32 = 100;
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

/// Says what was seen of a provider last.
pub type Witness = Arc<dyn Fn(&ProviderCode) -> Evidence + Send + Sync>;

/// The watch over all feeds.
#[derive(Clone)]
pub struct Watch {
    pub(super) ledger: Ledger,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) feeds: Arc<Vec<WatchedFeed>>,
    channels: Arc<Vec<Channel>>,
    pub(super) routing: Arc<Routing>,
    checkpoint_to: Arc<Vec<String>>,
    pub(super) cadence: Arc<Cadence>,
    pub(super) zone: TimeZone,
    pub(super) queued: Arc<Notify>,
    house: Option<Probe>,
    pub(super) witness: Option<Witness>,
    heartbeat: Option<Heartbeat>,
    pub(super) turned: Turned,
    pub(super) rounds: Arc<Mutex<Rounds>>,
}

impl Watch {
    /// A watch over feeds, telling channels; times in messages are local to `zone`.
    #[must_use]
    pub fn new(ledger: Ledger, clock: Arc<dyn Clock>, feeds: Vec<WatchedFeed>, channels: Vec<Channel>, zone: TimeZone) -> Self {
        let routing = Arc::new(Routing { channels: channels.iter().map(Channel::name).collect(), ..Routing::default() });
        Self {
            ledger,
            clock,
            feeds: Arc::new(feeds),
            channels: Arc::new(channels),
            routing,
            checkpoint_to: Arc::default(),
            cadence: Arc::default(),
            zone,
            queued: Arc::new(Notify::new()),
            house: None,
            witness: None,
            heartbeat: None,
            turned: Turned::default(),
            rounds: Arc::default(),
        }
    }

    /// The same, telling again what goes on as often as this says.
    #[must_use]
    pub fn reminding(self, cadence: Cadence) -> Self {
        Self { cadence: Arc::new(cadence), ..self }
    }

    /// The same, with somebody to ask for the likely cause of silence.
    #[must_use]
    pub fn hearing(self, witness: Witness) -> Self {
        Self { witness: Some(witness), ..self }
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
        let judged = self.round().await.map(drop);
        for channel in self.channels.iter() {
            self.empty_outbox(channel).await?;
        }
        judged
    }

    /// Sends the head of the ledger's chain once a day: whoever keeps it can tell later whether the chain was written anew.
    pub(super) async fn send_checkpoint(&self, now: Timestamp) -> Result<(), LedgerError> {
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

    /// What is wrong on our own side, as it was told.
    pub(super) async fn open_house_episodes(&self) -> Result<Vec<HouseEpisode>, LedgerError> {
        let open = self.ledger.read(|reader| reader.open_house_episodes()).await?;
        let read = |(_, episode)| serde_json::from_value(episode).map_err(|error| LedgerError::Unreadable { what: error.to_string() });
        open.into_iter().map(read).collect()
    }

    /// Tells what is wrong on our own side, once, again while it goes on, and when it is over. `troubles` are those that the feeds
    /// tell of.
    pub(super) async fn judge_house(&self, open: &[HouseEpisode], troubles: Vec<HouseTrouble>, now: Timestamp) -> Result<(), LedgerError> {
        let queue = self.ledger.read(|reader| reader.queue_state()).await?;
        let was_away = open.iter().any(|episode| episode.problem == HouseProblem::Warehouse);
        let queue = Queue { waiting: queue.waiting, failures: queue.failures, error: queue.error.unwrap_or_default() };
        let mut look = self.house.as_ref().map(|house| house()).unwrap_or_default();
        look.troubles.extend(warehouse_trouble(&queue, was_away));
        look.troubles.extend(self.channel_trouble().await?);
        look.troubles.extend(troubles);
        for change in house_step(open, &look, now) {
            let mut message = AlertMessage::of_house(&change, &self.zone, now);
            if let HouseChange::Ended(HouseEpisode { problem: HouseProblem::Warehouse, opened_at }) = change {
                let count = self.ledger.read(move |reader| reader.queued_since(opened_at)).await?;
                message.text = format!("{} {}", message.text, waited(count));
            }
            let Told { alerts, dropped } = self.tell_of(&message, now).await?;
            let event = match change {
                HouseChange::Began(episode, _) => Event::HouseEpisodeOpened { key: episode.key(), episode: put(&episode)?, alerts },
                HouseChange::Ended(episode) => Event::HouseEpisodeClosed { key: episode.key(), alerts },
            };
            self.append_told(std::iter::once(event).chain(dropped).collect(), now).await?;
        }
        let rows = self.ledger.read(|reader| reader.house_episodes(false, MOST_OF_HOUSE)).await?;
        let acknowledged = |row: HouseEpisodeRow| row.acknowledged.is_some_and(|said| said.holds(now)).then_some(row.key);
        let acknowledged: BTreeSet<String> = rows.into_iter().filter_map(acknowledged).collect();
        let mut due = Vec::new();
        for episode in open.iter().filter(|episode| !acknowledged.contains(&episode.key())) {
            let Some(trouble) = look.troubles.iter().find(|trouble| trouble.problem == episode.problem) else { continue };
            let message = |number| (episode.key(), AlertMessage::of_house_again(episode, trouble, number, &self.zone, now));
            due.extend(self.cadence.reminder(episode.opened_at, now).map(|number| message(Some(number))));
            if self.escalates() && self.cadence.escalates(episode.opened_at, now) {
                due.push(message(None));
            }
        }
        self.queue_again(due, now).await
    }

    /// Whether there are others to tell of what goes on.
    pub(super) fn escalates(&self) -> bool {
        !self.routing.escalate_to.is_empty()
    }

    /// Queues what was not told yet of these: the episode's key and the message.
    pub(super) async fn queue_again(&self, due: Vec<(String, AlertMessage)>, now: Timestamp) -> Result<(), LedgerError> {
        if due.is_empty() {
            return Ok(());
        }
        let asked = due.iter().map(|(_, message)| message.key.clone()).collect();
        let unknown: BTreeSet<String> = self.ledger.read(move |reader| reader.unknown_alerts(asked)).await?;
        let (keys, messages): (Vec<String>, Vec<AlertMessage>) =
            due.into_iter().filter(|(_, message)| unknown.contains(&message.key)).unzip();
        let mut events = Vec::new();
        for (key, Told { alerts, dropped }) in keys.into_iter().zip(self.tell_each(&messages, now).await?) {
            // One that no route takes has no key by which it were known the next time.
            if !alerts.is_empty() {
                events.push(Event::ToldAgain { key, alerts });
            }
            events.extend(dropped);
        }
        self.append_told(events, now).await
    }

    /// Tells of a feed's keys and agreements that end soon or have ended, each warning once for ever.
    pub(super) async fn warn_of_ends_of(
        &self,
        feed: &WatchedFeed,
        about: About<'_>,
        today: Date,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        for expiry in expiries(&feed.terms, today) {
            let (key, asked) = (expiry.key(), expiry.key());
            if self.ledger.read(move |reader| reader.knows_alert(&asked)).await? {
                continue;
            }
            let Told { alerts, .. } = self.tell_of(&AlertMessage::of_expiry(&expiry, &about, now), now).await?;
            let warned = vec![Event::Warned { key, provider: expiry.provider, alerts }];
            fault::during(Step::WarningRecord, self.ledger.append(now, warned)).await?;
            self.queued.notify_waiters();
        }
        Ok(())
    }

    /// Records episodes with their messages, in one commit, and wakes whoever sends.
    pub(super) async fn append_told(&self, events: Vec<Event>, now: Timestamp) -> Result<(), LedgerError> {
        if !events.is_empty() {
            fault::during(Step::EpisodeRecord, self.ledger.append(now, events)).await?;
            self.queued.notify_waiters();
        }
        Ok(())
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

/// What the ledger keeps of an episode.
pub(super) fn put(described: &impl serde::Serialize) -> Result<serde_json::Value, LedgerError> {
    serde_json::to_value(described).map_err(|error| LedgerError::Unreadable { what: error.to_string() })
}

async fn judge_all(watch: Watch, mut news: watch::Receiver<u64>, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        let judged = watch.round().await;
        watch.turned.mark(JUDGING, judged.is_ok());
        let next = match judged {
            Ok(next) => {
                watch.turned.judged(watch.clock.now());
                next
            }
            Err(error) => {
                tracing::error!(error = error_chain(&error), "lateness could not be judged; trying again");
                None
            }
        };
        if let Err(error) = watch.record_presence().await {
            tracing::warn!(error = error_chain(&error), "the ledger does not know that the feeds are watched; trying again");
        }
        let pause = next.map_or(LONGEST_PAUSE, |next| until(next, watch.clock.now()));
        tokio::select! {
            changed = news.changed() => match changed {
                Ok(()) => tokio::time::sleep(GATHER).await,
                Err(_) => return,
            },
            () = tokio::time::sleep(pause) => {}
            _ = stop.changed() => {}
        }
    }
}

/// How long to wait for an instant, at most.
fn until(instant: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(instant.duration_since(now)).unwrap_or(Duration::ZERO).min(LONGEST_PAUSE)
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
            Ok(Some(next)) => until(next, watch.clock.now()),
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
