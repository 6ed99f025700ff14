//! Intake: bytes from outside become a durable delivery, or leave no trace.
//!
//! Owns the SFTP endpoint, the virtual folders and landing. Refuses to look inside a file, and to answer CLOSE before
//! [`Gate::accept`] has returned.

#[doc(hidden)]
pub mod by_hand;
mod coverage;
mod host_keys;
mod landing;
mod room;
mod sftp;
mod stats;

pub use host_keys::{HostKeyError, HostKeys};
pub use landing::clear_uploads;
pub use room::Room;
#[cfg(fuzzing)]
pub use sftp::fuzzing;
pub use sftp::{BadPasswordHash, Closing, Context, Next, Past, Refusal, ServeError, check_password_hash, serve};
pub use stats::{Counters, Counts};

use crate::feed::{ClientSeen, Delivery, FileName, Folder, ProviderCode, Term, TermOf};
use jiff::Timestamp;
use jiff::civil::Date;
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

/// A delivery whose bytes and name are on stable storage at `deliveries/<id>`. Made only by landing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Landed {
    delivery: Delivery,
}

impl Landed {
    /// What landed.
    #[must_use]
    pub fn delivery(&self) -> &Delivery {
        &self.delivery
    }
}

/// Why a landed delivery was not accepted; the text is for our log, the sender gets a plain "try again".
#[derive(Debug, thiserror::Error)]
#[error("the delivery could not be recorded")]
pub struct NotAccepted(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// A future that an object-safe trait can return.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What intake needs of the rest of the house; made in `service`.
pub trait Gate: Send + Sync {
    /// Records a delivery durably. CLOSE is answered OK only after this has returned `Ok` (P1). After `Err` the sender is told
    /// to send again; the object stays where it is, because a failed commit may still turn out to be recorded: whoever reads
    /// the ledger at the next start removes objects that it does not know.
    fn accept(&self, landed: Landed) -> Pending<'_, Result<(), NotAccepted>>;

    /// Notes an upload that was not taken, for its sender and for support. Returns at once.
    fn refused(&self, refused: Refused);

    /// Notes that somebody came to an account, and whether the login worked. Returns at once; a gate that keeps no evidence ignores it.
    fn knocked(&self, knock: Knock) {
        drop(knock);
    }

    /// What a provider sees in one of its folders: accepted files of the last day at least, or receipts. Newest name first;
    /// bounded.
    fn list(&self, provider: ProviderCode, shelf: Shelf) -> Pending<'_, Vec<Item>>;

    /// One entry by name: the newest of that name. Knows a file as soon as `accept` has returned `Ok`, because clients look
    /// for it right after their upload, and keeps knowing it for a day at least.
    fn find(&self, provider: ProviderCode, shelf: Shelf, name: String) -> Pending<'_, Option<Item>>;

    /// A receipt, with its bytes.
    fn receipt(&self, provider: ProviderCode, name: String) -> Pending<'_, Option<(Item, Vec<u8>)>>;

    /// Notes what a client that logged in showed of itself. A login neither waits for it nor fails by it; a gate that keeps
    /// no evidence ignores it.
    fn seen(&self, client: ClientSeen) -> Pending<'_, ()> {
        drop(client);
        Box::pin(async {})
    }
}

/// A login to a provider's account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Knock {
    /// Whose account.
    pub provider: ProviderCode,
    /// With what: a key's fingerprint, or another word for the proof.
    pub with: String,
    /// When.
    pub at: Timestamp,
    /// Why it was refused, in a few words; `None` where it worked.
    pub refused: Option<&'static str>,
}

/// An upload that did not become a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Whose.
    pub provider: ProviderCode,
    /// Where it was to go.
    pub folder: Folder,
    /// Its name.
    pub name: FileName,
    /// What its sender was answered, in a sentence without its full stop.
    pub why: String,
    /// When.
    pub at: Timestamp,
}

/// A virtual folder's contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shelf {
    /// Files accepted into a folder.
    Accepted(Folder),
    /// Receipts.
    Receipts,
}

/// One entry of a virtual folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its name.
    pub name: FileName,
    /// Its exact size in bytes.
    pub bytes: u64,
    /// Its modification time.
    pub modified_at: Timestamp,
}

/// Who may log in, from the providers' settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accounts {
    /// One for each provider.
    pub accounts: Vec<Account>,
    /// Whose signature on a key stands for the key itself, and which keys are trusted no longer.
    pub trust: Trust,
}

/// What is trusted or no longer trusted for every account: `[[sftp.user_ca]]` and `revoked_keys` in `[sftp]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// Authorities that may sign OpenSSH user certificates.
    pub user_cas: Vec<UserCa>,
    /// SHA-256 fingerprints, `SHA256:…`, of keys that are refused: on their own, in a certificate, or as an authority.
    pub revoked_keys: Vec<String>,
}

/// An authority that signs OpenSSH user certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserCa {
    /// What it is called in logs and with the deliveries.
    pub name: String,
    /// Its public key in OpenSSH form, without a comment.
    pub public_key: String,
}

/// One provider's account. Its user name is the provider's code; letter case is ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Whose.
    pub provider: ProviderCode,
    /// Keys that may log in.
    pub keys: Vec<AccountKey>,
    /// Networks it may come from, as CIDR; empty: any.
    pub networks: Vec<Network>,
    /// Last day of the sharing agreement; logins are refused after it.
    pub agreement_ends: Option<Date>,
    /// Largest upload in bytes.
    pub max_file_bytes: u64,
    /// The password it may log in with instead of a key; `None`: it has none, which is the rule.
    pub password: Option<AccountPassword>,
    /// How much it may send.
    pub quota: Quota,
}

/// A password that may be used to log in, from the account's networks only.
#[derive(Clone, PartialEq, Eq)]
pub struct AccountPassword {
    /// Whose it is.
    pub owner: String,
    /// Its Argon2id hash as a PHC string: `$argon2id$v=19$m=…`.
    pub hash: String,
    /// First day it is no longer accepted; `None`: no end.
    pub expires: Option<Date>,
}

/// Leaves the hash out: what can be guessed against does not belong in a log.
impl std::fmt::Debug for AccountPassword {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccountPassword").field("owner", &self.owner).field("expires", &self.expires).finish_non_exhaustive()
    }
}

/// How many bytes an account may send; in `[limits]` of the provider's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Bytes received in any 60 minutes. Default: a hundred of the largest files, a day's worth sent again after an outage.
    pub max_bytes_per_hour: u64,
    /// Bytes of open uploads and of files under temporary names at once. Default: sixteen of the largest files.
    pub max_staged_bytes: u64,
}

impl Quota {
    /// The defaults for an account whose largest file has so many bytes.
    #[must_use]
    pub fn for_files_of(max_file_bytes: u64) -> Self {
        Self { max_bytes_per_hour: max_file_bytes.saturating_mul(100), max_staged_bytes: max_file_bytes.saturating_mul(16) }
    }
}

/// A key that may log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountKey {
    /// Whose it is.
    pub owner: String,
    /// The public key in OpenSSH form, without a comment: `ssh-ed25519 AAAA…`.
    pub public_key: String,
    /// First day it is no longer accepted; `None`: no end.
    pub expires: Option<Date>,
}

impl AccountKey {
    /// The key's fingerprint as OpenSSH shows it, `SHA256:…`; `None` where the text is no key, which the settings refuse.
    #[must_use]
    pub fn fingerprint(&self) -> Option<String> {
        let key = russh::keys::PublicKey::from_openssh(&self.public_key).ok()?;
        Some(key.fingerprint(russh::keys::HashAlg::Sha256).to_string())
    }
}

impl Account {
    /// What of this account ends on a day.
    #[must_use]
    pub fn terms(&self) -> Vec<Term> {
        let term = |what, ends| Term { provider: self.provider.clone(), what, ends };
        let keys = self.keys.iter().filter_map(|key| {
            let (fingerprint, ends) = (key.fingerprint()?, key.expires?);
            Some(term(TermOf::Key { owner: key.owner.clone(), fingerprint }, ends))
        });
        let password = self.password.as_ref().and_then(|password| Some((password.owner.clone(), password.expires?)));
        let password = password.map(|(owner, ends)| term(TermOf::Password { owner }, ends));
        // The settings name the agreement's last day; what follows is the first day without it.
        let agreement = self.agreement_ends.and_then(|last| last.tomorrow().ok()).map(|ends| term(TermOf::Agreement, ends));
        keys.chain(password).chain(agreement).collect()
    }
}

/// A network in CIDR form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its address.
    pub address: std::net::IpAddr,
    /// How many leading bits count.
    pub prefix: u8,
}

impl Network {
    /// Whether an address lies in the network. An IPv4 address mapped into IPv6 counts as the IPv4 address.
    #[must_use]
    pub fn contains(&self, address: std::net::IpAddr) -> bool {
        use std::net::IpAddr;
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(ip)) => {
                let shift = 32_u32.saturating_sub(u32::from(self.prefix));
                u32::from(net).checked_shr(shift).unwrap_or(0) == u32::from(ip).checked_shr(shift).unwrap_or(0)
            }
            (IpAddr::V6(net), IpAddr::V6(ip)) => {
                let shift = 128_u32.saturating_sub(u32::from(self.prefix));
                u128::from(net).checked_shr(shift).unwrap_or(0) == u128::from(ip).checked_shr(shift).unwrap_or(0)
            }
            _ => false,
        }
    }
}

/// `[sftp]` in the settings; the keys have the same names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Addresses to listen on. Default `[::]:2222`.
    pub listen: Vec<SocketAddr>,
    /// Folder of the host keys; an Ed25519 key is made there at the first start. Relative to the state folder.
    pub host_keys: PathBuf,
    /// How long a connection may take to log in. Default 30 s.
    pub login_grace: Duration,
    /// How long a session may be silent. Default 10 min.
    pub idle_timeout: Duration,
    /// Connections at once, in all. Default 256.
    pub max_connections: usize,
    /// Connections at once from one address, logged in or not; four times that from a known one (inside a provider's
    /// networks, or logged in from within a day). Default 64.
    pub max_connections_per_source: usize,
    /// Connections at once of one account. Default 32.
    pub max_connections_per_account: usize,
    /// Connections at once, in all, that have not logged in; known addresses may use the rest of `max_connections`. Default 64.
    pub max_unauthenticated: usize,
    /// Connections at once from one address that have not logged in; four times that from a known one. Default 8.
    pub max_unauthenticated_per_source: usize,
    /// New connections a second from one address, and as many in one burst; ten times that from a known one. Default 10.
    pub connection_rate: u32,
    /// Whether addresses that only fail are turned away for a while, and wrong passwords are answered more and more slowly.
    /// Default yes.
    pub penalties: bool,
    /// Files open for upload at once in one session. Default 16.
    pub max_open_files: usize,
    /// Bytes on the disk of the state folder that uploads may not have. Default 256 MiB.
    pub reserve_bytes: u64,
    /// Whether older clients (Debian 12's curl, JSch 0.1, appliances) may use ECDH P-256, Diffie-Hellman with SHA-2 and
    /// plain SHA-2 MACs. JSch also needs an ECDSA key in the host key folder. SHA-1 is never offered. Default no.
    pub compatibility: bool,
    /// Whether only the post-quantum hybrid key exchange (ML-KEM 768 with X25519) is offered. Clients without it, such as
    /// OpenSSH before 9.9, cannot connect then. Not together with `compatibility`. Default no.
    pub post_quantum_only: bool,
    /// Bytes in one direction after which session keys are renewed. Default 1 GiB, which is also the most (RFC 4253,
    /// section 9).
    pub rekey_bytes: u64,
    /// Time after which session keys are renewed. Default 1 h (RFC 4253, section 9).
    pub rekey_time: Duration,
    /// Addresses that serve with the keys of `next_host_keys` while senders move from one host key to the next. Default none.
    pub next_listen: Vec<SocketAddr>,
    /// Folder of the next host keys; an Ed25519 key is made there where `next_listen` is set. Relative to the state folder.
    pub next_host_keys: PathBuf,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, 2222))],
            host_keys: PathBuf::from("host_keys"),
            login_grace: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(600),
            max_connections: 256,
            max_connections_per_source: 64,
            max_connections_per_account: 32,
            max_unauthenticated: 64,
            max_unauthenticated_per_source: 8,
            connection_rate: 10,
            penalties: true,
            max_open_files: 16,
            reserve_bytes: 256 << 20,
            compatibility: false,
            post_quantum_only: false,
            rekey_bytes: 1 << 30,
            rekey_time: Duration::from_secs(3600),
            next_listen: Vec::new(),
            next_host_keys: PathBuf::from("next_host_keys"),
        }
    }
}
