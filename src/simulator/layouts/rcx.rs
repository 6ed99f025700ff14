//! The Queen Elizabeth Hospital: pipes, no column names, HL7 bed letters, birth dates, first and last lines of their own,
//! and midnight written as 24:00 of the day before.

use super::page::Page;
use super::{ExtractFile, sequence};
use crate::bedstate::{EmptyState, Gender};
use crate::simulator::state::Bed;
use jiff::ToSpan;

const BEDS_IN_A_BAY: usize = 6;
const LETTERS: [&str; 26] =
    ["A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K", "L", "M", "N", "O", "P", "Q", "R", "S", "T", "U", "V", "W", "X", "Y", "Z"];

pub(super) fn write(page: &Page<'_>) -> Vec<ExtractFile> {
    let number = format!("{:07}", sequence(page.at));
    let mut text = format!("H|{}|{number}|{}|BEDSTATE\n", page.provider, seconds(page));
    let mut rows = 0_usize;
    for (ward, number, bed) in page.beds() {
        let (status, sex, born) = match bed {
            Bed::Occupied(patient) => {
                let sex = match patient.gender {
                    Gender::Male => "1",
                    Gender::Female => "2",
                    Gender::Indeterminate | Gender::Unknown => "9",
                };
                (if patient.isolated { "I" } else { "O" }, sex, patient.born.strftime("%Y%m%d").to_string())
            }
            // Some beds need more than a wipe: this system calls them contaminated.
            Bed::Empty(EmptyState::Cleaning) => (if number % 3 == 0 { "K" } else { "H" }, "", String::new()),
            Bed::Empty(_) => ("U", "", String::new()),
            Bed::Closed(_) => ("C", "", String::new()),
        };
        let (bay, place) = if ward.ward.ward_class == "CC" { ("-".to_owned(), format!("C{number}")) } else { bay_and_bed(number) };
        let ward = &ward.ward;
        let specialty = ward.treatment_function.as_deref().unwrap_or_default();
        text += &format!("D|{}|{}|{bay}|{place}|{status}|{sex}|{born}|{specialty}|C\n", ward.site_code, ward.ward_code);
        rows += 1;
    }
    text += &format!("T|{rows}\n");
    vec![ExtractFile { name: format!("rcx_bs_{number}.txt"), bytes: text.into_bytes() }]
}

/// The local time to the second; midnight is hour 24 of the day before.
fn seconds(page: &Page<'_>) -> String {
    let now = page.now("%Y%m%d%H%M%S");
    match (now.strip_suffix("000000"), page.today().checked_sub(1.day())) {
        (Some(_), Ok(yesterday)) => format!("{}240000", yesterday.strftime("%Y%m%d")),
        _ => now,
    }
}

/// Bays are letters; a ward with more than 26 numbers them after that.
fn bay_and_bed(number: usize) -> (String, String) {
    let position = number - 1;
    let bay = position / BEDS_IN_A_BAY;
    let letter = LETTERS.get(bay % LETTERS.len()).copied().unwrap_or_default();
    let round = bay / LETTERS.len();
    let bay = if round == 0 { letter.to_owned() } else { format!("{letter}{round}") };
    (bay, format!("{:02}", position % BEDS_IN_A_BAY + 1))
}
