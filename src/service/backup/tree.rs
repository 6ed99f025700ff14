//! The files of a backup: written aside with their hashes, and given their name when all of them are on stable storage.

use super::{BackupError, MANIFEST, SUMS};
use crate::fault::{self, Step};
use crate::feed::Digest;
use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// How a folder ends that is not complete.
const UNFINISHED: &str = ".part";
/// Longest line of the list of hashes, in bytes.
const MAX_LINE: u64 = 64 * 1024;

/// The hashes of a backup's files, by their names below it.
pub(super) type Sums = BTreeMap<String, Digest>;

/// A backup that is being written.
pub(super) struct Tree {
    unfinished: PathBuf,
    finished: PathBuf,
    sums: Sums,
    /// The newest complete backup beside it: what never changes is shared with it.
    previous: Option<(PathBuf, Sums)>,
    /// What the machine has of files whose good bytes came from the backup before.
    spoilt: Sums,
    /// Files of which the backup before has damaged bytes, or none any more.
    pub(super) damaged_before: BTreeSet<String>,
    pub(super) copied: u64,
    pub(super) copied_bytes: u64,
    pub(super) shared: u64,
}

impl Tree {
    /// Begins a backup below a folder, named after its time. What an earlier one left unfinished is removed, and nothing else.
    pub(super) fn begin(target: &Path, now: Timestamp) -> Result<Self, BackupError> {
        for old in names(target)?.iter().filter(|name| name.strip_suffix(UNFINISHED).is_some_and(is_name)) {
            let path = target.join(old);
            if !is_folder(&path)? {
                continue;
            }
            fault::around(Step::BackupClear, || fs::remove_dir_all(&path)).map_err(BackupError::io("remove what is left of", &path))?;
        }
        // Where its list cannot be read nothing is shared with it; `backup verify` says what is wrong with it.
        let newest = newest(target)?;
        let name = next_name(newest.as_deref().and_then(Path::file_name).and_then(|name| name.to_str()), now);
        let previous = newest.and_then(|root| Some((root.clone(), read_sums(&root).ok()?)));
        let (unfinished, finished) = (target.join(format!("{name}{UNFINISHED}")), target.join(&name));
        fault::around(Step::BackupFolder, || make_folder(&unfinished))?;
        let (sums, spoilt, damaged_before) = (Sums::new(), Sums::new(), BTreeSet::new());
        Ok(Self { unfinished, finished, sums, previous, spoilt, damaged_before, copied: 0, copied_bytes: 0, shared: 0 })
    }

    /// Where a file goes whose maker writes it itself; whatever was there is removed. To be followed by [`Self::adopt`].
    pub(super) fn place(&mut self, name: &str) -> Result<PathBuf, BackupError> {
        self.forget(name)?;
        Ok(self.unfinished.join(name))
    }

    /// Removes a file again.
    pub(super) fn forget(&mut self, name: &str) -> Result<(), BackupError> {
        self.sums.remove(name);
        self.spoilt.remove(name);
        remove_file(&self.unfinished.join(name))
    }

    /// Takes in a file that stands in its place.
    pub(super) fn adopt(&mut self, name: &str) -> Result<(), BackupError> {
        let path = self.unfinished.join(name);
        let failed = || BackupError::io("read back", &path);
        let file = File::open(&path).map_err(failed())?;
        file.sync_all().map_err(failed())?;
        let (hash, bytes) = hash_of(&file).map_err(failed())?;
        self.note(name, hash, bytes);
        Ok(())
    }

    /// Copies a file; `None` where it is not there. Where it cannot be read, [`BackupError::is_unreadable`] says so.
    pub(super) fn put(&mut self, name: &str, from: &Path) -> Result<Option<Digest>, BackupError> {
        let unreadable = || BackupError::unreadable(from);
        let source = match File::open(from) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(unreadable())?,
        };
        let mode = source.metadata().map_err(unreadable())?.permissions().mode();
        let path = self.folder_of(name)?;
        remove_file(&path)?;
        let mut source = Source { inner: source, failed: None };
        let copied = fault::around(Step::BackupCopy, || copy(&mut source, &path, mode & 0o700));
        if let Some(error) = source.failed {
            remove_file(&path)?;
            return Err(unreadable()(error));
        }
        let (hash, bytes) = copied?;
        self.note(name, hash, bytes);
        Ok(Some(hash))
    }

    /// The same for a file that never changes: one that the newest backup has is shared with it, where the file system can. Both
    /// are read first: a name for damaged bytes is no backup. `wanted`: the hash that it must have, where that is known. Gives
    /// the hash of what the machine has; the backup has better bytes where only the machine's are damaged.
    pub(super) fn put_for_good(&mut self, name: &str, from: &Path, wanted: Option<Digest>) -> Result<Option<Digest>, BackupError> {
        if let Some(known) = self.sums.get(name) {
            return Ok(Some(*self.spoilt.get(name).unwrap_or(known)));
        }
        if self.before(name).is_none() {
            return self.put(name, from);
        }
        let found = match File::open(from) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.and_then(|file| hash_of(&file)).map_err(BackupError::unreadable(from))?.0,
        };
        let wanted = wanted.unwrap_or(found);
        if !self.take_over(name, wanted)? {
            return self.put(name, from);
        }
        if found != wanted {
            self.spoilt.insert(name.to_owned(), found);
        }
        Ok(Some(found))
    }

    /// The hash that the backup before had of a file.
    pub(super) fn before(&self, name: &str) -> Option<Digest> {
        self.previous.as_ref().and_then(|(_, sums)| sums.get(name).copied())
    }

    /// Takes a file over from the backup before, where that has these very bytes; `false` where it does not.
    pub(super) fn take_over(&mut self, name: &str, wanted: Digest) -> Result<bool, BackupError> {
        if self.sums.get(name) == Some(&wanted) {
            return Ok(true);
        }
        let Some((root, sums)) = &self.previous else { return Ok(false) };
        if sums.get(name) != Some(&wanted) {
            return Ok(false);
        }
        let old = root.join(name);
        if !File::open(&old).and_then(|file| hash_of(&file)).is_ok_and(|(hash, _)| hash == wanted) {
            self.damaged_before.insert(name.to_owned());
            return Ok(false);
        }
        let path = self.folder_of(name)?;
        // Where it cannot be shared, it is copied: another file system, or too many names for one file.
        if fault::around(Step::BackupShare, || Ok::<_, BackupError>(fs::hard_link(&old, &path).is_ok()))? {
            self.sums.insert(name.to_owned(), wanted);
            self.shared = self.shared.saturating_add(1);
            return Ok(true);
        }
        Ok(self.put(name, &old)? == Some(wanted))
    }

    /// Writes a file.
    pub(super) fn write(&mut self, name: &str, bytes: &[u8]) -> Result<(), BackupError> {
        let path = self.folder_of(name)?;
        remove_file(&path)?;
        let (hash, bytes) = fault::around(Step::BackupCopy, || copy(bytes, &path, 0o600))?;
        self.note(name, hash, bytes);
        Ok(())
    }

    /// Removes the files of a folder that were copied and turned out not to belong here.
    pub(super) fn keep_only(&mut self, folder: &str, wanted: &BTreeSet<String>) -> Result<(), BackupError> {
        let below = format!("{folder}/");
        let others: Vec<String> = self.sums.keys().filter(|name| name.starts_with(&below) && !wanted.contains(*name)).cloned().collect();
        for name in others {
            self.forget(&name)?;
        }
        Ok(())
    }

    /// Writes the list of hashes, makes everything durable, and gives the backup its name.
    pub(super) fn finish(self) -> Result<PathBuf, BackupError> {
        let list: String = self.sums.iter().map(|(name, hash)| format!("{hash}  {name}\n")).collect();
        fault::around(Step::BackupList, || copy(list.as_bytes(), &self.unfinished.join(SUMS), 0o600))?;
        fault::around(Step::BackupFolders, || sync_folders(&self.unfinished))?;
        fault::around(Step::BackupRename, || rename(&self.unfinished, &self.finished))?;
        Ok(self.finished)
    }

    fn note(&mut self, name: &str, hash: Digest, bytes: u64) {
        self.sums.insert(name.to_owned(), hash);
        self.copied = self.copied.saturating_add(1);
        self.copied_bytes = self.copied_bytes.saturating_add(bytes);
    }

    fn folder_of(&self, name: &str) -> Result<PathBuf, BackupError> {
        let path = self.unfinished.join(name);
        path.parent().map_or(Ok(()), make_folder)?;
        Ok(path)
    }
}

/// The complete backup that a path names: itself, or the newest one below it.
pub(super) fn find(path: &Path) -> Result<PathBuf, BackupError> {
    let has = |name: &str| path.join(name).try_exists().map_err(BackupError::io("read", path));
    if has(SUMS)? && has(MANIFEST)? {
        // One that is being taken, or removed, has a list of hashes too.
        let unfinished = path.file_name().is_some_and(|name| name.as_encoded_bytes().ends_with(UNFINISHED.as_bytes()));
        return if unfinished { Err(BackupError::NotABackup(path.to_owned())) } else { Ok(path.to_owned()) };
    }
    newest(path)?.ok_or_else(|| BackupError::NotABackup(path.to_owned()))
}

/// Which backups go, and which never.
pub(super) struct Pruning<'a, W> {
    /// How many stay.
    pub(super) keep: usize,
    /// The one that was taken just now: it stays.
    pub(super) newest: &'a Path,
    /// Whether everything was there for it.
    pub(super) newest_is_whole: bool,
    /// Files that must not be kept any longer: every backup goes that has one of them.
    pub(super) exposed: &'a BTreeSet<String>,
    /// Whether an older one says that everything was there for it; `None` where it does not say that it is a backup.
    pub(super) says_whole: W,
}

/// Removes complete backups, the oldest first, until so many are left, and those that hold a file which must not be kept any
/// longer. Neither the newest is removed nor, where that is not whole, the newest one that is: a fault that lasts must not push out the
/// last good backup. What does not say that it is a backup is somebody else's. Gives how many went.
pub(super) fn prune<W: Fn(&Path) -> Option<bool>>(target: &Path, pruning: &Pruning<'_, W>) -> Result<usize, BackupError> {
    let mut older = complete(target)?;
    older.retain(|path| path != pruning.newest && (pruning.says_whole)(path).is_some());
    let surplus = older.len().saturating_add(1).saturating_sub(pruning.keep.max(1));
    let exposes = |path: &Path| pruning.exposed.iter().any(|name| path.join(name).symlink_metadata().is_ok());
    let to_go: Vec<&PathBuf> =
        older.iter().enumerate().filter(|(number, path)| *number < surplus || exposes(path)).map(|(_, path)| path).collect();
    // What it says was true when it was taken; its files are read again before anything is removed on the strength of them.
    let is_good = |path: &&PathBuf| (pruning.says_whole)(path) == Some(true) && fits(path);
    let last_good = if pruning.newest_is_whole || to_go.is_empty() { None } else { older.iter().rev().find(is_good) };
    let mut removed = 0_usize;
    for path in to_go.into_iter().filter(|path| Some(*path) != last_good) {
        // Under this name it counts as unfinished, whenever the removal breaks off.
        let mut going = path.as_os_str().to_owned();
        going.push(UNFINISHED);
        let going = PathBuf::from(going);
        fault::around(Step::BackupRetire, || rename(path, &going))?;
        fault::around(Step::BackupRemove, || fs::remove_dir_all(&going)).map_err(BackupError::io("remove", &going))?;
        removed = removed.saturating_add(1);
    }
    Ok(removed)
}

/// Whether every file of a backup has the hash that its list says.
fn fits(root: &Path) -> bool {
    let has = |(name, wanted): (&String, &Digest)| {
        File::open(root.join(name)).and_then(|file| hash_of(&file)).is_ok_and(|(hash, _)| hash == *wanted)
    };
    read_sums(root).is_ok_and(|sums| sums.iter().all(has))
}

/// Reads a backup's list of hashes.
pub(super) fn read_sums(root: &Path) -> Result<Sums, BackupError> {
    let path = root.join(SUMS);
    let failed = || BackupError::io("read", &path);
    let mut reader = BufReader::new(File::open(&path).map_err(failed())?);
    let (mut sums, mut line) = (Sums::new(), String::new());
    loop {
        line.clear();
        if (&mut reader).take(MAX_LINE).read_line(&mut line).map_err(failed())? == 0 {
            return Ok(sums);
        }
        let entry = line.trim_end_matches('\n').split_once("  ").and_then(|(hash, name)| Some((name.to_owned(), hash.parse().ok()?)));
        // A name that leads elsewhere is none of a backup's.
        let entry = entry.filter(|(name, _)| Path::new(name).components().all(|part| matches!(part, std::path::Component::Normal(_))));
        let (name, hash) = entry.ok_or_else(|| failed()(io::Error::other("a line is no hash and name")))?;
        sums.insert(name, hash);
    }
}

/// Copies into a new file, on stable storage when this returns; gives the hash and the length.
pub(super) fn copy(mut from: impl Read, to: &Path, mode: u32) -> Result<(Digest, u64), BackupError> {
    let failed = || BackupError::io("write", to);
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to).map_err(failed())?;
    let mut hashing = Hashing { inner: &file, hash: Sha256::new() };
    let bytes = io::copy(&mut from, &mut hashing).map_err(failed())?;
    let hash = Digest(hashing.hash.finalize().into());
    file.set_permissions(Permissions::from_mode(mode)).map_err(failed())?;
    file.sync_all().map_err(failed())?;
    Ok((hash, bytes))
}

/// The hash of what a file holds, and its length.
pub(super) fn hash_of(mut file: &File) -> io::Result<(Digest, u64)> {
    let mut hashing = Hashing { inner: io::sink(), hash: Sha256::new() };
    let bytes = io::copy(&mut file, &mut hashing)?;
    Ok((Digest(hashing.hash.finalize().into()), bytes))
}

/// Makes a folder and those above it, for their owner alone. Their names are on stable storage when this returns.
pub(super) fn make_folder(path: &Path) -> Result<(), BackupError> {
    if path.as_os_str().is_empty() || path.try_exists().map_err(BackupError::io("look for", path))? {
        return Ok(());
    }
    path.parent().map_or(Ok(()), make_folder)?;
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(BackupError::io("make", path))?;
    path.parent().map_or(Ok(()), sync_folder)
}

/// Renames, so that a power cut cannot undo it. What is renamed has to be on stable storage already.
pub(super) fn rename(from: &Path, to: &Path) -> Result<(), BackupError> {
    #[expect(clippy::disallowed_methods, reason = "the folder is synced right after")]
    fs::rename(from, to).map_err(BackupError::io("rename", from))?;
    to.parent().map_or(Ok(()), sync_folder)
}

/// Makes a folder, and all below it, durable.
pub(super) fn sync_folders(folder: &Path) -> Result<(), BackupError> {
    for name in names(folder)? {
        let path = folder.join(name);
        if fs::symlink_metadata(&path).map_err(BackupError::io("read", &path))?.is_dir() {
            sync_folders(&path)?;
        }
    }
    sync_folder(folder)
}

/// Names in a folder, sorted; none where it is not there.
pub(super) fn names(folder: &Path) -> Result<Vec<String>, BackupError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(BackupError::io("list", folder))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(BackupError::io("list", folder))?.file_name();
        names.extend(name.to_str().map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

/// Removes a file; fine where it is gone.
pub(super) fn remove_file(path: &Path) -> Result<(), BackupError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(BackupError::io("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Makes the names in a folder durable; an empty path is the folder we are in.
pub(super) fn sync_folder(path: &Path) -> Result<(), BackupError> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    File::open(path).and_then(|folder| folder.sync_all()).map_err(BackupError::io("make durable", path))
}

fn newest(target: &Path) -> Result<Option<PathBuf>, BackupError> {
    Ok(complete(target)?.pop())
}

/// The complete backups below a folder, the oldest first, as [`next_name`] has them. A folder of another name is none, whatever it has.
fn complete(target: &Path) -> Result<Vec<PathBuf>, BackupError> {
    let mut found = Vec::new();
    for name in names(target)?.iter().filter(|name| is_name(name)) {
        let path = target.join(name);
        if is_folder(&path)? && path.join(SUMS).try_exists().map_err(BackupError::io("read", &path))? {
            found.push(path);
        }
    }
    Ok(found)
}

/// The name of a backup that is begun now: its time, and where the newest one's is not before it, a millisecond after that. So names
/// are in the order of the backups, also where the clock was ahead for a while. Pure.
fn next_name(newest: Option<&str>, now: Timestamp) -> String {
    const FORMAT: &str = "%Y%m%dT%H%M%S.%3fZ";
    let named = now.strftime(FORMAT).to_string();
    let Some(newest) = newest.filter(|newest| **newest >= *named) else { return named };
    let time = DateTime::strptime("%Y%m%dT%H%M%S.%fZ", newest).and_then(|time| time.checked_add(SignedDuration::from_millis(1)));
    // A name that is no time is after all times; it cannot be gone past.
    time.map_or(named, |time| time.strftime(FORMAT).to_string())
}

/// Whether a name is one that a backup is given: `20181203T101500.123Z`. Pure.
fn is_name(name: &str) -> bool {
    const SHAPE: &str = "00000000T000000.000Z";
    let fits = |(have, want): (char, char)| if want == '0' { have.is_ascii_digit() } else { have == want };
    name.len() == SHAPE.len() && name.chars().zip(SHAPE.chars()).all(fits)
}

/// Whether a folder stands there itself, and no link to one.
fn is_folder(path: &Path) -> Result<bool, BackupError> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        other => Ok(other.map_err(BackupError::io("read", path))?.is_dir()),
    }
}

/// Passes bytes on, and keeps the error where they cannot be read: nothing is wrong with the copy then.
struct Source {
    inner: File,
    failed: Option<io::Error>,
}

impl Read for Source {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(into);
        if let Err(error) = &read
            && error.kind() != io::ErrorKind::Interrupted
        {
            self.failed = Some(io::Error::new(error.kind(), error.to_string()));
        }
        read
    }
}

/// Passes bytes on and hashes them.
struct Hashing<W> {
    inner: W,
    hash: Sha256,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hash.update(bytes.get(..count).unwrap_or_default());
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_is_named_after_its_time_and_never_before_the_one_that_was_taken_last() {
        //    the newest, the time, the name
        let rows = [
            (None, "2018-12-03T10:15:00Z", "20181203T101500.000Z"),
            (Some("20181203T101459.999Z"), "2018-12-03T10:15:00.0009Z", "20181203T101500.000Z"),
            (Some("20181203T101500.000Z"), "2018-12-03T10:15:00Z", "20181203T101500.001Z"),
            (Some("20181231T235959.999Z"), "2018-12-03T10:15:00Z", "20190101T000000.000Z"),
            (Some("99991231T235959.999Z"), "2018-12-03T10:15:00Z", "20181203T101500.000Z"),
            (Some("20189903T101459.999Z"), "2018-12-03T10:15:00Z", "20181203T101500.000Z"),
        ];
        for (newest, now, expected) in rows {
            assert_eq!(next_name(newest, now.parse().unwrap()), expected, "{newest:?} {now}");
            assert!(is_name(expected));
        }
    }
}
