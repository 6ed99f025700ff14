//! `dim_slot`: the calendar of slots, filled a local day at a time.

use super::super::statements::PUT_DAY;
use super::super::{ForwardError, calendar};
use super::database::{sql, utc};
use crate::feed::Slot;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rusqlite::{Connection, params};

/// Makes sure that the slot's local day is in `dim_slot`.
pub(super) fn ensure(connection: &Connection, slot: Slot, zone: &TimeZone) -> Result<(), ForwardError> {
    let doing = || format!("filling the calendar around {slot}");
    let known = connection
        .prepare_cached("SELECT 1 FROM dim_slot WHERE slot_utc = ?1")
        .and_then(|mut statement| statement.exists([utc(slot.start())]))
        .map_err(sql(doing()))?;
    if known { Ok(()) } else { fill(connection, calendar::local_day(slot.start(), zone), zone).map_err(sql(doing())) }
}

fn fill(connection: &Connection, day: Date, zone: &TimeZone) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(PUT_DAY)?;
    for row in calendar::day(day, zone) {
        statement.execute(params![
            utc(row.slot.start()),
            row.local_date.to_string(),
            row.local_time,
            row.local_hour,
            row.fold,
            row.slot_of_day,
            row.is_0800,
            row.is_midnight,
            row.winter,
        ])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::database::prepare;
    use super::*;

    #[test]
    fn a_local_day_is_filled_with_92_96_or_100_slots_and_marks_its_key_times() {
        let mut connection = Connection::open_in_memory().unwrap();
        prepare(&mut connection).unwrap();
        let zone = calendar::london().unwrap();
        let rows = [("2018-10-28", 100, 4, 0), ("2019-03-31", 92, 0, 1), ("2018-12-03", 96, 0, 1)];
        for (day, count, folded, winter) in rows {
            let slot: Slot = format!("{day}T12:00Z").parse().unwrap();
            ensure(&connection, slot, &zone).unwrap();
            ensure(&connection, slot, &zone).unwrap();
            let found = connection
                .query_row(
                    "SELECT count(*), sum(fold), max(winter), sum(is_0800), sum(is_midnight) FROM dim_slot WHERE local_date = ?1",
                    [day],
                    |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)),
                )
                .unwrap();
            assert_eq!(found, (count, folded, winter, 1, 1), "{day}");
        }
    }
}
