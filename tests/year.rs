//! A simulated year of six feeds, at full speed and on a clock of its own: what grows, and what must not.
//!
//! It runs on the daemon's own books and workers in this process, with a real ledger, a real warehouse and real folders, in
//! `/dev/shm` where that is there, otherwise in a temporary folder. `BEDFEED_YEAR_DAYS=365` makes it a year (two days otherwise), which
//! `tests/year` runs and writes down; `BEDFEED_YEAR_FOLDER` puts its folders on another disk. A line of JSON for each
//! twelfth of the time says what was measured, and one at the end how long an audit and a backup of all of it take.
//!
//! Once a day retention does its round, with the periods of the settings' defaults; where there are too few days for them, with
//! periods that are shorter by as much. After each twelfth, what is due must be gone and nothing else.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test may fail loudly"
)]

mod common;
#[path = "common/kept.rs"]
mod kept;

use bedfeed::config::{Settings, load};
use bedfeed::feed::{Clock, DeliveryId, FileName, Folder, Slot};
use bedfeed::intake::by_hand::Sent;
use bedfeed::quarantine::Retention;
use bedfeed::service::backup;
use bedfeed::service::by_hand::ByHand;
use common::Service;
use common::extract::{damaged, good};
use jiff::{SignedDuration, Timestamp};
use kept::Kept;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

const CODES: [&str; 6] = ["RZA", "RZB", "RZC", "RZD", "RZE", "RZF"];
/// Rows of the table.
const PERIODS: i64 = 12;
/// Slots of a day.
const A_DAY: i64 = 96;
/// When the day's round of retention is, after the start of its last slot.
const NIGHT: SignedDuration = SignedDuration::from_mins(10);
/// Different files of one slot, and of slots after each other: eighteen beds may be taken or not.
const PATTERNS: u32 = 1 << 18;

#[derive(Debug, Default)]
struct YearClock(AtomicI64);

impl YearClock {
    fn set(&self, at: Timestamp) {
        self.0.store(at.as_microsecond(), Ordering::SeqCst);
    }

    fn advance(&self, millis: i64) {
        self.0.fetch_add(1000 * millis, Ordering::SeqCst);
    }
}

impl Clock for YearClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_microsecond(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

/// What one twelfth of the time took.
#[derive(Debug, Default)]
struct Period {
    accepts: Vec<Duration>,
    loads: Vec<Duration>,
    rounds: Vec<Duration>,
    nights: Vec<Duration>,
    /// Of the processor, at its beginning, in milliseconds, and files sent by then.
    began: (f64, u64),
}

/// One measured row.
#[derive(Debug)]
struct Row {
    deliveries: u64,
    accept: [f64; 2],
    judge_and_load: [f64; 2],
    round: [f64; 2],
    night: [f64; 2],
    processor: f64,
    start: f64,
    memory: u64,
    kept: Kept,
}

struct Year {
    house: Option<ByHand>,
    clock: Arc<YearClock>,
    settings: Settings,
    /// Files so far: tells ids and contents apart.
    number: u32,
    sent: u64,
    /// When retention last did its round.
    night: Timestamp,
    expected: BTreeMap<&'static str, u64>,
}

impl Year {
    async fn open(&mut self) -> Duration {
        let started = Instant::now();
        let clock: Arc<dyn Clock> = self.clock.clone();
        self.house = Some(ByHand::open(&self.settings, clock).await.unwrap());
        started.elapsed()
    }

    fn house(&mut self) -> &mut ByHand {
        self.house.as_mut().unwrap()
    }

    /// Sends one file, judges and loads it.
    async fn deliver(&mut self, code: &str, file: &(String, String), becomes: &'static str, period: &mut Period) {
        let folder = if becomes == "test" { Folder::Test } else { Folder::Inbox };
        self.clock.advance(500);
        self.sent += 1;
        let mut random = [0; 10];
        random[..8].copy_from_slice(&self.sent.to_le_bytes());
        let id = DeliveryId::new(self.clock.now(), random);
        let (provider, name) = (code.parse().unwrap(), FileName::parse(file.0.as_bytes()).unwrap());
        let sent = Sent { id, provider, folder, name, bytes: file.1.clone().into_bytes(), cut: false };
        let started = Instant::now();
        assert!(self.house().send(sent).await.unwrap());
        period.accepts.push(started.elapsed());
        let started = Instant::now();
        self.house().judge().await.unwrap();
        self.house().load().await.unwrap();
        period.loads.push(started.elapsed());
        *self.expected.entry(becomes).or_default() += 1;
    }

    /// A quarter of an hour of all feeds: most send one good file; some files are damaged, sent again, corrected or tried out.
    async fn slot(&mut self, slot: Slot, number: i64, period: &mut Period) {
        self.clock.set(slot.start() + SignedDuration::from_mins(2));
        for (place, code) in CODES.into_iter().enumerate() {
            let turn = number + 17 * i64::try_from(place).unwrap();
            self.number += 1;
            let file = good(code, slot.start(), self.number % PATTERNS);
            match turn % 100 {
                // It is silent for this once.
                0 => {}
                1 => self.deliver(code, &damaged(code, slot.start(), self.number % PATTERNS), "quarantined", period).await,
                2 => {
                    self.deliver(code, &file, "loaded", period).await;
                    self.deliver(code, &file, "duplicate", period).await;
                }
                3 => {
                    self.deliver(code, &file, "loaded", period).await;
                    self.number += 1;
                    self.deliver(code, &good(code, slot.start(), self.number % PATTERNS), "loaded", period).await;
                }
                4 => {
                    self.deliver(code, &file, "test", period).await;
                    self.deliver(code, &file, "loaded", period).await;
                }
                _ => self.deliver(code, &file, "loaded", period).await,
            }
        }
        let started = Instant::now();
        self.house().tell().await.unwrap();
        self.house().publish().await.unwrap();
        period.rounds.push(started.elapsed());
        if number % A_DAY == A_DAY - 1 {
            self.night = slot.start() + NIGHT;
            self.clock.set(self.night);
            let started = Instant::now();
            self.house().retain().await.unwrap();
            period.nights.push(started.elapsed());
        }
    }

    /// How long it takes to recompute the whole trail, and to copy all of it.
    async fn audit_and_backup(&mut self, root: &Path) -> String {
        let started = Instant::now();
        let audit = self.house().read(|reader| reader.audit(&[])).await.unwrap();
        let audit_s = started.elapsed().as_secs_f64();
        assert!(audit.contradictions.is_empty(), "{:?}", audit.contradictions);
        let (settings, target, now) = (self.settings.clone(), root.join("backups"), self.clock.now());
        let started = Instant::now();
        let taken = tokio::task::spawn_blocking(move || backup::take(&settings, &target, 1, now)).await.unwrap().unwrap();
        let backup_s = started.elapsed().as_secs_f64();
        assert!(taken.manifest.is_whole() && taken.copied > 0, "{:?}", taken.manifest);
        let Retention { raw_days, quarantine_days, checks_days, row_days, sum_days, .. } = self.settings.retention;
        serde_json::json!({
            "entries": audit.chain.unwrap().seq, "audit_s": audit_s, "backup_s": backup_s,
            "backup_files": taken.copied, "backup_bytes": taken.copied_bytes,
            "retention": {
                "raw_days": raw_days, "quarantine_days": quarantine_days, "checks_days": checks_days,
                "row_days": row_days, "sum_days": sum_days,
            },
            "disposed": kept::disposed(&self.settings.state_dir),
        })
        .to_string()
    }

    /// What a twelfth of the time took, and how long a start takes after it.
    async fn measure(&mut self, mut period: Period) -> Row {
        let memory = resident();
        let (worked, sent) = (processor() - period.began.0, u32::try_from(self.sent - period.began.1).unwrap());
        self.house.take().unwrap().stop().await.unwrap();
        let start = self.open().await.as_secs_f64() * 1000.0;
        Row {
            deliveries: self.sent,
            accept: middle_and_worst(&mut period.accepts),
            judge_and_load: middle_and_worst(&mut period.loads),
            round: middle_and_worst(&mut period.rounds),
            night: middle_and_worst(&mut period.nights),
            processor: worked / f64::from(sent),
            start,
            memory,
            kept: kept::look(&self.settings, self.night),
        }
    }
}

/// For how long things are kept: as the settings' defaults say, or where so many days are too few for that, for shorter.
fn periods(days: i64) -> Retention {
    let usual = Retention::default();
    if days >= 2 * i64::from(usual.row_days) {
        return usual;
    }
    let shorter = |period: u32| u32::try_from(i64::from(period) * days / 365).unwrap().max(1);
    Retention {
        raw_days: shorter(usual.raw_days),
        quarantine_days: shorter(usual.quarantine_days),
        checks_days: shorter(usual.checks_days),
        row_days: shorter(usual.row_days),
        // The usual ones are longer than a year.
        sum_days: shorter(300),
        audit_years: usual.audit_years,
    }
}

/// The median and the 99th percentile, in milliseconds.
fn middle_and_worst(times: &mut [Duration]) -> [f64; 2] {
    times.sort_unstable();
    if times.is_empty() {
        return [0.0; 2];
    }
    [times.len() / 2, times.len() * 99 / 100].map(|at| times[at].as_secs_f64() * 1000.0)
}

/// What all threads of this process have worked, in milliseconds: a busy machine does not change it much.
fn processor() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    // Hundredths of a second on every Linux there is.
    [11, 12].map(|at: usize| fields[at].parse::<f64>().unwrap() * 10.0).iter().sum()
}

/// Memory of this process in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// Bytes in a file with what lies beside it, or in a folder and all below.
fn size(path: &Path) -> u64 {
    let Ok(data) = std::fs::metadata(path) else { return 0 };
    if data.is_dir() { std::fs::read_dir(path).unwrap().map(|entry| size(&entry.unwrap().path())).sum() } else { data.len() }
}

fn shown(row: &Row, state: &Path) -> String {
    let of = |name: &str| size(&state.join(name));
    let with_log = |name: &str| of(name) + of(&format!("{name}-wal"));
    serde_json::json!({
        "deliveries": row.deliveries, "memory": row.memory,
        "accept_ms": row.accept, "judge_and_load_ms": row.judge_and_load, "round_ms": row.round, "retention_ms": row.night, "processor_ms": row.processor,
        "start_ms": row.start, "lines": row.kept.lines, "disposed": row.kept.disposed,
        "ledger": with_log("ledger.db"), "warehouse": with_log("warehouse.db"),
        "deliveries_folder": of("deliveries"), "quarantine_folder": of("quarantine"),
    })
    .to_string()
}

fn folder() -> tempfile::TempDir {
    let memory = PathBuf::from("/dev/shm");
    let asked = std::env::var_os("BEDFEED_YEAR_FOLDER").map(PathBuf::from);
    match asked.or_else(|| memory.is_dir().then_some(memory)) {
        Some(folder) => tempfile::TempDir::new_in(folder).unwrap(),
        None => tempfile::TempDir::new().unwrap(),
    }
}

#[test]
fn memory_and_latency_stay_flat_through_the_year() {
    let days: i64 = std::env::var("BEDFEED_YEAR_DAYS").map_or(2, |text| text.parse().unwrap());
    let service = Service::cottage(&CODES);
    let root = folder();
    let state = root.path().join("state");
    let settings = load(&service.settings()).unwrap_or_else(|problems| panic!("{problems}"));
    let retention = periods(days);
    let settings = Settings { state_dir: state.clone(), retention, ..settings };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let rows = runtime.block_on(async {
        let first = Slot::containing("2018-12-03T00:00:00Z".parse().unwrap());
        let clock = Arc::new(YearClock::default());
        clock.set(first.start());
        let night = first.start();
        let mut year = Year { house: None, clock, settings, number: 0, sent: 0, night, expected: BTreeMap::new() };
        year.open().await;
        let mut rows = Vec::new();
        for period_number in 0..PERIODS {
            let mut period = Period { began: (processor(), year.sent), ..Period::default() };
            for number in period_number * days * A_DAY / PERIODS..(period_number + 1) * days * A_DAY / PERIODS {
                year.slot(first.plus(i32::try_from(number).unwrap()), number, &mut period).await;
            }
            let row = year.measure(period).await;
            println!("period {}", shown(&row, &state));
            rows.push(row);
        }
        // Nothing lost, nothing twice.
        let outcomes = year.house().read(|reader| reader.outcomes()).await.unwrap();
        let expected: Vec<(String, u64)> = year.expected.iter().map(|(what, count)| ((*what).to_owned(), *count)).collect();
        let outcomes: BTreeMap<String, u64> = outcomes.into_iter().collect();
        assert_eq!(outcomes.into_iter().collect::<Vec<_>>(), expected);
        println!("end {}", year.audit_and_backup(root.path()).await);
        year.house.take().unwrap().stop().await.unwrap();
        rows
    });
    // What is looked back on, two days at most, has to be there first.
    let warm = if days < 24 { 6 } else { 1 };
    let (early, late) = (&rows[warm], rows.last().unwrap());
    let (before, after) = (early.processor, late.processor);
    // Of a short run it says more about who else uses the machine; that no query walks through everything is held by the ledger's plans.
    let grows = days >= 24 && after >= 1.5 * before + 1.0;
    assert!(!grows, "a file takes more and more work: {before:.1} ms of the processor, then {after:.1} ms");
    assert!(late.memory < early.memory * 3 / 2 + (32 << 20), "memory grows: {} bytes, then {}", early.memory, late.memory);
    // From when on there is as much to delete as there is to keep.
    let longest = i64::from(retention.raw_days.max(retention.quarantine_days).max(retention.checks_days).max(retention.row_days));
    let full = (1..=PERIODS).find(|period| period * days >= longest * PERIODS).unwrap_or(PERIODS);
    let full = &rows[usize::try_from(full).unwrap() - 1].kept;
    for (what, before, after) in [
        ("originals", full.raw_bytes, late.kept.raw_bytes),
        ("quarantine", full.quarantine_bytes, late.kept.quarantine_bytes),
        ("pictures", full.pictures, late.kept.pictures),
        ("lines", full.lines, late.kept.lines),
    ] {
        assert!(after <= before + before / 8 + 16_384, "{what} grow under retention: {before}, then {after}");
        assert!(after > 0 && (days < 2 || late.kept.disposed > 0), "{what}: nothing is kept, or nothing was ever deleted: {late:?}");
    }
}
