//! Gathering: which pending deliveries are judged together. Pure.

use crate::feed::{DeliveryId, Slot, Stage};
use crate::ledger::{DeliveryRow, Past, PastRow, Reach};
use crate::normalise::times::{comes_twice, read_civil};
use crate::verify::envelope::{identify, missing_parts, needs_set};
use crate::verify::history::same_hour_slots;
use crate::verify::{Feed, History, PastSnapshot, SameHour};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeSet, HashMap};

/// What to do about a delivery that is to be judged.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Gathering<'a> {
    /// Judge these together. The others were sent for the same part of the same set and are replaced by newer ones.
    Judge {
        /// The parts.
        parts: Vec<&'a DeliveryRow>,
        /// Older files of the same part.
        replaced: Vec<&'a DeliveryRow>,
    },
    /// Other parts are still to come.
    Wait(Stage),
    /// The same file is already pending.
    Repeats(DeliveryId),
}

/// Decides what to judge with `row`, given everything of its feed that is pending.
pub(super) fn gather<'a>(feed: &Feed, row: &'a DeliveryRow, pending: &'a [DeliveryRow], now: Timestamp) -> Gathering<'a> {
    let alone = || Gathering::Judge { parts: vec![row], replaced: Vec::new() };
    let Ok(identity) = identify(feed, &row.delivery.name) else { return alone() };
    let Some(wait) = needs_set(&identity, feed) else { return alone() };
    let undecided =
        |other: &&DeliveryRow| other.delivery.folder == row.delivery.folder && matches!(other.stage, Stage::Landed | Stage::Waiting { .. });
    // In the hour that October repeats, two files rightly have one name: the later one is judged when the earlier one was.
    let twice = identity.name_parts.when.is_some_and(comes_twice) && !identity.name_parts.utc;
    let mut members: Vec<(String, &DeliveryRow)> = Vec::new();
    let mut replaced = Vec::new();
    for other in pending.iter().filter(undecided) {
        let Ok(its) = identify(feed, &other.delivery.name) else { continue };
        if its.set_key != identity.set_key {
            continue;
        }
        match members.iter_mut().find(|(part, _)| *part == its.part) {
            None => members.push((its.part, other)),
            Some(_) if twice => {}
            Some((_, older)) if older.delivery.sha256 == other.delivery.sha256 && other.delivery.id == row.delivery.id => {
                return Gathering::Repeats(older.delivery.id);
            }
            // The same bytes again: its own turn comes when the older one's is over.
            Some((_, older)) if older.delivery.sha256 == other.delivery.sha256 => {}
            // Pending deliveries come oldest first, so the newer file of a part takes the older one's place.
            Some((_, older)) => replaced.push(std::mem::replace(older, other)),
        }
    }
    let names: Vec<_> = members.iter().map(|(_, member)| &member.delivery.name).collect();
    let complete = missing_parts(feed, &names).is_empty();
    let first = members.iter().map(|(_, member)| member.delivery.received_at).min().unwrap_or(row.delivery.received_at);
    let until = first.saturating_add(wait).unwrap_or(first);
    if !complete && now < until {
        return Gathering::Wait(Stage::Waiting { set: identity.set_key, part: identity.part, until });
    }
    Gathering::Judge { parts: members.into_iter().map(|(_, member)| member).collect(), replaced }
}

/// Which part of the past some deliveries are judged against together. It depends on their names and times of arrival alone,
/// so judging again looks at the same past. `judged_by`: where a judgement is made over, when it was made.
pub(super) fn reach(feed: &Feed, parts: &[DeliveryRow], back: SignedDuration, judged_by: Option<Timestamp>) -> Reach {
    let received_at = parts.iter().map(|row| row.delivery.received_at).max().unwrap_or_default();
    // The hour of the figures is not known before the files are read; the names or else the time of arrival tell it.
    let named = parts.iter().find_map(|row| {
        let identity = identify(feed, &row.delivery.name).ok()?;
        let mapping = feed.mappings.get(*identity.candidates.first()?)?;
        let read = read_civil(identity.name_parts.when?, mapping.zone, mapping.march_gap).ok()?;
        // Both readings of a time in the repeated hour have the same hour on the wall.
        read.candidates().next().map(Slot::of_snapshot)
    });
    let hours = BTreeSet::from_iter(named.into_iter().chain([Slot::containing(received_at)]));
    let slots: BTreeSet<Slot> = hours.into_iter().flat_map(same_hour_slots).collect();
    Reach {
        since: received_at.saturating_sub(back).unwrap_or(received_at),
        until: received_at,
        judged_by,
        names: parts.iter().map(|row| row.delivery.name.as_str().to_owned()).collect(),
        slots: slots.into_iter().collect(),
    }
}

/// The accepted snapshots of a feed's past, oldest first; those led by one of `without` are left out, so that a delivery
/// judged again does not meet itself.
pub(super) fn history(past: &Past, without: &[DeliveryId]) -> History {
    let mut accepted: Vec<PastSnapshot> = Vec::new();
    let mut places: HashMap<DeliveryId, usize> = HashMap::new();
    for row in past.accepted.iter().filter(|row| !without.contains(&row.lead)) {
        let file = (row.name.clone(), row.sha256);
        if let Some(known) = places.get(&row.lead).and_then(|at| accepted.get_mut(*at)) {
            known.files.push(file);
            known.received_at = known.received_at.max(row.received_at);
            continue;
        }
        let report = &row.report;
        let (Some(snapshot_at), Some(content)) = (report.snapshot_at, report.content) else { continue };
        places.insert(row.lead, accepted.len());
        accepted.push(PastSnapshot {
            lead: row.lead,
            files: vec![file],
            received_at: row.received_at,
            slot: row.slot,
            first: row.first(),
            version: row.version,
            snapshot_at,
            sequence: report.sequence,
            content,
            coverage: report.coverage,
            totals: report.totals.unwrap_or_default(),
            fingerprint: report.fingerprint,
        });
    }
    let sums = |row: &PastRow| SameHour {
        slot: row.slot,
        received_at: row.received_at,
        demand: row.report.totals.filter(|_| row.report.coverage.is_none_or(|coverage| coverage.demand)).map(|totals| totals.demand),
        persons: row.report.persons,
    };
    let same_hour = past.slots.iter().filter(|row| !without.contains(&row.lead)).map(sums).collect();
    History { accepted, same_hour }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::testing::delivery;
    use crate::feed::{Delivery, Digest, FileName, Folder};
    use crate::ledger::PastReport;
    use crate::normalise::mapping::PartRole;
    use crate::verify::testing::{beds, feed};

    const DATA: &str = "{org}_BEDS_{yyyy}{mm}{dd}_{HH}{MM}.csv";

    fn at(clock: &str) -> Timestamp {
        format!("2018-12-03T{clock}:00Z").parse().unwrap()
    }

    /// A pending delivery: its number, its name without the ending, its content, its folder.
    fn row(number: u8, name: &str, content: &str, folder: Folder) -> DeliveryRow {
        let name = FileName::parse(format!("RM1_BEDS_{name}").as_bytes()).unwrap();
        let delivery = Delivery { name, folder, sha256: Digest::of(content.as_bytes()), ..delivery(number) };
        let moved_at = delivery.received_at;
        DeliveryRow { delivery, stage: Stage::Landed, moved_at, report: None, note: None, released: false }
    }

    /// What is decided for the last of the pending deliveries, by their numbers.
    fn decided(pending: &[DeliveryRow], now: &str) -> String {
        decided_for(pending.last().unwrap(), pending, now)
    }

    fn decided_for(row: &DeliveryRow, pending: &[DeliveryRow], now: &str) -> String {
        let checked = [("beds", PartRole::Data, DATA), ("sum", PartRole::Sha256, &format!("{DATA}.sha256"))];
        let feed = feed(&checked, vec![beds()]);
        let number = |id: DeliveryId| pending.iter().position(|row| row.delivery.id == id).unwrap() + 1;
        match gather(&feed, row, pending, at(now)) {
            Gathering::Wait(Stage::Waiting { part, until, .. }) => format!("{part} waits until {}", until.strftime("%H:%M:%S")),
            Gathering::Wait(other) => format!("{other:?}"),
            Gathering::Repeats(of) => format!("repeats {}", number(of)),
            Gathering::Judge { parts, replaced } => {
                let numbers =
                    |rows: &[&DeliveryRow]| rows.iter().map(|row| number(row.delivery.id).to_string()).collect::<Vec<_>>().join(" ");
                format!("judge {} replacing {}", numbers(&parts), numbers(&replaced)).trim_end_matches(" replacing ").to_owned()
            }
        }
    }

    #[test]
    fn parts_wait_for_each_other_and_are_judged_together() {
        let one = |number, name: &str| row(number, name, name, Folder::Inbox);
        let (beds, sum) = ("20181203_1015.csv", "20181203_1015.csv.sha256");
        let rows: [(&[DeliveryRow], &str, &str); 8] = [
            (&[one(1, beds)], "10:17", "beds waits until 10:26:01"),
            (&[one(1, beds)], "10:27", "judge 1"),
            (&[one(1, beds), one(2, sum)], "10:17", "judge 1 2"),
            (&[one(1, sum), one(2, beds)], "10:17", "judge 1 2"),
            // Another slot's parts, another folder's, and names that nobody agreed stay out of it.
            (&[one(1, beds), one(2, "20181203_1030.csv.sha256")], "10:17", "sum waits until 10:26:02"),
            (&[one(1, beds), row(2, sum, "x", Folder::Test)], "10:17", "sum waits until 10:26:02"),
            (&[one(1, beds), one(2, "unknown.csv")], "10:17", "judge 2"),
            // A newer file of a part takes the older one's place; the same bytes again only repeat it.
            (&[one(1, beds), row(2, beds, "newer", Folder::Inbox), one(3, sum)], "10:17", "judge 2 3 replacing 1"),
        ];
        for (pending, now, expected) in rows {
            assert_eq!(decided(pending, now), expected);
        }
        // In the repeated hour a second file of the same name is another one, not a newer version.
        let (first, its_sum) = ("20181028_0130.csv", "20181028_0130.csv.sha256");
        let later = |number, name, content| row(number, name, content, Folder::Inbox);
        let night = [one(1, first), one(2, its_sum), later(3, first, "an hour later"), later(4, its_sum, "its sum")];
        assert_eq!(decided_for(&night[0], &night, "10:17"), "judge 1 2");
        assert_eq!(decided_for(&night[2], &night[2..], "10:17"), "judge 1 2");
        let twice = [one(1, beds), one(2, beds), one(3, sum)];
        assert_eq!(decided(&twice[..2], "10:17"), "repeats 1");
        // Whichever is looked at first, the older of two equal files is the one that counts.
        assert_eq!(decided_for(&twice[0], &twice, "10:17"), "judge 1 3");
    }

    #[test]
    fn the_past_is_told_by_snapshots_and_a_delivery_judged_again_does_not_meet_itself() {
        let report = PastReport { snapshot_at: Some(at("10:15")), content: Some(Digest::of(b"c")), ..PastReport::default() };
        let row = |number: u8, name: &str| {
            let sent = row(number, name, "beds", Folder::Inbox).delivery;
            let (id, sha256, received_at) = (sent.id, sent.sha256, sent.received_at);
            let lead = delivery(1).id;
            let (slot, report) = (Slot::containing(at("10:15")), report.clone());
            PastRow { id, lead, name: sent.name.as_str().to_owned(), sha256, received_at, slot, version: 1, report }
        };
        let rows = vec![row(1, "20181203_1015.csv"), row(2, "20181203_1015.csv.sha256")];
        let lead = rows[0].lead;
        let past = Past { slots: vec![rows[0].clone()], accepted: rows };
        let seen = history(&past, &[]);
        assert_eq!(seen.accepted.iter().map(|past| past.files.len()).collect::<Vec<_>>(), [2]);
        assert_eq!((seen.accepted[0].received_at, seen.same_hour.len()), (past.accepted[1].received_at, 1));
        assert_eq!(history(&past, &[lead]), History::default());
    }

    #[test]
    fn the_hour_that_is_looked_at_is_the_names_and_that_of_the_arrival() {
        let feed = feed(&[("beds", PartRole::Data, DATA)], vec![beds()]);
        let hours = |name: &str| {
            let reach = reach(&feed, &[row(1, name, "x", Folder::Inbox)], SignedDuration::from_hours(48), None);
            let days = reach.slots.iter().filter(|slot| slot.start() >= at("00:00") - SignedDuration::from_hours(24));
            days.map(|slot| slot.start().strftime("%H:%M").to_string()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(hours("20181203_1015.csv"), "10:00 10:15 10:30 10:45");
        assert_eq!(hours("20181203_0815.csv"), "08:00 08:15 08:30 08:45 10:00 10:15 10:30 10:45");
        assert_eq!(hours("unknown.csv"), "10:00 10:15 10:30 10:45");
    }
}
