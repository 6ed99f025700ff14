//! The pen: plain text of a given width that grows line by line, with colours where a terminal shows them.

use crate::feed::printed;

/// Narrowest text that is written.
const NARROWEST: usize = 40;

/// A colour, by its number among the sixteen that every terminal has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    Red,
    Green,
    Yellow,
    Cyan,
}

impl Ink {
    fn code(self) -> &'static str {
        match self {
            Self::Red => "31",
            Self::Green => "32",
            Self::Yellow => "33",
            Self::Cyan => "36",
        }
    }
}

/// Characters of a text.
pub(super) fn wide(text: &str) -> usize {
    text.chars().count()
}

/// Text that grows.
pub(super) struct Pen {
    width: usize,
    colour: bool,
    text: String,
}

impl Pen {
    pub(super) fn new(width: usize, colour: bool) -> Self {
        Self { width: width.max(NARROWEST), colour, text: String::new() }
    }

    pub(super) fn text(self) -> String {
        self.text
    }

    pub(super) fn blank(&mut self) {
        self.text.push('\n');
    }

    fn put(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn in_ink(&self, style: &str, words: &str) -> String {
        if self.colour && !words.is_empty() { format!("\u{1b}[{style}m{words}\u{1b}[0m") } else { words.to_owned() }
    }

    /// The first line of all.
    pub(super) fn heading(&mut self, ink: Ink, words: &str) {
        let line = self.in_ink(&format!("1;{}", ink.code()), &printed(words));
        self.put(&line);
    }

    pub(super) fn section(&mut self, words: &str) {
        self.blank();
        let line = self.in_ink("1", &printed(words));
        self.put(&line);
    }

    pub(super) fn inked(&mut self, ink: Ink, words: &str) {
        let line = self.in_ink(ink.code(), &printed(words));
        self.put(&line);
    }

    /// A line that stands out where something differs.
    pub(super) fn difference(&mut self, differs: bool, words: &str) {
        let words = format!("  {}", printed(words));
        let line = if differs { self.in_ink(Ink::Yellow.code(), &words) } else { words };
        self.put(&line);
    }

    /// Words broken at spaces; what follows the first line is indented two more.
    pub(super) fn wrapped(&mut self, indent: usize, words: &str) {
        let words = printed(words);
        let (mut line, mut empty) = (" ".repeat(indent), true);
        for word in words.split_whitespace() {
            if !empty && wide(&line) + 1 + wide(word) > self.width {
                self.put(&line);
                (line, empty) = (" ".repeat(indent + 2), true);
            }
            if !empty {
                line.push(' ');
            }
            line.push_str(word);
            empty = false;
        }
        self.put(&line);
    }

    /// A line of a file behind its number, cut to the width around the first mark, with the marks below it.
    pub(super) fn marked_line(&mut self, number: &str, text: &str, marks: &str) {
        let room = self.width.saturating_sub(wide(number) + 2);
        let text: Vec<char> = printed(text).chars().collect();
        let marks: Vec<char> = marks.chars().collect();
        let first = marks.iter().position(|mark| *mark == '^').unwrap_or(0);
        let last = marks.iter().rposition(|mark| *mark == '^').map_or(0, |last| last + 1);
        let from = if text.len() <= room || last <= room { 0 } else { first.saturating_sub(room / 2) };
        let part = |all: &[char]| all.iter().skip(from).take(room).collect::<String>();
        let before = if from > 0 { "…" } else { "" };
        let after = if text.len() > from + room { "…" } else { "" };
        let number = self.in_ink("2", number);
        self.put(&format!("{number}{before}{}{after}", part(&text)));
        let carets = part(&marks);
        if !carets.trim().is_empty() {
            let pad = if from > 0 { " " } else { "" };
            let marks = carets.trim();
            let indent = " ".repeat(wide(carets.trim_end()).saturating_sub(wide(marks)));
            let carets = format!("{indent}{}", self.in_ink("1;31", marks));
            self.put(&format!("       {}{pad}{carets}", self.in_ink("2", "| ")));
        }
    }

    fn widths(headings: &[&str], rows: &[Vec<String>]) -> Vec<usize> {
        let cells = |at: usize| rows.iter().filter_map(move |row| row.get(at)).map(|cell| wide(&printed(cell)));
        headings.iter().enumerate().map(|(at, heading)| cells(at).max().unwrap_or(0).max(wide(heading))).collect()
    }

    /// Whether a table is no wider than the text.
    pub(super) fn fits(&self, headings: &[&str], rows: &[Vec<String>]) -> bool {
        let widths = Self::widths(headings, rows);
        widths.iter().sum::<usize>() + 2 * widths.len() <= self.width
    }

    /// A table; a last column that does not fit is broken into lines.
    pub(super) fn table(&mut self, headings: &[&str], rows: &[Vec<String>]) {
        let mut widths = Self::widths(headings, rows);
        let others: usize = widths.iter().rev().skip(1).sum::<usize>() + 2 * widths.len();
        let room = self.width.saturating_sub(others).max(20);
        if let Some(last) = widths.last_mut() {
            *last = (*last).min(room);
        }
        let heading = row_of(headings.iter().map(|heading| (*heading).to_owned()), &widths);
        let heading = self.in_ink("2", &heading);
        self.put(&heading);
        for row in rows {
            let (last, cells) =
                row.split_last().map_or((String::new(), row.as_slice()), |(last, cells)| (printed(last).into_owned(), cells));
            for (number, piece) in pieces(&last, room).into_iter().enumerate() {
                let blank = |cell: &String| if number == 0 { printed(cell).into_owned() } else { String::new() };
                let line = row_of(cells.iter().map(blank).chain([piece]), &widths);
                self.put(&line);
            }
        }
    }
}

fn row_of(cells: impl Iterator<Item = String>, widths: &[usize]) -> String {
    let padded: Vec<String> = cells.zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
    format!("  {}", padded.join("  ").trim_end())
}

/// A text broken at spaces into lines of at most so many characters.
fn pieces(text: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let Some(line) = lines.last_mut() else { continue };
        if line.is_empty() {
            line.push_str(word);
        } else if wide(line) + 1 + wide(word) <= room {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(width: usize, text: &str, marks: &str) -> String {
        let mut pen = Pen::new(width, false);
        pen.marked_line("    14 | ", text, marks);
        pen.text()
    }

    #[test]
    fn a_line_is_cut_around_its_mark() {
        assert_eq!(drawn(60, "A,OCUP,B", "  ^^^^"), "    14 | A,OCUP,B\n       |   ^^^^\n");
        let long = format!("{},BAD,{}", "x".repeat(60), "y".repeat(60));
        let marks = format!("{}^^^", " ".repeat(61));
        let shown = drawn(60, &long, &marks);
        let lines: Vec<&str> = shown.lines().collect();
        assert!(lines.iter().all(|line| wide(line) <= 60), "{shown}");
        assert!(lines[0].contains("…x") && lines[0].contains(",BAD,") && lines[0].ends_with('…'), "{shown}");
        let column = |line: &str, what: &str| line.split_once(what).map(|(before, _)| wide(before));
        assert_eq!(column(lines[0], "BAD"), column(lines[1], "^^^"), "{shown}");
    }

    #[test]
    fn colours_are_only_where_they_are_wanted_and_nothing_moves_the_cursor() {
        for colour in [false, true] {
            let mut pen = Pen::new(60, colour);
            pen.heading(Ink::Red, "bad\u{1b}[2J\u{2066}");
            assert_eq!(pen.text(), if colour { "\u{1b}[1;31mbad\\u{1B}[2J\\u{2066}\u{1b}[0m\n" } else { "bad\\u{1B}[2J\\u{2066}\n" });
        }
    }

    #[test]
    fn a_table_breaks_its_last_column() {
        let mut pen = Pen::new(40, false);
        pen.table(&["a", "b"], &[vec!["1".into(), "one two three four five six seven eight nine".into()]]);
        assert_eq!(pen.text(), "  a  b\n  1  one two three four five six seven\n     eight nine\n");
    }
}
