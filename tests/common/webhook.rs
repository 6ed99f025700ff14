//! A receiver of alerts: a very small HTTP server that notes what it is sent, and can be away.

use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Posted {
    /// What was asked for: method and path.
    pub(crate) asked: String,
    /// Its `Idempotency-Key`.
    pub(crate) key: String,
    /// Its body; null where there is none.
    pub(crate) body: Value,
    /// Whether it was answered; otherwise the connection was closed.
    pub(crate) taken: bool,
}

#[derive(Default)]
struct Shared {
    away: AtomicBool,
    ended: AtomicBool,
    posted: Mutex<Vec<Posted>>,
}

/// The receiver.
pub(crate) struct Webhook {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Webhook {
    pub(crate) fn open() -> Self {
        Self::open_at(0)
    }

    /// The same at a port that nobody listens on.
    pub(crate) fn open_at(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if theirs.ended.load(Ordering::SeqCst) {
                    return;
                }
                // A client that was killed meanwhile is nothing to the receiver.
                drop(stream.and_then(|stream| theirs.answer(stream)));
            }
        });
        Self { address, shared, thread: Some(thread) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/bedfeed", self.address)
    }

    pub(crate) fn set_away(&self, away: bool) {
        self.shared.away.store(away, Ordering::SeqCst);
    }

    pub(crate) fn posted(&self) -> Vec<Posted> {
        self.shared.posted.lock().unwrap().clone()
    }

    /// The keys of what was taken, in order.
    pub(crate) fn taken(&self) -> Vec<String> {
        self.posted().into_iter().filter(|posted| posted.taken).map(|posted| posted.key).collect()
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        // Wakes the thread from its wait for a connection.
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

impl Shared {
    fn answer(&self, mut stream: TcpStream) -> std::io::Result<()> {
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        let mut bytes = Vec::new();
        let mut chunk = [0_u8; 4096];
        let (head, body) = loop {
            let count = stream.read(&mut chunk)?;
            if count == 0 {
                return Ok(());
            }
            bytes.extend_from_slice(&chunk[..count]);
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length: usize = header(head, "content-length").parse().unwrap_or(0);
            if body.len() >= length {
                break (head.to_owned(), body.to_owned());
            }
        };
        let taken = !self.away.load(Ordering::SeqCst);
        let asked = head.split(" HTTP/").next().unwrap_or_default().to_owned();
        let body = if body.is_empty() { Value::Null } else { serde_json::from_str(&body).unwrap() };
        let posted = Posted { asked, key: header(&head, "idempotency-key"), body, taken };
        self.posted.lock().unwrap().push(posted);
        if taken { stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n") } else { Ok(()) }
    }
}

fn header(head: &str, name: &str) -> String {
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    let mut found = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned());
    found.next_back().unwrap_or_default()
}
