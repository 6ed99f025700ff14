//! All kinds of warehouse are alike: the same tables, views and columns, and the same answers.

use super::fixture::*;
use crate::bedstate::{Coverage, Line, Snapshot, totals};
use crate::feed::{Finding, Findings, Rule};
use crate::forward::{Control, Load, SlotFact};
use jiff::SignedDuration;

/// Each table or view with its columns, in order; but for the one about logins, which only a server has.
fn columns(world: &World) -> Vec<String> {
    world.rows(match world.database() {
        None => {
            "SELECT o.name || '.' || c.name FROM sqlite_master AS o JOIN pragma_table_info(o.name) AS c
             WHERE o.type IN ('table', 'view') ORDER BY o.name, c.cid"
        }
        Some(_) => {
            "SELECT o.relname || '.' || c.attname FROM pg_class AS o JOIN pg_attribute AS c ON c.attrelid = o.oid
             WHERE o.relnamespace = 'public'::regnamespace AND o.relkind IN ('r', 'p', 'v') AND NOT o.relispartition
               AND c.attnum > 0 AND NOT c.attisdropped AND o.relname <> 'access_provider' ORDER BY o.relname COLLATE \"C\", c.attnum"
        }
    })
}

#[tokio::test]
async fn tables_views_and_columns_have_the_same_names() {
    if crate::forward::postgres::server::server().is_none() {
        return;
    }
    let (embedded, served) = (World::new(Kind::Sqlite).await, World::new(Kind::Postgres).await);
    let expected = columns(&embedded);
    assert!(expected.len() > 300 && expected.iter().any(|column| column == "v_filter_cube.suitable_empty"), "{}", expected.len());
    assert_eq!(columns(&served), expected);
}

#[tokio::test]
async fn percentages_are_rounded_alike() {
    if crate::forward::postgres::server::server().is_none() {
        return;
    }
    let (embedded, served) = (World::new(Kind::Sqlite).await, World::new(Kind::Postgres).await);
    // Every share of up to 400, among them all that lie in the middle between two tenths.
    let query = "WITH RECURSIVE whole (b) AS (SELECT 1 UNION ALL SELECT b + 1 FROM whole WHERE b < 400),
        part (a, b) AS (SELECT 0, b FROM whole UNION ALL SELECT a + 1, b FROM part WHERE a < b)
        SELECT a, b, CAST(round(100.0 * a / nullif(b, 0), 1) AS DOUBLE PRECISION) AS percent FROM part ORDER BY 2, 1";
    let (one, other) = (embedded.rows(query), served.rows(query));
    assert_eq!(one.len(), 80_600);
    let different: Vec<_> = one.iter().zip(&other).filter(|(one, other)| one != other).collect();
    assert!(different.is_empty(), "{} of {}: {:?}", different.len(), one.len(), different.first());
}

/// A number that looks like chance and is the same each time, below `most`.
fn dice(seed: u32, most: u32) -> u32 {
    (seed.wrapping_mul(2_654_435_761) ^ seed.rotate_left(13)).wrapping_mul(2_246_822_519).rotate_right(16) % most
}

/// What one provider sends for one slot: people, empty and closed beds, wards that nobody knows, and those who wait.
fn sent(code: &str, at: &str, seed: u32) -> Snapshot {
    let genders = ["1", "2", "9", "X"];
    let bands = ["A05", "A15", "A65", "A80", "A90", "AXX"];
    let one_of = |of: &[&'static str], salt: u32| of[usize::try_from(dice(seed + salt, u32::try_from(of.len()).unwrap())).unwrap()];
    if code == "NCC" {
        let mut lines = vec![occupied("CHRES", "X", "AXX", 5 + dice(seed, 9)), empty("CHRES", "RDY", 1), closed("CHRES", "OTH", 2)];
        for line in &mut lines {
            line.source_updated_at = Some((slot(at).start() - SignedDuration::from_hours(i64::from(dice(seed, 200)))).into());
        }
        return Snapshot { coverage: Coverage { beds: true, demand: false }, ..snapshot(code, at, lines) };
    }
    let mut lines = Vec::new();
    for (salt, ward) in (0..).step_by(100).zip(["MEN", "KIDS", "ADULT", "ESC", "NEW"]) {
        lines.extend((0..4).map(|number| occupied(ward, one_of(&genders, salt + number), one_of(&bands, salt + 7 * number), 1 + number)));
        lines.push(empty(ward, one_of(&["RDY", "CLN", "RSV", "LVE"], salt + 50), 1 + dice(seed + salt, 5)));
        lines.push(closed(ward, one_of(&["IPC", "STF", "EST", "TIM", "CAR", "OTH"], salt + 60), 1));
    }
    let waits = (slot(at).start() - SignedDuration::from_mins(i64::from(dice(seed + 9, 1500)))).to_string();
    lines.extend([demand("MED", false, Some(&waits)), demand("PAED", true, None), demand("NONE", false, Some(&waits))]);
    let long_ago = (slot(at).start() - SignedDuration::from_hours(13)).to_string();
    lines.push(Line { quantity: 2, ..demand("CRIT", false, Some(&long_ago)) });
    snapshot(code, at, lines)
}

/// Everything that comes on a day: most slots of each provider, some late, some corrected, some read again, some rejected.
pub(in crate::forward) fn day() -> (Vec<Load>, Control) {
    let (mut loads, mut control) = (Vec::new(), Control::default());
    let first = slot("2018-12-02T10:15Z");
    for number in 0..96_u32 {
        let slot = first.plus(i32::try_from(number).unwrap());
        let at = slot.start().strftime("%Y-%m-%dT%H:%MZ").to_string();
        for (salt, code) in (0..).step_by(1000).zip(["RM1", "RGP", "NCC"]) {
            let seed = number * 7 + salt;
            let fate = dice(seed, 20);
            let state =
                ["missed", "late", "rejected", "superseded", "planned"].get(usize::try_from(fate).unwrap()).copied().unwrap_or("on_time");
            control.slots.push(SlotFact { provider: provider(code), slot, state });
            match state {
                "missed" | "planned" => continue,
                "rejected" => {
                    let mut file = file(lead(&sent(code, &at, seed), 9), code, slot.start() + SignedDuration::from_mins(3), "quarantined");
                    let mut findings = Findings::default();
                    findings.extend((1..=3).map(|line| Finding::new(Rule::Row01, "ward_code missing").at_line(line).in_column("WARD")));
                    findings.push(Finding::new(Rule::Str03, "column WARD is missing").in_column("WARD"));
                    file.findings = Some(findings);
                    control.files.push(file);
                }
                _ => loads.push(load_of(sent(code, &at, seed), 1)),
            }
            if state == "superseded" {
                let mut corrected = load_of(sent(code, &at, seed + 1), 2);
                corrected.report.findings.push(Finding::new(Rule::Row01, "ward_code missing").at_line(4));
                loads.push(corrected);
                let again = load_of(sent(code, &at, seed + 2), 1);
                let reference = crate::feed::SnapshotRef { version: 3, ..again.reference };
                loads.push(Load { reference, replay: true, ..again });
            }
        }
    }
    // A census of the week before, to compare with.
    let before = "2018-11-26T08:00Z";
    loads.extend((0..).zip(["RM1", "RGP", "NCC"]).map(|(seed, code)| load_of(sent(code, before, seed), 1)));
    assert!(loads.iter().any(|load| load.replay) && control.files.len() > 3, "the day has everything in it");
    assert!(loads.iter().all(|load| load.verified.snapshot().totals == totals(&load.verified.snapshot().lines)));
    (loads, control)
}

/// Each view with those of its columns that are the same everywhere: the keys inside a database are not.
pub(in crate::forward) fn views(world: &World) -> Vec<(String, String)> {
    let mut views: Vec<(String, Vec<String>)> = Vec::new();
    for column in columns(world).iter().filter(|column| column.starts_with("v_") && !column.ends_with(".snapshot_key")) {
        let (view, column) = column.split_once('.').unwrap();
        match views.last_mut().filter(|(last, _)| last == view) {
            Some((_, columns)) => columns.push(column.to_owned()),
            None => views.push((view.to_owned(), vec![column.to_owned()])),
        }
    }
    views.into_iter().map(|(view, columns)| (view, columns.join(", "))).collect()
}

#[tokio::test]
async fn a_days_deliveries_give_the_same_rows_in_every_view() {
    if crate::forward::postgres::server::server().is_none() {
        return;
    }
    let (embedded, served) = (World::new(Kind::Sqlite).await, World::new(Kind::Postgres).await);
    let (loads, control) = day();
    for world in [&embedded, &served] {
        for load in &loads {
            world.warehouse.load(load.clone()).await.unwrap();
        }
        world.warehouse.publish(control.clone()).await.unwrap();
    }
    embedded.clock("2018-12-03T10:40:00Z").await;
    served.clock("2018-12-03T10:40:00Z").await;
    let [figures, support] = example_queries();
    assert_eq!((figures.len(), support.len()), (10, 2));
    for query in figures.into_iter().chain(support) {
        let (expected, got) = (embedded.rows(query), served.rows(query));
        assert!(!expected.is_empty(), "{query} gives nothing");
        assert_eq!(got, expected, "{query}");
    }
    let views = views(&embedded);
    assert_eq!(views.len(), 16);
    for now in ["2018-12-03T10:10:00Z", "2018-12-03T10:40:00Z", "2018-12-03T18:00:00Z"] {
        let mut shown = 0;
        for (view, columns) in &views {
            let rows = |world: &World| {
                let mut rows = world.rows(&format!("SELECT {columns} FROM {view}"));
                rows.sort();
                rows
            };
            embedded.clock(now).await;
            served.clock(now).await;
            let (expected, got) = (rows(&embedded), rows(&served));
            let different = expected.iter().zip(&got).find(|(one, other)| one != other);
            assert_eq!((got.len(), different), (expected.len(), None), "{view} at {now}");
            shown += got.len();
        }
        assert!(shown > 1_000, "{shown} rows at {now}");
    }
}
