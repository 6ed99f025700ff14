//! A whole daemon with a PostgreSQL warehouse: real files by a real client, figures in the views, and a server that is stopped at once in
//! the middle, again and again.
//!
//! `BEDFEED_POSTGRES_LONG=1` makes that 2,000 deliveries and 50 stops; otherwise it is 48 and 4.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may fail loudly"
)]

mod common;
#[path = "common/postgres.rs"]
mod server;
#[path = "postgres/trouble.rs"]
mod trouble;

use common::extract::{BEDS, good, truth};
use common::{Service, id, now, run, wait_until};
use jiff::SignedDuration;
use server::{OWNER, Server, server};
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// Takes everything that was loaded out of a warehouse, as somebody with rights to can.
const FORGET: &str = "DELETE FROM fact_bed_line; DELETE FROM fact_demand_line; DELETE FROM agg_ward_slot; DELETE FROM agg_org_slot;
    DELETE FROM census_daily; DELETE FROM ingest_snapshot;";

/// One test at a time: they stop the server under each other.
static TURN: Mutex<()> = Mutex::new(());

/// A cottage hospital for each code, with a database of its own as its warehouse.
fn service(server: &Server, codes: &[&str]) -> (Service, String) {
    let service = Service::cottage(codes);
    let database = server.database(None);
    load_into(&service, server, OWNER, &database);
    (service, database)
}

/// Makes a database the warehouse of a service that is not started yet.
fn load_into(service: &Service, server: &Server, user: &str, database: &str) {
    let password = server.password_file(service.dir(), user);
    let ca = server.folder.join("ca.crt");
    service.append(
        "bedfeed.toml",
        &format!(
            "\n[warehouse]\nurl = \"{}\"\npassword_file = \"{}\"\nca_file = \"{}\"\n",
            server.url(user, database),
            password.display(),
            ca.display()
        ),
    );
}

/// Every loaded delivery is in the warehouse once with all its lines, and nothing else is; each slot has one current version.
fn loaded_once(server: &Server, database: &str, service: &Service) {
    let deliveries = service.deliveries();
    let expected: BTreeSet<String> = deliveries.iter().filter(|row| row["outcome"] == "loaded").map(|row| id(row).to_owned()).collect();
    let found = server.psql(database, "SELECT snapshot_id FROM ingest_snapshot");
    assert_eq!((found.len(), found.into_iter().collect()), (expected.len(), expected));
    let lines = server.psql(database, "SELECT DISTINCT count(*) FROM fact_bed_line GROUP BY snapshot_key");
    assert_eq!(lines, [BEDS.to_string()]);
    let wrong = "SELECT provider_code, slot_utc FROM ingest_snapshot GROUP BY 1, 2 HAVING sum(is_current) <> 1";
    assert_eq!(server.psql(database, wrong), [""; 0]);
}

#[test]
fn files_that_are_sent_show_in_the_views_and_nothing_secret_in_the_log() {
    let Some(server) = server() else { return };
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let (mut service, database) = service(server, &["RZA"]);
    service.start();
    let (name, text) = good("RZA", now() - SignedDuration::from_mins(1), 5);
    service.send("RZA", "inbox", [(name.as_str(), &text)]);
    let rows = service.settled(1);
    assert_eq!(rows[0]["outcome"], "loaded", "{rows:?}");
    let (north, south) = truth(5);
    let wards = server.psql(&database, "SELECT ward_code, occupied, open FROM v_provider_ward_now ORDER BY 1");
    assert_eq!(wards, [format!("NORTH|{north}|12"), format!("SOUTH|{south}|8")]);
    wait_until("control facts are published", || {
        let facts = "SELECT f.provider_code, h.state, h.last_file_state FROM feed AS f JOIN v_feed_health AS h USING (provider_code)";
        server.psql(&database, facts) == ["RZA|current|loaded"]
    });
    let encrypted = "SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'bedfeed'";
    assert_eq!(server.psql(&database, encrypted), ["t"]);
    service.stop();
    assert!(!service.log().contains(server::PASSWORD));

    // What somebody removes from the warehouse is missed.
    let check = service.bedfeed(&["warehouse", "check"]).fine();
    assert!(check.stdout.starts_with("fine: the ledger calls 1 snapshots loaded, the warehouse has 1"), "{check:?}");
    server.psql(&database, FORGET);
    let check = service.bedfeed(&["warehouse", "check"]);
    assert_eq!(check.code, Some(1), "{check:?}");
    assert!(check.stdout.contains(id(&rows[0])) && check.stdout.contains("the warehouse does not have it"), "{check:?}");

    // A backup has the books that are here, and says what it has not.
    let folder = service.dir().join("backups");
    let taken = service.bedfeed(&["backup", folder.to_str().unwrap()]).fine();
    assert!(taken.stdout.contains("the warehouse is on a server and not in this backup"), "{taken:?}");
    service.bedfeed(&["status"]).fine();
}

#[test]
fn the_embedded_warehouse_is_compared_with_the_ledger_too() {
    let mut service = Service::cottage(&["RZA"]);
    service.start();
    let (name, text) = good("RZA", now() - SignedDuration::from_mins(1), 5);
    service.send("RZA", "inbox", [(name.as_str(), &text)]);
    let rows = service.settled(1);
    service.stop();
    service.bedfeed(&["warehouse", "migrate"]).fine();
    let fine = service.bedfeed(&["warehouse", "check", "--json"]).fine().json();
    assert_eq!((&fine["fine"], &fine["warehouse"]["loaded"]), (&true.into(), &1.into()), "{fine}");
    let path = service.state().join("warehouse.db");
    run("sqlite3", &[path.to_str().unwrap(), FORGET], b"").fine();
    let check = service.bedfeed(&["warehouse", "check"]);
    assert_eq!((check.code, check.stdout.contains(id(&rows[0]))), (Some(1), true), "{check:?}");
}

#[test]
fn where_tables_are_made_by_hand_what_is_accepted_waits_until_they_are() {
    let Some(server) = server() else { return };
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let (mut service, database) = service(server, &["RZA"]);
    service.append("bedfeed.toml", "migrate = \"by_hand\"\n");
    service.start();
    let (name, text) = good("RZA", now() - SignedDuration::from_mins(1), 5);
    service.send("RZA", "inbox", [(name.as_str(), &text)]);
    wait_until("status says what is to be done", || {
        service.status()["summary"]["notices"].to_string().contains("bedfeed warehouse migrate")
    });
    assert_eq!(server.psql(&database, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), ["0"]);
    service.bedfeed(&["warehouse", "migrate"]).fine();
    let rows = service.settled(1);
    assert_eq!(rows[0]["outcome"], "loaded", "{rows:?}");
    loaded_once(server, &database, &service);
    service.stop();
}

#[test]
fn p2_a_server_that_is_stopped_at_once_in_the_middle_loses_and_doubles_nothing() {
    let Some(server) = server() else { return };
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let long = std::env::var_os("BEDFEED_POSTGRES_LONG").is_some();
    let (feeds, slots, stops) = if long { (25, 80, 50) } else { (2, 24, 4) };
    let codes: Vec<String> = ('A'..='Z').take(feeds).map(|letter| format!("RZ{letter}")).collect();
    let codes: Vec<&str> = codes.iter().map(String::as_str).collect();
    let (mut service, database) = service(server, &codes);
    service.start();
    let newest = now() - SignedDuration::from_mins(1);
    let file = |code, slot: u32| good(code, newest - SignedDuration::from_mins(15 * i64::from(slot)), slot + 1);
    let files: Vec<(&str, (String, String))> = codes
        .iter()
        .flat_map(|code| (0..slots).rev().map(move |slot| (*code, slot)))
        .map(|(code, slot)| (code, file(code, slot)))
        .collect();
    let send = |files: &[(&str, (String, String))]| {
        for one in files.chunk_by(|one, next| one.0 == next.0) {
            service.send(one[0].0, "inbox", one.iter().map(|(_, (name, text))| (name.as_str(), text)));
        }
        files.len()
    };
    let (mut sent, mut stopped) = (0, 0);
    for batch in files.chunks(files.len().div_ceil(stops)) {
        let (first, second) = batch.split_at(batch.len() / 2);
        sent += send(first);
        // Some of them are loaded, one perhaps just now.
        server.stop();
        sent += send(second);
        server.start_again();
        stopped += 1;
    }
    // However long the backlog takes, it gets shorter.
    let there = || server.psql(&database, "SELECT count(*) FROM ingest_snapshot")[0].parse::<usize>().unwrap();
    let mut loaded = there();
    while loaded < sent {
        wait_until("one more is loaded", || there() > loaded);
        loaded = there();
    }
    let rows = service.settled(sent);
    assert!(rows.iter().all(|row| row["outcome"] == "loaded"), "{:?}", rows.iter().find(|row| row["outcome"] != "loaded"));
    loaded_once(server, &database, &service);
    let failed = service.log().matches("the warehouse did not take a snapshot").count();
    assert!(failed > 0, "the stops were noticed");
    service.stop();
    let check = service.bedfeed(&["warehouse", "check"]).fine().stdout;
    eprintln!("{sent} deliveries, {stopped} stops, {failed} loads in vain; {}", check.trim());
}
