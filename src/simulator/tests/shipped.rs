//! The shipped reference data, read as plainly as can be, and the promises it keeps.

use crate::feed::ProviderCode;
use crate::normalise::reference::{Reference, Site, Ward, WardAlias};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const WARD_TYPES: &str = "ASSESS GENMED GENSURG TRAUMA CARDIAC STROKE RESP ONCHAEM ELDERLY CRITADU PAED PICU NEONATAL MATERN GYNAE \
    DAYCASE REHAB COMMINP PALLIAT MHACUTE MHOLDER MHPICU MHCAMHS MHSECURE S136 CHRES CHNUR CHRESDEM CHNURDEM CHLD CHMH CHSHORT";
const WARD_CLASSES: &str = "GA CC MAT MI LD NEO COMM SOC";
const BED_GROUPS: &str = "MED SURG WCH CRIT MHA MHO COMM CHRES CHNUR SHORT";

pub(super) fn folder(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

pub(super) fn code(text: &str) -> ProviderCode {
    text.parse().unwrap()
}

pub(super) fn reference() -> Reference {
    let sites = rows("sites.csv", "provider_code,site_code,site_name,valid_from,valid_to");
    let wards = rows(
        "wards.csv",
        "provider_code,site_code,ward_code,ward_name,ward_type,ward_class,bed_group,bed_sex,min_age,max_age,treatment_function,\
         registered_beds,bed_base,alias,valid_from,valid_to",
    );
    let aliases = rows("ward_aliases.csv", "provider_code,source_site,source_ward,site_code,ward_code,valid_from,valid_to");
    let filled = |text: &String| (!text.is_empty()).then(|| text.clone());
    let date = |text: &String| (!text.is_empty()).then(|| text.parse().unwrap());
    let number = |text: &String| (!text.is_empty()).then(|| text.parse().unwrap());
    Reference {
        sites: sites
            .iter()
            .map(|row| Site {
                provider: code(&row[0]),
                site_code: row[1].clone(),
                name: row[2].clone(),
                valid_from: date(&row[3]),
                valid_to: date(&row[4]),
            })
            .collect(),
        wards: wards
            .iter()
            .map(|row| Ward {
                provider: code(&row[0]),
                site_code: row[1].clone(),
                ward_code: row[2].clone(),
                name: row[3].clone(),
                ward_type: row[4].clone(),
                ward_class: row[5].clone(),
                bed_group: row[6].clone(),
                bed_sex: row[7].parse().unwrap(),
                min_age: number(&row[8]),
                max_age: number(&row[9]),
                treatment_function: filled(&row[10]),
                registered_beds: row[11].parse().unwrap(),
                may_be_absent: false,
                bed_base: row[12].parse().unwrap(),
                alias: filled(&row[13]),
                valid_from: date(&row[14]),
                valid_to: date(&row[15]),
            })
            .collect(),
        aliases: aliases
            .iter()
            .map(|row| WardAlias {
                provider: code(&row[0]),
                source_site: filled(&row[1]),
                source_ward: row[2].clone(),
                site_code: row[3].clone(),
                ward_code: row[4].clone(),
                valid_from: date(&row[5]),
                valid_to: date(&row[6]),
            })
            .collect(),
        ..Reference::default()
    }
}

fn rows(file: &str, header: &str) -> Vec<Vec<String>> {
    let mut reader = csv::Reader::from_path(folder("config/reference").join(file)).unwrap();
    assert_eq!(reader.headers().unwrap().iter().collect::<Vec<_>>().join(","), header, "{file}");
    reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
}

#[test]
fn every_ward_is_at_a_registered_site_and_has_listed_codes() {
    let reference = reference();
    let list = |codes: &'static str| codes.split_whitespace().collect::<BTreeSet<_>>();
    let (types, classes, groups) = (list(WARD_TYPES), list(WARD_CLASSES), list(BED_GROUPS));
    let sites: BTreeSet<_> = reference.sites.iter().map(|site| (&site.provider, &site.site_code)).collect();
    let mut seen = BTreeSet::new();
    for ward in &reference.wards {
        let what = format!("{} {} {}", ward.provider, ward.site_code, ward.ward_code);
        assert!(sites.contains(&(&ward.provider, &ward.site_code)), "{what}: site");
        assert!(types.contains(ward.ward_type.as_str()), "{what}: {}", ward.ward_type);
        assert!(classes.contains(ward.ward_class.as_str()), "{what}: {}", ward.ward_class);
        assert!(groups.contains(ward.bed_group.as_str()), "{what}: {}", ward.bed_group);
        assert!(ward.ward_code.chars().count() <= 12 && ward.site_code.chars().count() <= 12, "{what}: length");
        assert!(ward.registered_beds > 0, "{what}: beds");
        let function = ward.treatment_function.as_deref();
        assert!(function.is_none_or(|code| code.len() == 3 && code.bytes().all(|b| b.is_ascii_digit())), "{what}: function");
        assert!(ward.min_age.unwrap_or(0) <= ward.max_age.unwrap_or(130), "{what}: ages");
        assert!(seen.insert((&ward.provider, &ward.site_code, &ward.ward_code)), "{what}: twice");
    }
    let unique: BTreeSet<_> = reference.sites.iter().map(|site| (&site.provider, &site.site_code)).collect();
    assert_eq!(unique.len(), reference.sites.len(), "a site is there twice");
}

#[test]
fn every_alias_names_something_registered() {
    let reference = reference();
    let mut seen = BTreeSet::new();
    for alias in &reference.aliases {
        let what = format!("{} {:?} {}", alias.provider, alias.source_site, alias.source_ward);
        let site = reference.sites.iter().any(|site| site.provider == alias.provider && site.site_code == alias.site_code);
        let ward = reference
            .wards
            .iter()
            .any(|ward| ward.provider == alias.provider && ward.site_code == alias.site_code && ward.ward_code == alias.ward_code);
        assert!(site && (ward || (alias.source_ward.is_empty() && alias.ward_code.is_empty())), "{what}");
        assert!(seen.insert((&alias.provider, &alias.source_site, alias.source_ward.to_lowercase())), "{what}: twice");
    }
}

#[test]
fn the_sample_providers_have_the_sizes_of_real_ones() {
    let reference = reference();
    //            wards  fewest beds  most beds
    let rows = [
        ("RM1", 31, 860, 900),
        ("RGP", 17, 390, 415),
        ("RCX", 18, 400, 420),
        ("RMY", 9, 110, 130),
        ("RY3", 8, 120, 140),
        ("NCC", 55, 900, 1500),
    ];
    for (provider, wards, fewest, most) in rows {
        let mine: Vec<_> = reference.wards.iter().filter(|ward| ward.provider.as_str() == provider).collect();
        let beds: u32 = mine.iter().map(|ward| ward.registered_beds).sum();
        assert_eq!(mine.len(), wards, "{provider}");
        assert!((fewest..=most).contains(&beds), "{provider}: {beds}");
    }
}
