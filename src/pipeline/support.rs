//! What support does with a quarantined delivery: release, reprocess, discard, hand back, look at the raw file. Every act is
//! recorded with who and why, and with the system's account that asked.
//!
//! Owns which act is allowed where, and when a release needs a second person. Refuses to judge, and to open what is sealed.

use super::carry_out::PipelineError;
use super::worker::Pipeline;
use crate::feed::nhs_number::masked;
use crate::feed::{DeliveryId, ProviderCode, Severity, Stage};
use crate::forward::ForwardError;
use crate::ledger::{Account, Act, DeliveryRow, Event, Hold, HoldRow, LedgerError, ReleaseRequest, covering};
use jiff::{SignedDuration, Timestamp};

/// Longest text for who and why, and for what a sender is asked to mend.
const MAX_WORDS: usize = 500;

/// How long a request for a release waits for a second person: a day covers every shift, and after it the figures are history.
pub const REQUEST_STANDS: SignedDuration = SignedDuration::from_hours(24);

/// Who asks for an act, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Who says so.
    pub by: String,
    /// Why.
    pub reason: String,
    /// For a file that is handed back: what its sender is asked to mend, in words that the sender will read.
    pub mend: Option<String>,
    /// The system's account that asked.
    pub account: Option<Account>,
}

/// An act that was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acted {
    /// The deliveries it was done to: all parts of a set together.
    pub deliveries: Vec<DeliveryId>,
    /// Where only a request was recorded: until when a second person may agree.
    pub second_until: Option<Timestamp>,
}

/// Why an act was refused, in words for the person.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// No such delivery.
    #[error("there is no delivery {0}")]
    Unknown(DeliveryId),
    /// Who or why is missing, too long, or holds what could be an NHS number.
    #[error("say who you are and why, in at most {MAX_WORDS} characters each, without ten digits that could be a patient's number")]
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
    #[error(
        "delivery {0} is sealed because identifiable data leaked: it can be discarded or handed back, never loaded or shown; ask the \
         sender for a clean file"
    )]
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
    /// The one who asked for a release cannot be the second person too.
    #[error(
        "delivery {delivery} needs a second person: {first} asked for its release, and this is the same {same}; somebody else must agree \
         until {until}"
    )]
    SamePerson {
        /// Which.
        delivery: DeliveryId,
        /// Who asked first.
        first: String,
        /// What is the same: name or account.
        same: &'static str,
        /// When the request lapses.
        until: Timestamp,
    },
    /// The act would remove bytes that a legal hold keeps.
    #[error("delivery {delivery} is under legal hold {hold}, and this would remove its file; the hold must end first")]
    Held {
        /// Which.
        delivery: DeliveryId,
        /// The hold's number.
        hold: u32,
    },
    /// Nobody can tell whether a legal hold covers what the ledger does not know.
    #[error("legal hold {0} stands, and may cover what the ledger does not know and the warehouse has: the hold must end first")]
    HoldStands(u32),
    /// A hold on nothing in particular.
    #[error("say what is held: a provider, a delivery, or a time")]
    HoldsNothing,
    /// No such hold stands.
    #[error("there is no legal hold {0} that stands; `bedfeed hold list` shows them")]
    NoSuchHold(u32),
    /// Its provider is not in the settings: nothing says what its file means, nor whether a release needs two people.
    #[error(
        "provider {0} is not in the settings, so nothing of it can be judged: put its file back into the folder `providers` and start \
         bedfeed again; what it sent can still be discarded or handed back"
    )]
    NoProvider(ProviderCode),
    /// Its bytes are gone.
    #[error("the file of delivery {delivery} was deleted on {at} by retention (disposal {disposal}, {rule}): ask the sender for it again")]
    Gone {
        /// Which.
        delivery: DeliveryId,
        /// When.
        at: String,
        /// The disposal's number.
        disposal: u32,
        /// The setting under which.
        rule: String,
    },
    /// A replay that makes no sense.
    #[error("{0}")]
    Replay(String),
    /// The warehouse did not do it.
    #[error("the warehouse stopped it")]
    Warehouse(#[from] ForwardError),
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
    /// Does something to a quarantined delivery, and to the other parts of its set. A release that needs two people is only
    /// asked for by the first.
    ///
    /// # Errors
    /// See [`ActError`]; nothing was changed.
    pub async fn act(&self, id: DeliveryId, act: Act, asked: &Asked) -> Result<Acted, ActError> {
        let mend = asked.mend.as_deref().map(masked);
        if !are_words(&asked.by) || !are_words(&asked.reason) || mend.as_deref().is_some_and(|mend| !are_words(mend)) {
            return Err(ActError::Words);
        }
        let _acting = self.inner.acting.lock().await;
        let row = self.quarantined(id).await?;
        may(&row, act, self.inner.rules.feeds.iter().any(|feed| feed.provider == row.delivery.provider))?;
        let parts = self.inner.parts_of(&row).await?;
        let parts: Vec<DeliveryRow> = parts.into_iter().filter(|part| may(part, act, true).is_ok()).collect();
        let now = self.inner.clock.now();
        if act == Act::Release && self.inner.rules.two_people.contains(&row.delivery.provider) {
            let request = self.inner.ledger.read(move |reader| reader.release_request(id, now)).await?;
            if let Second::Needed = second_person(id, request.as_ref(), asked)? {
                return self.request(&parts, asked, now).await;
            }
        }
        let purged = |part: &&DeliveryRow| {
            matches!(act, Act::Discard | Act::HandBack) && matches!(part.stage, Stage::Quarantined { sealed: true, .. })
        };
        let holds = self.inner.ledger.read(|reader| reader.holds(false)).await?;
        if let Some((part, hold)) = parts.iter().filter(purged).find_map(|part| Some((part, held(part, &holds)?))) {
            return Err(ActError::Held { delivery: part.delivery.id, hold: hold.number });
        }
        let events = parts.iter().flat_map(|part| {
            let delivery = part.delivery.id;
            let (by, reason, account) = (asked.by.clone(), asked.reason.clone(), asked.account.clone());
            [
                Event::Acted { delivery, act, by, reason, account },
                Event::Moved { delivery, stage: stage_after(part, act, mend.clone()), report: None, note: None },
            ]
        });
        self.inner.record(events.collect()).await?;
        for part in parts.iter().filter(purged) {
            let stage = stage_after(part, act, None);
            self.inner.put_away(part, &stage, part.report.as_ref());
        }
        self.wake(&row.delivery.provider);
        tracing::info!(provider = %row.delivery.provider, delivery = %id, act = act.as_str(), by = asked.by, "support acted on a delivery");
        Ok(Acted { deliveries: parts.iter().map(|part| part.delivery.id).collect(), second_until: None })
    }

    /// Records that a person is about to be given the stored bytes of a quarantined delivery. To be asked before they are.
    ///
    /// # Errors
    /// See [`ActError`]; a sealed one is never shown.
    pub async fn view_raw(&self, id: DeliveryId, asked: &Asked) -> Result<(), ActError> {
        if !are_words(&asked.by) || !are_words(&asked.reason) {
            return Err(ActError::Words);
        }
        let row = self.quarantined(id).await?;
        may_be_viewed(&row)?;
        let (by, reason, account) = (asked.by.clone(), asked.reason.clone(), asked.account.clone());
        self.inner.record(vec![Event::ViewedRaw { delivery: id, by, reason, account }]).await?;
        tracing::info!(provider = %row.delivery.provider, delivery = %id, by = asked.by, "a raw file is viewed");
        Ok(())
    }

    /// A delivery whose bytes are still kept.
    async fn quarantined(&self, id: DeliveryId) -> Result<DeliveryRow, ActError> {
        let (row, gone) = self.inner.ledger.read(move |reader| Ok((reader.delivery(id)?, reader.original_gone(id)?))).await?;
        let row = row.ok_or(ActError::Unknown(id))?;
        match gone {
            Some(gone) => Err(ActError::Gone {
                delivery: id,
                at: gone.planned_at.strftime("%Y-%m-%d").to_string(),
                disposal: gone.disposal.number,
                rule: gone.disposal.rule,
            }),
            None => Ok(row),
        }
    }

    async fn request(&self, parts: &[DeliveryRow], asked: &Asked, now: Timestamp) -> Result<Acted, ActError> {
        let until = now.saturating_add(REQUEST_STANDS).unwrap_or(now);
        let request = |part: &DeliveryRow| Event::ReleaseRequested {
            delivery: part.delivery.id,
            by: asked.by.clone(),
            reason: asked.reason.clone(),
            account: asked.account.clone(),
            until,
        };
        self.inner.record(parts.iter().map(request).collect()).await?;
        Ok(Acted { deliveries: parts.iter().map(|part| part.delivery.id).collect(), second_until: Some(until) })
    }
}

/// The acts that a delivery allows where it stands. `in_settings`: whether its provider is there. Pure.
#[must_use]
pub fn allowed(row: &DeliveryRow, in_settings: bool) -> Vec<Act> {
    let acts = [Act::Release, Act::Reprocess, Act::HandBack, Act::Discard];
    acts.into_iter().filter(|act| may(row, *act, in_settings).is_ok()).collect()
}

/// The hold that covers a delivery, if any. Pure.
#[must_use]
pub fn held<'a>(row: &DeliveryRow, holds: &'a [HoldRow]) -> Option<&'a Hold> {
    let slot = row.report.as_ref().and_then(|report| report.slot);
    let moments: Vec<Timestamp> = std::iter::once(row.delivery.received_at).chain(slot.map(|slot| slot.start())).collect();
    let parts = row.report.iter().flat_map(|report| report.parts.iter().map(|(_, id)| *id));
    let parts: Vec<DeliveryId> = parts.chain([row.delivery.id]).collect();
    covering(holds, &row.delivery.provider, &parts, &moments)
}

/// What a release that needs two people is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Second {
    /// Nobody asked yet, or too long ago.
    Needed,
    /// This is the second person.
    Here,
}

/// Whether the one who asks now is a second person. Both the name and the account must be another: a name is only said, and an
/// account may be shared. Pure.
fn second_person(delivery: DeliveryId, request: Option<&ReleaseRequest>, asked: &Asked) -> Result<Second, ActError> {
    let Some(request) = request else { return Ok(Second::Needed) };
    let name = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    let same_account = match (&request.account, &asked.account) {
        (Some(first), Some(second)) => first.may_be_same_person(second),
        // Who asked is not known: it may be anybody, and so the same.
        _ => true,
    };
    let same = if name(&request.by) == name(&asked.by) { Some("name") } else { same_account.then_some("account") };
    match same {
        Some(same) => Err(ActError::SamePerson { delivery, first: request.by.clone(), same, until: request.until }),
        None => Ok(Second::Here),
    }
}

fn stage_after(row: &DeliveryRow, act: Act, mend: Option<String>) -> Stage {
    let sealed = matches!(row.stage, Stage::Quarantined { sealed: true, .. });
    match act {
        Act::Release | Act::Reprocess => Stage::Landed,
        Act::Discard => Stage::Quarantined { sealed, discarded: true },
        Act::HandBack => Stage::HandedBack { sealed, mend },
    }
}

/// Whether the bytes of a delivery may be shown to a person. Pure.
fn may_be_viewed(row: &DeliveryRow) -> Result<(), ActError> {
    let delivery = row.delivery.id;
    match row.stage {
        Stage::Quarantined { sealed: true, .. } | Stage::HandedBack { sealed: true, .. } => Err(ActError::Sealed(delivery)),
        Stage::Quarantined { .. } | Stage::HandedBack { .. } => Ok(()),
        Stage::Landed
        | Stage::Waiting { .. }
        | Stage::Ready { .. }
        | Stage::Loaded { .. }
        | Stage::Duplicate { .. }
        | Stage::Tested { .. } => Err(ActError::NotInQuarantine { delivery, stage: row.stage.as_str() }),
    }
}

/// Whether a text can be who somebody is, or why. It stands in the ledger for ever, so it may name no patient (P7). Pure.
pub(super) fn are_words(text: &str) -> bool {
    !text.trim().is_empty() && text.chars().count() <= MAX_WORDS && !text.chars().any(char::is_control) && masked(text) == text
}

/// Whether an act is allowed for a delivery where it stands. Pure.
fn may(row: &DeliveryRow, act: Act, in_settings: bool) -> Result<(), ActError> {
    let delivery = row.delivery.id;
    let Stage::Quarantined { sealed, discarded: false } = row.stage else {
        return Err(ActError::NotInQuarantine { delivery, stage: row.stage.as_str() });
    };
    let judges = matches!(act, Act::Release | Act::Reprocess);
    if sealed && judges {
        return Err(ActError::Sealed(delivery));
    }
    if judges && !in_settings {
        return Err(ActError::NoProvider(row.delivery.provider.clone()));
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
    use crate::ledger::HoldScope;

    fn row(stage: Stage, rules: &[Rule]) -> DeliveryRow {
        let delivery = delivery(1);
        let mut report = Report::default();
        let fatal = |rule: &Rule| Finding::new(*rule, "").with_severity(Severity::RejectFile);
        report.findings.extend(rules.iter().map(fatal));
        DeliveryRow { moved_at: delivery.received_at, delivery, stage, report: Some(report), note: None, released: false }
    }

    #[test]
    fn p7_who_and_why_are_words_that_name_no_patient() {
        let rows = [
            ("Ann Adams", true),
            ("change 4711, rung back on 01603 000000 at 10:15", true),
            ("", false),
            (" ", false),
            ("two\nlines", false),
            ("the bed of 999 000 0018", false),
            ("9990000018", false),
        ];
        for (text, expected) in rows {
            assert_eq!(are_words(text), expected, "{text:?}");
        }
        assert!(are_words(&"x".repeat(MAX_WORDS)) && !are_words(&"x".repeat(MAX_WORDS + 1)));
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
        //    stage      rules                          release                     reprocess            discard and hand back
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
            for (act, expected) in [(Act::Release, release), (Act::Reprocess, reprocess), (Act::Discard, discard), (Act::HandBack, discard)]
            {
                let answer = may(&row, act, true).map_or_else(|refused| refused.to_string(), |()| "fine".to_owned());
                assert!(answer.contains(expected), "{} of {:?}: {answer}", act.as_str(), row.stage);
            }
        }
        // Where its provider is gone from the settings, nothing of it is judged.
        assert_eq!(allowed(&row(held(), &[Rule::Tim03]), true), [Act::Release, Act::Reprocess, Act::HandBack, Act::Discard]);
        assert_eq!(allowed(&row(held(), &[Rule::Tim03]), false), [Act::HandBack, Act::Discard]);
    }

    #[test]
    fn the_second_person_has_another_name_and_another_account() {
        let id = delivery(1).id;
        let account = |login| Some(Account { uid: 0, user: None, login_uid: login, login: None });
        let asked = |by: &str, login| Asked { by: by.to_owned(), reason: "why".to_owned(), mend: None, account: account(login) };
        let at = "2018-12-03T10:16:00Z".parse().unwrap();
        let request = |by: &str, login| ReleaseRequest { at, by: by.to_owned(), reason: String::new(), account: account(login), until: at };
        let first = request("Ann Lee", Some(1001));
        let rows = [
            (None, asked("Ann Lee", Some(1001)), "Needed"),
            (Some(&first), asked("Bob", Some(1002)), "Here"),
            (Some(&first), asked(" ann  lee ", Some(1002)), "the same name"),
            (Some(&first), asked("Bob", Some(1001)), "the same account"),
            (Some(&first), Asked { account: None, ..asked("Bob", None) }, "the same account"),
        ];
        for (request, asked, expected) in rows {
            let answer = second_person(id, request, &asked).map_or_else(|error| error.to_string(), |second| format!("{second:?}"));
            assert!(answer.contains(expected), "{asked:?}: {answer}");
        }
    }

    #[test]
    fn only_what_is_set_aside_and_not_sealed_is_shown_and_a_hold_is_found() {
        let rows = [
            (Stage::Quarantined { sealed: false, discarded: false }, "fine"),
            (Stage::Quarantined { sealed: false, discarded: true }, "fine"),
            (Stage::HandedBack { sealed: false, mend: None }, "fine"),
            (Stage::Quarantined { sealed: true, discarded: false }, "never loaded or shown"),
            (Stage::HandedBack { sealed: true, mend: None }, "never loaded or shown"),
            (Stage::Tested { accepted: true }, "not in quarantine"),
        ];
        for (stage, expected) in rows {
            let answer = may_be_viewed(&row(stage.clone(), &[])).map_or_else(|refused| refused.to_string(), |()| "fine".to_owned());
            assert!(answer.contains(expected), "{stage:?}: {answer}");
        }
        let delivery = row(Stage::Quarantined { sealed: true, discarded: false }, &[]);
        let hold = |number, ended_at| HoldRow {
            hold: Hold {
                number,
                scope: HoldScope { delivery: Some(delivery.delivery.id), ..HoldScope::default() },
                by: String::new(),
                reason: String::new(),
                account: None,
            },
            placed_at: delivery.moved_at,
            ended_at,
            ended_by: None,
            ended_why: None,
        };
        let holds = [hold(1, Some(delivery.moved_at)), hold(2, None)];
        assert_eq!(held(&delivery, &holds).map(|hold| hold.number), Some(2));
        assert_eq!(held(&delivery, &holds[..1]), None);
    }
}
