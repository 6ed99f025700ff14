//! The control socket: how commands reach the running daemon. One JSON request a connection, one JSON answer.
//!
//! Owner-only by its mode and by its folder's. Requests are bounded in bytes and time.

use super::account;
use crate::feed::nhs_number::masked;
use crate::feed::{DeliveryId, ProviderCode, Slot, error_chain};
use crate::intake::{Counts, Refused};
use crate::ledger::{Act, HoldScope};
use crate::pipeline::retention::Went;
use crate::pipeline::{Asked, FurtherStanding, Pipeline, Said, Saying};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// The socket's name in the state folder.
pub const SOCKET: &str = "control.sock";
/// Most bytes in a request or an answer.
const MAX_MESSAGE: u64 = 64 * 1024;
/// How long a client may take to say what it asks.
const LISTENING: Duration = Duration::from_secs(5);
/// Most exchanges at once; further clients wait at the door.
const MOST_AT_ONCE: usize = 16;
/// How long one exchange may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a command can ask.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "request", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Are you there?
    Ping,
    /// Do something to a quarantined delivery.
    Act {
        /// Which.
        delivery: DeliveryId,
        /// What.
        act: Act,
        /// Who asks.
        by: String,
        /// Why.
        reason: String,
        /// For a file that is handed back: what its sender is asked to mend.
        #[serde(default)]
        mend: Option<String>,
    },
    /// Place a legal hold.
    Hold {
        /// What it covers.
        scope: HoldScope,
        /// Who orders it.
        by: String,
        /// Why.
        reason: String,
    },
    /// Lift a legal hold.
    EndHold {
        /// Its number.
        hold: u32,
        /// Who lifts it.
        by: String,
        /// Why.
        reason: String,
    },
    /// Delete what is old enough, now. One round; the answer says whether there is more.
    Retain,
    /// Drop from the warehouse what the ledger does not know. So many at most; the answer says how many are left.
    Settle {
        /// Who says that the ledger is right.
        by: String,
        /// Why.
        reason: String,
    },
    /// Record that a person is about to be given the stored bytes of a quarantined delivery.
    ViewRaw {
        /// Which.
        delivery: DeliveryId,
        /// Who asks.
        by: String,
        /// Why.
        reason: String,
    },
    /// Write something into the trail.
    Note {
        /// Who.
        by: String,
        /// What.
        note: String,
    },
    /// Say something about a feed's silence, or about an alert.
    Say {
        /// What.
        saying: Saying,
        /// Who says so.
        by: String,
        /// Why.
        reason: String,
    },
    /// Read stored originals again.
    Replay {
        /// Whose.
        provider: ProviderCode,
        /// The first slot.
        from: Slot,
        /// The last slot.
        to: Slot,
        /// Who asks.
        by: String,
        /// Why.
        reason: String,
    },
    /// What would that do?
    Preview {
        /// Whose.
        provider: ProviderCode,
        /// The first slot.
        from: Slot,
        /// The last slot.
        to: Slot,
    },
}

/// What the daemon answers.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// The daemon runs.
    Running {
        /// Since when.
        since: Timestamp,
        /// Its version.
        version: String,
        /// Where SFTP is served, with the ports that were really taken.
        sftp: Vec<SocketAddr>,
        /// Where pages are served.
        web: SocketAddr,
        /// The host keys' fingerprints.
        host_keys: Vec<String>,
        /// Where the next host keys are served; `None` while none are.
        #[serde(default)]
        next: Option<NextEntrance>,
        /// What the endpoint has done since it started.
        #[serde(default)]
        endpoint: Box<Endpoint>,
    },
    /// The act was recorded.
    Done {
        /// What it was done to.
        deliveries: Vec<DeliveryId>,
        /// Where only a request was recorded: until when a second person may agree.
        #[serde(default)]
        second_until: Option<Timestamp>,
    },
    /// A legal hold was placed or lifted.
    Held {
        /// Its number.
        hold: u32,
    },
    /// A round of retention was done.
    Retained {
        /// What went, by class.
        went: Vec<Went>,
        /// Whether there is more.
        more: bool,
    },
    /// Deliveries that the ledger does not know were dropped from the warehouse.
    Settled {
        /// Which.
        dropped: Vec<DeliveryId>,
        /// How many are left.
        left: usize,
    },
    /// What was said is recorded.
    Said {
        /// How it stands now.
        said: Box<Said>,
    },
    /// A replay was recorded.
    Replaying {
        /// Its key.
        key: String,
    },
    /// What a replay would do.
    Previewed {
        /// Each snapshot, the oldest slot first: as JSON has it.
        snapshots: Vec<serde_json::Value>,
    },
    /// It was refused.
    Refused {
        /// Why, in words.
        message: String,
    },
}

/// The second entrance, with the next host keys.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct NextEntrance {
    /// Where, with the ports that were really taken.
    pub sftp: Vec<SocketAddr>,
    /// The next host keys' fingerprints.
    pub host_keys: Vec<String>,
}

/// The SFTP endpoint's counters, as people and programs are shown them.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Endpoint {
    /// Connections open now.
    pub open: u64,
    /// Of these, connections that have not logged in.
    pub not_logged_in: u64,
    /// Connections accepted.
    pub connections: u64,
    /// Connections turned away because too many were open.
    pub turned_away: u64,
    /// Addresses that are turned away for a while, because everything from them failed.
    pub penalised_sources: u64,
    /// Logins that worked.
    pub logins: u64,
    /// Logins refused, by reason.
    pub refused: BTreeMap<String, u64>,
    /// Connections that ended, by reason.
    pub closed: BTreeMap<String, u64>,
    /// Uploads acknowledged.
    pub uploads_accepted: u64,
    /// Uploads not acknowledged.
    pub uploads_failed: u64,
    /// Of these, uploads for which there was no room on the disk.
    pub no_room: u64,
    /// The newest upload of each provider that was not taken.
    pub refused_uploads: Vec<RefusedUpload>,
    /// What is wrong on our own side now, in a sentence each.
    pub notices: Vec<String>,
    /// How the warehouses beside the first stand.
    pub further_warehouses: Vec<FurtherStanding>,
}

/// An upload that was not taken.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RefusedUpload {
    /// Whose.
    pub provider: String,
    /// Its name.
    pub name: String,
    /// What its sender was answered.
    pub why: String,
    /// When.
    pub at: Timestamp,
}

impl From<Refused> for RefusedUpload {
    fn from(refused: Refused) -> Self {
        let Refused { provider, name, why, at, .. } = refused;
        Self { provider: provider.to_string(), name: name.to_string(), why: masked(&why), at }
    }
}

impl From<Counts> for Endpoint {
    fn from(counts: Counts) -> Self {
        let by_reason = |counts: Vec<(&'static str, u64)>| counts.into_iter().map(|(reason, count)| (reason.to_owned(), count)).collect();
        Self {
            open: counts.open,
            not_logged_in: counts.waiting,
            connections: counts.connections,
            turned_away: counts.turned_away,
            penalised_sources: counts.penalised_sources,
            logins: counts.logins,
            refused: by_reason(counts.refused),
            closed: by_reason(counts.closed),
            uploads_accepted: counts.accepted,
            uploads_failed: counts.failed,
            no_room: counts.no_room,
            refused_uploads: Vec::new(),
            notices: Vec::new(),
            further_warehouses: Vec::new(),
        }
    }
}

/// Gives the answer to a ping, as it is now.
pub type Ping = Arc<dyn Fn() -> Answer + Send + Sync>;

/// Why a command got no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody listens there.
    #[error("no daemon answers at {path}; start it with `bedfeed run`")]
    NotRunning {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The exchange broke off.
    #[error("the daemon did not answer")]
    Broken(#[source] io::Error),
    /// It ended in the middle of it.
    #[error(
        "the daemon ended before it answered: what was asked for may have been done or not; once it runs again, `bedfeed explain` and \
         `bedfeed status` tell"
    )]
    Ended,
    /// The answer makes no sense: another version of bedfeed is running.
    #[error("the daemon's answer cannot be read; is another version of bedfeed running?")]
    Unreadable(#[source] serde_json::Error),
}

/// Binds the socket. One that a dead daemon left is replaced: the caller holds the state folder's lock.
///
/// # Errors
/// The system refused.
pub fn bind(state_dir: &Path) -> io::Result<UnixListener> {
    let path = state_dir.join(SOCKET);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Takes note of how many deliveries are left in the warehouse that the ledger does not know.
pub type Left = Arc<dyn Fn(usize) + Send + Sync>;

/// Answers requests until `stop` turns true; `running` answers a ping, and `left` is told what settling left.
pub async fn serve(listener: UnixListener, pipeline: Pipeline, running: Ping, left: Left, mut stop: watch::Receiver<bool>) {
    let mut exchanges = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept(), if exchanges.len() < MOST_AT_ONCE => accepted,
            Some(_) = exchanges.join_next() => continue,
            _ = stop.changed() => break,
        };
        match accepted {
            Ok((stream, _)) => drop(exchanges.spawn(exchange(stream, pipeline.clone(), Arc::clone(&running), Arc::clone(&left)))),
            Err(error) => {
                tracing::warn!(%error, "the control socket could not accept");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
    // What was asked for before the stop is answered.
    while exchanges.join_next().await.is_some() {}
}

/// One client that hangs keeps no other waiting.
async fn exchange(stream: UnixStream, pipeline: Pipeline, running: Ping, left: Left) {
    match tokio::time::timeout(PATIENCE, answer_one(stream, &pipeline, &running, &left)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "a control request broke off"),
        Err(_) => tracing::warn!("a control request took too long"),
    }
}

async fn answer_one(mut stream: UnixStream, pipeline: &Pipeline, running: &Ping, left: &Left) -> io::Result<()> {
    let mut text = Vec::new();
    let mut asking = (&mut stream).take(MAX_MESSAGE);
    tokio::time::timeout(LISTENING, asking.read_to_end(&mut text)).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    let account = account::of(&stream);
    let answer = match serde_json::from_slice(&text) {
        Ok(Request::Ping) => running(),
        Ok(Request::Act { delivery, act, by, reason, mend }) => {
            match pipeline.act(delivery, act, &Asked { by, reason, mend, account }).await {
                Ok(acted) => Answer::Done { deliveries: acted.deliveries, second_until: acted.second_until },
                Err(error) => Answer::Refused { message: error_chain(&error) },
            }
        }
        Ok(Request::Hold { scope, by, reason }) => match pipeline.place_hold(scope, &Asked { by, reason, mend: None, account }).await {
            Ok(hold) => Answer::Held { hold },
            Err(error) => Answer::Refused { message: error_chain(&error) },
        },
        Ok(Request::Note { by, note }) => match pipeline.note(&by, &note).await {
            Ok(()) => Answer::Done { deliveries: Vec::new(), second_until: None },
            Err(error) => Answer::Refused { message: error_chain(&error) },
        },
        Ok(Request::EndHold { hold, by, reason }) => match pipeline.end_hold(hold, &Asked { by, reason, mend: None, account }).await {
            Ok(()) => Answer::Held { hold },
            Err(error) => Answer::Refused { message: error_chain(&error) },
        },
        Ok(Request::Retain) => match pipeline.retain().await {
            Ok(round) => Answer::Retained { went: round.went, more: round.more },
            Err(error) => Answer::Refused { message: error_chain(&error) },
        },
        Ok(Request::Settle { by, reason }) => match pipeline.settle(&Asked { by, reason, mend: None, account }).await {
            Ok(settled) => {
                left(settled.left);
                Answer::Settled { dropped: settled.dropped, left: settled.left }
            }
            Err(error) => Answer::Refused { message: error_chain(&error) },
        },
        Ok(Request::ViewRaw { delivery, by, reason }) => {
            match pipeline.view_raw(delivery, &Asked { by, reason, mend: None, account }).await {
                Ok(()) => Answer::Done { deliveries: vec![delivery], second_until: None },
                Err(error) => Answer::Refused { message: error_chain(&error) },
            }
        }
        Ok(Request::Say { saying, by, reason }) => match pipeline.say(saying, &Asked { by, reason, mend: None, account }).await {
            Ok(said) => Answer::Said { said: Box::new(said) },
            Err(error) => Answer::Refused { message: error_chain(&error) },
        },
        Ok(Request::Replay { provider, from, to, by, reason }) => {
            match pipeline.replay(provider, from, to, &Asked { by, reason, mend: None, account }).await {
                Ok(replay) => Answer::Replaying { key: replay.key },
                Err(error) => Answer::Refused { message: error_chain(&error) },
            }
        }
        Ok(Request::Preview { provider, from, to }) => match pipeline.preview(provider, from, to).await {
            Ok(previews) => {
                let snapshots: Result<Vec<_>, _> = previews.iter().map(serde_json::to_value).collect();
                Answer::Previewed { snapshots: snapshots.map_err(io::Error::other)? }
            }
            Err(error) => Answer::Refused { message: error_chain(&error) },
        },
        Err(error) => Answer::Refused { message: format!("the request cannot be read: {error}") },
    };
    stream.write_all(&serde_json::to_vec(&answer).map_err(io::Error::other)?).await?;
    stream.shutdown().await
}

/// Asks the daemon that owns a state folder.
///
/// # Errors
/// No daemon runs there, or the exchange failed.
pub fn ask(state_dir: &Path, request: &Request) -> Result<Answer, AskError> {
    use std::io::{Read, Write};
    let path = state_dir.join(SOCKET);
    let mut stream =
        std::os::unix::net::UnixStream::connect(&path).map_err(|source| AskError::NotRunning { path: path.clone(), source })?;
    let text = serde_json::to_vec(request).map_err(AskError::Unreadable)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(AskError::Broken)?;
    stream.write_all(&text).map_err(AskError::Broken)?;
    stream.shutdown(std::net::Shutdown::Write).map_err(AskError::Broken)?;
    let mut answer = Vec::new();
    match stream.take(MAX_MESSAGE).read_to_end(&mut answer) {
        Err(error) if error.kind() != io::ErrorKind::ConnectionReset => return Err(AskError::Broken(error)),
        _ => {}
    }
    serde_json::from_slice(&answer).map_err(|error| if error.is_eof() { AskError::Ended } else { AskError::Unreadable(error) })
}
