//! Soundness: what is looked at before a ledger is written to, and what is said where it cannot be.
//!
//! Owns three looks at the start: is it a ledger, do its newest entries still hash to their chain, and is the file whole. Refuses to
//! mend: a ledger that is not what was written must be replaced by a person.

use super::schema::LedgerError;
use super::{ChainHead, chain};
use crate::feed::Digest;
use rusqlite::{Connection, ErrorCode, OptionalExtension};
use std::path::Path;

/// Entries whose hashes are recomputed at each start: what a power cut can reach, many times over, in some milliseconds.
const TAIL: u64 = 1000;

/// Bytes up to which the whole file is looked at even after a stop in good order: some seconds, 3 a GiB once in memory. Disks spoil
/// files while nobody writes to them, too.
const SOON_READ: u64 = 2 << 30;

/// Whether SQLite says that the file is not what it wrote.
pub(super) fn is_damage(source: &rusqlite::Error) -> bool {
    matches!(source.sqlite_error_code(), Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt))
}

/// What SQLite's error means for whoever has to do something about it.
pub(super) fn opening(path: &Path, source: rusqlite::Error) -> LedgerError {
    let path = path.to_owned();
    match source.sqlite_error_code() {
        _ if is_damage(&source) => LedgerError::Damaged { path, what: source.to_string() },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => LedgerError::Locked { path },
        _ => LedgerError::Open { path, source },
    }
}

/// Refuses a file that is not what bedfeed wrote. Nothing was written to it before.
pub(super) fn check(connection: &Connection, path: &Path) -> Result<(), LedgerError> {
    let failed = |source| opening(path, source);
    let damaged = |what: String| LedgerError::Damaged { path: path.to_owned(), what };
    let has = |what: &str| -> rusqlite::Result<bool> {
        connection.query_row(&format!("SELECT count(*) > 0 FROM sqlite_master WHERE {what}"), [], |row| row.get(0))
    };
    if !has("name = 'entry'").map_err(failed)? {
        return if has("true").map_err(failed)? { Err(damaged("it is a database of something else".to_owned())) } else { Ok(()) };
    }
    check_tail(connection).map_err(failed)?.map_err(damaged)?;
    let bytes: u64 = connection
        .query_row("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()", [], |row| row.get(0))
        .map_err(failed)?;
    // Of a larger one the time is worth it after a crash, and no reason to be away longer at each planned restart.
    if bytes > SOON_READ && stopped_in_good_order(connection).map_err(failed)? {
        return Ok(());
    }
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(failed)?;
    if verdict == "ok" { Ok(()) } else { Err(damaged(verdict.replace('\n', " "))) }
}

fn stopped_in_good_order(connection: &Connection) -> rusqlite::Result<bool> {
    let newest: Option<String> =
        connection.query_row("SELECT body FROM entry ORDER BY seq DESC LIMIT 1", [], |row| row.get(0)).optional()?;
    Ok(newest.is_none_or(|body| body == r#"{"event":"stopped"}"#))
}

/// Recomputes the newest part of the chain; the inner error says what does not fit.
fn check_tail(connection: &Connection) -> rusqlite::Result<Result<(), String>> {
    let mut statement = connection.prepare("SELECT seq, at, body, hash FROM entry ORDER BY seq DESC LIMIT ?1")?;
    let read =
        |row: &rusqlite::Row<'_>| Ok((row.get::<_, u64>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?, Digest(row.get(3)?)));
    let mut tail = statement.query_map([TAIL + 1], read)?.collect::<rusqlite::Result<Vec<_>>>()?;
    tail.reverse();
    // The oldest one read is only what the next one follows, unless it is the first of all.
    let begin = match tail.first() {
        Some((1, ..)) | None => ChainHead { seq: 0, hash: Digest([0; 32]) },
        Some((seq, _, _, hash)) => ChainHead { seq: *seq, hash: *hash },
    };
    let mut head = begin;
    for (seq, at, body, hash) in tail.iter().filter(|(seq, ..)| *seq > begin.seq) {
        if *seq != head.seq.saturating_add(1) {
            return Ok(Err(format!("entry {} is missing", head.seq.saturating_add(1))));
        }
        if chain::hash(head.hash, *seq, at, body) != *hash {
            return Ok(Err(format!("entry {seq} is not what was recorded")));
        }
        head = ChainHead { seq: *seq, hash: *hash };
    }
    Ok(Ok(()))
}
