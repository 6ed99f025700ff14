//! A house for the endpoint's tests: a gate made of memory, keys from `ssh-keygen`, and the OpenSSH programs.

use bedfeed::feed::{ClientSeen, Clock, Delivery, FileName, ProviderCode};
use bedfeed::intake::{
    Account, AccountKey, Accounts, Context, Counters, Counts, Gate, HostKeys, Item, Landed, NotAccepted, Pending, Quota, ServeError,
    Settings, Shelf, Trust, clear_uploads, serve,
};
use jiff::Timestamp;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What the only receipt says: a little more than one READ brings.
pub(crate) fn receipt() -> Vec<u8> {
    b"RM1 beds.csv: loaded, 12 rows\n".repeat(3000)
}

/// A string as SFTP writes it.
pub(crate) fn string(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}

/// The names in a folder.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// Looks again and again until something is true.
pub(crate) async fn until(what: &str, is_true: impl Fn() -> bool) {
    let mut looks = tokio::time::interval(Duration::from_millis(20));
    for _ in 0..3000 {
        looks.tick().await;
        if is_true() {
            return;
        }
    }
    assert!(is_true(), "waited in vain until {what}");
}

/// When every house opens; its clock stands until a test puts it forward.
fn noon() -> Timestamp {
    "2018-12-03T12:00:00Z".parse().unwrap()
}

/// A clock that stands.
struct Standing(Mutex<Timestamp>);

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

/// Accepts deliveries into memory.
#[derive(Default)]
struct Memory {
    accepted: Mutex<Vec<Delivery>>,
    refusing: AtomicBool,
    seen: Mutex<Vec<ClientSeen>>,
}

impl Memory {
    fn items(&self, provider: &ProviderCode, shelf: Shelf) -> Vec<Item> {
        let accepted = self.accepted.lock().unwrap();
        let mine = accepted.iter().filter(|delivery| delivery.provider == *provider);
        match shelf {
            Shelf::Accepted(folder) => mine
                .filter(|delivery| delivery.folder == folder)
                .map(|delivery| Item { name: delivery.name.clone(), bytes: delivery.bytes, modified_at: delivery.received_at })
                .collect(),
            Shelf::Receipts => vec![Item {
                name: FileName::parse(b"beds.csv.receipt.txt").unwrap(),
                bytes: u64::try_from(receipt().len()).unwrap(),
                modified_at: noon(),
            }],
        }
    }
}

impl Gate for Memory {
    fn accept(&self, landed: Landed) -> Pending<'_, Result<(), NotAccepted>> {
        Box::pin(async move {
            if self.refusing.load(Ordering::SeqCst) {
                return Err(NotAccepted("the ledger is on strike".into()));
            }
            self.accepted.lock().unwrap().push(landed.delivery().clone());
            Ok(())
        })
    }

    fn list(&self, provider: ProviderCode, shelf: Shelf) -> Pending<'_, Vec<Item>> {
        Box::pin(async move { self.items(&provider, shelf) })
    }

    fn find(&self, provider: ProviderCode, shelf: Shelf, name: String) -> Pending<'_, Option<Item>> {
        Box::pin(async move { self.items(&provider, shelf).into_iter().rev().find(|item| item.name.as_str() == name) })
    }

    fn receipt(&self, provider: ProviderCode, name: String) -> Pending<'_, Option<(Item, Vec<u8>)>> {
        Box::pin(async move { Some((self.find(provider, Shelf::Receipts, name).await?, receipt())) })
    }

    fn seen(&self, client: ClientSeen) -> Pending<'_, ()> {
        self.seen.lock().unwrap().push(client);
        Box::pin(async {})
    }
}

/// What a program did.
pub(crate) struct Run {
    pub(crate) ok: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The endpoint, running.
pub(crate) struct House {
    dir: TempDir,
    address: SocketAddr,
    memory: Arc<Memory>,
    pub(crate) counters: Arc<Counters>,
    shutdown: watch::Sender<bool>,
    serving: JoinHandle<Result<(), ServeError>>,
    accounts: watch::Sender<Arc<Accounts>>,
    clock: Arc<Standing>,
}

impl House {
    pub(crate) async fn open() -> Self {
        Self::open_with(Settings::default()).await
    }

    pub(crate) async fn open_with(settings: Settings) -> Self {
        Self::open_for(settings, &["ed25519"]).await
    }

    /// With an account that has a key of each kind, named after it, besides a key called `other` that it does not have.
    /// Penalties and the rate of connections are out of the way: here all of them come from one address, and the clock stands.
    pub(crate) async fn open_for(settings: Settings, kinds: &[&str]) -> Self {
        let settings = Settings { penalties: false, connection_rate: 10_000, ..settings };
        Self::open_strictly(settings, kinds).await
    }

    /// With exactly these settings.
    pub(crate) async fn open_strictly(settings: Settings, kinds: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut keys = Vec::new();
        for (name, kind) in kinds.iter().map(|kind| (*kind, *kind)).chain([("other", "ed25519")]) {
            let path = dir.path().join(name);
            let made = Command::new("ssh-keygen").args(["-q", "-t", kind, "-N", "", "-C", "", "-f"]).arg(path).status().unwrap();
            assert!(made.success());
            let public_key = std::fs::read_to_string(dir.path().join(format!("{name}.pub"))).unwrap().trim().to_owned();
            keys.push(AccountKey { owner: "informatics".to_owned(), public_key, expires: None });
        }
        keys.pop();
        let account = Account {
            provider: "RM1".parse().unwrap(),
            keys,
            networks: Vec::new(),
            agreement_ends: None,
            max_file_bytes: 2_000_000,
            password: None,
            quota: Quota::for_files_of(2_000_000),
        };
        let state_dir = dir.path().join("state");
        clear_uploads(&state_dir).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (accounts, accounts_now) = watch::channel(Arc::new(Accounts { accounts: vec![account], trust: Trust::default() }));
        let (shutdown, stop) = watch::channel(false);
        let clock = Arc::new(Standing(Mutex::new(noon())));
        let (memory, counters) = (Arc::new(Memory::default()), Arc::new(Counters::default()));
        let context = Context {
            host_keys: HostKeys::load(&state_dir.join("host_keys")).unwrap(),
            state_dir,
            settings,
            accounts: accounts_now,
            gate: Arc::<Memory>::clone(&memory),
            clock: Arc::<Standing>::clone(&clock),
            counters: Arc::clone(&counters),
            next: None,
        };
        let serving = tokio::spawn(serve(vec![listener], context, stop));
        Self { dir, address, memory, counters, shutdown, serving, accounts, clock }
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    pub(crate) fn file(&self, name: &str, content: &[u8]) -> String {
        let path = self.dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub(crate) fn accepted(&self) -> Vec<Delivery> {
        self.memory.accepted.lock().unwrap().clone()
    }

    /// What clients that logged in showed of themselves.
    pub(crate) fn seen(&self) -> Vec<ClientSeen> {
        self.memory.seen.lock().unwrap().clone()
    }

    pub(crate) fn refuse_everything(&self) {
        self.memory.refusing.store(true, Ordering::SeqCst);
    }

    /// Changes who may log in, as a reload of the settings would.
    pub(crate) fn change_accounts(&self, change: impl FnOnce(&mut Accounts)) {
        self.accounts.send_modify(|accounts| change(Arc::make_mut(accounts)));
    }

    /// Puts the clock forward, or back.
    pub(crate) fn set_clock(&self, now: &str) {
        *self.clock.0.lock().unwrap() = now.parse().unwrap();
    }

    /// How often a login was refused for a reason.
    pub(crate) fn refused(&self, reason: &str) -> u64 {
        self.counters.read().refused.iter().find(|(word, _)| *word == reason).unwrap().1
    }

    /// Takes every account out of the settings.
    pub(crate) fn close_accounts(&self) {
        self.accounts.send_replace(Arc::default());
    }

    pub(crate) fn stop(&mut self) {
        self.shutdown.send_replace(true);
    }

    /// Stops the endpoint and waits until it is over.
    pub(crate) async fn close(self) -> (TempDir, Vec<Delivery>) {
        self.shutdown.send_replace(true);
        self.serving.await.unwrap().unwrap();
        let accepted = self.memory.accepted.lock().unwrap().clone();
        (self.dir, accepted)
    }

    /// Waits until every connection is over, stops the endpoint, and gives what was counted.
    pub(crate) async fn close_and_count(self) -> Counts {
        let counters = Arc::clone(&self.counters);
        until("every connection is over", || counters.read().open == 0).await;
        self.close().await;
        counters.read()
    }

    pub(crate) async fn sftp(&self, batch: &str) -> Run {
        self.sftp_as("RM1", "ed25519", "LogLevel=ERROR", batch).await
    }

    pub(crate) async fn sftp_as(&self, user: &str, key: &str, option: &str, batch: &str) -> Run {
        let batch = self.file("batch", format!("{batch}\n").as_bytes());
        let mut command = self.program("sftp", key);
        command.args(["-q", "-o", option, "-b", &batch, "-P", &self.address.port().to_string(), &format!("{user}@127.0.0.1")]);
        run(command).await
    }

    pub(crate) async fn scp(&self, flags: &str, file: &str, target: &str) -> Run {
        let mut command = self.program("scp", "ed25519");
        command.args(flags.split_whitespace()).args(["-q", "-P", &self.address.port().to_string(), file]);
        command.arg(format!("RM1@127.0.0.1:{target}"));
        run(command).await
    }

    pub(crate) async fn ssh(&self, words: &[&str]) -> Run {
        let mut command = self.program("ssh", "ed25519");
        command.args(["-p", &self.address.port().to_string(), "RM1@127.0.0.1"]);
        command.args(words.iter().filter(|word| !word.is_empty()));
        run(command).await
    }

    /// The SFTP subsystem with nothing between the test and its packets.
    pub(crate) fn raw(&self) -> Raw {
        self.raw_with("ed25519", &[])
    }

    /// The same with a key, and with options that go before the usual ones.
    pub(crate) fn raw_with(&self, key: &str, options: &[&str]) -> Raw {
        let mut command = Command::new("ssh");
        command.args(options);
        let usual = self.program("ssh", key);
        command.args(usual.get_args());
        command.args(["-p", &self.address.port().to_string(), "-s", "RM1@127.0.0.1", "sftp"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        Raw { to: child.stdin.take(), from: child.stdout.take().unwrap(), child }
    }

    pub(crate) fn program(&self, name: &str, key: &str) -> Command {
        let mut command = Command::new(name);
        for option in [
            "StrictHostKeyChecking=no",
            "LogLevel=ERROR",
            "BatchMode=yes",
            "IdentitiesOnly=yes",
            "IdentityAgent=none",
            "PasswordAuthentication=no",
            &format!("UserKnownHostsFile={}", self.dir.path().join("known_hosts").display()),
            &format!("IdentityFile={}", self.dir.path().join(key).display()),
        ] {
            command.arg("-o").arg(option);
        }
        command.args(["-F", "/dev/null"]);
        command.stdin(Stdio::null());
        command
    }
}

pub(crate) async fn run(mut command: Command) -> Run {
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { ok: output.status.success(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// A conversation in packets. It blocks, so it needs a runtime of several threads.
pub(crate) struct Raw {
    child: Child,
    to: Option<ChildStdin>,
    from: ChildStdout,
}

impl Raw {
    pub(crate) fn packet(kind: u8, id: u32, parts: &[&[u8]]) -> Vec<u8> {
        let body = [&[kind], id.to_be_bytes().as_slice(), &parts.concat()].concat();
        [&u32::try_from(body.len()).unwrap().to_be_bytes(), body.as_slice()].concat()
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.to.as_mut().unwrap().write_all(bytes).unwrap();
    }

    pub(crate) fn send(&mut self, kind: u8, id: u32, parts: &[&[u8]]) {
        self.write(&Self::packet(kind, id, parts));
    }

    pub(crate) fn in_background(&mut self, act: impl FnOnce(&mut ChildStdin) + Send + 'static) {
        let mut pipe = self.to.take().unwrap();
        std::thread::spawn(move || act(&mut pipe));
    }

    pub(crate) fn init(&mut self) {
        self.write(&[0, 0, 0, 5, 1, 0, 0, 0, 6]);
        assert_eq!(self.read()[..5], [2, 0, 0, 0, 3], "version 3 whatever the client speaks");
    }

    /// The next packet's body.
    pub(crate) fn read(&mut self) -> Vec<u8> {
        let mut length = [0; 4];
        self.from.read_exact(&mut length).unwrap();
        let mut body = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap()];
        self.from.read_exact(&mut body).unwrap();
        body
    }

    /// What the client said about how it ended.
    pub(crate) fn last_words(mut self) -> String {
        let mut words = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut words).unwrap();
        self.child.wait().unwrap();
        words
    }

    pub(crate) fn end(&mut self) {
        self.to = None;
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// The exit status of the remote side.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}
