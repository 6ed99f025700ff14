//! bedfeed: the front door for 15-minute bed-state feeds.

pub mod feed;
pub mod bedstate;
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
