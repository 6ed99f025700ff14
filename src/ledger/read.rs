//! Readers: what is known, by query. Read-only connections that never hold up the writer.

use super::project::stamp;
use super::{Acknowledged, AlertToSend, ChainHead, Entry, LedgerError, chain, schema};
use crate::feed::{ClientSeen, Delivery, DeliveryId, Folder, Outcome, ProviderCode, Report, Slot, Stage, Version, current};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Params, Row, params};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::Path;

/// Most rows one query gives: a page or a table longer than this helps nobody.
const MAX_ROWS: u32 = 10_000;

/// Most deliveries that a feed's lateness is judged by: some days of a feed that is set aside again and again.
const MAX_JUDGED: u32 = 2_000;

/// A read-only view of the ledger.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
    /// Set once the tables of what people said were seen: they do not go away, and each feed is asked about each few seconds.
    pub(super) keeps_silences: Cell<bool>,
}

/// A delivery and where it stands.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct DeliveryRow {
    /// What was delivered.
    pub delivery: Delivery,
    /// Where it stands.
    pub stage: Stage,
    /// Since when.
    pub moved_at: Timestamp,
    /// What the assessment concluded, once there was one.
    pub report: Option<Report>,
    /// Why it stands there, where the stage does not say it.
    pub note: Option<String>,
    /// Whether support released it in spite of a rule.
    pub released: bool,
}

impl DeliveryRow {
    /// What decides whether it counts among its slot's versions, where it was accepted.
    #[must_use]
    pub fn as_version(&self) -> Option<Version> {
        let snapshot = self.stage.snapshot()?;
        let report = self.report.as_ref();
        Some(Version {
            lead: snapshot.lead,
            first: report.and_then(|report| report.first_version).unwrap_or(snapshot.version),
            version: snapshot.version,
            sequence: report.and_then(|report| report.sequence),
            snapshot_at: report.and_then(|report| report.snapshot_at).unwrap_or(snapshot.slot.start()),
        })
    }
}

/// An episode of a problem.
#[derive(Clone, Debug, PartialEq)]
pub struct EpisodeRow {
    /// Its stable key.
    pub key: String,
    /// Whose feed.
    pub provider: ProviderCode,
    /// As `alerts` described it.
    pub episode: serde_json::Value,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it was closed; `None` while it goes on.
    pub closed_at: Option<Timestamp>,
    /// Who sees to it, where somebody said so.
    pub acknowledged: Option<Acknowledged>,
}

/// An episode of a problem on our own side.
#[derive(Clone, Debug, PartialEq)]
pub struct HouseEpisodeRow {
    /// Its stable key.
    pub key: String,
    /// As `alerts` described it.
    pub episode: serde_json::Value,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it was closed; `None` while it goes on.
    pub closed_at: Option<Timestamp>,
    /// Who sees to it, where somebody said so.
    pub acknowledged: Option<Acknowledged>,
}

/// A message of an episode, as the outbox has it for a channel.
#[derive(Clone, Debug, PartialEq)]
pub struct OutboxRow {
    /// The message.
    pub alert: AlertToSend,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is tried next, or was to be.
    pub next_at: Timestamp,
    /// Whether the channel took it.
    pub delivered: bool,
}

impl OutboxRow {
    /// Whether it waits for its time, and was never tried.
    #[must_use]
    pub fn is_held(&self, now: Timestamp) -> bool {
        !self.delivered && self.attempts == 0 && self.next_at > now
    }
}

/// An alert that a channel has not taken yet.
#[derive(Clone, Debug, PartialEq)]
pub struct DueAlert {
    /// What and where.
    pub alert: AlertToSend,
    /// How often it failed so far.
    pub attempts: u32,
    /// When it is to be tried.
    pub next_at: Timestamp,
}

/// Which deliveries to list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only this provider's.
    pub provider: Option<ProviderCode>,
    /// Only those that ended like this.
    pub outcome: Option<Outcome>,
    /// Only those that arrived at or after this.
    pub since: Option<Timestamp>,
    /// At most so many, newest first; `None`: as many as a query gives.
    pub limit: Option<u32>,
}

/// One delivery's whole life.
#[derive(Clone, Debug, PartialEq)]
pub struct Life {
    /// The delivery and where it stands.
    pub row: DeliveryRow,
    /// Every entry about it, oldest first.
    pub entries: Vec<Entry>,
}

const COLUMNS: &str = "SELECT facts, stage, moved_at, report, note, released FROM delivery";

impl Reader {
    /// Opens the ledger for reading. Works while the daemon runs and while it is stopped.
    ///
    /// # Errors
    /// There is no ledger there, or it is from a newer bedfeed.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        Ok(Self { connection: schema::open_to_read(path)?, keeps_silences: Cell::new(false) })
    }

    /// For tests that look at what is asked.
    #[cfg(test)]
    pub(super) fn connection_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// A provider's deliveries that are to be judged, oldest first.
    ///
    /// # Errors
    /// The query failed.
    pub fn undecided(&self, provider: &ProviderCode) -> Result<Vec<DeliveryRow>, LedgerError> {
        let condition = "WHERE provider = ?1 AND outcome = 'pending' AND lead IS NULL ORDER BY id LIMIT ?2";
        self.deliveries_where(condition, params![provider.as_str(), MAX_ROWS])
    }

    /// Deliveries, newest first.
    ///
    /// # Errors
    /// The query failed.
    pub fn deliveries(&self, filter: &Filter) -> Result<Vec<DeliveryRow>, LedgerError> {
        // Only what is asked for stands in the query: `?1 IS NULL OR …` would make SQLite walk through years.
        let provider = if filter.provider.is_some() { "provider = ?1" } else { "?1 IS NULL" };
        let outcome = if filter.outcome.is_some() { "outcome = ?2" } else { "?2 IS NULL" };
        let since = if filter.since.is_some() { "received_at >= ?3" } else { "?3 IS NULL" };
        self.deliveries_where(
            &format!("WHERE {provider} AND {outcome} AND {since} ORDER BY received_at DESC, id DESC LIMIT ?4"),
            params![
                filter.provider.as_ref().map(ProviderCode::as_str),
                filter.outcome.map(Outcome::as_str),
                filter.since.map(stamp),
                filter.limit.unwrap_or(MAX_ROWS).min(MAX_ROWS),
            ],
        )
    }

    /// A provider's deliveries that arrived since an instant, or that something was decided about since: what it has receipts
    /// of. Newest first. That retention deleted an old file is nothing that its sender has to know.
    ///
    /// # Errors
    /// The query failed.
    pub fn receipted(&self, provider: &ProviderCode, since: Timestamp, limit: u32) -> Result<Vec<DeliveryRow>, LedgerError> {
        self.deliveries_where(
            "WHERE provider = ?1 AND (received_at >= ?2 OR (moved_at >= ?2 AND id NOT IN (SELECT delivery FROM disposed)))
             ORDER BY received_at DESC, id DESC LIMIT ?3",
            params![provider.as_str(), stamp(since), limit.min(MAX_ROWS)],
        )
    }

    /// What a provider put into one of its folders since an instant, newest first.
    ///
    /// # Errors
    /// The query failed.
    pub fn in_folder(
        &self,
        provider: &ProviderCode,
        folder: Folder,
        since: Timestamp,
        limit: u32,
    ) -> Result<Vec<DeliveryRow>, LedgerError> {
        self.deliveries_where(
            "WHERE provider = ?1 AND folder = ?2 AND received_at >= ?3 ORDER BY received_at DESC, id DESC LIMIT ?4",
            params![provider.as_str(), folder.as_str(), stamp(since), limit.min(MAX_ROWS)],
        )
    }

    /// The newest delivery of a name in a provider's folder since an instant.
    ///
    /// # Errors
    /// The query failed.
    pub fn named(&self, provider: &ProviderCode, folder: Folder, name: &str, since: Timestamp) -> Result<Option<DeliveryRow>, LedgerError> {
        let rows = self.deliveries_where(
            "WHERE provider = ?1 AND folder = ?2 AND name = ?3 AND received_at >= ?4 ORDER BY received_at DESC, id DESC LIMIT 1",
            params![provider.as_str(), folder.as_str(), name, stamp(since)],
        )?;
        Ok(rows.into_iter().next())
    }

    /// One delivery.
    ///
    /// # Errors
    /// The query failed.
    pub fn delivery(&self, id: DeliveryId) -> Result<Option<DeliveryRow>, LedgerError> {
        Ok(self.deliveries_where("WHERE id = ?1", params![id.to_string()])?.into_iter().next())
    }

    /// The deliveries whose id ends (or starts) with a text, at most two: what people copy out of a table.
    ///
    /// # Errors
    /// The query failed.
    pub fn by_part_of_id(&self, part: &str) -> Result<Vec<DeliveryRow>, LedgerError> {
        let plain = !part.is_empty() && part.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
        if !plain {
            return Ok(Vec::new());
        }
        self.deliveries_where("WHERE id LIKE '%' || ?1 OR id LIKE ?1 || '%' LIMIT 2", params![part])
    }

    /// One delivery's whole life.
    ///
    /// # Errors
    /// The query failed or an entry cannot be read.
    pub fn life(&self, id: DeliveryId) -> Result<Option<Life>, LedgerError> {
        let Some(row) = self.delivery(id)? else { return Ok(None) };
        let entries = self.entries_where("WHERE delivery = ?1 ORDER BY seq LIMIT ?2", params![id.to_string(), MAX_ROWS])?;
        Ok(Some(Life { row, entries }))
    }

    /// Entries after a place in the chain, oldest first, at most `limit`.
    ///
    /// # Errors
    /// The query failed or an entry cannot be read.
    pub fn entries_after(&self, seq: u64, limit: u32) -> Result<Vec<Entry>, LedgerError> {
        self.entries_where("WHERE seq > ?1 ORDER BY seq LIMIT ?2", params![seq, limit.min(MAX_ROWS)])
    }

    /// The highest version that a feed's slot has, or has promised to what is read again; 0 for none.
    ///
    /// # Errors
    /// The query failed.
    pub fn newest_version(&self, provider: &ProviderCode, slot: Slot) -> Result<u32, LedgerError> {
        self.connection
            .query_row(
                // By what leads a snapshot: only these are found by their slot, and of years of a feed's deliveries no other is looked at.
                "SELECT max(coalesce((SELECT max(version) FROM delivery WHERE provider = ?1 AND slot = ?2 AND lead = id), 0),
                   coalesce((SELECT max(version) FROM replayed WHERE provider = ?1 AND slot = ?2 AND version IS NOT NULL AND loaded = 0), 0))",
                params![provider.as_str(), slot.to_string()],
                |row| row.get(0),
            )
            .map_err(LedgerError::Read)
    }

    /// What a feed's lateness is judged by, oldest first: its deliveries since an instant, its newest accepted one however
    /// old, and all that came since that one: a file set aside stays the last word until a good one comes.
    ///
    /// # Errors
    /// The query failed.
    pub fn for_judging(&self, provider: &ProviderCode, since: Timestamp) -> Result<Vec<DeliveryRow>, LedgerError> {
        let newest = self.newest_accepted(provider)?;
        let last_word = newest.as_ref().map_or(Timestamp::MIN, |row| row.delivery.received_at);
        let mut rows = self.deliveries_where(
            "WHERE provider = ?1 AND received_at >= ?2 ORDER BY received_at DESC, id DESC LIMIT ?3",
            params![provider.as_str(), stamp(since.min(last_word)), MAX_JUDGED],
        )?;
        rows.reverse();
        if let Some(newest) = newest
            && !rows.iter().any(|row| row.delivery.id == newest.delivery.id)
        {
            rows.insert(0, newest);
        }
        Ok(rows)
    }

    /// Deliveries that moved at or after an instant, oldest move first.
    ///
    /// # Errors
    /// The query failed.
    pub fn moved_since(&self, since: Timestamp) -> Result<Vec<DeliveryRow>, LedgerError> {
        self.deliveries_where("WHERE moved_at >= ?1 ORDER BY moved_at, id LIMIT ?2", params![stamp(since), MAX_ROWS])
    }

    /// Deliveries that an entry after a place in the chain, up to another, is about, in the order of their arrival. As many entries
    /// as that are at most as many deliveries: of more than ten thousand some would be left out.
    ///
    /// # Errors
    /// The query failed.
    pub fn moved_between(&self, after: u64, through: u64) -> Result<Vec<DeliveryRow>, LedgerError> {
        self.deliveries_where(
            "WHERE id IN (SELECT delivery FROM entry WHERE seq > ?1 AND seq <= ?2 AND delivery IS NOT NULL) ORDER BY id LIMIT ?3",
            params![after, through, MAX_ROWS],
        )
    }

    /// The delivery that leads a feed's newest accepted slot, however long ago: of its versions the one that counts.
    ///
    /// # Errors
    /// The query failed.
    pub fn newest_accepted(&self, provider: &ProviderCode) -> Result<Option<DeliveryRow>, LedgerError> {
        let mut rows = self.deliveries_where(
            "WHERE provider = ?1 AND lead = id AND slot = (SELECT max(slot) FROM delivery WHERE provider = ?1 AND lead = id)
             ORDER BY version DESC LIMIT ?2",
            params![provider.as_str(), MAX_ROWS],
        )?;
        let versions: Vec<Version> = rows.iter().filter_map(DeliveryRow::as_version).collect();
        let counts = current(&versions).and_then(|counts| rows.iter().position(|row| row.delivery.id == counts.lead));
        Ok(counts.map(|at| rows.swap_remove(at)))
    }

    /// A feed's first expected slot, once recorded.
    ///
    /// # Errors
    /// The query failed.
    pub fn first_slot(&self, provider: &ProviderCode) -> Result<Option<Slot>, LedgerError> {
        let text: Option<String> = self
            .connection
            .query_row("SELECT first_slot FROM feed WHERE provider = ?1", [provider.as_str()], |row| row.get(0))
            .optional()
            .map_err(LedgerError::Read)?;
        text.map(|text| text.parse().map_err(|what| LedgerError::Unreadable { what })).transpose()
    }

    /// A feed's episodes that go on.
    ///
    /// # Errors
    /// The query failed.
    pub fn open_episodes(&self, provider: &ProviderCode) -> Result<Vec<EpisodeRow>, LedgerError> {
        self.episodes_where(
            "WHERE provider = ?1 AND closed_at IS NULL ORDER BY opened_at, episode.key LIMIT ?2",
            params![provider.as_str(), MAX_ROWS],
        )
    }

    /// The open episodes of our own side, each as `alerts` described it, with its key.
    ///
    /// # Errors
    /// The query failed.
    pub fn open_house_episodes(&self) -> Result<Vec<(String, serde_json::Value)>, LedgerError> {
        let open = "SELECT key, episode FROM house_episode WHERE closed_at IS NULL ORDER BY key";
        let rows = self.all(open, [], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
        rows.into_iter().map(|(key, episode)| Ok((key, json(&episode)?))).collect()
    }

    /// The episodes of all feeds that go on, the oldest first.
    ///
    /// # Errors
    /// The query failed, or something stored cannot be read.
    pub fn all_open_episodes(&self) -> Result<Vec<EpisodeRow>, LedgerError> {
        self.episodes_where("WHERE closed_at IS NULL ORDER BY +opened_at, episode.key", [])
    }

    /// One episode of a feed, by its key.
    ///
    /// # Errors
    /// The query failed, or something stored cannot be read.
    pub fn episode(&self, key: &str) -> Result<Option<EpisodeRow>, LedgerError> {
        Ok(self.episodes_where("WHERE episode.key = ?1", [key])?.pop())
    }

    /// The newest episodes of our own side, newest first: those that go on, or all.
    ///
    /// # Errors
    /// The query failed, or something stored cannot be read.
    pub fn house_episodes(&self, all: bool, limit: u32) -> Result<Vec<HouseEpisodeRow>, LedgerError> {
        let (said, join) = self.acknowledgements("house_episode")?;
        let sql = format!(
            "SELECT house_episode.key, episode, opened_at, closed_at, {said} FROM house_episode {join}
             WHERE ?1 OR closed_at IS NULL ORDER BY opened_at DESC, house_episode.key LIMIT ?2"
        );
        let rows = self.all(&sql, params![all, limit.min(MAX_ROWS)], |row| {
            Ok((row.get(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?, row.get::<_, Option<String>>(3)?, said_in(row, 4)?))
        })?;
        rows.into_iter()
            .map(|(key, episode, opened_at, closed_at, said)| {
                let closed_at = closed_at.as_deref().map(time).transpose()?;
                Ok(HouseEpisodeRow { key, episode: json(&episode)?, opened_at: time(&opened_at)?, closed_at, acknowledged: said.read()? })
            })
            .collect()
    }

    /// The newest episodes of all feeds, newest first.
    ///
    /// # Errors
    /// The query failed.
    pub fn recent_episodes(&self, limit: u32) -> Result<Vec<EpisodeRow>, LedgerError> {
        self.episodes_where("ORDER BY opened_at DESC, episode.key LIMIT ?1", params![limit.min(MAX_ROWS)])
    }

    /// How often an episode of this key was recorded, itself and those that told the same stretch again, and when the last
    /// of them ended; `None` while one goes on, or where there was none.
    ///
    /// # Errors
    /// The query failed, or something stored cannot be read.
    pub fn told_before(&self, key: &str) -> Result<(u32, Option<Timestamp>), LedgerError> {
        let sql = "SELECT count(*), CASE WHEN count(*) = count(closed_at) THEN max(closed_at) END FROM episode
             WHERE key = ?1 OR (key > ?1 || '/' AND key < ?1 || '0')";
        let read = |row: &Row<'_>| Ok((row.get(0)?, row.get::<_, Option<String>>(1)?));
        let (count, ended): (u32, Option<String>) = self.connection.query_row(sql, [key], read).map_err(LedgerError::Read)?;
        Ok((count, ended.as_deref().map(time).transpose()?))
    }

    /// Whether an alert was ever queued under a key.
    ///
    /// # Errors
    /// The query failed.
    pub fn knows_alert(&self, key: &str) -> Result<bool, LedgerError> {
        self.connection
            .query_row("SELECT count(*) FROM outbox WHERE key = ?1", [key], |row| row.get::<_, i64>(0))
            .map(|count| count > 0)
            .map_err(LedgerError::Read)
    }

    /// The clients that log in, the newest sighting of each: by provider, then newest first. Of one provider, or of all.
    ///
    /// # Errors
    /// The query failed.
    pub fn clients(&self, provider: Option<&ProviderCode>) -> Result<Vec<ClientSeen>, LedgerError> {
        // A ledger that an older bedfeed wrote, and no newer one has opened yet, has no such table.
        let there: i64 = self
            .connection
            .query_row("SELECT count(*) FROM sqlite_master WHERE name = 'client'", [], |row| row.get(0))
            .map_err(LedgerError::Read)?;
        if there == 0 {
            return Ok(Vec::new());
        }
        let sql = "SELECT facts FROM client WHERE ?1 IS NULL OR provider = ?1 ORDER BY provider, seen_at DESC LIMIT ?2";
        let mut statement = self.connection.prepare_cached(sql).map_err(LedgerError::Read)?;
        let texts = statement
            .query_map(params![provider.map(ProviderCode::as_str), MAX_ROWS], |row| row.get::<_, String>(0))
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(LedgerError::Read)?;
        let read = |text: &String| serde_json::from_str(text).map_err(|error| LedgerError::Unreadable { what: error.to_string() });
        texts.iter().map(read).collect()
    }

    /// Alerts that no channel has taken yet, by when they are to be tried.
    ///
    /// # Errors
    /// The query failed.
    pub fn undelivered_alerts(&self, limit: u32) -> Result<Vec<DueAlert>, LedgerError> {
        self.alerts_where("(?1 IS NULL OR channel = ?1)", None, limit)
    }

    /// The same for one channel: what another one does not take must not stand in its way.
    ///
    /// # Errors
    /// The query failed.
    pub fn undelivered_on(&self, channel: &str, limit: u32) -> Result<Vec<DueAlert>, LedgerError> {
        self.alerts_where("channel = ?1", Some(channel), limit)
    }

    fn alerts_where(&self, condition: &str, channel: Option<&str>, limit: u32) -> Result<Vec<DueAlert>, LedgerError> {
        let rows = self.all(
            &format!("SELECT key, channel, message, attempts, next_at FROM outbox WHERE delivered_at IS NULL AND {condition} ORDER BY next_at, id LIMIT ?2"),
            params![channel, limit.min(MAX_ROWS)],
            |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, String>(2)?, row.get(3)?, row.get::<_, String>(4)?)),
        )?;
        rows.into_iter()
            .map(|(key, channel, message, attempts, next_at)| {
                Ok(DueAlert { alert: AlertToSend::now(key, channel, json(&message)?), attempts, next_at: time(&next_at)? })
            })
            .collect()
    }

    /// What the outbox holds of an episode, on every channel, oldest first: also of those that told the same stretch again.
    ///
    /// # Errors
    /// The query failed.
    pub fn outbox_of(&self, episode: &str) -> Result<Vec<OutboxRow>, LedgerError> {
        // Keys are the episode's own and a stroke with more behind it; what follows a stroke is a nought.
        let rows = self.all(
            "SELECT key, channel, message, attempts, next_at, delivered_at IS NOT NULL, error IS 'dropped' FROM outbox
             WHERE key >= ?1 || '/' AND key < ?1 || '0' ORDER BY id LIMIT ?2",
            params![episode, MAX_ROWS],
            |row| {
                let texts: (String, String, String, u32, String) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?);
                Ok((texts, row.get::<_, bool>(5)?, row.get::<_, bool>(6)?))
            },
        )?;
        let rows = rows.into_iter().filter(|(_, _, dropped)| !dropped);
        rows.map(|((key, channel, message, attempts, next_at), delivered, _)| {
            Ok(OutboxRow { alert: AlertToSend::now(key, channel, json(&message)?), attempts, next_at: time(&next_at)?, delivered })
        })
        .collect()
    }

    /// Channels that did not take a message that was tried so often, each with what was said last.
    ///
    /// # Errors
    /// The query failed.
    pub fn failing_channels(&self, attempts: u32) -> Result<Vec<(String, String)>, LedgerError> {
        self.all(
            "SELECT channel, coalesce(max(error), '') FROM outbox WHERE delivered_at IS NULL AND attempts >= ?1 GROUP BY channel ORDER BY channel",
            [attempts],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
    }

    /// How many messages wait for each channel at `now`; not those whose time has not come, and no channel for which none does.
    ///
    /// # Errors
    /// The query failed.
    pub fn outbox_pending(&self, now: Timestamp) -> Result<Vec<(String, u64)>, LedgerError> {
        self.all(
            "SELECT channel, count(*) FROM outbox WHERE delivered_at IS NULL AND (attempts > 0 OR next_at <= ?1)
             GROUP BY channel ORDER BY channel",
            [stamp(now)],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
    }

    /// The keys of all open episodes, of feeds and of our own side.
    ///
    /// # Errors
    /// The query failed.
    pub fn open_keys(&self) -> Result<Vec<String>, LedgerError> {
        let mut keys = self.all("SELECT key FROM episode WHERE closed_at IS NULL", [], |row| row.get(0))?;
        keys.extend(self.all("SELECT key FROM house_episode WHERE closed_at IS NULL", [], |row| row.get::<_, String>(0))?);
        Ok(keys)
    }

    /// How many deliveries ended in each way, and how many are pending.
    ///
    /// # Errors
    /// The query failed.
    pub fn outcomes(&self) -> Result<Vec<(String, u64)>, LedgerError> {
        self.all("SELECT outcome, count(*) FROM delivery GROUP BY outcome ORDER BY outcome", [], |row| Ok((row.get(0)?, row.get(1)?)))
    }

    /// Deliveries in quarantine that nobody has discarded, per provider.
    ///
    /// # Errors
    /// The query failed.
    pub fn in_quarantine(&self) -> Result<Vec<DeliveryRow>, LedgerError> {
        self.deliveries_where(
            "WHERE outcome = 'quarantined' AND json_extract(stage, '$.discarded') = 0 ORDER BY received_at DESC LIMIT ?1",
            params![MAX_ROWS],
        )
    }

    /// The ids of all deliveries: with `true` those in quarantine or discarded. For the sweep at the start.
    ///
    /// # Errors
    /// The query failed.
    pub fn all_ids(&self) -> Result<BTreeMap<DeliveryId, bool>, LedgerError> {
        let rows = self.all("SELECT id, outcome = 'quarantined' FROM delivery", [], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
        let read = |(id, set_aside): (String, bool)| {
            let id = id.parse().map_err(|_| LedgerError::Unreadable { what: format!("the delivery id {id}") })?;
            Ok((id, set_aside))
        };
        rows.into_iter().map(read).collect()
    }

    /// Whether nothing was ever recorded. A database of something else is not new.
    ///
    /// # Errors
    /// The query failed.
    pub fn is_new(&self) -> Result<bool, LedgerError> {
        if self.counted("SELECT count(*) FROM sqlite_master")? == 0 {
            return Ok(true);
        }
        let has_entries = self.counted("SELECT count(*) FROM sqlite_master WHERE name = 'entry'")? == 1;
        Ok(has_entries && self.counted("SELECT count(*) FROM (SELECT 1 FROM entry LIMIT 1)")? == 0)
    }

    fn counted(&self, query: &str) -> Result<i64, LedgerError> {
        self.connection.query_row(query, [], |row| row.get(0)).map_err(LedgerError::Read)
    }

    /// Providers that have deliveries which have not ended, with how many.
    ///
    /// # Errors
    /// The query failed.
    pub fn pending_by_provider(&self) -> Result<Vec<(String, u64)>, LedgerError> {
        self.all("SELECT provider, count(*) FROM delivery WHERE outcome = 'pending' GROUP BY provider ORDER BY provider", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
    }

    /// The newest entry's place and hash.
    ///
    /// # Errors
    /// The query failed.
    pub fn head(&self) -> Result<ChainHead, LedgerError> {
        chain::head(&self.connection).map_err(LedgerError::Read)
    }

    fn entries_where(&self, condition: &str, values: impl Params) -> Result<Vec<Entry>, LedgerError> {
        let rows = self.all(&format!("SELECT seq, at, body FROM entry {condition}"), values, |row| {
            Ok((row.get::<_, u64>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?))
        })?;
        rows.into_iter().map(|(seq, at, body)| Ok(Entry { seq, at: time(&at)?, event: json(&body)? })).collect()
    }

    pub(super) fn episodes_where(&self, condition: &str, values: impl Params) -> Result<Vec<EpisodeRow>, LedgerError> {
        let (said, join) = self.acknowledgements("episode")?;
        let sql = format!("SELECT episode.key, provider, episode, opened_at, closed_at, {said} FROM episode {join} {condition}");
        let rows = self.all(&sql, values, |row| {
            Ok((
                row.get(0)?,
                row.get::<_, String>(1)?,
                row.get::<_, String>(2)?,
                row.get::<_, String>(3)?,
                row.get::<_, Option<String>>(4)?,
                said_in(row, 5)?,
            ))
        })?;
        rows.into_iter()
            .map(|(key, provider, episode, opened_at, closed_at, said)| {
                let provider = provider.parse().map_err(|_| LedgerError::Unreadable { what: format!("provider {provider}") })?;
                let closed_at = closed_at.as_deref().map(time).transpose()?;
                let (episode, opened_at, acknowledged) = (json(&episode)?, time(&opened_at)?, said.read()?);
                Ok(EpisodeRow { key, provider, episode, opened_at, closed_at, acknowledged })
            })
            .collect()
    }

    /// The columns that say who sees to an episode, and how they are joined to a table of episodes.
    fn acknowledgements(&self, table: &str) -> Result<(&'static str, String), LedgerError> {
        Ok(match self.keeps_silences()? {
            true => ("said_by, reason, said_at, until_at", format!("LEFT JOIN acknowledgement ON acknowledgement.key = {table}.key")),
            false => ("NULL, NULL, NULL, NULL", String::new()),
        })
    }

    fn deliveries_where(&self, condition: &str, values: impl Params) -> Result<Vec<DeliveryRow>, LedgerError> {
        let rows = self.all(&format!("{COLUMNS} {condition}"), values, |row| {
            Ok((
                row.get::<_, String>(0)?,
                row.get::<_, String>(1)?,
                row.get::<_, String>(2)?,
                row.get::<_, Option<String>>(3)?,
                row.get(4)?,
                row.get(5)?,
            ))
        })?;
        rows.into_iter()
            .map(|(facts, stage, moved_at, report, note, released)| {
                Ok(DeliveryRow {
                    delivery: json(&facts)?,
                    stage: json(&stage)?,
                    moved_at: time(&moved_at)?,
                    report: report.as_deref().map(json).transpose()?,
                    note,
                    released,
                })
            })
            .collect()
    }

    pub(super) fn all<T>(
        &self,
        sql: &str,
        values: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, LedgerError> {
        let mut statement = self.connection.prepare(sql).map_err(LedgerError::Read)?;
        let rows = statement.query_map(values, read).map_err(LedgerError::Read)?;
        rows.collect::<Result<_, _>>().map_err(LedgerError::Read)
    }
}

/// Who sees to an episode, as the columns have it.
struct Said(Option<(String, String, String)>, Option<String>);

fn said_in(row: &Row<'_>, first: usize) -> rusqlite::Result<Said> {
    let text = |column: usize| row.get::<_, Option<String>>(first + column);
    Ok(match (text(0)?, text(1)?, text(2)?) {
        (Some(by), Some(reason), Some(at)) => Said(Some((by, reason, at)), text(3)?),
        _ => Said(None, None),
    })
}

impl Said {
    fn read(self) -> Result<Option<Acknowledged>, LedgerError> {
        let Self(Some((by, reason, at)), until) = self else { return Ok(None) };
        Ok(Some(Acknowledged { by, reason, at: time(&at)?, until: until.as_deref().map(time).transpose()? }))
    }
}

pub(super) fn time(text: &str) -> Result<Timestamp, LedgerError> {
    text.parse().map_err(|_| LedgerError::Unreadable { what: format!("the time {text}") })
}

pub(super) fn json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, LedgerError> {
    serde_json::from_str(text).map_err(|error| LedgerError::Unreadable { what: error.to_string() })
}
