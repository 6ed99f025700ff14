//! Whole weekends on which the clocks change, in all six providers' own layouts: every slot is filled, none twice, however
//! the files come.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test may fail loudly"
)]

mod judging;

use bedfeed::feed::{DeliveryId, Digest, FileName, LONDON, ProviderCode, RepeatedBy, Report, Rule, Slot, TimeRule, local_day_slots};
use bedfeed::normalise::mapping::SourceZone;
use bedfeed::normalise::names::parse_pattern;
use bedfeed::normalise::reference::Reference;
use bedfeed::pipeline::assess::{Assessment, Context, Part, assess};
use bedfeed::simulator::{Layout, Options, SourceClock, World, extract, resized};
use bedfeed::verify::{Feed, History, PastSnapshot, Verdict};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use judging::{Desk, Files, Noise};
use std::collections::BTreeSet;

/// The Sundays, and how many slots each has.
const SUNDAYS: [(&str, usize); 3] = [("2018-10-28", 100), ("2019-03-31", 92), ("2026-10-25", 100)];

/// Enough for every quirk of a layout, few enough for thousands of files.
const BEDS: u32 = 40;

const LATE: SignedDuration = SignedDuration::from_mins(3);

/// One extract: the slot it is meant for, when it arrives, its files.
#[derive(Clone)]
struct Sent {
    meant: Slot,
    received: Timestamp,
    files: Files,
}

/// Shipped settings on a small county.
struct Weekend {
    desk: Desk,
    reference: Reference,
}

impl Weekend {
    fn new() -> Self {
        let desk = Desk::shipped();
        let mut reference = desk.settings.reference.clone();
        for layout in Layout::ALL {
            reference = resized(&reference, &code(layout), BEDS);
        }
        Self { desk, reference }
    }

    /// A provider's extracts for some slots, each received on time.
    fn written(&self, layout: Layout, slots: &[Slot], clock: SourceClock) -> Vec<Sent> {
        let provider = code(layout);
        let first = slots[0].start();
        let mut world = World::with_layouts(&self.reference, 7, first, &[(provider.clone(), layout)]).unwrap();
        let options = Options { clock, ..Options::default() };
        let write = |slot: &Slot| {
            let made = slot.start();
            let files = extract(&world, &provider, made, &options).unwrap();
            world.advance();
            let files = files.into_iter().map(|file| (file.name, file.bytes)).collect();
            Sent { meant: *slot, received: made.saturating_add(LATE).unwrap(), files }
        };
        slots.iter().map(write).collect()
    }

    /// The feed of a provider whose system goes by a clock.
    fn feed(&self, layout: Layout, clock: SourceClock) -> Feed {
        let mut feed = self.desk.feed(layout.code()).clone();
        for mapping in &mut feed.mappings {
            match clock {
                SourceClock::Local => {}
                SourceClock::FixedGmt => mapping.zone = SourceZone::FixedGmt,
                SourceClock::Said if layout == Layout::Ncc => {
                    mapping.files[0].name = parse_pattern("NCC_CAREHOME_CAPACITY_{yyyy}{mm}{dd}{HH}{MM}Z.csv").unwrap();
                }
                SourceClock::Said => {}
            }
        }
        feed
    }

    /// Judges extracts in the order given, each with what was accepted before it.
    fn judge(&self, feed: &Feed, sent: &[Sent]) -> Vec<Assessment> {
        self.judge_all(feed, sent).0
    }

    /// The same, and what had been accepted in the end.
    fn judge_all(&self, feed: &Feed, sent: &[Sent]) -> (Vec<Assessment>, History) {
        let mut history = History::default();
        let mut judged = Vec::new();
        for (turn, sent) in sent.iter().enumerate() {
            let assessment = self.judge_one(feed, turn, sent, &history);
            if let Verdict::Accepted(verified) = &assessment.verdict {
                let snapshot = verified.snapshot();
                let version = history.accepted.iter().filter(|past| past.slot == snapshot.slot).count();
                history.accepted.push(PastSnapshot {
                    lead: sent.id(turn, 0),
                    files: sent.files.iter().map(|(name, bytes)| (name.clone(), Digest::of(bytes))).collect(),
                    received_at: sent.received,
                    slot: snapshot.slot,
                    first: u32::try_from(version).unwrap() + 1,
                    version: u32::try_from(version).unwrap() + 1,
                    snapshot_at: snapshot.snapshot_at,
                    sequence: snapshot.sequence,
                    content: snapshot.content,
                    coverage: assessment.report.coverage,
                    totals: snapshot.totals,
                    fingerprint: assessment.report.fingerprint,
                });
            }
            judged.push(assessment);
        }
        (judged, history)
    }

    /// Judges the extract that came as number `turn` against some past.
    fn judge_one(&self, feed: &Feed, turn: usize, sent: &Sent, history: &History) -> Assessment {
        let names: Vec<_> = sent.files.iter().map(|(name, _)| FileName::parse(name.as_bytes()).unwrap()).collect();
        let with_bytes = names.iter().zip(&sent.files).enumerate();
        let parts: Vec<Part<'_>> =
            with_bytes.map(|(n, (name, (_, bytes)))| Part { delivery: sent.id(turn, n), name, sha256: Digest::of(bytes), bytes }).collect();
        let (received_at, reference) = (sent.received, &self.reference);
        assess(&parts, &Context { feed, reference, history, received_at, now: received_at, released: false })
    }
}

impl Sent {
    fn id(&self, turn: usize, part: usize) -> DeliveryId {
        DeliveryId::new(self.received, [u8::try_from((turn * 2 + part) & 0xff).unwrap(); 10])
    }
}

fn code(layout: Layout) -> ProviderCode {
    layout.code().parse().unwrap()
}

fn london() -> TimeZone {
    TimeZone::get(LONDON).unwrap()
}

fn days(sunday: &str) -> [Date; 3] {
    let sunday: Date = sunday.parse().unwrap();
    [sunday.checked_sub(1.day()).unwrap(), sunday, sunday.checked_add(1.day()).unwrap()]
}

/// The slots from ten in the evening to eight in the morning.
fn night(sunday: &str) -> Vec<Slot> {
    let [saturday, sunday, _] = days(sunday);
    let (evening, morning) = (local_day_slots(saturday, &london()), local_day_slots(sunday, &london()));
    evening[88..].iter().chain(&morning[..36]).copied().collect()
}

/// The slots of 00:00 to 02:00 UTC: summer time's last hour and winter time's first.
fn is_dark(slot: Slot, sunday: &str) -> bool {
    let midnight: Timestamp = format!("{sunday}T00:00:00Z").parse().unwrap();
    (0..8).contains(&slot.slots_after(Slot::containing(midnight)))
}

/// The slots that accepted snapshots fill, in the order of arrival; nothing may be rejected.
fn filled(judged: &[Assessment], what: &str) -> Vec<Slot> {
    let slot = |assessment: &Assessment| match &assessment.verdict {
        Verdict::Accepted(verified) => Some(verified.snapshot().slot),
        Verdict::Duplicate { .. } => None,
        other => panic!("{what}: {other:?} {:?}", assessment.report.findings),
    };
    judged.iter().filter_map(slot).collect()
}

fn meant(sent: &[Sent]) -> Vec<Slot> {
    sent.iter().map(|sent| sent.meant).collect()
}

/// Every slot is filled, and none twice; which of the two hours a file belongs to may be open.
fn each_once(judged: &[Assessment], sent: &[Sent], what: &str) {
    let filled = filled(judged, what);
    assert_eq!(filled.len(), sent.len(), "{what}");
    assert_eq!(filled.iter().collect::<BTreeSet<_>>(), meant(sent).iter().collect::<BTreeSet<_>>(), "{what}");
}

#[test]
fn a_weekend_of_files_on_time_fills_every_slot_once() {
    let weekend = Weekend::new();
    for (sunday, slots) in SUNDAYS {
        let all: Vec<Slot> = days(sunday).iter().flat_map(|day| local_day_slots(*day, &london())).collect();
        assert_eq!((all.len(), local_day_slots(days(sunday)[1], &london()).len()), (192 + slots, slots), "{sunday}");
        for layout in Layout::ALL {
            let what = format!("{sunday} {layout:?}");
            let sent = weekend.written(layout, &all, SourceClock::Local);
            let judged = weekend.judge(&weekend.feed(layout, SourceClock::Local), &sent);
            assert_eq!(filled(&judged, &what), all, "{what}");
            for (assessment, sent) in judged.iter().zip(&sent) {
                let findings = &assessment.report.findings;
                let warned = findings.iter().any(|finding| finding.rule == Rule::Tim06 && finding.message.starts_with("The repeated hour"));
                let doubt = slots == 100 && is_dark(sent.meant, sunday) && layout != Layout::Rmy;
                assert_eq!(warned, doubt, "{what} {}: {findings:?}", sent.meant);
                let rule = assessment.report.time_rule.unwrap();
                let repeated = matches!(rule, TimeRule::RepeatedHour { .. });
                assert_eq!(repeated, slots == 100 && is_dark(sent.meant, sunday), "{what} {}", sent.meant);
                // The control file of this one says the offset.
                let told = matches!(rule, TimeRule::RepeatedHour { by: RepeatedBy::Offset, .. });
                assert_eq!(told, repeated && layout == Layout::Rmy, "{what} {rule}");
            }
        }
    }
}

#[test]
fn a_backlog_of_both_hours_fills_eight_slots_and_none_twice() {
    let weekend = Weekend::new();
    for (sunday, _) in SUNDAYS {
        // When the line came back: some hours later, or while the second hour was still running.
        for back in ["T03:00:00Z", "T01:33:00Z", "T01:48:00Z"] {
            let back: Timestamp = format!("{sunday}{back}").parse().unwrap();
            for layout in Layout::ALL {
                let what = format!("{sunday} {layout:?} until {back}");
                let mut sent = weekend.written(layout, &night(sunday), SourceClock::Local);
                for sent in sent.iter_mut().filter(|sent| is_dark(sent.meant, sunday)) {
                    sent.received = sent.received.max(back);
                }
                let judged = weekend.judge(&weekend.feed(layout, SourceClock::Local), &sent);
                assert_eq!(filled(&judged, &what), meant(&sent), "{what}");
            }
        }
    }
}

#[test]
fn an_hour_that_never_came_stays_empty_while_the_other_is_on_time() {
    let weekend = Weekend::new();
    for (sunday, _) in SUNDAYS {
        let first: Timestamp = format!("{sunday}T00:00:00Z").parse().unwrap();
        for layout in Layout::ALL {
            let what = format!("{sunday} {layout:?}");
            let mut sent = weekend.written(layout, &night(sunday), SourceClock::Local);
            sent.retain(|sent| !(0..4).contains(&sent.meant.slots_after(Slot::containing(first))));
            let judged = weekend.judge(&weekend.feed(layout, SourceClock::Local), &sent);
            assert_eq!(filled(&judged, &what), meant(&sent), "{what}");
        }
    }
}

#[test]
fn a_backlog_out_of_order_fills_every_slot_once() {
    let weekend = Weekend::new();
    let mut noise = Noise(20_181_028);
    for (sunday, _) in SUNDAYS {
        let back: Timestamp = format!("{sunday}T03:00:00Z").parse().unwrap();
        for layout in Layout::ALL {
            let what = format!("{sunday} {layout:?}");
            let mut sent = weekend.written(layout, &night(sunday), SourceClock::Local);
            let (mut dark, others): (Vec<Sent>, Vec<Sent>) = sent.drain(..).partition(|sent| is_dark(sent.meant, sunday));
            for n in (1..dark.len()).rev() {
                dark.swap(n, noise.below(n + 1));
            }
            dark.iter_mut().for_each(|sent| sent.received = back);
            let (before, after): (Vec<Sent>, Vec<Sent>) = others.into_iter().partition(|sent| sent.received < back);
            let sent: Vec<Sent> = before.into_iter().chain(dark).chain(after).collect();
            let judged = weekend.judge(&weekend.feed(layout, SourceClock::Local), &sent);
            each_once(&judged, &sent, &what);
            // A running number or an offset says which hour it is; without them nobody could know.
            if matches!(layout, Layout::Rcx | Layout::Rmy) {
                assert_eq!(filled(&judged, &what), meant(&sent), "{what}");
            }
        }
    }
}

#[test]
fn a_file_sent_twice_is_a_duplicate_in_the_repeated_hour_too() {
    let weekend = Weekend::new();
    for (sunday, _) in SUNDAYS {
        // On time, and in a backlog.
        for back in ["T00:00:00Z", "T03:00:00Z"] {
            let back: Timestamp = format!("{sunday}{back}").parse().unwrap();
            for layout in Layout::ALL {
                let what = format!("{sunday} {layout:?} until {back}");
                let mut sent = weekend.written(layout, &night(sunday), SourceClock::Local);
                for sent in sent.iter_mut().filter(|sent| is_dark(sent.meant, sunday)) {
                    sent.received = sent.received.max(back);
                }
                let twice: Vec<Sent> = sent.iter().flat_map(|sent| [sent.clone(), sent.clone()]).collect();
                let judged = weekend.judge(&weekend.feed(layout, SourceClock::Local), &twice);
                assert_eq!(filled(&judged, &what), meant(&sent), "{what}");
                for (n, assessment) in judged.iter().enumerate() {
                    assert_eq!(matches!(assessment.verdict, Verdict::Duplicate { .. }), n % 2 == 1, "{what} {}", twice[n].meant);
                }
            }
        }
    }
}

#[test]
fn systems_that_stay_on_gmt_or_say_their_offset_leave_no_doubt_in_any_order() {
    let weekend = Weekend::new();
    let mut noise = Noise(20_190_331);
    let rows = Layout::ALL.map(|layout| (layout, SourceClock::FixedGmt));
    let said = [Layout::Rm1, Layout::Rmy, Layout::Ry3, Layout::Ncc].map(|layout| (layout, SourceClock::Said));
    for (sunday, _) in SUNDAYS {
        for (layout, clock) in rows.into_iter().chain(said) {
            let what = format!("{sunday} {layout:?} {clock:?}");
            let mut sent = weekend.written(layout, &night(sunday), clock);
            let back = sent.last().unwrap().received;
            sent.iter_mut().for_each(|sent| sent.received = back);
            // Running numbers that fall are another matter.
            if layout != Layout::Rcx {
                for n in (1..sent.len()).rev() {
                    sent.swap(n, noise.below(n + 1));
                }
            }
            let judged = weekend.judge(&weekend.feed(layout, clock), &sent);
            assert_eq!(filled(&judged, &what), meant(&sent), "{what}");
            for assessment in &judged {
                let expected = if clock == SourceClock::Said { TimeRule::Offset } else { TimeRule::FixedGmt };
                assert_eq!(assessment.report.time_rule, Some(expected), "{what}");
            }
        }
    }
}

#[test]
fn judged_again_with_all_that_came_since_says_the_same() {
    let weekend = Weekend::new();
    let mut noise = Noise(20_181_122);
    let (sunday, _) = SUNDAYS[0];
    let back: Timestamp = format!("{sunday}T03:00:00Z").parse().unwrap();
    for layout in Layout::ALL {
        let feed = weekend.feed(layout, SourceClock::Local);
        for round in 0..2 {
            // Some never come; the others of both hours come all at once, in order or not, a second apart.
            let mut sent = weekend.written(layout, &night(sunday), SourceClock::Local);
            sent.retain(|_| noise.below(3) > 0);
            let (mut dark, others): (Vec<Sent>, Vec<Sent>) = sent.drain(..).partition(|sent| is_dark(sent.meant, sunday));
            if round % 2 == 1 {
                for n in (1..dark.len()).rev() {
                    dark.swap(n, noise.below(n + 1));
                }
            }
            for (sent, second) in dark.iter_mut().zip(0..) {
                sent.received = back.saturating_add(SignedDuration::from_secs(second)).unwrap();
            }
            let (before, after): (Vec<Sent>, Vec<Sent>) = others.into_iter().partition(|sent| sent.received < back);
            let sent: Vec<Sent> = before.into_iter().chain(dark).chain(after).collect();
            let (judged, past) = weekend.judge_all(&feed, &sent);
            for (turn, (sent, then)) in sent.iter().zip(&judged).enumerate() {
                // The ledger keeps a report as it is: that is what it is compared with when loading is tried again.
                let kept: Report = serde_json::from_str(&serde_json::to_string(&then.report).unwrap()).unwrap();
                assert_eq!(kept, then.report, "{layout:?} {}", sent.meant);
                // A delivery does not meet itself.
                let mut others = past.clone();
                others.accepted.retain(|past| past.lead != sent.id(turn, 0));
                let now = weekend.judge_one(&feed, turn, sent, &others);
                // A repetition is one whenever the other came: that alone may differ.
                if !matches!(now.verdict, Verdict::Duplicate { .. }) {
                    assert_eq!(now.report, then.report, "{layout:?} {} of round {round}", sent.meant);
                }
            }
        }
    }
}
