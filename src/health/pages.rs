//! Pages: facts in, HTML out. Pure.
//!
//! Owns the layout of the web pages. There is no script, no font or picture from elsewhere, and nothing says something by
//! colour alone. Text reaches a page only through escaping. Refuses I/O, clocks, and any figure without its age.

mod beds;
mod delivery;
mod feeds;
mod html;
mod wards;

pub use beds::{BedsPage, BedsRow, Figures, beds_page};
pub use delivery::{DeliveryEvent, DeliveryView, delivery_page};
pub use feeds::feed_health_page;
pub use html::MAX_PAGE_BYTES;
pub use wards::{ProviderBeds, WardRow, provider_beds_page};

use html::Html;

/// The page for an address that leads nowhere.
#[must_use]
pub fn not_found_page() -> String {
    let mut page = Html::page("Page not found", "Page not found");
    page.raw("<p>There is nothing at this address. A delivery that is not known here may have been sent to another server.</p>");
    page.raw("<p><a href=\"/\">Feed health</a></p>");
    page.finish()
}

/// The page where something of ours cannot be read; `what` says it in a sentence.
#[must_use]
pub fn trouble_page(what: &str) -> String {
    let mut page = Html::page("Not available", "Not available just now");
    page.raw("<p role=\"status\">").text(what).raw("</p>");
    page.raw("<p>Try again in a minute. <a href=\"/\">Feed health</a></p>");
    page.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails where an element is not closed, or closed in the wrong order.
    pub(super) fn assert_balanced(page: &str) {
        let mut open: Vec<&str> = Vec::new();
        for tag in page.split('<').skip(1).map(|rest| rest.split(['>', ' ']).next().unwrap()) {
            match tag.strip_prefix('/') {
                Some(name) => assert_eq!(open.pop(), Some(name), "closing {name}"),
                None if ["!doctype", "meta"].contains(&tag) => {}
                None => open.push(tag),
            }
        }
        assert!(open.is_empty(), "left open: {open:?}");
    }

    #[test]
    fn a_page_has_a_language_a_heading_a_way_on_and_no_script() {
        let page = not_found_page();
        for part in
            ["<!doctype html>", "<html lang=\"en-GB\">", "<h1>Page not found</h1>", "href=\"/beds\"", "name=\"viewport\"", "</html>"]
        {
            assert!(page.contains(part), "{part}");
        }
        assert!(!page.contains("<script"));
        assert_balanced(&page);
    }
}
