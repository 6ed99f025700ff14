//! Following: what one further warehouse lacks is loaded in the order of the queue, for as long as the daemon runs.

use super::bringing::Went;
use super::plan::There;
use super::{Further, FurtherStanding};
use crate::feed::{DeliveryId, ProviderCode, Slot, error_chain};
use crate::forward::ForwardError;
use crate::ledger::QueuedSnapshot;
use crate::pipeline::carry_out::PipelineError;
use crate::pipeline::loading::{LOOK_AGAIN, LOOK_ANYWAY};
use crate::pipeline::queue::{Door, Next};
use crate::pipeline::step::{retry_at, waits};
use crate::pipeline::worker::{Inner, PAUSE_AFTER_FAULT, until};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::watch;

/// So many failures in a row are an outage: what the warehouse has is asked anew when it is over.
const AWAY: u32 = 3;
/// When something that the warehouse refuses is tried again: somebody may have mended it there.
const REFUSED_FOR: SignedDuration = SignedDuration::from_hours(1);

/// What is remembered between two rounds; a start begins without.
pub(in crate::pipeline) struct Following {
    pub(super) place: Option<Place>,
    door: Door,
    pub(super) queue: Vec<QueuedSnapshot>,
    pub(super) left_out: BTreeMap<DeliveryId, String>,
    pub(super) refused: BTreeMap<DeliveryId, Refusal>,
    pub(super) drops: Drops,
    /// Comparisons in vain, one after the other, and when the next is due.
    pub(super) vain: (u32, Timestamp),
    failures: u32,
    error: Option<String>,
}

/// How far the warehouse was compared with the ledger.
pub(super) struct Place {
    /// The ledger's newest entry then.
    pub(super) through: u64,
    pub(super) there: There,
    /// What may be there too, or in part: it was tried, and there was no answer.
    pub(super) perhaps: There,
    pub(super) newest: BTreeMap<ProviderCode, Slot>,
    pub(super) unknown: usize,
    /// The number of the next disposal when it was last tidied; `None`: it has not been.
    pub(super) tidied: Option<u32>,
    /// Not to be tidied before this.
    pub(super) tidy_after: Timestamp,
}

/// What is to be dropped before anything of it is loaded, and how that goes. What else waits is loaded meanwhile.
#[derive(Default)]
pub(super) struct Drops {
    /// Each with what is loaded afterwards.
    pub(super) leads: BTreeMap<DeliveryId, Option<QueuedSnapshot>>,
    /// Whether a drop of an earlier time may not be finished.
    pub(super) unfinished: bool,
    pub(super) failures: u32,
    /// When it is tried next, after a failure.
    pub(super) after: Timestamp,
    pub(super) error: Option<String>,
}

/// A snapshot that the warehouse refuses.
pub(super) struct Refusal {
    waiting: QueuedSnapshot,
    why: String,
    again_at: Timestamp,
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
        Self {
            place: None,
            door: Door::new(now),
            queue: Vec::new(),
            left_out: BTreeMap::new(),
            refused: BTreeMap::new(),
            drops: Drops::default(),
            vain: (0, now),
            failures: 0,
            error: None,
        }
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

    pub(super) fn answered(&mut self) {
        (self.failures, self.error, self.vain.0) = (0, None, 0);
    }

    fn standing(&self, name: &str, next_try: Option<Timestamp>) -> FurtherStanding {
        FurtherStanding {
            name: name.to_owned(),
            compared: self.place.is_some(),
            waiting: self.queue.len().saturating_add(self.drops.leads.len()),
            oldest: self.queue.iter().chain(self.drops.leads.values().flatten()).map(|waiting| waiting.snapshot.slot).min(),
            left_out: self.left_out.len().saturating_add(self.refused.len()),
            left_out_why: self.refused.values().map(|refusal| &refusal.why).chain(self.left_out.values()).next().cloned(),
            refused: self.refused.len(),
            unknown: self.place.as_ref().map_or(0, |place| place.unknown),
            failures: self.failures.max(self.drops.failures),
            error: self.error.clone().or_else(|| self.drops.error.clone()),
            next_try: next_try.filter(|_| self.error.is_some()).or((self.drops.failures > 0).then_some(self.drops.after)),
        }
    }

    /// Lets what was refused an hour ago wait in the queue once more.
    pub(super) fn ask_again(&mut self, now: Timestamp) {
        for (lead, refusal) in &mut self.refused {
            // However the clock was put, it is no longer than that.
            if waits_for(refusal.again_at, now, REFUSED_FOR) || self.queue.iter().any(|waiting| waiting.snapshot.lead == *lead) {
                continue;
            }
            refusal.again_at = now.saturating_add(REFUSED_FOR).unwrap_or(Timestamp::MAX);
            self.queue.push(refusal.waiting.clone());
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
                    Next::Nothing => {
                        // What failed before is of no interest where nothing waits.
                        following.answered();
                        return Ok(None);
                    }
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
                following.refused.remove(&snapshot.lead);
                if following.failures >= AWAY {
                    // It may have come back as it was at an earlier time.
                    following.place = None;
                }
                following.answered();
                if let Some(place) = &mut following.place {
                    place.there.insert((snapshot.lead, snapshot.version), judged);
                    place.perhaps.remove(&(snapshot.lead, snapshot.version));
                    place.newest.entry(waiting.provider).and_modify(|newest| *newest = snapshot.slot.max(*newest)).or_insert(snapshot.slot);
                }
            }
            Went::LeftOut(why) => {
                tracing::error!(warehouse = further.name, delivery = %snapshot.lead, why, "a snapshot is left out of a further warehouse");
                following.left_out.insert(snapshot.lead, why);
            }
            Went::Refused(why) => {
                tracing::error!(warehouse = further.name, delivery = %snapshot.lead, why, "a further warehouse refuses a snapshot");
                following.door.took(snapshot.lead, now);
                following.answered();
                let again_at = now.saturating_add(REFUSED_FOR).unwrap_or(Timestamp::MAX);
                following.refused.insert(snapshot.lead, Refusal { waiting, why, again_at });
            }
            Went::Moved => {}
            Went::Away(error) => {
                (waiting.attempts, waiting.retry_at) = following.door.failed(&waiting, now);
                waiting.moved_at = now;
                if let Some(place) = &mut following.place {
                    // The answer may be what was lost.
                    place.perhaps.insert((snapshot.lead, snapshot.version), now);
                }
                following.failed(&further.name, error, waiting.retry_at);
                return Ok(Some(waiting));
            }
        }
        Ok(None)
    }
}

/// Whether an instant is still to come; not where the clock was put back, for nothing waits longer than `longest`.
pub(super) fn waits_for(at: Timestamp, now: Timestamp, longest: SignedDuration) -> bool {
    now < at && at.duration_since(now) <= longest
}
