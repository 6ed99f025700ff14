//! What people say about feeds: downtime that a provider planned, pauses, and that somebody sees to an alert. Every word is
//! recorded with who and why, and with the system's account that asked.
//!
//! Owns what may be said, and its bounds. Refuses to change what comes in: files are taken, judged and loaded as ever.

use super::carry_out::PipelineError;
use super::support::{ActError, Asked, are_words};
use super::worker::Pipeline;
use crate::feed::{Announced, AnnouncedKind, ProviderCode, SilenceStanding};
use crate::ledger::{Acknowledged, Event, LedgerError};
use jiff::{SignedDuration, Timestamp};

/// The longest downtime: whatever lasts longer is looked at again by somebody, or is a pause.
const MAX_DOWNTIME: SignedDuration = SignedDuration::from_hours(31 * 24);
/// How far ahead a downtime may begin: beyond that it is a mistyped year.
const MAX_AHEAD: SignedDuration = SignedDuration::from_hours(366 * 24);
/// Most silences of one feed that stand or are to come.
const MAX_STANDING: usize = 100;
/// Longest key of an episode.
const MAX_KEY: usize = 200;

/// What somebody says.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "saying", rename_all = "snake_case", deny_unknown_fields)]
pub enum Saying {
    /// No file is expected from a provider for a while.
    Downtime {
        /// Whose feed.
        provider: ProviderCode,
        /// The first instant.
        from: Timestamp,
        /// The first instant after it.
        until: Timestamp,
    },
    /// A downtime is over before its time, or does not take place.
    EndDowntime {
        /// Its number.
        id: u32,
    },
    /// A feed is paused from now on.
    Pause {
        /// Which.
        provider: ProviderCode,
        /// Until when; `None`: until somebody resumes it.
        #[serde(default)]
        until: Option<Timestamp>,
    },
    /// A paused feed goes on.
    Resume {
        /// Which.
        provider: ProviderCode,
    },
    /// Somebody sees to an episode.
    Acknowledge {
        /// Its key.
        key: String,
        /// When that lapses; `None`: it holds until the episode ends.
        #[serde(default)]
        until: Option<Timestamp>,
    },
}

/// What was recorded.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "said", rename_all = "snake_case")]
pub enum Said {
    /// The silence, as it stands now.
    Silence(Announced),
    /// Who sees to which episode.
    Acknowledged {
        /// The episode's key.
        key: String,
        /// Who, and why.
        #[serde(flatten)]
        by: Acknowledged,
    },
}

/// Why something was not recorded, in words for the person.
#[derive(Debug, thiserror::Error)]
pub enum SayingError {
    /// Who or why is missing or bad, or it could not be recorded.
    #[error(transparent)]
    Act(#[from] ActError),
    /// No such provider.
    #[error("provider {0} is not in the settings, so no file is expected from it anyway")]
    NoProvider(ProviderCode),
    /// A stretch that makes no sense.
    #[error("{0}")]
    Stretch(&'static str),
    /// Too many at once.
    #[error("feed {0} has {MAX_STANDING} silences that stand or are to come: end some first (`bedfeed downtime list`)")]
    TooMany(ProviderCode),
    /// No such downtime, or it is over.
    #[error("there is no downtime {0} that stands or is to come; `bedfeed downtime list` shows them")]
    NoSuchDowntime(u32),
    /// That number is a pause's.
    #[error("{id} is a pause: say `bedfeed resume {provider}`")]
    IsPause {
        /// Its number.
        id: u32,
        /// Whose feed.
        provider: ProviderCode,
    },
    /// It is paused already.
    #[error("feed {provider} is paused already, by {by} ({reason}): resume it first to pause it anew")]
    IsPaused {
        /// Which.
        provider: ProviderCode,
        /// Who paused it.
        by: String,
        /// Why.
        reason: String,
    },
    /// It is not paused.
    #[error("feed {0} is not paused; `bedfeed downtime list` shows what is silent")]
    NotPaused(ProviderCode),
    /// No such episode goes on.
    #[error("no alert {0} goes on; `bedfeed alert list` shows those that do")]
    NoSuchAlert(String),
}

impl From<LedgerError> for SayingError {
    fn from(error: LedgerError) -> Self {
        Self::Act(error.into())
    }
}

impl From<PipelineError> for SayingError {
    fn from(error: PipelineError) -> Self {
        Self::Act(error.into())
    }
}

impl Pipeline {
    /// Records what somebody says about a feed or an alert; gives how it stands then.
    ///
    /// # Errors
    /// See [`SayingError`]; nothing was recorded.
    pub async fn say(&self, saying: Saying, asked: &Asked) -> Result<Said, SayingError> {
        if !are_words(&asked.by) || !are_words(&asked.reason) {
            return Err(ActError::Words.into());
        }
        // One after another: numbers are given once, and two pauses at once are one.
        let _saying = self.inner.saying.lock().await;
        match saying {
            Saying::Downtime { provider, from, until } => self.plan(provider, from, until, asked).await,
            Saying::EndDowntime { id } => self.end(id, asked).await,
            Saying::Pause { provider, until } => self.pause(provider, until, asked).await,
            Saying::Resume { provider } => self.resume(provider, asked).await,
            Saying::Acknowledge { key, until } => self.acknowledge(key, until, asked).await,
        }
    }

    async fn plan(&self, provider: ProviderCode, from: Timestamp, until: Timestamp, asked: &Asked) -> Result<Said, SayingError> {
        let now = self.inner.clock.now();
        may_be_planned(from, until, now).map_err(SayingError::Stretch)?;
        let id = self.numbered(&provider, now).await?;
        let (by, reason, account) = (asked.by.clone(), asked.reason.clone(), asked.account.clone());
        self.inner.record(vec![Event::DowntimePlanned { id, provider, from, until, reason, by, account }]).await?;
        self.silence(id).await
    }

    async fn end(&self, id: u32, asked: &Asked) -> Result<Said, SayingError> {
        let now = self.inner.clock.now();
        let silence = self.inner.ledger.read(move |reader| reader.silence(id)).await?.filter(|silence| stands(silence, now));
        let silence = silence.ok_or(SayingError::NoSuchDowntime(id))?;
        let provider = silence.provider;
        if silence.kind == AnnouncedKind::Paused {
            return Err(SayingError::IsPause { id, provider });
        }
        let (by, reason, account) = (asked.by.clone(), asked.reason.clone(), asked.account.clone());
        self.inner.record(vec![Event::DowntimeEnded { id, provider, reason, by, account }]).await?;
        self.silence(id).await
    }

    async fn pause(&self, provider: ProviderCode, until: Option<Timestamp>, asked: &Asked) -> Result<Said, SayingError> {
        let now = self.inner.clock.now();
        if until.is_some_and(|until| until <= now) {
            return Err(SayingError::Stretch("--until is over already: a pause begins now"));
        }
        if let Some(Announced { by, reason, .. }) = self.pause_of(&provider, now).await? {
            return Err(SayingError::IsPaused { provider, by, reason });
        }
        let id = self.numbered(&provider, now).await?;
        let (by, reason, account) = (asked.by.clone(), asked.reason.clone(), asked.account.clone());
        self.inner.record(vec![Event::FeedPaused { id, provider, until, reason, by, account }]).await?;
        self.silence(id).await
    }

    async fn resume(&self, provider: ProviderCode, asked: &Asked) -> Result<Said, SayingError> {
        let now = self.inner.clock.now();
        let pause = self.pause_of(&provider, now).await?;
        let id = pause.ok_or_else(|| SayingError::NotPaused(provider.clone()))?.id;
        let (by, reason, account) = (asked.by.clone(), asked.reason.clone(), asked.account.clone());
        self.inner.record(vec![Event::FeedResumed { id, provider, reason, by, account }]).await?;
        self.silence(id).await
    }

    async fn acknowledge(&self, key: String, until: Option<Timestamp>, asked: &Asked) -> Result<Said, SayingError> {
        let now = self.inner.clock.now();
        if until.is_some_and(|until| until <= now) {
            return Err(SayingError::Stretch("--until is over already: say until when somebody sees to it"));
        }
        let asked_for = key.clone();
        // Whose feed it is, where it goes on; none for our own side.
        let goes_on: Option<Option<ProviderCode>> = self
            .inner
            .ledger
            .read(move |reader| {
                let episode = reader.episode(&asked_for)?.filter(|episode| episode.closed_at.is_none());
                let ours = reader.open_house_episodes()?.iter().any(|(open, _)| *open == asked_for);
                Ok(episode.map(|episode| Some(episode.provider)).or(ours.then_some(None)))
            })
            .await?;
        let Some(provider) = goes_on else {
            return Err(SayingError::NoSuchAlert(key.chars().filter(|c| !c.is_control()).take(MAX_KEY).collect()));
        };
        let (by, reason, account) = (asked.by.clone(), asked.reason.clone(), asked.account.clone());
        let acknowledged =
            Event::EpisodeAcknowledged { key: key.clone(), provider, reason: reason.clone(), by: by.clone(), until, account };
        self.inner.record(vec![acknowledged]).await?;
        tracing::info!(key, by, "somebody sees to an alert");
        Ok(Said::Acknowledged { key, by: Acknowledged { by, reason, at: now, until } })
    }

    /// The number for another silence of a feed that there is.
    async fn numbered(&self, provider: &ProviderCode, now: Timestamp) -> Result<u32, SayingError> {
        if !self.inner.rules.feeds.iter().any(|feed| feed.provider == *provider) {
            return Err(SayingError::NoProvider(provider.clone()));
        }
        let asked = provider.clone();
        let (silences, id) = self.inner.ledger.read(move |reader| Ok((reader.silences(&asked, now)?, reader.next_silence()?))).await?;
        if silences.iter().filter(|silence| stands(silence, now)).count() >= MAX_STANDING {
            return Err(SayingError::TooMany(provider.clone()));
        }
        Ok(id)
    }

    /// The pause that stands.
    async fn pause_of(&self, provider: &ProviderCode, now: Timestamp) -> Result<Option<Announced>, SayingError> {
        let asked = provider.clone();
        let silences = self.inner.ledger.read(move |reader| reader.silences(&asked, now)).await?;
        Ok(silences.into_iter().find(|silence| silence.kind == AnnouncedKind::Paused && stands(silence, now)))
    }

    /// How a silence stands after something was said about it.
    async fn silence(&self, id: u32) -> Result<Said, SayingError> {
        let silence = self.inner.ledger.read(move |reader| reader.silence(id)).await?;
        let silence = silence.ok_or(SayingError::NoSuchDowntime(id))?;
        let (provider, kind, by) = (&silence.provider, silence.kind.as_str(), &silence.by);
        tracing::info!(%provider, id, kind, by, ended = silence.ended.is_some(), "somebody announced or ended silence");
        Ok(Said::Silence(silence))
    }
}

/// Whether a silence covers an instant or a later one. A pause of a clock that was ahead counts: it can be ended.
fn stands(silence: &Announced, now: Timestamp) -> bool {
    matches!(silence.standing(now), SilenceStanding::Now | SilenceStanding::ToCome) && silence.ended.is_none()
}

/// Whether a downtime may be announced. Pure.
fn may_be_planned(from: Timestamp, until: Timestamp, now: Timestamp) -> Result<(), &'static str> {
    match () {
        () if until <= from => Err("--until must be later than --from"),
        () if until <= now => Err("--until is over already: what was missed stays missed"),
        () if until.duration_since(from) > MAX_DOWNTIME => {
            Err("a downtime lasts 31 days at most: announce the next one when it comes, or pause the feed")
        }
        () if from.duration_since(now) > MAX_AHEAD => Err("--from is more than a year ahead: is the year right?"),
        () => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_downtime_has_an_end_that_is_to_come_and_lasts_a_month_at_most() {
        let now = "2018-12-03T10:00:00Z".parse().unwrap();
        let rows = [
            ("2018-12-03T22:00:00Z", "2018-12-04T02:00:00Z", ""),
            // It began an hour ago, and was forgotten.
            ("2018-12-03T09:00:00Z", "2018-12-03T11:00:00Z", ""),
            ("2018-12-03T10:00:00Z", "2019-01-03T10:00:00Z", ""),
            ("2018-12-03T10:00:00Z", "2019-01-03T10:00:01Z", "31 days at most"),
            ("2018-12-03T22:00:00Z", "2018-12-03T22:00:00Z", "later than --from"),
            ("2018-12-04T02:00:00Z", "2018-12-03T22:00:00Z", "later than --from"),
            ("2018-12-03T09:00:00Z", "2018-12-03T10:00:00Z", "over already"),
            ("2019-12-04T09:00:00Z", "2019-12-04T10:00:00Z", ""),
            ("2020-12-04T09:00:00Z", "2020-12-04T10:00:00Z", "more than a year ahead"),
        ];
        for (from, until, refused) in rows {
            let said = may_be_planned(from.parse().unwrap(), until.parse().unwrap(), now).err().unwrap_or_default();
            assert_eq!(said.is_empty(), refused.is_empty(), "{from} to {until}: {said}");
            assert!(said.contains(refused), "{from} to {until}: {said}");
        }
    }
}
