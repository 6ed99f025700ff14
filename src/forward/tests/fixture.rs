//! Small providers, snapshots and warehouses for this room's tests.

use crate::bedstate::{
    AgeBand, BedBase, BedSex, ClosedReason, Coverage, DemandSource, EmptyState, Gender, Line, LineType, Site, Snapshot, Ward, totals,
};
use crate::feed::{DeliveryId, Digest, ProviderCode, ProviderKind, Report, Slot, SnapshotRef};
use crate::forward::postgres::server::{OWNER, Server, server};
use crate::forward::{Control, ForwardError};
use crate::forward::{
    FeedFact, FileFact, Load, LoadOutcome, Migrate, PostgresAddress, PostgresPassword, PostgresSettings, PostgresTls, ProviderRow,
    ReferenceRows, Settings, Warehouse,
};
use crate::verify::Verified;
use jiff::{SignedDuration, Timestamp};
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use std::path::Path;

/// The slot that most tests load.
pub(in crate::forward) const TEN: &str = "2018-12-03T10:00Z";

pub(in crate::forward) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(in crate::forward) fn slot(text: &str) -> Slot {
    text.parse().unwrap()
}

pub(in crate::forward) fn provider(code: &str) -> ProviderCode {
    code.parse().unwrap()
}

pub(in crate::forward) fn occupied(ward: &str, gender: &str, band: &str, quantity: u32) -> Line {
    Line {
        ward_code: Some(ward.into()),
        quantity,
        gender: Some(gender.parse::<Gender>().unwrap()),
        age_band: Some(band.parse::<AgeBand>().unwrap()),
        ..Line::new("SITE1", LineType::Occupied)
    }
}

pub(in crate::forward) fn empty(ward: &str, state: &str, quantity: u32) -> Line {
    let empty_state = Some(state.parse::<EmptyState>().unwrap());
    Line { ward_code: Some(ward.into()), quantity, empty_state, ..Line::new("SITE1", LineType::Empty) }
}

pub(in crate::forward) fn closed(ward: &str, reason: &str, quantity: u32) -> Line {
    let closed_reason = Some(reason.parse::<ClosedReason>().unwrap());
    Line { ward_code: Some(ward.into()), quantity, closed_reason, ..Line::new("SITE1", LineType::Closed) }
}

pub(in crate::forward) fn demand(demand_for: &str, in_bed_now: bool, wait_from: Option<&str>) -> Line {
    Line {
        gender: Some(Gender::Female),
        age_band: Some(AgeBand::A65),
        demand_source: Some(DemandSource::Emergency),
        demand_for: Some(demand_for.into()),
        in_bed_now: Some(in_bed_now),
        wait_from: wait_from.map(|from| at(from).into()),
        ..Line::new("SITE1", LineType::Demand)
    }
}

/// A snapshot of a provider, true at the start of its slot.
pub(in crate::forward) fn snapshot(code: &str, slot: &str, lines: Vec<Line>) -> Snapshot {
    let slot: Slot = slot.parse().unwrap();
    Snapshot {
        provider: provider(code),
        slot,
        snapshot_at: slot.start(),
        sequence: None,
        content: Digest::of(b"content"),
        coverage: Coverage { beds: true, demand: true },
        mapping: "test-1".to_owned(),
        mapping_hash: Digest::of(b"mapping"),
        totals: totals(&lines),
        lines,
    }
}

/// A snapshot of one ward and of one who waits.
pub(in crate::forward) fn small(code: &str, slot: &str, occupied_beds: u32) -> Snapshot {
    snapshot(code, slot, vec![occupied("MEN", "1", "A80", occupied_beds), empty("MEN", "RDY", 2), demand("MED", false, None)])
}

/// The id of the delivery that leads a version of a snapshot.
pub(in crate::forward) fn lead(snapshot: &Snapshot, version: u32) -> DeliveryId {
    let mut random = [0; 10];
    random[0] = u8::try_from(version).unwrap();
    random[1..4].copy_from_slice(&snapshot.provider.as_str().as_bytes()[..3]);
    DeliveryId::new(snapshot.slot.start(), random)
}

pub(in crate::forward) fn file(id: DeliveryId, code: &str, received_at: Timestamp, state: &str) -> FileFact {
    FileFact {
        id,
        provider: provider(code),
        name: format!("{code}.csv"),
        sha256: Digest::of(code.as_bytes()),
        bytes: 1000,
        key_owner: "Feed job".to_owned(),
        received_at,
        state: state.to_owned(),
        mapping: Some("test-1".to_owned()),
        snapshot: None,
        rows: Some((10, 0)),
        findings: None,
    }
}

pub(in crate::forward) fn load_of(snapshot: Snapshot, version: u32) -> Load {
    let lead = lead(&snapshot, version);
    let received_at = snapshot.slot.start() + SignedDuration::from_mins(4);
    Load {
        replay: false,
        reference: SnapshotRef { lead, slot: snapshot.slot, version },
        files: vec![file(lead, snapshot.provider.as_str(), received_at, "loaded")],
        report: Report { assessed_at: received_at, ..Report::default() },
        verified: Verified::for_tests(snapshot),
    }
}

/// Wards of RM1 and RGP at `SITE1`: `MEN` for men; `KIDS` for anybody up to 15; `ADULT` for anybody from 16; `ESC` an escalation ward.
fn ward(code: &str, ward: &str, (ward_type, ward_class, bed_group): (&str, &str, &str)) -> Ward {
    Ward {
        provider: provider(code),
        site_code: "SITE1".to_owned(),
        ward_code: ward.to_owned(),
        name: format!("Ward {ward}"),
        alias: (ward == "MEN").then(|| "Ward 1".to_owned()),
        ward_type: ward_type.to_owned(),
        ward_class: ward_class.to_owned(),
        bed_group: bed_group.to_owned(),
        bed_sex: if ward == "MEN" { BedSex::Male } else { BedSex::NotSpecified },
        min_age: (ward == "ADULT").then_some(16),
        max_age: (ward == "KIDS").then_some(15),
        treatment_function: None,
        registered_beds: 20,
        may_be_absent: false,
        bed_base: if ward == "ESC" { BedBase::Escalation } else { BedBase::Core },
        valid_from: None,
        valid_to: None,
    }
}

pub(in crate::forward) fn reference() -> ReferenceRows {
    let providers = [("RM1", ProviderKind::Acute), ("RGP", ProviderKind::Acute), ("NCC", ProviderKind::CareHomes)];
    let codes = |codes: &[&str]| codes.iter().map(|code| ((*code).to_owned(), format!("meaning of {code}"))).collect();
    let mut wards = vec![ward("NCC", "CHRES", ("CHRES", "SOC", "CHRES"))];
    for code in ["RM1", "RGP"] {
        wards.push(ward(code, "MEN", ("GENMED", "GA", "MED")));
        wards.push(ward(code, "KIDS", ("PAED", "GA", "WCH")));
        wards.push(ward(code, "ADULT", ("CRITADU", "CC", "CRIT")));
        wards.push(ward(code, "ESC", ("GENMED", "GA", "MED")));
    }
    ReferenceRows {
        providers: providers.map(|(code, kind)| ProviderRow { provider: provider(code), name: format!("Provider {code}"), kind }).to_vec(),
        sites: vec![Site {
            provider: provider("NCC"),
            site_code: "SITE1".to_owned(),
            name: "Example Lodge".to_owned(),
            valid_from: None,
            valid_to: None,
        }],
        wards,
        ward_types: codes(&["GENMED", "PAED", "CRITADU", "CHRES"]),
        ward_classes: codes(&["GA", "CC", "SOC"]),
        bed_groups: codes(&["MED", "WCH", "CRIT", "CHRES"]),
        mappings: Vec::new(),
        agreements: Vec::new(),
    }
}

/// A kind of warehouse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::forward) enum Kind {
    Sqlite,
    Postgres,
    #[cfg(feature = "lake")]
    Lake,
}

/// A warehouse in a folder or database of its own, with reference data and feeds.
pub(in crate::forward) struct World {
    pub(in crate::forward) folder: tempfile::TempDir,
    pub(in crate::forward) settings: Settings,
    pub(in crate::forward) warehouse: Warehouse,
}

impl World {
    pub(in crate::forward) async fn new(kind: Kind) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = match kind {
            Kind::Sqlite => Settings::Sqlite { path: "warehouse.db".into() },
            Kind::Postgres => Settings::Postgres(made(folder.path()).await),
            #[cfg(feature = "lake")]
            Kind::Lake => {
                let lake = folder.path().join("lake");
                std::fs::create_dir(&lake).unwrap();
                Settings::Lake { place: crate::forward::LakeSettings::Folder(lake), index: "lake.db".into() }
            }
        };
        let warehouse = Warehouse::open(&settings, folder.path()).await.unwrap();
        Self::with(folder, settings, warehouse).await
    }

    /// A warehouse that is open, with reference data and feeds.
    pub(in crate::forward) async fn with(folder: tempfile::TempDir, settings: Settings, warehouse: Warehouse) -> Self {
        warehouse.set_reference(reference()).await.unwrap();
        let feeds = reference().providers.into_iter().map(|row| FeedFact {
            provider: row.provider,
            name: row.name,
            kind: row.kind,
            first_slot: Some(slot("2018-12-01T00:00Z")),
            due_after: SignedDuration::from_mins(5),
            stale_after: SignedDuration::from_mins(30),
            no_data_after: SignedDuration::from_hours(4),
        });
        warehouse.publish(Control { feeds: feeds.collect(), ..Control::default() }).await.unwrap();
        let world = Self { folder, settings, warehouse };
        world.clock("2018-12-03T10:10:00Z").await;
        world
    }

    /// Another handle on the same warehouse.
    pub(in crate::forward) async fn open_again(&self) -> Result<Warehouse, ForwardError> {
        Warehouse::open(&self.settings, self.folder.path()).await
    }

    pub(in crate::forward) async fn clock(&self, now: &str) {
        self.warehouse.override_clock(Some(at(now))).await.unwrap();
    }

    pub(in crate::forward) async fn load(&self, snapshot: Snapshot, version: u32) -> LoadOutcome {
        self.warehouse.load(load_of(snapshot, version)).await.unwrap()
    }

    /// A connection of another program, to an embedded warehouse or a lake's index.
    pub(in crate::forward) fn connection(&self) -> Connection {
        let file = if matches!(self.settings, Settings::Lake { .. }) { "lake.db" } else { "warehouse.db" };
        Connection::open(self.folder.path().join(file)).unwrap()
    }

    /// The database, where it is on the server.
    pub(in crate::forward) fn database(&self) -> Option<(&'static Server, &str)> {
        match &self.settings {
            Settings::Sqlite { .. } | Settings::Lake { .. } => None,
            Settings::Postgres(settings) => Some((server().unwrap(), &settings.address.database)),
        }
    }

    /// The rows of a query, values parted by `|`, as the `sqlite3` command shows them, unknown as `NULL`.
    pub(in crate::forward) fn rows(&self, query: &str) -> Vec<String> {
        match self.database() {
            None => rows(&self.connection(), query),
            Some((server, database)) => server.psql(database, query),
        }
    }

    /// Runs statements that give no rows.
    pub(in crate::forward) fn run(&self, statements: &str) {
        match self.database() {
            None => self.connection().execute_batch(statements).unwrap(),
            Some((server, database)) => drop(server.psql(database, statements)),
        }
    }

    /// Takes back all loads, as if the warehouse were new.
    pub(in crate::forward) fn forget_loads(&self) {
        let tables =
            ["ingest_issue", "ingest_row_reject", "fact_bed_line", "fact_demand_line", "agg_ward_slot", "agg_org_slot", "census_daily"];
        let all = tables.iter().chain(&["ingest_snapshot", "ingest_file"]).map(|table| format!("DELETE FROM {table};"));
        self.run(&all.collect::<String>());
    }

    /// The names of all tables, in order.
    pub(in crate::forward) fn tables(&self) -> Vec<String> {
        self.rows(match self.database() {
            None => "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name",
            Some(_) => {
                "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
                 ORDER BY relname COLLATE \"C\""
            }
        })
    }

    /// Every row of every table.
    pub(in crate::forward) fn dump(&self) -> Vec<String> {
        let tables = self.tables();
        match self.database() {
            None => dump(&self.connection()),
            Some((server, database)) => {
                let content = |table: &String| format!("SELECT '{table}|' || replace(t::text, chr(10), ' ') FROM {table} AS t");
                let all = tables.iter().map(content).collect::<Vec<_>>().join(" UNION ALL ");
                server.psql(database, &format!("SELECT * FROM ({all}) AS a ORDER BY 1"))
            }
        }
    }
}

/// A new, empty database on the server of this program.
pub(in crate::forward) fn on_server(folder: &Path) -> PostgresSettings {
    let server = server().unwrap();
    settings_of(server, &server.database(None), OWNER, folder)
}

/// A database whose tables are made already: a copy of one that was opened as any is.
async fn made(folder: &Path) -> PostgresSettings {
    static FIRST: tokio::sync::OnceCell<String> = tokio::sync::OnceCell::const_new();
    let server = server().unwrap();
    let make = async || {
        let settings = on_server(folder);
        Warehouse::open(&Settings::Postgres(settings.clone()), folder).await.unwrap().close().await;
        settings.address.database
    };
    let first = FIRST.get_or_init(make).await;
    settings_of(server, &server.database(Some(first)), OWNER, folder)
}

/// Settings of a database for a role whose password is its name, or the owner.
pub(in crate::forward) fn settings_of(server: &Server, database: &str, user: &str, folder: &Path) -> PostgresSettings {
    PostgresSettings {
        address: PostgresAddress::parse(&server.url(user, database)).unwrap(),
        password: PostgresPassword::File(server.password_file(folder, user)),
        tls: PostgresTls::Off,
        migrate: Migrate::AtStart,
    }
}

/// The queries that docs/warehouse.md shows: those of figures, and those for support.
pub(in crate::forward) fn example_queries() -> [Vec<&'static str>; 2] {
    let page = include_str!("../../../docs/warehouse.md").split("## Queries to begin with").nth(1).unwrap();
    let (figures, support) = page.split_once("### For support").unwrap();
    [figures, support].map(|part| part.split("```sql").skip(1).map(|query| query.split("```").next().unwrap().trim()).collect())
}

pub(in crate::forward) fn dump(connection: &Connection) -> Vec<String> {
    // What a lake notes beside them is its own affair.
    let tables = rows(connection, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'lake_%' ORDER BY name");
    let content = |table: &String| rows(connection, &format!("SELECT '{table}', * FROM {table}"));
    tables.iter().flat_map(content).collect()
}

pub(in crate::forward) fn rows(connection: &Connection, query: &str) -> Vec<String> {
    let mut statement = connection.prepare(query).unwrap();
    let columns = statement.column_count();
    let shown = |value: ValueRef<'_>| match value {
        ValueRef::Null => "NULL".to_owned(),
        ValueRef::Integer(value) => value.to_string(),
        ValueRef::Real(value) => value.to_string(),
        ValueRef::Text(value) => String::from_utf8_lossy(value).into_owned(),
        ValueRef::Blob(_) => panic!("the warehouse holds no blobs"),
    };
    let rows = statement.query_map([], |row| Ok((0..columns).map(|at| shown(row.get_ref(at).unwrap())).collect::<Vec<_>>().join("|")));
    rows.unwrap().map(Result::unwrap).collect()
}
