//! The service from outside: the built binary as a child process, and the programs that a provider, an analyst and a
//! support team have: `sftp`, `scp`, `ssh-keygen`, `sqlite3`, and bedfeed's own commands.

#![allow(dead_code, reason = "each test program uses its own part of it")]

pub(crate) mod books;
pub(crate) mod extract;
pub(crate) mod past;
pub(crate) mod receivers;
pub(crate) mod warehouse;
pub(crate) mod webhook;

use bedfeed::feed::Clock;
use bedfeed::service::SystemClock;
use jiff::Timestamp;
use serde_json::Value;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The built program.
pub(crate) const BEDFEED: &str = env!("CARGO_BIN_EXE_bedfeed");
/// How long anything may take before a test gives up. Nothing takes a hundredth of it on a quiet machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// The machine's time.
pub(crate) fn now() -> Timestamp {
    SystemClock.now()
}

/// What a program did.
#[derive(Clone, Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    /// It ended with 0 and had nothing to complain about.
    #[track_caller]
    pub(crate) fn fine(self) -> Self {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""), "{self:?}");
        self
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Looks again and again until something is there.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        pause(PAUSE);
    }
}

/// Looks again and again until something is true.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut is_true: impl FnMut() -> bool) {
    wait_for(what, || is_true().then_some(()));
}

pub(crate) fn pause(length: Duration) {
    #[expect(clippy::disallowed_methods, reason = "between two looks, or before a kill at a random moment")]
    std::thread::sleep(length);
}

/// Runs a program to its end, with this on its standard input.
pub(crate) fn run<A: AsRef<OsStr>>(program: &str, arguments: &[A], input: &[u8]) -> Ran {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{program}: {error}; is it installed?"));
    let mut pipe = child.stdin.take().unwrap();
    // A program that ends early closes its side: what it says then counts, not the broken pipe.
    drop(pipe.write_all(input));
    drop(pipe);
    Ran::of(&child.wait_with_output().unwrap())
}

/// Makes a key pair at a path; gives the public half.
pub(crate) fn make_key(path: &Path) -> String {
    run(
        "ssh-keygen",
        &[
            OsStr::new("-q"),
            "-t".as_ref(),
            "ed25519".as_ref(),
            "-N".as_ref(),
            "".as_ref(),
            "-C".as_ref(),
            "".as_ref(),
            "-f".as_ref(),
            path.as_os_str(),
        ],
        b"",
    )
    .fine();
    fs::read_to_string(path.with_extension("pub")).unwrap().trim().to_owned()
}

/// The repository's folder.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Makes a folder, and those above it.
pub(crate) fn make_folder(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
}

/// Names in a folder; none where the folder is not there.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// A folder with settings and keys, and the daemon on it while it runs.
pub(crate) struct Service {
    dir: PathBuf,
    /// Removes the folder at the end.
    owned: Option<TempDir>,
    daemon: Option<Child>,
    port: u16,
}

impl Drop for Service {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() && self.owned.is_some() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("--- the last that the daemon said\n{}", lines[lines.len().saturating_sub(60)..].join("\n"));
        }
    }
}

impl Service {
    fn in_new_folder() -> Self {
        let owned = tempfile::tempdir().unwrap();
        Self { dir: owned.path().to_owned(), owned: Some(owned), daemon: None, port: 0 }
    }

    /// Another handle on the same folder, for clients on other threads. It must not outlive this one.
    pub(crate) fn clients(&self) -> Self {
        Self { dir: self.dir.clone(), owned: None, daemon: None, port: self.port }
    }

    /// The configuration of a cottage hospital, for each of these providers, as a person would write it by hand. It does not run yet.
    pub(crate) fn cottage(codes: &[&str]) -> Self {
        let service = Self::in_new_folder();
        copy_folder(&repository().join("tests/fixtures/cottage"), service.dir());
        let sample = fs::read_to_string(service.provider_file("RZZ")).unwrap();
        fs::remove_file(service.provider_file("RZZ")).unwrap();
        for code in codes {
            let key = make_key(&service.key(code));
            let text = sample.replace("PASTE THE LINE OF THE .pub FILE HERE", &key).replace("RZZ", code);
            assert!(text.contains(&key), "the cottage hospital's settings have a place for the key");
            fs::write(service.provider_file(code), text).unwrap();
        }
        for name in ["sites.csv", "wards.csv"] {
            let path = service.dir().join("reference").join(name);
            let text = fs::read_to_string(&path).unwrap();
            let (heading, rows) = text.split_once('\n').unwrap();
            let all: String = codes.iter().map(|code| rows.replace("RZZ", code)).collect();
            fs::write(path, format!("{heading}\n{all}")).unwrap();
        }
        service.edit("bedfeed.toml", "127.0.0.1:2222", "127.0.0.1:0");
        service.edit("bedfeed.toml", "127.0.0.1:8080", "127.0.0.1:0");
        service
    }

    /// The six sample providers as they are shipped, with keys. It does not run yet.
    pub(crate) fn samples() -> Self {
        let service = Self::in_new_folder();
        for folder in ["providers", "reference"] {
            copy_folder(&repository().join("config").join(folder), &service.dir().join(folder));
        }
        for file in names(&service.dir().join("providers")) {
            // Beside the settings stands the folder of their examples.
            let Some(code) = file.strip_suffix(".toml") else { continue };
            let key = make_key(&service.key(code));
            service.append(&format!("providers/{file}"), &format!("\n[[keys]]\nowner = \"night job\"\npublic_key = \"{key}\"\n"));
        }
        let main = "state_dir = \"state\"\n[sftp]\nlisten = \"127.0.0.1:0\"\n[web]\nlisten = \"127.0.0.1:0\"\n";
        fs::write(service.settings(), main).unwrap();
        service
    }

    /// Another machine with these settings, and with everything that clients have of this one: their keys, and the host key
    /// that they pinned. It has no state yet.
    pub(crate) fn elsewhere(&self, settings: &Path) -> Self {
        let other = Self::in_new_folder();
        copy_folder(settings, other.dir());
        for name in names(self.dir()).iter().filter(|name| name.starts_with("key-") || *name == "known_hosts") {
            fs::copy(self.dir().join(name), other.dir().join(name)).unwrap();
        }
        other
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.dir().join("state")
    }

    pub(crate) fn settings(&self) -> PathBuf {
        self.dir().join("bedfeed.toml")
    }

    pub(crate) fn provider_file(&self, code: &str) -> PathBuf {
        self.dir().join(format!("providers/{code}.toml"))
    }

    pub(crate) fn key(&self, code: &str) -> PathBuf {
        self.dir().join(format!("key-{code}"))
    }

    /// Replaces a text in a settings file, where it stands.
    pub(crate) fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.dir().join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} has no {from:?}");
        fs::write(path, text.replace(from, to)).unwrap();
    }

    pub(crate) fn append(&self, file: &str, text: &str) {
        let path = self.dir().join(file);
        let old = fs::read_to_string(&path).unwrap();
        fs::write(path, old + text).unwrap();
    }

    /// Writes a file to send; gives its path.
    pub(crate) fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let folder = self.dir().join("outbox");
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join(name);
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Starts the daemon and waits until it answers.
    #[track_caller]
    pub(crate) fn start(&mut self) {
        self.start_under(&[]);
        self.await_ready();
    }

    /// Starts the daemon, perhaps under another program, and does not wait.
    pub(crate) fn start_under(&mut self, wrapper: &[&str]) {
        self.start_with(wrapper, &[]);
    }

    /// The same with some variables of its own.
    pub(crate) fn start_with(&mut self, wrapper: &[&str], variables: &[(&str, &str)]) {
        assert!(self.daemon.is_none(), "it runs already");
        let log = File::options().create(true).append(true).open(self.dir().join("log")).unwrap();
        let settings = self.settings();
        let words: Vec<&OsStr> =
            wrapper.iter().map(OsStr::new).chain([BEDFEED.as_ref(), "run".as_ref(), "--config".as_ref(), settings.as_os_str()]).collect();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).envs(variables.iter().copied()).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.daemon = Some(command.spawn().unwrap());
    }

    /// Waits until the daemon answers; learns where it listens.
    #[track_caller]
    pub(crate) fn await_ready(&mut self) {
        let status = wait_for("the daemon answers", || {
            if let Some(ended) = self.daemon.as_mut().and_then(|child| child.try_wait().unwrap()) {
                panic!("the daemon ended: {ended}");
            }
            let ran = self.bedfeed(&["status", "--json"]);
            (ran.code == Some(0)).then(|| ran.json()).filter(|status| status["daemon"]["running"] == true)
        });
        self.port = status["daemon"]["sftp"][0].as_str().unwrap().rsplit_once(':').unwrap().1.parse().unwrap();
        // Senders pin the host key: it is the same one after every restart.
        let public =
            run("ssh-keygen", &["-y".as_ref(), "-f".as_ref(), self.state().join("host_keys/ssh_host_ed25519_key").as_os_str()], b"").fine();
        let known = self.dir().join("known_hosts");
        let line = format!("bedfeed {}", public.stdout);
        match fs::read_to_string(&known) {
            Ok(old) => assert_eq!(old, line, "the host key stays the same"),
            Err(_) => fs::write(known, line).unwrap(),
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn pid(&self) -> u32 {
        self.daemon.as_ref().unwrap().id()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.daemon.as_mut().is_some_and(|child| child.try_wait().unwrap().is_none())
    }

    /// `kill -9`, and waits until the process is gone.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.daemon.take() {
            drop(child.kill());
            child.wait().unwrap();
        }
    }

    /// SIGTERM, and waits until the daemon has ended in good order.
    #[track_caller]
    pub(crate) fn stop(&mut self) {
        let mut child = self.daemon.take().unwrap();
        run("kill", &["-TERM", &child.id().to_string()], b"").fine();
        let ended = child.wait().unwrap();
        assert!(ended.success(), "{ended}");
    }

    /// Waits until the daemon ends by itself; gives its exit status.
    #[track_caller]
    pub(crate) fn await_end(&mut self) -> Option<i32> {
        let mut child = self.daemon.take().unwrap();
        let ended = wait_for("the daemon ends", || child.try_wait().unwrap());
        ended.code()
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir().join("log")).unwrap_or_default()
    }

    /// Runs a command of bedfeed on these settings.
    pub(crate) fn bedfeed(&self, arguments: &[&str]) -> Ran {
        let settings = self.settings();
        let mut all: Vec<&OsStr> = arguments.iter().map(OsStr::new).collect();
        all.extend(["--config".as_ref(), settings.as_os_str()]);
        run(BEDFEED, &all, b"")
    }

    pub(crate) fn status(&self) -> Value {
        self.bedfeed(&["status", "--json"]).fine().json()
    }

    /// Everything that came, oldest first.
    pub(crate) fn deliveries(&self) -> Vec<Value> {
        let Value::Array(mut rows) = self.bedfeed(&["deliveries", "--json", "--limit", "100000"]).fine().json() else { panic!("no list") };
        rows.reverse();
        rows
    }

    /// Waits until so many deliveries have come and none is pending; gives them, oldest first.
    #[track_caller]
    pub(crate) fn settled(&self, count: usize) -> Vec<Value> {
        wait_for(&format!("{count} deliveries have ended"), || {
            let rows = self.deliveries();
            (rows.len() >= count && rows.iter().all(|row| row["outcome"] != "pending")).then_some(rows)
        })
    }

    pub(crate) fn explain(&self, id: &str) -> String {
        self.bedfeed(&["explain", id]).fine().stdout
    }

    /// What Debian's `sqlite3` says about the warehouse.
    pub(crate) fn query(&self, sql: &str) -> Vec<Value> {
        self.sqlite("warehouse.db", sql)
    }

    /// The same about the ledger.
    pub(crate) fn ledger(&self, sql: &str) -> Vec<Value> {
        self.sqlite("ledger.db", sql)
    }

    /// The same about a database of the state folder.
    pub(crate) fn sqlite(&self, file: &str, sql: &str) -> Vec<Value> {
        let path = self.state().join(file);
        let path = path.to_str().unwrap();
        let ran = run("sqlite3", &["-readonly", "-json", "-cmd", ".timeout 20000", path, sql], b"").fine();
        if ran.stdout.trim().is_empty() { Vec::new() } else { serde_json::from_str(&ran.stdout).unwrap() }
    }

    /// The tables that hold figures, as text.
    pub(crate) fn figures(&self) -> String {
        let path = self.state().join("warehouse.db");
        let commands = ".timeout 20000\n.dump 'fact_%' 'agg_%' 'ingest_snapshot' 'dim_ward'\n";
        run("sqlite3", &["-readonly", path.to_str().unwrap()], commands.as_bytes()).fine().stdout
    }

    fn client(&self, port: u16, code: &str) -> Vec<String> {
        let known = self.dir().join("known_hosts");
        let mut words: Vec<String> = ["-F", "/dev/null", "-P"].map(str::to_owned).to_vec();
        words.push(port.to_string());
        words.extend(["-i".to_owned(), self.key(code).display().to_string()]);
        let options = [
            "BatchMode=yes",
            "IdentitiesOnly=yes",
            "StrictHostKeyChecking=yes",
            "GlobalKnownHostsFile=/dev/null",
            "HostKeyAlias=bedfeed",
            "CheckHostIP=no",
            "ConnectTimeout=30",
            "ServerAliveInterval=15",
            "ServerAliveCountMax=4",
        ];
        for option in options {
            words.extend(["-o".to_owned(), option.to_owned()]);
        }
        words.extend(["-o".to_owned(), format!("UserKnownHostsFile={}", known.display())]);
        words
    }

    /// The arguments of `sftp -b -` as this provider, for a daemon on this port.
    pub(crate) fn sftp_arguments(&self, port: u16, code: &str) -> Vec<String> {
        let mut words = self.client(port, code);
        words.extend(["-b".to_owned(), "-".to_owned(), format!("{code}@127.0.0.1")]);
        words
    }

    /// The SFTP subsystem as this provider, fed with these bytes; gives what it answers.
    pub(crate) fn subsystem(&self, code: &str, packets: &[u8]) -> Vec<u8> {
        let words = self.client(self.port, code).into_iter().map(|word| if word == "-P" { "-p".to_owned() } else { word });
        let mut command = Command::new("ssh");
        command.args(words).args(["-s", &format!("{code}@127.0.0.1"), "sftp"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(packets).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", output.status);
        output.stdout
    }

    /// `sftp -b` as this provider.
    pub(crate) fn sftp(&self, code: &str, batch: impl AsRef<[u8]>) -> Ran {
        let batch = [batch.as_ref(), b"\n"].concat();
        run("sftp", &self.sftp_arguments(self.port, code), &batch)
    }

    /// `scp` of one file as this provider.
    pub(crate) fn scp(&self, code: &str, file: &str, to: &str) -> Ran {
        let mut words = vec!["-q".to_owned()];
        words.extend(self.client(self.port, code));
        words.extend([file.to_owned(), format!("{code}@127.0.0.1:{to}")]);
        run("scp", &words, b"")
    }

    /// Sends files to a folder in one session, each acknowledged.
    #[track_caller]
    pub(crate) fn send<'a, B: AsRef<[u8]> + 'a>(&self, code: &str, folder: &str, files: impl IntoIterator<Item = (&'a str, &'a B)>) {
        let mut batch = String::new();
        for (name, bytes) in files {
            let file = self.file(name, bytes);
            writeln!(batch, "put \"{file}\" \"{folder}/{name}\"").unwrap();
        }
        self.sftp(code, batch).fine();
    }

    /// Fetches a receipt by `sftp`: the JSON, and the words.
    #[track_caller]
    pub(crate) fn receipt(&self, code: &str, name: &str) -> (Value, String) {
        let fetch = |ending: &str| {
            let to = self.dir().join(format!("fetched.{code}.{ending}"));
            self.sftp(code, format!("get \"receipts/{name}.receipt.{ending}\" \"{}\"", to.display())).fine();
            fs::read_to_string(to).unwrap()
        };
        (serde_json::from_str(&fetch("json")).unwrap(), fetch("txt"))
    }
}

/// The id of a delivery as JSON shows it.
pub(crate) fn id(row: &Value) -> &str {
    row["delivery"]["id"].as_str().unwrap()
}

/// The rules that spoke about a delivery.
pub(crate) fn rules(row: &Value) -> Vec<&str> {
    let counts = row["report"]["findings"]["counts"].as_array();
    counts.into_iter().flatten().map(|count| count[0].as_str().unwrap()).collect()
}
