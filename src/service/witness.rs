//! The witness: what was seen of each provider last, so that an alert about silence can say what its likely cause is.
//!
//! Owns logins, in memory. Refuses to be a record: what it knows is gone with the process, and it says since when it looks.

use super::refusals::Refusals;
use crate::alerts::{Evidence, RefusedLogin};
use crate::feed::ProviderCode;
use crate::intake::Knock;
use jiff::Timestamp;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The newest logins of all providers; one entry a provider that is in the settings.
#[derive(Debug)]
pub(super) struct Logins {
    since: Timestamp,
    kept: Mutex<HashMap<ProviderCode, Seen>>,
}

#[derive(Clone, Debug, Default)]
struct Seen {
    worked: Option<Timestamp>,
    refused: Option<RefusedLogin>,
}

impl Logins {
    /// Knows nothing from before `since`.
    pub(super) fn new(since: Timestamp) -> Self {
        Self { since, kept: Mutex::default() }
    }

    /// Keeps a login, in the place of an older one that ended alike.
    pub(super) fn note(&self, knock: Knock) {
        let Knock { provider, with, at, refused } = knock;
        let mut kept = self.lock();
        let mine = kept.entry(provider).or_default();
        match refused {
            None => mine.worked = Some(at),
            Some(why) => mine.refused = Some(RefusedLogin { at, with, why: why.to_owned() }),
        }
    }

    /// What was seen of a provider last.
    fn of(&self, provider: &ProviderCode) -> Evidence {
        let seen = self.lock().get(provider).cloned().unwrap_or_default();
        Evidence { looking_since: self.since, login: seen.worked, refused_login: seen.refused, ..Evidence::default() }
    }

    /// A lock whose holder panicked is still good: what it guards is changed in one step.
    fn lock(&self) -> MutexGuard<'_, HashMap<ProviderCode, Seen>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What alerts ask: logins, and uploads that were not taken.
pub(super) fn witness(logins: Arc<Logins>, refusals: Arc<Refusals>) -> crate::alerts::Witness {
    Arc::new(move |provider| {
        let refused = refusals.newest_of(provider).map(|refused| (refused.at, refused.why));
        Evidence { refused_upload: refused, ..logins.of(provider) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::{FileName, Folder};
    use crate::intake::Refused;

    #[test]
    fn the_newest_of_each_kind_is_told() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let rm1: ProviderCode = "RM1".parse().unwrap();
        let (logins, refusals) = (Arc::new(Logins::new(at(5))), Arc::new(Refusals::default()));
        let ask = witness(Arc::clone(&logins), Arc::clone(&refusals));
        assert_eq!(ask(&rm1), Evidence { looking_since: at(5), ..Evidence::default() });
        let knock = |second, with: &str, refused| Knock { provider: rm1.clone(), with: with.to_owned(), at: at(second), refused };
        logins.note(knock(10, "SHA256:a", Some("key_expired")));
        logins.note(knock(11, "SHA256:b", Some("unknown_key")));
        logins.note(knock(12, "SHA256:c", None));
        let why = "the file is empty".to_owned();
        refusals.note(Refused { provider: rm1.clone(), folder: Folder::Inbox, name: FileName::parse(b"a.csv").unwrap(), why, at: at(13) });
        let refused = RefusedLogin { at: at(11), with: "SHA256:b".to_owned(), why: "unknown_key".to_owned() };
        let expected = Evidence {
            looking_since: at(5),
            login: Some(at(12)),
            refused_login: Some(refused),
            refused_upload: Some((at(13), "the file is empty".to_owned())),
            set_aside: None,
        };
        assert_eq!(ask(&rm1), expected);
        assert_eq!(ask(&"RGP".parse().unwrap()), Evidence { looking_since: at(5), ..Evidence::default() });
    }
}
