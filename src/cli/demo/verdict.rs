//! The verdict: every promise of the round, checked from outside against the ledger, the warehouse and the receipts.

use super::folder::KEYS;
use super::round::{End, Round, Upload, deliveries};
use crate::cli::Failure;
use crate::config::Settings;
use crate::feed::nhs_number::masked;
use crate::feed::{Stage, Totals};
use crate::forward::{Figures, ProviderFigures};
use crate::ledger::{DeliveryRow, FILE_NAME, Reader};
use crate::quarantine::{DELIVERIES, QUARANTINE};
use crate::service::Running;
use crate::simulator::{HostKey, UploadError, Uploader, load_key};
use std::collections::BTreeMap;
use std::path::Path;

/// One thing that was promised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Check {
    /// The promise it belongs to, as the documentation numbers them.
    pub(super) promise: &'static str,
    /// What was to be true; where it was not, what was found instead.
    pub(super) what: String,
    /// Whether it was.
    pub(super) held: bool,
}

/// Checks everything.
pub(super) async fn check(
    plan: &Round,
    failed: &[String],
    settings: &Settings,
    running: &Running,
    dir: &Path,
) -> Result<Vec<Check>, Failure> {
    let reader = Reader::open(&settings.state_dir.join(FILE_NAME))?;
    let rows = deliveries(&reader)?;
    let mut checks = vec![says("P1", "every upload was acknowledged", failed.to_vec())];
    checks.push(says("P2", "every delivery ended as it should, once", ends(plan, &rows)));
    let receipts = receipts(plan, running, dir).await;
    checks.push(says("P6", "every delivery has a receipt that says so", wrong_receipts(plan, &receipts)));
    let now = running.warehouse_reader().system_now().await.map_err(Failure::broken)?;
    let figures: Vec<String> =
        plan.truth.iter().filter_map(|(code, _, truth)| wrong_figures(code.as_str(), truth, &now.providers)).collect();
    checks.push(says("P4", "bad files removed nothing: the figures are those of the last good ones", figures));
    checks.push(says("P10", "the silent provider's figures are not known, and the total says that it is partial", silent(plan, &now)));
    checks.push(says("P5", "the silent provider is late, said once; nobody else is", lateness(plan, &reader)?));
    checks.push(says(
        "P7",
        "no leaked number is in the ledger, the warehouse, a stored file, a receipt or a page",
        leaks(plan, settings, running, &receipts, &rows).await?,
    ));
    let audit = reader.audit(&[])?;
    let chain = audit.chain.err().map(|broken| format!("entry {} {}", broken.seq, broken.what));
    checks.push(says("P8", "the audit trail is whole", chain.into_iter().chain(audit.contradictions).collect()));
    Ok(checks)
}

fn says(promise: &'static str, what: &str, wrong: Vec<String>) -> Check {
    let held = wrong.is_empty();
    Check { promise, what: if held { what.to_owned() } else { format!("{what} - but {}", wrong.join("; ")) }, held }
}

/// Deliveries in the order they were sent, beside the uploads they belong to.
fn ends(plan: &Round, rows: &[DeliveryRow]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut left: Vec<&DeliveryRow> = rows.iter().collect();
    for upload in &plan.uploads {
        for (name, _) in &upload.files {
            let ours = |row: &&DeliveryRow| row.delivery.provider == upload.provider && row.delivery.name.as_str() == name;
            let Some(index) = left.iter().position(|row| ours(row) && row.delivery.folder.as_str() == upload.folder) else {
                wrong.push(format!("{name} of {} is not in the ledger", upload.provider));
                continue;
            };
            let row = left.remove(index);
            if !ended(row, upload.end) {
                wrong.push(format!("{name} ({}) is {}", upload.what, row.stage.as_str()));
            }
        }
    }
    wrong.extend(left.iter().map(|row| format!("{} was sent by nobody", row.delivery.name)));
    wrong
}

fn ended(row: &DeliveryRow, end: End) -> bool {
    let spoke = |rule| row.report.as_ref().is_some_and(|report| report.findings.count_of(rule) > 0);
    match (end, &row.stage) {
        (End::Loaded(version), Stage::Loaded { snapshot }) => snapshot.version == version,
        (End::Quarantined(rule), Stage::Quarantined { sealed: false, .. })
        | (End::Sealed(rule), Stage::Quarantined { sealed: true, .. }) => spoke(rule),
        (End::Duplicate, Stage::Duplicate { .. }) | (End::Tested, Stage::Tested { accepted: true }) => true,
        _ => false,
    }
}

type Receipts = BTreeMap<(String, String), Result<Vec<u8>, String>>;

/// Fetches the receipts of the last file of each name, as its sender would.
async fn receipts(plan: &Round, running: &Running, dir: &Path) -> Receipts {
    let mut fetched = BTreeMap::new();
    for upload in &plan.uploads {
        for (name, _) in &upload.files {
            for ending in ["receipt.json", "receipt.txt"] {
                let path = format!("receipts/{name}.{ending}");
                let receipt = fetch(upload, running, dir, &path).await.map_err(|error| crate::feed::error_chain(&error));
                fetched.insert((upload.provider.to_string(), format!("{name}.{ending}")), receipt);
            }
        }
    }
    fetched
}

async fn fetch(upload: &Upload, running: &Running, dir: &Path, path: &str) -> Result<Vec<u8>, UploadError> {
    let key = load_key(&dir.join(KEYS).join(upload.provider.as_str()))?;
    let Some(address) = running.sftp.first() else { return Ok(Vec::new()) };
    let client = Uploader::connect(*address, upload.provider.as_str(), key, &HostKey::AnyOnLoopback).await?;
    let bytes = client.get(path).await?;
    client.close().await?;
    Ok(bytes)
}

fn wrong_receipts(plan: &Round, receipts: &Receipts) -> Vec<String> {
    let mut wrong = Vec::new();
    // A file sent twice under one name has the receipt of its last delivery under that name.
    let mut last: BTreeMap<(String, String), &Upload> = BTreeMap::new();
    for upload in &plan.uploads {
        for (name, _) in &upload.files {
            last.insert((upload.provider.to_string(), name.clone()), upload);
        }
    }
    for ((provider, name), upload) in last {
        match receipts.get(&(provider.clone(), format!("{name}.receipt.json"))) {
            Some(Ok(bytes)) => {
                let value: serde_json::Value = serde_json::from_slice(bytes).unwrap_or_default();
                let verdict = value.get("verdict").and_then(|verdict| verdict.as_str()).unwrap_or_default();
                let expected: &[&str] = match upload.end {
                    End::Loaded(_) => &["accepted", "accepted_with_warnings"],
                    End::Quarantined(_) => &["rejected"],
                    End::Sealed(_) => &["sealed"],
                    End::Duplicate => &["duplicate"],
                    End::Tested => &["test_accepted"],
                };
                if !expected.contains(&verdict) {
                    wrong.push(format!("the receipt of {name} says \"{verdict}\""));
                }
            }
            Some(Err(error)) => wrong.push(format!("the receipt of {name} of {provider} could not be fetched: {error}")),
            None => wrong.push(format!("{name} has no receipt")),
        }
        if !receipts.get(&(provider, format!("{name}.receipt.txt"))).is_some_and(Result::is_ok) {
            wrong.push(format!("{name} has no receipt in words"));
        }
    }
    wrong
}

fn wrong_figures(code: &str, truth: &Totals, providers: &[ProviderFigures]) -> Option<String> {
    let Some(row) = providers.iter().find(|row| row.provider.as_str() == code) else { return Some(format!("{code} is not shown")) };
    let Figures { open, occupied, empty, available_now, closed, .. } = row.figures;
    let shown = [open, occupied, empty, available_now, closed];
    let expected = [truth.open(), truth.occupied, truth.empty, truth.available_now, truth.closed].map(|value| i64::try_from(value).ok());
    (shown != expected).then(|| format!("{code} shows {shown:?}, true is {expected:?}"))
}

fn silent(plan: &Round, now: &crate::forward::SystemNow) -> Vec<String> {
    let mut wrong = Vec::new();
    if let Some(code) = &plan.silent {
        match now.providers.iter().find(|row| row.provider == *code) {
            Some(row) if row.figures.open.is_none() && row.figures.occupied.is_none() => {}
            Some(_) => wrong.push(format!("{code} shows figures")),
            None => wrong.push(format!("{code} is not shown")),
        }
    }
    if !now.system.partial {
        wrong.push("the total claims to be complete".to_owned());
    }
    wrong
}

fn lateness(plan: &Round, reader: &Reader) -> Result<Vec<String>, Failure> {
    let mut wrong = Vec::new();
    let late: Vec<_> = reader.recent_episodes(1000)?.into_iter().filter(|episode| episode.key.contains("/late/")).collect();
    if let Some(code) = &plan.silent {
        let count = late.iter().filter(|episode| episode.provider == *code).count();
        if count != 1 {
            wrong.push(format!("{code} was called late {count} times"));
        }
        wrong
            .extend(late.iter().filter(|episode| episode.provider != *code).map(|episode| format!("{} was called late", episode.provider)));
    }
    let waiting = reader.undelivered_alerts(1000)?.len();
    if waiting > 0 {
        wrong.push(format!("{waiting} alerts were not delivered"));
    }
    Ok(wrong)
}

/// Looks for the leaked numbers in everything that was written or can be read.
async fn leaks(
    plan: &Round,
    settings: &Settings,
    running: &Running,
    receipts: &Receipts,
    rows: &[DeliveryRow],
) -> Result<Vec<String>, Failure> {
    let sealed = || plan.uploads.iter().filter(|upload| matches!(upload.end, End::Sealed(_))).filter_map(|upload| upload.files.first());
    // Of the data file alone: a control file's hash may hold ten digits in a row by chance.
    let in_files: Vec<String> = sealed().flat_map(|(_, bytes)| made_up_numbers(bytes)).collect();
    let in_names: Vec<String> = sealed().map(|(name, _)| name).filter(|name| masked(name) != **name).cloned().collect();
    if in_files.is_empty() || in_names.is_empty() {
        return Ok(vec!["the round leaked no number to look for".to_owned()]);
    }
    let (mut recorded, mut shown): (Places, Places) = (Vec::new(), Vec::new());
    for name in [FILE_NAME, "ledger.db-wal", "warehouse.db", "warehouse.db-wal"] {
        match read_outside(&settings.state_dir.join(name))? {
            // The ledger has every name as it was sent.
            Some(bytes) if name.starts_with(FILE_NAME) => recorded.push((name.to_owned(), bytes)),
            Some(bytes) => shown.push((name.to_owned(), bytes)),
            None => {}
        }
    }
    for folder in [DELIVERIES, QUARANTINE] {
        stored(&settings.state_dir.join(folder), &mut shown)?;
    }
    shown.extend(receipts.iter().filter_map(|((_, name), bytes)| Some((masked(name), bytes.as_ref().ok()?.clone()))));
    let of_sealed = rows.iter().filter(|row| matches!(row.stage, Stage::Quarantined { sealed: true, .. }));
    let paths = ["/", "/metrics", "/api/v1/feeds", "/api/v1/deliveries"].map(str::to_owned);
    for path in paths.into_iter().chain(of_sealed.map(|row| format!("/deliveries/{}", row.delivery.id))) {
        let page = page(running, &path).await?;
        shown.push((format!("the page {path}"), page));
    }
    let has = |bytes: &[u8], texts: &[String]| texts.iter().any(|text| bytes.windows(text.len()).any(|window| window == text.as_bytes()));
    let leaking = recorded.iter().filter(|(_, bytes)| has(bytes, &in_files));
    let leaking = leaking.chain(shown.iter().filter(|(_, bytes)| has(bytes, &in_files) || has(bytes, &in_names)));
    Ok(leaking.map(|(name, _)| format!("one is in {name}")).collect())
}

/// What is looked through: what it is called, and its bytes.
type Places = Vec<(String, Vec<u8>)>;

/// Reads an open database's file by another process. Closing a descriptor of a file drops all locks that a process has on it:
/// read by ourselves, our connections would go on without theirs, and the next program that looks into the database and leaves
/// would take the write-ahead log away from under them.
fn read_outside(path: &Path) -> Result<Option<Vec<u8>>, Failure> {
    if !path.try_exists()? {
        return Ok(None);
    }
    let output = std::process::Command::new("cat").arg("--").arg(path).output()?;
    if output.status.success() {
        return Ok(Some(output.stdout));
    }
    Err(Failure::Failed(format!("{} could not be read: {}", path.display(), String::from_utf8_lossy(&output.stderr).trim())))
}

/// Every file below a folder, none of which is a database that is open.
fn stored(folder: &Path, places: &mut Places) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            stored(&path, places)?;
        } else {
            places.push((path.display().to_string(), std::fs::read(&path)?));
        }
    }
    Ok(())
}

/// The simulator's NHS numbers: ten digits from the range 999, which is never issued.
fn made_up_numbers(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    text.split(|c: char| !c.is_ascii_digit()).filter(|word| word.len() == 10 && word.starts_with("999")).map(str::to_owned).collect()
}

/// A page as a browser would get it.
async fn page(running: &Running, path: &str) -> Result<Vec<u8>, Failure> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    /// Far more than a page may have.
    const MOST: u64 = 1024 * 1024;
    let mut stream = tokio::net::TcpStream::connect(running.web).await?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes()).await?;
    let mut bytes = Vec::new();
    stream.take(MOST).read_to_end(&mut bytes).await?;
    if bytes.starts_with(b"HTTP/1.1 200") { Ok(bytes) } else { Err(Failure::Failed(format!("the page {path} could not be read"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_that_is_looked_through_keeps_its_locks() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("warehouse.db");
        assert_eq!(read_outside(&path).unwrap(), None);
        let connection = rusqlite::Connection::open(&path).unwrap();
        connection.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE ward (code TEXT); INSERT INTO ward VALUES ('W21-here')").unwrap();
        let log = read_outside(&dir.path().join("warehouse.db-wal")).unwrap().unwrap();
        assert!(log.windows(8).any(|window| window == b"W21-here"));
        assert!(read_outside(&path).unwrap().unwrap().starts_with(b"SQLite format 3"));
        assert!(crate::feed::testing::keeps_its_log(&path));
        connection.execute("INSERT INTO ward VALUES ('W22')", []).unwrap();
    }
}
