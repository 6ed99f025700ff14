//! After each step: every promise, as far as it can be seen from the books.

use crate::model::Model;
use crate::told;
use crate::world::{CODES, Variant, World};
use bedfeed::feed::{Clock, DeliveryId, Digest, Folder, Stage};
use bedfeed::forward::ProviderFigures;
use bedfeed::ledger::{DeliveryRow, Filter};
use jiff::SignedDuration;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What was seen the last time, and must still be so.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The newest entry and its hash.
    head: Option<(u64, Vec<u8>)>,
    /// Messages that were handed out and recorded, with nothing going wrong.
    told: BTreeSet<String>,
    /// Every message that was handed out.
    pub(crate) ever_told: BTreeSet<String>,
}

/// One snapshot in the warehouse.
struct Loaded {
    id: DeliveryId,
    provider: String,
    slot: String,
    current: bool,
    version: u32,
    lines: u32,
    occupied: i64,
    mapping: String,
}

/// What is looked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    /// Something went wrong during the step.
    pub(crate) fired: bool,
    /// Nothing may be pending, or in the wrong place.
    pub(crate) settled: bool,
    /// What pages show may have changed.
    pub(crate) figures: bool,
}

/// Holds every promise.
pub(crate) async fn check(world: &mut World<'_>, model: &mut Model, seen: &mut Seen, look: Look) -> Vec<DeliveryRow> {
    let paused = std::mem::replace(&mut world.faults.lock().paused, true);
    let filter = Filter { limit: Some(10_000), ..Filter::default() };
    let rows = world.house().read(move |reader| reader.deliveries(&filter)).await.unwrap();
    model.hold_against(&rows, world.clock.now(), look.settled);
    originals(world.state(), &rows, look.settled);
    chain(world, seen).await;
    let loaded = warehouse(world, model, &rows);
    if world.has_further() && (look.settled || world.further_is_made()) {
        further(world, &rows, &loaded, look.settled);
    }
    // Nothing but loading, time and settings changes what pages show.
    if look.figures {
        figures(world, model, &rows, &loaded).await;
    }
    alerts(world, seen, look.fired);
    world.faults.lock().paused = paused;
    rows
}

/// P1: the bytes of each delivery are there. P2: and where its stage says, once all is settled.
fn originals(state: &Path, rows: &[DeliveryRow], settled: bool) {
    for row in rows {
        let id = row.delivery.id.to_string();
        let places = [state.join("deliveries").join(&id), state.join("quarantine").join(&id).join("original")];
        let there: Vec<&PathBuf> = places.iter().filter(|path| path.is_file()).collect();
        assert!(there.len() == 1, "P1: its bytes are in {there:?}: {row:?}");
        let bytes = std::fs::read(there[0]).unwrap();
        assert_eq!(Digest::of(&bytes), row.delivery.sha256, "P1: its bytes: {row:?}");
        let aside = matches!(row.stage, Stage::Quarantined { .. });
        assert!(!settled || aside == (there[0] == &places[1]), "P2: it lies in {there:?}: {row:?}");
    }
    if settled {
        let count = |folder: &str| std::fs::read_dir(state.join(folder)).unwrap().count();
        let aside = rows.iter().filter(|row| matches!(row.stage, Stage::Quarantined { .. })).count();
        let found = (count("deliveries"), count("quarantine"), count("uploads"));
        assert_eq!(found, (rows.len() - aside, aside, 0), "P2: nothing else lies in the folders");
    }
}

/// P8: the chain holds, and what was seen of it before is its beginning.
async fn chain(world: &mut World<'_>, seen: &mut Seen) {
    // Nobody has written to the file since it was looked through: it says what it said.
    let version = world.ledger().pragma_query_value(None, "data_version", |row| row.get(0)).ok();
    if version.is_some() && version == world.audited {
        return;
    }
    world.audited = version;
    let audit = world.house().read(|reader| reader.audit(&[])).await.unwrap();
    assert_eq!(audit.contradictions, Vec::<String>::new(), "P8: the tables say what the entries say");
    let head = audit.chain.unwrap_or_else(|broken| panic!("P8: {broken:?}"));
    if let Some((seq, hash)) = &seen.head {
        let sql = "SELECT hash FROM entry WHERE seq = ?1";
        let found: Option<Vec<u8>> = world.ledger().query_row(sql, [*seq], |row| row.get(0)).ok();
        assert_eq!(found.as_ref(), Some(hash), "P8: entry {seq} was changed or is gone");
    }
    seen.head = Some((head.seq, head.hash.0.to_vec()));
}

/// P2 and P4: what is loaded is in the warehouse once and whole; of each slot the right version counts.
fn warehouse(world: &World<'_>, model: &Model, rows: &[DeliveryRow]) -> Vec<Loaded> {
    let sql = "SELECT s.snapshot_id, s.provider_code, s.slot_utc, s.is_current, s.lines, s.occupied,
           (SELECT count(*) FROM fact_bed_line AS f WHERE f.snapshot_key = s.snapshot_key), s.version, s.mapping,
           (SELECT count(*) FROM fact_bed_line AS f WHERE f.snapshot_key = s.snapshot_key AND f.empty_state = 'CLN')
         FROM ingest_snapshot AS s";
    let mut statement = world.warehouse().prepare_cached(sql).unwrap();
    let read = |row: &rusqlite::Row<'_>| {
        let (lines, facts): (u32, u32) = (row.get(4)?, row.get(6)?);
        assert_eq!(lines, facts, "P2: a part of a snapshot");
        let (id, mapping, occupied): (String, String, i64) = (row.get(0)?, row.get(8)?, row.get(5)?);
        // By the mended mapping empty beds are cleaned first.
        let cleaned = if mapping == "rzz-2" { i64::from(lines) - occupied } else { 0 };
        assert_eq!(row.get::<_, i64>(9)?, cleaned, "P2: {id} says other than its mapping {mapping}");
        Ok(Loaded {
            // What was read again is called after the delivery and the version.
            id: id.split('/').next().unwrap().parse().unwrap(),
            provider: row.get(1)?,
            slot: row.get(2)?,
            current: row.get(3)?,
            version: row.get(7)?,
            lines,
            occupied,
            mapping,
        })
    };
    let loaded: Vec<Loaded> = statement.query_map([], read).unwrap().collect::<Result<_, _>>().unwrap();
    let by_id: BTreeMap<DeliveryId, &DeliveryRow> = rows.iter().map(|row| (row.delivery.id, row)).collect();
    let ids: BTreeSet<DeliveryId> = loaded.iter().map(|snapshot| snapshot.id).collect();
    let versions: BTreeSet<(&str, &str, u32)> = loaded.iter().map(|it| (it.provider.as_str(), it.slot.as_str(), it.version)).collect();
    assert_eq!(versions.len(), loaded.len(), "P2: loaded twice");
    let first = |id: DeliveryId| loaded.iter().filter(move |it| it.id == id).map(|it| it.version).min();
    let again = |it: &Loaded| model.replays && it.provider == CODES[0];
    assert!(loaded.iter().all(|it| first(it.id) == Some(it.version) || again(it)), "P2: loaded twice, and nobody asked for it");
    for row in rows {
        // The parts of a set are one snapshot, which the lines lead.
        let lead = row.stage.snapshot().map_or(row.delivery.id, |snapshot| snapshot.lead);
        let (is_loaded, is_there) = (matches!(row.stage, Stage::Loaded { .. }), ids.contains(&lead));
        let on_its_way = matches!(row.stage, Stage::Ready { .. });
        assert!(is_there || !is_loaded, "P2: it is not in the warehouse: {row:?}");
        assert!(!is_there || is_loaded || on_its_way, "P2: it is in the warehouse: {row:?}");
    }
    let mut of_slot: BTreeMap<(&str, &str), Vec<&Loaded>> = BTreeMap::new();
    for snapshot in &loaded {
        let row = by_id.get(&snapshot.id).unwrap_or_else(|| panic!("P2: the ledger does not know {}", snapshot.id));
        let file = model.file_of(row);
        assert_eq!((snapshot.lines, snapshot.occupied), (crate::common::extract::BEDS, file.occupied), "P2: {row:?}");
        of_slot.entry((&snapshot.provider, &snapshot.slot)).or_default().push(snapshot);
    }
    for ((provider, slot), versions) in of_slot {
        let currents: Vec<(DeliveryId, u32)> =
            versions.iter().filter(|version| version.current).map(|version| (version.id, version.version)).collect();
        // Later figures win; of equal ones what came last, or was released last, whenever it was accepted. What was read again keeps
        // its place, and its newest reading counts.
        let rank = |it: &&&Loaded| (model.file_of(by_id[&it.id]).snapshot_at, came(world, by_id[&it.id]), it.version);
        let wanted = versions.iter().max_by_key(rank).unwrap();
        assert_eq!(currents, [(wanted.id, wanted.version)], "P4: what counts of {slot} of {provider}");
    }
    loaded
}

/// P2 and P4: a second warehouse has nothing twice, and in the end just what the first has: of each delivery the newest version, unless
/// it is told to be left out; and what counts in the first counts there.
fn further(world: &World<'_>, rows: &[DeliveryRow], first: &[Loaded], settled: bool) {
    let sql = "SELECT snapshot_id, version, is_current, occupied, mapping, lines = (SELECT count(*) FROM fact_bed_line AS f
           WHERE f.snapshot_key = s.snapshot_key) FROM ingest_snapshot AS s";
    let mut statement = world.further().prepare_cached(sql).unwrap();
    let read = |row: &rusqlite::Row<'_>| {
        let id: String = row.get(0)?;
        assert!(row.get::<_, bool>(5)?, "P2: a part of a snapshot in the second warehouse");
        let key: (DeliveryId, u32) = (id.split('/').next().unwrap().parse().unwrap(), row.get(1)?);
        Ok((key, (row.get::<_, bool>(2)?, row.get::<_, i64>(3)?, row.get::<_, String>(4)?)))
    };
    let there: Vec<_> = statement.query_map([], read).unwrap().collect::<rusqlite::Result<_>>().unwrap();
    let second: BTreeMap<(DeliveryId, u32), (bool, i64, String)> = there.iter().cloned().collect();
    assert_eq!(second.len(), there.len(), "P2: loaded twice into the second warehouse");
    if !settled {
        return;
    }
    let standing = world.house.as_ref().unwrap().further().remove(0);
    assert_eq!((standing.waiting, standing.error.as_deref(), standing.unknown), (0, None, 0), "P2: {standing:?}");
    let mut left_out = 0;
    for row in rows {
        let Some(snapshot) = row.stage.snapshot().filter(|snapshot| snapshot.lead == row.delivery.id) else { continue };
        let of_first = first.iter().find(|it| (it.id, it.version) == (snapshot.lead, snapshot.version)).unwrap();
        match second.get(&(snapshot.lead, snapshot.version)) {
            Some(said) => assert_eq!(*said, (of_first.current, of_first.occupied, of_first.mapping.clone()), "P2, P4: {row:?}"),
            None => left_out += 1,
        }
    }
    assert_eq!(left_out, standing.left_out, "P2: what is not there is told: {standing:?}");
    let extra: Vec<_> = second.keys().filter(|(id, version)| !first.iter().any(|it| (it.id, it.version) == (*id, *version))).collect();
    assert!(extra.is_empty(), "P2: only the second warehouse has {extra:?}");
}

/// The entry by which the last part of a snapshot came, or was released by a person.
fn came(world: &World<'_>, row: &DeliveryRow) -> Option<i64> {
    let sql = "SELECT max(seq) FROM entry WHERE delivery = ?1
         AND (body LIKE '{\"event\":\"accepted\"%' OR body LIKE '{\"event\":\"acted\"%\"act\":\"release\"%')";
    let mut statement = world.ledger().prepare_cached(sql).unwrap();
    let parts = row.report.iter().flat_map(|report| &report.parts).map(|(_, part)| *part).chain([row.delivery.id]);
    parts.map(|part| statement.query_row([part.to_string()], |row| row.get(0)).unwrap()).max().unwrap()
}

/// P4 and P10: pages show the newest figures of each provider, and none where there are none.
async fn figures(world: &mut World<'_>, model: &Model, rows: &[DeliveryRow], loaded: &[Loaded]) {
    if !world.introduced {
        return;
    }
    let now = world.clock.now();
    let shown = world.house().warehouse_at(now).await.unwrap().system_now().await.unwrap();
    let expected = if world.variant == Variant::WithoutOne { &CODES[..2] } else { &CODES[..] };
    let codes: Vec<&str> = shown.providers.iter().map(|provider| provider.provider.as_str()).collect();
    assert_eq!(codes, expected, "P10: each provider is shown");
    for provider in &shown.providers {
        let of_it = loaded.iter().filter(|snapshot| snapshot.current && snapshot.provider == provider.provider.as_str());
        let newest = of_it.max_by(|a, b| a.slot.cmp(&b.slot));
        let has = matches!(provider.state.as_str(), "current" | "stale");
        assert_eq!(provider.figures.occupied.is_some(), has, "P10: {provider:?}");
        let Some(newest) = newest else {
            assert_eq!((provider.state.as_str(), has), ("never sent", false), "P10: {provider:?}");
            continue;
        };
        let row = rows.iter().find(|row| row.delivery.id == newest.id).unwrap();
        newest_is_shown(provider, newest, model.file_of(row).snapshot_at, now);
    }
    let with: Vec<i64> = shown.providers.iter().filter_map(|provider| provider.figures.occupied).collect();
    let sum = (!with.is_empty()).then(|| with.iter().sum::<i64>());
    assert_eq!(shown.system.figures.occupied, sum, "P10: the sum is over those that tell");
    let counts = (shown.system.providers_counted, shown.system.providers_expected, shown.system.partial);
    let count = |length: usize| u32::try_from(length).unwrap();
    assert_eq!(counts, (count(with.len()), count(codes.len()), with.len() < codes.len()), "P10: n of m");
}

fn newest_is_shown(provider: &ProviderFigures, newest: &Loaded, snapshot_at: jiff::Timestamp, now: jiff::Timestamp) {
    let age = now.duration_since(snapshot_at);
    // A clock that was put back makes figures of the future; which of them are shown then is nobody's promise.
    if age < -SignedDuration::from_mins(5) {
        return;
    }
    assert_eq!(provider.snapshot, Some(newest.id), "P4: the newest figures are shown: {provider:?}");
    assert_eq!(provider.snapshot_at, Some(snapshot_at), "P10: {provider:?}");
    assert!(age.is_negative() || provider.age_minutes == Some(age.as_mins()), "P10: figures have their age: {provider:?}");
    if let Some(occupied) = provider.figures.occupied {
        assert_eq!(occupied, newest.occupied, "P4: {provider:?}");
    }
    assert!(age > SignedDuration::from_mins(30) || provider.figures.occupied.is_some(), "P4: fresh figures are shown: {provider:?}");
}

/// P5: nothing is told twice that was told and recorded; one stretch of one problem is one episode.
fn alerts(world: &World<'_>, seen: &mut Seen, fired: bool) {
    for key in told::take() {
        assert!(!seen.told.contains(&key), "P5: told twice: {key}");
        if !fired {
            seen.told.insert(key.clone());
        }
        seen.ever_told.insert(key);
    }
    let ledger = world.ledger();
    let sql = "SELECT count(*) FROM (SELECT 1 FROM episode WHERE closed_at IS NULL
        GROUP BY provider, json_extract(episode, '$.problem') HAVING count(*) > 1)";
    let doubled: u32 = ledger.query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(doubled, 0, "P5: one problem of one feed is open twice");
}

/// P2: what was to be read again was, and nothing of it waits. Gives whether that is so.
pub(crate) fn replays_are_over(world: &World<'_>) -> bool {
    let sql = "SELECT (SELECT count(*) FROM replay WHERE ended_at IS NULL)
        + (SELECT count(*) FROM replayed WHERE version IS NOT NULL AND loaded = 0)";
    world.ledger().query_row(sql, [], |row| row.get::<_, u64>(0)).unwrap() == 0
}

/// P2: everything of the first provider that is loaded says what the mapping of today says, but for what a person let in:
/// that may be refused by today's rules, and keeps what it said.
pub(crate) fn all_read_by_today(world: &World<'_>, model: &Model, rows: &[DeliveryRow]) -> u64 {
    let loaded = warehouse(world, model, rows);
    let mut renewed = 0;
    for row in rows.iter().filter(|row| matches!(row.stage, Stage::Loaded { .. }) && row.delivery.provider.as_str() == CODES[0]) {
        let newest = loaded.iter().filter(|it| it.id == row.delivery.id).max_by_key(|it| it.version).unwrap();
        renewed += u64::from(loaded.iter().filter(|it| it.id == row.delivery.id).count() > 1);
        assert!(newest.mapping == "rzz-1" || model.was_acted_on(row.delivery.id), "P2: not read again: {row:?}");
    }
    renewed
}

/// P5: every message was handed out, and nothing else was.
pub(crate) fn all_told(world: &World<'_>, seen: &Seen) -> usize {
    let ledger = world.ledger();
    let mut statement = ledger.prepare_cached("SELECT key, delivered_at IS NOT NULL FROM outbox").unwrap();
    let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, bool>(1)?));
    let outbox: BTreeMap<String, bool> = statement.query_map([], read).unwrap().collect::<Result<_, _>>().unwrap();
    assert!(outbox.values().all(|delivered| *delivered), "P5: not told: {outbox:?}");
    let keys: BTreeSet<String> = outbox.into_keys().collect();
    assert_eq!(keys, seen.ever_told, "P5: what was recorded was told, and nothing else");
    keys.len()
}

/// The feeds whose silence is told now: by a late or missed episode of their own, or with that of most.
pub(crate) fn silent(world: &World<'_>) -> BTreeSet<String> {
    let ledger = world.ledger();
    let sql = "SELECT DISTINCT provider FROM episode WHERE closed_at IS NULL AND json_extract(episode, '$.problem') IN ('late', 'missed')
        UNION SELECT provider FROM feed WHERE EXISTS
          (SELECT 1 FROM house_episode WHERE closed_at IS NULL AND json_extract(episode, '$.problem') = 'silent')";
    let mut statement = ledger.prepare_cached(sql).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

/// How many deliveries ended in each of these ways: loaded, repeated, set aside.
pub(crate) fn ends(rows: &[DeliveryRow]) -> (u64, u64, u64) {
    let inbox = rows.iter().filter(|row| row.delivery.folder == Folder::Inbox);
    let count = |which: fn(&Stage) -> bool| u64::try_from(inbox.clone().filter(|row| which(&row.stage)).count()).unwrap();
    (
        count(|stage| matches!(stage, Stage::Loaded { .. })),
        count(|stage| matches!(stage, Stage::Duplicate { .. })),
        count(|stage| matches!(stage, Stage::Quarantined { .. })),
    )
}
