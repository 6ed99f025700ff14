//! Norfolk and Norwich: one line a bed, everything quoted, Windows-1252 with CRLF, emergency patients among the beds, a total
//! row, and a checksum file as `sha256sum` writes it.

use super::ExtractFile;
use super::page::{Page, quoted};
use crate::bedstate::{ClosedReason, EmptyState, Gender};
use crate::feed::Digest;
use crate::simulator::state::{Bed, Patient};

const COLUMNS: [&str; 12] =
    ["EXTRACT_DTTM", "SITE", "WARD_CODE", "WARD_DESC", "BAY", "BED", "STATUS", "SEX", "AGE", "SPEC", "LOC", "DTA_DTTM"];
const BEDS_IN_A_BAY: usize = 6;
const MINUTES: &str = "%d/%m/%Y %H:%M";

pub(super) fn write(page: &Page<'_>) -> Vec<ExtractFile> {
    let now = page.stamp(MINUTES);
    let mut lines = vec![quoted(COLUMNS.into_iter().map(str::to_owned).chain(page.leaked_heading()))];
    for (row, (ward, number, bed)) in page.beds().enumerate() {
        let (status, patient) = match bed {
            Bed::Occupied(patient) => ("OCC", Some(patient)),
            Bed::Empty(EmptyState::Cleaning) => ("VAC-DIRTY", None),
            Bed::Empty(_) => ("VAC", None),
            Bed::Closed(ClosedReason::Infection) => ("CLS-INF", None),
            Bed::Closed(_) => ("CLS-STF", None),
        };
        let (sex, age) = person(page, patient);
        let position = number - 1;
        let fields = [
            now.clone(),
            ward.ward.site_code.clone(),
            ward.ward.ward_code.clone(),
            ward.ward.name.clone(),
            format!("B{}", position / BEDS_IN_A_BAY + 1),
            format!("{:02}", position % BEDS_IN_A_BAY + 1),
            status.to_owned(),
            sex,
            age,
            ward.ward.treatment_function.clone().unwrap_or_default(),
            "IP".to_owned(),
            String::new(),
        ];
        lines.push(quoted(fields.into_iter().chain(page.leaked_cell(row, patient.is_some()))));
    }
    for waiting in page.waiting() {
        let (sex, age) = person(page, Some(&waiting.patient));
        let fields = [
            now.clone(),
            waiting.site.0.clone(),
            "EDMAJ".to_owned(),
            "A&E Majors".to_owned(),
            String::new(),
            String::new(),
            "DTA".to_owned(),
            sex,
            age,
            waiting.specialty.to_owned(),
            "ED".to_owned(),
            page.local(waiting.since, MINUTES),
        ];
        lines.push(quoted(fields.into_iter().chain(page.leaked_cell(lines.len(), true))));
    }
    let rows = (lines.len() - 1).to_string();
    let total = ["TOTAL", "", "", "", "", "", &rows, "", "", "", "", ""];
    lines.push(quoted(total.into_iter().map(str::to_owned).chain(page.leaked_cell(0, false))));
    let text = lines.join("\r\n") + "\r\n";
    let (bytes, _, _) = encoding_rs::WINDOWS_1252.encode(&text);
    let name = format!("{}_BEDSTATE_{}.csv", page.provider, page.now("%Y%m%d_%H%M"));
    let checksum = format!("{}  {name}\n", Digest::of(&bytes));
    vec![
        ExtractFile { name: name.clone(), bytes: bytes.into_owned() },
        ExtractFile { name: format!("{name}.sha256"), bytes: checksum.into_bytes() },
    ]
}

/// Sex and age as this system writes them; both blank where there is nobody.
fn person(page: &Page<'_>, patient: Option<&Patient>) -> (String, String) {
    let Some(patient) = patient else { return (String::new(), String::new()) };
    let sex = match patient.gender {
        Gender::Male => "M",
        Gender::Female => "F",
        Gender::Indeterminate | Gender::Unknown => "I",
    };
    (sex.to_owned(), page.age(patient).to_string())
}
