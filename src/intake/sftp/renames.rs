//! Renaming and removing: a partial's RENAME to a final name is its acknowledgement; accepted files keep their names.
//!
//! Owns those two requests. Refuses to make a delivery of an upload that was cut off: only its sender can end it.

use super::folder::is_temporary;
use super::partials::{Key, Partial};
use super::session::{Answer, No, Outcome, Session};
use super::uploads::{Body, STOPPING, Slot};

impl Session {
    /// Renames a partial; lands it where the new name is a final one. A file that lands under a name that was accepted
    /// before is another delivery.
    pub(super) async fn rename(&mut self, from: &[u8], to: &[u8]) -> Outcome {
        self.facts(from).await?;
        let from = self.upload_target(from)?;
        let to = self.upload_target(to)?;
        if self.uploads().any(|open| open.key == from) {
            return Err(No::failure("the file is still open: close it first"));
        }
        if self.shared.stopping() {
            return Err(No::failure(STOPPING));
        }
        let Some(Partial { upload, modified_at, .. }) = self.take_to_rename(&from, &to)? else {
            return Ok(Answer::Done);
        };
        let slot = Slot::take(&self.client);
        let outcome = self.land(to, upload, modified_at).await;
        self.shared.partials().finished(&from, self.shared.clock.now());
        drop(slot);
        outcome
    }

    /// Takes a partial out to be landed; `None` where it is kept under another temporary name.
    fn take_to_rename(&self, from: &Key, to: &Key) -> Result<Option<Partial>, No> {
        let now = self.shared.clock.now();
        let mut partials = self.shared.partials();
        let Some(partial) = partials.take(from, now) else {
            return Err(No::failure(
                "the file was taken in under its first name and cannot be renamed: upload under the final name, or under NAME.filepart and rename that",
            ));
        };
        // It has been within the bounds, and stays there.
        let mut keep_as = |key: &Key, partial| partials.keep(key.clone(), partial, now, u64::MAX);
        if is_temporary(to.name.as_str()) {
            keep_as(to, partial);
            partials.finished(from, now);
            return Ok(None);
        }
        let whole = if partial.closed {
            partial.upload.check().map_err(|error| self.failed(&error))
        } else {
            Err(No::failure("the upload of this file was cut off: finish it or send it again, then rename it"))
        };
        if let Err(no) = whole {
            // It may still be finished.
            keep_as(from, partial);
            partials.refused(to, now);
            return Err(no);
        }
        Ok(Some(partial))
    }

    /// Removes what was not accepted yet. Removing an accepted file is answered OK and changes nothing: clients remove the
    /// old name before they rename.
    pub(super) async fn remove(&mut self, path: &[u8]) -> Outcome {
        self.facts(path).await?;
        let key = self.upload_target(path)?;
        for open in self.uploads_mut().filter(|open| open.key == key) {
            open.body = Body::Failed("the file was removed before it was closed: send it again".to_owned());
        }
        let now = self.shared.clock.now();
        let removed = self.shared.partials().take(&key, now);
        if removed.is_some() {
            self.shared.partials().finished(&key, now);
        }
        drop(removed);
        Ok(Answer::Done)
    }
}
