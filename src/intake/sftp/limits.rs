//! The bounds of one connection that are not settings (P9).

use std::time::Duration;

/// Largest SFTP packet, in bytes; announced by `limits@openssh.com`.
pub(super) const MAX_PACKET_BYTES: usize = 262_144;

/// Largest read and write, in bytes. Above about 255 KiB OpenSSH 8.6 to 8.9 break.
pub(super) const MAX_DATA_BYTES: u32 = 261_120;

/// Most bytes of one READ's answer; a client may get less than it asks for.
pub(super) const MAX_READ_BYTES: usize = 32_768;

/// Bytes of answers that may wait for a client that does not read them.
pub(super) const MAX_UNREAD_REPLY_BYTES: usize = 1 << 20;

/// Bytes of answers to the requests of one received chunk.
pub(super) const MAX_REPLY_BYTES_PER_CHUNK: usize = 8 << 20;

/// Folders and receipts open at once in one session.
pub(super) const MAX_OPEN_VIEWS: usize = 32;

/// Entries in one answer to READDIR.
pub(super) const NAMES_PER_REPLY: usize = 64;

/// Longest path, in bytes.
pub(super) const MAX_PATH_BYTES: usize = 4096;

/// Channels open at once on one connection; rclone opens seven in a row.
pub(super) const MAX_CHANNELS: usize = 10;

/// Keys a client may offer on one connection, right or wrong.
pub(super) const MAX_KEY_OFFERS: u32 = 20;

/// Failed attempts to log in on one connection.
pub(super) const MAX_LOGIN_ATTEMPTS: usize = 6;

/// Passwords looked at on one connection. Jobs do not guess; a person connects again.
pub(super) const MAX_PASSWORD_TRIES: u32 = 1;

/// Longest password that is looked at, in bytes.
pub(super) const MAX_PASSWORD_BYTES: usize = 1024;

/// Shortest RSA key taken, in bits; the same bound holds for keys in the settings.
pub(super) const MIN_RSA_BITS: u32 = 2048;

/// Longest RSA key taken, in bits: where there are authorities, strangers decide whose signatures we verify.
pub(super) const MAX_RSA_BITS: u32 = 8192;

/// Longest name of a certificate that is kept, in characters.
pub(super) const MAX_KEY_ID_CHARS: usize = 80;

/// How often a login is looked at again although nothing in the settings changed: days pass, and with them agreements.
pub(super) const LOGIN_REVIEW: Duration = Duration::from_secs(60);

/// An account's files open for upload at once, as a multiple of what one session may have: a bound on what is staged.
pub(super) const OPEN_FILES_FACTOR: usize = 4;

/// Files under temporary names kept for one account.
pub(super) const MAX_PARTIALS_PER_ACCOUNT: usize = 16;

/// How long a file under a temporary name waits for its rename.
pub(super) const PARTIAL_LIFETIME: Duration = Duration::from_secs(3600);

/// How long open uploads may go on after the daemon was told to stop.
pub(super) const DRAIN_LIMIT: Duration = Duration::from_secs(20);

/// How long a client has to take its leave once it was told to.
pub(super) const GOODBYE_LIMIT: Duration = Duration::from_secs(2);
