//! Which texts hold an NHS number, and which only look a little like one.

use super::*;

#[test]
fn ten_digits_are_found_in_every_spelling_and_times_hashes_and_homes_are_not() {
    // Whether an NHS number is seen in the text, and whether it tells by itself.
    let rows = [
        ("9434765919", true, true),
        ("943 476 5919", true, true),
        ("943-476-5919", true, true),
        ("943.476.5919", true, true),
        ("943,476,5919", true, true),
        ("\"943,476,5919\"", true, true),
        ("SMITH, 943,476,5919", true, true),
        ("943\u{a0}476\u{a0}5919", true, true),
        ("943\u{202f}476\u{2009}5919", true, true),
        ("943\u{2013}476\u{2013}5919", true, true),
        ("943\u{fffd}476\u{fffd}5919", true, true),
        ("94 3476 5919", true, true),
        ("=\"9434765919\"", true, true),
        ("'9434765919", true, true),
        ("9434765919.0", true, true),
        ("9434765919.00", true, true),
        ("9,434,765,919", true, true),
        ("9.434765919E+09", true, true),
        ("9.434765919e9", true, true),
        ("0.9434765919E+10", true, true),
        ("0.9434765919e10", true, true),
        ("9.43476592E+09", false, false),
        ("9.434765919E+10", false, false),
        ("see 9434765919 and ring", true, true),
        ("in bay 4 9434765919", true, true),
        ("told 943 476 5919 today", true, true),
        ("NHS9434765919", true, true),
        ("F9434765919", true, true),
        ("beds_9434765919.csv", true, true),
        ("RM1-9434765919.csv", true, true),
        ("01603 9434765919-2", true, true),
        ("beds_943_476_5919.csv", true, true),
        ("943\u{b7}476\u{b7}5919", true, true),
        ("943;476;5919", true, true),
        ("943:476:5919", true, true),
        ("943|476|5919", true, true),
        ("943\\476\\5919", true, true),
        ("943~476~5919", true, true),
        ("943*476*5919", true, true),
        ("943+476+5919", true, true),
        ("943=476=5919", true, true),
        ("943'476'5919", true, true),
        ("9'434'765'919", true, true),
        ("(943) 476 5919", true, true),
        ("ring (943) 476-5919", true, true),
        ("943\u{200e}4765919", true, true),
        ("943\u{ad}476\u{2060}5919", true, true),
        ("\u{202a}9434765919\u{202c}", true, true),
        ("９４３４７６５９１９", true, true),
        ("９４３ ４７６ ５９１９", true, true),
        ("\u{669}\u{664}\u{663}\u{664}\u{667}\u{666}\u{665}\u{669}\u{661}\u{669}", true, true),
        ("009434765919", true, true),
        ("REF 00009434765919", true, true),
        ("ED9434765919", true, true),
        ("BED9434765919", true, true),
        ("9434765919F83", true, true),
        ("NHS 943 - 476 - 5919", true, true),
        ("NHS 943  476  5919", true, true),
        ("943, 476, 5919", true, true),
        ("NHS 943â€“476â€“5919", true, true),
        ("943Â 476Â 5919", true, true),
        ("4-9434765919", true, true),
        ("Bed 4-9434765919", true, true),
        ("Totals,9,434,765,919", false, false),
        ("Beds\t943\t476\t5919", false, false),
        ("0190a1b2-0000-7000-8000-ed9434765919", false, false),
        ("abcdef9434765919", false, false),
        // Telephones, times and lists, fields, and running numbers with many noughts.
        ("09434765919", false, false),
        ("19434765919", false, false),
        ("000000000108", false, false),
        ("009434765919.5", false, false),
        ("12;943;476;5919", false, false),
        ("12:943:476:5919", false, false),
        ("Ward;943;476;5919", false, false),
        ("Ward|943|476|5919", false, false),
        ("94:34:76:59:19", false, false),
        ("9;4;3;4;7;6;5;9;1;9", false, false),
        ("94 34 765919.", false, false),
        // The check digit is wrong.
        ("9434765918", false, false),
        ("943 476 5918", false, false),
        // Dummies.
        ("0000000000", false, false),
        ("0123456789", false, false),
        // A Scottish number; also the start of many other numbers, so it needs company.
        ("0101010125", true, false),
        // Noughts in front, and seconds since 1970.
        ("0000000108", true, false),
        ("1543832105", true, false),
        // Part of something else.
        ("1-1000000001", false, false),
        ("1-9434765919", false, false),
        ("20181203101500", false, false),
        ("2018-12-03 10:15", false, false),
        ("03/12/2018 10:15", false, false),
        ("0.9434765919", false, false),
        ("9434765919.5", false, false),
        ("123-943-476-5919", false, false),
        ("12.943.476.5919", false, false),
        ("12,943,476,5919", false, false),
        ("Ward 1,943,476,5919", false, false),
        ("Ward,943,476,5919", false, false),
        ("943,476,5919,Ward", false, false),
        ("943,476 5919", false, false),
        ("00000000-0000-0000-0000-ab9434765919", false, false),
        ("1c9434765919ab", false, false),
        ("", false, false),
    ];
    for (text, seen, tells) in rows {
        let found = ten_digits(text);
        assert_eq!(found.iter().any(|found| found.pass() && !found.read_as_a_time()), seen, "{text}");
        assert_eq!(found.iter().any(TenDigits::tell_by_themselves), tells, "{text}");
        assert!(!format!("{found:?}").contains("943"));
    }
}

#[test]
fn a_time_is_not_taken_for_a_number() {
    for text in ["2018120310", "0312201810", "1812031015", "0312181015", "1999123124"] {
        assert!(ten_digits(text).iter().all(TenDigits::read_as_a_time), "{text}");
    }
    for text in ["9434765919", "4812031015", "2018133210", "1812032515"] {
        assert!(!ten_digits(text).iter().any(TenDigits::read_as_a_time), "{text}");
    }
}

#[test]
fn a_text_that_is_meant_to_mean_nothing_holds_a_number_or_it_does_not() {
    let rows = [
        ("9434765919", true),
        (" 943 476 5919 ", true),
        ("=\"9434765919\"", true),
        ("9434765919.0", true),
        ("9.434765919E+09", true),
        ("NHS9434765919", true),
        ("REF9434765919", true),
        ("9434765919 B", true),
        ("9434765919/1", true),
        ("009434765919", true),
        // All of a text that passes is enough; behind a prefix it may be a running number.
        ("0000000108", true),
        ("R-0000000108", false),
        ("R-2018120310", false),
        ("9434765918", false),
        ("NHS9434765918", false),
        ("009434765918", false),
        ("", false),
    ];
    for (text, expected) in rows {
        assert_eq!(holds_nhs_number(text), expected, "{text}");
    }
}

#[test]
fn only_the_digits_of_a_number_are_masked() {
    let rows = [
        ("beds_9434765919.csv", "beds_**********.csv"),
        ("beds 943 476 5919 é.csv", "beds *** *** **** é.csv"),
        ("RM1_BEDSTATE_20181203_1015.csv", "RM1_BEDSTATE_20181203_1015.csv"),
        ("é \u{ff19}434765919.csv", "é **********.csv"),
        ("009434765919.csv", "00**********.csv"),
        ("x_2018120310.csv", "x_2018120310.csv"),
        ("NCC_CAREHOME_CAPACITY_201812031015.csv", "NCC_CAREHOME_CAPACITY_201812031015.csv"),
        ("9434765918.csv", "9434765918.csv"),
    ];
    for (text, expected) in rows {
        assert_eq!(masked(text), expected);
    }
}

#[test]
fn any_text_is_looked_through_without_a_fault() {
    let long = "9".repeat(MAX_LOOKED_AT * 2);
    let cut = format!("{}é9434765919", "x".repeat(MAX_LOOKED_AT - 1));
    let many = "1 ".repeat(MAX_LOOKED_AT);
    for text in [long.as_str(), &cut, &many, "é1234567890é", "1.2.3.4.5.6.7.8.9.0", "e9", "9.e+9", "1-234-567-890,12"] {
        assert!(!ten_digits(text).iter().any(TenDigits::tell_by_themselves), "{}", text.len());
    }
}
