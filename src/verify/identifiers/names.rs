//! Column names that say that people's identities stand below them (IGV-01).
//!
//! Owns the list of words. Refuses to look at values.

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::columns::plain_name;

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
}
