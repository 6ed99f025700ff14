//! Rows: receipts word for word.

use super::*;
use crate::feed::{Coverage, DeliveryId, Digest, FileName, Finding, Folder, LONDON, RowCounts, Rule, Sender, SnapshotRef, Totals};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn delivery() -> Delivery {
    let received_at = at("2018-12-03T10:17:05Z");
    Delivery {
        id: DeliveryId::new(received_at, [7; 10]),
        provider: "RM1".parse().unwrap(),
        folder: Folder::Inbox,
        name: FileName::parse(b"RM1_BEDSTATE_20181203_1015.csv").unwrap(),
        bytes: 51_234,
        sha256: Digest::of(b"abc"),
        opened_at: received_at,
        received_at,
        modified_at: None,
        sender: Sender {
            address: "192.0.2.1:50000".parse().unwrap(),
            software: "SSH-2.0-OpenSSH_9.2p1".into(),
            key: "SHA256:x".into(),
            key_owner: "IT desk".into(),
            connected_at: received_at,
            connection: 1,
        },
    }
}

fn report(findings: impl IntoIterator<Item = Finding>) -> Report {
    let mut report = Report {
        mapping: Some("2018-11-01".into()),
        snapshot_at: Some(at("2018-12-03T10:15:00Z")),
        slot: Some("2018-12-03T10:15Z".parse().unwrap()),
        rows: RowCounts { read: 412, used: 409, skipped: 1, rejected: 2, lines: 409 },
        coverage: Some(Coverage { beds: true, demand: false }),
        totals: Some(Totals { occupied: 380, empty: 25, available_now: 11, closed: 4, demand: 0, demand_not_in_bed: 0 }),
        ..Report::default()
    };
    report.findings.extend(findings);
    report
}

fn loaded() -> Stage {
    Stage::Loaded { snapshot: snapshot() }
}

fn snapshot() -> SnapshotRef {
    SnapshotRef { lead: delivery().id, slot: "2018-12-03T10:15Z".parse().unwrap(), version: 1 }
}

fn receipt(stage: &Stage, report: Option<&Report>) -> Option<Receipt> {
    let zone = TimeZone::get(LONDON).unwrap();
    render(&delivery(), stage, report, at("2018-12-03T10:17:06Z"), &zone)
}

fn text(stage: &Stage, report: Option<&Report>) -> String {
    let text = String::from_utf8(receipt(stage, report).unwrap().text).unwrap();
    for line in text.lines() {
        assert!(line.chars().count() <= 72, "{line}");
    }
    text
}

fn json(stage: &Stage, report: Option<&Report>) -> serde_json::Value {
    serde_json::from_slice(&receipt(stage, report).unwrap().json).unwrap()
}

const YOUR_FILE: &str = "
YOUR FILE

  Delivery      01677392-44e8-7707-8707-070707070707
  Provider      RM1
  Folder        inbox
  Received      Mon 3 Dec 2018 10:17 GMT
  Decided       Mon 3 Dec 2018 10:17 GMT
  Bytes         51234
  SHA-256
    ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad

HELP

If something here is not clear, write to the support team for bed-state
feeds and quote the delivery's id. Do not send the file itself by
e-mail.
";

#[test]
fn an_accepted_file_word_for_word() {
    let unknown = |line| Finding::new(Rule::Ref03, "ward WOW9 is not registered; its 12 beds were kept").at_line(line).in_column("Ward");
    let found = report((12..=24).map(unknown).chain([Finding::new(Rule::Str08, "1 total line skipped")]));
    let expected = "ACCEPTED, WITH WARNINGS

RM1_BEDSTATE_20181203_1015.csv
The figures are loaded. You need not send the file again.

WHAT WE FOUND

REF-03 (warning, 13 times)
  Line 12, column Ward: ward WOW9 is not registered; its 12 beds were
  kept
  Line 13, column Ward: ward WOW9 is not registered; its 12 beds were
  kept
  Line 14, column Ward: ward WOW9 is not registered; its 12 beds were
  kept
  and 10 more like this
  What to do: Tell the council about the new ward, so that it can be
  given a type and a group.

STR-08 (information)
  1 total line skipped

WHAT WE READ

  Figures of    Mon 3 Dec 2018 10:15 GMT
  Slot          Mon 3 Dec 2018 10:15 GMT, version 1
  Mapping       2018-11-01
  Rows          412 read: 409 used, 1 skipped, 2 rejected
  Lines made    409
  Open beds     405: 380 occupied, 25 empty
  Of the empty  11 ready for a patient
  Closed beds   4
";
    assert_eq!(text(&loaded(), Some(&found)), format!("{expected}{YOUR_FILE}"));
}

#[test]
fn a_rejected_file_word_for_word() {
    let mut found = report([Finding::new(Rule::Str03, "column Ward is missing"), Finding::new(Rule::Str08, "1 total line skipped")]);
    (found.rows, found.totals, found.slot, found.snapshot_at) = (RowCounts::default(), None, None, None);
    let stage = Stage::Quarantined { sealed: false, discarded: false };
    let expected = "REJECTED

RM1_BEDSTATE_20181203_1015.csv
The figures were not loaded. Your last good figures stay in use. Put
right what is listed below and send the file again.

WHAT WE FOUND

STR-03 (file rejected)
  column Ward is missing
  What to do: Put the column back under its agreed name, or ask for the
  mapping to be changed first.

STR-08 (information)
  1 total line skipped
";
    assert_eq!(text(&stage, Some(&found)), format!("{expected}{YOUR_FILE}"));
}

#[test]
fn a_duplicate_word_for_word() {
    let of = DeliveryId::new(at("2018-12-03T10:16:00Z"), [1; 10]);
    let expected = "ALREADY RECEIVED

RM1_BEDSTATE_20181203_1015.csv
We have this content already, so nothing was loaded twice.

It repeats delivery 01677391-4700-7101-8101-010101010101. If you meant
to send newer figures, check that the extract was made again.
";
    assert_eq!(text(&Stage::Duplicate { of }, None), format!("{expected}{YOUR_FILE}"));
    assert_eq!(json(&Stage::Duplicate { of }, None)["duplicate_of"], of.to_string());
}

#[test]
fn a_part_of_a_set_is_told_until_when_the_others_are_awaited() {
    let stage = Stage::Waiting { set: "20181203_1015".into(), part: "beds".into(), until: at("2018-12-03T10:30:00Z") };
    let shown = text(&stage, None);
    let rows = ["RECEIVED, WAITING FOR THE OTHER PARTS\n", "This is part beds of set 20181203_1015.", "by Mon 3 Dec 2018 10:30 GMT"];
    for words in rows {
        assert!(shown.contains(words), "{words} in {shown}");
    }
    assert_eq!(json(&stage, None)["waiting"]["until"], "2018-12-03T10:30:00Z");
}

#[test]
fn the_verdict_follows_from_the_stage_and_the_findings() {
    let clean = report([]);
    let warned = report([Finding::new(Rule::Ref03, "ward WOW9 is not registered")]);
    let rows_out = report([Finding::new(Rule::Row01, "the ward is blank").at_line(3)]);
    let ready = Stage::Ready { snapshot: snapshot(), attempts: 2, retry_at: at("2018-12-03T10:18:00Z") };
    let set_aside = |sealed, discarded| Stage::Quarantined { sealed, discarded };
    let rows = [
        (ready, &clean, "accepted", false),
        (loaded(), &clean, "accepted", true),
        (loaded(), &warned, "accepted_with_warnings", true),
        (loaded(), &rows_out, "accepted_with_warnings", true),
        (set_aside(false, false), &clean, "rejected", false),
        (set_aside(false, true), &clean, "rejected", false),
        (set_aside(true, false), &clean, "sealed", false),
        (Stage::HandedBack { sealed: false, mend: None }, &clean, "handed_back", false),
        (Stage::HandedBack { sealed: true, mend: Some("the last line".into()) }, &clean, "handed_back", false),
        (Stage::Tested { accepted: true }, &warned, "test_accepted", false),
        (Stage::Tested { accepted: false }, &warned, "test_rejected", false),
    ];
    for (stage, report, verdict, loaded) in rows {
        let json = json(&stage, Some(report));
        assert_eq!((json["verdict"].as_str(), json["loaded"].as_bool()), (Some(verdict), Some(loaded)), "{stage:?}");
        assert_eq!(Verdict::of(&stage, Some(report)).map(Verdict::as_str), Some(verdict));
    }
    assert_eq!(receipt(&Stage::Landed, None), None);
}

#[test]
fn every_key_of_the_json_is_there_whatever_is_known() {
    let keys = |value: serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let bare = json(&Stage::Quarantined { sealed: true, discarded: false }, None);
    let full = json(&loaded(), Some(&report([Finding::new(Rule::Row01, "the ward is blank").at_line(3)])));
    assert_eq!(full["findings"][0]["severity"], "reject_row");
    assert_eq!(full["findings"][0]["what_to_do"], Rule::Row01.advice());
    assert_eq!(full["findings"][0]["column"], serde_json::Value::Null);
    assert_eq!((&full["totals"]["open"], &full["totals"]["demand"]), (&405.into(), &serde_json::Value::Null));
    assert_eq!(full["slot"], "2018-12-03T10:15Z");
    assert_eq!(bare["totals"], serde_json::Value::Null);
    assert_eq!(keys(bare), keys(full));
}

#[test]
fn p7_the_receipt_says_which_identifiers_were_dropped() {
    let dropped = Report { identifiers_dropped: vec!["DOB".into(), "NHS No".into()], ..report([]) };
    assert!(text(&loaded(), Some(&dropped)).contains("\n  Identifiers dropped: DOB, NHS No\n"));
    assert_eq!(json(&loaded(), Some(&dropped))["identifiers_dropped"], serde_json::json!(["DOB", "NHS No"]));
    assert!(!text(&loaded(), Some(&report([]))).contains("dropped"));
}

#[test]
fn words_from_a_file_cannot_move_the_cursor_or_pass_the_margin() {
    let long = "W".repeat(200);
    let found = report([Finding::new(Rule::Ref03, format!("ward \u{1b}[2J\u{202e}{long} is not registered"))]);
    let shown = text(&loaded(), Some(&found));
    assert!(!shown.contains('\u{1b}') && !shown.contains('\u{202e}'));
    assert!(shown.contains("\\u{1B}[2J\\u{202E}"), "{shown}");
}

/// A picture at the width that is kept.
fn drawn(picture: &Picture, found: Option<Finding>) -> String {
    let look = Look { width: 100, colour: false, assumed: None };
    sketch(&report(found), picture, &[], &look, &TimeZone::get(LONDON).unwrap())
}

#[test]
fn a_picture_stays_small_whatever_the_file_names() {
    // Wards in the register, wards that are not; wards listed, differing and agreeing ones that are only counted.
    let rows =
        [(40, 0, 40, 0, 0), (41, 0, 0, 0, 41), (39, 1, 40, 0, 0), (50, 3, 3, 0, 50), (0, 41, 20, 21, 0), (7, 250_000, 20, 249_980, 7)];
    for (known, unknown, listed, differing, agreeing) in rows {
        let ward = |at: usize| WardBeds { site: "S".into(), ward: format!("W{at}"), beds: 4, registered: (at < known).then_some(4) };
        let picture = Picture::default().with_wards((0..known + unknown).map(ward).collect());
        assert_eq!((picture.wards.len(), picture.other_wards), (listed, OtherWards { agreeing, differing }), "{known} {unknown}");
        let text = drawn(&picture, None);
        assert!(text.len() < 5_000, "{}", text.len());
        assert_eq!(text.contains(&format!("{differing} more wards differ from the register")), differing > 0, "{text}");
        assert_eq!(text.contains(&format!("{agreeing} other wards have as many beds")), agreeing > 0, "{text}");
    }
}

#[test]
fn a_long_line_is_drawn_in_one_go_and_says_that_it_goes_on() {
    let field = |at: usize| PicturedField { text: "a".into(), column: Some(format!("c{at}")), pieces: Vec::new() };
    let line =
        |fields: usize, left_out| PicturedLine { part: None, line: 2, delimiter: ',', fields: (0..fields).map(field).collect(), left_out };
    let found = |column: &str| Some(Finding::new(Rule::Str05, "Line 2: 3 fields, expected 4.").at_line(2).in_column(column));
    for (left_out, expected) in [(0, "     2 | a,a,a\n       |   ^\n"), (999_997, "     2 | a,a,a…\n       |   ^\n")] {
        let picture = Picture { lines: vec![line(3, left_out)], ..Picture::default() };
        let text = drawn(&picture, found("c1"));
        assert!(text.contains(expected), "{text}");
    }
    // Counting the whole text anew at each field takes minutes here.
    let started = std::time::Instant::now();
    let picture = Picture { lines: vec![line(200_000, 0)], ..Picture::default() };
    assert!(drawn(&picture, found("c199999")).contains('^'));
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}

#[test]
fn a_test_is_told_what_made_it_one() {
    // Whether the sender marked it, whether it would be accepted, and what the receipt says.
    let rows = [
        (false, true, "This was a test: nothing was loaded. The same file in inbox would be accepted."),
        (false, false, "This was a test: nothing was loaded. The same file in inbox would be rejected."),
        (true, true, "It is marked TEST, so nothing was loaded. Without that mark, the same file in inbox would be accepted."),
        (true, false, "It is marked TEST, so nothing was loaded. Without that mark, the same file in inbox would be rejected."),
    ];
    for (marked_test, accepted, expected) in rows {
        let report = Report { marked_test, ..report([]) };
        assert_eq!(json(&Stage::Tested { accepted }, Some(&report))["summary"], expected);
    }
}
