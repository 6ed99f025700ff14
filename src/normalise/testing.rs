//! Small builders for tests of this room. The settings' parser is another room's, so mappings are spelled out by hand.

use super::mapping::{
    Condition, Encoding, FieldSource, Join, LineMapping, LinesPerRow, Mapping, MarchGap, Otherwise, Quantity, Reading, SnapshotTime,
    SourceZone, TableMapping, Tidy,
};
use super::reference::{Site, Ward, WardAlias};
use super::rows::Normalised;
use super::table::RawTable;
use crate::bedstate::{BedBase, BedSex, Coverage, Line};
use crate::feed::{Digest, Finding, Severity};
use jiff::SignedDuration;

pub(crate) fn site(provider: &str, code: &str) -> Site {
    Site { provider: provider.parse().unwrap(), site_code: code.into(), name: String::new(), valid_from: None, valid_to: None }
}

pub(crate) fn ward(provider: &str, site: &str, code: &str) -> Ward {
    Ward {
        provider: provider.parse().unwrap(),
        site_code: site.into(),
        ward_code: code.into(),
        name: String::new(),
        ward_type: "GENMED".into(),
        ward_class: "GA".into(),
        bed_group: "MED".into(),
        bed_sex: BedSex::NotSpecified,
        min_age: None,
        max_age: None,
        treatment_function: None,
        registered_beds: 10,
        may_be_absent: false,
        bed_base: BedBase::Core,
        alias: None,
        valid_from: None,
        valid_to: None,
    }
}

pub(crate) fn alias(provider: &str, source_site: Option<&str>, source_ward: &str, site: &str, ward: &str) -> WardAlias {
    WardAlias {
        provider: provider.parse().unwrap(),
        source_site: source_site.map(Into::into),
        source_ward: source_ward.into(),
        site_code: site.into(),
        ward_code: ward.into(),
        valid_from: None,
        valid_to: None,
    }
}

pub(crate) fn mapping(tables: Vec<TableMapping>) -> Mapping {
    Mapping {
        version: "test-1".into(),
        from: "2018-04-01".parse().unwrap(),
        to: None,
        author: "tests".into(),
        hash: Digest::of(b""),
        zone: SourceZone::London,
        march_gap: MarchGap::Reject,
        set_wait: SignedDuration::from_mins(10),
        files: Vec::new(),
        tables,
        manifest: None,
        coverage: Coverage { beds: true, demand: true },
    }
}

/// A table of one line per row in a part of its own name.
pub(crate) fn table(name: &str, columns: &[&str]) -> TableMapping {
    TableMapping {
        name: name.into(),
        file: name.into(),
        member: None,
        encoding: Encoding::Utf8,
        delimiter: b',',
        quoted: true,
        header: true,
        skip_lines: 0,
        columns: texts(columns),
        optional: Vec::new(),
        also_named: Default::default(),
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
        may_be_empty: true,
        lines_per_row: LinesPerRow::One,
        sums: Vec::new(),
        fields: Default::default(),
        lines: Vec::new(),
        required: Vec::new(),
    }
}

impl TableMapping {
    pub(crate) fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    pub(crate) fn field(mut self, name: &str, source: FieldSource) -> Self {
        self.fields.insert(name.into(), source);
        self
    }

    pub(crate) fn line(mut self, line: LineMapping) -> Self {
        self.lines.push(line);
        self
    }

    pub(crate) fn join(mut self, table: &str, on: &[&str]) -> Self {
        self.join = Some(Join { table: table.into(), on: texts(on) });
        self
    }

    /// The table as it would be cut from a file: fields by `|`, the first row at the given line.
    pub(crate) fn raw(&self, first_line: u64, rows: &[&str]) -> RawTable {
        let cut = |text: &&str| text.split('|').map(|field| field.trim().to_owned()).collect::<Vec<String>>();
        let mut table = RawTable::new(&self.name, self.columns.clone(), vec![true; self.columns.len()]);
        for (line, fields) in (first_line..).zip(rows.iter().map(cut)) {
            assert_eq!(fields.len(), self.columns.len(), "line {line} of the test's own rows");
            table.push(line, fields.iter().map(String::as_str));
        }
        table
    }
}

pub(crate) fn line() -> LineMapping {
    LineMapping { when: Default::default(), quantity: None, set: Default::default(), omit: Vec::new() }
}

impl LineMapping {
    /// `"*"`, `""`, `"Y*"` and plain texts, as in the settings.
    pub(crate) fn when(mut self, column: &str, text: &str) -> Self {
        let condition = match text {
            "*" => Condition::Filled,
            "" => Condition::Blank,
            _ => match text.strip_suffix('*') {
                Some(start) => Condition::StartsWith(start.into()),
                None => Condition::OneOf(vec![text.into()]),
            },
        };
        self.when.insert(column.into(), condition);
        self
    }

    pub(crate) fn count(mut self, column: &str, plus: &[&str], minus: &[&str]) -> Self {
        self.quantity = Some(Quantity { column: column.into(), plus: texts(plus), minus: texts(minus) });
        self
    }

    /// Constants, as `name=value name=value`.
    pub(crate) fn set(mut self, constants: &str) -> Self {
        for pair in constants.split_whitespace() {
            let (name, value) = pair.split_once('=').unwrap();
            self.set.insert(name.into(), FieldSource::Value(value.into()));
        }
        self
    }

    pub(crate) fn from(mut self, name: &str, source: FieldSource) -> Self {
        self.set.insert(name.into(), source);
        self
    }

    pub(crate) fn omit(mut self, names: &[&str]) -> Self {
        self.omit = texts(names);
        self
    }
}

pub(crate) fn value(text: &str) -> FieldSource {
    FieldSource::Value(text.into())
}

pub(crate) fn column(name: &str) -> FieldSource {
    read(name, Reading::Text)
}

pub(crate) fn read(name: &str, reading: Reading) -> FieldSource {
    FieldSource::Column { column: name.into(), reading }
}

pub(crate) fn joined(columns: &[&str], with: &str) -> FieldSource {
    FieldSource::Joined { columns: texts(columns), with: with.into() }
}

/// A code list; `otherwise` of `None` rejects.
pub(crate) fn codes(name: &str, list: &[(&str, &str)], otherwise: Option<&str>) -> FieldSource {
    let codes = list.iter().map(|(text, code)| ((*text).to_owned(), (*code).to_owned())).collect();
    let otherwise = otherwise.map_or(Otherwise::Reject, |code| Otherwise::Code(code.into()));
    read(name, Reading::Codes { codes, otherwise })
}

pub(crate) fn instant(name: &str, format: &str) -> FieldSource {
    read(name, Reading::Instant { formats: vec![format.into()] })
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// A line with every field it has: `SITE WARD TYPE QUANTITY` and the others by name in alphabetical order.
pub(crate) fn spelled(line: &Line) -> String {
    let serde_json::Value::Object(mut fields) = serde_json::to_value(line).unwrap() else { panic!("a line is an object") };
    let mut take = |name: &str| match fields.remove(name).unwrap() {
        serde_json::Value::Null => "-".to_owned(),
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    };
    let mut text = ["site_code", "ward_code", "line_type", "quantity"].map(&mut take).join(" ");
    for (name, value) in fields.into_iter().filter(|(_, value)| !value.is_null()) {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        text.push_str(&format!(" {name}={value}"));
    }
    text
}

/// Findings as `RULE severity part line column: message`, for comparing.
pub(crate) fn told(normalised: &Normalised) -> Vec<String> {
    let word = |severity| match severity {
        Severity::Information => "I",
        Severity::Warning => "W",
        Severity::RejectRow => "R",
        Severity::RejectFile => "F",
    };
    let told = |f: &Finding| {
        let line = f.place.line.map_or("-".to_owned(), |line| line.to_string());
        let column = f.place.column.clone().unwrap_or("-".to_owned());
        format!("{} {} {line} {column}: {}", f.rule.id(), word(f.severity), f.message)
    };
    normalised.findings.iter().map(told).collect()
}
