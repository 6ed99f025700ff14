//! Loading: takes what waits for the warehouse there, in the order of the queue, one snapshot at a time.
//!
//! One task for all feeds, apart from judging: while the warehouse is away, files are judged and their senders told as ever.
//! Owns what is kept in memory between judging and loading; whatever is not there is read and judged again. Refuses to
//! decide what comes next: `queue` does.

use super::carry_out::{PipelineError, moved};
use super::queue::{Door, Next, in_order};
use super::worker::{Inner, PAUSE_AFTER_FAULT, until};
use crate::feed::{DeliveryId, Report, SnapshotRef, Stage, error_chain};
use crate::forward::{FileFact, ForwardErrorKind, Load, LoadOutcome};
use crate::ledger::{DeliveryRow, Event, QueuedSnapshot};
use crate::verify::{Feed, Verdict, Verified};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// Most lines on the shelf together: some tens of megabytes. What finds no place is judged again when its turn comes.
const SHELF_LINES: usize = 100_000;
/// Most snapshots on the shelf: a round of every feed in the region.
const SHELF_PLACES: usize = 64;

/// How soon the queue is read again while something joins it all the time.
pub(super) const LOOK_AGAIN: SignedDuration = SignedDuration::from_millis(250);

/// How long the queue is not looked at where nobody says that something joined it: a record can be made while the word that
/// it was made is lost.
pub(super) const LOOK_ANYWAY: Duration = Duration::from_secs(30);

/// A judged snapshot, ready to be loaded.
#[derive(Clone)]
pub(super) struct Prepared {
    /// What it becomes.
    pub(super) snapshot: SnapshotRef,
    /// Whether it is loaded already, and was read again.
    pub(super) replay: bool,
    /// Its deliveries.
    pub(super) rows: Vec<DeliveryRow>,
    /// What is loaded.
    pub(super) verified: Verified,
    /// What was concluded.
    pub(super) report: Report,
}

/// Snapshots that were judged just now and need not be judged again to be loaded.
#[derive(Default)]
pub(super) struct Shelf(Mutex<BTreeMap<DeliveryId, Prepared>>);

impl Shelf {
    /// Keeps a snapshot for its turn, where there is room.
    pub(super) fn put(&self, prepared: Prepared) {
        let lines = |prepared: &Prepared| prepared.verified.snapshot().lines.len();
        let mut kept = self.kept();
        let taken: usize = kept.values().map(lines).sum();
        if kept.len() < SHELF_PLACES && taken.saturating_add(lines(&prepared)) <= SHELF_LINES {
            kept.insert(prepared.snapshot.lead, prepared);
        }
    }

    /// Gives a place free again that nobody needs.
    pub(super) fn forget(&self, lead: DeliveryId) {
        self.kept().remove(&lead);
    }

    /// Takes a snapshot, where it is there as just this version.
    pub(super) fn take(&self, snapshot: SnapshotRef) -> Option<Prepared> {
        self.kept().remove(&snapshot.lead).filter(|prepared| prepared.snapshot == snapshot)
    }

    /// A lock whose holder panicked is still good: what it guards is changed in one step.
    fn kept(&self) -> MutexGuard<'_, BTreeMap<DeliveryId, Prepared>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What became of one try.
enum Went {
    /// The warehouse has it, or refuses it for good.
    Took,
    /// The warehouse did not take it; why.
    Away(String),
    /// It is to be looked at anew: it was judged by other settings, or is no longer waiting.
    Moved,
}

/// What there is to load.
enum Found {
    Prepared(Box<Prepared>),
    Went(Went),
}

/// Loads until `stop` turns true; a load under way is finished first.
pub(super) async fn load_all(inner: Arc<Inner>, mut stop: watch::Receiver<bool>) {
    let mut door = Door::new(inner.clock.now());
    while !*stop.borrow() {
        let next = match inner.load_what_waits(&mut door, &stop).await {
            Ok(next) => next.map(|at| until(inner.clock.now(), at)),
            Err(error) => {
                tracing::error!(error = error_chain(&error), "loading could not go on; trying again");
                Some(PAUSE_AFTER_FAULT)
            }
        };
        tokio::select! {
            () = inner.queued.notified() => {}
            () = tokio::time::sleep(next.map_or(LOOK_ANYWAY, |wait| wait.min(LOOK_ANYWAY))) => {}
            changed = stop.changed() => if changed.is_err() { return },
        }
    }
}

impl Inner {
    /// Keeps what was judged just now for every warehouse, so that none needs to judge it again.
    pub(super) fn shelve(&self, prepared: Prepared) {
        self.further.iter().for_each(|further| further.shelf.put(prepared.clone()));
        self.shelf.put(prepared);
        self.queue();
    }

    /// Says that something waits for the warehouse.
    pub(super) fn queue(&self) {
        self.queued_count.fetch_add(1, Ordering::SeqCst);
        self.queued.notify_one();
    }

    /// Loads all that can be loaded now; gives the next instant at which something can be tried.
    pub(super) async fn load_what_waits(&self, door: &mut Door, stop: &watch::Receiver<bool>) -> Result<Option<Timestamp>, PipelineError> {
        loop {
            let (seen, read_at) = (self.queued_count.load(Ordering::SeqCst), self.clock.now());
            let (mut queue, newest) = self.ledger.read(|reader| Ok((reader.queue()?, reader.newest_loaded()?))).await?;
            queue.retain(|waiting| self.rules.feeds.iter().any(|feed| feed.provider == waiting.provider));
            in_order(&mut queue, &newest);
            // The queue is read again only when something has failed, or has joined it for a while: thousands may wait.
            let is_old = || self.queued_count.load(Ordering::SeqCst) != seen && self.clock.now().duration_since(read_at).abs() > LOOK_AGAIN;
            while !is_old() {
                if *stop.borrow() {
                    return Ok(None);
                }
                let at = match door.next(&queue, self.clock.now()) {
                    Next::Load(at) => at,
                    Next::WaitUntil(instant) => return Ok(Some(instant)),
                    Next::Nothing => return Ok(None),
                };
                let waiting = queue.remove(at);
                if !self.try_one(&waiting, door).await? {
                    break;
                }
            }
        }
    }

    /// Tries one snapshot. `false`: the queue has to be read again.
    async fn try_one(&self, waiting: &QueuedSnapshot, door: &mut Door) -> Result<bool, PipelineError> {
        let lead = waiting.snapshot.lead;
        match self.load_one(waiting).await {
            Ok(Went::Took) => door.took(lead, self.clock.now()),
            Ok(Went::Away(error)) => {
                let (attempts, retry_at) = door.failed(waiting, self.clock.now());
                self.postpone(waiting, attempts, retry_at, &error).await?;
                return Ok(false);
            }
            Ok(Went::Moved) => return Ok(false),
            // One original that cannot be read must not hold up what others have sent.
            Err(error @ (PipelineError::Store(_) | PipelineError::Assessment { .. })) => {
                tracing::error!(delivery = %lead, error = error_chain(&error), "a snapshot cannot be loaded now; the others go on");
                door.hold(lead, self.clock.now());
                return Ok(false);
            }
            Err(error) => return Err(error),
        }
        Ok(true)
    }

    async fn load_one(&self, waiting: &QueuedSnapshot) -> Result<Went, PipelineError> {
        let at_hand = self.shelf.take(waiting.snapshot).filter(|_| waiting.attempts == 0);
        let prepared = match at_hand {
            Some(prepared) => prepared,
            None => match self.prepare(waiting).await? {
                Found::Prepared(prepared) => *prepared,
                Found::Went(went) => return Ok(went),
            },
        };
        let Prepared { snapshot, replay, rows, verified, report } = prepared;
        let loaded = Stage::Loaded { snapshot };
        let files = rows.iter().map(|row| FileFact::new(&row.delivery, &loaded, row.report.as_ref())).collect();
        let again = replay.then(|| report.clone());
        match self.warehouse.load(Load { verified, reference: snapshot, replay, files, report }).await {
            Ok(LoadOutcome::Loaded { .. } | LoadOutcome::AlreadyLoaded) => return self.finish(&rows, snapshot, again.as_ref()).await,
            Ok(LoadOutcome::NumberTaken { newest }) => {
                self.renumber(waiting, &rows, newest, again).await?;
                return Ok(Went::Moved);
            }
            Err(refusal) if refusal.kind() == ForwardErrorKind::Refused => {
                if let Err(error) = self.warehouse.take_back(snapshot, replay).await {
                    return Ok(Went::Away(error_chain(&error)));
                }
                let why = error_chain(&refusal);
                if replay {
                    self.keep_after_all(snapshot, format!("The warehouse refuses it: {why}")).await?;
                } else {
                    // Trying again would not help: somebody must look.
                    self.refused(&rows, snapshot, &why).await?;
                }
            }
            Err(error) => return Ok(Went::Away(error_chain(&error))),
        }
        Ok(Went::Took)
    }

    /// Judges a snapshot again that was accepted earlier: before a restart, or while the warehouse was away.
    async fn prepare(&self, waiting: &QueuedSnapshot) -> Result<Found, PipelineError> {
        let snapshot = waiting.snapshot;
        let gone = || Ok(Found::Went(Went::Moved));
        let Some(feed) = self.rules.feeds.iter().find(|feed| feed.provider == waiting.provider) else { return gone() };
        let Some(row) = self.ledger.read(move |reader| reader.delivery(snapshot.lead)).await? else { return gone() };
        let rows = self.parts_of(&row).await?;
        // The answer of a load may be what was lost.
        let is_loaded = match self.warehouse.is_loaded(snapshot, waiting.replay).await {
            Ok(is_loaded) => is_loaded,
            Err(error) => return Ok(Found::Went(Went::Away(error_chain(&error)))),
        };
        if waiting.replay {
            return self.prepare_again(feed, &row, rows, snapshot, is_loaded).await;
        }
        if is_loaded {
            return Ok(Found::Went(self.finish(&rows, snapshot, None).await?));
        }
        let decided = row.report.clone();
        let judged = self.judge_against_past(feed, &row, rows, decided.as_ref().map(|report| report.assessed_at)).await?;
        let (rows, assessment) = judged.into_parts();
        match assessment.verdict {
            Verdict::Accepted(verified) => match decided {
                // What the ledger and the receipt say is what the warehouse is told.
                Some(report) if says_the_same(&self.placed(&feed.provider, snapshot, assessment.report.clone()).await?, &report) => {
                    Ok(Found::Prepared(Box::new(Prepared { snapshot, replay: false, rows, verified, report })))
                }
                _ => {
                    let accepted = self.accept(feed, rows, verified, assessment.report, Some((snapshot, waiting.attempts))).await?;
                    accepted.map_or_else(gone, |prepared| Ok(Found::Prepared(Box::new(prepared))))
                }
            },
            // The settings changed in between, and by today's the file is not good.
            Verdict::Rejected | Verdict::Sealed | Verdict::Duplicate { .. } => {
                // A part of it may be there: nothing that is set aside may be finished later.
                if let Err(error) = self.warehouse.take_back(snapshot, false).await {
                    return Ok(Found::Went(Went::Away(error_chain(&error))));
                }
                let sealed = matches!(assessment.verdict, Verdict::Sealed);
                self.set_aside(&rows, assessment.report, sealed).await?;
                gone()
            }
        }
    }

    /// The same of one that was read again, and may have got into the warehouse before a restart.
    async fn prepare_again(
        &self,
        feed: &Arc<Feed>,
        row: &DeliveryRow,
        rows: Vec<DeliveryRow>,
        snapshot: SnapshotRef,
        is_loaded: bool,
    ) -> Result<Found, PipelineError> {
        let Some((_, report)) = self.ledger.read(move |reader| reader.replay_of(snapshot)).await? else {
            return Ok(Found::Went(Went::Moved));
        };
        if is_loaded {
            return Ok(Found::Went(self.finish(&rows, snapshot, Some(&report)).await?));
        }
        let (rows, assessment) = match self.judge_kept(feed, row, rows, None).await? {
            Ok(judged) => judged.into_parts(),
            Err(why) => return self.kept_as_it_was(snapshot, why).await,
        };
        let verified = match assessment.verdict {
            Verdict::Accepted(verified) if verified.snapshot().slot == snapshot.slot => verified,
            // The settings changed once more in between.
            _ => return self.kept_as_it_was(snapshot, "By today's settings it is not accepted for its slot any more.".to_owned()).await,
        };
        let judged = Report { first_version: report.first_version, ..assessment.report };
        let report = if says_the_same(&judged, &report) { report } else { judged };
        Ok(Found::Prepared(Box::new(Prepared { snapshot, replay: true, rows, verified, report })))
    }

    /// Keeps the version that there is of what was read again, and takes back what there may be of the new one.
    async fn kept_as_it_was(&self, snapshot: SnapshotRef, why: String) -> Result<Found, PipelineError> {
        if let Err(error) = self.warehouse.take_back(snapshot, true).await {
            return Ok(Found::Went(Went::Away(error_chain(&error))));
        }
        self.keep_after_all(snapshot, why).await?;
        Ok(Found::Went(Went::Moved))
    }

    async fn keep_after_all(&self, snapshot: SnapshotRef, why: String) -> Result<(), PipelineError> {
        match self.ledger.read(move |reader| reader.replay_of(snapshot)).await? {
            Some((key, _)) => self.keep(&key, snapshot.lead, why).await,
            None => Ok(()),
        }
    }

    /// Records that a snapshot is in the warehouse, and which snapshot of its slot is not the current one for that. `again`:
    /// what was concluded where its deliveries were read again.
    async fn finish(&self, rows: &[DeliveryRow], snapshot: SnapshotRef, again: Option<&Report>) -> Result<Went, PipelineError> {
        let Some(provider) = rows.first().map(|row| row.delivery.provider.clone()) else { return Ok(Went::Took) };
        let current = match self.warehouse.current_lead(&provider, snapshot.slot).await {
            Ok(current) => current,
            Err(error) => return Ok(Went::Away(error_chain(&error))),
        };
        let loaded = |row: &DeliveryRow| moved(row.delivery.id, Stage::Loaded { snapshot }, again.cloned(), None);
        let mut events: Vec<Event> = rows.iter().map(loaded).collect();
        if let Some(current) = current {
            let standing = self.ledger.read(move |reader| reader.standing_leads(&provider, snapshot.slot)).await?;
            events.extend(superseded(snapshot.lead, current, &standing));
        }
        self.record(events).await?;
        for row in rows {
            tracing::info!(provider = %row.delivery.provider, delivery = %row.delivery.id, file = %row.delivery.name,
                slot = %snapshot.slot, version = snapshot.version, "loaded");
        }
        Ok(Went::Took)
    }

    /// Gives a snapshot another number where the warehouse has one that the ledger does not know: it was put back from an earlier
    /// time. What came is loaded all the same, as the newest version.
    async fn renumber(
        &self,
        waiting: &QueuedSnapshot,
        rows: &[DeliveryRow],
        newest: u32,
        again: Option<Report>,
    ) -> Result<(), PipelineError> {
        let old = waiting.snapshot;
        let _numbering = self.numbering.lock().await;
        let version = self.next_version(&waiting.provider, old.slot, newest).await?;
        let snapshot = SnapshotRef { version, ..old };
        tracing::warn!(delivery = %old.lead, slot = %old.slot, taken = old.version, version, "the warehouse has another snapshot under this number");
        if let Some(report) = again {
            let Some((replay, _)) = self.ledger.read(move |reader| reader.replay_of(old)).await? else { return Ok(()) };
            let (provider, report) = (waiting.provider.clone(), Box::new(report));
            return self.record(vec![Event::Replayed { replay, delivery: old.lead, provider, snapshot, report }]).await;
        }
        let stage = Stage::Ready { snapshot, attempts: waiting.attempts, retry_at: self.clock.now() };
        let note =
            format!("The warehouse has another snapshot as version {} of this slot; this one becomes version {version}.", old.version);
        self.record(rows.iter().map(|row| moved(row.delivery.id, stage.clone(), None, Some(&note))).collect()).await
    }

    async fn refused(&self, rows: &[DeliveryRow], snapshot: SnapshotRef, note: &str) -> Result<(), PipelineError> {
        tracing::error!(delivery = %snapshot.lead, error = note, "the warehouse refuses a snapshot; it is set aside");
        let stage = Stage::Quarantined { sealed: false, discarded: false };
        self.record(rows.iter().map(|row| moved(row.delivery.id, stage.clone(), None, Some(note))).collect()).await?;
        rows.iter().for_each(|row| self.put_away(row, &stage, row.report.as_ref()));
        Ok(())
    }

    /// Records when a snapshot is tried again. Of what was read again the ledger knows that it waits, and that is enough.
    async fn postpone(&self, waiting: &QueuedSnapshot, attempts: u32, retry_at: Timestamp, error: &str) -> Result<(), PipelineError> {
        let snapshot = waiting.snapshot;
        tracing::warn!(delivery = %snapshot.lead, attempts, error, %retry_at, "the warehouse did not take a snapshot; it waits in the ledger");
        if waiting.replay {
            return Ok(());
        }
        let Some(row) = self.ledger.read(move |reader| reader.delivery(snapshot.lead)).await? else { return Ok(()) };
        let rows = self.parts_of(&row).await?;
        let stage = Stage::Ready { snapshot, attempts, retry_at };
        self.record(rows.iter().map(|row| moved(row.delivery.id, stage.clone(), None, Some(error))).collect()).await
    }
}

/// What a loaded snapshot makes of its slot's others that no other has taken the place of yet, or they of it. Pure.
fn superseded(lead: DeliveryId, current: DeliveryId, standing: &[DeliveryId]) -> Vec<Event> {
    if current != lead {
        return vec![Event::Superseded { delivery: lead, by: current }];
    }
    standing.iter().filter(|other| **other != lead).map(|other| Event::Superseded { delivery: *other, by: lead }).collect()
}

/// Whether two judgements of one delivery conclude the same, whenever they were made.
pub(super) fn says_the_same(report: &Report, decided: &Report) -> bool {
    *decided == Report { assessed_at: decided.assessed_at, ..report.clone() }
}
