//! Reading the wards in force on a day, and putting down those that nobody has registered.

use super::super::ForwardError;
use super::super::statements::{PUT_PENDING, WARDS_IN_FORCE};
use super::super::wards::Wards;
use super::database::{sql, utc};
use crate::feed::{ProviderCode, Slot};
use jiff::civil::Date;
use rusqlite::{Connection, params};
use std::collections::HashSet;

/// Reads the wards in force on `day`.
pub(super) fn read(connection: &Connection, provider: &ProviderCode, day: Date) -> Result<Wards, ForwardError> {
    in_force(connection, provider, day).map_err(sql(format!("reading the wards of {provider}")))
}

fn in_force(connection: &Connection, provider: &ProviderCode, day: Date) -> rusqlite::Result<Wards> {
    let mut wards =
        Wards::new(codes(connection, "SELECT bed_group FROM dim_bed_group")?, codes(connection, "SELECT ward_type FROM dim_ward_type")?);
    let mut statement = connection.prepare_cached(WARDS_IN_FORCE)?;
    let mut rows = statement.query(params![provider.as_str(), day.to_string()])?;
    while let Some(row) = rows.next()? {
        wards.add((row.get(0)?, row.get(1)?), row.get(2)?, row.get(3)?, row.get(4)?);
    }
    Ok(wards)
}

fn codes(connection: &Connection, select: &str) -> rusqlite::Result<HashSet<String>> {
    connection.prepare_cached(select)?.query_map([], |row| row.get(0))?.collect()
}

/// Puts down a ward as pending, which is found from then on: its beds count, its type is not known.
pub(super) fn put_down(
    connection: &Connection,
    provider: &ProviderCode,
    slot: Slot,
    (site, ward): &(String, String),
) -> rusqlite::Result<i64> {
    connection.prepare_cached(PUT_PENDING)?.execute(params![provider.as_str(), site, ward, utc(slot.start())])?;
    // Year 0: registered wards start in year 1 at the earliest, so the two never meet in one row, and registering a ward
    // later does not rewrite what was loaded before.
    connection
        .prepare_cached(
            "INSERT INTO dim_ward (provider_code, site_code, ward_code, name, ward_type, ward_class, bed_group, bed_sex, valid_from, state)
             VALUES ($1, $2, $3, $3, 'UNKNOWN', 'UNKNOWN', 'UNKNOWN', '8', '0000-01-01', 'pending')
             ON CONFLICT (provider_code, site_code, ward_code, valid_from) DO UPDATE SET state = 'pending'
             RETURNING ward_key",
        )?
        .query_row(params![provider.as_str(), site, ward], |row| row.get(0))
}
