//! Counts: a report's sums in words, wherever they are shown.

use crate::feed::Report;

/// A report's counts in words, a line each: rows, and where anything came out, beds and patients who wait.
#[must_use]
pub fn counts(report: &Report) -> Vec<String> {
    let rows = format!("rows: {}; {} lines", report.rows.in_words(), report.rows.lines);
    let Some(told) = report.told() else { return vec![rows] };
    let beds = match (told.open, told.occupied, told.empty, told.available_now, told.closed) {
        (Some(open), Some(occupied), Some(empty), Some(ready), Some(closed)) => {
            format!("beds: {open} open, {occupied} occupied, {empty} empty ({ready} ready now), {closed} closed")
        }
        _ => "beds: not sent by this feed".to_owned(),
    };
    let waiting = match (told.demand, told.demand_not_in_bed) {
        (Some(demand), Some(not_in_bed)) => format!("waiting: {demand} ({not_in_bed} not in a bed)"),
        _ => "waiting: not sent by this feed".to_owned(),
    };
    vec![rows, beds, waiting]
}
