//! The model: what was sent, what its senders were told, and what must have become of it.

use bedfeed::feed::{DeliveryId, Digest, Folder, ProviderCode, Slot, Stage};
use bedfeed::ledger::{Act, DeliveryRow};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// A file whose figures are this far ahead of our clock is set aside (TIM-02).
const AHEAD: SignedDuration = SignedDuration::from_mins(5);
/// A file that comes this long after its figures is held for a person (TIM-03).
const TOO_LATE: SignedDuration = SignedDuration::from_hours(24);
/// How long the first part of a set waits for the other.
const SET_WAIT: SignedDuration = SignedDuration::from_mins(10);

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
    /// The other part of its set: the checksum of the lines, and the lines of the checksum.
    pub(crate) other_part: Option<usize>,
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

/// What is known of two parts that belong together.
#[derive(Clone, Copy, Debug, Default)]
struct Set {
    /// The latest that our clock was while one part waited for the other.
    waited_until: Option<Timestamp>,
    /// Whether the other came in time; `None`: it has not come. Not in time, the two may have met all the same.
    whole: Option<bool>,
}

type Key = (ProviderCode, &'static str, Digest);

/// Everything that was sent and done.
#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) files: Vec<File>,
    known: BTreeMap<Key, usize>,
    /// Whether anybody asked for originals to be read again.
    pub(crate) replays: bool,
    /// By the place of the lines.
    sets: BTreeMap<usize, Set>,
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

    /// Notes two files that belong together; gives the place of the first, which holds the lines.
    pub(crate) fn add_set(&mut self, lines: File, sum: File) -> usize {
        let place = self.add(lines);
        let other = self.add(File { other_part: Some(place), ..sum });
        self.files[place].other_part = Some(other);
        self.sets.insert(place, Set::default());
        place
    }

    /// Whether a person acted on it.
    pub(crate) fn was_acted_on(&self, delivery: DeliveryId) -> bool {
        self.acted.contains_key(&delivery)
    }

    /// The place of the file of this name.
    pub(crate) fn named(&self, name: &str) -> Option<usize> {
        self.files.iter().position(|file| file.name == name)
    }

    /// The place of the lines of the set that a delivery belongs to.
    pub(crate) fn set_of(&self, row: &DeliveryRow) -> Option<usize> {
        let place = self.place_of(row);
        self.files[place].other_part.map(|other| place.min(other))
    }

    fn place_of(&self, row: &DeliveryRow) -> usize {
        let delivery = &row.delivery;
        let key = (delivery.provider.clone(), delivery.folder.as_str(), delivery.sha256);
        *self.known.get(&key).unwrap_or_else(|| panic!("nobody sent {row:?}"))
    }

    /// Notes that a person acted on a delivery. What comes of it is known by the ledger.
    pub(crate) fn acts(&mut self, delivery: DeliveryId, act: Act) {
        self.acted.insert(delivery, act);
        self.ended.remove(&delivery);
    }

    /// The file that a delivery is.
    pub(crate) fn file_of(&self, row: &DeliveryRow) -> &File {
        &self.files[self.place_of(row)]
    }

    /// P1 and P2: holds the ledger against what was sent and told. `now`: our clock. `settled`: nothing is to be pending.
    pub(crate) fn hold_against(&mut self, rows: &[DeliveryRow], now: Timestamp, settled: bool) {
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
            if file.other_part.is_none() {
                self.hold_file(file, &taken, settled);
            }
        }
        self.hold_sets(rows, now, settled);
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

    /// P2: parts are accepted together and once, never one without the other; a set that is good and came in time is accepted.
    fn hold_sets(&mut self, rows: &[DeliveryRow], now: Timestamp, settled: bool) {
        let mut of_set: BTreeMap<usize, [Vec<&DeliveryRow>; 2]> = BTreeMap::new();
        for row in rows {
            let place = self.place_of(row);
            if let Some(other) = self.files[place].other_part {
                of_set.entry(place.min(other)).or_default()[usize::from(other < place)].push(row);
            }
        }
        for (place, [lines, sums]) in of_set {
            let set = self.sets.get_mut(&place).unwrap();
            if lines.is_empty() || sums.is_empty() {
                set.waited_until = set.waited_until.max(Some(now));
            } else if set.whole.is_none() {
                let first = lines.iter().chain(&sums).map(|row| row.delivery.received_at).min().unwrap();
                set.whole = Some(set.waited_until.is_none_or(|until| until < first + SET_WAIT));
            }
            let whole = set.whole;
            self.hold_set(&self.files[place], whole, &lines, &sums, settled);
        }
    }

    fn hold_set(&self, file: &File, whole: Option<bool>, lines: &[&DeliveryRow], sums: &[&DeliveryRow], settled: bool) {
        let all: Vec<&DeliveryRow> = lines.iter().chain(sums).copied().collect();
        let acted: Vec<Act> = all.iter().filter_map(|row| self.acted.get(&row.delivery.id).copied()).collect();
        let good: Vec<bool> = all.iter().map(|row| file.is_good(row.delivery.received_at)).collect();
        let (any_good, all_good) = (good.contains(&true), !good.contains(&false));
        let accepted =
            |rows: &[&DeliveryRow]| rows.iter().filter(|row| matches!(row.stage, Stage::Ready { .. } | Stage::Loaded { .. })).count();
        let (of_lines, of_sums) = (accepted(lines), accepted(sums));
        assert!(of_lines <= 1 && of_sums <= 1, "P2: accepted twice: {all:?}");
        assert!(of_lines == of_sums || acted.contains(&Act::Release), "P2: a part was accepted without the other: {all:?}");
        for row in &all {
            let fits = match &row.stage {
                Stage::Landed | Stage::Waiting { .. } => true,
                Stage::Ready { snapshot, .. } | Stage::Loaded { snapshot } => {
                    let leads = lines.iter().any(|row| row.delivery.id == snapshot.lead);
                    leads && snapshot.slot == file.slot() && (any_good || acted.contains(&Act::Release))
                }
                Stage::Duplicate { of } => all.iter().any(|row| row.delivery.id == *of),
                // A part that is sent again alone waits in vain for the other.
                Stage::Quarantined { sealed, discarded } => !sealed && (!discarded || acted.contains(&Act::Discard)),
                Stage::Tested { .. } | Stage::HandedBack { .. } => false,
            };
            assert!(fits, "P2: it should be otherwise: whole {whole:?}, good {good:?}, acted {acted:?}, {row:?}, of {all:?}");
        }
        if settled && whole == Some(true) && all_good && acted.is_empty() {
            assert_eq!((of_lines, of_sums), (1, 1), "P2: both parts came in time and are not loaded: {all:?}");
        }
    }
}
