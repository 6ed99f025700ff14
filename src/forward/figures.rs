//! What is read back: figures with their age, and never a zero for what is not known (P10).

use crate::feed::{DeliveryId, ProviderCode, Slot};
use jiff::Timestamp;

/// The system and its providers at one moment.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct SystemNow {
    /// The sum over providers.
    pub system: SystemFigures,
    /// Each registered provider, by code.
    pub providers: Vec<ProviderFigures>,
}

/// The sum over all providers whose figures are shown.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct SystemFigures {
    /// The sums; `None` where no provider tells.
    pub figures: Figures,
    /// When the oldest figures in the sums were true.
    pub snapshot_at: Option<Timestamp>,
    /// Their age in whole minutes.
    pub age_minutes: Option<i64>,
    /// Providers whose figures are current.
    pub providers_current: u32,
    /// Providers whose figures are in the sums: current and stale ones.
    pub providers_counted: u32,
    /// Providers that are expected to send.
    pub providers_expected: u32,
    /// Whether figures of a provider are missing from the sums.
    pub partial: bool,
    /// Providers in the sums whose feed tells of demand.
    pub demand_providers_current: u32,
}

/// One provider's newest figures.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct ProviderFigures {
    /// Whose.
    pub provider: ProviderCode,
    /// Its name.
    pub name: String,
    /// `current`, `stale`, `no data` or `never sent`.
    pub state: String,
    /// Its sums; `None` throughout where it has no data.
    pub figures: Figures,
    /// When they were true.
    pub snapshot_at: Option<Timestamp>,
    /// Their age in whole minutes.
    pub age_minutes: Option<i64>,
    /// The slot of its newest snapshot.
    pub slot: Option<Slot>,
    /// The delivery that led its newest snapshot.
    pub snapshot: Option<DeliveryId>,
}

/// Sums in beds or patients; percentages with one decimal. `None` is not known.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Figures {
    /// Open beds: occupied and empty.
    pub open: Option<i64>,
    /// Occupied beds.
    pub occupied: Option<i64>,
    /// Open beds without a patient.
    pub empty: Option<i64>,
    /// Of the empty, ready for a patient.
    pub available_now: Option<i64>,
    /// Of the empty, held for a patient on leave.
    pub leave: Option<i64>,
    /// Beds that are not open.
    pub closed: Option<i64>,
    /// Of the closed, for infection prevention.
    pub closed_infection: Option<i64>,
    /// Of the closed, for lack of staff.
    pub closed_staffing: Option<i64>,
    /// Of the closed, for estates work.
    pub closed_estates: Option<i64>,
    /// Of the closed, by timetable.
    pub closed_timetable: Option<i64>,
    /// Of the closed, used by a companion.
    pub closed_companion: Option<i64>,
    /// Of the closed, for another reason.
    pub closed_other: Option<i64>,
    /// Of the open, in the escalation base.
    pub escalation: Option<i64>,
    /// Patients who need a bed and are in none.
    pub demand_not_in_bed: Option<i64>,
    /// Patients who need a bed here and are in another one.
    pub demand_in_bed: Option<i64>,
    /// Of those not in a bed, the ones that wait 12 hours or more.
    pub waits_12h: Option<i64>,
    /// Occupied in percent of open.
    pub occupancy_percent: Option<f64>,
    /// The same with beds held for leave counted as occupied.
    pub occupancy_percent_leave_as_occupied: Option<f64>,
}

/// One ward's newest figures.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct WardFigures {
    /// Its site.
    pub site_code: String,
    /// Its code.
    pub ward_code: String,
    /// Its alias, or its name.
    pub label: String,
    /// Ward type; `UNKNOWN` for a ward that is not registered.
    pub ward_type: String,
    /// Ward classification.
    pub ward_class: String,
    /// Bed group.
    pub bed_group: String,
    /// Beds it has on paper.
    pub registered_beds: Option<i64>,
    /// Open beds: occupied and empty.
    pub open: i64,
    /// Occupied beds.
    pub occupied: i64,
    /// Open beds without a patient.
    pub empty: i64,
    /// Of the empty, ready for a patient.
    pub available_now: i64,
    /// Of the empty, awaiting cleaning.
    pub cleaning: i64,
    /// Of the empty, allocated.
    pub reserved: i64,
    /// Of the empty, held for a patient on leave.
    pub leave: i64,
    /// Beds that are not open.
    pub closed: i64,
    /// Patients ready to leave.
    pub ready_to_leave: i64,
    /// Patients here 7 days or longer.
    pub los_7_plus: i64,
    /// Patients here 14 days or longer.
    pub los_14_plus: i64,
    /// Patients here 21 days or longer.
    pub los_21_plus: i64,
    /// Patients, in no bed now, who need a bed of this ward's bed group at this provider. The same on every ward of the
    /// group: not to be added up. `None` where the feed tells of no demand.
    pub demand_for_bed_group: Option<i64>,
    /// When the figures were true.
    pub snapshot_at: Timestamp,
    /// Their age in whole minutes.
    pub age_minutes: i64,
}

/// How one feed does.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct FeedHealth {
    /// Whose.
    pub provider: ProviderCode,
    /// The provider's name.
    pub name: String,
    /// `current`, `stale`, `no data` or `never sent`.
    pub state: String,
    /// The newest slot with an accepted snapshot.
    pub newest_slot: Option<Slot>,
    /// The age of its figures in whole minutes.
    pub age_minutes: Option<i64>,
    /// When the newest delivery arrived, whatever became of it.
    pub last_received_at: Option<Timestamp>,
    /// Its name.
    pub last_file_name: Option<String>,
    /// Its stage's name.
    pub last_file_state: Option<String>,
    /// The newest rejection's rule.
    pub last_rejection_rule: Option<String>,
    /// What it said.
    pub last_rejection: Option<String>,
    /// Slots of the last 24 hours that were filled on time.
    pub on_time_24h: u32,
    /// … late.
    pub late_24h: u32,
    /// … not at all.
    pub missed_24h: u32,
    /// … only with rejected files.
    pub rejected_24h: u32,
    /// Filled on time, in percent of those four.
    pub on_time_percent_24h: Option<f64>,
    /// Deliveries in quarantine, not decided yet.
    pub quarantined: u32,
    /// Wards that wait for registration.
    pub pending_wards: u32,
}
