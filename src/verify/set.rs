//! The set: all files of one snapshot, opened by one mapping.
//!
//! Owns putting parts, members and tables together, and the facts they state about themselves: time, sequence, counts,
//! hashes. Refuses to give rows a meaning.

use super::checksums::{self, Checksum, Hashed};
use super::control::{self, ControlRecord, Kind, StatedTotals};
use super::repeated_hour::Standing;
use super::running_number::{self, Stated};
use super::structure;
use super::times::{Clockwork, NameTime};
use super::unpacked::Unpacked;
use super::{Feed, History, envelope, identifiers, manifest, signature, text};
use crate::feed::{Digest, FileName, Finding, Findings, Rule};
use crate::normalise::mapping::{FilePart, Manifest, Mapping, PartRole, TableMapping};
use crate::normalise::names::NameParts;
use crate::normalise::table::RawTable;
use crate::normalise::times::{Resolved, local_day};
use jiff::Timestamp;

/// Who states what: the words in front of a finding.
const CONTROL_FILE: &str = "The control file";
const FIRST_LINE: &str = "The first line";
const LAST_LINE: &str = "The last line";

/// One file of a set.
#[derive(Clone, Copy)]
pub struct SetFile<'a> {
    /// Its name as sent.
    pub name: &'a FileName,
    /// Its hash.
    pub sha256: Digest,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// A whole extract must not end up in a log by way of a debugging format.
impl std::fmt::Debug for SetFile<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SetFile").field("name", &self.name).field("bytes", &self.bytes.len()).finish_non_exhaustive()
    }
}

/// A set as opened by one mapping.
#[derive(Clone, Debug)]
pub struct OpenSet {
    /// For each file given: its part, where the mapping knows it.
    pub parts: Vec<Option<String>>,
    /// Parts that the mapping asks for and nobody sent.
    pub missing: Vec<String>,
    /// The tables that could be cut.
    pub tables: Vec<RawTable>,
    /// Whether all tables are there and their columns were found, so that rows may be given a meaning.
    pub usable: bool,
    /// Data rows in all tables.
    pub rows: u64,
    /// Rows rejected while cutting.
    pub rejected: u64,
    /// When the figures were true.
    pub snapshot_at: Option<Resolved>,
    /// The sender's running number.
    pub sequence: Option<u32>,
    /// Hash over the data files' hashes, in the mapping's order.
    pub content: Digest,
    /// What the sender says the delivery is; `None`: it does not say.
    pub kind: Option<Kind>,
    /// The sums that the sender states, each list with who states it.
    pub stated_totals: Vec<(&'static str, StatedTotals)>,
    /// What was found.
    pub findings: Findings,
}

/// When and after what a set arrived: this tells the two readings of October's repeated hour apart.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// When its last file arrived.
    pub received_at: Timestamp,
    /// What was accepted before.
    pub history: &'a History,
    /// Whether its rows were found not to fit summer time.
    pub rows_rule_out_bst: bool,
}

/// Opens a set of files by one mapping.
#[must_use]
pub fn open(files: &[SetFile<'_>], mapping: &Mapping, feed: &Feed, arrival: &Arrival<'_>) -> OpenSet {
    let known: Vec<Option<(&FilePart, NameParts)>> = files.iter().map(|file| envelope::part_of(mapping, file.name)).collect();
    let mut opening = Opening { mapping, feed, parts: Vec::new(), tables: Vec::new(), findings: Findings::default(), usable: true };
    // Where one part was sent twice, the later one counts.
    for part in &mapping.files {
        let of_part = files.iter().zip(&known).rev().find_map(|(file, known)| match known {
            Some((found, names)) if found.part == part.part => Some((*file, names.clone())),
            _ => None,
        });
        opening.parts.extend(of_part.map(|(file, names)| Opened { part, file, names }));
    }
    let missing = opening.missing();
    opening.check_sizes();
    opening.read_tables();
    opening.check_signatures(arrival.received_at);
    let control = opening.read_controls();
    opening.check_control(&control);
    let kind = opening.check_statements(&control, arrival.received_at);
    let sequence = opening.settle_number(&control);
    let standing = Standing {
        received_at: arrival.received_at,
        history: arrival.history,
        sequence,
        content: opening.content(),
        early: feed.limits.early_tolerance,
        due_after: feed.due_after,
        rows_rule_out_bst: arrival.rows_rule_out_bst,
    };
    let snapshot_at = opening.settle_time(&control, standing);
    let rows = opening.tables.iter().map(|read| read.table.rows).sum();
    OpenSet {
        parts: known.into_iter().map(|known| known.map(|(part, _)| part.part.clone())).collect(),
        usable: opening.usable && missing.is_empty(),
        missing,
        rows,
        rejected: opening.tables.iter().map(|read| read.table.rejected).sum(),
        snapshot_at,
        sequence,
        content: opening.content(),
        kind,
        stated_totals: opening.stated_totals(&control),
        tables: opening.tables.into_iter().map(|read| read.table.table).collect(),
        findings: opening.findings,
    }
}

fn name_time(names: &NameParts) -> Option<NameTime> {
    names.when.map(|when| NameTime { when, utc: names.utc })
}

/// One part that was sent.
struct Opened<'a> {
    part: &'a FilePart,
    file: SetFile<'a>,
    names: NameParts,
}

/// One table that was cut.
struct Read<'a> {
    mapping: &'a TableMapping,
    table: structure::TableRead,
}

struct Opening<'a> {
    mapping: &'a Mapping,
    feed: &'a Feed,
    parts: Vec<Opened<'a>>,
    tables: Vec<Read<'a>>,
    findings: Findings,
    usable: bool,
}

impl<'a> Opening<'a> {
    fn missing(&mut self) -> Vec<String> {
        let sent = |part: &&FilePart| self.parts.iter().any(|opened| opened.part.part == part.part);
        let missing: Vec<&FilePart> = self.mapping.files.iter().filter(|part| !sent(part)).collect();
        let (data, ends): (Vec<&FilePart>, Vec<&FilePart>) = missing.iter().partition(|part| part.role == PartRole::Data);
        let names = |parts: &[&FilePart]| parts.iter().map(|part| part.part.as_str()).collect::<Vec<_>>().join(" and ");
        if !data.is_empty() {
            self.findings.push(Finding::new(Rule::Trn09, format!("Set incomplete: missing {}.", names(&data))));
        }
        // Without any rows, that nothing vouches for them says nothing more.
        if !ends.is_empty() && self.of_role(PartRole::Data).next().is_some() {
            let seconds = self.mapping.set_wait.as_secs();
            let message = format!("File not complete after {seconds} s: {}, which must come with it, did not.", names(&ends));
            self.findings.push(Finding::new(Rule::Trn01, message));
        }
        missing.into_iter().map(|part| part.part.clone()).collect()
    }

    /// Leaves out parts that are empty or too large, so that nothing else looks at them.
    fn check_sizes(&mut self) {
        let (feed, findings, usable) = (self.feed, &mut self.findings, &mut self.usable);
        self.parts.retain(|opened| {
            let Some(finding) = envelope::check_size(opened.file.bytes, opened.part.role, feed) else { return true };
            findings.push(finding.in_part(&opened.part.part));
            *usable = false;
            false
        });
    }

    fn of_role(&self, role: PartRole) -> impl Iterator<Item = &Opened<'a>> {
        self.parts.iter().filter(move |opened| opened.part.role == role)
    }

    fn content(&self) -> Digest {
        let digests: Vec<u8> = self.of_role(PartRole::Data).flat_map(|opened| opened.file.sha256.0).collect();
        Digest::of(&digests)
    }

    fn read_tables(&mut self) {
        let mapping = self.mapping;
        let data: Vec<(&'a FilePart, SetFile<'a>)> = self.of_role(PartRole::Data).map(|opened| (opened.part, opened.file)).collect();
        let (mut listed, mut came) = (None, Vec::new());
        for (part, file) in data {
            let mut unpacked = Unpacked::of(part, file.bytes, mapping, self.feed);
            self.usable &= !unpacked.findings.reject_file();
            self.findings.append(std::mem::take(&mut unpacked.findings));
            for table in mapping.tables.iter().filter(|table| table.file == part.part) {
                if let Some(bytes) = unpacked.table(table) {
                    self.read_table(table, bytes);
                }
            }
            let manifest = mapping.manifest.as_ref().and_then(|manifest| unpacked.member(&manifest.member));
            listed = listed.or(manifest.map(<[u8]>::to_vec));
            came.append(&mut unpacked.names);
        }
        // What it lists may be in any of the parts.
        if let (Some(manifest), Some(bytes)) = (&mapping.manifest, listed) {
            self.check_manifest(manifest, &bytes, &came);
        }
        let rows: u64 = self.tables.iter().map(|read| read.table.rows).sum();
        if rows > self.feed.limits.max_rows {
            self.findings
                .push(Finding::new(Rule::Trn03, format!("The files have {rows} rows; at most {} are taken.", self.feed.limits.max_rows)));
            self.usable = false;
        }
    }

    fn read_table(&mut self, table: &'a TableMapping, bytes: &[u8]) {
        let label = |findings: Findings| findings.in_part(table.member.as_ref().unwrap_or(&table.file));
        let mut findings = Findings::default();
        let text = match text::decode(bytes, table.encoding) {
            Ok(text) => text,
            Err(finding) => {
                findings.push(finding);
                self.findings.append(label(findings));
                self.usable = false;
                return;
            }
        };
        findings.extend(text.warning);
        let mut read = structure::read(&text.text, table, &self.feed.limits);
        findings.append(std::mem::take(&mut read.findings));
        self.findings.append(label(findings));
        self.check_provider(read.facts.provider.as_deref());
        self.check_provider_of_rows(table, &read.table);
        self.usable &= read.usable;
        self.tables.push(Read { mapping: table, table: read });
    }

    fn check_manifest(&mut self, manifest: &Manifest, bytes: &[u8], came: &[String]) {
        self.findings.extend(identifiers::check_beside("The manifest", bytes));
        match manifest::announced_rows(bytes, manifest) {
            Ok(announced) => {
                for read in self.tables.iter().filter(|read| read.table.usable) {
                    let member = read.mapping.member.as_deref().unwrap_or_default();
                    self.findings.extend(manifest::compare(&announced, manifest, member, read.table.rows));
                }
                let wanted: Vec<&str> = self.mapping.tables.iter().filter_map(|table| table.member.as_deref()).collect();
                self.findings.extend(manifest::absent(&announced, manifest, came, &wanted));
            }
            Err(finding) => self.findings.push(finding),
        }
    }

    /// Reads checksum files, compares them, and gives the control record, or an empty one.
    fn read_controls(&mut self) -> ControlRecord {
        let hashed = |opened: &Opened<'a>| Hashed {
            name: opened.file.name.as_str(),
            sha256: opened.file.sha256,
            data: opened.part.role == PartRole::Data,
        };
        let files: Vec<Hashed<'_>> = self.parts.iter().map(hashed).collect();
        let mut findings = Findings::default();
        // What vouches for a file that is not there says nothing of the others.
        let whole = self.of_role(PartRole::Data).count() == self.mapping.files.iter().filter(|part| part.role == PartRole::Data).count();
        for opened in self.of_role(PartRole::Sha256) {
            findings.extend(identifiers::check_beside("The checksum file", opened.file.bytes));
            match checksums::checksums(opened.file.bytes) {
                Ok(checksums) if whole => findings.extend(checksums::compare(&checksums, &files)),
                Ok(_) => {}
                Err(finding) => findings.push(finding),
            }
        }
        let mut all = ControlRecord::default();
        for opened in self.of_role(PartRole::Control) {
            findings.extend(identifiers::check_beside("The control file", opened.file.bytes));
            let (record, problems) = control::record(opened.file.bytes, &opened.part.always);
            findings.append(problems);
            if let Some(sha256) = record.sha256.filter(|_| whole) {
                findings.extend(checksums::compare(&[Checksum { name: None, sha256 }], &files));
            }
            all = record;
        }
        self.findings.append(findings);
        all
    }

    /// A first line and a control record that name the same other provider have one cause.
    fn check_provider(&mut self, stated: Option<&str>) {
        if let Some(finding) = stated.and_then(|stated| envelope::check_provider(stated, self.feed)) {
            self.findings.push_once(finding);
        }
    }

    /// Checks the column that states the provider on every row: one row of another's means that the file is another's.
    fn check_provider_of_rows(&mut self, mapping: &TableMapping, table: &RawTable) {
        let Some(column) = &mapping.provider else { return };
        let Some(at) = table.column(column) else { return };
        let stated = table.rows().map(|row| (row.line, row.field(at))).filter(|(_, stated)| !stated.is_empty());
        let other = |(line, stated): (u64, &str)| Some(envelope::check_provider(stated, self.feed)?.at_line(line).in_column(column));
        if let Some(finding) = stated.filter_map(other).next() {
            self.findings.push(finding.in_part(mapping.member.as_ref().unwrap_or(&mapping.file)));
        }
    }

    /// Checks every signature against the part that it is for (TRN-10).
    fn check_signatures(&mut self, received_at: Timestamp) {
        let today = local_day(received_at);
        let mut findings = Findings::default();
        for opened in self.of_role(PartRole::Signature) {
            let signed = self.parts.iter().find(|other| Some(&other.part.part) == opened.part.signs.as_ref());
            // That the signed part is missing has been said.
            let Some(signed) = signed else { continue };
            findings.extend(signature::check(opened.file.bytes, signed.file.bytes, &self.feed.signers, today).err());
        }
        self.findings.append(findings);
    }

    /// Judges what the control record and the first lines say of the delivery as a whole, and settles on its kind.
    fn check_statements(&mut self, control: &ControlRecord, received_at: Timestamp) -> Option<Kind> {
        let mut findings = Findings::default();
        let mut kinds: Vec<Kind> = control.kind.into_iter().collect();
        for facts in self.tables.iter().map(|read| &read.table.facts) {
            findings.extend(facts.dataset.as_deref().and_then(|dataset| control::check_dataset(dataset, true, "the first line")));
            match facts.kind.as_deref().map(|kind| Kind::read(kind, FIRST_LINE)) {
                Some(Ok(kind)) => kinds.push(kind),
                Some(Err(finding)) => findings.push(finding),
                None => {}
            }
        }
        if kinds.windows(2).any(|pair| pair.first() != pair.last()) {
            findings.push(Finding::new(Rule::Str09, "The delivery states its kind twice, and differently."));
        }
        // Whatever else is said: what was once called a test is never loaded.
        let kind = kinds.iter().find(|kind| **kind == Kind::Test).or(kinds.first()).copied();
        let in_files = self.tables.iter().filter_map(|read| read.table.facts.produced_at.as_deref());
        for produced_at in control.produced_at.as_deref().into_iter().chain(in_files) {
            let clock = control::check_clock(produced_at, kind, self.mapping, &self.feed.limits, received_at);
            clock.into_iter().for_each(|finding| findings.push_once(finding));
        }
        self.findings.append(findings);
        kind
    }

    /// The sums that are stated, each list with who states it.
    fn stated_totals(&self, control: &ControlRecord) -> Vec<(&'static str, StatedTotals)> {
        let mut in_files = StatedTotals::default();
        self.tables.iter().for_each(|read| in_files.add(&read.table.facts.totals));
        vec![(CONTROL_FILE, control.totals), (LAST_LINE, in_files)]
    }

    fn check_control(&mut self, control: &ControlRecord) {
        self.check_provider(control.provider.as_deref());
        let rows: u64 = self.tables.iter().map(|read| read.table.rows).sum();
        if let Some(announced) = control.rows.filter(|announced| self.usable && *announced != rows) {
            self.findings.push(Finding::new(Rule::Str06, format!("The control file says {announced} rows, the data has {rows}.")));
        }
    }

    fn settle_time(&mut self, control: &ControlRecord, standing: Standing<'_>) -> Option<Resolved> {
        // Without the table that states it, that the time is missing goes without saying.
        if self.tables.is_empty() || self.tables.iter().all(|read| !read.table.usable) {
            return None;
        }
        let mut clockwork = Clockwork::new(self.mapping, standing, self.feed.limits.name_tolerance);
        for read in self.tables.iter().filter(|read| read.table.usable) {
            let name = self.parts.iter().find(|opened| opened.part.part == read.mapping.file).and_then(|opened| name_time(&opened.names));
            clockwork.table(read.mapping, &read.table.table, read.table.facts.snapshot_at.as_deref(), name);
        }
        let names: Vec<_> = self.parts.iter().filter_map(|opened| name_time(&opened.names)).collect();
        let (snapshot_at, findings) = clockwork.settle(&names, control.snapshot_at.as_deref());
        // Where the set is rejected for what it lacks, that it lacks a time too says nothing more.
        if snapshot_at.is_some() || !self.findings.reject_file() {
            self.findings.append(findings);
        }
        snapshot_at
    }

    /// The running number: the control record's counts before the first line's, and that before the name's.
    fn settle_number(&mut self, control: &ControlRecord) -> Option<u32> {
        let in_control = control.sequence.map(|number| Stated { place: "the control file", number: Some(u64::from(number)) });
        let in_line = |text: &str| Stated { place: "the first line", number: structure::announced_number(text) };
        let in_name = |number: u32| Stated { place: "the file name", number: Some(u64::from(number)) };
        let in_lines = self.tables.iter().filter_map(|read| read.table.facts.sequence.as_deref().map(in_line));
        let in_names = self.parts.iter().filter_map(|opened| opened.names.sequence.map(in_name));
        let stated: Vec<Stated> = in_control.into_iter().chain(in_lines).chain(in_names).collect();
        let (number, findings) = running_number::settle(&stated);
        self.findings.append(findings);
        number
    }
}
