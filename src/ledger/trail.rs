//! What is asked of the trail before more is written into it: so that nothing is recorded twice, and a change is told from what
//! was there before.

use super::LedgerError;
use super::read::Reader;
use crate::feed::{DeliveryId, Digest, ProviderCode, Slot};
use rusqlite::{OptionalExtension, params};
use std::collections::BTreeMap;

/// Most snapshots of one slot that stand: more than one is left by a crash or an earlier version.
const MOST_LEADS: u32 = 1_000;

impl Reader {
    /// The files of the settings that were last recorded, with their hashes.
    ///
    /// # Errors
    /// The query failed.
    pub fn settings_files(&self) -> Result<BTreeMap<String, Digest>, LedgerError> {
        let rows = self.all("SELECT name, sha256 FROM settings_file", [], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))?;
        let read = |(name, hash): (String, String)| Ok((name, hash.parse().map_err(|what| LedgerError::Unreadable { what })?));
        rows.into_iter().map(read).collect()
    }

    /// The fingerprint of the settings that were last recorded.
    ///
    /// # Errors
    /// The query failed.
    pub fn settings_fingerprint(&self) -> Result<Option<String>, LedgerError> {
        let sql = "SELECT json_extract(body, '$.settings') FROM entry
                   WHERE delivery IS NULL AND body LIKE '{\"event\":\"started\"%' ORDER BY seq DESC LIMIT 1";
        self.connection().query_row(sql, [], |row| row.get(0)).optional().map_err(LedgerError::Read)
    }

    /// The deliveries that lead snapshots of a feed's slot which are loaded and not superseded: one at most, unless a crash came.
    ///
    /// # Errors
    /// The query failed.
    pub fn standing_leads(&self, provider: &ProviderCode, slot: Slot) -> Result<Vec<DeliveryId>, LedgerError> {
        let ids = self.all(
            "SELECT id FROM delivery WHERE provider = ?1 AND slot = ?2 AND lead = id AND outcome = 'loaded'
             AND NOT EXISTS (SELECT 1 FROM entry WHERE entry.delivery = id AND json_extract(body, '$.event') = 'superseded' AND seq >
               (SELECT max(seq) FROM entry WHERE entry.delivery = id AND json_extract(body, '$.event') = 'moved'))
             ORDER BY version LIMIT ?3",
            params![provider.as_str(), slot.to_string(), MOST_LEADS],
            |row| row.get::<_, String>(0),
        )?;
        ids.iter().map(|id| id.parse().map_err(|_| LedgerError::Unreadable { what: format!("the delivery id {id}") })).collect()
    }

    /// Whether its sender fetched a delivery's receipt since it stands where it stands.
    ///
    /// # Errors
    /// The query failed.
    pub fn receipt_was_read(&self, delivery: DeliveryId) -> Result<bool, LedgerError> {
        let newest: Option<String> = self
            .connection()
            .query_row(
                "SELECT json_extract(body, '$.event') FROM entry
                 WHERE delivery = ?1 AND json_extract(body, '$.event') IN ('accepted', 'moved', 'receipt_read') ORDER BY seq DESC LIMIT 1",
                [delivery.to_string()],
                |row| row.get(0),
            )
            .optional()
            .map_err(LedgerError::Read)?;
        Ok(newest.as_deref() == Some("receipt_read"))
    }
}
