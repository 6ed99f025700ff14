//! The code lists of the generic dataset. Codes survive spreadsheets: none looks like a number range or a date.

use std::fmt;
use std::str::FromStr;

/// A text that is not a code of the list it was read as.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a code of {list}")]
pub struct UnknownCode {
    /// The field's name in the dataset.
    pub list: &'static str,
}

macro_rules! code_list {
    ($(#[$doc:meta])* $name:ident, $field:literal { $($(#[$vdoc:meta])* $variant:ident $code:literal $meaning:literal)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $(#[doc = concat!("`", $code, "`: ", $meaning, ".")] $variant,)*
        }

        impl $name {
            /// The field's name in the dataset.
            pub const FIELD: &'static str = $field;
            /// Every code, in the order of the specification.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The code as text.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// What the code means.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }
        }

        impl FromStr for $name {
            type Err = UnknownCode;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($code => Ok(Self::$variant),)*
                    _ => Err(UnknownCode { list: $field }),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.code())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.code())
            }
        }
    };
}

code_list! {
    /// What a line counts.
    LineType, "line_type" {
        Occupied "OCC" "an occupied bed"
        Empty "EMP" "an open bed without a patient"
        Closed "CLO" "a bed that is not open"
        Demand "DEM" "a patient who needs a bed here"
    }
}
code_list! {
    /// Bed status. Source: HL7 version 2 table 0116, FHIR Location.operationalStatus.
    BedStatus, "bed_status" {
        Closed "C" "closed"
        Housekeeping "H" "housekeeping"
        Occupied "O" "occupied"
        Unoccupied "U" "unoccupied"
        Contaminated "K" "contaminated"
        Isolated "I" "isolated"
    }
}
code_list! {
    /// Why an open bed is empty.
    EmptyState, "empty_state" {
        Ready "RDY" "ready for a patient"
        Cleaning "CLN" "awaiting cleaning"
        Reserved "RSV" "allocated or reserved"
        Leave "LVE" "held for a patient on leave"
    }
}
code_list! {
    /// Why a bed is closed.
    ClosedReason, "closed_reason" {
        Infection "IPC" "infection prevention and control"
        Staffing "STF" "staffing"
        Estates "EST" "estates"
        Timetable "TIM" "timetable"
        Companion "CAR" "used by a companion"
        Other "OTH" "another reason"
    }
}
code_list! {
    /// Which base a bed belongs to.
    BedBase, "bed_base" {
        Core "COR" "core"
        Escalation "ESC" "escalation"
        DayCase "DAY" "day case"
        Temporary "TMP" "an extra bed put up"
    }
}
code_list! {
    /// Which sex a bed is for. Source: NHS Data Dictionary, WARD INTENDED SEX OF PATIENTS.
    BedSex, "bed_sex" {
        Male "1" "male"
        Female "2" "female"
        NotSpecified "8" "not specified"
    }
}
code_list! {
    /// A person's gender. Source: NHS Data Dictionary, PERSON STATED GENDER CODE.
    Gender, "gender" {
        Male "1" "male"
        Female "2" "female"
        Indeterminate "9" "indeterminate"
        Unknown "X" "not known"
    }
}
code_list! {
    /// A person's age in five-year bands, named by the lower bound.
    AgeBand, "age_band" {
        A00 "A00" "0 to 4" A05 "A05" "5 to 9" A10 "A10" "10 to 14" A15 "A15" "15 to 19" A20 "A20" "20 to 24"
        A25 "A25" "25 to 29" A30 "A30" "30 to 34" A35 "A35" "35 to 39" A40 "A40" "40 to 44" A45 "A45" "45 to 49"
        A50 "A50" "50 to 54" A55 "A55" "55 to 59" A60 "A60" "60 to 64" A65 "A65" "65 to 69" A70 "A70" "70 to 74"
        A75 "A75" "75 to 79" A80 "A80" "80 to 84" A85 "A85" "85 to 89" A90 "A90" "90 and over" Unknown "AXX" "not known"
    }
}
code_list! {
    /// Whether a patient is ready to leave.
    Ready, "ready" {
        No "N" "not ready"
        Ready "R" "discharge ready, no criteria to reside"
        Delayed "D" "formally delayed"
        Unknown "X" "not known"
    }
}
code_list! {
    /// Expected date of discharge, banded.
    EddBand, "edd_band" {
        Overdue "OV" "overdue"
        Today "T0" "today"
        Tomorrow "T1" "tomorrow"
        Week "T7" "within seven days"
        Later "G7" "after seven days"
        Unknown "UN" "not known"
    }
}
code_list! {
    /// Length of stay, banded. Source: SitRep length-of-stay groups.
    LosBand, "los_band" {
        L00 "L00" "0 to 6 days"
        L07 "L07" "7 to 13 days"
        L14 "L14" "14 to 20 days"
        L21 "L21" "21 days and over"
    }
}
code_list! {
    /// Where demand comes from.
    DemandSource, "demand_source" {
        Emergency "EDP" "emergency department"
        Assessment "ASU" "assessment unit or trolley"
        Elective "ELE" "elective, due today"
        TransferIn "TRI" "transfer in"
        StepUp "STU" "step-up"
        StepDown "STD" "step-down"
        Section136 "S13" "section 136"
        Crisis "CRH" "crisis or community"
        Repatriation "REP" "repatriation"
        CareHome "CHP" "care-home placement"
    }
}
code_list! {
    /// How long somebody has waited, banded by hours.
    WaitBand, "wait_band" {
        W00 "W00" "under 4 hours"
        W04 "W04" "4 to 8 hours"
        W08 "W08" "8 to 12 hours"
        W12 "W12" "12 to 24 hours"
        W24 "W24" "24 hours and over"
    }
}

impl AgeBand {
    /// The band of an age in whole years; `None` above 130, where the age itself is in doubt.
    #[must_use]
    pub fn of_age(years: u16) -> Option<Self> {
        if years > 130 {
            return None;
        }
        Self::ALL.get(usize::from(years / 5).min(18)).copied()
    }

    /// The youngest age of the band in years; `None` for not known.
    #[must_use]
    pub fn lower_bound(self) -> Option<u16> {
        match self {
            Self::Unknown => None,
            _ => self.code().trim_start_matches('A').parse().ok(),
        }
    }
}

impl WaitBand {
    /// The band of a wait in whole minutes; a wait that starts up to five minutes ahead counts as none.
    #[must_use]
    pub fn of_minutes(minutes: i64) -> Self {
        match minutes {
            ..240 => Self::W00,
            240..480 => Self::W04,
            480..720 => Self::W08,
            720..1440 => Self::W12,
            1440.. => Self::W24,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_fall_into_quinary_bands() {
        let rows = [(0, "A00"), (4, "A00"), (5, "A05"), (83, "A80"), (89, "A85"), (90, "A90"), (112, "A90")];
        for (years, band) in rows {
            assert_eq!(AgeBand::of_age(years).unwrap().code(), band, "{years}");
        }
        assert_eq!(AgeBand::of_age(131), None);
        assert_eq!(AgeBand::A85.lower_bound(), Some(85));
        assert_eq!(AgeBand::Unknown.lower_bound(), None);
    }

    #[test]
    fn waits_fall_into_bands_by_hours() {
        let rows = [(-3, "W00"), (239, "W00"), (240, "W04"), (719, "W08"), (720, "W12"), (1439, "W12"), (1440, "W24")];
        for (minutes, band) in rows {
            assert_eq!(WaitBand::of_minutes(minutes).code(), band, "{minutes}");
        }
    }
}
