//! Room on the disk: how much is left where uploads are staged, and how much of it is kept back.
//!
//! Owns the reserve: what is left below it is for the ledger, and for judging and loading what was accepted, so an upload is
//! refused long before either is in danger. Refuses to guess: where the system does not tell, the write itself will.

use std::io;
use std::path::Path;

/// What is left on a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Bytes that bedfeed may still write.
    pub free: u64,
    /// Bytes of these that uploads may not have.
    pub reserve: u64,
}

impl Room {
    /// Asks the file system of a folder.
    ///
    /// # Errors
    /// The system refused to tell.
    pub fn of(state_dir: &Path, reserve: u64) -> io::Result<Self> {
        let told = rustix::fs::statvfs(state_dir)?;
        Ok(Self { free: told.f_bavail.saturating_mul(told.f_frsize), reserve })
    }

    /// Whether so many more bytes leave the reserve alone.
    #[must_use]
    pub fn takes(self, bytes: u64) -> bool {
        self.reserve.checked_add(bytes).is_some_and(|wanted| wanted <= self.free)
    }

    /// Whether the disk is short of room. `was`: it was so the last time; then it takes a quarter more than the reserve to
    /// end that, so that a disk at the edge is told of once. `refused`: an upload was refused meanwhile, whose own bytes
    /// are free again by now.
    #[must_use]
    pub fn is_short(self, was: bool, refused: bool) -> bool {
        refused || !self.takes(if was { self.reserve / 4 } else { 0 })
    }
}

/// Whether an upload may have so many more bytes. A file system that does not answer refuses nothing here.
pub(super) fn takes(state_dir: &Path, reserve: u64, bytes: u64) -> bool {
    match Room::of(state_dir, reserve) {
        Ok(room) => room.takes(bytes),
        Err(error) => {
            tracing::warn!(%error, "how much room is left on the disk is not known");
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_back_is_never_given_to_uploads() {
        let room = |free| Room { free, reserve: 100 };
        for (free, bytes, takes) in [(100, 0, true), (99, 0, false), (150, 50, true), (150, 51, false), (u64::MAX, u64::MAX, false)] {
            assert_eq!(room(free).takes(bytes), takes, "{free} {bytes}");
        }
        assert!(Room { free: 0, reserve: 0 }.takes(0));
    }

    #[test]
    fn a_disk_at_the_edge_is_short_of_room_once() {
        //          free, was, refused, short
        let rows = [
            (200, false, false, false),
            (99, false, false, true),
            (100, false, false, false),
            (100, true, false, true),
            (124, true, false, true),
            (125, true, false, false),
            (200, false, true, true),
        ];
        for (free, was, refused, short) in rows {
            assert_eq!(Room { free, reserve: 100 }.is_short(was, refused), short, "{free} {was} {refused}");
        }
    }

    #[test]
    fn the_file_system_is_asked() {
        let dir = tempfile::tempdir().unwrap();
        let room = Room::of(dir.path(), 7).unwrap();
        assert!(room.free > 0 && room.reserve == 7);
        assert!(Room::of(&dir.path().join("missing"), 7).is_err());
        assert!(takes(&dir.path().join("missing"), u64::MAX, 1), "the write will tell");
        assert!(!takes(dir.path(), u64::MAX, 1));
    }
}
