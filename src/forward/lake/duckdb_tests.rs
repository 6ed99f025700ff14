//! An analyst with DuckDB sees in the lake what the embedded warehouse's views say.

use super::*;
use crate::forward::tests::alike::{day, views};
use crate::forward::tests::fixture::*;
use crate::forward::{Settings, Warehouse};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Reads the lake's script, stops the clock, and shows the rows of queries as the tests of the other kinds do.
const READER: &str = r#"
import duckdb, json, re, sys
order = json.load(sys.stdin)
lake = duckdb.connect()
lake.execute("SET VARIABLE lake = '" + order["lake"] + "'")
lake.execute(order["first"])
lake.execute(open(order["lake"] + "/duckdb.sql").read())
lake.execute("INSERT INTO clock_override VALUES ('" + order["now"] + "')")
def shown(value):
    if value is None:
        return "NULL"
    value = re.sub(r"^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)\+00$", r"\1T\2Z", value)
    return re.sub(r"^(-?\d+)\.0$", r"\1", value)
answers = []
for query in order["queries"]:
    rows = lake.execute("SELECT CAST(COLUMNS(*) AS VARCHAR) FROM (" + query + ")").fetchall()
    answers.append(["|".join(map(shown, row)) for row in rows])
json.dump(answers, sys.stdout)
"#;

/// Python with the programs that the tests run.
pub(super) fn python() -> PathBuf {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-tools/bin/python");
    assert!(python.try_exists().unwrap(), "{} is made by tests/run", python.display());
    python
}

/// The rows of each query, at a moment.
fn duckdb(lake: &Path, now: &str, queries: &[String]) -> Vec<Vec<String>> {
    duckdb_after("SELECT 1", lake, now, queries)
}

fn duckdb_after(first: &str, lake: &Path, now: &str, queries: &[String]) -> Vec<Vec<String>> {
    let mut command = Command::new(python());
    command.args(["-c", READER]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let order = serde_json::json!({ "lake": lake, "now": now, "first": first, "queries": queries });
    serde_json::to_writer(child.stdin.take().unwrap(), &order).unwrap();
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    serde_json::from_slice(&done.stdout).unwrap()
}

/// A day's deliveries in an embedded warehouse that became the index of a lake.
async fn a_day() -> World {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings::Sqlite { path: INDEX.into() };
    let warehouse = Warehouse::open(&settings, folder.path()).await.unwrap();
    let mut world = World::with(folder, settings, warehouse).await;
    let (loads, control) = day();
    for load in loads {
        world.warehouse.load(load).await.unwrap();
    }
    world.warehouse.publish(control).await.unwrap();
    world.warehouse.close().await;
    let lake = world.folder.path().join("lake");
    std::fs::create_dir(&lake).unwrap();
    world.settings = Settings::Lake { place: LakeSettings::Folder(lake), index: INDEX.into() };
    Warehouse::migrate(&world.settings, world.folder.path()).await.unwrap();
    world.warehouse = world.open_again().await.unwrap();
    world
}

#[tokio::test]
async fn duckdb_gives_the_same_rows_in_every_view() {
    let world = a_day().await;
    let lake = world.folder.path().join("lake");
    let left_out = |view: &str| duckdb::LEFT_OUT.contains(&view);
    let views: Vec<(String, String)> = views(&world).into_iter().filter(|(view, _)| !left_out(view)).collect();
    assert_eq!(views.len(), 13);
    for now in ["2018-12-03T10:10:00Z", "2018-12-03T10:40:00Z", "2018-12-03T18:00:00Z"] {
        world.clock(now).await;
        let queries: Vec<String> = views.iter().map(|(view, columns)| format!("SELECT {columns} FROM {view}")).collect();
        let mut shown = 0;
        for ((query, mut got), (view, _)) in queries.iter().zip(duckdb(&lake, now, &queries)).zip(&views) {
            let mut expected = world.rows(query);
            expected.sort();
            got.sort();
            let different = expected.iter().zip(&got).find(|(one, other)| one != other);
            assert_eq!((got.len(), different), (expected.len(), None), "{view} at {now}");
            shown += got.len();
        }
        assert!(shown > 1_000, "{shown} rows at {now}");
    }
    let now = "2018-12-03T10:40:00Z";
    world.clock(now).await;
    let page = include_str!("../../../docs/warehouse.md");
    // Support's are about files and findings, which are not in a lake.
    let [figures, _] = example_queries();
    let of_a_lake = |query: &&&str| !duckdb::LEFT_OUT.iter().any(|view| query.contains(view));
    let queries: Vec<String> = figures.iter().filter(of_a_lake).map(|query| query.trim_end_matches(';').to_owned()).collect();
    assert!(queries.len() >= 6, "{queries:?}");
    for (query, mut got) in queries.iter().zip(duckdb(&lake, now, &queries)) {
        let mut expected = world.rows(query);
        expected.sort();
        got.sort();
        assert_eq!(got, expected, "{query}");
    }
    // The lines of the newest day alone.
    let days = [
        "SELECT DISTINCT substr(CAST(slot_utc AS VARCHAR), 1, 10) FROM fact_bed_line JOIN ingest_snapshot USING (snapshot_key) ORDER BY 1",
    ];
    let days = days.map(str::to_owned);
    let all: Vec<String> = world.rows(&days[0]);
    assert_eq!((all.len(), duckdb(&lake, now, &days)), (3, vec![all.clone()]));
    assert_eq!(duckdb_after("SET VARIABLE lake_days = 1", &lake, now, &days), [[all[2].clone()]]);
    // As the page says it is done.
    let commands = page.split("## A lake").nth(1).unwrap().split("```python").nth(1).unwrap().split("```").next().unwrap();
    let commands = commands.replace("/srv/lake", lake.to_str().unwrap());
    let done = Command::new(python()).args(["-c", &commands]).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(String::from_utf8_lossy(&done.stdout).contains("available_now"), "{done:?}");
}
