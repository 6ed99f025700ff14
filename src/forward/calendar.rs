//! The calendar of slots: what `dim_slot` says of each slot of a local day.

use super::ForwardError;
use crate::feed::{LONDON, Slot, local_day_slots};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// One row of `dim_slot`.
pub(super) struct SlotRow {
    pub(super) slot: Slot,
    pub(super) local_date: Date,
    /// As `08:00`.
    pub(super) local_time: String,
    pub(super) local_hour: i32,
    /// The second pass of a repeated time: an hour earlier, the wall clock showed the same.
    pub(super) fold: bool,
    /// Counted from 0.
    pub(super) slot_of_day: i32,
    pub(super) is_0800: bool,
    pub(super) is_midnight: bool,
    /// November to March.
    pub(super) winter: bool,
}

/// The zone that "local" means.
pub(super) fn london() -> Result<TimeZone, ForwardError> {
    TimeZone::get(LONDON).map_err(|error| ForwardError::unavailable(format!("looking up the time zone {LONDON}"), error))
}

/// The local calendar day that an instant lies in.
pub(super) fn local_day(at: Timestamp, zone: &TimeZone) -> Date {
    at.to_zoned(zone.clone()).date()
}

/// The slots of a local day: 92, 96 or 100.
pub(super) fn day(day: Date, zone: &TimeZone) -> impl Iterator<Item = SlotRow> {
    let winter = matches!(day.month(), 11 | 12 | 1 | 2 | 3);
    (0..).zip(local_day_slots(day, zone)).map(move |(slot_of_day, slot)| {
        let local = slot.start().to_zoned(zone.clone());
        let local_time = local.strftime("%H:%M").to_string();
        SlotRow {
            slot,
            local_date: day,
            local_hour: local.hour().into(),
            fold: slot.plus(-4).start().to_zoned(zone.clone()).datetime() == local.datetime(),
            slot_of_day,
            is_0800: local_time == "08:00",
            is_midnight: local_time == "00:00",
            winter,
            local_time,
        }
    })
}
