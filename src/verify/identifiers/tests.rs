//! What seals a file and what does not, place by place.

use super::*;

/// A number that passes, and one that does not.
const GOOD: &str = "9434765919";
const BAD: &str = "9434765918";

/// Numbers that pass, from the range that is never issued.
fn numbers(count: usize) -> Vec<String> {
    let passing = |n: u32| ten_digits(&format!("999{n:07}")).iter().any(TenDigits::pass).then(|| format!("999{n:07}"));
    (0..).filter_map(passing).take(count).collect()
}

fn grouped(number: &str, sign: &str) -> String {
    let (first, rest) = number.split_at(3);
    let (second, third) = rest.split_at(3);
    format!("{first}{sign}{second}{sign}{third}")
}

#[test]
fn igv_02_one_number_on_every_row_is_the_files_and_not_a_persons() {
    type Values<'v> = &'v dyn Fn(usize) -> Option<&'static str>;
    let one = |at: usize| (at < 3).then_some(GOOD);
    let two = |at: usize| Some(if at == 0 { "4010232137" } else { GOOD });
    let rows: [(&str, usize, Values<'_>, u64); 8] = [
        ("a run's number on each row", 30, &|_| Some(GOOD), 0),
        ("the same on five", 5, &|_| Some(GOOD), 0),
        ("with some rows damaged", 30, &|at| (at % 10 > 0).then_some(GOOD), 0),
        ("where beds are occupied", 30, &|at| (at % 3 > 0).then_some(GOOD), 1),
        ("the same on four, who may be one", 4, &|_| Some(GOOD), 1),
        ("a patient's on three rows of many", 30, &one, 1),
        ("two patients'", 30, &two, 1),
        ("with others that do not pass", 30, &|at| Some(if at == 0 { BAD } else { GOOD }), 1),
    ];
    for (what, count, value, expected) in rows {
        let mut scan = Scan::default();
        for at in 0..count {
            scan.look(0, "W1");
            scan.look(1, value(at).unwrap_or_default());
        }
        assert_eq!(scan.findings(&[], &Agreed::default()).count_of(Rule::Igv02), expected, "{what}");
    }
}

/// As a spreadsheet writes it with so many digits of its fraction.
fn scientific(number: &str, digits: usize) -> String {
    let (whole, fraction) = number.split_at(1);
    format!("{whole}.{}E+09", fraction.split_at(digits).0)
}

fn leaks(values: &[String], identifier: bool) -> u64 {
    let mut scan = Scan::default();
    values.iter().for_each(|value| scan.look(1, value));
    let column = |label: &str, identifier| FileColumn { label: label.to_owned(), identifier };
    let findings = scan.findings(&[column("A", false), column("B", identifier)], &Agreed::default());
    assert!(findings.iter().all(|f| values.iter().all(|value| !f.message.contains(value)) && f.place.column.as_deref() == Some("B")));
    findings.count_of(Rule::Igv02)
}

#[test]
fn igv_02_three_numbers_and_four_in_five_of_a_column_seal_a_file() {
    let values = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let written = |as_text: &dyn Fn(&str) -> String| numbers(5).iter().map(|number| as_text(number)).collect::<Vec<_>>();
    let every = |step: usize, count: usize| (0..count).map(|n| (1_000_000_000 + n * step).to_string()).collect::<Vec<_>>();
    let rows: Vec<(&str, Vec<String>, u64)> = vec![
        ("two", numbers(2), 0),
        ("three", numbers(3), 1),
        ("the same on three rows", values(&[GOOD, GOOD, GOOD]), 1),
        ("four in five", values(&[GOOD, GOOD, GOOD, GOOD, BAD]), 1),
        ("three in four", values(&[GOOD, GOOD, GOOD, BAD]), 0),
        ("in texts", values(&["note 943 476 5919", "x 9434765919.", GOOD]), 1),
        ("with spaces", written(&|n| grouped(n, " ")), 1),
        ("with spaces that do not break", written(&|n| grouped(n, "\u{a0}")), 1),
        ("with dashes", written(&|n| grouped(n, "-")), 1),
        ("with dots", written(&|n| grouped(n, ".")), 1),
        ("as formulas", written(&|n| format!("=\"{n}\"")), 1),
        ("after an apostrophe", written(&|n| format!("'{n}")), 1),
        ("as fractions", written(&|n| format!("{n}.0")), 1),
        ("with exponents", written(&|n| scientific(n, 9)), 1),
        ("with exponents, digits lost", written(&|n| scientific(n, 5)), 0),
        ("running numbers", every(1, 500), 0),
        ("running numbers in steps of eleven", every(11, 500), 0),
        ("any numbers", every(7_654_321, 500), 0),
        ("hours", (0..24).map(|hour| format!("20181203{hour:02}")).collect(), 0),
        ("one minute on every row", values(&["1812031018"; 50]), 0),
        ("a telephone on every row", values(&["0160328612"; 50]), 0),
        ("care homes", (0..500).map(|n| format!("1-{}", 1_000_000_000 + n)).collect(), 0),
    ];
    for (what, values, expected) in rows {
        assert_eq!(leaks(&values, false), expected, "{what}");
        assert_eq!(leaks(&values, true), 0, "{what}, in a declared column");
    }
}

#[test]
fn igv_02_a_number_of_the_file_is_none_of_a_persons_beside_the_rows_either() {
    // The number on every row, that of the total row, and whether the file is sealed.
    let rows = [(Some(GOOD), GOOD, 0), (Some(GOOD), "4010232137", 1), (None, GOOD, 1)];
    for (on_rows, in_total, expected) in rows {
        let mut scan = Scan::default();
        (0..10).for_each(|_| scan.look(0, on_rows.unwrap_or_default()));
        (0..40).for_each(|line| scan.look_aside("A total row", 12 + line, ["TOTAL", in_total]));
        assert_eq!(scan.findings(&[], &Agreed::default()).count_of(Rule::Igv02), expected, "{on_rows:?} {in_total}");
    }
}

#[test]
fn igv_02_where_few_values_stand_one_number_that_tells_by_itself_seals() {
    let rows = [
        ("H|RM1|943 476 5919", 1),
        ("TOTAL,,,9434765919", 1),
        ("# patient 9434765919", 1),
        ("9434765918", 0),
        ("H|RCX|0001234|20181203101500|BEDSTATE", 0),
        ("H|RCX|0000000108|20181203|1543832105", 0),
        ("sent 2018120310", 0),
        ("tel 0160328612", 0),
    ];
    for (line, expected) in rows {
        let mut scan = Scan::default();
        scan.look_aside("The first line", 1, line.split(['|', ',']));
        let findings = scan.findings(&[], &Agreed::default());
        assert_eq!(findings.count_of(Rule::Igv02), expected, "{line}");
        assert!(findings.iter().all(|found| !found.message.contains("943") && found.place.line == Some(1)));
        assert_eq!(
            check_beside("The control file", format!("dataset=BEDSTATE/1\nnote={line}\n").as_bytes()).is_some(),
            expected == 1,
            "{line}"
        );
    }
    let names = [
        ("beds_9434765919.csv", true),
        ("beds 943 476 5919.csv", true),
        ("NHS9434765919.csv", true),
        ("beds_9434765918.csv", false),
        ("RM1_BEDSTATE_20181203_1015.csv", false),
        ("beds_2018120310.csv", false),
        ("beds_0000000108.csv", false),
    ];
    for (name, expected) in names {
        let finding = check_name(&FileName::parse(name.as_bytes()).unwrap());
        assert_eq!(finding.is_some(), expected, "{name}");
        assert!(finding.iter().all(|found| !found.message.contains("943")));
    }
    let digest = crate::feed::Digest::of(b"x");
    assert_eq!(check_beside("The checksum file", format!("{digest}  RM1_BEDSTATE_20181203_1015.csv\n").as_bytes()), None);
}

#[test]
fn igv_03_births_seal_and_the_days_of_stays_and_things_do_not() {
    let births: Vec<String> = (0..20).map(|n| format!("{:02}/0{}/{}", n + 1, n % 9 + 1, 1930 + n * 3)).collect();
    let children: Vec<String> = (0..20).map(|n| format!("{:02}/0{}/{}", n + 1, n % 9 + 1, 1995 + n)).collect();
    let written = |before: &str| births.iter().map(|birth| format!("{before}{birth}")).collect::<Vec<_>>();
    let numbers = |n: usize| (0..30_usize).map(|at| (9_000 + at * 7_919 % 30_000).to_string()).take(n).collect::<Vec<_>>();
    let short = |sign: &str| (0..20).map(|n| format!("{}{sign}{}{sign}{}", n % 9 + 1, n % 8 + 1, 30 + n * 3)).collect::<Vec<_>>();
    let agreed = |times: &[&str], read: &[&str]| {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Agreed { times: owned(times), read: owned(read) }
    };
    let rows: Vec<(&str, Vec<String>, Agreed, u64)> = vec![
        ("Ref", written(""), agreed(&[], &[]), 1),
        ("Ref", written("SMITH "), agreed(&[], &[]), 1),
        ("Ref", written("SMITH, John b. "), agreed(&["Other"], &[]), 1),
        ("Ref", written(""), agreed(&["Ref"], &[]), 0),
        ("Admitted", written(""), agreed(&[], &[]), 1),
        ("Ward opened", written(""), agreed(&[], &[]), 0),
        ("Ref", children.clone(), agreed(&[], &[]), 1),
        ("Admitted", children.clone(), agreed(&[], &[]), 0),
        ("Last inspection", children, agreed(&[], &[]), 0),
        ("Ref", short("/"), agreed(&[], &[]), 1),
        ("Ref", short("/"), agreed(&[], &["Ref"]), 1),
        ("Ref", short("/"), agreed(&["Ref"], &[]), 0),
        ("Ref", short("."), agreed(&[], &[]), 1),
        ("Ref", short("-"), agreed(&[], &[]), 1),
        ("Ref", short("-"), agreed(&[], &["Ref"]), 0),
        ("Ref", (0..20).map(|n| format!("{}/{}/18", n + 1, n % 8 + 1)).collect(), agreed(&[], &[]), 0),
        ("Info", numbers(30), agreed(&[], &[]), 1),
        ("Info", numbers(19), agreed(&[], &[]), 0),
        ("Info", numbers(30), agreed(&[], &["Info"]), 0),
        ("Bed ID", numbers(30), agreed(&[], &[]), 0),
    ];
    for (label, values, agreed, expected) in rows {
        for identifier in [false, true] {
            let mut scan = Scan::default();
            values.iter().for_each(|value| scan.look(0, value));
            // The newest figures are of 2018.
            scan.look(1, "03/12/2018 10:15");
            let columns = [FileColumn { label: label.to_owned(), identifier }, FileColumn { label: "When".to_owned(), identifier: false }];
            let findings = scan.findings(&columns, &agreed);
            assert_eq!(findings.count_of(Rule::Igv03), if identifier { 0 } else { expected }, "{label}");
            assert!(findings.iter().all(|found| values.iter().all(|value| !found.message.contains(value))));
        }
    }
}

#[test]
fn igv_03_days_that_are_to_come_do_not_make_others_old() {
    let found = |times: &[&str]| {
        let mut scan = Scan::default();
        // Beds bought in a few years, and contracts for them that end in 2035.
        for n in 0..20 {
            scan.look(0, &format!("{:02}/0{}/{}", n + 1, n % 9 + 1, 1988 + n % 6));
            scan.look(1, &format!("{:02}/0{}/2035", n + 1, n % 9 + 1));
        }
        scan.look(2, "03/12/2018 10:15");
        let columns = ["Beds", "Ends", "When"].map(|label| FileColumn { label: label.to_owned(), identifier: false });
        let times = times.iter().map(|name| (*name).to_owned()).collect();
        scan.findings(&columns, &Agreed { times, read: Vec::new() }).count_of(Rule::Igv03)
    };
    assert_eq!((found(&["When"]), found(&[])), (0, 1));
}

fn zipped(content: &[u8]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    writer.start_file("other.csv", zip::write::SimpleFileOptions::default()).unwrap();
    std::io::Write::write_all(&mut writer, content).unwrap();
    writer.finish().unwrap().into_inner()
}

fn gzipped(content: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut writer, content).unwrap();
    writer.finish().unwrap()
}

#[test]
fn a_file_that_was_not_read_is_looked_through_column_by_column() {
    let rows = |separator: &str, number: &str| {
        format!("ward{separator}when{separator}ref\n{}", format!("W1{separator}1234567890{separator}{number}\n").repeat(3))
    };
    let births = |name: &str| (0..12).fold(format!("Ward,{name}\n"), |text, n| format!("{text}W1,{:02}/02/{}\n", n + 1, 1940 + n * 5));
    let wide = |text: &str| [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect::<Vec<u8>>();
    let rows: Vec<(Vec<u8>, &str)> = vec![
        (rows(",", GOOD).into(), "IGV-02"),
        (rows(";", GOOD).into(), "IGV-02"),
        (rows("|", GOOD).into(), "IGV-02"),
        (rows("\t", GOOD).into(), "IGV-02"),
        (wide(&rows(",", GOOD)), "IGV-02"),
        (rows(",", BAD).into(), ""),
        (b"Ward,NHS No,State\nW1,,O\n".to_vec(), "IGV-01"),
        (wide("Ward,Surname\nW1,Example\n"), "IGV-01"),
        (b"Ward,State\nW1,O\n".to_vec(), ""),
        (b"943 476 5919\n".to_vec(), "IGV-02"),
        (b"PK\x03\x04 whatever \xff\xfe".to_vec(), ""),
        (zipped(rows(",", GOOD).as_bytes()), "IGV-02"),
        (zipped(rows(",", BAD).as_bytes()), ""),
        (zipped(&zipped(rows(",", GOOD).as_bytes())), ""),
        (births("Ref").into(), ""),
        (gzipped(rows(",", GOOD).as_bytes()), "IGV-02"),
        (gzipped(rows(",", BAD).as_bytes()), ""),
        (Vec::new(), ""),
    ];
    for (bytes, expected) in rows {
        let findings = scan_unread(&bytes, &[], 1 << 20);
        let said: Vec<&str> = findings.iter().map(|finding| finding.rule.id()).collect();
        assert!(
            said.iter().all(|rule| *rule == expected) && said.is_empty() == expected.is_empty(),
            "{said:?} {}",
            String::from_utf8_lossy(&bytes)
        );
        assert!(findings.iter().all(|found| !found.message.contains("943") && !found.message.contains("Surname")));
    }
    // In what nobody agreed births count too, unless the first line says what days they are.
    for (name, expected) in [("Ref", 1), ("Ward opened", 0), ("Admitted", 0)] {
        assert_eq!(scan_member(births(name).as_bytes(), &[], Expects::Nothing).count_of(Rule::Igv03), expected, "{name}");
    }
}
