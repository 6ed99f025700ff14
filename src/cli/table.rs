//! Tables for people: columns as wide as their widest cell, headings underlined by nothing but a rule.

use crate::feed::printed;
use std::io::{self, Write};

/// A table with one heading a column.
#[derive(Clone, Debug)]
pub(super) struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table.
    #[must_use]
    pub(super) fn new(headings: &[&'static str]) -> Self {
        Self { headings: headings.to_vec(), rows: Vec::new() }
    }

    /// Adds a row; one cell a column.
    pub(super) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Writes it, with a line instead where it has no rows.
    ///
    /// # Errors
    /// The output is closed.
    pub(super) fn write(&self, out: &mut dyn Write, if_empty: &str) -> io::Result<()> {
        if self.rows.is_empty() {
            return writeln!(out, "{if_empty}");
        }
        let widths: Vec<usize> = self
            .headings
            .iter()
            .enumerate()
            .map(|(index, heading)| {
                let cells = self.rows.iter().filter_map(|row| row.get(index)).map(|cell| cell.chars().count());
                cells.max().unwrap_or(0).max(heading.chars().count())
            })
            .collect();
        write_line(out, self.headings.iter().map(|heading| (*heading).to_owned()), &widths)?;
        write_line(out, widths.iter().map(|width| "-".repeat(*width)), &widths)?;
        for row in &self.rows {
            write_line(out, row.iter().cloned(), &widths)?;
        }
        Ok(())
    }
}

fn write_line(out: &mut dyn Write, cells: impl Iterator<Item = String>, widths: &[usize]) -> io::Result<()> {
    let padded: Vec<String> = cells.zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
    writeln!(out, "{}", padded.join("  ").trim_end())
}

/// A path as a shell takes it: quoted where it must be.
#[must_use]
pub(super) fn shell(path: &std::path::Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '-' | '_' | '+' | '=');
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

/// Longest text in a cell: one long file name must not push everything else off the screen.
const CELL: usize = 60;

/// The same, cut to a cell's length.
#[must_use]
pub(super) fn cell(text: &str) -> String {
    let text = printed(text);
    if text.chars().count() <= CELL { text.into_owned() } else { text.chars().take(CELL - 1).chain(['…']).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(&["feed", "state"]);
        table.row(vec!["RM1".into(), "late".into()]);
        table.row(vec!["A provider".into(), "on time".into()]);
        let mut out = Vec::new();
        table.write(&mut out, "none").unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "feed        state\n----------  -------\nRM1         late\nA provider  on time\n");
        let mut out = Vec::new();
        Table::new(&["feed"]).write(&mut out, "no feeds").unwrap();
        assert_eq!(out, b"no feeds\n");
        assert_eq!(cell("a\u{1b}[31mb"), "a\\u{1B}[31mb");
        assert_eq!(cell(&"x".repeat(61)), "x".repeat(59) + "…");
        assert_eq!(shell(std::path::Path::new("/srv/bed feed/it's")), "'/srv/bed feed/it'\\''s'");
        assert_eq!(shell(std::path::Path::new("/srv/bedfeed")), "/srv/bedfeed");
    }
}
