//! Retention, carried out: what is old enough is recorded, then deleted, then recorded as gone.
//!
//! Owns the order of the steps; `survey` looks and `decide` decides. The ledger says first what goes, so a crash
//! leaves a disposal that the next start goes on with, and never a thing that is gone without a word. Refuses to delete what is
//! pending, what "now" rests on, and what is held.

pub mod decide;
mod holds;
mod sparing;
mod survey;

pub use survey::{Old, count_rows, old_figures, staying, sums, survey};

use super::carry_out::PipelineError;
use super::worker::Pipeline;
use crate::fault::Step;
use crate::feed::{DeliveryId, Stage, error_chain};
use crate::forward::ForwardError;
use crate::ledger::{Class, Disposal, DisposalRow, Event, LedgerError};
use crate::quarantine::{StoreError, days_before};
use decide::{Thing, WATCHED, limit, waits_until};
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

/// What going on with unfinished disposals came to.
#[derive(Debug, Default)]
pub struct Resumed {
    /// What went, by class.
    pub went: BTreeMap<Class, Went>,
    /// Why the last of those that could not be finished could not.
    pub trouble: Option<RetentionError>,
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

impl Pipeline {
    /// Goes on with disposals that a crash or a reader of the warehouse cut short, but for what a legal hold covers by now. One that
    /// cannot be finished now is tried again in the next round.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn resume_disposals(&self) -> Result<Resumed, PipelineError> {
        let _acting = self.inner.acting.lock().await;
        let mut resumed = Resumed::default();
        for DisposalRow { disposal, .. } in self.inner.ledger.read(|reader| reader.unfinished_disposals()).await? {
            let number = disposal.number;
            match self.finish(disposal).await {
                Ok(disposal) => {
                    tracing::info!(disposal = number, class = disposal.class.as_str(), "a disposal that was cut short is finished");
                    count(&mut resumed.went, &disposal);
                }
                Err(error) => {
                    tracing::error!(disposal = number, error = error_chain(&error), "a disposal could not be finished");
                    resumed.trouble = Some(error);
                }
            }
        }
        Ok(resumed)
    }

    async fn finish(&self, disposal: Disposal) -> Result<Disposal, RetentionError> {
        let disposal = self.spare_held(disposal).await?;
        self.delete(&disposal).await?;
        Ok(disposal)
    }

    /// Until when a round that nobody asked for waits, because the clock may have jumped; `None`: it is believed.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn clock_is_watched_until(&self, now: Timestamp) -> Result<Option<Timestamp>, RetentionError> {
        let since = now.saturating_sub(WATCHED).unwrap_or(Timestamp::MIN);
        let times = self.inner.ledger.read(move |reader| reader.times_back_to(since)).await?;
        Ok(waits_until(&times, now))
    }

    /// One round: records and deletes what is old enough, so much at most. Support's acts wait for its end.
    ///
    /// # Errors
    /// See [`RetentionError`]; what was recorded is deleted by the next round or start.
    pub async fn retain(&self) -> Result<Round, RetentionError> {
        let Resumed { mut went, trouble: unfinished } = self.resume_disposals().await?;
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
        for (class, things) in survey.groups(GROUP) {
            let disposal = self.record_disposal(class, &things, now).await?;
            self.delete(&disposal).await?;
            count(&mut went, &disposal);
            tracing::info!(
                disposal = disposal.number,
                class = class.as_str(),
                things = disposal.ids.len(),
                rule = disposal.rule,
                "retention deleted what is old"
            );
        }
        self.trim(now).await?;
        if let Some(error) = trouble.map(RetentionError::from).or(unfinished) {
            return Err(error);
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
        let (number, again, rows) = self
            .inner
            .ledger
            .read(move |reader| {
                let mut again = Vec::new();
                for id in &asked {
                    if reader.is_gone(*id, class)? {
                        again.push(*id);
                    }
                }
                let rows = if class == Class::Quarantine { asked } else { Vec::new() };
                let rows = rows.into_iter().map(|id| reader.delivery(id)).collect::<Result<Vec<_>, _>>()?;
                Ok((reader.next_disposal()?, again, rows))
            })
            .await?;
        let (before, rule) = limit(class, &self.inner.rules.retention, now);
        let sum = |of: fn(&Thing) -> u64| things.iter().map(|thing| of(thing)).fold(0, u64::saturating_add);
        let disposal = Disposal { number, class, rule, before, ids, items: sum(|thing| thing.items), bytes: sum(|thing| thing.bytes) };
        let mut events = vec![Event::Disposing { disposal: Box::new(disposal.clone()), again }];
        for row in rows.into_iter().flatten() {
            if let Stage::Quarantined { sealed, discarded: false } = row.stage {
                let note = format!("nobody decided on it in time: its file was deleted by retention ({})", disposal.rule);
                let stage = Stage::Quarantined { sealed, discarded: true };
                events.push(Event::Moved { delivery: row.delivery.id, stage, report: None, note: Some(note) });
            }
        }
        self.inner.record_as(Step::DisposalRecord, events).await?;
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
        Ok(self.inner.record_as(Step::DisposedRecord, vec![Event::Disposed { disposal: disposal.number }]).await?)
    }

    /// Lets derived tables go of what is old, at most once a day.
    async fn trim(&self, now: Timestamp) -> Result<(), RetentionError> {
        let before = days_before(now, DERIVED_DAYS);
        let (last, first) = self.inner.ledger.read(|reader| Ok((reader.trimmed_before()?, reader.entries_after(0, 1)?))).await?;
        let since = last.or(first.first().map(|entry| entry.at));
        if since.is_none_or(|since| before < since.saturating_add(jiff::SignedDuration::from_hours(24)).unwrap_or(since)) {
            return Ok(());
        }
        Ok(self.inner.record_as(Step::TrimRecord, vec![Event::Trimmed { before }]).await?)
    }
}

/// Counts what a disposal took.
fn count(went: &mut BTreeMap<Class, Went>, disposal: &Disposal) {
    if disposal.ids.is_empty() {
        return;
    }
    let sum = went.entry(disposal.class).or_insert(Went { class: disposal.class, things: 0, items: 0, bytes: 0 });
    sum.things = sum.things.saturating_add(u64::try_from(disposal.ids.len()).unwrap_or(u64::MAX));
    sum.items = sum.items.saturating_add(disposal.items);
    sum.bytes = sum.bytes.saturating_add(disposal.bytes);
}
