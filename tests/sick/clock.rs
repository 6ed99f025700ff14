//! A clock that jumps by an hour, there and back: no slot is judged twice, and nobody is told more than is true.

use super::{allowed, house, quiet, send};
use crate::common::books::{Sent, reconcile, reconcile_alerts};
use crate::common::extract::good;
use crate::common::{now, run, wait_until};
use bedfeed::feed::Slot;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;

/// The daemon's own time, by its pages.
fn its_time(web: &str) -> Timestamp {
    let ran = run("curl", &["--silent", "--show-error", "--fail", &format!("http://{web}/api/v1/feeds")], b"").fine();
    ran.json()["made_at"].as_str().unwrap().parse().unwrap()
}

#[test]
fn p5_a_clock_that_jumps_an_hour_there_and_back_tells_nothing_twice_and_judges_no_slot_twice() {
    if !allowed("faketime", &["now", "true"], "BEDFEED_WITHOUT_FAKETIME") {
        return;
    }
    let (mut service, desk) = house("[sftp]", "[sftp]");
    let offset = service.dir().join("offset");
    let set = |hours: i64| std::fs::write(&offset, format!("{:+}h\n", hours)).unwrap();
    set(0);
    let library = std::fs::read_dir("/usr/lib").unwrap().filter_map(|entry| {
        let path = entry.unwrap().path().join("faketime/libfaketime.so.1");
        path.is_file().then_some(path)
    });
    let library = library.into_iter().next().expect("faketime brings its library");
    let variables = [
        ("LD_PRELOAD", library.to_str().unwrap()),
        ("FAKETIME_TIMESTAMP_FILE", offset.to_str().unwrap()),
        ("FAKETIME_NO_CACHE", "1"),
        // A jump is one of the time of day; what measures lengths of time goes on.
        ("DONT_FAKE_MONOTONIC", "1"),
    ];
    service.start_with(&[], &variables);
    service.await_ready();
    let web = service.status()["daemon"]["web"].as_str().unwrap().to_owned();
    let mut sent = Sent::default();
    let mut slots = BTreeSet::new();
    let mut pattern = 0;
    for _ in 0..3 {
        for hours in [0, 1, 0, -1] {
            set(hours);
            let wanted = SignedDuration::from_hours(hours);
            wait_until("the daemon's clock has jumped", || {
                (its_time(&web).duration_since(now()) - wanted).abs() < SignedDuration::from_mins(5)
            });
            // A file as its sender's clock has it, which does not jump: for a daemon an hour behind it is from the future.
            pattern += 1;
            let (name, text) = good("RZZ", now(), pattern);
            slots.insert(Slot::containing(now()));
            assert!(send(&service, &mut sent, (&name, &text), if hours < 0 { "quarantined" } else { "loaded" }));
            quiet(&service);
        }
    }
    set(0);
    let (name, text) = good("RZZ", now(), 99);
    assert!(send(&service, &mut sent, (&name, &text), "loaded"));
    wait_until("every episode has ended", || {
        quiet(&service);
        service.ledger("SELECT 1 FROM episode WHERE closed_at IS NULL").is_empty()
    });
    reconcile(&service, &sent);
    reconcile_alerts(&service, &desk);
    let taken = desk.taken();
    let distinct: BTreeSet<&String> = taken.iter().collect();
    assert_eq!(distinct.len(), taken.len(), "nothing is told twice: {taken:?}");
    let begun = |problem: &str| taken.iter().filter(|key| key.starts_with(&format!("RZZ/{problem}/")) && key.ends_with("/begin")).count();
    let clock = |kind: &str| taken.iter().filter(|key| key.starts_with("house/clock/") && key.ends_with(kind)).count();
    assert_eq!((clock("/begin"), clock("/end")), (1, 0), "the jumps are one stretch of trouble: {taken:?}");
    let status = service.bedfeed(&["status"]).fine().stdout;
    assert!(status.contains("The clock of this machine jumped"), "{status}");
    // An hour ahead the feed seems silent, but the same silence is one episode however often the clock jumps there.
    assert!((1..=slots.len()).contains(&begun("late")) && (1..=slots.len()).contains(&begun("missed")), "{taken:?}");
    assert!(taken.len() <= 4 * slots.len() + 1, "no storm: {taken:?}");
    let opened = service.ledger("SELECT body FROM entry WHERE body LIKE '%\"event\":\"episode_opened\"%'");
    assert_eq!(opened.len() * 2, taken.len() - 1, "no slot is judged late or missed twice: {opened:?}");
    service.stop();
}
