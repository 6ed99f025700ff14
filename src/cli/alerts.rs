//! `bedfeed alert`: what is wrong now, since when, and who sees to it.
//!
//! Owns the list, which only reads and works while the daemon is stopped too, and asking the daemon to record who sees to what.

use super::acts::said;
use super::args::{Alert, AlertAck, AlertList};
use super::silence::{london, say, time};
use super::table::{Table, cell};
use super::{Ending, Failure, json, reader, settings};
use crate::feed::{Clock, local_text, printed};
use crate::ledger::{Acknowledged, EpisodeRow, HouseEpisodeRow, Reader};
use crate::pipeline::{Said, Saying};
use crate::service::SystemClock;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;
use std::io::Write;

/// Most alerts that are listed of those that are over.
const MOST: u32 = 1_000;

/// An alert as it is listed, of a feed or of our own side.
struct Row {
    key: String,
    /// Whose feed; `None` for our own side.
    provider: Option<String>,
    episode: Value,
    opened_at: Timestamp,
    closed_at: Option<Timestamp>,
    acknowledged: Option<Acknowledged>,
}

/// `alert`.
pub(super) fn alert(command: &Alert, out: &mut dyn Write) -> Result<Ending, Failure> {
    match command {
        Alert::List(arguments) => list(arguments, out),
        Alert::Ack(arguments) => acknowledge(arguments, out),
    }
}

fn list(arguments: &AlertList, out: &mut dyn Write) -> Result<Ending, Failure> {
    let settings = settings(&arguments.config.config)?;
    let rows = rows(&reader(&settings)?, arguments.all)?;
    let now = SystemClock.now();
    if arguments.json {
        let rows: Vec<_> = rows.iter().map(as_json).collect();
        json(out, &rows)?;
        return Ok(Ending::Fine);
    }
    let zone = london()?;
    let mut table = Table::new(&["key", "feed", "problem", "since", "ended", "seen to by"]);
    for row in &rows {
        table.row(vec![
            row.key.clone(),
            row.provider.clone().unwrap_or_else(|| "our side".to_owned()),
            row.problem(),
            local_text(row.since(), &zone),
            row.closed_at.map_or("-".to_owned(), |at| local_text(at, &zone)),
            row.acknowledged.as_ref().map_or("-".to_owned(), |said| seen_to(said, now, &zone)),
        ]);
    }
    table.write(out, "no alerts")?;
    Ok(Ending::Fine)
}

fn acknowledge(arguments: &AlertAck, out: &mut dyn Write) -> Result<Ending, Failure> {
    said(&arguments.word.by, &arguments.word.reason)?;
    let until = arguments.until.as_deref().map(|text| time("--until", text)).transpose()?;
    let settings = settings(&arguments.config.config)?;
    let until_text = until.map_or(Ok("it is over".to_owned()), |until| london().map(|zone| local_text(until, &zone)))?;
    let mut recorded = Vec::new();
    let mut refused = None;
    for key in &arguments.keys {
        let key = episode_of(key).to_owned();
        match say(&settings, Saying::Acknowledge { key, until }, &arguments.word) {
            Ok(Said::Acknowledged { key, by }) => recorded.push((key, by)),
            Ok(Said::Silence(_)) => return Err(Failure::Failed("the daemon answered another question".to_owned())),
            Err(why) => refused = refused.or(Some(why)),
        }
    }
    if arguments.word.json {
        let rows: Vec<_> = recorded.iter().map(|(key, by)| serde_json::json!({ "key": key, "acknowledged": by })).collect();
        json(out, &rows)?;
    } else {
        for (key, by) in &recorded {
            writeln!(out, "{key}: seen to by {}. Nobody is reminded of it until {until_text}.", printed(&by.by))?;
        }
    }
    refused.map_or(Ok(Ending::Fine), Err)
}

/// The episode's key, where somebody copied a message's key, which says after it what the message is about.
fn episode_of(key: &str) -> &str {
    let key = key.trim();
    let kinds = ["/begin", "/escalation", "/end"];
    if let Some(episode) = kinds.iter().find_map(|kind| key.strip_suffix(kind)) {
        return episode;
    }
    key.rsplit_once("/reminder/").map_or(key, |(episode, _)| episode)
}

/// The alerts that go on, the oldest first; or all of them, the newest first.
fn rows(reader: &Reader, all: bool) -> Result<Vec<Row>, Failure> {
    let feeds = if all { reader.recent_episodes(MOST)? } else { reader.all_open_episodes()? };
    let mut rows: Vec<Row> = feeds.into_iter().map(Row::from).collect();
    rows.extend(reader.house_episodes(all, MOST)?.into_iter().map(Row::from));
    rows.sort_by(|a, b| a.opened_at.cmp(&b.opened_at).then_with(|| a.key.cmp(&b.key)));
    if all {
        rows.reverse();
    }
    Ok(rows)
}

impl From<EpisodeRow> for Row {
    fn from(row: EpisodeRow) -> Self {
        let EpisodeRow { key, provider, episode, opened_at, closed_at, acknowledged } = row;
        Self { key, provider: Some(provider.to_string()), episode, opened_at, closed_at, acknowledged }
    }
}

impl From<HouseEpisodeRow> for Row {
    fn from(row: HouseEpisodeRow) -> Self {
        let HouseEpisodeRow { key, episode, opened_at, closed_at, acknowledged } = row;
        Self { key, provider: None, episode, opened_at, closed_at, acknowledged }
    }
}

impl Row {
    /// What is wrong, in the word that messages have for it.
    fn problem(&self) -> String {
        self.episode.get("problem").and_then(Value::as_str).unwrap_or("unknown").to_owned()
    }

    /// When it became a problem, which is before it was noticed.
    fn since(&self) -> Timestamp {
        self.episode.get("opened_at").and_then(Value::as_str).and_then(|text| text.parse().ok()).unwrap_or(self.opened_at)
    }
}

fn as_json(row: &Row) -> Value {
    serde_json::json!({
        "key": row.key,
        "provider": row.provider,
        "problem": row.problem(),
        "since": row.since(),
        "noticed_at": row.opened_at,
        "ended_at": row.closed_at,
        "acknowledged": row.acknowledged,
    })
}

fn seen_to(said: &Acknowledged, now: Timestamp, zone: &TimeZone) -> String {
    let lapsed = if said.holds(now) { "" } else { ", lapsed" };
    let until = said.until.map(|until| format!(", until {}{lapsed}", local_text(until, zone))).unwrap_or_default();
    format!("{} at {}{until}: {}", printed(&said.by), local_text(said.at, zone), cell(&said.reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_messages_key_names_its_episode() {
        let rows = [
            ("RM1/late/2018-12-03T10:15Z", "RM1/late/2018-12-03T10:15Z"),
            ("RM1/late/2018-12-03T10:15Z/begin", "RM1/late/2018-12-03T10:15Z"),
            (" RM1/late/2018-12-03T10:15Z/2/begin\n", "RM1/late/2018-12-03T10:15Z/2"),
            ("RM1/late/2018-12-03T10:15Z/2", "RM1/late/2018-12-03T10:15Z/2"),
            ("house/disk/2018-12-03T10:15:00Z/escalation", "house/disk/2018-12-03T10:15:00Z"),
            ("house/disk/2018-12-03T10:15:00Z/reminder/3", "house/disk/2018-12-03T10:15:00Z"),
            ("RM1/late/2018-12-03T10:15Z/end", "RM1/late/2018-12-03T10:15Z"),
        ];
        for (key, episode) in rows {
            assert_eq!(episode_of(key), episode, "{key:?}");
        }
    }
}
