//! A disk that fails: writes, syncs and reads that end with an error, by `strace`. The sender is told, nothing half done
//! stays, what failed once is not taken for done, and the daemon lives.

use super::{allowed, house, nothing_pending, quiet, send};
use crate::common::books::{Sent, reconcile, stored};
use crate::common::extract::{damaged, good};
use crate::common::{Service, id, now, wait_until};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// `strace` on the daemon; it lets go when dropped.
struct Tracer(Child);

impl Drop for Tracer {
    fn drop(&mut self) {
        // SIGINT: it must detach, for a tracer that is killed may take the daemon with it.
        drop(crate::common::run("kill", &["-INT", &self.0.id().to_string()], b""));
        drop(self.0.wait());
    }
}

impl Tracer {
    fn attach(service: &Service, inject: &str, path: Option<&Path>, trace: &Path) -> Self {
        let mut command = Command::new("strace");
        command.args(["-f", "-yy", "-s", "16", "-p", &service.pid().to_string(), "-o"]).arg(trace);
        if let Some(path) = path {
            command.arg("-P").arg(path);
        }
        let calls = inject.split(':').next().unwrap();
        command.args(["-e", &format!("trace={calls},rename,renameat2,unlink"), "-e", &format!("inject={inject}")]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let threads = || std::fs::read_dir(format!("/proc/{}/task", service.pid())).unwrap();
        wait_until("strace has hold of every thread", || {
            threads().all(|thread| {
                let status = std::fs::read_to_string(thread.unwrap().path().join("status")).unwrap_or_default();
                status.lines().any(|line| line.strip_prefix("TracerPid:").is_some_and(|pid| pid.trim() != "0"))
            })
        });
        Self(child)
    }
}

/// What fails, where, and the errors that the log must hold.
type Row = (&'static str, &'static str, Option<&'static str>, &'static [&'static str]);

const ROWS: &[Row] = &[
    ("a write of the upload", "pwrite64:error=EIO:when=1", None, &["could not write", "Input/output error"]),
    ("no room for it", "pwrite64:error=ENOSPC:when=1", None, &["could not write", "No space left on device"]),
    ("its fsync", "fsync:error=EIO:when=1", None, &["could not bring to stable storage"]),
    ("its rename", "rename:error=EIO:when=1", None, &["could not put in its place"]),
    ("the fsync of the folder", "fsync:error=EIO:when=1", Some("deliveries"), &["could not put in its place"]),
    ("the fsync of the other folder", "fsync:error=EIO:when=1", Some("uploads"), &["could not put in its place"]),
    (
        "a write of the ledger",
        "pwrite64:error=EIO:when=1",
        Some("ledger.db-wal"),
        &["the ledger could not commit", "upload not acknowledged"],
    ),
    (
        "the fsync of the ledger",
        "fsync,fdatasync:error=EIO:when=1",
        Some("ledger.db-wal"),
        &["the ledger could not commit", "upload not acknowledged"],
    ),
];

#[test]
fn p1_p2_a_write_or_an_fsync_that_fails_is_told_to_the_sender_and_never_taken_for_done() {
    if !allowed("strace", &["-o", "/dev/null", "true"], "BEDFEED_WITHOUT_STRACE") {
        return;
    }
    let (mut service, _desk) = house("[sftp]", "[sftp]");
    service.start();
    let mut sent = Sent::default();
    let mut pattern = 1;
    let (name, text) = good("RZZ", now(), pattern);
    assert!(send(&service, &mut sent, (&name, &text), "loaded"));
    let pid = service.pid();
    for (what, inject, place, wanted) in ROWS {
        quiet(&service);
        pattern += 1;
        let (name, text) = good("RZZ", now(), pattern);
        let before = service.log().len();
        let trace = service.dir().join(format!("trace.{pattern}"));
        let path = place.map(|place| service.state().join(place));
        let tracer = Tracer::attach(&service, inject, path.as_deref(), &trace);
        assert!(!send(&service, &mut sent, (&name, &text), "loaded"), "{what}: the sender is told");
        drop(tracer);
        let log = service.log().split_off(before);
        assert!(wanted.iter().all(|words| log.contains(words)), "{what}: {log}");
        let calls = std::fs::read_to_string(&trace).unwrap();
        assert!(calls.contains("(INJECTED)"), "{what}: {calls}");
        if what.ends_with("its fsync") {
            // Other threads sync as well: the warehouse's log, when its connection is let go.
            let is_it = |line: &&str| line.contains("(INJECTED)") && line.contains("/uploads/");
            let failed = calls.lines().find(is_it).unwrap();
            let upload = failed.split(['<', '>']).nth(1).unwrap();
            let after: Vec<&str> = calls.lines().skip_while(|line| !is_it(line)).skip(1).collect();
            let again = after.iter().find(|line| line.contains(upload) && !line.contains("unlink"));
            assert!(again.is_none(), "after a failed fsync the file only goes: {calls}");
        }
        assert_eq!(service.pid(), pid);
        assert!(service.is_running(), "{what}: the daemon lives");
        assert!(send(&service, &mut sent, (&name, &text), "loaded"), "{what}: the next try works");
        wait_until("nothing is pending", || nothing_pending(&service));
        wait_until("every original is where it belongs", || stored(&service).is_ok());
        reconcile(&service, &sent);
    }
    service.kill();
    service.start();
    reconcile(&service, &sent);
}

#[test]
fn p2_a_file_that_cannot_be_read_waits_without_holding_up_the_others_and_is_judged_when_it_can() {
    if !allowed("strace", &["-o", "/dev/null", "true"], "BEDFEED_WITHOUT_STRACE") {
        return;
    }
    let (mut service, _desk) = house("[sftp]", "[sftp]");
    service.start();
    let mut sent = Sent::default();
    let (name, text) = damaged("RZZ", now(), 1);
    assert!(send(&service, &mut sent, (&name, &text), "quarantined"));
    wait_until("nothing is pending", || nothing_pending(&service));
    let sick = id(&service.deliveries()[0]).to_owned();
    let original = service.state().join("quarantine").join(&sick).join("original");
    let tracer = Tracer::attach(&service, "read:error=EIO", Some(&original), &service.dir().join("trace"));
    service.bedfeed(&["reprocess", &sick, "--by", "Jo Bloggs", "--reason", "the mapping was mended"]).fine();
    wait_until("it is said", || service.log().contains("a stored original is in trouble: check the disk; it is tried again"));
    let (name, text) = good("RZZ", now(), 2);
    assert!(send(&service, &mut sent, (&name, &text), "loaded"));
    wait_until("the other file is loaded meanwhile", || service.query("SELECT 1 FROM ingest_snapshot").len() == 1);
    let rows = service.deliveries();
    assert_eq!(rows.iter().find(|row| id(row) == sick).unwrap()["outcome"], "pending", "it stays visible");
    drop(tracer);
    wait_until("it is judged in the end", || nothing_pending(&service));
    reconcile(&service, &sent);
    service.stop();
}
