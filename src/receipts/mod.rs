//! Receipts: what the sender is told about a delivery. Pure.
//!
//! Owns the verdict's words, the receipt's JSON and text, and the names of both. Refuses I/O, clocks, and any value of a
//! column about a person: it has only the findings' own words, which never hold one.

mod counts;
mod document;
mod names;
mod pen;
mod picture;
mod sketch;
mod text;
mod verdict;

pub use counts::counts;
pub use document::{RECEIPT_VERSION, ReceiptDocument};
pub use names::{ReceiptFormat, ReceiptNames, is_picture_name, parse_receipt_name, picture_name, receipt_names, refusal_name};
pub use picture::{
    Decision, Fate, FirstLine, Look, MissingPart, OtherWards, Picture, PicturedColumn, PicturedField, PicturedFile, PicturedLine,
    PicturedMapping, PicturedTable, Stated, WardBeds,
};
pub use sketch::sketch;
pub use text::refusal_text;
pub use verdict::Verdict;

use crate::feed::{Delivery, Report, Stage};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// What the sender is told: once for programs, once for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The contents of `NAME.receipt.json`.
    pub json: Vec<u8>,
    /// The contents of `NAME.receipt.txt`.
    pub text: Vec<u8>,
}

impl Receipt {
    /// Its bytes in a format.
    #[must_use]
    pub fn bytes(&self, format: ReceiptFormat) -> &[u8] {
        match format {
            ReceiptFormat::Json => &self.json,
            ReceiptFormat::Text => &self.text,
        }
    }
}

/// Writes the receipt of a delivery in its present stage; `None` while it has only landed.
///
/// `decided_at` is when it came into this stage; local times in the text are of `provider_zone`.
#[must_use]
pub fn render(
    delivery: &Delivery,
    stage: &Stage,
    report: Option<&Report>,
    decided_at: Timestamp,
    provider_zone: &TimeZone,
) -> Option<Receipt> {
    let document = ReceiptDocument::of(delivery, stage, report, decided_at)?;
    let text = text::write(&document, provider_zone);
    Some(Receipt { json: document.to_json(), text: text.into_bytes() })
}

#[cfg(test)]
mod tests;
