//! Simulator: realistic providers for the demo, the load generator and the tests.
//!
//! Owns an invented world of beds and patients, each sample provider's own layout of it with all its quirks, and a client
//! that uploads over real SFTP. Refuses to know how bedfeed reads an extract: what is true is summed from the world itself,
//! so that a figure in the warehouse can be compared with something that bedfeed did not work out.
//!
//! Nobody in it exists. The NHS numbers it can leak start with 999, a range that is never issued.

mod client;
mod generator;
mod layouts;
mod movement;
mod profile;
mod resize;
mod state;
mod world;

#[cfg(test)]
mod tests;

pub use client::{HostKey, Listed, MAX_GET_BYTES, NewKey, UploadError, Uploader, load_key, make_key};
pub use layouts::{ExtractError, ExtractFile, Fault, Options, SourceClock, extract};
pub use profile::Layout;
pub use resize::{copied, resized};
pub use world::{World, WorldError};
