//! `[warehouse]`: where snapshots are loaded, and `[warehouse.also.NAME]`: where they are loaded, too.
//!
//! Owns their keys and defaults. Refuses a password in the settings, an unencrypted way over the network, and one warehouse under two
//! names.

use super::document::{Item, Section};
use super::forward::{Migrate, PostgresAddress, PostgresHost, PostgresPassword, PostgresSettings, PostgresTls, Settings};
use std::path::{Path, PathBuf};

/// Keys that say something about a server.
const OF_A_SERVER: [&str; 5] = ["password_file", "password_credential", "tls", "ca_file", "migrate"];

/// Most warehouses beside the first: each costs a connection, and a second reading of what it lacks.
const MOST_FURTHER: usize = 8;
/// Longest name of one.
const LONGEST_NAME: usize = 32;

/// The file of the embedded warehouse where nothing is said, relative to the state folder.
const EMBEDDED: &str = "warehouse.db";

/// What the section says.
#[derive(Debug, Default)]
pub(super) struct Warehouses {
    /// `None` where it says nothing that can be used.
    pub(super) first: Option<Settings>,
    /// Those beside it, by name, in the order of the file.
    pub(super) further: Vec<(String, Settings)>,
}

/// Reads the section. Paths in it are relative to `beside`.
pub(super) fn read(section: Section<'_>, beside: &Path) -> Warehouses {
    let entries = section.get("also").map(|item| item.entries()).unwrap_or_default();
    let first = one(section, beside);
    // Two that write into one place would each find the other's snapshots.
    let mut taken = vec![first.clone().unwrap_or_else(embedded)];
    let mut further = Vec::new();
    for entry in entries {
        let name = entry.name().to_owned();
        if further.len() >= MOST_FURTHER {
            entry.problem(format!("is one too many: at most {MOST_FURTHER} warehouses beside the first"));
            continue;
        }
        if !is_name(&name) {
            entry.problem(format!("the name of a warehouse has small letters, digits and hyphens, at most {LONGEST_NAME}"));
        }
        let Some(section) = entry.section() else { continue };
        if !section.has("url") {
            entry.problem("needs a url: where snapshots are loaded, too");
        }
        let Some(settings) = one(section, beside) else { continue };
        if taken.iter().any(|other| is_the_same(other, &settings)) {
            entry.problem("is a warehouse that stands here already");
            continue;
        }
        taken.push(settings.clone());
        further.push((name, settings));
    }
    Warehouses { first, further }
}

/// What holds where nothing is said.
pub(super) fn embedded() -> Settings {
    Settings::Sqlite { path: PathBuf::from(EMBEDDED) }
}

fn is_name(name: &str) -> bool {
    (1..=LONGEST_NAME).contains(&name.len()) && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

/// Whether two are one place, however it is logged in there.
fn is_the_same(one: &Settings, other: &Settings) -> bool {
    match (one, other) {
        (Settings::Sqlite { path: one }, Settings::Sqlite { path: other }) => one == other,
        (Settings::Postgres(one), Settings::Postgres(other)) => {
            let (one, other) = (&one.address, &other.address);
            (&one.host, one.port, &one.database) == (&other.host, other.port, &other.database)
        }
        _ => false,
    }
}

/// Reads what one warehouse's section says; `None` where it says nothing that can be used.
fn one(section: Section<'_>, beside: &Path) -> Option<Settings> {
    // Looked at whatever the url is, so that a mistake in it does not make these unknown keys.
    let server = Server::read(&section, beside);
    let item = section.get("url");
    let settings = item.as_ref().and_then(|item| settings(&section, item, server));
    let embedded = item.is_none() || matches!(settings, Some(Settings::Sqlite { .. }));
    for item in OF_A_SERVER.iter().filter_map(|key| section.get(key)).filter(|_| embedded) {
        item.problem("is only for a url that starts with postgres://");
    }
    section.finish();
    settings
}

fn settings(section: &Section<'_>, item: &Item<'_>, server: Server) -> Option<Settings> {
    let url = item.filled()?;
    if let Some(path) = url.strip_prefix("sqlite:").filter(|path| !path.is_empty()) {
        return Some(Settings::Sqlite { path: PathBuf::from(path) });
    }
    match url.split_once(':').map(|(scheme, _)| scheme) {
        Some("postgres" | "postgresql") => match PostgresAddress::parse(url) {
            Ok(address) => server.at(section, address).map(Settings::Postgres),
            Err(why) => {
                item.problem(why);
                None
            }
        },
        Some(scheme @ "parquet") => {
            item.problem(format!("a {scheme} warehouse is not in this build: use \"sqlite:warehouse.db\" or \"postgres://…\""));
            None
        }
        _ => {
            item.problem("must be \"sqlite:\" and a file name, such as \"sqlite:warehouse.db\", or \"postgres://USER@HOST:PORT/DATABASE\"");
            None
        }
    }
}

/// What the other keys say, before it is known where the server is.
struct Server {
    password: PostgresPassword,
    /// `None`: not said.
    encrypted: Option<bool>,
    ca_file: Option<PathBuf>,
    migrate: Migrate,
}

impl Server {
    fn read(section: &Section<'_>, beside: &Path) -> Self {
        let path = |key| section.get(key).and_then(|item| item.filled().map(|path| beside.join(path)));
        let file = path("password_file").map(PostgresPassword::File);
        let credential = section.get("password_credential").and_then(|item| credential(&item));
        if file.is_some() && credential.is_some() {
            section.problem("password_file and password_credential cannot both be given: the password is in one place");
        }
        Self {
            password: file.or(credential).unwrap_or(PostgresPassword::None),
            encrypted: section.get("tls").and_then(|item| one_of(&item, [("require", true), ("off", false)])),
            ca_file: path("ca_file"),
            migrate: section
                .get("migrate")
                .and_then(|item| one_of(&item, [("at_start", Migrate::AtStart), ("by_hand", Migrate::ByHand)]))
                .unwrap_or(Migrate::AtStart),
        }
    }

    fn at(self, section: &Section<'_>, address: PostgresAddress) -> Option<PostgresSettings> {
        let Self { password, encrypted, ca_file, migrate } = self;
        let a_socket = matches!(address.host, PostgresHost::Socket(_));
        let refuse = |why: &str| {
            section.problem(why);
            None
        };
        let tls = match encrypted {
            Some(true) if a_socket => {
                return refuse("tls cannot be \"require\" with a Unix socket, which is never encrypted: leave it out");
            }
            Some(false) if !address.host.is_this_machine() => {
                return refuse("tls may be \"off\" only for a server on this machine: what is loaded would cross the network in the clear");
            }
            Some(false) => PostgresTls::Off,
            None if a_socket => PostgresTls::Off,
            Some(true) | None => PostgresTls::Require { ca_file: ca_file.clone() },
        };
        if ca_file.is_some() && tls == PostgresTls::Off {
            return refuse("ca_file is of no use where the connection is not encrypted: leave it out");
        }
        Some(PostgresSettings { address, password, tls, migrate })
    }
}

/// The name of a systemd credential: a file's name.
fn credential(item: &Item<'_>) -> Option<PostgresPassword> {
    let name = item.filled()?;
    if name.contains('/') || name.starts_with('.') {
        item.problem("must be the name of a credential, as in LoadCredential=NAME:PATH of the unit");
        return None;
    }
    Some(PostgresPassword::Credential(name.to_owned()))
}

fn one_of<T: Copy>(item: &Item<'_>, [one, other]: [(&str, T); 2]) -> Option<T> {
    let text = item.filled()?;
    let found = [one, other].into_iter().find(|(word, _)| *word == text).map(|(_, meaning)| meaning);
    if found.is_none() {
        item.problem(format!("must be \"{}\" or \"{}\"", one.0, other.0));
    }
    found
}
