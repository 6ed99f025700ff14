//! Rows that are left out: `[[mapping.table.skip]]`.
//!
//! Owns the reasons. Refuses one that could never apply, and one that would leave out every row.

use super::super::document::Section;
use super::columns::Columns;
use super::conditions::{self, When};
use crate::normalise::mapping::Skip;

/// Longest reason in characters: it stands on receipts.
const MAX_REASON: usize = 100;

/// Reads `[[mapping.table.skip]]`.
pub(super) fn skips(table: &Section<'_>, columns: &Columns<'_>) -> Vec<Skip> {
    let mut skips: Vec<Skip> = Vec::new();
    for section in table.sections("skip") {
        let when = section.need("when").and_then(|item| conditions::conditions(&item, columns).map(|when| (item, when)));
        let because = section.need("because").and_then(|item| {
            let text = item.filled()?;
            if text.chars().count() > MAX_REASON || text.chars().any(char::is_control) {
                item.problem(format!("must be one line of at most {MAX_REASON} characters"));
            }
            Some(text.to_owned())
        });
        if let Some((item, when)) = &when {
            let above: Vec<&When> = skips.iter().map(|skip| &skip.when).collect();
            if when.is_empty() {
                item.problem("must name at least one column: this would leave out every row");
            } else if conditions::take_all(&above, when) {
                section.problem("no row is left out by this: the reasons above leave out every row that would be");
            }
        }
        section.finish();
        if let (Some((_, when)), Some(because)) = (when.filter(|(_, when)| !when.is_empty()), because) {
            skips.push(Skip { when, because });
        }
    }
    skips
}
