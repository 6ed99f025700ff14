//! A ledger that cannot be used: bedfeed refuses to start, says what to do, and changes nothing.

use super::{house, nothing_pending, send};
use crate::common::books::{Sent, reconcile};
use crate::common::extract::{damaged, good};
use crate::common::{Service, id, names, now, run, wait_until};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// What is done to the file, and what the refusal must say.
type Row = (&'static str, fn(&Path), &'static [&'static str]);

const ROWS: &[Row] = &[
    ("no ledger at all", |path| write_at(path, 0, &[b'x'; 4096]), &["is damaged: ", "run `bedfeed restore` with the newest backup"]),
    ("a torn page of the entries", |path| write_at(path, page_of(path, "entry"), &[0; 4096]), &["is damaged: "]),
    ("a torn page of what is derived", |path| write_at(path, page_of(path, "delivery"), &[0; 4096]), &["is damaged: "]),
    ("an entry that was changed", change_an_entry, &["is damaged: entry ", "is not what was recorded"]),
    (
        "an entry that is gone",
        |path| sql(path, "DROP TRIGGER entry_is_never_deleted; DELETE FROM entry WHERE seq = 4"),
        &["is damaged: entry 4 is missing"],
    ),
    ("a ledger of a newer bedfeed", |path| sql(path, "PRAGMA user_version = 99"), &["has schema 99", "install the newer bedfeed again"]),
    (
        "a database of something else",
        |path| {
            std::fs::remove_file(path).unwrap();
            sql(path, "CREATE TABLE notes (text)");
        },
        &["is damaged: it is a database of something else"],
    ),
];

fn sql(path: &Path, words: &str) {
    run("sqlite3", &[path.as_os_str(), words.as_ref()], b"").fine();
}

fn write_at(path: &Path, offset: u64, bytes: &[u8]) {
    use std::os::unix::fs::FileExt;
    std::fs::File::options().write(true).open(path).unwrap().write_all_at(bytes, offset).unwrap();
}

/// Where the first page of a table stands in the file.
fn page_of(path: &Path, table: &str) -> u64 {
    let ask = format!("SELECT (rootpage - 1) * 4096 FROM sqlite_master WHERE name = '{table}'");
    run("sqlite3", &[path.as_os_str(), ask.as_ref()], b"").fine().stdout.trim().parse().unwrap()
}

/// Another owner of the key, of the same length, by somebody who knows of the trigger.
fn change_an_entry(path: &Path) {
    let newest = "(SELECT max(seq) FROM entry WHERE body LIKE '%night job%')";
    let change = format!("UPDATE entry SET body = replace(body, 'night job', 'other job') WHERE seq = {newest}");
    sql(path, &format!("DROP TRIGGER entry_is_never_changed; {change}"));
}

/// Starts it in vain; what it said at the end.
fn refusal(service: &mut Service) -> String {
    service.start_under(&[]);
    assert_eq!(service.await_end(), Some(1), "{}", service.log());
    service.log().lines().last().unwrap_or_default().to_owned()
}

#[test]
fn p8_a_ledger_that_is_damaged_or_too_new_is_refused_with_what_to_do_and_left_alone() {
    let (mut service, _desk) = house("[sftp]", "[sftp]");
    let mut sent = Sent::default();
    service.start();
    for pattern in [1, 2] {
        let (name, text) = good("RZZ", now(), pattern);
        assert!(send(&service, &mut sent, (&name, &text), "loaded"));
        let (name, text) = damaged("RZZ", now(), pattern + 2);
        assert!(send(&service, &mut sent, (&name, &text), "quarantined"));
    }
    wait_until("nothing is pending", || nothing_pending(&service));
    // Not a stop in good order: the whole file is looked at.
    service.kill();
    let path = service.state().join("ledger.db");
    sql(&path, "PRAGMA wal_checkpoint(TRUNCATE)");
    let kept = std::fs::read(&path).unwrap();
    for (what, harm, wanted) in ROWS {
        harm(&path);
        let harmed = std::fs::read(&path).unwrap();
        let said = refusal(&mut service);
        assert!(wanted.iter().all(|words| said.contains(words)) && said.contains("ledger.db"), "{what}: {said}");
        assert!(std::fs::read(&path).unwrap() == harmed, "{what}: it was not touched");
        // What the operator does.
        for beside in ["ledger.db-wal", "ledger.db-shm"] {
            drop(std::fs::remove_file(service.state().join(beside)));
        }
        std::fs::write(&path, &kept).unwrap();
    }
    service.start();
    reconcile(&service, &sent);
    service.stop();
}

#[test]
fn p8_a_page_that_the_disk_spoilt_is_found_at_the_next_start_by_an_audit_and_by_who_reads_it() {
    let (mut service, _desk) = house("[sftp]", "[sftp]");
    let mut sent = Sent::default();
    service.start();
    let (name, text) = good("RZZ", now(), 1);
    assert!(send(&service, &mut sent, (&name, &text), "loaded"));
    wait_until("nothing is pending", || nothing_pending(&service));
    let first = id(&service.deliveries()[0]).to_owned();
    service.stop();
    let path = service.state().join("ledger.db");
    let kept = std::fs::read(&path).unwrap();
    write_at(&path, page_of(&path, "delivery_by_time"), &[b'x'; 4096]);
    assert!(refusal(&mut service).contains("is damaged: "), "though the stop was in good order");
    let audit = service.bedfeed(&["audit", "verify"]);
    assert!(audit.code == Some(1) && audit.stdout.contains("the file is damaged: "), "{audit:?}");
    let status = service.bedfeed(&["status"]);
    assert!(status.code == Some(1) && status.stderr.contains("the file is damaged"), "{status:?}");

    // While it runs: whoever reads the page finds out, and a daemon that can do nothing any more does not look well.
    for beside in ["ledger.db-wal", "ledger.db-shm"] {
        drop(std::fs::remove_file(service.state().join(beside)));
    }
    std::fs::write(&path, &kept).unwrap();
    service.start();
    let web = service.status()["daemon"]["web"].as_str().unwrap().to_owned();
    write_at(&path, page_of(&path, "disposed"), &[b'x'; 4096]);
    // What readers have in memory is let go of when something is written.
    let (name, text) = good("RZZ", now(), 2);
    service.send("RZZ", "inbox", [(name.as_str(), &text)]);
    let page = format!("http://{web}/deliveries/{first}");
    run("curl", &["--silent", &page], b"");
    assert_eq!(service.await_end(), Some(1), "{}", service.log());
    assert!(service.log().contains("is damaged: bedfeed takes no more files"), "{}", service.log());
    std::fs::write(&path, &kept).unwrap();
}

#[test]
fn a_ledger_that_another_program_holds_is_refused_until_it_is_let_go() {
    let (mut service, _desk) = house("[sftp]", "[sftp]");
    service.start();
    service.stop();
    let path = service.state().join("ledger.db");
    let mut other = Command::new("sqlite3").arg(&path).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut orders = other.stdin.take().unwrap();
    orders.write_all(b"BEGIN IMMEDIATE;\nSELECT 'held';\n").unwrap();
    let mut held = [0; 4];
    std::io::Read::read_exact(other.stdout.as_mut().unwrap(), &mut held).unwrap();
    let said = refusal(&mut service);
    assert!(said.contains("is locked by another program") && said.contains("end that, then start again"), "{said}");
    drop(orders);
    other.wait().unwrap();
    service.start();
    service.stop();
}

/// Takes the ledger away, with what lies beside it.
fn take_ledger(service: &Service, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for name in ["ledger.db", "ledger.db-wal", "ledger.db-shm"] {
        let from = service.state().join(name);
        if from.try_exists().unwrap() {
            run("mv", &[from.as_os_str(), to.as_os_str()], b"").fine();
        }
    }
}

#[test]
fn p1_a_start_without_its_ledger_is_refused_and_takes_nothing_away() {
    let (mut service, _desk) = house("[sftp]", "[sftp]");
    let mut sent = Sent::default();
    service.start();
    let (name, text) = good("RZZ", now(), 1);
    assert!(send(&service, &mut sent, (&name, &text), "loaded"));
    let (name, text) = damaged("RZZ", now(), 2);
    assert!(send(&service, &mut sent, (&name, &text), "quarantined"));
    wait_until("nothing is pending", || nothing_pending(&service));
    service.stop();
    let kept = service.dir().join("kept");
    take_ledger(&service, &kept);
    let deliveries = names(&service.state().join("deliveries"));
    for empty in [false, true] {
        if empty {
            std::fs::write(service.state().join("ledger.db"), b"").unwrap();
        }
        let said = refusal(&mut service);
        assert!(said.contains("is missing or empty, but there are 2 received files") && said.contains("`bedfeed restore`"), "{said}");
        assert_eq!(names(&service.state().join("deliveries")), deliveries);
        assert_eq!(service.state().join("ledger.db").try_exists().unwrap(), empty, "no new one was made");
    }
    run("rm", &[service.state().join("ledger.db")], b"").fine();
    for name in names(&kept) {
        run("mv", &[kept.join(name), service.state()], b"").fine();
    }
    service.start();
    reconcile(&service, &sent);
    service.stop();
}

#[test]
fn p1_p2_what_only_one_of_ledger_folders_and_warehouse_has_is_kept_told_and_fits_again_once_the_right_one_is_back() {
    let (mut service, desk) = house("[sftp]", "[sftp]");
    let mut sent = Sent::default();
    service.start();
    service.stop();
    let older = service.dir().join("older");
    take_ledger(&service, &older);
    run("cp", &["-r".as_ref(), older.as_os_str(), service.dir().join("copy").as_os_str()], b"").fine();
    for name in names(&older) {
        run("mv", &[older.join(name), service.state()], b"").fine();
    }
    service.start();
    let (good_name, good_text) = good("RZZ", now(), 1);
    assert!(send(&service, &mut sent, (&good_name, &good_text), "loaded"));
    let (name, text) = damaged("RZZ", now(), 2);
    assert!(send(&service, &mut sent, (&name, &text), "quarantined"));
    wait_until("nothing is pending", || nothing_pending(&service));
    let loaded = names(&service.state().join("deliveries"));
    let rejected = names(&service.state().join("quarantine"));
    service.stop();
    take_ledger(&service, &service.dir().join("newer"));
    for name in names(&service.dir().join("copy")) {
        run("mv", &[service.dir().join("copy").join(name), service.state()], b"").fine();
    }
    service.start();
    let unknown = service.state().join("unknown");
    assert_eq!(std::fs::read(unknown.join(&loaded[0])).unwrap(), good_text.as_bytes(), "what was acknowledged is kept");
    let original = unknown.join(format!("{}.quarantine", rejected[0])).join("original");
    assert_eq!(std::fs::read(original).unwrap(), text.as_bytes(), "and what was set aside");
    let status = service.bedfeed(&["status"]).fine().stdout;
    assert!(status.contains("it does not know 2 received files") && status.contains("and 1 snapshots"), "{status}");
    let told = || desk.taken().iter().any(|key| key.starts_with("house/ledger/") && key.ends_with("/begin"));
    wait_until("the desk is told", told);
    service.stop();

    // The right ledger is put back, and finds what is its own.
    take_ledger(&service, &service.dir().join("used"));
    for name in names(&service.dir().join("newer")) {
        run("mv", &[service.dir().join("newer").join(name), service.state()], b"").fine();
    }
    service.start();
    assert_eq!(names(&service.state().join("deliveries")), loaded);
    assert_eq!(names(&service.state().join("quarantine")), rejected);
    assert!(names(&unknown).is_empty() && service.log().contains("took back an original"), "{}", service.log());
    let status = service.bedfeed(&["status"]).fine().stdout;
    assert!(!status.contains("The ledger is older"), "{status}");
    let begun = |what: &str, when: &str| desk.taken().iter().any(|key| key.starts_with(what) && key.ends_with(when));
    let backups = service.dir().join("backups");
    service.bedfeed(&["backup", backups.to_str().unwrap()]).fine();
    reconcile(&service, &sent);
    service.stop();

    // The other way round: a warehouse that lacks what its ledger calls loaded.
    let moved = service.dir().join("moved");
    let move_warehouse = |from: &Path, to: &Path| {
        std::fs::create_dir_all(to).unwrap();
        for name in names(from).iter().filter(|name| name.starts_with("warehouse.db")) {
            run("mv", &[from.join(name).as_os_str(), to.as_os_str()], b"").fine();
        }
    };
    move_warehouse(&service.state(), &moved);
    service.start();
    let status = service.bedfeed(&["status"]).fine().stdout;
    assert!(status.contains("it does not have 1 snapshots that the ledger says are loaded"), "{status}");
    assert!(service.log().contains("ledger and warehouse do not belong together"), "{}", service.log());
    wait_until("the desk is told", || begun("house/lost/", "/begin"));
    service.stop();
    move_warehouse(&service.state(), &service.dir().join("empty"));
    move_warehouse(&moved, &service.state());
    service.start();
    assert!(!service.bedfeed(&["status"]).fine().stdout.contains("it does not have"));
    wait_until("the desk is told that it is over", || begun("house/lost/", "/end"));
    reconcile(&service, &sent);
    service.stop();

    // Once more the older one, for good this time: a person says so, and the files come again.
    take_ledger(&service, &service.dir().join("lost"));
    for name in names(&service.dir().join("used")) {
        run("mv", &[service.dir().join("used").join(name), service.state()], b"").fine();
    }
    service.start();
    let said = ["--by", "Ann Lee", "--reason", "the newer ledger is lost"];
    service.bedfeed(&[&["hold", "add", "--provider", "RZZ"], &said[..]].concat()).fine();
    let held = service.bedfeed(&[&["settle"], &said[..]].concat());
    assert!(held.code == Some(1) && held.stderr.contains("legal hold 1 stands"), "{held:?}");
    service.bedfeed(&[&["hold", "end", "1"], &said[..]].concat()).fine();
    let settled = service.bedfeed(&[&["settle"], &said[..]].concat()).fine().stdout;
    assert!(settled.starts_with("2 deliveries, which the ledger does not know") && settled.contains(&loaded[0]), "{settled}");
    let status = service.bedfeed(&["status"]).fine().stdout;
    assert!(status.contains("it does not know 2 received files") && status.contains("and 0 snapshots"), "{status}");
    names(&unknown).iter().for_each(|name| drop(run("rm", &["-r".as_ref(), unknown.join(name).as_os_str()], b"").fine()));
    let mut again = Sent::default();
    assert!(send(&service, &mut again, (&good_name, &good_text), "loaded"));
    wait_until("nothing is pending", || nothing_pending(&service));
    assert!(!service.bedfeed(&["status"]).fine().stdout.contains("The ledger is older"));
    service.bedfeed(&["backup", backups.to_str().unwrap()]).fine();
    let none = service.bedfeed(&["settle", "--by", "Ann Lee", "--reason", "once more"]).fine().stdout;
    assert!(none.contains("knows all that the warehouse has"), "{none}");
    let settled = service.ledger("SELECT body FROM entry WHERE body LIKE '%\"settled\"%'");
    assert!(settled.len() == 1 && settled[0]["body"].as_str().unwrap().contains("Ann Lee"), "{settled:?}");
    reconcile(&service, &again);
    service.stop();
}

#[test]
fn p2_what_comes_again_beside_an_older_ledger_is_loaded_as_the_newest_version() {
    let (mut service, _desk) = house("[sftp]", "[sftp]");
    service.start();
    service.stop();
    let older = service.dir().join("older");
    run("cp", &["-r".as_ref(), service.state().as_os_str(), older.as_os_str()], b"").fine();
    service.start();
    let at = now();
    for pattern in [1, 2] {
        let (name, text) = good("RZZ", at, pattern);
        service.send("RZZ", "inbox", [(name.as_str(), &text)]);
    }
    service.settled(2);
    service.stop();
    take_ledger(&service, &service.dir().join("newer"));
    for name in names(&older).iter().filter(|name| name.starts_with("ledger.db")) {
        run("mv", &[older.join(name), service.state()], b"").fine();
    }
    service.start();
    // The warehouse has versions 1 and 2 of the slot, and the ledger knows of none.
    let (name, text) = good("RZZ", at, 1);
    service.send("RZZ", "inbox", [(name.as_str(), &text)]);
    let rows = service.settled(1);
    assert_eq!(rows[0]["outcome"], "loaded", "{rows:?}");
    let counts = service.query("SELECT version, snapshot_id AS id FROM ingest_snapshot WHERE is_current = 1");
    assert_eq!(counts, [serde_json::json!({"version": 3, "id": id(&rows[0])})]);
    service.stop();
}

#[test]
fn a_client_of_the_control_socket_that_hangs_keeps_no_other_waiting() {
    let (mut service, _desk) = house("[sftp]", "[sftp]");
    service.start();
    let hung = std::os::unix::net::UnixStream::connect(service.state().join("control.sock")).unwrap();
    let asked = std::time::Instant::now();
    assert_eq!(service.status()["daemon"]["running"], true);
    assert!(asked.elapsed() < std::time::Duration::from_secs(4), "it answered while the other one hung");
    drop(hung);
    service.stop();
}
