//! The chain: each entry's hash covers the entry before it, so that an edited, removed or reordered entry shows (P8).

use super::LedgerError;
use crate::feed::Digest;
use rusqlite::{Connection, OptionalExtension};

/// The newest entry's place and hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainHead {
    /// Its place; 0 for an empty ledger.
    pub seq: u64,
    /// Its hash; all zeros for an empty ledger.
    pub hash: Digest,
}

/// The first entry that does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Its place.
    pub seq: u64,
    /// What is wrong with it.
    pub what: &'static str,
}

/// The hash of an entry: SHA-256 over the previous hash, the place, the time and the body, each ended by a line feed.
pub(super) fn hash(previous: Digest, seq: u64, at: &str, body: &str) -> Digest {
    Digest::of(format!("{previous}\n{seq}\n{at}\n{body}\n").as_bytes())
}

/// The newest entry.
pub(super) fn head(connection: &Connection) -> Result<ChainHead, rusqlite::Error> {
    let newest = connection
        .query_row("SELECT seq, hash FROM entry ORDER BY seq DESC LIMIT 1", [], |row| {
            Ok(ChainHead { seq: row.get(0)?, hash: Digest(row.get(1)?) })
        })
        .optional()?;
    Ok(newest.unwrap_or(ChainHead { seq: 0, hash: Digest([0; 32]) }))
}

/// Recomputes the whole chain.
pub(super) fn verify(connection: &Connection) -> Result<Result<ChainHead, Broken>, LedgerError> {
    let mut statement = connection.prepare("SELECT seq, at, delivery, body, hash FROM entry ORDER BY seq").map_err(LedgerError::Read)?;
    let mut rows = statement.query([]).map_err(LedgerError::Read)?;
    let mut head = ChainHead { seq: 0, hash: Digest([0; 32]) };
    while let Some(row) = rows.next().map_err(LedgerError::Read)? {
        let seq: u64 = row.get(0).map_err(LedgerError::Read)?;
        let at: String = row.get(1).map_err(LedgerError::Read)?;
        let delivery: Option<String> = row.get(2).map_err(LedgerError::Read)?;
        let body: String = row.get(3).map_err(LedgerError::Read)?;
        let stored = Digest(row.get(4).map_err(LedgerError::Read)?);
        if seq != head.seq + 1 {
            return Ok(Err(Broken { seq: head.seq + 1, what: "is missing" }));
        }
        let expected = hash(head.hash, seq, &at, &body);
        if expected != stored {
            return Ok(Err(Broken { seq, what: "was changed, or the one before it was" }));
        }
        let event: Option<super::Event> = serde_json::from_str(&body).ok();
        let Some(event) = event else { return Ok(Err(Broken { seq, what: "cannot be read" })) };
        if event.delivery().map(|id| id.to_string()) != delivery {
            return Ok(Err(Broken { seq, what: "is filed under another delivery" }));
        }
        head = ChainHead { seq, hash: stored };
    }
    Ok(Ok(head))
}
