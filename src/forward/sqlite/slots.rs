//! `dim_slot`: the calendar of slots, filled a local day at a time.

use super::super::ForwardError;
use super::database::{sql, utc};
use crate::feed::{LONDON, Slot, local_day_slots};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rusqlite::{Connection, params};

/// The zone that "local" means.
pub(super) fn london() -> Result<TimeZone, ForwardError> {
    TimeZone::get(LONDON).map_err(|error| ForwardError::unavailable(format!("looking up the time zone {LONDON}"), error))
}

/// The local calendar day that an instant lies in.
pub(super) fn local_day(at: Timestamp, zone: &TimeZone) -> Date {
    at.to_zoned(zone.clone()).date()
}

/// Makes sure that the slot's local day is in `dim_slot`.
pub(super) fn ensure(connection: &Connection, slot: Slot, zone: &TimeZone) -> Result<(), ForwardError> {
    let doing = || format!("filling the calendar around {slot}");
    let known = connection
        .prepare_cached("SELECT 1 FROM dim_slot WHERE slot_utc = ?1")
        .and_then(|mut statement| statement.exists([utc(slot.start())]))
        .map_err(sql(doing()))?;
    if known { Ok(()) } else { fill(connection, local_day(slot.start(), zone), zone).map_err(sql(doing())) }
}

fn fill(connection: &Connection, day: Date, zone: &TimeZone) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT OR IGNORE INTO dim_slot (slot_utc, local_date, local_time, local_hour, fold, slot_of_day, is_0800, is_midnight, winter)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    let winter = matches!(day.month(), 11 | 12 | 1 | 2 | 3);
    for (number, slot) in (0_i64..).zip(local_day_slots(day, zone)) {
        let local = slot.start().to_zoned(zone.clone());
        // The second pass of a repeated time: an hour earlier, the wall clock showed the same.
        let fold = slot.plus(-4).start().to_zoned(zone.clone()).datetime() == local.datetime();
        let time = local.strftime("%H:%M").to_string();
        statement.execute(params![
            utc(slot.start()),
            day.to_string(),
            time,
            local.hour(),
            fold,
            number,
            time == "08:00",
            time == "00:00",
            winter,
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
        let zone = london().unwrap();
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
