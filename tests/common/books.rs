//! The four books: what the clients were told, the ledger, the warehouse, and the folders. They must agree.

use super::extract::BEDS;
use super::webhook::Webhook;
use super::{Service, names};
use bedfeed::feed::Digest;
use serde_json::Value;
use std::collections::BTreeMap;

/// What clients tried to send: by provider and hash, as in `RZZ 9f86d0…`.
#[derive(Debug, Default)]
pub(crate) struct Sent(BTreeMap<String, File>);

/// One file that clients tried to send, perhaps more than once.
#[derive(Clone, Debug)]
struct File {
    /// What should become of it the first time it is taken.
    outcome: &'static str,
    /// How often it was sent.
    tries: usize,
    /// How often the client ended with success.
    acknowledged: usize,
}

/// What was found when the books agreed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Found {
    /// Files that were acknowledged at least once.
    pub(crate) acknowledged: usize,
    /// Files that never were.
    pub(crate) refused: usize,
    /// Those of them that were taken all the same: the answer was lost, not the file.
    pub(crate) unheard: usize,
}

impl Sent {
    /// Notes a try, and how it ended for the client.
    pub(crate) fn note(&mut self, code: &str, bytes: &[u8], outcome: &'static str, acknowledged: bool) {
        let file = self.0.entry(key(code, &Digest::of(bytes).to_string())).or_insert(File { outcome, tries: 0, acknowledged: 0 });
        assert_eq!(file.outcome, outcome, "a file has one fate");
        file.tries += 1;
        file.acknowledged += usize::from(acknowledged);
    }

    /// What should have become of a file by now: after a person has acted on it.
    pub(crate) fn becomes(&mut self, code: &str, bytes: &[u8], outcome: &'static str) {
        self.0.get_mut(&key(code, &Digest::of(bytes).to_string())).unwrap().outcome = outcome;
    }

    /// How many different files.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

fn key(code: &str, sha256: &str) -> String {
    format!("{code} {sha256}")
}

fn text<'a>(row: &'a Value, key: &str) -> &'a str {
    row[key].as_str().unwrap()
}

/// Compares the books, once nothing is pending. Extracts are those of `extract.rs`. Panics where they differ.
#[track_caller]
pub(crate) fn reconcile(service: &Service, sent: &Sent) -> Found {
    let ledger = service.ledger("SELECT id, provider, sha256, outcome, stage, slot, version FROM delivery ORDER BY id");
    let found = told_and_recorded(&ledger, sent);
    recorded_and_loaded(service, &ledger);
    stored(service).unwrap();
    service.bedfeed(&["audit", "verify"]).fine();
    found
}

/// Clients and ledger: what was acknowledged is there, once; what was not is there once or not at all.
#[track_caller]
fn told_and_recorded(ledger: &[Value], sent: &Sent) -> Found {
    let mut rows: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    for row in ledger {
        let key = key(text(row, "provider"), text(row, "sha256"));
        assert!(sent.0.contains_key(&key), "nobody sent {row}");
        rows.entry(key).or_default().push(row);
    }
    let mut found = Found::default();
    for (key, file) in &sent.0 {
        let taken = rows.remove(key).unwrap_or_default();
        assert!(taken.len() >= file.acknowledged, "acknowledged and lost: {key}: {file:?}, {taken:?}");
        assert!(taken.len() <= file.tries, "more often in the ledger than it was sent: {key}: {file:?}, {taken:?}");
        // Only a file that is loaded is ever repeated; the others are judged each time.
        let repeats = taken.iter().filter(|row| row["outcome"] == "duplicate").count();
        let first = taken.iter().filter(|row| row["outcome"] == file.outcome).count();
        let once = if file.outcome == "loaded" { first == taken.len().min(1) } else { repeats == 0 };
        assert!(once && first + repeats == taken.len(), "{key}: {file:?}, {taken:?}");
        match file.acknowledged {
            0 => found.refused += 1,
            _ => found.acknowledged += 1,
        }
        found.unheard += usize::from(file.acknowledged == 0 && !taken.is_empty());
    }
    found
}

/// Ledger and warehouse: each loaded snapshot is there once, whole, and one of each slot is shown.
#[track_caller]
fn recorded_and_loaded(service: &Service, ledger: &[Value]) {
    let loaded = ids(ledger, |row| row["outcome"] == "loaded");
    let snapshots = service.query(
        "SELECT s.snapshot_id AS id, s.provider_code AS provider, s.slot_utc AS slot, s.version AS version, s.lines AS lines,
           (SELECT count(*) FROM fact_bed_line f WHERE f.snapshot_key = s.snapshot_key) AS rows,
           (SELECT sum(quantity) FROM fact_bed_line f WHERE f.snapshot_key = s.snapshot_key) AS beds
         FROM ingest_snapshot s ORDER BY s.snapshot_id",
    );
    assert_eq!(snapshots.iter().map(|row| text(row, "id").to_owned()).collect::<Vec<_>>(), loaded, "each loaded snapshot, once");
    for row in &snapshots {
        assert!(row["rows"] == BEDS && row["lines"] == BEDS && row["beds"] == BEDS, "whole: {row}");
        let entry = ledger.iter().find(|entry| entry["id"] == row["id"]).unwrap();
        assert_eq!(entry["version"], row["version"], "{row}");
    }
    let currents = service.query("SELECT provider_code, slot_utc, sum(is_current) AS current, max(version) AS newest, max(version * is_current) AS shown FROM ingest_snapshot GROUP BY 1, 2");
    assert!(currents.iter().all(|row| row["current"] == 1 && row["newest"] == row["shown"]), "{currents:?}");
}

/// Ledger and folders: each original lies where its stage says, whole; nothing else lies there. Says what differs.
pub(crate) fn stored(service: &Service) -> Result<(), String> {
    let ledger = service.ledger("SELECT id, sha256, outcome, stage FROM delivery ORDER BY id");
    let agree = |what: &str, found: Vec<String>, wanted: Vec<String>| {
        if found == wanted { Ok(()) } else { Err(format!("{what}: found {found:?}, wanted {wanted:?}")) }
    };
    agree("deliveries/", names(&service.state().join("deliveries")), ids(&ledger, |row| row["outcome"] != "quarantined"))?;
    agree("quarantine/", names(&service.state().join("quarantine")), ids(&ledger, |row| row["outcome"] == "quarantined"))?;
    let encrypts = std::fs::read_to_string(service.settings()).unwrap().contains("recipients = [\"age1");
    for row in &ledger {
        let id = text(row, "id");
        let same = |path: std::path::PathBuf| {
            let bytes = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            agree(id, vec![Digest::of(&bytes).to_string()], vec![text(row, "sha256").to_owned()])
        };
        if row["outcome"] != "quarantined" {
            same(service.state().join("deliveries").join(id))?;
            continue;
        }
        let stage: Value = serde_json::from_str(text(row, "stage")).unwrap();
        let original: &[&str] = match (stage["sealed"] == true, stage["discarded"] == true) {
            (true, true) => &[],
            (true, false) if encrypts => &["original.age"],
            _ => &["original"],
        };
        let folder = service.state().join("quarantine").join(id);
        agree(id, names(&folder), [&["findings.json"], original].concat().into_iter().map(str::to_owned).collect())?;
        let findings = std::fs::read(folder.join("findings.json")).unwrap_or_default();
        if !serde_json::from_slice::<Value>(&findings).is_ok_and(|value| value.is_object()) {
            return Err(format!("the findings of {id} are not whole"));
        }
        if original == ["original"] {
            same(folder.join("original"))?;
        }
    }
    Ok(())
}

fn ids(ledger: &[Value], which: impl Fn(&Value) -> bool) -> Vec<String> {
    let mut ids: Vec<String> = ledger.iter().filter(|row| which(row)).map(|row| text(row, "id").to_owned()).collect();
    ids.sort();
    ids
}

/// Ledger and the desk that gets the alerts: each message of the outbox has come, and nothing else; what came twice is the same
/// message; what has ended was told from end to end.
#[track_caller]
pub(crate) fn reconcile_alerts(service: &Service, desk: &Webhook) {
    let ended = service.ledger("SELECT key FROM episode WHERE closed_at IS NOT NULL");
    let delivered = || service.ledger("SELECT 1 FROM outbox WHERE delivered_at IS NULL LIMIT 1").is_empty();
    let mut told = BTreeMap::new();
    // The daemon goes on meanwhile: a new episode is first recorded, then told.
    super::wait_until("what was recorded was told, and nothing else", || {
        told = told_to(desk);
        let outbox = service.ledger("SELECT key, message FROM outbox WHERE channel = 'webhook:desk'");
        let queued = outbox.iter().map(|row| (text(row, "key").to_owned(), serde_json::from_str(text(row, "message")).unwrap()));
        told == queued.collect::<BTreeMap<String, Value>>() && delivered()
    });
    let log = service.log();
    let unsaid: Vec<&String> = told.keys().filter(|key| !log.contains(key.as_str())).collect();
    assert!(unsaid.is_empty(), "the log is told too: {unsaid:?}");
    for row in ended {
        let key = text(&row, "key");
        assert!(told.contains_key(&format!("{key}/begin")) && told.contains_key(&format!("{key}/end")), "{key} is told from end to end");
    }
}

/// What a desk has taken, by its key.
#[track_caller]
fn told_to(desk: &Webhook) -> BTreeMap<String, Value> {
    let mut told: BTreeMap<String, Value> = BTreeMap::new();
    for posted in desk.posted().into_iter().filter(|posted| posted.taken) {
        let before = told.insert(posted.key.clone(), posted.body.clone());
        assert!(before.is_none_or(|before| before == posted.body), "the same key says the same: {posted:?}");
    }
    told
}
