//! Duplicates and versions: what arrives, what each becomes, and which version counts, through the whole daemon. The ledger,
//! the receipt, the status and the warehouse must tell the same.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may fail loudly"
)]

mod common;

use bedfeed::feed::Slot;
use common::extract::good;
use common::{Service, id, now, rules};
use jiff::SignedDuration;
use serde_json::Value;

/// What a feed's files are like.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// The time is in the rows.
    Plain,
    /// The same, with a running number in the name.
    Numbered,
    /// The time is in the name alone.
    Counts,
}
use Kind::{Counts, Numbered, Plain};

/// One file: minutes after the slot's start, running number, which content, and what becomes of it: a version, `=1` for a
/// repetition of the first arrival, or the rule that it is set aside by.
type Arrival = (i64, u32, u32, &'static str);

/// What it is about, the feed, its files in the order of arrival, and the ones that count in the end, by their places from 1.
const ROWS: &[(&str, Kind, &[Arrival], &[usize])] = &[
    ("the same file again", Plain, &[(0, 0, 1, "1"), (0, 0, 1, "=1")], &[1]),
    ("the same bytes under another name of the slot", Plain, &[(0, 0, 1, "1"), (-1, 0, 1, "=1")], &[1]),
    ("other content", Plain, &[(0, 0, 1, "1"), (0, 0, 2, "2")], &[2]),
    ("an earlier snapshot after a later one", Plain, &[(5, 0, 1, "1"), (0, 0, 2, "2")], &[1]),
    ("an old file after its correction", Plain, &[(0, 0, 1, "1"), (0, 0, 2, "2"), (0, 0, 1, "=1")], &[2]),
    ("a correction of a correction", Plain, &[(0, 0, 1, "1"), (0, 0, 2, "2"), (0, 0, 3, "3")], &[3]),
    ("a lower number", Numbered, &[(0, 8, 1, "1"), (0, 7, 2, "TRN-06")], &[1]),
    ("a higher number", Numbered, &[(0, 7, 1, "1"), (0, 8, 2, "2")], &[2]),
    ("a higher number with an earlier snapshot", Numbered, &[(5, 7, 1, "1"), (0, 8, 2, "2")], &[2]),
    ("the first number after the last", Numbered, &[(0, 9_999_999, 1, "1"), (0, 1, 2, "2")], &[2]),
    ("the same content with another number", Numbered, &[(0, 7, 1, "1"), (0, 8, 1, "=1")], &[1]),
    ("the same bytes for another slot", Counts, &[(0, 0, 1, "1"), (15, 0, 1, "1")], &[1, 2]),
    ("the same bytes for the same slot", Counts, &[(0, 0, 1, "1"), (0, 0, 1, "=1")], &[1]),
];

fn code(row: usize) -> String {
    format!("RZ{}", char::from(b'A' + u8::try_from(row).unwrap()))
}

/// The name and the bytes of an arrival. The bytes of `Counts` do not depend on the time.
fn file(kind: Kind, code: &str, slot: Slot, (minutes, number, pattern, _): Arrival) -> (String, String) {
    let at = slot.start() + SignedDuration::from_mins(minutes);
    let (name, text) = good(code, at, pattern);
    match kind {
        // The rows of a file that is named a minute earlier are of the slot's own minute.
        Plain if minutes < 0 => (name, good(code, slot.start(), pattern).1),
        Plain => (name, text),
        Numbered => (name.replace("_BEDS_", &format!("_BEDS_{number}_")), text),
        Counts => (name, good(code, slot.start(), pattern).1),
    }
}

#[test]
fn p2_p4_what_each_arrival_becomes_is_the_same_in_the_ledger_the_receipt_the_status_and_the_warehouse() {
    let codes: Vec<String> = (0..ROWS.len()).map(code).collect();
    let mut service = Service::cottage(&codes.iter().map(String::as_str).collect::<Vec<_>>());
    for (code, (_, kind, _, _)) in codes.iter().zip(ROWS) {
        let settings = format!("providers/{code}.toml");
        match kind {
            Plain => {}
            Numbered => service.edit(&settings, "{org}_BEDS_{yyyy}", "{org}_BEDS_{seq}_{yyyy}"),
            Counts => {
                service.edit(&settings, "snapshot_at = { column = \"time\", format = \"%Y-%m-%d %H:%M\" }", "snapshot_at = \"file name\"")
            }
        }
    }
    service.start();
    let slot = Slot::containing(now()).plus(-3);
    let rounds = ROWS.iter().map(|(_, _, arrivals, _)| arrivals.len()).max().unwrap();
    let mut sent = 0;
    for round in 0..rounds {
        for (code, (_, kind, arrivals, _)) in codes.iter().zip(ROWS) {
            if let Some(arrival) = arrivals.get(round) {
                let (name, text) = file(*kind, code, slot, *arrival);
                service.send(code, "inbox", [(name.as_str(), &text)]);
                sent += 1;
            }
        }
        // The next ones come when these have ended.
        service.settled(sent);
    }
    let deliveries = service.deliveries();
    let status = service.status();
    for (code, (what, kind, arrivals, counts)) in codes.iter().zip(ROWS) {
        let rows: Vec<&Value> = deliveries.iter().filter(|row| row["delivery"]["provider"] == code.as_str()).collect();
        assert_eq!(rows.len(), arrivals.len(), "{what}");
        for (row, arrival) in rows.iter().zip(*arrivals) {
            let expected = arrival.3;
            let stage = &row["stage"];
            let became = match stage["stage"].as_str().unwrap() {
                "loaded" => stage["snapshot"]["version"].to_string(),
                "duplicate" => format!("={}", rows.iter().position(|other| stage["of"] == id(other)).unwrap() + 1),
                "quarantined" => rules(row).into_iter().find(|rule| *rule == expected).unwrap_or("another rule").to_owned(),
                other => other.to_owned(),
            };
            assert_eq!(became, expected, "{what}: {row}");
        }
        // The receipt of the last one tells the same; where another version counts, it says so.
        let (row, arrival) = (rows.last().unwrap(), arrivals.last().unwrap());
        let name = file(*kind, code, slot, *arrival).0;
        let (receipt, words) = service.receipt(code, &name);
        let verdict = receipt["verdict"].as_str().unwrap();
        match row["outcome"].as_str().unwrap() {
            "loaded" => {
                assert!(verdict.starts_with("accepted") && receipt["version"] == row["stage"]["snapshot"]["version"], "{what}: {receipt}")
            }
            "duplicate" => assert_eq!((verdict, &receipt["duplicate_of"]), ("duplicate", &row["stage"]["of"]), "{what}"),
            _ => assert_eq!(verdict, "rejected", "{what}"),
        }
        let is_last = counts.contains(&arrivals.len());
        if row["outcome"] == "loaded" {
            assert_eq!(words.contains("stays in force"), !is_last, "{what}: {words}");
        }

        let current = service.query(&format!(
            "SELECT snapshot_id AS id, snapshot_at AS at FROM ingest_snapshot WHERE provider_code = '{code}' AND is_current = 1 ORDER BY slot_utc"
        ));
        let expected: Vec<&str> = counts.iter().map(|place| id(rows[place - 1])).collect();
        assert_eq!(current.iter().map(|row| row["id"].as_str().unwrap()).collect::<Vec<_>>(), expected, "{what}");
        let loaded = service.query(&format!("SELECT count(*) AS count FROM ingest_snapshot WHERE provider_code = '{code}'"));
        let versions = rows.iter().filter(|row| row["outcome"] == "loaded").count();
        assert_eq!(loaded[0]["count"], versions, "{what}: each version once");
        let feed = status["summary"]["feeds"].as_array().unwrap().iter().find(|feed| feed["provider"] == code.as_str()).unwrap();
        assert_eq!(feed["newest_snapshot_at"], current.last().unwrap()["at"], "{what}: {feed}");
    }
    service.stop();
}
