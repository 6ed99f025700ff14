//! The heartbeat: somebody outside is told that we are there, as long as the loops really turn, and raises the alarm when that stops.
//!
//! Owns the decision (pure: [`pulse`]) and the loop that carries it out. Refuses to speak for a loop that stands still: then nothing is
//! said, which is what the one outside waits for.

use super::channels::ping;
use super::{Address, SendError};
use crate::feed::{Clock, error_chain};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// For how long a loop may be busy with one turn: a mail server that answers slowly takes a minute and more.
const LONGEST_TURN: Duration = Duration::from_secs(150);
/// When the first beat is, so that the loops had time for a turn.
const FIRST: Duration = Duration::from_secs(5);
/// What errors and logs call it.
const NAME: &str = "the heartbeat";
/// What is put after the address where lateness could not be judged.
const FAIL: &str = "/fail";

/// The loop that judges, by name.
pub(super) const JUDGING: &str = "judging";

/// Whom we show that we are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// Asked for with GET; `/fail` is put after it where lateness could not be judged.
    pub address: Address,
    /// How often.
    pub every: Duration,
}

/// What is known of the loops, shared by all of them.
#[derive(Clone, Debug, Default)]
pub struct Turned(Arc<Mutex<Turns>>);

#[derive(Debug, Default)]
struct Turns {
    loops: BTreeMap<String, Turn>,
    /// Since when channels have not been told again of what goes on, and why.
    untold: BTreeMap<String, (Instant, String)>,
    judged_at: Option<Timestamp>,
    beat_at: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug)]
struct Turn {
    at: Instant,
    fine: bool,
}

/// One loop as it is seen now.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    name: String,
    /// How long ago its last turn ended.
    ago: Duration,
    /// Whether that turn did what it is for.
    fine: bool,
}

/// What is said.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Pulse {
    /// All is well.
    Alive,
    /// We are there and cannot do our work.
    Failing,
    /// Nothing, because of this loop.
    Silent(String),
}

impl Turned {
    /// A loop has ended a turn.
    pub(super) fn mark(&self, name: &str, fine: bool) {
        self.turns().loops.insert(name.to_owned(), Turn { at: Instant::now(), fine });
    }

    /// A channel was told again of what goes on, or was not, for this reason.
    pub(super) fn told_again(&self, channel: &str, told: Result<(), String>) {
        let untold = &mut self.turns().untold;
        match told {
            Ok(()) => drop(untold.remove(channel)),
            Err(error) => {
                let since = untold.get(channel).map_or_else(Instant::now, |(since, _)| *since);
                untold.insert(channel.to_owned(), (since, error));
            }
        }
    }

    /// Channels that have not been told again for so long, each with the last reason.
    pub(super) fn untold_for(&self, long: Duration) -> Vec<(String, String)> {
        let turns = self.turns();
        let untold = turns.untold.iter().filter(|(_, (since, _))| since.elapsed() >= long);
        untold.map(|(channel, (_, error))| (channel.clone(), error.clone())).collect()
    }

    /// Every feed was judged.
    pub(super) fn judged(&self, at: Timestamp) {
        self.turns().judged_at = Some(at);
    }

    /// When every feed was judged last.
    #[must_use]
    pub fn judged_at(&self) -> Option<Timestamp> {
        self.turns().judged_at
    }

    /// When somebody outside was told last that we are there.
    #[must_use]
    pub fn beat_at(&self) -> Option<Timestamp> {
        self.turns().beat_at
    }

    fn seen(&self) -> Vec<Seen> {
        let seen = |(name, turn): (&String, &Turn)| Seen { name: name.clone(), ago: turn.at.elapsed(), fine: turn.fine };
        self.turns().loops.iter().map(seen).collect()
    }

    /// A lock whose holder panicked is still good: what it guards is set in one step.
    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is said, given the loops that should turn and how they were seen.
fn pulse(loops: &[String], seen: &[Seen]) -> Pulse {
    let turns = |name: &String| seen.iter().any(|seen| seen.name == *name && seen.ago <= LONGEST_TURN);
    match loops.iter().find(|name| !turns(name)) {
        Some(name) => Pulse::Silent(name.clone()),
        None if seen.iter().all(|seen| seen.fine) => Pulse::Alive,
        None => Pulse::Failing,
    }
}

/// Beats until `stop` turns true.
pub(super) async fn beat(heartbeat: Heartbeat, turned: Turned, loops: Vec<String>, clock: Arc<dyn Clock>, mut stop: watch::Receiver<bool>) {
    let mut pause = FIRST.min(heartbeat.every);
    let mut was: Option<Result<Pulse, String>> = None;
    while !*stop.borrow() {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stop.changed() => continue,
        }
        pause = heartbeat.every;
        let pulse = pulse(&loops, &turned.seen());
        let said = say(&heartbeat.address, &pulse).await.map(|()| pulse.clone()).map_err(|error| error_chain(&error));
        if said == Ok(Pulse::Alive) {
            turned.turns().beat_at = Some(clock.now());
        }
        // Told when it changes: each minute would fill the log.
        if was.as_ref() != Some(&said) {
            match &said {
                Ok(Pulse::Alive) => tracing::info!("the heartbeat is heard"),
                Ok(Pulse::Failing) => tracing::warn!("the heartbeat says that lateness cannot be judged"),
                Ok(Pulse::Silent(name)) => tracing::error!(name, "the heartbeat is silent, because this loop stands still"),
                Err(error) => tracing::warn!(error, "the heartbeat is not heard"),
            }
        }
        was = Some(said);
    }
}

async fn say(address: &Address, pulse: &Pulse) -> Result<(), SendError> {
    let path = match pulse {
        Pulse::Silent(_) => return Ok(()),
        Pulse::Alive => "",
        Pulse::Failing => FAIL,
    };
    let address = address.clone();
    let asked = tokio::task::spawn_blocking(move || ping(&address, path, NAME));
    asked.await.unwrap_or_else(|broken| Err(SendError::Away { key: "ping".to_owned(), channel: NAME.to_owned(), source: Box::new(broken) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn we_are_there_only_while_every_loop_turns() {
        let loops = ["judging", "log", "webhook:desk"].map(str::to_owned);
        let seen = |turns: &[(&str, u64, bool)]| -> Vec<Seen> {
            let one =
                |(name, ago, fine): &(&str, u64, bool)| Seen { name: (*name).to_owned(), ago: Duration::from_secs(*ago), fine: *fine };
            turns.iter().map(one).collect()
        };
        let silent = |name: &str| Pulse::Silent(name.to_owned());
        let rows = [
            (seen(&[("judging", 4, true), ("log", 5, true), ("webhook:desk", 90, true)]), Pulse::Alive),
            (seen(&[("judging", 4, false), ("log", 5, true), ("webhook:desk", 3, true)]), Pulse::Failing),
            (seen(&[("judging", 4, true), ("log", 5, false), ("webhook:desk", 3, true)]), Pulse::Failing),
            (seen(&[("judging", 151, true), ("log", 5, true), ("webhook:desk", 3, true)]), silent("judging")),
            (seen(&[("judging", 151, false), ("log", 5, true), ("webhook:desk", 3, true)]), silent("judging")),
            (seen(&[("judging", 4, true), ("log", 5, true), ("webhook:desk", 151, true)]), silent("webhook:desk")),
            (seen(&[("judging", 4, true), ("log", 5, true)]), silent("webhook:desk")),
            (seen(&[]), silent("judging")),
        ];
        for (seen, expected) in rows {
            assert_eq!(pulse(&loops, &seen), expected, "{seen:?}");
        }
    }

    #[test]
    fn a_channel_is_untold_until_it_is_told_again() {
        let turned = Turned::default();
        turned.told_again("alertmanager:main", Err("nobody answers".to_owned()));
        turned.told_again("alertmanager:main", Err("code 500".to_owned()));
        let untold = [("alertmanager:main".to_owned(), "code 500".to_owned())];
        assert_eq!((turned.untold_for(Duration::ZERO), turned.untold_for(Duration::from_secs(1800))), (untold.to_vec(), vec![]));
        turned.told_again("alertmanager:main", Ok(()));
        assert_eq!(turned.untold_for(Duration::ZERO), []);
    }

    #[test]
    fn a_turn_is_seen_at_once_with_what_became_of_it() {
        let turned = Turned::default();
        turned.mark("judging", true);
        turned.mark("judging", false);
        let seen = turned.seen();
        assert_eq!((seen.len(), seen[0].name.as_str(), seen[0].fine), (1, "judging", false));
        assert!(seen[0].ago < Duration::from_secs(60));
    }
}
