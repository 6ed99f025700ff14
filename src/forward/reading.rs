//! Rows of the views as what they stand for: the same for every kind of warehouse, whatever its rows are made of.

use super::rows::lead_of;
use super::{FeedHealth, Figures, OldFigures, ProviderFigures, SystemFigures, SystemNow, WardFigures};
use crate::feed::{DeliveryId, Slot};
use jiff::Timestamp;
use std::fmt::Display;
use std::str::FromStr;

/// One row; `None` where a column is NULL.
pub(super) trait Columns {
    /// What says that a row cannot be read.
    type Error;

    /// A whole number, of whatever width.
    fn whole(&self, column: &str) -> Result<Option<i64>, Self::Error>;
    /// A number with a fraction.
    fn real(&self, column: &str) -> Result<Option<f64>, Self::Error>;
    /// A text.
    fn text(&self, column: &str) -> Result<Option<String>, Self::Error>;
    /// An instant.
    fn instant(&self, column: &str) -> Result<Option<Timestamp>, Self::Error>;
    /// Says that a column does not hold what it should.
    fn unreadable(message: String) -> Self::Error;

    /// A column that is never blank.
    fn needed<T>(&self, column: &str, value: Option<T>) -> Result<T, Self::Error> {
        value.ok_or_else(|| Self::unreadable(format!("{column} in the warehouse is blank")))
    }

    /// A text that stands for something else, such as a code.
    fn parsed<T: FromStr<Err: Display>>(&self, column: &str) -> Result<T, Self::Error> {
        let text = self.needed(column, self.text(column)?)?;
        text.parse().map_err(|error| Self::unreadable(format!("{column} in the warehouse: {error}")))
    }

    /// A text that is never blank.
    fn said(&self, column: &str) -> Result<String, Self::Error> {
        self.needed(column, self.text(column)?)
    }

    /// A count that is never blank.
    fn count(&self, column: &str) -> Result<i64, Self::Error> {
        self.needed(column, self.whole(column)?)
    }

    /// The same where it is known to be small.
    fn few(&self, column: &str) -> Result<u32, Self::Error> {
        u32::try_from(self.count(column)?).map_err(|_| Self::unreadable(format!("{column} in the warehouse is no count")))
    }

    /// A slot.
    fn slot(&self, column: &str) -> Result<Option<Slot>, Self::Error> {
        let Some(at) = self.instant(column)? else { return Ok(None) };
        let slot = Slot::containing(at);
        if slot.start() == at { Ok(Some(slot)) } else { Err(Self::unreadable(format!("{column} in the warehouse starts no slot"))) }
    }
}

/// The rows of `v_system_now`; `None` where the system's own is missing.
pub(super) fn system_now<C: Columns>(rows: &[C]) -> Result<Option<SystemNow>, C::Error> {
    let mut system = None;
    let mut providers = Vec::new();
    for row in rows {
        if row.said("scope")? == "TOTAL" {
            system = Some(SystemFigures {
                figures: figures(row)?,
                snapshot_at: row.instant("snapshot_at")?,
                age_minutes: row.whole("age_minutes")?,
                providers_current: row.few("providers_current")?,
                providers_counted: row.few("providers_counted")?,
                providers_expected: row.few("providers_expected")?,
                partial: row.count("partial")? != 0,
                demand_providers_current: row.few("demand_providers_current")?,
            });
        } else {
            let unknown = || C::unreadable("snapshot_id in the warehouse is no snapshot's id".to_owned());
            providers.push(ProviderFigures {
                provider: row.parsed("provider_code")?,
                name: row.said("provider_name")?,
                state: row.said("state")?,
                figures: figures(row)?,
                snapshot_at: row.instant("snapshot_at")?,
                age_minutes: row.whole("age_minutes")?,
                slot: row.slot("slot_utc")?,
                snapshot: row.text("snapshot_id")?.map(|id| lead_of(&id).ok_or_else(unknown)).transpose()?,
            });
        }
    }
    Ok(system.map(|system| SystemNow { system, providers }))
}

fn figures<C: Columns>(row: &C) -> Result<Figures, C::Error> {
    Ok(Figures {
        open: row.whole("open")?,
        occupied: row.whole("occupied")?,
        empty: row.whole("empty")?,
        available_now: row.whole("available_now")?,
        leave: row.whole("leave")?,
        closed: row.whole("closed")?,
        closed_infection: row.whole("closed_infection")?,
        closed_staffing: row.whole("closed_staffing")?,
        closed_estates: row.whole("closed_estates")?,
        closed_timetable: row.whole("closed_timetable")?,
        closed_companion: row.whole("closed_companion")?,
        closed_other: row.whole("closed_other")?,
        escalation: row.whole("escalation")?,
        demand_not_in_bed: row.whole("demand_not_in_bed")?,
        demand_in_bed: row.whole("demand_in_bed")?,
        waits_12h: row.whole("waits_12h")?,
        occupancy_percent: row.real("occupancy_percent")?,
        occupancy_percent_leave_as_occupied: row.real("occupancy_percent_leave_as_occupied")?,
    })
}

/// A row of `v_provider_ward_now`.
pub(super) fn ward<C: Columns>(row: &C) -> Result<WardFigures, C::Error> {
    Ok(WardFigures {
        site_code: row.said("site_code")?,
        ward_code: row.said("ward_code")?,
        label: row.said("ward_label")?,
        ward_type: row.said("ward_type")?,
        ward_class: row.said("ward_class")?,
        bed_group: row.said("bed_group")?,
        registered_beds: row.whole("registered_beds")?,
        open: row.count("open")?,
        occupied: row.count("occupied")?,
        empty: row.count("empty")?,
        available_now: row.count("available_now")?,
        cleaning: row.count("cleaning")?,
        reserved: row.count("reserved")?,
        leave: row.count("leave")?,
        closed: row.count("closed")?,
        ready_to_leave: row.count("ready_to_leave")?,
        los_7_plus: row.count("los_7_plus")?,
        los_14_plus: row.count("los_14_plus")?,
        los_21_plus: row.count("los_21_plus")?,
        demand_for_bed_group: row.whole("demand_for_bed_group")?,
        snapshot_at: row.needed("snapshot_at", row.instant("snapshot_at")?)?,
        age_minutes: row.count("age_minutes")?,
    })
}

/// A row of `v_feed_health`.
pub(super) fn feed<C: Columns>(row: &C) -> Result<FeedHealth, C::Error> {
    Ok(FeedHealth {
        provider: row.parsed("provider_code")?,
        name: row.said("provider_name")?,
        state: row.said("state")?,
        newest_slot: row.slot("newest_slot_utc")?,
        age_minutes: row.whole("age_minutes")?,
        last_received_at: row.instant("last_received_at")?,
        last_file_name: row.text("last_file_name")?,
        last_file_state: row.text("last_file_state")?,
        last_rejection_rule: row.text("last_rejection_rule")?,
        last_rejection: row.text("last_rejection")?,
        on_time_24h: row.few("on_time_24h")?,
        late_24h: row.few("late_24h")?,
        missed_24h: row.few("missed_24h")?,
        rejected_24h: row.few("rejected_24h")?,
        on_time_percent_24h: row.real("on_time_percent_24h")?,
        quarantined: row.few("quarantined")?,
        pending_wards: row.few("pending_wards")?,
    })
}

/// A loaded snapshot, `id` and `version`: the delivery that leads it, and which version of its slot it is.
pub(super) fn snapshot<C: Columns>(row: &C) -> Result<((DeliveryId, u32), Timestamp), C::Error> {
    let id = row.said("id")?;
    let lead = lead_of(&id).ok_or_else(|| C::unreadable(format!("{id} in the warehouse is no snapshot's id")))?;
    Ok(((lead, row.few("version")?), row.needed("assessed_at", row.instant("assessed_at")?)?))
}

/// An old snapshot, or an old delivery: `id`, `provider_code`, `about` and `shown`.
pub(super) fn old<C: Columns>(row: &C) -> Result<OldFigures, C::Error> {
    let id = row.said("id")?;
    Ok(OldFigures {
        lead: lead_of(&id).ok_or_else(|| C::unreadable(format!("{id} in the warehouse is no delivery's id")))?,
        provider: row.parsed("provider_code")?,
        about: row.needed("about", row.instant("about")?)?,
        shown: row.count("shown")? != 0,
    })
}
