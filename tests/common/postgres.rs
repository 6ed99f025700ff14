//! A PostgreSQL server of its own for a test program: started by whoever asks first, on a private port and a socket, in a
//! temporary folder, with fsync on; stopped and removed when the program ends, however that happens.
//!
//! `BEDFEED_WITHOUT_POSTGRES=1` leaves out what needs it, where it is not installed.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};

/// The role that owns everything, and its password.
pub(crate) const OWNER: &str = "owner";
pub(crate) const PASSWORD: &str = "Pass word: of the tests";

/// Makes a cluster, runs it until its input ends, and removes it. The program that started it holds the other end of the input: that
/// ends with the program, and be it by a kill.
const KEEPER: &str = r#"
set -eu
folder=$1; bin=$2; port=$3; shift 3
trap '' INT HUP TERM
mkdir "$folder/socket"
printf '%s\n' "$PGPASSWORD" > "$folder/password"
printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\n' > "$folder/names"
if [ -n "$BASE" ]; then
  cp "$BASE/ca.crt" "$BASE/server.crt" "$BASE/server.key" "$folder"
else
  openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=authority -keyout "$folder/ca.key" -out "$folder/ca.crt"
  openssl req -newkey rsa:2048 -nodes -subj /CN=server -keyout "$folder/server.key" -out "$folder/server.csr"
  openssl x509 -req -in "$folder/server.csr" -CA "$folder/ca.crt" -CAkey "$folder/ca.key" -CAcreateserial -days 30 \
    -extfile "$folder/names" -out "$folder/server.crt"
fi 2>>"$folder/log"
[ "$(id -u)" != 0 ] || chown -R postgres "$folder"
# Where a machine leaves /dev/null to root alone, the server gets one of its own, in here only.
if [ "$(id -u)" = 0 ] && [ -n "$OWN_NULL" ]; then
  mknod "$folder/null" c 1 3; chmod 666 "$folder/null"; mount --bind "$folder/null" /dev/null
fi
as=; [ "$(id -u)" != 0 ] || as="setpriv --reuid=postgres --regid=postgres --clear-groups"
cd "$folder"
make() {
  if [ -n "$BASE" ]; then
    $as "$bin/pg_basebackup" --host="$BASE/socket" --port="$BASE_PORT" --username=owner --pgdata="$folder/data" --no-sync \
      --checkpoint=fast --wal-method=stream --write-recovery-conf
  else
    $as "$bin/initdb" --no-sync --no-instructions --username=owner --auth=scram-sha-256 --pwfile="$folder/password" --encoding=UTF8 \
      --locale=C.UTF-8 "$folder/data"
  fi
}
make >>"$folder/log" 2>&1 || { cat "$folder/log" >&2; rm -rf "$folder"; exit 1; }
# A small file system, that a database may be put on; mounted here, for the server may see other mounts than the test.
small_disk() {
  mkdir "$folder/disk"
  mount -t tmpfs -o size=32m none "$folder/disk" || return 1
  mkdir "$folder/disk/space"; [ "$(id -u)" != 0 ] || chown postgres "$folder/disk/space"
}
stop() { kill -QUIT "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; server=; }
start() {
  $as "$bin/postgres" -D "$folder/data" -p "$port" -k "$folder/socket" -c listen_addresses=127.0.0.1 -c fsync=on -c ssl=on \
    -c ssl_cert_file="$folder/server.crt" -c ssl_key_file="$folder/server.key" -c max_connections=200 -c shared_buffers=32MB \
    -c max_parallel_workers_per_gather=0 -c jit=off -c logging_collector=off >>"$folder/log" 2>&1 &
  server=$!
  until "$bin/pg_isready" -q -h "$folder/socket" -p "$port"; do
    kill -0 "$server" 2>/dev/null || { cat "$folder/log" >&2; rm -rf "$folder"; exit 1; }
    sleep 0.05
  done
}
start
echo ready
while read -r order; do
  said=$order
  case $order in
    stop) stop ;;
    start) start ;;
    disk) small_disk 2>>"$folder/log" || said=refused ;;
    fill) cat /dev/zero >"$folder/disk/filler" 2>/dev/null || true ;;
    room) rm "$folder/disk/filler" ;;
  esac
  echo "$said"
done
[ -z "$server" ] || stop
umount -l "$folder/disk" 2>/dev/null || true
rm -rf "$folder"
"#;

/// A running server.
pub(crate) struct Server {
    pub(crate) folder: PathBuf,
    pub(crate) port: u16,
    keeper: Mutex<(Child, ChildStdin, BufReader<std::process::ChildStdout>)>,
    databases: AtomicU32,
}

/// The server of this program; `None` where it is left out.
pub(crate) fn server() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    SERVER.get_or_init(|| (std::env::var_os("BEDFEED_WITHOUT_POSTGRES").is_none()).then(|| Server::start(None))).as_ref()
}

impl Server {
    /// Another server; of one that is there already it is a hot standby, which follows that one.
    pub(crate) fn start(of: Option<&Self>) -> Self {
        let bin =
            binaries().expect("PostgreSQL is not installed (Debian: postgresql); BEDFEED_WITHOUT_POSTGRES=1 leaves out what needs it");
        let folder = tempfile::Builder::new().prefix("bedfeed-postgres-").tempdir().unwrap().keep();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let own_null = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata("/dev/null").unwrap().permissions()) & 0o006 != 0o006;
        let mut command = Command::new(if own_null { "unshare" } else { "setsid" });
        command.args(if own_null { &["--mount", "setsid"][..] } else { &[] }).env("OWN_NULL", if own_null { "1" } else { "" });
        command.args(["sh", "-c", KEEPER, "keeper"]).arg(&folder).arg(bin).arg(port.to_string()).env("PGPASSWORD", PASSWORD);
        command.env("BASE", of.map_or("".as_ref(), |base| base.folder.as_os_str()));
        command.env("BASE_PORT", of.map_or_else(String::new, |base| base.port.to_string()));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdin = child.stdin.take().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut said = String::new();
        stdout.read_line(&mut said).unwrap();
        if said != "ready\n" {
            let mut why = String::new();
            child.stderr.take().unwrap().read_to_string(&mut why).unwrap();
            panic!("PostgreSQL does not start: {why}");
        }
        Self { folder, port, keeper: Mutex::new((child, stdin, stdout)), databases: AtomicU32::new(0) }
    }

    /// A new database: empty, or a copy of another that nobody uses.
    pub(crate) fn database(&self, of: Option<&str>) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::SeqCst));
        self.psql("postgres", &format!("CREATE DATABASE {name} TEMPLATE {}", of.unwrap_or("template1")));
        name
    }

    /// Where a database is, as settings say it.
    pub(crate) fn url(&self, user: &str, database: &str) -> String {
        format!("postgres://{user}@127.0.0.1:{}/{database}", self.port)
    }

    /// A file with a role's password, which is its name where it is not the owner.
    pub(crate) fn password_file(&self, beside: &Path, user: &str) -> PathBuf {
        let path = beside.join(format!("{user}.password"));
        std::fs::write(&path, if user == OWNER { PASSWORD } else { user }).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        path
    }

    /// What the `psql` command shows: rows, values parted by `|`, unknown as `NULL`.
    pub(crate) fn psql(&self, database: &str, sql: &str) -> Vec<String> {
        self.psql_as(OWNER, database, sql).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// The same as another role; what went wrong, where it does.
    pub(crate) fn psql_as(&self, user: &str, database: &str, sql: &str) -> Result<Vec<String>, String> {
        let mut command = Command::new("psql");
        command.args(["-XAtq", "-P", "null=NULL", "-v", "ON_ERROR_STOP=1", "-c", "SET TimeZone = 'UTC'", "-c", sql]);
        command.arg("-h").arg(self.folder.join("socket")).args(["-p", &self.port.to_string(), "-U", user, "-d", database]);
        let done = command.env("PGPASSWORD", if user == OWNER { PASSWORD } else { user }).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if done.status.success() { Ok(text(&done.stdout).lines().map(utc).collect()) } else { Err(text(&done.stderr)) }
    }

    /// Stops the server at once, as a crash does.
    pub(crate) fn stop(&self) {
        self.order("stop");
    }

    /// Starts it again.
    pub(crate) fn start_again(&self) {
        self.order("start");
    }

    /// Mounts a small file system for it, as a tablespace `small`; whether that is allowed here. Whoever runs the tests has to have said
    /// so where it is not.
    pub(crate) fn mount_small_disk(&self) -> bool {
        let mounted = self.ordered("disk") == "disk";
        let without = std::env::var_os("BEDFEED_WITHOUT_MOUNT").is_some();
        assert!(mounted || without, "a small disk cannot be mounted here; BEDFEED_WITHOUT_MOUNT=1 leaves this out");
        if mounted {
            self.psql("postgres", &format!("CREATE TABLESPACE small LOCATION '{}'", self.folder.join("disk/space").display()));
        }
        mounted
    }

    /// Fills that file system to the last byte.
    pub(crate) fn fill_disk(&self) {
        self.order("fill");
    }

    /// Frees what filled it.
    pub(crate) fn make_room(&self) {
        self.order("room");
    }

    fn order(&self, order: &str) {
        assert_eq!(self.ordered(order), order, "the server's keeper has ended");
    }

    fn ordered(&self, order: &str) -> String {
        let mut keeper = self.keeper.lock().unwrap();
        writeln!(keeper.1, "{order}").unwrap();
        let mut said = String::new();
        keeper.2.read_line(&mut said).unwrap();
        said.trim().to_owned()
    }
}

/// Another program's transaction, open until it is dropped.
pub(crate) struct Session(Child);

impl Session {
    /// Begins one, and does something in it.
    pub(crate) fn begin(server: &Server, database: &str, sql: &str) -> Self {
        let mut command = Command::new("psql");
        command.args(["-XAtq", "-h"]).arg(server.folder.join("socket")).args(["-p", &server.port.to_string(), "-U", OWNER, "-d", database]);
        let mut child = command.env("PGPASSWORD", PASSWORD).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        writeln!(child.stdin.as_mut().unwrap(), "BEGIN; {sql}; SELECT 'begun';").unwrap();
        let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap() == "begun"), "{sql}");
        Self(child)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Times as SQLite has them: 2018-12-03T10:00:00Z.
fn utc(row: &str) -> String {
    let one = |value: &str| match value.strip_suffix("+00") {
        Some(time) if time.len() == 19 && time.as_bytes()[10] == b' ' => time.replacen(' ', "T", 1) + "Z",
        _ => value.to_owned(),
    };
    row.split('|').map(one).collect::<Vec<_>>().join("|")
}

/// Where Debian puts the newest server's programs; elsewhere, where `postgres` is found.
fn binaries() -> Option<PathBuf> {
    let version = |path: &PathBuf| path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
    let installed = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let debian = installed.filter(|path| version(path).is_some()).max_by_key(|path| version(path)).map(|path| path.join("bin"));
    let on_path = || {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path).find(|folder| folder.join("postgres").is_file())
    };
    debian.or_else(on_path)
}
