//! Joining: which row of another table adds to a row (F18).
//!
//! Owns the keys of joined rows, and what is said of those that fit none. Refuses to read anything else of them.

use super::columns::Columns;
use super::mapping::TableMapping;
use super::table::{RawRow, RawTable};
use crate::feed::{Finding, Findings, Rule, Severity};
use std::borrow::Cow;
use std::collections::HashMap;

/// The rows of a joined table, by their key.
pub(super) struct Partners<'t> {
    /// Where the key's columns stand in the joining table.
    key: Vec<usize>,
    rows: HashMap<Vec<Cow<'t, str>>, (RawRow<'t>, bool)>,
    /// The lines of rows that do not say which row they add to, each with the column that is blank.
    keyless: Vec<(u64, &'t str)>,
    repeated: u64,
    table: &'t str,
}

impl<'t> Partners<'t> {
    /// Finds the rows that a table can join; `columns` are those of both tables.
    pub(super) fn new(described: &TableMapping, table: &RawTable, other: Option<&'t RawTable>, columns: &Columns<'t>) -> Self {
        let mut partners = Self { key: Vec::new(), rows: HashMap::new(), keyless: Vec::new(), repeated: 0, table: "" };
        let (Some(join), Some(other)) = (&described.join, other) else { return partners };
        let own: Option<Vec<usize>> = join.on.iter().map(|name| table.column(name)).collect();
        let its: Option<Vec<usize>> = join.on.iter().map(|name| other.column(name)).collect();
        let (Some(own), Some(its)) = (own, its) else { return partners };
        partners.key = own;
        partners.table = &other.name;
        let filled = |row: RawRow<'t>| (0..other.columns.len()).filter(|at| !columns.joined_text(*at, row).is_empty()).count();
        for row in other.rows() {
            let Some(key) = key(&its, |at| columns.joined_text(at, row)) else {
                let blank = its.iter().find(|at| columns.joined_text(**at, row).is_empty()).and_then(|at| other.columns.get(*at));
                partners.keyless.push((row.line, blank.map_or("", String::as_str)));
                continue;
            };
            match partners.rows.entry(key) {
                std::collections::hash_map::Entry::Vacant(free) => {
                    free.insert((row, false));
                }
                // The same row twice says nothing new; another one does. The one that says most is used, the first of equals.
                std::collections::hash_map::Entry::Occupied(taken) if taken.get().0.numbers() == row.numbers() => {}
                std::collections::hash_map::Entry::Occupied(mut taken) => {
                    partners.repeated += 1;
                    if filled(row) > filled(taken.get().0) {
                        taken.insert((row, false));
                    }
                }
            }
        }
        partners
    }

    /// Rows of the joined table that do not say which row they add to.
    pub(super) fn keyless(&self) -> &[(u64, &'t str)] {
        &self.keyless
    }

    /// The row that a row of the table joins.
    pub(super) fn of(&mut self, row: RawRow<'t>, columns: &Columns<'t>) -> Option<RawRow<'t>> {
        if self.rows.is_empty() {
            return None;
        }
        let (partner, met) = self.rows.get_mut(&key(&self.key, |at| columns.own_text(at, row))?)?;
        *met = true;
        Some(*partner)
    }

    /// Says which rows of the joined table were not used.
    pub(super) fn say(&self, part: &str, findings: &mut Findings) {
        if self.repeated > 0 {
            let said = format!("rows of {} that repeat the key of another row, which is used: {}", self.table, self.repeated);
            findings.push(Finding::new(Rule::Xro02, said).with_severity(Severity::Warning).in_part(part));
        }
        let alone = self.rows.values().filter(|(_, met)| !met).count();
        if alone > 0 {
            let said = format!("rows of {} that fit no row here and are not used: {alone}", self.table);
            findings.push(Finding::new(Rule::Str08, said).with_severity(Severity::Warning).in_part(part));
        }
    }
}

/// A row's key, of its texts as rows have them; none where any column of it is blank or a null token: two rows that both do not
/// say which bed they are about are not about the same one. Letter case tells no two apart, as anywhere else.
fn key<'r>(at: &[usize], text: impl Fn(usize) -> &'r str) -> Option<Vec<Cow<'r, str>>> {
    if at.is_empty() {
        return None;
    }
    let plain = |text: &str| !text.bytes().any(|byte| byte.is_ascii_uppercase() || !byte.is_ascii());
    let folded = |text: &'r str| if plain(text) { Cow::Borrowed(text) } else { Cow::Owned(text.to_lowercase()) };
    at.iter().map(|at| Some(text(*at)).filter(|text| !text.is_empty()).map(folded)).collect()
}
