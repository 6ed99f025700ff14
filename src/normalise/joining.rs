//! Joining: which row of another table adds to a row (F18).
//!
//! Owns the keys of joined rows, and what is said of those that fit none. Refuses to read anything else of them.

use super::columns::Columns;
use super::mapping::TableMapping;
use super::plan::TablePlan;
use super::table::{RawRow, RawTable};
use crate::feed::{Finding, Findings, Rule, Severity};
use std::borrow::Cow;
use std::collections::HashMap;

/// The rows of a joined table, by their key.
pub(super) struct Partners<'t> {
    /// Where the key's columns stand in the joining table.
    key: Vec<usize>,
    rows: HashMap<Vec<Cow<'t, str>>, Partner<'t>>,
    /// The lines of rows that do not say which row they add to, each with the column that is blank.
    keyless: Vec<(u64, &'t str)>,
    repeated: u64,
    table: &'t str,
}

/// A row of the joined table.
#[derive(Clone, Copy)]
pub(super) struct Partner<'t> {
    pub(super) row: RawRow<'t>,
    /// Another row with its key decides something else.
    pub(super) contradicted: bool,
    met: bool,
}

impl<'t> Partners<'t> {
    /// Finds the rows that a table can join; `other` is the table that they are of, with why each of its rows is left out ([`left_out`]).
    pub(super) fn new(
        described: &TableMapping,
        table: &RawTable,
        other: Option<(&'t RawTable, &[Option<&str>])>,
        plan: &TablePlan<'t>,
    ) -> Self {
        let columns = &plan.columns;
        let mut partners = Self { key: Vec::new(), rows: HashMap::new(), keyless: Vec::new(), repeated: 0, table: "" };
        let (Some(join), Some((other, left_out))) = (&described.join, other) else { return partners };
        let own: Option<Vec<usize>> = join.on.iter().map(|name| table.column(name)).collect();
        let its: Option<Vec<usize>> = join.on.iter().map(|name| other.column(name)).collect();
        let (Some(own), Some(its)) = (own, its) else { return partners };
        partners.key = own;
        partners.table = &other.name;
        // Only what a joined row says is asked, so any row of the table serves.
        let any = table.rows().next();
        let decided = |row: RawRow<'t>| any.map(|any| plan.decided(&columns.row(any, Some(row))));
        let stays = |place: usize| left_out.get(place).is_none_or(Option::is_none);
        for (_, row) in other.rows().enumerate().filter(|(place, _)| stays(*place)) {
            let Some(key) = key(&its, |at| columns.joined_text(at, row)) else {
                let blank = its.iter().find(|at| columns.joined_text(**at, row).is_empty()).and_then(|at| other.columns.get(*at));
                partners.keyless.push((row.line, blank.map_or("", String::as_str)));
                continue;
            };
            match partners.rows.entry(key) {
                std::collections::hash_map::Entry::Vacant(free) => {
                    free.insert(Partner { row, contradicted: false, met: false });
                }
                // The same row twice says nothing new; another one does. One that leaves open what the other decides is not used.
                std::collections::hash_map::Entry::Occupied(taken) if taken.get().row.numbers() == row.numbers() => {}
                std::collections::hash_map::Entry::Occupied(mut taken) => {
                    partners.repeated += 1;
                    let taken = taken.get_mut();
                    match (decided(taken.row), decided(row)) {
                        (Some(before), Some(now)) if before.open && !now.open => taken.row = row,
                        (Some(before), Some(now)) if !before.open && !now.open && before != now => taken.contradicted = true,
                        _ => {}
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
    pub(super) fn of(&mut self, row: RawRow<'t>, columns: &Columns<'t>) -> Option<Partner<'t>> {
        if self.rows.is_empty() {
            return None;
        }
        let partner = self.rows.get_mut(&key(&self.key, |at| columns.own_text(at, row))?)?;
        partner.met = true;
        Some(*partner)
    }

    /// Says which rows of the joined table were not used.
    pub(super) fn say(&self, part: &str, findings: &mut Findings) {
        if self.repeated > 0 {
            let said = format!("rows of {} that repeat the key of another row, which is used: {}", self.table, self.repeated);
            findings.push(Finding::new(Rule::Xro02, said).with_severity(Severity::Warning).in_part(part));
        }
        let alone = self.rows.values().filter(|partner| !partner.met).count();
        if alone > 0 {
            let said = format!("rows of {} that fit no row here and are not used: {alone}", self.table);
            findings.push(Finding::new(Rule::Str08, said).with_severity(Severity::Warning).in_part(part));
        }
    }
}

/// Why each row of a table that is joined is left out, in its order; nothing at all where the mapping leaves none out.
pub(super) fn left_out<'m>(table: &'m RawTable, its: &'m TableMapping) -> Vec<Option<&'m str>> {
    if its.skip.is_empty() {
        return Vec::new();
    }
    let plan = TablePlan::new(table, its, None);
    table.rows().map(|row| plan.skipped(&plan.columns.row(row, None), |_| false)).collect()
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
