//! What the SSH library is told: methods, algorithms, limits and times. Only what is modern is offered.

use super::limits::MAX_LOGIN_ATTEMPTS;
use crate::intake::{HostKeys, Settings};
use russh::keys::{Algorithm, EcdsaCurve, HashAlg};
use russh::server::Config;
use russh::{MethodKind, MethodSet, Preferred, SshId, cipher, compression, kex, mac};
use std::borrow::Cow;
use std::time::Duration;

/// The library's settings: public keys only, a short and modern list of algorithms, strict key exchange, no compression.
pub(super) fn ssh_config(host_keys: &HostKeys, settings: &Settings) -> Config {
    Config {
        server_id: SshId::Standard(Cow::Borrowed("SSH-2.0-bedfeed")),
        methods: MethodSet::from([MethodKind::PublicKey].as_slice()),
        auth_rejection_time: Duration::from_secs(1),
        // OpenSSH's client asks with "none" first; without this every login waits a second.
        auth_rejection_time_initial: Some(Duration::ZERO),
        max_auth_attempts: MAX_LOGIN_ATTEMPTS,
        keys: host_keys.keys(),
        // What a client on a line of 40 ms needs to fill it; data is handled as it comes, so it is not held in memory.
        window_size: 8 << 20,
        maximum_packet_size: 65_536,
        channel_buffer_size: 64,
        event_buffer_size: 256,
        preferred: algorithms(settings.compatibility),
        inactivity_timeout: Some(settings.idle_timeout),
        keepalive_interval: Some(Duration::from_secs(30)),
        keepalive_max: 3,
        nodelay: true,
        ..Config::default()
    }
}

fn algorithms(compatibility: bool) -> Preferred {
    let ecdsa = |curve| Algorithm::Ecdsa { curve };
    let mut kexes = vec![kex::MLKEM768X25519_SHA256, kex::CURVE25519, kex::CURVE25519_PRE_RFC_8731];
    let mut macs = vec![mac::HMAC_SHA512_ETM, mac::HMAC_SHA256_ETM];
    if compatibility {
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
        for (compatibility, plain_macs, groups) in [(false, false, false), (true, true, true)] {
            let list = algorithms(compatibility);
            let mut names: Vec<&str> = list.kex.iter().map(AsRef::as_ref).collect();
            names.extend(list.cipher.iter().map(AsRef::<str>::as_ref));
            names.extend(list.mac.iter().map(AsRef::<str>::as_ref));
            assert!(names.contains(&"kex-strict-s-v00@openssh.com"));
            assert!(!names.iter().any(|name| name.contains("sha1") || name.contains("cbc") || *name == "none"), "{names:?}");
            assert_eq!(names.contains(&"hmac-sha2-256"), plain_macs);
            assert_eq!(names.iter().any(|name| name.contains("group")), groups);
            assert!(!list.key.contains(&Algorithm::Rsa { hash: None }));
        }
    }
}
