//! The comparison: what a further warehouse lacks of what the ledger has accepted, and what it has that it should not. Pure.
//!
//! Refuses to call a snapshot the same because its number is: it was judged at the same time, or it is another one.

use crate::feed::DeliveryId;
use crate::ledger::{AcceptedSnapshot, QueuedSnapshot};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// What a warehouse says that it has: the delivery that leads each snapshot, its version, and when it was judged.
pub(super) type There = BTreeMap<(DeliveryId, u32), Timestamp>;

/// Why something is left out whose original, or whose lines, are deleted.
pub(super) const DELETED: &str = "retention has deleted its original, or lines of it";

/// What is to be done so that a warehouse has what it should.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// To be loaded, in no order.
    pub(super) load: Vec<QueuedSnapshot>,
    /// Not there, and cannot be loaded any more.
    pub(super) deleted: Vec<DeliveryId>,
    /// To be dropped first: it was judged anew, got another number, or is not accepted any more.
    pub(super) dropped: Vec<DeliveryId>,
    /// How many deliveries it has that the ledger does not know at all.
    pub(super) unknown: usize,
}

/// Compares. `known`: what the ledger knows, and whether each is set aside.
pub(super) fn compare(accepted: &[AcceptedSnapshot], there: &There, known: &BTreeMap<DeliveryId, bool>) -> Plan {
    let mut plan = Plan::default();
    for one in accepted {
        let snapshot = one.snapshot;
        let judged = there.get(&(snapshot.lead, snapshot.version));
        if judged.is_some_and(|at| one.assessed_at.is_none_or(|assessed| assessed.as_second() == at.as_second())) {
            continue;
        }
        if one.gone {
            plan.deleted.push(snapshot.lead);
            continue;
        }
        // What was read again is another version beside the first, which stays.
        let under_another_number = !one.replay && of(there, snapshot.lead).next().is_some();
        if judged.is_some() || under_another_number {
            plan.dropped.push(snapshot.lead);
        }
        plan.load.push(waiting(one));
    }
    let accepted: std::collections::BTreeSet<DeliveryId> = accepted.iter().map(|one| one.snapshot.lead).collect();
    let mut leads: Vec<DeliveryId> = there.keys().map(|(lead, _)| *lead).filter(|lead| !accepted.contains(lead)).collect();
    leads.dedup();
    for lead in leads {
        match known.get(&lead) {
            Some(true) => plan.dropped.push(lead),
            // It is still to be judged: an older ledger was put in place. What comes of it is compared then.
            Some(false) => {}
            None => plan.unknown += 1,
        }
    }
    plan
}

/// The versions of a delivery that are there.
pub(super) fn of(there: &There, lead: DeliveryId) -> impl Iterator<Item = u32> + '_ {
    there.range((lead, 0)..=(lead, u32::MAX)).map(|((_, version), _)| *version)
}

/// As it joins the queue.
fn waiting(one: &AcceptedSnapshot) -> QueuedSnapshot {
    let AcceptedSnapshot { provider, snapshot, replay, moved_at, .. } = one.clone();
    QueuedSnapshot { provider, snapshot, replay, attempts: 0, retry_at: moved_at, moved_at }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::{Slot, SnapshotRef};

    fn at(second: i64) -> Timestamp {
        "2018-12-03T10:16:00Z".parse::<Timestamp>().unwrap() + jiff::SignedDuration::from_secs(second)
    }

    fn id(number: u8) -> DeliveryId {
        DeliveryId::new(at(0), [number; 10])
    }

    /// Accepted snapshots as `1/1 judged 5`: delivery, version, second. `again`: read again; `gone`: deleted.
    fn accepted(text: &str) -> AcceptedSnapshot {
        let words: Vec<&str> = text.split(' ').collect();
        let (lead, version) = words[0].split_once('/').unwrap();
        let snapshot = SnapshotRef { lead: id(lead.parse().unwrap()), slot: Slot::containing(at(0)), version: version.parse().unwrap() };
        AcceptedSnapshot {
            provider: "RM1".parse().unwrap(),
            snapshot,
            replay: text.contains("again"),
            gone: text.contains("gone"),
            assessed_at: Some(at(words[1].parse().unwrap()) + jiff::SignedDuration::from_millis(300)),
            moved_at: at(0),
        }
    }

    #[test]
    fn p2_what_a_warehouse_has_is_not_loaded_and_what_it_has_otherwise_is_loaded_anew() {
        // What it is about; what is accepted; what is there; what is loaded, left out, dropped and unknown.
        type Row = (&'static str, &'static [&'static str], &'static [(u8, u32, i64)], (&'static [u8], &'static [u8], &'static [u8], usize));
        let rows: [Row; 11] = [
            ("nothing", &[], &[], (&[], &[], &[], 0)),
            ("it has all", &["1/1 5", "2/2 6"], &[(1, 1, 5), (2, 2, 6)], (&[], &[], &[], 0)),
            ("it lacks one", &["1/1 5", "2/2 6"], &[(1, 1, 5)], (&[2], &[], &[], 0)),
            ("it lacks one that is deleted", &["1/1 5 gone", "2/2 6"], &[(2, 2, 6)], (&[], &[1], &[], 0)),
            ("deleted, and there", &["1/1 5 gone"], &[(1, 1, 5)], (&[], &[], &[], 0)),
            ("judged anew since", &["1/1 9"], &[(1, 1, 5)], (&[1], &[], &[1], 0)),
            ("under another number", &["1/2 5"], &[(1, 1, 5)], (&[1], &[], &[1], 0)),
            ("read again", &["1/3 9 again"], &[(1, 1, 5)], (&[1], &[], &[], 0)),
            ("read again, both there", &["1/3 9 again"], &[(1, 1, 5), (1, 3, 9)], (&[], &[], &[], 0)),
            ("set aside since, and unknown", &[], &[(3, 1, 5), (4, 1, 5), (7, 1, 5), (7, 2, 5)], (&[], &[], &[3], 1)),
            ("judged anew, and its original is gone", &["1/1 9 gone"], &[(1, 1, 5)], (&[], &[1], &[], 0)),
        ];
        let known = BTreeMap::from([(id(1), false), (id(2), false), (id(3), true), (id(4), false)]);
        for (what, ledger, warehouse, (load, deleted, dropped, unknown)) in rows {
            let ledger: Vec<AcceptedSnapshot> = ledger.iter().map(|text| accepted(text)).collect();
            let there = warehouse.iter().map(|(lead, version, second)| ((id(*lead), *version), at(*second))).collect();
            let plan = compare(&ledger, &there, &known);
            let ids = |numbers: &[u8]| numbers.iter().map(|number| id(*number)).collect::<Vec<_>>();
            let loads: Vec<DeliveryId> = plan.load.iter().map(|waiting| waiting.snapshot.lead).collect();
            assert_eq!((loads, plan.deleted, plan.dropped, plan.unknown), (ids(load), ids(deleted), ids(dropped), unknown), "{what}");
        }
    }
}
