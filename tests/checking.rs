//! `bedfeed check` as a trust's analyst uses it, and the picture that a file sent to `test/` leaves beside its receipt.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stderr,
    reason = "a test may fail loudly"
)]

mod common;

use common::{BEDFEED, Ran, Service, extract, names, now, repository, wait_for};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

const RCX: &str = "rcx_bs_1715370.txt";

/// Runs `bedfeed check` in a folder; `COLUMNS` as given, nothing else of this terminal.
fn check_in(dir: &Path, columns: Option<&str>, arguments: &[&str]) -> Ran {
    let mut command = Command::new(BEDFEED);
    command.arg("check").args(arguments).current_dir(dir).env_remove("NO_COLOR").env_remove("COLUMNS").stdin(Stdio::null());
    if let Some(columns) = columns {
        command.env("COLUMNS", columns);
    }
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ran { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

/// The same with the shipped settings and one provider.
fn check(dir: &Path, code: &str, arguments: &[&str]) -> Ran {
    let config = repository().join("config/bedfeed.toml");
    let mut all = vec!["--config", config.to_str().unwrap(), "--provider", code];
    all.extend(arguments);
    check_in(dir, None, &all)
}

/// The shipped extract of a provider in a folder of its own, each file changed by `change`.
fn extract_of(code: &str, change: impl Fn(String) -> String) -> (TempDir, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    let from = repository().join("tests/fixtures").join(code);
    let files = names(&from);
    for file in &files {
        let bytes = fs::read(from.join(file)).unwrap();
        fs::write(dir.path().join(file), change(String::from_utf8(bytes).unwrap())).unwrap();
    }
    (dir, files)
}

/// The first bed line of the shipped extract with a patient, and its number.
fn a_patients_line(text: &str) -> (usize, Vec<String>) {
    let found = text.lines().enumerate().find(|(_, line)| line.starts_with("D|") && line.split('|').nth(5) == Some("O"));
    let (at, line) = found.unwrap();
    (at + 1, line.split('|').map(str::to_owned).collect())
}

#[test]
fn an_offending_line_is_shown_with_its_column_marked_and_persons_masked() {
    let original = fs::read_to_string(repository().join("tests/fixtures/RCX").join(RCX)).unwrap();
    let (number, cells) = a_patients_line(&original);
    let whole = cells.join("|");
    let with = |at: usize, value: &str| {
        let mut cells = cells.clone();
        cells[at] = value.to_owned();
        cells.join("|")
    };
    let [_, site, ward, bay, bed, status, _, birth, spec, base] = <[String; 10]>::try_from(cells.clone()).unwrap();
    let shown = |ward: &str, status: &str| format!("D|{site}|{ward}|{bay}|{bed}|{status}|***|***|{spec}|{base}");
    // What the line becomes, how it is shown, what is marked, and a text that must not be shown.
    let rows = [
        (with(5, "Z"), shown(&ward, "Z"), "^", birth.as_str()),
        (with(5, ""), shown(&ward, ""), "^", birth.as_str()),
        (with(2, "=SUM"), shown("=SUM", &status), "^^^^", birth.as_str()),
        // Nothing is rejected, and the ward that is not registered is shown where it stands first.
        (with(2, "NEW9"), shown("NEW9", &status), "^^^^", birth.as_str()),
        // A value under a name that is not its own: fields have slipped, and nothing is shown.
        (whole.replacen("|O|", "|", 1), ["***"; 9].join("|"), "", bed.as_str()),
        (with(2, "1234567890"), shown("***", &status), "^^^", "1234567890"),
    ];
    for (line, shown, marked, hidden) in rows {
        let (dir, files) = extract_of("RCX", |text| text.replacen(&whole, &line, 1));
        let ran = check(dir.path(), "RCX", &[&files[0]]);
        let text = ran.stdout;
        let place = format!("{number:>6} | {shown}\n");
        assert!(text.contains(&place), "{place}: {text}");
        assert!(!text.contains(&birth), "{text}");
        if !marked.is_empty() {
            let below = text.split(&place).nth(1).unwrap().lines().next().unwrap();
            assert_eq!(below.trim_start_matches("       | ").trim(), marked, "{text}");
            let at = below.find('^').unwrap();
            let above = &place[at..];
            assert!(above.starts_with(shown_at(&line, &shown)), "the mark stands below the value: {text}");
        }
        let told = text.split("FINDINGS").nth(1).unwrap().split("HOW EACH COLUMN").next().unwrap().to_owned();
        assert!(!told.contains(hidden), "{hidden} is shown: {told}");
    }
}

/// The start of what stands at the mark: the first field of the shown line that is not as in the line's neighbours.
fn shown_at<'s>(line: &str, shown: &'s str) -> &'s str {
    let field = match line {
        _ if line.contains("|Z|") => "Z|",
        _ if line.contains("=SUM") => "=SUM|",
        _ if line.contains("NEW9") => "NEW9|",
        _ if line.contains("1234567890") => "***|",
        // A blank field is marked at the separator behind it.
        _ => "|",
    };
    let at = shown.find(field).unwrap();
    &shown[at..at + field.len()]
}

#[test]
fn every_column_is_told_of_with_what_it_becomes() {
    let (dir, files) = extract_of("RCX", |text| text);
    let value = check(dir.path(), "RCX", &["--json", &files[0]]).fine().json();
    let columns = value["tables"][0]["columns"].as_array().unwrap();
    let told: Vec<String> = columns
        .iter()
        .map(|column| format!("{} {} {} {}", column["position"], column["agreed"], column["fate"], column["fields"]).replace('"', ""))
        .collect();
    let expected = [
        "1 TYPE read []",
        "2 SITE read [site_code]",
        "3 WARD read [ward_code]",
        "4 BAY read [bay_code,bed_ref]",
        "5 BED read [bed_ref]",
        "6 STATUS read []",
        "7 SEX read [gender]",
        "8 DOB identifier [age_band]",
        "9 SPEC read [treatment_function]",
        "10 BASE read [bed_base]",
    ];
    assert_eq!(told, expected);

    // Another spelling, a column that nobody agreed, one without a name, and one that is missing.
    let dir = tempfile::tempdir().unwrap();
    let name = "NCC_CAREHOME_CAPACITY_201812031015.csv";
    let header = "cqc location id,Home Name,District,Bed Type,Max Capacity,Occupied,Vacant (reserved),Vacant (accepting),Closed,Colour,";
    fs::write(dir.path().join(name), format!("{header}\n")).unwrap();
    let value = check(dir.path(), "NCC", &["--json", name]).json();
    let columns = value["tables"][0]["columns"].as_array().unwrap();
    let find = |wanted: &str| columns.iter().find(|column| column["sent_as"] == wanted).unwrap();
    assert_eq!((&find("cqc location id")["agreed"], &find("cqc location id")["fate"]), (&"CQC Location ID".into(), &"read".into()));
    assert_eq!((&find("Colour")["agreed"], &find("Colour")["fate"]), (&Value::Null, &"not_agreed".into()));
    assert_eq!((&columns[10]["sent_as"], &columns[10]["fate"]), (&Value::Null, &"nameless".into()));
    assert_eq!((&columns[11]["agreed"], &columns[11]["fate"]), (&"Last Updated".into(), &"missing".into()));
    assert_eq!(columns[11]["position"], Value::Null);
}

#[test]
fn totals_stand_beside_what_was_expected() {
    let (dir, files) = extract_of("RCX", |text| text);
    let value = check(dir.path(), "RCX", &["--json", &files[0]]).fine().json();
    let stated = &value["stated"][0];
    assert_eq!((&stated["by"], &stated["stated"]), (&"the last line".into(), &stated["found"]));
    let wards = value["wards"].as_array().unwrap();
    assert!(wards.len() > 5 && wards.iter().all(|ward| ward["beds"] == ward["registered"]), "{wards:?}");

    let original = fs::read_to_string(dir.path().join(&files[0])).unwrap();
    let first = original.lines().find(|line| line.starts_with("D|")).unwrap();
    let ward = first.split('|').nth(2).unwrap();
    let (dir, files) = extract_of("RCX", |text| text.replacen(&format!("{first}\n"), "", 1));
    let ran = check(dir.path(), "RCX", &[&files[0]]);
    let beds = wards.iter().find(|known| known["ward"] == ward).unwrap()["registered"].as_u64().unwrap();
    let differs = format!("ward {ward} at RCX70: {} beds in the file, {beds} in the register   <- differs\n", beds - 1);
    assert!(ran.stdout.contains(&differs), "{}", ran.stdout);
    let rows = stated["found"].as_u64().unwrap();
    let says = format!("rows of beds: the last line says {rows}, here {}   <- differs\n", rows - 1);
    assert!(ran.stdout.contains(&says), "{}", ran.stdout);
}

#[test]
fn what_stands_for_a_place_and_may_be_a_persons_is_shown_nowhere() {
    // A ward of one bed: a date or a name in the ward's column, the bay's or the bed's.
    for (at, value) in [(2, "14/02/1935"), (2, "Smithson J"), (3, "14/02/1935"), (3, "Smithson J"), (4, "14/02/35")] {
        let (dir, files) = extract_of("RCX", |text| {
            let first = text.lines().find(|line| line.starts_with("D|")).unwrap().to_owned();
            let mut cells: Vec<&str> = first.split('|').collect();
            cells[at] = value;
            text.replacen(&first, &cells.join("|"), 1)
        });
        for arguments in [vec![files[0].as_str()], vec!["--json", &files[0]]] {
            let ran = check(dir.path(), "RCX", &arguments);
            assert!(!ran.stdout.contains("14/02") && !ran.stdout.contains("Smithson"), "{value}: {}", ran.stdout);
            assert!(ran.stdout.contains("NORTH1") || ran.stdout.contains("wards"), "{}", ran.stdout);
        }
    }
}

#[test]
fn an_old_file_is_judged_as_if_it_had_just_come_and_says_so() {
    let (dir, files) = extract_of("RCX", |text| text);
    // The moment given, whether one was assumed, and whether the file is accepted.
    let rows = [(None, true, true), (Some("2018-12-03T10:18Z"), false, true), (Some("2018-12-05T10:18Z"), false, false)];
    for (at, assumed, accepted) in rows {
        let mut arguments = at.map_or_else(Vec::new, |at| vec!["--at", at]);
        arguments.extend(["--json", &files[0]]);
        let value = check(dir.path(), "RCX", &arguments).json();
        assert_eq!((&value["judged_at_assumed"], &value["accepted"]), (&assumed.into(), &accepted.into()), "{at:?}");
    }
    let text = check(dir.path(), "RCX", &[&files[0]]).fine().stdout;
    assert!(text.contains("judged as if it had come at Mon 3 Dec 2018 10:17 GMT"), "{text}");
}

#[test]
fn a_missing_part_is_named_with_the_name_its_file_would_have() {
    let dir = repository().join("tests/fixtures/RM1");
    let ran = check(&dir, "RM1", &["RM1_BEDSTATE_20181203_1015.csv"]);
    assert_eq!(ran.code, Some(1));
    let missing = "MISSING: part checksum, a file named {org}_BEDSTATE_{yyyy}{mm}{dd}_{HH}{MM}.csv.sha256\n";
    assert!(ran.stdout.contains(missing), "{}", ran.stdout);
}

#[test]
fn colours_are_for_terminals_and_lines_are_cut_to_the_width() {
    let dir = repository().join("tests/fixtures/damaged/formula");
    let config = repository().join("config/bedfeed.toml");
    let sum = "RM1_BEDSTATE_20181203_1015.csv.sha256";
    let given = ["--config", config.to_str().unwrap(), "--provider", "RM1", "RM1_BEDSTATE_20181203_1015.csv", sum];
    let run = |columns, extra: &[&str]| check_in(&dir, columns, &[&given[..], extra].concat()).stdout;
    assert!(!run(None, &[]).contains('\u{1b}'), "a pipe is not coloured");
    let coloured = run(None, &["--color", "always"]);
    assert!(coloured.contains("\u{1b}[1;31m^^^^^^\u{1b}[0m"), "{coloured}");
    let narrow = run(Some("50"), &[]);
    let line = narrow.lines().find(|line| line.starts_with("     8 | ")).unwrap();
    assert!(line.chars().count() <= 50 && line.ends_with('…') && line.contains("=W21"), "{narrow}");
}

#[test]
fn exit_codes_tell_wrong_arguments_and_wrong_settings_from_a_wrong_file() {
    let (dir, files) = extract_of("RCX", |text| text.replacen("T|", "T|9", 1));
    let file = files[0].as_str();
    let nowhere = dir.path().join("no.toml");
    let rows: [(Ran, i32); 6] = [
        (check(dir.path(), "RCX", &[file]), 1),
        (check(dir.path(), "RXX", &[file]), 64),
        (check(dir.path(), "RCX", &["nowhere.txt"]), 66),
        (check(dir.path(), "RCX", &["."]), 66),
        (check(dir.path(), "RCX", &["--color", "sometimes", file]), 64),
        (check_in(dir.path(), None, &["--config", nowhere.to_str().unwrap(), "--provider", "RCX", file]), 78),
    ];
    for (ran, code) in rows {
        assert_eq!(ran.code, Some(code), "{ran:?}");
    }
}

#[test]
fn watching_judges_again_when_an_editor_replaces_the_file_or_the_settings_change() {
    let dir = tempfile::tempdir().unwrap();
    let (settings, file) = handbook(dir.path());
    let good = fs::read_to_string(&file).unwrap();
    let mut child = Command::new(BEDFEED)
        .args(["check", "--watch", "--provider", "TST", "--config"])
        .args([&settings, &file])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // Everything up to the line that says that it waits.
    let mut said = || lines.by_ref().map(|line| line.unwrap()).take_while(|line| !line.starts_with("waiting for")).collect::<Vec<_>>();
    assert_eq!(said()[0], "would be ACCEPTED");

    let beside = file.with_extension("new");
    fs::write(&beside, good.replace("W1,2,Occupied", "W1,2,Ocupied")).unwrap();
    #[expect(clippy::disallowed_methods, reason = "as editors do")]
    fs::rename(&beside, &file).unwrap();
    assert_eq!(said()[0], "would be REJECTED: nothing of it would be loaded");

    let provider = dir.path().join("providers/TST.toml");
    let agreed = fs::read_to_string(&provider).unwrap();
    fs::write(&provider, agreed.replace("site_code", "site_cod")).unwrap();
    assert!(said().iter().any(|line| line.contains("did you mean \"site_code\"?")));

    fs::write(&provider, agreed).unwrap();
    fs::write(&file, good).unwrap();
    let accepted = |lines: &[String]| lines.first().is_some_and(|line| line == "would be ACCEPTED");
    // Two files were written, so it may have judged between them.
    let mut last = said();
    if !accepted(&last) {
        last = said();
    }
    assert!(accepted(&last), "{last:?}");
    child.kill().unwrap();
    child.wait().unwrap();
}

/// The README's settings with a key filled in, and the file that it judges.
fn handbook(dir: &Path) -> (PathBuf, PathBuf) {
    let from = repository().join("tests/fixtures/handbook");
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";
    for folder in ["", "providers", "reference"] {
        fs::create_dir_all(dir.join(folder)).unwrap();
        for name in names(&from.join(folder)).into_iter().filter(|name| from.join(folder).join(name).is_file()) {
            let text = fs::read_to_string(from.join(folder).join(&name)).unwrap();
            fs::write(dir.join(folder).join(&name), text.replace("PUBLIC KEY OF THE SENDER", key)).unwrap();
        }
    }
    let file = dir.join("TST_beds_20181203_1015.csv");
    fs::copy(dir.join("TST_beds.csv"), &file).unwrap();
    (dir.join("bedfeed.toml"), file)
}

#[test]
fn the_page_for_analysts_shows_what_is_really_printed() {
    let dir = tempfile::tempdir().unwrap();
    let (_, file) = handbook(dir.path());
    let text = fs::read_to_string(&file).unwrap().replace("W1,2,Occupied", "W1,2,Ocupied");
    fs::write(&file, text).unwrap();
    let arguments = ["--config", "bedfeed.toml", "--provider", "TST", "TST_beds_20181203_1015.csv"];
    let printed = check_in(dir.path(), None, &arguments).stdout;
    let block = format!("```console\n$ bedfeed check {}\n{printed}```\n", arguments.join(" "));
    let path = repository().join("docs/checking.md");
    let page = fs::read_to_string(&path).unwrap();
    if page.contains(&block) {
        return;
    }
    let (before, rest) = page.split_once("```console\n").unwrap();
    let (_, after) = rest.split_once("\n```\n").unwrap();
    if std::env::var_os("BEDFEED_BLESS").is_some() {
        fs::write(&path, format!("{before}{block}{after}")).unwrap();
        return;
    }
    panic!("docs/checking.md is not what is printed (BEDFEED_BLESS=1 writes it):\n{block}");
}

#[test]
fn the_page_for_analysts_lists_every_key_of_the_json() {
    let (dir, files) = extract_of("RCX", |text| text.replacen("|O|", "|Z|", 1));
    let value = check(dir.path(), "RCX", &["--json", &files[0]]).json();
    let page = fs::read_to_string(repository().join("docs/checking.md")).unwrap();
    let mut keys: Vec<String> = value.as_object().unwrap().keys().cloned().collect();
    let inner = [
        "/files/0",
        "/mapping",
        "/tables/0",
        "/tables/0/columns/0",
        "/stated/0",
        "/wards/0",
        "/other_wards",
        "/lines/0",
        "/lines/0/fields/0",
    ];
    for place in inner {
        keys.extend(value.pointer(place).unwrap_or_else(|| panic!("{place}: {value}")).as_object().unwrap().keys().cloned());
    }
    for key in keys {
        assert!(page.contains(&format!("`{key}`")), "docs/checking.md does not tell of {key}");
    }
}

#[test]
fn p6_a_file_sent_to_test_leaves_its_picture_beside_its_receipt() {
    let mut service = Service::cottage(&["RZZ"]);
    service.start();
    let (name, good) = extract::good("RZZ", now(), 5);
    let bad = good.replacen("02,empty", "02,emty", 1);
    let picture = |service: &Service| {
        let to = service.dir().join("fetched.check.txt");
        drop(fs::remove_file(&to));
        let ran = service.sftp("RZZ", format!("get \"receipts/{name}.check.txt\" \"{}\"", to.display()));
        (ran.code, fs::read_to_string(to).unwrap_or_default())
    };

    service.send("RZZ", "test", [(name.as_str(), &bad)]);
    service.settled(1);
    let (code, text) = picture(&service);
    assert_eq!(code, Some(0));
    assert!(text.starts_with("would be REJECTED"), "{text}");
    assert!(text.contains(",NORTH,02,***,,\n") && text.contains("^^^\n") && !text.contains("emty"), "{text}");
    assert!(text.contains("was \"empty\" meant?"), "{text}");
    assert!(text.contains("ward NORTH at RZZ01: "), "{text}");

    // Nobody's gender or age is kept in it, in codes or otherwise.
    service.send("RZZ", "test", [(name.as_str(), &good)]);
    service.settled(2);
    let text = wait_for("the newer test's picture", || Some(picture(&service).1).filter(|text| text.starts_with("would be ACCEPTED")));
    let first = text.split("FIRST LINES OF THE DATASET").nth(1).unwrap();
    assert!(first.contains("OCC        01       O           ***     ***\n") && !first.contains("A70"), "{text}");
    let listed = service.sftp("RZZ", "ls -1 receipts").fine().stdout;
    assert_eq!(listed.matches(".check.txt").count(), 2, "the older test's has its id in its name: {listed}");

    // A real delivery has a receipt only, and so has a file with something in it that identifies a person.
    let sealed = good.replacen("time,ward,bed,status,sex,age", "time,ward,bed,status,sex,age,NHS Number", 1);
    service.send("RZZ", "inbox", [(name.as_str(), &good)]);
    service.settled(3);
    assert_ne!(picture(&service).0, Some(0));
    // What was accepted is tried out once more: everything is told once more, and that it would be ignored in the inbox.
    service.send("RZZ", "test", [(name.as_str(), &good)]);
    service.settled(4);
    let text = wait_for("the picture of the repetition", || Some(picture(&service)).filter(|(code, _)| *code == Some(0))).1;
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.starts_with("would be ACCEPTED") && words.contains("it would be ignored as a repetition"), "{text}");
    assert!(text.contains("FIRST LINES OF THE DATASET"), "{text}");
    let (receipt, _) = service.receipt("RZZ", &name);
    assert_eq!(receipt["verdict"], "test_accepted");
    assert!(receipt["finding_counts"].as_array().unwrap().len() > 1, "{receipt}");
    service.send("RZZ", "test", [(name.as_str(), &sealed)]);
    service.settled(5);
    assert_ne!(picture(&service).0, Some(0));
    assert_eq!(service.receipt("RZZ", &name).0["verdict"], "sealed");
    service.stop();
}
