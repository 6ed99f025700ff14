//! The feed health page: one row for each feed, worst first.

use super::beds::freshness_label;
use super::html::{Html, age_text};
use crate::feed::{UnknownWard, local_text};
use crate::health::summary::{FeedRow, SummaryPage};
use crate::schedule::Light;
use jiff::tz::TimeZone;

/// The page at `/`; times are local to `zone`.
#[must_use]
pub fn feed_health_page(summary: &SummaryPage, zone: &TimeZone) -> String {
    let mut page = Html::page("Feed health", "Feed health");
    page.raw("<p role=\"status\">").text(&summary.headline).raw("</p>\n<p>As of ").text(&local_text(summary.made_at, zone)).raw("</p>\n");
    for notice in summary.notices.iter().take(10) {
        page.raw("<p class=\"notice\"><span aria-hidden=\"true\">\u{25a0}</span> ").text(notice).raw("</p>\n");
    }
    let columns = ["Provider", "State", "What it means", "Figures of", "Age", "Next file due", "Last 24 h", "Last problem"];
    page.table("Feeds, worst first", &columns, &summary.feeds, |page, feed| row(page, feed, zone));
    grids(&mut page, &summary.feeds);
    wards(&mut page, &summary.feeds);
    if !summary.clients.is_empty() {
        clients(&mut page, summary, zone);
    }
    page.finish()
}

/// Wards that somebody must put into the register, or tell the provider about; nothing where there are none.
fn wards(page: &mut Html, feeds: &[FeedRow]) {
    let waiting: Vec<(&FeedRow, &UnknownWard)> =
        feeds.iter().flat_map(|feed| feed.wards_awaiting_approval.iter().map(move |ward| (feed, ward))).collect();
    if waiting.is_empty() {
        return;
    }
    page.raw("<h2>Wards awaiting approval</h2><p>Their beds count for the organisation and its site, under no ward type. Put them ");
    page.raw("into the register, or tell the provider.</p>\n");
    page.table("Wards that are not registered", &["Provider", "Site", "Ward", "Beds"], &waiting, |page, (feed, ward)| {
        page.raw("<th scope=\"row\">").text(feed.provider.as_str()).raw("</th>");
        page.cell(&ward.site).cell(&ward.ward).cell(&ward.beds.to_string());
    });
}

fn clients(page: &mut Html, summary: &SummaryPage, zone: &TimeZone) {
    page.raw("<h2>Clients</h2><p>The newest use of each key, program and host key; noted once a day.</p>\n");
    let columns = ["Provider", "Key of", "Program", "Key exchange", "Accepted host key", "Last noted", "Note"];
    page.table("Clients that log in", &columns, &summary.clients, |page, client| {
        page.raw("<th scope=\"row\">").text(client.provider.as_str()).raw("</th>");
        page.cell(&client.key_owner).cell(client.program()).cell(&client.negotiated.kex).cell(&client.host_key);
        page.time(Some(client.at), "", zone);
        page.cell(&client.notes().join(", "));
    });
}

/// A state as colour, shape and word.
pub(super) fn light_tag(page: &mut Html, light: Light, words: &str) {
    match light {
        Light::Red => page.raw("<span class=\"tag red\"><span aria-hidden=\"true\">\u{25a0}</span> Red</span> "),
        Light::Amber => page.raw("<span class=\"tag amber\"><span aria-hidden=\"true\">\u{25b2}</span> Amber</span> "),
        Light::Green => page.raw("<span class=\"tag green\"><span aria-hidden=\"true\">\u{25cf}</span> Green</span> "),
        Light::Grey => page.raw("<span class=\"tag grey\"><span aria-hidden=\"true\">\u{25cb}</span> Grey</span> "),
    };
    page.text(words);
}

fn row(page: &mut Html, feed: &FeedRow, zone: &TimeZone) {
    page.raw("<th scope=\"row\"><a href=\"/beds/").text(feed.provider.as_str()).raw("\">").text(feed.provider.as_str());
    page.raw("</a> ").text(&feed.name).raw("</th><td>");
    light_tag(page, feed.light, feed.condition.words());
    page.raw("</td>").cell(&feed.state);
    page.time(feed.newest_snapshot_at, "none yet", zone);
    page.cell(&format!("{}{}", age_text(feed.age_seconds), freshness_label(feed.freshness)));
    page.time(feed.next_due, "not while paused", zone);
    let day = feed.last_day;
    page.cell(&format!("{} of {} on time, {} late, {} missed, {} rejected", day.on_time, day.expected, day.late, day.missed, day.rejected));
    page.cell(feed.last_problem.as_deref().unwrap_or("none"));
}

fn grids(page: &mut Html, feeds: &[FeedRow]) {
    page.raw("<h2>Slot by slot</h2><p>The last 24 hours, oldest first, one sign for each quarter of an hour: ");
    page.raw("<code>.</code> on time, <code>L</code> late, <code>M</code> missed, <code>R</code> rejected, <code>s</code> replaced by ");
    page.raw("a later version, <code>p</code> planned downtime, <code>z</code> paused, <code>-</code> not due.</p>\n");
    page.table("Slots of the last 24 hours", &["Provider", "Slots"], feeds, |page, feed| {
        page.raw("<th scope=\"row\">").text(feed.provider.as_str()).raw("</th><td><code>").text(&feed.grid).raw("</code></td>");
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::{ClientSeen, LONDON, Negotiated, ProviderCode, ProviderKind, Slot};
    use crate::health::pages::MAX_PAGE_BYTES;
    use crate::health::summary::FeedFacts;
    use crate::schedule::{FeedSchedule, judge};

    fn page(name: &str, problem: Option<&str>, count: usize) -> String {
        let now = "2018-12-03T10:51:00Z".parse().unwrap();
        let provider: ProviderCode = "RM1".parse().unwrap();
        let first = Slot::containing("2018-12-02T10:00:00Z".parse().unwrap());
        let standing = judge(&FeedSchedule::new(provider.clone()), first, &[], &[], now);
        let facts = FeedFacts {
            provider: &provider,
            name,
            kind: ProviderKind::Acute,
            standing: &standing,
            newest_report: None,
            newest_marked_test: false,
            newest_figures: None,
            last_problem: problem.map(str::to_owned),
            silence: None,
            acknowledged: Vec::new(),
            zone: &TimeZone::UTC,
        };
        let feeds = vec![FeedRow::new(facts, now); count];
        feed_health_page(&SummaryPage::new(feeds, vec!["The warehouse <down>".into()], now), &TimeZone::get(LONDON).unwrap())
    }

    #[test]
    fn names_and_problems_are_escaped() {
        let page = page("<script>alert(1)</script>", Some("column <b>\"Ward\"</b>"), 1);
        assert!(!page.contains("<script") && !page.contains("<b>") && !page.contains("<down>"));
        assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    }

    #[test]
    fn clients_are_shown_with_what_stands_in_the_way_of_stricter_settings_and_escaped() {
        let now = "2018-12-03T10:51:00Z".parse().unwrap();
        let client = ClientSeen {
            provider: "RM1".parse().unwrap(),
            key: "SHA256:key".to_owned(),
            key_owner: "night job".to_owned(),
            software: "SSH-2.0-<b>old</b>".to_owned(),
            host_key: "ssh-ed25519 SHA256:host".to_owned(),
            negotiated: Negotiated { kex: "ecdh-sha2-nistp256".to_owned(), ..Negotiated::unknown() },
            needs_compatibility: true,
            at: now,
        };
        let summary = SummaryPage::new(Vec::new(), Vec::new(), now).with_clients(vec![client]);
        let page = feed_health_page(&summary, &TimeZone::get(LONDON).unwrap());
        assert!(page.contains("&lt;b&gt;old&lt;/b&gt;") && !page.contains("<b>"), "{page}");
        assert!(page.contains("needs compatibility, not post-quantum, no strict key exchange"), "{page}");
        crate::health::pages::tests::assert_balanced(&page);
    }

    #[test]
    fn a_state_is_a_colour_a_shape_and_words_and_an_age_that_is_missing_is_not_known() {
        let page = page("Norfolk and Norwich", None, 1);
        for part in [
            "tag red",
            "\u{25a0}",
            "Red</span> missed",
            "<td>none yet</td>",
            "<td>not known, not current</td>",
            "<caption>",
            "scope=\"row\"",
        ] {
            assert!(page.contains(part), "{part} in {page}");
        }
        assert!(page.contains("1 feed needs attention. 0 of 1 providers current."));
        crate::health::pages::tests::assert_balanced(&page);
    }

    #[test]
    fn many_feeds_still_make_a_bounded_page() {
        let page = page(&"&".repeat(300), Some(&"\"".repeat(300)), 500);
        assert!(page.len() < MAX_PAGE_BYTES, "{}", page.len());
    }
}
