//! What each dataset field may hold, so that a mapping cannot promise a code that the dataset does not have.
//!
//! Owns the link from a field's name to its code list. Refuses lists of its own: they stand in `bedstate` and, for what
//! a patient needs and for sites and wards, in the reference data.

use super::super::problem::did_you_mean;
use crate::bedstate::{
    AgeBand, BedBase, BedSex, BedStatus, ClosedReason, DemandSource, EddBand, EmptyState, Gender, LineType, LosBand, Ready,
    is_treatment_function,
};
use crate::normalise::reference::{Reference, WardAlias};
use jiff::civil::Date;

/// Longest site, ward, bay or bed code. Source: the dataset's data dictionary.
pub(in crate::config) const MAX_CODE: usize = 12;

/// The lists that are reference data, as far as one mapping can use them.
pub(super) struct Lists<'a> {
    reference: &'a Reference,
    sites: Option<Known>,
    wards: Option<Known>,
}

/// Sites or wards that a mapping may name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// As registered, to the letter.
    codes: Vec<String>,
    /// Other names: they are looked up whatever their letter case.
    names: Vec<String>,
}

impl<'a> Lists<'a> {
    /// The lists for a provider's mapping that is in force from one local day, and no longer from another. Sites are not looked at
    /// where there is no register of them, and wards not where none of the provider's is registered yet.
    pub(super) fn new(reference: &'a Reference, provider: &str, from: Option<Date>, to: Option<Date>) -> Self {
        let meets = |first: Option<Date>, end: Option<Date>| {
            let before = |day: Option<Date>, end: Option<Date>| day.zip(end).is_none_or(|(day, end)| day < end);
            before(from, end) && before(first, to)
        };
        let sites = reference.sites.iter().filter(|site| site.provider.as_str() == provider && meets(site.valid_from, site.valid_to));
        let wards = reference.wards.iter().filter(|ward| ward.provider.as_str() == provider && meets(ward.valid_from, ward.valid_to));
        let aliases: Vec<&WardAlias> = reference
            .aliases
            .iter()
            .filter(|alias| alias.provider.as_str() == provider && meets(alias.valid_from, alias.valid_to))
            .collect();
        let sites = Known {
            codes: sites.map(|site| site.site_code.clone()).collect(),
            names: aliases.iter().filter_map(|alias| alias.source_site.clone()).collect(),
        };
        let wards = Known {
            codes: wards.map(|ward| ward.ward_code.clone()).collect(),
            names: aliases.iter().map(|alias| alias.source_ward.clone()).collect(),
        };
        Self {
            reference,
            sites: Some(sites).filter(|_| !reference.sites.is_empty()),
            wards: Some(wards).filter(|_| reference.wards.iter().any(|ward| ward.provider.as_str() == provider)),
        }
    }
}

/// What sort of value a field takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A code of a list.
    Listed(Vec<String>),
    /// Three digits: a treatment function.
    ThreeDigits,
    /// Up to [`MAX_CODE`] characters: a bay or bed, or a place where there is no register.
    Free,
    /// A registered site or ward, or another name of one.
    Place(Known),
    /// What tells a request from others: never the same on every line.
    Reference,
    /// An instant.
    Instant,
    /// A count; it has its own key on a line.
    Quantity,
}

/// The kind of a dataset field; `None` where the dataset has no such field.
pub(super) fn kind(field: &str, lists: &Lists<'_>) -> Option<Kind> {
    let reference = lists.reference;
    let place = |known: &Option<Known>| Some(known.clone().map_or(Kind::Free, Kind::Place));
    let listed = |codes: Vec<&str>| Some(Kind::Listed(codes.into_iter().map(str::to_owned).collect()));
    match field {
        "line_type" => listed(LineType::ALL.iter().map(|it| it.code()).collect()),
        "bed_status" => listed(BedStatus::ALL.iter().map(|it| it.code()).collect()),
        "empty_state" => listed(EmptyState::ALL.iter().map(|it| it.code()).collect()),
        "closed_reason" => listed(ClosedReason::ALL.iter().map(|it| it.code()).collect()),
        "bed_base" => listed(BedBase::ALL.iter().map(|it| it.code()).collect()),
        "bed_sex" => listed(BedSex::ALL.iter().map(|it| it.code()).collect()),
        "gender" => listed(Gender::ALL.iter().map(|it| it.code()).collect()),
        "age_band" => listed(AgeBand::ALL.iter().map(|it| it.code()).collect()),
        "ready" => listed(Ready::ALL.iter().map(|it| it.code()).collect()),
        "edd_band" => listed(EddBand::ALL.iter().map(|it| it.code()).collect()),
        "los_band" => listed(LosBand::ALL.iter().map(|it| it.code()).collect()),
        "demand_source" => listed(DemandSource::ALL.iter().map(|it| it.code()).collect()),
        "side_room" | "in_bed_now" => listed(vec!["Y", "N"]),
        // Source: NHS Data Dictionary, CRITICAL CARE LEVEL.
        "care_level" => listed(vec!["00", "01", "02", "03"]),
        "demand_for" => listed(reference.bed_groups.iter().chain(&reference.ward_types).map(|(code, _)| code.as_str()).collect()),
        "treatment_function" => Some(Kind::ThreeDigits),
        "site_code" => place(&lists.sites),
        "ward_code" => place(&lists.wards),
        "bay_code" | "bed_ref" => Some(Kind::Free),
        "demand_ref" => Some(Kind::Reference),
        "wait_from" | "source_updated_at" => Some(Kind::Instant),
        "quantity" => Some(Kind::Quantity),
        _ => None,
    }
}

/// Why a constant or a code cannot stand in a field. An empty text leaves the field blank and always may.
pub(super) fn refuse(field: &str, kind: &Kind, code: &str) -> Option<String> {
    if code.is_empty() {
        return None;
    }
    match kind {
        // Without reference data there is no list of needs to check against.
        Kind::Listed(codes) if codes.is_empty() || codes.iter().any(|it| it == code) => None,
        Kind::Listed(codes) => {
            let known = codes.iter().map(String::as_str);
            let near = did_you_mean(code, known);
            let list = if codes.len() <= 10 { format!(" ({})", codes.join(", ")) } else { String::new() };
            Some(format!("\"{code}\" is not a code of {field}{list}{near}"))
        }
        Kind::ThreeDigits => {
            (!is_treatment_function(code)).then(|| format!("\"{code}\" is not a treatment function code of the national list"))
        }
        Kind::Free => {
            let fine = code.chars().count() <= MAX_CODE && !code.chars().any(char::is_control);
            (!fine).then(|| format!("\"{code}\" is longer than {MAX_CODE} characters, which is the most {field} can hold"))
        }
        Kind::Place(known) if known.codes.iter().any(|it| it == code) => None,
        Kind::Place(known) if known.names.iter().any(|name| name.to_lowercase() == code.to_lowercase()) => None,
        Kind::Place(known) => {
            let near = did_you_mean(code, known.codes.iter().chain(&known.names).map(String::as_str));
            let what = if field == "site_code" { "site" } else { "ward" };
            Some(format!("\"{code}\" is no {what} that is registered for this provider while the mapping is in force{near}"))
        }
        Kind::Reference => Some(format!("{field} tells one request from another: it must come from a column, without codes")),
        Kind::Instant => Some(format!("{field} is a time: it must come from a column with a format")),
        Kind::Quantity => Some("a quantity is not a field: write quantity = \"COLUMN\" on the line".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normalise::mapping::FIELDS;

    #[test]
    fn every_dataset_field_has_a_kind() {
        let reference = Reference::default();
        let lists = Lists::new(&reference, "RM1", None, None);
        for field in FIELDS {
            assert!(kind(field, &lists).is_some(), "{field}");
        }
        assert_eq!(kind("nhs_number", &lists), None);
    }
}
