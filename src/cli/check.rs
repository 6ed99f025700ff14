//! `bedfeed check`: judges files as the daemon would, and loads nothing.

use super::args::Check;
use super::listings::{counts, report_json};
use super::table::{Table, plain};
use super::{Ending, Failure, json, settings};
use crate::bedstate::Line;
use crate::feed::{Clock, DeliveryId, Digest, FileName};
use crate::pipeline::assess::{Assessment, Context, Part, assess};
use crate::service::SystemClock;
use crate::verify::{History, Verdict};
use std::io::{self, Write};
use std::path::Path;

/// Lines of the dataset that are shown.
const FIRST_LINES: usize = 5;

/// Judges the files together, as the parts of one snapshot.
pub(super) fn check(arguments: &Check, out: &mut dyn Write) -> Result<Ending, Failure> {
    let settings = settings(&arguments.config.config)?;
    let wanted = arguments.provider.to_ascii_uppercase();
    let codes = || settings.providers.iter().map(|provider| provider.code.to_string()).collect::<Vec<_>>().join(", ");
    let Some(provider) = settings.providers.iter().find(|provider| provider.code.as_str() == wanted) else {
        return Err(Failure::Arguments(format!("--provider {}: the settings have {}", arguments.provider, codes())));
    };
    let at = arguments.at.unwrap_or_else(|| SystemClock.now());
    let mut files = Vec::new();
    for (number, path) in arguments.files.iter().enumerate() {
        let bytes = read(path, provider.feed.limits.max_file_bytes)?;
        let random = u64::try_from(number).unwrap_or(u64::MAX).to_be_bytes();
        let mut salt = [0_u8; 10];
        salt.iter_mut().zip(random).for_each(|(to, from)| *to = from);
        files.push((DeliveryId::new(at, salt), name_of(path)?, Digest::of(&bytes), bytes));
    }
    let parts: Vec<Part<'_>> =
        files.iter().map(|(delivery, name, sha256, bytes)| Part { delivery: *delivery, name, sha256: *sha256, bytes }).collect();
    let history = History::default();
    let context =
        Context { feed: &provider.feed, reference: &settings.reference, history: &history, received_at: at, now: at, released: false };
    let assessment = assess(&parts, &context);
    let accepted = matches!(assessment.verdict, Verdict::Accepted(_));
    if arguments.json {
        json(
            out,
            &serde_json::json!({ "accepted": accepted, "verdict": word(&assessment.verdict), "report": report_json(&assessment.report), "first_lines": first_lines(&assessment) }),
        )?;
    } else {
        tell(&assessment, out)?;
    }
    Ok(if accepted { Ending::Fine } else { Ending::NotFine })
}

/// A file's bytes; one byte over the limit is enough for the rule to speak.
fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Failure> {
    use std::io::Read;
    let failed = |error: io::Error| Failure::Failed(format!("cannot read {}: {error}", path.display()));
    let mut bytes = Vec::new();
    std::fs::File::open(path).map_err(failed)?.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

fn name_of(path: &Path) -> Result<FileName, Failure> {
    let name = path.file_name().map(|name| name.as_encoded_bytes().to_vec()).unwrap_or_default();
    FileName::parse(&name).map_err(|error| Failure::Arguments(format!("{}: {error}", path.display())))
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Accepted(_) => "accepted",
        Verdict::Duplicate { .. } => "duplicate",
        Verdict::Rejected => "rejected",
        Verdict::Sealed => "sealed",
    }
}

fn first_lines(assessment: &Assessment) -> &[Line] {
    match &assessment.verdict {
        Verdict::Accepted(verified) => {
            let lines = &verified.snapshot().lines;
            lines.get(..FIRST_LINES.min(lines.len())).unwrap_or_default()
        }
        Verdict::Duplicate { .. } | Verdict::Rejected | Verdict::Sealed => &[],
    }
}

fn tell(assessment: &Assessment, out: &mut dyn Write) -> Result<(), Failure> {
    let report = &assessment.report;
    let headline = match &assessment.verdict {
        Verdict::Accepted(_) => "would be ACCEPTED",
        Verdict::Duplicate { .. } => "repeats a file that was accepted",
        Verdict::Rejected => "would be REJECTED",
        Verdict::Sealed => "would be SEALED: identifiable data",
    };
    writeln!(out, "{headline}")?;
    if let (Some(slot), Some(at)) = (report.slot, report.snapshot_at) {
        writeln!(out, "figures of {at}, slot {slot}, mapping {}", report.mapping.as_deref().unwrap_or("none"))?;
    }
    for line in counts(report) {
        writeln!(out, "{line}")?;
    }
    writeln!(out)?;
    let mut table = Table::new(&["rule", "what it does", "part", "line", "column", "message"]);
    for finding in report.findings.iter() {
        table.row(vec![
            finding.rule.to_string(),
            finding.severity.as_str().to_owned(),
            finding.place.part.as_deref().map(plain).unwrap_or_default(),
            finding.place.line.map(|line| line.to_string()).unwrap_or_default(),
            finding.place.column.as_deref().map(plain).unwrap_or_default(),
            plain(&finding.message),
        ]);
    }
    table.write(out, "no findings")?;
    let mut advised: Vec<_> = report.findings.counts().map(|(rule, _, _)| rule).collect();
    advised.dedup();
    for rule in advised {
        writeln!(out, "\n{rule}: {}", rule.advice())?;
    }
    let lines = first_lines(assessment);
    if !lines.is_empty() {
        writeln!(out, "\nfirst lines of the dataset:")?;
        for line in lines {
            writeln!(out, "  {}", compact(line)?)?;
        }
    }
    Ok(())
}

/// A line's filled fields only.
fn compact(line: &Line) -> Result<String, Failure> {
    let value = serde_json::to_value(line).map_err(Failure::broken)?;
    let fields = value.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    Ok(fields
        .map(|(name, value)| format!("{name}={}", value.as_str().map_or_else(|| value.to_string(), plain)))
        .collect::<Vec<_>>()
        .join(" "))
}
