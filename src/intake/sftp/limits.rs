//! The bounds of one connection that are not settings (P9).

use std::time::Duration;

/// Largest SFTP packet, in bytes; announced by `limits@openssh.com`.
pub(super) const MAX_PACKET_BYTES: usize = 262_144;

/// Largest read and write, in bytes. Above about 255 KiB OpenSSH 8.6 to 8.9 break.
pub(super) const MAX_DATA_BYTES: u32 = 261_120;

/// Most bytes of one READ's answer; a client may get less than it asks for.
pub(super) const MAX_READ_BYTES: usize = 32_768;

/// Bytes of answers that may wait for a client since it last made room for some. Clients make room for one or two megabytes
/// at a time, so one that reads stays below.
pub(super) const MAX_UNREAD_REPLY_BYTES: usize = 4 << 20;

/// Bytes of answers that may wait for a client on all its channels, however it makes room.
pub(super) const MAX_HELD_REPLY_BYTES: usize = 16 << 20;

/// Bytes of answers handed to the SSH library at a time.
pub(super) const REPLY_PIECE_BYTES: usize = 32_768;

/// Bytes of answers to the requests of one received chunk.
pub(super) const MAX_REPLY_BYTES_PER_CHUNK: usize = 8 << 20;

/// Uploads refused in one session that are said in the log; all are counted.
pub(super) const MAX_LOGGED_FAILURES: u32 = 10;

/// Uploads refused in one session, after which it ends: who goes on like that does not read the answers.
pub(super) const MAX_FAILURES: u32 = 1000;

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

/// Failed attempts to log in on one connection: a question without a proof, every key, a password. A key cannot be guessed, so a
/// client with many gets to its right one.
pub(super) const MAX_LOGIN_ATTEMPTS: usize = 22;

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

/// Files under temporary names, and uploads that were cut off, kept for one account.
pub(super) const MAX_PARTIALS_PER_ACCOUNT: usize = 16;

/// How many allowed files' bytes the partials of one account may have together.
pub(super) const PARTIAL_BYTES_FACTOR: u64 = 2;

/// Names of one account of which the endpoint knows more than the ledger does. A listing has at most 800.
pub(super) const MAX_RECENT_PER_ACCOUNT: usize = 1024;

/// How long a file under a temporary name waits for its rename, or an upload that was cut off for its resumption.
pub(super) const PARTIAL_LIFETIME: Duration = Duration::from_secs(3600);

/// How long open uploads may go on after the daemon was told to stop.
pub(super) const DRAIN_LIMIT: Duration = Duration::from_secs(20);

/// How long a connection has to log in before a newer one may take its place, where all are taken.
pub(super) const CROWDED_AFTER: Duration = Duration::from_secs(1);

/// How long an upload may stand still before its connection has to make way for a newer one of its account.
pub(super) const STALLED_AFTER: Duration = Duration::from_secs(30);

/// How long a client has to take its leave that has not logged in.
pub(super) const SHORT_GOODBYE_LIMIT: Duration = Duration::from_millis(200);

/// How long a client has to take its leave once it was told to.
pub(super) const GOODBYE_LIMIT: Duration = Duration::from_secs(2);
