//! Config: settings as typed, then as meant.
//!
//! Owns reading `bedfeed.toml`, `providers/*.toml` and `reference/*.csv`, and reporting every problem at once with file,
//! line and key. Refuses to be imported by any room but service and cli.

use crate::feed::{ProviderCode, ProviderKind};
use crate::normalise::reference::Reference;
use crate::{alerts, forward, health, intake, schedule, verify};
use std::path::PathBuf;

/// Everything the settings say, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The main file.
    pub file: PathBuf,
    /// Where all state lives.
    pub state_dir: PathBuf,
    /// `[sftp]`.
    pub sftp: intake::Settings,
    /// `[warehouse]`.
    pub warehouse: forward::Settings,
    /// `[web]`.
    pub web: health::Settings,
    /// `[alerts]`.
    pub alerts: alerts::Settings,
    /// `providers/CODE.toml`, by code.
    pub providers: Vec<Provider>,
    /// `reference/*.csv`.
    pub reference: Reference,
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
