//! What is done to the cells of a table before its lines are read: `null_in`, `whole_numbers`, `copy_down`, `blank_means` and
//! `split`.
//!
//! Owns those keys. Refuses to let a column that identifies people be copied, filled in or cut: it is only turned into an age
//! band.

use super::super::document::{Item, Section};
use super::super::problem::{did_you_mean, fold};
use crate::normalise::mapping::{Split, Tidy};
use crate::normalise::split::parse_split;
use std::collections::BTreeMap;

/// Reads the keys.
pub(super) fn tidy(section: &Section<'_>, columns: &[String], identifiers: &[String]) -> Tidy {
    let known = Known { columns, identifiers };
    let entries = |key| section.get(key).map(|item| item.entries()).unwrap_or_default();
    let list = |key| section.get(key).map(|item| known.list(&item)).unwrap_or_default();
    let null_in = entries("null_in");
    let null_in = null_in.iter().filter_map(|entry| Some((known.column(entry, entry.name())?, entry.texts())));
    let blank_means = entries("blank_means");
    let blank_means = blank_means.iter().filter_map(|entry| Some((known.kept(entry, entry.name())?, entry.filled()?.to_owned())));
    let tidy = Tidy {
        null_in: null_in.collect(),
        whole_numbers: list("whole_numbers"),
        copy_down: list("copy_down"),
        blank_means: blank_means.collect::<BTreeMap<_, _>>(),
        split: splits(&entries("split"), &known),
    };
    if let Some(both) = tidy.copy_down.iter().find(|column| tidy.blank_means.contains_key(*column)) {
        section.problem(format!(
            "a blank in column \"{both}\" cannot both repeat the cell above (copy_down) and have a meaning (blank_means)"
        ));
    }
    tidy
}

/// The columns of the file.
struct Known<'a> {
    columns: &'a [String],
    identifiers: &'a [String],
}

impl Known<'_> {
    fn column(&self, item: &Item<'_>, name: &str) -> Option<String> {
        if self.columns.iter().any(|known| known == name) {
            return Some(name.to_owned());
        }
        let near = did_you_mean(name, self.columns.iter().map(String::as_str));
        item.problem(format!("\"{name}\" is not among the table's columns{near}"));
        None
    }

    /// A column whose text is kept.
    fn kept(&self, item: &Item<'_>, name: &str) -> Option<String> {
        let column = self.column(item, name)?;
        if self.identifiers.contains(&column) {
            item.problem(format!("column \"{column}\" identifies people: it may only be turned into an age band"));
            return None;
        }
        Some(column)
    }

    fn list(&self, item: &Item<'_>) -> Vec<String> {
        item.elements().iter().filter_map(|element| self.kept(element, element.filled()?)).collect()
    }
}

fn splits(entries: &[Item<'_>], known: &Known<'_>) -> Vec<Split> {
    let mut splits: Vec<Split> = Vec::new();
    for entry in entries {
        let (Some(column), Some(text)) = (known.kept(entry, entry.name()), entry.filled()) else { continue };
        let pattern = match parse_split(text) {
            Ok(pattern) => pattern,
            Err(why) => {
                entry.problem(why.to_string());
                continue;
            }
        };
        for (name, _) in &pattern.pieces {
            let of_a_split = splits.iter().flat_map(|split| &split.pattern.pieces).map(|(piece, _)| piece);
            if known.columns.iter().chain(of_a_split).any(|taken| fold(taken) == fold(name)) {
                entry.problem(format!("the piece {{{name}}} is called like another column: give it a name of its own"));
            }
        }
        splits.push(Split { column, pattern });
    }
    splits
}
