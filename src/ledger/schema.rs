//! Schema: opening `ledger.db`, its tables, and what can go wrong with it.

use super::{kept, silences, sound};
use crate::fault::{self, Injected, Step};
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The version of the tables below. A newer file is refused: an older bedfeed would not know what it means.
pub const SCHEMA_VERSION: i64 = 5;

/// How long a connection waits for another one's lock. Only a backup or a person with `sqlite3` ever holds one.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Why the ledger cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The file cannot be opened.
    #[error("cannot open the ledger {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        #[source]
        source: rusqlite::Error,
    },
    /// The file is not what bedfeed wrote.
    #[error(
        "the ledger {path} is damaged: {what}. It was not touched. Move the whole state folder, and the warehouse, out of the way, keep them, and run `bedfeed restore` with the newest backup"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// Another program holds the file's lock.
    #[error("the ledger {path} is locked by another program, such as a backup or somebody with sqlite3: end that, then start again")]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be made or written.
    #[error("cannot make or write the ledger {path}")]
    Create {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file was written by a later bedfeed.
    #[error("the ledger {path} has schema {found}, this bedfeed knows up to {SCHEMA_VERSION}; install the newer bedfeed again")]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema version.
        found: i64,
    },
    /// The settings that make commits durable did not take.
    #[error("the ledger {path} cannot be made durable: {what}")]
    NotDurable {
        /// The file.
        path: PathBuf,
        /// Which setting.
        what: &'static str,
    },
    /// An append could not be committed; nothing of it was recorded.
    #[error("cannot append to the ledger{}", advice(.0))]
    Append(#[source] rusqlite::Error),
    /// A delivery may not move like that; nothing was recorded.
    #[error(transparent)]
    IllegalMove(#[from] super::IllegalMove),
    /// A query failed.
    #[error("cannot read the ledger{}", advice(.0))]
    Read(#[source] rusqlite::Error),
    /// A stored text is not what was once written.
    #[error("the ledger holds something unreadable: {what}; run `bedfeed audit verify`")]
    Unreadable {
        /// What was being read.
        what: String,
    },
    /// The writer thread is gone: the daemon is stopping.
    #[error("the ledger is closed")]
    Closed,
}

impl LedgerError {
    /// Whether it means that the file is damaged: nothing that is asked of it will work again.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Damaged { .. } => true,
            Self::Open { source, .. } | Self::Append(source) | Self::Read(source) => sound::is_damage(source),
            _ => false,
        }
    }
}

/// What to do about an error of SQLite's, where the file itself is the reason.
fn advice(source: &rusqlite::Error) -> &'static str {
    if sound::is_damage(source) { ", for the file is damaged: start bedfeed again, which says what to do" } else { "" }
}

impl From<Injected> for rusqlite::Error {
    fn from(fault: Injected) -> Self {
        Self::ToSqlConversionFailure(Box::new(fault))
    }
}

impl From<Injected> for LedgerError {
    fn from(fault: Injected) -> Self {
        Self::Append(fault.into())
    }
}

const TABLES: &str = "
-- The record. Times are RFC 3339 UTC; bodies are JSON; hash covers the previous hash and this entry.
CREATE TABLE IF NOT EXISTS entry (
    seq      INTEGER PRIMARY KEY,
    at       TEXT NOT NULL,
    delivery TEXT,
    body     TEXT NOT NULL,
    hash     BLOB NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS entry_delivery ON entry (delivery, seq) WHERE delivery IS NOT NULL;
CREATE TRIGGER IF NOT EXISTS entry_is_never_changed BEFORE UPDATE ON entry
    BEGIN SELECT raise(ABORT, 'ledger entries are never changed'); END;
CREATE TRIGGER IF NOT EXISTS entry_is_never_deleted BEFORE DELETE ON entry
    BEGIN SELECT raise(ABORT, 'ledger entries are never deleted'); END;

-- Derived from the record in the same transaction; could be made again from it.
CREATE TABLE IF NOT EXISTS delivery (
    id          TEXT PRIMARY KEY,
    provider    TEXT NOT NULL,
    folder      TEXT NOT NULL,
    name        TEXT NOT NULL,
    sha256      TEXT NOT NULL,
    received_at TEXT NOT NULL,
    facts       TEXT NOT NULL,
    outcome     TEXT NOT NULL,
    stage       TEXT NOT NULL,
    moved_at    TEXT NOT NULL,
    report      TEXT,
    note        TEXT,
    slot        TEXT,
    version     INTEGER,
    lead        TEXT,
    released    INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX IF NOT EXISTS delivery_pending ON delivery (provider, id) WHERE outcome = 'pending';
CREATE INDEX IF NOT EXISTS delivery_by_time ON delivery (provider, received_at);
CREATE INDEX IF NOT EXISTS delivery_by_arrival ON delivery (received_at);
-- What is pending or in quarantine is little among years of what was loaded.
CREATE INDEX IF NOT EXISTS delivery_by_outcome ON delivery (outcome, received_at);
CREATE INDEX IF NOT EXISTS delivery_by_move ON delivery (moved_at);
CREATE INDEX IF NOT EXISTS delivery_by_name ON delivery (provider, folder, name, received_at);
CREATE UNIQUE INDEX IF NOT EXISTS delivery_snapshot ON delivery (provider, slot, version) WHERE lead = id;
CREATE TABLE IF NOT EXISTS feed (
    provider   TEXT PRIMARY KEY,
    first_slot TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS episode (
    key       TEXT PRIMARY KEY,
    provider  TEXT NOT NULL,
    episode   TEXT NOT NULL,
    opened_at TEXT NOT NULL,
    closed_at TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS episode_by_opening ON episode (opened_at);
CREATE INDEX IF NOT EXISTS episode_open ON episode (provider) WHERE closed_at IS NULL;
CREATE TABLE IF NOT EXISTS house_episode (
    key       TEXT PRIMARY KEY,
    episode   TEXT NOT NULL,
    opened_at TEXT NOT NULL,
    closed_at TEXT
) STRICT;
CREATE TABLE IF NOT EXISTS replay (
    key        TEXT PRIMARY KEY,
    provider   TEXT NOT NULL,
    from_slot  TEXT NOT NULL,
    to_slot    TEXT NOT NULL,
    asked_at   TEXT NOT NULL,
    ended_at   TEXT,
    unchanged  INTEGER
) STRICT;
CREATE INDEX IF NOT EXISTS replay_open ON replay (asked_at) WHERE ended_at IS NULL;
-- What was read again: with a version where it says something else, with a reason where it keeps what it has.
CREATE TABLE IF NOT EXISTS replayed (
    replay   TEXT NOT NULL,
    lead     TEXT NOT NULL,
    provider TEXT,
    slot     TEXT,
    version  INTEGER,
    report   TEXT,
    why      TEXT,
    at       TEXT NOT NULL,
    loaded   INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (replay, lead)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS replayed_waiting ON replayed (provider, slot) WHERE version IS NOT NULL AND loaded = 0;
CREATE INDEX IF NOT EXISTS replayed_lead ON replayed (lead);
CREATE TABLE IF NOT EXISTS outbox (
    id           INTEGER PRIMARY KEY,
    key          TEXT NOT NULL,
    channel      TEXT NOT NULL,
    message      TEXT NOT NULL,
    attempts     INTEGER NOT NULL DEFAULT 0,
    next_at      TEXT NOT NULL,
    error        TEXT,
    delivered_at TEXT,
    UNIQUE (key, channel)
) STRICT;
-- When bedfeed was not running.
CREATE TABLE IF NOT EXISTS away (
    until_at TEXT PRIMARY KEY,
    from_at  TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS client (
    provider TEXT NOT NULL,
    key      TEXT NOT NULL,
    software TEXT NOT NULL,
    host_key TEXT NOT NULL,
    seen_at  TEXT NOT NULL,
    facts    TEXT NOT NULL,
    UNIQUE (provider, key, software, host_key)
) STRICT;
CREATE TABLE IF NOT EXISTS settings_file (
    name   TEXT PRIMARY KEY,
    sha256 TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS outbox_due ON outbox (channel, next_at) WHERE delivered_at IS NULL;
";

/// What makes the tables where there are none. An audit makes them anew, to see what the entries say.
pub(super) fn tables() -> String {
    format!("{TABLES} {} {}", kept::TABLES, silences::TABLES)
}

/// Opens the ledger for writing; makes it where there is none.
pub(super) fn open_to_write(path: &Path) -> Result<Connection, LedgerError> {
    let failed = |source| sound::opening(path, source);
    keep_to_ourselves(path).map_err(|source| LedgerError::Create { path: path.to_owned(), source })?;
    let connection = Connection::open(path).map_err(failed)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    // Before anything is changed in it.
    let found = version(&connection).map_err(failed)?;
    if found > SCHEMA_VERSION {
        return Err(LedgerError::Newer { path: path.to_owned(), found });
    }
    sound::check(&connection, path)?;
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).map_err(failed)?;
    if !mode.eq_ignore_ascii_case("wal") {
        return Err(LedgerError::NotDurable { path: path.to_owned(), what: "the write-ahead log cannot be used on this file system" });
    }
    // FULL, not the usual NORMAL: NORMAL loses acknowledged commits in a power cut (measured: 20 of 20).
    connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;").map_err(failed)?;
    let synchronous: i64 = connection.query_row("PRAGMA synchronous", [], |row| row.get(0)).map_err(failed)?;
    if synchronous != 2 {
        return Err(LedgerError::NotDurable { path: path.to_owned(), what: "synchronous = FULL was not accepted" });
    }
    let script = format!("BEGIN IMMEDIATE; {} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;", tables());
    fault::around(Step::LedgerPrepare, || connection.execute_batch(&script)).map_err(failed)?;
    Ok(connection)
}

/// Makes the file readable by its owner alone before anything is in it; SQLite gives the files beside it the same mode.
///
/// One that is there already is not opened: closing any descriptor of a file drops all locks that this process has on it, and
/// another connection may have some.
pub(super) fn keep_to_ourselves(path: &Path) -> io::Result<()> {
    match OpenOptions::new().append(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Opens the ledger for reading; it must exist. Works beside a running daemon and without one.
pub(super) fn open_to_read(path: &Path) -> Result<Connection, LedgerError> {
    let failed = |source| sound::opening(path, source);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let mut connection = Connection::open_with_flags(uri(path, ""), flags).map_err(failed)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    let mut found = version(&connection);
    if found.as_ref().is_err_and(|error| error.sqlite_error_code() == Some(ErrorCode::CannotOpen)) && is_folded_in(path) {
        // A folder that cannot be written, such as a disk gone read-only or a backup: nothing changes under our eyes there,
        // and SQLite need not make its files beside the ledger.
        connection = Connection::open_with_flags(uri(path, "?immutable=1"), flags).map_err(failed)?;
        found = version(&connection);
    }
    let found = found.map_err(failed)?;
    if found > SCHEMA_VERSION {
        return Err(LedgerError::Newer { path: path.to_owned(), found });
    }
    Ok(connection)
}

/// The version of a ledger's tables.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// A path as SQLite's own address for it, so that options can follow.
pub(super) fn uri(path: &Path, options: &str) -> String {
    use std::os::unix::ffi::OsStrExt;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'-' | b'_' | b'~');
    let text = |byte: &u8| if plain(*byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") };
    format!("file:{}{options}", path.as_os_str().as_bytes().iter().map(text).collect::<String>())
}

/// Whether everything is in the ledger's own file: no write-ahead log lies beside it.
fn is_folded_in(path: &Path) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    std::fs::metadata(log).map_or(true, |log| log.len() == 0)
}
