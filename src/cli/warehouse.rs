//! `bedfeed warehouse`: making its tables, and comparing it with the ledger.

use super::args::Listing;
use super::{Ending, Failure, json, reader, runtime, settings};
use crate::forward;
use crate::service::agreement;
use std::io::Write;
use std::path::Path;

/// Makes tables and views, or brings them up to date.
pub(super) fn migrate(config: &Path, out: &mut dyn Write) -> Result<Ending, Failure> {
    let settings = settings(config)?;
    let migrating = forward::Warehouse::migrate(&settings.warehouse, &settings.state_dir);
    runtime()?.block_on(migrating).map_err(Failure::broken)?;
    writeln!(out, "The warehouse's tables and views are those of bedfeed {}.", env!("CARGO_PKG_VERSION"))?;
    Ok(Ending::Fine)
}

/// Compares ledger and warehouse.
pub(super) fn check(arguments: &Listing, out: &mut dyn Write) -> Result<Ending, Failure> {
    let settings = settings(&arguments.config.config)?;
    // Says so where bedfeed has not run yet.
    drop(reader(&settings)?);
    let found = runtime()?.block_on(agreement::compare(&settings)).map_err(Failure::broken)?;
    let fine = found.differences.is_empty();
    if arguments.json {
        json(out, &serde_json::json!({ "fine": fine, "warehouse": found }))?;
    } else {
        let verdict = if fine { "fine" } else { "NOT FINE" };
        writeln!(out, "{verdict}: the ledger calls {} snapshots loaded, the warehouse has {}", found.loaded, found.snapshots)?;
        for words in &found.differences {
            writeln!(out, "  {words}")?;
        }
    }
    Ok(if fine { Ending::Fine } else { Ending::NotFine })
}
