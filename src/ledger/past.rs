//! The past of a feed: what its accepted snapshots looked like, read narrowly.
//!
//! Owns which rows the rules on the past need, and leaving out the findings, which are most of a report. Refuses to judge.

use super::LedgerError;
use super::project::stamp;
use super::read::Reader;
use crate::feed::{Coverage, DeliveryId, Digest, Folder, Persons, ProviderCode, Slot, Totals, Version, current};
use jiff::Timestamp;
use rusqlite::{Params, Row, params};
use std::collections::BTreeSet;

/// Most rows that one look at the past gives: ninety days of a feed of five files a slot, which only a released file asks for.
/// With fewer, the days between the last row and the end of the reach would be missing from the middle.
const MAX_ROWS: u32 = 90 * 96 * 5;

/// Most deliveries that one look gives of one name, or of one slot.
const MAX_ALIKE: u32 = 100;

/// Which part of a feed's past to read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Everything accepted that arrived at or after this, and the newest before it.
    pub since: Timestamp,
    /// Nothing that arrived after this, except under the names: when the delivery itself arrived.
    pub until: Timestamp,
    /// Only what had been judged by then: where a judgement is made over. `None`: whenever it was.
    pub judged_by: Option<Timestamp>,
    /// What was accepted under these names, whenever it came: the newest before the rest, and all that came after.
    pub names: Vec<String>,
    /// Of each of these slots the version that counts among those that had arrived, for its sums alone.
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
    /// When it was judged.
    #[serde(default)]
    pub assessed_at: Option<Timestamp>,
    /// The deliveries that were judged together.
    #[serde(default)]
    pub parts: Vec<(String, DeliveryId)>,
    /// Its place among its slot's equal versions, where that is not the version's number.
    #[serde(default)]
    pub first_version: Option<u32>,
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

impl PastRow {
    /// Its place among its slot's equal versions.
    #[must_use]
    pub fn first(&self) -> u32 {
        self.report.first_version.unwrap_or(self.version)
    }

    fn as_version(&self) -> Version {
        let snapshot_at = self.report.snapshot_at.unwrap_or(self.slot.start());
        Version { lead: self.id, first: self.first(), version: self.version, sequence: self.report.sequence, snapshot_at }
    }

    fn was_judged_by(&self, at: Option<Timestamp>) -> bool {
        at.is_none_or(|at| self.report.assessed_at.is_none_or(|judged| judged <= at))
    }
}

const COLUMNS: &str = "SELECT id, lead, name, sha256, received_at, slot, version, report FROM delivery";

impl Reader {
    /// What a feed's deliveries are compared with.
    ///
    /// # Errors
    /// A query failed, or something stored cannot be read.
    pub fn past(&self, provider: &ProviderCode, reach: &Reach) -> Result<Past, LedgerError> {
        let (provider, since, until) = (provider.as_str(), stamp(reach.since), stamp(reach.until));
        let mut accepted = self.past_where(
            "provider = ?1 AND received_at >= ?2 AND received_at <= ?3 AND lead IS NOT NULL ORDER BY received_at DESC, id DESC LIMIT ?4",
            params![provider, since, until, MAX_ROWS],
        )?;
        accepted.extend(self.past_where(
            "provider = ?1 AND lead = id AND slot < ?2 AND received_at < ?3 ORDER BY slot DESC, version DESC LIMIT 1",
            params![provider, Slot::containing(reach.since).to_string(), since],
        )?);
        for name in &reach.names {
            let of_name = "provider = ?1 AND folder = ?2 AND name = ?3 AND lead IS NOT NULL";
            accepted.extend(self.past_where(
                &format!("{of_name} AND received_at < ?4 ORDER BY received_at DESC LIMIT 1"),
                params![provider, Folder::Inbox.as_str(), name, since],
            )?);
            accepted.extend(self.past_where(
                &format!("{of_name} AND received_at > ?4 ORDER BY received_at LIMIT ?5"),
                params![provider, Folder::Inbox.as_str(), name, until, MAX_ALIKE],
            )?);
        }
        accepted.retain(|row| row.was_judged_by(reach.judged_by));
        let accepted = self.with_all_parts(accepted)?;
        let mut slots = Vec::with_capacity(reach.slots.len());
        for slot in &reach.slots {
            slots.extend(self.counting_of(provider, *slot, reach)?);
        }
        Ok(Past { accepted, slots })
    }

    /// All that was accepted for one slot, whenever it came, in the order of its arrival. The index over slots makes this
    /// cheap.
    ///
    /// # Errors
    /// A query failed, or something stored cannot be read.
    pub fn accepted_for(&self, provider: &ProviderCode, slot: Slot, judged_by: Option<Timestamp>) -> Result<Vec<PastRow>, LedgerError> {
        let mut leads = self.leads_of(provider.as_str(), slot)?;
        leads.retain(|row| row.was_judged_by(judged_by));
        self.with_all_parts(leads)
    }

    /// What was accepted for one slot of what came after some deliveries that are judged together, in the order of the record. One
    /// that a person released counts as come then: the person vouches for it against what had come by then.
    ///
    /// # Errors
    /// A query failed, or something stored cannot be read.
    pub fn newer_versions(&self, provider: &ProviderCode, slot: Slot, parts: &[DeliveryId]) -> Result<Vec<Version>, LedgerError> {
        let came = self.came(parts)?;
        let mut newer = Vec::new();
        for row in self.leads_of(provider.as_str(), slot)? {
            let with: Vec<DeliveryId> = row.report.parts.iter().map(|(_, part)| *part).chain([row.id]).collect();
            if !parts.contains(&row.id) && self.came(&with)? > came {
                newer.push(row.as_version());
            }
        }
        Ok(newer)
    }

    /// The number of the entry by which the last of some deliveries came, or was released.
    fn came(&self, parts: &[DeliveryId]) -> Result<Option<i64>, LedgerError> {
        let sql = "SELECT max(seq) FROM entry WHERE delivery = ?1 AND (json_extract(body, '$.event') = 'accepted'
             OR json_extract(body, '$.event') = 'acted' AND json_extract(body, '$.act') = 'release')";
        let mut statement = self.connection().prepare_cached(sql).map_err(LedgerError::Read)?;
        let mut last = None;
        for part in parts {
            last = last.max(statement.query_row([part.to_string()], |row| row.get(0)).map_err(LedgerError::Read)?);
        }
        Ok(last)
    }

    fn leads_of(&self, provider: &str, slot: Slot) -> Result<Vec<PastRow>, LedgerError> {
        self.past_where(
            "provider = ?1 AND slot = ?2 AND lead = id ORDER BY version DESC LIMIT ?3",
            params![provider, slot.to_string(), MAX_ALIKE],
        )
    }

    /// The delivery that leads the version of a slot that counts among those whose last part had arrived, with that part's
    /// time of arrival.
    fn counting_of(&self, provider: &str, slot: Slot, reach: &Reach) -> Result<Option<PastRow>, LedgerError> {
        let mut arrived = Vec::new();
        for mut row in self.leads_of(provider, slot)? {
            for (_, part) in row.report.parts.iter().filter(|(_, part)| *part != row.id) {
                let of_part = self.past_where("id = ?1", [part.to_string()])?;
                row.received_at = of_part.iter().map(|part| part.received_at).fold(row.received_at, Timestamp::max);
            }
            if row.received_at <= reach.until && row.was_judged_by(reach.judged_by) {
                arrived.push(row);
            }
        }
        let versions: Vec<Version> = arrived.iter().map(PastRow::as_version).collect();
        let counts = current(&versions).and_then(|counts| arrived.iter().position(|row| row.id == counts.lead));
        Ok(counts.map(|at| arrived.swap_remove(at)))
    }

    /// Adds the parts that were judged together with some of these and are not among them, so that a snapshot counts as
    /// arrived with its last part only; sorts all by arrival.
    fn with_all_parts(&self, mut rows: Vec<PastRow>) -> Result<Vec<PastRow>, LedgerError> {
        let known: BTreeSet<DeliveryId> = rows.iter().map(|row| row.id).collect();
        let others: BTreeSet<DeliveryId> =
            rows.iter().flat_map(|row| &row.report.parts).map(|(_, part)| *part).filter(|part| !known.contains(part)).collect();
        for part in others {
            rows.extend(self.past_where("id = ?1 AND lead IS NOT NULL", [part.to_string()])?);
        }
        rows.sort_by_key(|row| (row.received_at, row.id));
        rows.dedup_by_key(|row| row.id);
        Ok(rows)
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
