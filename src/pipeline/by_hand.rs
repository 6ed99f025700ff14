//! The workers by hand: what [`Pipeline::run`] does by itself, one round at a time, for whoever moves time by hand.
//!
//! Owns what a run keeps in memory beside the pipeline. Refuses to wait: what is to be tried later is left for a later round.

use super::carry_out::PipelineError;
use super::further::Following;
use super::queue::Door;
use super::replay::Unchanged;
use super::worker::Pipeline;
use tokio::sync::watch;

/// A pipeline whose workers are moved by hand.
pub struct ByHand {
    pipeline: Pipeline,
    door: Door,
    following: Vec<Following>,
    stop: watch::Receiver<bool>,
    unchanged: Unchanged,
    _never: watch::Sender<bool>,
}

impl ByHand {
    /// The workers of a pipeline that nobody else runs.
    #[must_use]
    pub fn new(pipeline: Pipeline) -> Self {
        let (never, stop) = watch::channel(false);
        let now = pipeline.inner.clock.now();
        let (door, following) = (Door::new(now), pipeline.inner.further.iter().map(|_| Following::new(now)).collect());
        Self { pipeline, door, following, stop, unchanged: Unchanged::new(), _never: never }
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

    /// Brings every further warehouse as far as it can be brought now.
    ///
    /// # Errors
    /// The first that could not be followed; the next round tries again.
    pub async fn follow(&mut self) -> Result<(), PipelineError> {
        let inner = &self.pipeline.inner;
        let mut went = Ok(());
        for (further, following) in inner.further.iter().zip(&mut self.following) {
            went = went.and(inner.follow_once(further, following, &self.stop).await.map(|_| ()));
        }
        went
    }

    /// Reads originals again for replays that are under way, as far as the queue before the warehouse allows.
    ///
    /// # Errors
    /// A replay could not go on; the next round tries again.
    pub async fn read_again(&mut self) -> Result<(), PipelineError> {
        self.pipeline.inner.replay_pass(&mut self.unchanged, &self.stop).await
    }
}
