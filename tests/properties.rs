//! What holds for any file at all: an assessment and never a panic, the same one every time, every row accounted for, and
//! never a part of a file taken for the whole.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test may fail loudly"
)]

#[path = "properties/layouts.rs"]
mod layouts;
mod judging;

use bedfeed::feed::{DeliveryId, Digest, FileName, ProviderCode};
use bedfeed::normalise::reference::Reference;
use bedfeed::pipeline::assess::{Assessment, Context, Part, assess};
use bedfeed::simulator::{Layout, Options, World, extract, resized};
use bedfeed::verify::{History, Verdict};
use judging::{Desk, Files, RECEIVED, at, compact, zip_of};
use layouts::{Bed, Person, State};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::Config;
use std::sync::LazyLock;

static DESK: LazyLock<Desk> = LazyLock::new(Desk::shipped);

fn config(cases: u32) -> Config {
    // A failure is printed with its input; nothing is written beside the sources.
    Config { cases, failure_persistence: None, max_shrink_iters: 200, ..Config::default() }
}

fn layout() -> impl Strategy<Value = Layout> {
    select(Layout::ALL.to_vec())
}

/// Beds of every provider: about one a ward.
const BEDS: u32 = 40;

/// The shipped register with as few beds.
static REFERENCE: LazyLock<Reference> = LazyLock::new(|| {
    let codes = Layout::ALL.map(|layout| layout.code().parse::<ProviderCode>().unwrap());
    codes.iter().fold(DESK.settings.reference.clone(), |reference, code| resized(&reference, code, BEDS))
});

/// A simulated extract of a few beds.
fn written(layout: Layout, seed: u64) -> Files {
    let provider: ProviderCode = layout.code().parse().unwrap();
    let made = at("2018-12-03T10:15:00Z");
    let world = World::with_layouts(&REFERENCE, seed, made, &[(provider.clone(), layout)]).unwrap();
    let files = extract(&world, &provider, made, &Options::default()).unwrap();
    files.into_iter().map(|file| (file.name, file.bytes)).collect()
}

/// Judges files, the parts given from the front or from the back.
fn judge(layout: Layout, files: &Files, backwards: bool) -> Assessment {
    let received_at = at(RECEIVED);
    let names: Vec<FileName> = files.iter().map(|(name, _)| FileName::parse(name.as_bytes()).unwrap()).collect();
    let mut parts: Vec<Part<'_>> = files
        .iter()
        .zip(&names)
        .zip(1_u8..)
        .map(|(((_, bytes), name), n)| Part { delivery: DeliveryId::new(received_at, [n; 10]), name, sha256: Digest::of(bytes), bytes })
        .collect();
    if backwards {
        parts.reverse();
    }
    let (feed, reference) = (DESK.feed(layout.code()), &*REFERENCE);
    let history = History::default();
    assess(&parts, &Context { feed, reference, history: &history, received_at, now: received_at, released: false })
}

/// What every assessment of anything keeps to.
fn holds(layout: Layout, files: &Files) -> Assessment {
    let assessment = judge(layout, files, false);
    assert_eq!(judge(layout, files, false), assessment, "{layout:?}: judged again");
    assert_eq!(judge(layout, files, true), assessment, "{layout:?}: parts in another order");
    let rows = &assessment.report.rows;
    if assessment.report.totals.is_some() {
        assert_eq!(rows.read, rows.used + rows.skipped + rows.rejected, "{layout:?}: {rows:?}");
    }
    if assessment.verdict == Verdict::Sealed {
        assert!(assessment.report.unknown_wards.is_empty());
    }
    assessment
}

/// One change to some bytes.
#[derive(Clone, Debug)]
enum Edit {
    Replace(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Repeat(Index, usize),
    Cut(Index),
}

fn edit() -> impl Strategy<Value = Edit> {
    let special =
        select(vec![&b"\""[..], b",", b"|", b"\n", b"\r\n", b"\0", b"\xff\xfe", b"=1", b"\xef\xbb\xbf", b"9434765919", b"TOTAL", b"-1"]);
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Edit::Replace(at, byte)),
        (any::<Index>(), special).prop_map(|(at, text)| Edit::Insert(at, text.to_vec())),
        (any::<Index>(), 1_usize..40).prop_map(|(at, length)| Edit::Remove(at, length)),
        (any::<Index>(), 1_usize..200).prop_map(|(at, length)| Edit::Repeat(at, length)),
        any::<Index>().prop_map(Edit::Cut),
    ]
}

fn edited(mut bytes: Vec<u8>, edit: &Edit) -> Vec<u8> {
    let place = |at: &Index| at.index(bytes.len() + 1);
    match edit {
        Edit::Replace(at, with) => {
            let at = place(at);
            if let Some(byte) = bytes.get_mut(at) {
                *byte = *with;
            }
        }
        Edit::Insert(at, text) => {
            let at = place(at);
            bytes.splice(at..at, text.iter().copied());
        }
        Edit::Remove(at, length) => {
            let at = place(at);
            bytes.drain(at..(at + length).min(bytes.len()));
        }
        Edit::Repeat(at, length) => {
            let at = place(at);
            let piece = bytes[at..(at + length).min(bytes.len())].to_vec();
            bytes.splice(at..at, piece);
        }
        Edit::Cut(at) => bytes.truncate(place(at)),
    }
    bytes
}

/// An archive whose members are changed, so that changes are not all lost on its packing.
fn with_members_edited(archive: &[u8], which: Index, edits: &[Edit]) -> Vec<u8> {
    let mut opened = zip::ZipArchive::new(std::io::Cursor::new(archive)).unwrap();
    let mut members: Vec<(String, Vec<u8>)> = Vec::new();
    for at in 0..opened.len() {
        let mut member = opened.by_index(at).unwrap();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut member, &mut bytes).unwrap();
        members.push((member.name().unwrap().into_owned(), bytes));
    }
    let chosen = which.index(members.len());
    members[chosen].1 = edits.iter().fold(std::mem::take(&mut members[chosen].1), edited);
    let members: Vec<(&str, &[u8])> = members.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    zip_of(&members)
}

proptest! {
    #![proptest_config(config(60))]

    #[test]
    fn any_bytes_give_an_assessment(layout in layout(), contents in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 3)) {
        let names = written(layout, 1).into_iter().map(|(name, _)| name);
        holds(layout, &names.zip(contents).collect());
    }

    #[test]
    fn any_damage_gives_an_assessment(
        layout in layout(),
        seed in 0_u64..20,
        which in any::<Index>(),
        edits in prop::collection::vec(edit(), 1..6),
        inside in any::<bool>(),
    ) {
        let mut files = written(layout, seed);
        let chosen = which.index(files.len());
        let before = std::mem::take(&mut files[chosen].1);
        files[chosen].1 = if inside && layout == Layout::Ry3 {
            with_members_edited(&before, which, &edits)
        } else {
            edits.iter().fold(before, edited)
        };
        holds(layout, &files);
    }
}

fn person() -> impl Strategy<Value = Person> {
    (any::<bool>(), 0_u16..=104).prop_map(|(male, age)| Person { male, age })
}

fn bed() -> impl Strategy<Value = Bed> {
    let state = prop_oneof![
        4 => person().prop_map(State::Occupied),
        1 => Just(State::Ready),
        1 => Just(State::Cleaning),
        1 => Just(State::Infection),
        1 => Just(State::Staffing),
    ];
    (0_usize..3, state).prop_map(|(ward, state)| Bed { ward, state })
}

proptest! {
    #![proptest_config(config(40))]

    #[test]
    fn lines_written_in_a_layout_are_read_back(layout in layout(), beds in prop::collection::vec(bed(), 1..40)) {
        let (files, mut expected) = layouts::written(layout, &beds);
        let read = DESK.read(layout.code(), &files, at(RECEIVED));
        let mut found: Vec<Vec<String>> = read.lines.iter().map(|line| compact(&line.line)).collect();
        found.sort();
        expected.sort();
        prop_assert_eq!(found, expected, "{:?} {:?}", layout, read.findings);
    }
}

/// A file cut short, with whatever stands beside it.
fn cut(files: &Files, length: usize, beside: impl Fn(&str, &[u8]) -> Option<Vec<u8>>) -> Files {
    let (name, bytes) = &files[0];
    let data = bytes[..length].to_vec();
    let others = files[1..].iter().map(|(other, bytes)| (other.clone(), beside(name, &data).unwrap_or_else(|| bytes.clone())));
    std::iter::once((name.clone(), data.clone())).chain(others).collect()
}

fn lines(assessment: &Assessment) -> Option<Vec<Vec<String>>> {
    match &assessment.verdict {
        Verdict::Accepted(verified) => Some(verified.snapshot().lines.iter().map(compact).collect()),
        _ => None,
    }
}

#[test]
fn a_file_cut_at_any_byte_is_never_taken_for_the_whole() {
    let keep = |_: &str, _: &[u8]| None;
    // The checksum of what is left: a sender who cut the file before summing it. The total row must tell.
    let summed = |name: &str, data: &[u8]| Some(format!("{}  {name}\n", Digest::of(data)).into_bytes());
    for layout in Layout::ALL {
        let files = written(layout, 3);
        let whole =
            lines(&judge(layout, &files, false)).unwrap_or_else(|| panic!("{layout:?} {:?}", judge(layout, &files, false).report.findings));
        let length = files[0].1.len();
        for cut_at in 0..length {
            let taken = |files: &Files| lines(&judge(layout, files, false));
            match layout {
                // A checksum beside it, a checksum in the control file, an archive's own.
                Layout::Rm1 | Layout::Rmy | Layout::Ry3 => assert_eq!(taken(&cut(&files, cut_at, keep)), None, "{layout:?} at {cut_at}"),
                Layout::Rcx => {
                    let taken = taken(&cut(&files, cut_at, keep));
                    assert!(taken.is_none_or(|taken| taken == whole), "{layout:?} at {cut_at}: a part was taken for the whole");
                }
                // Nothing counts its rows; that the last line ends is all there is.
                Layout::Rgp => {
                    let ends = cut_at > 0 && matches!(files[0].1[cut_at - 1], b'\n' | b'\r');
                    let taken = taken(&cut(&files, cut_at, keep));
                    assert!(taken.is_none() || ends, "{layout:?} at {cut_at}");
                }
                Layout::Ncc => {}
            }
            if layout == Layout::Rm1 {
                let taken = taken(&cut(&files, cut_at, summed));
                assert!(taken.is_none_or(|taken| taken == whole), "total row, at {cut_at}: a part was taken for the whole");
            }
        }
    }
}

/// Some ticks of the clock that processor time is counted by, in nanoseconds.
const TICKS: u64 = 12_000_000;

/// Nanoseconds of processor time that this thread has had: waiting for a busy machine does not count.
fn processor_time() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split_whitespace().next().unwrap().parse().unwrap()
}

fn rows<'a>(row: &'a dyn Fn(usize) -> String) -> impl Fn(usize) -> String + 'a {
    move |n| (0..n).map(row).collect()
}

#[test]
fn time_is_linear_in_the_input() {
    const HEAD: &str = "EXTRACT_DTTM,SITE,WARD_CODE,WARD_DESC,BAY,BED,STATUS,SEX,AGE,SPEC,LOC,DTA_DTTM\n";
    let good = |n: usize| format!("03/12/2018 10:15,RM102,W01,Ward,B,{n},OCC,F,83,300,IP,\n");
    type Shape<'a> = (&'a str, Box<dyn Fn(usize) -> String + 'a>);
    let (many_wards, unknown, same) =
        (|n: usize| good(n).replace("W01", &format!("W{n}")), |n: usize| good(n).replace("OCC", &format!("NEW{n}")), |_: usize| good(1));
    let (times, quotes, bad) = (
        |n: usize| good(n).replace("10:15,", &format!("10:{:02},", n % 60)),
        |n: usize| good(n).replace("Ward", "\"a \"\"quoted\"\" \"\"ward\"\"\""),
        |n: usize| good(n).replace("83", "=1+1").replace("RM102", &format!("X{n}")),
    );
    let shapes: [Shape<'_>; 11] = [
        ("good rows", Box::new(rows(&good))),
        ("many wards", Box::new(rows(&many_wards))),
        ("many unknown codes", Box::new(rows(&unknown))),
        ("one bed again and again", Box::new(rows(&same))),
        ("many times", Box::new(rows(&times))),
        ("many quotes", Box::new(rows(&quotes))),
        ("all rows bad", Box::new(rows(&bad))),
        ("one long line", Box::new(|n| ",".repeat(n * 60))),
        ("one long field", Box::new(|n| format!("\"{}", "x\n".repeat(n * 30)))),
        ("quotes alone", Box::new(|n| "\"".repeat(n * 60))),
        ("line ends alone", Box::new(|n| "\n\r".repeat(n * 30))),
    ];
    let took = |body: &str| {
        let name = "RM1_BEDSTATE_20181203_1015.csv".to_owned();
        let data = format!("{HEAD}{body}").into_bytes();
        let sum = format!("{}  {name}\n", Digest::of(&data)).into_bytes();
        let files = vec![(name.clone(), data), (format!("{name}.sha256"), sum)];
        let once = || {
            let before = processor_time();
            judge(Layout::Rm1, &files, false);
            processor_time() - before
        };
        (0..3).map(|_| once()).min().unwrap()
    };
    for (what, shape) in &shapes {
        // Eight times the input: eight times the work, or 64 times where it grows with the square.
        let (small, large) = (took(&shape(400)), took(&shape(3200)));
        assert!(large < 24 * small.max(TICKS), "{what}: {small} ns, then {large} ns for eight times as much");
    }
}

#[test]
fn findings_of_one_kind_do_not_grow_with_the_file() {
    let files = |rows: usize| {
        let mut files = written(Layout::Rcx, 3);
        let bad = "D|RCX70|NORTH1|A|03|?|1|x|430|C\n".repeat(rows);
        files[0].1 = [files[0].1.as_slice(), bad.as_bytes()].concat();
        files
    };
    let kept = |rows| judge(Layout::Rcx, &files(rows), false).report.findings.iter().count();
    assert_eq!(kept(400), kept(4000));
}
