//! A house for the endpoint's tests: a gate made of memory, keys from `ssh-keygen`, and the OpenSSH programs.

use bedfeed::feed::{ClientSeen, Clock, Delivery, FileName, ProviderCode};
use bedfeed::intake::{
    Account, AccountKey, Accounts, Context, Counters, Counts, Gate, HostKeys, Item, Landed, NotAccepted, Pending, Quota, Refused,
    ServeError, Settings, Shelf, Trust, clear_uploads, serve,
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

/// What the receipt that everybody has says: a little more than one READ brings.
pub(crate) fn receipt() -> Vec<u8> {
    b"RM1 beds.csv: loaded, 12 rows\n".repeat(3000)
}

/// The name of the receipt that only one provider has, and what it says.
pub(crate) fn own_receipt(provider: &str) -> (String, Vec<u8>) {
    (format!("{provider}.receipt.txt"), format!("for {provider} alone\n").into_bytes())
}

/// A string as SFTP writes it.
pub(crate) fn string(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}

/// The names in a folder.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// When every house opens; its clock stands until a test puts it forward.
fn noon() -> Timestamp {
    "2018-12-03T12:00:00Z".parse().unwrap()
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
    /// While true, whoever came waits.
    held: watch::Sender<bool>,
    /// How many came.
    came: watch::Sender<usize>,
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
            Shelf::Receipts => {
                let own = own_receipt(provider.as_str());
                let item = |(name, bytes): (String, Vec<u8>)| Item {
                    name: FileName::parse(name.as_bytes()).unwrap(),
                    bytes: u64::try_from(bytes.len()).unwrap(),
                    modified_at: noon(),
                };
                vec![item(("beds.csv.receipt.txt".to_owned(), receipt())), item(own)]
            }
        }
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
        Box::pin(async move { self.items(&provider, shelf).into_iter().rev().find(|item| item.name.as_str() == name) })
    }

    fn receipt(&self, provider: ProviderCode, name: String) -> Pending<'_, Option<(Item, Vec<u8>)>> {
        Box::pin(async move {
            let (own, bytes) = own_receipt(provider.as_str());
            let bytes = if name == own { bytes } else { receipt() };
            Some((self.find(provider, Shelf::Receipts, name).await?, bytes))
        })
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
            past: Vec::new(),
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

    /// Closes the gate, or opens it again: while it is closed nothing is accepted or refused.
    pub(crate) fn hold(&self, hold: bool) {
        self.memory.held.send_replace(hold);
    }

    /// Waits until somebody stands at the gate.
    pub(crate) async fn somebody_came(&self) {
        self.memory.came.subscribe().wait_for(|came| *came > 0).await.unwrap();
    }

    /// `sftp` with a batch and further arguments, left to run.
    pub(crate) fn start_sftp(&self, arguments: &[&str], batch: &str) -> Child {
        let batch = self.file("batch.left", format!("{batch}\n").as_bytes());
        let mut command = self.program("sftp", "ed25519");
        command.args(arguments).args(["-q", "-b", &batch, "-P", &self.address.port().to_string(), "RM1@127.0.0.1"]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
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

    /// Lets another provider in, with a key named after it.
    pub(crate) fn welcome(&self, code: &str, max_file_bytes: u64) {
        let path = self.dir.path().join(code);
        let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"]).arg(&path).status().unwrap();
        assert!(made.success());
        let public_key = std::fs::read_to_string(path.with_extension("pub")).unwrap().trim().to_owned();
        let key = AccountKey { owner: "informatics".to_owned(), public_key, expires: None };
        self.accounts.send_modify(|accounts| {
            let mut all = Accounts::clone(accounts);
            all.accounts.push(Account {
                provider: code.parse().unwrap(),
                keys: vec![key],
                networks: Vec::new(),
                agreement_ends: None,
                max_file_bytes,
                password: None,
                quota: Quota::for_files_of(max_file_bytes),
            });
            *accounts = Arc::new(all);
        });
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

    /// Stops the endpoint, waits until every connection is over, and gives what was counted.
    pub(crate) async fn close_and_count(self) -> Counts {
        let counters = Arc::clone(&self.counters);
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
        command.stderr(Stdio::piped());
        Raw::over(command)
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

/// A conversation whose replies are read elsewhere. It ends when this is dropped.
pub(crate) struct Replying {
    child: Child,
    _to: Option<ChildStdin>,
}

impl Drop for Replying {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A conversation in packets. It blocks, so it needs a runtime of several threads.
pub(crate) struct Raw {
    child: Child,
    to: Option<ChildStdin>,
    from: ChildStdout,
}

impl Raw {
    /// A conversation with the subsystem that this program carries over its standard input and output.
    pub(crate) fn over(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        Self { to: child.stdin.take(), from: child.stdout.take().unwrap(), child }
    }

    pub(crate) fn packet(kind: u8, id: u32, parts: &[&[u8]]) -> Vec<u8> {
        let body = [&[kind], id.to_be_bytes().as_slice(), &parts.concat()].concat();
        [&u32::try_from(body.len()).unwrap().to_be_bytes(), body.as_slice()].concat()
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.try_write(bytes).unwrap();
    }

    /// The same, where the line may be cut.
    pub(crate) fn try_write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.to.as_mut().unwrap().write_all(bytes)
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
        self.try_read().unwrap()
    }

    /// The same, where the line may be cut.
    pub(crate) fn try_read(&mut self) -> std::io::Result<Vec<u8>> {
        let mut length = [0; 4];
        self.from.read_exact(&mut length)?;
        let mut body = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap()];
        self.from.read_exact(&mut body)?;
        Ok(body)
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

    /// Hands every reply on as it comes, until the other side ends.
    pub(crate) fn replies(self) -> (std::sync::mpsc::Receiver<Vec<u8>>, Replying) {
        let (sender, receiver) = std::sync::mpsc::channel();
        let Self { child, to, mut from } = self;
        std::thread::spawn(move || {
            let mut length = [0; 4];
            while from.read_exact(&mut length).is_ok() {
                let mut body = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap()];
                from.read_exact(&mut body).unwrap();
                drop(sender.send(body));
            }
        });
        (receiver, Replying { child, _to: to })
    }

    /// The exit status of the remote side.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}
