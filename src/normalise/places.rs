//! Places: which registered site and ward a row means (F17).
//!
//! Owns looking up sites, wards and their other names, as registered on the snapshot's local day. Refuses to guess: a ward
//! that is not registered stays what the extract calls it.

use super::reference::{Reference, WardAlias, in_force};
use crate::bedstate::Code;
use crate::feed::ProviderCode;
use jiff::civil::Date;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

/// One provider's sites and wards on one day.
pub(super) struct Places<'a> {
    sites: HashMap<&'a str, HashSet<&'a str>>,
    /// By source site (`None`: any) and source ward, both in lower case.
    aliases: HashMap<(Option<String>, String), &'a WardAlias>,
    found: RefCell<Found>,
}

/// Places found before: rows of one ward come together, and a ward comes again in each bay.
#[derive(Default)]
struct Found {
    /// By the lengths of site and ward, and then by site, ward and ward as written, one after the other.
    places: HashMap<(usize, usize), HashMap<String, Located>>,
    count: usize,
    /// Where a key is put together; kept for its memory.
    key: String,
    last: String,
    last_located: Option<((usize, usize), Located)>,
}

/// Places that are remembered at most: more than any provider has wards. Beyond, each is looked up anew.
const MOST_REMEMBERED: usize = 1 << 14;

/// Where a row is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Located {
    pub(super) site: Code,
    /// Empty where the row names none.
    pub(super) ward: Code,
    /// Whether the register of other names gave the ward.
    pub(super) ward_aliased: bool,
    /// Whether the register of other names gave the site.
    pub(super) site_aliased: bool,
    pub(super) site_registered: bool,
    pub(super) ward_registered: bool,
}

impl<'a> Places<'a> {
    pub(super) fn new(reference: &'a Reference, provider: &ProviderCode, day: Date) -> Self {
        let on_day = |from, to| in_force(from, to, day);
        let mut sites: HashMap<&str, HashSet<&str>> = HashMap::new();
        for site in reference.sites.iter().filter(|site| site.provider == *provider && on_day(site.valid_from, site.valid_to)) {
            sites.entry(&site.site_code).or_default();
        }
        for ward in reference.wards.iter().filter(|ward| ward.provider == *provider && on_day(ward.valid_from, ward.valid_to)) {
            if let Some(wards) = sites.get_mut(ward.site_code.as_str()) {
                wards.insert(&ward.ward_code);
            }
        }
        let mut aliases = HashMap::new();
        for alias in reference.aliases.iter().filter(|alias| alias.provider == *provider && on_day(alias.valid_from, alias.valid_to)) {
            let key = (alias.source_site.as_deref().map(str::to_lowercase), alias.source_ward.to_lowercase());
            aliases.entry(key).or_insert(alias);
        }
        Self { sites, aliases, found: RefCell::default() }
    }

    /// Finds a place by the site, and by the ward both as read and as written (`7` where the mapping makes it `07`).
    pub(super) fn locate(&self, site: &str, ward: &str, ward_as_written: &str) -> Located {
        // Nothing below asks for another place, so this is never borrowed already.
        let Ok(mut found) = self.found.try_borrow_mut() else { return self.look_up(site, ward, ward_as_written) };
        let Found { places, count, key, last, last_located } = &mut *found;
        let lengths = (site.len(), ward.len());
        key.clear();
        [site, ward, ward_as_written].iter().for_each(|piece| key.push_str(piece));
        if let Some((_, located)) = last_located.as_ref().filter(|(its, _)| *its == lengths && key == last) {
            return located.clone();
        }
        let known = places.get(&lengths).and_then(|places| places.get(key.as_str()));
        let located = known.cloned().unwrap_or_else(|| {
            let located = self.look_up(site, ward, ward_as_written);
            if *count < MOST_REMEMBERED {
                *count += 1;
                places.entry(lengths).or_default().insert(key.clone(), located.clone());
            }
            located
        });
        last.clone_from(key);
        *last_located = Some((lengths, located.clone()));
        located
    }

    fn look_up(&self, site: &str, ward: &str, ward_as_written: &str) -> Located {
        let exact = Some(site.to_lowercase());
        let alias = |source_site: &Option<String>, ward: &str| self.aliases.get(&(source_site.clone(), ward.to_lowercase())).copied();
        let ward_alias = if ward.is_empty() {
            None
        } else {
            [&exact, &None].into_iter().find_map(|site| alias(site, ward_as_written).or_else(|| alias(site, ward)))
        };
        let site_alias = alias(&exact, "");
        let (found_site, found_ward) = match (ward_alias, site_alias) {
            (Some(alias), _) => (alias.site_code.as_str(), alias.ward_code.as_str()),
            (None, Some(alias)) => (alias.site_code.as_str(), ward),
            (None, None) => (site, ward),
        };
        let wards = self.sites.get(found_site);
        Located {
            site: Code::new(found_site),
            ward: Code::new(found_ward),
            ward_aliased: ward_alias.is_some(),
            site_aliased: ward_alias.is_some() || site_alias.is_some(),
            site_registered: wards.is_some(),
            ward_registered: wards.is_some_and(|wards| wards.contains(found_ward)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::reference::Site;
    use super::*;
    use crate::normalise::testing::{alias, site, ward};

    #[test]
    fn a_place_is_found_by_its_code_or_by_another_name_on_the_day() {
        let provider: ProviderCode = "RY3".parse().unwrap();
        let mut old = alias("RY3", None, "Ward Old", "RY3S1", "WOLD");
        old.valid_to = Some("2018-12-03".parse().unwrap());
        let closed = Site { valid_to: Some("2018-12-03".parse().unwrap()), ..site("RY3", "RY3S9") };
        let reference = Reference {
            sites: vec![site("RY3", "RY3S1"), site("RY3", "RY3S2"), site("RM1", "RM102"), closed],
            wards: vec![ward("RY3", "RY3S1", "WEAST"), ward("RY3", "RY3S2", "WEAST"), ward("RY3", "RY3S1", "07")],
            aliases: vec![
                alias("RY3", Some("Unit East"), "Ward East", "RY3S1", "WEAST"),
                alias("RY3", None, "Ward East", "RY3S2", "WEAST"),
                alias("RY3", Some("Unit East"), "", "RY3S1", ""),
                alias("RY3", None, "7", "RY3S1", "07"),
                alias("RM1", Some("Unit West"), "", "RM102", ""),
                old,
            ],
            ..Reference::default()
        };
        let places = Places::new(&reference, &provider, "2018-12-03".parse().unwrap());
        // (site, ward, as written) -> (site, ward, site registered, ward registered)
        let rows = [
            (("RY3S1", "WEAST", "WEAST"), ("RY3S1", "WEAST", true, true)),
            (("RY3S1", "weast", "weast"), ("RY3S1", "weast", true, false)),
            (("unit east", "WARD EAST", "WARD EAST"), ("RY3S1", "WEAST", true, true)),
            (("Unit Elsewhere", "Ward East", "Ward East"), ("RY3S2", "WEAST", true, true)),
            (("Unit East", "", ""), ("RY3S1", "", true, false)),
            (("Unit East", "Ward New", "Ward New"), ("RY3S1", "Ward New", true, false)),
            (("RY3S1", "99", "7"), ("RY3S1", "07", true, true)),
            // Another provider's names, and names whose time is over, are not known.
            (("Unit West", "", ""), ("Unit West", "", false, false)),
            (("RM102", "", ""), ("RM102", "", false, false)),
            (("RY3S9", "", ""), ("RY3S9", "", false, false)),
            (("RY3S1", "Ward Old", "Ward Old"), ("RY3S1", "Ward Old", true, false)),
        ];
        for ((site, ward, written), expected) in rows {
            let found = places.locate(site, ward, written);
            assert_eq!((found.site.as_str(), found.ward.as_str(), found.site_registered, found.ward_registered), expected, "{site} {ward}");
        }
    }
}
