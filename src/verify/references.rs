//! References: the column by which requests for a bed are told apart holds no NHS number (IGV-05).
//!
//! Owns looking at every value of such a column before it is read. Refuses to repeat one.

use super::identifiers::is_nhs_number;
use crate::feed::{Finding, Findings, Rule};
use crate::normalise::mapping::{FieldSource, Mapping};
use crate::normalise::table::RawTable;
use std::collections::BTreeSet;

/// The dataset's field for the reference of a request.
pub const FIELD: &str = "demand_ref";

/// Looks at the columns that a mapping reads as references. One number is enough: a reference is meant to mean nothing, and
/// one that passes as an NHS number cannot be told from one.
#[must_use]
pub fn check(tables: &[RawTable], mapping: &Mapping) -> Findings {
    let mut findings = Findings::default();
    for described in &mapping.tables {
        let Some(table) = tables.iter().find(|table| table.name == described.name) else { continue };
        let sources = described.fields.get(FIELD).into_iter().chain(described.lines.iter().filter_map(|line| line.set.get(FIELD)));
        let columns: BTreeSet<&str> = sources.flat_map(columns).collect();
        for column in columns {
            let Some(at) = table.column(column) else { continue };
            let leaks = table.rows().filter(|row| is_nhs_number(row.field(at)));
            let mut lines = leaks.map(|row| row.line);
            let Some(first) = lines.next() else { continue };
            let said = format!("{} values in {column} look like NHS numbers, the first here. The file is sealed.", 1 + lines.count());
            let part = described.member.as_deref().unwrap_or(&described.file);
            findings.push(Finding::new(Rule::Igv05, said).in_part(part).in_column(column).at_line(first));
        }
    }
    findings
}

fn columns(source: &FieldSource) -> Vec<&str> {
    match source {
        FieldSource::Column { column, .. } => vec![column],
        FieldSource::Joined { columns, .. } => columns.iter().map(String::as_str).collect(),
        FieldSource::Value(_) => Vec::new(),
    }
}
