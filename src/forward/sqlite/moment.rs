//! The warehouse's file at one moment, while loads go on: what a backup is made of.

use super::super::ForwardError;
use super::super::rows::lead_of;
use super::database::{open_for_reading, sql};
use super::shown;
use crate::feed::DeliveryId;
use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// A connection in a reading transaction.
pub(in super::super) struct Moment {
    connection: Connection,
}

impl Moment {
    /// Holds the file as it is now; `None` where there is none yet.
    pub(in super::super) fn hold(path: &Path) -> Result<Option<Self>, ForwardError> {
        let doing = || format!("holding {}", shown(path));
        if !path.try_exists().map_err(|error| ForwardError::unavailable(doing(), error))? {
            return Ok(None);
        }
        let connection = open_for_reading(path)?;
        connection.execute_batch("BEGIN").map_err(sql(doing()))?;
        // The first reading fixes the moment.
        connection.query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(())).map_err(sql(doing()))?;
        Ok(Some(Self { connection }))
    }

    /// The loaded snapshots: the delivery that leads each, and which version of its slot it is.
    pub(in super::super) fn snapshots(&self) -> Result<BTreeSet<(DeliveryId, u32)>, ForwardError> {
        let doing = "listing the loaded snapshots";
        let there = "SELECT count(*) FROM sqlite_master WHERE name = 'ingest_snapshot'";
        if self.connection.query_row(there, [], |row| row.get::<_, i64>(0)).map_err(sql(doing))? == 0 {
            return Ok(BTreeSet::new());
        }
        let mut statement = self.connection.prepare("SELECT snapshot_id, version FROM ingest_snapshot").map_err(sql(doing))?;
        let ids = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get(1)?))).map_err(sql(doing))?;
        ids.map(|id| {
            let (id, version) = id.map_err(sql(doing))?;
            let lead = lead_of(&id).ok_or_else(|| ForwardError::refused(format!("{doing}: {id} is no snapshot's id")))?;
            Ok((lead, version))
        })
        .collect()
    }

    /// Says what is wrong with the file itself; `None` where nothing is.
    pub(in super::super) fn damage(&self) -> Result<Option<String>, ForwardError> {
        let said: String = self.connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(sql("looking for damage"))?;
        Ok((said != "ok").then_some(said))
    }

    /// Copies everything into an empty file, which then needs no other file beside it.
    pub(in super::super) fn copy_to(&self, path: &Path) -> Result<(), ForwardError> {
        let doing = || format!("copying to {}", shown(path));
        let made = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
        drop(made.map_err(|error| ForwardError::unavailable(doing(), error))?);
        let mut copy = Connection::open(path).map_err(sql(doing()))?;
        {
            let backup = Backup::new(&self.connection, &mut copy).map_err(sql(doing()))?;
            if backup.step(-1).map_err(sql(doing()))? != StepResult::Done {
                return Err(ForwardError::refused(format!("{}: it was not copied as a whole", doing())));
            }
        }
        copy.execute_batch("PRAGMA journal_mode = DELETE").map_err(sql(doing()))?;
        copy.close().map_err(|(_, error)| sql(doing())(error))
    }
}
