//! The guard on a connection's stream: fails every read and write once the connection was cut off.
//!
//! The SSH library has no other sure way to end a client that stalls in the middle of a key exchange. The guard also lets
//! what the client offers be heard, which passes here in clear text and which the library does not tell.

use super::kexinit::{Heard, Listener};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

/// Reads after which the handshake is over and delayed acknowledgements no longer hurt.
const HANDSHAKE_READS: u32 = 40;

/// A TCP stream that can be cut off from outside.
pub(super) struct Guarded {
    stream: TcpStream,
    cut: oneshot::Receiver<()>,
    is_cut: bool,
    reads: u32,
    listener: Listener,
}

/// The other end: sending, or dropping it, cuts the stream off.
pub(super) type Cutter = oneshot::Sender<()>;

/// Puts the guard on a stream.
pub(super) fn guard(stream: TcpStream) -> (Guarded, Cutter, Heard) {
    let (cutter, cut) = oneshot::channel();
    let listener = Listener::new();
    let heard = listener.heard();
    (Guarded { stream, cut, is_cut: false, reads: 0, listener }, cutter, heard)
}

impl Guarded {
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if !self.is_cut {
            self.is_cut = Pin::new(&mut self.cut).poll(context).is_ready();
        }
        if self.is_cut { Err(io::ErrorKind::TimedOut.into()) } else { Ok(()) }
    }
}

impl AsyncRead for Guarded {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.check(context)?;
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.listener.listen(buffer.filled().get(before..).unwrap_or_default());
        if self.reads < HANDSHAKE_READS && outcome.is_ready() {
            self.reads += 1;
            // OpenSSH's client keeps Nagle's algorithm on until its session starts and waits for our delayed
            // acknowledgement, 40 ms each time. Asking for a quick one is a wish; it is not sticky.
            self.stream.set_quickack(true).ok();
        }
        outcome
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_write(context, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn p9_a_read_that_waits_ends_when_the_connection_is_cut_off() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let (mut guarded, cutter, _) = guard(stream);
        let mut buffer = [0; 1];
        let (read, ()) = tokio::join!(guarded.read(&mut buffer), async { drop(cutter) });
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
