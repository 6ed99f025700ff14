//! Trouble: deliveries whose stored originals could not be read or moved, because a disk is full or sick.
//!
//! Owns when each is tried again; the other deliveries of its feed do not wait for it. Kept in memory only: the ledger says
//! where each stands, and a start tries them all. Refuses to give up: what was recorded has to come true.

use super::step::{retry_at, waits};
use crate::feed::{DeliveryId, ProviderCode};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// What has to be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum What {
    /// The next step of a pending delivery.
    Step,
    /// Putting an original where its recorded stage says.
    PutAway,
}

/// Everything that has to be tried again.
#[derive(Debug, Default)]
pub(super) struct Troubles {
    again: BTreeMap<(DeliveryId, What), Again>,
}

#[derive(Debug)]
struct Again {
    provider: ProviderCode,
    attempts: u32,
    at: Timestamp,
}

impl Troubles {
    /// Notes a failure; gives when it is tried again.
    pub(super) fn note(&mut self, delivery: DeliveryId, what: What, provider: &ProviderCode, now: Timestamp) -> Timestamp {
        let again = self.again.entry((delivery, what)).or_insert_with(|| Again { provider: provider.clone(), attempts: 0, at: now });
        again.attempts = again.attempts.saturating_add(1);
        again.at = retry_at(delivery, again.attempts, now);
        again.at
    }

    /// It worked.
    pub(super) fn over(&mut self, delivery: DeliveryId, what: What) {
        self.again.remove(&(delivery, what));
    }

    /// Whether a pending delivery is left alone for now.
    pub(super) fn rests(&self, delivery: DeliveryId, now: Timestamp) -> bool {
        self.again.get(&(delivery, What::Step)).is_some_and(|again| waits(again.at, now))
    }

    /// The originals of a feed that are due to be put away again.
    pub(super) fn due_to_put_away(&self, provider: &ProviderCode, now: Timestamp) -> Vec<DeliveryId> {
        let due =
            self.again.iter().filter(|((_, what), again)| *what == What::PutAway && again.provider == *provider && !waits(again.at, now));
        due.map(|((delivery, _), _)| *delivery).collect()
    }

    /// When the next of a feed is due.
    pub(super) fn next(&self, provider: &ProviderCode) -> Option<Timestamp> {
        self.again.values().filter(|again| again.provider == *provider).map(|again| again.at).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;

    #[test]
    fn what_failed_rests_longer_each_time_and_disturbs_no_other() {
        let now: Timestamp = "2018-12-03T10:15:00Z".parse().unwrap();
        let (rm1, rgp): (ProviderCode, ProviderCode) = ("RM1".parse().unwrap(), "RGP".parse().unwrap());
        let (sick, well) = (DeliveryId::new(now, [1; 10]), DeliveryId::new(now, [2; 10]));
        let mut troubles = Troubles::default();
        let first = troubles.note(sick, What::Step, &rm1, now);
        let second = troubles.note(sick, What::Step, &rm1, now);
        assert!(now < first && first < second && second < now + SignedDuration::from_secs(10), "{first} {second}");
        assert!(troubles.rests(sick, now) && !troubles.rests(sick, second) && !troubles.rests(well, now));
        assert!(troubles.due_to_put_away(&rm1, second).is_empty(), "that is another matter");
        let put_away = troubles.note(well, What::PutAway, &rm1, now);
        assert_eq!((troubles.next(&rm1), troubles.next(&rgp)), (Some(put_away.min(second)), None));
        assert_eq!((troubles.due_to_put_away(&rm1, put_away), troubles.due_to_put_away(&rgp, put_away)), (vec![well], vec![]));
        troubles.over(well, What::PutAway);
        troubles.over(sick, What::Step);
        assert_eq!(troubles.next(&rm1), None);
    }
}
