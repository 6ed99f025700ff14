//! Extracts of the cottage hospital: twenty beds in two wards.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::fmt::Write as _;

/// Beds in the file.
pub(crate) const BEDS: u32 = 20;
/// Those of the first ward.
pub(crate) const NORTH: u32 = 12;

/// Whether a bed is occupied: the first always, the second never, the others as the bits of `pattern` say.
fn occupied(bed: u32, pattern: u32) -> bool {
    match bed {
        0 => true,
        1 => false,
        other => pattern >> (other - 2) & 1 == 1,
    }
}

/// Occupied beds of the two wards.
pub(crate) fn truth(pattern: u32) -> (u32, u32) {
    let count = |beds: std::ops::Range<u32>| u32::try_from(beds.filter(|bed| occupied(*bed, pattern)).count()).unwrap();
    (count(0..NORTH), count(NORTH..BEDS))
}

/// The file of figures at this time. Each `pattern` below 2^18 makes another file.
pub(crate) fn good(code: &str, at: Timestamp, pattern: u32) -> (String, String) {
    let at = TimeZone::get("Europe/London").unwrap().to_datetime(at);
    let mut text = "time,ward,bed,status,sex,age\n".to_owned();
    for bed in 0..BEDS {
        let ward = if bed < NORTH { "NORTH" } else { "SOUTH" };
        let status = if occupied(bed, pattern) { "occupied,F,71" } else { "empty,," };
        writeln!(text, "{},{ward},{:02},{status}", at.strftime("%Y-%m-%d %H:%M"), bed + 1).unwrap();
    }
    writeln!(text, "TOTAL,{BEDS},,,,").unwrap();
    (at.strftime(&format!("{code}_BEDS_%Y%m%d_%H%M.csv")).to_string(), text)
}

/// The same with a last line that announces other than what is there.
pub(crate) fn damaged(code: &str, at: Timestamp, pattern: u32) -> (String, String) {
    let (name, text) = good(code, at, pattern);
    (name, text.replace("TOTAL,20", "TOTAL,21"))
}
