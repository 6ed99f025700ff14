//! The commands that `docs/clients.md` shows are run as they stand there, with only host, port and fingerprint put in.

use crate::common::extract::good;
use crate::common::{now, repository};
use crate::desk::{ACCOUNT, Desk, known_hosts};
use crate::programs::interpreter;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, UNIX_EPOCH};

/// The file that the page sends.
const FILE: &str = "RZA_BEDS_20181203_1015.csv";

/// A block of the page that can be run.
struct Block {
    heading: String,
    language: String,
    text: String,
}

/// Every block under every heading, in the order of the page.
fn blocks(page: &str) -> Vec<Block> {
    let (mut heading, mut blocks, mut open): (String, Vec<Block>, bool) = (String::new(), Vec::new(), false);
    for line in page.lines() {
        if let Some(language) = line.strip_prefix("```") {
            open = !open;
            if open {
                blocks.push(Block { heading: heading.clone(), language: language.to_owned(), text: String::new() });
            }
        } else if open {
            let block = blocks.last_mut().unwrap();
            block.text.push_str(line);
            block.text.push('\n');
        } else if let Some(title) = line.strip_prefix("## ") {
            title.clone_into(&mut heading);
        }
    }
    blocks.into_iter().filter(|block| block.language == "sh" || block.language == "python").collect()
}

fn run_block(folder: &Path, block: &Block, text: &str) -> String {
    let script = folder.join("script");
    fs::write(&script, text).unwrap();
    let mut command = if block.language == "sh" { Command::new("sh") } else { Command::new(interpreter()) };
    if block.language == "sh" {
        command.arg("-eu");
    }
    let ran = command.arg(&script).current_dir(folder).env("HOME", folder).stdin(Stdio::null()).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{}\n{text}\n{said}", block.heading);
    said
}

/// Headings of the page, how many files their blocks send, and whether they need `compatibility`.
const SENDS: [(&str, usize, bool); 7] = [
    ("Before the first file", 0, false),
    ("OpenSSH", 4, false),
    ("PuTTY psftp", 1, false),
    ("rclone", 1, false),
    ("paramiko", 1, false),
    ("asyncssh", 1, false),
    ("curl", 1, true),
];

#[test]
fn every_command_of_the_page_works_as_it_stands() {
    let page = fs::read_to_string(repository().join("docs/clients.md")).unwrap();
    let blocks = blocks(&page);
    let headings: Vec<&str> = SENDS.iter().map(|(heading, ..)| *heading).collect();
    let unknown: Vec<&str> = blocks.iter().map(|block| block.heading.as_str()).filter(|heading| !headings.contains(heading)).collect();
    assert!(unknown.is_empty(), "blocks under {unknown:?} are not in the table of this test");
    for compatibility in [false, true] {
        let desk = Desk::open(compatibility);
        let door = desk.door();
        let folder = desk.service().dir().join("analyst");
        fs::create_dir_all(folder.join(".ssh")).unwrap();
        fs::copy(&door.key, folder.join("rza_key")).unwrap();
        fs::copy(door.key.with_extension("pub"), folder.join("rza_key.pub")).unwrap();
        for to in ["known_hosts", ".ssh/known_hosts"] {
            fs::copy(known_hosts(&door), folder.join(to)).unwrap();
        }
        for (pattern, (heading, count, _)) in (0..).zip(SENDS).filter(|(_, (.., needs))| *needs == compatibility) {
            let (_, text) = good(ACCOUNT, now(), pattern);
            fs::write(folder.join(FILE), &text).unwrap();
            // As old as no other: rclone sends only what differs in size or time.
            let at = UNIX_EPOCH + Duration::from_secs(1_543_832_100 + 3600 * u64::from(pattern));
            fs::File::options().write(true).open(folder.join(FILE)).unwrap().set_modified(at).unwrap();
            for block in blocks.iter().filter(|block| block.heading == heading) {
                let filled = block.text.replace("bedfeed.example", "127.0.0.1").replace("2222", &door.port.to_string());
                let said = run_block(&folder, block, &filled.replace("SHA256:FINGERPRINT", &door.fingerprints[0]));
                desk.settled();
                assert!(heading != "Before the first file" || said.contains(&door.fingerprints[0]), "the fingerprint is shown: {said}");
            }
            let expected: Vec<(&str, &[u8])> = std::iter::repeat_n((FILE, text.as_bytes()), count).collect();
            desk.told(heading, &expected);
            let receipt = folder.join(format!("{FILE}.receipt.txt"));
            if count > 0 {
                assert!(fs::read_to_string(&receipt).unwrap().contains(FILE), "{heading} fetches the receipt");
                fs::remove_file(receipt).unwrap();
            }
        }
    }
}
