//! Keeping: retention once a day, for as long as the daemon runs.
//!
//! Owns when it runs: soon after a start, so that restarts do not starve it, and every day after. Refuses to run by itself on a
//! clock that may have jumped, and while the ledger may be the wrong one; whoever knows better asks with `bedfeed retention run`.

use super::house::House;
use crate::feed::{Clock, error_chain};
use crate::pipeline::Pipeline;
use crate::pipeline::retention::RetentionError;
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// The pause between two rounds.
const PAUSE: Duration = Duration::from_secs(24 * 60 * 60);
/// The pause after a round that could not finish: what is recorded as going must go soon, and an analyst's long look at the warehouse
/// is over in the meantime. So may be the doubt about the ledger.
const PAUSE_AFTER_TROUBLE: Duration = Duration::from_secs(15 * 60);

/// Runs retention until `stop` turns true.
pub(super) async fn run(pipeline: Pipeline, clock: Arc<dyn Clock>, house: Arc<House>, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        let pause = round(&pipeline, &house, clock.now()).await.unwrap_or_else(|error| {
            tracing::error!(
                error = error_chain(&error),
                "retention did not finish; the next round, in a quarter of an hour, goes on with it"
            );
            PAUSE_AFTER_TROUBLE
        });
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stop.changed() => {}
        }
    }
}

/// One round that nobody asked for; gives the pause until the next.
pub(super) async fn round(pipeline: &Pipeline, house: &House, now: Timestamp) -> Result<Duration, RetentionError> {
    if house.in_doubt() {
        tracing::warn!("retention waits: the ledger may be the wrong one, and does not know what else is held or has come");
        return Ok(PAUSE_AFTER_TROUBLE);
    }
    let Some(until) = pipeline.clock_is_watched_until(now).await? else {
        pipeline.retain_all().await?;
        return Ok(PAUSE);
    };
    tracing::warn!(
        %now,
        %until,
        "nothing was recorded for days: if the clock is right, retention goes on a day after that, or at once with `bedfeed retention run`"
    );
    Ok(Duration::try_from(until.duration_since(now)).map_or(PAUSE, |wait| wait.min(PAUSE)))
}
