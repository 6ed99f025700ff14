//! A trial: the message by which somebody tries out the channels. Pure.
//!
//! It counts as an end and asks for nothing, so that nothing that calls people opens an incident for it.

use super::{AlertKind, AlertMessage, AlertSeverity, Concern, MESSAGE_VERSION, RecordConcern};
use crate::feed::{Slot, local_text};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A message that says that it is a test.
#[must_use]
pub fn trial(now: Timestamp, zone: &TimeZone) -> AlertMessage {
    let key = format!("test/{now}");
    let when = local_text(now, zone);
    AlertMessage {
        version: MESSAGE_VERSION,
        episode: key.clone(),
        key,
        kind: AlertKind::End,
        severity: AlertSeverity::Info,
        provider: None,
        provider_name: None,
        problem: Concern::Record(RecordConcern::Test),
        title: "TEST: bedfeed tries out its channels".to_owned(),
        text: format!("Somebody ran `bedfeed check-config --send-test` at {when}. Nothing is wrong, and nothing is to be done."),
        slot: Slot::containing(now),
        since: now,
        since_local: when,
        ended: Some(now),
        ending: None,
        slots: None,
        last_good: None,
        cause: String::new(),
        runbook: String::new(),
        what_to_do: String::new(),
        checkpoint: None,
    }
}
