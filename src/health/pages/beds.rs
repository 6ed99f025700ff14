//! The system-wide bed page: every figure with its age, and what is not known said so (P10).

use super::html::{Html, age_text, figure_text};
use crate::feed::{ProviderCode, local_text};
use crate::schedule::Freshness;
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Figures of one provider, in beds or patients. `None`: the feed does not tell, or has not been heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Figures {
    /// Occupied and empty beds together.
    pub open: Option<u64>,
    /// Occupied beds.
    pub occupied: Option<u64>,
    /// Open beds without a patient.
    pub empty: Option<u64>,
    /// Of the empty ones, those ready for a patient.
    pub available_now: Option<u64>,
    /// Beds that are not open.
    pub closed: Option<u64>,
    /// Patients who need a bed.
    pub demand: Option<u64>,
    /// Of those, the ones not in a bed now.
    pub demand_not_in_bed: Option<u64>,
}

impl Figures {
    /// Beds only, in the order of the columns.
    pub(super) fn beds(&self) -> [Option<u64>; 5] {
        [self.open, self.occupied, self.empty, self.available_now, self.closed]
    }

    /// In the order of the columns.
    pub(super) fn columns(&self) -> [Option<u64>; 7] {
        [self.open, self.occupied, self.empty, self.available_now, self.closed, self.demand, self.demand_not_in_bed]
    }
}

/// One provider's beds.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct BedsRow {
    /// Whose.
    pub provider: ProviderCode,
    /// The provider's name.
    pub name: String,
    /// When the figures were true; `None` where nothing was ever accepted.
    pub snapshot_at: Option<Timestamp>,
    /// How old they are. Figures without current data are not shown, whatever they are.
    pub freshness: Freshness,
    /// The figures.
    pub figures: Figures,
}

impl BedsRow {
    fn shown(&self) -> Figures {
        if self.freshness == Freshness::NoData { Figures::default() } else { self.figures }
    }
}

/// The beds of all providers at one instant.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct BedsPage {
    /// When this was true.
    pub made_at: Timestamp,
    /// One row for each provider, those that were never heard included.
    pub rows: Vec<BedsRow>,
}

impl BedsPage {
    /// Providers whose figures are current.
    #[must_use]
    pub fn current(&self) -> usize {
        self.rows.iter().filter(|row| row.freshness == Freshness::Current).count()
    }

    /// The sum of each column and how many providers it is made of; `None` where nobody knows.
    fn sums(&self) -> [(Option<u64>, usize); 7] {
        let mut sums = [(None, 0); 7];
        for row in &self.rows {
            for ((sum, known), figure) in sums.iter_mut().zip(row.shown().columns()) {
                if let Some(figure) = figure {
                    *sum = Some(sum.unwrap_or(0_u64).saturating_add(figure));
                    *known += 1;
                }
            }
        }
        sums
    }
}

/// The page at `/beds`; times are local to `zone`.
#[must_use]
pub fn beds_page(beds: &BedsPage, zone: &TimeZone) -> String {
    let mut page = Html::page("Beds", "Beds across the system");
    page.raw("<p class=\"banner\">Management information: confirm by phone before you act.</p>\n<p role=\"status\">");
    page.text(&format!("{} of {} providers current.", beds.current(), beds.rows.len()));
    page.raw("</p>\n<p>As of ").text(&local_text(beds.made_at, zone)).raw("</p>\n");
    let columns =
        ["Provider", "Figures of", "Age", "Open", "Occupied", "Empty", "Available now", "Closed", "Need a bed", "Of those, not in a bed"];
    page.table("Beds by provider", &columns, &beds.rows, |page, row| provider(page, row, beds.made_at, zone));
    let names = ["Open", "Occupied", "Empty", "Available now", "Closed", "Need a bed", "Of those, not in a bed"];
    let sums: Vec<_> = names.into_iter().zip(beds.sums()).collect();
    page.table("All providers that are known", &["Figure", "Sum", "Made of"], &sums, |page, (name, (sum, known))| {
        page.raw("<th scope=\"row\">").raw(name).raw("</th><td class=\"n\">").text(&figure_text(*sum)).raw("</td>");
        page.cell(&format!("{known} of {} providers", beds.rows.len()));
    });
    page.raw("<p>A provider whose figures are not known is left out of a sum; it is not counted as having no beds.</p>\n");
    page.finish()
}

/// What is said behind an age.
pub(super) fn freshness_label(freshness: Freshness) -> &'static str {
    match freshness {
        Freshness::Current => "",
        Freshness::Stale => ", old",
        Freshness::NoData => ", not current",
    }
}

fn provider(page: &mut Html, row: &BedsRow, made_at: Timestamp, zone: &TimeZone) {
    page.raw("<th scope=\"row\"><a href=\"/beds/").text(row.provider.as_str()).raw("\">").text(row.provider.as_str());
    page.raw("</a> ").text(&row.name).raw("</th>");
    page.time(row.snapshot_at, "none yet", zone);
    let age = age_text(row.snapshot_at.map(|at| made_at.duration_since(at).as_secs()));
    page.cell(&format!("{age}{}", freshness_label(row.freshness)));
    for figure in row.shown().columns() {
        page.figure(figure);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(code: &str, freshness: Freshness, figures: Figures) -> BedsRow {
        let snapshot_at = Some("2018-12-03T10:15:00Z".parse().unwrap());
        BedsRow { provider: code.parse().unwrap(), name: "A <b>trust</b>".into(), snapshot_at, freshness, figures }
    }

    fn beds() -> BedsPage {
        let all = |beds| Figures { open: Some(beds), occupied: Some(beds), empty: Some(0), ..Figures::default() };
        let mut silent = row("CCC", Freshness::NoData, Figures::default());
        silent.snapshot_at = None;
        let rows = vec![
            row("AAA", Freshness::Current, all(900)),
            row("BBB", Freshness::Stale, Figures { occupied: None, ..all(400) }),
            silent,
            row("DDD", Freshness::NoData, all(7777)),
        ];
        BedsPage { made_at: "2018-12-03T10:25:00Z".parse().unwrap(), rows }
    }

    #[test]
    fn sums_leave_out_what_is_not_known_and_say_of_how_many_they_are_made() {
        let sums = beds().sums();
        assert_eq!(sums[0], (Some(1300), 2));
        assert_eq!(sums[1], (Some(900), 1));
        assert_eq!(sums[2], (Some(0), 2));
        assert_eq!(sums[5], (None, 0));
    }

    #[test]
    fn the_page_says_not_known_never_nought_and_how_many_are_current() {
        let page = beds_page(&beds(), &TimeZone::UTC);
        for part in [
            "Management information: confirm by phone before you act",
            "1 of 4 providers current.",
            "<td>10 min</td>",
            "<td>10 min, old</td>",
            "<td>not known, not current</td>",
            "<td class=\"n\">1,300</td><td>2 of 4 providers</td>",
            "<th scope=\"row\">Need a bed</th><td class=\"n\">not known</td><td>0 of 4 providers</td>",
        ] {
            assert!(page.contains(part), "{part} in {page}");
        }
        assert!(!page.contains("7,777"), "figures without current data are not shown");
        assert!(!page.contains("<b>"));
        crate::health::pages::tests::assert_balanced(&page);
        // Two known empties of nought, one sum; every other empty figure is in words.
        assert_eq!(page.matches("<td class=\"n\">0</td>").count(), 3);
    }
}
