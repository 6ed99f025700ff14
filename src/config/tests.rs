//! The settings as a whole: a folder written to disk, loaded, and what is reported.

mod alerting;
mod examples;
mod files;
mod mappings;

use super::*;
use crate::bedstate::Coverage;
use crate::normalise::mapping::SourceZone;
use crate::quarantine::make_keys;
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
    // Each can be read aloud in one breath, and shows what comes of it.
    for provider in &settings.providers {
        let text = std::fs::read_to_string(repository().join(format!("config/providers/{}.toml", provider.code))).unwrap();
        assert!(text.lines().count() < 80, "{} has {} lines", provider.code, text.lines().count());
        assert!(provider.examples >= provider.feed.mappings.len(), "{}", provider.code);
    }
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
        Settings { file: PathBuf::new(), folders: Vec::new(), files: Vec::new(), fingerprint: Digest::of(b""), ..settings }
    };
    let minimal = "state_dir = \"/var/lib/bedfeed\"";
    assert_eq!(loaded(&full.join("\n")), loaded(minimal));
    assert_eq!(loaded(&shown), loaded(minimal));
    let keys = full.iter().filter(|line| is_setting(line) && !line.starts_with('[')).count();
    assert_eq!(keys, 37, "a key of the main file is not shown, or this count is old");
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
fn the_commented_main_file_shows_a_warehouse_on_a_server_that_would_be_taken() {
    let shown = std::fs::read_to_string(repository().join("config/bedfeed.toml")).unwrap();
    let section = shown.split("# [warehouse]").nth(1).unwrap().split("# A lake").next().unwrap();
    let keys: Vec<&str> = section.lines().filter_map(|line| line.strip_prefix("#   ")).collect();
    let text = format!("state_dir = \"s\"\n[warehouse]\n{}", keys.join("\n"));
    let dir = folder(&[("bedfeed.toml", &text), ("providers/RM1.toml", PROVIDER)]);
    let settings = load(&dir.path().join("bedfeed.toml")).unwrap_or_else(|problems| panic!("{problems}"));
    let expected = forward::PostgresSettings {
        address: forward::PostgresAddress::parse("postgres://bedfeed@db.example/beds").unwrap(),
        password: forward::PostgresPassword::File(dir.path().join("warehouse.password")),
        tls: forward::PostgresTls::Require { ca_file: Some(dir.path().join("warehouse-ca.pem")) },
        migrate: forward::Migrate::AtStart,
    };
    assert_eq!(settings.warehouse, forward::Settings::Postgres(expected));
    assert_eq!(keys.len(), 5, "one of each");
}

#[cfg(feature = "lake")]
#[test]
fn the_commented_main_file_shows_a_lake_that_would_be_taken() {
    let shown = std::fs::read_to_string(repository().join("config/bedfeed.toml")).unwrap();
    let section = shown.split("# A lake").nth(1).unwrap().split("# [web]").next().unwrap();
    let keys: Vec<&str> = section.lines().filter_map(|line| line.strip_prefix("#    ")).collect();
    assert_eq!(keys.len(), 6, "one of each, and the folder's url");
    let taken = |keys: &[&str]| {
        let text = format!("state_dir = \"s\"\n[warehouse]\n{}", keys.join("\n"));
        let dir = folder(&[("bedfeed.toml", &text), ("providers/RM1.toml", PROVIDER)]);
        let settings = load(&dir.path().join("bedfeed.toml")).unwrap_or_else(|problems| panic!("{problems}"));
        (settings.warehouse, dir.path().join("lake.secret"))
    };
    let (in_a_folder, _) = taken(&keys[..1]);
    assert_eq!(in_a_folder, forward::Settings::Lake { place: forward::LakeSettings::Folder("/srv/lake".into()), index: "lake.db".into() });
    let (in_a_bucket, secret) = taken(&keys[1..]);
    let bucket = forward::LakeBucket {
        address: forward::LakeAddress { bucket: "beds".to_owned(), prefix: "lake".to_owned() },
        endpoint: Some("https://minio.example:9000".to_owned()),
        region: "us-east-1".to_owned(),
        access_key_id: "bedfeed".to_owned(),
        secret: forward::Secret::File(secret),
        ca_file: None,
    };
    assert_eq!(in_a_bucket, forward::Settings::Lake { place: forward::LakeSettings::Bucket(bucket), index: "lake.db".into() });
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
    check("[warehouse]\nurl = \"postgres://db/beds\"", "3: warehouse.url: names no user");
    check("[warehouse.also.spare]", "2: warehouse.also.spare: needs a url");
    check("[warehouse.also.Spare]\nurl = \"sqlite:spare.db\"", "2: warehouse.also.Spare: the name of a warehouse has small letters");
    check("[warehouse.also.spare]\nurl = \"sqlite:warehouse.db\"", "2: warehouse.also.spare: is a warehouse that stands here already");
    check("[warehouse.also.spare]\nurl = \"sqlite:spare.db\"\nalso = 1", "4: warehouse.also.spare.also: unknown key");
    check(
        "[warehouse.also.a]\nurl = \"postgres://u@db/beds\"\n[warehouse.also.b]\nurl = \"postgres://v@db:5432/beds\"",
        "4: warehouse.also.b: is a warehouse that stands here already",
    );
    let nine: String = (1..=9).map(|number| format!("[warehouse.also.w{number}]\nurl = \"sqlite:{number}.db\"\n")).collect();
    check(&nine, "18: warehouse.also.w9: is one too many");
    check("[warehouse]\nurl = \"postgres://u:secret@db/beds\"", "3: warehouse.url: must not hold a password");
    check(
        "[warehouse]\nurl = \"postgres://u@db/beds\"\ntls = \"off\"",
        "2: warehouse: tls may be \"off\" only for a server on this machine",
    );
    check(
        "[warehouse]\nurl = \"postgres://u@%2Frun/beds\"\ntls = \"require\"",
        "2: warehouse: tls cannot be \"require\" with a Unix socket",
    );
    check("[warehouse]\nurl = \"postgres://u@%2Frun/beds\"\nca_file = \"ca\"", "2: warehouse: ca_file is of no use");
    check("[warehouse]\nurl = \"postgres://u@db/beds\"\ntls = \"prefer\"", "4: warehouse.tls: must be \"require\" or \"off\"");
    check("[warehouse]\nurl = \"postgres://u@db/beds\"\nmigrate = \"no\"", "4: warehouse.migrate: must be \"at_start\" or \"by_hand\"");
    check(
        "[warehouse]\nurl = \"postgres://u@db/beds\"\npassword_credential = \"a/b\"",
        "4: warehouse.password_credential: must be the name",
    );
    check("[warehouse]\nurl = \"postgres://u@db/beds\"\npassword = \"x\"", "4: warehouse.password: unknown key");
    check(
        "[warehouse]\nurl = \"postgres://u@db/beds\"\npassword_file = \"x\"\npassword_credential = \"y\"",
        "2: warehouse: password_file and password_credential cannot both be given",
    );
    check("[warehouse]\nca_file = \"x\"", "3: warehouse.ca_file: is only for a url that starts with postgres:// or parquet:s3://");
    check("[warehouse]\nurl = \"sqlite:x\"\ntls = \"off\"", "4: warehouse.tls: is only for a url that starts with postgres://");
    if cfg!(feature = "lake") {
        check("[warehouse]\nurl = \"parquet:file://x\"", "3: warehouse.url: must be \"parquet:file://\" and a folder's whole path");
        check("[warehouse]\nurl = \"parquet:gs://x\"", "3: warehouse.url: must be \"parquet:file:///FOLDER\" or");
        check("[warehouse]\nurl = \"parquet:s3://beds/lake\"", "2: warehouse: a bucket needs access_key_id, and secret_file");
        let bucket = "[warehouse]\nurl = \"parquet:s3://beds/lake\"\naccess_key_id = \"k\"\nsecret_credential = \"s\"\n";
        check(&format!("{bucket}secret = \"Geheim\""), "6: warehouse.secret: unknown key");
        check(&format!("{bucket}tls = \"off\""), "6: warehouse.tls: is only for a url that starts with postgres://");
        check(&format!("{bucket}endpoint = \"http://minio.example\""), "6: warehouse.endpoint: may start with http:// only for");
        check(&format!("{bucket}region = \"a b\""), "6: warehouse.region: must be a word");
        check(&format!("{bucket}secret_file = \"s\""), "2: warehouse: secret_file and secret_credential cannot both be given");
        check(
            "[warehouse]\nurl = \"parquet:file:///x\"\nregion = \"x\"",
            "4: warehouse.region: is only for a url that starts with parquet:s3://",
        );
    } else {
        check("[warehouse]\nurl = \"parquet:file:///x\"", "3: warehouse.url: a lake is not in this build");
    }
    check("[warehouse]\nurl = \"sqlite:\"", "3: warehouse.url: must be \"sqlite:\" and a file name");
    check("[sftp]\nidle_timeout = \"1s\"", "3: sftp.idle_timeout: must be 10s to 24h");
    check("[sftp]\nidle_timeout = \"10\"", "3: sftp.idle_timeout: \"10\" is not a duration");
    check("[sftp]\nmax_connections = 0", "3: sftp.max_connections: must be 1 to 10000");
    check("[sftp]\nmax_connections = \"9\"", "3: sftp.max_connections: must be a whole number, not a text");
    check("[sftp]\ncompatibility = true\npost_quantum_only = true", "4: sftp.post_quantum_only: cannot be on together with compatibility");
    check("[sftp]\nrekey_bytes = \"2GiB\"", "3: sftp.rekey_bytes: must be 1048576 to 1073741824 bytes");
    check("[sftp]\nrekey_time = \"1s\"", "3: sftp.rekey_time: must be 1m to 24h");
    check("[sftp]\nlisten = [\"[::]:22\"]\nnext_listen = [\"[::]:22\"]", "4: sftp.next_listen[0]: [::]:22 stands twice");
    check("[sftp]\nnext_host_keys = \"host_keys\"", "3: sftp.next_host_keys: is the folder of host_keys");
    check("[sftp]\nmax_connections = 9\nmax_unauthenticated = 9", "2: sftp: max_unauthenticated must be less than max_connections");
    check("[sftp]\nconnection_rate = 0", "3: sftp.connection_rate: must be 1 to 10000");
    check("[sftp]\nrevoked_keys = [\"MD5:aa\"]", "3: sftp.revoked_keys[0]: \"MD5:aa\" is not a SHA-256 fingerprint");
    check("[[sftp.user_ca]]\nname = \"ca\"\npublic_key = \"ssh-rsa AAAA\"", "4: sftp.user_ca[0].public_key: is not an OpenSSH");
    check("[[sftp.user_ca]]\nname = \"ca\"", "2: sftp.user_ca[0].public_key: missing");
    let twice = format!("[[sftp.user_ca]]\nname = \"a\"\npublic_key = \"{KEY}\"\n[[sftp.user_ca]]\nname = \"b\"\npublic_key = \"{KEY} x\"");
    check(&twice, "7: sftp.user_ca[1].public_key: this key is listed already, for a");
    check("[sftp]\nlisten = []", "3: sftp.listen: must name at least one address");
    check("[sftp]\nlisten = [\"[::]:22\", \"[::]:22\"]", "3: sftp.listen[1]: [::]:22 stands twice");
    check("[retention]\naudit_years = 5", "3: retention.audit_years: must be 6 to 100");
    check("[retention]\nchecks_days = 1", "3: retention.checks_days: must be 2 to 366");
    check("[retention]\nsum_days = 27", "3: retention.sum_days: must be 28 to 36600");
    check("[retention]\nsum_days = 89", "2: retention: sum_days must not be less than row_days");
    let key = "AGE-SECRET-KEY-1QQPQYRQ";
    check(&format!("[governance]\nrecipients = [\"{key}\"]"), "3: governance.recipients[0]: is a private key");
    check("[governance]\nrecipients = [\"ssh-ed25519 AAAA\"]", "3: governance.recipients[0]: is an SSH key");
    check("[governance]\nrecipients = [\"age1\"]", "3: governance.recipients[0]: is not a public key of age");
    let twice = make_keys().0;
    check(&format!("[governance]\nrecipients = [\"{twice}\", \"{twice}\"]"), "3: governance.recipients[1]: stands twice");
    check("[retention\nraw_days = 5", "2: not valid TOML: unclosed table");
    check("sftp = 3", "2: sftp: must be a table, not a number");
}

#[test]
fn a_main_file_means_what_it_says() {
    let revoked = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let main = format!(
        "state_dir = \"s\"\n[sftp]\nmax_connections = 9\nmax_connections_per_source = 4\nmax_connections_per_account = 3\nmax_unauthenticated = 2\nmax_unauthenticated_per_source = 1\nconnection_rate = 5\npenalties = false\nrevoked_keys = [\"{revoked}\"]\n[[sftp.user_ca]]\nname = \"ca\"\npublic_key = \"{KEY} comment\"\n"
    );
    let settings = load_in(&folder(&[("bedfeed.toml", &main), ("providers/RM1.toml", PROVIDER)])).unwrap();
    let sftp = intake::Settings {
        max_connections: 9,
        max_connections_per_source: 4,
        max_connections_per_account: 3,
        max_unauthenticated: 2,
        max_unauthenticated_per_source: 1,
        connection_rate: 5,
        penalties: false,
        ..intake::Settings::default()
    };
    assert_eq!(settings.sftp, sftp);
    let user_cas = vec![intake::UserCa { name: "ca".to_owned(), public_key: KEY.to_owned() }];
    assert_eq!(settings.trust, intake::Trust { user_cas, revoked_keys: vec![revoked.to_owned()] });
}

#[test]
fn files_that_cannot_be_read_are_problems() {
    let got = problems(&[("reference/sites.csv", "junk")]);
    assert!(got.len() == 1 && got[0].starts_with("bedfeed.toml: cannot be read: No such file"), "{got:?}");
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
    let password = |hash: &str| format!("[password]\nowner = \"desk\"\nhash = \"{hash}\"\n[[mapping]]");
    let fine = "$argon2id$v=19$m=32768,t=2,p=1$YmVkZmVlZHNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    check("[[mapping]]", &password(fine), &["10: password: needs networks: a password can be guessed"]);
    let with_networks = |hash: &str| {
        format!("networks = [\"10.0.0.0/8\"]\n[contact]\nname = \"Desk\"\nphone = \"1\"\n{}", password(hash).replace("[[mapping]]", ""))
    };
    check("[contact]\nname = \"Desk\"\nphone = \"01603 000000\"\n", &with_networks(fine), &[]);
    let dear = fine.replace("32768", "99999");
    check("[contact]\nname = \"Desk\"\nphone = \"01603 000000\"\n", &with_networks(&dear), &["10: password.hash: is too dear to verify"]);
    check(
        "[contact]\nname = \"Desk\"\nphone = \"01603 000000\"\n",
        &with_networks("hunter2"),
        &["10: password.hash: is not an Argon2id hash"],
    );
    check(
        "[[mapping]]",
        "[limits]\nmax_file_bytes = \"2MiB\"\nmax_staged_bytes = \"1MiB\"\n[[mapping]]",
        &["12: limits.max_staged_bytes: must be at least max_file_bytes, which is 2097152"],
    );
    let twice = format!("[[keys]]\nowner = \"a\"\npublic_key = \"{KEY} x\"\n[[keys]]\nowner = \"b\"\npublic_key = \"{KEY}\"\n[[mapping]]");
    check("[[mapping]]", &twice, &["15: keys[1].public_key: this key is listed already, for a"]);
}

#[test]
fn a_key_belongs_to_one_provider() {
    let with_key = |code: &str, comment: &str| {
        let keys = format!("[[keys]]\nowner = \"the job of {code}\"\npublic_key = \"{KEY} {comment}\"\n[[mapping]]");
        PROVIDER.replacen("RM1", code, 1).replacen("[[mapping]]", &keys, 1)
    };
    let load = |other: &str| {
        let files = [("bedfeed.toml", "state_dir = \"s\""), ("providers/RGP.toml", &with_key("RGP", "one")), ("providers/RM1.toml", other)];
        problems(&files)
    };
    let expected = "providers/RM1.toml:12: keys: the key of the job of RM1 is listed for RGP too: whoever has it could send as either; each needs one of its own";
    assert_eq!(load(&with_key("RM1", "another remark")), [expected]);
    assert_eq!(load(PROVIDER), [""; 0]);
}

#[test]
fn a_provider_file_means_what_it_says() {
    let keys = format!(
        "networks = [\"10.0.0.0/8\"]\n[[keys]]\nowner = \"job\"\npublic_key = \"{KEY} c\"\nexpires = 2030-01-01\n[schedule]\ndue_after = \"7m\"\nfirst_slot = 2018-12-03T10:15:00Z\n[limits]\nmax_file_bytes = \"1MiB\"\nmax_bytes_per_hour = \"2GiB\"\nhold_after = \"2d\"\n[contact]"
    );
    let text = PROVIDER.replacen("[contact]", &keys, 1).replace("Europe/London", "fixed GMT");
    let settings = load_in(&folder(&[("bedfeed.toml", "state_dir = \"s\""), ("providers/RM1.toml", &text)])).unwrap();
    let provider = &settings.providers[0];
    assert_eq!(provider.account.keys[0].public_key, KEY);
    assert_eq!(provider.account.networks.len(), 1);
    assert_eq!((provider.account.max_file_bytes, provider.feed.limits.max_file_bytes), (1 << 20, 1 << 20));
    let quota = intake::Quota { max_bytes_per_hour: 2 << 30, max_staged_bytes: 16 << 20 };
    assert_eq!(provider.account.quota, quota, "said, and sixteen of the largest files");
    assert_eq!(provider.feed.limits.hold_after, jiff::SignedDuration::from_hours(48));
    assert_eq!((provider.feed.due_after, provider.schedule.due_after).0, jiff::SignedDuration::from_mins(7));
    assert_eq!(provider.schedule.missed_after, jiff::SignedDuration::from_mins(22), "when the next file is due");
    assert_eq!(provider.schedule.first_slot.unwrap().to_string(), "2018-12-03T10:15Z");
    assert_eq!(provider.feed.mappings[0].zone, SourceZone::FixedGmt);
}

#[test]
fn the_examples_of_the_access_page_are_settings() {
    let page = std::fs::read_to_string(repository().join("docs/access.md")).unwrap();
    let examples: Vec<&str> = page.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    for example in &examples {
        let (file, text) = example.split_once('\n').unwrap();
        // Signers have no effect where nothing is signed.
        let part = "[[mapping.file]]\npart = \"signature\"\nrole = \"signature\"\nname = \"{org}_{yyyy}{mm}{dd}_{HH}{MM}.csv.sig\"\n";
        let signed = if text.contains("[[signers]]") { part } else { "" };
        let provider = if file == "# providers/RM1.toml" {
            let provider = PROVIDER.replacen("[contact]", &format!("{text}\n[contact]"), 1);
            provider.replacen("[[mapping.table]]", &format!("{signed}[[mapping.table]]"), 1)
        } else {
            PROVIDER.to_owned()
        };
        let main = if file == "# bedfeed.toml" { format!("state_dir = \"s\"\n{text}") } else { "state_dir = \"s\"".to_owned() };
        assert_eq!(problems(&[("bedfeed.toml", &main), ("providers/RM1.toml", &provider)]), Vec::<String>::new(), "{example}");
    }
    assert_eq!(examples.len(), 5, "all of them say which file they belong to");
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

#[test]
fn no_damage_to_a_file_can_panic() {
    let read = |text: &str| {
        let source = document::Source::new(Path::new("RM1.toml"), text);
        let provider = provider::read(&source, &Reference::default());
        (provider.is_some(), source.into_problems())
    };
    assert_eq!(read(PROVIDER), (true, Vec::new()));
    let text: Vec<char> = PROVIDER.chars().collect();
    for at in 0..text.len() {
        let (before, after) = text.split_at(at);
        read(&before.iter().collect::<String>());
        read(&before.iter().chain(after.iter().skip(1)).collect::<String>());
    }
    let lines: Vec<&str> = PROVIDER.lines().collect();
    for left_out in 0..lines.len() {
        let text: Vec<_> = lines.iter().enumerate().filter(|(index, _)| *index != left_out).map(|(_, line)| *line).collect();
        let (_, problems) = read(&text.join("\n"));
        let may_go = ["identifiers", "[[mapping.table.line]]"].iter().any(|start| lines[left_out].starts_with(start));
        assert!(may_go || !problems.is_empty() || lines[left_out].starts_with("when"), "{} can be left out unnoticed", lines[left_out]);
    }
}
