//! The world: every simulated provider's beds and patients, made from the reference data and a seed.
//!
//! Owns how a world begins and what is true in it. How it changes is in `movement`. Refuses clocks: the time is an argument.

use super::generator::Generator;
use super::movement;
use super::profile::{Layout, Profile};
use super::state::{Bed, Organisation, Patient, WardState};
use crate::bedstate::{ClosedReason, EmptyState};
use crate::feed::{LONDON, ProviderCode, Slot, Totals};
use crate::normalise::reference::{Reference, Ward, WardAlias, in_force};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// An invented state of all providers at one moment. The same reference data, seed and time make the same world.
#[derive(Clone, Debug)]
pub struct World {
    at: Timestamp,
    zone: TimeZone,
    organisations: BTreeMap<ProviderCode, Organisation>,
}

/// Why no world could be made.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// The machine has no time zone data.
    #[error("cannot find the time zone {LONDON}")]
    TimeZone(#[source] jiff::Error),
    /// The reference data has no ward for a provider.
    #[error("the reference data has no ward of {0} in force")]
    NoWards(ProviderCode),
}

impl World {
    /// Makes the world of the sample providers that the reference data has wards for, as it is at `at`.
    ///
    /// # Errors
    /// Fails where the machine has no time zone data, or none of a provider's wards is in force at `at`.
    pub fn new(reference: &Reference, seed: u64, at: Timestamp) -> Result<Self, WorldError> {
        let samples: Vec<(ProviderCode, Layout)> = Layout::ALL
            .into_iter()
            .filter_map(|layout| Some((layout.code().parse().ok()?, layout)))
            .filter(|(code, _)| reference.wards.iter().any(|ward| ward.provider == *code))
            .collect();
        Self::with_layouts(reference, seed, at, &samples)
    }

    /// Makes a world of the providers named, each writing the layout given. For load generators with providers of their own:
    /// file names hold the provider's own code in all layouts but RGP's and RCX's.
    ///
    /// # Errors
    /// Fails where the machine has no time zone data, or none of a provider's wards is in force at `at`.
    pub fn with_layouts(reference: &Reference, seed: u64, at: Timestamp, providers: &[(ProviderCode, Layout)]) -> Result<Self, WorldError> {
        let zone = TimeZone::get(LONDON).map_err(WorldError::TimeZone)?;
        let today = zone.to_datetime(at).date();
        let mut organisations = BTreeMap::new();
        for (provider, layout) in providers {
            let organisation = begin(reference, provider, *layout, seed, at, today);
            if organisation.wards.is_empty() {
                return Err(WorldError::NoWards(provider.clone()));
            }
            organisations.insert(provider.clone(), organisation);
        }
        Ok(Self { at, zone, organisations })
    }

    /// Moves on by one slot: patients leave, arrive and wait; beds are cleaned, closed and opened. Every provider changes.
    pub fn advance(&mut self) {
        self.at = Slot::containing(self.at).next().start();
        let today = self.zone.to_datetime(self.at).date();
        for organisation in self.organisations.values_mut() {
            movement::advance(organisation, self.at, today);
        }
    }

    /// The moment the world has reached.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// Who is in the world.
    pub fn providers(&self) -> impl Iterator<Item = &ProviderCode> {
        self.organisations.keys()
    }

    /// What is true of a provider now, summed from its beds and patients; `None` for one that is not in the world.
    #[must_use]
    pub fn truth(&self, provider: &ProviderCode) -> Option<Totals> {
        self.organisations.get(provider).map(Organisation::totals)
    }

    pub(super) fn organisation(&self, provider: &ProviderCode) -> Option<&Organisation> {
        self.organisations.get(provider)
    }

    pub(super) fn zone(&self) -> &TimeZone {
        &self.zone
    }
}

fn begin(reference: &Reference, provider: &ProviderCode, layout: Layout, seed: u64, at: Timestamp, today: Date) -> Organisation {
    let profile = layout.profile();
    let mut chance = Generator::new(seed, provider.as_str());
    let sites: Vec<(String, String)> = reference
        .sites
        .iter()
        .filter(|site| site.provider == *provider && in_force(site.valid_from, site.valid_to, today))
        .map(|site| (site.site_code.clone(), site.name.clone()))
        .collect();
    let wards: Vec<WardState> = reference
        .wards
        .iter()
        .filter(|ward| ward.provider == *provider && in_force(ward.valid_from, ward.valid_to, today))
        .map(|ward| {
            let site_name = sites.iter().find(|(code, _)| *code == ward.site_code).map(|(_, name)| name.clone()).unwrap_or_default();
            open_ward(ward, site_name, source_names(reference, ward, today), &profile, at, today, &mut chance)
        })
        .collect();
    let bare_sites = sites.into_iter().filter(|(code, _)| !wards.iter().any(|ward| ward.ward.site_code == *code)).collect();
    let mut organisation = Organisation { layout, wards, waiting: Vec::new(), bare_sites, chance };
    movement::fill_queue(&mut organisation, &profile, at, today);
    organisation
}

/// What the provider's own system calls a ward and its site: its alias, if it has one.
fn source_names(reference: &Reference, ward: &Ward, today: Date) -> (String, String) {
    let alias = |alias: &&WardAlias| {
        alias.provider == ward.provider
            && alias.site_code == ward.site_code
            && alias.ward_code == ward.ward_code
            && in_force(alias.valid_from, alias.valid_to, today)
    };
    match reference.aliases.iter().find(alias) {
        Some(found) => (found.source_site.clone().unwrap_or_else(|| ward.site_code.clone()), found.source_ward.clone()),
        None => (ward.site_code.clone(), ward.ward_code.clone()),
    }
}

fn open_ward(
    ward: &Ward,
    site_name: String,
    source: (String, String),
    profile: &Profile,
    at: Timestamp,
    today: Date,
    chance: &mut Generator,
) -> WardState {
    let home = profile.closed_homes > 0;
    let reasons = [ClosedReason::Infection, ClosedReason::Staffing, ClosedReason::Staffing];
    let closes_for = if home { ClosedReason::Infection } else { chance.pick(&reasons).unwrap_or(ClosedReason::Staffing) };
    let minutes_old = if home { 30 + chance.below(9 * 24 * 60) } else { 0 };
    let updated_at = at - SignedDuration::from_mins(i64::try_from(minutes_old).unwrap_or(0));
    let closed_to_admissions = chance.chance(profile.closed_homes);
    let mut state = WardState { ward: ward.clone(), site_name, source, beds: Vec::new(), closes_for, closed_to_admissions, updated_at };
    let closed = if chance.chance(profile.closing_wards) { 1 + chance.below(4) } else { 0 };
    let beds = (0..u64::from(ward.registered_beds))
        .map(|number| {
            // The last beds of a ward are closed together, as a bay is.
            if number + closed >= u64::from(ward.registered_beds) {
                return Bed::Closed(closes_for);
            }
            if chance.chance(profile.occupied) {
                return Bed::Occupied(Patient::for_ward(ward, profile, today, chance));
            }
            match state.vacated(profile, chance) {
                Bed::Empty(EmptyState::Cleaning) if !chance.chance(profile.cleaning) => Bed::Empty(EmptyState::Ready),
                bed => bed,
            }
        })
        .collect();
    state.beds = beds;
    state
}
