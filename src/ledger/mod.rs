//! Ledger: the durable record of every delivery, stage, alert and audit event.
//!
//! Owns `ledger.db`: an append-only, hash-chained list of entries, and tables derived from it in the same transaction
//! so that they can be read quickly. One writer thread commits groups of appends together; readers never wait for it.
//! Refuses row values and persons' values, changing or deleting an entry, and deciding anything: it records (P8).
//!
//! The ledger is the only memory: start-up and recovery read it the same way as normal running does.

mod accepted;
mod audit;
mod chain;
mod entries;
mod kept;
mod moment;
mod people;
mod project;
mod past;
mod queue;
mod read;
mod replays;
mod schema;
mod silences;
mod sound;
mod trail;
mod watching;
mod writer;

#[cfg(test)]
mod kept_tests;
#[cfg(test)]
mod plans;
#[cfg(test)]
mod silences_tests;
#[cfg(test)]
mod tests;

pub use accepted::{Accepted, AcceptedSnapshot};
pub use audit::Audit;
pub use chain::{Broken, ChainHead, Checkpoint, Held, Link, Walk};
pub use entries::{Act, AlertToSend, Entry, Event, FileChange};
pub use moment::{Moment, Original};
pub use past::{Past, PastReport, PastRow, Reach};
pub use people::{Account, Class, Disposal, DisposalRow, Hold, HoldRow, HoldScope, ReleaseRequest, covering};
pub use project::IllegalMove;
pub use queue::{QueueState, QueuedSnapshot};
pub use read::{DeliveryRow, DueAlert, EpisodeRow, Filter, HouseEpisodeRow, Life, OutboxRow, Reader};
pub use replays::{KeptRow, ReplayRow};
pub use schema::{LedgerError, SCHEMA_VERSION};
pub use silences::Acknowledged;
pub use watching::Absence;
pub use writer::Ledger;

/// Clients of one provider that are kept, the most recently seen first: more than any has, so that one that calls itself
/// something else at each login cannot fill the table.
pub const MAX_CLIENTS: u32 = 64;

/// The ledger's file in the state folder.
pub const FILE_NAME: &str = "ledger.db";
