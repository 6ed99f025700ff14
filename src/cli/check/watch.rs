//! `bedfeed check --watch`: judges again whenever a file or the settings change.
//!
//! Owns which folders are watched, and which of their events matter. Folders are watched rather than files, because editors
//! and extracts replace a file by renaming another one over it.

use super::super::args::Check;
use super::super::{Ending, Failure, settings};
use super::once;
use super::screen::Screen;
use notify::{Event, EventKind, RecursiveMode, Watcher};
use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// How long nothing must happen before a change counts as finished: programs write a file in several steps.
const QUIET: Duration = Duration::from_millis(250);

/// Clears the screen and moves the cursor to its start.
const CLEAR: &str = "\u{1b}[2J\u{1b}[3J\u{1b}[H";

/// Judges, then waits for a change, for ever; ends with the output.
pub(super) fn watch(arguments: &Check, screen: &Screen, out: &mut dyn Write) -> Result<Ending, Failure> {
    let (changed, changes) = channel();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        // The receiver is gone only when the program ends.
        drop(changed.send(event));
    })
    .map_err(Failure::broken)?;
    let mut watched = BTreeSet::new();
    let mut concerns = Concerns::of(arguments);
    loop {
        follow(&mut watcher, &mut watched, &concerns)?;
        if screen.terminal {
            out.write_all(CLEAR.as_bytes())?;
        }
        match settings(&arguments.config.config) {
            Ok(settings) => {
                concerns.folders.extend(settings.folders.iter().map(|folder| whole(folder)));
                follow(&mut watcher, &mut watched, &concerns)?;
                say(once(arguments, &settings, screen, out).map(|_| ()), out)?;
            }
            Err(failure) => say(Err(failure), out)?,
        }
        if !arguments.json {
            writeln!(out, "\nwaiting for a change of the files or the settings; Ctrl-C ends")?;
        }
        out.flush()?;
        if !changed_for_good(&changes, &concerns, QUIET)? {
            return Ok(Ending::Fine);
        }
    }
}

/// A mistake in the settings or a file that is being replaced ends nothing: the next change may put it right.
fn say(result: Result<(), Failure>, out: &mut dyn Write) -> Result<(), Failure> {
    match result {
        Ok(()) => Ok(()),
        Err(Failure::Settings(problems)) => Ok(write!(out, "{problems}")?),
        Err(Failure::Input(text) | Failure::Failed(text)) => Ok(writeln!(out, "{text}")?),
        Err(failure) => Err(failure),
    }
}

/// What a change must be of to matter.
struct Concerns {
    files: BTreeSet<PathBuf>,
    /// Folders of settings.
    folders: BTreeSet<PathBuf>,
}

impl Concerns {
    fn of(arguments: &Check) -> Self {
        let files = arguments.files.iter().chain([&arguments.config.config]).map(|path| whole(path)).collect();
        Self { files, folders: BTreeSet::new() }
    }

    /// Whether an event is a change of something that is judged, or of what it is judged by.
    fn touched_by(&self, event: &Event) -> bool {
        let settings = |path: &Path| {
            let kind = path.extension().is_some_and(|ending| ending == "toml" || ending == "csv");
            kind && path.parent().is_some_and(|folder| self.folders.contains(folder))
        };
        let matters = |path: &PathBuf| self.files.contains(path) || settings(path);
        // Being read is no change: judging reads all of them.
        !matches!(event.kind, EventKind::Access(_)) && (event.need_rescan() || event.paths.iter().any(matters))
    }

    fn all_folders(&self) -> impl Iterator<Item = PathBuf> + '_ {
        let of_files = self.files.iter().filter_map(|file| file.parent().map(Path::to_owned));
        of_files.chain(self.folders.iter().cloned())
    }
}

/// A path that events can be compared with: whole, and without links.
fn whole(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match (path.canonicalize(), path.file_name()) {
        // The file itself may be a link: its name is what is watched.
        (Ok(real), _) if real.is_dir() => real,
        (_, Some(name)) => folder.canonicalize().unwrap_or_else(|_| folder.to_owned()).join(name),
        (Ok(real), None) => real,
        (Err(_), None) => path.to_owned(),
    }
}

fn follow(watcher: &mut impl Watcher, watched: &mut BTreeSet<PathBuf>, concerns: &Concerns) -> Result<(), Failure> {
    for folder in concerns.all_folders() {
        if folder.is_dir() && !watched.contains(&folder) {
            watcher.watch(&folder, RecursiveMode::NonRecursive).map_err(Failure::broken)?;
            watched.insert(folder);
        }
    }
    Ok(())
}

/// Waits for a change that matters, then until nothing more happens for a while. `false`: there is nobody to tell of more.
fn changed_for_good(changes: &Receiver<notify::Result<Event>>, concerns: &Concerns, quiet: Duration) -> Result<bool, Failure> {
    loop {
        let Ok(event) = changes.recv() else { return Ok(false) };
        if concerns.touched_by(&event.map_err(Failure::broken)?) {
            break;
        }
    }
    // Other files of the folder may never be quiet: only what matters is waited for.
    let mut until = Instant::now() + quiet;
    loop {
        match changes.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(event) => {
                if concerns.touched_by(&event.map_err(Failure::broken)?) {
                    until = Instant::now() + quiet;
                }
            }
            Err(RecvTimeoutError::Timeout) => return Ok(true),
            Err(RecvTimeoutError::Disconnected) => return Ok(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use notify::event::{AccessKind, CreateKind, ModifyKind, RenameMode};

    #[test]
    fn only_changes_of_the_files_and_the_settings_matter() {
        let concerns = Concerns {
            files: [PathBuf::from("/data/beds.csv"), PathBuf::from("/etc/bedfeed/bedfeed.toml")].into(),
            folders: [PathBuf::from("/etc/bedfeed/providers")].into(),
        };
        let renamed = EventKind::Modify(ModifyKind::Name(RenameMode::To));
        let rows = [
            (renamed, "/data/beds.csv", true),
            (EventKind::Create(CreateKind::File), "/data/beds.csv", true),
            (renamed, "/data/beds.csv.tmp", false),
            (EventKind::Access(AccessKind::Any), "/data/beds.csv", false),
            (renamed, "/etc/bedfeed/bedfeed.toml", true),
            (renamed, "/etc/bedfeed/providers/RM1.toml", true),
            (renamed, "/etc/bedfeed/providers/.RM1.toml.swp", false),
        ];
        for (kind, path, expected) in rows {
            let event = Event::new(kind).add_path(PathBuf::from(path));
            assert_eq!(concerns.touched_by(&event), expected, "{kind:?} {path}");
        }
    }

    #[test]
    fn many_events_of_one_change_are_one_change() {
        let concerns = Concerns { files: [PathBuf::from("/data/beds.csv")].into(), folders: BTreeSet::new() };
        let (changed, changes) = channel();
        for path in ["/data/other.csv", "/data/beds.csv", "/data/beds.csv", "/data/other.csv"] {
            changed.send(Ok(Event::new(EventKind::Create(CreateKind::File)).add_path(PathBuf::from(path)))).unwrap();
        }
        assert!(changed_for_good(&changes, &concerns, Duration::ZERO).unwrap());
        drop(changed);
        assert!(!changed_for_good(&changes, &concerns, Duration::ZERO).unwrap(), "all four were one change");
    }
}
