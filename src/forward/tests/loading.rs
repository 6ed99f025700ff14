//! Loading: exactly once, whole or not at all, the right version current.

use super::fixture::*;
use super::on_each_kind;
use crate::feed::{Finding, Findings, Rule, SnapshotRef};
use crate::forward::{Control, ForwardErrorKind, LoadOutcome, SlotFact};

async fn p2_loading_twice_changes_nothing(kind: Kind) {
    let world = World::new(kind).await;
    let first = world.load(small("RM1", TEN, 5), 1).await;
    assert_eq!(first, LoadOutcome::Loaded { current: true, unknown_wards: vec![] });
    let before = world.dump();
    assert_eq!(world.load(small("RM1", TEN, 5), 1).await, LoadOutcome::AlreadyLoaded);
    // Also after the warehouse was closed and opened, as after a crash between commit and answer.
    world.warehouse.close().await;
    let warehouse = world.open_again().await.unwrap();
    let reference = load_of(small("RM1", TEN, 5), 1).reference;
    assert!(warehouse.is_loaded(reference, false).await.unwrap());
    assert!(!warehouse.is_loaded(reference, true).await.unwrap());
    assert_eq!(warehouse.load(load_of(small("RM1", TEN, 5), 1)).await.unwrap(), LoadOutcome::AlreadyLoaded);
    let after: Vec<String> = before.into_iter().filter(|row| !row.starts_with("clock_override")).collect();
    assert_eq!(world.dump(), after);
}

async fn p2_a_number_that_another_snapshot_has_is_told_and_nothing_is_changed(kind: Kind) {
    let world = World::new(kind).await;
    world.load(small("RM1", TEN, 5), 1).await;
    world.load(small("RM1", TEN, 6), 2).await;
    let before = world.dump();
    let mut other = load_of(small("RM1", TEN, 7), 3);
    other.reference.version = 1;
    assert_eq!(world.warehouse.load(other).await.unwrap(), LoadOutcome::NumberTaken { newest: 2 });
    assert_eq!(world.dump(), before);
    assert!(matches!(world.load(small("RM1", TEN, 7), 3).await, LoadOutcome::Loaded { current: true, .. }));
}

async fn the_lead_of_the_current_snapshot_is_told(kind: Kind) {
    let world = World::new(kind).await;
    let current = async || world.warehouse.current_lead(&provider("RM1"), slot(TEN)).await.unwrap();
    assert_eq!(current().await, None);
    for version in [1, 2] {
        let snapshot = small("RM1", TEN, 4 + version);
        let expected = Some(lead(&snapshot, version));
        world.load(snapshot, version).await;
        assert_eq!(current().await, expected);
    }
}

async fn p2_publishing_the_same_facts_twice_changes_nothing(kind: Kind) {
    let world = World::new(kind).await;
    world.load(small("RM1", TEN, 5), 1).await;
    let mut findings = Findings::default();
    findings.extend((1..=30).map(|line| Finding::new(Rule::Row01, "ward_code missing").at_line(line).in_column("WARD")));
    findings.push(Finding::new(Rule::Row99, "30 rows failed"));
    let mut rejected = file(lead(&small("RGP", TEN, 1), 1), "RGP", at("2018-12-03T10:04:00Z"), "quarantined");
    rejected.findings = Some(findings);
    let control = Control {
        files: vec![rejected],
        slots: vec![SlotFact { provider: provider("RGP"), slot: slot(TEN), state: "rejected" }],
        ..Control::default()
    };
    world.warehouse.publish(control.clone()).await.unwrap();
    let before = world.dump();
    world.warehouse.publish(control).await.unwrap();
    world.warehouse.set_reference(reference()).await.unwrap();
    assert_eq!(world.dump(), before);
    assert_eq!(
        world.rows("SELECT rule, count(*), sum(occurrences), max(line) FROM ingest_issue GROUP BY rule"),
        ["ROW-01|21|30|20", "ROW-99|1|1|NULL"]
    );
    assert_eq!(world.rows("SELECT count(*), max(line) FROM ingest_row_reject"), ["20|20"]);
}

async fn p4_the_right_version_of_a_slot_is_current(kind: Kind) {
    // (sequence, seconds after the slot's start) of versions 1, 2, …; the version that is current in the end.
    type Version = (Option<u32>, i64);
    let rows: [(&str, &[Version], u32); 7] = [
        ("a later version corrects an equal one", &[(None, 0), (None, 0)], 2),
        ("a higher sequence wins, whenever it arrives", &[(Some(8), 0), (Some(7), 0)], 1),
        ("a higher sequence beats a later snapshot", &[(Some(8), 0), (Some(7), 60)], 1),
        ("no sequence is the lowest", &[(Some(1), 0), (None, 60)], 1),
        ("a later snapshot wins where sequences are equal", &[(None, 60), (None, 0)], 1),
        ("the sequence wraps", &[(Some(9_999_999), 0), (Some(1), 0)], 2),
        ("of three", &[(Some(2), 0), (Some(3), 0), (Some(1), 60)], 2),
    ];
    for (name, versions, expected) in rows {
        let world = World::new(kind).await;
        for (version, (sequence, seconds)) in (1..).zip(versions) {
            let mut snapshot = small("RM1", TEN, version);
            snapshot.sequence = *sequence;
            snapshot.snapshot_at = snapshot.slot.start() + jiff::SignedDuration::from_secs(*seconds);
            world.load(snapshot, version).await;
        }
        let current = world.rows("SELECT version, superseded_by FROM ingest_snapshot WHERE is_current = 1");
        assert_eq!(current, [format!("{expected}|NULL")], "{name}");
        let others = "SELECT count(*) FROM ingest_snapshot WHERE is_current = 0 AND superseded_by IS NOT NULL";
        assert_eq!(world.rows(others), [(versions.len() - 1).to_string()], "{name}");
        let shown = "SELECT occupied FROM v_system_now WHERE provider_code = 'RM1'";
        assert_eq!(world.rows(shown), [expected.to_string()], "{name}");
    }
}

async fn p4_whatever_the_order_of_loading_the_same_versions_are_current_and_the_same_figures_shown(kind: Kind) {
    // Two slots; versions with running numbers around the end of the round, equal ones, none, and one that was read again.
    let of = |slot: &str, version: u32, sequence: Option<u32>, seconds: i64| {
        let mut snapshot = small("RM1", slot, version);
        snapshot.sequence = sequence;
        snapshot.snapshot_at = snapshot.slot.start() + jiff::SignedDuration::from_secs(seconds);
        load_of(snapshot, version)
    };
    let later = "2018-12-03T10:15Z";
    let mut again = of(TEN, 5, Some(9_999_999), 0);
    again.reference.lead = of(TEN, 1, None, 0).reference.lead;
    again.files[0].id = again.reference.lead;
    again.replay = true;
    let loads = [of(TEN, 1, Some(9_999_999), 0), of(TEN, 2, Some(3), 0), of(TEN, 3, Some(3), 60), again, of(later, 1, None, 0)];
    let shown = |world: &World| {
        let versions = "SELECT slot_utc AS a, version AS b, is_current AS c FROM ingest_snapshot";
        let now = "SELECT slot_utc, occupied, empty FROM v_system_now WHERE provider_code = 'RM1'";
        let census = "SELECT s.slot_utc, c.occupied, -1 FROM census_daily AS c JOIN ingest_snapshot AS s USING (snapshot_key)";
        world.rows(&format!("{versions} UNION ALL {now} UNION ALL {census} ORDER BY 1, 2, 3"))
    };
    let mut expected = None;
    let world = World::new(kind).await;
    // A server takes its time: every fifth order will do there, which has each snapshot in each place.
    let step = if kind == Kind::Sqlite { 1 } else { 5 };
    for order in orders(loads.len()).into_iter().step_by(step) {
        world.forget_loads();
        for place in &order {
            let outcome = world.warehouse.load(loads[*place].clone()).await.unwrap();
            assert!(matches!(outcome, LoadOutcome::Loaded { .. }), "{order:?}");
        }
        let shown = shown(&world);
        assert_eq!(&shown, expected.get_or_insert_with(|| shown.clone()), "{order:?}");
    }
    let shown = expected.unwrap();
    let current: Vec<&String> = shown.iter().filter(|row| row.ends_with("|1")).collect();
    assert_eq!(current, ["2018-12-03T10:00:00Z|3|1", "2018-12-03T10:15:00Z|1|1"]);
}

/// Every order of so many things.
fn orders(count: usize) -> Vec<Vec<usize>> {
    let shorter = if count <= 1 { return vec![(0..count).collect()] } else { orders(count - 1) };
    let with_last = |order: &Vec<usize>| {
        let place = |at: usize| [&order[..at], &[count - 1], &order[at..]].concat();
        (0..count).map(place).collect::<Vec<_>>()
    };
    shorter.iter().flat_map(with_last).collect()
}

async fn p4_a_late_file_fills_its_own_slot_and_leaves_now_alone(kind: Kind) {
    let world = World::new(kind).await;
    world.load(small("RM1", TEN, 5), 1).await;
    let now = world.rows("SELECT * FROM v_system_now");
    let outcome = world.load(small("RM1", "2018-12-03T08:00Z", 9), 1).await;
    assert_eq!(outcome, LoadOutcome::Loaded { current: true, unknown_wards: vec![] });
    assert_eq!(world.rows("SELECT * FROM v_system_now"), now);
    let history = "SELECT occupied FROM v_system_trend WHERE provider_code = 'RM1' AND slot_utc = '2018-12-03T08:00:00Z'";
    assert_eq!(world.rows(history), ["9"]);
    assert_eq!(world.rows("SELECT local_date, census, ward_class, occupied FROM v_daily_census"), ["2018-12-03|08:00|GA|9"]);
}

async fn a_corrected_census_slot_corrects_the_census(kind: Kind) {
    let world = World::new(kind).await;
    // 00:00 on 4 July is 23:00 UTC on the 3rd.
    world.load(small("RM1", "2018-07-03T23:00Z", 5), 1).await;
    let closed_now = snapshot("RM1", "2018-07-03T23:00Z", vec![occupied("ADULT", "2", "A80", 6)]);
    world.load(closed_now, 2).await;
    let census = "SELECT local_date, census, ward_class, occupied, kh03_sector FROM v_daily_census";
    assert_eq!(world.rows(census), ["2018-07-04|00:00|CC|6|NULL"]);
}

async fn an_unknown_ward_is_loaded_as_unknown_and_waits_for_registration(kind: Kind) {
    let world = World::new(kind).await;
    let lines = vec![occupied("NEW", "1", "A80", 3), occupied("MEN", "1", "A80", 1)];
    let outcome = world.load(snapshot("RM1", TEN, lines.clone()), 1).await;
    let unknown = vec![("SITE1".to_owned(), "NEW".to_owned())];
    assert_eq!(outcome, LoadOutcome::Loaded { current: true, unknown_wards: unknown });
    let wards = "SELECT ward_code, ward_type, bed_group, occupied FROM v_provider_ward_now ORDER BY ward_code";
    assert_eq!(world.rows(wards), ["MEN|GENMED|MED|1", "NEW|UNKNOWN|UNKNOWN|3"]);
    assert_eq!(world.rows("SELECT occupied FROM v_provider_org_now WHERE provider_code = 'RM1'"), ["4"]);
    assert_eq!(world.rows("SELECT pending_wards FROM v_feed_health WHERE provider_code = 'RM1'"), ["1"]);

    let mut rows = reference();
    let mut ward = rows.wards[1].clone();
    ward.ward_code = "NEW".to_owned();
    rows.wards.push(ward);
    world.warehouse.set_reference(rows).await.unwrap();
    assert_eq!(world.rows("SELECT pending_wards FROM v_feed_health WHERE provider_code = 'RM1'"), ["0"]);
    let outcome = world.load(snapshot("RM1", "2018-12-03T10:15Z", lines), 1).await;
    assert_eq!(outcome, LoadOutcome::Loaded { current: true, unknown_wards: vec![] });
    assert_eq!(world.rows(wards), ["MEN|GENMED|MED|1", "NEW|GENMED|MED|3"]);
}

async fn a_line_takes_the_ward_as_it_was_on_the_local_day_of_its_snapshot(kind: Kind) {
    let world = World::new(kind).await;
    let mut rows = reference();
    let change = Some("2018-07-04".parse().unwrap());
    let mut later = rows.wards[1].clone();
    (later.bed_group, later.valid_from) = ("CRIT".to_owned(), change);
    rows.wards[1].valid_to = change;
    rows.wards.push(later);
    world.warehouse.set_reference(rows).await.unwrap();
    // In summer the local day starts at 23:00 UTC.
    for (slot, group) in [("2018-07-03T22:45Z", "MED"), ("2018-07-03T23:00Z", "CRIT")] {
        world.load(snapshot("RM1", slot, vec![occupied("MEN", "1", "A80", 1)]), 1).await;
        let found = format!(
            "SELECT bed_group FROM fact_bed_line JOIN dim_ward USING (ward_key) JOIN ingest_snapshot USING (snapshot_key)
             WHERE slot_utc = '{}:00Z'",
            slot.trim_end_matches('Z')
        );
        assert_eq!(world.rows(&found), [group], "{slot}");
    }
}

async fn a_load_that_contradicts_itself_is_refused_whole(kind: Kind) {
    let world = World::new(kind).await;
    world.load(small("RM1", TEN, 5), 1).await;
    let before = world.dump();
    let good = load_of(small("RM1", "2018-12-03T10:15Z", 5), 1);
    let mut wrong_totals = small("RM1", "2018-12-03T10:15Z", 5);
    wrong_totals.totals.occupied = 6;
    let mut no_ward = small("RM1", "2018-12-03T10:15Z", 5);
    no_ward.lines[1].ward_code = None;
    let mut rows = vec![("totals", load_of(wrong_totals, 1)), ("a line without a ward", load_of(no_ward, 1))];
    rows.push(("the lead's file is missing", crate::forward::Load { files: vec![], ..good.clone() }));
    let other_slot = SnapshotRef { slot: slot(TEN), ..good.reference };
    rows.push(("another slot", crate::forward::Load { reference: other_slot, ..good.clone() }));
    let mut foreign = good.clone();
    foreign.files[0].provider = provider("RGP");
    rows.push(("another provider's file", foreign));
    for (name, load) in rows {
        let error = world.warehouse.load(load).await.unwrap_err();
        assert_eq!(error.kind(), ForwardErrorKind::Refused, "{name}: {error}");
        assert_eq!(world.dump(), before, "{name}");
    }
    assert!(matches!(world.warehouse.load(good).await, Ok(LoadOutcome::Loaded { .. })));
}

async fn waits_are_counted_from_the_decision_to_the_snapshot(kind: Kind) {
    let rows = [
        (Some("2018-12-02T22:00:00Z"), "720|W12", 1),
        (Some("2018-12-02T22:00:30Z"), "719|W08", 0),
        (Some("2018-12-03T10:03:00Z"), "0|W00", 0),
        (None, "NULL|NULL", 0),
    ];
    for (wait_from, waited, long) in rows {
        let world = World::new(kind).await;
        let lines = vec![demand("MED", false, wait_from), demand("MED", true, Some("2018-12-01T00:00:00Z"))];
        world.load(snapshot("RM1", TEN, lines), 1).await;
        assert_eq!(world.rows("SELECT wait_minutes, wait_band FROM fact_demand_line WHERE line_no = 1"), [waited]);
        assert_eq!(world.rows("SELECT waits_12h FROM v_system_now WHERE scope = 'TOTAL'"), [long.to_string()], "{wait_from:?}");
    }
}

async fn a_word_that_a_table_does_not_take_is_refused_and_nothing_of_it_is_kept(kind: Kind) {
    let world = World::new(kind).await;
    let before = world.dump();
    let fact = |state| SlotFact { provider: provider("RCX"), slot: slot(TEN), state };
    let control = Control { slots: vec![fact("on_time"), fact("perhaps")], ..Control::default() };
    let error = world.warehouse.publish(control).await.unwrap_err();
    assert_eq!(error.kind(), ForwardErrorKind::Refused, "{error}");
    assert_eq!(world.dump(), before);
}

async fn p2_a_provider_that_left_the_settings_is_loaded_and_not_expected(kind: Kind) {
    let world = World::new(kind).await;
    let control = Control { slots: vec![SlotFact { provider: provider("RCX"), slot: slot(TEN), state: "on_time" }], ..Control::default() };
    world.warehouse.publish(control).await.unwrap();
    world.load(small("RCX", TEN, 5), 1).await;
    assert_eq!(world.rows("SELECT provider_code, occupied FROM ingest_snapshot"), ["RCX|5"]);
    let total = "SELECT occupied, providers_expected FROM v_system_now WHERE scope = 'TOTAL'";
    assert_eq!(world.rows(total), ["NULL|3"]);
}

on_each_kind! {
    p2_loading_twice_changes_nothing,
    p2_a_number_that_another_snapshot_has_is_told_and_nothing_is_changed,
    the_lead_of_the_current_snapshot_is_told,
    p2_publishing_the_same_facts_twice_changes_nothing,
    p4_the_right_version_of_a_slot_is_current,
    p4_whatever_the_order_of_loading_the_same_versions_are_current_and_the_same_figures_shown,
    p4_a_late_file_fills_its_own_slot_and_leaves_now_alone,
    a_corrected_census_slot_corrects_the_census,
    an_unknown_ward_is_loaded_as_unknown_and_waits_for_registration,
    a_line_takes_the_ward_as_it_was_on_the_local_day_of_its_snapshot,
    a_load_that_contradicts_itself_is_refused_whole,
    waits_are_counted_from_the_decision_to_the_snapshot,
    a_word_that_a_table_does_not_take_is_refused_and_nothing_of_it_is_kept,
    p2_a_provider_that_left_the_settings_is_loaded_and_not_expected,
}
