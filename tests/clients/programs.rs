//! The clients: what each is called, and the command line that a trust would use for each act.

use crate::common::{Ran, repository, run};
use crate::desk::{Door, known_hosts, openssh_options, word};
use crate::replays;
use std::fs;
use std::io::Write as _;
use std::process::{Child, Command, Output, Stdio};

/// What a client is asked to do. Paths on the other side start with `/`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act<'a> {
    /// Send a file that was never sent.
    Put { file: &'a str, to: &'a str },
    /// Send a file under a name that was sent before; where a client has a second way to send, by that.
    PutAgain { file: &'a str, to: &'a str },
    /// Send a file with its modification time.
    PutWithTime { file: &'a str, to: &'a str },
    /// Send a file only if it differs from what is there.
    PutIfChanged { file: &'a str, to: &'a str },
    /// Send a file under a temporary name and rename it.
    PutAndRename { file: &'a str, temporary: &'a str, to: &'a str },
    /// Send the rest of a file.
    Resume { file: &'a str, to: &'a str },
    /// Show a folder with the sizes of the files in it.
    List { folder: &'a str },
    /// Compare a file with what is there.
    Compare { file: &'a str, to: &'a str },
    /// Fetch a file.
    Get { from: &'a str, file: &'a str },
    /// Send a file and change one's mind in the middle.
    BreakOff { file: &'a str, to: &'a str },
}

/// A client.
pub(crate) struct Client {
    /// What the table calls it: without the last part of the version, which differs between machines.
    pub(crate) label: fn() -> String,
    pub(crate) after_a_cut: AfterACut,
    /// Whether it closes a file in good order when its user breaks off, so that half of it is acknowledged. A client that is
    /// interrupted in the middle of a packet cannot do so, so it is not certain.
    pub(crate) closes_half: bool,
    /// Whether bedfeed ends its session at a refused write.
    pub(crate) ends_at_a_refusal: bool,
    /// How the lines begin that it prints on standard error although all is well.
    pub(crate) small_talk: &'static [&'static str],
    pub(crate) way: Way,
}

/// What a client does about an upload that a cut left unfinished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AfterACut {
    /// It is asked to send the rest of the file.
    Resumes,
    /// The same, of a file under its temporary name, `.filepart`.
    ResumesFilepart,
    /// It is asked to send the whole file again.
    Again,
    /// It sends the whole file again unasked.
    AgainByItself,
}

/// How a client is made to act. An act that a client does not offer is `None`.
#[derive(Clone, Copy)]
pub(crate) enum Way {
    /// The real program.
    Program(fn(&Door, Act) -> Option<Errand>),
    /// The requests that the program is known to send.
    Replay(fn(&Door, Act) -> Option<Ran>),
}

/// A command line and what is typed into it.
pub(crate) struct Errand {
    command: Command,
    input: String,
}

pub(crate) const SFTP: Client = Client {
    label: || openssh("sftp"),
    after_a_cut: AfterACut::Resumes,
    closes_half: true,
    ends_at_a_refusal: false,
    small_talk: &[],
    way: Way::Program(sftp),
};
pub(crate) const SCP: Client = Client {
    label: || openssh("scp"),
    after_a_cut: AfterACut::Again,
    closes_half: false,
    ends_at_a_refusal: false,
    small_talk: &[],
    way: Way::Program(scp),
};
pub(crate) const PSFTP: Client = Client {
    label: || format!("PuTTY psftp {}", version("psftp", &["-V"], "Release ")),
    after_a_cut: AfterACut::Resumes,
    closes_half: false,
    ends_at_a_refusal: false,
    small_talk: &["Using username "],
    way: Way::Program(psftp),
};
pub(crate) const CURL: Client = Client {
    label: || {
        let (own, library) = (version("curl", &["--version"], "curl "), version("curl", &["--version"], "libssh2/"));
        format!("curl {own} with libssh2 {library}")
    },
    after_a_cut: AfterACut::Resumes,
    closes_half: false,
    ends_at_a_refusal: false,
    small_talk: &[],
    way: Way::Program(curl),
};
pub(crate) const PARAMIKO: Client = Client {
    label: || format!("paramiko {}", python_package("paramiko")),
    after_a_cut: AfterACut::Again,
    closes_half: true,
    ends_at_a_refusal: false,
    small_talk: &[],
    way: Way::Program(|door, act| python("paramiko_job.py", door, act)),
};
pub(crate) const ASYNCSSH: Client = Client {
    label: || format!("asyncssh {}", python_package("asyncssh")),
    after_a_cut: AfterACut::Again,
    closes_half: true,
    ends_at_a_refusal: false,
    small_talk: &[],
    way: Way::Program(|door, act| python("asyncssh_job.py", door, act)),
};
pub(crate) const RCLONE: Client = Client {
    label: || format!("rclone {}", version("rclone", &["version"], "rclone v")),
    after_a_cut: AfterACut::AgainByItself,
    closes_half: false,
    ends_at_a_refusal: false,
    small_talk: &[],
    way: Way::Program(rclone),
};
pub(crate) const WINSCP_SMALL: Client = Client {
    label: || "WinSCP, under the final name (replayed)".to_owned(),
    after_a_cut: AfterACut::Again,
    closes_half: false,
    ends_at_a_refusal: false,
    small_talk: &[],
    way: Way::Replay(replays::winscp_small),
};
pub(crate) const WINSCP: Client = Client {
    label: || "WinSCP, under `.filepart` (replayed)".to_owned(),
    after_a_cut: AfterACut::ResumesFilepart,
    closes_half: false,
    ends_at_a_refusal: false,
    small_talk: &[],
    way: Way::Replay(replays::winscp_filepart),
};
pub(crate) const SSH_NET: Client = Client {
    label: || "SSH.NET (replayed)".to_owned(),
    after_a_cut: AfterACut::Again,
    closes_half: false,
    ends_at_a_refusal: true,
    small_talk: &[],
    way: Way::Replay(replays::ssh_net),
};

impl Client {
    /// Acts to the end.
    pub(crate) fn act(&self, door: &Door, act: Act) -> Option<Ran> {
        match self.way {
            Way::Program(errand) => {
                let mut ran = errand(door, act).map(|errand| ended(errand.start()))?;
                let small_talk = |line: &str| self.small_talk.iter().any(|start| line.starts_with(start));
                ran.stderr = ran.stderr.split_inclusive('\n').filter(|line| !small_talk(line)).collect();
                Some(ran)
            }
            Way::Replay(replay) => replay(door, act),
        }
    }
}

impl Errand {
    fn new(program: &str, words: impl IntoIterator<Item = String>, input: String) -> Option<Self> {
        let mut command = Command::new(program);
        command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Some(Self { command, input })
    }

    fn at_home(mut self, door: &Door) -> Self {
        self.command.env("HOME", &door.home).env_remove("SSH_AUTH_SOCK");
        self
    }

    /// Starts the program and leaves it to itself.
    pub(crate) fn start(mut self) -> Child {
        let program = self.command.get_program().to_string_lossy().into_owned();
        let mut child = self.command.spawn().unwrap_or_else(|error| panic!("{program}: {error}. tests/run installs what is missing"));
        let mut pipe = child.stdin.take().unwrap();
        // A program that ends early closes its side: what it says then counts, not the broken pipe.
        drop(pipe.write_all(self.input.as_bytes()));
        child
    }
}

/// What a started program did in the end.
pub(crate) fn ended(child: Child) -> Ran {
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ran { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
}

/// The version that stands behind a word in what a program says about itself: major and minor number.
fn version(program: &str, words: &[&str], behind: &str) -> String {
    let said = run(program, words, b"");
    let said = said.stdout + &said.stderr;
    let (_, rest) = said.split_once(behind).unwrap_or_else(|| panic!("{program} does not tell its version: {said}"));
    let parts: Vec<&str> = rest.split(|c: char| c != '.' && !c.is_ascii_digit()).next().unwrap().split('.').take(2).collect();
    parts.join(".")
}

fn openssh(program: &str) -> String {
    let version = version("ssh", &["-V"], "OpenSSH_");
    format!("OpenSSH {} {program}", version.split('.').next().unwrap())
}

fn sftp(door: &Door, act: Act) -> Option<Errand> {
    let batch = match act {
        Act::Put { file, to } | Act::BreakOff { file, to } => format!("put {file} {to}\n"),
        Act::PutAgain { file, to } => format!("put -f {file} {to}\n"),
        Act::PutWithTime { file, to } => format!("put -p {file} {to}\n"),
        Act::PutAndRename { file, temporary, to } => format!("put {file} {temporary}\nrename {temporary} {to}\n"),
        Act::Resume { file, to } => format!("reput {file} {to}\n"),
        Act::List { folder } => format!("ls -l {folder}\n"),
        Act::Get { from, file } => format!("get {from} {file}\n"),
        Act::PutIfChanged { .. } | Act::Compare { .. } => return None,
    };
    let mut words = openssh_options(door);
    words.extend(["-q", "-b", "-", "-P", &door.port.to_string(), &format!("{}@127.0.0.1", door.user)].map(str::to_owned));
    Errand::new("sftp", words, batch)
}

fn scp(door: &Door, act: Act) -> Option<Errand> {
    let there = |path: &str| format!("{}@127.0.0.1:{path}", door.user);
    let (flag, from, to) = match act {
        Act::Put { file, to } | Act::PutAgain { file, to } | Act::BreakOff { file, to } => ("-q", file.to_owned(), there(to)),
        Act::PutWithTime { file, to } => ("-qp", file.to_owned(), there(to)),
        Act::Get { from, file } => ("-q", there(from), file.to_owned()),
        Act::PutIfChanged { .. } | Act::PutAndRename { .. } | Act::Resume { .. } | Act::List { .. } | Act::Compare { .. } => return None,
    };
    let mut words = vec![flag.to_owned()];
    words.extend(openssh_options(door));
    words.extend(["-P".to_owned(), door.port.to_string(), from, to]);
    Errand::new("scp", words, String::new())
}

/// `psftp` takes keys in a form of its own, and the host key's fingerprint on the command line.
fn psftp(door: &Door, act: Act) -> Option<Errand> {
    let batch = match act {
        Act::Put { file, to } | Act::PutAgain { file, to } | Act::BreakOff { file, to } => format!("put {file} {to}\n"),
        Act::PutAndRename { file, temporary, to } => format!("put {file} {temporary}\nmv {temporary} {to}\n"),
        Act::Resume { file, to } => format!("reput {file} {to}\n"),
        Act::List { folder } => format!("ls {folder}\n"),
        Act::Get { from, file } => format!("get {from} {file}\n"),
        Act::PutWithTime { .. } | Act::PutIfChanged { .. } | Act::Compare { .. } => return None,
    };
    let key = door.key.with_extension("ppk");
    if !key.try_exists().unwrap() {
        run("puttygen", &[word(&door.key), "-o".to_owned(), word(&key)], b"").fine();
    }
    let script = door.home.join("script");
    fs::write(&script, batch).unwrap();
    let mut words = ["-batch", "-P", &door.port.to_string(), "-i", &word(&key), "-b", &word(&script)].map(str::to_owned).to_vec();
    for fingerprint in &door.fingerprints {
        words.extend(["-hostkey".to_owned(), fingerprint.clone()]);
    }
    words.push(format!("{}@127.0.0.1", door.user));
    Errand::new("psftp", words, String::new()).map(|errand| errand.at_home(door))
}

fn curl(door: &Door, act: Act) -> Option<Errand> {
    let there = |path: &str| format!("sftp://127.0.0.1:{}{path}", door.port);
    let mut words = ["-sS", "--user", &format!("{}:", door.user), "--key", &word(&door.key)].map(str::to_owned).to_vec();
    words.extend(["--pubkey".to_owned(), word(&door.key.with_extension("pub"))]);
    let own = match act {
        Act::Put { file, to } | Act::PutAgain { file, to } | Act::BreakOff { file, to } => {
            vec!["-T".to_owned(), file.to_owned(), there(to)]
        }
        Act::PutAndRename { file, temporary, to } => {
            vec!["-T".to_owned(), file.to_owned(), "-Q".to_owned(), format!("-rename {temporary} {to}"), there(temporary)]
        }
        // Quoted commands that start with a minus are carried out after the upload.
        Act::PutWithTime { file, to } => {
            let at: jiff::Timestamp = fs::metadata(file).unwrap().modified().unwrap().try_into().unwrap();
            let order = format!("-mtime \"{}\" {to}", at.strftime("%d %b %Y %H:%M:%S GMT"));
            vec!["-T".to_owned(), file.to_owned(), "-Q".to_owned(), order, there(to)]
        }
        Act::Resume { file, to } => vec!["-C".to_owned(), "-".to_owned(), "-T".to_owned(), file.to_owned(), there(to)],
        Act::List { folder } => vec![there(&format!("{folder}/"))],
        Act::Get { from, file } => vec!["-o".to_owned(), file.to_owned(), there(from)],
        Act::PutIfChanged { .. } | Act::Compare { .. } => return None,
    };
    words.extend(own);
    Errand::new("curl", words, String::new()).map(|errand| errand.at_home(door))
}

fn rclone(door: &Door, act: Act) -> Option<Errand> {
    let settings = door.home.join("rclone.conf");
    if !settings.try_exists().unwrap() {
        let text = format!(
            "[bedfeed]\ntype = sftp\nhost = 127.0.0.1\nport = {}\nuser = {}\nkey_file = {}\nknown_hosts_file = {}\n",
            door.port,
            door.user,
            door.key.display(),
            known_hosts(door).display(),
        );
        fs::write(&settings, text).unwrap();
    }
    let there = |path: &str| format!("bedfeed:{path}");
    let folders = |file: &str, to: &str| {
        let ((from, name), (to, _)) = (file.rsplit_once('/').unwrap(), to.rsplit_once('/').unwrap());
        [from.to_owned(), there(to), "--include".to_owned(), format!("/{name}")]
    };
    let own: Vec<String> = match act {
        Act::Put { file, to } | Act::PutWithTime { file, to } | Act::BreakOff { file, to } => {
            vec!["copyto".to_owned(), file.to_owned(), there(to)]
        }
        Act::PutAgain { file, to } | Act::PutIfChanged { file, to } => [vec!["sync".to_owned()], folders(file, to).to_vec()].concat(),
        Act::Compare { file, to } => [vec!["check".to_owned(), "--one-way".to_owned()], folders(file, to).to_vec()].concat(),
        Act::PutAndRename { file, temporary, to } => {
            let rclone = format!("rclone --config {}", settings.display());
            let line = format!("{rclone} copyto {file} {} && {rclone} moveto {} {}", there(temporary), there(temporary), there(to));
            return Errand::new("sh", ["-c".to_owned(), line], String::new()).map(|errand| errand.at_home(door));
        }
        Act::Resume { .. } => return None,
        Act::List { folder } => vec!["lsl".to_owned(), there(folder)],
        Act::Get { from, file } => vec!["copyto".to_owned(), there(from), file.to_owned()],
    };
    let words = ["--config".to_owned(), word(&settings)].into_iter().chain(own);
    Errand::new("rclone", words, String::new()).map(|errand| errand.at_home(door))
}

/// The Python of the tests' own environment.
pub(crate) fn interpreter() -> String {
    let path = repository().join("target/test-tools/bin/python");
    assert!(path.try_exists().unwrap(), "{} is not there: tests/run makes it", path.display());
    word(&path)
}

fn python_package(name: &str) -> String {
    let program = format!("from importlib.metadata import version; print('is ' + version('{name}'))");
    version(&interpreter(), &["-c", &program], "is ")
}

/// A job as a trust would write it: `JOB PORT USER KEY KNOWN_HOSTS ACT PATH...`.
fn python(job: &str, door: &Door, act: Act) -> Option<Errand> {
    let (verb, paths) = match act {
        Act::Put { file, to } | Act::BreakOff { file, to } => ("put", vec![file, to]),
        Act::PutAgain { file, to } => ("put-again", vec![file, to]),
        Act::PutWithTime { file, to } => ("put-with-time", vec![file, to]),
        Act::PutAndRename { file, temporary, to } => ("put-and-rename", vec![file, temporary, to]),
        Act::List { folder } => ("list", vec![folder]),
        Act::Get { from, file } => ("get", vec![from, file]),
        Act::PutIfChanged { .. } | Act::Resume { .. } | Act::Compare { .. } => return None,
    };
    let mut words = vec![word(&repository().join("tests/clients/jobs").join(job)), door.port.to_string(), door.user.clone()];
    words.extend([word(&door.key), word(&known_hosts(door)), verb.to_owned()]);
    words.extend(paths.into_iter().map(str::to_owned));
    Errand::new(&interpreter(), words, String::new()).map(|errand| errand.at_home(door))
}

/// The SFTP subsystem on standard input and output, by a client that calls itself something else.
pub(crate) fn subsystem_as(door: &Door, software: &str) -> Command {
    let mut command = Command::new(interpreter());
    command.arg(repository().join("tests/clients/jobs/subsystem.py")).args([&door.port.to_string(), &door.user]);
    command.args([&door.key, &known_hosts(door)]).arg(software).stderr(Stdio::null());
    command
}
