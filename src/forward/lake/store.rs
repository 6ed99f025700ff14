//! Where a lake's objects lie: what a place for them has to do, whichever it is.
//!
//! Owns the words for what goes wrong there. Refuses to try again: the pipeline decides when.

use super::super::{ForwardError, ForwardErrorKind};
use std::time::{Duration, Instant};

/// A place for objects. Names are paths of plain parts: letters, digits, `-`, `_`, `.` and `=`.
pub(super) trait Store: Send + Sync {
    /// Where it is, for people and to know it again; never with a secret.
    fn place(&self) -> String;
    /// Reads an object back; `None` where there is none of its name. A folder whose disk is not mounted is another place.
    fn get(&self, name: &str, until: Until) -> Result<Option<Vec<u8>>, StoreError>;
    /// Puts an object where there is none of its name. Done means that it outlasts a power cut.
    fn put_new(&self, name: &str, bytes: &[u8], until: Until) -> Result<Put, StoreError>;
    /// Puts an object in the place of any of its name.
    fn replace(&self, name: &str, bytes: &[u8], until: Until) -> Result<(), StoreError>;
    /// Deletes objects for good. Fine where they are gone.
    fn delete(&self, names: &[String], until: Until) -> Result<(), StoreError>;
}

/// What became of an object that was put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Put {
    /// It is there now.
    Made,
    /// One of its name was there: with these bytes.
    There(Vec<u8>),
}

/// When whoever asked has no patience left.
#[derive(Clone, Copy, Debug)]
pub(super) struct Until(Instant);

impl Until {
    /// So long from now.
    pub(super) fn after(patience: Duration) -> Self {
        let now = Instant::now();
        Self(now.checked_add(patience).unwrap_or(now))
    }

    /// What is left of it.
    ///
    /// # Errors
    /// Nothing is left.
    pub(super) fn left(self) -> Result<Duration, StoreError> {
        let left = self.0.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(StoreError::away("it takes too long; the rest is done by the next try")) } else { Ok(left) }
    }
}

/// Why a place for objects did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[error("{words}")]
pub(super) struct StoreError {
    kind: ForwardErrorKind,
    words: String,
}

impl StoreError {
    /// It may work later.
    pub(super) fn away(words: impl Into<String>) -> Self {
        Self { kind: ForwardErrorKind::Unavailable, words: words.into() }
    }

    /// It will not work until somebody mends it.
    pub(super) fn unusable(words: impl Into<String>) -> Self {
        Self { kind: ForwardErrorKind::Unusable, words: words.into() }
    }

    /// As whoever asked the warehouse is told.
    pub(super) fn told(self, doing: &str) -> ForwardError {
        ForwardError::new(self.kind, doing).caused_by(self)
    }
}
