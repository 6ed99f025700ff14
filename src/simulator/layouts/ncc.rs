//! The council's care homes: one row a home and bed type, out of the capacity tracker. Apostrophes and commas in names,
//! decimals on whole numbers, figures of very different ages, and blank lines at the end.

use super::ExtractFile;
use super::page::{Page, quoted_where};
use crate::bedstate::EmptyState;
use crate::simulator::state::{Bed, WardState};

const COLUMNS: [&str; 10] = [
    "CQC Location ID",
    "Home Name",
    "District",
    "Bed Type",
    "Max Capacity",
    "Occupied",
    "Vacant (reserved)",
    "Vacant (accepting)",
    "Closed",
    "Last Updated",
];
const DISTRICTS: [&str; 7] =
    ["Breckland", "Broadland", "Great Yarmouth", "King's Lynn and West Norfolk", "North Norfolk", "Norwich", "South Norfolk"];
const CLOSURES: [&str; 3] = ["Y (D&V)", "Y", "Y (flu)"];

pub(super) fn write(page: &Page<'_>, incomplete_row: bool) -> Vec<ExtractFile> {
    let mut lines = vec![line(COLUMNS.map(str::to_owned))];
    for (row, ward) in page.organisation.wards.iter().enumerate() {
        lines.push(home(page, row, ward));
    }
    if incomplete_row && let Some((code, name)) = page.organisation.bare_sites.first() {
        let fields = [code.as_str(), name, "Norwich", "Transitional/Short stay", "18", "18", "0", "", "N", ""];
        lines.push(line(fields.map(str::to_owned)));
    }
    let text = lines.join("\r\n") + "\r\n\r\n\r\n";
    let name = format!("{}_CAREHOME_CAPACITY_{}.csv", page.provider, page.stamp_in_name("%Y%m%d%H%M"));
    vec![ExtractFile { name, bytes: text.into_bytes() }]
}

fn home(page: &Page<'_>, row: usize, ward: &WardState) -> String {
    let closed = ward.count(|bed| matches!(bed, Bed::Closed(_)));
    let reserved = ward.count(|bed| matches!(bed, Bed::Empty(EmptyState::Reserved)));
    let empty = ward.count(|bed| matches!(bed, Bed::Empty(_)));
    let occupied = ward.count(|bed| matches!(bed, Bed::Occupied(_)));
    let district = ward.ward.site_code.bytes().last().map_or(0, usize::from) % DISTRICTS.len();
    let closure = if ward.closed_to_admissions { CLOSURES.get(row % CLOSURES.len()).copied().unwrap_or("Y") } else { "N" };
    // Some homes type their figures into a form that keeps decimals.
    let decimals = row % 4 == 1;
    line([
        ward.ward.site_code.clone(),
        ward.site_name.clone(),
        DISTRICTS.get(district).copied().unwrap_or_default().to_owned(),
        bed_type(&ward.ward.ward_code).to_owned(),
        if decimals { format!("{}.0", ward.beds.len()) } else { ward.beds.len().to_string() },
        if decimals { format!("{occupied}.0") } else { occupied.to_string() },
        reserved.to_string(),
        // A closed home still counts its vacancies.
        (empty.saturating_sub(reserved) + closed).to_string(),
        closure.to_owned(),
        page.local(ward.updated_at, "%d/%m/%Y %H:%M"),
    ])
}

fn line(fields: [String; 10]) -> String {
    quoted_where(&[',', '"', '\''], fields)
}

/// The tracker's word for a bed type.
fn bed_type(ward_code: &str) -> &'static str {
    match ward_code {
        "CHNUR" => "General Nursing",
        "CHRESDEM" => "Dementia Residential",
        "CHNURDEM" => "Dementia Nursing",
        "CHLD" => "Learning Disability",
        "CHMH" => "Mental Health",
        "CHSHORT" => "Transitional/Short stay",
        _ => "General Residential",
    }
}
