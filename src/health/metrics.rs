//! Metrics in the Prometheus text format: few, with bounded labels (providers and outcomes only).

use super::summary::SummaryPage;

/// Renders the metrics. `counted` are counters of other rooms: full name, help, value.
pub(super) fn render(summary: &SummaryPage, outcomes: &[(String, u64)], counted: &[(&'static str, &'static str, u64)]) -> String {
    let mut text = String::new();
    let mut family = |name: &str, kind: &str, help: &str, samples: &[(String, String)]| {
        let lines = samples.iter().map(|(labels, value)| format!("{name}{labels} {value}\n")).collect::<String>();
        text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n{lines}"));
    };
    let version = format!("{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"));
    family("bedfeed_build_info", "gauge", "bedfeed's version.", &[(version, "1".to_owned())]);
    let by_outcome: Vec<_> = outcomes.iter().map(|(outcome, count)| (format!("{{outcome=\"{outcome}\"}}"), count.to_string())).collect();
    family("bedfeed_deliveries", "gauge", "Deliveries in the ledger by how they ended; pending ones have not.", &by_outcome);
    let feeds = |value: &dyn Fn(&super::summary::FeedRow) -> Option<i64>| -> Vec<(String, String)> {
        let sample = |feed: &super::summary::FeedRow| Some((format!("{{feed=\"{}\"}}", feed.provider), value(feed)?.to_string()));
        summary.feeds.iter().filter_map(sample).collect()
    };
    let due = feeds(&|feed| feed.next_due.map(|at| at.as_second()));
    family("bedfeed_feed_due_timestamp_seconds", "gauge", "When the feed's next file is due.", &due);
    let newest = feeds(&|feed| feed.newest_snapshot_at.map(|at| at.as_second()));
    family("bedfeed_feed_last_snapshot_timestamp_seconds", "gauge", "When the feed's newest accepted figures were true.", &newest);
    let behind = feeds(&|feed| Some(i64::from(feed.behind)));
    family("bedfeed_feed_slots_behind", "gauge", "Due slots in a row without an accepted file.", &behind);
    for (name, help, value) in counted {
        family(name, "counter", help, &[(String::new(), value.to_string())]);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_says_what_it_is_before_its_samples() {
        let summary = SummaryPage::new(Vec::new(), Vec::new(), "2018-12-03T10:15:00Z".parse().unwrap());
        let text = render(&summary, &[("loaded".to_owned(), 7)], &[("bedfeed_sftp_logins_total", "Logins.", 3)]);
        assert!(text.contains("# TYPE bedfeed_deliveries gauge\nbedfeed_deliveries{outcome=\"loaded\"} 7\n"), "{text}");
        assert!(text.ends_with("# TYPE bedfeed_sftp_logins_total counter\nbedfeed_sftp_logins_total 3\n"), "{text}");
    }
}
