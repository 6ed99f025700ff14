//! What `tests/bench/assess` measures on our side: generates a file, or does one kind of work on it again and again.
//!
//! `bench_assess generate FOLDER ROWS`: an invented file of beds in the layout of the first sample provider, as
//! `FOLDER/RM1_BEDSTATE_20181203_1015.csv`; and `FOLDER/plain.csv`, the same without the row of sums, for programs that would
//! stumble over it. Equal on every run.
//!
//! `bench_assess WORK FILE TIMES`: reads FILE, does WORK on it TIMES times and prints a line of JSON: seconds of each time by
//! the clock and of the processor, and the peak of memory. WORK is one of
//! `bytes` (read the file), `csv-strings` (the csv crate as its documentation has it: a `StringRecord` for each row),
//! `csv-bytes` (the csv crate at its quickest: one `ByteRecord` used over and over), and
//! `assess` (our whole assessment by the shipped settings, every rule, a snapshot out).

use bedfeed::bedstate::{BedBase, BedSex, Site, Ward};
use bedfeed::config;
use bedfeed::feed::{DeliveryId, Digest, FileName, ProviderCode};
use bedfeed::pipeline::assess::{Assessment, Context, Part, assess};
use bedfeed::verify::{Feed, History, Verdict};
use std::error::Error;
use std::fmt::Write as _;
use std::hint::black_box;
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

type Failure = Box<dyn Error + Send + Sync>;

const NAME: &str = "RM1_BEDSTATE_20181203_1015.csv";
const RECEIVED: &str = "2018-12-03T10:18:00Z";
const HEADER: &str =
    "\"EXTRACT_DTTM\",\"SITE\",\"WARD_CODE\",\"WARD_DESC\",\"BAY\",\"BED\",\"STATUS\",\"SEX\",\"AGE\",\"SPEC\",\"LOC\",\"DTA_DTTM\"\r\n";
/// A bay has so many beds, a ward so many bays, a site so many wards: a million beds on 2,500 wards of 400.
const BEDS: usize = 8;
const BAYS: usize = 50;
const WARDS: usize = 250;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["generate", folder, rows] => generate(Path::new(folder), rows.parse()?),
        [work, file, times] => measure(work, Path::new(file), times.parse()?),
        _ => Err("usage: bench_assess generate FOLDER ROWS | bytes FILE TIMES | csv-strings … | csv-bytes … | assess …".into()),
    }
}

/// Where the bed of a number stands: site, ward, bay and bed.
fn place(bed: usize) -> [String; 4] {
    let (bay, ward) = (bed / BEDS, bed / BEDS / BAYS);
    [site(ward), format!("W{:03}", ward % WARDS + 1), format!("B{:02}", bay % BAYS + 1), format!("{:02}", bed % BEDS + 1)]
}

fn site(ward: usize) -> String {
    format!("RM1{:02}", ward / WARDS + 1)
}

fn generate(folder: &Path, rows: usize) -> Result<(), Failure> {
    let mut text = HEADER.to_owned();
    let mut noise = 0x2545_f491_4f6c_dd1d_u64;
    let mut below = |end: u64| {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        noise % end
    };
    for bed in 0..rows {
        let [site, ward, bay, number] = place(bed);
        let status = match below(100) {
            0..88 => "OCC",
            88..93 => "VAC",
            93..96 => "VAC-DIRTY",
            96..98 => "CLS-INF",
            _ => "CLS-STF",
        };
        let (sex, age) = match status {
            "OCC" => (if below(2) == 1 { "F" } else { "M" }, (18 + below(80)).to_string()),
            _ => ("", String::new()),
        };
        let (spec, kind) = match bed / BEDS / BAYS % 4 {
            0 => ("100", "Surgical"),
            1 => ("110", "Orthopaedic"),
            2 => ("300", "General Medical"),
            _ => ("340", "Respiratory"),
        };
        write!(
            text,
            "\"03/12/2018 10:15\",\"{site}\",\"{ward}\",\"Ward {} - {kind} Unit\",\"{bay}\",\"{number}\",\"{status}\",\"{sex}\",\"{age}\",\"{spec}\",\"IP\",\"\"\r\n",
            bed / BEDS / BAYS % WARDS + 1,
        )?;
    }
    std::fs::write(folder.join("plain.csv"), &text)?;
    write!(text, "\"TOTAL\",\"\",\"\",\"\",\"\",\"\",\"{rows}\",\"\",\"\",\"\",\"\",\"\"\r\n")?;
    std::fs::write(folder.join(NAME), &text)?;
    Ok(())
}

fn measure(work: &str, file: &Path, times: usize) -> Result<(), Failure> {
    let mut seconds = Vec::new();
    let desk = Desk::new(file)?;
    // Over all times together: the system tells it by ticks, which a small file takes less than one of.
    let used = on_processor()?;
    for _ in 0..times.max(1) {
        let started = Instant::now();
        let rows = match work {
            "bytes" => bytes(file)?,
            "csv-strings" => csv_strings(file)?,
            "csv-bytes" => csv_bytes(file)?,
            "assess" => desk.judge(file)?,
            _ => return Err("no such work".into()),
        };
        seconds.push(started.elapsed().as_secs_f64());
        black_box(rows);
    }
    let processor = (on_processor()? - used) / f64::from(u32::try_from(seconds.len())?);
    let result = serde_json::json!({ "seconds": seconds, "processor": [processor], "peak": peak()? });
    writeln!(std::io::stdout(), "{result}")?;
    Ok(())
}

fn bytes(file: &Path) -> Result<u64, Failure> {
    let bytes = std::fs::read(file)?;
    // Each byte is looked at, so that none is left unread.
    Ok(black_box(&bytes).iter().map(|byte| u64::from(*byte)).sum())
}

/// What nearly every program with the csv crate does, and what its tutorial shows.
fn csv_strings(file: &Path) -> Result<u64, Failure> {
    let mut rows = 0;
    for record in csv::Reader::from_path(file)?.records() {
        black_box(record?);
        rows += 1;
    }
    Ok(rows)
}

fn csv_bytes(file: &Path) -> Result<u64, Failure> {
    let (mut reader, mut record, mut rows) = (csv::Reader::from_path(file)?, csv::ByteRecord::new(), 0);
    while reader.read_byte_record(&mut record)? {
        black_box(&record);
        rows += 1;
    }
    Ok(rows)
}

/// The shipped settings, with room for a million rows and the invented wards registered.
struct Desk {
    settings: config::Settings,
    feed: Feed,
    /// Of the file: the daemon has it from when the file came in.
    sha256: Digest,
}

impl Desk {
    fn new(file: &Path) -> Result<Self, Failure> {
        let mut settings = config::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("config/bedfeed.toml"))
            .map_err(|problems| format!("the shipped settings cannot be read: {problems:?}"))?;
        let provider: ProviderCode = "RM1".parse()?;
        let known = settings.providers.iter().find(|known| known.code == provider).ok_or("the sample provider is gone")?;
        let mut feed = known.feed.clone();
        feed.limits.max_file_bytes = 1 << 30;
        feed.limits.max_rows = 10_000_000;
        // A ward that is registered and not in the file would reject it.
        settings.reference.wards.retain(|ward| ward.provider != provider);
        let bytes = std::fs::read(file)?;
        let beds = bytes.iter().filter(|byte| **byte == b'\n').count().saturating_sub(2);
        for ward in 0..beds.div_ceil(BAYS * BEDS) {
            let [site_code, ward_code, ..] = place(ward * BAYS * BEDS);
            if ward % WARDS == 0 {
                let site = Site {
                    provider: provider.clone(),
                    site_code: site_code.clone(),
                    name: String::new(),
                    valid_from: None,
                    valid_to: None,
                };
                settings.reference.sites.push(site);
            }
            settings.reference.wards.push(Ward {
                provider: provider.clone(),
                site_code,
                ward_code,
                name: String::new(),
                ward_type: "GENMED".to_owned(),
                ward_class: "GA".to_owned(),
                bed_group: "MED".to_owned(),
                bed_sex: BedSex::NotSpecified,
                min_age: None,
                max_age: None,
                treatment_function: None,
                registered_beds: u32::try_from((beds - ward * BAYS * BEDS).min(BAYS * BEDS))?,
                may_be_absent: false,
                bed_base: BedBase::Core,
                alias: None,
                valid_from: None,
                valid_to: None,
            });
        }
        Ok(Self { settings, feed, sha256: Digest::of(&bytes) })
    }

    /// Judges a file from its bytes on the disk to a snapshot that may be loaded.
    fn judge(&self, file: &Path) -> Result<u64, Failure> {
        let bytes = std::fs::read(file)?;
        let sha256 = self.sha256;
        let checksum = format!("{sha256}  {NAME}\n").into_bytes();
        let received_at = RECEIVED.parse()?;
        let (data, beside) = (FileName::parse(NAME.as_bytes())?, FileName::parse(format!("{NAME}.sha256").as_bytes())?);
        let parts = [
            Part { delivery: DeliveryId::new(received_at, [1; 10]), name: &data, sha256, bytes: &bytes },
            Part { delivery: DeliveryId::new(received_at, [2; 10]), name: &beside, sha256: Digest::of(&checksum), bytes: &checksum },
        ];
        let history = History::default();
        let reference = &self.settings.reference;
        let context = Context { feed: &self.feed, reference, history: &history, received_at, now: received_at, released: false };
        let Assessment { verdict, report, .. } = assess(&parts, &context);
        match verdict {
            Verdict::Accepted(verified) if verified.snapshot().lines.len() > 1 => Ok(report.rows.lines),
            other => Err(format!("the file should be accepted: {:?}, {other:.0?}", report.findings).into()),
        }
    }
}

/// Seconds that this thread was on a processor.
fn on_processor() -> Result<f64, Failure> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds: f64 = text.split_whitespace().next().unwrap_or_default().parse()?;
    Ok(nanoseconds / 1e9)
}

/// The most memory that this process ever had, in bytes.
fn peak() -> Result<u64, Failure> {
    let text = std::fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim_end_matches("kB").trim().parse::<u64>()? * 1024)
}
