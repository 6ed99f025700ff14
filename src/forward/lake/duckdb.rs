//! The script that makes our views over the lake in DuckDB, and lies in it.
//!
//! Made of the tables' columns and of the one text of the views; a few phrases are put in DuckDB's words.

use super::tables::{CENSUS, Column, FACTS, Kind, REFERENCE, SNAPSHOT, SUMS, Table, name};

const HEAD: &str = include_str!("duckdb.sql");
const VIEWS: &str = include_str!("../views.sql");

/// What depends on a ward's key.
macro_rules! of_the_ward {
    () => {
        "w.site_code, w.ward_code, w.alias, w.name, w.ward_type, w.ward_class, w.bed_group, w.bed_sex, w.min_age, w.max_age, w.registered_beds, w.state"
    };
}

/// Views of what is not in a lake: deliveries, findings, and how slots were filled.
pub(super) const LEFT_OUT: [&str; 3] = ["v_feed_health", "v_feed_grid", "v_quality_28d"];

/// SQLite's phrases, and DuckDB's. There one stroke between whole numbers keeps the fraction and two do not, "at" is no name, and what
/// depends on a key is grouped by too.
const PHRASES: [(&str, &str); 15] = [
    ("strftime('%Y-%m-%dT%H:%M:%SZ', 'now')", "date_trunc('second', now())"),
    ("strftime('%Y-%m-%dT%H:%M:%SZ', v_clock.now_utc, '-28 days')", "v_clock.now_utc - INTERVAL 28 DAYS"),
    ("strftime('%Y-%m-%dT%H:%M:%SZ', slots.at, 'unixepoch')", "to_timestamp(slots.moment)"),
    ("<= slots.at)", "<= slots.moment)"),
    ("slots (at)", "slots (moment)"),
    ("SELECT at - 900 FROM slots WHERE at >", "SELECT moment - 900 FROM slots WHERE moment >"),
    ("unixepoch(", "lake_seconds("),
    ("age_s / 60", "age_s // 60"),
    (" / 900 * 900", " // 900 * 900"),
    (") / 86400", ") // 86400"),
    (" + 2) / 5 * 5", " + 2) // 5 * 5"),
    ("state, w.ward_key;", concat!("state, w.ward_key, ", of_the_ward!(), ";")),
    ("d.local_time, w.ward_key;", concat!("d.local_time, w.ward_key, ", of_the_ward!(), ";")),
    ("c.provider_code, w.ward_key, n.name", concat!("c.provider_code, w.ward_key, ", of_the_ward!(), ", n.name")),
    ("CREATE VIEW", "CREATE OR REPLACE TEMP VIEW"),
];

/// The key of a ward outside a database, of a fact and of the ward.
const WARD_OF_FACT: &str =
    "CASE WHEN ward_code IS NOT NULL THEN concat_ws('|', provider_code, site_code, ward_code, ward_valid_from) END AS ward_key";
const WARD: &str = "concat_ws('|', provider_code, site_code, ward_code, valid_from) AS ward_key";

/// The script.
pub(super) fn script() -> String {
    let mut text = format!("{HEAD}\n{}", manifests());
    for table in &REFERENCE {
        let key = if table.name == "dim_ward" { format!(", {WARD}") } else { String::new() };
        text += &objects_of(table);
        text += &format!("CREATE OR REPLACE TEMP TABLE {} AS SELECT *{key} FROM {};\n", table.name, read(table));
    }
    for table in &FACTS {
        text += &objects_of(table);
        let keys = format!("snapshot_id AS snapshot_key, {WARD_OF_FACT}");
        text += &format!("CREATE OR REPLACE TEMP VIEW {} AS SELECT *, {keys} FROM {};\n", table.name, read(table));
    }
    text + "\n" + &views()
}

/// What the manifests say, as tables.
fn manifests() -> String {
    let snapshot = format!("{}, sums STRUCT({})", fields(&SNAPSHOT), fields(&SUMS));
    let objects = "name VARCHAR, \"table\" VARCHAR, snapshot_id VARCHAR, \"rows\" BIGINT, bytes BIGINT, sha256 VARCHAR";
    let has_sums = |column: &&Column| name(column) != "has_sums";
    format!(
        "CREATE OR REPLACE TEMP TABLE lake_manifest AS SELECT * FROM read_json(getvariable('lake_manifests'),
  maximum_object_size = 268435456, columns = {{format: 'BIGINT', part: 'VARCHAR', number: 'BIGINT',
  snapshots: 'STRUCT({snapshot})[]', census: 'STRUCT({})[]', objects: 'STRUCT({objects})[]'}});
CREATE OR REPLACE TEMP TABLE lake_object AS SELECT day, o.*
FROM (SELECT TRY_CAST(part AS DATE) AS day, unnest(objects) AS o FROM lake_manifest);
CREATE OR REPLACE TEMP TABLE ingest_snapshot AS SELECT s.snapshot_id AS snapshot_key, {}
FROM (SELECT unnest(snapshots) AS s FROM lake_manifest);
CREATE OR REPLACE TEMP TABLE agg_org_slot AS SELECT s.snapshot_id AS snapshot_key, {}
FROM (SELECT unnest(snapshots) AS s FROM lake_manifest) WHERE s.has_sums = 1;
CREATE OR REPLACE TEMP TABLE census_daily AS SELECT c.snapshot_id AS snapshot_key, {}
FROM (SELECT unnest(census) AS c FROM lake_manifest);
",
        fields(&CENSUS),
        typed("s", SNAPSHOT.iter().filter(has_sums)),
        typed("s.sums", SUMS.iter()),
        typed("c", CENSUS.iter()),
    )
}

/// Columns as JSON has them: times and days are texts.
fn fields(columns: &[Column]) -> String {
    let field = |column: &Column| format!("\"{}\" {}", name(column), if column.0 == Kind::Whole { "BIGINT" } else { "VARCHAR" });
    columns.iter().map(field).collect::<Vec<_>>().join(", ")
}

/// The fields of a record as columns.
fn typed<'c>(of: &str, columns: impl Iterator<Item = &'c Column>) -> String {
    let value = |column: &Column| {
        let name = name(column);
        match column.0 {
            Kind::Instant => format!("CAST({of}.\"{name}\" AS TIMESTAMPTZ) AS \"{name}\""),
            Kind::Day => format!("CAST({of}.\"{name}\" AS DATE) AS \"{name}\""),
            Kind::Text | Kind::Whole => format!("{of}.\"{name}\""),
        }
    };
    columns.map(value).collect::<Vec<_>>().join(", ")
}

fn objects_of(table: &Table) -> String {
    let name = table.name;
    format!(
        "SET VARIABLE lake_{name} = (SELECT list(getvariable('lake') || '/' || name ORDER BY name) FROM lake_object
  WHERE \"table\" = '{name}'
    AND (day IS NULL OR day > (SELECT max(day) FROM lake_object) - CAST(getvariable('lake_days') AS INTEGER)));\n"
    )
}

fn read(table: &Table) -> String {
    format!("read_parquet(getvariable('lake_{}'), hive_partitioning = false)", table.name)
}

/// The views that a lake has, in DuckDB's words.
fn views() -> String {
    let is_of = |statement: &str, view: &str| statement.contains(&format!("VIEW {view} ")) || statement.contains(&format!("EXISTS {view}"));
    let there = |statement: &&str| !LEFT_OUT.iter().any(|view| is_of(statement, view)) && !statement.contains("DROP VIEW");
    let text = VIEWS.split_inclusive(";\n").filter(there).collect::<String>();
    PHRASES.iter().fold(text, |text, (theirs, ours)| text.replace(theirs, ours))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_phrase_is_used_and_nothing_of_sqlite_is_left() {
        for (theirs, _) in PHRASES {
            assert!(VIEWS.contains(theirs), "{theirs}");
        }
        let text = views();
        for word in ["strftime", "unixepoch", "julianday", "datetime(", "feed_slot", "ingest_file", "ingest_issue"] {
            assert!(!text.contains(word), "{word}");
        }
        assert_eq!(text.matches("CREATE OR REPLACE TEMP VIEW").count(), VIEWS.matches("CREATE VIEW").count() - LEFT_OUT.len());
    }
}
