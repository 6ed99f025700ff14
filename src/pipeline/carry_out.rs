//! Carrying out: reads, judges, loads, and records what happened. Has no opinions of its own.

use super::assess::{Assessment, Context, Part, assess};
use super::gather::{Gathering, gather, history, reach};
use super::loading::Prepared;
use super::picture::{judge_with_picture, kept_text};
use super::worker::Inner;
use crate::fault::{self, Step};
use crate::feed::{DeliveryId, Digest, Finding, Folder, ProviderCode, Report, Rule, Slot, SnapshotRef, Stage, current, error_chain, place};
use crate::ledger::{DeliveryRow, Event, LedgerError, Past};
use crate::quarantine::{Place, Store, StoreError};
use crate::verify::history::REACH;
use crate::verify::{Feed, Verdict, Verified};
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;

/// How far back accepted snapshots are looked at for a file that a person released, which may be much older.
const RELEASED_HISTORY: SignedDuration = SignedDuration::from_hours(24 * 90);

/// Slots that a delivery may turn out to fill while it is judged: the two readings of the repeated hour, and back.
const MOST_SLOTS: usize = 3;

/// Why a step could not be carried out. The delivery stays where it stands and the step is tried again.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// The ledger did not answer.
    #[error("the ledger stopped the pipeline")]
    Ledger(#[from] LedgerError),
    /// A stored original could not be read or moved.
    #[error("the stored originals stopped the pipeline")]
    Store(#[from] StoreError),
    /// The folders of stored originals could not be listed.
    #[error("the folders of stored originals cannot be listed")]
    Folders(#[source] std::io::Error),
    /// The assessment itself failed, which it never should.
    #[error("the assessment of delivery {delivery} broke off; please report this")]
    Assessment {
        /// Of which delivery.
        delivery: DeliveryId,
    },
}

/// The parts of one snapshot, judged.
pub(super) struct Judged {
    rows: Vec<DeliveryRow>,
    assessment: Assessment,
    /// What the sender of a test is shown.
    picture: Option<String>,
}

impl Judged {
    /// The deliveries, and what was concluded about them.
    pub(super) fn into_parts(self) -> (Vec<DeliveryRow>, Assessment) {
        (self.rows, self.assessment)
    }
}

impl Inner {
    /// Judges a delivery with the other parts of its set; one that is good joins the queue before the warehouse.
    /// Gives the deliveries that moved: with the stage of one that is still to be judged, `None` for one that is decided.
    pub(super) async fn judge(
        &self,
        feed: &Arc<Feed>,
        row: &DeliveryRow,
        pending: &[DeliveryRow],
    ) -> Result<Vec<(DeliveryId, Option<Stage>)>, PipelineError> {
        match gather(feed, row, pending, self.clock.now()) {
            Gathering::Wait(stage) => {
                tracing::info!(provider = %feed.provider, delivery = %row.delivery.id, file = %row.delivery.name, "waiting for the other parts");
                self.record(vec![moved(row.delivery.id, stage.clone(), None, None)]).await?;
                Ok(vec![(row.delivery.id, Some(stage))])
            }
            Gathering::Repeats(of) => {
                // Its twin may be about to be sealed: then these are the same people's data.
                if let Some(report) = self.leak_in(feed, row).await? {
                    self.set_aside(std::slice::from_ref(row), report, true).await?;
                } else {
                    let again = format!("The same file is already waiting to be judged, as delivery {of}.");
                    let report = self.report_alone(row, Finding::new(Rule::Trn05, again));
                    self.record(vec![moved(row.delivery.id, Stage::Duplicate { of }, Some(report), None)]).await?;
                }
                Ok(vec![(row.delivery.id, None)])
            }
            Gathering::Judge { parts, replaced } => {
                let decided = parts.iter().chain(&replaced).map(|row| (row.delivery.id, None)).collect();
                let rows: Vec<DeliveryRow> = parts.into_iter().cloned().collect();
                for old in replaced {
                    if let Some(report) = self.leak_in(feed, old).await? {
                        self.set_aside(std::slice::from_ref(old), report, true).await?;
                        continue;
                    }
                    let aside = match old.delivery.folder {
                        Folder::Test => Stage::Tested { accepted: false },
                        Folder::Inbox => Stage::Quarantined { sealed: false, discarded: false },
                    };
                    let newer = "A newer file of the same part came before the set was complete; the newer one is used.";
                    let report = self.report_alone(old, Finding::new(Rule::Trn09, newer));
                    self.move_all(std::slice::from_ref(old), &aside, report).await?;
                }
                let judged = self.judge_against_past(feed, row, rows, None).await?;
                self.decide(feed, judged).await?;
                Ok(decided)
            }
        }
    }

    /// Looks for leaks in a delivery that is decided on without being judged; gives the report that seals it.
    async fn leak_in(&self, feed: &Arc<Feed>, row: &DeliveryRow) -> Result<Option<Report>, PipelineError> {
        let Judged { assessment, .. } = self.assess_rows(feed, row.delivery.id, vec![row.clone()], &Past::default()).await?;
        Ok(matches!(assessment.verdict, Verdict::Sealed).then_some(assessment.report))
    }

    /// Records what an assessment means for its deliveries.
    async fn decide(&self, feed: &Arc<Feed>, judged: Judged) -> Result<(), PipelineError> {
        let Judged { rows, assessment, picture } = judged;
        let Assessment { report, verdict, test, .. } = assessment;
        let accepted = matches!(verdict, Verdict::Accepted(_) | Verdict::Duplicate { .. });
        let for_test = test || rows.iter().any(|row| row.delivery.folder == Folder::Test);
        if for_test && !matches!(verdict, Verdict::Sealed) {
            self.keep_picture(lead_of(&rows, &report), picture);
            return self.move_all(&rows, &Stage::Tested { accepted }, report).await;
        }
        match verdict {
            Verdict::Duplicate { of } => self.move_all(&rows, &Stage::Duplicate { of }, report).await,
            Verdict::Rejected => self.set_aside(&rows, report, false).await,
            Verdict::Sealed => self.set_aside(&rows, report, true).await,
            Verdict::Accepted(verified) => {
                if let Some(prepared) = self.accept(feed, rows, verified, report, None).await? {
                    self.shelve(prepared);
                }
                Ok(())
            }
        }
    }

    /// Records that a snapshot is to be loaded. `before`: the place it had until it was judged by
    /// other settings, which it keeps where its slot is the same, and how often loading was tried.
    pub(super) async fn accept(
        &self,
        feed: &Feed,
        rows: Vec<DeliveryRow>,
        verified: Verified,
        report: Report,
        before: Option<(SnapshotRef, u32)>,
    ) -> Result<Option<Prepared>, PipelineError> {
        let Some(lead) = lead_of(&rows, &report) else { return Ok(None) };
        let slot = verified.snapshot().slot;
        let _numbering = self.numbering.lock().await;
        let version = match before {
            Some((before, _)) if (before.slot, before.lead) == (slot, lead) => before.version,
            _ => self.next_version(&feed.provider, slot, 0).await?,
        };
        let snapshot = SnapshotRef { lead, slot, version };
        let report = self.placed(&feed.provider, snapshot, report).await?;
        let attempts = before.map_or(0, |(_, attempts)| attempts);
        let ready = Stage::Ready { snapshot, attempts, retry_at: self.clock.now() };
        self.move_all(&rows, &ready, report.clone()).await?;
        Ok(Some(Prepared { snapshot, replay: false, rows, verified, report }))
    }

    /// The number that a slot's next version gets, above what ledger and warehouse are known to have. To be asked while `numbering` is
    /// held, until the answer is recorded.
    pub(super) async fn next_version(&self, provider: &ProviderCode, slot: Slot, in_warehouse: u32) -> Result<u32, PipelineError> {
        let provider = provider.clone();
        let newest = self.ledger.read(move |reader| reader.newest_version(&provider, slot)).await?;
        Ok(newest.max(in_warehouse).saturating_add(1))
    }

    /// A report with the place of its version among the slot's others: a file that was put right after newer ones were accepted
    /// never comes before them (P4), and is told so.
    pub(super) async fn placed(&self, provider: &ProviderCode, snapshot: SnapshotRef, report: Report) -> Result<Report, PipelineError> {
        let mut report = report;
        if snapshot.version == 1 {
            return Ok(report);
        }
        let provider = provider.clone();
        let parts: Vec<DeliveryId> = report.parts.iter().map(|(_, id)| *id).chain([snapshot.lead]).collect();
        let newer = self.ledger.read(move |reader| reader.newer_versions(&provider, snapshot.slot, &parts)).await?;
        let snapshot_at = report.snapshot_at.unwrap_or(snapshot.slot.start());
        report.first_version = place(report.sequence, snapshot_at, &newer).filter(|place| *place < snapshot.version);
        if let (Some(_), Some(counts)) = (report.first_version, current(&newer)) {
            let message = format!("This slot's version {} stays in force: it came after this file.", counts.version);
            report.findings.push(Finding::new(Rule::Tim04, message));
        }
        Ok(report)
    }

    pub(super) async fn set_aside(&self, rows: &[DeliveryRow], report: Report, sealed: bool) -> Result<(), PipelineError> {
        self.move_all(rows, &Stage::Quarantined { sealed, discarded: false }, report).await
    }

    /// Records a stage that a judgement led to, then puts the originals where they belong.
    async fn move_all(&self, rows: &[DeliveryRow], stage: &Stage, report: Report) -> Result<(), PipelineError> {
        for row in rows {
            let rules = report.findings.counts().map(|(rule, _, _)| rule.id()).collect::<Vec<_>>().join(" ");
            tracing::info!(provider = %row.delivery.provider, delivery = %row.delivery.id, file = %row.delivery.name,
                stage = stage.as_str(), rules, "judged");
        }
        self.record(rows.iter().map(|row| moved(row.delivery.id, stage.clone(), Some(report.clone()), None)).collect()).await?;
        rows.iter().for_each(|row| self.put_away(row, stage, Some(&report)));
        Ok(())
    }

    /// Judges deliveries together; `delivery` is the one that an error is about.
    async fn assess_rows(
        &self,
        feed: &Arc<Feed>,
        delivery: DeliveryId,
        rows: Vec<DeliveryRow>,
        past: &Past,
    ) -> Result<Judged, PipelineError> {
        let own: Vec<DeliveryId> = rows.iter().map(|row| row.delivery.id).collect();
        let (feed, rules, store) = (Arc::clone(feed), Arc::clone(&self.rules), self.store.clone());
        let (history, now) = (history(past, &own), self.clock.now());
        let _permit = self.judges.acquire().await.map_err(|_| PipelineError::Assessment { delivery })?;
        let work = move || {
            let bytes = rows.iter().map(|row| read_original(&store, row.delivery.id)).collect::<Result<Vec<_>, _>>()?;
            let parts: Vec<Part<'_>> = rows.iter().zip(&bytes).map(|(row, bytes)| part(row, bytes)).collect();
            // The last part to arrive completes the set, and with it decides how late the snapshot is.
            let received_at = rows.iter().map(|row| row.delivery.received_at).max().unwrap_or(now);
            let released = rows.iter().any(|row| row.released);
            let context = Context { feed: &feed, reference: &rules.reference, history: &history, received_at, now, released };
            let pictured = || {
                let (assessment, picture) = judge_with_picture(&parts, &context);
                let text = kept_text(&assessment, &picture);
                (assessment, Some(text))
            };
            let (mut assessment, mut picture) = if rows.iter().any(|row| row.delivery.folder == Folder::Test) {
                pictured()
            } else {
                match assess(&parts, &context) {
                    // Only the control record tells that it is one.
                    test if test.test => pictured(),
                    assessment => (assessment, None),
                }
            };
            if let Some(torn) = rows.iter().zip(&bytes).find(|(row, bytes)| Digest::of(bytes) != row.delivery.sha256) {
                torn_original(torn.0, &mut assessment);
                picture = None;
            }
            drop(parts);
            Ok(Judged { rows, assessment, picture })
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| PipelineError::Assessment { delivery })?
    }

    /// Keeps what the sender of a test is shown, under the delivery that leads. The verdict stands without it.
    fn keep_picture(&self, lead: Option<DeliveryId>, picture: Option<String>) {
        let (Some(delivery), Some(text)) = (lead, picture) else { return };
        if let Err(error) = fault::around(Step::PictureKeep, || self.store.keep_picture(delivery, &text)) {
            tracing::warn!(%delivery, error = error_chain(&error), "the picture of a test could not be kept; its receipt stands");
        }
    }

    /// Judges deliveries against what was accepted before them. `judged_by`: where that is done over, when it was done: the
    /// past is then the same, so the verdict is too.
    pub(super) async fn judge_against_past(
        &self,
        feed: &Arc<Feed>,
        row: &DeliveryRow,
        rows: Vec<DeliveryRow>,
        judged_by: Option<Timestamp>,
    ) -> Result<Judged, PipelineError> {
        let reach = reach(feed, &rows, if row.released { RELEASED_HISTORY } else { REACH }, judged_by);
        let provider = feed.provider.clone();
        let mut past = self.ledger.read(move |reader| reader.past(&provider, &reach)).await?;
        let mut judged = self.assess_rows(feed, row.delivery.id, rows, &past).await?;
        // Which slot it fills is known only now. What that slot holds counts whenever it came: nothing is loaded twice.
        for _ in 0..MOST_SLOTS {
            let Some(slot) = judged.assessment.report.slot else { break };
            let provider = feed.provider.clone();
            let mut own = self.ledger.read(move |reader| reader.accepted_for(&provider, slot, judged_by)).await?;
            own.retain(|row| !past.accepted.iter().any(|known| known.id == row.id));
            own.retain(|row| !judged.rows.iter().any(|judged| judged.delivery.id == row.id));
            if own.is_empty() {
                break;
            }
            past.accepted.extend(own);
            past.accepted.sort_by_key(|row| (row.received_at, row.id));
            judged = self.assess_rows(feed, row.delivery.id, judged.rows, &past).await?;
        }
        Ok(judged)
    }

    /// All deliveries that were judged together with one, itself included.
    pub(super) async fn parts_of(&self, row: &DeliveryRow) -> Result<Vec<DeliveryRow>, PipelineError> {
        let ids: Vec<DeliveryId> = row.report.iter().flat_map(|report| report.parts.iter().map(|(_, id)| *id)).collect();
        if ids.len() < 2 {
            return Ok(vec![row.clone()]);
        }
        let parts = self.ledger.read(move |reader| ids.into_iter().map(|id| reader.delivery(id)).collect::<Result<Vec<_>, _>>()).await?;
        Ok(parts.into_iter().flatten().collect())
    }

    pub(super) async fn record(&self, events: Vec<Event>) -> Result<(), PipelineError> {
        self.record_as(Step::StageRecord, events).await
    }

    /// The same as another durable step.
    pub(super) async fn record_as(&self, step: Step, events: Vec<Event>) -> Result<(), PipelineError> {
        if events.is_empty() {
            return Ok(());
        }
        fault::during(step, self.ledger.append(self.clock.now(), events)).await?;
        self.changed.send_modify(|count| *count = count.wrapping_add(1));
        Ok(())
    }

    /// The report of a delivery that was decided on without being read.
    fn report_alone(&self, row: &DeliveryRow, finding: Finding) -> Report {
        let mut report = Report { assessed_at: self.clock.now(), parts: vec![("file".to_owned(), row.delivery.id)], ..Report::default() };
        debug_assert!(finding.is_of_the_catalogue(), "{finding:?}");
        report.findings.push(finding);
        report
    }
}

/// Puts an original where its stage says it belongs; does nothing where it is there already. One that is still to be judged
/// stays where it is: it may come from either place.
pub(super) fn settle(store: &Store, delivery: DeliveryId, stage: &Stage, report: Option<&Report>) -> Result<(), StoreError> {
    match stage {
        Stage::Landed | Stage::Waiting { .. } => Ok(()),
        // A released delivery comes back from quarantine, even where it then turns out to repeat another.
        Stage::Ready { .. } | Stage::Loaded { .. } | Stage::Duplicate { .. } | Stage::Tested { .. } => {
            store.settle(delivery, Place::Deliveries, None)
        }
        Stage::Quarantined { sealed: true, discarded: true } | Stage::HandedBack { sealed: true, .. } => {
            store.settle(delivery, Place::Purged, report)
        }
        Stage::Quarantined { sealed, .. } => store.settle(delivery, Place::Quarantine { sealed: *sealed }, report),
        Stage::HandedBack { sealed: false, .. } => store.settle(delivery, Place::Quarantine { sealed: false }, report),
    }
}

/// The delivery that leads a snapshot: the first part with rows, which the assessment lists first.
fn lead_of(rows: &[DeliveryRow], report: &Report) -> Option<DeliveryId> {
    report.parts.first().map(|(_, id)| *id).or(rows.first().map(|row| row.delivery.id))
}

fn part<'a>(row: &'a DeliveryRow, bytes: &'a [u8]) -> Part<'a> {
    Part { delivery: row.delivery.id, name: &row.delivery.name, sha256: row.delivery.sha256, bytes }
}

/// A delivery's bytes; none where the original is gone, which then differs from what was received.
fn read_original(store: &Store, delivery: DeliveryId) -> Result<Vec<u8>, StoreError> {
    match store.read(delivery) {
        Err(error) if error.source.kind() == std::io::ErrorKind::NotFound => {
            tracing::error!(%delivery, "the stored original of a delivery is gone: was it removed by hand?");
            Ok(Vec::new())
        }
        read => read,
    }
}

/// A stored original that is no longer what was received is never loaded.
fn torn_original(row: &DeliveryRow, assessment: &mut Assessment) {
    tracing::error!(delivery = %row.delivery.id, "a stored original differs from what was received: check the disk");
    let message = "Our stored copy no longer matches what you sent: this is our fault. Please send the file again.";
    assessment.report.findings.push(Finding::new(Rule::Trn04, message));
    assessment.verdict = if assessment.report.findings.seal_file() { Verdict::Sealed } else { Verdict::Rejected };
}

/// A delivery's move to another stage.
pub(super) fn moved(delivery: DeliveryId, stage: Stage, report: Option<Report>, note: Option<&str>) -> Event {
    Event::Moved { delivery, stage, report: report.map(Box::new), note: note.map(str::to_owned) }
}
