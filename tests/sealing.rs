//! P7 from outside: a daemon is sent what it must never have. Afterwards the numbers are looked for everywhere, and only the
//! governance role's key opens what was sealed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may fail loudly"
)]

mod common;

use common::extract::good;
use common::{Service, id, now, rules, run};
use jiff::{SignedDuration, Timestamp};
use std::path::{Path, PathBuf};

/// Numbers that pass the check, from the range that is never issued.
const NUMBER: &str = "9990000018";
const IN_A_NAME: &str = "9990000026";

fn minutes_ago(minutes: i64) -> Timestamp {
    now() - SignedDuration::from_mins(minutes)
}

/// A good extract with a column that nobody agreed.
fn leaking(at: Timestamp) -> (String, String) {
    let (name, text) = good("RZZ", at, 5);
    (name, text.replace("sex,age", "sex,age,ref").replace("F,71", &format!("F,71,{NUMBER}")).replace("empty,,", "empty,,,"))
}

/// Has a key pair made by Debian's program, and its public half put into the settings; gives the file of the private one.
fn with_a_key(service: &Service) -> PathBuf {
    let keys = service.dir().join("governance.txt");
    // It says the public key on standard error too.
    assert_eq!(run("age-keygen", &["-o".as_ref(), keys.as_os_str()], b"").code, Some(0));
    let public = run("age-keygen", &["-y".as_ref(), keys.as_os_str()], b"").fine().stdout;
    service.append("bedfeed.toml", &format!("\n[governance]\nrecipients = [\"{}\"]\n", public.trim()));
    keys
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn p7_a_leak_in_a_file_or_its_name_is_shown_nowhere_and_opens_with_the_governance_key_only() {
    let mut service = Service::cottage(&["RZZ"]);
    let keys = with_a_key(&service);
    service.bedfeed(&["check-config"]).fine();
    service.start();
    let (leak_name, leak) = leaking(minutes_ago(1));
    let (_, clean) = good("RZZ", minutes_ago(2), 1);
    let (test_name, test_leak) = leaking(minutes_ago(3));
    let person = format!("beds {IN_A_NAME}.csv");
    service.send("RZZ", "inbox", [(leak_name.as_str(), &leak), (person.as_str(), &clean)]);
    service.send("RZZ", "test", [(test_name.as_str(), &test_leak)]);
    let rows = service.settled(3);
    for row in &rows {
        assert_eq!(row["stage"]["sealed"], true, "{row}");
        assert!(rules(row).iter().all(|rule| *rule == "IGV-02"), "nothing but what sealed it is told: {row}");
    }

    // Its own sender finds its receipts under the true name; what they say names the column, or the name as such.
    let (receipt, words) = service.receipt("RZZ", &leak_name);
    assert_eq!((&receipt["verdict"], &receipt["findings"][0]["column"]), (&"sealed".into(), &"ref".into()), "{receipt}");
    let (named, named_words) = service.receipt("RZZ", &person);
    assert_eq!(named["file"], "beds **********.csv");
    assert!(named["findings"][0]["message"].as_str().unwrap().contains("The file's name"), "{named}");
    let listing = service.sftp("RZZ", "ls -1 inbox").fine().stdout;
    assert!(listing.contains(&person), "the sender's program must find what it sent: {listing}");

    // Everything that anybody can read.
    let web = service.status()["daemon"]["web"].as_str().unwrap().to_owned();
    let mut shown: Vec<(String, Vec<u8>)> =
        vec![("receipts".into(), format!("{receipt}{words}{named}{named_words}").into_bytes()), ("log".into(), service.log().into_bytes())];
    let all = ["status", "deliveries"].map(|command| vec![command.to_owned()]).into_iter();
    let explained = rows.iter().map(|row| vec!["explain".to_owned(), id(row).to_owned()]);
    for arguments in all.chain(explained) {
        for json in [false, true] {
            let mut words: Vec<&str> = arguments.iter().map(String::as_str).collect();
            words.extend(json.then_some("--json"));
            shown.push((words.join(" "), service.bedfeed(&words).fine().stdout.into_bytes()));
        }
    }
    let pages = ["/", "/beds", "/metrics", "/api/v1/feeds", "/api/v1/deliveries"].map(str::to_owned).into_iter();
    for path in pages.chain(rows.iter().map(|row| format!("/deliveries/{}", id(row)))) {
        let page = run("curl", &["--silent", "--show-error", "--fail", &format!("http://{web}{path}")], b"").fine().stdout;
        shown.push((path, page.into_bytes()));
    }
    let state = service.state();
    let (ledger, stored): (Vec<_>, Vec<_>) =
        files(&state).into_iter().partition(|path| path.file_name().unwrap().to_string_lossy().starts_with("ledger.db"));
    let readable = stored.iter().filter(|path| !path.ends_with("control"));
    shown.extend(readable.filter_map(|path| Some((path.display().to_string(), std::fs::read(path).ok()?))));
    assert!(shown.len() > 20, "{}", shown.len());
    for (place, bytes) in &shown {
        assert!(!holds(bytes, NUMBER) && !holds(bytes, IN_A_NAME), "a number is in {place}");
    }
    let ledger: Vec<u8> = ledger.iter().flat_map(|path| std::fs::read(path).unwrap()).collect();
    assert!(!holds(&ledger, NUMBER) && holds(&ledger, IN_A_NAME), "the ledger has names as they were sent, and no content");

    // The report for the governance lead.
    let story = service.explain(id(&rows[0]));
    for told in [
        "INCIDENT REPORT",
        "night job",
        "IGV-02",
        "values in ref look like NHS numbers",
        "encrypted to the governance role",
        "bedfeed discard",
    ] {
        assert!(story.contains(told), "{told}: {story}");
    }
    assert!(service.bedfeed(&["status"]).fine().stdout.contains("encrypted to the governance role's key"));

    // What is stored opens with the key, whole, and with no other.
    for (row, content) in rows.iter().zip([&leak, &clean, &test_leak]) {
        let aside = state.join("quarantine").join(id(row));
        assert_eq!(common::names(&aside), ["findings.json", "original.age"]);
        assert!(!state.join("deliveries").join(id(row)).try_exists().unwrap());
        let sealed = aside.join("original.age");
        let opened = run("age", &["--decrypt".as_ref(), "--identity".as_ref(), keys.as_os_str(), sealed.as_os_str()], b"").fine();
        assert_eq!(&opened.stdout, content);
    }

    // Discarding removes it for good; the findings and who decided it stay.
    let discard = ["discard", id(&rows[0]), "--by", "Jo Bloggs", "--reason", "decided on paper"];
    service.bedfeed(&discard).fine();
    let aside = state.join("quarantine").join(id(&rows[0]));
    assert_eq!(common::names(&aside), ["findings.json"]);
    let story = service.explain(id(&rows[0]));
    assert!(story.contains("discarded by Jo Bloggs: decided on paper; the file was removed"), "{story}");
    service.kill();
    service.start();
    assert_eq!(common::names(&aside), ["findings.json"], "a start changes nothing");
}

#[test]
fn p7_a_replaced_part_and_a_repetition_of_a_leaking_file_are_sealed_with_it() {
    let mut service = Service::samples();
    service.start();
    let wards = |ward: &str| -> String {
        let row =
            |bed| format!("\"03/12/2018 10:15\",\"RM102\",\"W01\",\"{ward}\",\"B\",\"{bed}\",\"OCC\",\"F\",\"83\",\"300\",\"IP\",\"\"\r\n");
        let head = "\"EXTRACT_DTTM\",\"SITE\",\"WARD_CODE\",\"WARD_DESC\",\"BAY\",\"BED\",\"STATUS\",\"SEX\",\"AGE\",\"SPEC\",\"LOC\",\"DTA_DTTM\"\r\n";
        (1..=5).map(row).fold(head.to_owned(), |text, row| text + &row)
    };
    let name = "RM1_BEDSTATE_20181203_1015.csv";
    let leak = wards(NUMBER);
    service.send("RM1", "inbox", [(name, &leak)]);
    service.send("RM1", "inbox", [(name, &leak)]);
    service.send("RM1", "inbox", [(name, &wards("clean"))]);
    let checksum = format!("{}  {name}\n", "0".repeat(64));
    service.send("RM1", "inbox", [(format!("{name}.sha256").as_str(), &checksum)]);
    let rows = service.settled(4);
    let sealed: Vec<bool> = rows.iter().map(|row| row["stage"]["sealed"] == true).collect();
    assert_eq!(sealed, [true, true, false, false], "{rows:#?}");
    // Without a key they are kept as they came, for bedfeed's own account alone.
    use std::os::unix::fs::PermissionsExt;
    for row in &rows[..2] {
        let original = service.state().join("quarantine").join(id(row)).join("original");
        assert_eq!(std::fs::metadata(&original).unwrap().permissions().mode() & 0o777, 0o400);
        assert!(service.explain(id(row)).contains("kept UNENCRYPTED"));
    }
    assert!(service.bedfeed(&["check-config"]).fine().stdout.contains("[governance] has no recipients"));
    assert!(service.bedfeed(&["status"]).fine().stdout.contains("kept unencrypted"));
    // With a key in the settings, the next start encrypts them.
    service.stop();
    with_a_key(&service);
    service.start();
    for row in &rows[..2] {
        assert_eq!(common::names(&service.state().join("quarantine").join(id(row))), ["findings.json", "original.age"]);
    }
}
