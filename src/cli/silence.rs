//! `bedfeed downtime`, `pause` and `resume`: planned silence.
//!
//! Owns asking the daemon, and showing what stands; the listing only reads, and works while the daemon is stopped too.

use super::acts::said;
use super::args::{Downtime, DowntimeAdd, DowntimeEnd, DowntimeList, Pause, Resume, Word};
use super::table::{Table, cell};
use super::{Ending, Failure, json, reader, settings};
use crate::config::Settings;
use crate::feed::{Announced, AnnouncedKind, Clock, LONDON, ProviderCode, SilenceStanding, local_text, printed, read_local};
use crate::pipeline::{Said, Saying};
use crate::service::SystemClock;
use crate::service::control::{Answer, Request, ask};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::io::Write;

/// The zone in which people type and read times.
pub(super) fn london() -> Result<TimeZone, Failure> {
    TimeZone::get(LONDON).map_err(Failure::broken)
}

/// A time behind an option.
pub(super) fn time(option: &str, text: &str) -> Result<Timestamp, Failure> {
    read_local(text, &london()?).map_err(|why| Failure::Arguments(format!("{option}: {why}")))
}

/// Has something recorded by the daemon.
pub(super) fn say(settings: &Settings, saying: Saying, word: &Word) -> Result<Said, Failure> {
    let request = Request::Say { saying, by: word.by.clone(), reason: word.reason.clone() };
    match ask(&settings.state_dir, &request).map_err(Failure::broken)? {
        Answer::Said { said } => Ok(*said),
        other => Err(Failure::answered(other)),
    }
}

/// `downtime`.
pub(super) fn downtime(command: &Downtime, out: &mut dyn Write) -> Result<Ending, Failure> {
    match command {
        Downtime::Add(add) => downtime_add(add, out),
        Downtime::List(list) => downtime_list(list, out),
        Downtime::End(end) => downtime_end(end, out),
    }
}

fn downtime_add(arguments: &DowntimeAdd, out: &mut dyn Write) -> Result<Ending, Failure> {
    said(&arguments.word.by, &arguments.word.reason)?;
    let (from, until) = (time("--from", &arguments.from)?, time("--until", &arguments.until)?);
    if until <= from {
        return Err(Failure::Arguments("--until: must be later than --from".to_owned()));
    }
    let settings = settings(&arguments.config.config)?;
    let provider = code("--provider", &arguments.provider)?;
    let silence = silence(say(&settings, Saying::Downtime { provider, from, until }, &arguments.word)?)?;
    tell(&silence, arguments.word.json, out, |zone| {
        format!(
            "downtime {}: no file is expected from {} from {} until {}. `bedfeed downtime end {}` ends it before.",
            silence.id,
            silence.provider,
            local_text(from, zone),
            local_text(until, zone),
            silence.id
        )
    })
}

fn downtime_end(arguments: &DowntimeEnd, out: &mut dyn Write) -> Result<Ending, Failure> {
    said(&arguments.word.by, &arguments.word.reason)?;
    let settings = settings(&arguments.config.config)?;
    let silence = silence(say(&settings, Saying::EndDowntime { id: arguments.id }, &arguments.word)?)?;
    tell(&silence, arguments.word.json, out, |_| match silence.stretch() {
        None => format!("downtime {}: cancelled. Files are expected from {} as ever.", silence.id, silence.provider),
        Some(_) => format!("downtime {}: ended. Files are expected from {} again, from the next slot on.", silence.id, silence.provider),
    })
}

/// `pause`.
pub(super) fn pause(arguments: &Pause, out: &mut dyn Write) -> Result<Ending, Failure> {
    said(&arguments.word.by, &arguments.word.reason)?;
    let until = arguments.until.as_deref().map(|text| time("--until", text)).transpose()?;
    let settings = settings(&arguments.config.config)?;
    let provider = code("CODE", &arguments.provider)?;
    let silence = silence(say(&settings, Saying::Pause { provider, until }, &arguments.word)?)?;
    tell(&silence, arguments.word.json, out, |zone| {
        let until = until.map(|until| format!("until {}, or ", local_text(until, zone))).unwrap_or_default();
        format!(
            "{} is paused {until}until `bedfeed resume {}`. What it sends is still taken, judged and loaded.",
            silence.provider, silence.provider
        )
    })
}

/// `resume`.
pub(super) fn resume(arguments: &Resume, out: &mut dyn Write) -> Result<Ending, Failure> {
    said(&arguments.word.by, &arguments.word.reason)?;
    let settings = settings(&arguments.config.config)?;
    let provider = code("CODE", &arguments.provider)?;
    let silence = silence(say(&settings, Saying::Resume { provider }, &arguments.word)?)?;
    tell(&silence, arguments.word.json, out, |_| format!("{} goes on: files are expected again, from the next slot on.", silence.provider))
}

fn downtime_list(arguments: &DowntimeList, out: &mut dyn Write) -> Result<Ending, Failure> {
    let settings = settings(&arguments.config.config)?;
    let now = SystemClock.now();
    let silences = reader(&settings)?.downtimes(arguments.all, now)?;
    if arguments.json {
        let rows: Vec<_> = silences.iter().map(|silence| as_json(silence, now)).collect();
        json(out, &rows)?;
        return Ok(Ending::Fine);
    }
    let zone = london()?;
    let mut table = Table::new(&["id", "feed", "what", "from", "until", "stands", "by", "why"]);
    for silence in &silences {
        table.row(vec![
            silence.id.to_string(),
            silence.provider.to_string(),
            what(silence.kind).to_owned(),
            local_text(silence.from, &zone),
            silence.ends().map_or("it is resumed".to_owned(), |until| local_text(until, &zone)),
            stands(silence, now),
            cell(&silence.by),
            cell(&silence.reason),
        ]);
    }
    table.write(out, "no downtime, and no feed is paused")?;
    Ok(Ending::Fine)
}

fn what(kind: AnnouncedKind) -> &'static str {
    match kind {
        AnnouncedKind::Planned => "downtime",
        AnnouncedKind::Paused => "pause",
    }
}

/// How a silence stands, and who ended it before its time.
fn stands(silence: &Announced, now: Timestamp) -> String {
    let standing = silence.standing(now);
    let how = match standing {
        SilenceStanding::Cancelled => "cancelled",
        SilenceStanding::ToCome | SilenceStanding::Now | SilenceStanding::Over => "ended",
    };
    let ended = silence.ended.as_ref().map(|end| format!("{how} by {}: {}", printed(&end.by), cell(&end.reason)));
    ended.unwrap_or_else(|| standing.words().to_owned())
}

/// A silence as scripts read it: as it was announced, when it really ends, and how it stands.
fn as_json(silence: &Announced, now: Timestamp) -> serde_json::Value {
    let mut value = serde_json::json!(silence);
    if let Some(object) = value.as_object_mut() {
        object.insert("ends".to_owned(), serde_json::json!(silence.ends()));
        object.insert("stands".to_owned(), serde_json::json!(silence.standing(now)));
    }
    value
}

fn code(option: &str, text: &str) -> Result<ProviderCode, Failure> {
    text.parse().map_err(|error| Failure::Arguments(format!("{option} {text}: {error}")))
}

fn silence(said: Said) -> Result<Announced, Failure> {
    match said {
        Said::Silence(silence) => Ok(silence),
        Said::Acknowledged { .. } => Err(Failure::Failed("the daemon answered another question".to_owned())),
    }
}

fn tell(silence: &Announced, as_data: bool, out: &mut dyn Write, words: impl FnOnce(&TimeZone) -> String) -> Result<Ending, Failure> {
    if as_data {
        json(out, &as_json(silence, SystemClock.now()))?;
    } else {
        writeln!(out, "{}", words(&london()?))?;
    }
    Ok(Ending::Fine)
}
