//! The past of a feed: what its accepted snapshots looked like, read narrowly.
//!
//! Owns which rows the rules on the past need, and leaving out the findings, which are most of a report. Refuses to judge.

use super::LedgerError;
use super::project::stamp;
use super::read::Reader;
use crate::feed::{Coverage, DeliveryId, Digest, Folder, Persons, ProviderCode, Slot, Totals};
use jiff::Timestamp;
use rusqlite::{Params, Row, params};

/// Most rows that one look at the past gives: ninety days of a feed of a single file.
const MAX_ROWS: u32 = 10_000;

/// Which part of a feed's past to read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Everything accepted that arrived at or after this, and the newest before it.
    pub since: Timestamp,
    /// Everything accepted under these names, however long ago.
    pub names: Vec<String>,
    /// The newest version of each of these slots, for its sums alone.
    pub slots: Vec<Slot>,
}

/// What [`Reader::past`] found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Past {
    /// Accepted deliveries, in the order of their arrival.
    pub accepted: Vec<PastRow>,
    /// The deliveries that lead the snapshots of the slots asked for.
    pub slots: Vec<PastRow>,
}

/// An accepted delivery, without its findings.
#[derive(Clone, Debug, PartialEq)]
pub struct PastRow {
    /// Which delivery.
    pub id: DeliveryId,
    /// The delivery that leads its snapshot.
    pub lead: DeliveryId,
    /// Its name as sent.
    pub name: String,
    /// Its hash.
    pub sha256: Digest,
    /// When it arrived.
    pub received_at: Timestamp,
    /// The slot it filled.
    pub slot: Slot,
    /// The snapshot's version within the slot.
    pub version: u32,
    /// What was concluded.
    pub report: PastReport,
}

/// The part of a report that later deliveries are compared with.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
pub struct PastReport {
    /// When the figures were true in the source.
    pub snapshot_at: Option<Timestamp>,
    /// The sender's own running number.
    pub sequence: Option<u32>,
    /// Hash over the data files.
    pub content: Option<Digest>,
    /// What the feed told of.
    pub coverage: Option<Coverage>,
    /// The sums.
    pub totals: Option<Totals>,
    /// How well persons were coded; absent in old reports.
    #[serde(default)]
    pub persons: Option<Persons>,
    /// What equal lines have in common; absent in old reports.
    #[serde(default)]
    pub fingerprint: Option<u64>,
}

const COLUMNS: &str = "SELECT id, lead, name, sha256, received_at, slot, version, report FROM delivery";

impl Reader {
    /// What a feed's deliveries are compared with.
    ///
    /// # Errors
    /// A query failed, or something stored cannot be read.
    pub fn past(&self, provider: &ProviderCode, reach: &Reach) -> Result<Past, LedgerError> {
        let (provider, since) = (provider.as_str(), stamp(reach.since));
        let mut accepted = self.past_where(
            "provider = ?1 AND received_at >= ?2 AND lead IS NOT NULL ORDER BY received_at DESC, id DESC LIMIT ?3",
            params![provider, since, MAX_ROWS],
        )?;
        let mut older = self.past_where(
            "provider = ?1 AND lead = id AND slot < ?2 AND received_at < ?3 ORDER BY slot DESC, version DESC LIMIT 1",
            params![provider, Slot::containing(reach.since).to_string(), since],
        )?;
        for name in &reach.names {
            older.extend(self.past_where(
                "provider = ?1 AND folder = ?2 AND name = ?3 AND received_at < ?4 AND lead IS NOT NULL ORDER BY received_at DESC LIMIT 1",
                params![provider, Folder::Inbox.as_str(), name, since],
            )?);
        }
        older.retain(|row| !accepted.iter().any(|known| known.id == row.id));
        accepted.extend(older);
        accepted.sort_by_key(|row| (row.received_at, row.id));
        accepted.dedup_by_key(|row| row.id);
        let mut slots = Vec::with_capacity(reach.slots.len());
        for slot in &reach.slots {
            slots.extend(self.past_where(
                "provider = ?1 AND slot = ?2 AND lead = id ORDER BY version DESC LIMIT 1",
                params![provider, slot.to_string()],
            )?);
        }
        Ok(Past { accepted, slots })
    }

    fn past_where(&self, condition: &str, values: impl Params) -> Result<Vec<PastRow>, LedgerError> {
        let mut statement = self.connection().prepare_cached(&format!("{COLUMNS} WHERE {condition}")).map_err(LedgerError::Read)?;
        let mut rows = statement.query(values).map_err(LedgerError::Read)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(LedgerError::Read)? {
            found.push(past_row(row)?);
        }
        Ok(found)
    }
}

fn past_row(row: &Row<'_>) -> Result<PastRow, LedgerError> {
    let text = |at: usize| row.get_ref(at).and_then(|value| Ok(value.as_str()?)).map_err(LedgerError::Read);
    let wrong = |what: &str| LedgerError::Unreadable { what: format!("the {what} of an accepted delivery") };
    let report = row.get::<_, Option<String>>(7).map_err(LedgerError::Read)?;
    let report = report.map(|json| serde_json::from_str(&json).map_err(|error| LedgerError::Unreadable { what: error.to_string() }));
    Ok(PastRow {
        id: text(0)?.parse().map_err(|_| wrong("id"))?,
        lead: text(1)?.parse().map_err(|_| wrong("lead"))?,
        name: text(2)?.to_owned(),
        sha256: text(3)?.parse().map_err(|_| wrong("hash"))?,
        received_at: text(4)?.parse().map_err(|_| wrong("time"))?,
        slot: text(5)?.parse().map_err(|_| wrong("slot"))?,
        version: row.get(6).map_err(LedgerError::Read)?,
        report: report.transpose()?.unwrap_or_default(),
    })
}
