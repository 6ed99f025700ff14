//! How SQLite goes about every query of the readers: none walks through all that was ever recorded, or is named here.

use super::{Filter, Ledger, Reach, Reader};
use crate::feed::{DeliveryId, Folder, Outcome, ProviderCode, Slot, SnapshotRef};
use jiff::Timestamp;
use rusqlite::trace::{TraceEvent, TraceEventCodes};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

/// What may walk through a whole table, and why.
const MAY_SCAN: &[(&str, &str)] = &[
    ("SELECT id, outcome = 'quarantined' FROM delivery", "the sweep at the start compares all with the folders"),
    ("SELECT outcome, count(*) FROM delivery", "a count of all, over an index alone"),
    ("FROM delivery WHERE id LIKE", "a part of an id that a person typed, over an index alone"),
    ("FROM delivery AS d WHERE lead = id", "a further warehouse is compared with all at the start"),
    ("FROM client WHERE ?1 IS NULL", "a few clients a provider are kept"),
    ("FROM feed WHERE newest IS NOT NULL", "one row a feed"),
    ("FROM sqlite_master", "one row a table"),
    ("FROM hold WHERE ?1 OR", "one row for each time that somebody ordered something kept"),
];

/// Asks what the daemon asks in its course. An audit reads all of it by its nature, in a process of its own.
fn ask_all(reader: &Reader) {
    let provider: ProviderCode = "RM1".parse().unwrap();
    let at = "2018-12-03T10:16:00Z".parse().unwrap();
    let (slot, id) = (Slot::containing(at), DeliveryId::new(at, [1; 10]));
    let names = vec!["a.csv".to_owned()];
    let reach = Reach { since: at, until: at, judged_by: None, names, slots: vec![slot] };
    for (asked, outcome) in [(true, None), (false, None), (true, Some(Outcome::Quarantined)), (false, Some(Outcome::Quarantined))] {
        for since in [None, Some(at)] {
            let provider = asked.then(|| provider.clone());
            reader.deliveries(&Filter { provider, outcome, since, limit: Some(10) }).unwrap();
        }
    }
    reader.undecided(&provider).unwrap();
    reader.in_folder(&provider, Folder::Inbox, at, 10).unwrap();
    reader.named(&provider, Folder::Inbox, "a.csv", at).unwrap();
    reader.delivery(id).unwrap();
    reader.by_part_of_id("0190").unwrap();
    reader.life(id).unwrap();
    reader.entries_after(7, 10).unwrap();
    reader.newest_version(&provider, slot).unwrap();
    reader.promised(&provider, SnapshotRef { lead: id, slot, version: 1 }).unwrap();
    reader.newer_versions(&provider, slot, &[id]).unwrap();
    reader.for_judging(&provider, at).unwrap();
    reader.moved_since(at).unwrap();
    reader.moved_between(7, 9).unwrap();
    reader.newest_accepted(&provider).unwrap();
    reader.first_slot(&provider).unwrap();
    reader.open_episodes(&provider).unwrap();
    reader.open_house_episodes().unwrap();
    reader.providers_after(7).unwrap();
    reader.absences(at).unwrap();
    reader.newest_entry_at().unwrap();
    reader.last_at_work().unwrap();
    reader.recent_episodes(10).unwrap();
    reader.all_open_episodes().unwrap();
    reader.episode("a").unwrap();
    reader.house_episodes(false, 10).unwrap();
    reader.silences(&provider, at).unwrap();
    reader.downtimes(false, at).unwrap();
    reader.downtimes(true, at).unwrap();
    reader.silence(1).unwrap();
    reader.next_silence().unwrap();
    reader.told_before("a").unwrap();
    reader.knows_alert("a").unwrap();
    reader.clients(Some(&provider)).unwrap();
    reader.undelivered_alerts(10).unwrap();
    reader.outbox_of("a").unwrap();
    reader.failing_channels(9).unwrap();
    reader.outbox_pending(Timestamp::UNIX_EPOCH).unwrap();
    reader.open_keys().unwrap();
    reader.undelivered_on("log", 10).unwrap();
    reader.outcomes().unwrap();
    reader.in_quarantine().unwrap();
    reader.all_ids().unwrap();
    reader.pending_by_provider().unwrap();
    reader.head().unwrap();
    reader.past(&provider, &reach).unwrap();
    reader.accepted_for(&provider, slot, None).unwrap();
    reader.queue().unwrap();
    reader.newest_loaded().unwrap();
    reader.queue_state().unwrap();
    reader.queued_since(at).unwrap();
    reader.accepted_after(None).unwrap();
    reader.accepted_after(Some(7)).unwrap();
    of_retention(reader, id, at);
    of_replay(reader, &provider, slot, id);
}

fn of_retention(reader: &Reader, id: DeliveryId, at: Timestamp) {
    reader.holds(false).unwrap();
    reader.holds(true).unwrap();
    reader.next_hold().unwrap();
    reader.next_disposal().unwrap();
    reader.disposals(10).unwrap();
    reader.unfinished_disposals().unwrap();
    reader.gone(id).unwrap();
    reader.original_gone(id).unwrap();
    reader.release_request(id, at).unwrap();
    reader.times_back_to(at).unwrap();
    reader.is_gone(id, super::Class::Sums).unwrap();
    reader.trimmed_before().unwrap();
}

fn of_replay(reader: &Reader, provider: &ProviderCode, slot: Slot, id: DeliveryId) {
    reader.replay("a").unwrap();
    reader.open_replays().unwrap();
    reader.kept("a").unwrap();
    reader.replayed("a").unwrap();
    reader.loaded_between(provider, slot, slot).unwrap();
    reader.replays_waiting().unwrap();
    reader.replay_of(SnapshotRef { lead: id, slot, version: 1 }).unwrap();
}

/// What is wrong with a line of a plan. An index that holds only what is unfinished may be walked through.
fn walks(sql: &str, step: &str) -> bool {
    // All that one feed ever sent, or all that was ever loaded, is as good as all; little is pending or set aside.
    if step.starts_with("SEARCH delivery ") && step.ends_with(" (provider=?)") && !step.contains("delivery_pending")
        || step.ends_with("delivery_by_outcome (outcome=?)") && sql.contains("'loaded'")
    {
        return true;
    }
    let small = [
        "USING INDEX delivery_pending",
        "USING COVERING INDEX delivery_pending",
        "episode_open",
        "episode_of_house",
        "outbox_due",
        "disposal_open",
        "replay_open",
        "replayed_waiting",
    ];
    let table =
        ["delivery", "entry", "episode", "outbox", "hold", "disposal", "disposed", "replay", "replayed", "silence", "acknowledgement"]
            .iter()
            .any(|table| step == format!("SCAN {table}") || step.starts_with(&format!("SCAN {table} ")));
    table && !small.iter().any(|index| step.contains(index))
}

/// Walking an index in the order that is asked for ends at the limit.
fn ends_early(sql: &str, plan: &[String]) -> bool {
    let sorted = plan.iter().any(|step| step.contains("USE TEMP B-TREE FOR ORDER BY"));
    let scanned = plan.iter().any(|step| step.starts_with("SCAN"));
    !sorted && sql.contains("LIMIT") && !(scanned && (sql.contains("outcome = ") || sql.contains("provider = ")))
}

#[tokio::test]
async fn no_query_walks_through_all_that_was_ever_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(super::FILE_NAME);
    let (_ledger, _writer) = Ledger::open(&path).unwrap();
    let mut reader = Reader::open(&path).unwrap();
    let asked = Arc::new(Mutex::new(BTreeSet::new()));
    let heard = Arc::clone(&asked);
    let listen = move |event: TraceEvent<'_>| {
        if let TraceEvent::Stmt(_, sql) = event {
            heard.lock().unwrap().insert(sql.to_owned());
        }
    };
    reader.connection_mut().trace_v2(TraceEventCodes::SQLITE_TRACE_STMT, Some(listen)).unwrap();
    ask_all(&reader);
    let asked = std::mem::take(&mut *asked.lock().unwrap());
    assert!(asked.len() > 30, "{}", asked.len());
    let mut wrong = Vec::new();
    for sql in &asked {
        let mut statement = reader.connection().prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let nothing = (0..statement.parameter_count()).map(|_| rusqlite::types::Null);
        let rows = statement.query_map(rusqlite::params_from_iter(nothing), |row| row.get::<_, String>(3)).unwrap();
        let plan: Vec<String> = rows.collect::<Result<_, _>>().unwrap();
        let named = MAY_SCAN.iter().any(|(text, _)| sql.contains(text));
        if !named && plan.iter().any(|step| walks(sql, step)) && !ends_early(sql, &plan) {
            wrong.push(format!("{sql}\n    {}", plan.join("\n    ")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for (text, why) in MAY_SCAN {
        assert!(asked.iter().any(|sql| sql.contains(text)), "nobody asks {text} any more ({why})");
    }
}
