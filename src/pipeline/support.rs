//! What support does with a quarantined delivery: release, reprocess, discard. Every act is recorded with who and why.

use super::carry_out::PipelineError;
use super::worker::Pipeline;
use crate::feed::{DeliveryId, Severity, Stage};
use crate::ledger::{Act, DeliveryRow, Event, LedgerError};

/// Longest text for who and why.
const MAX_WORDS: usize = 500;

/// An act that was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acted {
    /// The deliveries it was done to: all parts of a set together.
    pub deliveries: Vec<DeliveryId>,
}

/// Why an act was refused, in words for the person.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// No such delivery.
    #[error("there is no delivery {0}")]
    Unknown(DeliveryId),
    /// Who or why is missing or too long.
    #[error("say who you are and why, in at most {MAX_WORDS} characters each")]
    Words,
    /// It is not in quarantine.
    #[error("delivery {delivery} is {stage}, not in quarantine")]
    NotInQuarantine {
        /// Which.
        delivery: DeliveryId,
        /// Where it stands.
        stage: &'static str,
    },
    /// It is sealed.
    #[error("delivery {0} is sealed because identifiable data leaked: it can be discarded, never loaded; ask the sender for a clean file")]
    Sealed(DeliveryId),
    /// A rule does not allow it.
    #[error(
        "delivery {delivery} cannot be released: {rules} leave nothing that is safe to load; mend the cause and reprocess it, or ask for the file again"
    )]
    NotReleasable {
        /// Which.
        delivery: DeliveryId,
        /// The rules.
        rules: String,
    },
    /// A replay that makes no sense.
    #[error("{0}")]
    Replay(String),
    /// It could not be recorded.
    #[error("the act could not be recorded")]
    Pipeline(#[from] PipelineError),
}

impl From<LedgerError> for ActError {
    fn from(error: LedgerError) -> Self {
        Self::Pipeline(error.into())
    }
}

impl Pipeline {
    /// Does something to a quarantined delivery, and to the other parts of its set.
    ///
    /// # Errors
    /// See [`ActError`]; nothing was changed.
    pub async fn act(&self, id: DeliveryId, act: Act, by: &str, reason: &str) -> Result<Acted, ActError> {
        check_words(by, reason)?;
        let row = self.inner.ledger.read(move |reader| reader.delivery(id)).await?.ok_or(ActError::Unknown(id))?;
        may(&row, act)?;
        let parts = self.inner.parts_of(&row).await?;
        let parts: Vec<DeliveryRow> = parts.into_iter().filter(|part| may(part, act).is_ok()).collect();
        let events = parts.iter().flat_map(|part| {
            let delivery = part.delivery.id;
            let sealed = matches!(part.stage, Stage::Quarantined { sealed: true, .. });
            let stage = if act == Act::Discard { Stage::Quarantined { sealed, discarded: true } } else { Stage::Landed };
            [
                Event::Acted { delivery, act, by: by.to_owned(), reason: reason.to_owned() },
                Event::Moved { delivery, stage, report: None, note: None },
            ]
        });
        self.inner.record(events.collect()).await?;
        for part in parts.iter().filter(|part| act == Act::Discard && matches!(part.stage, Stage::Quarantined { sealed: true, .. })) {
            let purged = Stage::Quarantined { sealed: true, discarded: true };
            self.inner.put_away(part, &purged, part.report.as_ref());
        }
        self.wake(&row.delivery.provider);
        tracing::info!(provider = %row.delivery.provider, delivery = %id, act = act.as_str(), by, "support acted on a delivery");
        Ok(Acted { deliveries: parts.iter().map(|part| part.delivery.id).collect() })
    }
}

/// Whether who and why can be recorded.
pub(super) fn check_words(by: &str, reason: &str) -> Result<(), ActError> {
    let words = |text: &str| !text.trim().is_empty() && text.chars().count() <= MAX_WORDS && !text.chars().any(char::is_control);
    if words(by) && words(reason) { Ok(()) } else { Err(ActError::Words) }
}

/// Whether an act is allowed for a delivery where it stands. Pure.
fn may(row: &DeliveryRow, act: Act) -> Result<(), ActError> {
    let delivery = row.delivery.id;
    let Stage::Quarantined { sealed, discarded: false } = row.stage else {
        return Err(ActError::NotInQuarantine { delivery, stage: row.stage.as_str() });
    };
    if sealed && act != Act::Discard {
        return Err(ActError::Sealed(delivery));
    }
    if act == Act::Release {
        let counts = row.report.iter().flat_map(|report| report.findings.counts());
        let fatal = counts.filter(|(rule, severity, _)| *severity == Severity::RejectFile && !rule.may_be_released());
        let rules = fatal.map(|(rule, _, _)| rule.id()).collect::<Vec<_>>().join(", ");
        if !rules.is_empty() {
            return Err(ActError::NotReleasable { delivery, rules });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::testing::delivery;
    use crate::feed::{Finding, Report, Rule, Slot, SnapshotRef};

    fn row(stage: Stage, rules: &[Rule]) -> DeliveryRow {
        let delivery = delivery(1);
        let mut report = Report::default();
        let fatal = |rule: &Rule| Finding::new(*rule, "").with_severity(Severity::RejectFile);
        report.findings.extend(rules.iter().map(fatal));
        DeliveryRow { moved_at: delivery.received_at, delivery, stage, report: Some(report), note: None, released: false }
    }

    #[test]
    fn support_may_do_what_is_safe_with_what_is_in_quarantine() {
        let at = "2018-12-03T10:16:00Z".parse().unwrap();
        let held = || Stage::Quarantined { sealed: false, discarded: false };
        let sealed = || Stage::Quarantined { sealed: true, discarded: false };
        let sealed_gone = || Stage::Quarantined { sealed: true, discarded: true };
        let gone = || Stage::Quarantined { sealed: false, discarded: true };
        let loaded =
            || Stage::Loaded { snapshot: SnapshotRef { lead: DeliveryId::new(at, [1; 10]), slot: Slot::containing(at), version: 1 } };
        //    stage      rules                          release                     reprocess            discard
        let rows = [
            (held(), &[Rule::Tim03][..], "fine", "fine", "fine"),
            (held(), &[Rule::Tim03, Rule::Row99], "fine", "fine", "fine"),
            (held(), &[Rule::Tim03, Rule::Trn04], "cannot be released: TRN-04", "fine", "fine"),
            (sealed(), &[Rule::Igv02], "sealed", "sealed", "fine"),
            (sealed_gone(), &[Rule::Igv02], "is discarded", "is discarded", "is discarded"),
            (gone(), &[Rule::Tim03], "is discarded", "is discarded", "is discarded"),
            (loaded(), &[], "is loaded", "is loaded", "is loaded"),
            (Stage::Landed, &[], "is landed", "is landed", "is landed"),
        ];
        for (stage, rules, release, reprocess, discard) in rows {
            let row = row(stage, rules);
            for (act, expected) in [(Act::Release, release), (Act::Reprocess, reprocess), (Act::Discard, discard)] {
                let answer = may(&row, act).map_or_else(|refused| refused.to_string(), |()| "fine".to_owned());
                assert!(answer.contains(expected), "{} of {:?}: {answer}", act.as_str(), row.stage);
            }
        }
    }
}
