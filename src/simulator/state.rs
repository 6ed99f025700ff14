//! State: the beds, patients and waits of one simulated organisation at one moment.
//!
//! Owns the truth that extracts are written from, and its sums. Refuses to know any layout.

use super::generator::Generator;
use super::profile::{Layout, Profile};
use crate::bedstate::{BedSex, ClosedReason, DemandSource, EmptyState, Gender, Ready};
use crate::feed::Totals;
use crate::normalise::reference;
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};

/// One simulated provider.
#[derive(Clone, Debug)]
pub(super) struct Organisation {
    pub(super) layout: Layout,
    pub(super) wards: Vec<WardState>,
    pub(super) waiting: Vec<Waiting>,
    /// Sites that are registered but have no ward yet: code and name.
    pub(super) bare_sites: Vec<(String, String)>,
    pub(super) chance: Generator,
}

/// One ward, or one bed type of a care home.
#[derive(Clone, Debug)]
pub(super) struct WardState {
    pub(super) ward: reference::Ward,
    pub(super) site_name: String,
    /// The site and the ward as the provider's own system names them.
    pub(super) source: (String, String),
    pub(super) beds: Vec<Bed>,
    /// Why beds of this ward are closed when they are.
    pub(super) closes_for: ClosedReason,
    /// Takes nobody: every bed that falls empty is closed.
    pub(super) closed_to_admissions: bool,
    /// When the provider last touched these figures.
    pub(super) updated_at: Timestamp,
}

/// What one bed is.
#[derive(Clone, Debug)]
pub(super) enum Bed {
    Occupied(Patient),
    Empty(EmptyState),
    Closed(ClosedReason),
}

/// An invented patient.
#[derive(Clone, Debug)]
pub(super) struct Patient {
    pub(super) gender: Gender,
    pub(super) born: Date,
    pub(super) isolated: bool,
    pub(super) ready: Ready,
}

/// An invented patient who waits for a bed.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) patient: Patient,
    pub(super) source: DemandSource,
    pub(super) since: Timestamp,
    /// Treatment function code of what is needed.
    pub(super) specialty: &'static str,
    /// Where the bed is wanted.
    pub(super) site: (String, String),
}

impl Organisation {
    /// Sums the state itself.
    pub(super) fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for bed in self.wards.iter().flat_map(|ward| &ward.beds) {
            match bed {
                Bed::Occupied(_) => totals.occupied += 1,
                Bed::Empty(state) => {
                    totals.empty += 1;
                    totals.available_now += u64::from(*state == EmptyState::Ready);
                }
                Bed::Closed(_) => totals.closed += 1,
            }
        }
        for waiting in &self.waiting {
            totals.demand += 1;
            totals.demand_not_in_bed += u64::from(!waiting.in_bed_now());
        }
        totals
    }
}

impl WardState {
    pub(super) fn count(&self, which: impl Fn(&Bed) -> bool) -> u64 {
        u64::try_from(self.beds.iter().filter(|bed| which(bed)).count()).unwrap_or(u64::MAX)
    }

    /// What a bed becomes when its patient goes.
    pub(super) fn vacated(&self, profile: &Profile, chance: &mut Generator) -> Bed {
        if self.closed_to_admissions {
            return Bed::Closed(self.closes_for);
        }
        Bed::Empty(if profile.cleaning > 0 {
            EmptyState::Cleaning
        } else if chance.chance(profile.leave) {
            EmptyState::Leave
        } else if chance.chance(profile.reserved) {
            EmptyState::Reserved
        } else {
            EmptyState::Ready
        })
    }
}

impl Waiting {
    /// Step-down patients wait in another hospital's bed; all others are in none.
    pub(super) fn in_bed_now(&self) -> bool {
        self.source == DemandSource::StepDown
    }
}

impl Patient {
    /// Somebody this ward can take.
    pub(super) fn for_ward(ward: &reference::Ward, profile: &Profile, today: Date, chance: &mut Generator) -> Self {
        let gender = match ward.bed_sex {
            BedSex::Male => Gender::Male,
            BedSex::Female => Gender::Female,
            BedSex::NotSpecified if chance.chance(profile.unknown_gender) => Gender::Unknown,
            BedSex::NotSpecified => either(chance),
        };
        let (youngest, oldest) = (ward.min_age.unwrap_or(0), ward.max_age.unwrap_or(99));
        Self::aged(gender, u64::from(youngest), u64::from(oldest), profile, today, chance)
    }

    /// Somebody between two ages in whole years; older people are more often in hospital.
    pub(super) fn aged(gender: Gender, youngest: u64, oldest: u64, profile: &Profile, today: Date, chance: &mut Generator) -> Self {
        let span = oldest.saturating_sub(youngest).saturating_add(1);
        let (one, other) = (chance.below(span), chance.below(span));
        let years = youngest + if oldest > 64 { one.max(other) } else { one };
        // Never within five days of a birthday, so that the age holds for the days a simulation runs.
        let days = 5 + chance.below(350);
        let years = i64::try_from(years).unwrap_or(0);
        let days = i64::try_from(days).unwrap_or(0);
        let born = today.checked_sub(years.years()).and_then(|day| day.checked_sub(days.days())).unwrap_or(today);
        let ready = match chance.below(1000) {
            draw if draw < profile.ready => Ready::Ready,
            draw if draw < profile.ready.saturating_mul(3) / 2 => Ready::Delayed,
            _ => Ready::No,
        };
        Self { gender, born, isolated: chance.chance(profile.isolated), ready }
    }

    /// Age in whole years on a day.
    pub(super) fn age(&self, day: Date) -> u16 {
        let had_birthday = (day.month(), day.day()) >= (self.born.month(), self.born.day());
        let years = day.year().saturating_sub(self.born.year()).saturating_sub(i16::from(!had_birthday));
        u16::try_from(years).unwrap_or(0)
    }
}

/// Male or female, as likely as each other.
pub(super) fn either(chance: &mut Generator) -> Gender {
    if chance.chance(500) { Gender::Male } else { Gender::Female }
}
