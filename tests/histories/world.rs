//! The world of one history: time, the house, and where it lives.

use crate::common::Service;
use crate::faults::Shared;
use crate::told;
use bedfeed::config::{Settings, load};
use bedfeed::feed::Clock;
use bedfeed::forward::Settings as Place;
use bedfeed::ledger::FILE_NAME;
use bedfeed::service::by_hand::ByHand;
use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OpenFlags};
use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tempfile::TempDir;

/// The providers of the histories.
pub(crate) const CODES: [&str; 3] = ["RZA", "RZB", "RZC"];
/// The one whose figures come in two parts: the lines, and a checksum of their file.
pub(crate) const IN_PARTS: &str = "RZB";

/// Time as the house sees it: the true one, and how far off its clock is.
#[derive(Debug)]
pub(crate) struct SimClock {
    micros: AtomicI64,
    off_by: AtomicI64,
}

impl SimClock {
    pub(crate) fn new(start: Timestamp) -> Self {
        Self { micros: AtomicI64::new(start.as_microsecond()), off_by: AtomicI64::new(0) }
    }

    pub(crate) fn advance(&self, by: SignedDuration) {
        self.micros.fetch_add(i64::try_from(by.as_micros()).unwrap(), Ordering::SeqCst);
    }

    /// Puts the house's clock so far off the true time.
    pub(crate) fn put_off(&self, by: SignedDuration) {
        self.off_by.store(i64::try_from(by.as_micros()).unwrap(), Ordering::SeqCst);
    }

    /// What the senders' clocks say.
    pub(crate) fn truth(&self) -> Timestamp {
        Timestamp::from_microsecond(self.micros.load(Ordering::SeqCst)).unwrap()
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_microsecond(self.micros.load(Ordering::SeqCst) + self.off_by.load(Ordering::SeqCst)).unwrap()
    }
}

/// Which settings are in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variant {
    /// All three providers.
    Whole,
    /// The third is gone.
    WithoutOne,
    /// The mapping of the first has another version, by which empty beds are cleaned first.
    Mended,
}

/// The file of the second warehouse.
const FURTHER: &str = "spare.db";

/// What all histories of a process share: settings, and a place on the disk.
pub(crate) struct Places {
    root: TempDir,
    variants: [Settings; 3],
}

impl Places {
    pub(crate) fn new() -> Self {
        let service = Service::cottage(&CODES);
        let sums = "[[mapping.file]]\npart = \"sum\"\nrole = \"sha256\"\nname = \"{org}_BEDS_{yyyy}{mm}{dd}_{HH}{MM}.csv.sha256\"\n\n[[mapping.table]]";
        service.edit("providers/RZB.toml", "[[mapping.table]]\n", &format!("{sums}\n"));
        let read = || load(&service.settings()).unwrap_or_else(|problems| panic!("{problems}"));
        let whole = read();
        service.edit("providers/RZA.toml", "rzz-1", "rzz-2");
        service.edit("providers/RZA.toml", "\"RDY\"", "\"CLN\"");
        let mended = read();
        std::fs::remove_file(service.provider_file("RZC")).unwrap();
        service.edit("providers/RZA.toml", "rzz-2", "rzz-1");
        service.edit("providers/RZA.toml", "\"CLN\"", "\"RDY\"");
        for name in ["reference/sites.csv", "reference/wards.csv"] {
            let text = std::fs::read_to_string(service.dir().join(name)).unwrap();
            let kept: String = text.lines().filter(|line| !line.starts_with("RZC")).map(|line| format!("{line}\n")).collect();
            std::fs::write(service.dir().join(name), kept).unwrap();
        }
        let without = read();
        let memory = Path::new("/dev/shm");
        let root = if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() };
        Self { root: root.unwrap(), variants: [whole, without, mended] }
    }

    fn settings(&self, variant: Variant, state: &Path) -> Settings {
        let [whole, without, mended] = &self.variants;
        let settings = match variant {
            Variant::Whole => whole,
            Variant::WithoutOne => without,
            Variant::Mended => mended,
        };
        Settings { state_dir: state.to_owned(), ..settings.clone() }
    }
}

/// What histories came to, added up.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) histories: u64,
    pub(crate) steps: u64,
    pub(crate) crashes: u64,
    pub(crate) faults: u64,
    pub(crate) deliveries: u64,
    pub(crate) acknowledged: u64,
    pub(crate) refused: u64,
    pub(crate) loaded: u64,
    pub(crate) repeats: u64,
    /// Loaded, and later read again with another meaning.
    pub(crate) read_again: u64,
    pub(crate) set_aside: u64,
    pub(crate) alerts: u64,
}

impl Tally {
    /// As JSON. Losses and duplicates are none, or there would be no tally: the first of them ends the test.
    pub(crate) fn json(&self) -> String {
        let Self { histories, steps, crashes, faults, deliveries, acknowledged, refused, loaded, repeats, read_again, set_aside, alerts } =
            self;
        serde_json::json!({
            "histories": histories, "steps": steps, "crashes": crashes, "faults": faults, "deliveries": deliveries,
            "acknowledged": acknowledged, "refused": refused, "loaded": loaded, "repeats": repeats, "read_again": read_again, "set_aside": set_aside,
            "alerts": alerts, "losses": 0, "duplicates": 0,
        })
        .to_string()
    }
}

/// A house somewhere on the disk, at some time, with something wrong.
pub(crate) struct World<'a> {
    pub(crate) places: &'a Places,
    pub(crate) clock: Arc<SimClock>,
    pub(crate) faults: Shared,
    pub(crate) variant: Variant,
    pub(crate) house: Option<ByHand>,
    /// Whether the warehouse knows the settings in force: it may have been away at the start.
    pub(crate) introduced: bool,
    state: PathBuf,
    lives: u32,
    seed: u64,
    pub(crate) crashes: u64,
    /// Connections that only read, for this life of the house.
    ledger: OnceCell<Connection>,
    warehouse: OnceCell<Connection>,
    further: OnceCell<Connection>,
    /// The ledger file's version, as that connection counts, when it was audited last.
    pub(crate) audited: Option<i64>,
}

impl<'a> World<'a> {
    pub(crate) fn new(places: &'a Places, seed: u64, start: Timestamp) -> Self {
        told::listen();
        let clock = Arc::new(SimClock::new(start));
        let faults = Shared::watch(Arc::clone(&clock));
        let state = places.root.path().join(format!("{seed}.0"));
        let (variant, house) = (Variant::Whole, None);
        let (ledger, warehouse, further) = (OnceCell::new(), OnceCell::new(), OnceCell::new());
        let world = Self {
            places,
            clock,
            faults,
            variant,
            house,
            introduced: false,
            state,
            lives: 0,
            seed,
            crashes: 0,
            ledger,
            warehouse,
            further,
            audited: None,
        };
        world.faults.lives_in(&world.state, &world.path_of(1));
        world
    }

    fn path_of(&self, life: u32) -> PathBuf {
        self.places.root.path().join(format!("{}.{life}", self.seed))
    }

    pub(crate) fn state(&self) -> &Path {
        &self.state
    }

    pub(crate) fn house(&mut self) -> &mut ByHand {
        self.house.as_mut().expect("the house is open between steps")
    }

    fn look(&self, file: &str) -> Connection {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Connection::open_with_flags(self.state.join(file), flags).unwrap()
    }

    pub(crate) fn ledger(&self) -> &Connection {
        self.ledger.get_or_init(|| self.look(FILE_NAME))
    }

    pub(crate) fn warehouse(&self) -> &Connection {
        self.warehouse.get_or_init(|| self.look("warehouse.db"))
    }

    /// Whether a second warehouse stands beside the first: in every other history.
    pub(crate) fn has_further(&self) -> bool {
        self.seed.is_multiple_of(2)
    }

    /// Whether it has been opened: that is done by whoever fills it, some time after the start.
    pub(crate) fn further_is_made(&self) -> bool {
        let tables = |spare: Connection| {
            spare.query_row("SELECT count(*) FROM sqlite_master WHERE name = 'ingest_snapshot'", [], |row| row.get::<_, u32>(0))
        };
        self.state.join(FURTHER).try_exists().unwrap() && tables(self.look(FURTHER)).is_ok_and(|count| count > 0)
    }

    pub(crate) fn further(&self) -> &Connection {
        self.further.get_or_init(|| self.look(FURTHER))
    }

    /// Nobody reads while the house changes hands.
    fn look_away(&mut self) {
        (self.ledger, self.warehouse, self.further, self.audited) = (OnceCell::new(), OnceCell::new(), OnceCell::new(), None);
    }

    /// Opens the house, and again where it ended or failed on the way: systemd would. In the end nothing is wrong any more.
    pub(crate) async fn open(&mut self) {
        for attempt in 0.. {
            assert!(attempt < 8, "it does not start with nothing wrong");
            if attempt == 6 {
                self.faults.heal();
            }
            let mut settings = self.places.settings(self.variant, &self.state);
            if self.has_further() {
                settings.further_warehouses = vec![("spare".to_owned(), Place::Sqlite { path: FURTHER.into() })];
            }
            let clock: Arc<dyn Clock> = self.clock.clone();
            self.faults.lock().fired = false;
            let opened = ByHand::open(&settings, clock).await;
            let fired = self.faults.lock().fired;
            if let Err(error) = &opened {
                assert!(fired, "it does not start: {}", bedfeed::feed::error_chain(error));
            }
            self.house = opened.ok();
            if self.after_a_crash().await {
                continue;
            }
            if self.house.is_some() {
                self.introduced = !fired;
                return;
            }
            self.clock.advance(SignedDuration::from_secs(5));
        }
    }

    /// Where the process ended: lets go of what is left of it and moves to what it left on the disk.
    pub(crate) async fn after_a_crash(&mut self) -> bool {
        let image = self.faults.lock().crashed().cloned();
        let Some(image) = image else { return false };
        self.crashes += 1;
        self.look_away();
        if let Some(house) = self.house.take() {
            house.abandon().await;
        }
        let dead = std::mem::replace(&mut self.state, image);
        std::fs::remove_dir_all(dead).unwrap();
        self.lives += 1;
        self.faults.lives_in(&self.state, &self.path_of(self.lives + 1));
        true
    }

    /// Stops in good order and starts with these settings; a crash on the way is one.
    pub(crate) async fn restart(&mut self, variant: Variant) {
        self.look_away();
        if let Some(house) = self.house.take() {
            let fired_before = self.faults.lock().fired;
            let stopped = house.stop().await;
            let fired = self.faults.lock().fired || fired_before;
            assert!(stopped.is_ok() || fired, "{stopped:?}");
        }
        self.after_a_crash().await;
        self.variant = variant;
        self.open().await;
    }

    /// Ends the history.
    pub(crate) async fn end(mut self) {
        self.look_away();
        if let Some(house) = self.house.take() {
            house.stop().await.unwrap();
        }
        std::fs::remove_dir_all(&self.state).unwrap();
    }
}
