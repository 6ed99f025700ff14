//! Sparing: a disposal that was recorded and is not done asks for legal holds again before it goes on.
//!
//! Owns that what is held and still there stays, and that the ledger says so before the rest goes. What is gone already stays named as
//! gone. Whether a hold covers something is `held`'s to say, as for support's acts.

use super::RetentionError;
use crate::fault::Step;
use crate::feed::{DeliveryId, Stage};
use crate::forward::WarehouseReader;
use crate::ledger::{Act, Class, Disposal, Entry, Event, Reader};
use crate::pipeline::PipelineError;
use crate::pipeline::support::held;
use crate::pipeline::worker::Pipeline;
use crate::quarantine::Store;
use std::collections::BTreeSet;

/// A thing of a disposal that is held and still there.
struct Kept {
    id: DeliveryId,
    items: u64,
    bytes: u64,
}

impl Pipeline {
    /// Takes out of a disposal what a legal hold covers by now and is still there, and gives what is left of it.
    pub(super) async fn spare_held(&self, mut disposal: Disposal) -> Result<Disposal, RetentionError> {
        let asked = disposal.ids.clone();
        let covered = self.inner.ledger.read(move |reader| covered(reader, &asked)).await?;
        let kept = still_there(disposal.class, covered, &self.inner.store, &self.inner.warehouse.reader()).await?;
        if kept.is_empty() {
            return Ok(disposal);
        }
        let sum = |of: fn(&Kept) -> u64| kept.iter().map(of).fold(0, u64::saturating_add);
        let (ids, items, bytes) = (kept.iter().map(|kept| kept.id).collect::<Vec<_>>(), sum(|kept| kept.items), sum(|kept| kept.bytes));
        let mut events = vec![Event::Spared { disposal: disposal.number, ids: ids.clone(), items, bytes }];
        if disposal.class == Class::Quarantine {
            let whole = kept.iter().filter(|kept| kept.bytes > 0).map(|kept| kept.id).collect::<Vec<_>>();
            events.extend(self.inner.ledger.read(move |reader| undecided_again(reader, &whole)).await?);
        }
        self.inner.record_as(Step::DisposalRecord, events).await?;
        tracing::info!(
            disposal = disposal.number,
            class = disposal.class.as_str(),
            things = ids.len(),
            "a legal hold keeps what was to go"
        );
        disposal.ids.retain(|id| !ids.contains(id));
        disposal.items = disposal.items.saturating_sub(items);
        disposal.bytes = disposal.bytes.saturating_sub(bytes);
        Ok(disposal)
    }
}

fn covered(reader: &Reader, ids: &[DeliveryId]) -> Result<Vec<DeliveryId>, crate::ledger::LedgerError> {
    let holds = reader.holds(false)?;
    let mut covered = Vec::new();
    for id in ids.iter().filter(|_| !holds.is_empty()) {
        if reader.delivery(*id)?.is_some_and(|row| held(&row, &holds).is_some()) {
            covered.push(*id);
        }
    }
    Ok(covered)
}

async fn still_there(class: Class, ids: Vec<DeliveryId>, store: &Store, warehouse: &WarehouseReader) -> Result<Vec<Kept>, RetentionError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let folders = PipelineError::Folders;
    let there: BTreeSet<DeliveryId> = match class {
        Class::Rows | Class::Sums => {
            let asked = ids.clone();
            let counts = if class == Class::Rows { warehouse.count_lines(asked).await? } else { warehouse.count_sums(asked).await? };
            let kept = ids.into_iter().zip(counts).map(|(id, items)| Kept { id, items, bytes: 0 });
            return Ok(kept.filter(|kept| kept.items > 0).collect());
        }
        Class::Raw => store.accepted_ids().map_err(folders)?.into_iter().collect(),
        Class::Quarantine => store.quarantined_ids().map_err(folders)?.into_iter().collect(),
        Class::Checks => store.pictured_ids().map_err(folders)?.into_iter().collect(),
    };
    let mut kept = Vec::new();
    for id in ids.into_iter().filter(|id| there.contains(id)) {
        let size = if class == Class::Checks { store.picture_size(id).map_err(folders)? } else { store.kept_bytes(id)? };
        kept.push(Kept { id, items: 1, bytes: size.unwrap_or_default() });
    }
    Ok(kept)
}

/// What retention discarded for want of a decision waits for one again: a sealed file that is discarded would lose its bytes.
fn undecided_again(reader: &Reader, ids: &[DeliveryId]) -> Result<Vec<Event>, crate::ledger::LedgerError> {
    let mut moves = Vec::new();
    for id in ids {
        let Some(life) = reader.life(*id)? else { continue };
        if let Stage::Quarantined { sealed, discarded: true } = life.row.stage
            && !a_person_discarded(&life.entries)
        {
            let note = "a legal hold came before retention deleted its file: it waits for a decision again".to_owned();
            let stage = Stage::Quarantined { sealed, discarded: false };
            moves.push(Event::Moved { delivery: *id, stage, report: None, note: Some(note) });
        }
    }
    Ok(moves)
}

fn a_person_discarded(entries: &[Entry]) -> bool {
    let acts = entries.iter().rev().filter_map(|entry| if let Event::Acted { act, .. } = &entry.event { Some(*act) } else { None });
    acts.take(1).any(|act| act == Act::Discard)
}
