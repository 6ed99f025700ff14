//! The audit trail from outside: a real daemon writes one, somebody changes it in every way there is, and it shows.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may fail loudly"
)]

mod common;

use bedfeed::feed::Digest;
use common::extract::{damaged, good};
use common::webhook::Webhook;
use common::{Service, id, now, repository, run, wait_until};
use jiff::{SignedDuration, Timestamp};
use rusqlite::Connection;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

fn minutes_ago(minutes: i64) -> Timestamp {
    now() - SignedDuration::from_mins(minutes)
}

/// A daemon that has run, with an entry of every sort that a feed's ordinary life makes. It is stopped.
fn with_a_trail() -> Service {
    let mut service = Service::cottage(&["RZZ"]);
    service.start();
    let at = minutes_ago(1);
    let (name, first) = good("RZZ", at, 1);
    let (_, second) = good("RZZ", at, 2);
    service.send("RZZ", "inbox", [(name.as_str(), &first)]);
    service.settled(1);
    service.send("RZZ", "inbox", [(name.as_str(), &second)]);
    let (bad, text) = damaged("RZZ", minutes_ago(16), 3);
    service.settled(2);
    service.send("RZZ", "inbox", [(bad.as_str(), &text)]);
    let rows = service.settled(3);
    for _ in 0..2 {
        service.receipt("RZZ", &bad);
    }
    service.bedfeed(&["discard", id(&rows[2]), "--by", "ann", "--reason", "sent again by phone"]).fine();
    service.receipt("RZZ", &bad);
    service.bedfeed(&["audit", "note", "--by", "ann", "--note", "change 4711: a new contact"]).fine();
    let refused = service.bedfeed(&["audit", "note", "--by", "ann", "--note", "rang about 999 000 0018"]);
    assert!(refused.code == Some(1) && refused.stderr.contains("patient's number"), "{refused:?}");
    service.stop();
    service.edit("providers/RZZ.toml", "name = ", "# changed by change 4711\nname = ");
    service.start();
    service.stop();
    service
}

/// The exported trail.
fn export(service: &Service) -> Vec<Value> {
    let exported = service.bedfeed(&["audit", "export"]).fine().stdout;
    exported.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn event(link: &Value) -> Value {
    serde_json::from_str(link["body"].as_str().unwrap()).unwrap()
}

fn events<'a>(trail: &'a [Value], name: &'a str) -> impl Iterator<Item = Value> + 'a {
    trail.iter().map(event).filter(move |event| event["event"] == name)
}

#[test]
fn p8_every_sort_of_event_is_in_the_trail_and_a_stranger_can_verify_it() {
    let service = with_a_trail();
    let trail = export(&service);
    let names: BTreeSet<String> = trail.iter().map(|link| event(link)["event"].as_str().unwrap().to_owned()).collect();
    for name in [
        "started",
        "settings_changed",
        "accepted",
        "moved",
        "superseded",
        "receipt_read",
        "acted",
        "noted",
        "client_seen",
        "checkpoint_sent",
        "stopped",
    ] {
        assert!(names.contains(name), "no {name} in {names:?}");
    }
    let delivery = |index: usize| events(&trail, "accepted").nth(index).unwrap()["delivery"]["id"].as_str().unwrap().to_owned();
    let superseded: Vec<Value> = events(&trail, "superseded").collect();
    assert_eq!(superseded.len(), 1, "{superseded:?}");
    assert_eq!((superseded[0]["delivery"].as_str(), superseded[0]["by"].as_str()), (Some(&*delivery(0)), Some(&*delivery(1))));
    let read: Vec<String> = events(&trail, "receipt_read").map(|event| event["stage"].as_str().unwrap().to_owned()).collect();
    assert_eq!(read, ["quarantined", "discarded"], "once for each thing that it said");

    let changes: Vec<Value> = events(&trail, "settings_changed").collect();
    let files = |change: &Value| {
        change["files"].as_array().unwrap().iter().map(|file| file["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert!(files(&changes[0]).contains(&"bedfeed.toml".to_owned()), "{changes:?}");
    assert_eq!(files(&changes[1]), ["providers/RZZ.toml"]);
    let changed = &changes[1]["files"][0];
    let is = Digest::of(&fs::read(service.provider_file("RZZ")).unwrap()).to_string();
    assert!(changed["is"] == is.as_str() && changed["was"].is_string() && changed["owner"].is_u64(), "{changed}");
    assert_eq!((changes.len(), &changes[1]["from"]), (2, &changes[0]["to"]));

    let file = service.dir().join("trail.jsonl");
    service.bedfeed(&["audit", "export", "--out", file.to_str().unwrap()]).fine();
    let verifier = repository().join("tests/tools/verify_audit.py");
    let python = |file: &PathBuf| run("python3", &[verifier.as_os_str(), file.as_os_str()], b"");
    let head = service.bedfeed(&["audit", "verify", "--json"]).fine().json();
    let said = python(&file).fine().stdout;
    assert_eq!(said.trim(), format!("{} {}", head["entries"], head["head"].as_str().unwrap()));
    let own = service.bedfeed(&["audit", "verify", file.to_str().unwrap(), "--json"]).fine().json();
    assert_eq!((&own["head"], &own["entries"]), (&head["head"], &head["entries"]));
    assert_ne!(service.bedfeed(&["audit", "export", "--out", file.to_str().unwrap()]).code, Some(0), "nothing is overwritten");

    // A part of it, and one that somebody changed.
    let half = service.dir().join("half.jsonl");
    service.bedfeed(&["audit", "export", "--since", trail[4]["at"].as_str().unwrap(), "--out", half.to_str().unwrap()]).fine();
    assert_eq!(python(&half).fine().stdout, said);
    let verified = service.bedfeed(&["audit", "verify", half.to_str().unwrap()]).fine().stdout;
    assert!(verified.contains("taken as given"), "{verified}");
    let count = trail.len() - 4;
    assert!(verified.starts_with(&format!("fine: {count} entries, 5 to {}, head", trail.len())), "{verified}");
    let own = service.bedfeed(&["audit", "verify", half.to_str().unwrap(), "--json"]).fine().json();
    assert_eq!((own["entries"].as_u64(), own["first"].as_u64()), (u64::try_from(count).ok(), Some(5)), "{own}");
    // An export that failed before its first line proves nothing, and what cannot be read is no verdict.
    let empty = service.file("empty.jsonl", "");
    let refused = service.bedfeed(&["audit", "verify", &empty]);
    assert!(refused.code == Some(1) && refused.stdout.contains("holds no entry"), "{refused:?}");
    for words in [&["audit", "verify", "/nonexistent"][..], &["audit", "verify", "--checkpoint", "/nonexistent"]] {
        let refused = service.bedfeed(words);
        assert!(refused.code == Some(66) && refused.stderr.contains("/nonexistent"), "{refused:?}");
    }
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&half, text.replace("sent again by phone", "sent again by post")).unwrap();
    assert_eq!(python(&half).code, Some(1));
    let refused = service.bedfeed(&["audit", "verify", half.to_str().unwrap()]);
    assert!(refused.code == Some(1) && refused.stdout.contains("was changed"), "{refused:?}");
}

const UNGUARD: &str = "DROP TRIGGER entry_is_never_changed; DROP TRIGGER entry_is_never_deleted;";

/// Computes every hash anew, as somebody would who knows how.
fn rewrite(connection: &Connection) {
    let mut statement = connection.prepare("SELECT rowid, at, body FROM entry ORDER BY seq").unwrap();
    let entries: Vec<(i64, String, String)> =
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap().map(Result::unwrap).collect();
    let mut previous = Digest([0; 32]);
    for (seq, (rowid, at, body)) in (1_i64..).zip(entries) {
        previous = Digest::of(format!("{previous}\n{seq}\n{at}\n{body}\n").as_bytes());
        connection.execute("UPDATE entry SET seq = ?2, hash = ?3 WHERE rowid = ?1", rusqlite::params![rowid, seq, previous.0]).unwrap();
    }
}

#[test]
fn p8_whatever_somebody_does_to_the_ledger_shows() {
    let service = with_a_trail();
    let path = service.state().join("ledger.db");
    let checkpoints = service.dir().join("checkpoints");
    let shown = checkpoints.to_str().unwrap();
    // Two days' checkpoints: one was taken in the middle.
    let middle = &export(&service)[5];
    let early = serde_json::json!({ "at": middle["at"], "seq": middle["seq"], "hash": middle["hash"] });
    let early = format!("{{\"at\":{},\"seq\":{},\"hash\":{}}}\n", early["at"], early["seq"], early["hash"]);
    fs::write(&checkpoints, early).unwrap();
    service.bedfeed(&["audit", "checkpoint", "--out", shown]).fine();
    let fine = service.bedfeed(&["audit", "verify", "--checkpoint", shown]).fine().stdout;
    assert!(fine.contains("checkpoints that it holds: 2"), "{fine}");
    let original = fs::read(&path).unwrap();

    // What is done, what `audit verify` says of it, and whether it takes a checkpoint to see it.
    let rows: &[(&str, &str, &str, bool)] = &[
        ("an edited body", "UPDATE entry SET body = replace(body, 'ann', 'eve') WHERE body LIKE '%by phone%'", "was changed", false),
        ("an edited time", "UPDATE entry SET at = '2018-12-03T10:15:00.000000Z' WHERE seq = 3", "entry 3 was changed", false),
        ("an edited hash", "UPDATE entry SET hash = zeroblob(32) WHERE seq = 4", "entry 4 was changed", false),
        ("a hash of another length", "UPDATE entry SET hash = x'00' WHERE seq = 4", "entry 4 was changed", false),
        ("a body that is no text", "UPDATE entry SET body = CAST(x'ff' AS TEXT) WHERE seq = 4", "entry 4 was changed", false),
        ("another delivery", "UPDATE entry SET delivery = NULL WHERE body LIKE '{\"event\":\"superseded%'", "filed under another", false),
        ("one removed from the middle", "DELETE FROM entry WHERE seq = 5", "entry 5 is missing", false),
        ("the first removed", "DELETE FROM entry WHERE seq = 1", "entry 1 is missing", false),
        (
            "one removed and the rest moved up",
            "DELETE FROM entry WHERE seq = 5; UPDATE entry SET seq = seq - 1 WHERE seq > 5",
            "entry 5 was changed",
            false,
        ),
        (
            "one inserted",
            "UPDATE entry SET seq = -seq WHERE seq > 5; UPDATE entry SET seq = 1 - seq WHERE seq < 0;
             INSERT INTO entry SELECT 6, at, delivery, body, hash FROM entry WHERE seq = 5",
            "entry 6 was changed",
            false,
        ),
        ("one added at the end", "INSERT INTO entry SELECT max(seq) + 1, at, delivery, body, hash FROM entry", "was changed", false),
        (
            "two that changed places",
            "UPDATE entry SET seq = -5 WHERE seq = 5; UPDATE entry SET seq = 5 WHERE seq = 6; UPDATE entry SET seq = 6 WHERE seq = -5",
            "entry 5 was changed",
            false,
        ),
        (
            "a stage that no entry tells of",
            "UPDATE delivery SET outcome = 'loaded' WHERE outcome = 'quarantined'",
            "the entries say otherwise about outcome",
            false,
        ),
        ("a delivery that is hidden", "DELETE FROM delivery WHERE outcome = 'quarantined'", "the table does not", false),
        (
            "a delivery that nobody sent",
            "INSERT INTO delivery SELECT '0190a6c2-7a3b-7c4d-8e5f-0123456789ab', provider, folder, name, sha256, received_at, facts, outcome,
             stage, moved_at, report, note, slot, version, NULL, released FROM delivery LIMIT 1",
            "no entry tells of it",
            false,
        ),
        ("an alert that was silenced", "UPDATE outbox SET delivered_at = NULL", "the entries say otherwise about delivered_at", false),
        ("the last one removed, with nothing derived from it", "DELETE FROM entry WHERE seq = (SELECT max(seq) FROM entry)", "its tail was cut off", true),
        ("everything removed", "DELETE FROM entry; DELETE FROM delivery; DELETE FROM feed; DELETE FROM episode; DELETE FROM outbox; DELETE FROM client; DELETE FROM settings_file", "its tail was cut off", true),
        ("a chain written anew", "REWRITE UPDATE entry SET body = replace(body, 'change 4711', 'change 4712')", "written anew", true),
    ];
    for (what, sql, expected, takes_a_checkpoint) in rows {
        fs::write(&path, &original).unwrap();
        let connection = Connection::open(&path).unwrap();
        let guards: Vec<String> = {
            let mut statement = connection.prepare("SELECT sql FROM sqlite_master WHERE type = 'trigger'").unwrap();
            statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
        };
        connection.execute_batch(UNGUARD).unwrap();
        connection.execute_batch(sql.trim_start_matches("REWRITE ")).unwrap_or_else(|error| panic!("{what}: {error}"));
        if sql.starts_with("REWRITE ") {
            rewrite(&connection);
        }
        connection.execute_batch(&format!("{};", guards.join(";"))).unwrap();
        connection.close().unwrap();
        let alone = service.bedfeed(&["audit", "verify"]);
        assert_eq!(alone.code, Some(i32::from(!takes_a_checkpoint)), "{what}: {alone:?}");
        let with = service.bedfeed(&["audit", "verify", "--checkpoint", shown]);
        assert!(with.code == Some(1) && with.stdout.starts_with("BROKEN"), "{what}: {with:?}");
        let said = if *takes_a_checkpoint { &with } else { &alone };
        assert!(said.stdout.contains(expected), "{what}: {said:?}");
    }

    fs::write(&path, &original).unwrap();
    Connection::open(&path).unwrap().execute_batch(UNGUARD).unwrap();
    let unguarded = service.bedfeed(&["audit", "verify"]);
    assert!(unguarded.code == Some(1) && unguarded.stdout.contains("triggers"), "{unguarded:?}");
    fs::write(&path, &original).unwrap();
    service.bedfeed(&["audit", "verify", "--checkpoint", shown]).fine();
}

#[test]
fn p8_the_head_is_sent_once_a_day_to_where_the_settings_say() {
    let webhook = Webhook::open();
    let bodies = || webhook.posted().into_iter().map(|posted| posted.body.to_string()).collect::<Vec<_>>();
    let mut service = Service::cottage(&["RZZ"]);
    let hook =
        format!("\n[[alerts.webhook]]\nname = \"archive\"\nurl = \"{}\"\n[audit]\ncheckpoint_to = [\"log\", \"archive\"]\n", webhook.url());
    service.append("bedfeed.toml", &hook);
    for _ in 0..2 {
        service.start();
        wait_until("the head was sent", || !bodies().is_empty() && service.log().contains("Keep this line"));
        service.stop();
    }
    let sent: Vec<String> = bodies().into_iter().filter(|body| body.contains("\"checkpoint\"")).collect();
    assert_eq!(sent.len(), 1, "{sent:?}");
    // Both places are enough to verify by.
    for (name, text) in [("body", sent[0].clone()), ("kept.log", service.log())] {
        let path = service.dir().join(name);
        fs::write(&path, text).unwrap();
        let said = service.bedfeed(&["audit", "verify", "--checkpoint", path.to_str().unwrap()]).fine().stdout;
        assert!(said.contains("checkpoints that it holds: 1"), "{said}");
    }
    service.edit("bedfeed.toml", "\"archive\"]", "\"archives\"]");
    let refused = service.bedfeed(&["check-config"]);
    assert!(refused.code == Some(78) && refused.stderr.contains("archives"), "{refused:?}");
}
