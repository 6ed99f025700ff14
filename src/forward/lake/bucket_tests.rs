//! A lake in a bucket, on a server of its own: a real one, that keeps its objects in a folder and checks signatures.

use super::tests::{files, seen};
use super::*;
use crate::feed::error_chain;
use crate::forward::tests::fixture::*;
use crate::forward::{ForwardErrorKind, LoadOutcome, Secret, Settings, Warehouse};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const KEY: &str = "bedfeed-of-the-tests";
const SECRET: &str = "Geheim/of+the=tests";

/// A server on a port of this machine; ends with whoever holds it.
struct Server {
    root: PathBuf,
    port: u16,
    running: Option<Child>,
}

impl Server {
    /// One with an empty bucket, `beds`.
    fn start(folder: &Path) -> Self {
        let root = folder.join("server");
        std::fs::create_dir_all(root.join("beds")).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut server = Self { root, port, running: None };
        server.start_again();
        server
    }

    fn start_again(&mut self) {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-tools/s3/bin/s3s-fs");
        assert!(program.try_exists().unwrap(), "{} is made by tests/run", program.display());
        // However this thread ends, so does the server.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).arg(program).args(["--host", "127.0.0.1", "--port", &self.port.to_string()]);
        command.args(["--access-key", KEY, "--secret-key", SECRET]).arg(&self.root);
        self.running = Some(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        let late = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < late, "the server does not start");
            std::thread::yield_now();
        }
    }

    fn kill(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.kill().unwrap();
            running.wait().unwrap();
        }
    }

    /// Where the bucket's objects lie on the disk.
    fn lake(&self) -> PathBuf {
        self.root.join("beds/lake")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Settings of the lake on a port, with the secret in a file.
fn settings(folder: &Path, port: u16) -> LakeBucket {
    let file = folder.join("lake.secret");
    std::fs::write(&file, SECRET).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    LakeBucket {
        address: LakeAddress::parse("parquet:s3://beds/lake").unwrap(),
        endpoint: Some(LakeBucket::endpoint(&format!("http://127.0.0.1:{port}")).unwrap()),
        region: "us-east-1".to_owned(),
        access_key_id: KEY.to_owned(),
        secret: Secret::File(file),
        ca_file: None,
    }
}

async fn world() -> (World, Server) {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let settings = Settings::Lake { place: LakeSettings::Bucket(settings(folder.path(), server.port)), index: INDEX.into() };
    let warehouse = Warehouse::open(&settings, folder.path()).await.unwrap();
    (World::with(folder, settings, warehouse).await, server)
}

#[tokio::test]
async fn what_is_loaded_is_in_the_bucket_and_what_is_let_go_is_not() {
    let (world, server) = world().await;
    let old = small("RM1", "2018-11-03T10:00Z", 5);
    let id = lead(&old, 1);
    world.load(old, 1).await;
    for version in [1, 2] {
        world.load(small("RM1", TEN, 4 + version), version).await;
    }
    let there = seen(&server.lake());
    assert_eq!((there.snapshots.len(), there.parts.len(), there.unnamed.len()), (3, 3, 0));
    let of_the_old = |files: Vec<PathBuf>| files.iter().filter(|path| path.to_str().unwrap().contains(&id.to_string())).count();
    assert_eq!(of_the_old(files(&server.lake())), 3);
    assert_eq!(world.warehouse.dispose_lines(vec![id]).await.unwrap(), 3);
    assert_eq!(of_the_old(files(&server.lake())), 1, "its sums are still there");
    world.warehouse.dispose_sums(vec![id]).await.unwrap();
    assert_eq!(of_the_old(files(&server.lake())), 0);
    assert_eq!(world.warehouse.drop_deliveries(vec![id]).await.unwrap(), 1);
    assert_eq!(seen(&server.lake()).snapshots.len(), 2);
    // Another bedfeed, without this index.
    let elsewhere = tempfile::tempdir().unwrap();
    let second = Warehouse::open(&world.settings, elsewhere.path()).await.unwrap();
    let told = second.load(load_of(small("RM1", TEN, 6), 2)).await.unwrap_err();
    assert_eq!(told.kind(), ForwardErrorKind::Unusable, "{}", error_chain(&told));
    assert_eq!(seen(&server.lake()).snapshots.len(), 2);
}

#[tokio::test]
async fn p2_a_server_that_is_killed_in_the_middle_loses_and_doubles_nothing() {
    let (world, mut server) = world().await;
    for (round, slot) in (0_u32..).zip(["2018-12-03T10:00Z", "2018-12-03T10:15Z", "2018-12-03T10:30Z"]) {
        let load = load_of(small("RM1", slot, 5 + round), 1);
        server.kill();
        let told = world.warehouse.load(load.clone()).await.unwrap_err();
        assert_eq!(told.kind(), ForwardErrorKind::Unavailable, "{}", error_chain(&told));
        assert!(!world.warehouse.is_loaded(load.reference, false).await.unwrap());
        server.start_again();
        assert_eq!(world.warehouse.load(load.clone()).await.unwrap(), LoadOutcome::AlreadyLoaded, "in the index");
        assert!(world.warehouse.is_loaded(load.reference, false).await.unwrap());
        assert_eq!(seen(&server.lake()).snapshots.len(), usize::try_from(round + 1).unwrap());
    }
    // Killed by another thread while it loads: whatever is answered, the lake makes sense, and in the end has each once.
    for number in 0..6_i32 {
        let slot = slot("2018-12-03T11:00Z").plus(number).start().strftime("%Y-%m-%dT%H:%MZ").to_string();
        let load = load_of(small("RM1", &slot, 5), 1);
        let going_on = tokio::spawn({
            let (warehouse, load) = (world.warehouse.clone(), load.clone());
            async move { warehouse.load(load).await.is_ok() }
        });
        tokio::time::sleep(Duration::from_millis(u64::try_from(number).unwrap() * 15)).await;
        server.kill();
        going_on.await.unwrap();
        seen(&server.lake());
        server.start_again();
        world.warehouse.load(load).await.unwrap();
    }
    let there = seen(&server.lake());
    assert_eq!((there.snapshots.len(), there.unnamed.len()), (9, 0));
    assert_eq!(world.warehouse.reader().snapshots().await.unwrap().len(), 9);
}

/// What is told of a lake with these settings; never the secret.
async fn told(settings: LakeBucket) -> (ForwardErrorKind, String) {
    let folder = tempfile::tempdir().unwrap();
    let warehouse =
        Warehouse::open(&Settings::Lake { place: LakeSettings::Bucket(settings), index: INDEX.into() }, folder.path()).await.unwrap();
    let error = warehouse.set_reference(reference()).await.unwrap_err();
    let told = error_chain(&error);
    assert!(!told.contains("Geheim") && !format!("{error:?}").contains("Geheim"), "{told}");
    (error.kind(), told)
}

#[tokio::test]
async fn trouble_is_told_in_plain_words_and_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let good = settings(folder.path(), server.port);
    let file = |name: &str, text: &str, mode| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        Secret::File(path)
    };
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = |port: u16| Some(format!("http://127.0.0.1:{port}"));
    let rows = [
        (LakeBucket { secret: file("wrong", "Geheim", 0o600), ..good.clone() }, "does not accept the secret"),
        (LakeBucket { secret: file("open", SECRET, 0o604), ..good.clone() }, "everybody on this machine"),
        (LakeBucket { secret: file("empty", "", 0o600), ..good.clone() }, "there is nothing in the first line of"),
        (LakeBucket { access_key_id: "who".to_owned(), ..good.clone() }, "access key"),
        (LakeBucket { endpoint: at(nobody), ..good.clone() }, "refused"),
        (LakeBucket { endpoint: at(silent.local_addr().unwrap().port()), ..good.clone() }, "timeout"),
        (LakeBucket { ca_file: Some(folder.path().join("no such file")), ..good.clone() }, "reading the authorities"),
    ];
    for (settings, expected) in rows {
        let begun = Instant::now();
        let (kind, told) = told(settings).await;
        assert_eq!(kind, ForwardErrorKind::Unavailable, "{told}");
        assert!(told.contains(expected), "{expected}: {told}");
        assert!(begun.elapsed() < Duration::from_secs(30), "{told}");
    }
    assert!(files(&server.lake()).is_empty());
}

#[tokio::test]
async fn what_a_server_answers_is_told_in_plain_words() {
    let folder = tempfile::tempdir().unwrap();
    let rows = [
        ("404 Not Found", "NoSuchBucket", "no such bucket"),
        ("403 Forbidden", "RequestTimeTooSkewed", "the clocks of this machine"),
        ("403 Forbidden", "Else", "may not do this"),
        ("409 Conflict", "ConditionalRequestConflict", "somebody else is writing"),
        ("301 Moved Permanently", "PermanentRedirect", "another region"),
        ("501 Not Implemented", "NotImplemented", "If-None-Match"),
        ("503 Slow Down", "SlowDown", "fewer requests"),
        ("507 Insufficient Storage", "XMinioStorageFull", "disk is full"),
        ("500 Internal Server Error", "", "in trouble (500)"),
    ];
    for (status, code, expected) in rows {
        let (kind, told) = told(settings(folder.path(), answering(status, &format!("<Error><Code>{code}</Code></Error>")))).await;
        assert_eq!(kind, ForwardErrorKind::Unavailable, "{told}");
        assert!(told.contains(expected), "{expected}: {told}");
    }
}

/// The port of a server that gives one answer to everything.
fn answering(status: &str, body: &str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = vec![0; 64 << 10];
            let mut length = 0;
            // The only bodies that are sent here are short and end with a line.
            while !request[..length].ends_with(b"}\n") {
                match stream.read(&mut request[length..]) {
                    Ok(0) | Err(_) => break,
                    Ok(read) => length += read,
                }
            }
            stream.write_all(answer.as_bytes()).ok();
        }
    });
    port
}

#[tokio::test]
async fn a_store_that_writes_over_what_it_was_asked_to_leave_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let (kind, told) = told(settings(folder.path(), answering("200 OK", ""))).await;
    assert_eq!(kind, ForwardErrorKind::Unusable, "{told}");
    assert!(told.contains("writes over objects"), "{told}");
}
