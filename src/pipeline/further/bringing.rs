//! Bringing one snapshot to a further warehouse: as it was judged just now, or judged again from its kept original.
//!
//! Refuses to bring anything else than what the ledger says: what reads otherwise by today's settings is left out.

use super::Further;
use crate::feed::{Stage, error_chain};
use crate::forward::{FileFact, ForwardErrorKind, Load, LoadOutcome};
use crate::ledger::QueuedSnapshot;
use crate::pipeline::carry_out::PipelineError;
use crate::pipeline::loading::{Prepared, says_the_same};
use crate::pipeline::replay::{Reading, compare as reading_of};
use crate::pipeline::worker::Inner;
use crate::verify::Verdict;
use jiff::Timestamp;

/// What became of one try.
pub(super) enum Went {
    /// The warehouse has it, judged at this time.
    Took(Timestamp),
    /// It is not to be loaded as things stand; why.
    LeftOut(String),
    /// The warehouse was asked and refuses it; why. Somebody may mend that there.
    Refused(String),
    /// The warehouse did not take it; why.
    Away(String),
    /// It stands otherwise by now: the next look at the ledger tells.
    Moved,
}

impl Inner {
    /// Tries to load one.
    pub(super) async fn load_into(&self, further: &Further, waiting: &QueuedSnapshot) -> Result<Went, PipelineError> {
        let prepared = match further.shelf.take(waiting.snapshot) {
            Some(prepared) => prepared,
            None => match self.prepare_for(waiting).await? {
                Ok(prepared) => prepared,
                Err(went) => return Ok(went),
            },
        };
        let Prepared { snapshot, replay, rows, verified, report } = prepared;
        let judged = report.assessed_at;
        let loaded = Stage::Loaded { snapshot };
        let files = rows.iter().map(|row| FileFact::new(&row.delivery, &loaded, row.report.as_ref())).collect();
        match further.warehouse.load(Load { verified, reference: snapshot, replay, files, report }).await {
            Ok(LoadOutcome::Loaded { .. } | LoadOutcome::AlreadyLoaded) => Ok(Went::Took(judged)),
            Ok(LoadOutcome::NumberTaken { newest }) => Ok(Went::Refused(format!(
                "another snapshot is there as version {} of slot {}, of {newest}: the ledger does not know it",
                snapshot.version, snapshot.slot
            ))),
            Err(error) if error.kind() == ForwardErrorKind::Refused => Ok(Went::Refused(format!("it refuses it: {}", error_chain(&error)))),
            Err(error) => Ok(Went::Away(error_chain(&error))),
        }
    }

    /// Judges a snapshot again, from its kept original: it must say what the ledger says.
    async fn prepare_for(&self, waiting: &QueuedSnapshot) -> Result<Result<Prepared, Went>, PipelineError> {
        let snapshot = waiting.snapshot;
        let Some(feed) = self.rules.feeds.iter().find(|feed| feed.provider == waiting.provider) else { return Ok(Err(Went::Moved)) };
        let Some(row) = self.ledger.read(move |reader| reader.delivery(snapshot.lead)).await? else { return Ok(Err(Went::Moved)) };
        let (is_ready, stands) = match &row.stage {
            Stage::Ready { snapshot, .. } => (true, *snapshot),
            Stage::Loaded { snapshot } => (false, *snapshot),
            _ => return Ok(Err(Went::Moved)),
        };
        let Some(decided) = row.report.clone().filter(|_| stands == snapshot) else { return Ok(Err(Went::Moved)) };
        let rows = self.parts_of(&row).await?;
        if is_ready {
            let judged = self.judge_against_past(feed, &row, rows, Some(decided.assessed_at)).await?;
            let (rows, assessment) = judged.into_parts();
            return Ok(match assessment.verdict {
                Verdict::Accepted(verified)
                    if says_the_same(&self.placed(&feed.provider, snapshot, assessment.report.clone()).await?, &decided) =>
                {
                    Ok(Prepared { snapshot, replay: false, rows, verified, report: decided })
                }
                // The settings changed in between: it is judged anew when the first warehouse is there again.
                _ => Err(Went::Moved),
            });
        }
        let (rows, assessment) = match self.judge_kept(feed, &row, rows, Some(decided.assessed_at)).await? {
            Ok(judged) => judged.into_parts(),
            Err(why) => return Ok(Err(Went::LeftOut(why))),
        };
        let reading = reading_of(snapshot.slot, Some(&decided), &assessment);
        Ok(match (reading, assessment.verdict) {
            (Reading::Unchanged, Verdict::Accepted(verified)) => {
                Ok(Prepared { snapshot, replay: waiting.replay, rows, verified, report: decided })
            }
            (Reading::Kept { why }, _) => Err(Went::LeftOut(format!("by today's settings it is not accepted as it was: {why}"))),
            _ => Err(Went::LeftOut(
                "today's mapping reads it otherwise: `bedfeed replay` makes a new version of it, for every warehouse".to_owned(),
            )),
        })
    }
}
