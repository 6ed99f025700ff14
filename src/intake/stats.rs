//! Counters of the SFTP endpoint, for health. They only grow, and start from zero with the process.

use super::sftp::{Closing, Refusal};
use std::sync::atomic::{AtomicU64, Ordering};

/// What the SFTP endpoint has done since it started.
#[derive(Debug, Default)]
pub struct Counters {
    /// Connections accepted.
    pub(super) connections: AtomicU64,
    /// Connections turned away because too many were open.
    pub(super) turned_away: AtomicU64,
    /// Connections that are open now.
    pub(super) open: AtomicU64,
    /// Connections that are open now and have logged in.
    pub(super) logged_in: AtomicU64,
    /// Logins that worked.
    pub(super) logins: AtomicU64,
    /// Logins refused, in the order of [`Refusal::ALL`].
    refused: [AtomicU64; Refusal::ALL.len()],
    /// Connections that ended, in the order of [`Closing::ALL`].
    closed: [AtomicU64; Closing::ALL.len()],
    /// Addresses that are turned away now.
    pub(super) penalised_sources: AtomicU64,
    /// Uploads acknowledged.
    pub(super) accepted: AtomicU64,
    /// Uploads that were not acknowledged: too large, incomplete, cut off, or not to be stored.
    pub(super) failed: AtomicU64,
    /// Of these, uploads for which there was no room on the disk.
    pub(super) no_room: AtomicU64,
    /// Bytes of acknowledged uploads.
    pub(super) bytes: AtomicU64,
}

/// The counters at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Connections accepted.
    pub connections: u64,
    /// Connections turned away because too many were open.
    pub turned_away: u64,
    /// Connections that are open now.
    pub open: u64,
    /// Connections that are open now and have not logged in.
    pub waiting: u64,
    /// Logins that worked.
    pub logins: u64,
    /// Logins refused, by reason.
    pub refused: Vec<(&'static str, u64)>,
    /// Connections that ended, by reason.
    pub closed: Vec<(&'static str, u64)>,
    /// Addresses that are turned away for a while, because everything from them failed. Those whose time
    /// is over are taken off once a minute.
    pub penalised_sources: u64,
    /// Uploads acknowledged.
    pub accepted: u64,
    /// Uploads that were not acknowledged.
    pub failed: u64,
    /// Of these, uploads for which there was no room on the disk.
    pub no_room: u64,
    /// Bytes of acknowledged uploads.
    pub bytes: u64,
}

impl Counters {
    /// Reads every counter.
    #[must_use]
    pub fn read(&self) -> Counts {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            connections: get(&self.connections),
            turned_away: get(&self.turned_away),
            open: get(&self.open),
            // The two are not read in one instant; a moment's mismatch must not show as a huge number.
            waiting: get(&self.open).saturating_sub(get(&self.logged_in)),
            logins: get(&self.logins),
            refused: Refusal::ALL.iter().map(|refusal| refusal.as_str()).zip(self.refused.iter().map(get)).collect(),
            closed: Closing::ALL.iter().map(|closing| closing.as_str()).zip(self.closed.iter().map(get)).collect(),
            penalised_sources: get(&self.penalised_sources),
            accepted: get(&self.accepted),
            failed: get(&self.failed),
            no_room: get(&self.no_room),
            bytes: get(&self.bytes),
        }
    }

    pub(super) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_closing(&self, closing: Closing) {
        for (_, counter) in Closing::ALL.iter().zip(&self.closed).filter(|(reason, _)| **reason == closing) {
            Self::count(counter);
        }
    }

    pub(super) fn count_refusal(&self, refusal: Refusal) {
        for (_, counter) in Refusal::ALL.iter().zip(&self.refused).filter(|(reason, _)| **reason == refusal) {
            Self::count(counter);
        }
    }
}
