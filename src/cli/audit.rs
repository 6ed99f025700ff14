//! `bedfeed audit`: the trail recomputed, exported, written down elsewhere, and added to.

use super::args::{AuditCheckpoint, AuditExport, AuditNote, AuditVerify};
use super::{Ending, Failure, json, reader, settings};
use crate::feed::Clock;
use crate::ledger::{ChainHead, Checkpoint, Held, Link, Walk};
use crate::service::SystemClock;
use crate::service::control::{Answer, Request, ask};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Largest file of checkpoints in bytes: a hundred years of days.
const MAX_CHECKPOINTS: u64 = 16 << 20;
/// Longest line of an export in bytes: an entry's body is bounded by the limits on findings and names.
const MAX_LINE: u64 = 64 << 20;

/// What a verification found, whether of a ledger or of an export.
struct Verdict {
    /// Number of the first entry that was looked at.
    first: u64,
    chain: Result<ChainHead, String>,
    checkpoints: Vec<(Checkpoint, Held)>,
    contradictions: Vec<String>,
    notes: Vec<String>,
}

/// Recomputes the trail.
pub(super) fn verify(arguments: &AuditVerify, out: &mut dyn Write) -> Result<Ending, Failure> {
    let mut checkpoints = Vec::new();
    for path in &arguments.checkpoints {
        checkpoints.extend(read_checkpoints(path)?);
    }
    let verdict = match &arguments.export {
        Some(path) => verify_export(path, &checkpoints)?,
        None => verify_ledger(arguments, &checkpoints)?,
    };
    let held = verdict.checkpoints.iter().all(|(_, held)| *held == Held::Yes);
    let fine = verdict.chain.is_ok() && held && verdict.contradictions.is_empty();
    if arguments.json {
        json(out, &verdict_json(&verdict, fine))?;
    } else {
        tell(&verdict, fine, out)?;
    }
    Ok(if fine { Ending::Fine } else { Ending::NotFine })
}

/// Writes the trail as JSON lines that any program can verify.
pub(super) fn export(arguments: &AuditExport, out: &mut dyn Write) -> Result<Ending, Failure> {
    let settings = settings(&arguments.config.config)?;
    let reader = reader(&settings)?;
    let mut failed = None;
    let mut write_all = |to: &mut dyn Write| {
        reader.export(arguments.since, |link| {
            let written = serde_json::to_writer(&mut *to, &link).map_err(std::io::Error::from).and_then(|()| to.write_all(b"\n"));
            failed = written.err();
            Ok(failed.is_none())
        })
    };
    match &arguments.out {
        None => write_all(out)?,
        Some(path) => {
            // Names of files as they were sent are in it: its owner's alone, as the ledger is.
            let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
            let mut file = BufWriter::new(file.map_err(|error| Failure::Failed(format!("cannot make {}: {error}", path.display())))?);
            write_all(&mut file)?;
            file.into_inner().map_err(|error| Failure::broken(error.into_error()))?.sync_all()?;
        }
    }
    failed.map_or(Ok(Ending::Fine), |error| Err(error.into()))
}

/// Prints the chain's head, or adds it to a file.
pub(super) fn checkpoint(arguments: &AuditCheckpoint, out: &mut dyn Write) -> Result<Ending, Failure> {
    let settings = settings(&arguments.config.config)?;
    let head = reader(&settings)?.head()?;
    let checkpoint = Checkpoint { at: SystemClock.now(), seq: head.seq, hash: head.hash };
    let line = format!("{}\n", serde_json::to_string(&checkpoint).map_err(Failure::broken)?);
    match &arguments.out {
        None => out.write_all(line.as_bytes())?,
        Some(path) => {
            let mut file = OpenOptions::new()
                .append(true)
                .create(true)
                .open(path)
                .map_err(|error| Failure::Failed(format!("cannot write {}: {error}", path.display())))?;
            file.write_all(line.as_bytes())?;
            file.sync_all()?;
        }
    }
    Ok(Ending::Fine)
}

/// Writes a note into the trail.
pub(super) fn note(arguments: &AuditNote, out: &mut dyn Write) -> Result<Ending, Failure> {
    let settings = settings(&arguments.config.config)?;
    let request = Request::Note { by: arguments.by.clone(), note: arguments.note.clone() };
    match ask(&settings.state_dir, &request).map_err(Failure::broken)? {
        Answer::Done { .. } => {
            if arguments.json {
                json(out, &serde_json::json!({ "noted": arguments.note, "by": arguments.by }))?;
            } else {
                writeln!(out, "noted.")?;
            }
            Ok(Ending::Fine)
        }
        other => Err(Failure::answered(other)),
    }
}

fn verify_ledger(arguments: &AuditVerify, checkpoints: &[Checkpoint]) -> Result<Verdict, Failure> {
    let settings = settings(&arguments.config.config)?;
    let audit = reader(&settings)?.audit(checkpoints)?;
    let mut contradictions = audit.contradictions;
    if !audit.guarded {
        contradictions.push("the triggers that refuse changes to entries are gone; the next start of bedfeed puts them back".to_owned());
    }
    let mut notes = Vec::new();
    if !audit.compared {
        notes.push("the tables made from the entries were not compared: they are an older bedfeed's".to_owned());
    }
    let chain = audit.chain.map_err(|broken| format!("entry {} {}", broken.seq, broken.what));
    Ok(Verdict { first: 1, chain, checkpoints: audit.checkpoints, contradictions, notes })
}

/// Verifies an exported file by itself. It may start in the middle of a chain: what it follows is then taken as given.
fn verify_export(path: &Path, checkpoints: &[Checkpoint]) -> Result<Verdict, Failure> {
    let named = |error: &dyn std::fmt::Display| Failure::Failed(format!("{}: {error}", path.display()));
    let mut lines = BufReader::new(File::open(path).map_err(|error| Failure::unreadable(path, &error))?);
    let (mut walk, mut line, mut number) = (None, String::new(), 0_u64);
    let (mut notes, mut first) = (Vec::new(), 1);
    loop {
        line.clear();
        number = number.saturating_add(1);
        if (&mut lines).take(MAX_LINE).read_line(&mut line).map_err(|error| unread(path, &error))? == 0 {
            break;
        }
        let link: Link = serde_json::from_str(&line).map_err(|error| named(&format!("line {number} is no line of an export: {error}")))?;
        let walk = walk.get_or_insert_with(|| {
            first = link.seq;
            let after = ChainHead { seq: link.seq.saturating_sub(1), hash: link.previous };
            if after != ChainHead::NOTHING {
                notes.push(format!("it starts with entry {}: what came before is taken as given", link.seq));
            }
            Walk::new(after, checkpoints)
        });
        if let Err(broken) = walk.step(&link) {
            let chain = Err(format!("line {number}: entry {} {}", broken.seq, broken.what));
            return Ok(Verdict { first, chain, checkpoints: Vec::new(), contradictions: Vec::new(), notes });
        }
    }
    // Every ledger has entries from its first start on: an export without any is one that failed, or asked for a time to come.
    let (chain, checkpoints) = match walk {
        Some(walk) => (Ok(walk.head()), walk.checkpoints()),
        None => (Err("the export holds no entry: was it cut off, or did it fail?".to_owned()), Vec::new()),
    };
    Ok(Verdict { first, chain, checkpoints, contradictions: Vec::new(), notes })
}

fn read_checkpoints(path: &Path) -> Result<Vec<Checkpoint>, Failure> {
    let named = |what: &str| Failure::Failed(format!("{}: {what}", path.display()));
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(MAX_CHECKPOINTS).read_to_string(&mut text));
    read.map_err(|error| unread(path, &error))?;
    let found = Checkpoint::all_in(&text).map_err(|line| named(&format!("line {line} holds no whole checkpoint")))?;
    if found.is_empty() { Err(named("holds no checkpoint")) } else { Ok(found) }
}

/// A file that cannot be read is no verdict on the trail; one that is no text is.
fn unread(path: &Path, error: &std::io::Error) -> Failure {
    if error.kind() == std::io::ErrorKind::InvalidData {
        Failure::Failed(format!("{}: {error}", path.display()))
    } else {
        Failure::unreadable(path, error)
    }
}

fn verdict_json(verdict: &Verdict, fine: bool) -> serde_json::Value {
    let head = verdict.chain.as_ref().ok();
    let checkpoint = |(checkpoint, held): &(Checkpoint, Held)| serde_json::json!({ "at": checkpoint.at, "seq": checkpoint.seq, "hash": checkpoint.hash, "held": held });
    serde_json::json!({
        "fine": fine,
        "entries": head.map(|head| counted(verdict.first, head)),
        "first": head.map(|_| verdict.first),
        "head": head.map(|head| head.hash),
        "broken": verdict.chain.as_ref().err(),
        "contradictions": verdict.contradictions,
        "checkpoints": verdict.checkpoints.iter().map(checkpoint).collect::<Vec<_>>(),
        "notes": verdict.notes,
    })
}

/// How many entries were looked at. Pure.
fn counted(first: u64, head: &ChainHead) -> u64 {
    head.seq.saturating_add(1).saturating_sub(first)
}

/// The same in words. Pure.
fn entries(first: u64, head: &ChainHead) -> String {
    let count = counted(first, head);
    if first == 1 { format!("{count} entries") } else { format!("{count} entries, {first} to {}", head.seq) }
}

fn tell(verdict: &Verdict, fine: bool, out: &mut dyn Write) -> std::io::Result<()> {
    match &verdict.chain {
        Ok(head) if fine => writeln!(out, "fine: {}, head {}", entries(verdict.first, head), head.hash)?,
        Ok(head) => writeln!(out, "BROKEN: the chain of {} follows, head {}, but:", entries(verdict.first, head), head.hash)?,
        Err(what) => writeln!(out, "BROKEN: {what}")?,
    }
    for line in &verdict.contradictions {
        writeln!(out, "  {line}")?;
    }
    for (checkpoint, held) in verdict.checkpoints.iter().filter(|(_, held)| *held != Held::Yes) {
        let what = match held {
            Held::Yes | Held::Other => "another entry is in its place: the chain was written anew",
            Held::Gone => "the chain ends before it: its tail was cut off",
            Held::Before => "the export starts after it: nothing can be said",
        };
        writeln!(out, "  checkpoint of {} (entry {}): {what}", checkpoint.at, checkpoint.seq)?;
    }
    let kept = verdict.checkpoints.iter().filter(|(_, held)| *held == Held::Yes).count();
    if kept > 0 {
        writeln!(out, "  checkpoints that it holds: {kept}")?;
    }
    verdict.notes.iter().try_for_each(|note| writeln!(out, "  note: {note}"))
}
