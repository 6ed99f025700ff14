//! Resizing: reference data for providers larger, smaller or more numerous than the samples, for load tests.
//!
//! Owns copies of reference data. Refuses to change the data it is given.

use crate::feed::ProviderCode;
use crate::normalise::reference::Reference;

/// The same reference data with one provider's registered beds scaled to `beds` in all, its wards keeping their shares.
#[must_use]
pub fn resized(reference: &Reference, provider: &ProviderCode, beds: u32) -> Reference {
    let mut resized = reference.clone();
    let before: u64 = reference.wards.iter().filter(|ward| ward.provider == *provider).map(|ward| u64::from(ward.registered_beds)).sum();
    let (mut seen, mut given) = (0_u64, 0_u64);
    for ward in resized.wards.iter_mut().filter(|ward| ward.provider == *provider) {
        // Sharing out the running sum leaves no remainder.
        seen += u64::from(ward.registered_beds);
        let due = seen.saturating_mul(u64::from(beds)).checked_div(before).unwrap_or(0);
        ward.registered_beds = u32::try_from(due.saturating_sub(given)).unwrap_or(u32::MAX);
        given = due;
    }
    resized
}

/// The same reference data with one provider's sites, wards and aliases there a second time under the code `copy`.
#[must_use]
pub fn copied(reference: &Reference, provider: &ProviderCode, copy: &ProviderCode) -> Reference {
    let mut copied = reference.clone();
    let mine = |code: &ProviderCode| code == provider;
    copied.sites.extend(reference.sites.iter().filter(|site| mine(&site.provider)).cloned().map(|mut site| {
        site.provider = copy.clone();
        site
    }));
    copied.wards.extend(reference.wards.iter().filter(|ward| mine(&ward.provider)).cloned().map(|mut ward| {
        ward.provider = copy.clone();
        ward
    }));
    copied.aliases.extend(reference.aliases.iter().filter(|alias| mine(&alias.provider)).cloned().map(|mut alias| {
        alias.provider = copy.clone();
        alias
    }));
    copied
}
