//! Pages: what every layout needs to write an extract.
//!
//! Owns local times, quoting and made-up NHS numbers. Refuses columns: those are each layout's own.

use crate::feed::ProviderCode;
use crate::simulator::generator::Generator;
use crate::simulator::state::{Bed, Organisation, Patient, Waiting, WardState};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// One extract in the making.
pub(super) struct Page<'a> {
    pub(super) provider: &'a ProviderCode,
    pub(super) organisation: &'a Organisation,
    pub(super) zone: &'a TimeZone,
    pub(super) at: Timestamp,
    /// Whether the moment of the extract is written with its offset.
    pub(super) says_offset: bool,
    /// Whether NHS numbers leak into it.
    pub(super) leak: bool,
}

impl<'a> Page<'a> {
    /// The moment of the extract in local time.
    pub(super) fn now(&self, format: &str) -> String {
        self.local(self.at, format)
    }

    /// The moment of the extract as the data holds it: with `BST` or `GMT` where this system says so.
    pub(super) fn stamp(&self, format: &str) -> String {
        if !self.says_offset {
            return self.now(format);
        }
        self.at.to_zoned(self.zone.clone()).strftime(&format!("{format} %Z")).to_string()
    }

    /// The moment of the extract as a name holds it that is the only place of it: UTC with a `Z` where this system says so.
    pub(super) fn stamp_in_name(&self, format: &str) -> String {
        if self.says_offset { self.at.strftime(&format!("{format}Z")).to_string() } else { self.now(format) }
    }

    /// An earlier moment in local time; one that the world has only reached later is the moment of the extract.
    pub(super) fn local(&self, moment: Timestamp, format: &str) -> String {
        self.zone.to_datetime(moment.min(self.at)).strftime(format).to_string()
    }

    /// The local day of the extract.
    pub(super) fn today(&self) -> Date {
        self.zone.to_datetime(self.at).date()
    }

    pub(super) fn age(&self, patient: &Patient) -> u16 {
        patient.age(self.today())
    }

    /// Every bed, with its ward and its number in the ward, counted from 1.
    pub(super) fn beds(&self) -> impl Iterator<Item = (&'a WardState, usize, &'a Bed)> {
        self.organisation.wards.iter().flat_map(|ward| ward.beds.iter().enumerate().map(move |(number, bed)| (ward, number + 1, bed)))
    }

    pub(super) fn waiting(&self) -> impl Iterator<Item = &'a Waiting> {
        self.organisation.waiting.iter()
    }

    /// The heading of the leaked column, if there is a leak.
    pub(super) fn leaked_heading(&self) -> Option<String> {
        self.leak.then(|| "NHS_NO".to_owned())
    }

    /// The leaked cell of one row, if there is a leak: a made-up number for a person, blank otherwise.
    pub(super) fn leaked_cell(&self, row: usize, person: bool) -> Option<String> {
        self.leak.then(|| if person { made_up_nhs_number(row) } else { String::new() })
    }
}

/// One line with every field in quotes, without a line end.
pub(super) fn quoted<T: AsRef<str>>(fields: impl IntoIterator<Item = T>) -> String {
    let fields: Vec<String> = fields.into_iter().map(|field| format!("\"{}\"", field.as_ref().replace('"', "\"\""))).collect();
    fields.join(",")
}

/// One line with quotes only where a field holds one of `special`, without a line end.
pub(super) fn quoted_where<T: AsRef<str>>(special: &[char], fields: impl IntoIterator<Item = T>) -> String {
    let quote = |field: T| {
        let field = field.as_ref();
        if field.contains(special) { quoted([field]) } else { field.to_owned() }
    };
    fields.into_iter().map(quote).collect::<Vec<_>>().join(",")
}

/// A ten-digit number that passes Modulus 11 (weights 10 to 2) and starts with 999, a range that is never issued.
fn made_up_nhs_number(row: usize) -> String {
    let mut chance = Generator::new(u64::try_from(row).unwrap_or(0), "made-up number");
    loop {
        let nine = format!("999{:06}", chance.below(1_000_000));
        let sum: u32 = nine.chars().zip((2..=10).rev()).filter_map(|(digit, weight)| Some(digit.to_digit(10)? * weight)).sum();
        match 11 - sum % 11 {
            10 => {}
            11 => return format!("{nine}0"),
            check => return format!("{nine}{check}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_up_nhs_numbers_pass_the_check_digit_and_are_never_issued() {
        for row in 0..200 {
            let number = made_up_nhs_number(row);
            let digits: Vec<u32> = number.chars().map(|digit| digit.to_digit(10).unwrap()).collect();
            let weighted: u32 = digits.iter().zip((1..=10).rev()).map(|(digit, weight)| digit * weight).sum();
            assert_eq!((digits.len(), weighted % 11), (10, 0), "{number}");
            assert!(number.starts_with("999"));
        }
        assert_ne!(made_up_nhs_number(1), made_up_nhs_number(2));
    }

    #[test]
    fn quotes_are_doubled_inside_quotes() {
        assert_eq!(quoted(["a", "b\"c", ""]), "\"a\",\"b\"\"c\",\"\"");
        assert_eq!(quoted_where(&[',', '\''], ["a", "b, c", "d's", "\u{2013}"]), "a,\"b, c\",\"d's\",\u{2013}");
    }
}
