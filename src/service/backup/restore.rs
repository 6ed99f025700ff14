//! Restoring a backup into an empty state folder.
//!
//! A marker stands in the folder until everything is there: a daemon that found half of it would take originals for leftovers.

use super::tree::{self, Sums};
use super::{BackupError, Checked, HOST_KEYS, LEDGER, SETTINGS, SUMS, WAREHOUSE, check};
use crate::config::Settings;
use crate::fault::{self, Step};
use crate::feed::Digest;
use crate::forward::WarehouseMoment;
use crate::ledger::{self, Event, Ledger, Moment, Reader};
use jiff::Timestamp;
use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The marker's name in the state folder.
pub const RESTORING: &str = "restoring";

/// A backup that was restored.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Restored {
    /// What was restored.
    pub from: Checked,
    /// Where to.
    pub state_dir: PathBuf,
    /// Files that were copied.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What its list names and could not be read, or the ledger wants and the backup has not: each file with why. Only where that was
    /// asked for in spite of it.
    pub left_out: Vec<String>,
}

/// Restores the backup that a path names into the state folder of these settings, which must be empty, and records it in the
/// ledger. `in_spite`: also where the backup has problems; what it has lost is left out and named. A ledger that cannot be read is
/// refused all the same, before anything is begun: without it nothing can be told from leftovers.
///
/// # Errors
/// See [`BackupError`]. What was begun is to be removed by hand: the daemon refuses to start on it.
pub async fn restore(settings: &Settings, path: &Path, in_spite: bool, now: Timestamp) -> Result<Restored, BackupError> {
    let from = check(path)?;
    if !from.problems.is_empty() && !in_spite {
        return Err(BackupError::Problems(from.problems.len()));
    }
    let book = from.path.join(LEDGER);
    Reader::open(&book)?.head()?;
    let state = &settings.state_dir;
    let places = Places {
        state,
        warehouse: WarehouseMoment::file(&settings.warehouse, state),
        host_keys: [&settings.sftp.host_keys, &settings.sftp.next_host_keys].map(|folder| state.join(folder)),
    };
    if !tree::names(state)?.is_empty() {
        return Err(BackupError::NotEmpty(state.clone()));
    }
    if let Some(warehouse) = &places.warehouse
        && warehouse.try_exists().map_err(BackupError::io("read", warehouse))?
    {
        return Err(BackupError::NotEmpty(warehouse.clone()));
    }
    let marker = state.join(RESTORING);
    fault::around(Step::RestoreMark, || {
        tree::make_folder(state)?;
        tree::copy(&b"A restore was begun here and did not end: empty this folder and restore again.\n"[..], &marker, 0o600)?;
        tree::sync_folder(state)
    })?;
    let sums = tree::read_sums(&from.path)?;
    let mut copies = copy_all(&from.path, &sums, &places, in_spite)?;
    if !sums.contains_key(WAREHOUSE) {
        let loaded = Moment::hold(&book)?.loads()?.values().filter(|(_, loaded)| *loaded).count();
        let without =
            (loaded > 0).then(|| format!("{WAREHOUSE}: the backup has none, and its ledger says that {loaded} snapshots are loaded"));
        copies.left_out.extend(without);
    }
    fault::around(Step::RestoreFolders, || {
        tree::sync_folders(state)?;
        // The settings may want these elsewhere.
        let elsewhere = places.warehouse.iter().filter_map(|file| file.parent()).chain(places.host_keys.iter().map(PathBuf::as_path));
        elsewhere.filter(|folder| folder.is_dir()).try_for_each(tree::sync_folder)
    })?;
    fault::during(Step::RestoreRecord, record(state, &from, now)).await?;
    fault::around(Step::RestoreEnd, || {
        tree::remove_file(&marker)?;
        tree::sync_folder(state)
    })?;
    let Copies { files, bytes, left_out } = copies;
    Ok(Restored { from, state_dir: state.clone(), files, bytes, left_out })
}

/// What was copied.
#[derive(Default)]
struct Copies {
    files: u64,
    bytes: u64,
    left_out: Vec<String>,
}

/// Copies what belongs into the state folder; the settings are in force already, and may be others.
fn copy_all(root: &Path, sums: &Sums, places: &Places<'_>, in_spite: bool) -> Result<Copies, BackupError> {
    let mut copies = Copies::default();
    for name in sums.keys() {
        let Some(to) = places.of(name) else { continue };
        to.parent().map_or(Ok(()), tree::make_folder)?;
        let path = root.join(name);
        let file = match File::open(&path) {
            Err(error) if in_spite && name != LEDGER => {
                copies.left_out.push(format!("{name}: {error}"));
                continue;
            }
            other => other.map_err(BackupError::io("read", &path))?,
        };
        let mode = file.metadata().map_err(BackupError::io("read", &path))?.permissions().mode();
        let (_, length) = fault::around(Step::RestoreCopy, || tree::copy(file, &to, mode & 0o700))?;
        copies.files = copies.files.saturating_add(1);
        copies.bytes = copies.bytes.saturating_add(length);
    }
    Ok(copies)
}

/// Where the settings say that things are.
struct Places<'a> {
    state: &'a Path,
    /// `None`: on a server, where nothing is restored by us.
    warehouse: Option<PathBuf>,
    host_keys: [PathBuf; 2],
}

impl Places<'_> {
    /// Where a file of a backup goes; `None` for those that stay. Pure.
    fn of(&self, name: &str) -> Option<PathBuf> {
        let [now, next] = &self.host_keys;
        match name.split_once('/') {
            None if name == WAREHOUSE => self.warehouse.clone(),
            None if name == LEDGER => Some(self.state.join(ledger::FILE_NAME)),
            None | Some((SETTINGS, _)) => None,
            Some((folder, rest)) if folder == HOST_KEYS[0] => Some(now.join(rest)),
            Some((folder, rest)) if folder == HOST_KEYS[1] => Some(next.join(rest)),
            Some(_) => Some(self.state.join(name)),
        }
    }
}

/// Writes into the restored ledger that it was: the chain goes on from the backup, whatever was recorded after it.
async fn record(state: &Path, from: &Checked, now: Timestamp) -> Result<(), BackupError> {
    let sums = from.path.join(SUMS);
    let backup = Digest::of(&std::fs::read(&sums).map_err(BackupError::io("read", &sums))?);
    let (ledger, writer) = Ledger::open(&state.join(ledger::FILE_NAME))?;
    let restored = ledger.append(now, vec![Event::Restored { taken_at: from.manifest.taken_at, backup }]).await;
    drop(ledger);
    // The thread ends when nobody can append any more; what it said, it said to the append.
    drop(tokio::task::spawn_blocking(move || writer.join()).await);
    Ok(restored?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_goes_where_the_settings_in_force_want_it() {
        let places = Places { state: Path::new("/s"), warehouse: Some("/w/beds.db".into()), host_keys: ["/k".into(), "/s/next".into()] };
        let rows = [
            ("manifest.json", None),
            ("SHA256SUMS", None),
            ("settings/bedfeed.toml", None),
            ("settings/providers/RM1.toml", None),
            ("ledger.db", Some("/s/ledger.db")),
            ("warehouse.db", Some("/w/beds.db")),
            ("deliveries/0190a6c2", Some("/s/deliveries/0190a6c2")),
            ("quarantine/0190a6c2/original.age", Some("/s/quarantine/0190a6c2/original.age")),
            ("checks/0190a6c2.txt", Some("/s/checks/0190a6c2.txt")),
            ("host_keys/ssh_host_ed25519_key", Some("/k/ssh_host_ed25519_key")),
            ("next_host_keys/ssh_host_ed25519_key", Some("/s/next/ssh_host_ed25519_key")),
        ];
        for (name, expected) in rows {
            assert_eq!(places.of(name).as_deref(), expected.map(Path::new), "{name}");
        }
    }
}
