//! Alerts as they arrive: a real mail server, a real Alertmanager, a real Prometheus with the shipped rules, and small receivers of
//! webhooks, told by a daemon that is killed in between.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may fail loudly"
)]

mod common;

use bedfeed::feed::Slot;
use common::extract::good;
use common::receivers::{Alertmanager, MailServer, free_port, get, header, prometheus};
use common::webhook::Webhook;
use common::{Service, now, repository, run, wait_for, wait_until};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A daemon's settings with a feed that has been silent for three quarters of an hour, and these channels. It does not run yet.
fn silent(channels: &str) -> (Service, Slot) {
    let service = Service::cottage(&["RZZ"]);
    let first = Slot::containing(now() - SignedDuration::from_mins(45));
    service.append("providers/RZZ.toml", &format!("\n[schedule]\nfirst_slot = \"{first}\"\n"));
    service.append("bedfeed.toml", &format!("\n{channels}"));
    (service, first)
}

fn webhook(name: &str, url: &str, more: &str) -> String {
    format!("[[alerts.webhook]]\nname = \"{name}\"\nurl = \"{url}\"\n{more}\n")
}

fn send_good(service: &Service) {
    let (name, text) = good("RZZ", now(), 3);
    service.send("RZZ", "inbox", [(name.as_str(), &text)]);
}

/// What the outbox holds for a channel that was not delivered.
fn waiting(service: &Service, channel: &str) -> Vec<Value> {
    service.ledger(&format!("SELECT key, attempts, error FROM outbox WHERE channel = '{channel}' AND delivered_at IS NULL ORDER BY id"))
}

fn tried_in_vain(service: &Service, channel: &str) -> Option<String> {
    let tried = waiting(service, channel).into_iter().find(|row| row["attempts"].as_i64() > Some(0));
    tried.map(|row| row["error"].as_str().unwrap().to_owned())
}

/// The contact of the provider.
const CONTACT: &str = "beds@rzz.example";

/// The mail without the line that says when it was sent.
fn undated(mail: &str) -> String {
    mail.lines().filter(|line| !line.starts_with("Date: ")).collect::<Vec<_>>().join("\n")
}

#[test]
fn p5_mails_arrive_encrypted_after_a_login_and_a_repeat_is_the_same_mail() {
    let (mut service, first) = silent("");
    let mut server = MailServer::new(service.dir());
    let mail = |name: &str, password: &str, more: &str| {
        format!(
            "[[alerts.email]]\nname = \"{name}\"\nserver = \"127.0.0.1\"\nport = {}\nuser = \"bedfeed\"\npassword_file = \"{password}\"\n\
             from = \"bedfeed@icb.example\"\nto = [\"desk@icb.example\", \"night@icb.example\"]\n{more}\n",
            server.port
        )
    };
    service.append("bedfeed.toml", &mail("office", "mail.password", "ca_file = \"ca.crt\""));
    service.append("bedfeed.toml", &mail("wrong", "wrong.password", "ca_file = \"ca.crt\""));
    service.append("bedfeed.toml", &mail("stranger", "mail.password", ""));
    let routes = "[[alerts.route]]\nchannels = [\"office\", \"wrong\", \"stranger\"]\ncontact_by = \"office\"\n";
    service.append("bedfeed.toml", routes);
    service.edit("providers/RZZ.toml", "[contact]\n", &format!("[contact]\nemail = \"{CONTACT}\"\n"));
    service.start();
    let away = wait_for("a mail was tried in vain", || tried_in_vain(&service, "email:office"));
    assert!(away.contains("cannot post alert") && away.contains("e-mail channel office"), "{away}");

    // Taken by the server, and its answer never heard.
    server.hold(true);
    server.start();
    wait_until("the first mail is taken", || !server.mails().is_empty());
    service.kill();
    server.hold(false);
    service.start();
    wait_until("all mails are taken", || waiting(&service, "email:office").is_empty());
    send_good(&service);
    let end = format!("RZZ/missed/{first}/end");
    let delivered = format!("SELECT 1 FROM outbox WHERE channel = 'email:office' AND key = '{end}' AND delivered_at IS NOT NULL");
    wait_until("its end is taken", || !service.ledger(&delivered).is_empty() && waiting(&service, "email:office").is_empty());
    wait_until("the provider's own contact is told too", || waiting(&service, "contact:office").is_empty());

    let all = server.mails();
    let (to_contact, mails): (Vec<&String>, Vec<&String>) = all.iter().partition(|mail| header(mail, "To") == Some(CONTACT));
    let told: BTreeSet<&str> = to_contact.iter().map(|mail| header(mail, "Subject").unwrap()).collect();
    assert_eq!(told.len(), 4, "late and missed, begun and over: {told:?}");
    let mut by_id: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for mail in &mails {
        by_id.entry(header(mail, "Message-ID").unwrap()).or_default().insert(undated(mail));
    }
    let keys = service.ledger("SELECT key FROM outbox WHERE channel = 'email:office'");
    assert_eq!(by_id.len(), keys.len(), "each message is one mail: {keys:?} {by_id:#?}");
    assert!(by_id.values().all(|copies| copies.len() == 1), "a repeat is the same mail: {by_id:#?}");
    assert!(mails.len() > keys.len(), "the one whose answer was not heard came twice");
    for mail in &mails {
        assert_eq!(header(mail, "X-Encrypted"), Some("True"));
        assert_eq!(header(mail, "X-Envelope"), Some("bedfeed@icb.example -> desk@icb.example night@icb.example"));
        assert!(mail.contains("multipart/alternative") && mail.contains("text/plain") && mail.contains("text/html"), "{mail}");
        let answered = header(mail, "In-Reply-To");
        assert_eq!(answered.is_some(), mail.contains("/end"), "{mail}");
        assert!(answered.is_none_or(|id| by_id.contains_key(id)), "it answers a mail that came: {mail}");
    }
    let begun = mails.iter().find(|mail| mail.contains(&format!("RZZ/missed/{first}/begin"))).unwrap();
    assert!(header(begun, "Subject").unwrap().starts_with("ERROR RZZ "), "{begun}");

    let refused = wait_for("the wrong password was tried", || tried_in_vain(&service, "email:wrong").filter(|error| error.contains("535")));
    assert!(refused.contains("refuses alert") && refused.contains("waiting will not help"), "{refused}");
    let untrusted = tried_in_vain(&service, "email:stranger").unwrap();
    assert!(untrusted.contains("ertificate"), "nothing is said to a server that nobody vouches for: {untrusted}");
    server.stop();
    service.stop();
    let ledger = service.ledger("SELECT body FROM entry");
    for secret in ["Geheim", "falsch"] {
        assert!(!service.log().contains(secret) && !format!("{ledger:?}").contains(secret), "{secret}");
    }
}

#[test]
fn p5_an_alertmanager_fires_and_resolves_and_prometheus_fires_by_the_shipped_rules() {
    let (mut service, first) = silent("");
    let mut manager = Alertmanager::new(&service.dir().join("alertmanager"));
    service.append("bedfeed.toml", &format!("[[alerts.alertmanager]]\nname = \"main\"\nurl = \"{}\"\n", manager.url()));
    service.edit("bedfeed.toml", "[web]\n", "[web]\npublic_url = \"https://beds.example/\"\n");
    service.start();
    wait_for("it was told in vain", || tried_in_vain(&service, "alertmanager:main"));
    manager.start();
    let ours = |manager: &Alertmanager| -> BTreeMap<String, Value> {
        let alerts = manager.firing().into_iter().filter(|alert| alert["labels"]["episode"].is_string());
        alerts.map(|alert| (alert["labels"]["alertname"].as_str().unwrap().to_owned(), alert)).collect()
    };
    let both = |manager: &Alertmanager| ours(manager).into_keys().collect::<Vec<_>>() == ["BedfeedLate", "BedfeedMissed"];
    wait_until("both alerts fire", || both(&manager));
    let missed = ours(&manager).remove("BedfeedMissed").unwrap();
    let labels = json!({
        "alertname": "BedfeedMissed", "problem": "missed", "provider": "RZZ", "severity": "error", "episode": format!("RZZ/missed/{first}"),
    });
    assert_eq!((&missed["labels"], &missed["generatorURL"]), (&labels, &json!("https://beds.example/")));
    let ends: Timestamp = missed["endsAt"].as_str().unwrap().parse().unwrap();
    assert!(ends > now() + SignedDuration::from_mins(10), "a short silence of ours is no recovery: {missed}");

    // It is killed, and forgets everything. What the ledger says is open is told again.
    manager.forget();
    service.kill();
    manager.start();
    assert!(ours(&manager).is_empty());
    service.start();
    wait_until("both alerts fire again", || both(&manager));
    assert_eq!(ours(&manager)["BedfeedMissed"]["labels"], labels, "the same alert as before");

    let web = service.status()["daemon"]["web"].as_str().unwrap().to_owned();
    let shipped = std::fs::read_to_string(repository().join("config/prometheus/bedfeed.rules.yml")).unwrap();
    let hasty = shipped.replace("for: 1m", "for: 1s");
    assert_ne!(hasty, shipped);
    let folder = service.dir().join("prometheus");
    let (_prometheus, url) = prometheus(&folder, &web, &hasty, manager.url().trim_start_matches("http://"));
    let fires = |name: &str| {
        let alerts = get(&format!("{url}/api/v1/alerts"))["data"]["alerts"].as_array().unwrap().clone();
        alerts.into_iter().any(|alert| alert["labels"]["alertname"] == name && alert["state"] == "firing")
    };
    wait_until("the rule fires", || fires("BedfeedFeedOverdue"));
    assert!(!fires("BedfeedGone") && !fires("BedfeedNotJudging"));
    wait_until("the Alertmanager hears of it from Prometheus", || {
        manager.firing().iter().any(|alert| alert["labels"]["alertname"] == "BedfeedFeedOverdue")
    });

    send_good(&service);
    wait_until("both alerts are resolved", || ours(&manager).is_empty());
    wait_until("the rule does not fire any more", || !fires("BedfeedFeedOverdue"));
}

#[test]
fn the_shipped_rules_do_what_their_tests_say_and_the_metrics_are_well_formed() {
    let rules = repository().join("config/prometheus");
    for (what, file) in [("rules", "bedfeed.rules.yml"), ("test", "bedfeed.rules.test.yml")] {
        let arguments = if what == "rules" { ["check", "rules"] } else { ["test", "rules"] };
        let ran = run("promtool", &[arguments[0], arguments[1], rules.join(file).to_str().unwrap()], b"");
        assert_eq!(ran.code, Some(0), "{ran:?}");
    }
    let (mut service, _) = silent("");
    service.start();
    send_good(&service);
    service.settled(1);
    let web = service.status()["daemon"]["web"].as_str().unwrap().to_owned();
    let metrics = wait_for("the first round is over", || {
        let metrics = run("curl", &["-s", "-f", &format!("http://{web}/metrics")], b"").fine().stdout;
        metrics.contains("\nbedfeed_last_evaluation_timestamp_seconds ").then_some(metrics)
    });
    let checked = run("promtool", &["check", "metrics"], metrics.as_bytes());
    assert_eq!((checked.code, checked.stderr.as_str()), (Some(0), ""), "{checked:?}");
    // What the rules ask for is there.
    let text = std::fs::read_to_string(rules.join("bedfeed.rules.yml")).unwrap();
    let expressions = text.lines().filter_map(|line| line.trim().strip_prefix("expr: "));
    let words = expressions.flat_map(|line| line.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_'));
    let asked: BTreeSet<&str> = words.filter(|word| word.starts_with("bedfeed_")).collect();
    assert!(asked.len() >= 6, "{asked:?}");
    // Without a heartbeat in the settings, it was never heard.
    for name in asked.into_iter().filter(|name| !name.contains("heartbeat")) {
        assert!(metrics.contains(&format!("# TYPE {name} gauge\n{name}")), "{name} has no sample in {metrics}");
    }
}

#[test]
fn p5_quiet_hours_keep_what_is_not_urgent_and_the_heartbeat_beats_while_the_loops_turn() {
    let (desk, pager, outside) = (Webhook::open(), Webhook::open(), Webhook::open());
    let local = |minutes: i64| {
        let at = now() + SignedDuration::from_mins(minutes);
        at.to_zoned(TimeZone::get("Europe/London").unwrap()).strftime("%H:%M").to_string()
    };
    let (mut service, first) = silent(&format!(
        "{}{}[[alerts.route]]\nchannels = [\"desk\"]\nquiet = \"{}-{}\"\n[[alerts.route]]\nseverity = \"error\"\nchannels = [\"pager\"]\n\
         [alerts.heartbeat]\nurl = \"{}/secret\"\nevery = \"10s\"\n",
        webhook("desk", &desk.url(), ""),
        webhook("pager", &pager.url(), "form = \"slack\""),
        local(-60),
        local(60),
        outside.url(),
    ));
    service.start();
    let key = |problem: &str, kind: &str| format!("RZZ/{problem}/{first}/{kind}");
    wait_until("what is urgent is told", || desk.taken() == [key("missed", "begin")] && pager.taken() == [key("missed", "begin")]);
    let chat = &pager.posted()[0].body;
    assert!(chat["text"].as_str().unwrap().starts_with("Error: RZZ ") && chat["blocks"].is_array(), "{chat}");
    let held = waiting(&service, "webhook:desk");
    assert_eq!((held.len(), &held[0]["key"], &held[0]["attempts"]), (1, &json!(key("late", "begin")), &json!(0)), "{held:?}");
    // A restart in the quiet hours changes nothing.
    service.kill();
    service.start();
    send_good(&service);
    wait_until("the end is told where it is not quiet", || pager.taken().contains(&key("missed", "end")));
    let dropped = "SELECT body FROM entry WHERE body LIKE '%alert_dropped%'";
    wait_until("what was over before the morning is dropped", || service.ledger(dropped).len() == 1);
    assert!(service.ledger(dropped)[0]["body"].as_str().unwrap().contains(&key("late", "begin")));
    assert_eq!(waiting(&service, "webhook:desk").iter().map(|row| &row["key"]).collect::<Vec<_>>(), [&json!(key("missed", "end"))]);
    assert_eq!(desk.taken(), [key("missed", "begin")]);

    wait_until("the heartbeat is heard", || outside.posted().iter().any(|ping| ping.asked == "GET /bedfeed/secret"));
    assert!(outside.posted().iter().all(|ping| ping.asked == "GET /bedfeed/secret"), "{:?}", outside.posted());
    let web = service.status()["daemon"]["web"].as_str().unwrap().to_owned();
    let metrics = || run("curl", &["-s", "-f", &format!("http://{web}/metrics")], b"").fine().stdout;
    wait_until("it is counted", || metrics().contains("\nbedfeed_heartbeat_last_success_timestamp_seconds "));
    assert!(metrics().contains("\nbedfeed_outbox_pending{channel=\"webhook:desk\"} 0\n"), "what is held is no trouble: {}", metrics());
    assert!(!service.log().contains("/secret"), "the address is a secret");
    service.stop();
}

#[test]
fn p5_a_channel_that_takes_nothing_is_told_of_on_the_others() {
    let (desk, port) = (Webhook::open(), free_port());
    let gone = webhook("gone", &format!("http://127.0.0.1:{port}/secret"), "");
    let (mut service, _) = silent(&format!("{gone}{}", webhook("desk", &desk.url(), "")));
    service.start();
    wait_for("it was tried in vain", || tried_in_vain(&service, "webhook:gone"));
    service.stop();
    // As after half an hour: nine tries, and the next one in a moment.
    let soon = format!("{:.6}", now() + SignedDuration::from_secs(12));
    let aged = format!("UPDATE outbox SET attempts = 9, next_at = '{soon}' WHERE channel = 'webhook:gone' AND delivered_at IS NULL");
    run("sqlite3", &[service.state().join("ledger.db").to_str().unwrap(), &aged], b"").fine();
    service.start();
    let told = |kind: &str| desk.posted().into_iter().find(|it| it.key.starts_with("house/channel/") && it.key.ends_with(kind));
    let begun = wait_for("the others are told", || told("/begin")).body;
    let text = begun["text"].as_str().unwrap();
    assert!(text.contains("webhook:gone takes nothing: cannot post alert") && !text.contains("secret"), "{text}");
    let back = Webhook::open_at(port);
    wait_for("they are told when it is over", || told("/end"));
    wait_until("what was queued arrives", || waiting(&service, "webhook:gone").is_empty());
    let keys = back.taken();
    assert!(keys.iter().any(|key| key.starts_with("RZZ/late/")) && keys.iter().any(|key| key.starts_with("RZZ/missed/")), "{keys:?}");
    assert!(!keys.iter().any(|key| key.starts_with("house/channel/")), "it is not told of itself: {keys:?}");
}

#[test]
fn p5_the_heartbeat_says_so_where_lateness_cannot_be_judged() {
    let outside = Webhook::open();
    let (mut service, _) = silent(&format!("[alerts.heartbeat]\nurl = \"{}\"\n", outside.url()));
    let failing: Vec<String> = (1..=30).map(|passing| format!("episode_record.before:{passing}:error")).collect();
    service.start_with(&[], &[("BEDFEED_FAULT", &failing.join(","))]);
    service.await_ready();
    wait_until("it is heard", || outside.posted().iter().any(|ping| ping.asked == "GET /bedfeed/fail"));
    assert!(outside.posted().iter().all(|ping| ping.asked == "GET /bedfeed/fail"), "{:?}", outside.posted());
    assert!(service.log().contains("lateness could not be judged"));
}

#[test]
fn every_channel_can_be_tried_by_hand() {
    let (desk, chat) = (Webhook::open(), Webhook::open());
    let (service, _) = silent(&format!("{}{}", webhook("desk", &desk.url(), ""), webhook("chat", &chat.url(), "form = \"teams\"")));
    let tried = service.bedfeed(&["check-config", "--send-test"]);
    assert_eq!(tried.code, Some(0), "{tried:?}");
    for line in ["log: taken", "webhook:desk: taken", "webhook:chat: taken"] {
        assert!(tried.stdout.lines().any(|told| told == line), "{tried:?}");
    }
    let [posted] = desk.posted().try_into().unwrap();
    assert_eq!((&posted.body["problem"], &posted.body["kind"]), (&json!("test"), &json!("end")));
    assert!(posted.body["title"].as_str().unwrap().starts_with("TEST: "), "{}", posted.body);
    assert_eq!(chat.posted()[0].body["attachments"][0]["content"]["version"], "1.2");
    chat.set_away(true);
    let tried = service.bedfeed(&["check-config", "--send-test"]);
    assert_eq!(tried.code, Some(1), "{tried:?}");
    assert!(tried.stdout.contains("webhook:chat: NOT taken: cannot post alert test/") && tried.stdout.contains("webhook:desk: taken"));
    let quiet = service.bedfeed(&["check-config"]).fine();
    assert!(!quiet.stdout.contains("taken"), "{quiet:?}");
    assert_eq!(desk.posted().len(), 2, "nothing is sent unasked");
}
