//! Mappings: how one provider's extract becomes lines. Data only: there is no scripting.
//!
//! A mapping is read from the provider's settings file by `config`, which refuses one that cannot work; here is what a
//! valid one says. Column names are always the mapping's own spelling; `verify::structure` finds them in the file.

mod files;
mod lines;

pub use files::{Compression, FilePart, Manifest, NamePattern, NamePiece, PartRole};
pub use lines::{Condition, FIELDS, FieldSource, LineMapping, LinesPerRow, Otherwise, Quantity, Reading, Sum};

use crate::bedstate::{Coverage, LineType};
use crate::feed::Digest;
use jiff::SignedDuration;
use jiff::civil::Date;
use std::collections::{BTreeMap, BTreeSet};

/// One version of one provider's mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Its name, unique for the provider; stored with every snapshot.
    pub version: String,
    /// First local day it is in force.
    pub from: Date,
    /// First local day it is no longer in force; `None`: open-ended.
    pub to: Option<Date>,
    /// Who wrote it.
    pub author: String,
    /// Hash of its text in the settings file.
    pub hash: Digest,
    /// How times without an offset are read.
    pub zone: SourceZone,
    /// What to do with a local time that the clocks skipped in March.
    pub march_gap: MarchGap,
    /// How long the first part of a set waits for the others.
    pub set_wait: SignedDuration,
    /// The files that make one snapshot.
    pub files: Vec<FilePart>,
    /// The tables in those files.
    pub tables: Vec<TableMapping>,
    /// Reads `row_count` for archive members, where the archive has a manifest.
    pub manifest: Option<Manifest>,
    /// What the feed tells of: worked out from the lines its tables can make.
    pub coverage: Coverage,
}

/// How times without an offset are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceZone {
    /// `Europe/London`: local time with clock changes.
    London,
    /// `fixed GMT`: a system that never changes its clocks.
    FixedGmt,
}

/// What to do with a local time that does not exist (01:00 to 01:59 on the last Sunday in March).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarchGap {
    /// Reject the file (TIM-05).
    Reject,
    /// Read it as one hour later.
    ShiftForward,
}

impl Mapping {
    /// The archive members that a part must have, each once: those of its tables and the manifest. None where it is no archive.
    #[must_use]
    pub fn members_of(&self, part: &str) -> Vec<&str> {
        let mut members: Vec<&str> =
            self.tables.iter().filter(|table| table.file == part).filter_map(|table| table.member.as_deref()).collect();
        if !members.is_empty() {
            members.extend(self.manifest.as_ref().map(|manifest| manifest.member.as_str()));
        }
        members.sort_unstable();
        members.dedup();
        members
    }
}

/// One table: where it is, how it is cut, what its rows mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableMapping {
    /// Its name, unique in the mapping.
    pub name: String,
    /// The part it is in.
    pub file: String,
    /// The archive member it is in, where the part is a zip.
    pub member: Option<String>,
    /// How bytes become text.
    pub encoding: Encoding,
    /// Field separator.
    pub delimiter: u8,
    /// Whether fields may be quoted with `"`.
    pub quoted: bool,
    /// Whether the first line names the columns; otherwise `columns` gives their order.
    pub header: bool,
    /// Lines before the first one that counts: a report's title, a line of column groups.
    pub skip_lines: usize,
    /// Every column agreed: each must be there (STR-03), unless optional.
    pub columns: Vec<String>,
    /// Columns that may be missing.
    pub optional: Vec<String>,
    /// Other spellings of a column's name, by column. Case, spaces and punctuation never matter.
    pub also_named: BTreeMap<String, Vec<String>>,
    /// Whether a column that was not agreed rejects the file (STR-04), instead of being dropped.
    pub reject_extra: bool,
    /// Columns declared to identify people: expected, used at most to derive an age band, never kept.
    pub identifiers: Vec<String>,
    /// Texts that mean "nothing here" in any column, beside the blank. Letter case ignored.
    pub null: Vec<String>,
    /// How cells are put right before any meaning is given to them.
    pub tidy: Tidy,
    /// Rows to leave out, in this order; the first that applies gives the reason.
    pub skip: Vec<Skip>,
    /// A column that states the provider on every row; it must be the account's (TRN-02). A blank states nothing.
    pub provider: Option<String>,
    /// Where the snapshot time stands.
    pub snapshot_at: SnapshotTime,
    /// A first line of its own layout.
    pub header_line: Option<HeaderLine>,
    /// A last line that states the number of rows.
    pub trailer_line: Option<TrailerLine>,
    /// A row of sums among the data.
    pub total_row: Option<TotalRow>,
    /// Whether its last line ends with a line end: always (STR-10 rejects a file without), never, or not agreed.
    pub final_newline: Option<bool>,
    /// A column whose repeated value marks a row as a copy; copies equal in every field are skipped and counted.
    pub copies_by: Option<String>,
    /// Another table whose columns are added to rows with the same key, as `table.column`.
    pub join: Option<Join>,
    /// Whether no rows at all is fine (a list of waiting patients at a quiet time).
    pub may_be_empty: bool,
    /// Whether a row makes one line (the first that applies) or each line that applies.
    pub lines_per_row: LinesPerRow,
    /// Counts of a row that must fit together (ROW-02, XRO-03).
    pub sums: Vec<Sum>,
    /// Fields that every line of the table has, by dataset field name.
    pub fields: BTreeMap<String, FieldSource>,
    /// The lines a row can make.
    pub lines: Vec<LineMapping>,
    /// Fields that must be filled beyond what the dataset asks (ROW-01).
    pub required: Vec<String>,
}

impl TableMapping {
    /// What its rows can tell of, whatever they say: any kind where a line's type is a plain column's text.
    #[must_use]
    pub fn kinds(&self) -> BTreeSet<LineType> {
        let mut kinds = BTreeSet::new();
        for line in &self.lines {
            let own = || self.fields.get("line_type").filter(|_| !line.omit.iter().any(|left_out| left_out == "line_type"));
            match line.set.get("line_type").or_else(own) {
                Some(FieldSource::Value(code)) => kinds.extend(code.parse::<LineType>()),
                Some(FieldSource::Column { reading: Reading::Codes { codes, otherwise }, .. }) => {
                    kinds.extend(codes.values().filter_map(|code| code.parse::<LineType>().ok()));
                    if let Otherwise::Code(code) = otherwise {
                        kinds.extend(code.parse::<LineType>());
                    }
                }
                Some(_) => kinds.extend(LineType::ALL),
                None => {}
            }
        }
        kinds
    }
}

/// How the cells of a table are put right, by column, in this order. Everything that follows sees the result only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tidy {
    /// Texts that mean "nothing here" in one column, beside those of [`TableMapping::null`]. Letter case ignored.
    pub null_in: BTreeMap<String, Vec<String>>,
    /// Columns in which a spreadsheet may have made numbers of codes: `7.0` and `1,007` are read as `7` and `1007`.
    pub whole_numbers: Vec<String>,
    /// Columns in which a blank cell repeats the one above, as merged cells of a spreadsheet do.
    pub copy_down: Vec<String>,
    /// What a blank cell of a column stands for.
    pub blank_means: BTreeMap<String, String>,
    /// Columns that are cut into pieces; each piece is a column of its own.
    pub split: Vec<Split>,
}

impl Tidy {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// A column whose text is several things in one, such as `W21/B2/04`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// The column.
    pub column: String,
    /// How its text looks.
    pub pattern: SplitPattern,
}

/// How a text is put together: `{Ward}/{Bay}/{Bed}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitPattern {
    /// As written in the settings; shown to senders.
    pub text: String,
    /// What stands before the first piece; mostly nothing.
    pub before: String,
    /// Each piece's name, and the text that follows it: never empty but for the last.
    pub pieces: Vec<(String, String)>,
}

/// Rows that are left out, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skip {
    /// All must hold, by column.
    pub when: BTreeMap<String, Condition>,
    /// The reason, as the sender is told it.
    pub because: String,
}

/// How bytes become text. A byte order mark always wins; bytes that are not valid UTF-8 are read as Windows-1252 (STR-02).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8.
    Utf8,
    /// Windows-1252, which some NHS portals require.
    Windows1252,
    /// UTF-16, which says by its byte order mark in which order its bytes come.
    Utf16,
}

/// Where the snapshot time stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SnapshotTime {
    /// In a column, the same on every row.
    Column {
        /// The column.
        column: String,
        /// `strptime` formats, tried in order.
        formats: Vec<String>,
    },
    /// In the file's name.
    FileName,
    /// In the header line.
    HeaderLine,
    /// Another table of the snapshot gives it.
    OtherTable,
}

/// A first line of its own layout, such as `H|RCX|0001234|20181203101500|BEDSTATE`. Positions count from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderLine {
    /// The text of its first field.
    pub starts: String,
    /// Where the provider's code stands.
    pub provider: Option<usize>,
    /// Where the running number stands.
    pub sequence: Option<usize>,
    /// Where the snapshot time stands, and its format.
    pub snapshot_at: Option<(usize, String)>,
    /// Where the dataset's name stands, with or without its version.
    pub dataset: Option<usize>,
    /// Where the kind stands: FULL, RESEND or TEST.
    pub kind: Option<usize>,
    /// Where the time stands at which the file was made.
    pub produced_at: Option<usize>,
}

/// A last line with the number of data rows, such as `T|3`. Positions count from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrailerLine {
    /// The text of its first field.
    pub starts: String,
    /// Where the number of rows stands.
    pub rows: usize,
    /// Where the sums of occupied, empty and closed beds and of demand stand, in this order, as far as they are stated.
    pub totals: [Option<usize>; 4],
}

/// A row of sums among the data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TotalRow {
    /// The column that marks it.
    pub column: String,
    /// The marking text, letter case ignored.
    pub equals: String,
    /// The column that states the number of data rows, if any (STR-06).
    pub rows: Option<String>,
}

/// Another table whose columns are added to rows with the same key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Join {
    /// The other table, of the same mapping.
    pub table: String,
    /// Columns that both tables have and that together name one row.
    pub on: Vec<String>,
}
