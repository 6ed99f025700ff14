//! The endpoint's operation from outside: how connections end and where that is shown, which client uses what, moving to
//! another host key, and keys that end.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may fail loudly"
)]

mod common;

use common::{Ran, Service, make_key, now, run, wait_for, wait_until};
use jiff::tz::TimeZone;
use jiff::{Span, civil::Date};
use serde_json::Value;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What OpenSSH's programs are told: one key, one pinned host key, nothing of the person who runs the tests.
fn options(service: &Service, known_hosts: &Path) -> Vec<String> {
    let mut words: Vec<String> = ["-F", "/dev/null", "-i"].map(str::to_owned).to_vec();
    words.push(service.key("RZZ").display().to_string());
    let known = format!("UserKnownHostsFile={}", known_hosts.display());
    let fixed = [
        "BatchMode=yes",
        "IdentitiesOnly=yes",
        "IdentityAgent=none",
        "StrictHostKeyChecking=yes",
        "GlobalKnownHostsFile=/dev/null",
        "HostKeyAlias=bedfeed",
        "CheckHostIP=no",
        &known,
    ];
    fixed.into_iter().for_each(|option| words.extend(["-o".to_owned(), option.to_owned()]));
    words
}

/// `sftp` that lists the home folder.
fn list(service: &Service, port: u16, known_hosts: &Path, extra: &[&str]) -> Ran {
    let mut words = options(service, known_hosts);
    words.extend(extra.iter().map(|word| (*word).to_owned()));
    words.extend(["-P".to_owned(), port.to_string(), "-b".to_owned(), "-".to_owned(), "RZZ@127.0.0.1".to_owned()]);
    run("sftp", &words, b"ls\n")
}

/// A file of known hosts that pins one private key's public half.
fn pin(service: &Service, name: &str, private_key: &Path) -> PathBuf {
    let public = run("ssh-keygen", &["-y".as_ref(), "-f".as_ref(), private_key.as_os_str()], b"").fine();
    let path = service.dir().join(name);
    fs::write(&path, format!("bedfeed {}", public.stdout)).unwrap();
    path
}

/// Sends bytes to the endpoint and waits until it closes the connection.
fn until_closed(port: u16, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    // A reset is as good a close as any.
    drop(stream.read_to_end(&mut answer));
    answer
}

/// A page of the daemon.
fn page(service: &Service, path: &str) -> String {
    let address = service.status()["daemon"]["web"].as_str().unwrap().to_owned();
    let mut stream = TcpStream::connect(&address).unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

fn clients(service: &Service) -> Vec<Value> {
    service.status()["summary"]["clients"].as_array().unwrap().clone()
}

fn fingerprint(public_key: &Path) -> String {
    let shown = run("ssh-keygen", &["-l".as_ref(), "-f".as_ref(), public_key.as_os_str()], b"").fine();
    shown.stdout.split(' ').nth(1).unwrap().to_owned()
}

#[test]
fn p9_connections_that_idle_stall_or_send_garbage_are_closed_counted_and_shown() {
    let mut service = Service::cottage(&["RZZ"]);
    service.edit("bedfeed.toml", "[sftp]\n", "[sftp]\nlogin_grace = \"1s\"\nidle_timeout = \"10s\"\n");
    service.start();
    let port = service.port();
    let known = service.dir().join("known_hosts");

    // Logs in, asks for nothing. It runs while the others come and go.
    let mut idle = Command::new("ssh");
    idle.args(options(&service, &known)).args(["-N", "-p", &port.to_string(), "RZZ@127.0.0.1"]);
    let idle = idle.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();

    assert_eq!(until_closed(port, b""), b"SSH-2.0-bedfeed\r\n", "one that says nothing");
    let stalled = until_closed(port, b"SSH-2.0-stalled\r\n");
    assert!(stalled.len() > 100, "one that stops in the middle of the key exchange");
    until_closed(port, b"GET / HTTP/1.1\r\nHost: bedfeed\r\n\r\n");
    until_closed(port, &[b"SSH-2.0-garbage\r\n".as_slice(), &[0xa5; 400]].concat());

    let mut words = options(&service, &known);
    words.extend(["-p", &port.to_string(), "-s", "RZZ@127.0.0.1", "sftp"].map(str::to_owned));
    let garbage = run("ssh", &words, &[0xff; 64]);
    assert_eq!(garbage.code, Some(1), "garbage inside SFTP: {garbage:?}");
    list(&service, port, &known, &[]).fine();

    let idle = idle.wait_with_output().unwrap();
    assert!(!idle.status.success());
    let said = String::from_utf8_lossy(&idle.stderr);
    assert!(said.contains("the session was idle for too long"), "{said}");

    let closed = wait_for("every connection has ended", || {
        let status = service.status();
        (status["daemon"]["endpoint"]["open"] == 0).then(|| status["daemon"]["endpoint"]["closed"].clone())
    });
    let expected = [("idle", 1), ("login_grace", 2), ("ssh_protocol_error", 2), ("sftp_protocol_error", 1), ("left", 1)];
    for (reason, count) in expected {
        assert_eq!(closed[reason], count, "{reason}: {closed}");
    }
    let metrics = page(&service, "/metrics");
    for (reason, count) in expected {
        let line = format!("bedfeed_sftp_connections_closed_total{{reason=\"{reason}\"}} {count}\n");
        assert!(metrics.contains(&line), "{line} is not in {metrics}");
    }
    assert!(metrics.contains("\nbedfeed_sftp_connections_open 0\n"), "{metrics}");
    let text = service.bedfeed(&["status"]).fine().stdout;
    let shown = "connections ended: 1 idle, 1 left, 2 login_grace, 1 sftp_protocol_error, 2 ssh_protocol_error\n";
    assert!(text.contains(shown), "{text}");
    let log = service.log();
    for reason in ["idle", "sftp_protocol_error"] {
        let lines = log.lines().filter(|line| line.contains("connection ended") && line.contains(reason)).collect::<Vec<_>>();
        assert_eq!(lines.len(), 1, "one line for {reason}: {lines:?}");
        assert!(lines[0].contains("RZZ") && lines[0].contains("127.0.0.1"), "{lines:?}");
    }
}

/// OpenSSH's programs show no more than "Failure": the words are in `receipts/`, and support sees them too.
#[test]
fn p6_the_sender_of_a_file_that_was_not_taken_finds_out_why_and_so_does_support() {
    let mut service = Service::cottage(&["RZZ"]);
    service.append("providers/RZZ.toml", "\n[limits]\nmax_file_bytes = 1000\n");
    service.start();
    let (large, small) = (service.file("large.csv", "x".repeat(1001)), service.file("small.csv", "x"));
    assert_ne!(service.sftp("RZZ", format!("put {large} inbox/beds.csv")).code, Some(0));
    let receipt = service.dir().join("receipt");
    let batch = format!("ls receipts\nget receipts/beds.csv.refused.txt {}", receipt.display());
    let shown = service.sftp("RZZ", batch).fine().stdout;
    assert!(shown.contains("receipts/beds.csv.refused.txt"), "{shown}");
    let text = fs::read_to_string(&receipt).unwrap();
    assert!(text.contains("did not take beds.csv") && text.contains("larger than the 1000 bytes"), "{text}");
    let status = service.bedfeed(&["status"]).fine().stdout;
    assert!(status.contains("not taken from RZZ: beds.csv on ") && status.contains("larger than the 1000 bytes"), "{status}");
    service.sftp("RZZ", format!("put {small} inbox/beds.csv")).fine();
    assert_ne!(service.sftp("RZZ", "ls receipts/beds.csv.refused.txt").code, Some(0), "the file was taken in the end");
    assert!(!service.bedfeed(&["status"]).fine().stdout.contains("not taken"));
}

#[test]
fn a_restart_makes_no_stranger_of_a_providers_job_and_no_empty_hour() {
    let mut service = Service::cottage(&["RZZ"]);
    service.append("providers/RZZ.toml", "\n[limits]\nmax_file_bytes = 1000\nmax_bytes_per_hour = 1500\n");
    service.start();
    let first = service.file("first.csv", "x".repeat(1000));
    service.sftp("RZZ", format!("put {first} inbox/first.csv")).fine();
    service.stop();
    service.start();
    fs::copy(service.key("RZZ"), service.key("ROOT")).unwrap();
    // Somebody behind the same address has got the name wrong, often enough for a stranger to be turned away.
    for _ in 0..6 {
        assert_ne!(service.sftp("ROOT", "ls").code, Some(0));
    }
    service.sftp("RZZ", "ls").fine();
    let ran = service.sftp("RZZ", format!("put {first} inbox/second.csv"));
    assert_ne!(ran.code, Some(0), "the hour before the restart counts: {ran:?}");
    let endpoint = service.status()["daemon"]["endpoint"].clone();
    assert_eq!((&endpoint["refused"]["unknown_user"], &endpoint["penalised_sources"]), (&6.into(), &0.into()), "{endpoint}");
}

#[test]
fn senders_move_to_another_host_key_one_by_one_with_evidence() {
    let mut service = Service::cottage(&["RZZ"]);
    service.edit("bedfeed.toml", "[sftp]\n", "[sftp]\nnext_listen = \"127.0.0.1:0\"\n");
    service.start();
    let state = service.state();
    let (old_key, new_key) = (state.join("host_keys/ssh_host_ed25519_key"), state.join("next_host_keys/ssh_host_ed25519_key"));
    let (old, new) = (pin(&service, "old", &old_key), pin(&service, "new", &new_key));
    let next_port = |service: &Service| -> u16 {
        let status = service.status();
        status["daemon"]["next"]["sftp"][0].as_str().unwrap().rsplit_once(':').unwrap().1.parse().unwrap()
    };

    list(&service, service.port(), &old, &[]).fine();
    let refused = list(&service, next_port(&service), &old, &[]);
    assert!(refused.code != Some(0) && refused.stderr.contains("Host key verification failed"), "{refused:?}");
    // The evidence is written beside the login, not before it.
    let host_keys = |service: &Service| clients(service).iter().map(|it| it["host_key"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let only_old = wait_for("the first client is noted", || Some(host_keys(&service)).filter(|keys| keys.len() == 1));
    assert_eq!(only_old, [format!("ssh-ed25519 {}", fingerprint(&old_key))]);

    list(&service, next_port(&service), &new, &[]).fine();
    let both = wait_for("the second client is noted", || Some(host_keys(&service)).filter(|keys| keys.len() == 2));
    assert_eq!(both[0], format!("ssh-ed25519 {}", fingerprint(&new_key)), "newest first");
    let text = service.bedfeed(&["status"]).fine().stdout;
    assert!(text.contains("(current)") && text.contains("(next)"), "{text}");

    // Nothing new is nothing to record, and a restart forgets nothing.
    list(&service, service.port(), &old, &[]).fine();
    service.stop();
    service.start();
    list(&service, service.port(), &old, &[]).fine();
    list(&service, next_port(&service), &new, &[]).fine();
    wait_until("both have left", || service.status()["daemon"]["endpoint"]["closed"]["left"] == 2);
    assert_eq!(host_keys(&service), both);
    service.stop();
    let recorded = service.ledger("SELECT count(*) AS n FROM entry WHERE body LIKE '%client_seen%'");
    assert_eq!(recorded[0]["n"], 2, "one for each host key");

    // The last step: the next keys become the keys.
    run("mv", &[state.join("host_keys"), state.join("old_host_keys")], b"").fine();
    run("mv", &[state.join("next_host_keys"), state.join("host_keys")], b"").fine();
    service.edit("bedfeed.toml", "next_listen = \"127.0.0.1:0\"\n", "");
    fs::remove_file(service.dir().join("known_hosts")).unwrap();
    service.start();
    list(&service, service.port(), &new, &[]).fine();
    let refused = list(&service, service.port(), &old, &[]);
    assert!(refused.stderr.contains("Host key verification failed"), "{refused:?}");
    let text = service.bedfeed(&["status"]).fine().stdout;
    assert!(text.contains("(no longer served)"), "{text}");
    assert!(!state.join("next_host_keys").try_exists().unwrap(), "made only where next_listen is set");
}

#[test]
fn the_old_algorithms_that_a_client_needs_and_the_host_key_it_takes_are_shown() {
    let mut service = Service::cottage(&["RZZ"]);
    service.edit("bedfeed.toml", "[sftp]\n", "[sftp]\ncompatibility = true\n");
    let folder = service.state().join("host_keys");
    fs::create_dir_all(&folder).unwrap();
    for (kind, name) in [("ed25519", "ssh_host_ed25519_key"), ("ecdsa", "ssh_host_ecdsa_key"), ("rsa", "ssh_host_rsa_key")] {
        let path = folder.join(name).display().to_string();
        run("ssh-keygen", &["-q", "-t", kind, "-N", "", "-C", "", "-f", &path], b"").fine();
    }
    service.start();
    let port = service.port();
    let ecdsa = pin(&service, "ecdsa", &folder.join("ssh_host_ecdsa_key"));
    let rsa = pin(&service, "rsa", &folder.join("ssh_host_rsa_key"));
    list(&service, port, &service.dir().join("known_hosts"), &[]).fine();
    let old = ["-o", "KexAlgorithms=ecdh-sha2-nistp256", "-o", "HostKeyAlgorithms=ecdsa-sha2-nistp256"];
    list(&service, port, &ecdsa, &old).fine();
    let refused = list(&service, port, &rsa, &["-o", "HostKeyAlgorithms=rsa-sha2-512,rsa-sha2-256"]);
    assert!(refused.stderr.contains("no matching host key type"), "no RSA host key is offered: {refused:?}");

    let seen = wait_for("both clients are noted", || Some(clients(&service)).filter(|seen| seen.len() == 2));
    let of = |kex: &str| seen.iter().find(|it| it["negotiated"]["kex"] == kex).unwrap_or_else(|| panic!("{kex}: {seen:?}"));
    let (old, modern) = (of("ecdh-sha2-nistp256"), seen.iter().find(|it| it["needs_compatibility"] == false).unwrap());
    assert_eq!(old["needs_compatibility"], true);
    assert_eq!(old["host_key"], format!("ecdsa-sha2-nistp256 {}", fingerprint(&folder.join("ssh_host_ecdsa_key"))));
    assert_eq!(modern["host_key"], format!("ssh-ed25519 {}", fingerprint(&folder.join("ssh_host_ed25519_key"))));
    assert_eq!((&old["key_owner"], &old["negotiated"]["strict"]), (&Value::from("night job"), &Value::from(true)));
    assert_eq!(old["key"], fingerprint(&service.key("RZZ").with_extension("pub")));
    assert!(old["software"].as_str().unwrap().starts_with("SSH-2.0-OpenSSH"), "{old}");
    let text = service.bedfeed(&["status"]).fine().stdout;
    assert!(text.lines().any(|line| line.starts_with("RZZ") && line.contains("needs compatibility")), "{text}");
    let log = service.log();
    let login = log.lines().find(|line| line.contains("ecdh-sha2-nistp256")).unwrap();
    assert!(login.contains("login") && login.contains("compatibility"), "the log says what was negotiated: {login}");
    assert!(page(&service, "/api/v1/feeds").contains("\"needs_compatibility\":true"));
}

fn in_london(days: i64) -> Date {
    now().to_zoned(TimeZone::get("Europe/London").unwrap()).date() + Span::new().days(days)
}

#[test]
fn a_key_that_ends_is_told_of_once_and_counted_out_when_it_has() {
    let mut service = Service::cottage(&["RZZ"]);
    let other = make_key(&service.dir().join("other"));
    let (soon, past) = (in_london(10), in_london(-1));
    service.edit("providers/RZZ.toml", "owner = \"night job\"\n", &format!("owner = \"night job\"\nexpires = {soon}\n"));
    service.append("providers/RZZ.toml", &format!("\n[[keys]]\nowner = \"old desk\"\npublic_key = \"{other}\"\nexpires = {past}\n"));
    service.start();
    let told = |service: &Service| service.ledger("SELECT key, channel FROM outbox WHERE key LIKE '%/expires/%' ORDER BY key");
    wait_until("both are told of", || told(&service).len() == 2);
    service.stop();
    service.start();
    // Judged again after the restart: the log channel has taken both, and nothing is added.
    wait_until("the outbox is empty", || {
        service.ledger("SELECT count(*) AS n FROM outbox WHERE delivered_at IS NULL AND key LIKE '%/expires/%'")[0]["n"] == 0
    });
    let keys: Vec<String> = told(&service).iter().map(|row| row["key"].as_str().unwrap().to_owned()).collect();
    let print = |name: &Path| fingerprint(&name.with_extension("pub"));
    let expected = [
        format!("RZZ/expires/{}/{past}/0", print(&service.dir().join("other"))),
        format!("RZZ/expires/{}/{soon}/14", print(&service.key("RZZ"))),
    ];
    let mut expected = expected.to_vec();
    expected.sort();
    assert_eq!(keys, expected, "one for each key, and the threshold that holds today");

    let status = service.status();
    let expiries = status["summary"]["expiries"].as_array().unwrap();
    assert_eq!(expiries.len(), 2, "{expiries:?}");
    assert_eq!((&expiries[0]["owner"], &expiries[0]["days_left"]), (&Value::from("old desk"), &Value::from(0)), "soonest first");
    assert_eq!((&expiries[1]["owner"], &expiries[1]["warning"]), (&Value::from("night job"), &Value::from(14)));
    let text = service.bedfeed(&["status"]).fine().stdout;
    assert!(text.contains("! RZZ: the key of old desk") && text.contains("has expired"), "{text}");
    assert!(text.contains("! RZZ: the key of night job") && text.contains("in 10 days"), "{text}");
    let metrics = page(&service, "/metrics");
    assert!(metrics.contains("bedfeed_key_expires_timestamp_seconds{feed=\"RZZ\",owner=\"night job\","), "{metrics}");
    assert!(page(&service, "/").contains("the key of old desk"));
    let log = service.log();
    assert_eq!(log.matches("the key of old desk has expired").count(), 1, "said once in two runs: {log}");
}
