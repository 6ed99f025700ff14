//! The workers by hand: what [`Pipeline::run`] does by itself, one round at a time, for whoever moves time by hand.
//!
//! Owns what a run keeps in memory beside the pipeline. Refuses to wait: what is to be tried later is left for a later round.

use super::carry_out::PipelineError;
use super::queue::Door;
use super::replay::Unchanged;
use super::worker::Pipeline;
use tokio::sync::watch;

/// A pipeline whose workers are moved by hand.
pub struct ByHand {
    pipeline: Pipeline,
    door: Door,
    stop: watch::Receiver<bool>,
    unchanged: Unchanged,
    _never: watch::Sender<bool>,
}

impl ByHand {
    /// The workers of a pipeline that nobody else runs.
    #[must_use]
    pub fn new(pipeline: Pipeline) -> Self {
        let (never, stop) = watch::channel(false);
        let door = Door::new(pipeline.inner.clock.now());
        Self { pipeline, door, stop, unchanged: Unchanged::new(), _never: never }
    }

    /// Judges all that can be judged now, feed by feed. One feed's fault leaves the others alone.
    ///
    /// # Errors
    /// The first feed's that could not go on; the next round tries it again.
    pub async fn judge(&mut self) -> Result<(), PipelineError> {
        let inner = &self.pipeline.inner;
        let mut went = Ok(());
        for feed in &inner.rules.feeds {
            let Some(wake) = inner.wakes.get(&feed.provider) else { continue };
            went = went.and(inner.pass(feed, wake, &self.stop).await.map(|_| ()));
        }
        went
    }

    /// Loads all that can be loaded now.
    ///
    /// # Errors
    /// Loading could not go on; the next round tries again.
    pub async fn load(&mut self) -> Result<(), PipelineError> {
        self.pipeline.inner.load_what_waits(&mut self.door, &self.stop).await.map(|_| ())
    }

    /// Reads originals again for replays that are under way, as far as the queue before the warehouse allows.
    ///
    /// # Errors
    /// A replay could not go on; the next round tries again.
    pub async fn read_again(&mut self) -> Result<(), PipelineError> {
        self.pipeline.inner.replay_pass(&mut self.unchanged, &self.stop).await
    }
}
