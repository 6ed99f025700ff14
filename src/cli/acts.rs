//! `bedfeed release`, `reprocess`, `hand-back` and `discard`: what support does with a quarantined delivery.

use super::args::{Act as Arguments, Reprocess, Settle};
use super::{Ending, Failure, delivery_called, json, reader, settings};
use crate::config::Settings;
use crate::feed::{DeliveryId, Rule, printed};
use crate::ledger::{Act, DeliveryRow};
use crate::pipeline::{ActError, allowed};
use crate::service::control::{Answer, Request, ask};
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::io::Write;

/// Most deliveries that are named one by one when they are dropped.
const SHOWN: usize = 20;

/// Asks the daemon to act, and says what became of it.
pub(super) fn act(act: Act, arguments: &Arguments, mend: Option<String>, out: &mut dyn Write) -> Result<Ending, Failure> {
    said(&arguments.by, &arguments.reason)?;
    let settings = settings(&arguments.config.config)?;
    let row = delivery_called(&reader(&settings)?, &arguments.id)?;
    let done = asked(&settings, &row, act, &arguments.by, &arguments.reason, mend)?;
    match done {
        Done::Refused(message) => Err(Failure::Failed(message)),
        Done::Acted { deliveries, second_until } => {
            if arguments.json {
                json(out, &serde_json::json!({ "act": act, "deliveries": deliveries, "second_person_until": second_until }))?;
                return Ok(Ending::Fine);
            }
            tell(act, &deliveries, second_until, out)?;
            Ok(Ending::Fine)
        }
    }
}

/// Has all dropped from the warehouse that the ledger does not know.
pub(super) fn settle(arguments: &Settle, out: &mut dyn Write) -> Result<Ending, Failure> {
    said(&arguments.by, &arguments.reason)?;
    let settings = settings(&arguments.config.config)?;
    let mut all: Vec<DeliveryId> = Vec::new();
    loop {
        let request = Request::Settle { by: arguments.by.clone(), reason: arguments.reason.clone() };
        let (dropped, left) = match ask(&settings.state_dir, &request).map_err(Failure::broken)? {
            Answer::Settled { dropped, left } => (dropped, left),
            other => return Err(Failure::answered(other)),
        };
        let last = left == 0 || dropped.is_empty();
        all.extend(dropped);
        if last {
            break;
        }
    }
    if arguments.json {
        json(out, &serde_json::json!({ "dropped": all }))?;
    } else if all.is_empty() {
        writeln!(out, "the ledger knows all that the warehouse has")?;
    } else {
        writeln!(out, "{} deliveries, which the ledger does not know, were dropped from the warehouse:", all.len())?;
        for id in all.iter().take(SHOWN) {
            writeln!(out, "  {id}")?;
        }
        if all.len() > SHOWN {
            writeln!(out, "  and more; the entries `settled` of `bedfeed audit export` have them all")?;
        }
    }
    Ok(Ending::Fine)
}

/// Judges one delivery again, or everything of a provider that waits.
pub(super) fn reprocess(arguments: &Reprocess, out: &mut dyn Write) -> Result<Ending, Failure> {
    said(&arguments.by, &arguments.reason)?;
    let settings = settings(&arguments.config.config)?;
    let rows = wanted(arguments, &settings)?;
    let mut acted: BTreeSet<DeliveryId> = BTreeSet::new();
    let mut refused: Vec<(DeliveryId, String)> = Vec::new();
    for row in &rows {
        let id = row.delivery.id;
        // The parts of a set are judged together: one of them was asked for already.
        if acted.contains(&id) {
            continue;
        }
        match asked(&settings, row, Act::Reprocess, &arguments.by, &arguments.reason, None)? {
            Done::Acted { deliveries, .. } => acted.extend(deliveries),
            Done::Refused(message) => refused.push((id, message)),
        }
    }
    if arguments.json {
        let refused: Vec<_> = refused.iter().map(|(id, why)| serde_json::json!({ "delivery": id, "why": why })).collect();
        json(out, &serde_json::json!({ "act": Act::Reprocess, "deliveries": acted, "refused": refused }))?;
    } else {
        tell(Act::Reprocess, &acted.iter().copied().collect::<Vec<_>>(), None, out)?;
        for (id, why) in &refused {
            writeln!(out, "{id} not: {}", printed(why))?;
        }
        if rows.is_empty() {
            writeln!(out, "nothing waits that this fits")?;
        }
    }
    match (arguments.id.is_some(), refused.pop()) {
        (true, Some((_, why))) => Err(Failure::Failed(why)),
        (_, Some(_)) => Ok(Ending::NotFine),
        (_, None) => Ok(Ending::Fine),
    }
}

/// What is to be judged again, oldest first: a snapshot is compared with those before it.
fn wanted(arguments: &Reprocess, settings: &Settings) -> Result<Vec<DeliveryRow>, Failure> {
    let reader = reader(settings)?;
    if let Some(id) = &arguments.id {
        return Ok(vec![delivery_called(&reader, id)?]);
    }
    let code = arguments.provider.as_deref().unwrap_or_default();
    let provider = super::provider(code, settings, &reader)?;
    let rule = |text: &String| text.to_ascii_uppercase().parse::<Rule>().map_err(|error| Failure::Arguments(format!("--rule: {error}")));
    let rule = arguments.rule.as_ref().map(rule).transpose()?;
    let in_settings = settings.provider(&provider).is_some();
    let spoke = |row: &DeliveryRow| rule.is_none_or(|rule| row.report.as_ref().is_some_and(|report| report.findings.count_of(rule) > 0));
    if !in_settings {
        return Err(Failure::Failed(ActError::NoProvider(provider).to_string()));
    }
    let mut rows = reader.in_quarantine()?;
    rows.retain(|row| row.delivery.provider == provider && spoke(row) && allowed(row, in_settings).contains(&Act::Reprocess));
    rows.sort_by_key(|row| row.delivery.id);
    Ok(rows)
}

/// What the daemon answered.
enum Done {
    Acted { deliveries: Vec<DeliveryId>, second_until: Option<Timestamp> },
    Refused(String),
}

fn asked(settings: &Settings, row: &DeliveryRow, act: Act, by: &str, reason: &str, mend: Option<String>) -> Result<Done, Failure> {
    let request = Request::Act { delivery: row.delivery.id, act, by: by.to_owned(), reason: reason.to_owned(), mend };
    match ask(&settings.state_dir, &request).map_err(Failure::broken)? {
        Answer::Done { deliveries, second_until } => Ok(Done::Acted { deliveries, second_until }),
        Answer::Refused { message } => Ok(Done::Refused(message)),
        other => Err(Failure::answered(other)),
    }
}

/// Who and why must be said before anything is looked up.
pub(super) fn said(by: &str, reason: &str) -> Result<(), Failure> {
    if by.trim().is_empty() || reason.trim().is_empty() {
        return Err(Failure::Arguments("--by and --reason: say who you are and why".to_owned()));
    }
    Ok(())
}

fn tell(act: Act, deliveries: &[DeliveryId], second_until: Option<Timestamp>, out: &mut dyn Write) -> Result<(), Failure> {
    for delivery in deliveries {
        let short = delivery.short();
        match second_until {
            Some(until) => writeln!(
                out,
                "{} {delivery}: asked for. A second person must say the same until {}: bedfeed {} {short} --by NAME --reason WHY",
                act.as_str(),
                until.strftime("%Y-%m-%d %H:%M UTC"),
                act.as_str()
            )?,
            None => writeln!(out, "{} {delivery}: recorded. `bedfeed explain {short}` shows what becomes of it.", act.as_str())?,
        }
    }
    Ok(())
}
