//! Who may log in: a pure decision on what a client shows, an address, a date and the accounts.
//!
//! Owns the rules of login, which also decide whether a login may stay when the accounts change. Refuses SHA-1 and DSA; an
//! error on the way is a refusal by type. Whether a signature or a password is right was decided before: see
//! [`Credential`].

use super::certificates;
use super::limits::{MAX_RSA_BITS, MIN_RSA_BITS};
use super::penalties::Offence;
use crate::feed::{LONDON, ProviderCode};
use crate::intake::{Account, Accounts};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use russh::keys::ssh_key::public::KeyData;
use russh::keys::{Algorithm, Certificate, HashAlg, PublicKey};
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
    /// The signature's algorithm is not allowed, as with SHA-1, or the key is of a kind or size that is not.
    Algorithm,
    /// The account has too many connections.
    TooMany,
    /// The key, or the authority of the certificate, is listed in `revoked_keys`.
    Revoked,
    /// The certificate was signed by an authority that is not in the settings.
    CertificateAuthority,
    /// The certificate is not a user's but a host's.
    CertificateType,
    /// The certificate's signature is wrong, or it or a key of it is too weak.
    CertificateSignature,
    /// The certificate does not hold yet, or no longer.
    CertificateTime,
    /// The certificate does not name the account, or names nobody.
    CertificatePrincipal,
    /// The certificate may not be used from the address.
    CertificateAddress,
    /// The certificate has a critical option that cannot be kept here.
    CertificateOption,
    /// The password is wrong, or the account has none.
    Password,
    /// The password's last day has passed.
    PasswordExpired,
    /// The address is turned away for a while, because everything from it failed lately.
    Penalty,
}

impl Refusal {
    /// Every reason, in the order counters use.
    pub const ALL: [Self; 18] = [
        Self::UnknownUser,
        Self::UnknownKey,
        Self::KeyExpired,
        Self::AgreementEnded,
        Self::Network,
        Self::Algorithm,
        Self::TooMany,
        Self::Revoked,
        Self::CertificateAuthority,
        Self::CertificateType,
        Self::CertificateSignature,
        Self::CertificateTime,
        Self::CertificatePrincipal,
        Self::CertificateAddress,
        Self::CertificateOption,
        Self::Password,
        Self::PasswordExpired,
        Self::Penalty,
    ];

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
            Self::Revoked => "revoked",
            Self::CertificateAuthority => "certificate_authority",
            Self::CertificateType => "certificate_type",
            Self::CertificateSignature => "certificate_signature",
            Self::CertificateTime => "certificate_time",
            Self::CertificatePrincipal => "certificate_principal",
            Self::CertificateAddress => "certificate_address",
            Self::CertificateOption => "certificate_option",
            Self::Password => "password",
            Self::PasswordExpired => "password_expired",
            Self::Penalty => "penalty",
        }
    }

    /// Why, as people are told.
    pub(super) fn in_words(self) -> &'static str {
        match self {
            Self::UnknownUser => "no account has the name",
            Self::UnknownKey => "the account does not have that key",
            Self::KeyExpired => "the key has expired",
            Self::AgreementEnded => "the sharing agreement has ended",
            Self::Network => "the address is not in the account's networks",
            Self::Algorithm => "the key, or the algorithm of its signature, is not allowed",
            Self::TooMany => "the account has too many connections",
            Self::Revoked => "the key has been revoked",
            Self::CertificateAuthority => "nobody here trusts the certificate's authority",
            Self::CertificateType => "the certificate is not a user's",
            Self::CertificateSignature => "the certificate's signature is wrong or too weak",
            Self::CertificateTime => "the certificate does not hold yet, or no longer",
            Self::CertificatePrincipal => "the certificate does not name the account",
            Self::CertificateAddress => "the certificate may not be used from the address",
            Self::CertificateOption => "the certificate asks for something that cannot be kept here",
            Self::Password => "the password is wrong, or the account has none",
            Self::PasswordExpired => "the password has expired",
            Self::Penalty => "the address is turned away for a while, for everything from it failed",
        }
    }

    /// What counts against the address. A refusal that a provider's bad job can bring about behind the same address as its
    /// good one counts nothing.
    pub(super) fn offence(self) -> Option<Offence> {
        match self {
            Self::UnknownUser => Some(Offence::UnknownUser),
            Self::Network | Self::CertificateAddress => Some(Offence::WrongPlace),
            Self::UnknownKey
            | Self::KeyExpired
            | Self::AgreementEnded
            | Self::Algorithm
            | Self::TooMany
            | Self::Revoked
            | Self::CertificateAuthority
            | Self::CertificateType
            | Self::CertificateSignature
            | Self::CertificateTime
            | Self::CertificatePrincipal
            | Self::CertificateOption
            | Self::Password
            | Self::PasswordExpired
            | Self::Penalty => None,
        }
    }

    /// What a session reads that was logged in and may no longer be.
    pub(super) fn farewell(self) -> &'static str {
        match self {
            Self::UnknownUser => "this account has been closed: ask the council's team",
            Self::UnknownKey => "the key of this login has been taken out of bedfeed: log in with the new one, or ask the council's team",
            Self::KeyExpired => "the key of this login has expired: log in with the new one, or ask the council's team",
            Self::AgreementEnded => "the sharing agreement of this account has ended: ask the council's team",
            Self::Network => "this address may no longer use the account: ask the council's team",
            Self::Revoked => "the key of this login has been revoked: make a new one and send its public half to the council's team",
            Self::CertificateTime => "the certificate of this login has expired: get a new one",
            Self::Password | Self::PasswordExpired => "the password of this login is no longer taken: ask the council's team",
            _ => "this login is no longer allowed: ask the council's team",
        }
    }
}

/// What a client shows to log in. By the time it is judged as a login (and not as an offer), the client has proved that it
/// holds the private key, or the password was found to be right.
#[derive(Clone, Debug)]
pub(super) enum Credential {
    /// A key, and the algorithm of the signature.
    Key { key: PublicKey, algorithm: Algorithm },
    /// A certificate.
    Certificate(Box<Certificate>),
    /// The password behind this hash.
    Password { hash: String },
}

impl Credential {
    /// What is shown for it in logs and kept with deliveries: the fingerprint of a key, a certificate's among them.
    pub(super) fn fingerprint(&self) -> String {
        match self {
            Self::Key { key, .. } => fingerprint_of(key.key_data()),
            Self::Certificate(certificate) => fingerprint_of(certificate.public_key()),
            Self::Password { .. } => "password".to_owned(),
        }
    }
}

/// An attempt to log in, or a login that is looked at again.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    pub(super) user: String,
    pub(super) from: IpAddr,
    pub(super) credential: Credential,
}

/// Decides on one attempt. `now` decides which day it is in London.
pub(super) fn judge(accounts: &Accounts, attempt: &Attempt, now: Timestamp) -> Result<Identity, Refusal> {
    if let Credential::Key { algorithm, .. } = &attempt.credential
        && !allowed(algorithm)
    {
        return Err(Refusal::Algorithm);
    }
    let account = find(accounts, &attempt.user).ok_or(Refusal::UnknownUser)?;
    let today = TimeZone::get(LONDON).unwrap_or(TimeZone::UTC).to_datetime(now).date();
    if !account.networks.is_empty() && !account.networks.iter().any(|network| network.contains(attempt.from)) {
        return Err(Refusal::Network);
    }
    if account.agreement_ends.is_some_and(|last| today > last) {
        return Err(Refusal::AgreementEnded);
    }
    let key_owner = match &attempt.credential {
        Credential::Key { key, .. } => judge_key(accounts, account, key, today)?,
        Credential::Certificate(certificate) => certificates::judge(certificate, account, &accounts.trust, attempt.from, now)?,
        Credential::Password { hash } => judge_password(account, hash, today)?,
    };
    Ok(Identity { provider: account.provider.clone(), key_owner })
}

/// Decides whether a client is asked to sign with a key that it offers. The library shows a certificate's bare key here and
/// nothing of the certificate, so where there are authorities nearly every offer is worth a signature; who it is from is
/// decided after that. Doing so for every name also keeps it secret which names there are.
pub(super) fn judge_offer(accounts: &Accounts, attempt: &Attempt, now: Timestamp) -> Result<(), Refusal> {
    let sound = matches!(&attempt.credential, Credential::Key { key, .. } if strong(key.key_data()));
    match judge(accounts, attempt, now) {
        Err(_) if !sound => Err(Refusal::Algorithm),
        Err(refusal @ (Refusal::Algorithm | Refusal::Revoked)) => Err(refusal),
        Err(_) if !accounts.trust.user_cas.is_empty() => Ok(()),
        judged => judged.map(|_| ()),
    }
}

/// The hash that the password of this user is held against, and whether the outcome counts. A name without a password is held
/// against somebody else's, so that it takes as long. `None`: nobody may use a password from this address.
pub(super) fn password_hash(accounts: &Accounts, user: &str, from: IpAddr) -> Option<(String, bool)> {
    let mut from_here = accounts.accounts.iter().filter(|account| account.networks.iter().any(|network| network.contains(from)));
    let any = from_here.find_map(|account| account.password.as_ref())?;
    let own = find(accounts, user).and_then(|account| account.password.as_ref());
    Some((own.unwrap_or(any).hash.clone(), own.is_some()))
}

/// The account of a user name; letter case is ignored.
pub(super) fn find<'a>(accounts: &'a Accounts, user: &str) -> Option<&'a Account> {
    accounts.accounts.iter().find(|account| account.provider.as_str().eq_ignore_ascii_case(user))
}

/// The code of a user name's account, "" where there is none: a name from outside is not kept.
pub(super) fn name_of<'a>(accounts: &'a Accounts, user: &str) -> &'a str {
    find(accounts, user).map_or("", |account| account.provider.as_str())
}

/// Signature algorithms taken from users: the library would also take SHA-1 and DSA.
pub(super) fn allowed(algorithm: &Algorithm) -> bool {
    match algorithm {
        Algorithm::Ed25519 | Algorithm::SkEd25519 | Algorithm::Ecdsa { .. } | Algorithm::SkEcdsaSha2NistP256 => true,
        Algorithm::Rsa { hash } => hash.is_some(),
        _ => false,
    }
}

/// Whether a key is of a kind and size that may be used at all.
pub(super) fn strong(key: &KeyData) -> bool {
    match key {
        KeyData::Ed25519(_) | KeyData::Ecdsa(_) | KeyData::SkEd25519(_) | KeyData::SkEcdsaSha2NistP256(_) => true,
        KeyData::Rsa(rsa) => (MIN_RSA_BITS..=MAX_RSA_BITS).contains(&rsa.key_size()),
        _ => false,
    }
}

/// A key's fingerprint as `ssh-keygen -l` shows it.
pub(super) fn fingerprint_of(key: &KeyData) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

fn judge_key(accounts: &Accounts, account: &Account, key: &PublicKey, today: Date) -> Result<String, Refusal> {
    if accounts.trust.revoked_keys.contains(&fingerprint_of(key.key_data())) {
        return Err(Refusal::Revoked);
    }
    let ours = |text: &str| PublicKey::from_openssh(text).is_ok_and(|ours| ours.key_data() == key.key_data());
    let found = account.keys.iter().find(|listed| ours(&listed.public_key)).ok_or(Refusal::UnknownKey)?;
    if found.expires.is_some_and(|expires| today >= expires) {
        return Err(Refusal::KeyExpired);
    }
    Ok(found.owner.clone())
}

/// Only from the account's own networks, even where nothing else asked for them.
fn judge_password(account: &Account, hash: &str, today: Date) -> Result<String, Refusal> {
    let password = account.password.as_ref().filter(|password| password.hash == hash).ok_or(Refusal::Password)?;
    if account.networks.is_empty() {
        return Err(Refusal::Network);
    }
    if password.expires.is_some_and(|expires| today >= expires) {
        return Err(Refusal::PasswordExpired);
    }
    Ok(format!("{} (password)", password.owner))
}

#[cfg(test)]
mod tests;
