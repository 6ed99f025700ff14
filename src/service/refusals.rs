//! Refusals: uploads that did not become deliveries, so that their senders and support can read why. Most clients show no more
//! than "Failure".
//!
//! Owns the newest of them, in memory. Refuses to be a record: they are bounded in number and time, and gone with the process.

use crate::feed::{Folder, ProviderCode};
use crate::intake::{Item, Refused};
use crate::receipts::{refusal_name, refusal_text};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Refusals kept of one provider.
const MAX_KEPT: usize = 50;

/// The newest refusals of all providers.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    /// Of each provider, oldest first, one for each name in a folder.
    kept: Mutex<HashMap<ProviderCode, VecDeque<Refused>>>,
}

impl Refusals {
    /// Keeps one, in the place of an older one of the same name.
    pub(super) fn note(&self, refused: Refused) {
        let mut kept = self.lock();
        let mine = kept.entry(refused.provider.clone()).or_default();
        mine.retain(|other| (other.folder, &other.name) != (refused.folder, &refused.name));
        mine.push_back(refused);
        if mine.len() > MAX_KEPT {
            mine.pop_front();
        }
    }

    /// Forgets a name: a file was accepted under it.
    pub(super) fn accepted(&self, provider: &ProviderCode, folder: Folder, name: &str) {
        if let Some(mine) = self.lock().get_mut(provider) {
            mine.retain(|other| other.folder != folder || other.name.as_str() != name);
        }
    }

    /// What a provider finds in `receipts/`, newest first: an entry and what it says.
    pub(super) fn receipts(&self, provider: &ProviderCode, since: Timestamp, zone: &TimeZone) -> Vec<(Item, Vec<u8>)> {
        let kept = self.lock();
        let mine = kept.get(provider).into_iter().flatten().rev().filter(|refused| since <= refused.at);
        let receipt = |refused: &Refused| {
            let text = refusal_text(&refused.name, refused.folder, &refused.why, refused.at, zone).into_bytes();
            let bytes = u64::try_from(text.len()).unwrap_or(u64::MAX);
            (Item { name: refusal_name(&refused.name), bytes, modified_at: refused.at }, text)
        };
        mine.map(receipt).collect()
    }

    /// The newest of one provider.
    pub(super) fn newest_of(&self, provider: &ProviderCode) -> Option<Refused> {
        self.lock().get(provider).and_then(|mine| mine.back().cloned())
    }

    /// The newest of each provider, by its code.
    pub(super) fn newest(&self) -> Vec<Refused> {
        let mut newest: Vec<Refused> = self.lock().values().filter_map(|mine| mine.back().cloned()).collect();
        newest.sort_by(|a, b| a.provider.cmp(&b.provider));
        newest
    }

    /// A lock whose holder panicked is still good: what it guards is changed in one step.
    fn lock(&self) -> MutexGuard<'_, HashMap<ProviderCode, VecDeque<Refused>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::FileName;

    fn refused(provider: &str, name: &str, second: i64) -> Refused {
        Refused {
            provider: provider.parse().unwrap(),
            folder: Folder::Inbox,
            name: FileName::parse(name.as_bytes()).unwrap(),
            why: format!("because of {second}"),
            at: Timestamp::from_second(second).unwrap(),
        }
    }

    #[test]
    fn p9_the_newest_of_each_name_is_kept_until_it_is_accepted_or_there_are_too_many() {
        let refusals = Refusals::default();
        let rm1: ProviderCode = "RM1".parse().unwrap();
        let names = |since: i64| -> Vec<String> {
            let since = Timestamp::from_second(since).unwrap();
            refusals.receipts(&rm1, since, &TimeZone::UTC).into_iter().map(|(item, _)| item.name.to_string()).collect()
        };
        refusals.note(refused("RM1", "a.csv", 10));
        refusals.note(refused("RM1", "b.csv", 20));
        refusals.note(refused("RM1", "a.csv", 30));
        refusals.note(refused("RGP", "c.csv", 40));
        assert_eq!(names(0), ["a.csv.refused.txt", "b.csv.refused.txt"]);
        assert_eq!(names(25), ["a.csv.refused.txt"], "old ones are not shown");
        let newest: Vec<_> = refusals.newest().into_iter().map(|refused| refused.why).collect();
        assert_eq!(newest, ["because of 40", "because of 30"]);
        refusals.accepted(&rm1, Folder::Test, "a.csv");
        refusals.accepted(&rm1, Folder::Inbox, "a.csv");
        assert_eq!(names(0), ["b.csv.refused.txt"]);
        (0..200).for_each(|n| refusals.note(refused("RM1", &format!("{n}.csv"), 100 + n)));
        assert_eq!(names(0).len(), MAX_KEPT);
    }
}
