//! Manifests: the list inside an archive of how many rows each member has.

use super::columns::plain_name;
use super::records::{Cutter, Record};
use super::structure::announced_number;
use super::{quoted, text};
use crate::feed::{Finding, Rule};
use crate::normalise::mapping::{Encoding, Manifest};

/// Most columns and rows of a manifest: far more than an archive has members.
const MOST: usize = 200;

/// Reads the announced numbers of rows, by member name.
///
/// # Errors
/// The finding that rejects the archive (STR-06), where the list cannot be read.
pub fn announced_rows(bytes: &[u8], manifest: &Manifest) -> Result<Vec<(String, u64)>, Finding> {
    let wrong = |why: &str| Finding::new(Rule::Str06, format!("{} cannot be used: {why}.", manifest.member)).in_part(&manifest.member);
    let text = text::decode(bytes, Encoding::Utf8).map_err(|_| wrong("it is not text"))?;
    let mut cutter = Cutter::new(&text.text, b',', true, MOST);
    let mut next = || cutter.next_record().map_err(|_| wrong("a quote is not closed"));
    let header = next()?.ok_or_else(|| wrong("it is empty"))?;
    let column = |name: &str| {
        let found = header.fields.iter().position(|field| plain_name(field) == plain_name(name));
        found.ok_or_else(|| wrong(&format!("column {name} is missing")))
    };
    let (names, rows) = (column(&manifest.name_column)?, column(&manifest.rows_column)?);
    let mut announced = Vec::new();
    while let Some(record) = next()? {
        if record.is_blank() {
            continue;
        }
        if announced.len() == MOST {
            return Err(wrong("it has too many rows"));
        }
        let field = |record: &Record<'_>, at: usize| record.fields.get(at).map(|field| field.trim().to_owned()).unwrap_or_default();
        let count =
            announced_number(&field(&record, rows)).ok_or_else(|| wrong(&format!("line {} states no number of rows", record.line)))?;
        announced.push((field(&record, names), count));
    }
    Ok(announced)
}

/// Compares what a manifest announces of a member with the rows it has (STR-06).
#[must_use]
pub fn compare(announced: &[(String, u64)], manifest: &Manifest, member: &str, rows: u64) -> Option<Finding> {
    // Some writers list members without their ending.
    let stem = |name: &str| name.rsplit_once('.').map_or(name, |(stem, _)| stem).to_ascii_lowercase();
    let message = match announced.iter().find(|(name, _)| stem(name) == stem(member)) {
        Some((_, count)) if *count == rows => return None,
        Some((_, count)) => format!("{} says {count} rows, {} has {rows}.", manifest.member, quoted(member)),
        None => format!("{} does not list {}.", manifest.member, quoted(member)),
    };
    Some(Finding::new(Rule::Str06, message).in_part(member))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        Manifest { member: "SRManifest.csv".into(), name_column: "FileName".into(), rows_column: "RowCount".into() }
    }

    #[test]
    fn str_06_a_member_has_the_rows_that_the_manifest_announces() {
        let rows: [(&str, u64, &str); 7] = [
            ("FileName,RowCount\nBedList.csv,3\n", 3, ""),
            ("\"File Name\",\"Row Count\"\r\n\"BEDLIST\",\"1,003\"\r\n", 1003, ""),
            ("FileName,RowCount\nBedList.csv,3\n", 2, "says 3 rows, BedList.csv has 2"),
            ("FileName,RowCount\nOther.csv,3\n", 3, "does not list BedList.csv"),
            ("FileName,Rows\nBedList.csv,3\n", 3, "column RowCount is missing"),
            ("FileName,RowCount\nBedList.csv,many\n", 3, "line 2 states no number"),
            ("", 3, "it is empty"),
        ];
        for (text, has, expected) in rows {
            let found = match announced_rows(text.as_bytes(), &manifest()) {
                Ok(announced) => compare(&announced, &manifest(), "BedList.csv", has),
                Err(finding) => Some(finding),
            };
            let said = found.map(|finding| finding.message).unwrap_or_default();
            assert!(said.contains(expected) && said.is_empty() == expected.is_empty(), "{text}: {said}");
        }
    }
}
