//! The story that a seed tells, and its playing.

use crate::checks::{Look, Seen, all_read_by_today, all_told, check, ends, replays_are_over, silent};
use crate::common::extract::{damaged, good, truth};
use crate::faults::Health;
use crate::model::{File, Model};
use crate::world::{CODES, IN_PARTS, Places, Tally, Variant, World};
use bedfeed::fault::{Moment, Step};
use bedfeed::feed::{Clock as _, DeliveryId, Digest, FileName, Folder, Slot, Stage};
use bedfeed::intake::by_hand::Sent;
use bedfeed::ledger::{Act, DeliveryRow};
use jiff::{SignedDuration, Timestamp};

/// Numbers from a seed: splitmix64.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn of<T: Copy>(&mut self, things: &[T]) -> T {
        things[usize::try_from(self.below(u64::try_from(things.len()).unwrap())).unwrap()]
    }
}

/// What a story follows.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Plot {
    /// Steps that the seed gives.
    Seed(u64),
    /// These steps.
    Steps(&'static [Op]),
}

/// A clock that is an hour ahead before the first slot is due, and put right: every feed seems silent, which is told and taken back.
pub(crate) const CLOCK_AHEAD: Plot =
    Plot::Steps(&[Op::Wait { minutes: 1 }, Op::StepClock { minutes: 60 }, Op::Work, Op::StepClock { minutes: 0 }, Op::Work]);

/// One step of a story.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Deliver {
        code: &'static str,
        slots_ago: i64,
        minute: i64,
        sound: bool,
        folder: Folder,
    },
    /// A set of parts, of which the checksum may come first, and the other part now or perhaps later.
    DeliverSet {
        slots_ago: i64,
        minute: i64,
        sound: bool,
        sum_first: bool,
        both: bool,
    },
    Resend {
        file: usize,
    },
    /// The part that a set still lacks.
    OtherPart {
        which: u64,
    },
    Cut {
        code: &'static str,
    },
    Work,
    Judge,
    Load,
    Tell,
    Publish,
    /// Somebody asks for the first provider's originals to be read again.
    Replay,
    ReadAgain,
    Wait {
        minutes: i64,
    },
    StepClock {
        minutes: i64,
    },
    Act {
        which: u64,
        act: Act,
    },
    Crash,
    CrashIn {
        passings: u32,
    },
    Restart,
    Settings(Variant),
    Warehouse(Health),
    AnswersLost {
        count: u32,
    },
    DiskFull {
        even_the_ledger: bool,
    },
    Fail {
        step: Step,
        moment: Moment,
        times: u32,
    },
    Heal,
}

impl Op {
    /// Whether it does nothing yet: it prepares what goes wrong in a later step.
    fn waits(&self) -> bool {
        matches!(
            self,
            Self::CrashIn { .. } | Self::Warehouse(_) | Self::AnswersLost { .. } | Self::DiskFull { .. } | Self::Fail { .. } | Self::Heal
        )
    }

    /// Whether pages may show something else after it.
    fn shows(&self) -> bool {
        matches!(
            self,
            Self::Work
                | Self::Load
                | Self::Publish
                | Self::ReadAgain
                | Self::Wait { .. }
                | Self::StepClock { .. }
                | Self::Restart
                | Self::Settings(_)
        )
    }
}

/// Shows the seed and the steps when the test fails.
struct Trail {
    plot: Plot,
    steps: Vec<String>,
}

impl Drop for Trail {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let steps = self.steps.join("\n  ");
            match self.plot {
                Plot::Seed(seed) => eprintln!("BEDFEED_SEED={seed} BEDFEED_HISTORIES=1 plays this history again:\n  {steps}"),
                Plot::Steps(_) => eprintln!("These were the steps:\n  {steps}"),
            }
        }
    }
}

struct Player<'a> {
    world: World<'a>,
    model: Model,
    seen: Seen,
    dice: Dice,
    rows: Vec<DeliveryRow>,
    refused: u64,
    renewed: u64,
}

/// Plays a history. Panics where a promise is broken, and says which seed it was.
pub(crate) fn play(plot: Plot, places: &Places, tally: &mut Tally) {
    let seed = if let Plot::Seed(seed) = plot { seed } else { 0 };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut trail = Trail { plot, steps: Vec::new() };
    let mut dice = Dice(seed);
    let start: Timestamp = dice.of(&["2018-12-03T08:00:30Z", "2018-12-03T23:20:30Z", "2019-07-01T05:50:30Z"]).parse().unwrap();
    let world = World::new(places, seed, start);
    let mut player = Player { world, model: Model::default(), seen: Seen::default(), dice, rows: Vec::new(), refused: 0, renewed: 0 };
    runtime.block_on(async {
        player.world.open().await;
        player.world.faults.lock().paused = false;
        let steps = match plot {
            Plot::Seed(_) => 10 + usize::try_from(player.dice.below(21)).unwrap(),
            Plot::Steps(steps) => steps.len(),
        };
        for number in 0..steps {
            let op = if let Plot::Steps(steps) = plot { steps[number].clone() } else { player.choose() };
            trail.steps.push(format!("{} {op:?}", player.world.clock.now()));
            player.step(&op).await;
            tally.steps += 1;
        }
        trail.steps.push("the end".to_owned());
        let alerts = player.settle().await;
        player.add_to(tally, alerts);
        player.world.end().await;
    });
}

impl Player<'_> {
    fn choose(&mut self) -> Op {
        let code = self.dice.of(self.senders());
        let minute = i64::try_from(self.dice.below(4)).unwrap();
        let (sum_first, both) = (self.dice.below(3) == 0, self.dice.below(2) == 0);
        let deliver = |slots_ago, sound, folder| match (code, folder) {
            (IN_PARTS, Folder::Inbox) => Op::DeliverSet { slots_ago, minute, sound, sum_first, both },
            (IN_PARTS, Folder::Test) => Op::Deliver { code: CODES[0], slots_ago, minute, sound, folder },
            _ => Op::Deliver { code, slots_ago, minute, sound, folder },
        };
        match self.dice.below(100) {
            0..=17 => deliver(0, true, Folder::Inbox),
            18..=23 => deliver(1 + i64::try_from(self.dice.below(20)).unwrap(), true, Folder::Inbox),
            24 => deliver(97 + i64::try_from(self.dice.below(5)).unwrap(), true, Folder::Inbox),
            25..=27 => deliver(0, false, Folder::Inbox),
            28..=29 => deliver(0, true, Folder::Test),
            30..=33 => Op::OtherPart { which: self.dice.next() },
            34..=38 if !self.model.files.is_empty() => {
                let count = u64::try_from(self.model.files.len()).unwrap();
                Op::Resend { file: usize::try_from(self.dice.below(count)).unwrap() }
            }
            39 => Op::Cut { code },
            40..=52 => Op::Work,
            53..=54 => Op::Judge,
            55..=57 => Op::Load,
            58..=59 => Op::Tell,
            60..=61 => Op::Publish,
            62..=63 => Op::ReadAgain,
            64..=72 => Op::Wait { minutes: self.dice.of(&[1, 3, 5, 15, 15, 40, 150]) },
            73..=74 => Op::StepClock { minutes: self.dice.of(&[-60, 0, 60]) },
            75..=77 => Op::Act { which: self.dice.next(), act: self.dice.of(&[Act::Release, Act::Reprocess, Act::Discard]) },
            78..=80 => Op::Crash,
            81..=82 => Op::Replay,
            83..=87 => Op::CrashIn { passings: 1 + u32::try_from(self.dice.below(24)).unwrap() },
            88 => Op::Restart,
            89..=90 => Op::Settings(self.dice.of(&[Variant::Whole, Variant::WithoutOne, Variant::Mended, Variant::Mended])),
            91..=92 => Op::Warehouse(self.dice.of(&[Health::Away, Health::Slow])),
            93 => Op::AnswersLost { count: 1 + u32::try_from(self.dice.below(3)).unwrap() },
            94 => Op::DiskFull { even_the_ledger: self.dice.below(2) == 0 },
            95..=97 => Op::Fail {
                step: self.dice.of(&of_a_delivery()),
                moment: self.dice.of(&[Moment::Before, Moment::After]),
                times: 1 + u32::try_from(self.dice.below(3)).unwrap(),
            },
            _ => Op::Heal,
        }
    }

    /// The providers that have an account now.
    fn senders(&self) -> &'static [&'static str] {
        if self.world.variant == Variant::WithoutOne { &CODES[..2] } else { &CODES }
    }

    async fn step(&mut self, op: &Op) {
        self.world.faults.lock().fired = false;
        // Two arrivals never share an instant.
        self.world.clock.advance(SignedDuration::from_millis(250));
        let went = self.carry_out(op).await;
        if op.waits() {
            return;
        }
        let crashed = self.world.after_a_crash().await;
        let fired = self.world.faults.lock().fired || crashed;
        assert!(went.is_ok() || fired, "nothing was wrong, and {op:?} failed: {went:?}");
        if crashed {
            self.world.open().await;
            self.world.faults.lock().fired = false;
        }
        self.rows =
            check(&mut self.world, &mut self.model, &mut self.seen, Look { fired, settled: false, figures: op.shows() || crashed }).await;
    }

    async fn carry_out(&mut self, op: &Op) -> Result<(), String> {
        match op {
            Op::Deliver { code, slots_ago, minute, sound, folder } => {
                let file = self.make(code, *slots_ago, *minute, *sound, *folder);
                let place = self.model.add(file);
                self.send(place).await
            }
            Op::DeliverSet { slots_ago, minute, sound, sum_first, both } => {
                let place = self.make_set(*slots_ago, *minute, *sound);
                let other = self.model.files[place].other_part.unwrap();
                let (first, second) = if *sum_first { (other, place) } else { (place, other) };
                let sent = self.send(first).await;
                if !both {
                    return sent;
                }
                self.world.clock.advance(SignedDuration::from_millis(250));
                sent.and(self.send(second).await)
            }
            Op::OtherPart { which } => {
                let unsent: Vec<usize> = (0..self.model.files.len()).filter(|at| self.model.files[*at].tries == 0).collect();
                let Some(count) = u64::try_from(unsent.len()).ok().filter(|count| *count > 0) else { return Ok(()) };
                self.send(unsent[usize::try_from(which % count).unwrap()]).await
            }
            Op::Resend { file } if self.senders().contains(&self.model.files[*file].code) => self.send(*file).await,
            Op::Resend { .. } => Ok(()),
            Op::Cut { code } => {
                let file = self.make(code, 0, 0, true, Folder::Inbox);
                let sent = self.as_sent(&file, true);
                self.world.house().send(sent).await.map(|_| ())
            }
            Op::Work => {
                let house = self.world.house();
                let (judged, again, loaded) = (house.judge().await, house.read_again().await, house.load().await);
                let (followed, told, published) = (house.follow().await, house.tell().await, house.publish().await);
                judged.and(again).and(loaded).and(followed).and(told).and(published)
            }
            Op::Judge => self.world.house().judge().await,
            Op::Load => {
                let house = self.world.house();
                let (followed, loaded) = (house.follow().await, house.load().await);
                followed.and(loaded)
            }
            Op::Tell => self.world.house().tell().await,
            Op::Publish => self.world.house().publish().await,
            Op::Replay => self.replay().await,
            Op::ReadAgain => self.world.house().read_again().await,
            Op::Act { which, act } => self.act(*which, *act).await,
            other => {
                self.meddle(other).await;
                Ok(())
            }
        }
    }

    /// Steps that are nobody's work.
    async fn meddle(&mut self, op: &Op) {
        match op {
            Op::Wait { minutes } => self.world.clock.advance(SignedDuration::from_mins(*minutes)),
            Op::StepClock { minutes } => self.world.clock.put_off(SignedDuration::from_mins(*minutes)),
            Op::Crash => self.world.faults.lock().crash(),
            Op::Restart => self.world.restart(self.world.variant).await,
            Op::Settings(variant) => self.world.restart(*variant).await,
            Op::Heal => self.world.faults.heal(),
            other => {
                let mut faults = self.world.faults.lock();
                match other {
                    Op::CrashIn { passings } => faults.crash_in = Some(*passings),
                    Op::Warehouse(health) => faults.warehouse = *health,
                    Op::AnswersLost { count } => faults.answers_lost = *count,
                    Op::DiskFull { even_the_ledger } => faults.disk_full = Some(*even_the_ledger),
                    Op::Fail { step, moment, times } => faults.failing = Some((*step, *moment, *times)),
                    _ => unreachable!("{other:?} is carried out elsewhere"),
                }
            }
        }
    }

    fn make(&mut self, code: &'static str, slots_ago: i64, minute: i64, sound: bool, folder: Folder) -> File {
        let now = self.world.clock.truth();
        let of_slot = Slot::containing(now).start() + SignedDuration::from_mins(minute);
        let snapshot_at = of_slot.min(now) - SignedDuration::from_mins(15 * slots_ago);
        // Eighteen beds: each file has figures of its own, and about half of the beds taken.
        let number = u32::try_from(self.model.files.len()).unwrap() + 1;
        let pattern = (number << 10) | 0x155;
        let (name, text) = if sound { good(code, snapshot_at, pattern) } else { damaged(code, snapshot_at, pattern) };
        let (north, south) = truth(pattern);
        let snapshot_at = Timestamp::from_second(snapshot_at.as_second().div_euclid(60) * 60).unwrap();
        let (bytes, occupied) = (text.into_bytes(), i64::from(north + south));
        File { code, folder, name, bytes, snapshot_at, occupied, sound, other_part: None, tries: 0, acknowledged: 0 }
    }

    /// Makes the lines and their checksum, or gives the set that has this name already; gives the place of the lines.
    fn make_set(&mut self, slots_ago: i64, minute: i64, sound: bool) -> usize {
        let lines = self.make(IN_PARTS, slots_ago, minute, sound, Folder::Inbox);
        if let Some(known) = self.model.named(&lines.name) {
            return known;
        }
        let bytes = format!("{}  {}\n", Digest::of(&lines.bytes), lines.name).into_bytes();
        let sum = File { name: format!("{}.sha256", lines.name), bytes, ..lines.clone() };
        self.model.add_set(lines, sum)
    }

    fn as_sent(&mut self, file: &File, cut: bool) -> Sent {
        let mut random = [0; 10];
        random.fill_with(|| self.dice.next().to_le_bytes()[0]);
        let id = DeliveryId::new(self.world.clock.now(), random);
        let (provider, name) = (file.code.parse().unwrap(), FileName::parse(file.name.as_bytes()).unwrap());
        Sent { id, provider, folder: file.folder, name, bytes: file.bytes.clone(), cut }
    }

    async fn send(&mut self, place: usize) -> Result<(), String> {
        let file = self.model.files[place].clone();
        let sent = self.as_sent(&file, false);
        self.model.files[place].tries += 1;
        let answer = self.world.house().send(sent).await;
        // The answer of a process that has ended is not heard.
        if answer.is_ok() && self.world.faults.lock().crashed().is_none() {
            self.model.files[place].acknowledged += 1;
        } else {
            self.refused += 1;
        }
        answer.map(|_| ())
    }

    /// Five days, and an hour of the future: clocks are off by that.
    async fn replay(&mut self) -> Result<(), String> {
        self.model.replays = true;
        let to = Slot::containing(self.world.clock.now()).plus(5);
        let asked = self.world.house().replay(CODES[0].parse().unwrap(), to.plus(-5 * 96), to).await;
        asked.map(|_| ())
    }

    async fn act(&mut self, which: u64, act: Act) -> Result<(), String> {
        let held = self.rows.iter().filter(|row| matches!(row.stage, Stage::Quarantined { discarded: false, .. }));
        let held: Vec<(DeliveryId, String)> = held.map(|row| (row.delivery.id, row.delivery.provider.to_string())).collect();
        if held.is_empty() {
            return Ok(());
        }
        let (id, sender) = &held[usize::try_from(which % u64::try_from(held.len()).unwrap()).unwrap()];
        let (id, present) = (*id, self.senders().contains(&sender.as_str()));
        let acted = self.world.house().act(id, act).await;
        if !present && act != Act::Discard {
            assert!(acted.is_err(), "nothing says what {id}, whose sender is not in the settings, means: {acted:?}");
            return Ok(());
        }
        let recorded = acted.is_ok() || self.world.faults.lock().fired;
        if recorded {
            // What is done to a part is done to its set.
            let set = self.rows.iter().find(|row| row.delivery.id == id).and_then(|row| self.model.set_of(row));
            let of_set = |row: &&DeliveryRow| row.delivery.id == id || set.is_some() && self.model.set_of(row) == set;
            let ids: Vec<DeliveryId> = self.rows.iter().filter(of_set).map(|row| row.delivery.id).collect();
            ids.into_iter().for_each(|id| self.model.acts(id, act));
        }
        // What may not be released is refused, and that is no fault.
        if act == Act::Release { Ok(()) } else { acted.map(|_| ()) }
    }

    /// Everything is mended and all work is done; then silence, and good files from all. Gives how many messages were told.
    async fn settle(&mut self) -> usize {
        self.world.faults.heal();
        self.world.clock.put_off(SignedDuration::ZERO);
        self.world.faults.lock().fired = false;
        self.world.restart(Variant::Whole).await;
        self.drain().await;
        self.step(&Op::Replay).await;
        self.drain().await;
        self.renewed = all_read_by_today(&self.world, &self.model, &self.rows);
        for _ in 0..6 {
            self.world.clock.advance(SignedDuration::from_mins(30));
            self.step(&Op::Work).await;
        }
        let codes: Vec<String> = CODES.iter().map(|code| (*code).to_owned()).collect();
        assert_eq!(silent(&self.world).into_iter().collect::<Vec<_>>(), codes, "P5: three hours of silence are noticed");
        for code in CODES {
            let (slots_ago, minute, sound) = (0, 0, true);
            let op = match code {
                IN_PARTS => Op::DeliverSet { slots_ago, minute, sound, sum_first: false, both: true },
                _ => Op::Deliver { code, slots_ago, minute, sound, folder: Folder::Inbox },
            };
            self.step(&op).await;
        }
        self.drain().await;
        assert!(silent(&self.world).is_empty(), "P5: they have recovered: {:?}", silent(&self.world));
        all_told(&self.world, &self.seen)
    }

    async fn drain(&mut self) {
        let pending =
            |rows: &[DeliveryRow]| rows.iter().any(|row| matches!(row.stage, Stage::Landed | Stage::Waiting { .. } | Stage::Ready { .. }));
        for round in 0.. {
            self.step(&Op::Work).await;
            if round > 2 && !pending(&self.rows) && replays_are_over(&self.world) {
                break;
            }
            assert!(round < 20, "P2: still pending: {:?}", self.rows);
            // A part waits for another for ten minutes, and for an hour more where the clock has been put back by that.
            let waiting = self.rows.iter().any(|row| matches!(row.stage, Stage::Waiting { .. }));
            self.world.clock.advance(SignedDuration::from_secs(if waiting { 300 } else { 20 }));
        }
        self.rows = check(&mut self.world, &mut self.model, &mut self.seen, Look { fired: false, settled: true, figures: true }).await;
    }

    fn add_to(&self, tally: &mut Tally, alerts: usize) {
        let number = |count: usize| u64::try_from(count).unwrap();
        let (loaded, repeats, set_aside) = ends(&self.rows);
        tally.histories += 1;
        tally.crashes += self.world.crashes;
        tally.faults += self.world.faults.lock().count - self.world.crashes;
        tally.deliveries += number(self.rows.len());
        tally.acknowledged += self.model.files.iter().map(|file| number(file.acknowledged)).sum::<u64>();
        tally.refused += self.refused;
        tally.loaded += loaded;
        tally.repeats += repeats;
        tally.read_again += self.renewed;
        tally.set_aside += set_aside;
        tally.alerts += number(alerts);
    }
}

/// The steps that a delivery and its daemon meet. Those of retention, backups and hosts' keys come in no history.
fn of_a_delivery() -> Vec<Step> {
    Step::ALL.iter().copied().filter(|step| *step <= Step::StopRecord).collect()
}
