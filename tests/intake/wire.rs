//! Uploads over the wire with the OpenSSH programs: killed and resumed, pipelined, renamed over, and what `df` says.

use super::content;
use super::house::{House, Raw, files, string};
use bedfeed::feed::Digest;

/// Waits until so many uploads were cut off or refused. Each look is a whole visit, so nothing spins.
async fn failed(house: &House, count: u64) {
    for _ in 0..600 {
        if house.counters.read().failed >= count {
            break;
        }
        assert!(house.sftp("ls").await.ok);
    }
    assert!(house.counters.read().failed >= count, "nothing was noticed: {:?}", house.counters.read());
}

#[tokio::test(flavor = "multi_thread")]
async fn p1_a_killed_upload_is_resumed_by_reput_or_sent_again() {
    let whole: Vec<u8> = content().into_iter().cycle().take(1_900_000).collect();
    for (name, batch, expected) in [
        ("inbox/killed.csv", "reput {file} {name}", &whole),
        ("inbox/killed.csv", "put {file} {name}", &whole),
        ("inbox/killed.csv.filepart", "reput {file} {name}\nrename {name} inbox/killed.csv", &whole),
    ] {
        let house = House::open().await;
        let file = house.file("killed.csv", &whole);
        // 400 kbit/s: half a minute, if it were not killed.
        let mut client = house.start_sftp(&["-l", "400"], &format!("put {file} {name}"));
        let staged = || files(&house.state().join("uploads")).iter().any(|file| std::fs::metadata(file).is_ok_and(|file| file.len() > 0));
        for _ in 0..600 {
            if staged() {
                break;
            }
            assert!(house.sftp("ls").await.ok);
        }
        assert!(staged(), "some of it came");
        client.kill().unwrap();
        client.wait().unwrap();
        failed(&house, 1).await;
        assert!(house.accepted().is_empty());
        assert!(files(&house.state().join("deliveries")).is_empty(), "it is no delivery");
        let run = house.sftp(&format!("ls -l {name}")).await;
        assert!(run.ok && !run.stdout.contains(" 1900000 "), "its length is told, and is not the whole: {}", run.stdout);
        let run = house.sftp(&batch.replace("{file}", &file).replace("{name}", name)).await;
        assert!(run.ok, "{batch}: {}", run.stderr);
        let accepted = house.accepted();
        assert_eq!((accepted.len(), accepted[0].name.as_str()), (1, "killed.csv"));
        assert_eq!(accepted[0].sha256, Digest::of(expected), "{batch}");
        assert!(files(&house.state().join("uploads")).is_empty(), "{batch}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_upload_is_replaced_by_scp_which_does_not_truncate() {
    let house = House::open().await;
    let mut raw = house.raw();
    raw.init();
    raw.send(3, 1, &[&string(b"inbox/a.csv"), &[0, 0, 0, 0x1a, 0, 0, 0, 0]]);
    let handle = raw.read()[5..].to_vec();
    raw.send(6, 2, &[&handle, &[0; 8], &string(&[b'o'; 5000])]);
    assert_eq!(raw.read()[..9], [101, 0, 0, 0, 2, 0, 0, 0, 0]);
    raw.kill();
    failed(&house, 1).await;
    let run = house.scp("-p", &house.file("a.csv", b"short and new"), "inbox/a.csv").await;
    assert!(run.ok && run.stderr.is_empty(), "{}", run.stderr);
    assert_eq!(house.accepted()[0].sha256, Digest::of(b"short and new"), "none of the five thousand bytes");
    let run = house.sftp("ls -l inbox/a.csv").await;
    assert!(run.stdout.contains("          13 "), "{}", run.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn p1_pipelined_requests_are_answered_in_order_and_none_before_the_gate_has_accepted() {
    let house = House::open().await;
    house.hold(true);
    let first_handle = [0, 0, 0, 4, 0, 0, 0, 0];
    let mut raw = house.raw();
    raw.init();
    let requests = [
        Raw::packet(3, 1, &[&string(b"inbox/a.csv"), &[0, 0, 0, 0x1a, 0, 0, 0, 0]]),
        Raw::packet(6, 2, &[&first_handle, &[0; 8], &string(b"all at once")]),
        Raw::packet(4, 3, &[&first_handle]),
        Raw::packet(17, 4, &[&string(b"inbox/a.csv")]),
    ];
    raw.write(&requests.concat());
    let (replies, _open) = raw.replies();
    house.somebody_came().await;
    let mut told: Vec<Vec<u8>> = replies.try_iter().collect();
    assert!(!told.iter().any(|reply| [3, 4].contains(&reply[4])), "told before the gate has accepted: {told:?}");
    house.hold(false);
    let missing = 4 - told.len();
    told.extend(replies.iter().take(missing));
    let ids: Vec<(u8, u8)> = told.iter().map(|reply| (reply[0], reply[4])).collect();
    assert_eq!(ids, [(102, 1), (101, 2), (101, 3), (105, 4)]);
    assert_eq!(house.accepted().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_can_be_replaced_by_a_rename_and_df_tells_the_accounts_room() {
    let house = House::open().await;
    let (old, new) = (house.file("old.csv", b"older figures"), house.file("new.csv", b"new figures"));
    let batch = format!(
        "put {old} inbox/a.csv\nput {new} inbox/a.csv.filepart\nrm inbox/a.csv\nrename inbox/a.csv.filepart inbox/a.csv\nls -l inbox\ndf"
    );
    let run = house.sftp(&batch).await;
    assert!(run.ok && run.stderr.is_empty(), "{}", run.stderr);
    assert!(run.stdout.contains("          11 "), "the new size: {}", run.stdout);
    // Sixteen files of 2,000,000 bytes, in kibibytes of whole blocks.
    let blocks = 16 * 2_000_000_u64 / 4096 * 4;
    assert!(run.stdout.contains(&blocks.to_string()), "{blocks}: {}", run.stdout);
    assert_eq!(house.accepted().len(), 2);
}
