//! A judgement with its picture: the same assessment as everybody's, and beside it what a person wants to look at.
//!
//! Pure. Owns what the dry run and deliveries to `test/` show. Costs the reading of the files once more, so the daemon's own
//! way does without it.

use super::assess::{Assessment, Context, Part, Told, judge};
use crate::bedstate::{Line, LineType, Snapshot, written_fields};
use crate::feed::{Findings, LONDON, Report, Slot, Totals};
use crate::normalise::mapping::Mapping;
use crate::normalise::quoting::{quoted_place, shown_place};
use crate::normalise::reference::{Reference, Ward, in_force};
use crate::normalise::times::local_day;
use crate::normalise::uses::{self, ColumnUse, PERSON_FIELDS};
use crate::receipts::{
    Decision, Fate, FirstLine, Look, MissingPart, Picture, PicturedColumn, PicturedField, PicturedFile, PicturedLine, PicturedMapping,
    PicturedTable, Stated, WardBeds, sketch,
};
use crate::verify::Verdict;
use crate::verify::outline::{MASK, Outline, SentCell, TableOutline, outline};
use crate::verify::set::SetFile;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, BTreeSet};

/// Lines of the dataset that are shown.
const FIRST_LINES: usize = 5;

/// Fields that hold the code of a place as it was sent. Where a column has slipped a person may stand there, so the same codes
/// are shown as in messages.
const CODES_OF_PLACES: &[&str] = &["site_code", "ward_code", "bay_code", "bed_ref"];

/// Characters in a line of the text that is kept for a sender.
const KEPT_WIDTH: usize = 100;

/// Judges the deliveries of one snapshot, and says what there is to see.
#[must_use]
pub fn judge_with_picture(parts: &[Part<'_>], context: &Context<'_>) -> (Assessment, Picture) {
    drawn(parts, context, None)
}

/// The picture of deliveries that were judged before, with the lines that `report`, the verdict of then, speaks of; and what
/// would be concluded in this context.
#[must_use]
pub fn picture_of(parts: &[Part<'_>], context: &Context<'_>, report: &Report) -> (Assessment, Picture) {
    drawn(parts, context, Some(report))
}

fn drawn(parts: &[Part<'_>], context: &Context<'_>, told: Option<&Report>) -> (Assessment, Picture) {
    let mut seen: Vec<(Timestamp, Vec<WardBeds>)> = Vec::new();
    let look = &mut |snapshot: &Snapshot| seen.push((snapshot.snapshot_at, beds_by_ward(snapshot, context.reference)));
    let assessment = judge(parts, context, Told::Everything, look);
    let report = &assessment.report;
    let wards = seen.into_iter().find(|(at, _)| report.snapshot_at == Some(*at)).map(|(_, wards)| wards).unwrap_or_default();
    let mapping = report.mapping.as_ref().and_then(|version| context.feed.mappings.iter().find(|mapping| mapping.version == *version));
    let part_of = |part: &Part<'_>| {
        let found = report.parts.iter().find(|(_, delivery)| *delivery == part.delivery);
        found.map(|(name, _)| name.clone()).filter(|name| mapping.is_some_and(|mapping| mapping.files.iter().any(|f| f.part == *name)))
    };
    let files: Vec<PicturedFile> = parts.iter().map(|part| PicturedFile { name: part.name.to_string(), part: part_of(part) }).collect();
    let decision = match &assessment.verdict {
        Verdict::Accepted(_) => Decision::Accepted,
        Verdict::Duplicate { .. } => Decision::Duplicate,
        Verdict::Rejected => Decision::Rejected,
        Verdict::Sealed => Decision::Sealed,
    };
    let mut picture = Picture { decision, files, ..Picture::default() }.with_wards(wards);
    if let Some(mapping) = mapping {
        let sent: Vec<SetFile<'_>> = parts.iter().map(|part| SetFile { name: part.name, sha256: part.sha256, bytes: part.bytes }).collect();
        fill(&mut picture, mapping, &outline(&sent, mapping, context.feed), &assessment, told.unwrap_or(&assessment.report));
    }
    (assessment, picture)
}

/// The first lines that came out, as they may be shown to the sender; none of a file that would not be accepted.
#[must_use]
pub fn first_lines(assessment: &Assessment) -> Vec<FirstLine> {
    let shown = |field: &str, value: String| if is_hidden(field, &value) { MASK.to_owned() } else { value };
    let filled = |(field, value): (&'static str, String)| (!value.is_empty()).then(|| (field.to_owned(), shown(field, value)));
    first_of(assessment).map(|line| written_fields(line).into_iter().filter_map(filled).collect()).collect()
}

/// The same lines as JSON, with every field of the dataset.
///
/// # Errors
/// A line could not be written as JSON.
pub fn first_values(assessment: &Assessment) -> Result<Vec<serde_json::Value>, serde_json::Error> {
    let mut values = first_of(assessment).map(serde_json::to_value).collect::<Result<Vec<_>, _>>()?;
    for (field, value) in values.iter_mut().filter_map(serde_json::Value::as_object_mut).flatten() {
        if value.as_str().is_some_and(|text| is_hidden(field, text)) {
            *value = MASK.into();
        }
    }
    Ok(values)
}

fn first_of(assessment: &Assessment) -> impl Iterator<Item = &Line> {
    let lines = if let Verdict::Accepted(verified) = &assessment.verdict { verified.snapshot().lines.as_slice() } else { &[] };
    lines.iter().take(FIRST_LINES)
}

fn is_hidden(field: &str, value: &str) -> bool {
    CODES_OF_PLACES.contains(&field) && !value.is_empty() && quoted_place(value).is_none()
}

/// The text that is kept for the sender of a test. It is stored, so fields about a person are masked in it throughout.
#[must_use]
pub(super) fn kept_text(assessment: &Assessment, picture: &Picture) -> String {
    let mut lines = first_lines(assessment);
    for (_, value) in lines.iter_mut().flatten().filter(|(field, _)| PERSON_FIELDS.contains(&field.as_str())) {
        MASK.clone_into(value);
    }
    let zone = TimeZone::get(LONDON).unwrap_or(TimeZone::UTC);
    sketch(&assessment.report, picture, &lines, &Look { width: KEPT_WIDTH, colour: false, assumed: None }, &zone)
}

fn fill(picture: &mut Picture, mapping: &Mapping, outline: &Outline<'_>, assessment: &Assessment, told: &Report) {
    let given = |part: &str| picture.files.iter().any(|file| file.part.as_deref() == Some(part));
    let missing = mapping.files.iter().filter(|file| !given(&file.part));
    picture.missing = missing.map(|file| MissingPart { part: file.part.clone(), name: file.name.text.clone() }).collect();
    picture.mapping =
        Some(PicturedMapping { version: mapping.version.clone(), from: mapping.from, to: mapping.to, author: mapping.author.clone() });
    picture.tables = outline.tables.iter().map(|table| pictured_table(mapping, table)).collect();
    picture.stated = stated(mapping, outline, assessment.report.totals.as_ref());
    if assessment.verdict == Verdict::Sealed {
        // A name that nobody agreed may itself be what identifies somebody.
        let not_agreed = picture.tables.iter_mut().flat_map(|table| &mut table.columns).filter(|column| column.agreed.is_none());
        not_agreed.for_each(|column| column.sent_as = None);
    } else {
        picture.lines = lines(&told.findings, &outline.tables, mapping.tables.len() > 1);
    }
}

fn pictured_table(mapping: &Mapping, table: &TableOutline<'_>) -> PicturedTable {
    let uses = uses::of_table(mapping, table.mapping);
    let use_of = |column: &str| uses.get(column).cloned().unwrap_or_default();
    let mut columns: Vec<PicturedColumn> = Vec::new();
    for (at, column) in table.read.layout.columns.iter().enumerate() {
        let agreed = table.agreed_at(at);
        let nameless = table.names.get(at).is_none_or(|name| name.as_deref() == Some(""));
        let sent_as = table.names.get(at).cloned().flatten().filter(|name| !name.is_empty());
        let ColumnUse { fields, also } = agreed.map(use_of).unwrap_or_default();
        let fate = match agreed {
            _ if column.identifier => Fate::Identifier,
            Some(_) if fields.is_empty() && also.is_empty() => Fate::Unused,
            Some(_) => Fate::Read,
            None if table.mapping.header && nameless => Fate::Nameless,
            None => Fate::NotAgreed,
        };
        columns.push(PicturedColumn { position: Some(at + 1), sent_as, agreed: agreed.map(str::to_owned), fate, fields, also });
    }
    for (column, position) in table.mapping.columns.iter().zip(&table.read.layout.positions) {
        if position.is_some() {
            continue;
        }
        let ColumnUse { fields, also } = use_of(column);
        let fate = if table.mapping.optional.contains(column) { Fate::Absent } else { Fate::Missing };
        columns.push(PicturedColumn { position: None, sent_as: None, agreed: Some(column.clone()), fate, fields, also });
    }
    PicturedTable { table: table.mapping.name.clone(), part: table.label.clone(), columns }
}

/// What trailers, total rows, manifests and control files say, beside what was counted.
fn stated(mapping: &Mapping, outline: &Outline<'_>, sums: Option<&Totals>) -> Vec<Stated> {
    let mut all = Vec::new();
    let counted = |table: &TableOutline<'_>| table.read.usable.then_some(table.read.rows);
    for table in &outline.tables {
        let by = if table.mapping.trailer_line.is_some() { "the last line" } else { "the row of totals" };
        if let Some(stated) = table.read.announced {
            all.push(Stated { by: by.to_owned(), what: format!("rows of {}", table.label), stated, found: counted(table) });
        }
        let stem = |name: &str| name.rsplit_once('.').map_or(name, |(stem, _)| stem).to_ascii_lowercase();
        let listed = outline.manifest.iter().find(|(name, _)| stem(name) == stem(&table.label));
        if let (Some((_, stated)), Some(manifest)) = (listed, &mapping.manifest) {
            let what = format!("rows of {}", table.label);
            all.push(Stated { by: manifest.member.clone(), what, stated: *stated, found: counted(table) });
        }
    }
    if let Some(stated) = outline.control.as_ref().and_then(|control| control.rows) {
        let found = outline.tables.iter().map(counted).sum::<Option<u64>>().filter(|_| !outline.tables.is_empty());
        all.push(Stated { by: "the control file".to_owned(), what: "rows".to_owned(), stated, found });
    }
    let control = outline.control.iter().map(|control| ("the control file", &control.totals));
    let last_lines = outline.tables.iter().map(|table| ("the last line", &table.read.facts.totals));
    for (by, totals) in control.chain(last_lines) {
        for (what, stated, found) in totals.beside(sums.unwrap_or(&Totals::default())) {
            let found = sums.is_some().then_some(found);
            all.extend(stated.map(|stated| Stated { by: by.to_owned(), what: what.to_owned(), stated, found }));
        }
    }
    all
}

/// The lines that findings are about, each once.
fn lines(findings: &Findings, tables: &[TableOutline<'_>], several: bool) -> Vec<PicturedLine> {
    let mut all = Vec::new();
    for table in tables {
        let part = several.then(|| table.label.clone());
        let about = findings.iter().filter(|finding| finding.place.part == part);
        let wanted: BTreeSet<u64> = about.filter_map(|finding| finding.place.line).collect();
        let field = |cell: SentCell| PicturedField { text: cell.text, column: cell.column, pieces: cell.pieces };
        all.extend(table.lines(&wanted).into_iter().map(|line| PicturedLine {
            part: part.clone(),
            line: line.line,
            delimiter: line.delimiter,
            left_out: line.left_out,
            fields: line.cells.into_iter().map(field).collect(),
        }));
    }
    all
}

/// Beds of each ward beside the register's; wards that the register has and the file has not come with none. A code that the
/// register does not have is shown as in messages.
fn beds_by_ward(snapshot: &Snapshot, reference: &Reference) -> Vec<WardBeds> {
    if !snapshot.coverage.beds {
        return Vec::new();
    }
    let day = local_day(snapshot.snapshot_at);
    let own = |ward: &&Ward| ward.provider == snapshot.provider && in_force(ward.valid_from, ward.valid_to, day);
    let mut beds: BTreeMap<(&str, &str), (u64, Option<u32>)> = BTreeMap::new();
    for ward in reference.wards.iter().filter(own).filter(|ward| ward.registered_beds > 0) {
        beds.insert((&ward.site_code, &ward.ward_code), (0, Some(ward.registered_beds)));
    }
    for line in snapshot.lines.iter().filter(|line| line.line_type != LineType::Demand) {
        let Some(ward) = line.ward_code.as_deref() else { continue };
        beds.entry((&line.site_code, ward)).or_default().0 += u64::from(line.quantity);
    }
    let shown = |code: &str, known: bool| if known { code.to_owned() } else { shown_place(code) };
    let pictured = |((site, ward), (beds, registered)): ((&str, &str), (u64, Option<u32>))| WardBeds {
        site: shown(site, registered.is_some()),
        ward: shown(ward, registered.is_some()),
        beds,
        registered,
    };
    beds.into_iter().map(pictured).collect()
}

/// The moment to judge a file at where nobody gave one: now, unless its figures are older than a file that is on its way
/// ever is. An old file must not be told that it is late, and nothing else.
#[must_use]
pub fn moment_for(figures: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
    let figures = figures?;
    let arrival = figures.checked_add(ON_ITS_WAY).ok()?;
    // Within the quarter that it fills, or ahead of our clock, the real moment says more.
    (Slot::of_snapshot(figures) < Slot::of_snapshot(now) && arrival < now).then_some(arrival)
}

/// How long a file is assumed to have been on its way.
const ON_ITS_WAY: jiff::SignedDuration = jiff::SignedDuration::from_mins(2);
