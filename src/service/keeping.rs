//! Keeping: retention once a day, for as long as the daemon runs.
//!
//! Owns when it runs: soon after a start, so that restarts do not starve it, and every day after. Refuses to run by itself on a
//! clock that may have jumped; whoever knows better asks with `bedfeed retention run`.

use crate::feed::{Clock, error_chain};
use crate::pipeline::Pipeline;
use crate::pipeline::retention::RetentionError;
use crate::pipeline::retention::decide::clock_is_believed;
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// The pause between two rounds.
const PAUSE: Duration = Duration::from_secs(24 * 60 * 60);
/// The pause after a round that could not finish: what is recorded as going must go soon, and an analyst's long look at the warehouse
/// is over in the meantime.
const PAUSE_AFTER_TROUBLE: Duration = Duration::from_secs(15 * 60);

/// Runs retention until `stop` turns true. `known`: the newest moment that the ledger had before this start.
pub(super) async fn run(pipeline: Pipeline, clock: Arc<dyn Clock>, mut known: Option<Timestamp>, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        let pause = match round(&pipeline, &mut known, clock.now()).await {
            Ok(()) => PAUSE,
            Err(error) => {
                tracing::error!(
                    error = error_chain(&error),
                    "retention did not finish; the next round, in a quarter of an hour, goes on with it"
                );
                PAUSE_AFTER_TROUBLE
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stop.changed() => {}
        }
    }
}

/// One round that nobody asked for. `known`: the newest moment that is known of, which is `now` afterwards.
pub(super) async fn round(pipeline: &Pipeline, known: &mut Option<Timestamp>, now: Timestamp) -> Result<(), RetentionError> {
    let before = known.replace(now);
    if clock_is_believed(before, now) {
        return pipeline.retain_all().await;
    }
    tracing::warn!(
        known = ?before,
        %now,
        "nothing was recorded for days: if the clock is right, retention goes on in a day, or at once with `bedfeed retention run`"
    );
    Ok(())
}
