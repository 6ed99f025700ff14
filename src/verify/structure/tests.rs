//! Tables cut from texts: every oddity is said, every row accounted for.

use super::*;
use crate::normalise::mapping::Quantity;
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
fn str_07_the_counts_of_a_total_row_are_held_against_the_rows() {
    let mut mapping = beds();
    mapping.total_row = Some(TotalRow { column: "WHEN".into(), equals: "TOTAL".into(), rows: None });
    let quantity = Quantity { column: "AGE".into(), plus: Vec::new(), minus: Vec::new() };
    mapping.lines[0].quantity = Some(quantity);
    let wrong = "STR-07 F The total row states 100 in AGE; the rows add up to 166.";
    let row = |age: &str| format!("03/12/2018 10:15,RM102,W1,B1,OCC,F,{age}\n");
    // The rows, the total row, and what is said of it.
    let rows = [
        (format!("{ROW}{ROW}"), "TOTAL,,,,,,166\n", ""),
        (format!("{ROW}{ROW}"), "TOTAL,,,,,,100\n", wrong),
        (format!("{ROW}{ROW}"), "TOTAL,,,,,,\n", ""),
        (format!("{ROW}{ROW}"), "TOTAL,,,,,,166.00\n", ""),
        (format!("{}{ROW}", row("83.00")), "TOTAL,,,,,,100\n", wrong),
        (format!("{ROW}{ROW}"), "TOTAL,,,,,,#REF!\n", "STR-07 F The total row on line 4 states no sum in AGE that can be read."),
        (format!("{}{}", row("1,000"), row("")).replace("1,000", "\"1,000\""), "TOTAL,,,,,,1000\n", ""),
        // A cell that is no number rejects its row, and a row that cannot be cut is in no sum.
        (format!("{ROW}{}", row("many")), "TOTAL,,,,,,100\n", ""),
        (format!("{ROW}{},x\n", row("1").trim_end()), "TOTAL,,,,,,100\n", ""),
        (format!("{ROW}TOTAL,,,,,,83\n{ROW}"), "TOTAL,,,,,,83\n", ""),
        (ROW.to_owned(), "", "STR-06 F The total row is missing: the file may be cut short."),
    ];
    for (text, total, expected) in rows {
        let (found, _) = said(&format!("{HEAD}{text}{total}"), &mapping, &Limits::default());
        let of_it: Vec<&str> = found.split('|').filter(|f| f.starts_with("STR-07") || f.starts_with("STR-06")).collect();
        assert_eq!(of_it.join(""), expected, "{text}{total}: {found}");
    }
}

#[test]
fn str_07_several_total_rows_are_sums_of_rows_beside_them_and_leave_no_row_out() {
    let mut mapping = beds();
    let quantity = Quantity { column: "AGE".into(), plus: Vec::new(), minus: Vec::new() };
    mapping.lines[0].quantity = Some(quantity);
    // A letter is a row that counts so many, a number a total row: its sum, and its number of rows where one is stated.
    let text = |outline: &str| {
        let line = |word: &str| match word.strip_prefix('r') {
            Some(count) => format!("03/12/2018 10:15,RM102,W1,B1,OCC,F,{count}\n"),
            None => {
                let (sum, rows) = word.split_once('/').unwrap_or((word, ""));
                format!("TOTAL,,,,{rows},,{sum}\n")
            }
        };
        format!("{HEAD}{}", outline.split(' ').map(line).collect::<String>())
    };
    let off =
        |line: u64, stated: u64| format!("STR-07 F The total row on line {line} states {stated} in AGE; no rows beside it add up to that.");
    let cut = |rows: u64| format!("STR-06 F {rows} of the rows are in no total row's sum: the file may be cut short.");
    let rows: [(&str, bool, String); 19] = [
        // Subtotals below their rows, with and without a grand total; two deep; above their rows.
        ("r1 r2 3 r4 4 7", false, String::new()),
        ("r1 r2 3 r4 4", false, String::new()),
        ("r1 1 r2 2 3 r4 4 r5 5 9 12", false, String::new()),
        ("12 3 r1 r2 9 r4 r5", false, String::new()),
        ("r0 0 r0 0 0", false, String::new()),
        ("r1 r2 3/2 r4 4/1 7/3", true, String::new()),
        // A row was lost, or the grand total's last rows were.
        ("r1 3 r4 4 7", false, off(3, 3) + &off(6, 7)),
        // Which of them were meant to stand below their rows nobody can tell.
        ("r1 1 r1 1 r1", false, cut(1)),
        ("r1 1 r1 1 r1 1", false, String::new()),
        ("r1 r2 3 4 7", false, off(5, 4) + &off(6, 7)),
        ("r1 r2 3 r4", false, String::from("STR-07 F The total row states 3 in AGE; the rows add up to 7.")),
        ("r1 1 r2 2 r4 r5", false, cut(2)),
        ("r1 r2 3/2 r4 4/2 7/3", true, "STR-07 F The total row on line 6 states 2 in STATUS; no rows beside it add up to that.".into()),
        // Several that state nothing are headings; a number of rows alone is held too.
        ("r1  r2 ", false, String::new()),
        ("r1 /1 r2 /1 /2", true, String::new()),
        ("r1 /1 r2 /2 /3", true, [(5, 2), (6, 3)].map(|(line, rows)| off(line, rows).replace("AGE", "STATUS")).concat()),
        // A small ward above makes up for no row that was lost.
        ("r1 1 r10 r13 24", false, off(6, 24)),
        ("r1 1 r2 2/1 3/2", true, "STR-06 F The total row does not state a number of rows.".into()),
        ("r1 1/1 r2 2/1 9", false, off(6, 9)),
    ];
    for (outline, with_rows, expected) in rows {
        let total = TotalRow { column: "WHEN".into(), equals: "TOTAL".into(), rows: with_rows.then(|| "STATUS".to_owned()) };
        mapping.total_row = Some(total);
        let (found, _) = said(&text(outline), &mapping, &Limits::default());
        let of_it: Vec<&str> = found.split('|').filter(|f| f.starts_with("STR-07") || f.starts_with("STR-06")).collect();
        assert_eq!(of_it.join(""), expected, "{outline}: {found}");
    }
    // So many that not all runs are compared: each is held against the rows next to it, and against all.
    mapping.total_row = Some(TotalRow { column: "WHEN".into(), equals: "TOTAL".into(), rows: None });
    let wards: String = (0..300).map(|_| "r2 r3 5 ").collect();
    for (last, expected) in [("1500", String::new()), ("1501", off(902, 1501))] {
        let (found, _) = said(&text(&format!("{wards}{last}")), &mapping, &Limits::default());
        let of_it: Vec<&str> = found.split('|').filter(|f| f.starts_with("STR-07") || f.starts_with("STR-06")).collect();
        assert_eq!(of_it.join(""), expected);
    }
}

#[test]
fn str_10_a_total_row_that_is_cut_is_one_that_was_cut() {
    let row = "03/12/2018 10:15,RM102,W1,B1,OCC,F,83\n";
    for (end, cut) in [("TOTAL", true), ("TOTAL,,,,1", true), ("TOTAL,,,,1,,", false), ("TOTAL,,,,1,,\n", false)] {
        let (found, _) = said(&format!("{HEAD}{row}{end}"), &beds(), &Limits::default());
        assert_eq!(found.contains("STR-10 F The last line (line 3) has "), cut, "{end}: {found}");
    }
}

#[test]
fn every_row_is_accounted_for_and_every_oddity_is_said() {
    let whole = format!("{HEAD}{ROW}{TOTAL}");
    let quiet = "STR-08 I 1 total line skipped.";
    let rows: [(String, String, usize); 27] = [
        (whole.clone(), quiet.into(), 1),
        (whole.replace('\n', "\r\n"), quiet.into(), 1),
        (whole.replace("WHEN,SITE", " when , Site "), quiet.into(), 1),
        (whole.replace(",AGE", ",AGE,,,"), quiet.into(), 1),
        (whole.replace(",AGE", ",AGE,,").replace("F,83", "F,83,,"), quiet.into(), 1),
        (whole.replace("F,83", "F,83,,"), format!("STR-05 R Line 2: 9 fields, expected 7.|{quiet}"), 0),
        (format!("{whole}\n,,,,,,\n"), "STR-08 I 3 total and blank lines skipped.".into(), 1),
        (whole.replace("F,83", "F,83,x"), format!("STR-05 R Line 2: 8 fields, expected 7.|{quiet}"), 0),
        (whole.replace("F,83", "F,83,"), format!("STR-05 R Line 2: 8 fields, expected 7.|{quiet}"), 0),
        (whole.replace("F,83", "F"), format!("STR-05 R Line 2: 6 fields, expected 7.|{quiet}"), 0),
        (whole.replace("W1", "\"W\"1"), format!("STR-05 R Line 2: text after a closing quote; quotes inside a text must be doubled.|{quiet}"), 0),
        (
            format!("{HEAD}{ROW}{HEAD}TOTAL,,,,2,,\n"),
            format!("STR-05 F Line 3: the first line is repeated among the rows. {JOINED}|{quiet}"),
            1,
        ),
        (whole.replace("AGE", "SEX"), "STR-03 F Column SEX is there 2 times.|STR-03 F Column AGE is missing.|STR-08 I 1 total line skipped.".into(), 0),
        (whole.replace(",AGE", ",Alter"), "STR-03 F Column AGE is missing.|STR-04 W Column 7 was not agreed; it was dropped.|STR-08 I 1 total line skipped.".into(), 0),
        (whole.replace(",WARD", ",WardSmithson"), "STR-03 F Column WARD is missing.|STR-04 W Column 3 was not agreed; it was dropped.|STR-08 I 1 total line skipped.".into(), 0),
        (
            whole.replace(",AGE", ",AGE,Mood").replace(",83", ",83,fine").replace("1,,", "1,,,"),
            format!("STR-04 W Column 8 was not agreed; it was dropped.|{quiet}"),
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
    let numbers = ["9434765919", "4010232137", "9434765919"];
    let beds_with = |column: &str| {
        let rows: String = numbers.iter().map(|n| format!("03/12/2018 10:15,RM102,W1,B1,OCC,F,83,{n}\n")).collect();
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
    let pipes_text = format!("H|RM1|1|20181203101500|B\n{}T|3\n", numbers.map(|n| format!("D|RM102|W1|B1|U|{n}\n")).concat());
    assert_eq!(said(&pipes_text, &pipes(), &Limits::default()).0, "");
}

#[test]
fn lines_before_the_names_are_skipped_and_other_layouts_are_named() {
    let whole = format!("{HEAD}{ROW}{TOTAL}");
    let quiet = "STR-08 I 1 total line skipped.";
    let titled = format!("Beds; printed \"today\n\n{whole}");
    let not_names = |line: u32| format!("STR-03 F Line {line} should name the columns; it has 0 of 7 agreed names.");
    // The text, how many lines are skipped, how the findings start, and how many rows are kept.
    let rows: [(String, usize, String, usize); 9] = [
        (titled.clone(), 2, quiet.into(), 1),
        (titled.replace('\n', "\r\n"), 2, quiet.into(), 1),
        (titled.replace("F,83", "F"), 2, "STR-05 R Line 4: 6 fields, expected 7.".into(), 0),
        (titled.replace(",W1", ",\"W1"), 2, "STR-05 F A quote opened on line 4 is not closed".into(), 0),
        // A line more, and none at all.
        (
            titled.replacen('"', "", 1),
            0,
            "STR-03 F The column names stand on line 3; line 1 was agreed (skip_lines).|STR-03 F Line 1".into(),
            0,
        ),
        (whole.clone(), 1, format!("STR-03 F The column names stand on line 1; line 2 was agreed (skip_lines).|{}", not_names(2)), 0),
        (whole.replace(',', ";"), 0, format!("STR-03 F The fields are separated by semicolons; commas were agreed.|{quiet}"), 0),
        (titled.replace(',', "\t"), 2, format!("STR-03 F The fields are separated by tabs; commas were agreed.|{quiet}"), 0),
        ("x".into(), 3, "STR-01 F The file has neither column names nor rows.".into(), 0),
    ];
    for (text, skip_lines, expected, kept) in rows {
        let mapping = TableMapping { skip_lines, ..beds() };
        let (found, rows) = said(&text, &mapping, &Limits::default());
        assert!(found.starts_with(&expected) && rows == kept, "{text}: {found}, {rows} rows");
    }
    let read_titled = read(&titled, &TableMapping { skip_lines: 2, ..beds() }, &Limits::default());
    assert_eq!(read_titled.table.rows().next().unwrap().line, 4, "lines are counted in the file as sent");
    for (delimiter, text) in [(b';', ";"), (b'\t', "\t"), (b'|', "|")] {
        let mapping = TableMapping { delimiter, ..beds() };
        let reordered = whole.replace("WHEN,SITE", "SITE,WHEN").replace("03/12/2018 10:15,RM102", "RM102,03/12/2018 10:15");
        let reordered = reordered.replace("TOTAL,,", ",TOTAL,").replace(',', text);
        let read = read(&reordered, &mapping, &Limits::default());
        let first: Vec<&str> = read.table.rows().next().unwrap().fields().collect();
        assert_eq!(first[..2], ["03/12/2018 10:15", "RM102"], "columns in another order");
        assert_eq!(read.rows, 1);
    }
}

#[test]
fn str_05_a_file_that_was_appended_to_is_refused_however_it_was_done() {
    let whole = format!("{HEAD}{ROW}{TOTAL}");
    let joined = "the first line is repeated among the rows. The file was appended to itself";
    let mut no_total = beds();
    no_total.total_row = None;
    let pipes_text = "H|RM1|1|20181203101500|B\nD|RM102|W1|B1|U|\nT|1\n";
    let rows = [
        (format!("{HEAD}{ROW}{HEAD}{ROW}"), no_total.clone(), format!("STR-05 F Line 3: {joined}")),
        (format!("{whole}{whole}"), beds(), format!("STR-05 F Line 4: {joined}")),
        (format!("{HEAD}{ROW}\u{feff}{HEAD}{ROW}"), no_total.clone(), format!("STR-05 F Line 3: {joined}")),
        (format!("{HEAD}{}{HEAD}{ROW}", ROW.trim_end()), no_total.clone(), format!("STR-05 F Line 2: {joined}")),
        (format!("{HEAD}{ROW}{}{HEAD}", ROW.trim_end()), no_total.clone(), format!("STR-05 F Line 3: {joined}")),
        (format!("{HEAD}{ROW}{HEAD}"), no_total.clone(), format!("STR-05 F Line 3: {joined}")),
        // Names that stand twice before any row double nothing.
        (format!("{HEAD}{HEAD}{ROW}"), no_total.clone(), "STR-05 R Line 2: the first line is repeated among the rows.".to_owned()),
        (pipes_text.repeat(2), pipes(), "STR-05 F Line 4: a row after the last line (line 3). Another file".to_owned()),
        (pipes_text.replace("T|1\n", "\u{feff}").repeat(2), pipes(), format!("STR-05 F Line 3: {joined}")),
        (format!("TYPE|SITE|WARD|BED|STATUS|DOB\n{pipes_text}"), pipes(), "STR-03 F The first line must start with H.".to_owned()),
    ];
    for (text, mapping, expected) in rows {
        let (found, _) = said_loosely(&text, &mapping, &Limits::default());
        let letters: Vec<String> = read(&text, &mapping, &Limits::default())
            .findings
            .iter()
            .map(|f| format!("{} {} {}", f.rule, if f.severity == Severity::RejectFile { 'F' } else { 'R' }, f.message))
            .collect();
        assert!(letters.iter().any(|finding| finding.starts_with(&expected)), "{text}: {found}");
    }
    let mut bare = pipes();
    (bare.header_line, bare.trailer_line) = (None, None);
    let (found, kept) = said("Type|Site|Ward|Bed|Status|DOB\nD|RM102|W1|B1|U|\n", &bare, &Limits::default());
    assert_eq!((found.as_str(), kept), ("STR-05 R Line 1: it names the columns, which was not agreed for this file.", 1));
}

#[test]
fn first_and_last_lines_may_say_what_a_control_record_says() {
    let mut mapping = pipes();
    let header = mapping.header_line.as_mut().unwrap();
    (header.dataset, header.kind, header.produced_at) = (Some(5), Some(6), Some(7));
    mapping.trailer_line.as_mut().unwrap().totals = [Some(3), Some(4), None, Some(5)];
    let text = "H|RM1|1|20181203101500|BEDSTATE|RESEND|20181203101530\nD|RM102|W1|B1|U|\nT|1|0|1|0\n";
    let facts = read(text, &mapping, &Limits::default()).facts;
    let (dataset, kind, produced_at) = (facts.dataset.unwrap(), facts.kind.unwrap(), facts.produced_at.unwrap());
    assert_eq!([dataset.as_str(), kind.as_str(), produced_at.as_str()], ["BEDSTATE", "RESEND", "20181203101530"]);
    assert_eq!(facts.totals, StatedTotals { occupied: Some(0), empty: Some(1), closed: None, demand: Some(0) });
    let (found, _) = said(&text.replace("T|1|0|1|0", "T|1|0|one"), &mapping, &Limits::default());
    let unstated = "STR-07 F The last line states no sum at position";
    assert_eq!(found, format!("{unstated} 4.|{unstated} 5."));
}

#[test]
fn a_piece_of_a_columns_name_says_nothing_of_people() {
    let found = |text: &str| read(text, &beds(), &Limits::default()).findings.count_of(Rule::Igv01);
    let names = HEAD.trim_end();
    for (text, expected) in [
        (format!("{names},Patient"), 0),
        (format!("{names},Patient\n"), 1),
        (format!("{names},Patient,Ty"), 1),
        (format!("{names},Patient\n{}", ROW.trim_end()), 1),
    ] {
        assert_eq!(found(&text), expected, "{text}");
    }
}

#[test]
fn where_a_line_end_was_lost_the_first_rows_values_are_not_repeated_as_names() {
    let glued = format!("{},Smithson,14/02/1935,O\n{ROW}", HEAD.trim_end());
    let found = format!("{:?}", read(&glued, &beds(), &Limits::default()).findings);
    assert!(found.contains("Column 8 was not agreed") && !found.contains("Smithson") && !found.contains("1935"), "{found}");
}
