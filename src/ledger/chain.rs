//! The chain: each entry's hash covers the entry before it, so that an edited, removed or reordered entry shows (P8).
//!
//! Owns the hash, the walk along a chain, and what is written down of it elsewhere: checkpoints, and the lines of an export.
//! Refuses to read the ledger: whoever walks brings the entries.

use super::{Event, LedgerError};
use crate::feed::Digest;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};
use std::collections::BTreeMap;

/// The newest entry's place and hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainHead {
    /// Its place; 0 for an empty ledger.
    pub seq: u64,
    /// Its hash; all zeros for an empty ledger.
    pub hash: Digest,
}

impl ChainHead {
    /// Before the first entry.
    pub const NOTHING: Self = Self { seq: 0, hash: Digest([0; 32]) };
}

/// The first entry that does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Its place.
    pub seq: u64,
    /// What is wrong with it.
    pub what: &'static str,
}

/// The chain's head at one moment, kept where somebody who changes the ledger cannot reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Checkpoint {
    /// When it was taken.
    pub at: Timestamp,
    /// The head's place.
    pub seq: u64,
    /// The head's hash.
    pub hash: Digest,
}

/// Whether a chain still holds a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Held {
    /// The entry is there, and is the same.
    Yes,
    /// Another entry is in its place: the chain was written anew.
    Other,
    /// The chain ends before it: its tail was cut off.
    Gone,
    /// The chain starts after it, as a part of an export does.
    Before,
}

/// One entry as it is exported: what its hash is made of, and the hash.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Link {
    /// Its place.
    pub seq: u64,
    /// When it was recorded, exactly as it is hashed.
    pub at: String,
    /// The hash of the entry before it.
    pub previous: Digest,
    /// Its own.
    pub hash: Digest,
    /// The fact as JSON, exactly as it is hashed.
    pub body: String,
}

/// The hash of an entry: SHA-256 over the previous hash, the place, the time and the body, each ended by a line feed.
pub(super) fn hash(previous: Digest, seq: u64, at: &str, body: &str) -> Digest {
    Digest::of(format!("{previous}\n{seq}\n{at}\n{body}\n").as_bytes())
}

impl Checkpoint {
    /// The checkpoints in a text: lines of JSON, or anything that such a line was put into, such as a log or the body of a
    /// webhook. Each is given once.
    ///
    /// # Errors
    /// The number of a line that holds something like one and is none.
    pub fn all_in(text: &str) -> Result<Vec<Self>, usize> {
        const BEGIN: &str = "{\"at\":\"";
        let mut found: Vec<Self> = Vec::new();
        for (number, line) in (1_usize..).zip(text.lines()) {
            // A log in JSON has the quotes escaped.
            let line = line.replace("\\\"", "\"");
            for (at, _) in line.match_indices(BEGIN) {
                let object = line.get(at..).and_then(|rest| rest.split_inclusive('}').next()).unwrap_or_default();
                let checkpoint = serde_json::from_str(object).map_err(|_| number)?;
                if !found.contains(&checkpoint) {
                    found.push(checkpoint);
                }
            }
        }
        Ok(found)
    }
}

/// A walk along a chain, entry by entry.
#[derive(Debug)]
pub struct Walk {
    start: u64,
    head: ChainHead,
    awaited: BTreeMap<u64, Vec<Checkpoint>>,
    judged: Vec<(Checkpoint, Held)>,
}

impl Walk {
    /// A walk that starts behind an entry, [`ChainHead::NOTHING`] for a whole chain, and looks for these checkpoints on its way.
    #[must_use]
    pub fn new(after: ChainHead, checkpoints: &[Checkpoint]) -> Self {
        let mut walk = Self { start: after.seq, head: after, awaited: BTreeMap::new(), judged: Vec::new() };
        for checkpoint in checkpoints {
            walk.awaited.entry(checkpoint.seq).or_default().push(*checkpoint);
        }
        walk.meet();
        walk
    }

    /// Takes the next entry; gives what it says.
    ///
    /// # Errors
    /// It does not follow the one before it.
    pub fn step(&mut self, link: &Link) -> Result<Event, Broken> {
        let seq = link.seq;
        if seq != self.head.seq.saturating_add(1) {
            return Err(Broken { seq: self.head.seq.saturating_add(1), what: "is missing" });
        }
        if link.previous != self.head.hash {
            return Err(Broken { seq, what: "does not follow the one before it" });
        }
        if hash(self.head.hash, seq, &link.at, &link.body) != link.hash {
            return Err(Broken { seq, what: "was changed, or the one before it was" });
        }
        let event = serde_json::from_str(&link.body).map_err(|_| Broken { seq, what: "cannot be read" })?;
        self.head = ChainHead { seq, hash: link.hash };
        self.meet();
        Ok(event)
    }

    /// Where the walk is.
    #[must_use]
    pub fn head(&self) -> ChainHead {
        self.head
    }

    /// What became of the checkpoints, by their place.
    #[must_use]
    pub fn checkpoints(self) -> Vec<(Checkpoint, Held)> {
        let mut judged = self.judged;
        for checkpoint in self.awaited.into_values().flatten() {
            judged.push((checkpoint, if checkpoint.seq < self.start { Held::Before } else { Held::Gone }));
        }
        judged.sort_by_key(|(checkpoint, _)| checkpoint.seq);
        judged
    }

    /// Compares the checkpoints of the place where the walk is.
    fn meet(&mut self) {
        for checkpoint in self.awaited.remove(&self.head.seq).unwrap_or_default() {
            self.judged.push((checkpoint, if checkpoint.hash == self.head.hash { Held::Yes } else { Held::Other }));
        }
    }
}

/// The newest entry.
pub(super) fn head(connection: &Connection) -> Result<ChainHead, rusqlite::Error> {
    let newest = connection
        .query_row("SELECT seq, hash FROM entry ORDER BY seq DESC LIMIT 1", [], |row| {
            Ok(ChainHead { seq: row.get(0)?, hash: Digest(row.get(1)?) })
        })
        .optional()?;
    Ok(newest.unwrap_or(ChainHead::NOTHING))
}

/// Gives every entry from a place on, as it is exported, with the delivery that it is filed under.
pub(super) fn each(
    connection: &Connection,
    from: u64,
    mut take: impl FnMut(Link, Option<String>) -> Result<bool, LedgerError>,
) -> Result<(), LedgerError> {
    let mut statement =
        connection.prepare("SELECT seq, at, body, hash, delivery FROM entry WHERE seq >= ?1 ORDER BY seq").map_err(LedgerError::Read)?;
    let before: Option<Vec<u8>> = connection
        .query_row("SELECT hash FROM entry WHERE seq < ?1 ORDER BY seq DESC LIMIT 1", [from], |row| row.get(0))
        .optional()
        .map_err(LedgerError::Read)?;
    let mut previous = before.and_then(|hash| hash.try_into().ok()).map_or(ChainHead::NOTHING.hash, Digest);
    let mut rows = statement.query([from]).map_err(LedgerError::Read)?;
    while let Some(row) = rows.next().map_err(LedgerError::Read)? {
        let read = || -> rusqlite::Result<(Link, Option<String>)> {
            // What somebody spoilt must still be named, not end the reading: it only has to be told from what was there.
            let text = |column| Ok::<_, rusqlite::Error>(String::from_utf8_lossy(row.get_ref(column)?.as_bytes()?).into_owned());
            let hash = row.get_ref(3)?.as_bytes()?.try_into().map_or(ChainHead::NOTHING.hash, Digest);
            Ok((Link { seq: row.get(0)?, at: text(1)?, previous, hash, body: text(2)? }, row.get(4)?))
        };
        let (link, delivery) = read().map_err(LedgerError::Read)?;
        previous = link.hash;
        if !take(link, delivery)? {
            break;
        }
    }
    Ok(())
}
