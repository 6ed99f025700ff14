//! The warehouse in trouble: away, hanging, slow, refusing, and answering too late or not at all. What was accepted waits in
//! the ledger; intake does not notice; people are told once; and nothing is lost, doubled or left out of order.
//!
//! `BEDFEED_BACKLOG=80` makes a longer queue of each feed; that is one file for each slot of most of a day.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may fail loudly"
)]

mod common;

use common::extract::good;
use common::warehouse::{Locked, loaded_once};
use common::webhook::Webhook;
use common::{Service, id, now, run, wait_for, wait_until};
use jiff::SignedDuration;
use serde_json::Value;
use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const CODES: [&str; 3] = ["RZA", "RZB", "RZC"];
/// Slots that files are sent for: what is older than a day is held for a person.
const SLOTS: u32 = 80;

/// Files of a feed, the oldest slot first.
fn files(code: &str, count: u32, from: u32) -> Vec<(String, String)> {
    let newest = now() - SignedDuration::from_mins(1);
    let file = |number: u32| {
        let slots_ago = (count - 1 - number) % SLOTS;
        good(code, newest - SignedDuration::from_mins(15 * i64::from(slots_ago)), from + number + 1)
    };
    (0..count).map(file).collect()
}

fn send(service: &Service, code: &str, files: &[(String, String)]) {
    service.send(code, "inbox", files.iter().map(|(name, text)| (name.as_str(), text)));
}

fn notices(service: &Service) -> String {
    service.status()["summary"]["notices"].to_string()
}

/// The keys that were told about the warehouse, in order.
fn told(webhook: &Webhook) -> Vec<String> {
    webhook.taken().into_iter().filter(|key| key.starts_with("house/warehouse/")).collect()
}

/// What was loaded, in that order: provider, slot, id.
fn loads(service: &Service) -> Vec<(String, String, String)> {
    let sql = "SELECT d.provider AS provider, d.slot AS slot, d.id AS id FROM entry AS e JOIN delivery AS d ON d.id = e.delivery
         WHERE json_extract(e.body, '$.stage.stage') = 'loaded' ORDER BY e.seq";
    let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
    service.ledger(sql).iter().map(|row| (text(row, "provider"), text(row, "slot"), text(row, "id"))).collect()
}

/// Each slot shows its newest version: here each correction came after what it corrects.
fn newest_counts(service: &Service) {
    let wrong = service.query(
        "SELECT provider_code, slot_utc FROM ingest_snapshot GROUP BY 1, 2
         HAVING sum(is_current) <> 1 OR max(version * is_current) <> max(version)",
    );
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn p2_while_the_warehouse_hangs_files_are_taken_one_alert_is_sent_and_the_backlog_drains_newest_first() {
    let each: u32 = std::env::var("BEDFEED_BACKLOG").map_or(8, |text| text.parse().unwrap());
    assert!(each <= SLOTS, "one file for each slot: a second one of the same name would take its place on the way");
    let mut service = Service::cottage(&CODES);
    let webhook = Webhook::open();
    service.append("bedfeed.toml", &format!("\n[[alerts.webhook]]\nname = \"desk\"\nurl = \"{}\"\n", webhook.url()));
    service.start();
    // Each try hangs for the five seconds that SQLite waits for a lock.
    let lock = Locked::new(&service);
    let started = Instant::now();
    let mut slowest = Duration::ZERO;
    let batches = CODES.map(|code| (code, files(code, each, 0)));
    for (code, batch) in &batches {
        let (first, rest) = batch.split_first().unwrap();
        let one = Instant::now();
        send(&service, code, std::slice::from_ref(first));
        slowest = slowest.max(one.elapsed());
        send(&service, code, rest);
    }
    let total = u32::try_from(CODES.len()).unwrap() * each;
    let sent = started.elapsed();
    let waiting = format!("{total} snapshots wait for the warehouse");
    wait_until("status says that all wait", || notices(&service).contains(&waiting));
    wait_until("the alert is delivered", || told(&webhook).len() == 1);
    eprintln!(
        "{total} files were acknowledged in {} ms while the warehouse hung, the slowest session took {} ms",
        sent.as_millis(),
        slowest.as_millis()
    );
    // Judged and receipted as ever.
    let (code, batch) = batches.last().unwrap();
    let receipt = service.receipt(code, &batch.last().unwrap().0).0;
    assert!(receipt["verdict"].as_str().unwrap().starts_with("accepted"), "{receipt}");
    assert_eq!(receipt["loaded"], false);
    assert!(loads(&service).is_empty());

    // Killed in the middle: the queue and the alert are in the ledger.
    service.kill();
    service.start();
    wait_until("loading was tried again", || service.log().matches("the warehouse did not take a snapshot").count() >= 5);
    drop(lock);
    let freed = Instant::now();
    wait_for("nothing waits any more", || (loads(&service).len() >= usize::try_from(total).unwrap()).then_some(()));
    let drained = freed.elapsed();
    eprintln!("{total} snapshots were loaded {} ms after the warehouse was free", drained.as_millis());
    // A minute and a quarter is the longest wait for a try; none may wait for one of its own.
    assert!(drained < Duration::from_secs(90) + Duration::from_millis(200) * total, "{drained:?}");

    let order = loads(&service);
    // The try that found it back may be any; then the newest of each feed, then history, the oldest slot first.
    let newest: BTreeSet<(String, String)> = CODES
        .iter()
        .map(|code| order.iter().filter(|(provider, _, _)| provider == code).map(|(p, slot, _)| (slot.clone(), p.clone())).max().unwrap())
        .collect();
    let is_newest = |(provider, slot, _): &&(String, String, String)| newest.contains(&(slot.clone(), provider.clone()));
    let heads: Vec<_> = order.iter().take(CODES.len() + 1).filter(is_newest).collect();
    assert!(heads.len() >= CODES.len(), "the newest of each feed first: {order:?}");
    let history: Vec<(&str, &str)> = order[CODES.len() + 1..].iter().map(|(_, slot, id)| (slot.as_str(), id.as_str())).collect();
    assert!(history.is_sorted_by_key(|(slot, _)| *slot), "then the oldest first: {history:?}");

    wait_until("the end is told", || told(&webhook).len() == 2);
    let posted = webhook.posted();
    let of =
        |ending: &str| posted.iter().find(|it| it.key.starts_with("house/warehouse/") && it.key.ends_with(ending)).unwrap().body.clone();
    let (begin, end) = (of("/begin"), of("/end"));
    assert!(begin["text"].as_str().unwrap().contains("The warehouse takes nothing"), "{begin}");
    let text = end["text"].as_str().unwrap();
    assert!(text.contains("had been so since") && text.contains(&format!("{total} snapshots had to wait for it")), "{end}");
    assert_eq!(begin["provider"], Value::Null);
    assert!(!notices(&service).contains("wait for the warehouse"));
    loaded_once(&service);
    newest_counts(&service);
    service.stop();
    assert_eq!(told(&webhook).len(), 2, "once each, over a kill and a stop");
}

#[test]
fn p2_a_load_that_was_committed_and_not_answered_is_found_and_one_that_was_not_is_done_again() {
    let mut service = Service::cottage(&["RZA"]);
    // Some commits are done and not answered, some are not done.
    let faults: Vec<String> = ["after:1", "before:3", "after:3"].iter().map(|at| format!("warehouse_commit.{at}:error")).collect();
    service.start_under(&["env", &format!("BEDFEED_FAULT={}", faults.join(","))]);
    service.await_ready();
    for file in files("RZA", 5, 0) {
        send(&service, "RZA", &[file]);
    }
    let rows = service.settled(5);
    assert!(rows.iter().all(|row| row["outcome"] == "loaded"), "{rows:?}");
    let failures = service.log().matches("the warehouse did not take a snapshot").count();
    assert!(failures >= 3, "{failures}: {}", service.log());
    loaded_once(&service);
    newest_counts(&service);
    service.bedfeed(&["audit", "verify"]).fine();
    service.stop();
}

#[test]
fn p2_a_warehouse_that_is_broken_refuses_nobodys_file_and_is_used_again_when_it_is_mended() {
    let mut service = Service::cottage(&["RZA"]);
    service.start();
    let database = service.state().join("warehouse.db");
    let sqlite = |sql: &str| run("sqlite3", &["-cmd", ".timeout 20000", database.to_str().unwrap(), sql], b"").fine();
    let mut number = 0;
    let mut check = |what: &str, service: &Service, mend: &dyn Fn()| {
        let files = files("RZA", 2, 10 * number);
        number += 1;
        send(service, "RZA", &files);
        wait_until(&format!("{what}: both wait"), || notices(service).contains("2 snapshots wait for the warehouse"));
        wait_until(&format!("{what}: it was tried in vain"), || notices(service).contains("in vain"));
        assert!(service.deliveries().iter().all(|row| row["outcome"] != "quarantined"), "{what}");
        mend();
        let rows = service.settled(usize::try_from(2 * number).unwrap());
        assert!(rows.iter().all(|row| row["outcome"] == "loaded"), "{what}: {rows:?}");
        loaded_once(service);
        newest_counts(service);
    };

    sqlite("ALTER TABLE agg_org_slot RENAME TO away");
    check("a table is gone", &service, &|| drop(sqlite("ALTER TABLE away RENAME TO agg_org_slot")));

    // Something else in its place, as after a disk that was not mounted.
    service.stop();
    let aside = service.state().join("aside.db");
    run("mv", &[&database, &aside], b"").fine();
    std::fs::create_dir(&database).unwrap();
    service.start();
    check("a folder in its place", &service, &|| {
        std::fs::remove_dir(&database).unwrap();
        run("mv", &[&aside, &database], b"").fine();
    });
    service.stop();
}

#[test]
fn p1_p2_a_slow_warehouse_slows_no_upload_down() {
    let mut service = Service::cottage(&["RZA"]);
    service.start();
    service.stop();
    let allowed = Command::new("strace").args(["-o", "/dev/null", "true"]).stderr(Stdio::null()).status();
    if !allowed.is_ok_and(|status| status.success()) {
        let without = std::env::var_os("BEDFEED_WITHOUT_STRACE").is_some();
        assert!(without, "strace is not installed or not allowed here; BEDFEED_WITHOUT_STRACE=1 leaves this out");
        return;
    }
    // Every sync of the warehouse's files takes three seconds.
    let state = service.state();
    let paths = ["warehouse.db", "warehouse.db-wal"].map(|name| state.join(name).to_str().unwrap().to_owned());
    let trace = service.dir().join("trace").to_str().unwrap().to_owned();
    let slow = ["-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:delay_enter=3000000", "-o", &trace];
    let wrapper: Vec<&str> = ["strace", "-D", "-f", "-P", &paths[0], "-P", &paths[1]].into_iter().chain(slow).collect();
    service.start_under(&wrapper);
    service.await_ready();
    let mut slowest = Duration::ZERO;
    for file in files("RZA", 4, 0) {
        let one = Instant::now();
        send(&service, "RZA", std::slice::from_ref(&file));
        slowest = slowest.max(one.elapsed());
    }
    wait_until("all were judged", || service.deliveries().iter().all(|row| row["stage"]["stage"] != "landed"));
    let loaded = service.deliveries().iter().filter(|row| row["outcome"] == "loaded").count();
    assert!(loaded < 4, "it is not slow enough for this test to tell anything");
    eprintln!("the slowest of 4 sessions took {} ms while each commit of the warehouse took 3 s or more", slowest.as_millis());
    assert!(slowest < Duration::from_secs(3), "{slowest:?}");
    let rows = service.settled(4);
    assert!(rows.iter().all(|row| row["outcome"] == "loaded" && !id(row).is_empty()), "{rows:?}");
    loaded_once(&service);
    service.stop();
}
