//! Control records: read, and compared with what came of the rows.

use super::*;
use crate::verify::testing::{at, beds, beds_feed, wards};

const GOOD: &str = "dataset=BEDSTATE/1\nprovider_code=RMY\nsnapshot_at=2018-12-03T10:15:02\nrow_count=3\n";

#[test]
fn a_control_record_is_read_or_says_what_is_wrong() {
    let rows = [
        (GOOD.to_owned(), ""),
        (format!("# made by the job\r\n{GOOD}kind=RESEND\nSequence_No = 12\ntotal_occ=2\n"), ""),
        (format!("\u{feff}{GOOD}").replace('\n', "\r\n"), ""),
        (format!("{GOOD}kind=test\n"), ""),
        (GOOD.replace('\n', "\r"), ""),
        (format!("{GOOD}rubbish=1\n").replace('\n', "\r"), "STR-04 Line 5 of"),
        (format!("{GOOD}rubbish=1\n").replace('\n', "\r\n"), "STR-04 Line 5 of"),
        (format!("{GOOD}kind=test\r"), ""),
        (format!("{GOOD}kind=test\n\u{1a}"), ""),
        (format!("{GOOD}kind=test"), "STR-10 The last line of the control file has no line end"),
        (
            format!("{GOOD}knd=FULL\n"),
            "STR-04 Line 5 of the control file has a key that is not known; it was not used. Known are: dataset,",
        ),
        (format!("#\n\n{GOOD}Smith John=9434765919\n"), "STR-04 Line 7 of"),
        (format!("{GOOD}type = Test\n"), "STR-09 Line 5 of the control file says TEST, but not as kind=TEST"),
        (format!("{GOOD}system=PAS 4\nmapping_hint=rmy-1\nproduced_at=2018-12-03T10:15:30Z\n"), ""),
        (format!("{GOOD}total_occ=1,200\ntotal_emp=0\ntotal_clo=4.0\ntotal_dem=\n"), ""),
        (GOOD.replace("BEDSTATE/1", "bedstate/1.2"), ""),
        (GOOD.replace("BEDSTATE/1", "BEDSTATE/2"), "STR-09 Version BEDSTATE/2 that the control file states is not supported"),
        (GOOD.replace("BEDSTATE/1", "BEDSTATE"), "STR-09 Version BEDSTATE that"),
        (GOOD.replace("BEDSTATE/1", "BEDS/1"), "STR-09 Version BEDS/1 that"),
        (GOOD.replace("BEDSTATE/1", "J Smith 9434765919"), "STR-09 The version that the control file states is not"),
        (GOOD.replace("row_count=3", "row_count=three"), "TRN-04 The control file cannot be used: row_count is not a whole number"),
        (GOOD.replace("row_count=3", "row_count=1,25"), "TRN-04 The control file cannot be used: row_count is not a whole number"),
        (GOOD.replace("row_count=3", "row_count=1250,000"), "row_count is not a whole number"),
        (GOOD.replace("row_count=3", "row_count=,125"), "row_count is not a whole number"),
        (GOOD.replace("row_count=3", ""), "row_count is missing"),
        (format!("{GOOD}total_emp=-1\n"), "total_emp is not a whole number"),
        (format!("{GOOD}sha256=12\n"), "sha256 is not 64"),
        (format!("{GOOD}sequence_no=10000000\n"), "sequence_no is more than 9999999"),
        (format!("{GOOD}kind=DELTA\n"), "STR-09 The control file states a kind that is none of FULL, RESEND and TEST."),
        (format!("{GOOD}kind=\n"), "STR-09"),
        (format!("{GOOD}rubbish\n"), "key=value"),
        (format!("{GOOD}row_count=4\n"), "twice"),
        (format!("{GOOD}kind=FULL\nkind=TEST\n"), "it says one thing twice"),
    ];
    for (text, expected) in rows {
        let (record, findings) = record(text.as_bytes(), &[]);
        let said: Vec<String> = findings.iter().map(|f| format!("{} {}", f.rule, f.message)).collect();
        assert_eq!(said.is_empty(), expected.is_empty(), "{text}: {said:?}");
        assert!(said.join(" ").contains(expected), "{text}: {said:?}");
        assert_eq!(record.provider.as_deref(), Some("RMY"));
        assert!(!said.join(" ").contains("Smith"), "a message repeats nothing that nobody agreed");
    }
    let (record, _) = record(format!("{GOOD}kind=resend\ntotal_occ=1,200\ntotal_dem=0\nproduced_at=x\n").as_bytes(), &[]);
    assert_eq!(record.kind, Some(Kind::Resend));
    assert_eq!(record.totals, StatedTotals { occupied: Some(1200), demand: Some(0), ..StatedTotals::default() });
    assert_eq!(record.produced_at.as_deref(), Some("x"));
}

/// Where the sender always states the kind, no cut makes a record of a test pass for one without a kind.
#[test]
fn a_control_record_that_was_cut_short_is_told_at_every_byte() {
    let whole = format!("{GOOD}kind=TEST\n");
    let always = ["kind".to_owned()];
    assert_eq!(record(whole.as_bytes(), &always).1, Findings::default());
    let without_end = record(whole.trim_end().as_bytes(), &always);
    assert_eq!((without_end.0.kind, without_end.1.count_of(Rule::Str10)), (Some(Kind::Test), 1));
    for length in 0..whole.len() - 1 {
        let (record, findings) = record(&whole.as_bytes()[..length], &always);
        assert!(findings.reject_file(), "{length}: {record:?}");
    }
    let (_, findings) = record(GOOD.as_bytes(), &always);
    assert!(findings.iter().any(|finding| finding.message.contains("kind, which it always states, is missing")), "{findings:?}");
    assert_eq!(record(GOOD.as_bytes(), &[]).1, Findings::default(), "where nobody agreed it, a kind may be left out");
}

#[test]
fn str_09_a_first_line_may_name_the_dataset_alone() {
    for (text, fits) in
        [("BEDSTATE", true), (" bedstate/1 ", true), ("BEDSTATE/10", false), ("BEDSTATE/2", false), ("B", false), ("", false)]
    {
        assert_eq!(check_dataset(text, true, "the first line").is_none(), fits, "{text}");
    }
}

#[test]
fn str_07_stated_sums_are_those_of_the_rows() {
    let sums = Totals { occupied: 80, empty: 20, closed: 2, demand: 5, ..Totals::default() };
    let totals = |occupied, empty, closed, demand| StatedTotals { occupied, empty, closed, demand };
    let singly = |rows| LeftOut { rows, most_of_one: Some(1), again: Totals::default() };
    let counts = |rows| LeftOut { rows, most_of_one: None, again: Totals::default() };
    let again = |rows, demand| LeftOut { again: Totals { demand, ..Totals::default() }, ..singly(rows) };
    // What is stated, what was left out, and the sums that are said to differ.
    let rows = [
        (totals(Some(80), Some(20), Some(2), Some(5)), singly(0), ""),
        (totals(None, None, None, None), singly(0), ""),
        (totals(Some(81), Some(20), None, None), singly(0), "total_occ is 81, the sum of the rows is 80"),
        (totals(Some(79), Some(21), None, None), singly(0), "total_occ total_emp"),
        (totals(None, None, Some(0), Some(4)), singly(0), "total_clo total_dem"),
        // One row was rejected: one bed may be missing, two may not, and none may be too many.
        (totals(Some(81), Some(20), None, None), singly(1), ""),
        (totals(Some(81), Some(21), None, None), singly(1), "total_occ total_emp"),
        (totals(Some(79), None, None, None), singly(1), "total_occ"),
        (totals(Some(110), Some(20), None, None), counts(1), ""),
        (totals(Some(110), Some(19), None, None), counts(1), "total_emp"),
        // Two requests were there twice: a sender may count them again or not, and nothing else may be missing.
        (totals(Some(80), None, None, Some(5)), again(0, 2), ""),
        (totals(Some(80), None, None, Some(7)), again(0, 2), ""),
        (totals(Some(80), None, None, Some(8)), again(0, 2), "total_dem is 8, the sum of the rows is 5"),
        (totals(Some(81), None, None, Some(7)), again(0, 2), "total_occ"),
        (totals(Some(80), None, None, Some(4)), again(0, 2), "total_dem"),
        (totals(Some(81), None, None, Some(7)), again(1, 2), ""),
        (totals(Some(81), None, None, Some(8)), again(1, 2), "total_occ total_dem"),
    ];
    for (stated, left_out, expected) in rows {
        let findings = check_totals(&stated, "The control file", &sums, left_out);
        let said: Vec<&str> = findings.iter().map(|finding| finding.message.as_str()).collect();
        assert_eq!(said.len(), expected.matches("total_").count(), "{stated:?}: {said:?}");
        assert!(expected.split(" total").all(|word| said.join(" ").contains(word.trim_start_matches("_"))), "{said:?}");
    }
    let mut both = totals(Some(1), None, Some(2), None);
    both.add(&totals(Some(2), Some(3), None, None));
    assert_eq!(both, totals(Some(3), Some(3), Some(2), None));
    let mut feed = beds_feed();
    feed.mappings[0].tables = vec![beds()];
    assert_eq!(LeftOut::of(4, Totals::default(), &feed.mappings[0]), singly(4));
    feed.mappings[0].tables = vec![beds(), wards()];
    assert_eq!(LeftOut::of(4, Totals::default(), &feed.mappings[0]), counts(4));
}

#[test]
fn tim_09_the_sources_clock_is_compared_with_receipt() {
    let feed = beds_feed();
    let received = at("2018-12-03T10:18:00Z");
    let rows = [
        ("2018-12-03T10:08:00Z", None, ""),
        ("2018-12-03T10:28:00", None, ""),
        ("2018-12-03T10:07:59Z", None, "601 s before it arrived"),
        ("2018-12-03 10:28:01", None, "601 s after it arrived"),
        ("2018-12-03T11:18:00+01:00", None, ""),
        ("2018-12-03T09:18:00Z", Some(Kind::Resend), ""),
        ("2018-12-03T11:18:00Z", Some(Kind::Resend), "3600 s after it arrived"),
        ("yesterday", None, "cannot be read"),
    ];
    for (produced, kind, expected) in rows {
        let found = check_clock(produced, kind, &feed.mappings[0], &feed.limits, received);
        let said = found.map(|finding| finding.message).unwrap_or_default();
        assert!(said.contains(expected) && said.is_empty() == expected.is_empty(), "{produced}: {said}");
    }
}
