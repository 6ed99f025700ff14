//! Loading: the folder of settings, read as a whole or not at all.
//!
//! Owns which files are read, their limits and the fingerprint. A file that cannot be read is a problem like any other.

use super::document::Source;
use super::main_file::{self, Main};
use super::problem::{Problem, Problems};
use super::{Provider, Settings, examples, provider, reference};
use crate::feed::Digest;
use crate::normalise::reference::Reference;
use std::collections::BTreeMap;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// Largest settings file in bytes: a mapping of a thousand lines has about 100 KiB.
const MAX_TOML_BYTES: u64 = 4 << 20;

/// Largest reference file in bytes: a county's wards over decades have about 1 MiB.
const MAX_CSV_BYTES: u64 = 32 << 20;

/// Most provider files: every organisation of a region many times over.
const MAX_PROVIDERS: usize = 1000;

/// Reads and checks the main file, `providers/*.toml` and `reference/*.csv`.
///
/// # Errors
///
/// Every problem found in any of the files, a file that cannot be read among them. Nothing is returned in part.
pub fn load(path: &Path) -> Result<Settings, Problems> {
    let mut files = Files::default();
    let beside = path.parent().unwrap_or(Path::new(""));
    // Without the main file nobody knows where the others are: looking would only add noise.
    let Some(text) = files.text(path) else {
        return Err(Problems::of(files.problems).unwrap_or_else(|| Problems::one(about(path, "cannot be read"))));
    };
    let source = Source::new(path, &text);
    let main = main_file::read(&source, beside);
    files.problems.extend(source.into_problems());
    let reference = load_reference(&mut files, &main, beside);
    let providers = load_providers(&mut files, &main.providers_dir, &reference);
    for (code, place) in &main.routed {
        // One whose file has problems is there; what is wrong with it has been said.
        let is_its = |problem: &Problem| problem.file.file_stem().is_some_and(|stem| stem == code.as_str());
        if !providers.iter().any(|provider| provider.code == *code) && !files.problems.iter().any(is_its) {
            files.problems.push(Problem { message: format!("no provider has the code {code}"), ..place.clone() });
        }
    }
    let fingerprint = files.fingerprint();
    let folders =
        vec![beside.to_owned(), main.providers_dir.clone(), main.reference_dir.clone().unwrap_or_else(|| beside.join("reference"))];
    let settings = main.state_dir.map(|state_dir| Settings {
        file: path.to_owned(),
        folders,
        state_dir,
        sftp: main.sftp,
        trust: main.trust,
        warehouse: main.warehouse,
        further_warehouses: main.further_warehouses,
        web: main.web,
        alerts: main.alerts,
        retention: main.retention,
        governance: main.governance,
        providers,
        reference,
        files: files.read,
        fingerprint,
    });
    match (Problems::of(files.problems), settings) {
        (None, Some(settings)) => Ok(settings),
        (Some(problems), _) => Err(problems),
        // A missing state_dir has been noted; should that ever fail, nothing may start without one.
        (None, None) => Err(Problems::one(about(path, "no state_dir"))),
    }
}

/// Reads one provider's file that is in memory already, for the fuzz targets.
///
/// # Errors
///
/// Every problem found.
#[cfg(any(test, fuzzing))]
pub fn provider_from_text(path: &Path, text: &str, reference: &Reference) -> Result<Provider, Problems> {
    let source = Source::new(path, text);
    let read = provider::read(&source, reference);
    match (Problems::of(source.into_problems()), read) {
        (None, Some((provider, own))) => {
            // Files beside it are none of this one's: it may be anything at all.
            let run = |example| examples::run(example, &provider.feed, reference, &mut |_| None);
            let problems: Vec<Problem> = own.iter().flat_map(run).map(|message| about(path, &message)).collect();
            Problems::of(problems).map_or(Ok(provider), Err)
        }
        (Some(problems), _) => Err(problems),
        (None, None) => Err(Problems::one(about(path, "is no provider's file"))),
    }
}

fn load_reference(files: &mut Files, main: &Main, beside: &Path) -> Reference {
    let folder = main.reference_dir.clone().unwrap_or_else(|| beside.join("reference"));
    if main.reference_dir.is_some() && !folder.is_dir() {
        files.note(&folder, "the reference folder is not there (reference_dir in the main file)");
    }
    let mut found = BTreeMap::new();
    for name in reference::FILES {
        let path = folder.join(name);
        if let Some(bytes) = files.bytes(&path, MAX_CSV_BYTES, true) {
            found.insert(*name, (path, bytes));
        }
    }
    let (reference, problems) = reference::read(&found);
    files.problems.extend(problems);
    reference
}

fn load_providers(files: &mut Files, folder: &Path, reference: &Reference) -> Vec<Provider> {
    let mut providers: Vec<(PathBuf, Provider)> = Vec::new();
    for path in provider_files(files, folder) {
        let Some(text) = files.text(&path) else { continue };
        let source = Source::new(&path, &text);
        let read = provider::read(&source, reference);
        let problems = source.into_problems();
        // An example of a mapping that cannot work would only say so again.
        let works = problems.is_empty();
        files.problems.extend(problems);
        let Some((read, examples)) = read else { continue };
        for example in examples.iter().filter(|_| works) {
            let why = examples::run(example, &read.feed, reference, &mut |path| files.bytes(path, examples::MAX_FILE_BYTES, false));
            files.problems.extend(why.into_iter().map(|message| Problem { message, ..example.place.clone() }));
        }
        if let Some((other, _)) = providers.iter().find(|(_, other)| other.code == read.code) {
            files.note(&path, &format!("{} has the code {} too: each provider has one file", other.display(), read.code));
        }
        files.problems.extend(shared_keys(&path, &text, &read, &providers));
        providers.push((path, read));
    }
    let mut providers: Vec<Provider> = providers.into_iter().map(|(_, provider)| provider).collect();
    providers.sort_by(|a, b| a.code.cmp(&b.code));
    providers
}

/// Keys that another provider has as well: whoever holds one could send as either.
fn shared_keys(path: &Path, text: &str, read: &Provider, others: &[(PathBuf, Provider)]) -> Vec<Problem> {
    let lists = |other: &Provider, key: &str| other.code != read.code && other.account.keys.iter().any(|its| its.public_key == key);
    let shared = read.account.keys.iter().filter_map(|key| {
        let (_, other) = others.iter().find(|(_, other)| lists(other, &key.public_key))?;
        let line = text.lines().position(|line| line.contains(&key.public_key)).map_or(0, |before| before + 1);
        let message = format!(
            "the key of {} is listed for {} too: whoever has it could send as either; each needs one of its own",
            key.owner, other.code
        );
        Some(Problem { line, key: "keys".to_owned(), ..about(path, &message) })
    });
    shared.collect()
}

/// The provider files of a folder by name; hidden files, which editors leave behind, are no settings.
fn provider_files(files: &mut Files, folder: &Path) -> Vec<PathBuf> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            files.note(folder, &format!("the folder of provider files cannot be read: {error}"));
            return Vec::new();
        }
    };
    let mut paths = Vec::new();
    for entry in entries {
        match entry {
            Ok(entry) => paths.push(entry.path()),
            Err(error) => files.note(folder, &format!("the folder of provider files cannot be read: {error}")),
        }
    }
    let hidden = |path: &Path| path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml") && !hidden(path));
    paths.sort();
    if paths.is_empty() {
        files.note(folder, "holds no provider files: add one CODE.toml for each provider");
    }
    if paths.len() > MAX_PROVIDERS {
        files.note(folder, &format!("holds {} provider files, the limit is {MAX_PROVIDERS}", paths.len()));
        paths.truncate(MAX_PROVIDERS);
    }
    paths
}

/// What has been read so far, and what is wrong with it.
#[derive(Default)]
struct Files {
    problems: Vec<Problem>,
    read: Vec<(PathBuf, Digest)>,
}

impl Files {
    fn text(&mut self, path: &Path) -> Option<String> {
        let bytes = self.bytes(path, MAX_TOML_BYTES, false)?;
        let text = String::from_utf8(bytes).ok();
        if text.is_none() {
            self.note(path, "is not UTF-8 text");
        }
        text
    }

    fn bytes(&mut self, path: &Path, limit: u64, may_be_missing: bool) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = std::fs::File::open(path).and_then(|file| file.take(limit + 1).read_to_end(&mut bytes));
        match read {
            Err(error) if may_be_missing && error.kind() == ErrorKind::NotFound => return None,
            Err(error) => {
                self.note(path, &format!("cannot be read: {error}"));
                return None;
            }
            Ok(length) if u64::try_from(length).is_ok_and(|length| length > limit) => {
                self.note(path, &format!("is larger than {limit} bytes"));
                return None;
            }
            Ok(_) => {}
        }
        self.read.push((path.to_owned(), Digest::of(&bytes)));
        Some(bytes)
    }

    fn note(&mut self, path: &Path, message: &str) {
        self.problems.push(about(path, message));
    }

    /// The hash of all files' names and contents. The folder they stand in does not matter.
    fn fingerprint(&self) -> Digest {
        let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let mut lines: Vec<_> = self.read.iter().map(|(path, digest)| format!("{digest}  {}\n", name(path))).collect();
        lines.sort();
        Digest::of(lines.concat().as_bytes())
    }
}

fn about(path: &Path, message: &str) -> Problem {
    Problem { file: path.to_owned(), line: 0, column: 0, key: String::new(), message: message.to_owned() }
}
