//! A client without manners: SSH by the library, and above it whatever a test wants to send, when it wants.

use super::house::{House, Raw};
use russh::client::{Config, Handle, Handler, Session};
use russh::keys::{PrivateKeyWithHashAlg, PublicKeyOrCertificate, load_secret_key};
use russh::{Channel, ChannelMsg, Error, Names, client::Msg};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// One connection, logged in.
pub(crate) struct Rude {
    pub(crate) ssh: Handle<Counting>,
    exchanges: Arc<AtomicUsize>,
}

/// Trusts the test's own server, and counts key exchanges.
pub(crate) struct Counting(Arc<AtomicUsize>);

impl Handler for Counting {
    type Error = Error;

    async fn check_server_key(&mut self, _server: &PublicKeyOrCertificate) -> Result<bool, Error> {
        Ok(true)
    }

    async fn kex_done(&mut self, _secret: Option<&[u8]>, _names: &Names, _session: &mut Session) -> Result<(), Error> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

impl Rude {
    /// Logs in as a provider with its key's file.
    pub(crate) async fn of(house: &House, user: &str, key: &str) -> Self {
        let stream = TcpStream::connect(house.address()).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self::over(stream, house, user, key).await
    }

    /// The same over a stream of the test's own.
    pub(crate) async fn over<S>(stream: S, house: &House, user: &str, key: &str) -> Self
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        Self::log_in(stream, user, &house.dir().join(key)).await
    }

    /// Logs in over a stream with a key's file.
    pub(crate) async fn log_in<S>(stream: S, user: &str, key: &Path) -> Self
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let exchanges = Arc::new(AtomicUsize::new(0));
        let config = Arc::new(Config { channel_buffer_size: 16, ..Config::default() });
        let mut ssh = russh::client::connect_stream(config, stream, Counting(Arc::clone(&exchanges))).await.unwrap();
        let key = Arc::new(load_secret_key(key, None).unwrap());
        assert!(ssh.authenticate_publickey(user, PrivateKeyWithHashAlg::new(key, None)).await.unwrap().success());
        Self { ssh, exchanges }
    }

    /// How many key exchanges there were.
    pub(crate) fn exchanges(&self) -> usize {
        self.exchanges.load(Ordering::SeqCst)
    }

    /// A channel that nothing was asked of.
    pub(crate) async fn channel(&self) -> Talk {
        Talk { channel: self.ssh.channel_open_session().await.unwrap(), bytes: Vec::new() }
    }

    /// An SFTP session that has begun.
    pub(crate) async fn sftp(&self) -> Talk {
        let mut talk = self.channel().await;
        talk.channel.request_subsystem(true, "sftp").await.unwrap();
        assert!(talk.agreed().await);
        talk.say(&[0, 0, 0, 5, 1, 0, 0, 0, 3]).await;
        assert_eq!(talk.read().await[0], 2);
        talk
    }
}

/// One channel, and what was read of it.
pub(crate) struct Talk {
    pub(crate) channel: Channel<Msg>,
    bytes: Vec<u8>,
}

impl Talk {
    /// Sends bytes as they are; each call is at least one packet of SSH.
    pub(crate) async fn say(&self, bytes: &[u8]) {
        self.channel.data_bytes(bytes.to_vec()).await.unwrap();
    }

    pub(crate) async fn send(&self, kind: u8, id: u32, parts: &[&[u8]]) {
        self.say(&Raw::packet(kind, id, parts)).await;
    }

    /// Sends a request and gives the body of the next reply.
    pub(crate) async fn ask(&mut self, kind: u8, id: u32, parts: &[&[u8]]) -> Vec<u8> {
        self.send(kind, id, parts).await;
        self.read().await
    }

    /// The body of the next reply.
    pub(crate) async fn read(&mut self) -> Vec<u8> {
        loop {
            if let Some((length, rest)) = self.bytes.split_first_chunk::<4>()
                && let Some(body) = rest.get(..usize::try_from(u32::from_be_bytes(*length)).unwrap())
            {
                let body = body.to_vec();
                self.bytes.drain(..4 + body.len());
                return body;
            }
            match self.channel.wait().await {
                Some(ChannelMsg::Data { data }) => self.bytes.extend_from_slice(&data),
                Some(ChannelMsg::WindowAdjusted { .. }) => {}
                other => panic!("{other:?} instead of a reply"),
            }
        }
    }

    /// Whether the next answer to a request on the channel is yes.
    pub(crate) async fn agreed(&mut self) -> bool {
        loop {
            match self.channel.wait().await {
                Some(ChannelMsg::Success) => return true,
                Some(ChannelMsg::Failure) => return false,
                Some(ChannelMsg::WindowAdjusted { .. }) => {}
                other => panic!("{other:?} instead of an answer"),
            }
        }
    }

    /// Everything that still comes, and the exit status, until the channel or the connection is closed.
    pub(crate) async fn last_words(mut self) -> (Vec<u8>, Option<u32>) {
        let mut status = None;
        while let Some(message) = self.channel.wait().await {
            match message {
                ChannelMsg::Data { data } | ChannelMsg::ExtendedData { data, .. } => self.bytes.extend_from_slice(&data),
                ChannelMsg::ExitStatus { exit_status } => status = Some(exit_status),
                _ => {}
            }
        }
        (self.bytes, status)
    }
}
