//! The daemon is killed, and fails, at each step of deleting what is old: what the ledger calls gone is gone for good, what it
//! does not is there, and what is held, young or shown stays.

use super::common::extract::{damaged, good};
use super::common::past::{Came, Past};
use super::common::{Service, names, now, wait_until};
use bedfeed::fault::Step::{self, *};
use bedfeed::feed::{DeliveryId, Digest, Folder};
use bedfeed::ledger::{Class, Event, Hold, HoldScope};
use jiff::{SignedDuration, Timestamp};

/// What a bed is called in files of which nothing is to be left, to be looked for everywhere.
const MARK: &str = "QZJXKV7";

/// Which step, at which passing. Classes go in the order of their names in `Class`: of originals two, of what was set aside two.
type Row = (Step, u64);

/// What are files.
pub(super) const FILES: &[Row] = &[
    (DisposalRecord, 1),
    (DisposalOriginal, 1),
    (DisposalOriginal, 2),
    (DisposalFolders, 1),
    (DisposedRecord, 1),
    (DisposalRecord, 2),
    (SealWipe, 2),
    (SealRemove, 1),
    (DisposalAside, 1),
    (DisposedRecord, 2),
    (DisposalPicture, 1),
];

/// What are rows of tables.
pub(super) const FIGURES: &[Row] = &[
    (DisposalRecord, 4),
    (DisposalCommit, 1),
    (DisposalLog, 1),
    (DisposedRecord, 4),
    (DisposalRecord, 5),
    (DisposalCommit, 2),
    (DisposalLog, 2),
    (TrimRecord, 1),
];

/// A thing that is kept: of which class, and the bytes of its file.
type Thing = (Class, DeliveryId, String);

/// A state folder with a past, which is copied for each kill.
struct Story {
    service: Service,
    goes: Vec<Thing>,
    stays: Vec<Thing>,
}

fn days_ago(days: i64) -> Timestamp {
    now() - SignedDuration::from_hours(24 * days)
}

fn came(days: i64, provider: &'static str, folder: Folder, (name, text): (String, String)) -> Came {
    Came { at: days_ago(days), provider, folder, name, text }
}

impl Story {
    fn new() -> Self {
        let service = Service::cottage(&["RZY", "RZZ"]);
        service.append("bedfeed.toml", "\n[retention]\nsum_days = 90\n");
        let past = Past::of(&service);
        past.record(days_ago(500), vec![Event::Stopped]);
        let at = |days: i64| days_ago(days) - SignedDuration::from_mins(2);
        let marked = |(name, text): (String, String)| (name, text.replace(",05,", &format!(",{MARK},")));
        let leaking = |(name, text): (String, String)| {
            (name, text.replace("sex,age", "sex,age,ref").replace("F,71", "F,71,9990000018").replace("empty,,", "empty,,,"))
        };
        let files = [
            came(100, "RZZ", Folder::Inbox, marked(good("RZZ", at(100), 5))),
            came(99, "RZY", Folder::Inbox, good("RZY", at(99), 6)),
            came(41, "RZZ", Folder::Inbox, good("RZZ", at(41), 12)),
            came(40, "RZZ", Folder::Inbox, good("RZZ", at(40), 7)),
            came(39, "RZZ", Folder::Inbox, marked(damaged("RZZ", at(39), 8))),
            came(38, "RZZ", Folder::Inbox, leaking(marked(good("RZZ", at(38), 9)))),
            came(20, "RZZ", Folder::Test, good("RZZ", at(20), 10)),
            came(1, "RZZ", Folder::Inbox, good("RZZ", at(1), 11)),
        ];
        let ids = past.take_in(&files);
        let [oldest, shown, held, old, torn, sealed, tested, young] = ids[..] else { panic!("{ids:?}") };
        let scope = HoldScope { delivery: Some(held), ..HoldScope::default() };
        let hold = Hold { number: 1, scope, by: "Cara Dunn".to_owned(), reason: "inquest 12/2018".to_owned(), account: None };
        past.record(now() - SignedDuration::from_mins(5), vec![Event::HoldPlaced { hold: Box::new(hold) }, Event::Stopped]);
        past.close();
        let text = |id: DeliveryId| files[ids.iter().position(|other| *other == id).unwrap()].text.clone();
        let things = |of: &[(Class, DeliveryId)]| of.iter().map(|(class, id)| (*class, *id, text(*id))).collect();
        use Class::{Checks, Quarantine, Raw, Rows, Sums};
        let goes = things(&[
            (Raw, oldest),
            (Raw, old),
            (Quarantine, torn),
            (Quarantine, sealed),
            (Checks, tested),
            (Rows, oldest),
            (Sums, oldest),
        ]);
        let stays = things(&[
            (Raw, shown),
            (Raw, held),
            (Raw, young),
            (Raw, tested),
            (Rows, shown),
            (Rows, held),
            (Rows, old),
            (Rows, young),
            (Sums, shown),
            (Sums, held),
            (Sums, old),
            (Sums, young),
        ]);
        Self { service, goes, stays }
    }

    /// Retention meets a fault on a copy of this past; a start without one then ends what was begun, and everything fits.
    fn killed(&self, fault: &str) {
        let mut service = self.service.elsewhere(self.service.dir());
        service.start_with(&[], &[("BEDFEED_FAULT", fault)]);
        assert_eq!(service.await_end(), None, "it was killed");
        self.agrees(&service);
        service.start();
        self.all_goes(&service);
        service.stop();
        self.ends_well(&service);
    }

    /// Waits until all that goes is gone, by the ledger.
    fn all_goes(&self, service: &Service) {
        let open = "SELECT 1 FROM disposal WHERE done_at IS NULL";
        wait_until("everything old is gone", || {
            service.ledger(open).is_empty() && self.goes.iter().all(|(class, id, _)| recorded(service, *class, *id) == Some(true))
        });
    }

    fn ends_well(&self, service: &Service) {
        self.agrees(service);
        let open = service.ledger("SELECT number FROM disposal WHERE done_at IS NULL");
        assert!(open.is_empty(), "{open:?}");
        for (class, id, _) in &self.goes {
            assert_eq!(recorded(service, *class, *id), Some(true), "{class:?} {id}");
        }
        let log = service.bedfeed(&["retention", "log", "--json"]).fine().json();
        assert!(log.as_array().unwrap().iter().all(|row| row["done_at"].is_string()), "{log}");
        let holding = run_grep(&service.state());
        assert!(holding.is_empty(), "deleted, and still to be read: {holding}");
        service.bedfeed(&["audit", "verify"]).fine();
        assert!(!service.log().contains("panicked"), "{}", service.log());
    }

    /// Ledger, folders and warehouse agree about what is gone.
    fn agrees(&self, service: &Service) {
        for (class, id, text) in &self.goes {
            match recorded(service, *class, *id) {
                None => assert_eq!(kept(service, *class, *id, text), Kept::Whole, "gone without a word: {class:?} {id}"),
                Some(true) => assert_eq!(kept(service, *class, *id, text), Kept::Nothing, "called gone, and there: {class:?} {id}"),
                Some(false) => {}
            }
            if *class == Class::Quarantine {
                let stage = service.ledger(&format!("SELECT stage FROM delivery WHERE id = '{id}'"))[0]["stage"].to_string();
                let decided = stage.contains("\\\"discarded\\\":true");
                assert_eq!(decided, recorded(service, *class, *id).is_some(), "nobody decides on what is gone: {stage}");
            }
        }
        for (class, id, text) in &self.stays {
            assert_eq!(recorded(service, *class, *id), None, "{class:?} {id} is not to go");
            assert_eq!(kept(service, *class, *id, text), Kept::Whole, "{class:?} {id} is not to go");
        }
    }
}

/// The files below a folder that hold the mark, one a line.
fn run_grep(folder: &std::path::Path) -> String {
    super::run("grep", &["-rlaF".as_ref(), MARK.as_ref(), folder.as_os_str()], b"").stdout
}

/// Whether the ledger calls a thing gone: not at all, as about to go, or as gone.
fn recorded(service: &Service, class: Class, id: DeliveryId) -> Option<bool> {
    let rows = service.ledger(&format!(
        "SELECT done_at IS NOT NULL AS done FROM disposed JOIN disposal ON disposal.number = disposed.disposal
         WHERE delivery = '{id}' AND disposed.class = '{}'",
        class.as_str()
    ));
    rows.first().map(|row| row["done"] == 1)
}

/// How much of a thing there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    Whole,
    Part,
    Nothing,
}

fn kept(service: &Service, class: Class, id: DeliveryId, text: &str) -> Kept {
    let whole = |path: std::path::PathBuf| match std::fs::read(path) {
        Ok(bytes) if Digest::of(&bytes) == Digest::of(text.as_bytes()) => Kept::Whole,
        Ok(_) => Kept::Part,
        Err(_) => Kept::Nothing,
    };
    let count = |table: &str, all: i64| {
        let sql = format!("SELECT count(*) AS n FROM {table} JOIN ingest_snapshot USING (snapshot_key) WHERE snapshot_id = '{id}'");
        match service.query(&sql)[0]["n"].as_i64().unwrap() {
            0 => Kept::Nothing,
            rows if rows >= all => Kept::Whole,
            _ => Kept::Part,
        }
    };
    let state = service.state();
    match class {
        Class::Raw => whole(state.join("deliveries").join(id.to_string())),
        Class::Quarantine => match names(&state.join("quarantine").join(id.to_string())).as_slice() {
            [] if state.join("quarantine").join(id.to_string()).is_dir() => Kept::Part,
            [] => Kept::Nothing,
            _ => whole(state.join("quarantine").join(id.to_string()).join("original")),
        },
        Class::Checks => match std::fs::metadata(state.join("checks").join(format!("{id}.txt"))) {
            Ok(picture) if picture.len() > 0 => Kept::Whole,
            Ok(_) => Kept::Part,
            Err(_) => Kept::Nothing,
        },
        Class::Rows => count("fact_bed_line", 20),
        Class::Sums => count("agg_ward_slot", 2),
    }
}

fn sweep(rows: &[Row]) {
    let story = Story::new();
    for (step, passing) in rows {
        for side in ["before", "after"] {
            let fault = format!("{}.{side}:{passing}", step.name());
            eprintln!("{fault}");
            story.killed(&fault);
        }
    }
}

#[test]
fn p8_killed_at_each_step_of_deleting_files_what_is_called_gone_is_gone_and_nothing_else() {
    sweep(FILES);
}

#[test]
fn p8_killed_at_each_step_of_deleting_figures_what_is_called_gone_is_gone_and_nothing_else() {
    sweep(FIGURES);
}

#[test]
fn p8_whatever_step_of_deleting_fails_the_next_round_goes_on_with_it() {
    let story = Story::new();
    let steps: std::collections::BTreeSet<Step> = [FILES, FIGURES].into_iter().flatten().map(|(step, _)| *step).collect();
    for side in ["before", "after"] {
        let mut service = story.service.elsewhere(story.service.dir());
        let faults: Vec<String> = steps.iter().map(|step| format!("{}.{side}:1:error", step.name())).collect();
        service.start_with(&[], &[("BEDFEED_FAULT", &faults.join(","))]);
        service.await_ready();
        let pid = service.pid();
        let hurt = |service: &Service, step: &Step| service.log().contains(&format!("step=\"{}\"", step.name()));
        wait_until("every step was hurt, and a round ends well", || {
            let ended = service.bedfeed(&["retention", "run"]);
            story.agrees(&service);
            ended.code == Some(0) && steps.iter().all(|step| hurt(&service, step))
        });
        story.all_goes(&service);
        assert_eq!(service.pid(), pid, "the daemon lives");
        service.stop();
        story.ends_well(&service);
    }
}
