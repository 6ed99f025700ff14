//! What the watch over many feeds costs: `bench_watch FEEDS HISTORY MINUTES`.
//!
//! Makes a ledger of FEEDS feeds that have each sent HISTORY files, one a slot, and lets MINUTES pass, minute by minute, in which every feed
//! goes on sending in time. After each minute the watch makes its round; the processor time of the rounds alone is counted, those of minutes in
//! which files came apart from those in which none did. Then all feeds fall silent at once. Prints a line of JSON.

use bedfeed::alerts::{Channel, Watch, WatchedFeed};
use bedfeed::feed::{
    Clock, Delivery, DeliveryId, Digest, FileName, Folder, LONDON, ProviderCode, Report, Sender, Slot, SnapshotRef, Stage,
};
use bedfeed::ledger::{Event, FILE_NAME, Ledger};
use bedfeed::schedule::FeedSchedule;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::error::Error;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

type Failure = Box<dyn Error + Send + Sync>;

/// Deliveries appended at one go.
const BATCH: usize = 2000;

/// A clock that is set by hand.
#[derive(Default)]
struct Set(AtomicI64);

impl Clock for Set {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::SeqCst)).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [feeds, history, minutes] = words.as_slice() else { return Err("usage: bench_watch FEEDS HISTORY MINUTES".into()) };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measure(feeds.parse()?, history.parse()?, minutes.parse()?))
}

async fn measure(feeds: usize, history: i32, minutes: i64) -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let (ledger, writer) = Ledger::open(&folder.path().join(FILE_NAME))?;
    let codes = (0..feeds).map(|number| format!("B{number:05}").parse()).collect::<Result<Vec<ProviderCode>, _>>()?;
    let start: Timestamp = "2018-12-03T12:00:00Z".parse()?;
    let first = Slot::containing(start).plus(-history);
    for some in codes.chunks(BATCH) {
        let expected = some.iter().map(|provider| Event::FeedExpected { provider: provider.clone(), first_slot: first });
        ledger.append(first.start(), expected.collect()).await?;
    }
    for slot in first.until(Slot::containing(start)) {
        send(&ledger, &codes, slot, slot.start() + SignedDuration::from_secs(90)).await?;
    }
    let clock = Arc::new(Set::default());
    clock.0.store(start.as_second(), Ordering::SeqCst);
    let watched = |code: &ProviderCode| WatchedFeed {
        schedule: FeedSchedule::new(code.clone()),
        name: "a feed".to_owned(),
        contact: String::new(),
        terms: Vec::new(),
    };
    let all = codes.iter().map(watched).collect();
    let watch = Watch::new(ledger.clone(), Arc::<Set>::clone(&clock), all, vec![Channel::Log], TimeZone::get(LONDON)?);
    let round = || async {
        let before = processor()?;
        watch.run_by_hand().await?;
        Ok::<f64, Failure>(processor()? - before)
    };
    let started = round().await?;
    let (mut with, mut without, mut came) = (0.0, 0.0, 0_i64);
    for minute in 0..minutes {
        let now = start + SignedDuration::from_mins(minute);
        clock.0.store(now.as_second(), Ordering::SeqCst);
        // A third of all feeds in each of the first three minutes of a slot.
        let slot = Slot::containing(now);
        let third = usize::try_from(now.duration_since(slot.start()).as_mins())?;
        if third < 3 {
            let share: Vec<ProviderCode> = codes.iter().skip(third).step_by(3).cloned().collect();
            send(&ledger, &share, slot, now).await?;
            with += round().await?;
            came += 1;
        } else {
            without += round().await?;
        }
    }
    // Nobody sends any more: all are late in one instant.
    let due = Slot::containing(start + SignedDuration::from_mins(minutes)).next().start() + SignedDuration::from_mins(6);
    clock.0.store(due.as_second(), Ordering::SeqCst);
    let silent = round().await?;
    let each = |seconds: f64, count: i64| if count == 0 { 0.0 } else { seconds / f64::from(i32::try_from(count).unwrap_or(i32::MAX)) };
    let result = serde_json::json!({
        "feeds": feeds, "history": history, "minutes": minutes,
        "start_seconds": started,
        "seconds_a_minute": each(with + without, minutes),
        "seconds_a_minute_with_files": each(with, came),
        "seconds_a_minute_without": each(without, minutes - came),
        "all_silent_seconds": silent,
    });
    writeln!(std::io::stdout(), "{result}")?;
    drop((watch, ledger));
    writer.join().map_err(|_| "the ledger's writer broke off")?;
    Ok(())
}

/// One accepted and loaded file of each, of one slot.
async fn send(ledger: &Ledger, codes: &[ProviderCode], slot: Slot, at: Timestamp) -> Result<(), Failure> {
    for some in codes.chunks(BATCH) {
        let mut events = Vec::with_capacity(2 * some.len());
        for (number, provider) in some.iter().enumerate() {
            let digest = Digest::of(format!("{provider} {slot}").as_bytes());
            let mut unlike = [0; 10];
            unlike.iter_mut().zip(digest.0).for_each(|(to, from)| *to = from);
            let id = DeliveryId::new(at, unlike);
            let sender = Sender {
                address: "127.0.0.1:50000".parse()?,
                software: String::new(),
                key: String::new(),
                key_owner: String::new(),
                connected_at: at,
                connection: u64::try_from(number)?,
            };
            let (folder, name) = (Folder::Inbox, FileName::parse(format!("{slot}.csv").replace(':', "").as_bytes()).map_err(|_| "a name")?);
            let delivery = Delivery {
                id,
                provider: provider.clone(),
                folder,
                name,
                bytes: 1000,
                sha256: digest,
                opened_at: at,
                received_at: at,
                modified_at: None,
                sender,
            };
            let report = Report { slot: Some(slot), snapshot_at: Some(slot.start()), ..Report::default() };
            let snapshot = SnapshotRef { lead: id, slot, version: 1 };
            events.push(Event::Accepted { delivery: Box::new(delivery) });
            let ready = Stage::Ready { snapshot, attempts: 0, retry_at: at };
            events.push(Event::Moved { delivery: id, stage: ready, report: Some(Box::new(report)), note: None });
            events.push(Event::Moved { delivery: id, stage: Stage::Loaded { snapshot }, report: None, note: None });
        }
        ledger.append(at, events).await?;
    }
    Ok(())
}

/// Seconds of the processor that this process has used.
fn processor() -> Result<f64, Failure> {
    let text = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = text.rsplit_once(')').ok_or("no such line")?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u32>().ok()).ok_or("no such field");
    Ok(f64::from(ticks(11)? + ticks(12)?) / 100.0)
}
