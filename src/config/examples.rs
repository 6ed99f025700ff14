//! Examples, run: a mapping's own input is judged as a delivery would be, and the lines that come out are compared with those
//! expected.
//!
//! Owns the comparison. Refuses a second way of reading files: it calls the assessment that deliveries go through. An example
//! is a few rows, so it is judged as if only its own wards were registered, and without the limits on counts.

use super::mapping::{Content, Example, LINES_FILE};
use super::problem::did_you_mean;
use crate::bedstate::Line;
use crate::feed::{DeliveryId, Digest, FileName, Severity};
use crate::normalise::mapping::{FIELDS, Mapping};
use crate::normalise::reference::Reference;
use crate::normalise::times::local_day;
use crate::pipeline::assess::{Assessment, Context, Part, assess};
use crate::verify::{Feed, History, Limits, Verdict, envelope};
use jiff::Timestamp;
use jiff::civil::Date;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Largest file of an example, in bytes.
pub(super) const MAX_FILE_BYTES: u64 = 256 << 10;
/// Most files of an example, the lines expected included.
const MAX_FILES: usize = 10;
/// Most lines that an example may expect.
const MAX_LINES: usize = 500;
/// Most findings that are told of an example that was not accepted.
const MAX_TOLD: usize = 3;

/// A line by its filled fields.
type Fields = BTreeMap<String, String>;

/// Runs an example; every problem in words.
pub(super) fn run(example: &Example, feed: &Feed, reference: &Reference, read: &mut dyn FnMut(&Path) -> Option<Vec<u8>>) -> Vec<String> {
    let Some(mapping) = feed.mappings.iter().find(|mapping| mapping.version == example.version) else { return Vec::new() };
    let (files, lines) = match content(&example.content, read) {
        Ok(content) => content,
        Err(why) => return vec![why],
    };
    let expected = match expected(&lines) {
        Ok(expected) => expected,
        Err(why) => return why,
    };
    let feed = alone(feed, mapping);
    let reference = with_wards_of(&expected, &feed, reference);
    match judge(&files, &feed, &reference, example.received_at) {
        Ok(assessment) => compare(&assessment, mapping, &expected),
        Err(why) => vec![why],
    }
}

/// The files sent, and the text of the lines expected.
type Input = (Vec<(String, Vec<u8>)>, String);

fn content(content: &Content, read: &mut dyn FnMut(&Path) -> Option<Vec<u8>>) -> Result<Input, String> {
    let folder = match content {
        Content::Inline { files, lines } => {
            return Ok((files.iter().map(|(name, text)| (name.clone(), text.clone().into_bytes())).collect(), lines.clone()));
        }
        Content::Folder(folder) => folder,
    };
    let failed = |error: std::io::Error| format!("the folder {} cannot be read: {error}", folder.display());
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
        // What editors and desktops leave behind is not sent.
        if !name.starts_with('.') {
            names.push(name);
        }
    }
    names.sort();
    if names.len() > MAX_FILES {
        return Err(format!("the folder {} holds {} files, the limit is {MAX_FILES}", folder.display(), names.len()));
    }
    let mut files = Vec::new();
    let mut lines = None;
    for name in names {
        // Why it cannot be read has been noted with the file itself.
        let Some(bytes) = read(&folder.join(&name)) else { continue };
        if name == LINES_FILE {
            lines = Some(String::from_utf8(bytes).map_err(|_| format!("{LINES_FILE} is not UTF-8 text"))?);
        } else {
            files.push((name, bytes));
        }
    }
    let lines = lines.ok_or_else(|| format!("the folder {} holds no {LINES_FILE}: the lines expected", folder.display()))?;
    Ok((files, lines))
}

/// The lines expected: a CSV text whose header names dataset fields. A field that the header does not name is blank.
fn expected(text: &str) -> Result<Vec<Fields>, Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.trim_start_matches('\u{feff}').as_bytes());
    let header = reader.headers().map_err(|error| vec![format!("the lines expected cannot be read: {error}")])?.clone();
    let unknown = header.iter().filter(|name| !FIELDS.contains(name));
    let problems: Vec<String> = unknown
        .map(|name| format!("the lines expected name \"{name}\", which is no field{}", did_you_mean(name, FIELDS.iter().copied())))
        .collect();
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut lines = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| vec![format!("the lines expected cannot be read: {error}")])?;
        let named = header.iter().zip(&record).filter(|(_, text)| !text.is_empty());
        let mut fields: Fields = named.map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
        fields.entry("quantity".to_owned()).or_insert_with(|| "1".to_owned());
        lines.push(fields);
    }
    match lines.len() {
        0 => Err(vec!["no lines are expected: an example shows what comes out".to_owned()]),
        many if many > MAX_LINES => Err(vec![format!("{many} lines are expected, the limit is {MAX_LINES}")]),
        _ => Ok(lines),
    }
}

/// The feed with one mapping and no limit that a few rows would pass: counts, shares, and the dates of the agreement.
fn alone(feed: &Feed, mapping: &Mapping) -> Feed {
    let limits = Limits {
        rejected_rows_percent: 100,
        rejected_rows_per_ward: 0,
        rejected_kind_percent: 100,
        wards_may_vanish: true,
        unknown_wards: u32::MAX,
        unknown_ward_beds_percent: 100,
        unknown_persons_percent: 100,
        crowded_beds: u32::MAX,
        crowded_percent: 100,
        large_provider_beds: u32::MAX,
        ..feed.limits.clone()
    };
    Feed { mappings: vec![mapping.clone()], agreement_starts: Date::MIN, agreement_ends: None, limits, ..feed.clone() }
}

/// The register with no wards but those of the lines expected.
fn with_wards_of(expected: &[Fields], feed: &Feed, reference: &Reference) -> Reference {
    let place = |fields: &Fields| Some((fields.get("site_code")?.clone(), fields.get("ward_code")?.clone()));
    let places: BTreeSet<(String, String)> = expected.iter().filter_map(place).collect();
    let named =
        |ward: &crate::bedstate::Ward| ward.provider == feed.provider && places.contains(&(ward.site_code.clone(), ward.ward_code.clone()));
    Reference { wards: reference.wards.iter().filter(|ward| named(ward)).cloned().collect(), ..reference.clone() }
}

fn judge(files: &[(String, Vec<u8>)], feed: &Feed, reference: &Reference, received_at: Timestamp) -> Result<Assessment, String> {
    let mut named = Vec::new();
    for ((name, bytes), number) in files.iter().zip(1_u8..) {
        let parsed = FileName::parse(name.as_bytes()).map_err(|why| format!("{name} could not be a file's name: {why}"))?;
        named.push((DeliveryId::new(received_at, [number; 10]), parsed, Digest::of(bytes), bytes.as_slice()));
    }
    if named.is_empty() {
        return Err("holds no file to send".to_owned());
    }
    let parts: Vec<Part<'_>> =
        named.iter().map(|(delivery, name, sha256, bytes)| Part { delivery: *delivery, name, sha256: *sha256, bytes }).collect();
    let history = History::default();
    Ok(assess(&parts, &Context { feed, reference, history: &history, received_at, now: received_at, released: false }))
}

fn compare(assessment: &Assessment, mapping: &Mapping, expected: &[Fields]) -> Vec<String> {
    let day = assessment.report.snapshot_at.map(local_day);
    if let Some(day) = day.filter(|day| !envelope::covers(mapping, *day)) {
        let until = mapping.to.map_or_else(|| "with no end".to_owned(), |to| format!("until {to}"));
        return vec![format!("the example is of {day}; the mapping is in force from {} {until}", mapping.from)];
    }
    let Verdict::Accepted(verified) = &assessment.verdict else { return not_accepted(assessment) };
    let got: Vec<Fields> = verified.snapshot().lines.iter().map(fields).collect();
    let first = expected.iter().zip(&got).position(|(expected, got)| !same(expected, got));
    let at = match first {
        Some(at) => at,
        None if expected.len() == got.len() => return Vec::new(),
        None => expected.len().min(got.len()),
    };
    let shown = |lines: &[Fields]| lines.get(at).map_or_else(|| "no line".to_owned(), spelled);
    let counts =
        if expected.len() == got.len() { String::new() } else { format!(" ({} lines expected, {} came)", expected.len(), got.len()) };
    vec![format!("line {} does not come out{counts}: expected {}; got {}", at + 1, shown(expected), shown(&got))]
}

fn not_accepted(assessment: &Assessment) -> Vec<String> {
    let worst = assessment.report.findings.iter().filter(|finding| finding.severity == Severity::RejectFile);
    let told: Vec<String> = worst.take(MAX_TOLD).map(|finding| format!("{} {}", finding.rule, finding.message)).collect();
    vec![format!("is not accepted: {}", if told.is_empty() { "no line came out".to_owned() } else { told.join(" ") })]
}

/// A line's filled fields, as a file of the dataset has them.
fn fields(line: &Line) -> Fields {
    let text = |value: &serde_json::Value| match value {
        serde_json::Value::Null => None,
        serde_json::Value::Bool(yes) => Some(if *yes { "Y" } else { "N" }.to_owned()),
        serde_json::Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    match serde_json::to_value(line) {
        Ok(serde_json::Value::Object(all)) => all.iter().filter_map(|(name, value)| Some((name.clone(), text(value)?))).collect(),
        // A line has plain fields only: serialising cannot fail. If it did, the comparison would.
        Ok(_) | Err(_) => Fields::new(),
    }
}

/// Whether two lines say the same; times by the instant, however they are written.
fn same(one: &Fields, other: &Fields) -> bool {
    let instant = |text: &str| text.parse::<Timestamp>().ok();
    let alike = |a: &str, b: &str| a == b || (instant(a).is_some() && instant(a) == instant(b));
    one.len() == other.len() && one.iter().all(|(name, text)| other.get(name).is_some_and(|its| alike(text, its)))
}

/// A line in words, in the dataset's order.
fn spelled(fields: &Fields) -> String {
    let named = FIELDS.iter().filter_map(|name| fields.get(*name).map(|text| format!("{name}={text}")));
    named.collect::<Vec<_>>().join(" ")
}
