//! The gate: what intake needs of the house, made of the ledger, the pipeline and the receipts.

use super::refusals::Refusals;
use super::witness::Logins;
use crate::fault::{self, Step};
use crate::feed::{ClientSeen, Clock, DeliveryId, FileName, ProviderCode, Stage, error_chain};
use crate::intake::{Gate, Item, Knock, Landed, NotAccepted, Pending, Refused, Shelf};
use crate::ledger::{DeliveryRow, Event, Ledger, LedgerError, MAX_CLIENTS, Reader};
use crate::pipeline::Pipeline;
use crate::quarantine::Store;
use crate::receipts::{Receipt, ReceiptFormat, is_picture_name, parse_receipt_name, picture_name, receipt_names, render};
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
    /// Who came.
    pub(super) logins: Arc<Logins>,
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
            if let Err(error) = fault::during(Step::AcceptRecord, self.ledger.append(self.clock.now(), vec![event])).await {
                self.clear_away(id).await;
                // Where it was recorded after all, it is judged like any other.
                self.pipeline.wake(&provider);
                return Err(NotAccepted(Box::new(error)));
            }
            if let Err(error) = self.store.recorded(id) {
                tracing::warn!(delivery = %id, error = error_chain(&error), "the mark of an upload could not be taken off; the next start does it");
            }
            self.refusals.accepted(&provider, folder, name.as_str());
            self.pipeline.wake(&provider);
            Ok(())
        })
    }

    fn refused(&self, refused: Refused) {
        self.refusals.note(refused);
    }

    fn knocked(&self, knock: Knock) {
        self.logins.note(knock);
    }

    fn list(&self, provider: ProviderCode, shelf: Shelf) -> Pending<'_, Vec<Item>> {
        let (since, shown) = (self.since(), self.shown());
        let refused = match shelf {
            Shelf::Receipts => self.refusals.receipts(&provider, since, &shown.zone),
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
                        let mut seen = BTreeSet::new();
                        let mut items = Vec::new();
                        for row in reader.receipted(&provider, since, MAX_SHOWN)? {
                            // Newest first: an older file of the same name is told apart by its id.
                            let newest = seen.insert(row.delivery.name.clone());
                            items.extend(shown.items(&row, newest));
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
        let (since, shown) = (self.since(), self.shown());
        Box::pin(async move {
            if shelf == Shelf::Receipts
                && let Some((item, _)) = self.refusal(&provider, &name)
            {
                return Some(item);
            }
            self.look(move |reader| match shelf {
                Shelf::Accepted(folder) => Ok(reader.named(&provider, folder, &name, since)?.map(|row| accepted(&row))),
                Shelf::Receipts => Ok(shown.called(reader, &provider, &name, since)?.map(|found| found.item)),
            })
            .await
        })
    }

    fn receipt(&self, provider: ProviderCode, name: String) -> Pending<'_, Option<(Item, Vec<u8>)>> {
        let (since, shown) = (self.since(), self.shown());
        Box::pin(async move {
            if let Some(refusal) = self.refusal(&provider, &name) {
                return Some(refusal);
            }
            let found = self.look(move |reader| shown.called(reader, &provider, &name, since)).await?;
            self.note_reading(found.delivery, found.stage).await;
            Some((found.item, found.bytes))
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

    fn shown(&self) -> Shown {
        Shown { zone: self.zone.clone(), store: self.store.clone() }
    }

    fn since(&self) -> Timestamp {
        let now = self.clock.now();
        now.saturating_sub(SHOWN_FOR).unwrap_or(now)
    }

    /// Records that a receipt was fetched, once for each stage that it tells of. A sender is not refused its receipt where that
    /// cannot be recorded.
    async fn note_reading(&self, delivery: DeliveryId, stage: &'static str) {
        let record = async {
            if self.ledger.read(move |reader| reader.receipt_was_read(delivery)).await? {
                return Ok(());
            }
            let read = vec![Event::ReceiptRead { delivery, stage: stage.to_owned() }];
            fault::during(Step::ReceiptRecord, self.ledger.append(self.clock.now(), read)).await
        };
        let recorded: Result<(), LedgerError> = record.await;
        if let Err(error) = recorded {
            tracing::warn!(%delivery, error = error_chain(&error), "that a receipt was fetched could not be recorded");
        }
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
        let seen = vec![Event::ClientSeen { client: Box::new(client) }];
        fault::during(Step::ClientRecord, self.ledger.append(self.clock.now(), seen)).await
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

/// A receipt, or the picture of a test.
struct Found {
    item: Item,
    bytes: Vec<u8>,
    delivery: DeliveryId,
    /// The stage that it tells of.
    stage: &'static str,
}

/// What shows receipts: local time, and the pictures of tests.
struct Shown {
    zone: TimeZone,
    store: Store,
}

impl Shown {
    /// Both receipts of a delivery, and the picture where it is a test that has one, as entries of the folder.
    fn items(&self, row: &DeliveryRow, newest: bool) -> Vec<Item> {
        let Some(receipt) = receipt_of(row, &self.zone) else { return Vec::new() };
        let Some(file) = receipted_name(row, newest) else { return Vec::new() };
        let names = receipt_names(&file);
        let item = |name: FileName, bytes: u64| Item { name, bytes, modified_at: row.moved_at };
        let size = |format| u64::try_from(receipt.bytes(format).len()).unwrap_or(u64::MAX);
        let mut items = vec![item(names.json, size(ReceiptFormat::Json)), item(names.text, size(ReceiptFormat::Text))];
        if matches!(row.stage, Stage::Tested { .. }) {
            items.extend(self.readable(row, self.store.picture_size(row.delivery.id)).map(|bytes| item(picture_name(&file), bytes)));
        }
        items
    }

    /// What a name in `receipts/` stands for, with its bytes.
    fn called(&self, reader: &Reader, provider: &ProviderCode, name: &str, since: Timestamp) -> Result<Option<Found>, LedgerError> {
        if parse_receipt_name(name).is_none() && !is_picture_name(name) {
            return Ok(None);
        }
        let mut seen = BTreeSet::new();
        for row in reader.receipted(provider, since, MAX_SHOWN)? {
            let newest = seen.insert(row.delivery.name.clone());
            // Long names are cut, so names are made and compared rather than taken apart.
            let Some(file) = receipted_name(&row, newest) else { continue };
            let names = receipt_names(&file);
            let format = match name {
                _ if names.json.as_str() == name => Some(ReceiptFormat::Json),
                _ if names.text.as_str() == name => Some(ReceiptFormat::Text),
                _ if picture_name(&file).as_str() == name => None,
                _ => continue,
            };
            let bytes = match format {
                Some(format) => receipt_of(&row, &self.zone).map(|receipt| receipt.bytes(format).to_vec()),
                None if matches!(row.stage, Stage::Tested { .. }) => self.readable(&row, self.store.picture(row.delivery.id)),
                None => None,
            };
            let (Some(bytes), Ok(name)) = (bytes, FileName::parse(name.as_bytes())) else { return Ok(None) };
            let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            let item = Item { name, bytes: size, modified_at: row.moved_at };
            return Ok(Some(Found { item, bytes, delivery: row.delivery.id, stage: row.stage.as_str() }));
        }
        Ok(None)
    }

    /// A picture that cannot be read is none to the sender and a warning to us.
    fn readable<T>(&self, row: &DeliveryRow, picture: std::io::Result<Option<T>>) -> Option<T> {
        picture.unwrap_or_else(|error| {
            tracing::warn!(delivery = %row.delivery.id, error = error_chain(&error), "the picture of a test cannot be read");
            None
        })
    }
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
