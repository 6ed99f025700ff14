//! What only the embedded warehouse can do, or get wrong: its file, and what else opens it.

use super::super::tests::fixture::*;
use super::database::{open_for_writing, prepare};
use super::{load, reference as reference_tables};
use crate::feed::{RepeatedBy, TimeRule, UkClock};
use crate::forward::{ForwardErrorKind, LoadOutcome, Settings, Warehouse, WarehouseMoment};
use rusqlite::TransactionBehavior;

#[test]
fn p2_a_load_that_is_cut_half_way_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("warehouse.db");
    let mut connection = open_for_writing(&path).unwrap();
    prepare(&mut connection).unwrap();
    reference_tables::set(&mut connection, &reference()).unwrap();
    let before = dump(&connection);
    let half = load_of(snapshot("RM1", TEN, vec![occupied("NEW", "1", "A80", 3)]), 1);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
    load::write_facts(&transaction, &half, "a test").unwrap();
    assert!(dump(&transaction).len() > before.len());
    drop(transaction);
    drop(connection);
    let mut connection = open_for_writing(&path).unwrap();
    assert_eq!(dump(&connection), before);
    assert!(matches!(load::load(&mut connection, &half), Ok(LoadOutcome::Loaded { .. })));
}

#[tokio::test]
async fn a_database_that_is_not_ours_or_newer_is_refused() {
    let rows = [
        ("UPDATE schema_version SET version = 99", ForwardErrorKind::SchemaNewer, "newer bedfeed"),
        ("DROP TABLE schema_version", ForwardErrorKind::Unusable, "not a bedfeed warehouse"),
    ];
    for (change, kind, text) in rows {
        let world = World::new(Kind::Sqlite).await;
        world.warehouse.close().await;
        world.connection().execute_batch(change).unwrap();
        let error = world.open_again().await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(text), "{error}");
        let later = world.warehouse.load(load_of(small("RM1", TEN, 5), 1)).await.unwrap_err();
        assert_eq!(later.kind(), ForwardErrorKind::Unavailable, "{later}");
    }
}

#[test]
fn p1_commits_are_synced_and_references_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let connection = open_for_writing(&folder.path().join("new/warehouse.db")).unwrap();
    let rows = [("synchronous", "2"), ("journal_mode", "wal"), ("foreign_keys", "1"), ("busy_timeout", "5000")];
    for (pragma, value) in rows {
        assert_eq!(crate::forward::tests::fixture::rows(&connection, &format!("PRAGMA {pragma}")), [value], "{pragma}");
    }
}

#[tokio::test]
async fn a_warehouse_that_is_away_at_the_start_is_opened_when_it_is_back_with_its_reference_data() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("warehouse.db");
    // A folder stands where the database should be.
    std::fs::create_dir(&path).unwrap();
    let warehouse = Warehouse::open(&Settings::Sqlite { path: "warehouse.db".into() }, dir.path()).await.unwrap();
    let away = warehouse.set_reference(reference()).await.unwrap_err();
    assert_eq!(away.kind(), ForwardErrorKind::Unavailable);
    std::fs::remove_dir(&path).unwrap();
    let outcome = warehouse.load(load_of(small("RM1", TEN, 5), 1)).await.unwrap();
    assert_eq!(outcome, LoadOutcome::Loaded { current: true, unknown_wards: vec![] });
}

/// A database of the first version gets its new columns when it is opened, keeps what it has, and takes new snapshots.
#[tokio::test]
async fn an_older_database_is_brought_up_to_date() {
    let world = World::new(Kind::Sqlite).await;
    world.load(small("RM1", TEN, 5), 1).await;
    world.warehouse.close().await;
    let path = world.folder.path().join("warehouse.db");
    let before = "UPDATE schema_version SET version = 1; ALTER TABLE ingest_snapshot DROP COLUMN time_rule; ALTER TABLE ingest_snapshot DROP COLUMN place;";
    rusqlite::Connection::open(&path).unwrap().execute_batch(before).unwrap();
    let warehouse = world.open_again().await.unwrap();
    let mut load = load_of(small("RM1", "2018-12-03T10:15Z", 6), 1);
    load.report.time_rule = Some(TimeRule::RepeatedHour { chosen: UkClock::Gmt, by: RepeatedBy::FreeSlot });
    warehouse.load(load).await.unwrap();
    warehouse.close().await;
    // Once only: what is up to date is left alone.
    world.open_again().await.unwrap().close().await;
    assert_eq!(world.rows("SELECT version FROM schema_version"), ["3"]);
    let rules = world.rows("SELECT slot_utc, time_rule FROM ingest_snapshot ORDER BY slot_utc");
    assert_eq!(rules.len(), 2);
    assert!(rules[0].ends_with("|NULL") && rules[1].ends_with("|repeated hour, GMT by the slot that was free"), "{rules:?}");
}

#[tokio::test]
async fn an_opening_leaves_those_before_it_their_locks() {
    let world = World::new(Kind::Sqlite).await;
    world.load(small("RM1", TEN, 5), 1).await;
    let path = world.folder.path().join("warehouse.db");
    let _second = open_for_writing(&path).unwrap();
    assert!(crate::feed::testing::keeps_its_log(&path));
    assert_eq!(world.load(small("RM1", TEN, 5), 1).await, LoadOutcome::AlreadyLoaded);
}

#[tokio::test]
async fn a_moment_of_the_warehouse_stays_the_same() {
    let world = World::new(Kind::Sqlite).await;
    world.load(small("RM1", TEN, 5), 1).await;
    let file = WarehouseMoment::file(&world.settings, world.folder.path()).unwrap();
    let moment = WarehouseMoment::hold(&file).unwrap();
    let held = moment.snapshots().unwrap();
    world.load(small("RM1", TEN, 6), 2).await;
    let copy = world.folder.path().join("copy.db");
    assert!(moment.copy_to(&copy).unwrap());
    let copied = WarehouseMoment::hold(&copy).unwrap();
    assert_eq!((copied.snapshots().unwrap(), copied.damage().unwrap()), (held.clone(), None));
    assert_eq!((held.len(), WarehouseMoment::hold(&file).unwrap().snapshots().unwrap().len()), (1, 2));
}
