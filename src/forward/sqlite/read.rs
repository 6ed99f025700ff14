//! Reading the warehouse back, through the views that analysts read.

use super::super::{
    FeedHealth, Figures, ForwardError, ForwardErrorKind, OldFigures, ProviderFigures, SystemFigures, SystemNow, WardFigures,
};
use super::database::{open_for_reading, sql};
use super::{disposal, load};
use crate::feed::{DeliveryId, ProviderCode};
use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, Row};
use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;

/// Reads one warehouse file. Each reading opens a connection of its own that cannot write.
#[derive(Clone, Debug)]
pub(in super::super) struct Reader {
    path: PathBuf,
}

impl Reader {
    pub(in super::super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    pub(in super::super) async fn system_now(&self) -> Result<SystemNow, ForwardError> {
        self.read("reading the system's figures", system_now).await
    }

    pub(in super::super) async fn provider_now(&self, provider: ProviderCode) -> Result<Vec<WardFigures>, ForwardError> {
        self.read("reading a provider's wards", move |connection| wards_now(connection, &provider)).await
    }

    pub(in super::super) async fn feed_health(&self) -> Result<Vec<FeedHealth>, ForwardError> {
        self.read("reading the feeds' health", feed_health).await
    }

    pub(in super::super) async fn old_lines(&self, before: Timestamp) -> Result<Vec<OldFigures>, ForwardError> {
        self.read("looking for old lines", move |connection| disposal::old_lines(connection, before)).await
    }

    pub(in super::super) async fn old_sums(&self, before: Timestamp) -> Result<Vec<OldFigures>, ForwardError> {
        self.read("looking for old sums", move |connection| disposal::old_sums(connection, before)).await
    }

    pub(in super::super) async fn count_lines(&self, leads: Vec<DeliveryId>) -> Result<Vec<u64>, ForwardError> {
        self.read("counting old lines", move |connection| disposal::count_lines(connection, &leads)).await
    }

    pub(in super::super) async fn count_sums(&self, leads: Vec<DeliveryId>) -> Result<Vec<u64>, ForwardError> {
        self.read("counting old sums", move |connection| disposal::count_sums(connection, &leads)).await
    }

    async fn read<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, ForwardError> {
        let path = self.path.clone();
        let reading = tokio::task::spawn_blocking(move || work(&open_for_reading(&path)?).map_err(sql(doing)));
        reading.await.map_err(|error| ForwardError::new(ForwardErrorKind::Unavailable, doing).caused_by(error))?
    }
}

fn system_now(connection: &Connection) -> rusqlite::Result<SystemNow> {
    // One statement, so one state of the database.
    let mut statement = connection.prepare("SELECT * FROM v_system_now ORDER BY scope DESC, provider_code")?;
    let mut rows = statement.query([])?;
    let mut system = None;
    let mut providers = Vec::new();
    while let Some(row) = rows.next()? {
        if row.get::<_, String>("scope")? == "TOTAL" {
            system = Some(SystemFigures {
                figures: figures(row)?,
                snapshot_at: parsed(row, "snapshot_at")?,
                age_minutes: row.get("age_minutes")?,
                providers_current: row.get("providers_current")?,
                providers_counted: row.get("providers_counted")?,
                providers_expected: row.get("providers_expected")?,
                partial: row.get("partial")?,
                demand_providers_current: row.get("demand_providers_current")?,
            });
        } else {
            providers.push(ProviderFigures {
                provider: code(row)?,
                name: row.get("provider_name")?,
                state: row.get("state")?,
                figures: figures(row)?,
                snapshot_at: parsed(row, "snapshot_at")?,
                age_minutes: row.get("age_minutes")?,
                slot: parsed(row, "slot_utc")?,
                snapshot: row.get::<_, Option<String>>("snapshot_id")?.as_deref().map(load::lead).transpose()?,
            });
        }
    }
    Ok(SystemNow { system: system.ok_or(rusqlite::Error::QueryReturnedNoRows)?, providers })
}

fn figures(row: &Row<'_>) -> rusqlite::Result<Figures> {
    Ok(Figures {
        open: row.get("open")?,
        occupied: row.get("occupied")?,
        empty: row.get("empty")?,
        available_now: row.get("available_now")?,
        leave: row.get("leave")?,
        closed: row.get("closed")?,
        closed_infection: row.get("closed_infection")?,
        closed_staffing: row.get("closed_staffing")?,
        closed_estates: row.get("closed_estates")?,
        closed_timetable: row.get("closed_timetable")?,
        closed_companion: row.get("closed_companion")?,
        closed_other: row.get("closed_other")?,
        escalation: row.get("escalation")?,
        demand_not_in_bed: row.get("demand_not_in_bed")?,
        demand_in_bed: row.get("demand_in_bed")?,
        waits_12h: row.get("waits_12h")?,
        occupancy_percent: row.get("occupancy_percent")?,
        occupancy_percent_leave_as_occupied: row.get("occupancy_percent_leave_as_occupied")?,
    })
}

fn wards_now(connection: &Connection, provider: &ProviderCode) -> rusqlite::Result<Vec<WardFigures>> {
    connection
        .prepare("SELECT * FROM v_provider_ward_now WHERE provider_code = ?1 ORDER BY site_code, ward_code")?
        .query_map([provider.as_str()], |row| {
            Ok(WardFigures {
                site_code: row.get("site_code")?,
                ward_code: row.get("ward_code")?,
                label: row.get("ward_label")?,
                ward_type: row.get("ward_type")?,
                ward_class: row.get("ward_class")?,
                bed_group: row.get("bed_group")?,
                registered_beds: row.get("registered_beds")?,
                open: row.get("open")?,
                occupied: row.get("occupied")?,
                empty: row.get("empty")?,
                available_now: row.get("available_now")?,
                cleaning: row.get("cleaning")?,
                reserved: row.get("reserved")?,
                leave: row.get("leave")?,
                closed: row.get("closed")?,
                ready_to_leave: row.get("ready_to_leave")?,
                los_7_plus: row.get("los_7_plus")?,
                los_14_plus: row.get("los_14_plus")?,
                los_21_plus: row.get("los_21_plus")?,
                demand_for_bed_group: row.get("demand_for_bed_group")?,
                snapshot_at: known(row, "snapshot_at")?,
                age_minutes: row.get("age_minutes")?,
            })
        })?
        .collect()
}

fn feed_health(connection: &Connection) -> rusqlite::Result<Vec<FeedHealth>> {
    connection
        .prepare("SELECT * FROM v_feed_health ORDER BY provider_code")?
        .query_map([], |row| {
            Ok(FeedHealth {
                provider: code(row)?,
                name: row.get("provider_name")?,
                state: row.get("state")?,
                newest_slot: parsed(row, "newest_slot_utc")?,
                age_minutes: row.get("age_minutes")?,
                last_received_at: parsed(row, "last_received_at")?,
                last_file_name: row.get("last_file_name")?,
                last_file_state: row.get("last_file_state")?,
                last_rejection_rule: row.get("last_rejection_rule")?,
                last_rejection: row.get("last_rejection")?,
                on_time_24h: row.get("on_time_24h")?,
                late_24h: row.get("late_24h")?,
                missed_24h: row.get("missed_24h")?,
                rejected_24h: row.get("rejected_24h")?,
                on_time_percent_24h: row.get("on_time_percent_24h")?,
                quarantined: row.get("quarantined")?,
                pending_wards: row.get("pending_wards")?,
            })
        })?
        .collect()
}

fn code(row: &Row<'_>) -> rusqlite::Result<ProviderCode> {
    known(row, "provider_code")
}

/// Reads a text column as what it stands for.
fn known<T: FromStr<Err: Display>>(row: &Row<'_>, column: &str) -> rusqlite::Result<T> {
    parsed(row, column)?.ok_or_else(|| unreadable(format!("{column} is missing")))
}

fn parsed<T: FromStr<Err: Display>>(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<T>> {
    let text: Option<String> = row.get(column)?;
    text.map(|text| text.parse().map_err(|error| unreadable(format!("{column} in the warehouse: {error}")))).transpose()
}

/// The same of a column that is never blank.
pub(super) fn needed<T: FromStr<Err: Display>>(row: &Row<'_>, column: &str) -> rusqlite::Result<T> {
    parsed(row, column)?.ok_or_else(|| unreadable(format!("{column} in the warehouse is blank")))
}

fn unreadable(message: String) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, Type::Text, message.into())
}
