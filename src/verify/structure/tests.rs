//! Tables cut from texts: every oddity is said, every row accounted for.

use super::*;
use crate::verify::testing::{beds, pipes};

/// Findings as `RULE severity-letter message`, and how many rows were kept.
fn said(text: &str, mapping: &TableMapping, limits: &Limits) -> (String, usize) {
    let read = read(text, mapping, limits);
    let letter = |severity| match severity {
        Severity::Information => 'I',
        Severity::Warning => 'W',
        Severity::RejectRow => 'R',
        Severity::RejectFile => 'F',
    };
    let findings: Vec<String> = read.findings.iter().map(|f| format!("{} {} {}", f.rule, letter(f.severity), f.message)).collect();
    assert_eq!(read.rows, read.rejected + u64::try_from(read.table.len()).unwrap() + if read.usable { 0 } else { read.rows });
    (findings.join("|"), read.table.len())
}

const HEAD: &str = "WHEN,SITE,WARD,BED,STATUS,SEX,AGE\n";
const ROW: &str = "03/12/2018 10:15,RM102,W1,B1,OCC,F,83\n";
const JOINED: &str = "The file was appended to itself, or two files were joined: send each extract as a file of its own.";
const TOTAL: &str = "TOTAL,,,,1,,\n";

#[test]
fn a_text_that_stops_without_a_line_end_is_said_to_be_cut_short() {
    let row = "D|RM102|W1|B1|U|\n";
    let whole = format!("H|RM1|1|20181203101500|B\n{row}{row}");
    let short = "STR-10 F The last line (line 3) has 4 of 6 fields and no line end: the file was cut short.";
    let agreed = "STR-10 F The last line (line 3) has no line end, which this file always has: the file was cut short.";
    let unsure = "STR-10 W The last line (line 3) has no line end: the file may be cut short.";
    // The text, what the mapping says of its end, and what is found.
    let rows = [
        (whole.clone(), Some(true), ""),
        (whole.replace('\n', "\r\n"), Some(true), ""),
        (format!("{whole}\u{1a}"), Some(true), ""),
        (whole.trim_end().to_owned(), Some(true), agreed),
        (whole.trim_end().to_owned(), None, unsure),
        (whole.trim_end().to_owned(), Some(false), ""),
        (whole.trim_end_matches("|U|\n").to_owned(), Some(false), short),
        (whole.trim_end_matches("|U|\n").to_owned(), None, short),
        (String::new(), Some(true), ""),
    ];
    for (text, final_newline, expected) in rows {
        let mut mapping = pipes();
        mapping.trailer_line = None;
        mapping.final_newline = final_newline;
        let (found, _) = said(&text, &mapping, &Limits::default());
        let of_its_end: Vec<&str> = found.split('|').filter(|finding| finding.starts_with("STR-10")).collect();
        assert_eq!(of_its_end.join(""), expected, "{text:?} with {final_newline:?}: {found}");
    }
    let mapping = pipes();
    let (found, _) = said(&format!("{whole}T|2"), &mapping, &Limits::default());
    assert_eq!(found, "", "the last line is there and counts: nothing is missing");
}

#[test]
fn every_row_is_accounted_for_and_every_oddity_is_said() {
    let whole = format!("{HEAD}{ROW}{TOTAL}");
    let quiet = "STR-08 I 1 total line skipped.";
    let rows: [(String, String, usize); 24] = [
        (whole.clone(), quiet.into(), 1),
        (whole.replace('\n', "\r\n"), quiet.into(), 1),
        (whole.replace("WHEN,SITE", " when , Site "), quiet.into(), 1),
        (whole.replace(",AGE", ",AGE,,,"), quiet.into(), 1),
        (whole.replace("F,83", "F,83,,"), quiet.into(), 1),
        (format!("{whole}\n,,,,,,\n"), "STR-08 I 3 total and blank lines skipped.".into(), 1),
        (whole.replace("F,83", "F,83,x"), format!("STR-05 R Line 2: 8 fields, expected 7.|{quiet}"), 0),
        (whole.replace("F,83", "F"), format!("STR-05 R Line 2: 6 fields, expected 7.|{quiet}"), 0),
        (whole.replace("W1", "\"W\"1"), format!("STR-05 R Line 2: text after a closing quote; quotes inside a text must be doubled.|{quiet}"), 0),
        (
            format!("{HEAD}{ROW}{HEAD}TOTAL,,,,2,,\n"),
            format!("STR-05 F Line 3: the first line is repeated among the rows. {JOINED}|{quiet}"),
            1,
        ),
        (whole.replace("AGE", "SEX"), "STR-03 F Column SEX is there 2 times.|STR-03 F Column AGE is missing.|STR-08 I 1 total line skipped.".into(), 0),
        (whole.replace(",AGE", ",Alter"), "STR-03 F Column AGE is missing.|STR-04 W Column Alter was not agreed; it was dropped.|STR-08 I 1 total line skipped.".into(), 0),
        (
            whole.replace(",AGE", ",AGE,Mood").replace(",83", ",83,fine").replace("1,,", "1,,,"),
            format!("STR-04 W Column Mood was not agreed; it was dropped.|{quiet}"),
            1,
        ),
        (
            whole.replace(",AGE", ",AGE,Surname").replace(",83", ",83,x").replace("1,,", "1,,,"),
            format!("IGV-01 F Personal data column present: Surname. The file is sealed.|{quiet}"),
            1,
        ),
        (format!("{HEAD}TOTAL,,,,0,,\n"), format!("STR-01 F The file has no bed rows.|{quiet}"), 0),
        (String::new(), "STR-01 F The file has neither column names nor rows.".into(), 0),
        (format!("{HEAD}{ROW}"), "STR-06 F The total row is missing: the file may be cut short.".into(), 1),
        (whole.replace(",1,", ",2,"), format!("STR-06 F The file states 2 rows but has 1.|{quiet}"), 1),
        (whole.replace(",1,", ",1.0,"), quiet.into(), 1),
        (whole.replace(",1,", ",one,"), format!("STR-06 F The total row does not state a number of rows.|{quiet}"), 1),
        (format!("{whole}{TOTAL}"), "STR-08 I 2 total lines skipped.".into(), 1),
        (
            whole.replace(",W1", ",\"W1"),
            "STR-05 F A quote opened on line 2 is not closed within 100 lines. Nothing after it could be read.|STR-06 F The total row is missing: the file may be cut short.".into(),
            0,
        ),
        (
            "03/12/2018 10:15,RM102,W1,B1,OCC,Jane Example,83\n".into(),
            "STR-03 F Line 1 should name the columns; it has 0 of 7 agreed names. Agreed are: WHEN, SITE, WARD, BED, STATUS, SEX, AGE.".into(),
            0,
        ),
        (format!("{HEAD}{}{TOTAL}", "x".repeat(MAX_RECORD_BYTES + 1)), format!("TRN-03 F Line 2 is longer than {MAX_RECORD_BYTES} bytes."), 0),
    ];
    for (text, expected, kept) in rows {
        let (found, rows) = said(&text, &beds(), &Limits::default());
        assert_eq!((found, rows), (expected, kept), "{}", text.chars().take(200).collect::<String>());
    }
}

#[test]
fn first_and_last_lines_say_what_they_say() {
    let whole = "H|RM1|0001234|20181203101500|BEDSTATE\nD|RM102|W1|B1|U|19350214\nT|1\n";
    let read_whole = read(whole, &pipes(), &Limits::default());
    assert_eq!(read_whole.facts.provider.as_deref(), Some("RM1"));
    assert_eq!(read_whole.facts.sequence.as_deref(), Some("0001234"));
    let first = read_whole.table.rows().next().unwrap();
    assert_eq!((first.line, first.fields().collect::<Vec<_>>()), (2, vec!["D", "RM102", "W1", "B1", "U", "19350214"]));
    let rows = [
        (whole.to_owned(), ""),
        (whole.replace("T|1\n", ""), "STR-06 F The last line, which starts with T, is missing"),
        (whole.replace("T|1", "T|2"), "STR-06 F The file states 2 rows but has 1."),
        (whole.replace("H|", "X|"), "STR-03 F The first line must start with H."),
        (
            format!("{whole}D|RM102|W1|B2|U|\n"),
            "STR-05 F Line 4: a row after the last line (line 3). Another file was appended to this one.",
        ),
        (whole.replace("T|1\n", "H|RM1|0001234|20181203101500|BEDSTATE\nT|2\n"), "STR-05 F Line 3: the first line is repeated"),
    ];
    for (text, expected) in rows {
        let (found, _) = said(&text, &pipes(), &Limits::default());
        assert!(found.contains(expected) && found.is_empty() == expected.is_empty(), "{text}: {found}");
    }
}

#[test]
fn a_million_columns_and_too_many_rows_are_refused() {
    let limits = Limits { max_rows: 2, ..Limits::default() };
    let rows = [
        ("a,".repeat(500_000), "TRN-03 F Line 1 has 500001 fields; at most 200 are taken."),
        ("a,".repeat(1_000_000), "TRN-03 F Line 1 is longer than"),
        (format!("{HEAD}{}{TOTAL}", ROW.repeat(3)), "TRN-03 F The file has more than 2 rows."),
        (format!("H|{}\n", "x|".repeat(300)), "TRN-03 F Line 1"),
    ];
    for (text, expected) in rows {
        let mapping = if text.starts_with('H') { pipes() } else { beds() };
        let (found, _) = said_loosely(&text, &mapping, &limits);
        assert!(found.contains(expected), "{found}");
    }
    let exactly = said(&format!("{HEAD}{}TOTAL,,,,2,,\n", ROW.repeat(2)), &beds(), &limits);
    assert_eq!(exactly, ("STR-08 I 1 total line skipped.".to_owned(), 2));
}

fn said_loosely(text: &str, mapping: &TableMapping, limits: &Limits) -> (String, bool) {
    let read = read(text, mapping, limits);
    let found: Vec<String> = read.findings.iter().map(|f| format!("{} F {}", f.rule, f.message)).collect();
    (found.join("|"), read.usable)
}

#[test]
fn igv_02_numbers_are_found_in_any_column_but_a_declared_one() {
    let numbers = "9434765919";
    let beds_with = |column: &str| {
        let rows: String = (0..3).map(|n| format!("03/12/2018 10:15,RM102,W1,B{n},OCC,F,83,{numbers}\n")).collect();
        format!("WHEN,SITE,WARD,BED,STATUS,SEX,AGE,{column}\n{rows}TOTAL,,,,3,,,\n")
    };
    let (found, _) = said(&beds_with("Local ref"), &beds(), &Limits::default());
    assert!(found.contains("IGV-02 F 3 values in Local ref look like NHS numbers."), "{found}");
    let mut declared = beds();
    declared.identifiers.push("Local ref".to_owned());
    let (found, _) = said(&beds_with("Local ref"), &declared, &Limits::default());
    assert!(!found.contains("IGV"), "{found}");
    // Without a line of names the first row is no less a leak, and none of it is repeated.
    let bare = beds_with("x").lines().skip(1).collect::<Vec<_>>().join("\n");
    let (found, _) = said(&bare, &beds(), &Limits::default());
    assert!(found.contains("IGV-02 F 3 values in column 8") && !found.contains("W1"), "{found}");
    // What an open quote swallowed is looked at too.
    let swallowed = beds_with("Local ref").replacen("W1", "\"W1", 1);
    let (found, _) = said(&swallowed, &beds(), &Limits::default());
    assert!(found.contains("STR-05 F") && found.contains("IGV-02 F 3 values in Local ref"), "{found}");
    let pipes_text = format!("H|RM1|1|20181203101500|B\n{}T|3\n", format!("D|RM102|W1|B1|U|{numbers}\n").repeat(3));
    assert_eq!(said(&pipes_text, &pipes(), &Limits::default()).0, "");
}
