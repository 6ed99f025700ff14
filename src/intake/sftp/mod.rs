//! The SFTP endpoint: keys in, one virtual folder out, and nothing else of SSH.
//!
//! ```text
//! server      accepts connections, bounds them (places, penalties), ends them
//!   guard       cuts a connection off when its time is up, hears what the client offers (kexinit)
//!   connection  one client: channels
//!     login       one client: login, by the rules of auth, certificates and passwords
//!     session     one SFTP conversation: packets in, replies out
//!       requests    the table of requests: looking, listing, leaving
//!       uploads     opening, writing, closing, landing (quota; resume: goes on with an earlier try, or not)
//!       renames     renaming and removing (partials: what is kept of uploads that are no deliveries)
//! ```
//!
//! Refuses shells, commands, forwarding, and to answer the end of an upload before the gate has accepted it.

mod algorithms;
mod auth;
mod certificates;
mod closing;
mod connection;
mod folder;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod guard;
mod kexinit;
mod limits;
mod login;
mod packet;
mod partials;
mod passwords;
mod penalties;
mod places;
mod quota;
mod recent;
mod renames;
mod reply;
mod requests;
mod resume;
mod server;
mod session;
#[cfg(test)]
mod testing;
mod uploads;

pub use auth::Refusal;
pub use closing::Closing;
pub use passwords::{BadPasswordHash, check_password_hash};
pub use server::{Context, Next, Past, ServeError, serve};

use self::connection::Watched;
use self::limits::STALLED_AFTER;
use self::partials::Partials;
use self::penalties::{Offence, Penalties};
use self::quota::Quotas;
use super::{Account, Accounts, Counters, Gate, Settings};
use crate::feed::{Clock, ProviderCode, Sender};
use jiff::Timestamp;
use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::sync::{Semaphore, watch};

/// What all connections share.
struct Shared {
    state_dir: PathBuf,
    settings: Settings,
    accounts: watch::Receiver<Arc<Accounts>>,
    gate: Arc<dyn Gate>,
    clock: Arc<dyn Clock>,
    counters: Arc<Counters>,
    partials: Mutex<Partials>,
    quotas: Mutex<Quotas>,
    penalties: Mutex<Penalties>,
    /// One password is verified at a time: a stranger decides how often that is, so it must not take all processors.
    verifying: Semaphore,
    shares: Mutex<HashMap<(ProviderCode, Kind), usize>>,
    /// Connections that are logged in, in the order of their logins.
    logins: Mutex<Vec<(ProviderCode, Weak<Watched>)>>,
    shutdown: watch::Receiver<bool>,
}

/// Who a session belongs to: bound when the signature of the login was checked.
struct Client {
    provider: ProviderCode,
    sender: Sender,
    open_uploads: watch::Sender<usize>,
}

impl Shared {
    fn new(
        state_dir: PathBuf,
        settings: Settings,
        accounts: watch::Receiver<Arc<Accounts>>,
        gate: Arc<dyn Gate>,
        clock: Arc<dyn Clock>,
        counters: Arc<Counters>,
        shutdown: watch::Receiver<bool>,
    ) -> Arc<Self> {
        Arc::new(Self {
            state_dir,
            settings,
            accounts,
            gate,
            clock,
            counters,
            partials: Mutex::default(),
            quotas: Mutex::default(),
            penalties: Mutex::default(),
            verifying: Semaphore::new(1),
            shares: Mutex::default(),
            logins: Mutex::default(),
            shutdown,
        })
    }

    fn accounts(&self) -> Arc<Accounts> {
        Arc::clone(&self.accounts.borrow())
    }

    /// The provider's account as it is now; `None` after it was taken out of the settings.
    fn account(&self, provider: &ProviderCode) -> Option<Account> {
        auth::find(&self.accounts(), provider.as_str()).cloned()
    }

    fn partials(&self) -> MutexGuard<'_, Partials> {
        lock(&self.partials)
    }

    /// How many shares of a kind an account has taken.
    fn taken(&self, provider: &ProviderCode, kind: Kind) -> usize {
        lock(&self.shares).get(&(provider.clone(), kind)).copied().unwrap_or_default()
    }

    /// Whether an address lies in a provider's networks, or a login from it worked lately: it is never turned away for what
    /// failed, and has more room.
    fn knows(&self, from: IpAddr) -> bool {
        let listed = |account: &Account| account.networks.iter().any(|network| network.contains(from));
        self.accounts().accounts.iter().any(listed) || lock(&self.penalties).knows(from, self.clock.now())
    }

    /// Notes what counts against an address.
    fn blame(&self, from: IpAddr, offence: Offence) {
        if !self.settings.penalties || self.knows(from) {
            return;
        }
        if let Some(lasts) = lock(&self.penalties).offend(from, offence, self.clock.now()) {
            Counters::count(&self.counters.penalised_sources);
            tracing::warn!(%from, ?offence, seconds = lasts.as_secs(), "everything from this address failed: it is turned away for a while");
        }
    }

    /// Counts anew how many addresses are turned away: what faded is not noticed by itself.
    fn recount_penalised(&self, now: Timestamp) {
        let in_force = lock(&self.penalties).in_force(now);
        self.counters.penalised_sources.store(u64::try_from(in_force).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Notes a login, so that it can be asked to leave.
    fn note_login(&self, provider: &ProviderCode, watched: &Arc<Watched>) {
        let mut logins = lock(&self.logins);
        logins.retain(|(_, other)| other.strong_count() > 0);
        logins.push((provider.clone(), Arc::downgrade(watched)));
    }

    /// Asks the account's connection that has been quiet for longest, of those without an upload under way, to leave; says
    /// whether there was one. A job that leaves its sessions open must not keep the account's other jobs out.
    fn make_room(&self, provider: &ProviderCode) -> bool {
        let logins = lock(&self.logins);
        let mine = logins.iter().filter(|(of, _)| of == provider).filter_map(|(_, watched)| watched.upgrade());
        let stays = mine.filter(|watched| !*watched.leave.borrow());
        let stalled = self.clock.now().as_second().saturating_sub_unsigned(STALLED_AFTER.as_secs());
        let idle = stays.filter(|watched| *watched.open_uploads.borrow() == 0 || watched.active_at.load(Ordering::Relaxed) <= stalled);
        let quietest = idle.min_by_key(|watched| watched.active_at.load(Ordering::Relaxed));
        quietest.is_some_and(|watched| !watched.leave.send_replace(true))
    }

    fn stopping(&self) -> bool {
        *self.shutdown.borrow()
    }
}

/// What is counted for each account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    /// Connections that are logged in.
    Connection,
    /// Files open for upload, in all sessions.
    Upload,
}

/// A share in what an account may have at once; dropping it gives it back.
struct Share {
    shared: Arc<Shared>,
    key: (ProviderCode, Kind),
}

impl Share {
    /// Takes a share where fewer than `most` are taken.
    fn take(shared: &Arc<Shared>, provider: &ProviderCode, kind: Kind, most: usize) -> Option<Self> {
        let key = (provider.clone(), kind);
        let mut shares = lock(&shared.shares);
        let count = shares.entry(key.clone()).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Self { shared: Arc::clone(shared), key })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if let Some(count) = lock(&self.shared.shares).get_mut(&self.key) {
            *count = count.saturating_sub(1);
        }
    }
}

/// A lock whose holder panicked is still good: what it guards is changed in one step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
