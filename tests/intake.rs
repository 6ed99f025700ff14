//! The SFTP endpoint against the OpenSSH programs `sftp`, `scp` and `ssh`, on a loopback port with a gate made of memory.
//! Rows are what providers' jobs do; names say which promise they hold us to.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test stops at the first surprise"
)]

#[path = "intake/access.rs"]
mod access;
#[path = "intake/closings.rs"]
mod closings;
#[path = "intake/crypto.rs"]
mod crypto;
#[path = "common/mod.rs"]
mod common;
#[path = "intake/hostile.rs"]
mod hostile;
#[path = "intake/hostile_daemon.rs"]
mod hostile_daemon;
#[path = "intake/hostile_ssh.rs"]
mod hostile_ssh;
#[path = "intake/house.rs"]
mod house;
#[path = "intake/rude.rs"]
mod rude;
#[path = "intake/wire.rs"]
mod wire;

use bedfeed::feed::{Digest, Folder};
use bedfeed::intake::Settings;
use house::{House, Raw, files, string};
use std::io::Write;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A file of a few packets, so that it does not fit into one write.
fn content() -> Vec<u8> {
    (0..700_000_u32).map(|n| u8::try_from(n % 251).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn p1_every_way_of_uploading_lands_the_same_bytes_without_a_warning() {
    let house = House::open().await;
    let file = house.file("beds.csv", &content());
    let rows = [
        ("put", format!("put {file} /inbox/put.csv"), "put.csv", Folder::Inbox),
        ("put -p", format!("put -p {file} inbox/put-p.csv"), "put-p.csv", Folder::Inbox),
        ("put -f", format!("put -f {file} inbox/put-f.csv"), "put-f.csv", Folder::Inbox),
        ("put to the top", format!("put {file} top.csv"), "top.csv", Folder::Inbox),
        ("put to test", format!("cd test\nput {file} trial.csv"), "trial.csv", Folder::Test),
        ("rename", format!("cd inbox\nput {file} a.csv.filepart\nrename a.csv.filepart a.csv"), "a.csv", Folder::Inbox),
        ("plain rename", format!("put {file} /inbox/.in.b.csv\nrename -l /inbox/.in.b.csv /inbox/b.csv"), "b.csv", Folder::Inbox),
    ];
    for (what, batch, name, folder) in rows {
        let run = house.sftp(&batch).await;
        assert!(run.ok, "{what}: {}", run.stderr);
        assert_eq!(run.stderr, "", "{what}");
        let accepted = house.accepted();
        let last = accepted.last().unwrap();
        assert_eq!((last.name.as_str(), last.folder), (name, folder), "{what}");
        assert_eq!(last.sha256, Digest::of(&content()), "{what}");
        assert_eq!(std::fs::read(house.state().join("deliveries").join(last.id.to_string())).unwrap(), content(), "{what}");
    }
    assert_eq!(house.accepted().len(), 7, "each once");
    assert!(house.accepted()[1].modified_at.is_some(), "put -p tells the time");
    for (flags, name) in [("", "scp.csv"), ("-p", "scp-p.csv")] {
        let run = house.scp(flags, &file, &format!("inbox/{name}")).await;
        assert!(run.ok, "{}", run.stderr);
        assert_eq!(run.stderr, "", "scp {flags}");
        let accepted = house.accepted();
        let last = accepted.last().unwrap();
        assert_eq!((last.name.as_str(), last.sha256), (name, Digest::of(&content())));
        assert_eq!(last.sender.key_owner, "informatics");
        assert!(last.sender.software.starts_with("SSH-2.0-OpenSSH"));
    }
    let run = house.scp("", &file, "").await;
    assert!(run.ok && house.accepted().last().unwrap().name.as_str() == "beds.csv", "scp to the home folder: {}", run.stderr);
    assert!(files(&house.state().join("uploads")).is_empty());
    let counts = house.counters.read();
    assert_eq!((counts.accepted, counts.failed, counts.bytes), (10, 0, 7_000_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn p6_what_was_accepted_is_listed_and_receipts_are_read() {
    let house = House::open().await;
    let file = house.file("beds.csv", b"twelve bytes");
    let run = house.sftp(&format!("put {file} inbox/beds.csv\nls -l inbox\nls -l\nls -l receipts")).await;
    assert!(run.ok && run.stderr.is_empty(), "{}", run.stderr);
    for expected in ["          12 ", "beds.csv", "inbox", "receipts", "test", "beds.csv.receipt.txt"] {
        assert!(run.stdout.contains(expected), "{expected} in {}", run.stdout);
    }
    let target = house.dir().join("receipt.txt");
    let run = house.sftp(&format!("get receipts/beds.csv.receipt.txt {}", target.display())).await;
    assert!(run.ok && run.stderr.is_empty(), "{}", run.stderr);
    assert_eq!(std::fs::read(&target).unwrap(), house::receipt());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_offered_is_refused_in_words_or_by_status() {
    let house = House::open().await;
    let file = house.file("beds.csv", b"x");
    let out = house.dir().join("out");
    let rows = [
        ("read back", format!("put {file} inbox/a.csv\nget inbox/a.csv {}", out.display()), "ermission denied"),
        ("rename of an accepted file", format!("put {file} inbox/b.csv\nrename inbox/b.csv inbox/c.csv"), "Failure"),
        ("write a receipt", format!("put {file} receipts/x.txt"), "ermission denied"),
        ("no such folder", format!("put {file} elsewhere/x.csv"), "No such file"),
        ("bad name", format!("put {file} 'inbox/a\\\\\\\\b.csv'"), "Failure"),
        ("mkdir", "mkdir inbox/new".to_owned(), "ermission denied"),
        ("rmdir", "rmdir inbox".to_owned(), "ermission denied"),
        ("symlink", "symlink a b".to_owned(), "nsupported"),
        ("hard link", "ln a b".to_owned(), "does not support"),
        ("remove what is not there", "rm inbox/never.csv".to_owned(), "No such file"),
        ("stat of what is not there", "ls inbox/never.csv".to_owned(), "not found"),
    ];
    for (what, batch, told) in rows {
        let run = house.sftp(&batch).await;
        assert!(!run.ok, "{what} worked");
        assert!(run.stderr.contains(told), "{what}: {}", run.stderr);
    }
    assert!(!out.try_exists().unwrap());
    for command in ["ls", ""] {
        let run = house.ssh(&[command]).await;
        assert!(!run.ok);
        assert!(run.stderr.contains("bedfeed takes files over SFTP only"), "{}", run.stderr);
    }
    let run = house.scp("-O", &file, "inbox/old.csv").await;
    assert!(!run.ok && run.stderr.contains("without -O"), "{}", run.stderr);
    let run = house.sftp(&format!("put {file} inbox/d.csv\nrm inbox/d.csv\nls inbox/d.csv")).await;
    assert!(run.ok, "removing an accepted file is a courtesy: {}", run.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_right_key_gets_in() {
    let house = House::open_for(Settings::default(), &["ed25519", "ecdsa", "rsa"]).await;
    let file = house.file("beds.csv", b"x");
    let plain = "LogLevel=ERROR";
    let rows = [
        ("RM1", "other", plain, false),
        ("root", "ed25519", plain, false),
        ("rm1", "ed25519", plain, true),
        ("RM1", "ecdsa", plain, true),
        ("RM1", "rsa", plain, true),
        ("RM1", "rsa", "PubkeyAcceptedAlgorithms=ssh-rsa", false),
        ("RM1", "ed25519", "PreferredAuthentications=password,keyboard-interactive", false),
        ("RM1", "ed25519", "KexAlgorithms=diffie-hellman-group14-sha256", false),
        ("RM1", "ed25519", "Compression=yes", true),
    ];
    for (user, key, option, works) in rows {
        let run = house.sftp_as(user, key, option, &format!("put {file} inbox/a.csv")).await;
        assert_eq!(run.ok, works, "{user} with {key} and {option}: {}", run.stderr);
    }
    let counts = house.counters.read();
    assert_eq!(counts.logins, 4);
    let refused: Vec<_> = counts.refused.iter().filter(|(_, count)| *count > 0).map(|(reason, _)| *reason).collect();
    assert_eq!(refused, ["unknown_user", "unknown_key"], "{:?}", counts.refused);
    assert_eq!(house.accepted().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_a_file_over_the_limit_fails_and_leaves_nothing() {
    let house = House::open().await;
    let file = house.file("big.csv", &vec![b'x'; 2_000_001]);
    let run = house.sftp(&format!("put {file} inbox/big.csv")).await;
    assert!(!run.ok);
    let run = house.scp("", &file, "inbox/big.csv").await;
    assert!(!run.ok);
    assert!(house.accepted().is_empty());
    assert!(files(&house.state().join("uploads")).is_empty());
    assert!(files(&house.state().join("deliveries")).is_empty());
    let run = house.sftp("ls inbox/big.csv").await;
    assert!(!run.ok, "a refused name is not there");
}

#[tokio::test(flavor = "multi_thread")]
async fn p1_a_delivery_that_is_not_recorded_is_not_acknowledged() {
    let house = House::open().await;
    house.refuse_everything();
    let file = house.file("beds.csv", b"x");
    let rows = [
        format!("put {file} inbox/beds.csv"),
        format!("put {file} inbox/beds.csv.filepart\nrename inbox/beds.csv.filepart inbox/beds.csv"),
    ];
    for batch in rows {
        let run = house.sftp(&batch).await;
        assert!(!run.ok, "{batch}");
    }
    assert!(!house.scp("", &file, "inbox/beds.csv").await.ok);
    assert!(!house.sftp("ls inbox/beds.csv").await.ok, "and its name is not there");
}

#[tokio::test(flavor = "multi_thread")]
async fn p2_a_client_that_dies_leaves_no_delivery() {
    let house = House::open().await;
    let mut raw = house.raw();
    raw.init();
    raw.send(3, 1, &[&string(b"inbox/half.csv"), &[0, 0, 0, 0x1a, 0, 0, 0, 0]]);
    let handle = raw.read();
    assert_eq!(handle[0], 102);
    raw.send(6, 2, &[&handle[5..], &0_u64.to_be_bytes(), &string(b"half of it")]);
    assert_eq!(raw.read()[0], 101);
    assert_eq!(files(&house.state().join("uploads")).len(), 1);
    raw.kill();
    let (dir, accepted) = house.close().await;
    assert!(accepted.is_empty());
    assert!(files(&dir.path().join("state/uploads")).is_empty());
    assert!(files(&dir.path().join("state/deliveries")).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn p2_a_stop_waits_for_an_open_upload_and_refuses_new_ones() {
    let mut house = House::open().await;
    let mut raw = house.raw();
    raw.init();
    raw.send(3, 1, &[&string(b"inbox/last.csv"), &[0, 0, 0, 0x1a, 0, 0, 0, 0]]);
    let handle = raw.read();
    house.stop();
    raw.send(3, 2, &[&string(b"inbox/more.csv"), &[0, 0, 0, 0x1a, 0, 0, 0, 0]]);
    let refused = raw.read();
    assert_eq!(refused[..9], [101, 0, 0, 0, 2, 0, 0, 0, 4]);
    assert!(String::from_utf8_lossy(&refused).contains("send the file again in a minute"));
    raw.send(6, 3, &[&handle[5..], &0_u64.to_be_bytes(), &string(b"all of it")]);
    raw.read();
    raw.send(4, 4, &[&handle[5..]]);
    assert_eq!(raw.read()[..9], [101, 0, 0, 0, 4, 0, 0, 0, 0], "CLOSE is answered OK");
    raw.end();
    let (_state, accepted) = house.close().await;
    assert_eq!(accepted.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_damaged_packets_end_the_session_or_are_answered_with_their_own_id() {
    let house = House::open().await;
    let init = [0, 0, 0, 5, 1, 0, 0, 0, 3];
    let rows: [(&str, Vec<u8>); 5] = [
        ("a length of 4 GiB", [init.as_slice(), &[0xff; 4]].concat()),
        ("a length of nothing", [init.as_slice(), &[0; 4]].concat()),
        ("a request before INIT", vec![0, 0, 0, 9, 16, 0, 0, 0, 1, 0, 0, 0, 0]),
        ("INIT twice", [init, init].concat()),
        ("garbage", b"GET / HTTP/1.1\r\n\r\n".repeat(20)),
    ];
    for (what, bytes) in rows {
        let mut raw = house.raw();
        raw.write(&bytes);
        assert_eq!(raw.wait(), Some(1), "{what}: the session ends with status 1");
    }
    let mut raw = house.raw();
    raw.init();
    raw.send(4, 77, &[&[0, 0, 0, 200]]);
    assert_eq!(raw.read()[..9], [101, 0, 0, 0, 77, 0, 0, 0, 5], "BAD_MESSAGE with the id");
    raw.send(99, 78, &[]);
    assert_eq!(raw.read()[..9], [101, 0, 0, 0, 78, 0, 0, 0, 8], "OP_UNSUPPORTED with the id");
    raw.send(4, 79, &[&string(&[0, 0, 0, 9])]);
    assert_eq!(raw.read()[..9], [101, 0, 0, 0, 79, 0, 0, 0, 4], "FAILURE for a handle that is not there");
    raw.end();
    assert_eq!(raw.wait(), Some(0), "the session goes on and ends well");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partial_is_resumed_or_replaced_and_never_mixed() {
    let house = House::open().await;
    let open = |raw: &mut Raw, id: u32, flags: u8| {
        raw.send(3, id, &[&string(b"inbox/r.csv.filepart"), &[0, 0, 0, flags, 0, 0, 0, 0]]);
        raw.read()[5..].to_vec()
    };
    let write = |raw: &mut Raw, handle: &[u8], offset: u64, data: &[u8]| {
        raw.send(6, 90, &[handle, &offset.to_be_bytes(), &string(data)]);
        assert_eq!(raw.read()[..9], [101, 0, 0, 0, 90, 0, 0, 0, 0]);
        raw.send(4, 91, &[handle]);
        assert_eq!(raw.read()[..9], [101, 0, 0, 0, 91, 0, 0, 0, 0]);
    };
    let rows: [(u8, u64, &[u8], &[u8]); 3] =
        [(0x0a, 8, b"second", b"a first second"), (0x0a, 0, b"new", b"new"), (0x1a, 0, b"new", b"new")];
    for (flags, offset, data, expected) in rows {
        let mut raw = house.raw();
        raw.init();
        let handle = open(&mut raw, 1, 0x1a);
        write(&mut raw, &handle, 0, b"a first ");
        let mut other = house.raw();
        other.init();
        // Who goes on with a partial has asked for its size.
        other.send(17, 9, &[&string(b"inbox/r.csv.filepart")]);
        assert_eq!(other.read()[0], 105);
        let handle = open(&mut other, 2, flags);
        write(&mut other, &handle, offset, data);
        other.send(18, 3, &[&string(b"inbox/r.csv.filepart"), &string(b"inbox/r.csv")]);
        assert_eq!(other.read()[..9], [101, 0, 0, 0, 3, 0, 0, 0, 0]);
        let accepted = house.accepted();
        assert_eq!(accepted.last().unwrap().sha256, Digest::of(expected), "{flags:x} at {offset}");
        raw.kill();
        other.kill();
    }
    assert_eq!(house.accepted().len(), 3, "a partial is not a delivery");
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_a_flood_of_requests_is_answered() {
    let house = House::open().await;
    let mut raw = house.raw();
    raw.init();
    let count = 50_000;
    let flood = Raw::packet(16, 5, &[&string(b".")]).repeat(count);
    raw.in_background(move |pipe| pipe.write_all(&flood).unwrap());
    for _ in 0..count {
        assert_eq!(raw.read()[0], 104);
    }
    raw.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_a_client_that_does_not_read_its_replies_is_disconnected() {
    let house = House::open().await;
    let mut raw = house.raw();
    raw.init();
    raw.send(3, 1, &[&string(b"receipts/beds.csv.receipt.txt"), &[0, 0, 0, 1, 0, 0, 0, 0]]);
    let handle = raw.read()[5..].to_vec();
    let flood = Raw::packet(5, 2, &[&handle, &[0; 8], &[0, 0, 0x80, 0]]).repeat(400);
    raw.in_background(move |pipe| drop(pipe.write_all(&flood)));
    assert_eq!(raw.wait(), Some(255), "the connection is ended with 13 MB of replies to come");
    assert!(house.sftp("ls").await.ok, "others are served");
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_connections_that_do_not_log_in_are_bounded_in_number_and_time() {
    let grace = Duration::from_secs(1);
    let house = House::open_with(Settings { login_grace: grace, max_unauthenticated_per_source: 2, ..Settings::default() }).await;
    let mut silent = TcpStream::connect(house.address()).await.unwrap();
    let mut stalled = TcpStream::connect(house.address()).await.unwrap();
    stalled.write_all(b"SSH-2.0-test\r\n").await.unwrap();
    let mut third = TcpStream::connect(house.address()).await.unwrap();
    let mut bytes = Vec::new();
    third.read_to_end(&mut bytes).await.unwrap();
    assert!(bytes.is_empty(), "the third is turned away");
    silent.read_to_end(&mut bytes).await.unwrap();
    assert_eq!(bytes, b"SSH-2.0-bedfeed\r\n", "the silent one is cut off");
    drop(stalled.read_to_end(&mut bytes).await);
    assert!(bytes.len() > 100, "the stalled one got a key exchange and is cut off too");
    let mut fourth = TcpStream::connect(house.address()).await.unwrap();
    let mut banner = [0; 17];
    fourth.read_exact(&mut banner).await.unwrap();
    assert_eq!(&banner, b"SSH-2.0-bedfeed\r\n", "their places are free again");
    assert_eq!(house.counters.read().turned_away, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_an_idle_session_is_ended() {
    let house = House::open_with(Settings { idle_timeout: Duration::from_millis(1500), ..Settings::default() }).await;
    let mut raw = house.raw();
    raw.init();
    assert_eq!(raw.wait(), Some(255));
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_open_files_are_bounded_and_a_closed_account_opens_none() {
    let house = House::open_with(Settings { max_open_files: 2, ..Settings::default() }).await;
    let mut raw = house.raw();
    raw.init();
    let open = |raw: &mut Raw, name: &str| {
        raw.send(3, 1, &[&string(name.as_bytes()), &[0, 0, 0, 0x1a, 0, 0, 0, 0]]);
        raw.read()
    };
    assert_eq!(open(&mut raw, "a.csv")[0], 102);
    assert_eq!(open(&mut raw, "b.csv")[0], 102);
    assert!(String::from_utf8_lossy(&open(&mut raw, "c.csv")).contains("more than 2 files are open"));
    let mut other = house.raw();
    other.init();
    house.close_accounts();
    assert_eq!((raw.wait(), other.wait()), (Some(255), Some(255)), "their sessions end");
    assert!(!house.sftp("ls").await.ok);
    assert!(files(&house.state().join("uploads")).is_empty(), "and what was open is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_goes_on_through_new_key_exchanges() {
    let house = House::open().await;
    let file = house.file("beds.csv", &content());
    let run = house.scp("-o RekeyLimit=100K", &file, "inbox/beds.csv").await;
    assert!(run.ok, "{}", run.stderr);
    assert_eq!(house.accepted()[0].sha256, Digest::of(&content()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_with_a_hole_is_not_acknowledged() {
    let house = House::open().await;
    let mut raw = house.raw();
    raw.init();
    raw.send(3, 1, &[&string(b"inbox/hole.csv"), &[0, 0, 0, 0x0a, 0, 0, 0, 0]]);
    let handle = raw.read()[5..].to_vec();
    raw.send(6, 2, &[&handle, &100_u64.to_be_bytes(), &string(b"the end of it")]);
    assert_eq!(raw.read()[..9], [101, 0, 0, 0, 2, 0, 0, 0, 0]);
    raw.send(4, 3, &[&handle]);
    let refused = raw.read();
    assert_eq!(refused[..9], [101, 0, 0, 0, 3, 0, 0, 0, 4]);
    assert!(String::from_utf8_lossy(&refused).contains("send the whole file again"));
    raw.kill();
    assert!(house.accepted().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn older_algorithms_are_there_only_where_the_settings_say_so() {
    for compatibility in [false, true] {
        let house = House::open_with(Settings { compatibility, ..Settings::default() }).await;
        let old = ["KexAlgorithms=ecdh-sha2-nistp256", "KexAlgorithms=diffie-hellman-group14-sha256", "MACs=hmac-sha2-256"];
        for option in old {
            let run = house.scp(&format!("-o {option} -o Ciphers=aes128-ctr"), &house.file("a.csv", b"x"), "inbox/a.csv").await;
            assert_eq!(run.ok, compatibility, "{option}: {}", run.stderr);
        }
        let run = house.scp("-o KexAlgorithms=diffie-hellman-group14-sha1", &house.file("a.csv", b"x"), "inbox/a.csv").await;
        assert!(!run.ok, "SHA-1 never");
    }
}
