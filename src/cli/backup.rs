//! `bedfeed backup` and `bedfeed restore`.

use super::args::{Backup, BackupCommand, BackupVerify, Restore};
use super::{Ending, Failure, json, runtime, settings};
use crate::feed::Clock;
use crate::service::{SystemClock, backup};
use std::io::Write;
use std::path::Path;

/// Takes a backup, or checks one.
pub(super) fn backup(arguments: &Backup, out: &mut dyn Write) -> Result<Ending, Failure> {
    if let Some(BackupCommand::Verify(verify)) = &arguments.command {
        return check(verify, out);
    }
    let Some(dir) = &arguments.dir else { return Err(Failure::Arguments("name a folder for backups".to_owned())) };
    let settings = settings(&arguments.config.config)?;
    let keep = usize::try_from(arguments.keep).unwrap_or(usize::MAX);
    let taken = backup::take(&settings, dir, keep, SystemClock.now()).map_err(Failure::broken)?;
    let manifest = &taken.manifest;
    if arguments.json {
        json(out, &taken)?;
    } else {
        writeln!(
            out,
            "{}: {} deliveries, {} ledger entries. {} files copied ({} bytes), {} shared with the backup before it, \
             {} old backups removed.",
            taken.path.display(),
            manifest.deliveries,
            manifest.ledger.seq,
            taken.copied,
            taken.copied_bytes,
            taken.shared,
            taken.removed,
        )?;
        for id in &manifest.missing {
            writeln!(out, "  MISSING: the stored bytes of {id} are not there")?;
        }
        for id in &manifest.torn {
            writeln!(out, "  DAMAGED: the stored bytes of {id} are not those that came: check the disk")?;
        }
        for name in &taken.damaged_before {
            writeln!(out, "  DAMAGED: {name} in the backup before it; here it was copied anew: check the disk of the backups")?;
        }
        for words in &manifest.contradictions {
            writeln!(out, "  CONTRADICTION: {words}")?;
        }
        if manifest.warehouse_elsewhere {
            writeln!(out, "  note: the warehouse is on a server and not in this backup; the ledger and the originals are")?;
        }
    }
    Ok(if manifest.is_whole() && taken.damaged_before.is_empty() { Ending::Fine } else { Ending::NotFine })
}

/// Restores a backup.
pub(super) fn restore(arguments: &Restore, out: &mut dyn Write) -> Result<Ending, Failure> {
    let settings = settings(&arguments.config.config)?;
    is_there(&arguments.dir)?;
    let restoring = backup::restore(&settings, &arguments.dir, arguments.in_spite_of_problems, SystemClock.now());
    let restored = runtime()?.block_on(restoring).map_err(Failure::broken)?;
    if arguments.json {
        json(out, &restored)?;
    } else {
        let manifest = &restored.from.manifest;
        writeln!(
            out,
            "{} is restored into {}: {} files, {} bytes, {} deliveries.",
            restored.from.path.display(),
            restored.state_dir.display(),
            restored.files,
            restored.bytes,
            manifest.deliveries,
        )?;
        for words in &restored.left_out {
            writeln!(out, "  LEFT OUT: {words}")?;
        }
        writeln!(
            out,
            "What was acknowledged after {} is not in it: ask the providers to send it again. What was in it already counts as a \
             duplicate.",
            manifest.taken_at.strftime("%Y-%m-%d %H:%M:%S UTC"),
        )?;
    }
    Ok(Ending::Fine)
}

/// A folder that cannot be read is no verdict on a backup.
fn is_there(dir: &Path) -> Result<(), Failure> {
    std::fs::read_dir(dir).map(drop).map_err(|error| Failure::unreadable(dir, &error))
}

fn check(arguments: &BackupVerify, out: &mut dyn Write) -> Result<Ending, Failure> {
    is_there(&arguments.dir)?;
    let checked = backup::check(&arguments.dir).map_err(Failure::broken)?;
    let fine = checked.problems.is_empty();
    if arguments.json {
        json(out, &serde_json::json!({ "fine": fine, "backup": checked }))?;
    } else {
        let verdict = if fine { "fine" } else { "NOT FINE" };
        writeln!(
            out,
            "{verdict}: {}, taken at {}, {} files, {} deliveries, ledger entry {}",
            checked.path.display(),
            checked.manifest.taken_at,
            checked.files,
            checked.manifest.deliveries,
            checked.manifest.ledger.seq
        )?;
        for problem in &checked.problems {
            writeln!(out, "  {problem}")?;
        }
        for id in &checked.mended {
            writeln!(out, "  note: the machine had lost or damaged the bytes of {id}; here they are as they came")?;
        }
    }
    Ok(if fine { Ending::Fine } else { Ending::NotFine })
}
