//! Replay: stored originals are read again by the mapping of today, after one was mended. What says something else becomes a
//! new version of its slot, beside the old one, which stays until that is loaded.
//!
//! Owns what a second reading means. Refuses to take anything back: what today's mapping does not accept, and what would fill
//! another slot by it, keeps the version it has, and is named (P4). Runs beside the feeds and after them: few at a time, one
//! judgement at a time, and behind everything else in the queue before the warehouse.
//!
//! All is in the ledger: what was asked for, and what was decided about each snapshot. A start after a crash goes on with it.

use super::assess::Assessment;
use super::carry_out::{Judged, PipelineError};
use super::loading::Prepared;
use super::support::{ActError, Asked, are_words};
use super::worker::{Inner, PAUSE_AFTER_FAULT, Pipeline};
use crate::feed::{DeliveryId, FileName, Finding, ProviderCode, Report, Severity, Slot, SnapshotRef, Stage, error_chain};
use crate::ledger::{Class, DeliveryRow, Event, ReplayRow};
use crate::verify::{Feed, Verdict, Verified};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::watch;

/// Most slots of one replay: three months.
pub const MAX_REPLAY_SLOTS: i64 = 96 * 92;
/// Most slots of one look at what a replay would do: a few hours, so that the answer comes soon.
pub const MAX_PREVIEW_SLOTS: i64 = 16;
/// Snapshots that were read again and are not loaded yet: more are only read when these are gone.
const MOST_WAITING: u64 = 16;

/// What a second reading of one loaded snapshot means.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "becomes", rename_all = "snake_case")]
pub enum Reading {
    /// It says the same.
    Unchanged,
    /// It says something else: a new version.
    New,
    /// It is not accepted as it is now: the version that it has stays.
    Kept {
        /// Why.
        why: String,
    },
}

/// What a replay would do with one snapshot.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Preview {
    /// The delivery that leads it.
    pub delivery: DeliveryId,
    /// Its name.
    pub file: FileName,
    /// The slot it fills.
    pub slot: Slot,
    /// What would become of it.
    #[serde(flatten)]
    pub reading: Reading,
}

/// Decides what a second reading means. Pure.
pub(super) fn compare(slot: Slot, before: Option<&Report>, again: &Assessment) -> Reading {
    let kept = |why: String| Reading::Kept { why };
    let snapshot = match &again.verdict {
        Verdict::Accepted(verified) => verified.snapshot(),
        Verdict::Duplicate { of } => return kept(format!("It repeats delivery {of}.")),
        Verdict::Rejected | Verdict::Sealed => return kept(why(again)),
    };
    if again.test {
        return kept("Its control record says that it is a test.".to_owned());
    }
    if snapshot.slot != slot {
        return kept(format!("By today's mapping it fills slot {}, not {slot}.", snapshot.slot));
    }
    let figures = |report: &Report| (report.fingerprint, report.snapshot_at, report.sequence, report.coverage, report.totals);
    let same = before.is_some_and(|before| before.fingerprint.is_some() && figures(before) == figures(&again.report));
    if same { Reading::Unchanged } else { Reading::New }
}

/// The first thing that speaks against it.
fn why(again: &Assessment) -> String {
    let worst = |finding: &&Finding| finding.severity >= Severity::RejectFile;
    let found = again.report.findings.iter().find(worst);
    found.map_or_else(|| "No line comes out.".to_owned(), |finding| format!("{} {}", finding.rule, finding.message))
}

impl Pipeline {
    /// Records that the originals of a provider's loaded slots, from the first to the last, are to be read again. The work is
    /// done beside the feeds; [`ReplayRow`] tells how far it is.
    ///
    /// # Errors
    /// See [`ActError`]; nothing was recorded.
    pub async fn replay(&self, provider: ProviderCode, from: Slot, to: Slot, asked: &Asked) -> Result<ReplayRow, ActError> {
        if !are_words(&asked.by) || !are_words(&asked.reason) {
            return Err(ActError::Words);
        }
        self.replayable(&provider, from, to, MAX_REPLAY_SLOTS)?;
        let key = format!("replay/{provider}/{}", self.inner.clock.now());
        let Asked { by, reason, account, .. } = asked.clone();
        let asked = Event::ReplayAsked { key: key.clone(), provider, from, to, by, reason, account };
        self.inner.record(vec![asked]).await?;
        let row = self.inner.ledger.read(move |reader| reader.replay(&key)).await?;
        row.ok_or_else(|| ActError::Replay("the replay was recorded and cannot be found: run `bedfeed audit verify`".to_owned()))
    }

    /// What a replay would do, without recording anything.
    ///
    /// # Errors
    /// See [`ActError`].
    pub async fn preview(&self, provider: ProviderCode, from: Slot, to: Slot) -> Result<Vec<Preview>, ActError> {
        let feed = Arc::clone(self.replayable(&provider, from, to, MAX_PREVIEW_SLOTS)?);
        let leads = self.inner.ledger.read(move |reader| reader.loaded_between(&provider, from, to)).await?;
        let mut previews = Vec::with_capacity(leads.len());
        for lead in leads {
            if let Some((row, snapshot, reading, _)) = self.inner.read_again(&feed, lead).await? {
                previews.push(Preview { delivery: lead, file: row.delivery.name, slot: snapshot.slot, reading });
            }
        }
        Ok(previews)
    }

    fn replayable(&self, provider: &ProviderCode, from: Slot, to: Slot, most: i64) -> Result<&Arc<Feed>, ActError> {
        let slots = to.slots_after(from) + 1;
        if !(1..=most).contains(&slots) {
            return Err(ActError::Replay(format!("{from} to {to} are {slots} slots: at least 1 and at most {most} at a time")));
        }
        let feed = self.inner.rules.feeds.iter().find(|feed| feed.provider == *provider);
        feed.ok_or_else(|| ActError::Replay(format!("there is no provider {provider} in the settings")))
    }
}

/// Carries out what was asked for until `stop` turns true.
pub(super) async fn replay_all(inner: Arc<Inner>, mut stop: watch::Receiver<bool>) {
    let mut news = inner.changed.subscribe();
    // What says the same is not recorded, and not read once more while the daemon runs.
    let mut unchanged: Unchanged = BTreeMap::new();
    while !*stop.borrow() {
        // What is recorded from here on is news, the pass's own records too.
        news.mark_unchanged();
        let failed = inner.replay_pass(&mut unchanged, &stop).await.inspect_err(|error| {
            tracing::error!(error = error_chain(error), "a replay could not go on; trying again");
        });
        let pause = async {
            match failed {
                Ok(()) => std::future::pending().await,
                Err(_) => tokio::time::sleep(PAUSE_AFTER_FAULT).await,
            }
        };
        tokio::select! {
            () = pause => {}
            changed = news.changed() => if changed.is_err() { return },
            changed = stop.changed() => if changed.is_err() { return },
        }
    }
}

impl Inner {
    /// Goes on with every replay that is under way, as far as the queue before the warehouse allows.
    pub(super) async fn replay_pass(&self, unchanged: &mut Unchanged, stop: &watch::Receiver<bool>) -> Result<(), PipelineError> {
        for replay in self.ledger.read(|reader| reader.open_replays()).await? {
            let Some(feed) = self.rules.feeds.iter().find(|feed| feed.provider == replay.provider) else { continue };
            let (key, provider) = (replay.key.clone(), replay.provider.clone());
            let (from, to) = (replay.from, replay.to);
            let (leads, decided) =
                self.ledger.read(move |reader| Ok((reader.loaded_between(&provider, from, to)?, reader.replayed(&key)?))).await?;
            let same = unchanged.entry(replay.key.clone()).or_default();
            for lead in leads.into_iter().filter(|lead| !decided.contains(lead)) {
                if same.contains(&lead) {
                    continue;
                }
                if *stop.borrow() || self.ledger.read(|reader| reader.replays_waiting()).await? >= MOST_WAITING {
                    return Ok(());
                }
                if self.replay_one(feed, &replay.key, lead).await? {
                    same.insert(lead);
                }
            }
            let count = u64::try_from(same.len()).unwrap_or(u64::MAX);
            tracing::info!(replay = replay.key, unchanged = count, "all was read again");
            unchanged.remove(&replay.key);
            self.record(vec![Event::ReplayEnded { key: replay.key, unchanged: count }]).await?;
        }
        Ok(())
    }

    /// Reads one snapshot again and records what that means. `true`: it says the same.
    async fn replay_one(&self, feed: &Arc<Feed>, key: &str, lead: DeliveryId) -> Result<bool, PipelineError> {
        let Some((row, old, reading, judged)) = self.read_again(feed, lead).await? else { return Ok(false) };
        match (reading, judged) {
            (Reading::Unchanged, _) => return Ok(true),
            (Reading::New, Some((rows, verified, report))) => {
                let first_version = row.report.as_ref().and_then(|report| report.first_version).or(Some(old.version));
                let report = Report { first_version, ..report };
                let slot = old.slot;
                let _numbering = self.numbering.lock().await;
                let version = self.next_version(&feed.provider, slot, 0).await?;
                let snapshot = SnapshotRef { version, ..old };
                let (replay, provider) = (key.to_owned(), feed.provider.clone());
                let again = Event::Replayed { replay, delivery: lead, provider, snapshot, report: Box::new(report.clone()) };
                self.record(vec![again]).await?;
                tracing::info!(provider = %feed.provider, delivery = %lead, %slot, version, "read again: a new version");
                self.shelve(Prepared { snapshot, replay: true, rows, verified, report });
            }
            (Reading::Kept { why }, _) => self.keep(key, lead, why).await?,
            (Reading::New, None) => tracing::error!(delivery = %row.delivery.id, "a new version without a snapshot"),
        }
        Ok(false)
    }

    /// Records that a loaded snapshot keeps the version it has.
    pub(super) async fn keep(&self, key: &str, lead: DeliveryId, why: String) -> Result<(), PipelineError> {
        tracing::warn!(delivery = %lead, replay = key, why, "read again, and not accepted as it is now: its version stays");
        self.record(vec![Event::ReplayKept { replay: key.to_owned(), delivery: lead, why }]).await
    }

    /// Judges a loaded snapshot as if it came now, against what had been accepted when it came. `None`: it is loaded no more.
    async fn read_again(&self, feed: &Arc<Feed>, lead: DeliveryId) -> Result<Option<Again>, PipelineError> {
        let Some(row) = self.ledger.read(move |reader| reader.delivery(lead)).await? else { return Ok(None) };
        let Stage::Loaded { snapshot } = row.stage else { return Ok(None) };
        let rows = self.parts_of(&row).await?;
        let (rows, assessment) = match self.judge_kept(feed, &row, rows, None).await? {
            Ok(judged) => judged.into_parts(),
            Err(why) => return Ok(Some((row, snapshot, Reading::Kept { why }, None))),
        };
        let provider = feed.provider.clone();
        // What an earlier replay found and is not loaded yet is what it says now.
        let promised = self.ledger.read(move |reader| reader.promised(&provider, snapshot)).await?;
        let reading = compare(snapshot.slot, promised.as_ref().or(row.report.as_ref()), &assessment);
        let judged = match assessment.verdict {
            Verdict::Accepted(verified) => Some((rows, verified, assessment.report)),
            Verdict::Rejected | Verdict::Sealed | Verdict::Duplicate { .. } => None,
        };
        Ok(Some((row, snapshot, reading, judged)))
    }

    /// Judges what is loaded once more, by what was known at `judged_by`; `None`: by what is known now. Not possible where retention has
    /// deleted something of it, which is told.
    pub(super) async fn judge_kept(
        &self,
        feed: &Arc<Feed>,
        row: &DeliveryRow,
        rows: Vec<DeliveryRow>,
        judged_by: Option<jiff::Timestamp>,
    ) -> Result<Result<Judged, String>, PipelineError> {
        // Retention deletes nothing while this is read.
        let _acting = self.acting.lock().await;
        let ids: Vec<DeliveryId> = rows.iter().map(|row| row.delivery.id).collect();
        let gone = self.ledger.read(move |reader| ids.into_iter().map(|id| reader.gone(id)).collect::<Result<Vec<_>, _>>()).await?;
        // A new version would bring back lines that are not to be kept either.
        let gone = gone.into_iter().flatten().find(|(class, _)| *class != Class::Checks);
        match gone {
            Some((class, disposal)) => {
                let what = if matches!(class, Class::Rows | Class::Sums) { "Its lines were" } else { "Its file was" };
                Ok(Err(format!("{what} deleted by retention on {}.", disposal.planned_at.strftime("%Y-%m-%d"))))
            }
            None => Ok(Ok(self.judge_against_past(feed, row, rows, judged_by).await?)),
        }
    }
}

/// What each replay found unchanged.
pub(super) type Unchanged = BTreeMap<String, BTreeSet<DeliveryId>>;

/// A loaded delivery, what it is now, what reading it again means, and what came of that.
type Again = (DeliveryRow, SnapshotRef, Reading, Option<(Vec<DeliveryRow>, Verified, Report)>);
