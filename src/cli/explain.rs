//! `bedfeed explain`: one delivery's whole life, from connection to load, with times and who.

use super::args::Explain;
use super::listings::{as_json, report_json};
use super::table::plain;
use super::{Ending, Failure, delivery_called, json, reader, settings};
use crate::feed::{Delivery, Report, Stage};
use crate::ledger::{Event, Life};
use crate::receipts::counts;
use jiff::Timestamp;
use std::io::{self, Write};

/// Tells it.
pub(super) fn explain(arguments: &Explain, out: &mut dyn Write) -> Result<Ending, Failure> {
    let settings = settings(&arguments.config.config)?;
    let reader = reader(&settings)?;
    let id = delivery_called(&reader, &arguments.id)?.delivery.id;
    let Some(life) = reader.life(id)? else { return Err(Failure::Failed(format!("there is no delivery {id}"))) };
    if arguments.json {
        let entries: Vec<_> = life
            .entries
            .iter()
            .map(|entry| serde_json::json!({ "seq": entry.seq, "at": entry.at, "event": event_json(&entry.event) }))
            .collect();
        let mut value = as_json(&life.row);
        if let Some(object) = value.as_object_mut() {
            object.insert("entries".to_owned(), entries.into());
        }
        json(out, &value)?;
    } else {
        tell(&life, out)?;
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

fn tell(life: &Life, out: &mut dyn Write) -> io::Result<()> {
    let delivery = &life.row.delivery;
    writeln!(out, "Delivery {}", delivery.id)?;
    writeln!(
        out,
        "  {} sent {} ({} bytes) to {}/",
        delivery.provider,
        plain(&delivery.name.shown()),
        delivery.bytes,
        delivery.folder.as_str()
    )?;
    writeln!(out, "  SHA-256 {}", delivery.sha256)?;
    writeln!(out, "  now: {}", standing(&life.row.stage))?;
    if let Some(note) = &life.row.note {
        writeln!(out, "  note: {}", plain(note))?;
    }
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
    line(out, sender.connected_at, &format!("connection {} from {} by {}", sender.connection, sender.address, plain(&sender.software)))?;
    line(
        out,
        sender.connected_at,
        &format!("logged in as {} with the key of {} ({})", delivery.provider, plain(&sender.key_owner), sender.key),
    )?;
    line(out, delivery.opened_at, "upload opened")?;
    line(out, delivery.received_at, "upload complete, made durable")
}

fn step(event: &Event) -> Option<String> {
    match event {
        Event::Accepted { .. } => Some("recorded, and the sender told OK".to_owned()),
        Event::Moved { stage, note, .. } => {
            let note = note.as_deref().map(|note| format!(": {}", plain(note))).unwrap_or_default();
            Some(format!("{}{note}", standing(stage)))
        }
        Event::Replayed { snapshot, .. } => {
            Some(format!("read again by today's mapping: it says something else, and becomes version {}", snapshot.version))
        }
        Event::ReplayKept { why, .. } => Some(format!("read again by today's mapping: its version stays: {}", plain(why))),
        Event::Acted { act, by, reason, .. } => Some(format!("{} by {}: {}", act.as_str(), plain(by), plain(reason))),
        Event::Started { .. }
        | Event::Stopped
        | Event::FeedExpected { .. }
        | Event::EpisodeOpened { .. }
        | Event::EpisodeClosed { .. }
        | Event::HouseEpisodeOpened { .. }
        | Event::HouseEpisodeClosed { .. }
        | Event::ReplayAsked { .. }
        | Event::ReplayEnded { .. }
        | Event::Warned { .. }
        | Event::ClientSeen { .. }
        | Event::AlertDelivered { .. }
        | Event::AlertFailed { .. } => None,
    }
}

fn standing(stage: &Stage) -> String {
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
        Stage::Duplicate { of } => format!("duplicate of {of}; nothing loaded"),
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
        let part = place.part.as_deref().map(|part| format!(" in {}", plain(part))).unwrap_or_default();
        let at = place.line.map(|line| format!(" line {line}")).unwrap_or_default();
        let column = place.column.as_deref().map(|column| format!(" column {}", plain(column))).unwrap_or_default();
        writeln!(out, "    {} {}{part}{at}{column}: {}", finding.rule, finding.severity.as_str(), plain(&finding.message))?;
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
        writeln!(out, "  {}", plain(message))?;
        shown = shown.saturating_add(1);
    }
    if shown == 0 { writeln!(out, "  nothing about this delivery") } else { Ok(()) }
}

/// This build cannot read the journal: it says nothing about it.
#[cfg(not(feature = "journal"))]
fn journal(_: crate::feed::DeliveryId, _: &mut dyn Write) -> io::Result<()> {
    Ok(())
}
