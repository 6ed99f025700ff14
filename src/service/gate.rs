//! The gate: what intake needs of the house, made of the ledger, the pipeline and the receipts.

use super::refusals::Refusals;
use crate::feed::{ClientSeen, Clock, DeliveryId, FileName, ProviderCode, error_chain};
use crate::intake::{Gate, Item, Landed, NotAccepted, Pending, Refused, Shelf};
use crate::ledger::{DeliveryRow, Event, Filter, Ledger, LedgerError, MAX_CLIENTS, Reader};
use crate::pipeline::Pipeline;
use crate::quarantine::Store;
use crate::receipts::{Receipt, ReceiptFormat, parse_receipt_name, receipt_names, render};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How long accepted files and receipts are shown to their sender.
const SHOWN_FOR: SignedDuration = SignedDuration::from_hours(48);
/// Most entries in one listing: two days of a file and its control file every quarter of an hour, twice over.
const MAX_SHOWN: u32 = 800;

/// Intake's view of the house.
pub(super) struct HouseGate {
    /// Where deliveries are recorded.
    pub(super) ledger: Ledger,
    /// Who goes on from there.
    pub(super) pipeline: Pipeline,
    /// The clock.
    pub(super) clock: Arc<dyn Clock>,
    /// Where originals lie.
    pub(super) store: Store,
    /// Local time on receipts.
    pub(super) zone: TimeZone,
    /// What was not taken.
    pub(super) refusals: Arc<Refusals>,
    /// What the ledger holds of the clients of providers that logged in since the start.
    pub(super) seen: Mutex<HashMap<ProviderCode, Vec<ClientSeen>>>,
}

impl Gate for HouseGate {
    fn accept(&self, landed: Landed) -> Pending<'_, Result<(), NotAccepted>> {
        Box::pin(async move {
            let delivery = landed.delivery().clone();
            let (id, provider) = (delivery.id, delivery.provider.clone());
            let (folder, name) = (delivery.folder, delivery.name.clone());
            let event = Event::Accepted { delivery: Box::new(delivery) };
            if let Err(error) = self.ledger.append(self.clock.now(), vec![event]).await {
                self.clear_away(id).await;
                return Err(NotAccepted(Box::new(error)));
            }
            self.refusals.accepted(&provider, folder, name.as_str());
            self.pipeline.wake(&provider);
            Ok(())
        })
    }

    fn refused(&self, refused: Refused) {
        self.refusals.note(refused);
    }

    fn list(&self, provider: ProviderCode, shelf: Shelf) -> Pending<'_, Vec<Item>> {
        let (since, zone) = (self.since(), self.zone.clone());
        let refused = match shelf {
            Shelf::Receipts => self.refusals.receipts(&provider, since, &zone),
            Shelf::Accepted(_) => Vec::new(),
        };
        Box::pin(async move {
            let mut items = refused.into_iter().map(|(item, _)| item).collect::<Vec<_>>();
            items.extend(
                self.look(move |reader| match shelf {
                    Shelf::Accepted(folder) => {
                        let rows = reader.in_folder(&provider, folder, since, MAX_SHOWN)?;
                        let mut seen = BTreeSet::new();
                        Ok(rows.into_iter().filter(|row| seen.insert(row.delivery.name.clone())).map(|row| accepted(&row)).collect())
                    }
                    Shelf::Receipts => {
                        let filter = Filter { provider: Some(provider), since: Some(since), limit: Some(MAX_SHOWN), ..Filter::default() };
                        let mut seen = BTreeSet::new();
                        let mut items = Vec::new();
                        for row in reader.deliveries(&filter)? {
                            // Newest first: an older file of the same name is told apart by its id.
                            let newest = seen.insert(row.delivery.name.clone());
                            items.extend(receipts_of(&row, newest, &zone));
                        }
                        Ok(items)
                    }
                })
                .await,
            );
            items
        })
    }

    fn find(&self, provider: ProviderCode, shelf: Shelf, name: String) -> Pending<'_, Option<Item>> {
        let (since, zone) = (self.since(), self.zone.clone());
        Box::pin(async move {
            if shelf == Shelf::Receipts
                && let Some((item, _)) = self.refusal(&provider, &name)
            {
                return Some(item);
            }
            self.look(move |reader| match shelf {
                Shelf::Accepted(folder) => Ok(reader.named(&provider, folder, &name, since)?.map(|row| accepted(&row))),
                Shelf::Receipts => Ok(receipt_called(reader, &provider, &name, since, &zone)?.map(|(item, _)| item)),
            })
            .await
        })
    }

    fn receipt(&self, provider: ProviderCode, name: String) -> Pending<'_, Option<(Item, Vec<u8>)>> {
        let (since, zone) = (self.since(), self.zone.clone());
        Box::pin(async move {
            if let Some(refusal) = self.refusal(&provider, &name) {
                return Some(refusal);
            }
            self.look(move |reader| receipt_called(reader, &provider, &name, since, &zone)).await
        })
    }

    fn seen(&self, client: ClientSeen) -> Pending<'_, ()> {
        Box::pin(async move {
            if let Err(error) = self.note(client).await {
                tracing::warn!(error = error_chain(&error), "what a client showed of itself could not be recorded");
            }
        })
    }
}

impl HouseGate {
    /// The receipt of a file that was not taken, by the receipt's name.
    fn refusal(&self, provider: &ProviderCode, name: &str) -> Option<(Item, Vec<u8>)> {
        self.refusals.receipts(provider, self.since(), &self.zone).into_iter().find(|(item, _)| item.name.as_str() == name)
    }

    fn since(&self) -> Timestamp {
        let now = self.clock.now();
        now.saturating_sub(SHOWN_FOR).unwrap_or(now)
    }

    /// Records a client that is new, has changed, or was not noted for a day.
    async fn note(&self, client: ClientSeen) -> Result<(), LedgerError> {
        let provider = client.provider.clone();
        if !self.seen().contains_key(&provider) {
            let asked = provider.clone();
            let recorded = self.ledger.read(move |reader| reader.clients(Some(&asked))).await?;
            self.seen().entry(provider.clone()).or_insert(recorded);
        }
        {
            // Noted before it is recorded: of two logins at once only one is written.
            let mut seen = self.seen();
            let recorded = seen.entry(provider).or_default();
            if !client.is_news(recorded, usize::try_from(MAX_CLIENTS).unwrap_or(usize::MAX)) {
                return Ok(());
            }
            recorded.retain(|other| !other.is_same_client(&client));
            recorded.insert(0, client.clone());
            recorded.truncate(usize::try_from(MAX_CLIENTS).unwrap_or(usize::MAX));
        }
        self.ledger.append(self.clock.now(), vec![Event::ClientSeen { client: Box::new(client) }]).await
    }

    fn seen(&self) -> MutexGuard<'_, HashMap<ProviderCode, Vec<ClientSeen>>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes an original that could not be recorded, so that failed attempts do not fill the disk. Where the ledger
    /// cannot even say that it does not know it, the next start looks again.
    async fn clear_away(&self, id: DeliveryId) {
        match self.ledger.read(move |reader| reader.delivery(id)).await {
            Ok(None) => {
                if let Err(error) = self.store.forget(id) {
                    tracing::warn!(delivery = %id, error = error_chain(&error), "an original that was not recorded could not be removed");
                }
            }
            Ok(Some(_)) => tracing::warn!(delivery = %id, "recorded after all; its sender was told to send again"),
            Err(error) => tracing::warn!(delivery = %id, error = error_chain(&error), "whether it was recorded is not known yet"),
        }
    }

    /// Reads the ledger; a failure shows as an empty folder to the sender and as an error to us.
    async fn look<T: Default + Send + 'static>(&self, query: impl FnOnce(&Reader) -> Result<T, LedgerError> + Send + 'static) -> T {
        match self.ledger.read(query).await {
            Ok(found) => found,
            Err(error) => {
                tracing::error!(error = error_chain(&error), "a virtual folder could not be read from the ledger");
                T::default()
            }
        }
    }
}

fn accepted(row: &DeliveryRow) -> Item {
    let delivery = &row.delivery;
    Item { name: delivery.name.clone(), bytes: delivery.bytes, modified_at: delivery.modified_at.unwrap_or(delivery.received_at) }
}

/// Both receipts of a delivery, as entries of the folder.
fn receipts_of(row: &DeliveryRow, newest: bool, zone: &TimeZone) -> Vec<Item> {
    let Some(receipt) = receipt_of(row, zone) else { return Vec::new() };
    let Some(file) = receipted_name(row, newest) else { return Vec::new() };
    let names = receipt_names(&file);
    let item = |name: FileName, format| {
        let bytes = u64::try_from(receipt.bytes(format).len()).unwrap_or(u64::MAX);
        Item { name, bytes, modified_at: row.moved_at }
    };
    vec![item(names.json, ReceiptFormat::Json), item(names.text, ReceiptFormat::Text)]
}

/// The name that a delivery's receipts go by: its file's, followed by its id where a newer file has the same name.
fn receipted_name(row: &DeliveryRow, newest: bool) -> Option<FileName> {
    if newest {
        return Some(row.delivery.name.clone());
    }
    FileName::parse(format!("{}.{}", row.delivery.name.as_str(), row.delivery.id).as_bytes()).ok()
}

fn receipt_of(row: &DeliveryRow, zone: &TimeZone) -> Option<Receipt> {
    render(&row.delivery, &row.stage, row.report.as_ref(), row.moved_at, zone)
}

/// The receipt that a name in `receipts/` stands for, with its bytes.
fn receipt_called(
    reader: &Reader,
    provider: &ProviderCode,
    name: &str,
    since: Timestamp,
    zone: &TimeZone,
) -> Result<Option<(Item, Vec<u8>)>, LedgerError> {
    let Some((_, format)) = parse_receipt_name(name) else { return Ok(None) };
    let filter = Filter { provider: Some(provider.clone()), since: Some(since), limit: Some(MAX_SHOWN), ..Filter::default() };
    let mut seen = BTreeSet::new();
    let row = reader.deliveries(&filter)?.into_iter().find(|row| {
        let newest = seen.insert(row.delivery.name.clone());
        // Long names are cut, so names are made and compared rather than taken apart.
        receipted_name(row, newest)
            .map(|file| receipt_names(&file))
            .is_some_and(|names| names.json.as_str() == name || names.text.as_str() == name)
    });
    let Some(row) = row else { return Ok(None) };
    let Some(receipt) = receipt_of(&row, zone) else { return Ok(None) };
    let bytes = receipt.bytes(format).to_vec();
    let Ok(name) = FileName::parse(name.as_bytes()) else { return Ok(None) };
    let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    Ok(Some((Item { name, bytes: size, modified_at: row.moved_at }, bytes)))
}
