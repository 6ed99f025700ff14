//! `bedfeed mapping test`: a mapping's examples, and what it would make of files that were accepted lately.
//!
//! Owns the comparison of two readings of one snapshot. Refuses to show what a line says of a person, and to change
//! anything.

use super::args::MappingTest;
use super::{Ending, Failure, json, settings};
use crate::bedstate::Line;
use crate::config::{Provider, Settings};
use crate::feed::{DeliveryId, Digest, FileName, Outcome, Report, Severity, Slot, Totals, printed};
use crate::ledger::{self, DeliveryRow, Filter, Reader};
use crate::normalise::mapping::Mapping;
use crate::normalise::uses::PERSON_FIELDS;
use crate::pipeline::assess::{Assessment, Context, Part, assess};
use crate::quarantine::Store;
use crate::verify::{Feed, History, Verdict};
use jiff::Timestamp;
use jiff::civil::Date;
use std::collections::BTreeSet;
use std::io::{self, Write};

/// Most snapshots that are tried of one provider: a week of slots.
const MOST: u32 = 672;
/// Most differing lines that are shown of one snapshot.
const SHOWN_LINES: usize = 3;

/// Tries the mappings. The examples came out already, or the settings would not have loaded.
pub(super) fn test(arguments: &MappingTest, out: &mut dyn Write) -> Result<Ending, Failure> {
    let settings = settings(&arguments.config.config)?;
    let wanted = arguments.provider.as_deref().map(str::to_ascii_uppercase);
    let chosen = |provider: &&Provider| wanted.as_deref().is_none_or(|wanted| provider.code.as_str() == wanted);
    let providers: Vec<&Provider> = settings.providers.iter().filter(chosen).collect();
    if providers.is_empty() {
        let codes = settings.providers.iter().map(|provider| provider.code.to_string()).collect::<Vec<_>>().join(", ");
        return Err(Failure::Arguments(format!("--provider {}: the settings have {codes}", wanted.unwrap_or_default())));
    }
    if !(1..=MOST).contains(&arguments.last) {
        return Err(Failure::Arguments(format!("--last {}: 1 to {MOST}", arguments.last)));
    }
    let path = settings.state_dir.join(ledger::FILE_NAME);
    // Examples are worth running on a machine that never received a file.
    let reader = if path.try_exists()? { Some(Reader::open(&path)?) } else { None };
    let mut trials = Vec::new();
    for provider in providers {
        trials.push(trial(provider, &settings, reader.as_ref(), arguments)?);
    }
    let fine = trials.iter().all(|trial| trial.snapshots.iter().all(|tried| tried.differs.is_empty()));
    if arguments.json {
        json(out, &trials)?;
    } else {
        trials.iter().try_for_each(|trial| tell(trial, out))?;
    }
    Ok(if fine { Ending::Fine } else { Ending::NotFine })
}

/// What came of one provider's mapping.
#[derive(serde::Serialize)]
struct Trial {
    provider: String,
    /// The version that was tried.
    mapping: String,
    /// The first local day on which it is in force.
    from: Date,
    /// Examples that came out.
    examples: usize,
    snapshots: Vec<Tried>,
    /// Accepted snapshots whose originals are no longer kept.
    gone: usize,
}

/// One snapshot, read by both.
#[derive(serde::Serialize)]
struct Tried {
    delivery: DeliveryId,
    file: FileName,
    slot: Option<Slot>,
    /// The version that was in force.
    before: String,
    /// What is different, a sentence each; empty where nothing is.
    differs: Vec<String>,
}

fn trial(provider: &Provider, settings: &Settings, reader: Option<&Reader>, arguments: &MappingTest) -> Result<Trial, Failure> {
    let mappings = &provider.feed.mappings;
    let mapping = match &arguments.version {
        Some(version) => mappings.iter().find(|mapping| mapping.version == *version),
        None => mappings.iter().max_by_key(|mapping| mapping.from),
    };
    let Some(mapping) = mapping else {
        let known = mappings.iter().map(|mapping| mapping.version.as_str()).collect::<Vec<_>>().join(", ");
        let wanted = arguments.version.as_deref().unwrap_or_default();
        return Err(Failure::Arguments(format!("--mapping {wanted}: {} has {known}", provider.code)));
    };
    let mut trial = Trial {
        provider: provider.code.to_string(),
        mapping: mapping.version.clone(),
        from: mapping.from,
        examples: provider.examples,
        snapshots: Vec::new(),
        gone: 0,
    };
    let Some(reader) = reader else { return Ok(trial) };
    let store = Store::new(&settings.state_dir);
    for row in accepted(reader, provider, arguments.last)? {
        match originals(reader, &store, &row)? {
            Some(files) => trial.snapshots.push(compare(&provider.feed, mapping, settings, &row, &files)),
            None => trial.gone += 1,
        }
    }
    Ok(trial)
}

/// The deliveries that led the newest accepted snapshots, newest first.
fn accepted(reader: &Reader, provider: &Provider, most: u32) -> Result<Vec<DeliveryRow>, Failure> {
    let parts = provider.feed.mappings.iter().map(|mapping| mapping.files.len()).max().unwrap_or(1);
    let limit = most.saturating_mul(u32::try_from(parts).unwrap_or(1));
    let filter = Filter { provider: Some(provider.code.clone()), outcome: Some(Outcome::Loaded), since: None, limit: Some(limit) };
    let leads =
        |row: &DeliveryRow| row.report.as_ref().and_then(|report| report.parts.first()).is_some_and(|(_, lead)| *lead == row.delivery.id);
    let rows = reader.deliveries(&filter)?.into_iter().filter(leads);
    Ok(rows.take(usize::try_from(most).unwrap_or(usize::MAX)).collect())
}

/// One file as it came.
struct Original {
    id: DeliveryId,
    name: FileName,
    sha256: Digest,
    received_at: Timestamp,
    bytes: Vec<u8>,
}

impl Original {
    fn part(&self) -> Part<'_> {
        Part { delivery: self.id, name: &self.name, sha256: self.sha256, bytes: &self.bytes }
    }
}

/// All files of a snapshot; `None` where one is no longer kept.
fn originals(reader: &Reader, store: &Store, row: &DeliveryRow) -> Result<Option<Vec<Original>>, Failure> {
    let ids: BTreeSet<DeliveryId> = row.report.iter().flat_map(|report| report.parts.iter().map(|(_, id)| *id)).collect();
    let mut files = Vec::new();
    for id in ids {
        let Some(part) = reader.delivery(id)? else { return Ok(None) };
        let bytes = match store.read(id) {
            Ok(bytes) => bytes,
            Err(error) if error.source.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Failure::broken(error)),
        };
        let delivery = part.delivery;
        files.push(Original { id, name: delivery.name, sha256: delivery.sha256, received_at: delivery.received_at, bytes });
    }
    Ok(Some(files))
}

fn compare(feed: &Feed, mapping: &Mapping, settings: &Settings, row: &DeliveryRow, files: &[Original]) -> Tried {
    let recorded = row.report.as_ref();
    let version = recorded.and_then(|report| report.mapping.clone()).unwrap_or_default();
    let after = judge(feed, mapping, settings, files);
    // The mapping in force then, where the settings still have it: word for word, or as another version than the one tried
    // (to end a version changes its text).
    let hash = recorded.and_then(|report| report.mapping_hash);
    let still = |known: &&Mapping| Some(known.hash) == hash || (known.version == version && known.version != mapping.version);
    let before = feed.mappings.iter().find(still).map(|known| judge(feed, known, settings, files));
    let mut differs = Vec::new();
    match (&after.verdict, &before) {
        (Verdict::Accepted(new), Some(Assessment { verdict: Verdict::Accepted(old), .. })) => {
            let (old, new) = (old.snapshot(), new.snapshot());
            differs.extend(sums(&old.totals, &new.totals));
            differs.extend(lines(&old.lines, &new.lines));
        }
        // What the old one made of it stands in the ledger, as sums.
        (Verdict::Accepted(new), _) => {
            let old = recorded.and_then(|report| report.totals);
            differs.extend(old.iter().flat_map(|old| sums(old, &new.snapshot().totals)));
        }
        _ => differs.push(format!("would not be accepted: {}", why(&after.report))),
    }
    differs.extend(recorded.and_then(|report| rows(report, &after.report)));
    Tried { delivery: row.delivery.id, file: row.delivery.name.clone(), slot: recorded.and_then(|r| r.slot), before: version, differs }
}

/// Judges files by one mapping, whatever its dates, and with nothing accepted before.
fn judge(feed: &Feed, mapping: &Mapping, settings: &Settings, files: &[Original]) -> Assessment {
    let always = Mapping { from: Date::MIN, to: None, ..mapping.clone() };
    let feed = Feed { mappings: vec![always], ..feed.clone() };
    let parts: Vec<Part<'_>> = files.iter().map(Original::part).collect();
    let received_at = files.iter().map(|file| file.received_at).max().unwrap_or_default();
    let history = History::default();
    // What a person released then is released now: the question is what the mapping makes of it.
    assess(
        &parts,
        &Context { feed: &feed, reference: &settings.reference, history: &history, received_at, now: received_at, released: true },
    )
}

fn why(report: &Report) -> String {
    let worst = report.findings.iter().find(|finding| finding.severity == Severity::RejectFile);
    worst.map_or_else(|| "no line comes out".to_owned(), |finding| format!("{} {}", finding.rule, printed(&finding.message)))
}

/// Sums that differ.
fn sums(old: &Totals, new: &Totals) -> Vec<String> {
    let pairs = [
        ("occupied beds", old.occupied, new.occupied),
        ("empty beds", old.empty, new.empty),
        ("available now", old.available_now, new.available_now),
        ("closed beds", old.closed, new.closed),
        ("demand", old.demand, new.demand),
        ("demand not in a bed", old.demand_not_in_bed, new.demand_not_in_bed),
    ];
    pairs.into_iter().filter(|(_, old, new)| old != new).map(|(what, old, new)| format!("{what}: {old} -> {new}")).collect()
}

/// What became of the rows, where that differs.
fn rows(old: &Report, new: &Report) -> Option<String> {
    let counts = |report: &Report| {
        let rows = report.rows;
        format!("{} used, {} skipped, {} rejected", rows.used, rows.skipped, rows.rejected)
    };
    (counts(old) != counts(new)).then(|| format!("rows: {} -> {}", counts(old), counts(new)))
}

/// The first lines that differ, by place.
fn lines(old: &[Line], new: &[Line]) -> Vec<String> {
    let most = old.len().max(new.len());
    let differing: Vec<usize> = (0..most).filter(|at| old.get(*at) != new.get(*at)).collect();
    let mut said: Vec<String> =
        differing.iter().take(SHOWN_LINES).map(|at| format!("line {}: {}", at + 1, difference(old.get(*at), new.get(*at)))).collect();
    let more = differing.len().saturating_sub(SHOWN_LINES);
    if more > 0 {
        said.push(format!("and {more} more lines"));
    }
    said
}

/// How two lines differ, field by field; of a person only that they do.
fn difference(old: Option<&Line>, new: Option<&Line>) -> String {
    let fields = |line: Option<&Line>| line.and_then(|line| serde_json::to_value(line).ok()).unwrap_or_default();
    let (before, after) = (fields(old), fields(new));
    let Some(names) = after.as_object().or(before.as_object()).map(|all| all.keys().cloned().collect::<Vec<_>>()) else {
        return "differs".to_owned();
    };
    let shown = |value: Option<&serde_json::Value>| match value {
        None | Some(serde_json::Value::Null) => "blank".to_owned(),
        Some(serde_json::Value::String(text)) => printed(text).into_owned(),
        Some(other) => other.to_string(),
    };
    let one = |name: &String| {
        let (old, new) = (before.get(name), after.get(name));
        let alike = shown(old) == shown(new);
        (!alike).then(|| {
            if PERSON_FIELDS.contains(&name.as_str()) {
                format!("{name} differs")
            } else {
                format!("{name} {} -> {}", shown(old), shown(new))
            }
        })
    };
    let differing: Vec<String> = names.iter().filter_map(one).collect();
    let whole = match (old, new) {
        (None, Some(_)) => "new: ",
        (Some(_), None) => "gone: ",
        _ => "",
    };
    format!("{whole}{}", differing.join(", "))
}

fn tell(trial: &Trial, out: &mut dyn Write) -> Result<(), Failure> {
    let Trial { provider, mapping, from, examples, snapshots, gone } = trial;
    writeln!(out, "{provider}: mapping {} (from {from}); examples that came out: {examples}", printed(mapping))?;
    if snapshots.is_empty() {
        writeln!(out, "  no accepted files to try")?;
    }
    let differing = snapshots.iter().filter(|tried| !tried.differs.is_empty());
    for tried in differing.clone() {
        let slot = tried.slot.map_or_else(String::new, |slot| format!(", slot {slot}"));
        writeln!(
            out,
            "  {} ({}{slot}), read by {} then:",
            printed(&tried.file.to_string()),
            tried.delivery.short(),
            printed(&tried.before)
        )?;
        for difference in &tried.differs {
            writeln!(out, "    {difference}")?;
        }
    }
    if !snapshots.is_empty() {
        let count = differing.count();
        writeln!(
            out,
            "  {} snapshots tried: {} come out the same, {count} differ",
            snapshots.len(),
            snapshots.len().saturating_sub(count)
        )?;
    }
    if *gone > 0 {
        writeln!(out, "  {gone} more are no longer kept")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bedstate::{AgeBand, EddBand, Gender, LineType, LosBand, Ready};

    #[test]
    fn of_a_person_it_is_said_that_something_differs_and_not_how() {
        let bed = || Line::new("RM1", LineType::Occupied);
        let rows: Vec<(Line, &str)> = vec![
            (Line { ward_code: Some("W1".into()), ..bed() }, "ward_code blank -> W1"),
            (Line { gender: Some(Gender::Female), ..bed() }, "gender differs"),
            (Line { age_band: Some(AgeBand::A85), ..bed() }, "age_band differs"),
            (Line { ready: Some(Ready::Delayed), ..bed() }, "ready differs"),
            (Line { edd_band: Some(EddBand::Today), ..bed() }, "edd_band differs"),
            (Line { los_band: Some(LosBand::L21), ..bed() }, "los_band differs"),
            (Line { wait_from: Some("2018-12-03T09:59:00Z".parse::<Timestamp>().unwrap().into()), ..bed() }, "wait_from differs"),
        ];
        for (line, expected) in rows {
            assert_eq!(difference(Some(&bed()), Some(&line)), expected);
        }
    }

    #[test]
    fn a_number_in_a_name_is_shown_as_stars() {
        let tried = Tried {
            delivery: DeliveryId::new(Timestamp::UNIX_EPOCH, [1; 10]),
            file: FileName::parse(b"beds_9434765919.csv").unwrap(),
            slot: None,
            before: "1".to_owned(),
            differs: vec!["demand: 1 -> 2".to_owned()],
        };
        let trial =
            Trial { provider: "RM1".to_owned(), mapping: "2".to_owned(), from: Date::MIN, examples: 0, snapshots: vec![tried], gone: 0 };
        let mut out = Vec::new();
        tell(&trial, &mut out).unwrap_or_else(|_| panic!("written to memory"));
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("beds_") && !text.contains("9434765919"), "{text}");
    }
}
