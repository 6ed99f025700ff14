//! The settings as a whole: a folder written to disk, loaded, and what is reported.

use super::*;
use crate::bedstate::Coverage;
use crate::normalise::mapping::{FieldSource, Otherwise, Reading, SourceZone};
use std::path::Path;
use tempfile::TempDir;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";

/// A provider file that is fine; tests change parts of it. Line numbers in the tests are this text's.
const PROVIDER: &str = r#"code = "RM1"
name = "Norwich"
kind = "acute"
[contact]
name = "Desk"
phone = "01603 000000"
[agreement]
reference = "A-1"
starts = 2018-04-01
[[mapping]]
version = "v1"
from = 2018-04-01
author = "us"
zone = "Europe/London"
[[mapping.file]]
part = "beds"
name = "{org}_{yyyy}{mm}{dd}_{HH}{MM}.csv"
[[mapping.table]]
name = "beds"
file = "beds"
columns = ["SITE", "WARD", "STATUS", "SEX", "AGE", "SPEC", "DOB", "AT"]
identifiers = ["DOB"]
snapshot_at = "file name"
[mapping.table.fields]
site_code = "SITE"
ward_code = "WARD"
[[mapping.table.line]]
when = { STATUS = "O" }
set = { line_type = { value = "OCC" }, gender = { column = "SEX", list = "stated", codes = { M = "1" } }, age_band = { column = "AGE", as = "age in years" } }
[[mapping.table.line]]
when = { STATUS = "V" }
set = { line_type = { value = "EMP" }, empty_state = { value = "RDY" } }
"#;

/// Writes a settings folder: paths and texts.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let dir = TempDir::new().unwrap();
    std::fs::create_dir_all(dir.path().join("providers")).unwrap();
    std::fs::create_dir_all(dir.path().join("reference")).unwrap();
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

fn load_in(dir: &TempDir) -> Result<Settings, Problems> {
    load(&dir.path().join("bedfeed.toml"))
}

/// The problems of a folder, each as printed, with the folder's own path left out.
fn problems(files: &[(&str, &str)]) -> Vec<String> {
    let dir = folder(files);
    let prefix = format!("{}/", dir.path().display());
    match load_in(&dir) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.list().iter().map(|problem| problem.to_string().replace(&prefix, "")).collect(),
    }
}

/// Changes one thing in the provider file and expects exactly these problems, each `LINE: KEY: MESSAGE`, by their starts.
fn check(find: &str, replace: &str, expected: &[&str]) {
    assert!(PROVIDER.contains(find), "{find:?} is not in the provider file");
    let text = PROVIDER.replacen(find, replace, 1);
    let groups = "code,meaning\nMED,Medical\nSURG,Surgical\n";
    let got = problems(&[("bedfeed.toml", "state_dir = \"s\""), ("providers/RM1.toml", &text), ("reference/bed_groups.csv", groups)]);
    let got: Vec<&str> = got.iter().map(|line| line.strip_prefix("providers/RM1.toml:").unwrap_or(line).trim_start()).collect();
    let same = got.len() == expected.len() && got.iter().zip(expected).all(|(got, expected)| got.starts_with(expected));
    assert!(same, "{replace}\n got      {got:#?}\n expected {expected:#?}");
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_shipped_settings_load() {
    let settings = load(&repository().join("config/bedfeed.toml")).unwrap_or_else(|problems| panic!("{problems}"));
    let codes: Vec<_> = settings.providers.iter().map(|provider| provider.code.as_str()).collect();
    assert_eq!(codes, ["NCC", "RCX", "RGP", "RM1", "RMY", "RY3"]);
    let tells = |code: &str| settings.providers.iter().find(|it| it.code.as_str() == code).unwrap().feed.mappings[0].coverage;
    assert_eq!(tells("RM1"), Coverage { beds: true, demand: true });
    assert_eq!(tells("NCC"), Coverage { beds: true, demand: false });
    assert_eq!(tells("RY3"), Coverage { beds: true, demand: true });
    assert!(settings.reference.ward_types.iter().any(|(code, _)| code == "UNKNOWN"));
}

#[test]
fn the_commented_main_file_shows_exactly_the_defaults() {
    let shown = std::fs::read_to_string(repository().join("config/bedfeed.toml")).unwrap();
    let is_setting = |line: &str| {
        let key = line.split(" = ").next().unwrap_or_default();
        line.starts_with('[') || (line.contains(" = ") && key.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
    };
    let uncomment = |line: &str| line.strip_prefix("# ").filter(|rest| is_setting(rest)).unwrap_or(line).to_owned();
    let full: Vec<String> = shown.lines().map(uncomment).collect();
    let loaded = |text: &str| {
        let dir = folder(&[("bedfeed.toml", text), ("providers/RM1.toml", PROVIDER)]);
        let settings = load_in(&dir).unwrap_or_else(|problems| panic!("{problems}"));
        // The folder and the text differ; what they mean must not.
        Settings { file: PathBuf::new(), fingerprint: Digest::of(b""), ..settings }
    };
    let minimal = "state_dir = \"/var/lib/bedfeed\"";
    assert_eq!(loaded(&full.join("\n")), loaded(minimal));
    assert_eq!(loaded(&shown), loaded(minimal));
    let keys = full.iter().filter(|line| is_setting(line) && !line.starts_with('[')).count();
    assert_eq!(keys, 15, "a key of the main file is not shown, or this count is old");
}

#[test]
fn several_problems_in_several_files_are_reported_at_once() {
    let main = "state_dri = \"s\"\n[sftp]\nlisten = \"2222\"\nlogin_grace = 30\n";
    let provider = PROVIDER.replace("kind = \"acute\"", "kind = \"hospital\"").replace("\"EMP\"", "\"EMPTY\"");
    let sites = "provider_code,site_code,site_name,valid_from,valid_to\nRM1,RM102,,,\n";
    let got = problems(&[("bedfeed.toml", main), ("providers/RM1.toml", &provider), ("reference/sites.csv", sites)]);
    let expected = [
        "bedfeed.toml:1: state_dri: unknown key; did you mean \"state_dir\"?",
        "bedfeed.toml:3: sftp.listen: \"2222\" is not an address and port such as \"[::]:2222\" or \"192.0.2.1:2222\"",
        "bedfeed.toml:4: sftp.login_grace: a duration needs a unit and quotes: \"30s\", \"5m\", \"24h\" or \"7d\"",
        "providers/RM1.toml:3: kind: \"hospital\" is not one of \"acute\", \"mental_health\", \"community\", \"care_homes\"",
        "providers/RM1.toml:32: mapping[0].table[0].line[1].set.line_type.value: \"EMPTY\" is not a code of line_type (OCC, EMP, CLO, DEM)",
        "reference/sites.csv:2: site_name: must not be empty",
    ];
    assert_eq!(got, expected);
}

#[test]
fn a_bad_main_file_is_reported_by_line_and_key() {
    let check = |text: &str, expected: &str| {
        let got = problems(&[("bedfeed.toml", &format!("state_dir = \"s\"\n{text}")), ("providers/RM1.toml", PROVIDER)]);
        assert_eq!(got.len(), 1, "{text}: {got:?}");
        assert!(got[0].starts_with(&format!("bedfeed.toml:{expected}")), "{text}: {got:?}");
    };
    check("[web]\nlisten = \"0.0.0.0:8080\"", "3: web.listen: 0.0.0.0 can be reached from the network");
    check("[web]\nlisten = \"[::1]:8080\"\nuser = 1", "4: web.user: unknown key");
    check("[warehouse]\nurl = \"postgres://db/beds\"", "3: warehouse.url: a postgres warehouse is not in this build");
    check("[warehouse]\nurl = \"parquet:file:///x\"", "3: warehouse.url: a parquet warehouse is not in this build");
    check("[warehouse]\nurl = \"sqlite:\"", "3: warehouse.url: must be \"sqlite:\" and a file name");
    check("[sftp]\nidle_timeout = \"1s\"", "3: sftp.idle_timeout: must be 10s to 24h");
    check("[sftp]\nidle_timeout = \"10\"", "3: sftp.idle_timeout: \"10\" is not a duration");
    check("[sftp]\nmax_connections = 0", "3: sftp.max_connections: must be 1 to 10000");
    check("[sftp]\nmax_connections = \"9\"", "3: sftp.max_connections: must be a whole number, not a text");
    check("[sftp]\nlisten = []", "3: sftp.listen: must name at least one address");
    check("[sftp]\nlisten = [\"[::]:22\", \"[::]:22\"]", "3: sftp.listen[1]: [::]:22 stands twice");
    check("[[alerts.webhook]]\nname = \"a\"\nurl = \"ftp://x\"", "4: alerts.webhook[0].url: must be a web address");
    check("[[alerts.webhook]]\nname = \"a\"", "2: alerts.webhook[0].url: missing");
    check("[retention]\naudit_years = 5", "3: retention.audit_years: must be 6 to 100");
    check("[retention\nraw_days = 5", "2: not valid TOML: unclosed table");
    check("sftp = 3", "2: sftp: must be a table, not a number");
}

#[test]
fn files_that_cannot_be_read_are_problems() {
    assert!(problems(&[("providers/RM1.toml", PROVIDER)])[0].starts_with("bedfeed.toml: cannot be read: No such file"));
    let main = ("bedfeed.toml", "state_dir = \"s\"");
    assert_eq!(problems(&[main]), ["providers: holds no provider files: add one CODE.toml for each provider"]);
    let elsewhere = ("bedfeed.toml", "state_dir = \"s\"\nproviders_dir = \"none\"\nreference_dir = \"gone\"");
    let got = problems(&[elsewhere]);
    assert!(got[0].starts_with("gone: the reference folder is not there"), "{got:?}");
    assert!(got[1].starts_with("none: the folder of provider files cannot be read: No such file"), "{got:?}");
    assert_eq!(got.len(), 2);
}

#[test]
fn a_provider_has_one_file_of_its_own_name() {
    let main = ("bedfeed.toml", "state_dir = \"s\"");
    let got = problems(&[main, ("providers/RM1.toml", PROVIDER), ("providers/RM2.toml", PROVIDER), ("providers/.#RM3.toml", "junk")]);
    let expected = [
        "providers/RM2.toml: providers/RM1.toml has the code RM1 too: each provider has one file",
        "providers/RM2.toml:1: code: the file of RM1 must be called RM1.toml, not RM2.toml",
    ];
    assert_eq!(got, expected);
}

#[test]
fn a_bad_provider_file_is_reported_by_line_and_key() {
    check("\"RM1\"", "\"rm1\"", &["1: code: \"rm1\": a provider code is 3 to 6 capital letters or digits"]);
    check("phone = \"01603 000000\"", "", &["4: contact: needs an email or a phone"]);
    check("starts = 2018-04-01", "starts = 2018-04-01\nends = 2018-03-01", &["10: agreement.ends: the agreement ends before it starts"]);
    check("starts = 2018-04-01", "starts = \"01/04/2018\"", &["9: agreement.starts: \"01/04/2018\" is not a date"]);
    check("[agreement]\nreference = \"A-1\"\nstarts = 2018-04-01\n", "", &["1: agreement: missing"]);
    check("kind", "networks = [\"10.1.1.1/8\"]\nkind", &["3: networks[0]: \"10.1.1.1/8\" has bits set beyond its prefix"]);
    check(
        "[[mapping]]",
        "[schedule]\ndue_after = \"20m\"\nmissed_after = \"20m\"\n[[mapping]]",
        &["10: schedule: missed_after must be longer than due_after"],
    );
    check(
        "[[mapping]]",
        "[schedule]\nfirst_slot = 2018-12-03T10:16:00Z\n[[mapping]]",
        &["11: schedule.first_slot: 2018-12-03T10:16:00Z is not"],
    );
    check("[[mapping]]", "[limits]\nmax_file_bytes = \"20\"\n[[mapping]]", &["11: limits.max_file_bytes: \"20\" is not a size"]);
    check("[[mapping]]", "[limits]\nrejected_rows_percent = 101\n[[mapping]]", &["11: limits.rejected_rows_percent: must be 0 to 100"]);
    check("[[mapping]]", "[limits]\nmax_row = 9\n[[mapping]]", &["11: limits.max_row: unknown key; did you mean \"max_rows\"?"]);
    check(
        "[[mapping]]",
        "[[keys]]\nowner = \"a\"\npublic_key = \"ssh-rsa AAAA\"\n[[mapping]]",
        &["12: keys[0].public_key: is not an OpenSSH"],
    );
    let twice = format!("[[keys]]\nowner = \"a\"\npublic_key = \"{KEY} x\"\n[[keys]]\nowner = \"b\"\npublic_key = \"{KEY}\"\n[[mapping]]");
    check("[[mapping]]", &twice, &["15: keys[1].public_key: this key is listed already, for a"]);
}

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
        ("bay_code = { column = \"AT\", cods = 1 }", "bay_code.cods: unknown key; did you mean \"codes\"?"),
        ("bay_code = { join = [\"AT\"], with = \"-\" }", "bay_code.join: must name at least two columns"),
    ];
    for (text, expected) in rows {
        check("gender = {", &set(text), &[&at(expected)]);
    }
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
    check("{HH}", "{hour}", &["17: mapping[0].file[0].name: {hour} is not a piece of a name"]);
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
fn a_provider_file_means_what_it_says() {
    let keys = format!(
        "networks = [\"10.0.0.0/8\"]\n[[keys]]\nowner = \"job\"\npublic_key = \"{KEY} c\"\nexpires = 2030-01-01\n[schedule]\ndue_after = \"7m\"\nfirst_slot = 2018-12-03T10:15:00Z\n[limits]\nmax_file_bytes = \"1MiB\"\nhold_after = \"2d\"\n[contact]"
    );
    let text = PROVIDER.replacen("[contact]", &keys, 1).replace("Europe/London", "fixed GMT");
    let settings = load_in(&folder(&[("bedfeed.toml", "state_dir = \"s\""), ("providers/RM1.toml", &text)])).unwrap();
    let provider = &settings.providers[0];
    assert_eq!(provider.account.keys[0].public_key, KEY);
    assert_eq!(provider.account.networks.len(), 1);
    assert_eq!((provider.account.max_file_bytes, provider.feed.limits.max_file_bytes), (1 << 20, 1 << 20));
    assert_eq!(provider.feed.limits.hold_after, jiff::SignedDuration::from_hours(48));
    assert_eq!((provider.feed.due_after, provider.schedule.due_after).0, jiff::SignedDuration::from_mins(7));
    assert_eq!(provider.schedule.missed_after, jiff::SignedDuration::from_mins(22), "when the next file is due");
    assert_eq!(provider.schedule.first_slot.unwrap().to_string(), "2018-12-03T10:15Z");
    assert_eq!(provider.feed.mappings[0].zone, SourceZone::FixedGmt);
}

#[test]
fn hashes_change_with_the_text_they_cover_and_nothing_else() {
    let hashes = |text: &str| {
        let settings = load_in(&folder(&[("bedfeed.toml", "state_dir = \"/s\""), ("providers/RM1.toml", text)])).unwrap();
        (settings.providers[0].feed.mappings[0].hash, settings.fingerprint)
    };
    let (mapping, all) = hashes(PROVIDER);
    assert_eq!(hashes(PROVIDER), (mapping, all));
    let (same, other) = hashes(&PROVIDER.replace("Desk", "Night desk"));
    assert!(same == mapping && other != all);
    let (same, _) = hashes(&format!("{PROVIDER}\n[limits]\nmax_rows = 5\n"));
    assert_eq!(same, mapping, "a section after the mapping is no part of it");
    assert_eq!(hashes(&PROVIDER.replace('\n', "\r\n")).0, mapping, "line ends do not matter");
    assert_ne!(hashes(&PROVIDER.replace("\"RDY\"", "\"CLN\"")).0, mapping);
}
