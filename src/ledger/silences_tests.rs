//! Announced silence and acknowledged episodes, tried on a real file.

use super::{Event, FILE_NAME, Ledger, Reader};
use crate::feed::testing::delivery;
use crate::feed::{AnnouncedKind, ProviderCode, SilenceStanding, Slot, SnapshotRef, Stage};
use jiff::Timestamp;
use rusqlite::Connection;
use std::path::PathBuf;

fn at(clock: &str) -> Timestamp {
    format!("2018-12-03T{clock}:00Z").parse().unwrap()
}

fn code(text: &str) -> ProviderCode {
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

    async fn append(&self, now: Timestamp, event: Event) {
        self.ledger.append(now, vec![event]).await.unwrap();
    }

    fn reader(&self) -> Reader {
        Reader::open(&self.path).unwrap()
    }

    /// The numbers of the silences that a feed is judged by.
    fn judged_by(&self, provider: &str, since: &str) -> Vec<u32> {
        self.reader().silences(&code(provider), at(since)).unwrap().iter().map(|silence| silence.id).collect()
    }

    fn fine(&self) {
        let audit = self.reader().audit(&[]).unwrap();
        assert!(audit.is_fine() && audit.compared, "{audit:?}");
    }
}

fn planned(id: u32, provider: &str, from: &str, until: &str) -> Event {
    let (by, reason) = ("Jo Bloggs".to_owned(), "server move".to_owned());
    Event::DowntimePlanned { id, provider: code(provider), from: at(from), until: at(until), reason, by, account: None }
}

fn ended(id: u32, provider: &str) -> Event {
    Event::DowntimeEnded { id, provider: code(provider), reason: "done early".into(), by: "Ann".into(), account: None }
}

fn paused(id: u32, provider: &str, until: Option<&str>) -> Event {
    let (by, reason) = ("Jo Bloggs".to_owned(), "new export".to_owned());
    Event::FeedPaused { id, provider: code(provider), until: until.map(at), reason, by, account: None }
}

#[tokio::test]
async fn what_was_announced_is_read_as_it_was_said_and_as_it_ended() {
    use SilenceStanding::{Cancelled, Now, Over, ToCome};
    let bench = Bench::new();
    bench.append(at("08:00"), Event::FeedExpected { provider: code("RM1"), first_slot: Slot::containing(at("08:00")) }).await;
    assert_eq!(bench.reader().next_silence().unwrap(), 1);
    bench.append(at("09:00"), planned(1, "RM1", "10:00", "11:00")).await;
    bench.append(at("09:01"), planned(2, "RM1", "12:00", "14:00")).await;
    bench.append(at("09:02"), planned(3, "RGP", "10:00", "12:00")).await;
    bench.append(at("09:03"), paused(4, "RGP", None)).await;
    bench.append(at("09:04"), paused(5, "RM1", Some("09:30"))).await;
    assert_eq!(bench.reader().next_silence().unwrap(), 6);
    // One is cut short, one is cancelled, and a pause is resumed; a second end says nothing new.
    bench.append(at("10:30"), ended(1, "RM1")).await;
    bench.append(at("10:31"), ended(2, "RM1")).await;
    bench.append(at("10:32"), ended(1, "RM1")).await;
    let resumed = Event::FeedResumed { id: 4, provider: code("RGP"), reason: "it runs".into(), by: "Ann".into(), account: None };
    bench.append(at("10:33"), resumed).await;

    let all = bench.reader().downtimes(true, at("10:40")).unwrap();
    assert_eq!(all.iter().map(|silence| silence.id).collect::<Vec<_>>(), [5, 4, 3, 2, 1], "the newest first");
    let rows = [
        (1, AnnouncedKind::Planned, Some("10:30"), Over),
        (2, AnnouncedKind::Planned, Some("10:31"), Cancelled),
        (3, AnnouncedKind::Planned, Some("12:00"), Now),
        (4, AnnouncedKind::Paused, Some("10:33"), Over),
        (5, AnnouncedKind::Paused, Some("09:30"), Over),
    ];
    for (id, kind, ends, standing) in rows {
        let silence = bench.reader().silence(id).unwrap().unwrap();
        assert_eq!((silence.kind, silence.ends(), silence.standing(at("10:40"))), (kind, ends.map(at), standing), "{silence:?}");
    }
    let first = bench.reader().silence(1).unwrap().unwrap();
    assert_eq!((first.from, first.until, first.at), (at("10:00"), Some(at("11:00")), at("09:00")));
    assert_eq!((first.by.as_str(), first.reason.as_str()), ("Jo Bloggs", "server move"));
    let end = first.ended.unwrap();
    assert_eq!((end.at, end.by.as_str(), end.reason.as_str()), (at("10:30"), "Ann", "done early"));
    assert_eq!(bench.reader().silence(9).unwrap(), None);
    assert_eq!(bench.reader().silence(3).unwrap().unwrap().standing(at("09:30")), ToCome);
    let standing = bench.reader().downtimes(false, at("10:40")).unwrap();
    assert_eq!(standing.iter().map(|silence| silence.id).collect::<Vec<_>>(), [3]);
    bench.fine();
}

#[tokio::test]
async fn a_feed_is_judged_by_all_silence_since_its_newest_file() {
    let bench = Bench::new();
    bench.append(at("08:00"), Event::FeedExpected { provider: code("RM1"), first_slot: Slot::containing(at("08:15")) }).await;
    for (id, from, until) in [(1, "08:00", "08:10"), (2, "08:30", "09:00"), (3, "09:30", "10:00"), (4, "11:00", "12:00")] {
        bench.append(at("07:00"), planned(id, "RM1", from, until)).await;
    }
    assert_eq!(bench.judged_by("RM1", "11:30"), [2, 3, 4], "it has never sent: from its first slot on");
    assert_eq!(bench.judged_by("RGP", "07:00"), [0_u32; 0], "another feed has its own");
    let sent = delivery(1);
    let slot = Slot::containing(at("09:15"));
    let snapshot = SnapshotRef { lead: sent.id, slot, version: 1 };
    let ready = Stage::Ready { snapshot, attempts: 0, retry_at: at("10:00") };
    bench.append(at("09:16"), Event::Accepted { delivery: Box::new(sent.clone()) }).await;
    bench.append(at("09:16"), Event::Moved { delivery: sent.id, stage: ready, report: None, note: None }).await;
    assert_eq!(bench.judged_by("RM1", "11:30"), [3, 4], "and then from its newest accepted slot on");
    assert_eq!(bench.judged_by("RM1", "08:45"), [2, 3, 4], "and all of the time that is looked at");
}

#[tokio::test]
async fn an_episode_says_who_sees_to_it() {
    let bench = Bench::new();
    let opened = |key: &str| Event::EpisodeOpened {
        key: key.into(),
        provider: code("RM1"),
        episode: serde_json::json!({ "problem": "late" }),
        alerts: Vec::new(),
    };
    let house = Event::HouseEpisodeOpened { key: "house/disk/1".into(), episode: serde_json::json!({}), alerts: Vec::new() };
    for event in [opened("RM1/late/1"), opened("RM1/missed/1"), house] {
        bench.append(at("10:00"), event).await;
    }
    let said = |key: &str, by: &str, until: Option<&str>| Event::EpisodeAcknowledged {
        key: key.into(),
        provider: None,
        reason: "rang the trust".into(),
        by: by.into(),
        until: until.map(at),
        account: None,
    };
    bench.append(at("10:05"), said("RM1/late/1", "Jo", None)).await;
    bench.append(at("10:06"), said("RM1/late/1", "Ann", Some("12:00"))).await;
    bench.append(at("10:07"), said("house/disk/1", "Jo", None)).await;
    let open = bench.reader().open_episodes(&code("RM1")).unwrap();
    let [late, missed] = open.as_slice() else { panic!("two go on: {open:?}") };
    let ann = late.acknowledged.as_ref().unwrap();
    assert_eq!((ann.by.as_str(), ann.at, ann.until), ("Ann", at("10:06"), Some(at("12:00"))), "whoever says so last counts");
    assert_eq!((ann.holds(at("11:59")), ann.holds(at("12:00"))), (true, false));
    assert_eq!(missed.acknowledged, None);
    assert_eq!(bench.reader().all_open_episodes().unwrap(), open);
    assert_eq!(bench.reader().recent_episodes(9).unwrap().len(), 2);
    assert_eq!(bench.reader().episode("RM1/missed/1").unwrap().as_ref(), Some(missed));
    let [disk] = bench.reader().house_episodes(false, 9).unwrap().try_into().unwrap();
    assert_eq!(disk.acknowledged.as_ref().map(|said| said.by.as_str()), Some("Jo"));
    bench.append(at("11:00"), Event::HouseEpisodeClosed { key: "house/disk/1".into(), alerts: Vec::new() }).await;
    let counts = [false, true].map(|all| bench.reader().house_episodes(all, 9).unwrap().len());
    assert_eq!(counts, [0, 1]);
    bench.fine();
}

#[tokio::test]
async fn what_is_long_over_is_let_go_of_and_no_number_is_given_twice() {
    let bench = Bench::new();
    let episode = serde_json::json!({});
    let opened = Event::EpisodeOpened { key: "RM1/late/1".into(), provider: code("RM1"), episode, alerts: Vec::new() };
    let said = Event::EpisodeAcknowledged {
        key: "RM1/late/1".into(),
        provider: Some(code("RM1")),
        reason: "x".into(),
        by: "Jo".into(),
        until: None,
        account: None,
    };
    let closed = Event::EpisodeClosed { key: "RM1/late/1".into(), alerts: Vec::new() };
    for event in [planned(1, "RM1", "08:00", "09:00"), paused(2, "RM1", None), opened, said, closed, planned(3, "RM1", "08:00", "10:00")] {
        bench.append(at("07:00"), event).await;
    }
    bench.append(at("12:00"), Event::Trimmed { before: at("11:00") }).await;
    let left: Vec<u32> = bench.reader().downtimes(true, at("12:00")).unwrap().iter().map(|silence| silence.id).collect();
    assert_eq!(
        (left, bench.reader().next_silence().unwrap()),
        (vec![3, 2], 4),
        "a pause that goes on stays, and so does the newest number"
    );
    let acknowledged = Connection::open(&bench.path).unwrap().query_row("SELECT count(*) FROM acknowledgement", [], |row| row.get(0));
    assert_eq!(acknowledged, Ok(0_i64));
    bench.fine();
}

#[tokio::test]
async fn a_ledger_from_before_silence_was_announced_is_read_and_brought_up_to_date() {
    let bench = Bench::new();
    let opened = Event::EpisodeOpened { key: "k".into(), provider: code("RM1"), episode: serde_json::json!({}), alerts: Vec::new() };
    bench.append(at("10:00"), opened).await;
    let old = "DROP TABLE silence; DROP TABLE acknowledgement; PRAGMA user_version = 4;";
    Connection::open(&bench.path).unwrap().execute_batch(old).unwrap();
    let reader = bench.reader();
    assert!(reader.silences(&code("RM1"), at("10:00")).unwrap().is_empty() && reader.downtimes(true, at("10:00")).unwrap().is_empty());
    assert_eq!(reader.open_episodes(&code("RM1")).unwrap()[0].acknowledged, None);
    assert!(reader.house_episodes(true, 9).unwrap().is_empty());
    let audit = reader.audit(&[]).unwrap();
    assert!(audit.is_fine() && !audit.compared, "its chain can be verified before it is brought up to date: {audit:?}");
    drop((reader, bench.ledger.clone()));
    let (_again, _writer) = Ledger::open(&bench.path).unwrap();
    bench.fine();
}
