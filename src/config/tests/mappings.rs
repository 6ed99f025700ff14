//! What a mapping may not say: one change to a good mapping, and exactly what is reported.

use super::{PROVIDER, check, folder, load_in, problems};
use crate::normalise::mapping::{FieldSource, Otherwise, Reading};

#[test]
fn a_mapping_that_names_what_is_not_there_is_refused_with_the_nearest_name() {
    let line = |message| format!("29: mapping[0].table[0].line[0].set.{message}");
    check("gender = {", "gendr = {", &[&line("gendr: the dataset has no field \"gendr\"; did you mean \"gender\"?")]);
    check("\"SEX\", list", "\"SEXX\", list", &[&line("gender.column: the table \"beds\" has no column \"SEXX\"; did you mean \"SEX\"?")]);
    check(
        "when = { STATUS = \"O\" }",
        "when = { Status = \"O\" }",
        &["28: mapping[0].table[0].line[0].when.Status: the table \"beds\" has no column \"Status\"; did you mean \"STATUS\"?"],
    );
    check(
        "file = \"beds\"",
        "file = \"bed\"",
        &["20: mapping[0].table[0].file: no [[mapping.file]] is called \"bed\"; did you mean \"beds\"?"],
    );
    check("version", "vresion", &["11: mapping[0].vresion: unknown key; did you mean \"version\"?"]);
    check("\"file name\"", "\"filename\"", &["23: mapping[0].table[0].snapshot_at: \"filename\" is not one of"]);
    check(
        "snapshot_at",
        "also_named = { WRAD = [\"x\"] }\nsnapshot_at",
        &["23: mapping[0].table[0].also_named.WRAD: \"WRAD\" is not among the table's columns; did you mean \"WARD\"?"],
    );
    check(
        "snapshot_at",
        "also_named = { WARD = [\"Si Te\"] }\nsnapshot_at",
        &["23: mapping[0].table[0].also_named.WARD[0]: \"Si Te\" already means the column \"SITE\""],
    );
    check(
        "snapshot_at",
        "total_row = { column = \"WARD\", equals = \"TOTAL\", rows = \"WARD\" }\nsnapshot_at",
        &["23: mapping[0].table[0].total_row: the column that tells a total row cannot state its number of rows too"],
    );
    check(
        "snapshot_at",
        "join = { table = \"bads\", on = [\"WARD\"] }\nsnapshot_at",
        &["23: mapping[0].table[0].join.table: the mapping has no table \"bads\"; did you mean \"beds\"?"],
    );
    check(
        "snapshot_at",
        "required = [\"edd\", \"los_band\"]\nsnapshot_at",
        &[
            "23: mapping[0].table[0].required[0]: the dataset has no field \"edd\"",
            "23: mapping[0].table[0].required[1]: no field or line of the table fills los_band",
        ],
    );
}

#[test]
fn a_column_named_for_a_person_must_be_declared() {
    let columns = "\"SPEC\", \"DOB\", \"AT\"]\n";
    check(
        columns,
        "\"SPEC\", \"DOB\", \"AT\", \"Surname\", \"NHS No\"]\n",
        &[
            "21: mapping[0].table[0].columns[8]: \"Surname\" names a person: list it under identifiers",
            "21: mapping[0].table[0].columns[9]: \"NHS No\" names a person: list it under identifiers",
        ],
    );
    check("identifiers = [\"DOB\"]\n", "", &["21: mapping[0].table[0].columns[6]: \"DOB\" names a person: list it under identifiers"]);
    check(
        "snapshot_at",
        "also_named = { AT = [\"Patient name\"], DOB = [\"Date of birth\"] }\nsnapshot_at",
        &["23: mapping[0].table[0].also_named.AT[0]: \"Patient name\" names a person: list AT under identifiers"],
    );
}

#[test]
fn codes_that_the_dataset_does_not_have_are_refused() {
    let at = |rest: &str| format!("29: mapping[0].table[0].line[0].set.{rest}");
    let set = |text: &str| format!("{text}, gender = {{");
    let rows = [
        (
            "bed_base = { value = \"CORE\" }",
            "bed_base.value: \"CORE\" is not a code of bed_base (COR, ESC, DAY, TMP); did you mean \"COR\"?",
        ),
        ("ready = { column = \"AT\", codes = { a = \"Y\" } }", "ready.codes.a: \"Y\" is not a code of ready (N, R, D, X)"),
        ("ready = { column = \"AT\", codes = { a = \"R\", A = \"N\" } }", "ready.codes.A: \"A\" stands twice"),
        ("ready = { column = \"AT\", codes = { 1 = 1 } }", "ready.codes.1: must be a text in quotes, not a number without quotes"),
        ("side_room = { value = true }", "side_room.value: must be a text in quotes, not true or false without quotes"),
        ("treatment_function = { value = \"3OO\" }", "treatment_function.value: \"3OO\" is not a treatment function code"),
        (
            "demand_for = { column = \"AT\", codes = { a = \"MEDI\" } }",
            "demand_for.codes.a: \"MEDI\" is not a code of demand_for (MED, SURG); did you mean \"MED\"?",
        ),
        ("bay_code = { value = \"a bay of great length\" }", "bay_code.value: \"a bay of great length\" is longer than 12 characters"),
        ("bed_sex = { column = \"SEX\", list = \"stated\" }", "bed_sex.list: only gender has more than one list"),
        ("quantity = \"AT\"", "quantity: a quantity is not a field"),
        ("wait_from = \"AT\"", "wait_from: wait_from is a time: write { column = \"AT\", format"),
        ("wait_from = { column = \"AT\", format = \"%d/%m/%Y\" }", "wait_from.format: \"%d/%m/%Y\" does not give a time of day"),
        ("bay_code = { column = \"AT\", pad = 0 }", "bay_code.pad: must be 1 to 12"),
        ("bay_code = { column = \"AT\", value = \"x\" }", "bay_code: has value and column: only one of them can be meant"),
        ("bay_code = { column = \"AT\", otherwise = \"\" }", "bay_code.otherwise: has no effect without codes"),
        (
            "bay_code = { column = \"AT\", unknown_time = \"00:00\" }",
            "bay_code.unknown_time: bay_code is not a time: an unknown time has no effect here",
        ),
        (
            "source_updated_at = { column = \"AT\", format = \"%d/%m/%Y %H:%M\", unknown_time = \"00:00:00\" }",
            "source_updated_at.unknown_time: no time in the agreed format ends so: one has seconds, and the other has not",
        ),
        (
            "source_updated_at = { column = \"AT\", format = \"%d/%m/%Y %H:%M\", unknown_time = \"24:00\" }",
            "source_updated_at.unknown_time: must be a time of day as the column writes it, such as \"00:00:00\"",
        ),
        (
            "source_updated_at = { column = \"AT\", format = \"%d/%m/%Y %H:%M\", unknown_time = \"12:61:99\" }",
            "source_updated_at.unknown_time: must be a time of day as the column writes it, such as \"00:00:00\"",
        ),
        (
            "source_updated_at = { column = \"AT\", format = \"%d/%m/%Y %H:%M\", unknown_time = \"midnight\" }",
            "source_updated_at.unknown_time: must be a time of day as the column writes it, such as \"00:00:00\"",
        ),
        ("bay_code = { column = \"AT\", cods = 1 }", "bay_code.cods: unknown key; did you mean \"codes\"?"),
        ("bay_code = { join = [\"AT\"], with = \"-\" }", "bay_code.join: must name at least two columns"),
    ];
    for (text, expected) in rows {
        check("gender = {", &set(text), &[&at(expected)]);
    }
}

#[test]
fn constants_for_places_must_be_registered_while_the_mapping_is_in_force() {
    const LISTS: [(&str, &str); 6] = [
        ("bedfeed.toml", "state_dir = \"s\""),
        ("reference/ward_types.csv", "code,meaning\nGENMED,General\n"),
        ("reference/ward_classes.csv", "code,meaning\nGA,General\n"),
        ("reference/bed_groups.csv", "code,meaning\nMED,Medical\n"),
        (
            "reference/sites.csv",
            "provider_code,site_code,site_name,valid_from,valid_to\nRM1,RM102,Colney,,\nRM1,RM101,Old,,2018-04-01\nRM1,RM103,New,2018-12-01,\nRGP,RGP75,Gorleston,,\n",
        ),
        (
            "reference/ward_aliases.csv",
            "provider_code,source_site,source_ward,site_code,ward_code,valid_from,valid_to\nRM1,Main,Ward 21,RM102,W21,,\n",
        ),
    ];
    let wards = "provider_code,site_code,ward_code,ward_name,ward_type,ward_class,bed_group,bed_sex,min_age,max_age,treatment_function,\
                 registered_beds,bed_base,alias,valid_from,valid_to\nRM1,RM102,W21,Ward,GENMED,GA,MED,8,,,,1,COR,,,\n";
    let told = |find: &str, replace: &str, with_wards: bool| {
        let text = PROVIDER.replacen(find, replace, 1);
        let mut files = LISTS.to_vec();
        files.push(("providers/RM1.toml", &text));
        files.extend(with_wards.then_some(("reference/wards.csv", wards)));
        if !with_wards {
            files.retain(|(name, _)| *name != "reference/ward_aliases.csv");
        }
        problems(&files).join("|")
    };
    let (site, ward) = ("site_code = \"SITE\"", "ward_code = \"WARD\"");
    let no = |place: &str| format!("that is registered for this provider while the mapping is in force{place}");
    let fields = "providers/RM1.toml:";
    let rows = [
        (site, "site_code = { value = \"RM102\" }", String::new()),
        (site, "site_code = { value = \"RM103\" }", String::new()),
        (site, "site_code = { value = \"Main\" }", String::new()),
        (site, "site_code = { value = \"MAIN\" }", String::new()),
        (
            site,
            "site_code = { value = \"RM104\" }",
            format!("{fields}25: mapping[0].table[0].fields.site_code.value: \"RM104\" is no site {}", no("; did you mean \"RM102\"?")),
        ),
        (
            site,
            "site_code = { value = \"RM101\" }",
            format!("{fields}25: mapping[0].table[0].fields.site_code.value: \"RM101\" is no site {}", no("; did you mean \"RM102\"?")),
        ),
        (
            site,
            "site_code = { value = \"RGP75\" }",
            format!("{fields}25: mapping[0].table[0].fields.site_code.value: \"RGP75\" is no site {}", no("")),
        ),
        (
            site,
            "site_code = { column = \"SITE\", codes = { North = \"rm102\" } }",
            format!(
                "{fields}25: mapping[0].table[0].fields.site_code.codes.North: \"rm102\" is no site {}",
                no("; did you mean \"RM102\"?")
            ),
        ),
        (ward, "ward_code = { column = \"WARD\", codes = { A = \"W21\", B = \"Ward 21\", C = \"ward 21\" } }", String::new()),
        (
            ward,
            "ward_code = { column = \"WARD\", codes = { A = \"W21\" }, otherwise = \"W2l\" }",
            format!("{fields}26: mapping[0].table[0].fields.ward_code.otherwise: \"W2l\" is no ward {}", no("; did you mean \"W21\"?")),
        ),
    ];
    for (find, replace, expected) in rows {
        assert_eq!(told(find, replace, true), expected, "{replace}");
    }
    // Where none of the provider's wards is registered yet, each is new in the files, and told of there.
    assert_eq!(told(ward, "ward_code = { value = \"W99\" }", false), "");
    assert_ne!(told(ward, "ward_code = { value = \"W99\" }", true), "");
}

#[test]
fn a_gender_code_must_name_its_list() {
    let at = |rest: &str| format!("29: mapping[0].table[0].line[0].set.{rest}");
    check("list = \"stated\", ", "", &[&at("gender: must name its gender list")]);
    check("list = \"stated\"", "list = \"new\"", &[&at("gender.list: \"new\" is not one of \"stated\", \"old\"")]);
    check("{ M = \"1\" }", "{ M = \"0\" }", &[&at("gender.codes.M: \"0\" is not a code of gender (1, 2, 9, X)")]);
    check(
        "column = \"SEX\", list = \"stated\", codes = { M = \"1\" }",
        "value = \"9\"",
        &[&at("gender.value: gender 9 must say which list")],
    );
    let old = PROVIDER.replace("list = \"stated\", codes = { M = \"1\" }", "list = \"old\", codes = { M = \"1\", N = \"9\", U = \"0\" }");
    let settings = load_in(&folder(&[("bedfeed.toml", "state_dir = \"s\""), ("providers/RM1.toml", &old)])).unwrap();
    let line = &settings.providers[0].feed.mappings[0].tables[0].lines[0];
    let codes = [("M", "1"), ("N", "X"), ("U", "X")].map(|(theirs, ours)| (theirs.to_owned(), ours.to_owned())).into();
    let reading = Reading::Codes { codes, otherwise: Otherwise::Code("X".into()) };
    assert_eq!(line.set["gender"], FieldSource::Column { column: "SEX".into(), reading });
}

#[test]
fn a_column_that_identifies_people_only_becomes_an_age_band() {
    let table = "mapping[0].table[0]";
    let identifies = "column \"DOB\" identifies people: it may only be turned into an age band";
    check("when = { STATUS = \"V\" }", "when = { DOB = \"*\" }", &[&format!("31: {table}.line[1].when.DOB: {identifies}")]);
    check("snapshot_at", "copies_by = \"DOB\"\nsnapshot_at", &[&format!("23: {table}.copies_by: {identifies}")]);
    check("ward_code = \"WARD\"", "ward_code = \"WARD\"\nbed_ref = \"DOB\"", &[&format!("27: {table}.fields.bed_ref: {identifies}")]);
    check("column = \"AGE\", as = \"age in years\"", "column = \"DOB\", as = \"birth date\", format = \"%d/%m/%Y\"", &[]);
    check(
        "column = \"AGE\", as = \"age in years\"",
        "column = \"DOB\", as = \"birth date\", format = \"%d/%m/%y\"",
        &["29: mapping[0].table[0].line[0].set.age_band.format: \"%d/%m/%y\" has a year of two digits"],
    );
    check(
        "column = \"AGE\", as = \"age in years\"",
        "column = \"AT\", as = \"birth date\", format = \"%d/%m/%Y\"",
        &["29: mapping[0].table[0].line[0].set.age_band.as: column \"AT\" holds birth dates: list it in the table's identifiers"],
    );
}

#[test]
fn a_line_that_every_check_would_reject_is_refused() {
    let first = "27: mapping[0].table[0].line[0]";
    let second = "30: mapping[0].table[0].line[1]";
    let rows = [
        ("line_type = { value = \"OCC\" }, ", "", format!("{first}: no line_type")),
        (", empty_state = { value = \"RDY\" }", "", format!("{second}: a line of type EMP needs empty_state")),
        ("{ value = \"RDY\" }", "{ value = \"\" }", format!("{second}: a line of type EMP needs empty_state")),
        (
            "{ value = \"RDY\" }",
            "{ value = \"RDY\" }, gender = { value = \"1\" }",
            format!("{second}: a line of type EMP must leave gender blank"),
        ),
        (
            "{ value = \"RDY\" }",
            "{ value = \"RDY\" }, bed_status = { value = \"O\" }",
            format!("{second}: bed_status O (occupied) contradicts line_type EMP"),
        ),
        ("when = { STATUS = \"V\" }", "omit = [\"site_code\"]\nwhen = { STATUS = \"V\" }", format!("{second}: no site_code")),
        ("when = { STATUS = \"V\" }", "when = { STATUS = \"O\", AT = \"*\" }", format!("{second}: no row can become this line")),
        (
            "when = { STATUS = \"V\" }",
            "when = { STATUS = \"V*W\" }",
            "31: mapping[0].table[0].line[1].when.STATUS: a * may stand only at the end".into(),
        ),
        (
            "when = { STATUS = \"V\" }",
            "when = { STATUS = [] }",
            "31: mapping[0].table[0].line[1].when.STATUS: must list at least one text".into(),
        ),
        (
            "when = { STATUS = \"V\" }",
            "omit = [\"ward\"]",
            "31: mapping[0].table[0].line[1].omit[0]: the table's fields have no \"ward\" to leave out".into(),
        ),
    ];
    for (find, replace, expected) in rows {
        check(find, replace, &[&expected]);
    }
}

#[test]
fn files_tables_and_times_must_fit_together() {
    check("_{HH}{MM}", "", &["23: mapping[0].table[0].snapshot_at: the name of the part \"beds\" does not give the time"]);
    check("{HH}", "{hour}", &["17: mapping[0].file[0].name: {hour} is not a placeholder"]);
    check("\"file name\"", "\"header line\"", &["23: mapping[0].table[0].snapshot_at: there is no header_line with a snapshot_at"]);
    check("\"file name\"", "\"other table\"", &["10: mapping[0]: no table gives the snapshot time"]);
    check(
        "\"file name\"",
        "{ column = \"AT\", format = \"%d/%m/%Y %H\" }",
        &["23: mapping[0].table[0].snapshot_at.format: \"%d/%m/%Y %H\" does not"],
    );
    let header = "snapshot_at = \"header line\"\nheader_line = { starts = \"H\", provider = 2, snapshot_at = 2, format = \"%Y\" }";
    check(
        "snapshot_at = \"file name\"",
        header,
        &[
            "24: mapping[0].table[0].header_line: two things cannot stand at the same position",
            "24: mapping[0].table[0].header_line.format: \"%Y\" does not give a whole date",
        ],
    );
    let same = "[[mapping.file]]\npart = \"more\"\nname = \"more_{dd}{mm}{yyyy}_{HH}{MM}.csv\"\n[[mapping.table]]";
    check("[[mapping.table]]", same, &["10: mapping[0]: no table reads the part \"more\""]);
    let same = "[[mapping.file]]\npart = \"more\"\nrole = \"sha256\"\nname = \"rm1_{yyyy}{mm}{dd}_{MM}{HH}.csv\"\n[[mapping.table]]";
    check("[[mapping.table]]", same, &["21: mapping[0].file[1].name: a file could be this part or the part \"beds\""]);
}

#[test]
fn versions_must_not_claim_the_same_file_on_the_same_day() {
    let second = |from: &str, version: &str| {
        let (_, mapping) = PROVIDER.split_once("[[mapping]]").unwrap();
        format!("{PROVIDER}[[mapping]]{}", mapping.replace("2018-04-01", from).replace("\"v1\"", version))
    };
    let load = |text: &str| problems(&[("bedfeed.toml", "state_dir = \"s\""), ("providers/RM1.toml", text)]);
    let ended = |text: String| text.replacen("author", "to = 2019-01-01\nauthor", 1);
    assert_eq!(load(&ended(second("2019-01-01", "\"v2\""))), [""; 0]);
    let overlapping = load(&second("2019-01-01", "\"v2\""));
    let expected =
        "providers/RM1.toml:33: mapping[1].from: overlaps \"v1\", in force from 2018-04-01 with no end, for files of the same name";
    assert!(overlapping.len() == 1 && overlapping[0].starts_with(expected), "{overlapping:?}");
    assert_eq!(
        load(&ended(second("2019-01-01", "\"v1\""))),
        ["providers/RM1.toml:34: mapping[1].version: another mapping is called \"v1\""]
    );
    let renamed = second("2019-01-01", "\"v2\"");
    let (before, after) = renamed.rsplit_once("{org}_").unwrap();
    assert_eq!(load(&format!("{before}new_{after}")), [""; 0], "another name may run beside the old one");
    check("author", "to = 2018-04-01\nauthor", &["13: mapping[0].to: must be after from (2018-04-01)"]);
}

#[test]
fn joined_columns_are_named_with_their_table() {
    let closures = "[[mapping.table]]\nname = \"closed\"\nfile = \"beds\"\nmember = \"b.csv\"\ncolumns = [\"WARD\", \"Why\"]\nsnapshot_at = \"other table\"\n";
    let load = |condition: &str, on: &str| {
        let join = format!("member = \"a.csv\"\njoin = {{ table = \"closed\", on = [\"{on}\"] }}\nsnapshot_at");
        let text = PROVIDER.replacen("snapshot_at", &join, 1).replace("STATUS = \"V\"", condition);
        problems(&[("bedfeed.toml", "state_dir = \"s\""), ("providers/RM1.toml", &format!("{text}{closures}"))])
    };
    assert_eq!(load("\"closed.Why\" = \"\"", "WARD"), [""; 0]);
    let wrong = "providers/RM1.toml:33: mapping[0].table[0].line[1].when.\"closed.Wyh\": \
        the table \"beds\" has no column \"closed.Wyh\"; did you mean \"closed.Why\"?";
    assert_eq!(load("\"closed.Wyh\" = \"\"", "WARD"), [wrong]);
    let wrong = "providers/RM1.toml:24: mapping[0].table[0].join.on[0]: the table \"closed\" has no column \"SITE\"";
    assert_eq!(load("STATUS = \"V\"", "SITE"), [wrong]);
}

#[test]
fn cells_are_put_right_only_as_can_work() {
    let at = |rest: &str| format!("23: mapping[0].table[0].{rest}");
    let rows = [
        ("null_in = { WRAD = [\"-\"] }", at("null_in.WRAD: \"WRAD\" is not among the table's columns; did you mean \"WARD\"?")),
        ("whole_numbers = [\"SPECC\"]", at("whole_numbers[0]: \"SPECC\" is not among the table's columns; did you mean \"SPEC\"?")),
        ("copy_down = [\"DOB\"]", at("copy_down[0]: column \"DOB\" identifies people")),
        ("blank_means = { DOB = \"01/01/1970\" }", at("blank_means.DOB: column \"DOB\" identifies people")),
        ("blank_means = { SPEC = \"\" }", at("blank_means.SPEC: must not be empty")),
        ("split = { SPEC = \"{a}/{b}/{A}\" }", at("split.SPEC: the piece {A} stands twice")),
        ("split = { SPEC = \"{a}{b}\" }", at("split.SPEC: the pieces {a} and {b} need a text between them")),
        ("split = { SPEC = \"{a}\" }", at("split.SPEC: a split needs at least two pieces")),
        ("split = { SPEC = \"{a}/{b\" }", at("split.SPEC: the braces do not pair up")),
        ("split = { SPEC = \"{Ward}/{b}\" }", at("split.SPEC: the piece {Ward} is called like another column")),
        ("split = { DOB = \"{a}/{b}\" }", at("split.DOB: column \"DOB\" identifies people")),
        ("null = [\"V\"]", "32: mapping[0].table[0].line[1].when.STATUS: \"V\" means nothing in column \"STATUS\" (null)".to_owned()),
        (
            "null_in = { SEX = [\"m\"] }",
            "30: mapping[0].table[0].line[0].set.gender.codes.M: \"M\" means nothing in column \"SEX\"".to_owned(),
        ),
    ];
    for (keys, expected) in rows {
        check("snapshot_at", &format!("{keys}\nsnapshot_at"), &[&expected]);
    }
    check(
        "snapshot_at",
        "copy_down = [\"SPEC\"]\nblank_means = { SPEC = \"300\" }\nsnapshot_at",
        &["18: mapping[0].table[0]: a blank in column \"SPEC\" cannot both"],
    );
    // A piece is a column like any other.
    let text = PROVIDER
        .replace("snapshot_at", "split = { SPEC = \"{Place}/{Bed}\" }\nsnapshot_at")
        .replace("ward_code = \"WARD\"", "ward_code = \"Place\"");
    assert_eq!(problems(&[("bedfeed.toml", "state_dir = \"s\""), ("providers/RM1.toml", &text)]), [""; 0]);
    check(
        "when = { STATUS = \"V\" }",
        "when = { STATUS = \"V\" }\nquantity = \"Plaec\"",
        &["32: mapping[0].table[0].line[1].quantity: the table \"beds\" has no column \"Plaec\""],
    );
}

#[test]
fn counts_are_held_against_one_column_and_not_against_themselves() {
    let at = |rest: &str| format!("23: mapping[0].table[0].sums[0]{rest}");
    let rows = [
        ("{ of = [\"AGE\"] }", at(": needs one of at_most and equals")),
        ("{ of = [\"AGE\"], at_most = \"SPEC\", equals = \"SPEC\" }", at(": needs one of at_most and equals")),
        ("{ at_most = \"SPEC\" }", at(".of: missing")),
        ("{ of = [], at_most = \"SPEC\" }", at(".of: must name at least one column")),
        ("{ of = [\"AGES\"], equals = \"SPEC\" }", at(".of[0]: the table \"beds\" has no column \"AGES\"; did you mean \"AGE\"?")),
        ("{ of = [\"AGE\", \"AGE\"], equals = \"SPEC\" }", at(".of: names the column \"AGE\" twice")),
        (
            "{ of = [\"AGE\"], equals = \"SPEC\" }, { of = [\"AGE\"], equals = \"SPEC\" }",
            at(".of: is another of the same sums").replace("sums[0]", "sums[1]"),
        ),
        ("{ of = [\"AGE\"], equals = \"AGE\" }", at(".of: column \"AGE\" cannot be held against itself")),
        ("{ of = [\"DOB\"], equals = \"SPEC\" }", at(".of[0]: column \"DOB\" identifies people")),
        ("{ of = [\"AGE\"], most = \"SPEC\" }", at(".most: unknown key; did you mean \"at_most\"?")),
    ];
    for (text, expected) in rows {
        let told = format!("sums = [{text}]\nsnapshot_at");
        let second = at(": needs one of at_most and equals");
        let both: &[&str] = if text.contains(" most") { &[&second, &expected] } else { &[&expected] };
        check("snapshot_at", &told, both);
    }
}

#[test]
fn reasons_to_leave_rows_out_and_lines_that_nothing_reaches() {
    let skip = |text: &str| format!("[[mapping.table.skip]]\n{text}\n[mapping.table.fields]");
    let rows = [
        ("when = { WRAD = \"NICU\" }\nbecause = \"cots\"", "25: mapping[0].table[0].skip[0].when.WRAD: the table \"beds\" has no column"),
        ("when = { WARD = \"NICU\" }", "24: mapping[0].table[0].skip[0].because: missing"),
        ("because = \"cots\"", "24: mapping[0].table[0].skip[0].when: missing"),
        ("when = {}\nbecause = \"cots\"", "25: mapping[0].table[0].skip[0].when: must name at least one column"),
        ("when = { DOB = \"*\" }\nbecause = \"cots\"", "25: mapping[0].table[0].skip[0].when.DOB: column \"DOB\" identifies people"),
        ("when = { STATUS = \"v*\" }\nbecause = \"cots\"", "33: mapping[0].table[0].line[1]: no row can become this line: skip leaves out"),
    ];
    for (text, expected) in rows {
        check("[mapping.table.fields]", &skip(text), &[expected]);
    }
    let twice =
        "when = { WARD = [\"A\", \"B\"] }\nbecause = \"cots\"\n[[mapping.table.skip]]\nwhen = { WARD = \"b\" }\nbecause = \"lounge\"";
    check("[mapping.table.fields]", &skip(twice), &["27: mapping[0].table[0].skip[1]: no row is left out by this"]);
    // What the lines above take together leaves nothing, whatever the words.
    let rows = [
        ("{ STATUS = \"O\" }", "{ STATUS = \"*\" }"),
        ("{ STATUS = \"O\" }", "{ STATUS = [\"o\", \"v\"] }"),
        ("when = { STATUS = \"O\" }\n", ""),
    ];
    for (find, replace) in rows {
        let line = if replace.is_empty() { 29 } else { 30 };
        check(find, replace, &[&format!("{line}: mapping[0].table[0].line[1]: no row can become this line: the lines above")]);
    }
}
