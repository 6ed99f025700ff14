//! The roles that the migration makes, by logging in as each.

use super::super::tests::fixture::*;
use super::server::server;
use super::{Migrate, PostgresSettings};
use crate::forward::{Control, LoadOutcome, Settings, SlotFact, Warehouse};
use std::path::Path;

/// Makes somebody who logs in with a role's rights; gives the name.
fn somebody(world: &World, role: &str) -> String {
    let (server, database) = world.database().unwrap();
    let user = format!("{database}_{role}");
    server.psql("postgres", &format!("CREATE ROLE {user} LOGIN PASSWORD '{user}' IN ROLE bedfeed_{role}"));
    user
}

/// What a role may do, and may not.
fn check(world: &World, user: &str, rows: &[(&str, bool)]) {
    let (server, database) = world.database().unwrap();
    for (sql, may) in rows {
        match server.psql_as(user, database, sql) {
            Ok(_) => assert!(may, "{user} may not: {sql}"),
            Err(error) => assert!(!may && error.contains("permission denied"), "{user}: {sql}: {error}"),
        }
    }
}

#[tokio::test]
async fn the_loader_loads_and_lets_go_and_changes_nothing_else() {
    let Some(server) = server() else { return };
    let world = World::new(Kind::Postgres).await;
    let user = somebody(&world, "loader");
    let (_, database) = world.database().unwrap();
    let settings = PostgresSettings { migrate: Migrate::ByHand, ..settings_of(server, database, &user, world.folder.path()) };
    let warehouse = Warehouse::open(&Settings::Postgres(settings), Path::new("/")).await.unwrap();
    warehouse.set_reference(reference()).await.unwrap();
    for version in [1, 2] {
        let unknown = snapshot("RM1", TEN, vec![occupied("NEW", "1", "A80", version), empty("MEN", "RDY", 1)]);
        assert!(matches!(warehouse.load(load_of(unknown, version)).await, Ok(LoadOutcome::Loaded { current: true, .. })));
    }
    let mut no_demand = small("RGP", "2018-12-03T08:00Z", 4);
    no_demand.lines.truncate(2);
    no_demand.totals = crate::bedstate::totals(&no_demand.lines);
    no_demand.coverage.demand = false;
    let id = lead(&no_demand, 1);
    warehouse.load(load_of(no_demand, 1)).await.unwrap();
    let slots = vec![SlotFact { provider: provider("RCX"), slot: slot(TEN), state: "on_time" }];
    warehouse.publish(Control { slots, ..Control::default() }).await.unwrap();
    warehouse.override_clock(Some(at("2018-12-03T10:10:00Z"))).await.unwrap();
    assert_eq!(warehouse.reader().system_now().await.unwrap().system.figures.occupied, Some(6));
    assert_eq!(warehouse.dispose_lines(vec![id]).await.unwrap(), 2);
    assert!(warehouse.dispose_sums(vec![id]).await.unwrap() > 0);
    warehouse.close().await;
    let rows = [
        ("UPDATE fact_bed_line SET quantity = 1", false),
        ("UPDATE agg_ward_slot SET occupied = 1", false),
        ("UPDATE ingest_snapshot SET occupied = 1", false),
        ("DELETE FROM ingest_snapshot", false),
        ("DELETE FROM ingest_file", false),
        ("TRUNCATE fact_bed_line", false),
        ("UPDATE schema_version SET version = 99", false),
        ("CREATE TABLE mine (a INTEGER)", false),
        ("SELECT count(*) FROM fact_bed_line", true),
    ];
    check(&world, &user, &rows);
}

#[tokio::test]
async fn analysts_see_figures_and_support_sees_feeds_and_neither_sees_a_table_of_facts() {
    if server().is_none() {
        return;
    }
    let world = World::new(Kind::Postgres).await;
    world.load(small("RM1", TEN, 5), 1).await;
    let figures = ["v_system_now", "v_system_trend", "v_net_position", "v_provider_ward_now", "v_filter_cube", "v_daily_census"];
    let feeds = ["v_feed_health", "v_feed_grid", "v_quality_28d", "ingest_file", "ingest_issue"];
    let never =
        ["fact_bed_line", "fact_bed_line_20181203", "fact_demand_line", "agg_ward_slot", "agg_org_slot", "dim_ward", "clock_override"];
    for (role, sees, not) in [("analyst", &figures[..], &feeds[..]), ("support", &feeds[..], &figures[..])] {
        let user = somebody(&world, role);
        let looks = |views: &[&str]| views.iter().map(|view| format!("SELECT count(*) FROM {view}")).collect::<Vec<_>>();
        let (may, may_not) = (looks(sees), [looks(not), looks(&never)].concat());
        check(&world, &user, &may.iter().map(|sql| (sql.as_str(), true)).collect::<Vec<_>>());
        check(&world, &user, &may_not.iter().map(|sql| (sql.as_str(), false)).collect::<Vec<_>>());
        let [examples, others] = example_queries().map(|queries| queries.into_iter().map(|sql| (sql, role == "analyst")));
        check(&world, &user, &examples.chain(others.map(|(sql, may)| (sql, !may))).collect::<Vec<_>>());
        let acts = ["INSERT INTO clock_override VALUES (1, now())", "SELECT bedfeed_drop_day('2018-12-03')", "DROP VIEW v_clock"];
        for act in acts {
            let (server, database) = world.database().unwrap();
            let error = server.psql_as(&user, database, act).unwrap_err();
            assert!(error.contains("permission denied") || error.contains("must be owner"), "{user}: {act}: {error}");
        }
    }
}
