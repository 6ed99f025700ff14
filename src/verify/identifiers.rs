//! Identifiers: columns and values that point to a person (IGV-01, IGV-02). A leak seals the file.
//!
//! Owns the names that give a person away and the NHS number's check. Refuses to repeat a value, ever.

use super::columns::FileColumn;
use crate::feed::{Finding, Findings, Rule};

/// Values that must pass before a column counts as holding NHS numbers.
const FEWEST_NUMBERS: u64 = 3;

/// Share of a column's ten-digit values that must pass, in percent. Of random ten-digit numbers one in eleven does.
const SHARE_PERCENT: u64 = 80;

/// Longest field that is looked through, in characters; longer ones are looked at up to there.
const MAX_LOOKED_AT: usize = 4096;

/// Words for places and organisations: a name of one of these is not a person's.
const PLACES: &[&str] = &[
    "ward",
    "unit",
    "home",
    "site",
    "hospital",
    "bed",
    "bay",
    "room",
    "trust",
    "org",
    "provider",
    "district",
    "service",
    "team",
    "specialty",
    "speciality",
    "group",
    "file",
    "column",
    "table",
    "area",
    "location",
    "system",
    "directorate",
    "division",
    "dataset",
    "feed",
    "source",
];

/// Words for places that have addresses of their own. A home is not one: "home address" is a patient's.
const PLACES_WITH_ADDRESSES: &[&str] = &["ward", "unit", "site", "hospital", "trust", "provider"];

/// Parts of a column name, without spaces and punctuation, that give a person away wherever they stand.
const TELLING: &[&str] = &[
    "surname",
    "forename",
    "firstname",
    "lastname",
    "givenname",
    "familyname",
    "middlename",
    "maidenname",
    "patientname",
    "personname",
    "clientname",
    "residentname",
    "fullname",
    "dateofbirth",
    "birthdate",
    "birthday",
    "yearofbirth",
    "datebirth",
    "nhsnum",
    "postcode",
    "postalcode",
    "hospitalnum",
    "hospnum",
    "patientnum",
    "patientid",
    "freetext",
    "comment",
    "casenote",
];

/// The same, as a whole name or at its end.
const TELLING_ENDS: &[&str] = &["nhsno", "nhsid", "hospitalno", "hospno", "patientno", "notes", "note", "mrn", "dob", "birth", "address"];

/// The same, as a whole name or at its start.
const TELLING_STARTS: &[&str] = &["mrn", "dob", "address"];

/// Whether a column name (without spaces and punctuation, in small letters) says that it holds people's identities.
#[must_use]
pub fn names_a_person(plain_name: &str) -> bool {
    let of = |places: &[&str]| places.iter().any(|place| plain_name.contains(place));
    let ends = |list: &[&str]| list.iter().any(|text| plain_name.ends_with(text));
    TELLING.iter().any(|text| plain_name.contains(text))
        || (ends(TELLING_ENDS) && !(plain_name.ends_with("address") && of(PLACES_WITH_ADDRESSES)))
        || TELLING_STARTS.iter().any(|text| plain_name.starts_with(text))
        || plain_name == "nhs"
        || ((plain_name.ends_with("name") || plain_name.ends_with("names")) && !of(PLACES))
}

/// Looks at every value of a table for NHS numbers, column by column.
#[derive(Clone, Debug, Default)]
pub struct Scan {
    /// For each column: ten-digit values seen, and those of them that pass the check.
    seen: Vec<(u64, u64)>,
}

impl Scan {
    /// Looks at one field of the column at a position.
    pub fn look(&mut self, column: usize, field: &str) {
        if field.bytes().filter(u8::is_ascii_digit).count() < 10 {
            return;
        }
        let (mut seen, mut passed) = (0, 0);
        for digits in candidates(field) {
            seen += 1;
            passed += u64::from(passes(digits));
        }
        if seen == 0 {
            return;
        }
        if self.seen.len() <= column {
            self.seen.resize(column + 1, (0, 0));
        }
        if let Some(sums) = self.seen.get_mut(column) {
            sums.0 += seen;
            sums.1 += passed;
        }
    }

    /// What the values give away. Columns declared as identifiers are left out: there they are expected and dropped.
    #[must_use]
    pub fn findings(&self, columns: &[FileColumn]) -> Findings {
        let mut findings = Findings::default();
        for (at, (seen, passed)) in self.seen.iter().enumerate() {
            let column = columns.get(at);
            let leaks = *passed >= FEWEST_NUMBERS && passed.saturating_mul(100) >= seen.saturating_mul(SHARE_PERCENT);
            if !leaks || column.is_some_and(|column| column.identifier) {
                continue;
            }
            let label = column.map_or_else(|| format!("column {}", at + 1), |column| column.label.clone());
            let message = format!("{passed} values in {label} look like NHS numbers. The file is sealed.");
            findings.push(Finding::new(Rule::Igv02, message).in_column(&label));
        }
        findings
    }
}

/// Looks for NHS numbers in a file that was not read as a table: one under a name that nobody agreed, or that is not what
/// it should be. A leak is a leak under any name.
#[must_use]
pub fn scan_unread(bytes: &[u8]) -> Findings {
    let mut scan = Scan::default();
    bytes.split(|byte| *byte == b'\n').for_each(|line| scan.look(0, &String::from_utf8_lossy(line)));
    scan.findings(&[FileColumn { label: "the file".to_owned(), identifier: false }])
}

/// Whether a text as a whole looks like an NHS number: ten digits that pass the check, with or without spaces and dashes.
#[must_use]
pub fn is_nhs_number(text: &str) -> bool {
    let text = text.trim();
    text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b' ' | b'-')) && candidates(text).into_iter().any(passes)
}

/// Ten digits by Modulus 11. Source: NHS Data Dictionary, NHS NUMBER: weights 10 to 2, eleven less the remainder.
fn passes(digits: [u8; 10]) -> bool {
    // Dummies such as 0000000000 and 0123456789 pass, and so may a time such as 2018120310; none is anybody's number.
    let steps = |by: u8| digits.iter().zip(digits.iter().skip(1)).all(|(digit, next)| (digit + by) % 10 == *next);
    let dummy = steps(0) || steps(1);
    if dummy || looks_like_an_hour(digits) {
        return false;
    }
    let weighted: u32 = digits.iter().zip((2..=10).rev()).map(|(digit, weight)| u32::from(*digit) * weight).sum();
    let check = match 11 - weighted % 11 {
        11 => 0,
        check => check,
    };
    digits.last().is_some_and(|last| u32::from(*last) == check)
}

/// Whether ten digits read as year, month, day and hour of this century or the end of the last.
fn looks_like_an_hour(digits: [u8; 10]) -> bool {
    let [a, b, _, _, c, d, e, f, g, h] = digits;
    let (century, month, day, hour) = (a * 10 + b, c * 10 + d, e * 10 + f, g * 10 + h);
    (19..=20).contains(&century) && (1..=12).contains(&month) && (1..=31).contains(&day) && hour <= 24
}

/// A run of digits in a text, and whether a dash or a dot ties it to the run before or after.
struct Run<'a> {
    digits: &'a [u8],
    tied: Option<u8>,
}

/// Every ten digits in a text that could be an NHS number: alone, or in groups of 3, 3 and 4, or the whole text.
fn candidates(field: &str) -> Vec<[u8; 10]> {
    let bytes = field.as_bytes().get(..MAX_LOOKED_AT).unwrap_or(field.as_bytes());
    let only_digits = |bytes: &[u8]| -> Option<[u8; 10]> {
        let digits: Vec<u8> = bytes.iter().filter(|b| b.is_ascii_digit()).map(|b| b - b'0').collect();
        digits.try_into().ok()
    };
    if bytes.iter().all(|b| b.is_ascii_digit() || matches!(b, b' ' | b'-')) && bytes.iter().filter(|b| b.is_ascii_digit()).count() == 10 {
        return only_digits(bytes).into_iter().collect();
    }
    let runs = runs(bytes);
    let tied = |run: Option<&Run<'_>>| run.and_then(|run| run.tied).is_some_and(|tie| tie != b' ');
    let mut found = Vec::new();
    for (at, run) in runs.iter().enumerate() {
        if run.digits.len() == 10 && !tied(Some(run)) && !tied(runs.get(at + 1)) {
            found.extend(only_digits(run.digits));
        }
        let [Some(second), Some(third)] = [runs.get(at + 1), runs.get(at + 2)] else { continue };
        let grouped = [run.digits.len(), second.digits.len(), third.digits.len()] == [3, 3, 4];
        let joined = second.tied.is_some() && second.tied == third.tied && !tied(Some(run)) && !tied(runs.get(at + 3));
        if grouped && joined {
            found.extend(only_digits(&[run.digits, second.digits, third.digits].concat()));
        }
    }
    found
}

fn runs(bytes: &[u8]) -> Vec<Run<'_>> {
    let mut runs = Vec::new();
    let mut rest = bytes;
    let mut gap: &[u8] = b"  ";
    while let Some(start) = rest.iter().position(u8::is_ascii_digit) {
        let (before, from) = rest.split_at(start);
        if !runs.is_empty() {
            gap = before;
        }
        let end = from.iter().position(|b| !b.is_ascii_digit()).unwrap_or(from.len());
        let (digits, after) = from.split_at(end);
        let tied = match gap {
            [tie @ (b' ' | b'-' | b'.' | b'/' | b':')] => Some(*tie),
            _ => None,
        };
        runs.push(Run { digits, tied });
        rest = after;
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::super::columns::plain_name;
    use super::*;

    #[test]
    fn igv_01_a_column_name_that_gives_a_person_away_is_known() {
        let persons = [
            "NHS No",
            "nhs_number",
            "NHS",
            "Patient Name",
            "NAME",
            "Surname",
            "forename",
            "DOB",
            "Date of Birth",
            "BirthDate",
            "Pat DOB",
            "Postcode",
            "Home Address",
            "Address Line 1",
            "MRN",
            "Hospital Number",
            "Hospital No",
            "Notes",
            "Comments",
            "ConsultantName",
        ];
        for name in persons {
            assert!(names_a_person(&plain_name(name)), "{name}");
        }
        let others = [
            "Ward name",
            "Home Name",
            "WARD_DESC",
            "UnitName",
            "BedName",
            "Site Name",
            "File names",
            "Birthing pool",
            "NHS Norfolk beds",
            "Hospital Norwich",
            "Status",
            "Occupied",
            "Site address",
            "Noted closed",
            "",
            "Specialty Name",
        ];
        for name in others {
            assert!(!names_a_person(&plain_name(name)), "{name}");
        }
    }

    #[test]
    fn an_nhs_number_passes_modulus_11() {
        let rows = [
            ("9434765919", true),
            ("943 476 5919", true),
            ("943-476-5919", true),
            ("9434765918", false),
            ("0000000000", false),
            ("2018120310", false),
            ("see 9434765919 and ring", true),
            ("in bay 4 9434765919", true),
            ("told 943 476 5919 today", true),
            ("1-1000000001", false),
            ("20181203101500", false),
            ("2018-12-03 10:15", false),
            ("03/12/2018 10:15", false),
            ("01603 9434765919-2", false),
        ];
        for (text, expected) in rows {
            assert_eq!(candidates(text).into_iter().any(passes), expected, "{text}");
        }
    }

    fn leaks(values: &[&str], identifier: bool) -> u64 {
        let mut scan = Scan::default();
        values.iter().for_each(|value| scan.look(1, value));
        let column = |label: &str, identifier| FileColumn { label: label.to_owned(), identifier };
        let findings = scan.findings(&[column("A", false), column("B", identifier)]);
        assert!(findings.iter().all(|f| values.iter().all(|value| !f.message.contains(value))));
        findings.count_of(Rule::Igv02)
    }

    #[test]
    fn igv_02_three_numbers_and_four_in_five_seal_a_file() {
        let good = "9434765919";
        let bad = "9434765918";
        assert_eq!(leaks(&[good, good], false), 0);
        assert_eq!(leaks(&[good, good, good], false), 1);
        assert_eq!(leaks(&[good, good, good], true), 0);
        assert_eq!(leaks(&[good, good, good, good, bad], false), 1);
        assert_eq!(leaks(&[good, good, good, bad], false), 0);
        assert_eq!(leaks(&["note 943 476 5919", "x 9434765919.", "9434765919"], false), 1);
    }
}
