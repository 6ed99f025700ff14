//! Sites and wards as the reference data describe them: what a ward is for, on which days. The columns named are those of
//! the CSV files that staff keep.

use super::codes::{BedBase, BedSex};
use crate::feed::ProviderCode;
use jiff::civil::Date;

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
/// min_age,max_age,treatment_function,registered_beds,bed_base,alias,valid_from,valid_to`, and `may_be_absent`, which may be left out.
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
    /// Whether a snapshot may do without it, as of a day-case ward that the hospital's system does not list at night.
    pub may_be_absent: bool,
    /// The base its beds belong to.
    pub bed_base: BedBase,
    /// Shown instead of the name where the name would tell too much.
    pub alias: Option<String>,
    /// First local day; `None`: always.
    pub valid_from: Option<Date>,
    /// First local day it no longer is; `None`: open-ended.
    pub valid_to: Option<Date>,
}
