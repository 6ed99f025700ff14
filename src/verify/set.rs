//! The set: all files of one snapshot, opened by one mapping.
//!
//! Owns putting parts, members and tables together, and the facts they state about themselves: time, sequence, counts,
//! hashes. Refuses to give rows a meaning.

use super::control::{self, ControlRecord};
use super::structure::{self, HeaderFacts};
use super::times::Clockwork;
use super::{Feed, archive, envelope, manifest, text};
use crate::feed::{Digest, FileName, Finding, Findings, Rule};
use crate::normalise::mapping::{FilePart, Mapping, PartRole, TableMapping};
use crate::normalise::names::NameParts;
use crate::normalise::table::RawTable;
use crate::normalise::times::Resolved;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// One file of a set.
#[derive(Clone, Copy, Debug)]
pub struct SetFile<'a> {
    /// Its name as sent.
    pub name: &'a FileName,
    /// Its hash.
    pub sha256: Digest,
    /// Its bytes.
    pub bytes: &'a [u8],
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
    /// Whether the control record says that this is a test.
    pub test: bool,
    /// What the control record says this delivery is.
    pub kind: Option<control::Kind>,
    /// What was found.
    pub findings: Findings,
}

/// Opens a set of files by one mapping.
#[must_use]
pub fn open(files: &[SetFile<'_>], mapping: &Mapping, feed: &Feed, received_at: Timestamp) -> OpenSet {
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
    let control = opening.read_controls();
    opening.check_control(&control);
    let (snapshot_at, sequence) = (opening.settle_time(&control, received_at), opening.sequence(&control));
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
        test: control.test,
        kind: control.kind,
        tables: opening.tables.into_iter().map(|read| read.table.table).collect(),
        findings: opening.findings,
    }
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
        let missing: Vec<String> = self.mapping.files.iter().filter(|part| !sent(part)).map(|part| part.part.clone()).collect();
        if !missing.is_empty() {
            self.findings.push(Finding::new(Rule::Trn09, format!("Set incomplete: missing {}.", missing.join(" and "))));
        }
        missing
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
        let mut unpacked: BTreeMap<&str, BTreeMap<String, Vec<u8>>> = BTreeMap::new();
        let mapping = self.mapping;
        let data: Vec<(&'a FilePart, SetFile<'a>)> = self.of_role(PartRole::Data).map(|opened| (opened.part, opened.file)).collect();
        for (part, file) in data {
            let tables = || mapping.tables.iter().filter(|table| table.file == part.part);
            let mut wanted: Vec<&str> = tables().filter_map(|table| table.member.as_deref()).collect();
            if wanted.is_empty() {
                tables().for_each(|table| self.read_table(table, file.bytes));
                continue;
            }
            wanted.extend(mapping.manifest.as_ref().map(|manifest| manifest.member.as_str()));
            wanted.sort_unstable();
            wanted.dedup();
            let (members, findings) = archive::unpack(file.bytes, &wanted, self.feed.limits.max_file_bytes);
            self.usable &= !findings.reject_file();
            self.findings.append(findings);
            for table in tables() {
                if let Some(bytes) = table.member.as_ref().and_then(|member| members.get(member)) {
                    self.read_table(table, bytes);
                }
            }
            unpacked.insert(&part.part, members);
        }
        self.check_manifest(&unpacked);
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
        self.usable &= read.usable;
        self.tables.push(Read { mapping: table, table: read });
    }

    fn check_manifest(&mut self, unpacked: &BTreeMap<&str, BTreeMap<String, Vec<u8>>>) {
        let Some(manifest) = &self.mapping.manifest else { return };
        let Some(bytes) = unpacked.values().find_map(|members| members.get(&manifest.member)) else { return };
        match manifest::announced_rows(bytes, manifest) {
            Ok(announced) => {
                for read in self.tables.iter().filter(|read| read.table.usable) {
                    let member = read.mapping.member.as_deref().unwrap_or_default();
                    self.findings.extend(manifest::compare(&announced, manifest, member, read.table.rows));
                }
            }
            Err(finding) => self.findings.push(finding),
        }
    }

    /// Reads checksum files, compares them, and gives the control record, or an empty one.
    fn read_controls(&mut self) -> ControlRecord {
        let data: Vec<(&str, Digest)> =
            self.of_role(PartRole::Data).map(|opened| (opened.file.name.as_str(), opened.file.sha256)).collect();
        let mut findings = Findings::default();
        for opened in self.of_role(PartRole::Sha256) {
            match control::checksums(opened.file.bytes) {
                Ok(checksums) => findings.extend(control::compare(&checksums, &data)),
                Err(finding) => findings.push(finding),
            }
        }
        let mut all = ControlRecord::default();
        for opened in self.of_role(PartRole::Control) {
            let (record, problems) = control::record(opened.file.bytes);
            findings.append(problems);
            if let Some(sha256) = record.sha256 {
                findings.extend(control::compare(&[control::Checksum { name: None, sha256 }], &data));
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

    fn check_control(&mut self, control: &ControlRecord) {
        self.check_provider(control.provider.as_deref());
        let rows: u64 = self.tables.iter().map(|read| read.table.rows).sum();
        if let Some(announced) = control.rows.filter(|announced| self.usable && *announced != rows) {
            self.findings.push(Finding::new(Rule::Str06, format!("The control file says {announced} rows, the data has {rows}.")));
        }
    }

    fn settle_time(&mut self, control: &ControlRecord, received_at: Timestamp) -> Option<Resolved> {
        // Without the table that states it, that the time is missing goes without saying.
        if self.tables.is_empty() || self.tables.iter().all(|read| !read.table.usable) {
            return None;
        }
        let mut clockwork = Clockwork::new(self.mapping, received_at);
        for read in self.tables.iter().filter(|read| read.table.usable) {
            let name = self.parts.iter().find(|opened| opened.part.part == read.mapping.file).and_then(|opened| opened.names.when);
            clockwork.table(read.mapping, &read.table.table, read.table.facts.snapshot_at.as_deref(), name);
        }
        let names: Vec<_> = self.parts.iter().filter_map(|opened| opened.names.when).collect();
        let (snapshot_at, findings) = clockwork.settle(&names, control.snapshot_at.as_deref());
        // Where the set is rejected for what it lacks, that it lacks a time too says nothing more.
        if snapshot_at.is_some() || !self.findings.reject_file() {
            self.findings.append(findings);
        }
        snapshot_at
    }

    fn sequence(&self, control: &ControlRecord) -> Option<u32> {
        let number =
            |facts: &HeaderFacts| structure::announced_number(facts.sequence.as_deref()?).and_then(|number| u32::try_from(number).ok());
        let in_file = self.tables.iter().find_map(|read| number(&read.table.facts));
        let in_name = self.parts.iter().find_map(|opened| opened.names.sequence);
        control.sequence.or(in_file).or(in_name)
    }
}
