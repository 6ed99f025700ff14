//! The six layouts read back without any of bedfeed's own readers: small, direct, and only good for undamaged extracts.

use crate::feed::{Digest, Totals};
use crate::simulator::{ExtractFile, Layout};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Read};

/// Sums an extract, and checks whatever its control records promise.
pub(super) fn totals(layout: Layout, files: &[ExtractFile]) -> Totals {
    match layout {
        Layout::Rm1 => rm1(files),
        Layout::Rgp => rgp(files),
        Layout::Rcx => rcx(files),
        Layout::Rmy => rmy(files),
        Layout::Ry3 => ry3(files),
        Layout::Ncc => ncc(files),
    }
}

fn rm1(files: &[ExtractFile]) -> Totals {
    let [data, checksum] = files else { panic!("two files") };
    assert_eq!(String::from_utf8(checksum.bytes.clone()).unwrap(), format!("{}  {}\n", Digest::of(&data.bytes), data.name));
    assert!(String::from_utf8(data.bytes.clone()).is_err(), "the en dash is one byte, not UTF-8");
    let text = String::from_utf8_lossy(&data.bytes).into_owned();
    assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
    let lines: Vec<&str> = text.strip_suffix("\r\n").unwrap().split("\r\n").collect();
    let mut totals = Totals::default();
    for line in &lines[1..lines.len() - 1] {
        let fields: Vec<&str> = line.strip_prefix('"').unwrap().strip_suffix('"').unwrap().split("\",\"").collect();
        assert_eq!(fields.len(), 12, "{line}");
        match fields[6] {
            "OCC" => totals.occupied += 1,
            "VAC" => (totals.empty, totals.available_now) = (totals.empty + 1, totals.available_now + 1),
            "VAC-DIRTY" => totals.empty += 1,
            "CLS-INF" | "CLS-STF" => totals.closed += 1,
            "DTA" => (totals.demand, totals.demand_not_in_bed) = (totals.demand + 1, totals.demand_not_in_bed + 1),
            other => panic!("{other}"),
        }
        assert_eq!(["OCC", "DTA"].contains(&fields[6]), !fields[7].is_empty() && !fields[8].is_empty(), "{line}");
    }
    assert_eq!(lines[lines.len() - 1], format!("\"TOTAL\",\"\",\"\",\"\",\"\",\"\",\"{}\",\"\",\"\",\"\",\"\",\"\"", lines.len() - 2));
    totals
}

fn rgp(files: &[ExtractFile]) -> Totals {
    let [beds, waiting] = files else { panic!("two files") };
    let mut totals = Totals::default();
    for row in table(&beds.bytes, true) {
        assert_eq!((row.len(), &row[8..]), (11, &["".to_owned(), String::new(), String::new()][..]));
        let [all, male, female, closed] = [2, 3, 4, 5].map(|column| row[column].parse::<u64>().unwrap());
        totals.occupied += male + female;
        totals.closed += closed;
        totals.empty += all - male - female - closed;
        assert_eq!(["Staffing", "Infection", "Estates"].contains(&row[6].as_str()), closed > 0, "{row:?}");
    }
    totals.available_now = totals.empty;
    totals.demand = u64::try_from(table(&waiting.bytes, true).len()).unwrap();
    totals.demand_not_in_bed = totals.demand;
    totals
}

fn rcx(files: &[ExtractFile]) -> Totals {
    let [file] = files else { panic!("one file") };
    let text = std::str::from_utf8(&file.bytes).unwrap();
    assert!(!text.contains('\r'));
    let mut totals = Totals::default();
    let mut rows = 0;
    for line in text.lines() {
        let fields: Vec<&str> = line.split('|').collect();
        match fields[..] {
            ["H", "RCX", number, time, "BEDSTATE"] => {
                assert_eq!(file.name, format!("rcx_bs_{number}.txt"));
                assert_eq!((number.len(), time.len()), (7, 14));
            }
            ["D", "RCX70", _, _, _, status, sex, born, _, "C"] => {
                rows += 1;
                match status {
                    "O" | "I" => totals.occupied += 1,
                    "U" => (totals.empty, totals.available_now) = (totals.empty + 1, totals.available_now + 1),
                    "H" | "K" => totals.empty += 1,
                    "C" => totals.closed += 1,
                    other => panic!("{other}"),
                }
                assert_eq!(["O", "I"].contains(&status), sex.len() == 1 && born.len() == 8, "{line}");
            }
            ["T", count] => assert_eq!(count, rows.to_string()),
            _ => panic!("{line}"),
        }
    }
    totals
}

fn rmy(files: &[ExtractFile]) -> Totals {
    let [data, control] = files else { panic!("two files") };
    let control: BTreeMap<&str, &str> =
        std::str::from_utf8(&control.bytes).unwrap().lines().map(|line| line.split_once('=').unwrap()).collect();
    let rows = table(&data.bytes, false);
    assert_eq!(control["sha256"], Digest::of(&data.bytes).to_string());
    assert_eq!(control["row_count"], rows.len().to_string());
    assert_eq!((control["dataset"], control["provider_code"], control["kind"]), ("BEDSTATE/1", "RMY", "FULL"));
    assert!((1..=9_999_999).contains(&control["sequence_no"].parse::<u64>().unwrap()));
    assert!(control["snapshot_at"].starts_with(&rows[0][0]));
    let mut totals = Totals::default();
    for row in rows {
        match (row[6].as_str(), row[7].as_str()) {
            ("BED", "Occupied") => totals.occupied += 1,
            ("BED", "Vacant") => (totals.empty, totals.available_now) = (totals.empty + 1, totals.available_now + 1),
            ("BED", "On leave - bed held") => totals.empty += 1,
            ("BED", "Closed") => totals.closed += 1,
            ("REQ", "Awaiting bed") => {
                (totals.demand, totals.demand_not_in_bed) = (totals.demand + 1, totals.demand_not_in_bed + 1);
            }
            other => panic!("{other:?}"),
        }
    }
    totals
}

fn ry3(files: &[ExtractFile]) -> Totals {
    let [file] = files else { panic!("one file") };
    let members = members(&file.bytes);
    let manifest: BTreeMap<String, String> =
        table(&members["SRManifest.csv"], false).into_iter().map(|row| (row[0].clone(), row[1].clone())).collect();
    assert_eq!(manifest.len(), 3);
    for (name, rows) in &manifest {
        assert_eq!(table(&members[name], false).len().to_string(), *rows, "{name}");
    }
    let closed: BTreeSet<Vec<String>> = table(&members["BedClosure.csv"], false).into_iter().map(|row| row[..3].to_vec()).collect();
    let mut totals = Totals::default();
    let mut seen = BTreeMap::new();
    for row in table(&members["BedList.csv"], false) {
        if let Some(copy) = seen.insert(row[0].clone(), row.clone()) {
            assert_eq!(copy, row, "a copy is equal in every field");
        } else if closed.contains(&row[3..6]) {
            totals.closed += 1;
        } else if row[6] == "TRUE" {
            totals.occupied += 1;
        } else {
            totals.empty += 1;
        }
    }
    totals.available_now = totals.empty;
    let accepted: BTreeSet<String> = table(&members["StepDown.csv"], false).into_iter().map(|row| row[0].clone()).collect();
    totals.demand = u64::try_from(accepted.len()).unwrap();
    totals
}

fn ncc(files: &[ExtractFile]) -> Totals {
    let [file] = files else { panic!("one file") };
    assert!(file.bytes.ends_with(b"\r\n\r\n\r\n"), "blank lines at the end");
    let number = |text: &str| text.trim_end_matches(".0").parse::<u64>().unwrap();
    let mut totals = Totals::default();
    for row in table(&file.bytes, false).iter().filter(|row| !row[9].is_empty()) {
        let [capacity, occupied, reserved, accepting] = [4, 5, 6, 7].map(|column| number(&row[column]));
        assert_eq!(capacity, occupied + reserved + accepting, "{row:?}");
        totals.occupied += occupied;
        if row[8].starts_with('Y') {
            totals.closed += reserved + accepting;
        } else {
            totals.empty += reserved + accepting;
            totals.available_now += accepting;
        }
    }
    totals
}

/// The members of a zip by name.
pub(super) fn members(bytes: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    (0..archive.len())
        .map(|position| {
            let mut member = archive.by_index(position).unwrap();
            let mut bytes = Vec::new();
            member.read_to_end(&mut bytes).unwrap();
            (member.name().unwrap().into_owned(), bytes)
        })
        .collect()
}

fn table(bytes: &[u8], byte_order_mark: bool) -> Vec<Vec<String>> {
    let text = std::str::from_utf8(bytes).unwrap();
    assert_eq!(text.starts_with('\u{feff}'), byte_order_mark);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
}
