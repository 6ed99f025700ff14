//! The model: what was sent, what its senders were told, and what must have become of it.

use bedfeed::feed::{DeliveryId, Digest, Folder, ProviderCode, Slot, Stage};
use bedfeed::ledger::{Act, DeliveryRow};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// A file whose figures are this far ahead of our clock is set aside (TIM-02).
const AHEAD: SignedDuration = SignedDuration::from_mins(5);
/// A file that comes this long after its figures is held for a person (TIM-03).
const TOO_LATE: SignedDuration = SignedDuration::from_hours(24);

/// A file that somebody made. What is sent again is the same one.
#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) code: &'static str,
    pub(crate) folder: Folder,
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) snapshot_at: Timestamp,
    pub(crate) occupied: i64,
    /// Whether its last line tells what is there.
    pub(crate) sound: bool,
    /// Uploads that reached CLOSE.
    pub(crate) tries: usize,
    /// Those that were answered OK.
    pub(crate) acknowledged: usize,
}

impl File {
    pub(crate) fn slot(&self) -> Slot {
        Slot::of_snapshot(self.snapshot_at)
    }

    /// Whether it is accepted, having come at this instant by our clock.
    fn is_good(&self, received_at: Timestamp) -> bool {
        let age = received_at.duration_since(self.snapshot_at);
        self.sound && age <= TOO_LATE && -age <= AHEAD
    }
}

type Key = (ProviderCode, &'static str, Digest);

/// Everything that was sent and done.
#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) files: Vec<File>,
    known: BTreeMap<Key, usize>,
    /// Deliveries that a person acted on, or tried to: what they may become.
    acted: BTreeMap<DeliveryId, Act>,
    /// Where each stood when nobody was going to move it any more.
    ended: BTreeMap<DeliveryId, &'static str>,
}

impl Model {
    /// Notes a file; gives its place.
    pub(crate) fn add(&mut self, file: File) -> usize {
        let place = self.files.len();
        let key = (file.code.parse().unwrap(), file.folder.as_str(), Digest::of(&file.bytes));
        let before = self.known.insert(key, place);
        assert!(before.is_none(), "two files of one content");
        self.files.push(file);
        place
    }

    /// Notes that a person acted on a delivery. What comes of it is known by the ledger.
    pub(crate) fn acts(&mut self, delivery: DeliveryId, act: Act) {
        self.acted.insert(delivery, act);
        self.ended.remove(&delivery);
    }

    /// The file that a delivery is.
    pub(crate) fn file_of(&self, row: &DeliveryRow) -> &File {
        let delivery = &row.delivery;
        let key = (delivery.provider.clone(), delivery.folder.as_str(), delivery.sha256);
        let place = self.known.get(&key).unwrap_or_else(|| panic!("nobody sent {row:?}"));
        &self.files[*place]
    }

    /// P1 and P2: holds the ledger against what was sent and told. `settled`: nothing is to be pending.
    pub(crate) fn hold_against(&mut self, rows: &[DeliveryRow], settled: bool) {
        let mut of_file: BTreeMap<Key, Vec<&DeliveryRow>> = BTreeMap::new();
        for row in rows {
            let delivery = &row.delivery;
            assert_eq!(delivery.name.as_str(), self.file_of(row).name, "P1: its name");
            assert_eq!(delivery.bytes, u64::try_from(self.file_of(row).bytes.len()).unwrap(), "P1: its length");
            of_file.entry((delivery.provider.clone(), delivery.folder.as_str(), delivery.sha256)).or_default().push(row);
        }
        for file in &self.files {
            let key = (file.code.parse().unwrap(), file.folder.as_str(), Digest::of(&file.bytes));
            let taken = of_file.remove(&key).unwrap_or_default();
            assert!(taken.len() >= file.acknowledged, "P1: acknowledged and lost: {} {}, {taken:?}", file.code, file.name);
            assert!(taken.len() <= file.tries, "P2: taken more often than sent: {} {}, {taken:?}", file.code, file.name);
            self.hold_file(file, &taken, settled);
        }
        for row in rows {
            let ends =
                matches!(row.stage, Stage::Loaded { .. } | Stage::Quarantined { .. } | Stage::Duplicate { .. } | Stage::Tested { .. });
            let was = self.ended.get(&row.delivery.id).copied();
            assert!(was.is_none_or(|was| was == row.stage.as_str()), "P2: it had ended as {was:?}: {row:?}");
            assert!(ends || !settled, "P2: still pending: {row:?}");
            if ends {
                self.ended.insert(row.delivery.id, row.stage.as_str());
            }
        }
        let there: BTreeSet<DeliveryId> = rows.iter().map(|row| row.delivery.id).collect();
        assert!(self.ended.keys().all(|id| there.contains(id)), "P2: a delivery is gone");
    }

    fn hold_file(&self, file: &File, taken: &[&DeliveryRow], settled: bool) {
        let accepted = taken.iter().filter(|row| matches!(row.stage, Stage::Ready { .. } | Stage::Loaded { .. })).count();
        assert!(accepted <= 1, "P2: accepted twice: {taken:?}");
        let mut good = 0;
        for row in taken {
            let is_good = file.is_good(row.delivery.received_at);
            let acted = self.acted.get(&row.delivery.id).copied();
            good += usize::from(is_good && acted.is_none());
            let fits = match &row.stage {
                Stage::Landed => true,
                _ if file.folder == Folder::Test => matches!(row.stage, Stage::Tested { accepted } if accepted == is_good),
                Stage::Ready { snapshot, .. } | Stage::Loaded { snapshot } => {
                    (is_good || acted == Some(Act::Release)) && snapshot.slot == file.slot() && snapshot.lead == row.delivery.id
                }
                // Whatever else is wrong with it, such as its time: it repeats what was accepted.
                Stage::Duplicate { .. } => accepted == 1,
                Stage::Quarantined { sealed, discarded } => {
                    !sealed && (!is_good || acted.is_some()) && (!discarded || acted == Some(Act::Discard))
                }
                // Nobody hands a file back in these histories.
                Stage::Waiting { .. } | Stage::Tested { .. } | Stage::HandedBack { .. } => false,
            };
            assert!(fits, "P2: it should be otherwise: good {is_good}, acted {acted:?}, {row:?}");
        }
        if settled && file.folder == Folder::Inbox && good > 0 {
            assert_eq!(accepted, 1, "P2: one of these is good and none is loaded: {taken:?}");
        }
    }
}
