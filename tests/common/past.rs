//! A past: files that came long ago, taken in by the real pipeline on a clock that stands there, in a state folder that the
//! daemon is started on afterwards.

use super::Service;
use bedfeed::config::{self, Settings};
use bedfeed::feed::{Clock, Delivery, DeliveryId, Digest, FileName, Folder, Sender};
use bedfeed::forward::{ProviderRow, ReferenceRows, Warehouse};
use bedfeed::ledger::{Event, FILE_NAME, Ledger};
use bedfeed::pipeline::{Pipeline, Rules, Warehouses};
use bedfeed::quarantine::{DELIVERIES, QUARANTINE, Store};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;
use std::fs;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// A clock that stands until it is moved.
#[derive(Debug)]
struct Standing(Mutex<Timestamp>);

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

/// A file that came long ago.
#[derive(Clone, Debug)]
pub(crate) struct Came {
    pub(crate) at: Timestamp,
    pub(crate) provider: &'static str,
    pub(crate) folder: Folder,
    pub(crate) name: String,
    pub(crate) text: String,
}

/// The books of a service that does not run, with its clock in the past.
pub(crate) struct Past {
    runtime: Runtime,
    clock: Arc<Standing>,
    settings: Settings,
    ledger: Ledger,
    writer: std::thread::JoinHandle<()>,
    warehouse: Warehouse,
}

impl Past {
    /// Opens the books of a service that has settings.
    pub(crate) fn of(service: &Service) -> Self {
        let runtime = Runtime::new().unwrap();
        let settings = config::load(&service.settings()).unwrap();
        for folder in [DELIVERIES, QUARANTINE] {
            fs::create_dir_all(settings.state_dir.join(folder)).unwrap();
        }
        let (ledger, writer) = Ledger::open(&settings.state_dir.join(FILE_NAME)).unwrap();
        let warehouse = runtime.block_on(Warehouse::open(&settings.warehouse, &settings.state_dir)).unwrap();
        let reference = &settings.reference;
        let provider = |it: &config::Provider| ProviderRow { provider: it.code.clone(), name: it.name.clone(), kind: it.kind };
        let rows = ReferenceRows {
            providers: settings.providers.iter().map(provider).collect(),
            sites: reference.sites.clone(),
            wards: reference.wards.clone(),
            ward_types: reference.ward_types.clone(),
            ward_classes: reference.ward_classes.clone(),
            bed_groups: reference.bed_groups.clone(),
            ..ReferenceRows::default()
        };
        runtime.block_on(warehouse.set_reference(rows)).unwrap();
        Self { runtime, clock: Arc::new(Standing(Mutex::new(Timestamp::UNIX_EPOCH))), settings, ledger, writer, warehouse }
    }

    /// Takes files in, each at its own time, until none is pending; gives their ids.
    pub(crate) fn take_in(&self, files: &[Came]) -> Vec<DeliveryId> {
        let feeds = self.settings.providers.iter().map(|provider| Arc::new(provider.feed.clone())).collect();
        let rules =
            Rules { feeds, reference: self.settings.reference.clone(), two_people: BTreeSet::new(), retention: self.settings.retention };
        let store = Store::new(&self.settings.state_dir);
        let clock: Arc<dyn Clock> = Arc::<Standing>::clone(&self.clock);
        let pipeline =
            Pipeline::new(self.ledger.clone(), Warehouses { first: self.warehouse.clone(), further: Vec::new() }, store, clock, rules, 1);
        self.runtime.block_on(async {
            let (stop, stops) = watch::channel(false);
            let running = tokio::spawn({
                let pipeline = pipeline.clone();
                async move { pipeline.run(stops).await }
            });
            let mut ids = Vec::new();
            for (number, file) in (1_u8..).zip(files) {
                *self.clock.0.lock().unwrap() = file.at;
                let delivery = delivery(file, number);
                fs::write(self.settings.state_dir.join(DELIVERIES).join(delivery.id.to_string()), &file.text).unwrap();
                ids.push(delivery.id);
                let provider = delivery.provider.clone();
                self.append(file.at, vec![Event::Accepted { delivery: Box::new(delivery) }]).await;
                let mut news = pipeline.news();
                pipeline.wake(&provider);
                let settled = async {
                    while !self.ledger.read(|reader| reader.pending_by_provider()).await.unwrap().is_empty() {
                        news.changed().await.unwrap();
                    }
                };
                tokio::time::timeout(Duration::from_secs(60), settled).await.unwrap();
            }
            stop.send_replace(true);
            running.await.unwrap();
            ids
        })
    }

    /// Records events at a moment.
    pub(crate) fn record(&self, at: Timestamp, events: Vec<Event>) {
        self.runtime.block_on(self.append(at, events));
    }

    async fn append(&self, at: Timestamp, events: Vec<Event>) {
        self.ledger.append(at, events).await.unwrap();
    }

    /// Closes the books.
    pub(crate) fn close(self) {
        self.runtime.block_on(self.warehouse.close());
        drop((self.ledger, self.warehouse));
        self.writer.join().unwrap();
    }
}

fn delivery(file: &Came, number: u8) -> Delivery {
    let key_owner = "night job".to_owned();
    Delivery {
        id: DeliveryId::new(file.at, [number; 10]),
        provider: file.provider.parse().unwrap(),
        folder: file.folder,
        name: FileName::parse(file.name.as_bytes()).unwrap(),
        bytes: u64::try_from(file.text.len()).unwrap(),
        sha256: Digest::of(file.text.as_bytes()),
        opened_at: file.at - SignedDuration::from_secs(1),
        received_at: file.at,
        modified_at: None,
        sender: Sender {
            address: "127.0.0.1:4000".parse().unwrap(),
            software: "SSH-2.0-OpenSSH_9.2p1".to_owned(),
            key: "SHA256:abc".to_owned(),
            key_owner,
            connected_at: file.at - SignedDuration::from_secs(2),
            connection: 1,
        },
    }
}
