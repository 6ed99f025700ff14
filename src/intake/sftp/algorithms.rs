//! What the SSH library is told: methods, algorithms, limits and times. Only what is modern is offered.

use super::kexinit::Ours;
use super::limits::MAX_LOGIN_ATTEMPTS;
use crate::intake::{HostKeys, Settings};
use russh::keys::{Algorithm, EcdsaCurve, HashAlg};
use russh::server::Config;
use russh::{Limits, MethodKind, MethodSet, Preferred, SshId, cipher, compression, kex, mac};
use std::borrow::Cow;
use std::time::Duration;

/// Most bytes between two key exchanges (RFC 4253, section 9); the library refuses more.
const MAX_REKEY_BYTES: usize = 1 << 30;

/// The library's settings: public keys only, a short and modern list of algorithms, strict key exchange, no compression.
pub(super) fn ssh_config(host_keys: &HostKeys, settings: &Settings) -> Config {
    let rekey_bytes = usize::try_from(settings.rekey_bytes).unwrap_or(MAX_REKEY_BYTES).min(MAX_REKEY_BYTES);
    Config {
        server_id: SshId::Standard(Cow::Borrowed("SSH-2.0-bedfeed")),
        methods: MethodSet::from([MethodKind::PublicKey].as_slice()),
        // A key cannot be guessed, and a password is slowed down by the penalties: nothing is gained by making a client with
        // several keys wait for each.
        auth_rejection_time: Duration::from_millis(100),
        // OpenSSH's client asks with "none" first; without this every login waits a second.
        auth_rejection_time_initial: Some(Duration::ZERO),
        max_auth_attempts: MAX_LOGIN_ATTEMPTS,
        keys: host_keys.keys(),
        // What a client on a line of 40 ms needs to fill it; data is handled as it comes, so it is not held in memory.
        window_size: 8 << 20,
        maximum_packet_size: 65_536,
        channel_buffer_size: 64,
        event_buffer_size: 256,
        preferred: algorithms(Strictness::of(settings)),
        limits: Limits::new(rekey_bytes, rekey_bytes, settings.rekey_time),
        // Later than our own watch over idle sessions, which tells the client why; this one also ends a client that takes
        // nothing in.
        inactivity_timeout: Some(settings.idle_timeout.saturating_mul(3) / 2),
        keepalive_interval: Some(Duration::from_secs(30)),
        keepalive_max: 3,
        nodelay: true,
        ..Config::default()
    }
}

/// How far the lists go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Strictness {
    /// Only what withstands a quantum computer.
    PostQuantum,
    /// Everything without a known weakness.
    Default,
    /// Also what old clients need.
    Compatible,
}

impl Strictness {
    /// Where both flags are set, which the settings refuse, the stricter one counts.
    fn of(settings: &Settings) -> Self {
        match (settings.post_quantum_only, settings.compatibility) {
            (true, _) => Self::PostQuantum,
            (false, false) => Self::Default,
            (false, true) => Self::Compatible,
        }
    }
}

/// The names that a client can choose from under these settings.
pub(super) fn offered(host_keys: &HostKeys, settings: &Settings) -> Ours {
    names(host_keys, Strictness::of(settings))
}

/// The names that it could choose from without `compatibility`.
pub(super) fn offered_by_default(host_keys: &HostKeys) -> Ours {
    names(host_keys, Strictness::Default)
}

fn names(host_keys: &HostKeys, strictness: Strictness) -> Ours {
    let list = algorithms(strictness);
    // The markers are no algorithms: nothing can be chosen by them.
    let markers = [kex::EXTENSION_SUPPORT_AS_SERVER, kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER];
    let kexes = list.kex.iter().filter(|kex| !markers.contains(kex));
    Ours {
        kex: kexes.map(|kex| kex.as_ref().to_owned()).collect(),
        host_key: host_keys.algorithms(),
        cipher: list.cipher.iter().map(|cipher| cipher.as_ref().to_owned()).collect(),
        mac: list.mac.iter().map(|mac| mac.as_ref().to_owned()).collect(),
    }
}

fn algorithms(strictness: Strictness) -> Preferred {
    let ecdsa = |curve| Algorithm::Ecdsa { curve };
    let mut kexes = vec![kex::MLKEM768X25519_SHA256];
    let mut macs = vec![mac::HMAC_SHA512_ETM, mac::HMAC_SHA256_ETM];
    if strictness != Strictness::PostQuantum {
        kexes.extend([kex::CURVE25519, kex::CURVE25519_PRE_RFC_8731]);
    }
    if strictness == Strictness::Compatible {
        // Finite-field groups stay out of the default: each exchange costs the server so much more than the client that a
        // few connections a second keep a processor busy (CVE-2002-20001), and no client of ours needs them.
        kexes.extend([kex::ECDH_SHA2_NISTP256, kex::DH_G16_SHA512, kex::DH_G14_SHA256]);
        macs.extend([mac::HMAC_SHA512, mac::HMAC_SHA256]);
    }
    // Without these two, strict key exchange (against Terrapin) and the list of signature algorithms would not be offered.
    kexes.extend([kex::EXTENSION_SUPPORT_AS_SERVER, kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER]);
    Preferred {
        kex: Cow::Owned(kexes),
        // Also what is announced for users' keys, so RSA with SHA-2 is in it although no host key is RSA.
        key: Cow::Owned(vec![
            Algorithm::Ed25519,
            Algorithm::SkEd25519,
            ecdsa(EcdsaCurve::NistP256),
            ecdsa(EcdsaCurve::NistP384),
            ecdsa(EcdsaCurve::NistP521),
            Algorithm::SkEcdsaSha2NistP256,
            Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
            Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
        ]),
        host_key_certificates: Cow::Borrowed(&[]),
        cipher: Cow::Borrowed(&[
            cipher::AES_256_GCM,
            cipher::AES_128_GCM,
            cipher::CHACHA20_POLY1305,
            cipher::AES_256_CTR,
            cipher::AES_128_CTR,
        ]),
        mac: Cow::Owned(macs),
        compression: Cow::Borrowed(&[compression::NONE]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_old_is_offered() {
        let rows: [(_, &[&str], _); 3] = [
            (Strictness::PostQuantum, &["mlkem768x25519-sha256"], false),
            (Strictness::Default, &["mlkem768x25519-sha256", "curve25519-sha256", "curve25519-sha256@libssh.org"], false),
            (
                Strictness::Compatible,
                &[
                    "mlkem768x25519-sha256",
                    "curve25519-sha256",
                    "curve25519-sha256@libssh.org",
                    "ecdh-sha2-nistp256",
                    "diffie-hellman-group16-sha512",
                    "diffie-hellman-group14-sha256",
                ],
                true,
            ),
        ];
        for (strictness, expected, plain_macs) in rows {
            let list = algorithms(strictness);
            let kexes: Vec<&str> = list.kex.iter().map(AsRef::as_ref).collect();
            let (algorithms, markers) = kexes.split_at(kexes.len() - 2);
            assert_eq!(algorithms, expected, "{strictness:?}");
            assert_eq!(markers, ["ext-info-s", "kex-strict-s-v00@openssh.com"], "{strictness:?}");
            let mut names: Vec<&str> = list.cipher.iter().map(AsRef::<str>::as_ref).collect();
            names.extend(list.mac.iter().map(AsRef::<str>::as_ref));
            assert!(!names.iter().any(|name| name.contains("sha1") || name.contains("cbc") || *name == "none"), "{names:?}");
            assert_eq!(names.contains(&"hmac-sha2-256"), plain_macs, "{strictness:?}");
            assert!(!list.key.contains(&Algorithm::Rsa { hash: None }));
        }
    }

    #[test]
    fn the_stricter_flag_counts_and_the_library_takes_every_rekey_bound() {
        let dir = tempfile::tempdir().unwrap();
        let keys = HostKeys::load(dir.path()).unwrap();
        let settings = Settings { compatibility: true, post_quantum_only: true, rekey_bytes: u64::MAX, ..Settings::default() };
        assert_eq!(offered(&keys, &settings).kex, ["mlkem768x25519-sha256"]);
        assert_eq!(offered(&keys, &settings).host_key, ["ssh-ed25519"]);
        assert_eq!(ssh_config(&keys, &settings).limits.rekey_read_limit, MAX_REKEY_BYTES);
        let settings = Settings { compatibility: true, ..Settings::default() };
        assert!(offered(&keys, &settings).kex.len() > offered_by_default(&keys).kex.len());
    }
}
