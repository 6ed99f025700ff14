//! The house: what is wrong on our own side, as episodes of their own. Pure.
//!
//! Owns when such an episode begins and ends: one for each problem, told once, however many feeds suffer from it. Refuses to
//! find out what is wrong: whoever knows says so at each round.

use super::Common;
use crate::feed::local_text;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// What can be wrong on our own side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HouseProblem {
    /// The disk is short of room, and uploads are refused.
    Disk,
    /// The warehouse takes nothing: accepted snapshots wait in the ledger.
    Warehouse,
    /// The clock jumped within the last hour.
    Clock,
    /// The ledger is older than what lies beside it.
    Ledger,
    /// The warehouse lacks what the ledger calls loaded.
    Lost,
    /// A warehouse beside the first takes nothing.
    Further,
    /// Most feeds fell silent together.
    Silent,
    /// bedfeed was not running a short while ago.
    Away,
    /// A channel takes no alerts.
    Channel,
}

impl HouseProblem {
    /// Every problem.
    pub const ALL: [Self; 9] =
        [Self::Disk, Self::Warehouse, Self::Clock, Self::Ledger, Self::Lost, Self::Further, Self::Silent, Self::Away, Self::Channel];

    /// The word used in keys, logs and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disk => "disk",
            Self::Warehouse => "warehouse",
            Self::Clock => "clock",
            Self::Ledger => "ledger",
            Self::Lost => "lost",
            Self::Further => "further",
            Self::Silent => "silent",
            Self::Away => "away",
            Self::Channel => "channel",
        }
    }
}

/// One problem as it stands now, in words for support.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HouseTrouble {
    /// Which.
    pub problem: HouseProblem,
    /// A sentence or two.
    pub text: String,
    /// What support should do.
    pub what_to_do: String,
}

/// What is found at one look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HouseLook {
    /// What is wrong.
    pub troubles: Vec<HouseTrouble>,
    /// Of what nobody can say now whether it is wrong: it is taken to be as it was.
    pub undecided: Vec<HouseProblem>,
}

/// One continuous stretch of one problem.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct HouseEpisode {
    /// What is wrong.
    pub problem: HouseProblem,
    /// When it was first seen.
    pub opened_at: Timestamp,
}

impl HouseEpisode {
    /// What tells episodes apart, for ever, as in `house/disk/2018-12-03T10:15:00Z`.
    #[must_use]
    pub fn key(&self) -> String {
        format!("house/{}/{}", self.problem.as_str(), self.opened_at)
    }
}

/// So many loads in vain make it the warehouse's trouble: one may be a blip, and the first tries are seconds apart.
const FAILURES: u64 = 3;

/// The queue before the warehouse at one instant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Queue {
    /// Snapshots that wait.
    pub waiting: u64,
    /// How often loading one of these has failed, together.
    pub failures: u64,
    /// What the warehouse said last.
    pub error: String,
}

/// What is wrong with the warehouse. It goes on (`was`) until nothing waits any more that was tried in vain: what is left of
/// the backlog is then on its way.
#[must_use]
pub fn warehouse_trouble(queue: &Queue, was: bool) -> Option<HouseTrouble> {
    let enough = if was { 1 } else { FAILURES };
    (queue.failures >= enough).then(|| HouseTrouble {
        problem: HouseProblem::Warehouse,
        text: format!(
            "The warehouse takes nothing: {}. {} for it. Files are taken, judged and receipted as ever, and nothing is lost; pages \
             and views show older figures, with their age.",
            queue.error,
            snapshots(queue.waiting, "waits", "wait"),
        ),
        what_to_do: "Mend the warehouse (its disk, its locks, its rights). Nothing has to be done here: one snapshot is tried again each \
                     minute, and when it is taken all that wait are loaded."
            .to_owned(),
    })
}

/// What is wrong with warehouses beside the first: each with its name and its own queue. One episode for all of them: somebody looks at
/// `bedfeed status` either way.
#[must_use]
pub fn further_trouble(further: &[(String, Queue)]) -> Option<HouseTrouble> {
    let away: Vec<&(String, Queue)> = further.iter().filter(|(_, queue)| queue.failures >= FAILURES).collect();
    let one =
        |(name, queue): &&(String, Queue)| format!("{name} takes nothing: {}. {}.", queue.error, snapshots(queue.waiting, "waits", "wait"));
    (!away.is_empty()).then(|| HouseTrouble {
        problem: HouseProblem::Further,
        text: format!("Of the further warehouses {} The others, and the pages, go on.", away.iter().map(one).collect::<Vec<_>>().join(" ")),
        what_to_do:
            "Mend that warehouse (its disk, its locks, its rights). Nothing has to be done here: it is tried again each minute, and \
                     what it lacks is loaded from the kept originals, the newest first."
                .to_owned(),
    })
}

/// What is said when most feeds fell silent together: how many, and which.
#[must_use]
pub fn silent_trouble(common: Common, providers: &[String]) -> HouseTrouble {
    let Common { silent, of } = common;
    HouseTrouble {
        problem: HouseProblem::Silent,
        text: format!(
            "{silent} of {of} feeds fell silent within half an hour: {}. So many at once are rarely silent each for a reason of its own. The \
             silence of single feeds is not told meanwhile; pages show older figures, with their age.",
            providers.join(", ")
        ),
        what_to_do:
            "Look at our side first: this machine's network, the firewall before it, its name and address, its clock. `bedfeed status` \
                     tells when somebody last logged in. If our side is well, ring the providers."
                .to_owned(),
    }
}

/// For how long after it runs again it is told that bedfeed was not running: until the slot after that is due.
const TOLD_AWAY: SignedDuration = SignedDuration::from_mins(20);

/// What is said after a stretch in which bedfeed was not running, where `slots` of `feeds` feeds may have been missed for it.
#[must_use]
pub fn away_trouble(
    from: Timestamp,
    until: Timestamp,
    (slots, feeds): (usize, usize),
    now: Timestamp,
    zone: &TimeZone,
) -> Option<HouseTrouble> {
    let goes_on = now < until.saturating_add(TOLD_AWAY).unwrap_or(until);
    (goes_on && slots > 0).then(|| HouseTrouble {
        problem: HouseProblem::Away,
        text: format!(
            "bedfeed was not running from {} to {}. {slots} slots of {feeds} feeds had no file and may have been missed for that: they are \
             \"unknown\", not late, and fill when their files come.",
            local_text(from, zone),
            local_text(until, zone),
        ),
        what_to_do:
            "Find out why it stopped (journalctl -u bedfeed). Senders that try again have filled their slots; ask the others to send \
                     what is missing."
                .to_owned(),
    })
}

/// What is wrong with channels, each by its name in the outbox with what was said last. One episode for all of them.
#[must_use]
pub(super) fn channel_trouble(failing: &[(String, String)]) -> Option<HouseTrouble> {
    let one = |(channel, error): &(String, String)| format!("{channel} takes nothing: {error}.");
    (!failing.is_empty()).then(|| HouseTrouble {
        problem: HouseProblem::Channel,
        text: format!(
            "For about half an hour alerts have not arrived on every channel. {} They are kept, and tried again every quarter of an hour.",
            failing.iter().map(one).collect::<Vec<_>>().join(" ")
        ),
        what_to_do: "See that the receiver runs and that its address, password and rights are right; `bedfeed check-config --send-test` \
                     tries every channel. Tell by other means whoever only listens there."
            .to_owned(),
    })
}

/// How much had to wait, when it is over.
#[must_use]
pub fn waited(count: u64) -> String {
    format!("{} for it; what is left of them is being loaded.", snapshots(count, "had to wait", "had to wait"))
}

fn snapshots(count: u64, one: &str, many: &str) -> String {
    if count == 1 { format!("1 snapshot {one}") } else { format!("{count} snapshots {many}") }
}

/// What happened to an episode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HouseChange {
    /// It began.
    Began(HouseEpisode, HouseTrouble),
    /// It ended.
    Ended(HouseEpisode),
}

/// What has changed, given the open episodes and what is wrong at `now`. Applying the changes and asking again gives nothing.
#[must_use]
pub fn house_step(open: &[HouseEpisode], look: &HouseLook, now: Timestamp) -> Vec<HouseChange> {
    let HouseLook { troubles, undecided } = look;
    let begun = troubles.iter().filter(|trouble| !open.iter().any(|episode| episode.problem == trouble.problem));
    let begun = begun.map(|trouble| HouseChange::Began(HouseEpisode { problem: trouble.problem, opened_at: now }, trouble.clone()));
    let goes_on = |problem| troubles.iter().any(|trouble| trouble.problem == problem) || undecided.contains(&problem);
    let ended = open.iter().filter(|episode| !goes_on(episode.problem));
    begun.chain(ended.cloned().map(HouseChange::Ended)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(troubles: Vec<HouseTrouble>) -> HouseLook {
        HouseLook { troubles, undecided: Vec::new() }
    }

    #[test]
    fn the_warehouse_is_told_of_once_when_it_takes_nothing_and_once_when_it_does_again() {
        // Snapshots that wait, loads in vain, what is told.
        let rows =
            [(0, 0, ""), (1, 1, ""), (2, 2, ""), (2, 3, "+"), (40, 60, ""), (39, 1, ""), (39, 0, "-"), (20, 0, ""), (1, 1, ""), (1, 2, "")];
        let mut open: Vec<HouseEpisode> = Vec::new();
        for (minute, (waiting, failures, expected)) in rows.into_iter().enumerate() {
            let now = Timestamp::from_second(i64::try_from(minute).unwrap() * 60).unwrap();
            let queue = Queue { waiting, failures, error: "it is locked".to_owned() };
            let trouble = warehouse_trouble(&queue, !open.is_empty());
            let mut told = String::new();
            for change in house_step(&open, &look(trouble.into_iter().collect()), now) {
                match change {
                    HouseChange::Began(episode, trouble) => {
                        assert!(trouble.text.contains("it is locked. 2 snapshots wait for it"), "{}", trouble.text);
                        open.push(episode);
                        told.push('+');
                    }
                    HouseChange::Ended(episode) => {
                        open.retain(|it| *it != episode);
                        told.push('-');
                    }
                }
            }
            assert_eq!(told, expected, "{waiting} wait, {failures} in vain");
        }
        assert_eq!(waited(1), "1 snapshot had to wait for it; what is left of them is being loaded.");
    }

    #[test]
    fn channels_that_take_nothing_are_named_with_what_they_said_last() {
        assert_eq!(channel_trouble(&[]), None);
        let failing = [("webhook:desk", "nobody answers"), ("email:office", "code 550")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        let trouble = channel_trouble(&failing).unwrap();
        let expected = "webhook:desk takes nothing: nobody answers. email:office takes nothing: code 550. They are kept";
        assert!(trouble.text.contains(expected), "{}", trouble.text);
        assert_eq!(trouble.problem, HouseProblem::Channel);
    }

    #[test]
    fn a_problem_begins_once_and_ends_once() {
        let at = |minute: i64| Timestamp::from_second(minute * 60).unwrap();
        let trouble = HouseTrouble { problem: HouseProblem::Disk, text: "no room".into(), what_to_do: "make some".into() };
        let changes = house_step(&[], &look(vec![trouble.clone()]), at(1));
        let [HouseChange::Began(episode, told)] = changes.as_slice() else { panic!("it begins: {changes:?}") };
        assert_eq!((episode.key().as_str(), told), ("house/disk/1970-01-01T00:01:00Z", &trouble));
        let open = [episode.clone()];
        assert_eq!(house_step(&open, &look(vec![trouble]), at(2)), []);
        let nobody_knows = HouseLook { undecided: vec![HouseProblem::Disk], ..HouseLook::default() };
        assert_eq!((house_step(&open, &nobody_knows, at(3)), house_step(&[], &nobody_knows, at(3))), (vec![], vec![]));
        assert_eq!(house_step(&open, &look(vec![]), at(3)), [HouseChange::Ended(open[0].clone())]);
        assert_eq!(house_step(&[], &look(vec![]), at(4)), []);
    }
}
