//! Certificates: whether an OpenSSH user certificate stands for an account.
//!
//! Owns the rules of `PROTOCOL.certkeys` that the SSH library leaves to us: it checks only that the certificate carries its
//! authority's signature and that the client holds the key. Refuses a certificate without principals (`sshd` would take it for
//! everybody) and every critical option it does not know.

use super::auth::{Refusal, allowed, fingerprint_of, strong};
use super::limits::MAX_KEY_ID_CHARS;
use crate::feed::printed;
use crate::intake::{Account, Network, Trust};
use jiff::Timestamp;
use russh::keys::ssh_key::certificate::CertType;
use russh::keys::{Certificate, PublicKey};
use std::net::IpAddr;

/// Decides whether a certificate stands for an account. Returns what the login is called: the key id and the authority's name.
pub(super) fn judge(certificate: &Certificate, account: &Account, trust: &Trust, from: IpAddr, now: Timestamp) -> Result<String, Refusal> {
    if certificate.cert_type() != CertType::User {
        return Err(Refusal::CertificateType);
    }
    let authority = certificate.signature_key();
    let ours = |key: &str| PublicKey::from_openssh(key).is_ok_and(|ours| ours.key_data() == authority);
    let ca = trust.user_cas.iter().find(|ca| ours(&ca.public_key)).ok_or(Refusal::CertificateAuthority)?;
    let revoked = |fingerprint: String| trust.revoked_keys.contains(&fingerprint);
    if revoked(fingerprint_of(authority)) || revoked(fingerprint_of(certificate.public_key())) {
        return Err(Refusal::Revoked);
    }
    let sound = allowed(&certificate.signature().algorithm()) && strong(authority) && strong(certificate.public_key());
    if !sound || certificate.verify_signature().is_err() {
        return Err(Refusal::CertificateSignature);
    }
    let now = u64::try_from(now.as_second()).unwrap_or(0);
    if !(certificate.valid_after()..certificate.valid_before()).contains(&now) {
        return Err(Refusal::CertificateTime);
    }
    let mut principals = certificate.valid_principals().iter();
    if !principals.any(|principal| principal.eq_ignore_ascii_case(account.provider.as_str())) {
        return Err(Refusal::CertificatePrincipal);
    }
    for (option, value) in certificate.critical_options().iter() {
        match option.as_str() {
            "source-address" if addresses(value).is_none_or(|networks| !networks.iter().any(|network| network.contains(from))) => {
                return Err(Refusal::CertificateAddress);
            }
            "source-address" => {}
            "force-command" if value == "internal-sftp" => {}
            _ => return Err(Refusal::CertificateOption),
        }
    }
    let key_id: String = certificate.key_id().chars().take(MAX_KEY_ID_CHARS).collect();
    Ok(format!("{} (certificate of {})", printed(&key_id), ca.name))
}

/// The networks of `source-address`, separated by commas; `None` where one of them cannot be read.
fn addresses(list: &str) -> Option<Vec<Network>> {
    list.split(',').map(|text| address(text.trim())).collect()
}

fn address(text: &str) -> Option<Network> {
    let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
    let address: IpAddr = address.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let prefix = prefix.map_or(Some(most), |prefix| prefix.parse().ok())?;
    (prefix <= most).then_some(Network { address, prefix })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::{Quota, UserCa};
    use russh::keys::ssh_key::certificate::Builder;
    use russh::keys::{Algorithm, PrivateKey};

    fn key() -> PrivateKey {
        PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519).unwrap()
    }

    /// A certificate for RM1, from 1000 to 2000 in seconds since 1970, changed by `with`.
    fn certificate(ca: &PrivateKey, with: impl FnOnce(&mut Builder)) -> Certificate {
        let user = key();
        let mut builder = Builder::new(vec![7; 16], user.public_key().key_data().clone(), 1000, 2000).unwrap();
        builder.key_id("night job\u{7}").unwrap();
        with(&mut builder);
        builder.sign(ca).unwrap()
    }

    fn account() -> Account {
        Account {
            provider: "RM1".parse().unwrap(),
            keys: Vec::new(),
            networks: Vec::new(),
            agreement_ends: None,
            max_file_bytes: 1,
            password: None,
            quota: Quota::for_files_of(1),
        }
    }

    #[test]
    fn a_certificate_counts_where_everything_about_it_is_right() {
        let (ca, other) = (key(), key());
        let trust = Trust {
            user_cas: vec![UserCa { name: "council".to_owned(), public_key: ca.public_key().to_openssh().unwrap() }],
            revoked_keys: Vec::new(),
        };
        let rm1 = |it: &mut Builder| {
            it.valid_principal("rm1").unwrap();
        };
        let option = |name: &'static str, value: &'static str| {
            certificate(&ca, |it| {
                it.valid_principal("RM1").unwrap().critical_option(name, value).unwrap();
            })
        };
        let rows: Vec<(&str, Certificate, i64, Result<(), Refusal>)> = vec![
            ("plain", certificate(&ca, rm1), 1000, Ok(())),
            ("its last second", certificate(&ca, rm1), 1999, Ok(())),
            ("too early", certificate(&ca, rm1), 999, Err(Refusal::CertificateTime)),
            ("too late", certificate(&ca, rm1), 2000, Err(Refusal::CertificateTime)),
            ("before 1970", certificate(&ca, rm1), -5, Err(Refusal::CertificateTime)),
            ("another authority", certificate(&other, rm1), 1500, Err(Refusal::CertificateAuthority)),
            (
                "another account",
                certificate(&ca, |it| {
                    it.valid_principal("RGP").unwrap();
                }),
                1500,
                Err(Refusal::CertificatePrincipal),
            ),
            (
                "everybody",
                certificate(&ca, |it| {
                    it.all_principals_valid().unwrap();
                }),
                1500,
                Err(Refusal::CertificatePrincipal),
            ),
            (
                "one of two",
                certificate(&ca, |it| {
                    it.valid_principal("RGP").unwrap().valid_principal("RM1").unwrap();
                }),
                1500,
                Ok(()),
            ),
            (
                "a host's",
                certificate(&ca, |it| {
                    it.cert_type(CertType::Host).unwrap().valid_principal("RM1").unwrap();
                }),
                1500,
                Err(Refusal::CertificateType),
            ),
            ("from here", option("source-address", "198.51.100.0/24,192.0.2.0/24"), 1500, Ok(())),
            ("from this address", option("source-address", "192.0.2.1"), 1500, Ok(())),
            ("from elsewhere", option("source-address", "198.51.100.0/24"), 1500, Err(Refusal::CertificateAddress)),
            ("from nonsense", option("source-address", "192.0.2.0/24,here"), 1500, Err(Refusal::CertificateAddress)),
            ("from too much", option("source-address", "192.0.2.0/240"), 1500, Err(Refusal::CertificateAddress)),
            ("SFTP only", option("force-command", "internal-sftp"), 1500, Ok(())),
            ("a command", option("force-command", "/bin/true"), 1500, Err(Refusal::CertificateOption)),
            ("presence", option("verify-required", ""), 1500, Err(Refusal::CertificateOption)),
            ("something new", option("new@example.com", "x"), 1500, Err(Refusal::CertificateOption)),
        ];
        let from = "192.0.2.1".parse().unwrap();
        for (what, certificate, at, expected) in rows {
            let got = judge(&certificate, &account(), &trust, from, Timestamp::from_second(at).unwrap());
            assert_eq!(got, expected.map(|()| "night job\\u{7} (certificate of council)".to_owned()), "{what}");
        }
        let good = certificate(&ca, rm1);
        for revoked in [good.public_key(), ca.public_key().key_data()] {
            let trust = Trust { revoked_keys: vec![fingerprint_of(revoked)], ..trust.clone() };
            assert_eq!(judge(&good, &account(), &trust, from, Timestamp::from_second(1500).unwrap()), Err(Refusal::Revoked));
        }
    }

    #[test]
    fn a_certificate_whose_content_was_changed_is_refused() {
        let ca = key();
        let trust = Trust {
            user_cas: vec![UserCa { name: "council".to_owned(), public_key: ca.public_key().to_openssh().unwrap() }],
            revoked_keys: Vec::new(),
        };
        let mut bytes = certificate(&ca, |it| {
            it.valid_principal("RM2").unwrap();
        })
        .to_bytes()
        .unwrap();
        let at = bytes.windows(3).position(|window| window == b"RM2").unwrap();
        bytes[at + 2] = b'1';
        let forged = Certificate::from_bytes(&bytes).unwrap();
        let from = "192.0.2.1".parse().unwrap();
        let got = judge(&forged, &account(), &trust, from, Timestamp::from_second(1500).unwrap());
        assert_eq!(got, Err(Refusal::CertificateSignature));
    }
}
