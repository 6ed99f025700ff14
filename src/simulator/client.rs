//! The client: uploads as a provider's own job would, over real SSH and SFTP.
//!
//! Owns one connection with one account. Refuses to take an upload for done before the server has confirmed the close, and
//! to talk to a server whose key is not the expected one.

use russh::client::{self, Handle};
use russh::keys::{HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate};
use russh_sftp::client::SftpSession;
use russh_sftp::client::error::Error as SftpError;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Largest file that [`Uploader::get`] reads: receipts are far smaller.
pub const MAX_GET_BYTES: u64 = 4 * 1024 * 1024;

/// How long one call may take; a loaded server that makes a large upload durable needs some of it.
const CALL_LIMIT: Duration = Duration::from_secs(60);
/// The same in seconds, for the library's own limit on each answer.
const ANSWER_LIMIT_SECONDS: u64 = 60;

/// Which server to trust.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostKey {
    /// The one whose key has this SHA-256 fingerprint, as in `SHA256:…`.
    Fingerprint(String),
    /// Any on this machine. Another address is refused.
    AnyOnLoopback,
}

/// One entry of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Its size in bytes, where the server tells.
    pub bytes: Option<u64>,
}

/// Why a call failed. Each says what was being done.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// The private key file.
    #[error("cannot read the private key {}", path.display())]
    Key {
        /// Where it should be.
        path: PathBuf,
        /// Why.
        #[source]
        source: russh::keys::Error,
    },
    /// [`HostKey::AnyOnLoopback`] with an address elsewhere.
    #[error("{0} is not on this machine: give the fingerprint of its host key")]
    NotLoopback(SocketAddr),
    /// The server showed another key than the expected one.
    #[error("the server at {address} has the host key {found}, not {expected}")]
    WrongHostKey {
        /// The server.
        address: SocketAddr,
        /// Its key's fingerprint.
        found: String,
        /// What was expected.
        expected: String,
    },
    /// No connection, or it broke.
    #[error("cannot talk to {address}")]
    Ssh {
        /// The server.
        address: SocketAddr,
        /// Why.
        #[source]
        source: russh::Error,
    },
    /// The server does not take the key for this account.
    #[error("{address} refuses to log in {user}")]
    Refused {
        /// The server.
        address: SocketAddr,
        /// The account.
        user: String,
    },
    /// A request about a path was refused or broke.
    #[error("cannot {doing} {path}")]
    Sftp {
        /// What was asked for, such as `close`.
        doing: &'static str,
        /// The path.
        path: String,
        /// What the server said.
        #[source]
        source: SftpError,
    },
    /// A file is larger than [`MAX_GET_BYTES`].
    #[error("{0} is larger than {MAX_GET_BYTES} bytes")]
    TooLarge(String),
    /// No answer in time.
    #[error("no answer within {} s while trying to {doing} {path}", CALL_LIMIT.as_secs())]
    TimedOut {
        /// What was asked for.
        doing: &'static str,
        /// The path, or the address.
        path: String,
    },
}

/// One connection, logged in.
pub struct Uploader {
    address: SocketAddr,
    connection: Handle<Trust>,
    sftp: SftpSession,
}

/// A new key pair in OpenSSH's forms.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// The private half, as `ssh-keygen` writes it.
    pub private: String,
    /// The public half, without a comment.
    pub public: String,
}

/// Makes an Ed25519 key pair for a simulated provider.
///
/// # Errors
/// Where the key has no OpenSSH form, which it always has.
pub fn make_key() -> Result<NewKey, ssh_key::Error> {
    let key = PrivateKey::random(&mut russh::keys::key::safe_rng(), russh::keys::Algorithm::Ed25519)?;
    let private = key.to_openssh(ssh_key::LineEnding::LF)?.to_string();
    Ok(NewKey { private, public: key.public_key().to_openssh()? })
}

/// Reads a private key in OpenSSH form, without a passphrase.
///
/// # Errors
/// Fails where the file cannot be read or is not such a key.
pub fn load_key(path: &Path) -> Result<PrivateKey, UploadError> {
    russh::keys::load_secret_key(path, None).map_err(|source| UploadError::Key { path: path.to_owned(), source })
}

impl Uploader {
    /// Connects, checks the host key, logs in and opens SFTP.
    ///
    /// # Errors
    /// Fails where the server cannot be reached or is not the expected one, and where it refuses the key.
    pub async fn connect(address: SocketAddr, user: &str, key: PrivateKey, host_key: &HostKey) -> Result<Self, UploadError> {
        if *host_key == HostKey::AnyOnLoopback && !address.ip().to_canonical().is_loopback() {
            return Err(UploadError::NotLoopback(address));
        }
        within("connect to", &address.to_string(), Self::log_in(address, user, key, host_key)).await
    }

    async fn log_in(address: SocketAddr, user: &str, key: PrivateKey, host_key: &HostKey) -> Result<Self, UploadError> {
        let ssh = |source| UploadError::Ssh { address, source };
        let settings = client::Config { nodelay: true, ..client::Config::default() };
        let trust = Trust { address, expected: host_key.clone() };
        let mut connection = client::connect(Arc::new(settings), address, trust).await.map_err(|error| error.at(address))?;
        let hash = if key.algorithm().is_rsa() { connection.best_supported_rsa_hash().await.map_err(ssh)?.flatten() } else { None };
        let key = PrivateKeyWithHashAlg::new(Arc::new(key), hash);
        if !connection.authenticate_publickey(user, key).await.map_err(ssh)?.success() {
            return Err(UploadError::Refused { address, user: user.to_owned() });
        }
        let channel = connection.channel_open_session().await.map_err(ssh)?;
        channel.request_subsystem(true, "sftp").await.map_err(ssh)?;
        let sftp = SftpSession::new(channel.into_stream()).await.map_err(sftp("start", "sftp"))?;
        sftp.set_timeout(ANSWER_LIMIT_SECONDS);
        Ok(Self { address, connection, sftp })
    }

    /// Writes a file into a folder. Returns only when the server has confirmed the close: that is its receipt (P1).
    ///
    /// # Errors
    /// Fails where the server refuses to open, write or close. The file is then not delivered as far as anybody knows.
    pub async fn put(&self, folder: &str, name: &str, bytes: &[u8]) -> Result<(), UploadError> {
        let path = format!("{}/{name}", folder.trim_end_matches('/'));
        within("put", &path, async {
            let mut file = self.sftp.create(path.as_str()).await.map_err(sftp("open", &path))?;
            file.write_all(bytes).await.map_err(broken("write", &path))?;
            file.close().await.map_err(broken("close", &path))
        })
        .await
    }

    /// Writes a file under a temporary name and renames it when it is whole, as careful clients do. The name that comes last
    /// is the delivery.
    ///
    /// # Errors
    /// Fails where [`Uploader::put`] does, and where the server refuses the rename.
    pub async fn put_then_rename(&self, folder: &str, name: &str, bytes: &[u8]) -> Result<(), UploadError> {
        let temporary = format!("{name}.filepart");
        self.put(folder, &temporary, bytes).await?;
        let folder = folder.trim_end_matches('/');
        let (from, to) = (format!("{folder}/{temporary}"), format!("{folder}/{name}"));
        within("rename", &from, async { self.sftp.rename(from.as_str(), to).await.map_err(sftp("rename", &from)) }).await
    }

    /// Reads a whole file.
    ///
    /// # Errors
    /// Fails where there is none, it cannot be read, or it is larger than [`MAX_GET_BYTES`].
    pub async fn get(&self, path: &str) -> Result<Vec<u8>, UploadError> {
        within("get", path, async {
            let mut file = self.sftp.open(path).await.map_err(sftp("open", path))?;
            let mut bytes = Vec::new();
            let read = (&mut file).take(MAX_GET_BYTES + 1).read_to_end(&mut bytes).await.map_err(broken("read", path))?;
            file.close().await.map_err(broken("close", path))?;
            if u64::try_from(read).is_ok_and(|read| read <= MAX_GET_BYTES) {
                Ok(bytes)
            } else {
                Err(UploadError::TooLarge(path.to_owned()))
            }
        })
        .await
    }

    /// Lists a folder by name.
    ///
    /// # Errors
    /// Fails where there is no such folder.
    pub async fn list(&self, path: &str) -> Result<Vec<Listed>, UploadError> {
        let entries = within("list", path, async { self.sftp.read_dir(path).await.map_err(sftp("list", path)) }).await?;
        let mut listed: Vec<Listed> = entries.map(|entry| Listed { name: entry.file_name(), bytes: entry.metadata().size }).collect();
        listed.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(listed)
    }

    /// Says goodbye and ends the connection.
    ///
    /// # Errors
    /// Fails where the connection is already broken; there is nothing more to do about it.
    pub async fn close(self) -> Result<(), UploadError> {
        let path = self.address.to_string();
        within("leave", &path, async {
            self.sftp.close().await.map_err(sftp("close", &path))?;
            let goodbye = self.connection.disconnect(russh::Disconnect::ByApplication, "done", "en").await;
            goodbye.map_err(|source| UploadError::Ssh { address: self.address, source })
        })
        .await
    }
}

/// Judges the server's key while the connection is made.
struct Trust {
    address: SocketAddr,
    expected: HostKey,
}

/// What can stop a connection before the log-in.
#[derive(Debug)]
enum TrustError {
    Ssh(russh::Error),
    WrongHostKey { found: String, expected: String },
}

impl From<russh::Error> for TrustError {
    fn from(error: russh::Error) -> Self {
        Self::Ssh(error)
    }
}

impl TrustError {
    fn at(self, address: SocketAddr) -> UploadError {
        match self {
            Self::Ssh(source) => UploadError::Ssh { address, source },
            Self::WrongHostKey { found, expected } => UploadError::WrongHostKey { address, found, expected },
        }
    }
}

impl client::Handler for Trust {
    type Error = TrustError;

    async fn check_server_key(&mut self, server: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        let found = server.public_key().fingerprint(HashAlg::Sha256).to_string();
        match &self.expected {
            HostKey::AnyOnLoopback => Ok(self.address.ip().to_canonical().is_loopback()),
            HostKey::Fingerprint(expected) if *expected == found => Ok(true),
            HostKey::Fingerprint(expected) => Err(TrustError::WrongHostKey { found, expected: expected.clone() }),
        }
    }
}

async fn within<T>(doing: &'static str, path: &str, call: impl Future<Output = Result<T, UploadError>>) -> Result<T, UploadError> {
    let timed_out = |_| UploadError::TimedOut { doing, path: path.to_owned() };
    tokio::time::timeout(CALL_LIMIT, call).await.map_err(timed_out)?
}

fn sftp(doing: &'static str, path: &str) -> impl FnOnce(SftpError) -> UploadError {
    let path = path.to_owned();
    move |source| UploadError::Sftp { doing, path, source }
}

/// An error of the library's file, which comes as an I/O error around its own.
fn broken(doing: &'static str, path: &str) -> impl FnOnce(io::Error) -> UploadError {
    let path = path.to_owned();
    move |source| UploadError::Sftp { doing, path, source: SftpError::IO(source.to_string()) }
}

#[cfg(test)]
mod tests;
