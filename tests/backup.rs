//! Backups from outside: taken under load from real clients, restored on another machine, and the books compared.
//!
//! `tests/drill` shows what the drill measures; `BEDFEED_DRILL_FILES=300` and `BEDFEED_DRILL_BACKUPS=30` make it longer.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may fail loudly"
)]

mod common;

use bedfeed::feed::{Digest, Folder};
use bedfeed::ledger::Event;
use common::extract::{BEDS, damaged, good};
use common::past::{Came, Past};
use common::{BEDFEED, Ran, Service, id, names, now, pause, run, wait_until};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A number that passes the check, from the range that is never issued.
const NUMBER: &str = "9990000018";

/// A file that a client sent.
#[derive(Clone, Debug)]
struct Sent {
    code: String,
    name: String,
    text: String,
    /// What should become of it.
    outcome: &'static str,
    /// When its client ended with success.
    acknowledged: Option<Timestamp>,
}

type Log = Mutex<BTreeMap<String, Sent>>;

/// The files of one provider, one after another: good ones, damaged ones, and some that leak.
fn send_until(stop: &AtomicBool, service: &Service, code: &str, log: &Log) {
    let mut pattern = 0;
    while !stop.load(Ordering::SeqCst) {
        pattern += 1;
        let ((name, text), outcome) = match pattern % 5 {
            3 => (damaged(code, now(), pattern), "quarantined"),
            4 => (leaking(code, pattern), "quarantined"),
            _ => (good(code, now(), pattern), "loaded"),
        };
        let file = service.file(&format!("{code}.{pattern}"), &text);
        let ran = service.sftp(code, format!("put {file} inbox/{name}"));
        let acknowledged = (ran.code == Some(0)).then(now);
        let key = format!("{code} {}", Digest::of(text.as_bytes()));
        let sent = Sent { code: code.to_owned(), name, text, outcome, acknowledged };
        assert!(log.lock().unwrap().insert(key, sent).is_none(), "each file is another one");
    }
}

fn leaking(code: &str, pattern: u32) -> (String, String) {
    // One number alone could be chance.
    let (name, text) = good(code, now(), pattern * 8 + 7);
    (name, text.replace("sex,age", "sex,age,ref").replace("F,71", &format!("F,71,{NUMBER}")).replace("empty,,", "empty,,,"))
}

/// Has a key pair made, and its public half put into the settings, so that what leaks is encrypted.
fn with_a_key(service: &Service) {
    let keys = service.dir().join("governance.txt");
    assert_eq!(run("age-keygen", &["-o".as_ref(), keys.as_os_str()], b"").code, Some(0));
    let public = run("age-keygen", &["-y".as_ref(), keys.as_os_str()], b"").fine().stdout;
    service.append("bedfeed.toml", &format!("\n[governance]\nrecipients = [\"{}\"]\n", public.trim()));
}

fn acknowledged(log: &Log) -> BTreeSet<String> {
    log.lock().unwrap().iter().filter(|(_, sent)| sent.acknowledged.is_some()).map(|(key, _)| key.clone()).collect()
}

/// `bedfeed backup DIR`: what it says of itself.
#[track_caller]
fn back_up(service: &Service, dir: &Path) -> Value {
    service.bedfeed(&["backup", dir.to_str().unwrap(), "--json"]).fine().json()
}

fn verify(path: &Path) -> Ran {
    run(BEDFEED, &["backup".as_ref(), "verify".as_ref(), path.as_os_str()], b"")
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

fn text(row: &Value, key: &str) -> String {
    row[key].as_str().unwrap().to_owned()
}

fn pending(service: &Service) -> bool {
    !service.ledger("SELECT 1 FROM delivery WHERE outcome = 'pending' LIMIT 1").is_empty()
}

/// Compares the four books: what clients were told, the ledger, the warehouse, the folders. Gives the keys that the ledger has.
fn books_agree(service: &Service, log: &BTreeMap<String, Sent>, must_have: &BTreeSet<String>) -> BTreeSet<String> {
    let ledger =
        service.ledger("SELECT id, provider, sha256, outcome, stage, version FROM delivery WHERE outcome <> 'duplicate' ORDER BY id");
    let mut seen = BTreeSet::new();
    for row in &ledger {
        let key = format!("{} {}", text(row, "provider"), text(row, "sha256"));
        let sent = log.get(&key).unwrap_or_else(|| panic!("nobody sent {row}"));
        assert_eq!(row["outcome"], sent.outcome, "{row}");
        assert!(seen.insert(key), "in the ledger twice: {row}");
    }
    let lost: Vec<_> = must_have.difference(&seen).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    let ids = |outcome: &str| -> Vec<String> { ledger.iter().filter(|row| row["outcome"] == outcome).map(|row| text(row, "id")).collect() };
    let loaded = ids("loaded");
    let snapshots = service.query(
        "SELECT s.snapshot_id AS id, s.version AS version,
           (SELECT sum(quantity) FROM fact_bed_line f WHERE f.snapshot_key = s.snapshot_key) AS beds
         FROM ingest_snapshot s ORDER BY s.snapshot_id",
    );
    assert_eq!(snapshots.iter().map(|row| text(row, "id")).collect::<Vec<_>>(), loaded, "each loaded snapshot, once");
    for row in &snapshots {
        let entry = ledger.iter().find(|entry| entry["id"] == row["id"]).unwrap();
        assert!(row["beds"] == BEDS && entry["version"] == row["version"], "{row} {entry}");
    }
    let currents = service.query("SELECT sum(is_current) AS current FROM ingest_snapshot GROUP BY provider_code, slot_utc");
    assert!(currents.iter().all(|row| row["current"] == 1), "{currents:?}");
    for id in &loaded {
        let bytes = fs::read(service.state().join("deliveries").join(id)).unwrap();
        let entry = ledger.iter().find(|entry| entry["id"] == id.as_str()).unwrap();
        assert_eq!(Digest::of(&bytes).to_string(), text(entry, "sha256"));
    }
    assert_eq!(names(&service.state().join("quarantine")), ids("quarantined"), "what is set aside");
    for row in ledger.iter().filter(|row| row["outcome"] == "quarantined") {
        let sealed = text(row, "stage").contains("\"sealed\":true");
        let original = if sealed { "original.age" } else { "original" };
        assert_eq!(names(&service.state().join("quarantine").join(text(row, "id"))), ["findings.json", original], "{row}");
    }
    seen
}

#[test]
fn p1_p2_p8_a_drill_a_backup_under_load_is_restored_elsewhere_and_nothing_acknowledged_before_it_is_lost() {
    let number = |name: &str, default: usize| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    let (count, parts) = (number("BEDFEED_DRILL_FILES", 24), number("BEDFEED_DRILL_BACKUPS", 3));
    let codes = ["RZA", "RZB", "RZC"];
    let mut service = Service::cottage(&codes);
    with_a_key(&service);
    service.start();
    let clients = [service.clients(), service.clients(), service.clients()];
    // Another disk: it outlives the machine.
    let disk = tempfile::tempdir().unwrap();
    let backups = disk.path().join("backups");
    let (stop, log) = (AtomicBool::new(false), Log::default());
    let (mut before, mut begun, mut taken, mut lasted, mut left) = (BTreeSet::new(), now(), Value::Null, Vec::new(), 0_u64);
    let mut killed = now();
    std::thread::scope(|scope| {
        for (code, client) in codes.iter().zip(&clients) {
            let (stop, log) = (&stop, &log);
            scope.spawn(move || send_until(stop, client, code, log));
        }
        // Whatever fails in here, the clients must end.
        let steps = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for part in 1..=parts {
                wait_until("more files are acknowledged", || acknowledged(&log).len() >= part * count / parts);
                (before, begun) = (acknowledged(&log), now());
                let clock = Instant::now();
                taken = back_up(&service, &backups);
                lasted.push(clock.elapsed());
                left = left + 1 - taken["removed"].as_u64().unwrap();
                assert!(part == 1 || taken["shared"].as_u64().unwrap() > 0, "what the last one had is shared: {taken}");
            }
            let so_far = acknowledged(&log).len();
            wait_until("some come after it", || acknowledged(&log).len() > so_far + 2);
            service.kill();
            killed = now();
        }));
        stop.store(true, Ordering::SeqCst);
        if let Err(panic) = steps {
            std::panic::resume_unwind(panic);
        }
    });
    let log = log.into_inner().unwrap();
    let still = u64::try_from(names(&backups).iter().filter(|name| !name.starts_with('.')).count()).unwrap();
    // An older one that had a readable copy of what was sealed meanwhile is gone.
    assert!(still == left && (1..=2).contains(&still), "two are kept at most: {still}, {left}");
    let path = PathBuf::from(text(&taken, "path"));
    verify(&backups).fine();
    // The system's own program knows as much.
    let sums = run("sh", &["-c".as_ref(), "cd \"$0\" && sha256sum --quiet --strict -c SHA256SUMS".as_ref(), path.as_os_str()], b"");
    sums.fine();
    let plain = log.values().filter(|sent| sent.text.contains(NUMBER)).count();
    assert!(plain > 0, "some leaked");
    for file in files(&path).iter().filter(|file| file.ends_with("original")) {
        assert!(!fs::read_to_string(file).unwrap().contains(NUMBER), "a sealed file is readable in the backup: {}", file.display());
    }

    // The machine is gone. What clients have, and the backup, is left.
    let mut other = service.elsewhere(&path.join("settings"));
    drop(service);
    let clock = Instant::now();
    let restored = other.bedfeed(&["restore", path.to_str().unwrap(), "--json"]).fine().json();
    let restoring = clock.elapsed();
    let again = other.bedfeed(&["restore", path.to_str().unwrap()]);
    assert!(again.code == Some(1) && again.stderr.contains("empty folder only"), "{again:?}");
    other.start();
    let ready = clock.elapsed();
    wait_until("nothing is pending", || !pending(&other));
    let caught_up = clock.elapsed();
    let there = books_agree(&other, &log, &before);
    let checkpoint = other.dir().join("checkpoint");
    fs::write(&checkpoint, taken["manifest"]["ledger"].to_string()).unwrap();
    other.bedfeed(&["audit", "verify", "--checkpoint", checkpoint.to_str().unwrap()]).fine();
    let trail = other.bedfeed(&["audit", "export"]).fine().stdout;
    assert!(trail.contains("\\\"event\\\":\\\"restored\\\""), "the trail tells of it");

    // Senders send again what they were told OK for after the backup, or were not told at all; and, to be safe, more than that.
    let again: Vec<&Sent> =
        log.iter().filter(|(key, sent)| !there.contains(*key) || sent.outcome == "loaded").map(|(_, sent)| sent).collect();
    for sent in &again {
        other.send(&sent.code, "inbox", [(sent.name.as_str(), &sent.text)]);
    }
    wait_until("nothing is pending", || !pending(&other));
    let all: BTreeSet<String> = log.keys().cloned().collect();
    assert_eq!(books_agree(&other, &log, &all), all, "everything is there, once");
    other.bedfeed(&["audit", "verify"]).fine();
    other.stop();
    assert!(!other.log().contains("panicked"), "{}", other.log());

    let lost: Vec<&Sent> =
        log.iter().filter(|(key, sent)| sent.acknowledged.is_some() && !there.contains(*key)).map(|(_, sent)| sent).collect();
    let oldest = lost.iter().filter_map(|sent| sent.acknowledged).min();
    let after = |at: Timestamp| at.duration_since(begun).as_millis();
    assert!(oldest.is_none_or(|at| at >= begun), "the recovery point is the begin of the backup");
    eprintln!(
        "files sent: {}, acknowledged before the last backup began: {}, all of them there after the restore",
        log.len(),
        before.len()
    );
    let (shortest, longest) = (lasted.iter().min().unwrap(), lasted.iter().max().unwrap());
    eprintln!(
        "{parts} backups under load took {shortest:.1?} to {longest:.1?}; the last shared {} files with the one before it and copied {}",
        taken["shared"], taken["copied"]
    );
    eprintln!(
        "recovery point: the begin of the backup. {} acknowledged later and lost with the machine, the first {} ms after that, the machine {} ms after it; all were sent again and are there once",
        lost.len(),
        oldest.map_or(0, after),
        after(killed)
    );
    eprintln!(
        "recovery time: {restoring:.1?} to restore {} files of {} bytes, {ready:.1?} until senders were served, {caught_up:.1?} until nothing was pending",
        restored["files"], restored["bytes"]
    );
}

/// Makes the list of hashes fit what is there, as somebody might who wants to hide something.
fn list_anew(backup: &Path) {
    fs::remove_file(backup.join("SHA256SUMS")).unwrap();
    let list: String = files(backup)
        .iter()
        .map(|file| format!("{}  {}\n", Digest::of(&fs::read(file).unwrap()), file.strip_prefix(backup).unwrap().display()))
        .collect();
    fs::write(backup.join("SHA256SUMS"), list).unwrap();
}

fn sqlite(file: &Path, sql: &str) {
    run("sqlite3", &[file.as_os_str(), sql.as_ref()], b"").fine();
}

#[test]
fn p2_p8_a_backup_that_is_not_whole_is_found_out_and_not_restored() {
    let mut service = Service::cottage(&["RZZ"]);
    service.start();
    let (name, first) = good("RZZ", now(), 1);
    let (bad, second) = damaged("RZZ", now() - SignedDuration::from_mins(20), 2);
    service.send("RZZ", "inbox", [(name.as_str(), &first), (bad.as_str(), &second)]);
    let rows = service.settled(2);
    let (good_id, bad_id) = (id(&rows[0]).to_owned(), id(&rows[1]).to_owned());
    let backups = service.dir().join("backups");
    // What a backup that was killed left behind does no harm.
    fs::create_dir_all(backups.join("20181203T101500.123Z.part/deliveries")).unwrap();
    let settings = service.settings();
    for milliseconds in [0, 15, 40, 80, 120, 200] {
        let words = ["backup".as_ref(), backups.as_os_str(), "--keep".as_ref(), "9".as_ref(), "--config".as_ref(), settings.as_os_str()];
        let mut command = Command::new(BEDFEED);
        let mut child = command.args(words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        pause(Duration::from_millis(milliseconds));
        child.kill().unwrap();
        child.wait().unwrap();
        for name in names(&backups).iter().filter(|name| !name.starts_with('.') && !name.ends_with(".part")) {
            verify(&backups.join(name)).fine();
        }
    }
    let taken = service.bedfeed(&["backup", backups.to_str().unwrap(), "--keep", "1", "--json"]).fine().json();
    service.stop();
    let path = PathBuf::from(text(&taken, "path"));
    for file in files(&path) {
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o077, 0, "others can read {}", file.display());
    }
    assert_eq!(names(&backups), [".lock".to_owned(), path.file_name().unwrap().to_str().unwrap().to_owned()]);
    verify(&path).fine();

    let original = format!("deliveries/{good_id}");
    let set_aside = format!("quarantine/{bad_id}/original");
    type Damage<'a> = Box<dyn Fn(&Path) + 'a>;
    let append = |name: &str| -> Damage<'_> {
        let name = name.to_owned();
        Box::new(move |at| {
            let old = fs::read(at.join(&name)).unwrap();
            fs::write(at.join(&name), [&old[..], b"\n"].concat()).unwrap();
        })
    };
    let remove = |name: &str| -> Damage<'_> {
        let name = name.to_owned();
        Box::new(move |at| fs::remove_file(at.join(&name)).unwrap())
    };
    let edit = |file: &str, sql: &str| -> Damage<'_> {
        let (file, sql) = (file.to_owned(), sql.to_owned());
        Box::new(move |at| sqlite(&at.join(&file), &sql))
    };
    // What was done; whether the list of hashes was made to fit; what the check says.
    let rows: Vec<(Damage<'_>, bool, &str)> = vec![
        (append(&original), false, "was changed or is damaged"),
        (append("manifest.json"), false, "was changed or is damaged"),
        (append("ledger.db"), false, "ledger.db was changed"),
        (remove(&set_aside), false, "cannot be read"),
        (Box::new(|at| fs::write(at.join("deliveries/more"), "x").unwrap()), false, "is in no list"),
        (append(&original), true, "are not in it as the ledger knows them"),
        (remove(&set_aside), true, "are not in it as the ledger knows them"),
        (edit("warehouse.db", "DELETE FROM fact_bed_line; DELETE FROM ingest_snapshot"), true, "the warehouse does not have it"),
        (remove("warehouse.db"), true, "the warehouse does not have it"),
        (
            edit("ledger.db", "UPDATE delivery SET outcome = 'quarantined', lead = NULL WHERE lead = id"),
            true,
            "the ledger does not know as accepted",
        ),
        (edit("ledger.db", "DROP TRIGGER entry_is_never_deleted; DELETE FROM entry WHERE seq > 3"), true, "head is not the manifest's"),
        (edit("ledger.db", "DROP TRIGGER entry_is_never_changed; UPDATE entry SET at = 'x' WHERE seq = 2"), true, "entry 2 was changed"),
    ];
    let restored = service.elsewhere(&path.join("settings"));
    for (number, (damage, hidden, expected)) in rows.iter().enumerate() {
        let copy = service.dir().join(format!("damaged-{number}"));
        run("cp", &["-a".as_ref(), path.as_os_str(), copy.as_os_str()], b"").fine();
        damage(&copy);
        if *hidden {
            list_anew(&copy);
        }
        let checked = verify(&copy);
        assert!(checked.code == Some(1) && checked.stdout.contains(expected), "{number}, {expected}: {checked:?}");
        let refused = restored.bedfeed(&["restore", copy.to_str().unwrap()]);
        assert!(refused.code == Some(1) && refused.stderr.contains("problems"), "{number}: {refused:?}");
        assert!(!restored.state().try_exists().unwrap(), "{number}: nothing was begun");
    }
    let none = verify(&service.dir().join("outbox"));
    assert!(none.code == Some(1) && none.stderr.contains("is no backup"), "{none:?}");

    // An original that is gone, and one that the disk spoilt: named, and all the rest is there.
    fs::remove_file(service.state().join(&set_aside)).unwrap();
    fs::write(service.state().join(&original), "spoilt").unwrap();
    let fresh = service.dir().join("fresh");
    let taken = service.bedfeed(&["backup", fresh.to_str().unwrap()]);
    assert_eq!(taken.code, Some(1), "{taken:?}");
    assert!(taken.stdout.contains(&format!("MISSING: the stored bytes of {bad_id}")), "{taken:?}");
    assert!(taken.stdout.contains(&format!("DAMAGED: the stored bytes of {good_id}")), "{taken:?}");
    assert_eq!(verify(&fresh).code, Some(1));
    assert_eq!(restored.bedfeed(&["restore", fresh.to_str().unwrap()]).code, Some(1));
    restored.bedfeed(&["restore", fresh.to_str().unwrap(), "--in-spite-of-problems"]).fine();
    // The older backup still had what the disk spoilt. Whatever comes after it, the last that is whole stays.
    for _ in 0..3 {
        back_up_with_problems(&service, &backups);
    }
    verify(&path).fine();
    let taken = back_up_with_problems(&service, &backups);
    assert_eq!(names(&backups).len(), 4, "the lock, two, and the last that is whole: {taken}");
    assert_eq!(taken["manifest"]["torn"], serde_json::json!([good_id]), "{taken}");
    // The machine's are told as damaged; the backup took over those that the one before it had.
    assert_eq!(fs::read(PathBuf::from(text(&taken, "path")).join(&original)).unwrap(), first.as_bytes());
}

fn back_up_with_problems(service: &Service, dir: &Path) -> Value {
    let taken = service.bedfeed(&["backup", dir.to_str().unwrap(), "--json"]);
    assert_eq!(taken.code, Some(1), "{taken:?}");
    taken.json()
}

#[test]
fn p7_a_backup_with_a_readable_copy_of_what_was_sealed_since_goes_when_the_next_one_is_there() {
    let mut service = Service::cottage(&["RZZ"]);
    with_a_key(&service);
    service.start();
    let (name, leak) = leaking("RZZ", 1);
    let (other, text) = good("RZZ", now() - SignedDuration::from_mins(5), 2);
    service.send("RZZ", "inbox", [(name.as_str(), &leak), (other.as_str(), &text)]);
    let rows = service.settled(2);
    assert_eq!(rows[0]["stage"]["sealed"], true, "{rows:?}");
    let backups = service.dir().join("backups");
    let older = |keep: &str| service.bedfeed(&["backup", backups.to_str().unwrap(), "--keep", keep, "--json"]).fine().json();
    let (first, second) = (older("9"), older("9"));
    // As if it had been taken in the seconds before the file was judged.
    let path = PathBuf::from(first["path"].as_str().unwrap());
    fs::write(path.join("deliveries").join(id(&rows[0])), &leak).unwrap();
    list_anew(&path);
    let third = older("9");
    assert_eq!((&third["removed"], path.try_exists().unwrap()), (&1.into(), false), "{third}");
    assert!(PathBuf::from(second["path"].as_str().unwrap()).is_dir(), "the others stay");
    assert!(files(&backups).iter().all(|file| !fs::read(file).unwrap().windows(10).any(|bytes| bytes == NUMBER.as_bytes())));
    let last = older("1");
    assert_eq!((&last["removed"], names(&backups).len()), (&2.into(), 2), "only the newest, and the lock: {last}");
}

#[test]
fn p7_a_backup_with_a_readable_copy_of_what_was_sealed_goes_also_where_it_was_handed_back_since() {
    let mut service = Service::cottage(&["RZZ"]);
    with_a_key(&service);
    service.start();
    let (name, leak) = leaking("RZZ", 1);
    service.send("RZZ", "inbox", [(name.as_str(), &leak)]);
    let rows = service.settled(1);
    let backups = service.dir().join("backups");
    let first = PathBuf::from(text(&back_up(&service, &backups), "path"));
    // As if it had been taken in the seconds before the file was judged.
    fs::create_dir_all(first.join("deliveries")).unwrap();
    fs::write(first.join("deliveries").join(id(&rows[0])), &leak).unwrap();
    list_anew(&first);
    service.bedfeed(&["hand-back", id(&rows[0]), "--by", "ann", "--reason", "it names people"]).fine();
    let second = service.bedfeed(&["backup", backups.to_str().unwrap(), "--keep", "9", "--json"]).fine().json();
    assert_eq!((&second["removed"], first.try_exists().unwrap()), (&1.into(), false), "{second}");
}

#[test]
fn p2_what_is_shared_with_the_backup_before_is_compared_first_on_both_sides() {
    let mut service = Service::cottage(&["RZZ"]);
    service.start();
    let (name, sent) = good("RZZ", now(), 1);
    let (bad, rejected) = damaged("RZZ", now() - SignedDuration::from_mins(20), 2);
    service.send("RZZ", "inbox", [(name.as_str(), &sent), (bad.as_str(), &rejected)]);
    let rows = service.settled(2);
    let (good_id, bad_id) = (id(&rows[0]).to_owned(), id(&rows[1]).to_owned());
    service.stop();
    let (original, set_aside) = (format!("deliveries/{good_id}"), format!("quarantine/{bad_id}/original"));
    let backups = service.dir().join("backups");
    let first = PathBuf::from(text(&back_up(&service, &backups), "path"));

    // The backup's own disk spoils a copy: it is told, and copied anew.
    fs::write(first.join(&original), "spoilt").unwrap();
    let ran = service.bedfeed(&["backup", backups.to_str().unwrap(), "--json"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let taken = ran.json();
    assert_eq!(taken["damaged_before"], serde_json::json!([original]), "{taken}");
    let second = PathBuf::from(text(&taken, "path"));
    assert_eq!(fs::read(second.join(&original)).unwrap(), sent.as_bytes());
    verify(&second).fine();
    assert_eq!(verify(&first).code, Some(1));

    // The machine's disk spoils one and loses another: told at every backup, and each has what the one before it had.
    fs::write(service.state().join(&original), "spoilt too").unwrap();
    fs::remove_file(service.state().join(&set_aside)).unwrap();
    for _ in 0..2 {
        let ran = service.bedfeed(&["backup", backups.to_str().unwrap()]);
        assert!(ran.code == Some(1) && ran.stdout.contains(&format!("DAMAGED: the stored bytes of {good_id}")), "{ran:?}");
        assert!(ran.stdout.contains(&format!("MISSING: the stored bytes of {bad_id}")), "{ran:?}");
        let said = verify(&backups).fine().stdout;
        assert!(said.contains(&format!("lost or damaged the bytes of {good_id}")) && said.contains(&bad_id), "{said}");
    }
    // It does not give one at all: all the rest is copied, and what the backup before has of it is kept.
    fs::remove_file(service.state().join(&original)).unwrap();
    fs::create_dir(service.state().join(&original)).unwrap();
    let fresh = service.dir().join("fresh");
    for (target, fine) in [(&backups, true), (&fresh, false)] {
        let taken = back_up_with_problems(&service, target);
        assert_eq!(taken["manifest"]["torn"], serde_json::json!([good_id]), "{taken}");
        let checked = verify(target);
        assert_eq!(checked.code == Some(0), fine, "{checked:?}");
        let named = checked.stdout.contains(&good_id) && !checked.stdout.contains("is in no list");
        assert!(named, "{checked:?}");
    }
    let other = service.elsewhere(&second.join("settings"));
    other.bedfeed(&["restore", backups.to_str().unwrap()]).fine();
    assert_eq!(fs::read(other.state().join(&original)).unwrap(), sent.as_bytes());
    assert_eq!(fs::read(other.state().join(&set_aside)).unwrap(), rejected.as_bytes());

    // Where every backup has problems, one that only says that it is whole is not the last good one.
    let third = names(&backups).into_iter().rfind(|name| !name.starts_with('.')).unwrap();
    fs::write(second.join(&original), "spoilt").unwrap();
    let ran = service.bedfeed(&["backup", backups.to_str().unwrap(), "--keep", "2"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(!second.try_exists().unwrap() && backups.join(third).try_exists().unwrap(), "{:?}", names(&backups));
}

#[test]
fn a_folder_of_backups_is_cleared_of_nothing_but_backups() {
    let mut service = Service::cottage(&["RZZ"]);
    service.start();
    service.stop();
    let backups = service.dir().join("backups");
    let folder = |name: &str| {
        fs::create_dir_all(backups.join(name)).unwrap();
        backups.join(name)
    };
    fs::write(folder("photos").join("SHA256SUMS"), "").unwrap();
    fs::write(folder("20181203T101500.123Z").join("SHA256SUMS"), "not a backup's list").unwrap();
    folder("old.part");
    fs::write(backups.join("download.part"), "x").unwrap();
    fs::write(backups.join("20181203T101500.124Z.part"), "x").unwrap();
    let theirs = names(&backups);
    for _ in 0..3 {
        service.bedfeed(&["backup", backups.to_str().unwrap(), "--keep", "1"]).fine();
    }
    let left = names(&backups);
    assert!(theirs.iter().all(|name| left.contains(name)) && left.len() == theirs.len() + 2, "theirs, the lock and one: {left:?}");
    verify(&backups).fine();

    // One that was taken while the clock was an hour ahead is not the newest for that hour.
    let ours = left.iter().find(|name| !theirs.contains(name) && name.ends_with('Z')).unwrap();
    let ahead = backups.join((now() + SignedDuration::from_hours(1)).strftime("%Y%m%dT%H%M%S.000Z").to_string());
    run("mv", &[backups.join(ours), ahead.clone()], b"").fine();
    let newest = PathBuf::from(text(&back_up(&service, &backups), "path"));
    let checked = run(BEDFEED, &["backup".as_ref(), "verify".as_ref(), "--json".as_ref(), backups.as_os_str()], b"").fine().json();
    assert_eq!(checked["backup"]["path"], newest.to_str().unwrap(), "{checked}");
    service.bedfeed(&["backup", backups.to_str().unwrap(), "--keep", "2"]).fine();
    assert!(!ahead.try_exists().unwrap() && newest.try_exists().unwrap(), "the oldest went");
}

#[test]
fn p7_a_test_s_picture_that_retention_deleted_is_in_no_later_backup_which_still_counts_its_delivery() {
    let mut service = Service::cottage(&["RZZ"]);
    let past = Past::of(&service);
    let days_ago = |days: i64| now() - SignedDuration::from_hours(days * 24);
    past.record(days_ago(50), vec![Event::Stopped]);
    // Of the older one retention deletes the original too.
    let came = [40, 20].map(|days| {
        let at = days_ago(days);
        let (name, text) = good("RZZ", at - SignedDuration::from_mins(2), 1);
        Came { at, provider: "RZZ", folder: Folder::Test, name, text }
    });
    let tested = past.take_in(&came)[1];
    past.record(now() - SignedDuration::from_mins(5), vec![Event::Stopped]);
    past.close();
    let picture = format!("checks/{tested}.txt");
    assert!(service.state().join(&picture).try_exists().unwrap());
    let backups = service.dir().join("backups");
    let first = back_up(&service, &backups);
    assert!(PathBuf::from(text(&first, "path")).join(&picture).try_exists().unwrap());
    service.start();
    service.bedfeed(&["retention", "run"]).fine();
    wait_until("the picture is gone", || !service.state().join(&picture).try_exists().unwrap());
    service.stop();
    let second = back_up(&service, &backups);
    assert!(!PathBuf::from(text(&second, "path")).join(&picture).try_exists().unwrap(), "{second}");
    // Not from another folder's leavings either: somebody put it back by hand.
    fs::write(service.state().join(&picture), "back").unwrap();
    let third = back_up(&service, &backups);
    assert!(!PathBuf::from(text(&third, "path")).join(&picture).try_exists().unwrap(), "{third}");
    assert_eq!(names(&service.state().join("deliveries")), [tested.to_string()]);
    assert_eq!(third["manifest"]["deliveries"], 2, "{third}");
}

#[test]
fn p2_a_backup_that_lost_an_original_is_restored_without_it_where_that_is_asked_for() {
    let mut service = Service::cottage(&["RZZ"]);
    service.start();
    let (name, sent) = good("RZZ", now(), 1);
    let (bad, rejected) = damaged("RZZ", now() - SignedDuration::from_mins(20), 2);
    service.send("RZZ", "inbox", [(name.as_str(), &sent), (bad.as_str(), &rejected)]);
    let rows = service.settled(2);
    let (good_id, bad_id) = (id(&rows[0]).to_owned(), id(&rows[1]).to_owned());
    let backups = service.dir().join("backups");
    let path = PathBuf::from(text(&back_up(&service, &backups), "path"));
    service.kill();
    fs::remove_file(path.join(format!("deliveries/{good_id}"))).unwrap();
    let mut other = service.elsewhere(&path.join("settings"));
    assert_eq!(other.bedfeed(&["restore", path.to_str().unwrap()]).code, Some(1));
    let restored = other.bedfeed(&["restore", path.to_str().unwrap(), "--in-spite-of-problems"]).fine().stdout;
    assert!(restored.contains(&format!("LEFT OUT: deliveries/{good_id}")), "{restored}");
    assert!(other.state().join(format!("quarantine/{bad_id}/original")).try_exists().unwrap());
    other.start();
    assert_eq!(other.settled(2).len(), 2, "it serves");
    other.stop();

    // One that was taken without the warehouse is restored without it, aloud.
    let warehouse = service.state().join("warehouse.db");
    run("mv", &[warehouse.clone(), service.dir().join("moved.db")], b"").fine();
    fs::create_dir(&warehouse).unwrap();
    let without = PathBuf::from(text(&back_up_with_problems(&service, &service.dir().join("without")), "path"));
    let mut bare = service.elsewhere(&without.join("settings"));
    let restored = bare.bedfeed(&["restore", without.to_str().unwrap(), "--in-spite-of-problems"]).fine().stdout;
    assert!(restored.contains("LEFT OUT: warehouse.db: the backup has none, and its ledger says that 1 "), "{restored}");
    bare.start();
    let status = bare.bedfeed(&["status"]).fine().stdout;
    assert!(status.contains("it does not have 1 snapshots that the ledger says are loaded"), "{status}");
    bare.stop();

    // Without a ledger there is nothing to start from, and nothing is begun.
    fs::remove_file(path.join("ledger.db")).unwrap();
    let none = service.elsewhere(&path.join("settings"));
    assert_eq!(none.bedfeed(&["restore", path.to_str().unwrap(), "--in-spite-of-problems"]).code, Some(1));
    assert!(!none.state().try_exists().unwrap());
    for words in [&["backup", "verify", "/nonexistent"][..], &["restore", "/nonexistent"]] {
        let ran = if words[0] == "restore" { none.bedfeed(words) } else { run(BEDFEED, words, b"") };
        assert!(ran.code == Some(66) && ran.stderr.contains("/nonexistent"), "{ran:?}");
    }
}

#[test]
fn p2_what_waits_for_a_warehouse_that_is_away_is_backed_up_and_loaded_after_a_restore() {
    let mut service = Service::cottage(&["RZZ"]);
    let warehouse = service.state().join("warehouse.db");
    fs::create_dir_all(&warehouse).unwrap();
    service.start();
    let (name, text) = good("RZZ", now(), 1);
    service.send("RZZ", "inbox", [(name.as_str(), &text)]);
    wait_until("it was accepted", || service.deliveries().iter().any(|row| row["stage"]["stage"] == "ready"));
    let backups = service.dir().join("backups");
    let taken = back_up_with_problems(&service, &backups);
    let words = taken["manifest"]["contradictions"][0].as_str().unwrap();
    assert!(words.starts_with("the warehouse is left out"), "{taken}");
    let checked = verify(&backups);
    assert!(checked.code == Some(1) && checked.stdout.contains("the warehouse is left out"), "{checked:?}");
    service.kill();

    let mut other = service.elsewhere(&PathBuf::from(taken["path"].as_str().unwrap()).join("settings"));
    other.bedfeed(&["restore", backups.to_str().unwrap(), "--in-spite-of-problems"]).fine();
    other.start();
    assert_eq!(other.settled(1)[0]["outcome"], "loaded");
    assert_eq!(other.query("SELECT lines FROM ingest_snapshot"), [serde_json::json!({ "lines": BEDS })]);
    // A sender that was told OK sends it again all the same.
    other.send("RZZ", "inbox", [(name.as_str(), &text)]);
    assert_eq!(other.settled(2)[1]["outcome"], "duplicate");
    other.bedfeed(&["audit", "verify"]).fine();
}

#[test]
fn a_daemon_does_not_start_where_a_restore_did_not_end() {
    let mut service = Service::cottage(&["RZZ"]);
    service.start();
    let (name, text) = good("RZZ", now(), 1);
    service.send("RZZ", "inbox", [(name.as_str(), &text)]);
    service.settled(1);
    service.stop();
    fs::write(service.state().join("restoring"), "").unwrap();
    service.start_under(&[]);
    assert_eq!(service.await_end(), Some(1));
    assert!(service.log().contains("did not end: empty the folder"), "{}", service.log());
    assert_eq!(names(&service.state().join("deliveries")).len(), 1, "nothing was cleared away");
}
