//! Signatures: detached OpenSSH signatures that travel beside a file and say who vouches for it (TRN-10).
//!
//! Owns the reading of `NAME.sig`, as `ssh-keygen -Y sign` writes it, and the keys that count. Refuses signatures made for
//! another purpose (namespace), by keys that are not listed or no longer in force, and by algorithms that are broken.

use crate::feed::{Finding, Rule};
use jiff::civil::Date;
use ssh_key::{Algorithm, PublicKey, SshSig};

/// The purpose that a signature must name, where the settings do not say another: `ssh-keygen -Y sign -n bedfeed`.
pub const NAMESPACE: &str = "bedfeed";

/// Largest signature file in bytes: an RSA key of 16,384 bits makes a quarter of it.
const MAX_BYTES: usize = 16 * 1024;

/// The line that a signature starts with.
const ARMOUR: &str = "-----BEGIN SSH SIGNATURE-----";

/// A key whose signatures are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// Who holds the private half.
    pub owner: String,
    /// The public half.
    pub key: PublicKey,
    /// The purpose that its signatures must name.
    pub namespace: String,
    /// First local day on which it is no longer taken; `None`: no end.
    pub expires: Option<Date>,
}

/// Checks that a file was signed by one of the agreed keys. `today`: the local day of receipt, so that judging again later
/// gives the same verdict.
///
/// # Errors
/// The finding that rejects the set (TRN-10).
pub fn check(signature: &[u8], file: &[u8], signers: &[Signer], today: Date) -> Result<(), Finding> {
    let refuse = |message: &str| Err(Finding::new(Rule::Trn10, message));
    let signature = match read(signature) {
        Ok(signature) => signature,
        Err(message) => return refuse(message),
    };
    let of_key: Vec<&Signer> = signers.iter().filter(|signer| signer.key.key_data() == signature.public_key()).collect();
    if of_key.is_empty() {
        return refuse("The signature was made with a key that is not agreed for this feed.");
    }
    let Some(signer) = of_key.iter().find(|signer| signer.namespace == signature.namespace()) else {
        return refuse("The signature was made for another purpose: the namespace (ssh-keygen -Y sign -n) is not the agreed one.");
    };
    if signer.key.verify(&signer.namespace, file, &signature).is_err() {
        return refuse(
            "The signature does not fit the file: it was changed, cut short or replaced after it was signed, or another file was signed.",
        );
    }
    match signer.expires {
        Some(expires) if today >= expires => {
            let message = format!("The signature is by the key of {}, which is not taken from {expires} on.", super::quoted(&signer.owner));
            Err(Finding::new(Rule::Trn10, message))
        }
        _ => Ok(()),
    }
}

/// A signature out of its armour, or what is wrong with it.
fn read(bytes: &[u8]) -> Result<SshSig, &'static str> {
    if bytes.is_empty() {
        return Err("The signature file is empty.");
    }
    if bytes.len() > MAX_BYTES {
        return Err("The signature file is too long to be a signature.");
    }
    // Some tools put a byte order mark in front of every text, and other line ends into it.
    let text = std::str::from_utf8(bytes).unwrap_or_default().trim_start_matches('\u{feff}').trim();
    if !text.starts_with(ARMOUR) {
        return Err("The signature file holds no OpenSSH signature: it must be what ssh-keygen -Y sign writes.");
    }
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let signature = SshSig::from_pem(format!("{}\n", lines.join("\n"))).map_err(|_| "The signature file is damaged or cut short.")?;
    match (signature.algorithm(), signature.signature().algorithm()) {
        (Algorithm::Dsa, _) | (_, Algorithm::Dsa | Algorithm::Rsa { hash: None }) => {
            Err("The signature uses SHA-1, which is broken: make it with a present ssh-keygen.")
        }
        _ => Ok(signature),
    }
}

#[cfg(test)]
mod tests;
