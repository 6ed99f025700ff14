//! Reference data: the tables say what the rows say, and keep what facts of the past still point at.

use super::super::rows::first_day;
use super::super::statements::{
    EXPECT_NOBODY, FORGET_SITES, MENTION, PUT_AGREEMENT, PUT_BED_GROUP, PUT_MAPPING, PUT_PROVIDER, PUT_SITE, PUT_WARD, PUT_WARD_CLASS,
    PUT_WARD_TYPE, SETTLE_PENDING, WITHDRAW_WARDS,
};
use super::super::{ForwardError, ReferenceRows};
use super::connect::{Connection, Work};
use super::database::take_turn;
use super::trouble::sql;
use crate::bedstate::Ward;
use crate::fault::{self, Step};
use tokio_postgres::Error;

/// Sets all reference tables, or none.
pub(super) async fn set(connection: &mut Connection, rows: &ReferenceRows) -> Result<(), ForwardError> {
    let doing = "setting reference data";
    let mut work = connection.begin().await.map_err(sql(doing))?;
    take_turn(&mut work).await.map_err(sql(doing))?;
    set_providers(&mut work, rows).await.map_err(sql("setting the providers and their sites, mappings and agreements"))?;
    for (put, codes) in [(PUT_WARD_TYPE, &rows.ward_types), (PUT_WARD_CLASS, &rows.ward_classes), (PUT_BED_GROUP, &rows.bed_groups)] {
        for (code, meaning) in codes {
            work.execute(put, &[code, meaning]).await.map_err(sql("setting ward types, ward classes and bed groups"))?;
        }
    }
    set_wards(&mut work, &rows.wards).await.map_err(sql("setting the wards"))?;
    fault::during(Step::WarehouseReference, async { work.transaction.commit().await.map_err(sql(doing)) }).await
}

async fn set_providers(work: &mut Work<'_>, rows: &ReferenceRows) -> Result<(), Error> {
    work.execute(EXPECT_NOBODY, &[]).await?;
    for row in &rows.providers {
        work.execute(PUT_PROVIDER, &[&row.provider.as_str(), &row.name, &row.kind.as_str()]).await?;
    }
    for code in rows.mentioned() {
        work.execute(MENTION, &[&code.as_str()]).await?;
    }
    work.execute(FORGET_SITES, &[]).await?;
    for row in &rows.sites {
        let from = first_day(row.valid_from);
        work.execute(PUT_SITE, &[&row.provider.as_str(), &row.site_code, &row.name, &from, &row.valid_to]).await?;
    }
    for row in &rows.mappings {
        let hash = row.hash.to_string();
        work.execute(PUT_MAPPING, &[&row.provider.as_str(), &row.version, &hash, &row.author, &row.valid_from, &row.valid_to]).await?;
    }
    for row in &rows.agreements {
        work.execute(PUT_AGREEMENT, &[&row.provider.as_str(), &row.reference, &row.starts, &row.ends]).await?;
    }
    Ok(())
}

async fn set_wards(work: &mut Work<'_>, wards: &[Ward]) -> Result<(), Error> {
    work.execute(WITHDRAW_WARDS, &[]).await?;
    for row in wards {
        work.execute(
            PUT_WARD,
            &[
                &row.provider.as_str(),
                &row.site_code,
                &row.ward_code,
                &row.name,
                &row.alias,
                &row.ward_type,
                &row.ward_class,
                &row.bed_group,
                &row.bed_sex.code(),
                &row.min_age.map(i32::from),
                &row.max_age.map(i32::from),
                &row.treatment_function,
                // No count of beds comes near the limit.
                &i32::try_from(row.registered_beds).unwrap_or(i32::MAX),
                &row.bed_base.code(),
                &first_day(row.valid_from),
                &row.valid_to,
            ],
        )
        .await?;
    }
    work.execute(SETTLE_PENDING, &[]).await?;
    Ok(())
}
