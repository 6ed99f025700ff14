//! What people said about feeds and alerts: announced silence, acknowledged episodes. Recorded and read.
//!
//! Owns their tables. Refuses to decide: whether something may be announced is `pipeline`'s to say, and what silence means for a
//! slot `schedule`'s.

use super::LedgerError;
use super::project::{run, stamp};
use super::read::{Reader, time};
use crate::feed::{Announced, ProviderCode, SilenceEnd};
use jiff::Timestamp;
use rusqlite::{Connection, Params, Row, params};

/// Most silences that one query gives: far more than anybody announces in the time that is looked at.
const MAX_SILENCES: u32 = 1_000;

/// The tables; made beside the others. In `silence`, `ends_at` is when it really ends: as announced, or earlier.
pub(super) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS silence (
    id        INTEGER PRIMARY KEY,
    provider  TEXT NOT NULL,
    kind      TEXT NOT NULL,
    from_at   TEXT NOT NULL,
    until_at  TEXT,
    ends_at   TEXT,
    reason    TEXT NOT NULL,
    said_by   TEXT NOT NULL,
    said_at   TEXT NOT NULL,
    ended_at  TEXT,
    ended_by  TEXT,
    ended_why TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS silence_by_end ON silence (provider, ends_at);
CREATE TABLE IF NOT EXISTS acknowledgement (
    key      TEXT PRIMARY KEY,
    said_by  TEXT NOT NULL,
    reason   TEXT NOT NULL,
    said_at  TEXT NOT NULL,
    until_at TEXT
) STRICT;
";

/// That somebody knows of an episode and sees to it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Acknowledged {
    /// Who.
    pub by: String,
    /// What is done about it, or why nothing.
    pub reason: String,
    /// When it was said.
    pub at: Timestamp,
    /// When it lapses; `None`: it holds until the episode ends.
    pub until: Option<Timestamp>,
}

impl Acknowledged {
    /// Whether it holds at an instant.
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// Records announced silence.
pub(super) fn announced(connection: &Connection, silence: &Announced) -> Result<(), LedgerError> {
    let Announced { id, provider, kind, from, until, reason, by, at, .. } = silence;
    let until = until.map(stamp);
    run(
        connection,
        "INSERT INTO silence (id, provider, kind, from_at, until_at, ends_at, reason, said_by, said_at) VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6, ?7, ?8)",
        params![id, provider.as_str(), kind.as_str(), stamp(*from), until, reason, by, stamp(*at)],
    )
}

/// Records that somebody ended it before its time.
pub(super) fn ended(connection: &Connection, at: Timestamp, id: u32, by: &str, reason: &str) -> Result<(), LedgerError> {
    run(
        connection,
        "UPDATE silence SET ended_at = ?2, ends_at = min(coalesce(ends_at, ?2), ?2), ended_by = ?3, ended_why = ?4
         WHERE id = ?1 AND ended_at IS NULL",
        params![id, stamp(at), by, reason],
    )
}

/// Records that somebody sees to an episode; whoever says so last counts.
pub(super) fn acknowledged(
    connection: &Connection,
    at: Timestamp,
    key: &str,
    by: &str,
    reason: &str,
    until: Option<Timestamp>,
) -> Result<(), LedgerError> {
    run(
        connection,
        "INSERT INTO acknowledgement (key, said_by, reason, said_at, until_at) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (key) DO UPDATE SET said_by = excluded.said_by, reason = excluded.reason, said_at = excluded.said_at,
           until_at = excluded.until_at",
        params![key, by, reason, stamp(at), until.map(stamp)],
    )
}

/// Lets go of what ended before an instant. The newest silence stays, so that no number is given twice.
pub(super) fn trimmed(connection: &Connection, before: &str) -> Result<(), LedgerError> {
    for sql in [
        "DELETE FROM acknowledgement WHERE key IN (SELECT key FROM episode WHERE closed_at < ?1)",
        "DELETE FROM silence WHERE ends_at < ?1 AND id < (SELECT max(id) FROM silence)",
    ] {
        run(connection, sql, [before])?;
    }
    Ok(())
}

const COLUMNS: &str = "SELECT id, provider, kind, from_at, until_at, reason, said_by, said_at, ended_at, ended_by, ended_why FROM silence";

impl Reader {
    /// The silences by which a feed is judged, in the order in which they begin: those that end after an instant, or after the
    /// feed's newest accepted slot (its first one, where it has never sent), for lateness is counted from there.
    ///
    /// # Errors
    /// The query failed, or something stored cannot be read.
    pub fn silences(&self, provider: &ProviderCode, since: Timestamp) -> Result<Vec<Announced>, LedgerError> {
        let mut found = self.silences_where(
            "WHERE provider = ?1 AND (ends_at IS NULL OR ends_at > min(?2,
               coalesce((SELECT max(slot) FROM delivery WHERE provider = ?1 AND lead = id),
                        (SELECT first_slot FROM feed WHERE provider = ?1), ?2)))
             ORDER BY ends_at DESC LIMIT ?3",
            params![provider.as_str(), stamp(since), MAX_SILENCES],
        )?;
        found.sort_by_key(|silence| (silence.from, silence.id));
        Ok(found)
    }

    /// Silences of all feeds, the newest first: those that are not over at an instant, or all that are remembered.
    ///
    /// # Errors
    /// The query failed, or something stored cannot be read.
    pub fn downtimes(&self, all: bool, now: Timestamp) -> Result<Vec<Announced>, LedgerError> {
        self.silences_where("WHERE ?1 OR ends_at IS NULL OR ends_at > ?2 ORDER BY id DESC LIMIT ?3", params![all, stamp(now), MAX_SILENCES])
    }

    /// One silence, by its number.
    ///
    /// # Errors
    /// The query failed, or something stored cannot be read.
    pub fn silence(&self, id: u32) -> Result<Option<Announced>, LedgerError> {
        Ok(self.silences_where("WHERE id = ?1", [id])?.pop())
    }

    /// The number that the next silence gets.
    ///
    /// # Errors
    /// The query failed.
    pub fn next_silence(&self) -> Result<u32, LedgerError> {
        let sql = "SELECT coalesce(max(id), 0) + 1 FROM silence";
        self.connection().query_row(sql, [], |row| row.get(0)).map_err(LedgerError::Read)
    }

    /// Whether there are such tables: a ledger that an older bedfeed wrote, and no newer one has opened yet, has none.
    pub(super) fn keeps_silences(&self) -> Result<bool, LedgerError> {
        if !self.keeps_silences.get() {
            let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'acknowledgement')";
            self.keeps_silences.set(self.connection().query_row(sql, [], |row| row.get(0)).map_err(LedgerError::Read)?);
        }
        Ok(self.keeps_silences.get())
    }

    fn silences_where(&self, condition: &str, values: impl Params) -> Result<Vec<Announced>, LedgerError> {
        if !self.keeps_silences()? {
            return Ok(Vec::new());
        }
        let mut statement = self.connection().prepare_cached(&format!("{COLUMNS} {condition}")).map_err(LedgerError::Read)?;
        let mut rows = statement.query(values).map_err(LedgerError::Read)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(LedgerError::Read)? {
            found.push(silence(row)?);
        }
        Ok(found)
    }
}

fn silence(row: &Row<'_>) -> Result<Announced, LedgerError> {
    let text = |column: usize| row.get::<_, String>(column).map_err(LedgerError::Read);
    let perhaps = |column: usize| row.get::<_, Option<String>>(column).map_err(LedgerError::Read);
    let end = match (perhaps(8)?, perhaps(9)?, perhaps(10)?) {
        (Some(at), Some(by), Some(reason)) => Some(SilenceEnd { at: time(&at)?, by, reason }),
        _ => None,
    };
    let provider = text(1)?;
    Ok(Announced {
        id: row.get(0).map_err(LedgerError::Read)?,
        provider: provider.parse().map_err(|_| LedgerError::Unreadable { what: format!("provider {provider}") })?,
        kind: text(2)?.parse().map_err(|what| LedgerError::Unreadable { what })?,
        from: time(&text(3)?)?,
        until: perhaps(4)?.as_deref().map(time).transpose()?,
        reason: text(5)?,
        by: text(6)?,
        at: time(&text(7)?)?,
        ended: end,
    })
}
