//! Telling: what is queued for whom, when a message is to be recorded.
//!
//! Owns the questions to the ledger that [`plan`] needs, and the entries that come of its answer. They are committed together with what
//! the message is about.

use super::house::channel_trouble;
use super::{AlertKind, AlertMessage, HouseTrouble, Said, Watch, plan};
use crate::ledger::{AlertToSend, Event, LedgerError, OutboxRow};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// So many tries of one message in vain make a channel's trouble: by then it has failed for about half an hour.
const TRIES: u32 = 9;
/// The same of what is told again each minute.
const LONG: Duration = Duration::from_secs(30 * 60);

/// What is recorded about a message beside what it tells of.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// What is queued.
    pub(super) alerts: Vec<AlertToSend>,
    /// What is not sent any more.
    pub(super) dropped: Vec<Event>,
}

impl Watch {
    /// Decides to whom a message goes.
    pub(super) async fn tell_of(&self, message: &AlertMessage, now: Timestamp) -> Result<Told, LedgerError> {
        let told = self.tell_each(std::slice::from_ref(message), now).await?.pop();
        Ok(told.unwrap_or_default())
    }

    /// The same for several messages with one look at the ledger; in their order.
    pub(super) async fn tell_each(&self, messages: &[AlertMessage], now: Timestamp) -> Result<Vec<Told>, LedgerError> {
        // Who was told before says nothing about a beginning.
        let asks = |message: &AlertMessage| matches!(message.kind, AlertKind::Reminder | AlertKind::End);
        let episodes: BTreeSet<String> = messages.iter().filter(|message| asks(message)).map(|message| message.episode.clone()).collect();
        let asked = self.ledger.read(move |reader| {
            let of = |episode: String| reader.outbox_of(&episode).map(|rows| (episode, rows));
            Ok((episodes.into_iter().map(of).collect::<Result<BTreeMap<_, _>, _>>()?, reader.failing_channels(TRIES)?))
        });
        let (rows, failing) = asked.await?;
        let failing: Vec<String> = failing.into_iter().chain(self.turned.untold_for(LONG)).map(|(channel, _)| channel).collect();
        let told = |message: &AlertMessage| {
            let of_it = rows.get(&message.episode).into_iter().flatten().filter(|row| is_of(row, &message.episode));
            let said = |row: &OutboxRow| Said { held: row.is_held(now), key: row.alert.key.clone(), channel: row.alert.channel.clone() };
            let plan = plan(&self.routing, message, &of_it.map(said).collect::<Vec<_>>(), &failing, now, &self.zone);
            let body = as_json(message)?;
            let alert = |(channel, not_before)| AlertToSend { key: message.key.clone(), channel, message: body.clone(), not_before };
            Ok(Told {
                alerts: plan.send.into_iter().map(alert).collect(),
                dropped: plan.drop.into_iter().map(|(key, channel)| Event::AlertDropped { key, channel }).collect(),
            })
        };
        messages.iter().map(told).collect()
    }

    /// Queues a message for some channels, by the names that settings have for them, whatever the routes say.
    pub(super) fn tell_these(&self, message: &AlertMessage, names: &[String]) -> Result<Vec<AlertToSend>, LedgerError> {
        let body = as_json(message)?;
        let alert = |channel| AlertToSend::now(message.key.clone(), channel, body.clone());
        Ok(self.routing.named(names).into_iter().map(alert).collect())
    }

    /// The first message of the same episode that was queued for a channel.
    pub(super) async fn first_told(&self, channel: &str, message: Option<&AlertMessage>) -> Result<Option<AlertMessage>, LedgerError> {
        let Some(message) = message else { return Ok(None) };
        let episode = message.episode.clone();
        let rows = self.ledger.read(move |reader| reader.outbox_of(&episode)).await?;
        let first = rows.into_iter().find(|row| row.alert.channel == channel && is_of(row, &message.episode));
        Ok(first.and_then(|row| serde_json::from_value(row.alert.message).ok()))
    }

    /// What is wrong with channels.
    pub(super) async fn channel_trouble(&self) -> Result<Option<HouseTrouble>, LedgerError> {
        let failing = self.ledger.read(|reader| reader.failing_channels(TRIES)).await?;
        // One that was taken out of the settings is nobody's trouble any more.
        let mut ours: BTreeMap<String, String> = self.turned.untold_for(LONG).into_iter().collect();
        ours.extend(failing.into_iter().filter(|(channel, _)| self.routing.channels.contains(channel)));
        Ok(channel_trouble(&ours.into_iter().collect::<Vec<_>>()))
    }
}

/// Whether a message is of this episode: keys of those that told the same stretch again begin with that of the first.
pub(super) fn is_of(row: &OutboxRow, episode: &str) -> bool {
    row.alert.message.get("episode").and_then(serde_json::Value::as_str) == Some(episode)
}

fn as_json(message: &AlertMessage) -> Result<serde_json::Value, LedgerError> {
    serde_json::to_value(message).map_err(|error| LedgerError::Unreadable { what: error.to_string() })
}
