//! Changes of the settings, as the trail tells of them: which files differ from those of the last start.

use crate::config::Settings;
use crate::feed::Digest;
use crate::ledger::{Event, FileChange};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The entry that tells of a change; `None` where nothing changed. `before` is what was recorded last, with its fingerprint.
pub(super) fn changed(before: &BTreeMap<String, Digest>, from: Option<String>, settings: &Settings) -> Option<Event> {
    let beside = settings.file.parent().unwrap_or(Path::new(""));
    let name = |path: &Path| path.strip_prefix(beside).unwrap_or(path).display().to_string();
    let now: BTreeMap<String, Digest> = settings.files.iter().map(|(path, hash)| (name(path), *hash)).collect();
    let mut files = differences(before, &now);
    for file in &mut files {
        // Who owns a file and when it was written is all that a machine can tell of who changed it.
        let metadata = settings.files.iter().find(|(path, _)| name(path) == file.name).map(|(path, _)| std::fs::metadata(path));
        if let Some(Ok(metadata)) = metadata {
            file.written_at = Timestamp::from_second(metadata.mtime()).ok();
            file.owner = Some(metadata.uid());
        }
    }
    let to = settings.fingerprint.to_string();
    (!files.is_empty()).then_some(Event::SettingsChanged { from, to, files })
}

/// What differs between two sets of files, by name. Pure.
fn differences(before: &BTreeMap<String, Digest>, now: &BTreeMap<String, Digest>) -> Vec<FileChange> {
    let change = |name: &String| {
        let (was, is) = (before.get(name).copied(), now.get(name).copied());
        (was != is).then(|| FileChange { name: name.clone(), was, is, written_at: None, owner: None })
    };
    let gone = before.keys().filter(|name| !now.contains_key(*name));
    now.keys().chain(gone).filter_map(change).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_new_changed_or_gone_are_named() {
        let files = |rows: &[(&str, &str)]| -> BTreeMap<String, Digest> {
            rows.iter().map(|(name, text)| ((*name).to_owned(), Digest::of(text.as_bytes()))).collect()
        };
        //    before                      now                                  added, changed, gone
        let rows = [
            (&[][..], &[][..], ["", "", ""]),
            (&[], &[("a", "1"), ("b", "1")], ["a b", "", ""]),
            (&[("a", "1"), ("b", "1")], &[("a", "1"), ("b", "1")], ["", "", ""]),
            (&[("a", "1"), ("b", "1"), ("c", "1")], &[("a", "2"), ("c", "1"), ("d", "1")], ["d", "a", "b"]),
        ];
        for (before, now, expected) in rows {
            let found = differences(&files(before), &files(now));
            let names = |which: &dyn Fn(&FileChange) -> bool| {
                found.iter().filter(|change| which(change)).map(|change| change.name.as_str()).collect::<Vec<_>>().join(" ")
            };
            let added = names(&|change| change.was.is_none());
            let changed = names(&|change| change.was.is_some() && change.is.is_some());
            let gone = names(&|change| change.is.is_none());
            assert_eq!([added.as_str(), &changed, &gone], expected, "{before:?} {now:?}");
        }
    }
}
