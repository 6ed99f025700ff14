//! Norfolk Community Health and Care: a zip with a manifest and three quoted tables. Wards go by name, months are words,
//! truth is TRUE, some rows are there twice with the same identifier, and an unknown time is midnight.

use super::page::{Page, quoted};
use super::{ExtractError, ExtractFile};
use crate::bedstate::{ClosedReason, Gender, Ready};
use crate::simulator::state::{Bed, WardState};
use std::io::{Cursor, Write as _};
use zip::CompressionMethod;
use zip::write::{SimpleFileOptions, ZipWriter};

const SECONDS: &str = "%d %b %Y %H:%M:%S";
const MIDNIGHT: &str = "%d %b %Y 00:00:00";
/// Every so many rows the report's join doubles one.
const COPY_EVERY: usize = 23;

pub(super) fn write(page: &Page<'_>) -> Result<Vec<ExtractFile>, ExtractError> {
    let members = [("BedList.csv", bed_list(page)), ("BedClosure.csv", closures(page)), ("StepDown.csv", step_down(page))];
    let mut manifest = vec![quoted(["FileName", "RowCount"])];
    manifest.extend(members.iter().map(|(name, lines)| quoted([*name, (lines.len() - 1).to_string().as_str()])));
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let method = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    let archive_error = |source| ExtractError::Archive { provider: page.provider.clone(), source };
    for (name, lines) in std::iter::once(("SRManifest.csv", manifest)).chain(members) {
        archive.start_file(name, method).map_err(archive_error)?;
        let text = lines.join("\r\n") + "\r\n";
        archive.write_all(text.as_bytes()).map_err(|source| ExtractError::ArchiveMember { provider: page.provider.clone(), source })?;
    }
    let bytes = archive.finish().map_err(archive_error)?.into_inner();
    Ok(vec![ExtractFile { name: format!("{}_{}.zip", page.provider, page.now("%Y%m%d_%H%M%S")), bytes }])
}

fn bed_list(page: &Page<'_>) -> Vec<String> {
    let columns = [
        "RowIdentifier",
        "IDOrganisation",
        "DateExtract",
        "UnitName",
        "WardName",
        "BedName",
        "Occupied",
        "Gender",
        "AgeYears",
        "DischargeReady",
    ];
    let mut lines = vec![quoted(columns.into_iter().map(str::to_owned).chain(page.leaked_heading()))];
    let now = page.stamp(SECONDS);
    for (row, (ward, number, bed)) in page.beds().enumerate() {
        let patient = match bed {
            Bed::Occupied(patient) => Some(patient),
            Bed::Empty(_) | Bed::Closed(_) => None,
        };
        let fields = [
            (9001 + row).to_string(),
            page.provider.to_string(),
            now.clone(),
            ward.source.0.clone(),
            ward.source.1.clone(),
            bed_name(ward, number),
            truth(patient.is_some()),
            patient.map(|patient| gender(patient.gender).to_owned()).unwrap_or_default(),
            patient.map(|patient| page.age(patient).to_string()).unwrap_or_default(),
            truth(patient.is_some_and(|patient| patient.ready != Ready::No)),
        ];
        let line = quoted(fields.into_iter().chain(page.leaked_cell(row, patient.is_some())));
        push_perhaps_twice(&mut lines, line, row);
    }
    lines
}

fn closures(page: &Page<'_>) -> Vec<String> {
    let mut lines = vec![quoted(["UnitName", "WardName", "BedName", "DateClosed", "Reason"])];
    for (ward, number, bed) in page.beds() {
        let Bed::Closed(reason) = bed else { continue };
        let reason = match reason {
            ClosedReason::Infection => "Infection control",
            ClosedReason::Staffing => "Staffing",
            ClosedReason::Estates => "Maintenance",
            ClosedReason::Timetable | ClosedReason::Companion | ClosedReason::Other => "Other",
        };
        let fields = [ward.source.0.as_str(), &ward.source.1, &bed_name(ward, number), &page.now(MIDNIGHT), reason];
        lines.push(quoted(fields));
    }
    lines
}

fn step_down(page: &Page<'_>) -> Vec<String> {
    let mut lines = vec![quoted(["RowIdentifier", "UnitName", "Gender", "AgeYears", "DateAccepted"])];
    for (row, waiting) in page.waiting().enumerate() {
        // The clerk often notes the day alone.
        let accepted = if row % 2 == 0 { SECONDS } else { MIDNIGHT };
        let fields = [
            (70_001 + row).to_string(),
            waiting.site.1.clone(),
            gender(waiting.patient.gender).to_owned(),
            page.age(&waiting.patient).to_string(),
            page.local(waiting.since, accepted),
        ];
        push_perhaps_twice(&mut lines, quoted(fields), row + 20);
    }
    lines
}

fn push_perhaps_twice(lines: &mut Vec<String>, line: String, row: usize) {
    if row % COPY_EVERY == COPY_EVERY - 1 {
        lines.push(line.clone());
    }
    lines.push(line);
}

/// The ward's initial and a number, such as `E-01`.
fn bed_name(ward: &WardState, number: usize) -> String {
    let initial = ward.source.1.trim_start_matches("Ward ").chars().next().unwrap_or('X');
    format!("{initial}-{number:02}")
}

fn gender(gender: Gender) -> &'static str {
    match gender {
        Gender::Male => "Male",
        Gender::Female => "Female",
        Gender::Indeterminate | Gender::Unknown => "Indeterminate",
    }
}

fn truth(value: bool) -> String {
    if value { "TRUE" } else { "FALSE" }.to_owned()
}
