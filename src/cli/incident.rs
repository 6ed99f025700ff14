//! The incident report of a sealed delivery: what the governance lead needs on paper, filled in as far as bedfeed knows.
//!
//! Owns its wording. Refuses any value of the file: it says which column, which rule, and how many.

use crate::config::Settings;
use crate::feed::{Delivery, Finding, Stage, printed};
use crate::ledger::{Act, Entry, Event, Life};
use jiff::Timestamp;
use std::io::{self, Write};

/// Writes the report of a sealed delivery; nothing for any other.
pub(super) fn report(life: &Life, settings: &Settings, out: &mut dyn Write) -> io::Result<()> {
    let discarded = match life.row.stage {
        Stage::Quarantined { sealed: true, discarded } => discarded,
        Stage::HandedBack { sealed: true, .. } => true,
        _ => return Ok(()),
    };
    let delivery = &life.row.delivery;
    writeln!(out, "\nINCIDENT REPORT, for the information governance lead (times in UTC)")?;
    received(delivery, settings, out)?;
    found(life, out)?;
    done(life, settings, discarded, out)?;
    writeln!(out, "\nTo be filled in")?;
    for line in ["Whose data, and how many people:", "Harm that may follow:", "Told on (provider's governance lead):", "Reported on, to:"] {
        writeln!(out, "  {line:<38} ......................")?;
    }
    writeln!(out, "  {:<38} ......................", "Decided by, on:")?;
    writeln!(out, "\nWhat to do next")?;
    let id = delivery.id;
    let (looked_at, decided) = if discarded {
        (
            "3. Nobody can look at the file any more: it was removed for good.".to_owned(),
            "4. Nothing is left to be done with the file.".to_owned(),
        )
    } else {
        (
            "3. If the file must be looked at, do so as docs/governance.md says, on a machine that is meant for it.".to_owned(),
            format!("4. When it is decided: bedfeed discard {id} --by \"NAME\" --reason \"DECISION\", which removes it for good."),
        )
    };
    for line in [
        format!("1. Tell the governance lead of {} today. Quote the delivery's id, and send no part of the file.", delivery.provider),
        "2. Decide within 72 hours of the receipt whether it must be reported (UK GDPR, article 33), by the incident tool of the Data"
            .to_owned(),
        "   Security and Protection Toolkit.".to_owned(),
        looked_at,
        decided,
        "   Who, when and why stay in the ledger, and so do the findings.".to_owned(),
        "5. Ask for a clean file. Nothing of this one was loaded, and nothing of it can be.".to_owned(),
    ] {
        writeln!(out, "  {line}")?;
    }
    Ok(())
}

fn received(delivery: &Delivery, settings: &Settings, out: &mut dyn Write) -> io::Result<()> {
    let provider = settings.provider(&delivery.provider);
    let contact = provider.map(|provider| &provider.contact);
    let contact = contact.map(|it| [it.name.as_str(), it.phone.as_str(), it.email.as_str()].map(printed)).unwrap_or_default();
    let contact: Vec<std::borrow::Cow<'_, str>> = contact.into_iter().filter(|word| !word.is_empty()).collect();
    let name = provider.map_or_else(String::new, |provider| printed(&provider.name).into_owned());
    let (shown, sender) = (delivery.name.shown(), &delivery.sender);
    writeln!(out, "\nWhat came")?;
    for (what, value) in [
        ("Delivery", delivery.id.to_string()),
        ("From", format!("{} {name}", delivery.provider)),
        ("Contact", if contact.is_empty() { "nobody is named in the settings".to_owned() } else { contact.join(", ") }),
        ("Sent with the key of", format!("{}, from {}", printed(&sender.key_owner), sender.address.ip())),
        ("Received", clock(delivery.received_at)),
        ("File", format!("{} ({} bytes), to {}/", printed(&shown), delivery.bytes, delivery.folder.as_str())),
        ("SHA-256", delivery.sha256.to_string()),
    ] {
        writeln!(out, "  {what:<22} {}", value.trim_end())?;
    }
    if shown != delivery.name.as_str() {
        writeln!(out, "  The file's name holds such a number itself: it is shown as stars. Only the ledger has it.")?;
    }
    Ok(())
}

fn found(life: &Life, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\nWhat was found")?;
    let findings: Vec<&Finding> = life.row.report.iter().flat_map(|report| report.findings.iter()).filter(|it| it.rule.seals()).collect();
    for finding in &findings {
        let place = &finding.place;
        let part = place.part.as_deref().map(|part| format!(" in {}", printed(part))).unwrap_or_default();
        let line = place.line.map(|line| format!(" line {line}")).unwrap_or_default();
        writeln!(out, "  {}{part}{line}: {}", finding.rule, printed(&finding.message))?;
    }
    if let Some(report) = life.row.report.as_ref() {
        writeln!(out, "  The file has {} rows.", report.rows.read)?;
        for (part, id) in report.parts.iter().filter(|(_, id)| *id != life.row.delivery.id) {
            writeln!(out, "  Sent with it, and sealed too: \"{}\", delivery {id}.", printed(part))?;
        }
    }
    Ok(())
}

fn done(life: &Life, settings: &Settings, discarded: bool, out: &mut dyn Write) -> io::Result<()> {
    let sealed_at = life.entries.iter().find(|entry| seals(entry)).map_or(life.row.moved_at, |entry| entry.at);
    writeln!(out, "\nWhat was done")?;
    writeln!(out, "  {}  sealed, {} after receipt; nothing was loaded", clock(sealed_at), after(life.row.delivery.received_at, sealed_at))?;
    let keys = settings.governance.recipients.len();
    match (discarded, keys) {
        (true, _) => {}
        (false, 0) => {
            writeln!(out, "  The file is kept UNENCRYPTED, readable by bedfeed's own account and by root: [governance] has no recipients.")?
        }
        (false, _) => writeln!(out, "  The file is encrypted to the governance role ({keys} key{}).", if keys == 1 { "" } else { "s" })?,
    }
    writeln!(
        out,
        "  Until then it lay in bedfeed's own folder, readable by bedfeed's account and by root; no person was shown any of it."
    )?;
    writeln!(out, "  The sender's receipt says that the file is sealed, and in which column; no receipt, page or log has a value of it.")?;
    for entry in &life.entries {
        if let Event::Acted { act: act @ (Act::Discard | Act::HandBack), by, reason, .. } = &entry.event {
            let done = if *act == Act::Discard { "discarded" } else { "handed back" };
            writeln!(out, "  {}  {done} by {}: {}; the file was removed", clock(entry.at), printed(by), printed(reason))?;
        }
    }
    Ok(())
}

fn seals(entry: &Entry) -> bool {
    matches!(entry.event, Event::Moved { stage: Stage::Quarantined { sealed: true, .. }, .. })
}

fn clock(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn after(from: Timestamp, to: Timestamp) -> String {
    let seconds = to.duration_since(from).as_secs().max(0);
    if seconds < 120 { format!("{seconds} s") } else { format!("{} min", seconds / 60) }
}
