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

use bedfeed::feed::{DeliveryId, Digest, FileName, Persons, ProviderCode, Rule, Slot, Totals};
use bedfeed::normalise::reference::Reference;
use bedfeed::pipeline::assess::{Assessment, Context, Part, assess};
use bedfeed::simulator::{Layout, Options, World, extract, resized};
use bedfeed::verify::{History, PastSnapshot, SameHour, Verdict};
use jiff::{SignedDuration, Timestamp};
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

/// A snapshot that was accepted before, or since.
fn accepted(slot: Slot, version: u32, received_at: Timestamp, files: &Files) -> PastSnapshot {
    PastSnapshot {
        lead: DeliveryId::new(received_at, [9; 10]),
        files: files.iter().map(|(name, _)| (name.clone(), Digest::of(b"other figures"))).collect(),
        slot,
        first: version,
        version,
        received_at,
        snapshot_at: slot.start(),
        sequence: Some(version),
        content: Digest::of(b"other figures"),
        coverage: None,
        totals: Totals { occupied: 30, empty: 10, available_now: 10, ..Totals::default() },
        fingerprint: Some(u64::from(version)),
    }
}

/// A quarter-hourly feed's past up to a delivery: so many slots, and the same hour of four weeks.
fn past(slots: i32, files: &Files) -> History {
    let slot = Slot::containing(at(RECEIVED));
    let before = |n: i32| accepted(slot.plus(-n), 1, slot.plus(-n).start() + SignedDuration::from_mins(3), files);
    let persons = Persons { counted: 30, gender_unknown: 1, age_unknown: 1 };
    let day = |n: i32| slot.plus(-96 * n);
    let usual = |n| SameHour { slot: day(n), received_at: day(n).start(), demand: Some(5), persons: Some(persons) };
    History { accepted: (1..=slots).rev().map(before).collect(), same_hour: (1..=28).map(usual).collect() }
}

/// The same, grown by what came since: later slots, other versions of this slot and of earlier ones, names used again.
fn grown(mut history: History, files: &Files) -> History {
    let slot = Slot::containing(at(RECEIVED));
    for (n, later) in (1..).zip([0, 0, 1, 2, 7, -1, -5]) {
        let received_at = at(RECEIVED) + SignedDuration::from_mins(7 * i64::from(n));
        history.accepted.push(accepted(slot.plus(later), 40 + n, received_at, files));
    }
    let persons = Persons { counted: 300, gender_unknown: 0, age_unknown: 300 };
    let since = at(RECEIVED) + SignedDuration::from_hours(1);
    history.same_hour.push(SameHour { slot: slot.plus(-96), received_at: since, demand: Some(500), persons: Some(persons) });
    history
}

/// Judges files with nothing accepted before.
fn judge(layout: Layout, files: &Files) -> Assessment {
    judge_after(layout, files, &History::default(), false)
}

/// Judges files after a past, the parts given from the front or from the back.
fn judge_after(layout: Layout, files: &Files, history: &History, backwards: bool) -> Assessment {
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
    assess(&parts, &Context { feed, reference, history, received_at, now: received_at, released: false })
}

/// What every assessment of anything keeps to.
fn holds(layout: Layout, files: &Files) -> Assessment {
    let history = past(20, files);
    let assessment = judge_after(layout, files, &history, false);
    assert_eq!(judge_after(layout, files, &history, false), assessment, "{layout:?}: judged again");
    assert_eq!(judge_after(layout, files, &history, true), assessment, "{layout:?}: parts in another order");
    assert_eq!(judge_after(layout, files, &grown(history, files), false), assessment, "{layout:?}: judged again with what came since");
    let first = judge(layout, files);
    assert_eq!(judge_after(layout, files, &grown(History::default(), files), false), first, "{layout:?}: the first file, judged later");
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

/// One of the files cut short, with whatever stands beside it.
fn cut(files: &Files, which: usize, length: usize, beside: impl Fn(&str, &[u8]) -> Option<Vec<u8>>) -> Files {
    let (name, bytes) = &files[which];
    let data = &bytes[..length];
    let others = files.iter().enumerate().map(|(at, (other, bytes))| match at == which {
        true => (other.clone(), data.to_vec()),
        false => (other.clone(), beside(name, data).unwrap_or_else(|| bytes.clone())),
    });
    others.collect()
}

fn keep(_: &str, _: &[u8]) -> Option<Vec<u8>> {
    None
}

fn lines(assessment: &Assessment) -> Option<Vec<Vec<String>>> {
    match &assessment.verdict {
        Verdict::Accepted(verified) => Some(verified.snapshot().lines.iter().map(compact).collect()),
        _ => None,
    }
}

fn whole(layout: Layout, files: &Files) -> Vec<Vec<String>> {
    let assessment = judge(layout, files);
    lines(&assessment).unwrap_or_else(|| panic!("{layout:?} {:?}", assessment.report.findings))
}

#[test]
fn a_file_cut_at_any_byte_is_never_taken_for_the_whole() {
    // The checksum of what is left: a sender who cut the file before summing it. The total row must tell.
    let summed = |name: &str, data: &[u8]| Some(format!("{}  {name}\n", Digest::of(data)).into_bytes());
    let hold = |layout: Layout| {
        let files = written(layout, 3);
        let whole = whole(layout, &files);
        for cut_at in 0..files[0].1.len() {
            let assessment = judge(layout, &cut(&files, 0, cut_at, keep));
            let taken = lines(&assessment);
            match layout {
                // A checksum beside it, a checksum in the control file, an archive's own.
                Layout::Rm1 | Layout::Rmy | Layout::Ry3 => assert_eq!(taken, None, "{layout:?} at {cut_at}"),
                // A last line that counts the rows; nothing does, but each ward that is gone is missed.
                Layout::Rcx | Layout::Rgp => {
                    assert!(taken.is_none_or(|taken| taken == whole), "{layout:?} at {cut_at}: a part was taken for the whole");
                }
                // Nothing counts the rows, and homes may be missing. Within a row the file is refused, or the row is; at its end
                // the missing line end and each missing home are told of. Nothing can tell of a home that nobody registered.
                Layout::Ncc => {
                    let findings = &assessment.report.findings;
                    let told = findings.count_of(Rule::Xro04) > 0 || findings.count_of(Rule::Str10) > 0;
                    let begun = files[0].1[..cut_at].rsplit(|byte| *byte == b'\n').next().unwrap();
                    let commas = begun.iter().filter(|byte| **byte == b',').count();
                    let within = !begun.is_empty() && commas < 9;
                    assert!(taken.is_none_or(|taken| taken == whole || (told && !within)), "NCC at {cut_at}: {findings:?}");
                }
            }
            if layout == Layout::Rm1 {
                let taken = lines(&judge(layout, &cut(&files, 0, cut_at, summed)));
                assert!(taken.is_none_or(|taken| taken == whole), "total row, at {cut_at}: a part was taken for the whole");
            }
        }
    };
    // Side by side, for each cut is judged by itself.
    std::thread::scope(|scope| {
        for layout in Layout::ALL {
            scope.spawn(move || hold(layout));
        }
    });
}

#[test]
fn what_stands_beside_the_beds_is_never_taken_for_the_whole_either() {
    let mut cuts = 0;
    for layout in Layout::ALL {
        let files = written(layout, 3);
        let whole = whole(layout, &files);
        for (which, (name, bytes)) in files.iter().enumerate().skip(1) {
            for cut_at in 0..bytes.len() {
                cuts += 1;
                let taken = lines(&judge(layout, &cut(&files, which, cut_at, keep)));
                // A list of waiting patients says nothing of its length: of one that ends with a line's end, nothing can tell. The
                // beds are all there, and so is every patient up to the cut.
                let ends = cut_at > 0 && matches!(bytes[cut_at - 1], b'\n' | b'\r');
                let part = |taken: &Vec<Vec<String>>| {
                    let shorter = taken.len() < whole.len() && whole.starts_with(taken);
                    shorter && whole[taken.len()..].iter().all(|line| line.contains(&"line_type=DEM".to_owned()))
                };
                let fits = |taken: &Vec<Vec<String>>| *taken == whole || layout == Layout::Rgp && ends && part(taken);
                assert!(taken.as_ref().is_none_or(fits), "{name} at {cut_at}: a part was taken for the whole");
            }
        }
    }
    assert!(cuts > 300, "a list, a checksum and a control record are cut: {cuts}");
}

/// Slots of the past that rules look at.
const REACH: i32 = 192;

/// Nanoseconds of processor time that this thread has had: waiting for a busy machine does not count.
fn processor_time() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split_whitespace().next().unwrap().parse().unwrap()
}

fn rows<'a>(row: &'a dyn Fn(usize) -> String) -> impl Fn(usize) -> String + 'a {
    move |n| (0..n).map(row).collect()
}

/// The processor time of judging files after a past, in nanoseconds: the least of two tries.
fn took(layout: Layout, files: &Files, history: &History) -> u64 {
    let once = || {
        let before = processor_time();
        judge_after(layout, files, history, false);
        processor_time() - before
    };
    (0..2).map(|_| once()).min().unwrap()
}

/// What a large input costs, and what an eighth of it does, where the one is more than twelve times the other: it is eight times
/// in linear time, and 64 times with the square. Such a pair is measured anew, for a busy machine is not slow three times in
/// the same place. An eighth that costs less than a tick of the clock by which processor time is told counts as one.
fn grows_with_the_square(took: impl Fn(usize) -> u64) -> Option<(u64, u64)> {
    const LARGE: usize = 12_800;
    const TICK: u64 = 10_000_000;
    let pair = || Some((took(LARGE / 8).max(TICK), took(LARGE))).filter(|(small, large)| *large > small.saturating_mul(12));
    pair().and_then(|_| pair()).and_then(|_| pair())
}

fn assert_linear(what: &str, took: impl Fn(usize) -> u64) {
    assert_eq!(grows_with_the_square(took), None, "{what}: nanoseconds for so much, and for eight times as much");
}

#[test]
fn a_search_through_all_rows_before_is_told_from_linear_time() {
    // Nanoseconds a file, a row, and a step of a search through the rows before.
    let rows = [
        (0, 60_000, 0, false),
        (20_000_000, 60_000, 0, false),
        (20_000_000, 60_000, 1, false),
        (0, 60_000, 10, true),
        (20_000_000, 60_000, 20, true),
        (0, 120_000, 20, true),
        (20_000_000, 10_000, 10, true),
    ];
    for (file, row, step, expected) in rows {
        let took = |n: usize| {
            let n = u64::try_from(n).unwrap();
            file + row * n + step * n * n / 2
        };
        assert_eq!(grows_with_the_square(took).is_some(), expected, "{file} + {row} a row + {step} a step");
    }
    let last = std::cell::Cell::new(0_usize);
    let slow_once = |n: usize| {
        last.set(last.get() + 1);
        if last.get() == 2 { u64::MAX } else { u64::try_from(n).unwrap() }
    };
    assert_eq!(grows_with_the_square(slow_once), None, "a busy machine");
}

#[test]
fn time_is_linear_in_the_input_of_every_layout_and_in_the_past() {
    for layout in Layout::ALL {
        let rows = |rows: usize| layouts::long(layout, rows);
        assert!(judge(layout, &rows(400)).report.rows.read >= 400, "{layout:?}: every row is read");
        // Judging is the same for all of them but for a mapping: one tells of it, and all do where there is time.
        if layout == Layout::Rm1 || std::env::var_os("BEDFEED_FUZZ_ROUNDS").is_some() {
            assert_linear(layout.code(), |n| took(layout, &rows(n), &past(REACH, &rows(1))));
            // A past that goes back further than any rule looks.
            assert_linear(&format!("{} after a long past", layout.code()), |n| {
                took(layout, &rows(40), &past(i32::try_from(n).unwrap(), &rows(40)))
            });
        }
    }
}

#[test]
fn time_is_linear_in_strange_input() {
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
    let sent = |body: &str| -> Files {
        let name = "RM1_BEDSTATE_20181203_1015.csv".to_owned();
        let data = format!("{HEAD}{body}").into_bytes();
        let sum = format!("{}  {name}\n", Digest::of(&data)).into_bytes();
        vec![(name.clone(), data), (format!("{name}.sha256"), sum)]
    };
    for (what, shape) in &shapes {
        assert_linear(what, |n| took(Layout::Rm1, &sent(&shape(n)), &History::default()));
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
    let kept = |rows| judge(Layout::Rcx, &files(rows)).report.findings.iter().count();
    assert_eq!(kept(400), kept(4000));
}
