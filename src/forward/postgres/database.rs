//! The database: how its tables and views are made, brought up to date, and checked.
//!
//! Owns the order of that: one at a time, under a lock of its own, in one transaction. Refuses a database that a newer bedfeed
//! made, and a schema in which something else lies.

use super::super::rows::{age_bands, code_lists, to_the_second};
use super::super::statements::{PUT_BAND, PUT_GENDER, PUT_SOURCE, PUT_UNKNOWN};
use super::super::{ForwardError, ForwardErrorKind};
use super::connect::{Connection, Work};
use super::settings::Migrate;
use super::trouble::sql;
use super::{provider, views};
use crate::fault::{self, Step};
use jiff::Timestamp;

/// The version that `schema.sql` makes: the first on PostgreSQL, and the third of all.
const FIRST: i64 = 3;
/// What brings a database up to the next version, each with the version it makes; a new one goes the same way.
const MIGRATIONS: &[(i64, &str)] = &[(4, include_str!("to_4.sql")), (5, include_str!("to_5.sql")), (6, include_str!("to_6.sql"))];
/// The version of the tables here.
const SCHEMA_VERSION: i64 = 6;

/// The lock that whoever changes tables holds, and the one that whoever loads holds. Any two numbers that nobody else uses.
const MIGRATING: i64 = 0x0062_6564_6665_6501;
/// See [`MIGRATING`].
pub(super) const LOADING: i64 = 0x0062_6564_6665_6502;
/// Waits for a lock, which is then held until the transaction ends.
pub(super) const TAKE_LOCK: &str = "SELECT pg_advisory_xact_lock($1)::text";

/// Takes the turn of those that write: one at a time, as on SQLite, so that two daemons never decide about one slot at once.
pub(super) async fn take_turn(work: &mut Work<'_>) -> Result<(), tokio_postgres::Error> {
    work.query(TAKE_LOCK, &[&LOADING]).await.map(drop)
}

/// Makes tables where there are none, brings older ones up to date, and makes views and code lists as this version has them; or,
/// where somebody does that by hand, says what is still to be done.
pub(super) async fn prepare(connection: &mut Connection, migrate: Migrate) -> Result<(), ForwardError> {
    let doing = "making the warehouse's tables and views";
    let mut work = connection.begin().await.map_err(sql(doing))?;
    if migrate == Migrate::ByHand {
        return is_ready(&mut work).await;
    }
    work.query(TAKE_LOCK, &[&MIGRATING]).await.map_err(sql(doing))?;
    let schema = schema(&mut work).await?;
    let changed = match version(&mut work).await? {
        Some(version) => {
            refuse_newer(version)?;
            bring_up(&mut work, version, &schema).await?
        }
        None => {
            make(&mut work, &schema).await?;
            true
        }
    };
    if changed || made_views(&mut work).await?.as_deref() != Some(&*views::fingerprint()) {
        make_views(&mut work, &schema).await?;
        fill_code_lists(&mut work).await.map_err(sql("filling the code lists"))?;
    }
    make_own_views(&mut work, &schema).await?;
    // A clock that somebody stopped would show old figures as new.
    override_clock(&mut work, None).await.map_err(sql(doing))?;
    fault::during(Step::WarehousePrepare, async { work.transaction.commit().await.map_err(sql(doing)) }).await
}

/// Refuses to read what a newer bedfeed made.
pub(super) async fn refuse_newer_than_known(connection: &mut Connection) -> Result<(), ForwardError> {
    let mut work = connection.begin().await.map_err(sql("reading the version of the warehouse"))?;
    version(&mut work).await?.map_or(Ok(()), refuse_newer)
}

/// Stops the clock of the views, or lets it go again.
pub(super) async fn override_clock(work: &mut Work<'_>, now: Option<Timestamp>) -> Result<(), tokio_postgres::Error> {
    work.execute("DELETE FROM clock_override", &[]).await?;
    if let Some(now) = now {
        work.execute("INSERT INTO clock_override (only_row, now_utc) VALUES (1, $1)", &[&to_the_second(now)]).await?;
    }
    Ok(())
}

async fn is_ready(work: &mut Work<'_>) -> Result<(), ForwardError> {
    let version = version(work).await?;
    version.map_or(Ok(()), refuse_newer)?;
    let ready = version == Some(SCHEMA_VERSION) && made_views(work).await?.as_deref() == Some(&*views::fingerprint());
    if ready {
        return Ok(());
    }
    let there = version
        .map_or_else(|| "there are none".to_owned(), |version| format!("they are of version {version}, or their views of another bedfeed"));
    let doing = format!("looking for the warehouse's tables: {there}, and the settings leave them to `bedfeed warehouse migrate`");
    Err(ForwardError::new(ForwardErrorKind::Unavailable, doing))
}

/// The schema that unqualified names mean.
async fn schema(work: &mut Work<'_>) -> Result<String, ForwardError> {
    let doing = "looking for a schema";
    let schema = text(work, "SELECT quote_ident(current_schema())").await.map_err(sql(doing))?;
    schema.ok_or_else(|| ForwardError::new(ForwardErrorKind::Unusable, format!("{doing}: the user's search_path names none that exists")))
}

/// The one text that a question is answered with.
async fn text(work: &mut Work<'_>, question: &'static str) -> Result<Option<String>, tokio_postgres::Error> {
    let rows = work.query(question, &[]).await?;
    rows.first().map_or(Ok(None), |row| row.try_get(0))
}

async fn version(work: &mut Work<'_>) -> Result<Option<i64>, ForwardError> {
    let doing = "reading the version of the warehouse";
    let there = work.query("SELECT 1 WHERE to_regclass('schema_version') IS NOT NULL", &[]).await.map_err(sql(doing))?;
    if there.is_empty() {
        return Ok(None);
    }
    let rows = work.query("SELECT max(version) FROM schema_version", &[]).await.map_err(sql(doing))?;
    rows.first().map_or(Ok(None), |row| row.try_get(0)).map_err(sql(doing))
}

fn refuse_newer(version: i64) -> Result<(), ForwardError> {
    if version <= SCHEMA_VERSION {
        return Ok(());
    }
    let doing = format!("opening the warehouse, version {version} where this program knows up to {SCHEMA_VERSION}");
    Err(ForwardError::new(ForwardErrorKind::SchemaNewer, doing))
}

async fn bring_up(work: &mut Work<'_>, version: i64, schema: &str) -> Result<bool, ForwardError> {
    let mut changed = false;
    for (made, change) in MIGRATIONS.iter().filter(|(made, _)| *made > version) {
        let doing = format!("bringing the warehouse up to version {made}");
        work.transaction.batch_execute(&change.replace("{schema}", schema)).await.map_err(sql(doing.as_str()))?;
        work.execute("UPDATE schema_version SET version = $1", &[made]).await.map_err(sql(doing))?;
        changed = true;
    }
    Ok(changed)
}

async fn make(work: &mut Work<'_>, schema: &str) -> Result<(), ForwardError> {
    let doing = "making the warehouse's tables";
    let other = "SELECT relname::text FROM pg_class
         WHERE relnamespace = quote_ident(current_schema())::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f') LIMIT 1";
    if let Some(row) = work.query(other, &[]).await.map_err(sql(doing))?.first() {
        let name: String = row.try_get(0).map_err(sql(doing))?;
        let why = format!(
            "{doing}: the schema {schema} holds \"{name}\" and is not a bedfeed warehouse; give it a schema or database of its own"
        );
        return Err(ForwardError::refused(why));
    }
    work.transaction.batch_execute(&include_str!("schema.sql").replace("{schema}", schema)).await.map_err(sql(doing))?;
    work.execute("INSERT INTO schema_version (version) VALUES ($1)", &[&FIRST]).await.map_err(sql(doing))?;
    bring_up(work, FIRST, schema).await.map(drop)
}

/// Makes the views and gives roles their rights on them.
async fn make_views(work: &mut Work<'_>, schema: &str) -> Result<(), ForwardError> {
    let doing = "giving roles their rights";
    let own = own_schema(work).await.map_err(sql(doing))?;
    let made = format!("{}\n{}\nCOMMENT ON VIEW v_clock IS '{}'", provider::gone(&own), views::statements(), views::fingerprint());
    work.transaction.batch_execute(&made).await.map_err(sql("making the views"))?;
    let roles = include_str!("roles.sql").replace("{schema}", schema).replace("{provider}", &own);
    work.transaction.batch_execute(&roles).await.map_err(sql(doing))
}

/// Makes the views of providers' own people where they are not there, once somebody has made what the user may not: their role and schema.
async fn make_own_views(work: &mut Work<'_>, schema: &str) -> Result<(), ForwardError> {
    let doing = "making the views of providers' own people";
    let own = own_schema(work).await.map_err(sql(doing))?;
    let missing = "SELECT 1 WHERE to_regrole('bedfeed_provider') IS NOT NULL AND to_regnamespace($1) IS NOT NULL
           AND to_regclass($1 || '.v_access') IS NULL AND has_schema_privilege(to_regnamespace($1)::oid, 'CREATE')";
    if work.query(missing, &[&own]).await.map_err(sql(doing))?.is_empty() {
        return Ok(());
    }
    work.transaction.batch_execute(&provider::made(schema, &own)).await.map_err(sql(doing))
}

async fn own_schema(work: &mut Work<'_>) -> Result<String, tokio_postgres::Error> {
    text(work, provider::SCHEMA).await.map(Option::unwrap_or_default)
}

/// The fingerprint of the views that are there.
async fn made_views(work: &mut Work<'_>) -> Result<Option<String>, ForwardError> {
    text(work, "SELECT obj_description(to_regclass('v_clock'), 'pg_class')").await.map_err(sql("looking which views there are"))
}

/// The code lists of the dataset, and the UNKNOWN of the local ones.
async fn fill_code_lists(work: &mut Work<'_>) -> Result<(), tokio_postgres::Error> {
    let (genders, sources) = code_lists();
    for (put, codes) in [(PUT_GENDER, genders), (PUT_SOURCE, sources)] {
        for (code, meaning) in codes {
            work.execute(put, &[&code, &meaning]).await?;
        }
    }
    for (code, meaning, low, high) in age_bands() {
        work.execute(PUT_BAND, &[&code, &meaning, &low, &high]).await?;
    }
    work.transaction.batch_execute(PUT_UNKNOWN).await
}
