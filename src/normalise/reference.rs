//! Reference data: wards, sites and other names of wards, as staff keep them in spreadsheets. Effective-dated.

use crate::bedstate::{BedBase, BedSex};
use crate::feed::ProviderCode;
use jiff::civil::Date;

/// All reference data in force, as loaded from `reference/*.csv`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reference {
    /// `sites.csv`.
    pub sites: Vec<Site>,
    /// `wards.csv`.
    pub wards: Vec<Ward>,
    /// `ward_aliases.csv`.
    pub aliases: Vec<WardAlias>,
    /// `ward_types.csv`, `ward_classes.csv`, `bed_groups.csv`: code and meaning.
    pub ward_types: Vec<(String, String)>,
    /// Ward classifications.
    pub ward_classes: Vec<(String, String)>,
    /// Bed groups.
    pub bed_groups: Vec<(String, String)>,
}

/// A site of a provider. CSV columns: `provider_code,site_code,site_name,valid_from,valid_to`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// Whose.
    pub provider: ProviderCode,
    /// ODS site code, registered local id, or CQC location id.
    pub site_code: String,
    /// Shown to people.
    pub name: String,
    /// First local day; `None`: always.
    pub valid_from: Option<Date>,
    /// First local day it no longer is; `None`: open-ended.
    pub valid_to: Option<Date>,
}

/// A ward of a site. CSV columns: `provider_code,site_code,ward_code,ward_name,ward_type,ward_class,bed_group,bed_sex,
/// min_age,max_age,treatment_function,registered_beds,bed_base,alias,valid_from,valid_to`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ward {
    /// Whose.
    pub provider: ProviderCode,
    /// Its site.
    pub site_code: String,
    /// Its code, unique at its site.
    pub ward_code: String,
    /// Its name.
    pub name: String,
    /// Ward type, from `ward_types.csv`.
    pub ward_type: String,
    /// Ward classification, from `ward_classes.csv`.
    pub ward_class: String,
    /// Bed group, from `bed_groups.csv`.
    pub bed_group: String,
    /// The sex it is for.
    pub bed_sex: BedSex,
    /// Youngest age it is for, in years; `None`: no limit.
    pub min_age: Option<u16>,
    /// Oldest age it is for, in years; `None`: no limit.
    pub max_age: Option<u16>,
    /// Treatment function code.
    pub treatment_function: Option<String>,
    /// Beds it has on paper.
    pub registered_beds: u32,
    /// The base its beds belong to.
    pub bed_base: BedBase,
    /// Shown instead of the name where the name would tell too much.
    pub alias: Option<String>,
    /// First local day; `None`: always.
    pub valid_from: Option<Date>,
    /// First local day it no longer is; `None`: open-ended.
    pub valid_to: Option<Date>,
}

/// Another name a provider's extract uses for a ward. CSV columns:
/// `provider_code,source_site,source_ward,site_code,ward_code,valid_from,valid_to`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WardAlias {
    /// Whose.
    pub provider: ProviderCode,
    /// The site as the extract writes it; `None`: any.
    pub source_site: Option<String>,
    /// The ward as the extract writes it; letter case ignored.
    pub source_ward: String,
    /// What it is.
    pub site_code: String,
    /// What it is.
    pub ward_code: String,
    /// First local day; `None`: always.
    pub valid_from: Option<Date>,
    /// First local day it no longer is; `None`: open-ended.
    pub valid_to: Option<Date>,
}
