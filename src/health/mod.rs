//! Health: what support sees. Read-only.
//!
//! Owns the summary and the pages (pure), reading what they show from the ledger and the warehouse, and serving them over
//! HTTP. Refuses to write anything.

mod gather;
mod metrics;
pub mod pages;
pub mod summary;
mod web;

pub use gather::{HealthFeed, Judged, feed_summary, standing_of};
pub use metrics::{Family, FamilyKind, Sample};
pub use web::{Counted, Sources, serve};

use std::net::SocketAddr;

/// `[web]` in the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Address of the pages; loopback only until users and TLS are set up. Default `127.0.0.1:8080`.
    pub listen: SocketAddr,
    /// Where people reach the pages, by the proxy that asks them to log in; messages lead there. `None`: nowhere.
    pub public_url: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 8080)), public_url: None }
    }
}
