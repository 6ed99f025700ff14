//! What `tests/bench/load` measures on our side: loading snapshots, and how soon a delivery shows.
//!
//! `bench_warehouse load URL PASSWORD_FILE SNAPSHOTS ROWS`: invents SNAPSHOTS extracts of the first sample provider, one for each
//! slot, with ROWS beds each, judges them by the shipped settings, and then loads them one after the other, as the daemon does.
//! Prints a line of JSON: seconds of each load, and of the processor in all. Equal on every run. The url is as in `[warehouse]`; a file is made at `sqlite:PATH`.
//!
//! `bench_warehouse visible ADDRESS KEY CONFIG URL PASSWORD_FILE TIMES`: sends an extract and its checksum file to a daemon with these
//! settings, waits until it is at rest, and so on, TIMES times. Prints a line of JSON: seconds from each answer to the last CLOSE until
//! another connection to the warehouse sees the snapshot.

use bedfeed::config;
use bedfeed::feed::{Clock as _, DeliveryId, Digest, FileName, ProviderCode, Report, Slot, SnapshotRef};
use bedfeed::forward::{
    FileFact, Load, LoadOutcome, Migrate, PostgresAddress, PostgresPassword, PostgresSettings, PostgresTls, ProviderRow, ReferenceRows,
    Settings, Warehouse,
};
use bedfeed::normalise::reference::Reference;
use bedfeed::pipeline::assess::{Context, Part, assess};
use bedfeed::service::SystemClock;
use bedfeed::simulator::{ExtractFile, HostKey, Layout, Options, Uploader, World, extract, load_key, resized};
use bedfeed::verify::{History, Verdict, Verified};
use jiff::{SignedDuration, Timestamp};
use std::error::Error;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

type Failure = Box<dyn Error + Send + Sync>;

const FIRST_SLOT: &str = "2018-11-20T00:00Z";
const SEED: u64 = 7;
/// How long the daemon is left alone between two deliveries: what it does after a load is over by then.
const REST: Duration = Duration::from_millis(700);
/// The pause between two looks into the warehouse.
const PAUSE: Duration = Duration::from_micros(500);
/// How long a delivery may take to show.
const PATIENCE: Duration = Duration::from_secs(30);

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match words.as_slice() {
        ["load", url, password, snapshots, rows] => runtime.block_on(load(url, Path::new(password), snapshots.parse()?, rows.parse()?)),
        ["visible", address, key, config, url, password, times] => {
            let sender = Sender { address, key: Path::new(key), config: Path::new(config) };
            runtime.block_on(visible(&sender, url, Path::new(password), times.parse()?))
        }
        _ => {
            Err("usage: bench_warehouse load URL PASSWORD_FILE SNAPSHOTS ROWS | visible ADDRESS KEY CONFIG URL PASSWORD_FILE TIMES".into())
        }
    }
}

/// The sample provider that everything is of.
fn provider() -> Result<ProviderCode, Failure> {
    Ok(Layout::Rm1.code().parse()?)
}

fn shipped() -> Result<config::Settings, Failure> {
    config::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("config/bedfeed.toml"))
        .map_err(|problems| format!("the shipped settings cannot be read: {problems:?}").into())
}

fn server(url: &str, password: &Path) -> Result<PostgresSettings, Failure> {
    Ok(PostgresSettings {
        address: PostgresAddress::parse(url)?,
        password: PostgresPassword::File(password.to_owned()),
        tls: PostgresTls::Off,
        migrate: Migrate::AtStart,
    })
}

async fn load(url: &str, password: &Path, snapshots: u32, rows: u32) -> Result<(), Failure> {
    let settings = shipped()?;
    let reference = resized(&settings.reference, &provider()?, rows);
    let loads = loads(&settings, &reference, snapshots)?;
    let kind = match url.strip_prefix("sqlite:") {
        Some(path) => Settings::Sqlite { path: path.into() },
        None => Settings::Postgres(server(url, password)?),
    };
    let warehouse = Warehouse::open(&kind, Path::new("/")).await?;
    warehouse.set_reference(rows_of(&settings, &reference)).await?;
    let (mut seconds, used) = (Vec::new(), on_processor()?);
    for load in loads {
        let started = Instant::now();
        match warehouse.load(load).await? {
            LoadOutcome::Loaded { current: true, unknown_wards } if unknown_wards.is_empty() => {}
            other => return Err(format!("not loaded as it should be: {other:?}").into()),
        }
        seconds.push(started.elapsed().as_secs_f64());
    }
    let processor = on_processor()? - used;
    warehouse.close().await;
    writeln!(std::io::stdout(), "{}", serde_json::json!({ "seconds": seconds, "processor": processor }))?;
    Ok(())
}

/// Seconds that this process was on a processor, to a hundredth.
fn on_processor() -> Result<f64, Failure> {
    let text = std::fs::read_to_string("/proc/self/stat")?;
    // After the name, which may hold anything: user and system time are the 12th and 13th.
    let fields = text.rsplit(')').next().unwrap_or_default().split_whitespace();
    Ok(fields.skip(11).take(2).map(|ticks| ticks.parse::<f64>().unwrap_or_default()).sum::<f64>() / 100.0)
}

/// Judged snapshots, one for each slot from the first on.
fn loads(settings: &config::Settings, reference: &Reference, snapshots: u32) -> Result<Vec<Load>, Failure> {
    let mut slot: Slot = FIRST_SLOT.parse()?;
    let mut world = World::with_layouts(reference, SEED, slot.start(), &[(provider()?, Layout::Rm1)])?;
    let mut loads = Vec::new();
    for _ in 0..snapshots {
        let files = extract(&world, &provider()?, slot.start(), &Options::default())?;
        loads.push(judged(settings, reference, slot, &files)?);
        slot = slot.next();
        world.advance();
    }
    Ok(loads)
}

/// One extract as the pipeline hands it to the warehouse.
fn judged(settings: &config::Settings, reference: &Reference, slot: Slot, files: &[ExtractFile]) -> Result<Load, Failure> {
    let provider = provider()?;
    let known = settings.providers.iter().find(|known| known.code == provider).ok_or("the sample provider is gone")?;
    let received_at = slot.start() + SignedDuration::from_mins(3);
    let mut facts = Vec::new();
    for (number, file) in (1..).zip(files) {
        facts.push(FileFact {
            id: DeliveryId::new(received_at, [number; 10]),
            provider: provider.clone(),
            name: file.name.clone(),
            sha256: Digest::of(&file.bytes),
            bytes: u64::try_from(file.bytes.len())?,
            key_owner: "night job".to_owned(),
            received_at,
            state: "loaded".to_owned(),
            mapping: None,
            snapshot: None,
            rows: None,
            findings: None,
        });
    }
    let lead = facts.first().map(|fact| fact.id).ok_or("no file")?;
    let (verified, report) = verdict(&known.feed, reference, received_at, files, &facts)?;
    for fact in &mut facts {
        fact.mapping.clone_from(&report.mapping);
        fact.snapshot = Some(lead);
        fact.rows = Some((report.rows.read, report.rows.rejected));
    }
    Ok(Load { verified, reference: SnapshotRef { lead, slot, version: 1 }, replay: false, files: facts, report })
}

fn verdict(
    feed: &bedfeed::verify::Feed,
    reference: &Reference,
    received_at: Timestamp,
    files: &[ExtractFile],
    facts: &[FileFact],
) -> Result<(Verified, Report), Failure> {
    let names = files.iter().map(|file| FileName::parse(file.name.as_bytes())).collect::<Result<Vec<_>, _>>()?;
    let parts: Vec<Part<'_>> = (files.iter().zip(facts))
        .zip(&names)
        .map(|((file, fact), name)| Part { delivery: fact.id, name, sha256: fact.sha256, bytes: &file.bytes })
        .collect();
    let history = History::default();
    let context = Context { feed, reference, history: &history, received_at, now: received_at, released: false };
    let assessment = assess(&parts, &context);
    match assessment.verdict {
        Verdict::Accepted(verified) => Ok((verified, assessment.report)),
        other => Err(format!("an extract should be accepted: {other:.0?}, {:?}", assessment.report.findings).into()),
    }
}

fn rows_of(settings: &config::Settings, reference: &Reference) -> ReferenceRows {
    let row = |known: &config::Provider| ProviderRow { provider: known.code.clone(), name: known.name.clone(), kind: known.kind };
    ReferenceRows {
        providers: settings.providers.iter().map(row).collect(),
        sites: reference.sites.clone(),
        wards: reference.wards.clone(),
        ward_types: reference.ward_types.clone(),
        ward_classes: reference.ward_classes.clone(),
        bed_groups: reference.bed_groups.clone(),
        mappings: Vec::new(),
        agreements: Vec::new(),
    }
}

/// Who sends, and to whom.
struct Sender<'a> {
    address: &'a str,
    key: &'a Path,
    config: &'a Path,
}

async fn visible(sender: &Sender<'_>, url: &str, password: &Path, times: u32) -> Result<(), Failure> {
    let settings = config::load(sender.config).map_err(|problems| format!("the settings cannot be read: {problems:?}"))?;
    let address = server(url, password)?.address;
    let bedfeed::forward::PostgresHost::Name(host) = &address.host else { return Err("the url names a socket".into()) };
    let mut config = tokio_postgres::Config::new();
    config.host(host).port(address.port).user(&address.user).dbname(&address.database).password(std::fs::read_to_string(password)?);
    let (warehouse, connection) = config.connect(tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    let there = warehouse.prepare("SELECT count(*) FROM ingest_snapshot").await?;
    let count = async || -> Result<i64, Failure> { Ok(warehouse.query_one(&there, &[]).await?.try_get(0)?) };

    // One slot after the other, up to the one before the current one: nothing is too old and nothing comes twice.
    let now = Slot::containing(SystemClock.now());
    let mut slot = now.plus(-i32::try_from(times)?);
    let mut world = World::with_layouts(&settings.reference, SEED, slot.start(), &[(provider()?, Layout::Rm1)])?;
    let mut seconds = Vec::new();
    let before = count().await?;
    for sent in 1..=i64::from(times) {
        let files = extract(&world, &provider()?, slot.start(), &Options::default())?;
        tokio::time::sleep(REST).await;
        let client =
            Uploader::connect(sender.address.parse()?, provider()?.as_str(), load_key(sender.key)?, &HostKey::AnyOnLoopback).await?;
        for file in &files {
            client.put("inbox", &file.name, &file.bytes).await?;
        }
        let answered = Instant::now();
        while count().await? < before + sent {
            if answered.elapsed() > PATIENCE {
                return Err(format!("{slot} did not show within {} s", PATIENCE.as_secs()).into());
            }
            tokio::time::sleep(PAUSE).await;
        }
        seconds.push(answered.elapsed().as_secs_f64());
        client.close().await?;
        slot = slot.next();
        world.advance();
    }
    writeln!(std::io::stdout(), "{}", serde_json::json!({ "seconds": seconds }))?;
    Ok(())
}
