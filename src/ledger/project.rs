//! Projection: an event's effect on the derived tables.

use super::{Act, AlertToSend, Event, LedgerError, MAX_CLIENTS, kept, silences};
use crate::feed::{Announced, AnnouncedKind, ClientSeen, Delivery, DeliveryId, Report, Stage};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

/// A move that would break P2: an end is an end, except that support may take a delivery out of quarantine.
#[derive(Debug, thiserror::Error)]
#[error("delivery {delivery} may not move from {from} to {to}")]
pub struct IllegalMove {
    /// Which delivery.
    pub delivery: DeliveryId,
    /// Where it stands; "nowhere" for one that the ledger does not know.
    pub from: String,
    /// Where it was to go.
    pub to: String,
}

/// Applies one event to the derived tables.
pub(super) fn apply(connection: &Connection, at: Timestamp, event: &Event) -> Result<(), LedgerError> {
    match event {
        Event::Started { .. }
        | Event::Stopped
        | Event::Watched
        | Event::Noted { .. }
        | Event::Superseded { .. }
        | Event::ReceiptRead { .. }
        | Event::ReleaseRequested { .. }
        | Event::ViewedRaw { .. }
        | Event::Settled { .. }
        | Event::Restored { .. } => Ok(()),
        Event::SettingsChanged { files, .. } => files.iter().try_for_each(|file| match file.is {
            Some(is) => run(
                connection,
                "INSERT INTO settings_file (name, sha256) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET sha256 = excluded.sha256",
                params![file.name, is.to_string()],
            ),
            None => run(connection, "DELETE FROM settings_file WHERE name = ?1", params![file.name]),
        }),
        Event::HoldPlaced { hold } => kept::hold_placed(connection, at, hold),
        Event::HoldEnded { hold, by, reason, .. } => kept::hold_ended(connection, at, *hold, by, reason),
        Event::Disposing { disposal, again } => kept::disposing(connection, at, disposal, again),
        Event::Spared { disposal, ids, items, bytes } => kept::spared(connection, *disposal, ids, *items, *bytes),
        Event::Disposed { disposal } => kept::disposed(connection, at, *disposal),
        Event::Trimmed { before } => kept::trimmed(connection, *before),
        Event::FeedExpected { provider, first_slot } => run(
            connection,
            "INSERT INTO feed (provider, first_slot) VALUES (?1, ?2) ON CONFLICT (provider) DO UPDATE SET first_slot = excluded.first_slot",
            params![provider.as_str(), first_slot.to_string()],
        ),
        Event::Accepted { delivery } => accepted(connection, delivery),
        Event::Moved { delivery, stage, report, note } => moved(connection, at, *delivery, stage, report.as_deref(), note.as_deref()),
        Event::Acted { delivery, act, .. } => run(
            connection,
            "UPDATE delivery SET released = ?2 WHERE id = ?1",
            params![delivery.to_string(), i64::from(*act == Act::Release)],
        ),
        Event::ReplayAsked { key, provider, from, to, .. } => run(
            connection,
            "INSERT INTO replay (key, provider, from_slot, to_slot, asked_at) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![key, provider.as_str(), from.to_string(), to.to_string(), stamp(at)],
        ),
        Event::Replayed { replay, delivery, provider, snapshot, report } => run(
            connection,
            // Once more where its number turned out to be taken.
            "INSERT INTO replayed (replay, lead, provider, slot, version, report, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (replay, lead) DO UPDATE SET version = excluded.version, report = excluded.report, at = excluded.at",
            params![
                replay,
                delivery.to_string(),
                provider.as_str(),
                snapshot.slot.to_string(),
                snapshot.version,
                to_json(report)?,
                stamp(at)
            ],
        ),
        Event::ReplayKept { replay, delivery, why } => run(
            connection,
            "INSERT INTO replayed (replay, lead, why, at) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (replay, lead) DO UPDATE SET version = NULL, report = NULL, why = excluded.why, at = excluded.at",
            params![replay, delivery.to_string(), why, stamp(at)],
        ),
        Event::ReplayEnded { key, unchanged } => {
            run(connection, "UPDATE replay SET ended_at = ?2, unchanged = ?3 WHERE key = ?1", params![key, stamp(at), unchanged])
        }
        Event::EpisodeOpened { key, provider, episode, alerts } => {
            run(
                connection,
                "INSERT INTO episode (key, provider, episode, opened_at) VALUES (?1, ?2, ?3, ?4)",
                params![key, provider.as_str(), episode.to_string(), stamp(at)],
            )?;
            queue(connection, at, alerts)
        }
        Event::EpisodeClosed { key, alerts } => {
            run(connection, "UPDATE episode SET closed_at = ?2 WHERE key = ?1 AND closed_at IS NULL", params![key, stamp(at)])?;
            queue(connection, at, alerts)
        }
        Event::HouseEpisodeOpened { key, episode, alerts } => {
            run(
                connection,
                "INSERT INTO house_episode (key, episode, opened_at) VALUES (?1, ?2, ?3)",
                params![key, episode.to_string(), stamp(at)],
            )?;
            queue(connection, at, alerts)
        }
        Event::HouseEpisodeClosed { key, alerts } => {
            run(connection, "UPDATE house_episode SET closed_at = ?2 WHERE key = ?1 AND closed_at IS NULL", params![key, stamp(at)])?;
            queue(connection, at, alerts)
        }
        Event::Warned { alerts, .. } | Event::CheckpointSent { alerts, .. } | Event::ToldAgain { alerts, .. } => {
            queue(connection, at, alerts)
        }
        Event::Away { from, until } => {
            run(connection, "INSERT INTO away (from_at, until_at) VALUES (?1, ?2)", params![stamp(*from), stamp(*until)])
        }
        Event::DowntimePlanned { id, provider, from, until, reason, by, .. } => silences::announced(
            connection,
            &Announced {
                id: *id,
                provider: provider.clone(),
                kind: AnnouncedKind::Planned,
                from: *from,
                until: Some(*until),
                reason: reason.clone(),
                by: by.clone(),
                at,
                ended: None,
            },
        ),
        Event::FeedPaused { id, provider, until, reason, by, .. } => silences::announced(
            connection,
            &Announced {
                id: *id,
                provider: provider.clone(),
                kind: AnnouncedKind::Paused,
                from: at,
                until: *until,
                reason: reason.clone(),
                by: by.clone(),
                at,
                ended: None,
            },
        ),
        Event::DowntimeEnded { id, reason, by, .. } | Event::FeedResumed { id, reason, by, .. } => {
            silences::ended(connection, at, *id, by, reason)
        }
        Event::EpisodeAcknowledged { key, reason, by, until, .. } => silences::acknowledged(connection, at, key, by, reason, *until),
        Event::ClientSeen { client } => client_seen(connection, client),
        Event::AlertDelivered { key, channel } => run(
            connection,
            "UPDATE outbox SET delivered_at = ?3, attempts = attempts + 1, error = NULL WHERE key = ?1 AND channel = ?2",
            params![key, channel, stamp(at)],
        ),
        Event::AlertFailed { key, channel, next_at, error } => run(
            connection,
            "UPDATE outbox SET attempts = attempts + 1, next_at = ?3, error = ?4 WHERE key = ?1 AND channel = ?2",
            params![key, channel, stamp(*next_at), error],
        ),
        Event::AlertDropped { key, channel } => run(
            connection,
            "UPDATE outbox SET delivered_at = ?3, error = 'dropped' WHERE key = ?1 AND channel = ?2 AND delivered_at IS NULL",
            params![key, channel, stamp(at)],
        ),
    }
}

fn accepted(connection: &Connection, delivery: &Delivery) -> Result<(), LedgerError> {
    let stage = to_json(&Stage::Landed)?;
    let facts = Delivery::record(delivery, serde_json::value::Serializer);
    let facts = to_json(&facts.map_err(|error| LedgerError::Unreadable { what: error.to_string() })?)?;
    run(
        connection,
        "INSERT INTO delivery (id, provider, folder, name, sha256, received_at, facts, outcome, stage, moved_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?6)",
        params![
            delivery.id.to_string(),
            delivery.provider.as_str(),
            delivery.folder.as_str(),
            delivery.name.as_str(),
            delivery.sha256.to_string(),
            stamp(delivery.received_at),
            facts,
            Stage::Landed.outcome().as_str(),
            stage,
        ],
    )
}

fn moved(
    connection: &Connection,
    at: Timestamp,
    id: DeliveryId,
    stage: &Stage,
    report: Option<&Report>,
    note: Option<&str>,
) -> Result<(), LedgerError> {
    let from: Option<String> = connection
        .prepare_cached("SELECT stage FROM delivery WHERE id = ?1")
        .and_then(|mut statement| statement.query_row([id.to_string()], |row| row.get(0)).optional())
        .map_err(LedgerError::Append)?;
    let current: Option<Stage> = from.as_deref().and_then(|text| serde_json::from_str(text).ok());
    if !current.as_ref().is_some_and(|current| current.may_become(stage)) {
        let from = current.map_or("nowhere", |stage| stage.as_str()).to_owned();
        return Err(IllegalMove { delivery: id, from, to: stage.as_str().to_owned() }.into());
    }
    let snapshot = stage.snapshot();
    if let Stage::Loaded { snapshot } = stage {
        let loaded = "UPDATE replayed SET loaded = 1, report = NULL WHERE lead = ?1 AND version = ?2";
        run(connection, loaded, params![snapshot.lead.to_string(), snapshot.version])?;
    }
    let slot = snapshot.map(|s| s.slot).or(report.and_then(|r| r.slot)).map(|slot| slot.to_string());
    run(
        connection,
        "UPDATE delivery SET stage = ?2, outcome = ?3, moved_at = ?4, report = coalesce(?5, report), note = ?6,
                slot = coalesce(?7, slot), version = ?8, lead = ?9 WHERE id = ?1",
        params![
            id.to_string(),
            to_json(stage)?,
            stage.outcome().as_str(),
            stamp(at),
            report.map(to_json).transpose()?,
            note,
            slot,
            snapshot.map(|s| s.version),
            snapshot.map(|s| s.lead.to_string()),
        ],
    )
}

/// Keeps the newest sighting of each client, and so many clients of a provider.
fn client_seen(connection: &Connection, client: &ClientSeen) -> Result<(), LedgerError> {
    run(
        connection,
        "INSERT INTO client (provider, key, software, host_key, seen_at, facts) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (provider, key, software, host_key) DO UPDATE SET seen_at = excluded.seen_at, facts = excluded.facts",
        params![client.provider.as_str(), client.key, client.software, client.host_key, stamp(client.at), to_json(client)?],
    )?;
    run(
        connection,
        "DELETE FROM client WHERE provider = ?1 AND rowid NOT IN
             (SELECT rowid FROM client WHERE provider = ?1 ORDER BY seen_at DESC, rowid DESC LIMIT ?2)",
        params![client.provider.as_str(), MAX_CLIENTS],
    )
}

fn queue(connection: &Connection, at: Timestamp, alerts: &[AlertToSend]) -> Result<(), LedgerError> {
    for alert in alerts {
        run(
            connection,
            "INSERT INTO outbox (key, channel, message, next_at) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (key, channel) DO NOTHING",
            params![alert.key, alert.channel, alert.message.to_string(), stamp(alert.not_before.unwrap_or(at))],
        )?;
    }
    Ok(())
}

pub(super) fn run(connection: &Connection, sql: &str, values: impl rusqlite::Params) -> Result<(), LedgerError> {
    let mut statement = connection.prepare_cached(sql).map_err(LedgerError::Append)?;
    statement.execute(values).map(|_| ()).map_err(LedgerError::Append)
}

/// An instant as the tables hold it: always six decimals, so that texts sort as instants do.
pub(super) fn stamp(at: Timestamp) -> String {
    format!("{at:.6}")
}

/// JSON of our own types, which always have one.
pub(super) fn to_json<T: serde::Serialize>(value: &T) -> Result<String, LedgerError> {
    serde_json::to_string(value).map_err(|error| LedgerError::Unreadable { what: error.to_string() })
}
