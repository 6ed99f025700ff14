//! The database file: how it is opened, made, brought up to date, and how its errors are sorted.

use super::super::rows::{age_bands, code_lists};
use super::super::statements::{PUT_BAND, PUT_GENDER, PUT_SOURCE, PUT_UNKNOWN};
use super::super::{ForwardError, ForwardErrorKind};
use super::shown;
use crate::fault::{self, Step};
use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _, TransactionBehavior, params};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

/// The version of the tables here. Each kind of warehouse counts its own.
const SCHEMA_VERSION: i64 = 3;
/// What brings a database up to the next version, each with the version it makes.
const MIGRATIONS: &[(i64, &str)] =
    &[(2, "ALTER TABLE ingest_snapshot ADD COLUMN time_rule TEXT"), (3, "ALTER TABLE ingest_snapshot ADD COLUMN place INTEGER")];
/// How long a write waits for another process's lock.
const BUSY: Duration = Duration::from_secs(5);
/// Statements kept prepared: more than there are in this room.
const STATEMENTS: usize = 64;

/// Opens or makes the file, with every setting that durability rests on.
pub(super) fn open_for_writing(path: &Path) -> Result<Connection, ForwardError> {
    let doing = || format!("opening {}", shown(path));
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| ForwardError::unavailable(doing(), error))?;
    }
    // Its owner's alone unless somebody opens it up on purpose; SQLite gives the files beside it the same mode. One that is
    // there already is not opened: closing any descriptor of a file drops all locks that this process has on it, and another
    // connection may have some.
    match std::fs::OpenOptions::new().append(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(ForwardError::unavailable(doing(), error)),
        _ => {}
    }
    let connection = Connection::open(path).map_err(sql(doing()))?;
    refuse_newer(&connection, path)?;
    configure(&connection).map_err(sql(doing()))?;
    // 2 is FULL: with less, a power cut takes back loads that were reported as done.
    let synchronous: i64 = connection.pragma_query_value(None, "synchronous", |row| row.get(0)).map_err(sql(doing()))?;
    let journal: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).map_err(sql(doing()))?;
    if synchronous != 2 || journal != "wal" {
        return Err(ForwardError::refused(format!("{}: SQLite did not take synchronous=FULL with a write-ahead log", doing())));
    }
    // SQLite makes the file but does not report a failed sync of its folder.
    if let Some(folder) = path.parent() {
        std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| ForwardError::unavailable(doing(), error))?;
    }
    Ok(connection)
}

/// Opens an existing file for reading only.
pub(super) fn open_for_reading(path: &Path) -> Result<Connection, ForwardError> {
    let doing = || format!("opening {} for reading", shown(path));
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(sql(doing()))?;
    connection.busy_timeout(BUSY).map_err(sql(doing()))?;
    refuse_newer(&connection, path)?;
    Ok(connection)
}

/// Makes tables where there are none, brings older ones up to date, and makes views and code lists as this version has them.
pub(super) fn prepare(connection: &mut Connection) -> Result<(), ForwardError> {
    let doing = "making the warehouse's tables and views";
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sql(doing))?;
    if let Some(version) = schema_version(&transaction).map_err(sql(doing))? {
        for (made, change) in MIGRATIONS.iter().filter(|(made, _)| *made > version) {
            let doing = format!("bringing the warehouse up to version {made}");
            transaction.execute_batch(change).map_err(sql(doing.as_str()))?;
            transaction.execute("UPDATE schema_version SET version = ?1", [made]).map_err(sql(doing))?;
        }
    } else {
        let objects: i64 = transaction.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0)).map_err(sql(doing))?;
        if objects > 0 {
            return Err(ForwardError::refused(format!("{doing}: the database is not empty and is not a bedfeed warehouse")));
        }
        transaction.execute_batch(include_str!("schema.sql")).map_err(sql(doing))?;
        transaction.execute("INSERT INTO schema_version (version) VALUES (?1)", [SCHEMA_VERSION]).map_err(sql(doing))?;
    }
    transaction.execute_batch(include_str!("../views.sql")).map_err(sql(doing))?;
    fill_code_lists(&transaction).map_err(sql(doing))?;
    // A clock that somebody stopped would show old figures as new.
    override_clock(&transaction, None).map_err(sql(doing))?;
    fault::around(Step::WarehousePrepare, || transaction.commit().map_err(sql(doing)))
}

/// Stops the clock of the views, or lets it go again.
pub(super) fn override_clock(connection: &Connection, now: Option<String>) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM clock_override", [])?;
    if let Some(now) = now {
        connection.execute("INSERT INTO clock_override (only_row, now_utc) VALUES (1, ?1)", [now])?;
    }
    Ok(())
}

/// Sorts an error of SQLite by whether trying again can help: only what is said about the values themselves is final. A
/// table that is gone, a disk that is full or a file that cannot be read is the warehouse's trouble, and will be mended.
pub(in super::super) fn sql(doing: impl Into<String>) -> impl FnOnce(rusqlite::Error) -> ForwardError {
    move |error| {
        let kind = match error.sqlite_error_code() {
            Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig) => ForwardErrorKind::Refused,
            Some(_) | None => ForwardErrorKind::Unavailable,
        };
        ForwardError::new(kind, doing).caused_by(error)
    }
}

/// An instant as the tables hold it.
pub(super) fn utc(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // What is deleted is overwritten, not only forgotten: retention means it.
    connection.pragma_update(None, "secure_delete", true)?;
    // A reader that stays long lets the log grow; give the space back afterwards.
    connection.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(())
}

fn refuse_newer(connection: &Connection, path: &Path) -> Result<(), ForwardError> {
    match schema_version(connection).map_err(sql(format!("reading the version of {}", shown(path))))? {
        Some(version) if version > SCHEMA_VERSION => Err(ForwardError::new(
            ForwardErrorKind::SchemaNewer,
            format!("opening {}, version {version} where this program knows up to {SCHEMA_VERSION}", shown(path)),
        )),
        _ => Ok(()),
    }
}

fn schema_version(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    let table = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'schema_version'";
    if connection.query_row(table, [], |_| Ok(())).optional()?.is_none() {
        return Ok(None);
    }
    connection.query_row("SELECT max(version) FROM schema_version", [], |row| row.get(0))
}

/// The code lists of the dataset, and the UNKNOWN of the local ones.
fn fill_code_lists(connection: &Connection) -> rusqlite::Result<()> {
    let (genders, sources) = code_lists();
    for (put, codes) in [(PUT_GENDER, genders), (PUT_SOURCE, sources)] {
        let mut statement = connection.prepare(put)?;
        for (code, meaning) in codes {
            statement.execute([code, meaning])?;
        }
    }
    let mut bands = connection.prepare(PUT_BAND)?;
    for (code, meaning, low, high) in age_bands() {
        bands.execute(params![code, meaning, low, high])?;
    }
    connection.execute_batch(PUT_UNKNOWN)
}
