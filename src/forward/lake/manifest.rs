//! Manifests: what a reader of the lake goes by. Each part of the lake has its own; the one with the highest number holds.
//!
//! Pure: a manifest is made of what it names, and says the same in the same bytes.

use super::index::{Object, Row};
use super::parquet_file::Cell;
use super::tables::{CENSUS, Column, SNAPSHOT, SUMS, name};
use crate::feed::Digest;
use serde_json::{Map, Value, json};

/// The layout that this writes; a reader refuses one that it does not know.
pub(super) const FORMAT: u32 = 1;

/// What a manifest says.
#[derive(Default)]
pub(super) struct Manifest {
    pub(super) part: String,
    /// Each with its sums.
    pub(super) snapshots: Vec<(Row, Row)>,
    pub(super) census: Vec<Row>,
    pub(super) objects: Vec<Object>,
}

impl Manifest {
    /// Its bytes as a number.
    pub(super) fn body(&self, number: i64) -> Vec<u8> {
        let snapshots: Vec<Value> = self.snapshots.iter().map(|(row, sums)| snapshot(row, sums)).collect();
        let census: Vec<Value> = self.census.iter().map(|row| record(&CENSUS, row).into()).collect();
        let objects: Vec<Value> = self.objects.iter().map(object).collect();
        let all = json!({ "format": FORMAT, "part": self.part, "number": number, "snapshots": snapshots, "census": census,
            "objects": objects });
        let mut text = all.to_string();
        text.push('\n');
        text.into_bytes()
    }

    /// The hash of all that it says but its number.
    pub(super) fn content(&self) -> String {
        Digest::of(&self.body(0)).to_string()
    }

    /// Whether it says nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.snapshots.is_empty() && self.objects.is_empty()
    }
}

/// The name of a part's manifest. Numbers sort as texts do.
pub(super) fn manifest_name(part: &str, number: i64) -> String {
    let folder = if part.starts_with(|first: char| first.is_ascii_digit()) { format!("day={part}") } else { part.to_owned() };
    format!("manifest/{folder}/{number:012}.json")
}

fn snapshot(row: &Row, sums: &Row) -> Value {
    let mut record = record(&SNAPSHOT, row);
    record.insert("sums".to_owned(), self::record(&SUMS, sums).into());
    record.into()
}

fn record(columns: &[Column], row: &Row) -> Map<String, Value> {
    let value = |cell: &Cell| match cell {
        Cell::Null => Value::Null,
        Cell::Whole(whole) => (*whole).into(),
        Cell::Text(text) => text.as_str().into(),
    };
    columns.iter().zip(row).map(|(column, cell)| (name(column).to_owned(), value(cell))).collect()
}

fn object(object: &Object) -> Value {
    let Object { name, of, snapshot_id, rows, bytes, sha256 } = object;
    json!({ "name": name, "table": of, "snapshot_id": snapshot_id, "rows": rows, "bytes": bytes, "sha256": sha256 })
}
