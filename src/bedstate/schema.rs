//! The published schema of the generic dataset: a Frictionless Table Schema, made from the same code lists as the checks.

use super::codes::{
    AgeBand, BedBase, BedSex, BedStatus, ClosedReason, DemandSource, EddBand, EmptyState, Gender, LineType, LosBand, Ready,
};
use super::line::DATASET;
use serde_json::{Value, json};

/// Most characters in a site, ward, bay or bed code.
pub const MAX_CODE_CHARS: usize = 12;
/// Most characters in a ward type, class or bed group.
pub const MAX_GROUP_CHARS: usize = 8;
/// Most beds or patients on one line.
pub const MAX_QUANTITY: u32 = 99_999;

/// The schema as JSON, with fields in the order of the specification.
#[must_use]
pub fn table_schema() -> Value {
    json!({
        "$schema": "https://datapackage.org/profiles/2.0/tableschema.json",
        "name": "bedstate",
        "title": "Generic bed-state dataset",
        "version": DATASET,
        "description": "One row is `quantity` identical beds or waiting patients at one provider at one moment. A file is a full snapshot. Blank never means zero.",
        "missingValues": [""],
        "fields": fields(),
    })
}

/// The names of the fields, in the order of the specification.
pub(super) fn field_names() -> Vec<String> {
    fields().iter().filter_map(|field| field.get("name")?.as_str().map(str::to_owned)).collect()
}

fn fields() -> Vec<Value> {
    let code = |name: &str, title: &str, required: bool| text(name, title, required, MAX_CODE_CHARS);
    vec![
        json!({"name": "provider_code", "type": "string", "title": "Provider: ODS or registered local code", "constraints": {"required": true, "pattern": "[A-Z0-9]{3,6}"}}),
        code("site_code", "Site: ODS site code or registered local id", true),
        json!({"name": "snapshot_at", "type": "datetime", "title": "When the figures were true; one value a file", "constraints": {"required": true}}),
        listed(LineType::FIELD, "What the row counts", true, LineType::ALL.iter().map(|c| (c.code(), c.meaning()))),
        json!({"name": "quantity", "type": "integer", "title": "How many", "constraints": {"required": true, "minimum": 1, "maximum": MAX_QUANTITY}}),
        code("ward_code", "Ward; blank only for demand", false),
        code("bay_code", "Bay", false),
        code("bed_ref", "Bed, unique in its ward; blank on a summary row", false),
        listed(BedStatus::FIELD, "Bed status (HL7 table 0116)", false, BedStatus::ALL.iter().map(|c| (c.code(), c.meaning()))),
        listed(EmptyState::FIELD, "Why an open bed is empty", false, EmptyState::ALL.iter().map(|c| (c.code(), c.meaning()))),
        listed(ClosedReason::FIELD, "Why a bed is closed", false, ClosedReason::ALL.iter().map(|c| (c.code(), c.meaning()))),
        listed(BedBase::FIELD, "Base the bed belongs to", false, BedBase::ALL.iter().map(|c| (c.code(), c.meaning()))),
        listed(BedSex::FIELD, "Sex the bed is for", false, BedSex::ALL.iter().map(|c| (c.code(), c.meaning()))),
        listed("side_room", "Single room", false, YES_NO.into_iter()),
        listed("care_level", "Critical care level", false, CARE_LEVELS.into_iter()),
        json!({"name": "treatment_function", "type": "string", "title": "Treatment function code", "constraints": {"pattern": "[0-9]{3}"}}),
        text("ward_type", "Ward type; the reference data decide", false, MAX_GROUP_CHARS),
        text("ward_class", "Ward classification; the reference data decide", false, MAX_GROUP_CHARS),
        text("bed_group", "Bed group; the reference data decide", false, MAX_GROUP_CHARS),
        listed(
            Gender::FIELD,
            "Gender of the person; occupied beds and demand only",
            false,
            Gender::ALL.iter().map(|c| (c.code(), c.meaning())),
        ),
        listed(
            AgeBand::FIELD,
            "Age band of the person; occupied beds and demand only",
            false,
            AgeBand::ALL.iter().map(|c| (c.code(), c.meaning())),
        ),
        listed(Ready::FIELD, "Ready to leave", false, Ready::ALL.iter().map(|c| (c.code(), c.meaning()))),
        listed(EddBand::FIELD, "Expected date of discharge, banded", false, EddBand::ALL.iter().map(|c| (c.code(), c.meaning()))),
        listed(LosBand::FIELD, "Length of stay, banded", false, LosBand::ALL.iter().map(|c| (c.code(), c.meaning()))),
        listed(DemandSource::FIELD, "Where demand comes from", false, DemandSource::ALL.iter().map(|c| (c.code(), c.meaning()))),
        text("demand_for", "Bed group or ward type needed", false, MAX_GROUP_CHARS),
        listed("in_bed_now", "Whether the waiting patient is in a bed already", false, YES_NO.into_iter()),
        json!({"name": "wait_from", "type": "datetime", "title": "Since when the patient waits"}),
        text("demand_ref", "Opaque reference, never an NHS number; dropped after duplicates are found", false, 32),
        json!({"name": "source_updated_at", "type": "datetime", "title": "Age of this row"}),
    ]
}

const YES_NO: [(&str, &str); 2] = [("Y", "yes"), ("N", "no")];
/// Source: NHS Data Dictionary, CRITICAL CARE LEVEL.
const CARE_LEVELS: [(&str, &str); 4] = [
    ("00", "ward"),
    ("01", "ward with critical care advice"),
    ("02", "single organ support"),
    ("03", "advanced respiratory or multiple organ support"),
];

fn text(name: &str, title: &str, required: bool, max: usize) -> Value {
    json!({"name": name, "type": "string", "title": title, "constraints": {"required": required, "maxLength": max}})
}

fn listed(name: &str, title: &str, required: bool, codes: impl Iterator<Item = (&'static str, &'static str)>) -> Value {
    let (codes, labels): (Vec<_>, Vec<_>) = codes.map(|(code, meaning)| (code, json!({"value": code, "label": meaning}))).unzip();
    json!({"name": name, "type": "string", "title": title, "categories": labels, "constraints": {"required": required, "enum": codes}})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_has_the_thirty_fields_of_the_dataset_in_order() {
        let schema = table_schema();
        let names: Vec<&str> = schema["fields"].as_array().unwrap().iter().map(|field| field["name"].as_str().unwrap()).collect();
        assert_eq!(names.len(), 30);
        assert_eq!((names[0], names[3], names[20], names[29]), ("provider_code", "line_type", "age_band", "source_updated_at"));
        let age_bands = schema["fields"][20]["constraints"]["enum"].as_array().unwrap();
        assert_eq!((age_bands.len(), age_bands[1].as_str().unwrap()), (20, "A05"));
    }
}
