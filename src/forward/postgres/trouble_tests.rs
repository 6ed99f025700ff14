//! What only a server can do, or have done to it: vanish, hang, refuse, and lose its answer on the way.

use super::super::tests::fixture::*;
use super::server::{OWNER, Server, Session, server};
use super::{Migrate, PostgresSettings, PostgresTls};
use crate::forward::{ForwardErrorKind, Load, LoadOutcome, Settings, Warehouse};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const NEXT: &str = "2018-12-03T10:15Z";

fn next() -> Load {
    load_of(small("RM1", NEXT, 6), 1)
}

async fn open(settings: &PostgresSettings) -> Result<Warehouse, crate::forward::ForwardError> {
    Warehouse::open(&Settings::Postgres(settings.clone()), Path::new("/")).await
}

fn settings(world: &World) -> PostgresSettings {
    match &world.settings {
        Settings::Postgres(settings) => settings.clone(),
        Settings::Sqlite { .. } | Settings::Lake { .. } => panic!("a world on the server"),
    }
}

/// Ends all connections to a database.
fn cut(server: &Server, database: &str) {
    server.psql("postgres", &format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"));
}

/// A way to the server on which, once armed, a COMMIT is the last thing that passes, or the first that does not.
struct Way {
    port: u16,
    armed: Arc<AtomicBool>,
}

impl Way {
    fn new(server: &Server, commit_arrives: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, to) = (listener.local_addr().unwrap().port(), server.port);
        let armed = Arc::new(AtomicBool::new(false));
        let arm = Arc::clone(&armed);
        // Ends with the test program.
        std::thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                let server = TcpStream::connect(("127.0.0.1", to)).unwrap();
                let (answers, asked) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                let silent = Arc::new(AtomicBool::new(false));
                let (quiet, arm) = (Arc::clone(&silent), Arc::clone(&arm));
                std::thread::spawn(move || pass(answers, asked, |_| if quiet.load(Ordering::SeqCst) { Pass::Cut } else { Pass::On }));
                std::thread::spawn(move || {
                    pass(client, server, |bytes| {
                        let commits = bytes.windows(6).any(|word| word == b"COMMIT");
                        if !(commits && arm.swap(false, Ordering::SeqCst)) {
                            return Pass::On;
                        }
                        silent.store(true, Ordering::SeqCst);
                        if commit_arrives { Pass::On } else { Pass::Cut }
                    });
                });
            }
        });
        Self { port, armed }
    }
}

enum Pass {
    On,
    Cut,
}

fn pass(mut from: TcpStream, mut to: TcpStream, look: impl Fn(&[u8]) -> Pass) {
    let mut bytes = [0; 16384];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        match look(&bytes[..count]) {
            Pass::On if to.write_all(&bytes[..count]).is_ok() => {}
            Pass::On | Pass::Cut => break,
        }
    }
    for side in [from, to] {
        drop(side.shutdown(Shutdown::Both));
    }
}

#[tokio::test]
async fn p2_a_commit_whose_answer_is_lost_is_recognised_and_one_that_never_came_leaves_nothing() {
    let Some(server) = server() else { return };
    for commit_arrives in [true, false] {
        let world = World::new(Kind::Postgres).await;
        let way = Way::new(server, commit_arrives);
        let mut settings = settings(&world);
        settings.address.port = way.port;
        let warehouse = open(&settings).await.unwrap();
        let before = world.dump();
        way.armed.store(true, Ordering::SeqCst);
        let lost = warehouse.load(next()).await.unwrap_err();
        assert_eq!(lost.kind(), ForwardErrorKind::Unavailable, "{lost}");
        // The server may still be at it.
        let there = loop {
            if world.rows("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle'") == ["1"] {
                break world.rows("SELECT count(*) FROM ingest_snapshot") == ["1"];
            }
        };
        assert_eq!(there, commit_arrives);
        if !commit_arrives {
            let without = |rows: Vec<String>| rows.into_iter().filter(|row| !row.starts_with("clock_override")).collect::<Vec<_>>();
            assert_eq!(without(world.dump()), without(before));
        }
        assert_eq!(warehouse.is_loaded(next().reference, false).await.unwrap(), commit_arrives);
        let again = warehouse.load(next()).await.unwrap();
        assert_eq!(again == LoadOutcome::AlreadyLoaded, commit_arrives);
        assert_eq!(world.rows("SELECT count(*), count(DISTINCT snapshot_key) FROM fact_bed_line"), ["2|1"]);
    }
}

#[tokio::test]
async fn a_server_in_trouble_is_told_in_plain_words_and_taken_again_without_a_restart() {
    let Some(server) = server() else { return };
    let rows = [
        ("ALTER TABLE ingest_snapshot RENAME TO away", "ALTER TABLE away RENAME TO ingest_snapshot", "the tables or views are not there"),
        ("ALTER DATABASE {} SET default_transaction_read_only = on", "ALTER DATABASE {} RESET default_transaction_read_only", "standby"),
        ("ALTER ROLE {}_user PASSWORD 'another'", "ALTER ROLE {}_user PASSWORD '{}_user'", "does not accept the user or the password"),
        ("ALTER ROLE {}_user NOLOGIN", "ALTER ROLE {}_user LOGIN", "does not let this user in"),
        ("ALTER ROLE {}_user CONNECTION LIMIT 0", "ALTER ROLE {}_user CONNECTION LIMIT -1", "no connection left"),
        ("REVOKE INSERT ON ingest_snapshot FROM {}_user", "GRANT INSERT ON ingest_snapshot TO {}_user", "may not do this"),
        ("ALTER DATABASE {} RENAME TO {}_away", "ALTER DATABASE {}_away RENAME TO {}", "no such database"),
    ];
    for (trouble, mended, words) in rows {
        let folder = tempfile::tempdir().unwrap();
        let database = server.database(None);
        let user = format!("{database}_user");
        server.psql("postgres", &format!("CREATE ROLE {user} LOGIN PASSWORD '{user}'; ALTER DATABASE {database} OWNER TO {user}"));
        let warehouse = open(&settings_of(server, &database, &user, folder.path())).await.unwrap();
        warehouse.set_reference(reference()).await.unwrap();
        let run = |sql: &str, in_it: bool| {
            let place = if sql.contains("DATABASE") { "postgres" } else { database.as_str() };
            server.psql(place, &sql.replace("{}", &database));
            if in_it {
                cut(server, &database);
            }
        };
        cut(server, &database);
        // What ends a connection is the first sign of it; then comes what the server says to a new one.
        run(trouble, true);
        let mut said = String::new();
        for _ in 0..2 {
            let error = warehouse.load(next()).await.unwrap_err();
            assert_eq!(error.kind(), ForwardErrorKind::Unavailable, "{trouble}: {error}");
            said = crate::feed::error_chain(&error);
        }
        assert!(said.contains(words), "{trouble}: {said}");
        run(mended, false);
        let outcome = warehouse.load(next()).await;
        assert!(matches!(outcome, Ok(LoadOutcome::Loaded { .. })), "{mended}: {outcome:?}");
        assert_eq!(warehouse.reader().system_now().await.unwrap().providers.len(), 3, "{mended}");
    }
}

#[tokio::test]
async fn a_lock_is_not_waited_for_without_end() {
    let Some(server) = server() else { return };
    let world = World::new(Kind::Postgres).await;
    let database = settings(&world).address.database;
    let lock = Session::begin(server, &database, "LOCK TABLE ingest_snapshot IN ACCESS EXCLUSIVE MODE");
    let error = world.warehouse.load(next()).await.unwrap_err();
    assert_eq!(error.kind(), ForwardErrorKind::Unavailable);
    assert!(crate::feed::error_chain(&error).contains("somebody else holds a lock"), "{error}");
    drop(lock);
    assert!(matches!(world.warehouse.load(next()).await, Ok(LoadOutcome::Loaded { .. })));
}

#[tokio::test]
async fn tables_are_made_once_however_many_start_at_once() {
    if server().is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let settings = on_server(folder.path());
    let starters: Vec<_> = (0..4).map(|_| settings.clone()).map(|settings| tokio::spawn(async move { open(&settings).await })).collect();
    let mut loaded = 0;
    for starter in starters {
        let warehouse = starter.await.unwrap().unwrap();
        warehouse.set_reference(reference()).await.unwrap();
        // Two daemons with one snapshot: one of them loads it.
        loaded += usize::from(warehouse.load(next()).await.unwrap() != LoadOutcome::AlreadyLoaded);
    }
    assert_eq!(loaded, 1);
}

#[tokio::test]
async fn a_database_that_is_not_ours_or_newer_or_not_ready_is_told() {
    let Some(server) = server() else { return };
    let rows = [
        ("UPDATE schema_version SET version = 99", Migrate::AtStart, Err((ForwardErrorKind::SchemaNewer, "newer bedfeed"))),
        ("DROP TABLE schema_version", Migrate::AtStart, Err((ForwardErrorKind::Unusable, "not a bedfeed warehouse"))),
        ("SELECT 1", Migrate::ByHand, Ok(())),
        ("UPDATE schema_version SET version = 99", Migrate::ByHand, Err((ForwardErrorKind::SchemaNewer, "newer bedfeed"))),
        ("UPDATE schema_version SET version = 2", Migrate::ByHand, Err((ForwardErrorKind::Unavailable, "`bedfeed warehouse migrate`"))),
        ("COMMENT ON VIEW v_clock IS 'others'", Migrate::ByHand, Err((ForwardErrorKind::Unavailable, "`bedfeed warehouse migrate`"))),
        ("COMMENT ON VIEW v_clock IS 'others'", Migrate::AtStart, Ok(())),
    ];
    for (change, migrate, expected) in rows {
        let world = World::new(Kind::Postgres).await;
        world.warehouse.close().await;
        let settings = PostgresSettings { migrate, ..settings(&world) };
        server.psql(&settings.address.database, change);
        // One that is not available yet is opened all the same, and says so when it is asked for something.
        let opened = match open(&settings).await {
            Ok(warehouse) => warehouse.load(next()).await.map(drop),
            Err(error) => Err(error),
        };
        match (opened, expected) {
            (Ok(()), Ok(())) => {}
            (Err(error), Err((kind, words))) => {
                assert_eq!(error.kind(), kind, "{change}: {error}");
                assert!(crate::feed::error_chain(&error).contains(words), "{change}: {error}");
            }
            (opened, expected) => panic!("{change}: {opened:?}, {expected:?}"),
        }
    }
}

#[tokio::test]
async fn views_that_nothing_has_changed_in_are_left_alone() {
    if server().is_none() {
        return;
    }
    let world = World::new(Kind::Postgres).await;
    // Somebody's own view rests on one of them.
    world.run("CREATE VIEW my_own AS SELECT open FROM v_system_now");
    let opened = world.open_again().await.unwrap();
    assert!(matches!(opened.load(next()).await, Ok(LoadOutcome::Loaded { .. })));
    assert_eq!(world.rows("SELECT count(*) FROM my_own"), ["4"]);
}

#[tokio::test]
async fn a_connection_is_encrypted_and_the_servers_certificate_checked() {
    let Some(server) = server() else { return };
    let world = World::new(Kind::Postgres).await;
    let ours = server.folder.join("ca.crt");
    let other = world.folder.path().join("other.crt");
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=other", "-keyout"])
        .arg(world.folder.path().join("other.key"))
        .arg("-out")
        .arg(&other)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let nothing = world.folder.path().join("nothing.crt");
    let rows = [
        (Some(ours), None),
        (Some(other), Some("certificate")),
        (None, Some("certificate")),
        (Some(nothing), Some("reading the authorities")),
    ];
    for (ca_file, refused) in rows {
        let settings = PostgresSettings { tls: PostgresTls::Require { ca_file: ca_file.clone() }, ..settings(&world) };
        let warehouse = open(&settings).await.unwrap();
        let done = warehouse.load(next()).await;
        match refused {
            None => {
                assert!(matches!(done, Ok(LoadOutcome::Loaded { .. })), "{done:?}");
                let encrypted =
                    "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE ssl AND application_name = 'bedfeed'
                    AND datname = current_database()";
                assert_eq!(world.rows(encrypted), ["1"]);
            }
            Some(words) => {
                let error = crate::feed::error_chain(&done.unwrap_err());
                assert!(error.contains(words), "{ca_file:?}: {error}");
            }
        }
    }
}

#[tokio::test]
async fn a_password_that_everybody_can_read_is_not_used() {
    if server().is_none() {
        return;
    }
    let world = World::new(Kind::Postgres).await;
    let path = world.folder.path().join(format!("{OWNER}.password"));
    for (mode, words) in [(0o604, "everybody on this machine can get at it"), (0o600, "")] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let opened = world.open_again().await.unwrap();
        match opened.load(next()).await {
            Ok(_) => assert!(words.is_empty()),
            Err(error) => assert!(!words.is_empty() && crate::feed::error_chain(&error).contains(words), "{error}"),
        }
    }
}

#[tokio::test]
async fn facts_lie_in_the_partition_of_their_slots_day_which_goes_when_it_is_empty() {
    if server().is_none() {
        return;
    }
    let world = World::new(Kind::Postgres).await;
    for slot in ["2018-12-02T23:45Z", "2018-12-03T00:00Z", NEXT] {
        world.load(small("RM1", slot, 5), 1).await;
    }
    let partitions = || world.rows("SELECT tableoid::regclass::text, count(*) FROM fact_bed_line GROUP BY 1 ORDER BY 1");
    assert_eq!(partitions(), ["fact_bed_line_20181202|2", "fact_bed_line_20181203|4"]);
    let first = lead(&small("RM1", "2018-12-02T23:45Z", 5), 1);
    assert_eq!(world.warehouse.dispose_lines(vec![first]).await.unwrap(), 3);
    let all = "SELECT relname FROM pg_class WHERE relname ~ '^fact_.*_2018' AND relkind = 'r' ORDER BY 1";
    assert_eq!(world.rows(all), ["fact_bed_line_20181203", "fact_demand_line_20181203"]);
    // A late file of that day still finds a place.
    world.load(small("RM1", "2018-12-02T23:30Z", 5), 1).await;
    assert_eq!(partitions(), ["fact_bed_line_20181202|2", "fact_bed_line_20181203|4"]);
}
