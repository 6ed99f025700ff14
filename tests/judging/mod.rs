//! A desk where deliveries are judged as the daemon judges them: the shipped settings, and `assess`.

#![allow(dead_code, reason = "each test program uses its part of the desk")]

use bedfeed::bedstate::{Line, LineType};
use bedfeed::config::{self, Settings};
use bedfeed::feed::{DeliveryId, Digest, FileName, Severity};
use bedfeed::normalise::rows::{self, Normalised};
use bedfeed::pipeline::assess::{Assessment, Context, Part, assess};
use bedfeed::verify::set::{self, Arrival, SetFile};
use bedfeed::verify::{Feed, History, Verdict};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// When the fixtures count as received: three minutes after 10:15 on 3 December 2018, in London.
pub(crate) const RECEIVED: &str = "2018-12-03T10:18:00Z";

/// A delivery's files: name and bytes.
pub(crate) type Files = Vec<(String, Vec<u8>)>;

/// An invented provider's settings, up to its mappings.
pub(crate) const PROVIDER: &str = r#"code = "RGN"
name = "An example"
kind = "acute"
[contact]
name = "Desk"
phone = "01603 000000"
[agreement]
reference = "A-1"
starts = 2018-04-01
"#;

/// A path inside the project.
pub(crate) fn path(inside: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(inside)
}

/// The files of a folder, by name.
pub(crate) fn folder(inside: &str) -> Files {
    let mut files: Files = std::fs::read_dir(path(inside))
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{inside}");
    files
}

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The shipped settings.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) settings: Settings,
}

impl Desk {
    pub(crate) fn shipped() -> Self {
        Self { settings: config::load(&path("config/bedfeed.toml")).unwrap() }
    }

    /// The same, where a provider has the wards of an extract and no others, with as many beds as it has there: a small
    /// extract is whole for a small hospital.
    pub(crate) fn with_wards_of(mut self, code: &str, files: &Files) -> Self {
        let mut beds: BTreeMap<(String, String), u32> = BTreeMap::new();
        for line in self.read(code, files, at(RECEIVED)).lines.into_iter().map(|line| line.line) {
            if let (Some(ward), true) = (line.ward_code, line.line_type != LineType::Demand) {
                *beds.entry((line.site_code.to_string(), ward.to_string())).or_default() += line.quantity;
            }
        }
        self.settings.reference.wards.retain_mut(|ward| {
            let here = beds.get(&(ward.site_code.clone(), ward.ward_code.clone()));
            ward.registered_beds = here.copied().unwrap_or(ward.registered_beds);
            ward.provider.as_str() != code || here.is_some()
        });
        self
    }

    pub(crate) fn feed(&self, code: &str) -> &Feed {
        &self.settings.providers.iter().find(|provider| provider.code.as_str() == code).unwrap().feed
    }

    /// Judges files by the shipped settings, with nothing accepted before.
    pub(crate) fn judge(&self, code: &str, files: &Files) -> Assessment {
        self.judge_by(self.feed(code), files, &History::default(), at(RECEIVED))
    }

    pub(crate) fn judge_by(&self, feed: &Feed, files: &Files, history: &History, received_at: Timestamp) -> Assessment {
        let names = names(files);
        let parts: Vec<Part<'_>> = files
            .iter()
            .zip(&names)
            .zip(1_u8..)
            .map(|(((_, bytes), name), n)| Part { delivery: DeliveryId::new(received_at, [n; 10]), name, sha256: Digest::of(bytes), bytes })
            .collect();
        let reference = &self.settings.reference;
        assess(&parts, &Context { feed, reference, history, received_at, now: received_at, released: false })
    }

    /// The lines that the normaliser makes of files, each with the part and the line number of its row.
    pub(crate) fn read(&self, code: &str, files: &Files, received_at: Timestamp) -> Normalised {
        let feed = self.feed(code);
        let names = names(files);
        let opened: Vec<SetFile<'_>> =
            files.iter().zip(&names).map(|((_, bytes), name)| SetFile { name, sha256: Digest::of(bytes), bytes }).collect();
        let mapping = feed.mappings.first().unwrap();
        let set = set::open(&opened, mapping, feed, &Arrival { received_at, history: &History::default(), rows_rule_out_bst: false });
        assert!(set.usable && !set.findings.reject_file(), "{code}: {:?}", set.findings);
        let snapshot_at = set.snapshot_at.unwrap().at;
        let context = rows::Context { provider: &feed.provider, reference: &self.settings.reference, snapshot_at };
        rows::normalise(&set.tables, mapping, &context)
    }
}

fn names(files: &Files) -> Vec<FileName> {
    files.iter().map(|(name, _)| FileName::parse(name.as_bytes()).unwrap()).collect()
}

/// The lines of the dataset in an accepted delivery.
pub(crate) fn accepted(assessment: &Assessment) -> &[Line] {
    match &assessment.verdict {
        Verdict::Accepted(verified) => &verified.snapshot().lines,
        other => panic!("{other:?}: {:?}", assessment.report.findings),
    }
}

/// A line's filled fields as `field=value`, sorted, with the count only where it is not 1.
pub(crate) fn compact(line: &Line) -> Vec<String> {
    let value = serde_json::to_value(line).unwrap();
    let filled = value.as_object().unwrap().iter().filter(|(name, value)| !(value.is_null() || *name == "quantity" && **value == 1));
    sorted(filled.map(|(name, value)| format!("{name}={}", value.as_str().map_or_else(|| value.to_string(), str::to_owned))))
}

/// Words, sorted, so that their order does not matter.
pub(crate) fn words(text: &str) -> Vec<String> {
    sorted(text.split_whitespace().map(str::to_owned))
}

fn sorted(words: impl Iterator<Item = String>) -> Vec<String> {
    let mut words: Vec<String> = words.collect();
    words.sort();
    words
}

/// A severity's letter, as the rule catalogue of the specification has it.
pub(crate) fn letter(severity: Severity) -> &'static str {
    match severity {
        Severity::Information => "I",
        Severity::Warning => "W",
        Severity::RejectRow => "R",
        Severity::RejectFile => "F",
    }
}

/// A small generator of noise, the same on every run.
pub(crate) struct Noise(pub(crate) u64);

impl Noise {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end.max(1)).unwrap()).unwrap()
    }
}

/// A zip archive of some members.
pub(crate) fn zip_of(members: &[(&str, &[u8])]) -> Vec<u8> {
    use std::io::Write;
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in members {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}
