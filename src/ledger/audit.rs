//! Audit: the whole record recomputed. Does each entry follow the one before it, do the derived tables say what the entries
//! say, and does the chain still hold what was written down of it elsewhere?
//!
//! Owns replaying the entries into tables of its own, by the code that fills the real ones. Refuses to mend anything.

use super::chain::{self, Broken, ChainHead, Checkpoint, Held, Link, Walk};
use super::read::Reader;
use super::{LedgerError, project, schema};
use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, Rows};
use std::cmp::Ordering;

/// The derived tables, each with the columns that tell its rows apart: texts, or whole numbers.
pub(super) const DERIVED: &[(&str, &[&str])] = &[
    ("acknowledgement", &["key"]),
    ("away", &["until_at"]),
    ("client", &["provider", "key", "software", "host_key"]),
    ("delivery", &["id"]),
    ("disposal", &["number"]),
    ("disposed", &["delivery", "class"]),
    ("disposed_again", &["disposal", "delivery"]),
    ("episode", &["key"]),
    ("feed", &["provider"]),
    ("hold", &["number"]),
    ("house_episode", &["key"]),
    ("outbox", &["key", "channel"]),
    ("replay", &["key"]),
    ("replayed", &["replay", "lead"]),
    ("settings_file", &["name"]),
    ("silence", &["id"]),
    ("trimmed", &["only_row"]),
];

/// A column that only numbers the rows and says nothing.
const ONLY_NUMBERS: (&str, &str) = ("outbox", "id");

/// Most contradictions that are named; more would tell nobody more.
const MOST_NAMED: usize = 20;

/// What an audit of the ledger found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// The head, or the first entry that does not fit.
    pub chain: Result<ChainHead, Broken>,
    /// What became of the checkpoints.
    pub checkpoints: Vec<(Checkpoint, Held)>,
    /// Where derived tables contradict the entries, in words, and damage of the file; of a broken chain only that can be said.
    pub contradictions: Vec<String>,
    /// Whether the derived tables were compared: those of an older bedfeed's ledger are not, before this one has opened it.
    pub compared: bool,
    /// Whether the triggers that refuse changes to entries are in place.
    pub guarded: bool,
}

impl Audit {
    /// Whether everything is as it should be.
    #[must_use]
    pub fn is_fine(&self) -> bool {
        let held = self.checkpoints.iter().all(|(_, held)| *held == Held::Yes);
        self.chain.is_ok() && held && self.contradictions.is_empty() && self.guarded
    }
}

impl Reader {
    /// Recomputes the chain, replays its entries and compares the derived tables with what comes out, and looks for the
    /// checkpoints; all of one moment, while the daemon may go on. Takes disk for the tables that come out, in the folder for
    /// temporary files, and holds nothing in memory that grows with the ledger.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn audit(&self, checkpoints: &[Checkpoint]) -> Result<Audit, LedgerError> {
        let moment = self.connection().unchecked_transaction().map_err(LedgerError::Read)?;
        let compared = schema::version(&moment).map_err(LedgerError::Read)? == schema::SCHEMA_VERSION;
        let replayed = if compared { Some(empty_tables().map_err(LedgerError::Read)?) } else { None };
        let mut walk = Walk::new(ChainHead::NOTHING, checkpoints);
        let (mut broken, mut contradictions) = (None, Vec::new());
        chain::each(&moment, 0, |link, delivery| {
            let event = match walk.step(&link) {
                Ok(event) if event.delivery().map(|id| id.to_string()) == delivery => event,
                Ok(_) => return stop(&mut broken, Broken { seq: link.seq, what: "is filed under another delivery" }),
                Err(found) => return stop(&mut broken, found),
            };
            let Ok(at) = link.at.parse::<Timestamp>() else {
                return stop(&mut broken, Broken { seq: link.seq, what: "has no time" });
            };
            if let Some(tables) = &replayed
                && contradictions.is_empty()
                && let Err(error) = project::apply(tables, at, &event)
            {
                contradictions.push(format!("entry {} cannot follow from those before it: {}", link.seq, crate::feed::error_chain(&error)));
            }
            Ok(true)
        })?;
        if let Some(tables) = replayed.filter(|_| broken.is_none() && contradictions.is_empty()) {
            for (table, key) in DERIVED {
                compare(&tables, &moment, table, key, &mut contradictions).map_err(LedgerError::Read)?;
            }
        }
        let whole: String = moment.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(LedgerError::Read)?;
        if whole != "ok" {
            contradictions.push(format!("the file is damaged: {}", whole.replace('\n', " ")));
        }
        let guarded = guarded(&moment).map_err(LedgerError::Read)?;
        let chain = broken.map_or(Ok(walk.head()), Err);
        let mut checkpoints = walk.checkpoints();
        if chain.is_err() {
            // Where the walk broke off, nothing is known of what comes after.
            checkpoints.retain(|(_, held)| *held != Held::Gone);
        }
        Ok(Audit { chain, checkpoints, contradictions, compared, guarded })
    }

    /// Gives every entry from a time on as it is exported, until `take` says `false`. Entries are in the order of the chain:
    /// where the clock was set back, later ones may be older.
    ///
    /// # Errors
    /// The ledger cannot be read, or what `take` says.
    pub fn export(&self, since: Option<Timestamp>, mut take: impl FnMut(Link) -> Result<bool, LedgerError>) -> Result<(), LedgerError> {
        let moment = self.connection().unchecked_transaction().map_err(LedgerError::Read)?;
        let from = match since {
            None => Some(0),
            Some(since) => moment
                .query_row("SELECT seq FROM entry WHERE at >= ?1 ORDER BY seq LIMIT 1", [project::stamp(since)], |row| row.get(0))
                .optional()
                .map_err(LedgerError::Read)?,
        };
        from.map_or(Ok(()), |from| chain::each(&moment, from, |link, _| take(link)))
    }
}

fn stop(broken: &mut Option<Broken>, found: Broken) -> Result<bool, LedgerError> {
    *broken = Some(found);
    Ok(false)
}

/// Tables like the ledger's, empty, in a file of SQLite's own that nobody else sees and that goes away by itself.
fn empty_tables() -> rusqlite::Result<Connection> {
    let connection = Connection::open("")?;
    connection.execute_batch(&format!("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; {} BEGIN;", schema::tables()))?;
    Ok(connection)
}

/// Whether the ledger refuses to change or delete an entry.
fn guarded(connection: &Connection) -> rusqlite::Result<bool> {
    let names = "SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'entry'
                 AND name IN ('entry_is_never_changed', 'entry_is_never_deleted')";
    connection.query_row(names, [], |row| row.get::<_, i64>(0)).map(|count| count == 2)
}

/// Goes through two tables in the order of their keys, side by side.
fn compare(replayed: &Connection, real: &Connection, table: &str, key: &[&str], found: &mut Vec<String>) -> rusqlite::Result<()> {
    let columns = columns(replayed, table, key)?;
    let sql = format!("SELECT {} FROM {table} ORDER BY {}", columns.join(", "), key.join(", "));
    let (mut expecting, mut reading) = (replayed.prepare(&sql)?, real.prepare(&sql)?);
    let (mut expected, mut there) = (expecting.query([])?, reading.query([])?);
    let (mut left, mut right) = (next(&mut expected, columns.len())?, next(&mut there, columns.len())?);
    while found.len() < MOST_NAMED {
        let order = match (&left, &right) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(left), Some(right)) => in_order(left, right, key.len()),
        };
        match (order, &left, &right) {
            (Ordering::Less, Some(row), _) => {
                found.push(format!("{table} {}: the entries tell of it, the table does not", shown(row, key)))
            }
            (Ordering::Greater, _, Some(row)) => found.push(format!("{table} {}: no entry tells of it", shown(row, key))),
            (Ordering::Equal, Some(left), Some(right)) => {
                let differ = columns.iter().zip(left.iter().zip(right)).filter(|(_, (left, right))| left != right);
                let differ = differ.map(|(column, _)| column.as_str()).collect::<Vec<_>>().join(", ");
                if !differ.is_empty() {
                    found.push(format!("{table} {}: the entries say otherwise about {differ}", shown(left, key)));
                }
            }
            _ => {}
        }
        if order != Ordering::Greater {
            left = next(&mut expected, columns.len())?;
        }
        if order != Ordering::Less {
            right = next(&mut there, columns.len())?;
        }
    }
    Ok(())
}

/// A table's columns, those of the key first.
fn columns(connection: &Connection, table: &str, key: &[&str]) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare("SELECT name FROM pragma_table_info(?1)")?;
    let mut columns = statement.query_map([table], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
    columns.retain(|column| (table, column.as_str()) != ONLY_NUMBERS);
    columns.sort_by_key(|column| key.iter().position(|part| part == column).unwrap_or(key.len()));
    Ok(columns)
}

fn next(rows: &mut Rows<'_>, columns: usize) -> rusqlite::Result<Option<Vec<Value>>> {
    let read = |row: &Row<'_>| (0..columns).map(|column| row.get(column)).collect();
    rows.next()?.map(read).transpose()
}

/// The order that SQLite gives two rows by the first so many columns: numbers before texts, texts by their bytes.
fn in_order(left: &[Value], right: &[Value], parts: usize) -> Ordering {
    let one = |(left, right): (&Value, &Value)| match (left, right) {
        (Value::Integer(left), Value::Integer(right)) => left.cmp(right),
        (Value::Text(left), Value::Text(right)) => left.cmp(right),
        (Value::Integer(_), Value::Text(_)) => Ordering::Less,
        (Value::Text(_), Value::Integer(_)) => Ordering::Greater,
        _ => Ordering::Equal,
    };
    left.iter().zip(right).take(parts).map(one).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

fn shown(row: &[Value], key: &[&str]) -> String {
    let part = |value: &Value| match value {
        Value::Text(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        Value::Null | Value::Real(_) | Value::Blob(_) => "?".to_owned(),
    };
    row.iter().take(key.len()).map(part).collect::<Vec<_>>().join(" ")
}
