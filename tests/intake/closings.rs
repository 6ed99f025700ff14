//! How connections end, each in its own way, and that each is counted once under its own reason.

use crate::house::{House, string, until};
use crate::rude::Rude;
use bedfeed::intake::Counts;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// What was counted under a reason.
fn closed(counts: &Counts, reason: &str) -> u64 {
    counts.closed.iter().find(|(name, _)| *name == reason).unwrap().1
}

/// Waits until the counters say so.
async fn counted(house: &House, what: &str, holds: impl Fn(&Counts) -> bool) {
    until(what, || holds(&house.counters.read())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_of_ending_has_a_count_of_its_own() {
    let mut house = House::open().await;
    assert!(house.sftp("ls").await.ok);
    counted(&house, "a tidy end is counted", |counts| closed(counts, "left") == 1).await;

    assert!(!house.sftp_as("RM1", "other", "LogLevel=QUIET", "ls").await.ok);
    counted(&house, "a wrong key is counted", |counts| closed(counts, "login_refused") == 1).await;
    assert!(house.counters.read().refused.contains(&("unknown_key", 1)));

    let mut stream = TcpStream::connect(house.address()).await.unwrap();
    let mut hello = [0; 8];
    stream.read_exact(&mut hello).await.unwrap();
    counted(&house, "it is shown as not logged in", |counts| (counts.open, counts.waiting) == (1, 1)).await;
    drop(stream);
    counted(&house, "a port check is counted", |counts| closed(counts, "no_login") == 1).await;

    let mut raw = house.raw();
    raw.init();
    raw.send(3, 1, &[&string(b"inbox/a.csv"), &[0, 0, 0, 0x1a, 0, 0, 0, 0]]);
    raw.read();
    counted(&house, "it is shown as logged in", |counts| (counts.open, counts.waiting) == (1, 0)).await;
    raw.kill();
    counted(&house, "a line that breaks is counted", |counts| closed(counts, "cut") == 1).await;

    let mut raw = house.raw();
    raw.init();
    house.stop();
    counted(&house, "a stop is counted", |counts| closed(counts, "stopped") == 1).await;
    assert!(raw.wait().is_some_and(|status| status != 0));
    let counts = house.close_and_count().await;
    let all: u64 = counts.closed.iter().map(|(_, count)| count).sum();
    assert_eq!((counts.connections, all, counts.open, counts.waiting), (5, 5, 0, 0), "each once: {counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_a_client_that_sends_garbage_and_stays_is_sent_away() {
    let house = House::open().await;
    let stays = Rude::of(&house, "RM1", "ed25519").await;
    let (garbage, good) = (stays.sftp().await, stays.sftp().await);
    garbage.say(&[0xff; 64]).await;
    let (words, status) = garbage.last_words().await;
    assert_eq!((words.as_slice(), status), (b"".as_slice(), Some(1)), "its channel ends at once");
    assert_eq!(house.counters.read().open, 1, "a good session beside it goes on");
    good.say(&[0xff; 64]).await;
    counted(&house, "the connection ends", |counts| (closed(counts, "sftp_protocol_error"), counts.open) == (1, 0)).await;
    drop(stays);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_whose_account_is_closed_ends_under_that_reason() {
    let house = House::open().await;
    let mut raw = house.raw();
    raw.init();
    house.close_accounts();
    assert!(raw.wait().is_some_and(|status| status != 0));
    counted(&house, "a closed account is counted", |counts| closed(counts, "account_closed") == 1).await;
}
