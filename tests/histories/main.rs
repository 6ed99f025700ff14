//! Simulated histories: a seed makes a story of deliveries, faults, crashes and steps of the clock, which is played in this
//! process on the daemon's own books and workers, over a real ledger, a real warehouse and real folders. After each step the
//! promises are held against a small model.
//!
//! `BEDFEED_HISTORIES=10000` plays so many (120 otherwise), `BEDFEED_HISTORY_MINUTES=10` plays until time is up, from the
//! seed `BEDFEED_SEED` (1 otherwise). One history in a process at a time: a fault belongs to the process. Folders lie on
//! `/dev/shm` where it is there: a crash here is that of the process, which what is not synced survives; power cuts are not
//! this test's matter.

#![cfg(debug_assertions)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a test may fail loudly"
)]

#[path = "../common/mod.rs"]
mod common;

mod checks;
mod faults;
mod model;
mod story;
mod told;
mod world;

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use story::{CLOCK_AHEAD, Plot, play};
use world::{Places, Tally};

/// Histories that once broke a promise, with what was wrong. A seed gives other steps once the choice of steps is changed: what
/// it found is kept as steps then.
const ONCE_FAILED: &[(Plot, &str)] =
    &[(CLOCK_AHEAD, "a clock that was ahead told of silence, took it back, and the same silence, once true, was told nobody")];

/// Histories that are played where nobody says how many.
const USUALLY: u64 = 120;

/// A hook on the durable steps sees the whole process, so one history is played at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")))
}

#[test]
fn every_promise_holds_after_each_step_of_random_histories() {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let places = Places::new();
    let first = number("BEDFEED_SEED").unwrap_or(1);
    let until = number("BEDFEED_HISTORY_MINUTES").map(|minutes| Instant::now() + Duration::from_secs(60 * minutes));
    let count = number("BEDFEED_HISTORIES").unwrap_or(if until.is_some() { u64::MAX - first } else { USUALLY });
    let mut tally = Tally::default();
    for seed in first..first + count {
        if until.is_some_and(|until| Instant::now() >= until) {
            break;
        }
        play(Plot::Seed(seed), &places, &mut tally);
    }
    println!("histories {}", tally.json());
    assert!(tally.crashes > tally.histories / 2 && tally.faults > tally.histories, "too little went wrong: {}", tally.json());
    assert!(tally.loaded > 3 * tally.histories && tally.repeats > 0 && tally.refused > 0, "too little went right: {}", tally.json());
}

#[test]
fn histories_that_once_failed_hold() {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let places = Places::new();
    for (plot, what) in ONCE_FAILED {
        eprintln!("{plot:?}: {what}");
        play(*plot, &places, &mut Tally::default());
    }
}
