//! A clock that jumps by an hour, there and back: no slot is judged twice, and nobody is told more than is true.

use super::{allowed, house, nothing_pending, send};
use crate::common::books::{Sent, reconcile, reconcile_alerts};
use crate::common::extract::good;
use crate::common::{Service, now, run, wait_until};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// The daemon's own time, by its pages.
fn its_time(service: &Service, web: &str) -> Timestamp {
    let ran = run("curl", &["--silent", "--show-error", "--fail", &format!("http://{web}/api/v1/feeds")], b"").fine();
    let made_at = ran.json()["made_at"].as_str().unwrap().parse().unwrap();
    let _ = service;
    made_at
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
        path.try_exists().unwrap().then_some(path)
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
    let mut pattern = 0;
    // A file as its sender's clock has it, which does not jump; in time for the daemon only where its own is right.
    let mut deliver = |service: &Service, sent: &mut Sent, outcome: &'static str| {
        pattern += 1;
        let (name, text) = good("RZZ", now(), pattern);
        assert!(send(service, sent, (&name, &text), outcome));
        wait_until("nothing is pending", || nothing_pending(service));
    };
    deliver(&service, &mut sent, "loaded");
    for _ in 0..3 {
        for hours in [1, 0, -1, 0] {
            set(hours);
            let wanted = SignedDuration::from_hours(hours);
            wait_until("the daemon's clock has jumped", || {
                (its_time(&service, &web).duration_since(now()) - wanted).abs() < SignedDuration::from_mins(5)
            });
            // Two rounds of the watch, seen from outside: each publishes how slots stand.
            if hours == 0 {
                deliver(&service, &mut sent, "loaded");
            }
        }
    }
    reconcile(&service, &sent);
    reconcile_alerts(&service, &desk);
    let mut told: BTreeMap<String, usize> = BTreeMap::new();
    for key in desk.taken() {
        *told.entry(key).or_default() += 1;
    }
    assert!(told.values().all(|times| *times == 1), "{told:?}");
    // An hour ahead, one stretch of silence: late, missed, and the end of both.
    assert!(told.len() <= 4, "no storm: {told:?}");
    service.stop();
}
