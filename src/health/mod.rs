//! Health: what support sees. Read-only.
//!
//! Owns the summary (pure), the web pages and their JSON. Refuses to write anything.

pub mod pages;
pub mod summary;

use std::net::SocketAddr;

/// `[web]` in the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Address of the pages; loopback only until users and TLS are set up. Default `127.0.0.1:8080`.
    pub listen: SocketAddr,
}

impl Default for Settings {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 8080)) }
    }
}
