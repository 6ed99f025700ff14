//! The journey of a file, from outside: a daemon on settings that a person would write by hand, files sent with OpenSSH,
//! figures read with `sqlite3`, and bedfeed's own commands for what support does. Names say which promise they hold us to.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may fail loudly"
)]

mod common;

use bedfeed::feed::{ProviderCode, Slot};
use bedfeed::simulator::{Options, World};
use common::extract::{BEDS, damaged, good, truth};
use common::warehouse::{Locked, loaded_once};
use common::webhook::Webhook;
use common::{Service, id, now, rules, run, wait_for, wait_until};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::process::{Command, Stdio};

fn minutes_ago(minutes: i64) -> Timestamp {
    now() - SignedDuration::from_mins(minutes)
}

fn running(codes: &[&str]) -> Service {
    let mut service = Service::cottage(codes);
    service.start();
    service
}

fn outcomes(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["outcome"].as_str().unwrap()).collect()
}

/// The wards as an analyst sees them.
fn wards(service: &Service, code: &str) -> Value {
    let sql = "SELECT ward_code, open, occupied, empty FROM v_provider_ward_now WHERE provider_code = ";
    Value::Array(service.query(&format!("{sql}'{code}' ORDER BY ward_code")))
}

/// The same as it should be.
fn wards_of(pattern: u32) -> Value {
    let (north, south) = truth(pattern);
    json!([
        { "ward_code": "NORTH", "open": 12, "occupied": north, "empty": 12 - north },
        { "ward_code": "SOUTH", "open": 8, "occupied": south, "empty": 8 - south },
    ])
}

#[test]
fn the_cottage_hospitals_example_file_is_judged_good_by_its_settings() {
    let service = Service::cottage(&["RZZ"]);
    service.bedfeed(&["check-config"]).fine();
    let file = service.dir().join("RZZ_BEDS_20181203_1015.csv");
    let arguments = ["check", "--provider", "RZZ", "--at", "2018-12-03T10:17Z", "--json", file.to_str().unwrap()];
    let judged = service.bedfeed(&arguments).fine().json();
    assert_eq!(judged["accepted"], true, "{judged}");
    assert_eq!(judged["report"]["totals"]["occupied"], 15);
}

#[test]
fn p4_p6_a_good_file_a_damaged_one_the_same_again_and_a_trial() {
    let service = running(&["RZZ"]);
    let at = minutes_ago(1);
    let (name, text) = good("RZZ", at, 0b1011);

    service.send("RZZ", "inbox", [(name.as_str(), &text)]);
    let rows = service.settled(1);
    assert_eq!(outcomes(&rows), ["loaded"], "{rows:?}");
    let (receipt, words) = service.receipt("RZZ", &name);
    assert!(receipt["verdict"].as_str().unwrap().starts_with("accepted"), "{receipt}");
    assert_eq!((&receipt["loaded"], &receipt["rows"]["used"]), (&json!(true), &json!(BEDS)));
    assert_eq!(receipt["sha256"], rows[0]["delivery"]["sha256"]);
    assert_eq!(receipt["bytes"], text.len());
    assert!(words.contains("ACCEPTED") && words.contains(&name), "{words}");
    assert_eq!(wards(&service, "RZZ"), wards_of(0b1011));
    let figures = service.figures();

    // One file for each way to be damaged: what the findings must name, and what the receipt must say to do.
    let fewer = |text: &str| text.lines().take(15).map(|line| format!("{line}\n")).collect::<String>();
    let rows = [
        ("a wrong count", text.replace("TOTAL,20", "TOTAL,21"), "STR-06", None, None, "Send the file again"),
        (
            "a column lost",
            text.replace("time,ward,bed,status,sex,age", "time,ward,bed,state,sex,age"),
            "STR-03",
            None,
            Some("status"),
            "Put the column back",
        ),
        ("an open quote", text.replacen(",NORTH,03,", ",\"NORTH,03,", 1), "STR-05", Some(4), None, "stray separator or quote"),
        ("an unknown code", text.replace("occupied,F", "asleep,F"), "REF-04", Some(2), Some("status"), "Correct the code"),
        ("cut short", fewer(&text), "STR-06", None, None, "Send the file again"),
    ];
    for (index, (what, content, rule, line, column, advice)) in rows.into_iter().enumerate() {
        service.send("RZZ", "inbox", [(name.as_str(), &content)]);
        let rows = service.settled(index + 2);
        let row = rows.last().unwrap();
        assert_eq!(row["outcome"], "quarantined", "{what}: {row}");
        let (receipt, words) = service.receipt("RZZ", &name);
        assert_eq!((&receipt["verdict"], &receipt["loaded"]), (&json!("rejected"), &json!(false)), "{what}");
        let findings = receipt["findings"].as_array().unwrap();
        let finding = findings.iter().find(|finding| finding["rule"] == rule).unwrap_or_else(|| panic!("{what}: {receipt}"));
        if line.is_some() {
            assert_eq!(finding["line"], json!(line), "{what}: {finding}");
        }
        if column.is_some() {
            assert_eq!(finding["column"], json!(column), "{what}: {finding}");
        }
        assert!(finding["what_to_do"].as_str().unwrap().contains(advice), "{what}: {finding}");
        assert!(words.contains("REJECTED") && words.contains(rule) && words.contains(advice), "{what}: {words}");
        assert_eq!(wards(&service, "RZZ"), wards_of(0b1011), "{what}: the good figures stay");
    }

    service.send("RZZ", "inbox", [(name.as_str(), &text)]);
    let rows = service.settled(7);
    assert_eq!(rows[6]["outcome"], "duplicate", "{}", rows[6]);
    assert_eq!(rows[6]["stage"]["of"], rows[0]["delivery"]["id"]);
    assert_eq!(service.receipt("RZZ", &name).0["verdict"], "duplicate");

    let (other_name, other) = good("RZZ", minutes_ago(2), 0b1);
    service.send("RZZ", "test", [(other_name.as_str(), &other)]);
    let (bad_name, bad) = damaged("RZZ", minutes_ago(3), 0b1);
    service.send("RZZ", "test", [(bad_name.as_str(), &bad)]);
    let rows = service.settled(9);
    assert_eq!(outcomes(&rows[7..]), ["test", "test"]);
    assert_eq!(service.receipt("RZZ", &other_name).0["verdict"], "test_accepted");
    assert_eq!(service.receipt("RZZ", &bad_name).0["verdict"], "test_rejected");

    assert_eq!(service.figures(), figures, "none of these changed a figure");
}

/// What `sftp` leaves after Ctrl-C: it stops reading, and closes what it has sent so far like a whole file.
#[test]
fn p1_p6_a_file_cut_short_and_closed_like_a_whole_one_is_caught_and_its_sender_is_told_how() {
    let mut service = Service::samples();
    service.start();
    let settings = bedfeed::config::load(&service.settings()).unwrap_or_else(|problems| panic!("{problems}"));
    let slot = Slot::containing(now());
    let world = World::new(&settings.reference, 5, slot.start()).unwrap();
    // Whose file, where it is cut, the rule that finds out, and what the receipt says.
    type Cut = fn(&[u8]) -> usize;
    let half: Cut = |bytes| bytes.len() / 2;
    let lines: Cut = |bytes| bytes[..bytes.len() / 2].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    let newline: Cut = |bytes| bytes.trim_ascii_end().len();
    let field: Cut = |bytes| bytes.trim_ascii_end().iter().rposition(|byte| *byte == b',').unwrap();
    let rows: [(&str, Cut, &str, &str); 6] = [
        ("RM1", half, "TRN-04", "Checksum differs: the file was cut short or damaged on the way"),
        ("RM1", lines, "STR-06", "The total row is missing: the file may be cut short"),
        ("RCX", lines, "STR-06", "The last line, which starts with T, is missing: the file may be cut short"),
        ("RMY", lines, "STR-06", "rows"),
        ("RGP", newline, "STR-10", "has no line end, which this file always has: the file was cut short"),
        ("NCC", field, "STR-10", "fields and no line end: the file was cut short"),
    ];
    let mut count = 0;
    for (code, cut, rule, words) in rows {
        let provider: ProviderCode = code.parse().unwrap();
        let files = bedfeed::simulator::extract(&world, &provider, slot.start(), &Options::default()).unwrap();
        let (whole, others) = files.split_first().unwrap();
        let short = whole.bytes[..cut(&whole.bytes)].to_vec();
        assert!(short.len() < whole.bytes.len() && !short.is_empty());
        let sent = [(whole.name.as_str(), &short)].into_iter().chain(others.iter().map(|file| (file.name.as_str(), &file.bytes)));
        service.send(code, "inbox", sent);
        let before = count;
        count += files.len();
        let rows = service.settled(count);
        assert!(outcomes(&rows[before..]).iter().all(|outcome| *outcome == "quarantined"), "{code}: {rows:#?}");
        let (receipt, text) = service.receipt(code, whole.name.as_str());
        let findings = receipt["findings"].as_array().unwrap();
        let told = |finding: &&Value| finding["rule"] == rule && finding["message"].as_str().unwrap().contains(words);
        assert!(findings.iter().any(|finding| told(&finding)), "{code}: {receipt:#}");
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains("REJECTED") && text.contains(words), "{code}: {text}");
    }

    // WinSCP says at OPEN how many bytes will come: a file that falls short is not even taken in.
    let (name, text) = ("RM1_BEDSTATE_short.csv", b"half a file");
    let string = |bytes: &[u8]| [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat();
    let packet = |kind: u8, parts: &[&[u8]]| string(&[&[kind, 0, 0, 0, 7], parts.concat().as_slice()].concat());
    let (path, handle, size) = (string(format!("inbox/{name}").as_bytes()), [0, 0, 0, 4, 0, 0, 0, 0], 22_u64.to_be_bytes());
    let upload = [
        string(&[1, 0, 0, 0, 3]),
        packet(3, &[&path, &[0, 0, 0, 0x1a], &[0, 0, 0, 1], &size]),
        packet(6, &[&handle, &[0; 8], &string(text)]),
        packet(4, &[&handle]),
        packet(17, &[&path]),
    ];
    let answers = service.subsystem("RM1", &upload.concat());
    let answers = String::from_utf8_lossy(&answers);
    assert!(answers.contains("22 bytes were announced and 11 arrived: send the whole file again"), "{answers}");
    assert!(answers.ends_with("no such file\0\0\0\u{2}en"), "STAT does not know it: {answers:?}");
    assert_eq!(service.deliveries().len(), count);
}

#[test]
fn p8_every_delivery_can_be_explained_while_the_daemon_runs_and_while_it_does_not() {
    let mut service = running(&["RZZ"]);
    let (name, text) = good("RZZ", minutes_ago(1), 7);
    let file = service.file(&name, &text);
    service.scp("RZZ", &file, "inbox/").fine();
    let (bad_name, bad) = damaged("RZZ", minutes_ago(2), 7);
    service.send("RZZ", "inbox", [(bad_name.as_str(), &bad)]);
    let rows = service.settled(2);
    assert_eq!(outcomes(&rows), ["loaded", "quarantined"]);
    let fingerprint = run("ssh-keygen", &["-l".as_ref(), "-f".as_ref(), service.key("RZZ").as_os_str()], b"").fine();
    let fingerprint = fingerprint.stdout.split(' ').nth(1).unwrap().to_owned();
    for runs in [true, false] {
        let story = service.explain(id(&rows[0]));
        for told in [
            "connection ",
            "127.0.0.1:",
            "SSH-2.0-OpenSSH",
            "night job",
            &fingerprint,
            "upload opened",
            "made durable",
            "sender told OK",
            "loaded into slot",
            "mapping rzz-1",
            &name,
        ] {
            assert!(story.contains(told), "{told} is not in {story}");
        }
        let times: Vec<&str> = story.lines().filter(|line| line.starts_with("  20")).filter_map(|line| line.get(..25)).collect();
        assert!(times.len() >= 7 && times.is_sorted(), "what happened, in order: {story}");
        let short = id(&rows[1]).rsplit_once('-').unwrap().1;
        assert!(service.explain(short).contains("STR-06"), "the part of an id that tables show is enough");
        let life = service.bedfeed(&["explain", id(&rows[0]), "--json"]).fine().json();
        assert!(life["entries"].as_array().unwrap().len() >= 3, "{life}");
        let status = service.status();
        assert_eq!(status["daemon"]["running"], runs);
        assert_eq!(status["deliveries"], json!({ "loaded": 1, "quarantined": 1 }));
        assert_eq!(service.deliveries(), rows);
        let filtered = service.bedfeed(&["deliveries", "--json", "--outcome", "quarantined", "--provider", "RZZ"]).fine().json();
        assert_eq!(filtered, json!([rows[1]]));
        let table = service.bedfeed(&["deliveries"]).fine().stdout;
        assert!(table.contains(&name) && table.contains("STR-06"), "{table}");
        let words = service.bedfeed(&["status"]).fine().stdout;
        assert_eq!(words.contains("bedfeed is not running"), !runs, "{words}");
        let chain = service.bedfeed(&["audit", "verify", "--json"]).fine().json();
        assert_eq!(chain["fine"], true);
        if runs {
            service.stop();
        }
    }
    let ran = service.bedfeed(&["release", id(&rows[1]), "--by", "me", "--reason", "none"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("start it with `bedfeed run`"), "{}", ran.stderr);
}

#[test]
fn p8_a_changed_ledger_is_found_out() {
    let mut service = running(&["RZZ"]);
    let (name, text) = good("RZZ", minutes_ago(1), 7);
    service.send("RZZ", "inbox", [(name.as_str(), &text)]);
    service.settled(1);
    service.stop();
    let path = service.state().join("ledger.db");
    let forge = "DROP TRIGGER entry_is_never_changed; UPDATE entry SET body = replace(body, 'night job', 'day job') WHERE seq = (SELECT min(seq) FROM entry WHERE body LIKE '%night job%');";
    run("sqlite3", &[path.to_str().unwrap(), forge], b"").fine();
    let ran = service.bedfeed(&["audit", "verify"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stdout.contains("BROKEN: entry "), "{}", ran.stdout);
}

#[test]
fn what_support_does_is_recorded_with_who_and_why_or_refused_with_words() {
    let mut service = running(&["RZZ"]);
    let (current_name, current) = good("RZZ", minutes_ago(1), 1);
    let (old_name, old) = good("RZZ", now() - SignedDuration::from_hours(50), 2);
    let (isolated_name, isolated) = good("RZZ", minutes_ago(2), 4);
    let isolated = isolated.replace("occupied,F", "isolated,F");
    let (bad_name, bad) = damaged("RZZ", minutes_ago(3), 8);
    let (leak_name, leak) = good("RZZ", minutes_ago(4), 16);
    let leak = leak
        .replace("sex,age", "sex,age,nhs_number")
        .replace("F,71", "F,71,9990000018")
        .replace("empty,,", "empty,,,")
        .replace(",20,,,,", ",20,,,,,");
    let files = [(&current_name, &current), (&old_name, &old), (&isolated_name, &isolated), (&bad_name, &bad), (&leak_name, &leak)];
    service.send("RZZ", "inbox", files.map(|(name, text)| (name.as_str(), text)));
    let rows = service.settled(5);
    assert_eq!(outcomes(&rows), ["loaded", "quarantined", "quarantined", "quarantined", "quarantined"], "{rows:#?}");
    let [_, old, isolated, bad, leak] = [0, 1, 2, 3, 4].map(|index| id(&rows[index]).to_owned());
    assert!(rules(&rows[1]).contains(&"TIM-03"), "{}", rows[1]);
    assert_eq!(rows[4]["stage"]["sealed"], true, "{}", rows[4]);

    let act = |service: &Service, act: &str, id: &str| service.bedfeed(&[act, id, "--by", "Jo Bloggs", "--reason", "rang the trust"]);
    for (arguments, code) in [
        (vec!["release", old.as_str()], 64),
        (vec!["release", old.as_str(), "--by", "Jo"], 64),
        (vec!["discard", old.as_str(), "--reason", "x"], 64),
        (vec!["release", old.as_str(), "--by", " ", "--reason", "x"], 64),
        (vec!["release", old.as_str(), "--by", "Jo", "--reason", ""], 64),
        (vec!["release", "no-such-id", "--by", "Jo", "--reason", "x"], 1),
    ] {
        let ran = service.bedfeed(&arguments);
        assert_eq!(ran.code, Some(code), "{arguments:?}: {ran:?}");
        assert!(!ran.stderr.is_empty(), "{arguments:?} says why");
    }
    for (what, refused, words) in [
        ("release", &leak, "sealed because identifiable data leaked"),
        ("reprocess", &leak, "sealed because identifiable data leaked"),
        ("release", &bad, "STR-06 leave nothing that is safe to load"),
        ("release", &id(&rows[0]).to_owned(), "not in quarantine"),
    ] {
        let ran = act(&service, what, refused);
        assert_eq!(ran.code, Some(1), "{what}: {ran:?}");
        assert!(ran.stderr.contains(words), "{what}: {}", ran.stderr);
    }
    assert_eq!(service.deliveries(), rows, "what was refused changed nothing");
    assert!(!service.log().contains("9990000018"), "P7: the number is in no log");

    let before = wards(&service, "RZZ");
    act(&service, "release", &old).fine();
    let rows = service.settled(5);
    assert_eq!(rows[1]["outcome"], "loaded", "{}", rows[1]);
    assert_eq!(wards(&service, "RZZ"), before, "P4: an old file leaves the current figures alone");
    assert_eq!(before, wards_of(1));
    let sql = format!("SELECT s.is_current, s.lines FROM ingest_snapshot s WHERE s.snapshot_id = '{old}'");
    assert_eq!(service.query(&sql), [json!({ "is_current": 1, "lines": BEDS })], "it fills its own slot");
    assert!(common::names(&service.state().join("deliveries")).contains(&old), "its original is among the good ones again");
    assert!(!common::names(&service.state().join("quarantine")).contains(&old));
    let (receipt, text) = service.receipt("RZZ", &old_name);
    assert_eq!(receipt["released_in_spite_of"], json!(["TIM-03"]), "{receipt}");
    assert!(text.replace('\n', " ").contains("took responsibility for it in spite of TIM-03"), "{text}");
    let story = service.explain(&old);
    assert!(
        story.contains("release by Jo Bloggs (asked as ") && story.contains("): rang the trust") && story.contains("loaded into slot"),
        "{story}"
    );

    act(&service, "reprocess", &bad).fine();
    let rows = service.settled(5);
    assert_eq!(rows[3]["outcome"], "quarantined", "judged again, and no better");
    service.stop();
    let line = r#"
[[mapping.table.line]]
when = { status = "isolated" }
set = { line_type = { value = "OCC" }, bed_status = { value = "I" }, side_room = { value = "Y" }, gender = { column = "sex", list = "stated", codes = { M = "1", F = "2" } }, age_band = { column = "age", as = "age in years" } }
"#;
    service.append("providers/RZZ.toml", line);
    service.bedfeed(&["check-config"]).fine();
    service.start();
    act(&service, "reprocess", &isolated).fine();
    let rows = service.settled(5);
    assert_eq!(rows[2]["outcome"], "loaded", "the mapping was mended: {}", rows[2]);

    for discarded in [&bad, &leak] {
        act(&service, "discard", discarded).fine();
    }
    for discarded in [&bad, &leak] {
        let ran = act(&service, "discard", discarded);
        assert!(ran.code == Some(1) && ran.stderr.contains("is discarded"), "{ran:?}");
    }
    assert!(service.explain(&leak).contains("discard by Jo Bloggs (asked as "));
    assert_eq!(service.receipt("RZZ", &bad_name).0["discarded"], true);
    assert_eq!(service.bedfeed(&["audit", "verify"]).fine().code, Some(0));
}

#[test]
fn p2_what_was_acknowledged_is_loaded_once_when_the_warehouse_and_the_daemon_come_back() {
    let mut service = running(&["RZZ"]);
    let mut patterns = 1_u32..;
    let mut send = |service: &Service| {
        let (name, text) = good("RZZ", minutes_ago(1), patterns.next().unwrap());
        service.send("RZZ", "inbox", [(name.as_str(), &text)]);
    };

    // Killed before the load was tried, or while it waits for the lock.
    let lock = Locked::new(&service);
    send(&service);
    service.kill();
    drop(lock);
    service.start();
    service.settled(1);
    loaded_once(&service);

    // Killed after a failed attempt, with a second delivery behind the first.
    let lock = Locked::new(&service);
    send(&service);
    send(&service);
    let notice = wait_for("status says that deliveries wait", || {
        let status = service.status();
        let notices = status["summary"]["notices"].as_array().unwrap().clone();
        notices.into_iter().find(|notice| notice.as_str().unwrap().contains("wait for the warehouse"))
    });
    assert!(service.bedfeed(&["status"]).fine().stdout.contains(notice.as_str().unwrap()), "people see it too");
    service.kill();
    drop(lock);
    service.start();
    service.settled(3);
    loaded_once(&service);

    // The warehouse comes back while the daemon runs.
    let lock = Locked::new(&service);
    send(&service);
    wait_until("a load has failed", || service.deliveries().last().unwrap()["stage"]["attempts"].as_u64() >= Some(1));
    drop(lock);
    let rows = service.settled(4);
    assert_eq!(outcomes(&rows), ["loaded"; 4]);
    loaded_once(&service);
    let story = service.explain(id(&rows[3]));
    assert!(story.contains("loading failed 1 times") && story.contains("loaded into slot"), "{story}");
    assert_eq!(service.status()["summary"]["notices"], json!([]), "nothing waits any more");
}

#[test]
fn p2_p10_the_six_sample_providers_add_up_to_the_truth() {
    let mut service = Service::samples();
    service.start();
    let settings = bedfeed::config::load(&service.settings()).unwrap_or_else(|problems| panic!("{problems}"));
    let slot = Slot::containing(now());
    let world = World::new(&settings.reference, 5, slot.start()).unwrap();
    let providers: Vec<ProviderCode> = world.providers().cloned().collect();
    assert_eq!(providers.len(), 6);
    let mut count = 0;
    for provider in &providers {
        let files = bedfeed::simulator::extract(&world, provider, slot.start(), &Options::default()).unwrap();
        count += files.len();
        service.send(provider.as_str(), "inbox", files.iter().map(|file| (file.name.as_str(), &file.bytes)));
    }
    let rows = service.settled(count);
    assert_eq!(outcomes(&rows), vec!["loaded"; count], "{rows:#?}");
    let columns = "occupied, empty, available_now, closed, demand_not_in_bed";
    let mut sums = [0_u64; 5];
    for provider in &providers {
        let truth = world.truth(provider).unwrap();
        let expected = [truth.occupied, truth.empty, truth.available_now, truth.closed, truth.demand_not_in_bed];
        let row = service.query(&format!("SELECT {columns} FROM v_system_now WHERE provider_code = '{provider}'"));
        for ((name, expected), sum) in columns.split(", ").zip(expected).zip(&mut sums) {
            *sum += expected;
            // A feed that lists no waiting patients says nothing about them, which is not none.
            if name != "demand_not_in_bed" || !row[0][name].is_null() {
                assert_eq!(row[0][name], json!(expected), "{provider} {name}");
            } else {
                assert_eq!(expected, 0, "{provider} has patients who wait");
            }
        }
    }
    let total =
        service.query(&format!("SELECT {columns}, partial, providers_current, providers_expected FROM v_system_now WHERE scope = 'TOTAL'"));
    for (name, sum) in columns.split(", ").zip(sums) {
        assert_eq!(total[0][name], json!(sum), "{name} of all");
    }
    assert!(sums[0] > 1000, "{sums:?}");
    assert_eq!((&total[0]["partial"], &total[0]["providers_current"], &total[0]["providers_expected"]), (&json!(0), &json!(6), &json!(6)));
}

#[test]
fn p2_a_correction_of_one_part_of_a_set_is_taken_when_all_parts_are_sent_again() {
    let mut service = Service::samples();
    service.start();
    let settings = bedfeed::config::load(&service.settings()).unwrap_or_else(|problems| panic!("{problems}"));
    let (slot, provider) = (Slot::containing(now()), "RGP".parse::<ProviderCode>().unwrap());
    let world = World::new(&settings.reference, 5, slot.start()).unwrap();
    let files = bedfeed::simulator::extract(&world, &provider, slot.start(), &Options::default()).unwrap();
    let waiting =
        || service.query("SELECT demand_not_in_bed AS waiting FROM v_system_now WHERE provider_code = 'RGP'")[0]["waiting"].as_i64();
    service.send("RGP", "inbox", files.iter().map(|file| (file.name.as_str(), &file.bytes)));
    assert_eq!(outcomes(&service.settled(2)), ["loaded"; 2]);
    let before = waiting().unwrap();
    assert!(before > 0, "somebody waits");
    let one_less = |bytes: &[u8]| {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let (kept, _) = text.trim_end().rsplit_once('\n').unwrap();
        format!("{kept}\n").into_bytes()
    };
    let again = [(files[0].name.as_str(), files[0].bytes.clone()), (files[1].name.as_str(), one_less(&files[1].bytes))];
    service.send("RGP", "inbox", again.iter().map(|(name, bytes)| (*name, bytes)));
    let rows = service.settled(4);
    assert_eq!(outcomes(&rows), ["loaded"; 4], "{rows:#?}");
    assert_eq!(waiting(), Some(before - 1));
}

#[test]
fn p5_silence_is_told_once_whatever_is_killed_and_whoever_is_away_and_so_is_recovery() {
    let mut service = Service::cottage(&["RZZ"]);
    let webhook = Webhook::open();
    webhook.set_away(true);
    let first = Slot::containing(minutes_ago(45));
    service.append("providers/RZZ.toml", &format!("\n[schedule]\nfirst_slot = \"{first}\"\n"));
    service.append("bedfeed.toml", &format!("\n[[alerts.webhook]]\nname = \"desk\"\nurl = \"{}\"\n", webhook.url()));
    service.start();
    let late = format!("RZZ/late/{first}/begin");
    wait_until("the alert was tried in vain", || webhook.posted().iter().any(|posted| posted.key == late));
    assert!(webhook.taken().is_empty());
    service.kill();
    webhook.set_away(false);
    service.start();
    let delivered = |service: &Service| service.ledger("SELECT 1 FROM outbox WHERE delivered_at IS NULL").is_empty();
    wait_until("the alert is delivered", || webhook.taken().contains(&late) && delivered(&service));
    let body = webhook.posted().into_iter().find(|posted| posted.key == late).unwrap().body;
    assert_eq!(
        (&body["kind"], &body["problem"], &body["provider"], &body["key"]),
        (&json!("begin"), &json!("late"), &json!("RZZ"), &json!(late)),
        "{body}"
    );
    service.kill();
    service.start();

    let (name, text) = good("RZZ", now(), 3);
    service.send("RZZ", "inbox", [(name.as_str(), &text)]);
    let end = format!("RZZ/late/{first}/end");
    wait_until("recovery is told", || webhook.taken().contains(&end) && delivered(&service));
    service.kill();
    service.start();
    service.stop();
    let taken = webhook.taken();
    let times = |key: &str| taken.iter().filter(|taken| *taken == key).count();
    assert_eq!((times(&late), times(&end)), (1, 1), "{taken:?}");
    let lates = taken.iter().filter(|key| key.starts_with("RZZ/late/")).count();
    assert_eq!(lates, 2, "one stretch of silence is one episode: {taken:?}");
    let mut unique = taken.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), taken.len(), "nothing was told twice: {taken:?}");
    assert!(service.log().contains(&late), "the log is told too");
}

#[test]
fn p9_bad_input_is_refused_or_found_and_others_are_not_disturbed() {
    let mut service = running(&["RZZ", "RZY"]);
    let (_, text) = good("RZZ", minutes_ago(0), 1);
    let wide = format!("{}\n", "1,".repeat(1_000_000));
    let rows: [(&str, Vec<u8>, &str); 9] = [
        ("empty", Vec::new(), "STR-01"),
        ("only a heading", b"time,ward,bed,status,sex,age\n".to_vec(), "STR-01"),
        ("binary", (0..200_000_u32).map(|n| u8::try_from(n.wrapping_mul(2_654_435_761) >> 24).unwrap()).collect(), "STR-02"),
        ("a program", std::fs::read("/bin/true").unwrap(), "STR-02"),
        ("NUL", text.replace("NORTH", "NO\0TH").into_bytes(), "STR-02"),
        ("a million columns", wide.clone().into_bytes(), "TRN-03"),
        ("a row of a million columns", text.replacen('\n', &format!("\n{wide}"), 1).into_bytes(), "TRN-03"),
        ("an open quote to the end", text.replacen("NORTH", "\"NORTH", 1).into_bytes(), "STR-05"),
        ("one line without an end", vec![b'x'; 5_000_000], "TRN-03"),
    ];
    let count = rows.len();
    // From one moment: the minute may turn meanwhile, and each file needs a name of its own.
    let begun = now();
    let (theirs_name, theirs) = good("RZY", minutes_ago(0), 9);
    std::thread::scope(|scope| {
        // Another provider's file goes through in the middle of it.
        let other = scope.spawn(|| service.send("RZY", "inbox", [(theirs_name.as_str(), &theirs)]));
        for (index, (what, bytes, rule)) in rows.iter().enumerate() {
            let (name, _) = good("RZZ", begun - SignedDuration::from_mins(i64::try_from(index).unwrap()), 0);
            service.send("RZZ", "inbox", [(name.as_str(), bytes)]);
            let ended = wait_for(what, || {
                let found = service.deliveries().into_iter().find(|row| row["delivery"]["name"] == name.as_str());
                found.filter(|row| row["outcome"] != "pending")
            });
            assert_eq!(ended["outcome"], "quarantined", "{what}: {ended}");
            assert!(rules(&ended).contains(rule), "{what}: {ended}");
            let (receipt, words) = service.receipt("RZZ", &name);
            assert_eq!(receipt["verdict"], "rejected", "{what}");
            assert!(words.len() < 100_000, "{what}: {} bytes of words", words.len());
            assert!(!words.chars().any(|c| c.is_control() && c != '\n'), "{what}: {words:?}");
        }
        other.join().unwrap();
    });
    let rows = service.settled(count + 1);
    let theirs = rows.iter().find(|row| row["delivery"]["provider"] == "RZY").unwrap();
    assert_eq!(theirs["outcome"], "loaded");
    assert_eq!(wards(&service, "RZY"), wards_of(9));

    let file = service.file("x.csv", &text);
    let long = "l".repeat(4000);
    let names: [(&str, Vec<u8>); 8] = [
        ("a parent folder", format!("put {file} \"inbox/../../escape.csv\"").into_bytes()),
        ("a parent folder of Windows", format!("put {file} \"inbox/..\\\\\\\\..\\\\\\\\escape.csv\"").into_bytes()),
        ("an absolute path", format!("put {file} \"/etc/escape.csv\"").into_bytes()),
        ("dots", format!("put {file} \"inbox/...\"").into_bytes()),
        ("a control character", [format!("put {file} \"inbox/a").as_bytes(), b"\x01\x1b[31mb.csv\""].concat()),
        ("not UTF-8", [format!("put {file} \"inbox/a").as_bytes(), b"\xff\xfe.csv\""].concat()),
        ("4,000 letters", format!("put {file} inbox/{long}").into_bytes()),
        ("a hidden name", format!("put {file} inbox/-rf").into_bytes()),
    ];
    let mut expected = count + 1;
    for (what, batch) in names {
        let ran = service.sftp("RZZ", batch);
        let rows = service.deliveries();
        if ran.code == Some(0) {
            expected += 1;
            let rows = service.settled(expected);
            let row = rows.last().unwrap();
            assert_eq!(row["outcome"], "quarantined", "{what}: {row}");
            assert!(rules(row).contains(&"TRN-08"), "{what}: {row}");
            assert!(!row["delivery"]["name"].as_str().unwrap().contains(['/', '\\']), "{what}: {row}");
        } else {
            assert_eq!(rows.len(), expected, "{what}: refused, so nothing is there");
            assert!(!ran.stderr.is_empty(), "{what} is refused in words");
        }
    }
    let found = run("find", &[service.dir().to_str().unwrap(), "-name", "*escape*"], b"").fine();
    assert_eq!(found.stdout, "", "no name from outside touches the disk");
    assert!(service.is_running());
    assert!(!service.log().contains("panicked"), "{}", service.log());
}

#[test]
fn p9_memory_stays_bounded_while_a_huge_upload_is_refused() {
    let mut service = running(&["RZZ", "RZY"]);
    let (name, text) = good("RZZ", minutes_ago(0), 1);
    let huge = service.dir().join("huge.csv");
    std::fs::File::create(&huge).unwrap().set_len(200 << 20).unwrap();
    let (theirs_name, theirs) = good("RZY", minutes_ago(0), 9);
    std::thread::scope(|scope| {
        let other = scope.spawn(|| service.send("RZY", "inbox", [(theirs_name.as_str(), &theirs)]));
        let ran = service.sftp("RZZ", format!("put {} inbox/{name}", huge.display()));
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(!ran.stderr.is_empty());
        other.join().unwrap();
    });
    let status = std::fs::read_to_string(format!("/proc/{}/status", service.pid())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < 400 * 1024, "{peak} kB at most");
    assert!(common::names(&service.state().join("uploads")).is_empty(), "nothing of it is kept");
    service.send("RZZ", "inbox", [(name.as_str(), &text)]);
    let rows = service.settled(2);
    assert_eq!(outcomes(&rows), ["loaded", "loaded"], "the refused one is not among them: {rows:?}");
    assert!(service.is_running());
}

#[test]
fn every_problem_of_the_settings_is_told_at_once_with_file_line_and_key() {
    let mut service = Service::cottage(&["RZZ"]);
    service.edit("bedfeed.toml", "[web]\nlisten", "[web]\nlissen");
    service.edit("providers/RZZ.toml", "kind = \"community\"", "kind = \"comunity\"");
    service.edit("providers/RZZ.toml", "ward_code = \"ward\"", "ward_code = \"wart\"");
    service.edit("providers/RZZ.toml", "starts = 2018-04-01", "starts = 2018-04-01\nstars = 1");
    let ran = service.bedfeed(&["check-config"]);
    assert_eq!(ran.code, Some(78), "{ran:?}");
    let lines = |file: &str, text: &str| {
        let content = std::fs::read_to_string(service.dir().join(file)).unwrap();
        content.lines().position(|line| line.contains(text)).unwrap() + 1
    };
    let rows = [
        (format!("bedfeed.toml:{}", lines("bedfeed.toml", "lissen")), "listen"),
        (format!("RZZ.toml:{}", lines("providers/RZZ.toml", "comunity")), "community"),
        (format!("RZZ.toml:{}", lines("providers/RZZ.toml", "\"wart\"")), "ward"),
        (format!("RZZ.toml:{}", lines("providers/RZZ.toml", "stars = 1")), "starts"),
    ];
    for (place, nearest) in rows {
        let told = ran.stderr.lines().find(|line| line.contains(&place));
        let told = told.unwrap_or_else(|| panic!("{place} is not named in {}", ran.stderr));
        assert!(told.contains(nearest), "the nearest known name: {told}");
    }
    service.start_under(&[]);
    assert_eq!(service.await_end(), Some(78), "the daemon does not start on them either");
    assert!(service.log().contains("comunity"), "{}", service.log());
    assert!(!service.state().try_exists().unwrap(), "nothing was made");
}

#[test]
fn bad_arguments_end_with_64_and_a_second_daemon_is_refused() {
    let mut service = running(&["RZZ"]);
    let rows: [&[&str]; 5] = [
        &["no-such-command"],
        &["status", "--no-such-option"],
        &["check"],
        &["deliveries", "--outcome", "lost"],
        &["deliveries", "--provider", "../RZZ"],
    ];
    for arguments in rows {
        let ran = service.bedfeed(arguments);
        assert_eq!(ran.code, Some(64), "{arguments:?}: {ran:?}");
        assert!(!ran.stderr.is_empty() && ran.stdout.is_empty(), "{arguments:?}: {ran:?}");
    }
    let second = service.bedfeed(&["run"]);
    assert_eq!(second.code, Some(1), "{second:?}");
    assert!(second.stderr.contains("another bedfeed already uses the state folder"), "{}", second.stderr);
    assert!(service.is_running());
    let (name, text) = good("RZZ", minutes_ago(0), 1);
    service.send("RZZ", "inbox", [(name.as_str(), &text)]);
    assert_eq!(outcomes(&service.settled(1)), ["loaded"], "the first one is not disturbed");
}

#[test]
fn a_reader_that_goes_away_is_no_error_to_speak_of() {
    let service = running(&["RZZ"]);
    let (name, text) = good("RZZ", minutes_ago(0), 1);
    service.send("RZZ", "inbox", [(name.as_str(), &text)]);
    let rows = service.settled(1);
    let settings = service.settings();
    let rows: [&[&str]; 6] =
        [&["status"], &["status", "--json"], &["deliveries"], &["deliveries", "--json"], &["explain", id(&rows[0])], &["audit", "verify"]];
    for arguments in rows {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(common::BEDFEED);
        let output = command.args(arguments).arg("--config").arg(&settings).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{arguments:?}");
    }
}

#[test]
fn a_new_mapping_is_tried_on_the_files_that_were_accepted_last() {
    let service = running(&["RZZ"]);
    let (name, text) = good("RZZ", minutes_ago(1), 0b1011);
    service.send("RZZ", "inbox", [(name.as_str(), &text)]);
    service.settled(1);
    let tried = service.bedfeed(&["mapping", "test", "--provider", "RZZ"]).fine().stdout;
    assert!(tried.contains("1 snapshots tried: 1 come out the same, 0 differ"), "{tried}");

    // From 2040 on, an empty bed awaits cleaning, and nobody's age is read any more.
    let settings = std::fs::read_to_string(service.provider_file("RZZ")).unwrap();
    let (_, mapping) = settings.split_once("[[mapping]]").unwrap();
    let ages = "{ column = \"age\", as = \"age in years\" }";
    assert!(mapping.contains(ages) && mapping.contains("\"RDY\""));
    let next = mapping
        .replace("rzz-1", "rzz-2")
        .replace("2018-04-01", "2040-01-01")
        .replace("\"RDY\"", "\"CLN\"")
        .replace(ages, "{ value = \"AXX\" }");
    service.edit("providers/RZZ.toml", "version = \"rzz-1\"\nfrom = 2018-04-01", "version = \"rzz-1\"\nfrom = 2018-04-01\nto = 2040-01-01");
    service.append("providers/RZZ.toml", &format!("\n[[mapping]]{next}"));
    let (occupied, empty) = (truth(0b1011).0 + truth(0b1011).1, 20 - truth(0b1011).0 - truth(0b1011).1);
    let ran = service.bedfeed(&["mapping", "test", "--json"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stdout);
    let said = ran.json();
    assert_eq!((&said[0]["mapping"], &said[0]["snapshots"][0]["before"]), (&json!("rzz-2"), &json!("rzz-1")));
    let differs = said[0]["snapshots"][0]["differs"].to_string();
    assert!(differs.contains(&format!("available now: {empty} -> 0")), "{differs}");
    assert!(differs.contains("age_band differs") && !differs.contains("A8"), "{differs}");
    assert!(differs.contains("and 17 more lines") && occupied > 0, "{differs}");
    let ran = service.bedfeed(&["mapping", "test", "--mapping", "rzz-3"]);
    assert_eq!(ran.code, Some(64));
    // Nothing was changed by all this.
    service.settled(1);
    assert_eq!(service.deliveries().len(), 1);
}
