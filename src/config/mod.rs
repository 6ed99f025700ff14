//! Config: settings as typed, then as meant.
//!
//! Owns reading `bedfeed.toml`, `providers/*.toml` and `reference/*.csv`, and reporting every problem at once with file,
//! line and key. Refuses to be imported by any room but service and cli.

mod access;
mod alerting;
mod document;
mod examples;
mod load;
mod main_file;
mod mapping;
mod problem;
mod provider;
mod reference;
mod sheet;
mod values;
mod warehouse;

pub use load::load;
#[cfg(any(test, fuzzing))]
pub use load::provider_from_text;
pub use problem::{Problem, Problems};

use crate::feed::{Digest, ProviderCode, ProviderKind};
use crate::normalise::reference::Reference;
use crate::{alerts, forward, health, intake, quarantine, schedule, verify};
use std::path::PathBuf;

/// Everything the settings say, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The main file.
    pub file: PathBuf,
    /// The folders that its files were read from.
    pub folders: Vec<PathBuf>,
    /// Where all state lives. A relative path in the file has been joined to the file's own folder.
    pub state_dir: PathBuf,
    /// `[sftp]`.
    pub sftp: intake::Settings,
    /// `[[sftp.user_ca]]` and `revoked_keys` in `[sftp]`.
    pub trust: intake::Trust,
    /// `[warehouse]`.
    pub warehouse: forward::Settings,
    /// `[warehouse.also.NAME]`: warehouses beside it, by name.
    pub further_warehouses: Vec<(String, forward::Settings)>,
    /// `[web]`.
    pub web: health::Settings,
    /// `[alerts]`.
    pub alerts: alerts::Settings,
    /// `[retention]`.
    pub retention: quarantine::Retention,
    /// `[governance]`.
    pub governance: quarantine::Governance,
    /// `providers/CODE.toml`, sorted by code.
    pub providers: Vec<Provider>,
    /// `reference/*.csv`.
    pub reference: Reference,
    /// The files that were read, each with the SHA-256 of what it held.
    pub files: Vec<(PathBuf, Digest)>,
    /// SHA-256 over the names and contents of all files read: tells in the log which settings are running.
    pub fingerprint: Digest,
}

impl Settings {
    /// The provider of a code; `None` where the settings have none.
    #[must_use]
    pub fn provider(&self, code: &ProviderCode) -> Option<&Provider> {
        self.providers.iter().find(|provider| provider.code == *code)
    }
}

/// One provider's settings, sorted by the room that uses them.
#[derive(Clone, Debug, PartialEq)]
pub struct Provider {
    /// Its code.
    pub code: ProviderCode,
    /// Its name.
    pub name: String,
    /// What sort of service it runs.
    pub kind: ProviderKind,
    /// Whom to ring.
    pub contact: Contact,
    /// The sharing agreement's reference.
    pub agreement_reference: String,
    /// For the checks.
    pub feed: verify::Feed,
    /// For the endpoint.
    pub account: intake::Account,
    /// For lateness.
    pub schedule: schedule::FeedSchedule,
    /// Whether a file of it is released from quarantine by two people only.
    pub release_needs_two: bool,
    /// How many examples its mappings carry; all of them came out when the settings were loaded.
    pub examples: usize,
}

/// Whom to ring at a provider.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contact {
    /// A person or a desk.
    pub name: String,
    /// E-mail address.
    pub email: String,
    /// Telephone number.
    pub phone: String,
}

#[cfg(test)]
mod tests;
