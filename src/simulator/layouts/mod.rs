//! Layouts: each sample provider's own way to write its beds, down to the quirks.
//!
//! Owns extracts as bytes, and the faults they can be given. Refuses to change the world it writes about.

mod ncc;
mod page;
mod rcx;
mod rgp;
mod rm1;
mod rmy;
mod ry3;

use super::profile::Layout;
use super::world::World;
use crate::feed::{ProviderCode, SLOT_LENGTH};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use page::Page;

/// One file of an extract, ready to be sent. Data files come before the control file that describes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtractFile {
    /// Its name, as the provider's own job would name it.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// What to write besides the plain truth.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// What goes wrong; `None`: nothing.
    pub fault: Option<Fault>,
    /// Care homes only: adds a row of a home that has registered but not finished its return. Its vacancies and the time of
    /// its last update are blank, so the row is rejected; its beds are not in the world's totals.
    pub incomplete_row: bool,
    /// What clock the provider's system goes by.
    pub clock: SourceClock,
}

/// What clock a simulated system writes its times by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SourceClock {
    /// Local time, without saying whether it is summer time.
    #[default]
    Local,
    /// Greenwich Mean Time all the year.
    FixedGmt,
    /// Local time with ` BST` or ` GMT` behind the moment of the extract where the data holds it (RM1, RMY, RY3), or UTC with
    /// a `Z` where only the name does (NCC). The other two have no place for it and write plain local time.
    Said,
}

/// One thing that goes wrong with an extract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// One digit of the data file changes after the checksum was made. Only layouts with a checksum have it.
    WrongChecksum,
    /// A column `NHS_NO` with made-up numbers that pass the check digit. Only layouts that list persons under column names.
    NhsNumbers,
    /// The first file stops after three fifths of its bytes.
    Truncated,
    /// The same names and time, but the figures of one slot later.
    OtherContent,
}

/// Why no extract could be written.
#[derive(Debug, thiserror::Error)]
pub enum ExtractError {
    /// The provider is not in the world.
    #[error("{0} is not in the simulated world")]
    UnknownProvider(ProviderCode),
    /// The layout has nowhere for the fault.
    #[error("an extract of {provider} cannot have the fault {fault:?}")]
    NoSuchFault {
        /// Whose extract.
        provider: ProviderCode,
        /// Which fault.
        fault: Fault,
    },
    /// The archive could not be packed.
    #[error("cannot pack the archive of {provider}")]
    Archive {
        /// Whose extract.
        provider: ProviderCode,
        /// What the archive writer said.
        #[source]
        source: zip::result::ZipError,
    },
    /// A member of the archive could not be written.
    #[error("cannot write into the archive of {provider}")]
    ArchiveMember {
        /// Whose extract.
        provider: ProviderCode,
        /// What the archive writer said.
        #[source]
        source: std::io::Error,
    },
}

/// Writes a provider's extract of the world as its own system would at `at`, in local time.
///
/// Names differ from slot to slot, but for the hour that October repeats, where local names come twice as real ones do. The
/// running numbers of RCX and RMY count slots, so a resend has the same number.
///
/// # Errors
/// Fails for a provider that is not in the world, and for a fault that its layout has no place for.
pub fn extract(world: &World, provider: &ProviderCode, at: Timestamp, options: &Options) -> Result<Vec<ExtractFile>, ExtractError> {
    if options.fault == Some(Fault::OtherContent) {
        let mut later = world.clone();
        later.advance();
        return extract(&later, provider, at, &Options { fault: None, ..options.clone() });
    }
    let organisation = world.organisation(provider).ok_or_else(|| ExtractError::UnknownProvider(provider.clone()))?;
    let layout = organisation.layout;
    let possible = match options.fault {
        Some(Fault::WrongChecksum) => matches!(layout, Layout::Rm1 | Layout::Rmy),
        Some(Fault::NhsNumbers) => matches!(layout, Layout::Rm1 | Layout::Rmy | Layout::Ry3),
        Some(Fault::Truncated | Fault::OtherContent) | None => true,
    };
    if let (false, Some(fault)) = (possible, options.fault) {
        return Err(ExtractError::NoSuchFault { provider: provider.clone(), fault });
    }
    let zone = if options.clock == SourceClock::FixedGmt { &TimeZone::UTC } else { world.zone() };
    let says_offset = options.clock == SourceClock::Said;
    let page = Page { provider, organisation, zone, at, says_offset, leak: options.fault == Some(Fault::NhsNumbers) };
    let mut files = match layout {
        Layout::Rm1 => rm1::write(&page),
        Layout::Rgp => rgp::write(&page),
        Layout::Rcx => rcx::write(&page),
        Layout::Rmy => rmy::write(&page),
        Layout::Ry3 => ry3::write(&page)?,
        Layout::Ncc => ncc::write(&page, options.incomplete_row),
    };
    if let Some(first) = files.first_mut() {
        match options.fault {
            Some(Fault::WrongChecksum) => change_a_digit(&mut first.bytes),
            Some(Fault::Truncated) => first.bytes.truncate(first.bytes.len() / 5 * 3),
            Some(Fault::NhsNumbers | Fault::OtherContent) | None => {}
        }
    }
    Ok(files)
}

/// Changes the last digit of a file into another digit: the file still reads well.
fn change_a_digit(bytes: &mut [u8]) {
    if let Some(digit) = bytes.iter_mut().rev().find(|byte| byte.is_ascii_digit()) {
        *digit = if *digit == b'9' { b'0' } else { digit.saturating_add(1) };
    }
}

/// The running number of a slot: counts up by one, and wraps from 9,999,999 to 1 as interchange references do.
fn sequence(at: Timestamp) -> u64 {
    let slots = at.as_second().div_euclid(SLOT_LENGTH.as_secs());
    u64::try_from(slots.rem_euclid(9_999_999)).unwrap_or(0) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_running_number_counts_slots_and_wraps() {
        let at = |slot: i64| Timestamp::from_second(slot * 900 + 2).unwrap();
        let rows = [(0, 1), (1, 2), (9_999_998, 9_999_999), (9_999_999, 1)];
        for (slot, expected) in rows {
            assert_eq!(sequence(at(slot)), expected, "{slot}");
        }
    }

    #[test]
    fn a_changed_digit_stays_a_digit() {
        let mut bytes = b"a9b\n".to_vec();
        change_a_digit(&mut bytes);
        assert_eq!(bytes, b"a0b\n");
        change_a_digit(&mut []);
    }
}
