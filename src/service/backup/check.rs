//! Checking a backup: every hash, the ledger's chain, and that all four books agree.

use super::tree::{self, Sums};
use super::{BackupError, FORMAT, Form, LEDGER, MANIFEST, MOST_NAMED, Manifest, SUMS, WAREHOUSE, contradictions, form};
use crate::feed::DeliveryId;
use crate::forward::WarehouseMoment;
use crate::ledger::{Moment, Reader};
use crate::quarantine::Store;
use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Largest manifest that is read, in bytes.
const MAX_MANIFEST: u64 = 64 << 20;

/// What a check of a backup found.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Checked {
    /// Which backup.
    pub path: PathBuf,
    /// What it says of itself.
    pub manifest: Manifest,
    /// Files with a hash.
    pub files: usize,
    /// What is wrong with it, in words; nothing where it can be restored.
    pub problems: Vec<String>,
    /// Deliveries whose bytes the machine had lost or damaged when it was taken, and which are whole in it: the backup before had them.
    pub mended: Vec<DeliveryId>,
}

/// Checks the backup that a path names: itself, or the newest one below it. Blocks, and changes nothing.
///
/// # Errors
/// It is no backup, or cannot be read at all.
pub fn check(path: &Path) -> Result<Checked, BackupError> {
    let root = tree::find(path)?;
    let manifest = read_manifest(&root)?;
    let sums = tree::read_sums(&root)?;
    let mut problems = Vec::new();
    if manifest.format != FORMAT {
        problems.push(format!("it calls itself \"{}\", and this bedfeed knows \"{FORMAT}\"", manifest.format));
    }
    for (name, hash) in &sums {
        match File::open(root.join(name)).and_then(|file| tree::hash_of(&file)) {
            Ok((found, _)) if found == *hash => {}
            Ok(_) => problems.push(format!("{name} was changed or is damaged")),
            Err(error) => problems.push(format!("{name} cannot be read: {error}")),
        }
    }
    let mut there = Vec::new();
    files_below(&root, "", &mut there)?;
    problems.extend(there.iter().filter(|name| *name != SUMS && !sums.contains_key(*name)).map(|name| format!("{name} is in no list")));
    // A damaged book would only be found damaged once more.
    let mended = if problems.is_empty() { check_books(&root, &manifest, &sums, &mut problems)? } else { BTreeSet::new() };
    let lost = |ids: &[DeliveryId], how: &str| -> Vec<String> {
        let ids = ids.iter().filter(|id| !mended.contains(id));
        ids.map(|id| format!("the bytes of {id} were {how} when it was taken")).collect()
    };
    problems.extend(lost(&manifest.missing, "missing"));
    problems.extend(manifest.contradictions.iter().map(|words| format!("when it was taken: {words}")));
    problems.extend(lost(&manifest.torn, "damaged"));
    Ok(Checked { path: root, files: sums.len(), problems, mended: mended.iter().copied().collect(), manifest })
}

/// Compares the books with each other and with the originals; gives the deliveries that were lost or damaged at the source and are
/// whole in here.
fn check_books(root: &Path, manifest: &Manifest, sums: &Sums, problems: &mut Vec<String>) -> Result<BTreeSet<DeliveryId>, BackupError> {
    let mut mended = BTreeSet::new();
    let path = root.join(LEDGER);
    let audit = Reader::open(&path)?.audit(&[manifest.ledger])?;
    match &audit.chain {
        Ok(head) if (head.seq, head.hash) == (manifest.ledger.seq, manifest.ledger.hash) => {}
        Ok(_) => problems.push("the ledger's head is not the manifest's".to_owned()),
        Err(broken) => problems.push(format!("the ledger's entry {} {}", broken.seq, broken.what)),
    }
    problems.extend(audit.contradictions);
    let ledger = Moment::hold(&path)?;
    ledger.each_original::<BackupError>(|original| {
        let Some(form) = form(&original.stage).filter(|_| !original.disposed) else { return Ok(()) };
        let plain = |set_aside| sums.get(&Store::name_of(original.id, set_aside, false));
        let sealed = || sums.contains_key(&Store::name_of(original.id, true, true));
        let whole = match form {
            Form::Plain { set_aside } => plain(set_aside) == Some(&original.sha256),
            Form::Sealed => sealed() || plain(true) == Some(&original.sha256),
        };
        let told = manifest.missing.contains(&original.id) || manifest.torn.contains(&original.id);
        if whole && told {
            mended.insert(original.id);
        }
        if !whole && !told && problems.len() < MOST_NAMED {
            problems.push(format!("the bytes of {} are not in it as the ledger knows them", original.id));
        }
        Ok(())
    })?;
    if manifest.warehouse_elsewhere {
        return Ok(mended);
    }
    let warehouse = WarehouseMoment::hold(&root.join(WAREHOUSE))?;
    problems.extend(warehouse.damage()?.map(|damage| format!("the warehouse is damaged: {damage}")));
    problems.extend(contradictions(&ledger.loads()?, &warehouse.snapshots()?, MOST_NAMED));
    Ok(mended)
}

/// What a backup says of itself.
pub(super) fn read_manifest(root: &Path) -> Result<Manifest, BackupError> {
    use std::io::Read as _;
    let path = root.join(MANIFEST);
    let mut text = Vec::new();
    File::open(&path).and_then(|file| file.take(MAX_MANIFEST).read_to_end(&mut text)).map_err(BackupError::io("read", &path))?;
    serde_json::from_slice(&text).map_err(BackupError::Manifest)
}

/// The names of all files below a folder, with `/` between folders.
fn files_below(root: &Path, below: &str, found: &mut Vec<String>) -> Result<(), BackupError> {
    for name in tree::names(&root.join(below))? {
        let name = if below.is_empty() { name } else { format!("{below}/{name}") };
        let path = root.join(&name);
        if path.symlink_metadata().map_err(BackupError::io("read", &path))?.is_dir() {
            files_below(root, &name, found)?;
        } else {
            found.push(name);
        }
    }
    Ok(())
}
