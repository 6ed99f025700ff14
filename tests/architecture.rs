//! The house holds: which room may import which, what pure code may not touch, and what only one place may do.
//!
//! The tables below are the import table of the design, as data. A new row needs a decision in `docs/decisions.md`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::string_slice, reason = "a test may fail loudly")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A room, and the rooms it may import.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("fault", &[]),
    ("feed", &[]),
    ("secret", &[]),
    ("bedstate", &["feed"]),
    ("intake", &["fault", "feed"]),
    ("verify", &["feed", "bedstate", "normalise"]),
    ("normalise", &["feed", "bedstate"]),
    ("quarantine", &["fault", "feed"]),
    ("forward", &["fault", "feed", "bedstate", "secret", "verify"]),
    ("ledger", &["fault", "feed"]),
    ("pipeline", &["fault", "feed", "bedstate", "intake", "verify", "normalise", "quarantine", "forward", "ledger", "receipts"]),
    ("receipts", &["feed"]),
    ("schedule", &["feed"]),
    ("alerts", &["fault", "feed", "schedule", "ledger", "secret"]),
    ("health", &["feed", "bedstate", "schedule", "ledger", "forward"]),
    ("simulator", &["feed", "bedstate", "normalise"]),
    (
        "config",
        &[
            "feed",
            "bedstate",
            "intake",
            "verify",
            "normalise",
            "quarantine",
            "forward",
            "pipeline",
            "schedule",
            "alerts",
            "health",
            "secret",
        ],
    ),
    (
        "service",
        &[
            "fault",
            "feed",
            "bedstate",
            "intake",
            "verify",
            "normalise",
            "quarantine",
            "forward",
            "ledger",
            "pipeline",
            "receipts",
            "schedule",
            "alerts",
            "health",
            "config",
        ],
    ),
    (
        "cli",
        &[
            "feed",
            "bedstate",
            "intake",
            "verify",
            "normalise",
            "quarantine",
            "forward",
            "ledger",
            "pipeline",
            "receipts",
            "schedule",
            "alerts",
            "health",
            "simulator",
            "config",
            "service",
        ],
    ),
];

/// Where a room may use only some items of another.
const ONLY_THESE: &[(&str, &str, &[&str])] = &[
    ("config", "pipeline", &["assess"]),
    ("forward", "verify", &["Verified"]),
    ("health", "forward", &["ForwardError", "ProviderFigures", "WardFigures", "WarehouseReader"]),
];

/// Code that decides and does nothing: no files, sockets, clocks, randomness, threads, Tokio or logging.
const PURE: &[&str] = &[
    "feed",
    "bedstate",
    "verify",
    "normalise",
    "receipts",
    "schedule",
    "intake/sftp/auth.rs",
    "intake/sftp/certificates.rs",
    "intake/sftp/penalties.rs",
    "pipeline/assess.rs",
    "pipeline/assess",
    "pipeline/step.rs",
    "pipeline/gather.rs",
    "pipeline/retention/decide.rs",
    "pipeline/queue.rs",
    "alerts/episodes.rs",
    "alerts/house.rs",
    "alerts/message.rs",
    "alerts/outbox.rs",
    "alerts/routes.rs",
    "alerts/trial.rs",
    "health/summary.rs",
    "service/jumps.rs",
    "health/pages.rs",
    "health/pages",
    "health/metrics.rs",
];

/// What pure code may not mention.
const IMPURE: &[&str] = &[
    "std::fs",
    "std::env",
    "std::process",
    "std::thread",
    "std::io::stdin",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "UnixStream",
    "SystemTime",
    "Instant::now",
    "Timestamp::now",
    "Zoned::now",
    "tokio::",
    "tracing::",
    "rusqlite",
    "now_v7",
    "new_v4",
];

/// Words that only some files may use, with the reason.
const ONLY_HERE: &[(&str, &[&str], &str)] = &[
    (
        "Timestamp::now",
        &["service/clock.rs", "forward/lake/bucket.rs"],
        "time is an argument (a request to S3 is signed with the time it is sent)",
    ),
    ("SystemTime::now", &[], "time is an argument"),
    (
        "fs::rename",
        &["intake/landing.rs", "quarantine/mod.rs", "service/backup/tree.rs", "forward/lake/folder.rs"],
        "a rename is durable only with its folders synced",
    ),
    ("rusqlite", &["ledger", "forward/sqlite", "forward/lake", "forward/error.rs"], "SQL belongs to the ledger and the warehouse"),
    ("tokio_postgres", &["forward/postgres"], "SQL belongs to the ledger and the warehouse"),
    ("rustls", &["forward/postgres/connect.rs"], "what is believed of a server is decided in one place"),
    ("russh", &["intake", "simulator/client.rs", "config"], "SSH belongs to the endpoint, the simulated client and key checking"),
    ("axum", &["health/web.rs"], "pages are served in one place"),
    ("ureq", &["alerts/channels/http.rs", "forward/lake/bucket.rs"], "nothing else calls out"),
    ("lettre", &["alerts/channels/email.rs"], "mail is sent from one place"),
    ("process::exit", &[], "destructors must run"),
];

fn source_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every source file: its path below `src`, and its text without the tests at its end.
fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![source_root()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(source_root()).unwrap().to_str().unwrap().to_owned();
                found.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// The code of a file that runs in the daemon: files and modules of tests left out, comments left out.
fn live_code(name: &str, text: &str) -> String {
    let file = name.rsplit('/').next().unwrap();
    let a_test = file.contains("tests") || file == "testing.rs" || name.contains("/tests/");
    if a_test {
        return String::new();
    }
    let without_tests = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    without_tests.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
}

fn room(name: &str) -> Option<&str> {
    let room = name.split('/').next().unwrap();
    (room != "lib.rs" && room != "main.rs").then_some(room)
}

/// What a file imports: `(room, item)` for every `crate::room::item`, grouped imports taken apart.
fn imports(text: &str) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices("crate::") {
        let path = &text[at + "crate::".len()..];
        if let Some(group) = path.strip_prefix('{') {
            for item in split_group(group) {
                found.extend(one_import(&item));
            }
        } else {
            found.extend(one_import(path));
        }
    }
    found
}

fn one_import(path: &str) -> Vec<(String, String)> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let room = word(path);
    let rest = &path[room.len()..];
    match rest.strip_prefix("::") {
        Some(group) if group.starts_with('{') => split_group(&group[1..]).iter().map(|item| (room.clone(), word(item))).collect(),
        Some(item) => vec![(room, word(item))],
        None => vec![(room, "self".to_owned())],
    }
}

/// The items of a `{...}` whose opening brace was just passed.
fn split_group(text: &str) -> Vec<String> {
    let (mut depth, mut items, mut item) = (1, Vec::new(), String::new());
    for c in text.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 || (depth == 1 && c == ',') {
            items.push(item.trim().to_owned());
            item = String::new();
            if depth == 0 {
                break;
            }
        } else {
            item.push(c);
        }
    }
    items.into_iter().filter(|item| !item.is_empty()).collect()
}

fn lies_in(name: &str, places: &[&str]) -> bool {
    places.iter().any(|place| name == *place || name.starts_with(&format!("{place}/")))
}

#[test]
fn every_room_imports_only_what_the_table_allows() {
    let mut wrong = Vec::new();
    for (name, text) in sources() {
        let Some(here) = room(&name) else { continue };
        let (_, allowed) = MAY_IMPORT.iter().find(|(room, _)| *room == here).unwrap_or_else(|| panic!("{here} is not in the table"));
        for (there, item) in imports(&live_code(&name, &text)) {
            if there != here && !allowed.contains(&there.as_str()) {
                wrong.push(format!("{name} imports {there}::{item}, which {here} may not"));
            }
            let limited = ONLY_THESE.iter().find(|(from, to, _)| *from == here && *to == there);
            if limited.is_some_and(|(_, _, items)| !items.contains(&item.as_str())) {
                wrong.push(format!("{name} imports {there}::{item}; {here} may use only some items of {there}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_table_lists_the_rooms_that_there_are() {
    let listed: BTreeSet<&str> = MAY_IMPORT.iter().map(|(room, _)| *room).collect();
    let all = sources();
    let there: BTreeSet<&str> = all.iter().filter_map(|(name, _)| room(name)).collect();
    assert_eq!(listed, there);
}

#[test]
fn pure_code_touches_nothing() {
    let mut wrong = Vec::new();
    for (name, text) in sources().iter().filter(|(name, _)| lies_in(name, PURE)) {
        let code = live_code(name, text);
        wrong.extend(IMPURE.iter().filter(|word| code.contains(**word)).map(|word| format!("{name} mentions {word}")));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn some_things_are_done_in_one_place_only() {
    let mut wrong = Vec::new();
    for (name, text) in sources() {
        let code = live_code(&name, &text);
        for (word, places, reason) in ONLY_HERE {
            if code.contains(word) && !lies_in(&name, places) {
                wrong.push(format!("{name} mentions {word}: {reason}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_file_says_first_what_it_owns() {
    let silent: Vec<String> = sources().into_iter().filter(|(_, text)| !text.starts_with("//! ")).map(|(name, _)| name).collect();
    assert!(silent.is_empty(), "{silent:#?}");
}

#[test]
fn imports_are_found_however_they_are_written() {
    let rows = [
        ("use crate::feed::Slot;", vec![("feed", "Slot")]),
        ("use crate::feed::{Slot, Rule as R};", vec![("feed", "Rule"), ("feed", "Slot")]),
        ("use crate::{feed, verify::{Verified, rows::{a, b}}};", vec![("feed", "self"), ("verify", "Verified"), ("verify", "rows")]),
        ("let x = crate::ledger::FILE_NAME;", vec![("ledger", "FILE_NAME")]),
    ];
    for (text, expected) in rows {
        let expected: BTreeSet<(String, String)> = expected.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        assert_eq!(imports(text), expected, "{text}");
    }
}

#[test]
fn the_documents_name_files_that_there_are() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages = vec![root.join("README.md"), root.join("CHANGELOG.md")];
    pages.extend(std::fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path()));
    let mut wrong = Vec::new();
    for page in pages.iter().filter(|page| page.extension().is_some_and(|extension| extension == "md")) {
        let text = std::fs::read_to_string(page).unwrap();
        // Between backquotes: a path into the tree, without a placeholder.
        let named = text.split('`').skip(1).step_by(2).filter(|word| {
            let into_the_tree = ["src/", "tests/", "config/", "docs/", "systemd/"].iter().any(|top| word.starts_with(top));
            into_the_tree && !word.contains(['*', ' ', '…', '\n']) && !word.contains("CODE")
        });
        for name in named {
            if !root.join(name).try_exists().unwrap() {
                wrong.push(format!("{} names {name}", page.file_name().unwrap().to_string_lossy()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
