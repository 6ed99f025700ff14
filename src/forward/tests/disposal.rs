//! Letting go: what is old is found, and goes for good; what outlives it stays.

use super::fixture::*;
use super::on_each_kind;
use crate::feed::{DeliveryId, Finding, Findings, Rule, SnapshotRef};
use crate::forward::{Control, Load, OldFigures};

const EARLIER: &str = "2018-11-03T10:00Z";

fn leads(old: &[OldFigures]) -> Vec<DeliveryId> {
    old.iter().map(|old| old.lead).collect()
}

async fn lines_go_first_and_sums_later_and_the_sums_of_a_provider_stay(kind: Kind) {
    let world = World::new(kind).await;
    let lines = || vec![occupied("MEN", "1", "A80", 5), empty("MEN", "RDY", 2), demand("MED", false, None)];
    let (old, new, quiet) = (snapshot("RM1", EARLIER, lines()), snapshot("RM1", TEN, lines()), snapshot("RGP", EARLIER, lines()));
    let ids = [lead(&old, 1), lead(&new, 1), lead(&quiet, 1)];
    for snapshot in [old, new, quiet] {
        world.load(snapshot, 1).await;
    }
    let reference = SnapshotRef { lead: ids[0], slot: slot(EARLIER), version: 1 };
    let mut findings = Findings::default();
    findings.extend((1..=3).map(|line| Finding::new(Rule::Row01, "ward_code missing").at_line(line)));
    let rejected = DeliveryId::new(at("2018-11-03T10:04:00Z"), [9; 10]);
    let mut file = file(rejected, "RM1", at("2018-11-03T10:04:00Z"), "quarantined");
    file.findings = Some(findings);
    world.warehouse.publish(Control { files: vec![file], ..Control::default() }).await.unwrap();

    let reader = world.warehouse.reader();
    let december = at("2018-12-01T00:00:00Z");
    let found = reader.old_lines(december).await.unwrap();
    assert_eq!(leads(&found), [ids[0], ids[2]]);
    assert_eq!(found.iter().map(|old| old.shown).collect::<Vec<_>>(), [false, true], "RGP has nothing newer");
    assert_eq!(leads(&reader.old_lines(at("2018-12-03T10:01:00Z")).await.unwrap()).len(), 3);
    assert!(reader.old_lines(at("2018-11-03T10:00:00Z")).await.unwrap().is_empty(), "before means before");
    assert_eq!(reader.count_lines(leads(&found)).await.unwrap(), [3, 3]);
    let org = world.rows("SELECT * FROM agg_org_slot");
    for expected in [3, 0] {
        assert_eq!(world.warehouse.dispose_lines(vec![ids[0]]).await.unwrap(), expected, "again is fine");
    }
    assert_eq!(leads(&reader.old_lines(december).await.unwrap()), [ids[2]]);
    assert_eq!(reader.count_lines(vec![ids[0], ids[1]]).await.unwrap(), [0, 3]);

    assert_eq!(leads(&reader.old_sums(december).await.unwrap()), [ids[0], ids[2], rejected]);
    let counts = reader.count_sums(vec![ids[0], rejected]).await.unwrap();
    assert_eq!((counts[0] > 0, counts[1]), (true, 6), "three findings, three rejected rows");
    assert_eq!(world.warehouse.dispose_sums(vec![ids[0], rejected]).await.unwrap(), counts.iter().sum::<u64>());
    assert_eq!(leads(&reader.old_sums(december).await.unwrap()), [ids[2]]);
    assert_eq!(world.rows("SELECT * FROM agg_org_slot"), org);
    assert!(world.warehouse.is_loaded(reference, false).await.unwrap(), "it was loaded, and is not loaded again");
}

async fn p9_the_lines_of_a_file_that_was_read_again_go_with_those_of_its_first_reading(kind: Kind) {
    let world = World::new(kind).await;
    let once = snapshot("RM1", EARLIER, vec![occupied("MEN", "1", "A80", 5)]);
    let again = snapshot("RM1", EARLIER, vec![occupied("MEN", "1", "A80", 5), empty("MEN", "RDY", 2)]);
    let id = lead(&once, 1);
    world.load(once, 1).await;
    let first = load_of(again.clone(), 1);
    let reference = SnapshotRef { version: 2, ..first.reference };
    world.warehouse.load(Load { reference, replay: true, ..first }).await.unwrap();
    world.load(snapshot("RM1", TEN, vec![occupied("MEN", "1", "A80", 4)]), 1).await;

    let reader = world.warehouse.reader();
    let december = at("2018-12-01T00:00:00Z");
    let found = reader.old_lines(december).await.unwrap();
    assert_eq!((leads(&found), found[0].shown), (vec![id], false), "one delivery, whatever it became");
    assert_eq!(reader.count_lines(vec![id]).await.unwrap(), [3]);
    assert_eq!(world.warehouse.dispose_lines(vec![id]).await.unwrap(), 3);
    assert!(reader.old_lines(december).await.unwrap().is_empty());
    let counts = reader.count_sums(vec![id]).await.unwrap();
    assert_eq!(leads(&reader.old_sums(december).await.unwrap()), [id]);
    assert_eq!(world.warehouse.dispose_sums(vec![id]).await.unwrap(), counts[0]);
    assert!(reader.old_sums(december).await.unwrap().is_empty());
}

async fn p2_what_never_belonged_here_is_dropped_with_all_that_is_told_of_it_as_if_it_had_not_been_loaded(kind: Kind) {
    // Midnight, so that the census is taken; the middle one is there, or is loaded and dropped.
    let midnight = "2018-12-03T00:00Z";
    let lines = |quantity| vec![occupied("MEN", "1", "A80", quantity), empty("MEN", "RDY", 2), demand("MED", false, None)];
    let facts = |world: &World| {
        let tables = ["fact_bed_line", "fact_demand_line", "agg_ward_slot", "agg_org_slot", "census_daily", "ingest_file", "ingest_issue"];
        let columns =
            "snapshot_id, version, is_current, (SELECT n.snapshot_id FROM ingest_snapshot n WHERE n.snapshot_key = s.superseded_by)";
        let snapshots = world.rows(&format!("SELECT {columns} FROM ingest_snapshot s ORDER BY 1"));
        let counts = tables.map(|table| world.rows(&format!("SELECT count(*) FROM {table}")));
        (snapshots, counts, world.rows("SELECT sum(occupied) FROM census_daily"))
    };
    // The last one drops the version that counts, those before it one that does not, and the only one of its slot.
    for (versions, dropped) in [([1, 2, 3], 2), ([1, 2, 3], 3), ([1, 2, 2], 2), ([2, 2, 2], 2)] {
        let (with, without) = (World::new(kind).await, World::new(kind).await);
        for version in std::collections::BTreeSet::from(versions) {
            let snapshot = snapshot("RM1", midnight, lines(version + 4));
            if version != dropped {
                without.load(snapshot.clone(), version).await;
            }
            with.load(snapshot, version).await;
        }
        let gone = lead(&snapshot("RM1", midnight, lines(1)), dropped);
        for expected in [1, 0] {
            assert_eq!(with.warehouse.drop_deliveries(vec![gone]).await.unwrap(), expected, "again is fine");
        }
        assert_eq!(facts(&with), facts(&without), "{versions:?} without {dropped}");
        assert!(!with.warehouse.deliveries().await.unwrap().contains(&gone));
        // It can come again.
        with.load(snapshot("RM1", midnight, lines(dropped + 4)), dropped).await;
    }
}

on_each_kind! {
    p2_what_never_belonged_here_is_dropped_with_all_that_is_told_of_it_as_if_it_had_not_been_loaded,
    lines_go_first_and_sums_later_and_the_sums_of_a_provider_stay,
    p9_the_lines_of_a_file_that_was_read_again_go_with_those_of_its_first_reading,
}
