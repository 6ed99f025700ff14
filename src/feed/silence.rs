//! Silence that somebody announced: downtime that a provider planned, and pauses by support. Pure.
//!
//! Owns its words, and what follows from them alone: which stretch is covered, and how it is told to people. Refuses to look
//! anything up, and to say what a covered slot counts as: `schedule` does.

use super::{ProviderCode, local_text, printed};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// What sort of silence somebody announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnnouncedKind {
    /// Downtime that the provider announced, with an end.
    Planned,
    /// Support paused the feed.
    Paused,
}

impl AnnouncedKind {
    /// The word used in tables and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Paused => "paused",
        }
    }
}

impl std::str::FromStr for AnnouncedKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = [Self::Planned, Self::Paused].into_iter().find(|kind| kind.as_str() == text);
        known.ok_or_else(|| format!("{text} is no kind of silence"))
    }
}

/// Silence as somebody announced it, and how it was ended before its time.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Announced {
    /// Its number, from 1; downtime and pauses are numbered together.
    pub id: u32,
    /// Whose feed.
    pub provider: ProviderCode,
    /// Planned downtime or a pause.
    pub kind: AnnouncedKind,
    /// Its first instant.
    pub from: Timestamp,
    /// The first instant after it, as announced. `None`: a pause that lasts until somebody resumes the feed.
    pub until: Option<Timestamp>,
    /// Why.
    pub reason: String,
    /// Who announced it.
    pub by: String,
    /// When that was.
    pub at: Timestamp,
    /// Who ended it before its time; `None` where nobody did.
    pub ended: Option<SilenceEnd>,
}

/// How silence was ended before its time.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SilenceEnd {
    /// When. From then on files are expected again.
    pub at: Timestamp,
    /// Who ended it.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// How announced silence stands at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SilenceStanding {
    /// It has not begun.
    ToCome,
    /// It covers the instant.
    Now,
    /// It is over: its time has passed, or somebody ended it.
    Over,
    /// Somebody ended it before it began.
    Cancelled,
}

impl SilenceStanding {
    /// The words shown to people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::ToCome => "to come",
            Self::Now => "now",
            Self::Over => "over",
            Self::Cancelled => "cancelled",
        }
    }
}

impl Announced {
    /// When it really ends: as announced, or when somebody ended it. `None`: nobody can say yet.
    #[must_use]
    pub fn ends(&self) -> Option<Timestamp> {
        let ended = self.ended.as_ref().map(|end| end.at);
        match (self.until, ended) {
            (Some(until), Some(ended)) => Some(until.min(ended)),
            (until, ended) => until.or(ended),
        }
    }

    /// The stretch that it covers: its first instant, and the first one after it, where there is one. `None` where it was
    /// cancelled before it began.
    #[must_use]
    pub fn stretch(&self) -> Option<(Timestamp, Option<Timestamp>)> {
        let until = self.ends();
        until.is_none_or(|until| self.from < until).then_some((self.from, until))
    }

    /// How it stands at an instant.
    #[must_use]
    pub fn standing(&self, now: Timestamp) -> SilenceStanding {
        match self.stretch() {
            None => SilenceStanding::Cancelled,
            Some((from, _)) if now < from => SilenceStanding::ToCome,
            Some((_, Some(until))) if until <= now => SilenceStanding::Over,
            Some(_) => SilenceStanding::Now,
        }
    }

    /// One sentence for people: what, until when, why, who says so. Times are local to `zone`.
    #[must_use]
    pub fn told(&self, zone: &TimeZone) -> String {
        let what = match self.kind {
            AnnouncedKind::Planned => "Planned downtime",
            AnnouncedKind::Paused => "Paused",
        };
        let until = self.ends().map_or("until somebody resumes it".to_owned(), |until| format!("until {}", local_text(until, zone)));
        format!("{what} {until}: {} (by {}).", printed(&self.reason).trim_end_matches('.'), printed(&self.by))
    }
}

/// Of announced silences, the one that covers an instant and ends last: what people are told of.
#[must_use]
pub fn in_force(announced: &[Announced], now: Timestamp) -> Option<&Announced> {
    let standing = announced.iter().filter(|silence| silence.standing(now) == SilenceStanding::Now);
    standing.max_by_key(|silence| (silence.ends().is_none(), silence.ends(), silence.id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::LONDON;

    fn at(clock: &str) -> Timestamp {
        format!("2018-07-03T{clock}:00Z").parse().unwrap()
    }

    fn announced(id: u32, kind: AnnouncedKind, from: &str, until: Option<&str>, ended: Option<&str>) -> Announced {
        Announced {
            id,
            provider: "RM1".parse().unwrap(),
            kind,
            from: at(from),
            until: until.map(at),
            reason: "server move.".to_owned(),
            by: "Jo Bloggs".to_owned(),
            at: at("09:00"),
            ended: ended.map(|clock| SilenceEnd { at: at(clock), by: "Ann".to_owned(), reason: "done early".to_owned() }),
        }
    }

    #[test]
    fn silence_covers_what_was_announced_until_somebody_ends_it() {
        use SilenceStanding::{Cancelled, Now, Over, ToCome};
        let (planned, paused) = (AnnouncedKind::Planned, AnnouncedKind::Paused);
        //   kind     from     until          ended          how it stands at 09:59, 10:00, 10:29, 10:30, 10:59, 11:00
        let rows = [
            (planned, "10:00", Some("11:00"), None, [ToCome, Now, Now, Now, Now, Over]),
            (planned, "10:00", Some("11:00"), Some("10:30"), [ToCome, Now, Now, Over, Over, Over]),
            (planned, "10:00", Some("11:00"), Some("09:30"), [Cancelled; 6]),
            (planned, "10:00", Some("11:00"), Some("10:00"), [Cancelled; 6]),
            // Ended after it was over all the same: that changes nothing.
            (planned, "10:00", Some("10:30"), Some("12:00"), [ToCome, Now, Now, Over, Over, Over]),
            (paused, "10:00", None, None, [ToCome, Now, Now, Now, Now, Now]),
            (paused, "10:00", None, Some("10:30"), [ToCome, Now, Now, Over, Over, Over]),
            (paused, "10:00", Some("11:00"), None, [ToCome, Now, Now, Now, Now, Over]),
        ];
        for (kind, from, until, ended, expected) in rows {
            let silence = announced(1, kind, from, until, ended);
            let seen = ["09:59", "10:00", "10:29", "10:30", "10:59", "11:00"].map(|clock| silence.standing(at(clock)));
            assert_eq!(seen, expected, "{silence:?}");
        }
    }

    #[test]
    fn people_are_told_until_when_why_and_by_whom_of_what_lasts_longest() {
        let zone = TimeZone::get(LONDON).unwrap();
        let short = announced(1, AnnouncedKind::Planned, "10:00", Some("11:00"), None);
        let long = announced(2, AnnouncedKind::Planned, "10:00", Some("12:00"), None);
        let pause = announced(3, AnnouncedKind::Paused, "10:00", None, None);
        let ended = announced(4, AnnouncedKind::Paused, "10:00", None, Some("10:05"));
        let all = [pause.clone(), long.clone(), short.clone(), ended];
        assert_eq!(in_force(&all, at("10:10")), Some(&pause));
        assert_eq!(in_force(&all[1..], at("10:10")), Some(&long));
        assert_eq!(in_force(&all[1..], at("13:00")), None);
        assert_eq!(long.told(&zone), "Planned downtime until Tue 3 Jul 2018 13:00 BST: server move (by Jo Bloggs).");
        assert_eq!(pause.told(&zone), "Paused until somebody resumes it: server move (by Jo Bloggs).");
    }
}
