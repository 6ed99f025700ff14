//! What the ledger promises, tried on a real file.

use super::{Act, AlertToSend, Event, Filter, Ledger, LedgerError, MAX_CLIENTS, PastRow, Reach, Reader};
use crate::feed::testing::delivery;
use crate::feed::{ClientSeen, Delivery, DeliveryId, Negotiated, Report, Slot, SnapshotRef, Stage};
use jiff::{SignedDuration, Timestamp};
use rusqlite::Connection;
use std::path::PathBuf;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn ready(lead: DeliveryId, version: u32) -> Stage {
    let slot = Slot::containing(at("2018-12-03T10:15:00Z"));
    Stage::Ready { snapshot: SnapshotRef { lead, slot, version }, attempts: 0, retry_at: at("2018-12-03T10:16:05Z") }
}

fn moved(delivery: DeliveryId, stage: Stage) -> Event {
    Event::Moved { delivery, stage, report: Some(Box::new(Report::default())), note: None }
}

struct Bench {
    _dir: tempfile::TempDir,
    path: PathBuf,
    ledger: Ledger,
    now: Timestamp,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(super::FILE_NAME);
        let (ledger, _writer) = Ledger::open(&path).unwrap();
        Self { _dir: dir, path, ledger, now: at("2018-12-03T10:16:05Z") }
    }

    async fn append(&self, events: Vec<Event>) -> Result<(), LedgerError> {
        self.ledger.append(self.now, events).await
    }

    fn reader(&self) -> Reader {
        Reader::open(&self.path).unwrap()
    }
}

#[tokio::test]
async fn a_delivery_is_pending_until_its_end_and_then_never_moves_again() {
    let bench = Bench::new();
    let delivery = delivery(1);
    let provider = delivery.provider.clone();
    bench.append(vec![Event::Accepted { delivery: Box::new(delivery.clone()) }]).await.unwrap();
    assert_eq!(bench.reader().undecided(&provider).unwrap().len(), 1);
    bench.append(vec![moved(delivery.id, ready(delivery.id, 1))]).await.unwrap();
    let Stage::Ready { snapshot, .. } = ready(delivery.id, 1) else { panic!("not ready") };
    assert!(bench.reader().undecided(&provider).unwrap().is_empty());
    assert_eq!(bench.reader().queue().unwrap().iter().map(|waiting| waiting.snapshot).collect::<Vec<_>>(), [snapshot]);
    bench.append(vec![moved(delivery.id, Stage::Loaded { snapshot })]).await.unwrap();
    assert!(bench.reader().queue().unwrap().is_empty());
    let again = bench.append(vec![moved(delivery.id, ready(delivery.id, 2))]).await;
    assert!(matches!(again, Err(LedgerError::IllegalMove(_))), "{again:?}");
    assert_eq!(bench.reader().life(delivery.id).unwrap().unwrap().entries.len(), 3);
    assert_eq!(bench.reader().newest_version(&provider, snapshot.slot).unwrap(), 1);
}

#[tokio::test]
async fn a_reader_that_is_kept_open_sees_what_was_recorded_since_and_one_that_failed_is_let_go() {
    let bench = Bench::new();
    let (first, second) = (delivery(1), delivery(2));
    for (delivery, expected) in [(first, 1), (second, 2)] {
        let entries = bench.ledger.read(|reader| reader.entries_after(0, 9)).await.unwrap();
        assert_eq!(entries.len() + 1, expected);
        bench.append(vec![Event::Accepted { delivery: Box::new(delivery) }]).await.unwrap();
        assert_eq!(bench.ledger.read(|reader| reader.entries_after(0, 9)).await.unwrap().len(), expected);
        assert_eq!(bench.ledger.idle_readers(), 1, "the same one each time");
    }
    let failed = bench.ledger.read(|_| Err::<(), _>(LedgerError::Closed)).await;
    assert!(matches!(failed, Err(LedgerError::Closed)), "{failed:?}");
    assert_eq!(bench.ledger.idle_readers(), 0);
    assert_eq!(bench.ledger.read(|reader| reader.entries_after(0, 9)).await.unwrap().len(), 2);
}

#[tokio::test]
async fn events_appended_together_are_recorded_together_or_not_at_all() {
    let bench = Bench::new();
    let (first, second) = (delivery(1), delivery(2));
    bench.append(vec![Event::Accepted { delivery: Box::new(first.clone()) }]).await.unwrap();
    let before = bench.reader().head().unwrap();
    let failed =
        bench.append(vec![Event::Accepted { delivery: Box::new(second.clone()) }, Event::Accepted { delivery: Box::new(first) }]).await;
    assert!(matches!(failed, Err(LedgerError::Append(_))), "{failed:?}");
    assert_eq!(bench.reader().head().unwrap(), before);
    assert_eq!(bench.reader().delivery(second.id).unwrap(), None);
}

#[tokio::test]
async fn two_snapshots_never_share_a_version() {
    let bench = Bench::new();
    let (first, second) = (delivery(1), delivery(2));
    bench.append(vec![Event::Accepted { delivery: Box::new(first.clone()) }]).await.unwrap();
    bench.append(vec![Event::Accepted { delivery: Box::new(second.clone()) }]).await.unwrap();
    bench.append(vec![moved(first.id, ready(first.id, 1))]).await.unwrap();
    assert!(bench.append(vec![moved(second.id, ready(second.id, 1))]).await.is_err());
    bench.append(vec![moved(second.id, ready(second.id, 2))]).await.unwrap();
}

#[tokio::test]
async fn appends_made_at_once_are_all_recorded_in_one_unbroken_chain() {
    let bench = Bench::new();
    let all = (1..=100).map(|number| {
        let (ledger, now) = (bench.ledger.clone(), bench.now);
        tokio::spawn(async move { ledger.append(now, vec![Event::Accepted { delivery: Box::new(delivery(number)) }]).await })
    });
    for append in all.collect::<Vec<_>>() {
        append.await.unwrap().unwrap();
    }
    assert_eq!(bench.reader().audit(&[]).unwrap().chain.unwrap().seq, 100);
    let newest = bench.reader().deliveries(&Filter { limit: Some(2), ..Filter::default() }).unwrap();
    assert_eq!(newest.iter().map(|row| row.delivery.name.to_string()).collect::<Vec<_>>(), ["file 100.csv", "file 99.csv"]);
}

#[tokio::test]
async fn an_edited_entry_breaks_the_chain_and_an_ordinary_edit_is_refused() {
    let bench = Bench::new();
    for number in 1..=3 {
        bench.append(vec![Event::Accepted { delivery: Box::new(delivery(number)) }]).await.unwrap();
    }
    let editor = Connection::open(&bench.path).unwrap();
    let edit = "UPDATE entry SET body = replace(body, 'file 2', 'file 9') WHERE seq = 2";
    assert!(editor.execute(edit, []).unwrap_err().to_string().contains("never changed"));
    assert!(editor.execute("DELETE FROM entry WHERE seq = 3", []).unwrap_err().to_string().contains("never deleted"));
    editor.execute_batch("DROP TRIGGER entry_is_never_changed").unwrap();
    editor.execute(edit, []).unwrap();
    assert_eq!(bench.reader().audit(&[]).unwrap().chain.unwrap_err().seq, 2);
}

#[tokio::test]
async fn p8_every_derived_table_is_compared_with_the_entries() {
    let bench = Bench::new();
    let connection = Connection::open(&bench.path).unwrap();
    let mut statement =
        connection.prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'entry' ORDER BY name").unwrap();
    let there: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let compared: Vec<&str> = super::audit::DERIVED.iter().map(|(table, _)| *table).collect();
    assert_eq!(there, compared);
    for (table, key) in super::audit::DERIVED {
        // Either an index that allows each key once, or a number that is one.
        let sql = format!(
            "SELECT (SELECT count(*) FROM pragma_index_list('{table}') WHERE \"unique\" = 1 AND partial = 0)
                  + (SELECT count(*) FROM pragma_table_info('{table}') WHERE pk > 0 AND type = 'INTEGER' AND name = '{}')",
            key[0]
        );
        let unique: i64 = connection.query_row(&sql, [], |row| row.get(0)).unwrap();
        assert!(unique >= 1, "{table} is told apart by {key:?}, and nothing makes sure of it");
    }
}

#[tokio::test]
async fn a_moment_stays_the_same_while_more_is_recorded_and_its_copy_stands_alone() {
    let bench = Bench::new();
    bench.append(vec![Event::Accepted { delivery: Box::new(delivery(1)) }]).await.unwrap();
    bench.append(vec![moved(delivery(1).id, ready(delivery(1).id, 1))]).await.unwrap();
    let moment = super::Moment::hold(&bench.path).unwrap();
    bench.append(vec![Event::Accepted { delivery: Box::new(delivery(2)) }]).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("copy.db");
    moment.copy_to(&path).unwrap();
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "one file, and none beside it");
    let copy = Reader::open(&path).unwrap();
    assert_eq!((copy.head().unwrap(), moment.head().seq), (moment.head(), 2));
    assert!(copy.audit(&[]).unwrap().is_fine());
    assert_eq!(moment.loads().unwrap().into_iter().collect::<Vec<_>>(), [(delivery(1).id, (1, false))]);
    let mut ids = Vec::new();
    let note = |original: super::Original| {
        ids.push((original.id, original.stage.as_str()));
        Ok::<_, LedgerError>(())
    };
    moment.each_original(note).unwrap();
    assert_eq!(ids, [(delivery(1).id, "ready")]);
}

#[test]
fn checkpoints_are_found_in_whatever_they_were_kept_in() {
    let hash = "1b4f0e9851971998e732078544c96b36c3d01cedf7caa332359d6f1d83567014";
    let line = format!("{{\"at\":\"2018-12-03T10:15:00Z\",\"seq\":7,\"hash\":\"{hash}\"}}");
    let webhook = format!("{{\"version\":1,\"text\":{},\"checkpoint\":{line}}}", serde_json::to_string(&line).unwrap());
    let rows = [
        (String::new(), Ok(0)),
        ("nothing\n\nto see\n".to_owned(), Ok(0)),
        (line.clone(), Ok(1)),
        (format!("{line}\n{line}\n"), Ok(1)),
        (format!("{line}\n{}\n", line.replace(":7", ":8")), Ok(2)),
        (format!("Dec  3 10:15:01 host bedfeed[1]: INFO Keep this line: {line}"), Ok(1)),
        (webhook, Ok(1)),
        (format!("\n{}", line.replace(hash, "1b4f")), Err(2)),
        (line.split_at(30).0.to_owned(), Err(1)),
    ];
    for (text, expected) in rows {
        assert_eq!(super::Checkpoint::all_in(&text).map(|found| found.len()), expected, "{text}");
    }
}

#[tokio::test]
async fn commits_are_made_with_synchronous_full() {
    let bench = Bench::new();
    let connection = super::schema::open_to_write(&bench.path).unwrap();
    let level: i64 = connection.query_row("PRAGMA synchronous", [], |row| row.get(0)).unwrap();
    assert_eq!(level, 2);
}

#[tokio::test]
async fn a_ledger_of_a_newer_bedfeed_is_refused_with_words() {
    let bench = Bench::new();
    Connection::open(&bench.path).unwrap().execute_batch("PRAGMA user_version = 99").unwrap();
    let refused = Ledger::open(&bench.path).map(|_| ()).unwrap_err();
    assert!(refused.to_string().contains("schema 99"), "{refused}");
}

#[tokio::test]
async fn an_alert_stays_in_the_outbox_until_its_channel_took_it() {
    let bench = Bench::new();
    let alert = |channel: &str| AlertToSend::now("RM1/late/x/begin".into(), channel.into(), serde_json::json!({"t": 1}));
    let opened = |key: &str| Event::EpisodeOpened {
        key: key.to_owned(),
        provider: "RM1".parse().unwrap(),
        episode: serde_json::json!({}),
        alerts: vec![alert("log"), alert("hook")],
    };
    bench.append(vec![opened("RM1/late/x")]).await.unwrap();
    assert!(bench.append(vec![opened("RM1/late/x")]).await.is_err(), "an episode opens once");
    assert_eq!(bench.reader().undelivered_alerts(10).unwrap().len(), 2);
    let done = Event::AlertDelivered { key: "RM1/late/x/begin".into(), channel: "log".into() };
    let failed = Event::AlertFailed {
        key: "RM1/late/x/begin".into(),
        channel: "hook".into(),
        next_at: at("2018-12-03T10:17:00Z"),
        error: "refused".into(),
    };
    bench.append(vec![done, failed]).await.unwrap();
    // What one channel does not take stands in no other's way, and in none that is gone.
    assert_eq!((bench.reader().undelivered_on("log", 1).unwrap().len(), bench.reader().undelivered_on("hook", 1).unwrap().len()), (0, 1));
    let due = bench.reader().undelivered_alerts(10).unwrap();
    assert_eq!(due.iter().map(|d| (d.alert.channel.as_str(), d.attempts)).collect::<Vec<_>>(), [("hook", 1)]);
    assert_eq!(due[0].next_at, at("2018-12-03T10:17:00Z"));
}

#[tokio::test]
async fn support_takes_a_file_out_of_quarantine_and_the_release_is_remembered() {
    let bench = Bench::new();
    let delivery = delivery(1);
    bench.append(vec![Event::Accepted { delivery: Box::new(delivery.clone()) }]).await.unwrap();
    bench.append(vec![moved(delivery.id, Stage::Quarantined { sealed: false, discarded: false })]).await.unwrap();
    assert_eq!(bench.reader().in_quarantine().unwrap().len(), 1);
    let act = Event::Acted { delivery: delivery.id, act: Act::Release, by: "ann".into(), reason: "checked by phone".into(), account: None };
    bench.append(vec![act, Event::Moved { delivery: delivery.id, stage: Stage::Landed, report: None, note: None }]).await.unwrap();
    let row = bench.reader().delivery(delivery.id).unwrap().unwrap();
    assert!(row.released && row.stage == Stage::Landed && row.report.is_some());
}

#[tokio::test]
async fn a_file_set_aside_long_ago_is_still_the_last_word_until_a_good_one_comes() {
    let bench = Bench::new();
    let (good, bad) = (delivery(1), delivery(2));
    for delivery in [&good, &bad] {
        bench.append(vec![Event::Accepted { delivery: Box::new(delivery.clone()) }]).await.unwrap();
    }
    bench.append(vec![moved(good.id, ready(good.id, 1))]).await.unwrap();
    bench.append(vec![moved(bad.id, Stage::Quarantined { sealed: false, discarded: false })]).await.unwrap();
    let weeks_later = bench.now + SignedDuration::from_hours(24 * 21);
    let rows = bench.reader().for_judging(&good.provider, weeks_later).unwrap();
    assert_eq!(rows.iter().map(|row| row.delivery.id).collect::<Vec<_>>(), [good.id, bad.id]);
}

#[tokio::test]
async fn a_ledger_is_read_under_any_name() {
    let bench = Bench::new();
    bench.append(vec![Event::Accepted { delivery: Box::new(delivery(1)) }]).await.unwrap();
    let copy = tempfile::tempdir().unwrap();
    let path = copy.path().join("a ledger?.db");
    Connection::open(&bench.path).unwrap().execute("VACUUM INTO ?1", [path.to_str().unwrap()]).unwrap();
    Connection::open(&path).unwrap().execute_batch("PRAGMA journal_mode = WAL; PRAGMA user_version = 1").unwrap();
    let locked = super::schema::uri(&path, "?immutable=1");
    assert!(locked.ends_with("/a%20ledger%3F.db?immutable=1"), "{locked}");
    assert_eq!(Reader::open(&path).unwrap().head().unwrap().seq, 1);
}

fn seen(software: &str, at_text: &str) -> ClientSeen {
    ClientSeen {
        provider: "RM1".parse().unwrap(),
        key: "SHA256:key".to_owned(),
        key_owner: "night job".to_owned(),
        software: software.to_owned(),
        host_key: "ssh-ed25519 SHA256:host".to_owned(),
        negotiated: Negotiated::unknown(),
        needs_compatibility: false,
        at: at(at_text),
    }
}

#[tokio::test]
async fn the_newest_sighting_of_each_client_is_kept_and_so_many_clients() {
    let bench = Bench::new();
    let see = |client: ClientSeen| bench.append(vec![Event::ClientSeen { client: Box::new(client) }]);
    see(seen("SSH-2.0-a", "2018-12-03T10:00:00Z")).await.unwrap();
    see(ClientSeen { needs_compatibility: true, ..seen("SSH-2.0-a", "2018-12-04T10:00:00Z") }).await.unwrap();
    see(ClientSeen { provider: "RGP".parse().unwrap(), ..seen("SSH-2.0-a", "2018-12-04T10:00:00Z") }).await.unwrap();
    let mine = bench.reader().clients(Some(&"RM1".parse().unwrap())).unwrap();
    assert_eq!(mine, [ClientSeen { needs_compatibility: true, ..seen("SSH-2.0-a", "2018-12-04T10:00:00Z") }]);
    for number in 0..MAX_CLIENTS + 10 {
        see(seen(&format!("SSH-2.0-{number}"), "2018-12-05T10:00:00Z")).await.unwrap();
    }
    let all = bench.reader().clients(None).unwrap();
    assert_eq!(all.iter().filter(|client| client.provider.as_str() == "RGP").count(), 1, "another provider's are left alone");
    let mine: Vec<_> = all.iter().filter(|client| client.provider.as_str() == "RM1").collect();
    assert_eq!(mine.len(), usize::try_from(MAX_CLIENTS).unwrap());
    assert!(mine.iter().all(|client| client.at == at("2018-12-05T10:00:00Z")), "the oldest go");
}

#[tokio::test]
async fn a_ledger_from_before_clients_were_noted_is_read_all_the_same() {
    let bench = Bench::new();
    Connection::open(&bench.path).unwrap().execute_batch("DROP TABLE client; PRAGMA user_version = 1;").unwrap();
    assert!(bench.reader().clients(None).unwrap().is_empty());
    let audit = bench.reader().audit(&[]).unwrap();
    assert!(audit.is_fine() && !audit.compared, "its chain can be verified before it is brought up to date: {audit:?}");
}

#[tokio::test]
async fn a_warning_is_known_by_its_key_once_it_was_queued() {
    let bench = Bench::new();
    let key = "RM1/expires/SHA256:key/2019-01-31/14";
    assert!(!bench.reader().knows_alert(key).unwrap());
    let alert = AlertToSend::now(key.to_owned(), "log".to_owned(), serde_json::json!({}));
    bench.append(vec![Event::Warned { key: key.to_owned(), provider: "RM1".parse().unwrap(), alerts: vec![alert] }]).await.unwrap();
    assert!(bench.reader().knows_alert(key).unwrap());
    bench.append(vec![Event::AlertDelivered { key: key.to_owned(), channel: "log".to_owned() }]).await.unwrap();
    assert!(bench.reader().knows_alert(key).unwrap(), "for ever");
}

/// Puts a snapshot of two parts into a ledger: the numbers of its parts, when each arrived and when they were judged (minutes
/// after ten), its slot, its version.
async fn accept(bench: &Bench, [beds, sums]: [(u8, i64); 2], judged: i64, slot: &str, version: u32) {
    let minute = |minutes: i64| at("2018-12-03T10:00:00Z") + SignedDuration::from_mins(minutes);
    let sent = [beds, sums].map(|(number, arrived)| {
        let (id, received_at) = (DeliveryId::new(minute(arrived), [number; 10]), minute(arrived));
        Delivery { id, received_at, ..delivery(number) }
    });
    let parts = sent.iter().map(|delivery| (delivery.name.as_str().to_owned(), delivery.id)).collect();
    let report = Report { assessed_at: minute(judged), parts, ..Report::default() };
    let snapshot = SnapshotRef { lead: sent[0].id, slot: slot.parse().unwrap(), version };
    for delivery in &sent {
        bench.append(vec![Event::Accepted { delivery: Box::new(delivery.clone()) }]).await.unwrap();
    }
    let stage = Stage::Ready { snapshot, attempts: 0, retry_at: minute(judged) };
    let moved = |delivery: &Delivery| Event::Moved {
        delivery: delivery.id,
        stage: stage.clone(),
        report: Some(Box::new(report.clone())),
        note: None,
    };
    bench.append(sent.iter().map(moved).collect()).await.unwrap();
}

#[tokio::test]
async fn the_past_of_a_delivery_is_what_had_arrived_before_it() {
    const SLOT: &str = "2018-12-02T10:00Z";
    let bench = Bench::new();
    accept(&bench, [(1, 1), (2, 5)], 5, SLOT, 1).await;
    // A correction whose second part comes late, and one that comes later altogether.
    accept(&bench, [(3, 10), (4, 20)], 20, SLOT, 2).await;
    accept(&bench, [(5, 30), (6, 31)], 31, SLOT, 3).await;
    // One that came early and was judged late: a person had to release it.
    accept(&bench, [(7, 2), (8, 3)], 40, "2018-12-02T10:15Z", 1).await;
    let rows = [
        // Until which minute, judged by which, the names asked for; what is found, and the slot's version and arrival.
        (0, None, vec![], "", None),
        (1, None, vec![], "1 2", None),
        (5, None, vec![], "1 7 8 2", Some((1, 5))),
        (15, None, vec![], "1 7 8 2 3 4", Some((1, 5))),
        (15, Some(20), vec![], "1 2 3 4", Some((1, 5))),
        (20, None, vec![], "1 7 8 2 3 4", Some((2, 20))),
        (59, None, vec![], "1 7 8 2 3 4 5 6", Some((3, 31))),
        (59, Some(20), vec![], "1 2 3 4", Some((2, 20))),
        // A file of the same name counts whenever it came.
        (5, None, vec!["file 5.csv"], "1 7 8 2 5 6", Some((1, 5))),
    ];
    let provider = delivery(1).provider;
    let minute = |minutes: i64| at("2018-12-03T10:00:00Z") + SignedDuration::from_mins(minutes);
    for (until, judged_by, names, expected, newest) in rows {
        let reach = Reach {
            since: minute(-60),
            until: minute(until),
            judged_by: judged_by.map(minute),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            slots: vec![SLOT.parse().unwrap()],
        };
        let past = bench.reader().past(&provider, &reach).unwrap();
        let number = |row: &PastRow| row.name.trim_start_matches("file ").trim_end_matches(".csv").to_owned();
        let found: Vec<String> = past.accepted.iter().map(number).collect();
        assert_eq!(found.join(" "), expected, "until {until}, judged by {judged_by:?}");
        let slot = past.slots.first().map(|row| (row.version, row.received_at));
        assert_eq!(slot, newest.map(|(version, arrived)| (version, minute(arrived))), "until {until}, judged by {judged_by:?}");
    }
    let of_slot =
        |judged_by: Option<i64>| bench.reader().accepted_for(&provider, SLOT.parse().unwrap(), judged_by.map(minute)).unwrap().len();
    assert_eq!((of_slot(None), of_slot(Some(20)), of_slot(Some(4))), (6, 4, 0));
}

#[tokio::test]
async fn a_second_opening_leaves_the_first_its_locks() {
    let bench = Bench::new();
    bench.append(vec![Event::Accepted { delivery: Box::new(delivery(1)) }]).await.unwrap();
    let _second = super::schema::open_to_write(&bench.path).unwrap();
    assert!(crate::feed::testing::keeps_its_log(&bench.path));
    bench.append(vec![Event::Accepted { delivery: Box::new(delivery(2)) }]).await.unwrap();
    assert_eq!(bench.reader().undecided(&delivery(1).provider).unwrap().len(), 2);
}
