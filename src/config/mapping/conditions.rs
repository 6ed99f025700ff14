//! Conditions: what columns must say for a line, or a reason to leave a row out, to apply.
//!
//! Owns how they are written, and telling that one set of conditions leaves nothing for another. Refuses to guess: rows are
//! called taken only where that is certain from the words themselves.

use super::super::document::Item;
use super::columns::{Columns, Use};
use crate::normalise::mapping::Condition;
use std::collections::BTreeMap;

/// Conditions by column; all must hold.
pub(super) type When = BTreeMap<String, Condition>;

/// Most combinations of listed texts that are looked at when telling whether a line can be reached.
const MAX_COMBINATIONS: usize = 1000;

/// Reads `when`; `None` where one of the conditions is wrong.
pub(super) fn conditions(item: &Item<'_>, columns: &Columns<'_>) -> Option<When> {
    let read = |entry: &Item<'_>| {
        let known = columns.check(entry, entry.name(), Use::Kept);
        let condition = condition(entry).filter(|_| known)?;
        match &condition {
            Condition::OneOf(texts) => texts.iter().for_each(|text| columns.check_seen(entry, entry.name(), text)),
            Condition::Blank => columns.check_seen(entry, entry.name(), ""),
            Condition::StartsWith(_) | Condition::Filled => {}
        }
        Some((entry.name().to_owned(), condition))
    };
    let entries: Vec<_> = item.entries().iter().map(read).collect();
    entries.into_iter().collect()
}

fn condition(item: &Item<'_>) -> Option<Condition> {
    let elements = item.elements();
    let texts: Vec<&str> = elements.iter().filter_map(Item::text).collect();
    if texts.len() != elements.len() {
        return None;
    }
    match texts.as_slice() {
        [] => {
            item.problem("must list at least one text");
            None
        }
        [""] => Some(Condition::Blank),
        ["*"] => Some(Condition::Filled),
        [one] if one.strip_suffix('*').is_some_and(|start| !start.contains('*')) => {
            Some(Condition::StartsWith(one.trim_end_matches('*').to_owned()))
        }
        texts if texts.iter().any(|text| text.is_empty() || text.contains('*')) => {
            item.problem("a * may stand only at the end of a single text, and a list holds whole texts only");
            None
        }
        texts => Some(Condition::OneOf(texts.iter().map(|text| (*text).to_owned()).collect())),
    }
}

/// Whether every row that meets `later` meets one of `earlier` too. Where `later` lists several texts, each may be taken by
/// another one.
pub(super) fn take_all(earlier: &[&When], later: &When) -> bool {
    combinations(later).iter().all(|one| earlier.iter().any(|when| takes(when, one)))
}

/// Whether every row that meets `later` also meets `earlier`.
fn takes(earlier: &When, later: &When) -> bool {
    earlier.iter().all(|(column, condition)| later.get(column).is_some_and(|later| implies(later, condition)))
}

/// Whether every text that meets `narrow` also meets `wide`.
fn implies(narrow: &Condition, wide: &Condition) -> bool {
    let starts = |text: &str, start: &str| text.to_lowercase().starts_with(&start.to_lowercase());
    match (narrow, wide) {
        (Condition::OneOf(texts), Condition::OneOf(known)) => {
            texts.iter().all(|text| known.iter().any(|known| known.to_lowercase() == text.to_lowercase()))
        }
        (Condition::OneOf(texts), Condition::StartsWith(start)) => texts.iter().all(|text| starts(text, start)),
        (Condition::StartsWith(text), Condition::StartsWith(start)) => starts(text, start),
        (Condition::OneOf(_) | Condition::StartsWith(_) | Condition::Filled, Condition::Filled) | (Condition::Blank, Condition::Blank) => {
            true
        }
        (_, Condition::OneOf(_) | Condition::StartsWith(_) | Condition::Filled | Condition::Blank) => false,
    }
}

/// The conditions with each listed text by itself; as they are where that would be too many.
fn combinations(when: &When) -> Vec<When> {
    let mut all = vec![when.clone()];
    for (column, condition) in when {
        let Condition::OneOf(texts) = condition else { continue };
        if all.len().saturating_mul(texts.len()) > MAX_COMBINATIONS {
            return vec![when.clone()];
        }
        let with = |one: &When, text: &String| {
            let mut one = one.clone();
            one.insert(column.clone(), Condition::OneOf(vec![text.clone()]));
            one
        };
        all = all.iter().flat_map(|one| texts.iter().map(|text| with(one, text)).collect::<Vec<_>>()).collect();
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn when(text: &str) -> When {
        let condition = |text: &str| match text {
            "*" => Condition::Filled,
            "" => Condition::Blank,
            text => match text.strip_suffix('*') {
                Some(start) => Condition::StartsWith(start.to_owned()),
                None => Condition::OneOf(text.split('/').map(str::to_owned).collect()),
            },
        };
        text.split_whitespace().map(|pair| pair.split_once('=').unwrap()).map(|(c, t)| (c.to_owned(), condition(t))).collect()
    }

    #[test]
    fn rows_are_taken_only_where_that_is_certain() {
        let rows: [(&[&str], &str, bool); 14] = [
            (&[""], "A=x", true),
            (&["A=x"], "A=X B=y", true),
            (&["A=x/y"], "A=y", true),
            (&["A=x"], "A=x/y", false),
            (&["A=x", "A=y"], "A=x/y", true),
            (&["A=x", "A=y B=*"], "A=x/y", false),
            (&["A=x", "A=y B=*"], "A=x/y B=1/2", true),
            (&["A=*"], "A=x", true),
            (&["A=*"], "A=", false),
            (&["A="], "A=", true),
            (&["A=x*"], "A=xy*", true),
            (&["A=xy*"], "A=x*", false),
            (&["B=*"], "A=x", false),
            (&[], "A=x", false),
        ];
        for (earlier, later, expected) in rows {
            let earlier: Vec<When> = earlier.iter().map(|text| when(text)).collect();
            assert_eq!(take_all(&earlier.iter().collect::<Vec<_>>(), &when(later)), expected, "{earlier:?} {later}");
        }
    }
}
