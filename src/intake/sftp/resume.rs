//! Resume: whether an upload goes on where an earlier try ended, or starts anew. Pure.
//!
//! Owns that decision, and what a session was told of earlier tries. Refuses to let bytes of an earlier try into a file
//! unless its sender knew of them: OPEN without truncation alone is no resume (`scp` of OpenSSH opens every file like that).

use super::limits::MAX_PARTIALS_PER_ACCOUNT;
use super::partials::{Kept, Key};

/// What becomes of an upload that was opened where an earlier try is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// It cannot be said yet.
    Later,
    /// It goes on behind the earlier bytes.
    Continue,
    /// It is a file of its own.
    Anew,
    /// It is neither: the client knows of the earlier bytes, added none, and they are not the whole file.
    Refused,
}

/// At the first WRITE: only one that starts right behind the bytes that the client was told of goes on.
pub(super) fn at_write(earlier: Kept, told: bool, offset: u64) -> Decision {
    if told && offset == earlier.length { Decision::Continue } else { Decision::Anew }
}

/// Where the client sets the size before it writes: a smaller one takes earlier bytes away, so that none of them is wanted.
pub(super) fn at_size(earlier: Kept, size: u64) -> Decision {
    if size < earlier.length { Decision::Anew } else { Decision::Later }
}

/// At CLOSE, with nothing written. A file under a temporary name may have been whole already, and is not a delivery yet.
/// One that was cut off under its final name lacks a byte at least.
pub(super) fn at_close(told: bool, temporary: bool) -> Decision {
    match (told, temporary) {
        (false, _) => Decision::Anew,
        (true, true) => Decision::Continue,
        (true, false) => Decision::Refused,
    }
}

/// The earlier tries that a session was told of, each with the length it had then.
#[derive(Debug, Default)]
pub(super) struct Told(Vec<(Key, Kept)>);

impl Told {
    /// Takes note that the client was told.
    pub(super) fn note(&mut self, key: &Key, kept: Kept) {
        if self.knows(key, kept) {
            return;
        }
        self.0.retain(|(other, _)| other != key);
        if self.0.len() >= MAX_PARTIALS_PER_ACCOUNT {
            self.0.remove(0);
        }
        self.0.push((key.clone(), kept));
    }

    /// Whether the client was told of this very try, as long as it is now.
    pub(super) fn knows(&self, key: &Key, kept: Kept) -> bool {
        self.0.iter().any(|(other, then)| other == key && (then.id, then.length) == (kept.id, kept.length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::{DeliveryId, FileName, Folder};
    use jiff::Timestamp;

    fn kept(number: u8, length: u64) -> Kept {
        Kept { id: DeliveryId::new(Timestamp::UNIX_EPOCH, [number; 10]), length, modified_at: None, closed: false }
    }

    fn key(name: &str) -> Key {
        Key { provider: "RM1".parse().unwrap(), folder: Folder::Inbox, name: FileName::parse(name.as_bytes()).unwrap() }
    }

    #[test]
    fn only_a_write_right_behind_bytes_that_the_client_was_told_of_goes_on() {
        let rows = [
            ("reput of OpenSSH, psftp, lftp, curl -C -", 100, true, 100, Decision::Continue),
            ("scp 9, which looks at nothing", 100, false, 0, Decision::Anew),
            ("a client that looked and sends all", 100, true, 0, Decision::Anew),
            ("a guess that happens to fit", 100, false, 100, Decision::Anew),
            ("behind the end", 100, true, 101, Decision::Anew),
            ("inside", 100, true, 99, Decision::Anew),
            ("nothing was there yet", 0, true, 0, Decision::Continue),
        ];
        for (what, length, told, offset, decision) in rows {
            assert_eq!(at_write(kept(1, length), told, offset), decision, "{what}");
        }
    }

    #[test]
    fn a_size_that_takes_bytes_away_starts_anew() {
        let rows = [(0, Decision::Anew), (99, Decision::Anew), (100, Decision::Later), (5000, Decision::Later)];
        for (size, decision) in rows {
            assert_eq!(at_size(kept(1, 100), size), decision, "{size}");
        }
    }

    #[test]
    fn an_end_without_a_write_is_an_empty_file_unless_the_client_knew() {
        let rows = [
            ("a new empty file", false, false, Decision::Anew),
            ("a new empty file, to be renamed", false, true, Decision::Anew),
            ("a .filepart that was whole", true, true, Decision::Continue),
            ("an upload that was cut off, and nothing to add", true, false, Decision::Refused),
        ];
        for (what, told, temporary, decision) in rows {
            assert_eq!(at_close(told, temporary), decision, "{what}");
        }
    }

    #[test]
    fn what_was_told_is_one_try_at_one_length_and_is_bounded() {
        let mut told = Told::default();
        told.note(&key("a"), kept(1, 100));
        assert!(told.knows(&key("a"), kept(1, 100)));
        assert!(!told.knows(&key("b"), kept(1, 100)));
        assert!(!told.knows(&key("a"), kept(2, 100)), "another try of the same length");
        assert!(!told.knows(&key("a"), kept(1, 101)), "somebody else went on with it");
        told.note(&key("a"), kept(2, 7));
        assert!(!told.knows(&key("a"), kept(1, 100)));
        for n in 0..100 {
            told.note(&key(&n.to_string()), kept(1, 1));
        }
        assert_eq!(told.0.len(), MAX_PARTIALS_PER_ACCOUNT);
        assert!(told.knows(&key("99"), kept(1, 1)));
    }
}
