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
    let mut announced: Vec<(String, u64)> = Vec::new();
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
        let name = field(&record, names);
        if announced.iter().any(|(other, before)| same(other, &name) && *before != count) {
            return Err(wrong(&format!("line {} lists a member again, with another number of rows", record.line)));
        }
        announced.push((name, count));
    }
    Ok(announced)
}

/// Compares what a manifest announces of a member with the rows it has (STR-06).
#[must_use]
pub fn compare(announced: &[(String, u64)], manifest: &Manifest, member: &str, rows: u64) -> Option<Finding> {
    let message = match announced.iter().find(|(name, _)| same(name, member)) {
        Some((_, count)) if *count == rows => return None,
        Some((_, count)) => format!("{} says {count} rows, {} has {rows}.", manifest.member, quoted(member)),
        None => format!("{} does not list {}.", manifest.member, quoted(member)),
    };
    Some(Finding::new(Rule::Str06, message).in_part(member))
}

/// What a manifest lists with rows and that did not come (STR-06). `names` are of all members that came; that one of the `wanted`
/// did not come is said elsewhere. Which name is not repeated: nobody agreed what may stand there.
#[must_use]
pub fn absent(announced: &[(String, u64)], manifest: &Manifest, names: &[String], wanted: &[&str]) -> Option<Finding> {
    let came = |name: &str| names.iter().map(String::as_str).chain(wanted.iter().copied()).any(|other| same(name, other));
    let count = announced.iter().filter(|(name, rows)| *rows > 0 && !came(name)).count();
    let message = || format!("{} lists members that are not in the archive ({count}).", manifest.member);
    (count > 0).then(|| Finding::new(Rule::Str06, message()).in_part(&manifest.member))
}

/// Whether two names are of the same member. Some writers list members without their ending.
fn same(one: &str, other: &str) -> bool {
    let stem = |name: &str| name.rsplit_once('.').map(|(stem, _)| stem.to_owned());
    let without_ending = |long: &str, short: &str| stem(short).is_none() && stem(long).is_some_and(|stem| stem.eq_ignore_ascii_case(short));
    one.eq_ignore_ascii_case(other) || without_ending(one, other) || without_ending(other, one)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        Manifest { member: "SRManifest.csv".into(), name_column: "FileName".into(), rows_column: "RowCount".into() }
    }

    #[test]
    fn str_06_a_member_has_the_rows_that_the_manifest_announces() {
        let rows: [(&str, u64, &str); 11] = [
            ("FileName,RowCount\nBedList.csv,3\n", 3, ""),
            ("\"File Name\",\"Row Count\"\r\n\"BEDLIST\",\"1,003\"\r\n", 1003, ""),
            ("FileName,RowCount\nBedList.csv,3\n", 2, "says 3 rows, BedList.csv has 2"),
            ("FileName,RowCount\nOther.csv,3\n", 3, "does not list BedList.csv"),
            ("FileName,RowCount\nBedList.csv,3\nBEDLIST,4\n", 3, "line 3 lists a member again"),
            ("FileName,RowCount\nBedList.csv,3\nBedList.csv,3\n", 3, ""),
            ("FileName,RowCount\nBedList.csv,3\nBedList.txt,4\n", 3, "lists members that are not in the archive (1)."),
            ("FileName,RowCount\nBedList.csv,3\nNotes.txt,4\nEmpty.csv,0\nWanted,2\n", 3, ""),
            ("FileName,Rows\nBedList.csv,3\n", 3, "column RowCount is missing"),
            ("FileName,RowCount\nBedList.csv,many\n", 3, "line 2 states no number"),
            ("", 3, "it is empty"),
        ];
        let came = ["BedList.csv".to_owned(), "notes.txt".to_owned()];
        for (text, has, expected) in rows {
            let found = match announced_rows(text.as_bytes(), &manifest()) {
                Ok(announced) => {
                    compare(&announced, &manifest(), "BedList.csv", has).or_else(|| absent(&announced, &manifest(), &came, &["Wanted.csv"]))
                }
                Err(finding) => Some(finding),
            };
            let said = found.map(|finding| finding.message).unwrap_or_default();
            assert!(said.contains(expected) && said.is_empty() == expected.is_empty(), "{text}: {said}");
        }
    }
}
