//! Retention: for how long things are kept, as settings; and deleting originals for good.
//!
//! Owns the lengths, and the order of durable steps in which bytes go. Refuses to decide what goes.

use super::{CHECKS, DELIVERIES, QUARANTINE, Store, StoreError, seal};
use crate::fault::{self, Step};
use crate::feed::DeliveryId;
use jiff::{SignedDuration, Timestamp};
use std::fs::File;
use std::io;
use std::path::Path;

/// `[retention]`: for how long things are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Accepted originals, in days. Default 30.
    pub raw_days: u32,
    /// Quarantined originals, in days. Default 30.
    pub quarantine_days: u32,
    /// Pictures of tests, in days. Default 7.
    pub checks_days: u32,
    /// Lines in the warehouse, in days. Default 90.
    pub row_days: u32,
    /// Sums by ward and findings in the warehouse, in days. Default 400.
    pub sum_days: u32,
    /// The audit trail, in years; at least 6. Default 6.
    pub audit_years: u32,
}

/// Source: Records Management Code; raw files 7 to 30 days, row-level facts 90 days, ward aggregates 13 months, audit six years or
/// more. A test's picture is shown to its sender for two days.
impl Default for Retention {
    fn default() -> Self {
        Self { raw_days: 30, quarantine_days: 30, checks_days: 7, row_days: 90, sum_days: 400, audit_years: 6 }
    }
}

/// The instant so many days before another.
#[must_use]
pub fn days_before(now: Timestamp, days: u32) -> Timestamp {
    now.saturating_sub(SignedDuration::from_hours(24 * i64::from(days))).unwrap_or(Timestamp::MIN)
}

impl Store {
    /// How many bytes are kept of a delivery, wherever they are; `None` where there are none.
    ///
    /// # Errors
    /// The system refused to tell.
    pub fn kept_bytes(&self, delivery: DeliveryId) -> Result<Option<u64>, StoreError> {
        let aside = self.set_aside(delivery);
        let mut kept = None;
        for path in [self.accepted(delivery), aside.with_extension(seal::ENDING), aside] {
            match std::fs::metadata(path) {
                Ok(file) => kept = Some(kept.unwrap_or(0_u64).saturating_add(file.len())),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(StoreError { doing: "look for", delivery, source }),
            }
        }
        Ok(kept)
    }

    /// Deletes the originals of these deliveries, and what was kept beside them; what was set aside is overwritten first. Fine
    /// where they are gone. Nothing of them comes back after a power cut once this is `Ok`.
    ///
    /// # Errors
    /// The system refused; some of them may be gone.
    pub fn dispose(&self, deliveries: &[DeliveryId]) -> Result<(), StoreError> {
        for delivery in deliveries {
            self.dispose_one(*delivery).map_err(|source| StoreError { doing: "delete", delivery: *delivery, source })?;
        }
        self.sync_folders(&[DELIVERIES, QUARANTINE], deliveries)
    }

    /// The same for the pictures of tests.
    ///
    /// # Errors
    /// The system refused; some of them may be gone.
    pub fn dispose_pictures(&self, deliveries: &[DeliveryId]) -> Result<(), StoreError> {
        for delivery in deliveries {
            let path = self.picture_path(*delivery);
            fault::around(Step::DisposalPicture, || gone(std::fs::remove_file(path))).map_err(|source| StoreError {
                doing: "delete",
                delivery: *delivery,
                source,
            })?;
        }
        self.sync_folders(&[CHECKS], deliveries)
    }

    fn dispose_one(&self, delivery: DeliveryId) -> io::Result<()> {
        let _moving = self.one_at_a_time();
        fault::around(Step::DisposalOriginal, || gone(std::fs::remove_file(self.accepted(delivery))))?;
        let aside = self.set_aside(delivery);
        // Findings and all: the ledger has them, and what is in quarantine/ is in quarantine.
        match aside.parent() {
            Some(folder) if folder.try_exists()? => {
                seal::purge([&aside, &aside], &aside)?;
                fault::around(Step::DisposalAside, || gone(std::fs::remove_dir_all(folder)))
            }
            _ => Ok(()),
        }
    }

    /// Makes removals durable, once for all of them.
    fn sync_folders(&self, folders: &[&str], deliveries: &[DeliveryId]) -> Result<(), StoreError> {
        let Some(delivery) = deliveries.first().copied() else { return Ok(()) };
        let sync_all = || folders.iter().try_for_each(|folder| sync(&self.state_dir.join(folder)));
        fault::around(Step::DisposalFolders, sync_all).map_err(|source| StoreError { doing: "delete", delivery, source })
    }
}

fn sync(folder: &Path) -> io::Result<()> {
    match File::open(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        opened => opened?.sync_all(),
    }
}

fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quarantine::Place;

    #[test]
    fn everything_of_a_delivery_goes_wherever_it_is_and_nothing_of_its_neighbour() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path());
        std::fs::create_dir_all(dir.path().join(DELIVERIES)).unwrap();
        let id = |number| DeliveryId::new("2018-12-03T10:15:00Z".parse().unwrap(), [number; 10]);
        for number in 1..=3 {
            std::fs::write(store.accepted(id(number)), b"bytes").unwrap();
            store.keep_picture(id(number), "picture").unwrap();
        }
        store.settle(id(2), Place::Quarantine { sealed: true }, None).unwrap();
        assert_eq!([1, 2, 9].map(|number| store.kept_bytes(id(number)).unwrap()), [Some(5), Some(5), None]);
        for _ in 0..2 {
            store.dispose(&[id(1), id(2), id(9)]).unwrap();
            assert_eq!([1, 2, 3].map(|number| store.kept_bytes(id(number)).unwrap()), [None, None, Some(5)]);
            assert!(store.quarantined_ids().unwrap().is_empty());
            store.dispose_pictures(&[id(1), id(2)]).unwrap();
            assert_eq!(store.pictured_ids().unwrap(), [id(3)]);
        }
    }
}
