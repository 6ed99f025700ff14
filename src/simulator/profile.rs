//! Profiles: what each sample provider's system can tell, and how busy it is.
//!
//! Owns the figures that make a simulated provider realistic. Refuses layouts' text: that is in `layouts`.
//! Occupancies follow the medians of NHS England's winter daily situation reports of 2018-19.

use crate::bedstate::DemandSource;
use crate::feed::ProviderCode;

/// The six sample layouts, named by the provider that uses each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Layout {
    /// One quoted line a bed, Windows-1252, a total row, a checksum file.
    Rm1,
    /// Ward counts out of a spreadsheet, and a second file of waiting patients.
    Rgp,
    /// Pipe-delimited, no column names, header and trailer lines.
    Rcx,
    /// Mental health: texts for genders and age bands, a control file.
    Rmy,
    /// A zip with a manifest and three tables.
    Ry3,
    /// Care homes: one row a home and bed type.
    Ncc,
}

impl Layout {
    /// Every layout.
    pub const ALL: [Self; 6] = [Self::Rm1, Self::Rgp, Self::Rcx, Self::Rmy, Self::Ry3, Self::Ncc];

    /// The code of the sample provider that uses the layout.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Rm1 => "RM1",
            Self::Rgp => "RGP",
            Self::Rcx => "RCX",
            Self::Rmy => "RMY",
            Self::Ry3 => "RY3",
            Self::Ncc => "NCC",
        }
    }

    /// The layout of a sample provider; `None` for any other organisation.
    #[must_use]
    pub fn of(provider: &ProviderCode) -> Option<Self> {
        Self::ALL.into_iter().find(|layout| layout.code() == provider.as_str())
    }

    pub(super) fn profile(self) -> Profile {
        match self {
            Self::Rm1 => Profile { occupied: 920, cleaning: 400, waiting: (8, 26), sources: &[DemandSource::Emergency], ..ACUTE },
            Self::Rgp => Profile {
                occupied: 970,
                waiting: (3, 12),
                sources: &[DemandSource::Emergency, DemandSource::Emergency, DemandSource::Assessment],
                ..ACUTE
            },
            Self::Rcx => Profile { occupied: 950, cleaning: 400, isolated: 30, ..ACUTE },
            Self::Rmy => Profile {
                occupied: 900,
                leave: 500,
                turnover: 2,
                unknown_gender: 8,
                ready: 60,
                waiting: (2, 9),
                sources: &[DemandSource::Section136, DemandSource::Crisis, DemandSource::Crisis, DemandSource::Repatriation],
                ..ACUTE
            },
            Self::Ry3 => Profile { occupied: 910, turnover: 3, ready: 180, waiting: (4, 14), sources: &[DemandSource::StepDown], ..ACUTE },
            Self::Ncc => Profile { occupied: 910, reserved: 250, turnover: 1, closed_homes: 60, closing_wards: 0, ..ACUTE },
        }
    }
}

/// How one provider behaves. Shares are in thousandths.
#[derive(Clone, Debug)]
pub(super) struct Profile {
    /// Of the open beds, those with a patient.
    pub(super) occupied: u64,
    /// Of the empty beds, those waiting to be cleaned; 0 where the extract cannot tell.
    pub(super) cleaning: u64,
    /// Of the empty beds, those held for a patient on leave.
    pub(super) leave: u64,
    /// Of the empty beds, those promised to somebody.
    pub(super) reserved: u64,
    /// Of the patients, those in isolation.
    pub(super) isolated: u64,
    /// Of the patients, those whose gender is not known.
    pub(super) unknown_gender: u64,
    /// Of the patients, those ready to leave.
    pub(super) ready: u64,
    /// Of the wards, those with some beds closed.
    pub(super) closing_wards: u64,
    /// Of the homes, those closed to new residents.
    pub(super) closed_homes: u64,
    /// Of the beds, those a patient leaves in one slot.
    pub(super) turnover: u64,
    /// Fewest and most patients who wait.
    pub(super) waiting: (usize, usize),
    /// Where they wait; none: the extract does not tell.
    pub(super) sources: &'static [DemandSource],
}

const ACUTE: Profile = Profile {
    occupied: 950,
    cleaning: 0,
    leave: 0,
    reserved: 0,
    isolated: 0,
    unknown_gender: 0,
    ready: 0,
    closing_wards: 150,
    closed_homes: 0,
    turnover: 4,
    waiting: (0, 0),
    sources: &[],
};
