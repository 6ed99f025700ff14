//! What a provider's own people see, by logging in as they do, and what they do not see however they ask.

use super::super::tests::fixture::*;
use super::server::{OWNER, Server, server};
use crate::bedstate::Line;
use crate::forward::{Control, LoadOutcome, Settings, SlotFact, Warehouse};
use std::path::Path;

/// The views that they have; those with rows of more than one provider also tell whose each is.
const WITH_PROVIDERS: [&str; 10] = [
    "v_current_snapshot",
    "v_system_now",
    "v_system_group_now",
    "v_system_trend",
    "v_provider_org_now",
    "v_provider_ward_now",
    "v_filter_cube",
    "v_ward_trend",
    "v_carehome_now",
    "v_daily_census",
];
const OF_THE_SYSTEM: [&str; 2] = ["v_clock", "v_net_position"];

/// What nobody but RGP and those who see everything may read: a ward that only RGP has.
const SECRET: &str = "HUSH";

/// Three providers' figures, of a morning's census and of now.
async fn world() -> World {
    let world = World::new(Kind::Postgres).await;
    for slot in ["2018-12-03T08:00Z", TEN] {
        for (code, ward, beds) in [("RM1", "MEN", 5), ("RGP", SECRET, 7), ("NCC", "CHRES", 9)] {
            let lines: Vec<Line> = vec![occupied(ward, "1", "A80", beds), empty(ward, "RDY", 2), demand("MED", false, None)];
            assert!(matches!(world.load(snapshot(code, slot, lines), 1).await, LoadOutcome::Loaded { current: true, .. }));
        }
    }
    world
}

fn place(world: &World) -> (&'static Server, &str) {
    world.database().unwrap()
}

/// A login of a provider's own people, as docs/warehouse.md has it made, but for what it is tied to.
fn login(world: &World, name: &str) -> String {
    let (server, database) = place(world);
    let user = format!("{database}_{name}");
    let sql = "CREATE ROLE {user} LOGIN PASSWORD '{user}' IN ROLE bedfeed_provider;
        ALTER ROLE {user} IN DATABASE {database} SET search_path = bedfeed_provider";
    server.psql(database, &sql.replace("{user}", &user).replace("{database}", database));
    user
}

fn tie(world: &World, role: &str, provider: &str) {
    world.run(&format!("INSERT INTO access_provider (role_name, provider_code) VALUES ('{role}', '{provider}')"));
}

/// All rows of all views, those of each that fulfil a condition.
fn everything(condition: impl Fn(&str) -> String) -> String {
    let rows = |view| format!("SELECT '{view}|' || t::text FROM {view} AS t WHERE {}", condition(view));
    let all: Vec<String> = WITH_PROVIDERS.into_iter().chain(OF_THE_SYSTEM).map(rows).collect();
    format!("SELECT * FROM ({}) AS a ORDER BY 1", all.join(" UNION ALL "))
}

/// A login for each row of what it may be tied to, and the providers that it then sees.
fn logins(world: &World) -> Vec<(String, Vec<&'static str>)> {
    let (server, database) = place(world);
    let rows: [(&str, &[&str]); 3] = [("rm1", &["RM1"]), ("two", &["NCC", "RM1"]), ("none", &[])];
    let mut logins = Vec::new();
    for (name, providers) in rows {
        let user = login(world, name);
        for provider in providers {
            tie(world, &user, provider);
        }
        logins.push((user, providers.to_vec()));
    }
    // Tied by a role that it is a member of.
    let (member, team) = (login(world, "member"), format!("{database}_team"));
    server.psql(database, &format!("CREATE ROLE {team}; GRANT {team} TO {member}"));
    tie(world, &team, "RGP");
    logins.push((member, vec!["RGP"]));
    logins
}

#[tokio::test]
async fn a_provider_sees_its_own_rows_and_the_systems_totals_and_nothing_else() {
    if server().is_none() {
        return;
    }
    let world = world().await;
    let (server, database) = place(&world);
    for (user, providers) in logins(&world) {
        assert_eq!(server.psql_as(&user, database, "SELECT provider_code FROM v_access ORDER BY 1").unwrap(), providers, "{user}");
        let own = providers.iter().map(|code| format!("'{code}'")).chain(["'-'".to_owned()]).collect::<Vec<_>>().join(", ");
        let expected = world.rows(&everything(|view| {
            let total = if ["v_system_now", "v_system_trend"].contains(&view) { "OR t.scope = 'TOTAL'" } else { "" };
            if WITH_PROVIDERS.contains(&view) { format!("t.provider_code IN ({own}) {total}") } else { "TRUE".to_owned() }
        }));
        let got = server.psql_as(&user, database, &everything(|_| "TRUE".to_owned())).unwrap();
        let different = got.iter().zip(&expected).find(|(got, expected)| got != expected);
        assert_eq!((got.len(), different), (expected.len(), None), "{user}");
        for provider in ["RM1", "RGP", "NCC"] {
            let wards = got.iter().any(|row| row.starts_with(&format!("v_provider_ward_now|({provider},")));
            assert_eq!(wards, providers.contains(&provider), "{user} and {provider}");
        }
        assert!(got.iter().any(|row| row.starts_with("v_system_now|(TOTAL,")), "{user}");
    }
    let user = login(&world, "queries");
    tie(&world, &user, "RM1");
    let [figures, _] = example_queries();
    let seen: Vec<String> = figures.iter().flat_map(|sql| server.psql_as(&user, database, sql).unwrap()).collect();
    assert!(
        seen.iter().any(|row| row.starts_with("RM1|")) && !seen.iter().any(|row| row.contains("RGP") || row.contains(SECRET)),
        "{seen:?}"
    );
    // Whatever else is there is not for them.
    let shown = "SELECT c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname IN ('public', 'bedfeed_provider') AND c.relkind IN ('r', 'p', 'v', 'S')
          AND has_schema_privilege('bedfeed_provider', n.oid, 'USAGE')
          AND CASE c.relkind WHEN 'S' THEN has_sequence_privilege('bedfeed_provider', c.oid, 'USAGE, SELECT, UPDATE')
              ELSE has_table_privilege('bedfeed_provider', c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER') END
        ORDER BY c.relname COLLATE \"C\"";
    let mut views: Vec<&str> = WITH_PROVIDERS.into_iter().chain(OF_THE_SYSTEM).chain(["v_access"]).collect();
    views.sort_unstable();
    assert_eq!(world.rows(shown), views);
}

#[tokio::test]
async fn no_way_of_asking_shows_a_provider_another_ones_wards() {
    if server().is_none() {
        return;
    }
    let world = world().await;
    let (server, database) = place(&world);
    let (user, other) = (login(&world, "rm1"), login(&world, "rgp"));
    tie(&world, &user, "RM1");
    tie(&world, &other, "RGP");
    // The tie of what everybody has is none; and a function with its owner's rights shows its owner's rows.
    tie(&world, "bedfeed_provider", "RGP");
    let trap = "CREATE FUNCTION public.trap() RETURNS TEXT LANGUAGE sql SECURITY DEFINER SET search_path = bedfeed_provider, pg_temp
        AS 'SELECT string_agg(DISTINCT provider_code, chr(32)) FROM v_provider_ward_now'";
    world.run(&format!("{trap}; ALTER FUNCTION public.trap() OWNER TO {user}"));
    world.run("CREATE VIEW open_view AS SELECT * FROM dim_ward WHERE provider_code || '' = 'RM1'; GRANT SELECT ON open_view TO PUBLIC");
    let leak = "CREATE FUNCTION pg_temp.leak(ward TEXT) RETURNS BOOLEAN LANGUAGE plpgsql IMMUTABLE COST 0.0000001 AS
        $$ BEGIN IF ward = 'HUSH' THEN RAISE EXCEPTION 'leaked'; END IF; RETURN TRUE; END $$;";
    let denied = ["permission denied", "must be owner", "must be member", "must have admin option"];

    let rows = [
        // Past the views.
        ("SELECT * FROM public.v_provider_ward_now", None),
        ("SELECT * FROM public.v_system_now", None),
        ("SELECT * FROM public.v_public_suppressed", None),
        ("SELECT * FROM public.v_feed_health", None),
        ("SELECT * FROM public.dim_ward", None),
        ("SELECT * FROM public.fact_bed_line", None),
        ("SELECT * FROM public.fact_bed_line_20181203", None),
        ("SELECT * FROM public.agg_ward_slot", None),
        ("SELECT * FROM public.agg_org_slot", None),
        ("SELECT * FROM public.ingest_file", None),
        ("SELECT * FROM public.ingest_issue", None),
        ("SELECT * FROM public.access_provider", None),
        ("COPY public.dim_ward TO STDOUT", None),
        ("SELECT most_common_vals FROM pg_stats WHERE tablename = 'dim_ward'", Some("")),
        // Through them.
        ("SELECT ward_code FROM v_provider_ward_now WHERE provider_code = 'RGP'", Some("")),
        ("SELECT DISTINCT provider_code FROM v_provider_ward_now WHERE provider_code = 'RGP' OR TRUE", Some("RM1")),
        ("SELECT count(*) FROM v_provider_ward_now WHERE 1 / CASE ward_code WHEN 'HUSH' THEN 0 ELSE 1 END = 1", Some("1")),
        ("{leak} SELECT count(*) FROM v_provider_ward_now WHERE pg_temp.leak(ward_code)", Some("1")),
        ("{leak} SELECT count(*) FROM v_ward_trend WHERE pg_temp.leak(ward_code)", Some("2")),
        ("SET row_security = off; SELECT DISTINCT provider_code FROM v_ward_trend", Some("RM1")),
        // As somebody else.
        ("SET ROLE bedfeed_provider; SELECT DISTINCT scope FROM v_system_now", Some("TOTAL")),
        ("SET ROLE bedfeed_analyst", None),
        ("SET ROLE {other}", None),
        ("SET SESSION AUTHORIZATION {other}", None),
        // By giving oneself more.
        ("INSERT INTO public.access_provider VALUES ('{user}', 'RGP')", None),
        ("CREATE OR REPLACE VIEW v_access AS SELECT 'RGP' AS provider_code", None),
        ("CREATE TABLE public.mine (a INTEGER)", None),
        ("ALTER TABLE public.access_provider OWNER TO {user}", None),
        ("GRANT bedfeed_provider TO {other}", None),
        ("SELECT public.bedfeed_drop_day('2018-12-03')", None),
    ];
    for (sql, expected) in rows {
        let sql = sql.replace("{user}", &user).replace("{other}", &other).replace("{leak}", leak);
        match (server.psql_as(&user, database, &sql), expected) {
            (Ok(rows), Some(expected)) => assert_eq!(rows.join(" "), expected, "{sql}"),
            (Err(error), None) => assert!(denied.iter().any(|words| error.contains(words)), "{sql}: {error}"),
            (done, expected) => panic!("{sql}: {done:?}, {expected:?}"),
        }
    }
    // The same function on a view without a barrier: so it would be seen.
    let error = server.psql_as(&user, database, &format!("{leak} SELECT count(*) FROM public.open_view WHERE pg_temp.leak(ward_code)"));
    assert!(error.unwrap_err().contains("leaked"));
    // How many rows were passed over a plan tells; not one of their values.
    let plan = "EXPLAIN (ANALYZE, VERBOSE) SELECT * FROM v_provider_ward_now WHERE provider_code = 'RGP'";
    let plan = server.psql_as(&user, database, plan).unwrap().join("\n");
    assert!(plan.contains("agg_ward_slot") && !plan.contains(SECRET), "{plan}");
    assert_eq!(server.psql_as(&other, database, "SELECT public.trap()").unwrap(), ["RM1"]);
}

#[tokio::test]
async fn a_tie_is_to_a_login_and_a_provider_that_are_there() {
    if server().is_none() {
        return;
    }
    let world = world().await;
    let (server, database) = place(&world);
    let user = login(&world, "again");
    for (role, provider, words) in [("nobody_at_all", "RM1", "does not exist"), (user.as_str(), "RM2", "violates foreign key")] {
        let insert = format!("INSERT INTO access_provider (role_name, provider_code) VALUES ('{role}', '{provider}')");
        assert!(server.psql_as(OWNER, database, &insert).unwrap_err().contains(words));
    }
    tie(&world, &user, "RM1");
    let sees = || server.psql_as(&user, database, "SELECT provider_code FROM v_access").unwrap();
    assert_eq!(sees(), ["RM1"]);
    // Whoever gets a name that was somebody's does not get what they saw; and what is left of those hinders nobody.
    server.psql(database, &format!("DROP OWNED BY {user}; DROP ROLE {user}"));
    assert_eq!(login(&world, "again"), user);
    assert_eq!(sees(), [""; 0]);
    assert_eq!(server.psql_as(&user, database, "SELECT scope FROM v_system_now").unwrap(), ["TOTAL"]);
}

#[tokio::test]
async fn tables_of_the_version_before_get_it_all_and_keep_their_ties_from_then_on() {
    if server().is_none() {
        return;
    }
    let world = world().await;
    let before = "DROP SCHEMA bedfeed_provider CASCADE; DROP TABLE access_provider; UPDATE schema_version SET version = 3;
        {KEYS}";
    let tables = ["agg_ward_slot", "fact_bed_line", "fact_demand_line"];
    let key = |table: &str| {
        format!(
            "ALTER TABLE {table} ADD FOREIGN KEY (snapshot_key) REFERENCES ingest_snapshot, ADD FOREIGN KEY (ward_key) REFERENCES dim_ward"
        )
    };
    world.run(&before.replace("{KEYS}", &tables.map(key).join("; ")));
    let opened = world.open_again().await.unwrap();
    let slots = vec![SlotFact { provider: provider("RM1"), slot: slot(TEN), state: "late" }];
    opened.publish(Control { slots, ..Control::default() }).await.unwrap();
    assert_eq!(world.rows("SELECT version FROM schema_version"), ["6"]);
    let keys = "SELECT conrelid::regclass::text FROM pg_constraint WHERE contype = 'f' AND conrelid::regclass::text LIKE ANY ('{fact_%,agg_ward_%}')";
    assert_eq!(world.rows(keys), [""; 0], "looked up once, not for each line");
    let user = login(&world, "rm1");
    tie(&world, &user, "RM1");
    opened.close().await;
    // An upgrade that changes the views makes them all anew.
    world.run("COMMENT ON VIEW v_clock IS 'others'");
    world.open_again().await.unwrap().close().await;
    let (server, database) = place(&world);
    assert_eq!(server.psql_as(&user, database, "SELECT DISTINCT provider_code FROM v_provider_org_now").unwrap(), ["RM1"]);
}

#[tokio::test]
async fn an_owner_of_one_schema_alone_has_no_such_views_until_somebody_makes_their_schema() {
    let Some(server) = server() else { return };
    let folder = tempfile::tempdir().unwrap();
    let database = server.database(None);
    let owner = format!("{database}_owner");
    let made = "CREATE ROLE {} LOGIN PASSWORD '{}'; CREATE SCHEMA \"the beds\" AUTHORIZATION {};
        ALTER ROLE {} IN DATABASE {database} SET search_path = \"the beds\"";
    server.psql(&database, &made.replace("{}", &owner).replace("{database}", &database));
    let settings = Settings::Postgres(settings_of(server, &database, &owner, folder.path()));
    let there = || server.psql(&database, "SELECT count(*) FROM pg_views WHERE schemaname = 'the beds_provider'");
    for (before, views) in [("SELECT 1", "0"), ("CREATE SCHEMA \"the beds_provider\" AUTHORIZATION {}", "13")] {
        server.psql(&database, &before.replace("{}", &owner));
        let warehouse = Warehouse::open(&settings, Path::new("/")).await.unwrap();
        warehouse.set_reference(reference()).await.unwrap();
        warehouse.close().await;
        assert_eq!(there(), [views], "{before}");
    }
}
