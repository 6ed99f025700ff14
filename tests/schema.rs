//! The published schema: `frictionless` takes it, and agrees with bedfeed about which tables of the dataset are good.
//!
//! Six providers' lines are written as CSV in the dataset's own fields. Both judge those tables, and damaged ones: the program
//! by the schema, bedfeed by a mapping that reads the dataset itself. What a Table Schema cannot say is listed as such.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod judging;

use bedfeed::bedstate::{Line, csv_text};
use bedfeed::config;
use bedfeed::feed::{Findings, Rule, Severity};
use bedfeed::normalise::mapping::FIELDS;
use bedfeed::verify::{History, Verdict};
use judging::{Desk, Files, at, folder, path};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

const PROVIDERS: [&str; 6] = ["RM1", "RGP", "RCX", "RMY", "RY3", "NCC"];

/// When the tables count as received.
const RECEIVED: &str = "2018-12-03T10:18:00Z";

/// Fields that a mapping reads in a way of their own, and one that is never kept.
const NOT_PLAIN: [&str; 4] = ["quantity", "wait_from", "source_updated_at", "demand_ref"];

/// Settings by which every provider sends the dataset itself.
fn own_layout(dir: &Path) -> Desk {
    let schema = bedfeed::bedstate::table_schema();
    let fields = schema["fields"].as_array().unwrap();
    let names: Vec<String> = fields.iter().map(|field| format!("\"{}\"", field["name"].as_str().unwrap())).collect();
    let codes = |name: &str| {
        let list = fields.iter().find(|field| field["name"] == name)?["constraints"]["enum"].as_array()?;
        let pairs: Vec<String> = list.iter().map(|code| format!("{code} = {code}")).collect();
        Some(format!("codes = {{ {} }}", pairs.join(", ")))
    };
    let mut read = String::new();
    for name in FIELDS.iter().copied().filter(|name| !NOT_PLAIN.contains(name)) {
        match codes(name) {
            Some(codes) if name == "gender" => writeln!(read, "gender = {{ column = \"gender\", list = \"stated\", {codes} }}").unwrap(),
            Some(codes) => writeln!(read, "{name} = {{ column = \"{name}\", {codes} }}").unwrap(),
            None => writeln!(read, "{name} = \"{name}\"").unwrap(),
        }
    }
    for name in ["wait_from", "source_updated_at"] {
        writeln!(read, "{name} = {{ column = \"{name}\", format = \"%Y-%m-%dT%H:%M:%SZ\" }}").unwrap();
    }
    let mapping = format!(
        r#"
[[mapping]]
version = "own-1"
from = 2018-04-01
author = "tests"
zone = "fixed GMT"

[[mapping.file]]
part = "table"
name = "{{org}}_{{yyyy}}{{mm}}{{dd}}_{{HH}}{{MM}}.csv"

[[mapping.table]]
name = "table"
file = "table"
columns = [{}]
snapshot_at = {{ column = "snapshot_at", format = "%Y-%m-%dT%H:%M:%SZ" }}

[mapping.table.fields]
{read}
[[mapping.table.line]]
quantity = "quantity"
"#,
        names.join(", ")
    );
    let write = |name: &str, text: &str| {
        let target = dir.join(name);
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::write(target, text).unwrap();
    };
    for code in PROVIDERS {
        let shipped = std::fs::read_to_string(path(&format!("config/providers/{code}.toml"))).unwrap();
        write(&format!("providers/{code}.toml"), &(shipped.split("[[mapping]]").next().unwrap().to_owned() + &mapping));
    }
    for (name, bytes) in folder("config/reference") {
        write(&format!("reference/{name}"), std::str::from_utf8(&bytes).unwrap());
    }
    write("bedfeed.toml", &std::fs::read_to_string(path("config/bedfeed.toml")).unwrap());
    let settings = config::load(&dir.join("bedfeed.toml")).unwrap_or_else(|problems| panic!("{problems}"));
    Desk { settings }
}

/// The lines of a provider's shipped extract, and the same as a table of the dataset.
fn table_of(desk: &Desk, code: &str) -> (Vec<Line>, String) {
    let assessment = desk.judge(code, &folder(&format!("tests/fixtures/{code}")));
    let Verdict::Accepted(verified) = &assessment.verdict else { panic!("{code}: {:?}", assessment.report.findings) };
    (verified.snapshot().lines.clone(), csv_text(verified.snapshot()))
}

/// What bedfeed finds in a table of the dataset.
fn judged(desk: &Desk, code: &str, table: &str) -> (Findings, Vec<Line>) {
    let files: Files = vec![(format!("{code}_20181203_1015.csv"), table.as_bytes().to_vec())];
    let assessment = desk.judge_by(desk.feed(code), &files, &History::default(), at(RECEIVED));
    let lines = match assessment.verdict {
        Verdict::Accepted(verified) => verified.snapshot().lines.clone(),
        _ => Vec::new(),
    };
    (assessment.report.findings, lines)
}

/// Whether bedfeed finds nothing wrong with the table. That care homes' figures are old is true, and says nothing of it.
fn is_clean(findings: &Findings) -> bool {
    findings.iter().all(|finding| finding.severity < Severity::Warning || finding.rule == Rule::Tim08)
}

/// What `frictionless` says of tables, by name: whether they are valid, and what is wrong first. One run for all of them.
fn frictionless(dir: &Path, tables: &BTreeMap<String, String>) -> BTreeMap<String, (bool, Vec<String>)> {
    let schema = Command::new(env!("CARGO_BIN_EXE_bedfeed")).arg("schema").output().unwrap();
    std::fs::write(dir.join("schema.json"), schema.stdout).unwrap();
    for (name, text) in tables {
        std::fs::write(dir.join(name), text).unwrap();
    }
    // With several files on its command line the program would leave `--schema` out without a word.
    let resource = |name: &String| {
        let plain = name.to_lowercase().replace(".csv", "").replace('_', "-");
        serde_json::json!({ "name": plain, "path": name, "schema": "schema.json" })
    };
    let package = serde_json::json!({ "resources": tables.keys().map(resource).collect::<Vec<_>>() });
    std::fs::write(dir.join("package.json"), package.to_string()).unwrap();
    let program = path("target/test-tools/bin/frictionless");
    let mut command = Command::new(&program);
    command.args(["validate", "package.json", "--json"]).current_dir(dir);
    let output = command.output().unwrap_or_else(|error| panic!("{}: {error}; tests/run installs it", program.display()));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)));
    let tasks = report["tasks"].as_array().unwrap();
    let told = |task: &serde_json::Value| {
        let errors: Vec<String> = task["errors"].as_array().unwrap().iter().take(3).map(|error| error["message"].to_string()).collect();
        (task["place"].as_str().unwrap().to_owned(), (task["valid"].as_bool().unwrap(), errors))
    };
    tasks.iter().map(told).collect()
}

/// A table of three lines: an occupied bed, an empty one, and a waiting patient. `$x` stands for fields that rows change.
const GOOD: [(&str, &str); 3] = [
    ("OCC", "RM1,RM102,2018-12-03T10:15:00Z,OCC,1,W21,B2,B2-04,O,,,COR,8,Y,00,300,,,,2,A80,N,T1,L07,,,,,,"),
    ("EMP", "RM1,RM102,2018-12-03T10:15:00Z,EMP,1,W21,B2,B2-05,U,RDY,,COR,8,N,00,300,,,,,,,,,,,,,,"),
    ("DEM", "RM1,RM102,2018-12-03T10:15:00Z,DEM,1,,,,,,,,,,,,,,,1,A65,,,,EDP,MED,N,2018-12-03T07:52:00Z,,"),
];

/// The good table with one field of one line changed, where a name is given.
fn changed(field: &str, line: &str, value: &str) -> String {
    let schema = bedfeed::bedstate::table_schema();
    let names: Vec<&str> = schema["fields"].as_array().unwrap().iter().map(|field| field["name"].as_str().unwrap()).collect();
    let mut text = names.join(",") + "\r\n";
    for (kind, row) in GOOD {
        let mut cells: Vec<&str> = row.split(',').collect();
        assert_eq!(cells.len(), names.len(), "{row}");
        if kind == line {
            cells[names.iter().position(|name| *name == field).unwrap()] = value;
        }
        text += &(cells.join(",") + "\r\n");
    }
    text
}

/// What both find wrong: the field, the line and the value.
const WRONG: [(&str, &str, &str); 24] = [
    ("line_type", "OCC", "FUL"),
    ("line_type", "OCC", ""),
    ("site_code", "OCC", ""),
    ("site_code", "EMP", "RM102-FAR-TOO-LONG"),
    ("ward_code", "EMP", "W21-FAR-TOO-LONG"),
    ("bay_code", "OCC", "B2-FAR-TOO-LONG"),
    ("bed_ref", "OCC", "B2-04-FAR-TOO-LONG"),
    ("quantity", "OCC", "0"),
    ("quantity", "OCC", "-1"),
    ("quantity", "EMP", "1.5"),
    ("quantity", "EMP", "many"),
    ("quantity", "DEM", "100000"),
    ("bed_status", "EMP", "X"),
    ("empty_state", "EMP", "OLD"),
    ("bed_base", "OCC", "BAS"),
    ("bed_sex", "OCC", "F"),
    ("side_room", "OCC", "maybe"),
    ("gender", "OCC", "F"),
    ("age_band", "OCC", "A83"),
    ("age_band", "DEM", "65"),
    ("demand_source", "DEM", "GP"),
    ("demand_for", "DEM", "MEDICINE-FOR-ALL"),
    ("in_bed_now", "DEM", "perhaps"),
    ("wait_from", "DEM", "yesterday"),
];

/// What only bedfeed finds wrong, for a Table Schema has no words for it: what one field demands of another, of other rows,
/// or of the register.
const BEYOND: [(&str, &str, &str); 8] = [
    ("gender", "EMP", "1"),
    ("age_band", "EMP", "A80"),
    ("empty_state", "EMP", ""),
    ("demand_source", "DEM", ""),
    ("in_bed_now", "DEM", ""),
    ("ward_code", "OCC", ""),
    ("bed_ref", "EMP", "B2-04"),
    ("site_code", "EMP", "RX999"),
];

#[test]
fn frictionless_and_bedfeed_agree_about_good_and_damaged_tables() {
    let dir = tempfile::tempdir().unwrap();
    let (shipped, own) = (Desk::shipped(), own_layout(dir.path()));
    // The small tables tell of one ward with two beds: nothing else is missing from them.
    let mut small = own_layout(dir.path());
    let wards = &mut small.settings.reference.wards;
    wards.retain(|ward| ward.provider.as_str() == "RM1" && ward.ward_code == "W21");
    wards.iter_mut().for_each(|ward| ward.registered_beds = 2);
    let mut tables = BTreeMap::new();
    let mut clean = BTreeMap::new();
    let mut add = |name: String, desk: &Desk, code: &str, text: String| {
        let (findings, lines) = judged(desk, code, &text);
        clean.insert(name.clone(), (is_clean(&findings), findings));
        tables.insert(name, text);
        lines
    };
    for code in PROVIDERS {
        let (lines, text) = table_of(&shipped, code);
        let again = add(format!("{code}.csv"), &own, code, text);
        assert_eq!(again, lines, "{code}: the table says what the lines say");
    }
    add("good.csv".to_owned(), &small, "RM1", changed("line_type", "", ""));
    for (number, (field, line, value)) in WRONG.into_iter().enumerate() {
        add(format!("wrong-{number:02}-{field}-{line}.csv"), &small, "RM1", changed(field, line, value));
    }
    for (number, (field, line, value)) in BEYOND.into_iter().enumerate() {
        add(format!("beyond-{number:02}-{field}-{line}.csv"), &small, "RM1", changed(field, line, value));
    }
    let told = frictionless(dir.path(), &tables);
    assert_eq!(told.len(), tables.len());
    for (name, (valid, errors)) in told {
        let (clean, findings) = &clean[&name];
        let expected = match name.split('-').next().unwrap() {
            "wrong" => (false, false),
            "beyond" => (true, false),
            _ => (true, true),
        };
        assert_eq!((valid, *clean), expected, "{name}: frictionless, bedfeed; {errors:?}; {findings:?}");
    }
}
