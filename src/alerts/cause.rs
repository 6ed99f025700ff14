//! Causes: what of a provider was seen while its feed was in trouble, and what that says. Pure.
//!
//! Owns the order in which causes are thought of: what was refused goes before what was not tried. Refuses to be sure: it says what
//! was seen, and people conclude.

use super::{Episode, Problem};
use crate::feed::local_text;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// What happens this much before trouble begins belongs to it: a file's due time is a few minutes after the job that sends it.
const BEFORE: SignedDuration = SignedDuration::from_mins(20);

/// What was seen of a provider last. Nothing here is a value from a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Since when anybody looks: what came before is not known.
    pub looking_since: Timestamp,
    /// When a login last worked.
    pub login: Option<Timestamp>,
    /// The last login that was refused: when, with which key or other proof, and why.
    pub refused_login: Option<RefusedLogin>,
    /// The last upload that was not taken: when, and what its sender was answered.
    pub refused_upload: Option<(Timestamp, String)>,
    /// The last delivery that was set aside: when it came, and the finding that rejected it.
    pub set_aside: Option<(Timestamp, String)>,
}

/// A login that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedLogin {
    /// When.
    pub at: Timestamp,
    /// With what: a key's fingerprint, or another word for the proof.
    pub with: String,
    /// Why, in a few words.
    pub why: String,
}

/// What the likely cause of an episode is, in a sentence or two; empty where nothing is known that the text does not say.
#[must_use]
pub fn likely_cause(episode: &Episode, evidence: &Evidence, zone: &TimeZone) -> String {
    let since = episode.opened_at.saturating_sub(BEFORE).unwrap_or(episode.opened_at);
    let at = |instant: Timestamp| local_text(instant, zone);
    match episode.problem {
        Problem::Late | Problem::Missed | Problem::KeyTime | Problem::Unstable => silent(evidence, since, &at),
        Problem::Rejected => match &evidence.set_aside {
            Some((_, why)) => format!("It was rejected by {why}."),
            None => String::new(),
        },
        Problem::Stale => {
            "The sender's job runs, and what it sends stands still: its export, or the copy that it reads, has stopped.".to_owned()
        }
        Problem::Frozen => {
            "Files come in time and their figures do not move: the source system, or the job that copies its data, may have stopped."
                .to_owned()
        }
    }
}

fn silent(evidence: &Evidence, since: Timestamp, at: &dyn Fn(Timestamp) -> String) -> String {
    let newer = |instant: Timestamp| since <= instant;
    let login = evidence.login.filter(|login| newer(*login));
    if let Some((when, why)) = evidence.refused_upload.as_ref().filter(|(when, _)| newer(*when)) {
        return format!("An upload at {} was not taken: {why}.", at(*when));
    }
    if let Some((when, why)) = evidence.set_aside.as_ref().filter(|(when, _)| newer(*when)) {
        return format!("What came at {} was set aside, rejected by {why}.", at(*when));
    }
    // A client that has several keys is refused with some before it gets in with one.
    let refused = evidence.refused_login.as_ref().filter(|refused| newer(refused.at) && login.is_none_or(|login| login < refused.at));
    if let Some(RefusedLogin { at: when, with, why }) = refused {
        return format!("A login with {with} was refused at {}: {why}.", at(*when));
    }
    match (login, evidence.login) {
        (Some(login), _) => format!("The sender logged in at {} and uploaded nothing that counts: its export may have failed.", at(login)),
        (None, Some(last)) => format!("It has not logged in since {}: its job or its connection has stopped.", at(last)),
        (None, None) => format!("No login of it was seen since bedfeed started at {}.", at(evidence.looking_since)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::Slot;

    #[test]
    fn the_cause_is_what_was_seen_of_the_provider() {
        let at = |clock: &str| format!("2018-12-03T{clock}:00Z").parse::<Timestamp>().unwrap();
        let seen = Evidence { looking_since: at("06:00"), ..Evidence::default() };
        let refused = |clock: &str| RefusedLogin { at: at(clock), with: "SHA256:abc".into(), why: "key expired".into() };
        let rows = [
            (Problem::Late, seen.clone(), "No login of it was seen since bedfeed started at Mon 3 Dec 2018 06:00 UTC."),
            (
                Problem::Missed,
                Evidence { login: Some(at("09:31")), ..seen.clone() },
                "It has not logged in since Mon 3 Dec 2018 09:31 UTC: its job or its connection has stopped.",
            ),
            (
                Problem::Late,
                Evidence { login: Some(at("10:01")), ..seen.clone() },
                "The sender logged in at Mon 3 Dec 2018 10:01 UTC and uploaded nothing that counts: its export may have failed.",
            ),
            (
                Problem::Late,
                Evidence { login: Some(at("09:46")), refused_login: Some(refused("10:01")), ..seen.clone() },
                "A login with SHA256:abc was refused at Mon 3 Dec 2018 10:01 UTC: key expired.",
            ),
            (
                Problem::Late,
                Evidence { login: Some(at("10:01")), refused_login: Some(refused("10:00")), ..seen.clone() },
                "The sender logged in at Mon 3 Dec 2018 10:01 UTC and uploaded nothing that counts: its export may have failed.",
            ),
            (
                Problem::Late,
                Evidence { login: Some(at("09:31")), refused_login: Some(refused("09:00")), ..seen.clone() },
                "It has not logged in since Mon 3 Dec 2018 09:31 UTC: its job or its connection has stopped.",
            ),
            (
                Problem::KeyTime,
                Evidence { login: Some(at("10:01")), refused_upload: Some((at("10:02"), "the file is empty".into())), ..seen.clone() },
                "An upload at Mon 3 Dec 2018 10:02 UTC was not taken: the file is empty.",
            ),
            (
                Problem::Late,
                Evidence { login: Some(at("10:01")), set_aside: Some((at("10:02"), "STR-03".into())), ..seen.clone() },
                "What came at Mon 3 Dec 2018 10:02 UTC was set aside, rejected by STR-03.",
            ),
            (Problem::Rejected, Evidence { set_aside: Some((at("10:02"), "STR-03".into())), ..seen.clone() }, "It was rejected by STR-03."),
        ];
        for (problem, evidence, expected) in rows {
            let since_slot = Slot::containing(at("10:00"));
            let episode = Episode { provider: "RM1".parse().unwrap(), problem, since_slot, opened_at: at("10:05"), again: 0 };
            assert_eq!(likely_cause(&episode, &evidence, &TimeZone::UTC), expected, "{problem:?} {evidence:?}");
        }
    }
}
