//! Plausibility: could these figures be true of this provider? (PLA-05)

use super::Limits;
use super::register::Register;
use crate::feed::{Finding, Rule, Totals};

/// A provider with many registered beds has some open and some occupied.
#[must_use]
pub fn check(totals: &Totals, register: &Register<'_>, limits: &Limits) -> Option<Finding> {
    let registered = register.beds();
    let none = match (totals.open(), totals.occupied) {
        _ if registered <= u64::from(limits.large_provider_beds) => return None,
        (0, _) => "open",
        (_, 0) => "occupied",
        _ => return None,
    };
    Some(Finding::new(Rule::Pla05, format!("No {none} beds reported, though {registered} beds are registered.")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::testing::reference;

    #[test]
    fn pla_05_only_a_large_provider_must_have_open_and_occupied_beds() {
        let provider = "RM1".parse().unwrap();
        let day = "2018-12-03".parse().unwrap();
        // Beds registered on each of two wards, occupied, empty, and whether it is in doubt.
        let rows = [(15, 1, 0, false), (15, 0, 1, true), (15, 0, 0, true), (10, 0, 0, false), (11, 0, 9, true)];
        for (registered, occupied, empty, expected) in rows {
            let mut reference = reference();
            reference.wards.iter_mut().for_each(|ward| ward.registered_beds = registered);
            let totals = Totals { occupied, empty, ..Totals::default() };
            let register = Register::new(&reference, &provider, day);
            assert_eq!(check(&totals, &register, &Limits::default()).is_some(), expected, "{registered} {occupied} {empty}");
            reference.wards.iter_mut().for_each(|ward| ward.valid_to = Some(day));
            assert_eq!(check(&totals, &Register::new(&reference, &provider, day), &Limits::default()), None);
        }
    }
}
