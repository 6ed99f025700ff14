//! Rows become lines: each field kind, each rule, and strange text in every cell.

use super::*;
use crate::normalise::mapping::{Condition, Quantity, Reading, Skip, Split, Sum};
use crate::normalise::split::parse_split;
use crate::normalise::testing::*;

const WINTER: &str = "2018-12-03T10:15:00Z";

fn reference() -> Reference {
    Reference {
        sites: vec![site("RM1", "RM102")],
        wards: vec![ward("RM1", "RM102", "W21"), ward("RM1", "RM102", "5E1")],
        aliases: vec![alias("RM1", None, "5.00E+01", "RM102", "5E1")],
        ..Reference::default()
    }
}

fn run_at(snapshot: &str, mapping: &Mapping, tables: &[RawTable]) -> Normalised {
    let provider = "RM1".parse().unwrap();
    let reference = reference();
    let snapshot_at: Timestamp = snapshot.parse().unwrap();
    let normalised = normalise(tables, mapping, &Context { provider: &provider, reference: &reference, snapshot_at });
    let rows = normalised.rows;
    assert_eq!(rows.read, rows.used + rows.skipped + rows.rejected, "every row is accounted for");
    normalised
}

fn run(mapping: &Mapping, rows: &[&str]) -> Normalised {
    run_at(WINTER, mapping, &[mapping.tables[0].raw(2, rows)])
}

fn spelled_lines(normalised: &Normalised) -> Vec<String> {
    normalised.lines.iter().map(|line| spelled(&line.line)).collect()
}

/// A bed list with codes as the dataset has them.
fn beds(columns: &[&str]) -> TableMapping {
    table("beds", columns).field("site_code", value("RM102")).field("ward_code", column("WARD")).field("line_type", column("TYPE"))
}

#[test]
fn a_lines_own_field_wins_over_the_tables_and_an_omitted_one_is_gone() {
    let described = beds(&["WARD", "TYPE", "BED"])
        .field("bed_ref", column("BED"))
        .field("bed_base", value("COR"))
        .line(line().when("TYPE", "EMP").set("bed_base=ESC empty_state=RDY"))
        .line(line().when("TYPE", "CLO").omit(&["bed_base", "bed_ref"]).set("closed_reason=OTH"));
    let found = run(&mapping(vec![described]), &["W21|EMP|1", "W21|CLO|2"]);
    assert_eq!(spelled_lines(&found), ["RM102 W21 EMP 1 bed_base=ESC bed_ref=1 empty_state=RDY", "RM102 W21 CLO 1 closed_reason=OTH"]);
}

#[test]
fn every_kind_of_field_is_filled_or_refused() {
    // (field, text, what the line has, what is said)
    let rows = [
        ("side_room", "Y", "side_room=true", ""),
        ("side_room", "yes", "", "REF-04 R 2 X: X \"yes\" is not an agreed code for side_room"),
        ("care_level", "02", "care_level=02", ""),
        ("care_level", "2", "", "REF-07 W 2 X: values in X that are on no national list, left out: 1, the first here"),
        ("treatment_function", "300", "treatment_function=300", ""),
        ("treatment_function", "30", "", "REF-07 W 2 X: values in X that are on no national list, left out: 1, the first here"),
        ("treatment_function", "999", "", "REF-07 W 2 X: values in X that are on no national list, left out: 1, the first here"),
        ("demand_ref", "R-1", "", "ROW-04 R 2 X: demand_ref not allowed for a bed: only requests for one have a reference"),
        ("edd_band", "T1", "edd_band=T1", ""),
        ("edd_band", "soon", "", "REF-04 R 2 X: X is not an agreed code for edd_band"),
        ("los_band", "L21", "los_band=L21", ""),
        ("bay_code", "B1", "bay_code=B1", ""),
        ("bay_code", "ABCDEFGHIJKLM", "", "ROW-08 R 2 X: X is longer than 12 characters"),
        ("bay_code", "943 476 5919", "", "ROW-08 R 2 X: X has ten digits, like an NHS number"),
        ("demand_for", "MEDICINES", "", "ROW-08 R 2 X: X is longer than 8 characters"),
        ("quantity", "0", "", "ROW-02 R 2 X: X \"0\" is not a whole number from 1 to 99,999"),
        ("bed_sex", "8", "bed_sex=8", ""),
        // A long number in the wrong column may be a person's: it is not repeated.
        ("bed_sex", "943 476 5919", "", "REF-04 R 2 X: X is not an agreed code for bed_sex"),
        ("bed_sex", "", "", ""),
    ];
    for (field, text, wanted, said) in rows {
        let described = beds(&["WARD", "TYPE", "X"]).field(field, column("X")).line(line().set("empty_state=RDY"));
        let found = run(&mapping(vec![described]), &[&format!("W21|EMP|{text}")]);
        let has = spelled_lines(&found).join(";");
        assert_eq!(has.contains(&format!(" {wanted}")), !said.contains(" R "), "{field} {text}: {has}");
        assert_eq!(told(&found).join(";"), said, "{field} {text}");
    }
}

#[test]
fn a_bed_counts_one_and_a_count_has_its_limits() {
    let described =
        beds(&["WARD", "TYPE", "BED", "N"]).field("bed_ref", column("BED")).line(line().count("N", &[], &[]).set("empty_state=RDY"));
    let rows = [
        ("B1|1", ""),
        ("|99,999", ""),
        ("B1|3", "ROW-02 R 2 N: one bed cannot count 3 times: a row with a bed has a count of 1"),
        ("|0", "ROW-02 R 2 N: N is 0: a row counts at least 1"),
        ("|100000", "ROW-02 R 2 N: N is more than 99,999"),
        ("|4294967296", "ROW-02 R 2 N: N is more than 99,999"),
        ("|5.00E+01", "ROW-02 R 2 N: N \"5.00E+01\" is not a whole number"),
        ("|", "ROW-01 R 2 N: N is blank: write 0 where there are none"),
    ];
    let mapping = mapping(vec![described]);
    for (row, said) in rows {
        let found = run(&mapping, &[&format!("W21|EMP|{row}")]);
        let rejections: Vec<String> = told(&found).into_iter().filter(|text| text.contains(" R ")).collect();
        assert_eq!(rejections.join(";"), said, "{row}");
        assert_eq!(found.lines.len(), usize::from(said.is_empty()), "{row}");
    }
}

#[test]
fn p7_pieces_put_together_are_checked_one_by_one() {
    let long = "X and Y is longer than 12 characters";
    let rows = [
        ("B2|04", "", " bed_ref=B2-04"),
        ("|04", "", " bed_ref=04"),
        ("|", "", ""),
        ("B2|", "ROW-01 R 2 Y: Y is blank: bed_ref is needed", ""),
        ("ABCDEF|GHIJKL", &format!("ROW-08 R 2 X and Y: {long}"), ""),
        ("A|9434765919", "ROW-08 R 2 Y: Y has ten digits, like an NHS number", ""),
        ("A|=1+1", "ROW-08 R 2 Y: Y starts with =, +, - or @, which a spreadsheet would take for a formula", ""),
        ("-|4", "ROW-08 R 2 X: X starts with =, +, - or @, which a spreadsheet would take for a formula", ""),
        ("A\u{7}|4", "ROW-08 R 2 X: X has a control character", ""),
    ];
    let described = beds(&["WARD", "TYPE", "X", "Y"]).field("bed_ref", joined(&["X", "Y"], "-")).line(line().set("empty_state=RDY"));
    let described = mapping(vec![described]);
    for (text, said, wanted) in rows {
        let found = run(&described, &[&format!("W21|EMP|{text}")]);
        assert_eq!(told(&found).join(";"), said, "{text:?}");
        let lines: Vec<String> = spelled_lines(&found);
        assert_eq!(lines.len(), usize::from(said.is_empty()), "{text:?}");
        assert!(lines.iter().all(|line| line.contains("bed_ref") != wanted.is_empty() && line.contains(wanted)), "{text:?}: {lines:?}");
    }
    // A place put together is a place's code as a whole, and each piece of one that is not registered is looked at.
    let places = [
        ("W|21", ""),
        ("W|", "ROW-01 R 2 Y: Y is blank: ward_code is needed"),
        ("W|9434765919", "ROW-08 R 2 Y: the ward has ten digits, like an NHS number, and is not registered"),
        ("|", "ROW-01 R 2 X and Y: X and Y is blank: ward_code is needed"),
    ];
    let described = beds(&["TYPE", "X", "Y"]).field("ward_code", joined(&["X", "Y"], "")).line(line().set("empty_state=RDY"));
    let described = mapping(vec![described]);
    for (text, said) in places {
        assert_eq!(told(&run(&described, &[&format!("EMP|{text}")])).join(";"), said, "{text:?}");
    }
}

#[test]
fn p10_a_blank_gender_is_not_known_unless_the_mapping_asks_for_it() {
    let sex = || codes("SEX", &[("M", "1")], Some("X"));
    let strict = |required: &[&str]| {
        let described = beds(&["WARD", "TYPE", "SEX"]).field("gender", sex()).line(line().set("age_band=AXX"));
        mapping(vec![described.with(|table| table.required = required.iter().map(|f| (*f).to_owned()).collect())])
    };
    let found = run(&strict(&[]), &["W21|OCC|"]);
    assert_eq!(spelled_lines(&found), ["RM102 W21 OCC 1 age_band=AXX gender=X"]);
    assert_eq!((found.persons, found.persons_unknown), (1, 1));
    let found = run(&strict(&["gender"]), &["W21|OCC|"]);
    assert_eq!(told(&found), ["ROW-01 R 2 SEX: SEX is blank: gender is needed"]);
    // A person's field on an empty bed is kept for the checks to refuse.
    let mut empty = strict(&[]);
    empty.tables[0].lines[0].set.remove("age_band");
    let found = run(&empty, &["W21|EMP|M", "W21|EMP|"]);
    assert_eq!(spelled_lines(&found), ["RM102 W21 EMP 1 gender=1", "RM102 W21 EMP 1"]);
    assert_eq!((found.persons, found.persons_unknown), (0, 0));
}

#[test]
fn p7_nothing_from_a_column_about_a_person_comes_out() {
    let described = beds(&["WARD", "TYPE", "SEX", "AGE", "DOB", "NAME"])
        .with(|table| table.identifiers = vec!["NAME".into()])
        .line(
            line()
                .when("TYPE", "OCC")
                .when("SEX", "*")
                .from("gender", codes("SEX", &[("M", "1")], None))
                .from("age_band", read("AGE", Reading::AgeInYears)),
        )
        .line(
            line()
                .when("TYPE", "DEM")
                .when("NAME", "ward")
                .from("age_band", read("DOB", Reading::BirthDate { formats: vec!["%Y".into()] })),
        );
    let mapping = mapping(vec![described]);
    let rows = [
        "W21|OCC|Zorro|Zorro|Zorro|Zorro",
        "W21|OCC||Zorro|Zorro|Zorro",
        "W21|OCC|#N/A|05-Sep|Zorro|Zorro",
        "W21|DEM|Zorro|Zorro|Zorro|Zorro",
        "W21|DEM|Zorro|Zorro|Zorro|ward",
        "W21|EMP|Zorro|Zorro|Zorro|Zorro",
    ];
    let found = run(&mapping, &rows);
    assert_eq!(found.lines.len(), 1);
    assert!(found.findings.count_of(Rule::Ref04) >= 3);
    assert!(!format!("{found:?}").contains("Zorro"), "{found:?}");
}

#[test]
fn times_in_rows_follow_the_clock_changes() {
    let described = table("waits", &["SINCE"])
        .field("site_code", value("RM102"))
        .field("wait_from", instant("SINCE", "%d/%m/%Y %H:%M"))
        .line(line().set("line_type=DEM gender=1 age_band=A20"));
    let mapping = mapping(vec![described]);
    let since = |found: &Normalised| found.lines.iter().map(|line| line.line.wait_from.unwrap().at().to_string()).collect::<Vec<_>>();
    // The snapshot is of 00:45 UTC, which is 01:45 BST: 01:30 was the first one.
    let found = run_at("2018-10-28T00:45:00Z", &mapping, &[mapping.tables[0].raw(2, &["28/10/2018 01:30", "28/10/2018 01:30 BST"])]);
    assert_eq!(since(&found), ["2018-10-28T00:30:00Z", "2018-10-28T00:30:00Z"]);
    assert_eq!(told(&found), ["TIM-06 W - SINCE: times in SINCE in the hour that comes twice in October, read as BST: 1"]);
    let found = run_at("2018-10-28T03:45:00Z", &mapping, &[mapping.tables[0].raw(2, &["28/10/2018 01:30"])]);
    assert_eq!(since(&found), ["2018-10-28T01:30:00Z"]);
    // Just at the snapshot, by a clock that is five minutes ahead; and six: that would be a wait in the future.
    for (snapshot, expected) in [("2018-10-28T01:25:00Z", "2018-10-28T01:30:00Z"), ("2018-10-28T01:24:00Z", "2018-10-28T00:30:00Z")] {
        let found = run_at(snapshot, &mapping, &[mapping.tables[0].raw(2, &["28/10/2018 01:30"])]);
        assert_eq!(since(&found), [expected], "{snapshot}");
    }
    let found = run_at("2019-03-31T02:00:00Z", &mapping, &[mapping.tables[0].raw(2, &["31/03/2019 01:30", "31/03/2019 02:30"])]);
    assert_eq!(since(&found), ["2019-03-31T01:30:00Z"]);
    assert_eq!(told(&found), ["TIM-05 R 2 SINCE: SINCE is a time that the clocks skip in March"]);
}

#[test]
fn damage_is_said_once_for_a_column_and_a_registered_name_mends_it() {
    let described = beds(&["WARD", "TYPE", "NOTE"]).line(line().set("empty_state=RDY"));
    let found = run(&mapping(vec![described]), &["5.00E+01|EMP|", "5.00E+01|EMP|Ward \u{fffd}", "7.00E+01|EMP|#REF!", "W21|EMP|"]);
    assert_eq!(
        spelled_lines(&found),
        ["RM102 5E1 EMP 1 empty_state=RDY", "RM102 5E1 EMP 1 empty_state=RDY", "RM102 W21 EMP 1 empty_state=RDY"]
    );
    assert_eq!(
        told(&found),
        [
            "ROW-07 R 4 WARD: ward \"7.00E+01\" cannot be told: a code was turned into a number such as 5.00E+01",
            "ROW-07 W 4 NOTE: NOTE looks damaged: a formula failed, as in #N/A",
            "ROW-07 W 3 NOTE: NOTE looks damaged: characters were lost",
            "ROW-07 W 2 WARD: WARD looks damaged: a code was turned into a number such as 5.00E+01 (3 values, the first here)",
        ]
    );
}

#[test]
fn rows_with_one_id_are_copies_only_where_every_field_is_the_same() {
    let described = beds(&["WARD", "TYPE", "ID"]).with(|t| t.copies_by = Some("ID".into())).line(line().set("empty_state=RDY"));
    let found = run(&mapping(vec![described]), &["W21|EMP|1", "W21|EMP|1", "5E1|EMP|1", "5E1|EMP|1", "W21|EMP|", "W21|EMP|"]);
    let rows = found.rows;
    assert_eq!((rows.read, rows.used, rows.skipped, rows.rejected), (6, 4, 2, 0));
    assert_eq!((found.copies, found.copies_rejected), (Totals { empty: 2, ..Totals::default() }, 0));
}

#[test]
fn a_table_without_its_partner_or_an_optional_column_reads_blank() {
    let described = beds(&["WARD", "TYPE", "BED"])
        .join("closures", &["BED"])
        .line(line().when("closures.WHY", "*").set("line_type=CLO closed_reason=OTH"))
        .line(line().set("empty_state=RDY"))
        .field("bay_code", column("BAY"));
    let mapping = mapping(vec![described, table("closures", &["BED", "WHY"])]);
    let beds = mapping.tables[0].raw(2, &["W21|EMP|1"]);
    let closures = mapping.tables[1].raw(2, &["1|paint"]);
    let mut stranger = closures.clone();
    stranger.name = "stranger".into();
    let line_type = |found: &Normalised| found.lines[0].line.line_type.code();
    let alone = run_at(WINTER, &mapping, &[beds.clone(), stranger]);
    assert_eq!((line_type(&alone), alone.rows.skipped), ("EMP", 1));
    let together = run_at(WINTER, &mapping, &[closures, beds]);
    assert_eq!((line_type(&together), together.rows.skipped), ("CLO", 1));
}

#[test]
fn f18_a_key_with_a_null_token_joins_nothing() {
    // (the tables' null tokens, the bed's row, the closure's, what comes of the bed)
    let rows = [
        (&[][..], "W21|EMP|-", "W21|-|flood", "CLO"),
        (&["-"], "W21|EMP|-", "W21|-|flood", "EMP"),
        (&["-"], "W21|EMP|1", "W21| 1 |flood", "CLO"),
    ];
    for (null, bed, closure, expected) in rows {
        let with_null = |table: TableMapping| table.with(|table| table.null = null.iter().map(|token| (*token).to_owned()).collect());
        let described = beds(&["WARD", "TYPE", "BED"])
            .join("closures", &["WARD", "BED"])
            .line(line().when("closures.WHY", "*").set("line_type=CLO closed_reason=OTH"))
            .line(line().set("empty_state=RDY"));
        let mapping = mapping(vec![with_null(described), with_null(table("closures", &["WARD", "BED", "WHY"]))]);
        let tables = [mapping.tables[0].raw(2, &[bed]), mapping.tables[1].raw(2, &[closure])];
        let found = run_at(WINTER, &mapping, &tables);
        assert_eq!(found.lines[0].line.line_type.code(), expected, "{null:?} {bed}");
    }
}

#[test]
fn each_asks_only_for_codes_that_its_lines_list() {
    let described = beds(&["WARD", "N", "EXTRA", "OPEN"])
        .with(|table| table.lines_per_row = LinesPerRow::Each)
        .field("line_type", value("EMP"))
        .line(line().count("N", &[], &[]).set("empty_state=RDY"))
        .line(line().when("EXTRA", "*").count("EXTRA", &[], &[]).set("empty_state=CLN"))
        .line(line().when("OPEN", "Y*").count("N", &[], &[]).set("empty_state=RSV"));
    let found = run(&mapping(vec![described]), &["W21|1||Yes", "W21|1||No", "W21|1|2|y"]);
    assert_eq!(told(&found), ["REF-04 R 3 OPEN: OPEN is not an agreed code"]);
    let lines: Vec<(u64, u32)> = found.lines.iter().map(|line| (line.row, line.line.quantity)).collect();
    assert_eq!(lines, [(2, 1), (2, 1), (4, 1), (4, 2), (4, 1)]);
}

#[test]
fn p9_ten_thousand_bad_rows_leave_a_bounded_account() {
    let described = beds(&["WARD", "TYPE", "SEX"]).line(line().when("TYPE", "OCC").from("gender", codes("SEX", &[], Some("X"))));
    let mapping = mapping(vec![described]);
    let raw = mapping.tables[0].raw(2, &["W21|BAD|Q", "W21|OCC|Q"].repeat(5_000));
    let found = run_at(WINTER, &mapping, &[raw]);
    assert_eq!((found.rows.rejected, found.rows.used, found.persons_unknown), (5_000, 5_000, 5_000));
    assert_eq!(found.findings.count_of(Rule::Ref04), 5_000);
    assert!(found.findings.iter().count() < 100);
}

#[test]
fn xro_04_a_ward_whose_rows_are_left_out_is_told_of_and_a_patient_who_waits_tells_of_none() {
    let skip = Skip { when: [("KIND".into(), Condition::OneOf(vec!["COT".into()]))].into(), because: "no beds".into() };
    let described = beds(&["WARD", "TYPE", "KIND"]).with(|t| t.skip = vec![skip]).line(line().set("empty_state=RDY"));
    let found = run(&mapping(vec![described]), &["W21|EMP|", "5E1|EMP|COT", "W22|DEM|COT"]);
    assert_eq!((found.rows.used, found.rows.skipped), (1, 2));
    assert_eq!(found.named_wards, [("RM102".to_owned(), "5E1".to_owned())].into());
}

#[test]
fn xro_04_a_row_of_noughts_tells_of_its_ward_only_where_it_counts_beds() {
    let counts = || {
        beds(&["WARD", "TYPE", "N", "WAITING"])
            .with(|table| table.lines_per_row = LinesPerRow::Each)
            .line(line().when("TYPE", "BED").count("N", &[], &[]).set("line_type=EMP empty_state=RDY"))
            .line(line().when("TYPE", "DEM").count("WAITING", &[], &[]).set("line_type=DEM gender=X age_band=AXX"))
    };
    let rows = [("W21|BED|0|0", true), ("W21|DEM|0|0", false), ("W21|DEM|0|1", false)];
    for (row, told_of) in rows {
        let found = run(&mapping(vec![counts()]), &[row]);
        assert_eq!((found.rows.used, found.named_wards.len()), (1, usize::from(told_of)), "{row}");
    }
}

#[test]
fn counts_of_a_row_are_held_against_each_other_by_what_they_count() {
    type Lines = &'static [(&'static str, &'static str, &'static [&'static str])];
    // Each line's type, the column that counts it, and what is taken away; what is at most what; a row; what is said; beds short.
    type Case<'c> = (Lines, &'c [(&'c [&'c str], &'c str)], &'c str, &'c [&'c str], u64);
    let rows: [Case<'_>; 10] = [
        // The patients explain why no bed is empty, and nothing why fewer beds are there than are open.
        (
            &[("OCC", "A", &[]), ("EMP", "B", &["A"]), ("CLO", "C", &["B"])],
            &[],
            "30|28|20|0",
            &[
                "ROW-02 R 2 C: C is less than its parts together (B)",
                "XRO-03 W 2 B: Occupied exceeds open on ward \"W21\", by 2: counted as patients beyond its open beds",
            ],
            0,
        ),
        // Beds of men and of women: each is short by itself.
        (&[("OCC", "A", &[]), ("EMP", "B", &["A"]), ("OCC", "C", &[]), ("EMP", "D", &["C"])], &[], "5|3|4|3", &["by 2", "by 1"], 3),
        // No patient is compared.
        (&[("OCC", "A", &[]), ("EMP", "B", &[])], &[(&["C"], "D")], "6|0|6|4", &["ROW-02 R 2 D: D is less than"], 0),
        (&[("OCC", "A", &[])], &[(&["B"], "A")], "3|5|0|0", &["ROW-02 R 2 A: A is less than"], 0),
        // Patients against patients.
        (&[("OCC", "A", &[]), ("OCC", "B", &[])], &[(&["B"], "A")], "3|5|0|0", &["ROW-02 R 2 A: A is less than"], 0),
        (&[("OCC", "A", &["B"]), ("OCC", "B", &[])], &[(&["A"], "C")], "5|3|4|0", &["by 1"], 1),
        // Closed beds beside a crowded ward are no contradiction, unless they are held against the same whole.
        (&[("OCC", "A", &[]), ("CLO", "B", &[])], &[(&["A"], "C")], "6|2|4|0", &["by 2"], 2),
        (&[("OCC", "A", &[]), ("CLO", "B", &[])], &[(&["A", "B"], "C")], "6|2|4|0", &["ROW-02 R 2 C: C is less than"], 0),
        // The same patients, held against two things: they are beyond the open beds once.
        (&[("OCC", "A", &[]), ("EMP", "B", &["A"])], &[(&["A"], "B"), (&["A"], "C")], "30|28|29|0", &["by 2", "by 1"], 2),
        // No number of a file is without bounds.
        (&[("OCC", "A", &[])], &[(&["C"], "A"), (&["D"], "A")], "1|0|4294967295|4294967295", &["C is more than", "D is more than"], 0),
    ];
    for (n, (lines, sums, row, said, short)) in rows.into_iter().enumerate() {
        let mut described =
            table("wards", &["WARD", "A", "B", "C", "D"]).field("site_code", value("RM102")).field("ward_code", column("WARD"));
        described.lines_per_row = LinesPerRow::Each;
        for (kind, counted, minus) in lines {
            let set = match *kind {
                "OCC" => "line_type=OCC gender=1 age_band=A80",
                "EMP" => "line_type=EMP empty_state=RDY",
                _ => "line_type=CLO closed_reason=OTH",
            };
            described = described.line(line().count(counted, &[], minus).set(set));
        }
        let minus = |of: &[&str]| of.iter().map(|column| (*column).to_owned()).collect();
        let rest = |(of, whole): &(&[&str], &str)| Quantity { column: (*whole).to_owned(), plus: Vec::new(), minus: minus(of) };
        described.sums = sums.iter().map(|sum| Sum { rest: rest(sum), exact: false }).collect();
        let found = run(&mapping(vec![described]), &[&format!("W21|{row}")]);
        let told = told(&found);
        assert_eq!(told.len(), said.len(), "row {n}: {told:?}");
        assert!(said.iter().all(|said| told.iter().any(|told| told.contains(said))), "row {n}: {told:?}");
        assert_eq!(found.beds_short, short, "row {n}: {told:?}");
    }
}

#[test]
fn row_99_a_row_below_one_that_could_not_be_read_still_tells_of_its_kind() {
    let mut described = beds(&["WARD", "TYPE"]).line(line().set("bed_base=COR"));
    described.tidy.copy_down = vec!["WARD".into()];
    let mut raw = RawTable::new("beds", described.columns.clone(), vec![true, true]);
    raw.push(2, ["W21", "EMP"]);
    raw.push_broken();
    raw.push(4, ["", "EMP"]);
    raw.push(5, ["", "CLO"]);
    raw.push(6, ["W21", "EMP"]);
    let found = run_at(WINTER, &mapping(vec![described.clone()]), std::slice::from_ref(&raw));
    let kinds: Vec<_> = found.rejected_kinds.iter().map(|(kind, rows)| (*kind, *rows)).collect();
    assert_eq!(kinds, [(LineType::Empty, 1), (LineType::Closed, 1)]);
    // The broken one alone.
    assert_eq!((found.rejected_of_no_kind, found.rows.rejected), (1, 2));
    // Where the cell decides what the row is, nobody knows.
    described.lines = vec![line().when("WARD", "*").set("bed_base=COR")];
    let found = run_at(WINTER, &mapping(vec![described]), &[raw]);
    assert_eq!((found.rejected_kinds.len(), found.rejected_of_no_kind), (0, 3));
}

#[test]
fn row_99_a_row_whose_text_cannot_be_cut_still_tells_of_its_kind() {
    let mut described = beds(&["PLACE", "TYPE"]).line(line().set("bed_base=COR"));
    described.tidy.split = vec![Split { column: "PLACE".into(), pattern: parse_split("{WARD}/{BED}").unwrap() }];
    let rows = ["W21/01|EMP", "W21|EMP", "W21/2/3|CLO"];
    let found = run(&mapping(vec![described.clone()]), &rows);
    let kinds: Vec<_> = found.rejected_kinds.iter().map(|(kind, rows)| (*kind, *rows)).collect();
    assert_eq!((kinds, found.rejected_of_no_kind), (vec![(LineType::Empty, 1), (LineType::Closed, 1)], 0));
    // Where a piece decides what the row is, nobody knows.
    described.lines = vec![line().when("BED", "*").set("bed_base=COR")];
    let found = run(&mapping(vec![described]), &rows);
    assert_eq!((found.rejected_kinds.len(), found.rejected_of_no_kind), (0, 2));
}

#[test]
fn row_01_a_reason_to_leave_rows_out_asks_nothing_of_a_text_that_cannot_be_read() {
    let skip = |column: &str, text: &str| Skip { when: line().when(column, text).when, because: "rows of whole wards".into() };
    let mut described = beds(&["PLACE", "TYPE"]).line(line().set("bed_base=COR"));
    described.tidy.split = vec![Split { column: "PLACE".into(), pattern: parse_split("{WARD}/{BED}").unwrap() }];
    described.skip = vec![skip("BED", ""), skip("TYPE", "X")];
    let found = run(&mapping(vec![described]), &["W21/|EMP", "W21-04|EMP", "W21-05|X"]);
    assert_eq!((found.rows.skipped, found.rows.rejected), (2, 1), "{:?}", told(&found));
    let mut described = beds(&["WARD", "TYPE"]).line(line().set("bed_base=COR"));
    described.tidy.copy_down = vec!["WARD".into()];
    described.skip = vec![skip("WARD", "")];
    let mut raw = RawTable::new("beds", described.columns.clone(), vec![true, true]);
    raw.push(2, ["", "EMP"]);
    raw.push_broken();
    raw.push(4, ["", "EMP"]);
    let found = run_at(WINTER, &mapping(vec![described]), &[raw]);
    assert_eq!((found.rows.skipped, found.rows.rejected), (1, 1), "{:?}", told(&found));
}

#[test]
fn f18_rows_of_a_list_that_decide_differently_reject_what_joins_them_unless_they_are_left_out() {
    // The closures of one bed, whether ended ones are left out, what comes of it, and what is said.
    let contradict = "XRO-02 R 2 BED: rows of clo with this row's BED contradict each other";
    let repeat = "XRO-02 W - -: rows of clo that repeat the key of another row, which is used: 1";
    let rows: [(&[&str], bool, &str, &[&str]); 6] = [
        (&["1|flood|"], false, "CLO", &[]),
        (&["1|flood|Monday"], false, "EMP", &[]),
        (&["1|flood|", "1|flood|Monday"], false, "", &[contradict, repeat]),
        (&["1|flood|Monday", "1|flood|"], false, "", &[contradict, repeat]),
        (&["1|flood|Monday", "1|flood|"], true, "CLO", &[]),
        (&["1|flood|", "1|paint|"], false, "CLO", &[repeat]),
    ];
    for (closures, without_ended, expected, said) in rows {
        let described = beds(&["WARD", "TYPE", "BED"])
            .join("clo", &["BED"])
            .line(line().when("clo.WHY", "*").when("clo.UNTIL", "").set("line_type=CLO closed_reason=OTH"))
            .line(line().set("empty_state=RDY"));
        let mut list = table("clo", &["BED", "WHY", "UNTIL"]);
        if without_ended {
            list.skip = vec![Skip { when: line().when("UNTIL", "*").when, because: "closures that have ended".into() }];
        }
        let mapping = mapping(vec![described, list]);
        let found = run_at(WINTER, &mapping, &[mapping.tables[0].raw(2, &["W21|EMP|1"]), mapping.tables[1].raw(2, closures)]);
        let became = found.lines.first().map_or("", |line| line.line.line_type.code());
        let told: Vec<String> = told(&found).into_iter().filter(|told| !told.starts_with("STR-08")).collect();
        assert_eq!((became, told.iter().map(String::as_str).collect::<Vec<_>>().as_slice()), (expected, said), "{closures:?}");
    }
}

#[test]
fn row_99_whatever_a_joined_list_settles_its_lost_rows_are_counted() {
    let list = || table("clo", &["BED", "KIND"]);
    let bed = |column: &str| beds(&["WARD", "TYPE", "BED"]).join("clo", &["BED"]).line(line().set(column));
    let by_skip = bed("empty_state=RDY")
        .with(|table| table.skip = vec![Skip { when: line().when("clo.KIND", "virtual").when, because: "no beds".into() }]);
    let by_field = bed("bed_base=COR").field("empty_state", codes("clo.KIND", &[("dirty", "CLN")], Some("RDY")));
    let by_nothing = bed("empty_state=RDY").field("bay_code", column("clo.KIND"));
    let mut second = bed("empty_state=RDY").line(line().when("clo.KIND", "*").set("line_type=CLO closed_reason=OTH"));
    second.name = "more".into();
    let rows = [
        (vec![by_skip], 1),
        (vec![by_field], 1),
        (vec![by_nothing.clone()], 0),
        // Of two tables only the second asks.
        (vec![by_nothing, second], 1),
    ];
    for (number, (mut tables, expected)) in rows.into_iter().enumerate() {
        tables.push(list());
        let raw: Vec<RawTable> =
            tables.iter().map(|table| table.raw(2, if table.name == "clo" { &["|virtual"] } else { &["W21|EMP|1"] })).collect();
        let found = run_at(WINTER, &mapping(tables), &raw);
        assert_eq!(found.rejected_settling, expected, "row {number}");
    }
}
