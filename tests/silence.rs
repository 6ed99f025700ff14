//! What people say about feeds, from outside: downtime, pauses and acknowledged alerts, over a daemon whose clock is moved and
//! which is killed after each word. Names say which promise they hold us to.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may fail loudly"
)]

mod common;

use bedfeed::feed::{Clock, LONDON, read_local};
use bedfeed::pipeline::Saying;
use bedfeed::service::by_hand::ByHand;
use common::extract::good;
use common::webhook::Webhook;
use common::{BEDFEED, Ran, Service, now, run, wait_for, wait_until};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// A moment of the day of this story, on which local time is UTC.
fn at(clock: &str) -> Timestamp {
    format!("2018-12-03T{clock}:00Z").parse().unwrap()
}

/// A daemon and its commands at another time than the machine's.
struct Moved {
    service: Service,
    desk: Webhook,
    variables: Vec<(&'static str, String)>,
    offset: PathBuf,
}

impl Moved {
    /// Two feeds that are expected from 10:00 on. `RZY` is spoken about; `RZZ` never sends, and is judged after it in each round: what
    /// is told of it tells that the other was judged too.
    fn new() -> Option<Self> {
        let library = std::fs::read_dir("/usr/lib").unwrap().find_map(|entry| {
            let path = entry.unwrap().path().join("faketime/libfaketime.so.1");
            path.is_file().then_some(path)
        });
        if library.is_none() && std::env::var_os("BEDFEED_WITHOUT_FAKETIME").is_some() {
            return None;
        }
        let library = library.expect("faketime is not installed; BEDFEED_WITHOUT_FAKETIME=1 leaves this out");
        let service = Service::cottage(&["RZY", "RZZ"]);
        let desk = Webhook::open();
        service.append("bedfeed.toml", &format!("\n[[alerts.webhook]]\nname = \"desk\"\nurl = \"{}\"\n", desk.url()));
        for code in ["RZY", "RZZ"] {
            service.append(&format!("providers/{code}.toml"), "\n[schedule]\nfirst_slot = \"2018-12-03T10:00Z\"\n");
        }
        let offset = service.dir().join("offset");
        let variables = vec![
            ("LD_PRELOAD", library.display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", offset.display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("DONT_FAKE_MONOTONIC", "1".to_owned()),
        ];
        Some(Self { service, desk, variables, offset })
    }

    /// Makes it another time of the day; then kills the daemon, where it runs, and starts it again. It is killed only when the ledger has
    /// an entry of about that time: otherwise nobody had watched in between.
    fn again_at(&mut self, clock: &str) {
        std::fs::write(&self.offset, format!("{:+}\n", at(clock).duration_since(now()).as_secs())).unwrap();
        if self.service.is_running() {
            let about = at(clock) - SignedDuration::from_mins(5);
            let seen = format!("SELECT 1 FROM entry WHERE at >= '{}' LIMIT 1", about.strftime("%Y-%m-%dT%H:%M:%S"));
            wait_until("the daemon has seen the time", || !self.service.ledger(&seen).is_empty());
        }
        self.service.kill();
        let variables: Vec<(&str, &str)> = self.variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.service.start_with(&[], &variables);
        self.service.await_ready();
    }

    /// A command of bedfeed at the daemon's time.
    fn bedfeed(&self, arguments: &[&str]) -> Ran {
        let mut command = Command::new(BEDFEED);
        command.args(arguments).arg("--config").arg(self.service.settings());
        let output = command.envs(self.variables.iter().map(|(name, value)| (*name, value))).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ran { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// The same, with who and why.
    fn say(&self, arguments: &[&str]) -> Ran {
        self.bedfeed(&[arguments, &["--by", "Jo Bloggs", "--reason", "server move"]].concat())
    }

    fn feed(&self, code: &str) -> Value {
        let status = self.bedfeed(&["status", "--json"]).fine().json();
        let feeds = status["summary"]["feeds"].as_array().unwrap();
        feeds.iter().find(|feed| feed["provider"] == code).unwrap().clone()
    }

    /// Light, condition and sentence of the feed that is spoken about.
    fn shown(&self) -> (String, String, String) {
        let feed = self.feed("RZY");
        let [light, condition, state] = ["light", "condition", "state"].map(|key| feed[key].as_str().unwrap().to_owned());
        (light, condition, state)
    }

    /// What the desk was told of a feed, each message once, in order.
    fn told(&self, code: &str) -> Vec<String> {
        let mut keys = Vec::new();
        for key in self.desk.taken() {
            if key.starts_with(code) && !keys.contains(&key) {
                keys.push(key);
            }
        }
        keys
    }

    #[track_caller]
    fn until_told(&self, key: &str) -> Value {
        wait_for(&format!("{key} is told"), || {
            self.desk.posted().into_iter().find(|posted| posted.taken && posted.key == key).map(|posted| posted.body)
        })
    }

    fn send(&self, clock: &str) {
        let (name, text) = good("RZY", at(clock), 0b101);
        self.service.send("RZY", "inbox", [(name.as_str(), &text)]);
    }
}

#[test]
fn p5_what_people_say_about_silence_outlasts_every_kill_and_what_they_forget_is_told() {
    let Some(mut moved) = Moved::new() else { return };
    moved.again_at("10:02");
    moved.send("10:00");
    moved.service.settled(1);

    // Planned downtime: grey with the reason, and nothing is told of it.
    let planned = moved.say(&["downtime", "add", "--provider", "RZY", "--from", "2018-12-03T10:10", "--until", "2018-12-03 11:00"]).fine();
    let words = "downtime 1: no file is expected from RZY from Mon 3 Dec 2018 10:10 GMT until Mon 3 Dec 2018 11:00 GMT. \
                 `bedfeed downtime end 1` ends it before.\n";
    assert_eq!(planned.stdout, words);
    assert_eq!(moved.bedfeed(&["downtime", "list", "--json"]).fine().json()[0]["stands"], "to_come");
    moved.again_at("10:40");
    moved.until_told("RZZ/missed/2018-12-03T10:00Z/begin");
    assert_eq!(moved.told("RZY"), [""; 0], "nobody is called for what was planned");
    let state = "Planned downtime until Mon 3 Dec 2018 11:00 GMT: server move (by Jo Bloggs).";
    assert_eq!(moved.shown(), ("grey".to_owned(), "planned".to_owned(), state.to_owned()));
    let silence = &moved.feed("RZY")["silence"];
    assert_eq!((&silence["id"], &silence["by"], &silence["until"]), (&json!(1), &json!("Jo Bloggs"), &json!("2018-12-03T11:00:00Z")));
    assert!(moved.bedfeed(&["status"]).fine().stdout.contains(state), "people see it too");
    let web = moved.service.status()["daemon"]["web"].as_str().unwrap().to_owned();
    let page = |path: &str| run("curl", &["--silent", "--show-error", "--fail", &format!("http://{web}{path}")], b"").fine().stdout;
    for path in ["/", "/api/v1/feeds"] {
        assert!(page(path).contains(state), "{path}");
    }
    assert!(page("/metrics").contains("bedfeed_feed_silenced{feed=\"RZY\"} 1\n"));
    // A file that comes all the same is taken, judged and loaded as ever.
    moved.send("10:30");
    assert_eq!(moved.service.settled(2)[1]["outcome"], "loaded");
    let slots = "SELECT state FROM feed_slot WHERE provider_code = 'RZY' ORDER BY slot_utc";
    wait_until("the warehouse has the slots", || {
        moved.service.query(slots).iter().map(|row| row["state"].as_str().unwrap()).eq(["on_time", "planned", "late"])
    });

    // An overrun is told as usual; somebody sees to it.
    moved.again_at("11:06");
    moved.until_told("RZY/late/2018-12-03T11:00Z/begin");
    assert_ne!(moved.shown().0, "grey");
    let listed = moved.bedfeed(&["alert", "list", "--json"]).fine().json();
    let listed = listed.as_array().unwrap().iter().find(|alert| alert["provider"] == "RZY").unwrap().clone();
    assert_eq!(
        (&listed["key"], &listed["since"], &listed["acknowledged"]),
        (&json!("RZY/late/2018-12-03T11:00Z"), &json!("2018-12-03T11:05:00Z"), &Value::Null)
    );
    let seen_to = moved.say(&["alert", "ack", "RZY/late/2018-12-03T11:00Z/begin"]).fine().stdout;
    assert!(seen_to.starts_with("RZY/late/2018-12-03T11:00Z: seen to by Jo Bloggs."), "{seen_to}");
    moved.again_at("11:07");
    assert!(moved.shown().2.contains("Seen to by Jo Bloggs since Mon 3 Dec 2018 11:0"), "{:?}", moved.shown());
    let words = moved.bedfeed(&["alert", "list"]).fine().stdout;
    assert!(
        words.lines().any(|line| line.starts_with("RZY/late/") && line.contains("Jo Bloggs") && line.ends_with("server move")),
        "{words}"
    );

    // Planned over what is late already: that is withdrawn, and says why.
    moved.again_at("11:21");
    moved.until_told("RZY/missed/2018-12-03T11:00Z/begin");
    moved.say(&["downtime", "add", "--provider", "RZY", "--from", "2018-12-03T11:20Z", "--until", "2018-12-03T12:00Z"]).fine();
    let end = moved.until_told("RZY/late/2018-12-03T11:00Z/end");
    let why = "Planned downtime until Mon 3 Dec 2018 12:00 GMT: server move (by Jo Bloggs). No file is waited for meanwhile.";
    assert!(end["text"].as_str().unwrap().starts_with(why) && end["ending"] == "withdrawn", "{end}");
    moved.until_told("RZY/missed/2018-12-03T11:00Z/end");
    let over = moved.say(&["alert", "ack", "RZY/late/2018-12-03T11:00Z"]);
    assert!(over.code == Some(1) && over.stderr.contains("no alert RZY/late/2018-12-03T11:00Z goes on"), "{over:?}");

    // Ended before its time: armed again from the next slot on.
    moved.again_at("11:40");
    assert_eq!(moved.shown().1, "planned");
    moved.say(&["downtime", "end", "2"]).fine();
    let again = moved.say(&["downtime", "end", "2"]);
    assert!(again.code == Some(1) && again.stderr.contains("there is no downtime 2 that stands"), "{again:?}");
    moved.again_at("11:51");
    moved.until_told("RZY/late/2018-12-03T11:45Z/begin");

    // Paused: grey without an end, and files still count.
    moved.say(&["pause", "RZY"]).fine();
    let end = moved.until_told("RZY/late/2018-12-03T11:45Z/end");
    assert!(end["text"].as_str().unwrap().starts_with("Paused until somebody resumes it: server move (by Jo Bloggs)."), "{end}");
    moved.again_at("11:52");
    let twice = moved.say(&["pause", "RZY"]);
    assert!(twice.code == Some(1) && twice.stderr.contains("paused already, by Jo Bloggs (server move)"), "{twice:?}");
    let state = "Paused until somebody resumes it: server move (by Jo Bloggs).";
    assert_eq!(moved.shown(), ("grey".to_owned(), "paused".to_owned(), state.to_owned()));
    assert_eq!(moved.feed("RZY")["next_due"], Value::Null);
    moved.send("11:50");
    assert_eq!(moved.service.settled(3)[2]["outcome"], "loaded");
    moved.again_at("12:31");
    assert_eq!(moved.shown().1, "paused");
    moved.say(&["resume", "RZY"]).fine();
    let twice = moved.say(&["resume", "RZY"]);
    assert!(twice.code == Some(1) && twice.stderr.contains("RZY is not paused"), "{twice:?}");
    moved.again_at("12:51");
    moved.until_told("RZY/late/2018-12-03T12:45Z/begin");
    let told = [
        "late/2018-12-03T11:00Z/begin",
        "missed/2018-12-03T11:00Z/begin",
        "late/2018-12-03T11:00Z/end",
        "missed/2018-12-03T11:00Z/end",
        "late/2018-12-03T11:45Z/begin",
        "late/2018-12-03T11:45Z/end",
        "late/2018-12-03T12:45Z/begin",
    ];
    assert_eq!(moved.told("RZY"), told.map(|key| format!("RZY/{key}")), "this, and nothing else");

    // All of it is known while the daemon is stopped too, and the trail holds it.
    moved.service.stop();
    let all = moved.bedfeed(&["downtime", "list", "--all", "--json"]).fine().json();
    let rows: Vec<_> = all.as_array().unwrap().iter().map(|row| (row["id"].as_u64().unwrap(), row["kind"].as_str().unwrap())).collect();
    assert_eq!(rows, [(3, "paused"), (2, "planned"), (1, "planned")]);
    assert_eq!((&all[1]["stands"], &all[1]["ended"]["by"], &all[2]["ended"]), (&json!("over"), &json!("Jo Bloggs"), &Value::Null));
    assert_eq!(moved.bedfeed(&["downtime", "list"]).fine().stdout, "no downtime, and no feed is paused\n");
    let alerts = moved.bedfeed(&["alert", "list", "--all", "--json"]).fine().json();
    let late = alerts.as_array().unwrap().iter().find(|alert| alert["key"] == "RZY/late/2018-12-03T11:00Z").unwrap();
    assert_eq!(late["acknowledged"]["by"], "Jo Bloggs");
    assert_eq!(moved.bedfeed(&["audit", "verify", "--json"]).fine().json()["fine"], true);
    let log = moved.service.log();
    assert!(!log.contains("panicked"), "{log}");
}

/// Time that a test moves.
struct ByMinutes(AtomicI64);

impl Clock for ByMinutes {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(60 * self.0.load(Ordering::SeqCst)).unwrap()
    }
}

/// A feed that never sends, on a night in which the clocks change: downtime from half past midnight to three, as people say it. The
/// house's own books, minute by minute, and started again in the middle of it.
#[test]
fn p5_downtime_over_a_change_of_the_clocks_is_as_long_as_that_night_is() {
    //   the first slot, the day, the slots that the downtime covers, and the first slot after it
    let rows = [
        ("2018-10-27T22:00Z", "2018-10-28", 14, "2018-10-28T03:00Z"),
        ("2019-03-30T23:00Z", "2019-03-31", 6, "2019-03-31T02:00Z"),
        ("2018-12-02T23:00Z", "2018-12-03", 10, "2018-12-03T03:00Z"),
    ];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for (first, day, slots, after) in rows {
        let service = Service::cottage(&["RZZ"]);
        service.append("providers/RZZ.toml", &format!("\n[schedule]\nfirst_slot = \"{first}\"\n"));
        let settings = bedfeed::config::load(&service.settings()).unwrap_or_else(|problems| panic!("{problems}"));
        let (begin, end): (Timestamp, Timestamp) = (first.parse().unwrap(), after.parse().unwrap());
        let minutes = Arc::new(ByMinutes(AtomicI64::new(begin.as_second() / 60 + 1)));
        let clock: Arc<dyn Clock> = minutes.clone();
        let zone = TimeZone::get(LONDON).unwrap();
        let [from, until] = ["00:30", "03:00"].map(|clock| read_local(&format!("{day}T{clock}"), &zone).unwrap());
        let told = runtime.block_on(async {
            let mut house = ByHand::open(&settings, Arc::clone(&clock)).await.unwrap();
            house.say(Saying::Downtime { provider: "RZZ".parse().unwrap(), from, until }).await.unwrap();
            while clock.now() < end + SignedDuration::from_mins(25) {
                house.tell().await.unwrap();
                if clock.now() == from + SignedDuration::from_mins(31) {
                    house.stop().await.unwrap();
                    house = ByHand::open(&settings, Arc::clone(&clock)).await.unwrap();
                }
                minutes.0.fetch_add(1, Ordering::SeqCst);
            }
            house.publish().await.unwrap();
            let told = house.read(|reader| reader.recent_episodes(100)).await.unwrap();
            house.stop().await.unwrap();
            told
        });
        let minutes_after = |at: Timestamp, slot: Timestamp| at.duration_since(slot).as_mins();
        let told: Vec<_> = told
            .iter()
            .rev()
            // Midnight is a key time of its own.
            .filter(|row| !row.key.contains("/key_time/"))
            .map(|row| (row.key.as_str(), row.closed_at.map(|closed| closed == from), minutes_after(row.opened_at, slot_of(&row.key))))
            .collect();
        let key = |problem: &str, slot: &str| format!("RZZ/{problem}/{slot}");
        let [late, missed, late_after, missed_after] = [key("late", first), key("missed", first), key("late", after), key("missed", after)];
        let expected = [
            (late.as_str(), Some(true), 6),
            (missed.as_str(), Some(true), 20),
            (late_after.as_str(), None, 6),
            (missed_after.as_str(), None, 20),
        ];
        assert_eq!(told, expected, "{day}");
        let planned = service.query("SELECT count(*) AS planned FROM feed_slot WHERE state = 'planned'");
        assert_eq!(planned, [json!({ "planned": slots })], "{day}");
    }
}

/// The slot in an episode's key.
fn slot_of(key: &str) -> Timestamp {
    key.rsplit('/').next().unwrap().parse().unwrap()
}

#[test]
fn what_makes_no_sense_is_refused_in_words_and_changes_nothing() {
    let mut service = Service::cottage(&["RZZ"]);
    service.start();
    let days = |days: i64| (now() + SignedDuration::from_hours(24 * days)).strftime("%Y-%m-%dT%H:%MZ").to_string();
    let (yesterday, tomorrow, later) = (days(-1), days(1), days(40));
    let add = |code: &'static str, from: &str, to: &str| {
        ["downtime", "add", "--provider", code, "--from", from, "--until", to, "--by", "Jo", "--reason", "x"].map(str::to_owned).to_vec()
    };
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    // What is asked, the exit status, and what is said.
    let rows = [
        (add("RZZ", &tomorrow, &tomorrow), 64, "--until: must be later than --from"),
        (add("RZZ", "2018-12-03", &tomorrow), 64, "--from: 2018-12-03 is not a time such as"),
        (add("RZZ", "2019-03-31T01:30", &tomorrow), 64, "does not exist, for the clocks go forward just then: say 2019-03-31T00:30:00Z or"),
        (add("RZZ", "2018-10-28T01:30", &tomorrow), 64, "is there twice, for the clocks go back just then: say 2018-10-28T00:30:00Z or"),
        (add("RZ/", &yesterday, &tomorrow), 64, "--provider RZ/"),
        (add("RZQ", &yesterday, &tomorrow), 1, "provider RZQ is not in the settings"),
        (add("RZZ", &days(-2), &yesterday), 1, "--until is over already"),
        (add("RZZ", &tomorrow, &later), 1, "a downtime lasts 31 days at most"),
        (add("RZZ", &yesterday, &later), 1, "a downtime lasts 31 days at most"),
        (words("downtime add --provider RZZ --from 2018-12-03T10:00Z --until 2018-12-03T11:00Z --by Jo"), 64, "--reason"),
        (words("downtime end 9 --by Jo --reason x"), 1, "there is no downtime 9"),
        (words("pause RZQ --by Jo --reason x"), 1, "provider RZQ is not in the settings"),
        (words("pause RZZ --until 2018-12-03T10:00 --by Jo --reason x"), 1, "--until is over already"),
        (words("pause RZZ --by Jo --reason 9990000018"), 1, "could be a patient's number"),
        (words("resume RZZ --by Jo --reason x"), 1, "RZZ is not paused"),
        (words("alert ack RZZ/late/2018-12-03T10:00Z --by Jo --reason x"), 1, "no alert RZZ/late/2018-12-03T10:00Z goes on"),
        (words("alert ack nothing"), 64, "--by"),
        (words("alert ack --by Jo --reason x"), 64, "<KEY>..."),
    ];
    for (arguments, code, said) in rows {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let ran = service.bedfeed(&arguments);
        assert_eq!(ran.code, Some(code), "{arguments:?}: {ran:?}");
        assert!(ran.stderr.contains(said) && ran.stdout.is_empty(), "{arguments:?}: {ran:?}");
    }
    assert_eq!(service.bedfeed(&["downtime", "list", "--all", "--json"]).fine().json(), json!([]));
    assert_eq!(service.bedfeed(&["alert", "list"]).fine().stdout, "no alerts\n");
    assert!(!service.log().contains("9990000018"), "P7: the number is in no log");
    service.stop();
    let ran = service.bedfeed(&["pause", "RZZ", "--by", "Jo", "--reason", "x"]);
    assert!(ran.code == Some(1) && ran.stderr.contains("start it with `bedfeed run`"), "{ran:?}");
}
