//! Host keys: what a provider's client checks to know that it talks to us. They stay the same over the years.
//!
//! Refuses RSA keys (RUSTSEC-2023-0071 has no fix, not in 0.10.0-rc.18 either: signing leaks the key through timing) and keys
//! with a pass phrase.

use super::landing::{rename_durably, sync_folder};
use crate::fault::{self, Step};
use russh::keys::{Algorithm, HashAlg, PrivateKey};
use std::fmt;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The name of the key that is made where there is none.
const ED25519: &str = "ssh_host_ed25519_key";

/// The keys that we prove ourselves with. Their `Debug` shows fingerprints only.
#[derive(Clone)]
pub struct HostKeys {
    keys: Vec<PrivateKey>,
}

/// Why the host keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HostKeyError {
    /// A file or folder could not be read or written.
    #[error("could not {doing} {}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// A file is not a private key.
    #[error("{} is not an OpenSSH private key", path.display())]
    NotAKey {
        /// The file.
        path: PathBuf,
        /// Why it cannot be read.
        #[source]
        source: ssh_key::Error,
    },
    /// A key has a pass phrase.
    #[error("{} has a pass phrase: take it off with ssh-keygen -p", .0.display())]
    PassPhrase(PathBuf),
}

impl HostKeys {
    /// Loads every `*_key` file of a folder, in the order of their names; makes an Ed25519 key where there is none.
    ///
    /// # Errors
    /// Where the folder or a key in it cannot be used. A key is never replaced.
    pub fn load(folder: &Path) -> Result<Self, HostKeyError> {
        let trouble = |doing, source| HostKeyError::Io { doing, path: folder.to_path_buf(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|source| trouble("make", source))?;
        let entries = fs::read_dir(folder).map_err(|source| trouble("list", source))?;
        let mut paths = Vec::new();
        for entry in entries {
            let path = entry.map_err(|source| trouble("list", source))?.path();
            if path.file_name().is_some_and(|name| name.as_encoded_bytes().ends_with(b"_key")) {
                paths.push(path);
            }
        }
        paths.sort();
        let mut keys = Vec::new();
        for path in paths {
            keep_secret(&path).map_err(|source| HostKeyError::Io { doing: "protect", path: path.clone(), source })?;
            keys.extend(read(&path)?);
        }
        if keys.is_empty() {
            keys.push(make(&folder.join(ED25519))?);
            // The folder may be new: without its own name a power cut takes the key along, and senders see another one.
            folder.parent().map_or(Ok(()), sync_folder).map_err(|source| trouble("make durable", source))?;
        }
        Ok(Self { keys })
    }

    /// The fingerprint of each key, as in `ssh-ed25519 SHA256:…`: what a provider is given to compare.
    #[must_use]
    pub fn fingerprints(&self) -> Vec<String> {
        self.keys.iter().map(|key| format!("{} {}", key.algorithm(), key.fingerprint(HashAlg::Sha256))).collect()
    }

    /// The public keys in OpenSSH form, for a client's list of known hosts.
    #[must_use]
    pub fn public_keys(&self) -> Vec<String> {
        self.keys.iter().filter_map(|key| key.public_key().to_openssh().ok()).collect()
    }

    /// The algorithms a client can choose from.
    pub(super) fn algorithms(&self) -> Vec<String> {
        self.keys.iter().map(|key| key.algorithm().to_string()).collect()
    }

    /// The fingerprint of the key that an algorithm stands for: as in the library, the first one of it.
    pub(super) fn fingerprint_of(&self, algorithm: &str) -> Option<String> {
        self.keys.iter().position(|key| key.algorithm().as_str() == algorithm).and_then(|index| self.fingerprints().get(index).cloned())
    }

    pub(super) fn keys(&self) -> Vec<PrivateKey> {
        self.keys.clone()
    }
}

impl fmt::Debug for HostKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.fingerprints()).finish()
    }
}

fn read(path: &Path) -> Result<Option<PrivateKey>, HostKeyError> {
    let text = fs::read(path).map_err(|source| HostKeyError::Io { doing: "read", path: path.to_path_buf(), source })?;
    let key = PrivateKey::from_openssh(text).map_err(|source| HostKeyError::NotAKey { path: path.to_path_buf(), source })?;
    if key.is_encrypted() {
        return Err(HostKeyError::PassPhrase(path.to_path_buf()));
    }
    if matches!(key.algorithm(), Algorithm::Rsa { .. } | Algorithm::Dsa) {
        tracing::warn!(path = %path.display(), "this host key is left out: RSA and DSA host keys are not safe to use");
        return Ok(None);
    }
    Ok(Some(key))
}

/// Takes a private key away from everybody but its owner, and says so: it may have been copied already.
fn keep_secret(path: &Path) -> io::Result<()> {
    let mode = fs::metadata(path)?.permissions().mode();
    if mode & 0o077 != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        tracing::warn!(path = %path.display(), "a host key could be read by others; it is its owner's alone now. Consider a new key");
    }
    Ok(())
}

fn make(path: &Path) -> Result<PrivateKey, HostKeyError> {
    let not_a_key = |source| HostKeyError::NotAKey { path: path.to_path_buf(), source };
    let trouble = |source| HostKeyError::Io { doing: "write", path: path.to_path_buf(), source };
    let mut key = PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519).map_err(not_a_key)?;
    key.set_comment("bedfeed");
    let text = key.to_openssh(ssh_key::LineEnding::LF).map_err(not_a_key)?;
    // Whole or not at all: half a key would stop every later start.
    let draft = path.with_extension("new");
    fs::remove_file(&draft).or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }).map_err(trouble)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft).map_err(trouble)?;
    fault::around(Step::HostKeyWrite, || file.write_all(text.as_bytes()).and_then(|()| file.sync_all())).map_err(trouble)?;
    rename_durably([Step::HostKeyRename, Step::HostKeyFolders], &draft, path).map_err(trouble)?;
    tracing::info!(path = %path.display(), fingerprint = %key.fingerprint(HashAlg::Sha256), "made a host key");
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_key_is_made_once_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("host_keys");
        let first = HostKeys::load(&folder).unwrap();
        let again = HostKeys::load(&folder).unwrap();
        assert_eq!(first.fingerprints(), again.fingerprints());
        assert_eq!(first.fingerprints().len(), 1);
        assert!(first.public_keys()[0].starts_with("ssh-ed25519 AAAA"));
        assert_eq!(fs::metadata(folder.join(ED25519)).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!format!("{first:?}").contains("PRIVATE"));
    }

    #[test]
    fn a_damaged_key_stops_the_start_and_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(ED25519), "damaged").unwrap();
        assert!(matches!(HostKeys::load(dir.path()), Err(HostKeyError::NotAKey { .. })));
        assert_eq!(fs::read(dir.path().join(ED25519)).unwrap(), b"damaged");
    }
}
