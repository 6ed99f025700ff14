//! Retention from outside: a daemon is started on a state folder whose files came long ago.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may fail loudly"
)]

mod common;

use bedfeed::feed::{DeliveryId, Digest, Folder, Slot, Stage};
use bedfeed::ledger::{Class, Disposal, Event, Hold, HoldScope};
use common::extract::{damaged, good};
use common::past::{Came, Past};
use common::{Service, id, names, now, run, wait_until};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// What a bed is called in an old file, to be looked for everywhere.
const MARK: &str = "QZJXKV7";
/// A number that passes the check, from the range that is never issued.
const NUMBER: &str = "9990000018";

fn days_ago(days: i64) -> Timestamp {
    now() - SignedDuration::from_hours(24 * days)
}

fn came(days: i64, provider: &'static str, folder: Folder, (name, text): (String, String)) -> Came {
    Came { at: days_ago(days), provider, folder, name, text }
}

fn marked((name, text): (String, String)) -> (String, String) {
    (name, text.replace(",05,", &format!(",{MARK},")))
}

fn leaking((name, text): (String, String)) -> (String, String) {
    (name, text.replace("sex,age", "sex,age,ref").replace("F,71", &format!("F,71,{NUMBER}")).replace("empty,,", "empty,,,"))
}

/// A past of two providers, and the ids of its files in this order.
struct Story {
    rows_old: DeliveryId,
    raw_old: DeliveryId,
    torn: DeliveryId,
    sealed: DeliveryId,
    tested: DeliveryId,
    young: DeliveryId,
    quiet: DeliveryId,
}

fn story(past: &Past) -> Story {
    let at = |days: i64| days_ago(days) - SignedDuration::from_mins(2);
    let mut files = vec![
        came(100, "RZZ", Folder::Inbox, marked(good("RZZ", at(100), 5))),
        came(100, "RZY", Folder::Inbox, marked(good("RZY", at(100), 6))),
        came(40, "RZZ", Folder::Inbox, marked(good("RZZ", at(40), 7))),
        came(39, "RZZ", Folder::Inbox, damaged("RZZ", at(39), 8)),
        came(38, "RZZ", Folder::Inbox, leaking(good("RZZ", at(38), 9))),
        came(20, "RZZ", Folder::Test, marked(good("RZZ", at(20), 10))),
        came(1, "RZZ", Folder::Inbox, good("RZZ", at(1), 11)),
    ];
    files.sort_by_key(|file| file.at);
    let ids = past.take_in(&files);
    let [rows_old, quiet, raw_old, torn, sealed, tested, young] = ids[..] else { panic!("{ids:?}") };
    Story { rows_old, raw_old, torn, sealed, tested, young, quiet }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// The files of the state folder that hold a text somewhere in their bytes.
fn holding(service: &Service, text: &str) -> Vec<String> {
    let holds = |path: &PathBuf| std::fs::read(path).is_ok_and(|bytes| bytes.windows(text.len()).any(|window| window == text.as_bytes()));
    let mut found: Vec<String> = files(&service.state()).into_iter().filter(holds).map(|path| path.display().to_string()).collect();
    found.sort();
    found
}

fn lines_of(service: &Service, lead: DeliveryId) -> i64 {
    let sql = format!("SELECT count(*) AS n FROM fact_bed_line JOIN ingest_snapshot USING (snapshot_key) WHERE snapshot_id = '{lead}'");
    service.query(&sql)[0]["n"].as_i64().unwrap()
}

fn log(service: &Service) -> Vec<Value> {
    let Value::Array(rows) = service.bedfeed(&["retention", "log", "--json"]).fine().json() else { panic!("no list") };
    rows
}

/// Class and ids of what is listed, in order.
fn listed(things: &Value, key: &str) -> Vec<(String, String)> {
    let all = things[key].as_array().unwrap().iter();
    let mut all: Vec<_> = all.map(|it| (it["class"].as_str().unwrap().to_owned(), it["id"].as_str().unwrap().to_owned())).collect();
    all.sort();
    all
}

fn expected(things: &[(Class, DeliveryId)]) -> Vec<(String, String)> {
    let mut all: Vec<_> = things.iter().map(|(class, id)| (class.as_str().to_owned(), id.to_string())).collect();
    all.sort();
    all
}

#[test]
fn the_daemon_deletes_what_is_old_by_itself_for_good_and_says_so_everywhere() {
    let mut service = Service::cottage(&["RZY", "RZZ"]);
    let past = Past::of(&service);
    past.record(days_ago(500), vec![Event::Stopped]);
    let story = story(&past);
    past.record(now() - SignedDuration::from_mins(5), vec![Event::Stopped]);
    past.close();
    assert!(holding(&service, MARK).len() >= 4, "before, it is in the originals and the warehouse");
    let kept_before = service.query("SELECT count(*) AS n, sum(occupied) AS beds FROM agg_org_slot")[0].clone();

    // Dry runs read only, and need no daemon.
    let dry = service.bedfeed(&["retention", "run", "--dry-run", "--json"]).fine().json();
    let go = [
        (Class::Raw, story.rows_old),
        (Class::Raw, story.raw_old),
        (Class::Quarantine, story.torn),
        (Class::Quarantine, story.sealed),
        (Class::Checks, story.tested),
        (Class::Rows, story.rows_old),
    ];
    assert_eq!(listed(&dry, "goes"), expected(&go), "{dry:#}");
    assert_eq!(listed(&dry, "stays"), expected(&[(Class::Raw, story.quiet), (Class::Rows, story.quiet)]), "{dry:#}");
    let table = service.bedfeed(&["retention", "run", "--dry-run"]).fine().stdout;
    for told in ["raw_days = 30", "20 lines of 1 snapshot", "1 newest figures", "carries its provider's newest figures", "dry run"] {
        assert!(table.contains(told), "{told}: {table}");
    }
    assert!(log(&service).is_empty() && lines_of(&service, story.rows_old) == 20, "a dry run changes nothing");

    service.start();
    wait_until("the daemon has deleted what is old", || {
        let rows = log(&service);
        rows.len() == 4 && rows.iter().all(|row| row["done_at"].is_string())
    });
    let state = service.state();
    let mut left = vec![story.tested.to_string(), story.young.to_string(), story.quiet.to_string()];
    left.sort();
    assert_eq!(names(&state.join("deliveries")), left);
    assert!(names(&state.join("quarantine")).is_empty() && names(&state.join("checks")).is_empty());
    let lines = [story.rows_old, story.raw_old, story.quiet].map(|lead| lines_of(&service, lead));
    assert_eq!(lines, [0, 20, 20], "lines stay for 90 days, and where they are all there is");
    assert_eq!(service.query("SELECT count(*) AS n, sum(occupied) AS beds FROM agg_org_slot")[0], kept_before, "sums stay");
    let logged: Vec<String> = log(&service).iter().map(|row| row["class"].as_str().unwrap().to_owned()).collect();
    assert_eq!(logged, ["rows", "checks", "quarantine", "raw"]);

    // Everything that reads originals knows.
    let told = service.explain(&story.raw_old.to_string());
    assert!(told.contains("original files: deleted on") && told.contains("raw_days = 30"), "{told}");
    assert!(service.explain(&story.rows_old.to_string()).contains("lines in the warehouse: deleted on"));
    let web = service.status()["daemon"]["web"].as_str().unwrap().to_owned();
    let page = run("curl", &["--silent", "--fail", &format!("http://{web}/deliveries/{}", story.raw_old)], b"").fine().stdout;
    assert!(page.contains("Retention deleted its original files (disposal"), "{page}");
    let refused = service.bedfeed(&["reprocess", &story.torn.to_string(), "--by", "Ann Lee", "--reason", "late"]);
    assert!(refused.code == Some(1) && refused.stderr.contains("was deleted on") && refused.stderr.contains("by retention"), "{refused:?}");
    let list = service.bedfeed(&["quarantine", "list", "--json"]).fine().json();
    assert!(list.as_array().unwrap().is_empty(), "nobody can decide on what is gone: {list}");
    let shown = service.bedfeed(&["quarantine", "show", &story.sealed.to_string()]).fine().stdout;
    assert!(shown.contains("file: deleted on") && shown.contains("you may: nothing"), "{shown}");
    let trial = service.bedfeed(&["mapping", "test", "--provider", "RZZ", "--json"]).fine().json();
    assert_eq!(trial[0]["gone"], 2, "{trial}");

    // A start afterwards finds all in order, and a new file is taken as ever.
    service.stop();
    service.start();
    let (name, text) = good("RZZ", now(), 12);
    service.send("RZZ", "inbox", [(name.as_str(), &text)]);
    let rows = service.settled(8);
    assert_eq!(rows[7]["outcome"], "loaded");
    assert!(!service.log().contains("removed by hand"), "nothing looks for what is gone");
    service.bedfeed(&["audit", "verify"]).fine();
    assert_eq!(log(&service).len(), 4, "nothing is deleted twice");
    let trimmed = "SELECT count(*) AS n FROM entry WHERE json_extract(body, '$.event') = 'trimmed'";
    wait_until("derived tables have let go once", || service.ledger(trimmed)[0]["n"] == 1);
}

#[test]
fn deleted_lines_are_overwritten_and_not_only_forgotten() {
    let mut service = Service::cottage(&["RZY", "RZZ"]);
    let past = Past::of(&service);
    let at = |days: i64| days_ago(days) - SignedDuration::from_mins(2);
    let old = came(100, "RZZ", Folder::Inbox, marked(good("RZZ", at(100), 5)));
    let new = came(1, "RZZ", Folder::Inbox, good("RZZ", at(1), 6));
    past.take_in(&[old, new]);
    past.close();
    assert_eq!(holding(&service, MARK).len(), 2, "the original and the warehouse");
    service.start();
    service.bedfeed(&["retention", "run"]).fine();
    service.stop();
    assert!(holding(&service, MARK).is_empty(), "{:?}", holding(&service, MARK));
}

#[test]
fn what_is_held_stays_until_the_hold_ends_and_a_clock_that_may_have_jumped_deletes_nothing() {
    let mut service = Service::cottage(&["RZY", "RZZ"]);
    let past = Past::of(&service);
    let story = story(&past);
    // The ledger's newest moment is long ago: perhaps the clock is wrong. What a restore and starts record by it proves nothing.
    past.record(days_ago(10), vec![Event::Stopped]);
    past.record(now() - SignedDuration::from_mins(9), vec![Event::Restored { taken_at: days_ago(10), backup: Digest::of(b"a backup") }]);
    past.close();
    for start in 1..=3 {
        service.start();
        wait_until("the daemon says that it waits", || service.log().matches("nothing was recorded for days").count() == start);
        assert!(log(&service).is_empty());
        if start < 3 {
            service.stop();
        }
    }

    let who = ["--by", "Cara Dunn", "--reason", "inquest 12/2018"];
    for wrong in [
        &["hold", "add"][..],
        &["hold", "add", "--provider", "RXX"],
        &["hold", "add", "--from", "2018-12-03T00:00Z", "--to", "2018-12-03T00:00Z"],
    ] {
        assert_eq!(service.bedfeed(&[wrong, &who[..]].concat()).code, Some(64), "{wrong:?}");
    }
    let torn = story.torn.to_string();
    service.bedfeed(&[&["hold", "add", "--delivery", &torn], &who[..]].concat()).fine();
    let (from, to) = (days_ago(101).to_string(), days_ago(99).to_string());
    let made = service.bedfeed(&[&["hold", "add", "--provider", "RZZ", "--from", &from, "--to", &to, "--json"], &who[..]].concat());
    assert_eq!(made.fine().json()["hold"], 2);
    service.bedfeed(&[&["hold", "add", "--delivery", &story.sealed.to_string()], &who[..]].concat()).fine();
    let list = service.bedfeed(&["hold", "list"]).fine().stdout;
    assert!(list.contains("inquest 12/2018") && list.contains("provider RZZ, from"), "{list}");
    let quarantine = service.bedfeed(&["quarantine", "list"]).fine().stdout;
    assert!(quarantine.contains("held (1)"), "{quarantine}");
    let refused = service.bedfeed(&[&["discard", &story.sealed.to_string()], &who[..]].concat());
    assert!(refused.code == Some(1) && refused.stderr.contains("under legal hold 3"), "{refused:?}");

    // Asked for, it goes at once, but for what is held.
    let done = service.bedfeed(&["retention", "run", "--json"]).fine().json();
    let went: Vec<_> =
        done["deleted"].as_array().unwrap().iter().map(|it| (it["class"].as_str().unwrap(), it["things"].as_u64())).collect();
    assert_eq!(went, [("raw", Some(1)), ("checks", Some(1))], "{done}");
    assert!(service.state().join("quarantine").join(&torn).join("original").try_exists().unwrap());
    assert_eq!(lines_of(&service, story.rows_old), 20);
    assert!(service.bedfeed(&["retention", "run"]).fine().stdout.contains("nothing is old enough"));
    service.bedfeed(&[&["hold", "end", "2"], &who[..]].concat()).fine();
    let twice = service.bedfeed(&[&["hold", "end", "2"], &who[..]].concat());
    assert!(twice.code == Some(1) && twice.stderr.contains("no legal hold 2 that stands"), "{twice:?}");
    service.bedfeed(&["retention", "run"]).fine();
    assert_eq!(lines_of(&service, story.rows_old), 0);
    assert!(service.state().join("quarantine").join(&torn).join("original").try_exists().unwrap(), "hold 1 stands");
    let all = service.bedfeed(&["hold", "list", "--all", "--json"]).fine().json();
    assert_eq!((all.as_array().unwrap().len(), all[1]["ended_by"].as_str()), (3, Some("Cara Dunn")), "{all}");
    service.bedfeed(&["audit", "verify"]).fine();
}

#[test]
fn a_disposal_that_a_crash_cut_short_is_finished_by_the_next_start() {
    let mut service = Service::cottage(&["RZY", "RZZ"]);
    let past = Past::of(&service);
    let story = story(&past);
    let disposal = |number, class: Class, ids: Vec<DeliveryId>| Event::Disposing {
        disposal: Box::new(Disposal { number, class, rule: "by a test".to_owned(), before: now(), ids, items: 1, bytes: 1 }),
        again: Vec::new(),
    };
    // As a kill leaves it between the record and the deletion, of every class; of one, half the files are gone.
    past.record(
        days_ago(10),
        vec![
            disposal(1, Class::Raw, vec![story.rows_old, story.raw_old]),
            disposal(2, Class::Quarantine, vec![story.sealed]),
            disposal(3, Class::Checks, vec![story.tested]),
            disposal(4, Class::Rows, vec![story.rows_old]),
            disposal(5, Class::Sums, vec![story.rows_old]),
        ],
    );
    past.close();
    std::fs::remove_file(service.state().join("deliveries").join(story.raw_old.to_string())).unwrap();
    service.start();
    let rows = log(&service);
    assert!(rows.len() == 5 && rows.iter().all(|row| row["done_at"].is_string()), "{rows:#?}");
    let deliveries = names(&service.state().join("deliveries"));
    assert!(!deliveries.contains(&story.rows_old.to_string()) && deliveries.contains(&story.young.to_string()), "{deliveries:?}");
    assert!(names(&service.state().join("checks")).is_empty());
    assert_eq!(names(&service.state().join("quarantine")), [story.torn.to_string()]);
    assert_eq!(lines_of(&service, story.rows_old), 0);
    let sums = "SELECT count(*) AS n FROM agg_ward_slot JOIN ingest_snapshot USING (snapshot_key) WHERE snapshot_id = ";
    assert_eq!(service.query(&format!("{sums}'{}'", story.rows_old))[0]["n"], 0);
    assert_ne!(service.query(&format!("{sums}'{}'", story.raw_old))[0]["n"], 0);
    let ids: Vec<String> = service.deliveries().iter().map(|row| id(row).to_owned()).collect();
    assert_eq!(ids.len(), 7, "the ledger forgets nothing: {ids:?}");
}

#[test]
fn a_kill_at_any_moment_leaves_nothing_that_is_gone_without_a_word_and_nothing_that_stays() {
    /// Kills, each a little later after the start than the one before.
    const KILLS: u64 = 16;
    let mut service = Service::cottage(&["RZZ"]);
    let past = Past::of(&service);
    let at = |number: u32| days_ago(60) + SignedDuration::from_mins(15 * i64::from(number));
    let old = (1..=40).map(|number| {
        let sent = at(number) - SignedDuration::from_mins(2);
        let made = if number % 4 == 0 { damaged("RZZ", sent, number) } else { good("RZZ", sent, number) };
        Came { at: at(number), ..came(60, "RZZ", Folder::Inbox, made) }
    });
    let mut sent: Vec<Came> = old.collect();
    sent.push(came(1, "RZZ", Folder::Inbox, good("RZZ", days_ago(1) - SignedDuration::from_mins(2), 99)));
    let ids = past.take_in(&sent);
    past.record(now() - SignedDuration::from_mins(5), vec![Event::Stopped]);
    past.close();
    let kept = |service: &Service| [names(&service.state().join("deliveries")), names(&service.state().join("quarantine"))].concat();
    let recorded = |service: &Service| -> Vec<String> {
        let rows = service.ledger("SELECT delivery FROM disposed ORDER BY delivery");
        rows.iter().map(|row| row["delivery"].as_str().unwrap().to_owned()).collect()
    };
    let mut seen = std::collections::BTreeSet::new();
    for kill in 0..KILLS {
        service.start_under(&[]);
        common::pause(std::time::Duration::from_millis(60 + 20 * kill));
        service.kill();
        let (kept, recorded) = (kept(&service), recorded(&service));
        let silent: Vec<_> = ids.iter().map(ToString::to_string).filter(|id| !kept.contains(id) && !recorded.contains(id)).collect();
        assert!(silent.is_empty(), "gone without a word: {silent:?}");
        seen.insert((kept.len(), recorded.len()));
    }
    service.start();
    wait_until("everything old is gone", || kept(&service).len() == 1 && log(&service).iter().all(|row| row["done_at"].is_string()));
    assert_eq!(kept(&service), [ids[40].to_string()]);
    assert_eq!(recorded(&service), ids[..40].iter().map(ToString::to_string).collect::<Vec<_>>());
    assert_eq!(log(&service).len(), 2, "each class went in one disposal, whatever was killed: {seen:?}");
    service.bedfeed(&["audit", "verify"]).fine();
}

/// Puts a finding of a delivery into the warehouse, as a daemon that ran then would have.
fn add_a_finding(service: &Service, delivery: DeliveryId, received_at: Timestamp) {
    let warehouse = rusqlite::Connection::open(service.state().join("warehouse.db")).unwrap();
    let at = received_at.strftime("%Y-%m-%dT%H:%M:%SZ");
    let sql = format!(
        "INSERT OR IGNORE INTO ingest_file (delivery_id, provider_code, name, sha256, bytes, key_owner, received_at, state)
           VALUES ('{delivery}', 'RZZ', 'a.csv', '', 1, 'night job', '{at}', 'quarantined');
         INSERT INTO ingest_issue (delivery_id, issue_no, rule, severity, occurrences)
           VALUES ('{delivery}', 1, 'TOT-01', 'reject_file', 1)"
    );
    warehouse.execute_batch(&sql).unwrap();
}

#[test]
fn findings_that_were_deleted_do_not_come_back_and_what_did_is_deleted_by_name() {
    let mut service = Service::cottage(&["RZZ"]);
    service.append("bedfeed.toml", "\n[retention]\nquarantine_days = 60\nrow_days = 28\nsum_days = 28\n");
    let past = Past::of(&service);
    let torn = damaged("RZZ", days_ago(40) - SignedDuration::from_mins(2), 5);
    let torn = past.take_in(&[came(40, "RZZ", Folder::Inbox, torn)])[0];
    add_a_finding(&service, torn, days_ago(40));
    past.close();
    service.start();
    let run = || {
        let done = service.bedfeed(&["retention", "run", "--json"]).fine().json();
        assert_eq!(done["deleted"][0]["class"], "sums", "{done}");
        log(&service)[0]["ids"].clone()
    };
    assert_eq!(run(), serde_json::json!([torn]));
    let who = ["--by", "Cara Dunn", "--reason", "too late"];
    service.bedfeed(&[&["hand-back", &torn.to_string()], &who[..]].concat()).fine();
    let state = format!("SELECT state FROM ingest_file WHERE delivery_id = '{torn}'");
    wait_until("the warehouse has heard of it", || service.query(&state)[0]["state"] == "handed_back");
    let findings = "SELECT (SELECT count(*) FROM ingest_issue) + (SELECT count(*) FROM ingest_row_reject) AS n";
    assert_eq!(service.query(findings)[0]["n"], 0);
    // One that an older bedfeed let come back.
    add_a_finding(&service, torn, days_ago(40));
    assert_eq!(run(), serde_json::json!([torn]));
    assert_eq!(service.query(findings)[0]["n"], 0);
    assert_eq!(log(&service).iter().map(|row| row["ids"].as_array().unwrap().len()).sum::<usize>(), 2, "each names it");
    service.bedfeed(&["audit", "verify"]).fine();
}

#[test]
fn a_hold_that_comes_before_a_disposal_is_done_keeps_what_is_still_there() {
    let mut service = Service::cottage(&["RZY", "RZZ"]);
    let past = Past::of(&service);
    let story = story(&past);
    let disposing = |number, class: Class, ids: Vec<DeliveryId>, items| {
        let disposal = Disposal { number, class, rule: "by a test".to_owned(), before: now(), ids, items, bytes: 0 };
        Event::Disposing { disposal: Box::new(disposal), again: Vec::new() }
    };
    let discarded =
        |delivery, sealed| Event::Moved { delivery, stage: Stage::Quarantined { sealed, discarded: true }, report: None, note: None };
    let hold = |number, delivery| {
        let scope = HoldScope { delivery: Some(delivery), ..HoldScope::default() };
        let hold = Hold { number, scope, by: "Cara Dunn".to_owned(), reason: "inquest".to_owned(), account: None };
        Event::HoldPlaced { hold: Box::new(hold) }
    };
    // As a daemon leaves it that could not finish any of them, and was told to keep a part of each then; of two things there is
    // nothing left to keep.
    past.record(
        days_ago(10),
        vec![
            disposing(1, Class::Raw, vec![story.rows_old, story.raw_old, story.quiet], 3),
            disposing(2, Class::Quarantine, vec![story.torn, story.sealed], 2),
            discarded(story.torn, false),
            discarded(story.sealed, true),
            disposing(3, Class::Checks, vec![story.tested], 1),
            disposing(4, Class::Rows, vec![story.rows_old, story.raw_old], 40),
            disposing(5, Class::Sums, vec![story.rows_old, story.torn], 2),
        ],
    );
    let held = [story.rows_old, story.sealed, story.tested, story.torn, story.quiet];
    past.record(days_ago(9), (1..).zip(held).map(|(number, id)| hold(number, id)).collect());
    past.close();
    std::fs::remove_file(service.state().join("deliveries").join(story.quiet.to_string())).unwrap();
    std::fs::remove_dir_all(service.state().join("quarantine").join(story.torn.to_string())).unwrap();
    service.start();
    let rows = log(&service);
    assert!(rows.len() == 5 && rows.iter().all(|row| row["done_at"].is_string()), "{rows:#?}");
    let told = |row: &Value| {
        let mut ids: Vec<String> = row["ids"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect();
        ids.sort();
        ids
    };
    let wanted: [(&[DeliveryId], u64); 5] =
        [(&[story.raw_old, story.quiet], 2), (&[story.torn], 1), (&[], 0), (&[story.raw_old], 20), (&[story.torn], 0)];
    for (row, (ids, items)) in rows.iter().rev().zip(wanted) {
        let mut ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        ids.sort();
        assert_eq!((told(row), row["items"].as_u64()), (ids, Some(items)), "{row:#}");
    }
    let state = service.state();
    assert!(names(&state.join("deliveries")).contains(&story.rows_old.to_string()));
    assert!(!names(&state.join("deliveries")).contains(&story.raw_old.to_string()));
    assert_eq!(names(&state.join("checks")), [format!("{}.txt", story.tested)]);
    assert!(state.join("quarantine").join(story.sealed.to_string()).join("original").try_exists().unwrap(), "its bytes are held");
    assert_eq!([story.rows_old, story.raw_old].map(|lead| lines_of(&service, lead)), [20, 0]);
    let listed = service.bedfeed(&["quarantine", "list", "--json"]).fine().json();
    assert_eq!(listed.as_array().unwrap().len(), 1, "it waits for a decision again: {listed}");
    assert!(!service.explain(&story.rows_old.to_string()).contains("deleted on"), "nothing of it is called gone");
    assert!(service.bedfeed(&["retention", "run"]).fine().stdout.contains("nothing is old enough"));
    let who = ["--by", "Cara Dunn", "--reason", "closed"];
    service.bedfeed(&[&["hold", "end", "1"], &who[..]].concat()).fine();
    let told = service.bedfeed(&["retention", "run"]).fine().stdout;
    assert!(told.contains("deleted 1 file, ") && told.contains("deleted 20 lines of 1 snapshot"), "{told}");
    assert_eq!(lines_of(&service, story.rows_old), 0);
    service.bedfeed(&["audit", "verify"]).fine();
}

#[test]
fn p1_while_the_ledger_does_not_know_all_that_is_here_nothing_is_deleted_by_itself() {
    let mut service = Service::cottage(&["RZY", "RZZ"]);
    let past = Past::of(&service);
    let story = story(&past);
    let (rule, ids) = ("by a test".to_owned(), vec![story.rows_old]);
    let disposal = Disposal { number: 1, class: Class::Raw, rule, before: now(), ids, items: 1, bytes: 1 };
    let begun = Event::Disposing { disposal: Box::new(disposal), again: Vec::new() };
    past.record(now() - SignedDuration::from_mins(5), vec![begun, Event::Stopped]);
    past.close();
    // What a newer ledger has, and this one has not: as where an older one was put in its place.
    let unknown = DeliveryId::new(now(), [77; 10]).to_string();
    let deliveries = service.state().join("deliveries");
    std::fs::write(deliveries.join(&unknown), b"a file").unwrap();
    let kept = names(&deliveries).len() - 1;
    for start in 1..=2 {
        service.start();
        wait_until("retention says that it waits", || {
            service.log().matches("retention waits: the ledger may be the wrong one").count() == start
        });
        service.stop();
        assert_eq!(names(&deliveries).len(), kept, "but for what was set aside");
        let rows = log(&service);
        assert!(rows.len() == 1 && rows[0]["done_at"].is_null(), "{rows:?}");
        assert!(service.state().join("quarantine").join(story.torn.to_string()).join("original").try_exists().unwrap());
    }
    std::fs::remove_file(service.state().join("unknown").join(&unknown)).unwrap();
    service.start();
    wait_until("what is old is gone", || {
        let rows = log(&service);
        rows.len() == 5 && rows.iter().all(|row| row["done_at"].is_string())
    });
}

#[test]
fn a_hold_on_a_time_keeps_the_files_that_are_about_it_as_well_as_those_that_came_then() {
    let service = Service::cottage(&["RZZ"]);
    service.append("bedfeed.toml", "\n[retention]\nrow_days = 28\nsum_days = 28\n");
    let past = Past::of(&service);
    // Figures of a slot, which come twenty minutes after it began; each kind of file, and each a quarter of an hour after the other.
    let about = |number: i32| Slot::containing(days_ago(40)).plus(number).start();
    let file = |number: i32, folder, (name, text): (String, String)| Came {
        at: about(number) + SignedDuration::from_mins(20),
        provider: "RZZ",
        folder,
        name,
        text,
    };
    let ids = past.take_in(&[
        file(0, Folder::Inbox, good("RZZ", about(0), 5)),
        file(4, Folder::Inbox, damaged("RZZ", about(4), 6)),
        file(8, Folder::Test, good("RZZ", about(8), 7)),
        came(1, "RZZ", Folder::Inbox, good("RZZ", days_ago(1) - SignedDuration::from_mins(2), 8)),
    ]);
    let dry = || service.bedfeed(&["retention", "run", "--dry-run", "--json"]).fine().json();
    add_a_finding(&service, ids[1], about(4) + SignedDuration::from_mins(20));
    let all = [
        (Class::Raw, ids[0]),
        (Class::Quarantine, ids[1]),
        (Class::Raw, ids[2]),
        (Class::Checks, ids[2]),
        (Class::Rows, ids[0]),
        (Class::Sums, ids[0]),
        (Class::Sums, ids[1]),
    ];
    assert_eq!(listed(&dry(), "goes"), expected(&all));
    for (hold, number) in [(1, 0), (2, 4), (3, 8)] {
        let scope = HoldScope {
            from: Some(about(number) - SignedDuration::from_mins(1)),
            to: Some(about(number) + SignedDuration::from_mins(1)),
            ..HoldScope::default()
        };
        let hold = Hold { number: hold, scope, by: "Cara Dunn".to_owned(), reason: "inquest".to_owned(), account: None };
        past.record(now(), vec![Event::HoldPlaced { hold: Box::new(hold) }]);
    }
    assert_eq!(listed(&dry(), "stays"), expected(&all));
    assert!(listed(&dry(), "goes").is_empty());
    past.close();
}

#[test]
fn what_is_left_of_a_sealed_file_that_was_decided_on_goes_too() {
    let mut service = Service::cottage(&["RZZ"]);
    let past = Past::of(&service);
    let at = |days: i64| days_ago(days) - SignedDuration::from_mins(2);
    let ids = past.take_in(&[
        came(41, "RZZ", Folder::Inbox, leaking(good("RZZ", at(41), 5))),
        came(40, "RZZ", Folder::Inbox, leaking(good("RZZ", at(40), 6))),
        came(1, "RZZ", Folder::Inbox, good("RZZ", at(1), 7)),
    ]);
    let decided = |delivery, stage| Event::Moved { delivery, stage, report: None, note: None };
    past.record(
        days_ago(35),
        vec![
            decided(ids[0], Stage::HandedBack { sealed: true, mend: None }),
            decided(ids[1], Stage::Quarantined { sealed: true, discarded: true }),
        ],
    );
    // The ledger's newest moment is long ago, so the daemon settles the files and deletes nothing of its own accord.
    past.close();
    service.start();
    for id in &ids[..2] {
        assert_eq!(names(&service.state().join("quarantine").join(id.to_string())), ["findings.json"]);
    }
    let done = service.bedfeed(&["retention", "run", "--json"]).fine().json();
    assert_eq!(done["deleted"][0]["things"], 2, "{done}");
    assert!(names(&service.state().join("quarantine")).is_empty());
    service.stop();
    service.start();
    assert!(names(&service.state().join("quarantine")).is_empty(), "no start brings them back");
    assert!(service.bedfeed(&["retention", "run"]).fine().stdout.contains("nothing is old enough"));
}

#[test]
fn rows_that_somebody_still_reads_are_not_told_as_gone_until_they_are() {
    let mut service = Service::cottage(&["RZZ"]);
    let past = Past::of(&service);
    let at = |days: i64| days_ago(days) - SignedDuration::from_mins(2);
    let old = came(100, "RZZ", Folder::Inbox, marked(good("RZZ", at(100), 5)));
    let new = came(1, "RZZ", Folder::Inbox, good("RZZ", at(1), 6));
    past.take_in(&[old, new]);
    // The ledger was silent for long, so nothing goes by itself.
    past.record(days_ago(10), vec![Event::Stopped]);
    past.close();
    let warehouse = service.state().join("warehouse.db");
    let reading = || {
        let analyst = rusqlite::Connection::open(&warehouse).unwrap();
        analyst.execute_batch("BEGIN").unwrap();
        let lines: i64 = analyst.query_row("SELECT count(*) FROM fact_bed_line", [], |row| row.get(0)).unwrap();
        (analyst, lines)
    };
    let done = |service: &Service| -> Vec<bool> {
        let rows = log(service).into_iter().filter(|row| row["class"] == "rows");
        rows.map(|row| row["done_at"].is_string()).collect()
    };
    let (analyst, lines) = reading();
    assert_eq!(lines, 40);
    service.start();
    let refused = service.bedfeed(&["retention", "run"]);
    assert!(refused.code == Some(1) && refused.stderr.contains("somebody is reading the warehouse"), "{refused:?}");
    assert_eq!(done(&service), [false]);
    // Nor by a start, while it goes on.
    service.stop();
    service.start();
    assert_eq!(done(&service), [false]);
    assert!(service.log().contains("a disposal could not be finished"), "the log says so");
    drop(analyst);
    let told = service.bedfeed(&["retention", "run"]).fine().stdout;
    assert!(told.contains("deleted 20 lines of 1 snapshot"), "what was begun before is told when it ends: {told}");
    assert_eq!(done(&service), [true]);
    assert!(holding(&service, MARK).is_empty(), "{:?}", holding(&service, MARK));
}
