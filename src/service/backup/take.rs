//! Taking a backup.
//!
//! The order matters. First both books are held at one moment, ledger before warehouse: what the ledger calls loaded is then in
//! the warehouse. Then they are compared: a snapshot that the warehouse has and the ledger has not accepted yet means that a
//! load came between the two. Then come the originals that the ledger knows, the newest first: they were durable before their
//! entries, and the newest are the ones that move. One that was moved, sealed or deleted meanwhile is looked for by a ledger of a
//! later moment, and so on until a round finds nothing new to doubt. The books are copied last, as they were held.

use super::check::read_manifest;
use super::tree::{self, Pruning, Tree};
use super::{BackupError, FORMAT, Form, HOST_KEYS, LEDGER, MANIFEST, MOST_NAMED, Manifest, SETTINGS, WAREHOUSE, contradictions, form};
use crate::config::Settings;
use crate::fault::{self, Step};
use crate::feed::{DeliveryId, Stage, error_chain};
use crate::forward::WarehouseMoment;
use crate::ledger::{self, Checkpoint, Moment, Original};
use crate::quarantine::{CHECKS, DELIVERIES, Kept, QUARANTINE, Store};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// In how many rounds, one after another, something does not fit before that is taken for the truth.
const LASTING: u32 = 3;
/// How often the books are held anew at most. Under load each round may meet another delivery on its way.
const MOST_ROUNDS: u32 = 60;
/// Pause before each: a load or a sealing under way is over by then.
const PAUSE: Duration = Duration::from_millis(300);
/// The file whose lock says that a backup is being taken.
const LOCK: &str = ".lock";

/// A backup that was taken.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Taken {
    /// Where it is.
    pub path: PathBuf,
    /// What it says of itself.
    pub manifest: Manifest,
    /// Files that were copied or written.
    pub copied: u64,
    /// Their bytes.
    pub copied_bytes: u64,
    /// Files that it shares with the backup before it.
    pub shared: u64,
    /// Old backups that were removed.
    pub removed: usize,
    /// Files of which the backup before it has damaged bytes, or none any more; here they were copied anew.
    pub damaged_before: Vec<String>,
}

/// Which originals did not come along as they should.
#[derive(Default)]
struct Originals {
    known: u64,
    missing: Vec<DeliveryId>,
    torn: Vec<DeliveryId>,
    wanted: BTreeSet<String>,
    /// Readable copies of what has been sealed: an older backup that has one of them, from before it was judged, must go.
    exposed: BTreeSet<String>,
}

/// What did not fit, by its name, and in how many rounds up to now, one after another.
#[derive(Debug, Default)]
struct Doubts {
    rounds: u32,
    lasting: BTreeMap<String, u32>,
}

impl Doubts {
    /// Whether something did not fit in all the rounds that it has, but for the one under way.
    fn is_last_for(&self, what: &str) -> bool {
        self.rounds.saturating_add(1) >= MOST_ROUNDS || self.lasting.get(what).is_some_and(|rounds| rounds.saturating_add(1) >= LASTING)
    }

    /// Takes in what a round found, and tells whether all of it is to be taken for the truth.
    fn are_settled_by(&mut self, wrong: &[String], originals: &Originals) -> bool {
        let found = originals.missing.iter().chain(&originals.torn).map(ToString::to_string).chain(wrong.iter().cloned());
        let found: Vec<String> = found.collect();
        let settled = found.iter().all(|what| self.is_last_for(what));
        let rounds = |what: &String| self.lasting.get(what).map_or(1, |rounds| rounds.saturating_add(1));
        self.lasting = found.iter().map(|what| (what.clone(), rounds(what))).collect();
        self.rounds = self.rounds.saturating_add(1);
        settled
    }
}

/// Takes a backup below a folder, while the daemon may go on, and removes all but the newest `keep`, and any older one that has a
/// readable copy of what has been sealed since. Blocks.
///
/// # Errors
/// See [`BackupError`]; nothing that looks like a backup is left behind.
pub fn take(settings: &Settings, target: &Path, keep: usize, now: Timestamp) -> Result<Taken, BackupError> {
    let path = settings.state_dir.join(ledger::FILE_NAME);
    if !path.try_exists().map_err(BackupError::io("read", &path))? {
        return Err(BackupError::Nothing(settings.state_dir.clone()));
    }
    tree::make_folder(target)?;
    let lock = own(target)?;
    let mut tree = Tree::begin(target, now)?;
    let mut doubts = Doubts::default();
    let (head, wrong, originals) = loop {
        let ledger = Moment::hold(&path)?;
        let (warehouse, wrong) = compare(&ledger, settings)?;
        let originals = copy_originals(&ledger, settings, &mut tree, &doubts)?;
        if doubts.are_settled_by(&wrong, &originals) {
            copy_books(&ledger, &warehouse, &mut tree)?;
            break (ledger.head(), wrong, originals);
        }
        drop((ledger, warehouse));
        #[expect(clippy::disallowed_methods, reason = "another process's step under way; there is no event to wait for")]
        std::thread::sleep(PAUSE);
    };
    for folder in [DELIVERIES, QUARANTINE, CHECKS] {
        tree.keep_only(folder, &originals.wanted)?;
    }
    copy_host_keys(settings, &mut tree)?;
    copy_settings(settings, &mut tree)?;
    let manifest = Manifest {
        format: FORMAT.to_owned(),
        bedfeed: env!("CARGO_PKG_VERSION").to_owned(),
        taken_at: now,
        ledger: Checkpoint { at: now, seq: head.seq, hash: head.hash },
        deliveries: originals.known,
        settings: settings.fingerprint,
        missing: originals.missing.clone(),
        torn: originals.torn.clone(),
        contradictions: wrong,
        warehouse_elsewhere: WarehouseMoment::file(&settings.warehouse, &settings.state_dir).is_none(),
    };
    tree.write(MANIFEST, &serde_json::to_vec_pretty(&manifest).map_err(BackupError::Manifest)?)?;
    let (copied, copied_bytes, shared) = (tree.copied, tree.copied_bytes, tree.shared);
    let damaged_before = tree.damaged_before.iter().cloned().collect();
    let path = tree.finish()?;
    let says_whole = |path: &Path| read_manifest(path).ok().filter(|says| says.format == FORMAT).map(|says| says.is_whole());
    let exposed = &originals.exposed;
    let removed = tree::prune(target, &Pruning { keep, newest: &path, newest_is_whole: manifest.is_whole(), exposed, says_whole })?;
    drop(lock);
    Ok(Taken { path, manifest, copied, copied_bytes, shared, removed, damaged_before })
}

/// Holds the warehouse, and tells where it and the ledger contradict each other. What was acknowledged is in the ledger and among
/// the originals: a warehouse that cannot be read keeps them from no backup. One on a server is neither held nor compared.
fn compare(ledger: &Moment, settings: &Settings) -> Result<(WarehouseMoment, Vec<String>), BackupError> {
    let Some(file) = WarehouseMoment::file(&settings.warehouse, &settings.state_dir) else {
        return Ok((WarehouseMoment::absent(), Vec::new()));
    };
    let held = WarehouseMoment::hold(&file).and_then(|warehouse| Ok((warehouse.snapshots()?, warehouse)));
    match held {
        Ok((snapshots, warehouse)) => Ok((warehouse, contradictions(&ledger.loads()?, &snapshots, MOST_NAMED))),
        Err(error) => Ok((WarehouseMoment::absent(), vec![format!("the warehouse is left out: {}", error_chain(&error))])),
    }
}

/// Takes the lock on a folder of backups: of two at once each would remove what the other has not finished.
fn own(target: &Path) -> Result<File, BackupError> {
    let path = target.join(LOCK);
    let failed = || BackupError::io("lock", &path);
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path).map_err(failed())?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(BackupError::Busy(target.to_owned())),
        Err(TryLockError::Error(source)) => Err(failed()(source)),
    }
}

fn copy_books(ledger: &Moment, warehouse: &WarehouseMoment, tree: &mut Tree) -> Result<(), BackupError> {
    fault::around(Step::BackupBook, || {
        ledger.copy_to(&tree.place(LEDGER)?)?;
        tree.adopt(LEDGER)
    })?;
    fault::around(Step::BackupBook, || if warehouse.copy_to(&tree.place(WAREHOUSE)?)? { tree.adopt(WAREHOUSE) } else { Ok(()) })
}

/// Copies what the ledger knows. What is doubted for the last time is taken as it is.
fn copy_originals(ledger: &Moment, settings: &Settings, tree: &mut Tree, doubts: &Doubts) -> Result<Originals, BackupError> {
    let store = Store::new(&settings.state_dir);
    let encrypts = !settings.governance.recipients.is_empty();
    let mut originals = Originals::default();
    ledger.each_original(|original| {
        originals.known = originals.known.saturating_add(1);
        if let Stage::Tested { .. } = original.stage
            && !original.picture_disposed
        {
            let name = Store::picture_name(original.id);
            if tree.put_for_good(&name, &settings.state_dir.join(&name), None)?.is_some() {
                originals.wanted.insert(name);
            }
        }
        if is_unreadable(&original, encrypts) {
            originals.exposed.extend([false, true].map(|set_aside| Store::name_of(original.id, set_aside, false)));
        }
        if original.disposed {
            return Ok(());
        }
        let Some(form) = form(&original.stage) else { return Ok(()) };
        let last = doubts.is_last_for(&original.id.to_string());
        let kept = store.kept(original.id).map_err(BackupError::io("look for an original in", &settings.state_dir))?;
        let (path, name) = match (form, kept) {
            (Form::Plain { set_aside }, Kept::Plain(path)) => (path, Store::name_of(original.id, set_aside, false)),
            (Form::Sealed, Kept::Sealed(path)) => (path, Store::name_of(original.id, true, true)),
            // It is being encrypted, or will be at the next start: no copy of it should be readable meanwhile.
            (Form::Sealed, Kept::Plain(path)) if last || !encrypts => (path, Store::name_of(original.id, true, false)),
            (form, kept) => {
                originals.missing.push(original.id);
                // It is gone, and on its way to no other place: the backup before may still have it.
                if let (Form::Plain { set_aside }, Kept::Nothing, true) = (form, kept, last) {
                    let name = Store::name_of(original.id, set_aside, false);
                    if tree.take_over(&name, original.sha256)? {
                        originals.wanted.insert(name);
                    }
                }
                return Ok(());
            }
        };
        copy_original(&original, &path, name, last, tree, &mut originals)
    })?;
    Ok(originals)
}

/// Whether no readable copy of a delivery may be anywhere any more: it leaked, and was encrypted, or its bytes were removed. Pure.
fn is_unreadable(original: &Original, encrypts: bool) -> bool {
    match original.stage {
        Stage::Quarantined { sealed, discarded } => sealed && (encrypts || discarded || original.disposed),
        Stage::HandedBack { sealed, .. } => sealed,
        Stage::Landed
        | Stage::Waiting { .. }
        | Stage::Ready { .. }
        | Stage::Loaded { .. }
        | Stage::Duplicate { .. }
        | Stage::Tested { .. } => false,
    }
}

fn copy_original(
    original: &Original,
    path: &Path,
    name: String,
    last: bool,
    tree: &mut Tree,
    originals: &mut Originals,
) -> Result<(), BackupError> {
    // The ledger has no hash of an encrypted copy; it is made once, so what it was in the backup before it has to be still.
    let plain = path.extension().is_none();
    let wanted = if plain { Some(original.sha256) } else { tree.before(&name) };
    let put = match tree.put_for_good(&name, path, wanted) {
        // One original that a sick disk does not give keeps the others from no backup. The backup before may have it.
        Err(error) if error.is_unreadable() => {
            tracing::warn!(delivery = %original.id, error = error_chain(&error), "an original cannot be read and is left out of the backup");
            originals.torn.push(original.id);
            if let (Some(wanted), true) = (wanted, last)
                && tree.take_over(&name, wanted)?
            {
                originals.wanted.insert(name);
            }
            return Ok(());
        }
        put => put?,
    };
    let Some(hash) = put else {
        originals.missing.push(original.id);
        return Ok(());
    };
    if wanted.is_some_and(|wanted| wanted != hash) {
        originals.torn.push(original.id);
        if !last {
            // It may have been deleted while it was read.
            tree.forget(&name)?;
            return Ok(());
        }
    }
    originals.wanted.insert(name);
    Ok(())
}

fn copy_host_keys(settings: &Settings, tree: &mut Tree) -> Result<(), BackupError> {
    let folders = [&settings.sftp.host_keys, &settings.sftp.next_host_keys];
    for (to, from) in HOST_KEYS.into_iter().zip(folders) {
        let from = settings.state_dir.join(from);
        for name in tree::names(&from)? {
            tree.put(&format!("{to}/{name}"), &from.join(&name))?;
        }
    }
    Ok(())
}

/// Copies the settings as they were read, by their places below the main file's folder.
fn copy_settings(settings: &Settings, tree: &mut Tree) -> Result<(), BackupError> {
    let beside = settings.file.parent().unwrap_or(Path::new(""));
    for (number, (path, _)) in settings.files.iter().enumerate() {
        let name = match path.strip_prefix(beside).ok().and_then(Path::to_str) {
            Some(name) => name.to_owned(),
            None => format!("elsewhere/{number}-{}", path.file_name().unwrap_or_default().to_string_lossy()),
        };
        tree.put(&format!("{SETTINGS}/{name}"), path)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::Digest;

    #[test]
    fn p7_what_leaked_is_readable_nowhere_once_it_was_encrypted_or_removed() {
        let quarantined = |sealed, discarded| Stage::Quarantined { sealed, discarded };
        //    stage, encrypted, deleted by retention, no readable copy may be left
        let rows = [
            (quarantined(true, false), true, false, true),
            (quarantined(true, false), false, false, false),
            (quarantined(true, true), true, false, true),
            (quarantined(true, true), false, false, true),
            (quarantined(true, false), false, true, true),
            (Stage::HandedBack { sealed: true, mend: None }, true, false, true),
            (Stage::HandedBack { sealed: true, mend: None }, false, false, true),
            (Stage::HandedBack { sealed: false, mend: None }, true, false, false),
            (quarantined(false, false), true, false, false),
            (quarantined(false, true), true, true, false),
            (Stage::Landed, true, false, false),
            (Stage::Tested { accepted: false }, true, true, false),
        ];
        for (stage, encrypts, disposed, expected) in rows {
            let id = DeliveryId::new("2018-12-03T10:15:00Z".parse().unwrap(), [1; 10]);
            let original = Original { id, stage, sha256: Digest([0; 32]), disposed, picture_disposed: false };
            assert_eq!(is_unreadable(&original, encrypts), expected, "{original:?} {encrypts}");
        }
    }

    #[test]
    fn p1_only_what_does_not_fit_three_times_running_is_taken_for_the_truth() {
        let id = |number: u8| DeliveryId::new("2018-12-03T10:15:00Z".parse().unwrap(), [number; 10]);
        // Of each round: what is missing, what is torn, what contradicts; and whether it was the last.
        type Round = (&'static [u8], &'static [u8], &'static [&'static str], bool);
        let rows: [&[Round]; 6] = [
            &[(&[], &[], &[], true)],
            // One that moved, and another one, and another one.
            &[(&[1], &[], &[], false), (&[2], &[], &[], false), (&[3], &[], &[], false), (&[4], &[], &[], false), (&[], &[], &[], true)],
            &[(&[1], &[], &[], false), (&[1], &[], &[], false), (&[1], &[], &[], true)],
            &[(&[1], &[], &[], false), (&[1, 2], &[], &[], false), (&[1, 2], &[], &[], false), (&[1], &[], &[], true)],
            &[
                (&[], &[1], &["a"], false),
                (&[], &[1], &[], false),
                (&[], &[1], &["a"], false),
                (&[], &[1], &["a"], false),
                (&[], &[1], &["a"], true),
            ],
            &[
                (&[1], &[], &[], false),
                (&[], &[], &["a"], false),
                (&[1], &[], &["a"], false),
                (&[1], &[], &["a"], false),
                (&[1], &[], &[], true),
            ],
        ];
        for (number, rounds) in rows.into_iter().enumerate() {
            let mut doubts = Doubts::default();
            for (round, (missing, torn, wrong, expected)) in rounds.iter().enumerate() {
                let ids = |numbers: &[u8]| numbers.iter().map(|number| id(*number)).collect();
                let originals = Originals { missing: ids(missing), torn: ids(torn), ..Originals::default() };
                let wrong: Vec<String> = wrong.iter().map(|words| (*words).to_owned()).collect();
                assert_eq!(doubts.are_settled_by(&wrong, &originals), *expected, "row {number}, round {round}");
            }
        }
        // It ends under any load.
        let mut doubts = Doubts::default();
        let settled = (0_u8..).position(|number| {
            let originals = Originals { missing: vec![id(number)], ..Originals::default() };
            doubts.are_settled_by(&[], &originals)
        });
        assert_eq!(settled, Some(59));
    }
}
