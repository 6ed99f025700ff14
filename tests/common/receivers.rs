//! What alerts go to, as people have it: a mail server, an Alertmanager and a Prometheus, each on a free port of this machine.

use super::{make_folder, names, repository, run, wait_for, wait_until};
use serde_json::Value;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A port that nobody listens on just now.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A program that runs until this is dropped.
pub(crate) struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn start<A: AsRef<OsStr>>(program: &Path, arguments: &[A], port: u16, log: &Path) -> Running {
    let log = File::options().create(true).append(true).open(log).unwrap();
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(log.try_clone().unwrap()).stderr(log);
    let mut running = Running(command.spawn().unwrap_or_else(|error| panic!("{}: {error}; is it installed?", program.display())));
    wait_until(&format!("{} listens", program.display()), || {
        assert_eq!(running.0.try_wait().unwrap(), None, "{} ended", program.display());
        TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    running
}

/// What an HTTP server says, as JSON. One that listens may not be ready yet.
pub(crate) fn get(url: &str) -> Value {
    let answer = wait_for(&format!("{url} answers"), || {
        let ran = run("curl", &["-s", "-f", "--max-time", "20", url], b"");
        (ran.code == Some(0)).then_some(ran.stdout)
    });
    serde_json::from_str(&answer).unwrap()
}

/// A mail server that wants encryption and a login; where it is, and what belongs to it.
pub(crate) struct MailServer {
    pub(crate) port: u16,
    folder: PathBuf,
    running: Option<Running>,
}

impl MailServer {
    /// Prepares one in a folder; it does not run yet. The authority's certificate is `ca.crt` in it.
    pub(crate) fn new(folder: &Path) -> Self {
        make_folder(&folder.join("mails"));
        let openssl = |arguments: &str| {
            let ran = run("sh", &["-c", &format!("cd '{}' && openssl {arguments}", folder.display())], b"");
            assert_eq!(ran.code, Some(0), "{ran:?}");
        };
        fs::write(folder.join("names"), "subjectAltName = IP:127.0.0.1\n").unwrap();
        openssl("req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=authority -keyout ca.key -out ca.crt");
        openssl("req -newkey rsa:2048 -nodes -subj /CN=server -keyout server.key -out server.csr");
        openssl("x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -extfile names -out server.crt");
        let server = Self { port: free_port(), folder: folder.to_owned(), running: None };
        server.password("mail.password", "Geheim");
        server.password("wrong.password", "falsch");
        server
    }

    fn password(&self, name: &str, password: &str) {
        let path = self.folder.join(name);
        fs::write(&path, format!("{password}\n")).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    pub(crate) fn start(&mut self) {
        let tools = repository().join("target/test-tools/bin/python");
        let server = repository().join("tests/tools/mail_server.py");
        let file = |name: &str| self.folder.join(name).display().to_string();
        let arguments = [
            server.display().to_string(),
            self.port.to_string(),
            file("mails"),
            file("server.crt"),
            file("server.key"),
            "bedfeed".to_owned(),
            "Geheim".to_owned(),
        ];
        self.running = Some(start(&tools, &arguments, self.port, &self.folder.join("mail.log")));
    }

    pub(crate) fn stop(&mut self) {
        self.running = None;
    }

    /// Whether mails that are taken are not answered.
    pub(crate) fn hold(&self, hold: bool) {
        let path = self.folder.join("mails/hold");
        if hold { fs::write(path, "").unwrap() } else { fs::remove_file(path).unwrap() }
    }

    /// What was taken, in order, with line ends of ours.
    pub(crate) fn mails(&self) -> Vec<String> {
        let mut mails: Vec<PathBuf> = Vec::new();
        for name in names(&self.folder.join("mails")).iter().filter(|name| name.ends_with(".eml")) {
            mails.push(self.folder.join("mails").join(name));
        }
        mails.sort_by_key(|path| fs::metadata(path).unwrap().modified().unwrap());
        mails.iter().map(|path| fs::read_to_string(path).unwrap().replace("\r\n", "\n")).collect()
    }
}

/// A header of a mail.
pub(crate) fn header<'m>(mail: &'m str, name: &str) -> Option<&'m str> {
    mail.split("\n\n").next().unwrap().lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// A real Alertmanager.
pub(crate) struct Alertmanager {
    pub(crate) port: u16,
    folder: PathBuf,
    running: Option<Running>,
}

impl Alertmanager {
    /// Prepares one in a folder; it does not run yet.
    pub(crate) fn new(folder: &Path) -> Self {
        make_folder(folder);
        let rules = "route:\n  receiver: nobody\n  group_by: [alertname]\n  group_wait: 1s\nreceivers:\n  - name: nobody\n";
        fs::write(folder.join("alertmanager.yml"), rules).unwrap();
        Self { port: free_port(), folder: folder.to_owned(), running: None }
    }

    pub(crate) fn start(&mut self) {
        let file = |name: &str| self.folder.join(name).display().to_string();
        let arguments = [
            format!("--config.file={}", file("alertmanager.yml")),
            format!("--storage.path={}", file("data")),
            format!("--web.listen-address=127.0.0.1:{}", self.port),
            "--cluster.listen-address=".to_owned(),
        ];
        self.running = Some(start(Path::new("prometheus-alertmanager"), &arguments, self.port, &self.folder.join("alertmanager.log")));
    }

    /// `kill -9`, with what it knew.
    pub(crate) fn forget(&mut self) {
        self.running = None;
        fs::remove_dir_all(self.folder.join("data")).unwrap();
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The alerts that are firing.
    pub(crate) fn firing(&self) -> Vec<Value> {
        let Value::Array(alerts) = get(&format!("{}/api/v2/alerts?active=true", self.url())) else { panic!("no list") };
        alerts
    }
}

/// A real Prometheus that asks `/metrics` of this address each second, with these rules.
pub(crate) fn prometheus(folder: &Path, metrics: &str, rules: &str, alertmanager: &str) -> (Running, String) {
    make_folder(folder);
    fs::write(folder.join("rules.yml"), rules).unwrap();
    let settings = format!(
        "global:\n  scrape_interval: 1s\n  evaluation_interval: 1s\nrule_files: [rules.yml]\nalerting:\n  alertmanagers:\n    - static_configs:\n        \
         - targets: ['{alertmanager}']\nscrape_configs:\n  - job_name: bedfeed\n    static_configs:\n      - targets: ['{metrics}']\n"
    );
    fs::write(folder.join("prometheus.yml"), settings).unwrap();
    let port = free_port();
    let arguments = [
        format!("--config.file={}", folder.join("prometheus.yml").display()),
        format!("--storage.tsdb.path={}", folder.join("data").display()),
        format!("--web.listen-address=127.0.0.1:{port}"),
    ];
    let running = start(Path::new("prometheus"), &arguments, port, &folder.join("prometheus.log"));
    (running, format!("http://127.0.0.1:{port}"))
}
