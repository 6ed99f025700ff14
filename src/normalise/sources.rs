//! Sources: a mapping's field sources, bound to one table's columns and read row by row.
//!
//! Owns null tokens, code lists and the ways of reading a cell. Refuses to know which field the value is for.

use super::mapping::{Condition, FieldSource, Mapping, Otherwise, Quantity, Reading, TableMapping};
use super::table::{RawRow, RawTable, trimmed};
use super::texts::Texts;
use super::times::{self, Resolved, TimeProblem};
use super::values;
use super::words::Words;
use crate::bedstate::{AgeBand, Line};
use jiff::Timestamp;
use jiff::civil::Date;
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

/// Where a column's text stands in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cell {
    Own(usize),
    Joined(usize),
    /// An optional column that the file does not have, or a joined table that did not come: always blank.
    Absent,
}

/// A column by name, bound to its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column<'a> {
    pub(super) name: &'a str,
    cell: Cell,
}

/// The columns that a table's mapping can name: its own and, as `table.column`, those of the table it joins.
pub(super) struct Columns<'a> {
    cells: HashMap<String, Cell>,
    own: Vec<ColumnTexts<'a>>,
    joined: Vec<ColumnTexts<'a>>,
}

/// The different texts of one column, and which of them are null tokens.
struct ColumnTexts<'a> {
    texts: &'a Texts,
    /// By number; empty where none is.
    null: Vec<bool>,
}

impl<'a> ColumnTexts<'a> {
    fn of(table: &'a RawTable, null: &[String]) -> Vec<Self> {
        let is_null = |text: &str| null.iter().any(|token| same(token, trimmed(text)));
        let column = |texts: &'a Texts| {
            let marks: Vec<bool> = texts.iter().map(is_null).collect();
            Self { texts, null: if marks.contains(&true) { marks } else { Vec::new() } }
        };
        (0..table.columns.len()).filter_map(|at| table.texts(at)).map(column).collect()
    }

    /// The text of a number, trimmed; blank where it is a null token.
    fn get(&self, number: u32) -> &'a str {
        let null = !self.null.is_empty() && usize::try_from(number).is_ok_and(|at| self.null.get(at) == Some(&true));
        if null { "" } else { trimmed(self.texts.get(number)) }
    }
}

impl<'a> Columns<'a> {
    pub(super) fn new(table: &'a RawTable, mapping: &TableMapping, joined: Option<(&'a RawTable, &TableMapping)>) -> Self {
        let own = table.columns.iter().enumerate().map(|(at, name)| (name.clone(), Cell::Own(at)));
        let mut cells: HashMap<String, Cell> = own.collect();
        if let Some((other, _)) = joined {
            cells.extend(other.columns.iter().enumerate().map(|(at, name)| (format!("{}.{name}", other.name), Cell::Joined(at))));
        }
        let joined = joined.map_or_else(Vec::new, |(other, its)| ColumnTexts::of(other, &its.null));
        Self { cells, own: ColumnTexts::of(table, &mapping.null), joined }
    }

    pub(super) fn column<'n>(&self, name: &'n str) -> Column<'n> {
        Column { name, cell: self.cells.get(name).copied().unwrap_or(Cell::Absent) }
    }

    fn texts(&self, cell: Cell) -> Option<&ColumnTexts<'a>> {
        match cell {
            Cell::Own(at) => self.own.get(at),
            Cell::Joined(at) => self.joined.get(at),
            Cell::Absent => None,
        }
    }

    /// How many different texts a column has.
    fn count(&self, column: Column<'_>) -> usize {
        self.texts(column.cell).map_or(0, |column| column.texts.len())
    }

    /// The different texts of a column, as rows have them: trimmed, null tokens blank.
    pub(super) fn all(&self, column: Column<'_>) -> impl Iterator<Item = &'a str> {
        let texts = self.texts(column.cell);
        texts
            .into_iter()
            .flat_map(|texts| (0..).map_while(move |number| (usize::try_from(number).ok()? < texts.texts.len()).then(|| texts.get(number))))
    }

    /// The text of a row of the table itself by its column's position, trimmed; blank where it is a null token.
    pub(super) fn own_text(&self, at: usize, row: RawRow<'_>) -> &'a str {
        text_of(&self.own, at, row)
    }

    /// The text of a row of the joined table, likewise.
    pub(super) fn joined_text(&self, at: usize, row: RawRow<'_>) -> &'a str {
        text_of(&self.joined, at, row)
    }

    /// A row ready to be read, with the row that it joins.
    pub(super) fn row<'r>(&'r self, own: RawRow<'r>, joined: Option<RawRow<'r>>) -> Row<'r> {
        Row { own, joined, columns: self }
    }
}

fn text_of<'a>(columns: &[ColumnTexts<'a>], at: usize, row: RawRow<'_>) -> &'a str {
    columns.get(at).zip(row.number(at)).map_or("", |(column, number)| column.get(number))
}

/// One row, with null tokens read as blank.
#[derive(Clone, Copy)]
pub(super) struct Row<'r> {
    pub(super) own: RawRow<'r>,
    joined: Option<RawRow<'r>>,
    columns: &'r Columns<'r>,
}

impl<'r> Row<'r> {
    /// A column's text, trimmed; blank where it is a null token.
    pub(super) fn text(&self, column: Column<'_>) -> &'r str {
        let number = self.number(column);
        number.and_then(|number| Some(self.columns.texts(column.cell)?.get(number))).unwrap_or("")
    }

    /// The number of a column's text among the column's; none where the column always reads as blank here.
    fn number(&self, column: Column<'_>) -> Option<u32> {
        match column.cell {
            Cell::Own(at) => self.own.number(at),
            Cell::Joined(at) => self.joined.and_then(|row| row.number(at)),
            Cell::Absent => None,
        }
    }
}

/// A condition on a column, with the answer for each of its texts worked out beforehand.
pub(super) struct Test<'a> {
    pub(super) column: Column<'a>,
    pub(super) condition: &'a Condition,
    /// By the text's number.
    answers: Vec<bool>,
    /// For a column that always reads as blank.
    blank: bool,
}

impl<'a> Test<'a> {
    pub(super) fn new(column: Column<'a>, condition: &'a Condition, columns: &Columns<'_>) -> Self {
        let answers = columns.all(column).map(|text| holds(condition, text)).collect();
        Self { column, condition, answers, blank: holds(condition, "") }
    }

    pub(super) fn holds(&self, row: &Row<'_>) -> bool {
        let number = row.number(self.column).and_then(|number| usize::try_from(number).ok());
        number.map_or(self.blank, |number| self.answers.get(number).copied().unwrap_or(self.blank))
    }
}

/// Whether two texts are the same but for letter case.
pub(super) fn same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other) || (!one.is_ascii() && one.to_lowercase() == other.to_lowercase())
}

/// Whether a text meets a condition.
pub(super) fn holds(condition: &Condition, text: &str) -> bool {
    match condition {
        Condition::OneOf(wanted) => wanted.iter().any(|wanted| same(wanted, text)),
        Condition::StartsWith(start) => text.to_lowercase().starts_with(&start.to_lowercase()),
        Condition::Filled => !text.is_empty(),
        Condition::Blank => text.is_empty(),
    }
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
                // A text that is no time stays one that cannot be read.
                let day_alone = resolved.is_ok() && unknown.is_some_and(|time| ends_with_time(raw, time));
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

/// Why a count cannot be used, and the column that says so. The texts quote counts only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CountProblem<'a> {
    /// The column is blank: not known, which is not none (ROW-01).
    Blank(&'a str),
    /// ROW-02, in words.
    Invalid(&'a str, String),
    /// Below zero by so many: ROW-02 in words, where nothing explains it.
    Short(&'a str, u32, String),
}

/// The most that one cell may count, and one line.
const MOST_COUNTED: u32 = 99_999;

/// A count, bound to columns.
pub(super) struct Count<'a> {
    base: Column<'a>,
    plus: Vec<Column<'a>>,
    minus: Vec<Column<'a>>,
}

impl<'a> Count<'a> {
    pub(super) fn new(quantity: &'a Quantity, columns: &Columns<'a>) -> Self {
        let bind = |names: &'a [String]| names.iter().map(|name| columns.column(name)).collect();
        Self { base: columns.column(&quantity.column), plus: bind(&quantity.plus), minus: bind(&quantity.minus) }
    }

    /// The column that messages point at.
    pub(super) fn column(&self) -> &'a str {
        self.base.name
    }

    /// The columns that are added up.
    pub(super) fn whole(&self) -> impl Iterator<Item = &'a str> {
        std::iter::once(&self.base).chain(&self.plus).map(|column| column.name)
    }

    /// The columns that are taken away.
    pub(super) fn parts(&self) -> impl Iterator<Item = &'a str> {
        self.minus.iter().map(|column| column.name)
    }

    /// The columns that are taken away, for messages.
    pub(super) fn named_parts(&self) -> String {
        self.parts().collect::<Vec<_>>().join(", ")
    }

    /// The columns that are taken away and are not nought.
    pub(super) fn filled_parts(&self, row: &Row<'_>) -> impl Iterator<Item = &'a str> {
        self.minus
            .iter()
            .filter(|column| values::whole_number(row.text(**column)).is_some_and(|number| number > 0))
            .map(|column| column.name)
    }

    /// Reads the count, 0 to 99,999, of columns of 0 to 99,999 each; every column that cannot be read is named.
    pub(super) fn read(&self, row: &Row<'_>) -> Result<u32, Vec<CountProblem<'a>>> {
        let mut problems = Vec::new();
        let mut sum = 0_i64;
        let signed = std::iter::once(&self.base).chain(&self.plus).map(|c| (c, 1)).chain(self.minus.iter().map(|c| (c, -1)));
        for (column, sign) in signed {
            let text = row.text(*column);
            match values::whole_number(text) {
                Some(number) if number <= MOST_COUNTED => sum += sign * i64::from(number),
                Some(_) => problems.push(CountProblem::Invalid(column.name, format!("{} is more than 99,999", column.name))),
                None if text.is_empty() => problems.push(CountProblem::Blank(column.name)),
                None => {
                    let said = format!("{} is not a whole number", named(column.name, Words::default().quoted(text)));
                    problems.push(CountProblem::Invalid(column.name, said));
                }
            }
        }
        let base = self.base.name;
        match u32::try_from(sum) {
            _ if !problems.is_empty() => Err(problems),
            Ok(number) if number <= MOST_COUNTED => Ok(number),
            Ok(_) => Err(vec![CountProblem::Invalid(base, format!("{base} is more than 99,999"))]),
            Err(_) => {
                let said = format!("{base} is less than its parts together ({})", self.named_parts());
                Err(vec![match u32::try_from(-sum) {
                    Ok(short) => CountProblem::Short(base, short, said),
                    Err(_) => CountProblem::Invalid(base, said),
                }])
            }
        }
    }
}

/// A column's name, with the value where it may be shown.
pub(super) fn named(column: &str, quoted: Option<String>) -> String {
    quoted.map_or_else(|| column.to_owned(), |value| format!("{column} {value}"))
}
