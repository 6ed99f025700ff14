//! Metrics in the Prometheus text format: few, with bounded labels (providers, their keys, outcomes and reasons only).

use super::summary::{FeedRow, SummaryPage};
use crate::feed::{LONDON, Term, TermOf};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// One family of metrics of another room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Family {
    /// Its full name.
    pub name: &'static str,
    /// What it says, in a sentence.
    pub help: &'static str,
    /// Whether it only grows.
    pub kind: FamilyKind,
    /// Its samples.
    pub samples: Vec<Sample>,
}

/// What sort of metric a family is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FamilyKind {
    /// It only grows, and starts from zero with the process.
    Counter,
    /// It goes up and down.
    Gauge,
}

/// One value of a family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Names and values of its labels; none for a family with one value.
    pub labels: Vec<(&'static str, String)>,
    /// The value.
    pub value: i128,
}

impl FamilyKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
        }
    }
}

impl Family {
    /// A family with one value.
    #[must_use]
    pub fn of_one(name: &'static str, kind: FamilyKind, help: &'static str, value: u64) -> Self {
        Self { name, help, kind, samples: vec![Sample { labels: Vec::new(), value: value.into() }] }
    }

    /// A gauge that says when something happened last; none where it never did.
    #[must_use]
    pub fn at_instant(name: &'static str, help: &'static str, at: Option<Timestamp>) -> Option<Self> {
        at.map(|at| Self::gauge(name, help, vec![Sample { labels: Vec::new(), value: at.as_second().into() }]))
    }

    /// A gauge for each of some things that have names; none where there are no such things.
    #[must_use]
    pub fn by_name(
        name: &'static str,
        help: &'static str,
        label: &'static str,
        values: impl Iterator<Item = (String, usize)>,
    ) -> Option<Self> {
        let sample =
            |(named, value): (String, usize)| Sample { labels: vec![(label, named)], value: i128::try_from(value).unwrap_or(i128::MAX) };
        let samples: Vec<Sample> = values.map(sample).collect();
        (!samples.is_empty()).then_some(Self { name, help, kind: FamilyKind::Gauge, samples })
    }

    /// A counter for each reason of a closed list.
    #[must_use]
    pub fn by_reason(name: &'static str, help: &'static str, counts: &[(&'static str, u64)]) -> Self {
        let sample = |(reason, count): &(&'static str, u64)| Sample::of(&[("reason", reason)], (*count).into());
        Self { name, help, kind: FamilyKind::Counter, samples: counts.iter().map(sample).collect() }
    }

    fn gauge(name: &'static str, help: &'static str, samples: Vec<Sample>) -> Self {
        Self { name, help, kind: FamilyKind::Gauge, samples }
    }

    fn render(&self) -> String {
        let Self { name, help, kind, samples } = self;
        let lines = samples.iter().map(|sample| sample.render(name)).collect::<String>();
        format!("# HELP {name} {help}\n# TYPE {name} {}\n{lines}", kind.as_str())
    }
}

impl Sample {
    fn of(labels: &[(&'static str, &str)], value: i128) -> Self {
        Self { labels: labels.iter().map(|(name, text)| (*name, (*text).to_owned())).collect(), value }
    }

    fn render(&self, family: &str) -> String {
        let label = |(name, text): &(&'static str, String)| format!("{name}=\"{}\"", escape(text));
        let labels: Vec<String> = self.labels.iter().map(label).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        format!("{family}{labels} {}\n", self.value)
    }
}

/// A label's value as the text format wants it: owners of keys are written by people.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Renders the metrics. `counted` are families of other rooms.
pub(super) fn render(summary: &SummaryPage, outcomes: &[(String, u64)], terms: &[Term], counted: &[Family]) -> String {
    let build = Sample::of(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    let by_outcome = outcomes.iter().map(|(outcome, count)| Sample::of(&[("outcome", outcome)], (*count).into())).collect();
    let feeds = |value: &dyn Fn(&FeedRow) -> Option<i64>| -> Vec<Sample> {
        let sample = |feed: &FeedRow| Some(Sample::of(&[("feed", feed.provider.as_str())], value(feed)?.into()));
        summary.feeds.iter().filter_map(sample).collect()
    };
    let mut families = vec![
        Family::gauge("bedfeed_build_info", "bedfeed's version.", vec![build]),
        Family::gauge("bedfeed_deliveries", "Deliveries in the ledger by how they ended; pending ones have not.", by_outcome),
        Family::gauge(
            "bedfeed_feed_due_timestamp_seconds",
            "When the feed's next file is due; of a feed that is late, when the first file that is missing was.",
            feeds(&|feed| feed.late_since.or(feed.next_due).map(|at| at.as_second())),
        ),
        Family::gauge(
            "bedfeed_feed_last_snapshot_timestamp_seconds",
            "When the feed's newest accepted figures were true.",
            feeds(&|feed| feed.newest_snapshot_at.map(|at| at.as_second())),
        ),
        Family::gauge(
            "bedfeed_feed_slots_behind",
            "Due slots in a row without an accepted file.",
            feeds(&|feed| Some(i64::from(feed.behind))),
        ),
        Family::gauge(
            "bedfeed_feed_silenced",
            "1 while downtime is planned for the feed, or it is paused.",
            feeds(&|feed| Some(i64::from(feed.silence.is_some()))),
        ),
    ];
    families.extend(ends(terms));
    families.iter().chain(counted).map(Family::render).collect()
}

/// Messages that wait for each channel; nought where none does, so that a rule has something to look at.
pub(super) fn outbox(channels: &[String], pending: &[(String, u64)]) -> Option<Family> {
    let waiting = |name: &String| pending.iter().find(|(channel, _)| channel == name).map_or(0, |(_, count)| *count);
    let counts = channels.iter().map(|name| (name.clone(), usize::try_from(waiting(name)).unwrap_or(usize::MAX)));
    Family::by_name(
        "bedfeed_outbox_pending",
        "Alerts that wait for their channel; not those that wait for quiet hours to end.",
        "channel",
        counts,
    )
}

/// When keys and agreements end; those without an end have no sample.
fn ends(terms: &[Term]) -> [Family; 2] {
    let (mut keys, mut agreements) = (Vec::new(), Vec::new());
    for term in terms {
        let (Some(value), feed) = (midnight(term.ends), term.provider.as_str()) else { continue };
        match &term.what {
            TermOf::Key { owner, fingerprint } => keys.push(Sample::of(&[("feed", feed), ("owner", owner), ("key", fingerprint)], value)),
            TermOf::Password { owner } => keys.push(Sample::of(&[("feed", feed), ("owner", owner), ("key", "password")], value)),
            TermOf::Agreement => agreements.push(Sample::of(&[("feed", feed)], value)),
        }
    }
    [
        Family::gauge("bedfeed_key_expires_timestamp_seconds", "When a key or the password of the feed's account stops working.", keys),
        Family::gauge("bedfeed_agreement_ends_timestamp_seconds", "When the feed's sharing agreement is over.", agreements),
    ]
}

/// The start of a day in London.
fn midnight(day: Date) -> Option<i128> {
    let zone = TimeZone::get(LONDON).unwrap_or(TimeZone::UTC);
    day.to_zoned(zone).ok().map(|start| start.timestamp().as_second().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(terms: &[Term], counted: &[Family]) -> String {
        let summary = SummaryPage::new(Vec::new(), Vec::new(), "2018-12-03T10:15:00Z".parse().unwrap());
        render(&summary, &[("loaded".to_owned(), 7)], terms, counted)
    }

    #[test]
    fn every_family_says_what_it_is_before_its_samples() {
        let text = rendered(
            &[],
            &[
                Family::of_one("bedfeed_sftp_logins_total", FamilyKind::Counter, "Logins.", 3),
                Family::by_reason("bedfeed_sftp_connections_closed_total", "Ended.", &[("left", 2), ("idle", 0)]),
            ],
        );
        assert!(text.contains("# TYPE bedfeed_deliveries gauge\nbedfeed_deliveries{outcome=\"loaded\"} 7\n"), "{text}");
        assert!(text.contains("# TYPE bedfeed_sftp_logins_total counter\nbedfeed_sftp_logins_total 3\n"), "{text}");
        let by_reason = "# TYPE bedfeed_sftp_connections_closed_total counter\n\
            bedfeed_sftp_connections_closed_total{reason=\"left\"} 2\nbedfeed_sftp_connections_closed_total{reason=\"idle\"} 0\n";
        assert!(text.ends_with(by_reason), "{text}");
    }

    #[test]
    fn a_key_ends_at_midnight_in_london_and_its_owner_may_be_written_in_any_way() {
        let what = TermOf::Key { owner: "the \"night\" job \\ 2".to_owned(), fingerprint: "SHA256:abc".to_owned() };
        let key = Term { provider: "RM1".parse().unwrap(), what, ends: "2018-07-01".parse().unwrap() };
        let agreement = Term { what: TermOf::Agreement, ..key.clone() };
        let text = rendered(&[key, agreement], &[]);
        let line = r#"bedfeed_key_expires_timestamp_seconds{feed="RM1",owner="the \"night\" job \\ 2",key="SHA256:abc"} 1530399600"#;
        assert!(text.contains(line), "{text}");
        assert!(text.contains("bedfeed_agreement_ends_timestamp_seconds{feed=\"RM1\"} 1530399600\n"), "{text}");
    }
}
