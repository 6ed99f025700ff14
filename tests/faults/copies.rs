//! A backup and a restore are killed, and fail, at each of their steps: what looks complete is complete, the backup before it stays
//! whole, the next one clears up, and no daemon starts on half a restore.

use super::common::books::reconcile;
use super::common::{Ran, names};
use super::{BEDFEED, House, Job, Service, run};
use bedfeed::fault::Step::{self, *};
use std::path::{Path, PathBuf};

/// Which step, at which passing.
type Row = (Step, u64);

/// Of a backup.
pub(super) const TAKEN: &[Row] = &[
    (BackupClear, 1),
    (BackupFolder, 1),
    (BackupBook, 1),
    (BackupBook, 2),
    (BackupShare, 1),
    (BackupCopy, 1),
    (BackupCopy, 4),
    (BackupList, 1),
    (BackupFolders, 1),
    (BackupRename, 1),
    (BackupRetire, 1),
    (BackupRemove, 1),
];

/// Of a restore.
pub(super) const PUT_BACK: &[Row] =
    &[(RestoreMark, 1), (RestoreCopy, 1), (RestoreCopy, 4), (RestoreFolders, 1), (LedgerCommit, 1), (RestoreRecord, 1), (RestoreEnd, 1)];

/// Runs a command of bedfeed on these settings that meets a fault.
fn hurt(service: &Service, fault: &str, words: &[&str]) -> Ran {
    let (fault, settings) = (format!("BEDFEED_FAULT={fault}"), service.settings());
    let all = [&[fault.as_str(), BEDFEED], words, &["--config", settings.to_str().unwrap()]].concat();
    run("env", &all, b"")
}

fn verify(path: &Path) -> Ran {
    run(BEDFEED, &["backup".as_ref(), "verify".as_ref(), path.as_os_str()], b"")
}

/// A daemon that has taken a file of each kind, and where its backups go.
fn house() -> (House, PathBuf) {
    let mut house = House::new();
    house.start();
    for job in [Job::Good, Job::Damaged, Job::Leak, Job::Test, Job::Good] {
        let parcel = house.parcel(job);
        house.send_until_taken(&parcel);
    }
    let backups = house.service.dir().join("backups");
    (house, backups)
}

/// Whatever was cut off: all that looks like a backup is one, there is one, and what is unfinished is not taken for one.
fn only_whole_ones(backups: &Path) {
    let (unfinished, complete): (Vec<String>, Vec<String>) =
        names(backups).into_iter().filter(|name| !name.starts_with('.')).partition(|name| name.ends_with(".part"));
    assert!(!complete.is_empty(), "the backup before is gone, and there is no other");
    for name in complete {
        verify(&backups.join(name)).fine();
    }
    for name in unfinished {
        let refused = verify(&backups.join(&name));
        assert!(refused.code == Some(1) && refused.stderr.contains("is no backup"), "{name}: {refused:?}");
    }
}

#[test]
fn p8_whatever_step_of_a_backup_is_killed_or_fails_only_whole_ones_look_so_and_the_next_clears_up() {
    let (mut house, backups) = house();
    let to = backups.to_str().unwrap().to_owned();
    let taken = |house: &House| house.service.bedfeed(&["backup", &to, "--keep", "1"]).fine();
    taken(&house);
    for (step, passing) in TAKEN {
        for (side, end) in [("before", ""), ("after", ""), ("before", ":error"), ("after", ":error")] {
            let fault = format!("{}.{side}:{passing}{end}", step.name());
            eprintln!("{fault}");
            if *step == BackupClear {
                std::fs::create_dir_all(backups.join("20181203T101500.123Z.part/deliveries")).unwrap();
            }
            let ran = hurt(&house.service, &fault, &["backup", &to, "--keep", "1"]);
            assert_eq!(ran.code, if end.is_empty() { None } else { Some(1) }, "{ran:?}");
            only_whole_ones(&backups);
            taken(&house);
            only_whole_ones(&backups);
            assert_eq!(names(&backups).len(), 2, "the lock and one backup: {:?}", names(&backups));
        }
    }
    // The daemon noticed nothing of all this.
    let parcel = house.parcel(Job::Good);
    house.send_until_taken(&parcel);
    house.check();
}

#[test]
fn p1_p2_whatever_step_of_a_restore_is_killed_or_fails_no_daemon_starts_on_half_of_it() {
    let (mut house, backups) = house();
    house.service.bedfeed(&["backup", backups.to_str().unwrap()]).fine();
    house.service.stop();
    let newest = names(&backups).pop().unwrap();
    let from = backups.join(&newest);
    let mut other = house.service.elsewhere(&from.join("settings"));
    let from = from.to_str().unwrap().to_owned();
    for (step, passing) in PUT_BACK {
        for (side, end) in [("before", ""), ("after", ""), ("before", ":error")] {
            let fault = format!("{}.{side}:{passing}{end}", step.name());
            eprintln!("{fault}");
            let ran = hurt(&other, &fault, &["restore", &from]);
            assert_eq!(ran.code, if end.is_empty() { None } else { Some(1) }, "{ran:?}");
            let (nothing, all) = ((*step, side) == (RestoreMark, "before"), (*step, side) == (RestoreEnd, "after"));
            let marked = other.state().join("restoring").try_exists().unwrap();
            assert_eq!(marked, !nothing && !all, "{fault}: {:?}", names(&other.state()));
            if marked {
                other.start_under(&[]);
                assert_eq!(other.await_end(), Some(1), "it does not start");
                assert!(other.log().contains("did not end: empty the folder and restore again"), "{}", other.log());
                let refused = other.bedfeed(&["restore", &from]);
                assert!(refused.code == Some(1) && refused.stderr.contains("empty folder only"), "{refused:?}");
                std::fs::remove_dir_all(other.state()).unwrap();
            }
            if !all {
                other.bedfeed(&["restore", &from]).fine();
            }
            other.start();
            reconcile(&other, &house.sent);
            other.stop();
            assert_eq!(other.ledger("SELECT count(*) AS n FROM entry WHERE json_extract(body, '$.event') = 'restored'")[0]["n"], 1);
            std::fs::remove_dir_all(other.state()).unwrap();
            std::fs::remove_file(other.dir().join("log")).unwrap();
        }
    }
}
