//! The picture of a judgement as text: `bedfeed check` at a terminal, and `NAME.check.txt` for a file sent to `test/`.
//!
//! Owns the order in which it is told: verdict, findings with their lines, sums beside what was expected, columns, first
//! lines. Characters that cannot be seen are written by their numbers.

use super::counts::counts;
use super::pen::{Ink, Pen, wide};
use super::picture::{Decision, Fate, FirstLine, Look, OtherWards, Picture, PicturedColumn, PicturedLine, PicturedTable};
use crate::feed::{Finding, Report, Rule, Severity, local_text};
use jiff::tz::TimeZone;

/// Findings of one rule that are written out; the rest are counted.
const SHOWN_PER_RULE: usize = 5;

/// Writes the picture; times are local to `zone`.
#[must_use]
pub fn sketch(report: &Report, picture: &Picture, first: &[FirstLine], look: &Look, zone: &TimeZone) -> String {
    let mut pen = Pen::new(look.width, look.colour);
    head(&mut pen, report, picture, look, zone);
    findings(&mut pen, report, picture);
    expected(&mut pen, report, picture);
    skipped(&mut pen, report);
    for table in &picture.tables {
        columns(&mut pen, table, picture.tables.len() > 1);
    }
    first_lines(&mut pen, first);
    pen.text()
}

fn head(pen: &mut Pen, report: &Report, picture: &Picture, look: &Look, zone: &TimeZone) {
    let warnings = report.findings.count_at(Severity::Warning) + report.findings.count_at(Severity::RejectRow);
    let things = if warnings == 1 { "1 thing".to_owned() } else { format!("{warnings} things") };
    let (ink, words) = match picture.decision {
        Decision::Accepted if warnings > 0 => (Ink::Yellow, format!("would be ACCEPTED, with {things} to look at")),
        Decision::Accepted => (Ink::Green, "would be ACCEPTED".to_owned()),
        Decision::Duplicate => (Ink::Yellow, "repeats a file that was accepted: nothing would be loaded twice".to_owned()),
        Decision::Rejected => (Ink::Red, "would be REJECTED: nothing of it would be loaded".to_owned()),
        Decision::Sealed => (Ink::Red, "would be SEALED: it has something that identifies a person. No line of it is shown".to_owned()),
    };
    pen.heading(ink, &words);
    if report.marked_test && picture.decision != Decision::Sealed {
        pen.wrapped(0, "It is marked TEST: nothing of it would be loaded in any case. This is what would become of it without that mark.");
    }
    for file in &picture.files {
        let part = file.part.as_ref().map_or_else(|| "no agreed file".to_owned(), |part| format!("part {part}"));
        pen.wrapped(2, &format!("{} ({part})", file.name));
    }
    for missing in &picture.missing {
        pen.wrapped(2, &format!("MISSING: part {}, a file named {}", missing.part, missing.name));
    }
    if let (Some(at), Some(slot)) = (report.snapshot_at, report.slot) {
        pen.wrapped(0, &format!("figures of {}, slot {slot}", local_text(at, zone)));
    }
    if let Some(at) = look.assumed {
        let at = local_text(at, zone);
        pen.wrapped(0, &format!("judged as if it had come at {at}, for its figures are not new; --at TIME judges it at another moment"));
    }
    if let Some(mapping) = &picture.mapping {
        let to = mapping.to.map_or_else(String::new, |to| format!(" until the day before {to}"));
        pen.wrapped(0, &format!("mapping {} by {}, in force from {}{to}", mapping.version, mapping.author, mapping.from));
    }
    counts(report).iter().for_each(|line| pen.wrapped(0, line));
}

fn findings(pen: &mut Pen, report: &Report, picture: &Picture) {
    let mut counts: Vec<(Rule, Severity, u64)> = report.findings.counts().collect();
    counts.sort_by_key(|(_, severity, _)| std::cmp::Reverse(*severity));
    pen.section("FINDINGS");
    if counts.is_empty() {
        pen.wrapped(0, "none");
    }
    for (index, (rule, severity, count)) in counts.iter().enumerate() {
        if index > 0 {
            pen.blank();
        }
        let times = if *count == 1 { String::new() } else { format!(", {count} times") };
        pen.inked(ink_of(*severity), &format!("{rule}  {}{times}", severity.as_str()));
        let of_rule = report.findings.iter().filter(|finding| (finding.rule, finding.severity) == (*rule, *severity));
        let shown: Vec<&Finding> = of_rule.take(SHOWN_PER_RULE).collect();
        for finding in &shown {
            pen.wrapped(2, &format!("{}{}", place(finding), finding.message));
            if let Some(line) = picture.line_of(&finding.place) {
                sent_line(pen, line, finding);
            }
        }
        let more = count.saturating_sub(u64::try_from(shown.len()).unwrap_or(u64::MAX));
        if more > 0 {
            pen.wrapped(2, &format!("and {more} more like this"));
        }
        // Said once for a rule, whatever it does in different places.
        if !counts.iter().take(index).any(|(earlier, _, _)| earlier == rule) {
            pen.wrapped(2, &format!("What to do: {}", rule.advice()));
        }
    }
}

fn ink_of(severity: Severity) -> Ink {
    match severity {
        Severity::Information => Ink::Cyan,
        Severity::Warning => Ink::Yellow,
        Severity::RejectRow | Severity::RejectFile => Ink::Red,
    }
}

/// Where a finding is, as in `line 12, column Ward: `; empty where it is about the whole file.
fn place(finding: &Finding) -> String {
    let part = finding.place.part.as_ref().map(|part| format!("part {part}"));
    let line = finding.place.line.map(|line| format!("line {line}"));
    let column = finding.place.column.as_ref().map(|column| format!("column {}", column.strip_prefix("column ").unwrap_or(column)));
    let words: Vec<String> = [part, line, column].into_iter().flatten().collect();
    if words.is_empty() { String::new() } else { format!("{}: ", words.join(", ")) }
}

/// A line as sent, with marks under the fields that the finding is about.
fn sent_line(pen: &mut Pen, line: &PicturedLine, finding: &Finding) {
    let marked = line.marked(finding);
    let delimiter = if line.delimiter == '\t' { "\\t".to_owned() } else { line.delimiter.to_string() };
    let (mut text, mut marks) = (String::new(), String::new());
    // Characters of both so far, kept beside them: counting them anew at each field would make long lines slow.
    let (mut text_wide, mut marks_wide) = (0_usize, 0_usize);
    for (at, (field, marked)) in line.fields.iter().zip(&marked).enumerate() {
        if at > 0 {
            text.push_str(&delimiter);
            text_wide += wide(&delimiter);
        }
        let width = wide(&field.text);
        if *marked {
            // Blanks up to here; a blank field is marked at the separator after it.
            marks.push_str(&" ".repeat(text_wide.saturating_sub(marks_wide)));
            marks.push_str(&"^".repeat(width.max(1)));
            marks_wide = text_wide.max(marks_wide) + width.max(1);
        }
        text.push_str(&field.text);
        text_wide += width;
    }
    if line.left_out > 0 {
        text.push('…');
    }
    pen.marked_line(&format!("{:>6} | ", line.line), &text, marks.trim_end());
}

fn expected(pen: &mut Pen, report: &Report, picture: &Picture) {
    if picture.stated.is_empty() && picture.wards.is_empty() && picture.other_wards == OtherWards::default() {
        return;
    }
    pen.section("TOTALS BESIDE WHAT WAS EXPECTED");
    for stated in &picture.stated {
        let agrees = stated.found == Some(stated.stated);
        let found = stated.found.map_or_else(|| "could not be counted".to_owned(), |found| found.to_string());
        let mark = if agrees { "" } else { "   <- differs" };
        pen.difference(!agrees, &format!("{}: {} says {}, here {found}{mark}", stated.what, stated.by, stated.stated));
    }
    for ward in &picture.wards {
        let registered = ward.registered.map_or_else(|| "not in the register".to_owned(), |beds| format!("{beds} in the register"));
        let mark = if ward.differs() { "   <- differs" } else { "" };
        pen.difference(ward.differs(), &format!("ward {} at {}: {} beds in the file, {registered}{mark}", ward.ward, ward.site, ward.beds));
    }
    let others = picture.other_wards;
    if others.differing > 0 {
        pen.wrapped(2, &format!("{} more wards differ from the register", others.differing));
    }
    if others.agreeing > 0 {
        pen.wrapped(2, &format!("{} other wards have as many beds as the register says", others.agreeing));
    }
    if !picture.wards.is_empty() && report.rows.rejected > 0 {
        pen.wrapped(2, "Beds of rejected rows are not counted here.");
    }
}

fn skipped(pen: &mut Pen, report: &Report) {
    let said: Vec<&Finding> = report.findings.iter().filter(|finding| finding.rule == Rule::Str08).collect();
    if said.is_empty() && report.rows.skipped == 0 {
        return;
    }
    pen.section("WHAT WAS SKIPPED");
    said.iter().for_each(|finding| pen.wrapped(2, &format!("{}{}", place(finding), finding.message)));
    if said.is_empty() {
        pen.wrapped(2, &format!("{} rows", report.rows.skipped));
    }
}

fn columns(pen: &mut Pen, table: &PicturedTable, several: bool) {
    pen.section(&if several { format!("HOW EACH COLUMN OF {} WAS MAPPED", table.part) } else { "HOW EACH COLUMN WAS MAPPED".to_owned() });
    let rows = table.columns.iter().map(|column| {
        let number = column.position.map_or_else(|| "-".to_owned(), |at| at.to_string());
        let sent = column.sent_as.clone().unwrap_or_else(|| "-".to_owned());
        vec![number, sent, column.agreed.clone().unwrap_or_else(|| "-".to_owned()), becomes(column)]
    });
    pen.table(&["no.", "column in the file", "agreed as", "becomes"], &rows.collect::<Vec<_>>());
}

fn becomes(column: &PicturedColumn) -> String {
    let words = column.fields.iter().chain(&column.also).cloned().collect::<Vec<_>>().join(", ");
    match column.fate {
        Fate::Read => words,
        Fate::Unused => "nothing: agreed, but not used".to_owned(),
        Fate::Identifier if words.is_empty() => "nothing: identifies people, dropped".to_owned(),
        Fate::Identifier => format!("{words}; identifies people, the value itself is dropped"),
        Fate::NotAgreed => "nothing: NOT AGREED, dropped".to_owned(),
        Fate::Nameless => "nothing: has no name, dropped".to_owned(),
        Fate::Missing => format!("MISSING; needed for {}", if words.is_empty() { "nothing yet, but agreed" } else { &words }),
        Fate::Absent => format!("not there, which is agreed{}{words}", if words.is_empty() { "" } else { "; would become " }),
    }
}

/// The lines as a small table: what is the same on all of them is said once.
fn first_lines(pen: &mut Pen, lines: &[FirstLine]) {
    let Some(first) = lines.first() else { return };
    pen.section("FIRST LINES OF THE DATASET");
    let value = |line: &FirstLine, field: &str| line.iter().find(|(name, _)| name == field).map(|(_, value)| value.clone());
    let mut fields: Vec<&str> = Vec::new();
    for (name, _) in lines.iter().flatten() {
        if !fields.contains(&name.as_str()) {
            fields.push(name);
        }
    }
    let same = |field: &&str| lines.len() > 1 && lines.iter().all(|line| value(line, field) == value(first, field));
    let common: Vec<String> =
        fields.iter().filter(|field| same(field)).map(|field| format!("{field}={}", value(first, field).unwrap_or_default())).collect();
    if !common.is_empty() {
        pen.wrapped(2, &format!("on all of these: {}", common.join(" ")));
    }
    let told: Vec<&str> = fields.iter().filter(|field| !same(field)).copied().collect();
    let rows: Vec<Vec<String>> =
        lines.iter().map(|line| told.iter().map(|field| value(line, field).unwrap_or_default()).collect()).collect();
    if told.is_empty() {
        pen.wrapped(2, &format!("{} lines alike", lines.len()));
    } else if pen.fits(&told, &rows) {
        pen.table(&told, &rows);
    } else {
        for row in &rows {
            let filled = told.iter().zip(row).filter(|(_, value)| !value.is_empty());
            pen.wrapped(2, &filled.map(|(field, value)| format!("{field}={value}")).collect::<Vec<_>>().join(" "));
        }
    }
}
