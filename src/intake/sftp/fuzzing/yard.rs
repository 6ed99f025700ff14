//! The yard: two accounts with two sessions each on one state folder, and everything that must hold after every chunk.

use super::super::limits::{MAX_OPEN_VIEWS, MAX_PARTIALS_PER_ACCOUNT};
use super::super::packet::{Malformed, Request, decode};
use super::super::reply::Replies;
use super::super::session::{Ended, Session};
use super::super::{Client, Shared, lock};
use super::model::{Circumstances, Landings, Model, account_of};
use super::script::{Act, MAX_FILE, Script, Step};
use super::{cut_up, replies};
use crate::feed::{Clock, Delivery, DeliveryId, Digest, FileName, ProviderCode, Sender};
use crate::intake::{Account, Accounts, Gate, Item, Landed, NotAccepted, Pending, Quota, Refused, Settings, Shelf, clear_uploads};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use tokio::sync::watch;

/// The two accounts.
const PROVIDERS: [&str; 2] = ["RM1", "RGP"];
/// Sessions: the first two are of the first account.
const SEATS: usize = 4;
/// Files that one session may have open.
const MAX_OPEN: usize = 3;

/// A place to play inputs in.
#[derive(Debug)]
pub struct Yard {
    runtime: tokio::runtime::Runtime,
    dir: PathBuf,
}

impl Yard {
    /// Plays in an empty folder, which should be in memory: a file that lands is brought to stable storage.
    pub fn new(dir: &Path) -> Self {
        clear_uploads(&dir.join("state")).expect("a folder to play in");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        Self { runtime, dir: dir.to_owned() }
    }

    /// Plays one input; says how many files were acknowledged.
    pub fn run(&self, input: &[u8]) -> usize {
        self.runtime.block_on(Play::new(&self.dir).through(input))
    }
}

struct Play {
    dir: PathBuf,
    shared: Arc<Shared>,
    books: Arc<Books>,
    clock: Arc<Hand>,
    accounts: watch::Sender<Arc<Accounts>>,
    shutdown: watch::Sender<bool>,
    seats: Vec<Seat>,
    model: Model,
}

/// One session, and what was said on it.
struct Seat {
    client: Arc<Client>,
    session: Session,
    /// What it has to say and has not said yet.
    outbox: Vec<u8>,
    /// The start of a packet whose end was not said yet.
    begun: Vec<u8>,
    started: bool,
}

impl Play {
    fn new(dir: &Path) -> Self {
        let (books, clock) = (Arc::new(Books::default()), Arc::new(Hand::default()));
        let (accounts, accounts_now) = watch::channel(Arc::new(everybody()));
        let (shutdown, stop) = watch::channel(false);
        let shared = Shared::new(
            dir.join("state"),
            Settings { max_open_files: MAX_OPEN, reserve_bytes: 0, ..Settings::default() },
            accounts_now,
            Arc::<Books>::clone(&books),
            Arc::<Hand>::clone(&clock),
            Arc::default(),
            stop,
        );
        let seats = (0..SEATS).map(|seat| Seat::new(&shared, seat)).collect();
        Self { dir: dir.to_owned(), shared, books, clock, accounts, shutdown, seats, model: Model::default() }
    }

    async fn through(mut self, input: &[u8]) -> usize {
        let mut script = Script::new(input);
        loop {
            let landed = self.books.accepted().first().map(|delivery| delivery.id.to_string());
            let Some(Step { seat, flush, act }) = script.step(landed.as_deref()) else { break };
            match act {
                Act::Say(bytes) => self.seats[seat].outbox.extend(bytes),
                Act::Cut => self.cut(seat),
                Act::Wait(minutes) => self.clock.advance(i64::from(minutes) * 60),
                Act::Strike => {
                    self.books.on_strike.fetch_xor(true, Ordering::SeqCst);
                }
                Act::Close => self.accounts.send_modify(|accounts| {
                    *accounts = Arc::new(if accounts.accounts.is_empty() { everybody() } else { Accounts::default() });
                }),
                Act::Stop => self.shutdown.send_modify(|stop| *stop = !*stop),
            }
            if let Some(most) = flush {
                self.flush(seat, most).await;
            }
        }
        for seat in 0..SEATS {
            self.flush(seat, usize::MAX).await;
        }
        let landed = self.books.accepted().len();
        self.clear_away();
        landed
    }

    /// Cuts the connection off and makes a new one.
    fn cut(&mut self, seat: usize) {
        self.model.cut(seat);
        self.seats[seat] = Seat::new(&self.shared, seat);
        self.check_disk();
    }

    /// Says what is to be said, as one chunk, and holds the answers against the model.
    async fn flush(&mut self, seat: usize, most: usize) {
        let Seat { session, outbox, begun, started, .. } = &mut self.seats[seat];
        let chunk: Vec<u8> = outbox.drain(..most.min(outbox.len())).collect();
        if chunk.is_empty() {
            return;
        }
        let before = self.books.accepted().len();
        let mut answers = Replies::default();
        let outcome = session.feed(&chunk, &mut answers).await;
        begun.extend(chunk);
        let (packets, bad_length) = cut_up(begun);
        let whole: usize = packets.iter().map(|body| body.len() + 4).sum();
        begun.drain(..whole);
        let (requests, ended) = expected(&packets, bad_length, started);
        assert_eq!(outcome.err(), ended, "what ends a session, and nothing else");
        let answers = replies::read(&answers.take());
        let ids: Vec<u32> = requests.iter().map(|(id, _)| *id).collect();
        assert_eq!(answers.iter().map(|(id, _)| *id).collect::<Vec<u32>>(), ids, "one answer for each request, in order");
        let mut landings: Landings = self.books.accepted()[before..].iter().map(|delivery| self.landed(delivery, seat)).collect();
        let account = account_of(seat);
        let around =
            Circumstances { accepting: !self.books.on_strike.load(Ordering::SeqCst), receipts: self.books.receipts(PROVIDERS[account]) };
        for ((_, request), (_, reply)) in requests.iter().zip(&answers) {
            match request {
                Some(request) => {
                    assert!(reply.suits(request), "{reply:?} does not answer {request:?}");
                    self.model.heed(seat, request, reply, &around, &mut landings);
                }
                None => assert_eq!(*reply, replies::Reply::Status(5), "what cannot be read is called a bad message"),
            }
        }
        assert!(landings.is_empty(), "{landings:?} was accepted and not acknowledged");
        if ended.is_some() {
            self.cut(seat);
        } else {
            let session = &self.seats[seat].session;
            let (uploads, views) = (session.uploads().count(), session.views());
            assert!(uploads <= MAX_OPEN && views <= MAX_OPEN_VIEWS, "{uploads} uploads and {views} views are open");
            assert_eq!(uploads + views, self.model.handles(seat), "as many handles as were given and not closed");
        }
        self.check_disk();
    }

    /// A delivery that the gate took in: its name and what is on the disk.
    fn landed(&self, delivery: &Delivery, seat: usize) -> (String, Vec<u8>) {
        assert_eq!(delivery.provider.as_str(), PROVIDERS[account_of(seat)], "who sent it");
        let bytes = fs::read(self.dir.join("state/deliveries").join(delivery.id.to_string())).expect("a delivery is on the disk");
        assert_eq!((u64::try_from(bytes.len()), Digest::of(&bytes)), (Ok(delivery.bytes), delivery.sha256));
        (format!("{}/{}", delivery.folder.as_str(), delivery.name), bytes)
    }

    /// Nothing is on the disk but uploads, bounded, and deliveries, under ids of ours.
    fn check_disk(&self) {
        assert_eq!(names(&self.dir), ["state"]);
        assert_eq!(names(&self.dir.join("state")), ["deliveries", "uploads"]);
        let mut known: Vec<String> = self.books.accepted().iter().map(|delivery| delivery.id.to_string()).collect();
        known.extend(lock(&self.books.refused).iter().map(ToString::to_string));
        known.sort();
        assert_eq!(names(&self.dir.join("state/deliveries")), known);
        let uploads = self.dir.join("state/uploads");
        let staged = names(&uploads);
        let open: usize = self.seats.iter().map(|seat| seat.session.uploads().count()).sum();
        assert!(staged.len() <= open + PROVIDERS.len() * MAX_PARTIALS_PER_ACCOUNT, "{} files are staged", staged.len());
        for name in staged {
            assert!(name.parse::<DeliveryId>().is_ok(), "{name} is no name of ours");
            let length = fs::metadata(uploads.join(&name)).expect("a staged file").len();
            assert!(length <= MAX_FILE, "{length} bytes are staged in one file");
        }
    }

    /// Every connection ends, and an hour later nothing is left of what did not land.
    fn clear_away(mut self) {
        let mut clients = BTreeMap::new();
        for (seat, ended) in self.seats.drain(..).enumerate() {
            self.model.cut(seat);
            clients.insert(seat, Arc::clone(&ended.client));
        }
        self.check_disk();
        self.clock.advance(3601);
        self.shared.partials().forget_old(self.clock.now());
        assert!(names(&self.dir.join("state/uploads")).is_empty(), "something is left in uploads/");
        assert!(lock(&self.shared.shares).values().all(|count| *count == 0), "a share was not given back");
        assert!(clients.values().all(|client| *client.open_uploads.borrow() == 0), "an upload counts as open");
        let deliveries = self.dir.join("state/deliveries");
        for name in names(&deliveries) {
            fs::remove_file(deliveries.join(name)).expect("a delivery to remove");
        }
    }
}

impl Seat {
    fn new(shared: &Arc<Shared>, seat: usize) -> Self {
        let sender = Sender {
            address: ([192, 0, 2, 1], 22).into(),
            software: "SSH-2.0-test".to_owned(),
            key: "SHA256:test".to_owned(),
            key_owner: "test".to_owned(),
            connected_at: shared.clock.now(),
            connection: 1,
        };
        let client = Arc::new(Client { provider: provider(account_of(seat)), sender, open_uploads: watch::Sender::new(0) });
        let session = Session::new(Arc::clone(shared), Arc::clone(&client));
        Self { client, session, outbox: Vec::new(), begun: Vec::new(), started: false }
    }
}

/// Requests in the order in which they are answered; `None` where one cannot be read.
type Expected<'a> = Vec<(u32, Option<Request<'a>>)>;

/// What packets ask for, up to the one that has to end the session.
fn expected<'a>(packets: &'a [Vec<u8>], bad_length: bool, started: &mut bool) -> (Expected<'a>, Option<Ended>) {
    let mut requests = Vec::new();
    for body in packets {
        match decode(body) {
            Ok((_, request)) if *started == (request == Request::Init) => return (requests, Some(Ended::OutOfTurn)),
            Ok((id, request)) => {
                *started = true;
                requests.push((id, Some(request)));
            }
            Err(Malformed::Answerable(id)) if *started => requests.push((id, None)),
            Err(_) => return (requests, Some(Ended::Unreadable)),
        }
    }
    (requests, bad_length.then_some(Ended::BadLength))
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut names: Vec<String> = entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("text")).collect();
    names.sort();
    names
}

fn provider(account: usize) -> ProviderCode {
    PROVIDERS[account].parse().expect("a provider's code")
}

fn everybody() -> Accounts {
    let account = |account| Account {
        provider: provider(account),
        keys: Vec::new(),
        networks: Vec::new(),
        agreement_ends: None,
        max_file_bytes: MAX_FILE,
        password: None,
        // The model knows no quotas; they are tested beside their code.
        quota: Quota { max_bytes_per_hour: u64::MAX, max_staged_bytes: u64::MAX },
    };
    Accounts { accounts: vec![account(0), account(1)], ..Accounts::default() }
}

/// A clock that is set by hand.
#[derive(Default)]
struct Hand(AtomicI64);

impl Hand {
    fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(1_543_838_400).expect("a time") + SignedDuration::from_secs(self.0.load(Ordering::SeqCst))
    }
}

/// Provider, name and words.
type OwnReceipt = (&'static str, String, Arc<Vec<u8>>);

/// The receipt that each provider always has: its name, and words that need more than one READ.
static OWN_RECEIPTS: LazyLock<Vec<OwnReceipt>> = LazyLock::new(|| {
    let words = |provider| Arc::new(format!("only for {provider}. ").repeat(2500).into_bytes());
    PROVIDERS.iter().map(|provider| (*provider, format!("{provider}.receipt.txt"), words(provider))).collect()
});

/// A gate of memory, which can go on strike. Every account has a receipt of its own, and one of each file.
#[derive(Default)]
struct Books {
    accepted: Mutex<Vec<Delivery>>,
    refused: Mutex<Vec<DeliveryId>>,
    on_strike: AtomicBool,
}

impl Books {
    fn accepted(&self) -> Vec<Delivery> {
        lock(&self.accepted).clone()
    }

    fn receipts(&self, provider: &str) -> Vec<(String, Arc<Vec<u8>>)> {
        let mine = lock(&self.accepted);
        let mine = mine.iter().filter(|delivery| delivery.provider.as_str() == provider);
        let of_a_file = |name: &FileName| (format!("{name}.receipt.txt"), Arc::new(format!("{provider} sent {name}").into_bytes()));
        let own = OWN_RECEIPTS.iter().filter(|(of, ..)| *of == provider).map(|(_, name, bytes)| (name.clone(), Arc::clone(bytes)));
        mine.map(|delivery| of_a_file(&delivery.name)).chain(own).collect()
    }

    fn items(&self, provider: &ProviderCode, shelf: Shelf) -> Vec<Item> {
        let item = |name: FileName, bytes: u64| Item { name, bytes, modified_at: Timestamp::UNIX_EPOCH };
        match shelf {
            Shelf::Accepted(folder) => {
                let all = self.accepted();
                let mine = all.iter().rev().filter(|delivery| delivery.provider == *provider && delivery.folder == folder);
                mine.map(|delivery| item(delivery.name.clone(), delivery.bytes)).collect()
            }
            Shelf::Receipts => {
                let receipts = self.receipts(provider.as_str());
                let length = |bytes: &[u8]| u64::try_from(bytes.len()).expect("short");
                receipts.iter().filter_map(|(name, bytes)| Some(item(FileName::parse(name.as_bytes()).ok()?, length(bytes)))).collect()
            }
        }
    }
}

impl Gate for Books {
    fn accept(&self, landed: Landed) -> Pending<'_, Result<(), NotAccepted>> {
        Box::pin(async move {
            if self.on_strike.load(Ordering::SeqCst) {
                lock(&self.refused).push(landed.delivery().id);
                return Err(NotAccepted("on strike".into()));
            }
            lock(&self.accepted).push(landed.delivery().clone());
            Ok(())
        })
    }

    fn refused(&self, _refused: Refused) {}

    fn list(&self, provider: ProviderCode, shelf: Shelf) -> Pending<'_, Vec<Item>> {
        Box::pin(async move { self.items(&provider, shelf) })
    }

    fn find(&self, provider: ProviderCode, shelf: Shelf, name: String) -> Pending<'_, Option<Item>> {
        Box::pin(async move { self.items(&provider, shelf).into_iter().find(|item| item.name.as_str() == name) })
    }

    fn receipt(&self, provider: ProviderCode, name: String) -> Pending<'_, Option<(Item, Vec<u8>)>> {
        Box::pin(async move {
            let item = self.find(provider.clone(), Shelf::Receipts, name.clone()).await?;
            let bytes = self.receipts(provider.as_str()).into_iter().find(|(receipt, _)| *receipt == name)?.1;
            Some((item, bytes.to_vec()))
        })
    }
}
