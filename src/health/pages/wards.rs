//! One provider's bed page: ward by ward, with the age of the figures.

use super::beds::{Figures, freshness_label};
use super::html::{Html, age_text};
use crate::feed::{ProviderCode, local_text};
use crate::schedule::Freshness;
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// One ward's beds.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct WardRow {
    /// The site's code.
    pub site: String,
    /// The ward's code; `None` for what is counted for the whole site.
    pub ward: Option<String>,
    /// The ward's name, where it is registered.
    pub ward_name: Option<String>,
    /// The figures.
    pub figures: Figures,
}

/// One provider's beds at one instant.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ProviderBeds {
    /// When this was true.
    pub made_at: Timestamp,
    /// Whose.
    pub provider: ProviderCode,
    /// The provider's name.
    pub name: String,
    /// When the figures were true; `None` where nothing was ever accepted.
    pub snapshot_at: Option<Timestamp>,
    /// How old they are. Figures without current data are not shown, whatever they are.
    pub freshness: Freshness,
    /// The wards.
    pub wards: Vec<WardRow>,
}

/// The page at `/beds/CODE`; times are local to `zone`.
#[must_use]
pub fn provider_beds_page(beds: &ProviderBeds, zone: &TimeZone) -> String {
    let mut page = Html::page("Beds of one provider", &format!("{} {}", beds.provider, beds.name));
    page.raw("<p class=\"banner\">Management information: confirm by phone before you act.</p>\n<p role=\"status\">");
    let age = age_text(beds.snapshot_at.map(|at| beds.made_at.duration_since(at).as_secs()));
    let of = beds.snapshot_at.map_or_else(|| "none yet".to_owned(), |at| local_text(at, zone));
    page.text(&format!("Figures of: {of}. Age: {age}{}.", freshness_label(beds.freshness))).raw("</p>\n");
    if beds.freshness == Freshness::NoData {
        page.raw("<p>There are no current figures, so none are shown. That does not mean that there are no beds.</p>\n");
        return page.finish();
    }
    let columns = ["Ward", "Site", "Open", "Occupied", "Empty", "Available now", "Closed"];
    page.table("Beds by ward", &columns, &beds.wards, |page, ward| {
        page.raw("<th scope=\"row\">").text(ward.ward.as_deref().unwrap_or("whole site")).raw(" ");
        page.text(ward.ward_name.as_deref().unwrap_or("")).raw("</th>").cell(&ward.site);
        // Who waits for a bed waits for none of a certain ward: demand stands on the provider's row.
        for figure in ward.figures.beds() {
            page.figure(figure);
        }
    });
    page.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::pages::MAX_PAGE_BYTES;

    fn page(freshness: Freshness, count: usize) -> String {
        let figures = Figures { open: Some(4321), ..Figures::default() };
        let ward = WardRow { site: "<i>".into(), ward: Some("WOW9".into()), ward_name: Some("&".repeat(300)), figures };
        let beds = ProviderBeds {
            made_at: "2018-12-03T10:55:00Z".parse().unwrap(),
            provider: "RM1".parse().unwrap(),
            name: "Norfolk".into(),
            snapshot_at: Some("2018-12-03T10:15:00Z".parse().unwrap()),
            freshness,
            wards: vec![ward; count],
        };
        provider_beds_page(&beds, &TimeZone::UTC)
    }

    #[test]
    fn wards_show_their_figures_with_an_age_and_what_is_not_known() {
        let page = page(Freshness::Stale, 1);
        assert!(page.contains("Figures of: Mon 3 Dec 2018 10:15 UTC. Age: 40 min, old."), "{page}");
        crate::health::pages::tests::assert_balanced(&page);
        assert!(page.contains("<td class=\"n\">4,321</td><td class=\"n\">not known</td>") && !page.contains("<i>"));
    }

    #[test]
    fn figures_without_current_data_are_not_shown() {
        let page = page(Freshness::NoData, 1);
        assert!(page.contains("not current.") && !page.contains("4,321"));
    }

    #[test]
    fn many_wards_still_make_a_bounded_page() {
        assert!(page(Freshness::Current, 2000).len() < MAX_PAGE_BYTES);
    }
}
