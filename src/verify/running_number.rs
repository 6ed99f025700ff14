//! Running numbers: which one a set has (TRN-06).
//!
//! Owns what is said where a set states its number badly or twice. Refuses to say which number comes after which, which
//! `feed` does for everybody, and the past: `sequence` compares with what was accepted before, `repeated_hour` takes the numbers
//! as evidence of an order.

use crate::feed::{Finding, Findings, LAST_NUMBER, Rule};

/// A running number as one place of a set states it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stated {
    /// Where, in words that fit after "in", such as "the first line".
    pub place: &'static str,
    /// The number; `None` where something else stands there, or nothing.
    pub number: Option<u64>,
}

/// The number of a set, and what is wrong with how it is stated. `stated` begins with the place that counts most.
#[must_use]
pub fn settle(stated: &[Stated]) -> (Option<u32>, Findings) {
    let mut findings = Findings::default();
    let read =
        |stated: &Stated| stated.number.and_then(|number| u32::try_from(number).ok()).filter(|number| (1..=LAST_NUMBER).contains(number));
    let counts = stated.iter().find_map(|stated| Some((stated.place, read(stated)?)));
    for other in stated {
        let message = match (read(other), counts) {
            (None, None) => format!(
                "In {} there is no running number from 1 to 9,999,999: whether a file is missing or old cannot be told.",
                other.place
            ),
            (None, Some((place, number))) => {
                format!("In {} there is no running number from 1 to 9,999,999; the one in {place}, {number}, counts.", other.place)
            }
            (Some(differing), Some((place, number))) if differing != number => {
                format!("The running number is {number} in {place} and {differing} in {}; the one in {place} counts.", other.place)
            }
            _ => continue,
        };
        findings.push_once(Finding::new(Rule::Trn06, message));
    }
    (counts.map(|(_, number)| number), findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trn_06_the_number_that_counts_is_said_with_every_other() {
        const PLACES: [&str; 3] = ["the control file", "the first line", "the file name"];
        // What the control file, the first line and the name state (nothing, no number, a number), what counts, what is said.
        let (nothing, none, n) = (None, Some(None), |number| Some(Some(number)));
        let rows = [
            ([nothing, nothing, nothing], None, vec![]),
            ([n(7), n(7), n(7)], Some(7), vec![]),
            ([nothing, n(LAST_NUMBER.into()), nothing], Some(LAST_NUMBER), vec![]),
            (
                [n(7), n(8), n(7)],
                Some(7),
                vec!["The running number is 7 in the control file and 8 in the first line; the one in the control file counts."],
            ),
            (
                [nothing, none, n(9)],
                Some(9),
                vec!["In the first line there is no running number from 1 to 9,999,999; the one in the file name, 9, counts."],
            ),
            (
                [nothing, none, nothing],
                None,
                vec!["In the first line there is no running number from 1 to 9,999,999: whether a file is missing or old cannot be told."],
            ),
            (
                [n(0), n(10_000_000), n(u64::MAX)],
                None,
                vec!["In the control file there", "In the first line there", "In the file name there"],
            ),
            (
                [none, n(5), n(6)],
                Some(5),
                vec!["In the control file there", "is 5 in the first line and 6 in the file name; the one in the first line counts."],
            ),
        ];
        for (stated, expected, messages) in rows {
            let stated: Vec<Stated> =
                PLACES.into_iter().zip(stated).filter_map(|(place, number)| Some(Stated { place, number: number? })).collect();
            let (number, findings) = settle(&stated);
            assert_eq!(number, expected, "{stated:?}");
            let said: Vec<&str> = findings.iter().map(|finding| finding.message.as_str()).collect();
            assert_eq!(said.len(), messages.len(), "{said:?}");
            assert!(said.iter().zip(&messages).all(|(said, expected)| said.contains(expected)), "{said:?}");
        }
    }
}
