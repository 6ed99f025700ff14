//! What people and retention do, as facts: who asked, legal holds, disposals.
//!
//! Owns their words and what follows from them alone: whether two accounts are one person's, whether a hold covers something,
//! whether a request for a release still stands. Refuses to look anything up.

use super::{Entry, Event};
use crate::feed::{DeliveryId, ProviderCode};
use jiff::Timestamp;
use std::fmt;

/// The system's account that asked for something, as the kernel tells it and not the person.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Account {
    /// The number of the user that asked.
    pub uid: u32,
    /// That user's name, where the machine knows one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub user: Option<String>,
    /// The number of the user who logged in, where the machine keeps it: it stays the same under `sudo` and `su`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub login_uid: Option<u32>,
    /// That user's name, where the machine knows one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub login: Option<String>,
}

impl Account {
    /// Whether two accounts may be one person: the same login, or where no login is kept the same user.
    #[must_use]
    pub fn may_be_same_person(&self, other: &Self) -> bool {
        let who = |account: &Self| account.login_uid.unwrap_or(account.uid);
        who(self) == who(other)
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |name: &Option<String>, uid: u32| name.clone().unwrap_or_else(|| format!("user {uid}"));
        match self.login_uid {
            Some(login) if login != self.uid => {
                write!(f, "logged in as {}, asked as {}", shown(&self.login, login), shown(&self.user, self.uid))
            }
            _ => write!(f, "asked as {}", shown(&self.user, self.uid)),
        }
    }
}

/// A legal hold: what it covers is not deleted until somebody lifts it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Hold {
    /// Its number, from 1.
    pub number: u32,
    /// What it covers.
    pub scope: HoldScope,
    /// Who ordered it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// The system's account that asked.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub account: Option<Account>,
}

/// What a hold covers: everything that all of these fit.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct HoldScope {
    /// Only this provider's; `None`: all providers'.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub provider: Option<ProviderCode>,
    /// Only this delivery.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub delivery: Option<DeliveryId>,
    /// Only what arrived, or is about, this moment or later.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub from: Option<Timestamp>,
    /// Only what arrived, or is about, an earlier moment than this.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub to: Option<Timestamp>,
}

impl HoldScope {
    /// Whether it says anything: a hold on nothing in particular would keep everything for ever by mistake.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it covers something of a provider that one of these deliveries made and that one of these moments belongs to:
    /// its arrival, the time its figures are about.
    #[must_use]
    pub fn covers(&self, provider: &ProviderCode, deliveries: &[DeliveryId], moments: &[Timestamp]) -> bool {
        let within = |at: &Timestamp| self.from.is_none_or(|from| from <= *at) && self.to.is_none_or(|to| *at < to);
        self.provider.as_ref().is_none_or(|wanted| wanted == provider)
            && self.delivery.is_none_or(|wanted| deliveries.contains(&wanted))
            && moments.iter().any(within)
    }
}

impl fmt::Display for HoldScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [
            self.provider.as_ref().map(|code| format!("provider {code}")),
            self.delivery.map(|id| format!("delivery {id}")),
            self.from.map(|at| format!("from {at}")),
            self.to.map(|at| format!("to {at}")),
        ];
        let words: Vec<String> = words.into_iter().flatten().collect();
        f.pad(&words.join(", "))
    }
}

/// The hold that covers something of a provider and keeps it, if any: made by one of these deliveries, and one of these moments
/// belongs to it. Every question whether something is held is asked here, so a list and a deletion cannot differ. Pure.
#[must_use]
pub fn covering<'a>(holds: &'a [HoldRow], provider: &ProviderCode, deliveries: &[DeliveryId], moments: &[Timestamp]) -> Option<&'a Hold> {
    let standing = holds.iter().filter(|row| row.ended_at.is_none()).map(|row| &row.hold);
    standing.into_iter().find(|hold| hold.scope.covers(provider, deliveries, moments))
}

/// A hold, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct HoldRow {
    /// What was ordered.
    pub hold: Hold,
    /// Since when.
    pub placed_at: Timestamp,
    /// When it was lifted; `None` while it stands.
    pub ended_at: Option<Timestamp>,
    /// Who lifted it.
    pub ended_by: Option<String>,
    /// Why.
    pub ended_why: Option<String>,
}

/// What is kept for a time of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Originals that were accepted, repeated another, or were tests.
    Raw,
    /// Originals that were set aside, sealed ones included.
    Quarantine,
    /// Pictures of tests.
    Checks,
    /// Lines of beds and demand in the warehouse.
    Rows,
    /// Sums by ward and age band, and findings, in the warehouse.
    Sums,
}

impl Class {
    /// All of them, in the order in which they are told.
    pub const ALL: &'static [Self] = &[Self::Raw, Self::Quarantine, Self::Checks, Self::Rows, Self::Sums];

    /// The word used on the command line, in tables and in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Quarantine => "quarantine",
            Self::Checks => "checks",
            Self::Rows => "rows",
            Self::Sums => "sums",
        }
    }

    /// What it is, for people.
    #[must_use]
    pub fn told(self) -> &'static str {
        match self {
            Self::Raw => "original files",
            Self::Quarantine => "quarantined files",
            Self::Checks => "pictures of tests",
            Self::Rows => "lines in the warehouse",
            Self::Sums => "sums by ward and findings in the warehouse",
        }
    }
}

/// Things of one class that go together. Names them, and holds nothing of what was in them.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Disposal {
    /// Its number, from 1.
    pub number: u32,
    /// What kind of thing.
    pub class: Class,
    /// The setting under which, as in `raw_days = 30`.
    pub rule: String,
    /// What goes ended, or is about figures, before this.
    pub before: Timestamp,
    /// The deliveries: whose files, or which lead the snapshots.
    pub ids: Vec<DeliveryId>,
    /// Files that go, or rows of tables.
    pub items: u64,
    /// Their bytes, where they are files.
    pub bytes: u64,
}

/// A disposal, and whether it is done.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct DisposalRow {
    /// What goes.
    #[serde(flatten)]
    pub disposal: Disposal,
    /// When it was recorded.
    pub planned_at: Timestamp,
    /// When everything was gone; `None`: a crash came between, and the next start goes on.
    pub done_at: Option<Timestamp>,
}

/// A request for a release that waits for a second person.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ReleaseRequest {
    /// When it was made.
    pub at: Timestamp,
    /// Who made it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// The system's account that asked.
    pub account: Option<Account>,
    /// When it lapses.
    pub until: Timestamp,
}

impl ReleaseRequest {
    /// The request that stands, given everything recorded about a delivery, oldest first. A move or an act settles it.
    #[must_use]
    pub fn standing(entries: &[Entry], now: Timestamp) -> Option<Self> {
        let settles = |entry: &&Entry| {
            matches!(entry.event, Event::Moved { .. } | Event::Acted { .. } | Event::ReleaseRequested { .. } | Event::Accepted { .. })
        };
        let last = entries.iter().rev().find(settles)?;
        let Event::ReleaseRequested { by, reason, account, until, .. } = &last.event else { return None };
        (now < *until).then(|| Self { at: last.at, by: by.clone(), reason: reason.clone(), account: account.clone(), until: *until })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::Stage;
    use crate::ledger::Act;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn one_person_is_told_by_the_login_where_one_is_kept() {
        let account = |uid, login_uid| Account { uid, user: None, login_uid, login: None };
        let rows = [
            (account(0, Some(1001)), account(0, Some(1001)), true),
            (account(0, Some(1001)), account(0, Some(1002)), false),
            (account(999, Some(1001)), account(0, Some(1001)), true),
            (account(0, None), account(0, None), true),
            (account(0, None), account(999, None), false),
            (account(1001, None), account(0, Some(1001)), true),
        ];
        for (a, b, same) in rows {
            assert_eq!((a.may_be_same_person(&b), b.may_be_same_person(&a)), (same, same), "{a} and {b}");
        }
        let ann = Account { login: Some("ann".to_owned()), user: Some("root".to_owned()), ..account(0, Some(1001)) };
        assert_eq!(ann.to_string(), "logged in as ann, asked as root");
        assert_eq!(account(999, None).to_string(), "asked as user 999");
    }

    #[test]
    fn a_hold_covers_what_all_its_conditions_fit() {
        let (ours, other): (ProviderCode, ProviderCode) = ("RM1".parse().unwrap(), "RGP".parse().unwrap());
        let (one, two) = (DeliveryId::new(Timestamp::UNIX_EPOCH, [1; 10]), DeliveryId::new(Timestamp::UNIX_EPOCH, [2; 10]));
        let (from, to) = (Some(at("2018-12-01T00:00Z")), Some(at("2018-12-02T00:00Z")));
        let scope = HoldScope::default;
        let rows = [
            (HoldScope { provider: Some(ours.clone()), ..scope() }, true),
            (HoldScope { provider: Some(other), ..scope() }, false),
            (HoldScope { delivery: Some(one), ..scope() }, true),
            (HoldScope { delivery: Some(two), ..scope() }, false),
            (HoldScope { from, to, ..scope() }, true),
            (HoldScope { from: to, ..scope() }, false),
            (HoldScope { to: from, ..scope() }, false),
            (HoldScope { provider: Some(ours.clone()), delivery: Some(two), from, to }, false),
        ];
        for (scope, covers) in rows {
            let moments = [at("2018-12-02T00:00Z"), at("2018-12-01T23:45Z")];
            assert_eq!(scope.covers(&ours, &[one], &moments[1..]), covers, "{scope}");
        }
        // The arrival or the figures: one of them is enough.
        let night = HoldScope { from, to, ..scope() };
        assert!(night.covers(&ours, &[one], &[at("2018-12-02T00:00Z"), at("2018-12-01T23:45Z")]));
    }

    #[test]
    fn a_request_stands_until_it_lapses_or_somebody_acts() {
        let id = DeliveryId::new(Timestamp::UNIX_EPOCH, [1; 10]);
        let entry = |seq, event| Entry { seq, at: at("2018-12-03T10:00Z"), event };
        let until = at("2018-12-04T10:00Z");
        let asked = Event::ReleaseRequested { delivery: id, by: "ann".into(), reason: "rang".into(), account: None, until };
        let viewed = Event::ViewedRaw { delivery: id, by: "ann".into(), reason: "look".into(), account: None };
        let acted = Event::Acted { delivery: id, act: Act::Discard, by: "bob".into(), reason: "no".into(), account: None };
        let moved = Event::Moved { delivery: id, stage: Stage::Landed, report: None, note: None };
        let rows: [(Vec<Event>, &str, bool); 6] = [
            (vec![asked.clone()], "2018-12-04T09:59Z", true),
            (vec![asked.clone()], "2018-12-04T10:00Z", false),
            (vec![asked.clone(), viewed], "2018-12-03T11:00Z", true),
            (vec![asked.clone(), acted], "2018-12-03T11:00Z", false),
            (vec![asked, moved], "2018-12-03T11:00Z", false),
            (vec![], "2018-12-03T11:00Z", false),
        ];
        for (events, now, stands) in rows {
            let entries: Vec<Entry> = (1..).zip(events).map(|(seq, event)| entry(seq, event)).collect();
            assert_eq!(ReleaseRequest::standing(&entries, at(now)).is_some(), stands, "{entries:?}");
        }
    }
}
