//! HTML, written by hand and safe by type: fixed text goes in as it is, everything else is escaped.

use crate::feed::{local_text, push_printed};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// No page is larger, so that it opens on a slow line and no listing can grow without limit.
pub const MAX_PAGE_BYTES: usize = 60 * 1024;

/// No table takes a row beyond this; one row, and what follows the table, has room in the rest.
const TABLES_BYTES: usize = MAX_PAGE_BYTES - 12 * 1024;

/// Longest text of one cell, in characters.
const CELL_CHARS: usize = 200;

/// Contrast is at least 7 to 1 for text and 4.5 to 1 in tags (WCAG 2.2, 1.4.3); targets are 24 px high (2.5.8).
const STYLE: &str = "\
body{margin:0;font:16px/1.5 Arial,Helvetica,sans-serif;color:#212b32;background:#f0f4f5}\
header{background:#003087;padding:8px 16px}header a{color:#fff;margin-right:24px;display:inline-block;padding:4px 0}\
main{padding:8px 16px 32px}h1{font-size:1.6em;margin:16px 0 8px}h2{font-size:1.25em}\
.skip{position:absolute;left:-999px}.skip:focus{left:8px;top:8px;background:#ffeb3b;color:#212b32;padding:8px}\
a{color:#005eb8}a:focus{outline:3px solid #ffeb3b;background:#ffeb3b;color:#212b32}\
.wide{overflow-x:auto}table{border-collapse:collapse;background:#fff;min-width:40em}\
caption{text-align:left;font-weight:bold;padding:8px 0}th,td{border:1px solid #aeb7bd;padding:6px 10px;text-align:left;vertical-align:top}\
td.n{text-align:right;white-space:nowrap}thead th{background:#d8dde0}\
.tag{display:inline-block;padding:1px 8px;border:1px solid #212b32;font-weight:bold;white-space:nowrap}\
.red{background:#b10e1e;color:#fff}.amber{background:#ffdd8a;color:#212b32}.green{background:#006435;color:#fff}.grey{background:#d8dde0;color:#212b32}\
.banner{border-left:8px solid #003087;background:#fff;padding:8px 16px;font-weight:bold}\
.notice{border-left:8px solid #b10e1e;background:#fff;padding:8px 16px}\
code{font:14px/1.4 Menlo,Consolas,monospace;overflow-wrap:anywhere}\
dl{background:#fff;padding:8px 16px}dt{font-weight:bold}dd{margin:0 0 8px;overflow-wrap:anywhere}";

/// A page that grows.
pub(super) struct Html {
    text: String,
}

impl Html {
    /// The beginning of a page: title, navigation and main heading.
    pub(super) fn page(title: &str, heading: &str) -> Self {
        let mut page = Self { text: String::with_capacity(8 * 1024) };
        page.raw("<!doctype html>\n<html lang=\"en-GB\"><head><meta charset=\"utf-8\">");
        page.raw("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>").text(title);
        page.raw(" - bedfeed</title><style>").raw(STYLE).raw("</style></head>\n<body><a class=\"skip\" href=\"#main\">Skip to content</a>");
        page.raw("<header><nav aria-label=\"Pages\"><a href=\"/\">Feed health</a><a href=\"/beds\">Beds</a></nav></header>\n");
        page.raw("<main id=\"main\"><h1>").text(heading).raw("</h1>\n");
        page
    }

    /// The end of a page.
    pub(super) fn finish(mut self) -> String {
        self.raw("</main></body></html>\n");
        self.text
    }

    /// Fixed markup. It takes text known when this was compiled and nothing else.
    pub(super) fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.text.push_str(markup);
        self
    }

    /// Any text, escaped, cut to the length of a cell.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        let mut letters = text.chars();
        for letter in letters.by_ref().take(CELL_CHARS) {
            match letter {
                '&' => self.text.push_str("&amp;"),
                '<' => self.text.push_str("&lt;"),
                '>' => self.text.push_str("&gt;"),
                '"' => self.text.push_str("&quot;"),
                '\'' => self.text.push_str("&#39;"),
                letter => push_printed(&mut self.text, letter),
            }
        }
        if letters.next().is_some() {
            self.text.push('…');
        }
        self
    }

    /// A cell with any text.
    pub(super) fn cell(&mut self, text: &str) -> &mut Self {
        self.raw("<td>").text(text).raw("</td>")
    }

    /// A cell with a figure, or the words "not known": a missing figure is never shown as nought (P10).
    pub(super) fn figure(&mut self, figure: Option<u64>) -> &mut Self {
        self.raw("<td class=\"n\">").text(&figure_text(figure)).raw("</td>")
    }

    /// A cell with a local time, or `none`.
    pub(super) fn time(&mut self, at: Option<Timestamp>, none: &str, zone: &TimeZone) -> &mut Self {
        let local = at.map_or_else(|| none.to_owned(), |at| local_text(at, zone));
        self.cell(&local)
    }

    /// A term and what it stands for, in a list of such.
    pub(super) fn term(&mut self, term: &'static str, text: &str) -> &mut Self {
        self.raw("<dt>").raw(term).raw("</dt><dd>").text(text).raw("</dd>\n")
    }

    /// A table with a caption and one heading for each column; `row` writes the cells of one item.
    ///
    /// Rows that would make the page too large are left out, and their number is said.
    pub(super) fn table<T>(
        &mut self,
        caption: &str,
        columns: &[&'static str],
        items: &[T],
        mut row: impl FnMut(&mut Self, &T),
    ) -> &mut Self {
        self.raw("<div class=\"wide\" role=\"region\" tabindex=\"0\" aria-label=\"").text(caption).raw("\"><table><caption>");
        self.text(caption).raw("</caption><thead><tr>");
        for column in columns {
            self.raw("<th scope=\"col\">").raw(column).raw("</th>");
        }
        self.raw("</tr></thead><tbody>\n");
        // Two thirds of the room that is left, so that the tables that follow have some too.
        let limit = self.text.len() + TABLES_BYTES.saturating_sub(self.text.len()) / 3 * 2;
        let mut left_out = 0_usize;
        for item in items {
            if self.text.len() > limit {
                left_out += 1;
                continue;
            }
            self.raw("<tr>");
            row(self, item);
            self.raw("</tr>\n");
        }
        self.raw("</tbody></table></div>\n");
        if left_out > 0 {
            self.raw("<p>").text(&left_out.to_string()).raw(" more are not shown on this page.</p>\n");
        }
        self
    }
}

/// A figure with a comma between thousands, or "not known".
pub(super) fn figure_text(figure: Option<u64>) -> String {
    let Some(figure) = figure else {
        return "not known".to_owned();
    };
    let digits = figure.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// An age as people say it: `12 min`, `3 h 5 min`, `2 days`; "not known" where there is none.
pub(super) fn age_text(seconds: Option<i64>) -> String {
    let Some(seconds) = seconds else {
        return "not known".to_owned();
    };
    let minutes = seconds.max(0) / 60;
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes} min"),
        (hours, minutes) if hours < 48 => format!("{hours} h {minutes} min"),
        (hours, _) => format!("{} days", hours / 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_cut() {
        let mut page = Html { text: String::new() };
        page.text("<script>alert('x' & \"y\")</script>\u{1b}\u{202e}\u{200b}");
        assert_eq!(page.text, "&lt;script&gt;alert(&#39;x&#39; &amp; &quot;y&quot;)&lt;/script&gt;\\u{1B}\\u{202E}\\u{200B}");
        let mut page = Html { text: String::new() };
        page.text(&"é".repeat(500));
        assert_eq!(page.text.chars().count(), CELL_CHARS + 1);
    }

    #[test]
    fn a_missing_figure_is_not_known_and_never_nought() {
        let rows = [(None, "not known"), (Some(0), "0"), (Some(999), "999"), (Some(1000), "1,000"), (Some(1_234_567), "1,234,567")];
        for (figure, text) in rows {
            assert_eq!(figure_text(figure), text);
        }
        let rows = [(None, "not known"), (Some(59), "0 min"), (Some(3600 * 3 + 300), "3 h 5 min"), (Some(86_400 * 2), "2 days")];
        for (seconds, text) in rows {
            assert_eq!(age_text(seconds), text);
        }
    }

    #[test]
    fn a_table_without_end_still_makes_a_bounded_page() {
        let items = vec!["&".repeat(500); 5000];
        let mut page = Html::page("t", "t");
        page.table("Many", &["a", "b"], &items, |page, item| {
            page.cell(item).cell(item);
        });
        let page = page.finish();
        assert!(page.len() < MAX_PAGE_BYTES, "{}", page.len());
        assert!(page.contains("more are not shown on this page"));
    }
}
