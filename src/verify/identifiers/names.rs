//! Column names that say that people's identities stand below them (IGV-01).
//!
//! Owns the lists of words, and how a name is cut into words. Refuses to look at values.

/// Words for the people in beds and those about them: a name of one of these is a person's, whatever stands before it.
const PERSONS: &[&str] = &[
    "patient",
    "inpatient",
    "serviceuser",
    "client",
    "resident",
    "occupant",
    "person",
    "tenant",
    "customer",
    "kin",
    "carer",
    "relative",
    "consultant",
    "clinician",
    "doctor",
    "nurse",
    "specialist",
    "worker",
    "manager",
    "clerk",
];

/// Words for places, organisations and things: a name of one of these is not a person's.
const THINGS: &[&str] = &[
    "ward",
    "unit",
    "home",
    "site",
    "hospital",
    "bed",
    "bay",
    "room",
    "cot",
    "floor",
    "level",
    "wing",
    "block",
    "building",
    "facility",
    "zone",
    "area",
    "location",
    "locality",
    "district",
    "borough",
    "county",
    "region",
    "trust",
    "org",
    "organisation",
    "organization",
    "provider",
    "commissioner",
    "council",
    "authority",
    "ccg",
    "icb",
    "stp",
    "practice",
    "company",
    "supplier",
    "service",
    "team",
    "clinic",
    "department",
    "dept",
    "directorate",
    "division",
    "specialty",
    "speciality",
    "spec",
    "function",
    "tfc",
    "treatment",
    "pathway",
    "group",
    "category",
    "class",
    "type",
    "status",
    "state",
    "reason",
    "gender",
    "sex",
    "code",
    "equipment",
    "day",
    "month",
    "file",
    "column",
    "field",
    "table",
    "sheet",
    "report",
    "extract",
    "database",
    "server",
    "system",
    "application",
    "dataset",
    "feed",
    "source",
];

/// Things with addresses of their own. A home is not one: "home address" is a patient's.
const THINGS_WITH_ADDRESSES: &[&str] = &["ward", "unit", "site", "hospital", "trust", "provider"];

/// Words that say which of several names is meant, and nothing about whose it is.
const WHICH: &[&str] = &[
    "full",
    "short",
    "long",
    "display",
    "common",
    "usual",
    "preferred",
    "known",
    "official",
    "legal",
    "current",
    "previous",
    "new",
    "old",
    "other",
    "local",
    "main",
    "the",
    "a",
    "s",
];

/// The people of whom a column that is named for nothing else holds one in each row: as good as always by name.
const BARE: &[&str] = &["patient", "serviceuser", "client", "resident", "occupant", "person"];

/// Words beside one of those that change nothing.
const BARE_BESIDE: &[&str] =
    &["the", "a", "bed", "current", "previous", "next", "new", "expected", "allocated", "detail", "info", "information"];

/// The shortest word that is looked for within a longer one.
const FEWEST_LETTERS_WITHIN: usize = 4;

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
    "occupantname",
    "serviceusername",
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

/// The same, as a whole name or at its end, but for a number behind it.
const TELLING_ENDS: &[&str] = &["nhsno", "nhsid", "hospitalno", "hospno", "patientno", "notes", "note", "mrn", "dob", "birth"];

/// The same, as a whole name or at its start.
const TELLING_STARTS: &[&str] = &["mrn", "dob"];

/// Whether a column name, as it is written, says that the column holds people's identities.
#[must_use]
pub fn names_a_person(name: &str) -> bool {
    let words = words(name);
    let plain = words.concat();
    TELLING.iter().any(|text| plain.contains(text))
        || TELLING_ENDS.iter().any(|text| plain.ends_with(text))
        || TELLING_STARTS.iter().any(|text| plain.starts_with(text))
        || plain == "nhs"
        || is_a_persons_address(&words, &plain)
        || is_a_persons_name(&words)
        || (stands_for_a_person(&words) && !name.trim_end().ends_with('?'))
}

/// The words of a name in small letters: cut at everything that is no letter or digit, between letters and digits, and where
/// capitals show where a word begins. Numbers at its end say which of several columns it is, and are left out.
fn words(name: &str) -> Vec<String> {
    let letters: Vec<char> = name.chars().collect();
    let mut words: Vec<String> = Vec::new();
    let mut before = ' ';
    for (at, letter) in letters.iter().copied().enumerate() {
        let next = letters.get(at + 1).copied().unwrap_or(' ');
        let begins = !before.is_alphanumeric()
            || before.is_numeric() != letter.is_numeric()
            || (letter.is_uppercase() && (before.is_lowercase() || next.is_lowercase()));
        before = letter;
        if !letter.is_alphanumeric() {
            continue;
        }
        match words.last_mut() {
            Some(word) if !begins => word.extend(letter.to_lowercase()),
            _ => words.push(letter.to_lowercase().collect()),
        }
    }
    while words.last().is_some_and(|word| word.chars().all(char::is_numeric)) {
        words.pop();
    }
    one_word_for_service_users(words)
}

/// "Service" alone is a thing, and "user" alone may be anybody.
fn one_word_for_service_users(words: Vec<String>) -> Vec<String> {
    let mut joined: Vec<String> = Vec::new();
    for word in words {
        match joined.last_mut() {
            Some(last) if last == "service" && word.starts_with("user") => last.push_str(&word),
            _ => joined.push(word),
        }
    }
    joined
}

/// "Ward manager name" is a manager's and "patient ward name" a ward's: the word before decides. Where neither is known, a
/// name is taken for a person's unless a place is spoken of.
fn is_a_persons_name(words: &[String]) -> bool {
    let first = words.iter().find(|word| !is_one_of(WHICH, word));
    if first.is_some_and(|word| is_one_of(&["name"], word)) && words.last().is_some_and(|word| is_person(word)) {
        return true;
    }
    let Some((last, before)) = words.split_last() else { return false };
    let Some(stem) = last.strip_suffix("names").or_else(|| last.strip_suffix("name")) else { return false };
    let owner: Vec<&str> = before.iter().map(String::as_str).chain([stem]).filter(|word| !word.is_empty()).collect();
    match owner.iter().rev().find(|word| !is_one_of(WHICH, word)) {
        Some(word) if is_person(word) => true,
        Some(word) if is_thing(word) => false,
        _ => owner.iter().any(|word| is_person(word)) || !speaks_of(THINGS, &owner),
    }
}

fn is_a_persons_address(words: &[String], plain: &str) -> bool {
    let there = plain.ends_with("address") || plain.starts_with("address") || plain.contains("addressline");
    let all: Vec<&str> = words.iter().map(String::as_str).collect();
    there && !speaks_of(THINGS_WITH_ADDRESSES, &all)
}

/// A column called "Patient" holds who lies in the bed; "Patients" counts them, and "Patient type" or "Patient on leave" is
/// something about one.
fn stands_for_a_person(words: &[String]) -> bool {
    let persons = words.iter().filter(|word| BARE.contains(&word.as_str())).count();
    persons == 1 && words.iter().all(|word| BARE.contains(&word.as_str()) || is_one_of(BARE_BESIDE, word))
}

fn is_person(word: &str) -> bool {
    is_one_of(PERSONS, word) || ends_as(PERSONS, word)
}

fn is_thing(word: &str) -> bool {
    is_one_of(THINGS, word) || ends_as(THINGS, word)
}

/// Whether one of a list stands among words. Within a word it is looked for only where the name does not show its words.
fn speaks_of(list: &[&str], words: &[&str]) -> bool {
    let undivided = words.concat();
    let within = |text: &&str| text.len() >= FEWEST_LETTERS_WITHIN && undivided.contains(*text);
    words.iter().any(|word| is_one_of(list, word)) || is_one_of(list, &undivided) || (words.len() <= 1 && list.iter().any(within))
}

fn is_one_of(list: &[&str], word: &str) -> bool {
    list.contains(&word) || word.strip_suffix('s').is_some_and(|one| list.contains(&one))
}

/// Whether a word that is written as one ends with a word of a list, as "treatmentfunction" does.
fn ends_as(list: &[&str], word: &str) -> bool {
    let one = word.strip_suffix('s').unwrap_or(word);
    list.iter().any(|text| text.len() >= FEWEST_LETTERS_WITHIN && (word.ends_with(text) || one.ends_with(text)))
}

#[cfg(test)]
mod tests {
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
            "Forwarding address",
            "Address Line 1",
            "PatientAddressLine2",
            "MRN",
            "Hospital Number",
            "Hospital No",
            "Notes",
            "Comments",
            "ConsultantName",
            "Service User Name",
            "ServiceUserName",
            "SERVICE_USERS_NAME",
            "serviceusername",
            "Bed occupant name",
            "BEDOCCUPANTNAME",
            "Name of patient",
            "Name of the bed occupant",
            "Name of service user",
            "Name (patient)",
            "Patient's name",
            "Patient known as name",
            "Ward patient name",
            "Ward manager name",
            "Full name",
            "Preferred Name",
            "Name1",
            "NAME_2",
            "Names",
            "User name",
            "Patient",
            "PATIENT",
            "Patient 1",
            "Current patient",
            "Patient details",
            "Service user",
            "serviceUser",
            "Client",
            "Resident",
            "Occupant",
            "Bed occupant",
        ];
        for name in persons {
            assert!(names_a_person(name), "{name}");
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
            "Address of ward",
            "Noted closed",
            "",
            "123",
            "Specialty Name",
            "Treatment Function Name",
            "TreatmentFunctionName",
            "treatmentfunctionname",
            "TFC Name",
            "TFCName",
            "TFCname",
            "SPEC_NAME",
            "Main Spec Name",
            "Floor Name",
            "CCG Name",
            "ccgname",
            "ICB name",
            "Status Name",
            "Building name",
            "Locality Name",
            "WARDNAME",
            "Ward Full Name",
            "wardlongname",
            "CURRENT_WARDNAME",
            "Ward name 2",
            "Ward name (patient)",
            "Patient ward name",
            "Patient category name",
            "Name of ward",
            "Name of patient group",
            "Patients",
            "Patient count",
            "Patient type",
            "Patient class",
            "Patient gender",
            "patient category",
            "PatientOnLeave",
            "Patient?",
            "Patient (Y/N)",
            "Inpatient",
            "Clients",
            "Client group",
            "Residents",
            "Resident type",
            "Occupants",
            "Service",
            "Service users",
            "Bed",
        ];
        for name in others {
            assert!(!names_a_person(name), "{name}");
        }
    }
}
