//! The receipt as text: for an analyst at a terminal. Verdict first, then what is wrong and what to do, then the figures.
//!
//! Owns the layout: 72 columns, plain characters. Characters that cannot be seen are written by their numbers, so that a
//! receipt cannot move anybody's cursor.

use super::Verdict;
use super::document::{FindingCount, ReceiptDocument, ReceiptFinding};
use crate::feed::{FileName, Folder, Severity, ToldTotals, local_text, printed};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Width of the text, in characters.
const COLUMNS: usize = 72;

/// Findings of one rule that are written out; the rest are counted. The JSON has more of them.
const SHOWN_PER_RULE: usize = 3;

/// Writes the receipt; times are local to `zone`.
pub(super) fn write(document: &ReceiptDocument, zone: &TimeZone) -> String {
    let mut page = Page::default();
    page.line(0, document.verdict.heading());
    page.blank();
    page.wrapped(0, &document.file.shown());
    page.wrapped(0, &document.summary);
    decision(&mut page, document, zone);
    findings(&mut page, document);
    figures(&mut page, document, zone);
    file(&mut page, document, zone);
    page.heading("HELP");
    page.wrapped(
        0,
        "If something here is not clear, write to the support team for bed-state feeds and quote the delivery's id. Do not send \
         the file itself by e-mail.",
    );
    page.text
}

/// What only some verdicts say.
fn decision(page: &mut Page, document: &ReceiptDocument, zone: &TimeZone) {
    if let Some(of) = document.duplicate_of {
        page.blank();
        page.wrapped(0, &format!("It repeats delivery {of}. If you meant to send newer figures, check that the extract was made again."));
    }
    if let Some(waiting) = &document.waiting {
        page.blank();
        let until = local_text(waiting.until, zone);
        page.wrapped(
            0,
            &format!(
                "This is part {} of set {}. If the other parts are not here by {until}, the set is rejected as incomplete.",
                waiting.part, waiting.set
            ),
        );
    }
    if let Some(mend) = &document.mend {
        page.blank();
        page.wrapped(0, &format!("The support team asks: {mend}"));
    }
    if !document.released_in_spite_of.is_empty() {
        page.blank();
        let rules = document.released_in_spite_of.iter().map(|rule| rule.id()).collect::<Vec<_>>().join(", ");
        page.wrapped(0, &format!("The support team looked at this file and took responsibility for it in spite of {rules}."));
    }
    if document.verdict == Verdict::Sealed {
        page.blank();
        page.wrapped(0, "Tell your information governance lead today, and quote the delivery's id.");
    }
}

fn findings(page: &mut Page, document: &ReceiptDocument) {
    if document.finding_counts.is_empty() {
        return;
    }
    page.heading("WHAT WE FOUND");
    for (index, count) in document.finding_counts.iter().enumerate() {
        if index > 0 {
            page.blank();
        }
        rule(page, count, document);
    }
}

fn rule(page: &mut Page, count: &FindingCount, document: &ReceiptDocument) {
    let overridden = document.released_in_spite_of.contains(&count.rule);
    let times = if count.count == 1 { String::new() } else { format!(", {} times", count.count) };
    let weight = if overridden { "released by support" } else { count.severity.as_str() };
    page.wrapped(0, &format!("{} ({weight}{times})", count.rule));
    let mut of_rule = document.findings.iter().filter(|finding| finding.rule == count.rule && finding.severity == count.severity);
    let shown: Vec<&ReceiptFinding> = of_rule.by_ref().take(SHOWN_PER_RULE).collect();
    for finding in &shown {
        page.wrapped(2, &format!("{}{}", place(finding), finding.message));
    }
    let more = count.count.saturating_sub(u64::try_from(shown.len()).unwrap_or(u64::MAX));
    if more > 0 {
        page.line(2, &format!("and {more} more like this"));
    }
    if count.severity > Severity::Information && !overridden {
        page.wrapped(2, &format!("What to do: {}", count.rule.advice()));
    }
}

/// Where a finding is, as in `Part beds, line 12, column Ward: `; empty where it is about the whole file.
fn place(finding: &ReceiptFinding) -> String {
    let part = finding.part.as_ref().map(|part| format!("part {part}"));
    let line = finding.line.map(|line| format!("line {line}"));
    let column = finding.column.as_ref().map(|column| format!("column {}", column.strip_prefix("column ").unwrap_or(column)));
    let words: Vec<String> = [part, line, column].into_iter().flatten().collect();
    let joined = words.join(", ");
    let mut letters = joined.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}: ", first.to_uppercase(), letters.as_str()))
}

fn figures(page: &mut Page, document: &ReceiptDocument, zone: &TimeZone) {
    let rows = document.rows.filter(|rows| rows.read > 0);
    if document.slot.is_none() && rows.is_none() {
        return;
    }
    page.heading("WHAT WE READ");
    page.time("Figures of", document.snapshot_at, zone);
    if let Some(slot) = document.slot {
        let version = document.version.map_or_else(String::new, |version| format!(", version {version}"));
        page.field("Slot", &format!("{}{version}", local_text(slot.start(), zone)));
    }
    if let Some(mapping) = &document.mapping {
        page.field("Mapping", mapping);
    }
    if let Some(rows) = rows {
        page.field("Rows", &rows.in_words());
        page.field("Lines made", &rows.lines.to_string());
    }
    if !document.identifiers_dropped.is_empty() {
        page.wrapped(2, &format!("Identifiers dropped: {}", document.identifiers_dropped.join(", ")));
    }
    if let Some(totals) = document.totals {
        sums(page, &totals);
    }
}

/// The sums that the feed tells of: nothing is said of the others, for a nought would look like a count.
fn sums(page: &mut Page, totals: &ToldTotals) {
    if let (Some(open), Some(occupied), Some(empty)) = (totals.open, totals.occupied, totals.empty) {
        page.field("Open beds", &format!("{open}: {occupied} occupied, {empty} empty"));
    }
    if let Some(ready) = totals.available_now {
        page.field("Of the empty", &format!("{ready} ready for a patient"));
    }
    if let Some(closed) = totals.closed {
        page.field("Closed beds", &closed.to_string());
    }
    if let (Some(demand), Some(not_in_bed)) = (totals.demand, totals.demand_not_in_bed) {
        page.field("Demand", &format!("{demand}: {not_in_bed} not in a bed now"));
    }
}

fn file(page: &mut Page, document: &ReceiptDocument, zone: &TimeZone) {
    page.heading("YOUR FILE");
    page.field("Delivery", &document.delivery_id.to_string());
    page.field("Provider", document.provider.as_str());
    page.field("Folder", document.folder.as_str());
    page.time("Received", Some(document.received_at), zone);
    page.time("Decided", Some(document.decided_at), zone);
    page.field("Bytes", &document.bytes.to_string());
    page.field("SHA-256", "");
    page.line(4, &document.sha256.to_string());
}

/// Text that grows line by line.
#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn blank(&mut self) {
        self.text.push('\n');
    }

    fn line(&mut self, indent: usize, words: &str) {
        let line = format!("{:indent$}{}", "", printed(words));
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn heading(&mut self, words: &str) {
        self.blank();
        self.line(0, words);
        self.blank();
    }

    fn field(&mut self, label: &str, value: &str) {
        self.line(2, &format!("{label:<14}{value}"));
    }

    fn time(&mut self, label: &str, at: Option<Timestamp>, zone: &TimeZone) {
        if let Some(at) = at {
            self.field(label, &local_text(at, zone));
        }
    }

    /// Words broken at spaces; a word longer than a line is broken where the line ends.
    fn wrapped(&mut self, indent: usize, words: &str) {
        let width = COLUMNS.saturating_sub(indent);
        let (mut line, mut used) = (String::new(), 0);
        for word in words.split_whitespace() {
            let length = word.chars().count();
            if used > 0 && used + 1 + length > width {
                self.line(indent, &line);
                (line, used) = (String::new(), 0);
            }
            if used > 0 {
                line.push(' ');
                used += 1;
            }
            for letter in word.chars() {
                if used == width {
                    self.line(indent, &line);
                    (line, used) = (String::new(), 0);
                }
                line.push(letter);
                used += 1;
            }
        }
        self.line(indent, &line);
    }
}

/// What the sender of a file is told that was not taken: `why` is what the client was answered.
#[must_use]
pub fn refusal_text(name: &FileName, folder: Folder, why: &str, at: Timestamp, zone: &TimeZone) -> String {
    format!(
        "bedfeed did not take {name}, sent to {}/ on {}.\n\nWhy: {why}.\n\nNothing of it was kept as a file, and no figures changed. When it is put right, send it again under the same name.\n",
        folder.as_str(),
        local_text(at, zone)
    )
}
