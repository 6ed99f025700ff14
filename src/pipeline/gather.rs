//! Gathering: which pending deliveries are judged together. Pure.

use crate::feed::{DeliveryId, Stage};
use crate::ledger::DeliveryRow;
use crate::verify::envelope::{identify, missing_parts, needs_set};
use crate::verify::{Feed, History, PastSnapshot};
use jiff::Timestamp;

/// What to do about a delivery that is to be judged.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Gathering<'a> {
    /// Judge these together. The others were sent for the same part of the same set and are replaced by newer ones.
    Judge {
        /// The parts.
        parts: Vec<&'a DeliveryRow>,
        /// Older files of the same part.
        replaced: Vec<&'a DeliveryRow>,
    },
    /// Other parts are still to come.
    Wait(Stage),
    /// The same file is already pending.
    Repeats(DeliveryId),
}

/// Decides what to judge with `row`, given everything of its feed that is pending.
pub(super) fn gather<'a>(
    feed: &Feed,
    row: &'a DeliveryRow,
    pending: &'a [DeliveryRow],
    history: &History,
    now: Timestamp,
) -> Gathering<'a> {
    let alone = || Gathering::Judge { parts: vec![row], replaced: Vec::new() };
    let Ok(identity) = identify(feed, &row.delivery.name) else { return alone() };
    let Some(wait) = needs_set(&identity, feed) else { return alone() };
    let known =
        |past: &PastSnapshot| past.files.iter().any(|(name, hash)| name == row.delivery.name.as_str() && *hash == row.delivery.sha256);
    if history.accepted.iter().any(known) {
        return alone();
    }
    let undecided =
        |other: &&DeliveryRow| other.delivery.folder == row.delivery.folder && matches!(other.stage, Stage::Landed | Stage::Waiting { .. });
    let mut members: Vec<(String, &DeliveryRow)> = Vec::new();
    let mut replaced = Vec::new();
    for other in pending.iter().filter(undecided) {
        let Ok(its) = identify(feed, &other.delivery.name) else { continue };
        if its.set_key != identity.set_key {
            continue;
        }
        match members.iter_mut().find(|(part, _)| *part == its.part) {
            None => members.push((its.part, other)),
            Some((_, older)) if older.delivery.sha256 == other.delivery.sha256 && other.delivery.id == row.delivery.id => {
                return Gathering::Repeats(older.delivery.id);
            }
            // Pending deliveries come oldest first, so the newer file of a part takes the older one's place.
            Some((_, older)) => replaced.push(std::mem::replace(older, other)),
        }
    }
    let names: Vec<_> = members.iter().map(|(_, member)| &member.delivery.name).collect();
    let complete = missing_parts(feed, &names).is_empty();
    let first = members.iter().map(|(_, member)| member.delivery.received_at).min().unwrap_or(row.delivery.received_at);
    let until = first.saturating_add(wait).unwrap_or(first);
    if !complete && now < until {
        return Gathering::Wait(Stage::Waiting { set: identity.set_key, part: identity.part, until });
    }
    Gathering::Judge { parts: members.into_iter().map(|(_, member)| member).collect(), replaced }
}

/// The accepted snapshots among a feed's deliveries, oldest first; those led by one of `without` are left out, so that a
/// delivery judged again does not meet itself.
pub(super) fn history(rows: &[DeliveryRow], without: &[DeliveryId]) -> History {
    let mut accepted: Vec<PastSnapshot> = Vec::new();
    for row in rows {
        let (Stage::Ready { snapshot, .. } | Stage::Loaded { snapshot }) = &row.stage else { continue };
        if without.contains(&snapshot.lead) {
            continue;
        }
        let file = (row.delivery.name.to_string(), row.delivery.sha256);
        if let Some(known) = accepted.iter_mut().find(|past| past.lead == snapshot.lead) {
            known.files.push(file);
            continue;
        }
        let Some(report) = &row.report else { continue };
        let (Some(snapshot_at), Some(content)) = (report.snapshot_at, report.content) else { continue };
        accepted.push(PastSnapshot {
            lead: snapshot.lead,
            files: vec![file],
            slot: snapshot.slot,
            version: snapshot.version,
            snapshot_at,
            sequence: report.sequence,
            content,
            totals: report.totals.unwrap_or_default(),
        });
    }
    History { accepted }
}
