//! `bedfeed warehouse`: making its tables, and comparing it with the ledger.

use super::args::Listing;
use super::{Ending, Failure, json, reader, runtime, settings};
use crate::feed::error_chain;
use crate::forward;
use crate::service::agreement::{self, Agreement};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

/// Makes tables and views, or brings them up to date.
pub(super) fn migrate(config: &Path, out: &mut dyn Write) -> Result<Ending, Failure> {
    let settings = settings(config)?;
    let (runtime, version) = (runtime()?, env!("CARGO_PKG_VERSION"));
    runtime.block_on(forward::Warehouse::migrate(&settings.warehouse, &settings.state_dir)).map_err(Failure::broken)?;
    writeln!(out, "The warehouse's tables and views are those of bedfeed {version}.")?;
    let mut ending = Ending::Fine;
    for (name, place) in &settings.further_warehouses {
        match runtime.block_on(forward::Warehouse::migrate(place, &settings.state_dir)) {
            Ok(()) => writeln!(out, "So are those of the further warehouse {name}.")?,
            Err(error) => {
                writeln!(out, "Those of the further warehouse {name} were not made: {}", error_chain(&error))?;
                ending = Ending::NotFine;
            }
        }
    }
    Ok(ending)
}

/// Compares ledger and warehouse.
pub(super) fn check(arguments: &Listing, out: &mut dyn Write) -> Result<Ending, Failure> {
    let settings = settings(&arguments.config.config)?;
    // Says so where bedfeed has not run yet.
    drop(reader(&settings)?);
    let found = runtime()?.block_on(agreement::compare_all(&settings)).map_err(Failure::broken)?;
    let fine = found.are_fine();
    if arguments.json {
        let further: BTreeMap<&str, serde_json::Value> = found
            .further
            .iter()
            .map(|(name, found)| {
                let shown = found.as_ref().map_or_else(|why| serde_json::json!({ "unreadable": why }), |found| serde_json::json!(found));
                (name.as_str(), shown)
            })
            .collect();
        json(out, &serde_json::json!({ "fine": fine, "warehouse": found.warehouse, "further": further }))?;
    } else {
        shown(out, "the warehouse", &found.warehouse)?;
        for (name, found) in &found.further {
            match found {
                Ok(found) => shown(out, name, found)?,
                Err(why) => writeln!(out, "NOT FINE: {name} cannot be read: {why}")?,
            }
        }
    }
    Ok(if fine { Ending::Fine } else { Ending::NotFine })
}

fn shown(out: &mut dyn Write, name: &str, found: &Agreement) -> io::Result<()> {
    let verdict = if found.differences.is_empty() { "fine" } else { "NOT FINE" };
    write!(out, "{verdict}: the ledger calls {} snapshots loaded, {name} has {}", found.loaded, found.snapshots)?;
    match found.deleted_before {
        0 => writeln!(out)?,
        deleted => writeln!(out, "; {deleted} were deleted by retention before it could have them")?,
    }
    found.differences.iter().try_for_each(|words| writeln!(out, "  {words}"))
}
