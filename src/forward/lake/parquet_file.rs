//! Rows as a Parquet file: the same rows give the same bytes, whenever and wherever they are written.

use super::tables::{Column, Kind, name};
use jiff::Timestamp;
use jiff::civil::Date;
use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::Type;
use std::sync::Arc;

/// One value of the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    Null,
    Whole(i64),
    Text(String),
}

/// Why rows could not be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum EncodeError {
    #[error("writing Parquet")]
    Parquet(#[from] ParquetError),
    #[error("{column} in the index holds something else than it should")]
    Unreadable { column: &'static str },
}

/// Writes rows, each with a cell for each column.
pub(super) fn encode(table: &str, columns: &[Column], rows: &[Vec<Cell>]) -> Result<Vec<u8>, EncodeError> {
    let fields = columns.iter().map(|column| field(column).map(Arc::new)).collect::<Result<Vec<_>, _>>()?;
    let schema = Arc::new(Type::group_type_builder(table).with_fields(fields).build()?);
    // The name of the writing program's version is left out: it would make other bytes of the same rows.
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).set_created_by("bedfeed".to_owned());
    let mut file = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties.build()))?;
    let mut group = file.next_row_group()?;
    for (at, column) in columns.iter().enumerate() {
        let Some(mut writer) = group.next_column()? else { break };
        let cells = rows.iter().map(|row| row.get(at).unwrap_or(&Cell::Null));
        write(&mut writer, column, cells)?;
        writer.close()?;
    }
    group.close()?;
    Ok(file.into_inner()?)
}

fn field(column: &Column) -> Result<Type, ParquetError> {
    let (physical, logical) = match column.0 {
        Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        Kind::Whole => (Physical::INT64, None),
        Kind::Instant => (Physical::INT64, Some(LogicalType::timestamp(true, TimeUnit::MICROS))),
        Kind::Day => (Physical::INT32, Some(LogicalType::Date)),
    };
    Type::primitive_type_builder(name(column), physical).with_repetition(Repetition::OPTIONAL).with_logical_type(logical).build()
}

fn write<'c>(writer: &mut SerializedColumnWriter<'_>, column: &Column, cells: impl Iterator<Item = &'c Cell>) -> Result<(), EncodeError> {
    let cells: Vec<&Cell> = cells.collect();
    let levels: Vec<i16> = cells.iter().map(|cell| i16::from(**cell != Cell::Null)).collect();
    let told = cells.into_iter().filter(|cell| **cell != Cell::Null);
    let wrong = || EncodeError::Unreadable { column: name(column) };
    let as_text = |cell: &'c Cell| if let Cell::Text(text) = cell { Ok(text) } else { Err(wrong()) };
    match column.0 {
        Kind::Text => {
            let values = told.map(|cell| Ok(ByteArray::from(as_text(cell)?.as_str()))).collect::<Result<Vec<_>, EncodeError>>()?;
            writer.typed::<ByteArrayType>().write_batch(&values, Some(&levels), None)?;
        }
        Kind::Whole => {
            let whole = |cell: &Cell| if let Cell::Whole(value) = cell { Ok(*value) } else { Err(wrong()) };
            let values = told.map(whole).collect::<Result<Vec<_>, EncodeError>>()?;
            writer.typed::<Int64Type>().write_batch(&values, Some(&levels), None)?;
        }
        Kind::Instant => {
            let instant = |cell| Ok(as_text(cell)?.parse::<Timestamp>().map_err(|_| wrong())?.as_microsecond());
            let values = told.map(instant).collect::<Result<Vec<_>, EncodeError>>()?;
            writer.typed::<Int64Type>().write_batch(&values, Some(&levels), None)?;
        }
        Kind::Day => {
            let day = |cell| days_since_1970(as_text(cell)?).ok_or_else(wrong);
            let values = told.map(day).collect::<Result<Vec<_>, EncodeError>>()?;
            writer.typed::<Int32Type>().write_batch(&values, Some(&levels), None)?;
        }
    }
    Ok(())
}

fn days_since_1970(day: &str) -> Option<i32> {
    let day: Date = day.parse().ok()?;
    Date::constant(1970, 1, 1).until(day).ok().map(|span| span.get_days())
}

#[cfg(test)]
mod tests {
    use super::super::tables::FACTS;
    use super::*;

    #[test]
    fn the_same_rows_give_the_same_bytes_and_other_rows_others() {
        let columns = &[(Kind::Text, "a"), (Kind::Whole, "b"), (Kind::Instant, "c"), (Kind::Day, "x.y AS d")];
        let row = |text: &str, whole| {
            let (instant, day) = (Cell::Text("2018-12-03T10:00:00Z".into()), Cell::Text("0000-01-01".into()));
            vec![Cell::Text(text.into()), whole, instant, day]
        };
        let rows = [row("one", Cell::Whole(1)), row("two", Cell::Null)];
        let bytes = encode("t", columns, &rows).unwrap();
        assert_eq!(bytes, encode("t", columns, &rows).unwrap());
        assert_ne!(bytes, encode("t", columns, &rows[..1]).unwrap());
        assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"));
        assert!(encode("t", columns, &[vec![Cell::Whole(1)]]).unwrap_err().to_string().contains("a in the index"));
        for table in &FACTS {
            assert!(encode(table.name, table.columns, &[]).unwrap().len() > 100, "{} without rows is a file too", table.name);
        }
    }

    #[test]
    fn days_are_counted_from_1970_in_the_calendar_of_today() {
        for (day, expected) in [("1970-01-01", 0), ("2018-12-03", 17_868), ("0001-01-01", -719_162), ("0000-01-01", -719_528)] {
            assert_eq!(days_since_1970(day), Some(expected), "{day}");
        }
    }
}
