//! The door for the fuzz targets `assess` and `mapping` in `fuzz/`: bytes in, and an assertion fails where a promise breaks.
//!
//! Owns what the two targets check. It is there in tests and under `cargo fuzz` only. Refuses to keep a finding to itself: an
//! input that once failed becomes a file in `fuzz/seeds/`, and the tests below replay all of them.

#![expect(clippy::expect_used, clippy::panic, reason = "a fuzz target fails loudly")]

use crate::config::{self, Settings};
use crate::feed::nhs_number::masked;
use crate::feed::{DeliveryId, Digest, FileName, Rule, Severity};
use crate::normalise::reference::Reference;
use crate::pipeline::assess::{Assessment, Context, Part, assess as judge};
use crate::verify::{Feed, History, Verdict};
use jiff::Timestamp;
use std::io::Write;
use std::path::Path;
use std::sync::LazyLock;

/// Files that one input may hold.
const MAX_FILES: usize = 4;

/// Moments of receipt to choose from: the fixtures', both hours of an October night, a morning in March.
const RECEIVED: [&str; 4] = ["2018-12-03T10:18:00Z", "2018-10-28T00:33:00Z", "2018-10-28T01:33:00Z", "2019-03-31T01:03:00Z"];

/// Names that the six providers' mappings know, by provider and in the order of the parts.
const NAMES: [(&str, &[&str]); 6] = [
    ("RM1", &["RM1_BEDSTATE_20181203_1015.csv", "RM1_BEDSTATE_20181203_1015.csv.sha256"]),
    ("RGP", &["JPUH beds 03-12-2018 1015.csv", "JPUH waiting 03-12-2018 1015.csv"]),
    ("RCX", &["rcx_bs_0001234.txt"]),
    ("RMY", &["RMY-bedstate-2018-12-03T1015.csv", "RMY-bedstate-2018-12-03T1015.ctl"]),
    ("RY3", &["RY3_20181203_101500.zip"]),
    ("NCC", &["NCC_CAREHOME_CAPACITY_201812031015.csv"]),
];

/// Members of the archive that one of them sends.
const MEMBERS: [&str; 4] = ["BedList.csv", "BedClosure.csv", "StepDown.csv", "SRManifest.csv"];

/// The settings that are shipped.
static SETTINGS: LazyLock<Settings> = LazyLock::new(|| {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/bedfeed.toml");
    config::load(&file).unwrap_or_else(|problems| panic!("{problems}"))
});

/// One delivery's files for one of the six providers.
///
/// The first byte chooses the provider, the second what is special (1: the first line of each file is its name; 2: pack the
/// files into an archive; 4: the files come last first), the third the moment of receipt. Then come the files, each with two
/// bytes of its length in front, the lower one first; the last one takes what is left.
pub fn assess(input: &[u8]) {
    let [provider, special, received, rest @ ..] = input else { return };
    let Some((code, names)) = NAMES.get(usize::from(*provider) % NAMES.len()) else { return };
    let Some(provider) = SETTINGS.providers.iter().find(|provider| provider.code.as_str() == *code) else { return };
    let received = RECEIVED.get(usize::from(*received) % RECEIVED.len()).copied().unwrap_or_default();
    let received: Timestamp = received.parse().expect("a time");
    let mut files: Vec<(FileName, Vec<u8>)> = Vec::new();
    let contents = files_of(rest);
    if special & 2 != 0 {
        files.extend(named(names.first().unwrap_or(&"archive.zip"), &archive(&contents)));
    } else {
        for (at, content) in contents.iter().enumerate() {
            let own = content.split(|byte| *byte == b'\n').next().unwrap_or_default();
            let file = match (special & 1 != 0, names.get(at)) {
                (false, Some(name)) => named(name, content),
                _ => FileName::parse(own).ok().map(|name| (name, content.get(own.len() + 1..).unwrap_or_default().to_vec())),
            };
            files.extend(file);
        }
    }
    if special & 4 != 0 {
        files.reverse();
    }
    check(&provider.feed, &SETTINGS.reference, &files, received);
}

/// A provider's file, cut off at a line `####` from a file that is then judged by it.
pub fn mapping(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (settings, data) = text.split_once("\n####\n").unwrap_or((&text, ""));
    // The file of a provider is called after it.
    let code = settings.lines().find_map(|line| line.strip_prefix("code = \"")?.strip_suffix('"')).unwrap_or_default();
    let path = format!("{code}.toml");
    let Ok(provider) = config::provider_from_text(Path::new(&path), settings, &SETTINGS.reference) else { return };
    let received: Timestamp = RECEIVED.first().copied().unwrap_or_default().parse().expect("a time");
    // A file for each part, so that whatever the mapping is, something of it is judged.
    let parts = provider.feed.mappings.first().map(|mapping| mapping.files.as_slice()).unwrap_or_default();
    let fill = [
        ("{org}", code),
        ("{yyyy}", "2018"),
        ("{mm}", "12"),
        ("{dd}", "03"),
        ("{HH}", "10"),
        ("{MM}", "15"),
        ("{SS}", "00"),
        ("{seq}", "1"),
    ];
    let name = |pattern: &str| fill.iter().fold(pattern.to_owned(), |name, (placeholder, value)| name.replace(placeholder, value));
    let files: Vec<_> = parts.iter().take(MAX_FILES).filter_map(|part| named(&name(&part.name.text), data.as_bytes())).collect();
    check(&provider.feed, &SETTINGS.reference, &files, received);
}

fn named(name: &str, content: &[u8]) -> Option<(FileName, Vec<u8>)> {
    Some((FileName::parse(name.as_bytes()).ok()?, content.to_vec()))
}

/// The files of an input.
fn files_of(mut rest: &[u8]) -> Vec<&[u8]> {
    let mut files = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_le_bytes(*length));
        let (file, after) = after.split_at_checked(length).unwrap_or((after, &[]));
        files.push(file);
        if files.len() == MAX_FILES {
            break;
        }
        rest = after;
    }
    files
}

fn archive(members: &[&[u8]]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, content) in MEMBERS.iter().zip(members) {
        writer.start_file(*name, stored).expect("a member");
        writer.write_all(content).expect("memory");
    }
    writer.finish().expect("an archive").into_inner()
}

/// Judges files, and checks what every assessment keeps to.
fn check(feed: &Feed, reference: &Reference, files: &[(FileName, Vec<u8>)], received_at: Timestamp) {
    let parts: Vec<Part<'_>> = files
        .iter()
        .zip(1_u8..)
        .map(|((name, bytes), n)| Part { delivery: DeliveryId::new(received_at, [n; 10]), name, sha256: Digest::of(bytes), bytes })
        .collect();
    let history = History::default();
    let context = Context { feed, reference, history: &history, received_at, now: received_at, released: false };
    let assessment = judge(&parts, &context);
    assert_eq!(judge(&parts, &context), assessment, "judged again, it is another");
    keeps_account(&assessment);
    if assessment.verdict == Verdict::Sealed {
        assert!(assessment.report.unknown_wards.is_empty(), "codes of a sealed file are shown");
    }
    for (_, bytes) in files {
        says_no_number_of(bytes, &assessment);
    }
}

/// Every row is used, skipped or rejected, and whatever is accepted has no finding that rejects it.
fn keeps_account(assessment: &Assessment) {
    let report = &assessment.report;
    if report.totals.is_some() {
        assert_eq!(report.rows.read, report.rows.used + report.rows.skipped + report.rows.rejected, "{:?}", report.rows);
    }
    if let Verdict::Accepted(verified) = &assessment.verdict {
        let worst = report.findings.iter().map(|finding| finding.severity).max();
        assert!(worst.is_none_or(|worst| worst < Severity::RejectFile), "accepted in spite of {worst:?}");
        assert_eq!(verified.snapshot().slot, report.slot.expect("an accepted snapshot has a slot"));
    }
}

/// No message repeats a number of a file that would be masked in its name. Announced counts are not of a person.
fn says_no_number_of(bytes: &[u8], assessment: &Assessment) {
    let text = String::from_utf8_lossy(bytes);
    let is_number = |run: &&str| run.len() == 10 && masked(run) != *run;
    for number in text.split(|c: char| !c.is_ascii_digit()).filter(is_number) {
        for finding in assessment.report.findings.iter().filter(|finding| !matches!(finding.rule, Rule::Str06 | Rule::Str07 | Rule::Trn06))
        {
            let repeats = finding.message.contains(number) && masked(&finding.message) != finding.message;
            assert!(!repeats, "{} repeats {number}", finding.rule);
        }
    }
}

#[cfg(test)]
mod tests;
