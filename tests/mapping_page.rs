//! The page about the mapping language: every example in it is accepted, and every key that the settings know is in it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test may fail loudly"
)]

mod judging;

use bedfeed::bedstate::{
    AgeBand, BedBase, BedSex, BedStatus, ClosedReason, DemandSource, EddBand, EmptyState, Gender, LineType, LosBand, Ready,
};
use bedfeed::config;
use bedfeed::normalise::mapping::FIELDS;
use judging::{PROVIDER, path};
use std::collections::BTreeSet;

fn page() -> String {
    std::fs::read_to_string(path("docs/mapping.md")).unwrap()
}

/// Every fenced TOML example: its kind, the line it starts on, and its text.
fn examples(page: &str) -> Vec<(String, usize, String)> {
    let mut found = Vec::new();
    let mut open: Option<(String, usize, String)> = None;
    for (number, line) in page.lines().enumerate() {
        match &mut open {
            Some(_) if line == "```" => found.extend(open.take()),
            Some((_, _, text)) => {
                text.push_str(line);
                text.push('\n');
            }
            None => open = line.strip_prefix("```toml").map(|kind| (kind.trim().to_owned(), number + 1, String::new())),
        }
    }
    assert!(open.is_none(), "an example is not closed");
    found
}

const SIGNERS: &str = r#"
[[signers]]
owner = "Extract job"
public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti"
"#;

const TABLE: &str = r#"
[[mapping]]
version = "example"
from = 2018-04-01
author = "an example"
zone = "Europe/London"
[[mapping.file]]
part = "beds"
name = "beds {yyyy}{mm}{dd}{HH}{MM}.csv"
[[mapping.table]]
name = "beds"
file = "beds"
"#;

const COLUMNS: &str = r#"
columns = ["SITE", "WARD", "BAY", "BED", "STATUS", "SEX", "SPEC", "BASE", "WardSex", "Reason", "AgeGroup", "Last Updated", "Open Beds", "Occ Male", "Occ Female", "Closed", "Vacant (reserved)", "Vacant (accepting)"]
snapshot_at = "file name"
"#;

const LINE: &str = r#"
[[mapping.table.line]]
set = { site_code = "SITE", ward_code = "WARD", line_type = { value = "OCC" } }
"#;

/// An example as a whole provider file, and the provider's code.
fn whole(kind: &str, text: &str) -> (String, String) {
    if let Some(code) = kind.strip_prefix("provider ") {
        return (code.to_owned(), text.to_owned());
    }
    let rest = match kind {
        "mapping" => text.to_owned(),
        "mapping signed" => format!("{SIGNERS}{text}"),
        "table" => format!("{TABLE}{text}"),
        "line" => format!("{TABLE}{COLUMNS}[mapping.table.fields]\nsite_code = \"SITE\"\nward_code = \"WARD\"\n{text}"),
        "fields" => format!("{TABLE}{COLUMNS}[mapping.table.fields]\n{text}{LINE}"),
        other => panic!("an example is marked toml {other}: provider CODE, mapping, table, line or fields is meant"),
    };
    ("RGN".to_owned(), format!("{PROVIDER}{rest}"))
}

/// Loads one provider file beside the shipped reference data; every problem, or nothing.
fn problems(code: &str, text: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("providers")).unwrap();
    std::fs::write(dir.path().join(format!("providers/{code}.toml")), text).unwrap();
    // The shipped register, and one site of the examples' own provider.
    std::fs::create_dir(dir.path().join("reference")).unwrap();
    for entry in std::fs::read_dir(path("config/reference")).unwrap() {
        let entry = entry.unwrap();
        let mut text = std::fs::read_to_string(entry.path()).unwrap();
        if entry.file_name() == "sites.csv" {
            text.push_str("RGN,RGN80,City,2018-04-01,\n");
        }
        std::fs::write(dir.path().join("reference").join(entry.file_name()), text).unwrap();
    }
    let main = dir.path().join("bedfeed.toml");
    std::fs::write(&main, "state_dir = \"state\"\n").unwrap();
    config::load(&main).map_or_else(|problems| problems.to_string(), |_| String::new())
}

#[test]
fn every_example_is_accepted() {
    let examples = examples(&page());
    let kinds: BTreeSet<&str> = examples.iter().filter_map(|(kind, ..)| kind.split(' ').next()).collect();
    assert_eq!(kinds, ["fields", "line", "mapping", "provider", "table"].into());
    for (kind, line, text) in &examples {
        let (code, file) = whole(kind, text);
        assert_eq!(problems(&code, &file), "", "the example on line {line}, as\n{file}");
        // The test can fail: a key that nobody knows is refused in each of them.
        let (code, wrong) = whole(kind, &text.replacen(" = ", "_x = ", 1));
        assert_ne!(problems(&code, &wrong), "", "the example on line {line} with a wrong key");
    }
}

#[test]
fn the_first_example_does_what_the_page_says() {
    let page = page();
    let row = page.split('`').find(|text| text.starts_with("03/12/2018 10:15,RGN80")).unwrap();
    let (_, _, text) = examples(&page).into_iter().find(|(kind, ..)| kind == "provider RGN").unwrap();
    let dir = tempfile::tempdir().unwrap();
    for folder in ["providers", "reference"] {
        std::fs::create_dir(dir.path().join(folder)).unwrap();
    }
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write("bedfeed.toml", "state_dir = \"state\"\n");
    write("providers/RGN.toml", &text);
    write("reference/sites.csv", "provider_code,site_code,site_name,valid_from,valid_to\nRGN,RGN80,City,,\n");
    let extract = dir.path().join("RGN_beds_20181203_1015.csv");
    std::fs::write(&extract, format!("When,Site,Ward,Bed,State,Sex,Age\n{row}\n")).unwrap();
    let mut check = std::process::Command::new(env!("CARGO_BIN_EXE_bedfeed"));
    check.args(["check", "--provider", "RGN", "--at", "2018-12-03T10:18Z", "--config"]).arg(dir.path().join("bedfeed.toml"));
    let said = String::from_utf8(check.arg(extract).output().unwrap().stdout).unwrap();
    // The ward is not registered, so the file is refused; a registered one makes the line.
    assert!(said.contains("REF-03"), "{said}");
    write("reference/ward_types.csv", "code,meaning\nGENMED,General\n");
    write("reference/ward_classes.csv", "code,meaning\nGA,General and acute\n");
    write("reference/bed_groups.csv", "code,meaning\nMED,Medical\n");
    write(
        "reference/wards.csv",
        "provider_code,site_code,ward_code,ward_name,ward_type,ward_class,bed_group,bed_sex,min_age,max_age,treatment_function,registered_beds,bed_base,alias,valid_from,valid_to\n\
         RGN,RGN80,A1,Ward A1,GENMED,GA,MED,8,,,,1,COR,,,\n",
    );
    let output = check.arg("--json").output().unwrap();
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    let fields =
        [("line_type", "OCC"), ("site_code", "RGN80"), ("ward_code", "A1"), ("bed_ref", "07"), ("gender", "2"), ("age_band", "A80")];
    for (field, value) in fields {
        assert_eq!(said["first_lines"][0][field], value, "{field}: {said}");
    }
}

/// Every key that the reader of mappings asks for, from its own text.
fn keys() -> BTreeSet<String> {
    let asks = ["get", "need", "has", "section", "sections", "text", "place", "entries", "list"];
    let mut keys = BTreeSet::new();
    for entry in std::fs::read_dir(path("src/config/mapping")).unwrap() {
        let source = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let source = source.split("#[cfg(test)]").next().unwrap();
        for (at, _) in source.match_indices("(\"") {
            let before: String = source[..at].chars().rev().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            let asked: String = before.chars().rev().collect();
            let key = source[at + 2..].split('"').next().unwrap();
            if asks.contains(&asked.as_str()) {
                keys.insert(key.to_owned());
            }
        }
    }
    keys
}

#[test]
fn every_key_field_and_code_is_explained() {
    let page = page();
    // Only what stands in backquotes outside the examples counts as explained.
    let prose: String = page.split("```").step_by(2).collect();
    let explained: BTreeSet<&str> = prose.split('`').skip(1).step_by(2).collect();
    // Of the ways to write a value, the whole is in backquotes.
    let known = |word: &str| {
        let begins = |text: &&&str| text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).any(|part| part == word);
        explained.contains(word) || explained.iter().find(begins).is_some()
    };
    let mut keys = keys();
    assert!(keys.len() >= 50 && keys.contains("also_named") && keys.contains("march_gap") && keys.contains("copy_down"), "{keys:?}");
    for feature in 1..=20 {
        assert!(page.contains(&format!("| F{feature} ")), "F{feature} is not explained");
    }
    // The heading that begins it all.
    keys.remove("mapping");
    let missing: Vec<&String> = keys.iter().filter(|key| !known(key)).collect();
    assert!(missing.is_empty(), "keys that the page does not explain: {missing:?}");
    let missing: Vec<&&str> = FIELDS.iter().filter(|field| !known(field)).collect();
    assert!(missing.is_empty(), "fields that the page does not explain: {missing:?}");
    let words = [
        "Europe/London",
        "fixed GMT",
        "reject",
        "shift forward",
        "data",
        "sha256",
        "control",
        "signature",
        "gzip",
        "utf-8",
        "windows-1252",
        "utf-16",
    ];
    let more = ["file name", "header line", "other table", "one", "each", "stated", "old", "age in years", "birth date", "age range"];
    for word in words.iter().chain(&more) {
        assert!(prose.contains(&format!("\"{word}\"")), "the word {word} is not explained");
    }
    for piece in ["org", "yyyy", "mm", "dd", "HH", "MM", "SS", "seq"] {
        assert!(explained.contains(format!("{{{piece}}}").as_str()), "the piece {piece} is not explained");
    }
    let mut codes: Vec<&str> = Vec::new();
    codes.extend(LineType::ALL.iter().map(|code| code.code()));
    codes.extend(BedStatus::ALL.iter().map(|code| code.code()));
    codes.extend(EmptyState::ALL.iter().map(|code| code.code()));
    codes.extend(ClosedReason::ALL.iter().map(|code| code.code()));
    codes.extend(BedBase::ALL.iter().map(|code| code.code()));
    codes.extend(BedSex::ALL.iter().map(|code| code.code()));
    codes.extend(Gender::ALL.iter().map(|code| code.code()));
    codes.extend(Ready::ALL.iter().map(|code| code.code()));
    codes.extend(EddBand::ALL.iter().map(|code| code.code()));
    codes.extend(LosBand::ALL.iter().map(|code| code.code()));
    codes.extend(DemandSource::ALL.iter().map(|code| code.code()));
    codes.extend([AgeBand::A00, AgeBand::A90, AgeBand::Unknown].iter().map(|code| code.code()));
    let missing: Vec<&&str> = codes.iter().filter(|code| !explained.contains(**code)).collect();
    assert!(missing.is_empty(), "codes that the page does not explain: {missing:?}");
}
