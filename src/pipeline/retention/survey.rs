//! The look: what is kept, how old it is, and what `decide` says of it. Changes nothing, so a dry run is nothing but this.
//!
//! Owns where old things are found: in the folders, by ids that sort by arrival, and in the warehouse. Refuses to delete.

use super::Went;
use super::decide::{Stays, Survey, Thing, limit};
use crate::feed::{DeliveryId, Outcome, ProviderCode, Stage};
use crate::forward::{ForwardError, OldFigures, WarehouseReader};
use crate::ledger::{Class, DeliveryRow, HoldRow, Reader};
use crate::pipeline::PipelineError;
use crate::quarantine::{Retention, Store, days_before};
use jiff::Timestamp;
use std::collections::BTreeMap;

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
            // What the ledger does not know, the next start clears away or sets aside.
            let Some(row) = self.reader.delivery(id)? else { continue };
            // Of a sealed one that was discarded or handed back only the findings are left. They go as well, or they pile up.
            let bytes = self.store.kept_bytes(id)?.unwrap_or_default();
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
            // Findings alone are old from their arrival, and held by the slot that their file is about all the same.
            let slot = row.as_ref().and_then(|row| row.report.as_ref()).and_then(|report| report.slot);
            self.add(Thing {
                class,
                id: figures.lead,
                provider: figures.provider,
                since: figures.about,
                arrived: row.as_ref().map_or(figures.about, |row| row.delivery.received_at),
                about: Some(slot.map_or(figures.about, |slot| slot.start())),
                items: 0,
                bytes: 0,
                pending: row.is_some_and(|row| row.stage.outcome() == Outcome::Pending),
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
        about: row.report.as_ref().and_then(|report| report.slot).map(|slot| slot.start()),
        items: 1,
        bytes: 0,
        pending: row.stage.outcome() == Outcome::Pending,
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
