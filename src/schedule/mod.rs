//! Schedule: which slots are expected, when they are due, and how punctual a feed is.
//!
//! Owns expected slots, punctuality and planned downtime. Refuses clocks and the ledger: time and arrivals are arguments.

mod judge;
mod standing;

pub use judge::{MAX_BEHIND, WINDOW_SLOTS, judge};
pub use standing::{Arrival, Freshness, Light, Newest, Silence, SilenceKind, Since, SlotStanding, SlotState, Standing};

use crate::feed::{ProviderCode, Slot};
use jiff::{SignedDuration, Timestamp};

/// When a feed's files are expected. The keys of `[schedule]` in a provider's settings have the same names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedSchedule {
    /// Whose.
    pub provider: ProviderCode,
    /// The first slot expected, where the settings say; otherwise the slot after the feed was first known to the ledger.
    pub first_slot: Option<Slot>,
    /// How long after a slot's start its file is due. Default 5 minutes.
    pub due_after: SignedDuration,
    /// How long after a slot's start it counts as missed. Default 20 minutes (when the next slot is due).
    pub missed_after: SignedDuration,
    /// Consecutive slots without an accepted file after which the feed is amber. Default 2.
    pub amber_after: u32,
    /// The same for red. Default 4.
    pub red_after: u32,
    /// Age of the newest accepted snapshot above which its figures are labelled stale. Default 30 minutes.
    pub stale_after: SignedDuration,
    /// Age above which its figures are no longer shown as current. Default 4 hours.
    pub no_data_after: SignedDuration,
}

impl FeedSchedule {
    /// The defaults for a provider.
    #[must_use]
    pub fn new(provider: ProviderCode) -> Self {
        Self {
            provider,
            first_slot: None,
            due_after: SignedDuration::from_mins(5),
            missed_after: SignedDuration::from_mins(20),
            amber_after: 2,
            red_after: 4,
            stale_after: SignedDuration::from_mins(30),
            no_data_after: SignedDuration::from_hours(4),
        }
    }

    /// When a slot's file is due.
    #[must_use]
    pub fn due(&self, slot: Slot) -> Timestamp {
        later(slot, self.due_after)
    }

    /// When a slot without a file counts as missed.
    #[must_use]
    pub fn missed(&self, slot: Slot) -> Timestamp {
        later(slot, self.missed_after)
    }

    /// How old the figures of a snapshot taken at `newest` are, in words, as seen at `now`.
    #[must_use]
    pub fn freshness(&self, newest: Option<Timestamp>, now: Timestamp) -> Freshness {
        match newest.map(|at| now.duration_since(at)) {
            None => Freshness::NoData,
            Some(age) if age > self.no_data_after => Freshness::NoData,
            Some(age) if age > self.stale_after => Freshness::Stale,
            Some(_) => Freshness::Current,
        }
    }
}

fn later(slot: Slot, by: SignedDuration) -> Timestamp {
    slot.start().saturating_add(by).unwrap_or(Timestamp::MAX)
}
