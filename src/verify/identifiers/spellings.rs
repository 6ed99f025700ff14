//! Twenty rows of each spelling of a birth or of an NHS number, in a column that nobody agreed and in one that is read as
//! something else: each seals.

use super::*;
use jiff::civil::{Date, date};

/// Births of twenty people, over whole lives.
fn births() -> impl Iterator<Item = Date> {
    (0..20_i32).map(|n| date(1925, 1, 13).checked_add(jiff::Span::new().days(n * 1_601 + n * n % 31)).unwrap())
}

/// Numbers that pass, from the range that is never issued.
fn numbers() -> impl Iterator<Item = String> {
    (0..1_000_u32).map(|n| format!("999{n:07}")).filter(|number| ten_digits(number).iter().any(TenDigits::pass)).take(20)
}

fn sealed_by(rule: Rule, values: &[String]) -> bool {
    let agreed = Agreed { times: vec!["When".to_owned()], read: vec!["SPEC".to_owned()] };
    ["Info", "SPEC"].into_iter().all(|label| {
        let mut scan = Scan::default();
        for value in values {
            scan.look(0, value);
            scan.look(1, "20181203101500");
        }
        let columns = [label, "When"].map(|label| FileColumn { label: label.to_owned(), identifier: false });
        let findings = scan.findings(&columns, &agreed);
        assert!(findings.iter().all(|found| values.iter().all(|value| !found.message.contains(value))));
        findings.count_of(rule) == 1 && findings.iter().count() == 1
    })
}

#[test]
fn igv_03_births_seal_in_every_spelling() {
    let spellings = [
        "%d/%m/%Y",
        "%-d/%-m/%Y",
        "%m/%d/%Y",
        "%-m/%-d/%Y",
        "%m-%d-%Y",
        "%m/%d/%Y 12:00:00 AM",
        "%Y-%m-%d",
        "%Y/%m/%d",
        "%d.%m.%Y",
        "%d-%m-%Y",
        "%d-%b-%Y",
        "%d %b %Y",
        "%d %B %Y",
        "%dth %B %Y",
        "%B %d, %Y",
        "%A %d %B %Y",
        "%d%b%Y",
        "%d %b '%y",
        "%d/%m/%y",
        "%m/%d/%y",
        "%Y%m%d",
        "%d%m%Y",
        "%m%d%Y",
        "%Y%m%d00",
        "%Y%m%d0000",
        "%Y%m%d000000",
        "%Y%m%d000000000",
        "%Y%m%d000000+0100",
        "%Y%m%d000000.0000-0500",
        "%Y%m%dT000000Z",
        "%Y-%m-%dT00:00:00.000+00:00",
        "%d/%m/%Y 00:00",
        "%d %m %Y",
        "%Y %m %d",
        "%d %m %Y 00:00:00",
        "%d_%m_%Y",
        "%d\\%m\\%Y",
        "%d,%m,%Y",
        "%d / %m / %Y",
        "'%d/%m/%Y",
        "=\"%d/%m/%Y\"",
        "(%d/%m/%Y)",
        "%d/%m/%Y (83)",
        "SMITH %d/%m/%Y",
        "SMITH %d %m %Y",
        "SMITH^JOHN %Y%m%d000000",
    ];
    for spelling in spellings {
        let values: Vec<String> = births().map(|day| day.strftime(spelling).to_string()).collect();
        assert!(sealed_by(Rule::Igv03, &values), "{spelling}: {values:?}");
    }
}

/// Writes a number in its way.
type Spelling = Box<dyn Fn(&str) -> String>;

#[test]
fn igv_02_nhs_numbers_seal_in_every_spelling() {
    let parts = |number: &str, at: &[usize], sign: &str| {
        let piece = |(place, digit): (usize, char)| if at.contains(&place) { format!("{sign}{digit}") } else { digit.to_string() };
        number.char_indices().map(piece).collect::<String>()
    };
    let mut spellings: Vec<(String, Spelling)> = Vec::new();
    for sign in [" ", "\u{a0}", "\u{202f}", "\u{2009}", "-", "\u{2010}", "\u{2013}", ".", "_", "/", ",", "\u{b7}", ";", ":", "'"] {
        spellings.push((format!("groups with {sign:?}"), Box::new(move |number| parts(number, &[3, 6], sign))));
    }
    let around = ["#", "'#", "=\"#\"", "#.0", "NHS#", "NHS No: #", "SMITH #", "# SMITH", "(#)", "#^^^NHS", "\u{200e}#"];
    for text in around {
        spellings.push((text.to_owned(), Box::new(move |number| text.replace('#', number))));
        let grouped = move |number: &str, sign: &str| text.replace('#', &parts(number, &[3, 6], sign));
        if !text.contains(".0") {
            spellings.push((format!("{text} with blanks"), Box::new(move |number| grouped(number, " "))));
            spellings.push((format!("{text} with commas"), Box::new(move |number| grouped(number, ","))));
        }
    }
    spellings.push(("thousands".to_owned(), Box::new(move |number| parts(number, &[1, 4, 7], ","))));
    spellings.push(("exponents".to_owned(), Box::new(move |number| format!("{}E+09", parts(number, &[1], ".")))));
    spellings.push(("a fraction and an exponent".to_owned(), Box::new(|number| format!("0.{number}E+10"))));
    spellings.push(("noughts in front".to_owned(), Box::new(|number| format!("00{number}"))));
    spellings.push(("brackets".to_owned(), Box::new(move |number| format!("({}", parts(number, &[3, 6], " ")).replacen(' ', ") ", 1))));
    let wide = |number: &str| number.bytes().filter_map(|byte| char::from_u32(0xff10 + u32::from(byte - b'0'))).collect();
    spellings.push(("wide digits".to_owned(), Box::new(wide)));
    for sign in ["\u{200e}", "\u{200b}", "\u{ad}", "\u{2060}"] {
        spellings.push((format!("{sign:?} inside"), Box::new(move |number| parts(number, &[3, 4], sign))));
    }
    spellings.push(("blanks between all".to_owned(), Box::new(move |number| parts(number, &[1, 2, 3, 4, 5, 6, 7, 8, 9], " "))));
    for (spelling, write) in spellings {
        let values: Vec<String> = numbers().map(|number| write(&number)).collect();
        assert!(sealed_by(Rule::Igv02, &values), "{spelling}: {values:?}");
    }
}
