//! Hostile clients below SFTP: key exchanges that are never finished or never end, channels, forwarding, half a line.

use super::hostile::{closed, count, house_with, nobody_else_notices, open, status};
use super::house::{Raw, string};
use super::rude::Rude;
use bedfeed::feed::Digest;
use bedfeed::intake::Settings;
use russh::ChannelMsg;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long a login may take in these tests.
const GRACE: Duration = Duration::from_secs(2);

/// A file of many packets.
fn content(bytes: u32) -> Vec<u8> {
    (0..bytes).map(|n| u8::try_from(n % 251).unwrap()).collect()
}

/// A packet of SSH before there are keys (RFC 4253, section 6).
fn plain(payload: &[u8]) -> Vec<u8> {
    let padding = 8 - (5 + payload.len()) % 8 + 8;
    let length = u32::try_from(1 + payload.len() + padding).unwrap();
    [&length.to_be_bytes(), [u8::try_from(padding).unwrap()].as_slice(), payload, &vec![0; padding]].concat()
}

/// A whole packet with SSH_MSG_IGNORE, before there are keys.
const IGNORE: &[u8] = b"\0\0\0\x14\x0a\x02\0\0\0\x04wait\0\0\0\0\0\0\0\0\0\0";

/// The client's KEXINIT, with what bedfeed offers too.
fn kexinit() -> Vec<u8> {
    let (cipher, mac) = (b"aes128-ctr".as_slice(), b"hmac-sha2-256-etm@openssh.com".as_slice());
    let lists = [b"curve25519-sha256".as_slice(), b"ssh-ed25519", cipher, cipher, mac, mac, b"none", b"none", b"", b""];
    let lists: Vec<u8> = lists.iter().flat_map(|list| string(list)).collect();
    plain(&[[20].as_slice(), &[7; 16], &lists, &[0; 5]].concat())
}

/// A name; what is sent at once, and what again and again; how the connection counts when it is over.
type Stalling = (&'static str, Vec<u8>, &'static [u8], &'static [&'static str]);

#[tokio::test(flavor = "multi_thread")]
async fn p9_who_never_finishes_the_key_exchange_is_sent_away() {
    let house = house_with(Settings { login_grace: GRACE, max_unauthenticated_per_source: 20, ..Settings::default() }).await;
    let banner = b"SSH-2.0-test\r\n".to_vec();
    let stalled = |rest: &[u8]| [banner.as_slice(), rest].concat();
    let rows: [Stalling; 9] = [
        ("silence", Vec::new(), b"", &["login_grace"]),
        ("half a banner", b"SSH-2.0-te".to_vec(), b"", &["login_grace"]),
        ("a banner without end", Vec::new(), b"SSH", &["login_grace", "ssh_protocol_error"]),
        ("nothing after the banner", stalled(b""), b"", &["login_grace"]),
        ("nothing after KEXINIT", stalled(&kexinit()), b"", &["login_grace"]),
        ("IGNORE for ever", stalled(&kexinit()), IGNORE, &["login_grace", "ssh_protocol_error"]),
        ("a packet of 4 GiB", stalled(&[0xff; 8]), b"", &["login_grace", "ssh_protocol_error"]),
        ("a packet of 256 KiB, a byte at a time", stalled(&[0, 4, 0, 0, 8]), b"x", &["login_grace", "ssh_protocol_error"]),
        ("garbage", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(50), b"\r\n\r\n", &["login_grace", "ssh_protocol_error"]),
    ];
    let mut clients = Vec::new();
    for (what, first, again, reasons) in rows {
        let again = again.to_vec();
        let stream = TcpStream::connect(house.address()).await.unwrap();
        let client = tokio::spawn(async move {
            let (mut reading, mut writing) = stream.into_split();
            let trickle = async move {
                // What the server does not take any more is not sent.
                drop(writing.write_all(&first).await);
                while !again.is_empty() && writing.write_all(&again).await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                std::future::pending::<()>().await;
            };
            let mut bytes = Vec::new();
            tokio::select! {
                () = trickle => {}
                // A reset is an end too.
                ended = reading.read_to_end(&mut bytes) => drop(ended),
            }
            bytes.len()
        });
        clients.push((what, client, reasons));
    }
    nobody_else_notices(&house).await;
    for (what, client, _) in &mut clients {
        let sent = tokio::time::timeout(GRACE * 20, client).await.unwrap_or_else(|_| panic!("{what} is still there")).unwrap();
        assert!(sent < 4096, "{what}: {sent} bytes were sent to it");
    }
    let counts = closed(&house, 9).await;
    for (what, _, reasons) in &clients {
        assert!(reasons.iter().any(|reason| count(&counts, reason) > 0), "{what}: {counts:?}");
    }
    assert_eq!(count(&counts, "login_grace") + count(&counts, "ssh_protocol_error"), 9, "{counts:?}");
    nobody_else_notices(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_a_storm_of_key_exchanges_changes_no_byte_and_is_not_activity() {
    let house = house_with(Settings { idle_timeout: Duration::from_secs(3), ..Settings::default() }).await;
    let rude = Rude::of(&house, "RM1", "ed25519").await;
    let mut talk = rude.sftp().await;
    let handle = open(&mut talk, "inbox/storm.csv").await;
    let bytes = content(600_000);
    let mut offset = 0_u64;
    for (id, piece) in (0..).zip(bytes.chunks(30_000)) {
        rude.ssh.rekey_soon().await.unwrap();
        talk.send(6, id, &[&handle, &offset.to_be_bytes(), &string(piece)]).await;
        assert_eq!(status(&talk.read().await), 0);
        offset += u64::try_from(piece.len()).unwrap();
    }
    nobody_else_notices(&house).await;
    assert_eq!(status(&talk.ask(4, 99, &[&handle]).await), 0);
    let landed = house.accepted().into_iter().find(|delivery| delivery.name.as_str() == "storm.csv").unwrap();
    assert_eq!(landed.sha256, Digest::of(&bytes));
    assert!(rude.exchanges() > 10, "{} key exchanges", rude.exchanges());
    // From now on it only changes keys: that keeps no session open.
    while rude.ssh.rekey_soon().await.is_ok() && !rude.ssh.is_closed() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(count(&closed(&house, 1).await, "idle"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_new_keys_that_the_server_asks_for_in_the_middle_of_an_upload_stop_nobody() {
    let house = house_with(Settings { rekey_bytes: 1 << 20, ..Settings::default() }).await;
    house.welcome("RJZ", 64 << 20);
    let bytes = content(24 << 20);
    // The program of OpenSSH, with as much under way as it can have.
    let file = house.file("large.csv", &bytes);
    let batch = format!("put {file} inbox/large.csv");
    let run = tokio::time::timeout(Duration::from_secs(120), house.sftp_as("RJZ", "RJZ", "Compression=no", &batch))
        .await
        .expect("the upload does not hang");
    assert!(run.ok && run.stderr.is_empty(), "{}", run.stderr);
    // A client that has all of it under way at once.
    let rude = Rude::of(&house, "RJZ", "RJZ").await;
    let mut talk = rude.sftp().await;
    let before = rude.exchanges();
    let handle = open(&mut talk, "inbox/pipelined.csv").await;
    let mut packets = Vec::new();
    let mut offset = 0_u64;
    for (id, piece) in (0..).zip(bytes.chunks(200_000)) {
        packets.extend(Raw::packet(6, id, &[&handle, &offset.to_be_bytes(), &string(piece)]));
        offset += u64::try_from(piece.len()).unwrap();
    }
    packets.extend(Raw::packet(4, 9999, &[&handle]));
    // Replies to WRITEs and to CLOSE have no text where they are OK: 4 + 5 + 4 + 4 + 4 + 2 bytes.
    let mut missing = (bytes.chunks(200_000).count() + 1) * 23;
    let (mut reading, writing) = talk.channel.split();
    let sending = tokio::spawn(async move { writing.data_bytes(packets).await.map(|()| writing) });
    let answered = async {
        while missing > 0 {
            match reading.wait().await.expect("the session goes on") {
                ChannelMsg::Data { data } => missing -= data.len(),
                ChannelMsg::WindowAdjusted { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(120), answered).await.expect("the upload does not hang");
    drop(sending.await.unwrap().unwrap());
    // Less often than every megabyte: what is under way while keys change does not count twice.
    assert!(rude.exchanges() - before >= 3, "the server asked for new keys {} times", rude.exchanges() - before);
    let sent = house.accepted();
    assert_eq!(sent.iter().filter(|delivery| delivery.sha256 == Digest::of(&bytes)).count(), 2);
    nobody_else_notices(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_channels_are_few_and_carry_nothing_but_sftp() {
    let house = house_with(Settings::default()).await;
    let rude = Rude::of(&house, "RM1", "ed25519").await;
    let mut idle = Vec::new();
    for _ in 0..10 {
        idle.push(rude.channel().await);
    }
    assert!(rude.ssh.channel_open_session().await.is_err(), "the eleventh channel is refused");
    // Data before a subsystem leads nowhere, and asking for another subsystem neither.
    let mut talk = idle.pop().unwrap();
    talk.say(&Raw::packet(16, 5, &[&string(b".")])).await;
    talk.channel.request_subsystem(true, "netconf").await.unwrap();
    assert!(!talk.agreed().await);
    talk.channel.request_subsystem(true, "sftp").await.unwrap();
    assert!(talk.agreed().await);
    talk.say(&[0, 0, 0, 5, 1, 0, 0, 0, 3]).await;
    assert_eq!(talk.read().await[0], 2, "the first answer is the one to INIT");
    talk.channel.request_subsystem(true, "sftp").await.unwrap();
    assert!(!talk.agreed().await, "a second time on one channel");
    talk.channel.request_shell(true).await.unwrap();
    assert!(!talk.agreed().await, "nor a shell beside it");
    // EOF on a channel that nothing was asked of, and in the middle of a packet.
    let quiet = idle.pop().unwrap();
    quiet.channel.eof().await.unwrap();
    assert_eq!(quiet.last_words().await.1, Some(0));
    let handle = open(&mut talk, "inbox/half.csv").await;
    let packet = Raw::packet(6, 2, &[&handle, &[0; 8], &string(&[b'x'; 5000])]);
    talk.say(&packet[..3000]).await;
    talk.channel.eof().await.unwrap();
    let (said, code) = talk.last_words().await;
    assert_eq!((said, code), (Vec::new(), Some(0)));
    assert!(house.accepted().is_empty(), "half a file is no delivery");
    nobody_else_notices(&house).await;
    let mut again = rude.sftp().await;
    open(&mut again, "inbox/places-are-free-again.csv").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_nothing_of_ssh_but_sftp_is_granted() {
    let house = house_with(Settings::default()).await;
    let rude = Rude::of(&house, "RM1", "ed25519").await;
    assert!(rude.ssh.tcpip_forward("127.0.0.1", 0).await.is_err());
    assert!(rude.ssh.streamlocal_forward("/tmp/never.sock").await.is_err());
    assert!(rude.ssh.channel_open_direct_tcpip("127.0.0.1", 22, "127.0.0.1", 1).await.is_err());
    assert!(rude.ssh.channel_open_direct_streamlocal("/run/never.sock").await.is_err());
    assert!(rude.ssh.channel_open_x11("127.0.0.1", 1).await.is_err());
    let mut talk = rude.channel().await;
    talk.channel.set_env(true, "LD_PRELOAD", "/tmp/x.so").await.unwrap();
    assert!(!talk.agreed().await, "env");
    talk.channel.request_pty(true, "xterm", 80, 24, 0, 0, &[]).await.unwrap();
    assert!(!talk.agreed().await, "pty");
    talk.channel.request_x11(true, false, "MIT-MAGIC-COOKIE-1", "00", 0).await.unwrap();
    assert!(!talk.agreed().await, "x11");
    talk.channel.agent_forward(true).await.unwrap();
    assert!(!talk.agreed().await, "agent");
    talk.channel.exec(true, "rm -rf /").await.unwrap();
    assert!(talk.agreed().await, "a command is answered in words");
    let (said, code) = talk.last_words().await;
    assert!(String::from_utf8_lossy(&said).contains("bedfeed takes files over SFTP only"));
    assert_eq!(code, Some(1));
    nobody_else_notices(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_half_a_line_is_a_line_that_ended() {
    let house = house_with(Settings::default()).await;
    // Between client and server: what the test shuts on the client's side is half-closed for the server.
    let (near, far) = tokio::io::duplex(1 << 16);
    let stream = TcpStream::connect(house.address()).await.unwrap();
    let (mut from_server, mut to_server) = stream.into_split();
    let (mut from_client, mut to_client) = tokio::io::split(far);
    let backwards = tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
    let (shut, mut shutting) = tokio::sync::oneshot::channel::<()>();
    let forwards = tokio::spawn(async move {
        tokio::select! {
            _ = tokio::io::copy(&mut from_client, &mut to_server) => {}
            _ = &mut shutting => {}
        }
        to_server.shutdown().await.unwrap();
    });
    let rude = Rude::over(near, &house, "RM1", "ed25519").await;
    let mut talk = rude.sftp().await;
    let handle = open(&mut talk, "inbox/half.csv").await;
    assert_eq!(status(&talk.ask(6, 2, &[&handle, &[0; 8], &string(b"half of it")]).await), 0);
    shut.send(()).unwrap();
    forwards.await.unwrap();
    // The server ends its half too, or this would never come to an end.
    drop(tokio::time::timeout(Duration::from_secs(60), backwards).await.expect("the server closes its half"));
    while let Some(message) = talk.channel.wait().await {
        assert!(!matches!(message, ChannelMsg::Data { .. }), "nothing more is said");
    }
    nobody_else_notices(&house).await;
    assert_eq!(house.accepted().len(), 1, "half a file is no delivery");
}
