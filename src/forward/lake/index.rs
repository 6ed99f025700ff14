//! What the index (`lake.db`) knows of the lake: which of its content is written there, and which waits.
//!
//! The index has a warehouse's own tables, and beside them these: a day of slots, or a table of reference data, is a *part* of the lake.
//! Triggers note in the same transaction that a part is not what the lake has any more, so no crash can forget it.

use super::super::ForwardError;
use super::super::sqlite::trouble as sql;
use super::parquet_file::Cell;
use super::tables::{CENSUS, Column, FACTS, REFERENCE, SNAPSHOT, SUMS, Table};
use crate::feed::Digest;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};
use std::collections::{BTreeMap, BTreeSet};

/// The part that all reference data are.
pub(super) const REFERENCE_PART: &str = "reference";

/// What is noted. `lake_place.trying`: a place where a lake is being begun. `lake_object.state`: see [`State`];
/// `lake_object.last_named`: the last manifest that names it. `lake_turn`: what this index said last, and what it was about to say, in the
/// object that tells who wrote into the lake last.
const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS lake_place (place TEXT, trying TEXT, script TEXT) STRICT;
    CREATE TABLE IF NOT EXISTS lake_waits (part TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS lake_snapshot (snapshot_id TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS lake_object (name TEXT PRIMARY KEY, part TEXT NOT NULL, of TEXT NOT NULL, snapshot_id TEXT,
      rows INTEGER NOT NULL, bytes INTEGER NOT NULL, sha256 TEXT NOT NULL, state INTEGER NOT NULL DEFAULT 0,
      last_named INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS lake_object_by_part ON lake_object (part);
    CREATE INDEX IF NOT EXISTS lake_object_by_snapshot ON lake_object (snapshot_id);
    CREATE TABLE IF NOT EXISTS lake_manifest (part TEXT PRIMARY KEY, number INTEGER NOT NULL, content TEXT NOT NULL,
      oldest INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS lake_intent (part TEXT NOT NULL, number INTEGER NOT NULL, sha256 TEXT NOT NULL,
      PRIMARY KEY (part, number, sha256)) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS lake_turn (noted TEXT, intended TEXT) STRICT;
    CREATE TRIGGER IF NOT EXISTS lake_drop AFTER DELETE ON ingest_snapshot BEGIN
      UPDATE lake_object SET state = 2 WHERE snapshot_id = OLD.snapshot_id;
      DELETE FROM lake_snapshot WHERE snapshot_id = OLD.snapshot_id;
    END;";

/// Everything waits, and nothing of the lake is known.
const FORGET: &str = "
    DELETE FROM lake_snapshot; DELETE FROM lake_object; DELETE FROM lake_manifest; DELETE FROM lake_intent; DELETE FROM lake_waits;
    UPDATE lake_turn SET noted = NULL, intended = NULL;
    INSERT INTO lake_waits SELECT DISTINCT substr(slot_utc, 1, 10) FROM ingest_snapshot;";

/// How far an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It is about to be put, or was and the answer is not known.
    Intended,
    /// It is there.
    There,
    /// Its snapshot was dropped; its name may come again with other rows.
    Gone,
}

/// An object as it is noted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Object {
    pub(super) name: String,
    /// The table whose rows it has.
    pub(super) of: String,
    pub(super) snapshot_id: Option<String>,
    pub(super) rows: i64,
    pub(super) bytes: i64,
    pub(super) sha256: String,
}

/// The manifest of a part that stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) number: i64,
    /// The hash of what it says but for its number.
    pub(super) content: String,
    /// The oldest number that may still be there.
    pub(super) oldest: i64,
}

/// A row of a manifest.
pub(super) type Row = Vec<Cell>;

/// A snapshot of a day, as it is to be in the lake.
pub(super) struct Present {
    pub(super) id: String,
    pub(super) row: Row,
    pub(super) sums: Row,
    /// The tables that it has rows of.
    pub(super) of: Vec<&'static Table>,
}

/// Makes what is missing of these tables and of the triggers.
pub(super) fn prepare(connection: &mut Connection) -> Result<(), ForwardError> {
    let doing = "preparing the lake's index";
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sql(doing))?;
    transaction.execute_batch(TABLES).map_err(sql(doing))?;
    transaction.execute_batch(&triggers()).map_err(sql(doing))?;
    let first = "INSERT INTO lake_place SELECT NULL, NULL, NULL WHERE NOT EXISTS (SELECT 1 FROM lake_place)";
    transaction.execute(first, []).map_err(sql(doing))?;
    let first = "INSERT INTO lake_turn SELECT NULL, NULL WHERE NOT EXISTS (SELECT 1 FROM lake_turn)";
    transaction.execute(first, []).map_err(sql(doing))?;
    transaction.commit().map_err(sql(doing))
}

/// What notes that a part waits. Not by `OR IGNORE`: in a trigger the statement's own word for conflicts holds.
fn triggers() -> String {
    let mut text = String::new();
    let mut note = |name: &str, event: &str, table: &str, part: &str| {
        text += &format!(
            "CREATE TRIGGER IF NOT EXISTS lake_{name}_{table} AFTER {event} ON {table} BEGIN
               INSERT INTO lake_waits SELECT part FROM (SELECT {part}) WHERE part NOT IN (SELECT part FROM lake_waits);
             END;"
        );
    };
    for table in &REFERENCE {
        for event in ["INSERT", "UPDATE", "DELETE"] {
            note(event, event, table.name, &format!("'{}' AS part", table.name));
        }
    }
    for (event, row) in [("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD")] {
        note(event, event, "ingest_snapshot", &format!("substr({row}.slot_utc, 1, 10) AS part"));
    }
    for table in &FACTS {
        let day = "substr(slot_utc, 1, 10) AS part FROM ingest_snapshot WHERE snapshot_key = OLD.snapshot_key";
        note("DELETE", "DELETE", table.name, day);
    }
    text
}

/// Where the lake is that this index belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// `None`: there is none yet.
    pub(super) place: Option<String>,
    /// Where one is being begun.
    pub(super) trying: Option<String>,
    /// The hash of the script that lies in it.
    pub(super) script: Option<String>,
}

/// Reads where the lake is.
pub(super) fn place(connection: &Connection) -> Result<Place, ForwardError> {
    let read = |row: &rusqlite::Row<'_>| Ok(Place { place: row.get(0)?, trying: row.get(1)?, script: row.get(2)? });
    connection.query_row("SELECT place, trying, script FROM lake_place", [], read).map_err(sql("reading the lake's index"))
}

/// Notes where a lake is being begun; `None`: nowhere after all.
pub(super) fn note_trying(connection: &Connection, place: Option<&str>) -> Result<(), ForwardError> {
    connection.execute("UPDATE lake_place SET trying = ?1", [place]).map(drop).map_err(sql("noting where a lake is begun"))
}

/// Notes that the lake is begun, in an empty place: everything waits to be written there.
pub(super) fn note_begun(connection: &mut Connection, place: &str) -> Result<(), ForwardError> {
    let doing = "noting that the lake is begun";
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sql(doing))?;
    transaction.execute_batch(FORGET).map_err(sql(doing))?;
    for table in &REFERENCE {
        transaction.execute("INSERT INTO lake_waits VALUES (?1)", [table.name]).map_err(sql(doing))?;
    }
    transaction.execute("UPDATE lake_place SET place = ?1, trying = NULL, script = NULL", [place]).map_err(sql(doing))?;
    transaction.commit().map_err(sql(doing))
}

/// What this index said in the lake of who wrote there last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Turn {
    /// What stands there, unless what is intended does.
    pub(super) noted: Option<String>,
    /// What was about to be put.
    pub(super) intended: Option<String>,
}

/// Reads what was said last.
pub(super) fn turn(connection: &Connection) -> Result<Turn, ForwardError> {
    let read = |row: &rusqlite::Row<'_>| Ok(Turn { noted: row.get(0)?, intended: row.get(1)? });
    connection.query_row("SELECT noted, intended FROM lake_turn", [], read).map_err(sql("reading who wrote into the lake last"))
}

/// Notes, before it is put, what will be said: should the answer be lost, it is known again.
pub(super) fn intend_turn(connection: &Connection, turn: &str) -> Result<(), ForwardError> {
    connection.execute("UPDATE lake_turn SET intended = ?1", [turn]).map(drop).map_err(sql("noting who is about to write into the lake"))
}

/// Notes what stands.
pub(super) fn note_turn(connection: &Connection, turn: &str) -> Result<(), ForwardError> {
    let note = "UPDATE lake_turn SET noted = ?1, intended = NULL WHERE noted IS NOT ?1 OR intended IS NOT NULL";
    connection.execute(note, [turn]).map(drop).map_err(sql("noting who wrote into the lake"))
}

/// Notes which script lies in the lake.
pub(super) fn note_script(connection: &Connection, hash: &str) -> Result<(), ForwardError> {
    connection.execute("UPDATE lake_place SET script = ?1", [hash]).map(drop).map_err(sql("noting the lake's script"))
}

/// Whether a snapshot is in a manifest that stands.
pub(super) fn holds(connection: &Connection, snapshot_id: &str) -> rusqlite::Result<bool> {
    connection.prepare_cached("SELECT 1 FROM lake_snapshot WHERE snapshot_id = ?1")?.exists([snapshot_id])
}

/// The parts that wait: reference tables, and days.
pub(super) fn waiting(connection: &Connection) -> Result<(BTreeSet<String>, BTreeSet<String>), ForwardError> {
    let read = || {
        let mut statement = connection.prepare_cached("SELECT part FROM lake_waits")?;
        statement.query_map([], |row| row.get::<_, String>(0))?.collect::<rusqlite::Result<BTreeSet<_>>>()
    };
    let parts = read().map_err(sql("reading what the lake waits for"))?;
    Ok(parts.into_iter().partition(|part| REFERENCE.iter().any(|table| table.name == part)))
}

/// The days of which something is dropped and not gone yet.
pub(super) fn days_with_dropped(connection: &Connection) -> Result<BTreeSet<String>, ForwardError> {
    let read = || {
        let mut statement = connection.prepare_cached("SELECT DISTINCT part FROM lake_object WHERE state = 2")?;
        statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()
    };
    read().map_err(sql("looking for what was dropped"))
}

/// Takes parts off the list of those that wait.
pub(super) fn note_done<'p>(connection: &Connection, parts: impl IntoIterator<Item = &'p String>) -> Result<(), ForwardError> {
    let mut statement = connection.prepare_cached("DELETE FROM lake_waits WHERE part = ?1").map_err(sql("noting what is done"))?;
    parts.into_iter().try_for_each(|part| statement.execute([part]).map(drop)).map_err(sql("noting what is done"))
}

/// The snapshots of a day as they are to be, in the order of their ids.
pub(super) fn day(connection: &Connection, day: &str) -> Result<Vec<Present>, ForwardError> {
    let exists: Vec<String> = FACTS.iter().map(Table::exists).collect();
    let statement = format!(
        "SELECT {}, {} FROM ingest_snapshot AS s LEFT JOIN agg_org_slot AS a USING (snapshot_key)
           LEFT JOIN ingest_snapshot AS b ON b.snapshot_key = s.superseded_by
         WHERE s.slot_utc >= ?1 AND s.slot_utc < ?1 || 'U' ORDER BY s.snapshot_id",
        expressions(&[&SNAPSHOT, &SUMS]),
        exists.join(", ")
    );
    let rows = cells(connection, &statement, &[day])?;
    Ok(rows.into_iter().filter_map(present).collect())
}

fn present(mut row: Row) -> Option<Present> {
    let of = row.split_off(SNAPSHOT.len().saturating_add(SUMS.len()));
    let sums = row.split_off(SNAPSHOT.len());
    let Some(Cell::Text(id)) = row.first().cloned() else { return None };
    let of = FACTS.iter().zip(of).filter(|(_, there)| *there == Cell::Whole(1)).map(|(table, _)| table);
    Some(Present { id, row, sums, of: of.collect() })
}

/// The census that a day's snapshots made.
pub(super) fn census(connection: &Connection, day: &str) -> Result<Vec<Row>, ForwardError> {
    let statement = format!(
        "SELECT {} FROM ingest_snapshot AS s JOIN census_daily AS c USING (snapshot_key)
         WHERE s.slot_utc >= ?1 AND s.slot_utc < ?1 || 'U' ORDER BY 1, 2, 3, 4",
        expressions(&[&CENSUS])
    );
    cells(connection, &statement, &[day])
}

/// The rows of a table: all of reference data, or those of a snapshot.
pub(super) fn rows(connection: &Connection, table: &Table, snapshot_id: Option<&str>) -> Result<Vec<Row>, ForwardError> {
    cells(connection, &table.select(), snapshot_id.as_slice())
}

fn expressions(columns: &[&[Column]]) -> String {
    columns.concat().iter().map(|(_, expression)| *expression).collect::<Vec<_>>().join(", ")
}

fn cells(connection: &Connection, statement: &str, parameters: &[&str]) -> Result<Vec<Row>, ForwardError> {
    let read = || {
        let mut statement = connection.prepare_cached(statement)?;
        let count = statement.column_count();
        let cell = |value| match value {
            Value::Null => Ok(Cell::Null),
            Value::Integer(whole) => Ok(Cell::Whole(whole)),
            Value::Text(text) => Ok(Cell::Text(text)),
            Value::Real(_) | Value::Blob(_) => Err(rusqlite::Error::InvalidQuery),
        };
        let rows = statement.query_map(rusqlite::params_from_iter(parameters), |row| (0..count).map(|at| cell(row.get(at)?)).collect())?;
        rows.collect::<rusqlite::Result<Vec<Row>>>()
    };
    read().map_err(sql("reading back what goes into the lake"))
}

/// The objects of a part that are noted, by name.
pub(super) fn objects(connection: &Connection, part: &str) -> Result<BTreeMap<String, (Object, State)>, ForwardError> {
    let read = || {
        let mut statement =
            connection.prepare_cached("SELECT name, of, snapshot_id, rows, bytes, sha256, state FROM lake_object WHERE part = ?1")?;
        let object = |row: &rusqlite::Row<'_>| {
            let state = match row.get(6)? {
                0 => State::Intended,
                1 => State::There,
                _ => State::Gone,
            };
            Ok((row.get(0)?, (object(row)?, state)))
        };
        statement.query_map([part], object)?.collect::<rusqlite::Result<_>>()
    };
    read().map_err(sql("reading the lake's objects"))
}

fn object(row: &rusqlite::Row<'_>) -> rusqlite::Result<Object> {
    let (name, of, snapshot_id) = (row.get(0)?, row.get(1)?, row.get(2)?);
    Ok(Object { name, of, snapshot_id, rows: row.get(3)?, bytes: row.get(4)?, sha256: row.get(5)? })
}

/// Notes, before they are put, objects that will be there: whatever comes of it, they are known and can be let go.
pub(super) fn intend_objects(connection: &mut Connection, part: &str, objects: &[Object]) -> Result<(), ForwardError> {
    let put = "INSERT INTO lake_object (name, part, of, snapshot_id, rows, bytes, sha256) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (name) DO UPDATE SET rows = excluded.rows, bytes = excluded.bytes, sha256 = excluded.sha256, state = 0";
    for_each(connection, objects, |transaction, object| {
        let Object { name, of, snapshot_id, rows, bytes, sha256 } = object;
        transaction.prepare_cached(put)?.execute(params![name, part, of, snapshot_id, rows, bytes, sha256])
    })
}

/// Notes that objects are there.
pub(super) fn note_objects(connection: &mut Connection, objects: &[Object]) -> Result<(), ForwardError> {
    for_each(connection, objects, |transaction, object| {
        transaction.prepare_cached("UPDATE lake_object SET state = 1 WHERE name = ?1 AND state = 0")?.execute([&object.name])
    })
}

/// Notes something of each, in one transaction.
fn for_each<T>(
    connection: &mut Connection,
    each: &[T],
    note: impl Fn(&Connection, &T) -> rusqlite::Result<usize>,
) -> Result<(), ForwardError> {
    let doing = "noting objects of the lake";
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sql(doing))?;
    each.iter().try_for_each(|one| note(&transaction, one).map(drop)).map_err(sql(doing))?;
    transaction.commit().map_err(sql(doing))
}

/// Notes, before they are deleted, that objects may be there or not. Those that were dropped stay so.
pub(super) fn doubt_objects(connection: &mut Connection, names: &[String]) -> Result<(), ForwardError> {
    for_each(connection, names, |transaction, name| {
        transaction.prepare_cached("UPDATE lake_object SET state = 0 WHERE name = ?1 AND state = 1")?.execute([name])
    })
}

/// Forgets objects that are deleted.
pub(super) fn forget_objects(connection: &mut Connection, names: &[String]) -> Result<(), ForwardError> {
    for_each(connection, names, |transaction, name| transaction.prepare_cached("DELETE FROM lake_object WHERE name = ?1")?.execute([name]))
}

/// The objects that a manifest names, by their tables.
pub(super) fn named(connection: &Connection, part: &str, number: i64) -> Result<BTreeMap<String, Object>, ForwardError> {
    let read = || {
        let columns = "name, of, snapshot_id, rows, bytes, sha256";
        let statement = format!("SELECT {columns} FROM lake_object WHERE part = ?1 AND last_named = ?2 AND state = 1");
        let mut statement = connection.prepare_cached(&statement)?;
        let objects = statement.query_map(params![part, number], object)?.collect::<rusqlite::Result<Vec<_>>>()?;
        Ok(objects.into_iter().map(|object| (object.of.clone(), object)).collect())
    };
    read().map_err(sql("reading what a manifest names"))
}

/// The reference objects that the manifests which are kept do not name.
pub(super) fn outlived(connection: &Connection, before: i64) -> Result<Vec<String>, ForwardError> {
    let read = || {
        let mut statement = connection.prepare_cached("SELECT name FROM lake_object WHERE part = ?1 AND last_named < ?2")?;
        statement.query_map(params![REFERENCE_PART, before], |row| row.get(0))?.collect::<rusqlite::Result<Vec<_>>>()
    };
    read().map_err(sql("looking for old reference data in the lake"))
}

/// The manifest of a part that stands.
pub(super) fn standing(connection: &Connection, part: &str) -> Result<Option<Standing>, ForwardError> {
    let read = |row: &rusqlite::Row<'_>| Ok(Standing { number: row.get(0)?, content: row.get(1)?, oldest: row.get(2)? });
    let statement = connection.prepare_cached("SELECT number, content, oldest FROM lake_manifest WHERE part = ?1");
    statement.and_then(|mut it| it.query_row([part], read).optional()).map_err(sql("reading which manifest stands"))
}

/// Notes, before it is put, what a manifest of a number will be: should the answer be lost, it is known again.
pub(super) fn intend(connection: &Connection, part: &str, number: i64, body: Digest) -> Result<(), ForwardError> {
    let put = connection.prepare_cached("INSERT OR IGNORE INTO lake_intent VALUES (?1, ?2, ?3)");
    put.and_then(|mut it| it.execute(params![part, number, body.to_string()])).map(drop).map_err(sql("noting what is to be written"))
}

/// Whether a manifest of a number is one that was intended.
pub(super) fn was_intended(connection: &Connection, part: &str, number: i64, body: Digest) -> Result<bool, ForwardError> {
    let look = connection.prepare_cached("SELECT 1 FROM lake_intent WHERE part = ?1 AND number = ?2 AND sha256 = ?3");
    look.and_then(|mut it| it.exists(params![part, number, body.to_string()])).map_err(sql("reading what was to be written"))
}

/// Notes that a manifest stands, with the snapshots and objects that it names.
pub(super) fn note_manifest(
    connection: &mut Connection,
    part: &str,
    standing: &Standing,
    snapshots: &[String],
    objects: &[Object],
) -> Result<(), ForwardError> {
    let doing = "noting that a manifest stands";
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sql(doing))?;
    let note = || {
        let Standing { number, content, oldest } = standing;
        transaction
            .prepare_cached("INSERT OR REPLACE INTO lake_manifest (part, number, content, oldest) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![part, number, content, oldest])?;
        transaction.prepare_cached("DELETE FROM lake_intent WHERE part = ?1")?.execute([part])?;
        let mut snapshot = transaction.prepare_cached("INSERT OR IGNORE INTO lake_snapshot VALUES (?1)")?;
        snapshots.iter().try_for_each(|id| snapshot.execute([id]).map(drop))?;
        let mut object = transaction.prepare_cached("UPDATE lake_object SET last_named = ?1 WHERE name = ?2")?;
        objects.iter().try_for_each(|named| object.execute(params![number, named.name]).map(drop))
    };
    note().map_err(sql(doing))?;
    transaction.commit().map_err(sql(doing))
}

/// Notes that the manifests below a number are deleted.
pub(super) fn note_oldest(connection: &Connection, part: &str, oldest: i64) -> Result<(), ForwardError> {
    let note = connection.prepare_cached("UPDATE lake_manifest SET oldest = ?2 WHERE part = ?1");
    note.and_then(|mut it| it.execute(params![part, oldest])).map(drop).map_err(sql("noting what was deleted in the lake"))
}
