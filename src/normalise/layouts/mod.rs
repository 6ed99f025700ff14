//! The six sample layouts: each mapping spelled out by hand, its sample rows, and exactly the lines they must become.

use super::mapping::Mapping;
use super::reference::Reference;
use super::rows::{Context, Normalised, normalise};
use super::table::RawTable;
use super::testing::{spelled, told};

mod ncc;
mod rcx;
mod rgp;
mod rm1;
mod rmy;
mod ry3;

const SNAPSHOT: &str = "2018-12-03T10:15:00Z";

fn run(provider: &str, reference: &Reference, mapping: &Mapping, tables: &[RawTable]) -> Normalised {
    let context = Context {
        provider: &provider.parse().unwrap(),
        reference,
        snapshot_at: SNAPSHOT.parse().unwrap(),
        received_at: "2018-12-03T10:17:00Z".parse().unwrap(),
    };
    let normalised = normalise(tables, mapping, &context);
    let rows = normalised.rows;
    assert_eq!(rows.read, rows.used + rows.skipped + rows.rejected, "every row is accounted for");
    normalised
}

fn expect(normalised: &Normalised, lines: &[(u64, &str)], findings: &[&str]) {
    let found: Vec<(u64, String)> = normalised.lines.iter().map(|line| (line.line, spelled(&line.value))).collect();
    let wanted: Vec<(u64, String)> = lines.iter().map(|(number, text)| (*number, (*text).to_owned())).collect();
    assert_eq!(found, wanted);
    assert_eq!(told(normalised), findings);
}
