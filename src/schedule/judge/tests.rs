//! Rows: what came, seen when, and how the feed stands.

use super::*;
use crate::feed::{LONDON, local_day_slots};
use crate::schedule::{Profile, SlotState, When};
use jiff::SignedDuration;
use jiff::tz::TimeZone;

fn at(clock: &str) -> Timestamp {
    let text = if clock.contains('T') { clock.to_owned() } else { format!("2018-12-03T{clock}:00Z") };
    text.parse().unwrap()
}

fn slot(clock: &str) -> Slot {
    Slot::containing(at(clock))
}

/// `10:00@10:03` is an accepted file for 10:00 that came at 10:03; `!` a rejected one; `~` an accepted one since replaced.
/// `?!10:03` was rejected before its time could be read; `=` had come before; `*` has the figures of many before it.
fn arrivals(text: &str) -> Vec<Arrival> {
    let one = |word: &str| {
        let mark = word.find(['@', '!', '~', '=', '*']).unwrap();
        let (place, rest) = word.split_at(mark);
        let slot = (place != "?").then(|| slot(place));
        let snapshot_at = slot.map(Slot::start);
        let (accepted, superseded) = (!rest.starts_with(['!', '=']), rest.starts_with('~'));
        let received_at = at(rest.trim_start_matches(['@', '!', '~', '=', '*']));
        let (repeated, frozen) = (rest.starts_with('='), rest.starts_with('*'));
        Arrival { slot, snapshot_at, received_at, accepted, superseded, repeated, frozen }
    };
    text.split_whitespace().map(one).collect()
}

fn schedule() -> FeedSchedule {
    FeedSchedule::new("RM1".parse().unwrap())
}

fn clock(at: Timestamp) -> String {
    at.strftime("%H:%M").to_string()
}

/// Grid from the first slot, then the light, `behind`, and the beginnings of what is wrong.
fn summary(standing: &Standing) -> String {
    let grid: String = standing.slots.iter().map(|slot| slot.state.symbol()).collect();
    let mut text = format!("{grid} {} {}", standing.light.as_str(), standing.behind);
    let beginnings = [
        ("late", standing.late_since),
        ("missed", standing.missed_since),
        ("rejected", standing.rejected_since),
        ("stale", standing.stale_since),
        ("frozen", standing.frozen_since),
        ("key", standing.key_time_since),
    ];
    for (word, since) in beginnings {
        if let Some(since) = since {
            text.push_str(&format!(" {word}:{}/{}", clock(since.slot.start()), clock(since.at)));
        }
    }
    text
}

fn check_with(silences: &[Silence], came: &str, now: &str, expected: &str) {
    let standing = judge(&schedule(), slot("10:00"), silences, &arrivals(came), at(now));
    assert_eq!(summary(&standing), expected, "came {came:?}, seen at {now}");
}

fn check(came: &str, now: &str, expected: &str) {
    check_with(&[], came, now, expected);
}

#[test]
fn a_slot_is_late_after_its_due_time_and_missed_when_the_next_is_due() {
    //    came          seen     expected
    check("", "09:59", " grey 0");
    check("", "10:05", "- grey 0");
    check("", "2018-12-03T10:05:01Z", "L amber 1 late:10:00/10:05");
    check("", "10:16", "L- amber 1 late:10:00/10:05");
    check("", "10:20", "M- amber 1 late:10:00/10:05 missed:10:00/10:20");
    check("10:00@10:04", "10:05", ". green 0");
    check("10:00@10:05", "10:06", ". green 0");
    check("10:00@10:06", "10:07", "L green 0");
    check("10:00@10:03", "10:21", ".L green 1 late:10:15/10:20");
}

#[test]
fn a_feed_that_never_sent_is_late_from_its_first_slot_and_turns_amber_then_red() {
    check("", "10:21", "ML amber 2 late:10:00/10:05 missed:10:00/10:20");
    check("", "10:36", "MML amber 3 late:10:00/10:05 missed:10:00/10:20");
    check("", "10:51", "MMML red 4 late:10:00/10:05 missed:10:00/10:20");
}

#[test]
fn a_feed_recovers_with_its_newest_slot_and_keeps_its_gap_on_the_grid() {
    check("10:45@10:48", "10:51", "MMM. green 0");
    check("10:00@10:01 10:45@10:48", "10:51", ".MM. green 0");
    // A late file fills its own slot; the feed is still behind.
    check("10:00@10:50", "10:51", "LMML amber 3 late:10:15/10:20 missed:10:15/10:35");
    // A job that runs a little early fills the slot it was meant for.
    check("10:00@10:01 10:15@10:14", "10:14", ". green 0");
}

#[test]
fn what_comes_and_is_set_aside_is_rejected_and_not_late() {
    check("10:00!10:02", "10:03", "R amber 0 rejected:10:00/10:02");
    check("10:00!10:02", "10:06", "R amber 1 rejected:10:00/10:02");
    check("?!10:02", "10:06", "R amber 1 rejected:10:00/10:02");
    check("10:00!10:02 10:00@10:04", "10:06", ". green 0");
    check("10:00@10:02 10:00!10:04", "10:06", ". amber 0 rejected:10:00/10:04");
    check("10:00!10:01 10:15!10:16 10:30!10:31 10:45!10:46", "10:51", "RRRR red 4 rejected:10:00/10:01");
    check("10:00!10:01", "10:36", "RML amber 3 late:10:15/10:20 missed:10:15/10:35 rejected:10:00/10:01");
}

#[test]
fn what_comes_in_time_with_old_figures_is_stale_and_not_late() {
    // The same file again and again: the job runs, the export does not.
    check("10:00@10:01 ?=10:16", "10:16", ".- green 0");
    check("10:00@10:01 ?=10:16", "10:21", ".o green 1 stale:10:15/10:20");
    check("10:00@10:01 ?=10:16 ?=10:31", "10:36", ".oo amber 2 stale:10:15/10:20");
    // New files, each with the figures of 10:00.
    check("10:00~10:01 10:00@10:16 10:00@10:31", "10:36", "soo amber 2 stale:10:15/10:20");
    // An hour behind, always: late at first, and stale from the second on.
    check("10:00@11:01 10:15@11:16 10:30@11:31", "11:36", "LLLMMoo red 4 late:10:45/10:50 missed:10:45/11:05 stale:11:15/11:20");
    // One that catches up is late, not stale.
    check("10:00@10:46 10:15@10:47", "10:51", "LLML amber 2 late:10:30/10:35 missed:10:30/10:50");
    // Nothing more comes: late after all.
    check("10:00@10:01 ?=10:16", "10:36", ".oL amber 2 late:10:30/10:35 stale:10:15/10:20");
    check("10:00@10:01 ?=10:16 10:30@10:31", "10:36", ".o. green 0");
    // Sent twice by a client that was not sure.
    check("10:00@10:01 ?=10:02", "10:21", ".L green 1 late:10:15/10:20");
}

#[test]
fn figures_that_do_not_move_are_frozen_until_they_do() {
    check("10:00@10:01 10:15@10:16 10:30*10:31", "10:32", "... green 0 frozen:10:30/10:31");
    check("10:00@10:01 10:15*10:16 10:30*10:31", "10:32", "... green 0 frozen:10:15/10:16");
    check("10:00*10:01 10:15@10:16 10:30*10:31", "10:32", "... green 0 frozen:10:30/10:31");
    check("10:00*10:01 10:15*10:16 10:30@10:31", "10:32", "... green 0");
    check("10:00*10:01", "10:21", ".L green 1 late:10:15/10:20 frozen:10:00/10:01");
}

#[test]
fn a_slot_at_a_key_time_is_told_of_until_it_is_filled_or_the_next_is_due() {
    let schedule = FeedSchedule { key_times: vec![jiff::civil::time(10, 15, 0, 0), jiff::civil::time(11, 0, 0, 0)], ..schedule() };
    let key = |silences: &[Silence], came: &str, now: &str| {
        let standing = judge(&schedule, slot("10:00"), silences, &arrivals(came), at(now));
        standing.key_time_since.map(|since| format!("{}/{}", clock(since.slot.start()), clock(since.at)))
    };
    let rows = [
        ("10:00@10:01", "10:20", None),
        ("10:00@10:01", "10:21", Some("10:15/10:20")),
        ("10:00@10:01 10:30@10:31", "10:32", Some("10:15/10:20")),
        ("10:00@10:01 10:15!10:16", "10:21", Some("10:15/10:20")),
        ("10:00@10:01 10:30@10:31 10:15@10:40", "10:41", None),
        ("10:00@10:01 10:30@10:31", "11:05", Some("10:15/10:20")),
        ("10:00@10:01 10:30@10:31", "11:06", Some("11:00/11:05")),
        ("10:00@10:01 11:00@11:01", "11:06", None),
    ];
    for (came, now, expected) in rows {
        assert_eq!(key(&[], came, now).as_deref(), expected, "{came} at {now}");
    }
    let down = [Silence { from: at("10:10"), until: Some(at("10:20")), kind: SilenceKind::Planned }];
    assert_eq!(key(&down, "10:00@10:01", "10:21"), None);
    // Before the feed was expected, nobody owed anything.
    let standing = judge(&schedule, slot("10:30"), &[], &[], at("10:36"));
    assert_eq!(standing.key_time_since, None);
}

#[test]
fn our_own_outage_is_unknown_and_excuses_whoever_may_have_tried_meanwhile() {
    let down = |from: &str, until: &str| [Silence { from: at(from), until: Some(at(until)), kind: SilenceKind::Outage }];
    check_with(&down("10:17", "10:48"), "10:00@10:01", "10:50", ".??? green 0");
    check_with(&down("10:17", "10:48"), "10:00@10:01", "10:51", ".??? green 0");
    check_with(&down("10:17", "10:48"), "10:00@10:01", "11:06", ".???L green 1 late:11:00/11:05");
    // What had come before, and what is sent again afterwards, counts as ever.
    check_with(&down("10:17", "10:48"), "10:00@10:01 10:15@10:16 10:30@10:49", "10:51", "..L? green 0");
    // A slot that was due before we went down is late all the same.
    check_with(&down("10:17", "10:48"), "", "10:51", "M??? amber 1 late:10:00/10:05 missed:10:00/10:20");
    // It is no planned silence: the light says what it said.
    check_with(&down("10:17", "10:48"), "", "10:40", "M?? amber 1 late:10:00/10:05 missed:10:00/10:20");
    // Who was not to send has not been missed.
    let planned = Silence { from: at("10:00"), until: Some(at("10:30")), kind: SilenceKind::Planned };
    let both: Vec<Silence> = down("10:17", "10:48").into_iter().chain([planned]).collect();
    check_with(&both, "", "10:51", "pp?? grey 0");
}

#[test]
fn people_are_told_after_as_many_late_slots_as_the_settings_say() {
    let schedule = FeedSchedule { tell_after: 2, ..schedule() };
    for (now, expected) in [("10:06", "L amber 1"), ("10:20", "M- amber 1"), ("10:21", "ML amber 2 late:10:00/10:05 missed:10:00/10:20")] {
        assert_eq!(summary(&judge(&schedule, slot("10:00"), &[], &[], at(now))), expected, "{now}");
    }
}

#[test]
fn silence_after_a_long_excuse_is_late_all_the_same() {
    // Silent for longer than is counted, then paused and resumed: lateness begins anew after it.
    let paused = [Silence { from: at("2018-12-20T10:00:00Z"), until: Some(at("2018-12-20T11:00:00Z")), kind: SilenceKind::Paused }];
    let judged = |now: &str| judge(&schedule(), slot("10:00"), &paused, &[], at(now));
    assert_eq!(judged("2018-12-20T11:04:00Z").late_since, None);
    let late = judged("2018-12-20T11:06:00Z").late_since.unwrap();
    assert_eq!(late.slot, slot("2018-12-20T11:00:00Z"));
    // Set aside for longer than is counted, then nothing.
    let rejected = |slot: Slot| Arrival {
        slot: Some(slot),
        snapshot_at: None,
        received_at: slot.start(),
        accepted: false,
        superseded: false,
        repeated: false,
        frozen: false,
    };
    let came: Vec<Arrival> = slot("10:00").until(slot("2018-12-20T10:00:00Z")).map(rejected).collect();
    let standing = judge(&schedule(), slot("10:00"), &[], &came, at("2018-12-20T10:06:00Z"));
    assert_eq!(standing.late_since.unwrap().slot, slot("2018-12-20T10:00:00Z"));
}

#[test]
fn the_end_of_a_patient_profile_hides_no_later_slot() {
    let night = Profile {
        name: "night".to_owned(),
        when: When { hours: Some((jiff::civil::time(0, 0, 0, 0), jiff::civil::time(6, 0, 0, 0))), ..When::default() },
        due_after: Some(SignedDuration::from_hours(2)),
        missed_after: Some(SignedDuration::from_hours(3)),
        ..Profile::default()
    };
    let schedule = FeedSchedule { profiles: vec![night], key_times: vec![], ..schedule() };
    // The last file came for 05:30; 05:45 is due at 07:45, and 06:00 at 06:05.
    let standing = judge(&schedule, slot("05:30"), &[], &arrivals("05:30@05:31"), at("06:06"));
    assert_eq!(standing.late_since.map(|since| since.slot), Some(slot("06:00")));
}

#[test]
fn nothing_changes_by_itself_before_the_next_look() {
    let silences = [Silence { from: at("10:40"), until: Some(at("11:10")), kind: SilenceKind::Planned }];
    let outage = [Silence { from: at("10:17"), until: Some(at("10:33")), kind: SilenceKind::Outage }];
    for silences in [&[][..], &silences, &outage] {
        for came in ["", "10:00@10:01", "10:00@10:01 10:15!10:16 ?=10:31", "10:00@10:01 10:15@10:16 10:30*10:31"] {
            let came = arrivals(came);
            let mut now = came.iter().map(|arrival| arrival.received_at).fold(at("10:00"), Timestamp::max);
            while now < at("12:00") {
                let standing = |now: Timestamp| {
                    let standing = judge(&schedule(), slot("10:00"), silences, &came, now);
                    (summary(&standing), standing)
                };
                let (shown, judged) = standing(now);
                assert!(now < judged.next_look, "{now}");
                let before = judged.next_look.checked_sub(SignedDuration::from_nanos(1)).unwrap();
                assert_eq!(standing(before).0, shown, "from {now} to {before}");
                now = judged.next_look;
            }
        }
    }
}

#[test]
fn a_replaced_version_shows_as_superseded() {
    check("10:00~10:02 10:00@10:09", "10:10", "s green 0");
}

#[test]
fn planned_silence_is_grey_counts_for_nothing_and_ends() {
    let planned = |until: Option<&str>, kind| Silence { from: at("10:15"), until: until.map(at), kind };
    let down = [planned(Some("10:45"), SilenceKind::Planned)];
    check_with(&down, "10:00@10:01", "10:40", ".pp grey 0");
    check_with(&down, "10:00@10:01", "10:49", ".pp- green 0");
    check_with(&down, "10:00@10:01", "10:51", ".ppL green 1 late:10:45/10:50");
    // A file that comes all the same is welcome.
    check_with(&down, "10:00@10:01 10:15@10:16", "10:40", "..p grey 0");
    let ragged = [planned(Some("10:40"), SilenceKind::Planned)];
    check_with(&ragged, "10:00@10:01", "10:51", ".ppL green 1 late:10:45/10:50");
    let paused = [planned(None, SilenceKind::Paused)];
    check_with(&paused, "10:00@10:01", "10:51", ".zzz grey 0");
    assert_eq!(judge(&schedule(), slot("10:00"), &paused, &arrivals("10:00@10:01"), at("10:51")).next_due, None);
}

#[test]
fn lateness_begins_anew_after_silence_and_what_was_missing_before_still_counts() {
    let down = [Silence { from: at("10:30"), until: Some(at("11:00")), kind: SilenceKind::Planned }];
    check_with(&down, "", "10:29", "ML amber 2 late:10:00/10:05 missed:10:00/10:20");
    check_with(&down, "", "10:40", "MMp grey 2");
    check_with(&down, "", "11:04", "MMpp- amber 2");
    check_with(&down, "", "11:06", "MMppL amber 3 late:11:00/11:05");
    check_with(&down, "", "11:21", "MMppML red 4 late:11:00/11:05 missed:11:00/11:20");
    // Of two that cover an instant, the one that ends last is told.
    let pause = Silence { from: at("10:35"), until: None, kind: SilenceKind::Paused };
    let both = [down[0].clone(), pause];
    assert_eq!(judge(&schedule(), slot("10:00"), &both, &[], at("10:40")).silence, Some(SilenceKind::Paused));
}

#[test]
fn the_next_due_time_is_that_of_the_next_empty_slot() {
    //           came           seen     next due
    let rows = [
        ("", "09:00", "10:05"),
        ("", "10:05", "10:05"),
        ("", "10:06", "10:20"),
        ("10:00@10:02", "10:03", "10:20"),
        ("10:00@10:02 10:15@10:14", "10:14", "10:35"),
    ];
    for (came, now, due) in rows {
        let standing = judge(&schedule(), slot("10:00"), &[], &arrivals(came), at(now));
        assert_eq!(standing.next_due.map(clock).as_deref(), Some(due), "{came} at {now}");
    }
}

#[test]
fn age_decides_what_is_stale_and_what_is_no_data() {
    let rows = [
        ("10:30", Freshness::Current),
        ("2018-12-03T10:30:01Z", Freshness::Stale),
        ("14:00", Freshness::Stale),
        ("2018-12-03T14:00:01Z", Freshness::NoData),
    ];
    for (now, expected) in rows {
        let standing = judge(&schedule(), slot("10:00"), &[], &arrivals("10:00@10:02"), at(now));
        assert_eq!(standing.freshness, expected, "{now}");
    }
    assert_eq!(judge(&schedule(), slot("10:00"), &[], &[], at("10:01")).freshness, Freshness::NoData);
}

#[test]
fn a_long_silence_is_bounded_and_keeps_its_beginning() {
    let standing = judge(&schedule(), slot("10:00"), &[], &arrivals("10:00@10:02"), at("2019-06-03T10:00:00Z"));
    assert_eq!(standing.slots.len(), 96);
    assert_eq!(standing.behind, MAX_BEHIND);
    assert_eq!(standing.late_since.map(|since| since.slot), Some(slot("10:15")));
}

#[test]
fn the_settings_first_slot_goes_before_the_ledgers() {
    let schedule = FeedSchedule { first_slot: Some(slot("10:30")), ..schedule() };
    let standing = judge(&schedule, slot("10:00"), &[], &[], at("10:36"));
    assert_eq!(summary(&standing), "L amber 1 late:10:30/10:35");
}

/// Judges after every slot of a local day on which each file comes three minutes after its slot.
#[test]
fn a_punctual_feed_is_never_behind_on_days_of_92_96_and_100_slots() {
    let zone = TimeZone::get(LONDON).unwrap();
    for (day, count) in [("2018-10-28", 100), ("2019-03-31", 92), ("2018-12-03", 96)] {
        let slots = local_day_slots(day.parse().unwrap(), &zone);
        assert_eq!(slots.len(), count);
        let mut came = Vec::new();
        for slot in &slots {
            let received_at = slot.start().saturating_add(SignedDuration::from_mins(3)).unwrap();
            came.push(Arrival {
                slot: Some(*slot),
                snapshot_at: None,
                received_at,
                accepted: true,
                superseded: false,
                repeated: false,
                frozen: false,
            });
            let now = slot.start().saturating_add(SignedDuration::from_mins(14)).unwrap();
            let standing = judge(&schedule(), slots[0], &[], &came, now);
            assert_eq!((standing.behind, standing.light, standing.late_since), (0, Light::Green, None), "{slot}");
            assert!(standing.slots.iter().all(|slot| slot.state == SlotState::OnTime), "{slot}");
        }
    }
}

/// The same days with one file missing in the hour of the change: one slot is missed, and it is the right one.
#[test]
fn one_missing_file_in_the_hour_of_the_change_is_one_missed_slot() {
    let zone = TimeZone::get(LONDON).unwrap();
    for (day, gap) in [("2018-10-28", "2018-10-28T01:15Z"), ("2019-03-31", "2019-03-31T01:00Z")] {
        let slots = local_day_slots(day.parse().unwrap(), &zone);
        let gap: Slot = gap.parse().unwrap();
        let came: Vec<Arrival> = slots
            .iter()
            .filter(|slot| **slot != gap)
            .map(|slot| {
                let received_at = slot.start().saturating_add(SignedDuration::from_mins(3)).unwrap();
                Arrival {
                    slot: Some(*slot),
                    snapshot_at: None,
                    received_at,
                    accepted: true,
                    superseded: false,
                    repeated: false,
                    frozen: false,
                }
            })
            .collect();
        let end = slots.last().unwrap().next().start();
        let standing = judge(&schedule(), slots[0], &[], &came, end);
        let missed: Vec<Slot> = standing.slots.iter().filter(|s| s.state == SlotState::Missed).map(|s| s.slot).collect();
        assert_eq!(missed, vec![gap], "{day}");
    }
}
