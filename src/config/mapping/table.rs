//! Tables: where one is, how it is cut, and where its snapshot time stands.
//!
//! Owns `[[mapping.table]]` but for its fields and lines. Refuses settings that contradict one another.

use super::super::document::{Item, Section};
use super::super::problem::did_you_mean;
use super::codes::Lists;
use super::columns::{self, Columns, Outline, Use};
use super::fields::Reader;
use super::formats::{self, Wanted};
use super::lines;
use super::parts::{self, Parts};
use super::skips;
use crate::bedstate::LineType;
use crate::normalise::mapping::{
    Compression, Encoding, FIELDS, FilePart, HeaderLine, Join, LinesPerRow, PartRole, SnapshotTime, TableMapping, TotalRow, TrailerLine,
};
use toml::de::DeValue;

/// Furthest position in a header or trailer line.
const MAX_POSITION: u64 = 200;

/// Most lines left out before the first one that counts: a title page is another kind of file.
const MAX_SKIPPED: u64 = 50;

/// What one table is read with.
pub(super) struct Setting<'a> {
    /// The mapping's files.
    pub(super) parts: &'a Parts,
    /// Every table of the mapping.
    pub(super) outlines: &'a [Outline],
    /// The lists that are reference data.
    pub(super) lists: &'a Lists<'a>,
}

/// Reads one table; also tells what its lines can count.
pub(super) fn table(section: Section<'_>, outline: &Outline, setting: &Setting<'_>) -> (TableMapping, Vec<LineType>) {
    let join = section.get("join").and_then(|item| join(&item, outline, setting.outlines));
    let other = join.as_ref().and_then(|join| setting.outlines.iter().find(|other| other.name == join.table));
    let columns = Columns::new(outline, other);
    let own = Columns::new(outline, None);
    let reader = Reader { columns: &columns, lists: setting.lists };

    let file = section.need("file").and_then(|item| part_of(&item, setting.parts));
    let header_line = section.get("header_line").and_then(|item| header_line(&item));
    let part = file.and_then(|file| setting.parts.parts.iter().find(|part| part.part == file));
    let snapshot_at = section.need("snapshot_at").and_then(|item| snapshot_at(&item, &own, part, header_line.as_ref()));
    let fields = section.get("fields").map(|item| reader.fields(&item)).unwrap_or_default();
    let per_row = [("one", LinesPerRow::One), ("each", LinesPerRow::Each)];
    let lines_per_row = section.get("lines").and_then(|item| item.choice(&per_row)).unwrap_or(LinesPerRow::One);
    let skip = skips::skips(&section, &columns);
    let sums = lines::sums(&section, &columns);
    let lines = lines::lines(&section, &reader, &fields, lines_per_row, &skip);
    let types = lines.iter().flat_map(|line| line.types.iter().copied()).collect();
    let filled = |field: &str| fields.sources.contains_key(field) || lines.iter().any(|line| line.mapping.set.contains_key(field));
    let required = section.get("required").map(|item| required(&item, &filled)).unwrap_or_default();

    let encodings = [("utf-8", Encoding::Utf8), ("windows-1252", Encoding::Windows1252), ("utf-16", Encoding::Utf16)];
    let mapping = TableMapping {
        name: outline.name.clone(),
        file: file.unwrap_or_default().to_owned(),
        member: section.get("member").and_then(|item| item.filled().map(str::to_owned)),
        encoding: section.get("encoding").and_then(|item| item.choice(&encodings)).unwrap_or(Encoding::Utf8),
        delimiter: section.get("delimiter").and_then(|item| delimiter(&item)).unwrap_or(b','),
        quoted: section.get("quoted").and_then(|item| item.flag()).unwrap_or(true),
        header: section.get("header").and_then(|item| item.flag()).unwrap_or(true),
        skip_lines: section.get("skip_lines").and_then(|item| item.whole(0..=MAX_SKIPPED)).unwrap_or(0),
        columns: outline.columns.clone(),
        optional: section.get("optional").map(|item| columns::subset(&item, &outline.columns)).unwrap_or_default(),
        also_named: columns::also_named(&section, &outline.columns, &outline.identifiers),
        reject_extra: section.get("extra").and_then(|item| item.choice(&[("drop", false), ("reject", true)])).unwrap_or(false),
        identifiers: outline.identifiers.clone(),
        null: outline.null.clone(),
        tidy: outline.tidy.clone(),
        skip,
        provider: section.get("provider").and_then(|item| own.named(&item, Use::Kept)),
        // Where it is wrong nothing is built; "other table" would be called a second mistake.
        snapshot_at: snapshot_at.unwrap_or(SnapshotTime::FileName),
        header_line,
        trailer_line: section.get("trailer_line").and_then(|item| trailer_line(&item)),
        total_row: section.get("total_row").and_then(|item| total_row(&item, &own)),
        final_newline: section.get("final_newline").and_then(|item| item.flag()),
        copies_by: section.get("copies_by").and_then(|item| own.named(&item, Use::Kept)),
        join,
        may_be_empty: section.get("may_be_empty").and_then(|item| item.flag()).unwrap_or(false),
        lines_per_row,
        sums,
        fields: fields.sources,
        lines: lines.into_iter().map(|line| line.mapping).collect(),
        required,
    };
    if !mapping.header && !mapping.also_named.is_empty() {
        section.problem("also_named has no effect: without a header the columns go by their order");
    }
    if !mapping.header && mapping.reject_extra {
        section.problem("extra has no effect: without a header a row with more fields is rejected (STR-05)");
    }
    if mapping.skip_lines > 0 && !mapping.header && mapping.header_line.is_none() {
        section.problem("skip_lines needs a header or a header_line: on a day without those lines it would leave out rows");
    }
    if mapping.member.is_some() && part.is_some_and(|part| part.compression == Compression::Gzip) {
        section.problem("member has no effect: the file is gzip, which has no members");
    }
    if mapping.lines.is_empty() && !mapping.tidy.split.is_empty() {
        section.problem("split has no effect: the table makes no lines of its own");
    }
    section.finish();
    (mapping, types)
}

fn part_of<'d>(item: &Item<'d>, parts: &Parts) -> Option<&'d str> {
    let name = item.filled()?;
    match parts.parts.iter().find(|part| part.part == name) {
        Some(part) if part.role == PartRole::Data => Some(name),
        Some(_) => {
            item.problem(format!("the part \"{name}\" does not hold rows"));
            None
        }
        None if parts.spoilt.iter().any(|part| part.is_empty() || part == name) => None,
        None => {
            let near = did_you_mean(name, parts.parts.iter().map(|part| part.part.as_str()));
            item.problem(format!("no [[mapping.file]] is called \"{name}\"{near}"));
            None
        }
    }
}

fn snapshot_at(item: &Item<'_>, own: &Columns<'_>, part: Option<&FilePart>, header: Option<&HeaderLine>) -> Option<SnapshotTime> {
    if matches!(item.value(), DeValue::Table(_)) {
        let section = item.section()?;
        let column = section.need("column").and_then(|item| own.named(&item, Use::Kept));
        let formats = section.need("format").map(|item| formats::formats(&item, Wanted::DateAndTime)).unwrap_or_default();
        section.finish();
        return Some(SnapshotTime::Column { column: column?, formats });
    }
    let words =
        [("file name", SnapshotTime::FileName), ("header line", SnapshotTime::HeaderLine), ("other table", SnapshotTime::OtherTable)];
    let chosen = item.choice(&words)?;
    match &chosen {
        SnapshotTime::FileName => {
            if let Some(part) = part.filter(|part| !parts::gives_time(&part.name)) {
                let pieces = "{yyyy}, {mm}, {dd}, {HH} and {MM}";
                item.problem(format!("the name of the part \"{}\" does not give the time: it needs {pieces}", part.part));
            }
        }
        SnapshotTime::HeaderLine if header.is_none_or(|header| header.snapshot_at.is_none()) => {
            item.problem("there is no header_line with a snapshot_at");
        }
        SnapshotTime::HeaderLine | SnapshotTime::OtherTable | SnapshotTime::Column { .. } => {}
    }
    Some(chosen)
}

fn header_line(item: &Item<'_>) -> Option<HeaderLine> {
    let section = item.section()?;
    let starts = section.need("starts").and_then(|item| item.filled().map(str::to_owned));
    let place = |key| section.get(key).and_then(|item| position(&item));
    let (provider, sequence, at) = (place("provider"), place("sequence"), place("snapshot_at"));
    let (dataset, kind, produced_at) = (place("dataset"), place("kind"), place("produced_at"));
    apart(&section, &[provider, sequence, at, dataset, kind, produced_at]);
    let format = if at.is_some() { section.need("format") } else { section.get("format") };
    if let Some(format) = format.as_ref().filter(|_| !section.has("snapshot_at")) {
        format.problem("has no effect without snapshot_at");
    }
    let format = format.and_then(|item| formats::one(&item, Wanted::DateAndTime)).unwrap_or_default();
    section.finish();
    Some(HeaderLine { starts: starts?, provider, sequence, snapshot_at: at.map(|at| (at, format)), dataset, kind, produced_at })
}

/// A position in a line that starts with a text of its own at position 1.
fn position(item: &Item<'_>) -> Option<usize> {
    item.whole(2..=MAX_POSITION)
}

fn trailer_line(item: &Item<'_>) -> Option<TrailerLine> {
    let section = item.section()?;
    let starts = section.need("starts").and_then(|item| item.filled().map(str::to_owned));
    let rows = section.need("rows").and_then(|item| position(&item));
    let place = |key| section.get(key).and_then(|item| position(&item));
    let totals = [place("total_occ"), place("total_emp"), place("total_clo"), place("total_dem")];
    apart(&section, &[&[rows], totals.as_slice()].concat());
    section.finish();
    Some(TrailerLine { starts: starts?, rows: rows?, totals })
}

/// Notes it where two things are said to stand at one position of a line.
fn apart(section: &Section<'_>, places: &[Option<usize>]) {
    let mut places: Vec<usize> = places.iter().copied().flatten().collect();
    places.sort_unstable();
    if places.windows(2).any(|pair| pair.first() == pair.last()) {
        section.problem("two things cannot stand at the same position");
    }
}

fn total_row(item: &Item<'_>, own: &Columns<'_>) -> Option<TotalRow> {
    let section = item.section()?;
    let column = section.need("column").and_then(|item| own.named(&item, Use::Kept));
    let equals = section.need("equals").and_then(|item| item.filled().map(|text| text.trim().to_owned()));
    let rows = section.get("rows").and_then(|item| own.named(&item, Use::Kept));
    if rows.is_some() && rows == column {
        section.problem("the column that tells a total row cannot state its number of rows too");
    }
    section.finish();
    Some(TotalRow { column: column?, equals: equals?, rows })
}

fn join(item: &Item<'_>, own: &Outline, outlines: &[Outline]) -> Option<Join> {
    let section = item.section()?;
    let named = section.need("table").and_then(|item| item.filled().map(|name| (item.clone(), name)));
    let on = section.need("on");
    section.finish();
    let (table, name) = named?;
    if name == own.name {
        table.problem("a table cannot be joined to itself");
        return None;
    }
    let Some(other) = outlines.iter().find(|other| other.name == name) else {
        let near = did_you_mean(name, outlines.iter().map(|other| other.name.as_str()));
        table.problem(format!("the mapping has no table \"{name}\"{near}"));
        return None;
    };
    let on = on?;
    let (here, there) = (Columns::new(own, None), Columns::new(other, None));
    let both = |element: &Item<'_>| {
        let column = here.named(element, Use::Kept)?;
        there.check(element, &column, Use::Kept).then_some(column)
    };
    let on_columns: Vec<String> = on.elements().iter().filter_map(both).collect();
    if on.elements().is_empty() {
        on.problem("must name at least one column");
    }
    Some(Join { table: name.to_owned(), on: on_columns })
}

fn delimiter(item: &Item<'_>) -> Option<u8> {
    match item.text()?.as_bytes() {
        [byte] if *byte == b'\t' || (byte.is_ascii_punctuation() && *byte != b'"') => Some(*byte),
        _ => {
            item.problem("must be one punctuation character such as \",\", \"|\" or \";\", or \"\\t\" for a tab");
            None
        }
    }
}

fn required(item: &Item<'_>, filled: &dyn Fn(&str) -> bool) -> Vec<String> {
    let mut fields = Vec::new();
    for element in item.elements() {
        let Some(field) = element.filled() else { continue };
        if !FIELDS.contains(&field) {
            let near = did_you_mean(field, FIELDS.iter().copied());
            element.problem(format!("the dataset has no field \"{field}\"{near}"));
        } else if !filled(field) {
            element.problem(format!("no field or line of the table fills {field}: every row would be rejected"));
        }
        fields.push(field.to_owned());
    }
    fields
}
