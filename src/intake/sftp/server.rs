//! The server: accepts connections, bounds them, watches over each, and ends them all in an orderly way.

use super::algorithms::{offered, offered_by_default, ssh_config};
use super::auth::{self, Refusal};
use super::closing::{Closing, closing};
use super::connection::{Connection, ConnectionError, Watched};
use super::guard::{Cutter, Guarded, guard};
use super::kexinit::Ours;
use super::limits::{CROWDED_AFTER, DRAIN_LIMIT, GOODBYE_LIMIT, LOGIN_REVIEW, SHORT_GOODBYE_LIMIT, STALLED_AFTER};
use super::penalties::network_of;
use super::places::{Full, Places};
use super::{Shared, lock};
use crate::feed::{Clock, ProviderCode};
use crate::intake::{Accounts, Counters, Gate, HostKeys, Settings};
use jiff::Timestamp;
use russh::server::{Config, RunningSession, run_stream};
use russh::{Disconnect, MethodKind};
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// How long to wait after the system could not give us a connection, as when it has no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Pause between two lines that say that there is no place.
const FULL_PAUSE: Duration = Duration::from_secs(60);

/// One delivery of before the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// Whose.
    pub provider: ProviderCode,
    /// The address that it came from.
    pub address: IpAddr,
    /// When.
    pub at: Timestamp,
    /// Its size in bytes.
    pub bytes: u64,
}

/// What the SFTP endpoint works with.
pub struct Context {
    /// The state folder; `clear_uploads` was called on it.
    pub state_dir: PathBuf,
    /// `[sftp]` of the settings.
    pub settings: Settings,
    /// The accounts, as they are now.
    pub accounts: watch::Receiver<Arc<Accounts>>,
    /// The rest of the house.
    pub gate: Arc<dyn Gate>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What we prove ourselves with.
    pub host_keys: HostKeys,
    /// What is counted.
    pub counters: Arc<Counters>,
    /// What was accepted in the day before the start: a restart makes no strangers of providers' jobs, and no hour empty.
    pub past: Vec<Past>,
    /// Where the next host keys are served, while senders move from one to the other.
    pub next: Option<Next>,
}

/// A second entrance with other host keys; everything behind it is the same.
pub struct Next {
    /// Where.
    pub listeners: Vec<TcpListener>,
    /// With which keys.
    pub host_keys: HostKeys,
}

/// Why the SFTP endpoint stopped by itself.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// There is nothing to listen on.
    #[error("the SFTP endpoint has no address to listen on")]
    NoListener,
    /// There is no usable host key.
    #[error("the SFTP endpoint has no usable host key: put an Ed25519 or ECDSA key into the host key folder")]
    NoHostKey,
    /// A task that accepts connections broke down.
    #[error("the SFTP endpoint stopped accepting connections")]
    Broken(#[source] tokio::task::JoinError),
}

/// Serves until `shutdown` turns true (or its sender is gone), then lets open uploads finish for a while.
///
/// # Errors
/// Where it cannot start, or a task of it broke down. What clients do is never an error.
pub async fn serve(listeners: Vec<TcpListener>, context: Context, shutdown: watch::Receiver<bool>) -> Result<(), ServeError> {
    if listeners.is_empty() {
        return Err(ServeError::NoListener);
    }
    let Context { state_dir, settings, accounts, gate, clock, host_keys, counters, past, next } = context;
    let mut entrances = vec![(listeners, Entrance::open(host_keys, &settings)?)];
    if let Some(next) = next {
        entrances.push((next.listeners, Entrance::open(next.host_keys, &settings)?));
    }
    let shared = Shared::new(state_dir, settings, accounts, gate, clock, counters, shutdown);
    for Past { provider, address, at, bytes } in past {
        lock(&shared.penalties).log_in(address, at);
        lock(&shared.quotas).remember(&provider, bytes, at);
    }
    let door =
        Arc::new(Door { places: Places::default(), numbers: AtomicU64::new(1), waiting: Mutex::default(), full: Mutex::default(), shared });
    let mut acceptors = JoinSet::new();
    for (listeners, entrance) in entrances {
        for listener in listeners {
            acceptors.spawn(Arc::clone(&door).accept(listener, Arc::clone(&entrance)));
        }
    }
    while let Some(ended) = acceptors.join_next().await {
        ended.map_err(ServeError::Broken)?;
    }
    Ok(())
}

/// What every connection passes.
struct Door {
    places: Places,
    numbers: AtomicU64,
    /// Connections that have not logged in, oldest first.
    waiting: Mutex<VecDeque<Waiting>>,
    /// When it was last said that there is no place.
    full: Mutex<Option<tokio::time::Instant>>,
    shared: Arc<Shared>,
}

/// A connection that has not logged in.
struct Waiting {
    source: IpAddr,
    known: bool,
    since: tokio::time::Instant,
    watched: Weak<Watched>,
}

/// What a client meets at an address: the host keys, and the lists of algorithms.
pub(super) struct Entrance {
    config: Arc<Config>,
    /// For addresses that may use a password; nobody else is offered that.
    config_with_password: Arc<Config>,
    pub(super) host_keys: HostKeys,
    /// What it can choose from.
    pub(super) ours: Ours,
    /// What it could choose from without `compatibility`.
    pub(super) by_default: Ours,
}

impl Entrance {
    fn open(host_keys: HostKeys, settings: &Settings) -> Result<Arc<Self>, ServeError> {
        let config = ssh_config(&host_keys, settings);
        if config.keys.is_empty() {
            return Err(ServeError::NoHostKey);
        }
        let mut config_with_password = ssh_config(&host_keys, settings);
        config_with_password.methods.push(MethodKind::Password);
        let (ours, by_default) = (offered(&host_keys, settings), offered_by_default(&host_keys));
        let (config, config_with_password) = (Arc::new(config), Arc::new(config_with_password));
        Ok(Arc::new(Self { config, config_with_password, host_keys, ours, by_default }))
    }
}

impl Door {
    /// Accepts on one listener until the shutdown, then waits for the connections it accepted.
    async fn accept(self: Arc<Self>, listener: TcpListener, entrance: Arc<Entrance>) {
        let mut shutdown = self.shared.shutdown.clone();
        let mut connections = JoinSet::new();
        let mut every_minute = tokio::time::interval(Duration::from_secs(60));
        loop {
            let accepted = tokio::select! {
                biased;
                () = turns(&mut shutdown, |stop| *stop) => break,
                Some(_) = connections.join_next() => continue,
                _ = every_minute.tick() => {
                    // Partials that nobody comes back for go even when no client is there.
                    let now = self.shared.clock.now();
                    self.shared.partials().forget_old(now);
                    self.shared.recount_penalised(now);
                    continue;
                }
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    if let Some(connection) = Arc::clone(&self).admit(stream, peer, &entrance) {
                        connections.spawn(connection);
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "a connection could not be accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(listener);
        while connections.join_next().await.is_some() {}
    }

    /// Finds a place for a connection, or turns it away by closing it.
    fn admit(
        self: Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        entrance: &Arc<Entrance>,
    ) -> Option<impl Future<Output = ()> + Send + use<>> {
        let shared = &self.shared;
        let known = shared.knows(peer.ip());
        if !known && shared.settings.penalties {
            let left = lock(&shared.penalties).turned_away(peer.ip(), shared.clock.now());
            if let Some(left) = left {
                shared.counters.count_refusal(Refusal::Penalty);
                Counters::count(&shared.counters.turned_away);
                tracing::debug!(from = %peer, seconds = left.as_secs(), "connection turned away: everything from there failed");
                // SSH clients show lines before the banner when asked for details. Where the line cannot be sent, closing says it.
                drop(
                    stream.try_write(format!("Too many failed logins from here: try again in {} s\r\n", left.as_secs().max(1)).as_bytes()),
                );
                return None;
            }
        }
        let now = tokio::time::Instant::now();
        let take = || self.places.take(peer.ip(), known, &shared.settings, now);
        let taken = take().or_else(|full| if self.crowd_out(peer.ip(), full, now) { take() } else { Err(full) });
        let (place, waiting_place) = match taken {
            Ok(places) => places,
            Err(full) => {
                Counters::count(&shared.counters.turned_away);
                self.say_full(peer, full, known);
                return None;
            }
        };
        Counters::count(&shared.counters.connections);
        // Without it every small reply waits for an acknowledgement: about 40 ms a round trip.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(from = %peer, %error, "TCP_NODELAY could not be set");
        }
        let watched = Arc::new(Watched { waiting_place: Mutex::new(Some(waiting_place)), ..Watched::default() });
        self.note_waiting(peer.ip(), known, now, &watched);
        let (guarded, cutter, heard) = guard(stream);
        let connection = Connection {
            shared: Arc::clone(shared),
            watched: Arc::clone(&watched),
            peer,
            number: self.numbers.fetch_add(1, Ordering::Relaxed),
            connected_at: shared.clock.now(),
            entrance: Arc::clone(entrance),
            heard,
            offers: 0,
            passwords: 0,
            login: None,
            client: None,
            channels: HashMap::new(),
        };
        Some(async move {
            let open = &self.shared.counters.open;
            open.fetch_add(1, Ordering::Relaxed);
            let number = connection.number;
            let closing = self.attend(guarded, cutter, connection, &watched).await;
            open.fetch_sub(1, Ordering::Relaxed);
            if *watched.logged_in.borrow() {
                self.shared.counters.logged_in.fetch_sub(1, Ordering::Relaxed);
            }
            self.shared.counters.count_closing(closing);
            if let Some(offence) = closing.offence().filter(|_| !*watched.logged_in.borrow()) {
                self.shared.blame(peer.ip(), offence);
            }
            report(closing, number, peer, &watched);
            drop(place);
        })
    }

    fn note_waiting(&self, source: IpAddr, known: bool, since: tokio::time::Instant, watched: &Arc<Watched>) {
        let mut waiting = lock(&self.waiting);
        waiting.retain(|other| other.watched.upgrade().is_some_and(|watched| !*watched.logged_in.borrow()));
        waiting.push_back(Waiting { source: network_of(source), known, since, watched: Arc::downgrade(watched) });
    }

    /// Where connections that do not log in have taken all places, the oldest gives its own to a newer one, which may be a
    /// good job's: a login takes less than a second. Says whether there was one.
    fn crowd_out(&self, source: IpAddr, full: Full, now: tokio::time::Instant) -> bool {
        let source = network_of(source);
        let in_the_way = |other: &&Waiting| match full {
            Full::SourceUnauthenticated => other.source == source,
            Full::Unauthenticated => !other.known,
            Full::All | Full::Source | Full::Rate => false,
        };
        let waiting = lock(&self.waiting);
        let mut old = waiting.iter().filter(in_the_way).take_while(|other| now.duration_since(other.since) >= CROWDED_AFTER);
        old.find_map(|other| {
            let watched = other.watched.upgrade()?;
            let place = if *watched.logged_in.borrow() { None } else { lock(&watched.waiting_place).take() };
            place.map(|place| {
                drop(place);
                watched.crowded_out.send_replace(true);
            })
        })
        .is_some()
    }

    /// Says that connections are turned away, once a minute: neither one stranger nor a flood of them may fill the log.
    fn say_full(&self, peer: SocketAddr, full: Full, known: bool) {
        let mut last = lock(&self.full);
        let now = tokio::time::Instant::now();
        let worth_a_line = known || matches!(full, Full::All | Full::Unauthenticated);
        if worth_a_line && last.is_none_or(|last| now.duration_since(last) >= FULL_PAUSE) {
            *last = Some(now);
            let turned_away = self.shared.counters.turned_away.load(Ordering::Relaxed);
            tracing::warn!(from = %peer, setting = full.as_str(), turned_away, "connections are turned away: too many are open or come at once");
        } else {
            tracing::debug!(from = %peer, setting = full.as_str(), "connection turned away: too many are open or come at once");
        }
    }

    /// One connection from its first byte to its last; says how it ended.
    async fn attend(&self, guarded: Guarded, cutter: Cutter, connection: Connection, watched: &Watched) -> Closing {
        let (number, peer) = (connection.number, connection.peer);
        let entrance = Arc::clone(&connection.entrance);
        let mut shutdown = self.shared.shutdown.clone();
        let mut crowded_out = watched.crowded_out.subscribe();
        let deadline = tokio::time::Instant::now() + self.shared.settings.login_grace;
        let with_password = auth::password_hash(&self.shared.accounts(), "", peer.ip()).is_some();
        let config = if with_password { &entrance.config_with_password } else { &entrance.config };
        let started = tokio::select! {
            started = run_stream(Arc::clone(config), guarded, connection) => started,
            () = tokio::time::sleep_until(deadline) => return Closing::LoginGrace,
            () = turns(&mut crowded_out, |out| *out) => return Closing::CrowdedOut,
            () = turns(&mut shutdown, |stop| *stop) => return Closing::Stopped,
        };
        let (ours, ended) = match started {
            Ok(running) => self.watch_over(running, cutter, watched, deadline, number).await,
            Err(error) => (None, Err(error)),
        };
        if let Err(error) = &ended {
            let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
            tracing::debug!(connection = number, from = %peer, %error, cause, "how the connection ended");
        }
        ours.unwrap_or_else(|| closing(&ended, watched.facts()))
    }

    /// Waits until the connection has logged in and its login is no longer allowed; gives the words for it.
    async fn lapse(&self, watched: &Watched) -> &'static str {
        turns(&mut watched.logged_in.subscribe(), |yes| *yes).await;
        match watched.proof.get() {
            Some(proof) => proof.lapses(self.shared.accounts.clone(), self.shared.clock.as_ref(), LOGIN_REVIEW).await,
            None => std::future::pending().await,
        }
    }

    /// Ends a connection that does not log in, may no longer be, does nothing, or is open when the daemon stops. Gives the
    /// reason where it is ours, and how the library ended.
    async fn watch_over(
        &self,
        mut running: RunningSession<Connection>,
        cutter: Cutter,
        watched: &Watched,
        deadline: tokio::time::Instant,
        number: u64,
    ) -> (Option<Closing>, Result<(), ConnectionError>) {
        let mut shutdown = self.shared.shutdown.clone();
        let mut crowded_out = watched.crowded_out.subscribe();
        let (mut logged_in, mut leave) = (watched.logged_in.subscribe(), watched.leave.subscribe());
        let (why, farewell) = tokio::select! {
            ended = &mut running => return (None, ended),
            () = turns(&mut crowded_out, |out| *out) => (Closing::CrowdedOut, Closing::CrowdedOut.goodbye()),
            farewell = self.lapse(watched) => (Closing::AccountClosed, farewell),
            fault = forfeit(watched) => (fault, fault.goodbye()),
            () = make_way(&mut leave, watched) => (Closing::Replaced, Closing::Replaced.goodbye()),
            why = overstay(&mut logged_in, deadline, &watched.activity, self.shared.settings.idle_timeout) => (why, why.goodbye()),
            () = turns(&mut shutdown, |stop| *stop) => {
                let mut open_uploads = watched.open_uploads.subscribe();
                let was_uploading = *open_uploads.borrow() > 0;
                tokio::select! {
                    ended = &mut running => return (Some(Closing::Stopped), ended),
                    () = turns(&mut open_uploads, |open| *open == 0) => {}
                    () = sleep(DRAIN_LIMIT) => tracing::warn!(connection = number, "an upload was still open and is broken off"),
                }
                // OpenSSH's client throws away what it has not passed on when it is disconnected: let it take the last
                // answer in and leave by itself, or a file that is safe counts as failed over there.
                if was_uploading && let Ok(ended) = timeout(GOODBYE_LIMIT, &mut running).await {
                    return (Some(Closing::Stopped), ended);
                }
                (Closing::Stopped, Closing::Stopped.goodbye())
            }
        };
        let handle = running.handle();
        let goodbye = async {
            // Where the message cannot be sent, cutting the stream off says the same.
            handle.disconnect(Disconnect::ByApplication, farewell.to_owned(), "en".to_owned()).await.ok();
            (&mut running).await
        };
        // Whoever has not logged in has had its time.
        let patience = if *watched.logged_in.borrow() { GOODBYE_LIMIT } else { SHORT_GOODBYE_LIMIT };
        match timeout(patience, goodbye).await {
            Ok(ended) => (Some(why), ended),
            Err(_) => {
                drop(cutter);
                (Some(why), running.await)
            }
        }
    }
}

/// Waits until a watched value is as wanted, or nobody is left to change it.
async fn turns<T>(watched: &mut watch::Receiver<T>, wanted: impl FnMut(&T) -> bool) {
    drop(watched.wait_for(wanted).await);
}

/// Waits until the place is needed for a newer connection of the account, and no upload is under way.
async fn make_way(leave: &mut watch::Receiver<bool>, watched: &Watched) {
    turns(leave, |leave| *leave).await;
    let mut seen = None;
    while *watched.open_uploads.borrow() > 0 {
        let now = watched.activity.load(Ordering::Relaxed);
        if seen.replace(now) == Some(now) {
            return; // nothing came of it; what has come is kept
        }
        sleep(STALLED_AFTER).await;
    }
}

/// Waits until a client that broke the protocol has no channel left, and stays all the same.
async fn forfeit(watched: &Watched) -> Closing {
    let mut faults = watched.fault.subscribe();
    turns(&mut faults, Option::is_some).await;
    loop {
        // Its other sessions go on, and a client that is done leaves by itself.
        sleep(GOODBYE_LIMIT).await;
        if let Some(fault) = *faults.borrow()
            && watched.channels.load(Ordering::Relaxed) == 0
        {
            return fault;
        }
    }
}

/// Waits until a connection has stayed too long without logging in, or without doing anything.
async fn overstay(
    logged_in: &mut watch::Receiver<bool>,
    deadline: tokio::time::Instant,
    activity: &AtomicU64,
    idle_timeout: Duration,
) -> Closing {
    tokio::select! {
        () = turns(logged_in, |yes| *yes) => {}
        () = tokio::time::sleep_until(deadline) => return Closing::LoginGrace,
    }
    // The library's own timeout is put back by anything a client sends, even by answers to our keepalives.
    let mut seen = (activity.load(Ordering::Relaxed), 0);
    while seen.1 < 4 {
        sleep(idle_timeout / 4).await;
        let now = activity.load(Ordering::Relaxed);
        seen = (now, if now == seen.0 { seen.1 + 1 } else { 0 });
    }
    Closing::Idle
}

/// One line for each connection that ended; the provider is empty where nobody logged in.
fn report(closing: Closing, number: u64, peer: SocketAddr, watched: &Watched) {
    let provider = watched.provider.get().map(ToString::to_string).unwrap_or_default();
    let reason = closing.as_str();
    if closing.is_remarkable() {
        tracing::warn!(connection = number, from = %peer, provider, reason, "connection ended");
    } else {
        tracing::info!(connection = number, from = %peer, provider, reason, "connection ended");
    }
}
