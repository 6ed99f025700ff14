//! One client's SSH connection: channels, and the refusal of all that is not SFTP.
//!
//! Runs the SFTP session inside the library's data callback: no queue between the socket and the disk, so a slow disk slows
//! the client down and nothing piles up.

use super::auth::Credential;
use super::closing::{Closing, Facts};
use super::kexinit::Heard;
use super::limits::{MAX_CHANNELS, MAX_HELD_REPLY_BYTES, MAX_KEY_OFFERS, MAX_PASSWORD_TRIES, MAX_UNREAD_REPLY_BYTES, REPLY_PIECE_BYTES};
use super::login::{Login, Proof};
use super::places::WaitingPlace;
use super::reply::Replies;
use super::server::Entrance;
use super::session::Session;
use super::{Client, Shared, lock};
use crate::feed::{ClientSeen, Negotiated, ProviderCode, Sender, printed};
use jiff::Timestamp;
use russh::keys::Certificate;
use russh::server::{Auth, ChannelOpenHandle, Handler, Msg, PublicKeyOffer, Session as Ssh, VerifiedPublicKey};
use russh::{Channel, ChannelId, ChannelOpenFailure, Disconnect, Pty};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use tokio::sync::watch;

/// What somebody who wants a shell is told.
const SFTP_ONLY: &[u8] = b"bedfeed takes files over SFTP only: use sftp, or scp of OpenSSH 9 without -O (of 8.7: with -s)\r\n";

/// What the task that watches over a connection and the connection itself both know.
#[derive(Default)]
pub(super) struct Watched {
    /// Becomes true at login.
    pub(super) logged_in: watch::Sender<bool>,
    /// How many uploads are open.
    pub(super) open_uploads: watch::Sender<usize>,
    /// Grows with whatever the client does beyond keeping the connection alive.
    pub(super) activity: AtomicU64,
    /// Who logged in.
    pub(super) provider: OnceLock<ProviderCode>,
    /// What the login was, so that it can be looked at again when the accounts change.
    pub(super) proof: OnceLock<Proof>,
    /// The place among those that have not logged in; given back at login, or taken by a newer connection.
    pub(super) waiting_place: Mutex<Option<WaitingPlace>>,
    /// Becomes true when a newer connection has taken that place.
    pub(super) crowded_out: watch::Sender<bool>,
    /// When it did something last, in seconds since 1970.
    pub(super) active_at: AtomicI64,
    /// Becomes true when the place is needed for a newer connection of the account.
    pub(super) leave: watch::Sender<bool>,
    /// Whether a login was refused.
    pub(super) refused: AtomicBool,
    /// Whether a refused login was held against its address already: a client with a handful of keys fails once.
    pub(super) blamed: AtomicBool,
    /// How many channels are open.
    pub(super) channels: AtomicUsize,
    /// What was wrong before the end came; the first fault stands.
    pub(super) fault: watch::Sender<Option<Closing>>,
}

impl Watched {
    /// What is known when the connection is over.
    pub(super) fn facts(&self) -> Facts {
        Facts {
            logged_in: *self.logged_in.borrow(),
            refused: self.refused.load(Ordering::Relaxed),
            in_session: self.channels.load(Ordering::Relaxed) > 0,
            fault: *self.fault.borrow(),
        }
    }
}

/// One connection.
pub(super) struct Connection {
    pub(super) shared: Arc<Shared>,
    pub(super) watched: Arc<Watched>,
    pub(super) peer: SocketAddr,
    pub(super) number: u64,
    pub(super) connected_at: Timestamp,
    pub(super) entrance: Arc<Entrance>,
    /// What the client offers, heard on the way.
    pub(super) heard: Heard,
    pub(super) offers: u32,
    pub(super) passwords: u32,
    pub(super) login: Option<Login>,
    pub(super) client: Option<Arc<Client>>,
    pub(super) channels: HashMap<ChannelId, Purpose>,
}

/// What a channel is used for.
pub(super) enum Purpose {
    /// Nothing yet.
    Undecided,
    Sftp {
        session: Box<Session>,
        unread: Unread,
    },
}

/// Replies that a client has not let us send; both are upper bounds, because the library does not tell how much it holds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Unread {
    /// Bytes since everything was sent the last time: no more than this is held.
    held: usize,
    /// Bytes since the client last made room.
    since_room: usize,
}

/// Why a connection ends on our side.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectionError {
    #[error("the SSH connection failed")]
    Ssh(#[from] russh::Error),
    #[error("more than {MAX_KEY_OFFERS} keys were offered")]
    TooManyOffers,
    #[error("more passwords than {MAX_PASSWORD_TRIES} were tried")]
    TooManyPasswords,
    #[error("its replies were not read, and more would be held for it than is allowed")]
    NotReading,
}

impl Unread {
    fn said(&mut self, bytes: usize, some_are_held: bool) {
        *self = if some_are_held {
            Self { held: self.held.saturating_add(bytes), since_room: self.since_room.saturating_add(bytes) }
        } else {
            Self::default()
        };
    }
}

type Done = Result<(), ConnectionError>;

impl Connection {
    /// Bytes of replies that are held at most, on all channels.
    fn held(&self) -> usize {
        self.channels.values().map(|purpose| if let Purpose::Sftp { unread, .. } = purpose { unread.held } else { 0 }).sum()
    }

    fn client(&self, software: &[u8]) -> Option<Client> {
        let login = self.login.as_ref()?;
        let software: String = String::from_utf8_lossy(software).chars().take(255).collect();
        let sender = Sender {
            address: self.peer,
            software: printed(&software).into_owned(),
            key: login.fingerprint.clone(),
            key_owner: login.identity.key_owner.clone(),
            connected_at: self.connected_at,
            connection: self.number,
        };
        let open_uploads = self.watched.open_uploads.clone();
        Some(Client { provider: login.identity.provider.clone(), sender, open_uploads })
    }

    /// What the login says about the client: which host key it accepted, and what it can do. `None` where its offer could
    /// not be heard, which no client that can log in brings about.
    fn evidence(&self, client: &Client) -> Option<ClientSeen> {
        let offer = self.heard.get()?;
        let negotiated = offer.meet(&self.entrance.ours)?;
        let Sender { key, key_owner, software, .. } = client.sender.clone();
        Some(ClientSeen {
            provider: client.provider.clone(),
            key,
            key_owner,
            software,
            host_key: self.entrance.host_keys.fingerprint_of(&negotiated.host_key)?,
            needs_compatibility: offer.meet(&self.entrance.by_default).is_none(),
            negotiated,
            at: self.shared.clock.now(),
        })
    }

    /// Hands the evidence on without waiting for it.
    fn note(&self, seen: ClientSeen) {
        let gate = Arc::clone(&self.shared.gate);
        tokio::spawn(async move { gate.seen(seen).await });
    }

    fn active(&self) {
        self.watched.activity.fetch_add(1, Ordering::Relaxed);
        self.watched.active_at.store(self.shared.clock.now().as_second(), Ordering::Relaxed);
    }

    fn forget(&mut self, channel: ChannelId) {
        self.channels.remove(&channel);
        self.watched.channels.store(self.channels.len(), Ordering::Relaxed);
    }

    /// Ends a channel in the order that clients need: without the status they report a failure, without CLOSE they hang.
    fn end(&mut self, channel: ChannelId, status: u32, ssh: &mut Ssh) -> Done {
        self.forget(channel);
        ssh.exit_status_request(channel, status)?;
        ssh.eof(channel)?;
        ssh.close(channel)?;
        Ok(())
    }

    /// A shell or a command: said in words on the channel, because a bare refusal shows as "request failed".
    fn explain(&mut self, channel: ChannelId, ssh: &mut Ssh) -> Done {
        self.active();
        if !matches!(self.channels.get(&channel), Some(Purpose::Undecided)) {
            ssh.channel_failure(channel)?;
            return Ok(());
        }
        ssh.channel_success(channel)?;
        ssh.extended_data(channel, 1, SFTP_ONLY)?;
        self.end(channel, 1, ssh)
    }
}

impl Handler for Connection {
    type Error = ConnectionError;

    async fn auth_publickey_offered(&mut self, user: &str, offer: PublicKeyOffer<'_>) -> Result<Auth, ConnectionError> {
        self.offered(user, offer)
    }

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, ConnectionError> {
        let credential = Credential::Key { key: key.public_key.clone(), algorithm: key.algorithm.clone() };
        Ok(self.log_in(user, credential))
    }

    async fn auth_openssh_certificate(&mut self, user: &str, certificate: &Certificate) -> Result<Auth, ConnectionError> {
        Ok(self.log_in(user, Credential::Certificate(Box::new(certificate.clone()))))
    }

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, ConnectionError> {
        self.try_password(user, password).await
    }

    async fn auth_succeeded(&mut self, ssh: &mut Ssh) -> Done {
        let Some(client) = self.client(ssh.remote_sshid()) else {
            ssh.disconnect(Disconnect::NoMoreAuthMethodsAvailable, "no identity", "en")?;
            return Ok(());
        };
        self.note_login();
        let Sender { software, key, key_owner, .. } = &client.sender;
        let seen = self.evidence(&client);
        let Negotiated { kex, host_key, cipher, mac, strict } =
            seen.as_ref().map_or_else(Negotiated::unknown, |seen| seen.negotiated.clone());
        let compatibility = seen.as_ref().is_some_and(|seen| seen.needs_compatibility);
        tracing::info!(provider = %client.provider, connection = self.number, from = %self.peer, key, key_owner, software,
            kex, host_key, cipher, mac, strict, compatibility, "login");
        if let Some(seen) = seen {
            self.note(seen);
        }
        self.watched.provider.get_or_init(|| client.provider.clone());
        self.shared.counters.logged_in.fetch_add(1, Ordering::Relaxed);
        self.client = Some(Arc::new(client));
        drop(lock(&self.watched.waiting_place).take());
        self.active();
        self.watched.logged_in.send_replace(true);
        Ok(())
    }

    async fn channel_open_session(&mut self, channel: Channel<Msg>, reply: ChannelOpenHandle, _ssh: &mut Ssh) -> Done {
        self.active();
        if self.client.is_none() || self.channels.len() >= MAX_CHANNELS {
            reply.reject(ChannelOpenFailure::ResourceShortage).await;
            return Ok(());
        }
        // Dropping the channel's receiving end leaves the data callback as the only way in: nothing is queued.
        self.channels.insert(channel.id(), Purpose::Undecided);
        self.watched.channels.store(self.channels.len(), Ordering::Relaxed);
        reply.accept().await;
        Ok(())
    }

    async fn subsystem_request(&mut self, channel: ChannelId, name: &str, ssh: &mut Ssh) -> Done {
        self.active();
        match (self.channels.get_mut(&channel), &self.client) {
            (Some(purpose @ Purpose::Undecided), Some(client)) if name == "sftp" => {
                let session = Session::new(Arc::clone(&self.shared), Arc::clone(client));
                *purpose = Purpose::Sftp { session: Box::new(session), unread: Unread::default() };
                ssh.channel_success(channel)?;
            }
            _ => ssh.channel_failure(channel)?,
        }
        Ok(())
    }

    async fn data(&mut self, channel: ChannelId, data: &[u8], ssh: &mut Ssh) -> Done {
        self.active();
        let Some(Purpose::Sftp { session, unread }) = self.channels.get_mut(&channel) else {
            return Ok(());
        };
        let mut replies = Replies::default();
        let outcome = session.feed(data, &mut replies).await;
        // In pieces, so that a large answer which the client takes half of is not counted as unread altogether.
        for piece in replies.take().chunks(REPLY_PIECE_BYTES) {
            ssh.data(channel, piece.to_vec())?;
            unread.said(piece.len(), ssh.has_pending_data(channel));
        }
        let stands_still = unread.since_room > MAX_UNREAD_REPLY_BYTES;
        if stands_still || self.held() > MAX_HELD_REPLY_BYTES {
            return Err(ConnectionError::NotReading);
        }
        if let Err(ended) = outcome {
            tracing::info!(connection = self.number, why = %ended, "SFTP session ended");
            // Said and counted when the connection is over, which it is soon.
            self.watched.fault.send_if_modified(|fault| fault.replace(Closing::SftpProtocol).is_none());
            return self.end(channel, 1, ssh);
        }
        Ok(())
    }

    /// A client that reads makes room again and again; one that makes a little room at a time is still held to what is held.
    async fn window_adjusted(&mut self, channel: ChannelId, _room: u32, ssh: &mut Ssh) -> Done {
        if let Some(Purpose::Sftp { unread, .. }) = self.channels.get_mut(&channel) {
            unread.since_room = 0;
            unread.said(0, ssh.has_pending_data(channel));
        }
        Ok(())
    }

    async fn channel_eof(&mut self, channel: ChannelId, ssh: &mut Ssh) -> Done {
        if self.channels.contains_key(&channel) {
            return self.end(channel, 0, ssh);
        }
        Ok(())
    }

    async fn channel_close(&mut self, channel: ChannelId, _ssh: &mut Ssh) -> Done {
        self.forget(channel);
        Ok(())
    }

    async fn shell_request(&mut self, channel: ChannelId, ssh: &mut Ssh) -> Done {
        self.explain(channel, ssh)
    }

    async fn exec_request(&mut self, channel: ChannelId, _command: &[u8], ssh: &mut Ssh) -> Done {
        self.explain(channel, ssh)
    }

    // Left unanswered, these would keep a client waiting for ever.

    async fn env_request(&mut self, channel: ChannelId, _name: &str, _value: &str, ssh: &mut Ssh) -> Done {
        Ok(ssh.channel_failure(channel)?)
    }

    async fn x11_request(
        &mut self,
        channel: ChannelId,
        _single: bool,
        _protocol: &str,
        _cookie: &str,
        _screen: u32,
        ssh: &mut Ssh,
    ) -> Done {
        Ok(ssh.channel_failure(channel)?)
    }

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        _term: &str,
        _columns: u32,
        _rows: u32,
        _width: u32,
        _height: u32,
        _modes: &[(Pty, u32)],
        ssh: &mut Ssh,
    ) -> Done {
        Ok(ssh.channel_failure(channel)?)
    }

    async fn window_change_request(
        &mut self,
        channel: ChannelId,
        _columns: u32,
        _rows: u32,
        _width: u32,
        _height: u32,
        ssh: &mut Ssh,
    ) -> Done {
        Ok(ssh.channel_failure(channel)?)
    }
}
