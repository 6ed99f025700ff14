//! The demo keeps its word: one round ends with success, and what it leaves behind can be used by anybody.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail loudly")]

use std::path::Path;
use std::process::{Command, Output};

fn bedfeed(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bedfeed")).args(arguments).output().unwrap()
}

/// Rows of a query, by Debian's own `sqlite3`: what an analyst would use.
fn query(database: &Path, sql: &str) -> Vec<Vec<String>> {
    let output = Command::new("sqlite3").arg(database).arg(sql).output().unwrap();
    assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| line.split('|').map(str::to_owned).collect()).collect()
}

#[test]
fn one_round_of_the_demo_holds_every_promise_and_its_folder_can_be_used_afterwards() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("a folder with spaces");
    let dir_text = dir.to_str().unwrap();
    let output = bedfeed(&["demo", "--once", "--dir", dir_text]);
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{shown}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(shown.contains("8 of 8 checks held."), "{shown}");
    assert_eq!(output.stderr, b"", "{}", String::from_utf8_lossy(&output.stderr));

    // The total is the sum of those that are known, and says that one is missing.
    let warehouse = dir.join("warehouse.db");
    let figures = "scope, provider_code, open, occupied, empty, available_now, closed, providers_current, providers_expected, partial";
    let rows = query(&warehouse, &format!("SELECT {figures} FROM v_system_now"));
    let (total, providers): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row[1].is_empty());
    assert_eq!((total.len(), providers.len()), (1, 6));
    let number = |text: &str| text.parse::<u64>().ok();
    for column in 2..=6 {
        let known: Vec<u64> = providers.iter().filter_map(|row| number(&row[column])).collect();
        assert_eq!(known.len(), 5, "a silent provider has no figure: {providers:?}");
        assert_eq!(number(&total[0][column]), Some(known.iter().sum()), "column {column}");
    }
    assert_eq!(total[0][7..], ["5", "6", "1"]);

    // The settings carry on where the demo stopped, and a second demo does not run over them.
    let config = dir.join("bedfeed.toml");
    let config = config.to_str().unwrap();
    for command in [["check-config", "--config", config], ["status", "--config", config], ["deliveries", "--config", config]] {
        let output = bedfeed(&command);
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let audit = bedfeed(&["audit", "verify", "--config", config]);
    assert!(String::from_utf8_lossy(&audit.stdout).starts_with("fine: "), "{}", String::from_utf8_lossy(&audit.stdout));
    let again = bedfeed(&["demo", "--once", "--dir", dir_text]);
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("holds a demo already"));
}
