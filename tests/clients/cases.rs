//! The cases: what every client is put through, and what must hold after each. A case gives the words for its cell of the
//! table; what does not hold is a panic, caught for each case so that one failure does not hide the others.

use crate::common::extract::good;
use crate::common::{Ran, names, now, run, wait_until};
use crate::desk::{Desk, Facts, SMALL};
use crate::line::{Fault, Line};
use crate::programs::{Act, AfterACut, Client, Way, ended};
use crate::replays::SESSION_ENDED;
use bedfeed::feed::Digest;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What a case found out, for its cell of the table.
pub(crate) type Cell = Result<&'static str, String>;

/// A column of the table.
pub(crate) struct Case {
    pub(crate) heading: &'static str,
    try_out: fn(&Desk, &Client) -> &'static str,
}

/// The heading of what a client needs, which is found out before the cases.
pub(crate) const NEEDS: &str = "needs on our side";

/// All of them, in the table's order. The last one leaves a bad mark on the account's address.
pub(crate) const CASES: [Case; 12] = [
    Case { heading: "new file", try_out: new_file },
    Case { heading: "same name again", try_out: same_name_again },
    Case { heading: "temporary name, then rename", try_out: temporary_name },
    Case { heading: "time kept", try_out: time_kept },
    Case { heading: "after a cut connection", try_out: cut_connection },
    Case { heading: "broken off by its user", try_out: broken_off },
    Case { heading: "listing", try_out: listing },
    Case { heading: "receipt", try_out: receipt },
    Case { heading: "file too large", try_out: too_large },
    Case { heading: "not stored", try_out: not_stored },
    Case { heading: "wrong folder", try_out: wrong_folder },
    Case { heading: "wrong key", try_out: wrong_key },
];

const YES: &str = "yes";
const NOT_OFFERED: &str = "not offered";
const FAILS: &str = "fails, as it should";

/// What a client needs on our side, and then what came of putting it through all cases, one after the other.
pub(crate) fn try_out(client: &Client) -> Vec<Cell> {
    let strict = Desk::open(false);
    let works = put(&strict, client, "first.csv", b"the first file").code == Some(0);
    strict.told("the client", if works { &[("first.csv", b"the first file")] } else { &[] });
    let desk = if works { strict } else { Desk::open(true) };
    let needs: Cell = Ok(if works { "nothing" } else { "`compatibility`" });
    let cells = CASES.iter().map(|case| {
        let cell = catch_unwind(AssertUnwindSafe(|| (case.try_out)(&desk, client)));
        desk.arrived();
        cell.map_err(|panic| {
            let said = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|said| (*said).to_owned()));
            format!("{}: {}", case.heading, said.unwrap_or_default())
        })
    });
    [needs].into_iter().chain(cells).collect()
}

/// A file of so many bytes that no other file has.
fn content(bytes: usize, seed: u8) -> Vec<u8> {
    (0..bytes).map(|n| b'a' + u8::try_from((n / 7 + usize::from(seed)) % 23).unwrap()).collect()
}

fn size(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap()
}

/// It ended well and had nothing to complain about.
#[track_caller]
fn fine(ran: &Ran) {
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran:?}");
}

/// It ended with a failure, in words.
#[track_caller]
fn failed(ran: &Ran) {
    assert!(ran.code != Some(0) && !(ran.stderr.trim().is_empty() && ran.stdout.trim().is_empty()), "a failure, in words: {ran:?}");
}

#[track_caller]
fn put(desk: &Desk, client: &Client, name: &str, bytes: &[u8]) -> Ran {
    let (file, to) = (desk.file(name, bytes), format!("/inbox/{name}"));
    client.act(&desk.door(), Act::Put { file: &file, to: &to }).unwrap()
}

/// STAT tells the exact size.
#[track_caller]
fn stands(desk: &Desk, path: &str, bytes: &[u8]) -> Facts {
    let facts = desk.stat(path).unwrap_or_else(|| panic!("{path} is not there"));
    assert_eq!(facts.bytes, size(bytes), "{path}");
    facts
}

fn new_file(desk: &Desk, client: &Client) -> &'static str {
    for (name, bytes) in [("new.csv", content(300_000, 1)), ("little.csv", content(40, 2)), ("empty.csv", Vec::new())] {
        fine(&put(desk, client, name, &bytes));
        desk.told("the client", &[(name, &bytes)]);
        stands(desk, &format!("/inbox/{name}"), &bytes);
    }
    YES
}

/// The second one is shorter: nothing of the first may be left.
fn same_name_again(desk: &Desk, client: &Client) -> &'static str {
    let (first, second) = (content(300_000, 3), content(200_000, 4));
    fine(&put(desk, client, "again.csv", &first));
    let file = desk.file("again.csv", &second);
    fine(&client.act(&desk.door(), Act::PutAgain { file: &file, to: "/inbox/again.csv" }).unwrap());
    desk.told("the client", &[("again.csv", &first), ("again.csv", &second)]);
    stands(desk, "/inbox/again.csv", &second);
    YES
}

fn temporary_name(desk: &Desk, client: &Client) -> &'static str {
    let bytes = content(300_000, 5);
    let (file, to) = (desk.file("renamed.csv", &bytes), "/inbox/renamed.csv");
    let Some(ran) = client.act(&desk.door(), Act::PutAndRename { file: &file, temporary: "/inbox/renamed.csv.tmp", to }) else {
        return NOT_OFFERED;
    };
    fine(&ran);
    desk.told("the client", &[("renamed.csv", &bytes)]);
    stands(desk, to, &bytes);
    assert_eq!(desk.stat("/inbox/renamed.csv.tmp"), None);
    YES
}

/// 3 December 2018, 10:15 in London.
const MODIFIED: u32 = 1_543_832_100;

fn time_kept(desk: &Desk, client: &Client) -> &'static str {
    let bytes = content(300_000, 6);
    let (file, to) = (desk.file("timed.csv", &bytes), "/inbox/timed.csv");
    let at: SystemTime = UNIX_EPOCH + Duration::from_secs(u64::from(MODIFIED));
    fs::File::options().write(true).open(&file).unwrap().set_modified(at).unwrap();
    let Some(ran) = client.act(&desk.door(), Act::PutWithTime { file: &file, to }) else {
        return NOT_OFFERED;
    };
    fine(&ran);
    desk.told("the client", &[("timed.csv", &bytes)]);
    assert_eq!(stands(desk, to, &bytes).modified, Some(MODIFIED), "the time that the client set");
    if let Some(ran) = client.act(&desk.door(), Act::PutIfChanged { file: &file, to }) {
        fine(&ran);
        desk.told("the client", &[]);
    }
    if let Some(ran) = client.act(&desk.door(), Act::Compare { file: &file, to }) {
        assert_eq!(ran.code, Some(0), "{ran:?}");
    }
    YES
}

/// The connection is cut in the middle of the file. A client that can resume sends no more than the rest.
fn cut_connection(desk: &Desk, client: &Client) -> &'static str {
    let bytes = content(3_000_000, 7);
    let (file, to) = (desk.file("cut.csv", &bytes), "/inbox/cut.csv");
    let line = Line::to(desk.service().port(), Fault::CutAfter(2_000_000));
    let ran = client.act(&desk.door_at(line.port()), Act::Put { file: &file, to }).unwrap();
    if client.after_a_cut == AfterACut::AgainByItself {
        fine(&Ran { stderr: String::new(), ..ran }); // it may speak of the cut
        desk.told("the client", &[("cut.csv", &bytes)]);
        stands(desk, to, &bytes);
        return "from the start, by itself";
    }
    assert_ne!(ran.code, Some(0), "{ran:?}"); // psftp dies of the broken connection, without a word
    desk.told("the client", &[]);
    let line = Line::to(desk.service().port(), Fault::None);
    let door = desk.door_at(line.port());
    let partial = match client.after_a_cut {
        AfterACut::Resumes => Some(to),
        AfterACut::ResumesFilepart => Some("/inbox/cut.csv.filepart"),
        AfterACut::Again | AfterACut::AgainByItself => None,
    };
    let act = match partial {
        Some(partial) => {
            assert!(desk.await_partial(partial).bytes < size(&bytes));
            Act::Resume { file: &file, to }
        }
        None => Act::Put { file: &file, to },
    };
    fine(&client.act(&door, act).unwrap());
    desk.told("the client", &[("cut.csv", &bytes)]);
    stands(desk, to, &bytes);
    assert_eq!(line.passed() < size(&bytes), partial.is_some(), "{} bytes were sent", line.passed());
    if partial.is_some() { "resumed" } else { "from the start" }
}

/// Ctrl-C, or the cancel button. What some clients then leave is half a file that they closed as if it were whole.
fn broken_off(desk: &Desk, client: &Client) -> &'static str {
    let (name, text) = good("RZA", now(), 0b111);
    // Long lines in front of the line that says how many there are: 8 MB that are quickly judged.
    let long = format!("{},NORTH,99,occupied,F,{}\n", &text.lines().nth(1).unwrap()[..16], "7".repeat(9_000));
    let text = text.replace("TOTAL,20", &format!("{}TOTAL,900", long.repeat(880)));
    let (file, to) = (desk.file(&name, text.as_bytes()), format!("/inbox/{name}"));
    let act = Act::BreakOff { file: &file, to: &to };
    let ran = match client.way {
        Way::Replay(replay) => replay(&desk.door(), act).unwrap(),
        Way::Program(errand) => {
            let line = Line::to(desk.service().port(), Fault::HoldAfter(1_000_000));
            let child = errand(&desk.door_at(line.port()), act).unwrap().start();
            wait_until("the upload is under way", || line.is_held());
            run("kill", &["-INT", &child.id().to_string()], b"").fine();
            line.release();
            ended(child)
        }
    };
    // OpenSSH's sftp says "Interrupt" and ends with 0.
    assert!(ran.code != Some(0) || ran.stderr.contains("Interrupt"), "{ran:?}");
    let came = desk.arrived();
    let cell = if client.closes_half { "half a file may arrive, and is set aside" } else { "nothing arrives" };
    let Some(row) = came.first() else {
        assert!(desk.stat(&to).is_none_or(|facts| facts.bytes < size(text.as_bytes())));
        return cell;
    };
    assert!(came.len() == 1 && client.closes_half, "{came:?}");
    let bytes = usize::try_from(row["delivery"]["bytes"].as_u64().unwrap()).unwrap();
    assert!(bytes < text.len(), "{row}");
    assert_eq!(row["delivery"]["sha256"], Digest::of(&text.as_bytes()[..bytes]).to_string(), "the first {bytes} bytes of the file");
    let settled = desk.settled();
    assert_eq!(settled.last().unwrap()["outcome"], "quarantined", "{settled:?}");
    cell
}

fn listing(desk: &Desk, client: &Client) -> &'static str {
    let bytes = content(123_457, 8);
    fine(&put(desk, client, "listed.csv", &bytes));
    desk.told("the client", &[("listed.csv", &bytes)]);
    stands(desk, "/inbox/listed.csv", &bytes);
    let Some(ran) = client.act(&desk.door(), Act::List { folder: "/inbox" }) else {
        return NOT_OFFERED;
    };
    fine(&ran);
    assert!(ran.stdout.lines().any(|line| line.contains("listed.csv") && line.contains("123457")), "{}", ran.stdout);
    YES
}

fn receipt(desk: &Desk, client: &Client) -> &'static str {
    let (name, text) = good("RZA", now(), 0b1011);
    fine(&put(desk, client, &name, text.as_bytes()));
    desk.told("the client", &[(&name, text.as_bytes())]);
    let settled = desk.settled();
    assert_eq!(settled.last().unwrap()["outcome"], "loaded", "{settled:?}");
    for (ending, word) in [("txt", "ACCEPTED"), ("json", "\"loaded\"")] {
        let (from, to) = (format!("/receipts/{name}.receipt.{ending}"), desk.service().dir().join(format!("fetched.{ending}")));
        let Some(ran) = client.act(&desk.door(), Act::Get { from: &from, file: to.to_str().unwrap() }) else {
            return NOT_OFFERED;
        };
        fine(&ran);
        let fetched = fs::read_to_string(to).unwrap();
        assert!(fetched.contains(word) && fetched.contains(&name), "{fetched}");
        assert_eq!(desk.stat(&from).unwrap().bytes, size(fetched.as_bytes()));
    }
    YES
}

fn too_large(desk: &Desk, client: &Client) -> &'static str {
    let bytes = content(SMALL * 3, 9);
    let (file, to) = (desk.file("large.csv", &bytes), "/inbox/large.csv");
    let ran = client.act(&desk.small_door(), Act::Put { file: &file, to }).unwrap();
    failed(&ran);
    assert_eq!(ran.stderr.contains(SESSION_ENDED), client.ends_at_a_refusal, "{ran:?}");
    desk.told("the client", &[]);
    assert_eq!(desk.small_stat(to), None, "a refused file is not there");
    FAILS
}

/// All bytes have arrived, and the daemon cannot keep them: only the answer to CLOSE (or RENAME) can say so.
/// An older file has the name and the size: a client that only looks whether the file is there must not find that one.
fn not_stored(desk: &Desk, client: &Client) -> &'static str {
    let older = content(5_000, 9);
    let file = desk.file("unstored.csv", &older);
    let long_ago = UNIX_EPOCH + Duration::from_secs(1_500_000_000);
    fs::File::options().write(true).open(&file).unwrap().set_modified(long_ago).unwrap();
    fine(&client.act(&desk.door(), Act::Put { file: &file, to: "/inbox/unstored.csv" }).unwrap());
    desk.told("the client", &[("unstored.csv", &older)]);
    desk.settled();
    let state = desk.service().state();
    let staged = names(&state.join("uploads"));
    let (there, away) = (state.join("deliveries").display().to_string(), state.join("away").display().to_string());
    run("mv", &[&there, &away], b"").fine();
    let bytes = content(5_000, 10);
    let ran = put(desk, client, "unstored.csv", &bytes);
    run("mv", &[&away, &there], b"").fine();
    desk.told("the client", &[]);
    assert_eq!(desk.stat("/inbox/unstored.csv"), None, "what was not stored is not there");
    assert_eq!(names(&state.join("uploads")), staged, "and takes no room");
    if ran.code == Some(0) {
        return "**not noticed by the client**";
    }
    failed(&ran);
    FAILS
}

fn wrong_folder(desk: &Desk, client: &Client) -> &'static str {
    let bytes = content(40, 11);
    let file = desk.file("lost.csv", &bytes);
    for to in ["/receipts/lost.csv", "/elsewhere/lost.csv"] {
        failed(&client.act(&desk.door(), Act::Put { file: &file, to }).unwrap());
        desk.told("the client", &[]);
        assert_eq!(desk.stat(to), None, "{to}");
    }
    FAILS
}

fn wrong_key(desk: &Desk, client: &Client) -> &'static str {
    let file = desk.file("stranger.csv", &content(40, 12));
    failed(&client.act(&desk.strangers_door(), Act::Put { file: &file, to: "/inbox/stranger.csv" }).unwrap());
    desk.told("the client", &[]);
    assert_eq!(desk.stat("/inbox/stranger.csv"), None);
    FAILS
}
