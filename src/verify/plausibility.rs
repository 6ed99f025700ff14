//! Plausibility: could these figures be true of this provider? (PLA-05)

use super::WardKey;
use crate::feed::{Finding, ProviderCode, Rule, Totals};
use crate::normalise::reference::{Reference, Ward};
use jiff::civil::Date;
use std::collections::BTreeSet;

/// Registered beds above which a provider always has open and occupied beds.
const LARGE: u64 = 20;

/// A provider with more than twenty registered beds has some open and some occupied.
#[must_use]
pub fn check(totals: &Totals, provider: &ProviderCode, reference: &Reference, day: Date) -> Option<Finding> {
    let registered = registered_beds(provider, reference, day);
    let none = match (totals.open(), totals.occupied) {
        _ if registered <= LARGE => return None,
        (0, _) => "open",
        (_, 0) => "occupied",
        _ => return None,
    };
    Some(Finding::new(Rule::Pla05, format!("No {none} beds reported, though {registered} beds are registered.")))
}

/// The provider's wards that are registered with beds on a day.
#[must_use]
pub fn wards_with_beds(provider: &ProviderCode, reference: &Reference, day: Date) -> BTreeSet<WardKey> {
    let with_beds = registered(provider, reference, day).filter(|ward| ward.registered_beds > 0);
    with_beds.map(|ward| (ward.site_code.clone(), ward.ward_code.clone())).collect()
}

fn registered_beds(provider: &ProviderCode, reference: &Reference, day: Date) -> u64 {
    registered(provider, reference, day).map(|ward| u64::from(ward.registered_beds)).sum()
}

fn registered<'a>(provider: &'a ProviderCode, reference: &'a Reference, day: Date) -> impl Iterator<Item = &'a Ward> {
    let valid = move |from: Option<Date>, to: Option<Date>| from.is_none_or(|from| from <= day) && to.is_none_or(|to| day < to);
    reference.wards.iter().filter(move |ward| ward.provider == *provider && valid(ward.valid_from, ward.valid_to))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::testing::reference;

    #[test]
    fn pla_05_only_a_large_provider_must_have_open_and_occupied_beds() {
        let provider: ProviderCode = "RM1".parse().unwrap();
        let day = "2018-12-03".parse().unwrap();
        // Beds registered on each of two wards, occupied, empty, and whether it is in doubt.
        let rows = [(15, 1, 0, false), (15, 0, 1, true), (15, 0, 0, true), (10, 0, 0, false), (11, 0, 9, true)];
        for (registered, occupied, empty, expected) in rows {
            let mut reference = reference();
            reference.wards.iter_mut().for_each(|ward| ward.registered_beds = registered);
            let totals = Totals { occupied, empty, ..Totals::default() };
            assert_eq!(check(&totals, &provider, &reference, day).is_some(), expected, "{registered} {occupied} {empty}");
            reference.wards.iter_mut().for_each(|ward| ward.valid_to = Some(day));
            assert_eq!(check(&totals, &provider, &reference, day), None);
        }
    }
}
