//! Pipeline: the only code that moves a delivery between stages.
//!
//! Owns the one pure assessment ([`assess`]), the decision what comes next ([`next_step`], pure) and its carrying out.
//! Refuses to speak SFTP, HTTP or SQL. Each feed has a worker that reads what is to be judged from the ledger, takes the next
//! step, and waits; one task loads what they accepted, in the order of `queue`. A start after a crash is nothing but the
//! first such reading.

pub mod assess;
#[doc(hidden)]
pub mod by_hand;
mod carry_out;
mod further;
mod gather;
mod loading;
mod notes;
pub mod picture;
mod queue;
mod replay;
pub mod retention;
mod settle;
mod silences;
mod step;
mod support;
mod trouble;
mod worker;

pub use carry_out::PipelineError;
pub use further::FurtherStanding;
pub use replay::{MAX_PREVIEW_SLOTS, MAX_REPLAY_SLOTS, Preview, Reading};
pub use settle::Settled;
pub use silences::{Said, Saying, SayingError};
pub use step::{Step, next_step, retry_at};
pub use support::{ActError, Acted, Asked, REQUEST_STANDS, allowed, held};
pub use worker::{Pipeline, Rules, Strangers, Warehouses};
