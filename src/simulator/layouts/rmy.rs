//! Norfolk and Suffolk: mental health. Genders and age bands as texts, beds held for patients on leave, requests for beds
//! among the beds, unquoted with LF, and a control file of `key=value` lines.

use super::page::{Page, quoted_where};
use super::{ExtractFile, sequence};
use crate::bedstate::{BedSex, ClosedReason, DATASET, DemandSource, EmptyState, Gender, Ready};
use crate::feed::Digest;
use crate::simulator::state::{Bed, Patient, WardState};

const COLUMNS: [&str; 12] =
    ["SnapshotTime", "Unit", "Ward", "WardSex", "Security", "Bed", "TYPE", "State", "Gender", "AgeGroup", "Reason", "RequestedAt"];
const SECONDS: &str = "%Y-%m-%dT%H:%M:%S";

pub(super) fn write(page: &Page<'_>) -> Vec<ExtractFile> {
    let now = page.stamp(SECONDS);
    let mut lines = vec![line(COLUMNS.into_iter().map(str::to_owned).chain(page.leaked_heading()))];
    for (row, (ward, number, bed)) in page.beds().enumerate() {
        let (state, reason, patient) = describe(bed);
        let (gender, age) = person(page, patient);
        let fields = [
            now.clone(),
            ward.ward.site_code.clone(),
            ward.ward.ward_code.clone(),
            sex(ward.ward.bed_sex).to_owned(),
            if ward.ward.ward_type == "MHSECURE" { "Low" } else { "General" }.to_owned(),
            bed_name(ward, number),
            "BED".to_owned(),
            state.to_owned(),
            gender,
            age,
            reason.to_owned(),
            String::new(),
        ];
        lines.push(line(fields.into_iter().chain(page.leaked_cell(row, patient.is_some()))));
    }
    for waiting in page.waiting() {
        let (gender, age) = person(page, Some(&waiting.patient));
        let reason = match waiting.source {
            DemandSource::Section136 => "Section 136",
            DemandSource::Repatriation => "Repatriation",
            _ => "Crisis",
        };
        let blank = String::new;
        let fields = [
            now.clone(),
            waiting.site.0.clone(),
            blank(),
            blank(),
            blank(),
            blank(),
            "REQ".to_owned(),
            "Awaiting bed".to_owned(),
            gender,
            age,
            reason.to_owned(),
            page.local(waiting.since, SECONDS),
        ];
        lines.push(line(fields.into_iter().chain(page.leaked_cell(lines.len(), true))));
    }
    let rows = lines.len() - 1;
    let bytes = (lines.join("\n") + "\n").into_bytes();
    let stem = format!("{}-bedstate-{}", page.provider, page.now("%Y-%m-%dT%H%M"));
    let control = control(page, rows, &bytes);
    vec![ExtractFile { name: format!("{stem}.csv"), bytes }, ExtractFile { name: format!("{stem}.ctl"), bytes: control.into_bytes() }]
}

fn control(page: &Page<'_>, rows: usize, bytes: &[u8]) -> String {
    let snapshot_at = page.at.to_zoned(page.zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string();
    format!(
        "dataset={DATASET}\nprovider_code={}\nsnapshot_at={snapshot_at}\nsequence_no={}\nrow_count={rows}\nsha256={}\nkind=FULL\n",
        page.provider,
        sequence(page.at),
        Digest::of(bytes)
    )
}

/// This system never quotes; its values hold no commas.
fn line(fields: impl IntoIterator<Item = String>) -> String {
    quoted_where(&[], fields)
}

/// State and reason as this system writes them, and who is in the bed.
fn describe(bed: &Bed) -> (&'static str, &'static str, Option<&Patient>) {
    match bed {
        Bed::Occupied(patient) => {
            let reason = match patient.ready {
                Ready::Delayed => "Delayed",
                Ready::Ready => "Ready to leave",
                Ready::No | Ready::Unknown => "",
            };
            ("Occupied", reason, Some(patient))
        }
        Bed::Empty(EmptyState::Leave) => ("On leave - bed held", "", None),
        Bed::Empty(_) => ("Vacant", "", None),
        Bed::Closed(reason) => {
            let reason = match reason {
                ClosedReason::Infection => "Infection",
                ClosedReason::Staffing => "Staffing",
                ClosedReason::Estates => "Estates",
                ClosedReason::Timetable | ClosedReason::Companion | ClosedReason::Other => "Other",
            };
            ("Closed", reason, None)
        }
    }
}

fn sex(sex: BedSex) -> &'static str {
    match sex {
        BedSex::Male => "Male",
        BedSex::Female => "Female",
        BedSex::NotSpecified => "Mixed",
    }
}

fn bed_name(ward: &WardState, number: usize) -> String {
    let letter = match ward.ward.bed_sex {
        BedSex::Male => 'M',
        BedSex::Female => 'F',
        BedSex::NotSpecified => 'B',
    };
    format!("{letter}{number:02}")
}

/// Gender and age band as texts; from 85 on there is one band, which is not one of the dataset's.
fn person(page: &Page<'_>, patient: Option<&Patient>) -> (String, String) {
    let Some(patient) = patient else { return (String::new(), String::new()) };
    let gender = match patient.gender {
        Gender::Male => "Male",
        Gender::Female => "Female",
        Gender::Indeterminate => "Indeterminate",
        Gender::Unknown => "Not Known",
    };
    let age = page.age(patient);
    let from = age / 5 * 5;
    let band = if age >= 85 { "Over 85".to_owned() } else { format!("{from} to {}", from + 4) };
    (gender.to_owned(), band)
}
