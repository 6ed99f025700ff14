//! `bedfeed deliveries`, and a delivery as JSON.

use super::args::Deliveries;
use super::table::{Table, cell};
use super::{Ending, Failure, json, reader, settings};
use crate::feed::{Outcome, Report, Severity};
use crate::ledger::{DeliveryRow, Filter};
use std::io::Write;

/// Lists deliveries, newest first.
pub(super) fn deliveries(arguments: &Deliveries, out: &mut dyn Write) -> Result<Ending, Failure> {
    let settings = settings(&arguments.config.config)?;
    let reader = reader(&settings)?;
    let provider = match &arguments.provider {
        Some(code) => Some(super::provider(code, &settings, &reader)?),
        None => None,
    };
    let outcome = match arguments.outcome.as_deref() {
        None => None,
        Some(word) => Some(outcome(word)?),
    };
    if arguments.limit == 0 {
        return Err(Failure::Arguments("--limit 0: ask for one at least".to_owned()));
    }
    let rows = reader.deliveries(&Filter { provider, outcome, since: None, limit: Some(arguments.limit) })?;
    if arguments.json {
        let rows: Vec<_> = rows.iter().map(as_json).collect();
        json(out, &rows)?;
        return Ok(Ending::Fine);
    }
    let mut table = Table::new(&["received (UTC)", "id", "provider", "file", "bytes", "stage", "slot", "findings"]);
    for row in &rows {
        let delivery = &row.delivery;
        table.row(vec![
            delivery.received_at.strftime("%Y-%m-%d %H:%M:%S").to_string(),
            delivery.id.short(),
            delivery.provider.to_string(),
            cell(&delivery.name.shown()),
            delivery.bytes.to_string(),
            row.stage.as_str().to_owned(),
            row.report.as_ref().and_then(|report| report.slot).map_or("-".to_owned(), |slot| slot.to_string()),
            findings(row),
        ]);
    }
    table.write(out, "no deliveries")?;
    Ok(Ending::Fine)
}

/// A delivery as scripts read it: stable names.
pub(super) fn as_json(row: &DeliveryRow) -> serde_json::Value {
    serde_json::json!({
        "delivery": row.delivery,
        "stage": row.stage,
        "outcome": row.stage.outcome(),
        "moved_at": row.moved_at,
        "note": row.note,
        "report": row.report.as_ref().map(report_json),
    })
}

/// A report as JSON. Sums that the feed does not tell of are `null`, as on receipts (P10).
pub(super) fn report_json(report: &Report) -> serde_json::Value {
    let mut value = serde_json::json!(report);
    if let Some(object) = value.as_object_mut() {
        object.insert("totals".to_owned(), serde_json::json!(report.told()));
    }
    value
}

fn outcome(word: &str) -> Result<Outcome, Failure> {
    serde_json::from_value(serde_json::Value::String(word.to_owned()))
        .map_err(|_| Failure::Arguments(format!("--outcome {word}: use pending, loaded, quarantined, duplicate or test")))
}

/// The rules that spoke, the worst first, in few words.
fn findings(row: &DeliveryRow) -> String {
    let Some(report) = &row.report else { return "-".to_owned() };
    let mut counts: Vec<_> = report.findings.counts().filter(|(_, severity, _)| *severity > Severity::Information).collect();
    counts.sort_by_key(|(_, severity, _)| std::cmp::Reverse(*severity));
    let shown: Vec<String> =
        counts.iter().take(4).map(|(rule, _, count)| if *count > 1 { format!("{rule}x{count}") } else { rule.to_string() }).collect();
    match (shown.is_empty(), counts.len() > 4) {
        (true, _) => "-".to_owned(),
        (false, true) => format!("{} ...", shown.join(" ")),
        (false, false) => shown.join(" "),
    }
}
