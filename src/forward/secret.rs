//! Where a password is, and reading it.
//!
//! Owns it from its file to whoever logs in with it. Refuses one that everybody on the machine can read.

use super::{ForwardError, ForwardErrorKind};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Longest file of a password or of certificates, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// Where a password is. It is read anew whenever it is needed, so that a changed one needs no restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Secret {
    /// The server asks for none.
    None,
    /// In a file that nobody else can read.
    File(PathBuf),
    /// A systemd credential of this name.
    Credential(String),
}

/// Reads a password: its file's first line.
pub(super) fn read(secret: &Secret, doing: &str) -> Result<Option<String>, ForwardError> {
    let path = match secret {
        Secret::None => return Ok(None),
        Secret::File(path) => path.clone(),
        Secret::Credential(name) => match std::env::var_os("CREDENTIALS_DIRECTORY") {
            Some(folder) => Path::new(&folder).join(name),
            None => {
                let why = format!("{doing}: there are no systemd credentials here (CREDENTIALS_DIRECTORY is not set)");
                return Err(ForwardError::new(ForwardErrorKind::Unavailable, why));
            }
        },
    };
    let bytes = read_file(&path, &format!("{doing}: reading the password in {}", path.display()), true)?;
    let text = String::from_utf8(bytes).unwrap_or_default();
    match text.lines().next().filter(|line| !line.is_empty()) {
        Some(line) => Ok(Some(line.to_owned())),
        None => {
            let why = format!("{doing}: there is no password in {}", path.display());
            Err(ForwardError::new(ForwardErrorKind::Unavailable, why))
        }
    }
}

/// Reads a small file: of a password, which must not be everybody's, or of certificates.
pub(super) fn read_file(path: &Path, doing: &str, secret: bool) -> Result<Vec<u8>, ForwardError> {
    let failed = |error| ForwardError::unavailable(doing, error);
    let file = std::fs::File::open(path).map_err(failed)?;
    if secret && file.metadata().map_err(failed)?.mode() & 0o007 != 0 {
        let why = format!("{doing}: everybody on this machine can get at it; take their rights away (chmod o= FILE)");
        return Err(ForwardError::new(ForwardErrorKind::Unavailable, why));
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}
