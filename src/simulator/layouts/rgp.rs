//! James Paget: ward counts that have been through a spreadsheet, and a second file of waiting patients.
//!
//! The quirks: a byte order mark, CRLF, three empty trailing columns, headings that drift from month to month, ward 07 that
//! became 7 and ward 5E1 that became a number, and three ways to say "nothing here".

use super::ExtractFile;
use super::page::{Page, quoted_where};
use crate::bedstate::{ClosedReason, DemandSource, Gender};
use crate::simulator::state::Bed;

/// Headings of the three drifting columns, by month: ward number, open beds, escalation beds.
const DRIFT: [[&str; 3]; 3] = [
    ["Ward No ", "Open Beds", "Esc beds open"],
    ["Ward Number", "Beds Open", "Esc beds open"],
    ["ward no", "Open  Beds", "Escalation beds"],
];
const BYTE_ORDER_MARK: char = '\u{feff}';

pub(super) fn write(page: &Page<'_>) -> Vec<ExtractFile> {
    let stamp = page.now("%d-%m-%Y %H%M");
    vec![
        ExtractFile { name: format!("JPUH beds {stamp}.csv"), bytes: beds(page).into_bytes() },
        ExtractFile { name: format!("JPUH waiting {stamp}.csv"), bytes: waiting(page).into_bytes() },
    ]
}

fn beds(page: &Page<'_>) -> String {
    let month = usize::try_from(page.today().month()).unwrap_or(0);
    let [number, open, escalation] = DRIFT.get(month % DRIFT.len()).copied().unwrap_or_default();
    let mut text = String::from(BYTE_ORDER_MARK);
    text += &spreadsheet_line([number, "Ward name", open, "Occ Male", "Occ Female", "Closed", "Closed reason", escalation, "", "", ""]);
    for (position, ward) in page.organisation.wards.iter().enumerate() {
        let male = ward.count(|bed| matches!(bed, Bed::Occupied(patient) if patient.gender == Gender::Male));
        let occupied = ward.count(|bed| matches!(bed, Bed::Occupied(_)));
        let closed = ward.count(|bed| matches!(bed, Bed::Closed(_)));
        let reason = match (closed, ward.closes_for) {
            (0, _) => ["", "-", "N/A"].get(position % 3).copied().unwrap_or_default(),
            (_, ClosedReason::Infection) => "Infection",
            (_, ClosedReason::Staffing) => "Staffing",
            (_, ClosedReason::Estates) => "Estates",
            (_, ClosedReason::Timetable | ClosedReason::Companion | ClosedReason::Other) => "Other",
        };
        let escalation = ["N/A", "4", "0", "-", ""].get(position % 5).copied().unwrap_or_default();
        text += &spreadsheet_line([
            through_a_spreadsheet(&ward.ward.ward_code).as_str(),
            ward.ward.name.as_str(),
            // What this trust calls open includes the closed beds.
            ward.beds.len().to_string().as_str(),
            male.to_string().as_str(),
            occupied.saturating_sub(male).to_string().as_str(),
            closed.to_string().as_str(),
            reason,
            escalation,
            "",
            "",
            "",
        ]);
    }
    text
}

fn waiting(page: &Page<'_>) -> String {
    let mut text = String::from(BYTE_ORDER_MARK);
    text += &spreadsheet_line(["Patient location", "Sex", "Age", "Specialty", "Decision to admit"]);
    for waiting in page.waiting() {
        let location = if waiting.source == DemandSource::Assessment { "Ambulatory" } else { "A&E" };
        let sex = if waiting.patient.gender == Gender::Male { "Male" } else { "Female" };
        let specialty = match waiting.specialty {
            "100" | "110" => "Surgery",
            "420" => "Paediatrics",
            _ => "Medicine",
        };
        let age = page.age(&waiting.patient).to_string();
        text += &spreadsheet_line([location, sex, age.as_str(), specialty, page.local(waiting.since, "%d/%m/%Y %H:%M").as_str()]);
    }
    text
}

fn spreadsheet_line<const N: usize>(fields: [&str; N]) -> String {
    quoted_where(&[',', '"'], fields) + "\r\n"
}

/// What a spreadsheet makes of a ward code: numbers lose leading zeros, and `5E1` is fifty.
fn through_a_spreadsheet(code: &str) -> String {
    if !code.is_empty() && code.chars().all(|c| c.is_ascii_digit()) {
        let trimmed = code.trim_start_matches('0');
        return if trimmed.is_empty() { "0".to_owned() } else { trimmed.to_owned() };
    }
    match code.split_once('E') {
        Some((mantissa, exponent)) if mantissa.len() == 1 && mantissa.chars().all(|c| c.is_ascii_digit()) => {
            exponent.parse::<u8>().map_or_else(|_| code.to_owned(), |exponent| format!("{mantissa}.00E+{exponent:02}"))
        }
        _ => code.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spreadsheet_damages_ward_codes_as_spreadsheets_do() {
        let rows = [("07", "7"), ("12", "12"), ("00", "0"), ("5E1", "5.00E+01"), ("W5E1", "W5E1"), ("EAST", "EAST"), ("", "")];
        for (code, damaged) in rows {
            assert_eq!(through_a_spreadsheet(code), damaged, "{code}");
        }
    }
}
