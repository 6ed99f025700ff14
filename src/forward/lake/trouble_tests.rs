//! What goes wrong with a lake, or around it: it is away, slow, emptied, or somebody writes into it from another index.

use super::folder::Folder;
use super::store::{Put, Store, StoreError, Until};
use super::tests::{Failing, files, lake_of, open, rename, seen};
use super::*;
use crate::feed::error_chain;
use crate::forward::tests::fixture::*;
use crate::forward::{ForwardErrorKind, LoadOutcome, Settings, Warehouse};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};

/// A state folder and an empty lake in one that goes away.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["state", "lake"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self { folder }
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    fn lake(&self) -> PathBuf {
        self.folder.path().join("lake")
    }

    fn aside(&self) -> PathBuf {
        self.folder.path().join("aside")
    }

    async fn open(&self) -> Warehouse {
        let warehouse = open(&self.state(), Box::new(Folder::new(self.lake()))).await;
        warehouse.set_reference(reference()).await.unwrap();
        warehouse
    }
}

/// A slot of the day of the fixture, or of another.
fn nth(day: &str, number: i32) -> String {
    slot(&format!("{day}T00:00Z")).plus(number).start().strftime("%Y-%m-%dT%H:%MZ").to_string()
}

fn copy(state: &Path, to: &Path) {
    let index = rusqlite::Connection::open(state.join(INDEX)).unwrap();
    index.execute("VACUUM INTO ?1", [to.join(INDEX).to_str().unwrap()]).unwrap();
}

#[tokio::test]
async fn an_older_index_is_refused_however_old_it_is() {
    let world = World::new(Kind::Lake).await;
    world.load(small("RM1", TEN, 5), 1).await;
    // As a backup is taken: while the daemon goes on.
    let backup = tempfile::tempdir().unwrap();
    copy(world.folder.path(), backup.path());
    for version in 2..=7 {
        world.load(small("RM1", TEN, 4 + version), version).await;
        let before = seen(&lake_of(&world));
        let older = Warehouse::open(&world.settings, backup.path()).await.unwrap();
        let load = load_of(small("RGP", TEN, 7), 1);
        let told = older.load(load.clone()).await.unwrap_err();
        assert_eq!(told.kind(), ForwardErrorKind::Unusable);
        assert!(error_chain(&told).contains("was not written from this index last"), "{}", error_chain(&told));
        assert!(!older.is_loaded(load.reference, false).await.unwrap());
        older.close().await;
        assert_eq!(seen(&lake_of(&world)), before);
    }
    // The right one goes on.
    world.load(small("RGP", TEN, 7), 1).await;
}

/// Puts so many objects for each write, and has then no time left.
struct Slow {
    inner: Folder,
    left: AtomicI64,
}

impl Store for Slow {
    fn place(&self) -> String {
        self.inner.place()
    }
    fn get(&self, name: &str, until: Until) -> Result<Option<Vec<u8>>, StoreError> {
        self.left.store(20, Ordering::SeqCst);
        self.inner.get(name, until)
    }
    fn put_new(&self, name: &str, bytes: &[u8], until: Until) -> Result<Put, StoreError> {
        if self.left.fetch_sub(1, Ordering::SeqCst) <= 0 {
            return Err(StoreError::away("it takes too long"));
        }
        self.inner.put_new(name, bytes, until)
    }
    fn replace(&self, name: &str, bytes: &[u8], until: Until) -> Result<(), StoreError> {
        self.inner.replace(name, bytes, until)
    }
    fn delete(&self, names: &[String], until: Until) -> Result<(), StoreError> {
        self.inner.delete(names, until)
    }
}

#[tokio::test]
async fn a_slow_store_gets_further_with_each_try() {
    let place = Place::new();
    let plain = Warehouse::open(&Settings::Sqlite { path: INDEX.into() }, &place.state()).await.unwrap();
    plain.set_reference(reference()).await.unwrap();
    for number in 0..30 {
        plain.load(load_of(small("RM1", &nth("2018-12-02", number), 5), 1)).await.unwrap();
    }
    plain.close().await;
    // All of it is to be written into an empty lake, beside a day's loads.
    let store = Slow { inner: Folder::new(place.lake()), left: AtomicI64::new(20) };
    let warehouse = open(&place.state(), Box::new(store)).await;
    let mut tries = 0;
    while warehouse.set_reference(reference()).await.is_err() {
        tries += 1;
        assert!(tries < 5, "the reference data get on");
    }
    for number in 0..12 {
        warehouse.load(load_of(small("RM1", &nth("2018-12-03", number), 5), 1)).await.unwrap();
    }
    assert_eq!(seen(&place.lake()).snapshots.len(), 42);
}

#[tokio::test]
async fn an_index_is_written_by_one_process_at_a_time() {
    let place = Place::new();
    let daemon = place.open().await;
    let migrating = open(&place.state(), Box::new(Folder::new(place.lake()))).await;
    let told = migrating.settled().await.unwrap_err();
    assert_eq!(told.kind(), ForwardErrorKind::Unavailable);
    assert!(error_chain(&told).contains("another bedfeed has it open"), "{}", error_chain(&told));
    for version in [1, 2] {
        daemon.load(load_of(small("RM1", TEN, 4 + version), version)).await.unwrap();
    }
    daemon.close().await;
    migrating.settled().await.unwrap();
}

#[tokio::test]
async fn reference_data_that_come_again_are_there_wherever_their_deletion_was_stopped() {
    let mut order = 0;
    loop {
        let place = Place::new();
        let named = |name: &str| {
            let mut rows = reference();
            rows.providers[0].name = name.to_owned();
            rows
        };
        let left = Arc::new(AtomicI64::new(order));
        let stopping = open(&place.state(), Box::new(Failing { inner: Folder::new(place.lake()), left, does_it: true })).await;
        let mut was_stopped = false;
        for name in ["One", "Two", "Three", "Four"] {
            was_stopped = was_stopped || stopping.set_reference(named(name)).await.is_err();
        }
        stopping.close().await;
        let warehouse = open(&place.state(), Box::new(Folder::new(place.lake()))).await;
        // Put right again: as at first.
        warehouse.set_reference(named("One")).await.unwrap();
        warehouse.close().await;
        assert_eq!(seen(&place.lake()).parts.len(), 1, "stopped after order {order}");
        if !was_stopped {
            break;
        }
        order += 1;
    }
    assert!(order > 20, "{order} orders");
}

#[tokio::test]
async fn a_day_in_which_something_else_lies_holds_up_no_other() {
    let world = World::new(Kind::Lake).await;
    let (first, second) = (small("RM1", "2018-09-03T10:00Z", 5), small("RM1", "2018-09-04T10:00Z", 5));
    let (first_id, second_id) = (lead(&first, 1), lead(&second, 1));
    world.load(first, 1).await;
    world.load(second, 1).await;
    let load = load_of(small("RM1", TEN, 5), 1);
    let path = lake_of(&world).join(format!("fact_bed_line/day=2018-12-03/{}.parquet", load.reference.lead));
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, "somebody else's").unwrap();
    world.warehouse.load(load.clone()).await.unwrap_err();
    assert!(world.warehouse.dispose_lines(vec![first_id]).await.unwrap() > 0);
    world.warehouse.drop_deliveries(vec![second_id]).await.unwrap();
    for day in ["2018-09-03", "2018-09-04"] {
        assert!(files(&lake_of(&world).join(format!("fact_bed_line/day={day}"))).is_empty(), "{day}");
    }
    world.load(small("RM1", "2018-09-02T10:00Z", 4), 1).await;
    let told = world.warehouse.settled().await.unwrap_err();
    assert!(error_chain(&told).contains("somebody else has written it"), "{}", error_chain(&told));
    std::fs::remove_file(&path).unwrap();
    world.warehouse.settled().await.unwrap();
    assert!(world.warehouse.is_loaded(load.reference, false).await.unwrap());
}

#[tokio::test]
async fn what_was_dropped_while_it_was_away_goes_when_it_is_back() {
    let place = Place::new();
    let warehouse = place.open().await;
    let load = load_of(small("RM1", TEN, 5), 1);
    warehouse.load(load.clone()).await.unwrap();
    rename(&place.lake(), &place.aside());
    warehouse.drop_deliveries(vec![load.reference.lead]).await.unwrap_err();
    warehouse.close().await;
    let warehouse = open(&place.state(), Box::new(Folder::new(place.lake()))).await;
    warehouse.drop_deliveries(vec![]).await.unwrap_err();
    rename(&place.aside(), &place.lake());
    warehouse.drop_deliveries(vec![]).await.unwrap();
    assert!(seen(&place.lake()).snapshots.is_empty() && seen(&place.lake()).unnamed.is_empty());
}

#[tokio::test]
async fn what_only_the_index_has_is_taken_back_or_loaded_as_it_was_judged_last() {
    let place = Place::new();
    let warehouse = place.open().await;
    rename(&place.lake(), &place.aside());
    let (first, second) = (load_of(small("RM1", TEN, 5), 1), load_of(small("RGP", TEN, 5), 1));
    warehouse.load(first.clone()).await.unwrap_err();
    warehouse.load(second.clone()).await.unwrap_err();
    let part = warehouse.reader().unfinished().await.unwrap();
    assert_eq!(part.keys().map(|(lead, _)| *lead).collect::<Vec<_>>().len(), 2);
    assert!(warehouse.reader().snapshots().await.unwrap().is_empty());
    // One is set aside meanwhile: nobody waits for the lake with that.
    warehouse.take_back(second.reference, false).await.unwrap();
    assert_eq!(warehouse.reader().unfinished().await.unwrap().len(), 1);
    rename(&place.aside(), &place.lake());
    // The other is judged anew.
    let mut again = load_of(small("RM1", TEN, 9), 1);
    again.report.assessed_at += jiff::SignedDuration::from_mins(3);
    assert!(!warehouse.is_loaded(again.reference, false).await.unwrap());
    assert!(matches!(warehouse.load(again.clone()).await.unwrap(), LoadOutcome::Loaded { current: true, .. }));
    assert_eq!(warehouse.load(again.clone()).await.unwrap(), LoadOutcome::AlreadyLoaded);
    let seen = seen(&place.lake());
    assert_eq!(seen.snapshots.iter().collect::<Vec<_>>(), [&again.reference.lead.to_string()]);
    assert_eq!(seen.parts["2018-12-03"]["snapshots"][0]["occupied"], 9);
    assert!(seen.unnamed.is_empty() && warehouse.reader().unfinished().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_lake_that_was_emptied_is_noticed_and_another_one_in_its_place_too() {
    let place = Place::new();
    let warehouse = place.open().await;
    warehouse.load(load_of(small("RM1", TEN, 5), 1)).await.unwrap();
    rename(&place.lake(), &place.aside());
    std::fs::create_dir(place.lake()).unwrap();
    let told = warehouse.load(load_of(small("RM1", TEN, 6), 2)).await.unwrap_err();
    assert!(error_chain(&told).contains("was it emptied?"), "{}", error_chain(&told));
    assert!(files(&place.lake()).is_empty());
    // Another bedfeed's lake, mounted at the same path.
    let other = Place::new();
    other.open().await.close().await;
    std::fs::remove_dir(place.lake()).unwrap();
    rename(&other.lake(), &place.lake());
    let told = warehouse.load(load_of(small("RM1", TEN, 6), 2)).await.unwrap_err();
    assert_eq!(told.kind(), ForwardErrorKind::Unusable);
    assert!(seen(&place.lake()).snapshots.is_empty());
    rename(&place.lake(), &other.lake());
    rename(&place.aside(), &place.lake());
    warehouse.load(load_of(small("RM1", TEN, 6), 2)).await.unwrap();
    assert_eq!(seen(&place.lake()).snapshots.len(), 2);
}
