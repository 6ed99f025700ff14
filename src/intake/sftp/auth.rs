//! Who may log in: a pure decision on a key, an address, a date and the accounts.
//!
//! Owns the rules of login. Refuses passwords, certificates and SHA-1; an error on the way is a refusal by type.

use crate::feed::{LONDON, ProviderCode};
use crate::intake::{Account, Accounts};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use russh::keys::{Algorithm, PublicKey};
use std::net::IpAddr;

/// Who a key belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) provider: ProviderCode,
    pub(super) key_owner: String,
}

/// Why a login is refused. The client is only told that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No account has the user name.
    UnknownUser,
    /// The account does not have the key.
    UnknownKey,
    /// The key's last day has passed.
    KeyExpired,
    /// The sharing agreement's last day has passed.
    AgreementEnded,
    /// The address is not in the account's networks.
    Network,
    /// The signature's algorithm is not allowed, as with SHA-1.
    Algorithm,
    /// The account has too many connections.
    TooMany,
}

impl Refusal {
    /// Every reason, in the order counters use.
    pub const ALL: [Self; 7] =
        [Self::UnknownUser, Self::UnknownKey, Self::KeyExpired, Self::AgreementEnded, Self::Network, Self::Algorithm, Self::TooMany];

    /// The word used in metrics and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnknownUser => "unknown_user",
            Self::UnknownKey => "unknown_key",
            Self::KeyExpired => "key_expired",
            Self::AgreementEnded => "agreement_ended",
            Self::Network => "network",
            Self::Algorithm => "algorithm",
            Self::TooMany => "too_many_connections",
        }
    }
}

/// What a client shows when it logs in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt<'a> {
    pub(super) user: &'a str,
    pub(super) key: &'a PublicKey,
    pub(super) algorithm: &'a Algorithm,
    pub(super) from: IpAddr,
}

/// Decides on one attempt. `now` decides which day it is in London.
pub(super) fn judge(accounts: &Accounts, attempt: Attempt<'_>, now: Timestamp) -> Result<Identity, Refusal> {
    if !allowed(attempt.algorithm) {
        return Err(Refusal::Algorithm);
    }
    let account = find(accounts, attempt.user).ok_or(Refusal::UnknownUser)?;
    let today = TimeZone::get(LONDON).unwrap_or(TimeZone::UTC).to_datetime(now).date();
    let key = account
        .keys
        .iter()
        .find(|key| PublicKey::from_openssh(&key.public_key).is_ok_and(|ours| ours.key_data() == attempt.key.key_data()))
        .ok_or(Refusal::UnknownKey)?;
    if key.expires.is_some_and(|expires| today >= expires) {
        return Err(Refusal::KeyExpired);
    }
    if account.agreement_ends.is_some_and(|last| today > last) {
        return Err(Refusal::AgreementEnded);
    }
    if !account.networks.is_empty() && !account.networks.iter().any(|network| network.contains(attempt.from)) {
        return Err(Refusal::Network);
    }
    Ok(Identity { provider: account.provider.clone(), key_owner: key.owner.clone() })
}

/// The account of a user name; letter case is ignored.
pub(super) fn find<'a>(accounts: &'a Accounts, user: &str) -> Option<&'a Account> {
    accounts.accounts.iter().find(|account| account.provider.as_str().eq_ignore_ascii_case(user))
}

/// Signature algorithms taken from users: the library would also take SHA-1 and DSA.
fn allowed(algorithm: &Algorithm) -> bool {
    match algorithm {
        Algorithm::Ed25519 | Algorithm::SkEd25519 | Algorithm::Ecdsa { .. } | Algorithm::SkEcdsaSha2NistP256 => true,
        Algorithm::Rsa { hash } => hash.is_some(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::{AccountKey, Network};
    use russh::keys::{HashAlg, PrivateKey};

    fn key() -> PublicKey {
        PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519).unwrap().public_key().clone()
    }

    #[test]
    fn a_login_needs_the_right_key_on_the_right_day_from_the_right_place() {
        let (ours, other) = (key(), key());
        let account = |expires: Option<&str>, ends: Option<&str>, network: Option<&str>| Accounts {
            accounts: vec![Account {
                provider: "RM1".parse().unwrap(),
                keys: vec![
                    AccountKey { owner: "broken".to_owned(), public_key: "nonsense".to_owned(), expires: None },
                    AccountKey {
                        owner: "informatics".to_owned(),
                        public_key: ours.to_openssh().unwrap(),
                        expires: expires.map(|day| day.parse().unwrap()),
                    },
                ],
                networks: network.map(|ip| Network { address: ip.parse().unwrap(), prefix: 24 }).into_iter().collect(),
                agreement_ends: ends.map(|day| day.parse().unwrap()),
                max_file_bytes: 1,
            }],
        };
        let sha1 = Algorithm::Rsa { hash: None };
        let sha2 = Algorithm::Rsa { hash: Some(HashAlg::Sha256) };
        let ed = Algorithm::Ed25519;
        let plain = account(None, None, None);
        // The instant is 00:30 on 2 July in London, 23:30 on 1 July in UTC.
        let rows = [
            (&plain, "RM1", &ours, &ed, "192.0.2.1", None),
            (&plain, "rm1", &ours, &sha2, "192.0.2.1", None),
            (&plain, "rm1", &ours, &sha1, "192.0.2.1", Some(Refusal::Algorithm)),
            (&plain, "rm1", &ours, &Algorithm::Dsa, "192.0.2.1", Some(Refusal::Algorithm)),
            (&plain, "root", &ours, &ed, "192.0.2.1", Some(Refusal::UnknownUser)),
            (&plain, "RM1", &other, &ed, "192.0.2.1", Some(Refusal::UnknownKey)),
            (&account(Some("2019-07-02"), None, None), "RM1", &ours, &ed, "192.0.2.1", Some(Refusal::KeyExpired)),
            (&account(Some("2019-07-03"), None, None), "RM1", &ours, &ed, "192.0.2.1", None),
            (&account(None, Some("2019-07-01"), None), "RM1", &ours, &ed, "192.0.2.1", Some(Refusal::AgreementEnded)),
            (&account(None, Some("2019-07-02"), None), "RM1", &ours, &ed, "192.0.2.1", None),
            (&account(None, None, Some("192.0.2.0")), "RM1", &ours, &ed, "192.0.2.1", None),
            (&account(None, None, Some("192.0.2.0")), "RM1", &ours, &ed, "::ffff:192.0.2.9", None),
            (&account(None, None, Some("192.0.3.0")), "RM1", &ours, &ed, "192.0.2.1", Some(Refusal::Network)),
        ];
        let now = "2019-07-01T23:30:00Z".parse().unwrap();
        for (accounts, user, key, algorithm, from, refusal) in rows {
            let attempt = Attempt { user, key, algorithm, from: from.parse().unwrap() };
            let expected = match refusal {
                Some(refusal) => Err(refusal),
                None => Ok(Identity { provider: "RM1".parse().unwrap(), key_owner: "informatics".to_owned() }),
            };
            assert_eq!(judge(accounts, attempt, now), expected, "{user} {algorithm} {from}");
        }
    }
}
