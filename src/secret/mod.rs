//! Secrets: where a password or a secret address is, and reading it when it is needed.
//!
//! Owns the only reading of secrets. Refuses one that stands in the settings themselves, and a file that everybody on the machine
//! can read. No error holds a secret.

use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Longest file of a password or of certificates, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// Where a secret is. It is read anew whenever it is needed, so that a changed one needs no restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Secret {
    /// The server asks for none.
    None,
    /// In a file that nobody else can read.
    File(PathBuf),
    /// A systemd credential of this name.
    Credential(String),
}

/// Why a secret could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// A credential was asked for, and systemd gave none.
    #[error("there are no systemd credentials here (CREDENTIALS_DIRECTORY is not set)")]
    NoCredentials,
    /// Its file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Its file is everybody's.
    #[error("{0}: everybody on this machine can get at it; take their rights away (chmod o= FILE)")]
    Everybodys(PathBuf),
    /// There is nothing in its file.
    #[error("there is nothing in the first line of {0}")]
    Empty(PathBuf),
}

/// Reads a secret: its file's first line; `None` where there is none to read.
///
/// # Errors
/// See [`SecretError`].
pub fn read(secret: &Secret) -> Result<Option<String>, SecretError> {
    let path = match secret {
        Secret::None => return Ok(None),
        Secret::File(path) => path.clone(),
        Secret::Credential(name) => match std::env::var_os("CREDENTIALS_DIRECTORY") {
            Some(folder) => Path::new(&folder).join(name),
            None => return Err(SecretError::NoCredentials),
        },
    };
    let text = String::from_utf8(read_file(&path, true)?).unwrap_or_default();
    match text.lines().next().filter(|line| !line.is_empty()) {
        Some(line) => Ok(Some(line.to_owned())),
        None => Err(SecretError::Empty(path)),
    }
}

/// Reads a small file: a secret, which must not be everybody's, or certificates.
///
/// # Errors
/// It cannot be read, or is a secret that everybody can read.
pub fn read_file(path: &Path, secret: bool) -> Result<Vec<u8>, SecretError> {
    let failed = |source| SecretError::Read { path: path.to_owned(), source };
    let file = std::fs::File::open(path).map_err(failed)?;
    if secret && file.metadata().map_err(failed)?.mode() & 0o007 != 0 {
        return Err(SecretError::Everybodys(path.to_owned()));
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_secret_is_the_first_line_of_a_file_that_is_not_everybodys() {
        let dir = tempfile::tempdir().unwrap();
        // What the file holds, its mode, what is read, what is said.
        let rows: [(&str, u32, Option<&str>, &str); 5] = [
            ("Geheim\nmore\n", 0o600, Some("Geheim"), ""),
            ("Geheim", 0o440, Some("Geheim"), ""),
            ("Geheim\n", 0o644, None, "everybody on this machine can get at"),
            ("\nGeheim", 0o600, None, "there is nothing in the first line of"),
            ("", 0o600, None, "there is nothing in the first line of"),
        ];
        for (text, mode, expected, said) in rows {
            let path = dir.path().join("secret");
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            match read(&Secret::File(path)) {
                Ok(line) => assert_eq!(line.as_deref(), expected, "{text:?}"),
                Err(error) => {
                    assert_eq!(expected, None, "{text:?}: {error}");
                    let error = error.to_string();
                    assert!(error.contains(said) && !error.contains("Geheim"), "{error}");
                }
            }
        }
        let gone = read(&Secret::File(dir.path().join("gone"))).unwrap_err();
        assert!(gone.to_string().starts_with("cannot read "), "{gone}");
        assert_eq!(read(&Secret::None).unwrap(), None);
    }
}
