//! Examples as written: `[[mapping.example]]`, what is sent and the lines that must come of it.
//!
//! Owns those keys. Refuses to judge: `config::examples` does, when all settings have been read.

use super::super::document::{Item, Section};
use super::super::problem::Problem;
use jiff::Timestamp;
use std::path::{Component, Path, PathBuf};

/// Most examples of one mapping: they are run at every start.
const MAX_EXAMPLES: usize = 20;

/// The file of a folder that holds the lines expected; every other file is sent.
pub(in crate::config) const LINES_FILE: &str = "lines.csv";

/// One example, to be run.
pub(in crate::config) struct Example {
    /// The version of its mapping.
    pub(in crate::config) version: String,
    /// When its files count as received.
    pub(in crate::config) received_at: Timestamp,
    /// What is sent, and what is expected.
    pub(in crate::config) content: Content,
    /// Where it stands; a problem without words.
    pub(in crate::config) place: Problem,
}

/// What an example sends and expects.
pub(in crate::config) enum Content {
    /// A folder of files, [`LINES_FILE`] among them.
    Folder(PathBuf),
    /// Texts in the settings.
    Inline {
        /// Names and texts.
        files: Vec<(String, String)>,
        /// The lines expected, as CSV.
        lines: String,
    },
}

/// Reads `[[mapping.example]]`.
pub(super) fn examples(mapping: &Section<'_>, version: &str) -> Vec<Example> {
    let sections = mapping.sections("example");
    if sections.len() > MAX_EXAMPLES {
        mapping.problem(format!("has {} examples, the limit is {MAX_EXAMPLES}: they are run at every start", sections.len()));
    }
    sections.into_iter().take(MAX_EXAMPLES).filter_map(|section| example(section, version)).collect()
}

fn example(section: Section<'_>, version: &str) -> Option<Example> {
    let received_at = section.need("received_at").and_then(|item| item.instant());
    let place = section.place();
    let content = match (section.get("folder"), section.has("input") || section.has("lines")) {
        (Some(item), false) => folder_of(&item).map(|folder| Content::Folder(beside(&place.file).join(folder))),
        (None, true) => inline(&section),
        _ => {
            section.problem("needs either a folder, or input (texts by file name) and lines");
            None
        }
    };
    section.finish();
    Some(Example { version: version.to_owned(), received_at: received_at?, content: content?, place })
}

fn inline(section: &Section<'_>) -> Option<Content> {
    let (input, lines) = (section.need("input"), section.need("lines"));
    let entries = input?.entries();
    let files = entries.iter().filter_map(|entry| Some((entry.name().to_owned(), entry.text()?.to_owned())));
    let files: Vec<(String, String)> = files.collect();
    let lines = lines?.text()?.to_owned();
    (files.len() == entries.len()).then_some(Content::Inline { files, lines })
}

/// A folder below that of the provider's file: examples go where the settings go.
fn folder_of<'d>(item: &Item<'d>) -> Option<&'d str> {
    let text = item.filled()?;
    let below = Path::new(text).components().all(|part| matches!(part, Component::Normal(_)));
    if !below {
        item.problem("must be a folder below that of the provider's file, such as \"examples/RM1\"");
    }
    below.then_some(text)
}

fn beside(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new(""))
}
