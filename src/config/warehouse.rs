//! `[warehouse]`: where snapshots are loaded, and `[warehouse.also.NAME]`: where they are loaded, too.
//!
//! Owns their keys and defaults. Refuses a password or secret in the settings, an unencrypted way over the network, and one warehouse
//! under two names.

use super::document::{Item, Section};
use super::forward::{
    LakeAddress, LakeBucket, LakeSettings, Migrate, PostgresAddress, PostgresHost, PostgresSettings, PostgresTls, Secret, Settings,
};
use std::path::{Path, PathBuf};

/// Keys that only one kind of url goes with, and what those urls start with.
const ONLY_FOR: [(&[&str], &str); 3] = [
    (&["password_file", "password_credential", "tls", "migrate"], "postgres://"),
    (&["endpoint", "region", "access_key_id", "secret_file", "secret_credential"], "parquet:s3://"),
    (&["ca_file"], "postgres:// or parquet:s3://"),
];
/// The region that requests are signed for where nothing is said, as most servers take it.
const REGION: &str = "us-east-1";

/// Most warehouses beside the first: each costs a connection, and a second reading of what it lacks.
const MOST_FURTHER: usize = 8;
/// Longest name of one.
const LONGEST_NAME: usize = 32;

/// The file of the embedded warehouse where nothing is said, relative to the state folder.
const EMBEDDED: &str = "warehouse.db";
/// The file of a lake's index, in the same place. A further lake has an index called after it.
const LAKE_INDEX: &str = "lake.db";

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
    let first = one(section, beside, LAKE_INDEX);
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
        let Some(settings) = one(section, beside, &format!("lake-{name}.db")) else { continue };
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
        (
            Settings::Sqlite { path: one } | Settings::Lake { index: one, .. },
            Settings::Sqlite { path: other } | Settings::Lake { index: other, .. },
        ) if one == other => true,
        (Settings::Lake { place: LakeSettings::Folder(one), .. }, Settings::Lake { place: LakeSettings::Folder(other), .. }) => {
            one == other
        }
        (Settings::Lake { place: LakeSettings::Bucket(one), .. }, Settings::Lake { place: LakeSettings::Bucket(other), .. }) => {
            (&one.endpoint, &one.address) == (&other.endpoint, &other.address)
        }
        (Settings::Postgres(one), Settings::Postgres(other)) => {
            let (one, other) = (&one.address, &other.address);
            (&one.host, one.port, &one.database) == (&other.host, other.port, &other.database)
        }
        _ => false,
    }
}

/// Reads what one warehouse's section says; `None` where it says nothing that can be used. `index`: a lake's.
fn one(section: Section<'_>, beside: &Path, index: &str) -> Option<Settings> {
    // Looked at whatever the url is, so that a mistake in it does not make these unknown keys.
    let server = Server::read(&section, beside);
    let bucket = Bucket::read(&section, beside);
    let item = section.get("url");
    let settings = item.as_ref().and_then(|item| settings(&section, item, server, bucket, index));
    let goes_with = match &settings {
        Some(Settings::Postgres(_)) => [true, false, true],
        Some(Settings::Lake { place: LakeSettings::Bucket(_), .. }) => [false, true, true],
        Some(_) => [false; 3],
        // Of a url that is wrong it is not known what goes with it.
        None => [item.is_some(); 3],
    };
    for ((keys, urls), _) in ONLY_FOR.iter().zip(goes_with).filter(|(_, goes)| !goes) {
        for item in keys.iter().filter_map(|key| section.get(key)) {
            item.problem(format!("is only for a url that starts with {urls}"));
        }
    }
    section.finish();
    settings
}

fn settings(section: &Section<'_>, item: &Item<'_>, server: Server, bucket: Bucket, index: &str) -> Option<Settings> {
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
        Some("parquet") if !cfg!(feature = "lake") => {
            item.problem("a lake is not in this build (cargo's feature \"lake\"): use \"sqlite:warehouse.db\" or \"postgres://…\"");
            None
        }
        Some("parquet") => match lake(section, url, bucket) {
            Ok(settings) => settings.map(|place| Settings::Lake { place, index: index.into() }),
            Err(why) => {
                item.problem(why);
                None
            }
        },
        _ => {
            item.problem(
                "must be \"sqlite:\" and a file name, such as \"sqlite:warehouse.db\", \"postgres://USER@HOST:PORT/DATABASE\", or a lake: \
                 \"parquet:file:///FOLDER\" or \"parquet:s3://BUCKET/PREFIX\"",
            );
            None
        }
    }
}

/// A lake, in a folder or a bucket.
fn lake(section: &Section<'_>, url: &str, bucket: Bucket) -> Result<Option<LakeSettings>, &'static str> {
    if url.starts_with("parquet:file:") {
        return LakeSettings::folder(url).map(Some);
    }
    if !url.starts_with("parquet:s3:") {
        return Err("must be \"parquet:file:///FOLDER\" or \"parquet:s3://BUCKET/PREFIX\"");
    }
    let address = LakeAddress::parse(url)?;
    let Bucket { endpoint, region, access_key_id, secret, ca_file } = bucket;
    let (Some(access_key_id), Some(secret)) = (access_key_id, secret) else {
        section.problem("a bucket needs access_key_id, and secret_file or secret_credential");
        return Ok(None);
    };
    Ok(Some(LakeSettings::Bucket(LakeBucket { address, endpoint, region, access_key_id, secret, ca_file })))
}

/// What the keys of a bucket say.
struct Bucket {
    endpoint: Option<String>,
    region: String,
    access_key_id: Option<String>,
    secret: Option<Secret>,
    ca_file: Option<PathBuf>,
}

impl Bucket {
    fn read(section: &Section<'_>, beside: &Path) -> Self {
        let plain = |key: &'static str| {
            let item = section.get(key)?;
            let text = item.filled()?;
            let fits = text.len() <= 128 && text.chars().all(|letter| letter.is_ascii_graphic() && !"/,".contains(letter));
            if !fits {
                item.problem("must be a word without spaces, commas and strokes");
            }
            fits.then(|| text.to_owned())
        };
        let endpoint = section.get("endpoint").and_then(|item| match LakeBucket::endpoint(item.filled()?) {
            Ok(endpoint) => Some(endpoint),
            Err(why) => {
                item.problem(why);
                None
            }
        });
        Self {
            endpoint,
            region: plain("region").unwrap_or_else(|| REGION.to_owned()),
            access_key_id: plain("access_key_id"),
            secret: secret(section, beside, "secret_file", "secret_credential"),
            ca_file: path(section, beside, "ca_file"),
        }
    }
}

/// A secret in a file or a systemd credential.
pub(super) fn secret(section: &Section<'_>, beside: &Path, file_key: &'static str, credential_key: &'static str) -> Option<Secret> {
    let file = path(section, beside, file_key).map(Secret::File);
    let credential = section.get(credential_key).and_then(|item| credential(&item));
    if file.is_some() && credential.is_some() {
        let what = file_key.trim_end_matches("_file");
        section.problem(format!("{file_key} and {credential_key} cannot both be given: the {what} is in one place"));
    }
    file.or(credential)
}

pub(super) fn path(section: &Section<'_>, beside: &Path, key: &'static str) -> Option<PathBuf> {
    section.get(key).and_then(|item| item.filled().map(|path| beside.join(path)))
}

/// What the other keys say, before it is known where the server is.
struct Server {
    password: Secret,
    /// `None`: not said.
    encrypted: Option<bool>,
    ca_file: Option<PathBuf>,
    migrate: Migrate,
}

impl Server {
    fn read(section: &Section<'_>, beside: &Path) -> Self {
        Self {
            password: secret(section, beside, "password_file", "password_credential").unwrap_or(Secret::None),
            encrypted: section.get("tls").and_then(|item| one_of(&item, [("require", true), ("off", false)])),
            ca_file: path(section, beside, "ca_file"),
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
fn credential(item: &Item<'_>) -> Option<Secret> {
    let name = item.filled()?;
    if name.contains('/') || name.starts_with('.') {
        item.problem("must be the name of a credential, as in LoadCredential=NAME:PATH of the unit");
        return None;
    }
    Some(Secret::Credential(name.to_owned()))
}

fn one_of<T: Copy>(item: &Item<'_>, [one, other]: [(&str, T); 2]) -> Option<T> {
    let text = item.filled()?;
    let found = [one, other].into_iter().find(|(word, _)| *word == text).map(|(_, meaning)| meaning);
    if found.is_none() {
        item.problem(format!("must be \"{}\" or \"{}\"", one.0, other.0));
    }
    found
}
