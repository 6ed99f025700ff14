//! Retention, carried out: what is old enough is recorded, then deleted, then recorded as gone.
//!
//! Owns where old things are found and the order of the steps; `decide` decides. The ledger says first what goes, so a crash
//! leaves a disposal that the next start goes on with, and never a thing that is gone without a word. Refuses to delete what is
//! pending, what "now" rests on, and what is held.

pub mod decide;

use super::carry_out::PipelineError;
use super::support::{ActError, Asked, are_words};
use super::worker::Pipeline;
use crate::feed::{DeliveryId, ProviderCode, Stage, error_chain};
use crate::forward::{ForwardError, OldFigures, WarehouseReader};
use crate::ledger::{Class, DeliveryRow, Disposal, DisposalRow, Event, Hold, HoldRow, HoldScope, LedgerError, Reader};
use crate::quarantine::{Retention, Store, StoreError, days_before};
use decide::{Stays, Survey, Thing, limit};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::io;

/// Most things of one kind that one round takes: bounds how long support waits while it is under way.
const MOST: usize = 500;
/// Most things that one entry of the ledger names.
const GROUP: usize = 200;
/// How long derived tables keep what nobody asks for any more, in days. The entries keep it all.
const DERIVED_DAYS: u32 = 400;
/// Most rounds in a row that nobody asked for: an hour's work at the worst, and the next day goes on.
const ROUNDS: usize = 500;

/// What a look or a round came to, of one class.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Went {
    /// What kind of thing.
    pub class: Class,
    /// How many.
    pub things: u64,
    /// Their files, or rows of tables.
    pub items: u64,
    /// Their bytes, where they are files.
    pub bytes: u64,
}

/// What a round did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// What went, by class.
    pub went: Vec<Went>,
    /// Whether there is more.
    pub more: bool,
}

/// Why retention could not go on. What was recorded and is still there goes in the next round.
#[derive(Debug, thiserror::Error)]
pub enum RetentionError {
    /// The ledger or the store stopped it.
    #[error("retention stopped")]
    Pipeline(#[from] PipelineError),
    /// The warehouse stopped it.
    #[error("the warehouse stopped retention")]
    Warehouse(#[from] ForwardError),
}

impl From<LedgerError> for RetentionError {
    fn from(error: LedgerError) -> Self {
        Self::Pipeline(error.into())
    }
}

impl From<StoreError> for RetentionError {
    fn from(error: StoreError) -> Self {
        Self::Pipeline(error.into())
    }
}

/// Figures that the warehouse found to be old: lines, and sums.
#[derive(Clone, Debug, Default)]
pub struct Old {
    lines: Vec<OldFigures>,
    sums: Vec<OldFigures>,
}

/// Asks the warehouse what is old.
///
/// # Errors
/// It cannot be read.
pub async fn old_figures(warehouse: &WarehouseReader, retention: &Retention, now: Timestamp) -> Result<Old, ForwardError> {
    let before = |class| limit(class, retention, now).0;
    let lines = warehouse.old_lines(before(Class::Rows)).await?;
    Ok(Old { lines, sums: warehouse.old_sums(before(Class::Sums)).await? })
}

/// Looks through everything that is kept: what goes now, so many of a kind at `most`, and what stays though it is old enough.
/// Changes nothing.
///
/// # Errors
/// The ledger or a folder cannot be read.
pub fn survey(
    reader: &Reader,
    store: &Store,
    old: Old,
    retention: &Retention,
    now: Timestamp,
    most: usize,
) -> Result<Survey, PipelineError> {
    let holds = reader.holds(false)?;
    let mut look = Look { reader, store, newest: BTreeMap::new(), holds, retention, now, most, survey: Survey::default() };
    let folders = |error| PipelineError::Folders(error);
    let files = store.accepted_ids().map_err(folders)?.into_iter().chain(store.quarantined_ids().map_err(folders)?);
    let least = days_before(now, retention.raw_days.min(retention.quarantine_days));
    look.files(files.collect(), least)?;
    look.pictures(store.pictured_ids().map_err(folders)?)?;
    look.figures(Class::Rows, old.lines)?;
    look.figures(Class::Sums, old.sums)?;
    Ok(look.survey)
}

/// Fills in how many rows the figures have that go.
///
/// # Errors
/// The warehouse cannot be read.
pub async fn count_rows(survey: &mut Survey, warehouse: &WarehouseReader) -> Result<(), ForwardError> {
    for class in [Class::Rows, Class::Sums] {
        let mut things: Vec<&mut Thing> = survey.goes.iter_mut().filter(|thing| thing.class == class).collect();
        if things.is_empty() {
            continue;
        }
        let leads = things.iter().map(|thing| thing.id).collect();
        let counts = if class == Class::Rows { warehouse.count_lines(leads).await? } else { warehouse.count_sums(leads).await? };
        things.iter_mut().zip(counts).for_each(|(thing, count)| thing.items = count);
    }
    Ok(())
}

/// A look under way.
struct Look<'a> {
    reader: &'a Reader,
    store: &'a Store,
    /// The deliveries that the newest figures of each provider rest on.
    newest: BTreeMap<ProviderCode, Vec<DeliveryId>>,
    holds: Vec<HoldRow>,
    retention: &'a Retention,
    now: Timestamp,
    most: usize,
    survey: Survey,
}

impl Look<'_> {
    fn add(&mut self, thing: Thing) {
        self.survey.add(thing, self.retention, &self.holds, self.now);
    }

    /// Ids sort by arrival, and nothing ends before it arrives: what came later is not even looked up.
    fn old_enough(&mut self, mut ids: Vec<DeliveryId>, before: Timestamp) -> Vec<DeliveryId> {
        let first_young = DeliveryId::new(before, [0; 10]);
        ids.retain(|id| *id < first_young);
        ids.sort();
        ids.dedup();
        ids
    }

    fn files(&mut self, ids: Vec<DeliveryId>, before: Timestamp) -> Result<(), PipelineError> {
        let enough = self.survey.goes.len().saturating_add(self.most);
        for id in self.old_enough(ids, before) {
            if self.survey.goes.len() >= enough {
                self.survey.more = true;
                break;
            }
            // One that the ledger does not know was never acknowledged: the next start removes it.
            let (Some(row), Some(bytes)) = (self.reader.delivery(id)?, self.store.kept_bytes(id)?) else { continue };
            let aside = matches!(row.stage, Stage::Quarantined { .. } | Stage::HandedBack { .. });
            let class = if aside { Class::Quarantine } else { Class::Raw };
            let shown = !aside && self.newest_of(&row.delivery.provider)?.contains(&id);
            self.add(Thing { bytes, shown, ..thing(class, &row) });
        }
        Ok(())
    }

    fn pictures(&mut self, ids: Vec<DeliveryId>) -> Result<(), PipelineError> {
        let enough = self.survey.goes.len().saturating_add(self.most);
        for id in self.old_enough(ids, days_before(self.now, self.retention.checks_days)) {
            if self.survey.goes.len() >= enough {
                self.survey.more = true;
                break;
            }
            let Some(row) = self.reader.delivery(id)? else { continue };
            let bytes = self.store.picture_size(id).map_err(PipelineError::Folders)?.unwrap_or_default();
            self.add(Thing { bytes, ..thing(Class::Checks, &row) });
        }
        Ok(())
    }

    fn figures(&mut self, class: Class, old: Vec<OldFigures>) -> Result<(), PipelineError> {
        let enough = self.survey.goes.len().saturating_add(self.most);
        for figures in old {
            if self.survey.goes.len() >= enough {
                self.survey.more = true;
                break;
            }
            let row = self.reader.delivery(figures.lead)?;
            let parts = row.as_ref().map_or_else(|| vec![figures.lead], parts_of);
            self.add(Thing {
                class,
                id: figures.lead,
                provider: figures.provider,
                since: figures.about,
                arrived: row.as_ref().map_or(figures.about, |row| row.delivery.received_at),
                items: 0,
                bytes: 0,
                pending: row.is_some_and(|row| row.stage.outcome() == crate::feed::Outcome::Pending),
                shown: figures.shown,
                parts,
            });
        }
        Ok(())
    }

    fn newest_of(&mut self, provider: &ProviderCode) -> Result<&[DeliveryId], PipelineError> {
        if !self.newest.contains_key(provider) {
            let newest = self.reader.newest_accepted(provider)?;
            self.newest.insert(provider.clone(), newest.as_ref().map(parts_of).unwrap_or_default());
        }
        Ok(self.newest.get(provider).map(Vec::as_slice).unwrap_or_default())
    }
}

fn thing(class: Class, row: &DeliveryRow) -> Thing {
    Thing {
        class,
        id: row.delivery.id,
        provider: row.delivery.provider.clone(),
        since: row.moved_at,
        arrived: row.delivery.received_at,
        items: 1,
        bytes: 0,
        pending: row.stage.outcome() == crate::feed::Outcome::Pending,
        shown: false,
        parts: parts_of(row),
    }
}

/// The deliveries that were judged with one, itself included: a hold on one of them is a hold on all.
fn parts_of(row: &DeliveryRow) -> Vec<DeliveryId> {
    let mut parts: Vec<DeliveryId> = row.report.iter().flat_map(|report| report.parts.iter().map(|(_, id)| *id)).collect();
    if !parts.contains(&row.delivery.id) {
        parts.push(row.delivery.id);
    }
    parts
}

impl Pipeline {
    /// Goes on with disposals that a crash cut short. One that cannot be finished now is tried again in the next round.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn resume_disposals(&self) -> Result<(), PipelineError> {
        let _acting = self.inner.acting.lock().await;
        for DisposalRow { disposal, .. } in self.inner.ledger.read(|reader| reader.unfinished_disposals()).await? {
            let number = disposal.number;
            match self.delete(&disposal).await {
                Ok(()) => tracing::info!(disposal = number, class = disposal.class.as_str(), "a disposal that was cut short is finished"),
                Err(error) => tracing::error!(disposal = number, error = error_chain(&error), "a disposal could not be finished"),
            }
        }
        Ok(())
    }

    /// One round: records and deletes what is old enough, so much at most. Support's acts wait for its end.
    ///
    /// # Errors
    /// See [`RetentionError`]; what was recorded is deleted by the next round or start.
    pub async fn retain(&self) -> Result<Round, RetentionError> {
        self.resume_disposals().await?;
        let inner = &self.inner;
        let _acting = inner.acting.lock().await;
        let (retention, now) = (inner.rules.retention, inner.clock.now());
        // A warehouse that is away is no reason to keep files.
        let (old, trouble) = match old_figures(&inner.warehouse.reader(), &retention, now).await {
            Ok(old) => (old, None),
            Err(error) => (Old::default(), Some(error)),
        };
        let store = inner.store.clone();
        let looked = inner.ledger.read(move |reader| Ok(survey(reader, &store, old, &retention, now, MOST))).await?;
        let mut survey = looked?;
        count_rows(&mut survey, &inner.warehouse.reader()).await?;
        let mut went: BTreeMap<Class, Went> = BTreeMap::new();
        for (class, things) in survey.groups(GROUP) {
            let disposal = self.record_disposal(class, &things, now).await?;
            self.delete(&disposal).await?;
            let sum = went.entry(class).or_insert(Went { class, things: 0, items: 0, bytes: 0 });
            sum.things = sum.things.saturating_add(u64::try_from(disposal.ids.len()).unwrap_or(u64::MAX));
            sum.items = sum.items.saturating_add(disposal.items);
            sum.bytes = sum.bytes.saturating_add(disposal.bytes);
            tracing::info!(
                disposal = disposal.number,
                class = class.as_str(),
                things = disposal.ids.len(),
                rule = disposal.rule,
                "retention deleted what is old"
            );
        }
        self.trim(now).await?;
        if let Some(error) = trouble {
            return Err(error.into());
        }
        Ok(Round { went: went.into_values().collect(), more: survey.more })
    }

    /// Rounds until nothing is left that goes.
    ///
    /// # Errors
    /// See [`RetentionError`].
    pub async fn retain_all(&self) -> Result<(), RetentionError> {
        for _ in 0..ROUNDS {
            let round = self.retain().await?;
            if !round.more || round.went.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// Says first what goes. What waited for a person no longer does: there is nothing left to decide on.
    async fn record_disposal(&self, class: Class, things: &[&Thing], now: Timestamp) -> Result<Disposal, RetentionError> {
        let ids: Vec<DeliveryId> = things.iter().map(|thing| thing.id).collect();
        let asked = ids.clone();
        let (number, rows) = self
            .inner
            .ledger
            .read(move |reader| {
                let rows = if class == Class::Quarantine { asked } else { Vec::new() };
                let rows = rows.into_iter().map(|id| reader.delivery(id)).collect::<Result<Vec<_>, _>>()?;
                Ok((reader.next_disposal()?, rows))
            })
            .await?;
        let (before, rule) = limit(class, &self.inner.rules.retention, now);
        let sum = |of: fn(&Thing) -> u64| things.iter().map(|thing| of(thing)).fold(0, u64::saturating_add);
        let disposal = Disposal { number, class, rule, before, ids, items: sum(|thing| thing.items), bytes: sum(|thing| thing.bytes) };
        let mut events = vec![Event::Disposing { disposal: Box::new(disposal.clone()) }];
        for row in rows.into_iter().flatten() {
            if let Stage::Quarantined { sealed, discarded: false } = row.stage {
                let note = format!("nobody decided on it in time: its file was deleted by retention ({})", disposal.rule);
                let stage = Stage::Quarantined { sealed, discarded: true };
                events.push(Event::Moved { delivery: row.delivery.id, stage, report: None, note: Some(note) });
            }
        }
        self.inner.record(events).await?;
        Ok(disposal)
    }

    async fn delete(&self, disposal: &Disposal) -> Result<(), RetentionError> {
        let (store, ids, class) = (self.inner.store.clone(), disposal.ids.clone(), disposal.class);
        match class {
            Class::Rows => drop(self.inner.warehouse.dispose_lines(ids).await?),
            Class::Sums => drop(self.inner.warehouse.dispose_sums(ids).await?),
            Class::Raw | Class::Quarantine | Class::Checks => {
                let work = move || if class == Class::Checks { store.dispose_pictures(&ids) } else { store.dispose(&ids) };
                let done = tokio::task::spawn_blocking(work).await;
                done.map_err(|error| PipelineError::Folders(io::Error::other(error)))??;
            }
        }
        Ok(self.inner.record(vec![Event::Disposed { disposal: disposal.number }]).await?)
    }

    /// Lets derived tables go of what is old, at most once a day.
    async fn trim(&self, now: Timestamp) -> Result<(), RetentionError> {
        let before = days_before(now, DERIVED_DAYS);
        let (last, first) = self.inner.ledger.read(|reader| Ok((reader.trimmed_before()?, reader.entries_after(0, 1)?))).await?;
        let since = last.or(first.first().map(|entry| entry.at));
        if since.is_none_or(|since| before < since.saturating_add(jiff::SignedDuration::from_hours(24)).unwrap_or(since)) {
            return Ok(());
        }
        Ok(self.inner.record(vec![Event::Trimmed { before }]).await?)
    }

    /// Places a legal hold; gives its number.
    ///
    /// # Errors
    /// Nobody says who and why, or it could not be recorded.
    pub async fn place_hold(&self, scope: HoldScope, asked: &Asked) -> Result<u32, ActError> {
        if !are_words(&asked.by) || !are_words(&asked.reason) {
            return Err(ActError::Words);
        }
        if scope.is_empty() {
            return Err(ActError::HoldsNothing);
        }
        let _acting = self.inner.acting.lock().await;
        let number = self.inner.ledger.read(|reader| reader.next_hold()).await?;
        let hold = Hold { number, scope, by: asked.by.clone(), reason: asked.reason.clone(), account: asked.account.clone() };
        self.inner.record(vec![Event::HoldPlaced { hold: Box::new(hold) }]).await?;
        tracing::info!(hold = number, by = asked.by, "a legal hold was placed");
        Ok(number)
    }

    /// Lifts a legal hold.
    ///
    /// # Errors
    /// No such hold stands, nobody says who and why, or it could not be recorded.
    pub async fn end_hold(&self, number: u32, asked: &Asked) -> Result<(), ActError> {
        if !are_words(&asked.by) || !are_words(&asked.reason) {
            return Err(ActError::Words);
        }
        let _acting = self.inner.acting.lock().await;
        let standing = self.inner.ledger.read(|reader| reader.holds(false)).await?;
        if !standing.iter().any(|row| row.hold.number == number) {
            return Err(ActError::NoSuchHold(number));
        }
        let (by, reason, account) = (asked.by.clone(), asked.reason.clone(), asked.account.clone());
        self.inner.record(vec![Event::HoldEnded { hold: number, by, reason, account }]).await?;
        tracing::info!(hold = number, by = asked.by, "a legal hold was lifted");
        Ok(())
    }
}

/// What a survey says goes, by class.
#[must_use]
pub fn sums(survey: &Survey) -> Vec<Went> {
    let groups = survey.groups(usize::MAX).into_iter();
    let sum = |things: &[&Thing], of: fn(&Thing) -> u64| things.iter().map(|thing| of(thing)).fold(0, u64::saturating_add);
    groups
        .map(|(class, things)| Went {
            class,
            things: sum(&things, |_| 1),
            items: sum(&things, |thing| thing.items),
            bytes: sum(&things, |thing| thing.bytes),
        })
        .collect()
}

/// How many things of a class stay, for each reason.
#[must_use]
pub fn staying(survey: &Survey, class: Class) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for (_, stays) in survey.stays.iter().filter(|(thing, _)| thing.class == class) {
        let why = match stays {
            Stays::Pending => "pending".to_owned(),
            Stays::Shown => "newest figures".to_owned(),
            Stays::Held { hold } => format!("hold {hold}"),
        };
        *counts.entry(why).or_insert(0_u64) += 1;
    }
    counts
}
