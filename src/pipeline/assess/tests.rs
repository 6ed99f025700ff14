//! Whole assessments: every rule tripped, and just not tripped, by a delivery.

use super::*;
use crate::feed::{MAX_FINDINGS_PER_RULE, Severity};
use crate::normalise::mapping::PartRole;
use crate::verify::PastSnapshot;
use crate::verify::testing::{at, beds, beds_feed, feed, name, pipes, reference, wards, zip_feed};
use std::io::Write;

const NAME: &str = "RM1_BEDS_20181203_1015.csv";

/// Thirty beds on wards W1 and W2, ten of each ward occupied.
fn thirty_beds() -> String {
    let mut text = "WHEN,SITE,WARD,BED,STATUS,SEX,AGE\n".to_owned();
    for ward in ["W1", "W2"] {
        for bed in 1..=15 {
            let status = if bed <= 10 { "OCC,F,83" } else { "VAC,," };
            text.push_str(&format!("03/12/2018 10:15,RM102,{ward},B{bed},{status}\n"));
        }
    }
    text + "TOTAL,,,,30,,\n"
}

/// Everything an assessment takes, with a good delivery in it.
struct Case {
    feed: Feed,
    files: Vec<(String, Vec<u8>)>,
    history: History,
    received_at: Timestamp,
    released: bool,
}

impl Case {
    fn new(feed: Feed, files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect();
        Self { feed, files, history: History::default(), received_at: at("2018-12-03T10:17:00Z"), released: false }
    }

    fn good() -> Self {
        Self::new(beds_feed(), &[(NAME, &thirty_beds())])
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// The good delivery with some text in the first file replaced.
    fn edited(from: &str, to: &str) -> Self {
        Self::good().with(|case| case.edit(from, to))
    }

    fn edit(&mut self, from: &str, to: &str) {
        let text = String::from_utf8(self.files[0].1.clone()).unwrap();
        assert!(text.contains(from), "{from}");
        self.files[0].1 = text.replace(from, to).into_bytes();
    }

    fn assess(&self) -> Assessment {
        let names: Vec<FileName> = self.files.iter().map(|(text, _)| name(text)).collect();
        let parts = self.files.iter().zip(&names).enumerate().map(|(n, ((_, bytes), name))| Part {
            delivery: DeliveryId::new(self.received_at, [u8::try_from(n).unwrap(); 10]),
            name,
            sha256: Digest::of(bytes),
            bytes,
        });
        let parts: Vec<Part<'_>> = parts.collect();
        assess(
            &parts,
            &Context {
                feed: &self.feed,
                reference: &reference(),
                history: &self.history,
                received_at: self.received_at,
                now: self.received_at,
                released: self.released,
            },
        )
    }

    /// The verdict's first letter, then every finding above information as `RULE-severity`, each once.
    fn said(&self) -> String {
        let assessment = self.assess();
        let rows = assessment.report.rows;
        if rows.lines > 0 {
            assert_eq!(rows.read, rows.used + rows.skipped + rows.rejected, "{rows:?}");
        }
        let verdict = match assessment.verdict {
            Verdict::Accepted(verified) => {
                assert_eq!(Some(verified.snapshot().totals), assessment.report.totals);
                "A"
            }
            Verdict::Duplicate { .. } => "D",
            Verdict::Rejected => "R",
            Verdict::Sealed => {
                assert_eq!(assessment.report.unknown_wards, []);
                "S"
            }
        };
        let mut shown = vec![verdict.to_owned()];
        for (rule, severity, _) in assessment.report.findings.counts() {
            let letter = match severity {
                Severity::Information => continue,
                Severity::Warning => "W",
                Severity::RejectRow => "R",
                Severity::RejectFile => "F",
            };
            shown.push(format!("{rule}{letter}"));
        }
        shown.join(" ")
    }

    fn messages(&self) -> String {
        self.assess().report.findings.iter().map(|f| f.message.clone()).collect::<Vec<_>>().join("|")
    }
}

fn past(slot: &str, version: u32, files: &[(String, Vec<u8>)]) -> PastSnapshot {
    let digests: Vec<u8> = files.iter().flat_map(|(_, bytes)| Digest::of(bytes).0).collect();
    PastSnapshot {
        lead: DeliveryId::new(at("2018-12-03T10:00:00Z"), [7; 10]),
        files: files.iter().map(|(name, bytes)| (name.clone(), Digest::of(bytes))).collect(),
        slot: slot.parse().unwrap(),
        first: version,
        version,
        snapshot_at: at("2018-12-03T10:00:00Z"),
        sequence: None,
        content: Digest::of(&digests),
        received_at: at("2018-12-03T10:02:00Z"),
        coverage: None,
        totals: Totals { occupied: 20, empty: 10, available_now: 10, ..Totals::default() },
        fingerprint: None,
    }
}

#[test]
fn a_good_delivery_is_accepted_with_its_figures() {
    let assessment = Case::good().assess();
    assert_eq!(Case::good().said(), "A");
    let report = &assessment.report;
    assert_eq!(report.slot.unwrap().to_string(), "2018-12-03T10:15Z");
    assert_eq!((report.totals.unwrap().occupied, report.totals.unwrap().available_now), (20, 10));
    assert_eq!((report.rows.read, report.rows.used, report.rows.rejected, report.rows.lines), (30, 30, 0, 30));
    assert_eq!(report.parts.iter().map(|(part, _)| part.as_str()).collect::<Vec<_>>(), ["beds"]);
    assert!(!assessment.test);
}

#[test]
fn no_debugging_format_repeats_what_a_file_says() {
    let file = name("RM1_BEDS_20181203_1015.csv");
    let bytes = b"ward,WARDCODE99\n";
    let sha256 = Digest::of(bytes);
    let part = Part { delivery: DeliveryId::new(at("2018-12-03T10:17:00Z"), [1; 10]), name: &file, sha256, bytes };
    let text = verify::text::decode(bytes, crate::normalise::mapping::Encoding::Utf8).unwrap();
    let record = verify::records::Record { fields: vec!["WARDCODE99".into()], ..Default::default() };
    let line = Line {
        ward_code: Some("WARDCODE99".into()),
        gender: Some(crate::bedstate::Gender::Female),
        wait_from: Some(at("2018-12-03T09:59:00Z").into()),
        ..Line::new("WARDCODE99", crate::bedstate::LineType::Occupied)
    };
    let numbers = |bytes: &[u8]| format!("{bytes:?}").trim_matches(['[', ']']).to_owned();
    for shown in [
        format!("{part:?}"),
        format!("{:?}", SetFile { name: &file, sha256, bytes }),
        format!("{text:?}"),
        format!("{record:?}"),
        format!("{line:?}"),
    ] {
        for content in ["WARDCODE99", &numbers(b"WARDCODE99"), "Female", "09:59"] {
            assert!(!shown.contains(content), "{shown}");
        }
    }
    // What is accepted holds every line.
    let accepted = format!("{:?}", Case::good().assess());
    assert!(accepted.contains("Accepted") && !accepted.contains("bed_status"));
}

#[test]
fn the_envelope_is_judged() {
    let renamed = |to: &str| Case::good().with(|case| case.files[0].0 = to.to_owned());
    let received = |at_: &str| Case::good().with(|case| case.received_at = at(at_));
    let rows = [
        (renamed("rm1_beds_20181203_1015.CSV"), "A"),
        (renamed("beds.csv"), "R TRN-08F"),
        (renamed("RM1_BEDS_20181303_1015.csv"), "R TRN-08F"),
        (renamed("RGP_BEDS_20181203_1015.csv"), "R TRN-02F"),
        (Case::good().with(|case| case.feed.limits.max_file_bytes = 10), "R TRN-03F"),
        (Case::good().with(|case| case.files[0].1.clear()), "R STR-01F"),
        (Case::good().with(|case| case.feed.agreement_ends = Some("2018-12-03".parse().unwrap())), "A"),
        (Case::good().with(|case| case.feed.agreement_ends = Some("2018-12-02".parse().unwrap())), "R REF-01F"),
        (Case::good().with(|case| case.feed.agreement_starts = "2018-12-04".parse().unwrap()), "R REF-01F"),
        (Case::good().with(|case| case.feed.mappings[0].to = Some("2018-12-03".parse().unwrap())), "R REF-08F"),
        (Case::good().with(|case| case.feed.mappings[0].to = Some("2018-12-04".parse().unwrap())), "A"),
        (received("2018-12-03T10:20:00Z"), "A"),
    ];
    for (n, (case, expected)) in rows.into_iter().enumerate() {
        assert_eq!(case.said(), expected, "row {n}: {}", case.messages());
    }
    assert!(renamed("beds.csv").messages().contains("Expected: {org}_BEDS_{yyyy}{mm}{dd}_{HH}{MM}.csv."));
}

#[test]
fn the_mapping_in_force_on_the_snapshots_day_is_the_one_used() {
    let case = Case::good().with(|case| {
        let mut newer = case.feed.mappings[0].clone();
        newer.version = "rm1-2".to_owned();
        newer.from = "2018-12-03".parse().unwrap();
        case.feed.mappings[0].to = Some(newer.from);
        case.feed.mappings.push(newer);
    });
    assert_eq!(case.assess().report.mapping.as_deref(), Some("rm1-2"));
    let older = case.with(|case| {
        case.files[0].0 = "RM1_BEDS_20181202_2345.csv".to_owned();
        case.edit("03/12/2018 10:15", "02/12/2018 23:45");
    });
    assert_eq!(older.assess().report.mapping.as_deref(), Some("rm1-1"));
}

#[test]
fn times_are_judged_at_receipt() {
    let received = |at_: &str| Case::good().with(|case| case.received_at = at(at_));
    let stated = |text: &str| Case::edited("03/12/2018 10:15", text);
    let history = |slot: &str| Case::good().with(|case| case.history.accepted.push(past(slot, 3, &[])));
    let since = |slot: &str| history(slot).with(|case| case.history.accepted[0].received_at = at("2018-12-03T12:00:00Z"));
    let rows = [
        (received("2018-12-03T10:20:00Z"), "A"),
        (received("2018-12-03T10:20:01Z"), "A TIM-03W"),
        (received("2018-12-04T10:15:00Z"), "A TIM-03W"),
        (received("2018-12-04T10:15:01Z"), "R TIM-03F"),
        (received("2018-12-03T10:10:00Z"), "A"),
        (received("2018-12-03T10:09:59Z"), "R TIM-02F"),
        (stated("03/12/2018 10:00"), "A TIM-03W"),
        (stated("03/12/2018 09:59"), "R TIM-01F TIM-03W"),
        (stated("2018/12/03 10:15"), "R TIM-01F"),
        (stated("10:15"), "R TIM-01F"),
        (Case::edited("03/12/2018 10:15,RM102,W1,B3,", "03/12/2018 10:14,RM102,W1,B3,"), "R TIM-01F"),
        (Case::edited("03/12/2018 10:15,RM102,W1,B3,", ",RM102,W1,B3,"), "R TIM-01F"),
        (history("2018-12-03T10:00Z"), "A"),
        (history("2018-12-03T10:15Z"), "A TIM-04W"),
        (history("2018-12-03T10:30Z"), "A TIM-04W"),
        // What arrived since is no reason: judging again after an outage says what was said then.
        (since("2018-12-03T10:15Z"), "A"),
        (since("2018-12-03T10:30Z"), "A"),
    ];
    for (n, (case, expected)) in rows.into_iter().enumerate() {
        assert_eq!(case.said(), expected, "row {n}: {}", case.messages());
    }
    assert!(received("2018-12-03T10:27:01Z").messages().contains("Late by 8 min."));
    assert!(received("2018-12-03T10:20:00.4Z").messages().contains("Late by 1 min."));
    assert!(history("2018-12-03T10:15Z").messages().contains("This slot already has version 3"));
    assert!(history("2018-12-03T10:30Z").messages().contains("Back-filled into history"));
}

#[test]
fn clock_change_nights_are_read_as_received() {
    let night = |name: &str, time: &str, received: &str| {
        Case::edited("03/12/2018 10:15", time).with(|case| {
            case.files[0].0 = name.to_owned();
            case.received_at = at(received);
            case.feed.agreement_starts = "2018-01-01".parse().unwrap();
        })
    };
    let first = night("RM1_BEDS_20181028_0115.csv", "28/10/2018 01:15", "2018-10-28T00:17:00Z");
    let second = night("RM1_BEDS_20181028_0115.csv", "28/10/2018 01:15", "2018-10-28T01:17:00Z");
    let skipped = night("RM1_BEDS_20190331_0115.csv", "31/03/2019 01:15", "2019-03-31T01:17:00Z");
    let rows = [(first, "A TIM-06W", "00:15", "BST"), (second, "A TIM-06W", "01:15", "GMT")];
    for (case, expected, utc, clock) in rows {
        assert_eq!(case.said(), expected);
        assert_eq!(case.assess().report.slot.unwrap().to_string(), format!("2018-10-28T{utc}Z"));
        assert!(case.messages().contains(clock));
    }
    assert_eq!(skipped.said(), "R TIM-05F");
}

#[test]
fn rows_and_totals_are_judged_together() {
    let small = |change: fn(&mut Case)| {
        Case::good().with(|case| {
            case.feed.limits.rejected_rows_percent = 50;
            case.feed.limits.rejected_rows_per_ward = 0;
            case.feed.limits.rejected_kind_percent = 100;
            change(case);
        })
    };
    let rows = [
        (Case::edited("W1,B1,OCC,F", "W1,B1,XXX,F"), "R REF-04R ROW-99F"),
        (small(|case| case.edit("W1,B1,OCC,F", "W1,B1,XXX,F")), "A REF-04R"),
        (small(|case| case.edit("W1,B11,VAC,", "W1,B11,BARE,")), "A ROW-03R"),
        (small(|case| case.edit("W1,B11,VAC,,", "W1,B11,WHO,F,83")), "A ROW-04R"),
        (small(|case| case.edit("W1,B11,VAC,", "W1,B11,ODD,")), "A ROW-05R"),
        (small(|case| case.edit("W1,B11,", "W1,B12,")), "A XRO-01R"),
        (
            small(|case| {
                ["B11", "B13"].into_iter().zip(["B12", "B14"]).for_each(|(a, b)| case.edit(&format!("W1,{a},"), &format!("W1,{b},")))
            }),
            "A XRO-01R",
        ),
        (small(|case| case.edit("W2,B1", "W1,B1")), "R XRO-01F XRO-05W"),
        (small(|case| case.edit("RM102,W2", "RM102,W9")), "R REF-03F REF-03W XRO-04F"),
        (small(|case| case.edit("W2,B11,VAC,", "W9,B11,VAC,")), "A REF-03W"),
        (small(|case| case.edit("F,83\n", ",83\n")), "R REF-05W REF-05F"),
        (small(|case| case.edit("OCC,F,83", "VAC,,")), "R PLA-05F"),
        (
            small(|case| {
                case.edit("OCC,F,83", "CLS,,");
                case.edit("VAC,,", "CLS,,")
            }),
            "R PLA-05F",
        ),
    ];
    for (n, (case, expected)) in rows.into_iter().enumerate() {
        let said = case.said();
        let mut words: Vec<&str> = said.split(' ').collect();
        let mut wanted: Vec<&str> = expected.split(' ').collect();
        words.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(words, wanted, "row {n}: {}", case.messages());
    }
}

#[test]
fn row_99_limits_are_by_share_by_ward_and_by_vanishing() {
    let broken = |rows: std::ops::RangeInclusive<u32>, percent: u32, per_ward: u32, vanish: bool| {
        Case::good().with(|case| {
            case.feed.limits.rejected_rows_percent = percent;
            case.feed.limits.rejected_rows_per_ward = per_ward;
            case.feed.limits.wards_may_vanish = vanish;
            // Its file has no closed beds and nobody waits: that limit has a test of its own.
            case.feed.limits.rejected_kind_percent = 100;
            for bed in rows {
                let status = if bed <= 10 { "OCC" } else { "VAC" };
                case.edit(&format!("W1,B{bed},{status}"), &format!("W1,B{bed},XXX"));
            }
        })
    };
    let rows = [
        (broken(1..=3, 10, 0, false), "A REF-04R"),
        (broken(1..=4, 10, 0, false), "R REF-04R ROW-99F"),
        (broken(1..=4, 100, 5, false), "A REF-04R"),
        (broken(1..=5, 100, 5, false), "R REF-04R ROW-99F"),
        (broken(1..=15, 100, 0, false), "R REF-04R ROW-99F"),
        (broken(1..=15, 100, 0, true), "A REF-04R"),
    ];
    for (n, (case, expected)) in rows.into_iter().enumerate() {
        assert_eq!(case.said(), expected, "row {n}: {}", case.messages());
    }
    let released = broken(1..=4, 10, 0, false).with(|case| case.released = true);
    assert_eq!(released.said(), "A REF-04R ROW-99W");
}

#[test]
fn xro_02_a_ward_listed_twice_loses_both_lines() {
    let ward_feed = || feed(&[("wards", PartRole::Data, "{org}_WARDS_{yyyy}{mm}{dd}_{HH}{MM}.csv")], vec![wards()]);
    let case = |text: &str| {
        let mut case = Case::new(ward_feed(), &[("RM1_WARDS_20181203_1015.csv", text)]);
        case.feed.mappings[0].coverage.beds = true;
        case
    };
    let small = |text: &str| {
        let case = case(text);
        let assessment = case.assess();
        (assessment.report.findings.count_of(Rule::Xro02), assessment.report.rows.lines)
    };
    assert_eq!(small("Ward,Empty\nW1,3\nW2,4\n"), (0, 2));
    assert_eq!(small("Ward,Empty\nW1,3\nW2,4\nW1,3\n"), (2, 1));
    assert_eq!(case("Ward,Empty\nW1,0\nW2,0\n").said(), "R XRO-05W PLA-05F");
}

#[test]
fn a_leak_seals_the_file_and_no_value_is_repeated() {
    let column = |name: &str, value: &str| {
        Case::good().with(|case| {
            case.edit(",AGE\n", &format!(",AGE,{name}\n"));
            case.edit("OCC,F,83\n", &format!("OCC,F,83,{value}\n"));
            case.edit("VAC,,\n", "VAC,,,\n");
            case.edit("30,,\n", "30,,,\n");
        })
    };
    let rows = [
        (column("NHS Number", "9434765919"), "S IGV-01F IGV-02F"),
        (column("Patient name", "Jane Example"), "S IGV-01F"),
        (column("Ref", "943 476 5919"), "S IGV-02F"),
        (column("Ref", "9434765918"), "A STR-04W"),
        (column("Ward name", "Oak"), "A STR-04W"),
        (column("NHS Number", "9434765919").with(|case| case.released = true), "S IGV-01F IGV-02F"),
    ];
    for (n, (case, expected)) in rows.into_iter().enumerate() {
        assert_eq!(case.said(), expected, "row {n}: {}", case.messages());
        assert!(!case.messages().contains("943") && !case.messages().contains("Jane"));
    }
}

#[test]
fn repeated_content_is_a_duplicate_whatever_else_is_wrong_with_it() {
    let repeated = || Case::good().with(|case| case.history.accepted.push(past("2018-12-03T10:15Z", 1, &case.files)));
    let rows = [
        (repeated(), "D"),
        (repeated().with(|case| case.received_at = at("2018-12-09T10:15:00Z")), "D"),
        (repeated().with(|case| case.edit("W1,B1,OCC,F,83", "W1,B1,OCC,F,84")), "A TIM-04W TRN-07W"),
        (Case::good().with(|case| case.history.accepted.push(past("2018-12-03T10:00Z", 1, &case.files))), "A"),
    ];
    for (n, (case, expected)) in rows.into_iter().enumerate() {
        assert_eq!(case.said(), expected, "row {n}: {}", case.messages());
    }
    assert_eq!(repeated().assess().report.findings.count_of(Rule::Trn05), 1);
}

#[test]
fn a_checksum_file_vouches_for_the_data() {
    let feed = || {
        let data = "{org}_BEDS_{yyyy}{mm}{dd}_{HH}{MM}.csv";
        feed(&[("beds", PartRole::Data, data), ("checksum", PartRole::Sha256, &format!("{data}.sha256"))], vec![beds()])
    };
    let beds = thirty_beds();
    let set = |sum: &str| Case::new(feed(), &[(NAME, &beds), ("RM1_BEDS_20181203_1015.csv.sha256", sum)]);
    let good = format!("{}  {NAME}\n", Digest::of(beds.as_bytes()));
    let alone = Case::new(feed(), &[(NAME, &beds)]);
    let mismatched = Case::new(feed(), &[(NAME, &beds), ("RM1_BEDS_20181203_1030.csv.sha256", &good)]);
    let rows = [
        (set(&good), "A"),
        (set(&good.replace(|c: char| c.is_ascii_digit(), "0")), "R TRN-04F"),
        (set(""), "R TRN-04F"),
        (set(&good).with(|case| case.edit("W1,B1,OCC,F,83", "W1,B1,VAC,,")), "R TRN-04F"),
        (Case::new(feed(), &[(NAME, &beds)]), "R TRN-01F"),
        (Case::new(feed(), &[("RM1_BEDS_20181203_1015.csv.sha256", &good)]), "R TRN-09F"),
        (alone.with(|case| case.history.accepted.push(past("2018-12-03T10:15Z", 1, &case.files))), "D"),
    ];
    for (n, (case, expected)) in rows.into_iter().enumerate() {
        assert_eq!(case.said(), expected, "row {n}: {}", case.messages());
    }
    assert_eq!(mismatched.said(), "R TRN-09F");
    assert!(Case::new(feed(), &[(NAME, &beds)]).messages().contains("File not complete after 600 s: checksum"));
    // The file with the rows leads the snapshot, in whatever order the two came.
    let report = Case::new(feed(), &[("RM1_BEDS_20181203_1015.csv.sha256", &good), (NAME, &beds)]).assess().report;
    assert_eq!(report.parts.iter().map(|(part, _)| part.as_str()).collect::<Vec<_>>(), ["beds", "checksum"]);
    let names = [name(NAME), name("RM1_BEDS_20181203_1015.csv.sha256")];
    assert_eq!(envelope::missing_parts(&feed(), &[&names[0]]), ["checksum"]);
    assert_eq!(envelope::missing_parts(&feed(), &[&names[0], &names[1]]), Vec::<String>::new());
    let identities = names.map(|name| envelope::identify(&feed(), &name).unwrap());
    assert_eq!(identities[0].set_key, identities[1].set_key);
    assert_eq!(envelope::needs_set(&identities[0], &feed()), Some(jiff::SignedDuration::from_mins(10)));
    assert_eq!(envelope::needs_set(&identities[0], &beds_feed()), None);
}

#[test]
fn a_control_record_is_compared_with_the_data() {
    let feed = || {
        let data = "{org}_BEDS_{yyyy}{mm}{dd}_{HH}{MM}";
        feed(&[("beds", PartRole::Data, &format!("{data}.csv")), ("control", PartRole::Control, &format!("{data}.ctl"))], vec![beds()])
    };
    let beds = thirty_beds();
    let good = "dataset=BEDSTATE/1\nprovider_code=RM1\nsnapshot_at=2018-12-03T10:15:00Z\nsequence_no=42\nrow_count=30\nkind=FULL\n";
    let set = |control: &str| Case::new(feed(), &[(NAME, &beds), ("RM1_BEDS_20181203_1015.ctl", control)]);
    let rows = [
        (good.to_owned(), "A"),
        (format!("{good}sha256={}\n", Digest::of(beds.as_bytes())), "A"),
        (format!("{good}sha256={}\n", Digest::of(b"other")), "R TRN-04F"),
        (good.replace("=30", "=31"), "R STR-06F"),
        (good.replace("RM1", "RGP"), "R TRN-02F"),
        (good.replace("10:15:00Z", "10:15:00"), "A"),
        (good.replace("10:15:00Z", "10:31:00Z"), "R TIM-01F"),
        (good.replace("BEDSTATE/1", "BEDSTATE/2"), "R STR-09F"),
        (good.replace("FULL", "SOME"), "R STR-09F"),
        (format!("{good}total_occ=20\ntotal_emp=10\ntotal_clo=0\ntotal_dem=0\n"), "A"),
        (format!("{good}total_occ=21\n"), "R STR-07F"),
        (format!("{good}produced_at=2018-12-03T10:15:30Z\n"), "A"),
        (format!("{good}produced_at=2018-12-03T09:15:30Z\n"), "A TIM-09W"),
        ("rubbish\n".to_owned(), "R TRN-04F"),
    ];
    for (control, expected) in rows {
        let case = set(&control);
        assert_eq!(case.said(), expected, "{control}: {}", case.messages());
    }
    assert_eq!(set(good).assess().report.sequence, Some(42));
    let test = set(&good.replace("FULL", "TEST")).assess();
    assert!(test.test && matches!(test.verdict, Verdict::Accepted(_)));
}

#[test]
fn a_first_line_states_provider_number_and_time() {
    let feed = || {
        let mut feed = feed(&[("pipes", PartRole::Data, "beds_{seq}.txt")], vec![pipes()]);
        feed.mappings[0].tables[0].lines[0].when.clear();
        feed
    };
    let good = "H|RM1|0001234|20181203101500|B\nD|RM102|W1|B1|U|19350214\nD|RM102|W2|B1|U|\nT|2\n";
    let case = |text: &str| Case::new(feed(), &[("beds_0001234.txt", text)]);
    // Thirty beds are registered, and none is occupied here.
    let rows = [
        (good.to_owned(), "R XRO-05W PLA-05F"),
        (good.replace("|RM1|", "|RGP|"), "R TRN-02F XRO-05W PLA-05F"),
        (good.replace("20181203101500", "yesterday"), "R TIM-01F"),
    ];
    for (text, expected) in rows {
        assert_eq!(case(&text).said(), expected, "{text}: {}", case(&text).messages());
    }
    let released = case(good).with(|case| case.released = true);
    assert_eq!((released.said(), released.assess().report.sequence), ("A XRO-05W PLA-05W".to_owned(), Some(1234)));
}

fn zip_of(members: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, text) in members {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(text.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

#[test]
fn an_archive_is_one_snapshot() {
    let beds = thirty_beds();
    let case =
        |members: &[(&str, &str)]| Case::new(zip_feed(), &[("RM1_20181203_1015.zip", "")]).with(|case| case.files[0].1 = zip_of(members));
    let list = "Name,Rows\nbeds.csv,30\nwards.csv,0\n";
    let wards = "Ward,Empty\n";
    let rows = [
        (case(&[("list.csv", list), ("beds.csv", &beds), ("wards.csv", wards)]), "A"),
        (case(&[("list.csv", &list.replace("30", "29")), ("beds.csv", &beds), ("wards.csv", wards)]), "R STR-06F"),
        (case(&[("beds.csv", &beds), ("wards.csv", wards)]), "R TRN-03F"),
        (case(&[("list.csv", list), ("beds.csv", &beds)]), "R TRN-03F"),
        (case(&[("list.csv", list), ("beds.csv", "PK\x03\x04"), ("wards.csv", wards)]), "R STR-02F"),
    ];
    for (n, (case, expected)) in rows.into_iter().enumerate() {
        assert_eq!(case.said(), expected, "row {n}: {}", case.messages());
    }
    // An archive in an archive is not looked into, and neither is a packed one.
    let inner = zip_of(&[("beds.csv", &beds)]);
    let nested = case(&[("list.csv", list), ("beds.csv", "nested"), ("wards.csv", wards)]).with(|case| {
        let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for (name, bytes) in [("list.csv", list.as_bytes()), ("beds.csv", inner.as_slice()), ("wards.csv", wards.as_bytes())] {
            writer.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
            writer.write_all(bytes).unwrap();
        }
        case.files[0].1 = writer.finish().unwrap().into_inner();
    });
    assert!(nested.said().starts_with("R STR-02F") && nested.messages().contains("zip archive"), "{}", nested.messages());
    let text = Case::new(beds_feed(), &[(NAME, "")]).with(|case| case.files[0].1 = zip_of(&[("beds.csv", &beds)]));
    assert!(text.messages().contains("zip archive or a spreadsheet"));
}

#[test]
fn a_packed_file_is_unpacked_and_nothing_else_is() {
    let text = thirty_beds();
    let packed = |bytes: &[u8]| {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        writer.write_all(bytes).unwrap();
        writer.finish().unwrap()
    };
    let packed_feed = || feed(&[("beds", PartRole::Data, "{org}_BEDS_{yyyy}{mm}{dd}_{HH}{MM}.csv.gz")], vec![beds()]);
    let file = "RM1_BEDS_20181203_1015.csv.gz";
    let case = |bytes: Vec<u8>| Case::new(packed_feed(), &[(file, "")]).with(|case| case.files[0].1 = bytes.clone());
    let (first, second) = text.as_bytes().split_at(700);
    let utf16: Vec<u8> = [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let rows = [
        (case(packed(text.as_bytes())), "A"),
        (case([packed(first), packed(second)].concat()), "A"),
        (case(packed(&utf16)), "A STR-02W"),
        // A whole stream that holds half of the rows: the total row tells.
        (case(packed(first)), "R STR-05R STR-10F STR-06F ROW-99F XRO-05W"),
        (case(packed(&packed(text.as_bytes()))), "R STR-02F"),
        (case(packed(&zip_of(&[("beds.csv", &text)]))), "R STR-02F"),
        (case(text.clone().into_bytes()), "R TRN-03F"),
        (case(packed(b"")), "R STR-01F"),
    ];
    for (n, (case, expected)) in rows.into_iter().enumerate() {
        let (mut said, mut wanted) =
            (case.said().split(' ').map(str::to_owned).collect::<Vec<_>>(), expected.split(' ').collect::<Vec<_>>());
        said.sort();
        wanted.sort_unstable();
        assert_eq!(said, wanted, "row {n}: {}", case.messages());
    }
    let plain = Case::new(beds_feed(), &[(NAME, "")]).with(|case| case.files[0].1 = packed(text.as_bytes()));
    assert!(plain.said().starts_with("R STR-02F") && plain.messages().contains("gzip"), "{}", plain.messages());
}

#[test]
fn first_and_last_lines_are_compared_as_a_control_record_is() {
    let stating = || {
        let mut feed = feed(&[("pipes", PartRole::Data, "beds_{seq}.txt")], vec![pipes()]);
        let table = &mut feed.mappings[0].tables[0];
        let header = table.header_line.as_mut().unwrap();
        (header.dataset, header.kind, header.produced_at) = (Some(5), Some(6), Some(7));
        table.trailer_line.as_mut().unwrap().totals = [Some(3), Some(4), Some(5), Some(6)];
        feed
    };
    let good = "H|RM1|0001234|20181203101500|BEDSTATE/1|FULL|20181203101530\nD|RM102|W1|B1|U|\nD|RM102|W2|B1|U|\nT|2|0|2|0|0\n";
    let case = |text: &str| Case::new(stating(), &[("beds_0001234.txt", text)]).with(|case| case.released = true);
    let rows = [
        (good.to_owned(), "A PLA-05W"),
        (good.replace("T|2|0|2", "T|2|0|3"), "R STR-07F"),
        (good.replace("BEDSTATE/1", "BEDSTATE/3"), "R STR-09F"),
        (good.replace("FULL", "PART"), "R STR-09F"),
        (good.replace("101530", "091530"), "A TIM-09W"),
    ];
    for (text, expected) in rows {
        let (said, messages) = (case(&text).said(), case(&text).messages());
        let mut words = expected.split(' ');
        assert!(said.starts_with(words.next().unwrap()) && words.all(|word| said.contains(word)), "{text}: {said}: {messages}");
    }
    assert!(case(&good.replace("FULL", "TEST")).assess().test);
    assert!(!case(good).assess().test);
}

#[test]
fn damaged_files_are_rejected_and_said_to_be() {
    let bytes = |bytes: &[u8]| Case::good().with(|case| case.files[0].1 = bytes.to_vec());
    let whole = thirty_beds();
    let binary: Vec<u8> = (0..=255).cycle().take(5000).collect();
    let rows = [
        (bytes(b""), "STR-01F"),
        (bytes(&whole.as_bytes()[..whole.len() / 2]), "STR-06F"),
        (bytes(&binary), "STR-02F"),
        (bytes("a,".repeat(1_000_000).as_bytes()), "TRN-03F"),
        (bytes(whole.replace("W1,B3", "W1,\0B3").as_bytes()), "STR-02F"),
        (bytes(whole.replace("W1,B3", "\"W1,B3").as_bytes()), "STR-05F"),
        (bytes(b"\n\n\n"), "STR-01F"),
        // Where times are read, a text that is far too long is no time: looking at it would cost its length squared.
        (Case::edited("03/12/2018 10:15", &"24".repeat(200_000)), "TIM-01F"),
    ];
    for (n, (case, expected)) in rows.into_iter().enumerate() {
        let said = case.said();
        assert!(said.starts_with("R ") && said.contains(expected), "row {n}: {said}: {}", case.messages());
    }
}

#[test]
fn a_part_is_named_only_where_rows_come_from_several() {
    let parts = |case: &Case| -> Vec<Option<String>> {
        let mut parts: Vec<_> = case.assess().report.findings.iter().map(|finding| finding.place.part.clone()).collect();
        parts.sort();
        parts.dedup();
        parts
    };
    let damage =
        |text: &str| text.replace("W1,B1,OCC,F", "W1,B1,XXX,F").replace("W2,B2,OCC,F", "W2,B1,OCC,F").replace("W2,B3,OCC,F,83", "W2,B3");
    let damaged = damage(&thirty_beds());
    // A checksum file is a part of the set, but no rows come from it.
    let data = "{org}_BEDS_{yyyy}{mm}{dd}_{HH}{MM}.csv";
    let set = feed(&[("beds", PartRole::Data, data), ("checksum", PartRole::Sha256, &format!("{data}.sha256"))], vec![beds()]);
    let sum = format!("{NAME}.sha256");
    let empty = Case::new(set.clone(), &[(NAME, ""), (&sum, "")]);
    assert_eq!(parts(&empty), [None]);
    for case in [Case::new(beds_feed(), &[(NAME, &damaged)]), Case::new(set, &[(NAME, &damaged), (&sum, "")])] {
        assert!(case.assess().report.findings.count_at(Severity::RejectRow) >= 3, "{}", case.said());
        assert_eq!(parts(&case), [None]);
    }
    let list = "Name,Rows\nbeds.csv,30\nwards.csv,0\n";
    let archive = zip_of(&[("list.csv", list), ("beds.csv", &damaged), ("wards.csv", "Ward,Empty\n")]);
    let archive = Case::new(zip_feed(), &[("RM1_20181203_1015.zip", "")]).with(|case| case.files[0].1 = archive);
    let named = |severity| {
        let found = archive.assess().report.findings;
        found.iter().filter(|finding| finding.severity == severity).map(|finding| finding.place.part.clone()).collect::<Vec<_>>()
    };
    assert!(named(Severity::RejectRow).len() >= 3);
    assert!(named(Severity::RejectRow).iter().all(|part| part.as_deref() == Some("beds.csv")), "{:?}", named(Severity::RejectRow));
}

#[test]
fn one_cause_is_told_once() {
    let data = "{org}_BEDS_{yyyy}{mm}{dd}_{HH}{MM}";
    let controlled =
        || feed(&[("beds", PartRole::Data, &format!("{data}.csv")), ("control", PartRole::Control, &format!("{data}.ctl"))], vec![beds()]);
    let control = "dataset=BEDSTATE/1\nprovider_code=RM1\nsnapshot_at=2018-12-03T10:15:00Z\nrow_count=30\n";
    let case =
        |stem: &str, control: &str| Case::new(controlled(), &[(&format!("{stem}.csv"), &thirty_beds()), (&format!("{stem}.ctl"), control)]);
    let rows = [
        // Both names say another provider; both names say another time; and the control record does so too.
        (case("RGP_BEDS_20181203_1015", control), Rule::Trn02),
        (case("RM1_BEDS_20181203_0945", control), Rule::Tim01),
        (case("RM1_BEDS_20181203_0945", &control.replace("10:15", "09:45")), Rule::Tim01),
    ];
    for (case, rule) in rows {
        assert_eq!(case.assess().report.findings.count_of(rule), 1, "{}", case.messages());
    }
    let mut pipes_feed = feed(&[("pipes", PartRole::Data, "beds.txt"), ("control", PartRole::Control, "beds.ctl")], vec![pipes()]);
    pipes_feed.limits.rejected_rows_percent = 100;
    let text = "H|RGP|1|20181203101500|B\nD|RM102|W1|B1|U|\nT|1\n";
    let both = Case::new(pipes_feed, &[("beds.txt", text), ("beds.ctl", &control.replace("RM1", "RGP").replace("30", "1"))]);
    assert_eq!(both.assess().report.findings.count_of(Rule::Trn02), 1, "{}", both.messages());
}

/// Whoever tries a file out is told everything each time, also of what was accepted before.
#[test]
fn a_test_that_repeats_an_accepted_file_is_told_everything() {
    let data = "{org}_BEDS_{yyyy}{mm}{dd}_{HH}{MM}";
    let controlled =
        feed(&[("beds", PartRole::Data, &format!("{data}.csv")), ("control", PartRole::Control, &format!("{data}.ctl"))], vec![beds()]);
    let control = "dataset=BEDSTATE/1\nprovider_code=RM1\nsnapshot_at=2018-12-03T10:15:00Z\nrow_count=30\nbatch=1\n";
    let repeated = |control: &str| {
        let case = Case::new(controlled.clone(), &[(NAME, &thirty_beds()), ("RM1_BEDS_20181203_1015.ctl", control)]);
        case.with(|case| case.history.accepted.push(past("2018-12-03T10:15Z", 1, &case.files[..1])))
    };
    assert_eq!(repeated(control).said(), "D");
    let test = repeated(&format!("{control}kind=TEST\n"));
    assert_eq!(test.said(), "A STR-04W TIM-04W");
    let assessment = test.assess();
    assert!(assessment.test && assessment.report.marked_test);
    assert!(test.messages().contains("it would be ignored as a repetition"), "{}", test.messages());
    // What is shown to a person, the folder `test/` included, leaves nothing out either.
    let case = repeated(control);
    let names: Vec<FileName> = case.files.iter().map(|(text, _)| name(text)).collect();
    let parts = case.files.iter().zip(&names).map(|((_, bytes), name)| Part {
        delivery: DeliveryId::new(case.received_at, [1; 10]),
        name,
        sha256: Digest::of(bytes),
        bytes,
    });
    let parts: Vec<Part<'_>> = parts.collect();
    let (feed, history, received_at) = (&case.feed, &case.history, case.received_at);
    let context = Context { feed, reference: &reference(), history, received_at, now: received_at, released: false };
    let (shown, _) = crate::pipeline::picture::judge_with_picture(&parts, &context);
    assert_eq!((shown.report.findings.count_of(Rule::Str04), shown.report.findings.count_of(Rule::Trn05)), (1, 1));
    assert!(matches!(shown.verdict, Verdict::Accepted(_)) && !shown.report.marked_test);
}

/// A small generator of noise, the same on every run.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end.max(1)).unwrap()).unwrap()
    }
}

#[test]
fn p9_no_bytes_at_all_panic_and_every_rejection_has_a_reason() {
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    let good = thirty_beds().into_bytes();
    let zip = zip_of(&[("list.csv", "Name,Rows\nbeds.csv,30\nwards.csv,0\n"), ("beds.csv", &thirty_beds()), ("wards.csv", "Ward,Empty\n")]);
    let feeds = [
        (beds_feed(), NAME, good),
        (zip_feed(), "RM1_20181203_1015.zip", zip),
        (
            feed(&[("pipes", PartRole::Data, "beds_{seq}.txt")], vec![pipes()]),
            "beds_7.txt",
            b"H|RM1|1|20181203101500|B\nD|RM102|W1|B1|U|\nT|1\n".to_vec(),
        ),
    ];
    let awkward = *b"\",\n\r\0\xff|;=- 09TH\xef\xbb\xbf";
    for (feed, file, good) in feeds {
        for round in 0..150 {
            let mut bytes = good.clone();
            match round % 5 {
                0 => bytes.truncate(noise.below(good.len())),
                1 => bytes = (0..noise.below(3000)).map(|_| noise.next().to_le_bytes()[0]).collect(),
                2 => bytes.rotate_left(noise.below(good.len())),
                _ => {
                    for _ in 0..=noise.below(6) {
                        let place = noise.below(bytes.len());
                        let byte = awkward[noise.below(awkward.len())];
                        if round % 2 == 0 { bytes[place] = byte } else { bytes.insert(place, byte) }
                    }
                }
            }
            let case = Case::new(feed.clone(), &[(file, "")]).with(|case| case.files[0].1 = bytes);
            let assessment = case.assess();
            let findings = &assessment.report.findings;
            match assessment.verdict {
                Verdict::Accepted(_) => assert!(!findings.reject_file()),
                Verdict::Duplicate { .. } => unreachable!("nothing was accepted before"),
                Verdict::Rejected | Verdict::Sealed => assert!(findings.reject_file(), "round {round}"),
            }
            assert!(findings.iter().count() <= MAX_FINDINGS_PER_RULE * Rule::ALL.len() * 4);
        }
    }
}
