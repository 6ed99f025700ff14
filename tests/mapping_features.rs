//! Every feature that a mapping must have, F1 to F20: settings with it, files, and the lines and words that come of them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test may fail loudly"
)]

mod judging;

use bedfeed::config::{self, Settings};
use bedfeed::feed::Digest;
use bedfeed::pipeline::assess::Assessment;
use bedfeed::verify::History;
use judging::{Desk, Files, PROVIDER, accepted, at, compact, words, zip_of};
use std::collections::BTreeSet;

/// How its mapping starts.
const MAPPING: &str = "[[mapping]]\nversion = \"v1\"\nfrom = 2018-04-01\nauthor = \"A. Analyst\"\nzone = \"Europe/London\"\n";

/// The name of a file of 3 December 2018, 10:15, as most rows send it.
const NAME: &str = "beds 20181203 1015.csv";
const FILE: &str = "[[mapping.file]]\npart = \"beds\"\nname = \"beds {yyyy}{mm}{dd} {HH}{MM}.csv\"\n";
const TABLE: &str = "[[mapping.table]]\nname = \"beds\"\nfile = \"beds\"\nsnapshot_at = \"file name\"\n";
/// One line a row: an empty bed, ready.
const EMPTY: &str = "[[mapping.table.line]]\nset = { line_type = { value = \"EMP\" }, empty_state = { value = \"RDY\" } }\n";

/// Settings of one provider, and a register of the wards 07, W1, W2 and 5E1 at RGN80.
fn settings(provider: &str) -> Settings {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        std::fs::create_dir_all(dir.path().join(name).parent().unwrap()).unwrap();
        std::fs::write(dir.path().join(name), text).unwrap();
    };
    write("bedfeed.toml", "state_dir = \"state\"\n");
    write("providers/RGN.toml", provider);
    write("reference/sites.csv", "provider_code,site_code,site_name,valid_from,valid_to\nRGN,RGN80,City,,\n");
    write("reference/ward_types.csv", "code,meaning\nGENMED,General\nUNKNOWN,Not known\n");
    write("reference/ward_classes.csv", "code,meaning\nGA,General and acute\n");
    write("reference/bed_groups.csv", "code,meaning\nMED,Medical\n");
    let ward = |code: &str| format!("RGN,RGN80,{code},Ward,GENMED,GA,MED,8,,,,1,COR,,,\n");
    let header = "provider_code,site_code,ward_code,ward_name,ward_type,ward_class,bed_group,bed_sex,min_age,max_age,treatment_function,\
                  registered_beds,bed_base,alias,valid_from,valid_to\n";
    let wards: String = ["07", "W1", "W2", "5E1"].map(ward).concat();
    write("reference/wards.csv", &format!("{header}{wards}"));
    write(
        "reference/ward_aliases.csv",
        "provider_code,source_site,source_ward,site_code,ward_code,valid_from,valid_to\n\
         RGN,,Old Name,RGN80,W1,,2018-12-03\nRGN,,Old Name,RGN80,W2,2018-12-03,\n",
    );
    config::load(&dir.path().join("bedfeed.toml")).unwrap_or_else(|problems| panic!("{problems}\n{provider}"))
}

/// Judges files by one provider's settings; wards that a few rows leave out, and shares of a few rows, are no matter.
fn judge(provider: &str, files: &Files) -> Assessment {
    let desk = Desk { settings: settings(provider) };
    let mut feed = desk.feed("RGN").clone();
    feed.limits.wards_may_vanish = true;
    feed.limits.rejected_rows_percent = 100;
    feed.limits.unknown_ward_beds_percent = 100;
    feed.limits.unknown_persons_percent = 100;
    desk.judge_by(&feed, files, &History::default(), at(judging::RECEIVED))
}

fn sent(name: &str, text: impl AsRef<[u8]>) -> (String, Vec<u8>) {
    (name.to_owned(), text.as_ref().to_vec())
}

/// A table with these keys, fields and lines, read from one file.
fn one_table(keys: &str, fields: &str, lines: &str) -> String {
    format!("{PROVIDER}{MAPPING}{FILE}{TABLE}{keys}\n[mapping.table.fields]\nsite_code = {{ value = \"RGN80\" }}\n{fields}\n{lines}")
}

struct Row {
    /// The feature that it shows.
    feature: u8,
    provider: String,
    files: Files,
    /// The lines, each by its filled fields; those that every line of the row has stand in `common`.
    lines: &'static [&'static str],
    common: &'static str,
    /// Words that the findings must have.
    said: &'static [&'static str],
}

fn row(feature: u8, provider: String, text: &str, common: &'static str, lines: &'static [&'static str]) -> Row {
    Row { feature, provider, files: vec![sent(NAME, text)], lines, common, said: &[] }
}

const READY: &str = "site_code=RGN80 line_type=EMP empty_state=RDY";

/// F1 to F6: files, encodings, columns and control lines.
fn files_and_columns() -> Vec<Row> {
    let ward = |keys: &str| one_table(keys, "ward_code = \"Ward\"", EMPTY);
    let set = format!(
        "{PROVIDER}{MAPPING}set_wait = \"5m\"\n{FILE}[[mapping.file]]\npart = \"waiting\"\nname = \"waiting {{yyyy}}{{mm}}{{dd}} {{HH}}{{MM}}.csv\"\n\
         {TABLE}columns = [\"Ward\"]\n[mapping.table.fields]\nsite_code = {{ value = \"RGN80\" }}\nward_code = \"Ward\"\n{EMPTY}\
         [[mapping.table]]\nname = \"waiting\"\nfile = \"waiting\"\nsnapshot_at = \"other table\"\nmay_be_empty = true\ncolumns = [\"Sex\"]\n\
         [[mapping.table.line]]\nset = {{ site_code = {{ value = \"RGN80\" }}, line_type = {{ value = \"DEM\" }}, in_bed_now = {{ value = \"N\" }}, \
         demand_source = {{ value = \"EDP\" }}, age_band = {{ value = \"AXX\" }}, gender = {{ column = \"Sex\", list = \"stated\", codes = {{ F = \"2\" }} }} }}\n"
    );
    let named = "{org}_{seq} {yyyy}{mm}{dd} {HH}{MM}{SS}.csv";
    let both = [sent(NAME, "Ward\nW1\n"), sent("waiting 20181203 1015.csv", "Sex\nF\n")];
    vec![
        Row {
            files: vec![sent("RGN_0000012 20181203 101500.csv", "Ward\nW1\n")],
            ..row(1, ward("columns = [\"Ward\"]").replace("beds {yyyy}{mm}{dd} {HH}{MM}.csv", named), "", READY, &["ward_code=W1"])
        },
        Row {
            files: both.into(),
            ..row(
                2,
                set,
                "",
                "site_code=RGN80",
                &["line_type=EMP empty_state=RDY ward_code=W1", "line_type=DEM in_bed_now=false demand_source=EDP gender=2 age_band=AXX"],
            )
        },
        Row {
            files: vec![sent(NAME, b"Ward,Caf\xe9\nW1,x\n")],
            ..row(3, ward("encoding = \"windows-1252\"\ncolumns = [\"Ward\", \"Café\"]"), "", READY, &["ward_code=W1"])
        },
        row(
            4,
            ward("delimiter = \";\"\nquoted = false\nheader = false\ncolumns = [\"Bed\", \"Ward\"]"),
            "1;W1\n2;W2\n",
            READY,
            &["ward_code=W1", "ward_code=W2"],
        ),
        Row {
            said: &["STR-04 Column Notes on beds was not agreed"],
            ..row(
                5,
                ward("columns = [\"Ward\", \"Beds\"]\nalso_named = { Ward = [\"Ward Number\"] }"),
                "beds,WARD number,Notes on beds\n1,W1,x\n",
                READY,
                &["ward_code=W1"],
            )
        },
        row(
            6,
            ward("columns = [\"Ward\", \"Beds\"]\ntotal_row = { column = \"Ward\", equals = \"Total\", rows = \"Beds\" }"),
            "Ward,Beds\nW1,\nTotal,1\n",
            READY,
            &["ward_code=W1"],
        ),
    ]
}

/// F7 to F13: what cells mean, and which lines they make.
fn cells_and_lines() -> Vec<Row> {
    let person = |fields: &str| format!("[[mapping.table.line]]\nset = {{ line_type = {{ value = \"OCC\" }}, {fields} }}\n");
    let occupied = "site_code=RGN80 ward_code=W1 line_type=OCC";
    let ward = |keys: &str, fields: &str, lines: &str| one_table(keys, &format!("ward_code = \"Ward\"\n{fields}"), lines);
    let demand = "[[mapping.table.line]]\nset = { line_type = { value = \"DEM\" }, in_bed_now = { value = \"N\" }, demand_source = { value = \"EDP\" }, \
                  gender = { value = \"X\" }, age_band = { value = \"AXX\" }, wait_from = { column = \"Since\", format = [\"%d/%m/%Y %H:%M\", \"%Y-%m-%d %H:%M\"] } }\n";
    vec![
        // A dash is nothing in one column and a bay in another.
        row(
            7,
            ward(
                "columns = [\"Ward\", \"Bay\", \"Bed\"]\nnull_in = { Bed = [\"-\", \"none\"] }",
                "bay_code = \"Bay\"\nbed_ref = \"Bed\"",
                EMPTY,
            ),
            "Ward,Bay,Bed\nW1,B-1,-\nW1,B-2,NONE\nW2,B-1,4\n",
            READY,
            &["ward_code=W1 bay_code=B-1", "ward_code=W1 bay_code=B-2", "ward_code=W2 bay_code=B-1 bed_ref=4"],
        ),
        row(
            8,
            ward(
                "columns = [\"Ward\", \"Bed\", \"Base\"]\ncopy_down = [\"Ward\"]\nblank_means = { Base = \"C\" }",
                "bed_ref = \"Bed\"\nbed_sex = { value = \"8\" }\nbed_base = { column = \"Base\", codes = { C = \"COR\", E = \"ESC\" } }",
                EMPTY,
            ),
            "Ward,Bed,Base\nW1,1,\n,2,E\nW2,1,\n,2,C\n",
            "site_code=RGN80 line_type=EMP empty_state=RDY bed_sex=8",
            &[
                "ward_code=W1 bed_ref=1 bed_base=COR",
                "ward_code=W1 bed_ref=2 bed_base=ESC",
                "ward_code=W2 bed_ref=1 bed_base=COR",
                "ward_code=W2 bed_ref=2 bed_base=COR",
            ],
        ),
        Row {
            said: &["REF-04 Base \"Q\" is not an agreed code for bed_base", "REF-05"],
            ..row(
                9,
                ward(
                    "columns = [\"Ward\", \"Base\", \"Sex\"]",
                    "bed_base = { column = \"Base\", codes = { C = \"COR\" } }",
                    &person("gender = { column = \"Sex\", list = \"stated\", codes = { F = \"2\" } }, age_band = { value = \"AXX\" }"),
                ),
                "Ward,Base,Sex\nW1,C,F\nW1,c,?\nW1,Q,F\n",
                "site_code=RGN80 ward_code=W1 line_type=OCC age_band=AXX bed_base=COR",
                &["gender=2", "gender=X"],
            )
        },
        row(
            10,
            one_table("columns = [\"Since\"]\nmay_be_empty = true", "", demand),
            "Since\n03/12/2018 09:00\n2018-12-03 08:00\n2018-12-03 08:00+01:00\n",
            "site_code=RGN80 line_type=DEM in_bed_now=false demand_source=EDP gender=X age_band=AXX",
            &["wait_from=2018-12-03T09:00:00Z", "wait_from=2018-12-03T08:00:00Z", "wait_from=2018-12-03T07:00:00Z"],
        ),
        row(
            11,
            ward(
                "columns = [\"Ward\", \"Born\"]\nidentifiers = [\"Born\"]",
                "",
                &person(
                    "gender = { value = \"X\" }, age_band = { column = \"Born\", as = \"birth date\", format = [\"%d/%m/%Y\", \"%Y%m%d\"] }",
                ),
            ),
            "Ward,Born\nW1,04/12/1953\nW1,19531203\n",
            "site_code=RGN80 ward_code=W1 line_type=OCC gender=X",
            &["age_band=A60", "age_band=A65"],
        ),
        row(
            11,
            ward(
                "columns = [\"Ward\", \"Age\"]",
                "",
                &person("gender = { value = \"X\" }, age_band = { column = \"Age\", as = \"age range\" }"),
            ),
            "Ward,Age\nW1,25 to 29\nW1,90 and over\n",
            "site_code=RGN80 ward_code=W1 line_type=OCC gender=X",
            &["age_band=A25", "age_band=A90"],
        ),
        row(
            12,
            ward(
                "columns = [\"Ward\", \"State\", \"Where\"]",
                "",
                &format!(
                    "{}{}",
                    "[[mapping.table.line]]\nwhen = { State = \"Occ*\", Where = [\"Ward\", \"Bay\"] }\nset = { line_type = { value = \"OCC\" }, gender = { value = \"X\" }, age_band = { value = \"AXX\" } }\n",
                    "[[mapping.table.line]]\nwhen = { State = \"\" }\nset = { line_type = { value = \"EMP\" }, empty_state = { value = \"RDY\" } }\n"
                ),
            ),
            "Ward,State,Where\nW1,Occupied,bay\nW2,,Ward\n",
            "site_code=RGN80",
            &["ward_code=W1 line_type=OCC gender=X age_band=AXX", "ward_code=W2 line_type=EMP empty_state=RDY"],
        ),
        row(
            13,
            ward(
                "columns = [\"Ward\", \"Open\", \"Men\", \"Shut\"]\nlines = \"each\"",
                "",
                &format!(
                    "{}{}",
                    "[[mapping.table.line]]\nquantity = \"Men\"\nset = { line_type = { value = \"OCC\" }, gender = { value = \"1\" }, age_band = { value = \"AXX\" } }\n",
                    "[[mapping.table.line]]\nquantity = { column = \"Open\", minus = [\"Men\", \"Shut\"] }\nset = { line_type = { value = \"EMP\" }, empty_state = { value = \"RDY\" } }\n"
                ),
            ),
            "Ward,Open,Men,Shut\nW1,28,20,3\nW2,10,10,0\n",
            "site_code=RGN80",
            &[
                "ward_code=W1 line_type=OCC quantity=20 gender=1 age_band=AXX",
                "ward_code=W1 line_type=EMP quantity=5 empty_state=RDY",
                "ward_code=W2 line_type=OCC quantity=10 gender=1 age_band=AXX",
            ],
        ),
        row(
            11,
            ward(
                "columns = [\"Ward\", \"Age\"]",
                "",
                &person("gender = { value = \"X\" }, age_band = { column = \"Age\", as = \"age in years\" }"),
            ),
            "Ward,Age\nW1,83\n",
            occupied,
            &["gender=X age_band=A80"],
        ),
    ]
}

/// Counts of a row that must fit together: all that the row makes is used, or nothing of it.
fn sums() -> Row {
    let count = |column: &str, set: &str| format!("[[mapping.table.line]]\nquantity = \"{column}\"\nset = {{ {set} }}\n");
    let taken = "line_type = { value = \"OCC\" }, gender = { value = \"X\" }, age_band = { value = \"AXX\" }";
    let lines = count("Taken", taken) + &count("Free", "line_type = { value = \"EMP\" }, empty_state = { value = \"RDY\" }");
    let keys = "columns = [\"Ward\", \"Open\", \"Taken\", \"Free\", \"Most\"]\nlines = \"each\"\n\
                sums = [{ of = [\"Taken\", \"Free\"], equals = \"Open\" }, { of = [\"Open\"], at_most = \"Most\" }]";
    Row {
        said: &[
            "ROW-02 Open is more than its parts together (Taken, Free)",
            "ROW-02 Open is less than its parts together (Taken, Free)",
            "ROW-02 Most is less than its parts together (Open)",
            "ROW-02 Most is not a whole number",
            "XRO-03 Occupied exceeds open on ward \"5E1\", by 2: counted as patients beyond its open beds",
        ],
        ..row(
            13,
            one_table(keys, "ward_code = \"Ward\"", &lines),
            "Ward,Open,Taken,Free,Most\nW1,8,5,3,8.0\nW1,8,5,2,8\nW1,8,5,4,9\nW1,8,5,3,7\nW1,8,5,3,lots\nW2,6,6,0,\n5E1,4,6,0,6\n",
            "site_code=RGN80",
            &[
                "ward_code=W1 line_type=OCC quantity=5 gender=X age_band=AXX",
                "ward_code=W1 line_type=EMP quantity=3 empty_state=RDY",
                "ward_code=W2 line_type=OCC quantity=6 gender=X age_band=AXX",
                "ward_code=5E1 line_type=OCC quantity=6 gender=X age_band=AXX",
            ],
        )
    }
}

/// F14 to F18: texts cut up, put right, left out, looked up and joined.
fn texts_and_rows() -> Vec<Row> {
    let bed = |keys: &str, fields: &str| one_table(keys, fields, EMPTY);
    let archive = format!(
        "{PROVIDER}{MAPPING}[[mapping.file]]\npart = \"beds\"\nname = \"beds {{yyyy}}{{mm}}{{dd}} {{HH}}{{MM}}.zip\"\n{TABLE}member = \"a.csv\"\ncolumns = [\"Ward\", \"Bed\"]\n\
         join = {{ table = \"shut\", on = [\"Ward\", \"Bed\"] }}\n[mapping.table.fields]\nsite_code = {{ value = \"RGN80\" }}\nward_code = \"Ward\"\nbed_ref = \"Bed\"\n\
         [[mapping.table.line]]\nwhen = {{ \"shut.Why\" = \"*\" }}\nset = {{ line_type = {{ value = \"CLO\" }}, closed_reason = {{ column = \"shut.Why\", codes = {{ Flood = \"EST\" }} }} }}\n{EMPTY}\
         [[mapping.table]]\nname = \"shut\"\nfile = \"beds\"\nmember = \"b.csv\"\ncolumns = [\"Ward\", \"Bed\", \"Why\"]\nsnapshot_at = \"other table\"\nmay_be_empty = true\n"
    );
    let zip = zip_of(&[("a.csv", b"Ward,Bed\nW1,1\nW1,2\n"), ("b.csv", b"Ward,Bed,Why\nW1,2,Flood\n")]);
    vec![
        Row {
            said: &["REF-04 Place is not of the form {Ward}/{Bay}/{Bed}"],
            ..row(
                14,
                bed(
                    "columns = [\"Place\"]\nsplit = { Place = \"{Ward}/{Bay}/{Bed}\" }",
                    "ward_code = \"Ward\"\nbay_code = \"Bay\"\nbed_ref = { join = [\"Bay\", \"Bed\"], with = \"-\" }",
                ),
                "Place\nW1/B2/04\nW2 / B1 / 1\nW1//3\nW1-B2-05\n",
                READY,
                &["ward_code=W1 bay_code=B2 bed_ref=B2-04", "ward_code=W2 bay_code=B1 bed_ref=B1-1", "ward_code=W1 bed_ref=3"],
            )
        },
        row(
            15,
            bed(
                "columns = [\"Ward\", \"Spec\", \"Bed\"]\nwhole_numbers = [\"Ward\", \"Spec\", \"Bed\"]",
                "ward_code = { column = \"Ward\", pad = 2 }\nbed_ref = \"Bed\"\nbed_base = { column = \"Spec\", pad = 3, codes = { \"072\" = \"DAY\", 300 = \"COR\" } }",
            ),
            "Ward,Spec,Bed\n 7.0 ,300.0,\"1,007\"\n7,72,2\n07,072,3\n",
            READY,
            &["ward_code=07 bed_ref=1007 bed_base=COR", "ward_code=07 bed_ref=2 bed_base=DAY", "ward_code=07 bed_ref=3 bed_base=DAY"],
        ),
        Row {
            said: &["STR-08 rows left out, well-baby cots: 2", "STR-08 rows left out, discharge lounge: 1"],
            ..row(
                16,
                bed(
                    "columns = [\"Ward\", \"Kind\"]\n[[mapping.table.skip]]\nwhen = { Kind = \"Cot*\" }\nbecause = \"well-baby cots\"\n[[mapping.table.skip]]\nwhen = { Ward = [\"DL\", \"DL2\"] }\nbecause = \"discharge lounge\"",
                    "ward_code = \"Ward\"",
                ),
                "Ward,Kind\nW1,Bed\nW1,Cot\nDL,Chair\nW2,cot (baby)\n",
                READY,
                &["ward_code=W1"],
            )
        },
        Row {
            // Another name of a ward holds from a day on; a ward that nobody registered waits for approval.
            said: &["REF-03 beds on ward \"ANNEX\" at site \"RGN80\", which is not registered: 1"],
            ..row(
                17,
                bed("columns = [\"Ward\"]", "ward_code = \"Ward\""),
                "Ward\nOld Name\nANNEX\n",
                READY,
                &["ward_code=W2", "ward_code=ANNEX"],
            )
        },
        Row {
            files: vec![sent("beds 20181203 1015.zip", zip)],
            ..row(
                18,
                archive,
                "",
                "site_code=RGN80 ward_code=W1",
                &["line_type=EMP empty_state=RDY bed_ref=1", "line_type=CLO closed_reason=EST bed_ref=2"],
            )
        },
    ]
}

#[test]
fn features_1_to_18_make_the_lines_they_should() {
    let rows: Vec<Row> = files_and_columns().into_iter().chain(cells_and_lines()).chain([sums()]).chain(texts_and_rows()).collect();
    assert_eq!(rows.iter().map(|row| row.feature).collect::<BTreeSet<_>>(), (1..=18).collect());
    for row in rows {
        let assessment = judge(&row.provider, &row.files);
        let got: Vec<Vec<String>> = accepted(&assessment).iter().map(compact).collect();
        let expected: Vec<Vec<String>> = row.lines.iter().map(|line| words(&format!("{} {line}", row.common))).collect();
        let report = &assessment.report;
        assert_eq!(got, expected, "F{}: {:?}", row.feature, report.findings);
        let said: Vec<String> = report.findings.iter().map(|finding| format!("{} {}", finding.rule, finding.message)).collect();
        for words in row.said {
            assert!(said.iter().any(|said| said.starts_with(words)), "F{}: {words} in {said:#?}", row.feature);
        }
        let counts = report.rows;
        assert_eq!(counts.read, counts.used + counts.skipped + counts.rejected, "F{}", row.feature);
    }
}

#[test]
fn f17_a_ward_that_nobody_registered_is_in_the_report() {
    let provider = one_table("columns = [\"Ward\"]", "ward_code = \"Ward\"", EMPTY);
    let assessment = judge(&provider, &vec![sent(NAME, "Ward\nW1\nANNEX\nANNEX\n943 476 5919\n")]);
    let waiting: Vec<(&str, u64)> = assessment.report.unknown_wards.iter().map(|ward| (ward.ward.as_str(), ward.beds)).collect();
    // What looks like a person's number makes no line, and stands nowhere.
    assert_eq!(waiting, [("ANNEX", 2)]);
    assert!(!serde_json::to_string(&assessment.report).unwrap().contains("943 476 5919"));
}

#[test]
fn f19_the_mapping_in_force_is_the_one_whose_dates_hold_the_snapshots_local_day() {
    // One column is renamed at midnight on 1 July 2018, in London: 23:00 UTC on 30 June.
    let first = one_table("columns = [\"At\", \"Ward\"]", "ward_code = \"Ward\"", EMPTY)
        .replace("\"file name\"", "{ column = \"At\", format = \"%Y-%m-%d %H:%M\" }")
        .replace(" {yyyy}{mm}{dd} {HH}{MM}", " {seq}");
    let (_, mapping) = first.split_once("[[mapping]]").unwrap();
    let second = mapping.replace("\"v1\"", "\"v2\"").replace("2018-04-01", "2018-07-01").replace("\"Ward\"", "\"Unit\"");
    let both = format!("{}[[mapping]]{second}", first.replacen("from = 2018-04-01", "from = 2018-04-01\nto = 2018-07-01", 1));
    let desk = Desk { settings: settings(&both) };
    let feed = desk.feed("RGN");
    let hashes: BTreeSet<Digest> = feed.mappings.iter().map(|mapping| mapping.hash).collect();
    assert_eq!(hashes.len(), 2);
    // (local time in the file, column, received, version that reads it)
    let rows = [
        ("2018-06-30 23:45", "Ward", "2018-06-30T22:47:00Z", Some("v1")),
        // By UTC it is still June.
        ("2018-07-01 00:00", "Unit", "2018-06-30T23:02:00Z", Some("v2")),
        ("2018-07-01 00:45", "Unit", "2018-06-30T23:47:00Z", Some("v2")),
        // A late file is read as things were then.
        ("2018-06-30 23:45", "Ward", "2018-07-01T00:30:00Z", Some("v1")),
        ("2018-06-30 23:45", "Unit", "2018-06-30T22:47:00Z", None),
        ("2018-07-01 00:00", "Ward", "2018-06-30T23:02:00Z", None),
    ];
    for (time, column, received, version) in rows {
        let files = vec![sent("beds 12.csv", format!("At,{column}\n{time},W1\n{time},W2\n{time},07\n{time},5E1\n"))];
        let assessment = desk.judge_by(feed, &files, &History::default(), at(received));
        let report = &assessment.report;
        let read = report.findings.reject_file().then_some(()).is_none().then(|| report.mapping.clone()).flatten();
        assert_eq!(read.as_deref(), version, "{time} {column}: {:?}", report.findings);
        if let Some(version) = version {
            let mapping = feed.mappings.iter().find(|mapping| mapping.version == version).unwrap();
            assert_eq!(report.mapping_hash, Some(mapping.hash));
        }
    }
}

#[test]
fn f20_declared_identifiers_are_expected_and_proven_dropped() {
    let keys =
        "columns = [\"Ward\", \"NHS No\", \"Born\", \"Name\"]\noptional = [\"Name\"]\nidentifiers = [\"NHS No\", \"Born\", \"Name\"]";
    let line = "[[mapping.table.line]]\nset = { line_type = { value = \"OCC\" }, gender = { value = \"X\" }, age_band = { column = \"Born\", as = \"birth date\", format = \"%d/%m/%Y\" } }\n";
    let provider = one_table(keys, "ward_code = \"Ward\"", line);
    let assessment = judge(&provider, &vec![sent(NAME, "Ward,NHS No,Born\nW1,943 476 5919,01/02/1935\nW1,943 476 5870,01/02/1950\n")]);
    assert_eq!(assessment.report.identifiers_dropped, ["NHS No", "Born"]);
    let lines = serde_json::to_string(accepted(&assessment)).unwrap();
    let told = serde_json::to_string(&assessment.report).unwrap();
    for value in ["943", "9434765919", "1935", "1950", "01/02"] {
        assert!(!lines.contains(value) && !told.contains(value), "{value}");
    }
    // Without the column the file is not as agreed.
    let without = judge(&provider, &vec![sent(NAME, "Ward,Born\nW1,01/02/1935\n")]);
    assert!(without.report.findings.reject_file());
}
