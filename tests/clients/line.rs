//! A line between a client and the daemon that counts what the client sends, and that can be cut or held on the way.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

/// Bytes of a client's that may wait in the kernel: little, so that a held client notices soon.
const BUFFER: u32 = 32 * 1024;

/// What happens to the bytes that the client sends. Those of the daemon always pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// They pass.
    None,
    /// The first connection to have sent so many bytes is cut in both directions. Later ones pass.
    CutAfter(u64),
    /// After so many bytes nothing passes until the line is released.
    HoldAfter(u64),
}

/// The line. Dropping it ends every connection on it.
pub(crate) struct Line {
    port: u16,
    state: Arc<State>,
    _runtime: Runtime,
}

struct State {
    target: SocketAddr,
    fault: watch::Sender<Fault>,
    held: watch::Sender<bool>,
    passed: AtomicU64,
}

impl Line {
    /// A line to the daemon on this port of this machine.
    pub(crate) fn to(port: u16, fault: Fault) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let state = Arc::new(State {
            target: (Ipv4Addr::LOCALHOST, port).into(),
            fault: watch::channel(fault).0,
            held: watch::channel(false).0,
            passed: AtomicU64::new(0),
        });
        let listener = runtime.block_on(listen());
        let port = listener.local_addr().unwrap().port();
        runtime.spawn(accept(listener, Arc::clone(&state)));
        Self { port, state, _runtime: runtime }
    }

    /// Where the client connects to.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// How many bytes of clients have passed.
    pub(crate) fn passed(&self) -> u64 {
        self.state.passed.load(Ordering::SeqCst)
    }

    /// Whether the line holds bytes back.
    pub(crate) fn is_held(&self) -> bool {
        *self.state.held.borrow()
    }

    /// From now on everything passes.
    pub(crate) fn release(&self) {
        self.state.fault.send_replace(Fault::None);
    }
}

async fn listen() -> TcpListener {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(BUFFER).unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    socket.listen(16).unwrap()
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    while let Ok((client, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            // Ends when either side does, or the line is cut: then both sockets are dropped.
            if let Ok(daemon) = TcpStream::connect(state.target).await {
                drop(client.set_nodelay(true).and_then(|()| daemon.set_nodelay(true)));
                carry(client, daemon, &state).await;
            }
        });
    }
}

async fn carry(client: TcpStream, daemon: TcpStream, state: &State) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_daemon, mut to_daemon) = daemon.into_split();
    let is_cut = tokio::select! {
        is_cut = pass(&mut from_client, &mut to_daemon, state) => is_cut,
        _ = tokio::io::copy(&mut from_daemon, &mut to_client) => false,
    };
    if is_cut {
        drop((from_client, to_client));
        // The daemon reads what has passed, and then that there is no more: a reset would take bytes away from it.
        drop(to_daemon.shutdown().await);
        drop(tokio::io::copy(&mut from_daemon, &mut tokio::io::sink()).await);
    }
}

/// Passes on what the client sends; says that the line is to be cut.
async fn pass(from_client: &mut OwnedReadHalf, to_daemon: &mut OwnedWriteHalf, state: &State) -> bool {
    let mut sent = 0;
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = from_client.read(&mut buffer).await {
        sent += u64::try_from(count).unwrap();
        hold(state, sent).await;
        if to_daemon.write_all(&buffer[..count]).await.is_err() {
            return false;
        }
        state.passed.fetch_add(u64::try_from(count).unwrap(), Ordering::SeqCst);
        if matches!(*state.fault.borrow(), Fault::CutAfter(most) if sent >= most) {
            state.fault.send_replace(Fault::None);
            return true;
        }
    }
    // The client has nothing more to say, and may still listen.
    drop(to_daemon.shutdown().await);
    std::future::pending().await
}

async fn hold(state: &State, sent: u64) {
    let mut fault = state.fault.subscribe();
    let holds = |fault: &Fault| matches!(fault, Fault::HoldAfter(most) if sent >= *most);
    if holds(&fault.borrow()) {
        state.held.send_replace(true);
        drop(fault.wait_for(|fault| !holds(fault)).await);
    }
}
