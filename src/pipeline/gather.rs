//! Gathering: which pending deliveries are judged together. Pure.

use crate::feed::{DeliveryId, Stage};
use crate::ledger::DeliveryRow;
use crate::normalise::times::comes_twice;
use crate::verify::envelope::{identify, missing_parts, needs_set};
use crate::verify::{Feed, History, PastSnapshot};
use jiff::Timestamp;

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

/// The accepted snapshots among a feed's deliveries, oldest first; those led by one of `without` are left out, so that a
/// delivery judged again does not meet itself.
pub(super) fn history(rows: &[DeliveryRow], without: &[DeliveryId]) -> History {
    let mut accepted: Vec<PastSnapshot> = Vec::new();
    for row in rows {
        let (Stage::Ready { snapshot, .. } | Stage::Loaded { snapshot }) = &row.stage else { continue };
        if without.contains(&snapshot.lead) {
            continue;
        }
        let file = (row.delivery.name.as_str().to_owned(), row.delivery.sha256);
        if let Some(known) = accepted.iter_mut().find(|past| past.lead == snapshot.lead) {
            known.files.push(file);
            continue;
        }
        let Some(report) = &row.report else { continue };
        let (Some(snapshot_at), Some(content)) = (report.snapshot_at, report.content) else { continue };
        accepted.push(PastSnapshot {
            lead: snapshot.lead,
            files: vec![file],
            slot: snapshot.slot,
            version: snapshot.version,
            snapshot_at,
            sequence: report.sequence,
            content,
            totals: report.totals.unwrap_or_default(),
        });
    }
    History { accepted }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::testing::delivery;
    use crate::feed::{Delivery, Digest, FileName, Folder, Report, Slot, SnapshotRef};
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
        let mut old = row(1, "20181203_1015.csv", "beds", Folder::Inbox);
        let mut beside = row(2, "20181203_1015.csv.sha256", "sum", Folder::Inbox);
        let snapshot = SnapshotRef { lead: old.delivery.id, slot: Slot::containing(at("10:15")), version: 1 };
        let report = Report { snapshot_at: Some(at("10:15")), content: Some(Digest::of(b"c")), ..Report::default() };
        for row in [&mut old, &mut beside] {
            row.stage = Stage::Loaded { snapshot };
            row.report = Some(report.clone());
        }
        let rows = [old.clone(), beside];
        let past = history(&rows, &[]);
        assert_eq!(past.accepted.iter().map(|past| past.files.len()).collect::<Vec<_>>(), [2]);
        assert!(history(&rows, &[old.delivery.id]).accepted.is_empty());
    }
}
