//! Logging in: the callbacks of one connection, from an offered key to a bound identity.
//!
//! Owns the point where an identity is bound: after the signature, or the password, was found to be right. Refuses to be hurried:
//! wrong passwords are answered more and more slowly. Whether a login may stay is looked at again when the accounts change.

use super::auth::{self, Attempt, Credential, Identity, Refusal};
use super::connection::{Connection, ConnectionError};
use super::limits::{MAX_KEY_OFFERS, MAX_PASSWORD_TRIES};
use super::{Kind, Share, lock, passwords};
use crate::feed::{Clock, printed};
use crate::intake::{Accounts, Counters, Knock};
use russh::server::{Auth, PublicKeyOffer};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// A login whose proof was found to be right.
pub(super) struct Login {
    pub(super) identity: Identity,
    /// What was shown: the fingerprint of a key.
    pub(super) fingerprint: String,
    proof: Proof,
    _share: Share,
}

/// What a login was, as it is looked at again.
#[derive(Clone)]
pub(super) struct Proof(Attempt);

impl Proof {
    /// Waits until the login is no longer allowed, and says why. Looks again when the accounts change, and every so often,
    /// because days pass too.
    pub(super) async fn lapses(&self, mut accounts: watch::Receiver<Arc<Accounts>>, clock: &dyn Clock, every: Duration) -> &'static str {
        loop {
            if let Err(refusal) = auth::judge(&accounts.borrow_and_update(), &self.0, clock.now()) {
                return refusal.farewell();
            }
            // Where nobody is left to change them, only days pass.
            if let Ok(Err(_)) = timeout(every, accounts.changed()).await {
                sleep(every).await;
            }
        }
    }
}

impl Connection {
    /// A key that is offered is a question and proves nothing.
    pub(super) fn offered(&mut self, user: &str, offer: PublicKeyOffer<'_>) -> Result<Auth, ConnectionError> {
        self.login = None;
        self.offers = self.offers.saturating_add(1);
        if self.offers > MAX_KEY_OFFERS {
            return Err(ConnectionError::TooManyOffers);
        }
        let attempt = self.attempt(user, Credential::Key { key: offer.public_key.clone(), algorithm: offer.algorithm.clone() });
        Ok(match auth::judge_offer(&self.shared.accounts(), &attempt, self.shared.clock.now()) {
            Ok(()) => Auth::Accept,
            Err(refusal) => self.refuse(&attempt, refusal),
        })
    }

    /// The only place that binds an identity. What was proved under another name before is forgotten.
    pub(super) fn log_in(&mut self, user: &str, credential: Credential) -> Auth {
        self.login = None;
        let attempt = self.attempt(user, credential);
        let identity = match auth::judge(&self.shared.accounts(), &attempt, self.shared.clock.now()) {
            Ok(identity) => identity,
            Err(refusal) => return self.refuse(&attempt, refusal),
        };
        let most = self.shared.settings.max_connections_per_account;
        let take = |most| Share::take(&self.shared, &identity.provider, Kind::Connection, most);
        // One that was asked to leave takes a moment, during which there may be more than the most.
        let make_room = || self.shared.make_room(&identity.provider).then(|| take(most.saturating_mul(2))).flatten();
        let Some(share) = take(most).or_else(make_room) else {
            return self.refuse(&attempt, Refusal::TooMany);
        };
        let fingerprint = attempt.credential.fingerprint();
        self.login = Some(Login { identity, fingerprint, proof: Proof(attempt), _share: share });
        Auth::Accept
    }

    /// A password is looked at after a delay that grows with failures, one at a time, and for names without one too.
    pub(super) async fn try_password(&mut self, user: &str, password: &str) -> Result<Auth, ConnectionError> {
        self.login = None;
        self.passwords = self.passwords.saturating_add(1);
        if self.passwords > MAX_PASSWORD_TRIES {
            return Err(ConnectionError::TooManyPasswords);
        }
        let (from, accounts) = (self.peer.ip(), self.shared.accounts());
        let Some((hash, counts)) = auth::password_hash(&accounts, user, from) else {
            let attempt = self.attempt(user, Credential::Password { hash: String::new() });
            let refusal = auth::judge(&accounts, &attempt, self.shared.clock.now()).err().unwrap_or(Refusal::Password);
            return Ok(self.refuse(&attempt, refusal));
        };
        if self.shared.settings.penalties {
            let delay = lock(&self.shared.penalties).delay(from, auth::name_of(&accounts, user), self.shared.clock.now());
            // Whoever is right has to get in before the login grace is over.
            sleep(delay.min(self.shared.settings.login_grace / 3)).await;
        }
        let right = {
            let _turn = self.shared.verifying.acquire().await.ok();
            let (password, hash) = (password.to_owned(), hash.clone());
            tokio::task::spawn_blocking(move || passwords::is_right(&password, &hash)).await.unwrap_or(false)
        };
        if right && counts {
            return Ok(self.log_in(user, Credential::Password { hash }));
        }
        let attempt = self.attempt(user, Credential::Password { hash: String::new() });
        let refusal = auth::find(&accounts, user).map_or(Refusal::UnknownUser, |_| Refusal::Password);
        Ok(self.refuse(&attempt, refusal))
    }

    /// The login is complete: the address is known from now on.
    pub(super) fn note_login(&mut self) {
        Counters::count(&self.shared.counters.logins);
        lock(&self.shared.penalties).log_in(self.peer.ip(), self.shared.clock.now());
        if let Some(login) = &self.login {
            self.shared.note_login(&login.identity.provider, &self.watched);
            let (provider, with) = (login.identity.provider.clone(), login.fingerprint.clone());
            self.shared.gate.knocked(Knock { provider, with, at: self.shared.clock.now(), refused: None });
            // A second login on one connection does not happen; the first would stand.
            drop(self.watched.proof.set(login.proof.clone()));
        }
    }

    fn attempt(&self, user: &str, credential: Credential) -> Attempt {
        Attempt { user: user.to_owned(), from: self.peer.ip(), credential }
    }

    fn refuse(&self, attempt: &Attempt, refusal: Refusal) -> Auth {
        self.shared.counters.count_refusal(refusal);
        self.watched.refused.store(true, Ordering::Relaxed);
        if let Some(offence) = refusal.offence()
            && !self.watched.blamed.swap(true, Ordering::Relaxed)
        {
            self.shared.blame(attempt.from, offence);
        }
        if refusal != Refusal::TooMany && matches!(attempt.credential, Credential::Password { .. }) {
            let accounts = self.shared.accounts();
            lock(&self.shared.penalties).fail(attempt.from, auth::name_of(&accounts, &attempt.user), self.shared.clock.now());
        }
        let user: String = attempt.user.chars().take(40).collect();
        let shown = attempt.credential.fingerprint();
        // Whoever only tries names is no provider.
        if let Some(provider) = auth::find(&self.shared.accounts(), &attempt.user).map(|account| account.provider.clone()) {
            let (with, refused) = (shown.clone(), Some(refusal.in_words()));
            self.shared.gate.knocked(Knock { provider, with, at: self.shared.clock.now(), refused });
        }
        tracing::warn!(user = %printed(&user), key = shown, from = %self.peer, connection = self.number, reason = refusal.as_str(), "login refused");
        Auth::reject()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::{Account, AccountKey, Quota, Trust};
    use jiff::{SignedDuration, Timestamp};
    use russh::keys::{Algorithm, PrivateKey};
    use std::sync::atomic::AtomicI64;

    /// A clock on which an hour passes each time that somebody looks.
    struct Hasty(AtomicI64);

    impl Clock for Hasty {
        fn now(&self) -> Timestamp {
            let start: Timestamp = "2018-12-03T12:00:00Z".parse().unwrap();
            start + SignedDuration::from_hours(self.0.fetch_add(1, Ordering::Relaxed))
        }
    }

    #[tokio::test]
    async fn a_login_lapses_when_its_day_has_come_although_nothing_else_changed() {
        let key = PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519).unwrap().public_key().clone();
        let expires = Some("2018-12-05".parse().unwrap());
        let account = Account {
            provider: "RM1".parse().unwrap(),
            keys: vec![AccountKey { owner: "job".to_owned(), public_key: key.to_openssh().unwrap(), expires }],
            networks: Vec::new(),
            agreement_ends: None,
            max_file_bytes: 1,
            password: None,
            quota: Quota::for_files_of(1),
        };
        let accounts = watch::Sender::new(Arc::new(Accounts { accounts: vec![account], trust: Trust::default() }));
        let credential = Credential::Key { key, algorithm: Algorithm::Ed25519 };
        let proof = Proof(Attempt { user: "RM1".to_owned(), from: "192.0.2.1".parse().unwrap(), credential });
        for settings_may_change in [true, false] {
            let (clock, receiver) = (Hasty(AtomicI64::new(0)), accounts.subscribe());
            let told = if settings_may_change {
                proof.lapses(receiver, &clock, Duration::from_millis(1)).await
            } else {
                let (sender, receiver) = watch::channel(receiver.borrow().clone());
                drop(sender);
                proof.lapses(receiver, &clock, Duration::from_millis(1)).await
            };
            assert!(told.contains("has expired"), "{told}");
            assert_eq!(clock.0.into_inner(), 37, "at the first look on its day: thirty-six hours later");
        }
    }
}
