//! The rules of login, a row for each.

use super::*;
use crate::intake::{AccountKey, AccountPassword, Network, Quota, Trust, UserCa};
use russh::keys::PrivateKey;

fn key() -> PublicKey {
    PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519).unwrap().public_key().clone()
}

fn listed(owner: &str, key: &PublicKey, expires: Option<&str>) -> AccountKey {
    let expires = expires.map(|day| day.parse().unwrap());
    AccountKey { owner: owner.to_owned(), public_key: key.to_openssh().unwrap(), expires }
}

fn account(keys: Vec<AccountKey>, ends: Option<&str>, network: Option<&str>) -> Accounts {
    let account = Account {
        provider: "RM1".parse().unwrap(),
        keys,
        networks: network.map(|ip| Network { address: ip.parse().unwrap(), prefix: 24 }).into_iter().collect(),
        agreement_ends: ends.map(|day| day.parse().unwrap()),
        max_file_bytes: 1,
        password: None,
        quota: Quota::for_files_of(1),
    };
    Accounts { accounts: vec![account], trust: Trust::default() }
}

fn with_key(user: &str, key: &PublicKey, algorithm: &Algorithm, from: &str) -> Attempt {
    let credential = Credential::Key { key: key.clone(), algorithm: algorithm.clone() };
    Attempt { user: user.to_owned(), from: from.parse().unwrap(), credential }
}

#[test]
fn a_login_needs_the_right_key_on_the_right_day_from_the_right_place() {
    let (ours, other) = (key(), key());
    let account = |expires: Option<&str>, ends: Option<&str>, network: Option<&str>| {
        let broken = AccountKey { owner: "broken".to_owned(), public_key: "nonsense".to_owned(), expires: None };
        account(vec![broken, listed("informatics", &ours, expires)], ends, network)
    };
    let sha1 = Algorithm::Rsa { hash: None };
    let sha2 = Algorithm::Rsa { hash: Some(HashAlg::Sha256) };
    let ed = Algorithm::Ed25519;
    let plain = account(None, None, None);
    let revoking = Trust { user_cas: Vec::new(), revoked_keys: vec![fingerprint_of(ours.key_data())] };
    let revoked = Accounts { trust: revoking, ..plain.clone() };
    // The instant is 00:30 on 2 July in London, 23:30 on 1 July in UTC.
    let rows = [
        (&plain, "RM1", &ours, &ed, "192.0.2.1", None),
        (&plain, "rm1", &ours, &sha2, "192.0.2.1", None),
        (&plain, "rm1", &ours, &sha1, "192.0.2.1", Some(Refusal::Algorithm)),
        (&plain, "rm1", &ours, &Algorithm::Dsa, "192.0.2.1", Some(Refusal::Algorithm)),
        (&plain, "root", &ours, &ed, "192.0.2.1", Some(Refusal::UnknownUser)),
        (&plain, "RM1", &other, &ed, "192.0.2.1", Some(Refusal::UnknownKey)),
        (&revoked, "RM1", &ours, &ed, "192.0.2.1", Some(Refusal::Revoked)),
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
        let expected = match refusal {
            Some(refusal) => Err(refusal),
            None => Ok(Identity { provider: "RM1".parse().unwrap(), key_owner: "informatics".to_owned() }),
        };
        assert_eq!(judge(accounts, &with_key(user, key, algorithm, from), now), expected, "{user} {algorithm} {from}");
    }
}

#[test]
fn two_keys_work_at_once_until_the_old_one_expires() {
    let (old, new) = (key(), key());
    let accounts = account(vec![listed("old", &old, Some("2019-07-02")), listed("new", &new, None)], None, None);
    let owner = |key: &PublicKey, now: &str| {
        let judged = judge(&accounts, &with_key("RM1", key, &Algorithm::Ed25519, "192.0.2.1"), now.parse().unwrap());
        judged.map(|identity| identity.key_owner)
    };
    for now in ["2019-06-01T12:00:00Z", "2019-07-01T22:59:59Z"] {
        assert_eq!((owner(&old, now), owner(&new, now)), (Ok("old".to_owned()), Ok("new".to_owned())), "{now}");
    }
    assert_eq!(owner(&old, "2019-07-01T23:00:00Z"), Err(Refusal::KeyExpired), "midnight is London's");
    assert_eq!(owner(&new, "2019-07-01T23:00:00Z"), Ok("new".to_owned()));
}

#[test]
fn a_password_needs_its_account_its_networks_and_its_day() {
    let now = "2019-07-01T12:00:00Z".parse().unwrap();
    let mut accounts = account(Vec::new(), None, Some("192.0.2.0"));
    let password = AccountPassword { owner: "ward desk".to_owned(), hash: "ours".to_owned(), expires: Some("2019-07-02".parse().unwrap()) };
    accounts.accounts[0].password = Some(password);
    let judged = |accounts: &Accounts, user: &str, hash: &str, from: &str, now| {
        let credential = Credential::Password { hash: hash.to_owned() };
        let attempt = Attempt { user: user.to_owned(), from: from.parse().unwrap(), credential };
        judge(accounts, &attempt, now).map(|identity| identity.key_owner)
    };
    assert_eq!(judged(&accounts, "rm1", "ours", "192.0.2.9", now), Ok("ward desk (password)".to_owned()));
    assert_eq!(judged(&accounts, "RM1", "theirs", "192.0.2.9", now), Err(Refusal::Password));
    assert_eq!(judged(&accounts, "RM2", "ours", "192.0.2.9", now), Err(Refusal::UnknownUser));
    assert_eq!(judged(&accounts, "RM1", "ours", "198.51.100.9", now), Err(Refusal::Network));
    let later = "2019-07-02T12:00:00Z".parse().unwrap();
    assert_eq!(judged(&accounts, "RM1", "ours", "192.0.2.9", later), Err(Refusal::PasswordExpired));
    let here = "192.0.2.9".parse().unwrap();
    assert_eq!(password_hash(&accounts, "rm1", here), Some(("ours".to_owned(), true)));
    assert_eq!(password_hash(&accounts, "root", here), Some(("ours".to_owned(), false)), "as much work, and never a login");
    assert_eq!(password_hash(&accounts, "RM1", "198.51.100.9".parse().unwrap()), None);
    accounts.accounts[0].networks.clear();
    assert_eq!(judged(&accounts, "RM1", "ours", "192.0.2.9", now), Err(Refusal::Network), "never from anywhere");
    assert_eq!(password_hash(&accounts, "RM1", here), None);
}

#[test]
fn where_there_are_authorities_an_offer_tells_nothing_about_names() {
    let now = "2019-07-01T12:00:00Z".parse().unwrap();
    let (ours, other) = (key(), key());
    let plain = account(vec![listed("informatics", &ours, None)], None, None);
    let user_cas = vec![UserCa { name: "council".to_owned(), public_key: key().to_openssh().unwrap() }];
    let trusting = Accounts { trust: Trust { user_cas, revoked_keys: Vec::new() }, ..plain.clone() };
    let offer = |accounts: &Accounts, user: &str, key: &PublicKey, algorithm: &Algorithm| {
        judge_offer(accounts, &with_key(user, key, algorithm, "192.0.2.1"), now)
    };
    let ed = Algorithm::Ed25519;
    assert_eq!(offer(&plain, "RM1", &ours, &ed), Ok(()));
    assert_eq!(
        (offer(&plain, "RM1", &other, &ed), offer(&plain, "root", &other, &ed)),
        (Err(Refusal::UnknownKey), Err(Refusal::UnknownUser))
    );
    assert_eq!((offer(&trusting, "RM1", &other, &ed), offer(&trusting, "root", &other, &ed)), (Ok(()), Ok(())));
    assert_eq!(offer(&trusting, "RM1", &ours, &Algorithm::Rsa { hash: None }), Err(Refusal::Algorithm));
    let proved = judge(&trusting, &with_key("RM1", &other, &ed, "192.0.2.1"), now);
    assert_eq!(proved, Err(Refusal::UnknownKey), "an offer that is worth a signature is no login");
}
