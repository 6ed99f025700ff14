//! Deliveries that are out of the ordinary and must trouble nobody else: monstrous lines in `test/`, tests by their own mark in
//! `inbox/`, and figures of long ago. The whole daemon runs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stderr,
    reason = "a test may fail loudly"
)]

mod common;

use common::extract::good;
use common::{Service, id, now, rules, wait_for};
use jiff::SignedDuration;
use serde_json::Value;
use std::fs;

/// Bytes of a monstrous line.
const MONSTROUS: usize = 2 * 1024 * 1024;

/// Largest picture of a test that a sender should ever have to fetch, in bytes.
const PICTURE: u64 = 256 * 1024;

fn outcomes(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["outcome"].as_str().unwrap()).collect()
}

#[test]
fn p9_lines_of_two_megabytes_in_test_stop_no_feed() {
    let mut service = Service::cottage(&["RZZ", "RYY"]);
    service.start();
    let (name, text) = good("RZZ", now(), 5);
    // One field that is two megabytes long, as many fields as fit, and a quote that is never closed again.
    let long = text.replacen("NORTH", &"x".repeat(MONSTROUS), 1);
    let wide = text.replacen("NORTH", &",".repeat(MONSTROUS), 1);
    let open = text.replacen("NORTH", &format!("\"{}", "x".repeat(MONSTROUS)), 1);
    for (number, monster) in [long, wide, open].iter().enumerate() {
        service.send("RZZ", "test", [(name.as_str(), monster)]);
        // While it is judged, and after it, both feeds go on.
        for code in ["RZZ", "RYY"] {
            let (name, text) = good(code, now() - SignedDuration::from_mins(15), u32::try_from(number).unwrap());
            service.send(code, "inbox", [(name.as_str(), &text)]);
        }
        let rows = service.settled(3 * (number + 1));
        assert_eq!(outcomes(&rows[3 * number..]), ["test", "loaded", "loaded"], "{number}");
        let tested = &rows[3 * number];
        assert_eq!(tested["stage"]["accepted"], false, "{tested}");
        let picture = service.dir().join("fetched.check.txt");
        drop(fs::remove_file(&picture));
        let get = format!("get \"receipts/{name}.check.txt\" \"{}\"", picture.display());
        wait_for("the picture of the test", || (service.sftp("RZZ", &get).code == Some(0)).then_some(()));
        assert!(fs::metadata(&picture).unwrap().len() < PICTURE, "{number}");
    }
    assert!(service.is_running());
    service.stop();
}

#[test]
fn figures_of_long_ago_can_be_judged_again_and_released() {
    let mut service = Service::cottage(&["RZZ"]);
    service.start();
    let (name, text) = good("RZZ", now(), 3);
    service.send("RZZ", "inbox", [(name.as_str(), &text)]);
    service.settled(1);
    let newest = |service: &Service| service.query("SELECT slot_utc, occupied FROM ingest_snapshot ORDER BY slot_utc DESC LIMIT 1");
    let before = newest(&service);
    for (number, days) in [53, 60, 89, 400].into_iter().enumerate() {
        let (name, text) = good("RZZ", now() - SignedDuration::from_hours(24 * days), 7);
        service.send("RZZ", "inbox", [(name.as_str(), &text)]);
        let rows = service.settled(2 + number);
        let held = &rows[1 + number];
        assert_eq!((held["outcome"].as_str(), rules(held).contains(&"TIM-03")), (Some("quarantined"), true), "{days}: {held}");
        let said = service.receipt("RZZ", &name).1.replace("\n  ", " ");
        assert!(said.contains(&format!("Held: the snapshot is {days} days")), "{said}");
        let act = |act: &str| service.bedfeed(&[act, id(held), "--by", "Jo Bloggs", "--reason", "a backlog"]).fine();
        // Judged again it is no younger, and the receipt says why once more.
        act("reprocess");
        let rows = service.settled(2 + number);
        assert_eq!(rows[1 + number]["outcome"], "quarantined", "{days}");
        assert!(rules(&rows[1 + number]).contains(&"TIM-03"), "{days}");
        act("release");
        let rows = service.settled(2 + number);
        assert_eq!(rows[1 + number]["outcome"], "loaded", "{days}: {}", rows[1 + number]);
    }
    assert_eq!(newest(&service), before, "P4: old figures leave the newest ones alone");
    let filled = service.query("SELECT count(*) AS slots FROM ingest_snapshot WHERE is_current = 1 AND time_rule = 'local time'");
    assert_eq!(filled[0]["slots"], 5, "each fills a slot of its own");
    service.stop();
}

#[test]
fn a_file_that_is_marked_test_in_inbox_is_answered_as_what_it_is() {
    let mut service = Service::samples();
    service.start();
    let at = now();
    let london = jiff::tz::TimeZone::get("Europe/London").unwrap().to_datetime(at);
    let stem = london.strftime("RMY-bedstate-%Y-%m-%dT%H%M").to_string();
    let text = format!(
        "SnapshotTime,Unit,Ward,WardSex,Security,Bed,TYPE,State,Gender,AgeGroup,Reason,RequestedAt\n\
         {},RMY-SITE-A,WARD-ALPHA,Female,Low,F01,BED,Occupied,Female,25 to 29,,\n",
        london.strftime("%Y-%m-%dT%H:%M:%S")
    );
    let control = format!("dataset=BEDSTATE/1\nprovider_code=RMY\nsnapshot_at={at}\nrow_count=1\nkind=TEST\n");
    let (data_name, control_name) = (format!("{stem}.csv"), format!("{stem}.ctl"));
    service.send("RMY", "inbox", [(data_name.as_str(), &text), (control_name.as_str(), &control)]);
    let rows = service.settled(2);
    assert_eq!(outcomes(&rows), ["test", "test"]);
    let (receipt, words) = service.receipt("RMY", &data_name);
    assert!(receipt["summary"].as_str().unwrap().starts_with("It is marked TEST, so nothing was loaded."), "{receipt}");
    assert!(words.contains("Folder        inbox"), "{words}");
    assert!(service.explain(id(&rows[0])).contains("marked TEST: would have been"), "{}", service.explain(id(&rows[0])));
    let status = service.status();
    let feeds = status["feeds"].as_array().or_else(|| status["summary"]["feeds"].as_array()).unwrap();
    let feed = feeds.iter().find(|feed| feed["provider"] == "RMY").unwrap();
    assert!(
        feed["newest_marked_test"] == true && feed["state"].as_str().unwrap().ends_with("marked TEST, and so was not loaded."),
        "{feed}"
    );
    // The dry run says so too.
    let path = |name: &str, text: &str| service.file(name, text);
    let (data, control) = (path(&data_name, &text), path(&control_name, &control));
    let ran = service.bedfeed(&["check", "--provider", "RMY", &data, &control]);
    assert!(ran.stdout.contains("It is marked TEST: nothing of it would be loaded in any case."), "{ran:?}");
    service.stop();
}
