//! Access: who may log in, with which key, certificate or password, from where.
//!
//! Owns `[[keys]]`, `[[signers]]`, `[password]`, `networks`, `[[sftp.user_ca]]` and `revoked_keys`. Refuses keys that no client should use
//! any more and passwords that anybody could try, and never repeats a secret.

use super::document::{Item, Section};
use crate::intake::{self, AccountKey, AccountPassword, Network, Trust, UserCa};
use crate::verify::signature::{NAMESPACE, Signer};
use russh::keys::PublicKey;
use russh::keys::ssh_key::Fingerprint;
use russh::keys::ssh_key::public::KeyData;
use std::net::IpAddr;

/// Shortest RSA key accepted, in bits. Source: NCSC guidance and OpenSSH's own advice for new keys.
const MIN_RSA_BITS: u32 = 2048;

/// Reads `[[keys]]`.
pub(super) fn keys(root: &Section<'_>) -> Vec<AccountKey> {
    let mut keys: Vec<AccountKey> = Vec::new();
    for section in root.sections("keys") {
        let owner = section.need("owner").and_then(|item| item.filled().map(str::to_owned));
        let public = section.need("public_key").and_then(|item| public_key(&item).map(|key| (item, key)));
        let expires = section.get("expires").and_then(|item| item.date());
        section.finish();
        let (Some(owner), Some((item, public_key))) = (owner, public) else { continue };
        if let Some(other) = keys.iter().find(|other| other.public_key == public_key) {
            item.problem(format!("this key is listed already, for {}", other.owner));
        }
        keys.push(AccountKey { owner, public_key, expires });
    }
    keys
}

/// Reads `[[signers]]`: whose signatures on files are taken.
pub(super) fn signers(root: &Section<'_>) -> Vec<Signer> {
    let mut signers: Vec<Signer> = Vec::new();
    for section in root.sections("signers") {
        let owner = section.need("owner").and_then(|item| item.filled().map(str::to_owned));
        let public = section.need("public_key").and_then(|item| {
            // What passes the checks of keys is a key.
            let key = public_key(&item).and_then(|key| PublicKey::from_openssh(&key).ok())?;
            Some((item, key))
        });
        let namespace = section.get("namespace").map_or_else(|| Some(NAMESPACE.to_owned()), |item| item.filled().map(str::to_owned));
        let expires = section.get("expires").and_then(|item| item.date());
        section.finish();
        let (Some(owner), Some((item, key)), Some(namespace)) = (owner, public, namespace) else { continue };
        if let Some(other) = signers.iter().find(|other| other.key == key && other.namespace == namespace) {
            item.problem(format!("this key is listed already, for {}", other.owner));
        }
        signers.push(Signer { owner, key, namespace, expires });
    }
    signers
}

/// Reads `[password]`. It must not be open to the whole world: keys cannot be guessed, passwords can.
pub(super) fn password(section: Section<'_>, has_networks: bool) -> Option<AccountPassword> {
    let owner = section.need("owner").and_then(|item| item.filled().map(str::to_owned));
    let hash = section.need("hash").and_then(|item| {
        let hash = item.filled()?;
        let wrong = intake::check_password_hash(hash).err();
        wrong.iter().for_each(|why| item.problem(why.to_string()));
        wrong.is_none().then(|| hash.to_owned())
    });
    let expires = section.get("expires").and_then(|item| item.date());
    if !has_networks {
        section.problem("needs networks: a password can be guessed, so it is taken only from addresses that are listed");
    }
    section.finish();
    Some(AccountPassword { owner: owner?, hash: hash?, expires })
}

/// Reads `[[sftp.user_ca]]` and `revoked_keys`.
pub(super) fn trust(sftp: &Section<'_>) -> Trust {
    let mut user_cas: Vec<UserCa> = Vec::new();
    for section in sftp.sections("user_ca") {
        let name = section.need("name").and_then(|item| item.filled().map(|name| (item.clone(), name.to_owned())));
        let public = section.need("public_key").and_then(|item| public_key(&item).map(|key| (item, key)));
        section.finish();
        let (Some((name_item, name)), Some((key_item, public_key))) = (name, public) else { continue };
        if user_cas.iter().any(|other| other.name == name) {
            name_item.problem(format!("another authority is called \"{name}\""));
        }
        if let Some(other) = user_cas.iter().find(|other| other.public_key == public_key) {
            key_item.problem(format!("this key is listed already, for {}", other.name));
        }
        user_cas.push(UserCa { name, public_key });
    }
    let revoked = sftp.get("revoked_keys").map(|item| item.elements()).unwrap_or_default();
    Trust { user_cas, revoked_keys: revoked.iter().filter_map(fingerprint).collect() }
}

fn fingerprint(item: &Item<'_>) -> Option<String> {
    let text = item.filled()?;
    match text.parse::<Fingerprint>() {
        Ok(fingerprint @ Fingerprint::Sha256(_)) => Some(fingerprint.to_string()),
        _ => {
            item.problem(format!(
                "\"{text}\" is not a SHA-256 fingerprint such as ssh-keygen -l -f KEY.pub shows: SHA256: and 43 characters"
            ));
            None
        }
    }
}

/// Reads `networks`: CIDR, or a single address.
pub(super) fn networks(item: &Item<'_>) -> Vec<Network> {
    let mut networks = Vec::new();
    for element in item.elements() {
        let Some(text) = element.filled() else { continue };
        match network(text) {
            Ok(network) => networks.push(network),
            Err(why) => element.problem(why),
        }
    }
    if networks.is_empty() && item.elements().is_empty() {
        item.problem("an empty list would let nobody in; leave the key out to allow any address");
    }
    networks
}

fn public_key(item: &Item<'_>) -> Option<String> {
    let text = item.filled()?.trim();
    match check_key(text) {
        Ok(key) => Some(key),
        Err(why) => {
            item.problem(why);
            None
        }
    }
}

/// The key without its comment, or what is wrong with it.
fn check_key(text: &str) -> Result<String, String> {
    if text.contains("PRIVATE KEY") {
        return Err("this is a private key: it is no longer secret; have a new pair made and put the public half here".to_owned());
    }
    let shown = "an OpenSSH public key, one line such as ssh-ed25519 AAAA…";
    let key = PublicKey::from_openssh(text).map_err(|error| format!("is not {shown}: {error}"))?;
    match key.key_data() {
        KeyData::Ed25519(_) | KeyData::Ecdsa(_) | KeyData::SkEd25519(_) | KeyData::SkEcdsaSha2NistP256(_) => {}
        KeyData::Rsa(rsa) if rsa.key_size() >= MIN_RSA_BITS => {}
        KeyData::Rsa(rsa) => return Err(format!("is an RSA key of {} bits: at least {MIN_RSA_BITS} are needed", rsa.key_size())),
        KeyData::Dsa(_) => return Err("is a DSA key, which is no longer safe: use ed25519".to_owned()),
        _ => return Err(format!("is a {} key, which is not supported: use ed25519", key.algorithm())),
    }
    let mut parts = text.split_ascii_whitespace();
    match (parts.next(), parts.next()) {
        (Some(kind), Some(body)) => Ok(format!("{kind} {body}")),
        _ => Err(format!("is not {shown}")),
    }
}

fn network(text: &str) -> Result<Network, String> {
    let why = || format!("\"{text}\" is not a network such as 10.1.0.0/16 or 2001:db8::/32");
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix.parse::<u8>().map_err(|_| why())?)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().map_err(|_| why())?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let prefix = prefix.unwrap_or(most);
    if prefix > most {
        return Err(why());
    }
    let start = first_address(address, u32::from(most.saturating_sub(prefix)));
    if start != address {
        return Err(format!("\"{text}\" has bits set beyond its prefix; did you mean \"{start}/{prefix}\"?"));
    }
    Ok(Network { address, prefix })
}

/// An address with its last `host_bits` cleared.
fn first_address(address: IpAddr, host_bits: u32) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(host_bits).unwrap_or(0);
            IpAddr::from((u32::from(v4) & mask).to_be_bytes())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(host_bits).unwrap_or(0);
            IpAddr::from((u128::from(v6) & mask).to_be_bytes())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED25519: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";

    #[test]
    fn a_key_is_kept_without_its_comment() {
        assert_eq!(check_key(&format!("{ED25519} night job@trust")).unwrap(), ED25519);
    }

    #[test]
    fn a_key_that_nobody_should_use_is_refused() {
        let rows = [
            ("ssh-ed25519 AAAA", "is not an OpenSSH public key"),
            ("AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti", "is not an OpenSSH public key"),
            ("-----BEGIN OPENSSH PRIVATE KEY-----", "no longer secret"),
            (SHORT_RSA, "RSA key of 1024 bits"),
        ];
        for (text, expected) in rows {
            let why = check_key(text).unwrap_err();
            assert!(why.contains(expected), "{text}: {why}");
            assert!(!why.contains("BEGIN"), "a private key is never repeated");
        }
    }

    #[test]
    fn a_network_is_an_address_and_a_prefix() {
        for (text, prefix) in [("10.0.0.0/8", 8), ("192.0.2.7", 32), ("2001:db8::/32", 32), ("::1", 128), ("0.0.0.0/0", 0)] {
            assert_eq!(network(text).unwrap().prefix, prefix, "{text}");
        }
        let rows = [
            ("10.0.0.0/33", "is not a network"),
            ("10.0.0/8", "is not a network"),
            ("trust.example", "is not a network"),
            ("10.1.2.3/8", "did you mean \"10.0.0.0/8\"?"),
            ("2001:db8::1/32", "did you mean \"2001:db8::/32\"?"),
        ];
        for (text, expected) in rows {
            let why = network(text).unwrap_err();
            assert!(why.contains(expected), "{text}: {why}");
        }
    }

    const SHORT_RSA: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQD1z2M+9bTsKFn/XYuPXXr6MNzW7VmUwoLZbkMB9nykYb/3jLsExNHInr2x6BLUe8pq3l6LGADH7cn8s9Nk2wwFDF6vtR4qQ0rjTATvRPaC92nkL+jJrnxwiH9uiHy07+8M0p3x/kPxFUuv908I3Eq6AKH1mj+/qTOgKAW/FW2aUw==";
}
