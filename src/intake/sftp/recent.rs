//! Recent: what the endpoint still knows about names it has accepted files under, beside the ledger.
//!
//! Owns when a name was last accepted, whether its newest upload was refused after that, and the modification time that a
//! client set: clients that compare times (rclone, WinSCP) would otherwise send the same file again and again. Refuses to be a
//! record: it is bounded, and gone with the process.

use super::limits::MAX_RECENT_PER_ACCOUNT;
use super::partials::Key;
use crate::feed::ProviderCode;
use jiff::Timestamp;
use std::collections::HashMap;

/// The names of all accounts.
#[derive(Debug, Default)]
pub(super) struct Recent {
    names: HashMap<ProviderCode, HashMap<Key, Name>>,
}

#[derive(Clone, Copy, Debug)]
struct Name {
    accepted_at: Option<Timestamp>,
    refused: bool,
    modified_at: Option<Timestamp>,
    noted_at: Timestamp,
}

impl Recent {
    /// A file was accepted under a name: what was said of the one before does not hold any more.
    pub(super) fn accepted(&mut self, key: &Key, now: Timestamp) {
        self.put(key, Name { accepted_at: Some(now), refused: false, modified_at: None, noted_at: now });
    }

    /// An upload under a name was refused, or cut off: whoever looks for it must not be shown the one before.
    pub(super) fn refused(&mut self, key: &Key, now: Timestamp) {
        let accepted_at = self.accepted_at(key);
        self.put(key, Name { accepted_at, refused: true, modified_at: None, noted_at: now });
    }

    /// Whether the newest upload under a name was refused.
    pub(super) fn is_refused(&self, key: &Key) -> bool {
        self.name(key).is_some_and(|name| name.refused)
    }

    /// When the newest file of a name was accepted, as far as it is known.
    pub(super) fn accepted_at(&self, key: &Key) -> Option<Timestamp> {
        self.name(key)?.accepted_at
    }

    /// Records the modification time that a client set on an accepted file.
    pub(super) fn set_modified(&mut self, key: &Key, modified_at: Timestamp, now: Timestamp) {
        let (accepted_at, refused) = self.name(key).map_or((None, false), |name| (name.accepted_at, name.refused));
        self.put(key, Name { accepted_at, refused, modified_at: Some(modified_at), noted_at: now });
    }

    /// The modification time that a client set on an accepted file.
    pub(super) fn modified_at(&self, key: &Key) -> Option<Timestamp> {
        self.name(key)?.modified_at
    }

    fn name(&self, key: &Key) -> Option<&Name> {
        self.names.get(&key.provider)?.get(key)
    }

    /// Keeps a name; where its account has too many, the one that was noted longest ago goes.
    fn put(&mut self, key: &Key, name: Name) {
        let names = self.names.entry(key.provider.clone()).or_default();
        names.insert(key.clone(), name);
        if names.len() > MAX_RECENT_PER_ACCOUNT
            && let Some(oldest) = names.iter().min_by_key(|(_, name)| name.noted_at).map(|(oldest, _)| oldest.clone())
        {
            names.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::{FileName, Folder};

    fn key(provider: &str, name: &str) -> Key {
        Key { provider: provider.parse().unwrap(), folder: Folder::Inbox, name: FileName::parse(name.as_bytes()).unwrap() }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_time_set_on_an_accepted_file_is_known_until_the_next_one_is_accepted() {
        let mut recent = Recent::default();
        let a = key("RM1", "a.csv");
        assert_eq!((recent.accepted_at(&a), recent.modified_at(&a)), (None, None));
        recent.accepted(&a, at(10));
        recent.set_modified(&a, at(3), at(11));
        assert_eq!((recent.accepted_at(&a), recent.modified_at(&a)), (Some(at(10)), Some(at(3))));
        assert_eq!(recent.modified_at(&key("RGP", "a.csv")), None);
        recent.accepted(&a, at(20));
        assert_eq!((recent.accepted_at(&a), recent.modified_at(&a)), (Some(at(20)), None));
    }

    #[test]
    fn a_refused_name_stays_refused_until_a_file_is_accepted_under_it() {
        let mut recent = Recent::default();
        let a = key("RM1", "a.csv");
        recent.accepted(&a, at(10));
        assert!(!recent.is_refused(&a));
        recent.refused(&a, at(20));
        recent.set_modified(&a, at(3), at(21));
        assert!(recent.is_refused(&a) && !recent.is_refused(&key("RGP", "a.csv")));
        assert_eq!(recent.accepted_at(&a), Some(at(10)));
        recent.accepted(&a, at(30));
        assert!(!recent.is_refused(&a));
    }

    #[test]
    fn p9_names_are_bounded_for_each_account() {
        let mut recent = Recent::default();
        recent.accepted(&key("RGP", "other"), at(0));
        for n in 0..=i64::try_from(MAX_RECENT_PER_ACCOUNT).unwrap() {
            recent.accepted(&key("RM1", &n.to_string()), at(n + 1));
        }
        assert_eq!(recent.names.values().map(HashMap::len).sum::<usize>(), MAX_RECENT_PER_ACCOUNT + 1);
        assert_eq!(recent.accepted_at(&key("RM1", "0")), None, "the oldest went");
        assert_eq!(recent.accepted_at(&key("RGP", "other")), Some(at(0)));
    }
}
