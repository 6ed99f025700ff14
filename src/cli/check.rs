//! `bedfeed check`: judges files as the daemon would, and loads nothing.
//!
//! Owns reading the files, the moment they are judged at, and what `--json` prints. What is seen is drawn by `receipts`.

mod screen;
mod watch;

use super::args::Check;
use super::listings::report_json;
use super::{Ending, Failure, json, settings};
use crate::config::{Provider, Settings};
use crate::feed::{Clock, DeliveryId, Digest, FileName, LONDON};
use crate::pipeline::assess::{Assessment, Context, Part};
use crate::pipeline::picture::{first_lines, first_values, judge_with_picture, moment_for};
use crate::receipts::{Look, Picture, sketch};
use crate::service::SystemClock;
use crate::verify::envelope::identify;
use crate::verify::{History, Verdict};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use screen::Screen;
use std::io::{self, Write};
use std::path::Path;

/// Judges the files together, as the parts of one snapshot; with `--watch` again and again.
pub(super) fn check(arguments: &Check, out: &mut dyn Write) -> Result<Ending, Failure> {
    let screen = Screen::of_standard_output(arguments.color);
    if arguments.watch {
        return watch::watch(arguments, &screen, out);
    }
    let settings = settings(&arguments.config.config)?;
    once(arguments, &settings, &screen, out)
}

/// One file as it was read.
struct Given {
    delivery: DeliveryId,
    name: FileName,
    sha256: Digest,
    bytes: Vec<u8>,
}

/// What a judgement came to.
struct Judged {
    assessment: Assessment,
    picture: Picture,
    at: Timestamp,
    /// Whether nobody gave the moment, and now would only have said that the file is old.
    assumed: bool,
}

fn once(arguments: &Check, settings: &Settings, screen: &Screen, out: &mut dyn Write) -> Result<Ending, Failure> {
    let provider = provider(arguments, settings)?;
    let now = SystemClock.now();
    let files = files(arguments, provider, arguments.at.unwrap_or(now))?;
    let judged = judge(arguments.at, now, &files, provider, settings);
    let accepted = matches!(judged.assessment.verdict, Verdict::Accepted(_));
    if arguments.json {
        json(out, &as_json(&judged, accepted)?)?;
    } else {
        let zone = TimeZone::get(LONDON).map_err(Failure::broken)?;
        let look = Look { width: screen.width, colour: screen.colour, assumed: judged.assumed.then_some(judged.at) };
        let lines = first_lines(&judged.assessment);
        out.write_all(sketch(&judged.assessment.report, &judged.picture, &lines, &look, &zone).as_bytes())?;
    }
    Ok(if accepted { Ending::Fine } else { Ending::NotFine })
}

fn provider<'s>(arguments: &Check, settings: &'s Settings) -> Result<&'s Provider, Failure> {
    let wanted = arguments.provider.to_ascii_uppercase();
    let codes = || settings.providers.iter().map(|provider| provider.code.to_string()).collect::<Vec<_>>().join(", ");
    let found = settings.providers.iter().find(|provider| provider.code.as_str() == wanted);
    found.ok_or_else(|| Failure::Arguments(format!("--provider {}: the settings have {}", arguments.provider, codes())))
}

fn files(arguments: &Check, provider: &Provider, at: Timestamp) -> Result<Vec<Given>, Failure> {
    let mut files = Vec::new();
    for (number, path) in arguments.files.iter().enumerate() {
        let bytes = read(path, provider.feed.limits.max_file_bytes)?;
        let random = u64::try_from(number).unwrap_or(u64::MAX).to_be_bytes();
        let mut salt = [0_u8; 10];
        salt.iter_mut().zip(random).for_each(|(to, from)| *to = from);
        files.push(Given { delivery: DeliveryId::new(at, salt), name: name_of(path)?, sha256: Digest::of(&bytes), bytes });
    }
    Ok(files)
}

/// Judges at the moment given; without one now, or for figures that are not new as if the file had just come then.
fn judge(given: Option<Timestamp>, now: Timestamp, files: &[Given], provider: &Provider, settings: &Settings) -> Judged {
    let history = History::default();
    let parts: Vec<Part<'_>> =
        files.iter().map(|file| Part { delivery: file.delivery, name: &file.name, sha256: file.sha256, bytes: &file.bytes }).collect();
    let judge_at = |at: Timestamp| {
        let (feed, reference) = (&provider.feed, &settings.reference);
        judge_with_picture(&parts, &Context { feed, reference, history: &history, received_at: at, now: at, released: false })
    };
    let (assessment, picture) = judge_at(given.unwrap_or(now));
    let figures = assessment.report.snapshot_at.or_else(|| files.iter().find_map(|file| time_in_name(provider, &file.name)));
    match moment_for(figures, now).filter(|_| given.is_none()) {
        Some(at) => {
            let (assessment, picture) = judge_at(at);
            Judged { assessment, picture, at, assumed: true }
        }
        None => Judged { assessment, picture, at: given.unwrap_or(now), assumed: false },
    }
}

/// The time in a file's name, which is all that is known where the file itself does not say one.
fn time_in_name(provider: &Provider, name: &FileName) -> Option<Timestamp> {
    let when = identify(&provider.feed, name).ok()?.name_parts.when?;
    Some(when.in_tz(LONDON).ok()?.timestamp())
}

/// A file's bytes; one byte over the limit is enough for the rule to speak.
fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Failure> {
    use std::io::Read;
    let failed = |error: io::Error| Failure::unreadable(path, &error);
    let mut bytes = Vec::new();
    std::fs::File::open(path).map_err(failed)?.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

fn name_of(path: &Path) -> Result<FileName, Failure> {
    let name = path.file_name().map(|name| name.as_encoded_bytes().to_vec()).unwrap_or_default();
    FileName::parse(&name).map_err(|error| Failure::Arguments(format!("{}: {error}", path.display())))
}

fn as_json(judged: &Judged, accepted: bool) -> Result<serde_json::Value, Failure> {
    let first_lines = first_values(&judged.assessment).map_err(io::Error::from)?;
    Ok(serde_json::json!({
        "accepted": accepted,
        "verdict": judged.picture.decision,
        "marked_test": judged.assessment.report.marked_test,
        "judged_at": judged.at,
        "judged_at_assumed": judged.assumed,
        "report": report_json(&judged.assessment.report),
        "files": judged.picture.files,
        "missing": judged.picture.missing,
        "mapping": judged.picture.mapping,
        "tables": judged.picture.tables,
        "stated": judged.picture.stated,
        "wards": judged.picture.wards,
        "other_wards": judged.picture.other_wards,
        "lines": judged.picture.lines,
        "first_lines": first_lines,
    }))
}
