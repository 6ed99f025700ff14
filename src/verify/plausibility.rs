//! Plausibility: could these figures be true of this provider? (PLA-05)

use crate::feed::{Finding, ProviderCode, Rule, Totals};
use crate::normalise::reference::Reference;
use jiff::civil::Date;

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

fn registered_beds(provider: &ProviderCode, reference: &Reference, day: Date) -> u64 {
    let valid = |from: Option<Date>, to: Option<Date>| from.is_none_or(|from| from <= day) && to.is_none_or(|to| day < to);
    let wards = reference.wards.iter().filter(|ward| ward.provider == *provider && valid(ward.valid_from, ward.valid_to));
    wards.map(|ward| u64::from(ward.registered_beds)).sum()
}
