//! Hostile and clumsy clients against the endpoint: each costs a bounded amount, ends in a refusal or a closed connection,
//! and another provider, who uploads meanwhile, does not notice.

use super::house::{House, Raw, files, own_receipt, receipt, string};
use super::rude::{Rude, Talk};
use bedfeed::feed::Digest;
use bedfeed::intake::Settings;
use russh::ChannelMsg;
use std::time::Duration;
use tokio::io::AsyncWriteExt;

/// OPEN's flags and attributes: WRITE, CREAT, TRUNC, nothing else.
const NEW: [u8; 8] = [0, 0, 0, 0x1a, 0, 0, 0, 0];
/// Nobody waits as long as this for anything.
const PATIENCE: Duration = Duration::from_secs(120);

/// A house with a second provider, RGP.
pub(crate) async fn house_with(settings: Settings) -> House {
    let house = House::open_with(settings).await;
    house.welcome("RGP", 2_000_000);
    house
}

/// The other provider uploads, as every quarter of an hour.
pub(crate) async fn nobody_else_notices(house: &House) {
    let content = b"ward,beds\nA,12\n".repeat(400);
    let file = house.file("quiet.csv", &content);
    let run = tokio::time::timeout(PATIENCE, house.sftp_as("RGP", "RGP", "LogLevel=ERROR", &format!("put {file} inbox/quiet.csv"))).await;
    let run = run.expect("the other provider is served");
    assert!(run.ok && run.stderr.is_empty(), "{}", run.stderr);
    let sent = house.accepted().into_iter().rfind(|delivery| delivery.provider.as_str() == "RGP").unwrap();
    assert_eq!(sent.sha256, Digest::of(&content));
}

pub(crate) async fn open(talk: &mut Talk, name: &str) -> Vec<u8> {
    let reply = talk.ask(3, 1, &[&string(name.as_bytes()), &NEW]).await;
    assert_eq!(reply[0], 102, "{}", String::from_utf8_lossy(&reply));
    reply[5..].to_vec()
}

pub(crate) fn status(reply: &[u8]) -> u8 {
    assert_eq!(reply[0], 101, "{reply:?}");
    reply[8]
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_a_thousand_handles_are_refused_in_words_after_the_first_few() {
    let house = house_with(Settings::default()).await;
    let rude = Rude::of(&house, "RM1", "ed25519").await;
    let mut talk = rude.sftp().await;
    for (packet, most, told) in [
        (Raw::packet(3, 7, &[&string(b"inbox/a.csv"), &NEW]), 16, "more than 16 files are open at once: close some first"),
        (Raw::packet(11, 7, &[&string(b"inbox")]), 32, "too many folders and receipts are open: close some first"),
    ] {
        talk.say(&packet.repeat(1000)).await;
        let mut handles = 0;
        for _ in 0..1000 {
            let reply = talk.read().await;
            match reply[0] {
                102 => handles += 1,
                _ => assert!(String::from_utf8_lossy(&reply).contains(told), "{reply:?}"),
            }
        }
        assert_eq!(handles, most);
    }
    assert_eq!(files(&house.state().join("uploads")).len(), 16, "and no more are staged");
    nobody_else_notices(&house).await;
    // Those of other sessions count too, and the account's own bound is in words as well.
    let mut more = Vec::new();
    for _ in 0..3 {
        let mut session = rude.sftp().await;
        for _ in 0..16 {
            open(&mut session, "inbox/a.csv").await;
        }
        more.push(session);
    }
    let mut fifth = rude.sftp().await;
    let reply = fifth.ask(3, 1, &[&string(b"inbox/a.csv"), &NEW]).await;
    assert!(String::from_utf8_lossy(&reply).contains("too many files are open in all sessions"), "{reply:?}");
    assert_eq!(status(&talk.ask(4, 2, &[&string(&[0, 0, 0, 0])]).await), 0);
    open(&mut fifth, "inbox/b.csv").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_a_handle_belongs_to_its_session_and_guessing_finds_none() {
    let house = house_with(Settings::default()).await;
    let (owner, other) = (Rude::of(&house, "RM1", "ed25519").await, Rude::of(&house, "RGP", "RGP").await);
    let mut session = owner.sftp().await;
    let handle = open(&mut session, "inbox/mine.csv").await;
    let view = session.ask(3, 2, &[&string(b"receipts/RM1.receipt.txt"), &[0, 0, 0, 1, 0, 0, 0, 0]]).await;
    assert_eq!(view[0], 102);
    for mut thief in [owner.sftp().await, other.sftp().await] {
        let mut guesses: Vec<Vec<u8>> = (0..64_u32).map(|number| string(&number.to_be_bytes())).collect();
        guesses.extend([string(&[]), string(&[0; 8]), string(&[0xff; 4]), string(&[0; 300])]);
        for guess in &guesses {
            let rows: [(u8, Vec<u8>); 6] = [
                (4, guess.clone()),
                (5, [guess.as_slice(), &[0; 8], &[0, 0, 1, 0]].concat()),
                (6, [guess.as_slice(), &[0; 8], &string(b"theirs")].concat()),
                (8, guess.clone()),
                (10, [guess.as_slice(), &[0, 0, 0, 1], &[0; 8]].concat()),
                (12, guess.clone()),
            ];
            for (kind, fields) in rows {
                assert_eq!(status(&thief.ask(kind, 9, &[&fields]).await), 4, "request {kind} with {guess:?}");
            }
        }
    }
    assert_eq!(status(&session.ask(6, 3, &[&handle, &[0; 8], &string(b"mine")]).await), 0);
    assert_eq!(status(&session.ask(4, 4, &[&handle]).await), 0);
    assert_eq!(house.accepted()[0].sha256, Digest::of(b"mine"));
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_no_path_leads_to_what_is_not_the_providers_own() {
    let house = house_with(Settings::default()).await;
    let (owner, other) = (Rude::of(&house, "RM1", "ed25519").await, Rude::of(&house, "RGP", "RGP").await);
    let mut session = owner.sftp().await;
    let handle = open(&mut session, "inbox/secret.csv").await;
    assert_eq!(status(&session.ask(6, 2, &[&handle, &[0; 8], &string(b"only ours")]).await), 0);
    assert_eq!(status(&session.ask(4, 3, &[&handle]).await), 0);
    let _unfinished = open(&mut session, "inbox/half.csv").await;
    let id = house.accepted()[0].id;
    let staged = files(&house.state().join("uploads"))[0].file_name().unwrap().to_str().unwrap().to_owned();
    let state = house.state().display().to_string();
    let mut paths: Vec<Vec<u8>> = [
        "inbox/secret.csv",
        "secret.csv",
        "inbox/half.csv",
        "receipts/RM1.receipt.txt",
        "receipts/../receipts/RM1.receipt.txt",
        "../../../../../../../../etc/passwd",
        "/etc/passwd",
        "inbox/../../../etc/passwd",
        "/proc/self/environ",
        "..\\..\\etc\\passwd",
        "host_keys/ssh_host_ed25519_key",
        "../state/host_keys/ssh_host_ed25519_key",
        "~/.ssh/authorized_keys",
        "file:///etc/passwd",
    ]
    .map(|path| path.as_bytes().to_vec())
    .to_vec();
    paths.extend(
        [format!("deliveries/{id}"), format!("inbox/{id}"), format!("../deliveries/{id}"), format!("{state}/deliveries/{id}")]
            .map(String::into_bytes),
    );
    paths.extend(
        [format!("uploads/{staged}"), staged.clone(), format!("receipts/{staged}"), format!("receipts/{id}")].map(String::into_bytes),
    );
    paths.extend([b"inbox/secret.csv\0.txt".to_vec(), b"inbox/\xff\xfe".to_vec(), b"receipts/\0".to_vec()]);
    paths.extend([vec![b'a'; 256], vec![b'a'; 5000], b"../".repeat(1300), vec![b'/'; 4096]]);
    let mut thief = other.sftp().await;
    for path in &paths {
        let shown = String::from_utf8_lossy(path).chars().take(60).collect::<String>();
        let field = string(path);
        let reply = thief.ask(3, 1, &[&field, &[0, 0, 0, 1, 0, 0, 0, 0]]).await;
        assert_ne!(status(&reply), 0, "{shown} is not opened");
        for kind in [7, 17] {
            let reply = thief.ask(kind, 2, &[&field]).await;
            // A path of dots and slashes is the top folder, which has neither size nor content.
            let folder = reply[0] == 105 && reply[9..17] == [0; 8] && reply[17..21] == [0, 0, 0x41, 0xed];
            assert!(folder || status(&reply) != 0, "{shown} is there");
        }
        for (kind, fields) in [(13, field.clone()), (18, [field.as_slice(), &string(b"inbox/stolen.csv")].concat())] {
            assert_ne!(status(&thief.ask(kind, 3, &[&fields]).await), 0, "{shown} is removed or renamed");
        }
    }
    let listing = thief.ask(11, 4, &[&string(b"receipts")]).await[5..].to_vec();
    let names = String::from_utf8_lossy(&thief.ask(12, 5, &[&listing]).await).into_owned();
    assert!(names.contains("RGP.receipt.txt") && !names.contains("RM1.receipt.txt"), "{names}");
    let own = thief.ask(3, 6, &[&string(b"receipts/RGP.receipt.txt"), &[0, 0, 0, 1, 0, 0, 0, 0]]).await[5..].to_vec();
    let data = thief.ask(5, 7, &[&own, &[0; 8], &[0, 1, 0, 0]]).await;
    assert_eq!(data[9..], own_receipt("RGP").1, "its own receipt it can read");
    let data = session.ask(3, 8, &[&string(b"inbox/secret.csv"), &[0, 0, 0, 1, 0, 0, 0, 0]]).await;
    assert_eq!(status(&data), 3, "not even the sender reads a file back");
    let mut inside: Vec<_> = files(&house.state()).into_iter().map(|path| path.file_name().unwrap().to_owned()).collect();
    inside.sort();
    assert_eq!(inside, ["deliveries", "host_keys", "uploads"], "no name has become a file");
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_one_byte_at_a_time_is_slow_and_right() {
    let house = house_with(Settings::default()).await;
    let rude = Rude::of(&house, "RM1", "ed25519").await;
    let mut talk = rude.sftp().await;
    let handle = open(&mut talk, "inbox/slow.csv").await;
    let content = b"one byte at a time\n".repeat(8);
    let packets = [Raw::packet(6, 2, &[&handle, &[0; 8], &string(&content)]), Raw::packet(4, 3, &[&handle])].concat();
    let (first, rest) = packets.split_at(packets.len() / 2);
    for byte in first {
        talk.say(&[*byte]).await;
    }
    nobody_else_notices(&house).await;
    for byte in rest {
        talk.say(&[*byte]).await;
    }
    assert_eq!((status(&talk.read().await), status(&talk.read().await)), (0, 0));
    assert!(house.accepted().iter().any(|delivery| delivery.sha256 == Digest::of(&content)));
}

/// paramiko's `get` asks for a whole file before it reads the first answer.
#[tokio::test(flavor = "multi_thread")]
async fn p9_reads_that_fill_the_clients_window_are_all_answered_when_it_reads() {
    let house = house_with(Settings::default()).await;
    let rude = Rude::of(&house, "RM1", "ed25519").await;
    let mut talk = rude.sftp().await;
    let handle = talk.ask(3, 1, &[&string(b"receipts/beds.csv.receipt.txt"), &[0, 0, 0, 1, 0, 0, 0, 0]]).await[5..].to_vec();
    // 88 answers of 32 KiB: more than the two megabytes of the client's window, which it does not open until it reads.
    let reads: Vec<u8> = (0..88).flat_map(|id| Raw::packet(5, id, &[&handle, &[0; 8], &[0, 0, 0x80, 0]])).collect();
    talk.say(&reads).await;
    nobody_else_notices(&house).await;
    for id in 0..88_u8 {
        let reply = talk.read().await;
        assert_eq!((reply[0], reply[4], &reply[9..]), (103, id, &receipt()[..32_768]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_two_hundred_thousand_requests_in_one_go_are_answered() {
    let house = house_with(Settings::default()).await;
    let rude = Rude::of(&house, "RM1", "ed25519").await;
    let talk = rude.sftp().await;
    let (mut reading, writing) = talk.channel.split();
    let flood = Raw::packet(16, 5, &[&string(b".")]).repeat(1000);
    let sending = tokio::spawn(async move {
        for _ in 0..200 {
            writing.data_bytes(flood.clone()).await.unwrap();
        }
        writing
    });
    let one = 4 + 9 + (4 + 1) + (4 + 1) + 4; // length, NAME with one entry: name, long name, no attributes
    let mut missing: usize = 200_000 * one;
    while missing > 0 {
        match reading.wait().await.expect("the session goes on") {
            ChannelMsg::Data { data } => missing -= data.len(),
            ChannelMsg::WindowAdjusted { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    drop(sending.await.unwrap());
    nobody_else_notices(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_a_client_that_never_reads_is_ended_when_it_stands_still() {
    let house = house_with(Settings { idle_timeout: Duration::from_secs(2), ..Settings::default() }).await;
    let rude = Rude::of(&house, "RM1", "ed25519").await;
    let mut talk = rude.sftp().await;
    let handle = talk.ask(3, 1, &[&string(b"receipts/beds.csv.receipt.txt"), &[0, 0, 0, 1, 0, 0, 0, 0]]).await[5..].to_vec();
    let reads = Raw::packet(5, 2, &[&handle, &[0; 8], &[0, 0, 0x80, 0]]).repeat(100);
    // Its own library stops reading the socket when sixteen messages wait; then the socket's buffers fill.
    let writing = talk.channel.make_writer();
    let flood = tokio::spawn(async move {
        let mut writing = writing;
        for _ in 0..100 {
            if writing.write_all(&reads).await.is_err() {
                break;
            }
        }
    });
    nobody_else_notices(&house).await;
    let (counts, _) = tokio::join!(closed(&house, 1), async { drop(talk.last_words().await) });
    assert!(["idle", "not_reading"].iter().any(|reason| count(&counts, reason) == 1), "{counts:?}");
    flood.abort();
}

/// Waits until so many connections have ended for another reason than that the client left.
pub(crate) async fn closed(house: &House, most: u64) -> Vec<(&'static str, u64)> {
    let looking = async {
        loop {
            let closed = house.counters.read().closed;
            if closed.iter().filter(|(reason, _)| !["left", "cut"].contains(reason)).map(|(_, count)| count).sum::<u64>() >= most {
                return closed;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.expect("the connections end")
}

pub(crate) fn count(closed: &[(&str, u64)], reason: &str) -> u64 {
    closed.iter().filter(|(name, _)| *name == reason).map(|(_, count)| count).sum()
}
