//! Replay: a mapping was wrong, is mended, and what came meanwhile is read again: new versions, same history, nothing taken back.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may fail loudly"
)]

mod common;

use bedfeed::feed::{Folder, Slot};
use common::extract::good;
use common::past::{Came, Past};
use common::warehouse::Locked;
use common::{Service, id, now, wait_until};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

const SPARE: &str = "\n[[mapping.table.line]]\nwhen = { status = \"spare\" }\nset = { line_type = { value = \"EMP\" }, \
                     bed_status = { value = \"U\" }, empty_state = { value = \"RDY\" } }\n";

/// Gives a row once all replays have ended, and what they found is loaded.
const ENDED: &str = "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM replay WHERE ended_at IS NULL)
     AND NOT EXISTS (SELECT 1 FROM replayed WHERE version IS NOT NULL AND loaded = 0)";

/// Sends ten files for one slot, a minute apart: later ones may be early for the next.
fn send_a_slot(service: &Service, slot: Slot, first: u32) {
    let file = |minute: u32| good("RZA", slot.start() + SignedDuration::from_mins(minute.into()), first + minute);
    let files: Vec<(String, String)> = (0..10).map(file).collect();
    service.send("RZA", "inbox", files.iter().map(|(name, text)| (name.as_str(), text)));
}

fn quarters_ago(quarters: i64) -> Timestamp {
    now() - SignedDuration::from_mins(15 * quarters + 1)
}

fn text<'a>(row: &'a Value, key: &str) -> &'a str {
    row[key].as_str().unwrap_or_default()
}

/// Every version of every slot: slot, version, the delivery that leads it, mapping, whether it counts.
fn versions(service: &Service) -> Vec<Value> {
    service.query(
        "SELECT slot_utc AS slot, version, snapshot_id AS id, mapping, is_current AS current,
           (SELECT count(*) FROM fact_bed_line AS f WHERE f.snapshot_key = s.snapshot_key) AS lines
         FROM ingest_snapshot AS s ORDER BY slot_utc, version",
    )
}

#[test]
fn p2_p4_a_mended_mapping_gives_new_versions_and_takes_nothing_back_over_a_kill() {
    let mut service = Service::cottage(&["RZA"]);
    service.append("providers/RZA.toml", SPARE);
    service.start();
    let send = |quarters: i64, pattern: u32, spare: bool| {
        let (name, text) = good("RZA", quarters_ago(quarters), pattern);
        let text = if spare { text.replacen("empty,,", "spare,,", 1) } else { text };
        service.send("RZA", "inbox", [(name.as_str(), &text)]);
    };
    let (first, last) = (quarters_ago(5), now());
    for (pattern, quarters) in (1..).zip([5, 4, 3, 2, 1]) {
        send(quarters, pattern, quarters == 3);
    }
    // A correction of one slot: an old file that is read again must not come before it.
    send(2, 20, false);
    let rows = service.settled(6);
    assert!(rows.iter().all(|row| row["outcome"] == "loaded"), "{rows:?}");
    let (old, correction, spare) = (id(&rows[3]).to_owned(), id(&rows[5]).to_owned(), id(&rows[2]).to_owned());
    let before = versions(&service);
    service.stop();

    let file = "providers/RZA.toml";
    service.edit(file, SPARE, "\n");
    service.edit(file, "version = \"rzz-1\"", "version = \"rzz-2\"");
    service.edit(file, "bed_base = { value = \"COR\" }", "bed_base = { value = \"ESC\" }");
    service.start();
    let (from, to) = (first.to_string(), last.to_string());
    let command = ["replay", "--provider", "RZA", "--from", &from, "--to", &to];
    let dry = service.bedfeed(&[&command[..], &["--dry-run", "--json"]].concat());
    assert_eq!(dry.code, Some(1), "one would not be accepted: {dry:?}");
    let Value::Array(would) = dry.json() else { panic!("no list") };
    let becomes = |id: &str| text(would.iter().find(|row| row["delivery"] == id).unwrap(), "becomes").to_owned();
    assert_eq!((would.len(), becomes(&spare).as_str(), becomes(&old).as_str()), (6, "kept", "new"), "{would:?}");
    let shown = service.bedfeed(&[&command[..], &["--dry-run"]].concat());
    assert!(shown.stdout.contains("a new version") && shown.stdout.contains("what it is now: ROW-99"), "{shown:?}");
    assert_eq!(versions(&service), before, "a dry run changes nothing");
    service.stop();

    // Killed after a version was committed, before the ledger knew.
    service.start_under(&["env", "BEDFEED_FAULT=warehouse_commit.after:2"]);
    service.await_ready();
    let who = ["--by", "A. Analyst", "--reason", "escalation beds were counted as core"];
    service.bedfeed(&[&command[..], &who[..], &["--no-wait"]].concat());
    service.await_end();
    service.start();
    wait_until("the replay has ended", || !service.ledger(ENDED).is_empty());
    // Beside it, the feed goes on.
    let (name, newest) = good("RZA", now(), 30);
    service.send("RZA", "inbox", [(name.as_str(), &newest)]);
    service.settled(7);

    let after = versions(&service);
    let of_slot = |slot: &str| after.iter().filter(|row| row["slot"] == slot).cloned().collect::<Vec<_>>();
    for row in &before {
        let (slot, lead) = (text(row, "slot"), text(row, "id"));
        let versions = of_slot(slot);
        let kept = versions.iter().find(|other| text(other, "id") == lead).unwrap();
        assert_eq!(
            (&kept["version"], &kept["lines"], &kept["mapping"]),
            (&row["version"], &row["lines"], &row["mapping"]),
            "history stays"
        );
        let again: Vec<&Value> = versions.iter().filter(|other| text(other, "id").starts_with(&format!("{lead}/"))).collect();
        assert_eq!(again.len(), usize::from(lead != spare), "one new version each, and none of what is not accepted: {versions:?}");
        let current: Vec<&Value> = versions.iter().filter(|other| other["current"] == 1).collect();
        let counts = if lead == old { &correction } else { lead };
        let mapping = if lead == spare { "rzz-1" } else { "rzz-2" };
        assert_eq!(current.len(), 1);
        assert!(text(current[0], "id").starts_with(counts) && text(current[0], "mapping") == mapping, "{slot}: {versions:?}");
    }
    assert_eq!(after.len(), 6 + 5 + 1);
    assert!(service.deliveries().iter().all(|row| row["outcome"] == "loaded"));
    let story = service.explain(&old);
    assert!(story.contains("read again by today's mapping: it says something else"), "{story}");
    assert!(service.explain(&spare).contains("its version stays: ROW-99"), "{}", service.explain(&spare));
    let asked = service.ledger("SELECT body FROM entry WHERE json_extract(body, '$.event') = 'replay_asked'");
    assert!(asked.len() == 1 && text(&asked[0], "body").contains("A. Analyst"), "{asked:?}");
    assert_eq!(service.receipt("RZA", &name).0["mapping"], "rzz-2");
    // Each version of the old file is behind the correction, and nothing else is behind anything.
    let superseded =
        "SELECT delivery AS id, json_extract(body, '$.by') AS behind FROM entry WHERE json_extract(body, '$.event') = 'superseded'";
    let superseded: Vec<(String, String)> =
        service.ledger(superseded).iter().map(|row| (text(row, "id").to_owned(), text(row, "behind").to_owned())).collect();
    assert_eq!(superseded, [(old.clone(), correction.clone()), (old.clone(), correction.clone())]);

    // Once more: there is nothing left to do, and the one that is not accepted is named again.
    let again = service.bedfeed(&[&command[..], &who[..], &["--json"]].concat());
    assert_eq!(again.code, Some(1), "{again:?}");
    let again = again.json();
    let counted = |what: &str| again["replay"][what].as_u64().unwrap();
    // The newest file may be of the slot after the last.
    assert!((counted("renewed"), counted("kept")) == (0, 1) && (5..=6).contains(&counted("unchanged")), "{again}");
    assert_eq!(text(&again["kept_because"][0], "delivery"), spare);
    assert_eq!(versions(&service), after);
    service.bedfeed(&["audit", "verify"]).fine();
    assert!(!service.log().contains("panicked"));
    service.stop();
}

#[test]
fn p2_corrections_that_come_while_their_slot_is_read_again_are_all_loaded() {
    let mut service = Service::cottage(&["RZA"]);
    service.start();
    let slot = Slot::containing(quarters_ago(1));
    send_a_slot(&service, slot, 1);
    service.settled(10);
    service.stop();
    service.edit("providers/RZA.toml", "bed_base = { value = \"COR\" }", "bed_base = { value = \"ESC\" }");
    service.start();
    let (from, to) = (slot.start().to_string(), slot.start().to_string());
    let who = ["--by", "A. Analyst", "--reason", "escalation beds", "--no-wait"];
    service.bedfeed(&[&["replay", "--provider", "RZA", "--from", &from, "--to", &to], &who[..]].concat()).fine();
    send_a_slot(&service, slot, 101);
    send_a_slot(&service, slot, 201);
    let rows = service.settled(30);
    assert!(rows.iter().all(|row| row["outcome"] == "loaded"), "{rows:?}");
    wait_until("the replay has ended", || !service.ledger(ENDED).is_empty());
    let versions = versions(&service);
    assert_eq!(versions.len(), 30 + 10, "{versions:?}");
    let numbers: Vec<i64> = versions.iter().map(|row| row["version"].as_i64().unwrap()).collect();
    assert_eq!(numbers, (1..=40).collect::<Vec<_>>());
    let current: Vec<&str> = versions.iter().filter(|row| row["current"] == 1).map(|row| text(row, "id")).collect();
    assert_eq!(current, [id(&rows[29])], "the last file of the last minute");
    service.stop();
}

#[test]
fn p2_a_replay_that_is_asked_for_twice_while_the_warehouse_is_away_makes_one_version() {
    let mut service = Service::cottage(&["RZA"]);
    service.start();
    for (pattern, quarters) in (1..).zip([2, 1]) {
        let (name, text) = good("RZA", quarters_ago(quarters), pattern);
        service.send("RZA", "inbox", [(name.as_str(), &text)]);
    }
    service.settled(2);
    service.stop();
    service.edit("providers/RZA.toml", "bed_base = { value = \"COR\" }", "bed_base = { value = \"ESC\" }");
    service.start();
    let lock = Locked::new(&service);
    let (from, to) = (quarters_ago(3).to_string(), now().to_string());
    let words = ["replay", "--provider", "RZA", "--from", &from, "--to", &to, "--reason", "escalation beds", "--no-wait", "--by"];
    for (nth, by) in ["Ann", "Bob"].into_iter().enumerate() {
        service.bedfeed(&[&words[..], &[by]].concat()).fine();
        let read = format!("SELECT 1 FROM replay WHERE ended_at IS NOT NULL LIMIT 1 OFFSET {nth}");
        wait_until("all was read again", || !service.ledger(&read).is_empty());
    }
    drop(lock);
    wait_until("the replays are loaded", || !service.ledger(ENDED).is_empty());
    let versions = versions(&service);
    assert_eq!(versions.len(), 4, "{versions:?}");
    let unchanged = service.ledger("SELECT unchanged FROM replay ORDER BY asked_at");
    assert_eq!(unchanged.iter().map(|row| row["unchanged"].as_i64().unwrap()).collect::<Vec<_>>(), [0, 2]);
    service.stop();
}

#[test]
fn p4_what_retention_deleted_keeps_its_version_and_is_told_as_deleted() {
    let mut service = Service::cottage(&["RZA"]);
    let past = Past::of(&service);
    let came = |days: i64, pattern: u32| {
        let at = now() - SignedDuration::from_hours(24 * days);
        let (name, text) = good("RZA", at - SignedDuration::from_mins(2), pattern);
        Came { at, provider: "RZA", folder: Folder::Inbox, name, text }
    };
    let ids = past.take_in(&[came(40, 1), came(1, 2)]);
    past.close();
    service.edit("providers/RZA.toml", "bed_base = { value = \"COR\" }", "bed_base = { value = \"ESC\" }");
    service.start();
    service.bedfeed(&["retention", "run"]).fine();
    let (from, to) = ((now() - SignedDuration::from_hours(24 * 41)).to_string(), now().to_string());
    let command = ["replay", "--provider", "RZA", "--from", &from, "--to", &to, "--by", "A. Analyst", "--reason", "beds", "--json"];
    let told = service.bedfeed(&command);
    assert_eq!(told.code, Some(1), "one is not renewed: {told:?}");
    let told = told.json();
    assert_eq!((&told["replay"]["renewed"], &told["replay"]["kept"]), (&Value::from(1), &Value::from(1)), "{told}");
    assert_eq!(text(&told["kept_because"][0], "delivery"), ids[0].to_string());
    assert!(text(&told["kept_because"][0], "why").starts_with("Its file was deleted by retention on "), "{told}");
    let story = service.explain(&ids[0].to_string());
    assert!(story.contains("its version stays: Its file was deleted by retention on") && !story.contains("our fault"), "{story}");
    service.bedfeed(&["audit", "verify"]).fine();
    service.stop();
}

#[test]
fn a_replay_that_makes_no_sense_is_refused_in_words() {
    let mut service = Service::cottage(&["RZA"]);
    service.start();
    let who = ["--by", "A", "--reason", "B"];
    let rows: [(&[&str], i32, &str); 4] = [
        (&["--provider", "RZA", "--from", "2018-12-03T10:00Z", "--to", "2018-12-03T09:00Z"], 64, "at least 1"),
        (&["--provider", "RZA", "--from", "2018-12-03T10:00Z", "--to", "2020-12-03T10:00Z"], 64, "at most"),
        (
            &["--provider", "RZB", "--from", "2018-12-03T10:00Z", "--to", "2018-12-03T11:00Z"],
            64,
            "neither the settings nor the ledger know it",
        ),
        (&["--provider", "-", "--from", "2018-12-03T10:00Z", "--to", "2018-12-03T11:00Z"], 64, "--provider -: "),
    ];
    for (arguments, code, words) in rows {
        let ran = service.bedfeed(&[&["replay"], arguments, &who[..]].concat());
        assert!(ran.code == Some(code) && ran.stderr.contains(words), "{arguments:?}: {ran:?}");
    }
    let nobody = service.bedfeed(&["replay", "--provider", "RZA", "--from", "2018-12-03T10:00Z", "--to", "2018-12-03T11:00Z"]);
    assert_eq!(nobody.code, Some(64), "{nobody:?}");
    let empty = ["replay", "--provider", "rza", "--from", "2018-12-03T10:00Z", "--to", "2018-12-03T11:00Z", "--json"];
    let nothing = service.bedfeed(&[&empty[..], &who[..]].concat()).fine().json();
    assert_eq!((&nothing["replay"]["renewed"], &nothing["replay"]["unchanged"]), (&Value::from(0), &Value::from(0)), "{nothing}");
    service.stop();
}
