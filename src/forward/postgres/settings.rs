//! What the settings say about a PostgreSQL warehouse: where it is, as whom we log in, and how that is kept secret.
//!
//! Owns reading the address. Refuses a password in it: settings files are copied, mailed and printed.

use super::super::secret::Secret;
use std::net::IpAddr;
use std::path::PathBuf;

/// The port of a server that the address gives none for.
const PORT: u16 = 5432;

/// A PostgreSQL warehouse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresSettings {
    /// Where it is and who we are.
    pub address: PostgresAddress,
    /// Where the password is.
    pub password: PostgresPassword,
    /// How the connection is protected.
    pub tls: PostgresTls,
    /// Who makes the tables.
    pub migrate: Migrate,
}

/// Where a database is, and who logs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresAddress {
    /// The role that logs in.
    pub user: String,
    /// The server.
    pub host: PostgresHost,
    /// Its port.
    pub port: u16,
    /// The database.
    pub database: String,
}

/// How a server is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PostgresHost {
    /// Over the network, by name or IP address.
    Name(String),
    /// By a Unix socket in this folder.
    Socket(PathBuf),
}

/// Where the password is.
pub type PostgresPassword = Secret;

/// How a connection is protected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PostgresTls {
    /// Not at all: for Unix sockets, and for a server on this machine.
    Off,
    /// Encrypted, with a certificate that fits the server's name and is vouched for.
    Require {
        /// The authorities that may vouch for it, as PEM; `None`: those that the system trusts.
        ca_file: Option<PathBuf>,
    },
}

/// Who makes the warehouse's tables and views, and brings them up to date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Migrate {
    /// The daemon, when it opens the warehouse.
    AtStart,
    /// Somebody, with `bedfeed warehouse migrate`.
    ByHand,
}

impl PostgresAddress {
    /// Reads `postgres://USER@HOST:PORT/DATABASE`; a folder of a Unix socket is written with `%2F`.
    ///
    /// # Errors
    /// What is wrong with it, in words that never repeat it: there may be a password in it.
    pub fn parse(url: &str) -> Result<Self, &'static str> {
        let rest =
            url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://")).ok_or("does not start with postgres://")?;
        if rest.contains(['?', '#']) {
            return Err("must end with the database's name: whatever else is needed has keys of its own in [warehouse]");
        }
        let (server, database) = rest.split_once('/').ok_or("names no database: postgres://USER@HOST:PORT/DATABASE")?;
        let (user, server) = server.rsplit_once('@').ok_or("names no user: postgres://USER@HOST:PORT/DATABASE")?;
        if user.contains(':') {
            return Err("must not hold a password: put it into a file and name that as password_file, or use password_credential");
        }
        let (host, port) = split_port(server)?;
        let named = |text: &str| decoded(text).filter(|text| !text.is_empty() && !text.contains('\0'));
        let host = named(host).ok_or("names no server: postgres://USER@HOST:PORT/DATABASE")?;
        Ok(Self {
            user: named(user).ok_or("names no user: postgres://USER@HOST:PORT/DATABASE")?,
            host: if host.starts_with('/') { PostgresHost::Socket(host.into()) } else { PostgresHost::Name(host) },
            port,
            database: named(database).filter(|name| !name.contains('/')).ok_or("names no database: postgres://USER@HOST:PORT/DATABASE")?,
        })
    }
}

impl PostgresHost {
    /// Whether what is sent there never leaves this machine.
    #[must_use]
    pub fn is_this_machine(&self) -> bool {
        match self {
            Self::Socket(_) => true,
            Self::Name(name) => name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback()),
        }
    }
}

/// Takes `:PORT` off; an IPv6 address stands in brackets.
fn split_port(server: &str) -> Result<(&str, u16), &'static str> {
    let (host, port) = match server.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or("has a bracket that is not closed")?;
            (host, after)
        }
        None => server.split_once(':').map_or((server, ""), |(host, _)| (host, server.trim_start_matches(host))),
    };
    match port.strip_prefix(':') {
        Some(number) => number.parse().ok().filter(|port| *port > 0).map(|port| (host, port)).ok_or("has a port that is no number"),
        None if port.is_empty() => Ok((host, PORT)),
        None => Err("has something between the server and the database"),
    }
}

/// A text with `%2F` and its like resolved; `None` where that makes no text.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            bytes.push(digit(rest.next()?)? * 16 + digit(rest.next()?)?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_and_what_is_wrong_with_one_is_told_without_repeating_it() {
        let rows = [
            ("postgres://bedfeed@db.example/beds", Ok("bedfeed db.example 5432 beds")),
            ("postgresql://bedfeed@db.example:6432/beds", Ok("bedfeed db.example 6432 beds")),
            ("postgres://bedfeed@[::1]:6432/beds", Ok("bedfeed ::1 6432 beds")),
            ("postgres://bedfeed@[::1]/beds", Ok("bedfeed ::1 5432 beds")),
            ("postgres://bedfeed@%2Frun%2Fpostgresql/beds", Ok("bedfeed /run/postgresql 5432 beds")),
            ("postgres://a%40b@db/b%20c", Ok("a@b db 5432 b c")),
            ("postgres://bedfeed:Geheim@db/beds", Err("must not hold a password")),
            ("postgres://bedfeed:Ge@heim@db/beds", Err("must not hold a password")),
            ("postgres://db/beds", Err("names no user")),
            ("postgres://@db/beds", Err("names no user")),
            ("postgres://bedfeed@/beds", Err("names no server")),
            ("postgres://bedfeed@db", Err("names no database")),
            ("postgres://bedfeed@db/", Err("names no database")),
            ("postgres://bedfeed@db/a/b", Err("names no database")),
            ("postgres://bedfeed@db:x/beds", Err("no number")),
            ("postgres://bedfeed@db:0/beds", Err("no number")),
            ("postgres://bedfeed@[::1/beds", Err("bracket")),
            ("postgres://bedfeed@[::1]6432/beds", Err("between")),
            ("postgres://bedfeed@db/beds?password=Geheim", Err("keys of its own")),
            ("postgres://bedfeed@%zz/beds", Err("names no server")),
            ("mysql://bedfeed@db/beds", Err("does not start")),
        ];
        for (url, expected) in rows {
            let host = |host: &PostgresHost| match host {
                PostgresHost::Name(name) => name.clone(),
                PostgresHost::Socket(path) => path.display().to_string(),
            };
            let read = PostgresAddress::parse(url).map(|it| format!("{} {} {} {}", it.user, host(&it.host), it.port, it.database));
            match (read, expected) {
                (Ok(read), Ok(expected)) => assert_eq!(read, expected, "{url}"),
                (Err(told), Err(expected)) => assert!(told.contains(expected) && !told.contains("eim"), "{url}: {told}"),
                (read, expected) => panic!("{url}: {read:?} {expected:?}"),
            }
        }
    }

    #[test]
    fn only_what_stays_on_this_machine_may_go_unencrypted() {
        let rows = [
            ("localhost", true),
            ("127.0.0.1", true),
            ("127.9.9.9", true),
            ("::1", true),
            ("db.example", false),
            ("192.0.2.1", false),
            ("localhost.example", false),
        ];
        for (name, expected) in rows {
            assert_eq!(PostgresHost::Name(name.to_owned()).is_this_machine(), expected, "{name}");
        }
        assert!(PostgresHost::Socket("/run/postgresql".into()).is_this_machine());
    }
}
