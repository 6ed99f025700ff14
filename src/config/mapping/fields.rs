//! Field sources: where a dataset field's value comes from, as a mapping writes it.
//!
//! Owns the shorthands and the refusal of codes that the dataset does not have. A gender code must name its list, because
//! 9 means "indeterminate" in one national list and "not specified" in the older one.

use super::super::document::{Item, Section};
use super::super::problem::{did_you_mean, nearest};
use super::codes::{self, Kind, Lists};
use super::columns::{Columns, Use};
use super::formats::{self, Wanted};
use crate::normalise::mapping::{FIELDS, FieldSource, Otherwise, Reading};
use crate::normalise::values;
use std::collections::BTreeMap;
use toml::de::DeValue;

/// Most zeros that `pad` may put back: no code of the dataset is longer.
const MAX_PAD: u64 = 12;

/// The sources of `fields` or `set`.
#[derive(Default)]
pub(super) struct Fields {
    /// By dataset field.
    pub(super) sources: BTreeMap<String, FieldSource>,
    /// Fields that are meant but wrong: a mistake is reported once, not again as a missing field.
    pub(super) spoilt: Vec<String>,
}

/// What a field source is read with.
pub(super) struct Reader<'a> {
    /// The columns it may name.
    pub(super) columns: &'a Columns<'a>,
    /// The lists that are reference data.
    pub(super) lists: &'a Lists<'a>,
}

impl Reader<'_> {
    /// Reads `fields` or `set`.
    pub(super) fn fields(&self, item: &Item<'_>) -> Fields {
        let mut fields = Fields::default();
        for entry in item.entries() {
            let field = entry.name();
            match codes::kind(field, self.lists) {
                None => {
                    let known = || FIELDS.iter().copied();
                    entry.problem(format!("the dataset has no field \"{field}\"{}", did_you_mean(field, known())));
                    fields.spoilt.extend(nearest(field, known()).map(str::to_owned));
                }
                Some(Kind::Quantity) => entry.problem("a quantity is not a field: write quantity = \"COLUMN\" on the line"),
                Some(kind) => match self.source(&entry, field, &kind) {
                    Some(source) => {
                        fields.sources.insert(field.to_owned(), source);
                    }
                    None => fields.spoilt.push(field.to_owned()),
                },
            }
        }
        fields
    }

    fn source(&self, item: &Item<'_>, field: &str, kind: &Kind) -> Option<FieldSource> {
        if !matches!(item.value(), DeValue::Table(_)) {
            return self.plain_column(item, field, kind);
        }
        let section = item.section()?;
        let ways: Vec<&str> = ["value", "join", "column"].into_iter().filter(|way| section.has(way)).collect();
        let source = match ways.as_slice() {
            ["value"] => self.constant(&section, field, kind),
            ["join"] => self.joined(&section, kind, field),
            ["column"] => self.column(&section, field, kind),
            [] => {
                section.problem("needs one of value, column or join");
                None
            }
            _ => {
                section.problem(format!("has {}: only one of them can be meant", ways.join(" and ")));
                None
            }
        };
        // A source refused already would have its other keys called unknown.
        if ways.len() == 1 {
            section.finish();
        }
        source
    }

    /// `site_code = "SITE"`.
    fn plain_column(&self, item: &Item<'_>, field: &str, kind: &Kind) -> Option<FieldSource> {
        let column = self.columns.named(item, Use::Kept)?;
        match (field, kind) {
            ("gender", _) => {
                item.problem(format!("must say which gender list the column uses: {{ column = \"{column}\", list = \"stated\" }}"));
                None
            }
            (_, Kind::Instant) => {
                item.problem(format!("{field} is a time: write {{ column = \"{column}\", format = \"%d/%m/%Y %H:%M\" }}"));
                None
            }
            _ => Some(FieldSource::Column { column, reading: Reading::Text }),
        }
    }

    /// `{ value = "COR" }`.
    fn constant(&self, section: &Section<'_>, field: &str, kind: &Kind) -> Option<FieldSource> {
        let list = gender_list(section, field);
        let item = section.get("value")?;
        let value = item.text()?;
        if field == "gender" && value == "9" && list.is_none() {
            item.problem("gender 9 must say which list it is of: add list = \"stated\" (indeterminate) or list = \"old\" (not specified)");
        }
        let value = translate(value, list);
        if let Some(why) = codes::refuse(field, kind, value) {
            item.problem(why);
        }
        Some(FieldSource::Value(value.to_owned()))
    }

    /// `{ join = ["BAY", "BED"], with = "-" }`.
    fn joined(&self, section: &Section<'_>, kind: &Kind, field: &str) -> Option<FieldSource> {
        let item = section.get("join")?;
        let columns = self.columns.all_named(&item);
        if columns.len() < 2 {
            item.problem("must name at least two columns");
        }
        if !matches!(kind, Kind::Free | Kind::Place(_) | Kind::Reference) {
            item.problem(format!("{field} cannot be joined from several columns"));
        }
        let with = section.need("with").and_then(|item| item.text().map(str::to_owned)).unwrap_or_default();
        Some(FieldSource::Joined { columns, with })
    }

    /// `{ column = "AGE", as = "age in years" }` and its relatives.
    fn column(&self, section: &Section<'_>, field: &str, kind: &Kind) -> Option<FieldSource> {
        let list = gender_list(section, field);
        let derives = field == "age_band" && section.has("as");
        let item = section.get("column")?;
        let column = self.columns.named(&item, if derives { Use::AgeBand } else { Use::Kept });
        if field == "gender" && list.is_none() && !section.has("list") {
            section
                .problem("must name its gender list: list = \"stated\" where 9 is indeterminate, list = \"old\" where 9 is not specified");
        }
        let ways: Vec<&str> = ["pad", "codes", "as"].into_iter().filter(|way| section.has(way)).collect();
        let reading = match ways.as_slice() {
            ["pad"] => self.padded(section, field, kind),
            ["codes"] | ["pad", "codes"] => Some(self.coded(section, field, kind, list, column.as_deref())),
            ["as"] => self.derived(section, field, column.as_deref()),
            [] if *kind == Kind::Instant => {
                let formats = section.need("format").map(|item| formats::formats(&item, Wanted::DateAndTime)).unwrap_or_default();
                let unknown_time = unknown_time(section, &formats);
                Some(Reading::Instant { formats, unknown_time })
            }
            [] => Some(list.map_or(Reading::Text, whole_list)),
            _ => {
                section.problem(format!("has {}: only one of them can be meant", ways.join(" and ")));
                None
            }
        };
        if let Some(format) = section.get("format").filter(|_| *kind != Kind::Instant && ways.as_slice() != ["as"]) {
            format.problem(format!("{field} is not a time: a format has no effect here"));
        }
        if let Some(time) = section.get("unknown_time").filter(|_| *kind != Kind::Instant || !ways.is_empty()) {
            time.problem(format!("{field} is not a time: an unknown time has no effect here"));
        }
        if let Some(otherwise) = section.get("otherwise").filter(|_| !ways.contains(&"codes")) {
            otherwise.problem("has no effect without codes");
        }
        Some(FieldSource::Column { column: column?, reading: reading? })
    }

    fn padded(&self, section: &Section<'_>, field: &str, kind: &Kind) -> Option<Reading> {
        let item = section.get("pad")?;
        if !matches!(kind, Kind::Free | Kind::Place(_) | Kind::ThreeDigits) {
            item.problem(format!("{field} has no zeros to put back"));
        }
        item.whole(1..=MAX_PAD).map(Reading::PadZeros)
    }

    fn coded(&self, section: &Section<'_>, field: &str, kind: &Kind, list: Option<GenderList>, column: Option<&str>) -> Reading {
        let mut codes: BTreeMap<String, String> = BTreeMap::new();
        let width = section.get("pad").and_then(|item| item.whole(1..=MAX_PAD)).unwrap_or(0);
        let entries = section.get("codes").map(|item| item.entries()).unwrap_or_default();
        if *kind == Kind::Instant {
            section.problem(format!("{field} is a time: it has a format, not codes"));
        }
        for entry in entries {
            let Some(code) = self.code(&entry, field, kind, list) else { continue };
            let theirs = entry.name().trim();
            if let Some(column) = column {
                self.columns.check_seen(&entry, column, theirs);
            }
            for theirs in without_zeros(theirs, width) {
                if codes.keys().any(|other| other.to_lowercase() == theirs.to_lowercase()) {
                    entry.problem(format!("\"{theirs}\" stands twice; letter case does not make a difference"));
                }
                codes.insert(theirs, code.clone());
            }
        }
        let given = section.get("otherwise").and_then(|item| self.code(&item, field, kind, list));
        Reading::Codes { codes, otherwise: given.map_or_else(|| otherwise_of(field), Otherwise::Code) }
    }

    /// One code of the dataset, checked and brought to the stated gender list.
    fn code(&self, item: &Item<'_>, field: &str, kind: &Kind, list: Option<GenderList>) -> Option<String> {
        let code = item.text()?;
        if list == Some(GenderList::Old) && !matches!(code, "" | "0" | "1" | "2" | "9" | "X") {
            item.problem(format!("\"{code}\" is not a code of the old gender list (0, 1, 2, 9)"));
            return None;
        }
        let code = translate(code, list);
        if let Some(why) = codes::refuse(field, kind, code) {
            item.problem(why);
        }
        Some(code.to_owned())
    }

    fn derived(&self, section: &Section<'_>, field: &str, column: Option<&str>) -> Option<Reading> {
        let item = section.get("as")?;
        if field != "age_band" {
            item.problem(format!("only age_band can be worked out from a person's age, not {field}"));
            return None;
        }
        #[derive(Clone, Copy)]
        enum As {
            Age,
            Birth,
            Range,
        }
        let way = item.choice(&[("age in years", As::Age), ("birth date", As::Birth), ("age range", As::Range)])?;
        let format = section.get("format");
        if let (As::Age | As::Range, Some(format)) = (way, &format) {
            format.problem("has an effect on a birth date only");
        }
        match way {
            As::Age => Some(Reading::AgeInYears),
            As::Range => Some(Reading::AgeRange),
            As::Birth => {
                if let Some(column) = column.filter(|column| !self.columns.identifies(column)) {
                    item.problem(format!("column \"{column}\" holds birth dates: list it in the table's identifiers"));
                }
                let format = section.need("format");
                Some(Reading::BirthDate { formats: format.map(|it| formats::formats(&it, Wanted::BirthDate)).unwrap_or_default() })
            }
        }
    }
}

/// A text of a code list in all the spellings that a spreadsheet may have left of it: with `pad`, `072` is found as `72` too.
fn without_zeros(theirs: &str, width: usize) -> Vec<String> {
    let padded = values::pad_zeros(theirs, width).into_owned();
    if width == 0 || !padded.bytes().all(|b| b.is_ascii_digit()) {
        return vec![theirs.to_owned()];
    }
    let shortest = padded.trim_start_matches('0').len().max(1).min(padded.len());
    (shortest..=padded.len()).map(|length| padded.chars().skip(padded.len() - length).collect()).collect()
}

/// Which national list a column's gender codes belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum GenderList {
    /// PERSON STATED GENDER CODE: 9 is indeterminate, X not known.
    Stated,
    /// PERSON GENDER CODE, now retired: 0 is not known, 9 not specified.
    Old,
}

/// `unknown_time = "00:00:00"`: how a source writes the time of day that it does not know.
fn unknown_time(section: &Section<'_>, formats: &[String]) -> Option<String> {
    let item = section.get("unknown_time")?;
    let time = item.text()?;
    let pieces: Vec<&str> = time.split(':').collect();
    let below =
        |piece: &str, end: u8| piece.len() == 2 && piece.bytes().all(|b| b.is_ascii_digit()) && piece.parse::<u8>().is_ok_and(|n| n < end);
    if !(2..=3).contains(&pieces.len()) || !pieces.iter().zip([24, 60, 60]).all(|(piece, end)| below(piece, end)) {
        item.problem("must be a time of day as the column writes it, such as \"00:00:00\"");
        return None;
    }
    let has_seconds = |format: &String| ["%S", "%T"].iter().any(|code| format.contains(code));
    if !formats.is_empty() && !formats.iter().any(|format| has_seconds(format) == (pieces.len() == 3)) {
        item.problem("no time in the agreed format ends so: one has seconds, and the other has not");
    }
    Some(time.to_owned())
}

fn gender_list(section: &Section<'_>, field: &str) -> Option<GenderList> {
    let item = section.get("list")?;
    if field != "gender" {
        item.problem("only gender has more than one list");
        return None;
    }
    item.choice(&[("stated", GenderList::Stated), ("old", GenderList::Old)])
}

/// A code of the old list in the dataset's terms: what it calls "not known" and "not specified" is not known.
fn translate(code: &str, list: Option<GenderList>) -> &str {
    if list == Some(GenderList::Old) && matches!(code, "0" | "9") { "X" } else { code }
}

/// A column that holds a gender list's codes as they are.
fn whole_list(list: GenderList) -> Reading {
    let codes: &[&str] = match list {
        GenderList::Stated => return Reading::Text,
        GenderList::Old => &["0", "1", "2", "9"],
    };
    let codes = codes.iter().map(|code| ((*code).to_owned(), translate(code, Some(list)).to_owned())).collect();
    Reading::Codes { codes, otherwise: otherwise_of("gender") }
}

/// A person whose gender or age nobody foresaw still occupies a bed: not known, and counted (REF-05).
fn otherwise_of(field: &str) -> Otherwise {
    match field {
        "gender" => Otherwise::Code("X".to_owned()),
        "age_band" => Otherwise::Code("AXX".to_owned()),
        _ => Otherwise::Reject,
    }
}
