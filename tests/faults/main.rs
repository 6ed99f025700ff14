//! Faults: the daemon is killed before and after every durable step, and made to fail there; then the books are compared.
//!
//! The steps are those of `bedfeed::fault`, which only builds with debug assertions can be hurt at.

#![cfg(debug_assertions)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may fail loudly"
)]

#[path = "../common/mod.rs"]
mod common;
mod copies;
mod keeping;

use Job::*;
use Step::*;
use bedfeed::fault::Step;
use common::books::{Sent, reconcile, reconcile_alerts, stored};
use common::extract::{damaged, good};
use common::webhook::Webhook;
use common::{BEDFEED, Service, id, now, repository, run, wait_for, wait_until};
use jiff::SignedDuration;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// What is going on when the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Job {
    /// The very first start, with a key that ends soon; then a first file.
    First,
    /// A start.
    Start,
    /// A start after an upload was cut off.
    StartAfterCut,
    /// A start after a crash between storing a file and recording it.
    StartAfterLost,
    /// A good file comes.
    Good,
    /// A good file comes, which ends an episode.
    Recovery,
    /// A file that is set aside, which begins one.
    Damaged,
    /// A file that is sealed.
    Leak,
    /// A file for `test/`.
    Test,
    /// A receipt is fetched.
    Receipt,
    /// Support releases a file.
    Release,
    /// Support discards a sealed file.
    Discard,
    /// The daemon is told to stop.
    Stop,
}

/// Which step, at which passing, during which job. Each row is run twice: ended before the step, and after it.
type Row = (Step, u64, Job);

/// From the first byte to the answer, and what a start does.
const INTAKE: &[Row] = &[
    (LedgerPrepare, 1, First),
    (WarehousePrepare, 1, First),
    (HostKeyWrite, 1, First),
    (HostKeyRename, 1, First),
    (HostKeyFolders, 1, First),
    (LedgerPrepare, 1, Start),
    (StartRecord, 1, Start),
    (WarehouseReference, 1, Start),
    (LedgerCommit, 1, Start),
    (UploadClear, 1, StartAfterCut),
    (OriginalForget, 1, StartAfterLost),
    (UploadWrite, 1, Good),
    (UploadSync, 1, Good),
    (UploadRename, 1, Good),
    (UploadFolders, 1, Good),
    (AcceptRecord, 1, Good),
    (LedgerCommit, 1, Good),
    (LedgerCommit, 2, Good),
    (LedgerCommit, 3, Good),
    (StageRecord, 1, Good),
    (WarehouseCommit, 1, Good),
    (StageRecord, 2, Good),
    (WarehousePublish, 1, Good),
    (StageRecord, 1, Test),
    (PictureKeep, 1, Test),
    (StopRecord, 1, Stop),
];

/// What is set aside, sealed, taken back and discarded.
const ASIDE: &[Row] = &[
    (StageRecord, 1, Damaged),
    (QuarantineFolder, 1, Damaged),
    (OriginalMove, 1, Damaged),
    (OriginalFolders, 1, Damaged),
    (FindingsWrite, 1, Damaged),
    (StageRecord, 1, Leak),
    (SealCopy, 1, Leak),
    (OriginalMove, 1, Leak),
    (OriginalFolders, 1, Leak),
    (SealWipe, 1, Leak),
    (FindingsWrite, 1, Leak),
    (StageRecord, 1, Release),
    (StageRecord, 2, Release),
    (OriginalMove, 1, Release),
    (QuarantineClear, 1, Release),
    (StageRecord, 1, Discard),
    (SealWipe, 1, Discard),
    (SealRemove, 1, Discard),
];

/// What people are told.
const TOLD: &[Row] = &[
    (ExpectRecord, 1, First),
    (ClientRecord, 1, First),
    (WarningRecord, 1, First),
    (CheckpointRecord, 1, First),
    (ReceiptRecord, 1, Receipt),
    (EpisodeRecord, 1, Damaged),
    (AlertSend, 1, Damaged),
    (AlertSend, 2, Damaged),
    (AlertRecord, 1, Damaged),
    (AlertRecord, 2, Damaged),
    (EpisodeRecord, 1, Recovery),
    (AlertSend, 1, Recovery),
    (AlertRecord, 2, Recovery),
];

/// A daemon that can be hurt, its desk, and what was sent to it.
struct House {
    service: Service,
    desk: Webhook,
    sent: Sent,
    pattern: u32,
}

/// A file on its way.
struct Parcel {
    folder: &'static str,
    name: String,
    text: String,
    outcome: &'static str,
}

impl House {
    fn new() -> Self {
        let service = Service::cottage(&["RZZ"]);
        let desk = Webhook::open();
        service.append("bedfeed.toml", &format!("\n[[alerts.webhook]]\nname = \"desk\"\nurl = \"{}\"\n", desk.url()));
        let keys = service.dir().join("governance.txt");
        assert_eq!(run("age-keygen", &["-o".as_ref(), keys.as_os_str()], b"").code, Some(0));
        let public = run("age-keygen", &["-y".as_ref(), keys.as_os_str()], b"").fine().stdout;
        service.append("bedfeed.toml", &format!("\n[governance]\nrecipients = [\"{}\"]\n", public.trim()));
        Self { service, desk, sent: Sent::default(), pattern: 0 }
    }

    fn fault_file(&self) -> PathBuf {
        self.service.dir().join("fault")
    }

    /// From now on the running daemon, or the next one, is hurt like this.
    fn arm(&self, fault: &str) {
        // Never seen half written: it counts from the moment at which it is there.
        let unfinished = self.service.dir().join("fault.part");
        std::fs::write(&unfinished, fault).unwrap();
        run("mv", &[unfinished.as_os_str(), self.fault_file().as_os_str()], b"").fine();
    }

    fn disarm(&self) {
        drop(std::fs::remove_file(self.fault_file()));
    }

    fn begin_start(&mut self) {
        let from = format!("@{}", self.fault_file().display());
        self.service.start_with(&[], &[("BEDFEED_FAULT", &from)]);
    }

    fn start(&mut self) {
        self.begin_start();
        self.service.await_ready();
    }

    /// A file that was never sent before.
    fn parcel(&mut self, job: Job) -> Parcel {
        self.pattern += 1;
        let pattern = self.pattern;
        let (folder, outcome) = match job {
            Test => ("test", "test"),
            Damaged | Leak | Release | Discard => ("inbox", "quarantined"),
            _ => ("inbox", "loaded"),
        };
        let (name, text) = match job {
            Damaged => damaged("RZZ", now(), pattern),
            Release => good("RZZ", now() - SignedDuration::from_hours(50), pattern),
            // So many beds are occupied that the numbers in them are no chance.
            Leak | Discard => good("RZZ", now(), pattern | 0x3f000),
            _ => good("RZZ", now(), pattern),
        };
        let leaks = matches!(job, Leak | Discard);
        let leak = |text: String| {
            let rows = text.replace("sex,age", "sex,age,ref").replace("F,71", "F,71,9990000018").replace("empty,,", "empty,,,");
            rows.replace(",20,,,,", ",20,,,,,")
        };
        Parcel { folder, name, text: if leaks { leak(text) } else { text }, outcome }
    }

    /// One try to send a file; whether it was acknowledged.
    fn send(&mut self, parcel: &Parcel) -> bool {
        let file = self.service.file(&parcel.name, &parcel.text);
        let ran = self.service.sftp("RZZ", format!("put {file} {}/{}", parcel.folder, parcel.name));
        let acknowledged = ran.code == Some(0);
        self.sent.note("RZZ", parcel.text.as_bytes(), parcel.outcome, acknowledged);
        acknowledged
    }

    fn settled(&self) {
        let pending = "SELECT 1 FROM delivery WHERE outcome = 'pending' LIMIT 1";
        wait_until("nothing is pending", || self.service.ledger(pending).is_empty());
    }

    /// As a client does that was not told OK.
    fn send_until_taken(&mut self, parcel: &Parcel) {
        for _ in 0..20 {
            self.settled();
            if self.send(parcel) {
                return self.settled();
            }
        }
        panic!("{} is never taken", parcel.name);
    }

    /// No episode of files set aside is open, or one is; and nothing is left to be told.
    fn calm(&mut self, rejecting: bool) {
        let parcel = self.parcel(if rejecting { Damaged } else { Good });
        self.send_until_taken(&parcel);
        let open = "SELECT 1 FROM episode WHERE closed_at IS NULL AND key LIKE '%/rejected/%'";
        wait_until("episodes are as wanted", || self.service.ledger(open).is_empty() != rejecting);
        wait_until("all is told", || self.service.ledger("SELECT 1 FROM outbox WHERE delivered_at IS NULL LIMIT 1").is_empty());
    }

    /// The one delivery that a parcel became.
    fn delivery_of(&self, parcel: &Parcel) -> String {
        let rows = self.service.deliveries();
        let sha256 = bedfeed::feed::Digest::of(parcel.text.as_bytes()).to_string();
        id(rows.iter().find(|row| row["delivery"]["sha256"] == sha256.as_str()).unwrap()).to_owned()
    }

    fn fetch_receipt(&self, parcel: &Parcel) -> common::Ran {
        let to = self.service.dir().join("fetched");
        self.service.sftp("RZZ", format!("get receipts/{}.receipt.txt {}", parcel.name, to.display()))
    }

    /// How often it is recorded that the receipt was read.
    fn receipt_readings(&self, parcel: &Parcel) -> u64 {
        let sql = "SELECT count(*) AS n FROM entry WHERE json_extract(body, '$.event') = 'receipt_read' AND delivery = ";
        self.service.ledger(&format!("{sql}'{}'", self.delivery_of(parcel)))[0]["n"].as_u64().unwrap()
    }

    fn act(&self, act: &str, delivery: &str) -> common::Ran {
        self.service.bedfeed(&[act, delivery, "--by", "Jo Bloggs", "--reason", "rang the trust"])
    }

    /// Does a job with a daemon that ends in the middle of it; goes on until the job is done all the same.
    fn suffer(&mut self, fault: &str, job: Job) {
        match job {
            First => {
                self.service.append("providers/RZZ.toml", "");
                self.service.edit("providers/RZZ.toml", "[[keys]]", &format!("[[keys]]\nexpires = {}", in_ten_days()));
                self.arm(fault);
                self.begin_start();
                let parcel = self.parcel(Good);
                if fault.starts_with("client_record") {
                    self.service.await_ready();
                    self.send(&parcel);
                }
                self.recover();
                self.send_until_taken(&parcel);
            }
            Start | StartAfterCut | StartAfterLost => {
                let parcel = self.parcel(Good);
                match job {
                    StartAfterCut => {
                        let file = self.service.file("cut", &parcel.text);
                        self.service.sftp("RZZ", format!("put {file} inbox/cut.filepart")).fine();
                        self.service.kill();
                    }
                    StartAfterLost => {
                        self.arm("upload_folders.after");
                        assert!(!self.send(&parcel), "nobody was told OK");
                        assert_eq!(self.service.await_end(), None);
                    }
                    _ => self.service.kill(),
                }
                self.arm(fault);
                self.begin_start();
                self.recover();
                self.send_until_taken(&parcel);
            }
            Good | Test | Damaged | Leak | Recovery => {
                self.calm(job == Recovery);
                self.arm(fault);
                let parcel = self.parcel(job);
                let acknowledged = self.send(&parcel);
                self.recover();
                self.settled();
                if !acknowledged {
                    self.send_until_taken(&parcel);
                }
            }
            Release | Discard => {
                let parcel = self.parcel(job);
                self.send_until_taken(&parcel);
                let delivery = self.delivery_of(&parcel);
                let act = if job == Release { "release" } else { "discard" };
                self.arm(fault);
                let acted = self.act(act, &delivery).code == Some(0);
                self.recover();
                if !acted {
                    let ran = self.act(act, &delivery);
                    assert!(ran.code == Some(0) || ran.stderr.contains("not in quarantine"), "{ran:?}");
                }
                if job == Release {
                    self.sent.becomes("RZZ", parcel.text.as_bytes(), "loaded");
                }
                self.settled();
            }
            Receipt => {
                let parcel = self.parcel(Good);
                self.send_until_taken(&parcel);
                self.arm(fault);
                assert_ne!(self.fetch_receipt(&parcel).code, Some(0), "the daemon is gone");
                self.recover();
                self.fetch_receipt(&parcel).fine();
                assert_eq!(self.receipt_readings(&parcel), 1, "that it was read is recorded, once");
            }
            Stop => {
                self.arm(fault);
                run("kill", &["-TERM", &self.service.pid().to_string()], b"").fine();
                self.recover();
            }
        }
    }

    /// Waits until the daemon has ended by a signal, and starts it again.
    fn recover(&mut self) {
        assert_eq!(self.service.await_end(), None, "it was killed");
        self.disarm();
        self.start();
    }

    fn check(&self) {
        reconcile(&self.service, &self.sent);
        reconcile_alerts(&self.service, &self.desk);
        assert!(!self.service.log().contains("panicked"), "{}", self.service.log());
    }
}

fn in_ten_days() -> jiff::civil::Date {
    let zone = jiff::tz::TimeZone::get("Europe/London").unwrap();
    zone.to_datetime(now()).date().checked_add(jiff::Span::new().days(10)).unwrap()
}

/// Kills at each of these steps, on both of its sides, and compares the books after each.
fn sweep(rows: &[Row]) {
    let mut shared: Option<House> = None;
    for (step, passing, job) in rows {
        for side in ["before", "after"] {
            let fault = format!("{}.{side}:{passing}", step.name());
            eprintln!("{fault} during {job:?}");
            if *job == First {
                let mut house = House::new();
                house.suffer(&fault, *job);
                house.check();
                continue;
            }
            let house = shared.get_or_insert_with(|| {
                let mut house = House::new();
                house.start();
                house
            });
            house.suffer(&fault, *job);
            house.check();
        }
    }
}

#[test]
fn p1_p2_p8_killed_at_each_step_from_the_first_byte_to_the_warehouse_nothing_is_lost_or_twice() {
    sweep(INTAKE);
}

#[test]
fn p2_p7_killed_at_each_step_of_setting_aside_every_original_is_where_the_ledger_says() {
    sweep(ASIDE);
}

#[test]
fn p5_killed_at_each_step_of_telling_every_episode_is_told_and_a_repeat_has_the_same_key() {
    sweep(TOLD);
}

/// Every step but those at a start or an end, at which a failure is a refusal to start, or nobody is there any more; those that
/// are taken once a day; and those of retention, backups and restores, which fail in tests of their own.
fn fallible() -> impl Iterator<Item = Step> {
    let start = [StartRecord, WarehouseReference, UploadClear, ExpectRecord, OriginalForget, LedgerPrepare, WarehousePrepare];
    let others = [ClientRecord, WarningRecord, CheckpointRecord, StopRecord, HostKeyWrite, HostKeyRename, HostKeyFolders];
    let apart = elsewhere().filter(|step| ![SealWipe, SealRemove, LedgerCommit].contains(step));
    let others: Vec<Step> = start.into_iter().chain(others).chain(apart).collect();
    Step::ALL.iter().copied().filter(move |step| !others.contains(step))
}

#[test]
fn p1_p2_whatever_step_fails_the_daemon_lives_and_goes_on_by_itself() {
    for side in ["before", "after"] {
        let mut house = House::new();
        house.start();
        let faults: Vec<String> = fallible().map(|step| format!("{}.{side}:1:error", step.name())).collect();
        house.arm(&faults.join(","));
        let pid = house.service.pid();
        for job in [Good, Test, Damaged, Good, Leak, Discard, Good, Release, Good] {
            let parcel = house.parcel(job);
            house.send_until_taken(&parcel);
            let act = match job {
                Release => "release",
                Discard => "discard",
                _ => {
                    // Nobody is refused a receipt because that cannot be recorded.
                    house.fetch_receipt(&parcel).fine();
                    if job == Damaged {
                        // A good file that comes at once would leave nothing to tell.
                        let told = format!("step=\"{}\"", AlertRecord.name());
                        wait_until("somebody was to be told", || house.service.log().contains(&told));
                    }
                    continue;
                }
            };
            let delivery = house.delivery_of(&parcel);
            let ran = wait_for("the act is recorded", || {
                let ran = house.act(act, &delivery);
                (ran.code == Some(0) || ran.stderr.contains("not in quarantine")).then_some(ran)
            });
            eprintln!("{side} {act}: {}", ran.stderr);
            if job == Release {
                house.sent.becomes("RZZ", parcel.text.as_bytes(), "loaded");
            }
        }
        house.settled();
        // What could not be put away is tried again within seconds.
        wait_until("every original is where it belongs", || stored(&house.service).is_ok());
        let log = house.service.log();
        let unhurt: Vec<Step> = fallible().filter(|step| !log.contains(&format!("step=\"{}\"", step.name()))).collect();
        assert!(unhurt.is_empty(), "each fault was met: {unhurt:?}");
        house.disarm();
        house.check();
        assert_eq!(house.service.pid(), pid, "the daemon lives");
        house.service.stop();
        house.start();
        house.check();
    }
}

#[test]
fn every_step_that_there_is_is_swept() {
    let swept: BTreeSet<Step> = [INTAKE, ASIDE, TOLD].into_iter().flatten().map(|(step, ..)| *step).chain(elsewhere()).collect();
    assert_eq!(swept, Step::ALL.iter().copied().collect());
}

/// What is swept apart from a delivery's way.
fn elsewhere() -> impl Iterator<Item = Step> {
    let rows = [keeping::FILES, keeping::FIGURES, copies::TAKEN, copies::PUT_BACK];
    rows.into_iter().flatten().map(|(step, _)| *step)
}

#[test]
fn no_release_build_can_be_hurt() {
    let dir = tempfile::tempdir().unwrap();
    let object = dir.path().join("fault.o");
    let source = repository().join("src/fault/mod.rs");
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let options = ["--edition=2024", "--crate-type=lib", "--emit=obj", "-Copt-level=3", "-Cdebug-assertions=no", "-o"];
    let mut words: Vec<&std::ffi::OsStr> = options.iter().map(std::ffi::OsStr::new).collect();
    words.extend([object.as_os_str(), source.as_os_str()]);
    let ran = run(&rustc, &words, b"");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let holds = |path: &std::path::Path, text: &str| std::fs::read(path).unwrap().windows(text.len()).any(|bytes| bytes == text.as_bytes());
    for text in ["BEDFEED_FAULT", "upload_sync"] {
        assert!(!holds(&object, text), "{text} is in a build without debug assertions");
        assert!(holds(BEDFEED.as_ref(), text), "{text} is not in this one, and the test shows nothing");
    }
}
