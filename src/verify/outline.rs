//! Outline: a set opened once more, for a person to look at: where each column stands, what the file says of itself, and
//! single lines as they were sent.
//!
//! Owns the masking of a file's lines: a value is shown only where its column is agreed, is not about a person, and stands
//! where it should. Refuses to judge: nothing here leads to a finding or a verdict.

use super::control::{self, ControlRecord};
use super::set::SetFile;
use super::structure::{self, TableRead};
use super::unpacked::Unpacked;
use super::{Feed, envelope, manifest, opening, text};
use crate::feed::printed;
use crate::normalise::mapping::{FilePart, Mapping, PartRole, TableMapping};
use crate::normalise::uses::{self, Showing};
use crate::normalise::words::Words;
use std::collections::{BTreeMap, BTreeSet};

/// What stands for a value that is not shown. The same for each, so that not even its length is told.
pub const MASK: &str = "***";

/// Longest record that is taken apart, in bytes: longer ones are shown as nothing but a mask.
const MAX_BYTES: usize = 64 * 1024;

/// Fields of a line that are shown: a line of a million fields must not become a picture of a million masks.
const MAX_CELLS: usize = 200;

/// Longest text of one field that is shown, in characters; only names of columns can be longer.
const MAX_CELL_CHARS: usize = 80;

/// What stands at the known positions of a first or last line of its own layout: codes, times, numbers.
const OF_OWN_LAYOUT: [Showing; 3] = [Showing::Place, Showing::Time, Showing::Running];

/// A set as a person may look at it.
#[derive(Clone, Debug)]
pub struct Outline<'m> {
    /// The tables that could be read, in the mapping's order.
    pub tables: Vec<TableOutline<'m>>,
    /// What the control file says, where there is one.
    pub control: Option<ControlRecord>,
    /// What the archive's manifest says: member and number of rows.
    pub manifest: Vec<(String, u64)>,
}

/// One table of it.
#[derive(Clone)]
pub struct TableOutline<'m> {
    /// How it is agreed.
    pub mapping: &'m TableMapping,
    /// What findings call the place: the archive's member, or the file's part.
    pub label: String,
    /// How it was cut.
    pub read: TableRead,
    /// The names of the columns as sent, in the file's order; none where the layout has no names, or they cannot be trusted.
    pub names: Vec<Option<String>>,
    showing: BTreeMap<String, Showing>,
    words: Words,
    header_at: Option<u64>,
    text: String,
}

/// A whole extract must not end up in a log by way of a debugging format.
impl std::fmt::Debug for TableOutline<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TableOutline").field("label", &self.label).field("rows", &self.read.rows).finish_non_exhaustive()
    }
}

/// One line of a file, masked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentLine {
    /// Its number, from 1.
    pub line: u64,
    /// Its fields, quotes and all.
    pub cells: Vec<SentCell>,
    /// What stands between them.
    pub delimiter: char,
    /// How many fields behind those are left out.
    pub left_out: usize,
}

/// One field of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentCell {
    /// As sent, or masked.
    pub text: String,
    /// What findings call its column, where it is known to stand in one.
    pub column: Option<String>,
    /// What they call the pieces it is cut into.
    pub pieces: Vec<String>,
}

/// Opens a set of files for looking at it.
#[must_use]
pub fn outline<'m>(files: &[SetFile<'_>], mapping: &'m Mapping, feed: &Feed) -> Outline<'m> {
    let mut found = Outline { tables: Vec::new(), control: None, manifest: Vec::new() };
    for part in &mapping.files {
        // Where one part was sent twice, the later one counts.
        let of_part = |file: &&SetFile<'_>| envelope::part_of(mapping, file.name).is_some_and(|(known, _)| known.part == part.part);
        let Some(file) = files.iter().rev().find(of_part) else { continue };
        if envelope::check_size(file.bytes, part.role, feed).is_some() {
            continue;
        }
        match part.role {
            PartRole::Data => data(file.bytes, part, mapping, feed, &mut found),
            PartRole::Control => found.control = Some(control::record(file.bytes, &part.always).0),
            PartRole::Sha256 | PartRole::Signature => {}
        }
    }
    found
}

fn data<'m>(bytes: &[u8], part: &FilePart, mapping: &'m Mapping, feed: &Feed, found: &mut Outline<'m>) {
    let unpacked = Unpacked::of(part, bytes, mapping, feed);
    let tables = mapping.tables.iter().filter(|table| table.file == part.part);
    found.tables.extend(tables.filter_map(|table| TableOutline::of(unpacked.table(table)?, mapping, table, feed)));
    if let Some(manifest) = &mapping.manifest {
        let announced = unpacked.member(&manifest.member).and_then(|bytes| manifest::announced_rows(bytes, manifest).ok());
        found.manifest.extend(announced.unwrap_or_default());
    }
}

impl<'m> TableOutline<'m> {
    fn of(bytes: &[u8], mapping: &Mapping, table: &'m TableMapping, feed: &Feed) -> Option<Self> {
        let text = text::decode(bytes, table.encoding).ok()?.text.into_owned();
        let read = structure::read(&text, table, &feed.limits);
        let label = table.member.as_ref().unwrap_or(&table.file).clone();
        let mut outline = Self {
            mapping: table,
            label,
            read,
            names: Vec::new(),
            showing: uses::showing(mapping, table),
            words: Words::of(&mapping.tables),
            header_at: None,
            text,
        };
        outline.find_names();
        Some(outline)
    }

    /// The line of column names, as sent. A name that findings call by its number only is not repeated: the first line may
    /// be a row about a person.
    fn find_names(&mut self) {
        let (rest, skipped) = opening::after_lines(&self.text, self.mapping.skip_lines);
        let records = Records { text: rest, line: skipped + 1, mapping: self.mapping };
        let mut filled = records.filter(|(_, record)| record.cells.iter().any(|cell| !cell.trim().is_empty()));
        let Some((line, record)) = filled.nth(usize::from(self.mapping.header_line.is_some())).filter(|_| self.mapping.header) else {
            return;
        };
        let trusted = |at: usize, name: &str| {
            let column = self.read.layout.columns.get(at).filter(|column| column.label != format!("column {}", at + 1));
            let unquoted = name.trim().trim_matches('"').trim();
            if unquoted.is_empty() {
                return Some(String::new());
            }
            column.map(|_| printed(&unquoted.chars().take(super::MAX_QUOTED_CHARS).collect::<String>()).into_owned())
        };
        self.names = record.cells.iter().enumerate().map(|(at, name)| trusted(at, name)).collect();
        self.header_at = Some(line);
    }

    /// The agreed column at a position of the file.
    #[must_use]
    pub fn agreed_at(&self, position: usize) -> Option<&'m str> {
        let at = self.read.layout.positions.iter().position(|found| *found == Some(position))?;
        self.mapping.columns.get(at).map(String::as_str)
    }

    /// Some lines of the file, by number, masked.
    #[must_use]
    pub fn lines(&self, wanted: &BTreeSet<u64>) -> Vec<SentLine> {
        let starts = line_starts(&self.text, wanted);
        starts.into_iter().filter_map(|(line, rest)| Some(self.masked(line, &cut(rest, self.mapping)?.0))).collect()
    }

    fn masked(&self, line: u64, record: &Sent<'_>) -> SentLine {
        let width = self.read.layout.width;
        let surplus = record.cells.iter().skip(width).any(|cell| !cell.trim().is_empty());
        // Where fields have slipped, a value stands under a name that is not its own.
        let in_place =
            record.clean && self.read.usable && (width..=self.read.layout.columns.len()).contains(&record.cells.len()) && !surplus;
        let own_layout = self.own_layout(record);
        let cell = |(at, text): (usize, &&str)| {
            let label = self.read.layout.columns.get(at).map(|column| column.label.clone()).filter(|_| in_place && own_layout.is_none());
            let shown = match &own_layout {
                _ if self.header_at == Some(line) => self.names.get(at).is_some_and(Option::is_some),
                Some(known) => known.contains(&(at + 1)) && OF_OWN_LAYOUT.iter().any(|showing| showing.allows(text, &self.words)),
                None => in_place && self.allows(at, text),
            };
            let pieces = label.as_deref().map(|column| uses::pieces_of(self.mapping, column)).unwrap_or_default();
            SentCell { pieces, text: if shown { text.trim().chars().take(MAX_CELL_CHARS).collect() } else { mask(text) }, column: label }
        };
        let cells: Vec<SentCell> = record.cells.iter().enumerate().take(MAX_CELLS).map(cell).collect();
        let left_out = record.cells.len().saturating_sub(cells.len());
        SentLine { line, cells, delimiter: char::from(self.mapping.delimiter), left_out }
    }

    fn allows(&self, at: usize, text: &str) -> bool {
        let identifier = self.read.layout.columns.get(at).is_none_or(|column| column.identifier);
        let showing = self.agreed_at(at).and_then(|column| self.showing.get(column));
        !identifier && showing.is_some_and(|showing| showing.allows(text.trim().trim_matches('"'), &self.words))
    }

    /// Positions that are known, from 1, where a record is a first or last line of its own layout.
    fn own_layout(&self, record: &Sent<'_>) -> Option<Vec<usize>> {
        let starts = |with: &str| record.cells.first().is_some_and(|cell| cell.trim().trim_matches('"').eq_ignore_ascii_case(with));
        if let Some(header) = self.mapping.header_line.as_ref().filter(|header| starts(&header.starts)) {
            let time = header.snapshot_at.as_ref().map(|(at, _)| *at);
            let stated = [Some(1), header.provider, header.sequence, time, header.dataset, header.kind, header.produced_at];
            return Some(stated.into_iter().flatten().collect());
        }
        let trailer = self.mapping.trailer_line.as_ref().filter(|trailer| starts(&trailer.starts))?;
        Some([1, trailer.rows].into_iter().chain(trailer.totals.into_iter().flatten()).collect())
    }
}

/// A value's mask; blanks stay blank, for that they are blank is often what is wrong.
fn mask(text: &str) -> String {
    let text = text.trim();
    match (text.is_empty() || text == "\"\"", text.starts_with('"')) {
        (true, _) => text.to_owned(),
        (false, true) => format!("\"{MASK}\""),
        (false, false) => MASK.to_owned(),
    }
}

/// One record in the sender's own spelling.
struct Sent<'t> {
    cells: Vec<&'t str>,
    /// Whether every quote is closed and followed by a separator.
    clean: bool,
}

/// The records of a text with the lines they start on.
struct Records<'t, 'm> {
    text: &'t str,
    line: u64,
    mapping: &'m TableMapping,
}

impl<'t> Iterator for Records<'t, '_> {
    type Item = (u64, Sent<'t>);

    fn next(&mut self) -> Option<Self::Item> {
        let line = self.line;
        let (record, rest) = cut(self.text, self.mapping)?;
        let used = self.text.len().saturating_sub(rest.len());
        self.line += line_ends(self.text.get(..used).unwrap_or_default());
        self.text = rest;
        Some((line, record))
    }
}

/// Takes one record from the start of a text; `None` at its end.
fn cut<'t>(text: &'t str, mapping: &TableMapping) -> Option<(Sent<'t>, &'t str)> {
    if text.is_empty() {
        return None;
    }
    let delimiter = char::from(mapping.delimiter);
    let (mut sent, mut rest) = (Sent { cells: Vec::new(), clean: true }, text);
    loop {
        let closed = if mapping.quoted { quoted_length(rest) } else { Some(0) };
        sent.clean &= closed.is_some() && text.len().saturating_sub(rest.len()) <= MAX_BYTES;
        let (inside, after) = rest.split_at_checked(closed.unwrap_or(0)).unwrap_or((rest, ""));
        let end = after.find([delimiter, '\n', '\r']).unwrap_or(after.len());
        let stray = !inside.is_empty() && after.get(..end).is_some_and(|text| !text.trim().is_empty());
        sent.clean &= !stray;
        let (cell, next) = rest.split_at_checked(inside.len() + end).unwrap_or((rest, ""));
        sent.cells.push(cell);
        match next.strip_prefix(delimiter) {
            Some(next) => rest = next,
            None => return Some((sent, next.strip_prefix("\r\n").or_else(|| next.strip_prefix(['\n', '\r'])).unwrap_or(next))),
        }
    }
}

/// The length of a quoted text at the start, in bytes, quotes included; 0 where there is none, `None` where it does not end.
fn quoted_length(text: &str) -> Option<usize> {
    let spaces = text.len().saturating_sub(text.trim_start_matches(' ').len());
    let Some(mut inside) = text.trim_start_matches(' ').strip_prefix('"') else { return Some(0) };
    let mut length = spaces + 1;
    loop {
        let (part, rest) = inside.split_once('"')?;
        length += part.len() + 1;
        if length > MAX_BYTES {
            return None;
        }
        match rest.strip_prefix('"') {
            Some(more) => (inside, length) = (more, length + 1),
            None => return Some(length),
        }
    }
}

/// Where some lines of a text start, by number.
fn line_starts<'t>(text: &'t str, wanted: &BTreeSet<u64>) -> Vec<(u64, &'t str)> {
    let Some(last) = wanted.last() else { return Vec::new() };
    let (mut found, mut rest, mut line) = (Vec::new(), text, 1_u64);
    while line <= *last && !rest.is_empty() {
        if wanted.contains(&line) {
            found.push((line, rest));
        }
        let end = rest.find(['\n', '\r']).unwrap_or(rest.len());
        let after = rest.get(end..).unwrap_or_default();
        rest = after.strip_prefix("\r\n").or_else(|| after.strip_prefix(['\n', '\r'])).unwrap_or_default();
        line += 1;
    }
    found
}

fn line_ends(text: &str) -> u64 {
    let bare = text.replace("\r\n", "\n");
    u64::try_from(bare.bytes().filter(|byte| matches!(byte, b'\n' | b'\r')).count()).unwrap_or(u64::MAX)
}
