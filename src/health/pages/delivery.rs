//! One delivery's page: what came, what was found, and what became of it.

use super::html::Html;
use crate::feed::{Delivery, Finding, Report, Stage, ToldTotals, local_text};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// One thing that happened to a delivery.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct DeliveryEvent {
    /// When.
    pub at: Timestamp,
    /// What, in one sentence, without a value from the file.
    pub text: String,
}

/// What is known of one delivery.
#[derive(Clone, Debug)]
pub struct DeliveryView<'a> {
    /// What came.
    pub delivery: &'a Delivery,
    /// The provider's name.
    pub provider_name: &'a str,
    /// Where it stands.
    pub stage: &'a Stage,
    /// What its assessment concluded.
    pub report: Option<&'a Report>,
    /// What happened to it, oldest first.
    pub events: &'a [DeliveryEvent],
}

/// The page at `/deliveries/ID`; times are local to `zone`.
#[must_use]
pub fn delivery_page(view: &DeliveryView<'_>, zone: &TimeZone) -> String {
    let delivery = view.delivery;
    let mut page = Html::page("Delivery", &delivery.name.shown());
    page.raw("<p role=\"status\">").text(stage_words(view.stage, view.report.is_some_and(|report| report.marked_test))).raw("</p>\n<dl>");
    page.term("Delivery", &delivery.id.to_string());
    page.term("Provider", &format!("{} {}", delivery.provider, view.provider_name));
    page.term("Folder", delivery.folder.as_str());
    page.term("Received", &local_text(delivery.received_at, zone));
    page.term("Bytes", &delivery.bytes.to_string());
    page.term("SHA-256", &delivery.sha256.to_string());
    page.term("Sent from", &delivery.sender.address.to_string());
    page.term("Client", &delivery.sender.software);
    page.term("Key", &format!("{} ({})", delivery.sender.key_owner, delivery.sender.key));
    stage_terms(&mut page, view.stage, zone);
    page.raw("</dl>\n");
    if let Some(report) = view.report {
        assessment(&mut page, report, zone);
    }
    page.table("What happened", &["When", "What"], view.events, |page, event| {
        page.time(Some(event.at), "", zone).cell(&event.text);
    });
    page.finish()
}

/// `marked_test`: the sender's own mark makes it a test, whatever the folder.
fn stage_words(stage: &Stage, marked_test: bool) -> &'static str {
    match stage {
        Stage::Landed => "Received and safe; not looked at yet.",
        Stage::Waiting { .. } => "Waiting for the other parts of its set.",
        Stage::Ready { attempts: 0, .. } => "Accepted; being loaded.",
        Stage::Ready { .. } => "Accepted; loading has failed so far and is tried again.",
        Stage::Loaded { .. } => "Loaded.",
        Stage::Quarantined { sealed: true, .. } => "Set aside and sealed: it has something that identifies a person.",
        Stage::Quarantined { discarded: true, .. } => "Set aside; support has decided that it will not be loaded.",
        Stage::Quarantined { .. } => "Set aside: it was not loaded.",
        Stage::HandedBack { .. } => "Set aside, and handed back to its sender to be mended.",
        Stage::Duplicate { .. } => "The same content was accepted before; nothing was loaded twice.",
        Stage::Tested { accepted: true } if marked_test => {
            "Marked TEST by its sender: without that it would have been accepted. Nothing was loaded."
        }
        Stage::Tested { accepted: false } if marked_test => {
            "Marked TEST by its sender: without that it would have been rejected. Nothing was loaded."
        }
        Stage::Tested { accepted: true } => "A test: it would have been accepted. Nothing was loaded.",
        Stage::Tested { accepted: false } => "A test: it would have been rejected. Nothing was loaded.",
    }
}

fn stage_terms(page: &mut Html, stage: &Stage, zone: &TimeZone) {
    match stage {
        Stage::Landed | Stage::Quarantined { .. } | Stage::Tested { .. } => {}
        Stage::HandedBack { mend, .. } => {
            if let Some(mend) = mend {
                page.term("To be mended", mend);
            }
        }
        Stage::Waiting { set, part, until } => {
            page.term("Part", part).term("Set", set).term("Waits until", &local_text(*until, zone));
        }
        Stage::Ready { snapshot, attempts, retry_at } => {
            page.term("Slot", &local_text(snapshot.slot.start(), zone)).term("Version", &snapshot.version.to_string());
            page.term("Failed loads", &attempts.to_string()).term("Next try", &local_text(*retry_at, zone));
        }
        Stage::Loaded { snapshot } => {
            page.term("Slot", &local_text(snapshot.slot.start(), zone)).term("Version", &snapshot.version.to_string());
        }
        Stage::Duplicate { of } => {
            page.raw("<dt>Repeats</dt><dd><a href=\"/deliveries/")
                .text(&of.to_string())
                .raw("\">")
                .text(&of.to_string())
                .raw("</a></dd>\n");
        }
    }
}

/// Beds and waiting patients in words; a sum that the feed does not tell of is never shown as nought (P10).
fn sums(told: &ToldTotals) -> (String, String) {
    let not_sent = || "not sent by this feed".to_owned();
    let beds = match (told.open, told.occupied, told.empty, told.closed) {
        (Some(open), Some(occupied), Some(empty), Some(closed)) => {
            format!("{open} open: {occupied} occupied, {empty} empty; {closed} closed")
        }
        _ => not_sent(),
    };
    let waiting = told.demand.zip(told.demand_not_in_bed);
    (beds, waiting.map_or_else(not_sent, |(demand, not_in_bed)| format!("{demand}: {not_in_bed} not in a bed now")))
}

fn assessment(page: &mut Html, report: &Report, zone: &TimeZone) {
    page.raw("<h2>Assessment</h2><dl>");
    let unknown = || "not known".to_owned();
    page.term("Figures of", &report.snapshot_at.map_or_else(unknown, |at| local_text(at, zone)));
    page.term("Mapping", report.mapping.as_deref().unwrap_or("none"));
    page.term("Rows", &report.rows.in_words());
    let (beds, waiting) = report.told().map_or_else(|| (unknown(), unknown()), |told| sums(&told));
    page.term("Beds", &beds).term("Waiting", &waiting).raw("</dl>\n");
    let counts: Vec<_> = report.findings.counts().collect();
    page.table("Findings by rule", &["Rule", "Severity", "How often", "What to do"], &counts, |page, (rule, severity, count)| {
        page.raw("<th scope=\"row\">").text(rule.id()).raw("</th>").cell(severity.as_str());
        page.figure(Some(*count)).cell(rule.advice());
    });
    let mut findings: Vec<&Finding> = report.findings.iter().collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    page.table("Findings, worst first", &["Rule", "Severity", "Part", "Line", "Column", "What is wrong"], &findings, |page, finding| {
        let place = &finding.place;
        page.raw("<th scope=\"row\">").text(finding.rule.id()).raw("</th>").cell(finding.severity.as_str());
        page.cell(place.part.as_deref().unwrap_or("")).cell(&place.line.map_or_else(String::new, |line| line.to_string()));
        page.cell(place.column.as_deref().unwrap_or("")).cell(&finding.message);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::{Coverage, DeliveryId, Digest, FileName, Folder, Rule, Sender, Totals};
    use crate::health::pages::MAX_PAGE_BYTES;

    fn page(stage: &Stage, report: Option<&Report>) -> String {
        let at: Timestamp = "2018-12-03T10:17:05Z".parse().unwrap();
        let delivery = Delivery {
            id: DeliveryId::new(at, [7; 10]),
            provider: "RM1".parse().unwrap(),
            folder: Folder::Inbox,
            name: FileName::parse(b"<script>.csv").unwrap(),
            bytes: 10,
            sha256: Digest::of(b"abc"),
            opened_at: at,
            received_at: at,
            modified_at: None,
            sender: Sender {
                address: "192.0.2.1:50000".parse().unwrap(),
                software: "SSH-2.0-<script>".into(),
                key: "SHA256:x".into(),
                key_owner: "IT".into(),
                connected_at: at,
                connection: 1,
            },
        };
        let events = [DeliveryEvent { at, text: "received".into() }];
        let view = DeliveryView { delivery: &delivery, provider_name: "Norfolk", stage, report, events: &events };
        delivery_page(&view, &TimeZone::UTC)
    }

    #[test]
    fn a_name_and_a_client_cannot_bring_markup() {
        let page = page(&Stage::Landed, None);
        assert!(!page.contains("<script"));
        assert!(page.contains("<h1>&lt;script&gt;.csv</h1>") && page.contains("SSH-2.0-&lt;script&gt;"));
        assert!(page.contains("Received and safe; not looked at yet."));
    }

    #[test]
    fn a_delivery_without_totals_has_none_and_not_nought() {
        let page = page(&Stage::Quarantined { sealed: false, discarded: false }, Some(&Report::default()));
        assert!(page.contains("<dt>Beds</dt><dd>not known</dd>"), "{page}");
        let told = Report {
            totals: Some(Totals { occupied: 7, empty: 2, ..Totals::default() }),
            coverage: Some(Coverage { beds: true, demand: false }),
            ..Report::default()
        };
        let page = self::page(&Stage::Landed, Some(&told));
        assert!(page.contains("<dd>9 open: 7 occupied, 2 empty; 0 closed</dd>"), "{page}");
        assert!(page.contains("<dt>Waiting</dt><dd>not sent by this feed</dd>"), "{page}");
    }

    #[test]
    fn every_rule_twenty_times_still_makes_a_bounded_page() {
        let mut report = Report::default();
        for rule in Rule::ALL {
            report.findings.extend((1..=30).map(|line| Finding::new(*rule, "&".repeat(300)).at_line(line).in_column("Ward")));
        }
        let page = page(&Stage::Quarantined { sealed: true, discarded: false }, Some(&report));
        assert!(page.len() < MAX_PAGE_BYTES, "{}", page.len());
        assert!(page.contains("<td class=\"n\">30</td>"));
        crate::health::pages::tests::assert_balanced(&page);
    }
}
