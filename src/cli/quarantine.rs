//! `bedfeed quarantine`: what is set aside, for the people who work with it.
//!
//! Owns the list, the masked look at one delivery, and handing out a raw file once the daemon has recorded that. Refuses to show a
//! value of a file unless somebody asked for the file itself, and anything of a sealed one.

use super::acts::said;
use super::args::{QuarantineList, QuarantineShow};
use super::listings::as_json;
use super::table::{Table, cell};
use super::{Ending, Failure, delivery_called, json, reader, settings};
use crate::config::Settings;
use crate::feed::{Clock, LONDON, Outcome, ProviderCode, Severity, Stage, printed};
use crate::ledger::{Act, DeliveryRow, DisposalRow, Filter, Hold, HoldRow, Reader, ReleaseRequest};
use crate::pipeline::assess::{Assessment, Context, Part};
use crate::pipeline::picture::picture_of;
use crate::pipeline::{allowed, held};
use crate::quarantine::{Store, StoreError};
use crate::receipts::{Decision, Look, Picture, sketch};
use crate::service::SystemClock;
use crate::service::control::{Answer, Request, ask};
use crate::verify::{History, Verdict};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Characters in a line of what is shown.
const WIDTH: usize = 100;

/// One delivery and everything that somebody who works with it asks first.
struct Case {
    row: DeliveryRow,
    may: Vec<Act>,
    request: Option<ReleaseRequest>,
    hold: Option<Hold>,
    gone: Option<DisposalRow>,
    /// When retention takes it, unless it is held.
    goes_at: Option<Timestamp>,
}

impl Case {
    fn of(row: DeliveryRow, reader: &Reader, holds: &[HoldRow], settings: &Settings, now: Timestamp) -> Result<Self, Failure> {
        let gone = reader.original_gone(row.delivery.id)?;
        let in_settings = settings.provider(&row.delivery.provider).is_some();
        let may = if gone.is_some() { Vec::new() } else { allowed(&row, in_settings) };
        let request = if may.contains(&Act::Release) { reader.release_request(row.delivery.id, now)? } else { None };
        let hold = held(&row, holds).cloned();
        let days = SignedDuration::from_hours(24 * i64::from(settings.retention.quarantine_days));
        let goes_at = if hold.is_some() || gone.is_some() { None } else { row.moved_at.checked_add(days).ok() };
        Ok(Self { row, may, request, hold, gone, goes_at })
    }

    fn json(&self) -> serde_json::Value {
        let mut value = as_json(&self.row);
        let more = serde_json::json!({
            "since": self.row.moved_at,
            "rules": rules(&self.row),
            "sealed": is_sealed(&self.row.stage),
            "may": self.may.iter().map(|act| act.as_str()).collect::<Vec<_>>(),
            "release_asked": self.request,
            "held_by": self.hold.as_ref().map(|hold| hold.number),
            "goes_at": self.goes_at,
            "deleted": self.gone,
        });
        if let (Some(object), serde_json::Value::Object(more)) = (value.as_object_mut(), more) {
            object.extend(more);
        }
        value
    }

    fn goes(&self) -> String {
        match (&self.gone, &self.hold, self.goes_at) {
            (Some(gone), _, _) => format!("gone {}", day(gone.planned_at)),
            (None, Some(hold), _) => format!("held ({})", hold.number),
            (None, None, Some(at)) => day(at),
            (None, None, None) => "-".to_owned(),
        }
    }
}

/// Lists what waits, the newest first.
pub(super) fn list(arguments: &QuarantineList, out: &mut dyn Write) -> Result<Ending, Failure> {
    let settings = settings(&arguments.config.config)?;
    let reader = reader(&settings)?;
    let provider: Option<ProviderCode> = match &arguments.provider {
        Some(code) => Some(super::provider(code, &settings, &reader)?),
        None => None,
    };
    let mut rows = if arguments.all {
        reader.deliveries(&Filter { provider: provider.clone(), outcome: Some(Outcome::Quarantined), ..Filter::default() })?
    } else {
        reader.in_quarantine()?
    };
    rows.retain(|row| provider.as_ref().is_none_or(|wanted| *wanted == row.delivery.provider));
    let (holds, now) = (reader.holds(false)?, SystemClock.now());
    let cases = rows.into_iter().map(|row| Case::of(row, &reader, &holds, &settings, now)).collect::<Result<Vec<_>, _>>()?;
    if arguments.json {
        json(out, &cases.iter().map(Case::json).collect::<Vec<_>>())?;
        return Ok(Ending::Fine);
    }
    let mut table = Table::new(&["since (UTC)", "id", "provider", "file", "state", "rules", "you may", "goes on"]);
    for case in &cases {
        let delivery = &case.row.delivery;
        table.row(vec![
            case.row.moved_at.strftime("%Y-%m-%d %H:%M").to_string(),
            delivery.id.short(),
            delivery.provider.to_string(),
            cell(&delivery.name.shown()),
            case.row.stage.as_str().to_owned(),
            rules(&case.row).join(" "),
            words(&case.may),
            case.goes(),
        ]);
    }
    table.write(out, "nothing is in quarantine")?;
    for case in &cases {
        if let Some(request) = &case.request {
            writeln!(out, "! {}: {}", case.row.delivery.id.short(), asked(request))?;
        }
    }
    Ok(Ending::Fine)
}

/// Shows one delivery, masked; or hands out its file.
pub(super) fn show(arguments: &QuarantineShow, out: &mut dyn Write) -> Result<Ending, Failure> {
    let settings = settings(&arguments.config.config)?;
    let reader = reader(&settings)?;
    let row = delivery_called(&reader, &arguments.id)?;
    if row.stage.outcome() != Outcome::Quarantined {
        return Err(Failure::Failed(format!("delivery {} is {}, not in quarantine", row.delivery.id, row.stage.as_str())));
    }
    if arguments.raw {
        return raw(arguments, &row, &settings, out);
    }
    let case = Case::of(row, &reader, &reader.holds(false)?, &settings, SystemClock.now())?;
    let drawn = drawing(&case, &reader, &settings)?;
    if arguments.json {
        let mut value = case.json();
        if let (Some(object), Some((assessment, picture))) = (value.as_object_mut(), &drawn) {
            object.insert("lines".to_owned(), serde_json::json!(picture.lines));
            object.insert("today".to_owned(), serde_json::json!(verdict_of_today(assessment)));
        }
        json(out, &value)?;
        return Ok(Ending::Fine);
    }
    head(&case, out)?;
    match (&drawn, &case.row.report) {
        (Some((assessment, picture)), Some(report)) => {
            writeln!(out, "  judged by today's settings alone: {}", verdict_of_today(assessment))?;
            writeln!(out, "\nAs it was judged {}", report.assessed_at.strftime("%Y-%m-%d %H:%M:%S UTC"))?;
            let zone = TimeZone::get(LONDON).map_err(Failure::broken)?;
            // What the ledger says of it stands; only its lines are read anew.
            let picture = Picture { decision: Decision::Rejected, ..picture.clone() };
            let look = Look { width: WIDTH, colour: false, assumed: None };
            let drawn = sketch(report, &picture, &[], &look, &zone);
            // Its heading is about a file that somebody thinks of sending.
            out.write_all(drawn.split_once('\n').map_or("", |(_, rest)| rest).as_bytes())?;
        }
        (None, Some(report)) => {
            writeln!(out, "\nFindings")?;
            for finding in report.findings.iter() {
                let column = finding.place.column.as_deref().map(|column| format!(" column {}", printed(column))).unwrap_or_default();
                let line = finding.place.line.map(|line| format!(" line {line}")).unwrap_or_default();
                writeln!(out, "  {} {}{line}{column}: {}", finding.rule, finding.severity.as_str(), printed(&finding.message))?;
            }
        }
        (_, None) => writeln!(out, "\nNo findings were recorded.")?,
    }
    Ok(Ending::Fine)
}

fn head(case: &Case, out: &mut dyn Write) -> io::Result<()> {
    let delivery = &case.row.delivery;
    writeln!(out, "Delivery {}", delivery.id)?;
    writeln!(out, "  {} sent {} ({} bytes)", delivery.provider, printed(&delivery.name.shown()), delivery.bytes)?;
    writeln!(out, "  {} since {}", case.row.stage.as_str(), case.row.moved_at.strftime("%Y-%m-%d %H:%M:%S UTC"))?;
    if let Some(note) = &case.row.note {
        writeln!(out, "  note: {}", printed(note))?;
    }
    if let Some(gone) = &case.gone {
        writeln!(out, "  file: {}", deleted(gone))?;
    } else if is_sealed(&case.row.stage) {
        writeln!(out, "  file: sealed. No line of it is shown to anybody; only the governance role's key opens it.")?;
    }
    if let Some(hold) = &case.hold {
        writeln!(out, "  legal hold {}: ordered by {}: {}", hold.number, printed(&hold.by), printed(&hold.reason))?;
    } else if let Some(at) = case.goes_at {
        writeln!(out, "  deleted by retention after {}", day(at))?;
    }
    if let Some(request) = &case.request {
        writeln!(out, "  {}", asked(request))?;
    }
    writeln!(out, "  you may: {}", words(&case.may))
}

/// What today's settings make of a delivery and the parts of its set, and how its lines look; `None` where nothing may be
/// shown, or nothing is there.
fn drawing(case: &Case, reader: &Reader, settings: &Settings) -> Result<Option<(Assessment, Picture)>, Failure> {
    let row = &case.row;
    let provider = settings.provider(&row.delivery.provider);
    let (Some(report), Some(provider)) = (&row.report, provider) else { return Ok(None) };
    if is_sealed(&row.stage) || case.gone.is_some() {
        return Ok(None);
    }
    let store = Store::new(&settings.state_dir);
    let mut files = Vec::new();
    for (_, id) in &report.parts {
        let Some(part) = reader.delivery(*id)? else { continue };
        match store.read(*id) {
            Ok(bytes) => files.push((part.delivery, bytes)),
            Err(StoreError { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Failure::broken(error)),
        }
    }
    let parts: Vec<Part<'_>> =
        files.iter().map(|(sent, bytes)| Part { delivery: sent.id, name: &sent.name, sha256: sent.sha256, bytes }).collect();
    let received_at = files.iter().map(|(sent, _)| sent.received_at).max().unwrap_or(row.delivery.received_at);
    let (feed, reference, history) = (&provider.feed, &settings.reference, &History::default());
    let context = Context { feed, reference, history, received_at, now: received_at, released: false };
    let (assessment, picture) = picture_of(&parts, &context, report);
    // A rule of today may see a leak in what was only rejected then.
    Ok((!matches!(assessment.verdict, Verdict::Sealed)).then_some((assessment, picture)))
}

fn verdict_of_today(assessment: &Assessment) -> &'static str {
    match &assessment.verdict {
        Verdict::Accepted(_) => "would be accepted: `bedfeed reprocess`, unless what came before it speaks against it",
        Verdict::Duplicate { .. } => "repeats a file that was accepted",
        Verdict::Rejected => "would be rejected again",
        Verdict::Sealed => "would be sealed",
    }
}

/// Hands out the bytes, after the daemon has recorded who gets them and why.
fn raw(arguments: &QuarantineShow, row: &DeliveryRow, settings: &Settings, out: &mut dyn Write) -> Result<Ending, Failure> {
    let (by, reason) = (arguments.by.clone().unwrap_or_default(), arguments.reason.clone().unwrap_or_default());
    said(&by, &reason)?;
    // Made first: nobody is recorded as having seen what could not be given.
    let mut target = arguments.out.as_ref().map(|path| make(path)).transpose()?;
    let given = asked_for(row, settings, by, reason).and_then(|bytes| match &mut target {
        Some(file) => Ok(file.write_all(&bytes).and_then(|()| file.sync_all())?),
        None => Ok(out.write_all(&bytes)?),
    });
    if let (Err(_), Some(path)) = (&given, &arguments.out) {
        std::fs::remove_file(path)?;
    }
    given.map(|()| Ending::Fine)
}

fn make(path: &Path) -> Result<File, Failure> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    made.map_err(|error| Failure::Failed(format!("--out {}: {error}", path.display())))
}

fn asked_for(row: &DeliveryRow, settings: &Settings, by: String, reason: String) -> Result<Vec<u8>, Failure> {
    match ask(&settings.state_dir, &Request::ViewRaw { delivery: row.delivery.id, by, reason }).map_err(Failure::broken)? {
        Answer::Done { .. } => Store::new(&settings.state_dir).read(row.delivery.id).map_err(Failure::broken),
        other => Err(Failure::answered(other)),
    }
}

/// Where a file went that is gone.
pub(super) fn deleted(gone: &DisposalRow) -> String {
    let disposal = &gone.disposal;
    format!("deleted on {} by retention (disposal {}, {})", day(gone.planned_at), disposal.number, disposal.rule)
}

fn asked(request: &ReleaseRequest) -> String {
    let account = request.account.as_ref().map(|account| format!(" ({account})")).unwrap_or_default();
    format!(
        "release asked for by {}{account}: {}; a second person must agree until {}",
        printed(&request.by),
        printed(&request.reason),
        request.until.strftime("%Y-%m-%d %H:%M UTC")
    )
}

fn is_sealed(stage: &Stage) -> bool {
    matches!(stage, Stage::Quarantined { sealed: true, .. } | Stage::HandedBack { sealed: true, .. })
}

/// The rules that found something to mend, the worst first.
fn rules(row: &DeliveryRow) -> Vec<String> {
    let mut counts: Vec<_> = row.report.iter().flat_map(|report| report.findings.counts()).collect();
    counts.retain(|(_, severity, _)| *severity > Severity::Information);
    counts.sort_by_key(|(_, severity, _)| std::cmp::Reverse(*severity));
    counts.into_iter().map(|(rule, _, _)| rule.to_string()).collect()
}

fn words(may: &[Act]) -> String {
    if may.is_empty() { "nothing".to_owned() } else { may.iter().map(|act| act.as_str()).collect::<Vec<_>>().join(", ") }
}

fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}
