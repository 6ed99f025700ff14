//! Partials: files that a client wrote under a temporary name and will rename when it is done, perhaps on another connection.
//!
//! Owns them from CLOSE to RENAME. Refuses to keep them past an hour, past their number, or past a restart: nobody was told
//! that they are safe.

use super::limits::{MAX_PARTIALS_PER_ACCOUNT, PARTIAL_LIFETIME};
use crate::feed::{FileName, Folder, ProviderCode};
use crate::intake::landing::Upload;
use jiff::{SignedDuration, Timestamp};

/// A file under a temporary name.
#[derive(Debug)]
pub(super) struct Partial {
    pub(super) upload: Upload,
    pub(super) modified_at: Option<Timestamp>,
}

/// Where a partial is found.
#[derive(Clone, Debug, PartialEq, Eq)]
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
            count <= MAX_PARTIALS_PER_ACCOUNT && bytes <= max_file_bytes.saturating_mul(2)
        });
        self.kept = newest_first.into_iter().rev().collect();
    }

    /// Takes a partial out.
    pub(super) fn take(&mut self, key: &Key, now: Timestamp) -> Option<Partial> {
        self.forget_old(now);
        let at = self.kept.iter().position(|(other, ..)| other == key)?;
        Some(self.kept.remove(at).2)
    }

    /// Size and modification time of a partial.
    pub(super) fn find(&mut self, key: &Key, now: Timestamp) -> Option<(u64, Option<Timestamp>)> {
        self.forget_old(now);
        let found = self.kept.iter().find(|(other, ..)| other == key);
        found.map(|(_, _, partial)| (partial.upload.length(), partial.modified_at))
    }

    /// Records the modification time that a client set; says whether the partial is there.
    pub(super) fn set_modified(&mut self, key: &Key, modified_at: Option<Timestamp>) -> bool {
        let found = self.kept.iter_mut().find(|(other, ..)| other == key);
        if let Some((_, _, partial)) = found {
            partial.modified_at = modified_at.or(partial.modified_at);
            return true;
        }
        false
    }

    /// Removes partials that nobody came back for.
    pub(super) fn forget_old(&mut self, now: Timestamp) {
        let lifetime = SignedDuration::try_from(PARTIAL_LIFETIME).unwrap_or(SignedDuration::ZERO);
        self.kept.retain(|(_, since, _)| now.duration_since(*since) <= lifetime);
    }
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
        Partial { upload, modified_at: None }
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
        assert_eq!(partials.find(&key("RM1", "big.tmp"), start), Some((10, None)));
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
}
