//! bedfeed: the front door for 15-minute bed-state feeds.
//!
//! Hospitals send a file every quarter of an hour over SFTP. bedfeed makes it durable before it says OK, checks it, sets
//! it aside with its findings or loads it exactly once, tells the sender, and notices silence.
//!
//! ```text
//!  SFTP client                                                    people
//!      │ upload        ▲ receipts                                    ▲
//!      ▼               │ (read from the ledger when asked for)       │
//!  ┌────────┐ Landed ┌──────────────────────────────┐ Verified ┌─────────┐
//!  │ intake ├───────▶│ pipeline                     ├─────────▶│ forward ├──▶ warehouse.db
//!  └────────┘        │   assess: verify, normalise  │          └─────────┘        │
//!                    └───┬───────────────┬──────────┘                             ▼
//!               findings ▼               │ every change of stage            health (pages)
//!                   quarantine           ▼                                        ▲
//!                                     ledger ──▶ alerts (asks schedule) ──▶ log, channels
//! ```
//!
//! The rooms, in the order in which they are best read. Each one's page says what it owns and what it refuses;
//! `tests/architecture.rs` holds which may import which. `docs/architecture.md` has the promises and three walk-throughs.
//!
//! - [`feed`]: the words: provider, slot, delivery, finding, rule, stage. Pure.
//! - [`bedstate`]: the generic dataset: line, codes, snapshot, totals, published schema. Pure.
//! - [`secret`]: where passwords and secret addresses are, and reading them.
//! - [`intake`]: the SFTP endpoint; bytes become a durable delivery, or leave no trace.
//! - [`verify`]: every check, and [`verify::Verified`], the only thing that is ever loaded. Pure.
//! - [`normalise`]: mappings and reference data turn a provider's rows into lines. Pure.
//! - [`quarantine`]: where originals are kept, good ones and those set aside.
//! - [`forward`]: the warehouse: one transaction a snapshot, views that never count a missing provider as zero.
//! - [`ledger`]: the only memory: an append-only, hash-chained record and what is derived from it.
//! - [`pipeline`]: the only code that moves a delivery between stages; [`pipeline::assess`] is the heart.
//! - [`receipts`]: what the sender is told. Pure.
//! - [`schedule`]: which slots are expected, and how punctual a feed is. Pure.
//! - [`alerts`]: episodes, their messages, and channels that take them at least once.
//! - [`health`]: what support sees; read-only.
//! - [`simulator`]: invented providers for the demo and the tests.
//! - [`config`]: settings as typed, then as meant; every problem at once.
//! - [`service`]: the clock, the tasks, the order of start and stop.
//! - [`cli`]: the commands.
//!
//! Beside the flow stands [`fault`]: where a test ends the process, or makes a step fail; nothing in a release build.

pub mod fault;
pub mod feed;
pub mod bedstate;
pub mod secret;
pub mod intake;
pub mod verify;
pub mod normalise;
pub mod quarantine;
pub mod forward;
pub mod ledger;
pub mod pipeline;
pub mod receipts;
pub mod schedule;
pub mod alerts;
pub mod health;
pub mod simulator;
pub mod config;
pub mod service;
pub mod cli;

#[cfg(test)]
#[path = "../fuzz/seeds.rs"]
mod fuzz_seeds;
