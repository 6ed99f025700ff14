//! Examples of mappings: what comes out when settings load, and what is said when something else does.

use super::{PROVIDER, folder, load_in, problems};

const REFERENCE: [(&str, &str); 5] = [
    ("reference/ward_types.csv", "code,meaning\nGENMED,General\n"),
    ("reference/ward_classes.csv", "code,meaning\nGA,General and acute\n"),
    ("reference/bed_groups.csv", "code,meaning\nMED,Medical\n"),
    ("reference/sites.csv", "provider_code,site_code,site_name,valid_from,valid_to\nRM1,RM102,City,,\n"),
    (
        "reference/wards.csv",
        "provider_code,site_code,ward_code,ward_name,ward_type,ward_class,bed_group,bed_sex,min_age,max_age,treatment_function,\
         registered_beds,bed_base,alias,valid_from,valid_to\n\
         RM1,RM102,W1,One,GENMED,GA,MED,8,,,,30,COR,,,\nRM1,RM102,W2,Two,GENMED,GA,MED,8,,,,30,COR,,,\n",
    ),
];

const INPUT: &str = "SITE,WARD,STATUS,SEX,AGE,SPEC,DOB,AT\nRM102,W1,O,M,83,300,01/02/1935,\nRM102,W1,V,,,300,,\n";
const LINES: &str = "line_type,site_code,ward_code,gender,age_band,empty_state\nOCC,RM102,W1,1,A80,\nEMP,RM102,W1,,,RDY\n";

/// The provider file with an example in the settings, on its last lines; `[[mapping.example]]` is on line 33.
fn with_example(input: &str, lines: &str) -> String {
    format!(
        "{PROVIDER}[[mapping.example]]\nreceived_at = 2018-12-03T10:18:00Z\n\
         input.\"RM1_20181203_1015.csv\" = '''\n{input}'''\nlines = '''\n{lines}'''\n"
    )
}

fn load(text: &str, more: &[(&str, &str)]) -> Vec<String> {
    let mut files = vec![("bedfeed.toml", "state_dir = \"s\""), ("providers/RM1.toml", text)];
    files.extend(REFERENCE);
    files.extend(more);
    problems(&files)
}

#[test]
fn an_example_that_comes_out_is_no_problem_and_is_counted() {
    let text = with_example(INPUT, LINES);
    assert_eq!(load(&text, &[]), [""; 0]);
    let mut files = vec![("bedfeed.toml", "state_dir = \"s\""), ("providers/RM1.toml", text.as_str())];
    files.extend(REFERENCE);
    assert_eq!(load_in(&folder(&files)).unwrap().providers[0].examples, 1);
    // A rejected row is as much of an example as any other: no line comes of it.
    assert_eq!(load(&with_example(&INPUT.replace("W1,V", "W1,Q"), &LINES.replace("EMP,RM102,W1,,,RDY\n", "")), &[]), [""; 0]);
}

#[test]
fn an_example_may_show_what_no_whole_file_could_be() {
    let (input, lines) = (INPUT.lines().next().unwrap(), LINES.lines().next().unwrap());
    let many = |row: &dyn Fn(usize) -> String| (0..25).map(row).collect::<String>();
    // What a delivery would be refused for, in a register of two wards with thirty beds each. (rows sent, lines expected)
    let rows = [
        // Only empty beds, and one ward of two (PLA-05, XRO-04).
        ("RM102,W1,V,,,300,,\n".to_owned(), "EMP,RM102,W1,,,RDY\n".to_owned()),
        // Only occupied ones.
        ("RM102,W1,O,M,83,300,,\n".to_owned(), "OCC,RM102,W1,1,A80,\n".to_owned()),
        // Nobody with a gender or an age (REF-05).
        ("RM102,W2,O,?,?,300,,\n".to_owned(), "OCC,RM102,W2,X,AXX,\n".to_owned()),
        // No ward that is registered (REF-03).
        (many(&|n| format!("RM102,N{n},V,,,300,,\n")), many(&|n| format!("EMP,RM102,N{n},,,RDY\n"))),
        // One good row among rejected ones, on one ward (ROW-99).
        (many(&|n| format!("RM102,W1,{},,,300,,\n", if n == 7 { "V" } else { "?" })), "EMP,RM102,W1,,,RDY\n".to_owned()),
    ];
    for (sent, expected) in rows {
        let got = load(&with_example(&format!("{input}\n{sent}"), &format!("{lines}\n{expected}")), &[]);
        assert_eq!(got, [""; 0], "{sent}");
    }
    // Where not one row is left there is nothing to show.
    let none = load(&with_example(&format!("{input}\nRM102,W1,?,,,300,,\n"), LINES), &[]);
    assert!(none.len() == 1 && none[0].contains("is not accepted: STR-01"), "{none:#?}");
}

#[test]
fn an_example_that_does_not_come_out_is_a_problem_at_its_line() {
    let occ = "line_type=OCC quantity=1 ward_code=W1 gender=1 age_band=A80";
    let emp = "line_type=EMP quantity=1 ward_code=W1 empty_state=RDY";
    let site = |line: &str| format!("site_code=RM102 {line}");
    let rows = [
        (
            INPUT,
            LINES.replace("A80", "A75"),
            format!("line 1 does not come out: expected {}; got {}", site(&occ.replace("A80", "A75")), site(occ)),
        ),
        (
            INPUT,
            LINES.replace("EMP,RM102,W1,,,RDY\n", ""),
            format!("line 2 does not come out (1 lines expected, 2 came): expected no line; got {}", site(emp)),
        ),
        (
            INPUT,
            format!("{LINES}EMP,RM102,W1,,,RDY\n"),
            format!("line 3 does not come out (3 lines expected, 2 came): expected {}; got no line", site(emp)),
        ),
        (
            INPUT,
            LINES.replace("gender", "gendr"),
            "the lines expected name \"gendr\", which is no field; did you mean \"gender\"?".to_owned(),
        ),
        (INPUT, "line_type\n".to_owned(), "no lines are expected".to_owned()),
        (INPUT, format!("{LINES}EMP\n"), "the lines expected cannot be read".to_owned()),
        ("SITE,WARD\n", LINES.to_owned(), "is not accepted: STR-03".to_owned()),
        ("", LINES.to_owned(), "is not accepted: STR-01".to_owned()),
    ];
    for (input, lines, expected) in rows {
        let got = load(&with_example(input, &lines), &[]);
        assert!(
            got.len() == 1 && got[0].starts_with(&format!("providers/RM1.toml:33: mapping[0].example[0]: {expected}")),
            "{expected}\n{got:#?}"
        );
    }
}

#[test]
fn an_example_must_lie_in_the_mappings_time_and_be_complete() {
    let text = with_example(INPUT, LINES);
    let rows = [
        (
            "from = 2018-04-01",
            "from = 2018-12-04",
            "33: mapping[0].example[0]: the example is of 2018-12-03; the mapping is in force from 2018-12-04 with no end",
        ),
        (
            "author",
            "to = 2018-12-03\nauthor",
            "34: mapping[0].example[0]: the example is of 2018-12-03; the mapping is in force from 2018-04-01 until 2018-12-03",
        ),
        (
            "received_at = 2018-12-03T10:18:00Z",
            "received_at = 2018-12-03",
            "34: mapping[0].example[0].received_at: \"2018-12-03\" is not an instant",
        ),
        ("received_at = 2018-12-03T10:18:00Z\n", "", "33: mapping[0].example[0].received_at: missing"),
        ("lines = '''", "line = '''", "40: mapping[0].example[0].line: unknown key; did you mean \"lines\"?"),
        ("lines = '''", "folder = \"examples\"\nlines = '''", "33: mapping[0].example[0]: needs either a folder, or input"),
        ("RM1_20181203_1015.csv\" =", "other.csv\" =", "33: mapping[0].example[0]: is not accepted: TRN-08"),
    ];
    for (find, replace, expected) in rows {
        assert!(text.contains(find), "{find}");
        let got = load(&text.replacen(find, replace, 1), &[]);
        assert!(got.iter().any(|line| line.starts_with(&format!("providers/RM1.toml:{expected}"))), "{replace}\n{got:#?}");
    }
    // With another mistake in the mapping, the example does not add to it.
    let got = load(&text.replace("A80", "A75").replace("as = \"age in years\"", "as = \"age\""), &[]);
    assert_eq!(got.len(), 1, "{got:#?}");
}

#[test]
fn an_examples_folder_holds_what_is_sent_and_the_lines() {
    let text = format!("{PROVIDER}[[mapping.example]]\nreceived_at = 2018-12-03T10:18:00Z\nfolder = \"examples\"\n");
    let load = |text: &str, files: &[(&str, &str)]| {
        let mut all = vec![("bedfeed.toml", "state_dir = \"s\""), ("providers/RM1.toml", text)];
        all.extend(REFERENCE);
        let dir = folder(&all);
        std::fs::create_dir(dir.path().join("providers/examples")).unwrap();
        for (name, text) in files {
            std::fs::write(dir.path().join("providers/examples").join(name), text).unwrap();
        }
        let loaded = load_in(&dir);
        let fingerprint = loaded.as_ref().ok().map(|settings| settings.fingerprint);
        (loaded.map_or_else(|problems| problems.to_string(), |_| String::new()), fingerprint)
    };
    let (said, one) = load(&text, &[("RM1_20181203_1015.csv", INPUT), ("lines.csv", LINES), (".hidden", "x")]);
    assert_eq!(said, "");
    let (_, other) = load(&text, &[("RM1_20181203_1015.csv", INPUT), ("lines.csv", &format!("{LINES}\n"))]);
    assert_ne!(one, other, "examples are settings: their change shows in the fingerprint");
    let big = "x".repeat(300 << 10);
    let rows: [(&[(&str, &str)], &str); 4] = [
        (&[("RM1_20181203_1015.csv", INPUT)], "holds no lines.csv"),
        (&[("lines.csv", LINES)], "holds no file to send"),
        (&[("RM1_20181203_1015.csv", INPUT), ("lines.csv", &LINES.replace("A80", "A85"))], "line 1 does not come out"),
        (&[("RM1_20181203_1015.csv", &big), ("lines.csv", LINES)], "is larger than 262144 bytes"),
    ];
    for (files, expected) in rows {
        let (said, _) = load(&text, files);
        assert!(said.contains(expected), "{expected}: {said}");
    }
    for folder in ["../examples", "/etc", "none"] {
        let (said, _) = load(&text.replace("\"examples\"", &format!("\"{folder}\"")), &[]);
        let expected = if folder == "none" { "cannot be read" } else { "must be a folder below" };
        assert!(said.contains(expected), "{folder}: {said}");
    }
}
