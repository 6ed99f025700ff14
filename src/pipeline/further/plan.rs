//! The comparison: what a further warehouse lacks of what the ledger has accepted, and what it has that it should not. Pure.
//!
//! Refuses to call a snapshot the same because its number is: it was judged at the same time, or it is another one.

use crate::feed::DeliveryId;
use crate::ledger::{AcceptedSnapshot, QueuedSnapshot};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

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

/// Compares. `perhaps`: what may be there, or in part; what is loaded where that is the same is finished, where it is not takes its place.
/// `known`: what the ledger knows, and whether each is set aside.
pub(super) fn compare(accepted: &[AcceptedSnapshot], there: &There, perhaps: &There, known: &BTreeMap<DeliveryId, bool>) -> Plan {
    let mut plan = Plan::default();
    for one in accepted {
        let snapshot = one.snapshot;
        let as_told = |judged: &Timestamp| one.assessed_at.is_none_or(|assessed| assessed.as_second() == judged.as_second());
        let judged = there.get(&(snapshot.lead, snapshot.version));
        if judged.is_some_and(as_told) {
            continue;
        }
        // What was read again is another version beside the first, which stays.
        let under_another_number = !one.replay && of(there, snapshot.lead).next().is_some();
        let mut drop = judged.is_some() || under_another_number;
        if one.gone {
            // Nothing takes the place of what may be there of it.
            let mut parts = of(perhaps, snapshot.lead).filter_map(|version| perhaps.get(&(snapshot.lead, version)));
            drop = drop || parts.any(|judged| !as_told(judged));
            plan.deleted.push(snapshot.lead);
        } else {
            plan.load.push(waiting(one));
        }
        if drop {
            plan.dropped.push(snapshot.lead);
        }
    }
    let accepted: BTreeSet<DeliveryId> = accepted.iter().map(|one| one.snapshot.lead).collect();
    let leads: BTreeSet<DeliveryId> = there.keys().chain(perhaps.keys()).map(|(lead, _)| *lead).collect();
    for lead in leads.difference(&accepted).copied() {
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
            ("judged anew, and its original is gone", &["1/1 9 gone"], &[(1, 1, 5)], (&[], &[1], &[1], 0)),
        ];
        let known = BTreeMap::from([(id(1), false), (id(2), false), (id(3), true), (id(4), false)]);
        for (what, ledger, warehouse, (load, deleted, dropped, unknown)) in rows {
            let ledger: Vec<AcceptedSnapshot> = ledger.iter().map(|text| accepted(text)).collect();
            let there = warehouse.iter().map(|(lead, version, second)| ((id(*lead), *version), at(*second))).collect();
            let plan = compare(&ledger, &there, &There::new(), &known);
            assert_eq!(said(&plan), (ids(load), ids(deleted), ids(dropped), unknown), "{what}");
        }
    }

    fn ids(numbers: &[u8]) -> Vec<DeliveryId> {
        numbers.iter().map(|number| id(*number)).collect()
    }

    /// What is loaded, left out, dropped and unknown.
    fn said(plan: &Plan) -> (Vec<DeliveryId>, Vec<DeliveryId>, Vec<DeliveryId>, usize) {
        let loads = plan.load.iter().map(|waiting| waiting.snapshot.lead).collect();
        (loads, plan.deleted.clone(), plan.dropped.clone(), plan.unknown)
    }

    #[test]
    fn of_what_is_there_in_part_the_rest_is_loaded_or_the_part_is_dropped() {
        // What it is about; what is accepted; what is there in part; what is loaded, left out, dropped and unknown.
        type Row = (&'static str, &'static [&'static str], &'static [(u8, u32, i64)], (&'static [u8], &'static [u8], &'static [u8], usize));
        let rows: [Row; 5] = [
            ("as it is accepted", &["1/1 5"], &[(1, 1, 5)], (&[1], &[], &[], 0)),
            ("judged anew since: loading takes its place", &["1/1 9"], &[(1, 1, 5)], (&[1], &[], &[], 0)),
            ("as it is accepted, and its original is gone", &["1/1 5 gone"], &[(1, 1, 5)], (&[], &[1], &[], 0)),
            ("judged anew, and its original is gone", &["1/1 9 gone"], &[(1, 1, 5)], (&[], &[1], &[1], 0)),
            ("set aside since, and unknown", &[], &[(3, 1, 5), (7, 1, 5)], (&[], &[], &[3], 1)),
        ];
        let known = BTreeMap::from([(id(1), false), (id(3), true)]);
        for (what, ledger, part, (load, deleted, dropped, unknown)) in rows {
            let ledger: Vec<AcceptedSnapshot> = ledger.iter().map(|text| accepted(text)).collect();
            let part = part.iter().map(|(lead, version, second)| ((id(*lead), *version), at(*second))).collect();
            let plan = compare(&ledger, &There::new(), &part, &known);
            assert_eq!(said(&plan), (ids(load), ids(deleted), ids(dropped), unknown), "{what}");
        }
    }
}
