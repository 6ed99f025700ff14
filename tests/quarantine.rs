//! What is set aside, and the people who work with it: from outside, with the commands that they have.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may fail loudly"
)]

mod common;

use common::extract::{damaged, good};
use common::{BEDFEED, Ran, Service, id, now, rules, run};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;

/// A number that passes the check, from the range that is never issued.
const NUMBER: &str = "9990000018";

fn hours_ago(hours: i64) -> Timestamp {
    now() - SignedDuration::from_hours(hours)
}

fn leaking(at: Timestamp) -> (String, String) {
    let (name, text) = good("RZZ", at, 5);
    (name, text.replace("sex,age", "sex,age,ref").replace("F,71", &format!("F,71,{NUMBER}")).replace("empty,,", "empty,,,"))
}

/// Runs a command as somebody who logged in under this number: the kernel keeps it, and only root can set it.
fn logged_in_as(login: u32, service: &Service, arguments: &[&str]) -> Ran {
    let settings = service.settings();
    let script = format!("echo {login} > /proc/self/loginuid && exec \"$@\"");
    let mut words = vec!["-c", script.as_str(), "sh", BEDFEED];
    words.extend(arguments);
    words.extend(["--config", settings.to_str().unwrap()]);
    run("sh", &words, b"")
}

/// Whether this machine lets a test say who logged in. Where it does not, say so and leave it out only if that is wanted.
fn logins_are_kept() -> bool {
    let kept = run("sh", &["-c", "echo 4001 > /proc/self/loginuid"], b"").code == Some(0);
    if !kept {
        assert!(
            std::env::var_os("BEDFEED_WITHOUT_LOGINS").is_some(),
            "/proc/self/loginuid cannot be written here, so two people cannot be told apart; BEDFEED_WITHOUT_LOGINS=1 leaves this test out"
        );
    }
    kept
}

fn listed(service: &Service, more: &[&str]) -> Vec<Value> {
    let words = [&["quarantine", "list", "--json"], more].concat();
    let Value::Array(rows) = service.bedfeed(&words).fine().json() else { panic!("no list") };
    rows
}

fn text(rows: &[Value], of: &str, key: &str) -> String {
    let row = rows.iter().find(|row| id(row) == of).unwrap_or_else(|| panic!("{of} is not listed"));
    row[key].as_array().map_or_else(|| row[key].to_string(), |all| all.iter().map(|it| it.as_str().unwrap()).collect::<Vec<_>>().join(" "))
}

#[test]
fn support_lists_looks_views_discards_and_hands_back() {
    let mut service = Service::cottage(&["RZZ", "RZY"]);
    service.start();
    let (torn_name, torn) = damaged("RZZ", hours_ago(1), 5);
    let (leak_name, leak) = leaking(hours_ago(2));
    let (other_name, other) = damaged("RZY", hours_ago(1), 3);
    let (typed_name, typed) = good("RZZ", hours_ago(3), 7);
    let typed = typed.replacen("empty,,", "vacant,M,43", 1);
    service.send("RZZ", "inbox", [(torn_name.as_str(), &torn), (leak_name.as_str(), &leak), (typed_name.as_str(), &typed)]);
    service.send("RZY", "inbox", [(other_name.as_str(), &other)]);
    let rows = service.settled(4);
    let called = |name: &str| id(rows.iter().find(|row| row["delivery"]["name"] == *name).unwrap());
    let (torn_id, leak_id, other_id, typed_id) = (called(&torn_name), called(&leak_name), called(&other_name), called(&typed_name));

    // What waits, why, and what may be done.
    let list = listed(&service, &[]);
    assert_eq!(list.len(), 4, "{list:#?}");
    assert_eq!(text(&list, torn_id, "may"), "reprocess hand-back discard");
    assert_eq!(text(&list, leak_id, "may"), "hand-back discard");
    assert_eq!(text(&list, leak_id, "sealed"), "true");
    assert_eq!(listed(&service, &["--provider", "RZY"]).len(), 1);
    let table = service.bedfeed(&["quarantine", "list"]).fine().stdout;
    for told in ["since (UTC)", "you may", "sealed", "reprocess, hand-back, discard"] {
        assert!(table.contains(told), "{told}: {table}");
    }

    // Looking is masked: the line that a finding is about, without what it says of a person.
    let look = service.bedfeed(&["quarantine", "show", typed_id]).fine().stdout;
    // Ids and times may have the digits of the age.
    let rows: Vec<&str> = look.lines().filter(|line| line.contains("vacant")).collect();
    assert!(look.contains("FINDINGS") && !rows.is_empty() && rows.iter().all(|row| !row.contains("43")), "{look}");
    assert!(look.contains("would be rejected again"), "{look}");
    let sealed = service.bedfeed(&["quarantine", "show", leak_id]).fine().stdout;
    assert!(
        sealed.contains("IGV-02") && sealed.contains("only the governance role's key opens it") && !sealed.contains(NUMBER),
        "{sealed}"
    );
    let shown = service.bedfeed(&["quarantine", "show", typed_id, "--json"]).fine().json();
    assert!(!shown["lines"].as_array().unwrap().is_empty(), "{shown:#}");

    // The raw file is an act of its own. It says who and why, it is recorded, and a sealed file is never given.
    assert_eq!(service.bedfeed(&["quarantine", "show", typed_id, "--raw"]).code, Some(64));
    let who = ["--by", "Ann Lee", "--reason", "what the site typed"];
    let raw = service.bedfeed(&[&["quarantine", "show", typed_id, "--raw"], &who[..]].concat()).fine();
    assert_eq!(raw.stdout, typed);
    let to = service.dir().join("raw.csv");
    service.bedfeed(&[&["quarantine", "show", typed_id, "--raw", "--out", to.to_str().unwrap()], &who[..]].concat()).fine();
    assert_eq!(std::fs::read_to_string(&to).unwrap(), typed);
    let again = service.bedfeed(&[&["quarantine", "show", typed_id, "--raw", "--out", to.to_str().unwrap()], &who[..]].concat());
    assert!(again.code == Some(1) && again.stderr.contains("raw.csv"), "it is named, and not seen again: {again:?}");
    let refused = service.bedfeed(&[&["quarantine", "show", leak_id, "--raw"], &who[..]].concat());
    assert!(refused.code == Some(1) && refused.stderr.contains("is sealed"), "{refused:?}");
    let viewed = "SELECT count(*) AS n FROM entry WHERE json_extract(body, '$.event') = 'viewed_raw'";
    assert_eq!(service.ledger(viewed)[0]["n"], 2);
    let story = service.explain(typed_id);
    assert!(story.contains("raw file viewed by Ann Lee (asked as root): what the site typed"), "{story}");

    // Each act is an end with a receipt of its own.
    let words = "Write empty where it says vacant, and send it again.";
    let back = ["hand-back", typed_id, "--by", "Ann Lee", "--reason", "rang the site", "--mend", words];
    service.bedfeed(&back).fine();
    let (receipt, told) = service.receipt("RZZ", &typed_name);
    assert_eq!((&receipt["verdict"], &receipt["mend"]), (&"handed_back".into(), &words.into()), "{receipt}");
    assert!(told.starts_with("HANDED BACK TO YOU") && told.contains("The support team asks: Write empty"), "{told}");
    service.bedfeed(&["discard", torn_id, "--by", "Ann Lee", "--reason", "superseded"]).fine();
    let (receipt, _) = service.receipt("RZZ", &torn_name);
    assert_eq!((&receipt["verdict"], &receipt["discarded"]), (&"rejected".into(), &true.into()));
    service.bedfeed(&["hand-back", leak_id, "--by", "Ann Lee", "--reason", "their lead knows"]).fine();
    let kept = common::names(&service.state().join("quarantine").join(leak_id));
    assert_eq!(kept, ["findings.json"], "what was sealed is gone once it was handed back");
    let story = service.explain(leak_id);
    assert!(story.contains("Nothing is left to be done with the file") && !story.contains("bedfeed discard"), "{story}");
    let again = service.bedfeed(&["release", typed_id, "--by", "Ann Lee", "--reason", "no"]);
    assert!(again.code == Some(1) && again.stderr.contains("is handed_back, not in quarantine"), "{again:?}");

    // Only what waits is listed, unless everything is asked for.
    assert_eq!(listed(&service, &[]).iter().map(id).collect::<Vec<_>>(), [other_id]);
    let all = listed(&service, &["--all"]);
    assert_eq!((all.len(), text(&all, typed_id, "may")), (4, String::new()));
    service.bedfeed(&["audit", "verify"]).fine();
    service.kill();
    service.start();
    assert_eq!(listed(&service, &[]).len(), 1, "a start changes nothing");
}

#[test]
fn a_release_takes_two_people_where_the_settings_ask() {
    if !logins_are_kept() {
        return;
    }
    let mut service = Service::cottage(&["RZZ"]);
    let file = service.provider_file("RZZ");
    let old = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("release_needs_two = true\n{old}")).unwrap();
    service.bedfeed(&["check-config"]).fine();
    service.start();
    // Older than a day: held until somebody takes responsibility.
    let (name, held) = good("RZZ", hours_ago(30), 9);
    service.send("RZZ", "inbox", [(name.as_str(), &held)]);
    let rows = service.settled(1);
    let held = id(&rows[0]);
    assert!(rules(&rows[0]).contains(&"TIM-03"), "{rows:#?}");
    let release = |login, by: &str| logged_in_as(login, &service, &["release", held, "--by", by, "--reason", "rang the ward"]);

    let first = release(4001, "Ann Lee").fine();
    assert!(first.stdout.contains("asked for. A second person must say the same until"), "{first:?}");
    assert_eq!(service.settled(1)[0]["outcome"], "quarantined", "nothing has happened yet");
    let list = service.bedfeed(&["quarantine", "list"]).fine().stdout;
    assert!(list.contains("release asked for by Ann Lee (logged in as user 4001, asked as root): rang the ward"), "{list}");
    for (login, by, same) in [(4001, "Ann Lee", "name"), (4002, "ann lee", "name"), (4001, "Bob Roe", "account")] {
        let refused = release(login, by);
        assert!(refused.code == Some(1) && refused.stderr.contains(&format!("this is the same {same}")), "{refused:?}");
    }
    release(4002, "Bob Roe").fine();
    let rows = service.settled(1);
    assert_eq!(rows[0]["outcome"], "loaded", "{rows:#?}");
    let story = service.explain(held);
    for told in ["release asked for by Ann Lee (logged in as user 4001", "release by Bob Roe (logged in as user 4002"] {
        assert!(story.contains(told), "{told}: {story}");
    }
    let (receipt, _) = service.receipt("RZZ", &name);
    assert_eq!(receipt["released_in_spite_of"], serde_json::json!(["TIM-03"]));
}

#[test]
fn after_a_mapping_fix_everything_that_a_rule_held_up_is_judged_again_at_once() {
    let mut service = Service::cottage(&["RZZ"]);
    service.start();
    let files: Vec<(String, String)> = (1..=3)
        .map(|hours| {
            let (name, text) = good("RZZ", hours_ago(hours), u32::try_from(hours).unwrap());
            (name, text.replace("empty,,", "free,,"))
        })
        .collect();
    service.send("RZZ", "inbox", files.iter().map(|(name, text)| (name.as_str(), text)));
    let (name, torn) = damaged("RZZ", hours_ago(4), 5);
    service.send("RZZ", "inbox", [(name.as_str(), &torn)]);
    let rows = service.settled(4);
    assert!(rows.iter().all(|row| row["outcome"] == "quarantined"), "{rows:#?}");
    let rule = "REF-04";
    assert!(rules(&rows[0]).contains(&rule), "{rows:#?}");
    service.stop();
    service.edit("providers/RZZ.toml", "when = { status = \"empty\" }", "when = { status = [\"empty\", \"free\"] }");
    service.bedfeed(&["check-config"]).fine();
    service.start();
    let look = service.bedfeed(&["quarantine", "show", id(&rows[0])]).fine().stdout;
    assert!(look.contains("would be accepted: `bedfeed reprocess`"), "{look}");
    let who = ["--by", "Ann Lee", "--reason", "rzz-1 knows free beds"];
    let done = service.bedfeed(&[&["reprocess", "--provider", "RZZ", "--rule", rule, "--json"], &who[..]].concat()).fine().json();
    assert_eq!(done["deliveries"].as_array().unwrap().len(), 3, "{done}");
    let rows = service.settled(4);
    let ends: Vec<&str> = rows.iter().map(|row| row["outcome"].as_str().unwrap()).collect();
    assert_eq!(ends, ["loaded", "loaded", "loaded", "quarantined"], "{rows:#?}");
    let none = service.bedfeed(&[&["reprocess", "--provider", "RZZ", "--rule", rule], &who[..]].concat()).fine();
    assert!(none.stdout.contains("nothing waits that this fits"), "{none:?}");
    for wrong in [&["reprocess", "--provider", "RZZ", "--rule", "XXX-1"][..], &["reprocess"][..]] {
        assert_eq!(service.bedfeed(&[wrong, &who[..]].concat()).code, Some(64), "{wrong:?}");
    }
}

#[test]
fn p4_a_file_that_is_reprocessed_never_comes_before_its_senders_own_correction() {
    let mut service = Service::cottage(&["RZZ"]);
    service.start();
    let at = hours_ago(1);
    let (name, old) = good("RZZ", at, 5);
    let (_, new) = good("RZZ", at, 9);
    service.send("RZZ", "inbox", [(name.as_str(), &old.replace("empty,,", "free,,"))]);
    let old = id(&service.settled(1)[0]).to_owned();
    service.send("RZZ", "inbox", [(name.as_str(), &new)]);
    let rows = service.settled(2);
    let ends: Vec<&str> = rows.iter().map(|row| row["outcome"].as_str().unwrap()).collect();
    assert_eq!(ends, ["quarantined", "loaded"], "{rows:#?}");
    let new = id(&rows[1]).to_owned();
    service.stop();
    service.edit("providers/RZZ.toml", "when = { status = \"empty\" }", "when = { status = [\"empty\", \"free\"] }");
    service.start();
    service.bedfeed(&["reprocess", &old, "--by", "Ann Lee", "--reason", "rzz-1 knows free beds"]).fine();
    let rows = service.settled(2);
    assert!(rows.iter().all(|row| row["outcome"] == "loaded"), "{rows:#?}");
    let loaded = service.query("SELECT snapshot_id AS id, version, is_current FROM ingest_snapshot ORDER BY version");
    let loaded: Vec<_> =
        loaded.iter().map(|row| (row["id"].as_str().unwrap(), row["version"].as_i64(), row["is_current"].as_i64())).collect();
    assert_eq!(loaded, [(new.as_str(), Some(1), Some(1)), (old.as_str(), Some(2), Some(0))]);
    let told = service.explain(&old);
    assert!(told.contains("This slot's version 1 stays in force: it came after this file."), "{told}");
    // Reading both again keeps them in this order, over a start too.
    service.stop();
    service.edit(
        "providers/RZZ.toml",
        "when = { status = [\"empty\", \"free\"] }",
        "when = { status = [\"empty\", \"free\", \"vacant\"] }",
    );
    service.start();
    let (from, to) = (hours_ago(3).to_string(), now().to_string());
    let span = ["--provider", "RZZ", "--from", &from, "--to", &to, "--by", "Ann Lee", "--reason", "again"];
    service.bedfeed(&[&["replay"], &span[..]].concat()).fine();
    let current = service.query("SELECT snapshot_id AS id FROM ingest_snapshot WHERE is_current = 1");
    assert!(current.len() == 1 && current[0]["id"].as_str().unwrap().starts_with(&new), "{current:?}");
}

#[test]
fn nothing_of_a_provider_that_is_gone_from_the_settings_is_judged_again() {
    let mut service = Service::cottage(&["RZY", "RZZ"]);
    let file = service.provider_file("RZY");
    let settings = format!("release_needs_two = true\n{}", std::fs::read_to_string(&file).unwrap());
    std::fs::write(&file, settings).unwrap();
    service.start();
    let (name, held) = good("RZY", hours_ago(30), 9);
    let (torn_name, torn) = damaged("RZY", hours_ago(1), 5);
    service.send("RZY", "inbox", [(name.as_str(), &held)]);
    service.settled(1);
    service.send("RZY", "inbox", [(torn_name.as_str(), &torn)]);
    let rows = service.settled(2);
    let (held, torn) = (id(&rows[0]), id(&rows[1]));
    service.stop();
    std::fs::remove_file(&file).unwrap();
    service.start();
    let who = ["--by", "Ann Lee", "--reason", "rang the ward"];
    for act in [&["release", held][..], &["reprocess", held], &["reprocess", "--provider", "RZY"]] {
        let refused = service.bedfeed(&[act, &who[..]].concat());
        assert!(refused.code == Some(1) && refused.stderr.contains("RZY is not in the settings"), "{act:?}: {refused:?}");
    }
    assert_eq!(text(&listed(&service, &[]), held, "may"), "hand-back discard");
    assert_eq!(listed(&service, &["--provider", "RZY"]).len(), 2, "the ledger knows it");
    service.bedfeed(&[&["discard", torn], &who[..]].concat()).fine();
    service.bedfeed(&[&["hand-back", held], &who[..]].concat()).fine();
    assert!(listed(&service, &[]).is_empty());
    // A code that nobody ever had is told everywhere.
    let hour = hours_ago(1).to_string();
    for asked in [
        &["deliveries", "--provider", "RXX"][..],
        &["quarantine", "list", "--provider", "RXX"],
        &["reprocess", "--provider", "RXX", "--by", "Ann Lee", "--reason", "none"],
        &["replay", "--provider", "RXX", "--from", &hour, "--to", &hour, "--by", "Ann Lee", "--reason", "none"],
        &["hold", "add", "--provider", "RXX", "--by", "Ann Lee", "--reason", "none"],
    ] {
        let refused = service.bedfeed(asked);
        assert!(
            refused.code == Some(64) && refused.stderr.contains("neither the settings nor the ledger know it"),
            "{asked:?}: {refused:?}"
        );
    }
}

#[test]
fn a_daemon_that_ends_in_the_middle_of_an_act_is_told_as_such() {
    let mut service = Service::cottage(&["RZZ"]);
    service.start();
    let (name, torn) = damaged("RZZ", hours_ago(1), 5);
    service.send("RZZ", "inbox", [(name.as_str(), &torn)]);
    let torn = id(&service.settled(1)[0]).to_owned();
    service.stop();
    // In its place something that is asked and goes away, with nothing said and in the middle of a word.
    let socket = service.state().join("control.sock");
    drop(std::fs::remove_file(&socket));
    let listener = UnixListener::bind(&socket).unwrap();
    for said in [&b""[..], b"{\"answer\":"] {
        let daemon = std::thread::spawn({
            let listener = listener.try_clone().unwrap();
            move || {
                let (mut asked, _) = listener.accept().unwrap();
                let mut request = Vec::new();
                asked.read_to_end(&mut request).unwrap();
                asked.write_all(said).unwrap();
            }
        });
        let told = service.bedfeed(&["discard", &torn, "--by", "Ann Lee", "--reason", "superseded"]);
        daemon.join().unwrap();
        assert!(told.code == Some(1) && told.stderr.contains("the daemon ended before it answered"), "{told:?}");
    }
}
