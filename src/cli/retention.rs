//! `bedfeed retention` and `bedfeed hold`: what is deleted when, what was, and what must stay.
//!
//! Owns showing it. The daemon deletes and records; a dry run only reads, and works while the daemon is stopped too.

use super::acts::said;
use super::args::{HoldAdd, HoldEnd, HoldList, RetentionLog, RetentionRun};
use super::table::Table;
use super::{Ending, Failure, delivery_called, json, reader, runtime, settings};
use crate::feed::{Clock, ProviderCode, printed};
use crate::forward::WarehouseReader;
use crate::ledger::{Class, HoldRow, HoldScope};
use crate::pipeline::retention::decide::{Survey, limit};
use crate::pipeline::retention::{Went, count_rows, old_figures, staying, sums, survey};
use crate::quarantine::{Retention, Store};
use crate::service::SystemClock;
use crate::service::control::{Answer, Request, ask};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Most things that stay which are listed one by one; the rest are counted, and JSON has them all.
const SHOWN: usize = 20;

/// Deletes what is old enough, or only says what would go.
pub(super) fn run(arguments: &RetentionRun, out: &mut dyn Write) -> Result<Ending, Failure> {
    let settings = settings(&arguments.config.config)?;
    if arguments.dry_run {
        let now = SystemClock.now();
        let warehouse = WarehouseReader::new(&settings.warehouse, &settings.state_dir);
        let runtime = runtime()?;
        let old = runtime.block_on(old_figures(&warehouse, &settings.retention, now)).map_err(Failure::broken)?;
        let store = Store::new(&settings.state_dir);
        let mut found = survey(&reader(&settings)?, &store, old, &settings.retention, now, usize::MAX).map_err(Failure::broken)?;
        runtime.block_on(count_rows(&mut found, &warehouse)).map_err(Failure::broken)?;
        return if arguments.json { dry_json(&found, out) } else { dry_table(&found, &settings.retention, now, out) };
    }
    let mut all: BTreeMap<Class, Went> = BTreeMap::new();
    loop {
        let (went, more) = match ask(&settings.state_dir, &Request::Retain).map_err(Failure::broken)? {
            Answer::Retained { went, more } => (went, more),
            other => return Err(Failure::answered(other)),
        };
        let last = !more || went.is_empty();
        for it in went {
            let sum = all.entry(it.class).or_insert(Went { things: 0, items: 0, bytes: 0, ..it });
            sum.things = sum.things.saturating_add(it.things);
            sum.items = sum.items.saturating_add(it.items);
            sum.bytes = sum.bytes.saturating_add(it.bytes);
        }
        if last {
            break;
        }
    }
    let all: Vec<Went> = all.into_values().collect();
    if arguments.json {
        json(out, &serde_json::json!({ "deleted": all }))?;
    } else if all.is_empty() {
        writeln!(out, "nothing is old enough")?;
    } else {
        for went in &all {
            writeln!(out, "deleted {}; `bedfeed retention log` has it", amount(went))?;
        }
    }
    Ok(Ending::Fine)
}

fn dry_json(found: &Survey, out: &mut dyn Write) -> Result<Ending, Failure> {
    let stays = found.stays.iter().map(|(thing, why)| {
        let mut value = serde_json::json!(thing);
        if let (Some(object), serde_json::Value::Object(why)) = (value.as_object_mut(), serde_json::json!(why)) {
            object.extend(why);
        }
        value
    });
    let stays: Vec<_> = stays.collect();
    json(out, &serde_json::json!({ "goes": found.goes, "stays": stays, "sums": sums(found) }))?;
    Ok(Ending::Fine)
}

fn dry_table(found: &Survey, retention: &Retention, now: Timestamp, out: &mut dyn Write) -> Result<Ending, Failure> {
    let went: BTreeMap<Class, Went> = sums(found).into_iter().map(|went| (went.class, went)).collect();
    let mut table = Table::new(&["class", "what", "setting", "older than (UTC)", "would go", "stays though old"]);
    for class in Class::ALL {
        let (before, rule) = limit(*class, retention, now);
        let stays: Vec<String> = staying(found, *class).into_iter().map(|(why, count)| format!("{count} {why}")).collect();
        table.row(vec![
            class.as_str().to_owned(),
            class.told().to_owned(),
            rule,
            before.strftime("%Y-%m-%d %H:%M").to_string(),
            went.get(class).map_or("-".to_owned(), amount),
            if stays.is_empty() { "-".to_owned() } else { stays.join(", ") },
        ]);
    }
    table.write(out, "")?;
    for (thing, why) in found.stays.iter().take(SHOWN) {
        writeln!(
            out,
            "{} {} of {} ({}) stays: it {}",
            thing.class.as_str(),
            thing.id.short(),
            thing.provider,
            day(thing.since),
            why.told()
        )?;
    }
    if found.stays.len() > SHOWN {
        writeln!(out, "and {} more that stay; --json has them all", found.stays.len() - SHOWN)?;
    }
    writeln!(out, "Nothing was deleted: this is a dry run.")?;
    Ok(Ending::Fine)
}

/// Lists what was deleted, the newest first.
pub(super) fn log(arguments: &RetentionLog, out: &mut dyn Write) -> Result<Ending, Failure> {
    let settings = settings(&arguments.config.config)?;
    let rows = reader(&settings)?.disposals(arguments.limit)?;
    if arguments.json {
        json(out, &rows)?;
        return Ok(Ending::Fine);
    }
    let mut table = Table::new(&["no", "recorded (UTC)", "class", "deleted", "setting", "older than (UTC)", "done (UTC)"]);
    for row in &rows {
        let disposal = &row.disposal;
        let things = u64::try_from(disposal.ids.len()).unwrap_or(u64::MAX);
        let went = Went { class: disposal.class, things, items: disposal.items, bytes: disposal.bytes };
        table.row(vec![
            disposal.number.to_string(),
            row.planned_at.strftime("%Y-%m-%d %H:%M:%S").to_string(),
            disposal.class.as_str().to_owned(),
            amount(&went),
            disposal.rule.clone(),
            disposal.before.strftime("%Y-%m-%d %H:%M").to_string(),
            row.done_at.map_or("not yet".to_owned(), |at| at.strftime("%Y-%m-%d %H:%M:%S").to_string()),
        ]);
    }
    table.write(out, "nothing was ever deleted")?;
    Ok(Ending::Fine)
}

/// Orders that something is kept.
pub(super) fn hold_add(arguments: &HoldAdd, out: &mut dyn Write) -> Result<Ending, Failure> {
    said(&arguments.by, &arguments.reason)?;
    if let (Some(from), Some(to)) = (arguments.from, arguments.to)
        && to <= from
    {
        return Err(Failure::Arguments("--to: must be later than --from".to_owned()));
    }
    let settings = settings(&arguments.config.config)?;
    let provider: Option<ProviderCode> = match &arguments.provider {
        Some(code) => Some(super::provider(code, &settings, &reader(&settings)?)?),
        None => None,
    };
    let delivery = match &arguments.delivery {
        Some(id) => Some(delivery_called(&reader(&settings)?, id)?.delivery.id),
        None => None,
    };
    let scope = HoldScope { provider, delivery, from: arguments.from, to: arguments.to };
    if scope.is_empty() {
        return Err(Failure::Arguments("say what is held: --provider, --delivery, or --from and --to".to_owned()));
    }
    let told = scope.to_string();
    let request = Request::Hold { scope, by: arguments.by.clone(), reason: arguments.reason.clone() };
    let hold = held(ask(&settings.state_dir, &request).map_err(Failure::broken)?)?;
    if arguments.json {
        json(out, &serde_json::json!({ "hold": hold }))?;
    } else {
        writeln!(out, "hold {hold}: {told} is kept until `bedfeed hold end {hold}`")?;
    }
    Ok(Ending::Fine)
}

/// Lifts a hold.
pub(super) fn hold_end(arguments: &HoldEnd, out: &mut dyn Write) -> Result<Ending, Failure> {
    said(&arguments.by, &arguments.reason)?;
    let settings = settings(&arguments.config.config)?;
    let request = Request::EndHold { hold: arguments.hold, by: arguments.by.clone(), reason: arguments.reason.clone() };
    let hold = held(ask(&settings.state_dir, &request).map_err(Failure::broken)?)?;
    if arguments.json {
        json(out, &serde_json::json!({ "hold": hold }))?;
    } else {
        writeln!(out, "hold {hold}: ended. What is old enough goes with the next daily round, or with `bedfeed retention run`.")?;
    }
    Ok(Ending::Fine)
}

/// Lists the holds.
pub(super) fn hold_list(arguments: &HoldList, out: &mut dyn Write) -> Result<Ending, Failure> {
    let settings = settings(&arguments.config.config)?;
    let rows = reader(&settings)?.holds(arguments.all)?;
    if arguments.json {
        json(out, &rows)?;
        return Ok(Ending::Fine);
    }
    let mut table = Table::new(&["hold", "since (UTC)", "what", "by", "why", "ended"]);
    for row in &rows {
        let HoldRow { hold, placed_at, ended_at, ended_by, ended_why } = row;
        let ended = ended_at.map(|at| format!("{} by {}: {}", day(at), of(ended_by.as_ref()), of(ended_why.as_ref())));
        table.row(vec![
            hold.number.to_string(),
            placed_at.strftime("%Y-%m-%d %H:%M").to_string(),
            hold.scope.to_string(),
            printed(&hold.by).into_owned(),
            printed(&hold.reason).into_owned(),
            ended.unwrap_or_else(|| "-".to_owned()),
        ]);
    }
    table.write(out, "no legal holds")?;
    Ok(Ending::Fine)
}

fn held(answer: Answer) -> Result<u32, Failure> {
    match answer {
        Answer::Held { hold } => Ok(hold),
        other => Err(Failure::answered(other)),
    }
}

fn of(text: Option<&String>) -> String {
    text.map(|text| printed(text).into_owned()).unwrap_or_default()
}

fn amount(went: &Went) -> String {
    match went.class {
        Class::Raw | Class::Quarantine => format!("{}, {} bytes", many(went.things, "file", "files"), went.bytes),
        Class::Checks => format!("{}, {} bytes", many(went.things, "picture", "pictures"), went.bytes),
        Class::Rows => format!("{} of {}", many(went.items, "line", "lines"), many(went.things, "snapshot", "snapshots")),
        Class::Sums => {
            let items = many(went.items, "sum or finding", "sums and findings");
            format!("{items} of {}", many(went.things, "delivery", "deliveries"))
        }
    }
}

fn many(count: u64, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}

fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

/// Says in one line that a delivery's parts are gone; nothing where everything is kept.
///
/// # Errors
/// The output is closed.
pub(super) fn tell_gone(gone: &BTreeMap<Class, crate::ledger::DisposalRow>, out: &mut dyn Write) -> io::Result<()> {
    for (class, row) in gone {
        writeln!(out, "  {}: {}", class.told(), super::quarantine::deleted(row))?;
    }
    Ok(())
}
