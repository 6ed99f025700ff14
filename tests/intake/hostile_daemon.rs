//! Hostile clients against the daemon as a process: what they cost it in memory, and what its log says of them.

use super::common::{Service, wait_until};
use super::house::{Raw, string};
use super::rude::Rude;
use std::fs;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// The most that the daemon may ever have used, in KiB: several times what it needs, and far less than what its clients
/// here ask for.
const MOST_KIB: u64 = 160 << 10;

async fn rude(service: &Service) -> Rude {
    let stream = TcpStream::connect(("127.0.0.1", service.port())).await.unwrap();
    Rude::log_in(stream, "RZA", &service.key("RZA")).await
}

/// How many connections ended for a reason, by the log.
fn ended(service: &Service, reason: &str) -> usize {
    service.log().lines().filter(|line| line.contains("connection ended") && line.contains(reason)).count()
}

/// Peak of resident memory, in KiB (proc(5), VmHWM).
fn peak(service: &Service) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", service.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}

fn nobody_else_notices(service: &Service, file: &str) {
    let ran = service.sftp("RZB", format!("put \"{file}\" inbox/quiet.csv"));
    ran.fine();
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_the_daemon_stays_small_and_says_one_line_for_each() {
    let mut service = Service::cottage(&["RZA", "RZB"]);
    service.edit("bedfeed.toml", "[sftp]", "[sftp]\nlogin_grace = \"3s\"");
    service.start();
    let file = service.file("quiet.csv", b"ward,beds\n");
    nobody_else_notices(&service, &file);

    // Packets that cannot be: each ends its connection, and the log says so once.
    let impossible: [(&str, &[u8]); 3] =
        [("4 GiB", &[0xff, 0xff, 0xff, 0xff]), ("nothing", &[0, 0, 0, 0]), ("garbage", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")];
    for (what, bytes) in impossible {
        let client = rude(&service).await;
        let talk = client.sftp().await;
        talk.say(bytes).await;
        assert_eq!(talk.last_words().await, (Vec::new(), Some(1)), "{what}");
        drop(client);
    }
    wait_until("the endings are in the log", || ended(&service, "sftp_protocol_error") == impossible.len());
    nobody_else_notices(&service, &file);

    // Two hundred channels that claim a large packet each and never send it: 50 MiB if claims were believed.
    let mut clients = Vec::new();
    for _ in 0..20 {
        let client = rude(&service).await;
        for _ in 0..10 {
            let talk = client.sftp().await;
            talk.say(&[0, 4, 0, 0, 6]).await;
        }
        clients.push(client);
    }
    nobody_else_notices(&service, &file);

    // A thousand handles, and 256 READs of one receipt in a go.
    let mut talk = rude(&service).await.sftp().await;
    talk.say(&Raw::packet(3, 7, &[&string(b"inbox/a.csv"), &[0, 0, 0, 0x1a, 0, 0, 0, 0]]).repeat(1000)).await;
    for _ in 0..1000 {
        talk.read().await;
    }
    assert!(super::house::files(&service.state().join("uploads")).len() <= 16, "no more are staged than may be open");
    let receipt = talk.ask(3, 1, &[&string(b"receipts/quiet.csv.receipt.txt"), &[0, 0, 0, 1, 0, 0, 0, 0]]).await;
    assert_eq!(receipt[..9], [101, 0, 0, 0, 1, 0, 0, 0, 2], "the receipt of another provider's file is not there");

    // Some that never log in: silent, and with garbage.
    for bytes in [b"".as_slice(), b"SSH-2.0-test\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", &[b'x'; 100_000]] {
        let mut stream = TcpStream::connect(("127.0.0.1", service.port())).await.unwrap();
        drop(stream.write_all(bytes).await);
        tokio::spawn(async move {
            let mut stream = stream;
            drop(tokio::io::copy(&mut stream, &mut tokio::io::sink()).await);
        });
    }
    wait_until("they are sent away", || ended(&service, "login_grace") + ended(&service, "ssh_protocol_error") >= 4);
    nobody_else_notices(&service, &file);
    let warned = service.log().lines().filter(|line| line.contains("WARN") && line.contains("connection ended")).count();
    assert_eq!(warned, impossible.len() + 4, "one line for each\n{}", service.log());
    let most = peak(&service);
    assert!(most < MOST_KIB, "the daemon used {most} KiB");
    drop((clients, talk));
    service.stop();
}
