//! A load generator for measurements: many connections from one process, so that starting clients is not what is measured.
//!
//! `bench_load upload ADDRESS USERS KEY FOLDER COUNT AT_ONCE BYTES`: COUNT connections, AT_ONCE at a time, each with a login
//! by key, one file of BYTES bytes and its CLOSE. Prints a line of JSON: seconds in all, and of each connection.
//!
//! `bench_load idle ADDRESS USERS KEY COUNT`: opens COUNT SFTP sessions, prints `ready`, and holds them until standard input ends.
//!
//! USERS are names with commas between them, taken in turn. Any SFTP server will do; its host key is not checked.

use russh::client::{self, Handle};
use russh::keys::{PrivateKey, PrivateKeyWithHashAlg, load_secret_key};
use russh::{Preferred, cipher, kex};
use russh_sftp::client::SftpSession;
use std::borrow::Cow;
use std::error::Error;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt as _;
use tokio::task::JoinSet;

type Failure = Box<dyn Error + Send + Sync>;

/// How long one connection may take. A slow server is a result, a hanging one is not.
const LIMIT: Duration = Duration::from_secs(120);

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match words.as_slice() {
        ["upload", address, users, key, folder, count, at_once, bytes] => {
            let target = Arc::new(Target::new(address, users, key)?);
            let bytes = vec![b'x'; bytes.parse()?];
            runtime.block_on(upload(target, folder, count.parse()?, at_once.parse()?, bytes))
        }
        ["idle", address, users, key, count] => runtime.block_on(idle(&Target::new(address, users, key)?, count.parse()?)),
        _ => Err("usage: bench_load upload ADDRESS USERS KEY FOLDER COUNT AT_ONCE BYTES | idle ADDRESS USERS KEY COUNT".into()),
    }
}

/// Whom to connect to, and as whom.
struct Target {
    address: SocketAddr,
    users: Vec<String>,
    key: Arc<PrivateKey>,
    config: Arc<client::Config>,
}

impl Target {
    fn new(address: &str, users: &str, key: &str) -> Result<Self, Failure> {
        // The same algorithms whatever the server prefers.
        let preferred = Preferred {
            kex: Cow::Borrowed(&[kex::CURVE25519, kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT]),
            cipher: Cow::Borrowed(&[cipher::AES_128_GCM]),
            ..Preferred::default()
        };
        Ok(Self {
            address: address.parse()?,
            users: users.split(',').map(str::to_owned).collect(),
            key: Arc::new(load_secret_key(key, None)?),
            config: Arc::new(client::Config { nodelay: true, preferred, ..client::Config::default() }),
        })
    }

    /// A session of its own, as the account whose turn it is.
    async fn connect(&self, number: usize) -> Result<(Handle<Anybody>, SftpSession), Failure> {
        let mut connection = client::connect(Arc::clone(&self.config), self.address, Anybody).await?;
        let user = self.users.get(number % self.users.len()).ok_or("no user is given")?;
        let key = PrivateKeyWithHashAlg::new(Arc::clone(&self.key), None);
        if !connection.authenticate_publickey(user, key).await?.success() {
            return Err(format!("{user} was not let in").into());
        }
        let channel = connection.channel_open_session().await?;
        channel.request_subsystem(true, "sftp").await?;
        Ok((connection, SftpSession::new(channel.into_stream()).await?))
    }

    /// From connecting to the answer to CLOSE, in seconds.
    async fn deliver(&self, number: usize, folder: &str, bytes: &[u8]) -> Result<f64, Failure> {
        let started = Instant::now();
        let (connection, sftp) = self.connect(number).await?;
        let mut file = sftp.create(format!("{folder}/file-{number}.csv")).await?;
        file.write_all(bytes).await?;
        file.close().await?;
        let took = started.elapsed().as_secs_f64();
        sftp.close().await?;
        connection.disconnect(russh::Disconnect::ByApplication, "done", "en").await?;
        Ok(took)
    }
}

async fn upload(target: Arc<Target>, folder: &str, count: usize, at_once: usize, bytes: Vec<u8>) -> Result<(), Failure> {
    let (next, bytes) = (Arc::new(AtomicUsize::new(0)), Arc::new(bytes));
    let started = Instant::now();
    let mut workers = JoinSet::new();
    for _ in 0..at_once {
        let (target, next, bytes, folder) = (Arc::clone(&target), Arc::clone(&next), Arc::clone(&bytes), folder.to_owned());
        workers.spawn(async move {
            let mut took = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return Ok::<_, Failure>(took);
                }
                let delivery = target.deliver(number, &folder, &bytes);
                took.push(tokio::time::timeout(LIMIT, delivery).await.map_err(|_| "a connection hung")??);
            }
        });
    }
    let mut each = Vec::new();
    while let Some(worker) = workers.join_next().await {
        each.extend(worker??);
    }
    say(&serde_json::json!({ "seconds": started.elapsed().as_secs_f64(), "each": each }).to_string())
}

async fn idle(target: &Target, count: usize) -> Result<(), Failure> {
    let mut sessions = Vec::new();
    for number in 0..count {
        sessions.push(tokio::time::timeout(LIMIT, target.connect(number)).await.map_err(|_| "a connection hung")??);
    }
    say("ready")?;
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    drop(sessions);
    Ok(())
}

fn say(line: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// Trusts any host key: the server is one that the measurement started itself.
struct Anybody;

impl client::Handler for Anybody {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _key: &russh::keys::PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        Ok(true)
    }
}
