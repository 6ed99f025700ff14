//! Looking: what there is to do for a further warehouse, and what is to go from it.
//!
//! Owns that a drop which fails holds up nothing but what it is about, and that nothing goes while it is in doubt whether the ledger is
//! the right one, or under a legal hold. Refuses to decide what is lacking: `plan` does.

use super::Further;
use super::following::{Following, Place, waits_for};
use super::plan::{DELETED, There, compare, of};
use crate::feed::{DeliveryId, ProviderCode, Slot, error_chain};
use crate::forward::ForwardError;
use crate::ledger::{AcceptedSnapshot, Class, LedgerError, Reader};
use crate::pipeline::carry_out::PipelineError;
use crate::pipeline::queue::in_order;
use crate::pipeline::retention::decide::limit;
use crate::pipeline::step::{retry_at, waits};
use crate::pipeline::support::held;
use crate::pipeline::worker::Inner;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// The pause after deleting did not work: an analyst's long look at the warehouse is over in the meantime. Loading goes on.
const PAUSE_OF_TIDYING: SignedDuration = SignedDuration::from_mins(15);
/// Most that goes in one transaction, so that each is done within a warehouse's patience.
const GROUP: usize = 200;

impl Inner {
    /// Finds what there is to do: all of it at first, then what the ledger has recorded since. The inner error is the warehouse's.
    pub(super) async fn look(&self, further: &Further, following: &mut Following) -> Result<Result<(), ForwardError>, PipelineError> {
        let seen = following.place.as_ref().map(|place| place.through);
        let (accepted, known) = self
            .ledger
            .read(move |reader| Ok((reader.accepted_after(seen)?, if seen.is_none() { reader.all_ids()? } else { BTreeMap::new() })))
            .await?;
        let fresh = following.place.is_none();
        if fresh {
            following.place = match self.place(further, accepted.through).await {
                Ok(place) => Some(place),
                Err(error) => return Ok(Err(error)),
            };
            following.drops.leads.clear();
            following.drops.unfinished = true;
        }
        let Some(place) = &mut following.place else { return Ok(Ok(())) };
        // What was taken back is known, and is to be dropped where it is there.
        let known = if fresh { known } else { accepted.taken_back.iter().map(|id| (*id, true)).collect() };
        let plan = if fresh {
            compare(&accepted.snapshots, &place.there, &place.perhaps, &known)
        } else {
            let touched = |all: &There| touched(all, &accepted.snapshots, &accepted.taken_back);
            compare(&accepted.snapshots, &touched(&place.there), &touched(&place.perhaps), &known)
        };
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
        place.there.retain(|(lead, _), _| !plan.dropped.contains(lead));
        // By lead: of a delivery that got another number since, only the newest waits.
        let moved: BTreeSet<DeliveryId> =
            accepted.snapshots.iter().map(|one| one.snapshot.lead).chain(accepted.taken_back.iter().copied()).collect();
        let wanted: BTreeSet<DeliveryId> = plan.load.iter().map(|waiting| waiting.snapshot.lead).collect();
        moved.difference(&wanted).for_each(|lead| further.shelf.forget(*lead));
        following.queue.retain(|waiting| !moved.contains(&waiting.snapshot.lead));
        following.left_out.retain(|lead, _| !moved.contains(lead));
        following.refused.retain(|lead, _| !moved.contains(lead));
        following.drops.leads.iter_mut().filter(|(lead, _)| moved.contains(lead)).for_each(|(_, after)| *after = None);
        following.left_out.extend(plan.deleted.into_iter().map(|lead| (lead, DELETED.to_owned())));
        following.drops.leads.extend(plan.dropped.into_iter().map(|lead| (lead, None)));
        let waits = following.queue.len();
        for waiting in plan.load.into_iter().filter(|waiting| self.has_feed(&waiting.provider)) {
            match following.drops.leads.get_mut(&waiting.snapshot.lead) {
                Some(after) => *after = Some(waiting),
                None => following.queue.push(waiting),
            }
        }
        following.ask_again(self.clock.now());
        self.drop_what_is_to_go(further, following).await;
        let Some(place) = &mut following.place else { return Ok(Ok(())) };
        if following.queue.len() != waits {
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

    /// Asks the warehouse what it has.
    async fn place(&self, further: &Further, through: u64) -> Result<Place, ForwardError> {
        further.warehouse.opened().await?;
        let reader = further.warehouse.reader();
        let (there, perhaps) = (reader.snapshots().await?, reader.unfinished().await?);
        let tidy_after = self.clock.now();
        Ok(Place { through, there, perhaps, newest: BTreeMap::new(), unknown: 0, tidied: None, tidy_after })
    }

    /// Drops what is not accepted any more, or is to be loaded otherwise. Where that fails it is tried again later; what waits for
    /// it waits, and nothing else.
    async fn drop_what_is_to_go(&self, further: &Further, following: &mut Following) {
        let now = self.clock.now();
        let drops = &mut following.drops;
        if drops.leads.is_empty() && !drops.unfinished || drops.failures > 0 && waits(drops.after, now) || self.is_in_doubt() {
            return;
        }
        let leads: Vec<DeliveryId> = drops.leads.keys().copied().collect();
        // At least one: none are dropped then, and what an earlier drop left is finished.
        for group in leads.chunks(GROUP).chain(std::iter::once(&[][..]).take(usize::from(leads.is_empty()))) {
            if let Err(error) = further.warehouse.drop_deliveries(group.to_vec()).await {
                drops.failures = drops.failures.saturating_add(1);
                drops.after = retry_at(DeliveryId::new(now, [0; 10]), drops.failures, now);
                let error = error_chain(&error);
                tracing::warn!(warehouse = further.name, error, next_try = %drops.after, "what is to go from a further warehouse is still there");
                drops.error = Some(error);
                return;
            }
            following.queue.extend(group.iter().filter_map(|lead| drops.leads.remove(lead).flatten()));
            if let Some(place) = &mut following.place {
                place.perhaps.retain(|(lead, _), _| !group.contains(lead));
            }
        }
        (drops.unfinished, drops.failures, drops.error) = (false, 0, None);
    }

    fn has_feed(&self, provider: &ProviderCode) -> bool {
        self.rules.feeds.iter().any(|feed| feed.provider == *provider)
    }

    /// Deletes what retention has deleted elsewhere, once every disposal is done. What a legal hold covers stays where it is still there.
    async fn tidy(&self, further: &Further, place: &mut Place) -> Result<Result<(), ForwardError>, PipelineError> {
        let (next, unfinished) =
            self.ledger.read(|reader| Ok((reader.next_disposal()?, !reader.unfinished_disposals()?.is_empty()))).await?;
        let now = self.clock.now();
        let rests = waits_for(place.tidy_after, now, PAUSE_OF_TIDYING);
        if unfinished || rests || place.tidied == Some(next) || self.is_in_doubt() {
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
            for group in ids.chunks(GROUP) {
                if let Err(error) = self.dispose_there(further, class, group.to_vec()).await? {
                    return Ok(Err(error));
                }
            }
        }
        // Something of an earlier time may have gone from an index, and not yet from its lake.
        if let Err(error) = further.warehouse.settled().await {
            return Ok(Err(error));
        }
        place.tidied = Some(next);
        Ok(Ok(()))
    }

    /// Deletes of these what is deleted elsewhere, and not held.
    async fn dispose_there(
        &self,
        further: &Further,
        class: Class,
        ids: Vec<DeliveryId>,
    ) -> Result<Result<(), ForwardError>, PipelineError> {
        // No hold is placed meanwhile.
        let _acting = self.acting.lock().await;
        let gone = self.ledger.read(move |reader| may_go(reader, class, ids)).await?;
        if gone.is_empty() {
            return Ok(Ok(()));
        }
        let things = gone.len();
        let disposed =
            if class == Class::Rows { further.warehouse.dispose_lines(gone).await } else { further.warehouse.dispose_sums(gone).await };
        Ok(disposed.map(|rows| {
            tracing::info!(warehouse = further.name, class = class.as_str(), things, rows, "deleted what retention had deleted");
        }))
    }
}

/// Those that retention has deleted, and no legal hold covers.
fn may_go(reader: &Reader, class: Class, ids: Vec<DeliveryId>) -> Result<Vec<DeliveryId>, LedgerError> {
    let holds = reader.holds(false)?;
    let mut gone = Vec::new();
    for id in ids {
        let is_held = || Ok::<_, LedgerError>(!holds.is_empty() && reader.delivery(id)?.is_some_and(|row| held(&row, &holds).is_some()));
        if reader.is_gone(id, class)? && !is_held()? {
            gone.push(id);
        }
    }
    Ok(gone)
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
