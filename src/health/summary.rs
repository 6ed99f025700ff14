//! The summary: how every feed stands, worst first, in words that support can act on. Pure.
//!
//! Owns the rows that the health page, its JSON and `bedfeed status` show, so that all three say the same. Refuses layout,
//! clocks and the ledger.

use crate::feed::{Announced, ClientSeen, Expiry, ProviderCode, ProviderKind, Report, Severity, Slot, UnknownWard, local_text, printed};
use crate::schedule::{Freshness, Light, SilenceKind, SlotState, Standing};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// How a feed stands, in one word; the worst that is true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// Files do not come at all.
    Missed,
    /// Files come and are set aside.
    Rejected,
    /// A due file has not come yet.
    Late,
    /// Files come in time, but their figures are old.
    Stale,
    /// Files come in time, and their figures do not move.
    Frozen,
    /// The feed has never sent, and nothing is overdue.
    AwaitingFirst,
    /// Planned downtime.
    Planned,
    /// Paused by support.
    Paused,
    /// In order.
    OnTime,
}

impl Condition {
    /// The words shown to people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Missed => "missed",
            Self::Rejected => "files set aside",
            Self::Late => "late",
            Self::Stale => "old figures",
            Self::Frozen => "figures do not move",
            Self::AwaitingFirst => "awaiting its first file",
            Self::Planned => "planned downtime",
            Self::Paused => "paused",
            Self::OnTime => "on time",
        }
    }

    /// Whether somebody should look. One file that is a little late is no reason yet: the light is still green.
    #[must_use]
    pub fn needs_attention(self, light: Light) -> bool {
        match self {
            Self::Missed | Self::Rejected | Self::Stale | Self::Frozen => true,
            Self::Late => light != Light::Green,
            Self::AwaitingFirst | Self::Planned | Self::Paused | Self::OnTime => false,
        }
    }

    fn of(standing: &Standing) -> Self {
        match standing.silence {
            Some(SilenceKind::Planned) => Self::Planned,
            Some(SilenceKind::Paused) => Self::Paused,
            // What we missed is no word about the feed.
            Some(SilenceKind::Outage) | None => Self::unless_silent(standing),
        }
    }

    fn unless_silent(standing: &Standing) -> Self {
        match standing {
            _ if standing.missed_since.is_some() => Self::Missed,
            _ if standing.rejected_since.is_some() => Self::Rejected,
            _ if standing.late_since.is_some() => Self::Late,
            _ if standing.stale_since.is_some() => Self::Stale,
            // Just after silence: what was missing before it begins no lateness, and is missing all the same.
            _ if standing.behind > 0 => Self::Late,
            _ if standing.never_sent => Self::AwaitingFirst,
            _ if standing.freshness != Freshness::Current => Self::Stale,
            _ if standing.frozen_since.is_some() => Self::Frozen,
            _ => Self::OnTime,
        }
    }
}

/// What is known of one feed.
#[derive(Clone, Debug)]
pub struct FeedFacts<'a> {
    /// Whose.
    pub provider: &'a ProviderCode,
    /// The provider's name.
    pub name: &'a str,
    /// What sort of service it runs.
    pub kind: ProviderKind,
    /// How it stands.
    pub standing: &'a Standing,
    /// The report of its newest judged delivery.
    pub newest_report: Option<&'a Report>,
    /// Whether its newest judged delivery to `inbox/` was marked as a test by its sender.
    pub newest_marked_test: bool,
    /// The newest report whose rows were given a meaning: only then were wards looked up.
    pub newest_figures: Option<&'a Report>,
    /// The newest problem, in one sentence, without a value from a file.
    pub last_problem: Option<String>,
    /// The silence that covers the instant.
    pub silence: Option<&'a Announced>,
    /// Its alerts that somebody sees to.
    pub acknowledged: Vec<AcknowledgedAlert>,
    /// Times in sentences are local to it.
    pub zone: &'a TimeZone,
}

/// An alert that goes on, and that somebody sees to.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct AcknowledgedAlert {
    /// The episode's key.
    pub key: String,
    /// Who.
    pub by: String,
    /// What is done about it, or why nothing.
    pub reason: String,
    /// When that was said.
    pub at: Timestamp,
    /// When it lapses; `None`: it holds until the episode ends.
    pub until: Option<Timestamp>,
}

impl AcknowledgedAlert {
    /// One sentence for people; times are local to `zone`.
    #[must_use]
    pub fn told(&self, zone: &TimeZone) -> String {
        let until = self.until.map(|until| format!(", until {}", local_text(until, zone))).unwrap_or_default();
        let (reason, by) = (printed(&self.reason), printed(&self.by));
        format!("Seen to by {by} since {}{until}: {}.", local_text(self.at, zone), reason.trim_end_matches('.'))
    }
}

/// One feed, as support sees it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct FeedRow {
    /// Whose.
    pub provider: ProviderCode,
    /// The provider's name.
    pub name: String,
    /// What sort of service it runs.
    pub kind: ProviderKind,
    /// At a glance.
    pub light: Light,
    /// In one word.
    pub condition: Condition,
    /// In one sentence.
    pub state: String,
    /// Whether its newest judged delivery to `inbox/` was marked as a test by its sender, and so was not loaded.
    pub newest_marked_test: bool,
    /// How old its newest figures are.
    pub freshness: Freshness,
    /// The newest slot with an accepted file.
    pub newest_slot: Option<Slot>,
    /// When the newest accepted figures were true.
    pub newest_snapshot_at: Option<Timestamp>,
    /// Their age in seconds.
    pub age_seconds: Option<i64>,
    /// When an accepted file last came.
    pub last_accepted_at: Option<Timestamp>,
    /// When the next file is due.
    pub next_due: Option<Timestamp>,
    /// Since when a file has been due that has not come, and nothing later has.
    pub late_since: Option<Timestamp>,
    /// Consecutive due slots without an accepted file.
    pub behind: u32,
    /// The slots of the last 24 hours by how they ended.
    pub last_day: DayCounts,
    /// The same slots, oldest first, one character each: `.` on time, `L` late, `M` missed, `R` rejected, `s` replaced by a
    /// later version, `p` planned downtime, `z` paused, `-` not due.
    pub grid: String,
    /// Rows that the newest judged delivery lost to a rule; `None` where none was judged.
    pub rows_rejected: Option<u64>,
    /// Warnings of the newest judged delivery; `None` where none was judged.
    pub warnings: Option<u64>,
    /// The version of the mapping that read it.
    pub mapping: Option<String>,
    /// The newest problem.
    pub last_problem: Option<String>,
    /// The silence that covers it now: whose word it is, until when and why.
    pub silence: Option<Announced>,
    /// Its alerts that somebody sees to.
    pub acknowledged: Vec<AcknowledgedAlert>,
    /// Wards of its newest judged figures that are not registered: each waits for somebody to put it into the register, or to
    /// tell the provider that it is a mistake.
    pub wards_awaiting_approval: Vec<UnknownWard>,
}

/// Slots of the last 24 hours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct DayCounts {
    /// Slots in which a file was expected and whose time has come.
    pub expected: u32,
    /// Filled by the time they were due; replaced ones are counted here too.
    pub on_time: u32,
    /// Filled late, or overdue.
    pub late: u32,
    /// Not filled.
    pub missed: u32,
    /// Only files that were set aside came.
    pub rejected: u32,
}

impl DayCounts {
    fn of(standing: &Standing) -> Self {
        let mut counts = Self::default();
        for slot in &standing.slots {
            match slot.state {
                SlotState::OnTime => counts.on_time += 1,
                SlotState::Superseded if slot.filled_at.is_some_and(|at| at <= slot.due) => counts.on_time += 1,
                SlotState::Late | SlotState::Superseded => counts.late += 1,
                SlotState::Missed | SlotState::Stale => counts.missed += 1,
                SlotState::Rejected => counts.rejected += 1,
                SlotState::Expected | SlotState::Planned | SlotState::Paused | SlotState::Unknown => continue,
            }
            counts.expected += 1;
        }
        counts
    }
}

/// How the whole system stands.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct SummaryPage {
    /// When this was true.
    pub made_at: Timestamp,
    /// One sentence.
    pub headline: String,
    /// Providers whose figures are current.
    pub current: usize,
    /// Providers in all.
    pub providers: usize,
    /// What is wrong on the receiving side, such as a warehouse that cannot be reached; a sentence each.
    pub notices: Vec<String>,
    /// The feeds, worst first.
    pub feeds: Vec<FeedRow>,
    /// Keys and agreements that end soon or have ended, soonest first; each is a notice too.
    pub expiries: Vec<Expiry>,
    /// The clients that log in: which key they use, which host key they last accepted, and whether they need
    /// `compatibility`.
    pub clients: Vec<ClientSeen>,
}

impl SummaryPage {
    /// Sorts the feeds, worst first, and says how they stand in all.
    #[must_use]
    pub fn new(mut feeds: Vec<FeedRow>, notices: Vec<String>, made_at: Timestamp) -> Self {
        feeds.sort_by(|a, b| worst_first(a).cmp(&worst_first(b)));
        let current = feeds.iter().filter(|feed| feed.freshness == Freshness::Current).count();
        let attention = feeds.iter().filter(|feed| feed.needs_attention()).count();
        let providers = feeds.len();
        let headline = match attention {
            0 => format!("No feed needs attention. {current} of {providers} providers current."),
            1 => format!("1 feed needs attention. {current} of {providers} providers current."),
            _ => format!("{attention} feeds need attention. {current} of {providers} providers current."),
        };
        Self { made_at, headline, current, providers, notices, feeds, expiries: Vec::new(), clients: Vec::new() }
    }

    /// Adds what ends soon, each with a notice.
    #[must_use]
    pub fn with_expiries(mut self, expiries: Vec<Expiry>) -> Self {
        self.notices.extend(expiries.iter().map(|expiry| expiry.text.clone()));
        self.expiries = expiries;
        self
    }

    /// Adds the clients that log in.
    #[must_use]
    pub fn with_clients(mut self, clients: Vec<ClientSeen>) -> Self {
        self.clients = clients;
        self
    }
}

impl FeedRow {
    /// Whether somebody should look at this feed.
    #[must_use]
    pub fn needs_attention(&self) -> bool {
        self.condition.needs_attention(self.light)
    }

    /// One feed's row, as seen at `now`.
    #[must_use]
    pub fn new(facts: FeedFacts<'_>, now: Timestamp) -> Self {
        let standing = facts.standing;
        let newest = standing.newest_accepted;
        let condition = Condition::of(standing);
        let marked_test = facts.newest_marked_test;
        let warnings = |report: &Report| report.findings.count_at(Severity::Warning);
        Self {
            provider: facts.provider.clone(),
            name: facts.name.to_owned(),
            kind: facts.kind,
            light: standing.light,
            condition,
            state: state(&facts, condition),
            newest_marked_test: marked_test,
            freshness: standing.freshness,
            newest_slot: newest.map(|newest| newest.slot),
            newest_snapshot_at: newest.map(|newest| newest.snapshot_at),
            age_seconds: newest.map(|newest| now.duration_since(newest.snapshot_at).as_secs()),
            last_accepted_at: standing.last_accepted_at,
            next_due: standing.next_due,
            late_since: standing.late_since.map(|since| since.at),
            behind: standing.behind,
            last_day: DayCounts::of(standing),
            grid: standing.slots.iter().map(|slot| slot.state.symbol()).collect(),
            rows_rejected: facts.newest_report.map(|report| report.rows.rejected),
            warnings: facts.newest_report.map(warnings),
            mapping: facts.newest_report.and_then(|report| report.mapping.clone()),
            wards_awaiting_approval: facts.newest_figures.map(|report| report.unknown_wards.clone()).unwrap_or_default(),
            last_problem: facts.last_problem,
            silence: facts.silence.cloned(),
            acknowledged: facts.acknowledged,
        }
    }
}

/// What is added where a sender's own mark keeps its files from being loaded.
const TESTS_COME: &str = " Its newest file is marked TEST, and so was not loaded.";

fn worst_first(feed: &FeedRow) -> (Light, bool, std::cmp::Reverse<u32>, &ProviderCode) {
    (feed.light, !feed.needs_attention(), std::cmp::Reverse(feed.behind), &feed.provider)
}

/// What is said of a feed: how it stands, and what people said about that. Two alerts that one person sees to with one word are
/// told of once.
fn state(facts: &FeedFacts<'_>, condition: Condition) -> String {
    let stands = match (condition, facts.silence) {
        (Condition::Planned | Condition::Paused, Some(silence)) => silence.told(facts.zone),
        _ => sentence(condition, facts.standing.behind),
    };
    let mut told: Vec<String> = facts.acknowledged.iter().map(|alert| alert.told(facts.zone)).collect();
    told.sort();
    told.dedup();
    let marked = if facts.newest_marked_test { TESTS_COME } else { "" };
    std::iter::once(format!("{stands}{marked}")).chain(told).collect::<Vec<_>>().join(" ")
}

fn sentence(condition: Condition, behind: u32) -> String {
    let slots = match behind {
        0 => "the newest due slot has a good file".to_owned(),
        1 => "no good file for the newest due slot".to_owned(),
        _ => format!("no good file for the {behind} newest due slots"),
    };
    match condition {
        Condition::Missed => format!("No file comes: {slots}."),
        Condition::Rejected => format!("The newest file was set aside; {slots}."),
        Condition::Late => format!("A file is overdue: {slots}."),
        Condition::Stale => "Files come, but their figures are old.".to_owned(),
        Condition::Frozen => "Files come in time, but their figures do not move.".to_owned(),
        Condition::AwaitingFirst => "Its first file is not here yet.".to_owned(),
        Condition::Planned => "Planned downtime: no file is expected.".to_owned(),
        Condition::Paused => "Paused: no file is expected until support resumes it.".to_owned(),
        Condition::OnTime => "Files come in time.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::AnnouncedKind;
    use crate::schedule::{Arrival, FeedSchedule, Silence, judge};

    fn at(clock: &str) -> Timestamp {
        format!("2018-12-03T{clock}:00Z").parse().unwrap()
    }

    fn slot(clock: &str) -> Slot {
        Slot::containing(at(clock))
    }

    /// What came: for which slot, when, and whether it was accepted.
    type Came<'a> = &'a [(&'a str, &'a str, bool)];

    fn row(code: &str, came: Came<'_>, silences: &[Silence], now: &str) -> FeedRow {
        row_after(false, code, came, silences, now)
    }

    fn row_after(newest_marked_test: bool, code: &str, came: Came<'_>, silences: &[Silence], now: &str) -> FeedRow {
        let provider: ProviderCode = code.parse().unwrap();
        let one = |(place, received, accepted): &(&str, &str, bool)| Arrival {
            slot: Some(slot(place)),
            snapshot_at: Some(at(place)),
            received_at: at(received),
            accepted: *accepted,
            superseded: false,
            repeated: false,
            frozen: false,
        };
        let arrivals: Vec<Arrival> = came.iter().map(one).collect();
        let standing = judge(&FeedSchedule::new(provider.clone()), slot("10:00"), silences, &arrivals, at(now));
        let facts = FeedFacts {
            provider: &provider,
            name: "A provider",
            kind: ProviderKind::Acute,
            standing: &standing,
            newest_report: None,
            newest_marked_test,
            newest_figures: None,
            last_problem: None,
            silence: None,
            acknowledged: Vec::new(),
            zone: &TimeZone::UTC,
        };
        FeedRow::new(facts, at(now))
    }

    #[test]
    fn what_people_said_is_told_with_the_state() {
        let provider: ProviderCode = "RM1".parse().unwrap();
        let (by, reason) = ("Jo Bloggs".to_owned(), "server move".to_owned());
        let silence = Announced {
            id: 7,
            provider: provider.clone(),
            kind: AnnouncedKind::Planned,
            from: at("10:00"),
            until: Some(at("12:00")),
            reason,
            by,
            at: at("09:00"),
            ended: None,
        };
        let alert = |key: &str, by: &str| AcknowledgedAlert {
            key: key.to_owned(),
            by: by.to_owned(),
            reason: "rang the trust".to_owned(),
            at: at("10:30"),
            until: None,
        };
        let both = vec![alert("RM1/late/1", "Ann"), alert("RM1/missed/1", "Ann")];
        let seen_to = "Seen to by Ann since Mon 3 Dec 2018 10:30 UTC: rang the trust.";
        // What covers now, who sees to what, and the sentences.
        let rows = [
            (
                Some(&silence),
                vec![],
                Light::Grey,
                "Planned downtime until Mon 3 Dec 2018 12:00 UTC: server move (by Jo Bloggs).".to_owned(),
            ),
            (None, vec![], Light::Red, "No file comes: no good file for the 4 newest due slots.".to_owned()),
            (None, both, Light::Red, format!("No file comes: no good file for the 4 newest due slots. {seen_to}")),
        ];
        for (silence, acknowledged, light, state) in rows {
            let stretches: Vec<Silence> = silence.and_then(Silence::announced).into_iter().collect();
            let standing = judge(&FeedSchedule::new(provider.clone()), slot("10:00"), &stretches, &[], at("10:51"));
            let facts = FeedFacts {
                provider: &provider,
                name: "A provider",
                kind: ProviderKind::Acute,
                standing: &standing,
                newest_report: None,
                newest_marked_test: false,
                newest_figures: None,
                last_problem: None,
                silence,
                acknowledged,
                zone: &TimeZone::UTC,
            };
            let row = FeedRow::new(facts, at("10:51"));
            assert_eq!((row.light, row.state.as_str()), (light, state.as_str()));
            let json = serde_json::to_value(&row).unwrap();
            assert_eq!(json["silence"]["by"].as_str(), silence.map(|_| "Jo Bloggs"));
        }
    }

    #[test]
    fn a_feeds_condition_is_the_worst_that_is_true() {
        let paused = [Silence { from: at("10:00"), until: None, kind: SilenceKind::Paused }];
        let rows: [(Came<'_>, &str, Condition, &str); 6] = [
            (&[("10:00", "10:02", true)], "10:04", Condition::OnTime, "Files come in time."),
            (&[], "10:04", Condition::AwaitingFirst, "Its first file is not here yet."),
            (&[], "10:06", Condition::Late, "A file is overdue: no good file for the newest due slot."),
            (&[], "10:51", Condition::Missed, "No file comes: no good file for the 4 newest due slots."),
            (
                &[("10:00", "10:02", false)],
                "10:06",
                Condition::Rejected,
                "The newest file was set aside; no good file for the newest due slot.",
            ),
            (&[("10:00", "10:02", true)], "10:31", Condition::Late, "A file is overdue: no good file for the newest due slot."),
        ];
        for (came, now, condition, state) in rows {
            let row = row("RM1", came, &[], now);
            assert_eq!((row.condition, row.state.as_str()), (condition, state), "{came:?} at {now}");
        }
        assert_eq!(row("RM1", &[], &paused, "12:00").condition, Condition::Paused);
        let over = [Silence { from: at("10:30"), until: Some(at("11:00")), kind: SilenceKind::Planned }];
        let state = "A file is overdue: no good file for the 2 newest due slots.";
        assert_eq!(row("RM1", &[], &over, "11:01").state, state, "it was silent before the downtime, and still is");
        let row = row_after(true, "RM1", &[], &[], "10:51");
        let state = "No file comes: no good file for the 4 newest due slots. Its newest file is marked TEST, and so was not loaded.";
        assert_eq!((row.state.as_str(), row.newest_marked_test), (state, true));
    }

    #[test]
    fn the_worst_feed_comes_first_and_the_headline_counts() {
        let now = "10:51";
        let good: Came<'_> = &[("10:45", "10:47", true)];
        let feeds = vec![
            row("AAA", good, &[], now),
            row("BBB", &[("10:15", "10:16", true)], &[], now),
            row("CCC", &[], &[], now),
            row("DDD", good, &[], now),
        ];
        let page = SummaryPage::new(feeds, Vec::new(), at(now));
        let order: Vec<&str> = page.feeds.iter().map(|feed| feed.provider.as_str()).collect();
        assert_eq!(order, ["CCC", "BBB", "AAA", "DDD"]);
        assert_eq!(page.headline, "2 feeds need attention. 2 of 4 providers current.");
    }

    #[test]
    fn a_feed_that_never_sent_has_no_age() {
        let silent = row("RM1", &[], &[], "10:21");
        let json = serde_json::to_value(&silent).unwrap();
        assert_eq!(json["age_seconds"], serde_json::Value::Null);
        assert_eq!((json["grid"].as_str(), json["light"].as_str()), (Some("ML"), Some("amber")));
        assert_eq!(json["condition"], "missed");
        assert_eq!(silent.last_day, DayCounts { expected: 2, late: 1, missed: 1, ..DayCounts::default() });
        assert_eq!(row("RM1", &[("10:00", "10:02", true)], &[], "10:21").age_seconds, Some(21 * 60));
    }
}
