//! Letting go for good: the write-ahead log has the rows until it is emptied.

use super::super::tests::fixture::*;

#[tokio::test]
async fn what_somebody_still_reads_from_the_log_is_not_called_gone() {
    let world = World::new(Kind::Sqlite).await;
    let old = snapshot("RM1", "2018-11-03T10:00Z", vec![occupied("MEN", "1", "A80", 5)]);
    let id = lead(&old, 1);
    world.load(old, 1).await;
    let analyst = world.connection();
    analyst.execute_batch("BEGIN").unwrap();
    assert_eq!(rows(&analyst, "SELECT count(*) FROM fact_bed_line"), ["1"], "the reading transaction has begun");
    let refused = world.warehouse.dispose_lines(vec![id]).await.unwrap_err();
    assert!(refused.to_string().contains("somebody is reading the warehouse"), "{refused}");
    let log = || std::fs::metadata(world.folder.path().join("warehouse.db-wal")).unwrap().len();
    assert!(log() > 0, "the rows are still in the log");
    analyst.execute_batch("COMMIT").unwrap();
    assert_eq!(world.warehouse.dispose_lines(vec![id]).await.unwrap(), 0, "the rows were gone; now the log is too");
    assert_eq!(log(), 0);
}
