//! Which ward of the reference data a line belongs to, on the day of its snapshot.

use super::super::ForwardError;
use super::database::{sql, utc};
use crate::feed::{ProviderCode, Slot};
use jiff::civil::Date;
use rusqlite::{Connection, params};
use std::collections::{BTreeSet, HashMap, HashSet};

/// What stands for a code that the reference data does not know.
pub(super) const UNKNOWN: &str = "UNKNOWN";

/// One provider's wards and the code lists, as in force on one local day.
pub(super) struct Wards {
    by_code: HashMap<(String, String), i64>,
    groups: HashSet<String>,
    types: HashSet<String>,
    /// The groups that the provider's wards of a type belong to.
    groups_of_type: HashMap<String, HashSet<String>>,
    unknown: BTreeSet<(String, String)>,
}

impl Wards {
    /// Reads the wards in force on `day`.
    pub(super) fn read(connection: &Connection, provider: &ProviderCode, day: Date) -> Result<Self, ForwardError> {
        read(connection, provider, day).map_err(sql(format!("reading the wards of {provider}")))
    }

    /// The key of a registered ward.
    pub(super) fn find(&self, site: &str, ward: &str) -> Option<i64> {
        self.by_code.get(&(site.to_owned(), ward.to_owned())).copied()
    }

    /// The key of a ward, which is put down as pending where nobody has registered it: its beds count, its type is not known.
    pub(super) fn find_or_put_down(
        &mut self,
        connection: &Connection,
        provider: &ProviderCode,
        slot: Slot,
        site: &str,
        ward: &str,
    ) -> Result<i64, ForwardError> {
        if let Some(key) = self.find(site, ward) {
            return Ok(key);
        }
        let key = put_down(connection, provider, slot, site, ward).map_err(sql(format!("putting down ward {ward} of {provider}")))?;
        self.by_code.insert((site.to_owned(), ward.to_owned()), key);
        self.unknown.insert((site.to_owned(), ward.to_owned()));
        Ok(key)
    }

    /// The bed group and ward type that a demand asks for. A ward type decides the group only where all the provider's
    /// wards of that type are in one.
    pub(super) fn asked_for<'a>(&'a self, demand_for: Option<&'a str>) -> (&'a str, &'a str) {
        match demand_for {
            Some(code) if self.groups.contains(code) => (code, UNKNOWN),
            Some(code) if self.types.contains(code) => {
                let groups = self.groups_of_type.get(code);
                let only = groups.filter(|groups| groups.len() == 1).and_then(|groups| groups.iter().next());
                (only.map_or(UNKNOWN, String::as_str), code)
            }
            _ => (UNKNOWN, UNKNOWN),
        }
    }

    /// The wards that were put down as pending: site and ward code.
    pub(super) fn unknown(self) -> Vec<(String, String)> {
        self.unknown.into_iter().collect()
    }
}

fn read(connection: &Connection, provider: &ProviderCode, day: Date) -> rusqlite::Result<Wards> {
    let mut wards = Wards {
        by_code: HashMap::new(),
        groups: codes(connection, "SELECT bed_group FROM dim_bed_group")?,
        types: codes(connection, "SELECT ward_type FROM dim_ward_type")?,
        groups_of_type: HashMap::new(),
        unknown: BTreeSet::new(),
    };
    let mut statement = connection.prepare_cached(
        "SELECT site_code, ward_code, ward_key, ward_type, bed_group FROM dim_ward
         WHERE provider_code = ?1 AND state = 'registered' AND valid_from <= ?2 AND (valid_to IS NULL OR valid_to > ?2)
         ORDER BY valid_from",
    )?;
    let mut rows = statement.query(params![provider.as_str(), day.to_string()])?;
    while let Some(row) = rows.next()? {
        wards.by_code.insert((row.get(0)?, row.get(1)?), row.get(2)?);
        wards.groups_of_type.entry(row.get(3)?).or_default().insert(row.get(4)?);
    }
    Ok(wards)
}

fn codes(connection: &Connection, select: &str) -> rusqlite::Result<HashSet<String>> {
    connection.prepare_cached(select)?.query_map([], |row| row.get(0))?.collect()
}

fn put_down(connection: &Connection, provider: &ProviderCode, slot: Slot, site: &str, ward: &str) -> rusqlite::Result<i64> {
    let slot = utc(slot.start());
    connection
        .prepare_cached(
            "INSERT INTO pending_ward (provider_code, site_code, ward_code, first_slot_utc, last_slot_utc) VALUES (?1, ?2, ?3, ?4, ?4)
             ON CONFLICT (provider_code, site_code, ward_code) DO UPDATE SET
               first_slot_utc = min(first_slot_utc, excluded.first_slot_utc), last_slot_utc = max(last_slot_utc, excluded.last_slot_utc),
               registered = 0",
        )?
        .execute(params![provider.as_str(), site, ward, slot])?;
    // Year 0: registered wards start in year 1 at the earliest, so the two never meet in one row, and registering a ward
    // later does not rewrite what was loaded before.
    connection
        .prepare_cached(
            "INSERT INTO dim_ward (provider_code, site_code, ward_code, name, ward_type, ward_class, bed_group, bed_sex, valid_from, state)
             VALUES (?1, ?2, ?3, ?3, 'UNKNOWN', 'UNKNOWN', 'UNKNOWN', '8', '0000-01-01', 'pending')
             ON CONFLICT (provider_code, site_code, ward_code, valid_from) DO UPDATE SET state = 'pending'
             RETURNING ward_key",
        )?
        .query_row(params![provider.as_str(), site, ward], |row| row.get(0))
}
