//! Messages: what an episode's beginning and end say, to people and to programs. Pure.
//!
//! Owns the wording and the JSON keys. Names in the JSON are stable: receivers match on them; a change that breaks a
//! receiver raises [`MESSAGE_VERSION`]. Refuses anything but feed-level facts: no file contents, no person's value.

use super::{Change, Ending, Episode, Evidence, HouseChange, HouseEpisode, HouseProblem, HouseTrouble, Problem, likely_cause};
use crate::feed::{Expiry, ProviderCode, Slot, WARN_DAYS, local_text};
use crate::ledger::Checkpoint;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// The version of the JSON's keys.
pub const MESSAGE_VERSION: u32 = 1;

/// What a message says of its episode: that it began, that it goes on, or that it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertKind {
    /// It began.
    Begin,
    /// It goes on: told again to whom it was told before.
    Reminder,
    /// It goes on, and nobody has acknowledged it: told to others too.
    Escalation,
    /// It ended.
    End,
}

impl AlertKind {
    /// The word used in keys and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Begin => "begin",
            Self::Reminder => "reminder",
            Self::Escalation => "escalation",
            Self::End => "end",
        }
    }
}

/// How urgent a message is, the least first. The words are those that paging services use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertSeverity {
    /// Nothing to do.
    Info,
    /// Keep an eye on it.
    Warning,
    /// Somebody has to act.
    Error,
}

impl AlertSeverity {
    /// The word used in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// What a message is about, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(untagged)]
pub enum Concern {
    /// A problem of a feed.
    Feed(Problem),
    /// A key or an agreement that ends.
    Term(TermConcern),
    /// The record itself.
    Record(RecordConcern),
    /// A problem on our own side.
    House(HouseProblem),
}

/// What is said about the record, or about nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordConcern {
    /// The head of its chain, to be kept elsewhere.
    Checkpoint,
    /// Nothing: somebody tries out the channels.
    Test,
}

/// How a key or an agreement stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TermConcern {
    /// It ends soon.
    Expires,
    /// It has ended.
    Expired,
}

impl Concern {
    /// The word used in logs and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Feed(problem) => problem.as_str(),
            Self::Term(TermConcern::Expires) => "expires",
            Self::Term(TermConcern::Expired) => "expired",
            Self::Record(RecordConcern::Checkpoint) => "checkpoint",
            Self::Record(RecordConcern::Test) => "test",
            Self::House(problem) => problem.as_str(),
        }
    }
}

/// One thing that is said about one episode, or about a key or agreement that ends. Serialised, it is the body of a webhook.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct AlertMessage {
    /// [`MESSAGE_VERSION`].
    pub version: u32,
    /// The episode's key, the same in its beginning and its end: what a receiver groups or resolves by.
    pub episode: String,
    /// The episode's key and `/begin`, `/reminder/N`, `/escalation` or `/end`: what a receiver that got a message twice folds by.
    pub key: String,
    /// Whether the episode began, goes on or ended.
    pub kind: AlertKind,
    /// How urgent it is.
    pub severity: AlertSeverity,
    /// Whose feed. `null` is kept for messages about the receiving side.
    pub provider: Option<ProviderCode>,
    /// The provider's name.
    pub provider_name: Option<String>,
    /// What is or was wrong.
    pub problem: Concern,
    /// One line.
    pub title: String,
    /// A few sentences.
    pub text: String,
    /// The first slot affected, by its start in UTC.
    pub slot: Slot,
    /// When it became a problem, in UTC.
    pub since: Timestamp,
    /// The same for people, in local time.
    pub since_local: String,
    /// When it ended, in UTC; `null` at the beginning.
    pub ended: Option<Timestamp>,
    /// How it ended; `null` at the beginning.
    pub ending: Option<Ending>,
    /// How many slots fell due while it lasted; `null` at the beginning.
    pub slots: Option<u32>,
    /// When the newest good figures were true, in UTC; `null` where there are none.
    pub last_good: Option<Timestamp>,
    /// What was seen that points to a cause; empty where nothing was.
    #[serde(default)]
    pub cause: String,
    /// What support should do; empty where there is nothing to do.
    pub what_to_do: String,
    /// Where the handbook tells more; empty where it does not.
    #[serde(default)]
    pub runbook: String,
    /// The head of the ledger's chain; only in a message that brings it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub checkpoint: Option<Checkpoint>,
}

/// What the wording needs besides the episode.
#[derive(Clone, Debug)]
pub struct About<'a> {
    /// The provider's name.
    pub provider_name: &'a str,
    /// When the newest good figures were true.
    pub last_good: Option<Timestamp>,
    /// Whether nothing of the feed was ever accepted.
    pub never_sent: bool,
    /// What of the provider was seen last.
    pub evidence: Evidence,
    /// Whom to ring, in one line; empty where nobody is named.
    pub contact: &'a str,
    /// The zone in which local times are shown.
    pub zone: &'a TimeZone,
    /// The silence that covers the feed now, in a sentence.
    pub silence: Option<String>,
}

impl AlertMessage {
    /// What is said about a change of an episode.
    #[must_use]
    pub fn of(change: &Change, about: &About<'_>) -> Self {
        match change {
            Change::Opened(episode) => begin(episode, about),
            Change::Closed { episode, at, slots, ending } => end(episode, about, *at, *slots, *ending),
        }
    }

    /// What is said of an episode that goes on: `number` is that of the reminder, and `None` where others are told.
    #[must_use]
    pub fn of_again(episode: &Episode, number: Option<u32>, about: &About<'_>, now: Timestamp) -> Self {
        begin(episode, about).again(number, about.zone, now)
    }

    /// What is said about a key or an agreement that ends. It has no end of its own: the next warning, or none, follows.
    #[must_use]
    pub fn of_expiry(expiry: &Expiry, about: &About<'_>, now: Timestamp) -> Self {
        let ended = expiry.has_ended();
        let what = expiry.owner.as_ref().map_or("the sharing agreement".to_owned(), |owner| format!("the key of {owner}"));
        let verb = if ended { "has expired" } else { "ends soon" };
        let last_call = ended || WARN_DAYS.into_iter().min() == Some(expiry.warning);
        let contact = if about.contact.is_empty() { String::new() } else { format!(" Contact: {}.", about.contact) };
        Self {
            version: MESSAGE_VERSION,
            episode: expiry.subject(),
            key: expiry.key(),
            kind: AlertKind::Begin,
            severity: if last_call { AlertSeverity::Error } else { AlertSeverity::Warning },
            provider: Some(expiry.provider.clone()),
            provider_name: Some(about.provider_name.to_owned()),
            problem: Concern::Term(if ended { TermConcern::Expired } else { TermConcern::Expires }),
            title: format!("{} {}: {what} {verb}", expiry.provider, about.provider_name),
            text: expiry.text.clone(),
            slot: Slot::containing(now),
            since: now,
            since_local: local_text(now, about.zone),
            ended: None,
            ending: None,
            slots: None,
            last_good: about.last_good,
            cause: String::new(),
            what_to_do: format!("Agree a new end with the provider before {}.{contact}", expiry.ends.strftime("%-d %B %Y")),
            runbook: runbook(if ended { "expired" } else { "expires" }),
            checkpoint: None,
        }
    }

    /// The head of the ledger's chain, to be kept where it is sent. `key` tells the day. It counts as an end, so that nothing
    /// that calls people opens an incident for it.
    #[must_use]
    pub fn of_checkpoint(key: &str, checkpoint: Checkpoint, zone: &TimeZone) -> Self {
        // A log keeps the text alone: it must be enough to verify by.
        let line = serde_json::to_string(&checkpoint).unwrap_or_default();
        Self {
            version: MESSAGE_VERSION,
            episode: key.to_owned(),
            key: key.to_owned(),
            kind: AlertKind::End,
            severity: AlertSeverity::Info,
            provider: None,
            provider_name: None,
            problem: Concern::Record(RecordConcern::Checkpoint),
            title: format!("The ledger has {} entries", checkpoint.seq),
            text: format!("Keep this line: `bedfeed audit verify --checkpoint FILE` tells whether the ledger still holds it. {line}"),
            slot: Slot::containing(checkpoint.at),
            since: checkpoint.at,
            since_local: local_text(checkpoint.at, zone),
            ended: Some(checkpoint.at),
            ending: None,
            slots: None,
            last_good: None,
            cause: String::new(),
            what_to_do: String::new(),
            runbook: runbook("checkpoint"),
            checkpoint: Some(checkpoint),
        }
    }

    /// What is said about a problem on our own side. It names no feed: all of them may suffer from it.
    #[must_use]
    pub fn of_house(change: &HouseChange, zone: &TimeZone, now: Timestamp) -> Self {
        let (HouseChange::Began(episode, _) | HouseChange::Ended(episode)) = change;
        let HouseEpisode { problem, opened_at } = *episode;
        let (kind, severity) = match change {
            HouseChange::Began(..) => (AlertKind::Begin, AlertSeverity::Error),
            HouseChange::Ended(_) => (AlertKind::End, AlertSeverity::Info),
        };
        let over = kind == AlertKind::End;
        let title = match (problem, over) {
            (HouseProblem::Disk, false) => "bedfeed itself: the disk is short of room",
            (HouseProblem::Clock, false) => "bedfeed itself: the clock of this machine jumped",
            (HouseProblem::Clock, true) => "bedfeed itself: the clock has not jumped for an hour",
            (HouseProblem::Ledger, false) => "bedfeed itself: the ledger is older than what lies beside it",
            (HouseProblem::Ledger, true) => "bedfeed itself: the ledger knows of all that lies beside it",
            (HouseProblem::Further, false) => "bedfeed itself: a further warehouse takes nothing",
            (HouseProblem::Further, true) => "bedfeed itself: every further warehouse takes snapshots again",
            (HouseProblem::Lost, false) => "bedfeed itself: the warehouse lacks what the ledger calls loaded",
            (HouseProblem::Lost, true) => "bedfeed itself: the warehouse has all that the ledger calls loaded",
            (HouseProblem::Silent, false) => "bedfeed itself: most feeds fell silent together, look at our side first",
            (HouseProblem::Silent, true) => "bedfeed itself: most feeds are heard again",
            (HouseProblem::Away, false) => "bedfeed itself: it was not running, files may have been missed",
            (HouseProblem::Away, true) => "bedfeed itself: it has been running again for a slot",
            (HouseProblem::Disk, true) => "bedfeed itself: there is room on the disk again",
            (HouseProblem::Warehouse, false) => "bedfeed itself: the warehouse takes nothing",
            (HouseProblem::Warehouse, true) => "bedfeed itself: the warehouse takes snapshots again",
            (HouseProblem::Channel, false) => "bedfeed itself: alerts do not arrive on every channel",
            (HouseProblem::Channel, true) => "bedfeed itself: every channel takes alerts again",
        };
        let (text, what_to_do) = match change {
            HouseChange::Began(_, trouble) => (trouble.text.clone(), trouble.what_to_do.clone()),
            HouseChange::Ended(_) => {
                let lasted = in_words(now.duration_since(opened_at).max(SignedDuration::ZERO));
                (format!("It had been so since {}: {lasted}.", local_text(opened_at, zone)), String::new())
            }
        };
        Self {
            version: MESSAGE_VERSION,
            key: format!("{}/{}", episode.key(), kind.as_str()),
            episode: episode.key(),
            kind,
            severity,
            provider: None,
            provider_name: None,
            problem: Concern::House(problem),
            title: title.to_owned(),
            text,
            slot: Slot::containing(opened_at),
            since: opened_at,
            since_local: local_text(opened_at, zone),
            ended: over.then_some(now),
            ending: over.then_some(Ending::Recovered),
            slots: None,
            last_good: None,
            cause: String::new(),
            what_to_do,
            runbook: runbook(&format!("house-{}", problem.as_str())),
            checkpoint: None,
        }
    }

    /// What is said of our own side when a problem goes on: `number` is that of the reminder, and `None` where others are told.
    #[must_use]
    pub fn of_house_again(episode: &HouseEpisode, trouble: &HouseTrouble, number: Option<u32>, zone: &TimeZone, now: Timestamp) -> Self {
        let began = Self::of_house(&HouseChange::Began(episode.clone(), trouble.clone()), zone, now);
        began.again(number, zone, now)
    }

    /// The message of a beginning, told again.
    fn again(self, number: Option<u32>, zone: &TimeZone, now: Timestamp) -> Self {
        let kind = if number.is_some() { AlertKind::Reminder } else { AlertKind::Escalation };
        let lasted = in_words(now.duration_since(self.since).max(SignedDuration::ZERO));
        let suffix = number.map(|number| format!("/{number}")).unwrap_or_default();
        let nobody = if number.is_some() { "" } else { ", and nobody has acknowledged it" };
        Self {
            key: format!("{}/{}{suffix}", self.episode, kind.as_str()),
            kind,
            title: format!("{} (still so after {lasted})", self.title),
            text: format!("{} It has been so since {}: {lasted}{nobody}.", self.text, local_text(self.since, zone)),
            ..self
        }
    }

    /// The message as plain text, for a mail or a terminal: the title, then the text, the likely cause, and what to do.
    #[must_use]
    pub fn plain_text(&self) -> String {
        let mut text = format!("{}\n\n{}\n", self.title, self.text);
        for (heading, said) in self.advice() {
            text.push_str(&format!("\n{heading}: {said}\n"));
        }
        text.push_str(&format!("\nReference: {}\n", self.key));
        text
    }

    /// What follows the text: the likely cause, what to do and where to read more, each under its heading, where there is anything.
    pub fn advice(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let parts = [("Likely cause", &self.cause), ("What to do", &self.what_to_do), ("Handbook", &self.runbook)];
        parts.into_iter().filter(|(_, said)| !said.is_empty()).map(|(heading, said)| (heading, said.as_str()))
    }

    /// The message as JSON.
    ///
    /// # Errors
    /// As `serde_json` has them; none are known for this type.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }
}

/// The page of the handbook that has a heading for every alert.
fn runbook(anchor: &str) -> String {
    format!("docs/alerts.md#{anchor}")
}

fn begin(episode: &Episode, about: &About<'_>) -> AlertMessage {
    let who = who(episode, about);
    let slot = local_text(episode.since_slot.start(), about.zone);
    let opened = local_text(episode.opened_at, about.zone);
    let (title, what) = match episode.problem {
        Problem::Late => (format!("{who}: a file is late"), format!("No file for the slot {slot} has come by the time it was due.")),
        Problem::Missed => {
            (format!("{who}: a file was missed"), format!("No file for the slot {slot} has come, and the next one is due already."))
        }
        Problem::Rejected => {
            (format!("{who}: files are set aside"), format!("The file that came at {opened} could not be used and was set aside."))
        }
        Problem::Stale => (
            format!("{who}: files come with old figures"),
            format!("Files come in time, and none has figures of the slot {slot} or a later one."),
        ),
        Problem::Frozen => (
            format!("{who}: the figures do not move"),
            format!("The file that came at {opened} has the same figures as many before it, and so has every one since."),
        ),
        Problem::KeyTime => (
            format!("{who}: no figures for {slot}, a key time"),
            format!(
                "The slot {slot} is one that returns are made from, and no usable file for it has come by the time it was due. A late file still fills it."
            ),
        ),
        Problem::Unstable => (
            format!("{who}: trouble comes and goes"),
            format!(
                "Again and again within two hours a file was not there in time and the next one was, the last time for the slot {slot}. \
                 Single slots are not told of until the feed has been the same for an hour."
            ),
        ),
    };
    AlertMessage {
        title,
        text: format!("{what} {}", last_good(about)),
        cause: likely_cause(episode, &about.evidence, about.zone),
        what_to_do: what_to_do(episode.problem, about.contact),
        ..frame(episode, AlertKind::Begin, about)
    }
}

fn end(episode: &Episode, about: &About<'_>, at: Timestamp, slots: u32, ending: Ending) -> AlertMessage {
    let who = who(episode, about);
    let slot = local_text(episode.since_slot.start(), about.zone);
    let title = match (ending, episode.problem) {
        (Ending::Withdrawn, Problem::KeyTime) => format!("{who}: the figures for {slot} never came"),
        (Ending::Withdrawn, Problem::Unstable) => format!("{who}: trouble no longer comes and goes, it stays"),
        (Ending::Withdrawn, problem) => format!("{who}: no longer counted as {}", problem.as_str()),
        (Ending::Recovered, Problem::Late) => format!("{who}: no longer late"),
        (Ending::Recovered, Problem::Missed) => format!("{who}: files come again"),
        (Ending::Recovered, Problem::Rejected) => format!("{who}: files are accepted again"),
        (Ending::Recovered, Problem::Stale) => format!("{who}: files have new figures again"),
        (Ending::Recovered, Problem::Frozen) => format!("{who}: the figures move again"),
        (Ending::Recovered, Problem::KeyTime) => format!("{who}: the figures for {slot} have come"),
        (Ending::Recovered, Problem::Unstable) => format!("{who}: steady again"),
    };
    let what = match (ending, episode.problem) {
        (Ending::Recovered, Problem::Unstable) => "Every file of the last hour came in time.".to_owned(),
        (Ending::Recovered, _) => format!("A file was accepted at {}.", local_text(at, about.zone)),
        (Ending::Withdrawn, Problem::Rejected) => "What was set aside has been released.".to_owned(),
        (Ending::Withdrawn, Problem::KeyTime) => "Silence was planned for that time, or the next key time is due.".to_owned(),
        (Ending::Withdrawn, Problem::Unstable) => {
            "The feed has been silent, or its files set aside, for an hour. That is told of by itself.".to_owned()
        }
        (Ending::Withdrawn, Problem::Late | Problem::Missed | Problem::Stale | Problem::Frozen) => {
            let otherwise = "Silence was planned for that time, or the file had come in time after all.";
            about.silence.as_ref().map_or(otherwise.to_owned(), |silence| format!("{silence} No file is waited for meanwhile."))
        }
    };
    let lasted = at.duration_since(episode.opened_at).max(SignedDuration::ZERO);
    let affected = if slots == 1 { "1 slot was".to_owned() } else { format!("{slots} slots were") };
    let since = local_text(episode.opened_at, about.zone);
    let text = format!("{what} It had been {} since {since}: {}. {affected} affected.", been(episode.problem), in_words(lasted));
    let message = frame(episode, AlertKind::End, about);
    AlertMessage { title, text, ended: Some(at), ending: Some(ending), slots: Some(slots), ..message }
}

/// How the feed has been, as it stands in a sentence.
fn been(problem: Problem) -> &'static str {
    match problem {
        Problem::KeyTime => "without them",
        other => other.as_str(),
    }
}

/// What begin and end have in common.
fn frame(episode: &Episode, kind: AlertKind, about: &About<'_>) -> AlertMessage {
    let key = episode.key();
    AlertMessage {
        version: MESSAGE_VERSION,
        key: format!("{key}/{}", kind.as_str()),
        episode: key,
        kind,
        severity: severity(kind, episode.problem),
        provider: Some(episode.provider.clone()),
        provider_name: Some(about.provider_name.to_owned()),
        problem: Concern::Feed(episode.problem),
        title: String::new(),
        text: String::new(),
        slot: episode.since_slot,
        since: episode.opened_at,
        since_local: local_text(episode.opened_at, about.zone),
        ended: None,
        ending: None,
        slots: None,
        last_good: about.last_good,
        cause: String::new(),
        what_to_do: String::new(),
        runbook: runbook(episode.problem.as_str()),
        checkpoint: None,
    }
}

fn severity(kind: AlertKind, problem: Problem) -> AlertSeverity {
    match (kind, problem) {
        (AlertKind::End, _) => AlertSeverity::Info,
        (_, problem) if problem.is_urgent() => AlertSeverity::Error,
        _ => AlertSeverity::Warning,
    }
}

fn who(episode: &Episode, about: &About<'_>) -> String {
    format!("{} {}", episode.provider, about.provider_name)
}

fn last_good(about: &About<'_>) -> String {
    match about.last_good {
        Some(at) => format!("The last good figures are of {}; they are still shown, with their age.", local_text(at, about.zone)),
        None if about.never_sent => "Nothing of this feed was ever accepted.".to_owned(),
        None => "This feed has no good figures.".to_owned(),
    }
}

fn what_to_do(problem: Problem, contact: &str) -> String {
    let advice = match problem {
        Problem::Late => "Watch the next slot. If that is late too, ask the provider whether its export runs and can connect.",
        Problem::Missed => "Ring the provider: its export or its connection has stopped.",
        Problem::Rejected => "Read the findings (bedfeed deliveries, then bedfeed explain ID), and agree the correction with the provider.",
        Problem::Stale => "Ring the provider: its export, or the copy of the data that it reads, stands still.",
        Problem::Frozen => "Ask the provider whether its figures can really have stayed the same, or its source stands still.",
        Problem::KeyTime => "Ask the provider to send the file of that very slot; it counts for the returns whenever it comes.",
        Problem::Unstable => {
            "Look at the feed's day (bedfeed status, page /) for a pattern, and ask the provider what its job does at these times."
        }
    };
    if contact.is_empty() { advice.to_owned() } else { format!("{advice} Contact: {contact}.") }
}

/// A length of time as people say it, to the minute: `2 h 5 min`.
fn in_words(length: SignedDuration) -> String {
    let minutes = length.as_mins();
    match (minutes / 60, minutes % 60) {
        (0, 0) => "less than a minute".to_owned(),
        (0, minutes) => format!("{minutes} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::{LONDON, Term, TermOf, expiries};

    fn episode(problem: Problem) -> Episode {
        Episode {
            provider: "RM1".parse().unwrap(),
            problem,
            since_slot: "2018-07-03T10:15Z".parse().unwrap(),
            opened_at: "2018-07-03T10:20:00Z".parse().unwrap(),
            again: 0,
        }
    }

    fn about(last_good: Option<Timestamp>, zone: &TimeZone) -> About<'_> {
        let evidence = Evidence { looking_since: "2018-07-01T05:00:00Z".parse().unwrap(), ..Evidence::default() };
        let contact = "IT desk, 01603 000000";
        About { provider_name: "Norfolk and Norwich", last_good, never_sent: last_good.is_none(), evidence, contact, zone, silence: None }
    }

    fn message(change: &Change) -> AlertMessage {
        let zone = TimeZone::get(LONDON).unwrap();
        let last_good = Some("2018-07-03T10:00:00Z".parse().unwrap());
        AlertMessage::of(change, &about(last_good, &zone))
    }

    fn closed(problem: Problem, at: &str, slots: u32, ending: Ending) -> Change {
        Change::Closed { episode: episode(problem), at: at.parse().unwrap(), slots, ending }
    }

    #[test]
    fn the_beginning_says_what_since_when_and_what_to_do() {
        let late = message(&Change::Opened(episode(Problem::Late)));
        assert_eq!(
            late.plain_text(),
            "RM1 Norfolk and Norwich: a file is late\n\n\
             No file for the slot Tue 3 Jul 2018 11:15 BST has come by the time it was due. \
             The last good figures are of Tue 3 Jul 2018 11:00 BST; they are still shown, with their age.\n\n\
             Likely cause: No login of it was seen since bedfeed started at Sun 1 Jul 2018 06:00 BST.\n\n\
             What to do: Watch the next slot. If that is late too, ask the provider whether its export runs and can connect. \
             Contact: IT desk, 01603 000000.\n\n\
             Handbook: docs/alerts.md#late\n\n\
             Reference: RM1/late/2018-07-03T10:15Z/begin\n"
        );
        assert_eq!((late.severity, late.slots, late.ended), (AlertSeverity::Warning, None, None));
    }

    #[test]
    fn the_end_says_how_long_and_how_many_slots() {
        let end = message(&closed(Problem::Missed, "2018-07-03T12:25:10Z", 9, Ending::Recovered));
        assert_eq!(end.title, "RM1 Norfolk and Norwich: files come again");
        assert_eq!(
            end.text,
            "A file was accepted at Tue 3 Jul 2018 13:25 BST. It had been missed since Tue 3 Jul 2018 11:20 BST: 2 h 5 min. \
             9 slots were affected."
        );
        assert_eq!((end.severity, end.key.as_str()), (AlertSeverity::Info, "RM1/missed/2018-07-03T10:15Z/end"));
        let withdrawn = message(&closed(Problem::Late, "2018-07-03T10:20:30Z", 1, Ending::Withdrawn));
        assert!(withdrawn.text.ends_with("less than a minute. 1 slot was affected."), "{}", withdrawn.text);
    }

    #[test]
    fn what_goes_on_is_told_again_under_a_key_of_its_own() {
        let zone = TimeZone::get(LONDON).unwrap();
        let now = "2018-07-03T11:20:30Z".parse().unwrap();
        let again = |number| AlertMessage::of_again(&episode(Problem::Missed), number, &about(None, &zone), now);
        let reminder = again(Some(1));
        assert_eq!(reminder.key, "RM1/missed/2018-07-03T10:15Z/reminder/1");
        assert_eq!((reminder.kind, reminder.severity), (AlertKind::Reminder, AlertSeverity::Error));
        assert_eq!(reminder.title, "RM1 Norfolk and Norwich: a file was missed (still so after 1 h)");
        assert!(reminder.text.ends_with("It has been so since Tue 3 Jul 2018 11:20 BST: 1 h."), "{}", reminder.text);
        let escalated = again(None);
        assert_eq!(escalated.key, "RM1/missed/2018-07-03T10:15Z/escalation");
        assert!(escalated.text.ends_with("1 h, and nobody has acknowledged it."), "{}", escalated.text);
        assert_eq!(escalated.episode, reminder.episode);
    }

    #[test]
    fn every_problem_has_words_for_its_beginning_and_its_ends() {
        let mut said = std::collections::BTreeSet::new();
        for problem in Problem::ALL {
            let begin = message(&Change::Opened(episode(problem)));
            assert!(begin.text.contains("Tue 3 Jul 2018 11:"), "{}", begin.text);
            assert!(!begin.what_to_do.is_empty());
            assert_eq!(begin.runbook, format!("docs/alerts.md#{}", problem.as_str()));
            let recovered = message(&closed(problem, "2018-07-03T12:25:10Z", 9, Ending::Recovered));
            let withdrawn = message(&closed(problem, "2018-07-03T12:25:10Z", 9, Ending::Withdrawn));
            for message in [begin, recovered, withdrawn] {
                assert!(said.insert(message.title.clone()), "twice: {}", message.title);
            }
        }
    }

    #[test]
    fn what_is_withdrawn_by_silence_says_whose_word_it_is() {
        let zone = TimeZone::get(LONDON).unwrap();
        let silence = Some("Planned downtime until Tue 3 Jul 2018 13:00 BST: server move (by Jo Bloggs).".to_owned());
        let about = About { silence, ..about(None, &zone) };
        let change = closed(Problem::Late, "2018-07-03T10:50:00Z", 3, Ending::Withdrawn);
        assert_eq!(
            AlertMessage::of(&change, &about).text,
            "Planned downtime until Tue 3 Jul 2018 13:00 BST: server move (by Jo Bloggs). No file is waited for meanwhile. It had been \
             late since Tue 3 Jul 2018 11:20 BST: 30 min. 3 slots were affected."
        );
    }

    #[test]
    fn the_handbook_has_a_heading_for_every_alert() {
        let page = std::fs::read_to_string("docs/alerts.md").unwrap();
        let house = HouseProblem::ALL.into_iter().map(|problem| format!("house-{}", problem.as_str()));
        let feeds = Problem::ALL.into_iter().map(|problem| problem.as_str().to_owned());
        let others = ["expires", "expired", "checkpoint"].map(str::to_owned);
        for word in feeds.chain(house).chain(others) {
            assert!(page.contains(&format!("\n### {word}\n")), "{word}");
        }
    }

    #[test]
    fn a_key_that_ends_is_told_with_its_owner_its_day_and_whom_to_ring() {
        let what = TermOf::Key { owner: "night job".to_owned(), fingerprint: "SHA256:abc".to_owned() };
        let term = Term { provider: "RM1".parse().unwrap(), what, ends: "2018-07-31".parse().unwrap() };
        let zone = TimeZone::get(LONDON).unwrap();
        let about = about(None, &zone);
        let on = |today: &str| {
            let expiry = expiries(std::slice::from_ref(&term), today.parse().unwrap()).remove(0);
            AlertMessage::of_expiry(&expiry, &about, "2018-07-03T10:20:00Z".parse().unwrap())
        };
        let early = on("2018-07-03");
        assert_eq!((early.severity, early.problem.as_str()), (AlertSeverity::Warning, "expires"));
        assert_eq!(early.title, "RM1 Norfolk and Norwich: the key of night job ends soon");
        assert!(early.text.contains("stops working on 31 July 2018, in 28 days"), "{}", early.text);
        assert_eq!(early.what_to_do, "Agree a new end with the provider before 31 July 2018. Contact: IT desk, 01603 000000.");
        assert_eq!(on("2018-07-29").severity, AlertSeverity::Error, "the last call");
        let late = on("2018-08-01");
        assert_eq!((late.severity, late.problem.as_str()), (AlertSeverity::Error, "expired"));
        let json = late.to_json().unwrap();
        assert!(json.contains("\"problem\":\"expired\""), "{json}");
        assert_eq!(serde_json::from_str::<AlertMessage>(&json).unwrap(), late);
    }

    #[test]
    fn the_json_keys_are_the_documented_ones_and_read_back() {
        let end = message(&closed(Problem::Rejected, "2018-07-03T10:25:00Z", 1, Ending::Recovered));
        let json = end.to_json().unwrap();
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        let mut keys: Vec<&String> = value.as_object().unwrap().keys().collect();
        keys.sort();
        let documented = [
            "cause",
            "ended",
            "ending",
            "episode",
            "key",
            "kind",
            "last_good",
            "problem",
            "provider",
            "provider_name",
            "runbook",
            "severity",
            "since",
            "since_local",
            "slot",
            "slots",
            "text",
            "title",
            "version",
            "what_to_do",
        ];
        assert_eq!(keys, documented);
        assert_eq!(value["kind"], "end");
        assert_eq!(value["problem"], "rejected");
        assert_eq!(value["since"], "2018-07-03T10:20:00Z");
        assert_eq!(serde_json::from_str::<AlertMessage>(&json).unwrap(), end);
    }
}
