//! The README is true where a machine can tell: the settings it shows are the files of `tests/fixtures/handbook`, and
//! those are accepted once a key is filled in.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail loudly")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The handbook's files, and how the README fences them.
const SHOWN: &[(&str, &str)] = &[
    ("bedfeed.toml", "toml"),
    ("providers/TST.toml", "toml"),
    ("reference/sites.csv", "csv"),
    ("reference/wards.csv", "csv"),
    ("reference/ward_types.csv", "csv"),
    ("reference/ward_classes.csv", "csv"),
    ("reference/bed_groups.csv", "csv"),
    ("TST_beds.csv", "csv"),
];

/// What stands in the provider's file until somebody has made a key.
const NO_KEY_YET: &str = "PUBLIC KEY OF THE SENDER";

/// A key that nobody has the other half of.
const A_KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn handbook(file: &str) -> PathBuf {
    root().join("tests/fixtures/handbook").join(file)
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The handbook as a reader has it on disk, with `key` in the provider's file.
fn written_down(key: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (file, _) in SHOWN {
        let target = dir.path().join(file);
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::write(target, text(&handbook(file)).replace(NO_KEY_YET, key)).unwrap();
    }
    dir
}

fn bedfeed(dir: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bedfeed")).args(arguments).current_dir(dir).output().unwrap()
}

#[test]
fn the_readme_shows_the_handbooks_files_word_for_word() {
    let readme = text(&root().join("README.md"));
    for (file, language) in SHOWN {
        let fenced = format!("`{file}`\n\n```{language}\n{}```\n", text(&handbook(file)));
        assert!(readme.contains(&fenced), "README.md does not show {file} as it is:\n{fenced}");
    }
}

#[test]
fn the_handbooks_settings_are_fine_once_a_key_is_filled_in() {
    //   key, exit code, where a problem is reported
    let rows = [(A_KEY, 0, None), (NO_KEY_YET, 78, Some("providers/TST.toml:15: keys[0].public_key"))];
    for (key, code, problem) in rows {
        let dir = written_down(key);
        let checked = bedfeed(dir.path(), &["check-config", "--config", "bedfeed.toml"]);
        let said = String::from_utf8_lossy(&checked.stderr);
        assert_eq!(checked.status.code(), Some(code), "{said}");
        assert!(problem.is_none_or(|problem| said.contains(problem)), "{said}");
    }
}

#[test]
fn a_key_that_has_expired_is_told_of_and_stops_nothing() {
    //   expires, what is noted
    let rows = [("2018-12-03", "has expired: it stopped working on 3 December 2018"), ("9000-01-01", "")];
    for (expires, noted) in rows {
        let dir = written_down(A_KEY);
        let provider = dir.path().join("providers/TST.toml");
        let before = text(&provider);
        let after: String = before
            .lines()
            .map(|line| if line.contains(A_KEY) { format!("{line}\nexpires = {expires}\n") } else { format!("{line}\n") })
            .collect();
        assert_ne!(before.lines().count(), after.lines().count());
        std::fs::write(&provider, after).unwrap();
        let checked = bedfeed(dir.path(), &["check-config", "--config", "bedfeed.toml"]);
        let said = String::from_utf8_lossy(&checked.stdout);
        assert_eq!(checked.status.code(), Some(0), "{said}");
        assert!(said.contains("has expired") != noted.is_empty() && said.contains(noted), "{expires}: {said}");
    }
}

#[test]
fn the_handbooks_file_is_accepted_and_its_damaged_copy_is_not() {
    let dir = written_down(A_KEY);
    let good = text(&handbook("TST_beds.csv"));
    let damaged = good.replace("W1,2,Occupied", "W1,2,Ocupied");
    assert_ne!(good, damaged);
    let rows = [("TST_beds_20181203_1015.csv", good, 0, "would be ACCEPTED"), ("TST_beds_20181203_1030.csv", damaged, 1, "REF-04")];
    for (name, content, code, word) in rows {
        std::fs::write(dir.path().join(name), content).unwrap();
        let at = "2018-12-03T10:32Z";
        let checked = bedfeed(dir.path(), &["check", "--config", "bedfeed.toml", "--provider", "TST", "--at", at, name]);
        let said = String::from_utf8_lossy(&checked.stdout);
        assert_eq!(checked.status.code(), Some(code), "{said}");
        assert!(said.contains(word), "{said}");
    }
}
