//! A disk that is short of room, and one that is full, at one step after the other.

use super::{house, nothing_pending, send};
use crate::common::books::{Sent, reconcile, reconcile_alerts, stored};
use crate::common::extract::{damaged, good};
use crate::common::{now, run, wait_until};
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// A small file system of its own at a path, gone when dropped.
struct SmallDisk {
    at: PathBuf,
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the daemon may still be on its way out.
        run("umount", &["-l".as_ref(), self.at.as_os_str()], b"");
    }
}

impl SmallDisk {
    /// Mounts one; `None` where that is not allowed and the person who runs the tests has said so.
    fn mount(at: &Path, bytes: u64) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let size = format!("size={bytes},mode=0700");
        let words = ["-t", "tmpfs", "-o", &size, "none"].map(std::ffi::OsString::from);
        let words: Vec<std::ffi::OsString> = words.into_iter().chain([at.into()]).collect();
        let ran = run("mount", &words, b"");
        if ran.code == Some(0) {
            return Some(Self { at: at.to_owned() });
        }
        let without = std::env::var_os("BEDFEED_WITHOUT_MOUNT").is_some();
        assert!(without, "a small disk cannot be mounted here ({}); BEDFEED_WITHOUT_MOUNT=1 leaves this out", ran.stderr.trim());
        None
    }

    fn filler(&self) -> PathBuf {
        self.at.join("filler")
    }

    fn free(&self) -> u64 {
        let ran = run("stat", &["-f".as_ref(), "-c".as_ref(), "%a %S".as_ref(), self.at.as_os_str()], b"").fine();
        let (blocks, size) = ran.stdout.trim().split_once(' ').unwrap();
        blocks.parse::<u64>().unwrap() * size.parse::<u64>().unwrap()
    }

    /// Fills the disk up until no more than so many bytes are left.
    fn fill_up_to(&self, left: u64) {
        let mut file = File::options().create(true).append(true).open(self.filler()).unwrap();
        while self.free() > left {
            let chunk = (self.free() - left).clamp(1, 1 << 20);
            if file.write_all(&vec![b'x'; usize::try_from(chunk).unwrap()]).is_err() {
                return;
            }
        }
    }

    fn make_room(&self) {
        drop(std::fs::remove_file(self.filler()));
    }
}

#[test]
fn p1_p2_p9_uploads_are_refused_before_the_ledger_is_in_danger_and_taken_again_by_themselves() {
    let (mut service, desk) = house("[sftp]\n", "[sftp]\nreserve_bytes = \"16MiB\"\n");
    let Some(disk) = SmallDisk::mount(&service.state(), 48 << 20) else { return };
    let mut sent = Sent::default();
    // The first file waits for the warehouse until the disk is short of room.
    service.start_with(&[], &[("BEDFEED_FAULT", "warehouse_commit.before:1:error")]);
    service.await_ready();
    let (name, text) = good("RZZ", now(), 1);
    assert!(send(&service, &mut sent, (&name, &text), "loaded"));
    disk.fill_up_to(15 << 20);

    let (name, text) = good("RZZ", now(), 2);
    assert!(!send(&service, &mut sent, (&name, &text), "loaded"), "it would take from what is kept back");
    wait_until("what was accepted is loaded all the same", || nothing_pending(&service));
    assert_eq!(service.deliveries().len(), 1, "nothing came of the other one");
    let fetched = service.dir().join("refused");
    service.sftp("RZZ", format!("get receipts/{name}.refused.txt {}", fetched.display())).fine();
    let words = std::fs::read_to_string(fetched).unwrap();
    let told = words.contains("bedfeed is short of disk space: nothing is wrong with the file; send it again later");
    assert!(told, "OpenSSH's client shows no words of ours, so they are there in writing: {words}");
    let status = service.bedfeed(&["status"]).fine().stdout;
    assert!(status.contains("is short of room: ") && status.contains("16 MiB are kept back for the ledger"), "{status}");
    let web = service.status()["daemon"]["web"].as_str().unwrap().to_owned();
    let page = |path: &str| run("curl", &["--silent", "--show-error", "--fail", &format!("http://{web}{path}")], b"").fine().stdout;
    assert!(page("/").contains("is short of room: "), "the page says so too");
    assert!(page("/metrics").contains("bedfeed_sftp_uploads_without_room_total 1"));
    let alerts = |kind: &str| desk.taken().into_iter().filter(|key| key.starts_with("house/disk/") && key.ends_with(kind)).count();
    wait_until("the desk is told", || alerts("/begin") == 1);
    // A storm of tries is one stretch of trouble.
    for pattern in 3..8 {
        let (name, text) = good("RZZ", now(), pattern);
        assert!(!send(&service, &mut sent, (&name, &text), "loaded"));
    }

    disk.make_room();
    for pattern in 3..8 {
        let (name, text) = good("RZZ", now(), pattern);
        assert!(send(&service, &mut sent, (&name, &text), "loaded"));
    }
    wait_until("the desk is told that it is over", || alerts("/end") == 1);
    wait_until("nothing is pending", || nothing_pending(&service));
    assert_eq!(alerts("/begin"), 1, "{:?}", desk.taken());
    reconcile(&service, &sent);
    reconcile_alerts(&service, &desk);
    let status = service.bedfeed(&["status"]).fine().stdout;
    assert!(!status.contains("short of room"), "{status}");
    service.stop();
}

#[test]
fn p1_p2_a_disk_that_is_full_at_whatever_step_loses_nothing_and_needs_no_hand() {
    let (mut service, desk) = house("[sftp]\n", "[sftp]\nreserve_bytes = \"0B\"\n");
    let Some(disk) = SmallDisk::mount(&service.state(), 24 << 20) else { return };
    let mut sent = Sent::default();
    service.start();
    let (mut refused, mut pattern) = (0, 0);
    // From nothing at all to enough for a file and its whole way: the disk is full at one step after the other.
    for pages in [0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 64, 80, 96, 128] {
        disk.fill_up_to(pages * 4096);
        pattern += 2;
        let (name, text) = good("RZZ", now(), pattern);
        refused += usize::from(!send(&service, &mut sent, (&name, &text), "loaded"));
        let (name, text) = damaged("RZZ", now(), pattern + 1);
        refused += usize::from(!send(&service, &mut sent, (&name, &text), "quarantined"));
        disk.make_room();
    }
    eprintln!("{refused} of {} files were refused", sent.len());
    assert!(refused > 0 && refused < sent.len(), "both happened");
    wait_until("nothing is pending", || nothing_pending(&service));
    wait_until("every original is where it belongs", || stored(&service).is_ok());
    reconcile(&service, &sent);
    reconcile_alerts(&service, &desk);

    service.kill();
    disk.fill_up_to(0);
    service.start_under(&[]);
    let code = service.await_end();
    assert_eq!(code, Some(1));
    let last = service.log().lines().last().unwrap_or_default().to_owned();
    assert!(last.contains("full"), "it says why it does not start: {last}");
    disk.make_room();
    service.start();
    reconcile(&service, &sent);
    service.stop();
}
