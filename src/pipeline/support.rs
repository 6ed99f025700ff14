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
        let words = |text: &str| !text.trim().is_empty() && text.chars().count() <= MAX_WORDS && !text.chars().any(char::is_control);
        if !words(by) || !words(reason) {
            return Err(ActError::Words);
        }
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
        self.wake(&row.delivery.provider);
        tracing::info!(provider = %row.delivery.provider, delivery = %id, act = act.as_str(), by, "support acted on a delivery");
        Ok(Acted { deliveries: parts.iter().map(|part| part.delivery.id).collect() })
    }
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
