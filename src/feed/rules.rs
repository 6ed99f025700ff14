//! The rule catalogue: every rule's id, severity, meaning and advice, once.
//!
//! Source: the rule catalogue agreed for bed-state feeds; ids are stable, because receipts, tests and people quote them.

use std::fmt;
use std::str::FromStr;

/// What a finding does to the delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know; nothing is wrong.
    Information,
    /// Accepted, but somebody should look.
    Warning,
    /// The row is left out and listed.
    RejectRow,
    /// The whole file is set aside; its slot is not filled.
    RejectFile,
}

impl Severity {
    /// The word used on receipts and pages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Information => "information",
            Self::Warning => "warning",
            Self::RejectRow => "row rejected",
            Self::RejectFile => "file rejected",
        }
    }
}

/// Whether support may release a file that this rule rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Release {
    /// A person may take responsibility for the figures.
    Allowed,
    /// There is nothing trustworthy to load, or it must not be loaded.
    Never,
}

macro_rules! catalogue {
    ($($variant:ident $id:literal $severity:ident $release:ident $meaning:literal $advice:literal)*) => {
        /// A rule of the catalogue.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Rule {
            $(#[doc = concat!("`", $id, "`: ", $meaning)] $variant,)*
        }

        impl Rule {
            /// Every rule, in catalogue order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The id that receipts and people quote, such as `TRN-04`.
            #[must_use]
            pub fn id(self) -> &'static str {
                match self { $(Self::$variant => $id,)* }
            }

            /// What a finding of this rule does, unless a count raises or a setting lowers it.
            #[must_use]
            pub fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity,)* }
            }

            /// What the rule checks, in a few words.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }

            /// What the sender should do about it.
            #[must_use]
            pub fn advice(self) -> &'static str {
                match self { $(Self::$variant => $advice,)* }
            }

            /// Whether support may release a file that this rule rejected.
            #[must_use]
            pub fn may_be_released(self) -> bool {
                match self { $(Self::$variant => Release::$release == Release::Allowed,)* }
            }
        }
    };
}

catalogue! {
    Trn01 "TRN-01" RejectFile Never "The file was complete before the wait limit passed." "Check why the control file, checksum or signature that ends each delivery was not sent, and send the files again."
    Trn02 "TRN-02" RejectFile Never "The provider named in the file is the account's provider." "Check that this job uses your own organisation's account and that the extract was made for your organisation."
    Trn03 "TRN-03" RejectFile Never "Size, archive and file type are within limits." "Send a plain text extract (or the agreed zip) within the size limit, without folders inside the archive."
    Trn04 "TRN-04" RejectFile Never "The SHA-256 in the control file matches." "Send the file and its control file again: one of them was damaged or replaced on the way."
    Trn05 "TRN-05" Information Never "The same content was accepted before." "Nothing to do. If you meant to send newer figures, check that the extract was made again."
    Trn06 "TRN-06" Warning Allowed "The running number follows the last one." "Check whether a file was not sent, or whether an old file was sent again. Mark a file that is sent again on purpose as RESEND."
    Trn07 "TRN-07" RejectFile Allowed "A file name is used once." "Give every file its own name, or mark a correction as RESEND in its control file."
    Trn08 "TRN-08" RejectFile Never "The file name follows the agreed pattern." "Rename the file as agreed for your feed; the expected patterns are in the message."
    Trn09 "TRN-09" RejectFile Never "All parts of a set arrive within the wait limit." "Send all parts of the set again; check why one was not sent."
    Trn10 "TRN-10" RejectFile Never "The signature is by an agreed key, for this file." "Sign each file before it is sent, with the agreed key and namespace (ssh-keygen -Y sign), and send the signature with it."
    Str01 "STR-01" RejectFile Never "The file has bed rows." "Check the export job: the file has no data. Overnight back-ups of the source system are a usual cause."
    Str02 "STR-02" Warning Never "The text is in the agreed encoding." "Export in the agreed encoding. If it reads as damaged, the wrong file may have been sent."
    Str03 "STR-03" RejectFile Never "Every agreed column is there, once." "Put the column back under its agreed name, or ask for the mapping to be changed first."
    Str04 "STR-04" Warning Allowed "No column, member or key that was not agreed." "Take it out of what is sent, or agree it first. It was not kept."
    Str05 "STR-05" RejectRow Allowed "Every row has the agreed number of fields and closed quotes." "Check the line for a stray separator or quote inside a text."
    Str06 "STR-06" RejectFile Never "The number of rows is the number announced." "Send the file again: rows were lost, or the count was made before the export ended."
    Str07 "STR-07" RejectFile Never "The sums in the control record are the sums of the file." "Send the file again: rows were lost or doubled, or the sums were made before the export ended."
    Str08 "STR-08" Information Allowed "Total and blank lines are skipped." "Nothing to do."
    Str09 "STR-09" RejectFile Never "The dataset version and the kind of file are known." "Use the agreed dataset version and one of the agreed kinds in the control record."
    Str10 "STR-10" Warning Never "The last line is whole." "Send the file again: it was cut short on the way, or the export was stopped. If your files never end with a line end, ask for that to be noted in the mapping."
    Tim01 "TIM-01" RejectFile Never "The snapshot time can be read, is one, and fits the file name." "Check the time column and the file name: both must show when the figures were true."
    Tim02 "TIM-02" RejectFile Never "The snapshot is not in the future." "Check the clock and the time zone of the system that made the extract."
    Tim03 "TIM-03" Warning Allowed "The snapshot arrived by the time it was due." "Check why the job ran late. Files older than a day are held until a person releases them."
    Tim04 "TIM-04" Warning Allowed "The slot was empty before." "Nothing to do if you meant to correct figures already sent."
    Tim05 "TIM-05" RejectFile Never "The local time exists." "No file can carry a time in the hour the clocks skip in March; agree a clock policy for your system."
    Tim06 "TIM-06" Warning Allowed "A time in the repeated October hour was resolved." "Nothing to do; an offset in the time would remove the doubt."
    Tim07 "TIM-07" RejectRow Allowed "The start of a wait is plausible." "Correct the time since when the patient waits; it must not lie after the snapshot, nor months before it."
    Tim08 "TIM-08" Warning Allowed "Rows were updated lately enough, and not after the snapshot." "Ask the places behind the old rows to update their figures; where the time is after the snapshot, correct the date or the clock."
    Tim09 "TIM-09" Warning Allowed "The clock of the source agrees with ours." "Check the clock of the system that makes the extract, and its time zone."
    Ref01 "REF-01" RejectFile Never "The sharing agreement is in date." "Ask the council to renew the data sharing agreement."
    Ref02 "REF-02" RejectRow Allowed "The site is registered to the provider." "Correct the site code, or ask for the site to be registered."
    Ref03 "REF-03" Warning Allowed "The ward is registered." "Tell the council about the new ward, so that it can be given a type and a group."
    Ref04 "REF-04" RejectRow Allowed "The code is agreed for its column." "Correct the code, or ask for it to be added to the mapping."
    Ref05 "REF-05" Warning Allowed "Gender and age are coded." "Complete the coding at the source."
    Ref06 "REF-06" Warning Allowed "The file describes a ward as the register does." "Tell the council if the ward has changed; until then its register is used."
    Ref07 "REF-07" Warning Allowed "Clinical codes are on the national lists." "Use codes of the national list; others are left out."
    Ref08 "REF-08" RejectFile Never "A mapping is in force for the snapshot's date." "Ask the council to bring a mapping into force for this date."
    Row01 "ROW-01" RejectRow Allowed "Mandatory fields are filled." "Fill the field at the source."
    Row02 "ROW-02" RejectRow Allowed "Quantities are whole numbers from 1 to 99999." "Correct the count: it must be a whole number, and parts may not exceed their total."
    Row03 "ROW-03" RejectRow Allowed "Fields that a line of this type needs are there." "Fill the field: lines of this type need it."
    Row04 "ROW-04" RejectRow Allowed "Fields that a line of this type may not have are blank." "Leave the field blank on lines of this type."
    Row05 "ROW-05" RejectRow Allowed "Line type and bed status agree." "Correct the status: the row says two things about one bed."
    Row06 "ROW-06" Warning Allowed "Coding is plausible: isolation in a side room, critical care on a critical care ward." "Check the coding of these beds at the source."
    Row07 "ROW-07" Warning Allowed "No spreadsheet damage." "Export straight from the source system; do not open and save the file in a spreadsheet."
    Row08 "ROW-08" RejectRow Allowed "Lengths and characters are within the specification." "Shorten or correct the value."
    Row99 "ROW-99" RejectFile Allowed "Few enough rows were rejected." "Correct the rejected rows and send the file again."
    Xro01 "XRO-01" RejectFile Allowed "Each bed is listed once." "Remove the repeated beds: usually a join in the extract doubles rows."
    Xro02 "XRO-02" RejectRow Allowed "Each summary line is there once." "Add the repeated lines together, or remove the repetition."
    Xro03 "XRO-03" Warning Allowed "No more beds are occupied than are open." "Check the counts: patients beyond the open beds need beds of their own, such as extra beds put up."
    Xro04 "XRO-04" RejectFile Allowed "Every registered ward with beds is in the snapshot." "Check why the ward is missing. If it was closed, tell the council, so that the register says so."
    Xro05 "XRO-05" Warning Allowed "A ward has about as many beds as the register says." "Check the extract, or tell the council that the number of beds has changed."
    Xro06 "XRO-06" Warning Allowed "Patients are in beds for their sex." "Check the coding of the bed or of the patients."
    Xro07 "XRO-07" Warning Allowed "Patients are of the age that the ward is for." "Check the coding of age, or the ward."
    Xro08 "XRO-08" Warning Allowed "Each demand is counted once." "Leave repeated requests out of the extract: each waiting patient counts once."
    Pla01 "PLA-01" Warning Allowed "The number of open beds moves as it usually does." "Check whether wards opened or closed, or whether rows are missing."
    Pla02 "PLA-02" Warning Allowed "The number of occupied beds moves as it usually does." "Check whether rows are missing or doubled."
    Pla03 "PLA-03" Warning Allowed "The figures move." "Check whether the source system, or the job that copies its data, has stopped."
    Pla04 "PLA-04" Warning Allowed "Demand is within what is usual." "Check whether the waiting list is in the extract, and in it once."
    Pla05 "PLA-05" RejectFile Allowed "Beds are open and occupied." "Check the extract: a provider of this size cannot have none."
    Pla06 "PLA-06" Warning Allowed "Gender and age are coded as well as usual." "Check what changed in the coding of gender and age at the source."
    Igv01 "IGV-01" RejectFile Never "No column that names a person's identity." "Take the column out of the extract. Tell your information governance lead that it was sent."
    Igv02 "IGV-02" RejectFile Never "No NHS numbers." "Take the numbers out of the extract. Tell your information governance lead that they were sent."
    Igv03 "IGV-03" RejectFile Never "No dates of birth." "Take the birth dates out of the extract. Tell your information governance lead that they were sent."
    Igv04 "IGV-04" Warning Allowed "No ward label that tells of a diagnosis." "Agree another label for the ward with the council: its code or name tells why people are there."
    Igv05 "IGV-05" RejectFile Never "No reference that is an NHS number." "Use references that mean nothing outside your system. Tell your information governance lead that NHS numbers were sent."
}

impl Rule {
    /// Whether a rejection by this rule seals the file.
    #[must_use]
    pub fn seals(self) -> bool {
        matches!(self, Self::Igv01 | Self::Igv02 | Self::Igv03 | Self::Igv05)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.id())
    }
}

impl FromStr for Rule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.iter().copied().find(|rule| rule.id() == text).ok_or_else(|| format!("{text} is not a rule of the catalogue"))
    }
}

impl serde::Serialize for Rule {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id())
    }
}

impl<'de> serde::Deserialize<'de> for Rule {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <String as serde::Deserialize>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_read_back() {
        for rule in Rule::ALL {
            assert_eq!(rule.id().parse::<Rule>().unwrap(), *rule);
        }
        assert!("TRN-99".parse::<Rule>().is_err());
    }
}
