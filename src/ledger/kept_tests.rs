//! Holds, disposals and what the derived tables let go of, tried on a real file.

use super::{AlertToSend, Class, Disposal, Event, FILE_NAME, Hold, HoldScope, Ledger, Reader};
use crate::feed::testing::delivery;
use crate::feed::{Finding, Report, Rule, Stage};
use jiff::Timestamp;
use rusqlite::Connection;
use std::path::PathBuf;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

struct Bench {
    _dir: tempfile::TempDir,
    path: PathBuf,
    ledger: Ledger,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE_NAME);
        let (ledger, _writer) = Ledger::open(&path).unwrap();
        Self { _dir: dir, path, ledger }
    }

    async fn append(&self, events: Vec<Event>) {
        self.ledger.append(at("2018-12-03T10:16:05Z"), events).await.unwrap();
    }

    fn reader(&self) -> Reader {
        Reader::open(&self.path).unwrap()
    }
}

#[tokio::test]
async fn holds_and_disposals_are_recorded_and_read_and_an_old_ledger_has_none() {
    let bench = Bench::new();
    let delivery = delivery(1);
    let scope = HoldScope { provider: Some(delivery.provider.clone()), ..HoldScope::default() };
    let hold = Hold { number: bench.reader().next_hold().unwrap(), scope, by: "cara".into(), reason: "inquest".into(), account: None };
    bench.append(vec![Event::HoldPlaced { hold: Box::new(hold.clone()) }]).await;
    assert_eq!((bench.reader().holds(false).unwrap()[0].hold.clone(), bench.reader().next_hold().unwrap()), (hold, 2));
    let end = Event::HoldEnded { hold: 1, by: "dan".into(), reason: "closed".into(), account: None };
    bench.append(vec![end]).await;
    assert!(bench.reader().holds(false).unwrap().is_empty());
    assert_eq!(bench.reader().holds(true).unwrap()[0].ended_by.as_deref(), Some("dan"));

    let before = at("2018-12-03T10:00:00Z");
    let disposal =
        |number, class| Disposal { number, class, rule: "raw_days = 30".into(), before, ids: vec![delivery.id], items: 1, bytes: 3 };
    for (number, class) in [(1, Class::Raw), (2, Class::Rows)] {
        assert_eq!(bench.reader().next_disposal().unwrap(), number);
        bench.append(vec![Event::Disposing { disposal: Box::new(disposal(number, class)), again: vec![] }]).await;
    }
    assert_eq!(bench.reader().unfinished_disposals().unwrap().len(), 2);
    bench.append(vec![Event::Disposed { disposal: 1 }]).await;
    let unfinished: Vec<_> = bench.reader().unfinished_disposals().unwrap().into_iter().map(|row| row.disposal).collect();
    assert_eq!(unfinished, [disposal(2, Class::Rows)]);
    assert_eq!(bench.reader().disposals(1).unwrap()[0].disposal.number, 2);
    let gone = bench.reader().gone(delivery.id).unwrap();
    assert_eq!(gone.into_values().map(|row| row.disposal.class).collect::<Vec<_>>(), [Class::Raw, Class::Rows]);
    assert_eq!(bench.reader().original_gone(delivery.id).unwrap().unwrap().disposal, disposal(1, Class::Raw));
    assert!(bench.reader().audit(&[]).unwrap().chain.is_ok());

    let old = "DROP TABLE hold; DROP TABLE disposed; DROP TABLE disposed_again; DROP TABLE disposal; DROP TABLE trimmed; PRAGMA user_version = 2;";
    Connection::open(&bench.path).unwrap().execute_batch(old).unwrap();
    let reader = bench.reader();
    assert!(
        reader.holds(true).unwrap().is_empty() && reader.disposals(9).unwrap().is_empty() && reader.gone(delivery.id).unwrap().is_empty()
    );
}

#[tokio::test]
async fn derived_tables_let_go_of_what_is_old_and_keep_what_is_compared_with() {
    let bench = Bench::new();
    let (old, young) = (delivery(1), delivery(2));
    let mut report = Report { parts: vec![("beds".into(), old.id)], ..Report::default() };
    report.findings.extend((1..=3).map(|line| Finding::new(Rule::Row01, "ward_code missing").at_line(line)));
    let held = Stage::Quarantined { sealed: false, discarded: false };
    let (then, now) = (at("2018-12-03T10:20:00Z"), at("2020-03-01T00:00:00Z"));
    for (delivery, at) in [(&old, then), (&young, now)] {
        let accepted = Event::Accepted { delivery: Box::new(delivery.clone()) };
        let moved = Event::Moved { delivery: delivery.id, stage: held.clone(), report: Some(Box::new(report.clone())), note: None };
        bench.ledger.append(at, vec![accepted, moved]).await.unwrap();
    }
    let alert = |key: &str| AlertToSend::now(key.to_owned(), "log".to_owned(), serde_json::json!({}));
    let provider = old.provider.clone();
    let opened = |key: &str| Event::EpisodeOpened {
        key: key.into(),
        provider: provider.clone(),
        episode: serde_json::json!({}),
        alerts: vec![alert(key)],
    };
    let closed = |key: &str| Event::EpisodeClosed { key: key.into(), alerts: vec![] };
    let taken = |key: &str| Event::AlertDelivered { key: key.into(), channel: "log".into() };
    bench.ledger.append(then, vec![opened("over"), closed("over"), taken("over"), opened("open")]).await.unwrap();
    bench.ledger.append(now, vec![opened("new"), closed("new"), taken("new")]).await.unwrap();
    assert_eq!(bench.reader().trimmed_before().unwrap(), None);
    for _ in 0..2 {
        bench.ledger.append(now, vec![Event::Trimmed { before: at("2019-12-01T00:00:00Z") }]).await.unwrap();
    }
    let reader = bench.reader();
    assert_eq!(reader.trimmed_before().unwrap(), Some(at("2019-12-01T00:00:00Z")));
    let findings = |id| {
        let report = reader.delivery(id).unwrap().unwrap().report.unwrap();
        (report.findings.iter().count(), report.findings.count_of(Rule::Row01), report.parts.len())
    };
    assert_eq!((findings(old.id), findings(young.id)), ((0, 3, 1), (3, 3, 1)));
    let known = ["over", "open", "new"].map(|key| (reader.told_before(key).unwrap().0 > 0, reader.knows_alert(key).unwrap()));
    assert_eq!(known, [(false, false), (true, true), (true, true)]);
    let told: usize = reader
        .life(old.id)
        .unwrap()
        .unwrap()
        .entries
        .iter()
        .filter(|entry| matches!(&entry.event, Event::Moved { report: Some(report), .. } if report.findings.iter().count() == 3))
        .count();
    assert_eq!(told, 1, "the entries keep it all");
}

#[tokio::test]
async fn what_goes_twice_is_named_by_both_and_what_a_hold_spares_by_neither() {
    let bench = Bench::new();
    let (one, two) = (delivery(1).id, delivery(2).id);
    let disposal = |number, ids, items| Disposal {
        number,
        class: Class::Sums,
        rule: "sum_days = 28".into(),
        before: at("2018-12-03T10:00:00Z"),
        ids,
        items,
        bytes: 0,
    };
    let disposing = |number, ids, items, again| Event::Disposing { disposal: Box::new(disposal(number, ids, items)), again };
    let spared = |disposal, ids, items| Event::Spared { disposal, ids, items, bytes: 0 };
    bench.append(vec![disposing(1, vec![one, two], 7, vec![]), spared(1, vec![two], 3), Event::Disposed { disposal: 1 }]).await;
    bench.append(vec![disposing(2, vec![one, two], 9, vec![one])]).await;
    let reader = bench.reader();
    let named = |rows: Vec<super::DisposalRow>| rows.into_iter().map(|row| row.disposal).collect::<Vec<_>>();
    assert_eq!(named(reader.unfinished_disposals().unwrap()), [disposal(2, vec![one, two], 9)]);
    assert_eq!(named(reader.disposals(9).unwrap())[1], disposal(1, vec![one], 4));
    bench.append(vec![spared(2, vec![one, two], 99), Event::Disposed { disposal: 2 }]).await;
    let reader = bench.reader();
    assert_eq!(named(reader.disposals(9).unwrap()), [disposal(2, vec![], 0), disposal(1, vec![one], 4)]);
    assert_eq!([one, two].map(|id| reader.is_gone(id, Class::Sums).unwrap()), [true, false]);
    assert!(!reader.is_gone(one, Class::Rows).unwrap());
    assert!(reader.audit(&[]).unwrap().is_fine());
}

#[tokio::test]
async fn times_are_read_back_to_the_first_that_is_older() {
    let bench = Bench::new();
    assert!(bench.reader().times_back_to(at("2018-12-03T10:00:00Z")).unwrap().is_empty());
    let times = ["2018-12-01T10:00:00Z", "2018-12-02T10:00:00Z", "2018-12-03T12:00:00Z", "2018-12-03T11:00:00Z"].map(at);
    for time in times {
        bench.ledger.append(time, vec![Event::Stopped]).await.unwrap();
    }
    for (since, count) in [("2018-12-03T11:30:00Z", 1), ("2018-12-03T11:00:00Z", 3), ("2018-12-01T00:00:00Z", 4)] {
        let expected: Vec<Timestamp> = times.into_iter().rev().take(count).collect();
        assert_eq!(bench.reader().times_back_to(at(since)).unwrap(), expected, "{since}");
    }
}
