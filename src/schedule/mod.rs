//! Schedule: which slots are expected, when they are due, and how punctual a feed is.
//!
//! Owns expected slots, punctuality and planned downtime. Refuses clocks and the ledger: time and arrivals are arguments.

mod judge;
mod profile;
mod standing;

pub use judge::{MAX_BEHIND, UNSTABLE_SLOTS, WINDOW_SLOTS, judge};
pub use profile::{DayKind, MonthDay, Profile, Terms, When};
pub use standing::{Arrival, Freshness, Light, Newest, Silence, SilenceKind, Since, SlotStanding, SlotState, Standing};

use crate::feed::{LONDON, ProviderCode, Slot};
use jiff::civil::{Date, Time, time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;
use std::sync::Arc;

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
    /// How many consecutive slots must be late before people are told: 1, the default, tells of the first.
    pub tell_after: u32,
    /// Consecutive slots without an accepted file after which the feed is amber. Default 2.
    pub amber_after: u32,
    /// The same for red. Default 4.
    pub red_after: u32,
    /// Age of the newest accepted snapshot above which its figures are labelled stale. Default 30 minutes.
    pub stale_after: SignedDuration,
    /// Age above which its figures are no longer shown as current. Default 4 hours.
    pub no_data_after: SignedDuration,
    /// How many stretches of trouble within [`UNSTABLE_SLOTS`] make the feed an unstable one, which is told of once: 3 by default; 0 never.
    pub unstable_after: u32,
    /// Local times whose slots are protected: one that is not filled when it is due is told at once, and until it is filled. Default
    /// 08:00 (the daily SitRep) and 00:00 (the KH03 census).
    pub key_times: Vec<Time>,
    /// What holds on some days, at some hours or in some part of the year.
    pub profiles: Vec<Profile>,
    /// The days that count as bank holidays.
    pub bank_holidays: Arc<BTreeSet<Date>>,
    /// The zone in which profiles and key times are meant.
    pub zone: TimeZone,
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
            tell_after: 1,
            amber_after: 2,
            red_after: 4,
            stale_after: SignedDuration::from_mins(30),
            no_data_after: SignedDuration::from_hours(4),
            unstable_after: 3,
            key_times: vec![time(8, 0, 0, 0), time(0, 0, 0, 0)],
            profiles: Vec::new(),
            bank_holidays: Arc::default(),
            zone: TimeZone::get(LONDON).unwrap_or(TimeZone::UTC),
        }
    }

    /// When a slot's file is due.
    #[must_use]
    pub fn due(&self, slot: Slot) -> Timestamp {
        later(slot, self.terms(slot).due_after)
    }

    /// When a slot without a file counts as missed.
    #[must_use]
    pub fn missed(&self, slot: Slot) -> Timestamp {
        later(slot, self.terms(slot).missed_after)
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

/// An instant so long after a slot's start.
fn later(slot: Slot, by: SignedDuration) -> Timestamp {
    slot.start().saturating_add(by).unwrap_or(Timestamp::MAX)
}
