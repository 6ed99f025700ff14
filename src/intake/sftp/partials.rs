//! Partials: what is kept of uploads that are not deliveries. Files that a client wrote under a temporary name and will
//! rename when it is done, perhaps on another connection; and uploads that were cut off and may be resumed.
//!
//! Owns them until a RENAME, a resumption or a newer file of the name. Refuses to
//! keep them past an hour, past their number, or past a restart: nobody was told that they are safe.

use super::limits::{MAX_PARTIALS_PER_ACCOUNT, PARTIAL_BYTES_FACTOR, PARTIAL_LIFETIME};
use super::recent::Recent;
use crate::feed::{DeliveryId, FileName, Folder, ProviderCode};
use crate::intake::landing::{LandingError, Upload};
use jiff::{SignedDuration, Timestamp};

/// What is kept of an upload.
#[derive(Debug)]
pub(super) struct Partial {
    pub(super) upload: Upload,
    pub(super) modified_at: Option<Timestamp>,
    /// Whether its client ended it by CLOSE. One that was cut off cannot be renamed to a final name.
    pub(super) closed: bool,
}

/// What a client may know of a partial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) id: DeliveryId,
    /// In bytes.
    pub(super) length: u64,
    pub(super) modified_at: Option<Timestamp>,
    pub(super) closed: bool,
}

/// Where a partial is found.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) provider: ProviderCode,
    pub(super) folder: Folder,
    pub(super) name: FileName,
}

/// The partials of all accounts.
#[derive(Debug, Default)]
pub(super) struct Partials {
    /// In the order in which they were kept.
    kept: Vec<(Key, Timestamp, Partial)>,
    recent: Recent,
}

impl Partials {
    /// Keeps a partial, in the place of one of the same name. The account's oldest go where it has too many, or together
    /// more than twice the bytes of one allowed file.
    pub(super) fn keep(&mut self, key: Key, partial: Partial, now: Timestamp, max_file_bytes: u64) {
        self.forget_old(now);
        self.kept.retain(|(other, ..)| *other != key);
        let provider = key.provider.clone();
        self.kept.push((key, now, partial));
        let (mut count, mut bytes) = (0, 0_u64);
        let mut newest_first: Vec<_> = self.kept.drain(..).rev().collect();
        newest_first.retain(|(key, _, partial)| {
            if key.provider != provider {
                return true;
            }
            count += 1;
            bytes = bytes.saturating_add(partial.upload.length());
            let stays = count <= MAX_PARTIALS_PER_ACCOUNT && bytes <= max_file_bytes.saturating_mul(PARTIAL_BYTES_FACTOR);
            if !stays {
                partial.say_goodbye(key, "its account has too many");
            }
            stays
        });
        self.kept = newest_first.into_iter().rev().collect();
    }

    /// Keeps what was written of an upload whose connection or session ended, so that it can be resumed; says whether.
    ///
    /// Under a final name it is kept without its last byte: a client that goes by the size would otherwise take a file
    /// that it was never told OK for as sent (`reput` refuses to, curl and rclone skip it). Not kept are uploads with
    /// holes, and those that were overtaken: a client that lost its line has long sent the file again when the old
    /// connection is given up here.
    pub(super) fn keep_cut_off(&mut self, key: Key, mut partial: Partial, temporary: bool, now: Timestamp, max_file_bytes: u64) -> bool {
        if self.is_overtaken(&key, &partial.upload) {
            return false;
        }
        // What was accepted under the name before is not what its sender looks for now.
        self.recent.refused(&key, now);
        if partial.upload.check_holes().is_err() || (!temporary && drop_last_byte(&mut partial.upload).is_err()) {
            return false;
        }
        if partial.upload.length() == 0 {
            return false;
        }
        let id = partial.upload.id();
        self.keep(key.clone(), partial, now, max_file_bytes);
        self.find(&key, now).is_some_and(|kept| kept.id == id)
    }

    /// Whether a newer upload of the name was accepted, or is kept.
    fn is_overtaken(&self, key: &Key, upload: &Upload) -> bool {
        let newer_kept = self.kept.iter().any(|(other, _, kept)| other == key && kept.upload.opened_at() > upload.opened_at());
        newer_kept || self.recent.accepted_at(key).is_some_and(|accepted| accepted > upload.opened_at())
    }

    /// A partial was renamed or removed: what older uploads of its name leave behind is over.
    pub(super) fn finished(&mut self, key: &Key, now: Timestamp) {
        self.recent.accepted(key, now);
    }

    /// An upload under a name was refused: whoever looks for it finds nothing, also where an earlier file has that name.
    pub(super) fn refused(&mut self, key: &Key, now: Timestamp) {
        self.recent.refused(key, now);
    }

    /// Whether the newest upload under a name was refused.
    pub(super) fn is_refused(&self, key: &Key) -> bool {
        self.recent.is_refused(key)
    }

    /// A file was accepted under a name: what was kept of earlier tries is over.
    pub(super) fn accepted(&mut self, key: &Key, now: Timestamp) {
        self.kept.retain(|(other, ..)| other != key);
        self.recent.accepted(key, now);
    }

    /// Takes a partial out.
    pub(super) fn take(&mut self, key: &Key, now: Timestamp) -> Option<Partial> {
        self.forget_old(now);
        let at = self.kept.iter().position(|(other, ..)| other == key)?;
        Some(self.kept.remove(at).2)
    }

    /// Takes a partial out if it is still the one that the client knows, and no longer than it knows.
    pub(super) fn take_known(&mut self, key: &Key, known: Kept, now: Timestamp) -> Option<Partial> {
        let kept = self.find(key, now)?;
        if (kept.id, kept.length) == (known.id, known.length) { self.take(key, now) } else { None }
    }

    /// What a client may know of a partial.
    pub(super) fn find(&mut self, key: &Key, now: Timestamp) -> Option<Kept> {
        self.forget_old(now);
        let found = self.kept.iter().find(|(other, ..)| other == key);
        found.map(|(_, _, partial)| partial.kept())
    }

    /// The partials of a folder, newest first.
    pub(super) fn list(&mut self, provider: &ProviderCode, folder: Folder, now: Timestamp) -> Vec<(Key, Kept)> {
        self.forget_old(now);
        let mine = self.kept.iter().rev().filter(|(key, ..)| key.provider == *provider && key.folder == folder);
        mine.map(|(key, _, partial)| (key.clone(), partial.kept())).collect()
    }

    /// Records the modification time that a client set on a partial, or else on the accepted file of that name.
    pub(super) fn set_modified(&mut self, key: &Key, modified_at: Option<Timestamp>, now: Timestamp) {
        let found = self.kept.iter_mut().find(|(other, ..)| other == key);
        match (found, modified_at) {
            (Some((_, _, partial)), at) => partial.modified_at = at.or(partial.modified_at),
            (None, Some(at)) => self.recent.set_modified(key, at, now),
            (None, None) => {}
        }
    }

    /// The modification time that a client set on an accepted file after it was accepted.
    pub(super) fn modified_at(&self, key: &Key) -> Option<Timestamp> {
        self.recent.modified_at(key)
    }

    /// Removes partials that nobody came back for.
    pub(super) fn forget_old(&mut self, now: Timestamp) {
        let lifetime = SignedDuration::try_from(PARTIAL_LIFETIME).unwrap_or(SignedDuration::ZERO);
        self.kept.retain(|(key, since, partial)| {
            let stays = now.duration_since(*since) <= lifetime;
            if !stays {
                partial.say_goodbye(key, "nobody came back for it within an hour");
            }
            stays
        });
    }
}

impl Partial {
    /// A file whose end was answered OK and that is dropped all the same: its sender has forgotten to rename it.
    fn say_goodbye(&self, key: &Key, why: &'static str) {
        if self.closed {
            let bytes = self.upload.length();
            tracing::warn!(provider = %key.provider, bytes, why, "a file under a temporary name was never renamed, and is dropped");
        }
    }

    fn kept(&self) -> Kept {
        Kept { id: self.upload.id(), length: self.upload.length(), modified_at: self.modified_at, closed: self.closed }
    }
}

fn drop_last_byte(upload: &mut Upload) -> Result<(), LandingError> {
    upload.drop_last_byte().inspect_err(|error| tracing::warn!(%error, "an upload that was cut off could not be kept"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::clear_uploads;
    use std::path::Path;

    fn key(provider: &str, name: &str) -> Key {
        Key { provider: provider.parse().unwrap(), folder: Folder::Inbox, name: FileName::parse(name.as_bytes()).unwrap() }
    }

    fn partial(dir: &Path, now: Timestamp, bytes: usize) -> Partial {
        let mut upload = Upload::begin(dir, now, 1000).unwrap();
        upload.write(0, &vec![b'x'; bytes]).unwrap();
        Partial { upload, modified_at: None, closed: true }
    }

    fn files(dir: &Path) -> usize {
        std::fs::read_dir(dir.join("uploads")).unwrap().count()
    }

    #[test]
    fn p9_partials_are_bounded_in_number_bytes_and_time() {
        let dir = tempfile::tempdir().unwrap();
        clear_uploads(dir.path()).unwrap();
        let start: Timestamp = "2018-12-03T10:15:00Z".parse().unwrap();
        let mut partials = Partials::default();
        partials.keep(key("RGP", "other.tmp"), partial(dir.path(), start, 1), start, 1000);
        for n in 0..20 {
            partials.keep(key("RM1", &format!("{n}.tmp")), partial(dir.path(), start, 1), start, 1000);
        }
        assert_eq!(files(dir.path()), 17, "sixteen and the other account's one");
        assert!(partials.find(&key("RM1", "3.tmp"), start).is_none());
        assert!(partials.find(&key("RM1", "4.tmp"), start).is_some());
        partials.keep(key("RM1", "big.tmp"), partial(dir.path(), start, 195), start, 100);
        assert_eq!(files(dir.path()), 7, "big.tmp, five of a byte, and the other account's one");
        partials.keep(key("RM1", "big.tmp"), partial(dir.path(), start, 10), start, 100);
        assert_eq!(partials.find(&key("RM1", "big.tmp"), start).map(|kept| kept.length), Some(10));
        partials.forget_old(start + SignedDuration::from_secs(3600));
        assert_eq!(files(dir.path()), 7);
        partials.forget_old(start + SignedDuration::from_secs(3601));
        assert_eq!(files(dir.path()), 0);
    }

    #[test]
    fn a_partial_belongs_to_its_account() {
        let dir = tempfile::tempdir().unwrap();
        clear_uploads(dir.path()).unwrap();
        let now: Timestamp = "2018-12-03T10:15:00Z".parse().unwrap();
        let mut partials = Partials::default();
        partials.keep(key("RM1", "a.tmp"), partial(dir.path(), now, 3), now, 1000);
        assert!(partials.take(&key("RGP", "a.tmp"), now).is_none());
        assert!(partials.take(&key("RM1", "a.tmp"), now).is_some());
        assert!(partials.take(&key("RM1", "a.tmp"), now).is_none());
    }

    #[test]
    fn what_was_cut_off_is_kept_unless_it_was_overtaken_has_holes_or_is_nothing() {
        let start: Timestamp = "2018-12-03T10:15:00Z".parse().unwrap();
        let later = |seconds| start + SignedDuration::from_secs(seconds);
        let a = || key("RM1", "a.csv");
        // Bytes, where they start, when a file of that name was accepted, whether it has a temporary name, and what is kept.
        let rows = [
            ("half a file", 10, 0, None, false, Some(9)),
            ("half a file under a temporary name", 10, 0, None, true, Some(10)),
            ("an update of an older file", 10, 0, Some(start), false, Some(9)),
            ("sent again meanwhile", 10, 0, Some(later(61)), false, None),
            ("with a hole", 10, 5, None, false, None),
            ("one byte", 1, 0, None, false, None),
            ("nothing", 0, 0, None, true, None),
        ];
        for (what, bytes, offset, accepted_at, temporary, kept) in rows {
            let dir = tempfile::tempdir().unwrap();
            clear_uploads(dir.path()).unwrap();
            let mut partials = Partials::default();
            let mut upload = Upload::begin(dir.path(), later(60), 1000).unwrap();
            upload.write(offset, &vec![b'x'; bytes]).unwrap();
            if let Some(at) = accepted_at {
                partials.accepted(&a(), at);
            }
            let partial = Partial { upload, modified_at: None, closed: false };
            assert_eq!(partials.keep_cut_off(a(), partial, temporary, later(600), 1000), kept.is_some(), "{what}");
            assert_eq!(
                partials.find(&a(), later(600)).map(|kept| (kept.length, kept.closed)),
                kept.map(|length| (length, false)),
                "{what}"
            );
            assert_eq!(files(dir.path()), usize::from(kept.is_some()), "{what}");
        }
    }

    #[test]
    fn an_accepted_file_ends_the_partials_of_its_name_and_a_known_one_is_taken_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        clear_uploads(dir.path()).unwrap();
        let now: Timestamp = "2018-12-03T10:15:00Z".parse().unwrap();
        let mut partials = Partials::default();
        for name in ["a.tmp", "b.tmp"] {
            partials.keep(key("RM1", name), partial(dir.path(), now, 3), now, 1000);
        }
        let known = partials.find(&key("RM1", "a.tmp"), now).unwrap();
        assert!(partials.take_known(&key("RM1", "a.tmp"), Kept { length: 2, ..known }, now).is_none());
        assert!(partials.take_known(&key("RM1", "b.tmp"), known, now).is_none(), "another one of the same length");
        assert!(partials.take_known(&key("RM1", "a.tmp"), known, now).is_some());
        partials.accepted(&key("RM1", "b.tmp"), now);
        assert_eq!((files(dir.path()), partials.find(&key("RM1", "b.tmp"), now)), (0, None));
    }
}
