//! Pictures: what a judgement looked at, for whoever makes the file: lines as sent, columns, sums beside what was expected.
//!
//! Owns the picture's facts and their stable names in JSON. Holds values of a file only as they were masked for showing.

use crate::feed::{Finding, Place};
use jiff::Timestamp;
use jiff::civil::Date;

/// What was decided, without the decision itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Would be loaded.
    Accepted,
    /// Repeats what was accepted before.
    Duplicate,
    /// Would be set aside.
    #[default]
    Rejected,
    /// Would be set aside under seal.
    Sealed,
}

/// Everything about one judgement that a report does not hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Picture {
    /// What was decided.
    pub decision: Decision,
    /// The files that were given.
    pub files: Vec<PicturedFile>,
    /// Parts that are missing, with the names they may have.
    pub missing: Vec<MissingPart>,
    /// The mapping that was used; `null` where none knows the files' names.
    pub mapping: Option<PicturedMapping>,
    /// How each column of each table was mapped.
    pub tables: Vec<PicturedTable>,
    /// What the file says of itself beside what it holds.
    pub stated: Vec<Stated>,
    /// Beds by ward beside the register; empty where the feed tells of no beds, or no line came out.
    pub wards: Vec<WardBeds>,
    /// Wards that are not listed there.
    pub other_wards: OtherWards,
    /// The lines that findings are about, masked. None of a sealed file.
    pub lines: Vec<PicturedLine>,
}

/// One file that was given.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct PicturedFile {
    /// Its name.
    pub name: String,
    /// Which part of the snapshot it is, where the mapping knows.
    pub part: Option<String>,
}

/// A part that nobody gave.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct MissingPart {
    /// Its name in the mapping.
    pub part: String,
    /// The pattern of its file's name.
    pub name: String,
}

/// The mapping that was used.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct PicturedMapping {
    /// Its version.
    pub version: String,
    /// First local day it is in force.
    pub from: Date,
    /// First local day it no longer is; `null`: open-ended.
    pub to: Option<Date>,
    /// Who wrote it.
    pub author: String,
}

/// One table's columns.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct PicturedTable {
    /// Its name in the mapping.
    pub table: String,
    /// The file's part or the archive's member it is in.
    pub part: String,
    /// The columns of the file in their order, then those that are not there.
    pub columns: Vec<PicturedColumn>,
}

/// What became of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// Read into the dataset, or needed to read it.
    Read,
    /// Agreed, and used for nothing.
    Unused,
    /// Declared to identify people: its values are not kept.
    Identifier,
    /// Not agreed: dropped.
    NotAgreed,
    /// Without a name: dropped.
    Nameless,
    /// Agreed and missing from the file.
    Missing,
    /// Agreed as optional, and not there.
    Absent,
}

/// One column.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct PicturedColumn {
    /// Where it stands in the file, from 1; `null` where it is not there.
    pub position: Option<usize>,
    /// Its name as sent; `null` where the layout has no names, or the name is not repeated.
    pub sent_as: Option<String>,
    /// Its agreed name.
    pub agreed: Option<String>,
    /// What became of it.
    pub fate: Fate,
    /// Fields of the dataset that are read from it.
    pub fields: Vec<String>,
    /// What else it is needed for.
    pub also: Vec<String>,
}

/// Something that a file says of itself.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Stated {
    /// Who says so, as in `the control file`.
    pub by: String,
    /// What, as in `rows`.
    pub what: String,
    /// What is said.
    pub stated: u64,
    /// What was found; `null` where nothing could be counted.
    pub found: Option<u64>,
}

/// One ward's beds.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct WardBeds {
    /// Its site.
    pub site: String,
    /// Its code.
    pub ward: String,
    /// Beds in the file, closed ones included.
    pub beds: u64,
    /// Beds in the register; `null` where the ward is not registered.
    pub registered: Option<u32>,
}

/// Wards that are only counted, because there are too many to list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct OtherWards {
    /// Those with as many beds as the register says.
    pub agreeing: usize,
    /// Those with more or fewer, or not in the register.
    pub differing: usize,
}

/// Wards up to which all are listed.
const ALL_WARDS: usize = 40;

/// Of more wards than that, so many that differ from the register are listed and the others are counted: a file can name
/// as many wards as it has rows.
const DIFFERING_WARDS: usize = 20;

impl WardBeds {
    /// Whether the file has other beds than the register.
    #[must_use]
    pub fn differs(&self) -> bool {
        self.registered.map(u64::from) != Some(self.beds)
    }
}

impl Picture {
    /// Takes in wards beside the register: lists what a person can look through, and counts the others.
    #[must_use]
    pub fn with_wards(mut self, mut wards: Vec<WardBeds>) -> Self {
        self.other_wards = OtherWards::default();
        if wards.len() > ALL_WARDS {
            let all = wards.len();
            wards.retain(WardBeds::differs);
            self.other_wards.agreeing = all.saturating_sub(wards.len());
            self.other_wards.differing = wards.len().saturating_sub(DIFFERING_WARDS);
            wards.truncate(DIFFERING_WARDS);
        }
        self.wards = wards;
        self
    }
}

/// One line as sent, masked.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct PicturedLine {
    /// The file's part, where a snapshot has several tables.
    pub part: Option<String>,
    /// Its number, from 1.
    pub line: u64,
    /// What stands between the fields.
    pub delimiter: char,
    /// Its fields; of a line with very many, the first.
    pub fields: Vec<PicturedField>,
    /// How many fields behind those are left out.
    pub left_out: usize,
}

/// One field of a line.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct PicturedField {
    /// As sent, or a mask.
    pub text: String,
    /// What findings call its column, where that is known.
    pub column: Option<String>,
    /// What they call the pieces that it is cut into.
    #[serde(skip)]
    pub pieces: Vec<String>,
}

/// A line of the dataset to show: field and value, blank ones left out. Not part of the picture: values of fields about a
/// person are codes here, and only a person who has the file anyway is shown them.
pub type FirstLine = Vec<(String, String)>;

/// How a picture is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Characters in a line.
    pub width: usize,
    /// Whether colours and bold letters are used.
    pub colour: bool,
    /// The moment that was assumed, where nobody gave one and now would only say that the file is old.
    pub assumed: Option<Timestamp>,
}

impl Picture {
    /// The line that a finding is about.
    #[must_use]
    pub fn line_of(&self, place: &Place) -> Option<&PicturedLine> {
        self.lines.iter().find(|shown| Some(shown.line) == place.line && shown.part == place.part)
    }
}

impl PicturedLine {
    /// Which fields a finding is about, by position.
    #[must_use]
    pub fn marked(&self, finding: &Finding) -> Vec<bool> {
        let wanted: Vec<&str> = finding.place.column.iter().flat_map(|column| column.split(" and ")).collect();
        let names = |field: &PicturedField| field.column.iter().chain(&field.pieces).any(|column| wanted.contains(&column.as_str()));
        self.fields.iter().map(names).collect()
    }
}
