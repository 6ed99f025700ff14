//! The fixtures of the six providers and the damaged ones, judged from outside: what is accepted, which lines come out
//! (written by hand, from the fixtures and the specification), what is found, and what is never repeated (P7).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test may fail loudly"
)]

mod judging;

use bedfeed::feed::{Digest, Totals};
use bedfeed::pipeline::assess::Assessment;
use bedfeed::verify::Verdict;
use judging::{Desk, Files, Noise, RECEIVED, accepted, at, compact, folder, path, words, zip_of};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Output};

const PROVIDERS: [&str; 6] = ["RM1", "RGP", "RCX", "RMY", "RY3", "NCC"];

fn fixture(code: &str) -> Files {
    folder(&format!("tests/fixtures/{code}"))
}

#[test]
fn every_good_fixture_is_accepted_with_the_committed_totals_and_its_rows_balance() {
    let desk = Desk::shipped();
    let truth: BTreeMap<String, Totals> = serde_json::from_slice(&std::fs::read(path("tests/fixtures/truth.json")).unwrap()).unwrap();
    assert_eq!(truth.keys().map(String::as_str).collect::<BTreeSet<_>>(), PROVIDERS.into_iter().collect());
    // Rows read, used, skipped and rejected, counted in the fixtures by hand.
    let rows = [
        ("RM1", [889, 889, 0, 0]),
        ("RGP", [21, 21, 0, 0]),
        ("RCX", [418, 418, 0, 0]),
        ("RMY", [125, 125, 0, 0]),
        ("RY3", [149, 140, 9, 0]),
        ("NCC", [56, 55, 0, 1]),
    ];
    for (code, expected) in rows {
        let assessment = desk.judge(code, &fixture(code));
        let lines = accepted(&assessment);
        let report = &assessment.report;
        assert_eq!(report.totals, Some(truth[code]), "{code}");
        assert_eq!(bedfeed::bedstate::totals(lines), truth[code], "{code}");
        let counts = report.rows;
        assert_eq!([counts.read, counts.used, counts.skipped, counts.rejected], expected, "{code}");
        assert_eq!(counts.read, counts.used + counts.skipped + counts.rejected, "{code}");
        assert_eq!(counts.lines, u64::try_from(lines.len()).unwrap(), "{code}");
        assert_eq!(report.slot.unwrap().to_string(), "2018-12-03T10:15Z", "{code}");
        // P10: what a feed does not tell of is not nought.
        assert_eq!(report.told().unwrap().demand.is_none(), ["RCX", "NCC"].contains(&code), "{code}");
    }
}

/// A row of a fixture: the part or member, the line number, and every line of the dataset that the row makes.
type Row = (&'static str, u64, &'static [&'static str]);

/// Compares each row's lines with what is expected of it, field by field.
fn check_rows(desk: &Desk, code: &str, files: &Files, received: &str, expected: &[Row]) {
    let normalised = desk.read(code, files, at(received));
    for (part, line, lines) in expected {
        let of_row = normalised.lines.iter().filter(|made| &*made.part == *part && made.row == *line);
        let made: Vec<Vec<String>> = of_row.map(|made| compact(&made.line)).collect();
        let wanted: Vec<Vec<String>> = lines.iter().map(|text| words(text)).collect();
        assert_eq!(made, wanted, "{code} {part} line {line}");
    }
}

/// Compares rows of a good fixture; what the normaliser makes must be what the assessment loads.
fn check_fixture(code: &str, expected: &[Row]) {
    let desk = Desk::shipped();
    let files = fixture(code);
    let loaded: Vec<Vec<String>> = accepted(&desk.judge(code, &files)).iter().map(compact).collect();
    let read: Vec<Vec<String>> = desk.read(code, &files, at(RECEIVED)).lines.iter().map(|made| compact(&made.line)).collect();
    assert_eq!(loaded, read, "{code}");
    check_rows(&desk, code, &files, RECEIVED, expected);
}

#[test]
fn rm1_beds_in_windows_1252_and_patients_in_the_emergency_department() {
    let rows: [Row; 14] = [
        ("beds", 1, &[]),
        (
            "beds",
            2,
            &[
                "site_code=RM102 line_type=OCC ward_code=W01 bay_code=B1 bed_ref=B1-01 bed_status=O bed_base=COR treatment_function=300 gender=1 age_band=A80",
            ],
        ),
        (
            "beds",
            7,
            &[
                "site_code=RM102 line_type=EMP ward_code=W01 bay_code=B1 bed_ref=B1-06 bed_status=U empty_state=RDY bed_base=COR treatment_function=300",
            ],
        ),
        // 99 years old.
        (
            "beds",
            8,
            &[
                "site_code=RM102 line_type=OCC ward_code=W01 bay_code=B2 bed_ref=B2-01 bed_status=O bed_base=COR treatment_function=300 gender=2 age_band=A90",
            ],
        ),
        (
            "beds",
            31,
            &[
                "site_code=RM102 line_type=EMP ward_code=W01 bay_code=B5 bed_ref=B5-06 bed_status=H empty_state=CLN bed_base=COR treatment_function=300",
            ],
        ),
        (
            "beds",
            36,
            &[
                "site_code=RM102 line_type=CLO ward_code=W01 bay_code=B6 bed_ref=B6-05 bed_status=C closed_reason=STF bed_base=COR treatment_function=300",
            ],
        ),
        (
            "beds",
            58,
            &[
                "site_code=RM102 line_type=CLO ward_code=W02 bay_code=B4 bed_ref=B4-03 bed_status=C closed_reason=IPC bed_base=COR treatment_function=100",
            ],
        ),
        // An en dash and an apostrophe in the ward's name; a comma in it.
        (
            "beds",
            90,
            &[
                "site_code=RM102 line_type=OCC ward_code=W04 bay_code=B1 bed_ref=B1-01 bed_status=O bed_base=COR treatment_function=100 gender=2 age_band=A40",
            ],
        ),
        (
            "beds",
            148,
            &[
                "site_code=RM102 line_type=EMP ward_code=W06 bay_code=B1 bed_ref=B1-03 bed_status=H empty_state=CLN bed_base=COR treatment_function=107",
            ],
        ),
        // A child of four.
        (
            "beds",
            264,
            &[
                "site_code=RM102 line_type=OCC ward_code=W10 bay_code=B2 bed_ref=B2-01 bed_status=O bed_base=COR treatment_function=420 gender=1 age_band=A00",
            ],
        ),
        // Decisions to admit: no ward, no bed, the wait from the decision.
        (
            "beds",
            882,
            &[
                "site_code=RM102 line_type=DEM treatment_function=340 gender=2 age_band=A65 demand_source=EDP demand_for=MED in_bed_now=false wait_from=2018-12-03T02:24:00Z",
            ],
        ),
        (
            "beds",
            887,
            &[
                "site_code=RM102 line_type=DEM treatment_function=420 gender=2 age_band=A05 demand_source=EDP demand_for=WCH in_bed_now=false wait_from=2018-12-03T00:55:00Z",
            ],
        ),
        (
            "beds",
            890,
            &[
                "site_code=RM102 line_type=DEM treatment_function=100 gender=1 age_band=A45 demand_source=EDP demand_for=SURG in_bed_now=false wait_from=2018-12-03T04:55:00Z",
            ],
        ),
        // The total row.
        ("beds", 891, &[]),
    ];
    check_fixture("RM1", &rows);
}

#[test]
fn rgp_ward_counts_from_a_spreadsheet_and_a_waiting_list() {
    let rows: [Row; 10] = [
        // Ward 1 is 01. Of 12 beds 2 and 7 are taken and 3 closed: none is empty.
        (
            "beds",
            2,
            &[
                "site_code=RGP75 line_type=OCC quantity=2 ward_code=01 bed_status=O bed_base=COR gender=1 age_band=AXX",
                "site_code=RGP75 line_type=OCC quantity=7 ward_code=01 bed_status=O bed_base=COR gender=2 age_band=AXX",
                "site_code=RGP75 line_type=CLO quantity=3 ward_code=01 bed_status=C closed_reason=STF bed_base=COR",
            ],
        ),
        // N/A as a reason for nothing closed.
        (
            "beds",
            4,
            &[
                "site_code=RGP75 line_type=OCC quantity=16 ward_code=03 bed_status=O bed_base=COR gender=1 age_band=AXX",
                "site_code=RGP75 line_type=OCC quantity=12 ward_code=03 bed_status=O bed_base=COR gender=2 age_band=AXX",
            ],
        ),
        // 5.00E+01 is ward 5E1, by the register of other names. One bed is empty.
        (
            "beds",
            7,
            &[
                "site_code=RGP75 line_type=OCC quantity=11 ward_code=5E1 bed_status=O bed_base=COR gender=1 age_band=AXX",
                "site_code=RGP75 line_type=OCC quantity=12 ward_code=5E1 bed_status=O bed_base=COR gender=2 age_band=AXX",
                "site_code=RGP75 line_type=EMP ward_code=5E1 bed_status=U empty_state=RDY bed_base=COR",
            ],
        ),
        // A comma and apostrophes in the name.
        (
            "beds",
            8,
            &[
                "site_code=RGP75 line_type=OCC quantity=18 ward_code=06 bed_status=O bed_base=COR gender=1 age_band=AXX",
                "site_code=RGP75 line_type=OCC quantity=8 ward_code=06 bed_status=O bed_base=COR gender=2 age_band=AXX",
                "site_code=RGP75 line_type=EMP quantity=2 ward_code=06 bed_status=U empty_state=RDY bed_base=COR",
            ],
        ),
        // "Open" includes the closed ones: 28 less 16, 7 and 3 leaves 2 empty.
        (
            "beds",
            9,
            &[
                "site_code=RGP75 line_type=OCC quantity=16 ward_code=07 bed_status=O bed_base=COR gender=1 age_band=AXX",
                "site_code=RGP75 line_type=OCC quantity=7 ward_code=07 bed_status=O bed_base=COR gender=2 age_band=AXX",
                "site_code=RGP75 line_type=CLO quantity=3 ward_code=07 bed_status=C closed_reason=STF bed_base=COR",
                "site_code=RGP75 line_type=EMP quantity=2 ward_code=07 bed_status=U empty_state=RDY bed_base=COR",
            ],
        ),
        (
            "beds",
            10,
            &[
                "site_code=RGP75 line_type=OCC quantity=8 ward_code=08 bed_status=O bed_base=COR gender=1 age_band=AXX",
                "site_code=RGP75 line_type=OCC quantity=11 ward_code=08 bed_status=O bed_base=COR gender=2 age_band=AXX",
                "site_code=RGP75 line_type=CLO quantity=3 ward_code=08 bed_status=C closed_reason=IPC bed_base=COR",
            ],
        ),
        // A ward for women only: no line counts no men.
        (
            "beds",
            13,
            &[
                "site_code=RGP75 line_type=OCC quantity=14 ward_code=11 bed_status=O bed_base=COR gender=2 age_band=AXX",
                "site_code=RGP75 line_type=EMP quantity=2 ward_code=11 bed_status=U empty_state=RDY bed_base=COR",
            ],
        ),
        (
            "beds",
            14,
            &[
                "site_code=RGP75 line_type=OCC quantity=17 ward_code=12 bed_status=O bed_base=COR gender=1 age_band=AXX",
                "site_code=RGP75 line_type=OCC quantity=13 ward_code=12 bed_status=O bed_base=COR gender=2 age_band=AXX",
            ],
        ),
        (
            "waiting",
            2,
            &[
                "site_code=RGP75 line_type=DEM gender=2 age_band=A05 demand_source=ASU demand_for=WCH in_bed_now=false wait_from=2018-12-03T07:55:00Z",
            ],
        ),
        (
            "waiting",
            4,
            &[
                "site_code=RGP75 line_type=DEM gender=2 age_band=A85 demand_source=EDP demand_for=MED in_bed_now=false wait_from=2018-12-03T00:09:00Z",
            ],
        ),
    ];
    check_fixture("RGP", &rows);
}

#[test]
fn rcx_bed_letters_without_column_names_and_birth_dates_that_become_bands() {
    let rows: [Row; 12] = [
        ("beds", 1, &[]),
        // Born 16 January 1934: 84.
        (
            "beds",
            2,
            &[
                "site_code=RCX70 line_type=OCC ward_code=NORTH1 bay_code=A bed_ref=A-01 bed_status=O bed_base=COR treatment_function=430 gender=1 age_band=A80",
            ],
        ),
        // Born 20 December 1922: not yet 96.
        (
            "beds",
            3,
            &[
                "site_code=RCX70 line_type=OCC ward_code=NORTH1 bay_code=A bed_ref=A-02 bed_status=O bed_base=COR treatment_function=430 gender=2 age_band=A90",
            ],
        ),
        // Born 24 November 1945: 73 for nine days.
        (
            "beds",
            11,
            &[
                "site_code=RCX70 line_type=OCC ward_code=NORTH1 bay_code=B bed_ref=B-04 bed_status=O bed_base=COR treatment_function=430 gender=1 age_band=A70",
            ],
        ),
        (
            "beds",
            21,
            &[
                "site_code=RCX70 line_type=EMP ward_code=NORTH1 bay_code=D bed_ref=D-02 bed_status=U empty_state=RDY bed_base=COR treatment_function=430",
            ],
        ),
        // Isolated, with a patient: a side room.
        (
            "beds",
            41,
            &[
                "site_code=RCX70 line_type=OCC ward_code=NORTH2 bay_code=B bed_ref=B-04 bed_status=I bed_base=COR side_room=true treatment_function=430 gender=2 age_band=A85",
            ],
        ),
        (
            "beds",
            75,
            &[
                "site_code=RCX70 line_type=EMP ward_code=NORTH3 bay_code=C bed_ref=C-04 bed_status=H empty_state=CLN bed_base=COR treatment_function=340",
            ],
        ),
        (
            "beds",
            114,
            &[
                "site_code=RCX70 line_type=CLO ward_code=SOUTH1 bay_code=E bed_ref=E-03 bed_status=C closed_reason=OTH bed_base=COR treatment_function=300",
            ],
        ),
        (
            "beds",
            318,
            &[
                "site_code=RCX70 line_type=EMP ward_code=WEST3 bay_code=D bed_ref=D-03 bed_status=K empty_state=CLN bed_base=COR treatment_function=301",
            ],
        ),
        // Born in September: under one.
        (
            "beds",
            381,
            &[
                "site_code=RCX70 line_type=OCC ward_code=CHILD bay_code=D bed_ref=D-02 bed_status=O bed_base=COR treatment_function=420 gender=2 age_band=A00",
            ],
        ),
        // No bay: the bed stands alone.
        (
            "beds",
            408,
            &[
                "site_code=RCX70 line_type=OCC ward_code=CCU bed_ref=C1 bed_status=O bed_base=COR treatment_function=192 gender=2 age_band=A55",
            ],
        ),
        ("beds", 420, &[]),
    ];
    check_fixture("RCX", &rows);
}

#[test]
fn rmy_beds_held_on_leave_and_requests_for_beds() {
    let rows: [Row; 12] = [
        (
            "beds",
            2,
            &[
                "site_code=RMY-SITE-A line_type=OCC ward_code=WARD-ALPHA bed_ref=F01 bed_status=O bed_base=COR bed_sex=2 gender=2 age_band=A25 ready=N",
            ],
        ),
        (
            "beds",
            5,
            &["site_code=RMY-SITE-A line_type=EMP ward_code=WARD-ALPHA bed_ref=F04 bed_status=U empty_state=RDY bed_base=COR bed_sex=2"],
        ),
        (
            "beds",
            7,
            &[
                "site_code=RMY-SITE-A line_type=OCC ward_code=WARD-ALPHA bed_ref=F06 bed_status=O bed_base=COR bed_sex=2 gender=2 age_band=A15 ready=D",
            ],
        ),
        // On leave: the bed is held, and nobody is in it.
        (
            "beds",
            8,
            &["site_code=RMY-SITE-A line_type=EMP ward_code=WARD-ALPHA bed_ref=F07 bed_status=U empty_state=LVE bed_base=COR bed_sex=2"],
        ),
        (
            "beds",
            31,
            &[
                "site_code=RMY-SITE-A line_type=OCC ward_code=WARD-BRAVO bed_ref=M16 bed_status=O bed_base=COR bed_sex=1 gender=1 age_band=A50 ready=R",
            ],
        ),
        (
            "beds",
            32,
            &[
                "site_code=RMY-SITE-A line_type=OCC ward_code=WARD-CHARLIE bed_ref=B01 bed_status=O bed_base=COR bed_sex=8 gender=2 age_band=A45 ready=N",
            ],
        ),
        (
            "beds",
            74,
            &["site_code=RMY-SITE-B line_type=CLO ward_code=WARD-DELTA bed_ref=M15 bed_status=C closed_reason=IPC bed_base=COR bed_sex=1"],
        ),
        // "Over 85" could be 85 to 89 or 90 and over.
        (
            "beds",
            93,
            &[
                "site_code=RMY-SITE-B line_type=OCC ward_code=WARD-FOXTROT bed_ref=B02 bed_status=O bed_base=COR bed_sex=8 gender=2 age_band=AXX ready=N",
            ],
        ),
        (
            "beds",
            102,
            &[
                "site_code=RMY-SITE-B line_type=OCC ward_code=WARD-FOXTROT bed_ref=B11 bed_status=O bed_base=COR bed_sex=8 gender=X age_band=A80 ready=N",
            ],
        ),
        (
            "beds",
            122,
            &[
                "site_code=RMY-SITE-A line_type=DEM gender=2 age_band=A45 demand_source=CRH demand_for=MHA in_bed_now=false wait_from=2018-12-03T05:50:00Z",
            ],
        ),
        (
            "beds",
            124,
            &[
                "site_code=RMY-SITE-B line_type=DEM gender=1 age_band=A50 demand_source=S13 demand_for=MHA in_bed_now=false wait_from=2018-12-03T02:41:00Z",
            ],
        ),
        (
            "beds",
            126,
            &[
                "site_code=RMY-SITE-B line_type=DEM gender=1 age_band=A50 demand_source=S13 demand_for=MHA in_bed_now=false wait_from=2018-12-03T01:55:00Z",
            ],
        ),
    ];
    check_fixture("RMY", &rows);
}

#[test]
fn ry3_an_archive_with_closures_beside_the_beds_and_copies_of_rows() {
    let rows: [Row; 13] = [
        (
            "BedList.csv",
            2,
            &["site_code=RY3SA line_type=OCC ward_code=EAST bed_ref=E-01 bed_status=O bed_base=COR gender=2 age_band=A75 ready=R"],
        ),
        // Not occupied here, and closed by the other list.
        ("BedList.csv", 19, &["site_code=RY3SA line_type=CLO ward_code=EAST bed_ref=E-18 bed_status=C closed_reason=STF bed_base=COR"]),
        // One row twice, word for word.
        (
            "BedList.csv",
            24,
            &["site_code=RY3SA line_type=OCC ward_code=EASTREHAB bed_ref=H-05 bed_status=O bed_base=COR gender=2 age_band=A90 ready=N"],
        ),
        ("BedList.csv", 25, &[]),
        // A comma in the ward's name.
        ("BedList.csv", 61, &["site_code=RY3SB line_type=EMP ward_code=WESTPALL bed_ref=M-04 bed_status=U empty_state=RDY bed_base=COR"]),
        ("BedList.csv", 118, &["site_code=RY3SD line_type=CLO ward_code=SOUTH bed_ref=S-13 bed_status=C closed_reason=IPC bed_base=COR"]),
        // The bed of the same name on the next ward is open.
        (
            "BedList.csv",
            133,
            &["site_code=RY3SD line_type=OCC ward_code=SOUTHMEN bed_ref=S-13 bed_status=O bed_base=COR gender=1 age_band=A70 ready=N"],
        ),
        ("BedClosure.csv", 2, &[]),
        // Patients in another hospital's bed.
        (
            "StepDown.csv",
            2,
            &[
                "site_code=RY3SC line_type=DEM gender=1 age_band=A90 demand_source=STD demand_for=COMM in_bed_now=true wait_from=2018-12-03T08:29:00Z",
            ],
        ),
        // A time that was not known is written as midnight: how long the patient waits is not known.
        ("StepDown.csv", 3, &["site_code=RY3SD line_type=DEM gender=2 age_band=A70 demand_source=STD demand_for=COMM in_bed_now=true"]),
        (
            "StepDown.csv",
            4,
            &[
                "site_code=RY3SC line_type=DEM gender=1 age_band=A70 demand_source=STD demand_for=COMM in_bed_now=true wait_from=2018-12-03T04:32:00Z",
            ],
        ),
        ("StepDown.csv", 5, &[]),
        ("StepDown.csv", 6, &["site_code=RY3SD line_type=DEM gender=1 age_band=A85 demand_source=STD demand_for=COMM in_bed_now=true"]),
    ];
    check_fixture("RY3", &rows);
}

#[test]
fn ncc_homes_with_old_figures_closed_homes_and_one_that_does_not_say() {
    let rows: [Row; 10] = [
        (
            "capacity",
            2,
            &[
                "site_code=1-1000000001 line_type=OCC quantity=29 ward_code=CHNURDEM bed_status=O bed_base=COR gender=X age_band=AXX source_updated_at=2018-11-28T02:48:00Z",
                "site_code=1-1000000001 line_type=EMP quantity=2 ward_code=CHNURDEM bed_status=U empty_state=RSV bed_base=COR source_updated_at=2018-11-28T02:48:00Z",
                "site_code=1-1000000001 line_type=EMP quantity=2 ward_code=CHNURDEM bed_status=U empty_state=RDY bed_base=COR source_updated_at=2018-11-28T02:48:00Z",
            ],
        ),
        // A comma in the name; 8.0 people.
        (
            "capacity",
            3,
            &[
                "site_code=1-1000000002 line_type=OCC quantity=8 ward_code=CHRES bed_status=O bed_base=COR gender=X age_band=AXX source_updated_at=2018-11-27T16:02:00Z",
                "site_code=1-1000000002 line_type=EMP ward_code=CHRES bed_status=U empty_state=RSV bed_base=COR source_updated_at=2018-11-27T16:02:00Z",
                "site_code=1-1000000002 line_type=EMP ward_code=CHRES bed_status=U empty_state=RDY bed_base=COR source_updated_at=2018-11-27T16:02:00Z",
            ],
        ),
        // The same home's other beds.
        (
            "capacity",
            4,
            &[
                "site_code=1-1000000002 line_type=OCC quantity=14 ward_code=CHSHORT bed_status=O bed_base=COR gender=X age_band=AXX source_updated_at=2018-11-25T18:29:00Z",
                "site_code=1-1000000002 line_type=EMP ward_code=CHSHORT bed_status=U empty_state=RSV bed_base=COR source_updated_at=2018-11-25T18:29:00Z",
                "site_code=1-1000000002 line_type=EMP ward_code=CHSHORT bed_status=U empty_state=RDY bed_base=COR source_updated_at=2018-11-25T18:29:00Z",
            ],
        ),
        // Closed to admissions, and full: nothing is closed.
        (
            "capacity",
            8,
            &[
                "site_code=1-1000000005 line_type=OCC quantity=12 ward_code=CHRESDEM bed_status=O bed_base=COR gender=X age_band=AXX source_updated_at=2018-11-30T11:48:00Z",
            ],
        ),
        // Full.
        (
            "capacity",
            15,
            &[
                "site_code=1-1000000011 line_type=OCC quantity=10 ward_code=CHNUR bed_status=O bed_base=COR gender=X age_band=AXX source_updated_at=2018-11-29T16:56:00Z",
            ],
        ),
        // Closed to admissions with four beds free: those are closed.
        (
            "capacity",
            20,
            &[
                "site_code=1-1000000014 line_type=OCC quantity=44 ward_code=CHNURDEM bed_status=O bed_base=COR gender=X age_band=AXX source_updated_at=2018-11-24T14:56:00Z",
                "site_code=1-1000000014 line_type=CLO quantity=4 ward_code=CHNURDEM bed_status=C closed_reason=IPC bed_base=COR source_updated_at=2018-11-24T14:56:00Z",
            ],
        ),
        (
            "capacity",
            43,
            &[
                "site_code=1-1000000031 line_type=OCC quantity=26 ward_code=CHRES bed_status=O bed_base=COR gender=X age_band=AXX source_updated_at=2018-11-28T03:49:00Z",
                "site_code=1-1000000031 line_type=CLO quantity=2 ward_code=CHRES bed_status=C closed_reason=IPC bed_base=COR source_updated_at=2018-11-28T03:49:00Z",
            ],
        ),
        // Neither how many are free nor when that was: left out, and the rest of the county is not.
        ("capacity", 57, &[]),
        ("capacity", 58, &[]),
        ("capacity", 59, &[]),
    ];
    check_fixture("NCC", &rows);
}

const RM1_HEADER: &str = r#""EXTRACT_DTTM","SITE","WARD_CODE","WARD_DESC","BAY","BED","STATUS","SEX","AGE","SPEC","LOC","DTA_DTTM""#;

/// A file with a checksum file beside it, as RM1 sends.
fn with_checksum(name: &str, text: &[u8]) -> Files {
    let sum = format!("{}  {name}\n", Digest::of(text));
    vec![(name.to_owned(), text.to_vec()), (format!("{name}.sha256"), sum.into_bytes())]
}

fn alone(name: &str, text: &str) -> Files {
    vec![(name.to_owned(), text.as_bytes().to_vec())]
}

/// Quirks that the fixtures do not have, as small extracts in the same layouts.
#[test]
fn quirks_that_come_on_other_days() {
    let desk = Desk::shipped();

    // RM1: summer time, another gender, a specialty nobody mapped, and waits of a week and from before midnight.
    let rm1 = format!(
        "{RM1_HEADER}\r\n\
         \"03/07/2018 10:15\",\"RM102\",\"W01\",\"Ward 1\",\"\",\"07\",\"occ\",\"I\",\"0\",\"300\",\"IP\",\"\"\r\n\
         \"03/07/2018 10:15\",\"RM102\",\"EDMAJ\",\"A&E\",\"\",\"\",\"DTA\",\"Q\",\"\",\"999\",\"ED\",\"02/07/2018 24:00\"\r\n\
         \"03/07/2018 10:15\",\"RM102\",\"EDMAJ\",\"A&E\",\"\",\"\",\"DTA\",\"F\",\"131\",\"\",\"ED\",\"26/06/2018 23:59\"\r\n\
         \"TOTAL\",\"\",\"\",\"\",\"\",\"\",\"3\",\"\",\"\",\"\",\"\",\"\"\r\n"
    );
    let rows: [Row; 3] = [
        // No bay: the bed stands alone. Letter case of a code does not matter. Nought years.
        (
            "beds",
            2,
            &[
                "site_code=RM102 line_type=OCC ward_code=W01 bed_ref=07 bed_status=O bed_base=COR treatment_function=300 gender=9 age_band=A00",
            ],
        ),
        // 24:00 is midnight; in summer that is 23:00 in UTC.
        (
            "beds",
            3,
            &["site_code=RM102 line_type=DEM gender=X age_band=AXX demand_source=EDP in_bed_now=false wait_from=2018-07-02T23:00:00Z"],
        ),
        (
            "beds",
            4,
            &["site_code=RM102 line_type=DEM gender=2 age_band=AXX demand_source=EDP in_bed_now=false wait_from=2018-06-26T22:59:00Z"],
        ),
    ];
    let files = with_checksum("RM1_BEDSTATE_20180703_1015.csv", rm1.as_bytes());
    check_rows(&desk, "RM1", &files, "2018-07-03T09:18:00Z", &rows);

    // RM1 in the hour that comes twice: the snapshot is of 01:30 GMT, so the wait since 01:45 began at 01:45 BST.
    let october = rm1.replace("03/07/2018 10:15", "28/10/2018 01:30").replace("02/07/2018 24:00", "28/10/2018 01:45");
    let october = october.replace("26/06/2018 23:59", "28/10/2018 01:15");
    let files = with_checksum("RM1_BEDSTATE_20181028_0130.csv", october.as_bytes());
    let rows: [Row; 2] = [
        (
            "beds",
            3,
            &["site_code=RM102 line_type=DEM gender=X age_band=AXX demand_source=EDP in_bed_now=false wait_from=2018-10-28T00:45:00Z"],
        ),
        (
            "beds",
            4,
            &["site_code=RM102 line_type=DEM gender=2 age_band=AXX demand_source=EDP in_bed_now=false wait_from=2018-10-28T01:15:00Z"],
        ),
    ];
    // It came late: by the time of receipt 01:45 would be a quarter of an hour after the snapshot.
    check_rows(&desk, "RM1", &files, "2018-10-28T02:18:00Z", &rows);

    // RGP: another month's column names in another order, numbers with separators and decimals, a dash for no ward beds.
    let beds = "Closed,Beds Open,Ward Number,ward NAME,Occ  Male,Occ-Female,Closed reason,Escalation beds,,\n\
                1.0,\"1,030\",2.0,Ward 2,\"1,000\",20,Flood,-,,\n";
    let files: Files = vec![
        ("JPUH beds 03-12-2018 1015.csv".to_owned(), beds.as_bytes().to_vec()),
        ("jpuh waiting 03-12-2018 1015.CSV".to_owned(), b"Patient location,Sex,Age,Specialty,Decision to admit\n".to_vec()),
    ];
    let rows: [Row; 1] = [(
        "beds",
        2,
        &[
            "site_code=RGP75 line_type=OCC quantity=1000 ward_code=02 bed_status=O bed_base=COR gender=1 age_band=AXX",
            "site_code=RGP75 line_type=OCC quantity=20 ward_code=02 bed_status=O bed_base=COR gender=2 age_band=AXX",
            "site_code=RGP75 line_type=CLO ward_code=02 bed_status=C closed_reason=OTH bed_base=COR",
            "site_code=RGP75 line_type=EMP quantity=9 ward_code=02 bed_status=U empty_state=RDY bed_base=COR",
        ],
    )];
    check_rows(&desk, "RGP", &files, RECEIVED, &rows);

    // RCX at the end of a day: 24:00 is the next day's start, and ages are as of that day.
    let rcx = "H|RCX|9999999|20181202240000|BEDSTATE\n\
               D|RCX70|NORTH1|A|01|O|9|19431203|430|E\n\
               D|RCX70|NORTH1|A|02|O|1|19431204|430|D\n\
               D|RCX70|NORTH1|A|03|I|||430|C\n\
               D|RCX70|NORTH1|A|04|O|2|-|430|C\n\
               T|4\n";
    let rows: [Row; 4] = [
        (
            "beds",
            2,
            &[
                "site_code=RCX70 line_type=OCC ward_code=NORTH1 bay_code=A bed_ref=A-01 bed_status=O bed_base=ESC treatment_function=430 gender=9 age_band=A75",
            ],
        ),
        (
            "beds",
            3,
            &[
                "site_code=RCX70 line_type=OCC ward_code=NORTH1 bay_code=A bed_ref=A-02 bed_status=O bed_base=DAY treatment_function=430 gender=1 age_band=A70",
            ],
        ),
        // Isolated and nobody in it: the mapping has no line for that, and the row is rejected rather than guessed.
        ("beds", 4, &[]),
        (
            "beds",
            5,
            &[
                "site_code=RCX70 line_type=OCC ward_code=NORTH1 bay_code=A bed_ref=A-04 bed_status=O bed_base=COR treatment_function=430 gender=2 age_band=AXX",
            ],
        ),
    ];
    check_rows(&desk, "RCX", &alone("rcx_bs_9999999.txt", rcx), "2018-12-03T00:03:00Z", &rows);

    // RMY: a repatriation, closures for other reasons, a reason for staying that nobody mapped.
    let rmy = "SnapshotTime,Unit,Ward,WardSex,Security,Bed,TYPE,State,Gender,AgeGroup,Reason,RequestedAt\n\
               2018-12-03T10:15:02,RMY-SITE-A,WARD-ALPHA,Female,Low,F01,BED,Occupied,Indeterminate,90 and over,Awaiting placement,\n\
               2018-12-03T10:15:02,RMY-SITE-A,WARD-ALPHA,Female,Low,F02,BED,Closed,,,Estates,\n\
               2018-12-03T10:15:02,RMY-SITE-A,WARD-ALPHA,Female,Low,F03,BED,Closed,,,Ligature works,\n\
               2018-12-03T10:15:02,RMY-SITE-B,,,,,REQ,Awaiting bed,Male,18 to 24,Repatriation,2018-11-30T02:40:00\n";
    let control = "dataset=BEDSTATE/1\nprovider_code=RMY\nsnapshot_at=2018-12-03T10:15:02\nrow_count=4\nkind=FULL\n";
    let files: Files = vec![
        ("RMY-bedstate-2018-12-03T1015.csv".to_owned(), rmy.as_bytes().to_vec()),
        ("RMY-bedstate-2018-12-03T1015.ctl".to_owned(), control.as_bytes().to_vec()),
    ];
    let rows: [Row; 4] = [
        (
            "beds",
            2,
            &[
                "site_code=RMY-SITE-A line_type=OCC ward_code=WARD-ALPHA bed_ref=F01 bed_status=O bed_base=COR bed_sex=2 gender=9 age_band=A90 ready=X",
            ],
        ),
        (
            "beds",
            3,
            &["site_code=RMY-SITE-A line_type=CLO ward_code=WARD-ALPHA bed_ref=F02 bed_status=C closed_reason=EST bed_base=COR bed_sex=2"],
        ),
        (
            "beds",
            4,
            &["site_code=RMY-SITE-A line_type=CLO ward_code=WARD-ALPHA bed_ref=F03 bed_status=C closed_reason=OTH bed_base=COR bed_sex=2"],
        ),
        // A band that the dataset does not have is not forced into one that it has.
        (
            "beds",
            5,
            &[
                "site_code=RMY-SITE-B line_type=DEM gender=1 age_band=AXX demand_source=REP demand_for=MHA in_bed_now=false wait_from=2018-11-30T02:40:00Z",
            ],
        ),
    ];
    check_rows(&desk, "RMY", &files, RECEIVED, &rows);

    // RY3: an occupied bed on the list of closures (the patient is still there), a reason nobody mapped, an age that nobody entered.
    let list = b"\"FileName\",\"RowCount\"\n\"BedList\",\"3\"\n\"BedClosure\",\"2\"\n\"StepDown\",\"0\"\n";
    let beds = b"\"RowIdentifier\",\"IDOrganisation\",\"DateExtract\",\"UnitName\",\"WardName\",\"BedName\",\"Occupied\",\"Gender\",\"AgeYears\",\"DischargeReady\"\n\
        \"1\",\"RY3\",\"03 Dec 2018 10:15:00\",\"unit east\",\"ward east\",\"E-01\",\"TRUE\",\"\",\"\",\"\"\n\
        \"2\",\"RY3\",\"03 Dec 2018 10:15:00\",\"Unit East\",\"Ward East\",\"E-02\",\"TRUE\",\"Male\",\"44\",\"FALSE\"\n\
        \"3\",\"RY3\",\"03 Dec 2018 10:15:00\",\"Unit East\",\"Ward East\",\"E-03\",\"FALSE\",\"\",\"\",\"FALSE\"\n";
    let closures = b"\"UnitName\",\"WardName\",\"BedName\",\"DateClosed\",\"Reason\"\n\
        \"Unit East\",\"Ward East\",\"E-02\",\"03 Dec 2018 00:00:00\",\"Flooring\"\n\
        \"Unit East\",\"Ward East\",\"E-03\",\"03 Dec 2018 00:00:00\",\"Flooring\"\n";
    let stepdown = b"\"RowIdentifier\",\"UnitName\",\"Gender\",\"AgeYears\",\"DateAccepted\"\n";
    let zip = zip_of(&[("SRManifest.csv", list), ("bedlist.csv", beds), ("BedClosure.csv", closures), ("StepDown.csv", stepdown)]);
    let rows: [Row; 3] = [
        ("BedList.csv", 2, &["site_code=RY3SA line_type=OCC ward_code=EAST bed_ref=E-01 bed_status=O bed_base=COR gender=X age_band=AXX"]),
        (
            "BedList.csv",
            3,
            &["site_code=RY3SA line_type=OCC ward_code=EAST bed_ref=E-02 bed_status=O bed_base=COR gender=1 age_band=A40 ready=N"],
        ),
        ("BedList.csv", 4, &["site_code=RY3SA line_type=CLO ward_code=EAST bed_ref=E-03 bed_status=C closed_reason=OTH bed_base=COR"]),
    ];
    check_rows(&desk, "RY3", &vec![("RY3_20181203_101502.zip".to_owned(), zip)], RECEIVED, &rows);

    // NCC: full, closed and free homes in summer time; a vacancy that is not known is not none.
    let ncc = "CQC Location ID,Home Name,District,Bed Type,Max Capacity,Occupied,Vacant (reserved),Vacant (accepting),Closed,Last Updated\r\n\
               1-1000000001,X,Breckland,general residential,42,\"39\",0,3.0,n,01/07/2018 09:14\r\n\
               1-1000000003,Y,Norwich,Learning Disability,18,0,1,2,Y (D&V),01/07/2018 09:14\r\n\
               1-1000000004,Z,Norwich,General Nursing,18,10,,2,N,01/07/2018 09:14\r\n";
    let rows: [Row; 3] = [
        (
            "capacity",
            2,
            &[
                "site_code=1-1000000001 line_type=OCC quantity=39 ward_code=CHRES bed_status=O bed_base=COR gender=X age_band=AXX source_updated_at=2018-07-01T08:14:00Z",
                "site_code=1-1000000001 line_type=EMP quantity=3 ward_code=CHRES bed_status=U empty_state=RDY bed_base=COR source_updated_at=2018-07-01T08:14:00Z",
            ],
        ),
        (
            "capacity",
            3,
            &[
                "site_code=1-1000000003 line_type=CLO quantity=3 ward_code=CHLD bed_status=C closed_reason=IPC bed_base=COR source_updated_at=2018-07-01T08:14:00Z",
            ],
        ),
        ("capacity", 4, &[]),
    ];
    check_rows(&desk, "NCC", &alone("NCC_CAREHOME_CAPACITY_201807031015.csv", ncc), "2018-07-03T09:18:00Z", &rows);
}

/// One row of `damaged/expected.csv`.
struct Expected {
    rule: String,
    severity: String,
    line: Option<u64>,
    column: Option<String>,
}

/// One folder of damaged files.
struct Damaged {
    folder: String,
    provider: String,
    files: Files,
    expected: Vec<Expected>,
}

impl Damaged {
    fn is_accepted(&self) -> bool {
        !self.expected.iter().any(|expected| expected.severity == "reject_file")
    }

    fn is_sealed(&self) -> bool {
        self.expected.iter().any(|expected| expected.rule.starts_with("IGV-"))
    }

    /// Everything in the files that belongs to a person: NHS numbers (all are from 999), birth dates and surnames.
    fn secrets(&self) -> BTreeSet<String> {
        let mut secrets = BTreeSet::new();
        for (name, bytes) in &self.files {
            let text = String::from_utf8_lossy(bytes);
            let surnames = text.lines().next().is_some_and(|header| header.ends_with("Surname\""));
            for line in text.lines() {
                let digits = line.split(|c: char| !c.is_ascii_digit());
                secrets.extend(digits.filter(|run| run.len() == 10 && run.starts_with("999")).map(str::to_owned));
                if name.starts_with("rcx") {
                    secrets.extend(line.split('|').nth(7).map(str::to_owned));
                }
                if surnames {
                    secrets.extend(line.rsplit(',').next().map(|name| name.trim_matches('"').to_owned()));
                }
            }
        }
        secrets.retain(|secret| secret.len() > 5 && secret != "Surname");
        secrets
    }
}

/// Every folder, with what `expected.csv` says of it.
fn damaged() -> Vec<Damaged> {
    let mut expected: BTreeMap<String, Vec<(String, Expected)>> = BTreeMap::new();
    let mut reader = csv::Reader::from_path(path("tests/fixtures/damaged/expected.csv")).unwrap();
    for record in reader.records() {
        let record = record.unwrap();
        let filled = |at: usize| Some(record[at].to_owned()).filter(|text| !text.is_empty());
        let (folder, file) = record[1].split_once('/').unwrap();
        assert!(path("tests/fixtures/damaged").join(folder).join(file).is_file(), "{folder}/{file}");
        let row = Expected {
            rule: record[2].to_owned(),
            severity: record[3].to_owned(),
            line: filled(4).map(|line| line.parse().unwrap()),
            column: filled(5),
        };
        expected.entry(folder.to_owned()).or_default().push((record[0].to_owned(), row));
    }
    let mut all = Vec::new();
    for entry in std::fs::read_dir(path("tests/fixtures/damaged")).unwrap() {
        let entry = entry.unwrap();
        if !entry.file_type().unwrap().is_dir() {
            continue;
        }
        let name = entry.file_name().into_string().unwrap();
        let rows = expected.remove(&name).unwrap_or_default();
        let provider = rows.first().map(|(provider, _)| provider.clone());
        let provider =
            provider.unwrap_or_else(|| name.strip_prefix("good-").expect("a folder that expects nothing is good").to_uppercase());
        let files = folder(&format!("tests/fixtures/damaged/{name}"));
        all.push(Damaged { folder: name, provider, files, expected: rows.into_iter().map(|(_, row)| row).collect() });
    }
    assert!(expected.is_empty(), "folders that are not there: {:?}", expected.keys());
    all.sort_by(|a, b| a.folder.cmp(&b.folder));
    assert!(all.len() >= 43);
    all
}

#[test]
fn every_damaged_file_gets_the_findings_and_the_verdict_it_should() {
    let desk = small_hospitals();
    for case in damaged() {
        let assessment = desk.judge(&case.provider, &case.files);
        let findings = &assessment.report.findings;
        for expected in &case.expected {
            let fits = |finding: &&bedfeed::feed::Finding| {
                finding.rule.id() == expected.rule
                    && serde_json::to_value(finding.severity).unwrap() == expected.severity.as_str()
                    && (expected.line.is_none() || finding.place.line == expected.line)
                    && (expected.column.is_none() || finding.place.column == expected.column)
            };
            let Expected { rule, severity, line, column } = expected;
            assert!(findings.iter().any(|finding| fits(&finding)), "{}: {rule} {severity} {line:?} {column:?}: {findings:?}", case.folder);
        }
        match &assessment.verdict {
            Verdict::Accepted(_) => assert!(case.is_accepted(), "{}", case.folder),
            Verdict::Sealed => assert!(case.is_sealed(), "{}", case.folder),
            Verdict::Rejected => assert!(!case.is_accepted() && !case.is_sealed(), "{}: {findings:?}", case.folder),
            Verdict::Duplicate { .. } => panic!("{}: nothing was accepted before", case.folder),
        }
        assert!(findings.iter().all(|finding| finding.place.part.is_none()), "{}: each of these has one part with rows", case.folder);
        let mut kinds: Vec<_> = findings.iter().map(|finding| (finding.rule, finding.severity, &finding.place, &finding.message)).collect();
        let all = kinds.len();
        kinds.sort_by_key(|kind| format!("{kind:?}"));
        kinds.dedup();
        assert_eq!(kinds.len(), all, "{}: something is said twice: {findings:?}", case.folder);
    }
}

/// The shipped settings, where the providers of the damaged extracts have the wards that these tell of.
fn small_hospitals() -> Desk {
    let good = |code: &str| folder(&format!("tests/fixtures/damaged/good-{}", code.to_lowercase()));
    SMALL.iter().fold(Desk::shipped(), |desk, code| desk.with_wards_of(code, &good(code)))
}

/// The providers whose good extract here is of some of their wards only. Care homes may be missing any day.
const SMALL: [&str; 2] = ["RM1", "RCX"];

/// Those settings as files.
fn small_config() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for inside in ["providers", "reference"] {
        std::fs::create_dir(dir.path().join(inside)).unwrap();
        for entry in std::fs::read_dir(path("config").join(inside)).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                continue;
            }
            // The mappings' own examples are of whole hospitals.
            let text = std::fs::read_to_string(&entry).unwrap();
            let kept: String = text.lines().filter(|line| !line.starts_with("example = ")).map(|line| format!("{line}\n")).collect();
            std::fs::write(dir.path().join(inside).join(entry.file_name().unwrap()), kept).unwrap();
        }
    }
    std::fs::copy(path("config/bedfeed.toml"), dir.path().join("bedfeed.toml")).unwrap();
    let wards = dir.path().join("reference/wards.csv");
    let desk = small_hospitals();
    let kept = |line: &&str| {
        let cells: Vec<&str> = line.split(',').collect();
        let known = desk.settings.reference.wards.iter().any(|ward| ward.provider.as_str() == cells[0] && ward.ward_code == cells[2]);
        !SMALL.contains(&cells[0]) || known
    };
    let text = std::fs::read_to_string(&wards).unwrap();
    std::fs::write(&wards, text.lines().filter(kept).map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    dir
}

/// Runs `bedfeed check` on a case.
fn check(case: &Damaged, config: &Path, json: bool) -> Output {
    let config = config.join("bedfeed.toml");
    let mut command = Command::new(env!("CARGO_BIN_EXE_bedfeed"));
    command.args(["check", "--provider", &case.provider, "--at", "2018-12-03T10:18Z", "--config"]).arg(config);
    command.args(json.then_some("--json"));
    command.args(case.files.iter().map(|(name, _)| path("tests/fixtures/damaged").join(&case.folder).join(name)));
    command.output().unwrap()
}

#[test]
fn p7_check_says_accepted_or_rejected_and_no_output_holds_a_persons_value() {
    let mut secrets_seen = 0;
    let config = small_config();
    for case in damaged() {
        let (json, text) = (check(&case, config.path(), true), check(&case, config.path(), false));
        let status = i32::from(!case.is_accepted());
        for output in [&json, &text] {
            let error = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(status), "{}: {error}", case.folder);
            assert_eq!(error, "", "{}", case.folder);
        }
        let value: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
        assert_eq!(value["accepted"], case.is_accepted(), "{}", case.folder);
        assert_eq!(value["verdict"] == "sealed", case.is_sealed(), "{}", case.folder);
        assert_eq!(value["first_lines"].as_array().unwrap().is_empty(), !case.is_accepted(), "{}", case.folder);
        let said = [json.stdout, text.stdout].concat();
        let said = String::from_utf8(said).unwrap();
        for expected in &case.expected {
            assert!(said.contains(&expected.rule), "{}: {}", case.folder, expected.rule);
        }
        for secret in case.secrets() {
            secrets_seen += 1;
            assert!(!said.contains(&secret), "{}: the output repeats {secret}", case.folder);
            let spaced = format!("{} {} {}", &secret[..3], &secret[3..6], &secret[6..]);
            assert!(!said.contains(&spaced), "{}: the output repeats {spaced}", case.folder);
        }
    }
    assert!(secrets_seen > 30, "the fixtures hold persons' values: {secrets_seen}");
}

#[test]
fn p10_check_does_not_show_nought_for_what_a_feed_does_not_tell_of() {
    let case = damaged().into_iter().find(|case| case.folder == "good-rcx").unwrap();
    let config = small_config();
    let value: serde_json::Value = serde_json::from_slice(&check(&case, config.path(), true).stdout).unwrap();
    assert_eq!(value["report"]["totals"]["demand"], serde_json::Value::Null);
    assert!(value["report"]["totals"]["open"].as_u64().unwrap() > 0);
    let text = String::from_utf8(check(&case, config.path(), false).stdout).unwrap();
    assert!(text.contains("waiting: not sent by this feed"), "{text}");
}

/// Whether an assessment agrees with itself: a rejection has a reason, and an acceptance none.
fn assert_sound(assessment: &Assessment, what: &str) {
    let findings = &assessment.report.findings;
    match &assessment.verdict {
        Verdict::Accepted(verified) => {
            assert!(!findings.reject_file(), "{what}");
            assert_eq!(assessment.report.totals, Some(verified.snapshot().totals), "{what}");
        }
        Verdict::Rejected => assert!(findings.reject_file() && !findings.seal_file(), "{what}"),
        Verdict::Sealed => assert!(findings.seal_file(), "{what}"),
        Verdict::Duplicate { .. } => panic!("{what}: nothing was accepted before"),
    }
    let rows = assessment.report.rows;
    if rows.lines > 0 {
        assert_eq!(rows.read, rows.used + rows.skipped + rows.rejected, "{what}: {rows:?}");
    }
}

#[test]
fn p9_any_bytes_give_an_assessment_and_the_same_one_each_time() {
    let desk = Desk::shipped();
    let mut noise = Noise(0x2545_f491_4f6c_dd1d);
    let awkward = *b"\",\n\r\0\xff|;=- 09TH\xef\xbb\xbf";
    for code in PROVIDERS {
        let good = fixture(code);
        for round in 0..40 {
            let mut files = good.clone();
            let which = noise.below(files.len());
            let bytes = &mut files[which].1;
            match round % 4 {
                0 => *bytes = (0..noise.below(4000)).map(|_| noise.next().to_le_bytes()[0]).collect(),
                1 => *bytes = (0..noise.below(4000)).map(|_| awkward[noise.below(awkward.len())]).collect(),
                2 => {
                    let middle = noise.below(bytes.len());
                    bytes.rotate_left(middle);
                }
                _ => {
                    for _ in 0..=noise.below(8) {
                        let place = noise.below(bytes.len());
                        bytes[place] = awkward[noise.below(awkward.len())];
                    }
                }
            }
            let what = format!("{code} round {round}");
            let assessment = desk.judge(code, &files);
            assert_sound(&assessment, &what);
            assert!(assessment == desk.judge(code, &files), "{what}: two judgements of the same bytes differ");
        }
    }
    for code in PROVIDERS {
        let files = fixture(code);
        assert!(desk.judge(code, &files) == desk.judge(code, &files), "{code}");
    }
}

#[test]
fn a_file_cut_anywhere_is_never_accepted_as_whole_where_something_could_tell() {
    let desk = Desk::shipped();
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    // The provider, and the ending of the file that is cut: a checksum, a last line, a control record and a manifest tell,
    // and a line end that is missing, unless the cut is between two lines.
    for (code, ending) in [("RM1", ".csv"), ("RCX", ".txt"), ("RMY", ".csv"), ("RY3", ".zip"), ("RGP", ".csv")] {
        let good = fixture(code);
        let which = good.iter().position(|(name, _)| name.ends_with(ending)).unwrap();
        let length = good[which].1.len();
        // Without the last line end RCX's file still says all that it said.
        let longest = if code == "RCX" { length - 1 } else { length };
        for round in 0..200 {
            // The last bytes are where it is hardest to see.
            let at = if round < 20 { longest.saturating_sub(round + 1) } else { noise.below(longest) };
            let mut files = good.clone();
            files[which].1.truncate(at);
            if code == "RGP" && matches!(files[which].1.last(), Some(b'\n' | b'\r')) {
                continue;
            }
            let assessment = desk.judge(code, &files);
            let whole = matches!(assessment.verdict, Verdict::Accepted(_));
            assert!(!whole, "{code} cut at byte {at} of {length}: {:?}", assessment.report.findings);
            assert_sound(&assessment, code);
        }
    }
}
