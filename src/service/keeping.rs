//! Keeping: retention once a day, for as long as the daemon runs.
//!
//! Owns when it runs: soon after a start, so that restarts do not starve it, and every day after. Refuses to run by itself on a
//! clock that may have jumped; whoever knows better asks with `bedfeed retention run`.

use crate::feed::{Clock, error_chain};
use crate::pipeline::Pipeline;
use crate::pipeline::retention::decide::clock_is_believed;
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// The pause between two rounds.
const PAUSE: Duration = Duration::from_secs(24 * 60 * 60);

/// Runs retention until `stop` turns true. `known`: the newest moment that the ledger had before this start.
pub(super) async fn run(pipeline: Pipeline, clock: Arc<dyn Clock>, mut known: Option<Timestamp>, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        let now = clock.now();
        if clock_is_believed(known, now) {
            if let Err(error) = pipeline.retain_all().await {
                tracing::error!(error = error_chain(&error), "retention did not finish; what was recorded goes in the next round");
            }
        } else {
            tracing::warn!(
                ?known,
                %now,
                "nothing was recorded for days: if the clock is right, retention goes on in a day, or at once with `bedfeed retention run`"
            );
        }
        known = Some(now);
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            _ = stop.changed() => {}
        }
    }
}
