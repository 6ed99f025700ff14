//! What a state folder keeps of what came and went, held against the periods of retention: what is due is gone, and nothing else.
//!
//! For feeds that never fall silent: what carries a provider's newest figures is young.

use super::common::names;
use bedfeed::config::Settings;
use bedfeed::ledger::FILE_NAME;
use bedfeed::quarantine::{DELIVERIES, QUARANTINE, Retention};
use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OpenFlags, params};
use std::collections::BTreeMap;
use std::path::Path;

/// What is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept {
    /// Bytes of accepted, repeated and test files.
    pub(crate) raw_bytes: u64,
    /// Bytes of files that were set aside.
    pub(crate) quarantine_bytes: u64,
    /// Pictures of tests.
    pub(crate) pictures: u64,
    /// Lines in the warehouse.
    pub(crate) lines: u64,
    /// Everything that was deleted so far.
    pub(crate) disposed: u64,
}

fn open(path: &Path) -> Connection {
    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
}

fn days_before(at: Timestamp, days: u32) -> Timestamp {
    at - SignedDuration::from_hours(24 * i64::from(days))
}

/// Looks at everything that is kept, the last round of retention having been at `night`.
pub(crate) fn look(settings: &Settings, night: Timestamp) -> Kept {
    let Retention { raw_days, quarantine_days, checks_days, row_days, sum_days, .. } = settings.retention;
    let state = &settings.state_dir;
    let ledger = open(&state.join(FILE_NAME));
    let files = |folder: &str, outcomes: &str, days: u32, ending: &str| {
        let sql = format!(
            "SELECT id || ?2, json_extract(facts, '$.bytes') FROM delivery WHERE outcome IN ({outcomes}) AND received_at >= ?1 ORDER BY id"
        );
        let mut statement = ledger.prepare(&sql).unwrap();
        let before = format!("{:.6}", days_before(night, days));
        let young = statement.query_map(params![before, ending], |row| Ok((row.get::<_, String>(0)?, row.get::<_, u64>(1)?))).unwrap();
        let (young, bytes): (Vec<String>, Vec<u64>) = young.map(Result::unwrap).unzip();
        let there = if state.join(folder).is_dir() { names(&state.join(folder)) } else { Vec::new() };
        assert!(there == young, "{folder}: {} are there, {} are to be kept since {before}", there.len(), young.len());
        (bytes.iter().sum::<u64>(), u64::try_from(there.len()).unwrap())
    };
    let (raw_bytes, _) = files(DELIVERIES, "'loaded', 'duplicate', 'test'", raw_days, "");
    let (quarantine_bytes, _) = files(QUARANTINE, "'quarantined'", quarantine_days, "");
    let (_, pictures) = files("checks", "'test'", checks_days, ".txt");

    let warehouse = open(&state.join("warehouse.db"));
    let before = |days: u32| days_before(night, days).strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    for (table, days) in [("fact_bed_line", row_days), ("agg_ward_slot", sum_days)] {
        let sql = format!(
            "SELECT count(*) FROM ingest_snapshot AS s
             WHERE EXISTS (SELECT 1 FROM {table} AS t WHERE t.snapshot_key = s.snapshot_key) <> (s.slot_utc >= ?1)"
        );
        let wrong: u64 = warehouse.query_row(&sql, [before(days)], |row| row.get(0)).unwrap();
        assert_eq!(wrong, 0, "{table}: snapshots that should have none, or some, since {}", before(days));
    }
    let sql = "SELECT count(*) FROM ingest_issue JOIN ingest_file USING (delivery_id) WHERE received_at < ?1
               AND NOT EXISTS (SELECT 1 FROM ingest_snapshot WHERE snapshot_id = delivery_id)";
    let old: u64 = warehouse.query_row(sql, [before(sum_days)], |row| row.get(0)).unwrap();
    assert_eq!(old, 0, "findings of what came before {}", before(sum_days));
    let lines = warehouse.query_row("SELECT count(*) FROM fact_bed_line", [], |row| row.get(0)).unwrap();
    Kept { raw_bytes, quarantine_bytes, pictures, lines, disposed: disposed(state).values().sum() }
}

/// How many things of each class were deleted, and that no deletion was left half done.
pub(crate) fn disposed(state: &Path) -> BTreeMap<String, u64> {
    let ledger = open(&state.join(FILE_NAME));
    let sql = "SELECT d.class, count(*), sum(done_at IS NULL) FROM disposed AS d JOIN disposal ON number = disposal GROUP BY 1";
    let mut statement = ledger.prepare(sql).unwrap();
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let rows: Vec<(String, u64, u64)> = statement.query_map([], read).unwrap().collect::<Result<_, _>>().unwrap();
    assert!(rows.iter().all(|(_, _, open)| *open == 0), "a disposal was not finished: {rows:?}");
    rows.into_iter().map(|(class, count, _)| (class, count)).collect()
}
