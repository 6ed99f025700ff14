//! Legal holds: ordering that something is kept, and lifting the order.
//!
//! Owns that somebody says who and why, and that an order covers something. What a hold keeps is `decide`'s to say.

use crate::ledger::{Event, Hold, HoldScope};
use crate::pipeline::support::{ActError, Asked, are_words};
use crate::pipeline::worker::Pipeline;

impl Pipeline {
    /// Places a legal hold; gives its number.
    ///
    /// # Errors
    /// Nobody says who and why, or it could not be recorded.
    pub async fn place_hold(&self, scope: HoldScope, asked: &Asked) -> Result<u32, ActError> {
        if !are_words(&asked.by) || !are_words(&asked.reason) {
            return Err(ActError::Words);
        }
        if scope.is_empty() {
            return Err(ActError::HoldsNothing);
        }
        let _acting = self.inner.acting.lock().await;
        let number = self.inner.ledger.read(|reader| reader.next_hold()).await?;
        let hold = Hold { number, scope, by: asked.by.clone(), reason: asked.reason.clone(), account: asked.account.clone() };
        self.inner.record(vec![Event::HoldPlaced { hold: Box::new(hold) }]).await?;
        tracing::info!(hold = number, by = asked.by, "a legal hold was placed");
        Ok(number)
    }

    /// Lifts a legal hold.
    ///
    /// # Errors
    /// No such hold stands, nobody says who and why, or it could not be recorded.
    pub async fn end_hold(&self, number: u32, asked: &Asked) -> Result<(), ActError> {
        if !are_words(&asked.by) || !are_words(&asked.reason) {
            return Err(ActError::Words);
        }
        let _acting = self.inner.acting.lock().await;
        let standing = self.inner.ledger.read(|reader| reader.holds(false)).await?;
        if !standing.iter().any(|row| row.hold.number == number) {
            return Err(ActError::NoSuchHold(number));
        }
        let (by, reason, account) = (asked.by.clone(), asked.reason.clone(), asked.account.clone());
        self.inner.record(vec![Event::HoldEnded { hold: number, by, reason, account }]).await?;
        tracing::info!(hold = number, by = asked.by, "a legal hold was lifted");
        Ok(())
    }
}
