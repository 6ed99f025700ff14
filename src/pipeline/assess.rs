//! The assessment: bytes, mapping, reference, recent history and the time in; findings, a verdict and a snapshot out.
//!
//! The heart of the house: the daemon, the dry run, the tests and the benchmark all call this one pure function. Owns the
//! order of the checks, and nothing else: each check lives in `verify`, each meaning in `normalise`.

use crate::bedstate::{Line, Snapshot};
use crate::feed::{
    DeliveryId, Digest, FileName, Finding, Findings, MAX_UNKNOWN_WARDS, RepeatedBy, Report, RowCounts, Rule, Slot, TimeRule, Totals,
    UkClock, UnknownWard, Version,
};
use crate::normalise::mapping::{Mapping, PartRole};
use crate::normalise::quoting;
use crate::normalise::reference::Reference;
use crate::normalise::rows as normaliser;
use crate::normalise::times::local_day;
use crate::verify::control::{self, Kind, LeftOut};
use crate::verify::fingerprint::Figures;
use crate::verify::glance::Glance;
use crate::verify::set::{self, Arrival, OpenSet, SetFile};
use crate::verify::{
    self, Feed, History, Rejections, Verdict, envelope, identifiers, kinds, labels, lines as single, movement, plausibility, references,
    register, requests, sequence, times, totals as sums,
};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// One delivery to be judged: a snapshot by itself, or one part of a set.
#[derive(Clone, Copy)]
pub struct Part<'a> {
    /// Which delivery.
    pub delivery: DeliveryId,
    /// Its name as sent.
    pub name: &'a FileName,
    /// Its hash.
    pub sha256: Digest,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// A whole extract must not end up in a log by way of a debugging format.
impl std::fmt::Debug for Part<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Part").field("delivery", &self.delivery).field("name", &self.name).finish_non_exhaustive()
    }
}

/// What deliveries are judged against.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// What is agreed with the provider.
    pub feed: &'a Feed,
    /// Wards, sites and other names.
    pub reference: &'a Reference,
    /// What was accepted lately.
    pub history: &'a History,
    /// When the last part arrived: lateness is measured here, so that judging again gives the same verdict.
    pub received_at: Timestamp,
    /// When this judgement is made.
    pub now: Timestamp,
    /// Whether a person took responsibility for what rules allow to be released.
    pub released: bool,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assessment {
    /// For the ledger, the receipt and people. Holds no row.
    pub report: Report,
    /// What to do with the deliveries.
    pub verdict: Verdict,
    /// Whether the sender marked this as a test: never loaded, whatever the verdict.
    pub test: bool,
}

/// Judges the deliveries of one snapshot. All findings are gathered: none ends the search for others.
#[must_use]
pub fn assess(parts: &[Part<'_>], context: &Context<'_>) -> Assessment {
    judge(parts, context, Told::Verdict, &mut |_| {})
}

/// What a judgement is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// What becomes of the deliveries: of a repetition nothing else is told.
    Verdict,
    /// To show a person everything about them, a repetition's findings too.
    Everything,
}

/// The same, showing each snapshot that came out to `look`, accepted or not, before it is decided on. The one that counts has the
/// report's snapshot time.
#[must_use]
pub(super) fn judge(parts: &[Part<'_>], context: &Context<'_>, told: Told, look: &mut dyn FnMut(&Snapshot)) -> Assessment {
    let assessment = assess_once(parts, context, false, told, look);
    if !may_be_an_hour_later(&assessment.report) {
        return assessment;
    }
    let later = assess_once(parts, context, true, told, look);
    if later.report.rows.rejected < assessment.report.rows.rejected { later } else { assessment }
}

/// Whether a set was taken for one of the repeated hour's first half without proof, while rows of it were rejected: waits
/// that had not begun then show that it is of the second half.
fn may_be_an_hour_later(report: &Report) -> bool {
    let unproven = |by| matches!(by, RepeatedBy::FreeSlot | RepeatedBy::Order);
    let guessed = |rule| matches!(rule, TimeRule::RepeatedHour { chosen: UkClock::Bst, by } if unproven(by));
    report.rows.rejected > 0 && report.time_rule.is_some_and(guessed)
}

fn assess_once(
    parts: &[Part<'_>],
    context: &Context<'_>,
    rows_rule_out_bst: bool,
    told: Told,
    look: &mut dyn FnMut(&Snapshot),
) -> Assessment {
    let files: Vec<SetFile<'_>> = parts.iter().map(|part| SetFile { name: part.name, sha256: part.sha256, bytes: part.bytes }).collect();
    let mut judgement = Judgement::new(context, told);
    let opened = open_by_mapping_in_force(&files, context, rows_rule_out_bst, &mut judgement.findings);
    let named = |at: usize| opened.as_ref().and_then(|(_, set)| set.parts.get(at).cloned().flatten());
    let part = |(at, part): (usize, &Part<'_>)| (named(at).unwrap_or_else(|| "unknown".to_owned()), part.delivery);
    judgement.report.parts = parts.iter().enumerate().map(part).collect();
    if let Some((mapping, _)) = &opened {
        // The mapping's order, whatever the order of arrival: the file with the rows leads, not the checksum beside it.
        let place = |name: &str| mapping.files.iter().position(|file| file.part == name);
        judgement.report.parts.sort_by_key(|(name, _)| place(name).unwrap_or(usize::MAX));
    }
    let Some((mapping, mut set)) = opened else {
        judgement.look_at_what_was_not_read(parts);
        judgement.check_agreement(None);
        return judgement.finish(None);
    };
    judgement.findings.append(std::mem::take(&mut set.findings));
    if !set.usable {
        judgement.look_at_what_was_not_read(parts);
    }
    judgement.note(mapping, &set);
    if !set.missing.is_empty() {
        let files: Vec<(&str, Digest)> = parts.iter().map(|part| (part.name.as_str(), part.sha256)).collect();
        judgement.repeats = context.history.repeated_by_parts(&files);
    }
    let snapshot_at = set.snapshot_at.map(|resolved| resolved.at);
    judgement.check_agreement(snapshot_at);
    let Some(snapshot_at) = snapshot_at else { return judgement.finish(None) };
    let in_force = judgement.place_in_time(snapshot_at, mapping, &set);
    judgement.compare_with_earlier(parts, snapshot_at, mapping, &set);
    if !in_force || !set.usable {
        return judgement.finish(None);
    }
    let snapshot = judgement.give_meaning(&set, mapping, snapshot_at);
    look(&snapshot);
    judgement.finish(Some(snapshot))
}

/// What is known so far.
struct Judgement<'a> {
    context: &'a Context<'a>,
    report: Report,
    findings: Findings,
    repeats: Option<DeliveryId>,
    told: Told,
    /// Whether rows come from more than one place: only then does a finding name the part it is about.
    several_parts: bool,
}

impl<'a> Judgement<'a> {
    fn new(context: &'a Context<'a>, told: Told) -> Self {
        let report = Report { assessed_at: context.now, ..Report::default() };
        Self { context, report, findings: Findings::default(), repeats: None, told, several_parts: false }
    }

    fn note(&mut self, mapping: &Mapping, set: &OpenSet) {
        self.report.mapping = Some(mapping.version.clone());
        self.report.mapping_hash = Some(mapping.hash);
        self.report.coverage = Some(mapping.coverage);
        self.report.sequence = set.sequence;
        self.report.content = Some(set.content);
        self.report.rows = RowCounts { read: set.rows, rejected: set.rejected, ..RowCounts::default() };
        self.report.identifiers_dropped = identifiers_dropped(mapping, set);
        self.report.marked_test = set.kind == Some(Kind::Test);
        self.several_parts = mapping.tables.len() > 1;
    }

    /// A file that could not be read as agreed may still hold what must not leave the provider.
    fn look_at_what_was_not_read(&mut self, parts: &[Part<'_>]) {
        for part in parts {
            if !self.findings.seal_file() {
                self.findings.append(identifiers::scan_unread(
                    part.bytes,
                    &self.context.feed.mappings,
                    self.context.feed.limits.max_file_bytes,
                ));
            }
        }
    }

    fn check_agreement(&mut self, snapshot_at: Option<Timestamp>) {
        let days: Vec<_> = snapshot_at.into_iter().chain([self.context.received_at]).map(local_day).collect();
        self.findings.extend(envelope::check_agreement(self.context.feed, &days));
    }

    /// Finds the slot, and judges it against receipt, the past and the mapping's dates. `false`: the mapping is not in force.
    fn place_in_time(&mut self, snapshot_at: Timestamp, mapping: &Mapping, set: &OpenSet) -> bool {
        let context = self.context;
        let (day, slot) = (local_day(snapshot_at), Slot::meant_at(snapshot_at, context.feed.limits.early_tolerance));
        self.report.snapshot_at = Some(snapshot_at);
        self.report.slot = Some(slot);
        self.report.time_rule = set.snapshot_at.map(|resolved| resolved.how);
        if let Some(lead) = self.report.parts.first().map(|(_, lead)| *lead) {
            let arrived = Version { lead, first: 0, version: 0, sequence: set.sequence, snapshot_at };
            self.findings.append(times::punctuality(&arrived, context.received_at, context.feed, context.history));
        }
        if set.missing.is_empty() {
            self.repeats = context.history.repeated_by(slot, set.content);
        }
        let in_force = envelope::covers(mapping, day);
        if !in_force {
            self.findings.push(Finding::new(Rule::Ref08, format!("No mapping is in force for {day}.")));
        }
        in_force
    }

    /// Judges the running number and the names against what was accepted before. A part that repeats one is judged by that.
    fn compare_with_earlier(&mut self, parts: &[Part<'_>], snapshot_at: Timestamp, mapping: &Mapping, set: &OpenSet) {
        if !set.missing.is_empty() {
            return;
        }
        let is_data = |part: &Option<String>| {
            part.as_ref().is_some_and(|part| mapping.files.iter().any(|file| file.part == *part && file.role == PartRole::Data))
        };
        let data: Vec<(&str, Digest)> =
            parts.iter().zip(&set.parts).filter(|(_, named)| is_data(named)).map(|(part, _)| (part.name.as_str(), part.sha256)).collect();
        let arrived = sequence::Arrived {
            slot: Slot::meant_at(snapshot_at, self.context.feed.limits.early_tolerance),
            received_at: self.context.received_at,
            content: set.content,
            number: set.sequence,
            resend: set.kind == Some(Kind::Resend),
            data: &data,
        };
        self.findings.extend(sequence::check_number(&arrived, self.context.history));
        self.findings.extend(sequence::check_names(&arrived, self.context.history, mapping, self.context.feed));
    }

    /// Turns rows into lines and judges those, alone and together. The only place that calls the normaliser.
    fn give_meaning(&mut self, set: &OpenSet, mapping: &Mapping, snapshot_at: Timestamp) -> Snapshot {
        let (feed, reference) = (self.context.feed, self.context.reference);
        let read_against = normaliser::Context { provider: &feed.provider, reference, snapshot_at };
        let normalised = normaliser::normalise(&set.tables, mapping, &read_against);
        self.findings.append(normalised.findings);
        let mut lines = normalised.lines;
        let mut rejections = Rejections {
            rows: set.rejected + normalised.rows.rejected,
            by_ward: normalised.rejected_wards,
            beds: normalised.rejected_beds,
            by_kind: normalised.rejected_kinds,
            of_no_kind: normalised.rejected_of_no_kind,
            settling: normalised.rejected_settling,
        };
        let before = rejections.rows;
        let glance = Glance::at(&lines);
        if glance.unsound {
            verify::rows::check(&mut lines, mapping, &mut rejections, &mut self.findings);
        }
        let register = register::Register::new(reference, &feed.provider, local_day(snapshot_at));
        let against = single::Against { snapshot_at, mapping, register: &register, limits: &feed.limits };
        if glance.telling {
            single::check(&mut lines, &against, &mut rejections, &mut self.findings);
        }
        let again = requests::count_once(&mut lines, &normalised.requests, &mut self.findings);
        sums::check_repeats(&mut lines, glance.summaries, mapping, &feed.limits, &mut rejections, &mut self.findings);
        self.findings.append(references::check(&normalised.references_like_nhs_numbers));
        self.findings.append(sums::check_rejections(&lines, set.rows, &rejections, &register.with_beds(), &feed.limits));
        self.findings.append(kinds::check(&lines, &rejections, mapping, &feed.limits));
        self.findings.extend(sums::check_unknown_wards(&lines, &normalised.unknown_ward_beds, &feed.limits));
        let wards = register::Wards::of(&lines, &register);
        self.findings.append(labels::check(&wards, mapping, &reference.telling_words));
        let persons = normalised.persons.saturating_sub(again.persons);
        let unknown = normalised.persons_unknown.saturating_sub(again.unknown);
        self.findings.extend(sums::check_unknown_persons(persons, unknown, &feed.limits));
        let beside = register::Beside {
            named: &normalised.named_wards,
            rejections: &rejections,
            beds: mapping.coverage.beds,
            mapping,
            limits: &feed.limits,
        };
        let (findings, of_another_sex) = register::check(&wards, &register, &beside);
        self.findings.append(findings);
        register::keep_the_registers_sex(&mut lines, &register, &of_another_sex);
        self.report.unknown_wards = unknown_wards(&normalised.unknown_ward_beds);
        self.report.rows = RowCounts {
            read: set.rows,
            used: normalised.rows.used.saturating_sub(rejections.rows - before).saturating_sub(again.rows),
            skipped: normalised.rows.skipped + again.rows,
            rejected: rejections.rows,
            lines: u64::try_from(lines.len()).unwrap_or(u64::MAX),
        };
        // Counted on the way: going through the lines once more would cost as much as the counting.
        let mut figures = Figures::default();
        let lines: Vec<Line> = lines.into_iter().map(|placed| placed.line).inspect(|line| figures.add(line)).collect();
        let totals = figures.totals;
        self.report.totals = Some(totals);
        let told_again = Totals { demand: normalised.copies.demand.saturating_add(again.persons), ..normalised.copies };
        let left_out = LeftOut::of(rejections.rows.saturating_add(normalised.copies_rejected), told_again, mapping);
        for (who, stated) in &set.stated_totals {
            self.findings.append(control::check_totals(stated, who, &totals, left_out));
        }
        if mapping.coverage.beds {
            self.findings.extend(plausibility::check(&totals, &register, &feed.limits));
            self.findings.extend(register::check_provider(&totals, normalised.beds_short, &feed.limits));
        }
        self.compare_with_the_past(mapping, snapshot_at, figures);
        Snapshot {
            provider: feed.provider.clone(),
            slot: Slot::meant_at(snapshot_at, feed.limits.early_tolerance),
            snapshot_at,
            sequence: set.sequence,
            content: set.content,
            coverage: mapping.coverage,
            mapping: mapping.version.clone(),
            mapping_hash: mapping.hash,
            lines,
            totals,
        }
    }

    /// Notes what later snapshots are compared with, and compares this one with earlier ones.
    fn compare_with_the_past(&mut self, mapping: &Mapping, snapshot_at: Timestamp, figures: Figures) {
        let Figures { totals, persons, fingerprint } = figures;
        (self.report.fingerprint, self.report.persons) = (Some(fingerprint), Some(persons));
        let now = movement::Now {
            slot: Slot::meant_at(snapshot_at, self.context.feed.limits.early_tolerance),
            received_at: self.context.received_at,
            coverage: mapping.coverage,
            totals,
            persons,
            fingerprint,
        };
        self.findings.append(movement::check(&now, self.context.history, &self.context.feed.limits));
    }

    fn finish(mut self, snapshot: Option<Snapshot>) -> Assessment {
        if self.report.marked_test || self.told == Told::Everything {
            // Whoever tries a file out a second time wants to know what is wrong with it a second time.
            let again = |of| format!("The same content was accepted as {of}: sent to inbox/, it would be ignored as a repetition.");
            self.findings.extend(self.repeats.take().map(|of| Finding::new(Rule::Trn05, again(of))));
        }
        let findings = if self.several_parts { self.findings } else { self.findings.without_parts() };
        let (verdict, findings) = verify::conclude(snapshot, self.repeats, findings, self.context.released);
        debug_assert!(findings.iter().all(Finding::is_of_the_catalogue), "{:?}", findings.iter().find(|f| !f.is_of_the_catalogue()));
        self.report.findings = findings;
        if verdict == Verdict::Sealed {
            // What stands in the ward's column may be what leaked.
            self.report.unknown_wards.clear();
        }
        Assessment { test: self.report.marked_test, report: self.report, verdict }
    }
}

/// The declared identifiers that the file has, by the mapping's names. That they go no further than an age band is settled when
/// the mapping is read: nothing else may name them.
fn identifiers_dropped(mapping: &Mapping, set: &OpenSet) -> Vec<String> {
    let mut dropped = Vec::new();
    for table in &set.tables {
        let Some(described) = mapping.tables.iter().find(|described| described.name == table.name) else { continue };
        let there = |name: &&String| table.column(name).and_then(|at| table.present.get(at)).copied().unwrap_or(false);
        for name in described.identifiers.iter().filter(there) {
            if !dropped.contains(name) {
                dropped.push(name.clone());
            }
        }
    }
    dropped
}

/// Wards that wait for approval, as they may be shown.
fn unknown_wards(beds: &BTreeMap<(String, String), u64>) -> Vec<UnknownWard> {
    let shown = |code: &str| quoting::shown_place(code);
    let one = |((site, ward), beds): (&(String, String), &u64)| UnknownWard { site: shown(site), ward: shown(ward), beds: *beds };
    beds.iter().map(one).take(MAX_UNKNOWN_WARDS).collect()
}

/// Opens the set by the mapping that is in force on the snapshot's local day; where none is, by the likeliest, so that the
/// findings say what else is wrong. `None` where no mapping knows all the names.
fn open_by_mapping_in_force<'a>(
    files: &[SetFile<'_>],
    context: &Context<'a>,
    rows_rule_out_bst: bool,
    findings: &mut Findings,
) -> Option<(&'a Mapping, OpenSet)> {
    let feed = context.feed;
    let arrival = Arrival { received_at: context.received_at, history: context.history, rows_rule_out_bst };
    let mut candidates: Vec<usize> = (0..feed.mappings.len()).collect();
    let (mut named_day, mut set_key) = (None, None);
    for file in files {
        match envelope::identify(feed, file.name) {
            Ok(identity) => {
                candidates.retain(|index| identity.candidates.contains(index));
                if set_key.get_or_insert_with(|| identity.set_key.clone()) != &identity.set_key {
                    candidates.clear();
                }
                named_day = named_day.or(identity.name_parts.when.map(|when| when.date()));
            }
            Err(wrong) => {
                // All files of a set may name the same other provider.
                wrong.iter().for_each(|finding| findings.push_once(finding.clone()));
                findings.extend(identifiers::check_name(file.name));
                candidates.clear();
            }
        }
    }
    if candidates.is_empty() && findings.is_empty() {
        findings.push(Finding::new(Rule::Trn09, "Set incomplete: these files belong to different sets."));
    }
    // The likeliest first, so that nearly always only one mapping is tried.
    let likely_day = named_day.unwrap_or_else(|| local_day(context.received_at));
    let mut mappings: Vec<&Mapping> = candidates.iter().filter_map(|index| feed.mappings.get(*index)).collect();
    mappings.sort_by_key(|mapping| !envelope::covers(mapping, likely_day));
    let mut likeliest = None;
    for mapping in mappings {
        let set = set::open(files, mapping, feed, &arrival);
        let in_force = set.snapshot_at.is_some_and(|resolved| envelope::covers(mapping, local_day(resolved.at)));
        if in_force {
            return Some((mapping, set));
        }
        likeliest.get_or_insert((mapping, set));
    }
    likeliest
}

#[cfg(test)]
mod tests;
