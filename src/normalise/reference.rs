//! Reference data: wards, sites and other names of wards, as staff keep them in spreadsheets. Effective-dated.

pub use crate::bedstate::{Site, Ward};

use crate::feed::ProviderCode;
use jiff::civil::Date;
use std::collections::BTreeSet;

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
    /// `ward_telling_words.csv`.
    pub telling_words: Vec<TellingWord>,
    /// `bank_holidays.csv`: the days on which a feed's schedule may differ.
    pub bank_holidays: BTreeSet<Date>,
}

/// Whether what is valid from one local day, and no longer from another, is valid on a day; without a day it has no such end.
#[must_use]
pub fn in_force(from: Option<Date>, to: Option<Date>, day: Date) -> bool {
    from.is_none_or(|from| from <= day) && to.is_none_or(|to| day < to)
}

/// A word, or several in a row, that tell in a ward's code or name why people are there (IGV-04). CSV columns: `word,tells_of`.
///
/// The list that is shipped has what the law or common decency keeps closest: sexual health and HIV (NHS Trusts and Primary Care
/// Trusts (Sexually Transmitted Diseases) Directions 2000), termination of pregnancy (Abortion Regulations 1991), fertility
/// treatment (Human Fertilisation and Embryology Act 1990), gender identity (Gender Recognition Act 2004), and a few more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TellingWord {
    /// The word; letter case and signs between words do not matter.
    pub word: String,
    /// What it tells of, for the finding.
    pub tells_of: String,
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
