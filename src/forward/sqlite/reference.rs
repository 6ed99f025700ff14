//! Reference data: the tables say what the rows say, and keep what facts of the past still point at.

use super::super::{ForwardError, ReferenceRows};
use super::database::{first_day, sql};
use crate::bedstate::Ward;
use crate::fault::{self, Step};
use rusqlite::{Connection, Transaction, TransactionBehavior, params};

/// Sets all reference tables, or none.
pub(super) fn set(connection: &mut Connection, rows: &ReferenceRows) -> Result<(), ForwardError> {
    let doing = "setting reference data";
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sql(doing))?;
    set_providers(&transaction, rows).map_err(sql("setting the providers and their sites, mappings and agreements"))?;
    set_codes(&transaction, rows).map_err(sql("setting ward types, ward classes and bed groups"))?;
    set_wards(&transaction, &rows.wards).map_err(sql("setting the wards"))?;
    fault::around(Step::WarehouseReference, || transaction.commit().map_err(sql(doing)))
}

fn set_providers(transaction: &Transaction<'_>, rows: &ReferenceRows) -> rusqlite::Result<()> {
    transaction.execute("UPDATE dim_provider SET registered = 0", [])?;
    let mut provider = transaction.prepare(
        "INSERT INTO dim_provider (provider_code, name, kind, registered) VALUES (?1, ?2, ?3, 1)
         ON CONFLICT (provider_code) DO UPDATE SET name = excluded.name, kind = excluded.kind, registered = 1",
    )?;
    for row in &rows.providers {
        provider.execute(params![row.provider.as_str(), row.name, row.kind.as_str()])?;
    }
    // Reference data may name providers whose feed is not set up yet: known, not expected.
    let mut mentioned =
        transaction.prepare("INSERT OR IGNORE INTO dim_provider (provider_code, name, kind, registered) VALUES (?1, ?1, 'unknown', 0)")?;
    let others = rows.sites.iter().map(|row| &row.provider).chain(rows.wards.iter().map(|row| &row.provider));
    for code in others.chain(rows.mappings.iter().map(|row| &row.provider)).chain(rows.agreements.iter().map(|row| &row.provider)) {
        mentioned.execute([code.as_str()])?;
    }
    transaction.execute("DELETE FROM dim_site", [])?;
    let mut site = transaction
        .prepare("INSERT OR REPLACE INTO dim_site (provider_code, site_code, name, valid_from, valid_to) VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for row in &rows.sites {
        let to = row.valid_to.map(|day| day.to_string());
        site.execute(params![row.provider.as_str(), row.site_code, row.name, first_day(row.valid_from), to])?;
    }
    let mut mapping = transaction.prepare(
        "INSERT OR REPLACE INTO ref_mapping_version (provider_code, version, mapping_hash, author, valid_from, valid_to)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for row in &rows.mappings {
        let (from, to) = (row.valid_from.to_string(), row.valid_to.map(|day| day.to_string()));
        mapping.execute(params![row.provider.as_str(), row.version, row.hash.to_string(), row.author, from, to])?;
    }
    let mut agreement =
        transaction.prepare("INSERT OR REPLACE INTO ref_agreement (provider_code, reference, starts, ends) VALUES (?1, ?2, ?3, ?4)")?;
    for row in &rows.agreements {
        let (starts, ends) = (row.starts.to_string(), row.ends.map(|day| day.to_string()));
        agreement.execute(params![row.provider.as_str(), row.reference, starts, ends])?;
    }
    Ok(())
}

fn set_codes(transaction: &Transaction<'_>, rows: &ReferenceRows) -> rusqlite::Result<()> {
    let lists = [
        ("INSERT OR REPLACE INTO dim_ward_type (ward_type, meaning) VALUES (?1, ?2)", &rows.ward_types),
        ("INSERT OR REPLACE INTO dim_ward_class (ward_class, meaning) VALUES (?1, ?2)", &rows.ward_classes),
        ("INSERT OR REPLACE INTO dim_bed_group (bed_group, meaning) VALUES (?1, ?2)", &rows.bed_groups),
    ];
    for (insert, codes) in lists {
        let mut statement = transaction.prepare(insert)?;
        for (code, meaning) in codes {
            statement.execute([code, meaning])?;
        }
    }
    Ok(())
}

fn set_wards(transaction: &Transaction<'_>, wards: &[Ward]) -> rusqlite::Result<()> {
    transaction.execute("UPDATE dim_ward SET state = 'withdrawn' WHERE state = 'registered'", [])?;
    let mut ward = transaction.prepare(
        "INSERT INTO dim_ward (provider_code, site_code, ward_code, name, alias, ward_type, ward_class, bed_group, bed_sex, min_age,
           max_age, treatment_function, registered_beds, bed_base, valid_from, valid_to, state)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, 'registered')
         ON CONFLICT (provider_code, site_code, ward_code, valid_from) DO UPDATE SET name = excluded.name, alias = excluded.alias,
           ward_type = excluded.ward_type, ward_class = excluded.ward_class, bed_group = excluded.bed_group, bed_sex = excluded.bed_sex,
           min_age = excluded.min_age, max_age = excluded.max_age, treatment_function = excluded.treatment_function,
           registered_beds = excluded.registered_beds, bed_base = excluded.bed_base, valid_to = excluded.valid_to, state = 'registered'",
    )?;
    for row in wards {
        ward.execute(params![
            row.provider.as_str(),
            row.site_code,
            row.ward_code,
            row.name,
            row.alias,
            row.ward_type,
            row.ward_class,
            row.bed_group,
            row.bed_sex.code(),
            row.min_age,
            row.max_age,
            row.treatment_function,
            row.registered_beds,
            row.bed_base.code(),
            first_day(row.valid_from),
            row.valid_to.map(|day| day.to_string()),
        ])?;
    }
    transaction.execute(
        "UPDATE pending_ward SET registered = 1 WHERE EXISTS
           (SELECT 1 FROM dim_ward AS w WHERE w.provider_code = pending_ward.provider_code AND w.site_code = pending_ward.site_code
              AND w.ward_code = pending_ward.ward_code AND w.state = 'registered')",
        [],
    )?;
    Ok(())
}
