//! Publishing: what the ledger knows about deliveries and slots goes into the warehouse's control tables, for the views
//! that support and analysts read. Facts only; publishing one again changes nothing.

use crate::config::{Provider, Settings};
use crate::feed::{Clock, ProviderCode, Slot, error_chain};
use crate::forward::{AgreementRow, Control, FeedFact, FileFact, MappingRow, ProviderRow, ReferenceRows, SlotFact, Warehouse};
use crate::health::{HealthFeed, standing_of};
use crate::ledger::{Class, Ledger, LedgerError};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Pause after news, so that a burst is published once.
const GATHER: Duration = Duration::from_millis(500);
/// The longest pause: slots become late without any news.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How far back deliveries are published again after a start.
const REACH: SignedDuration = SignedDuration::from_hours(26);

/// Entries of the ledger that are published at once: fewer than the deliveries that one reading gives.
const ENTRIES: u64 = 5_000;

/// Publishes until stopped.
pub(super) struct Publisher {
    /// Where facts come from.
    pub(super) ledger: Ledger,
    /// Where they go.
    pub(super) warehouse: Warehouse,
    /// The clock.
    pub(super) clock: Arc<dyn Clock>,
    /// The feeds.
    pub(super) feeds: Vec<HealthFeed>,
}

/// What was published already.
#[derive(Default)]
pub(super) struct Published {
    through: Option<u64>,
    slots: BTreeMap<(ProviderCode, Slot), &'static str>,
}

impl Publisher {
    /// Publishes at news and as time goes by, until `stop` turns true; then once more.
    pub(super) async fn run(self, mut news: watch::Receiver<u64>, mut stop: watch::Receiver<bool>) {
        let mut published = Published::default();
        loop {
            let last = *stop.borrow();
            if let Err(error) = self.round(&mut published).await {
                tracing::warn!(error, "the warehouse's control tables are behind; trying again");
            }
            if last {
                return;
            }
            tokio::select! {
                changed = news.changed() => match changed {
                    Ok(()) => tokio::time::sleep(GATHER).await,
                    Err(_) => return,
                },
                () = tokio::time::sleep(LONGEST_PAUSE) => {}
                _ = stop.changed() => {}
            }
        }
    }

    /// Publishes what is new, once.
    pub(super) async fn round(&self, published: &mut Published) -> Result<(), String> {
        // After an outage piece by piece.
        while !self.piece(published).await? {}
        Ok(())
    }

    /// Publishes what a number of entries brought; says whether that is all there is.
    async fn piece(&self, published: &mut Published) -> Result<bool, String> {
        let now = self.clock.now();
        let since = now.saturating_sub(REACH).unwrap_or(now);
        let (through, head, mut control) = self.facts(published.through, since, now).await.map_err(|error| error_chain(&error))?;
        control.slots.retain(|fact| published.slots.get(&(fact.provider.clone(), fact.slot)) != Some(&fact.state));
        let slots: Vec<_> = control.slots.iter().map(|fact| ((fact.provider.clone(), fact.slot), fact.state)).collect();
        self.warehouse.publish(control).await.map_err(|error| error_chain(&error))?;
        published.slots.extend(slots);
        published.slots.retain(|(_, slot), _| since <= slot.start());
        published.through = Some(through);
        Ok(through == head)
    }

    /// What the ledger has recorded after the entry `after` (at first: what moved since `since`), how every feed's slots
    /// stand, the entry up to which this says all, and the newest one. Entries, not times: the clock may be set back.
    async fn facts(&self, after: Option<u64>, since: Timestamp, now: Timestamp) -> Result<(u64, u64, Control), LedgerError> {
        let (through, head, files) = self
            .ledger
            .read(move |reader| {
                let head = reader.head()?.seq;
                let (through, rows) = match after {
                    Some(seq) => {
                        let through = head.min(seq.saturating_add(ENTRIES));
                        (through, reader.moved_between(seq, through)?)
                    }
                    None => (head, reader.moved_since(since)?),
                };
                let mut files = Vec::with_capacity(rows.len());
                for row in &rows {
                    let mut fact = FileFact::new(&row.delivery, &row.stage, row.report.as_ref());
                    // What retention deleted does not come back because somebody decides on the file.
                    if fact.findings.is_some() && reader.is_gone(fact.id, Class::Sums)? {
                        fact.findings = None;
                    }
                    files.push(fact);
                }
                Ok((through, head, files))
            })
            .await?;
        let mut control = Control { files, ..Control::default() };
        for feed in &self.feeds {
            let provider = feed.schedule.provider.clone();
            let schedule = feed.schedule.clone();
            let (first, standing) = self
                .ledger
                .read(move |reader| Ok((reader.first_slot(&schedule.provider)?, standing_of(reader, &schedule, now)?.standing)))
                .await?;
            control.feeds.push(FeedFact {
                provider: provider.clone(),
                name: feed.name.clone(),
                kind: feed.kind,
                first_slot: first,
                due_after: feed.schedule.due_after,
                stale_after: feed.schedule.stale_after,
                no_data_after: feed.schedule.no_data_after,
            });
            let fact = |slot: &crate::schedule::SlotStanding| SlotFact {
                provider: provider.clone(),
                slot: slot.slot,
                state: slot.state.counted_as(),
            };
            control.slots.extend(standing.slots.iter().map(fact));
        }
        Ok((through, head, control))
    }
}

/// The settings' reference data as the warehouse takes them.
pub(super) fn reference_rows(settings: &Settings) -> ReferenceRows {
    let reference = &settings.reference;
    ReferenceRows {
        providers: settings.providers.iter().map(provider_row).collect(),
        sites: reference.sites.clone(),
        wards: reference.wards.clone(),
        ward_types: reference.ward_types.clone(),
        ward_classes: reference.ward_classes.clone(),
        bed_groups: reference.bed_groups.clone(),
        mappings: settings.providers.iter().flat_map(mapping_rows).collect(),
        agreements: settings.providers.iter().map(agreement_row).collect(),
    }
}

fn provider_row(provider: &Provider) -> ProviderRow {
    ProviderRow { provider: provider.code.clone(), name: provider.name.clone(), kind: provider.kind }
}

fn mapping_rows(provider: &Provider) -> Vec<MappingRow> {
    let row = |mapping: &crate::normalise::mapping::Mapping| MappingRow {
        provider: provider.code.clone(),
        version: mapping.version.clone(),
        hash: mapping.hash,
        author: mapping.author.clone(),
        valid_from: mapping.from,
        valid_to: mapping.to,
    };
    provider.feed.mappings.iter().map(row).collect()
}

fn agreement_row(provider: &Provider) -> AgreementRow {
    AgreementRow {
        provider: provider.code.clone(),
        reference: provider.agreement_reference.clone(),
        starts: provider.feed.agreement_starts,
        ends: provider.feed.agreement_ends,
    }
}
