//! Control records: what a sender states about a delivery beside its rows (TRN-04, STR-07, STR-09, TIM-09).
//!
//! Owns `key=value` control files, and the meaning of the same statements where they stand in a first or last line. Refuses
//! to judge rows one by one: it compares what was stated with what came of all of them.

use super::{Limits, records, text};
use crate::bedstate::DATASET;
use crate::feed::{Digest, Finding, Findings, LAST_NUMBER, Rule, Totals};
use crate::normalise::mapping::{Encoding, Mapping};
use crate::normalise::times::resolve;
use crate::normalise::words::Words;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// Largest control file in bytes: a hundred times a real one.
const MAX_CONTROL_BYTES: usize = 64 * 1024;

/// Formats of `produced_at`, beside RFC 3339 with an offset.
const PRODUCED_FORMATS: [&str; 5] = ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y%m%d%H%M%S"];

/// The keys of a control record. The last two say where the file comes from, and are not used. Source: the dataset's own
/// specification of the control record.
pub const KEYS: [&str; 14] = [
    "dataset",
    "provider_code",
    "snapshot_at",
    "sequence_no",
    "row_count",
    "total_occ",
    "total_emp",
    "total_clo",
    "total_dem",
    "sha256",
    "kind",
    "produced_at",
    "system",
    "mapping_hint",
];

/// What a control record says. Each is `None` where the record does not say it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ControlRecord {
    /// `provider_code`.
    pub provider: Option<String>,
    /// `snapshot_at`, as written.
    pub snapshot_at: Option<String>,
    /// `sequence_no`.
    pub sequence: Option<u32>,
    /// `row_count`.
    pub rows: Option<u64>,
    /// `total_occ`, `total_emp`, `total_clo`, `total_dem`.
    pub totals: StatedTotals,
    /// `sha256`.
    pub sha256: Option<Digest>,
    /// `kind`.
    pub kind: Option<Kind>,
    /// `produced_at`, as written.
    pub produced_at: Option<String>,
}

/// What the sender says a delivery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `FULL`: the snapshot of its slot, for the first time.
    Full,
    /// `RESEND`: sent again on purpose, so that an old number or a name used before is no mistake.
    Resend,
    /// `TEST`: judged and receipted, never loaded.
    Test,
}

impl Kind {
    /// Reads a kind; letter case does not matter.
    ///
    /// # Errors
    /// The finding that rejects the set (STR-09). `who` says it, such as "The control file".
    pub fn read(text: &str, who: &str) -> Result<Self, Finding> {
        match text.trim().to_ascii_uppercase().as_str() {
            "FULL" => Ok(Self::Full),
            "RESEND" => Ok(Self::Resend),
            "TEST" => Ok(Self::Test),
            _ => Err(Finding::new(Rule::Str09, format!("{who} states a kind that is none of FULL, RESEND and TEST."))),
        }
    }
}

/// The sums that a sender states. Each is `None` where it is not stated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatedTotals {
    /// `total_occ`: occupied beds.
    pub occupied: Option<u64>,
    /// `total_emp`: open beds without a patient.
    pub empty: Option<u64>,
    /// `total_clo`: beds that are not open.
    pub closed: Option<u64>,
    /// `total_dem`: patients who need a bed.
    pub demand: Option<u64>,
}

impl StatedTotals {
    /// Each sum's name in a control record, what was stated, and what came of the rows.
    #[must_use]
    pub fn beside(&self, sums: &Totals) -> [(&'static str, Option<u64>, u64); 4] {
        [
            ("total_occ", self.occupied, sums.occupied),
            ("total_emp", self.empty, sums.empty),
            ("total_clo", self.closed, sums.closed),
            ("total_dem", self.demand, sums.demand),
        ]
    }

    /// Adds what another table of the same snapshot states.
    pub fn add(&mut self, other: &Self) {
        let sum = |one: &mut Option<u64>, other: Option<u64>| *one = one.map_or(other, |one| Some(one.saturating_add(other.unwrap_or(0))));
        sum(&mut self.occupied, other.occupied);
        sum(&mut self.empty, other.empty);
        sum(&mut self.closed, other.closed);
        sum(&mut self.demand, other.demand);
    }
}

/// Checks the dataset and its version (STR-09). A minor version is taken: it only adds to what an earlier one says. Without
/// any version the text is taken only where `bare` says so: first lines often just name the dataset.
#[must_use]
pub fn check_dataset(text: &str, bare: bool, who: &str) -> Option<Finding> {
    let text = text.trim();
    let (name, version) = DATASET.split_once('/').unwrap_or((DATASET, ""));
    let fits = match text.split_once('/') {
        Some((stated, number)) => {
            let major = number.split_once('.').map_or(number, |(major, _)| major);
            stated.eq_ignore_ascii_case(name) && major == version
        }
        None => bare && text.eq_ignore_ascii_case(name),
    };
    let shown = Words::default().quoted(text).filter(|_| !text.is_empty());
    let stated = shown.map_or_else(|| "The version".to_owned(), |shown| format!("Version {}", shown.trim_matches('"')));
    (!fits).then(|| Finding::new(Rule::Str09, format!("{stated} that {who} states is not supported: {DATASET} is.")))
}

/// What was left out on the way from rows to lines, so that sums may fall short by that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Rows that were rejected, and copies of them.
    pub rows: u64,
    /// Most beds and patients that one row counts; `None`: a row may count any number.
    pub most_of_one: Option<u64>,
    /// Beds and patients that count once although the file tells of them more than once: a sender may have counted them each time.
    pub again: Totals,
}

impl LeftOut {
    /// Rows that were rejected, in the layout of a mapping, and what was told of again.
    #[must_use]
    pub fn of(rows: u64, again: Totals, mapping: &Mapping) -> Self {
        let lines = || mapping.tables.iter().flat_map(|table| &table.lines);
        let single = lines().all(|line| line.quantity.is_none() && !line.set.contains_key("quantity"));
        Self { rows, most_of_one: single.then_some(1), again }
    }
}

/// Compares stated sums with the lines' (STR-07). `who` states them, such as "The control file".
///
/// A sender may count rows or beds and patients, so what the file tells of again may be in a stated sum or not. Where rows were
/// rejected, sums may fall short by what those rows counted at most: they are reported by themselves, and the limits on them
/// decide. A sum that is above the stated one, or that lacks more, rejects the file.
#[must_use]
pub fn check_totals(stated: &StatedTotals, who: &str, sums: &Totals, left_out: LeftOut) -> Findings {
    let again = stated.beside(&left_out.again).map(|(_, _, again)| again);
    let beside = stated.beside(sums).into_iter().zip(again);
    let compared = beside.filter_map(|((name, stated, sum), again)| Some((name, stated?, sum, again)));
    let lacks = |(_, stated, sum, again): &(&str, u64, u64, u64)| stated.saturating_sub(sum.saturating_add(*again));
    let lacking = compared.clone().map(|of_one| lacks(&of_one)).fold(0_u64, u64::saturating_add);
    let may_lack = left_out.most_of_one.map_or(u64::MAX, |most| left_out.rows.saturating_mul(most));
    let explained = left_out.rows > 0 && lacking <= may_lack;
    let mut findings = Findings::default();
    for of_one in compared {
        let (name, stated, sum, _) = of_one;
        if sum > stated || (lacks(&of_one) > 0 && !explained) {
            findings.push(Finding::new(Rule::Str07, format!("{who} says {name} is {stated}, the sum of the rows is {sum}.")));
        }
    }
    findings
}

/// Compares `produced_at` with the time of receipt (TIM-09). What was sent again on purpose may be old.
#[must_use]
pub fn check_clock(produced_at: &str, kind: Option<Kind>, mapping: &Mapping, limits: &Limits, received_at: Timestamp) -> Option<Finding> {
    let formats = PRODUCED_FORMATS.map(str::to_owned);
    let Ok(produced) = resolve(produced_at, &formats, mapping.zone, mapping.march_gap, received_at) else {
        return Some(Finding::new(
            Rule::Tim09,
            "produced_at cannot be read: write it as 2018-12-03T10:15:00Z, or in local time without the Z.",
        ));
    };
    let drift = received_at.duration_since(produced.at);
    let seconds = drift.abs().as_secs();
    let message = if drift.abs() <= limits.clock_drift {
        return None;
    } else if drift.is_negative() {
        format!("The file says that it was made {seconds} s after it arrived: the source's clock is ahead, or its time zone is wrong.")
    } else if kind == Some(Kind::Resend) {
        return None;
    } else {
        format!(
            "The file says that it was made {seconds} s before it arrived: the source's clock is behind, or the file waited to be sent."
        )
    };
    Some(Finding::new(Rule::Tim09, message))
}

/// Reads a control record: one `key=value` on each line, `#` starts a remark, letter case of keys is ignored. What is in `always`
/// must be there: a record that was cut short exactly at a line end is told by that alone.
#[must_use]
pub fn record(bytes: &[u8], always: &[String]) -> (ControlRecord, Findings) {
    let mut findings = Findings::default();
    let text = match readable(bytes, "control file") {
        Ok(text) => text,
        Err(finding) => {
            findings.push(finding);
            return (ControlRecord::default(), findings);
        }
    };
    let mut values: BTreeMap<String, String> = BTreeMap::new();
    for (number, line) in (1_u64..).zip(records::lines(records::without_end_mark(&text)).map(str::trim)) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((key, value)) = line.split_once('=') else {
            findings.push(unreadable("every line must be key=value"));
            continue;
        };
        let (key, value) = (key.trim().to_ascii_lowercase(), value.trim().to_owned());
        if KEYS.contains(&key.as_str()) {
            if values.get(&key).is_some_and(|before| *before != value) {
                findings.push(unreadable("it says one thing twice, and differently"));
            }
            values.insert(key, value);
        } else {
            findings.push(not_known(number, &value));
        }
    }
    let lacks = |key: &&String| values.get(*key).is_none_or(String::is_empty);
    for key in always.iter().filter(lacks) {
        findings.push(unreadable(&format!("{key}, which it always states, is missing: it may have been cut short")));
    }
    if !records::ends_with_line_end(&text) {
        let message = "The last line of the control file has no line end: the control file may be cut short.";
        findings.push(Finding::new(Rule::Str10, message));
    }
    (meant(&values, &mut findings), findings)
}

/// What is said of a key that nobody knows. The key is not repeated: anything could stand there. A test that is marked by a key of
/// the sender's own would be loaded, so that is more than a warning.
fn not_known(line: u64, value: &str) -> Finding {
    if value.eq_ignore_ascii_case("TEST") {
        let message = format!("Line {line} of the control file says TEST, but not as kind=TEST: what it is meant for is not known.");
        return Finding::new(Rule::Str09, message);
    }
    let message = format!("Line {line} of the control file has a key that is not known; it was not used. Known are: {}.", KEYS.join(", "));
    Finding::new(Rule::Str04, message)
}

fn meant(values: &BTreeMap<String, String>, findings: &mut Findings) -> ControlRecord {
    const WHO: &str = "The control file";
    let filled = |key: &str| values.get(key).filter(|value| !value.is_empty());
    let mut mandatory = |key: &str| {
        let value = filled(key);
        if value.is_none() {
            findings.push(unreadable(&format!("{key} is missing")));
        }
        value
    };
    let dataset = mandatory("dataset");
    let provider = mandatory("provider_code").cloned();
    let snapshot_at = mandatory("snapshot_at").cloned();
    let rows = mandatory("row_count");
    findings.extend(dataset.and_then(|dataset| check_dataset(dataset, false, "the control file")));
    let mut number = |text: Option<&String>, key: &str, most: u64| {
        let read = text.and_then(|text| super::structure::announced_number(text));
        if text.is_some() && read.is_none() {
            findings.push(unreadable(&format!("{key} is not a whole number")));
        }
        if read.is_some_and(|number| number > most) {
            findings.push(unreadable(&format!("{key} is more than {most}")));
        }
        read.filter(|number| *number <= most)
    };
    let rows = number(rows, "row_count", u64::MAX);
    let sequence = number(filled("sequence_no"), "sequence_no", u64::from(LAST_NUMBER)).and_then(|number| u32::try_from(number).ok());
    let mut total = |key: &str| number(filled(key), key, u64::MAX);
    let totals =
        StatedTotals { occupied: total("total_occ"), empty: total("total_emp"), closed: total("total_clo"), demand: total("total_dem") };
    let sha256 = filled("sha256").and_then(|text| text.parse().ok());
    if filled("sha256").is_some() && sha256.is_none() {
        findings.push(unreadable("sha256 is not 64 hexadecimal digits"));
    }
    // A kind that is there and says nothing may be all that came of TEST: it must not be taken for FULL.
    let kind = match values.get("kind").map(|kind| Kind::read(kind, WHO)) {
        Some(Ok(kind)) => Some(kind),
        Some(Err(finding)) => {
            findings.push(finding);
            None
        }
        None => None,
    };
    let produced_at = filled("produced_at").cloned();
    ControlRecord { provider, snapshot_at, sequence, rows, totals, sha256, kind, produced_at }
}

/// A small text that travels beside the data.
///
/// # Errors
/// The finding that rejects the set where it is empty, too long or no text (TRN-04).
pub fn readable(bytes: &[u8], what: &str) -> Result<String, Finding> {
    if bytes.is_empty() {
        return Err(Finding::new(Rule::Trn04, format!("The {what} is empty.")));
    }
    if bytes.len() > MAX_CONTROL_BYTES {
        return Err(Finding::new(Rule::Trn04, format!("The {what} is longer than {MAX_CONTROL_BYTES} bytes: it is not a {what}.")));
    }
    match text::decode(bytes, Encoding::Utf8) {
        Ok(text) => Ok(text.text.into_owned()),
        Err(_) => Err(Finding::new(Rule::Trn04, format!("The {what} is not text."))),
    }
}

fn unreadable(why: &str) -> Finding {
    Finding::new(Rule::Trn04, format!("The control file cannot be used: {why}."))
}

#[cfg(test)]
mod tests;
