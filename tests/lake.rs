//! A whole daemon with a lake as its warehouse: real files by a real client, killed again and again, read by DuckDB.
//!
//! `BEDFEED_LAKE_LONG=1` makes that 60 kills; otherwise it is 5.

#![cfg(feature = "lake")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may fail loudly"
)]

mod common;

use common::extract::{BEDS, good, truth};
use common::{Service, id, now, pause, repository, run, wait_until};
use jiff::SignedDuration;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A cottage hospital for each code, with a lake in a folder.
fn service(codes: &[&str]) -> (Service, PathBuf) {
    let service = Service::cottage(codes);
    let lake = service.dir().join("lake");
    std::fs::create_dir(&lake).unwrap();
    service.append("bedfeed.toml", &format!("\n[warehouse]\nurl = \"parquet:file://{}\"\n", lake.display()));
    (service, lake)
}

/// The rows that DuckDB gives, values parted by `|`.
fn duckdb(lake: &Path, query: &str) -> Vec<String> {
    let python = repository().join("target/test-tools/bin/python");
    let reader = "import duckdb, sys
lake = duckdb.connect()
lake.execute(f\"SET VARIABLE lake = '{sys.argv[1]}'\")
lake.execute(open(sys.argv[1] + '/duckdb.sql').read())
for row in lake.execute(sys.argv[2]).fetchall():
    print(*row, sep='|')";
    let shown = run(python.to_str().unwrap(), &["-c", reader, lake.to_str().unwrap(), query], b"").fine().stdout;
    shown.lines().map(str::to_owned).collect()
}

#[expect(clippy::disallowed_methods, reason = "as one who mounts another disk")]
fn rename(from: &Path, to: &Path) {
    std::fs::rename(from, to).unwrap();
}

/// Every loaded delivery is in the lake once with all its lines, and nothing else is; each slot has one current version.
fn loaded_once(lake: &Path, service: &Service) {
    let deliveries = service.deliveries();
    let expected: BTreeSet<String> = deliveries.iter().filter(|row| row["outcome"] == "loaded").map(|row| id(row).to_owned()).collect();
    let found = duckdb(lake, "SELECT snapshot_id FROM ingest_snapshot");
    assert_eq!((found.len(), found.into_iter().collect()), (expected.len(), expected));
    let lines = duckdb(lake, "SELECT DISTINCT count(*) FROM fact_bed_line GROUP BY snapshot_key");
    assert_eq!(lines, [BEDS.to_string()]);
    let wrong = "SELECT provider_code, slot_utc FROM ingest_snapshot GROUP BY 1, 2 HAVING sum(is_current) <> 1";
    assert_eq!(duckdb(lake, wrong), [""; 0]);
}

#[test]
fn files_that_are_sent_are_in_the_lake_and_the_commands_know_it() {
    let (mut service, lake) = service(&["RZA"]);
    // The tables are there, and a reader finds nothing in them, before anything was sent.
    service.bedfeed(&["warehouse", "migrate"]).fine();
    assert_eq!(duckdb(&lake, "SELECT count(*) FROM v_provider_ward_now"), ["0"]);
    service.start();
    let (name, text) = good("RZA", now() - SignedDuration::from_mins(1), 5);
    service.send("RZA", "inbox", [(name.as_str(), &text)]);
    let rows = service.settled(1);
    assert_eq!(rows[0]["outcome"], "loaded", "{rows:?}");
    let (north, south) = truth(5);
    let wards = duckdb(&lake, "SELECT ward_code, occupied, open FROM v_provider_ward_now ORDER BY 1");
    assert_eq!(wards, [format!("NORTH|{north}|12"), format!("SOUTH|{south}|8")]);
    service.stop();
    service.bedfeed(&["status"]).fine();
    let check = service.bedfeed(&["warehouse", "check"]).fine();
    assert!(check.stdout.starts_with("fine: the ledger calls 1 snapshots loaded, the warehouse has 1"), "{check:?}");
    let folder = service.dir().join("backups");
    service.bedfeed(&["backup", folder.to_str().unwrap()]).fine();

    // What the lake is not known to have is missed.
    let index = service.state().join("lake.db");
    run("sqlite3", &[index.to_str().unwrap(), "DELETE FROM lake_snapshot"], b"").fine();
    let check = service.bedfeed(&["warehouse", "check"]);
    assert_eq!((check.code, check.stdout.contains(id(&rows[0]))), (Some(1), true), "{check:?}");
}

#[test]
fn a_lake_that_is_away_is_waited_for_and_told_of() {
    let (mut service, lake) = service(&["RZA"]);
    service.start();
    let aside = service.dir().join("aside");
    rename(&lake, &aside);
    let (name, text) = good("RZA", now() - SignedDuration::from_mins(1), 5);
    service.send("RZA", "inbox", [(name.as_str(), &text)]);
    wait_until("status says why it waits", || service.status()["summary"]["notices"].to_string().contains("is it mounted,"));
    rename(&aside, &lake);
    assert_eq!(service.settled(1)[0]["outcome"], "loaded");
    loaded_once(&lake, &service);
    service.stop();
}

#[test]
fn p2_a_daemon_that_is_killed_while_it_loads_loses_and_doubles_nothing() {
    let (mut service, lake) = service(&["RZA", "RZB"]);
    let kills = if std::env::var_os("BEDFEED_LAKE_LONG").is_some() { 60 } else { 5 };
    service.start();
    let newest = now() - SignedDuration::from_mins(1);
    let mut sent = 0;
    for kill in 0..kills {
        for code in ["RZA", "RZB"] {
            let (name, text) = good(code, newest - SignedDuration::from_mins(15 * (kills - kill)), u32::try_from(kill).unwrap() + 1);
            service.send(code, "inbox", [(name.as_str(), &text)]);
            sent += 1;
        }
        // At another moment of its loading each time.
        pause(Duration::from_millis(u64::try_from(kill).unwrap() * 17 % 150));
        service.kill();
        // Whatever it was in the middle of, the lake makes sense: each snapshot has all its lines.
        let lines = "SELECT DISTINCT n FROM (SELECT count(l.snapshot_key) AS n FROM ingest_snapshot AS s
            LEFT JOIN fact_bed_line AS l USING (snapshot_key) GROUP BY s.snapshot_key)";
        let lines = duckdb(&lake, lines);
        assert!(lines.is_empty() || lines == [BEDS.to_string()], "{lines:?}");
        service.start();
    }
    let rows = service.settled(sent);
    assert!(rows.iter().all(|row| row["outcome"] == "loaded"), "{:?}", rows.iter().find(|row| row["outcome"] != "loaded"));
    loaded_once(&lake, &service);
    service.stop();
    service.bedfeed(&["warehouse", "check"]).fine();
}

#[test]
fn what_is_set_aside_while_the_lake_is_away_is_never_in_it() {
    let (mut service, lake) = service(&["RZA"]);
    let send = |service: &Service, quarters: i64, women: &str| {
        let (name, text) = good("RZA", now() - SignedDuration::from_mins(15 * quarters + 1), u32::try_from(quarters).unwrap());
        service.send("RZA", "inbox", [(name.as_str(), &text.replace(",F,", women))]);
    };
    let in_index = |service: &Service| service.sqlite("lake.db", "SELECT 1 FROM ingest_snapshot").len();
    service.start();
    send(&service, 3, ",F,");
    service.settled(1);
    let aside = service.dir().join("aside");
    rename(&lake, &aside);
    send(&service, 2, ",F,");
    wait_until("the index has one more than the lake", || in_index(&service) == 2);
    service.stop();
    // By the next mapping women are X, so what says F is rejected.
    let file = "providers/RZA.toml";
    service.edit(file, "version = \"rzz-1\"", "version = \"rzz-2\"");
    service.edit(file, "codes = { M = \"1\", F = \"2\" }", "codes = { M = \"1\", X = \"2\" }");
    service.start();
    assert_eq!(service.settled(2)[1]["outcome"], "quarantined", "the sender need not wait for the lake");
    assert_eq!(in_index(&service), 1, "pages do not show it");
    rename(&aside, &lake);
    send(&service, 1, ",X,");
    assert_eq!(service.settled(3)[2]["outcome"], "loaded");
    loaded_once(&lake, &service);
    service.bedfeed(&["warehouse", "check"]).fine();
    service.stop();
}
