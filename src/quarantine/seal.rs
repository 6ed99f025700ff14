//! Sealing: a file that points to people is encrypted to the governance role's public keys, and its bytes are removed.
//!
//! Owns the keys, the encryption (the age format, v1) and the order of durable steps. Refuses to open what it sealed: bedfeed
//! never has a private key.

use super::move_durably;
use crate::fault::{self, Step};
use age::secrecy::ExposeSecret;
use std::fmt;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::str::FromStr;

/// What is added to the name of an encrypted file, as the `age` program has it.
pub(super) const ENDING: &str = "age";
/// The same while it is being written.
const ENDING_UNFINISHED: &str = "age.part";

/// `[governance]`: who may read what was sealed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Governance {
    /// Public keys, each of which can open it. None: sealed files are kept as they came, readable by their owner alone.
    pub recipients: Vec<Recipient>,
}

/// A public key of the age format, such as `age1…`.
#[derive(Clone)]
pub struct Recipient {
    key: age::x25519::Recipient,
}

/// Why a text is not a public key. The text is not repeated: it may be the private one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRecipient {
    /// The other half of the pair.
    #[error("is a private key: it must not stand in any settings; take the public one, which starts with age1, and make a new pair")]
    Private,
    /// A key for logging in.
    #[error("is an SSH key: make a pair with age-keygen, and take the public key, which starts with age1")]
    Ssh,
    /// Anything else.
    #[error("is not a public key of age: make a pair with age-keygen, and take the public key, which starts with age1")]
    Unknown,
}

impl FromStr for Recipient {
    type Err = InvalidRecipient;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim().parse() {
            Ok(key) => Ok(Self { key }),
            Err(_) if text.to_ascii_uppercase().contains("SECRET-KEY") => Err(InvalidRecipient::Private),
            Err(_) if text.trim_start().starts_with("ssh-") => Err(InvalidRecipient::Ssh),
            Err(_) => Err(InvalidRecipient::Unknown),
        }
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.key.to_string())
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl PartialEq for Recipient {
    fn eq(&self, other: &Self) -> bool {
        self.key.to_string() == other.key.to_string()
    }
}

impl Eq for Recipient {}

/// A new pair of keys: the public one, and the text of the file that holds the private one, as `age-keygen` writes it. For a
/// demo, where there is nobody who keeps a key.
#[must_use]
pub fn make_keys() -> (Recipient, String) {
    let identity = age::x25519::Identity::generate();
    let recipient = Recipient { key: identity.to_public() };
    let file = format!("# public key: {recipient}\n{}\n", identity.to_string().expose_secret());
    (recipient, file)
}

/// Puts an encrypted copy of the first of these files that is there beside `original`, and removes the files. Whatever a crash
/// left of an earlier try, this ends with exactly the encrypted copy.
pub(super) fn seal(plain: [&Path; 2], original: &Path, recipients: &[Recipient]) -> io::Result<()> {
    let (sealed, unfinished) = (original.with_extension(ENDING), original.with_extension(ENDING_UNFINISHED));
    if !sealed.try_exists()? {
        remove(&unfinished)?;
        let source = open_first(plain)?;
        fault::around(Step::SealCopy, || encrypt(source, &unfinished, recipients))?;
        // Only a copy that is whole and on the disk gets the name by which the next start knows that the bytes may go.
        move_durably(&unfinished, &sealed)?;
    }
    fault::around(Step::SealWipe, || plain.into_iter().try_for_each(wipe))
}

/// Whether an encrypted copy is there.
pub(super) fn is_sealed(original: &Path) -> io::Result<bool> {
    original.with_extension(ENDING).try_exists()
}

/// Removes everything: the bytes, the encrypted copy, and what is left of an unfinished one.
pub(super) fn purge(plain: [&Path; 2], original: &Path) -> io::Result<()> {
    fault::around(Step::SealWipe, || plain.into_iter().try_for_each(wipe))?;
    remove(&original.with_extension(ENDING_UNFINISHED))?;
    fault::around(Step::SealRemove, || remove(&original.with_extension(ENDING)))
}

fn open_first(plain: [&Path; 2]) -> io::Result<File> {
    let [first, second] = plain;
    match File::open(first) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => File::open(second),
        other => other,
    }
}

fn encrypt(mut source: File, to: &Path, recipients: &[Recipient]) -> io::Result<()> {
    let keys = recipients.iter().map(|recipient| -> &dyn age::Recipient { &recipient.key });
    let encryptor = age::Encryptor::with_recipients(keys).map_err(io::Error::other)?;
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
    let mut writer = encryptor.wrap_output(BufWriter::new(file))?;
    io::copy(&mut source, &mut writer)?;
    let file = writer.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.set_permissions(Permissions::from_mode(0o400))?;
    file.sync_all()
}

/// Overwrites a file with noughts and removes it; fine where it is gone. On a disk that writes in place nothing is left to be
/// found; flash and copying file systems promise no such thing, which docs/governance.md says.
fn wipe(path: &Path) -> io::Result<()> {
    match std::fs::set_permissions(path, Permissions::from_mode(0o600)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    }
    let mut file = OpenOptions::new().write(true).open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(0))?;
    io::copy(&mut io::repeat(0).take(length), &mut file)?;
    file.flush()?;
    file.sync_all()?;
    remove(path)
}

/// Removes a file for good; fine where it is gone.
fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    }
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

#[cfg(test)]
mod tests;
