//! A session without a network, for tests: packets in, replies out, a gate made of memory, a clock that is set by hand.

use super::reply::Replies;
use super::session::Session;
use super::{Client, Shared};
use crate::feed::{Clock, Delivery, Digest, ProviderCode, Sender};
use crate::intake::{Account, Accounts, Gate, Item, Landed, NotAccepted, Pending, Quota, Refused, Settings, Shelf, clear_uploads};
use jiff::Timestamp;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use tokio::sync::watch;

/// Most bytes of an upload here.
pub(super) const MAX_FILE_BYTES: u64 = 1000;

/// A clock that stands still until it is set forward.
pub(super) struct ByHand(AtomicI64);

impl Clock for ByHand {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

/// Accepts deliveries into memory.
pub(super) struct Memory {
    accepted: Mutex<Vec<Delivery>>,
    refusing: AtomicBool,
    /// While true, whoever came waits.
    held: watch::Sender<bool>,
    /// How many came.
    came: watch::Sender<usize>,
}

impl Memory {
    pub(super) fn refuse(&self, refuse: bool) {
        self.refusing.store(refuse, Ordering::SeqCst);
    }

    pub(super) fn hold(&self, hold: bool) {
        self.held.send_replace(hold);
    }

    /// Waits until somebody stands at the gate.
    pub(super) async fn somebody_came(&self) {
        self.came.subscribe().wait_for(|came| *came > 0).await.unwrap();
    }

    fn items(&self, provider: &ProviderCode, shelf: Shelf) -> Vec<Item> {
        let accepted = self.accepted.lock().unwrap();
        let shown = accepted.iter().rev().filter(|delivery| delivery.provider == *provider && shelf == Shelf::Accepted(delivery.folder));
        shown
            .map(|delivery| Item {
                name: delivery.name.clone(),
                bytes: delivery.bytes,
                modified_at: delivery.modified_at.unwrap_or(delivery.received_at),
            })
            .collect()
    }
}

impl Gate for Memory {
    fn accept(&self, landed: Landed) -> Pending<'_, Result<(), NotAccepted>> {
        Box::pin(async move {
            self.came.send_modify(|came| *came += 1);
            self.held.subscribe().wait_for(|held| !held).await.unwrap();
            if self.refusing.load(Ordering::SeqCst) {
                return Err(NotAccepted("the ledger is on strike".into()));
            }
            self.accepted.lock().unwrap().push(landed.delivery().clone());
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

    fn receipt(&self, _provider: ProviderCode, _name: String) -> Pending<'_, Option<(Item, Vec<u8>)>> {
        Box::pin(async { None })
    }
}

/// The endpoint without its network.
pub(super) struct Bench {
    dir: TempDir,
    pub(super) shared: Arc<Shared>,
    pub(super) gate: Arc<Memory>,
    clock: Arc<ByHand>,
    _running: (watch::Sender<bool>, watch::Sender<Arc<Accounts>>),
}

impl Bench {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        clear_uploads(dir.path()).unwrap();
        let account = |code: &str| Account {
            provider: code.parse().unwrap(),
            keys: Vec::new(),
            networks: Vec::new(),
            agreement_ends: None,
            max_file_bytes: MAX_FILE_BYTES,
            password: None,
            quota: Quota { max_bytes_per_hour: u64::MAX, max_staged_bytes: 66 * MAX_FILE_BYTES },
        };
        let (accounts, accounts_now) =
            watch::channel(Arc::new(Accounts { accounts: vec![account("RM1"), account("RGP")], ..Accounts::default() }));
        let (shutdown, stop) = watch::channel(false);
        let gate = Arc::new(Memory {
            accepted: Mutex::default(),
            refusing: AtomicBool::new(false),
            held: watch::Sender::new(false),
            came: watch::Sender::new(0),
        });
        let clock = Arc::new(ByHand(AtomicI64::new(1_543_832_100)));
        let shared = Shared::new(
            dir.path().to_owned(),
            Settings::default(),
            accounts_now,
            Arc::<Memory>::clone(&gate),
            Arc::<ByHand>::clone(&clock),
            Arc::default(),
            stop,
        );
        Self { dir, shared, gate, clock, _running: (shutdown, accounts) }
    }

    pub(super) fn later(&self, seconds: i64) {
        self.clock.0.fetch_add(seconds, Ordering::SeqCst);
    }

    /// A session of this account that has not said INIT.
    pub(super) fn silent(&self, code: &str) -> Session {
        self.silent_by(code, "SSH-2.0-test")
    }

    /// The same with a client that names itself like this.
    pub(super) fn silent_by(&self, code: &str, software: &str) -> Session {
        let sender = Sender {
            address: "127.0.0.1:2".parse().unwrap(),
            software: software.to_owned(),
            key: "SHA256:x".to_owned(),
            key_owner: "owner".to_owned(),
            connected_at: self.clock.now(),
            connection: 1,
        };
        let client = Client { provider: code.parse().unwrap(), sender, open_uploads: watch::Sender::new(0) };
        Session::new(Arc::clone(&self.shared), Arc::new(client))
    }

    /// A session of RM1 that has said INIT.
    pub(super) async fn talk(&self) -> Talk {
        let mut talk = Talk { session: self.silent("RM1") };
        assert_eq!(talk.send(&init()).await.len(), 1);
        talk
    }

    /// Names and contents of what was accepted, oldest first; each was on the disk as the ledger was told.
    pub(super) fn accepted(&self) -> Vec<(String, Vec<u8>)> {
        let accepted = self.gate.accepted.lock().unwrap();
        let content = |delivery: &Delivery| {
            let content = std::fs::read(self.dir.path().join("deliveries").join(delivery.id.to_string())).unwrap();
            assert_eq!((delivery.bytes, delivery.sha256), (u64::try_from(content.len()).unwrap(), Digest::of(&content)));
            (delivery.name.as_str().to_owned(), content)
        };
        accepted.iter().map(content).collect()
    }

    /// How many files there are in a folder of the state folder.
    pub(super) fn files(&self, folder: &str) -> usize {
        std::fs::read_dir(self.dir.path().join(folder)).unwrap().count()
    }
}

/// A conversation.
pub(super) struct Talk {
    session: Session,
}

impl Talk {
    /// Sends bytes; gives the replies to the requests that they complete.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> Vec<Reply> {
        let mut replies = Replies::default();
        self.session.feed(bytes, &mut replies).await.unwrap();
        replies_in(&replies.take())
    }

    /// Sends one request; gives its reply.
    pub(super) async fn ask(&mut self, kind: u8, parts: &[&[u8]]) -> Reply {
        let mut replies = self.send(&packet(kind, 7, parts)).await;
        assert_eq!(replies.len(), 1);
        replies.remove(0)
    }

    pub(super) async fn open(&mut self, path: &str, flags: u8) -> Vec<u8> {
        let reply = self.ask(3, &[&string(path.as_bytes()), &[0, 0, 0, flags], &[0; 4]]).await;
        assert_eq!(reply.kind, 102, "{}", reply.text());
        reply.body
    }

    pub(super) async fn write(&mut self, handle: &[u8], offset: u64, data: &[u8]) -> Reply {
        self.ask(6, &[handle, &offset.to_be_bytes(), &string(data)]).await
    }

    pub(super) async fn close(&mut self, handle: &[u8]) -> Reply {
        self.ask(4, &[handle]).await
    }

    pub(super) async fn stat(&mut self, path: &str) -> Reply {
        self.ask(17, &[&string(path.as_bytes())]).await
    }

    pub(super) async fn rename(&mut self, from: &str, to: &str) -> Reply {
        self.ask(18, &[&string(from.as_bytes()), &string(to.as_bytes())]).await
    }

    /// A whole upload from its start; OK at the end.
    pub(super) async fn put(&mut self, path: &str, content: &[u8]) {
        let handle = self.open(path, 0x1a).await;
        assert!(self.write(&handle, 0, content).await.is_ok());
        assert!(self.close(&handle).await.is_ok());
    }
}

/// One reply.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) kind: u8,
    pub(super) id: u32,
    /// What follows the id.
    pub(super) body: Vec<u8>,
}

impl Reply {
    /// The status code, of a status.
    pub(super) fn code(&self) -> Option<u32> {
        (self.kind == 101).then(|| u32::from_be_bytes(self.body[..4].try_into().unwrap()))
    }

    pub(super) fn is_ok(&self) -> bool {
        self.code() == Some(0)
    }

    /// The text, of a status.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(self.body.get(8..self.body.len().saturating_sub(6)).unwrap_or_default()).into_owned()
    }

    /// The size, of attributes.
    pub(super) fn size(&self) -> Option<u64> {
        (self.kind == 105).then(|| u64::from_be_bytes(self.body[4..12].try_into().unwrap()))
    }

    /// The modification time, of attributes that have one.
    pub(super) fn modified(&self) -> Option<u32> {
        (self.kind == 105 && self.body.len() == 24).then(|| u32::from_be_bytes(self.body[20..24].try_into().unwrap()))
    }
}

/// The replies in a stream of them.
pub(super) fn replies_in(mut bytes: &[u8]) -> Vec<Reply> {
    let mut replies = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<4>() {
        let (packet, rest) = rest.split_at(usize::try_from(u32::from_be_bytes(*length)).unwrap());
        let id = u32::from_be_bytes(packet[1..5].try_into().unwrap());
        replies.push(Reply { kind: packet[0], id, body: packet[5..].to_vec() });
        bytes = rest;
    }
    replies
}

/// A string as SFTP writes it.
pub(super) fn string(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}

/// A request.
pub(super) fn packet(kind: u8, id: u32, parts: &[&[u8]]) -> Vec<u8> {
    string(&[&[kind], id.to_be_bytes().as_slice(), &parts.concat()].concat())
}

/// The first request of a session.
pub(super) fn init() -> Vec<u8> {
    vec![0, 0, 0, 5, 1, 0, 0, 0, 3]
}
