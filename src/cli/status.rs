//! `bedfeed status`: which feeds are silent, and why, at a glance; how the endpoint does, and which clients use it.

use super::args::Listing;
use super::table::Table;
use super::{Ending, Failure, json, reader, settings};
use crate::config::Settings;
use crate::feed::{ClientSeen, Clock, LONDON, local_text, printed};
use crate::health::{feed_summary, summary::SummaryPage};
use crate::pipeline::FurtherStanding;
use crate::service::control::{Answer, AskError, Endpoint, NextEntrance, RefusedUpload, Request, ask};
use crate::service::{SystemClock, health_feeds};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::io::{self, Write};

/// What the running daemon says.
struct Daemon {
    since: Timestamp,
    host_keys: Vec<String>,
    next: Option<NextEntrance>,
    endpoint: Box<Endpoint>,
}

/// Shows it: from the ledger, whether the daemon runs or not.
pub(super) fn status(arguments: &Listing, out: &mut dyn Write) -> Result<Ending, Failure> {
    let settings = settings(&arguments.config.config)?;
    let reader = reader(&settings)?;
    let (shown, daemon, notices) = daemon(&settings)?;
    let summary = feed_summary(&reader, &health_feeds(&settings), notices, SystemClock.now())?;
    let outcomes = reader.outcomes()?;
    if arguments.json {
        json(
            out,
            &serde_json::json!({ "daemon": shown, "summary": summary, "deliveries": outcomes.into_iter().collect::<BTreeMap<_, _>>(),
                "sealing_to": settings.governance.recipients.iter().map(ToString::to_string).collect::<Vec<_>>() }),
        )?;
        return Ok(Ending::Fine);
    }
    let zone = TimeZone::get(LONDON).map_err(Failure::broken)?;
    writeln!(out, "{}", summary.headline)?;
    for notice in &summary.notices {
        writeln!(out, "! {}", printed(notice))?;
    }
    writeln!(out)?;
    table(&summary, &zone).write(out, "no feeds in the settings")?;
    for feed in summary.feeds.iter().filter(|feed| feed.needs_attention() || feed.silence.is_some() || !feed.acknowledged.is_empty()) {
        writeln!(out, "\n{} {}: {}", feed.provider, feed.name, feed.state)?;
        if let Some(problem) = &feed.last_problem {
            writeln!(out, "  last problem: {}", printed(problem))?;
        }
    }
    for feed in &summary.feeds {
        for ward in &feed.wards_awaiting_approval {
            let (site, name) = (printed(&ward.site), printed(&ward.ward));
            writeln!(out, "! {}: ward {name} at site {site} awaits approval ({} beds)", feed.provider, ward.beds)?;
        }
    }
    let counts: Vec<String> = outcomes.iter().map(|(outcome, count)| format!("{count} {outcome}")).collect();
    writeln!(out, "\ndeliveries: {}", if counts.is_empty() { "none".to_owned() } else { counts.join(", ") })?;
    writeln!(out, "{}", sealing(&settings))?;
    if let Some(daemon) = &daemon {
        for standing in &daemon.endpoint.further_warehouses {
            writeln!(out, "further warehouse {}: {}", standing.name, further(standing))?;
        }
        write_endpoint(out, daemon, &zone)?;
    }
    if !summary.clients.is_empty() {
        writeln!(out, "\nclients, the newest use of each key, program and host key:")?;
        clients(&summary.clients, daemon.as_ref(), &zone).write(out, "")?;
    }
    Ok(Ending::Fine)
}

/// Who may read what was sealed.
fn sealing(settings: &Settings) -> String {
    match settings.governance.recipients.len() {
        0 => "sealed files: kept unencrypted, readable by bedfeed's own account (mode 0400), for [governance] has no recipients".to_owned(),
        1 => "sealed files: encrypted to the governance role's key".to_owned(),
        keys => format!("sealed files: encrypted to the governance role's {keys} keys"),
    }
}

/// How a further warehouse stands, in a line.
fn further(standing: &FurtherStanding) -> String {
    let oldest = standing.oldest.map(|slot| format!(", the oldest of slot {slot}")).unwrap_or_default();
    let mut words = match (standing.compared, standing.waiting) {
        (false, _) => "not compared with the ledger yet".to_owned(),
        (true, 0) => "has all that it can have".to_owned(),
        (true, 1) => format!("1 snapshot waits{oldest}"),
        (true, many) => format!("{many} snapshots wait{oldest}"),
    };
    if let Some(error) = &standing.error {
        let next = standing.next_try.map(|at| format!("; the next try is at {}", at.strftime("%H:%M:%S UTC"))).unwrap_or_default();
        words.push_str(&format!("; tried in vain {} times ({}){next}", standing.failures, printed(error)));
    }
    if let Some(why) = &standing.left_out_why {
        words.push_str(&format!("; {} left out, such as: {}", standing.left_out, printed(why)));
    }
    if standing.unknown > 0 {
        words.push_str(&format!("; {} that the ledger does not know: `bedfeed warehouse check` names them", standing.unknown));
    }
    words
}

fn table(summary: &SummaryPage, zone: &TimeZone) -> Table {
    let mut table = Table::new(&["light", "feed", "name", "state", "figures of", "age", "next due", "24 h: on time/late/missed/rejected"]);
    for feed in &summary.feeds {
        let age = feed.age_seconds.map_or("-".to_owned(), |seconds| format!("{} min", seconds / 60));
        let day = &feed.last_day;
        table.row(vec![
            feed.light.as_str().to_owned(),
            feed.provider.to_string(),
            feed.name.clone(),
            format!("{}{}", feed.condition.words(), if feed.newest_marked_test { ", newest marked TEST" } else { "" }),
            feed.newest_snapshot_at.map_or("never".to_owned(), |at| local_text(at, zone)),
            age,
            feed.next_due.map_or("-".to_owned(), |at| local_text(at, zone)),
            format!("{}/{}/{}/{}", day.on_time, day.late, day.missed, day.rejected),
        ]);
    }
    table
}

/// How the endpoint does; reasons that never came up are left out.
fn write_endpoint(out: &mut dyn Write, daemon: &Daemon, zone: &TimeZone) -> io::Result<()> {
    let Endpoint { open, not_logged_in, turned_away, penalised_sources, logins, refused, closed, refused_uploads, .. } =
        daemon.endpoint.as_ref();
    writeln!(
        out,
        "\nSFTP since {}: {open} connections open, {not_logged_in} of them not logged in; {logins} logins",
        local_text(daemon.since, zone)
    )?;
    let lines = [("logins refused", reasons(refused)), ("connections ended", reasons(closed))];
    for (what, words) in lines.iter().filter(|(_, words)| !words.is_empty()) {
        writeln!(out, "  {what}: {words}")?;
    }
    if *turned_away > 0 {
        writeln!(out, "  connections turned away: {turned_away} (too many, or penalised)")?;
    }
    if *penalised_sources > 0 {
        writeln!(out, "  addresses turned away now, because everything from them failed: {penalised_sources}")?;
    }
    for RefusedUpload { provider, name, why, at } in refused_uploads {
        writeln!(out, "  not taken from {}: {} on {}: {}", printed(provider), printed(name), local_text(*at, zone), printed(why))?;
    }
    writeln!(out, "  host keys: {}", daemon.host_keys.join(", "))?;
    if let Some(next) = &daemon.next {
        let addresses: Vec<String> = next.sftp.iter().map(ToString::to_string).collect();
        writeln!(out, "  next host keys, on {}: {}", addresses.join(", "), next.host_keys.join(", "))?;
    }
    Ok(())
}

fn reasons(counts: &BTreeMap<String, u64>) -> String {
    let some = counts.iter().filter(|(_, count)| **count > 0);
    some.map(|(reason, count)| format!("{count} {}", printed(reason))).collect::<Vec<_>>().join(", ")
}

fn clients(clients: &[ClientSeen], daemon: Option<&Daemon>, zone: &TimeZone) -> Table {
    let mut table = Table::new(&["feed", "key of", "program", "key exchange", "accepted host key", "last noted", "note"]);
    for client in clients {
        table.row(vec![
            client.provider.to_string(),
            printed(&client.key_owner).into_owned(),
            printed(client.program()).into_owned(),
            printed(&client.negotiated.kex).into_owned(),
            format!("{}{}", printed(&client.host_key), which_key(&client.host_key, daemon)),
            local_text(client.at, zone),
            client.notes().join(", "),
        ]);
    }
    table
}

/// Where a host key stands in a rotation, where the daemon can be asked.
fn which_key(host_key: &str, daemon: Option<&Daemon>) -> &'static str {
    let Some(daemon) = daemon else { return "" };
    let is = |keys: &[String]| keys.iter().any(|key| key == host_key);
    match &daemon.next {
        Some(next) if is(&next.host_keys) => " (next)",
        Some(_) if is(&daemon.host_keys) => " (current)",
        None if is(&daemon.host_keys) => "",
        _ => " (no longer served)",
    }
}

/// Whether the daemon runs, as JSON and for the text, and what to say where it does not.
fn daemon(settings: &Settings) -> Result<(serde_json::Value, Option<Daemon>, Vec<String>), Failure> {
    match ask(&settings.state_dir, &Request::Ping) {
        Ok(Answer::Running { since, version, sftp, web, host_keys, next, endpoint }) => {
            let shown = serde_json::json!({ "running": true, "since": since, "version": version, "sftp": sftp, "web": web,
                "host_keys": host_keys, "next": next, "endpoint": endpoint });
            let notices = endpoint.notices.clone();
            Ok((shown, Some(Daemon { since, host_keys, next, endpoint }), notices))
        }
        Ok(_) => Err(Failure::Failed("the daemon answered another question".to_owned())),
        Err(AskError::NotRunning { .. }) => {
            Ok((serde_json::json!({ "running": false }), None, vec!["bedfeed is not running: no file can arrive.".to_owned()]))
        }
        Err(error) => Err(Failure::broken(error)),
    }
}
