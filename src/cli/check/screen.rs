//! The screen: whether output goes to a terminal, how wide it is, and whether it shows colours.

use super::super::args::Colour;
use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::process::{Command, Stdio};

/// Characters in a line where nobody can say how many there are.
const USUAL_WIDTH: usize = 120;

/// What output is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Screen {
    /// Whether it is a terminal, which can be cleared.
    pub(super) terminal: bool,
    /// Whether colours are used.
    pub(super) colour: bool,
    /// Characters in a line.
    pub(super) width: usize,
}

impl Screen {
    /// The standard output's.
    pub(super) fn of_standard_output(choice: Colour) -> Self {
        let terminal = io::stdout().is_terminal();
        Self {
            terminal,
            colour: coloured(choice, terminal, std::env::var_os("NO_COLOR"), std::env::var_os("TERM")),
            width: width(std::env::var("COLUMNS").ok().as_deref(), terminal),
        }
    }
}

/// Whether colours are used. `NO_COLOR` counts where it is not empty (no-color.org).
fn coloured(choice: Colour, terminal: bool, no_color: Option<OsString>, term: Option<OsString>) -> bool {
    match choice {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto => terminal && no_color.is_none_or(|value| value.is_empty()) && term.is_some_and(|term| term != "dumb"),
    }
}

fn width(columns: Option<&str>, terminal: bool) -> usize {
    let stated = columns.and_then(|columns| columns.trim().parse().ok()).filter(|columns| *columns > 0);
    stated.or_else(|| terminal.then(asked).flatten()).unwrap_or(USUAL_WIDTH)
}

/// The width as `stty` tells it of the terminal that output goes to. It asks about its standard input, which may be a pipe:
/// so it is given the controlling terminal.
fn asked() -> Option<usize> {
    let terminal = std::fs::File::open("/dev/tty").ok()?;
    let said = Command::new("stty").arg("size").stdin(terminal).stderr(Stdio::null()).output().ok()?;
    String::from_utf8(said.stdout).ok()?.split_whitespace().nth(1)?.parse().ok().filter(|columns| *columns > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_that_want_them() {
        // Choice, terminal, NO_COLOR, TERM, and whether colours are used.
        let rows = [
            (Colour::Auto, true, None, Some("xterm"), true),
            (Colour::Auto, true, Some(""), Some("xterm"), true),
            (Colour::Auto, true, Some("1"), Some("xterm"), false),
            (Colour::Auto, true, None, Some("dumb"), false),
            (Colour::Auto, true, None, None, false),
            (Colour::Auto, false, None, Some("xterm"), false),
            (Colour::Always, false, Some("1"), Some("dumb"), true),
            (Colour::Never, true, None, Some("xterm"), false),
        ];
        for (choice, terminal, no_color, term, expected) in rows {
            let used = coloured(choice, terminal, no_color.map(OsString::from), term.map(OsString::from));
            assert_eq!(used, expected, "{choice:?} {terminal} {no_color:?} {term:?}");
        }
    }

    #[test]
    fn a_stated_width_counts_where_it_is_a_number() {
        let rows = [(Some("72"), 72), (Some("0"), USUAL_WIDTH), (Some("wide"), USUAL_WIDTH), (None, USUAL_WIDTH)];
        for (columns, expected) in rows {
            assert_eq!(width(columns, false), expected, "{columns:?}");
        }
    }
}
