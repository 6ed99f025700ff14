//! Warehouses beside the first: each gets what is accepted, at its own pace; one that is away holds back nobody, one that is new is
//! filled from the kept originals, and what retention deletes goes there too.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may fail loudly"
)]

mod common;
#[allow(dead_code, reason = "the server's other troubles are for tests/postgres.rs")]
#[path = "common/postgres.rs"]
mod server;

use bedfeed::feed::Folder;
use common::extract::{BEDS, damaged, good};
use common::past::{Came, Past};
use common::warehouse::{Locked, loaded_once};
use common::webhook::Webhook;
use common::{Service, id, now, wait_until};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use server::{OWNER, server};
use std::collections::BTreeSet;

/// A second embedded warehouse.
const SPARE: &str = "\n[warehouse.also.spare]\nurl = \"sqlite:spare.db\"\n";
/// Each snapshot, its slot and version, whether it counts, its lines, and its sum of occupied beds.
const SNAPSHOTS: &str =
    "SELECT s.snapshot_id AS id, s.slot_utc AS slot, s.version AS version, s.is_current AS current, s.mapping AS mapping,
     a.occupied AS occupied, (SELECT count(*) FROM fact_bed_line AS f WHERE f.snapshot_key = s.snapshot_key) AS lines
     FROM ingest_snapshot AS s JOIN agg_org_slot AS a USING (snapshot_key) ORDER BY s.snapshot_id";

fn quarters_ago(quarters: i64) -> Timestamp {
    now() - SignedDuration::from_mins(15 * quarters + 1)
}

fn send(service: &Service, quarters: i64, pattern: u32) {
    let (name, text) = good("RZA", quarters_ago(quarters), pattern);
    service.send("RZA", "inbox", [(name.as_str(), &text)]);
}

/// What the spare warehouse has; nothing while it has no tables.
fn spare(service: &Service) -> Vec<Value> {
    if service.sqlite("spare.db", "SELECT 1 FROM sqlite_master WHERE name = 'ingest_snapshot'").is_empty() {
        return Vec::new();
    }
    service.sqlite("spare.db", SNAPSHOTS)
}

/// How a further warehouse stands by `status`.
fn standing(service: &Service, name: &str) -> Value {
    let status = service.status();
    let all = status["daemon"]["endpoint"]["further_warehouses"].as_array().unwrap().clone();
    all.into_iter().find(|one| one["name"] == name).unwrap()
}

/// How many beds lines tell of each snapshot, by the base of the beds, and the mapping that read it.
const BASES: &str = "SELECT s.snapshot_id AS id, s.mapping AS mapping, f.bed_base AS base, count(*) AS lines
     FROM ingest_snapshot AS s JOIN fact_bed_line AS f USING (snapshot_key) GROUP BY 1, 2, 3 ORDER BY 1";

/// From now on files are read by another mapping, which calls beds otherwise.
fn read_otherwise(service: &Service) {
    let file = "providers/RZA.toml";
    service.edit(file, "version = \"rzz-1\"", "version = \"rzz-2\"");
    service.edit(file, "bed_base = { value = \"COR\" }", "bed_base = { value = \"ESC\" }");
}

fn checked(service: &Service) -> Value {
    service.bedfeed(&["warehouse", "check", "--json"]).json()
}

#[test]
fn one_that_is_away_holds_back_nobody_and_has_everything_once_it_is_back() {
    let Some(server) = server() else { return };
    let mut service = Service::cottage(&["RZA"]);
    let webhook = Webhook::open();
    let database = server.database(None);
    let password = server.password_file(service.dir(), OWNER);
    let (url, ca) = (server.url(OWNER, &database), server.folder.join("ca.crt"));
    let council = format!(
        "\n[warehouse.also.council]\nurl = \"{url}\"\npassword_file = \"{}\"\nca_file = \"{}\"\n",
        password.display(),
        ca.display()
    );
    let desk = format!("\n[[alerts.webhook]]\nname = \"desk\"\nurl = \"{}\"\n", webhook.url());
    let folder = service.dir().join("lake");
    std::fs::create_dir(&folder).unwrap();
    let lake = format!("\n[warehouse.also.lake]\nurl = \"parquet:file://{}\"\n", folder.display());
    let lake = if cfg!(feature = "lake") { lake } else { String::new() };
    service.append("bedfeed.toml", &[SPARE, &council, &lake, &desk].concat());
    service.start();
    // It is opened after the start, by whoever fills it.
    wait_until("its tables are there", || server.psql(&database, "SELECT to_regclass('ingest_snapshot') IS NOT NULL") == ["t"]);
    let there = || server.psql(&database, "SELECT snapshot_id FROM ingest_snapshot ORDER BY 1");
    send(&service, 6, 1);
    send(&service, 5, 2);
    service.settled(2);
    wait_until("all three have both", || spare(&service).len() == 2 && there().len() == 2);

    server.stop();
    for (quarters, pattern) in [(4, 3), (3, 4), (2, 5)] {
        send(&service, quarters, pattern);
    }
    // One that is set aside is nobody's.
    let (name, text) = damaged("RZA", quarters_ago(1), 6);
    service.send("RZA", "inbox", [(name.as_str(), &text)]);
    service.settled(6);
    wait_until("the others have five", || spare(&service).len() == 5);
    loaded_once(&service);
    wait_until("status says who waits for what", || {
        let council = standing(&service, "council");
        council["waiting"] == 3 && council["error"].is_string() && standing(&service, "spare")["waiting"] == 0
    });
    let shown = service.bedfeed(&["status"]).fine().stdout;
    assert!(shown.contains("further warehouse council: 3 snapshots wait, the oldest of slot"), "{shown}");
    assert!(shown.contains("further warehouse spare: has all that it can have"), "{shown}");
    let told = || webhook.taken().into_iter().filter(|key| key.starts_with("house/further/")).count();
    wait_until("one alert is sent", || told() == 1);
    // Killed meanwhile: what it lacks is found again, for the ledger knows what it should have.
    service.kill();
    service.start();
    send(&service, 0, 7);
    service.settled(7);
    server.start_again();
    wait_until("it has caught up", || there().len() == 6 && standing(&service, "council")["waiting"] == 0);
    wait_until("so have the others", || {
        let all = service.status()["daemon"]["endpoint"]["further_warehouses"].as_array().unwrap().clone();
        all.iter().all(|one| one["compared"] == true && one["waiting"] == 0)
    });
    wait_until("the end is told", || told() == 2);
    let fine = checked(&service);
    assert_eq!((&fine["fine"], &fine["further"]["council"]["snapshots"]), (&true.into(), &6.into()), "{fine}");
    let first: Vec<Value> = service.query(SNAPSHOTS);
    assert_eq!(spare(&service), first);
    if !lake.is_empty() {
        assert_eq!(fine["further"]["lake"]["snapshots"], 6, "{fine}");
        let objects = service.sqlite("lake-lake.db", "SELECT count(*) AS written FROM lake_snapshot");
        assert_eq!(objects[0]["written"], 6);
        assert!(folder.join("manifest").is_dir());
    }
    let ids: BTreeSet<String> = first.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(there().into_iter().collect::<BTreeSet<_>>(), ids);
    wait_until("control facts are published everywhere", || {
        let facts = "SELECT state FROM ingest_file ORDER BY delivery_id";
        let states: Vec<Value> = service.query(facts);
        states.len() == 7 && service.sqlite("spare.db", facts) == states && server.psql(&database, facts).len() == 7
    });
    service.stop();
    assert!(!service.log().contains(server::PASSWORD));
}

#[test]
fn the_first_one_away_holds_back_none_of_the_others() {
    let mut service = Service::cottage(&["RZA"]);
    service.append("bedfeed.toml", SPARE);
    service.start();
    send(&service, 3, 1);
    service.settled(1);
    wait_until("both have it", || spare(&service).len() == 1);
    let lock = Locked::new(&service);
    send(&service, 2, 2);
    send(&service, 1, 3);
    wait_until("the further one has them", || spare(&service).len() == 3);
    assert_eq!(service.deliveries().iter().filter(|row| row["outcome"] == "pending").count(), 2);
    // Judged by other settings before the first one had them: the further one says what is decided in the end.
    service.stop();
    read_otherwise(&service);
    drop(lock);
    service.start();
    service.settled(3);
    wait_until("both say the same", || service.sqlite("spare.db", BASES) == service.query(BASES));
    let rows = service.query(BASES);
    assert_eq!(rows.iter().map(|row| row["mapping"].as_str().unwrap()).collect::<Vec<_>>(), ["rzz-1", "rzz-2", "rzz-2"], "{rows:?}");
    assert_eq!(checked(&service)["fine"], true);
    service.stop();
}

#[test]
fn a_new_one_is_filled_from_the_kept_originals_and_never_says_anything_else_than_the_ledger() {
    let mut service = Service::cottage(&["RZA"]);
    service.start();
    for (pattern, quarters) in (1..).zip([6, 5, 4, 3]) {
        send(&service, quarters, pattern);
    }
    // A correction, too.
    send(&service, 4, 9);
    let rows = service.settled(5);
    service.stop();
    // Today's mapping reads beds otherwise.
    read_otherwise(&service);
    service.append("bedfeed.toml", SPARE);
    service.start();
    wait_until("all of them are left out", || standing(&service, "spare")["left_out"] == 5);
    assert!(spare(&service).is_empty());
    assert!(standing(&service, "spare")["left_out_why"].as_str().unwrap().contains("`bedfeed replay`"));
    let lacking = checked(&service);
    assert_eq!((&lacking["fine"], lacking["further"]["spare"]["differences"].as_array().unwrap().len()), (&false.into(), 5), "{lacking}");
    let (from, to) = (quarters_ago(7).to_string(), now().to_string());
    let who = ["--by", "A. Analyst", "--reason", "escalation beds were counted as core"];
    service.bedfeed(&[&["replay", "--provider", "RZA", "--from", &from, "--to", &to], &who[..]].concat()).fine();
    let newest = |rows: Vec<Value>| rows.into_iter().filter(|row| row["mapping"] == "rzz-2").collect::<Vec<_>>();
    wait_until("the new versions are everywhere", || spare(&service).len() == 5 && newest(service.query(SNAPSHOTS)) == spare(&service));
    let fine = checked(&service);
    assert_eq!(fine["fine"], true, "{fine}");
    service.stop();

    // Put back as it was before, and one taken out of it: it is brought up to date by itself.
    let path = service.state().join("spare.db");
    let spare_db = rusqlite::Connection::open(&path).unwrap();
    let gone = format!("{}/%", id(&rows[0]));
    for table in ["fact_bed_line", "agg_ward_slot", "agg_org_slot", "census_daily", "ingest_snapshot"] {
        let sql = format!("DELETE FROM {table} WHERE snapshot_key IN (SELECT snapshot_key FROM ingest_snapshot WHERE snapshot_id LIKE ?1)");
        spare_db.execute(&sql, [&gone]).unwrap();
    }
    drop(spare_db);
    assert_eq!(spare(&service).len(), 4);
    service.start();
    wait_until("it has all of them again", || newest(service.query(SNAPSHOTS)) == spare(&service));
    service.stop();
}

#[test]
fn what_retention_deleted_is_not_loaded_anew_and_is_deleted_everywhere() {
    let days_ago = |days: i64| now() - SignedDuration::from_hours(24 * days) - SignedDuration::from_mins(2);
    let came = |days: i64, pattern: u32| {
        let (name, text) = good("RZA", days_ago(days), pattern);
        Came { at: days_ago(days) + SignedDuration::from_mins(1), provider: "RZA", folder: Folder::Inbox, name, text }
    };
    let mut service = Service::cottage(&["RZA"]);
    service.append("bedfeed.toml", "\n[retention]\nraw_days = 365\n");
    service.append("bedfeed.toml", SPARE);
    let past = Past::of(&service);
    past.take_in(&[came(400, 1), came(100, 2), came(1, 3)]);
    past.record(days_ago(10), vec![bedfeed::ledger::Event::Stopped]);
    past.close();
    // The ledger was silent for long, so nothing goes by itself: the new warehouse is filled with all there is.
    service.start();
    wait_until("it is filled", || spare(&service).len() == 3);
    let lines = |file: &str| -> Vec<Value> {
        let sql = "SELECT (SELECT count(*) FROM fact_bed_line AS f WHERE f.snapshot_key = s.snapshot_key) AS lines FROM ingest_snapshot AS s ORDER BY slot_utc";
        service.sqlite(file, sql).into_iter().map(|row| row["lines"].clone()).collect()
    };
    let beds = Value::from(BEDS);
    assert_eq!(lines("spare.db"), [beds.clone(), beds.clone(), beds.clone()]);
    service.bedfeed(&["retention", "run"]).fine();
    assert_eq!(lines("warehouse.db"), [0.into(), 0.into(), beds.clone()]);
    wait_until("its lines are gone there, too", || lines("spare.db") == lines("warehouse.db"));
    let sums = "SELECT count(DISTINCT snapshot_key) AS sums FROM agg_ward_slot";
    wait_until("and the sums", || service.sqlite("spare.db", sums) == service.query(sums));
    service.stop();

    // One that is made anew gets only what is kept.
    std::fs::remove_file(service.state().join("spare.db")).unwrap();
    service.start();
    wait_until("it has what there is", || spare(&service).len() == 1);
    wait_until("it says what it cannot have", || standing(&service, "spare")["left_out"] == 2);
    let fine = checked(&service);
    assert_eq!((&fine["fine"], &fine["further"]["spare"]["deleted_before"]), (&true.into(), &2.into()), "{fine}");
    let shown = service.bedfeed(&["warehouse", "check"]).fine().stdout;
    assert!(shown.contains("2 were deleted by retention before it could have them"), "{shown}");
    service.stop();
}

#[test]
fn none_of_them_keeps_the_daemon_from_starting_nor_holds_it_up() {
    let mut service = Service::cottage(&["RZA"]);
    service.append("bedfeed.toml", SPARE);
    service.start();
    send(&service, 3, 1);
    service.settled(1);
    wait_until("both have it", || spare(&service).len() == 1);
    service.stop();
    let made_by_newer = rusqlite::Connection::open(service.state().join("spare.db")).unwrap();
    made_by_newer.execute_batch("UPDATE schema_version SET version = 99").unwrap();
    drop(made_by_newer);
    // Servers that take connections and never say anything.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    for name in ["one", "two"] {
        let url = format!("postgres://x@{}/{name}", silent.local_addr().unwrap());
        service.append("bedfeed.toml", &format!("\n[warehouse.also.{name}]\nurl = \"{url}\"\ntls = \"off\"\n"));
    }
    let begun = std::time::Instant::now();
    service.start();
    assert!(begun.elapsed().as_secs() < 8, "{:?}", begun.elapsed());
    send(&service, 2, 2);
    service.settled(2);
    let says = |name: &str, words: &str| standing(&service, name)["error"].as_str().is_some_and(|error| error.contains(words));
    wait_until("each says what is wrong with it", || {
        says("spare", "newer bedfeed") && says("one", "says nothing") && says("two", "says nothing")
    });
    service.stop();
}

#[test]
fn one_that_is_loaded_by_the_role_for_that_drops_what_was_judged_anew() {
    let Some(server) = server() else { return };
    let mut service = Service::cottage(&["RZA"]);
    let database = server.database(None);
    let ca = server.folder.join("ca.crt");
    let council = |user: &str, more: &str| {
        let (url, password) = (server.url(user, &database), server.password_file(service.dir(), user));
        format!(
            "\n[warehouse.also.council]\nurl = \"{url}\"\npassword_file = \"{}\"\nca_file = \"{}\"\n{more}",
            password.display(),
            ca.display()
        )
    };
    let before = std::fs::read_to_string(service.settings()).unwrap();
    service.append("bedfeed.toml", &council(OWNER, ""));
    service.bedfeed(&["warehouse", "migrate"]).fine();
    std::fs::write(service.settings(), before).unwrap();
    let user = format!("{database}_loader");
    server.psql("postgres", &format!("CREATE ROLE {user} LOGIN PASSWORD '{user}' IN ROLE bedfeed_loader"));
    let by_loader = council(&user, "migrate = \"by_hand\"\n");
    service.append("bedfeed.toml", &by_loader);
    let there = || server.psql(&database, "SELECT mapping FROM ingest_snapshot ORDER BY slot_utc");
    service.start();
    send(&service, 6, 1);
    service.settled(1);
    wait_until("it has one", || there().len() == 1);
    let lock = Locked::new(&service);
    send(&service, 5, 2);
    wait_until("it has two", || there().len() == 2);
    service.stop();
    read_otherwise(&service);
    drop(lock);
    service.start();
    service.settled(2);
    send(&service, 4, 3);
    wait_until("it says what the ledger says", || there() == ["rzz-1", "rzz-2", "rzz-2"]);
    let fine = checked(&service);
    assert_eq!(fine["fine"], true, "{fine}");
    service.stop();
}

#[test]
fn a_legal_hold_keeps_what_is_still_there_though_the_first_one_has_deleted_it() {
    let days_ago = |days: i64| now() - SignedDuration::from_hours(24 * days) - SignedDuration::from_mins(2);
    let came = |days: i64, pattern: u32| {
        let (name, text) = good("RZA", days_ago(days), pattern);
        Came { at: days_ago(days) + SignedDuration::from_mins(1), provider: "RZA", folder: Folder::Inbox, name, text }
    };
    let mut service = Service::cottage(&["RZA"]);
    service.append("bedfeed.toml", "\n[retention]\nraw_days = 365\n");
    service.append("bedfeed.toml", SPARE);
    let past = Past::of(&service);
    past.take_in(&[came(101, 1), came(100, 2), came(1, 3)]);
    past.record(days_ago(10), vec![bedfeed::ledger::Event::Stopped]);
    past.close();
    service.start();
    wait_until("it is filled", || spare(&service).len() == 3);
    // It is away while retention runs, and a hold is placed.
    let spare_db = rusqlite::Connection::open(service.state().join("spare.db")).unwrap();
    spare_db.execute_batch("BEGIN IMMEDIATE").unwrap();
    service.bedfeed(&["retention", "run"]).fine();
    let held = spare(&service)[1]["id"].as_str().unwrap().to_owned();
    service.bedfeed(&["hold", "add", "--delivery", &held, "--by", "A. Lawyer", "--reason", "an inquiry"]).fine();
    service.stop();
    drop(spare_db);
    service.start();
    let beds = Value::from(BEDS);
    let lines = || spare(&service).into_iter().map(|row| row["lines"].clone()).collect::<Vec<_>>();
    wait_until("what is not held is gone", || lines()[0] == 0);
    assert_eq!(lines(), [0.into(), beds.clone(), beds]);
    service.stop();
}

#[cfg(feature = "lake")]
#[test]
fn what_only_a_lakes_index_has_is_taken_back_when_it_is_set_aside() {
    let mut service = Service::cottage(&["RZA"]);
    let (lake, aside) = (service.dir().join("lake"), service.dir().join("aside"));
    std::fs::create_dir(&lake).unwrap();
    service.append("bedfeed.toml", &format!("\n[warehouse.also.lake]\nurl = \"parquet:file://{}\"\n", lake.display()));
    service.start();
    send(&service, 3, 1);
    service.settled(1);
    let count = |table: &str| service.sqlite("lake-lake.db", &format!("SELECT count(*) AS n FROM {table}"))[0]["n"].clone();
    wait_until("it has one", || lake.join("writer.json").is_file() && count("lake_snapshot") == 1);
    let lock = Locked::new(&service);
    mount(&lake, &aside);
    send(&service, 2, 2);
    wait_until("the index has two", || count("ingest_snapshot") == 2 && count("lake_snapshot") == 1);
    service.stop();
    service.edit("providers/RZA.toml", "version = \"rzz-1\"", "version = \"rzz-2\"");
    service.edit("providers/RZA.toml", "codes = { M = \"1\", F = \"2\" }", "codes = { M = \"1\", X = \"2\" }");
    drop(lock);
    service.start();
    let rows = service.settled(2);
    assert_eq!(rows[1]["outcome"], "quarantined");
    let count = |table: &str| service.sqlite("lake-lake.db", &format!("SELECT count(*) AS n FROM {table}"))[0]["n"].clone();
    wait_until("the index has one", || count("ingest_snapshot") == 1);
    mount(&aside, &lake);
    let (name, text) = good("RZA", quarters_ago(1), 5);
    service.send("RZA", "inbox", [(name.as_str(), &text.replace(",F,", ",X,"))]);
    assert_eq!(service.settled(3)[2]["outcome"], "loaded");
    wait_until("the lake has what is loaded", || count("lake_snapshot") == 2);
    let fine = checked(&service);
    assert_eq!((&fine["fine"], &fine["further"]["lake"]["snapshots"]), (&true.into(), &2.into()), "{fine}");
    service.stop();
}

#[cfg(feature = "lake")]
#[expect(clippy::disallowed_methods, reason = "as one who mounts another disk")]
fn mount(from: &std::path::Path, to: &std::path::Path) {
    std::fs::rename(from, to).unwrap();
}
