//! The endpoint alone, for measurements: `bench_endpoint STATE PUBLIC_KEY PORT_FILE`.
//!
//! Does for each upload what the daemon does until CLOSE is answered: fsync of the file and its folders, SHA-256, and a commit
//! of the real ledger with `synchronous=FULL`. What comes after the answer (judging, loading) is left out, because no sender
//! waits for it. Serves the accounts `B00` to `B63`, all with the one key, until SIGTERM.

use bedfeed::feed::{Clock, ProviderCode};
use bedfeed::intake::{
    Account, AccountKey, Accounts, Context, Counters, Gate, HostKeys, Item, Landed, NotAccepted, Pending, Quota, Refused, Settings, Shelf,
    clear_uploads, serve,
};
use bedfeed::ledger::{DeliveryRow, Event, FILE_NAME, Ledger};
use bedfeed::service::SystemClock;
use jiff::SignedDuration;
use std::collections::BTreeSet;
use std::error::Error;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// How many accounts there are: a limit for each account must not be what is measured.
const ACCOUNTS: u32 = 64;

/// More than any measurement sends in one file.
const MAX_FILE_BYTES: u64 = 8 << 30;

/// More connections at once than any measurement opens.
const MANY: usize = 4096;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let mut next = |what: &str| arguments.next().ok_or(format!("{what} is missing: bench_endpoint STATE PUBLIC_KEY PORT_FILE"));
    let (state, key, port) = (next("STATE")?, next("PUBLIC_KEY")?, next("PORT_FILE")?);
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run(state.into(), &key, port.into()))
}

async fn run(state_dir: PathBuf, key: &OsString, port_file: PathBuf) -> Result<(), Box<dyn Error>> {
    clear_uploads(&state_dir)?;
    let (ledger, writer) = Ledger::open(&state_dir.join(FILE_NAME))?;
    let accounts = accounts(std::fs::read_to_string(key)?.trim())?;
    let (_accounts, accounts) = watch::channel(Arc::new(accounts));
    let (stop, stopped) = watch::channel(false);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    std::fs::write(port_file, listener.local_addr()?.port().to_string())?;
    let context = Context {
        host_keys: HostKeys::load(&state_dir.join("host_keys"))?,
        state_dir,
        settings: settings(),
        accounts,
        gate: Arc::new(LedgerGate { ledger }),
        clock: Arc::new(SystemClock),
        counters: Arc::new(Counters::default()),
        past: Vec::new(),
        next: None,
    };
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        terminate.recv().await;
        stop.send_replace(true);
    });
    serve(vec![listener], context, stopped).await?;
    writer.join().map_err(|_| "the ledger's writer broke down")?;
    Ok(())
}

/// The shipped settings, with every limit on numbers so wide that none is reached.
fn settings() -> Settings {
    Settings {
        login_grace: Duration::from_secs(600),
        idle_timeout: Duration::from_secs(3600),
        max_connections: MANY,
        max_connections_per_source: MANY,
        max_connections_per_account: MANY,
        max_unauthenticated: MANY - 1,
        max_unauthenticated_per_source: MANY,
        connection_rate: 10_000,
        ..Settings::default()
    }
}

fn accounts(public_key: &str) -> Result<Accounts, Box<dyn Error>> {
    let account = |number: u32| -> Result<Account, Box<dyn Error>> {
        Ok(Account {
            provider: format!("B{number:02}").parse()?,
            keys: vec![AccountKey { owner: "bench".to_owned(), public_key: public_key.to_owned(), expires: None }],
            networks: Vec::new(),
            agreement_ends: None,
            max_file_bytes: MAX_FILE_BYTES,
            password: None,
            quota: Quota { max_bytes_per_hour: u64::MAX, max_staged_bytes: u64::MAX },
        })
    };
    Ok(Accounts { accounts: (0..ACCOUNTS).map(account).collect::<Result<_, _>>()?, ..Accounts::default() })
}

/// The daemon's gate without the pipeline behind it: the same entry, the same commit, the same look-ups.
struct LedgerGate {
    ledger: Ledger,
}

impl Gate for LedgerGate {
    fn accept(&self, landed: Landed) -> Pending<'_, Result<(), NotAccepted>> {
        Box::pin(async move {
            let event = Event::Accepted { delivery: Box::new(landed.delivery().clone()) };
            self.ledger.append(SystemClock.now(), vec![event]).await.map_err(|error| NotAccepted(Box::new(error)))
        })
    }

    fn refused(&self, _refused: Refused) {}

    fn list(&self, provider: ProviderCode, shelf: Shelf) -> Pending<'_, Vec<Item>> {
        Box::pin(async move {
            let Shelf::Accepted(folder) = shelf else { return Vec::new() };
            let found = self.ledger.read(move |reader| reader.in_folder(&provider, folder, since(), 800)).await;
            let mut seen = BTreeSet::new();
            let newest = found.unwrap_or_default().into_iter().filter(|row| seen.insert(row.delivery.name.clone()));
            newest.map(|row| item(&row)).collect()
        })
    }

    fn find(&self, provider: ProviderCode, shelf: Shelf, name: String) -> Pending<'_, Option<Item>> {
        Box::pin(async move {
            let Shelf::Accepted(folder) = shelf else { return None };
            let found = self.ledger.read(move |reader| reader.named(&provider, folder, &name, since())).await;
            found.ok().flatten().map(|row| item(&row))
        })
    }

    fn receipt(&self, _provider: ProviderCode, _name: String) -> Pending<'_, Option<(Item, Vec<u8>)>> {
        Box::pin(async { None })
    }
}

fn since() -> jiff::Timestamp {
    let now = SystemClock.now();
    now.saturating_sub(SignedDuration::from_hours(48)).unwrap_or(now)
}

fn item(row: &DeliveryRow) -> Item {
    let delivery = &row.delivery;
    Item { name: delivery.name.clone(), bytes: delivery.bytes, modified_at: delivery.modified_at.unwrap_or(delivery.received_at) }
}
