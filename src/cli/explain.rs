//! `bedfeed explain`: one delivery's whole life, from connection to load, with times and who.

use super::args::Explain;
use super::listings::{as_json, report_json};
use super::{Ending, Failure, delivery_called, json, reader, settings};
use crate::feed::{Delivery, Report, Stage, printed};
use crate::ledger::{Account, Class, DisposalRow, Event, Life};
use crate::receipts::counts;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Tells it.
pub(super) fn explain(arguments: &Explain, out: &mut dyn Write) -> Result<Ending, Failure> {
    let settings = settings(&arguments.config.config)?;
    let reader = reader(&settings)?;
    let id = delivery_called(&reader, &arguments.id)?.delivery.id;
    let Some(mut life) = reader.life(id)? else { return Err(Failure::Failed(format!("there is no delivery {id}"))) };
    // Years later only the entries have every finding.
    let told = life.entries.iter().rev().find_map(|entry| match &entry.event {
        Event::Moved { report: Some(report), .. } => Some(report.as_ref().clone()),
        _ => None,
    });
    life.row.report = told.or(life.row.report);
    if arguments.json {
        let entries: Vec<_> = life
            .entries
            .iter()
            .map(|entry| serde_json::json!({ "seq": entry.seq, "at": entry.at, "event": event_json(&entry.event) }))
            .collect();
        let mut value = as_json(&life.row);
        if let Some(object) = value.as_object_mut() {
            object.insert("deleted".to_owned(), serde_json::json!(reader.gone(id)?.into_values().collect::<Vec<_>>()));
            object.insert("entries".to_owned(), entries.into());
        }
        json(out, &value)?;
    } else {
        tell(&life, &reader.gone(id)?, out)?;
        super::incident::report(&life, &settings, out)?;
        journal(id, out)?;
    }
    Ok(Ending::Fine)
}

/// An entry's fact; a report's sums and a file's name are shown as in every other place.
fn event_json(event: &Event) -> serde_json::Value {
    let mut value = serde_json::json!(event);
    let shown = match event {
        Event::Moved { report: Some(report), .. } => Some(("report", report_json(report))),
        Event::Accepted { delivery } => Some(("delivery", serde_json::json!(delivery))),
        _ => None,
    };
    if let (Some((key, shown)), Some(object)) = (shown, value.as_object_mut()) {
        object.insert(key.to_owned(), shown);
    }
    value
}

fn tell(life: &Life, gone: &BTreeMap<Class, DisposalRow>, out: &mut dyn Write) -> io::Result<()> {
    let delivery = &life.row.delivery;
    writeln!(out, "Delivery {}", delivery.id)?;
    writeln!(
        out,
        "  {} sent {} ({} bytes) to {}/",
        delivery.provider,
        printed(&delivery.name.shown()),
        delivery.bytes,
        delivery.folder.as_str()
    )?;
    writeln!(out, "  SHA-256 {}", delivery.sha256)?;
    writeln!(out, "  now: {}", standing(&life.row.stage, marked(life.row.report.as_ref())))?;
    if let Some(note) = &life.row.note {
        writeln!(out, "  note: {}", printed(note))?;
    }
    super::retention::tell_gone(gone, out)?;
    writeln!(out, "\nWhat happened (UTC)")?;
    arrival(delivery, out)?;
    for entry in &life.entries {
        if let Some(text) = step(&entry.event) {
            line(out, entry.at, &format!("{text} [ledger {}]", entry.seq))?;
        }
    }
    match &life.row.report {
        Some(report) => judged(report, out),
        None => writeln!(out, "\nNot judged yet."),
    }
}

fn arrival(delivery: &Delivery, out: &mut dyn Write) -> io::Result<()> {
    let sender = &delivery.sender;
    line(out, sender.connected_at, &format!("connection {} from {} by {}", sender.connection, sender.address, printed(&sender.software)))?;
    line(
        out,
        sender.connected_at,
        &format!("logged in as {} with the key of {} ({})", delivery.provider, printed(&sender.key_owner), sender.key),
    )?;
    line(out, delivery.opened_at, "upload opened")?;
    line(out, delivery.received_at, "upload complete, made durable")
}

fn step(event: &Event) -> Option<String> {
    match event {
        Event::Accepted { .. } => Some("recorded, and the sender told OK".to_owned()),
        Event::Moved { stage, report, note, .. } => {
            let note = note.as_deref().map(|note| format!(": {}", printed(note))).unwrap_or_default();
            Some(format!("{}{note}", standing(stage, marked(report.as_deref()))))
        }
        Event::Acted { act, by, reason, account, .. } => {
            Some(format!("{} by {}{}: {}", act.as_str(), printed(by), asked_as(account.as_ref()), printed(reason)))
        }
        Event::Superseded { by, .. } => Some(format!("superseded: the current snapshot of its slot is that of {by}")),
        Event::ReceiptRead { stage, .. } => Some(format!("its sender fetched the receipt ({})", printed(stage))),
        Event::ReleaseRequested { by, reason, account, until, .. } => Some(format!(
            "release asked for by {}{}: {}; a second person must agree until {}",
            printed(by),
            asked_as(account.as_ref()),
            printed(reason),
            clock_time(*until)
        )),
        Event::ViewedRaw { by, reason, account, .. } => {
            Some(format!("raw file viewed by {}{}: {}", printed(by), asked_as(account.as_ref()), printed(reason)))
        }
        Event::Replayed { snapshot, .. } => {
            Some(format!("read again by today's mapping: it says something else, and becomes version {}", snapshot.version))
        }
        Event::ReplayKept { why, .. } => Some(format!("read again by today's mapping: its version stays: {}", printed(why))),
        Event::Started { .. }
        | Event::Stopped
        | Event::SettingsChanged { .. }
        | Event::Noted { .. }
        | Event::CheckpointSent { .. }
        | Event::Restored { .. }
        | Event::FeedExpected { .. }
        | Event::HoldPlaced { .. }
        | Event::HoldEnded { .. }
        | Event::Settled { .. }
        | Event::Disposing { .. }
        | Event::Spared { .. }
        | Event::Disposed { .. }
        | Event::Trimmed { .. }
        | Event::EpisodeOpened { .. }
        | Event::EpisodeClosed { .. }
        | Event::HouseEpisodeOpened { .. }
        | Event::HouseEpisodeClosed { .. }
        | Event::ReplayAsked { .. }
        | Event::ReplayEnded { .. }
        | Event::Warned { .. }
        | Event::ToldAgain { .. }
        | Event::Watched
        | Event::Away { .. }
        | Event::DowntimePlanned { .. }
        | Event::DowntimeEnded { .. }
        | Event::FeedPaused { .. }
        | Event::FeedResumed { .. }
        | Event::EpisodeAcknowledged { .. }
        | Event::ClientSeen { .. }
        | Event::AlertDelivered { .. }
        | Event::AlertFailed { .. }
        | Event::AlertDropped { .. } => None,
    }
}

/// The account that asked, in brackets.
fn asked_as(account: Option<&Account>) -> String {
    account.map(|account| format!(" ({account})")).unwrap_or_default()
}

fn marked(report: Option<&Report>) -> bool {
    report.is_some_and(|report| report.marked_test)
}

/// `marked_test`: the sender's own mark makes it a test, whatever the folder.
fn standing(stage: &Stage, marked_test: bool) -> String {
    match stage {
        Stage::Landed => "waiting to be judged".to_owned(),
        Stage::Waiting { part, until, .. } => format!("part \"{part}\" of a set; the others are awaited until {}", clock_time(*until)),
        Stage::Ready { snapshot, attempts: 0, .. } => format!("accepted for slot {} as version {}", snapshot.slot, snapshot.version),
        Stage::Ready { attempts, retry_at, .. } => {
            format!("accepted; loading failed {attempts} times, next try at {}", clock_time(*retry_at))
        }
        Stage::Loaded { snapshot } => format!("loaded into slot {} as version {}", snapshot.slot, snapshot.version),
        Stage::Quarantined { sealed: true, discarded: false } => "sealed: identifiable data leaked".to_owned(),
        Stage::Quarantined { discarded: true, .. } => "discarded: will never be loaded".to_owned(),
        Stage::Quarantined { .. } => "quarantined".to_owned(),
        Stage::HandedBack { mend, .. } => {
            let mend = mend.as_deref().map(|mend| format!(", with the words: {}", printed(mend))).unwrap_or_default();
            format!("handed back to its sender{mend}; will never be loaded")
        }
        Stage::Duplicate { of } => format!("duplicate of {of}; nothing loaded"),
        Stage::Tested { accepted: true } if marked_test => "marked TEST: would have been accepted without it; nothing loaded".to_owned(),
        Stage::Tested { accepted: false } if marked_test => "marked TEST: would have been rejected without it; nothing loaded".to_owned(),
        Stage::Tested { accepted: true } => "test: would have been accepted; nothing loaded".to_owned(),
        Stage::Tested { accepted: false } => "test: would have been rejected; nothing loaded".to_owned(),
    }
}

fn judged(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\nHow it was judged")?;
    if let Some(mapping) = &report.mapping {
        writeln!(out, "  mapping {mapping}")?;
    }
    if let Some(at) = report.snapshot_at {
        writeln!(out, "  figures of {at}{}", report.slot.map(|slot| format!(", slot {slot}")).unwrap_or_default())?;
    }
    for (part, id) in report.parts.iter().filter(|_| report.parts.len() > 1) {
        writeln!(out, "  part \"{part}\": delivery {id}")?;
    }
    for line in counts(report) {
        writeln!(out, "  {line}")?;
    }
    if report.findings.is_empty() {
        return writeln!(out, "  findings: none");
    }
    writeln!(out, "  findings:")?;
    for finding in report.findings.iter() {
        let place = &finding.place;
        let part = place.part.as_deref().map(|part| format!(" in {}", printed(part))).unwrap_or_default();
        let at = place.line.map(|line| format!(" line {line}")).unwrap_or_default();
        let column = place.column.as_deref().map(|column| format!(" column {}", printed(column))).unwrap_or_default();
        writeln!(out, "    {} {}{part}{at}{column}: {}", finding.rule, finding.severity.as_str(), printed(&finding.message))?;
    }
    for (rule, severity, count) in report.findings.counts() {
        let kept = report.findings.iter().filter(|finding| finding.rule == rule && finding.severity == severity).count();
        let more = count.saturating_sub(u64::try_from(kept).unwrap_or(count));
        if more > 0 {
            writeln!(out, "    {rule} {}: and {more} more like this", severity.as_str())?;
        }
    }
    Ok(())
}

/// An instant to the second.
fn clock_time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn line(out: &mut dyn Write, at: Timestamp, text: &str) -> io::Result<()> {
    writeln!(out, "  {}  {text}", at.strftime("%Y-%m-%d %H:%M:%S.%3f"))
}

/// The journal's entries about the delivery, where this build can read the journal.
#[cfg(feature = "journal")]
fn journal(id: crate::feed::DeliveryId, out: &mut dyn Write) -> io::Result<()> {
    use systemd::journal::OpenOptions;
    /// Most entries shown.
    const MOST: usize = 200;
    writeln!(out, "\nIn the journal")?;
    let mut journal = match OpenOptions::default().system(true).current_user(true).open() {
        Ok(journal) => journal,
        Err(error) => return writeln!(out, "  the journal cannot be read: {error}"),
    };
    journal.match_add("DELIVERY", id.to_string())?;
    let mut shown = 0_usize;
    while shown < MOST {
        let Some(entry) = journal.next_entry()? else { break };
        let message = entry.get("MESSAGE").map_or("", String::as_str);
        writeln!(out, "  {}", printed(message))?;
        shown = shown.saturating_add(1);
    }
    if shown == 0 { writeln!(out, "  nothing about this delivery") } else { Ok(()) }
}

/// This build cannot read the journal: it says nothing about it.
#[cfg(not(feature = "journal"))]
fn journal(_: crate::feed::DeliveryId, _: &mut dyn Write) -> io::Result<()> {
    Ok(())
}
