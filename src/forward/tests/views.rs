//! The views: arithmetic, ages, gaps, and never a zero for what is not known.

use super::fixture::*;
use super::on_each_kind;
use crate::bedstate::{BedSex, Coverage, Line, Snapshot};
use crate::forward::{Control, SlotFact};

/// Six beds on three wards, and three people who wait.
fn six_beds(code: &str, slot: &str) -> Snapshot {
    let for_women = Line { bed_sex: Some(BedSex::Female), ..empty("ADULT", "LVE", 1) };
    let lines = vec![
        occupied("MEN", "1", "A80", 1),
        empty("MEN", "RDY", 1),
        occupied("KIDS", "2", "A05", 1),
        empty("KIDS", "CLN", 1),
        empty("ADULT", "RDY", 1),
        for_women,
        demand("MED", false, None),
        demand("PAED", true, None),
        demand("NONE", false, None),
    ];
    snapshot(code, slot, lines)
}

async fn the_filter_cube_counts_people_by_themselves_and_empty_beds_by_whom_they_suit(kind: Kind) {
    let world = World::new(kind).await;
    world.load(six_beds("RM1", TEN), 1).await;
    // gender, age band; occupied, suitable empty, of those available now, demand not in bed.
    let rows = [
        ("ALL", "ALL", "2|4|2|2"),
        ("1", "ALL", "1|3|2|0"),
        ("2", "ALL", "1|3|1|2"),
        ("9", "ALL", "0|2|1|0"),
        ("X", "ALL", "0|2|1|0"),
        ("ALL", "A80", "1|3|2|0"),
        ("ALL", "A05", "1|2|1|0"),
        ("ALL", "A15", "0|4|2|0"),
        ("ALL", "A65", "0|3|2|2"),
        ("ALL", "AXX", "0|1|1|0"),
        ("1", "A80", "1|2|2|0"),
        ("2", "A05", "1|1|0|0"),
    ];
    for (gender, band, expected) in rows {
        let query = format!(
            "SELECT sum(occupied), sum(suitable_empty), sum(suitable_available_now), sum(demand_not_in_bed), sum(occupied_unfiltered),
               sum(empty_unfiltered), sum(available_now_unfiltered)
             FROM v_filter_cube WHERE gender = '{gender}' AND age_band = '{band}'"
        );
        assert_eq!(world.rows(&query), [format!("{expected}|2|4|2")], "{gender} {band}");
    }
    let demand = "SELECT ward_type, bed_group, demand_not_in_bed, demand_in_bed FROM v_filter_cube
        WHERE gender = 'ALL' AND age_band = 'ALL' AND demand_not_in_bed + demand_in_bed > 0 ORDER BY bed_group";
    // A ward type decides the group where all its wards are in one.
    assert_eq!(world.rows(demand), ["UNKNOWN|MED|1|0", "UNKNOWN|UNKNOWN|1|0", "PAED|WCH|0|1"]);
}

async fn p10_a_missing_provider_is_never_counted_as_zero(kind: Kind) {
    let world = World::new(kind).await;
    let total =
        "SELECT open, occupied, available_now, demand_not_in_bed, providers_current, providers_counted, providers_expected, partial,
        demand_providers_current FROM v_system_now WHERE scope = 'TOTAL'";
    assert_eq!(world.rows(total), ["NULL|NULL|NULL|NULL|0|0|3|1|0"]);
    world.load(six_beds("RM1", TEN), 1).await;
    assert_eq!(world.rows(total), ["6|2|2|2|1|1|3|1|1"]);
    let mut no_demand = snapshot("NCC", TEN, vec![occupied("CHRES", "X", "AXX", 9)]);
    no_demand.coverage = Coverage { beds: true, demand: false };
    world.load(no_demand, 1).await;
    assert_eq!(world.rows(total), ["15|11|2|2|2|2|3|1|1"]);
    let providers = "SELECT provider_code, state, open, occupied, demand_not_in_bed, partial, age_minutes FROM v_system_now
        WHERE scope = 'PROVIDER' ORDER BY provider_code";
    let expected = ["NCC|current|9|9|NULL|0|10", "RGP|never sent|NULL|NULL|NULL|1|NULL", "RM1|current|6|2|2|0|10"];
    assert_eq!(world.rows(providers), expected);
    world.load(six_beds("RGP", TEN), 1).await;
    assert_eq!(world.rows(total), ["21|13|4|4|3|3|3|0|2"]);
}

async fn p10_figures_age_are_labelled_and_then_leave_the_totals(kind: Kind) {
    let rows = [
        ("2018-12-03T10:30:00Z", "current|30|6|1|1|0"),
        ("2018-12-03T10:31:00Z", "stale|31|6|0|1|0"),
        ("2018-12-03T14:00:00Z", "stale|240|6|0|1|0"),
        ("2018-12-03T14:01:00Z", "no data|241|NULL|0|0|1"),
    ];
    let world = World::new(kind).await;
    let mut only = reference();
    only.providers.truncate(1);
    world.warehouse.set_reference(only).await.unwrap();
    world.load(six_beds("RM1", TEN), 1).await;
    for (now, expected) in rows {
        world.clock(now).await;
        let query = "SELECT p.state, p.age_minutes, t.open, t.providers_current, t.providers_counted, t.partial
            FROM v_system_now AS t, v_system_now AS p WHERE t.scope = 'TOTAL' AND p.scope = 'PROVIDER'";
        assert_eq!(world.rows(query), [expected], "{now}");
        let wards = world.warehouse.reader().provider_now(&provider("RM1")).await.unwrap();
        assert_eq!(wards.is_empty(), expected.starts_with("no data"), "{now}");
    }
}

async fn p10_a_slot_without_a_snapshot_is_a_gap_in_the_trend(kind: Kind) {
    let world = World::new(kind).await;
    world.load(six_beds("RM1", "2018-12-03T09:30Z"), 1).await;
    world.load(six_beds("RM1", TEN), 1).await;
    let trend = "SELECT slot_utc, open, providers_counted, providers_expected, partial FROM v_system_trend
        WHERE scope = 'TOTAL' ORDER BY slot_utc DESC LIMIT 3";
    assert_eq!(world.rows(trend), ["2018-12-03T10:00:00Z|6|1|3|1", "2018-12-03T09:45:00Z|NULL|0|3|1", "2018-12-03T09:30:00Z|6|1|3|1"]);
    // From the feeds' first slot, midnight of 1 December, to 10:00 on the 3rd.
    assert_eq!(world.rows("SELECT count(*) FROM v_system_trend WHERE scope = 'TOTAL'"), [(2 * 96 + 41).to_string()]);
    assert_eq!(world.rows("SELECT DISTINCT slot_utc FROM v_ward_trend").len(), 2);
}

async fn an_organisation_is_the_sum_of_its_wards_and_the_system_of_its_providers(kind: Kind) {
    let world = World::new(kind).await;
    let mut busy = six_beds("RM1", TEN);
    busy.lines.extend([occupied("ESC", "2", "A90", 4), empty("ESC", "RSV", 3), closed("MEN", "IPC", 2), closed("KIDS", "STF", 5)]);
    busy.totals = crate::bedstate::totals(&busy.lines);
    world.load(busy, 1).await;
    world.load(six_beds("RGP", TEN), 1).await;
    let measures = ["open", "occupied", "empty", "available_now", "leave", "closed", "closed_infection", "closed_staffing", "escalation"];
    let system = [19, 8, 11, 4, 2, 7, 2, 5, 7];
    for (measure, expected) in measures.into_iter().zip(system) {
        let sums = format!(
            "SELECT (SELECT sum({measure}) FROM v_provider_ward_now), (SELECT sum({measure}) FROM v_provider_org_now),
               (SELECT sum({measure}) FROM v_system_now WHERE scope = 'PROVIDER'), (SELECT {measure} FROM v_system_now WHERE scope = 'TOTAL'),
               (SELECT sum({measure}) FROM v_system_group_now)"
        );
        assert_eq!(world.rows(&sums), [vec![expected.to_string(); 5].join("|")], "{measure}");
    }
    let percent = "SELECT occupancy_percent, occupancy_percent_leave_as_occupied FROM v_system_now WHERE scope = 'TOTAL'";
    assert_eq!(world.rows(percent), ["42.1|52.6"]);
    let net = "SELECT bed_group, available_now, demand_not_in_bed, net FROM v_net_position ORDER BY bed_group";
    assert_eq!(world.rows(net), ["CRIT|2|0|2", "MED|2|2|0", "UNKNOWN|0|2|-2", "WCH|0|0|0"]);
    let label = "SELECT ward_label, demand_for_bed_group FROM v_provider_ward_now WHERE provider_code = 'RM1' AND ward_code = 'MEN'";
    assert_eq!(world.rows(label), ["Ward 1|1"]);
}

async fn care_homes_show_the_age_of_the_row_and_not_of_the_file(kind: Kind) {
    let world = World::new(kind).await;
    let mut lines = vec![occupied("CHRES", "X", "AXX", 9), empty("CHRES", "RSV", 1), empty("CHRES", "RDY", 2)];
    for line in &mut lines {
        line.source_updated_at = Some(at("2018-11-24T16:40:00Z").into());
    }
    world.load(snapshot("NCC", TEN, lines), 1).await;
    let query = "SELECT home_name, ward_type, capacity, occupied, reserved, accepting, closed, row_age_days FROM v_carehome_now";
    assert_eq!(world.rows(query), ["Example Lodge|CHRES|12|9|1|2|0|8"]);
}

async fn small_numbers_are_hidden_from_a_wider_audience(kind: Kind) {
    let rows = [(0, "0"), (1, "*"), (7, "*"), (8, "10"), (12, "10"), (13, "15")];
    for (beds, shown) in rows {
        let world = World::new(kind).await;
        let mut lines = vec![empty("MEN", "RDY", 100)];
        lines.extend((beds > 0).then(|| occupied("MEN", "1", "A80", beds)));
        world.load(snapshot("RM1", "2018-12-03T08:00Z", lines), 1).await;
        assert_eq!(world.rows("SELECT occupied, empty FROM v_public_suppressed"), [format!("{shown}|100")], "{beds}");
    }
}

async fn p5_feed_views_tell_late_missed_and_rejected_apart(kind: Kind) {
    let world = World::new(kind).await;
    world.load(six_beds("RM1", TEN), 1).await;
    let states = ["on_time", "late", "missed", "rejected", "planned"];
    let slots = states.iter().zip(0..).map(|(state, back)| SlotFact { provider: provider("RM1"), slot: slot(TEN).plus(-back), state });
    let mut rejected = file(lead(&six_beds("RM1", "2018-12-03T09:15Z"), 1), "RM1", at("2018-12-03T09:20:00Z"), "quarantined");
    let mut findings = crate::feed::Findings::default();
    findings.push(crate::feed::Finding::new(crate::feed::Rule::Str03, "column WARD_CODE is missing").in_column("WARD_CODE"));
    rejected.findings = Some(findings);
    world.warehouse.publish(Control { slots: slots.collect(), files: vec![rejected], ..Control::default() }).await.unwrap();

    let health = world.warehouse.reader().feed_health().await.unwrap();
    let rm1 = health.iter().find(|feed| feed.provider == provider("RM1")).unwrap();
    assert_eq!((rm1.on_time_24h, rm1.late_24h, rm1.missed_24h, rm1.rejected_24h, rm1.quarantined), (1, 1, 1, 1, 1));
    assert_eq!((rm1.on_time_percent_24h, rm1.last_file_state.as_deref()), (Some(25.0), Some("loaded")));
    assert_eq!(rm1.last_rejection.as_deref(), Some("column WARD_CODE is missing"));
    assert_eq!(health.iter().filter(|feed| feed.state == "never sent").count(), 2);

    assert_eq!(world.rows("SELECT count(*), count(DISTINCT slot_utc) FROM v_feed_grid"), [(3 * 96).to_string() + "|96"]);
    let grid = "SELECT state FROM v_feed_grid WHERE provider_code = 'RM1' ORDER BY slot_utc DESC LIMIT 6";
    assert_eq!(world.rows(grid), ["on_time", "late", "missed", "rejected", "planned", "expected"]);
    let quality = "SELECT slots_judged, on_time_percent, deliveries, accepted_percent, freshness_p95_minutes FROM v_quality_28d
        WHERE provider_code = 'RM1'";
    assert_eq!(world.rows(quality), ["4|25|2|50|4"]);
}

async fn the_typed_readers_say_what_the_views_say(kind: Kind) {
    let world = World::new(kind).await;
    world.load(six_beds("RM1", TEN), 1).await;
    let now = world.warehouse.reader().system_now().await.unwrap();
    assert_eq!((now.system.figures.open, now.system.partial, now.system.providers_expected), (Some(6), true, 3));
    let [ncc, _, rm1] = now.providers.as_slice() else { panic!("three providers") };
    assert_eq!((ncc.figures.open, ncc.state.as_str(), ncc.snapshot_at), (None, "never sent", None));
    assert_eq!((rm1.figures.occupied, rm1.slot, rm1.age_minutes), (Some(2), Some(slot(TEN)), Some(10)));
    assert_eq!(rm1.snapshot, Some(lead(&six_beds("RM1", TEN), 1)));
    let wards = world.warehouse.reader().provider_now(&provider("RM1")).await.unwrap();
    let open: Vec<(&str, i64)> = wards.iter().map(|ward| (ward.ward_code.as_str(), ward.open)).collect();
    assert_eq!(open, [("ADULT", 2), ("KIDS", 2), ("MEN", 2)]);
}

on_each_kind! {
    the_filter_cube_counts_people_by_themselves_and_empty_beds_by_whom_they_suit,
    p10_a_missing_provider_is_never_counted_as_zero,
    p10_figures_age_are_labelled_and_then_leave_the_totals,
    p10_a_slot_without_a_snapshot_is_a_gap_in_the_trend,
    an_organisation_is_the_sum_of_its_wards_and_the_system_of_its_providers,
    care_homes_show_the_age_of_the_row_and_not_of_the_file,
    small_numbers_are_hidden_from_a_wider_audience,
    p5_feed_views_tell_late_missed_and_rejected_apart,
    the_typed_readers_say_what_the_views_say,
}
