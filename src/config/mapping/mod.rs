//! Mappings as written in a provider's settings file, turned into what `normalise` and `verify` work with.
//!
//! Owns `[[mapping]]`: one version, and how versions and tables fit together. Refuses, with its place, whatever could
//! not work on any file; what depends on the file is a finding later.

mod codes;
mod columns;
mod conditions;
mod examples;
mod fields;
mod formats;
mod lines;
mod parts;
mod skips;
mod table;
mod tidy;

pub(super) use codes::MAX_CODE;
pub(super) use examples::{Content, Example, LINES_FILE};

use self::codes::Lists;
use self::parts::Parts;
use super::document::{Item, Section};
use crate::bedstate::{Coverage, LineType};
use crate::feed::Digest;
use crate::normalise::mapping::{FilePart, Manifest, Mapping, MarchGap, PartRole, SnapshotTime, SourceZone, TableMapping};
use crate::normalise::reference::Reference;
use jiff::SignedDuration;
use std::collections::BTreeSet;

/// How long a set of files waits for its missing parts, where the mapping does not say: less than a slot.
const DEFAULT_SET_WAIT: SignedDuration = SignedDuration::from_mins(10);

/// Longest wait for the parts of a set: beyond an hour the figures are history.
const MAX_SET_WAIT: SignedDuration = SignedDuration::from_mins(60);

/// Reads every `[[mapping]]` of a provider's file, whose whole table is `root`, and their examples.
pub(super) fn mappings(root: &Section<'_>, provider: &str, reference: &Reference) -> (Vec<Mapping>, Vec<Example>) {
    let sections = root.sections("mapping");
    if sections.is_empty() && !root.has("mapping") {
        root.problem("needs at least one [[mapping]]: without one no file can be read");
    }
    let mut versions: Vec<Mapping> = Vec::new();
    let mut all_examples = Vec::new();
    for section in sections {
        let hash = hash_of(&section, root);
        let (source, at, path) = (section.source(), section.at(), section.path().to_owned());
        let Some((mapping, examples)) = mapping(section, provider, root.has("signers"), reference, hash) else { continue };
        all_examples.extend(examples);
        for other in &versions {
            if other.version == mapping.version {
                source.report(at, &format!("{path}.version"), format!("another mapping is called \"{}\"", other.version));
            }
            if let Some(why) = overlap(other, &mapping, provider) {
                source.report(at, &format!("{path}.from"), why);
            }
        }
        versions.push(mapping);
    }
    (versions, all_examples)
}

fn mapping(section: Section<'_>, provider: &str, signers: bool, reference: &Reference, hash: Digest) -> Option<(Mapping, Vec<Example>)> {
    let version = section.need("version").and_then(|item| item.filled().map(str::to_owned));
    let from = section.need("from").and_then(|item| item.date());
    let to = section.get("to").and_then(|item| item.date().map(|date| (item, date)));
    if let (Some(from), Some((item, to))) = (from, &to)
        && from >= *to
    {
        item.problem(format!("must be after from ({from}): it is the first day the mapping is no longer in force"));
    }
    let author = section.need("author").and_then(|item| item.filled().map(str::to_owned));
    let zones = [("Europe/London", SourceZone::London), ("fixed GMT", SourceZone::FixedGmt)];
    let zone = section.need("zone").and_then(|item| item.choice(&zones));
    let gaps = [("reject", MarchGap::Reject), ("shift forward", MarchGap::ShiftForward)];
    let march_gap = section.get("march_gap").and_then(|item| item.choice(&gaps)).unwrap_or(MarchGap::Reject);
    let set_wait = section.get("set_wait").and_then(|item| item.duration(SignedDuration::ZERO..=MAX_SET_WAIT));
    let files = parts::parts(&section, provider, signers);
    let lists = Lists::new(reference, provider, from, to.as_ref().map(|(_, to)| *to));
    let (tables, types) = tables(&section, &files, &lists);
    let manifest = section.get("manifest").and_then(|item| manifest(&item, &tables));
    let examples = examples::examples(&section, version.as_deref().unwrap_or_default());
    section.finish();
    let coverage = Coverage { beds: types.iter().any(|kind| *kind != LineType::Demand), demand: types.contains(&LineType::Demand) };
    let mapping = Mapping {
        version: version?,
        from: from?,
        to: to.map(|(_, to)| to),
        author: author?,
        hash,
        zone: zone?,
        march_gap,
        set_wait: set_wait.unwrap_or(DEFAULT_SET_WAIT),
        files: files.parts,
        tables,
        manifest,
        coverage,
    };
    Some((mapping, examples))
}

/// Reads `[[mapping.table]]`; also tells what all lines together can count.
fn tables(mapping: &Section<'_>, files: &Parts, lists: &Lists<'_>) -> (Vec<TableMapping>, BTreeSet<LineType>) {
    let sections: Vec<_> = mapping.sections("table").into_iter().map(|section| (columns::outline(&section), section)).collect();
    let outlines: Vec<_> = sections.iter().map(|(outline, _)| outline.clone()).collect();
    let setting = table::Setting { parts: files, outlines: &outlines, lists };
    let mut tables: Vec<TableMapping> = Vec::new();
    let mut types = BTreeSet::new();
    for (outline, section) in sections {
        let (source, at, path) = (section.source(), section.at(), section.path().to_owned());
        let (table, kinds) = table::table(section, &outline, &setting);
        if tables.iter().any(|other| other.name == table.name) {
            source.report(at, &format!("{path}.name"), format!("another table is called \"{}\"", table.name));
        }
        if let Some(other) = tables.iter().find(|other| other.file == table.file && !table.file.is_empty() && same_place(other, &table)) {
            let why = format!("the table \"{}\" is read from the same file: name the member of the archive in both", other.name);
            source.report(at, &format!("{path}.member"), why);
        }
        types.extend(kinds);
        tables.push(table);
    }
    fit_together(mapping, &files.parts, &tables);
    (tables, types)
}

/// Two tables of one part must be different members of an archive.
fn same_place(one: &TableMapping, other: &TableMapping) -> bool {
    match (&one.member, &other.member) {
        (Some(one), Some(other)) => one.to_lowercase() == other.to_lowercase(),
        _ => true,
    }
}

/// Notes what is wrong between the tables and files of a mapping.
fn fit_together(mapping: &Section<'_>, files: &[FilePart], tables: &[TableMapping]) {
    if tables.is_empty() {
        mapping.problem("needs at least one [[mapping.table]]");
        return;
    }
    if tables.iter().all(|table| table.snapshot_at == SnapshotTime::OtherTable) {
        mapping.problem("no table gives the snapshot time: one of them must have a snapshot_at other than \"other table\"");
    }
    for part in files.iter().filter(|part| part.role == PartRole::Data) {
        if !tables.iter().any(|table| table.file == part.part || table.file.is_empty()) {
            mapping.problem(format!("no table reads the part \"{}\"", part.part));
        }
    }
    for table in tables {
        let used = tables.iter().any(|other| other.join.as_ref().is_some_and(|join| join.table == table.name));
        if table.lines.is_empty() && !used {
            mapping.problem(format!("the table \"{}\" makes no lines, and no table is joined to it", table.name));
        }
        if table.join.is_some() && used {
            mapping.problem(format!("the table \"{}\" is joined to another and has a join of its own", table.name));
        }
    }
}

fn manifest(item: &Item<'_>, tables: &[TableMapping]) -> Option<Manifest> {
    let section = item.section()?;
    let text = |key| section.need(key).and_then(|item| item.filled().map(str::to_owned));
    let (member, names, rows) = (text("member"), text("names"), text("rows"));
    section.finish();
    if !tables.iter().any(|table| table.member.is_some()) {
        item.problem("has no effect: no table names a member of an archive");
    }
    Some(Manifest { member: member?, name_column: names?, rows_column: rows? })
}

/// Why two versions cannot both stand: on some day one file could be read by either.
fn overlap(one: &Mapping, other: &Mapping, provider: &str) -> Option<String> {
    let starts_before_end = |a: &Mapping, b: &Mapping| b.to.is_none_or(|to| a.from < to);
    let shapes = |mapping: &Mapping| -> BTreeSet<String> { mapping.files.iter().map(|part| parts::shape(&part.name, provider)).collect() };
    let same_days = starts_before_end(one, other) && starts_before_end(other, one);
    (same_days && !shapes(one).is_disjoint(&shapes(other))).then(|| {
        let until = one.to.map_or_else(|| "with no end".to_owned(), |to| format!("until {to}"));
        format!(
            "overlaps \"{}\", in force from {} {until}, for files of the same name; end that one with to = {}",
            one.version, one.from, other.from
        )
    })
}

/// The hash of a mapping's text: from its header to the next one that does not belong to it. Line ends do not matter.
fn hash_of(section: &Section<'_>, root: &Section<'_>) -> Digest {
    let next = root.starts().into_iter().filter(|at| *at > section.at()).min();
    let text = section.source().text();
    let slice = text.get(section.at()..next.unwrap_or(text.len())).unwrap_or_default();
    let lines: Vec<_> = slice.trim_end().lines().map(str::trim_end).collect();
    Digest::of(lines.join("\n").as_bytes())
}
