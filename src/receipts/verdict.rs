//! Verdicts: the one word a sender's program looks at.

use crate::feed::{Report, Severity, Stage};

/// What became of a delivery, in the sender's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Taken, with nothing to look at.
    Accepted,
    /// Taken; somebody should look at the findings.
    AcceptedWithWarnings,
    /// Set aside; the slot is not filled.
    Rejected,
    /// Set aside under seal: it has something that identifies a person.
    Sealed,
    /// Set aside; support has looked at it and asks for a mended file.
    HandedBack,
    /// The same content was accepted before.
    Duplicate,
    /// One part of a set; the others are not here yet.
    Waiting,
    /// A test that would have been accepted.
    TestAccepted,
    /// A test that would have been rejected.
    TestRejected,
}

impl Verdict {
    /// The verdict of a stage; `None` where nothing has been decided.
    #[must_use]
    pub fn of(stage: &Stage, report: Option<&Report>) -> Option<Self> {
        Some(match stage {
            Stage::Landed => return None,
            Stage::Waiting { .. } => Self::Waiting,
            Stage::Ready { .. } | Stage::Loaded { .. } if has_warnings(report) => Self::AcceptedWithWarnings,
            Stage::Ready { .. } | Stage::Loaded { .. } => Self::Accepted,
            Stage::Quarantined { sealed: true, .. } => Self::Sealed,
            Stage::Quarantined { sealed: false, .. } => Self::Rejected,
            Stage::HandedBack { .. } => Self::HandedBack,
            Stage::Duplicate { .. } => Self::Duplicate,
            Stage::Tested { accepted: true } => Self::TestAccepted,
            Stage::Tested { accepted: false } => Self::TestRejected,
        })
    }

    /// The word in the JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::AcceptedWithWarnings => "accepted_with_warnings",
            Self::Rejected => "rejected",
            Self::Sealed => "sealed",
            Self::HandedBack => "handed_back",
            Self::Duplicate => "duplicate",
            Self::Waiting => "waiting",
            Self::TestAccepted => "test_accepted",
            Self::TestRejected => "test_rejected",
        }
    }

    /// The verdict as a heading for people.
    #[must_use]
    pub fn heading(self) -> &'static str {
        match self {
            Self::Accepted => "ACCEPTED",
            Self::AcceptedWithWarnings => "ACCEPTED, WITH WARNINGS",
            Self::Rejected => "REJECTED",
            Self::Sealed => "REJECTED AND SEALED",
            Self::HandedBack => "HANDED BACK TO YOU",
            Self::Duplicate => "ALREADY RECEIVED",
            Self::Waiting => "RECEIVED, WAITING FOR THE OTHER PARTS",
            Self::TestAccepted => "TEST: WOULD BE ACCEPTED",
            Self::TestRejected => "TEST: WOULD BE REJECTED",
        }
    }

    /// What the verdict means for the sender, in plain words. `marked_test`: the sender's own mark made it a test, whatever the
    /// folder.
    #[must_use]
    pub fn meaning(self, loaded: bool, discarded: bool, marked_test: bool) -> &'static str {
        match self {
            Self::TestAccepted if marked_test => {
                "It is marked TEST, so nothing was loaded. Without that mark, the same file in inbox would be accepted."
            }
            Self::TestRejected if marked_test => {
                "It is marked TEST, so nothing was loaded. Without that mark, the same file in inbox would be rejected."
            }
            Self::Accepted | Self::AcceptedWithWarnings if loaded => "The figures are loaded. You need not send the file again.",
            Self::Accepted | Self::AcceptedWithWarnings => {
                "The file is good and safe with us; its figures are being loaded. You need not send it again."
            }
            Self::Rejected if discarded => "The figures were not loaded, and support has decided that they will not be.",
            Self::Rejected => {
                "The figures were not loaded. Your last good figures stay in use. Put right what is listed below and send the file again."
            }
            Self::Sealed => {
                "The file has something in it that identifies a person. It was locked away and not loaded. Put right what is listed \
                 below before you send anything again."
            }
            Self::HandedBack => {
                "The figures were not loaded, and this file will not be. Support has looked at it and hands it back: put right what is \
                 listed below and send a new file."
            }
            Self::Duplicate => "We have this content already, so nothing was loaded twice.",
            Self::Waiting => "The file is safe with us. It is checked when the other parts of its set are here.",
            Self::TestAccepted => "This was a test: nothing was loaded. The same file in inbox would be accepted.",
            Self::TestRejected => "This was a test: nothing was loaded. The same file in inbox would be rejected.",
        }
    }
}

fn has_warnings(report: Option<&Report>) -> bool {
    report.is_some_and(|report| report.findings.counts().any(|(_, severity, _)| severity >= Severity::Warning))
}
