//! Sources: a mapping's field sources, bound to one table's columns and read row by row.
//!
//! Owns code lists and the ways of reading a cell. Refuses to know which field the value is for.

use super::columns::{Column, Columns, Row};
use super::mapping::{FieldSource, Mapping, Otherwise, Reading};
use super::times::{self, Resolved, TimeProblem};
use super::values;
use crate::bedstate::{AgeBand, Line};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::HashMap;

/// What a reading may depend on beside the cell.
pub(super) struct Reader<'a> {
    pub(super) mapping: &'a Mapping,
    /// When the figures were true. Nothing a row tells of lies after it, which settles October's repeated hour.
    pub(super) snapshot_at: Timestamp,
    /// The snapshot's local day: ages are as of that day.
    pub(super) day: Date,
}

/// What a source says for one row.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value<'v> {
    /// Nothing is there.
    Blank,
    /// A text as it stands, or a code of the dataset.
    Text(Cow<'v, str>),
    /// What the mapping says a text outside its code list becomes (empty: blank).
    Fallback(&'v str),
    /// A text that is not in the code list, where the mapping says to reject it.
    NotListed,
    /// An age band; `None`: a text is there, but no band of the dataset.
    Band(Option<AgeBand>),
    /// An instant, or why there is none.
    Instant(Result<Resolved, TimeProblem>),
}

/// A field's source, bound to columns.
pub(super) struct Source<'a> {
    /// The columns in words, for messages; empty for a constant.
    pub(super) label: String,
    kind: Kind<'a>,
    /// What each text, or each combination of texts that are joined, makes of a line's field: filled in when it is met first.
    filled: Vec<OnceCell<Filled>>,
    /// How many texts each of the columns has that are joined.
    counts: Vec<usize>,
}

/// A line on which nothing but one field is filled; none where the text leaves more to be said than that.
pub(super) type Filled = Option<Box<Line>>;

/// Different texts of a column up to which it is kept what each makes of a line's field: a line takes more room than a meaning.
const MOST_FILLED: usize = 1 << 12;

enum Kind<'a> {
    Value(&'a str),
    Joined { columns: Vec<Column<'a>>, with: &'a str },
    Column { column: Column<'a>, read: Read<'a>, known: Vec<OnceCell<Meaning>> },
}

/// Different texts of a column up to which it is remembered what each one means. A column with more of them says something new
/// in most rows, and remembering would only cost memory.
const MOST_REMEMBERED: usize = 1 << 16;

enum Read<'a> {
    Text,
    PadZeros(usize),
    /// By the text in lower case: the code's place in the list.
    Codes {
        places: HashMap<String, usize>,
        /// The texts as the mapping spells them.
        texts: Vec<&'a str>,
        codes: Vec<&'a str>,
        otherwise: &'a Otherwise,
    },
    Instant(&'a [String], Option<&'a str>),
    AgeInYears,
    BirthDate(&'a [String]),
    AgeRange,
}

impl<'a> Source<'a> {
    pub(super) fn new(source: &'a FieldSource, columns: &Columns<'_>) -> Self {
        match source {
            FieldSource::Value(value) => Self { label: String::new(), kind: Kind::Value(value), filled: Vec::new(), counts: Vec::new() },
            FieldSource::Joined { columns: names, with } => Self {
                filled: Vec::new(),
                counts: Vec::new(),
                label: names.join(" and "),
                kind: Kind::Joined { columns: names.iter().map(|name| columns.column(name)).collect(), with },
            },
            FieldSource::Column { column, reading } => {
                let read = match reading {
                    Reading::Text => Read::Text,
                    Reading::PadZeros(width) => Read::PadZeros(*width),
                    Reading::Codes { codes, otherwise } => Read::Codes {
                        places: codes.keys().enumerate().map(|(at, text)| (text.trim().to_lowercase(), at)).collect(),
                        texts: codes.keys().map(String::as_str).collect(),
                        codes: codes.values().map(String::as_str).collect(),
                        otherwise,
                    },
                    Reading::Instant { formats, unknown_time } => Read::Instant(formats, unknown_time.as_deref()),
                    Reading::AgeInYears => Read::AgeInYears,
                    Reading::BirthDate { formats } => Read::BirthDate(formats),
                    Reading::AgeRange => Read::AgeRange,
                };
                let bound = columns.column(column);
                let texts = columns.count(bound);
                let remembered = !matches!(read, Read::Text | Read::PadZeros(_)) && texts <= MOST_REMEMBERED;
                let known = if remembered { vec![OnceCell::new(); texts] } else { Vec::new() };
                Self { label: column.clone(), kind: Kind::Column { column: bound, read, known }, filled: Vec::new(), counts: Vec::new() }
            }
        }
    }

    /// Makes room to keep what each text makes of a line's field.
    pub(super) fn remembering(mut self, columns: &Columns<'_>) -> Self {
        let texts = match &self.kind {
            Kind::Value(_) => 1,
            Kind::Column { column, .. } => columns.count(*column),
            Kind::Joined { columns: joined, .. } => {
                self.counts = joined.iter().map(|column| columns.count(*column)).collect();
                // With a place for a blank of each, where a row has no text of it.
                self.counts.iter().fold(1_usize, |all, count| all.saturating_mul(count.saturating_add(1)))
            }
        };
        if texts <= MOST_FILLED {
            self.filled = vec![OnceCell::new(); texts];
        }
        self
    }

    /// Where it is kept what a row's text makes of the field.
    pub(super) fn filled(&self, row: &Row<'_>) -> Option<&OnceCell<Filled>> {
        match &self.kind {
            Kind::Value(_) => self.filled.first(),
            Kind::Column { column, .. } => self.filled.get(usize::try_from(row.number(*column)?).ok()?),
            Kind::Joined { .. } if self.filled.is_empty() => None,
            Kind::Joined { columns, .. } => {
                let mut place = 0_usize;
                for (column, count) in columns.iter().zip(&self.counts) {
                    let number = row.number(*column).and_then(|number| usize::try_from(number).ok());
                    place = place * (count + 1) + number.map_or(*count, |number| number.min(*count));
                }
                self.filled.get(place)
            }
        }
    }

    /// Whether it is the same on every line.
    pub(super) fn is_constant(&self) -> bool {
        matches!(self.kind, Kind::Value(_))
    }

    /// What of several columns put together must not be kept, and the column: the first piece with a problem, or else the whole.
    pub(super) fn problem(&self, row: &Row<'_>, whole: &str, most: usize) -> Option<(values::TextProblem, &str)> {
        let of = |text: &str| values::check_text(text, most).err();
        let joined: &[Column<'_>] = if let Kind::Joined { columns, .. } = &self.kind { columns } else { &[] };
        let piece = joined.iter().find_map(|column| Some((of(row.text(*column)).filter(|_| !row.text(*column).is_empty())?, column.name)));
        piece.or_else(|| Some((of(whole)?, self.label.as_str())))
    }

    /// The columns that are put together, by name; none where it is one column.
    pub(super) fn pieces(&self) -> impl Iterator<Item = (&str, Column<'_>)> {
        let joined = if let Kind::Joined { columns, .. } = &self.kind { columns.as_slice() } else { &[] };
        joined.iter().map(|column| (column.name, *column))
    }

    /// The last of several columns put together, where it is blank and another is not: a bay without a bed would pass as one.
    pub(super) fn lacks_last(&self, row: &Row<'_>) -> Option<&str> {
        let Kind::Joined { columns, .. } = &self.kind else { return None };
        let (last, others) = columns.split_last()?;
        let blank = |column: &Column<'_>| row.text(*column).is_empty();
        (blank(last) && !others.iter().all(blank)).then_some(last.name)
    }

    /// The texts that its code list knows; none where it has no such list.
    pub(super) fn texts(&self) -> impl Iterator<Item = &'a str> + '_ {
        let texts = match &self.kind {
            Kind::Column { read: Read::Codes { texts, .. }, .. } => texts.as_slice(),
            _ => &[],
        };
        texts.iter().copied()
    }

    /// The text as the extract writes it, before any reading.
    pub(super) fn raw<'v>(&self, row: &Row<'v>) -> Cow<'v, str>
    where
        'a: 'v,
    {
        match &self.kind {
            Kind::Value(value) => Cow::Borrowed(value),
            Kind::Column { column, .. } => Cow::Borrowed(row.text(*column)),
            Kind::Joined { columns, with } => {
                let mut joined = String::new();
                for text in columns.iter().map(|column| row.text(*column)).filter(|text| !text.is_empty()) {
                    if !joined.is_empty() {
                        joined.push_str(with);
                    }
                    joined.push_str(text);
                }
                Cow::Owned(joined)
            }
        }
    }

    /// Reads the source for one row.
    pub(super) fn read<'v>(&self, row: &Row<'v>, reader: &Reader<'_>) -> Value<'v>
    where
        'a: 'v,
    {
        let Kind::Column { column, read, known } = &self.kind else {
            let raw = self.raw(row);
            return if raw.is_empty() { Value::Blank } else { Value::Text(raw) };
        };
        let raw = row.text(*column);
        let number = row.number(*column).and_then(|number| usize::try_from(number).ok());
        let meaning = match number.and_then(|number| known.get(number)) {
            Some(known) => *known.get_or_init(|| read.meaning(raw, reader)),
            None => read.meaning(raw, reader),
        };
        match meaning {
            Meaning::Blank => Value::Blank,
            Meaning::Text => Value::Text(read.text(raw)),
            Meaning::Code(at) => Value::Text(Cow::Borrowed(read.code(at))),
            Meaning::Fallback => Value::Fallback(read.fallback()),
            Meaning::NotListed => Value::NotListed,
            Meaning::Band(band) => Value::Band(band),
            Meaning::Instant(instant) => Value::Instant(instant),
        }
    }
}

/// What a text means: a [`Value`] that borrows nothing, to be remembered.
#[derive(Clone, Copy)]
enum Meaning {
    Blank,
    Text,
    /// By its place in the list.
    Code(usize),
    Fallback,
    NotListed,
    Band(Option<AgeBand>),
    Instant(Result<Resolved, TimeProblem>),
}

/// How long before the snapshot a day may lie of which the time is not known.
const LONGEST_UNKNOWN: SignedDuration = SignedDuration::from_hours(366 * 24);

/// Whether a text ends with a time of day, and not with a longer one: `10:00:00` does not end with `00:00`.
fn ends_with_time(text: &str, time: &str) -> bool {
    text.strip_suffix(time).is_some_and(|before| !before.ends_with(|c: char| c.is_ascii_digit() || c == ':'))
}

impl<'a> Read<'a> {
    fn meaning(&self, raw: &str, reader: &Reader<'_>) -> Meaning {
        match self {
            Read::Codes { places, codes, otherwise, .. } => match (places.get(&raw.to_lowercase()), otherwise) {
                (Some(at), _) if codes.get(*at) == Some(&"") => Meaning::Blank,
                (Some(at), _) => Meaning::Code(*at),
                (None, _) if raw.is_empty() => Meaning::Blank,
                (None, Otherwise::Code(_)) => Meaning::Fallback,
                (None, Otherwise::Reject) => Meaning::NotListed,
            },
            _ if raw.is_empty() => Meaning::Blank,
            Read::Instant(formats, unknown) => {
                let mapping = reader.mapping;
                let resolved = times::resolve(raw, formats, mapping.zone, mapping.march_gap, reader.snapshot_at);
                // A text that is no time stays one that cannot be read, and a day that cannot be right is judged like any time.
                let near = |at: &Resolved| at.at <= reader.snapshot_at && reader.snapshot_at.duration_since(at.at) <= LONGEST_UNKNOWN;
                let day_alone = resolved.as_ref().is_ok_and(near) && unknown.is_some_and(|time| ends_with_time(raw, time));
                if day_alone { Meaning::Blank } else { Meaning::Instant(resolved) }
            }
            Read::AgeInYears => Meaning::Band(values::age_in_years(raw)),
            Read::BirthDate(formats) => Meaning::Band(values::birth_date(raw, formats, reader.day)),
            Read::AgeRange => Meaning::Band(values::age_range(raw)),
            Read::Text | Read::PadZeros(_) => Meaning::Text,
        }
    }

    /// A text that is taken as one.
    fn text<'v>(&self, raw: &'v str) -> Cow<'v, str> {
        match self {
            Read::PadZeros(width) => values::pad_zeros(raw, *width),
            _ => Cow::Borrowed(raw),
        }
    }

    fn code(&self, at: usize) -> &'a str {
        match self {
            Read::Codes { codes, .. } => codes.get(at).copied().unwrap_or(""),
            _ => "",
        }
    }

    fn fallback(&self) -> &'a str {
        match self {
            Read::Codes { otherwise: Otherwise::Code(code), .. } => code,
            _ => "",
        }
    }
}

/// A column's name, with the value where it may be shown.
pub(super) fn named(column: &str, quoted: Option<String>) -> String {
    quoted.map_or_else(|| column.to_owned(), |value| format!("{column} {value}"))
}
