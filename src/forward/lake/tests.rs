//! What only a lake can do, or get wrong: its objects, whoever else writes there, and being stopped anywhere.

use super::folder::Folder;
use super::settle::Lake;
use super::store::{Put, Store, StoreError, Until};
use super::*;
use crate::feed::{DeliveryId, Digest};
use crate::forward::tests::fixture::*;
use crate::forward::{Backend, ForwardErrorKind, LoadOutcome, Settings, Warehouse, sqlite};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};

/// A folder that answers wrongly once: an order is not done, or is done and the answer lost. From then on it does nothing: whoever
/// wrote there has been stopped.
pub(super) struct Failing {
    pub(super) inner: Folder,
    pub(super) left: Arc<AtomicI64>,
    pub(super) does_it: bool,
}

impl Failing {
    fn order<T>(&self, order: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
        let left = self.left.fetch_sub(1, Ordering::SeqCst);
        let done = if left > 0 || left == 0 && self.does_it { order() } else { Err(StoreError::away("stopped")) };
        if left > 0 { done } else { Err(StoreError::away("stopped")) }
    }
}

impl Store for Failing {
    fn place(&self) -> String {
        self.inner.place()
    }
    fn get(&self, name: &str, until: Until) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.get(name, until)
    }
    fn put_new(&self, name: &str, bytes: &[u8], until: Until) -> Result<Put, StoreError> {
        self.order(|| self.inner.put_new(name, bytes, until))
    }
    fn replace(&self, name: &str, bytes: &[u8], until: Until) -> Result<(), StoreError> {
        self.order(|| self.inner.replace(name, bytes, until))
    }
    fn delete(&self, names: &[String], until: Until) -> Result<(), StoreError> {
        self.order(|| self.inner.delete(names, until))
    }
}

pub(super) async fn open(state: &Path, store: Box<dyn Store>) -> Warehouse {
    let beside: Arc<dyn Beside> = Arc::new(Lake::on(store));
    let warehouse = Warehouse { backend: Backend::Sqlite(sqlite::Writer::new(state.join(INDEX), Some(beside), None).unwrap()) };
    // As one that is opened by the first write, where that is not possible now.
    warehouse.opened().await.ok();
    warehouse
}

/// A lake as a reader finds it: every part's newest manifest without its number, after each object was found as it is named.
#[derive(Debug, PartialEq)]
pub(super) struct Seen {
    pub(super) parts: BTreeMap<String, Value>,
    /// The files of facts that no manifest names.
    pub(super) unnamed: BTreeSet<String>,
    pub(super) snapshots: BTreeSet<String>,
}

pub(super) fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Reads the lake, which must make sense whenever it is read.
pub(super) fn seen(lake: &Path) -> Seen {
    let mut newest: BTreeMap<PathBuf, PathBuf> = BTreeMap::new();
    for file in files(&lake.join("manifest")) {
        let newest = newest.entry(file.parent().unwrap().to_owned()).or_default();
        *newest = file.max(newest.clone());
    }
    let mut all = Seen { parts: BTreeMap::new(), unnamed: BTreeSet::new(), snapshots: BTreeSet::new() };
    let mut named = BTreeSet::new();
    for file in newest.into_values() {
        let mut manifest: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        assert!(file.ends_with(format!("{:012}.json", manifest["number"].as_i64().unwrap())));
        manifest.as_object_mut().unwrap().remove("number");
        let mut rows: BTreeMap<&str, i64> = BTreeMap::new();
        for object in manifest["objects"].as_array().unwrap() {
            let name = object["name"].as_str().unwrap();
            let bytes = std::fs::read(lake.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(object["sha256"], Digest::of(&bytes).to_string(), "{name}");
            named.insert(name.to_owned());
            if object["table"] != "agg_ward_slot" {
                *rows.entry(object["snapshot_id"].as_str().unwrap_or_default()).or_default() += object["rows"].as_i64().unwrap();
            }
        }
        for snapshot in manifest["snapshots"].as_array().unwrap() {
            let id = snapshot["snapshot_id"].as_str().unwrap();
            // All its lines, or none after retention.
            let there = rows.get(id).copied().unwrap_or_default();
            assert!(there == 0 || snapshot["lines"] == there, "{id} has {there} lines");
            all.snapshots.insert(id.to_owned());
        }
        all.parts.insert(manifest["part"].as_str().unwrap().to_owned(), manifest);
    }
    for table in &tables::FACTS {
        let there = files(&lake.join(table.name)).into_iter().map(|path| path.strip_prefix(lake).unwrap().to_str().unwrap().to_owned());
        all.unnamed.extend(there.filter(|name| !named.contains(name)));
    }
    all
}

#[expect(clippy::disallowed_methods, reason = "as one who mounts another disk")]
pub(super) fn rename(from: &Path, to: &Path) {
    std::fs::rename(from, to).unwrap();
}

pub(super) fn lake_of(world: &World) -> PathBuf {
    world.folder.path().join("lake")
}

/// One thing that is done to a warehouse.
enum Step {
    Reference,
    Load(Box<crate::forward::Load>),
    DisposeLines(DeliveryId),
    DisposeSums(DeliveryId),
    Drop(DeliveryId),
}

/// Everything that happens to a lake: two slots of one day and one of another, a correction, letting go, and a delivery that is dropped
/// and comes again with other rows.
fn story() -> Vec<Step> {
    let earlier = "2018-12-02T23:45Z";
    let (first, second) = (small("RM1", TEN, 5), small("RM1", earlier, 6));
    let (first_id, second_id) = (lead(&first, 1), lead(&second, 1));
    vec![
        Step::Reference,
        Step::Load(Box::new(load_of(first, 1))),
        Step::Load(Box::new(load_of(small("RM1", TEN, 7), 2))),
        Step::Load(Box::new(load_of(second, 1))),
        Step::DisposeLines(first_id),
        Step::DisposeSums(first_id),
        Step::Drop(second_id),
        Step::Load(Box::new(load_of(snapshot("RM1", earlier, vec![occupied("NEW", "1", "A80", 9)]), 1))),
    ]
}

async fn take(warehouse: &Warehouse, step: &Step) -> Result<(), ForwardError> {
    match step {
        Step::Reference => warehouse.set_reference(reference()).await,
        Step::Load(load) => warehouse.load(*load.clone()).await.map(drop),
        Step::DisposeLines(id) => warehouse.dispose_lines(vec![*id]).await.map(drop),
        Step::DisposeSums(id) => warehouse.dispose_sums(vec![*id]).await.map(drop),
        Step::Drop(id) => warehouse.drop_deliveries(vec![*id]).await.map(drop),
    }
}

/// Goes through the story, stopped at one order to the store and begun again; gives the lake in the end and whether it was stopped.
async fn stopped_at(order: i64, does_it: bool) -> (Seen, bool) {
    let dir = tempfile::tempdir().unwrap();
    let (state, lake) = (dir.path().join("state"), dir.path().join("lake"));
    std::fs::create_dir(&lake).unwrap();
    let left = Arc::new(AtomicI64::new(order));
    let mut warehouse = open(&state, Box::new(Failing { inner: Folder::new(lake.clone()), left, does_it })).await;
    let mut was_stopped = false;
    for step in story() {
        if take(&warehouse, &step).await.is_err() {
            assert!(!was_stopped, "stopped once");
            was_stopped = true;
            warehouse.close().await;
            let between = seen(&lake);
            warehouse = open(&state, Box::new(Folder::new(lake.clone()))).await;
            let told = warehouse.reader().snapshots().await.unwrap();
            let is_seen = |(id, _): &(DeliveryId, u32)| between.snapshots.contains(&id.to_string());
            assert!(told.keys().all(is_seen), "what counts as loaded is in the lake");
            // Twice: what is done again changes nothing.
            for _ in 0..2 {
                take(&warehouse, &step).await.unwrap_or_else(|error| panic!("stopped at {order}: {error:?}"));
            }
        }
        if let Step::Load(load) = &step {
            assert!(warehouse.is_loaded(load.reference, false).await.unwrap());
            assert!(seen(&lake).snapshots.contains(&load.reference.lead.to_string()));
        }
    }
    warehouse.close().await;
    (seen(&lake), was_stopped)
}

#[tokio::test]
async fn p2_stopped_at_any_order_the_lake_makes_sense_and_ends_as_if_it_had_not_been() {
    let (expected, stopped) = stopped_at(i64::MAX, false).await;
    assert!(!stopped && expected.unnamed.is_empty(), "{expected:?}");
    assert_eq!((expected.parts.len(), expected.snapshots.len()), (3, 3));
    let mut order = 0;
    loop {
        let ((one, stopped), (other, _)) = tokio::join!(stopped_at(order, false), stopped_at(order, true));
        assert_eq!(one, expected, "stopped before order {order}");
        assert_eq!(other, expected, "stopped after order {order}");
        if !stopped {
            break;
        }
        order += 1;
    }
    assert!(order > 30, "{order} orders");
}

#[tokio::test]
async fn the_same_snapshots_are_the_same_bytes_in_another_lake() {
    let mut lakes = Vec::new();
    for _ in 0..2 {
        let world = World::new(Kind::Lake).await;
        for version in [1, 2] {
            world.load(small("RM1", TEN, 4 + version), version).await;
        }
        world.warehouse.close().await;
        let lake = lake_of(&world);
        let bytes = |path: PathBuf| (path.strip_prefix(&lake).unwrap().to_owned(), Digest::of(&std::fs::read(&path).unwrap()));
        // Which index wrote last is told by what was never there before.
        let of_content = files(&lake).into_iter().filter(|path| !path.ends_with("writer.json"));
        lakes.push(of_content.map(bytes).collect::<BTreeMap<_, _>>());
    }
    assert!(lakes[0].len() > 20);
    assert_eq!(lakes[0], lakes[1]);
}

#[tokio::test]
async fn another_index_is_refused_and_nothing_is_written_over() {
    let world = World::new(Kind::Lake).await;
    world.load(small("RM1", TEN, 5), 1).await;
    let lake = lake_of(&world);
    let before = seen(&lake);
    // A second bedfeed, or one that has lost its index.
    let elsewhere = tempfile::tempdir().unwrap();
    let second = Warehouse::open(&world.settings, elsewhere.path()).await.unwrap();
    for _ in 0..3 {
        let told = second.load(load_of(small("RM1", TEN, 6), 2)).await.unwrap_err();
        assert_eq!(told.kind(), ForwardErrorKind::Unusable);
        assert!(crate::feed::error_chain(&told).contains("there is a lake already"), "{}", crate::feed::error_chain(&told));
    }
    assert_eq!(seen(&lake), before);
    // An older copy of the index: the lake knows more.
    let copy = tempfile::tempdir().unwrap();
    world.warehouse.close().await;
    std::fs::copy(world.folder.path().join(INDEX), copy.path().join(INDEX)).unwrap();
    let first = world.open_again().await.unwrap();
    first.load(load_of(small("RM1", TEN, 6), 2)).await.unwrap();
    let before = seen(&lake);
    let third = Warehouse::open(&world.settings, copy.path()).await.unwrap();
    let told = third.load(load_of(small("RM1", TEN, 7), 3)).await.unwrap_err();
    assert_eq!(told.kind(), ForwardErrorKind::Unusable);
    assert!(crate::feed::error_chain(&told).contains("was not written from this index"), "{}", crate::feed::error_chain(&told));
    let after = seen(&lake);
    assert_eq!((after.parts, after.snapshots), (before.parts, before.snapshots));
    // In an empty place everything that it has is written.
    let empty = tempfile::tempdir().unwrap();
    third.close().await;
    let fourth = Warehouse::open(&Settings::Lake { place: LakeSettings::Folder(empty.path().into()), index: INDEX.into() }, copy.path())
        .await
        .unwrap();
    assert_eq!(fourth.reader().snapshots().await.unwrap().len(), 1, "noted for the former place");
    fourth.set_reference(reference()).await.unwrap();
    assert_eq!(seen(empty.path()).snapshots.len(), 2);
    assert_eq!(fourth.reader().snapshots().await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_name_that_has_other_bytes_is_left_alone_and_waited_for() {
    let world = World::new(Kind::Lake).await;
    let load = load_of(small("RM1", TEN, 5), 1);
    let path = lake_of(&world).join(format!("fact_bed_line/day=2018-12-03/{}.parquet", load.reference.lead));
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, "somebody else's").unwrap();
    let told = world.warehouse.load(load.clone()).await.unwrap_err();
    assert_eq!(told.kind(), ForwardErrorKind::Unusable, "no delivery is set aside for it");
    assert!(crate::feed::error_chain(&told).contains("somebody else has written it"), "{}", crate::feed::error_chain(&told));
    assert_eq!(std::fs::read(&path).unwrap(), b"somebody else's");
    assert!(!world.warehouse.is_loaded(load.reference, false).await.unwrap());
    assert!(world.warehouse.reader().snapshots().await.unwrap().is_empty());
    // Another day goes on meanwhile; and so does this one when the name is free.
    world.load(small("RM1", "2018-12-02T10:00Z", 4), 1).await;
    std::fs::remove_file(&path).unwrap();
    assert_eq!(world.warehouse.load(load).await.unwrap(), LoadOutcome::AlreadyLoaded);
    assert_eq!(seen(&lake_of(&world)).snapshots.len(), 2);
}

#[tokio::test]
async fn a_lake_that_is_not_mounted_is_waited_for() {
    let world = World::new(Kind::Lake).await;
    let (lake, aside) = (lake_of(&world), world.folder.path().join("aside"));
    rename(&lake, &aside);
    std::fs::create_dir(&lake).unwrap();
    let load = load_of(small("RM1", TEN, 5), 1);
    let told = world.warehouse.load(load.clone()).await.unwrap_err();
    assert_eq!(told.kind(), ForwardErrorKind::Unavailable);
    assert!(crate::feed::error_chain(&told).contains("is it mounted,"), "{}", crate::feed::error_chain(&told));
    assert!(files(&lake).is_empty());
    std::fs::remove_dir(&lake).unwrap();
    rename(&aside, &lake);
    assert_eq!(world.warehouse.load(load.clone()).await.unwrap(), LoadOutcome::AlreadyLoaded);
    assert!(world.warehouse.is_loaded(load.reference, false).await.unwrap());
    assert_eq!(seen(&lake).snapshots.len(), 1);
}

#[tokio::test]
async fn only_the_last_manifests_are_kept_and_none_that_names_what_went() {
    let world = World::new(Kind::Lake).await;
    let lake = lake_of(&world);
    let mut ids = Vec::new();
    for version in 1..=6 {
        let snapshot = small("RM1", TEN, version);
        ids.push(lead(&snapshot, version));
        world.load(snapshot, version).await;
    }
    let manifests = || files(&lake.join("manifest/day=2018-12-03")).len();
    assert_eq!(manifests(), 3);
    world.warehouse.dispose_lines(vec![ids[0]]).await.unwrap();
    assert_eq!(manifests(), 1);
    world.warehouse.drop_deliveries(ids.clone()).await.unwrap();
    assert_eq!((manifests(), seen(&lake).snapshots.len()), (1, 0));
    assert!(seen(&lake).unnamed.is_empty());
    let mut rows = reference();
    for name in ["One", "Two", "Three", "Four", "Five"] {
        rows.providers[0].name = name.to_owned();
        world.warehouse.set_reference(rows.clone()).await.unwrap();
    }
    assert_eq!(files(&lake.join("manifest/reference")).len(), 3);
    assert_eq!(files(&lake.join("dim_provider")).len(), 3, "those that the kept manifests name");
}
