//! Whole conversations: cut off at any byte, resumed, pipelined, at once, short, too large. Each row is what a client does.

use super::super::reply::Replies;
use super::super::testing::{Bench, MAX_FILE_BYTES, Reply, Talk, init, packet, replies_in, string};

/// OPEN as `put` of OpenSSH does it: write, create, truncate.
const ANEW: u8 = 0x1a;
/// OPEN as `scp` of OpenSSH does it: write, create.
const IN_PLACE: u8 = 0x0a;
/// The ids of the last requests of an upload.
const CLOSE: u32 = 43;
const RENAME: u32 = 44;
const STAT: u32 = 45;
/// `SSH_FX_NO_SUCH_FILE`.
const NO_SUCH_FILE: u32 = 2;
/// `SSH_FX_FAILURE`.
const FAILURE: u32 = 4;
/// Handles are numbers from 0, so that a test can name one before it has been told.
const FIRST_HANDLE: [u8; 8] = [0, 0, 0, 4, 0, 0, 0, 0];

/// A whole upload in one stream: INIT, OPEN, a WRITE for each piece, CLOSE, and the RENAME of a temporary name.
fn stream(name: &str, flags: u8, from: u64, pieces: &[&[u8]], renamed: Option<&str>) -> Vec<Vec<u8>> {
    let mut packets = vec![init(), packet(3, 1, &[&string(name.as_bytes()), &[0, 0, 0, flags], &[0; 4]])];
    let mut offset = from;
    for piece in pieces {
        packets.push(packet(6, 2, &[&FIRST_HANDLE, &offset.to_be_bytes(), &string(piece)]));
        offset += u64::try_from(piece.len()).unwrap();
    }
    packets.push(packet(4, CLOSE, &[&FIRST_HANDLE]));
    packets.extend(renamed.map(|to| packet(18, RENAME, &[&string(name.as_bytes()), &string(to.as_bytes())])));
    packets
}

const PIECES: [&[u8]; 3] = [b"the first piece, ", b"the second, ", b"and the last.\n"];

#[tokio::test]
async fn p1_an_upload_cut_at_any_byte_leaves_no_delivery_and_is_sent_again_or_resumed() {
    let content = PIECES.concat();
    for (name, renamed) in [("inbox/a.csv", None), ("inbox/a.csv.filepart", Some("inbox/a.csv"))] {
        let packets = stream(name, ANEW, 0, &PIECES, renamed);
        let bytes = packets.concat();
        // At every byte; for the temporary name, around the ends of packets.
        let ends = packets.iter().scan(0, |end, packet| {
            *end += packet.len();
            Some(*end)
        });
        let near_ends = || ends.clone().flat_map(|end| [end - 1, end, end + 1, end + 4, end + 5]).collect::<Vec<_>>();
        let cuts = if renamed.is_none() { (0..bytes.len()).collect() } else { near_ends() };
        for cut in cuts.into_iter().filter(|cut| *cut < bytes.len()) {
            for resumes in [false, true] {
                let bench = Bench::new();
                let mut session = bench.silent("RM1");
                session.feed(&bytes[..cut], &mut Replies::default()).await.unwrap();
                drop(session);
                assert_eq!((bench.accepted().len(), bench.files("deliveries")), (0, 0), "{name} cut at {cut}");
                let mut talk = bench.talk().await;
                let there = talk.stat(name).await.size().unwrap_or(0);
                let (from, flags) = if resumes { (there, IN_PLACE) } else { (0, ANEW) };
                let rest = &content[usize::try_from(from).unwrap()..];
                let handle = talk.open(name, flags).await;
                if !rest.is_empty() {
                    assert!(talk.write(&handle, from, rest).await.is_ok());
                }
                assert!(talk.close(&handle).await.is_ok(), "{name} cut at {cut}, resumed at {from}");
                if let Some(to) = renamed {
                    assert!(talk.rename(name, to).await.is_ok());
                }
                assert_eq!(bench.accepted(), [("a.csv".to_owned(), content.clone())], "{name} cut at {cut}, resumed at {from}");
                assert_eq!(bench.files("uploads"), 0, "{name} cut at {cut}");
            }
        }
        let bench = Bench::new();
        bench.silent("RM1").feed(&bytes, &mut Replies::default()).await.unwrap();
        assert_eq!(bench.accepted(), [("a.csv".to_owned(), content.clone())], "not cut");
    }
}

/// What a client does to a name of which nine bytes, `012345678`, are kept.
#[derive(Debug)]
enum Step {
    Stat,
    List,
    Open(u8),
    Fstat,
    Size(u64),
    Write(u64, &'static [u8]),
    /// The same, and it is refused with these words.
    NoWrite(u64, &'static str),
}
use Step::{Fstat, List, NoWrite, Open, Size, Stat, Write};

async fn take(step: &Step, talk: &mut Talk, handle: &mut Vec<u8>) {
    match step {
        Stat => assert_eq!(talk.stat("inbox/a.csv").await.size(), Some(9)),
        List => {
            let listing = talk.ask(11, &[&string(b"inbox")]).await;
            let names = talk.ask(12, &[&listing.body]).await;
            assert!(!String::from_utf8_lossy(&names.body).contains("a.csv"), "what was cut off is not listed: {names:?}");
        }
        Open(flags) => *handle = talk.open("inbox/a.csv", *flags).await,
        Fstat => assert_eq!(talk.ask(8, &[handle]).await.size(), Some(9)),
        Size(size) => assert!(talk.ask(10, &[handle, &1_u32.to_be_bytes(), &size.to_be_bytes()]).await.is_ok()),
        Write(offset, data) => assert!(talk.write(handle, *offset, data).await.is_ok(), "{step:?}"),
        NoWrite(offset, words) => {
            let reply = talk.write(handle, *offset, b"x").await;
            assert!(reply.code() == Some(FAILURE) && reply.text().contains(words), "{step:?}: {}", reply.text());
        }
    }
}

#[tokio::test]
async fn old_bytes_are_continued_only_by_who_knows_of_them_and_never_mixed_in() {
    type Row = (&'static str, &'static [Step], Result<&'static str, &'static str>);
    let rows: [Row; 20] = [
        ("reput of OpenSSH", &[Stat, Open(0x0e), Write(9, b"9 more")], Ok("0123456789 more")),
        ("reput of psftp", &[Open(0x02), Fstat, Write(9, b"9 more")], Ok("0123456789 more")),
        ("curl -C -", &[Stat, Open(0x02), Write(9, b"9 more")], Ok("0123456789 more")),
        ("curl -C -, older", &[Stat, Open(0x06), Write(9, b"9 more")], Ok("0123456789 more")),
        ("lftp put -c", &[Open(IN_PLACE), Fstat, Write(9, b"9 more"), Size(15)], Ok("0123456789 more")),
        ("in two pieces", &[List, Stat, Open(IN_PLACE), Write(9, b"9"), Write(10, b" more")], Ok("0123456789 more")),
        ("with its size first", &[Stat, Open(IN_PLACE), Size(15), Write(9, b"9 more")], Ok("0123456789 more")),
        ("scp 9", &[Open(IN_PLACE), Write(0, b"new"), Size(3)], Ok("new")),
        ("scp 9, having looked", &[Stat, Open(IN_PLACE), Write(0, b"new"), Size(3)], Ok("new")),
        ("scp 9 of an empty file", &[Stat, Open(IN_PLACE), Size(0)], Ok("")),
        ("put", &[Stat, Open(ANEW), Write(0, b"new")], Ok("new")),
        ("a put that must not replace", &[Stat, Open(0x2a), Write(0, b"new")], Ok("new")),
        ("truncated by its handle", &[Stat, Open(IN_PLACE), Size(0), Write(0, b"new")], Ok("new")),
        ("out of order", &[Stat, Open(IN_PLACE), Write(3, b"er"), Write(0, b"new")], Ok("newer")),
        ("an empty file by one who did not look", &[Open(IN_PLACE)], Ok("")),
        ("nothing added", &[Open(0x02), Fstat], Err("nothing was added")),
        ("a lucky guess", &[Open(IN_PLACE), Write(9, b"9 more")], Err("parts of the file did not arrive")),
        ("a hole", &[Stat, Open(IN_PLACE), Write(10, b" more")], Err("parts of the file did not arrive")),
        ("back into old bytes", &[Stat, Open(IN_PLACE), Write(9, b"9"), NoWrite(8, "cannot be changed")], Err("send the whole file again")),
        ("short again", &[Open(IN_PLACE), Fstat, Size(15), Write(9, b"9")], Err("15 bytes were announced and 10 arrived")),
    ];
    for (what, steps, expected) in rows {
        let bench = Bench::new();
        let mut talk = bench.talk().await;
        let handle = talk.open("inbox/a.csv", ANEW).await;
        talk.write(&handle, 0, b"0123456789").await;
        drop(talk);
        let mut talk = bench.talk().await;
        let mut handle = Vec::new();
        for step in steps {
            take(step, &mut talk, &mut handle).await;
        }
        let closed = talk.close(&handle).await;
        match expected {
            Ok(content) => {
                assert!(closed.is_ok(), "{what}: {}", closed.text());
                assert_eq!(bench.accepted(), [("a.csv".to_owned(), content.as_bytes().to_vec())], "{what}");
                assert_eq!(talk.stat("inbox/a.csv").await.size(), Some(u64::try_from(content.len()).unwrap()), "{what}");
                assert_eq!(bench.files("uploads"), 0, "{what}: the old bytes went when the new file landed");
            }
            Err(words) => {
                assert!(closed.code() == Some(FAILURE) && closed.text().contains(words), "{what}: {}", closed.text());
                assert!(bench.accepted().is_empty(), "{what}");
            }
        }
    }
}

#[tokio::test]
async fn what_is_kept_is_the_newest_of_its_name_and_ends_with_the_next_accepted_file() {
    let bench = Bench::new();
    let mut talk = bench.talk().await;
    talk.put("inbox/a.csv", b"the first file").await;
    bench.later(60);
    let mut cut = bench.talk().await;
    let handle = cut.open("inbox/a.csv", ANEW).await;
    cut.write(&handle, 0, b"hal").await;
    assert_eq!(talk.stat("inbox/a.csv").await.size(), Some(14), "open elsewhere: not cut off yet");
    drop(cut);
    assert_eq!(talk.stat("inbox/a.csv").await.size(), Some(2), "newer than the accepted one");
    assert_eq!(talk.rename("inbox/a.csv", "inbox/b.csv").await.code(), Some(FAILURE), "half a file is not landed by its name");

    // The line of this one is lost, and its client sends again before we give the old connection up.
    let mut lost = bench.talk().await;
    let handle = lost.open("inbox/a.csv", ANEW).await;
    lost.write(&handle, 0, b"half of it").await;
    bench.later(60);
    talk.put("inbox/a.csv", b"all of it").await;
    assert_eq!(talk.stat("inbox/a.csv").await.size(), Some(9));
    bench.later(600);
    drop(lost);
    assert_eq!(talk.stat("inbox/a.csv").await.size(), Some(9), "overtaken: not shown, not kept");
    assert_eq!((bench.accepted().len(), bench.files("uploads")), (2, 0));
}

#[tokio::test]
async fn what_was_cut_off_under_a_temporary_name_is_finished_before_it_is_renamed() {
    let bench = Bench::new();
    let mut talk = bench.talk().await;
    let handle = talk.open("inbox/a.csv.filepart", ANEW).await;
    talk.write(&handle, 0, b"all of it").await;
    drop(talk);
    let mut talk = bench.talk().await;
    let refused = talk.rename("inbox/a.csv.filepart", "inbox/a.csv").await;
    assert!(refused.code() == Some(FAILURE) && refused.text().contains("was cut off"), "{}", refused.text());
    // WinSCP: it sees that all is there, opens, writes nothing, closes, renames.
    assert_eq!(talk.stat("inbox/a.csv.filepart").await.size(), Some(9));
    let handle = talk.open("inbox/a.csv.filepart", IN_PLACE).await;
    assert!(talk.close(&handle).await.is_ok());
    assert!(talk.rename("inbox/a.csv.filepart", "inbox/a.csv").await.is_ok());
    assert_eq!(bench.accepted(), [("a.csv".to_owned(), b"all of it".to_vec())]);
}

#[tokio::test]
async fn an_announced_size_is_held_against_the_file_and_never_made_up() {
    // The size in OPEN, the bytes that come, a size set at the end, and whether the file is taken.
    let rows: [(&str, u64, usize, Option<u64>, bool); 6] = [
        ("WinSCP", 12, 12, None, true),
        ("WinSCP, cancelled", 12, 5, None, false),
        ("a client that says 0", 0, 12, None, true),
        ("a file that grew", 12, 20, None, true),
        ("corrected later", 12, 5, Some(5), true),
        ("lftp, cancelled", 5, 5, Some(12), false),
    ];
    for (what, announced, bytes, later, taken) in rows {
        for name in ["inbox/a.csv", "inbox/a.csv.filepart"] {
            let bench = Bench::new();
            let mut talk = bench.talk().await;
            let opened = talk.ask(3, &[&string(name.as_bytes()), &[0, 0, 0, ANEW], &[0, 0, 0, 1], &announced.to_be_bytes()]).await;
            let handle = opened.body;
            assert_eq!(talk.stat(name).await.size(), Some(0), "{what}: nothing is made up");
            talk.write(&handle, 0, &vec![b'x'; bytes]).await;
            if let Some(size) = later {
                assert!(talk.ask(10, &[&handle, &[0, 0, 0, 1], &size.to_be_bytes()]).await.is_ok());
            }
            let mut ended = talk.close(&handle).await;
            if name != "inbox/a.csv" {
                assert!(ended.is_ok(), "{what}: a temporary name is no delivery yet");
                ended = talk.rename(name, "inbox/a.csv").await;
            }
            assert_eq!(ended.is_ok(), taken, "{what}: {}", ended.text());
            if !taken {
                assert_eq!(ended.text(), "12 bytes were announced and 5 arrived: send the whole file again", "{what}");
                assert_eq!(talk.stat("inbox/a.csv").await.code(), Some(NO_SUCH_FILE), "{what}");
            }
            assert_eq!(bench.accepted().len(), usize::from(taken), "{what}");
        }
    }
}

/// Every request of an upload at once, with STAT after the end.
fn pipelined(name: &str, renamed: Option<&str>) -> Vec<u8> {
    let mut bytes = stream(name, ANEW, 0, &PIECES, renamed).concat();
    bytes.extend(packet(17, STAT, &[&string(b"inbox/a.csv")]));
    bytes
}

#[tokio::test]
async fn p1_a_client_that_pipelines_is_not_answered_before_the_gate_has_accepted() {
    for (name, renamed, before) in [("inbox/a.csv", None, 5), ("inbox/a.csv.filepart", Some("inbox/a.csv"), 6)] {
        let bench = Bench::new();
        bench.gate.hold(true);
        let mut session = bench.silent("RM1");
        let mut replies = Replies::default();
        let bytes = pipelined(name, renamed);
        {
            let feeding = session.feed(&bytes, &mut replies);
            tokio::pin!(feeding);
            tokio::select! {
                biased;
                _ = &mut feeding => panic!("all was answered while the gate was closed"),
                () = bench.gate.somebody_came() => {}
            }
        }
        let told = replies_in(&replies.take());
        assert_eq!(told.len(), before, "{name}: {told:?}");
        let acknowledged = if renamed.is_some() { RENAME } else { CLOSE };
        assert!(told.iter().all(|reply| reply.id != acknowledged && reply.id != STAT), "{name}: {told:?}");

        let bench = Bench::new();
        let mut replies = Replies::default();
        bench.silent("RM1").feed(&bytes, &mut replies).await.unwrap();
        let told = replies_in(&replies.take());
        let ids: Vec<u32> = told.iter().skip(1).map(|reply| reply.id).collect();
        let expected: &[u32] = if renamed.is_some() { &[1, 2, 2, 2, CLOSE, RENAME, STAT] } else { &[1, 2, 2, 2, CLOSE, STAT] };
        assert_eq!(ids, expected, "in order");
        assert_eq!(told.last().unwrap().size(), Some(u64::try_from(PIECES.concat().len()).unwrap()));
    }
}

#[tokio::test]
async fn p1_after_a_refused_end_a_pipelined_stat_knows_no_such_file_not_even_an_older_one() {
    for (name, renamed) in [("inbox/a.csv", None), ("inbox/a.csv.filepart", Some("inbox/a.csv"))] {
        for older in [false, true] {
            let bench = Bench::new();
            if older {
                bench.talk().await.put("inbox/a.csv", b"the older file").await;
            }
            bench.gate.refuse(true);
            let mut replies = Replies::default();
            bench.silent("RM1").feed(&pipelined(name, renamed), &mut replies).await.unwrap();
            let told = replies_in(&replies.take());
            let [.., ended, stat] = told.as_slice() else { panic!("{told:?}") };
            assert_eq!(ended.code(), Some(FAILURE), "{name}");
            assert!(ended.text().contains("send it again in a few minutes"), "{}", ended.text());
            assert_eq!((stat.code(), stat.size()), (Some(NO_SUCH_FILE), None), "{name}");
            assert_eq!((bench.accepted().len(), bench.files("uploads")), (usize::from(older), 0));
        }
    }
}

/// A line that dies is only noticed minutes later; by then its client has sent the file again.
#[tokio::test]
async fn an_upload_on_a_dead_line_neither_replaces_a_newer_one_nor_ends_up_in_it() {
    let (temporary, name) = ("inbox/a.csv.filepart", "inbox/a.csv");
    for noticed_before_the_rename in [true, false] {
        let bench = Bench::new();
        let mut dead = bench.talk().await;
        let handle = dead.open(temporary, ANEW).await;
        dead.write(&handle, 0, b"10:00 OLD").await;
        bench.later(60);
        let mut alive = bench.talk().await;
        alive.put(temporary, b"10:00 OLD and all of it").await;
        bench.later(60);
        if noticed_before_the_rename {
            drop(dead);
            assert!(alive.rename(temporary, name).await.is_ok());
        } else {
            assert!(alive.rename(temporary, name).await.is_ok());
            bench.later(60);
            drop(dead);
        }
        assert_eq!(alive.stat(temporary).await.code(), Some(NO_SUCH_FILE), "nothing is left to resume");
        assert_eq!(bench.accepted(), [("a.csv".to_owned(), b"10:00 OLD and all of it".to_vec())]);
        assert_eq!(bench.files("uploads"), 0);
    }
}

#[tokio::test]
async fn p9_a_session_whose_uploads_are_refused_again_and_again_is_ended() {
    let bench = Bench::new();
    let mut session = bench.silent("RM1");
    let mut replies = Replies::default();
    session.feed(&init(), &mut replies).await.unwrap();
    let size = [1_u32.to_be_bytes().as_slice(), &(MAX_FILE_BYTES + 1).to_be_bytes()].concat();
    let open = packet(3, 1, &[&string(b"inbox/a.csv"), &[0, 0, 0, ANEW], &size]);
    let mut refused = 0;
    while session.feed(&open, &mut replies).await.is_ok() {
        refused += 1;
        assert!(refused < 2000, "it goes on and on");
    }
    assert_eq!(refused, 999);
}

#[tokio::test]
async fn two_uploads_of_one_name_at_once_are_two_deliveries() {
    let bench = Bench::new();
    let (mut one, mut other) = (bench.talk().await, bench.talk().await);
    let first = one.open("inbox/a.csv", ANEW).await;
    let second = one.open("inbox/a.csv", IN_PLACE).await;
    let third = other.open("inbox/a.csv", ANEW).await;
    one.write(&first, 0, b"first ").await;
    other.write(&third, 0, b"third").await;
    one.write(&second, 0, b"sec").await;
    one.write(&first, 6, b"file").await;
    one.write(&second, 3, b"ond file").await;
    assert_eq!(one.stat("inbox/a.csv").await.size(), Some(11), "the one opened last");
    assert_eq!(other.stat("inbox/a.csv").await.size(), Some(5), "each session its own");
    assert!(one.close(&second).await.is_ok());
    assert_eq!(one.stat("inbox/a.csv").await.size(), Some(10), "the one still open");
    other.write(&third, 5, b" file").await;
    assert!(other.close(&third).await.is_ok());
    assert!(one.close(&first).await.is_ok());
    let contents: Vec<Vec<u8>> = bench.accepted().into_iter().map(|(_, content)| content).collect();
    assert_eq!(contents, [b"second file".to_vec(), b"third file".to_vec(), b"first file".to_vec()]);

    // A race of renames: from two names to one, and of one name by two.
    for (name, content) in [("inbox/x.part", b"x of one"), ("inbox/y.part", b"y of two")] {
        one.put(name, content).await;
    }
    bench.gate.hold(true);
    let (x, y, again) = tokio::join!(one.rename("inbox/x.part", "inbox/b.csv"), other.rename("inbox/y.part", "inbox/b.csv"), async {
        let mut late = bench.talk().await;
        bench.gate.somebody_came().await;
        let again = late.rename("inbox/x.part", "inbox/b.csv").await;
        bench.gate.hold(false);
        again
    });
    assert!(x.is_ok() && y.is_ok());
    assert_eq!(again.code(), Some(NO_SUCH_FILE), "it is being landed already");
    let mut landed: Vec<Vec<u8>> = bench.accepted().into_iter().skip(3).map(|(_, content)| content).collect();
    landed.sort();
    assert_eq!(landed, [b"x of one".to_vec(), b"y of two".to_vec()]);
}

#[tokio::test]
async fn p9_a_file_over_the_limit_is_refused_at_every_request_until_it_is_closed() {
    let bench = Bench::new();
    let mut talk = bench.talk().await;
    let words = "the file is larger than the 1000 bytes that this account may send";
    let refused = |reply: &Reply| reply.code() == Some(FAILURE) && reply.text() == words;
    let handle = talk.open("inbox/a.csv", ANEW).await;
    assert!(talk.write(&handle, 0, &[b'x'; 1000]).await.is_ok());
    for offset in [1000, 0, 2000] {
        assert!(refused(&talk.write(&handle, offset, b"x").await), "at {offset}");
        assert_eq!(bench.files("uploads"), 0, "what came is gone, and what still comes is not kept");
    }
    assert!(refused(&talk.ask(10, &[&handle, &[0, 0, 0, 1], &1_u64.to_be_bytes()]).await), "cut to a size");
    assert!(refused(&talk.ask(8, &[&handle]).await), "asked for its size");
    assert!(refused(&talk.close(&handle).await));
    assert_eq!(talk.stat("inbox/a.csv").await.code(), Some(NO_SUCH_FILE));
    assert!(refused(&talk.ask(3, &[&string(b"a.csv"), &[0, 0, 0, ANEW], &[0, 0, 0, 1], &1001_u64.to_be_bytes()]).await), "said at OPEN");
    talk.put("inbox/a.csv", b"the next one is fine").await;
}

#[tokio::test]
async fn a_client_that_would_wait_for_ever_after_a_refused_write_is_told_and_its_session_ends() {
    let too_large = packet(6, 2, &[&FIRST_HANDLE, &MAX_FILE_BYTES.to_be_bytes(), &string(b"x")]);
    let upload = [stream("inbox/a.csv", ANEW, 0, &[], None)[..2].concat(), too_large].concat();
    for (software, ends) in [("SSH-2.0-Renci.SshNet.SshClient.0.0.1", true), ("SSH-2.0-OpenSSH_9.2p1", false)] {
        let bench = Bench::new();
        let mut replies = Replies::default();
        let ended = bench.silent_by("RM1", software).feed(&upload, &mut replies).await;
        assert_eq!(ended.is_err(), ends, "{software}");
        let told = replies_in(&replies.take());
        assert_eq!(told.last().unwrap().code(), Some(FAILURE), "{software}: told first");
    }
}

#[tokio::test]
async fn a_time_set_after_the_end_is_answered_and_listed_until_the_next_file() {
    let bench = Bench::new();
    let mut talk = bench.talk().await;
    let stamped = |seconds: u32| [8_u32, seconds, seconds].map(u32::to_be_bytes).concat();
    talk.put("inbox/a.csv", b"twelve bytes").await;
    let received = talk.stat("inbox/a.csv").await.modified();
    assert!(received.is_some());
    for (seconds, kind) in [(1_000_000_u32, 9), (1_000_060, 200)] {
        let path = string(b"inbox/a.csv");
        let set = if kind == 9 {
            talk.ask(9, &[&path, &stamped(seconds)]).await
        } else {
            talk.ask(200, &[&string(b"lsetstat@openssh.com"), &path, &stamped(seconds)]).await
        };
        assert!(set.is_ok(), "{}", set.text());
        assert_eq!(talk.stat("inbox/a.csv").await.modified(), Some(seconds));
        let mut other = bench.talk().await;
        assert_eq!(other.stat("inbox/a.csv").await.modified(), Some(seconds), "in another session");
        let listing = other.ask(11, &[&string(b"inbox")]).await;
        let names = other.ask(12, &[&listing.body]).await.body;
        assert!(names.ends_with(&seconds.to_be_bytes()), "{names:?}");
    }
    assert!(talk.ask(9, &[&string(b"inbox/a.csv"), &[0, 0, 0, 4, 0, 0, 1, 0xa4]]).await.is_ok(), "a mode is no matter");
    let no_size = talk.ask(9, &[&string(b"inbox/a.csv"), &[0, 0, 0, 1], &5_u64.to_be_bytes()]).await;
    assert!(no_size.text().contains("send the whole file again"), "{}", no_size.text());
    assert_eq!(talk.ask(9, &[&string(b"inbox/never.csv"), &stamped(1)]).await.code(), Some(NO_SUCH_FILE));
    talk.put("inbox/a.csv", b"another").await;
    assert_eq!(talk.stat("inbox/a.csv").await.modified(), received, "that is the time of the next file's coming");
}

#[tokio::test]
async fn free_space_is_what_the_account_may_still_stage() {
    let bench = Bench::new();
    let mut talk = bench.talk().await;
    let space = async |talk: &mut Talk, name: &[u8], argument: &[u8]| {
        let reply = talk.ask(200, &[&string(name), argument]).await;
        assert_eq!((reply.kind, reply.body.len()), (201, 88), "{}", reply.text());
        let numbers: Vec<u64> = reply.body.chunks(8).map(|number| u64::from_be_bytes(number.try_into().unwrap())).collect();
        (numbers[1], numbers[2], numbers[3], numbers[5], numbers[6], numbers[10])
    };
    // What the account may have in unfinished uploads, and sixteen open files in each of four sessions.
    let blocks = 66 * MAX_FILE_BYTES / 4096;
    let path = string(b"/");
    assert_eq!(space(&mut talk, b"statvfs@openssh.com", &path).await, (4096, blocks, blocks, 64, 64, 255));
    let handle = talk.open("inbox/a.csv.part", ANEW).await;
    talk.write(&handle, 0, &[b'x'; 1000]).await;
    let used = (66 * MAX_FILE_BYTES - 1000) / 4096;
    assert_eq!(space(&mut talk, b"fstatvfs@openssh.com", &handle).await, (4096, blocks, used, 64, 63, 255));
    talk.close(&handle).await;
    assert_eq!(space(&mut talk, b"statvfs@openssh.com", &path).await, (4096, blocks, used, 64, 64, 255), "a partial is staged");
    assert!(talk.rename("inbox/a.csv.part", "inbox/a.csv").await.is_ok());
    assert_eq!(space(&mut talk, b"statvfs@openssh.com", &path).await, (4096, blocks, blocks, 64, 64, 255), "a delivery is not");
    assert_eq!(talk.ask(200, &[&string(b"statvfs@openssh.com"), &string(b"/a/b/c")]).await.code(), Some(NO_SUCH_FILE));
    assert_eq!(talk.ask(200, &[&string(b"statvfs@openssh.com"), &[0, 0, 0, 9]]).await.code(), Some(5), "BAD_MESSAGE");
    assert_eq!(talk.ask(200, &[&string(b"fstatvfs@openssh.com"), &string(b"none")]).await.code(), Some(FAILURE));
}
