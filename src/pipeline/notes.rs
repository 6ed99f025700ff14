//! Notes: what a person wants the trail to say, such as who changed the settings and why.

use super::support::{ActError, are_words};
use super::worker::Pipeline;
use crate::ledger::Event;

impl Pipeline {
    /// Records a note. It stands in the chain for ever, so it must name nobody but who wrote it.
    ///
    /// # Errors
    /// Who or what is missing or too long, or it could not be recorded.
    pub async fn note(&self, by: &str, note: &str) -> Result<(), ActError> {
        if !are_words(by) || !are_words(note) {
            return Err(ActError::Words);
        }
        Ok(self.inner.record(vec![Event::Noted { by: by.to_owned(), note: note.to_owned() }]).await?)
    }
}
