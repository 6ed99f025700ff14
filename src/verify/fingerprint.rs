//! Fingerprints: what is known of all lines together: their sums, a number that equal lines have in common, and how well
//! persons are coded. All go into the report, so that later snapshots can be compared without keeping a row.
//!
//! Refuses to be a proof: a fingerprint finds figures that stand still by mistake, not on purpose.

use crate::bedstate::{AgeBand, Code, Gender, Line, LineType, Moment, ShortCode, add_to_totals};
use crate::feed::{Persons, Totals};
use std::hash::{Hash, Hasher};

/// What is known of all lines together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Their sums.
    pub totals: Totals,
    /// The persons on them, and those whose gender or age is not known.
    pub persons: Persons,
    /// Their number. It does not depend on their order, for a report that is sorted another way says the same; nor on the
    /// snapshot's time, which moves even where the figures do not.
    pub fingerprint: u64,
}

impl Figures {
    /// Adds a line.
    pub fn add(&mut self, line: &Line) {
        add_to_totals(&mut self.totals, line);
        self.fingerprint = self.fingerprint.wrapping_add(of_line(line));
        if !matches!(line.line_type, LineType::Occupied | LineType::Demand) {
            return;
        }
        let quantity = u64::from(line.quantity);
        self.persons.counted += quantity;
        if line.gender.is_none_or(|gender| gender == Gender::Unknown) {
            self.persons.gender_unknown += quantity;
        }
        if line.age_band.is_none_or(|band| band == AgeBand::Unknown) {
            self.persons.age_unknown += quantity;
        }
    }
}

fn of_line(line: &Line) -> u64 {
    let mut mix = Mix::default();
    (Text(line.site_code.as_bytes()), line.line_type, line.quantity, text(&line.ward_code), text(&line.bay_code)).hash(&mut mix);
    (text(&line.bed_ref), line.bed_status, line.empty_state, line.closed_reason, line.bed_base, line.bed_sex).hash(&mut mix);
    (line.side_room, short(&line.care_level), short(&line.treatment_function)).hash(&mut mix);
    (line.gender, line.age_band, line.ready, line.edd_band, line.los_band).hash(&mut mix);
    (line.demand_source, text(&line.demand_for), line.in_bed_now).hash(&mut mix);
    let seconds = |at: Option<Moment>| at.map(|moment| moment.at().as_second());
    (seconds(line.wait_from), seconds(line.source_updated_at)).hash(&mut mix);
    mix.finish()
}

/// A code that is mixed in as its text is: its bytes, and one that ends them.
struct Text<'a>(&'a [u8]);

fn text(code: &Option<Code>) -> Option<Text<'_>> {
    code.as_ref().map(|code| Text(code.as_bytes()))
}

fn short(code: &Option<ShortCode>) -> Option<Text<'_>> {
    code.as_ref().map(|code| Text(code.as_bytes()))
}

impl Hash for Text<'_> {
    fn hash<H: Hasher>(&self, mix: &mut H) {
        mix.write(self.0);
        mix.write_u8(0xff);
    }
}

/// A multiply-and-rotate hash with numbers of our own. The library's default one may change between its versions, and a
/// number that is kept in the ledger must not.
#[derive(Default)]
struct Mix(u64);

impl Mix {
    fn add(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(29) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

impl Hasher for Mix {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        words.iter().for_each(|word| self.add(u64::from_le_bytes(*word)));
        if !rest.is_empty() {
            self.add(rest.iter().rev().fold(0, |word, byte| (word << 8) | u64::from(*byte)));
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.add(u64::from(value));
    }

    fn write_u32(&mut self, value: u32) {
        self.add(u64::from(value));
    }

    fn finish(&self) -> u64 {
        // Every bit of the last word reaches every bit of the sum that lines are added up in.
        let high = (self.0 ^ (self.0 >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
        high ^ (high >> 32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bedstate::EmptyState;

    fn bed(ward: &str, bed: &str) -> Line {
        let mut line = Line::new("RM102", LineType::Empty);
        line.ward_code = Some(ward.into());
        line.bed_ref = Some(bed.into());
        line
    }

    fn figures(lines: &[Line]) -> Figures {
        let mut figures = Figures::default();
        lines.iter().for_each(|line| figures.add(line));
        figures
    }

    #[test]
    fn what_moves_changes_the_number_and_order_does_not() {
        let of = |lines: &[Line]| figures(lines).fingerprint;
        let base = [bed("W1", "1"), bed("W2", "2")];
        assert_eq!(of(&base), of(&[base[1].clone(), base[0].clone()]));
        let mut cleaned = base.clone();
        cleaned[1].empty_state = Some(EmptyState::Cleaning);
        let mut more = base.clone();
        more[0].quantity = 2;
        let mut waits = base.clone();
        waits[0].wait_from = Some(crate::verify::testing::at("2018-12-03T10:15:00Z").into());
        // Two fields must not be taken for one another, nor two beds of one ward for one bed of two.
        let rows = [cleaned.to_vec(), more.to_vec(), waits.to_vec(), vec![bed("W1", "2"), bed("W2", "1")], base[..1].to_vec()];
        for (n, row) in rows.iter().enumerate() {
            assert_ne!(of(row), of(&base), "row {n}");
        }
        // The number is kept in the ledger: it must be the same in every version of bedfeed.
        assert_eq!(of(&base), 13_111_880_850_646_424_636);
    }

    #[test]
    fn persons_are_counted_by_how_well_they_are_coded() {
        let mut known = Line { line_type: LineType::Occupied, quantity: 3, ..bed("W1", "") };
        (known.gender, known.age_band) = (Some(Gender::Male), Some(AgeBand::A80));
        let mut unknown = known.clone();
        (unknown.gender, unknown.age_band) = (Some(Gender::Unknown), Some(AgeBand::A80));
        let ageless = Line { line_type: LineType::Demand, age_band: Some(AgeBand::Unknown), ..known.clone() };
        let lines = [known, unknown, ageless, bed("W1", "7")];
        assert_eq!(figures(&lines).persons, Persons { counted: 9, gender_unknown: 3, age_unknown: 3 });
    }
}
