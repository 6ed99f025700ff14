//! Starting: everything is checked and recovered before the first port opens.

use super::backup::RESTORING;
use super::changes::changed;
use super::clock::SystemClock;
use super::control::{self, NextEntrance};
use super::doubt;
use super::gate::HouseGate;
use super::house::House;
use super::keeping;
use super::publish::{Publisher, reference_rows};
use super::refusals::Refusals;
use super::witness::{Logins, witness};
use crate::alerts::{Channel, Turned, Watch, WatchedFeed, reachable};
use crate::config::{Provider, Settings};
use crate::fault::{self, Step};
use crate::feed::{Clock, LONDON, ProviderCode, error_chain};
use crate::forward::{self, ForwardError, ForwardErrorKind, Warehouse, WarehouseReader};
use crate::health::{self, Counted, Family, FamilyKind, HealthFeed, Sources};
use crate::intake::{self, Accounts, Counters, HostKeyError, HostKeys, Past};
use crate::ledger::{self, DeliveryRow, Event, Filter, Ledger, LedgerError};
use crate::pipeline::{Pipeline, PipelineError, Rules, Warehouses};
use crate::quarantine::{DELIVERIES, QUARANTINE, Store};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// The file whose lock says that a daemon owns the state folder.
const LOCK: &str = "lock";

/// Why the daemon did not start. Nothing was opened to the outside.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The state folder cannot be made or used.
    #[error("cannot use the state folder {path}")]
    State {
        /// The folder or a file in it.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Another daemon owns it.
    #[error("another bedfeed already uses the state folder {0}")]
    Owned(PathBuf),
    /// A restore did not end there.
    #[error("a restore into the state folder {0} did not end: empty the folder and restore again")]
    HalfRestored(PathBuf),
    /// There is no ledger, or an empty one, beside what only a daemon with a ledger leaves.
    #[error(
        "the ledger {} is missing or empty, but {what}. Nothing was changed. Put the ledger back with the files beside it where it was \
         moved away; otherwise move the whole state folder, and the warehouse, out of the way, keep them, and run `bedfeed restore` \
         with the newest backup",
        path.display()
    )]
    LedgerGone {
        /// Where it should be.
        path: PathBuf,
        /// What is there without it.
        what: String,
    },
    /// The ledger.
    #[error("the ledger is not usable")]
    Ledger(#[from] LedgerError),
    /// The warehouse.
    #[error("the warehouse is not usable")]
    Warehouse(#[from] ForwardError),
    /// What the last run left could not be put in order.
    #[error("what the last run left could not be put in order")]
    Recovery(#[from] PipelineError),
    /// The host keys.
    #[error("the host keys are not usable")]
    HostKeys(#[from] HostKeyError),
    /// An address could not be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The time zone database has no London.
    #[error("the time zone {LONDON} is not known on this machine")]
    Zone(#[source] jiff::Error),
}

/// How far back deliveries are remembered at the start for who is known and what was sent.
const PAST: SignedDuration = SignedDuration::from_hours(24);
/// How many of them at most, the newest.
const MAX_PAST: u32 = 20_000;

/// How long the start waits for the warehouse: systemd gives up after a minute and a half, and whoever sends would wait as long.
const PATIENCE: Duration = Duration::from_secs(25);

/// A running daemon.
pub struct Running {
    /// Where SFTP is served.
    pub sftp: Vec<SocketAddr>,
    /// Where pages are served.
    pub web: SocketAddr,
    pub(super) stop_intake: watch::Sender<bool>,
    pub(super) stop_rest: watch::Sender<bool>,
    pub(super) intake: JoinHandle<()>,
    pub(super) tasks: JoinSet<()>,
    pub(super) books: Books,
}

/// Everything that is remembered, opened and in order.
pub(super) struct Books {
    pub(super) ledger: Ledger,
    pub(super) writer: std::thread::JoinHandle<()>,
    pub(super) warehouses: Warehouses,
    pub(super) pipeline: Pipeline,
    pub(super) watch: Watch,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) zone: TimeZone,
    /// What the endpoint did not take.
    pub(super) refusals: Arc<Refusals>,
    pub(super) logins: Arc<Logins>,
    /// What the endpoint counts.
    pub(super) counters: Arc<Counters>,
    /// What is wrong on our own side.
    pub(super) house: Arc<House>,
    /// Held for as long as the daemon runs.
    pub(super) lock: File,
}

/// The addresses that were taken, before anybody is served there.
struct Doors {
    sftp: Vec<TcpListener>,
    next: Vec<TcpListener>,
    web: TcpListener,
    control: UnixListener,
    sftp_addresses: Vec<SocketAddr>,
    web_address: SocketAddr,
}

/// Starts the daemon: books first, then recovery, then doors, then the tasks behind them.
///
/// # Errors
/// See [`StartError`].
pub async fn start(settings: &Settings) -> Result<Running, StartError> {
    let books = Books::open(settings, Arc::new(SystemClock)).await?;
    books.put_in_order(settings).await?;
    let host_keys = HostKeys::load(&settings.state_dir.join(&settings.sftp.host_keys))?;
    let fingerprints = host_keys.fingerprints();
    let mut doors = Doors::open(settings).await?;
    let next = doors.next_entrance(settings)?;
    let past = books.past().await?;
    let (sftp, web) = (doors.sftp_addresses.clone(), doors.web_address);

    let (stop_intake, intake_stops) = watch::channel(false);
    let (stop_rest, rest_stops) = watch::channel(false);
    let counters = Arc::clone(&books.counters);
    let answer = control::Answer::Running {
        since: books.clock.now(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        sftp: sftp.clone(),
        web,
        host_keys: fingerprints.clone(),
        next: next.as_ref().map(|(_, shown)| shown.clone()),
        endpoint: Box::default(),
    };
    let ping = ping(answer, Arc::clone(&counters), Arc::clone(&books.refusals), Arc::clone(&books.house));
    let house = Arc::clone(&books.house);
    let left: control::Left = Arc::new(move |unknown| house.note_unknown(unknown));
    let mut tasks = JoinSet::new();
    books.run_inside(settings, &mut tasks, &rest_stops);
    tasks.spawn(control::serve(doors.control, books.pipeline.clone(), ping, left, rest_stops.clone()));
    tasks.spawn(health::serve(doors.web, books.health_sources(settings, &counters), rest_stops));
    let context = intake::Context { next: next.map(|(next, _)| next), ..books.intake_context(settings, host_keys, counters, past) };
    let intake = tokio::spawn(async move {
        if let Err(error) = intake::serve(doors.sftp, context, intake_stops).await {
            tracing::error!(error = error_chain(&error), "the SFTP endpoint ended");
        }
    });
    tracing::info!(version = env!("CARGO_PKG_VERSION"), ?sftp, %web, host_keys = ?fingerprints,
        providers = settings.providers.len(), "bedfeed is ready");
    Ok(Running { sftp, web, stop_intake, stop_rest, intake, tasks, books })
}

impl Books {
    pub(super) async fn open(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        let zone = TimeZone::get(LONDON).map_err(StartError::Zone)?;
        for folder in ["", DELIVERIES, QUARANTINE] {
            let path = settings.state_dir.join(folder);
            DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(|source| unusable(&path, source))?;
        }
        warn_of_others(&settings.state_dir).map_err(|source| unusable(&settings.state_dir, source))?;
        let lock = own(&settings.state_dir)?;
        let marker = settings.state_dir.join(RESTORING);
        if marker.try_exists().map_err(|source| unusable(&marker, source))? {
            return Err(StartError::HalfRestored(settings.state_dir.clone()));
        }
        doubt::refuse_what_lost_its_ledger(settings)?;
        let (ledger, writer) = Ledger::open(&settings.state_dir.join(ledger::FILE_NAME))?;
        let fingerprint = settings.fingerprint.to_string();
        let started = Event::Started { version: env!("CARGO_PKG_VERSION").to_owned(), settings: fingerprint };
        let (before, from) = ledger.read(|reader| Ok((reader.settings_files()?, reader.settings_fingerprint()?))).await?;
        let changed = changed(&before, from, settings);
        let away = away(ledger.read(|reader| reader.last_at_work()).await?, clock.now());
        fault::during(Step::StartRecord, ledger.append(clock.now(), away.into_iter().chain([started]).chain(changed).collect())).await?;
        // Opened by whoever fills them, later: none of them may keep files from being taken in.
        let unopened = |(name, place): &(String, forward::Settings)| {
            Ok((name.clone(), Warehouse::unopened(place, &settings.state_dir, Some(reference_rows(settings)))?))
        };
        let further = settings.further_warehouses.iter().map(unopened).collect::<Result<_, ForwardError>>()?;
        let warehouses = Warehouses { first: open_first(settings).await?, further };
        let store = Store::new(&settings.state_dir).sealing_to(settings.governance.recipients.clone());
        let feeds = settings.providers.iter().map(|provider| Arc::new(provider.feed.clone())).collect();
        let two_people = settings.providers.iter().filter(|provider| provider.release_needs_two).map(|provider| provider.code.clone());
        let rules = Rules { feeds, reference: settings.reference.clone(), two_people: two_people.collect(), retention: settings.retention };
        let judges = std::thread::available_parallelism().map_or(1, usize::from);
        let pipeline = Pipeline::new(ledger.clone(), warehouses.clone(), store, Arc::clone(&clock), rules, judges);
        let feeds = settings.providers.iter().map(watched).collect();
        let contacts = contacts(settings);
        let channels = Channel::all(&settings.alerts, &contacts);
        let watch = Watch::new(ledger.clone(), Arc::clone(&clock), feeds, channels, zone.clone());
        let watch = watch.routed(settings.alerts.routes.clone(), settings.alerts.escalate_to.clone(), contacts.into_keys().collect());
        let watch = watch.reminding(settings.alerts.cadence.clone()).heard_by(settings.alerts.heartbeat.clone());
        let watch = watch.sending_checkpoints_to(settings.alerts.checkpoint_to.clone());
        let (logins, refusals) = (Arc::new(Logins::new(clock.now())), Arc::<Refusals>::default());
        let watch = watch.hearing(witness(Arc::clone(&logins), Arc::clone(&refusals)));
        let counters = Arc::new(Counters::default());
        let (state_dir, reserve) = (settings.state_dir.clone(), settings.sftp.reserve_bytes);
        let house = House::new(state_dir, reserve, Arc::clone(&counters), Arc::clone(&clock), pipeline.further_asked());
        let house = Arc::new(house);
        let (probed, doubted) = (Arc::clone(&house), Arc::clone(&house));
        pipeline.hold_back_while(Arc::new(move || doubted.in_doubt()));
        let watch = watch.over_house(Arc::new(move || probed.look()));
        Ok(Self { ledger, writer, warehouses, pipeline, watch, clock, zone, refusals, logins, counters, house, lock })
    }

    /// Clears away what the last run left half done, and records which feeds are expected.
    pub(super) async fn put_in_order(&self, settings: &Settings) -> Result<(), StartError> {
        let cleared = intake::clear_uploads(&settings.state_dir).map_err(|source| unusable(&settings.state_dir, source))?;
        if cleared > 0 {
            tracing::info!(cleared, "removed uploads that were cut off by the last stop; their senders were not told OK");
        }
        // One look at the ledger for all of them: a year's originals are hundreds of thousands.
        let known = self.ledger.read(|reader| reader.all_ids()).await?;
        self.pipeline.take_back_known(&known).await?;
        self.house.note_differences(doubt::differences(settings, &known)?);
        // What another ledger began to delete may be held in the one that is not here.
        let strangers = self.pipeline.strangers(&known)?;
        if self.house.in_doubt() || !strangers.never_acknowledged {
            tracing::warn!("no disposal is gone on with: the ledger does not know all that is here");
        } else {
            self.pipeline.resume_disposals().await?;
        }
        self.pipeline.settle_originals(&known, strangers).await?;
        Ok(self.watch.expect_feeds().await?)
    }

    /// Starts the tasks that nobody outside talks to.
    fn run_inside(&self, settings: &Settings, tasks: &mut JoinSet<()>, stop: &watch::Receiver<bool>) {
        let (pipeline, watch) = (self.pipeline.clone(), self.watch.clone());
        let (news, pipeline_stops, watch_stops) = (self.pipeline.news(), stop.clone(), stop.clone());
        tasks.spawn(async move { pipeline.run(pipeline_stops).await });
        tasks.spawn(async move { watch.run(news, watch_stops).await });
        tasks.spawn(keeping::run(self.pipeline.clone(), Arc::clone(&self.clock), Arc::clone(&self.house), stop.clone()));
        for publisher in self.publishers(settings) {
            tasks.spawn(publisher.run(self.pipeline.news(), stop.clone()));
        }
    }

    /// One for each warehouse: one that is away keeps no other from the news.
    pub(super) fn publishers(&self, settings: &Settings) -> Vec<Publisher> {
        let publisher = |warehouse: &Warehouse| Publisher {
            ledger: self.ledger.clone(),
            warehouse: warehouse.clone(),
            clock: Arc::clone(&self.clock),
            feeds: health_feeds(settings),
        };
        self.warehouses.all().map(publisher).collect()
    }

    pub(super) fn gate(&self, settings: &Settings) -> HouseGate {
        HouseGate {
            ledger: self.ledger.clone(),
            pipeline: self.pipeline.clone(),
            clock: Arc::clone(&self.clock),
            store: Store::new(&settings.state_dir),
            zone: self.zone.clone(),
            refusals: Arc::clone(&self.refusals),
            logins: Arc::clone(&self.logins),
            seen: Mutex::default(),
        }
    }

    fn health_sources(&self, settings: &Settings, counters: &Arc<Counters>) -> Sources {
        Sources {
            feeds: Arc::new(health_feeds(settings)),
            ledger: self.ledger.clone(),
            warehouse: self.warehouses.first.reader(),
            clock: Arc::clone(&self.clock),
            zone: self.zone.clone(),
            channels: self.watch.channel_names(),
            counted: counted(Arc::clone(counters), Arc::clone(&self.house), self.watch.turned().clone()),
            notices: {
                let house = Arc::clone(&self.house);
                Arc::new(move || house.notices())
            },
        }
    }

    /// The deliveries of the last day: who came from where, with how much.
    async fn past(&self) -> Result<Vec<Past>, LedgerError> {
        let now = self.clock.now();
        let filter = Filter { since: now.saturating_sub(PAST).ok(), limit: Some(MAX_PAST), ..Filter::default() };
        let rows = self.ledger.read(move |reader| reader.deliveries(&filter)).await?;
        // The newest last: an address is known by its newest login.
        let past = rows.into_iter().rev().map(|DeliveryRow { delivery, .. }| Past {
            provider: delivery.provider,
            address: delivery.sender.address.ip(),
            at: delivery.received_at,
            bytes: delivery.bytes,
        });
        Ok(past.collect())
    }

    fn intake_context(&self, settings: &Settings, host_keys: HostKeys, counters: Arc<Counters>, past: Vec<Past>) -> intake::Context {
        let accounts = settings.providers.iter().map(|provider| provider.account.clone()).collect();
        intake::Context {
            state_dir: settings.state_dir.clone(),
            settings: settings.sftp.clone(),
            accounts: watch::channel(Arc::new(Accounts { accounts, trust: settings.trust.clone() })).1,
            gate: Arc::new(self.gate(settings)),
            clock: Arc::clone(&self.clock),
            host_keys,
            counters,
            past,
            next: None,
        }
    }
}

impl Doors {
    async fn open(settings: &Settings) -> Result<Self, StartError> {
        let mut sftp = Vec::with_capacity(settings.sftp.listen.len());
        for address in &settings.sftp.listen {
            sftp.push(listen("[sftp] listen", *address).await?);
        }
        let mut next = Vec::with_capacity(settings.sftp.next_listen.len());
        for address in &settings.sftp.next_listen {
            next.push(listen("[sftp] next_listen", *address).await?);
        }
        let web = listen("[web] listen", settings.web.listen).await?;
        let control = control::bind(&settings.state_dir).map_err(|source| unusable(&settings.state_dir.join(control::SOCKET), source))?;
        let sftp_addresses = sftp.iter().map(address_of).collect::<Result<_, _>>()?;
        let web_address = address_of(&web)?;
        Ok(Self { sftp, next, web, control, sftp_addresses, web_address })
    }

    /// The second entrance and how it is shown; `None` where no address is set for it. Its keys are only made where it is.
    fn next_entrance(&mut self, settings: &Settings) -> Result<Option<(intake::Next, NextEntrance)>, StartError> {
        let listeners = std::mem::take(&mut self.next);
        if listeners.is_empty() {
            return Ok(None);
        }
        let host_keys = HostKeys::load(&settings.state_dir.join(&settings.sftp.next_host_keys))?;
        let sftp: Vec<SocketAddr> = listeners.iter().map(address_of).collect::<Result<_, _>>()?;
        let shown = NextEntrance { sftp, host_keys: host_keys.fingerprints() };
        tracing::info!(sftp = ?shown.sftp, host_keys = ?shown.host_keys, "the next host keys are served here");
        Ok(Some((intake::Next { listeners, host_keys }, shown)))
    }
}

impl Running {
    /// The first address that SFTP is served on, with the port that was really taken.
    ///
    /// # Errors
    /// There is none.
    pub fn sftp_address(&self) -> io::Result<SocketAddr> {
        self.sftp.first().copied().ok_or_else(|| io::Error::other("SFTP is not served anywhere"))
    }

    /// Reads the warehouse.
    #[must_use]
    pub fn warehouse_reader(&self) -> WarehouseReader {
        self.books.warehouses.first.reader()
    }
}

/// Opens the first warehouse. One that is away, or does not answer, is opened by the first write that finds it back.
async fn open_first(settings: &Settings) -> Result<Warehouse, ForwardError> {
    let rows = reference_rows(settings);
    let warehouse = Warehouse::unopened(&settings.warehouse, &settings.state_dir, Some(rows.clone()))?;
    let away = |error: &str| {
        tracing::error!(error, "the warehouse is not available; deliveries wait in the ledger until it is");
        Ok(warehouse.clone())
    };
    match tokio::time::timeout(PATIENCE, warehouse.set_reference(rows)).await {
        Err(_) => away(&format!("no answer within {} s", PATIENCE.as_secs())),
        Ok(Err(error)) if error.kind() == ForwardErrorKind::Unavailable => away(&error_chain(&error)),
        Ok(set) => set.map(|()| warehouse.clone()),
    }
}

/// A state folder that was there before keeps its mode; one that others can write is worth a word.
fn warn_of_others(state_dir: &Path) -> io::Result<()> {
    if std::fs::metadata(state_dir)?.permissions().mode() & 0o022 != 0 {
        tracing::warn!(path = %state_dir.display(), "others can write to the state folder, and so change the ledger: chmod 700 it");
    }
    Ok(())
}

pub(super) fn unusable(path: &Path, source: io::Error) -> StartError {
    StartError::State { path: path.to_owned(), source }
}

/// Takes the lock on the state folder: two daemons over one ledger would each believe themselves alone.
fn own(state_dir: &Path) -> Result<File, StartError> {
    let path = state_dir.join(LOCK);
    let failed = |source| StartError::State { path: path.clone(), source };
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StartError::Owned(state_dir.to_owned())),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

async fn listen(key: &str, address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|source| StartError::Listen { address: format!("{address} ({key})"), source })
}

fn address_of(listener: &TcpListener) -> Result<SocketAddr, StartError> {
    listener.local_addr().map_err(|source| StartError::Listen { address: "an address that was just taken".to_owned(), source })
}

/// The shortest stretch without us that a sender can have come to nobody in: a restart after an upgrade is over sooner.
const LEAST_AWAY: SignedDuration = SignedDuration::from_secs(60);

/// What is recorded where nothing was for so long that nobody can have watched.
fn away(newest: Option<Timestamp>, now: Timestamp) -> Option<Event> {
    newest.filter(|newest| now.duration_since(*newest) >= LEAST_AWAY).map(|from| Event::Away { from, until: now })
}

fn watched(provider: &Provider) -> WatchedFeed {
    let contact = &provider.contact;
    let words = [contact.name.as_str(), contact.phone.as_str(), contact.email.as_str()];
    let contact = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(", ");
    WatchedFeed { schedule: provider.schedule.clone(), name: provider.name.clone(), contact, terms: provider.account.terms() }
}

/// The providers' own contacts that can be told by mail.
fn contacts(settings: &Settings) -> BTreeMap<ProviderCode, String> {
    reachable(settings.providers.iter().map(|provider| (provider.code.clone(), provider.contact.email.clone())))
}

/// The feeds of the settings as health shows them.
pub(crate) fn health_feeds(settings: &Settings) -> Vec<HealthFeed> {
    let feed = |provider: &Provider| HealthFeed {
        schedule: provider.schedule.clone(),
        name: provider.name.clone(),
        kind: provider.kind,
        terms: provider.account.terms(),
    };
    settings.providers.iter().map(feed).collect()
}

/// The answer to a ping: what was true at the start, with the counters as they are when it is asked.
fn ping(answer: control::Answer, counters: Arc<Counters>, refusals: Arc<Refusals>, house: Arc<House>) -> control::Ping {
    Arc::new(move || {
        let mut answer = answer.clone();
        if let control::Answer::Running { endpoint, .. } = &mut answer {
            **endpoint = counters.read().into();
            endpoint.refused_uploads = refusals.newest().into_iter().map(Into::into).collect();
            endpoint.notices = house.notices();
            endpoint.further_warehouses = house.further();
        }
        answer
    })
}

/// The endpoint's counters under the names that `/metrics` gives them.
fn counted(counters: Arc<Counters>, house: Arc<House>, turned: Turned) -> Counted {
    let counter = |name, help, value| Family::of_one(name, FamilyKind::Counter, help, value);
    let gauge = |name, help, value| Family::of_one(name, FamilyKind::Gauge, help, value);
    Arc::new(move || {
        let counts = counters.read();
        let room = house.room().map(|room| {
            [
                gauge("bedfeed_disk_free_bytes", "Room that is left on the disk of the state folder.", room.free),
                gauge("bedfeed_disk_reserve_bytes", "Room of this that uploads may not have.", room.reserve),
            ]
        });
        let mut families = vec![
            gauge("bedfeed_sftp_connections_open", "Connections that are open now.", counts.open),
            gauge("bedfeed_sftp_connections_not_logged_in", "Connections that are open now and have not logged in.", counts.waiting),
            counter("bedfeed_sftp_connections_total", "Connections accepted.", counts.connections),
            counter(
                "bedfeed_sftp_connections_turned_away_total",
                "Connections turned away because too many were open.",
                counts.turned_away,
            ),
            gauge(
                "bedfeed_sftp_penalised_sources",
                "Addresses that are turned away for a while, because everything from them failed.",
                counts.penalised_sources,
            ),
            Family::by_reason("bedfeed_sftp_connections_closed_total", "Connections that ended, by reason.", &counts.closed),
            counter("bedfeed_sftp_logins_total", "Logins that worked.", counts.logins),
            Family::by_reason("bedfeed_sftp_logins_refused_total", "Logins refused, by reason.", &counts.refused),
            counter("bedfeed_sftp_uploads_accepted_total", "Uploads acknowledged.", counts.accepted),
            counter("bedfeed_sftp_uploads_failed_total", "Uploads not acknowledged.", counts.failed),
            counter("bedfeed_sftp_uploads_without_room_total", "Of these, uploads for which the disk had no room.", counts.no_room),
            counter("bedfeed_sftp_upload_bytes_total", "Bytes of acknowledged uploads.", counts.bytes),
        ];
        families.extend(room.into_iter().flatten());
        families.extend(Family::at_instant(
            "bedfeed_last_evaluation_timestamp_seconds",
            "When every feed was judged last.",
            turned.judged_at(),
        ));
        families.extend(Family::at_instant(
            "bedfeed_heartbeat_last_success_timestamp_seconds",
            "When the heartbeat was heard last.",
            turned.beat_at(),
        ));
        families.extend(Family::by_name(
            "bedfeed_further_warehouse_waiting",
            "Snapshots that wait for a warehouse beside the first.",
            "warehouse",
            house.further().into_iter().filter(|further| further.compared).map(|further| (further.name, further.waiting)),
        ));
        families.extend(Family::by_name(
            "bedfeed_further_warehouse_refused",
            "Snapshots that a warehouse beside the first refuses.",
            "warehouse",
            house.further().into_iter().filter(|further| further.compared).map(|further| (further.name, further.refused)),
        ));
        families
    })
}
