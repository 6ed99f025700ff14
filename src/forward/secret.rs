//! Secrets of warehouses: what went wrong with reading one, as the warehouse's own trouble.

use super::{ForwardError, ForwardErrorKind};
use crate::feed::error_chain;
use crate::secret::{self, SecretError};
use std::path::Path;

pub use crate::secret::Secret;

/// Reads a password: its file's first line.
pub(super) fn read(secret: &Secret, doing: &str) -> Result<Option<String>, ForwardError> {
    secret::read(secret).map_err(|error| failed(&format!("{doing}: reading the password"), &error))
}

/// Reads a small file: of a password, which must not be everybody's, or of certificates.
pub(super) fn read_file(path: &Path, doing: &str, secret: bool) -> Result<Vec<u8>, ForwardError> {
    secret::read_file(path, secret).map_err(|error| failed(doing, &error))
}

fn failed(doing: &str, error: &SecretError) -> ForwardError {
    ForwardError::new(ForwardErrorKind::Unavailable, format!("{doing}: {}", error_chain(error)))
}
