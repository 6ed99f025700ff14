//! Bringing the lake up to date with its index.
//!
//! Owns the order of the steps. Each is found done by the next try, wherever this one ended.

use super::super::sqlite::{Beside, Due};
use super::super::{ForwardError, ForwardErrorKind};
use super::folder::Folder;
use super::index::{self, Object, Present, REFERENCE_PART, Standing, State};
use super::manifest::{FORMAT, Manifest, manifest_name};
use super::parquet_file::{Cell, EncodeError, encode};
use super::store::{Put, Store, StoreError, Until};
use super::tables::{FACTS, REFERENCE, Table};
use super::{LakeSettings, SNAPSHOTS, bucket, duckdb};
use crate::feed::{Digest, error_chain};
use rusqlite::Connection;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long one write may work on the lake; what is left is done by the next.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long it may go on with what nobody waits for.
const LEISURE: Duration = Duration::from_secs(3);
/// Manifests of a part that are kept for readers who have begun with them.
const KEPT: i64 = 3;
/// Objects that are read, and then put or deleted, before that is noted.
const PIECE: usize = 60;
/// Says that there is a lake, and its layout.
const MARKER: &str = "lake.json";
/// Says which index wrote last: a text that was never there before, and that this index noted.
const WRITER: &str = "writer.json";
/// Makes our views in DuckDB.
const SCRIPT: &str = "duckdb.sql";

/// The lake beside its index.
pub(super) struct Lake {
    store: Box<dyn Store>,
    /// Whether this write has said in the lake that it goes on with it.
    took_turn: AtomicBool,
}

/// What stopped the work: the index, or what is beside it.
enum Stop {
    Index(ForwardError),
    Lake(ForwardError),
}

impl From<ForwardError> for Stop {
    fn from(error: ForwardError) -> Self {
        Self::Index(error)
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Lake(error.told("writing into the lake"))
    }
}

impl From<EncodeError> for Stop {
    fn from(error: EncodeError) -> Self {
        Self::Lake(ForwardError::unavailable("writing into the lake", error))
    }
}

impl Lake {
    /// The lake that the settings name.
    pub(super) fn new(settings: &LakeSettings) -> Self {
        Self::on(match settings {
            LakeSettings::Folder(root) => Box::new(Folder::new(root.clone())),
            LakeSettings::Bucket(bucket) => Box::new(bucket::Bucket::new(bucket.clone())),
        })
    }

    pub(super) fn on(store: Box<dyn Store>) -> Self {
        Self { store, took_turn: AtomicBool::new(false) }
    }

    fn bring_up_to_date(&self, connection: &mut Connection, due: Due) -> Result<(), Stop> {
        let until = Until::after(PATIENCE);
        self.begin(connection, until)?;
        let (tables, days) = index::waiting(connection)?;
        if !tables.is_empty() {
            self.reference(connection, &tables, until)?;
        }
        let mut asked = match due {
            Due::Reference => BTreeSet::new(),
            Due::Slot(slot) => BTreeSet::from([slot.start().strftime("%Y-%m-%d").to_string()]),
            Due::Days(days) => days,
            Due::Dropped => index::days_with_dropped(connection)?,
            Due::All => days.clone(),
        };
        asked.retain(|day| days.contains(day));
        let done = self.days(connection, asked.iter().rev(), until)?;
        // Nobody waits for the others, and the next write goes on with them.
        if let Err(error) = self.days(connection, days.iter().rev().filter(|day| !asked.contains(*day)), Until::after(LEISURE))? {
            tracing::warn!(error = error_chain(&error), "a day waits to be written into the lake");
        }
        done.map_err(Stop::Lake)
    }

    /// Brings days up to date in this order; gives what went wrong first. One in which something else lies holds up no other.
    fn days<'d>(
        &self,
        connection: &mut Connection,
        days: impl Iterator<Item = &'d String>,
        until: Until,
    ) -> Result<Result<(), ForwardError>, ForwardError> {
        let mut first = Ok(());
        for day in days {
            match self.day(connection, day, until) {
                Err(Stop::Lake(error)) => {
                    let is_away = error.kind() == ForwardErrorKind::Unavailable;
                    first = first.and(Err(error));
                    if is_away {
                        break;
                    }
                }
                Err(Stop::Index(error)) => return Err(error),
                Ok(()) => {}
            }
        }
        Ok(first)
    }

    /// Makes the lake, once; later looks whether it is still there, and puts the script of this version into it.
    fn begin(&self, connection: &mut Connection, until: Until) -> Result<(), Stop> {
        let here = self.store.place();
        let known = index::place(connection)?;
        if known.place.as_deref() != Some(&here) {
            self.make(connection, known.trying.as_deref() == Some(&here), until)?;
        }
        self.look_who_wrote_last(connection, &here, until)?;
        self.took_turn.store(false, Ordering::Relaxed);
        let script = duckdb::script();
        let hash = Digest::of(script.as_bytes()).to_string();
        if index::place(connection)?.script.as_deref() != Some(&hash) {
            self.store.replace(SCRIPT, script.as_bytes(), until)?;
            index::note_script(connection, &hash)?;
        }
        Ok(())
    }

    /// Begins a lake in an empty place. `tried`: that was begun before, and may be half done.
    fn make(&self, connection: &mut Connection, tried: bool, until: Until) -> Result<(), Stop> {
        let here = self.store.place();
        let marker = format!("{{\"bedfeed\":\"lake\",\"format\":{FORMAT}}}\n");
        index::note_trying(connection, Some(&here))?;
        if let Put::There(other) = self.store.put_new(MARKER, marker.as_bytes(), until)?
            && !(tried && other == marker.as_bytes())
        {
            index::note_trying(connection, None)?;
            let why = "there is a lake already, and the index in the state folder is not the one that it was written from: put that one back, or \
                 name an empty place, into which all that this index has is written";
            return Err(StoreError::unusable(format!("{here}: {why}")).into());
        }
        // A store that takes it again writes over what is there, whatever it is asked: nothing would be safe in it.
        if self.store.put_new(MARKER, marker.as_bytes(), until)? == Put::Made {
            let why = "writes over objects although it is asked not to (If-None-Match); it cannot hold a lake";
            return Err(StoreError::unusable(format!("{here}: it {why}")).into());
        }
        Ok(index::note_begun(connection, &here)?)
    }

    /// Refuses to write where the lake is not there, or was written since by something else than this index: by another bedfeed, or by
    /// the one that this index is an older copy of. What went on since would be written over, or what is written now never seen.
    fn look_who_wrote_last(&self, connection: &mut Connection, here: &str, until: Until) -> Result<(), Stop> {
        let gone = || {
            let why = "there is no lake any more; is it mounted, or was it emptied? Nothing is written into it. If it is lost, name an empty \
                 place, into which all that the index has is written";
            Stop::from(StoreError::away(format!("{here}: {why}")))
        };
        let turn = index::turn(connection)?;
        let there = if turn.noted.is_some() {
            self.store.get(WRITER, until)?.ok_or_else(gone)?
        } else {
            self.store.get(MARKER, until)?.ok_or_else(gone)?;
            let first = turn.intended.clone().unwrap_or_else(next_turn);
            index::intend_turn(connection, &first)?;
            match self.store.put_new(WRITER, first.as_bytes(), until)? {
                Put::Made => first.into_bytes(),
                Put::There(there) => there,
            }
        };
        let known = index::turn(connection)?;
        let ours = [known.noted, known.intended].into_iter().flatten().find(|turn| turn.as_bytes() == there);
        let Some(ours) = ours else {
            let why = "was not written from this index last: another bedfeed writes into this lake, or the index in the state folder is an older \
                 one than the lake's. One of them needs another lake; all that an index has is written into an empty place";
            return Err(StoreError::unusable(format!("{here}: it {why}")).into());
        };
        Ok(index::note_turn(connection, &ours)?)
    }

    /// Says in the lake, before something new is said there, that this index goes on with it: an older one is refused from then on.
    fn take_turn(&self, connection: &Connection, until: Until) -> Result<(), Stop> {
        if self.took_turn.load(Ordering::Relaxed) {
            return Ok(());
        }
        let turn = next_turn();
        index::intend_turn(connection, &turn)?;
        self.store.replace(WRITER, turn.as_bytes(), until)?;
        index::note_turn(connection, &turn)?;
        self.took_turn.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Writes the reference tables that wait, and their manifest.
    fn reference(&self, connection: &mut Connection, waiting: &BTreeSet<String>, until: Until) -> Result<(), Stop> {
        let last = index::standing(connection, REFERENCE_PART)?.map_or(0, |standing| standing.number);
        let mut named = index::named(connection, REFERENCE_PART, last)?;
        let known = index::objects(connection, REFERENCE_PART)?;
        let (mut objects, mut missing) = (Vec::new(), Vec::new());
        // Of facts an object without rows: a reader needs one of each kind, be there no snapshot yet.
        for (table, is_fact) in FACTS.iter().map(|table| (table, true)).chain(REFERENCE.iter().map(|table| (table, false))) {
            if let Some(object) = named.remove(table.name).filter(|_| !waiting.contains(table.name)) {
                objects.push(object);
                continue;
            }
            let rows = if is_fact { Vec::new() } else { index::rows(connection, table, None)? };
            let bytes = encode(table.name, table.columns, &rows)?;
            let name = format!("{}/{}.parquet", table.name, Digest::of(&bytes));
            let object = describe(name, table, None, rows.len(), &bytes);
            if !known.get(&object.name).is_some_and(|(_, state)| *state == State::There) {
                missing.push((object.clone(), bytes));
            }
            objects.push(object);
        }
        self.put_objects(connection, REFERENCE_PART, missing, until)?;
        let manifest = Manifest { part: REFERENCE_PART.to_owned(), objects, ..Manifest::default() };
        let standing = self.publish(connection, &manifest, &[], until)?;
        let oldest = standing.number.saturating_sub(KEPT).saturating_add(1);
        self.delete_manifests(connection, REFERENCE_PART, &standing, oldest, until)?;
        let outlived = index::outlived(connection, oldest)?;
        self.delete_objects(connection, &outlived, until)?;
        Ok(index::note_done(connection, waiting)?)
    }

    /// Makes the lake say of a day what the index says.
    fn day(&self, connection: &mut Connection, day: &str, until: Until) -> Result<(), Stop> {
        // Names of snapshots that were dropped may come again with other rows: what was there goes first.
        while self.day_without_what_comes_again(connection, day, until)? {}
        Ok(index::note_done(connection, [&day.to_owned()])?)
    }

    /// Does that but for snapshots whose names are still taken by rows that were dropped; says whether there were any.
    fn day_without_what_comes_again(&self, connection: &mut Connection, day: &str, until: Until) -> Result<bool, Stop> {
        let present = index::day(connection, day)?;
        let mut known = index::objects(connection, day)?;
        let is_taken = |name: &String| known.get(name).is_some_and(|(_, state)| *state == State::Gone);
        let comes_again = |snapshot: &Present| snapshot.of.iter().any(|table| is_taken(&object_name(table, day, &snapshot.id)));
        let (held_back, present): (Vec<_>, Vec<_>) = present.into_iter().partition(comes_again);
        let mut manifest = Manifest { part: day.to_owned(), ..Manifest::default() };
        let (mut ids, mut missing) = (Vec::new(), Vec::new());
        for snapshot in present {
            for table in &snapshot.of {
                let name = object_name(table, day, &snapshot.id);
                match known.remove(&name) {
                    Some((object, State::There)) => manifest.objects.push(object),
                    _ => missing.push((*table, snapshot.id.clone(), name)),
                }
            }
            ids.push(snapshot.id);
            manifest.snapshots.push((snapshot.row, snapshot.sums));
        }
        for piece in missing.chunks(PIECE) {
            let encode = |(table, id, name): &(&'static Table, String, String)| {
                let rows = index::rows(connection, table, Some(id))?;
                let bytes = encode(table.name, table.columns, &rows)?;
                Ok((describe(name.clone(), table, Some(id.clone()), rows.len(), &bytes), bytes))
            };
            let made = piece.iter().map(encode).collect::<Result<Vec<_>, Stop>>()?;
            manifest.objects.extend(self.put_objects(connection, day, made, until)?);
        }
        manifest.objects.sort_by(|one, other| one.name.cmp(&other.name));
        let among = |row: &Vec<Cell>| row.get(4).is_some_and(|id| matches!(id, Cell::Text(id) if ids.binary_search(id).is_ok()));
        manifest.census = index::census(connection, day)?.into_iter().filter(among).collect();
        let superfluous: Vec<String> = known.into_keys().collect();
        if manifest.is_empty() && superfluous.is_empty() && index::standing(connection, day)?.is_none() {
            return Ok(!held_back.is_empty());
        }
        let standing = self.publish(connection, &manifest, &ids, until)?;
        // Manifests that name what is about to go are of no use to a reader, and may tell of what retention let go.
        let kept = if superfluous.is_empty() { KEPT } else { 1 };
        self.delete_manifests(connection, day, &standing, standing.number.saturating_sub(kept).saturating_add(1), until)?;
        self.delete_objects(connection, &superfluous, until)?;
        Ok(!held_back.is_empty())
    }

    /// Puts objects, or finds them there with the same bytes; gives what is noted of them.
    fn put_objects(
        &self,
        connection: &mut Connection,
        part: &str,
        objects: Vec<(Object, Vec<u8>)>,
        until: Until,
    ) -> Result<Vec<Object>, Stop> {
        let (described, bytes): (Vec<Object>, Vec<Vec<u8>>) = objects.into_iter().unzip();
        if described.is_empty() {
            return Ok(described);
        }
        index::intend_objects(connection, part, &described)?;
        let (mut put, mut stopped) = (0, Ok(()));
        for (object, bytes) in described.iter().zip(&bytes) {
            stopped = self.put(&object.name, bytes, until);
            if stopped.is_err() {
                break;
            }
            put += 1;
        }
        // Also where it stops: a slow store gets further with each try.
        index::note_objects(connection, described.get(..put).unwrap_or_default())?;
        stopped.map(|()| described)
    }

    /// Puts an object, or finds it there with the same bytes.
    fn put(&self, name: &str, bytes: &[u8], until: Until) -> Result<(), Stop> {
        match self.store.put_new(name, bytes, until)? {
            // Nobody's snapshot is to blame: it waits, and whatever else belongs to its day.
            Put::There(other) if other != bytes => {
                let why = "is there already with other bytes: somebody else has written it; if nobody should have, delete it";
                Err(StoreError::unusable(format!("{}: {name} {why}", self.store.place())).into())
            }
            Put::There(_) | Put::Made => Ok(()),
        }
    }

    /// Puts a manifest under the next number, where it says something new, and notes that it stands.
    fn publish(&self, connection: &mut Connection, manifest: &Manifest, snapshots: &[String], until: Until) -> Result<Standing, Stop> {
        let part = manifest.part.as_str();
        let content = manifest.content();
        let last = index::standing(connection, part)?;
        if let Some(last) = last.as_ref().filter(|last| last.content == content) {
            index::note_manifest(connection, part, last, snapshots, &manifest.objects)?;
            return Ok(last.clone());
        }
        self.take_turn(connection, until)?;
        let mut number = last.as_ref().map_or(0, |last| last.number);
        loop {
            number = number.saturating_add(1);
            let body = manifest.body(number);
            let hash = Digest::of(&body);
            index::intend(connection, part, number, hash)?;
            match self.store.put_new(&manifest_name(part, number), &body, until)? {
                Put::Made => break,
                Put::There(other) if Digest::of(&other) == hash => break,
                // One of ours whose answer was lost: this one goes past it.
                Put::There(other) if index::was_intended(connection, part, number, Digest::of(&other))? => {}
                Put::There(_) => {
                    let why = "was not written from this index: another bedfeed writes into this lake, or the index in the state folder is \
                         an older one than the lake's. One of them needs another lake";
                    return Err(StoreError::unusable(format!("{}: {} {why}", self.store.place(), manifest_name(part, number))).into());
                }
            }
        }
        let oldest = last.map_or(1, |last| last.oldest);
        let standing = Standing { number, content, oldest };
        index::note_manifest(connection, part, &standing, snapshots, &manifest.objects)?;
        Ok(standing)
    }

    fn delete_manifests(&self, connection: &Connection, part: &str, standing: &Standing, oldest: i64, until: Until) -> Result<(), Stop> {
        if standing.oldest >= oldest {
            return Ok(());
        }
        let names: Vec<String> = (standing.oldest..oldest).map(|number| manifest_name(part, number)).collect();
        self.store.delete(&names, until)?;
        Ok(index::note_oldest(connection, part, oldest)?)
    }

    fn delete_objects(&self, connection: &mut Connection, names: &[String], until: Until) -> Result<(), Stop> {
        for names in names.chunks(PIECE) {
            // Should the answer be lost, they may be there or not.
            index::doubt_objects(connection, names)?;
            self.store.delete(names, until)?;
            index::forget_objects(connection, names)?;
        }
        Ok(())
    }
}

impl Beside for Lake {
    fn prepare(&self, connection: &mut Connection) -> Result<(), ForwardError> {
        index::prepare(connection)
    }

    fn settle(&self, connection: &mut Connection, due: Due) -> Result<Result<(), ForwardError>, ForwardError> {
        match self.bring_up_to_date(connection, due) {
            Ok(()) => Ok(Ok(())),
            Err(Stop::Lake(error)) => Ok(Err(error)),
            Err(Stop::Index(error)) => Err(error),
        }
    }

    fn holds(&self, connection: &Connection, snapshot_id: &str) -> rusqlite::Result<bool> {
        index::holds(connection, snapshot_id)
    }

    fn snapshots(&self) -> &'static str {
        SNAPSHOTS
    }
}

fn next_turn() -> String {
    format!("{{\"bedfeed\":\"writer\",\"turn\":\"{}\"}}\n", uuid::Uuid::now_v7())
}

/// The name of a snapshot's object.
fn object_name(table: &Table, day: &str, snapshot_id: &str) -> String {
    format!("{}/day={day}/{}.parquet", table.name, snapshot_id.replace('/', "_"))
}

fn describe(name: String, table: &Table, snapshot_id: Option<String>, rows: usize, bytes: &[u8]) -> Object {
    let count = |length: usize| i64::try_from(length).unwrap_or(i64::MAX);
    let (of, sha256) = (table.name.to_owned(), Digest::of(bytes).to_string());
    Object { name, of, snapshot_id, rows: count(rows), bytes: count(bytes.len()), sha256 }
}
