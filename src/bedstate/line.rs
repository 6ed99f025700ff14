//! The line: one row of the generic dataset.

use super::code::Code;
use super::codes::{
    AgeBand, BedBase, BedSex, BedStatus, ClosedReason, DemandSource, EddBand, EmptyState, Gender, LineType, LosBand, Ready,
};
use super::small::{Moment, ShortCode};

/// The dataset's name and version, as control files state it.
pub const DATASET: &str = "BEDSTATE/1";

/// `quantity` identical beds or patients. Provider, slot and snapshot time stand on the snapshot, not on each line.
///
/// Nothing here identifies a person. Ward type, class and group come from the reference data when the line is loaded.
#[derive(Clone, PartialEq, Eq, serde::Serialize)]
pub struct Line {
    /// ODS site code or registered local id (a care home's CQC location id); at most 12 characters.
    pub site_code: Code,
    /// What is counted.
    pub line_type: LineType,
    /// How many, 1 to 99,999; 1 for a single bed.
    pub quantity: u32,
    /// Ward code, at most 12 characters; `None` only for demand.
    pub ward_code: Option<Code>,
    /// Bay code, at most 12 characters.
    pub bay_code: Option<Code>,
    /// Bed reference, unique in its ward; `None` on a summary line.
    pub bed_ref: Option<Code>,
    /// Bed status; `None` for demand.
    pub bed_status: Option<BedStatus>,
    /// Why an open bed is empty; on [`LineType::Empty`] only.
    pub empty_state: Option<EmptyState>,
    /// Why a bed is closed; on [`LineType::Closed`] only.
    pub closed_reason: Option<ClosedReason>,
    /// The base the bed belongs to.
    pub bed_base: Option<BedBase>,
    /// The sex the bed is for.
    pub bed_sex: Option<BedSex>,
    /// Whether it is a single room.
    pub side_room: Option<bool>,
    /// Critical care level: `00` to `03`. Source: NHS Data Dictionary, CRITICAL CARE LEVEL.
    pub care_level: Option<ShortCode>,
    /// Treatment function code, three digits.
    pub treatment_function: Option<ShortCode>,
    /// The person's gender; on occupied beds and demand only.
    pub gender: Option<Gender>,
    /// The person's age band; on occupied beds and demand only.
    pub age_band: Option<AgeBand>,
    /// Whether the patient is ready to leave.
    pub ready: Option<Ready>,
    /// Expected date of discharge, banded.
    pub edd_band: Option<EddBand>,
    /// Length of stay, banded.
    pub los_band: Option<LosBand>,
    /// Where demand comes from; on [`LineType::Demand`] only.
    pub demand_source: Option<DemandSource>,
    /// Bed group or ward type that is needed; at most 8 characters.
    pub demand_for: Option<Code>,
    /// Whether the waiting patient is in a bed already (another provider's or the wrong one); `false` counts in the headline.
    pub in_bed_now: Option<bool>,
    /// Since when the patient waits: the decision to admit, or acceptance.
    pub wait_from: Option<Moment>,
    /// The age of this row, where a file gathers rows of different ages.
    pub source_updated_at: Option<Moment>,
}

/// A line tells of one person: what it says of that person must not end up in a log by way of a debugging format.
impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Line").field("line_type", &self.line_type).field("quantity", &self.quantity).finish_non_exhaustive()
    }
}

impl Line {
    /// A line of one thing at a site, with nothing else known.
    #[must_use]
    pub fn new(site_code: impl Into<Code>, line_type: LineType) -> Self {
        Self {
            site_code: site_code.into(),
            line_type,
            quantity: 1,
            ward_code: None,
            bay_code: None,
            bed_ref: None,
            bed_status: None,
            empty_state: None,
            closed_reason: None,
            bed_base: None,
            bed_sex: None,
            side_room: None,
            care_level: None,
            treatment_function: None,
            gender: None,
            age_band: None,
            ready: None,
            edd_band: None,
            los_band: None,
            demand_source: None,
            demand_for: None,
            in_bed_now: None,
            wait_from: None,
            source_updated_at: None,
        }
    }
}
