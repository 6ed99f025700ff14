//! A moment: the ledger as it was when it was asked for, while the daemon goes on. What a backup is made of.

use super::LedgerError;
use super::chain::ChainHead;
use super::read::Reader;
use super::schema;
use crate::feed::{DeliveryId, Digest, Stage};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use std::collections::BTreeMap;
use std::path::Path;

/// A delivery, as far as its stored bytes are concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Original {
    /// Which.
    pub id: DeliveryId,
    /// Where it stands.
    pub stage: Stage,
    /// The hash of its bytes.
    pub sha256: Digest,
    /// Whether retention has deleted its bytes.
    pub disposed: bool,
    /// Whether retention has deleted its picture, where it was a test.
    pub picture_disposed: bool,
}

/// The ledger at one moment. Everything that is asked of it is of the same moment, until it is dropped.
#[derive(Debug)]
pub struct Moment {
    reader: Reader,
    head: ChainHead,
}

impl Moment {
    /// Holds the ledger as it is now. The daemon may go on; its write-ahead log grows meanwhile.
    ///
    /// # Errors
    /// There is no ledger there, or it cannot be read.
    pub fn hold(path: &Path) -> Result<Self, LedgerError> {
        let reader = Reader::open(path)?;
        reader.connection().execute_batch("BEGIN").map_err(LedgerError::Read)?;
        // The first reading fixes the moment.
        let head = reader.head()?;
        Ok(Self { reader, head })
    }

    /// Reads it.
    pub(super) fn reader(&self) -> &Reader {
        &self.reader
    }

    /// The newest entry.
    #[must_use]
    pub fn head(&self) -> ChainHead {
        self.head
    }

    /// Gives every delivery, what came last first.
    ///
    /// # Errors
    /// The ledger cannot be read, or what `take` says.
    pub fn each_original<E: From<LedgerError>>(&self, mut take: impl FnMut(Original) -> Result<(), E>) -> Result<(), E> {
        let gone = if self.reader.keeps_disposals()? {
            "id IN (SELECT delivery FROM disposed WHERE class IN ('raw', 'quarantine')), id IN (SELECT delivery FROM disposed WHERE class = 'checks')"
        } else {
            "0, 0"
        };
        let sql = format!("SELECT id, stage, sha256, {gone} FROM delivery ORDER BY id DESC");
        let mut statement = self.reader.connection().prepare(&sql).map_err(LedgerError::Read)?;
        let mut rows = statement.query([]).map_err(LedgerError::Read)?;
        while let Some(row) = rows.next().map_err(LedgerError::Read)? {
            let text = |column| row.get::<_, String>(column).map_err(LedgerError::Read);
            let (id, stage, sha256) = (text(0)?, text(1)?, text(2)?);
            let unreadable = |what: &str| LedgerError::Unreadable { what: what.to_owned() };
            take(Original {
                id: id.parse().map_err(|_| unreadable("a delivery's id"))?,
                stage: serde_json::from_str(&stage).map_err(|_| unreadable("a delivery's stage"))?,
                sha256: sha256.parse().map_err(|_| unreadable("a delivery's hash"))?,
                disposed: row.get(3).map_err(LedgerError::Read)?,
                picture_disposed: row.get(4).map_err(LedgerError::Read)?,
            })?;
        }
        Ok(())
    }

    /// The deliveries that lead accepted snapshots, each with the version of its slot that it is; with `true` those whose
    /// snapshot is loaded.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn loads(&self) -> Result<BTreeMap<DeliveryId, (u32, bool)>, LedgerError> {
        let sql = "SELECT id, version, outcome = 'loaded' FROM delivery WHERE lead = id";
        let mut statement = self.reader.connection().prepare(sql).map_err(LedgerError::Read)?;
        let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, (row.get(1)?, row.get(2)?)))).map_err(LedgerError::Read)?;
        rows.map(|row| {
            let (id, loaded) = row.map_err(LedgerError::Read)?;
            Ok((id.parse().map_err(|_| LedgerError::Unreadable { what: format!("the delivery id {id}") })?, loaded))
        })
        .collect()
    }

    /// Copies the whole ledger into an empty file, which then needs no other file beside it. The caller makes it durable.
    ///
    /// # Errors
    /// It could not be read or written.
    pub fn copy_to(&self, path: &Path) -> Result<(), LedgerError> {
        let failed = |source| LedgerError::Open { path: path.to_owned(), source };
        schema::keep_to_ourselves(path).map_err(|source| LedgerError::Create { path: path.to_owned(), source })?;
        let mut copy =
            Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(failed)?;
        {
            let backup = Backup::new(self.reader.connection(), &mut copy).map_err(failed)?;
            if backup.step(-1).map_err(failed)? != StepResult::Done {
                return Err(LedgerError::Unreadable { what: "a whole copy of itself".to_owned() });
            }
        }
        copy.execute_batch("PRAGMA journal_mode = DELETE").map_err(failed)?;
        copy.close().map_err(|(_, source)| failed(source))
    }
}
