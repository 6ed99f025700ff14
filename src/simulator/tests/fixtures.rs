//! The committed fixtures are what the simulator writes. Set `BEDFEED_BLESS=1` to write them anew after a wanted change.

use super::reparse;
use super::shipped::{code, folder, reference};
use crate::feed::Totals;
use crate::simulator::{ExtractFile, Layout, Options, World, extract};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Chosen because every quirk of every layout comes up.
const SEED: u64 = 138;

/// Files of every sample provider for the morning of 3 December 2018, and their true sums.
fn write_all(target: &Path) {
    let world = World::new(&reference(), SEED, "2018-12-03T10:15:00Z".parse().unwrap()).unwrap();
    let mut truths = BTreeMap::new();
    for layout in Layout::ALL {
        // Some jobs take the time a little after the quarter.
        let at = if layout == Layout::Rmy { "2018-12-03T10:15:02Z" } else { "2018-12-03T10:15:00Z" };
        let options = Options { incomplete_row: true, ..Options::default() };
        let provider = code(layout.code());
        let own = target.join(layout.code());
        fs::create_dir_all(&own).unwrap();
        for file in extract(&world, &provider, at.parse().unwrap(), &options).unwrap() {
            fs::write(own.join(file.name), file.bytes).unwrap();
        }
        truths.insert(layout.code(), world.truth(&provider).unwrap());
    }
    fs::write(target.join("truth.json"), serde_json::to_string_pretty(&truths).unwrap() + "\n").unwrap();
}

fn files(folder: &Path) -> Vec<ExtractFile> {
    let mut files: Vec<ExtractFile> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            ExtractFile { name: entry.file_name().into_string().unwrap(), bytes: fs::read(entry.path()).unwrap() }
        })
        .collect();
    files.sort_by(|one, other| one.name.cmp(&other.name));
    files
}

#[test]
fn the_committed_fixtures_are_what_the_simulator_writes_and_sum_to_the_committed_truth() {
    let committed = folder("tests/fixtures");
    if std::env::var_os("BEDFEED_BLESS").is_some() {
        for layout in Layout::ALL {
            let own = committed.join(layout.code());
            if own.try_exists().unwrap() {
                fs::remove_dir_all(own).unwrap();
            }
        }
        write_all(&committed);
    }
    let fresh = tempfile::tempdir().unwrap();
    write_all(fresh.path());
    assert_eq!(fs::read(committed.join("truth.json")).unwrap(), fs::read(fresh.path().join("truth.json")).unwrap());
    for layout in Layout::ALL {
        let (old, new) = (files(&committed.join(layout.code())), files(&fresh.path().join(layout.code())));
        assert_eq!(old.iter().map(|file| &file.name).collect::<Vec<_>>(), new.iter().map(|file| &file.name).collect::<Vec<_>>());
        for (old, new) in old.iter().zip(&new) {
            // Packing may differ from one version of the compressor to the next; what is packed may not.
            let same = if old.name.ends_with(".zip") {
                reparse::members(&old.bytes) == reparse::members(&new.bytes)
            } else {
                old.bytes == new.bytes
            };
            assert!(same, "{} differs; if that is wanted, run this test with BEDFEED_BLESS=1", old.name);
        }
    }
    let truths: BTreeMap<String, Totals> = serde_json::from_slice(&fs::read(committed.join("truth.json")).unwrap()).unwrap();
    for layout in Layout::ALL {
        assert_eq!(reparse::totals(layout, &files(&committed.join(layout.code()))), truths[layout.code()], "{layout:?}");
    }
}

#[test]
fn the_fixtures_have_every_quirk_of_their_layouts() {
    let committed = folder("tests/fixtures");
    //            provider, file (or its member), what must be in it
    let rows = [
        (
            "RM1",
            "RM1_BEDSTATE_20181203_1015.csv",
            &["\"OCC\"", "\"VAC\"", "\"VAC-DIRTY\"", "\"CLS-INF\"", "\"CLS-STF\"", "\"DTA\"", "Men's"][..],
        ),
        ("RGP", "JPUH beds 03-12-2018 1015.csv", &["\n7,", "5.00E+01,", "\"Ward 12, Short Stay\"", "N/A", ",-,", "Staffing", "Infection"]),
        ("RGP", "JPUH waiting 03-12-2018 1015.csv", &["A&E,Male", "A&E,Female", "Ambulatory", "Medicine", "Surgery"]),
        ("RCX", "rcx_bs_1715370.txt", &["|O|1|", "|O|2|", "|U|||", "|H|||", "|K|||", "|I|", "|C|||", "|CCU|-|C1|"]),
        (
            "RMY",
            "RMY-bedstate-2018-12-03T1015.csv",
            &[
                "On leave - bed held",
                "Vacant",
                "Closed",
                "Over 85",
                "Not Known",
                "Delayed",
                "Ready to leave",
                "Section 136",
                "Crisis",
                "Mixed",
            ],
        ),
        ("RY3", "BedClosure.csv", &["Infection control", "Staffing"]),
        ("RY3", "BedList.csv", &["\"Harrier's Rest\"", "\"Marsh View, Upper\"", "\"TRUE\",\"Male\"", "\"FALSE\",\"\",\"\",\"FALSE\""]),
        ("RY3", "StepDown.csv", &[" 00:00:00\"", "Unit"]),
        ("NCC", "NCC_CAREHOME_CAPACITY_201812031015.csv", &["\"St Example's House\"", "Y (D&V)", ".0,", "/11/2018", "18,18,0,,N,\r\n"]),
    ];
    for (provider, name, needles) in rows {
        let bytes = files(&committed.join(provider))
            .into_iter()
            .find_map(|file| {
                if file.name == name {
                    Some(file.bytes)
                } else {
                    file.name.ends_with(".zip").then(|| reparse::members(&file.bytes)[name].clone())
                }
            })
            .unwrap();
        let text = String::from_utf8_lossy(&bytes);
        for needle in needles {
            assert!(text.contains(needle), "{name} has no {needle}");
        }
    }
}
