//! `bedfeed replay`: asks the daemon to read stored originals again, waits until that is done, and says what came of it.

use super::args::Replay;
use super::table::Table;
use super::{Ending, Failure, json, reader, settings};
use crate::config::Settings;
use crate::feed::{ProviderCode, Slot, printed};
use crate::ledger::{KeptRow, Reader, ReplayRow};
use crate::pipeline::{MAX_PREVIEW_SLOTS, MAX_REPLAY_SLOTS};
use crate::service::control::{Answer, AskError, Request, ask};
use std::io::Write;
use std::sync::mpsc;
use std::time::Duration;

/// Pause between two looks at how far it is.
const PAUSE: Duration = Duration::from_millis(200);
/// Looks after which the daemon is asked whether it still runs.
const LOOKS: u32 = 25;

/// Reads again, or says what that would do.
pub(super) fn replay(arguments: &Replay, out: &mut dyn Write) -> Result<Ending, Failure> {
    let settings = settings(&arguments.config.config)?;
    let provider = super::provider(&arguments.provider.to_ascii_uppercase(), &settings, &reader(&settings)?)?;
    let (from, to) = (Slot::containing(arguments.from), Slot::containing(arguments.to));
    let slots = to.slots_after(from) + 1;
    if !(1..=MAX_REPLAY_SLOTS).contains(&slots) {
        return Err(Failure::Arguments(format!(
            "--from {from} --to {to}: these are {slots} slots; at least 1 and at most {MAX_REPLAY_SLOTS} at a time"
        )));
    }
    match (&arguments.by, &arguments.reason) {
        (Some(by), Some(reason)) if !arguments.dry_run => {
            let request = Request::Replay { provider, from, to, by: by.clone(), reason: reason.clone() };
            carry_out(&settings, &request, arguments, out)
        }
        _ => preview(&settings, &provider, from, to, arguments, out),
    }
}

fn carry_out(settings: &Settings, request: &Request, arguments: &Replay, out: &mut dyn Write) -> Result<Ending, Failure> {
    let key = match ask(&settings.state_dir, request).map_err(Failure::broken)? {
        Answer::Replaying { key } => key,
        other => return Err(Failure::answered(other)),
    };
    let reader = reader(settings)?;
    let row = if arguments.no_wait { look(&reader, &key)? } else { wait(settings, &reader, &key)? };
    let kept = reader.kept(&key)?;
    if arguments.json {
        json(out, &serde_json::json!({ "replay": row, "kept_because": kept }))?;
    } else {
        tell(&row, &kept, out)?;
    }
    Ok(if kept.is_empty() { Ending::Fine } else { Ending::NotFine })
}

fn look(reader: &Reader, key: &str) -> Result<ReplayRow, Failure> {
    reader.replay(key)?.ok_or_else(|| Failure::Failed(format!("the ledger does not have {key}")))
}

/// Looks until all is read again and loaded.
fn wait(settings: &Settings, reader: &Reader, key: &str) -> Result<ReplayRow, Failure> {
    // Nothing is ever sent: this is a pause that is no sleep of the thread's own.
    let (_never, pause) = mpsc::channel::<()>();
    let mut looks: u32 = 0;
    loop {
        let row = look(reader, key)?;
        if row.ended_at.is_some() && row.waiting == 0 {
            return Ok(row);
        }
        looks = looks.wrapping_add(1);
        if looks.is_multiple_of(LOOKS)
            && let Err(AskError::NotRunning { .. }) = ask(&settings.state_dir, &Request::Ping)
        {
            return Err(Failure::Failed("the daemon has stopped; the replay is recorded, and goes on at the next start".to_owned()));
        }
        if pause.recv_timeout(PAUSE).is_ok() {
            return Ok(row);
        }
    }
}

fn tell(row: &ReplayRow, kept: &[KeptRow], out: &mut dyn Write) -> Result<(), Failure> {
    let ReplayRow { key, from, to, renewed, waiting, unchanged, .. } = row;
    writeln!(out, "{key}: slots {from} to {to}")?;
    writeln!(out, "  {renewed} have a new version")?;
    if *waiting > 0 {
        writeln!(out, "  {waiting} have one that waits for the warehouse")?;
    }
    if let Some(unchanged) = unchanged {
        writeln!(out, "  {unchanged} say the same as before")?;
    }
    writeln!(out, "  {} keep the version they had", kept.len())?;
    for KeptRow { delivery, why } in kept {
        writeln!(out, "    {}: {}", delivery.short(), printed(why))?;
    }
    if row.ended_at.is_none() {
        writeln!(out, "It goes on; `bedfeed explain ID` shows what becomes of a delivery.")?;
    }
    Ok(())
}

/// Asks for a few hours at a time, so that each answer comes soon.
fn preview(
    settings: &Settings,
    provider: &ProviderCode,
    from: Slot,
    to: Slot,
    arguments: &Replay,
    out: &mut dyn Write,
) -> Result<Ending, Failure> {
    let step = i32::try_from(MAX_PREVIEW_SLOTS).unwrap_or(1);
    let mut all = Vec::new();
    let mut first = from;
    while first <= to {
        let last = first.plus(step - 1).min(to);
        let request = Request::Preview { provider: provider.clone(), from: first, to: last };
        match ask(&settings.state_dir, &request).map_err(Failure::broken)? {
            Answer::Previewed { snapshots } => all.extend(snapshots),
            other => return Err(Failure::answered(other)),
        }
        first = last.next();
    }
    let text = |value: &serde_json::Value, key: &str| value.get(key).and_then(|text| text.as_str()).unwrap_or_default().to_owned();
    let fine = all.iter().all(|snapshot| text(snapshot, "becomes") != "kept");
    if arguments.json {
        json(out, &all)?;
    } else {
        let mut table = Table::new(&["slot", "delivery", "file", "would become"]);
        for snapshot in &all {
            let words = match text(snapshot, "becomes").as_str() {
                "new" => "a new version".to_owned(),
                "unchanged" => "the same".to_owned(),
                _ => format!("what it is now: {}", text(snapshot, "why")),
            };
            table.row(vec![
                text(snapshot, "slot"),
                text(snapshot, "delivery"),
                printed(&text(snapshot, "file")).into_owned(),
                printed(&words).into_owned(),
            ]);
        }
        table.write(out, "no loaded snapshots in these slots")?;
    }
    Ok(if fine { Ending::Fine } else { Ending::NotFine })
}
