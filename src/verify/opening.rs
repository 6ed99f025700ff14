//! The opening of a table: where its first line that counts stands, and what really separates its fields.
//!
//! Owns lines before the column names, and separators that are plainly other than agreed (STR-03). Refuses to read on as if
//! nothing were wrong: what it finds out only makes the message better.

use super::columns;
use super::records::{Cutter, Record};
use crate::feed::{Finding, Rule};
use crate::normalise::mapping::TableMapping;

/// Separators in use, and what to call them.
const SEPARATORS: [(u8, &str); 5] = [(b',', "commas"), (b';', "semicolons"), (b'|', "pipes"), (b'\t', "tabs"), (b'^', "carets")];

/// Lines that are searched for column names which do not stand where they should.
const SEARCHED: usize = 10;

/// A text without its first lines, and how many lines that was: fewer where the text ends before.
#[must_use]
pub fn after_lines(text: &str, lines: usize) -> (&str, u64) {
    let (mut rest, mut skipped) = (text, 0);
    for _ in 0..lines {
        if rest.is_empty() {
            break;
        }
        let end = rest.find(['\n', '\r']).unwrap_or(rest.len());
        let (_, from) = rest.split_at_checked(end).unwrap_or((rest, ""));
        rest = from.strip_prefix("\r\n").or_else(|| from.strip_prefix(['\n', '\r'])).unwrap_or(from);
        skipped += 1;
    }
    (rest, skipped)
}

/// The separator that a text plainly has where it is not the agreed one, with the finding that says so.
#[must_use]
pub fn other_separator(text: &str, mapping: &TableMapping, max_columns: usize) -> Option<(u8, Finding)> {
    let first = |separator: u8| Cutter::new(text, separator, mapping.quoted, max_columns).next_record().ok().flatten();
    let agreed = first(mapping.delimiter)?;
    if agreed.count > 1 || fits(&agreed, mapping) {
        return None;
    }
    let found = SEPARATORS.iter().filter(|(separator, _)| *separator != mapping.delimiter);
    let (separator, name) = found.copied().find(|(separator, _)| first(*separator).is_some_and(|record| fits(&record, mapping)))?;
    let agreed_name = SEPARATORS.iter().find(|(separator, _)| *separator == mapping.delimiter);
    let agreed_name = agreed_name.map_or_else(|| format!("\"{}\"", char::from(mapping.delimiter)), |(_, name)| (*name).to_owned());
    let message = format!("The fields are separated by {name}; {agreed_name} were agreed.");
    Some((separator, Finding::new(Rule::Str03, message).at_line(agreed.line)))
}

/// Whether a first record is what the mapping expects there.
fn fits(record: &Record<'_>, mapping: &TableMapping) -> bool {
    if let Some(line) = &mapping.header_line {
        return record.count > 1 && record.fields.first().is_some_and(|field| field.trim().eq_ignore_ascii_case(&line.starts));
    }
    if mapping.header {
        return record.count > 1 && columns::is_plain(columns::matched(record, mapping), mapping);
    }
    record.count > 1 && record.count == mapping.columns.len()
}

/// Looks for the column names on the lines after the one that should have them; says where they are.
#[must_use]
pub fn names_further_down(cutter: &Cutter<'_>, mapping: &TableMapping) -> Option<u64> {
    let mut ahead = cutter.clone();
    for _ in 0..SEARCHED {
        let record = ahead.next_record().ok().flatten()?;
        if columns::is_plain(columns::matched(&record, mapping), mapping) {
            return Some(record.line);
        }
    }
    None
}

/// Looks for the column names on the lines that were skipped; says where they are.
#[must_use]
pub fn names_among_skipped(text: &str, mapping: &TableMapping, max_columns: usize) -> Option<u64> {
    let mut cutter = Cutter::new(text, mapping.delimiter, mapping.quoted, max_columns);
    while let Ok(Some(record)) = cutter.next_record() {
        if record.line > u64::try_from(mapping.skip_lines).unwrap_or(u64::MAX) {
            return None;
        }
        if columns::is_plain(columns::matched(&record, mapping), mapping) {
            return Some(record.line);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::testing::{beds, pipes};

    #[test]
    fn lines_are_skipped_whatever_they_end_with() {
        let rows = [
            ("a\nb\nc", 0, "a\nb\nc", 0),
            ("a\nb\nc", 2, "c", 2),
            ("a\r\nb\rc", 2, "c", 2),
            ("\n\"open\nc", 2, "c", 2),
            ("a", 3, "", 1),
            ("", 3, "", 0),
        ];
        for (text, lines, rest, skipped) in rows {
            assert_eq!(after_lines(text, lines), (rest, skipped), "{text:?}");
        }
    }

    #[test]
    fn str_03_another_separator_is_named() {
        let names = "WHEN,SITE,WARD,BED,STATUS,SEX,AGE\n1,2,3,4,5,6,7\n";
        let mut bare = pipes();
        bare.header_line = None;
        let rows = [
            (names.to_owned(), beds(), ""),
            (names.replace(',', ";"), beds(), "separated by semicolons; commas were agreed"),
            (names.replace(',', "\t"), beds(), "separated by tabs; commas"),
            (names.replace(',', "|"), beds(), "separated by pipes; commas"),
            // A text of one field that is nothing like the names is no other layout.
            ("nothing; like; it\n".to_owned(), beds(), ""),
            (String::new(), beds(), ""),
            ("H|RM1|1|20181203101500|B\n".to_owned(), pipes(), ""),
            ("H,RM1,1,20181203101500,B\n".to_owned(), pipes(), "separated by commas; pipes were agreed"),
            ("D;RM102;W1;B1;U;\n".to_owned(), bare.clone(), "separated by semicolons; pipes"),
            ("D;RM102;W1\n".to_owned(), bare, ""),
        ];
        for (text, mapping, expected) in rows {
            let said = other_separator(&text, &mapping, 200).map(|(_, finding)| finding.message).unwrap_or_default();
            assert!(said.contains(expected) && said.is_empty() == expected.is_empty(), "{text}: {said}");
        }
    }
}
