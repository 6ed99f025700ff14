//! A simulated year of six feeds, at full speed and on a clock of its own: what grows, and what must not.
//!
//! It runs on the daemon's own books and workers in this process, with a real ledger, a real warehouse and real folders, in
//! `/dev/shm` where that is there, otherwise in a temporary folder. `BEDFEED_YEAR_DAYS=365` makes it a year (two days otherwise), which
//! `tests/year` runs and writes down; `BEDFEED_YEAR_FOLDER` puts its folders on another disk. A line of JSON for each
//! twelfth of the time says what was measured.

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

use bedfeed::config::{Settings, load};
use bedfeed::feed::{Clock, DeliveryId, FileName, Folder, Slot};
use bedfeed::intake::by_hand::Sent;
use bedfeed::service::by_hand::ByHand;
use common::Service;
use common::extract::{damaged, good};
use jiff::{SignedDuration, Timestamp};
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
    processor: f64,
    start: f64,
    memory: u64,
}

struct Year {
    house: Option<ByHand>,
    clock: Arc<YearClock>,
    settings: Settings,
    /// Files so far: tells ids and contents apart.
    number: u32,
    sent: u64,
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
        self.clock.advance(500);
        self.sent += 1;
        let mut random = [0; 10];
        random[..8].copy_from_slice(&self.sent.to_le_bytes());
        let id = DeliveryId::new(self.clock.now(), random);
        let (provider, name) = (code.parse().unwrap(), FileName::parse(file.0.as_bytes()).unwrap());
        let sent = Sent { id, provider, folder: Folder::Inbox, name, bytes: file.1.clone().into_bytes(), cut: false };
        let started = Instant::now();
        assert!(self.house().send(sent).await.unwrap());
        period.accepts.push(started.elapsed());
        let started = Instant::now();
        self.house().judge().await.unwrap();
        self.house().load().await.unwrap();
        period.loads.push(started.elapsed());
        *self.expected.entry(becomes).or_default() += 1;
    }

    /// A quarter of an hour of all feeds: most send one good file; some files are damaged, sent again or corrected.
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
                _ => self.deliver(code, &file, "loaded", period).await,
            }
        }
        let started = Instant::now();
        self.house().tell().await.unwrap();
        self.house().publish().await.unwrap();
        period.rounds.push(started.elapsed());
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
            processor: worked / f64::from(sent),
            start,
            memory,
        }
    }
}

/// The median and the 99th percentile, in milliseconds.
fn middle_and_worst(times: &mut [Duration]) -> [f64; 2] {
    times.sort_unstable();
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
        "accept_ms": row.accept, "judge_and_load_ms": row.judge_and_load, "round_ms": row.round, "processor_ms": row.processor, "start_ms": row.start,
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
    let settings = Settings { state_dir: state.clone(), ..settings };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let rows = runtime.block_on(async {
        let first = Slot::containing("2018-12-03T00:00:00Z".parse().unwrap());
        let clock = Arc::new(YearClock::default());
        clock.set(first.start());
        let mut year = Year { house: None, clock, settings, number: 0, sent: 0, expected: BTreeMap::new() };
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
        year.house().read(|reader| reader.audit(&[])).await.unwrap().chain.unwrap();
        year.house.take().unwrap().stop().await.unwrap();
        rows
    });
    // What is looked back on, two days at most, has to be there first.
    let warm = if days < 24 { 6 } else { 1 };
    let (early, late) = (&rows[warm], rows.last().unwrap());
    let (before, after) = (early.processor, late.processor);
    assert!(after < 1.5 * before + 1.0, "a file takes more and more work: {before:.1} ms of the processor, then {after:.1} ms");
    assert!(late.memory < early.memory * 3 / 2 + (32 << 20), "memory grows: {} bytes, then {}", early.memory, late.memory);
}
