//! Which ward of the reference data a line belongs to, on the day of its snapshot.

use crate::bedstate::{Line, LineType};
use std::collections::{BTreeSet, HashMap, HashSet};

/// What stands for a code that the reference data does not know.
pub(super) const UNKNOWN: &str = "UNKNOWN";

/// One provider's wards and the code lists, as in force on one local day.
#[derive(Default)]
pub(super) struct Wards {
    by_code: HashMap<(String, String), i64>,
    groups: HashSet<String>,
    types: HashSet<String>,
    /// The groups that the provider's wards of a type belong to.
    groups_of_type: HashMap<String, HashSet<String>>,
    unknown: BTreeSet<(String, String)>,
}

impl Wards {
    /// The code lists, and no wards yet.
    pub(super) fn new(groups: HashSet<String>, types: HashSet<String>) -> Self {
        Self { groups, types, ..Self::default() }
    }

    /// Takes a registered ward in force. Of two of the same code the later one holds.
    pub(super) fn add(&mut self, place: (String, String), key: i64, ward_type: String, group: String) {
        self.by_code.insert(place, key);
        self.groups_of_type.entry(ward_type).or_default().insert(group);
    }

    /// The key of a ward.
    pub(super) fn find(&self, site: &str, ward: &str) -> Option<i64> {
        self.by_code.get(&(site.to_owned(), ward.to_owned())).copied()
    }

    /// The wards, by site and code, that lines count beds on and nobody has registered.
    pub(super) fn missing(&self, lines: &[Line]) -> BTreeSet<(String, String)> {
        let beds = lines.iter().filter(|line| line.line_type != LineType::Demand);
        let places = beds.filter_map(|line| Some((line.site_code.as_str(), line.ward_code.as_deref()?)));
        places.filter(|(site, ward)| self.find(site, ward).is_none()).map(|(site, ward)| (site.to_owned(), ward.to_owned())).collect()
    }

    /// Takes a ward that was put down as pending: its beds count, its type is not known.
    pub(super) fn put_down(&mut self, place: (String, String), key: i64) {
        self.by_code.insert(place.clone(), key);
        self.unknown.insert(place);
    }

    /// The bed group and ward type that a demand asks for. A ward type decides the group only where all the provider's
    /// wards of that type are in one.
    pub(super) fn asked_for<'a>(&'a self, demand_for: Option<&'a str>) -> (&'a str, &'a str) {
        match demand_for {
            Some(code) if self.groups.contains(code) => (code, UNKNOWN),
            Some(code) if self.types.contains(code) => {
                let groups = self.groups_of_type.get(code);
                let only = groups.filter(|groups| groups.len() == 1).and_then(|groups| groups.iter().next());
                (only.map_or(UNKNOWN, String::as_str), code)
            }
            _ => (UNKNOWN, UNKNOWN),
        }
    }

    /// The wards that were put down as pending: site and ward code.
    pub(super) fn unknown(self) -> Vec<(String, String)> {
        self.unknown.into_iter().collect()
    }
}
