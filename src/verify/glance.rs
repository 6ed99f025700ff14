//! A glance at all lines: which of the checks that look at single lines have anything to look at.
//!
//! Owns going through the lines once where each of those checks would go through them by itself; of a good file most have
//! nothing to say, and going through its lines is what they cost. Refuses to judge: a check that may have something to say is
//! asked.

use super::{PlacedLine, lines, rows, totals};

/// Which checks may have something to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Glance {
    /// A line lacks something that its type needs, has what it may not have, or contradicts itself: for [`rows::check`].
    pub unsound: bool,
    /// A line states a time, a critical care level or isolation: for [`lines::check`].
    pub telling: bool,
    /// More than one line counts beds or patients together: for the search for repeats among those.
    pub summaries: bool,
}

impl Glance {
    /// Looks at every line once. Leaving out lines later can only make less of what it says.
    #[must_use]
    pub fn at(placed: &[PlacedLine]) -> Self {
        let (mut glance, mut summaries) = (Self::default(), 0_usize);
        for line in placed.iter().map(|placed| &placed.line) {
            glance.unsound |= !rows::is_sound(line);
            glance.telling |= lines::is_telling(line);
            summaries += usize::from(totals::is_summary(line));
        }
        Self { summaries: summaries > 1, ..glance }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bedstate::{BedStatus, EmptyState, Gender, Line, LineType, ShortCode};
    use crate::verify::testing::at;

    #[test]
    fn what_a_check_would_look_at_is_seen() {
        type Change = fn(&mut Line);
        let none = Glance::default();
        let rows: [(&str, Change, Glance); 7] = [
            ("a plain bed", |_| {}, none),
            ("a field too few", |line| line.empty_state = None, Glance { unsound: true, ..none }),
            ("a field too many", |line| line.gender = Some(Gender::Male), Glance { unsound: true, ..none }),
            ("another status", |line| line.bed_status = Some(BedStatus::Occupied), Glance { unsound: true, ..none }),
            ("isolation", |line| line.bed_status = Some(BedStatus::Isolated), Glance { telling: true, ..none }),
            ("critical care", |line| line.care_level = ShortCode::new("02"), Glance { telling: true, ..none }),
            ("a time", |line| line.source_updated_at = Some(at("2018-12-03T10:15:00Z").into()), Glance { telling: true, ..none }),
        ];
        for (what, change, expected) in rows {
            let mut line = Line::new("RM102", LineType::Empty);
            (line.ward_code, line.bed_ref, line.empty_state) = (Some("W1".into()), Some("1".into()), Some(EmptyState::Ready));
            let plain = PlacedLine { part: "beds".into(), row: 2, line: line.clone() };
            change(&mut line);
            let other = PlacedLine { part: "beds".into(), row: 3, line: line.clone() };
            assert_eq!(Glance::at(&[plain.clone(), other]), expected, "{what}");
            // Lines that count beds together, of which it takes two to be repeats.
            line.bed_ref = None;
            let summary = PlacedLine { part: "beds".into(), row: 4, line };
            assert!(!Glance::at(&[plain, summary.clone()]).summaries, "{what}");
            assert!(Glance::at(&[summary.clone(), summary]).summaries, "{what}");
        }
    }
}
