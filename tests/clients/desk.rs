//! The desk of an analyst who tries a client: a daemon with two accounts, the client's way in, and what the daemon says
//! about the outcome.

use crate::common::{Ran, Service, make_key, run, wait_for};
use crate::house::{Raw, string};
use bedfeed::feed::Digest;
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The account that clients use.
pub(crate) const ACCOUNT: &str = "RZA";
/// An account that may send small files only.
pub(crate) const SMALL_ACCOUNT: &str = "RZB";
/// Most bytes of a file of that account.
pub(crate) const SMALL: usize = 100 * 1024;

/// The running daemon and what is known of its deliveries.
pub(crate) struct Desk {
    service: Service,
    looking: RefCell<Option<Raw>>,
    seen: Cell<usize>,
}

/// A way to the daemon: address, account and keys.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    pub(crate) port: u16,
    pub(crate) user: String,
    pub(crate) key: PathBuf,
    /// A home folder, with `.ssh/known_hosts`.
    pub(crate) home: PathBuf,
    /// Fingerprints of the daemon's host keys.
    pub(crate) fingerprints: Vec<String>,
}

/// What STAT says about a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) bytes: u64,
    pub(crate) modified: Option<u32>,
}

impl Desk {
    pub(crate) fn open(compatibility: bool) -> Self {
        let mut service = Service::cottage(&[ACCOUNT, SMALL_ACCOUNT]);
        service.append(&format!("providers/{SMALL_ACCOUNT}.toml"), "\n[limits]\nmax_file_bytes = \"100KiB\"\n");
        if compatibility {
            service.edit("bedfeed.toml", "[sftp]\n", "[sftp]\ncompatibility = true\n");
        }
        make_key(&service.key("stranger"));
        service.start();
        Self { service, looking: RefCell::new(None), seen: Cell::new(0) }
    }

    pub(crate) fn service(&self) -> &Service {
        &self.service
    }

    /// The way in that a trust would use.
    pub(crate) fn door(&self) -> Door {
        self.door_at(self.service.port())
    }

    /// The same on another port, where a line to the daemon begins.
    pub(crate) fn door_at(&self, port: u16) -> Door {
        self.door_for(port, ACCOUNT, ACCOUNT)
    }

    /// As the account that may send small files only.
    pub(crate) fn small_door(&self) -> Door {
        self.door_for(self.service.port(), SMALL_ACCOUNT, SMALL_ACCOUNT)
    }

    /// With a key that no account has.
    pub(crate) fn strangers_door(&self) -> Door {
        self.door_for(self.service.port(), ACCOUNT, "stranger")
    }

    fn door_for(&self, port: u16, user: &str, key: &str) -> Door {
        let home = self.service.dir().join(format!("home-{user}-{key}-{port}"));
        let ssh = home.join(".ssh");
        fs::create_dir_all(&ssh).unwrap();
        let keys = self.host_keys();
        let known: String = keys.iter().map(|(line, _)| format!("[127.0.0.1]:{port} {line}\n")).collect();
        fs::write(ssh.join("known_hosts"), known).unwrap();
        let fingerprints = keys.into_iter().map(|(_, fingerprint)| fingerprint).collect();
        Door { port, user: user.to_owned(), key: self.service.key(key), home, fingerprints }
    }

    /// The public halves of the host keys, with their fingerprints.
    fn host_keys(&self) -> Vec<(String, String)> {
        let folder = self.service.state().join("host_keys");
        let private = crate::common::names(&folder).into_iter().filter(|name| name.ends_with("_key"));
        let known = private.map(|name| {
            let path = folder.join(name).display().to_string();
            let line = run("ssh-keygen", &["-y", "-f", &path], b"").fine().stdout.trim().to_owned();
            let told = run("ssh-keygen", &["-l", "-f", "-"], line.as_bytes()).fine().stdout;
            (line, told.split(' ').nth(1).unwrap().to_owned())
        });
        known.collect()
    }

    /// Writes a file to send, in a folder of its own; gives its path.
    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> String {
        let folder = self.service.dir().join(format!("outbox-{name}"));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join(name);
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// What the account is told about a path.
    pub(crate) fn stat(&self, path: &str) -> Option<Facts> {
        let mut looking = self.looking.borrow_mut();
        facts(looking.get_or_insert_with(|| subsystem(&self.door())), path)
    }

    /// What the small account is told about a path.
    pub(crate) fn small_stat(&self, path: &str) -> Option<Facts> {
        facts(&mut subsystem(&self.small_door()), path)
    }

    /// New deliveries since the last call, oldest first.
    pub(crate) fn arrived(&self) -> Vec<Value> {
        let all = self.service.deliveries();
        let fresh = all[self.seen.get()..].to_vec();
        self.seen.set(all.len());
        fresh
    }

    /// The deliveries since the last call are exactly these that somebody was told of: name and bytes.
    #[track_caller]
    pub(crate) fn told(&self, by: &str, expected: &[(&str, &[u8])]) {
        let came: Vec<(String, Value)> =
            self.arrived().iter().map(|row| (words(&row["delivery"]["name"]), row["delivery"]["sha256"].clone())).collect();
        let wanted: Vec<(String, Value)> =
            expected.iter().map(|(name, bytes)| ((*name).to_owned(), Value::String(Digest::of(bytes).to_string()))).collect();
        assert_eq!(came, wanted, "{by}: deliveries that bedfeed knows, and what the client was told");
    }

    /// Waits until every delivery was judged; gives them all.
    pub(crate) fn settled(&self) -> Vec<Value> {
        self.service.settled(self.seen.get())
    }

    /// Waits until a cut upload can be resumed: its bytes are told by STAT.
    pub(crate) fn await_partial(&self, path: &str) -> Facts {
        wait_for(&format!("{path} can be resumed"), || self.stat(path))
    }
}

fn words(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// The SFTP subsystem by this door, with nothing between the test and its packets.
pub(crate) fn subsystem(door: &Door) -> Raw {
    let mut raw = Raw::over(subsystem_command(door));
    raw.init();
    raw
}

pub(crate) fn subsystem_command(door: &Door) -> Command {
    let mut command = Command::new("ssh");
    command.args(openssh_options(door)).args(["-p", &door.port.to_string(), "-s", &format!("{}@127.0.0.1", door.user), "sftp"]);
    // Why the line was cut, or that no key fits: the test knows.
    command.stderr(Stdio::null());
    command
}

/// What every OpenSSH program is told.
pub(crate) fn openssh_options(door: &Door) -> Vec<String> {
    let known = known_hosts(door);
    let mut words = vec!["-F".to_owned(), "/dev/null".to_owned(), "-i".to_owned(), door.key.display().to_string()];
    for option in [
        "BatchMode=yes",
        "IdentitiesOnly=yes",
        "StrictHostKeyChecking=yes",
        "UpdateHostKeys=no",
        "GlobalKnownHostsFile=/dev/null",
        &format!("UserKnownHostsFile={}", known.display()),
    ] {
        words.extend(["-o".to_owned(), option.to_owned()]);
    }
    words
}

pub(crate) fn known_hosts(door: &Door) -> PathBuf {
    door.home.join(".ssh/known_hosts")
}

/// A path as a program's argument.
pub(crate) fn word(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

fn facts(raw: &mut Raw, path: &str) -> Option<Facts> {
    raw.send(17, 9, &[&string(path.as_bytes())]);
    attributes(&raw.read())
}

/// Size and time of an ATTRS reply; `None` for a status.
pub(crate) fn attributes(reply: &[u8]) -> Option<Facts> {
    let (kind, rest) = (reply[0], &reply[5..]);
    if kind != 105 {
        return None;
    }
    let number = |at: usize| u32::from_be_bytes(rest[at..at + 4].try_into().unwrap());
    let flags = number(0);
    assert_eq!(flags & 0x7, 0x5, "size and permissions, no owner");
    let bytes = u64::from_be_bytes(rest[4..12].try_into().unwrap());
    let modified = (flags & 0x8 != 0).then(|| number(20));
    Some(Facts { bytes, modified })
}

/// The end of a replay, in the form of a program's end.
pub(crate) fn outcome(result: Result<String, String>) -> Ran {
    match result {
        Ok(stdout) => Ran { code: Some(0), stdout, stderr: String::new() },
        Err(stderr) => Ran { code: Some(1), stdout: String::new(), stderr },
    }
}
