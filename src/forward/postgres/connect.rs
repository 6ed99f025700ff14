//! One connection: how it is protected, how we say who we are, and what every session is told at first.
//!
//! Refuses an unencrypted way to another machine, and a server that does not sync what it commits.

use super::super::{ForwardError, ForwardErrorKind, secret};
use super::settings::{PostgresHost, PostgresSettings, PostgresTls};
use super::trouble::{in_words, sql};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::collections::HashMap;
use std::future::poll_fn;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_postgres::config::SslMode;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, NoTls, Row, Statement, Transaction};
use tokio_postgres_rustls::MakeRustlsConnect;

/// How long a server may take to answer at all.
const CONNECT: Duration = Duration::from_secs(5);
/// How long it may take until it has let us in: one that hangs still takes connections.
const LOGIN: Duration = Duration::from_secs(10);
/// How long a connection may give no sign before it counts as gone; well below the patience of whoever waits for an answer.
const SILENCE: Duration = Duration::from_secs(15);

/// What a session that writes is told: how long it waits for a lock and for a statement, and what a commit means here. A server
/// whose own default promises more than `on` keeps it. Its statements are always the same: they are planned once, for any key. Planned
/// for one key, which is newer than what the server has counted, they are planned for a row where there are a thousand. Nor are they
/// compiled: for what the views do, that takes twenty times as long as doing it.
const FOR_WRITING: &str = "
    SET lock_timeout = '5s'; SET statement_timeout = '20s'; SET idle_in_transaction_session_timeout = '60s';
    SET default_transaction_isolation = 'read committed'; SET TimeZone = 'UTC'; SET client_min_messages = 'error';
    SET plan_cache_mode = force_generic_plan; SET jit = off;
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';";
/// The same for one that reads.
const FOR_READING: &str = "
    SET lock_timeout = '5s'; SET statement_timeout = '20s'; SET idle_in_transaction_session_timeout = '60s';
    SET default_transaction_read_only = on; SET jit = off; SET TimeZone = 'UTC'; SET client_min_messages = 'error';";

/// What a connection is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Writing,
    Reading,
}

/// A parameter of a statement.
pub(super) type Parameter<'a> = &'a (dyn ToSql + Sync);

/// A statement and its parameters.
pub(super) type Asked<'a> = (&'static str, &'a [Parameter<'a>]);

/// An open connection with what it has prepared.
pub(super) struct Connection {
    pub(super) client: Client,
    /// Ends when the connection has.
    kept_up: JoinHandle<()>,
    statements: HashMap<&'static str, Statement>,
}

/// A transaction on one.
pub(super) struct Work<'a> {
    pub(super) transaction: Transaction<'a>,
    statements: &'a mut HashMap<&'static str, Statement>,
}

impl Connection {
    /// Opens one.
    pub(super) async fn open(settings: &PostgresSettings, purpose: Purpose) -> Result<Self, ForwardError> {
        let doing = format!("connecting to {}", shown(settings));
        let config = config(settings, &doing)?;
        let opening = async {
            let opened = match &settings.tls {
                PostgresTls::Off => config.connect(NoTls).await.map(|(client, connection)| (client, keep_up(connection))),
                PostgresTls::Require { ca_file } => {
                    let tls = MakeRustlsConnect::new(client_config(ca_file.as_deref(), &doing)?);
                    config.connect(tls).await.map(|(client, connection)| (client, keep_up(connection)))
                }
            };
            opened.map_err(sql(doing.clone()))
        };
        let silent =
            |_| ForwardError::unavailable(doing.clone(), format!("it takes connections and says nothing for {} s", LOGIN.as_secs()));
        let (client, kept_up) = tokio::time::timeout(LOGIN, opening).await.map_err(silent)??;
        let first = if purpose == Purpose::Writing { FOR_WRITING } else { FOR_READING };
        client.batch_execute(first).await.map_err(sql(doing.clone()))?;
        let fsync: String =
            client.query_one("SELECT current_setting('fsync')", &[]).await.and_then(|row| row.try_get(0)).map_err(sql(doing.clone()))?;
        if fsync != "on" {
            let doing = format!("{doing}: the server does not sync what it commits (fsync = {fsync})");
            return Err(ForwardError::new(ForwardErrorKind::Unusable, doing));
        }
        Ok(Self { client, kept_up, statements: HashMap::new() })
    }

    /// Takes leave of the server, and waits until it is gone.
    pub(super) async fn close(self) {
        let Self { client, kept_up, .. } = self;
        drop(client);
        // It was told why it ended, if not in peace.
        kept_up.await.ok();
    }

    /// Begins a transaction.
    pub(super) async fn begin(&mut self) -> Result<Work<'_>, tokio_postgres::Error> {
        Ok(Work { transaction: self.client.transaction().await?, statements: &mut self.statements })
    }

    /// Reads rows outside a transaction.
    pub(super) async fn query(&mut self, sql: &'static str, parameters: &[Parameter<'_>]) -> Result<Vec<Row>, tokio_postgres::Error> {
        let statement = match self.statements.get(sql) {
            Some(statement) => statement.clone(),
            None => {
                let statement = self.client.prepare(sql).await?;
                self.statements.insert(sql, statement.clone());
                statement
            }
        };
        self.client.query(&statement, parameters).await
    }
}

impl Work<'_> {
    /// Runs a statement; gives how many rows it touched.
    pub(super) async fn execute(&mut self, sql: &'static str, parameters: &[Parameter<'_>]) -> Result<u64, tokio_postgres::Error> {
        let statement = self.prepared(sql).await?;
        self.transaction.execute(&statement, parameters).await
    }

    /// Reads rows.
    pub(super) async fn query(&mut self, sql: &'static str, parameters: &[Parameter<'_>]) -> Result<Vec<Row>, tokio_postgres::Error> {
        let statement = self.prepared(sql).await?;
        self.transaction.query(&statement, parameters).await
    }

    /// Runs statements one after the other without waiting for the answers in between; gives the rows of each. After one that fails
    /// none is run.
    pub(super) async fn together<const N: usize>(&mut self, asked: [Asked<'_>; N]) -> Result<[Vec<Row>; N], tokio_postgres::Error> {
        for (sql, _) in asked {
            self.prepared(sql).await?;
        }
        let (transaction, statements) = (&self.transaction, &*self.statements);
        let mut answers = asked.map(|(sql, parameters)| {
            Answer::Awaited(Box::pin(async move {
                match statements.get(sql) {
                    Some(statement) => transaction.query(statement, parameters).await,
                    None => transaction.query(sql, parameters).await,
                }
            }))
        });
        // Each is sent when it is looked at for the first time, so they are in order.
        poll_fn(|context| {
            let mut all = Poll::Ready(Ok(()));
            for answer in &mut answers {
                match answer.look(context) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => all = Poll::Pending,
                }
            }
            all
        })
        .await?;
        Ok(answers.map(Answer::rows))
    }

    async fn prepared(&mut self, sql: &'static str) -> Result<Statement, tokio_postgres::Error> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.transaction.prepare(sql).await?;
        self.statements.insert(sql, statement.clone());
        Ok(statement)
    }
}

/// What came back of a statement, or will.
enum Answer<'a> {
    Awaited(Pin<Box<dyn Future<Output = Result<Vec<Row>, tokio_postgres::Error>> + Send + 'a>>),
    Here(Vec<Row>),
}

impl Answer<'_> {
    fn look(&mut self, context: &mut Context<'_>) -> Poll<Result<(), tokio_postgres::Error>> {
        if let Self::Awaited(answer) = self {
            match ready!(answer.as_mut().poll(context)) {
                Ok(rows) => *self = Self::Here(rows),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }

    fn rows(self) -> Vec<Row> {
        match self {
            Self::Here(rows) => rows,
            Self::Awaited(_) => Vec::new(),
        }
    }
}

/// Names a database in an error and in a log.
pub(super) fn shown(settings: &PostgresSettings) -> String {
    let address = &settings.address;
    let host = match &address.host {
        PostgresHost::Name(name) => name.clone(),
        PostgresHost::Socket(path) => path.display().to_string(),
    };
    format!("database {} on {host}, port {}, as {}", address.database, address.port, address.user)
}

/// Moves bytes until either side ends the connection; whoever uses it is told by their next call.
fn keep_up<S, T>(connection: tokio_postgres::Connection<S, T>) -> JoinHandle<()>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::info!(error = in_words(&error), "a connection to the warehouse ended");
        }
    })
}

fn config(settings: &PostgresSettings, doing: &str) -> Result<Config, ForwardError> {
    let mut config = Config::new();
    let address = &settings.address;
    match &address.host {
        PostgresHost::Name(name) => config.host(name),
        PostgresHost::Socket(path) => config.host_path(path),
    };
    config.port(address.port).user(&address.user).dbname(&address.database).application_name("bedfeed");
    config.connect_timeout(CONNECT).tcp_user_timeout(SILENCE).keepalives_idle(SILENCE);
    config.ssl_mode(if settings.tls == PostgresTls::Off { SslMode::Disable } else { SslMode::Require });
    if let Some(password) = secret::read(&settings.password, doing)? {
        config.password(password);
    }
    Ok(config)
}

/// Which certificates are believed: those that the file's authorities vouch for, or the system's.
fn client_config(ca_file: Option<&Path>, doing: &str) -> Result<ClientConfig, ForwardError> {
    let mut roots = RootCertStore::empty();
    match ca_file {
        Some(path) => {
            let doing = format!("{doing}: reading the authorities in {}", path.display());
            for certificate in CertificateDer::pem_slice_iter(&secret::read_file(path, &doing, false)?) {
                let certificate = certificate.map_err(|error| ForwardError::unavailable(doing.as_str(), error))?;
                roots.add(certificate).map_err(|error| ForwardError::unavailable(doing.as_str(), error))?;
            }
        }
        None => {
            // One that cannot be read vouches for nothing; without any the connection fails and says so.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| ForwardError::unavailable(format!("{doing}: preparing encryption"), error))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
