//! Following: what one further warehouse lacks is found, loaded in the order of the queue, and what retention deleted goes there too.

use super::plan::{DELETED, There, compare, of};
use super::{Further, FurtherStanding};
use crate::feed::{DeliveryId, ProviderCode, Slot, Stage, error_chain};
use crate::forward::{FileFact, ForwardError, ForwardErrorKind, Load, LoadOutcome};
use crate::ledger::{AcceptedSnapshot, Class, QueuedSnapshot};
use crate::pipeline::carry_out::PipelineError;
use crate::pipeline::loading::{LOOK_AGAIN, LOOK_ANYWAY, Prepared, says_the_same};
use crate::pipeline::queue::{Door, Next, in_order};
use crate::pipeline::replay::{Reading, compare as reading_of};
use crate::pipeline::retention::decide::limit;
use crate::pipeline::step::{retry_at, waits};
use crate::pipeline::worker::{Inner, PAUSE_AFTER_FAULT, until};
use crate::verify::Verdict;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::watch;

/// So many failures in a row are an outage: what the warehouse has is asked anew when it is over.
const AWAY: u32 = 3;
/// The pause after deleting did not work: an analyst's long look at the warehouse is over in the meantime. Loading goes on.
const PAUSE_OF_TIDYING: SignedDuration = SignedDuration::from_mins(15);

/// What is remembered between two rounds; a start begins without.
pub(in crate::pipeline) struct Following {
    place: Option<Place>,
    door: Door,
    queue: Vec<QueuedSnapshot>,
    left_out: BTreeMap<DeliveryId, String>,
    /// Comparisons in vain, one after the other, and when the next is due.
    vain: (u32, Timestamp),
    failures: u32,
    error: Option<String>,
}

/// How far the warehouse was compared with the ledger.
struct Place {
    /// The ledger's newest entry then.
    through: u64,
    there: There,
    newest: BTreeMap<ProviderCode, Slot>,
    unknown: usize,
    /// The number of the next disposal when it was last tidied; `None`: it has not been.
    tidied: Option<u32>,
    /// Not to be tidied before this.
    tidy_after: Timestamp,
}

/// What became of one try.
enum Went {
    /// The warehouse has it, judged at this time.
    Took(Timestamp),
    /// It is not to be loaded as things stand; why.
    LeftOut(String),
    /// The warehouse did not take it; why.
    Away(String),
    /// It stands otherwise by now: the next look at the ledger tells.
    Moved,
}

/// Follows until `stop` turns true; a load under way is finished first.
pub(in crate::pipeline) async fn follow_all(inner: Arc<Inner>, further: Arc<Further>, mut stop: watch::Receiver<bool>) {
    let mut news = inner.changed.subscribe();
    let mut following = Following::new(inner.clock.now());
    while !*stop.borrow() {
        news.mark_unchanged();
        let next = match inner.follow_once(&further, &mut following, &stop).await {
            Ok(next) => next.map(|at| until(inner.clock.now(), at)),
            Err(error) => {
                tracing::error!(
                    warehouse = further.name,
                    error = error_chain(&error),
                    "a further warehouse could not be followed; trying again"
                );
                Some(PAUSE_AFTER_FAULT)
            }
        };
        tokio::select! {
            changed = news.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(next.map_or(LOOK_ANYWAY, |wait| wait.min(LOOK_ANYWAY))) => {}
            changed = stop.changed() => if changed.is_err() { return },
        }
    }
}

impl Following {
    /// One that knows nothing yet, and whose door is open.
    pub(in crate::pipeline) fn new(now: Timestamp) -> Self {
        Self { place: None, door: Door::new(now), queue: Vec::new(), left_out: BTreeMap::new(), vain: (0, now), failures: 0, error: None }
    }

    /// Takes note that the warehouse did not answer at all; gives when it is asked next.
    fn in_vain(&mut self, name: &str, error: &ForwardError, now: Timestamp) -> Timestamp {
        let tries = self.vain.0.saturating_add(1);
        let next = retry_at(DeliveryId::new(now, [0; 10]), tries, now);
        self.vain = (tries, next);
        self.failed(name, error_chain(error), next);
        next
    }

    fn failed(&mut self, name: &str, error: String, next: Timestamp) {
        tracing::warn!(warehouse = name, error, next_try = %next, "a further warehouse does not answer, or takes nothing; the others go on");
        self.failures = self.failures.saturating_add(1);
        self.error = Some(error);
    }

    fn answered(&mut self) {
        (self.failures, self.error, self.vain.0) = (0, None, 0);
    }

    fn standing(&self, name: &str, next_try: Option<Timestamp>) -> FurtherStanding {
        FurtherStanding {
            name: name.to_owned(),
            compared: self.place.is_some(),
            waiting: self.queue.len(),
            oldest: self.queue.iter().map(|waiting| waiting.snapshot.slot).min(),
            left_out: self.left_out.len(),
            left_out_why: self.left_out.values().next().cloned(),
            unknown: self.place.as_ref().map_or(0, |place| place.unknown),
            failures: self.failures,
            error: self.error.clone(),
            next_try: next_try.filter(|_| self.error.is_some()),
        }
    }
}

impl Inner {
    /// Brings a further warehouse as far as it can be brought now; gives the next instant at which something can be tried.
    pub(in crate::pipeline) async fn follow_once(
        &self,
        further: &Further,
        following: &mut Following,
        stop: &watch::Receiver<bool>,
    ) -> Result<Option<Timestamp>, PipelineError> {
        let next = self.bring_on(further, following, stop).await;
        further.note(following.standing(&further.name, next.as_ref().ok().copied().flatten()));
        next
    }

    async fn bring_on(
        &self,
        further: &Further,
        following: &mut Following,
        stop: &watch::Receiver<bool>,
    ) -> Result<Option<Timestamp>, PipelineError> {
        loop {
            let now = self.clock.now();
            if following.vain.0 > 0 && waits(following.vain.1, now) {
                return Ok(Some(following.vain.1));
            }
            if let Err(error) = self.look(further, following).await? {
                return Ok(Some(following.in_vain(&further.name, &error, now)));
            }
            further.note(following.standing(&further.name, None));
            let looked_at = now;
            let is_old = || self.clock.now().duration_since(looked_at).abs() > LOOK_AGAIN;
            while !is_old() {
                if *stop.borrow() {
                    return Ok(None);
                }
                let at = match following.door.next(&following.queue, self.clock.now()) {
                    Next::Load(at) => at,
                    Next::WaitUntil(instant) => return Ok(Some(instant)),
                    Next::Nothing => return Ok(None),
                };
                let waiting = following.queue.remove(at);
                if let Some(waiting) = self.bring_one(further, following, waiting).await? {
                    following.queue.push(waiting);
                    break;
                }
            }
        }
    }

    /// Tries one snapshot; gives it back where it waits for its next try.
    async fn bring_one(
        &self,
        further: &Further,
        following: &mut Following,
        mut waiting: QueuedSnapshot,
    ) -> Result<Option<QueuedSnapshot>, PipelineError> {
        let snapshot = waiting.snapshot;
        let went = match self.load_into(further, &waiting).await {
            Ok(went) => went,
            // One original that cannot be read must not hold up what others have sent.
            Err(error @ (PipelineError::Store(_) | PipelineError::Assessment { .. })) => {
                tracing::error!(warehouse = further.name, delivery = %snapshot.lead, error = error_chain(&error), "a snapshot cannot be loaded now; the others go on");
                following.door.hold(snapshot.lead, self.clock.now());
                return Ok(Some(waiting));
            }
            Err(error) => {
                following.queue.push(waiting);
                return Err(error);
            }
        };
        let now = self.clock.now();
        match went {
            Went::Took(judged) => {
                following.door.took(snapshot.lead, now);
                following.left_out.remove(&snapshot.lead);
                if following.failures >= AWAY {
                    // It may have come back as it was at an earlier time.
                    following.place = None;
                }
                following.answered();
                if let Some(place) = &mut following.place {
                    place.there.insert((snapshot.lead, snapshot.version), judged);
                    place.newest.entry(waiting.provider).and_modify(|newest| *newest = snapshot.slot.max(*newest)).or_insert(snapshot.slot);
                }
            }
            Went::LeftOut(why) => {
                tracing::error!(warehouse = further.name, delivery = %snapshot.lead, why, "a snapshot is left out of a further warehouse");
                following.left_out.insert(snapshot.lead, why);
            }
            Went::Moved => {}
            Went::Away(error) => {
                (waiting.attempts, waiting.retry_at) = following.door.failed(&waiting, now);
                waiting.moved_at = now;
                following.failed(&further.name, error, waiting.retry_at);
                return Ok(Some(waiting));
            }
        }
        Ok(None)
    }

    /// Finds what there is to do: all of it at first, then what the ledger has recorded since. The inner error is the warehouse's.
    async fn look(&self, further: &Further, following: &mut Following) -> Result<Result<(), ForwardError>, PipelineError> {
        let seen = following.place.as_ref().map(|place| place.through);
        let (accepted, known) = self
            .ledger
            .read(move |reader| Ok((reader.accepted_after(seen)?, if seen.is_none() { reader.all_ids()? } else { BTreeMap::new() })))
            .await?;
        let fresh = following.place.is_none();
        if fresh {
            let asked = async {
                further.warehouse.opened().await?;
                further.warehouse.reader().snapshots().await
            };
            let there = match asked.await {
                Ok(there) => there,
                Err(error) => return Ok(Err(error)),
            };
            let through = accepted.through;
            following.place =
                Some(Place { through, there, newest: BTreeMap::new(), unknown: 0, tidied: None, tidy_after: self.clock.now() });
        }
        let Some(place) = &mut following.place else { return Ok(Ok(())) };
        // What was taken back is known, and is to be dropped where it is there.
        let known = if fresh { known } else { accepted.taken_back.iter().map(|id| (*id, true)).collect() };
        let plan = if fresh {
            compare(&accepted.snapshots, &place.there, &known)
        } else {
            compare(&accepted.snapshots, &touched(&place.there, &accepted.snapshots, &accepted.taken_back), &known)
        };
        if !plan.dropped.is_empty() {
            if let Err(error) = further.warehouse.drop_deliveries(plan.dropped.clone()).await {
                if fresh {
                    following.place = None;
                }
                return Ok(Err(error));
            }
            place.there.retain(|(lead, _), _| !plan.dropped.contains(lead));
        }
        if fresh {
            place.unknown = plan.unknown;
            place.newest = newest(&accepted.snapshots, &place.there);
            tracing::info!(
                warehouse = further.name,
                has = place.there.len(),
                lacks = plan.load.len(),
                left_out = plan.deleted.len(),
                unknown = plan.unknown,
                "compared a further warehouse with the ledger"
            );
        }
        place.through = accepted.through;
        // By lead: of a delivery that got another number since, only the newest waits.
        let moved: BTreeSet<DeliveryId> =
            accepted.snapshots.iter().map(|one| one.snapshot.lead).chain(accepted.taken_back.iter().copied()).collect();
        following.queue.retain(|waiting| !moved.contains(&waiting.snapshot.lead));
        following.left_out.retain(|lead, _| !moved.contains(lead));
        following.left_out.extend(plan.deleted.into_iter().map(|lead| (lead, DELETED.to_owned())));
        if !plan.load.is_empty() {
            following.queue.extend(plan.load.into_iter().filter(|waiting| self.has_feed(&waiting.provider)));
            in_order(&mut following.queue, &place.newest);
        }
        if let Err(error) = self.tidy(further, place).await? {
            place.tidy_after = self.clock.now().saturating_add(PAUSE_OF_TIDYING).unwrap_or(Timestamp::MAX);
            tracing::error!(
                warehouse = further.name,
                error = error_chain(&error),
                "what retention deleted could not be deleted in a further warehouse; trying again"
            );
        }
        if following.vain.0 > 0 {
            following.answered();
        }
        Ok(Ok(()))
    }

    fn has_feed(&self, provider: &ProviderCode) -> bool {
        self.rules.feeds.iter().any(|feed| feed.provider == *provider)
    }

    /// Deletes what retention has deleted elsewhere, once every disposal is done: what a legal hold saved at the last moment stays.
    async fn tidy(&self, further: &Further, place: &mut Place) -> Result<Result<(), ForwardError>, PipelineError> {
        let (next, unfinished) =
            self.ledger.read(|reader| Ok((reader.next_disposal()?, !reader.unfinished_disposals()?.is_empty()))).await?;
        let now = self.clock.now();
        // A clock that was put back does not make it wait for hours.
        let rests = now < place.tidy_after && place.tidy_after.duration_since(now) <= PAUSE_OF_TIDYING;
        if unfinished || rests || place.tidied == Some(next) {
            return Ok(Ok(()));
        }
        for class in [Class::Rows, Class::Sums] {
            let (before, _) = limit(class, &self.rules.retention, now);
            let reader = further.warehouse.reader();
            let old = match if class == Class::Rows { reader.old_lines(before).await } else { reader.old_sums(before).await } {
                Ok(old) => old,
                Err(error) => return Ok(Err(error)),
            };
            let ids: Vec<DeliveryId> = old.into_iter().map(|old| old.lead).collect();
            let gone = move |reader: &crate::ledger::Reader| {
                let mut gone = Vec::new();
                for id in ids {
                    if reader.is_gone(id, class)? {
                        gone.push(id);
                    }
                }
                Ok(gone)
            };
            let gone = self.ledger.read(gone).await?;
            if gone.is_empty() {
                continue;
            }
            let things = gone.len();
            let disposed =
                if class == Class::Rows { further.warehouse.dispose_lines(gone).await } else { further.warehouse.dispose_sums(gone).await };
            match disposed {
                Ok(rows) => {
                    tracing::info!(warehouse = further.name, class = class.as_str(), things, rows, "deleted what retention had deleted")
                }
                Err(error) => return Ok(Err(error)),
            }
        }
        place.tidied = Some(next);
        Ok(Ok(()))
    }

    async fn load_into(&self, further: &Further, waiting: &QueuedSnapshot) -> Result<Went, PipelineError> {
        let prepared = match further.shelf.take(waiting.snapshot) {
            Some(prepared) => prepared,
            None => match self.prepare_for(waiting).await? {
                Ok(prepared) => prepared,
                Err(went) => return Ok(went),
            },
        };
        let Prepared { snapshot, replay, rows, verified, report } = prepared;
        let judged = report.assessed_at;
        let loaded = Stage::Loaded { snapshot };
        let files = rows.iter().map(|row| FileFact::new(&row.delivery, &loaded, row.report.as_ref())).collect();
        match further.warehouse.load(Load { verified, reference: snapshot, replay, files, report }).await {
            Ok(LoadOutcome::Loaded { .. } | LoadOutcome::AlreadyLoaded) => Ok(Went::Took(judged)),
            Ok(LoadOutcome::NumberTaken { newest }) => Ok(Went::LeftOut(format!(
                "another snapshot is there as version {} of slot {}, of {newest}: the ledger does not know it",
                snapshot.version, snapshot.slot
            ))),
            Err(error) if error.kind() == ForwardErrorKind::Refused => Ok(Went::LeftOut(format!("it refuses it: {}", error_chain(&error)))),
            Err(error) => Ok(Went::Away(error_chain(&error))),
        }
    }

    /// Judges a snapshot again, from its kept original: it must say what the ledger says.
    async fn prepare_for(&self, waiting: &QueuedSnapshot) -> Result<Result<Prepared, Went>, PipelineError> {
        let snapshot = waiting.snapshot;
        let Some(feed) = self.rules.feeds.iter().find(|feed| feed.provider == waiting.provider) else { return Ok(Err(Went::Moved)) };
        let Some(row) = self.ledger.read(move |reader| reader.delivery(snapshot.lead)).await? else { return Ok(Err(Went::Moved)) };
        let (is_ready, stands) = match &row.stage {
            Stage::Ready { snapshot, .. } => (true, *snapshot),
            Stage::Loaded { snapshot } => (false, *snapshot),
            _ => return Ok(Err(Went::Moved)),
        };
        let Some(decided) = row.report.clone().filter(|_| stands == snapshot) else { return Ok(Err(Went::Moved)) };
        let rows = self.parts_of(&row).await?;
        if is_ready {
            let judged = self.judge_against_past(feed, &row, rows, Some(decided.assessed_at)).await?;
            let (rows, assessment) = judged.into_parts();
            return Ok(match assessment.verdict {
                Verdict::Accepted(verified)
                    if says_the_same(&self.placed(&feed.provider, snapshot, assessment.report.clone()).await?, &decided) =>
                {
                    Ok(Prepared { snapshot, replay: false, rows, verified, report: decided })
                }
                // The settings changed in between: it is judged anew when the first warehouse is there again.
                _ => Err(Went::Moved),
            });
        }
        let (rows, assessment) = match self.judge_kept(feed, &row, rows).await? {
            Ok(judged) => judged.into_parts(),
            Err(why) => return Ok(Err(Went::LeftOut(why))),
        };
        let reading = reading_of(snapshot.slot, Some(&decided), &assessment);
        Ok(match (reading, assessment.verdict) {
            (Reading::Unchanged, Verdict::Accepted(verified)) => {
                Ok(Prepared { snapshot, replay: waiting.replay, rows, verified, report: decided })
            }
            (Reading::Kept { why }, _) => Err(Went::LeftOut(format!("by today's settings it is not accepted as it was: {why}"))),
            _ => Err(Went::LeftOut(
                "today's mapping reads it otherwise: `bedfeed replay` makes a new version of it, for every warehouse".to_owned(),
            )),
        })
    }
}

/// What is there of the deliveries that something was recorded about.
fn touched(there: &There, accepted: &[AcceptedSnapshot], taken_back: &[DeliveryId]) -> There {
    let leads = accepted.iter().map(|one| one.snapshot.lead).chain(taken_back.iter().copied());
    let versions = leads.flat_map(|lead| of(there, lead).map(move |version| (lead, version)));
    versions.filter_map(|key| there.get(&key).map(|at| (key, *at))).collect()
}

/// The newest slot of each feed that is there.
fn newest(accepted: &[AcceptedSnapshot], there: &There) -> BTreeMap<ProviderCode, Slot> {
    let mut newest: BTreeMap<ProviderCode, Slot> = BTreeMap::new();
    for one in accepted.iter().filter(|one| there.contains_key(&(one.snapshot.lead, one.snapshot.version))) {
        let slot = one.snapshot.slot;
        newest.entry(one.provider.clone()).and_modify(|newest| *newest = slot.max(*newest)).or_insert(slot);
    }
    newest
}
