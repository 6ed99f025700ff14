//! States: an Alertmanager is told again and again of what goes on, and for a while of what ended.
//!
//! Owns that loop. What it tells comes from the ledger: the open episodes, and the messages that this channel was sent of them; so
//! routes hold here too, and a restart of either side changes nothing. Refuses to be the first to tell: the outbox is.

use super::channels::{Firing, RESEND, RESOLVED_FOR, send_all};
use super::telling::is_of;
use super::{AlertKind, AlertMessage, Alertmanager, Watch};
use crate::feed::error_chain;
use crate::ledger::{LedgerError, OutboxRow};
use jiff::Timestamp;
use std::collections::BTreeSet;
use tokio::sync::watch;

/// Tells an Alertmanager until `stop` turns true. `channel`: its name in the outbox.
pub(super) async fn keep_told(watch: Watch, manager: Alertmanager, channel: String, mut stop: watch::Receiver<bool>) {
    let mut known = BTreeSet::new();
    let mut failing = false;
    while !*stop.borrow() {
        let told = tell_again(&watch, &manager, &channel, &mut known).await;
        // Told when it changes: each minute would fill the log.
        match (&told, failing) {
            (Err(error), false) => tracing::warn!(channel, error, "an Alertmanager could not be told again of what goes on"),
            (Ok(()), true) => tracing::info!(channel, "an Alertmanager is told again of what goes on"),
            _ => {}
        }
        failing = told.is_err();
        watch.turned.told_again(&channel, told);
        tokio::select! {
            () = tokio::time::sleep(RESEND) => {}
            _ = stop.changed() => {}
        }
    }
}

/// Tells it once. `known`: the episodes that were open, or ended just now, the last time.
async fn tell_again(watch: &Watch, manager: &Alertmanager, channel: &str, known: &mut BTreeSet<String>) -> Result<(), String> {
    let now = watch.clock.now();
    let asked = known.clone();
    let name = channel.to_owned();
    let episodes = watch.ledger.read(move |reader| {
        let episodes: BTreeSet<String> = reader.open_keys()?.into_iter().chain(asked).collect();
        let of = |episode: String| {
            let of_it = |row: &OutboxRow| row.alert.channel == name && is_of(row, &episode);
            let rows = reader.outbox_of(&episode)?.into_iter().filter(of_it).collect();
            Ok((episode, rows))
        };
        episodes.into_iter().map(of).collect::<Result<Vec<(String, Vec<OutboxRow>)>, LedgerError>>()
    });
    let episodes = episodes.await.map_err(|error| error_chain(&error))?;
    let firing: Vec<Firing> = episodes.iter().filter_map(|(_, rows)| standing(rows, now)).collect();
    *known = firing.iter().map(|alert| alert.first.episode.clone()).collect();
    if firing.is_empty() {
        return Ok(());
    }
    let manager = manager.clone();
    let sent = tokio::task::spawn_blocking(move || send_all(&manager, &firing, now).map_err(|error| error_chain(&error)));
    sent.await.map_err(|broken| broken.to_string())?
}

/// How an episode stands, by what the channel took of it, oldest first; `None` where it has nothing to be told again.
fn standing(rows: &[OutboxRow], now: Timestamp) -> Option<Firing> {
    let taken = rows.iter().filter(|row| row.delivered);
    let taken: Vec<AlertMessage> = taken.filter_map(|row| serde_json::from_value(row.alert.message.clone()).ok()).collect();
    let (first, newest) = (taken.first()?.clone(), taken.last()?.clone());
    let over = newest.ended.filter(|_| newest.kind == AlertKind::End);
    let lately = over.is_none_or(|over| now.duration_since(over) <= RESOLVED_FOR);
    lately.then_some(Firing { first, newest })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::channels::testing::{at, missed, over};
    use crate::ledger::AlertToSend;

    #[test]
    fn what_goes_on_is_told_again_and_what_ended_for_five_minutes() {
        let row = |message: &AlertMessage, delivered| {
            let alert = AlertToSend::now(message.key.clone(), "alertmanager:main".to_owned(), serde_json::to_value(message).unwrap());
            OutboxRow { alert, attempts: 1, next_at: at("2018-12-03T10:20:00Z"), delivered }
        };
        let reminder = AlertMessage { kind: AlertKind::Reminder, key: "RM1/missed/x/reminder/1".into(), ..missed() };
        let end = over();
        let rows = [
            (vec![], "11:00", None),
            (vec![row(&missed(), false)], "11:00", None),
            (vec![row(&missed(), true)], "11:00", Some(&missed().key)),
            (vec![row(&missed(), true), row(&reminder, true)], "11:00", Some(&reminder.key)),
            (vec![row(&missed(), true), row(&reminder, false)], "11:00", Some(&missed().key)),
            (vec![row(&missed(), true), row(&end, true)], "11:07", Some(&end.key)),
            (vec![row(&missed(), true), row(&end, true)], "11:08", None),
        ]
        .map(|(rows, time, expected)| (rows, time, expected.cloned()));
        for (rows, time, expected) in rows {
            let found = standing(&rows, at(&format!("2018-12-03T{time}:00Z")));
            assert_eq!(found.as_ref().map(|alert| alert.newest.key.clone()), expected, "{rows:?} at {time}");
            assert!(found.is_none_or(|alert| alert.first == missed()));
        }
    }
}
