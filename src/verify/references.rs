//! References: what requests for a bed are told apart by is no NHS number (IGV-05).
//!
//! Owns what is said of one that is. Refuses to repeat it.

use crate::feed::{Finding, Findings, Rule};
use crate::normalise::references::LikeNhsNumbers;

/// Says which columns gave references that look like NHS numbers. One is enough: a reference is meant to mean nothing, and one
/// that passes as an NHS number cannot be told from one.
#[must_use]
pub fn check(found: &LikeNhsNumbers) -> Findings {
    let mut findings = Findings::default();
    for ((part, column), seen) in found {
        let said = format!("{} values in {column} look like NHS numbers, the first here. The file is sealed.", seen.rows);
        let finding = Finding::new(Rule::Igv05, said).in_part(part);
        findings.push(if column.is_empty() { finding } else { finding.in_column(column) }.at_line(seen.first));
    }
    findings
}
