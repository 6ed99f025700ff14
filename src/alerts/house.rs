//! The house: what is wrong on our own side, as episodes of their own. Pure.
//!
//! Owns when such an episode begins and ends: one for each problem, told once, however many feeds suffer from it. Refuses to
//! find out what is wrong: whoever knows says so at each round.

use jiff::Timestamp;

/// What can be wrong on our own side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HouseProblem {
    /// The disk is short of room, and uploads are refused.
    Disk,
    /// The clock jumped within the last hour.
    Clock,
}

impl HouseProblem {
    /// The word used in keys, logs and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disk => "disk",
            Self::Clock => "clock",
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
pub fn house_step(open: &[HouseEpisode], troubles: &[HouseTrouble], now: Timestamp) -> Vec<HouseChange> {
    let begun = troubles.iter().filter(|trouble| !open.iter().any(|episode| episode.problem == trouble.problem));
    let begun = begun.map(|trouble| HouseChange::Began(HouseEpisode { problem: trouble.problem, opened_at: now }, trouble.clone()));
    let ended = open.iter().filter(|episode| !troubles.iter().any(|trouble| trouble.problem == episode.problem));
    begun.chain(ended.cloned().map(HouseChange::Ended)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_begins_once_and_ends_once() {
        let at = |minute: i64| Timestamp::from_second(minute * 60).unwrap();
        let trouble = HouseTrouble { problem: HouseProblem::Disk, text: "no room".into(), what_to_do: "make some".into() };
        let changes = house_step(&[], std::slice::from_ref(&trouble), at(1));
        let [HouseChange::Began(episode, told)] = changes.as_slice() else { panic!("it begins: {changes:?}") };
        assert_eq!((episode.key().as_str(), told), ("house/disk/1970-01-01T00:01:00Z", &trouble));
        let open = [episode.clone()];
        assert_eq!(house_step(&open, &[trouble], at(2)), []);
        assert_eq!(house_step(&open, &[], at(3)), [HouseChange::Ended(open[0].clone())]);
        assert_eq!(house_step(&[], &[], at(4)), []);
    }
}
