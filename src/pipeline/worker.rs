//! Workers: one a feed, each judging what is pending, then waiting for news or for the next deadline; and one that loads.

use super::carry_out::{PipelineError, settle};
use super::further::{Further, FurtherStanding, follow_all};
use super::loading::{Shelf, load_all};
use super::replay::replay_all;
use super::step::{Step, next_step};
use super::trouble::{Troubles, What};
use crate::feed::{Clock, DeliveryId, ProviderCode, Report, Stage, error_chain};
use crate::forward::Warehouse;
use crate::ledger::{DeliveryRow, Ledger};
use crate::normalise::reference::Reference;
use crate::quarantine::{Retention, Store, StoreError};
use crate::verify::Feed;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore, watch};

/// How long a feed's worker pauses after our own machinery failed, before it tries the same step again.
pub(super) const PAUSE_AFTER_FAULT: Duration = Duration::from_secs(5);

/// Stored originals that the ledger does not know.
#[derive(Clone, Debug)]
pub struct Strangers {
    ids: BTreeSet<DeliveryId>,
    /// Whether each of them has the mark of one that no sender was told OK about; so where there are none.
    pub never_acknowledged: bool,
}

/// What deliveries are judged by.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The feeds, one a provider.
    pub feeds: Vec<Arc<Feed>>,
    /// Wards, sites and code lists.
    pub reference: Reference,
    /// Providers whose files are released by two people only.
    pub two_people: BTreeSet<ProviderCode>,
    /// For how long things are kept.
    pub retention: Retention,
}

/// The warehouses that a pipeline loads into.
#[derive(Clone, Debug)]
pub struct Warehouses {
    /// The one that pages read.
    pub first: Warehouse,
    /// Those beside it, by the settings' names.
    pub further: Vec<(String, Warehouse)>,
}

impl Warehouses {
    /// Each of them, the first one first.
    pub fn all(&self) -> impl Iterator<Item = &Warehouse> {
        std::iter::once(&self.first).chain(self.further.iter().map(|(_, warehouse)| warehouse))
    }

    /// Waits for writes that were asked for, then lets go of all of them.
    pub async fn close(&self) {
        // Side by side: several that do not answer must not take longer than one.
        let mut closing = tokio::task::JoinSet::new();
        for warehouse in self.all() {
            let warehouse = warehouse.clone();
            closing.spawn(async move { warehouse.close().await });
        }
        closing.join_all().await;
    }
}

/// The pipeline. Cheap to clone.
#[derive(Clone)]
pub struct Pipeline {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) ledger: Ledger,
    /// The warehouse that pages read, and that decides where a delivery stands.
    pub(super) warehouse: Warehouse,
    /// Those beside it.
    pub(super) further: Vec<Arc<Further>>,
    pub(super) store: Store,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) rules: Arc<Rules>,
    /// Bounds how many files are in memory at once.
    pub(super) judges: Semaphore,
    /// Held while a person's act, or retention, looks and records: neither may change what the other looked at.
    pub(super) acting: tokio::sync::Mutex<()>,
    /// Held while something that a person says about a feed is looked at and recorded. A round of retention holds nobody up here.
    pub(super) saying: tokio::sync::Mutex<()>,
    /// Held from the look for a slot's next version until that is recorded: a file that comes and one that is read again must not
    /// get the same number.
    pub(super) numbering: tokio::sync::Mutex<()>,
    /// Counts what was recorded, so that others can wait for news.
    pub(super) changed: watch::Sender<u64>,
    /// What was judged just now and is to be loaded.
    pub(super) shelf: Shelf,
    /// Wakes the loading, which looks at the count for what joined the queue meanwhile.
    pub(super) queued: Notify,
    pub(super) queued_count: AtomicU64,
    pub(super) wakes: BTreeMap<ProviderCode, Wake>,
    /// What could not be read or moved, and is tried again.
    troubles: Mutex<Troubles>,
    /// Tells whether the ledger may not be the right one.
    doubt: OnceLock<Doubt>,
}

/// Tells whether the ledger may not be the one that was written here last.
type Doubt = Arc<dyn Fn() -> bool + Send + Sync>;

/// How a feed's worker learns of news.
#[derive(Default)]
pub(super) struct Wake {
    notify: Notify,
    /// How often there was news: a worker that is busy looks here.
    count: AtomicU64,
}

impl Pipeline {
    /// A pipeline over opened stores. `judges` bounds the files assessed at once.
    #[must_use]
    pub fn new(ledger: Ledger, warehouses: Warehouses, store: Store, clock: Arc<dyn Clock>, rules: Rules, judges: usize) -> Self {
        let Warehouses { first: warehouse, further } = warehouses;
        let further = further.into_iter().map(|(name, warehouse)| Arc::new(Further::new(name, warehouse))).collect();
        let wakes = rules.feeds.iter().map(|feed| (feed.provider.clone(), Wake::default())).collect();
        let (changed, _) = watch::channel(0);
        let judges = Semaphore::new(judges.max(1));
        let (rules, shelf) = (Arc::new(rules), Shelf::default());
        let (acting, numbering, troubles) = (tokio::sync::Mutex::default(), tokio::sync::Mutex::default(), Mutex::default());
        let (queued, queued_count) = (Notify::new(), AtomicU64::new(0));
        let inner = Inner {
            ledger,
            warehouse,
            further,
            store,
            clock,
            rules,
            judges,
            acting,
            saying: tokio::sync::Mutex::default(),
            numbering,
            changed,
            shelf,
            queued,
            queued_count,
            wakes,
            troubles,
            doubt: OnceLock::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Says that a provider's delivery was recorded.
    pub fn wake(&self, provider: &ProviderCode) {
        if let Some(wake) = self.inner.wakes.get(provider) {
            wake.count.fetch_add(1, Ordering::SeqCst);
            wake.notify.notify_one();
        }
        self.inner.changed.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// How the further warehouses stand.
    #[must_use]
    pub fn further(&self) -> Vec<FurtherStanding> {
        self.further_asked()()
    }

    /// What tells that whenever it is asked. It holds neither the pipeline nor the ledger, whose writer ends with who can append.
    #[must_use]
    pub fn further_asked(&self) -> Arc<dyn Fn() -> Vec<FurtherStanding> + Send + Sync> {
        let further = self.inner.further.clone();
        Arc::new(move || further.iter().map(|further| further.standing()).collect())
    }

    /// Lets nothing be dropped or deleted in further warehouses while this says that the ledger may be the wrong one. Set once.
    pub fn hold_back_while(&self, in_doubt: Arc<dyn Fn() -> bool + Send + Sync>) {
        self.inner.doubt.set(in_doubt).ok();
    }

    /// A number that changes whenever something was recorded.
    #[must_use]
    pub fn news(&self) -> watch::Receiver<u64> {
        self.inner.changed.subscribe()
    }

    /// The stored originals that the ledger does not know. `known`: what it knows.
    ///
    /// # Errors
    /// The folders cannot be read.
    pub fn strangers(&self, known: &BTreeMap<DeliveryId, bool>) -> Result<Strangers, PipelineError> {
        let store = &self.inner.store;
        let mut strangers = Strangers { ids: BTreeSet::new(), never_acknowledged: true };
        for id in store.accepted_ids().map_err(PipelineError::Folders)?.into_iter().filter(|id| !known.contains_key(id)) {
            strangers.never_acknowledged &= store.is_unrecorded(id).map_err(PipelineError::Folders)?;
            strangers.ids.insert(id);
        }
        for id in store.quarantined_ids().map_err(PipelineError::Folders)?.into_iter().filter(|id| !known.contains_key(id)) {
            // Nothing is set aside before the ledger has it.
            strangers.never_acknowledged = false;
            strangers.ids.insert(id);
        }
        Ok(strangers)
    }

    /// Puts stored originals where the ledger says they belong. Those that it does not know are removed only where every one of them
    /// has the mark of one that was never acknowledged; otherwise the ledger is not the one that was written here last, and all
    /// of them are set aside. What cannot be moved is tried again while the daemon runs. Run once, before the first upload is taken.
    /// `known`: what the ledger knows, and whether each is set aside.
    ///
    /// # Errors
    /// The ledger or the folders cannot be read, or what is unknown cannot be set aside.
    pub async fn settle_originals(&self, known: &BTreeMap<DeliveryId, bool>, strangers: Strangers) -> Result<(), PipelineError> {
        let store = &self.inner.store;
        for id in store.accepted_ids().map_err(PipelineError::Folders)? {
            let Some(set_aside) = known.get(&id) else { continue };
            if store.is_unrecorded(id).map_err(PipelineError::Folders)? {
                store.recorded(id).map_err(PipelineError::Folders)?;
            }
            if *set_aside {
                self.settle_one(id).await?;
            }
        }
        // Also those that were moved already: the crash may have come before their findings were written.
        for id in store.quarantined_ids().map_err(PipelineError::Folders)?.into_iter().filter(|id| known.contains_key(id)) {
            self.settle_one(id).await?;
        }
        self.clear(strangers)?;
        self.name_the_abandoned().await
    }

    /// Puts back what an older ledger did not know and this one does: the right ledger was put back. What retention deleted by it stays
    /// set aside. Run once, before anything else looks for originals. `known`: what the ledger knows.
    ///
    /// # Errors
    /// The ledger or the folders cannot be read, or what is known cannot be put back.
    pub async fn take_back_known(&self, known: &BTreeMap<DeliveryId, bool>) -> Result<(), PipelineError> {
        let unknown = self.inner.store.unknown_ids().map_err(PipelineError::Folders)?;
        for id in unknown.into_iter().filter(|id| known.contains_key(id)) {
            let gone = self.inner.ledger.read(move |reader| reader.original_gone(id)).await?;
            if gone.is_none() && self.inner.store.take_unknown_back(id)? {
                tracing::warn!(delivery = %id, "took back an original that was set aside as unknown: this ledger knows it");
            } else {
                tracing::error!(delivery = %id, "this ledger knows what was set aside as unknown, and has it already or says that it was deleted");
            }
        }
        Ok(())
    }

    fn clear(&self, strangers: Strangers) -> Result<(), PipelineError> {
        for id in strangers.ids {
            if !strangers.never_acknowledged {
                self.inner.store.set_unknown_aside(id)?;
                tracing::error!(delivery = %id, "set aside an original that the ledger does not know: is it an older ledger?");
            } else if let Err(error) = self.inner.store.forget(id) {
                tracing::error!(delivery = %id, error = error_chain(&error), "it could not be removed; the next start tries again");
            } else {
                tracing::warn!(delivery = %id, "removed an original that was never acknowledged");
            }
        }
        Ok(())
    }

    /// Deliveries of a provider that the settings no longer have stay pending: said aloud, for nobody else would.
    async fn name_the_abandoned(&self) -> Result<(), PipelineError> {
        for (provider, count) in self.inner.ledger.read(|reader| reader.pending_by_provider()).await? {
            if !self.inner.rules.feeds.iter().any(|feed| feed.provider.as_str() == provider) {
                tracing::error!(
                    provider,
                    count,
                    "deliveries wait for a provider that is not in the settings: put it back, or nobody judges them"
                );
            }
        }
        Ok(())
    }

    async fn settle_one(&self, id: DeliveryId) -> Result<(), PipelineError> {
        let row = self.inner.ledger.read(move |reader| reader.delivery(id)).await?;
        row.iter().for_each(|row| self.inner.put_away(row, &row.stage, row.report.as_ref()));
        Ok(())
    }

    /// Runs every feed's worker until `stop` turns true; a step under way is finished first.
    pub async fn run(&self, stop: watch::Receiver<bool>) {
        let mut workers = tokio::task::JoinSet::new();
        for feed in &self.inner.rules.feeds {
            workers.spawn(work(Arc::clone(&self.inner), Arc::clone(feed), stop.clone()));
        }
        workers.spawn(load_all(Arc::clone(&self.inner), stop.clone()));
        workers.spawn(replay_all(Arc::clone(&self.inner), stop.clone()));
        for further in &self.inner.further {
            workers.spawn(follow_all(Arc::clone(&self.inner), Arc::clone(further), stop.clone()));
        }
        while let Some(ended) = workers.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a worker of the pipeline broke off; restart bedfeed");
            }
        }
    }
}

async fn work(inner: Arc<Inner>, feed: Arc<Feed>, mut stop: watch::Receiver<bool>) {
    let Some(wake) = inner.wakes.get(&feed.provider) else { return };
    while !*stop.borrow() {
        let next = match inner.pass(&feed, wake, &stop).await {
            Ok(next) => next.map(|at| until(inner.clock.now(), at)),
            Err(error) => {
                tracing::error!(provider = %feed.provider, error = error_chain(&error), "a feed's worker could not go on; trying again");
                // What it was about to record may stand in the ledger all the same.
                inner.queue();
                Some(PAUSE_AFTER_FAULT)
            }
        };
        let deadline = async {
            match next {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = wake.notify.notified() => {}
            () = deadline => {}
            changed = stop.changed() => if changed.is_err() { return },
        }
    }
}

impl Inner {
    /// Whether the ledger may not be the right one: what it calls set aside, another may have released.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.doubt.get().is_some_and(|in_doubt| in_doubt())
    }

    /// Judges all that can be judged now; gives the next instant at which something can.
    pub(super) async fn pass(
        &self,
        feed: &Arc<Feed>,
        wake: &Wake,
        stop: &watch::Receiver<bool>,
    ) -> Result<Option<Timestamp>, PipelineError> {
        loop {
            self.put_away_again(&feed.provider).await?;
            let seen = wake.count.load(Ordering::SeqCst);
            let provider = feed.provider.clone();
            let mut undecided = self.ledger.read(move |reader| reader.undecided(&provider)).await?;
            // They are read again when something came or failed, not for each of them: thousands may wait after an outage.
            while wake.count.load(Ordering::SeqCst) == seen {
                let now = self.clock.now();
                let steps = || undecided.iter().map(|row| (row, next_step(&row.stage, now)));
                let next = steps().find(|(row, step)| *step == Step::Assess && !self.troubles().rests(row.delivery.id, now));
                let Some((row, _)) = next else {
                    let waits = steps().filter_map(|(_, step)| if let Step::WaitUntil(at) = step { Some(at) } else { None });
                    return Ok(waits.chain(self.troubles().next(&feed.provider)).min());
                };
                if *stop.borrow() {
                    return Ok(None);
                }
                match self.judge(feed, row, &undecided).await {
                    // A disk that is sick for one file must not hold up the others.
                    Err(PipelineError::Store(error)) => {
                        self.in_trouble(row, What::Step, &error);
                        break;
                    }
                    moves => {
                        self.troubles().over(row.delivery.id, What::Step);
                        follow(&mut undecided, &moves?);
                    }
                }
            }
        }
    }

    /// Puts an original where its recorded stage says. Where that fails it is tried again until it works.
    pub(super) fn put_away(&self, row: &DeliveryRow, stage: &Stage, report: Option<&Report>) {
        let id = row.delivery.id;
        match settle(&self.store, id, stage, report) {
            Ok(()) => self.troubles().over(id, What::PutAway),
            // Somebody may have discarded it meanwhile. It is looked for again, by what the ledger says then.
            Err(error) if error.source.kind() == io::ErrorKind::NotFound => {
                self.troubles().note(id, What::PutAway, &row.delivery.provider, self.clock.now());
            }
            Err(error) => self.in_trouble(row, What::PutAway, &error),
        }
    }

    async fn put_away_again(&self, provider: &ProviderCode) -> Result<(), PipelineError> {
        let due = self.troubles().due_to_put_away(provider, self.clock.now());
        for id in due {
            let Some(row) = self.ledger.read(move |reader| reader.delivery(id)).await? else {
                self.troubles().over(id, What::PutAway);
                continue;
            };
            match settle(&self.store, id, &row.stage, row.report.as_ref()) {
                Ok(()) => self.troubles().over(id, What::PutAway),
                Err(error) if error.source.kind() == io::ErrorKind::NotFound => {
                    self.troubles().over(id, What::PutAway);
                    tracing::error!(delivery = %id, "the stored original of a delivery is gone: was it removed by hand?");
                }
                Err(error) => self.in_trouble(&row, What::PutAway, &error),
            }
        }
        Ok(())
    }

    fn in_trouble(&self, row: &DeliveryRow, what: What, error: &StoreError) {
        let (provider, delivery) = (&row.delivery.provider, row.delivery.id);
        let again_at = self.troubles().note(delivery, what, provider, self.clock.now());
        tracing::error!(%provider, %delivery, error = error_chain(error), %again_at, "a stored original is in trouble: check the disk; it is tried again");
    }

    /// A lock whose holder panicked is still good: what it guards is changed in one step.
    fn troubles(&self) -> MutexGuard<'_, Troubles> {
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Applies moves to what was read before them, as if it were read again.
fn follow(undecided: &mut Vec<DeliveryRow>, moves: &[(DeliveryId, Option<Stage>)]) {
    for (id, stage) in moves {
        match stage {
            Some(stage) => undecided.iter_mut().filter(|row| row.delivery.id == *id).for_each(|row| row.stage = stage.clone()),
            None => undecided.retain(|row| row.delivery.id != *id),
        }
    }
}

/// How long it is from one instant to another; nothing where that has passed.
pub(super) fn until(now: Timestamp, at: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO)
}
