//! The damaged fixtures are well formed as a set: what is expected of them can be found, and nothing but the named thing is wrong.

use super::shipped::{code, folder};
use crate::feed::{Digest, Rule, Severity};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// One row of `expected.csv`.
#[derive(Debug, serde::Deserialize)]
struct Expected {
    provider: String,
    file: String,
    rule: String,
    severity: Severity,
    line: Option<usize>,
    column: Option<String>,
}

fn expected() -> Vec<Expected> {
    let mut reader = csv::Reader::from_path(folder("tests/fixtures/damaged/expected.csv")).unwrap();
    reader.deserialize().map(Result::unwrap).collect()
}

/// Every file by case and name.
fn deliveries() -> BTreeMap<String, BTreeMap<String, Vec<u8>>> {
    let mut cases = BTreeMap::new();
    for entry in fs::read_dir(folder("tests/fixtures/damaged")).unwrap() {
        let case = entry.unwrap();
        if case.file_type().unwrap().is_dir() {
            let files = fs::read_dir(case.path()).unwrap().map(|file| {
                let file = file.unwrap();
                (file.file_name().into_string().unwrap(), fs::read(file.path()).unwrap())
            });
            cases.insert(case.file_name().into_string().unwrap(), files.collect());
        }
    }
    cases
}

#[test]
fn every_expected_finding_is_about_something_that_is_there() {
    let deliveries = deliveries();
    for row in expected() {
        let (case, name) = row.file.split_once('/').unwrap();
        let bytes = &deliveries[case][name];
        code(&row.provider);
        let rule: Rule = row.rule.parse().unwrap();
        assert!(row.severity != Severity::RejectFile || rule.severity() >= Severity::Warning, "{row:?}");
        let text = String::from_utf8_lossy(bytes);
        assert!(row.line.is_none_or(|line| line <= text.lines().count()), "{row:?}");
        let heading = fs::read_to_string(folder(&format!("config/providers/{}.toml", row.provider))).unwrap();
        assert!(row.column.as_ref().is_none_or(|column| text.contains(column) || heading.contains(column)), "{row:?}");
    }
}

#[test]
fn every_case_is_expected_to_fail_unless_it_is_called_good() {
    let expected: BTreeSet<String> = expected().into_iter().filter_map(|row| Some(row.file.split_once('/')?.0.to_owned())).collect();
    for case in deliveries().keys() {
        assert_ne!(case.starts_with("good-"), expected.contains(case), "{case}");
    }
}

#[test]
fn checksums_are_right_unless_they_are_what_is_wrong() {
    for (case, files) in deliveries() {
        for (name, data) in files.iter().filter(|(name, _)| name.ends_with(".csv")) {
            let Some(checksum) = files.get(&format!("{name}.sha256")) else {
                assert!(!name.starts_with("RM1") || case == "checksum-missing", "{case}");
                continue;
            };
            let right = checksum.starts_with(Digest::of(data).to_string().as_bytes());
            assert_ne!(right, ["truncated", "wrong-checksum"].contains(&case.as_str()), "{case}");
        }
    }
}
