//! Crashes: `kill -9` at random moments while real clients send, then the books are compared with what clients were told.
//!
//! `BEDFEED_KILLS=200` makes the long run; `BEDFEED_SEED=N` repeats the moments of another one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may fail loudly"
)]

mod common;

use common::books::{Found, Sent, reconcile};
use common::extract::{damaged, good};
use common::{Service, id, names, now, pause, run, wait_until};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering};
use std::time::Duration;

/// Marsaglia's xorshift: moments that a seed repeats.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// One provider's job: sends one file after another, each with figures of its own, and never sends one again.
fn send_until(stop: &AtomicBool, service: &Files<'_>, code: &str, log: &Mutex<Sent>) {
    let mut pattern = 0;
    while !stop.load(Ordering::SeqCst) {
        let port = service.port.load(Ordering::SeqCst);
        if port == 0 {
            // Nobody listens just now.
            pause(Duration::from_millis(10));
            continue;
        }
        pattern += 1;
        let bad = pattern % 4 == 0;
        let (name, text) = if bad { damaged(code, now(), pattern) } else { good(code, now(), pattern) };
        let file = service.service.file(&format!("{code}.{pattern}"), &text);
        let batch = if pattern % 3 == 0 {
            format!("cd inbox\nput {file} {name}.filepart\nrename {name}.filepart {name}\n")
        } else {
            format!("put {file} inbox/{name}\n")
        };
        let ran = run("sftp", &service.service.sftp_arguments(port, code), batch.as_bytes());
        let acknowledged = ran.code == Some(0);
        let outcome = if bad { "quarantined" } else { "loaded" };
        log.lock().unwrap().note(code, text.as_bytes(), outcome, acknowledged);
        service.acknowledged.fetch_add(usize::from(acknowledged), Ordering::SeqCst);
    }
}

/// What a provider's job needs to know.
struct Files<'a> {
    service: &'a Service,
    /// Where the daemon listens; 0 while it does not run.
    port: &'a AtomicU16,
    acknowledged: &'a AtomicUsize,
}

/// Sets a flag when dropped, so that a panic ends the other threads too.
struct Finally<'a>(&'a AtomicBool);

impl Drop for Finally<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn p1_p2_p8_whatever_was_acknowledged_is_there_once_after_kills_at_random_moments() {
    let kills = number("BEDFEED_KILLS", 20);
    let seed = number("BEDFEED_SEED", u64::try_from(now().as_nanosecond() & i128::from(u64::MAX >> 1)).unwrap() | 1);
    eprintln!("{kills} kills; repeat the moments with BEDFEED_SEED={seed}");
    let mut chance = Chance(seed);
    let codes = ["RZA", "RZB", "RZC"];
    let mut service = Service::cottage(&codes);
    service.start();
    // A second handle on the folder: this one starts and kills, that one sends.
    let clients = service.clients();
    let (port, stop) = (AtomicU16::new(service.port()), AtomicBool::new(false));
    let (acknowledged, log) = (AtomicUsize::new(0), Mutex::new(Sent::default()));
    let mut killed_while_starting = 0;
    std::thread::scope(|scope| {
        let _stop = Finally(&stop);
        for code in codes {
            let files = Files { service: &clients, port: &port, acknowledged: &acknowledged };
            let (stop, log) = (&stop, &log);
            scope.spawn(move || send_until(stop, &files, code, log));
        }
        for round in 0..kills {
            pause(Duration::from_millis(chance.below(700)));
            service.kill();
            port.store(0, Ordering::SeqCst);
            // Sometimes recovery itself is killed.
            while chance.below(5) == 0 {
                service.start_under(&[]);
                pause(Duration::from_millis(chance.below(120)));
                service.kill();
                killed_while_starting += 1;
            }
            service.start();
            port.store(service.port(), Ordering::SeqCst);
            if round % 4 == 0 {
                // So that a slow machine gets somewhere too.
                let so_far = acknowledged.load(Ordering::SeqCst);
                wait_until("another upload is acknowledged", || acknowledged.load(Ordering::SeqCst) > so_far);
            }
        }
        let so_far = acknowledged.load(Ordering::SeqCst);
        wait_until("uploads go on after the last start", || acknowledged.load(Ordering::SeqCst) >= so_far + 3);
    });
    let log = log.into_inner().unwrap();
    wait_until("nothing is pending", || service.ledger("SELECT 1 FROM delivery WHERE outcome = 'pending' LIMIT 1").is_empty());

    let found = reconcile(&service, &log);
    let Found { acknowledged, refused, unheard } = found;
    eprintln!(
        "{} uploads: {acknowledged} acknowledged, {refused} failed, {unheard} of those taken all the same; {killed_while_starting} kills during a start",
        log.len()
    );
    assert!(acknowledged >= 3, "the test sent something");
    service.stop();
    assert!(names(&service.state().join("uploads")).is_empty(), "nothing unfinished is left");
    assert!(!service.log().contains("panicked"), "{}", service.log());
}

#[test]
fn p2_a_client_that_is_cut_off_and_a_temporary_name_leave_no_delivery() {
    let mut service = Service::cottage(&["RZZ"]);
    service.start();
    let uploads = service.state().join("uploads");
    let (name, text) = good("RZZ", now(), 1);

    // Slow enough to be cut off in the middle: 2,000 kbit/s of 10 MB.
    let huge = service.dir().join("huge.csv");
    std::fs::write(&huge, vec![b'x'; 10_000_000]).unwrap();
    for (index, target) in [format!("inbox/{name}"), format!("inbox/{name}.filepart")].into_iter().enumerate() {
        let mut command = Command::new("sftp");
        command.args(["-l", "2000"]).args(service.sftp_arguments(service.port(), "RZZ"));
        let mut client = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let batch = format!("put {} {target}\n", huge.display());
        client.stdin.take().unwrap().write_all(batch.as_bytes()).unwrap();
        wait_until("some of it is there", || {
            // Beside what was kept of the one before.
            let filled = |name: &&String| std::fs::metadata(uploads.join(name.as_str())).is_ok_and(|file| file.len() > 0);
            names(&uploads).iter().filter(filled).count() > index
        });
        client.kill().unwrap();
        client.wait().unwrap();
        let mut said = String::new();
        client.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        wait_until("the cut is noticed", || service.log().matches("an upload was cut off").count() > index);
        assert_eq!(names(&uploads).len(), index + 1, "it is kept, so that it can be resumed: {said}");
        assert_eq!(service.deliveries(), Vec::<Value>::new(), "{said}");
        assert!(names(&service.state().join("deliveries")).is_empty());
    }
    service.stop();
    assert!(names(&uploads).is_empty(), "what was cut off is not kept past a restart");
    service.start();

    let file = service.file(&name, &text);
    service.sftp("RZZ", format!("put {file} inbox/{name}.filepart")).fine();
    assert_eq!(service.deliveries(), Vec::<Value>::new(), "a temporary name is not a delivery");
    assert!(names(&service.state().join("deliveries")).is_empty());
    service.sftp("RZZ", format!("rename inbox/{name}.filepart inbox/{name}")).fine();
    assert_eq!(service.settled(1)[0]["outcome"], "loaded", "renamed later, on another connection, it is");

    service.sftp("RZZ", format!("put {file} inbox/{name}.filepart")).fine();
    service.kill();
    service.start();
    assert!(names(&uploads).is_empty(), "nobody was told that it is safe");
    let rows = service.deliveries();
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert!(!id(&rows[0]).is_empty());
}

/// One system call of the daemon: in the order in which calls began, with the order in which they ended.
#[derive(Debug)]
struct Call {
    name: String,
    text: String,
    began: usize,
    ended: usize,
}

/// Reads what `strace -f -y` wrote. A call that another thread's interrupted is put together again.
fn calls(trace: &str) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    let mut open: BTreeMap<&str, usize> = BTreeMap::new();
    for (at, line) in trace.lines().enumerate() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let rest = rest.trim_start();
        if rest.starts_with("<... ") {
            if let Some(index) = open.remove(thread) {
                calls[index].text.push_str(rest);
                calls[index].ended = at;
            }
            continue;
        }
        let Some((name, _)) = rest.split_once('(') else { continue };
        if rest.ends_with("<unfinished ...>") {
            open.insert(thread, calls.len());
        }
        let ended = if rest.ends_with("<unfinished ...>") { usize::MAX } else { at };
        calls.push(Call { name: name.to_owned(), text: rest.to_owned(), began: at, ended });
    }
    calls
}

#[test]
fn p1_the_reply_comes_after_the_file_the_folder_and_the_ledger_are_on_stable_storage() {
    let mut service = Service::cottage(&["RZZ"]);
    let trace = service.dir().join("trace");
    let allowed = Command::new("strace").args(["-o", "/dev/null", "true"]).stderr(Stdio::null()).status();
    if !allowed.is_ok_and(|status| status.success()) {
        let without = std::env::var_os("BEDFEED_WITHOUT_STRACE").is_some();
        assert!(without, "strace is not installed or not allowed here; BEDFEED_WITHOUT_STRACE=1 leaves this out");
        return;
    }
    let wanted = "trace=write,writev,pwrite64,sendto,sendmsg,fsync,fdatasync,rename,renameat,renameat2";
    // -D keeps the daemon our own child; -yy shows paths and sockets.
    service.start_under(&["strace", "-D", "-f", "-yy", "-s", "16", "-e", wanted, "-o", trace.to_str().unwrap()]);
    service.await_ready();
    let (name, text) = good("RZZ", now(), 1);
    let (one, other) = (service.file("a", &text), service.file("b", text.replace("71", "72")));
    let close = format!("put {one} inbox/{name}");
    let rename = format!("cd inbox\nput {other} {name}.part\nrename {name}.part {name}");
    for (batch, what) in [(Some(close), "CLOSE"), (Some(rename), "RENAME"), (None, "CLOSE and STAT in one breath")] {
        let before = service.deliveries().len();
        match batch {
            Some(batch) => drop(service.sftp("RZZ", batch).fine()),
            None => {
                let answers = service.subsystem("RZZ", &upload_in_one_breath(&name, text.replace("71", "73").as_bytes()));
                let size = u64::try_from(text.len()).unwrap().to_be_bytes();
                assert!(answers.windows(8).any(|bytes| bytes == size), "STAT tells the size: {answers:?}");
            }
        }
        let rows = service.settled(before + 1);
        let delivery = id(rows.last().unwrap()).to_owned();
        let port = service.port();
        let calls = wait_for_trace(&trace, &delivery, port);
        let one = |what: &str, test: &dyn Fn(&Call) -> bool| -> &Call {
            calls.iter().find(|call| test(call)).unwrap_or_else(|| panic!("no {what}: {calls:#?}"))
        };
        let upload = format!("uploads/{delivery}>");
        let syncs = |call: &Call| call.name == "fsync" || call.name == "fdatasync";
        let last_write =
            calls.iter().filter(|call| call.name.contains("write") && call.text.contains(&upload)).map(|call| call.ended).max();
        let synced = one("fsync of the upload", &|call| syncs(call) && call.text.contains(&upload));
        let moved = one("rename", &|call| call.name.starts_with("rename") && call.text.contains(&delivery));
        let folder = one("fsync of the folder", &|call| syncs(call) && call.text.contains("/deliveries>") && call.began > moved.began);
        let ledger = one("fsync of the ledger", &|call| syncs(call) && call.text.contains("ledger.db") && call.began > folder.ended);
        assert!(last_write.unwrap() < synced.began, "{what}: written, then synced");
        assert!(synced.ended < moved.began, "{what}: synced, then moved");
        assert!(moved.ended < folder.began, "{what}: moved, then the folder is synced");
        // A reply is a write to a connection of the SFTP port; the client waits for this one and sends nothing meanwhile.
        let replies: Vec<&Call> = calls.iter().filter(|call| call.text.contains(&format!("TCP:[127.0.0.1:{port}->"))).collect();
        let early = replies.iter().find(|call| call.began > synced.ended && call.began < ledger.ended);
        assert!(early.is_none(), "{what}: told before the ledger was on stable storage: {early:?}");
        assert!(replies.iter().any(|call| call.began > ledger.ended), "{what}: told after");
        let results = [synced, moved, folder, ledger];
        assert!(results.iter().all(|call| call.text.trim_end().ends_with("= 0")), "{what}: {results:?}");
    }
}

/// Every request of an upload, with STAT after its CLOSE, without waiting for an answer. The first handle is number 0.
fn upload_in_one_breath(name: &str, content: &[u8]) -> Vec<u8> {
    let string = |bytes: &[u8]| [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat();
    let packet = |kind: u8, id: u8, parts: &[&[u8]]| string(&[&[kind, 0, 0, 0, id], parts.concat().as_slice()].concat());
    let (path, handle) = (string(format!("inbox/{name}").as_bytes()), [0, 0, 0, 4, 0, 0, 0, 0]);
    [
        string(&[1, 0, 0, 0, 3]),
        packet(3, 1, &[&path, &[0, 0, 0, 0x1a], &[0; 4]]),
        packet(6, 2, &[&handle, &[0; 8], &string(content)]),
        packet(4, 3, &[&handle]),
        packet(17, 4, &[&path]),
    ]
    .concat()
}

/// strace may write behind: waits until a reply and the ledger are there, in whatever order.
fn wait_for_trace(trace: &std::path::Path, delivery: &str, port: u16) -> Vec<Call> {
    common::wait_for("the trace is written", || {
        let calls = calls(&std::fs::read_to_string(trace).unwrap());
        let moved = calls.iter().find(|call| call.name.starts_with("rename") && call.text.contains(delivery))?;
        let synced = calls.iter().find(|call| call.name.contains("sync") && call.text.contains("ledger.db") && call.began > moved.ended)?;
        let told = calls.iter().any(|call| call.text.contains(&format!("TCP:[127.0.0.1:{port}->")) && call.began > moved.ended);
        (told && synced.ended != usize::MAX).then_some(calls)
    })
}
