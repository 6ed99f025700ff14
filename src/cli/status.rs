//! `bedfeed status`: what is late, wrong or silent, and why, at a glance.

use super::args::Listing;
use super::table::{Table, plain};
use super::{Ending, Failure, json, reader, settings};
use crate::config::Settings;
use crate::feed::{Clock, LONDON, local_text};
use crate::health::{feed_summary, summary::SummaryPage};
use crate::service::control::{Answer, AskError, Request, ask};
use crate::service::{SystemClock, health_feeds};
use jiff::tz::TimeZone;
use std::io::Write;

/// Shows it: from the ledger, whether the daemon runs or not.
pub(super) fn status(arguments: &Listing, out: &mut dyn Write) -> Result<Ending, Failure> {
    let settings = settings(&arguments.config.config)?;
    let reader = reader(&settings)?;
    let (daemon, notices) = daemon(&settings)?;
    let summary = feed_summary(&reader, &health_feeds(&settings), notices, SystemClock.now())?;
    let outcomes = reader.outcomes()?;
    if arguments.json {
        json(
            out,
            &serde_json::json!({ "daemon": daemon, "summary": summary, "deliveries": outcomes.into_iter().collect::<std::collections::BTreeMap<_, _>>() }),
        )?;
        return Ok(Ending::Fine);
    }
    let zone = TimeZone::get(LONDON).map_err(Failure::broken)?;
    writeln!(out, "{}", summary.headline)?;
    for notice in &summary.notices {
        writeln!(out, "! {notice}")?;
    }
    writeln!(out)?;
    table(&summary, &zone).write(out, "no feeds in the settings")?;
    for feed in summary.feeds.iter().filter(|feed| feed.needs_attention()) {
        writeln!(out, "\n{} {}: {}", feed.provider, feed.name, feed.state)?;
        if let Some(problem) = &feed.last_problem {
            writeln!(out, "  last problem: {}", plain(problem))?;
        }
    }
    let counts: Vec<String> = outcomes.iter().map(|(outcome, count)| format!("{count} {outcome}")).collect();
    writeln!(out, "\ndeliveries: {}", if counts.is_empty() { "none".to_owned() } else { counts.join(", ") })?;
    Ok(Ending::Fine)
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
            feed.condition.words().to_owned(),
            feed.newest_snapshot_at.map_or("never".to_owned(), |at| local_text(at, zone)),
            age,
            feed.next_due.map_or("-".to_owned(), |at| local_text(at, zone)),
            format!("{}/{}/{}/{}", day.on_time, day.late, day.missed, day.rejected),
        ]);
    }
    table
}

/// Whether the daemon runs, and what to say where it does not.
fn daemon(settings: &Settings) -> Result<(serde_json::Value, Vec<String>), Failure> {
    match ask(&settings.state_dir, &Request::Ping) {
        Ok(Answer::Running { since, version, sftp, web, host_keys }) => {
            let daemon = serde_json::json!({ "running": true, "since": since, "version": version, "sftp": sftp, "web": web, "host_keys": host_keys });
            Ok((daemon, Vec::new()))
        }
        Ok(_) => Err(Failure::Failed("the daemon answered another question".to_owned())),
        Err(AskError::NotRunning { .. }) => {
            Ok((serde_json::json!({ "running": false }), vec!["bedfeed is not running: no file can arrive.".to_owned()]))
        }
        Err(error) => Err(Failure::broken(error)),
    }
}
