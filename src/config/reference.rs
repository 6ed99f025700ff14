//! Reference data: `reference/*.csv`.
//!
//! Owns the columns of each file and what must hold within and between them. A file that is missing is empty; a provider
//! that is not known yet is no problem, because wards are registered before the first file comes.

use super::mapping::MAX_CODE;
use super::problem::{Problem, did_you_mean};
use super::sheet::{Days, Row, Sheet, start_of};
use crate::feed::ProviderCode;
use crate::normalise::reference::{Reference, Site, Ward, WardAlias};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Longest ward type, ward class or bed group. Source: the dataset's data dictionary.
const MAX_LIST_CODE: usize = 8;

/// Oldest age a ward can be for, in years.
const MAX_AGE: u16 = 130;

/// The files, in the order they are read.
pub(super) const FILES: &[&str] = &["ward_types.csv", "ward_classes.csv", "bed_groups.csv", "sites.csv", "wards.csv", "ward_aliases.csv"];

const SITE_COLUMNS: &[&str] = &["provider_code", "site_code", "site_name", "valid_from", "valid_to"];
const WARD_COLUMNS: &[&str] = &[
    "provider_code",
    "site_code",
    "ward_code",
    "ward_name",
    "ward_type",
    "ward_class",
    "bed_group",
    "bed_sex",
    "min_age",
    "max_age",
    "treatment_function",
    "registered_beds",
    "bed_base",
    "alias",
    "valid_from",
    "valid_to",
];
const ALIAS_COLUMNS: &[&str] = &["provider_code", "source_site", "source_ward", "site_code", "ward_code", "valid_from", "valid_to"];

/// Reads the files that are there: name, path and bytes of each.
pub(super) fn read(files: &BTreeMap<&'static str, (PathBuf, Vec<u8>)>) -> (Reference, Vec<Problem>) {
    let mut problems = Vec::new();
    let mut sheet = |name: &str, columns: &[&'static str], take: &mut dyn FnMut(&Sheet)| {
        if let Some((path, bytes)) = files.get(name) {
            let sheet = Sheet::read(path, bytes, columns);
            take(&sheet);
            problems.extend(sheet.into_problems());
        }
    };
    let mut reference = Reference::default();
    sheet("ward_types.csv", &["code", "meaning"], &mut |it| reference.ward_types = list(it));
    sheet("ward_classes.csv", &["code", "meaning"], &mut |it| reference.ward_classes = list(it));
    sheet("bed_groups.csv", &["code", "meaning"], &mut |it| reference.bed_groups = list(it));
    sheet("sites.csv", SITE_COLUMNS, &mut |it| reference.sites = sites(it));
    sheet("wards.csv", WARD_COLUMNS, &mut |it| reference.wards = wards(it, &reference));
    sheet("ward_aliases.csv", ALIAS_COLUMNS, &mut |it| reference.aliases = aliases(it, &reference));
    (reference, problems)
}

fn list(sheet: &Sheet) -> Vec<(String, String)> {
    let mut seen = BTreeSet::new();
    let mut list = Vec::new();
    for row in sheet.rows() {
        let (code, meaning) = (row.code("code", MAX_LIST_CODE), row.filled("meaning"));
        let (Some(code), Some(meaning)) = (code, meaning) else { continue };
        if !code.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()) {
            row.problem("code", &format!("\"{}\" may have capital letters and digits only", start_of(code)));
        }
        if !seen.insert(code) {
            row.problem("code", &format!("\"{}\" stands twice", start_of(code)));
        }
        list.push((code.to_owned(), meaning.to_owned()));
    }
    list
}

fn sites(sheet: &Sheet) -> Vec<Site> {
    let mut once = Once::default();
    let mut sites = Vec::new();
    for row in sheet.rows() {
        let provider = provider(&row);
        let (site_code, name, days) = (row.code("site_code", MAX_CODE), row.filled("site_name"), row.days());
        let (Some(provider), Some(site_code), Some(name)) = (provider, site_code, name) else { continue };
        once.check(&row, "site_code", &[provider.as_str(), site_code], days);
        sites.push(Site { provider, site_code: site_code.to_owned(), name: name.to_owned(), valid_from: days.from, valid_to: days.to });
    }
    sites
}

fn wards(sheet: &Sheet, reference: &Reference) -> Vec<Ward> {
    let mut once = Once::default();
    let mut wards = Vec::new();
    for row in sheet.rows() {
        let Some(ward) = ward(&row, reference) else { continue };
        let days = Days { from: ward.valid_from, to: ward.valid_to };
        once.check(&row, "ward_code", &[ward.provider.as_str(), &ward.site_code, &ward.ward_code], days);
        let known = |site: &Site| site.provider == ward.provider && site.site_code == ward.site_code;
        if !reference.sites.is_empty() && !reference.sites.iter().any(known) {
            row.problem("site_code", &format!("sites.csv has no site \"{}\" of {}", start_of(&ward.site_code), ward.provider));
        }
        wards.push(ward);
    }
    wards
}

fn ward(row: &Row<'_>, reference: &Reference) -> Option<Ward> {
    let days = row.days();
    let provider = provider(row);
    let site_code = row.code("site_code", MAX_CODE);
    let ward_code = row.code("ward_code", MAX_CODE);
    let name = row.filled("ward_name");
    let ward_type = listed(row, "ward_type", &reference.ward_types);
    let ward_class = listed(row, "ward_class", &reference.ward_classes);
    let bed_group = listed(row, "bed_group", &reference.bed_groups);
    let bed_sex = row.parsed("bed_sex", "a code of bed_sex (1 male, 2 female, 8 not specified)");
    let (min_age, max_age) = (age(row, "min_age"), age(row, "max_age"));
    if let (Some(min), Some(max)) = (min_age, max_age)
        && min > max
    {
        row.problem("max_age", "must not be less than min_age");
    }
    let treatment_function = treatment_function(row);
    let registered_beds = row.parsed("registered_beds", "a whole number of beds");
    let bed_base = row.parsed("bed_base", "a code of bed_base (COR, ESC, DAY, TMP)");
    let alias = Some(row.text("alias")).filter(|alias| !alias.is_empty()).map(str::to_owned);
    Some(Ward {
        provider: provider?,
        site_code: site_code?.to_owned(),
        ward_code: ward_code?.to_owned(),
        name: name?.to_owned(),
        ward_type: ward_type?.to_owned(),
        ward_class: ward_class?.to_owned(),
        bed_group: bed_group?.to_owned(),
        bed_sex: bed_sex?,
        min_age,
        max_age,
        treatment_function,
        registered_beds: registered_beds?,
        bed_base: bed_base?,
        alias,
        valid_from: days.from,
        valid_to: days.to,
    })
}

fn aliases(sheet: &Sheet, reference: &Reference) -> Vec<WardAlias> {
    let mut once = Once::default();
    let mut aliases = Vec::new();
    for row in sheet.rows() {
        let days = row.days();
        let (source_site, source_ward) = (row.text("source_site"), row.text("source_ward"));
        // A row without a ward only says what a site is called.
        let ward_code = if source_ward.is_empty() { Some(row.text("ward_code")) } else { row.code("ward_code", MAX_CODE) };
        if source_site.is_empty() && source_ward.is_empty() {
            row.problem("source_ward", "names neither a site nor a ward: fill source_site or source_ward");
        }
        let (Some(provider), Some(site_code), Some(ward_code)) = (provider(&row), row.code("site_code", MAX_CODE), ward_code) else {
            continue;
        };
        if source_ward.is_empty() && !ward_code.is_empty() {
            row.problem("ward_code", "must be empty where source_ward is empty: the row names a site only");
        }
        once.check(&row, "source_ward", &[provider.as_str(), source_site, source_ward], days);
        let known = |ward: &Ward| ward.provider == provider && ward.site_code == site_code && ward.ward_code == ward_code;
        if !ward_code.is_empty() && !reference.wards.is_empty() && !reference.wards.iter().any(known) {
            let (ward, site) = (start_of(ward_code), start_of(site_code));
            row.problem("ward_code", &format!("wards.csv has no ward \"{ward}\" at site \"{site}\" of {provider}"));
        }
        aliases.push(WardAlias {
            provider,
            source_site: Some(source_site).filter(|site| !site.is_empty()).map(str::to_owned),
            source_ward: source_ward.to_owned(),
            site_code: site_code.to_owned(),
            ward_code: ward_code.to_owned(),
            valid_from: days.from,
            valid_to: days.to,
        });
    }
    aliases
}

fn provider(row: &Row<'_>) -> Option<ProviderCode> {
    row.parsed("provider_code", "a provider code: 3 to 6 capital letters or digits")
}

/// A code of one of the lists; where the list is missing, any code.
fn listed<'a>(row: &Row<'a>, column: &'static str, list: &[(String, String)]) -> Option<&'a str> {
    let code = row.code(column, MAX_LIST_CODE)?;
    if !list.is_empty() && !list.iter().any(|(known, _)| known == code) {
        let near = did_you_mean(code, list.iter().map(|(known, _)| known.as_str()));
        row.problem(column, &format!("\"{}\" is not in {column}'s list{near}; write UNKNOWN if it is not known", start_of(code)));
    }
    Some(code)
}

fn age(row: &Row<'_>, column: &'static str) -> Option<u16> {
    let age = row.optional::<u16>(column, "an age in whole years");
    if age.is_some_and(|age| age > MAX_AGE) {
        row.problem(column, &format!("must be 0 to {MAX_AGE} years"));
    }
    age
}

fn treatment_function(row: &Row<'_>) -> Option<String> {
    let code = Some(row.text("treatment_function")).filter(|code| !code.is_empty())?;
    if code.len() != 3 || !code.bytes().all(|b| b.is_ascii_digit()) {
        row.problem("treatment_function", &format!("\"{}\" is not three digits", start_of(code)));
    }
    Some(code.to_owned())
}

/// Keeps watch that a key stands once on any day. Letter case does not make a difference.
#[derive(Default)]
struct Once {
    seen: BTreeMap<Vec<String>, Vec<(Days, usize)>>,
}

impl Once {
    fn check(&mut self, row: &Row<'_>, column: &'static str, key: &[&str], days: Days) {
        let others = self.seen.entry(key.iter().map(|part| part.to_lowercase()).collect()).or_default();
        if let Some((_, line)) = others.iter().find(|(other, _)| other.meet(days)) {
            row.problem(column, &format!("line {line} says the same key for some of the same days: end one with valid_to"));
        }
        others.push((days, row.line()));
    }
}
