//! Movement: what happens in a simulated provider during one slot.
//!
//! Owns discharges, admissions, cleaning, closures and the queue. Refuses sums and layouts.

use super::generator::Generator;
use super::profile::Profile;
use super::state::{Bed, Organisation, Patient, Waiting, WardState, either};
use crate::bedstate::{DemandSource, EmptyState};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

/// How often a random bed is looked for before the move is left out; busy hospitals may have none of the kind.
const MAX_TRIES: usize = 200;

/// Moves one organisation on to `at`. At least one patient leaves, so no two slots are alike.
pub(super) fn advance(organisation: &mut Organisation, at: Timestamp, today: Date) {
    let profile = organisation.layout.profile();
    turn_over_empty_beds(organisation, &profile, at);
    let beds: u64 = organisation.wards.iter().map(|ward| ward.count(|_| true)).sum();
    let leaving = 1 + organisation.chance.below(1 + beds.saturating_mul(profile.turnover) / 500);
    for _ in 0..leaving {
        discharge(organisation, &profile, at);
    }
    let closed: u64 = organisation.wards.iter().map(|ward| ward.count(|bed| matches!(bed, Bed::Closed(_)))).sum();
    let occupied: u64 = organisation.wards.iter().map(|ward| ward.count(|bed| matches!(bed, Bed::Occupied(_)))).sum();
    let wanted = beds.saturating_sub(closed).saturating_mul(profile.occupied) / 1000;
    for _ in 0..wanted.saturating_sub(occupied).min(leaving.saturating_mul(2)) {
        admit(organisation, &profile, at, today);
    }
    open_or_close(organisation, &profile, at);
    fill_queue(organisation, &profile, at, today);
    if let Some(ward) = random_ward(organisation) {
        // Somebody always looks at a figure and finds it right.
        ward.updated_at = at;
    }
}

/// Lets patients join the queue up to a random length within the profile's range.
pub(super) fn fill_queue(organisation: &mut Organisation, profile: &Profile, at: Timestamp, today: Date) {
    let Organisation { wards, waiting, chance, .. } = organisation;
    let (fewest, most) = profile.waiting;
    let started = waiting.is_empty();
    let arrivals = if started { fewest + chance.index(most - fewest + 1) } else { chance.index(4) };
    let length = waiting.len().saturating_add(arrivals).clamp(fewest, most);
    while waiting.len() < length {
        let Some(source) = chance.pick(profile.sources) else { return };
        let ward = wards.get(chance.index(wards.len()));
        let site = ward.map(|ward| (ward.ward.site_code.clone(), ward.source.0.clone())).unwrap_or_default();
        // Those found waiting when the world begins have waited longer than those who have only just come.
        let minutes = 1 + chance.below(if started { 700 } else { 14 });
        let since = at - SignedDuration::from_mins(i64::try_from(minutes).unwrap_or(1));
        waiting.push(join(source, since, site, profile, today, chance));
    }
}

fn join(source: DemandSource, since: Timestamp, site: (String, String), profile: &Profile, today: Date, chance: &mut Generator) -> Waiting {
    let specialties = match source {
        DemandSource::Emergency | DemandSource::Assessment => ["300", "300", "340", "430", "320", "100", "110", "420"],
        _ => ["710"; 8],
    };
    let specialty = chance.pick(&specialties).unwrap_or("300");
    let (youngest, oldest) = match (source, specialty) {
        (_, "420") => (0, 15),
        (DemandSource::Emergency | DemandSource::Assessment, _) => (17, 97),
        (DemandSource::StepDown, _) => (55, 98),
        _ => (18, 60),
    };
    let gender = either(chance);
    Waiting { patient: Patient::aged(gender, youngest, oldest, profile, today, chance), source, since, specialty, site }
}

/// Cleaned beds become ready, and beds held for somebody are let go.
fn turn_over_empty_beds(organisation: &mut Organisation, profile: &Profile, at: Timestamp) {
    let Organisation { wards, chance, .. } = organisation;
    for ward in wards {
        for bed in &mut ward.beds {
            let done = match bed {
                Bed::Empty(EmptyState::Cleaning) => chance.chance(1000_u64.saturating_sub(profile.cleaning)),
                Bed::Empty(EmptyState::Leave) => chance.chance(80),
                Bed::Empty(EmptyState::Reserved) => chance.chance(20),
                Bed::Empty(EmptyState::Ready) | Bed::Occupied(_) | Bed::Closed(_) => false,
            };
            if done {
                *bed = Bed::Empty(EmptyState::Ready);
                ward.updated_at = at;
            }
        }
    }
}

fn discharge(organisation: &mut Organisation, profile: &Profile, at: Timestamp) {
    let Some((ward, bed)) = find(organisation, |bed| matches!(bed, Bed::Occupied(_))) else { return };
    let Organisation { wards, chance, .. } = organisation;
    let Some(ward) = wards.get_mut(ward) else { return };
    let next = ward.vacated(profile, chance);
    replace(ward, bed, next, at);
}

/// Puts somebody into a ready bed. Whoever has waited longest leaves the queue; the ward gets a patient it can take.
fn admit(organisation: &mut Organisation, profile: &Profile, at: Timestamp, today: Date) {
    let Some((ward, bed)) = find(organisation, |bed| matches!(bed, Bed::Empty(EmptyState::Ready))) else { return };
    let Organisation { wards, waiting, chance, .. } = organisation;
    let Some(ward) = wards.get_mut(ward) else { return };
    let patient = Patient::for_ward(&ward.ward, profile, today, chance);
    replace(ward, bed, Bed::Occupied(patient), at);
    if waiting.len() > profile.waiting.0
        && let Some((longest, _)) = waiting.iter().enumerate().min_by_key(|(_, waiting)| waiting.since)
    {
        waiting.remove(longest);
    }
}

fn open_or_close(organisation: &mut Organisation, profile: &Profile, at: Timestamp) {
    if !organisation.chance.chance(profile.closing_wards) {
        return;
    }
    if organisation.chance.chance(500) {
        if let Some((ward, bed)) = find(organisation, |bed| matches!(bed, Bed::Closed(_)))
            && let Some(ward) = organisation.wards.get_mut(ward)
        {
            replace(ward, bed, Bed::Empty(EmptyState::Ready), at);
        }
    } else if let Some((ward, bed)) = find(organisation, |bed| matches!(bed, Bed::Empty(EmptyState::Ready)))
        && let Some(ward) = organisation.wards.get_mut(ward)
    {
        let closed = Bed::Closed(ward.closes_for);
        replace(ward, bed, closed, at);
    }
}

fn replace(ward: &mut WardState, position: usize, next: Bed, at: Timestamp) {
    if let Some(bed) = ward.beds.get_mut(position) {
        *bed = next;
        ward.updated_at = at;
    }
}

fn random_ward(organisation: &mut Organisation) -> Option<&mut WardState> {
    let position = organisation.chance.index(organisation.wards.len());
    organisation.wards.get_mut(position)
}

/// A random bed of a kind: positions of the ward and the bed.
fn find(organisation: &mut Organisation, kind: impl Fn(&Bed) -> bool) -> Option<(usize, usize)> {
    for _ in 0..MAX_TRIES {
        let position = organisation.chance.index(organisation.wards.len());
        let ward = organisation.wards.get(position)?;
        let bed = organisation.chance.index(ward.beds.len());
        if ward.beds.get(bed).is_some_and(&kind) {
            return Some((position, bed));
        }
    }
    None
}
