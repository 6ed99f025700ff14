//! Limits: every number that a rule compares with, for one feed. The key of each in the provider's `[limits]` has the same name.
//!
//! Owns the defaults, by the kind of provider, and where each comes from. Refuses to learn: a limit that followed the data
//! would let the fault pass that it is there to find. `docs/rule-limits.md` shows all of them to people.

use crate::feed::{EARLY_TOLERANCE, ProviderKind};
use jiff::SignedDuration;

/// The limits of one feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest file in bytes; also the most that an archive may unpack to.
    pub max_file_bytes: u64,
    /// Most data rows in a snapshot.
    pub max_rows: u64,
    /// Most columns in a table.
    pub max_columns: usize,
    /// Rejected rows, in percent of rows, above which the file is rejected.
    pub rejected_rows_percent: u32,
    /// Rejected rows of one ward at which the file is rejected; 0: no such limit.
    pub rejected_rows_per_ward: u32,
    /// Whether a ward may lose all its beds to rejected rows, or be missing from a snapshot (XRO-04 then only warns).
    pub wards_may_vanish: bool,
    /// Unknown wards above which the file is rejected.
    pub unknown_wards: u32,
    /// Beds on unknown wards, in percent of beds, above which the file is rejected.
    pub unknown_ward_beds_percent: u32,
    /// Persons with a gender or age that no code covers, in percent, above which the file is rejected.
    pub unknown_persons_percent: u32,
    /// Age at which a snapshot is held for a person to decide.
    pub hold_after: SignedDuration,
    /// How far the time in a file's name or control record may lie from the one in its data (TIM-01).
    pub name_tolerance: SignedDuration,
    /// How far ahead of our clock a snapshot may be.
    pub future_tolerance: SignedDuration,
    /// How far the time at which a source says it made a file may lie from its receipt (TIM-09).
    pub clock_drift: SignedDuration,
    /// How much earlier than its quarter of an hour a job may run: 10:14:58 is 10:15. Below a quarter of an hour.
    pub early_tolerance: SignedDuration,
    /// How long after the snapshot a wait may start: clocks of two systems differ (TIM-07).
    pub wait_ahead: SignedDuration,
    /// A wait that started longer ago than this is looked at (TIM-07).
    pub wait_long: SignedDuration,
    /// A wait that started longer ago than this is a wrong date, and its row is rejected (TIM-07).
    pub wait_longest: SignedDuration,
    /// Rows that say they were updated longer after the snapshot than this are counted (TIM-08).
    pub update_ahead: SignedDuration,
    /// Rows updated longer ago than this are counted (TIM-08).
    pub update_old: SignedDuration,
    /// Rows updated longer ago than this are said to be out of date (TIM-08).
    pub update_stale: SignedDuration,
    /// What a file name that was used before does (TRN-07); `None`: reject where a control record could have said RESEND.
    pub name_reuse: Option<NameReuse>,
    /// Beds listed more than once up to which only their rows are rejected (XRO-01); more reject the file.
    pub repeated_beds: u32,
    /// Registered beds above which a provider always has open and occupied beds (PLA-05).
    pub large_provider_beds: u32,
    /// Beds by which a ward may differ from the register before it is said (XRO-05).
    pub register_beds: u32,
    /// The same, in percent of the registered beds; both must be passed.
    pub register_percent: u32,
    /// Patients by which a whole provider may have more than open beds before the file is rejected (XRO-03).
    pub crowded_beds: u32,
    /// The same, in percent of the open beds; the larger of the two counts.
    pub crowded_percent: u32,
    /// Open beds by which a provider may change in a slot before it is said (PLA-01).
    pub open_change_beds: u32,
    /// The same, in percent of the beds open before; the larger of the two counts.
    pub open_change_percent: u32,
    /// Change of open beds in percent above which the file is rejected (PLA-01); never for fewer than `open_change_beds`.
    pub open_change_reject_percent: u32,
    /// Occupied beds by which a provider may change in a slot before it is said (PLA-02).
    pub occupied_change_beds: u32,
    /// The same, in percent of the beds occupied before; the larger of the two counts.
    pub occupied_change_percent: u32,
    /// Snapshots alike, one after the other, at which a feed is called frozen (PLA-03); 0: never.
    pub frozen_after: u32,
    /// How long demand may be none before it is said (PLA-04); zero: for ever.
    pub no_demand_after: SignedDuration,
    /// Demand above so many times the most of the same hour in 28 days is said (PLA-04); 0: never.
    pub demand_factor: u32,
    /// Demand up to this is never unusually much (PLA-04): a few patients more are no sign of a fault.
    pub demand_small: u32,
    /// Days of the same hour that must be known before demand is compared with them (PLA-04).
    pub demand_days: u32,
    /// Fewest persons, now and before, whose share of unknown codes says anything (PLA-06).
    pub unknown_persons_fewest: u32,
    /// Points of a hundred by which the share of unknown genders or ages may rise above what is usual (PLA-06).
    pub unknown_persons_rise: u32,
}

/// What a file name that was used before, for other content, does (TRN-07).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameReuse {
    /// Rejects the file, unless its control record says RESEND.
    Reject,
    /// Is only said.
    Warn,
}

impl Limits {
    /// The defaults for a provider of a kind. Only how still a feed may be depends on it: an acute hospital never stands
    /// still for an hour, and care homes tell of a day.
    #[must_use]
    pub fn of(kind: ProviderKind) -> Self {
        let (frozen_after, no_demand_after) = match kind {
            ProviderKind::Acute => (4, SignedDuration::from_hours(6)),
            ProviderKind::MentalHealth | ProviderKind::Community => (16, SignedDuration::ZERO),
            ProviderKind::CareHomes => (0, SignedDuration::ZERO),
        };
        Self { frozen_after, no_demand_after, ..Self::default() }
    }
}

/// The specification's numbers, without what depends on the kind of provider.
impl Default for Limits {
    fn default() -> Self {
        Self {
            max_file_bytes: 20 * 1024 * 1024,
            max_rows: 1_000_000,
            max_columns: 200,
            rejected_rows_percent: 2,
            rejected_rows_per_ward: 5,
            wards_may_vanish: false,
            unknown_wards: 3,
            unknown_ward_beds_percent: 10,
            unknown_persons_percent: 20,
            hold_after: SignedDuration::from_hours(24),
            name_tolerance: SignedDuration::from_mins(15),
            future_tolerance: SignedDuration::from_mins(5),
            clock_drift: SignedDuration::from_mins(10),
            early_tolerance: EARLY_TOLERANCE,
            wait_ahead: SignedDuration::from_mins(5),
            wait_long: SignedDuration::from_hours(72),
            wait_longest: SignedDuration::from_hours(60 * 24),
            update_ahead: SignedDuration::from_mins(5),
            update_old: SignedDuration::from_hours(7 * 24),
            update_stale: SignedDuration::from_hours(31 * 24),
            name_reuse: None,
            repeated_beds: 2,
            large_provider_beds: 20,
            register_beds: 2,
            register_percent: 10,
            crowded_beds: 5,
            crowded_percent: 10,
            open_change_beds: 5,
            open_change_percent: 5,
            open_change_reject_percent: 30,
            occupied_change_beds: 10,
            occupied_change_percent: 8,
            frozen_after: 0,
            no_demand_after: SignedDuration::ZERO,
            demand_factor: 3,
            demand_small: 10,
            demand_days: 7,
            unknown_persons_fewest: 20,
            unknown_persons_rise: 10,
        }
    }
}
