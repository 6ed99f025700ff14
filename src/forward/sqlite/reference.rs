//! Reference data: the tables say what the rows say, and keep what facts of the past still point at.

use super::super::rows::first_day;
use super::super::statements::{
    EXPECT_NOBODY, FORGET_SITES, MENTION, PUT_AGREEMENT, PUT_BED_GROUP, PUT_MAPPING, PUT_PROVIDER, PUT_SITE, PUT_WARD, PUT_WARD_CLASS,
    PUT_WARD_TYPE, SETTLE_PENDING, WITHDRAW_WARDS,
};
use super::super::{ForwardError, ReferenceRows};
use super::database::sql;
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
    transaction.execute(EXPECT_NOBODY, [])?;
    let mut provider = transaction.prepare(PUT_PROVIDER)?;
    for row in &rows.providers {
        provider.execute(params![row.provider.as_str(), row.name, row.kind.as_str()])?;
    }
    let mut mentioned = transaction.prepare(MENTION)?;
    for code in rows.mentioned() {
        mentioned.execute([code.as_str()])?;
    }
    transaction.execute(FORGET_SITES, [])?;
    let mut site = transaction.prepare(PUT_SITE)?;
    for row in &rows.sites {
        let (from, to) = (first_day(row.valid_from).to_string(), row.valid_to.map(|day| day.to_string()));
        site.execute(params![row.provider.as_str(), row.site_code, row.name, from, to])?;
    }
    let mut mapping = transaction.prepare(PUT_MAPPING)?;
    for row in &rows.mappings {
        let (from, to) = (row.valid_from.to_string(), row.valid_to.map(|day| day.to_string()));
        mapping.execute(params![row.provider.as_str(), row.version, row.hash.to_string(), row.author, from, to])?;
    }
    let mut agreement = transaction.prepare(PUT_AGREEMENT)?;
    for row in &rows.agreements {
        let (starts, ends) = (row.starts.to_string(), row.ends.map(|day| day.to_string()));
        agreement.execute(params![row.provider.as_str(), row.reference, starts, ends])?;
    }
    Ok(())
}

fn set_codes(transaction: &Transaction<'_>, rows: &ReferenceRows) -> rusqlite::Result<()> {
    let lists = [(PUT_WARD_TYPE, &rows.ward_types), (PUT_WARD_CLASS, &rows.ward_classes), (PUT_BED_GROUP, &rows.bed_groups)];
    for (insert, codes) in lists {
        let mut statement = transaction.prepare(insert)?;
        for (code, meaning) in codes {
            statement.execute([code, meaning])?;
        }
    }
    Ok(())
}

fn set_wards(transaction: &Transaction<'_>, wards: &[Ward]) -> rusqlite::Result<()> {
    transaction.execute(WITHDRAW_WARDS, [])?;
    let mut ward = transaction.prepare(PUT_WARD)?;
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
            first_day(row.valid_from).to_string(),
            row.valid_to.map(|day| day.to_string()),
        ])?;
    }
    transaction.execute(SETTLE_PENDING, [])?;
    Ok(())
}
