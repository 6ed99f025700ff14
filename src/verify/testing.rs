//! Feeds and mappings for this room's tests and the pipeline's: small relatives of the agreed layouts.

use super::{Feed, Limits};
use crate::bedstate::Coverage;
use crate::feed::{Digest, FileName, ProviderKind};
use crate::normalise::mapping::{
    Compression, Condition, Encoding, FieldSource, FilePart, HeaderLine, LineMapping, LinesPerRow, Manifest, Mapping, MarchGap, Otherwise,
    PartRole, Quantity, Reading, SnapshotTime, SourceZone, TableMapping, Tidy, TotalRow, TrailerLine,
};
use crate::normalise::names::parse_pattern;
use crate::normalise::reference::{Reference, Site, Ward};
use jiff::SignedDuration;
use std::collections::BTreeMap;

pub(crate) fn name(text: &str) -> FileName {
    FileName::parse(text.as_bytes()).unwrap()
}

pub(crate) fn at(text: &str) -> jiff::Timestamp {
    text.parse().unwrap()
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// A provider RM1 with one mapping.
pub(crate) fn feed(files: &[(&str, PartRole, &str)], tables: Vec<TableMapping>) -> Feed {
    let part = |(part, role, name): &(&str, PartRole, &str)| FilePart {
        part: (*part).to_owned(),
        name: parse_pattern(name).unwrap(),
        role: *role,
        compression: if name.ends_with(".gz") { Compression::Gzip } else { Compression::Plain },
        signs: (*role == PartRole::Signature).then(|| files[0].0.to_owned()),
        always: Vec::new(),
    };
    let mapping = Mapping {
        version: "rm1-1".to_owned(),
        from: "2018-04-01".parse().unwrap(),
        to: None,
        author: "tests".to_owned(),
        hash: Digest::of(b"rm1-1"),
        zone: SourceZone::London,
        march_gap: MarchGap::Reject,
        set_wait: SignedDuration::from_mins(10),
        files: files.iter().map(part).collect(),
        tables,
        manifest: None,
        coverage: Coverage { beds: true, demand: true },
    };
    Feed {
        provider: "RM1".parse().unwrap(),
        name: "Norfolk and Norwich".to_owned(),
        kind: ProviderKind::Acute,
        agreement_starts: "2018-04-01".parse().unwrap(),
        agreement_ends: Some("2019-12-31".parse().unwrap()),
        due_after: SignedDuration::from_mins(5),
        mappings: vec![mapping],
        limits: Limits::default(),
        signers: Vec::new(),
    }
}

pub(crate) fn table(file: &str, columns: &[&str]) -> TableMapping {
    TableMapping {
        name: file.to_owned(),
        file: file.to_owned(),
        member: None,
        encoding: Encoding::Utf8,
        delimiter: b',',
        quoted: true,
        header: true,
        skip_lines: 0,
        columns: strings(columns),
        optional: Vec::new(),
        also_named: BTreeMap::new(),
        reject_extra: false,
        identifiers: Vec::new(),
        null: Vec::new(),
        tidy: Tidy::default(),
        skip: Vec::new(),
        provider: None,
        snapshot_at: SnapshotTime::FileName,
        header_line: None,
        trailer_line: None,
        total_row: None,
        final_newline: None,
        copies_by: None,
        join: None,
        may_be_empty: false,
        lines_per_row: LinesPerRow::One,
        sums: Vec::new(),
        fields: BTreeMap::new(),
        lines: Vec::new(),
        required: Vec::new(),
    }
}

fn read(column: &str, reading: Reading) -> FieldSource {
    FieldSource::Column { column: column.to_owned(), reading }
}

fn line(when: &[(&str, &str)], set: Vec<(&str, FieldSource)>) -> LineMapping {
    let when = when.iter().map(|(column, is)| ((*column).to_owned(), Condition::OneOf(strings(&[is])))).collect();
    let set = set.into_iter().map(|(field, source)| (field.to_owned(), source)).collect();
    LineMapping { when, quantity: None, set, omit: Vec::new() }
}

fn value(text: &str) -> FieldSource {
    FieldSource::Value(text.to_owned())
}

fn sexes() -> Reading {
    let codes = [("M", "1"), ("F", "2")].map(|(from, to)| (from.to_owned(), to.to_owned())).into();
    Reading::Codes { codes, otherwise: Otherwise::Code(String::new()) }
}

/// `WHEN,SITE,WARD,BED,STATUS,SEX,AGE` with a row a bed, a total row, and the lines OCC, VAC, CLS and DTA.
pub(crate) fn beds() -> TableMapping {
    let mut beds = table("beds", &["WHEN", "SITE", "WARD", "BED", "STATUS", "SEX", "AGE"]);
    beds.snapshot_at = SnapshotTime::Column { column: "WHEN".to_owned(), formats: strings(&["%d/%m/%Y %H:%M"]) };
    beds.total_row = Some(TotalRow { column: "WHEN".to_owned(), equals: "TOTAL".to_owned(), rows: Some("STATUS".to_owned()) });
    for (field, column) in [("site_code", "SITE"), ("ward_code", "WARD"), ("bed_ref", "BED")] {
        beds.fields.insert(field.to_owned(), read(column, Reading::Text));
    }
    let person = || vec![("gender", read("SEX", sexes())), ("age_band", read("AGE", Reading::AgeInYears))];
    let status = |line_type, status| vec![("line_type", value(line_type)), ("bed_status", value(status))];
    let mut demand = line(
        &[("STATUS", "DTA")],
        [vec![("line_type", value("DEM")), ("demand_source", value("EDP")), ("in_bed_now", value("N"))], person()].concat(),
    );
    demand.omit = strings(&["ward_code", "bed_ref"]);
    beds.lines = vec![
        line(&[("STATUS", "OCC")], [status("OCC", "O"), person()].concat()),
        line(&[("STATUS", "VAC")], [status("EMP", "U"), vec![("empty_state", value("RDY"))]].concat()),
        line(&[("STATUS", "CLS")], [status("CLO", "C"), vec![("closed_reason", value("OTH"))]].concat()),
        // A mapping that is wrong on purpose: closed beds that say they are occupied.
        line(&[("STATUS", "ODD")], [status("CLO", "O"), vec![("closed_reason", value("OTH"))]].concat()),
        line(&[("STATUS", "BARE")], status("CLO", "C")),
        line(&[("STATUS", "WHO")], [status("CLO", "C"), vec![("closed_reason", value("OTH"))], person()].concat()),
        demand,
    ];
    beds
}

/// `H|RM1|0001234|20181203101500|BEDSTATE`, rows without column names, `T|rows`.
pub(crate) fn pipes() -> TableMapping {
    let mut pipes = table("pipes", &["TYPE", "SITE", "WARD", "BED", "STATUS", "DOB"]);
    pipes.delimiter = b'|';
    pipes.quoted = false;
    pipes.header = false;
    pipes.identifiers = strings(&["DOB"]);
    pipes.snapshot_at = SnapshotTime::HeaderLine;
    let snapshot_at = Some((4, "%Y%m%d%H%M%S".to_owned()));
    pipes.header_line = Some(HeaderLine {
        starts: "H".to_owned(),
        provider: Some(2),
        sequence: Some(3),
        snapshot_at,
        dataset: None,
        kind: None,
        produced_at: None,
    });
    pipes.trailer_line = Some(TrailerLine { starts: "T".to_owned(), rows: 2, totals: [None; 4] });
    for (field, column) in [("site_code", "SITE"), ("ward_code", "WARD"), ("bed_ref", "BED")] {
        pipes.fields.insert(field.to_owned(), read(column, Reading::Text));
    }
    pipes.lines = vec![line(&[], vec![("line_type", value("EMP")), ("bed_status", value("U")), ("empty_state", value("RDY"))])];
    pipes
}

/// `Ward,Empty`: a row a ward, the time in the file name.
pub(crate) fn wards() -> TableMapping {
    let mut wards = table("wards", &["Ward", "Empty"]);
    wards.lines_per_row = LinesPerRow::Each;
    wards.fields.insert("site_code".to_owned(), value("RM102"));
    wards.fields.insert("ward_code".to_owned(), read("Ward", Reading::Text));
    let mut empty = line(&[], vec![("line_type", value("EMP")), ("bed_status", value("U")), ("empty_state", value("RDY"))]);
    empty.quantity = Some(Quantity { column: "Empty".to_owned(), plus: Vec::new(), minus: Vec::new() });
    wards.lines = vec![empty];
    wards
}

/// One file a snapshot: beds.
pub(crate) fn beds_feed() -> Feed {
    feed(&[("beds", PartRole::Data, "{org}_BEDS_{yyyy}{mm}{dd}_{HH}{MM}.csv")], vec![beds()])
}

/// A zip with the members beds and wards, and a manifest.
pub(crate) fn zip_feed() -> Feed {
    let mut wards = wards();
    wards.snapshot_at = SnapshotTime::OtherTable;
    wards.may_be_empty = true;
    let mut tables = vec![beds(), wards];
    for table in &mut tables {
        table.file = "extract".to_owned();
        table.member = Some(format!("{}.csv", table.name));
    }
    let mut feed = feed(&[("extract", PartRole::Data, "{org}_{yyyy}{mm}{dd}_{HH}{MM}.zip")], tables);
    feed.mappings[0].manifest =
        Some(Manifest { member: "list.csv".to_owned(), name_column: "Name".to_owned(), rows_column: "Rows".to_owned() });
    feed
}

/// Site RM102 with wards W1 and W2 of 15 beds each.
pub(crate) fn reference() -> Reference {
    let site = Site {
        provider: "RM1".parse().unwrap(),
        site_code: "RM102".to_owned(),
        name: "Norwich".to_owned(),
        valid_from: None,
        valid_to: None,
    };
    let ward = |code: &str| Ward {
        provider: "RM1".parse().unwrap(),
        site_code: "RM102".to_owned(),
        ward_code: code.to_owned(),
        name: format!("Ward {code}"),
        ward_type: "GENMED".to_owned(),
        ward_class: "GA".to_owned(),
        bed_group: "MED".to_owned(),
        bed_sex: crate::bedstate::BedSex::NotSpecified,
        min_age: None,
        max_age: None,
        treatment_function: None,
        registered_beds: 15,
        may_be_absent: false,
        bed_base: crate::bedstate::BedBase::Core,
        alias: None,
        valid_from: None,
        valid_to: None,
    };
    Reference { sites: vec![site], wards: vec![ward("W1"), ward("W2")], ..Reference::default() }
}
